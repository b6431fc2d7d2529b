"""REML with full V: against metafor and lme4, against closed forms, and at its edges."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from hatstats.errors import DataError, FitError, NotIdentifiedError
from hatstats.inference.reml.meta_regression import (
    RemlFit,
    fit_reml,
    knapp_hartung,
    satterthwaite,
)
from tests.inference.reml.restricted import restricted_loglik
from tests.reference import stored

CASES = stored.cases("reml")


# One imprecise outlier among precise rows: no heterogeneity at all, or a great deal.
TWO_PEAKS = (
    ([64.69, 0.66, 0.59, 0.88, 0.74], [149.275, 0.987, 0.075, 0.263, 0.179]),
    ([-0.03, -0.2, 100.49, -2.17, 0.11], [0.042, 0.071, 294.14, 10.282, 1.006]),
)


@cache
def fitted(name: str) -> RemlFit:
    given = CASES[name]["input"]
    return fit_reml(given["y"], given["X"], stored.covariance(given["V"]), stored.groupings(given))


def some_data(seed: int = 0, n: int = 14) -> tuple[Any, Any, Any, Any]:
    rng = np.random.default_rng(seed)
    group = np.arange(n) % 5
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    root = rng.normal(size=(n, n)) / 10
    V = root @ root.T + 0.02 * np.eye(n)
    y = X @ [1.0, 0.5] + rng.normal(size=5)[group] + rng.multivariate_normal(np.zeros(n), V)
    return y, X, V, group


def test_stored_cases_are_the_expected_ones() -> None:
    assert set(CASES) == {
        "full_v_family_and_model",
        "full_v_constant_only",
        "full_v_family_only",
        "full_v_model_only",
        "fixed_effects_full_v",
        "block_v_family_and_model",
        "boundary_family_zero",
        "boundary_all_zero",
        "rma_constant",
        "rma_mods",
        "rma_equal_v",
        "cells",
        "lme4_no_known_covariance",
    }


@pytest.mark.parametrize("name", CASES)
def test_estimates_against_R(name: str) -> None:
    case = CASES[name]
    fit, expected = fitted(name), case["output"]
    tau2 = np.array(expected["tau2"], dtype=float)
    unit = np.diag(fit.marginal).mean()
    # R stops its search where the likelihood is flat to rounding.
    np.testing.assert_allclose(fit.variance_components, tau2, rtol=1e-5, atol=1e-5 * unit)
    np.testing.assert_allclose(fit.params, expected["params"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(fit.cov, expected["cov"], rtol=1e-4, atol=1e-8)
    if "loglik" in expected:
        assert fit.loglik == pytest.approx(expected["loglik"], abs=1e-7)
        assert fit.loglik >= expected["loglik"] - 1e-11 * abs(expected["loglik"])


@pytest.mark.parametrize("name", [name for name in CASES if "loglik" in CASES[name]["output"]])
def test_loglik_at_its_estimates_against_R(name: str) -> None:
    given, expected = CASES[name]["input"], CASES[name]["output"]
    value = restricted_loglik(
        given["y"],
        given["X"],
        stored.covariance(given["V"]),
        stored.groupings(given),
        expected["tau2"],
    )
    assert value == pytest.approx(expected["loglik"], abs=1e-9)


@pytest.mark.parametrize("name", ["boundary_family_zero", "boundary_all_zero"])
def test_boundary_is_exactly_zero_against_R(name: str) -> None:
    fit = fitted(name)
    near_zero = np.array(CASES[name]["output"]["tau2"], dtype=float) < 1e-6
    assert near_zero.any()
    np.testing.assert_array_equal(fit.variance_components == 0, near_zero)


@pytest.mark.parametrize("between", [0.0, 1.5])
def test_balanced_one_way_layout_against_theory(between: float) -> None:
    """Analysis of variance: MSW inside groups, (MSB - MSW) / m between; pooled at the boundary."""
    groups, size = 6, 4
    rng = np.random.default_rng(5)
    label = np.repeat(np.arange(groups), size)
    # Without group effects, remove what the errors happen to show between groups as well.
    y = rng.normal(size=groups * size)
    means = np.array([y[label == g].mean() for g in range(groups)])
    y += (between * rng.normal(size=groups) - (between == 0) * 0.9 * means)[label]
    means = np.array([y[label == g].mean() for g in range(groups)])
    within = ((y - means[label]) ** 2).sum() / (groups * (size - 1))
    msb = size * ((means - y.mean()) ** 2).sum() / (groups - 1)
    n = len(y)
    for known in (0.0, 0.3 * within):  # known variance takes its place inside the row component
        fit = fit_reml(y, np.ones((n, 1)), known * np.eye(n), [label, np.arange(n)])
        if between:
            expected = [(msb - within) / size, within - known]
        else:
            assert msb < within
            expected = [0.0, ((y - y.mean()) ** 2).sum() / (n - 1) - known]
        np.testing.assert_allclose(fit.variance_components, expected, rtol=1e-6)
        assert (fit.variance_components == 0).tolist() == [between == 0, False]
        assert fit.params[0] == pytest.approx(y.mean())


def test_scale_and_shift_against_theory() -> None:
    y, X, V, group = some_data()
    row = np.arange(len(y))
    fit = fit_reml(y, X, V, [group, row])
    moved = fit_reml(100.0 * y + X @ [3.0, -2.0], X, 1e4 * V, [group, row])
    np.testing.assert_allclose(moved.variance_components, 1e4 * fit.variance_components, rtol=1e-6)
    np.testing.assert_allclose(moved.params, 100 * fit.params + [3.0, -2.0], rtol=1e-7)
    np.testing.assert_allclose(moved.residuals, 100 * fit.residuals, rtol=1e-6, atol=1e-8)
    assert moved.loglik == pytest.approx(fit.loglik - 12 * np.log(100.0))


def test_coordinates_rows_and_labels_do_not_matter_against_theory() -> None:
    y, X, V, group = some_data(1)
    fit = fit_reml(y, X, V, [group])
    transform = np.array([[2.0, 1.0], [0.5, -3.0]])
    transformed = fit_reml(y, X @ transform, V, [group])
    assert transformed.loglik == pytest.approx(fit.loglik, abs=1e-9)
    np.testing.assert_allclose(transform @ transformed.params, fit.params, rtol=1e-7)
    order = np.random.default_rng(0).permutation(len(y))
    names = np.array([f"family {code}" for code in group])[order]
    mixed = fit_reml(y[order], X[order], V[np.ix_(order, order)], [names])
    np.testing.assert_allclose(mixed.variance_components, fit.variance_components, rtol=1e-7)
    np.testing.assert_allclose(mixed.cov, fit.cov, rtol=1e-7)


def test_error_shared_by_all_rows_changes_the_constant_only_against_theory() -> None:
    """``X B X'`` does not change the restricted likelihood, and adds ``B`` to the covariance."""
    y, X, V, group = some_data(2)
    row = np.arange(len(y))
    fit = fit_reml(y, X, V, [group, row])
    B = np.array([[0.7, 0.1], [0.1, 0.2]])
    shared = fit_reml(y, X, V + X @ B @ X.T, [group, row])
    np.testing.assert_allclose(shared.variance_components, fit.variance_components, rtol=1e-6)
    np.testing.assert_allclose(shared.params, fit.params, rtol=1e-6)
    np.testing.assert_allclose(shared.cov, fit.cov + B, rtol=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_result_is_consistent_and_stationary_against_theory(seed: int) -> None:
    y, X, V, group = some_data(seed, n=16)
    groupings = [group, np.arange(16)]
    fit = fit_reml(y, X, V, groupings)
    np.testing.assert_allclose(fit.weights @ fit.marginal, np.eye(16), atol=1e-8)
    np.testing.assert_allclose(fit.residuals, y - X @ fit.params)
    np.testing.assert_allclose(X.T @ fit.weights @ fit.residuals, 0, atol=1e-8)
    np.testing.assert_allclose(fit.cov, np.linalg.inv(X.T @ fit.weights @ X), rtol=1e-7)
    step = 1e-4
    for k, value in enumerate(fit.variance_components):
        up, down = fit.variance_components.copy(), fit.variance_components.copy()
        up[k] += step
        gain = restricted_loglik(y, X, V, groupings, up) - fit.loglik
        if value == 0:
            assert gain < 0
        else:
            down[k] -= step
            loss = fit.loglik - restricted_loglik(y, X, V, groupings, down)
            assert abs(gain + loss) / (2 * step) < 1e-3


def test_higher_of_two_peaks_is_found_against_theory() -> None:
    """A surface with a peak at zero and another far off: each wins when it is the higher."""
    winners = []
    for y, v in TWO_PEAKS:
        X, V, row = np.ones((len(y), 1)), np.diag(v), np.arange(len(y))
        grid = np.concatenate([[0.0], np.geomspace(1e-6, 1e6, 401)])
        values = np.array([restricted_loglik(y, X, V, [row], [t]) for t in grid])
        inner = (values[1:-1] > values[:-2]) & (values[1:-1] > values[2:])
        assert inner.sum() + (values[0] > values[1]) == 2, "the example has lost a peak"
        fit = fit_reml(y, X, V, [row])
        assert fit.loglik >= values.max() - 1e-9
        winners.append(bool(fit.variance_components[0] == 0))
    assert set(winners) == {True, False}


def test_singular_known_covariance_with_row_effects_degenerate() -> None:
    """Two rows with the same sampling error: allowed if each has an effect of its own."""
    y, X, V, group = some_data(3)
    root = np.linalg.cholesky(V)
    root[1] = root[0]
    singular = root @ root.T
    fit = fit_reml(y, X, singular, [group, np.arange(len(y))])
    assert np.isfinite(fit.loglik)
    assert fit.variance_components[1] > 0
    with pytest.raises(DataError, match=r"singular in rows 0, 1, and no grouping"):
        fit_reml(y, X, singular, [])
    with pytest.raises(DataError, match=r"add a random effect per row"):
        fit_reml(y, X, singular, [np.where(np.arange(len(y)) < 7, 0, 1)])


def test_without_groupings_it_is_generalised_least_squares_degenerate() -> None:
    y, X, V, _ = some_data(4)
    fit = fit_reml(y, X, V)
    inverse = np.linalg.inv(V)
    np.testing.assert_allclose(fit.params, np.linalg.solve(X.T @ inverse @ X, X.T @ inverse @ y))
    assert fit.variance_components.shape == (0,)


def test_as_many_rows_as_coefficients_degenerate() -> None:
    X = np.array([[1.0, 0.0], [1.0, 1.0]])
    fit = fit_reml([1.0, 3.0], X, np.eye(2))
    np.testing.assert_allclose(fit.params, [1.0, 2.0])
    with pytest.raises(NotIdentifiedError, match="leave no residuals to estimate variances from"):
        fit_reml([1.0, 3.0], X, np.eye(2), [["a", "b"]])


def test_equal_estimates_give_zero_components_degenerate() -> None:
    fit = fit_reml(np.full(6, 2.0), np.ones((6, 1)), 0.1 * np.eye(6), [np.arange(6)])
    assert fit.variance_components.tolist() == [0.0]
    assert fit.params[0] == pytest.approx(2.0)


def test_perfect_fit_without_known_error_degenerate() -> None:
    X = np.column_stack([np.ones(6), np.arange(6.0)])
    with pytest.raises(FitError, match="without error"):
        fit_reml(X @ [1.0, 2.0], X, np.zeros((6, 6)), [np.arange(6)])


@pytest.mark.parametrize("unit", [0.0, 1e-165, 1e-170])
def test_estimates_that_are_nearly_zero_without_known_error_degenerate(unit: float) -> None:
    y = unit * np.array([1.0, 0.0, 0.0, 0.0, -1.0])
    with pytest.raises(FitError, match="without error"):
        fit_reml(y, np.ones((5, 1)), np.zeros((5, 5)), [np.arange(5)])


def test_inputs_are_left_alone_and_results_frozen_degenerate() -> None:
    y, X, V, group = some_data()
    copies = [np.copy(value) for value in (y, X, V, group)]
    fit = fit_reml(y, X, V, [group])
    for value, copy in zip((y, X, V, group), copies, strict=True):
        np.testing.assert_array_equal(value, copy)
    with pytest.raises(AttributeError):
        fit.loglik = 0.0  # type: ignore[misc]


def changed(name: str, index: Any, value: float) -> dict[str, Any]:
    y, X, V, group = some_data()
    given = {"y": y, "X": X, "V": V, "groupings": [group]}
    given[name] = np.array(given[name], dtype=float)
    given[name][index] = value
    return given


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (changed("y", 3, np.nan), DataError, "y is not finite in rows 3$"),
        (changed("X", (5, 1), np.inf), DataError, "X is not finite in rows 5$"),
        (changed("V", (2, 2), np.nan), DataError, "V is not finite in rows 2$"),
        (changed("V", (2, 4), 9.0), DataError, "V is not symmetric in rows 2, 4$"),
        (changed("V", (6, 6), -1.0), DataError, r"V is not positive semi-definite: see rows .*6"),
        (changed("X", np.s_[:, 1], 4.0), DataError, "columns 0, 1 of X depend on each other"),
        (changed("X", np.s_[:, 1], 0.0), DataError, "columns 1 of X are all zero"),
        (changed("groupings", (0, 4), np.nan), DataError, "grouping 0 has no label in rows 4$"),
        (changed("groupings", np.s_[:], 1.0), NotIdentifiedError, "absorbed by the columns of X"),
    ],
)
def test_values_bad_input(given: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fit_reml(**given)


def test_shapes_and_counts_bad_input() -> None:
    y, X, V, group = some_data()
    with pytest.raises(DataError, match=r"y has shape \(13,\), not 14"):
        fit_reml(y[:13], X, V, [group])
    with pytest.raises(DataError, match=r"V has shape \(14,\), not 14 x 14"):
        fit_reml(y, X, np.diag(V), [group])
    with pytest.raises(DataError, match=r"X has shape \(14,\), not any x any"):
        fit_reml(y, X[:, 0], V, [group])
    with pytest.raises(DataError, match=r"grouping 1 has shape \(3,\)"):
        fit_reml(y, X, V, [group, [1, 2, 3]])
    with pytest.raises(DataError, match="y is not an array of numbers"):
        fit_reml(["a"] * 14, X, V, [group])
    with pytest.raises(NotIdentifiedError, match="1 rows cannot identify 2 coefficients"):
        fit_reml(y[:1], X[:1], V[:1, :1])


def test_equal_groupings_bad_input() -> None:
    y, X, V, group = some_data()
    with pytest.raises(NotIdentifiedError, match="groupings 1, 2 cannot be distinguished"):
        fit_reml(y, X, V, [np.arange(len(y)), group, [f"family {g}" for g in group]])
    lone = np.arange(len(y))
    with pytest.raises(NotIdentifiedError, match="groupings 0, 1 cannot be distinguished"):
        fit_reml(y, X, V, [lone, lone + 5])


# --- degrees of freedom ---------------------------------------------------------------------------


def test_satterthwaite_of_equal_variances_has_one_less_than_the_rows_against_theory() -> None:
    """The variance of a mean is then a multiple of a sample variance; so are those of two means."""
    rng = np.random.default_rng(8)
    n, noise = 12, 0.01
    y = rng.normal(size=n)
    fit = fit_reml(y, np.ones((n, 1)), noise * np.eye(n), (np.arange(n),))
    assert fit.variance_components[0] > 0
    np.testing.assert_allclose(satterthwaite(fit, [1.0]), n - 1, rtol=1e-6)
    half = np.repeat([0.0, 1.0], n // 2)
    fit = fit_reml(y, np.column_stack([1.0 - half, half]), noise * np.eye(n), (np.arange(n),))
    L = [[-1.0, 1.0], [2.0, -2.0]]
    np.testing.assert_allclose(satterthwaite(fit, L), [n - 2] * 2, rtol=1e-6)


def test_satterthwaite_without_components_is_infinite_degenerate() -> None:
    fit = fitted("boundary_all_zero")
    assert satterthwaite(fit, np.eye(len(fit.params))).tolist() == [np.inf] * len(fit.params)


def test_knapp_hartung_is_least_squares_where_variances_are_equal_against_theory() -> None:
    y, X, _, _ = some_data()
    fit = fit_reml(y, X, 1e-4 * np.eye(len(y)), (np.arange(len(y)),))
    cov, df = knapp_hartung(fit)
    residuals = y - X @ np.linalg.lstsq(X, y)[0]
    wanted = residuals @ residuals / (len(y) - 2) * np.linalg.inv(X.T @ X)
    np.testing.assert_allclose(cov, wanted, rtol=1e-9)
    assert df == len(y) - 2
