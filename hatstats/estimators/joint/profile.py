"""From a fitted `joint` model to its transfer profile and distribution of source accuracy.

With c the chance level, ``x = c + (1 - c) expit(eta)`` and v_l^2 the variance of the residuals of
language l (its own and the shared factor's),

    T_l(x) = c + (1 - c) w_l E expit(m_l(eta) + v_l Z),      Z ~ N(0, 1),

w_l the probability that an item transfers (1 unless the model has it). The residual is integrated
over, never set to its mean: a logistic mean is not the logistic of a mean.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hatstats.estimators.joint.fit import JointFit
from hatstats.estimators.joint.node_tables import TableMaker
from hatstats.estimators.joint.quadrature import normal_rule

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: Source logits of the grid between its ends, and the logit that stands for an end.
_INNER = np.linspace(-8.0, 8.0, 97)
_END = 12.0
_RESIDUAL = normal_rule(0.25, 1e-9)
_ABILITY = normal_rule(0.05, 1e-9)


def source_grid(chance: float) -> Floats:
    """Grid of source accuracy, from the chance level to 1, even on the logit scale."""
    return np.concatenate([[chance], chance + (1.0 - chance) * special.expit(_INNER), [1.0]])


@dataclass(frozen=True, slots=True)
class Curve:
    """Profiles on a grid and their derivatives.

    Attributes
    ----------
    profile : ndarray, shape (L, Q)
    slopes : dict of str to ndarray, shape (L, Q)
        Derivative with respect to each parameter by name; a local one moves its language only.
    """

    profile: Floats
    slopes: dict[str, Floats]


def _logit_of(grid: Floats, chance: float) -> tuple[Floats, Floats]:
    """Source logit of each accuracy, held within the grid's ends, and its slope in `chance`."""
    share = (grid - chance) / (1.0 - chance)
    low = special.expit(-_END)
    inside = (share > low) & (share < 1.0 - low)
    held = np.clip(share, low, 1.0 - low)
    slope = -(1.0 - grid) / (1.0 - chance) ** 2 / (held * (1.0 - held))
    return special.logit(held), np.where(inside, slope, 0.0)


def profile_curve(maker: TableMaker, theta: Floats, grid: Floats) -> Curve:
    """T_l on `grid` (Q,), with derivatives.

    Parameters
    ----------
    maker : TableMaker
    theta : ndarray, shape (P,)
    grid : ndarray, shape (Q,)
        Source accuracies.

    Returns
    -------
    Curve
    """
    layout = maker.layout
    chance = maker.chance_level(theta)
    eta, eta_by_chance = _logit_of(grid, chance)
    middle, rise, basis = maker.line(theta, eta)
    inner = np.ones(grid.size)
    if maker.options.point_masses:
        inner[[0, -1]] = 0.0
        middle[:, 0] = theta[layout.place("at_never")]
        middle[:, -1] = theta[layout.place("at_always")]
    tau, rho = theta[layout.place("tau")], layout.scalar(theta, "rho")
    spread = np.hypot(tau, rho)
    right = special.expit(middle[:, :, None] + spread[:, None, None] * _RESIDUAL.nodes)
    mean = right @ _RESIDUAL.weights
    steep = right * (1.0 - right)
    by_middle = steep @ _RESIDUAL.weights
    by_spread = steep @ (_RESIDUAL.weights * _RESIDUAL.nodes)
    share = np.ones((layout.n_languages, 1))
    if layout.has("transfers"):
        share = special.expit(theta[layout.place("transfers")])[:, None]
    scale = (1.0 - chance) * share
    safe = np.maximum(spread, 1e-300)
    slopes = {"tau": scale * by_spread * (tau / safe)[:, None]}
    # The profile's coefficients come first among the local names.
    for name, column in zip(layout.local_names, basis, strict=False):
        slopes[name] = scale * by_middle * (column * inner)
    if layout.has("rho"):
        slopes["rho"] = scale * by_spread * (rho / safe)[:, None]
    if layout.has("transfers"):
        slopes["transfers"] = scale * (1.0 - share) * mean
    if maker.options.point_masses:
        for place, name in ((0, "at_never"), (-1, "at_always")):
            slopes[name] = np.zeros_like(by_middle)
            slopes[name][:, place] = (scale * by_middle)[:, place]
    if layout.has("chance"):
        moved = (1.0 - share * mean) + scale * by_middle * rise * (eta_by_chance * inner)
        slopes["chance"] = chance * (1.0 - chance) * moved
    return Curve(chance + scale * mean, slopes)


@dataclass(frozen=True, slots=True)
class _Abilities:
    """Own distribution of source accuracy as weighted points, with derivatives of both."""

    accuracy: Floats
    weight: Floats
    accuracy_slopes: dict[str, Floats]
    weight_slopes: dict[str, Floats]


def _abilities(maker: TableMaker, theta: Floats) -> _Abilities:
    layout = maker.layout
    chance = maker.chance_level(theta)
    z = maker.standard_ability(_ABILITY)
    parts = [name for name in ("sigma", "common") if layout.has(name)]
    spread = float(np.hypot.reduce([layout.scalar(theta, name) for name in parts]))
    right = special.expit(layout.scalar(theta, "mu") + spread * z)
    log_weight, weight_terms = maker.weights(theta, _ABILITY)
    weight = np.exp(log_weight)
    ends = weight.size - z.size
    right = np.concatenate([right, [0.0, 1.0][:ends]])
    steep = (1.0 - chance) * right * (1.0 - right)
    slopes = {"mu": steep}
    for name in parts:
        share = layout.scalar(theta, name) / max(spread, 1e-300)
        slopes[name] = share * steep * np.pad(z, (0, ends))
    if layout.has("chance"):
        slopes["chance"] = chance * (1.0 - chance) * (1.0 - right)
    return _Abilities(
        chance + (1.0 - chance) * right,
        weight,
        slopes,
        {name: weight * slope for name, slope in weight_terms.items()},
    )


@dataclass(frozen=True, slots=True, eq=False)
class JointModel:
    """`joint` profile of one model on one benchmark.

    Attributes
    ----------
    fit : JointFit
    asked : ndarray of int, shape (A,)
        Which of the benchmark's L languages the model was asked in.
    n_languages : int
        L.
    grid : ndarray, shape (Q,)
    distribution : ndarray, shape (Q,)
        Fitted distribution of source accuracy, each point's mass shared between its neighbours
        on the grid so that means are kept.
    profile : ndarray, shape (L, Q)
        NaN for a language that the model was never asked in.
    """

    fit: JointFit
    asked: Ints
    n_languages: int
    grid: Floats
    distribution: Floats = field(init=False)
    profile: Floats = field(init=False)
    _curve: Curve = field(init=False)
    _abilities: _Abilities = field(init=False)

    def __post_init__(self) -> None:
        maker, theta = self.fit.likelihood.maker, self.fit.theta
        curve, abilities = profile_curve(maker, theta, self.grid), _abilities(maker, theta)
        profile = np.full((self.n_languages, self.grid.size), np.nan)
        profile[self.asked] = curve.profile
        place, share = self._between(abilities.accuracy)
        distribution = np.zeros(self.grid.size)
        np.add.at(distribution, place, abilities.weight * (1.0 - share))
        np.add.at(distribution, place + 1, abilities.weight * share)
        for name, value in (
            ("profile", profile),
            ("distribution", distribution),
            ("_curve", curve),
            ("_abilities", abilities),
        ):
            object.__setattr__(self, name, value)

    def _between(self, accuracy: Floats) -> tuple[Ints, Floats]:
        """Cell of the grid that holds each accuracy, and how far into it, from 0 to 1."""
        place = np.clip(np.searchsorted(self.grid, accuracy) - 1, 0, self.grid.size - 2)
        low, high = self.grid[place], self.grid[place + 1]
        return place, np.clip((accuracy - low) / (high - low), 0.0, 1.0)

    def _by_item(self, gradient: Floats) -> Floats:
        """Influence of items (N, R) on functionals whose derivative in theta is (P, R)."""
        index = self.fit.index
        influence = np.zeros((index.size, gradient.shape[1]))
        influence[index >= 0] = (self.fit.influence @ gradient)[index[index >= 0]]
        return influence

    def profile_influence(self, weights: Floats) -> Floats:
        """Influence of each item on ``sum_q weights_q T_l(q)``, shape (N, L)."""
        layout = self.fit.layout
        gradient = np.zeros((layout.size, self.asked.size))
        for name, slopes in self._curve.slopes.items():
            at = layout.place(name)
            moved = slopes @ weights
            gradient[at] = moved if name in layout.global_names else np.diag(moved)
        influence = np.zeros((self.fit.index.size, self.n_languages))
        influence[:, self.asked] = self._by_item(gradient)
        return influence

    def distribution_influence(self, values: Floats) -> Floats:
        """Influence of each item on ``sum_q g(q) values_qr``, shape (N, R) for values (Q, R)."""
        layout, points = self.fit.layout, self._abilities
        place, share = self._between(points.accuracy)
        steps = np.diff(values, axis=0)
        slope = (steps / np.diff(self.grid)[:, None])[place] * points.weight[:, None]
        here = values[place] + steps[place] * share[:, None]
        gradient = np.zeros((layout.size, values.shape[1]))
        for name, moved in points.accuracy_slopes.items():
            gradient[layout.place(name)] += moved @ slope
        for name, moved in points.weight_slopes.items():
            gradient[layout.place(name)] += moved @ here
        return self._by_item(gradient)
