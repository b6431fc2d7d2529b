"""Names that a terminal has no letters for are escaped, in every verb, and whole in files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

MODELS = ["Мод-é", "模型", "مرحبا", "𝔘x", "naïve—7B", "日"]  # noqa: RUF001
LANGUAGE, BENCHMARK, STUDY = "العربية", "quíz", "étude"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study in `süd`, and its answers as a log."""
    rng, place = np.random.default_rng(1), tmp_path_factory.mktemp("ascii")
    levels = [MODELS, [BENCHMARK], ["en", "de", LANGUAGE], [f"й{k}" for k in range(15)]]
    names = ["model", "benchmark", "language", "item"]
    cells = pd.MultiIndex.from_product(levels, names=names).to_frame(index=False)
    difficulty = cells["item"].str[1:].astype(int) * 0.2
    chance = 1.0 / (1.0 + np.exp(difficulty - 2.0 + 0.7 * (cells["language"] != "en")))
    counts = cells.assign(n_trials=20, n_correct=rng.binomial(20, chance))
    (place / "süd").mkdir()
    counts.to_csv(place / "süd" / "counts.csv", index=False)
    cells.assign(correct=rng.binomial(1, chance)).to_csv(place / "größe.csv", index=False)
    facts = {
        "family": ["ф", "ф", "日本", "日本", "g", "g"],
        "params_total": np.geomspace(1e9, 1e11, 6),
    }
    dates = [f"2024-0{k + 1}-01" for k in range(6)]
    pd.DataFrame({"model": MODELS, **facts, "release_date": dates}).to_csv(
        place / "süd" / "models.csv", index=False
    )
    (place / "süd" / "benchmarks.csv").write_text(
        f"benchmark,source_language,chance\n{BENCHMARK},en,0\n", encoding="utf-8"
    )
    claim = f'kind = "contrast"\nmodel = "{MODELS[0]}"\nother = "{MODELS[1]}"\nthreshold = 0.0\n'
    (place / "süd" / "study.toml").write_text(
        f'name = "{STUDY}"\n[[claims]]\nname = "größer"\n{claim}', encoding="utf-8"
    )
    return place


def escaped(name: str) -> str:
    return name.encode("ascii", "backslashreplace").decode()


def run(folder: Path, line: str) -> subprocess.CompletedProcess[bytes]:
    code = "from hatstats.cli import main; main()"
    ascii_only = {"PYTHONIOENCODING": "ascii", "LANG": "C", "LC_ALL": "C", "NO_COLOR": "1"}
    root = str(Path(__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-c", code, *line.split()],
        cwd=folder,
        capture_output=True,
        check=False,
        env=os.environ | ascii_only | {"PYTHONPATH": root},
    )


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("check süd", [STUDY, LANGUAGE, BENCHMARK, "größer"]),
        ("score süd --method observed", MODELS),
        ("convert größe.csv --out neu --set source_language=en", ["größe.csv", BENCHMARK]),
        pytest.param("plan süd", [], marks=pytest.mark.slow),
        pytest.param("claims süd", ["größer", *MODELS[:2]], marks=pytest.mark.slow),
        pytest.param("measures süd", MODELS, marks=pytest.mark.slow),
        pytest.param("report süd --out bericht --quick", MODELS[:2], marks=pytest.mark.slow),
        pytest.param("stress --items 300 --studies 1", [], marks=pytest.mark.slow),
        pytest.param("bayes süd --draws 50", MODELS, marks=pytest.mark.slow),
    ],
)
def test_names_are_escaped_in_an_ascii_terminal(folder: Path, line: str, shown: list[str]) -> None:
    done = run(folder, line)
    printed = done.stdout.decode("ascii")
    # So few draws end with 1, since they do not suffice.
    assert done.returncode in ((0, 1) if line.startswith("bayes") else (0,)), done.stderr
    for name in shown:
        assert escaped(name) in printed, name
    assert "Traceback" not in done.stderr.decode("ascii")


def test_a_message_about_such_a_name_has_it_too(folder: Path) -> None:
    done = run(folder, "check nicht-dá")
    assert done.returncode == 2
    assert escaped("nicht-dá") in done.stderr.decode("ascii")
