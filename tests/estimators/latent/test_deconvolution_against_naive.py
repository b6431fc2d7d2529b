"""The deconvolution against loops, and against a general-purpose optimiser."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatstats.estimators.latent.deconvolution import deconvolve
from hatstats.estimators.latent.patterns import count_patterns
from tests.estimators import naive as twins

ITEMS = st.lists(
    st.integers(1, 6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    min_size=1,
    max_size=8,
)
START = np.r_[np.zeros(twins.N_SPLINES), -2.0, -2.0]


def test_grid_and_basis_are_the_recursion() -> None:
    part = deconvolve(count_patterns(np.array([1.0, 2.0]), np.array([3.0, 3.0])))
    np.testing.assert_allclose(part.grid, twins.GRID, atol=1e-14)
    np.testing.assert_allclose(part.basis, twins.BASIS, atol=1e-12)
    assert twins.BASIS.shape == (59, 14)


@settings(max_examples=15)
@given(ITEMS, st.sampled_from([0.3, 3.0, 30.0]), st.integers(0, 1000))
@pytest.mark.slow
def test_no_other_optimiser_does_better_nearby(
    pairs: list[tuple[int, int]], smoothing: float, seed: int
) -> None:
    correct, trials = np.array(pairs, dtype=float).T
    part = deconvolve(count_patterns(correct, trials), smoothing=smoothing)
    assert part.smoothing == smoothing
    ones = np.ones(correct.size)
    table = twins.likelihood(correct, trials)
    theta = twins.theta_of(part.density)
    np.testing.assert_allclose(twins.density_of(theta), part.density, atol=1e-9)

    reached = twins.objective(theta, table, ones, smoothing)
    nearby = theta + 0.05 * np.random.default_rng(seed).standard_normal(theta.size)
    other = twins.climb(nearby, table, ones, smoothing)
    found = twins.objective(other, table, ones, smoothing)
    assert found <= reached + 1e-8 * (1 + abs(reached))
    if found > reached - 1e-6:
        np.testing.assert_allclose(twins.density_of(other), part.density, atol=1e-5)
    settled = twins.polish(theta, lambda t: twins.gradient(t, table, ones, smoothing))
    np.testing.assert_allclose(twins.density_of(settled), part.density, atol=1e-5)

    after = table * part.density
    likelihoods = after.sum(axis=1)
    assert part.log_likelihood == pytest.approx(sum(math.log(value) for value in likelihoods))
    for i in range(correct.size):
        expected = after[i] / likelihoods[i]
        got = part.posterior[part.patterns.index[i]]
        np.testing.assert_allclose(got, expected, atol=1e-7)


@pytest.mark.parametrize("smoothing", [0.1, 10.0])
def test_the_same_maximum_from_the_same_start(smoothing: float) -> None:
    rng = np.random.default_rng(2)
    correct = rng.binomial(6, 1 / (1 + np.exp(-rng.normal(0.3, 1.2, 60)))).astype(float)
    part = deconvolve(count_patterns(correct, np.full(60, 6.0)), smoothing=smoothing)
    patterns = part.patterns
    table = twins.likelihood(patterns.correct, patterns.trials)
    theta = twins.climb(START, table, patterns.size, smoothing)
    np.testing.assert_allclose(twins.density_of(theta), part.density, atol=1e-5)


@given(ITEMS, st.booleans())
def test_patterns_are_a_dictionary_of_pairs(pairs: list[tuple[int, int]], weighted: bool) -> None:
    pairs = [*pairs, (0, 0)]
    correct, trials = np.array(pairs, dtype=float).T
    weights = np.arange(1.0, len(pairs) + 1) if weighted else None
    patterns = count_patterns(correct, trials, weights)
    sizes: dict[tuple[float, float], float] = {}
    for place, pair in enumerate(pairs[:-1]):
        sizes[pair] = sizes.get(pair, 0.0) + (1.0 if weights is None else weights[place])
    listed = list(zip(patterns.correct, patterns.trials, strict=True))
    assert dict(zip(listed, patterns.size, strict=True)) == sizes
    assert patterns.index[-1] == -1
    for place, pair in enumerate(pairs[:-1]):
        assert listed[patterns.index[place]] == pair
    shares = [k / n for k, n in listed]
    assert shares == sorted(shares)


@settings(max_examples=6)
@given(st.integers(0, 1000))
def test_weights_are_items_repeated(seed: int) -> None:
    rng = np.random.default_rng(seed)
    trials = rng.integers(1, 7, 15).astype(float)
    correct = rng.binomial(trials.astype(int), 0.6).astype(float)
    weights = rng.integers(1, 4, 15)
    weighted = deconvolve(count_patterns(correct, trials, weights.astype(float)))
    repeated = deconvolve(count_patterns(np.repeat(correct, weights), np.repeat(trials, weights)))
    assert weighted.smoothing == repeated.smoothing
    np.testing.assert_allclose(weighted.density, repeated.density, atol=1e-8)


def test_the_smoothing_is_the_one_with_most_evidence() -> None:
    """The Laplace approximation, with a Hessian by differences."""
    rng = np.random.default_rng(3)
    ability = np.where(rng.random(400) < 0.5, -1.2, 1.5) + 0.8 * rng.standard_normal(400)
    correct = rng.binomial(12, 1 / (1 + np.exp(-ability))).astype(float)
    trials = np.full(400, 12.0)
    chosen = deconvolve(count_patterns(correct, trials))
    patterns = chosen.patterns
    table = twins.likelihood(patterns.correct, patterns.trials)

    def evidence(smoothing: float) -> float:
        part = deconvolve(count_patterns(correct, trials), smoothing=smoothing)
        theta = twins.theta_of(part.density)
        slope = twins.jacobian(lambda t: twins.gradient(t, table, patterns.size, smoothing), theta)
        value = twins.objective(theta, table, patterns.size, smoothing)
        return value + 4.5 * math.log(smoothing) - 0.5 * np.linalg.slogdet(-slope)[1]

    offered = np.geomspace(1e5, 1e-4, 19)
    found = np.array([evidence(smoothing) for smoothing in offered])
    assert offered[found.argmax()] == pytest.approx(chosen.smoothing)
    assert np.ptp(found) > 1


def test_two_humps_choose_a_smoothing_inside_the_range() -> None:
    rng = np.random.default_rng(0)
    ability = 1.4 * rng.choice([-1.0, 1.0], 1000) + 0.45 * rng.standard_normal(1000)
    correct = rng.binomial(10, 1 / (1 + np.exp(-ability))).astype(float)
    chosen = deconvolve(count_patterns(correct, np.full(1000, 10.0)))
    assert 1e-4 < chosen.smoothing < 1e-2
