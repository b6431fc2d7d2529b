"""The page of questions about languages is true: code runs, commands print, numbers hold."""

from __future__ import annotations

import re
import shlex
import warnings
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import hatstats
from hatstats.cli import app
from hatstats.errors import DegenerateDataWarning
from hatstats.estimators import methods

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "questions.md").read_text(encoding="utf-8")


def blocks(language: str, page: str = PAGE) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def profile() -> hatstats.TransferProfile:
    """The one fit that all of the page is about."""
    with warnings.catch_warnings(action="ignore", category=DegenerateDataWarning):
        return hatstats.fit_profile(
            hatstats.read_study(ROOT / "data" / "gsm_symbolic").without_flagged()
        )


@pytest.fixture(autouse=True)
def _fitted_once(profile: hatstats.TransferProfile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for module in (methods, hatstats):
        monkeypatch.setattr(module, "fit_profile", lambda study, **_: profile, raising=False)


def test_its_code_runs_and_its_numbers_hold(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    found = blocks("python")
    assert len(found) >= 7
    for block in found:
        exec(compile(block, "questions.md", "exec"), names)
    text = capsys.readouterr().out
    assert "Left behind, below the mean of the languages: Marathi" in text
    rows = names["latin"].comparison()
    latin = rows[rows["term"] == "latin_script"].set_index("method")["p_value"]
    quoted = re.search(r"p (0\.\d+)\) that 14\nlanguages cannot show \(p (0\.\d+)\)", PAGE)
    assert quoted
    assert latin["REML, no language effect (naive)"] == pytest.approx(float(quoted[1]), abs=5e-4)
    assert latin["REML, crossed"] == pytest.approx(float(quoted[2]), abs=5e-3)


def test_the_list_of_calls_begins_with_lines_that_run() -> None:
    (lines,) = blocks("python", (ROOT / "docs" / "calls.md").read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    exec(compile(lines, "calls.md", "exec"), names)
    assert len(names["scores"].models) == 44


@pytest.mark.parametrize(
    "command", [line for block in blocks("sh") for line in block.split("\n") if line]
)
def test_its_commands_print(command: str) -> None:
    program, *arguments = shlex.split(command)
    assert program == "hatstats"
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert max(map(len, done.stdout.splitlines())) <= 80
