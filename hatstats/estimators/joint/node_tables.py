"""Probability of every count at every node of the latent variables, with derivatives.

Nothing here knows of items: only of the distinct counts that occur. The table of a language
is its count's probability given the source logit and the shared factor, the language's own
residual integrated out:

    P(k | node q) = sum_j w_j Bin(k | n, c + (1 - c) expit(m_lq + tau_l e_j)).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hatstats.estimators.joint.binomials import CountRows, TrialTerms
from hatstats.estimators.joint.options import JointOptions, Layout, profile_basis, profile_bends
from hatstats.estimators.joint.quadrature import SINGLE, NormalRule

Floats = NDArray[np.float64]

#: Source logit that stands for an item that is never, or always, answered beyond chance.
CERTAIN = 40.0
_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Rules:
    """Quadrature of the latent variables: ability, shared factor, own residual, hardness.

    The last is common to several models, and not integrated over here: each of its nodes has
    nodes of ability, all of equal weight over the hardness.
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
class Curvature:
    """Second derivatives of the log-tables by source logit, target logit and own residual.

    Attributes
    ----------
    source : ndarray, shape (J, Q)
        Twice by the source logit.
    target : ndarray, shape (3, L, K, Q)
        Twice by the target logit; by it and tau; twice by tau.
    moves : dict of str to ndarray, shape (Q,)
        Derivative of the source logit in each parameter that it has.
    middle : dict of str to ndarray, shape (Q,) or (L, Q)
        Derivative of the target logit in each parameter that it has.
    line : ndarray, shape (L, Q)
        Second derivative of the target logit by the source logit.
    basis : dict of str to ndarray, shape (Q,)
        Derivative of each basis function of the profile by the source logit.
    """

    source: Floats
    target: Floats
    moves: dict[str, Floats]
    middle: dict[str, Floats]
    line: Floats
    basis: dict[str, Floats]


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
    curvature : Curvature or None
        If asked for.
    """

    log_weight: Floats
    source: Floats
    target: Floats
    weight_terms: dict[str, Floats]
    source_terms: tuple[Term, ...]
    target_terms: tuple[Term, ...]
    curvature: Curvature | None


@dataclass(frozen=True, slots=True)
class _Abilities:
    """Source logits at the nodes of ability (A,), point masses last, and their derivatives."""

    eta: Floats
    moves: dict[str, Floats]
    ends: int


@dataclass(frozen=True, slots=True)
class _Targets:
    """Target tables (L, K, Q), their terms and, if asked for, second derivatives."""

    table: Floats
    terms: tuple[Term, ...]
    bends: Floats | None
    middle: dict[str, Floats]


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

    def _abilities(self, theta: Floats) -> _Abilities:
        z = self.standard_ability(self.rules.ability)
        moves = {"mu": np.ones(z.size), "sigma": z}
        if self.layout.has("common"):
            hardness = self.rules.common.nodes
            moves = {name: np.tile(move, hardness.size) for name, move in moves.items()}
            moves["common"] = np.repeat(hardness, z.size)
        eta = np.zeros(moves["mu"].size)
        for name, move in moves.items():
            eta += self.layout.scalar(theta, name) * move
        return _Abilities(eta, moves, 2 if self.options.point_masses else 0)

    def make(self, theta: Floats, order: int = 1) -> Tables:
        """Tables at `theta` with derivatives up to `order`: 0 for none, 1, or 2."""
        abilities, repeat = self._abilities(theta), self.rules.factor.size
        weight, weight_terms = self.weights(theta, self.rules.ability)
        weight = np.tile(weight, self.rules.common.size)

        def spread(over_ability: Floats, *, ends: int = abilities.ends) -> Floats:
            """Repeat over the shared factor; no parameter of the line moves the point masses."""
            if ends:
                width = [(0, 0)] * (over_ability.ndim - 1) + [(0, ends)]
                over_ability = np.pad(over_ability, width)
            return over_ability if repeat == 1 else np.repeat(over_ability, repeat, axis=-1)

        source, terms, bend = self._source(theta, abilities, order)
        target = self._target(theta, abilities, spread, order)
        if repeat > 1:
            weight = (weight[:, None] + np.log(self.rules.factor.weights)).ravel()
            weight_terms = {name: np.repeat(v, repeat) for name, v in weight_terms.items()}
            source = spread(source, ends=0)
            terms = [Term(t.name, spread(t.base, ends=0), spread(t.chain, ends=0)) for t in terms]
        curved = None
        if bend is not None and target.bends is not None:
            line, slopes = self._bends(theta, abilities.eta)
            curved = Curvature(
                spread(bend, ends=0),
                target.bends,
                {name: spread(move) for name, move in abilities.moves.items()},
                target.middle,
                spread(line),
                {name: spread(slope) for name, slope in slopes.items()},
            )
        return Tables(
            weight, source, target.table, weight_terms, tuple(terms), target.terms, curved
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

    def _trials(self, rows: CountRows, theta: Floats, logit: Floats, order: int) -> TrialTerms:
        chance = self.chance_level(theta)
        if self.options.beta_binomial:
            omega = self.layout.scalar(theta, "spread") ** 2
            return rows.beta_binomial(logit, chance, omega, order=order)
        by_chance = order > 0 and self.layout.has("chance")
        return rows.binomial(logit, chance, by_chance=by_chance, order=order)

    def _shared_terms(self, theta: Floats, terms: TrialTerms) -> list[tuple[str, Floats, float]]:
        """Parameters of the trials: name, base, and the derivative of its transformation."""
        found: list[tuple[str, Floats, float]] = []
        if self.layout.has("chance") and terms.by_chance is not None:
            chance = self.chance_level(theta)
            found.append(("chance", terms.by_chance, chance * (1.0 - chance)))
        if self.options.beta_binomial and terms.by_spread is not None:
            found.append(("spread", terms.by_spread, 2.0 * self.layout.scalar(theta, "spread")))
        return found

    def _source(
        self, theta: Floats, abilities: _Abilities, order: int
    ) -> tuple[Floats, list[Term], Floats | None]:
        """Source table over abilities (J, A), its terms, and its second derivative by the logit."""
        certain = np.array([-CERTAIN, CERTAIN])[: abilities.ends]
        at = np.concatenate([abilities.eta, certain])
        terms = self._trials(self.source_rows, theta, at, order)
        if terms.by_logit is None:
            return terms.log_pmf, [], None
        still = np.zeros(certain.size)
        found = [
            Term(name, terms.by_logit, np.concatenate([move, still]))
            for name, move in abilities.moves.items()
        ]
        for name, base, slope in self._shared_terms(theta, terms):
            found.append(Term(name, base, np.full(at.size, slope)))
        return terms.log_pmf, found, terms.bend

    def line(self, theta: Floats, eta: Floats) -> tuple[Floats, Floats, Floats]:
        """Target logits (L, A) at source logits `eta`, their slopes (L, A), the basis (D, A)."""
        basis, slope = profile_basis(self.options.profile, eta)
        coefficients = self.layout.coefficients(theta)
        return coefficients.T @ basis, coefficients.T @ slope, basis

    def _bends(self, theta: Floats, eta: Floats) -> tuple[Floats, dict[str, Floats]]:
        """Second derivative of the line (L, A), and the slope of each basis function (A,)."""
        _, slopes = profile_basis(self.options.profile, eta)
        bends = profile_bends(self.options.profile, eta)
        # The profile's coefficients come first among the local names.
        named = dict(zip(self.layout.local_names, slopes, strict=False))
        return self.layout.coefficients(theta).T @ bends, named

    def _residual_means(self, theta: Floats, nodes: Floats, order: int) -> dict[str, Floats]:
        """P(k | node) with the own residual integrated out, and its derivatives, each (L, K, Q).

        Parameters
        ----------
        theta : ndarray, shape (P,)
        nodes : ndarray, shape (L, Q)
            Target logits without the own residual.
        order : int
            Of the derivatives; with 2, ``bends`` (L, K, Q, 3) are the second, see `Curvature`.
        """
        residual = self.rules.residual
        tau = theta[self.layout.place("tau")]
        logit = nodes[:, :, None] + tau[:, None, None] * residual.nodes
        logit = logit.reshape(tau.size, nodes.shape[1] * residual.size)
        terms = self._trials(self.target_rows, theta, logit, order)
        pmf = np.exp(terms.log_pmf, out=terms.log_pmf)
        shape = (*pmf.shape[:2], nodes.shape[1], residual.size)
        means = {"table": pmf.reshape(shape) @ residual.weights}
        powers = residual.nodes[:, None] ** np.arange(3) * residual.weights[:, None]
        if terms.by_logit is not None:
            moved = (pmf * terms.by_logit).reshape(shape) @ powers[:, :2]
            means |= {"middle": moved[..., 0], "tau": moved[..., 1]}
        if terms.by_logit is not None and terms.bend is not None:
            means["bends"] = (pmf * (terms.by_logit**2 + terms.bend)).reshape(shape) @ powers
        for name, base, step in self._shared_terms(theta, terms):
            means[name] = step * ((pmf * base).reshape(shape) @ residual.weights)
        if self.layout.has("transfers"):
            return self._mixed(theta, means)
        return means

    def _mixed(self, theta: Floats, means: dict[str, Floats]) -> dict[str, Floats]:
        """An item transfers with a probability; where it does not, it is answered by chance."""
        logit = theta[self.layout.place("transfers")][:, None, None]
        share, rest = special.expit(logit), special.expit(-logit)
        order = int("middle" in means)
        terms = self._trials(self.target_rows, theta, np.array([-CERTAIN]), order)
        guessed = np.exp(terms.log_pmf)
        bends = means.pop("bends", None)
        mixed = {name: share * value for name, value in means.items()}
        if order:
            mixed["transfers"] = share * rest * (means["table"] - guessed)
        mixed["table"] = mixed["table"] + rest * guessed
        for name, base, step in self._shared_terms(theta, terms):
            mixed[name] = mixed[name] + rest * step * guessed * base
        if bends is not None:
            mixed["bends"] = share[..., None] * bends
        return mixed

    def _target(
        self,
        theta: Floats,
        abilities: _Abilities,
        spread: Callable[[Floats], Floats],
        order: int,
    ) -> _Targets:
        layout, factor = self.layout, self.rules.factor
        middle, slope, basis = self.line(theta, abilities.eta)
        if abilities.ends:
            sides = [theta[layout.place(name)] for name in ("at_never", "at_always")]
            middle = np.column_stack([middle, *sides])
        nodes = middle[:, :, None] + layout.scalar(theta, "rho") * factor.nodes
        means = self._residual_means(
            theta,
            nodes.reshape(len(nodes), middle.shape[1] * factor.size),
            order,
        )
        table = np.maximum(means.pop("table"), _TINY)
        if not order:
            return _Targets(np.log(table), (), None, {})
        bends = means.pop("bends", None)
        bases = {name: value / table for name, value in means.items()}
        by_middle = bases.pop("middle")
        chains = {name: spread(slope * move) for name, move in abilities.moves.items()}
        # The profile's coefficients come first among the local names.
        for name, column in zip(layout.local_names, basis, strict=False):
            chains[name] = spread(column)
        if layout.has("rho"):
            chains["rho"] = np.tile(factor.nodes, middle.shape[1])
        if abilities.ends:
            for place, name in ((-2, "at_never"), (-1, "at_always")):
                at = np.zeros(middle.shape[1])
                at[place] = 1.0
                chains[name] = np.repeat(at, factor.size)
        found = [Term(name, by_middle, chain) for name, chain in chains.items()]
        ones = np.ones(table.shape[2])
        found += [Term(name, base, ones) for name, base in bases.items()]
        curved = None
        if bends is not None:
            by_tau = bases["tau"]
            curved = np.moveaxis(bends, -1, 0) / table
            curved -= np.array([by_middle**2, by_middle * by_tau, by_tau**2])
        return _Targets(np.log(table), tuple(found), curved, chains)
