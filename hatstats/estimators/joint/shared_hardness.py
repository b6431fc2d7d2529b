"""Several models with one item hardness in common, which identifies one trial per item.

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

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy import linalg, sparse

from hatstats.estimators.joint.likelihood import NEGLIGIBLE, JointLikelihood
from hatstats.estimators.joint.node_tables import Tables
from hatstats.estimators.joint.quadrature import SINGLE, NormalRule, hardness_rule
from hatstats.inference.arrays import Floats, Ints


def _normalised(log_values: Floats, axis: int) -> tuple[Floats, Floats]:
    """Log of the sum of exponentials along an axis, which is kept, and their shares in it."""
    largest = log_values.max(axis=axis, keepdims=True)
    values = np.exp(log_values - largest)
    total = values.sum(axis=axis, keepdims=True)
    return np.log(total) + largest, values / total


@dataclass(frozen=True, slots=True, eq=False)
class CommonLikelihood:
    """Log-likelihood of N items answered by several models, a function of all their parameters.

    `rule` is the quadrature of the hardness. Every item counts once, by itself.
    """

    models: tuple[JointLikelihood, ...]
    rule: NormalRule = SINGLE

    @property
    def weight(self) -> Floats:
        """Ones, shape (N,)."""
        return np.ones(self.models[0].index.size)

    @property
    def index(self) -> Ints:
        """Positions of the items, shape (N,)."""
        return np.arange(self.models[0].index.size)

    def split(self, theta: Floats) -> list[Floats]:
        """Parameters of each model, or its rows of a matrix."""
        return np.split(theta, np.cumsum([model.layout.size for model in self.models])[:-1])

    def refined(self, theta: Floats, refine: float) -> Self:
        """The same with a quadrature that is fine enough at `theta`."""
        thetas, patterns = self.split(theta), [model.patterns for model in self.models]
        rule = hardness_rule(thetas, patterns, [model.layout for model in self.models], refine)
        pairs = zip(self.models, thetas, strict=True)
        return type(self)(tuple(model.refined(own, refine, rule) for model, own in pairs), rule)

    def no_finer_than(self, other: Self) -> bool:
        """Whether the quadrature of `other` would do."""
        pairs = zip(self.models, other.models, strict=True)
        return all(model.no_finer_than(theirs) for model, theirs in pairs)

    def _members(self) -> list[Any]:
        """Matrix (N, I) of zeros and ones for each model: which items have which pattern."""
        matrices = []
        for model in self.models:
            item = np.flatnonzero(model.index >= 0)
            shape = (model.index.size, model.weight.size)
            ones = np.ones(item.size)
            matrices.append(sparse.csr_array((ones, (item, model.index[item])), shape=shape))
        return matrices

    def _evaluate(
        self, theta: Floats, order: int
    ) -> tuple[list[tuple[Tables, Floats]], list[Any], Floats, Floats]:
        """Log-likelihood of items (N,) and probabilities of hardness given their counts (N, B).

        Before them, for each model, its tables with the probabilities (I, B, U) of the nodes of u
        given pattern and hardness, and its members.
        """
        found, members = [], self._members()
        total = np.log(self.rule.weights) + np.zeros((members[0].shape[0], 1))
        for model, member, own in zip(self.models, members, self.split(theta), strict=True):
            tables = model.maker.make(own, order)
            joint = model.joint_log(tables).reshape(model.weight.size, self.rule.size, -1)
            log_given, shares = _normalised(joint, 2)
            found.append((tables, shares))
            total += member @ log_given[:, :, 0]
        each, hardness = _normalised(total, 1)
        return found, members, each[:, 0], hardness

    def by_item(self, theta: Floats) -> Floats:
        """Log-likelihood of each item, shape (N,)."""
        return self._evaluate(theta, 0)[2]

    def log_likelihood(self, theta: Floats) -> float:
        """Log-likelihood of all items."""
        return float(self.by_item(theta).sum())

    def scores_and_information(self, theta: Floats) -> tuple[Floats, Floats, Floats]:
        """Log-likelihood (N,) and scores (N, P) of items, and the observed information (P, P).

        By Louis (1982), as in one model; the variance of the complete-data score is that over u
        given the hardness, one model at a time, and that over the hardness of its mean.
        """
        found, members, each, hardness = self._evaluate(theta, 2)
        within, means = [], []
        for model, (tables, shares), member, own in zip(
            self.models, found, members, self.split(theta), strict=True
        ):
            mass = np.asarray(member.T @ hardness)
            block, mean = model.score_moments(own, tables, shares, mass)
            within.append(block)
            means.append(mean)
        hessian = linalg.block_diag(*within)
        item, node = np.nonzero(hardness > NEGLIGIBLE)
        chance = hardness[item, node]
        slopes = np.zeros((hessian.shape[0], item.size))
        for model, mean, rows in zip(self.models, means, self.split(slopes), strict=True):
            pattern = model.index[item]
            asked = pattern >= 0
            rows[:, asked] = mean[pattern[asked], node[asked]].T
        first = np.searchsorted(item, np.arange(each.size))
        scores = np.add.reduceat(slopes * chance, first, axis=1).T
        slopes *= np.sqrt(chance)
        hessian += slopes @ slopes.T - scores.T @ scores
        return each, scores, -hessian
