"""Where the joint search starts: moments and correlations against exact expectations and truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from hatstats.estimators.joint.fit import _logit_variance, _moments, _starting_theta, _tetrachoric
from hatstats.estimators.joint.likelihood import make_likelihood
from hatstats.estimators.joint.options import JointOptions
from hatstats.estimators.joint.patterns import CountRows, distinct_patterns
from hatstats.estimators.joint.quadrature import SINGLE, Rules


@pytest.mark.parametrize("correlation", [-0.6, -0.2, 0.1, 0.5, 0.8])
def test_correlations_behind_two_answers_against_the_normal_distribution(
    correlation: float,
) -> None:
    first, second = np.array([0.3, 0.5, 0.8]), np.array([0.4, 0.7, 0.6])
    cov = [[1.0, correlation], [correlation, 1.0]]
    both = [
        stats.multivariate_normal(cov=cov).cdf(special.ndtri([p, q]))
        for p, q in zip(first, second, strict=True)
    ]
    found = _tetrachoric(np.array(both), first, second)
    np.testing.assert_allclose(found, correlation, atol=2e-3)


def test_correlations_stay_within_bounds() -> None:
    half = np.array([0.5, 0.5])
    np.testing.assert_allclose(_tetrachoric(np.array([0.0, 0.5]), half, half), [-0.9, 0.95])
    # A normal variable of the logistic's spread beside one of variance v: v / (v + spread^2).
    spread = _logit_variance(np.array([0.5]))[0]
    for correlation, used in ((0.2, 0.2), (0.8, 0.8), (0.01, 0.05), (0.99, 0.85)):
        wanted = spread * used / (1.0 - used)
        assert _logit_variance(np.array([correlation]))[0] == pytest.approx(wanted)
    assert np.sqrt(spread) == pytest.approx(1.7, abs=0.1)


@pytest.mark.parametrize("chance", [0.0, 0.25])
def test_moments_of_counts_are_unbiased_against_theory(chance: float) -> None:
    """Sums over all counts, weighted by their probabilities: u and u^2 of p = c + (1 - c) u."""
    n, u = 4, 0.6
    k = np.arange(n + 1.0)
    pmf = stats.binom.pmf(k, n, chance + (1.0 - chance) * u)
    once, twice = _moments(CountRows(k, np.full(n + 1, float(n))), chance)
    assert once[-1] == twice[-1] == 0.0
    assert pmf @ once[:-1] == pytest.approx(u)
    assert pmf @ twice[:-1] == pytest.approx(u**2)


@pytest.mark.parametrize("trials", [1, 6])
def test_the_search_starts_near_the_truth(trials: int) -> None:
    """From one trial in each of two languages, sigma is what is assumed, and tau is 0."""
    rng, size = np.random.default_rng(1), 20_000
    mu, sigma = 0.4, 1.2
    alpha, beta, tau = np.array([-0.3, 0.2]), np.array([0.9, 1.2]), np.array([0.6, 0.9])
    eta = rng.normal(mu, sigma, size)
    logits = alpha + beta * eta[:, None] + tau * rng.standard_normal((size, 2))
    source = rng.binomial(trials, special.expit(eta)).astype(float)
    target = rng.binomial(trials, special.expit(logits)).astype(float)
    # A third of the items is not asked in the second language.
    asked = np.full((size, 2), float(trials))
    asked[::3, 1], target[::3, 1] = 0.0, 0.0
    patterns = distinct_patterns((source, np.full(size, float(trials))), (target, asked))
    model = make_likelihood(patterns, JointOptions(), 0.0, Rules(SINGLE))
    found, layout = _starting_theta(model), model.layout
    start = {name: found[layout.position(name)] for name in layout.names}
    if trials == 1:
        assert start["tau"].tolist() == [0.0, 0.0]
        assert start["mu"][0] == pytest.approx(mu, abs=0.15)
        return
    assert start["mu"][0] == pytest.approx(mu, abs=0.06)
    assert start["sigma"][0] == pytest.approx(sigma, abs=0.06)
    np.testing.assert_allclose(start["alpha"], alpha, atol=0.08)
    np.testing.assert_allclose(start["beta"], beta, atol=0.08)
    np.testing.assert_allclose(start["tau"], tau, atol=0.12)
