"""Integrals over standard normal variables by the trapezoid rule, as fine as the counts need.

For a smooth integrand that dies out at both ends the trapezoid rule converges faster than any
power of its spacing: a Gaussian of standard deviation s is integrated with relative error
``2 exp(-2 pi^2 s^2 / h^2)``, and a function with poles at distance d from the real line with error
of order ``exp(-2 pi d / h)`` (Trefethen and Weideman 2014, SIAM Review 56:385-458). Its nodes are
evenly spaced, so that sharply peaked integrands need a finer rule but never a moved one: all items
share one grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from hatstats.estimators.joint.options import Layout
from hatstats.estimators.joint.patterns import Patterns
from hatstats.inference.arrays import Floats

#: Relative accuracy of an item's integral by the rule of thumb of `spacing_for`.
ACCURACY = 1e-5


@dataclass(frozen=True, slots=True)
class NormalRule:
    """Nodes and weights (Q,) with ``E f(Z) = sum_q weights_q f(nodes_q)``, Z standard normal.

    Nodes are evenly spaced and symmetric about 0; weights are positive and sum to 1.
    """

    nodes: Floats
    weights: Floats

    @property
    def size(self) -> int:
        """Number of nodes."""
        return self.nodes.size


#: The rule of a variable that the model does not have: one node at 0.
SINGLE = NormalRule(np.zeros(1), np.ones(1))


def normal_rule(spacing: float, accuracy: float) -> NormalRule:
    """Trapezoid rule for a standard normal variable.

    `spacing` is the distance of neighbouring nodes, `accuracy` the probability that may lie
    outside the outermost ones.
    """
    # Half a standard deviation more, since a likelihood can favour the tail.
    reach = float(-special.ndtri(0.5 * accuracy)) + 0.5
    steps = max(int(np.ceil(reach / spacing)), 1)
    nodes = np.arange(-steps, steps + 1, dtype=np.float64) * spacing
    weights = np.exp(-0.5 * nodes**2)
    return NormalRule(nodes, weights / weights.sum())


def spacing_for(information: float, steepness: float, accuracy: float) -> float:
    """Spacing of nodes that integrates prior times likelihood to a relative accuracy.

    `information` is the curvature of the log-likelihood in the standard normal variable: prior
    times likelihood is about a Gaussian of variance ``1 / (1 + information)``. `steepness` is the
    change of the logit per unit of the variable; the logistic function's nearest poles lie at
    distance ``pi / steepness``. The accuracy holds for a Gaussian; a skew likelihood loses two or
    three digits, so that a fit should measure what a finer rule changes.
    """
    peak = np.sqrt(2.0 * np.pi**2 / (np.log(2.0 / accuracy) * (1.0 + information)))
    poles = 2.0 * np.pi**2 / (max(abs(steepness), 1e-8) * np.log(1.0 / accuracy))
    return float(min(peak, poles, 1.0))


@dataclass(frozen=True, slots=True)
class Rules:
    """Quadrature of the latent variables: ability, shared factor, own residual, hardness.

    The last is common to several models, and not integrated over by one model: each of its nodes
    has nodes of ability, all of equal weight over the hardness.
    """

    ability: NormalRule
    factor: NormalRule = SINGLE
    residual: NormalRule = SINGLE
    common: NormalRule = SINGLE

    def no_finer_than(self, other: Rules) -> bool:
        """Whether every rule has at most a tenth more nodes than that of `other`."""
        mine = (self.ability, self.factor, self.residual, self.common)
        theirs = (other.ability, other.factor, other.residual, other.common)
        return all(a.size <= 1.1 * b.size for a, b in zip(mine, theirs, strict=True))


#: Quadrature of a likelihood before its parameters have a value.
COARSEST = Rules(SINGLE)


def _rule(information: float, steepness: float, refine: float) -> NormalRule:
    """Rule whose nodes lie closer by a factor `refine` than the rule of thumb says."""
    spacing = spacing_for(information, steepness, ACCURACY) / refine
    return normal_rule(spacing, ACCURACY / refine**4)


def _target_information(tau: Floats, trials: Floats) -> Floats:
    """Largest information of each language's count on its logit before the residual, shape (L,).

    A trial informs a logit by at most 1/4; a language by less than its residual allows.
    """
    return np.asarray(1.0 / (tau**2 + 4.0 / np.maximum(trials, 1e-8)))


def _source_information(theta: Floats, patterns: Patterns, layout: Layout) -> tuple[float, float]:
    """Largest information of an item's counts on its source logit; steepest slope, at least 1."""
    slope = np.abs(theta[layout.position("beta")])
    targets = _target_information(theta[layout.position("tau")], patterns.most_trials())
    information = 0.25 * patterns.source_rows.trials.max() + slope**2 @ targets
    return float(information), max(1.0, float(slope.max(initial=0.0)))


def choose_rules(theta: Floats, patterns: Patterns, layout: Layout, refine: float) -> Rules:
    """Quadrature of one model, fine enough for the sharpest item under `theta` (P,).

    `refine` is the factor by which the nodes lie closer than the rule of thumb says.
    """
    sigma, rho = layout.scalar(theta, "sigma"), layout.scalar(theta, "rho")
    tau, trials = theta[layout.position("tau")], patterns.most_trials()
    information, steepest = _source_information(theta, patterns, layout)
    ability = _rule(sigma**2 * information, abs(sigma) * steepest, refine)
    factor, residual = SINGLE, SINGLE
    if layout.has("rho"):
        factor = _rule(rho**2 * float(_target_information(tau, trials).sum()), rho, refine)
    if tau.any():
        sharpest = float((0.25 * trials * tau**2).max())
        residual = _rule(sharpest, float(np.abs(tau).max()), refine)
    return Rules(ability, factor, residual)


def hardness_rule(
    thetas: Sequence[Floats],
    patterns: Sequence[Patterns],
    layouts: Sequence[Layout],
    refine: float,
) -> NormalRule:
    """Quadrature of the hardness common to models of parameters `thetas`, see `choose_rules`."""
    if not layouts[0].has("common"):
        return SINGLE
    total, steepest = 0.0, 0.0
    for theta, own_patterns, layout in zip(thetas, patterns, layouts, strict=True):
        loading, own = layout.scalar(theta, "common"), layout.scalar(theta, "sigma")
        information, slope = _source_information(theta, own_patterns, layout)
        # A model's answers inform on the hardness less its own part.
        total += loading**2 / (own**2 + 1.0 / information)
        steepest = max(steepest, abs(loading) * slope)
    return _rule(total, steepest, refine)
