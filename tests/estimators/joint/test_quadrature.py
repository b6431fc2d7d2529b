"""Trapezoid rules for a standard normal variable."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import integrate, special, stats

from hatstats.estimators.joint.quadrature import SINGLE, normal_rule, spacing_for


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
