"""The joint likelihood against one that integrates item by item with adaptive quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special

from hatstats.estimators.joint.likelihood import JointLikelihood
from hatstats.estimators.joint.options import KNOTS, JointOptions
from hatstats.estimators.joint.profile import profile_curve
from tests.estimators.joint.data import MODELS, NAMES, random_likelihood, random_theta


def expit(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))


def normal_density(z: float) -> float:
    return math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)


def student_density(df: float) -> Callable[[float], float]:
    scale = math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2)) / math.sqrt(df * math.pi)
    return lambda z: scale * (1.0 + z * z / df) ** (-(df + 1) / 2)


def integral(
    function: Callable[[float], float],
    df: float | None = None,
    edges: tuple[float, ...] = (-8.0, -2.5, 0.0, 2.5, 8.0),
) -> float:
    """E function(Z) by adaptive quadrature, Z standard normal or Student t."""
    density = normal_density if df is None else student_density(df)
    if df is not None:
        edges = (-5000.0, -300.0, -40.0, *edges, 40.0, 300.0, 5000.0)
    return sum(
        integrate.quad(lambda z: function(z) * density(z), low, high, epsabs=1e-12, epsrel=1e-10)[0]
        for low, high in pairwise(edges)
    )


def log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def count_probability(k: int, n: int, p: float, omega: float) -> float:
    """Binomial, or beta-binomial by its textbook formula."""
    if omega == 0.0 or p < 1e-9 or p > 1.0 - 1e-9:
        return math.comb(n, k) * p**k * (1.0 - p) ** (n - k)
    a, b = p / omega, (1.0 - p) / omega
    return math.comb(n, k) * math.exp(log_beta(k + a, n - k + b) - log_beta(a, b))


class Naive:
    """One item at a time, one integral inside the other, parameters by name."""

    def __init__(self, likelihood: JointLikelihood, theta: np.ndarray) -> None:
        self.layout = likelihood.layout
        self.options = likelihood.maker.options
        names = [*self.layout.global_names, *self.layout.local_names]
        self.value = {name: theta[self.layout.place(name)] for name in names}
        self.chance = likelihood.maker.chance
        if "chance" in self.value:
            self.chance = float(special.expit(self.value["chance"][0]))
        # Three integrals inside one another: fewer pieces each.
        self.edges = (-7.0, 0.0, 7.0) if self.options.shared_factor else (-8.0, -2.5, 0.0, 2.5, 8.0)
        self.omega = float(self.value["spread"][0] ** 2) if "spread" in self.value else 0.0

    def line(self, language: int, eta: float) -> float:
        v = {
            name: values[-1 if name in self.layout.global_names else language]
            for name, values in self.value.items()
        }
        logit = v["alpha"] + v["beta"] * eta
        if self.options.profile == "quadratic":
            logit += v["bend"] * eta**2
        if self.options.profile == "spline":
            for knot in KNOTS:
                logit += v[f"bend({knot:g})"] * 2 * math.log(2 * math.cosh((eta - knot) / 2))
        return float(logit)

    def target(self, language: int, count: tuple[int, int], middle: float) -> float:
        tau, share = self.value["tau"][language], 1.0
        if "transfers" in self.value:
            share = float(special.expit(self.value["transfers"][language]))

        def given_residual(e: float) -> float:
            p = self.chance + (1 - self.chance) * expit(middle + tau * e)
            return count_probability(*count, p, self.omega)

        happened = integral(given_residual, edges=self.edges)
        return share * happened + (1 - share) * count_probability(*count, self.chance, self.omega)

    def targets(
        self, counts: list[tuple[int, int] | None], middle: Callable[[int], float]
    ) -> float:
        rho = float(self.value["rho"][0]) if "rho" in self.value else 0.0

        def given_factor(f: float) -> float:
            return math.prod(
                self.target(language, count, middle(language) + rho * f)
                for language, count in enumerate(counts)
                if count is not None
            )

        return integral(given_factor, edges=self.edges) if rho else given_factor(0.0)

    def item(self, source: tuple[int, int], counts: list[tuple[int, int] | None]) -> float:
        mu, sigma = self.value["mu"][0], self.value["sigma"][0]

        def given_ability(z: float) -> float:
            eta = mu + sigma * z
            p = self.chance + (1 - self.chance) * expit(eta)
            here = count_probability(*source, p, self.omega)
            return here * self.targets(counts, lambda language: self.line(language, eta))

        smooth = integral(given_ability, self.options.t_df, edges=self.edges)
        if not self.options.point_masses:
            return smooth
        logits = np.array([0.0, self.value["never"][0], self.value["always"][0]])
        mass = np.exp(logits) / np.exp(logits).sum()
        never = count_probability(*source, self.chance, self.omega) * self.targets(
            counts, lambda language: self.value["at_never"][language]
        )
        always = float(source[0] == source[1]) * self.targets(
            counts, lambda language: self.value["at_always"][language]
        )
        return float(mass @ [smooth, never, always])


def compare(likelihood: JointLikelihood, theta: np.ndarray) -> None:
    """Every pattern's log-likelihood, fast against naive."""
    counts, naive = likelihood.counts, Naive(likelihood, theta)
    fast = likelihood.by_pattern(theta)
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


QUICK = [(o, c) for o, c in MODELS if not o.shared_factor and o.t_df is None]


@settings(max_examples=12)
@given(st.integers(0, 2**32 - 1), st.sampled_from(QUICK))
def test_log_likelihood_equals_nested_quadrature(
    seed: int, model: tuple[JointOptions, float]
) -> None:
    rng = np.random.default_rng(seed)
    likelihood = random_likelihood(*model, rng, items=1, spacing=0.2)
    compare(likelihood, random_theta(likelihood.layout, rng))


@pytest.mark.parametrize(
    "options",
    [JointOptions(shared_factor=True), JointOptions(t_df=4.0)],
    ids=lambda options: options.label,
)
def test_log_likelihood_of_the_costly_models_equals_nested_quadrature(
    options: JointOptions,
) -> None:
    rng = np.random.default_rng(5)
    likelihood = random_likelihood(options, 0.1, rng, items=1, languages=2, spacing=0.1)
    compare(likelihood, random_theta(likelihood.layout, rng))


@pytest.mark.parametrize(("options", "chance"), MODELS, ids=NAMES)
def test_gradient_equals_finite_differences(options: JointOptions, chance: float) -> None:
    rng = np.random.default_rng(1)
    likelihood = random_likelihood(options, chance, rng, spacing=0.8)
    theta = random_theta(likelihood.layout, rng)
    value, gradient = likelihood.value_and_gradient(theta)
    step = 1e-5
    numeric = [
        (
            likelihood.value_and_gradient(theta + step * unit)[0]
            - likelihood.value_and_gradient(theta - step * unit)[0]
        )
        / (2 * step)
        for unit in np.eye(theta.size)
    ]
    assert np.abs(gradient).max() > 0.1
    np.testing.assert_allclose(gradient, numeric, rtol=0, atol=1e-6)
    by_pattern = likelihood.by_pattern(theta)
    assert value == pytest.approx(likelihood.counts.weight @ by_pattern, abs=1e-10)


@pytest.mark.parametrize(("options", "chance"), MODELS, ids=NAMES)
def test_information_equals_differences_of_the_gradient(
    options: JointOptions, chance: float
) -> None:
    rng = np.random.default_rng(2)
    likelihood = random_likelihood(options, chance, rng, spacing=0.8)
    theta = random_theta(likelihood.layout, rng)
    each, scores, information = likelihood.scores_and_information(theta)
    np.testing.assert_allclose(each, likelihood.by_pattern(theta), rtol=0, atol=1e-12)
    step = 1e-5
    numeric = [
        (
            likelihood.value_and_gradient(theta - step * unit)[1]
            - likelihood.value_and_gradient(theta + step * unit)[1]
        )
        / (2 * step)
        for unit in np.eye(theta.size)
    ]
    scale = np.abs(information).max()
    np.testing.assert_allclose(information, numeric, rtol=0, atol=1e-6 * scale)
    gradient = likelihood.value_and_gradient(theta)[1]
    np.testing.assert_allclose(likelihood.counts.weight @ scores, gradient, atol=1e-10)


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
    curve = profile_curve(maker, theta, grid)
    for language in range(2):
        tau = theta[layout.place("tau")][language]
        spread = math.hypot(tau, layout.scalar(theta, "rho"))
        share = 1.0
        if layout.has("transfers"):
            share = float(special.expit(theta[layout.place("transfers")][language]))
        for place in (1, 2, 3):
            u = (grid[place] - naive.chance) / (1 - naive.chance)
            middle = naive.line(language, float(special.logit(u)))
            mean = integral(lambda z, m=middle, s=spread: expit(m + s * z))
            exact = naive.chance + (1 - naive.chance) * share * mean
            assert curve.profile[language, place] == pytest.approx(exact, abs=1e-8)
    step = 1e-6
    checked = 0
    for name, slope in curve.slopes.items():
        at = layout.place(name)
        unit = np.zeros(layout.size)
        unit[at] = step
        ahead = profile_curve(maker, theta + unit, grid).profile
        behind = profile_curve(maker, theta - unit, grid).profile
        inner = slice(1, 4) if name not in ("at_never", "at_always") else slice(None)
        np.testing.assert_allclose(
            slope[:, inner], ((ahead - behind) / (2 * step))[:, inner], atol=1e-7
        )
        checked += 1
    assert checked >= 3


def test_equal_patterns_are_counted_once() -> None:
    rng = np.random.default_rng(4)
    likelihood = random_likelihood(JointOptions(), 0.0, rng, items=400)
    theta = random_theta(likelihood.layout, rng)
    counts = likelihood.counts
    assert counts.weight.size < 350
    each = replace(
        counts,
        source=counts.source[counts.index],
        target=counts.target[counts.index],
        weight=np.ones(counts.index.size),
        index=np.arange(counts.index.size),
    )
    alone = JointLikelihood(each, likelihood.maker, each.indicator())
    value, gradient = likelihood.value_and_gradient(theta)
    same_value, same_gradient = alone.value_and_gradient(theta)
    assert value == pytest.approx(same_value, abs=1e-9)
    np.testing.assert_allclose(gradient, same_gradient, atol=1e-9)
