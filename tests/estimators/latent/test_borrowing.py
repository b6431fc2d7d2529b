"""Profiles that borrow from a panel, against dense twins, limits and refits."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

import hatstats as hs
from hatstats.calibration.drift import true_score
from hatstats.estimators.latent import borrowing
from hatstats.estimators.latent.borrowing import Member, PanelCurves, ShapeSpread, fit_together
from hatstats.estimators.latent.deconvolution import GRID, deconvolve
from hatstats.estimators.latent.fit import LatentOptions, common_shift, fit_borrowing, fit_latent
from hatstats.estimators.latent.patterns import group_items
from hatstats.estimators.latent.penalised_fit import Means
from hatstats.scores.counts import ItemCounts, item_counts
from hatstats.simulation.simulate import Shape, simulate_study

SPREAD = ShapeSpread(0.15, 0.1, 3.0)
P = 12


def counts_of(
    seed: int, abilities: tuple[float, ...] = (-0.5, 0.7, 1.8), n_items: int = 40, **shape: int
) -> ItemCounts:
    size = Shape(**({"n_items": n_items, "n_languages": 2, "n_trials": 4} | shape))
    return item_counts(simulate_study(abilities, shape=size, rng=seed), "simulated")


def members_of(counts: ItemCounts, weights: np.ndarray | None = None) -> list[Member]:
    found = []
    for m in range(len(counts.models)):
        items = group_items(counts, m, weights)
        found.append(Member.of_items(deconvolve(items.patterns, 10.0), items))
    return found


# --- a dense twin ---------------------------------------------------------------------------------


def omega(spread: ShapeSpread) -> np.ndarray:
    """Omega, entry by entry."""
    z = borrowing._KNOTS
    found = np.zeros((P, P))
    for i in range(P):
        for j in range(P):
            a, b = sorted((abs(z[i]), abs(z[j])))
            wiener = a**2 * (3 * b - a) / 6 if z[i] * z[j] > 0 else 0.0
            found[i, j] = 25.0 + spread.slope**2 * z[i] * z[j] + spread.shape**2 * wiener
            if i == j:
                found[i, j] += 1e-4 * spread.shape**2 + 1e-5
    return found


def mean_precision(spread: ShapeSpread) -> np.ndarray:
    third = np.zeros((P - 3, P))
    for row in range(P - 3):
        third[row, row : row + 4] = [-1.0, 3.0, -3.0, 1.0]
    return spread.smoothness * third.T @ third + 0.01 * np.eye(P)


def dense_loss(members: list[Member], panel: PanelCurves, whole: np.ndarray) -> float:
    """The penalised loss of all coefficients, those of the mean curve last."""
    inverse, mu = np.linalg.inv(omega(panel.spread)), whole[-P:]
    away = mu - borrowing._KNOTS
    total = 0.5 * away @ mean_precision(panel.spread) @ away
    for m, (member, curve) in enumerate(zip(members, panel.curves, strict=True)):
        theta = whole[m * P : (m + 1) * P]
        profile = special.expit(borrowing.COLUMNS @ theta)
        for j, row in enumerate(member.source.posterior):
            weight = curve.working[0, j] * member.means.size[0, j]
            total += 0.5 * weight * (member.means.mean[0, j] - row @ profile) ** 2
        total += 0.5 * (theta - mu) @ inverse @ (theta - mu)
    return float(total)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10**6))
def test_curves_are_at_the_minimum_of_a_dense_loss(seed: int) -> None:
    members = members_of(counts_of(seed, n_items=25))
    panel = fit_together(members, SPREAD)
    best = np.concatenate([*(curve.theta[0] for curve in panel.curves), panel.linear.mu])
    least = dense_loss(members, panel, best)
    # Along the axes of Omega, in which steps are of even size.
    root = np.linalg.cholesky(omega(SPREAD))
    rng = np.random.default_rng(seed)
    for size in (1e-3, 0.05, 0.5):
        for _ in range(10):
            step = rng.standard_normal(best.size)
            step[:-P] = (step[:-P].reshape(-1, P) @ root.T).ravel()
            step[:-P] += np.tile(step[-P:], len(members))
            assert dense_loss(members, panel, best + size * step) > least - 1e-7


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10**6))
def test_directions_solve_the_dense_system(seed: int) -> None:
    members = members_of(counts_of(seed, n_items=25))
    panel = fit_together(members, SPREAD)
    count = len(members)
    inverse, smooth = np.linalg.inv(omega(SPREAD)), mean_precision(SPREAD)
    penalty = np.zeros(((count + 1) * P,) * 2)
    hessian = np.zeros_like(penalty)
    mean = slice(count * P, None)
    penalty[mean, mean] = smooth
    for m, (member, curve) in enumerate(zip(members, panel.curves, strict=True)):
        block = slice(m * P, (m + 1) * P)
        penalty[block, block] += inverse
        penalty[mean, mean] += inverse
        penalty[block, mean] -= inverse
        penalty[mean, block] -= inverse
        for j, row in enumerate(member.source.posterior):
            design = row @ curve.slopes[0]
            weight = curve.working[0, j] * member.means.size[0, j]
            hessian[block, block] += weight * np.outer(design, design)
    gradient = np.random.default_rng(seed).standard_normal((2, P))
    wanted = np.zeros(((count + 1) * P, 2))
    wanted[P : 2 * P] = gradient.T
    solved = np.linalg.solve(hessian + penalty, wanted)
    found, rows = panel.directions(1, gradient)
    scale = np.abs(solved).max()
    for m in range(count):
        np.testing.assert_allclose(
            found[m], solved[m * P : (m + 1) * P].T, atol=1e-5 * scale, rtol=1e-4
        )
    np.testing.assert_allclose(rows @ rows.T, solved.T @ penalty @ solved, rtol=1e-4)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10**6))
def test_restricted_likelihood_is_that_of_all_scores_at_once(seed: int) -> None:
    """Differences between two spreads: terms that neither changes are left out of the fast one."""
    rng = np.random.default_rng(seed)
    roots = rng.standard_normal((3, P, P))
    scores = rng.standard_normal((3, P)) * 3

    def dense(spread: ShapeSpread) -> float:
        smooth = mean_precision(spread)
        design = np.concatenate(roots)
        cov = np.kron(np.eye(3), np.zeros((P, P)))
        for m in range(3):
            block = slice(m * P, (m + 1) * P)
            cov[block, block] = np.eye(P) + roots[m] @ omega(spread) @ roots[m].T
        cov += design @ np.linalg.inv(smooth) @ design.T
        centre = design @ borrowing._KNOTS
        found = stats.multivariate_normal(centre, cov, allow_singular=True).logpdf(scores.ravel())
        prior = np.log(spread.slope) - spread.slope / 0.5 + np.log(spread.shape)
        return float(
            found + prior - spread.shape / 0.3 - 0.5 * (np.log(spread.smoothness) / 3) ** 2
        )

    def fast(spread: ShapeSpread) -> float:
        logs = np.log([spread.slope, spread.shape, spread.smoothness])
        return -borrowing._restricted_likelihood(logs, roots, scores)

    one, other = SPREAD, ShapeSpread(*rng.uniform([0.05, 0.05, 0.5], [0.5, 0.5, 10.0]).tolist())
    assert fast(one) - fast(other) == pytest.approx(dense(one) - dense(other), rel=1e-5, abs=1e-5)


# --- limits ---------------------------------------------------------------------------------------


def test_without_spread_profiles_differ_by_a_shift() -> None:
    members = members_of(counts_of(2, n_items=200))
    panel = fit_together(members, ShapeSpread(1e-4, 1e-4, 1.0))
    logits = np.array([curve.theta[0] @ borrowing.COLUMNS.T for curve in panel.curves])
    apart = logits - logits[0]
    np.testing.assert_allclose(apart, apart[:, :1] * np.ones(GRID.size), atol=0.02)
    assert np.ptp(apart[:, 0]) > 0.03


def test_models_alike_have_one_profile() -> None:
    counts = counts_of(3, abilities=(0.5,), n_items=150)
    fields = ("source_correct", "source_trials", "target_correct", "target_trials")
    same = {name: np.repeat(getattr(counts, name), 3, axis=0) for name in fields}
    (*models,) = fit_latent(replace(counts, models=("a", "b", "c"), **same)).models
    for model in models[1:]:
        np.testing.assert_allclose(model.profile, models[0].profile, atol=1e-7)


@pytest.mark.slow
def test_with_many_items_borrowing_changes_nothing() -> None:
    counts = counts_of(4, abilities=(-0.5, 0.5), n_items=60_000, n_trials=10)
    alone = fit_latent(counts, LatentOptions(borrow=False)).scores("pooled").estimate
    borrowed = fit_latent(counts).scores("pooled").estimate
    np.testing.assert_allclose(borrowed, alone, atol=0.004)


@given(st.integers(0, 10**6))
def test_languages_keep_the_mean_curve(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits, mean = rng.normal(0, 4, (5, 9)), special.expit(rng.normal(0, 3, 9))
    shift = common_shift(logits, mean)
    np.testing.assert_allclose(special.expit(logits + shift).mean(axis=0), mean, atol=1e-8)


def test_profiles_of_languages_average_to_the_panels_curve() -> None:
    for model in fit_latent(counts_of(5)).models:
        assert model.shared is not None
        np.testing.assert_allclose(model.profile.mean(axis=0), model.shared.curve[0], atol=1e-9)
        assert ((model.profile > 0) & (model.profile < 1)).all()


# --- uncertainty ----------------------------------------------------------------------------------


def panel_scores(counts: ItemCounts, weights: np.ndarray | None, spread: ShapeSpread) -> np.ndarray:
    """HAT over a fixed reference, by model; the spread is held."""
    items = [group_items(counts, m, weights) for m in range(len(counts.models))]
    reference = stats.norm(0.5, 1.5).pdf(np.linspace(-7, 7, 57))
    reference = np.r_[0, reference / reference.sum(), 0]
    return np.array([(model.profile @ reference).mean() for model in fit_borrowing(items, spread)])


@pytest.mark.slow
def test_standard_errors_are_those_of_a_bootstrap_of_full_refits() -> None:
    """Of the influence alone: the spread's error is of what no refit can show."""
    counts = counts_of(6, abilities=(-0.8, 0.6, 2.0), n_items=300, n_trials=8)
    items = [group_items(counts, m) for m in range(3)]
    models = fit_borrowing(items, SPREAD)
    reference = stats.norm(0.5, 1.5).pdf(np.linspace(-7, 7, 57))
    reference = np.r_[0, reference / reference.sum(), 0]
    psi = np.column_stack([model.profile_influence(reference).mean(axis=1) for model in models])
    rng = np.random.default_rng(7)
    draws = np.array([panel_scores(counts, rng.exponential(size=300), SPREAD) for _ in range(100)])
    error, bootstrap = np.sqrt((psi**2).sum(axis=0)), draws.std(axis=0, ddof=1)
    # The error of a standard deviation from 100 draws is 7 %.
    np.testing.assert_allclose(error, bootstrap, rtol=0.2)
    found = np.corrcoef(psi.T)[np.triu_indices(3, 1)]
    np.testing.assert_allclose(found, np.corrcoef(draws.T)[np.triu_indices(3, 1)], atol=0.25)


@pytest.mark.slow
def test_intervals_hold_the_truth_at_both_ends_of_a_panel_coverage() -> None:
    """Forty small panels: 280 intervals of seven models, no arm beyond four standard errors."""
    abilities = (-0.3, 0.4, 1.1, 1.8, 2.5, 3.3, 4.3)
    shape = Shape(n_items=100, n_languages=4, n_trials=10)
    truth = true_score("logit_normal", "pooled", abilities, shape)
    held, bias = [], []
    for seed in range(40):
        study = simulate_study(abilities, shape=shape, rng=seed)
        scores = hs.fit_profile(study, method="latent").hat()
        low, high = scores.limits().T
        held.append((low < truth) & (truth < high))
        bias.append(scores.estimates - truth)
        arms = np.maximum(high - scores.estimates, scores.estimates - low) / scores.std_errors
        assert arms.max() < 4.0
    # Standard errors of .013 of the mean, .034 of one model.
    assert 0.91 < np.mean(held) < 0.99
    assert np.mean(held, axis=0).min() > 0.82
    # Alone, the weakest and the strongest are off by .02.
    assert np.abs(np.mean(bias, axis=0)).max() < 0.015


def test_the_spread_is_in_the_covariance_of_scores_and_contrasts() -> None:
    study = simulate_study((-1.0, 0.5, 2.0), shape=Shape(100, 2, 6), rng=8)
    scores = hs.fit_profile(study, method="latent").hat()
    assert scores.influence is not None
    by_items = scores.influence.T @ scores.influence * 100 / 99
    extra = scores.covariance - by_items
    assert np.linalg.eigvalsh(extra).min() > -1e-12
    assert np.diag(extra).min() > 0
    # A shape in common moves neighbours together.
    assert extra[0, 1] > 0


# --- bad and odd input ----------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"roughness": 1.0}, {"monotone": False}])
def test_options_of_profiles_alone_need_borrow_false(options: dict[str, object]) -> None:
    with pytest.raises(hs.DataError, match=r"fitted alone.*borrow=False"):
        LatentOptions(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [0.0, 1.0])
def test_a_model_with_equal_answers_leaves_all_finite(answer: float) -> None:
    counts = counts_of(9, abilities=(0.0, 0.5, 1.0))
    source, target = counts.source_correct.copy(), counts.target_correct.copy()
    source[2] = counts.source_trials[2]
    target[2] = answer * counts.target_trials[2]
    with warnings.catch_warnings(action="ignore", category=hs.DegenerateDataWarning):
        scores = fit_latent(replace(counts, source_correct=source, target_correct=target)).scores(
            "pooled"
        )
    assert np.isfinite(scores.estimate).all()
    assert np.isfinite(scores.influence).all()
    # At x = 1 all are right nearly always, so that right answers there say little of the rest.
    lowest = scores.estimate[2] < scores.estimate[:2].min()
    assert lowest.all() == (answer == 0.0)


def test_means_are_padded_with_nothing() -> None:
    """Models with fewer kinds of counts than others: the padding has no weight."""
    one = members_of(counts_of(10, abilities=(0.0,), n_items=30))[0]
    longer = Member(
        replace(one.source, posterior=np.vstack([one.source.posterior, one.source.posterior[:2]])),
        one.target,
        Means(
            *(
                np.hstack([each, np.zeros((1, 2))])
                for each in (one.means.size, one.means.mean, one.means.variance)
            )
        ),
        None,
    )
    data = borrowing._Data.of([one, longer])
    theta = np.tile(one.start(), (2, 1))
    information, score = data.expand(theta, data.means.size)
    np.testing.assert_allclose(information[0], information[1])
    np.testing.assert_allclose(score[0], score[1])


def test_a_fit_that_does_not_converge_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(borrowing, "_STEPS", 1)
    with pytest.raises(hs.FitError, match="did not converge in 1 steps"):
        fit_together(members_of(counts_of(11)), SPREAD)


def test_curves_at_the_ends_are_shifted_without_a_warning() -> None:
    logits = np.array([[0.0, 40.0, 800.0], [1.0, 45.0, 900.0]])
    mean = np.array([0.7, 0.5, 1.0 - 1e-16])
    shift = common_shift(logits, mean)
    np.testing.assert_allclose(special.expit(logits + shift).mean(axis=0), mean, rtol=1e-9)
