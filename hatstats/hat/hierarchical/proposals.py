"""Where the blocked sampler looks: a surrogate centred on the posterior, a fit to its scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from hatstats.hat.hierarchical.count_density import CountDensity
from hatstats.hat.hierarchical.surrogate import Surrogate
from hatstats.hat.hierarchical.target import half_normal

Floats = NDArray[np.float64]

#: Degrees of freedom of the proposal for the scales, and how much wider than the fit it is.
_DF, _WIDER = 5.0, 1.2
#: Coordinates of scales beyond which the search for their mode does not look.
_BOUND = 3.0
#: How often the normal likelihoods are expanded anew at the posterior's centre.
_EXPANSIONS = 4
#: How often they are centred anew, and draws that each centring rests on.
_CENTRINGS, _PILOT = 2, 20


@dataclass(frozen=True, slots=True, eq=False)
class Jump:
    """Multivariate t distribution of the scales' coordinates, from the surrogate's posterior.

    Attributes
    ----------
    mode : ndarray, shape (s,)
    root : ndarray, shape (s, s)
        Of the covariance: ``root @ root.T``.
    """

    mode: Floats
    root: Floats

    @classmethod
    def of(cls, surrogate: Surrogate) -> Jump:
        """Fit at the mode of the surrogate's marginal posterior."""

        def downhill(x: Floats) -> tuple[float, Floats]:
            value, gradient = surrogate.target(x)
            return -value, -gradient

        size = surrogate.scales.size
        bounds = [(-_BOUND, _BOUND)] * size
        found = optimize.minimize(
            downhill, np.zeros(size), jac=True, method="L-BFGS-B", bounds=bounds
        )
        step = 1e-3
        hessian = np.array(
            [
                (downhill(found.x + move)[1] - downhill(found.x - move)[1]) / (2.0 * step)
                for move in step * np.eye(size)
            ]
        )
        values, vectors = np.linalg.eigh(0.5 * (hessian + hessian.T))
        # The prior alone has curvature 1: no direction is known worse than that.
        return cls(found.x, _WIDER * vectors / np.sqrt(np.maximum(values, 1.0)))

    def draw(self, rng: np.random.Generator) -> Floats:
        """One draw (s,)."""
        width = np.sqrt(_DF / rng.chisquare(_DF))
        return np.asarray(self.mode + width * (self.root @ rng.standard_normal(self.mode.size)))

    def log_density(self, x: Floats) -> float:
        """Log density, up to a constant."""
        z = np.linalg.solve(self.root, x - self.mode)
        return float(-0.5 * (_DF + x.size) * np.log1p(z @ z / _DF))


def fitted_surrogate(model: CountDensity, rng: np.random.Generator) -> tuple[Surrogate, Jump]:
    """Surrogate of a density, its likelihoods centred where the posterior is, and its scales."""
    surrogate = Surrogate.of(model)
    # With few items a likelihood's maximum may lie where no posterior does: the expansion moves to
    # the posterior's own place.
    for _ in range(_EXPANSIONS):
        solved = surrogate.solve(half_normal(Jump.of(surrogate).mode)[0] * surrogate.scales)
        still = np.zeros(surrogate.of_cell.size)
        surrogate = surrogate.expanded(surrogate.cells(solved, solved.mean, still))
    for _ in range(_CENTRINGS):
        jump = Jump.of(surrogate)
        phi = np.empty((_PILOT, surrogate.of_cell.size))
        pulled = np.zeros_like(phi)
        for place, row in enumerate(phi):
            solved = surrogate.solve(half_normal(jump.draw(rng))[0] * surrogate.scales)
            row[:] = surrogate.draw(solved, rng)[1]
            for one, take in surrogate.blocks:
                _, slope = one.value_and_gradient(model.coordinates(row, take))
                pulled[place, take[take >= 0]] = slope[take >= 0]
        surrogate = surrogate.recentred(phi.mean(axis=0), pulled.mean(axis=0))
    return surrogate, Jump.of(surrogate)
