"""The `latent` profile: T(x) = E[p_target | p_source = x] with the noise of k/n taken out.

Two steps, neither with a model of residuals or of dependence between languages:

1. g, the distribution of an item's source probability x, by deconvolution of the source counts;
2. T, an increasing function, by penalised least squares on the conditional means that the data
   identify: ``E[k_t / n_t | k_s] = sum_x T(x) P_g(x | k_s)``.

T is one of a smooth family of increasing functions (`hatstats.hat.increasing`) in which no
constraint can bind, so that both steps are smooth estimating equations: the influence of an item on
any functional of T or g is a look-up by its source count, and carries the first step's uncertainty
into the second.

The penalty is a fixed prior, not chosen from the data: n promptings identify n + 1 functionals of
T, and what the shape adds beyond them stays the same whatever the sample. `shape_covariance` says
how much that is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hatstats.errors import FitError, NotIdentifiedError
from hatstats.hat.counts import ItemCounts
from hatstats.hat.deconvolution import Deconvolution, deconvolve
from hatstats.hat.increasing import IncreasingFamily, increasing_family

Floats = NDArray[np.float64]

# Variance of an item's target accuracy given its source count is modelled as
# dispersion * (mean * (1 - mean) + _VARIANCE_FLOOR): a working weight, which the sandwich checks.
_VARIANCE_FLOOR, _LEAST_DISPERSION = 0.01, 0.01
# Where the data put floor or rest near 0, their log odds have no slope and a delta method would
# call them known. Derivatives are taken with odds of at least exp(-3), a share of .047.
_LEAST_END = -3.0
_STEPS = 200


@dataclass(frozen=True, slots=True)
class _Means:
    """Target means by source-count pattern, each (L, J): weight of items, mean, variance."""

    size: Floats
    mean: Floats
    variance: Floats

    def rows(self, keep: NDArray[np.bool_] | NDArray[np.intp]) -> _Means:
        return _Means(self.size[keep], self.mean[keep], self.variance[keep])


def _pattern_means(target: Floats, index: NDArray[np.intp], items: Floats, patterns: int) -> _Means:
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
    return _Means(size, mean, variance)


@dataclass(frozen=True, slots=True)
class _Equations:
    """Penalised least squares of L languages: posterior (J, Q), means, working weights (L, J)."""

    family: IncreasingFamily
    posterior: Floats
    means: _Means
    working: Floats

    def objective(self, theta: Floats) -> Floats:
        curve = self.family.curves(theta)
        off = theta - self.family.centre
        loss = (self.working * (self.means.mean - curve @ self.posterior.T) ** 2).sum(axis=1)
        loss += ((curve @ self.family.bends.T) ** 2).sum(axis=1)
        return np.asarray(0.5 * (loss + ((off @ self.family.penalty) * off).sum(axis=1)))

    def expand(self, theta: Floats) -> tuple[Floats, Floats, Floats]:
        """Gradient (L, p) to climb, Hessian and Gauss-Newton Hessian (L, p, p) of the loss."""
        curve, slopes = self.family.curves(theta), self.family.slopes(theta)
        miss = self.working * (self.means.mean - curve @ self.posterior.T)
        design = self.posterior @ slopes
        bent = curve @ self.family.bends.T @ self.family.bends
        gradient = (miss[:, None, :] @ design)[:, 0] - (bent[:, None, :] @ slopes)[:, 0]
        gradient -= (theta - self.family.centre) @ self.family.penalty
        near = (design * self.working[:, :, None]).swapaxes(1, 2) @ design
        near += self.prior(slopes)
        return gradient, near - self.family.bending(theta, miss @ self.posterior - bent), near

    def prior(self, slopes: Floats) -> Floats:
        """Prior precision of theta where T has these slopes, shape (L, p, p)."""
        bends = self.family.bends @ slopes
        return np.asarray(bends.swapaxes(1, 2) @ bends + self.family.penalty, dtype=float)

    def rows(self, keep: NDArray[np.intp]) -> _Equations:
        return _Equations(self.family, self.posterior, self.means.rows(keep), self.working[keep])


def _minimise(equations: _Equations, theta: Floats) -> Floats:
    """Damped Newton steps for all languages at once, each with its own damping."""
    theta = theta.copy()
    damping = np.full(theta.shape[0], 1e-3)
    open_ = np.arange(theta.shape[0])
    current = equations.objective(theta)
    for _ in range(_STEPS):
        part = equations.rows(open_)
        gradient, hessian, near = part.expand(theta[open_])
        # In units of the Gauss-Newton diagonal; a direction that bends downward is walked by the
        # size of its bend, which leaves a saddle as fast as it nears a minimum.
        unit = np.sqrt(np.diagonal(near, axis1=1, axis2=2))
        value, vector = np.linalg.eigh(hessian / (unit[:, :, None] * unit[:, None, :]))
        value = np.maximum(np.abs(value), 1e-10) + damping[open_, None]
        along = (vector.swapaxes(1, 2) @ (gradient / unit)[:, :, None])[:, :, 0] / value
        step = (vector @ along[:, :, None])[:, :, 0] / unit
        proposed = part.objective(theta[open_] + step)
        better = proposed <= current[open_]
        theta[open_[better]] += step[better]
        current[open_[better]] = proposed[better]
        # The Newton decrement is what the objective can still gain, in squared standard errors;
        # damping shortens the step and must not pass for convergence. Where damping has grown
        # without end, rounding hides what is left.
        decrement = (gradient * step).sum(axis=1) * (1.0 + damping[open_])
        damping[open_] = np.maximum(damping[open_] * np.where(better, 0.1, 10.0), 1e-12)
        done = (decrement < 1e-8) | (damping[open_] > 1e12)
        open_ = open_[~done]
        if open_.size == 0:
            return theta
    raise FitError(f"a latent profile did not converge in {_STEPS} steps")


def _working_weights(means: _Means, fitted: Floats) -> Floats:
    """Inverse variances of the pattern means: dispersion times binomial, (L, J)."""
    shape = fitted * (1.0 - fitted) + _VARIANCE_FLOOR
    within = (means.size * means.variance).sum(axis=1)
    expected = (np.maximum(means.size - 1.0, 0.0) * shape).sum(axis=1)
    ratio = np.divide(within, expected, out=np.ones(within.size), where=expected > 0)
    return means.size / (np.maximum(ratio, _LEAST_DISPERSION)[:, None] * shape)


@dataclass(frozen=True, slots=True)
class LatentModel:
    """Latent profile of one model on one benchmark.

    Attributes
    ----------
    deconvolution : Deconvolution
    theta : ndarray, shape (L, p)
        Parameters of the increments of T; NaN for a language in which the model was never asked,
        as in every array below.
    profile : ndarray, shape (L, Q)
        T on the grid.
    slopes : ndarray, shape (L, Q, p)
        Derivatives of T, with floor and rest held off 0.
    working : ndarray, shape (L, J)
        Working weight of one item of each count pattern.
    bread : ndarray, shape (L, p, p)
        Inverse of the Gauss-Newton Hessian of the penalised loss.
    penalty : ndarray, shape (L, p, p)
    carry : ndarray, shape (L, p, r)
        Derivative of the estimating equations with respect to the deconvolution's theta.
    target : ndarray, shape (N, L)
    """

    deconvolution: Deconvolution
    theta: Floats
    profile: Floats
    slopes: Floats
    working: Floats
    bread: Floats
    penalty: Floats
    carry: Floats
    target: Floats

    @property
    def distribution(self) -> Floats:
        """Distribution g of source accuracy on the grid, shape (Q,)."""
        return self.deconvolution.density

    def _directions(self, weights: Floats) -> Floats:
        """What one unit of each equation does to ``sum_x weights_x T_l(x)``, shape (L, p)."""
        return np.asarray((self.bread @ (weights @ self.slopes)[:, :, None])[:, :, 0], dtype=float)

    def profile_influence(self, weights: Floats) -> Floats:
        """Influence of each item on ``sum_x weights_x T_l(x)``, shape (N, L).

        An item's residual is the one from all the other items, ``r / (1 - leverage)``: where few
        items carry the score, the plain residual understates what each of them does.
        """
        part = self.deconvolution
        index = part.patterns.index
        influence = np.zeros(self.target.shape)
        asked = index >= 0
        for place, direction in enumerate(self._directions(weights)):
            if np.isnan(direction).any():
                continue
            design = part.posterior @ self.slopes[place]
            each = self.working[place]
            leverage = each * np.einsum("jp,pq,jq->j", design, self.bread[place], design)
            gain = each * (design @ direction) / np.maximum(1.0 - leverage, 1e-3)
            fitted = part.posterior @ self.profile[place]
            y = self.target[:, place]
            used = asked & ~np.isnan(y)
            level = index[used]
            own = gain[level] * (y[used] - fitted[level])
            influence[used, place] = own - own.mean()
            first_step = part.theta_influence @ (direction @ self.carry[place])
            influence[asked, place] += first_step[index[asked]]
        return influence

    def distribution_influence(self, values: Floats) -> Floats:
        """Influence of each item on ``sum_x g(x) values_xr``, shape (N, R) for values (Q, R)."""
        part = self.deconvolution
        centred = values - part.density @ values
        gradient = part.basis.T @ (centred * part.density[:, None])
        influence = np.zeros((part.patterns.index.size, values.shape[1]))
        asked = part.patterns.index >= 0
        influence[asked] = (part.theta_influence @ gradient)[part.patterns.index[asked]]
        return influence

    def shape_covariance(self, weights: Floats) -> Floats:
        """What the smoothness of T and g may hide of ``sum_x weights_x T_l(x)``, shape (L, L).

        Were log densities drawn from the prior that the penalties stand for, the bias of a
        penalised fit would have covariance ``H^-1 P H^-1`` (Nychka 1988, JASA 83:1134-1143), H
        the Hessian and P the penalty. Sampling covariance plus this is the prior's honest error;
        where it dominates, the number is extrapolation. Languages are taken to err alike.
        """
        directions = self._directions(weights)
        own = np.sqrt(np.einsum("lp,lpq,lq->l", directions, self.penalty, directions))
        carried = np.einsum("lp,lpr->lr", directions, self.carry)
        return np.asarray(
            np.outer(own, own) + carried @ self.deconvolution.theta_shape @ carried.T, dtype=float
        )


def _carry(equations: _Equations, part: Deconvolution, theta: Floats, linear: Floats) -> Floats:
    """Derivative of the equations (L, p) with respect to the deconvolution's theta, (L, p, r).

    Derivatives of ``E[. | pattern]`` are covariances with the columns B under P(x | pattern).
    """
    curve, slopes = equations.family.curves(theta), equations.family.slopes(linear)
    posterior, basis, working = part.posterior, part.basis, equations.working
    fitted, design = curve @ posterior.T, posterior @ slopes
    mean = posterior @ basis
    miss = working * (equations.means.mean - fitted)
    of_fit = (posterior * curve[:, None, :]) @ basis - fitted[:, :, None] * mean
    of_design = slopes.swapaxes(1, 2) @ ((miss @ posterior)[:, :, None] * basis)
    of_design -= (design * miss[:, :, None]).swapaxes(1, 2) @ mean
    return np.asarray(of_design - (design * working[:, :, None]).swapaxes(1, 2) @ of_fit)


def _fit_model(part: Deconvolution, target: Floats, items: Floats) -> LatentModel:
    """Profiles of one model in all languages at once; target (N, L), item weights (N,)."""
    family = increasing_family(part.grid)
    patterns = part.patterns.size.size
    means = _pattern_means(target, part.patterns.index, items, patterns)
    there = np.flatnonzero(means.size.sum(axis=1) > 0)
    known = means.rows(there)
    # Equal variances first; then variances that go with the fitted means.
    level = (known.size * known.mean).sum(axis=1) / known.size.sum(axis=1)
    fitted = np.repeat(level[:, None], patterns, axis=1)
    theta = np.tile(family.centre, (there.size, 1))
    for _ in range(2):
        equations = _Equations(family, part.posterior, known, _working_weights(known, fitted))
        theta = _minimise(equations, theta)
        fitted = family.curves(theta) @ part.posterior.T
    each = np.divide(
        equations.working, known.size, out=np.zeros(known.size.shape), where=known.size > 0
    )
    # Curvature without second derivatives of T, which noise can bend the wrong way.
    linear = theta.copy()
    linear[:, -2:] = np.maximum(linear[:, -2:], _LEAST_END)
    _, _, near = equations.expand(linear)

    def full(values: Floats) -> Floats:
        out = np.full((target.shape[1], *values.shape[1:]), np.nan)
        out[there] = values
        return out

    return LatentModel(
        deconvolution=part,
        theta=full(theta),
        profile=full(family.curves(theta)),
        slopes=full(family.slopes(linear)),
        working=full(each),
        bread=full(np.linalg.inv(near)),
        penalty=full(equations.prior(family.slopes(linear))),
        carry=full(_carry(equations, part, theta, linear)),
        target=target,
    )


def fit_latent(
    counts: ItemCounts, *, weights: Floats | None = None
) -> tuple[Floats, tuple[LatentModel, ...]]:
    """Latent profiles of every model of a benchmark.

    Parameters
    ----------
    counts : ItemCounts
        At least two promptings per item in the source language for some items.
    weights : ndarray, shape (N,), optional
        Non-negative weights of the items, for bootstraps of full refits; 1 each if not given.

    Returns
    -------
    support : ndarray, shape (Q,)
        The grid of source accuracy.
    models : tuple of LatentModel, length M

    Raises
    ------
    NotIdentifiedError
        If a model has one prompting per item: the spread of x cannot be told from noise then.
    """
    fitted = []
    target = counts.target_accuracy()
    items = np.ones(counts.items.size) if weights is None else np.asarray(weights, dtype=float)
    for m, model in enumerate(counts.models):
        if counts.source_trials[m].max() < 2:
            raise NotIdentifiedError(
                f"benchmark {counts.benchmark!r}, model {model!r}: one prompting per item cannot "
                "tell hard items from bad luck, so the latent profile is not identified. What is "
                "missing: two or more promptings per item in the source language. With two or "
                "more target languages use method='joint'; the observed profile "
                "(method='observed') can be computed too, with its bias."
            )
        part = deconvolve(counts.source_correct[m], counts.source_trials[m], weights=weights)
        fitted.append(_fit_model(part, target[m], items))
    return fitted[0].deconvolution.grid, tuple(fitted)
