"""Tables of models, scores and studies of accuracies, made from formulas and seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hatstats.scores.scores import HatScores
from hatstats.study import Study
from hatstats.study.claims import StudyInfo

Floats = NDArray[np.float64]

FAMILY_SIZES = (6, 5, 3, 3, 2, 1)
FAMILY = np.repeat(np.arange(6), FAMILY_SIZES)
FORMULA = "log10(params_total) + release_year"


def table_of_models(seed: int = 0, family: ArrayLike = FAMILY) -> pd.DataFrame:
    """Models in families, of sizes around ten billion, released over about two years."""
    rng = np.random.default_rng(seed)
    code = np.asarray(family)
    days = rng.uniform(0, 500, code.max() + 1)[code] + rng.uniform(0, 250, code.size)
    return pd.DataFrame(
        {
            "model": [f"m{index:02d}" for index in range(code.size)],
            "family": [f"family-{value}" for value in code],
            "release_date": np.datetime64("2024-01-10") + days.astype("timedelta64[D]"),
            "params_total": 10.0 ** rng.normal(10.0, 0.8, code.size),
        }
    )


def scores_of(table: pd.DataFrame, estimate: ArrayLike, cov: ArrayLike) -> HatScores:
    """Scores made elsewhere; a covariance of shape (M,) is a diagonal."""
    matrix = np.asarray(cov, dtype=float)
    matrix = np.diag(matrix) if matrix.ndim == 1 else matrix
    names = list(table["model"])
    return HatScores.from_frame(
        table.assign(estimate=np.asarray(estimate, dtype=float)),
        pd.DataFrame(matrix, index=names, columns=names),
    )


def some_scores(seed: int = 0, **columns: Any) -> HatScores:
    """Scores of twenty models with a full covariance, family effects and further columns."""
    rng = np.random.default_rng(1000 + seed)
    table = table_of_models(seed).assign(**columns)
    estimate = 0.6 + 0.04 * rng.standard_normal(6)[FAMILY] + 0.03 * rng.standard_normal(20)
    return scores_of(table, estimate, full_covariance(rng))


def full_covariance(rng: np.random.Generator, size: int = 20, sd: float = 0.02) -> Floats:
    """A covariance without zeros, as of models that were given the same items."""
    root = rng.standard_normal((size, 3 * size))
    common = 0.5 * sd**2 * np.ones((size, size))
    return np.asarray(common + 0.5 * sd**2 * root @ root.T / (3 * size), dtype=float)


def aggregate_study(
    table: pd.DataFrame,
    accuracy: ArrayLike,
    *,
    n_trials: float = 1000.0,
    chance: float = 0.0,
    claims: tuple[dict[str, Any], ...] = (),
) -> Study:
    """A study of mean accuracies (M, 1 + L), the source language first; NaN is no cell."""
    values = np.asarray(accuracy, dtype=float)
    languages = ["src", *(f"t{index}" for index in range(1, values.shape[1]))]
    counts = pd.DataFrame(
        {
            "model": np.repeat(table["model"].to_numpy(), values.shape[1]),
            "benchmark": "b",
            "language": np.tile(languages, len(values)),
            "item": "",
            "n_correct": values.ravel() * n_trials,
            "n_trials": n_trials,
        }
    )
    return Study(
        counts=counts[counts["n_correct"].notna()].reset_index(drop=True),
        models=table.assign(params_active=np.nan),
        benchmarks=pd.DataFrame({"benchmark": ["b"], "source_language": "src", "chance": chance}),
        info=StudyInfo("made", synthetic=True),
        claims=claims,
    )
