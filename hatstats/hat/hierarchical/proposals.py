"""Where the blocked sampler looks: a surrogate centred on the posterior, a fit to its scales."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hatstats.hat.hierarchical.count_density import CountDensity
from hatstats.hat.hierarchical.jump import Jump
from hatstats.hat.hierarchical.surrogate import Surrogate
from hatstats.hat.hierarchical.target import half_normal

Floats = NDArray[np.float64]

#: How often the normal likelihoods are expanded anew at the posterior's centre.
_EXPANSIONS = 4
#: How often they are centred anew, and draws that each centring rests on.
_CENTRINGS, _PILOT = 2, 20


def _jump(surrogate: Surrogate) -> Jump:
    """At the mode of the surrogate's marginal posterior of the scales."""
    size = surrogate.scales.size
    return Jump.at_mode(surrogate.target, np.zeros(size), np.ones(size, dtype=bool))


def fitted_surrogate(model: CountDensity, rng: np.random.Generator) -> tuple[Surrogate, Jump]:
    """Surrogate of a density, its likelihoods centred where the posterior is, and its scales."""
    surrogate = Surrogate.of(model)
    # With few items a likelihood's maximum may lie where no posterior does: the expansion moves to
    # the posterior's own place.
    for _ in range(_EXPANSIONS):
        solved = surrogate.solve(half_normal(_jump(surrogate).centre)[0] * surrogate.scales)
        still = np.zeros(surrogate.of_cell.size)
        surrogate = surrogate.expanded(surrogate.cells(solved, solved.mean, still))
    for _ in range(_CENTRINGS):
        jump = _jump(surrogate)
        phi = np.empty((_PILOT, surrogate.of_cell.size))
        pulled = np.zeros_like(phi)
        for place, row in enumerate(phi):
            solved = surrogate.solve(half_normal(jump.draw(rng))[0] * surrogate.scales)
            row[:] = surrogate.draw(solved, rng)[1]
            for one, take in surrogate.blocks:
                _, slope = one.value_and_gradient(model.coordinates(row, take))
                pulled[place, take[take >= 0]] = slope[take >= 0]
        surrogate = surrogate.recentred(phi.mean(axis=0), pulled.mean(axis=0))
    return surrogate, _jump(surrogate)
