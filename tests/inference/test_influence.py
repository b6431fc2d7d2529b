"""Covariances from influence values against means, theory and loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatstats.inference.influence import cluster_sums, degrees_of_freedom, influence_covariance
from hatstats.inference.intervals import logit_interval, wald_interval


def singletons(size: int) -> np.ndarray:
    return np.arange(size)


def test_influence_of_means_gives_the_covariance_of_means_against_theory() -> None:
    """psi = (y - mean) / n: the textbook estimate, small-sample factor and all."""
    y = np.random.default_rng(1).standard_normal((40, 3)) @ np.array(
        [[1.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 1.0]]
    )
    psi = (y - y.mean(axis=0)) / 40
    np.testing.assert_allclose(
        influence_covariance(psi, singletons(40)), np.cov(y.T) / 40, rtol=1e-12
    )


def test_clusters_of_equal_size_are_means_of_clusters_against_theory() -> None:
    y = np.random.default_rng(2).standard_normal((30, 2))
    codes = np.repeat(np.arange(10), 3)
    psi = (y - y.mean(axis=0)) / 30
    means = y.reshape(10, 3, 2).mean(axis=1)
    np.testing.assert_allclose(influence_covariance(psi, codes), np.cov(means.T) / 10, rtol=1e-12)


def test_repeated_items_in_one_cluster_count_once_against_theory() -> None:
    psi = np.random.default_rng(3).standard_normal((20, 2)) / 20
    twice = np.repeat(psi / 2, 2, axis=0)
    np.testing.assert_allclose(
        influence_covariance(twice, np.repeat(singletons(20), 2)),
        influence_covariance(psi, singletons(20)),
    )
    shrunk = influence_covariance(twice, singletons(40))
    np.testing.assert_allclose(
        shrunk * 39 / 40 * 2, influence_covariance(psi, singletons(20)) * 19 / 20
    )


@given(st.integers(0, 10**6), st.integers(2, 15), st.integers(1, 4))
def test_against_naive(seed: int, size: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    psi = rng.standard_normal((size, width))
    codes = np.unique(rng.integers(0, size, size), return_inverse=True)[1]
    groups: dict[int, np.ndarray] = {}
    for row, code in zip(psi, codes, strict=True):
        groups[code] = groups.get(code, np.zeros(width)) + row
    sums = cluster_sums(psi, codes)
    assert sums.shape == (len(groups), width)
    for code, total in groups.items():
        np.testing.assert_allclose(sums[code], total, atol=1e-12)
    found = influence_covariance(psi, codes)
    if len(groups) == 1:
        assert np.isnan(found).all()
        return
    expected = np.zeros((width, width))
    for total in groups.values():
        for i in range(width):
            for j in range(width):
                expected[i, j] += total[i] * total[j] * len(groups) / (len(groups) - 1)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert np.linalg.eigvalsh(found).min() > -1e-12


def test_the_covariance_is_that_of_repeated_samples_coverage() -> None:
    """A ratio of means, clusters of two: its spread over samples is what one sample says."""
    rng = np.random.default_rng(4)
    found, errors = [], []
    for _ in range(400):
        shared = np.repeat(rng.standard_normal(60), 2)
        x = 3.0 + shared + rng.standard_normal(120)
        y = 2.0 + 0.5 * shared + rng.standard_normal(120)
        ratio = y.mean() / x.mean()
        psi = ((y - ratio * x) / x.mean() / 120)[:, None]
        found.append(ratio)
        errors.append(np.sqrt(influence_covariance(psi, np.repeat(np.arange(60), 2))[0, 0]))
    assert np.mean(errors) == pytest.approx(np.std(found), rel=0.1)


def test_one_cluster_has_no_covariance_degenerate() -> None:
    found = influence_covariance(np.ones((5, 2)), np.zeros(5, dtype=np.intp))
    assert found.shape == (2, 2)
    assert np.isnan(found).all()


def test_no_quantities_degenerate() -> None:
    assert influence_covariance(np.zeros((4, 0)), singletons(4)).shape == (0, 0)


@given(st.integers(0, 10**6), st.integers(2, 15), st.integers(1, 4))
def test_degrees_of_freedom_against_naive(seed: int, size: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    psi = rng.standard_normal((size, width)) ** 3
    for column in range(width):
        values = [float(value) for value in psi[:, column]]
        variance = sum(value**2 for value in values)
        spread = sum(value**4 for value in values) - variance**2 / size
        df = 2 * variance**2 / spread if spread > 0 else np.inf
        assert degrees_of_freedom(psi)[column] == pytest.approx(min(df, size - 1), rel=1e-9)


def test_degrees_of_freedom_of_means_against_theory() -> None:
    """A mean of n normal values has n of them; of n exponential ones 2 n / 8.

    The fourth central moment of an exponential variable is 9, so V has variance 8 V^2 / n.
    """
    rng = np.random.default_rng(5)
    size = 200_000
    values = np.column_stack([rng.standard_normal(size), rng.standard_exponential(size)])
    psi = (values - values.mean(axis=0)) / size
    np.testing.assert_allclose(degrees_of_freedom(psi) / size, [1.0, 0.25], rtol=0.05)


def test_intervals_of_a_mean_that_depends_on_few_values_coverage() -> None:
    """One value in eight is far from 0: t on the logit scale repairs most of the coverage.

    The mean of 60 such values, 4,000 times, so that a coverage has a standard error of .004.
    """
    rng = np.random.default_rng(6)
    missed = {"normal": [], "t": []}
    for _ in range(4000):
        y = np.where(rng.random(60) < 0.125, rng.normal(1.0, 0.3, 60), 0.0)
        psi = ((y - y.mean()) / 60)[:, None]
        error = np.sqrt(influence_covariance(psi, singletons(60))[0, 0])
        plain = wald_interval(y.mean(), error, np.inf, 0.95)
        skewed = logit_interval(y.mean(), error, degrees_of_freedom(psi)[0], 0.95)
        for kind, (low, high) in (("normal", plain), ("t", skewed)):
            missed[kind].append(not low <= 0.125 <= high)
    assert np.mean(missed["normal"]) > 0.07
    assert np.mean(missed["t"]) < 0.055


def test_degrees_of_freedom_of_what_does_not_vary_degenerate() -> None:
    sums = np.column_stack([np.zeros(5), [2.0, 0, 0, 0, 0], [1.0, -1.0, 1.0, -1.0, 0]])
    df = degrees_of_freedom(sums)
    assert df[0] == np.inf
    assert df[1] == pytest.approx(2 / (1 - 1 / 5))
    assert df[2] == 4.0


def test_degrees_of_freedom_with_second_units_against_naive() -> None:
    """Parts are estimated apart: Satterthwaite's mean of their df, never below the fewest."""
    rng = np.random.default_rng(9)
    sums, moves = rng.standard_normal((12, 4)), [rng.standard_normal((3, 4)) for _ in range(2)]
    sums[:, 3] = 0.0
    moves = [block * [1.0, 0.1, 0.0, 0.0] for block in moves]
    own, variance = degrees_of_freedom(sums), 2.0 * (sums**2).sum(axis=0)
    found = degrees_of_freedom(sums, moves, variance)
    for k in range(3):
        parts = ((sums[:, k] ** 2).sum() * 12 / 11) ** 2 / own[k]
        parts += sum((block[:, k] ** 2).sum() ** 2 / 2 for block in moves)
        assert found[k] == pytest.approx(max(variance[k] ** 2 / parts, 2.0))
    assert found.dtype == float
    assert found[3] == np.inf  # nothing varies
