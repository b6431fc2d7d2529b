"""A smooth family of increasing functions from [0, 1] into [0, 1].

Such a function is a distribution function: a floor T(0), increments that add up, and a rest
1 - T(1). The increments are an exponential family on the logit scale of x, ``softmax(S theta)``
with cubic splines S; floor and rest have odds of their own. Whatever the parameters, the function
is increasing and inside [0, 1], so that no constraint ever binds. More and more smoothing leads to
normal increments: a floor, a ceiling, and a probit line in logit x between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hatstats.estimators.latent.splines import Bending, LogitSplines, bend_rows

Floats = NDArray[np.float64]

# The ridge (standard deviation 10) about the parabola of a normal with standard deviation 2 logits
# matters only where a model has hardly any items.
_RIDGE, _SPREAD = 0.01, 2.0
# Log odds of floor and rest against the increments: median .018, 95 % range .0001 to .71.
_END_CENTRE, _END_SD = -4.0, 2.5
# Where the data put floor or rest near 0, their log odds have no slope and a delta method would
# call them known. Its derivatives are taken with odds of at least exp(-3), a share of .047.
_LEAST_END = -3.0


def _softmax(values: Floats) -> Floats:
    """Softmax of rows; scipy's spends ten times as long on arrays of this size."""
    shares = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), dtype=float)


@dataclass(frozen=True, slots=True)
class IncreasingFamily:
    """Increasing functions on a grid of Q points, with p parameters.

    Attributes
    ----------
    columns : ndarray, shape (C, p - 2)
        Splines in the cells between grid points, C = Q - 1.
    penalty : ndarray, shape (p, p)
        Prior precision of the parameters.
    centre : ndarray, shape (p,)
        Prior mean; the last two are the log odds of floor and rest.
    bends : ndarray, shape (Q - 2, Q)
        ``|bends T|^2`` is the weighted bending of the function.
    """

    columns: Floats
    penalty: Floats
    centre: Floats
    bends: Floats

    def _shares(self, theta: Floats) -> tuple[Floats, Floats]:
        """Probabilities of the cells (L, C), and of floor, increments and rest (L, 3)."""
        odds = np.zeros((theta.shape[0], 3))
        odds[:, [0, 2]] = theta[:, -2:]
        return _softmax(theta[:, :-2] @ self.columns.T), _softmax(odds)

    def curves(self, theta: Floats) -> Floats:
        """Functions on the grid, shape (L, Q), from parameters (L, p)."""
        return self._curves(*self._shares(theta))

    def expand(self, theta: Floats) -> tuple[Floats, Floats, Bending]:
        """Functions, their derivatives (L, Q, p), and second derivatives of weighted sums."""
        cells, parts = self._shares(theta)
        curve = self._curves(cells, parts)
        return (
            curve,
            self._slopes(cells, parts, curve),
            lambda weights: self._bending(cells, parts, weights),
        )

    def held_slopes(self, theta: Floats) -> Floats:
        """Derivatives with floor and rest held off 0, shape (L, Q, p)."""
        held = theta.copy()
        held[:, -2:] = np.maximum(held[:, -2:], _LEAST_END)
        return self.expand(held)[1]

    def _curves(self, cells: Floats, parts: Floats) -> Floats:
        curve = np.empty((cells.shape[0], cells.shape[1] + 1))
        curve[:, 0] = 0.0
        np.cumsum(cells, axis=1, out=curve[:, 1:])
        curve *= parts[:, 1:2]
        curve += parts[:, :1]
        return curve

    def _slopes(self, cells: Floats, parts: Floats, curve: Floats) -> Floats:
        mean = cells @ self.columns
        moved = cells[:, :, None] * (self.columns - mean[:, None, :])
        slopes = np.zeros((*curve.shape, self.centre.size))
        np.cumsum(moved, axis=1, out=slopes[:, 1:, :-2])
        slopes[:, 1:, :-2] *= parts[:, 1, None, None]
        slopes[:, :, -2] = parts[:, :1] * (1.0 - curve)
        slopes[:, :, -1] = -parts[:, 2:] * curve
        return slopes

    def _bending(self, cells: Floats, parts: Floats, weights: Floats) -> Floats:
        """Second derivatives of ``sum_q weights_q T(q)``, shape (L, p, p), for weights (L, Q).

        That sum is the mean over the three parts of (all the weights, u, 0), where u is the mean
        over cells of the weights from the cell on. The Hessian of a softmax mean is a third
        central moment.
        """
        onward = np.cumsum(weights[:, ::-1], axis=1)[:, ::-1]
        value = onward[:, 1:]
        mean = (cells * value).sum(axis=1)
        offset = self.columns - (cells @ self.columns)[:, None, :]
        third = (cells * (value - mean[:, None]))[:, :, None] * offset
        size = self.centre.size
        hessian = np.zeros((cells.shape[0], size, size))
        hessian[:, :-2, :-2] = parts[:, 1, None, None] * (offset.swapaxes(1, 2) @ third)
        slope = third.sum(axis=1)
        for column, part in ((-2, 0), (-1, 2)):
            cross = -(parts[:, 1] * parts[:, part])[:, None] * slope
            hessian[:, :-2, column] = hessian[:, column, :-2] = cross
        scores = np.column_stack([onward[:, 0], mean, np.zeros(mean.size)])
        scores -= (parts * scores).sum(axis=1, keepdims=True)
        ends = np.eye(3)[:, [0, 2]] - parts[:, None, [0, 2]]
        hessian[:, -2:, -2:] = ends.swapaxes(1, 2) @ ((parts * scores)[:, :, None] * ends)
        return hessian


def increasing_family(grid: Floats, roughness: float = 1.0) -> IncreasingFamily:
    """Family of increasing functions on a grid.

    Parameters
    ----------
    grid : ndarray, shape (Q,)
        Increasing, from 0 to 1.
    roughness : float
        Multiplies the cost of roughness and of bending.

    Returns
    -------
    IncreasingFamily
        With 14 parameters.
    """
    splines = LogitSplines.over(grid)
    inner = special.logit(grid[1:-1])
    cells = np.concatenate([inner[:1], 0.5 * (inner[1:] + inner[:-1]), inner[-1:]])
    count = splines.places.size
    penalty = np.diag(np.r_[np.full(count, _RIDGE), np.full(2, _END_SD**-2.0)])
    penalty[:count, :count] += roughness * splines.rough
    parabola = -0.5 * (splines.places / _SPREAD) ** 2
    centre = np.r_[parabola, _END_CENTRE, _END_CENTRE]
    return IncreasingFamily(splines.columns(cells), penalty, centre, bend_rows(grid, roughness))
