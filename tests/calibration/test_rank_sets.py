"""Sets of ranks hold the true ranks where the covariance is estimated from few items."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from hatstats.calibration.rank_sets import rank_coverage, redrawn
from hatstats.errors import DataError
from hatstats.estimators.methods import fit_profile
from hatstats.scores.scores import HatScores
from hatstats.simulation.simulate import Shape, simulate_study


@pytest.fixture(scope="module")
def scores() -> HatScores:
    study = simulate_study(np.linspace(-1.0, 1.0, 8), shape=Shape(100, 2, 5), rng=1)
    return fit_profile(study, method="observed").hat()


def test_rank_sets_of_redrawn_items_coverage(scores: HatScores) -> None:
    table = rank_coverage(scores, [0.05, 1.0, 4.0], n_replicates=60, rng=1)
    # .95 less two standard errors of 60 studies.
    assert (table[["joint", "best"]] >= 0.89).all(axis=None)
    assert (table["marginal"] >= 0.93).all()
    # Models that are far apart are distinguished.
    assert table["mean_ranks"].is_monotonic_decreasing
    assert table["mean_ranks"].iloc[-1] < 2.0
    assert table["mean_tied"].iloc[-1] < 1.5


def test_redrawn_errors_have_the_covariance_of_the_scores(scores: HatScores) -> None:
    rng, truth = np.random.default_rng(2), np.zeros(8)
    draws = [redrawn(scores, truth, rng) for _ in range(400)]
    errors = np.array([one.estimates for one in draws])
    np.testing.assert_allclose(errors.std(axis=0), scores.std_errors, rtol=0.15)
    np.testing.assert_allclose(np.corrcoef(errors, rowvar=False),
                               np.corrcoef(scores.influence, rowvar=False), atol=0.2)  # fmt: skip
    errors_of_errors = np.array([one.std_errors for one in draws])
    np.testing.assert_allclose(errors_of_errors.mean(axis=0), scores.std_errors, rtol=0.05)


def test_items_of_several_benchmarks_are_refused(scores: HatScores) -> None:
    two = pd.concat([scores.overlap, scores.overlap.assign(benchmark="other")])
    with pytest.raises(DataError, match="several benchmarks"):
        rank_coverage(replace(scores, overlap=two), rng=1)
