"""The front door: one verb per job, nothing computed here.

Everything heavy is imported inside the verbs, so that ``hatstats --help`` answers at once.
"""

from __future__ import annotations

import inspect
import os
import sys
import textwrap
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hatstats.errors import (
    ConvergenceWarning,
    DataError,
    DegenerateDataWarning,
    HatstatsError,
    NotIdentifiedError,
)

if TYPE_CHECKING:
    import pandas as pd

    from hatstats.hat import HatScores, TransferProfile
    from hatstats.study import Study

WIDTH = 80
#: Exit statuses: an analysis failed; the input or the arguments are wrong.
FAILED, WRONG = 1, 2

_THREADS = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)

app = typer.Typer(
    name="hatstats",
    help="Hardness-adjusted transfer scores and trends, with honest uncertainty.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Method = Literal["latent", "joint", "observed", "aggregate"]
Vcov = Literal["CR2", "CR3", "CR1", "CR0"]


@dataclass(frozen=True, slots=True)
class Choice:
    """Options that several verbs share."""

    seed: int = 1
    conf_level: float = 0.95
    reference: str = "pooled"
    method: Method | None = None
    with_flagged: bool = False
    quick: bool = False
    json: bool = False
    debug: bool = False


def _inside(value: float) -> float:
    if not 0.0 < value < 1.0:
        raise typer.BadParameter(f"{value:g} does not lie between 0 and 1 (95 % is 0.95).")
    return value


_OPTIONS: dict[str, Any] = {
    "seed": Annotated[int, typer.Option(min=0, help="Seed of all random numbers.")],
    "conf_level": Annotated[float, typer.Option(callback=_inside, help="Level of intervals.")],
    "reference": Annotated[
        str, typer.Option(help="Reference distribution: pooled, uniform, own or model:NAME.")
    ],
    "method": Annotated[
        Method | None, typer.Option(help="Estimator; by what the study offers if not given.")
    ],
    "with_flagged": Annotated[
        bool, typer.Option("--with-flagged", help="Use the flagged cells too.")
    ],
    "quick": Annotated[
        bool, typer.Option("--quick", help="Leave out what changes under other choices.")
    ],
    "json": Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")],
    "debug": Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")],
}
_DEFAULTS = {field.name: field.default for field in fields(Choice)}
StudyPath = Annotated[Path, typer.Argument(help="A study folder, or one CSV or Parquet table.")]


def _verb(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a verb with the shared options `names`, which it receives as one `Choice`."""
    shared = (*names, "json", "debug")

    def register(function: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(function, eval_str=True)
        own = [each for each in signature.parameters.values() if each.name != "choice"]
        more = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=_DEFAULTS[name],
                annotation=_OPTIONS[name],
            )
            for name in shared
        ]

        def run(**values: Any) -> None:
            choice = Choice(**{name: values.pop(name) for name in shared})
            with _plain_messages(choice.debug):
                function(**values, choice=choice)

        run.__doc__ = function.__doc__
        run.__annotations__ = {each.name: each.annotation for each in (*own, *more)}
        run.__signature__ = inspect.Signature([*own, *more])  # type: ignore[attr-defined]
        app.command(name=function.__name__)(run)
        return function

    return register


@contextmanager
def _plain_messages(debug: bool) -> Iterator[None]:
    """Turn errors into one message and an exit status, and warnings into one line each."""
    noted: dict[str, None] = {}

    def note(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        noted[" ".join(str(message).split())] = None

    code = 0
    with warnings.catch_warnings():
        warnings.simplefilter("default" if debug else "ignore")
        for category in (ConvergenceWarning, DegenerateDataWarning):
            warnings.filterwarnings("always", category=category)
        warnings.showwarning = note
        try:
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
                f"Error: unexpected {type(error).__name__}: {error}. This is a fault of hatstats; "
                "--debug shows where."
            )
            trace = traceback.format_exc()
    for text in noted:
        print(f"Warning: {text}", file=sys.stderr)
    if code:
        if debug:
            print(trace, file=sys.stderr)
        print(message, file=sys.stderr)
        raise typer.Exit(code)


@contextmanager
def _progress() -> Iterator[Callable[[str, float], None]]:
    """Give a callable (what, share from 0 to 1) that moves a bar, if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield lambda what, share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<40.40}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)


def _read(path: Path, choice: Choice) -> tuple[Study, Study]:
    """Read a study; give it as it is, and as it is to be used."""
    from hatstats.study import read_study

    study = read_study(path)
    return study, study if choice.with_flagged else study.without_flagged()


def _trend_source(study: Study, choice: Choice) -> TransferProfile | HatScores:
    """Give what trends are fitted to: an aggregate profile, or item-level scores."""
    from hatstats.hat import fit_profile

    profile = fit_profile(study, method=choice.method)
    return profile if profile.method == "aggregate" else profile.hat(choice.reference)


def _print_json(value: object) -> None:
    from hatstats.report.manifest import json_text

    print(json_text(value), end="")


def _say(text: str) -> None:
    """Print paragraphs wrapped to the width of a terminal; indented lines stay as they are."""
    for line in text.splitlines():
        print(line if len(line) <= WIDTH else textwrap.fill(line, WIDTH, subsequent_indent="  "))


def _show_version(value: bool) -> None:
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


@_verb("seed", "conf_level", "reference", "method", "with_flagged", "quick")
def report(
    study: StudyPath,
    out: Annotated[Path, typer.Option(help="Folder to write; an earlier run there is replaced.")],
    *,
    choice: Choice,
) -> None:
    """Do the main job: scores, trends, verdicts, tables, figures and one HTML page."""
    from hatstats.report.folder import check_out

    check_out(out)
    data, _ = _read(study, choice)
    from hatstats.report.analysis import Options, analyse
    from hatstats.report.run import write_run

    options = Options(
        method=choice.method,
        reference=choice.reference,
        conf_level=choice.conf_level,
        seed=choice.seed,
        with_flagged=choice.with_flagged,
        quick=choice.quick,
    )
    with _progress() as progress:
        analysis = analyse(data, options, progress=lambda what, share: progress(what, 0.7 * share))
        progress("tables and figures", 0.75)
        folder = write_run(analysis, out, arguments=_arguments(study, choice))
    if choice.json:
        print((folder / "results.json").read_text(encoding="utf-8"), end="")
        return
    for line in analysis.answer:
        print(line)
    print(f"\nReport: {folder / 'report.html'}")


def _arguments(study: Path, choice: Choice) -> dict[str, object]:
    """Arguments to record: a path that would name this machine is cut to its last part."""
    return {
        "study": study.name if study.is_absolute() else study.as_posix(),
        "seed": choice.seed,
        "conf_level": choice.conf_level,
        "reference": choice.reference,
        "method": choice.method,
        "with_flagged": choice.with_flagged,
        "quick": choice.quick,
    }


@_verb("conf_level", "reference", "method", "with_flagged")
def score(study: StudyPath, *, choice: Choice) -> None:
    """Print the HAT score of every model, best first."""
    _, used = _read(study, choice)
    from hatstats.hat import fit_profile

    scores = fit_profile(used, method=choice.method).hat(choice.reference)
    if choice.json:
        facts = {"method": scores.method, "reference": scores.reference}
        _print_json(
            {**facts, "estimand": scores.estimand, "scores": scores.tidy(choice.conf_level)}
        )
    else:
        _say(scores.summary(choice.conf_level))


@_verb("conf_level", "reference", "method", "with_flagged")
def trend(
    study: StudyPath,
    *,
    formula: Annotated[
        str, typer.Option(help="Covariates of the models.")
    ] = "log10(params_total) + release_year",
    cluster: Annotated[str, typer.Option(help="Column of the clusters.")] = "family",
    vcov: Annotated[Vcov, typer.Option(help="Cluster-robust covariance.")] = "CR2",
    choice: Choice,
) -> None:
    """Print the trend of transfer over model size, release date or other covariates."""
    _, used = _read(study, choice)
    from hatstats.trends import fit_trend

    fit = fit_trend(_trend_source(used, choice), formula, cluster=cluster, vcov=vcov)
    if choice.json:
        _print_json(
            {
                "formula": fit.formula,
                "scale": fit.scale,
                "terms": fit.tidy(choice.conf_level),
                "accuracy_slopes": fit.accuracy_slopes(choice.conf_level),
                "comparison": fit.comparison(choice.conf_level),
                "left_out": fit.left_out,
            }
        )
        return
    _say(fit.summary(choice.conf_level))
    if fit.left_out:
        _say(f"Left out for want of a covariate: {', '.join(fit.left_out)}.")


@_verb("reference", "method", "with_flagged")
def claims(study: StudyPath, *, choice: Choice) -> None:
    """Print the verdict on every claim that the study registers."""
    data, used = _read(study, choice)
    from hatstats.trends import evaluate_claims
    from hatstats.trends.claims import claims_frame

    if not data.claims:
        print("No claims are registered: study.toml has no [[claims]].")
        return
    verdicts = evaluate_claims(_trend_source(used, choice), data.claims)
    if choice.json:
        _print_json(claims_frame(verdicts))
        return
    for verdict in verdicts:
        _say(verdict.summary())
    _say(f"Rule: {verdicts[0].rule}.")


@_verb("conf_level", "with_flagged")
def measures(study: StudyPath, *, choice: Choice) -> None:
    """Print gap, ratio and excess over the line, the measures that HAT argues with."""
    _, used = _read(study, choice)
    from hatstats.hat import measures as measure

    rows = measure(used, conf_level=choice.conf_level)
    if choice.json:
        _print_json(rows)
        return
    from hatstats.report.layouts import measures_table
    from hatstats.report.tables import to_text

    print(to_text(measures_table(rows, intervals=False), width=WIDTH), end="")


@_verb()
def check(study: StudyPath, *, choice: Choice) -> None:
    """Read and validate a study, and list cells that look like failed answer extraction."""
    from hatstats.study import read_study, suspicious_cells

    data = read_study(study)
    found = suspicious_cells(data)
    if choice.json:
        _print_json({"study": data.name, "valid": True, "suspicious": found})
        return
    print(data.summary())
    print()
    _say(_suspicion_text(found))


def _suspicion_text(found: pd.DataFrame) -> str:
    if found.empty:
        return "Valid. No suspicious cells."
    rows = [
        f"- {model}, {benchmark}: {evidence}"
        for model, benchmark, evidence in found[["model", "benchmark", "evidence"]].to_numpy()
    ]
    head = f"Valid. {len(found)} suspicious cell{'s' if len(rows) > 1 else ''}:"
    return "\n".join([head, *rows])


def main() -> None:
    """Run the command line."""
    # Matrices here are small: threads of the linear algebra library cost more than they bring (on
    # a busy machine thirtyfold, spent in waiting), and one thread always sums in the same order.
    # This must come before NumPy is imported; a user's own setting stands.
    for name in _THREADS:
        os.environ.setdefault(name, "1")
    app()
