"""Verbs about the data themselves: `check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatstats.cli.front import Choice, verb
from hatstats.cli.inputs import StudyPath
from hatstats.cli.terminal import print_json, say

if TYPE_CHECKING:
    import pandas as pd


@verb()
def check(study: StudyPath, *, choice: Choice) -> None:
    """Read and validate a study, and list cells that look like failed answer extraction."""
    from hatstats.study import read_study, suspicious_cells

    data = read_study(study)
    found = suspicious_cells(data)
    if choice.json:
        print_json({"study": data.name, "valid": True, "suspicious": found})
        return
    print(data.summary())
    print()
    say(_suspicion_text(found))


def _suspicion_text(found: pd.DataFrame) -> str:
    if found.empty:
        return "Valid. No suspicious cells."
    rows = [
        f"- {model}, {benchmark}: {evidence}"
        for model, benchmark, evidence in found[["model", "benchmark", "evidence"]].to_numpy()
    ]
    head = f"Valid. {len(found)} suspicious cell{'s' if len(rows) > 1 else ''}:"
    return "\n".join([head, *rows])
