"""Slopes inside groups against least squares of each group, and their mean against theory."""

from __future__ import annotations

import numpy as np
import pytest

from hatstats.inference.reml.group_slopes import group_slopes
from hatstats.inference.reml.mixed import Effect, fit_mixed, shared_by_pairs

LABELS = ["b"] * 4 + ["a"] * 5 + ["alone"] + ["flat"] * 3


def test_slopes_and_covariance_against_least_squares_of_each_group_naive() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=13), rng.normal(size=13)
    x[10:] = 2.0
    root = rng.normal(size=(13, 13))
    V = 0.01 * root @ root.T
    found = group_slopes(y, V, x[:, None], np.ones(1), LABELS)
    assert found.groups == ("b", "a")
    assert found.sizes.tolist() == [4.0, 5.0]
    rows, residuals, makers = [], [], np.zeros((13, 13))
    for own in (slice(0, 4), slice(4, 9)):
        n = own.stop - own.start
        X = np.column_stack([np.ones(n), x[own]])
        maker = np.eye(n) - X @ np.linalg.inv(X.T @ X) @ X.T
        makers[own, own] = maker
        residuals += (maker @ y[own]).tolist()
        row = np.zeros(13)
        row[own] = (np.linalg.inv(X.T @ X) @ X.T)[1]
        rows.append(row)
        assert row @ y == pytest.approx(np.polyfit(x[own], y[own], 1)[0])
    L = np.array(rows)
    np.testing.assert_allclose(found.estimates, L @ y)
    # Residual degrees of freedom of the two groups: 4 - 2 and 5 - 2.
    assert found.freedom == pytest.approx(5.0)
    scatter = (np.sum(np.square(residuals)) - np.trace(makers @ V)) / 5.0
    assert scatter > 0.0
    np.testing.assert_allclose(found.cov, L @ (V + scatter * np.eye(13)) @ L.T)


def test_two_covariates_in_any_units_are_asked_for_their_sum() -> None:
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(12, 2)), rng.normal(size=12)
    labels = ["a"] * 6 + ["b"] * 6
    V = 0.01 * np.eye(12)
    found = group_slopes(y, V, X, np.array([1.0, 1.0]), labels)
    scaled = group_slopes(y, V, X * [1e6, 1e-3], np.array([1e6, 1e-3]), labels)
    for own, value in ((slice(0, 6), found.estimates[0]), (slice(6, 12), found.estimates[1])):
        design = np.column_stack([np.ones(6), X[own]])
        assert value == pytest.approx(np.linalg.lstsq(design, y[own])[0][1:].sum())
    np.testing.assert_allclose(scaled.estimates, found.estimates)
    np.testing.assert_allclose(scaled.cov, found.cov)
    assert found.freedom == pytest.approx(6.0)
    # One that a group does not vary in is no hindrance where the other alone is asked for.
    X[:6, 1] = 3.0
    assert group_slopes(y, V, X, np.array([1.0, 0.0]), labels).groups == ("a", "b")
    assert group_slopes(y, V, X, np.array([1.0, 1.0]), labels).groups == ("b",)


def test_the_mean_of_slopes_of_equal_precision_against_theory() -> None:
    """A t test of the slopes: their mean, its error from their spread, one df less than groups."""
    x = np.tile([-1.0, 0.0, 1.0], 5)
    slopes = np.array([0.1, 0.5, 0.9, 1.6, 0.4])
    y = np.repeat(slopes, 3) * x
    found = group_slopes(y, 0.02 * np.eye(15), x[:, None], np.ones(1), np.repeat(list("abcde"), 3))
    np.testing.assert_allclose(found.estimates, slopes)
    np.testing.assert_allclose(np.diag(found.cov), 0.01)
    assert found.mean == pytest.approx(slopes.mean())
    assert found.std_error == pytest.approx(slopes.std(ddof=1) / np.sqrt(5))
    assert found.df == pytest.approx(4.0)
    assert found.spread == pytest.approx(np.sqrt(slopes.var(ddof=1) - 0.01), abs=1e-5)


def test_what_few_groups_do_not_tell_is_unknown_degenerate() -> None:
    x, y = np.array([0.0, 1.0, 5.0]), np.array([1.0, 3.0, 0.0])
    one = group_slopes(y, 0.01 * np.eye(3), x[:, None], np.ones(1), ["a", "a", "b"])
    assert one.groups == ("a",)
    assert one.estimates.tolist() == pytest.approx([2.0])
    # Two rows have no residual, so that errors alone are known.
    assert np.isnan([one.freedom, one.mean, one.std_error, one.df, one.spread]).all()
    np.testing.assert_allclose(one.cov, [[0.02]])
    none = group_slopes(y, np.eye(3), x[:, None], np.ones(1), ["a", "b", "c"])
    assert none.groups == ()
    assert none.cov.shape == (0, 0)


def test_an_error_that_rows_share_is_found_from_pairs_against_theory() -> None:
    rng = np.random.default_rng(3)
    X = np.column_stack([np.ones(9), rng.normal(size=9)])
    root = rng.normal(size=(2, 2))
    B = root @ root.T
    pairs = ~np.eye(9, dtype=bool)
    pairs[0, 1] = pairs[1, 0] = False
    V = X @ B @ X.T
    # Of unmarked pairs nothing is used.
    V[0, 1] = V[1, 0] = 99.0
    V[np.diag_indices(9)] += 5.0
    np.testing.assert_allclose(shared_by_pairs(X, V, pairs), B, atol=1e-10)
    # What would be negative is 0.
    negative = shared_by_pairs(X, -V, pairs)
    np.testing.assert_allclose(negative, 0.0, atol=1e-10)


def test_predictions_against_the_joint_normal_distribution() -> None:
    rng = np.random.default_rng(4)
    groups, other = np.repeat([0, 1, 2, 3], 3), np.tile([0, 1, 2], 4)
    X = np.column_stack([np.ones(12), rng.normal(size=12)])
    y = X @ [1.0, 0.5] + rng.normal(size=4)[groups] + rng.normal(size=12)
    z = rng.uniform(0.5, 1.5, 12)
    fit = fit_mixed(y, X, [Effect("group", groups, np.ones(12)), Effect("other", other, z)])
    new = np.array([1, 7, 3]), np.array([0, 1, 9])
    more = np.array([[1.0, 0.3], [1.0, -1.0], [1.0, 2.0]])
    z_new = np.array([0.7, 1.2, 1.0])
    effects = [Effect("group", new[0], np.ones(3)), Effect("other", new[1], z_new)]
    mean, error = fit.predict(more, effects)
    first, second, residual = fit.variances
    whole, both, x = np.r_[groups, new[0]], np.r_[other, new[1]], np.r_[z, z_new]
    S = first * (whole[:, None] == whole) + second * (both[:, None] == both) * np.outer(x, x)
    S += residual * np.eye(15)
    inside, across, outside = S[:12, :12], S[12:, :12], S[12:, 12:]
    inverse = np.linalg.inv(inside)
    loadings = across @ inverse
    np.testing.assert_allclose(mean, more @ fit.params + loadings @ (y - X @ fit.params))
    away = more - loadings @ X
    cov = np.linalg.inv(X.T @ inverse @ X)
    np.testing.assert_allclose(error, outside - loadings @ across.T + away @ cov @ away.T)
