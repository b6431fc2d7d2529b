"""Ranks of models with limits from draws of their scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hatstats.inference.arrays import Floats
from hatstats.inference.intervals import check_level
from hatstats.inference.result_frame import ResultFrame


def normal_draws(
    estimates: Floats, covariance: Floats, n_draws: int, rng: np.random.Generator | int | None
) -> Floats:
    """Draws (B, M) from N(estimates, covariance), for a covariance (M, M) that may be singular.

    The symmetric root is the same on every machine up to rounding; a Cholesky factor would fail on
    a singular covariance. Unknown (NaN) covariances count as 0.
    """
    value, vector = np.linalg.eigh(np.nan_to_num(covariance))
    root = vector * np.sqrt(np.clip(value, 0.0, None))
    noise = np.random.default_rng(rng).standard_normal((n_draws, len(estimates)))
    return np.asarray(estimates + noise @ root.T, dtype=float)


def rank_table(
    models: Sequence[str], estimates: Floats, draws: Floats, conf_level: float
) -> pd.DataFrame:
    """Rank of each of M models (1 is best) with limits from draws (B, M), and its share of wins.

    Columns `model, rank, rank_low, rank_high, p_best, conf_level, n_draws`.
    """
    tail = 0.5 * (1.0 - check_level(conf_level))
    ranks = (-draws).argsort(axis=1, kind="stable").argsort(axis=1) + 1
    low, high = np.quantile(ranks, [tail, 1.0 - tail], axis=0, method="inverted_cdf")
    return ResultFrame(
        {
            "model": list(models),
            "rank": (-estimates).argsort(kind="stable").argsort() + 1,
            "rank_low": low,
            "rank_high": high,
            "p_best": (ranks == 1).mean(axis=0),
            "conf_level": conf_level,
            "n_draws": len(draws),
        }
    )
