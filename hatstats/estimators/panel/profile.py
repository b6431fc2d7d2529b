"""From the fitted stages of a panel to one model's profile and its distribution."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import special

from hatstats.estimators.panel.quadrature import normal_nodes
from hatstats.estimators.panel.stages import Panel
from hatstats.inference.arrays import Floats

#: Source logits of the grid between its ends, and the logit that stands for an end.
_INNER = np.linspace(-8.0, 8.0, 97)
END = 12.0
_NODES, _WEIGHTS = normal_nodes(0.1)


def source_grid(chance: float) -> Floats:
    """Grid of source accuracy, from the chance level to 1, even on the logit scale."""
    return np.concatenate([[chance], chance + (1.0 - chance) * special.expit(_INNER), [1.0]])


@dataclass(frozen=True, slots=True, eq=False)
class PanelModel:
    """Profile (L, Q) of model `m` of a panel on a grid (Q,), and its distribution (Q,).

    NaN for a language that the model was never asked in. The distribution shares each point's mass
    between its neighbours on the grid, so that means are kept.
    """

    panel: Panel
    m: int
    grid: Floats
    distribution: Floats = field(init=False)
    profile: Floats = field(init=False)
    _slopes: Floats = field(init=False)
    _by_item: Floats = field(init=False)
    _by_eta: Floats = field(init=False)
    _by_sigma: Floats = field(init=False)

    def __post_init__(self) -> None:
        panel, m = self.panel, self.m
        chance = panel.sources.data.chance
        z = np.r_[-END, _INNER, END]
        level, slope = panel.languages[m].theta[:, :, None]
        share = special.expit(level + slope * z)
        steep = (1.0 - chance) * share * (1.0 - share)
        slopes = np.stack([steep, steep * z], axis=1)
        profile = chance + (1.0 - chance) * share
        profile[~panel.asked[m]] = np.nan
        weight = panel.sources.data.weights[m]
        tables = self._tables()
        for name, value in (
            ("profile", profile),
            ("_slopes", slopes),
            ("distribution", weight @ tables[0] / weight.sum()),
            ("_by_item", tables[0]),
            ("_by_eta", tables[1]),
            ("_by_sigma", tables[2]),
        ):
            object.__setattr__(self, name, value)

    def _tables(self) -> tuple[Floats, Floats, Floats]:
        """Distribution of x of each item (N, Q), its derivatives by the logit and by sigma."""
        sources = self.panel.sources
        eta, chance = sources.eta[self.m], sources.data.chance
        share = special.expit(eta[:, None] + sources.sigma * _NODES)
        x = chance + (1.0 - chance) * share
        cell = np.clip(np.searchsorted(self.grid, x) - 1, 0, self.grid.size - 2)
        width = self.grid[cell + 1] - self.grid[cell]
        upper = _WEIGHTS * np.clip((x - self.grid[cell]) / width, 0.0, 1.0)
        moved = _WEIGHTS * (1.0 - chance) * share * (1.0 - share) / width
        size = eta.size * self.grid.size
        place = cell + self.grid.size * np.arange(eta.size)[:, None]

        def table(low: Floats, high: Floats) -> Floats:
            total = np.bincount(place.ravel(), low.ravel(), size)
            total += np.bincount(place.ravel() + 1, high.ravel(), size + 1)[:size]
            return total.reshape(eta.size, self.grid.size)

        return (
            table(_WEIGHTS - upper, upper),
            table(-moved, moved),
            table(-moved * _NODES, moved * _NODES),
        )

    def profile_influence(self, weights: Floats) -> Floats:
        """Influence of each item on ``sum_q weights_q T_l(q)``, shape (N, L)."""
        _, languages = self.panel.line_influence
        moved = np.einsum("lna,la->nl", languages[self.m], self._slopes @ weights)
        return np.asarray(np.nan_to_num(moved))

    def distribution_influence(self, values: Floats) -> Floats:
        """Influence of each item on ``sum_q g(q) values_qr``, shape (N, R) for values (Q, R)."""
        panel, m = self.panel, self.m
        data = panel.sources.data
        weight = data.weights[m] / data.weights[m].sum()
        asked = (data.weights[m] > 0)[:, None] / data.weights[m].sum()
        moved = weight[:, None] * self._by_eta
        total = asked * (self._by_item - self.distribution)
        total = total + panel.hardness.through(
            int(panel.hardness.group[m]), panel.sources.theta[1, m] * moved
        )
        source = panel.source_influence[m]
        total += np.outer(source[:, 0], moved.sum(axis=0))
        total += np.outer(source[:, 1], data.ease[m] @ moved)
        total += np.outer(panel.sigma_influence, weight @ self._by_sigma)
        return np.asarray(total @ values)
