"""Probability of every count at every node of the latent variables, with derivatives.

Items do not enter, only the distinct counts that occur. The table of a language is its count's
probability given the source logit and the shared factor, the language's own residual integrated
out:

    P(k | node q) = sum_j w_j Bin(k | n, c + (1 - c) expit(m_lq + tau_l e_j)),
    m_lq = alpha_l + beta_l eta_q + rho f_q.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy import special

from hatstats.estimators.joint.options import JointOptions, Layout
from hatstats.estimators.joint.patterns import CountRows, TrialTerms, empty
from hatstats.estimators.joint.quadrature import Rules
from hatstats.inference.arrays import Floats

_TINY = 1e-300
#: Probabilities that are worked on at once.
_BLOCK = 200_000


@dataclass(frozen=True, slots=True)
class Nodes:
    """Latent variables at the Q nodes: hardness outermost, then ability, then shared factor.

    Log-probability of the nodes given the hardness (Q,), source logit (Q,) and target logits
    without the own residual (L, Q), each with its derivatives by name of the parameter.
    """

    log_weight: Floats
    source_logit: Floats
    source_slopes: dict[str, Floats]
    target_logit: Floats
    target_slopes: dict[str, Floats]


@dataclass(frozen=True, slots=True)
class Tables:
    """Log-probabilities of source counts (J, Q) and target counts (L, K, Q) at the Q nodes.

    With their first derivatives from order 1, `by_trials` those of both tables in the chance level
    and the overdispersion, by name; from order 2 with the second of the source (J, Q) twice by its
    logit, and of the targets (3, L, K, Q) twice by their logit, by it and tau, and twice by tau.
    """

    nodes: Nodes
    source: Floats
    target: Floats
    by_source_logit: Floats = field(default_factory=empty)
    by_target_logit: Floats = field(default_factory=empty)
    by_tau: Floats = field(default_factory=empty)
    by_trials: dict[str, tuple[Floats, Floats]] = field(default_factory=dict)
    source_curvature: Floats = field(default_factory=empty)
    target_curvature: Floats = field(default_factory=empty)


@dataclass(frozen=True, slots=True)
class TableMaker:
    """Everything but the parameters that determines the tables.

    The benchmark's chance level is used unless it is estimated.
    """

    options: JointOptions
    layout: Layout
    chance: float
    source_rows: CountRows
    target_rows: CountRows
    rules: Rules

    def chance_level(self, theta: Floats) -> float:
        """Accuracy of blind guessing under `theta`."""
        if not self.layout.has("chance"):
            return self.chance
        # Below 1, so that a search that strays to certain guessing finds its way back.
        return min(float(special.expit(self.layout.scalar(theta, "chance"))), 1.0 - 1e-9)

    def nodes(self, theta: Floats) -> Nodes:
        """Logits of source and targets at every node."""
        rules, layout = self.rules, self.layout
        shape = (rules.common.size, rules.ability.size, rules.factor.size)

        def spread(values: Floats, axis: int) -> Floats:
            """Values of one latent variable repeated over the two others, shape (Q,)."""
            others = tuple({0, 1, 2} - {axis})
            return np.broadcast_to(np.expand_dims(values, others), shape).ravel()

        ability, factor = spread(rules.ability.nodes, 1), spread(rules.factor.nodes, 2)
        source_slopes = {"mu": np.ones(ability.size), "sigma": ability}
        if layout.has("common"):
            source_slopes["common"] = spread(rules.common.nodes, 0)
        eta = np.zeros(ability.size)
        for name, slope in source_slopes.items():
            eta += layout.scalar(theta, name) * slope
        alpha, beta = (theta[layout.position(name)][:, None] for name in ("alpha", "beta"))
        target_slopes = {name: beta * slope for name, slope in source_slopes.items()}
        target_slopes |= {"alpha": np.ones(eta.size), "beta": eta}
        if layout.has("rho"):
            target_slopes["rho"] = factor
        target_logit = alpha + beta * eta + layout.scalar(theta, "rho") * factor
        return Nodes(
            spread(np.log(rules.ability.weights), 1) + spread(np.log(rules.factor.weights), 2),
            eta,
            source_slopes,
            target_logit,
            {k: np.broadcast_to(v, target_logit.shape) for k, v in target_slopes.items()},
        )

    def make(self, theta: Floats, order: int = 1) -> Tables:
        """Tables at `theta` with derivatives up to `order`: 0 for none, 1, or 2."""
        nodes = self.nodes(theta)
        source = self._trials(self.source_rows, theta, nodes.source_logit, order)
        means = self._residual_means(theta, nodes.target_logit, order)
        table = np.maximum(means.pop("table"), _TINY)
        if not order:
            return Tables(nodes, source.log_pmf, np.log(table))
        second = means.pop("second", empty())
        first = {name: value / table for name, value in means.items()}
        by_logit, by_tau = first.pop("logit"), first.pop("tau")
        by_trials = {name: (slope, first[name]) for name, slope in source.by_trials.items()}
        slopes = source.by_logit, by_logit, by_tau, by_trials
        if order > 1:
            second = np.moveaxis(second, -1, 0) / table
            second -= np.array([by_logit**2, by_logit * by_tau, by_tau**2])
        return Tables(nodes, source.log_pmf, np.log(table), *slopes, source.curvature, second)

    def _trials(self, rows: CountRows, theta: Floats, logit: Floats, order: int) -> TrialTerms:
        """Log-probabilities of count rows (K) at logits (..., M), shape (..., K, M).

        Derivatives are with respect to the parameters of the trials that the model has.
        """
        chance, spread = self.chance_level(theta), self.layout.scalar(theta, "spread")
        if self.options.beta_binomial:
            terms = rows.beta_binomial(logit, chance, spread**2, order=order)
        else:
            by_chance = order > 0 and self.layout.has("chance")
            terms = rows.binomial(logit, chance, by_chance=by_chance, order=order)
        steps = {"chance": chance * (1.0 - chance), "spread": 2.0 * spread}
        slopes = {k: steps[k] * v for k, v in terms.by_trials.items() if self.layout.has(k)}
        return replace(terms, by_trials=slopes)

    def _residual_means(self, theta: Floats, logit: Floats, order: int) -> dict[str, Floats]:
        """P(k | node) with the own residual integrated out, and its derivatives, each (L, K, Q).

        From target logits (L, Q) without it; with order 2, ``second`` (L, K, Q, 3) are the
        second derivatives of `Tables`.
        """
        tau = theta[self.layout.position("tau")]
        # Blocks of nodes that stay in the processor's cache: as one array most time goes to memory.
        # A beta-binomial probability is made of four sums over right and four over wrong answers.
        arrays = 8 if self.options.beta_binomial else 1
        per_node = self.target_rows.size * self.rules.residual.size * arrays
        most = max(_BLOCK // max(per_node, 1), 1)
        starts = range(0, logit.shape[1], most)
        if not tau.size:
            none = self._block(theta, np.zeros(0), 0.0, order)
            shape = 0, self.target_rows.size, logit.shape[1]
            return {name: np.zeros((*shape, *value.shape[2:])) for name, value in none.items()}
        rows = [
            [self._block(theta, own[start : start + most], t, order) for start in starts]
            for own, t in zip(logit, tau, strict=True)
        ]
        return {
            name: np.stack([np.concatenate([part[name] for part in row], axis=1) for row in rows])
            for name in rows[0][0]
        }

    def _block(self, theta: Floats, logit: Floats, tau: float, order: int) -> dict[str, Floats]:
        """`_residual_means` of one language at some nodes (B,), each (K, B)."""
        residual = self.rules.residual
        moved = (logit[:, None] + tau * residual.nodes).ravel()
        terms = self._trials(self.target_rows, theta, moved, order)
        pmf = np.exp(terms.log_pmf, out=terms.log_pmf)
        shape = (self.target_rows.size, logit.size, residual.size)
        powers = residual.nodes[:, None] ** np.arange(3) * residual.weights[:, None]
        means = {"table": pmf.reshape(shape) @ residual.weights}
        if order:
            first = (pmf * terms.by_logit).reshape(shape) @ powers[:, :2]
            means |= {"logit": first[..., 0], "tau": first[..., 1]}
        if order > 1:
            means["second"] = (pmf * (terms.by_logit**2 + terms.curvature)).reshape(shape) @ powers
        for name, slope in terms.by_trials.items():
            means[name] = (pmf * slope).reshape(shape) @ residual.weights
        return means
