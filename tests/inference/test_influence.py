"""Covariances from influence values against means, theory and loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatstats.inference.influence import cluster_sums, influence_covariance


def alone(size: int) -> np.ndarray:
    return np.arange(size)


def test_influence_of_means_gives_the_covariance_of_means_against_theory() -> None:
    """psi = (y - mean) / n: the textbook estimate, small-sample factor and all."""
    y = np.random.default_rng(1).standard_normal((40, 3)) @ np.array(
        [[1.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 1.0]]
    )
    psi = (y - y.mean(axis=0)) / 40
    np.testing.assert_allclose(influence_covariance(psi, alone(40)), np.cov(y.T) / 40, rtol=1e-12)


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
        influence_covariance(twice, np.repeat(alone(20), 2)), influence_covariance(psi, alone(20))
    )
    shrunk = influence_covariance(twice, alone(40))
    np.testing.assert_allclose(shrunk * 39 / 40 * 2, influence_covariance(psi, alone(20)) * 19 / 20)


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


def test_one_cluster_tells_nothing_degenerate() -> None:
    found = influence_covariance(np.ones((5, 2)), np.zeros(5, dtype=np.intp))
    assert found.shape == (2, 2)
    assert np.isnan(found).all()


def test_no_quantities_degenerate() -> None:
    assert influence_covariance(np.zeros((4, 0)), alone(4)).shape == (0, 0)
