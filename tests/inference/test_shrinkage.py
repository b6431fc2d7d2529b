"""Shrunken covariances: formulas one pair at a time, and truth that is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hatstats.inference.influence import covariance_of_sums, shrunk_covariance, shrunk_logarithms

Floats = NDArray[np.float64]


def naive(sums: Floats, kinds: NDArray[np.intp]) -> tuple[Floats, float]:
    """One pair after the other, by statistics of products."""
    groups, count = sums.shape
    cov = covariance_of_sums(sums)
    error = np.sqrt(np.diag(cov))
    r, spread = np.eye(count), np.zeros((count, count))
    for i in range(count):
        for j in range(count):
            products = sums[:, i] * sums[:, j] / np.sqrt((sums[:, i] ** 2).sum())
            products = products / np.sqrt((sums[:, j] ** 2).sum())
            r[i, j] = products.sum()
            spread[i, j] = groups * products.var(ddof=1)
    pairs = [(i, j) for i in range(count) for j in range(count) if i != j]
    target = np.eye(count)
    for i, j in pairs:
        target[i, j] = np.mean([r[p] for p in pairs if kinds[p] == kinds[i, j]])
    share = sum(spread[p] for p in pairs) / sum((r[p] - target[p]) ** 2 for p in pairs)
    share = min(share, 1.0)
    mixed = (1.0 - share) * r + share * target
    values, vectors = np.linalg.eigh(mixed)
    mixed = vectors @ np.diag(np.maximum(values, 1e-6)) @ vectors.T
    width = np.sqrt(np.diag(mixed))
    return mixed / np.outer(width, width) * np.outer(error, error), share


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), groups=st.integers(4, 40), count=st.integers(2, 9))
def test_equals_pairs_one_at_a_time(seed: int, groups: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    sums = rng.normal(size=(groups, count)) @ rng.normal(size=(count, count))
    labels = rng.integers(0, 2, count)
    kinds = np.abs(labels[:, None] - labels)
    # A kind of one pair alone has no scatter to draw from; with two estimates nothing is drawn.
    found, share = shrunk_covariance(sums, kinds)
    if count == 2:
        np.testing.assert_allclose(found, covariance_of_sums(sums), rtol=1e-9)
        return
    expected, weight = naive(sums, kinds)
    np.testing.assert_allclose(share, weight, rtol=1e-8)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-10)


def crossed(models: int, languages: int) -> tuple[Floats, NDArray[np.intp]]:
    """Correlations of cells that share a model, a language or only the items; their kinds."""
    model, language = (v.ravel() for v in np.indices((models, languages)))
    same_model, same_language = model[:, None] == model, language[:, None] == language
    one = np.where(same_model, 0.6, np.where(same_language, 0.5, 0.3))
    truth = np.where(same_model & same_language, 1.0, one)
    return truth, (2 * same_model + same_language).astype(np.intp)


def test_more_estimates_than_clusters_have_a_covariance_near_the_truth() -> None:
    truth, kinds = crossed(12, 10)
    rng = np.random.default_rng(3)
    sums = rng.multivariate_normal(np.zeros(120), truth, size=100)
    sums -= sums.mean(axis=0)
    plain = covariance_of_sums(sums)
    found, share = shrunk_covariance(sums, kinds)
    assert np.linalg.eigvalsh(plain)[0] < 1e-8
    assert np.linalg.eigvalsh(found)[0] > 1.0
    np.testing.assert_allclose(np.diag(found), np.diag(plain), rtol=1e-12)
    assert share > 0.8
    width = np.sqrt(np.diag(plain))
    wrong = [np.linalg.norm(cov / np.outer(width, width) - truth) for cov in (plain, found)]
    assert wrong[1] < 0.4 * wrong[0]


def test_weighted_means_of_many_estimates_have_the_stated_error() -> None:
    """Weights from a sample covariance fit its noise: the actual error is larger than stated."""
    truth, kinds = crossed(8, 5)
    one = np.ones(40)
    stated, actual = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        sums = rng.multivariate_normal(np.zeros(40), truth, size=60) / 60.0
        error = rng.multivariate_normal(np.zeros(40), truth / 60.0)
        for cov in (covariance_of_sums(sums), shrunk_covariance(sums, kinds)[0]):
            weight = np.linalg.solve(cov, one)
            stated.append(1.0 / weight.sum())
            actual.append((weight @ error / weight.sum()) ** 2)
    ratio = np.mean(np.reshape(actual, (200, 2)), axis=0) / np.mean(
        np.reshape(stated, (200, 2)), axis=0
    )
    assert ratio[0] > 4.0
    # The variances are still those of 60 clusters each.
    assert 0.8 < ratio[1] < 2.0


def test_different_correlations_stay_where_they_are_known_well() -> None:
    truth = np.array([[1.0, 0.9, 0.1], [0.9, 1.0, 0.0], [0.1, 0.0, 1.0]])
    sums = np.random.default_rng(5).multivariate_normal(np.zeros(3), truth, size=50_000)
    found, share = shrunk_covariance(sums, np.zeros((3, 3), dtype=np.intp))
    assert share < 0.01
    np.testing.assert_allclose(found, covariance_of_sums(sums), rtol=0.02, atol=50.0)


def test_one_cluster_or_one_estimate_degenerate() -> None:
    cov, share = shrunk_covariance(np.ones((1, 3)), np.zeros((3, 3), dtype=np.intp))
    assert np.isnan(cov).all()
    assert share == 0.0
    cov, share = shrunk_covariance(np.array([[1.0], [-1.0]]), np.zeros((1, 1), dtype=np.intp))
    assert cov == pytest.approx(np.array([[4.0]]))
    assert share == 0.0


def test_means_that_are_no_correlations_are_made_definite_against_naive() -> None:
    """Few clusters and kinds that contradict one another: eigenvalues below 1e-6 become that."""
    found_any = False
    for seed in range(40):
        rng = np.random.default_rng(seed)
        sums = rng.normal(size=(4, 6)) @ rng.normal(size=(6, 6))
        kinds = rng.integers(0, 3, (6, 6))
        kinds = np.triu(kinds) + np.triu(kinds, 1).T
        expected, weight = naive(sums, kinds)
        found, share = shrunk_covariance(sums, kinds)
        np.testing.assert_allclose(share, weight, rtol=1e-8)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
        width = np.sqrt(np.diag(found))
        found_any |= bool(np.linalg.eigvalsh(found / np.outer(width, width))[0] < 2e-6)
    assert found_any


def test_an_estimate_without_influence_has_variance_zero_degenerate() -> None:
    sums = np.array([[1.0, 0.0, 0.5], [-1.0, 0.0, 0.2], [0.3, 0.0, -0.7]])
    cov, _ = shrunk_covariance(sums, np.zeros((3, 3), dtype=np.intp))
    assert np.isfinite(cov).all()
    assert (cov[1] == 0.0).all()


def test_logarithms_of_noise_alone_shrink_and_others_stay() -> None:
    rng = np.random.default_rng(7)
    x = np.linspace(-1.0, 1.0, 40)
    design = np.column_stack([np.ones(40), x])
    noise = np.full(40, 0.09)
    line = 0.5 + 2.0 * x
    shares, gains = [], []
    for _ in range(50):
        values = line + 0.3 * rng.standard_normal(40)
        found, share = shrunk_logarithms(values, noise, design)
        basis = np.linalg.qr(design)[0]
        fitted = basis @ (basis.T @ values)
        variance = noise @ (1.0 - np.diag(basis @ basis.T))
        expected = min(variance / ((values - fitted) ** 2).sum(), 1.0)
        np.testing.assert_allclose(found, values + expected * (fitted - values), rtol=1e-9)
        shares.append(share)
        gains.append(((found - line) ** 2).mean() / ((values - line) ** 2).mean())
    assert np.mean(shares) > 0.85
    assert np.mean(gains) < 0.3
    _, share = shrunk_logarithms(line + rng.standard_normal(40) * 3.0, noise, design)
    assert share < 0.05


def test_logarithms_without_residual_freedom_stay_degenerate() -> None:
    values = np.array([0.1, 0.5, -0.2])
    found, share = shrunk_logarithms(values, np.ones(3), np.column_stack([np.ones(3), values]))
    assert share == 0.0
    np.testing.assert_array_equal(found, values)
