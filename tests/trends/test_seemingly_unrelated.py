"""Source accuracy and transfer in one system: a naive twin, and the ratio of their slopes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from hatstats.errors import DataError
from hatstats.inference.intervals import fieller_interval
from hatstats.inference.reml.meta_regression import fit_reml
from hatstats.scores.scores import HatScores
from hatstats.trends.regression import fit_trend
from hatstats.trends.seemingly_unrelated import slope_difference, target_split
from hatstats.trends.trend import TrendFit
from tests.trends.makers import FAMILY, full_covariance, scores_of, table_of_models

SIZE = "log10(params_total)"


def joint_scores(seed: int, *, between: bool) -> HatScores:
    """Scores and source accuracies of twenty models with a full 40 x 40 covariance."""
    rng = np.random.default_rng(seed)
    table = table_of_models(seed)
    size = np.log10(table["params_total"].to_numpy())
    joint = full_covariance(rng, 40)
    family = np.tile(FAMILY, 2)
    if not between:
        joint = np.where(family[:, None] == family, joint, 0.0)
    shared = 0.02 * rng.standard_normal(6)[FAMILY]
    estimate = 0.6 + 0.02 * (size - 10) + shared + 0.01 * rng.standard_normal(20)
    source = 0.7 + 0.08 * (size - 10) + shared + 0.01 * rng.standard_normal(20)
    return replace(scores_of(table, estimate, joint[:20, :20]), source=source, joint_cov=joint)


def test_stacked_cr0_against_naive() -> None:
    """Without errors shared between families: the plain sandwich of forty rows."""
    scores = joint_scores(1, between=False)
    trend = fit_trend(scores, SIZE, vcov="CR0")
    both = slope_difference(scores, trend, SIZE)
    source = fit_reml(
        scores.source, trend.reml.X, scores.joint_cov[20:, 20:], list(trend.reml.codes)
    )
    cov = np.zeros((4, 4))
    for family in range(6):
        rows = family == FAMILY
        parts = []
        for fit in (source, trend.reml):
            estimator = fit.cov @ fit.X.T @ fit.weights
            parts.append(estimator[:, rows] @ fit.residuals[rows])
        score = np.concatenate(parts)
        cov += np.outer(score, score)
    contrast = np.array([0.0, 1.0, 0.0, -1.0])
    assert both.estimate == pytest.approx(source.params[1] - trend.estimates[1])
    assert both.std_error == pytest.approx(np.sqrt(contrast @ cov @ contrast), rel=1e-8)


def test_errors_shared_by_all_families_enter() -> None:
    """The errors of common items enter through the part between clusters."""
    scores = joint_scores(2, between=True)
    trend = fit_trend(scores, SIZE)
    with_all = slope_difference(scores, trend, SIZE)
    assert np.trace(with_all.robust.between) > 0
    apart = replace(scores, joint_cov=np.where(np.eye(40), scores.joint_cov, 0.0))
    assert slope_difference(apart, trend, SIZE).std_error != pytest.approx(with_all.std_error)


def test_ratio_of_slopes_by_fieller() -> None:
    scores = joint_scores(3, between=True)
    trend = fit_trend(scores, SIZE)
    both = slope_difference(scores, trend, SIZE)
    estimate, low, high = both.ratio()
    assert estimate == pytest.approx(both.transfer_slope / both.other_slope)
    rows = np.array([[0.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0]])
    expected = fieller_interval(
        [both.transfer_slope, both.other_slope],
        rows @ both.robust.cov @ rows.T,
        both.df,
        0.95,
    )
    assert (low, high) == pytest.approx(expected)
    assert low < estimate < high


@pytest.mark.parametrize("compare", [slope_difference, target_split])
def test_a_term_that_the_trend_has_not_bad_input(
    compare: Callable[[HatScores, TrendFit, str], object],
) -> None:
    scores = joint_scores(3, between=True)
    with pytest.raises(DataError, match=r"no such covariate in the trend.*it has"):
        compare(scores, fit_trend(scores, SIZE), "release_year")
