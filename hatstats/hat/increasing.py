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
from scipy.interpolate import BSpline

Floats = NDArray[np.float64]

_SPLINES = 12
# Third differences of the spline coefficients have standard deviation 1 / sqrt(.1) = 3.2, which
# lets x^3 or a kink through. The ridge (standard deviation 10) about the parabola of a normal
# with standard deviation 2 logits matters only where a model has hardly any items.
_ROUGHNESS_WEIGHT, _RIDGE, _SPREAD = 0.1, 0.01, 2.0
# Log odds of floor and rest against the increments: median .018, 95 % range .0004 to .5.
_END_CENTRE, _END_SD = -4.0, 2.0
# n promptings cannot tell x = .99 from 1, yet the logit scale has room for a jump between them.
# So bending costs too: the squared change of slope (per unit of x) along arcsin sqrt x, the scale
# on which a proportion's noise is even. A straight line costs nothing, x^3 about one unit.
_BENDING_WEIGHT = 0.005


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
        ``|bends T|^2`` is the weighted bending of the function. Kept as rows: squared beforehand
        they would lose half the digits between grid points that lie close together.
    """

    columns: Floats
    penalty: Floats
    centre: Floats
    bends: Floats

    def _shares(self, theta: Floats) -> tuple[Floats, Floats]:
        """Probabilities of the cells (L, C), and of floor, increments and rest (L, 3)."""
        odds = np.column_stack([theta[:, -2], np.zeros(theta.shape[0]), theta[:, -1]])
        return _softmax(theta[:, :-2] @ self.columns.T), _softmax(odds)

    def curves(self, theta: Floats) -> Floats:
        """Functions on the grid, shape (L, Q), from parameters (L, p)."""
        cells, parts = self._shares(theta)
        reached = np.concatenate([np.zeros((theta.shape[0], 1)), np.cumsum(cells, axis=1)], axis=1)
        return np.asarray(parts[:, :1] + parts[:, 1:2] * reached, dtype=float)

    def slopes(self, theta: Floats) -> Floats:
        """Derivatives of the functions with respect to theta, shape (L, Q, p)."""
        cells, parts = self._shares(theta)
        curve = self.curves(theta)
        mean = cells @ self.columns
        moved = cells[:, :, None] * (self.columns - mean[:, None, :])
        slopes = np.zeros((*curve.shape, theta.shape[1]))
        slopes[:, 1:, :-2] = parts[:, 1, None, None] * np.cumsum(moved, axis=1)
        slopes[:, :, -2] = parts[:, :1] * (1.0 - curve)
        slopes[:, :, -1] = -parts[:, 2:] * curve
        return slopes

    def bending(self, theta: Floats, weights: Floats) -> Floats:
        """Second derivatives of ``sum_q weights_q T(q)``, shape (L, p, p), for weights (L, Q).

        That sum is the mean over the three parts of (all the weights, u, 0), where u is the mean
        over cells of the weights from the cell on. The Hessian of a softmax mean is a third
        central moment.
        """
        cells, parts = self._shares(theta)
        onward = np.cumsum(weights[:, ::-1], axis=1)[:, ::-1]
        value = onward[:, 1:]
        mean = np.einsum("lc,lc->l", cells, value)
        offset = self.columns - (cells @ self.columns)[:, None, :]
        third = (cells * (value - mean[:, None]))[:, :, None] * offset
        hessian = np.zeros((theta.shape[0], theta.shape[1], theta.shape[1]))
        hessian[:, :-2, :-2] = parts[:, 1, None, None] * (offset.swapaxes(1, 2) @ third)
        slope = third.sum(axis=1)
        for column, part in ((-2, 0), (-1, 2)):
            cross = -(parts[:, 1] * parts[:, part])[:, None] * slope
            hessian[:, :-2, column] = hessian[:, column, :-2] = cross
        scores = np.column_stack([onward[:, 0], mean, np.zeros(mean.size)])
        scores -= np.einsum("lk,lk->l", parts, scores)[:, None]
        ends = np.eye(3)[:, [0, 2]] - parts[:, None, [0, 2]]
        hessian[:, -2:, -2:] = np.einsum("lk,lka,lkb->lab", parts * scores, ends, ends)
        return hessian


def _bends(grid: Floats) -> Floats:
    """Rows (Q - 2, Q) of the weighted second derivative along ``arcsin sqrt x``."""
    angle = np.arcsin(np.sqrt(grid))
    slope = np.diff(np.eye(grid.size), axis=0) / np.diff(grid)[:, None]
    step = np.diff(0.5 * (angle[1:] + angle[:-1]))
    rows = np.diff(slope, axis=0) / np.sqrt(step)[:, None]
    return np.asarray(np.sqrt(_BENDING_WEIGHT) * rows, dtype=float)


def increasing_family(grid: Floats) -> IncreasingFamily:
    """Family of increasing functions on a grid.

    Parameters
    ----------
    grid : ndarray, shape (Q,)
        Increasing, from 0 to 1.

    Returns
    -------
    IncreasingFamily
        With 14 parameters.
    """
    inner = special.logit(grid[1:-1])
    low, high = inner[0], inner[-1]
    cells = np.concatenate([[low], 0.5 * (inner[1:] + inner[:-1]), [high]])
    knots = np.concatenate([[low] * 3, np.linspace(low, high, _SPLINES - 2), [high] * 3])
    columns = BSpline.design_matrix(cells, knots, 3).toarray()
    differences = np.diff(np.eye(_SPLINES), 3, axis=0)
    penalty = np.diag(np.r_[np.full(_SPLINES, _RIDGE), np.full(2, _END_SD**-2.0)])
    penalty[:_SPLINES, :_SPLINES] += _ROUGHNESS_WEIGHT * differences.T @ differences
    places = np.array([knots[k + 1 : k + 4].mean() for k in range(_SPLINES)])
    parabola = -0.5 * (places / _SPREAD) ** 2
    centre = np.r_[parabola, _END_CENTRE, _END_CENTRE]
    return IncreasingFamily(columns, penalty, centre, _bends(grid))
