"""Sums of overdispersed counts against enumeration, scipy and simulated trials."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from hatstats.inference.resampling.count_sums import (
    Table,
    count_probabilities,
    dispersion,
    normal_approximation,
    normal_scores,
    sum_distribution,
)

#: Three counts of up to 2, 3 and 1; the second item has no second count, the third no first.
TABLES: list[Table] = [
    (np.array([0, 1, -1]), np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])),
    (np.array([1, -1, 0]), np.array([[0.4, 0.3, 0.2, 0.1], [0.25, 0.25, 0.25, 0.25]])),
    (np.array([0, 0, 0]), np.array([[0.9, 0.1]])),
]


def test_sums_against_naive() -> None:
    found = sum_distribution(TABLES, 3)
    assert found.shape == (3, 7)
    observed = np.array([3, 1, 4])
    scores = normal_approximation(observed, TABLES)
    for item in range(3):
        counts = [list(enumerate(rows[index[item]])) for index, rows in TABLES if index[item] >= 0]
        wanted = np.zeros(7)
        for each in itertools.product(*counts):
            wanted[sum(k for k, _ in each)] += np.prod([p for _, p in each])
        np.testing.assert_allclose(found[item], wanted, atol=1e-15)
        mean = np.arange(7) @ wanted
        sd = np.sqrt((np.arange(7) - mean) ** 2 @ wanted)
        assert scores[item] == pytest.approx((observed[item] - mean) / sd)


def test_sums_that_do_not_vary_are_no_surprise_degenerate() -> None:
    certain: list[Table] = [(np.array([0]), np.array([[0.0, 1.0]]))]
    assert normal_approximation(np.array([1]), certain).tolist() == [0.0]


def test_normal_scores_are_those_of_mid_p_values_in_both_tails() -> None:
    k = np.arange(31)
    pmf = stats.binom.pmf(k, 30, 0.5)
    found = normal_scores(k, np.tile(pmf, (31, 1)))
    lower = stats.norm.ppf(stats.binom.cdf(k, 30, 0.5) - 0.5 * pmf)
    np.testing.assert_allclose(found[:16], lower[:16], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found, -found[::-1], rtol=1e-9, atol=1e-9)
    far = normal_scores(np.array([1, 0]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert far[0] > 30.0
    assert far[1] < -30.0


@pytest.mark.parametrize("rho", [0.0, 0.2, 0.6])
def test_dispersion_of_simulated_trials_is_found(rho: float) -> None:
    rng = np.random.default_rng(1)
    mean, trials = rng.uniform(0.2, 0.8, 40_000), rng.integers(1, 9, 40_000).astype(float)
    p = mean
    if rho:
        size = (1.0 - rho) / rho
        p = rng.beta(mean * size, (1.0 - mean) * size)
    correct = rng.binomial(trials.astype(int), p).astype(float)
    assert dispersion(correct, trials, mean) == pytest.approx(rho, abs=0.015)


def test_dispersion_has_bounds_and_is_0_where_no_item_has_two_trials_degenerate() -> None:
    half, two = np.full(4, 0.5), np.full(4, 2.0)
    assert dispersion(np.array([0.0, 1.0, 1.0, 0.0]), np.ones(4), half) == 0.0
    assert dispersion(np.ones(4), two, half) == 0.0  # less spread than independent trials have
    assert dispersion(np.array([0.0, 2.0, 2.0, 0.0]), two, half) == 0.98


def test_probabilities_of_counts_against_scipy() -> None:
    found = count_probabilities(4, np.array([0.0, 0.3, 1.0]), 0.25)
    wanted = [stats.betabinom.pmf(np.arange(5), 4, 3 * p, 3 * (1 - p)) for p in (1e-4, 0.3, 0.9999)]
    np.testing.assert_allclose(found, wanted, rtol=1e-9)
