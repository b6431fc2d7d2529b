"""Penalised least squares on conditional means, for one curve per language.

What the data identify of a profile T are the means ``E[k_t / n_t | k_s] = sum_x T(x) P(x | k_s)``.
T is a member of a smooth family of curves, and least squares on those means is penalised by how far
it bends away from a prior curve. All languages are solved at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hatstats.errors import FitError
from hatstats.estimators.latent.deconvolution import Deconvolution
from hatstats.estimators.latent.splines import Bending

Floats = NDArray[np.float64]

# Variance of an item's target accuracy given its source count is modelled as
# dispersion * (mean * (1 - mean) + _VARIANCE_FLOOR): a working weight, which the sandwich checks.
_VARIANCE_FLOOR, _LEAST_DISPERSION = 0.002, 0.01
_LEAST_CURVED = 0.5
_STEPS = 200
# Curves are far from their minimum where a step still promises this much of the objective. Steps
# there may turn by this share of their length; the turn is measured over a tenth of the step.
_FAR, _TURN, _TENTH = 0.01, 0.75, 0.1
_DAMPING, _LESS_DAMPING = 1e-4, 0.03


class Family(Protocol):
    """A smooth family of curves on a grid of Q points, with p parameters."""

    @property
    def penalty(self) -> Floats:
        """Prior precision of the parameters, shape (p, p)."""

    @property
    def centre(self) -> Floats:
        """Prior mean of the parameters, shape (p,)."""

    @property
    def bends(self) -> Floats:
        """Rows (Q - 2, Q); ``|bends T|^2`` is the weighted bending of a curve."""

    def curves(self, theta: Floats) -> Floats:
        """Curves on the grid, shape (L, Q), from parameters (L, p)."""

    def expand(self, theta: Floats) -> tuple[Floats, Floats, Bending]:
        """Curves, their derivatives (L, Q, p), and second derivatives of weighted sums."""

    def held_slopes(self, theta: Floats) -> Floats:
        """Derivatives for a delta method: what is at 0 or 1 is not called known."""


@dataclass(frozen=True, slots=True)
class Prior:
    """Where curves are drawn to.

    Attributes
    ----------
    family : Family
    theta : ndarray, shape (p,)
        Parameters that cost nothing.
    curve : ndarray, shape (Q,)
        Curve whose bends cost nothing.
    """

    family: Family
    theta: Floats
    curve: Floats

    @classmethod
    def of(cls, family: Family) -> Prior:
        """The family's own prior; straight lines cost no bending."""
        return cls(family, family.centre, np.zeros(family.bends.shape[1]))

    @classmethod
    def about(cls, family: Family, theta: Floats) -> Prior:
        """The same precision about a curve of the family, parameters (p,)."""
        return cls(family, theta, family.curves(theta[None])[0])

    def precision(self, slopes: Floats) -> Floats:
        """Prior precision of theta where curves have these slopes, shape (L, p, p)."""
        bends = self.family.bends @ slopes
        return np.asarray(bends.swapaxes(1, 2) @ bends + self.family.penalty, dtype=float)


@dataclass(frozen=True, slots=True)
class Means:
    """Target means by source-count pattern, each (L, J): weight of items, mean, variance."""

    size: Floats
    mean: Floats
    variance: Floats

    def rows(self, keep: NDArray[np.intp]) -> Means:
        """The means of some languages."""
        return Means(self.size[keep], self.mean[keep], self.variance[keep])


def pattern_means(target: Floats, index: NDArray[np.intp], items: Floats, patterns: int) -> Means:
    """Means of target accuracies (N, L) over the items of each pattern.

    Parameters
    ----------
    target : ndarray, shape (N, L)
        NaN where an item was not asked.
    index : ndarray of int, shape (N,)
        Pattern of each item, -1 for none.
    items : ndarray, shape (N,)
        Weights of the items.
    patterns : int
        Number J of patterns.

    Returns
    -------
    Means
    """
    rows = []
    for y in target.T:
        used = (index >= 0) & ~np.isnan(y)
        level, weight, value = index[used], items[used], y[used]
        size = np.bincount(level, weights=weight, minlength=patterns)
        safe = np.where(size > 0, size, 1.0)
        mean = np.bincount(level, weights=weight * value, minlength=patterns) / safe
        square = np.bincount(level, weights=weight * (value - mean[level]) ** 2, minlength=patterns)
        rows.append((size, mean, square / safe))
    size, mean, variance = (np.array(part) for part in zip(*rows, strict=True))
    return Means(size, mean, variance)


def working_weights(means: Means, fitted: Floats) -> Floats:
    """Inverse variances of the pattern means, (L, J): dispersion times binomial."""
    shape = fitted * (1.0 - fitted) + _VARIANCE_FLOOR
    within = (means.size * means.variance).sum(axis=1)
    expected = (np.maximum(means.size - 1.0, 0.0) * shape).sum(axis=1)
    ratio = np.divide(within, expected, out=np.ones(within.size), where=expected > 0)
    return means.size / (np.maximum(ratio, _LEAST_DISPERSION)[:, None] * shape)


@dataclass(frozen=True, slots=True)
class Equations:
    """Estimating equations of L curves: prior, posterior (J, Q), means, working weights (L, J)."""

    prior: Prior
    posterior: Floats
    means: Means
    working: Floats

    def objective(self, theta: Floats) -> Floats:
        """Half the penalised loss of each curve, shape (L,)."""
        curve = self.prior.family.curves(theta)
        off = theta - self.prior.theta
        bent = (curve - self.prior.curve) @ self.prior.family.bends.T
        loss = (self.working * (self.means.mean - curve @ self.posterior.T) ** 2).sum(axis=1)
        loss += (bent**2).sum(axis=1) + ((off @ self.prior.family.penalty) * off).sum(axis=1)
        return np.asarray(0.5 * loss)

    def expand(self, theta: Floats) -> tuple[Floats, Callable[[], Floats], Floats, Floats]:
        """Gradient (L, p) to climb, Hessian and Gauss-Newton Hessian of the loss, and slopes.

        The Hessian is worked out when it is called, for far from the minimum nobody asks for it.
        """
        family = self.prior.family
        curve, slopes, bending = family.expand(theta)
        miss = self.working * (self.means.mean - curve @ self.posterior.T)
        pull = miss @ self.posterior
        pull -= (curve - self.prior.curve) @ family.bends.T @ family.bends
        gradient = (pull[:, None, :] @ slopes)[:, 0]
        gradient -= (theta - self.prior.theta) @ family.penalty
        near = self.curvature(slopes)
        return gradient, lambda: near - bending(pull), near, slopes

    def turning(self, theta: Floats, step: Floats, slopes: Floats) -> Floats:
        """What the bend of the curves along a step does to the gradient of the loss, (L, p)."""
        family = self.prior.family
        there, here = family.curves(theta + _TENTH * step), family.curves(theta)
        straight = (slopes @ step[:, :, None])[:, :, 0]
        bend = 2.0 / _TENTH * ((there - here) / _TENTH - straight)
        pull = (self.working * (bend @ self.posterior.T)) @ self.posterior
        pull += bend @ family.bends.T @ family.bends
        return np.asarray((pull[:, None, :] @ slopes)[:, 0])

    def curvature(self, slopes: Floats) -> Floats:
        """Gauss-Newton Hessian where curves have these slopes, shape (L, p, p)."""
        design = self.posterior @ slopes
        near = (design * self.working[:, :, None]).swapaxes(1, 2) @ design
        return np.asarray(near + self.prior.precision(slopes), dtype=float)

    def bread(self, theta: Floats, slopes: Floats) -> Floats:
        """Inverse Hessian of the loss, shape (L, p, p), with slopes that may be held.

        Where few items carry a curve, its second derivatives matter to what one more item does to
        it, but noise may bend them so that a direction seems free. Of the Gauss-Newton curvature
        at least `_LEAST_CURVED` is kept in every direction.
        """
        near = self.curvature(slopes)
        _, hessian, unheld, _ = self.expand(theta)
        root = np.linalg.inv(np.linalg.cholesky(near))
        value, vector = np.linalg.eigh(root @ (hessian() - unheld + near) @ root.swapaxes(1, 2))
        axes = vector.swapaxes(1, 2) @ root
        return axes.swapaxes(1, 2) @ (axes / np.maximum(value, _LEAST_CURVED)[:, :, None])

    def carry(self, part: Deconvolution, theta: Floats, slopes: Floats) -> Floats:
        """Derivative of the equations (L, p) with respect to the deconvolution's theta, (L, p, r).

        Derivatives of ``E[. | pattern]`` are covariances with the columns B under P(x | pattern).
        """
        curve = self.prior.family.curves(theta)
        posterior, basis = self.posterior, part.basis
        fitted, design = curve @ posterior.T, posterior @ slopes
        mean = posterior @ basis
        miss = self.working * (self.means.mean - fitted)
        of_fit = (posterior * curve[:, None, :]) @ basis - fitted[:, :, None] * mean
        of_design = slopes.swapaxes(1, 2) @ ((miss @ posterior)[:, :, None] * basis)
        of_design -= (design * miss[:, :, None]).swapaxes(1, 2) @ mean
        return np.asarray(of_design - (design * self.working[:, :, None]).swapaxes(1, 2) @ of_fit)

    def rows(self, keep: NDArray[np.intp]) -> Equations:
        """The equations of some languages."""
        return Equations(self.prior, self.posterior, self.means.rows(keep), self.working[keep])


def minimise(equations: Equations, theta: Floats) -> Floats:
    """Damped Newton steps for all languages at once, each with its own damping.

    Many items make the loss a narrow valley that bends. Far from the minimum steps are therefore
    those of Gauss and Newton with a second-order turn along the bend (geodesic acceleration,
    Transtrum and Sethna 2012, arXiv:1201.5885), near it Newton's own.

    Parameters
    ----------
    equations : Equations
    theta : ndarray, shape (L, p)
        Where to start.

    Returns
    -------
    ndarray, shape (L, p)

    Raises
    ------
    FitError
        If a curve does not converge.
    """
    theta = theta.copy()
    damping = np.full(theta.shape[0], _DAMPING)
    far = np.full(theta.shape[0], True)
    current = equations.objective(theta)
    unit, slope, bend = (np.empty(theta.shape) for _ in range(3))
    vector = np.empty((*theta.shape, theta.shape[1]))
    slopes = np.empty((theta.shape[0], equations.posterior.shape[1], theta.shape[1]))
    open_ = moved = np.arange(theta.shape[0])
    for _ in range(_STEPS):
        if moved.size:
            # In units of the Gauss-Newton diagonal, along the axes of the curvature.
            gradient, hessian, near, slopes[moved] = equations.rows(moved).expand(theta[moved])
            curvature = near
            if not far[moved].all():
                curvature = np.where(far[moved, None, None], near, hessian())
            size = np.sqrt(np.diagonal(near, axis1=1, axis2=2))
            bend[moved], axes = np.linalg.eigh(curvature / (size[:, :, None] * size[:, None, :]))
            unit[moved], vector[moved] = size, axes
            slope[moved] = _onto(axes, gradient / size)
        # A direction that bends downward is walked by the size of its bend, which leaves a saddle
        # as fast as it nears a minimum.
        stiff = np.maximum(np.abs(bend[open_]), 1e-10) + damping[open_, None]
        along = slope[open_] / stiff
        back = vector[open_].swapaxes(1, 2)
        step = _onto(back, along) / unit[open_]
        here = equations.rows(open_)
        if far[open_].any():
            turning = here.turning(theta[open_], step, slopes[open_])
            turn = -0.5 * _onto(vector[open_], turning / unit[open_]) / stiff
            slight = 2.0 * np.linalg.norm(turn, axis=1) <= _TURN * np.linalg.norm(along, axis=1)
            turns = (far[open_] & slight)[:, None]
            step += np.where(turns, _onto(back, turn) / unit[open_], 0.0)
        proposed = here.objective(theta[open_] + step)
        gained = current[open_] - proposed
        better = gained >= 0.0
        moved = open_[better]
        theta[moved] += step[better]
        current[moved] = proposed[better]
        # The Newton decrement is what the objective can still gain, in squared standard errors;
        # damping shortens the step and must not pass for convergence. Where damping has grown
        # without end, rounding hides what is left.
        decrement = (slope[open_] * along).sum(axis=1) * (1.0 + damping[open_])
        far[moved] = decrement[better] > _FAR
        # Less damping where the step gained what it promised, more where it did not.
        promised = ((slope[open_] - 0.5 * bend[open_] * along) * along).sum(axis=1)
        factor = np.select(
            [~better, gained < 0.25 * promised, gained < 0.75 * promised],
            [10.0, 4.0, 1.0],
            _LESS_DAMPING,
        )
        damping[open_] = np.maximum(damping[open_] * factor, 1e-12)
        open_ = open_[(decrement >= 1e-8) & (damping[open_] <= 1e12)]
        if open_.size == 0:
            return theta
        moved = np.intersect1d(moved, open_)
    raise FitError(f"a latent profile did not converge in {_STEPS} steps")


def _onto(axes: Floats, values: Floats) -> Floats:
    """Coordinates (L, p) of vectors along the columns of axes (L, p, p)."""
    return np.asarray((axes.swapaxes(1, 2) @ values[:, :, None])[:, :, 0])
