"""Cluster-robust covariance and its degrees of freedom: against clubSandwich and theory."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.inference.cluster_robust import sandwich as module
from hatstats.inference.cluster_robust.sandwich import ClusterRobust, Kind, cluster_robust
from tests.reference import stored

FloatArray = NDArray[np.float64]

CASES = stored.cases("cluster")
KINDS: tuple[Kind, ...] = ("CR0", "CR1", "CR2", "CR3")
COMPARED = [
    (name, kind) for name, case in CASES.items() for kind in KINDS if kind in case["output"]
]
FAMILY = np.repeat(np.arange(6), [6, 5, 3, 3, 2, 1])


def matrices(case: dict[str, Any]) -> tuple[FloatArray, FloatArray]:
    """Weights and working covariance of a stored case."""
    given = case["input"]
    if "weights" in given:
        return np.diag(given["weights"]), np.diag(given["working"])
    S = stored.covariance(given["V"])
    for tau2, labels in zip(given["tau2"], stored.groupings(given), strict=True):
        S = S + tau2 * (labels[:, None] == labels)
    return np.linalg.inv(S), S


@cache
def computed(name: str, kind: Kind) -> ClusterRobust:
    case = CASES[name]
    given, weights_and_working = case["input"], matrices(case)
    residuals = np.array(given["y"]) - np.array(given["X"]) @ case["output"]["params"]
    return cluster_robust(given["X"], residuals, *weights_and_working, given["cluster"], kind=kind)


def least_squares(
    X: FloatArray, y: FloatArray, W: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    W = np.eye(len(y)) if W is None else W
    params = np.linalg.solve(X.T @ W @ X, X.T @ W @ y)
    return params, y - X @ params


def ols(X: FloatArray, y: FloatArray, clusters: Any, kind: Kind = "CR2") -> ClusterRobust:
    eye = np.eye(len(y))
    return cluster_robust(X, least_squares(X, y)[1], eye, eye, clusters, kind=kind)


def few_families(seed: int = 0) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(20), rng.normal(size=20), rng.normal(size=6)[FAMILY]])
    return X, X @ [1.0, 0.5, 0.0] + rng.normal(size=6)[FAMILY] + 0.5 * rng.normal(size=20)


def some_covariance(seed: int, n: int = 20) -> FloatArray:
    root = np.random.default_rng(seed).normal(size=(n, n))
    result: FloatArray = root @ root.T / n + np.diag(np.linspace(0.2, 1.0, n))
    return result


# --- R ------------------------------------------------------------------------------------------


def test_stored_cases_are_the_expected_ones() -> None:
    assert set(CASES) == {
        "lm",
        "lm_weighted",
        "lm_weighted_inverse_variance",
        "lm_weighted_other_working",
        "lm_every_row_a_cluster",
        "lm_family_dummies",
        "rma_mv_block_v",
        "rma_mv_diagonal_v",
        "rma",
        "cells",
    }
    assert len(COMPARED) == 4 * len(CASES) - 1  # no CR3 where a cluster has leverage one


@pytest.mark.parametrize(("name", "kind"), COMPARED)
def test_covariance_against_R(name: str, kind: Kind) -> None:
    expected = np.array(CASES[name]["output"][kind]["cov"])
    size = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    found = computed(name, kind)
    np.testing.assert_allclose(found.cov / size, expected / size, rtol=1e-6, atol=1e-8)
    assert not found.between.any()


@pytest.mark.parametrize(("name", "kind"), COMPARED)
def test_satterthwaite_df_against_R(name: str, kind: Kind) -> None:
    expected, found = CASES[name]["output"][kind], computed(name, kind)
    L = CASES[name]["input"]["L"]
    np.testing.assert_allclose(found.satterthwaite(L), expected["contrast_df"], rtol=1e-6)
    df = found.satterthwaite(np.eye(len(found.cov)))
    known = np.isfinite(df)
    np.testing.assert_allclose(df[known], np.array(expected["df"])[known], rtol=1e-6)
    # Dummies of families that one cluster fills have none here (see `sole_cluster`).
    assert known.sum() == (2 if name == "lm_family_dummies" else len(df))


@pytest.mark.parametrize("name", CASES)
def test_naive_df_against_R(name: str) -> None:
    for kind in KINDS:
        if kind != "CR2" and kind in CASES[name]["output"]:
            df = computed(name, kind).df(CASES[name]["input"]["L"])
            assert set(df) == set(CASES[name]["output"][kind]["naive_df"])


# --- theory -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["CR1", "CR2"])
def test_mean_of_balanced_clusters_against_theory(kind: Kind) -> None:
    """Variance of the mean of G cluster means, with G - 1 degrees of freedom."""
    groups, size = 7, 4
    y = np.random.default_rng(1).normal(size=groups * size)
    label = np.repeat(np.arange(groups), size)
    means = y.reshape(groups, size).mean(axis=1)
    found = ols(np.ones((len(y), 1)), y, label, kind)
    assert found.cov[0, 0] == pytest.approx(means.var(ddof=1) / groups, rel=1e-12)
    assert found.satterthwaite([1.0])[0] == pytest.approx(groups - 1, rel=1e-12)
    assert found.df([1.0])[0] == pytest.approx(groups - 1, rel=1e-12)


@pytest.mark.parametrize(("treated", "control"), [(2, 7), (4, 4), (3, 12)])
def test_two_arms_against_theory(treated: int, control: int) -> None:
    """CR2 of a difference of arms is Welch's variance, its df Welch's with equal variances."""
    groups, size = treated + control, 3
    label = np.repeat(np.arange(groups), size)
    arm = (label < treated).astype(float)
    y = np.random.default_rng(2).normal(size=groups * size) + arm
    means = y.reshape(groups, size).mean(axis=1)
    found = ols(np.column_stack([np.ones(len(y)), arm]), y, label)
    welch = means[:treated].var(ddof=1) / treated + means[treated:].var(ddof=1) / control
    assert found.cov[1, 1] == pytest.approx(welch, rel=1e-12)
    freedom = (1 / treated + 1 / control) ** 2 / (
        1 / (treated**2 * (treated - 1)) + 1 / (control**2 * (control - 1))
    )
    assert found.satterthwaite([0.0, 1.0])[0] == pytest.approx(freedom, rel=1e-12)


def expectation(X: FloatArray, W: FloatArray, T: FloatArray, kind: Kind) -> FloatArray:
    """Exact mean of the covariance if ``y ~ (X b, T)``: it is quadratic in ``y``."""
    total = np.zeros((X.shape[1], X.shape[1]))
    for column in np.linalg.cholesky(T).T:
        found = cluster_robust(X, least_squares(X, column, W)[1], W, T, FAMILY, kind=kind)
        total += found.within
    return total + found.between


def sandwich(X: FloatArray, W: FloatArray, T: FloatArray) -> FloatArray:
    E = np.linalg.solve(X.T @ W @ X, X.T @ W)
    result: FloatArray = E @ T @ E.T
    return result


@pytest.mark.parametrize("weighting", ["ordinary", "weighted", "generalised", "other"])
def test_cr2_is_unbiased_under_its_working_model_against_theory(weighting: str) -> None:
    X, _ = few_families()
    block = some_covariance(3) * (FAMILY[:, None] == FAMILY)
    W, T = {
        "ordinary": (np.eye(20), np.eye(20)),
        "weighted": (np.diag(np.linspace(0.5, 2, 20)), np.eye(20)),
        "generalised": (np.linalg.inv(block), block),
        "other": (np.diag(np.linspace(0.5, 2, 20)), block),
    }[weighting]
    truth = sandwich(X, W, T)
    np.testing.assert_allclose(expectation(X, W, T, "CR2"), truth, rtol=1e-10, atol=1e-12)
    # CR0 is biased downwards, which is why the correction exists; CR3 upwards for least squares.
    assert (np.diag(expectation(X, W, T, "CR0")) < 0.95 * np.diag(truth)).all()
    if weighting in ("ordinary", "generalised"):
        assert (np.diag(expectation(X, W, T, "CR3")) > np.diag(truth)).all()


def test_cr2_is_unbiased_for_slopes_inside_saturated_clusters_against_theory() -> None:
    X = np.column_stack(
        [np.eye(6)[FAMILY], np.random.default_rng(4).normal(size=20)]
    )  # a dummy for every family: only the slope has a variance
    W = T = np.eye(20)
    found, truth = expectation(X, W, T, "CR2"), sandwich(X, W, T)
    assert found[6, 6] == pytest.approx(truth[6, 6], rel=1e-10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighting", ["ordinary", "generalised"])
def test_error_shared_by_all_clusters_against_theory(kind: Kind, weighting: str) -> None:
    """``X B X'`` adds exactly B; the rest and the df of unaffected slopes do not change."""
    X, y = few_families(1)
    block = some_covariance(5) * (FAMILY[:, None] == FAMILY)
    B = np.zeros((3, 3))
    B[0, 0], B[1, 1] = 0.6, 0.2
    T = block + X @ B @ X.T
    W = np.eye(20) if weighting == "ordinary" else np.linalg.inv(T)
    residuals = least_squares(X, y, W)[1]
    plain_W = np.eye(20) if weighting == "ordinary" else np.linalg.inv(block)
    plain = cluster_robust(X, residuals, plain_W, block, FAMILY, kind=kind)
    shared = cluster_robust(X, residuals, W, T, FAMILY, kind=kind)
    np.testing.assert_allclose(shared.within, plain.within, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(shared.between, B, atol=1e-9)
    np.testing.assert_allclose(shared.cov, plain.cov + B, rtol=1e-6, atol=1e-9)
    df, plain_df = shared.satterthwaite(np.eye(3)), plain.satterthwaite(np.eye(3))
    assert df[2] == pytest.approx(plain_df[2], rel=1e-6)
    assert (df[:2] > plain_df[:2]).all()  # a known part of the variance adds df


def test_any_covariance_between_clusters_against_theory() -> None:
    """Unbiased where the known part adds variance in all directions; never biased downwards."""
    X, _ = few_families(2)
    exact = 0
    for seed in range(8):
        T = some_covariance(seed) + (0.5 if seed % 2 else 0.0)
        W = np.linalg.inv(T)
        excess = expectation(X, W, T, "CR2") - sandwich(X, W, T)
        assert np.linalg.eigvalsh(excess)[0] > -1e-10
        exact += np.allclose(excess, 0, atol=1e-10)
    assert exact < 8  # otherwise the positive part was never needed


@pytest.mark.parametrize("kind", KINDS)
def test_units_rows_and_coordinates_do_not_matter_against_theory(kind: Kind) -> None:
    X, y = few_families(3)
    T = some_covariance(6) + 0.3
    W = np.linalg.inv(T)
    residuals = least_squares(X, y, W)[1]
    found = cluster_robust(X, residuals, W, T, FAMILY, kind=kind)
    L = np.array([[0.0, 1.0, 0.0], [0.0, 1.0, -2.0]])
    # Outcome in other units.
    other = cluster_robust(X, 10 * residuals, W, 100 * T, FAMILY, kind=kind)
    np.testing.assert_allclose(other.cov, 100 * found.cov, rtol=1e-9)
    np.testing.assert_allclose(other.satterthwaite(L), found.satterthwaite(L), rtol=1e-9)
    # Rows in another order, clusters by name.
    order = np.random.default_rng(0).permutation(20)
    pick = np.ix_(order, order)
    names = np.array([f"family {code}" for code in FAMILY])[order]
    mixed = cluster_robust(X[order], residuals[order], W[pick], T[pick], names, kind=kind)
    np.testing.assert_allclose(mixed.cov, found.cov, rtol=1e-9)
    np.testing.assert_allclose(mixed.satterthwaite(L), found.satterthwaite(L), rtol=1e-9)
    # Coefficients in other coordinates.
    transform = np.array([[1.0, 0.5, 0.0], [0.0, 2.0, 1.0], [0.0, 0.0, 100.0]])
    transformed = cluster_robust(X @ transform, residuals, W, T, FAMILY, kind=kind)
    np.testing.assert_allclose(transform @ transformed.cov @ transform.T, found.cov, rtol=1e-6)
    np.testing.assert_allclose(
        transformed.satterthwaite(L @ transform), found.satterthwaite(L), rtol=1e-6
    )


@pytest.mark.parametrize("kind", KINDS)
def test_scale_of_a_block_diagonal_working_model_does_not_matter_against_theory(kind: Kind) -> None:
    X, y = few_families(3)
    T = some_covariance(6) * (FAMILY[:, None] == FAMILY)
    W = np.linalg.inv(T)
    residuals = least_squares(X, y, W)[1]
    found = cluster_robust(X, residuals, W, T, FAMILY, kind=kind)
    for scale in (1e-8, 1e8):
        other = cluster_robust(X, residuals, W, scale * T, FAMILY, kind=kind)
        np.testing.assert_allclose(other.cov, found.cov, rtol=1e-8)
        np.testing.assert_allclose(
            other.satterthwaite(np.eye(3)), found.satterthwaite(np.eye(3)), rtol=1e-8
        )


# --- degenerate ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_coefficient_of_one_cluster_degenerate(kind: Kind) -> None:
    """The dummy of a family depends on one draw of the family effect: no df, and a reason."""
    rng = np.random.default_rng(7)
    X = np.column_stack([np.ones(20), FAMILY == 1, rng.normal(size=20)])
    found = ols(X, rng.normal(size=20), [f"family {f}" for f in FAMILY], kind)
    L = np.array([[0.0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 0], [0, 1, 5]])
    expected = [1, -1, 1, -1, 1]
    assert found.sole_cluster(L).tolist() == expected
    for df in (found.df(L), found.satterthwaite(L)):
        np.testing.assert_array_equal(np.isnan(df), np.array(expected) == 1)
    reasons = found.reasons(L)
    assert reasons[0].startswith("identified by cluster 'family 1' alone")
    assert reasons[1] == ""


def test_unit_of_a_column_does_not_hide_a_sole_cluster_degenerate() -> None:
    rng = np.random.default_rng(7)
    X = np.column_stack([np.ones(20), 1e-9 * (FAMILY == 1), 1e9 * rng.normal(size=20)])
    assert ols(X, rng.normal(size=20), FAMILY).sole_cluster(np.eye(3)).tolist() == [-1, 1, -1]


def test_coefficient_seen_in_two_clusters_only_degenerate() -> None:
    """Two clusters of six inform it: allowed, with few degrees of freedom."""
    rng = np.random.default_rng(8)
    X = np.column_stack([np.ones(20), (FAMILY == 1) | (FAMILY == 5)])
    df = ols(X, rng.normal(size=20), FAMILY).satterthwaite([0.0, 1.0])[0]
    assert 0 < df < 2


@pytest.mark.parametrize("kind", KINDS)
def test_cluster_that_is_fitted_exactly_degenerate(kind: Kind) -> None:
    """A cluster of one row with its own dummy: leverage one, residual zero, others unharmed."""
    rng = np.random.default_rng(9)
    X = np.column_stack([np.ones(20), rng.normal(size=20), FAMILY == 5])
    y = rng.normal(size=20)
    found = ols(X, y, FAMILY, kind)
    rest = FAMILY < 5
    reduced = ols(X[rest, :2], y[rest], FAMILY[rest], kind)
    factor = (6 / 5) / (5 / 4) if kind == "CR1" else 1.0
    np.testing.assert_allclose(found.cov[:2, :2], factor * reduced.cov, rtol=1e-9)
    np.testing.assert_allclose(
        found.satterthwaite(np.eye(3)[:2]), reduced.satterthwaite(np.eye(2)), rtol=1e-9
    )


def test_two_clusters_degenerate() -> None:
    """The fewest possible: one degree of freedom for the mean."""
    X, y = few_families(4)
    label = (FAMILY > 1).astype(int)
    found = ols(X[:, :1], y, label)
    assert 0.9 < found.satterthwaite([1.0])[0] <= 1.0 + 1e-12


def test_zero_residuals_degenerate() -> None:
    X, _ = few_families()
    found = ols(X, X @ [1.0, 2.0, 3.0], FAMILY)
    np.testing.assert_allclose(found.cov, 0, atol=1e-20)
    assert np.isfinite(found.satterthwaite(np.eye(3))).all()  # df depend on the design only


# --- bad input ----------------------------------------------------------------------------------


def test_clusters_bad_input() -> None:
    X, y = few_families()
    with pytest.raises(NotIdentifiedError, match=r"at least two clusters; all 20 rows are in 'a'"):
        ols(X, y, ["a"] * 20)
    with pytest.raises(DataError, match=r"clusters has no label in rows 3"):
        ols(X, y, [None if row == 3 else "ab"[row % 2] for row in range(20)])
    with pytest.raises(DataError, match=r"clusters has shape \(3,\), not 20"):
        ols(X, y, [1, 2, 3])


def test_arrays_bad_input() -> None:
    X, y = few_families()
    e, eye = least_squares(X, y)[1], np.eye(20)
    broken = np.diag([1.0] * 19 + [np.nan])
    indefinite = eye.copy()
    indefinite[4, 4] = -1.0
    skew = eye.copy()
    skew[1, 2] = 0.5
    for given, message in [
        ((X, e[:5], eye, eye), r"residuals has shape \(5,\), not 20"),
        ((X, e, broken, eye), "weights is not finite in rows 19"),
        ((X, e, eye, skew), "working is not symmetric in rows 1, 2"),
        ((X, e, eye, indefinite), "working is not positive definite: see rows 4"),
        ((X[:, [0, 1, 1]], e, eye, eye), "columns 1, 2 of X depend on each other"),
        ((X, y, eye, eye), "residuals do not belong to this design"),
        ((X, e, np.diag(np.arange(1.0, 21)), eye), "residuals do not belong to this design"),
    ]:
        with pytest.raises(DataError, match=message):
            cluster_robust(*given, FAMILY)
    with pytest.raises(DataError, match="unknown kind of cluster-robust covariance"):
        cluster_robust(X, e, eye, eye, FAMILY, kind="HC3")  # type: ignore[arg-type]


def test_contrasts_bad_input() -> None:
    X, y = few_families()
    found = ols(X, y, FAMILY)
    with pytest.raises(DataError, match=r"contrasts need 3 columns"):
        found.satterthwaite([1.0, 0.0])
    with pytest.raises(DataError, match="no row of them all zero"):
        found.df([[0.0, 0.0, 0.0]])
    with pytest.raises(DataError, match="must be finite"):
        found.df([[0.0, np.nan, 0.0]])


def test_working_variances_of_any_size_give_finite_adjustments() -> None:
    working = np.diag([1.0, 1e-170])
    found = module._adjustment("CR2", working, working, np.eye(2), 3)
    assert np.isfinite(found).all()
    assert found[0, 0] == pytest.approx(1.0)


def test_the_first_cluster_may_be_the_one_without_which_nothing_is_known() -> None:
    codes = np.repeat(["a", "b", "c"], 4)
    rng = np.random.default_rng(4)
    X = np.column_stack([np.ones(12), (codes == "a") + 0.0])
    reasons = ols(X, rng.normal(size=12), codes).reasons(np.eye(2))
    assert reasons[0] == ""
    assert reasons[1].startswith("identified by cluster 'a' alone")


def test_the_default_is_cr2() -> None:
    X, y = few_families()
    eye = np.eye(len(y))
    plain = cluster_robust(X, least_squares(X, y)[1], eye, eye, FAMILY)
    np.testing.assert_array_equal(plain.cov, ols(X, y, FAMILY, "CR2").cov)
