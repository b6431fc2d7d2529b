"""The beta-binomial distribution against scipy's, its theory and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hatstats.inference.beta_binomial import beta_binomial, beta_binomial_terms, wording_sums

SHARE = np.array([0.0, 0.02, 0.3, 0.5, 0.97, 1.0])


@pytest.mark.parametrize("correlation", [1e-3, 0.1, 0.6, 0.99])
def test_probabilities_against_scipy(correlation: float) -> None:
    n = 7
    k = np.arange(n + 1.0)
    pmf, _ = beta_binomial(k, np.full(n + 1, float(n)), SHARE, np.full(n + 1, correlation))
    size = (1.0 - correlation) / correlation
    for column, x in enumerate(SHARE[1:-1], start=1):
        wanted = stats.betabinom.pmf(k, n, x * size, (1.0 - x) * size)
        np.testing.assert_allclose(pmf[:, column], wanted, rtol=1e-9)
    np.testing.assert_array_equal(pmf[:, 0], k == 0)
    np.testing.assert_array_equal(pmf[:, -1], k == n)


@pytest.mark.parametrize("correlation", [0.0, 0.05, 0.5])
def test_mean_and_variance_against_theory(correlation: float) -> None:
    n, x = 9, SHARE[1:-1]
    k = np.arange(n + 1.0)
    pmf, _ = beta_binomial(k, np.full(n + 1, float(n)), x, np.full(n + 1, correlation))
    np.testing.assert_allclose(pmf.sum(axis=0), 1.0, rtol=1e-12)
    np.testing.assert_allclose(k @ pmf, n * x, rtol=1e-11)
    variance = k**2 @ pmf - (k @ pmf) ** 2
    np.testing.assert_allclose(variance, n * x * (1 - x) * (1 + (n - 1) * correlation), rtol=1e-9)


@pytest.mark.parametrize(("correlation", "step"), [(0.0, 4e-5), (0.02, 1e-4), (0.4, 1e-4)])
def test_slope_is_the_derivative_of_the_logarithm(correlation: float, step: float) -> None:
    n, x = 6, SHARE[1:-1]
    k, trials = np.arange(n + 1.0), np.full(n + 1, float(n))

    def log_pmf(value: float) -> np.ndarray:
        return np.log(beta_binomial(k, trials, x, np.full(n + 1, value))[0])

    _, slope = beta_binomial(k, trials, x, np.full(n + 1, correlation))
    if correlation == 0.0:  # one side only: a correlation is not negative
        wanted = (4 * log_pmf(step) - log_pmf(2 * step) - 3 * log_pmf(0.0)) / (2 * step)
    else:
        wanted = (log_pmf(correlation + step) - log_pmf(correlation - step)) / (2 * step)
    np.testing.assert_allclose(slope, wanted, rtol=2e-3, atol=1e-3 * np.abs(wanted).max())


@pytest.mark.parametrize("omega", [0.0, 0.3])
def test_derivatives_by_the_chance_against_differences(omega: float) -> None:
    n, x, step = 6, SHARE[1:-1], 1e-4
    k, trials = np.arange(n + 1.0), np.full(n + 1, float(n))
    down, here, up = (
        beta_binomial_terms(k, trials, share, 1.0 - share, omega)
        for share in (x - step, x, x + step)
    )
    by_share = (up.log_pmf - down.log_pmf) / (2 * step)
    np.testing.assert_allclose(here.by_share, by_share, rtol=1e-3, atol=1e-3)
    curvature = (up.by_share - down.by_share) / (2 * step)
    np.testing.assert_allclose(here.curvature, curvature, rtol=1e-3, atol=1e-3)


def test_without_the_slope_probabilities_are_the_same() -> None:
    k, n, related = np.arange(8.0), np.full(8, 7.0), np.r_[np.zeros(4), np.full(4, 0.3)]
    pmf, slope = beta_binomial(k, n, SHARE, related)
    plain, none = beta_binomial(k, n, SHARE, related, slope=False)
    np.testing.assert_array_equal(plain, pmf)
    assert slope.any()
    assert not none.any()
    # Rows with a correlation of their own are those of that correlation alone.
    np.testing.assert_array_equal(pmf[:4], beta_binomial(k, n, SHARE, np.zeros(8))[0][:4])


@pytest.mark.parametrize(("wordings", "repeats"), [(5, 2), (2, 5), (3, 3)])
@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.95])
def test_sums_over_wordings_against_naive(wordings: int, repeats: int, correlation: float) -> None:
    n = wordings * repeats
    k, trials = np.arange(n + 1.0), np.full(n + 1, float(n))
    same = np.full(n + 1, (repeats - 1) / (n - 1))
    pmf, slope = wording_sums(k, trials, SHARE, same, correlation)
    for column, x in enumerate(SHARE):
        one = beta_binomial(np.arange(repeats + 1.0), np.full(repeats + 1, float(repeats)),
                            np.array([x]), np.full(repeats + 1, correlation))[0][:, 0]  # fmt: skip
        wanted = np.ones(1)
        for _ in range(wordings):
            wanted = np.convolve(wanted, one)
        np.testing.assert_allclose(pmf[:, column], wanted, rtol=1e-9, atol=1e-300)
    if correlation:
        up, down = (
            np.log(np.maximum(wording_sums(k, trials, SHARE, same, correlation + h)[0], 1e-300))
            for h in (1e-6, -1e-6)
        )
        wanted = (up - down) / 2e-6
        np.testing.assert_allclose(slope, wanted, rtol=1e-4, atol=1e-4)


def test_wordings_of_unequal_sizes_keep_mean_and_variance() -> None:
    # Wordings of 3 and 1 trials: 6 of the 12 ordered pairs are of one wording.
    k, trials, x = np.arange(5.0), np.full(5, 4.0), SHARE[1:-1]
    pmf, _ = wording_sums(k, trials, x, np.full(5, 0.5), 0.4)
    mean = k @ pmf
    np.testing.assert_allclose(mean, 4 * x, rtol=1e-11)
    np.testing.assert_allclose(k**2 @ pmf - mean**2, 4 * x * (1 - x) * (1 + 3 * 0.2), rtol=1e-9)


def test_unrelated_and_one_wording_are_binomial_and_beta_binomial() -> None:
    k, n = np.arange(6.0), np.full(6, 5.0)
    for same, correlation in ((0.0, 0.0), (1.0, 0.35)):
        found = wording_sums(k, n, SHARE, np.full(6, same), 0.35)
        wanted = beta_binomial(k, n, SHARE, np.full(6, correlation))
        np.testing.assert_array_equal(found[0], wanted[0])
        np.testing.assert_array_equal(found[1], same * wanted[1])
