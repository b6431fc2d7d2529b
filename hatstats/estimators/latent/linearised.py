"""Fitted curves of one model, linearised: what influence values and shape errors are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hatstats.estimators.latent.deconvolution import Deconvolution
from hatstats.estimators.latent.penalised_fit import (
    Equations,
    Means,
    Prior,
    minimise,
    working_weights,
)

Floats = NDArray[np.float64]

#: Least share of itself that an item leaves to the others in predicting it.
LEAST_LEFT = 1e-3


@dataclass(frozen=True, slots=True)
class Layer:
    """Fitted curves with what their uncertainty needs; L curves, J patterns, p parameters.

    Attributes
    ----------
    prior : Prior
    target : ndarray, shape (N, L)
        Target accuracies that the curves were fitted to, NaN where there are none.
    theta : ndarray, shape (L, p)
        NaN for a curve without any target, as in every array below.
    curve : ndarray, shape (L, Q)
    slopes : ndarray, shape (L, Q, p)
        Derivatives of the curves, held off where a delta method would break down.
    working : ndarray, shape (L, J)
        Working weight of one item of each count pattern.
    bread : ndarray, shape (L, p, p)
        Inverse Hessian of the penalised loss (`Equations.bread`).
    carry : ndarray, shape (L, p, r)
        Derivative of the estimating equations with respect to the deconvolution's theta.
    """

    prior: Prior
    target: Floats
    theta: Floats
    curve: Floats
    slopes: Floats
    working: Floats
    bread: Floats
    carry: Floats

    @property
    def penalty(self) -> Floats:
        """Prior precision at the solution, shape (L, p, p)."""
        return self.prior.precision(self.slopes)

    def directions(self, weights: Floats) -> Floats:
        """What one unit of each equation does to ``sum_x weights_x T_l(x)``, shape (L, p)."""
        return np.asarray((self.bread @ (weights @ self.slopes)[:, :, None])[:, :, 0], dtype=float)

    def leverage(self, part: Deconvolution) -> Floats:
        """Leverage of one item of each pattern on its own fitted value, shape (L, J)."""
        design = part.posterior @ self.slopes
        return self.working * ((design @ self.bread) * design).sum(axis=2)

    def own_influence(self, part: Deconvolution, place: int, directions: Floats) -> Floats:
        """Influence of items through the equations of one curve, shape (N, K), directions (K, p).

        An item's residual is the one from all the other items, ``r / (1 - leverage)``: where few
        items carry the score, the plain residual understates what each of them does.
        """
        index, y = part.patterns.index, self.target[:, place]
        used = (index >= 0) & ~np.isnan(y)
        level = index[used]
        left = np.maximum(1.0 - self.leverage(part)[place], LEAST_LEFT)
        residual = (y[used] - (part.posterior @ self.curve[place])[level]) / left[level]
        gain = self.working[place][:, None] * (part.posterior @ self.slopes[place] @ directions.T)
        moved = gain[level] * residual[:, None]
        influence = np.zeros((y.size, directions.shape[0]))
        influence[used] = moved - moved.mean(axis=0)
        return influence


def fit_layer(
    prior: Prior,
    part: Deconvolution,
    target: Floats,
    every: Means,
    start: Floats | None = None,
) -> Layer:
    """Fit one curve per column of target accuracies.

    Parameters
    ----------
    prior : Prior
    part : Deconvolution
    target : ndarray, shape (N, L)
    every : Means
        Their means by pattern, which are all that the fit looks at.
    start : ndarray, shape (L, p), optional
        Parameters of curves that are near; the prior's if not given.

    Returns
    -------
    Layer

    Raises
    ------
    FitError
        If a curve does not converge.
    """
    family = prior.family
    there = np.flatnonzero(every.size.sum(axis=1) > 0)
    means = every.rows(there)
    # Variances that go with the fitted means; equal ones first where there are none.
    if start is None:
        level = (means.size * means.mean).sum(axis=1) / means.size.sum(axis=1)
        fitted = np.repeat(level[:, None], means.size.shape[1], axis=1)
        theta = np.tile(prior.theta, (there.size, 1))
    else:
        theta = start[there]
        fitted = family.curves(theta) @ part.posterior.T
    for _ in range(2):
        equations = Equations(prior, part.posterior, means, working_weights(means, fitted))
        theta = minimise(equations, theta)
        fitted = family.curves(theta) @ part.posterior.T
    slopes = family.held_slopes(theta)

    def full(values: Floats) -> Floats:
        out = np.full((target.shape[1], *values.shape[1:]), np.nan)
        out[there] = values
        return out

    return Layer(
        prior=prior,
        target=target,
        theta=full(theta),
        curve=full(family.curves(theta)),
        slopes=full(slopes),
        working=full(_each_item(equations.working, means)),
        bread=full(equations.bread(theta, slopes)),
        carry=full(equations.carry(part, theta, slopes)),
    )


def _each_item(working: Floats, means: Means) -> Floats:
    return np.divide(working, means.size, out=np.zeros(working.shape), where=means.size > 0)
