"""Pages of the documentation run: their cells, and the commands of the first one."""

from __future__ import annotations

import re
import shlex
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from hatstats.cli import app
from hatstats.errors import DegenerateDataWarning

DOCS = Path(__file__).parents[1] / "docs"


def run_cells(page: Path, most: int | None = None) -> dict[str, Any]:
    """Run the cells of a page, the first `most` of them, where its paths lead; what they leave."""
    text = page.read_text(encoding="utf-8")
    cells = re.findall(r"^```\{code-cell\} python\n(.*?)^```$", text, flags=re.M | re.S)
    assert len(cells) > 5
    names: dict[str, Any] = {}
    for cell in cells[:most]:
        code = re.sub(r"^:tags:.*\n", "", cell)
        exec(compile(code, page.name, "exec"), names)
    return names


@pytest.mark.parametrize(
    "name", ["gallery", "notebooks/gemma", "notebooks/harness",
             pytest.param("notebooks/models", marks=pytest.mark.slow)]
)  # fmt: skip
def test_cells_of_a_page_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    page = DOCS / f"{name}.md"
    monkeypatch.chdir(page.parent)
    with warnings.catch_warnings(action="ignore", category=DegenerateDataWarning):
        names = run_cells(page)
    assert names["scores"].models
    if "work" in names:  # what a word processor and a spreadsheet open
        written = pd.read_csv(names["work"] / "scores.csv")
        assert list(written["model"]) == list(names["scores"].models)
        assert (names["work"] / "scores.html").read_text("utf-8").count("<tr>") == len(written)


def test_the_steps_from_a_log_to_a_report_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of the first page, on the folder of a harness that a notebook writes."""
    work = run_cells(DOCS / "notebooks" / "harness.md", 1)["work"]
    monkeypatch.chdir(work)
    text = (DOCS / "start.md").read_text(encoding="utf-8")
    commands = [
        line for block in re.findall(r"^```sh\n(.*?)^```$", text, flags=re.M | re.S)
        for line in block.splitlines()
    ]  # fmt: skip
    assert len(commands) == 8
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "hatstats"
        if "--lock" in arguments:
            claim = {"name": "progress", "kind": "slope", "term": "log10(params_total)"}
            lines = [f'{key} = "{value}"' for key, value in claim.items()]
            lines += ['direction = "greater"', "threshold = 0.0"]
            with Path("mine", "study.toml").open("a", encoding="utf-8") as file:
                file.write("\n".join(["", "[[claims]]", *lines, ""]))
        with warnings.catch_warnings(action="ignore"):
            done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, (command, done.output)
    assert Path("results", "mine", "report.html").is_file()
