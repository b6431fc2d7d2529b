"""Verbs that make studies: `convert`, `models fill`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hatstats.cli.front import Choice, app, verb
from hatstats.cli.inputs import StudyPath
from hatstats.cli.terminal import print_json, progress_bar, say
from hatstats.errors import DataError

models = typer.Typer(no_args_is_help=True, help="Complete the table of models of a study.")


@verb()
def convert(
    logs: Annotated[
        list[str], typer.Argument(help="Files, folders, patterns or URLs of logs.", metavar="LOGS")
    ],
    out: Annotated[Path, typer.Option(help="Study folder to write; an old one is replaced.")],
    *,
    format: Annotated[
        str | None, typer.Option(help="Format of all files; found out for each if not given.")
    ] = None,
    map: Annotated[
        list[str] | None, typer.Option(help="Field of a column: item=doc.id.", metavar="C=F")
    ] = None,
    set: Annotated[
        list[str] | None,
        typer.Option(help="A value for all rows: language=de, metric=acc.", metavar="N=VALUE"),
    ] = None,
    backend: Annotated[
        str | None, typer.Option(help="spark://HOST:PORT, spark://local or any Ibis URL.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop where a row would be left out.")
    ] = False,
    choice: Choice,
) -> None:
    """Convert evaluation logs into a study, with an account of every row."""
    from hatstats.logs.convert import convert_logs

    with progress_bar() as progress:
        done = convert_logs(
            logs,
            format=format,
            fields=_pairs(map, "--map"),
            settings=_pairs(set, "--set"),
            backend=backend,
            strict=strict,
            progress=progress,
        )
        big = len(done.study.counts) > 100_000
        done.study.write(out, format="parquet" if big else "csv")
    if choice.json:
        print_json({"study": done.study.name, "files": done.files, "left_out": done.left_out,
                    "notes": list(done.notes)})  # fmt: skip
        return
    say(done.summary())
    print(f"\nStudy: {out}. Next: hatstats check {out}; hatstats models fill {out}")


@verb(app=models)
def fill(study: StudyPath, *, choice: Choice) -> None:
    """Fill in family, release date and size of models from the table of hatstats."""
    from hatstats.study.model_metadata import fill_models, write_models
    from hatstats.study.read import read_study

    filled = fill_models(read_study(study))
    write_models(study, filled.study.models)
    if choice.json:
        print_json({"study": filled.study.name, "matches": filled.matches})
    else:
        say(filled.summary())


app.add_typer(models, name="models")


def _pairs(texts: list[str] | None, option: str) -> dict[str, str]:
    """Values by name from texts such as `language=de`."""
    pairs = {}
    for text in texts or []:
        # A model's name may hold an equals sign: the last one divides a renaming.
        name, sign, value = (
            text.rpartition("=") if text.startswith("model:") else text.partition("=")
        )
        if not (name and sign):
            raise DataError(
                f"{option} needs a name, an equals sign and a value.",
                value=text,
                hint=f"write {option} language=de, for instance.",
            )
        if name in pairs:
            raise DataError(f"{option} is given twice for {name!r}.", hint="give it once.")
        pairs[name] = value
    return pairs
