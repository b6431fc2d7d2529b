"""One hardness common to several models: what identifies one trial in one language."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import special

from hatstats.errors import NotIdentifiedError
from hatstats.estimators.joint import quadrature
from hatstats.estimators.joint.compare import compare_joint
from hatstats.estimators.joint.fit_models import fit_joint
from hatstats.estimators.joint.likelihood import JointLikelihood, join_models, make_likelihood
from hatstats.estimators.joint.options import JointOptions
from hatstats.estimators.joint.patterns import distinct_patterns
from hatstats.estimators.joint.profile import JointModel
from hatstats.estimators.joint.quadrature import SINGLE, Rules, normal_rule
from hatstats.estimators.methods import fit_profile
from hatstats.scores.counts import ItemCounts, item_counts
from hatstats.scores.item_profile import ItemProfile
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.simulation.worlds import true_hat
from tests.estimators.joint.data import random_theta
from tests.estimators.joint.test_joint_against_naive import (
    NODES,
    WEIGHTS,
    count_probability,
    expit,
    integral,
)
from tests.studies import cases

UNIFORM = (np.arange(2000) + 0.5) / 2000
COMMON = JointOptions(hardness="common")
EDGES = (-8.0, 0.0, 8.0)


def random_common(
    rng: np.random.Generator,
    *,
    items: int,
    models: int = 2,
    options: JointOptions = COMMON,
    trials: int = 1,
    chance: float = 0.0,
    spacing: float = 0.2,
) -> JointLikelihood:
    """Likelihood of small random counts with missing models and languages."""
    rule = normal_rule(spacing, 1e-12)
    own = []
    for _ in range(models):
        source_n = rng.integers(0, trials + 1, items).astype(float)
        source_n[0] = trials
        target_n = rng.integers(0, trials + 1, (items, 2)).astype(float)
        counts = distinct_patterns(
            (np.floor(source_n * rng.random(items) + 0.5), source_n),
            (np.floor(target_n * rng.random((items, 2)) + 0.5), target_n),
        )
        residual = rule if trials > 1 else SINGLE
        rules = Rules(rule, SINGLE, residual, rule)
        own.append(make_likelihood(counts, options, chance, rules))
    return replace(join_models(*own), rule=rule)


def common_theta(likelihood: JointLikelihood, rng: np.random.Generator) -> np.ndarray:
    thetas = [random_theta(model.layout, rng) for model in likelihood.models]
    for model, theta in zip(likelihood.models, thetas, strict=True):
        if model.maker.rules.residual.size == 1:
            theta[model.layout.position("tau")] = 0.0
    return np.concatenate(thetas)


def naive_item(likelihood: JointLikelihood, theta: np.ndarray, item: int) -> float:
    """One item's log-likelihood: integrals inside one another, parameters by name."""

    def answers(m: int, eta: float) -> float:
        model, own = likelihood.models[m], likelihood.split(theta)[m]
        counts, layout, chance = model.patterns, model.layout, model.maker.chance
        pattern = counts.index[item]
        rows = counts.source_rows
        k, n = (int(each[counts.source[pattern]]) for each in (rows.correct, rows.trials))
        total = float(count_probability(k, n, chance + (1 - chance) * expit(eta), 0.0))
        for language, row in enumerate(counts.target[pattern]):
            if row < 0:
                continue
            k, n = int(counts.target_rows.correct[row]), int(counts.target_rows.trials[row])
            alpha, beta, tau = (
                own[layout.position(name)][language] for name in ("alpha", "beta", "tau")
            )
            right = special.expit(alpha + beta * eta + tau * NODES)
            p = chance + (1 - chance) * right
            total *= float(WEIGHTS @ count_probability(k, n, p, 0.0))
        return total

    def given_hardness(b: float) -> float:
        total = 1.0
        for m, model in enumerate(likelihood.models):
            if model.patterns.index[item] < 0:
                continue
            own = likelihood.split(theta)[m]
            mu, sigma, common = (model.layout.scalar(own, n) for n in ("mu", "sigma", "common"))
            total *= integral(
                lambda u, m=m, mean=mu + common * b, sigma=sigma: answers(m, mean + sigma * u),
                edges=EDGES,
            )
        return total

    return math.log(integral(given_hardness, edges=EDGES))


@cases(0, 3)
def test_log_likelihood_equals_nested_quadrature(seed: int) -> None:
    rng = np.random.default_rng(seed)
    likelihood = random_common(rng, items=1, chance=[0.25, 0.0][seed % 2])
    theta = common_theta(likelihood, rng)
    fast = likelihood.by_kind(theta)
    slow = [naive_item(likelihood, theta, 0)]
    np.testing.assert_allclose(fast, slow, rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    ("options", "trials"),
    [
        (COMMON, 1),
        pytest.param(COMMON, 3, marks=pytest.mark.slow),
        pytest.param(replace(COMMON, chance="estimated"), 3, marks=pytest.mark.slow),
        pytest.param(replace(COMMON, beta_binomial=True), 3, marks=pytest.mark.slow),
    ],
    ids=lambda value: getattr(value, "label", None),
)
def test_gradient_and_information_equal_differences(options: JointOptions, trials: int) -> None:
    rng = np.random.default_rng(3)
    likelihood = random_common(
        rng, items=15, models=2, options=options, trials=trials, chance=0.2, spacing=1.5
    )
    theta = common_theta(likelihood, rng)
    each, scores, information = likelihood.scores_and_information(theta)
    np.testing.assert_allclose(each, likelihood.by_kind(theta), atol=1e-12)
    assert np.abs(scores).max() > 0.1
    step = 1e-5
    ahead, behind = (
        [
            likelihood.scores_and_information(theta + sign * unit)[:2]
            for unit in step * np.eye(theta.size)
        ]
        for sign in (1, -1)
    )
    pairs = list(zip(ahead, behind, strict=True))
    numeric = np.array([(more[0] - less[0]) / (2 * step) for more, less in pairs])
    np.testing.assert_allclose(scores.T, numeric, atol=1e-6)
    weight = likelihood.weight
    numeric = np.array([weight @ (less[1] - more[1]) / (2 * step) for more, less in pairs])
    scale = np.abs(information).max()
    np.testing.assert_allclose(information, numeric, rtol=0, atol=1e-6 * scale)


@pytest.mark.parametrize("languages", [1, 2])
@pytest.mark.slow
def test_hat_does_not_move_with_one_trial_of_several_models(languages: int) -> None:
    """The spread was .017 in one language and .017 in two; SEs at the ends were .010 to .017."""
    study = simulate_study((-2.0, 0.0, 1.0, 3.0), shape=Shape(20_000, languages, 1), rng=2)
    scores = fit_profile(study, method="joint", options=COMMON).hat("uniform")
    assert np.ptp(scores.estimates) <= 0.03
    assert (np.abs(scores.estimates - true_hat(UNIFORM)) < 3.5 * scores.std_errors).all()


def test_two_models_are_enough_and_are_fitted_together_by_default() -> None:
    study = simulate_study((-1.0, 1.0), shape=Shape(8000, 1, 1), rng=4)
    profile = fit_profile(study, method="joint")
    assert isinstance(profile, ItemProfile)
    assert profile.fits[0].together
    scores = profile.hat("uniform")
    assert (np.abs(scores.estimates - true_hat(UNIFORM)) < 3.5 * scores.std_errors).all()
    assert "common hardness over models and languages" in scores.estimand
    assert "one trial per item" in scores.estimand
    own = fit_profile(simulate_study((0.0, 1.0), shape=Shape(300, 2, 3), rng=1), method="joint")
    assert isinstance(own, ItemProfile)
    assert not own.fits[0].together


@pytest.mark.slow
def test_own_and_common_agree_where_both_are_identified() -> None:
    study = simulate_study((-0.5, 0.5), shape=Shape(1500, 2, 8), rng=5)
    own, common = (
        fit_profile(study, method="joint", options=JointOptions(hardness=hardness)).hat("pooled")
        for hardness in ("own", "common")
    )
    assert (np.abs(own.estimates - common.estimates) < 0.5 * own.std_errors).all()
    np.testing.assert_allclose(own.std_errors, common.std_errors, rtol=0.1)


def test_influence_is_the_effect_of_an_item(monkeypatch: pytest.MonkeyPatch) -> None:
    """The change when an item is deleted or taken twice, beside its influence value."""
    monkeypatch.setattr(quadrature, "ACCURACY", 1e-7)
    study = simulate_study((-0.5, 0.5, 1.0), shape=Shape(400, 1, 1), rng=6)
    counts = item_counts(study, "simulated")

    def fitted(chosen: np.ndarray) -> list[JointModel]:
        part = ItemCounts(
            counts.benchmark,
            0.0,
            counts.models,
            counts.languages,
            counts.items[chosen],
            np.arange(chosen.size),
            counts.source_correct[:, chosen],
            counts.source_trials[:, chosen],
            counts.target_correct[:, chosen],
            counts.target_trials[:, chosen],
        )
        models = fit_joint(part, COMMON).models
        return list(models)

    every = np.arange(400)
    whole = fitted(every)
    grid = whole[0].grid
    weights = np.diff(np.r_[0.0, 0.5 * (grid[1:] + grid[:-1]), 1.0])
    for item in (0, 5):
        more, less = fitted(np.r_[every, item]), fitted(np.delete(every, item))
        for m, model in enumerate(whole):
            influence = model.profile_influence(weights)
            np.testing.assert_allclose(influence.sum(axis=0), 0.0, atol=1e-8)
            change = 0.5 * (more[m].profile - less[m].profile) @ weights
            np.testing.assert_allclose(influence[item], change, rtol=0.1, atol=2e-5)


def test_models_asked_different_items_are_refused() -> None:
    study = simulate_study((0.0, 1.0), shape=Shape(200, 1, 1), rng=7)
    counts = item_counts(study, "simulated")
    trials, target = counts.source_trials.copy(), counts.target_trials.copy()
    trials[0, :100] = target[0, :100] = 0.0
    trials[1, 100:] = target[1, 100:] = 0.0
    apart = replace(
        counts,
        source_trials=trials,
        target_trials=target,
        source_correct=np.minimum(counts.source_correct, trials),
        target_correct=np.minimum(counts.target_correct, target),
    )
    with pytest.raises(NotIdentifiedError, match="no second model was asked the same items"):
        fit_joint(apart)


def test_one_model_names_the_second_as_missing() -> None:
    study = simulate_study((0.0,), shape=Shape(100, 1, 1), rng=1)
    with pytest.raises(NotIdentifiedError, match="or a second model asked the same items"):
        fit_profile(study, method="joint")
    with pytest.raises(NotIdentifiedError, match="or a second model asked the same items"):
        fit_profile(study, method="joint", options=COMMON)


def test_bad_input() -> None:
    study = simulate_study((0.0, 1.0), shape=Shape(60, 1, 1), rng=1)
    with pytest.raises(NotIdentifiedError, match="has no shared_factor"):
        fit_profile(study, method="joint", options=JointOptions(shared_factor=True))
    with pytest.raises(NotIdentifiedError, match="beta_binomial"):
        fit_profile(study, method="joint", options=JointOptions(beta_binomial=True))
    notes = compare_joint(study, [JointOptions(), COMMON], rng=1)["note"].tolist()
    assert "one target language" in notes[0]
    assert "one model at a time" in notes[1]


@pytest.mark.parametrize("right", [0.0, 1.0])
def test_all_right_or_all_wrong(right: float) -> None:
    study = simulate_study((0.0, 1.0), shape=Shape(40, 1, 1), rng=1)
    counts = item_counts(study, "simulated")
    same = replace(
        counts,
        source_correct=np.full_like(counts.source_correct, right),
        target_correct=np.full_like(counts.target_correct, right),
    )
    with pytest.warns(match="equally hard"):
        fit = fit_joint(same)
    for model in fit.models:
        assert isinstance(model, JointModel)
        assert np.isfinite(model.profile).all()
        assert abs(float(model.distribution @ fit.support) - right) < 0.05
        assert np.isfinite(model.profile_influence(model.distribution)).all()


def test_fits_are_marked_as_of_all_models() -> None:
    study = simulate_study((0.0, 1.0, 2.0), shape=Shape(300, 1, 1), rng=2)
    counts = item_counts(study, "simulated")
    found = fit_joint(counts, COMMON)
    assert found.together
    fits = [model.fit for model in found.models if isinstance(model, JointModel)]
    assert len({fit.log_likelihood for fit in fits}) == 1
    assert all(fit.converged for fit in fits)
    # mu, sigma, common, alpha, beta of each; tau is held with one trial.
    assert fits[0].n_parameters == 15
