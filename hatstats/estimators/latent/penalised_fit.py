"""Penalised least squares on conditional means, for one curve per language.

The data identify the means ``E[k_t / n_t | k_s] = sum_x T(x) P(x | k_s)`` of a profile T. T is a
member of a smooth family of curves, and least squares on those means is penalised by how far it
bends away from a prior curve. All languages are solved at once, and the fitted curves linearised
for influence values and possible smoothing bias.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hatstats.errors import FitError
from hatstats.estimators.latent.curve_families import Family
from hatstats.estimators.latent.deconvolution import Deconvolution
from hatstats.estimators.latent.patterns import Means
from hatstats.inference.arrays import Floats, Ints

# Variance of an item's target accuracy given its source count is modelled as
# dispersion * (mean * (1 - mean) + _VARIANCE_FLOOR): a working weight, which the sandwich checks.
_VARIANCE_FLOOR, _LEAST_DISPERSION = 0.002, 0.01
_LEAST_CURVED = 0.5
_STEPS = 200
# Curves are far from their minimum while a step is predicted to gain more than _FAR. Accelerations
# up to the share _TURN of a step's length are used; they are measured over a tenth of the step.
_FAR, _TURN, _TENTH = 0.01, 0.75, 0.1
_DAMPING, _LESS_DAMPING = 1e-4, 0.03
#: Least value of 1 - leverage by which a residual is divided.
LEAST_RESIDUAL_SHARE = 1e-3


@dataclass(frozen=True, slots=True)
class Prior:
    """The prior towards which curves of a family are shrunk.

    Its parameters (p,), and the bends of its curve (Q,), cost nothing.
    """

    family: Family
    theta: Floats
    curve: Floats

    @classmethod
    def of_family(cls, family: Family) -> Prior:
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


@dataclass(frozen=True)
class CurveFit:
    """L fitted curves with derivatives for their uncertainty; J patterns, p parameters.

    Fitted to `target` (N, L), NaN where there is none, with a `deconvolution` of the same items;
    arrays are NaN for a curve without any target. `theta` (L, p), `curve` (L, Q); `slopes`
    (L, Q, p) with curves held off 0 and 1; `working` (L, J) weight of one item of each pattern;
    `bread` (L, p, p) inverse Hessian of the penalised loss; `cross_derivative` (L, p, r) of the
    equations with respect to the deconvolution's theta, `kernel_derivative` (L, p) to the
    correlation of source trials.
    """

    prior: Prior
    deconvolution: Deconvolution
    target: Floats
    theta: Floats
    curve: Floats
    slopes: Floats
    working: Floats
    bread: Floats
    cross_derivative: Floats
    kernel_derivative: Floats

    @property
    def penalty(self) -> Floats:
        """Prior precision at the solution, shape (L, p, p)."""
        return self.prior.precision(self.slopes)

    def directions(self, weights: Floats) -> Floats:
        """Derivatives of ``sum_x weights_x T_l(x)`` by the estimating equations, shape (L, p)."""
        return np.asarray((self.bread @ (weights @ self.slopes)[:, :, None])[:, :, 0], dtype=float)

    @cached_property
    def leverage(self) -> Floats:
        """Leverage of one item of each pattern on its own fitted value, shape (L, J)."""
        design = self.deconvolution.posterior @ self.slopes
        return np.asarray(self.working * ((design @ self.bread) * design).sum(axis=2))

    @cached_property
    def _residuals(self) -> Floats:
        """Residual of each item from the fit to all other items (L, N); 0 without a target.

        ``r / (1 - leverage)``: where few items carry a score, plain residuals understate their
        influence.
        """
        index = self.deconvolution.patterns.index
        share = np.maximum(1.0 - self.leverage, LEAST_RESIDUAL_SHARE)
        fitted = self.curve @ self.deconvolution.posterior.T
        known = (index >= 0) & ~np.isnan(self.target.T)
        return np.where(known, (self.target.T - fitted[:, index]) / share[:, index], 0.0)

    def own_influence(self, column: int, directions: Floats) -> Floats:
        """Influence of items through the equations of one curve, shape (N, K), directions (K, p).

        That of an item without a target is 0.
        """
        patterns, posterior = self.deconvolution.patterns, self.deconvolution.posterior
        gain = self.working[column][:, None] * (posterior @ (self.slopes[column] @ directions.T))
        influence = gain[patterns.index] * self._residuals[column][:, None]
        used = (patterns.index >= 0) & ~np.isnan(self.target[:, column])
        influence -= np.where(used[:, None], influence.sum(axis=0) / used.sum(), 0.0)
        return np.asarray(influence)


def fit_curves(
    prior: Prior,
    deconvolution: Deconvolution,
    target: Floats,
    means: Means,
    start: Floats | None = None,
) -> CurveFit:
    """Fit one curve per column of target accuracies (N, L), by their means alone.

    The search starts at parameters (L, p), or at the prior's.
    """
    family, posterior = prior.family, deconvolution.posterior
    asked = np.flatnonzero(means.size.sum(axis=1) > 0)
    means = means.rows(asked)
    # Variances follow from the fitted means; without these they are equal at first.
    if start is None:
        level = (means.size * means.mean).sum(axis=1) / means.size.sum(axis=1)
        fitted = np.repeat(level[:, None], means.size.shape[1], axis=1)
        theta = np.tile(prior.theta, (asked.size, 1))
    else:
        theta = start[asked]
        fitted = family.curves(theta) @ posterior.T
    for _ in range(2):
        equations = Equations(prior, posterior, means, working_weights(means, fitted))
        theta = minimise(equations, theta)
        fitted = family.curves(theta) @ posterior.T
    slopes = family.held_slopes(theta)
    working = np.zeros(means.size.shape)
    np.divide(equations.working, means.size, out=working, where=means.size > 0)

    def full(values: Floats) -> Floats:
        """Rows of all languages, NaN where the model was not asked."""
        out = np.full((target.shape[1], *values.shape[1:]), np.nan)
        out[asked] = values
        return out

    return CurveFit(
        prior=prior,
        deconvolution=deconvolution,
        target=target,
        theta=full(theta),
        curve=full(family.curves(theta)),
        slopes=full(slopes),
        working=full(working),
        bread=full(equations.bread(theta, slopes)),
        cross_derivative=full(equations.cross_derivative(deconvolution, theta, slopes)),
        kernel_derivative=full(equations.kernel_derivative(deconvolution, theta, slopes)),
    )


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
        offset = theta - self.prior.theta
        bent = (curve - self.prior.curve) @ self.prior.family.bends.T
        loss = (self.working * (self.means.mean - curve @ self.posterior.T) ** 2).sum(axis=1)
        loss += (bent**2).sum(axis=1) + ((offset @ self.prior.family.penalty) * offset).sum(axis=1)
        return np.asarray(0.5 * loss)

    def expand(self, theta: Floats) -> tuple[Floats, Callable[[], Floats], Floats, Floats]:
        """Negative gradient (L, p), Hessian and Gauss-Newton Hessian of the loss, and slopes.

        The Hessian is a function, since far from the minimum it is not needed.
        """
        family = self.prior.family
        curve, slopes, second_derivatives = family.expand(theta)
        residual = self.working * (self.means.mean - curve @ self.posterior.T)
        by_curve = residual @ self.posterior
        by_curve -= (curve - self.prior.curve) @ family.bends.T @ family.bends
        gradient = (by_curve[:, None, :] @ slopes)[:, 0]
        gradient -= (theta - self.prior.theta) @ family.penalty
        gauss_newton = self.curvature(slopes)
        return gradient, lambda: gauss_newton - second_derivatives(by_curve), gauss_newton, slopes

    def bend_gradient(self, theta: Floats, step: Floats, slopes: Floats) -> Floats:
        """Change of the gradient of the loss by the bend of the curves along a step, (L, p)."""
        family = self.prior.family
        change = family.curves(theta + _TENTH * step) - family.curves(theta)
        linear = (slopes @ step[:, :, None])[:, :, 0]
        bend = 2.0 / _TENTH * (change / _TENTH - linear)
        by_curve = (self.working * (bend @ self.posterior.T)) @ self.posterior
        by_curve += bend @ family.bends.T @ family.bends
        return np.asarray((by_curve[:, None, :] @ slopes)[:, 0])

    def curvature(self, slopes: Floats) -> Floats:
        """Gauss-Newton Hessian where curves have these slopes, shape (L, p, p)."""
        design = self.posterior @ slopes
        information = (design * self.working[:, :, None]).swapaxes(1, 2) @ design
        return np.asarray(information + self.prior.precision(slopes), dtype=float)

    def bread(self, theta: Floats, slopes: Floats) -> Floats:
        """Inverse Hessian of the loss, shape (L, p, p), with slopes held off 0 and 1.

        Where few items determine a curve, its second derivatives matter to the influence of an
        item, but by noise they can make a direction seem unidentified. At least `_LEAST_CURVED` of
        the Gauss-Newton curvature is kept in every direction.
        """
        held = self.curvature(slopes)
        _, hessian, gauss_newton, _ = self.expand(theta)
        root = np.linalg.inv(np.linalg.cholesky(held))
        bent = root @ (hessian() - gauss_newton + held) @ root.swapaxes(1, 2)
        value, vector = np.linalg.eigh(bent)
        axes = vector.swapaxes(1, 2) @ root
        return axes.swapaxes(1, 2) @ (axes / np.maximum(value, _LEAST_CURVED)[:, :, None])

    def cross_derivative(
        self, deconvolution: Deconvolution, theta: Floats, slopes: Floats
    ) -> Floats:
        """Derivative of the equations (L, p) with respect to the deconvolution's theta, (L, p, r).

        Derivatives of ``E[. | pattern]`` are covariances with the columns B under P(x | pattern).
        """
        curve = self.prior.family.curves(theta)
        posterior, basis = self.posterior, deconvolution.basis
        fitted, design = curve @ posterior.T, posterior @ slopes
        mean = posterior @ basis
        residual = self.working * (self.means.mean - fitted)
        by_fit = (posterior * curve[:, None, :]) @ basis - fitted[:, :, None] * mean
        by_design = slopes.swapaxes(1, 2) @ ((residual @ posterior)[:, :, None] * basis)
        by_design -= (design * residual[:, :, None]).swapaxes(1, 2) @ mean
        return np.asarray(by_design - (design * self.working[:, :, None]).swapaxes(1, 2) @ by_fit)

    def kernel_derivative(
        self, deconvolution: Deconvolution, theta: Floats, slopes: Floats
    ) -> Floats:
        """Derivative of the equations with respect to the correlation of source trials, (L, p).

        As `cross_derivative`, with the derivatives of ``log P(k | n, x)`` in the place of B.
        """
        curve, posterior = self.prior.family.curves(theta), self.posterior
        weighted = posterior * deconvolution.kernel_slope
        centred = weighted - posterior * weighted.sum(axis=1, keepdims=True)
        residual = self.working * (self.means.mean - curve @ posterior.T)
        by_fit = self.working * (curve @ centred.T)
        by_design = (slopes.swapaxes(1, 2) @ (residual @ centred)[:, :, None])[:, :, 0]
        return np.asarray(by_design - (by_fit[:, None, :] @ (posterior @ slopes))[:, 0])

    def rows(self, keep: Ints) -> Equations:
        """The equations of some languages."""
        return Equations(self.prior, self.posterior, self.means.rows(keep), self.working[keep])


def minimise(equations: Equations, theta: Floats) -> Floats:
    """Damped Newton steps for all languages at once, each with its own damping.

    With many items the loss is a narrow curved valley. Far from the minimum steps are therefore
    Gauss-Newton steps with geodesic acceleration (Transtrum and Sethna 2012, arXiv:1201.5885), near
    it Newton steps. From starting values (L, p) to the minimum (L, p).
    """
    theta = theta.copy()
    damping = np.full(theta.shape[0], _DAMPING)
    far = np.full(theta.shape[0], True)
    current = equations.objective(theta)
    unit, slope, bend = (np.empty(theta.shape) for _ in range(3))
    vector = np.empty((*theta.shape, theta.shape[1]))
    slopes = np.empty((theta.shape[0], equations.posterior.shape[1], theta.shape[1]))
    active = moved = np.arange(theta.shape[0])
    for _ in range(_STEPS):
        if moved.size:
            # In units of the Gauss-Newton diagonal, along the axes of the curvature.
            expanded = equations.rows(moved).expand(theta[moved])
            gradient, hessian, gauss_newton, slopes[moved] = expanded
            curvature = gauss_newton
            if not far[moved].all():
                curvature = np.where(far[moved, None, None], gauss_newton, hessian())
            size = np.sqrt(np.diagonal(gauss_newton, axis1=1, axis2=2))
            bend[moved], axes = np.linalg.eigh(curvature / (size[:, :, None] * size[:, None, :]))
            unit[moved], vector[moved] = size, axes
            slope[moved] = _onto(axes, gradient / size)
        # Directions of negative curvature are scaled by its absolute value, which leaves a saddle
        # point as fast as it approaches a minimum.
        stiffness = np.maximum(np.abs(bend[active]), 1e-10) + damping[active, None]
        along = slope[active] / stiffness
        back = vector[active].swapaxes(1, 2)
        step = _onto(back, along) / unit[active]
        local = equations.rows(active)
        if far[active].any():
            change = local.bend_gradient(theta[active], step, slopes[active])
            turn = -0.5 * _onto(vector[active], change / unit[active]) / stiffness
            slight = 2.0 * np.linalg.norm(turn, axis=1) <= _TURN * np.linalg.norm(along, axis=1)
            accelerated = (far[active] & slight)[:, None]
            step += np.where(accelerated, _onto(back, turn) / unit[active], 0.0)
        proposed = local.objective(theta[active] + step)
        gain = current[active] - proposed
        better = gain >= 0.0
        moved = active[better]
        theta[moved] += step[better]
        current[moved] = proposed[better]
        # The Newton decrement is the possible gain, in squared standard errors, without damping,
        # which shortens steps. Where damping has become very large, only rounding error remains.
        decrement = (slope[active] * along).sum(axis=1) * (1.0 + damping[active])
        far[moved] = decrement[better] > _FAR
        # Less damping where the step gained what was predicted, more where it did not.
        predicted = ((slope[active] - 0.5 * bend[active] * along) * along).sum(axis=1)
        factor = np.select(
            [~better, gain < 0.25 * predicted, gain < 0.75 * predicted],
            [10.0, 4.0, 1.0],
            _LESS_DAMPING,
        )
        damping[active] = np.maximum(damping[active] * factor, 1e-12)
        active = active[(decrement >= 1e-8) & (damping[active] <= 1e12)]
        if active.size == 0:
            return theta
        moved = np.intersect1d(moved, active)
    raise FitError(f"a latent profile did not converge in {_STEPS} steps")


def _onto(axes: Floats, values: Floats) -> Floats:
    """Coordinates (L, p) of vectors along the columns of axes (L, p, p)."""
    return np.asarray((axes.swapaxes(1, 2) @ values[:, :, None])[:, :, 0])
