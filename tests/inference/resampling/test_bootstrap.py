"""Bootstrap weights, linear draws and limits: against theory, loops, and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hatstats.inference.resampling.bootstrap import (
    acceleration,
    bca_limits,
    bootstrap_weights,
    linear_draws,
    percentile_limits,
)


def psi_of(rng: np.random.Generator, groups: int, columns: int = 3) -> np.ndarray:
    values = rng.gamma(1.0, 1.0, (groups, columns))
    return (values - values.mean(axis=0)) / groups


def test_weights_against_theory() -> None:
    weights = bootstrap_weights(40, 4000, np.random.default_rng(1))
    assert weights.shape == (4000, 40)
    np.testing.assert_allclose(weights.mean(axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(weights.var(), 1.0 - 1.0 / 40, rtol=0.05)
    assert np.array_equal(weights, weights.round())


def test_draws_against_theory() -> None:
    rng = np.random.default_rng(2)
    strata = [psi_of(rng, 150), psi_of(rng, 80)]
    draws = linear_draws(np.array([1.0, 2.0, 3.0]), strata, 20_000, rng)
    expected = sum(psi.T @ psi for psi in strata)
    np.testing.assert_allclose(draws.mean(axis=0), [1.0, 2.0, 3.0], atol=0.01)
    np.testing.assert_allclose(np.cov(draws, rowvar=False), expected, rtol=0.05, atol=2e-4)


def test_draws_against_naive() -> None:
    psi = [psi_of(np.random.default_rng(3), 12), psi_of(np.random.default_rng(4), 7)]
    fast = linear_draws(np.zeros(3), psi, 50, rng=np.random.default_rng(5))
    rng = np.random.default_rng(5)
    weights = [bootstrap_weights(len(part), 50, rng) for part in psi]
    for draw in range(50):
        moved = np.zeros(3)
        for part, weight in zip(psi, weights, strict=True):
            for cluster, influence in enumerate(part):
                moved += (weight[draw, cluster] - 1.0) * influence
        np.testing.assert_allclose(fast[draw], moved, atol=1e-12)


def test_same_seed_same_draws_other_seed_other_draws() -> None:
    psi = [psi_of(np.random.default_rng(3), 30)]
    first, again, other = (
        linear_draws(np.zeros(3), psi, 200, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_bca_of_a_skewed_mean_against_scipy() -> None:
    sample = np.random.default_rng(6).lognormal(0.0, 1.0, 60)
    psi = [(sample - sample.mean())[:, None] / sample.size]
    estimate = np.array([sample.mean()])
    draws = linear_draws(estimate, psi, 40_000, rng=np.random.default_rng(7))
    theirs = stats.bootstrap(
        (sample,), np.mean, n_resamples=40_000, method="BCa", rng=np.random.default_rng(8)
    )
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    ours = bca_limits(draws, estimate, psi, 0.95)[0]
    np.testing.assert_allclose(ours, theirs.confidence_interval, atol=0.03 * width)
    plain = percentile_limits(draws, 0.95)[0]
    # Both ends move up for a sample skewed to the right.
    assert (ours > plain).all()
    np.testing.assert_allclose(draws.std(), theirs.standard_error, rtol=0.03)


def test_acceleration_against_theory() -> None:
    sample = np.random.default_rng(9).exponential(1.0, (100, 1))
    skew = stats.skew(sample[:, 0])
    found = acceleration([(sample - sample.mean()) / 100])
    np.testing.assert_allclose(found, skew / (6.0 * np.sqrt(100)), rtol=1e-12)


def test_no_influence_degenerate() -> None:
    psi = [np.zeros((20, 1))]
    draws = linear_draws(np.array([0.5]), psi, 100, rng=np.random.default_rng(1))
    assert np.array_equal(draws, np.full((100, 1), 0.5))
    assert np.isnan(bca_limits(draws, np.array([0.5]), psi, 0.95)).all()


def test_level_bad_input() -> None:
    with pytest.raises(ValueError, match="conf_level"):
        percentile_limits(np.zeros((3, 1)), 95.0)
