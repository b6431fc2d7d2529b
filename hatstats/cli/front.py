"""The application: registration of verbs, what they share, errors as plain messages."""

from __future__ import annotations

import inspect
import io
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from hatstats.cli.terminal import in_flags, progress_bar
from hatstats.errors import (
    ConvergenceWarning,
    DataError,
    DegenerateDataWarning,
    HatstatsError,
    NotIdentifiedError,
    explained_imports,
)

if TYPE_CHECKING:
    from hatstats.scores.scores import HatScores
    from hatstats.scores.transfer_profile import TransferProfile
    from hatstats.study import Study

#: Exit statuses: an analysis failed; the input or the arguments are wrong.
FAILED, WRONG = 1, 2

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class _Verbs(TyperGroup):
    """The verbs, whose errors of usage have no words of the library that checks values."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            raise


app = typer.Typer(
    name="hatstats",
    cls=_Verbs,
    help="Hardness-adjusted transfer (HAT) scores of language models, their trends and claims.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)

Method = Literal["latent", "joint", "panel", "observed", "aggregate"]
# As in `hatstats.scores.wordings`, which takes long to import.
Scope = Literal["these wordings", "wordings like these"]
StudyPath = Annotated[Path, typer.Argument(help="A study folder, or one CSV or Parquet table.")]


def _between_0_and_1(value: float) -> float:
    """The level, if it lies between 0 and 1."""
    if not 0.0 < value < 1.0:
        raise typer.BadParameter(f"{value:g} is not between 0 and 1 (95 % is 0.95).")
    return value


@dataclass(frozen=True, slots=True)
class Choice:
    """Options of verbs as typer shows them; most are shared by several."""

    seed: Annotated[int, typer.Option(min=0, help="Seed of all random numbers.")] = 1
    conf_level: Annotated[
        float, typer.Option(callback=_between_0_and_1, help="Level of intervals.")
    ] = 0.95
    reference: Annotated[
        str | None,
        typer.Option(
            help="Reference distribution: common (the window that the study declares; the default "
            "if it does), pooled (the default otherwise), uniform, own or model:NAME."
        ),
    ] = None
    method: Annotated[
        Method | None, typer.Option(help="Estimator; chosen by the data if not given.")
    ] = None
    scope: Annotated[Scope, typer.Option(help="Over what intervals generalise, beside items.")] = (
        "these wordings"
    )
    with_flagged: Annotated[
        bool, typer.Option("--with-flagged", help="Also use cells that are flagged as suspicious.")
    ] = False
    quick: Annotated[
        bool, typer.Option("--quick", help="Skip the analyses under other choices.")
    ] = False
    source: Annotated[
        str | None, typer.Option(help="Source language of a table, where it does not say one.")
    ] = None
    chance: Annotated[
        float | None, typer.Option(help="Chance level of a table, where it does not say one.")
    ] = None
    unusable: Annotated[
        Literal["wrong", "missing"] | None,
        typer.Option(help="Count answers without a score as this; by default by their reason."),
    ] = None
    regrade: Annotated[
        Literal["exact", "numeric"] | None,
        typer.Option(help="Grade responses anew, where the log has their target."),
    ] = None
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be made, and write nothing.")
    ] = False
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False


_OPTIONS = inspect.signature(Choice, eval_str=True).parameters


def verb(
    *names: str, app: typer.Typer = app, name: str | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a verb with the shared options `names`, which it receives as one `Choice`.

    It is called `name`, or as its function is.
    """
    shared = (*names, "json", "debug")

    def register(function: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(function, eval_str=True)
        own = [each for each in signature.parameters.values() if each.name != "choice"]
        keyword = inspect.Parameter.KEYWORD_ONLY
        more = [_OPTIONS[name].replace(kind=keyword) for name in shared]

        def run(**values: Any) -> None:
            choice = Choice(**{name: values.pop(name) for name in shared})
            with _plain_messages(choice.debug):
                function(**values, choice=choice)

        run.__doc__ = function.__doc__
        run.__annotations__ = {each.name: each.annotation for each in (*own, *more)}
        run.__signature__ = inspect.Signature([*own, *more])  # type: ignore[attr-defined]
        app.command(name=name or function.__name__)(run)
        return function

    return register


def read(path: Path, choice: Choice) -> tuple[Study, Study]:
    """Read a study; return it whole, and without flagged cells unless they were asked for."""
    from hatstats.study.describe import flagged_words

    study = open_study(path, choice)
    if choice.with_flagged or study.flagged.empty:
        return study, study
    print(
        f"Note: flagged and left out: {flagged_words(study)}; --with-flagged uses them.",
        file=sys.stderr,
    )
    return study, study.without_flagged()


def open_study(path: Path, choice: Choice) -> Study:
    """Read a study folder, a table of counts, or a table of answers or accuracies of any layout.

    What was assumed about a table goes to stderr.
    """
    from hatstats.study.read import read_study

    settings = table_settings(choice)
    if not path.is_file():
        if settings and path.exists():
            raise DataError(
                "--source and --chance are for a table.",
                file=path,
                hint="write them into benchmarks.csv of the study.",
            )
        return read_study(path)
    from hatstats.logs.readers.documents import preview_file

    columns = preview_file(path).first.keys()
    if not settings and {"model", "language", "n_correct", "n_trials"} <= columns:
        return read_study(path)
    try:
        notes, study = _table_study(path, settings, choice)
    except DataError as error:
        raise DataError(_in_options(str(error), path)) from None
    for note in notes:
        print(_in_options(f"Note: {note}", path), file=sys.stderr)
    return study


def _table_study(
    path: Path, settings: dict[str, str], choice: Choice
) -> tuple[Sequence[str], Study]:
    """What was assumed about a table of any layout, and its study."""
    from hatstats.logs.convert import convert_logs

    delimiter = {".csv": ",", ".tsv": "\t"}.get(path.suffix.casefold())
    try:
        done = convert_logs(path, settings=settings)
    except ImportError:
        if delimiter is None:
            raise
    else:
        lost = done.left_out.groupby("reason", sort=False)["rows"].sum()
        words = [f"Rows not counted: {n} ({reason})." for reason, n in lost[lost > 0].items()]
        return [*done.notes, *words], done.study
    # The packages for logs are not installed: pandas alone reads delimited text.
    import pandas as pd

    from hatstats.study.study import Study

    frame = pd.read_csv(path, sep=delimiter)
    study = Study.from_frame(frame, source=choice.source, chance=choice.chance)
    return study.info.notes.splitlines(), replace(study, info=replace(study.info, name=path.stem))


def table_settings(choice: Choice) -> dict[str, str]:
    """Source language and chance level of a table as settings of `convert_logs`."""
    given = {"source_language": choice.source, "chance": choice.chance}
    return {name: str(value) for name, value in given.items() if value is not None}


def _in_options(text: str, table: Path) -> str:
    """A text about a table in the options that verbs have, and where the others are to be had."""
    text = in_flags(text)
    others = " and ".join(flag for flag in ("--set", "--map") if f"{flag} " in text)
    way = f"hatstats convert {table} --out STUDY, whose STUDY this command reads"
    return f"{text} ({others}: options of {way})" if others else text


def trend_source(study: Study, choice: Choice) -> TransferProfile | HatScores:
    """What trends are fitted to: an aggregate profile, or item-level scores."""
    from hatstats.estimators.methods import fit_profile

    with progress_bar() as progress:
        progress("profiles", 0.1)
        profile = fit_profile(study, method=choice.method, progress=progress)
        if profile.method == "aggregate" and choice.scope == "these wordings":
            return profile
        return profile.hat(choice.reference, scope=choice.scope, progress=progress)


@contextmanager
def _plain_messages(debug: bool) -> Iterator[None]:
    """Turn errors into one message and an exit status, and warnings into one line each."""
    messages: dict[str, None] = {}

    def note(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        messages[" ".join(str(message).split())] = None

    code = 0
    with warnings.catch_warnings():
        warnings.simplefilter("default" if debug else "ignore")
        for category in (ConvergenceWarning, DegenerateDataWarning):
            warnings.filterwarnings("always", category=category)
        warnings.showwarning = note
        try:
            with explained_imports():
                yield
        except HatstatsError as error:
            code = WRONG if isinstance(error, DataError | NotIdentifiedError) else FAILED
            message = f"Error: {error}"
            trace = traceback.format_exc()
        except Exception as error:
            if isinstance(error, typer.Exit | BrokenPipeError):
                raise
            code = FAILED
            message = (
                f"Error: unexpected {type(error).__name__}: {error}. This is a bug in hatstats; "
                "--debug shows where."
            )
            trace = traceback.format_exc()
    for text in messages:
        print(f"Warning: {text}", file=sys.stderr)
    if code:
        if debug:
            print(trace, file=sys.stderr)
        print(in_flags(message), file=sys.stderr)
        raise typer.Exit(code)


def _show_version(value: bool) -> None:
    """Print the version and stop."""
    if value:
        from hatstats import __version__

        print(f"hatstats {__version__}")
        raise typer.Exit


@app.callback()
def _front(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line."""
    # Matrices are small: threads of the linear algebra library cost more than they save (on a busy
    # machine thirtyfold, spent in waiting), and one thread always sums in the same order. This must
    # come before NumPy is imported; a user's own setting is kept.
    for name in _THREADS:
        os.environ.setdefault(name, "1")
    for stream in (sys.stdout, sys.stderr):
        # Names have letters that not every terminal knows.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()
