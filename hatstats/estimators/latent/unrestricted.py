"""A smooth family of functions from [0, 1] into [0, 1] that may rise and fall.

``T(x) = expit(s(logit x))`` with cubic splines s. More and more smoothing leads to a parabola on
the logit scales, and the prior mean is T(x) = x. It serves where a model may do worse on items that
it answers more surely in the source language; where it may not, `increasing` says more from the
same items.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hatstats.estimators.latent.splines import Bending, LogitSplines, bend_rows

Floats = NDArray[np.float64]

# A ridge about the prior mean that matters only where a model has hardly any items.
_RIDGE = 0.01
# Where the data put T near 0 or 1 its logit has no slope, and a delta method would call it known.
# Its derivatives are taken with T between expit(-3) = .047 and .953.
_REACH = 3.0


@dataclass(frozen=True, slots=True)
class UnrestrictedFamily:
    """Functions on a grid of Q points, with p parameters.

    Attributes
    ----------
    columns : ndarray, shape (Q, p)
        Splines at the grid points.
    penalty : ndarray, shape (p, p)
        Prior precision of the parameters.
    centre : ndarray, shape (p,)
        Prior mean.
    bends : ndarray, shape (Q - 2, Q)
        ``|bends T|^2`` is the weighted bending of the function.
    """

    columns: Floats
    penalty: Floats
    centre: Floats
    bends: Floats

    def curves(self, theta: Floats) -> Floats:
        """Functions on the grid, shape (L, Q), from parameters (L, p)."""
        return np.asarray(special.expit(theta @ self.columns.T), dtype=float)

    def expand(self, theta: Floats) -> tuple[Floats, Floats, Bending]:
        """Functions, their derivatives (L, Q, p), and second derivatives of weighted sums."""
        curve = self.curves(theta)
        slope = curve * (1.0 - curve)

        def bending(weights: Floats) -> Floats:
            second = weights * slope * (1.0 - 2.0 * curve)
            return np.asarray((self.columns.T * second[:, None, :]) @ self.columns, dtype=float)

        return curve, slope[:, :, None] * self.columns, bending

    def held_slopes(self, theta: Floats) -> Floats:
        """Derivatives with the functions held off 0 and 1, shape (L, Q, p)."""
        curve = special.expit(np.clip(theta @ self.columns.T, -_REACH, _REACH))
        return np.asarray((curve * (1.0 - curve))[:, :, None] * self.columns, dtype=float)


def unrestricted_family(grid: Floats, roughness: float = 1.0) -> UnrestrictedFamily:
    """Family of functions that need not increase, on a grid.

    Parameters
    ----------
    grid : ndarray, shape (Q,)
        Increasing, from 0 to 1.
    roughness : float
        Multiplies the cost of roughness and of bending.

    Returns
    -------
    UnrestrictedFamily
        With 12 parameters.
    """
    splines = LogitSplines.over(grid)
    inner = special.logit(grid[1:-1])
    # The splines end at the last inner points; T at 0 and 1 is what it is there.
    columns = splines.columns(np.concatenate([inner[:1], inner, inner[-1:]]))
    penalty = _RIDGE * np.eye(splines.places.size) + roughness * splines.rough
    return UnrestrictedFamily(columns, penalty, splines.places, bend_rows(grid, roughness))
