"""Studies at the edge of what is one: accepted here; later steps say what they cannot do."""

from __future__ import annotations

import pandas as pd
import pytest

from hatstats.study import Study
from hatstats.study.screening.failed_extraction import suspicious_cells

ONE = pd.DataFrame(
    {"model": ["a"], "benchmark": "q", "language": "en", "n_correct": [1.0], "n_trials": [2.0]}
)
MODEL = pd.DataFrame({"model": ["a"]})
BENCHMARK = pd.DataFrame({"benchmark": ["q"], "source_language": ["en"], "chance": [0.0]})


def test_one_cell_is_a_study_degenerate() -> None:
    study = Study(ONE, MODEL, BENCHMARK)
    assert study.data_kind == "aggregate"
    assert study.is_source.tolist() == [True]
    assert study.models["release_date"].isna().all()
    assert study.models["params_total"].isna().all()
    assert study.models["family"].tolist() == [""]
    assert "aggregate" in study.summary()


@pytest.mark.parametrize("correct", [0.0, 2.0])
def test_nothing_or_everything_right_degenerate(correct: float) -> None:
    study = Study(ONE.assign(n_correct=correct), MODEL, BENCHMARK)
    assert study.counts["n_correct"].tolist() == [correct]


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (2, 5), (5, 2)])
def test_too_few_models_or_languages_are_not_judged_degenerate(shape: tuple[int, int]) -> None:
    """A failed cell looks like a hard language, so nothing is flagged, and nothing breaks."""
    models, languages = (
        [f"m{i}" for i in range(shape[0])],
        ["en", "sw", "fi", "ja", "de"][: shape[1]],
    )
    counts = pd.DataFrame(
        [(m, "q", language, 90.5 if i + j else 0.0, 100.5)
         for i, m in enumerate(models) for j, language in enumerate(languages)],
        columns=["model", "benchmark", "language", "n_correct", "n_trials"],
    )  # fmt: skip
    found = suspicious_cells(Study(counts, pd.DataFrame({"model": models}), BENCHMARK))
    assert len(found) == 0
    assert list(found.columns) == [
        "model", "benchmark", "language", "accuracy", "expected", "z", "flag", "evidence"
    ]  # fmt: skip


@pytest.mark.parametrize("correct", [0.0, 200.0])
def test_a_table_without_any_spread_degenerate(correct: float) -> None:
    """All wrong or all right everywhere: no spread, no division by it, no flag."""
    cells = [(f"m{i}", "q", language) for i in range(4) for language in ("en", "sw", "fi", "ja")]
    counts = pd.DataFrame(cells, columns=["model", "benchmark", "language"])
    study = Study(
        counts.assign(n_correct=correct, n_trials=200.0),
        pd.DataFrame({"model": [f"m{i}" for i in range(4)]}),
        BENCHMARK,
    )
    assert len(suspicious_cells(study)) == 0
