"""Fitted curves of one model, linearised, for influence values and shape errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hatstats.estimators.latent.deconvolution import Deconvolution
from hatstats.estimators.latent.patterns import Means
from hatstats.estimators.latent.penalised_fit import (
    Equations,
    Prior,
    minimise,
    working_weights,
)

Floats = NDArray[np.float64]

#: Least value of 1 - leverage by which a residual is divided.
LEAST_RESIDUAL_SHARE = 1e-3


@dataclass(frozen=True, slots=True)
class CurveFit:
    """L fitted curves with derivatives for their uncertainty; J patterns, p parameters.

    Fitted to `target` (N, L), NaN where there is none; arrays are NaN for a curve without any
    target. `theta` (L, p), `curve` (L, Q); `slopes` (L, Q, p) with curves held off 0 and 1;
    `working` (L, J) weight of one item of each pattern; `bread` (L, p, p) inverse Hessian of the
    penalised loss; `cross_derivative` (L, p, r) of the equations with respect to the
    deconvolution's theta.
    """

    prior: Prior
    target: Floats
    theta: Floats
    curve: Floats
    slopes: Floats
    working: Floats
    bread: Floats
    cross_derivative: Floats

    @property
    def penalty(self) -> Floats:
        """Prior precision at the solution, shape (L, p, p)."""
        return self.prior.precision(self.slopes)

    def directions(self, weights: Floats) -> Floats:
        """Derivatives of ``sum_x weights_x T_l(x)`` by the estimating equations, shape (L, p)."""
        return np.asarray((self.bread @ (weights @ self.slopes)[:, :, None])[:, :, 0], dtype=float)

    def leverage(self, deconvolution: Deconvolution) -> Floats:
        """Leverage of one item of each pattern on its own fitted value, shape (L, J)."""
        design = deconvolution.posterior @ self.slopes
        return self.working * ((design @ self.bread) * design).sum(axis=2)

    def own_influence(
        self, deconvolution: Deconvolution, column: int, directions: Floats
    ) -> Floats:
        """Influence of items through the equations of one curve, shape (N, K), directions (K, p).

        An item's residual is from the fit to all other items, ``r / (1 - leverage)``: where few
        items carry the score, the plain residual understates their influence.
        """
        index, posterior = deconvolution.patterns.index, deconvolution.posterior
        y = self.target[:, column]
        used = (index >= 0) & ~np.isnan(y)
        pattern = index[used]
        share = np.maximum(1.0 - self.leverage(deconvolution)[column], LEAST_RESIDUAL_SHARE)
        residual = (y[used] - (posterior @ self.curve[column])[pattern]) / share[pattern]
        gain = self.working[column][:, None] * (posterior @ self.slopes[column] @ directions.T)
        effect = gain[pattern] * residual[:, None]
        influence = np.zeros((y.size, directions.shape[0]))
        influence[used] = effect - effect.mean(axis=0)
        return influence


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
        target=target,
        theta=full(theta),
        curve=full(family.curves(theta)),
        slopes=full(slopes),
        working=full(working),
        bread=full(equations.bread(theta, slopes)),
        cross_derivative=full(equations.cross_derivative(deconvolution, theta, slopes)),
    )
