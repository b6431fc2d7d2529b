"""Partial leverage and collinearity against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.stats.outliers_influence import variance_inflation_factor

from hatstats.inference.cluster_robust.leverage import (
    partial_leverage,
    partial_r_squared,
    sole_clusters,
    variance_inflation,
)
from hatstats.inference.cluster_robust.sandwich import cluster_robust

FAMILY = np.repeat(np.arange(6), [6, 5, 3, 3, 2, 1])


def design(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    size = rng.normal(size=20)
    return np.column_stack([np.ones(20), size, 0.8 * size + rng.normal(size=20)])


def test_partial_leverage_against_naive() -> None:
    X = design()
    rng = np.random.default_rng(1)
    root = rng.normal(size=(20, 40))
    W = root @ root.T / 40
    shares = partial_leverage(X, W, FAMILY)
    np.testing.assert_allclose(shares.sum(axis=0), 1.0)
    for column in range(3):
        others = np.delete(X, column, axis=1)
        x = X[:, column]
        residual = x - others @ np.linalg.solve(others.T @ W @ others, others.T @ W @ x)
        for family in range(6):
            rows = family == FAMILY
            expected = residual[rows] @ (W @ residual)[rows] / (residual @ W @ residual)
            assert shares[family, column] == pytest.approx(expected)


def test_a_family_that_alone_has_a_covariate_has_all_leverage_degenerate() -> None:
    X = np.column_stack([np.ones(20), FAMILY == 2])
    shares = partial_leverage(X, np.eye(20), FAMILY)
    # The other families have the share of the intercept.
    assert shares[2, 1] == pytest.approx(17 / 20)


def test_variance_inflation_against_statsmodels() -> None:
    X = design()
    expected = [variance_inflation_factor(X, column) for column in (1, 2)]
    np.testing.assert_allclose(variance_inflation(X[:, 1:]), expected)
    np.testing.assert_allclose(variance_inflation(X[:, 1:2]), [1.0])


def test_partial_r_squared_against_t() -> None:
    X = design()
    y = X @ [0.0, 0.5, 0.2] + np.random.default_rng(2).normal(size=20)
    fit = sm.OLS(y, X).fit()
    np.testing.assert_allclose(
        partial_r_squared(y, X), fit.tvalues**2 / (fit.tvalues**2 + fit.df_resid)
    )


def test_sole_clusters_against_ranks_naive() -> None:
    """A contrast is estimable where it adds nothing to the row space of what is left."""
    rng = np.random.default_rng(3)
    codes = np.array([0, 0, 1, 1, 2, 3, 3, 3])
    X = np.column_stack([np.ones(8), codes == 2, rng.normal(size=8), codes < 2])
    contrasts = np.vstack([np.eye(4), [1.0, 1.0, 0.0, 0.0]])
    for kept in (codes >= 0, codes < 3):  # of the second fewer rows are left than columns
        wanted = []
        for contrast in contrasts:
            lost = [
                cluster
                for cluster in np.unique(codes[kept])
                for rows in [X[kept & (codes != cluster)]]
                if np.linalg.matrix_rank(np.vstack([rows, contrast])) > np.linalg.matrix_rank(rows)
            ]
            wanted.append(lost[0] if lost else -1)
        assert sole_clusters(X[kept], codes[kept], contrasts).tolist() == wanted
    assert sole_clusters(X, codes, contrasts)[1] == 2


def test_shares_of_clusters_in_a_contrast_against_naive() -> None:
    """Of the variance of independent, equal errors: sums of squares of each cluster's loadings."""
    rng = np.random.default_rng(5)
    X = np.column_stack([np.ones(9), rng.normal(size=9)])
    codes = np.repeat([0, 1, 2], [2, 3, 4])
    y = rng.normal(size=9)
    eye = np.eye(9)
    residuals = y - X @ np.linalg.lstsq(X, y)[0]
    fit = cluster_robust(X, residuals, eye, eye, codes, kind="CR0")
    L = np.array([[0.0, 1.0], [1.0, -2.0]])
    found = fit.shares(L)
    maker = eye - X @ np.linalg.inv(X.T @ X) @ X.T
    for q, contrast in enumerate(L):
        loading = contrast @ np.linalg.inv(X.T @ X) @ X.T
        own = [
            loading[codes == g] @ maker[np.ix_(codes == g, codes == g)] @ loading[codes == g]
            for g in range(3)
        ]
        np.testing.assert_allclose(found[q], np.array(own) / sum(own))


def test_columns_that_explain_all_or_nothing_degenerate() -> None:
    rng = np.random.default_rng(6)
    X = np.column_stack([np.ones(8), rng.normal(size=(8, 2))])
    np.testing.assert_allclose(partial_r_squared(2.0 * X[:, 1], X)[1], 1.0)
    assert np.isnan(partial_r_squared(np.zeros(8), X)).all()
    # An inflation is that of a regression on the other columns and a constant.
    Z = rng.normal(size=(12, 3)) + 5.0
    Z[:, 2] += Z[:, 0]
    for column, value in enumerate(variance_inflation(Z)):
        others = np.column_stack([np.ones(12), np.delete(Z, column, axis=1)])
        rest = Z[:, column] - others @ np.linalg.lstsq(others, Z[:, column])[0]
        around = Z[:, column] - Z[:, column].mean()
        assert value == pytest.approx((around @ around) / (rest @ rest))
