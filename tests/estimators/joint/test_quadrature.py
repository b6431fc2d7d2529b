"""Trapezoid rules for a standard normal variable."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import integrate, special, stats

from hatstats.estimators.joint.options import JointOptions
from hatstats.estimators.joint.quadrature import (
    ACCURACY,
    SINGLE,
    NormalRule,
    Rules,
    choose_rules,
    hardness_rule,
    normal_rule,
    spacing_for,
)
from tests.estimators.joint.data import random_likelihood


def test_moments_against_theory() -> None:
    rule = normal_rule(0.5, 1e-12)
    moments = [float(rule.weights @ rule.nodes**power) for power in range(7)]
    np.testing.assert_allclose(moments, [1, 0, 1, 0, 3, 0, 15], atol=1e-8)
    assert rule.weights.min() > 0
    np.testing.assert_array_equal(rule.nodes, -rule.nodes[::-1])


@pytest.mark.parametrize(("mean", "spread"), [(0.0, 0.5), (1.0, 1.5), (-4.0, 1.5), (2.0, 3.0)])
@pytest.mark.parametrize(("correct", "trials"), [(0, 10), (10, 10), (4, 10), (1, 1), (30, 60)])
def test_binomial_normal_integral_against_adaptive_quadrature(
    mean: float, spread: float, correct: int, trials: int
) -> None:
    def likelihood(z: Any) -> Any:
        return stats.binom.pmf(correct, trials, special.expit(mean + spread * z))

    def integrand(z: float) -> float:
        return float(stats.norm.pdf(z) * likelihood(z))

    edges = [-13.0, -6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0, 13.0]
    exact = sum(
        integrate.quad(integrand, low, high, epsabs=1e-14, epsrel=1e-11)[0]
        for low, high in pairwise(edges)
    )
    accuracy = 1e-9
    rule = normal_rule(spacing_for(0.25 * trials * spread**2, spread, accuracy), accuracy)
    values = likelihood(rule.nodes)
    # A skew likelihood loses digits; the omitted tail counts by its prior probability.
    allowed = 1000 * accuracy * exact + 0.1 * accuracy * values.max()
    assert abs(float(rule.weights @ values) - exact) < allowed


def test_finer_where_the_likelihood_is_sharper() -> None:
    flat, sharp = spacing_for(0.0, 1.0, 1e-6), spacing_for(100.0, 1.0, 1e-6)
    assert sharp < 0.12 * flat
    assert normal_rule(sharp, 1e-6).size > 5 * normal_rule(flat, 1e-6).size


def test_poles_of_the_logistic_function_narrow_the_spacing() -> None:
    assert spacing_for(0.0, 10.0, 1e-6) < 0.2 * spacing_for(0.0, 1.0, 1e-6)


def test_no_variable_is_a_rule_of_one_node_degenerate() -> None:
    assert SINGLE.size == 1
    assert float(SINGLE.weights @ np.cos(SINGLE.nodes)) == 1.0


@pytest.mark.parametrize(
    "options", [JointOptions(shared_factor=True), JointOptions(hardness="common")]
)
@pytest.mark.parametrize("refine", [1.0, 2.0])
def test_rules_follow_the_sharpest_item_against_naive(options: JointOptions, refine: float) -> None:
    """A trial informs on 1/4 of a logit; a language no more than its residual allows."""
    rng = np.random.default_rng(7)
    model = random_likelihood(options, 0.0, rng, items=30)
    layout, patterns = model.layout, model.patterns
    theta = rng.uniform(0.4, 1.6, layout.size)
    value = {name: theta[layout.position(name)] for name in layout.names}
    sigma, tau, beta = value["sigma"][0], value["tau"], value["beta"]
    trials = np.array([max(row) for row in zip(*patterns.target_trials(), strict=True)])
    known = [1.0 / (t**2 + 4.0 / n) for t, n in zip(tau, trials, strict=True)]
    information = patterns.source_rows.trials.max() / 4.0
    information += sum(b**2 * each for b, each in zip(beta, known, strict=True))

    def rule(sharpness: float, slope: float) -> NormalRule:
        spacing = spacing_for(sharpness, slope, ACCURACY) / refine
        return normal_rule(spacing, ACCURACY / refine**4)

    steepest = max(1.0, *beta)
    wanted = [
        rule(sigma**2 * information, sigma * steepest),
        rule(value["rho"][0] ** 2 * sum(known), value["rho"][0]) if "rho" in value else SINGLE,
        rule(max(n / 4.0 * t**2 for n, t in zip(trials, tau, strict=True)), max(tau)),
    ]
    found = choose_rules(theta, patterns, layout, refine)
    for one, other in zip((found.ability, found.factor, found.residual), wanted, strict=True):
        np.testing.assert_allclose(one.nodes, other.nodes)
        np.testing.assert_allclose(one.weights, other.weights)
    assert found.common is SINGLE
    shared = hardness_rule([theta, theta], [patterns] * 2, [layout] * 2, refine)
    if "common" not in value:
        assert shared is SINGLE
        return
    loading = value["common"][0]
    sharpness = 2.0 * loading**2 / (sigma**2 + 1.0 / information)
    np.testing.assert_allclose(shared.nodes, rule(sharpness, loading * steepest).nodes)


def test_rules_may_have_a_tenth_more_nodes() -> None:
    coarse, fine = (Rules(normal_rule(spacing, 1e-6)) for spacing in (0.5, 0.48))
    assert fine.ability.size <= 1.1 * coarse.ability.size
    assert fine.no_finer_than(coarse)
    assert coarse.no_finer_than(coarse)
    much = normal_rule(0.2, 1e-6)
    for finer in (Rules(much), Rules(SINGLE, much), Rules(SINGLE, SINGLE, much)):
        assert not finer.no_finer_than(Rules(SINGLE))
        assert Rules(SINGLE).no_finer_than(finer)
    assert not Rules(SINGLE, common=much).no_finer_than(Rules(SINGLE))


def test_a_language_without_residual_needs_no_nodes_degenerate() -> None:
    model = random_likelihood(JointOptions(), 0.0, np.random.default_rng(8), items=20)
    theta = np.full(model.layout.size, 0.8)
    theta[model.layout.position("tau")] = 0.0
    found = choose_rules(theta, model.patterns, model.layout, 1.0)
    assert found.residual is SINGLE
    assert found.factor is SINGLE
