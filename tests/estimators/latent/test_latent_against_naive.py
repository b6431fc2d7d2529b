"""The latent profile against loops, another optimiser, differences and full refits."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, optimize
from scipy.interpolate import BSpline

from hatstats.estimators.latent import deconvolution
from hatstats.estimators.latent import penalised_fit as penalised
from hatstats.estimators.latent.curve_families import (
    IncreasingFamily,
    increasing_family,
    unrestricted_family,
)
from hatstats.estimators.latent.deconvolution import Deconvolution
from hatstats.estimators.latent.fit import LatentModel, LatentOptions, fit_latent
from hatstats.estimators.latent.penalised_fit import CurveFit
from hatstats.scores.counts import ItemCounts, item_counts
from hatstats.simulation.simulate import Shape, simulate_study
from tests.estimators import naive as twins
from tests.studies import cases

FAMILY = increasing_family(twins.GRID)
PARAMETERS = FAMILY.centre.size
#: A cost that is chosen jumps, which is no derivative; its choice has tests of its own.
FIXED = LatentOptions(borrow=False, roughness=1.0)


def curve(family: IncreasingFamily, theta: np.ndarray) -> np.ndarray:
    """A floor, increments that add up, and a rest, by loops."""
    raw = [math.exp(row @ theta[:-2]) for row in family.columns]
    low, high = math.exp(theta[-2]), math.exp(theta[-1])
    floor, span = low / (low + 1 + high), 1 / (low + 1 + high)
    values, reached = [floor], 0.0
    for cell in raw:
        reached += cell / sum(raw)
        values.append(floor + span * reached)
    return np.array(values)


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_the_family_of_increasing_functions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    theta = FAMILY.centre + rng.standard_normal(PARAMETERS)
    (found,) = FAMILY.curves(theta[None])
    np.testing.assert_allclose(found, curve(FAMILY, theta), atol=1e-12)
    assert (np.diff(found) >= 0).all()
    assert 0 < found[0] < found[-1] < 1
    again, (slopes,), bending = FAMILY.expand(theta[None])
    np.testing.assert_array_equal(again[0], found)
    by_steps = twins.jacobian(lambda t: curve(FAMILY, t), theta)
    np.testing.assert_allclose(slopes, by_steps, atol=1e-8)
    weights = rng.standard_normal(twins.GRID.size)
    by_steps = twins.jacobian(lambda t: weights @ FAMILY.expand(t[None])[1][0], theta)
    np.testing.assert_allclose(bending(weights[None])[0], by_steps, atol=1e-6)


@settings(max_examples=10)
@given(st.integers(0, 10**6))
def test_the_family_of_functions_that_may_fall(seed: int) -> None:
    """``expit(s(logit x))``, level beyond the inner points; derivatives by differences."""
    rng = np.random.default_rng(seed)
    family = unrestricted_family(twins.GRID)
    theta = family.centre + rng.standard_normal(family.centre.size)
    (found,), (slopes,), bending = family.expand(theta[None])
    logits = np.log(twins.GRID[1:-1] / (1 - twins.GRID[1:-1]))
    knots = np.r_[[logits[0]] * 3, np.linspace(logits[0], logits[-1], 10), [logits[-1]] * 3]
    inner = 1 / (1 + np.exp(-BSpline(knots, theta, 3)(logits)))
    np.testing.assert_allclose(found, np.r_[inner[0], inner, inner[-1]], atol=1e-10)
    by_steps = twins.jacobian(lambda t: family.curves(t[None])[0], theta)
    np.testing.assert_allclose(slopes, by_steps, atol=1e-8)
    weights = rng.standard_normal(twins.GRID.size)
    by_steps = twins.jacobian(lambda t: weights @ family.expand(t[None])[1][0], theta)
    np.testing.assert_allclose(bending(weights[None])[0], by_steps, atol=1e-6)


def test_an_unrestricted_profile_falls_where_the_counts_do() -> None:
    rng = np.random.default_rng(1)
    p = rng.beta(1.0, 1.0, 5_000)
    counts = replace(
        random_counts(1, n_items=5_000, languages=1),
        source_correct=rng.binomial(10, p)[None].astype(float),
        source_trials=np.full((1, 5_000), 10.0),
        target_correct=rng.binomial(10, 0.1 + 3.2 * p * (1 - p))[None, :, None].astype(float),
        target_trials=np.full((1, 5_000, 1), 10.0),
    )
    middle = np.searchsorted(twins.GRID, [0.1, 0.5, 0.9])
    truth = 0.1 + 3.2 * twins.GRID[middle] * (1 - twins.GRID[middle])
    (free,) = fit_latent(counts, LatentOptions(borrow=False, monotone=False)).models
    np.testing.assert_allclose(free.profile[0, middle], truth, atol=0.1)
    (held,) = fit_latent(counts, LatentOptions(borrow=False, monotone=True)).models
    assert (np.diff(held.profile[0]) >= 0).all()
    # Cross-validation sees that it falls.
    (chosen,) = fit_latent(counts).models
    np.testing.assert_array_equal(chosen.profile, free.profile)


# --- the fit --------------------------------------------------------------------------------------


def random_counts(seed: int, *, n_items: int = 25, languages: int = 2) -> ItemCounts:
    """One model, unequal numbers of trials, cells missing."""
    rng = np.random.default_rng(seed)
    p = rng.beta(1.5, 1.2, n_items)
    source = rng.integers(1, 5, n_items).astype(float)
    source[0] = 3.0
    target = rng.integers(0, 4, (n_items, languages)).astype(float)
    target[0] = 2.0
    return ItemCounts(
        benchmark="quiz",
        chance=0.0,
        models=("a",),
        languages=tuple("xyz"[:languages]),
        items=np.arange(n_items).astype(str),
        clusters=np.arange(n_items),
        source_correct=rng.binomial(source.astype(int), p)[None].astype(float),
        source_trials=source[None],
        target_correct=rng.binomial(target.astype(int), p[:, None] ** 1.5)[None].astype(float),
        target_trials=target[None],
    )


def means_by_pattern(
    y: np.ndarray, pattern: np.ndarray, patterns: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    size, mean, variance = np.zeros(patterns), np.zeros(patterns), np.zeros(patterns)
    for j in range(patterns):
        values = [value for value, at in zip(y, pattern, strict=True) if at == j and value == value]
        if values:
            size[j], mean[j] = len(values), sum(values) / len(values)
            variance[j] = sum((value - mean[j]) ** 2 for value in values) / len(values)
    return size, mean, variance


def working_weights(size: np.ndarray, variance: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    shape = [value * (1 - value) + penalised._VARIANCE_FLOOR for value in fitted]
    within = sum(n * v for n, v in zip(size, variance, strict=True))
    expected = sum(max(n - 1, 0.0) * s for n, s in zip(size, shape, strict=True))
    dispersion = max(within / expected if expected > 0 else 1.0, penalised._LEAST_DISPERSION)
    return np.array([n / (dispersion * s) for n, s in zip(size, shape, strict=True)])


def loss(
    theta: np.ndarray,
    posterior: np.ndarray,
    mean: np.ndarray,
    working: np.ndarray,
    centre: np.ndarray,
    straight: np.ndarray,
) -> float:
    values = curve(FAMILY, theta)
    total = 0.0
    for row, goal, weight in zip(posterior, mean, working, strict=True):
        total += 0.5 * weight * (goal - sum(p * t for p, t in zip(row, values, strict=True))) ** 2
    for row in FAMILY.bends:
        total += 0.5 * (row @ (values - straight)) ** 2
    off = theta - centre
    return float(total + 0.5 * off @ FAMILY.penalty @ off)


def downhill(
    theta: np.ndarray,
    posterior: np.ndarray,
    mean: np.ndarray,
    working: np.ndarray,
    centre: np.ndarray,
    straight: np.ndarray,
) -> np.ndarray:
    values, slopes = curve(FAMILY, theta), FAMILY.expand(theta[None])[1][0]
    gradient = FAMILY.penalty @ (theta - centre)
    for row, goal, weight in zip(posterior, mean, working, strict=True):
        gradient = gradient - weight * (goal - row @ values) * (row @ slopes)
    for row in FAMILY.bends:
        gradient = gradient + (row @ (values - straight)) * (row @ slopes)
    return np.asarray(gradient)


def accuracies(counts: ItemCounts) -> np.ndarray:
    """Target accuracies of the one model, (N, L), by loops."""
    y = np.full(counts.target_trials.shape[1:], np.nan)
    for i, place in np.ndindex(y.shape):
        if counts.target_trials[0, i, place] > 0:
            y[i, place] = counts.target_correct[0, i, place] / counts.target_trials[0, i, place]
    return y


def check_minimum(
    fitted_curves: CurveFit, y: np.ndarray, part: Deconvolution, prior: np.ndarray
) -> bool:
    """Whether another optimiser ends at the only fitted curve, which must be a minimum anyway."""
    straight = np.zeros(twins.GRID.size) if prior is FAMILY.centre else curve(FAMILY, prior)
    posterior = part.posterior
    size, mean, variance = means_by_pattern(y, part.patterns.index, len(posterior))
    fitted = np.full(mean.size, size @ mean / size.sum())
    theta = prior
    for _ in range(2):
        working = working_weights(size, variance, fitted)
        arguments = (posterior, mean, working, prior, straight)
        found = optimize.minimize(
            loss, theta, args=arguments, jac=downhill, method="BFGS", options={"gtol": 1e-7}
        )
        theta = twins.polish(found.x, lambda t, a=arguments: downhill(t, *a), steps=3)
        fitted = posterior @ curve(FAMILY, theta)
    np.testing.assert_allclose(fitted_curves.working[0] * size, working, rtol=1e-3)
    reached = loss(fitted_curves.theta[0], *arguments)
    assert reached <= loss(theta, *arguments) + 1e-5
    agreed = abs(reached - loss(theta, *arguments)) < 1e-5
    if agreed:
        np.testing.assert_allclose(posterior @ fitted_curves.curve[0], fitted, atol=1e-4)
    # Whatever way led there, it is a minimum: Newton steps stay.
    own_weights = (posterior, mean, fitted_curves.working[0] * size, prior, straight)
    settled = twins.polish(fitted_curves.theta[0], lambda t, a=own_weights: downhill(t, *a))
    np.testing.assert_allclose(
        posterior @ curve(FAMILY, settled), posterior @ fitted_curves.curve[0], atol=1e-8
    )
    return agreed


def one_curve(fitted_curves: CurveFit, place: int) -> CurveFit:
    arrays = ("theta", "curve", "slopes", "working", "bread", "cross_derivative")
    arrays += ("kernel_derivative",)
    return replace(
        fitted_curves, **{name: getattr(fitted_curves, name)[[place]] for name in arrays}
    )


def of_language(model: LatentModel, place: int) -> tuple[Deconvolution, CurveFit]:
    """Distribution of the items asked in a language, and its curve."""
    (part,) = (each for each in model.parts if place in each.columns)
    return part.curves.deconvolution, one_curve(
        part.curves, int(np.flatnonzero(part.columns == place)[0])
    )


@cases(2, 8)
def test_the_fit_is_the_minimum_of_a_loss_written_with_loops(seed: int) -> None:
    counts = random_counts(seed)
    (model,) = fit_latent(counts, FIXED).models
    sources = [of_language(model, place) for place in range(2)]
    for part, _ in [(model.of_shared, None), *sources]:
        # P(x | k, n) of each pattern, from the density.
        table = twins.likelihood(part.patterns.correct, part.patterns.trials) * part.density
        table /= table.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(part.posterior, table, atol=1e-9)
    y = accuracies(counts)
    mean = np.array([np.mean(row[row == row]) if (row == row).any() else np.nan for row in y])
    assert model.shared is not None
    agreed = check_minimum(model.shared, mean, model.of_shared, FAMILY.centre)
    for place, (part, fitted_curves) in enumerate(sources):
        agreed |= check_minimum(fitted_curves, y[:, place], part, model.shared.theta[0])
    assert agreed


@settings(max_examples=10)
@given(st.integers(0, 10**6))
def test_bread_and_cross_derivative_are_derivatives_of_the_equations(seed: int) -> None:
    counts = random_counts(seed, languages=1)
    (model,) = fit_latent(counts, FIXED).models
    part = model.parts[0].curves.deconvolution
    y = counts.target_accuracy()[0, :, 0]
    size, mean, _ = means_by_pattern(y, part.patterns.index, part.patterns.size.size)
    working = model.parts[0].curves.working[0] * size
    slopes = model.parts[0].curves.slopes[0]
    normal = FAMILY.penalty.copy()
    for row in FAMILY.bends:
        normal += np.outer(row @ slopes, row @ slopes)
    np.testing.assert_allclose(model.parts[0].curves.penalty[0], normal, rtol=1e-9, atol=1e-9)
    for row, weight in zip(part.posterior, working, strict=True):
        normal += weight * np.outer(row @ slopes, row @ slopes)
    # The exact Hessian, slopes held; in units of the other one it keeps a half in each direction.
    theta, own = model.parts[0].curves.theta[0], FAMILY.expand(model.parts[0].curves.theta)[1][0]
    arguments = (
        part.posterior,
        np.nan_to_num(mean),
        working,
        FAMILY.centre,
        np.zeros(own.shape[0]),
    )
    exact = twins.jacobian(lambda t: downhill(t, *arguments), theta) + normal - FAMILY.penalty
    for row, weight in zip(part.posterior, working, strict=True):
        exact -= weight * np.outer(row @ own, row @ own)
    for row in FAMILY.bends:
        exact -= np.outer(row @ own, row @ own)
    value, axes = linalg.eigh(0.5 * (exact + exact.T), normal)
    bread = sum(np.outer(v, v) / max(x, 0.5) for x, v in zip(value, axes.T, strict=True))
    scale = np.abs(bread).max()
    np.testing.assert_allclose(model.parts[0].curves.bread[0], bread, atol=1e-6 * scale)

    table = twins.likelihood(part.patterns.correct, part.patterns.trials)

    def equations(theta: np.ndarray) -> np.ndarray:
        after = table * twins.density_of(theta)
        after /= after.sum(axis=1, keepdims=True)
        total = np.zeros(PARAMETERS)
        for row, goal, weight in zip(after, mean, working, strict=True):
            total += weight * (goal - row @ model.profile[0]) * (row @ slopes)
        return total

    by_steps = twins.jacobian(equations, twins.theta_of(part.density))
    scale = np.abs(by_steps).max()
    np.testing.assert_allclose(
        model.parts[0].curves.cross_derivative[0], by_steps, atol=1e-5 * scale
    )


@settings(max_examples=8)
@given(st.integers(0, 10**6))
def test_influence_is_put_together_as_the_equations_say(seed: int) -> None:
    counts = random_counts(seed, languages=1)
    (model,) = fit_latent(counts, FIXED).models
    part, curves = model.parts[0].curves.deconvolution, model.parts[0].curves
    weights = np.random.default_rng(seed).dirichlet(np.ones(twins.GRID.size))
    direction = curves.bread[0] @ (weights @ curves.slopes[0])
    y = counts.target_accuracy()[0, :, 0]
    own = np.full(25, np.nan)
    for i, j in enumerate(part.patterns.index):
        assert (j >= 0) == (y[i] == y[i])
        if j >= 0:
            design = part.posterior[j] @ curves.slopes[0]
            leverage = curves.working[0, j] * design @ curves.bread[0] @ design
            residual = (y[i] - part.posterior[j] @ model.profile[0]) / max(1 - leverage, 1e-3)
            own[i] = curves.working[0, j] * (design @ direction) * residual
    own = np.nan_to_num(own - np.nanmean(own))
    first = np.array(
        [
            row @ (direction @ curves.cross_derivative[0])
            for row in part.theta_influence[part.patterns.index]
        ]
    )
    first[part.patterns.index < 0] = 0.0
    np.testing.assert_allclose(model.profile_influence(weights)[:, 0], own + first, atol=1e-10)


@settings(max_examples=8)
@given(st.integers(0, 10**6))
def test_influence_solves_the_stacked_equations_in_one_dense_system(seed: int) -> None:
    """Deconvolutions, the shared curve and two languages, stacked; slopes held as the fit holds."""
    counts = random_counts(seed)
    (model,) = fit_latent(counts, FIXED).models
    shared, y = model.shared, accuracies(counts)
    assert shared is not None
    mean = np.array([np.mean(row[row == row]) if (row == row).any() else np.nan for row in y])
    fits = [(model.of_shared, shared), *(of_language(model, place) for place in range(2))]
    r, p = model.deconvolution.basis.shape[1], PARAMETERS
    # The theta of each curve's deconvolution, then the parameters of each curve.
    stack = np.eye(3 * (r + p))
    scores = np.zeros((25, 3 * (r + p)))
    for k, (part, fitted) in enumerate(fits):
        index, slopes, bread = part.patterns.index, fitted.slopes[0], fitted.bread[0]
        theta = slice(k * r, (k + 1) * r)
        block = slice(3 * r + k * p, 3 * r + (k + 1) * p)
        asked = index >= 0
        scores[asked, theta] = part.theta_influence[index[asked]]
        stack[block, block] = np.linalg.inv(bread)
        stack[block, theta] = -fitted.cross_derivative[0]
        if k:
            # The prior term alone moves with the shared parameters.
            def pulled(theta: np.ndarray, own: np.ndarray = slopes) -> np.ndarray:
                moved = shared.slopes[0] @ (theta - shared.theta[0])
                return FAMILY.penalty @ theta + (FAMILY.bends @ own).T @ (FAMILY.bends @ moved)

            stack[block, 3 * r : 3 * r + p] = -twins.jacobian(pulled, shared.theta[0])
        outcome = mean if k == 0 else y[:, k - 1]
        for i in range(25):
            if outcome[i] == outcome[i]:
                design = part.posterior[index[i]] @ slopes
                each = fitted.working[0, index[i]]
                left = max(1 - each * design @ bread @ design, 1e-3)
                residual = (outcome[i] - part.posterior[index[i]] @ fitted.curve[0]) / left
                scores[i, block] = each * residual * design
        known = outcome == outcome
        scores[known, block] -= scores[known, block].mean(axis=0)
    psi = np.linalg.solve(stack, scores.T).T
    weights = np.random.default_rng(seed).dirichlet(np.ones(twins.GRID.size))
    found = model.profile_influence(weights)
    for place in range(2):
        block = slice(3 * r + (place + 1) * p, 3 * r + (place + 2) * p)
        expected = psi[:, block] @ (weights @ fits[place + 1][1].slopes[0])
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found[:, place], expected, atol=1e-7 * scale)


# --- influence against refits ---------------------------------------------------------------------


def simulated(n_items: int, trials: int, abilities: tuple[float, ...], seed: int) -> ItemCounts:
    shape = Shape(n_items=n_items, n_languages=2, n_trials=trials)
    return item_counts(simulate_study(abilities, shape=shape, rng=seed), "simulated")


REFERENCES: tuple[str | list[float], ...] = ("pooled", [0.3, 0.5, 0.7])


def scores(
    counts: ItemCounts, weights: np.ndarray | None = None, options: LatentOptions | None = None
) -> np.ndarray:
    """HAT of a refit with weights of items, (reference, model)."""
    fit = fit_latent(counts, options, weights=weights)
    return np.array([fit.scores(reference).estimate.mean(axis=1) for reference in REFERENCES])


def influence(counts: ItemCounts, options: LatentOptions | None = None) -> np.ndarray:
    """Computed influence of items, (item, reference, model)."""
    fit = fit_latent(counts, options)
    return np.stack(
        [fit.scores(reference).influence.mean(axis=2) for reference in REFERENCES], axis=1
    )


@pytest.mark.parametrize("seed", [3, 4])
@pytest.mark.slow
def test_influence_is_what_an_items_weight_does(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Near, not equal: residuals are from fits without the item, working weights are fixed."""
    # The smoothing of g jumps too.
    monkeypatch.setattr(deconvolution, "_SMOOTHING", (10.0,))
    counts = simulated(400, 8, (0.0, 0.8), seed)
    computed = influence(counts, FIXED)
    chosen = np.argsort(-np.abs(computed).sum(axis=(1, 2)))[::20]
    step, found = 0.2, []
    for item in chosen:
        ends = []
        for sign in (1.0, -1.0):
            weights = np.full(400, 1.0 - sign * step / 399)
            weights[item] = 1.0 + sign * step
            ends.append(scores(counts, weights, FIXED))
        found.append((ends[0] - ends[1]) / (2 * step))
    slopes = np.array(found) * 399 / 400
    ratios = []
    for reference in range(2):
        for m in range(2):
            x, y = computed[chosen, reference, m], slopes[:, reference, m]
            assert np.corrcoef(x, y)[0, 1] > 0.9
            ratios.append(np.polyfit(x, y, 1)[0])
    np.testing.assert_allclose(ratios, 1.0, atol=0.15)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.05)


@pytest.mark.slow
def test_standard_errors_are_those_of_a_bootstrap_of_full_refits() -> None:
    counts = simulated(300, 8, (0.0, 0.8), 4)
    alone = LatentOptions(borrow=False)
    psi = influence(counts, alone)
    rng = np.random.default_rng(5)
    draws = np.array([scores(counts, rng.exponential(size=300), alone) for _ in range(100)])
    for reference in range(2):
        cov = psi[:, reference].T @ psi[:, reference]
        bootstrap = np.cov(draws[:, reference].T)
        # The error of a standard deviation from 100 draws is 7 %.
        np.testing.assert_allclose(np.sqrt(np.diag(cov)), np.sqrt(np.diag(bootstrap)), rtol=0.2)
        contrast = np.array([1.0, -1.0])
        found, expected = (np.sqrt(contrast @ matrix @ contrast) for matrix in (cov, bootstrap))
        assert found == pytest.approx(expected, rel=0.2)
        together = cov[0, 1] / np.sqrt(cov[0, 0] * cov[1, 1])
        assert together == pytest.approx(np.corrcoef(draws[:, reference].T)[0, 1], abs=0.2)


def test_a_language_never_asked_leaves_the_others_alone() -> None:
    counts = random_counts(1)
    never = np.zeros((1, 25, 1))
    wider = replace(
        counts,
        languages=(*counts.languages, "z"),
        target_trials=np.concatenate([counts.target_trials, never], axis=2),
        target_correct=np.concatenate([counts.target_correct, never], axis=2),
    )
    (without,), (one,) = fit_latent(counts).models, fit_latent(wider).models
    np.testing.assert_allclose(one.profile[:2], without.profile, atol=1e-8)
    assert np.isnan(one.profile[2]).all()
    weights = one.distribution
    assert isinstance(one, LatentModel)
    np.testing.assert_allclose(
        one.profile_influence(weights)[:, :2], without.profile_influence(weights), atol=1e-8
    )
    assert (one.profile_influence(weights)[:, 2] == 0).all()
    shape = one.shape_covariance(weights)
    np.testing.assert_allclose(shape[:2, :2], without.shape_covariance(weights), atol=1e-8)
    assert np.isnan(shape[2]).all()
