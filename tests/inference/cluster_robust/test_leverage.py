"""Partial leverage, collinearity and joint regions against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.outliers_influence import variance_inflation_factor

from hatstats.inference.cluster_robust.leverage import (
    joint_region,
    partial_leverage,
    partial_r_squared,
    variance_inflation,
)

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
        left = x - others @ np.linalg.solve(others.T @ W @ others, others.T @ W @ x)
        for family in range(6):
            mine = family == FAMILY
            expected = left[mine] @ (W @ left)[mine] / (left @ W @ left)
            assert shares[family, column] == pytest.approx(expected)


def test_a_family_that_alone_has_a_covariate_has_all_leverage_degenerate() -> None:
    X = np.column_stack([np.ones(20), FAMILY == 2])
    shares = partial_leverage(X, np.eye(20), FAMILY)
    # The rest of the families says where zero is.
    assert shares[2, 1] == pytest.approx(17 / 20)


def test_variance_inflation_against_statsmodels() -> None:
    X = design()
    expected = [variance_inflation_factor(X, place) for place in (1, 2)]
    np.testing.assert_allclose(variance_inflation(X[:, 1:]), expected)
    np.testing.assert_allclose(variance_inflation(X[:, 1:2]), [1.0])


def test_partial_r_squared_against_t() -> None:
    X = design()
    y = X @ [0.0, 0.5, 0.2] + np.random.default_rng(2).normal(size=20)
    fit = sm.OLS(y, X).fit()
    np.testing.assert_allclose(
        partial_r_squared(y, X), fit.tvalues**2 / (fit.tvalues**2 + fit.df_resid)
    )


def test_joint_region_holds_its_level_against_theory() -> None:
    """The boundary is where the Hotelling test is at its level."""
    rng = np.random.default_rng(4)
    root = rng.normal(size=(2, 3))
    cov, params, nu = root @ root.T, np.array([0.5, -1.0]), 6.0
    edge = joint_region(params, cov, nu, 0.95)
    q = np.einsum("ij,jk,ik->i", edge - params, np.linalg.inv(cov), edge - params)
    np.testing.assert_allclose(stats.f.sf((nu - 1) / (2 * nu) * q, 2, nu - 1), 0.05)
    wide = joint_region(params, cov, np.inf, 0.95)
    q = np.einsum("ij,jk,ik->i", wide - params, np.linalg.inv(cov), wide - params)
    np.testing.assert_allclose(stats.chi2.sf(q, 2), 0.05)
    assert np.isnan(joint_region(params, cov, 0.9, 0.95)).all()
