"""Where the blocked sampler looks: a surrogate centred on the posterior, a fit to its scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hatstats.hat.hierarchical.count_density import CountDensity
from hatstats.hat.hierarchical.independence import fitted
from hatstats.hat.hierarchical.jump import Jump, Warp
from hatstats.hat.hierarchical.surrogate import Surrogate
from hatstats.hat.hierarchical.target import half_normal

Floats = NDArray[np.float64]

#: How often the normal likelihoods are expanded anew at the posterior's centre.
_EXPANSIONS = 4
#: How often they are centred anew, and draws that each centring rests on.
_CENTRINGS, _PILOT = 2, 20


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
        solved = self.surrogate.solve(half_normal(x)[0] * self.surrogate.scales)
        return solved.value - 0.5 * float(x @ x)

    def value_and_gradient(self, x: Floats) -> tuple[float, Floats]:
        return self.surrogate.target(x)


def fitted_surrogate(model: CountDensity, rng: np.random.Generator) -> tuple[Surrogate, Warp, Jump]:
    """Surrogate of a density, centred where the posterior is, and proposals for its scales."""
    surrogate = Surrogate.of(model)
    # With few items a likelihood's maximum may lie where no posterior does: the expansion moves to
    # the posterior's own place.
    for _ in range(_EXPANSIONS):
        solved = surrogate.solve(
            half_normal(Jump.at_mode(_Scales(surrogate)).centre)[0] * surrogate.scales
        )
        still = np.zeros(surrogate.of_cell.size)
        surrogate = surrogate.expanded(surrogate.cells(solved, solved.mean, still))
    for _ in range(_CENTRINGS):
        jump = Jump.at_mode(_Scales(surrogate))
        phi = np.empty((_PILOT, surrogate.of_cell.size))
        pulled = np.zeros_like(phi)
        for place, row in enumerate(phi):
            solved = surrogate.solve(half_normal(jump.draw(rng))[0] * surrogate.scales)
            row[:] = surrogate.draw(solved, rng)[1]
            for one, take in surrogate.blocks:
                _, slope = one.value_and_gradient(model.coordinates(row, take))
                pulled[place, take[take >= 0]] = slope[take >= 0]
        surrogate = surrogate.recentred(phi.mean(axis=0), pulled.mean(axis=0))
    return surrogate, *fitted(_Scales(surrogate), rng)
