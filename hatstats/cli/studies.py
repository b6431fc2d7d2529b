"""Verbs about the data themselves: `check`, `exclude`, `convert`, `models` and `languages fill`."""

from __future__ import annotations

import itertools
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hatstats.cli.front import (
    FAILED,
    Choice,
    StudyPath,
    app,
    open_study,
    table_settings,
    verb,
)
from hatstats.cli.terminal import WIDTH, print_json, progress_bar, say
from hatstats.errors import DataError

if TYPE_CHECKING:
    from hatstats.study.languages.metadata import FilledLanguages
    from hatstats.study.model_metadata import FilledModels
    from hatstats.study.screening.findings import Finding
    from hatstats.study.study import Study

#: Findings of one kind that are printed; --json has all.
MOST = 10

models = typer.Typer(no_args_is_help=True, help="Complete the table of models of a study.")
languages = typer.Typer(no_args_is_help=True, help="Complete what a study knows of its languages.")


@verb("source", "chance")
def check(
    study: StudyPath,
    *,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(help="Exit with 1 where a finding is of this kind, or any.", metavar="KIND"),
    ] = None,
    choice: Choice,
) -> None:
    """Validate a study and list what looks wrong, each with the command to exclude it."""
    from hatstats.study.describe import flagged_words
    from hatstats.study.screening.failed_extraction import suspicious_cells
    from hatstats.study.screening.findings import excluded, finding_table, findings

    data = open_study(study, choice)
    with progress_bar() as progress:
        progress("what looks wrong", 0.1)
        found = findings(data)
    failing = _failing(found, fail_on or [], data)
    if choice.json:
        print_json(
            {
                "study": data.name,
                "valid": True,
                "suspicious": suspicious_cells(data),
                "findings": finding_table(found, data, str(study)),
            }
        )
        _fail(failing)
        return
    done = list(itertools.compress(found, excluded(found, data)))
    rest = [each for each in found if each not in done]
    count = f"{len(rest)} finding{'s' if len(rest) > 1 else ''}, each below with its command."
    none = "Every finding is flagged already." if done else "Nothing looks suspicious."
    say(f"{data.name} is valid. {count if rest else none}")
    print(f"\n{data.summary()}")
    for line in _finding_lines(rest, str(study)):
        say(line)
    if words := flagged_words(data):
        say(f"\nFlagged, and left out of every analysis: {words}.")
    for each in done:
        say(f"- {each.name}")
    _fail(failing)


def _failing(found: list[Finding], kinds: list[str], study: Study) -> list[Finding]:
    """Findings of kinds that are to fail, without those that are excluded."""
    from hatstats.study.screening.findings import KINDS, excluded

    if unknown := [kind for kind in kinds if kind not in {*KINDS, "any"}]:
        raise DataError(
            "--fail-on names a kind of finding.",
            value=unknown[0],
            hint=f"name any, or one of {', '.join(KINDS)}.",
        )
    wanted = set(KINDS) if "any" in kinds else set(kinds)
    out = excluded(found, study)
    return [each for each, done in zip(found, out, strict=True) if each.kind in wanted and not done]


def _fail(failing: list[Finding]) -> None:
    """Name the findings that fail a pipeline, and stop with 1."""
    if failing:
        names = ", ".join(each.name for each in failing)
        print(f"Failed: {len(failing)} findings: {names}", file=sys.stderr)
        raise typer.Exit(FAILED)


@verb()
def exclude(
    study: StudyPath,
    names: Annotated[
        list[str], typer.Argument(help="Names of findings, as printed by check.", metavar="NAMES")
    ],
    *,
    choice: Choice,
) -> None:
    """Flag the rows of findings, so that they are left out from now on."""
    from hatstats.study.read import read_study
    from hatstats.study.screening.findings import findings, named, write_flags

    chosen = named(findings(read_study(study)), names)
    rows = write_flags(study, chosen)
    if choice.json:
        print_json({"study": study.name, "flagged": [each.name for each in chosen], "rows": rows})
        return
    for each in chosen:
        say(f"- {each.name}: {each.evidence}")
    print(f"{rows} rows flagged. To undo, empty their cells in the columns flag and evidence.")


def _finding_lines(found: list[Finding], study: str) -> Iterator[str]:
    """Findings by kind, each with its command."""
    from hatstats.study.screening.findings import KINDS

    for kind, meaning in KINDS.items():
        some = [each for each in found if each.kind == kind]
        if not some:
            continue
        yield f"\n{meaning} ({kind}):"
        for each in some[:MOST]:
            who = ", ".join(part for part in (each.model, each.benchmark) if part)
            yield f"- {who}: {each.evidence}"
            yield _command(each, study)
        if len(some) > MOST:
            yield f"- and {len(some) - MOST} more: hatstats check {study} --json"


def _command(finding: Finding, study: str) -> str:
    """The command to copy, on two lines where one would be too long."""
    whole = f"    {finding.command(study)}"
    if len(whole) <= WIDTH:
        return whole
    name = shlex.quote(finding.name)
    return f"{whole.removesuffix(name)}\\\n      {name}"


@verb("source", "chance", "unusable", "regrade", "dry_run")
def convert(
    logs: Annotated[
        list[str], typer.Argument(help="Files, folders, patterns or URLs of logs.", metavar="LOGS")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Study folder to write; a converted one is replaced.")
    ] = None,
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
    from hatstats.study.files import study_written
    from hatstats.study.outputs import check_output

    if out is None and not choice.dry_run:
        raise DataError(
            "convert writes a study.", hint="name its folder (--out FOLDER), or say --dry-run."
        )
    if out is not None:
        check_output(out, study_written, name="--out")
    named = {name: value for name in ("unusable", "regrade") if (value := getattr(choice, name))}
    with progress_bar() as progress:
        done = convert_logs(
            logs,
            format=format,
            fields=_pairs(map, "--map"),
            settings=_pairs(set, "--set") | table_settings(choice) | named,
            backend=backend,
            strict=strict,
            progress=progress,
        )
        big = len(done.study.counts) > 100_000
        if out is not None and not choice.dry_run:
            done.study.write(out, format="parquet" if big else "csv")
    if choice.json:
        print_json({"study": done.study.name, "files": done.files, "left_out": done.left_out,
                    "notes": list(done.notes)})  # fmt: skip
        return
    say(done.summary())
    if choice.dry_run:
        print()
        print(done.study.summary())
        print("\nNothing was written (--dry-run).")
        return
    print(f"\nStudy: {out}. Next: hatstats check {out}; hatstats models fill {out}")


@verb(app=models, name="fill")
def models_fill(study: StudyPath, *, choice: Choice) -> None:
    """Fill in family, release date and size of models from the table of hatstats."""
    from hatstats.study.model_metadata import fill_models, write_models
    from hatstats.study.read import read_study

    filled = fill_models(read_study(study))
    write_models(study, filled.study.models)
    _say_filled(filled, choice)


@verb(app=languages, name="fill")
def languages_fill(study: StudyPath, *, choice: Choice) -> None:
    """Fill in script, family, resources and speakers of languages, each with its source."""
    from hatstats.study.languages.metadata import fill_languages, write_languages
    from hatstats.study.read import read_study

    filled = fill_languages(read_study(study))
    write_languages(study, filled.study.language_table)
    _say_filled(filled, choice)


def _say_filled(filled: FilledModels | FilledLanguages, choice: Choice) -> None:
    """Print what was filled in."""
    if choice.json:
        print_json({"study": filled.study.name, "matches": filled.matches})
    else:
        say(filled.summary())


app.add_typer(models, name="models")
app.add_typer(languages, name="languages")


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
