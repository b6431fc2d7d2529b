"""Commands start quickly: what a job does not need is not imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.report.studies import aggregate_study

ROOT = Path(__file__).parents[1]
#: Packages that cost more than a tenth of a second each.
HEAVY = {
    "arviz", "duckdb", "formulaic", "ibis", "jinja2", "joblib", "matplotlib", "numba", "nutpie",
    "pymc", "pytensor", "scipy.interpolate", "scipy.optimize", "scipy.stats", "statsmodels",
}  # fmt: skip


def loaded(*arguments: str) -> set[str]:
    """Names of the modules that a command has loaded when it ends well."""
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "from hatstats.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.slow
def test_scores_of_accuracies_need_no_slow_package(tmp_path: Path) -> None:
    aggregate_study().write(tmp_path / "small")
    modules = loaded("score", str(tmp_path / "small"))
    assert "pandas" in modules
    assert modules & HEAVY == set()


@pytest.mark.slow
def test_a_conversion_loads_the_database_and_no_statistics(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = [
        (f"m{model}", language, f"q{item}", int(rng.random() < 0.6))
        for model in range(3)
        for language in ("en", "de", "fr")
        for item in range(60)
    ]
    names = ["model", "language", "item", "correct"]
    pd.DataFrame(rows, columns=names).to_csv(tmp_path / "log.csv", index=False)
    log, out = str(tmp_path / "log.csv"), str(tmp_path / "study")
    modules = loaded("convert", log, "--set", "benchmark=b", "--out", out)
    assert "duckdb" in modules
    assert modules & (HEAVY - {"duckdb", "ibis", "jinja2"}) == set()


@pytest.mark.parametrize("arguments", [("--version",), ("-h",), ("score", "--help")])
@pytest.mark.slow
def test_help_and_version_answer_at_once(arguments: tuple[str, ...]) -> None:
    modules = loaded(*arguments)
    assert modules & (HEAVY | {"numpy", "pandas"}) == set()


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hatstats", "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("hatstats ")
