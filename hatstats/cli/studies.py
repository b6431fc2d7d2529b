"""Verbs about the data themselves: `check`, `exclude`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from hatstats.cli.front import Choice, verb
from hatstats.cli.inputs import StudyPath
from hatstats.cli.terminal import WIDTH, print_json, say

if TYPE_CHECKING:
    from hatstats.study.screening.findings import Finding

#: Findings of one kind that are printed; --json has all.
MOST = 10


@verb()
def check(study: StudyPath, *, choice: Choice) -> None:
    """Validate a study and list what looks wrong, each with the command to exclude it."""
    from hatstats.study.read import read_study
    from hatstats.study.screening.failed_extraction import suspicious_cells
    from hatstats.study.screening.findings import finding_table, findings

    data = read_study(study)
    found = findings(data)
    if choice.json:
        print_json(
            {
                "study": data.name,
                "valid": True,
                "suspicious": suspicious_cells(data),
                "findings": finding_table(found, str(study)),
            }
        )
        return
    print(data.summary())
    print()
    for line in _finding_lines(found, str(study)):
        say(line)


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

    if not found:
        yield "Valid. No suspicious cells."
        return
    yield f"Valid. {len(found)} finding{'s' if len(found) > 1 else ''}, none of them excluded:"
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
