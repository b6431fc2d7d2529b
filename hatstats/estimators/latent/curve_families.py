"""Smooth families of functions from [0, 1] into [0, 1], with splines on the logit scale of x.

An increasing function is a distribution function: a floor T(0), increments that add up, and a rest
1 - T(1). The increments are an exponential family, ``softmax(S theta)`` with cubic splines S of
logit x; floor and rest have odds of their own. Whatever the parameters, the function is increasing
and inside [0, 1], so that no constraint ever binds. More and more smoothing leads to normal
increments: a floor, a ceiling, and a probit line in logit x between them.

An unrestricted function is ``T(x) = expit(s(logit x))`` with cubic splines s. More and more
smoothing leads to a parabola on the logit scales, and the prior mean is T(x) = x. It serves where a
model may do worse on items that it answers better in the source language; where it may not, an
increasing function has smaller errors from the same items.

A family of curves on Q points, with p parameters, has a prior: mean `centre` (p,), precision
`penalty` (p, p), and rows `bends` (Q - 2, Q), ``|bends T|^2`` the weighted bending of a curve.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special
from scipy.interpolate import BSpline

from hatstats.inference.arrays import Floats

#: Second derivatives of ``sum_q weights_q T(q)``, (L, p, p), for weights (L, Q).
SecondDerivatives = Callable[[Floats], Floats]

_SPLINES = 12
# Third differences of the spline coefficients have standard deviation 1 / sqrt(.1) = 3.2, which
# lets x^3 or a kink through: the remaining bias must be small beside a standard error.
_ROUGHNESS_WEIGHT = 0.1
# n trials cannot distinguish x = .99 from 1, yet the logit scale has room for a jump between them.
# So bending costs too: the squared change of slope (per unit of x) along arcsin sqrt x, the scale
# on which a proportion's noise is even. A straight line costs nothing, x^3 about one unit.
_BENDING_WEIGHT = 0.005
# A ridge that matters only where a model has hardly any items; for increments about the parabola of
# a normal with standard deviation _SPREAD logits.
_RIDGE, _SPREAD = 0.01, 2.0
# Log odds of floor and rest against the increments: median .018, 95 % range .0001 to .71.
_END_CENTRE, _END_SD = -4.0, 2.5
# Where the data put a curve near 0 or 1 its parameters have no slope, and a delta method would give
# it no error. Derivatives are taken with odds of floor and rest of at least exp(-3), a share of
# .047, and with unrestricted functions between expit(-3) and expit(3).
_LEAST_END, _LARGEST_LOGIT = -3.0, 3.0


@dataclass(frozen=True, slots=True)
class LogitSplines:
    """S cubic splines of logit x over the inner points of a grid from 0 to 1.

    With knots, logits (S,) at which each spline's coefficient equals that of a straight line, and
    the cost (S, S) of third differences of coefficients, squared: a parabola costs nothing.
    """

    knots: Floats
    centres: Floats
    rough: Floats

    @classmethod
    def over(cls, grid: Floats) -> LogitSplines:
        """Splines between the first and the last inner point of a grid."""
        low, high = special.logit(grid[[1, -2]])
        knots = np.concatenate([[low] * 3, np.linspace(low, high, _SPLINES - 2), [high] * 3])
        centres = np.array([knots[k + 1 : k + 4].mean() for k in range(_SPLINES)])
        differences = np.diff(np.eye(_SPLINES), 3, axis=0)
        return cls(knots, centres, _ROUGHNESS_WEIGHT * differences.T @ differences)

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


def _softmax(values: Floats) -> Floats:
    """Softmax of rows; scipy's spends ten times as long on arrays of this size."""
    shares = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), dtype=float)


@dataclass(frozen=True, slots=True)
class IncreasingFamily:
    """Increasing functions on a grid of Q points, with p parameters.

    Splines (C, p - 2) in the C = Q - 1 cells between grid points; the last two parameters are the
    log odds of floor and rest.
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

    def expand(self, theta: Floats) -> tuple[Floats, Floats, SecondDerivatives]:
        """Functions, their derivatives (L, Q, p), and second derivatives of weighted sums."""
        cells, parts = self._shares(theta)
        curve = self._curves(cells, parts)

        def second_derivatives(weights: Floats) -> Floats:
            return self._second_derivatives(cells, parts, weights)

        return curve, self._slopes(cells, parts, curve), second_derivatives

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

    def _second_derivatives(self, cells: Floats, parts: Floats, weights: Floats) -> Floats:
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

    The grid (Q,) increases from 0 to 1; `roughness` multiplies the cost of roughness and of
    bending. There are 14 parameters.
    """
    splines = LogitSplines.over(grid)
    inner = special.logit(grid[1:-1])
    cells = np.concatenate([inner[:1], 0.5 * (inner[1:] + inner[:-1]), inner[-1:]])
    count = splines.centres.size
    penalty = np.diag(np.r_[np.full(count, _RIDGE), np.full(2, _END_SD**-2.0)])
    penalty[:count, :count] += roughness * splines.rough
    parabola = -0.5 * (splines.centres / _SPREAD) ** 2
    centre = np.r_[parabola, _END_CENTRE, _END_CENTRE]
    return IncreasingFamily(splines.columns(cells), penalty, centre, bend_rows(grid, roughness))


@dataclass(frozen=True, slots=True)
class UnrestrictedFamily:
    """Functions on a grid of Q points, with splines (Q, p) at the points."""

    columns: Floats
    penalty: Floats
    centre: Floats
    bends: Floats

    def curves(self, theta: Floats) -> Floats:
        """Functions on the grid, shape (L, Q), from parameters (L, p)."""
        return np.asarray(special.expit(theta @ self.columns.T), dtype=float)

    def expand(self, theta: Floats) -> tuple[Floats, Floats, SecondDerivatives]:
        """Functions, their derivatives (L, Q, p), and second derivatives of weighted sums."""
        curve = self.curves(theta)
        slope = curve * (1.0 - curve)

        def second_derivatives(weights: Floats) -> Floats:
            curvature = weights * slope * (1.0 - 2.0 * curve)
            return np.asarray((self.columns.T * curvature[:, None, :]) @ self.columns, dtype=float)

        return curve, slope[:, :, None] * self.columns, second_derivatives

    def held_slopes(self, theta: Floats) -> Floats:
        """Derivatives with the functions held off 0 and 1, shape (L, Q, p)."""
        return np.asarray(held_slope(theta @ self.columns.T)[:, :, None] * self.columns)


def held_slope(logits: Floats) -> Floats:
    """Derivative of ``expit`` at logits that are held off the ends."""
    value = special.expit(np.clip(logits, -_LARGEST_LOGIT, _LARGEST_LOGIT))
    return np.asarray(value * (1.0 - value), dtype=float)


type Family = IncreasingFamily | UnrestrictedFamily


def unrestricted_family(grid: Floats, roughness: float = 1.0) -> UnrestrictedFamily:
    """Family of functions that may rise and fall, on a grid.

    The grid (Q,) increases from 0 to 1; `roughness` multiplies the cost of roughness and of
    bending. There are 12 parameters.
    """
    splines = LogitSplines.over(grid)
    inner = special.logit(grid[1:-1])
    # The splines end at the last inner points, whose values T has at 0 and 1 too.
    columns = splines.columns(np.concatenate([inner[:1], inner, inner[-1:]]))
    penalty = _RIDGE * np.eye(splines.centres.size) + roughness * splines.rough
    return UnrestrictedFamily(columns, penalty, splines.centres, bend_rows(grid, roughness))
