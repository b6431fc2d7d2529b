"""Crossed random effects: against lme4 and lmerTest, a slow naive twin, theory, and bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.inference.reml.mixed import Effect, MixedFit, fit_mixed, shared_by_pairs
from tests.reference import stored

CASES = stored.cases("crossed")


def fitted(case: dict[str, Any]) -> MixedFit:
    """The stored case fitted here."""
    given = case["input"]
    ones = np.ones(len(given["y"]))
    effects = []
    for group, name in given["effects"]:
        x = ones if name == "(Intercept)" else np.asarray(given[name])
        effects.append(Effect(group, np.asarray(given[group]), x))
    return fit_mixed(given["y"], given["X"], effects)


@pytest.mark.parametrize("name", sorted(CASES))
def test_against_lme4_and_lmertest(name: str) -> None:
    wanted, fit = CASES[name]["output"], fitted(CASES[name])
    n, k = fit.X.shape
    constant = (n - k) * (1.0 + np.log(2.0 * np.pi / (n - k)))
    np.testing.assert_allclose(fit.deviance + constant, wanted["criterion"], atol=1e-6)
    np.testing.assert_allclose(fit.params, wanted["params"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(fit.cov, wanted["cov"], rtol=2e-3, atol=1e-7)
    np.testing.assert_allclose(np.sqrt(fit.variances), wanted["sd"], rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(fit.satterthwaite(np.eye(k)), wanted["df"], rtol=0.01)
    adjusted = np.sqrt(np.diag(wanted["kenward_roger"]))
    np.testing.assert_allclose(np.sqrt(np.diag(fit.kenward_roger())), adjusted, rtol=2e-3)


def naive_loss(logs: np.ndarray, y: np.ndarray, X: np.ndarray, effects: list[Effect]) -> float:
    """Restricted -2 log-likelihood: the density of contrasts that no coefficient moves."""
    S = np.exp(2 * logs[-1]) * np.eye(len(y))
    for log_sd, effect in zip(logs[:-1], effects, strict=True):
        for label in set(effect.groups):
            z = np.where(effect.groups == label, effect.x, 0.0)
            S += np.exp(2 * log_sd) * np.outer(z, z)
    contrasts = np.linalg.qr(X, mode="complete")[0][:, X.shape[1] :]
    return -2.0 * stats.multivariate_normal.logpdf(
        contrasts.T @ y, np.zeros(contrasts.shape[1]), contrasts.T @ S @ contrasts
    )


# With seed 205 a search that began far away ended at a variance of zero.
@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (205, *range(1, 8)))]
)
def test_against_a_naive_likelihood(seed: int) -> None:
    """No other variances are likelier, and the coefficients are the least squares at these."""
    rng = np.random.default_rng(seed)
    language, model = (part.ravel() for part in np.indices((6, 5)))
    x = rng.normal(size=6)[language]
    effects = [
        Effect("language", language, np.ones(30)),
        Effect("model", model, np.ones(30)),
        Effect("x by model", model, x),
    ]
    y = x + rng.normal(size=6)[language] + rng.normal(size=5)[model] * (1 + x)
    y = y + rng.normal(size=30)
    X = np.column_stack([np.ones(30), x])
    fit = fit_mixed(y, X, effects)
    logs = 0.5 * np.log(np.maximum(fit.variances, 1e-10))
    best = naive_loss(logs, y, X, effects)
    other = optimize.minimize(
        naive_loss, np.zeros(4), args=(y, X, effects), method="Nelder-Mead",
        options={"maxiter": 2000, "xatol": 1e-6, "fatol": 1e-8},
    )  # fmt: skip
    assert best <= other.fun + 1e-4
    S = np.linalg.inv(fit.inverse)
    np.testing.assert_allclose(
        fit.params, np.linalg.solve(X.T @ np.linalg.solve(S, X), X.T @ np.linalg.solve(S, y))
    )


@pytest.mark.parametrize("unit", [1e-4, 1e4, 1e9])
def test_units_of_a_covariate_do_not_matter(unit: float) -> None:
    """As for numbers of parameters or articles, of which the formula takes no logarithm."""
    rng = np.random.default_rng(8)
    language, model = (part.ravel()[:75] for part in np.indices((10, 8)))
    x, z = rng.normal(size=10)[language], rng.normal(size=8)[model]
    y = 0.3 * x + rng.normal(size=10)[language] * (1 + z) + rng.normal(size=8)[model] * (1 + x)
    y = y + 0.5 * rng.normal(size=75)

    def errors(unit: float) -> np.ndarray:
        X = np.column_stack([np.ones(75), unit * x, z])
        effects = [Effect("language", language, np.ones(75)), Effect("model", model, np.ones(75))]
        effects += [Effect("z", language, z), Effect("x", model, unit * x)]
        fit = fit_mixed(y, X, effects)
        sizes = np.sqrt(np.diag(fit.kenward_roger())) * [1.0, unit, 1.0]
        return np.concatenate([sizes, fit.satterthwaite(np.eye(3))])

    np.testing.assert_allclose(errors(unit), errors(1.0), rtol=1e-5)


def test_prediction_of_a_row_of_the_data_shrinks_it() -> None:
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(12), 5)
    y = rng.normal(size=12)[groups] + rng.normal(size=60)
    fit = fit_mixed(y, np.ones((60, 1)), [Effect("g", groups, np.ones(60))])
    tau2, sigma2 = fit.variances
    new, far = (Effect("g", np.array([label]), np.ones(1)) for label in (3, 99))
    mean, error = fit.predict(np.ones((1, 1)), [new])
    share = 5 * tau2 / (5 * tau2 + sigma2)
    wanted = fit.params[0] + share * (y[groups == 3].mean() - fit.params[0])
    assert mean[0] == pytest.approx(wanted)
    unknown, wider = fit.predict(np.ones((1, 1)), [far])
    assert unknown[0] == pytest.approx(fit.params[0])
    assert wider[0, 0] == pytest.approx(tau2 + sigma2 + fit.cov[0, 0])
    assert error[0, 0] < wider[0, 0]


def test_without_effects_it_is_least_squares() -> None:
    rng = np.random.default_rng(5)
    X = np.column_stack([np.ones(20), rng.normal(size=20)])
    y = rng.normal(size=20)
    fit = fit_mixed(y, X, [])
    beta, scatter, *_ = np.linalg.lstsq(X, y)
    np.testing.assert_allclose(fit.params, beta)
    np.testing.assert_allclose(fit.cov, scatter[0] / 18 * np.linalg.inv(X.T @ X))
    np.testing.assert_allclose(fit.satterthwaite(np.eye(2)), 18.0)


def test_an_effect_that_is_not_there_is_zero() -> None:
    groups = np.repeat(np.arange(5), 4)
    y = np.tile([1.0, -1.0, 2.0, -2.0], 5)
    fit = fit_mixed(y, np.ones((20, 1)), [Effect("g", groups, np.ones(20))])
    assert fit.variances[0] == 0.0


def test_errors_that_all_rows_share_are_found() -> None:
    rng = np.random.default_rng(6)
    language, model = (part.ravel() for part in np.indices((7, 8)))
    X = np.column_stack([np.ones(56), rng.normal(size=7)[language], rng.normal(size=8)[model]])
    B = np.array([[0.4, 0.1, 0.0], [0.1, 0.3, 0.05], [0.0, 0.05, 0.2]])
    own = (language[:, None] == language) * 0.7 + (model[:, None] == model) * 0.3
    apart = (language[:, None] != language) & (model[:, None] != model)
    found = shared_by_pairs(X, X @ B @ X.T + own, apart)
    np.testing.assert_allclose(found, B, atol=1e-9)
    np.testing.assert_allclose(shared_by_pairs(X, own, apart), 0.0, atol=1e-9)


def test_bad_input() -> None:
    with pytest.raises(NotIdentifiedError, match="3 rows are too few"):
        fit_mixed([1.0, 2.0, 3.0], np.column_stack([np.ones(3), [1.0, 2.0, 4.0]]), [])
    with pytest.raises(DataError, match="y is not finite in rows 1"):
        fit_mixed([1.0, np.nan, 3.0, 4.0], np.ones((4, 1)), [])
    with pytest.raises(DataError, match="depend on each other"):
        fit_mixed(np.arange(4.0), np.ones((4, 2)), [])
