"""Tests over ordered categories: against simulated null distributions, and against theory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hatstats.inference.goodness import cauchy_combination, cumulative_test

SHARES = np.array([0.3, 0.25, 0.2, 0.15, 0.07, 0.03])
ITEMS = 400
COV = (np.diag(SHARES) - np.outer(SHARES, SHARES)) / ITEMS


def test_statistic_against_naive() -> None:
    difference = np.array([0.02, -0.01, 0.0, -0.03, 0.01, 0.01])
    found = cumulative_test(difference, COV, SHARES, np.diag(COV))
    value = expected = 0.0
    for j in range(5):
        below = SHARES[: j + 1].sum()
        weight = 1.0 / max(below * (1.0 - below), 0.02)
        value += weight * difference[: j + 1].sum() ** 2
        expected += weight * below * (1.0 - below) / ITEMS
    assert found.ratio == pytest.approx(value / expected)
    assert found.p_value == pytest.approx(stats.chi2.sf(found.statistic, found.df))


def test_p_values_against_multinomial_counts() -> None:
    """Nothing fitted: p values of drawn counts are as frequent as they say where it matters."""
    rng = np.random.default_rng(1)
    drawn = rng.multinomial(ITEMS, SHARES, size=4000) / ITEMS - SHARES
    p = np.array([cumulative_test(each, COV, SHARES, np.diag(COV)).p_value for each in drawn])
    # Four standard errors of a share of 4,000.
    for level in (0.01, 0.05):
        assert abs((p < level).mean() - level) < 4.0 * np.sqrt(level * (1.0 - level) / 4000)


def test_power_exceeds_that_of_pearson_where_departures_are_smooth() -> None:
    rng = np.random.default_rng(2)
    moved = SHARES * np.exp(0.15 * np.linspace(-1.0, 1.0, 6))
    moved /= moved.sum()
    counts = rng.multinomial(ITEMS, moved, size=400)
    found = [
        cumulative_test(each / ITEMS - SHARES, COV, SHARES, np.diag(COV)).p_value < 0.05
        for each in counts
    ]
    pearson = stats.chisquare(counts.T, ITEMS * SHARES[:, None]).pvalue < 0.05
    assert np.mean(found) > pearson.mean() + 0.05


def test_nothing_left_to_test_degenerate() -> None:
    for cov in (1e-4 * COV, np.full((6, 6), np.nan)):
        found = cumulative_test(np.zeros(6), cov, SHARES, np.diag(COV))
        assert np.isnan(found.p_value)
        assert found.df == 0.0
    alone = np.ones((1, 1))
    assert np.isnan(cumulative_test(alone[0], alone, alone[0], alone[0]).p_value)


@given(st.lists(st.floats(1e-12, 0.95), min_size=1, max_size=9))
def test_combination_against_scipy(p_values: list[float]) -> None:
    score = np.mean([stats.cauchy.isf(p) for p in p_values])
    assert cauchy_combination(np.array([*p_values, np.nan])) == pytest.approx(
        stats.cauchy.sf(score), rel=1e-6
    )


def test_combination_of_equal_values_is_that_value_and_of_none_unknown() -> None:
    assert cauchy_combination(np.full(7, 0.03)) == pytest.approx(0.03)
    assert np.isnan(cauchy_combination(np.array([np.nan])))
    assert cauchy_combination(np.array([0.0, 1.0])) < 1e-6
    assert cauchy_combination(np.array([0.004, 1.0])) < 0.01


def test_what_cancels_in_the_running_sums_is_nothing_to_test() -> None:
    found = cumulative_test(np.zeros(2), np.diag([0.0, 1.0]), np.array([0.5, 0.5]), np.ones(2))
    assert np.isnan(found.p_value)
    assert found.df == 0.0


def test_a_unit_however_small_changes_nothing_degenerate() -> None:
    difference, shares = np.array([0.1, -0.3, 0.2]), np.array([0.2, 0.5, 0.3])
    covariance = np.diag([0.02, 0.03, 0.05])
    expected = cumulative_test(difference, covariance, shares, np.diag(covariance))
    for unit in (1e-60, 1e-150):
        given = unit * difference, unit**2 * covariance, shares, unit**2 * np.diag(covariance)
        found = cumulative_test(*given)
        np.testing.assert_allclose(found.p_value, expected.p_value, rtol=1e-9)
        np.testing.assert_allclose(found.ratio, expected.ratio, rtol=1e-9)
