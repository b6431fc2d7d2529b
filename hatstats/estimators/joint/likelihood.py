"""Log-likelihood of item counts, item scores and observed information of the `joint` model.

An item's likelihood for one model is a sum over shared nodes q of
``weight_q P(k_source | q) prod_l P(k_l | q)``; tables hold the factors, and a sparse matrix of
zeros and ones adds their logarithms up for every distinct pattern of counts.

Several models with one item hardness in common identify one trial per item:

    eta_mi = mu_m + common_m b_i + sigma_m u_mi,     b_i, u_mi ~ N(0, 1),

b_i the item's easiness (minus its hardness), common to all models, and u_mi the item's own effect
for model m; given eta_mi the model's source and target counts are those of the `joint` model.
With one trial per item and one target language a single model's pair of answers cannot distinguish
a noisy relation from a weak one: two probabilities and one association for means, spread and slope.
Other models supply the rest. The association of a target answer with *another* model's answers,
relative to that of the source answer with them, gives the slope beta_m free of the noise in both
(the other models are instruments); its association with the model's own source answer, beyond what
b explains, gives the spread of u. With two models the products of their loadings are identified
and, for each, the total spread, on which profiles and HAT depend; the split within each needs
three.

A one-factor (two-parameter logistic) model without u would be simpler, and wrong where a model
knows an item that others do not: the variation that source and target share within a model would
be taken for hardness common to all, and the profile would be too steep. Two assumptions remain:
beta_m is the same for the common and the own part, and an effect of the source language alone on an
answer is noise.

An item's likelihood is ``sum_b w_b prod_m sum_u w_u P_m(k_m | b, u)``: u is integrated within each
model's distinct patterns of counts, so that the cost grows with models and not with their product.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import linalg, sparse

from hatstats.estimators.joint.node_tables import TableMaker, Tables
from hatstats.estimators.joint.options import JointOptions, Layout, parameter_layout
from hatstats.estimators.joint.patterns import Patterns, distinct_rows
from hatstats.estimators.joint.quadrature import (
    COARSEST,
    SINGLE,
    NormalRule,
    Rules,
    choose_rules,
    hardness_rule,
)
from hatstats.inference.arrays import Floats, Ints

#: Numbers of a block of derivatives held in memory at once.
_BLOCK = 4_000_000
#: Probability of a node given a pattern below which it adds nothing.
NEGLIGIBLE = 1e-15
#: Step of the central differences in parameters without a closed form.
_STEP = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class ModelLikelihood:
    """Probabilities of one model's patterns as a function of its theta.

    The indicator, sparse or dense, (I, J + L K), picks each pattern's rows of the stacked tables.
    """

    patterns: Patterns
    maker: TableMaker
    indicator: Any

    @property
    def layout(self) -> Layout:
        """Position of each parameter."""
        return self.maker.layout

    def refined(self, theta: Floats, refine: float, common: NormalRule) -> ModelLikelihood:
        """The same with a quadrature that is fine enough at `theta`, see `choose_rules`."""
        rules = choose_rules(theta, self.patterns, self.layout, refine)
        maker = replace(self.maker, rules=replace(rules, common=common))
        return replace(self, maker=maker)

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

    def score_moments(
        self, theta: Floats, tables: Tables, own: Floats, mass: Floats
    ) -> tuple[Floats, Floats]:
        """Second derivatives and mean scores where a hardness common to models, if any, is given.

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
) -> ModelLikelihood:
    """Likelihood of one model's patterns with a given quadrature; `chance` is a proportion."""
    layout = parameter_layout(options, patterns.n_languages)
    rows = patterns.source_rows, patterns.target_rows
    maker = TableMaker(options, layout, chance, *rows, rules)
    return ModelLikelihood(patterns, maker, indicator_of(patterns))


def _normalised(log_values: Floats, axis: int) -> tuple[Floats, Floats]:
    """Log of the sum of exponentials along an axis, which is kept, and their shares in it.

    The shares take the place of `log_values`.
    """
    largest = log_values.max(axis=axis, keepdims=True)
    log_values -= largest
    np.exp(log_values, out=log_values)
    total = log_values.sum(axis=axis, keepdims=True)
    log_values /= total
    return np.log(total) + largest, log_values


@dataclass(frozen=True, slots=True, eq=False)
class JointLikelihood:
    """Log-likelihood of items answered by one model, or several, in all their parameters.

    `rows` (I, M) has each kind of item's pattern in each model, -1 for a model that was not asked;
    `weight` (I,) is the number of items of the kind, `index` (N,) the kind of each item, -1 for an
    item that no model was asked. `rule` is the quadrature of the hardness in common.
    """

    models: tuple[ModelLikelihood, ...]
    rows: Ints
    index: Ints
    weight: Floats
    rule: NormalRule = SINGLE

    def split(self, theta: Floats) -> list[Floats]:
        """Parameters of each model, or its rows of a matrix."""
        return np.split(theta, np.cumsum([model.layout.size for model in self.models])[:-1])

    def refined(self, theta: Floats, refine: float) -> JointLikelihood:
        """The same with a quadrature that is fine enough at `theta`."""
        thetas, patterns = self.split(theta), [model.patterns for model in self.models]
        rule = hardness_rule(thetas, patterns, [model.layout for model in self.models], refine)
        pairs = zip(self.models, thetas, strict=True)
        models = tuple(model.refined(own, refine, rule) for model, own in pairs)
        return replace(self, models=models, rule=rule)

    def no_finer_than(self, other: JointLikelihood) -> bool:
        """Whether the quadrature of `other` would do."""
        pairs = zip(self.models, other.models, strict=True)
        return all(one.maker.rules.no_finer_than(two.maker.rules) for one, two in pairs)

    def _evaluate(
        self, theta: Floats, order: int
    ) -> tuple[list[tuple[Tables, Floats]], Floats, Floats]:
        """Log-likelihood of kinds (I,) and probabilities of hardness given their counts (I, B).

        Before them, for each model, its tables with the probabilities (pattern, B, U) of the nodes
        of u given pattern and hardness.
        """
        found = []
        total = np.log(self.rule.weights) + np.zeros((self.weight.size, 1))
        for model, rows, own in zip(self.models, self.rows.T, self.split(theta), strict=True):
            tables = model.maker.make(own, order)
            joint = model.joint_log(tables)
            log_given, shares = _normalised(joint.reshape(len(joint), self.rule.size, -1), 2)
            found.append((tables, shares))
            total += np.where(rows[:, None] >= 0, log_given[rows, :, 0], 0.0)
        each, hardness = _normalised(total, 1)
        return found, each[:, 0], hardness

    def by_kind(self, theta: Floats) -> Floats:
        """Log-likelihood of one item of each kind, shape (I,)."""
        return self._evaluate(theta, 0)[1]

    def log_likelihood(self, theta: Floats) -> float:
        """Log-likelihood of all items."""
        return float(self.weight @ self.by_kind(theta))

    def scores_and_information(self, theta: Floats) -> tuple[Floats, Floats, Floats]:
        """Log-likelihood (I,) and scores (I, P) of one item of each kind; information (P, P).

        By Louis (1982, JRSS B 44:226-233): the observed information, the negative Hessian of the
        log-likelihood, is that of the complete data less the variance of the complete-data score
        given the counts. That variance is the one over u given the hardness, one model at a time,
        and the one over the hardness of its mean.
        """
        found, each, hardness = self._evaluate(theta, 2)
        expected = hardness * self.weight[:, None]
        within, means = [], []
        for model, rows, (tables, shares), own in zip(
            self.models, self.rows.T, found, self.split(theta), strict=True
        ):
            mass = np.zeros(shares.shape[:2])
            np.add.at(mass, rows[rows >= 0], expected[rows >= 0])
            block, mean = model.score_moments(own, tables, shares, mass)
            within.append(block)
            means.append(mean)
        hessian = linalg.block_diag(*within)
        kind, node = np.nonzero(hardness > NEGLIGIBLE)
        chance = hardness[kind, node]
        slopes = np.zeros((hessian.shape[0], kind.size))
        for rows, mean, own in zip(self.rows.T, means, self.split(slopes), strict=True):
            pattern = rows[kind]
            asked = pattern >= 0
            own[:, asked] = mean[pattern[asked], node[asked]].T
        first = np.searchsorted(kind, np.arange(each.size))
        scores = np.add.reduceat(slopes * chance, first, axis=1).T
        slopes *= np.sqrt(chance * self.weight[kind])
        hessian += slopes @ slopes.T - (scores.T * self.weight) @ scores
        return each, scores, -hessian


def join_models(*models: ModelLikelihood) -> JointLikelihood:
    """Likelihood of the items of one model, or of several that share a hardness."""
    codes = np.column_stack([model.patterns.index for model in models])
    return JointLikelihood(models, *distinct_rows(codes, (codes >= 0).any(axis=1)))
