"""Meta-regression without some rows: by blocks, against the likelihood of the other rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import optimize

from hatstats.inference.reml import likelihood, peaks
from hatstats.inference.reml.deletion import change_without, delete_units
from hatstats.inference.reml.meta_regression import fit_reml


def _data(seed: int, groups: int = 12, size: int = 6) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    code = np.repeat(np.arange(groups), size)
    X = np.column_stack([np.ones(code.size), rng.normal(size=code.size)])
    V = np.diag(rng.uniform(0.02, 0.1, code.size))
    y = X @ [0.3, 0.5] + rng.normal(0, 0.5, groups)[code] + rng.normal(0, 0.4, code.size)
    return y, X, V, code


def test_without_components_the_deletion_is_exact_against_naive() -> None:
    y, X, V, code = _data(1)
    found = delete_units(fit_reml(y, X, V), code)
    assert found.reliable.all()
    whole = fit_reml(y, X, V)
    for unit in range(12):
        rest = code != unit
        other = fit_reml(y[rest], X[rest], V[np.ix_(rest, rest)])
        np.testing.assert_allclose(whole.params - other.params, found.change[unit], atol=1e-12)
    np.testing.assert_allclose(found.std_errors, np.sqrt(np.diag(whole.cov))[None].repeat(12, 0))


def test_one_scoring_step_comes_near_the_refit_against_naive() -> None:
    y, X, V, code = _data(2)
    groupings = [code, np.arange(code.size)]
    whole = fit_reml(y, X, V, groupings)
    found = delete_units(whole, code)
    assert found.reliable.sum() >= 10
    for unit in np.flatnonzero(found.reliable):
        rest = code != unit
        kept = [labels[rest] for labels in groupings]
        other = fit_reml(y[rest], X[rest], V[np.ix_(rest, rest)], kept)
        change = whole.params - other.params
        error = np.sqrt(np.diag(whole.cov))
        assert np.abs((change - found.change[unit]) / error).max() < 0.05


def test_a_unit_that_alone_identifies_a_coefficient_is_not_reliable_degenerate() -> None:
    y, X, V, code = _data(3)
    found = delete_units(fit_reml(y, np.column_stack([X, code == 4]), V, [code * 2 + 1]), code)
    assert not found.reliable[4]
    assert np.isnan(found.change[4]).all()
    assert found.reliable.sum() > 8


def test_a_refit_without_rows_against_naive() -> None:
    """Two nested effects, of which one unit leaves one; its standard errors are those of all."""
    y, X, V, code = _data(4)
    X = np.column_stack([X, code == 4])
    family = code // 2
    whole = fit_reml(y, X, V, [family, code])
    change, errors = change_without(whole, code == 4)
    rest = code != 4
    other = fit_reml(y[rest], X[rest][:, :2], V[np.ix_(rest, rest)], [family[rest], code[rest]])
    np.testing.assert_allclose(change[:2], whole.params[:2] - other.params, atol=1e-6)
    assert np.isnan(change[2])
    assert np.isnan(errors[2])
    S = V.copy()
    for value, labels in zip(other.variance_components, (family, code), strict=True):
        S += value * (labels[:, None] == labels)
    expected = np.sqrt(np.diag(np.linalg.inv(X.T @ np.linalg.inv(S) @ X)))
    np.testing.assert_allclose(errors[:2], expected[:2], rtol=1e-5)


def test_groupings_that_become_one_without_rows_are_fitted_once_degenerate() -> None:
    """Only unit 1 shares a family: without it families are units, and the rest has one effect."""
    y, X, V, code = _data(6)
    family = np.maximum(code, 1)
    whole = fit_reml(y, X, V, [family, code])
    rest = code != 1
    other = fit_reml(y[rest], X[rest], V[np.ix_(rest, rest)], [code[rest]])
    change, errors = change_without(whole, ~rest)
    np.testing.assert_allclose(change, whole.params - other.params, atol=1e-6)
    assert np.isfinite(errors).all()
    # Unit 1 alone tells two columns apart.
    X = np.column_stack([X, X[:, 1] + (code == 1)])
    assert np.isnan(change_without(fit_reml(y, X, V, [code]), ~rest)[0]).all()
    one_left, _ = change_without(whole, code != 2)
    assert np.isnan(one_left).all()


def test_a_start_does_not_lead_to_a_lower_peak_against_naive() -> None:
    """From a poor start, and from one at zero, the maximum is that of the full search."""
    for seed in range(4):
        y, X, V, code = _data(10 + seed, groups=5, size=4)
        groupings = [code, np.arange(code.size)]
        whole = fit_reml(y, X, V, groupings)
        for start in (np.zeros(2), np.array([30.0, 1e-6])):
            again = fit_reml(y, X, V, groupings, start=start)
            np.testing.assert_allclose(again.loglik, whole.loglik, atol=1e-9)


def test_one_hill_is_climbed_once_and_two_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Climbs are most of the time of a fit; the other starts are seen to be on the same hill."""
    climbed = 0
    climb = peaks._climb

    def counted(*given: Any) -> peaks.Peak | None:
        nonlocal climbed
        climbed += 1
        return climb(*given)

    y, X, V, code = _data(10, groups=5, size=4)
    problem = likelihood.make_problem(y, X, V, (code, np.arange(code.size)))
    starts = peaks._starts(problem)
    every = [climb(problem, each.tau2, []) for each in starts]
    monkeypatch.setattr(peaks, "_climb", counted)
    found = peaks.maximise(problem)
    assert len(starts) > 2
    assert climbed == 1
    assert found.loglik == pytest.approx(max(each.loglik for each in every if each), abs=1e-10)
    # A peak at zero and another far off.
    y, V = np.array([64.69, 0.66, 0.59, 0.88, 0.74]), [149.275, 0.987, 0.075, 0.263, 0.179]
    climbed = 0
    peaks.maximise(likelihood.make_problem(y, np.ones((5, 1)), np.diag(V), (np.arange(5),)))
    assert climbed > 1


def test_expansion_by_blocks_against_differences() -> None:
    """Score and observed information are the derivatives of the log-likelihood."""
    y, X, V, code = _data(7)
    V = V + 0.01 * (code[:, None] // 3 == code // 3)
    problem = likelihood.make_problem(y, X, V, (code // 3, code, np.arange(code.size)))
    assert len(problem.blocks) > 1
    at = np.array([0.05, 0.2, 0.1])
    found = problem.expand(at)

    def value(tau2: np.ndarray) -> float:
        return problem.loglik(tau2)

    np.testing.assert_allclose(found.gradient, optimize.approx_fprime(at, value, 1e-7), rtol=1e-4)
    slopes = [(problem.expand(at + 1e-6 * e).gradient - found.gradient) / 1e-6 for e in np.eye(3)]
    np.testing.assert_allclose(found.information, -np.array(slopes), rtol=1e-3)


def test_rows_without_known_error_where_the_rest_do_not_differ_degenerate() -> None:
    """The component is zero without them, and these rows have no error then."""
    V = np.diag([0.1, 0.1, 0.1, 0.1, 0.0, 0.0])
    fit = fit_reml([1.0, 1.0, 1.0, 1.0, 1.0, 9.0], np.ones((6, 1)), V, [np.arange(6)])
    change, errors = change_without(fit, np.arange(6) >= 4)
    np.testing.assert_allclose(change, fit.params - 1.0)
    assert np.isnan(errors).all()
