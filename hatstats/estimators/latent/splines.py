"""What families of profiles share: splines on the logit scale of x, and what roughness costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.interpolate import BSpline

Floats = NDArray[np.float64]
#: Second derivatives of ``sum_q weights_q T(q)``, (L, p, p), for weights (L, Q).
Bending = Callable[[Floats], Floats]

_SPLINES = 12
# Third differences of the spline coefficients have standard deviation 1 / sqrt(.1) = 3.2, which
# lets x^3 or a kink through: what bias is left must be small beside a standard error.
_ROUGHNESS_WEIGHT = 0.1
# n trials cannot tell x = .99 from 1, yet the logit scale has room for a jump between them.
# So bending costs too: the squared change of slope (per unit of x) along arcsin sqrt x, the scale
# on which a proportion's noise is even. A straight line costs nothing, x^3 about one unit.
_BENDING_WEIGHT = 0.005


@dataclass(frozen=True, slots=True)
class LogitSplines:
    """Cubic splines of logit x over the inner points of a grid from 0 to 1.

    Attributes
    ----------
    knots : ndarray
    places : ndarray, shape (S,)
        Logit at which each spline's coefficient is that of a straight line.
    rough : ndarray, shape (S, S)
        Cost of third differences of coefficients, squared: a parabola costs nothing.
    """

    knots: Floats
    places: Floats
    rough: Floats

    @classmethod
    def over(cls, grid: Floats) -> LogitSplines:
        """Splines between the first and the last inner point of a grid."""
        low, high = special.logit(grid[[1, -2]])
        knots = np.concatenate([[low] * 3, np.linspace(low, high, _SPLINES - 2), [high] * 3])
        places = np.array([knots[k + 1 : k + 4].mean() for k in range(_SPLINES)])
        differences = np.diff(np.eye(_SPLINES), 3, axis=0)
        return cls(knots, places, _ROUGHNESS_WEIGHT * differences.T @ differences)

    def columns(self, logits: Floats) -> Floats:
        """Values of the splines at logits between the end knots, shape (n, S)."""
        return np.asarray(BSpline.design_matrix(logits, self.knots, 3).toarray(), dtype=float)


def bend_rows(grid: Floats, roughness: float) -> Floats:
    """Rows (Q - 2, Q) of the weighted second derivative along ``arcsin sqrt x``.

    Kept as rows: squared beforehand they would lose half the digits between grid points that lie
    close together.
    """
    angle = np.arcsin(np.sqrt(grid))
    slope = np.diff(np.eye(grid.size), axis=0) / np.diff(grid)[:, None]
    step = np.diff(0.5 * (angle[1:] + angle[:-1]))
    rows = np.diff(slope, axis=0) / np.sqrt(step)[:, None]
    return np.asarray(np.sqrt(_BENDING_WEIGHT * roughness) * rows, dtype=float)
