"""The joint likelihood against one that integrates item by item with adaptive quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special

from hatstats.estimators.joint.likelihood import ModelLikelihood, indicator_of, join_models
from hatstats.estimators.joint.options import JointOptions
from hatstats.estimators.joint.profile import profile_curve
from tests.estimators.joint.data import MODELS, NAMES, random_likelihood, random_theta


def expit(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))


def normal_density(z: float) -> float:
    return math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)


def integral(
    function: Callable[[float], float],
    edges: tuple[float, ...] = (-8.0, -2.5, 0.0, 2.5, 8.0),
) -> float:
    """E function(Z) by adaptive quadrature, Z standard normal."""
    return sum(
        integrate.quad(
            lambda z: function(z) * normal_density(z), low, high, epsabs=1e-12, epsrel=1e-10
        )[0]
        for low, high in pairwise(edges)
    )


#: Gauss-Legendre rules of 50 nodes on each of four pieces, for the innermost integral.
PIECES = np.array([-8.0, -2.5, 0.0, 2.5, 8.0])
LEGENDRE = np.polynomial.legendre.leggauss(50)
NODES = np.concatenate([0.5 * (b + a + (b - a) * LEGENDRE[0]) for a, b in pairwise(PIECES)])
WEIGHTS = np.concatenate([0.5 * (b - a) * LEGENDRE[1] for a, b in pairwise(PIECES)])
WEIGHTS *= np.exp(-0.5 * NODES**2) / math.sqrt(2.0 * math.pi)


def count_probability(k: int, n: int, p: Any, omega: float) -> Any:
    """Binomial, or beta-binomial by its textbook formula."""
    binomial = math.comb(n, k) * p**k * (1.0 - p) ** (n - k)
    if omega == 0.0:
        return binomial
    a, b = p / omega, (1.0 - p) / omega
    beta = math.comb(n, k) * np.exp(special.betaln(k + a, n - k + b) - special.betaln(a, b))
    return np.where((p < 1e-9) | (p > 1.0 - 1e-9), binomial, beta)


class Naive:
    """One item at a time, one integral inside the other, parameters by name."""

    def __init__(self, likelihood: ModelLikelihood, theta: np.ndarray) -> None:
        self.layout = likelihood.layout
        self.value = {name: theta[self.layout.position(name)] for name in self.layout.names}
        self.chance = likelihood.maker.chance
        if "chance" in self.value:
            self.chance = float(special.expit(self.value["chance"][0]))
        # Three integrals inside one another: fewer pieces each.
        self.edges = (-7.0, 0.0, 7.0) if "rho" in self.value else (-8.0, -2.5, 0.0, 2.5, 8.0)
        self.omega = float(self.value["spread"][0] ** 2) if "spread" in self.value else 0.0

    def line(self, language: int, eta: float) -> float:
        return float(self.value["alpha"][language] + self.value["beta"][language] * eta)

    def target(self, language: int, count: tuple[int, int], logit: float) -> float:
        right = special.expit(logit + self.value["tau"][language] * NODES)
        p = self.chance + (1 - self.chance) * right
        return float(WEIGHTS @ count_probability(*count, p, self.omega))

    def targets(self, counts: list[tuple[int, int] | None], eta: float) -> float:
        rho = float(self.value["rho"][0]) if "rho" in self.value else 0.0

        def given_factor(f: float) -> float:
            return math.prod(
                self.target(language, count, self.line(language, eta) + rho * f)
                for language, count in enumerate(counts)
                if count is not None
            )

        return integral(given_factor, edges=self.edges) if rho else given_factor(0.0)

    def item(self, source: tuple[int, int], counts: list[tuple[int, int] | None]) -> float:
        mu, sigma = self.value["mu"][0], self.value["sigma"][0]

        def given_ability(z: float) -> float:
            eta = mu + sigma * z
            p = self.chance + (1 - self.chance) * expit(eta)
            return float(count_probability(*source, p, self.omega)) * self.targets(counts, eta)

        return integral(given_ability, edges=self.edges)


def compare(likelihood: ModelLikelihood, theta: np.ndarray) -> None:
    """Every pattern's log-likelihood, fast against naive."""
    counts, naive = likelihood.patterns, Naive(likelihood, theta)
    fast = join_models(likelihood).by_kind(theta)
    pairs = [
        [(int(k), int(n)) for k, n in zip(rows.correct, rows.trials, strict=True)]
        for rows in (counts.source_rows, counts.target_rows)
    ]
    slow = [
        math.log(
            naive.item(pairs[0][source], [None if row < 0 else pairs[1][row] for row in target])
        )
        for source, target in zip(counts.source, counts.target, strict=True)
    ]
    assert len(slow) >= 1
    np.testing.assert_allclose(fast, slow, rtol=0, atol=1e-8)


QUICK = [(options, chance) for options, chance in MODELS if not options.shared_factor]


@settings(max_examples=12)
@given(st.integers(0, 2**32 - 1), st.sampled_from(QUICK))
def test_log_likelihood_equals_nested_quadrature(
    seed: int, model: tuple[JointOptions, float]
) -> None:
    rng = np.random.default_rng(seed)
    likelihood = random_likelihood(*model, rng, items=1, spacing=0.2)
    compare(likelihood, random_theta(likelihood.layout, rng))


def test_log_likelihood_with_a_shared_factor_equals_nested_quadrature() -> None:
    rng = np.random.default_rng(5)
    options = JointOptions(shared_factor=True)
    likelihood = random_likelihood(options, 0.1, rng, items=1, languages=2, spacing=0.1)
    compare(likelihood, random_theta(likelihood.layout, rng))


@pytest.mark.parametrize(("options", "chance"), MODELS, ids=NAMES)
def test_scores_and_information_equal_finite_differences(
    options: JointOptions, chance: float
) -> None:
    rng = np.random.default_rng(2)
    # Derivatives are those of the quadrature, however coarse.
    model = random_likelihood(options, chance, rng, spacing=1.5)
    likelihood, theta = join_models(model), random_theta(model.layout, rng)
    each, scores, information = likelihood.scores_and_information(theta)
    np.testing.assert_allclose(each, likelihood.by_kind(theta), rtol=0, atol=1e-12)
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
    assert np.abs(scores).max() > 0.1
    np.testing.assert_allclose(scores.T, numeric, rtol=0, atol=1e-6)
    weight = likelihood.weight
    assert np.abs(weight @ scores).max() > 0.1
    np.testing.assert_allclose(weight @ scores, numeric @ weight, rtol=0, atol=1e-6)
    numeric = np.array([weight @ (less[1] - more[1]) / (2 * step) for more, less in pairs])
    scale = np.abs(information).max()
    np.testing.assert_allclose(information, numeric, rtol=0, atol=1e-6 * scale)


@pytest.mark.parametrize(("options", "chance"), MODELS, ids=NAMES)
def test_profile_equals_adaptive_quadrature_and_its_slopes(
    options: JointOptions, chance: float
) -> None:
    rng = np.random.default_rng(3)
    likelihood = random_likelihood(options, chance, rng)
    maker, layout = likelihood.maker, likelihood.layout
    theta = random_theta(layout, rng)
    naive = Naive(likelihood, theta)
    grid = np.array([naive.chance + 1e-9, 0.3, 0.6, 0.9, 1 - 1e-9])
    curve, slopes = profile_curve(maker, theta, grid)
    for language in range(2):
        tau = theta[layout.position("tau")][language]
        spread = math.hypot(tau, layout.scalar(theta, "rho"))
        for point in (1, 2, 3):
            u = (grid[point] - naive.chance) / (1 - naive.chance)
            line = naive.line(language, float(special.logit(u)))
            mean = integral(lambda z, m=line, s=spread: expit(m + s * z))
            exact = naive.chance + (1 - naive.chance) * mean
            assert curve[language, point] == pytest.approx(exact, abs=1e-8)
    step = 1e-6
    inner = slice(1, 4)
    assert len(slopes) >= 3
    for name, slope in slopes.items():
        unit = np.zeros(layout.size)
        unit[layout.position(name)] = step
        ahead = profile_curve(maker, theta + unit, grid)[0]
        behind = profile_curve(maker, theta - unit, grid)[0]
        np.testing.assert_allclose(
            slope[:, inner], ((ahead - behind) / (2 * step))[:, inner], atol=1e-7
        )


def test_equal_patterns_are_counted_once() -> None:
    rng = np.random.default_rng(4)
    model = random_likelihood(JointOptions(), 0.0, rng, items=400)
    likelihood, theta = join_models(model), random_theta(model.layout, rng)
    counts = model.patterns
    assert counts.weight.size < 350
    each = replace(
        counts,
        source=counts.source[counts.index],
        target=counts.target[counts.index],
        weight=np.ones(counts.index.size),
        index=np.arange(counts.index.size),
    )
    alone = join_models(ModelLikelihood(each, model.maker, indicator_of(each)))
    _, scores, information = likelihood.scores_and_information(theta)
    _, each_scores, same_information = alone.scores_and_information(theta)
    assert likelihood.log_likelihood(theta) == pytest.approx(alone.log_likelihood(theta), abs=1e-9)
    np.testing.assert_allclose(scores[counts.index], each_scores, atol=1e-9)
    np.testing.assert_allclose(information, same_information, atol=1e-8)
