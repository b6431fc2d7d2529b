"""Several models with one item hardness in common: what identifies one trial per item.

    eta_mi = mu_m + common_m b_i + sigma_m u_mi,     b_i, u_mi ~ N(0, 1),

b_i the item's hardness (its sign turned), common to all models, and u_mi what model m makes of the
item beyond it; given eta_mi the model's source and target counts are those of the `joint` model.
With one trial per item and one target language a single model's pair of answers cannot tell a
noisy link from a weak one: two probabilities and one association for means, spread and slope. Other
models supply what is missing. How a target answer goes with *another* model's answers, beside how
the source answer goes with them, gives the slope beta_m free of the noise in both (the other models
are instruments); how it goes with the model's own source answer, beyond what b explains, gives the
spread of u. With two models the products of their loadings are identified and, for each, the total
spread, on which profiles and HAT depend; the split within each needs three.

A one-factor (two-parameter logistic) model without u would be simpler, and wrong wherever a model
knows an item that others do not: what source and target share within a model would be taken for
hardness common to all, and the profile would be too steep. What remains assumed: beta_m is the same
for the common and the own part, and what a source answer owes to its language alone is luck.

An item's likelihood is ``sum_b w_b prod_m sum_u w_u P_m(k_m | b, u)``: u is integrated within each
model's distinct patterns of counts, so that the cost grows with models and not with their product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from hatstats.estimators.joint.fit import (
    ATTEMPTS,
    REFINE,
    TOLERANCE,
    JointFit,
    make_likelihood,
    upright,
)
from hatstats.estimators.joint.likelihood import JointCounts, JointLikelihood
from hatstats.estimators.joint.newton import Prior, climb
from hatstats.estimators.joint.node_tables import Tables
from hatstats.estimators.joint.options import JointOptions, Layout
from hatstats.estimators.joint.quadrature import NormalRule
from hatstats.estimators.joint.starting_values import (
    first_theta,
    hardness_rule,
    largest_trials,
    rules_for,
)

Floats = NDArray[np.float64]
_NEGLIGIBLE = 1e-15


@dataclass(frozen=True, slots=True)
class _Part:
    """One model at its theta.

    Attributes
    ----------
    tables : Tables
    log_given : ndarray, shape (I, B)
        Log-likelihood of each pattern at each hardness.
    own : ndarray, shape (I, B, U)
        Probabilities of the nodes of u given pattern and hardness.
    """

    tables: Tables
    log_given: Floats
    own: Floats


@dataclass(frozen=True, slots=True, eq=False)
class CommonLikelihood:
    """Log-likelihood of items answered by several models, a function of all their parameters.

    Attributes
    ----------
    parts : tuple of JointLikelihood
        One per model; ``parts[m].counts.index`` tells the pattern of each of the N items.
    rule : NormalRule
        Quadrature of the hardness.
    """

    parts: tuple[JointLikelihood, ...]
    rule: NormalRule

    @property
    def sizes(self) -> list[int]:
        """Number of parameters of each model."""
        return [part.layout.size for part in self.parts]

    def split(self, theta: Floats) -> list[Floats]:
        """Parameters of each model."""
        return np.split(theta, np.cumsum(self.sizes)[:-1])

    def _members(self) -> list[Any]:
        """Matrix (N, I) of zeros and ones for each model: which items have which pattern."""
        matrices = []
        for part in self.parts:
            index = part.counts.index
            item = np.flatnonzero(index >= 0)
            shape = (index.size, part.counts.weight.size)
            ones = np.ones(item.size)
            matrices.append(sparse.csr_array((ones, (item, index[item])), shape=shape))
        return matrices

    def _evaluate(self, theta: Floats, order: int) -> tuple[list[_Part], list[Any], Floats, Floats]:
        """Parts, members, log-likelihood of items (N,) and probabilities of hardness (N, B)."""
        parts, members = [], self._members()
        total = np.log(self.rule.weights) + np.zeros((members[0].shape[0], 1))
        for part, member, own in zip(self.parts, members, self.split(theta), strict=True):
            tables = part.maker.make(own, order)
            joint = part.joint_log(tables).reshape(part.counts.weight.size, self.rule.size, -1)
            top = joint.max(axis=2, keepdims=True)
            chance = np.exp(joint - top)
            mean = chance.sum(axis=2, keepdims=True)
            given = (np.log(mean) + top)[:, :, 0]
            parts.append(_Part(tables, given, chance / mean))
            total += member @ given
        top = total.max(axis=1, keepdims=True)
        chance = np.exp(total - top)
        mean = chance.sum(axis=1, keepdims=True)
        return parts, members, (np.log(mean) + top)[:, 0], chance / mean

    def by_item(self, theta: Floats) -> Floats:
        """Log-likelihood of each item, shape (N,)."""
        return self._evaluate(theta, 0)[2]

    def gradient(self, theta: Floats) -> Floats:
        """Derivative of the log-likelihood, shape (P,)."""
        parts, members, _, hardness = self._evaluate(theta, 1)
        found = []
        for likelihood, part, member in zip(self.parts, parts, members, strict=True):
            mass = (member.T @ hardness)[:, :, None] * part.own
            spread = np.asarray(likelihood.indicator.T @ mass.reshape(len(mass), -1))
            found.append(likelihood.gradient(part.tables, spread))
        return np.concatenate(found)

    def scores_and_information(self, theta: Floats) -> tuple[Floats, Floats, Floats]:
        """Log-likelihood (N,) and scores (N, P) of items, and the observed information (P, P).

        By Louis (1982), as in one model; the variance of the complete-data score is that over u
        given the hardness, one model at a time, and that over the hardness of its mean.
        """
        parts, members, each, hardness = self._evaluate(theta, 2)
        within, means = [], []
        for likelihood, part, member, own in zip(
            self.parts, parts, members, self.split(theta), strict=True
        ):
            mass = np.asarray(member.T @ hardness)
            block, mean = likelihood.given_hardness(own, part.tables, part.own, mass)
            within.append(block)
            means.append(mean)
        hessian = linalg.block_diag(*within)
        item, node = np.nonzero(hardness > _NEGLIGIBLE)
        chance = hardness[item, node]
        slopes = np.zeros((hessian.shape[0], item.size))
        at = 0
        for likelihood, mean in zip(self.parts, means, strict=True):
            pattern = likelihood.counts.index[item]
            asked = pattern >= 0
            slopes[at : at + len(mean), asked] = mean[:, pattern[asked], node[asked]]
            at += len(mean)
        first = np.searchsorted(item, np.arange(each.size))
        scores = np.add.reduceat(slopes * chance, first, axis=1).T
        slopes *= np.sqrt(chance)
        hessian += slopes @ slopes.T - scores.T @ scores
        return each, scores, -hessian


def _likelihood(
    parts: Sequence[JointCounts],
    options: JointOptions,
    chance: float,
    thetas: Sequence[Floats],
    refine: float,
) -> CommonLikelihood:
    """Likelihood with a quadrature that suits `thetas`."""
    rule = hardness_rule(thetas, parts, options, refine=refine)
    made = []
    for counts, theta in zip(parts, thetas, strict=True):
        rules = replace(rules_for(theta, counts, options, refine=refine), common=rule)
        made.append(make_likelihood(counts, options, chance, rules))
    return CommonLikelihood(tuple(made), rule)


def _suit(likelihood: CommonLikelihood, wanted: CommonLikelihood) -> bool:
    pairs = zip(wanted.parts, likelihood.parts, strict=True)
    return all(want.maker.rules.no_finer_than(have.maker.rules) for want, have in pairs)


def fit_common(
    parts: Sequence[JointCounts], options: JointOptions, chance: float = 0.0
) -> list[JointFit]:
    """Maximise the likelihood of several models' counts of the same items.

    Parameters
    ----------
    parts : sequence of JointCounts
        One per model, their items aligned.
    options : JointOptions
        With ``hardness="common"``.
    chance : float
        Accuracy of blind guessing.

    Returns
    -------
    list of JointFit
        One per model, with the influence of every item on its parameters.
    """
    starts = []
    for counts in parts:
        layout = Layout.of(options, counts.n_languages)
        starts.append(first_theta(counts, layout, chance))
    theta, refine, error = np.concatenate(starts), 1.0, np.inf
    sizes = np.cumsum([start.size for start in starts])[:-1]

    def at(theta: Floats, refine: float) -> CommonLikelihood:
        return _likelihood(parts, options, chance, np.split(theta, sizes), refine)

    likelihood = at(theta, refine)
    prior = Prior.joined(
        [Prior.of(part.layout, largest_trials(part.counts)) for part in likelihood.parts]
    )
    weight = np.ones(parts[0].index.size)

    def suits(theta: Floats) -> bool:
        return _suit(likelihood, at(theta, refine))

    for attempt in range(ATTEMPTS):
        summit = climb(likelihood.scores_and_information, weight, theta, prior, suits=suits)
        theta = summit.theta
        if attempt < ATTEMPTS - 1 and not suits(theta):
            likelihood = at(theta, refine)
            continue
        finer = at(theta, refine * REFINE)
        error = abs(float(finer.by_item(theta).sum()) - summit.log_likelihood)
        if error <= TOLERANCE:
            break
        refine *= REFINE
        likelihood = finer
    influence = summit.influence(weight)
    fits = []
    places = np.split(np.arange(theta.size), sizes)
    for part, own, moved, held, place in zip(
        likelihood.parts,
        np.split(theta, sizes),
        np.split(influence, sizes, axis=1),
        np.split(summit.held, sizes),
        places,
        strict=True,
    ):
        straight = upright(part.layout, own)
        sign = np.where(straight == own, 1.0, -1.0)
        fits.append(
            JointFit(
                straight,
                part,
                summit.log_likelihood,
                int((~summit.held).sum()),
                held,
                moved * sign,
                summit.information[np.ix_(place, place)] * np.outer(sign, sign),
                np.arange(weight.size),
                quadrature_error=error,
                decrement=summit.decrement,
                together=True,
            )
        )
    return fits
