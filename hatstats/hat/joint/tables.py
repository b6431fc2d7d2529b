"""Probability of every count at every node of the latent variables, with derivatives.

Nothing here knows of items: only of the distinct counts that occur. The table of a language
is its count's probability given the source logit and the shared factor, the language's own
residual integrated out:

    P(k | node q) = sum_j w_j Bin(k | n, c + (1 - c) expit(m_lq + tau_l e_j)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hatstats.hat.joint.options import JointOptions, Layout, profile_basis
from hatstats.hat.joint.promptings import CountRows, PromptingTerms
from hatstats.hat.quadrature import SINGLE, NormalRule

Floats = NDArray[np.float64]

#: Source logit that stands for an item that is never, or always, answered beyond chance.
CERTAIN = 40.0
_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Rules:
    """Quadrature of the three latent variables: ability, shared factor, own residual."""

    ability: NormalRule
    factor: NormalRule = SINGLE
    residual: NormalRule = SINGLE

    def no_finer_than(self, other: Rules) -> bool:
        """Whether every rule has at most a tenth more nodes than that of `other`."""
        mine = (self.ability, self.factor, self.residual)
        theirs = (other.ability, other.factor, other.residual)
        return all(a.size <= 1.1 * b.size for a, b in zip(mine, theirs, strict=True))


@dataclass(frozen=True, slots=True)
class Term:
    """How one parameter moves one table: ``d log table / d parameter = base * chain``.

    Attributes
    ----------
    name : str
    base : ndarray, shape (K, Q) for the source, (L, K, Q) for the targets
    chain : ndarray, shape (Q,) or (L, Q)
    """

    name: str
    base: Floats
    chain: Floats


@dataclass(frozen=True, slots=True)
class Tables:
    """Log-probabilities at the Q nodes, and how each parameter moves them.

    Attributes
    ----------
    log_weight : ndarray, shape (Q,)
        Logarithm of the nodes' probability.
    source : ndarray, shape (J, Q)
    target : ndarray, shape (L, K, Q)
    weight_terms : dict of str to ndarray, shape (Q,)
    source_terms, target_terms : tuple of Term
    """

    log_weight: Floats
    source: Floats
    target: Floats
    weight_terms: dict[str, Floats]
    source_terms: tuple[Term, ...]
    target_terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class TableMaker:
    """What the tables are made from, apart from the parameters.

    Attributes
    ----------
    options : JointOptions
    layout : Layout
    chance : float
        The benchmark's chance level, used unless it is estimated.
    source_rows, target_rows : CountRows
    rules : Rules
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

    def standard_ability(self, rule: NormalRule) -> Floats:
        """Standardised abilities at a rule's nodes, shape (A,): themselves, or t quantiles."""
        nodes = rule.nodes
        if self.options.t_df is None:
            return nodes
        upper = special.stdtrit(self.options.t_df, special.ndtr(-np.abs(nodes)))
        return np.asarray(-np.sign(nodes) * upper)

    def make(self, theta: Floats) -> Tables:
        """Tables at `theta`."""
        factors = self.rules.factor
        z = self.standard_ability(self.rules.ability)
        eta = self.layout.scalar(theta, "mu") + self.layout.scalar(theta, "sigma") * z
        weight, weight_terms = self.weights(theta, self.rules.ability)
        source, source_terms = self._source(theta, eta, z)
        target, target_terms = self._target(theta, eta, z)
        repeat = factors.size
        if repeat == 1:
            terms = tuple(source_terms)
            return Tables(weight, source, target, weight_terms, terms, target_terms)
        return Tables(
            log_weight=(weight[:, None] + np.log(factors.weights)).ravel(),
            source=np.repeat(source, repeat, axis=1),
            target=target,
            weight_terms={name: np.repeat(v, repeat) for name, v in weight_terms.items()},
            source_terms=tuple(
                Term(t.name, np.repeat(t.base, repeat, axis=1), np.repeat(t.chain, repeat))
                for t in source_terms
            ),
            target_terms=target_terms,
        )

    def weights(self, theta: Floats, rule: NormalRule) -> tuple[Floats, dict[str, Floats]]:
        """Log-probabilities of abilities, the two point masses last, and their derivatives."""
        smooth = np.log(rule.weights)
        if not self.options.point_masses:
            return smooth, {}
        logits = np.array(
            [0.0, self.layout.scalar(theta, "never"), self.layout.scalar(theta, "always")]
        )
        mass = special.softmax(logits)
        log_mass = special.log_softmax(logits)
        weight = np.r_[smooth + log_mass[0], log_mass[1:]]
        terms = {}
        for place, name in ((1, "never"), (2, "always")):
            terms[name] = np.full(weight.size, -mass[place])
            terms[name][smooth.size + place - 1] += 1.0
        return weight, terms

    def _promptings(self, rows: CountRows, theta: Floats, logit: Floats) -> PromptingTerms:
        chance = self.chance_level(theta)
        if self.options.beta_binomial:
            omega = self.layout.scalar(theta, "spread") ** 2
            return rows.beta_binomial(logit, chance, omega)
        return rows.binomial(logit, chance, by_chance=self.layout.has("chance"))

    def _shared_terms(
        self, theta: Floats, terms: PromptingTerms
    ) -> list[tuple[str, Floats, float]]:
        """Parameters of the promptings: name, base, and the derivative of its transformation."""
        found: list[tuple[str, Floats, float]] = []
        if self.layout.has("chance") and terms.by_chance is not None:
            chance = self.chance_level(theta)
            found.append(("chance", terms.by_chance, chance * (1.0 - chance)))
        if self.options.beta_binomial and terms.by_spread is not None:
            found.append(("spread", terms.by_spread, 2.0 * self.layout.scalar(theta, "spread")))
        return found

    def _source(self, theta: Floats, eta: Floats, z: Floats) -> tuple[Floats, list[Term]]:
        """Source table over abilities (J, A) and its terms."""
        certain = np.array([-CERTAIN, CERTAIN]) if self.options.point_masses else np.zeros(0)
        at = np.concatenate([eta, certain])
        terms = self._promptings(self.source_rows, theta, at)
        inside = np.concatenate([np.ones(eta.size), np.zeros(certain.size)])
        stretched = np.concatenate([z, np.zeros(certain.size)])
        found = [
            Term("mu", terms.by_logit, inside),
            Term("sigma", terms.by_logit, stretched),
        ]
        for name, base, slope in self._shared_terms(theta, terms):
            found.append(Term(name, base, np.full(at.size, slope)))
        return terms.log_pmf, found

    def line(self, theta: Floats, eta: Floats) -> tuple[Floats, Floats, Floats]:
        """Target logits (L, A) at source logits `eta`, their slopes (L, A), the basis (D, A)."""
        basis, slope = profile_basis(self.options.profile, eta)
        coefficients = self.layout.coefficients(theta)
        return coefficients.T @ basis, coefficients.T @ slope, basis

    def _residual_means(self, theta: Floats, nodes: Floats) -> dict[str, Floats]:
        """P(k | node) with the own residual integrated out, and its derivatives, each (L, K, Q).

        Parameters
        ----------
        theta : ndarray, shape (P,)
        nodes : ndarray, shape (L, Q)
            Target logits without the own residual.
        """
        residual = self.rules.residual
        tau = theta[self.layout.place("tau")]
        logit = nodes[:, :, None] + tau[:, None, None] * residual.nodes
        terms = self._promptings(
            self.target_rows, theta, logit.reshape(tau.size, nodes.shape[1] * residual.size)
        )
        pmf = np.exp(terms.log_pmf)
        shape = (*pmf.shape[:2], nodes.shape[1], residual.size)
        weights = np.column_stack([residual.weights, residual.weights * residual.nodes])
        moved = (pmf * terms.by_logit).reshape(shape) @ weights
        means = {
            "table": pmf.reshape(shape) @ residual.weights,
            "middle": moved[..., 0],
            "tau": moved[..., 1],
        }
        for name, base, step in self._shared_terms(theta, terms):
            means[name] = step * ((pmf * base).reshape(shape) @ residual.weights)
        if self.layout.has("transfers"):
            return self._mixed(theta, means)
        return means

    def _mixed(self, theta: Floats, means: dict[str, Floats]) -> dict[str, Floats]:
        """An item transfers with a probability; where it does not, it is answered by chance."""
        logit = theta[self.layout.place("transfers")][:, None, None]
        share, rest = special.expit(logit), special.expit(-logit)
        terms = self._promptings(self.target_rows, theta, np.array([-CERTAIN]))
        guessed = np.exp(terms.log_pmf)
        mixed = {name: share * value for name, value in means.items()}
        mixed["transfers"] = share * rest * (means["table"] - guessed)
        mixed["table"] = mixed["table"] + rest * guessed
        for name, base, step in self._shared_terms(theta, terms):
            mixed[name] = mixed[name] + rest * step * guessed * base
        return mixed

    def _target(self, theta: Floats, eta: Floats, z: Floats) -> tuple[Floats, tuple[Term, ...]]:
        """Target tables (L, K, Q) and their terms."""
        layout, factor = self.layout, self.rules.factor
        middle, slope, basis = self.line(theta, eta)
        ends = 2 if self.options.point_masses else 0
        if ends:
            sides = [theta[layout.place(name)] for name in ("at_never", "at_always")]
            middle = np.column_stack([middle, *sides])
        nodes = middle[:, :, None] + layout.scalar(theta, "rho") * factor.nodes
        means = self._residual_means(
            theta, nodes.reshape(len(nodes), middle.shape[1] * factor.size)
        )
        table = np.maximum(means.pop("table"), _TINY)
        bases = {name: value / table for name, value in means.items()}

        def chain(over_ability: Floats) -> Floats:
            """Derivative of the middle by node: none of the line's parameters move the ends."""
            if not ends and factor.size == 1:
                return over_ability
            width = [(0, 0)] * (over_ability.ndim - 1) + [(0, ends)]
            return np.repeat(np.pad(over_ability, width), factor.size, axis=-1)

        by_middle = bases.pop("middle")
        found = [Term("mu", by_middle, chain(slope)), Term("sigma", by_middle, chain(slope * z))]
        # The profile's coefficients come first among the local names.
        for name, column in zip(layout.local_names, basis, strict=False):
            found.append(Term(name, by_middle, chain(column)))
        if layout.has("rho"):
            found.append(Term("rho", by_middle, np.tile(factor.nodes, middle.shape[1])))
        if ends:
            for place, name in ((-2, "at_never"), (-1, "at_always")):
                at = np.zeros(middle.shape[1])
                at[place] = 1.0
                found.append(Term(name, by_middle, np.repeat(at, factor.size)))
        ones = np.ones(table.shape[2])
        found += [Term(name, base, ones) for name, base in bases.items()]
        return np.log(table), tuple(found)
