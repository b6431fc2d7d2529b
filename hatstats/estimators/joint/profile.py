"""From a fitted `joint` model to its transfer profile and distribution of source accuracy.

With c the chance level, ``x = c + (1 - c) expit(eta)`` and v_l^2 the variance of the residuals of
language l (its own and the shared factor's),

    T_l(x) = c + (1 - c) E expit(alpha_l + beta_l eta + v_l Z),      Z ~ N(0, 1).

The residual is integrated over, never set to its mean: a logistic mean is not the logistic of a
mean.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import special

from hatstats.estimators.joint.fit import JointFit
from hatstats.estimators.joint.node_tables import TableMaker
from hatstats.estimators.joint.options import LOCAL
from hatstats.estimators.joint.quadrature import normal_rule
from hatstats.inference.arrays import Floats, Ints
from hatstats.scores.wordings import WordingCorrelation

#: Source logits of the grid between its ends, and the logit that stands for an end.
_INNER = np.linspace(-8.0, 8.0, 97)
_END = 12.0
_RESIDUAL = normal_rule(0.25, 1e-9)
_ABILITY = normal_rule(0.05, 1e-9)


def source_grid(chance: float) -> Floats:
    """Grid of source accuracy, from the chance level to 1, even on the logit scale."""
    return np.concatenate([[chance], chance + (1.0 - chance) * special.expit(_INNER), [1.0]])


def _logit_of(grid: Floats, chance: float) -> tuple[Floats, Floats]:
    """Source logit of each accuracy, held within the grid's ends, and its slope in `chance`."""
    share = (grid - chance) / (1.0 - chance)
    low = special.expit(-_END)
    inside = (share > low) & (share < 1.0 - low)
    held = np.clip(share, low, 1.0 - low)
    slope = -(1.0 - grid) / (1.0 - chance) ** 2 / (held * (1.0 - held))
    return special.logit(held), np.where(inside, slope, 0.0)


def profile_curve(
    maker: TableMaker, theta: Floats, grid: Floats
) -> tuple[Floats, dict[str, Floats]]:
    """Transfer profile T_l on a grid (Q,) of source accuracies, and its derivatives by name.

    Each (L, Q); a local parameter moves its language only.
    """
    layout = maker.layout
    chance = maker.chance_level(theta)
    eta, eta_by_chance = _logit_of(grid, chance)
    alpha, beta, tau = (theta[layout.position(name)][:, None] for name in LOCAL)
    rho = layout.scalar(theta, "rho")
    spread = np.hypot(tau, rho)
    right = special.expit((alpha + beta * eta)[:, :, None] + spread[:, :, None] * _RESIDUAL.nodes)
    mean = right @ _RESIDUAL.weights
    steep = (1.0 - chance) * right * (1.0 - right)
    by_logit = steep @ _RESIDUAL.weights
    by_spread = steep @ (_RESIDUAL.weights * _RESIDUAL.nodes) / np.maximum(spread, 1e-300)
    slopes = {"alpha": by_logit, "beta": by_logit * eta, "tau": by_spread * tau}
    if layout.has("rho"):
        slopes["rho"] = by_spread * rho
    if layout.has("chance"):
        moved = (1.0 - mean) + by_logit * beta * eta_by_chance
        slopes["chance"] = chance * (1.0 - chance) * moved
    return chance + (1.0 - chance) * mean, slopes


def _source_accuracy(maker: TableMaker, theta: Floats) -> tuple[Floats, dict[str, Floats]]:
    """Source accuracy at the nodes of `_ABILITY`, and its derivatives by name, each (A,)."""
    layout = maker.layout
    chance = maker.chance_level(theta)
    deviations = [name for name in ("sigma", "common") if layout.has(name)]
    spread = float(np.hypot.reduce([layout.scalar(theta, name) for name in deviations]))
    right = special.expit(layout.scalar(theta, "mu") + spread * _ABILITY.nodes)
    steep = (1.0 - chance) * right * (1.0 - right)
    slopes = {"mu": steep}
    for name in deviations:
        share = layout.scalar(theta, name) / max(spread, 1e-300)
        slopes[name] = share * steep * _ABILITY.nodes
    if layout.has("chance"):
        slopes["chance"] = chance * (1.0 - chance) * (1.0 - right)
    return chance + (1.0 - chance) * right, slopes


@dataclass(frozen=True, slots=True, eq=False)
class JointModel:
    """`joint` profile (L, Q) of one model on a grid (Q,), in a benchmark of L languages.

    NaN for a language that the model was never asked in. The distribution of source accuracy (Q,)
    shares each point's mass between its neighbours on the grid, so that means are kept.
    """

    fit: JointFit
    n_languages: int
    grid: Floats
    distribution: Floats = field(init=False)
    profile: Floats = field(init=False)
    _profile_slopes: dict[str, Floats] = field(init=False)
    _accuracy: Floats = field(init=False)
    _accuracy_slopes: dict[str, Floats] = field(init=False)

    def __post_init__(self) -> None:
        maker, theta = self.fit.likelihood.maker, self.fit.theta
        curve, profile_slopes = profile_curve(maker, theta, self.grid)
        profile = np.full((self.n_languages, self.grid.size), np.nan)
        profile[self.asked] = curve
        accuracy, accuracy_slopes = _source_accuracy(maker, theta)
        cell, share = self._cells(accuracy)
        distribution = np.zeros(self.grid.size)
        np.add.at(distribution, cell, _ABILITY.weights * (1.0 - share))
        np.add.at(distribution, cell + 1, _ABILITY.weights * share)
        for name, value in (
            ("profile", profile),
            ("distribution", distribution),
            ("_profile_slopes", profile_slopes),
            ("_accuracy", accuracy),
            ("_accuracy_slopes", accuracy_slopes),
        ):
            object.__setattr__(self, name, value)

    @property
    def asked(self) -> Ints:
        """Which of the benchmark's languages the model was asked in."""
        return self.fit.likelihood.patterns.asked

    def _cells(self, accuracy: Floats) -> tuple[Ints, Floats]:
        """Cell of the grid that holds each accuracy (A,), and how far into it, from 0 to 1."""
        cell = np.clip(np.searchsorted(self.grid, accuracy) - 1, 0, self.grid.size - 2)
        low, high = self.grid[cell], self.grid[cell + 1]
        return cell, np.clip((accuracy - low) / (high - low), 0.0, 1.0)

    def _by_item(self, gradient: Floats) -> Floats:
        """Influence of items (N, R) on functionals whose derivative in theta is (P, R)."""
        index = self.fit.index
        influence = np.zeros((index.size, gradient.shape[1]))
        influence[index >= 0] = (self.fit.influence @ gradient)[index[index >= 0]]
        return influence

    @property
    def trial_correlation(self) -> WordingCorrelation | None:
        """Correlation of two trials of an item; None where they are fitted as independent."""
        layout = self.fit.layout
        if not layout.has("spread"):
            return None
        spread = layout.scalar(self.fit.theta, "spread")
        gradient = np.zeros((layout.size, 1))
        gradient[layout.position("spread")] = 2.0 * spread / (1.0 + spread**2) ** 2
        value = spread**2 / (1.0 + spread**2)
        return WordingCorrelation(value, self._by_item(gradient)[:, 0])

    def profile_influence(self, weights: Floats) -> Floats:
        """Influence of each item on ``sum_q weights_q T_l(q)``, shape (N, L)."""
        layout = self.fit.layout
        gradient = np.zeros((layout.size, self.asked.size))
        for name, slopes in self._profile_slopes.items():
            moved = slopes @ weights
            gradient[layout.position(name)] = moved if layout.has(name) else np.diag(moved)
        influence = np.zeros((self.fit.index.size, self.n_languages))
        influence[:, self.asked] = self._by_item(gradient)
        return influence

    def distribution_influence(self, values: Floats) -> Floats:
        """Influence of each item on ``sum_q g(q) values_qr``, shape (N, R) for values (Q, R)."""
        layout = self.fit.layout
        cell, _ = self._cells(self._accuracy)
        steps = np.diff(values, axis=0)
        slope = (steps / np.diff(self.grid)[:, None])[cell] * _ABILITY.weights[:, None]
        gradient = np.zeros((layout.size, values.shape[1]))
        for name, moved in self._accuracy_slopes.items():
            gradient[layout.position(name)] = moved @ slope
        return self._by_item(gradient)
