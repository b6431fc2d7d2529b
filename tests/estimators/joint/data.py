"""Small random counts, and every kind of parametric model."""

from __future__ import annotations

import numpy as np

from hatstats.estimators.joint.likelihood import ModelLikelihood, make_likelihood
from hatstats.estimators.joint.options import JointOptions, Layout
from hatstats.estimators.joint.patterns import distinct_patterns
from hatstats.estimators.joint.quadrature import SINGLE, Rules, normal_rule

#: Every option by itself, all together, and the chance level of the benchmark.
MODELS = [
    (JointOptions(), 0.0),
    (JointOptions(), 0.25),
    (JointOptions(shared_factor=True), 0.0),
    (JointOptions(chance="estimated"), 0.25),
    (JointOptions(beta_binomial=True), 0.0),
    (JointOptions(beta_binomial=True), 0.25),
    (JointOptions(shared_factor=True, beta_binomial=True, chance="estimated"), 0.25),
]
NAMES = [f"{options.label}, chance {chance:g}" for options, chance in MODELS]


def random_likelihood(
    options: JointOptions,
    chance: float,
    rng: np.random.Generator,
    *,
    items: int = 40,
    languages: int = 2,
    spacing: float = 0.4,
) -> ModelLikelihood:
    """Counts of unequal trials with missing languages, on a fine quadrature."""
    ability = rng.normal(0.3, 1.2, items)
    source_n = rng.integers(1, 5, items)
    target_n = rng.integers(0, 5, (items, languages))
    p = 1.0 / (1.0 + np.exp(-ability))
    source = rng.binomial(source_n, p).astype(float)
    target = rng.binomial(target_n, 0.8 * p[:, None]).astype(float)
    counts = distinct_patterns((source, source_n.astype(float)), (target, target_n.astype(float)))
    rule = normal_rule(spacing, 1e-12)
    rules = Rules(rule, rule if options.shared_factor else SINGLE, rule)
    return make_likelihood(counts, options, chance, rules)


def random_theta(layout: Layout, rng: np.random.Generator) -> np.ndarray:
    """Parameters of an ordinary size."""
    theta = rng.normal(0.0, 0.4, layout.size)
    theta[layout.position("sigma")] += 1.2
    theta[layout.position("beta")] += 0.9
    theta[layout.position("tau")] += 0.7
    if layout.has("chance"):
        theta[layout.position("chance")] = -1.5
    return theta
