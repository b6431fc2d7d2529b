"""Log-likelihood of item counts, item scores and observed information of the `joint` model.

An item's likelihood is a sum over shared nodes q of
``weight_q P(k_source | q) prod_l P(k_l | q)``; tables hold the factors, and a sparse matrix of
zeros and ones adds their logarithms up for every distinct pattern of counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from hatstats.estimators.joint.node_tables import TableMaker, Tables
from hatstats.estimators.joint.options import JointOptions, Layout, parameter_layout
from hatstats.estimators.joint.patterns import Patterns
from hatstats.estimators.joint.quadrature import COARSEST, SINGLE, NormalRule, Rules, choose_rules
from hatstats.inference.arrays import Floats, Ints

#: Numbers of a block of derivatives held in memory at once.
_BLOCK = 4_000_000
#: Probability of a node given a pattern below which it adds nothing.
NEGLIGIBLE = 1e-15
#: Step of the central differences in parameters without a closed form.
_STEP = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class JointLikelihood:
    """Log-likelihood of one model's patterns as a function of theta.

    The indicator, sparse or dense, (I, J + L K), picks each pattern's rows of the stacked tables.
    """

    patterns: Patterns
    maker: TableMaker
    indicator: Any

    @property
    def layout(self) -> Layout:
        """Position of each parameter."""
        return self.maker.layout

    @property
    def models(self) -> tuple[JointLikelihood]:
        """Itself, the likelihood of one model."""
        return (self,)

    @property
    def weight(self) -> Floats:
        """Number of items with each pattern, shape (I,)."""
        return self.patterns.weight

    @property
    def index(self) -> Ints:
        """Pattern of each item, shape (N,)."""
        return self.patterns.index

    def refined(self, theta: Floats, refine: float, common: NormalRule = SINGLE) -> JointLikelihood:
        """The same with a quadrature that is fine enough at `theta`, see `choose_rules`."""
        rules = choose_rules(theta, self.patterns, self.layout, refine)
        maker = replace(self.maker, rules=replace(rules, common=common))
        return replace(self, maker=maker)

    def no_finer_than(self, other: JointLikelihood) -> bool:
        """Whether the quadrature of `other` would do."""
        return self.maker.rules.no_finer_than(other.maker.rules)

    def joint_log(self, tables: Tables) -> Floats:
        """Log-probability of each pattern together with each node, shape (I, Q)."""
        joint = self._for_patterns(tables.source, tables.target)
        joint += tables.nodes.log_weight
        return joint

    def _for_patterns(self, source: Floats, target: Floats) -> Floats:
        """Sum over each pattern's counts (I, Q) of tables (J, Q) and (L, K, Q)."""
        languages, rows, nodes = target.shape
        stacked = np.concatenate([source, target.reshape(languages * rows, nodes)])
        return np.asarray(self.indicator @ stacked)

    def _posterior(self, tables: Tables) -> tuple[Floats, Floats]:
        """Log-likelihood of each pattern (I,) and probabilities of the nodes given it (I, Q)."""
        joint = self.joint_log(tables)
        largest = joint.max(axis=1, keepdims=True)
        joint -= largest
        np.exp(joint, out=joint)
        total = joint.sum(axis=1, keepdims=True)
        joint /= total
        return (np.log(total) + largest)[:, 0], joint

    def by_pattern(self, theta: Floats) -> Floats:
        """Log-likelihood of one item with each pattern, shape (I,)."""
        return self._posterior(self.maker.make(theta, 0))[0]

    def log_likelihood(self, theta: Floats) -> float:
        """Log-likelihood of all items."""
        return float(self.weight @ self.by_pattern(theta))

    def _split(self, mass: Floats) -> tuple[Floats, Floats]:
        """Masses (J + L K, Q) of source rows (J, Q) and target rows (L, K, Q)."""
        rows = self.patterns.source_rows.size
        shape = (self.layout.n_languages, self.patterns.target_rows.size, mass.shape[1])
        return mass[:rows], mass[rows:].reshape(shape)

    def gradient(self, tables: Tables, mass: Floats) -> Floats:
        """Derivative of ``sum mass * log table``, shape (P,), for `mass` (J + L K, Q)."""
        layout, nodes = self.layout, tables.nodes
        gradient = np.zeros(layout.size)
        source, target = self._split(mass)
        by_source = (source * tables.by_source_logit).sum(axis=0)
        for name, slope in nodes.source_slopes.items():
            gradient[layout.position(name)] += by_source @ slope
        by_target = np.einsum("lkq,lkq->lq", target, tables.by_target_logit)
        for name, slope in nodes.target_slopes.items():
            each = (by_target * slope).sum(axis=1)
            gradient[layout.position(name)] += each.sum() if layout.has(name) else each
        gradient[layout.position("tau")] = np.einsum("lkq,lkq->l", target, tables.by_tau)
        for name, (on_source, on_target) in tables.by_trials.items():
            moved = float((source * on_source).sum() + (target * on_target).sum())
            gradient[layout.position(name)] = moved
        return gradient

    def _global_slopes(self, tables: Tables) -> dict[str, Floats]:
        """Derivative of each pattern's complete-data log-likelihood in the global parameters.

        Each (I, Q), by name.
        """
        nodes, found = tables.nodes, {}
        for name in self.layout.global_names:
            if name in tables.by_trials:
                found[name] = self._for_patterns(*tables.by_trials[name])
                continue
            on_source = nodes.source_slopes.get(name, np.zeros(nodes.log_weight.size))
            found[name] = self._for_patterns(
                tables.by_source_logit * on_source,
                tables.by_target_logit * nodes.target_slopes[name][:, None],
            )
        return found

    def _complete_slopes(
        self, tables: Tables, in_globals: dict[str, Floats], pattern: Ints, node: Ints
    ) -> Floats:
        """Derivatives of the complete-data log-likelihood of patterns at nodes (n,): (P, n).

        `in_globals` are those of `_global_slopes`.
        """
        layout, patterns = self.layout, self.patterns
        found = np.zeros((layout.size, pattern.size))
        nodes = tables.nodes.log_weight.size
        for name, slope in in_globals.items():
            found[layout.position(name)] = slope.take(pattern * nodes + node)
        # Positions of (language, count, node) in a flat table; a language without trials has none.
        rows = patterns.target.T[:, pattern]
        first = patterns.target_rows.size * np.arange(patterns.n_languages)[:, None]
        flat = (first + np.maximum(rows, 0)) * nodes + node
        by_logit, by_tau = tables.by_target_logit.take(flat), tables.by_tau.take(flat)
        if (patterns.target < 0).any():
            by_logit[rows < 0] = by_tau[rows < 0] = 0.0
        found[layout.position("alpha")] = by_logit
        found[layout.position("beta")] = by_logit * tables.nodes.source_logit[node]
        found[layout.position("tau")] = by_tau
        return found

    def scores_and_information(self, theta: Floats) -> tuple[Floats, Floats, Floats]:
        """Log-likelihood (I,) and scores (I, P) of one item with each pattern; information (P, P).

        By Louis (1982, JRSS B 44:226-233): the observed information, the negative Hessian of the
        log-likelihood, is that of the complete data less the variance of the complete-data score
        given the counts.
        """
        tables = self.maker.make(theta, 2)
        each, nodes = self._posterior(tables)
        weight = self.weight[:, None]
        hessian, scores = self.score_moments(theta, tables, nodes[:, None], weight)
        return each, scores[:, 0], -hessian

    def score_moments(
        self, theta: Floats, tables: Tables, own: Floats, mass: Floats
    ) -> tuple[Floats, Floats]:
        """Second derivatives and mean scores where a hardness common to models is given.

        Tables are at B nodes of hardness times U of the model's own latent variables; `own`
        (I, B, U) are the probabilities of the own nodes given pattern and hardness, `mass` (I, B)
        the items expected at each pattern and hardness. Returns the Hessian (P, P) of the
        complete-data log-likelihood, plus the variance of its derivative over the own nodes, and
        that derivative's mean over them (I, B, P).
        """
        patterns, n_hardness, n_own = own.shape
        full = (mass[:, :, None] * own).reshape(patterns, n_hardness * n_own)
        hessian = self._complete_hessian(theta, tables, np.asarray(self.indicator.T @ full))
        in_globals = self._global_slopes(tables)
        chance, items = own.reshape(-1, n_own), mass.ravel()
        means = np.zeros((len(chance), self.layout.size))
        group, node = np.nonzero(chance > NEGLIGIBLE)
        first = np.searchsorted(group, np.arange(len(chance) + 1))
        for start, stop in self._blocks(first):
            pairs = slice(first[start], first[stop])
            pattern, hardness = np.divmod(group[pairs], n_hardness)
            slopes = self._complete_slopes(
                tables, in_globals, pattern, hardness * n_own + node[pairs]
            )
            share = chance[group[pairs], node[pairs]]
            offsets = first[start:stop] - first[start]
            means[start:stop] = np.add.reduceat(slopes * share, offsets, axis=1).T
            slopes *= np.sqrt(share * items[group[pairs]])
            hessian += slopes @ slopes.T
        hessian -= (means * items[:, None]).T @ means
        return hessian, means.reshape(patterns, n_hardness, -1)

    def _blocks(self, first: Ints) -> Iterator[tuple[int, int]]:
        """Runs of groups whose derivatives fit in memory together; `first` pair of each group."""
        start, most = 0, max(_BLOCK // self.layout.size, 1)
        while start < first.size - 1:
            stop = int(np.searchsorted(first, first[start] + most, side="right")) - 1
            stop = max(stop, start + 1)
            yield start, stop
            start = stop

    def _complete_hessian(self, theta: Floats, tables: Tables, mass: Floats) -> Floats:
        """Second derivatives (P, P) of ``sum mass * log table`` at fixed `mass` (J + L K, Q).

        Parameters of the source and target logits and of the residual have a closed form: they
        move the tables through these three numbers only. Chance level and overdispersion are
        differenced.
        """
        layout, nodes = self.layout, tables.nodes
        hessian = np.zeros((layout.size, layout.size))
        source, target = self._split(mass)
        moves = np.array(list(nodes.source_slopes.values()))
        index = np.array([layout.position(name).start for name in nodes.source_slopes])
        hessian[np.ix_(index, index)] += (
            moves * (source * tables.source_curvature).sum(axis=0) @ moves.T
        )
        by_logit = (target * tables.by_target_logit).sum(axis=1)
        second = np.einsum("lkq,clkq->clq", target, tables.target_curvature)
        # Of each language (L): parameters of its target logit, then tau.
        names = [*nodes.target_slopes, "tau"]
        chains = np.stack(list(nodes.target_slopes.values()), axis=1)
        block = np.empty((len(chains), len(names), len(names)))
        block[:, :-1, :-1] = (chains * second[0][:, None]) @ chains.swapaxes(1, 2)
        block[:, :-1, -1] = block[:, -1, :-1] = (chains * second[1][:, None]).sum(axis=2)
        block[:, -1, -1] = second[2].sum(axis=1)
        # The target logit holds the product of beta and the source logit.
        crossed, beta = by_logit @ moves.T, names.index("beta")
        block[:, : len(moves), beta] += crossed
        block[:, beta, : len(moves)] += crossed
        position = np.array([layout.positions(name) for name in names]).T
        np.add.at(hessian, (position[:, :, None], position[:, None, :]), block)
        for name in tables.by_trials:
            direction = np.zeros(layout.size)
            direction[layout.position(name)] = _STEP
            ahead, behind = (
                self.gradient(self.maker.make(theta + sign * direction), mass) for sign in (1, -1)
            )
            change = (ahead - behind) / (2.0 * _STEP)
            hessian[layout.position(name)] = change
            hessian[:, layout.position(name)] = change[:, None]
        return 0.5 * (hessian + hessian.T)


def indicator_of(patterns: Patterns) -> Any:
    """Matrix (I, J + L K) that picks each pattern's rows of the stacked tables."""
    size, languages = patterns.target.shape
    first, rows = patterns.source_rows.size, patterns.target_rows.size
    columns = np.column_stack(
        [patterns.source, first + rows * np.arange(languages) + patterns.target]
    )
    asked = np.column_stack([np.ones(size, dtype=bool), patterns.target >= 0])
    shape = (size, first + languages * rows)
    starts = np.concatenate([[0], np.cumsum(asked.sum(axis=1))])
    matrix = sparse.csr_array((np.ones(asked.sum()), columns[asked], starts), shape=shape)
    # A small dense product is faster than setting up a sparse one.
    return matrix.toarray() if np.prod(shape) <= 20_000 else matrix


def make_likelihood(
    patterns: Patterns, options: JointOptions, chance: float, rules: Rules = COARSEST
) -> JointLikelihood:
    """Likelihood of one model's patterns with a given quadrature; `chance` is a proportion."""
    layout = parameter_layout(options, patterns.n_languages)
    rows = patterns.source_rows, patterns.target_rows
    maker = TableMaker(options, layout, chance, *rows, rules)
    return JointLikelihood(patterns, maker, indicator_of(patterns))
