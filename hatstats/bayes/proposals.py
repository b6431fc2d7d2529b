"""Where the blocked sampler looks: a surrogate centred on the posterior, a fit to its scales."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hatstats.bayes.count_density import CountDensity
from hatstats.bayes.independence import fitted
from hatstats.bayes.jump import Jump, Warp
from hatstats.bayes.surrogate import Surrogate

Floats = NDArray[np.float64]

#: How often the normal likelihoods are expanded anew at the posterior's centre.
_EXPANSIONS = 4
#: How often they are centred anew, and draws that each centring, and the last trial, rest on.
_CENTRINGS, _PILOT = 2, 20
#: Spread of a block's log factor from which on it may have a tail that a chain is caught in
#: unless blocks move one by one.
_TAILED = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class _Scales:
    """The surrogate's marginal posterior of the scales' coordinates."""

    surrogate: Surrogate

    @property
    def positive(self) -> NDArray[np.bool_]:
        return np.ones(self.surrogate.scales.size, dtype=bool)

    def first(self) -> Floats:
        return np.zeros(self.surrogate.scales.size)

    def value(self, x: Floats) -> float:
        return self.surrogate.at(x).value - 0.5 * float(x @ x)

    def value_and_gradient(self, x: Floats) -> tuple[float, Floats]:
        return self.surrogate.target(x)


@dataclass(frozen=True, slots=True, eq=False)
class Proposals:
    """What proposes draws of a `CountDensity`.

    Attributes
    ----------
    surrogate : Surrogate
    warp, jump : Warp, Jump
        Proposals for the coordinates of the scales.
    together : float
        Share of steps that propose all parameters at once: that of such draws which the exact
        likelihoods take, or 0 where a block is far from normal.
    """

    surrogate: Surrogate
    warp: Warp
    jump: Jump
    together: float = 0.0

    def draw(self, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
        """Coordinates of the scales (s,), effects (n,) and cells' parameters (K,)."""
        x = self.warp.back(self.jump.draw(rng))
        return x, *self.surrogate.draw(self.surrogate.at(x), rng)


def fitted_proposals(model: CountDensity, rng: np.random.Generator) -> Proposals:
    """Surrogate of a density, centred where the posterior is, and proposals for its scales."""
    surrogate = Surrogate.of(model)
    # With few items a likelihood's maximum may lie where no posterior does: the expansion moves to
    # the posterior's own place.
    for _ in range(_EXPANSIONS):
        solved = surrogate.at(Jump.at_mode(_Scales(surrogate)).centre)
        still = np.zeros(surrogate.of_cell.size)
        surrogate = surrogate.expanded(surrogate.cells(solved, solved.mean, still))
    for _ in range(_CENTRINGS):
        jump = Jump.at_mode(_Scales(surrogate))
        phi = np.empty((_PILOT, surrogate.of_cell.size))
        pulled = np.zeros_like(phi)
        for place, row in enumerate(phi):
            row[:] = surrogate.draw(surrogate.at(jump.draw(rng)), rng)[1]
            for one, take in surrogate.blocks:
                _, slope = one.value_and_gradient(model.coordinates(row, take))
                pulled[place, take[take >= 0]] = slope[take >= 0]
        surrogate = surrogate.recentred(phi.mean(axis=0), pulled.mean(axis=0))
    proposals = Proposals(surrogate, *fitted(_Scales(surrogate), rng))
    left = np.array([surrogate.left(model, proposals.draw(rng)[2]) for _ in range(_PILOT)])
    if not left.std(axis=0).max() < _TAILED:
        return proposals
    # Chance of each pilot draw to be taken from each other one.
    away = np.subtract.outer(left.sum(axis=1), left.sum(axis=1))[~np.eye(_PILOT, dtype=bool)]
    return replace(proposals, together=float(np.exp(np.minimum(away, 0.0)).mean()))
