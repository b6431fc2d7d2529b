"""Every analysis script runs on its own data and writes what its README row promises."""

from __future__ import annotations

import ast
import importlib
import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

import hatstats as hs

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(
    path.stem
    for path in (ROOT / "analyses").glob("*.py")
    if path.stem not in ("__init__", "script")
)
ROWS = {
    match[1]: match[0]
    for match in re.finditer(r"^\| `(\w+)` \|.*$", (ROOT / "analyses/README.md").read_text(), re.M)
}


def test_every_script_has_a_row_and_every_row_a_script() -> None:
    assert len(SCRIPTS) >= 3
    assert sorted(ROWS) == SCRIPTS


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_keeps_its_size(name: str) -> None:
    lines = (ROOT / "analyses" / f"{name}.py").read_text().splitlines()
    assert 40 <= len(lines) <= 80


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_needs_only_public_names_and_figures(name: str) -> None:
    tree = ast.parse((ROOT / "analyses" / f"{name}.py").read_text())
    imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported += [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    ]
    ours = {module for module in imported if module.split(".")[0] == "hatstats"}
    assert "hatstats" in ours
    assert ours <= {"hatstats"}
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "hs"
    }
    assert used
    assert used <= set(hs.__all__)


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of a posterior into its tables needs fewer draws than its digits do."""
    few = hs.Sampling(draws=100, tune=100, chains=2)
    monkeypatch.setattr(hs, "fit_claims", partial(hs.fit_claims, sampling=few))


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_writes_what_its_row_names(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module(f"analyses.{name}")
    module.run(ROOT / module.STUDY, tmp_path)
    cells = [cell.strip() for cell in ROWS[name].strip("|").split("|")]
    _, data, figures, tables, claims = cells
    assert data == f"`{module.STUDY}`"
    promised_figures = re.findall(r"`(\w+)`", figures)
    promised_tables = re.findall(r"`(\w+)`", tables + claims)
    assert promised_figures
    assert promised_tables
    for figure in promised_figures:
        for ending in ("pdf", "svg", "png"):
            assert (tmp_path / f"{figure}.{ending}").stat().st_size > 1000
    for table in promised_tables:
        assert len(pd.read_csv(tmp_path / f"{table}.csv")) > 0
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) > 5
    assert max(len(line) for line in printed) <= 80


def test_what_lme4_estimated_says_where_it_comes_from() -> None:
    content = json.loads((ROOT / "analyses/rival_glmm.json").read_text(encoding="utf-8"))
    assert (ROOT / content["generator"]).is_file()
    assert {"lme4"} <= set(content["packages"])
    assert content["r_version"].startswith("R version")
    assert content["date"]
    for fit in content["fits"].values():
        assert min(row["std_error"] for row in fit["terms"]) > 0
    cells = importlib.import_module("analyses.rival_glmm").cells_of
    study = hs.read_study(ROOT / "data/gsm_symbolic").without_flagged()
    asked = study.counts.loc[study.is_source, "model"].unique()
    used = study.select(models=list(asked))
    rows = cells(replace(used, models=used.models.assign(reasoning=0.0)))
    gap, target = (content["fits"][name] for name in ("gap", "target"))
    assert gap["cells"] == len(rows)
    assert target["cells"] == rows["target"].sum()
    assert gap["models"] == target["models"] == rows["model"].nunique()
