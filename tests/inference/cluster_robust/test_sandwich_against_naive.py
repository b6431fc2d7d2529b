"""Cluster-robust covariance against a second implementation, and the size of its tests.

The naive twins use other formulas than the package: symmetric square roots for CR2, refits without
each cluster for CR3, and full n x n matrices of the quadratic forms for degrees of freedom.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import linalg, stats

from hatstats.inference.cluster_robust.sandwich import Kind, cluster_robust

FloatArray = NDArray[np.float64]
FAMILY = np.repeat(np.arange(6), [6, 5, 3, 3, 2, 1])


def power(matrix: FloatArray, exponent: float) -> FloatArray:
    values, vectors = linalg.eigh(matrix)
    scaled = [v**exponent if v > 1e-10 * values[-1] else 0.0 for v in values]
    result: FloatArray = vectors @ np.diag(scaled) @ vectors.T
    return result


def naive_roots(
    X: FloatArray, W: FloatArray, T: FloatArray, codes: NDArray[np.intp], kind: Kind
) -> list[FloatArray]:
    """``R_j`` (k, n) with ``V = sum_j R_j y y' R_j'``."""
    n = len(X)
    bread = linalg.inv(X.T @ W @ X)
    maker = np.eye(n) - X @ bread @ X.T @ W
    roots = []
    for code in range(codes.max() + 1):
        pick = np.diag((codes == code).astype(float))
        inside = np.flatnonzero(codes == code)
        block = np.ix_(inside, inside)
        A = np.eye(len(inside)) * np.sqrt((codes.max() + 1) / codes.max() if kind == "CR1" else 1)
        if kind == "CR2":
            root = power(T[block], 0.5)
            A = root @ power(root @ (maker @ T @ maker.T)[block] @ root, -0.5) @ root
        if kind == "CR3":
            # Coefficients with and without the cluster, as linear maps of y.
            keep = np.eye(n) - pick
            reduced = linalg.inv(X.T @ keep @ W @ keep @ X) @ X.T @ keep @ W @ keep
            roots.append(bread @ X.T @ W - reduced)
            continue
        spread = np.zeros((n, n))
        spread[block] = A
        roots.append(bread @ X.T @ W @ spread @ maker)
    return roots


def small_data(
    seed: int, groups: int, k: int, gls: bool
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, NDArray[np.intp]]:
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(groups), rng.integers(1, 5, groups))
    codes = np.concatenate([codes, np.arange(3)])  # enough rows even if clusters are small
    n = len(codes)
    X = np.column_stack([np.ones(n), rng.normal(size=(n, k - 1))])
    same = codes[:, None] == codes[None, :]
    root = rng.normal(size=(n, n))
    T = (root @ root.T / n) * same + 0.5 * np.eye(n)
    W = linalg.inv(T) if gls else np.diag(rng.uniform(0.5, 2.0, n))
    return rng.normal(size=n), X, W, T, codes


sizes = {
    "seed": st.integers(0, 2**32 - 1),
    "groups": st.integers(4, 7),
    "k": st.integers(1, 3),
    "gls": st.booleans(),
    "kind": st.sampled_from(["CR0", "CR1", "CR2", "CR3"]),
}


@settings(max_examples=80)
@given(**sizes)
def test_covariance_and_df_against_naive(
    seed: int, groups: int, k: int, gls: bool, kind: Kind
) -> None:
    y, X, W, T, codes = small_data(seed, groups, k, gls)
    residuals = y - X @ linalg.solve(X.T @ W @ X, X.T @ W @ y)
    found = cluster_robust(X, residuals, W, T, codes, kind=kind)
    roots = naive_roots(X, W, T, codes, kind)
    cov = np.sum([np.outer(R @ y, R @ y) for R in roots], axis=0)
    np.testing.assert_allclose(found.cov, cov, rtol=1e-8, atol=1e-12)
    contrasts = np.vstack([np.eye(k), np.linspace(1.0, -2.0, k)])
    for contrast, df in zip(contrasts, found.satterthwaite(contrasts), strict=True):
        # c'Vc = y'Qy: mean tr(QT), variance 2 tr(QTQT).
        Q = np.sum([np.outer(contrast @ R, contrast @ R) for R in roots], axis=0)
        expected = np.trace(Q @ T) ** 2 / np.trace(Q @ T @ Q @ T)
        assert df == pytest.approx(expected, rel=1e-8)


def test_size_of_the_slope_test_coverage() -> None:
    """Nominal 5 %, 20 models in families of 6, 5, 3, 3, 2, 1, no slope but a family effect.

    Least squares treats models of a family as independent and rejects far too often; CR2 with
    Satterthwaite degrees of freedom keeps its level, and CR3 with G - 1 nearly does.
    """
    rng = np.random.default_rng(20)
    n, designs, replicates = 20, 40, 50
    rejected = {"ols": 0, "CR1": 0, "CR2": 0, "CR3": 0}
    slope = np.array([0.0, 1.0])
    for _ in range(designs):
        date = rng.normal(size=6)[FAMILY] + 0.7 * rng.normal(size=n)
        X = np.column_stack([np.ones(n), date])
        effect = rng.normal(size=(replicates, 6))[:, FAMILY]
        y = effect + 0.5 * rng.normal(size=(replicates, n))
        params = np.linalg.lstsq(X, y.T)[0]
        residuals = y.T - X @ params
        variance = (residuals**2).sum(axis=0) / (n - 2) * np.linalg.inv(X.T @ X)[1, 1]
        t = np.abs(params[1]) / np.sqrt(variance)
        rejected["ols"] += int((2 * stats.t.sf(t, n - 2) < 0.05).sum())
        for kind in ("CR1", "CR2", "CR3"):
            found = cluster_robust(X, residuals[:, 0], np.eye(n), np.eye(n), FAMILY, kind=kind)
            # The loadings do not depend on y, so all replicates take one matrix product.
            rows = [np.flatnonzero(j == FAMILY) for j in range(6)]
            scores = [found.loadings[1, row] @ residuals[row] for row in rows]
            errors = np.sqrt((np.array(scores) ** 2).sum(axis=0))
            assert errors[0] == pytest.approx(np.sqrt(found.cov[1, 1]))
            p = 2 * stats.t.sf(np.abs(params[1]) / errors, found.df(slope)[0])
            rejected[kind] += int((p < 0.05).sum())
    size = {name: count / (designs * replicates) for name, count in rejected.items()}
    assert size["ols"] > 0.15
    assert 0.02 < size["CR2"] < 0.09
    assert 0.02 < size["CR3"] < 0.09
    assert size["CR1"] > size["CR2"]


def test_size_where_items_are_shared_by_all_families_coverage() -> None:
    """Nominal 5 % for the mean of 20 models that answered the same items.

    The error of the items is common to all families, so a sum over families misses it, and the
    test rejects far too often. With the known part between clusters it keeps its level.
    """
    rng = np.random.default_rng(21)
    X = np.column_stack([np.ones(20), rng.normal(size=20)])
    loading = rng.uniform(0.5, 0.9, 20)
    items = np.outer(loading, loading)
    np.fill_diagonal(items, 1.0)
    T = items + 0.5 * (FAMILY[:, None] == FAMILY)
    W = linalg.inv(T)
    draws = linalg.cholesky(T, lower=True) @ rng.normal(size=(20, 2_000))
    params = linalg.solve(X.T @ W @ X, X.T @ W @ draws)
    residuals = draws - X @ params
    found = cluster_robust(X, residuals[:, 0], W, T, FAMILY)
    rows = [np.flatnonzero(j == FAMILY) for j in range(6)]
    within = (np.array([found.loadings[0, row] @ residuals[row] for row in rows]) ** 2).sum(axis=0)
    assert within[0] == pytest.approx(found.within[0, 0])
    df = found.df([1.0, 0.0])[0]
    sizes = [
        (2 * stats.t.sf(np.abs(params[0]) / np.sqrt(within + known), freedom) < 0.05).mean()
        for known, freedom in ((found.between[0, 0], df), (0.0, 5.0))
    ]
    assert 0.03 < sizes[0] < 0.07
    assert sizes[1] > 0.15
