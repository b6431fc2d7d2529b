"""The distribution of an item's chance of a right answer, from counts of right answers.

Counts k of n trials blur the item probability x by binomial noise. The distribution g of x
is recovered by maximum likelihood in a smooth exponential family on a grid (Efron 2016,
Biometrika 103:1-20): log g is a cubic spline of logit x, with atoms at x = 0 and x = 1 for items
that a model never or always answers. The penalty is on third differences of the spline
coefficients, so that ever more smoothing leads to the logit-normal family, and its weight is the
one that maximises the Laplace approximation of the marginal likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special
from scipy.interpolate import BSpline

from hatstats.errors import FitError
from hatstats.estimators.latent.patterns import Patterns
from hatstats.inference.arrays import Floats
from hatstats.inference.beta_binomial import wording_sums

#: Largest |logit x| of the grid between the atoms.
_REACH = 7.0
#: Values of x at which distributions and profiles are held.
GRID = np.concatenate([[0.0], special.expit(np.linspace(-_REACH, _REACH, 57)), [1.0]])
_SPLINES = 12
# Weak ridges bound the flat directions of the likelihood: the level of log g, which cancels in g,
# and the atoms, which differ little from their neighbours on the grid.
_RIDGE_SPLINE, _RIDGE_ATOM = 1e-4, 1e-3
# Down to 1e-4: with .01 two humps of hardness would be smeared into one another, and the scores of
# models on their far side be off by one standard error (660 items, ten trials).
_SMOOTHING = np.geomspace(1e5, 1e-4, 19)


def _design() -> tuple[Floats, Floats]:
    """Basis of log g on the grid, splines then atoms (Q, p), and the roughness matrix (p, p)."""
    inner = np.linspace(-_REACH, _REACH, GRID.size - 2)
    knots = np.concatenate(
        [[-_REACH] * 3, np.linspace(-_REACH, _REACH, _SPLINES - 2), [_REACH] * 3]
    )
    splines = BSpline.design_matrix(inner, knots, 3).toarray()
    basis = np.zeros((GRID.size, _SPLINES + 2))
    basis[1:-1, :_SPLINES] = splines
    basis[0, :_SPLINES], basis[-1, :_SPLINES] = splines[0], splines[-1]
    basis[0, _SPLINES] = basis[-1, _SPLINES + 1] = 1.0
    differences = np.diff(np.eye(_SPLINES), 3, axis=0)
    roughness = np.zeros((_SPLINES + 2,) * 2)
    roughness[:_SPLINES, :_SPLINES] = differences.T @ differences
    return basis, roughness


_BASIS, _ROUGHNESS = _design()
_RIDGE = np.diag(np.r_[np.full(_SPLINES, _RIDGE_SPLINE), np.full(2, _RIDGE_ATOM)])


@dataclass(frozen=True, slots=True)
class Deconvolution:
    """Distribution of the item probability x on a grid, with derivatives for its uncertainty.

    `density` (Q,) holds the probabilities g of the grid points, from the atom 0 to the atom 1;
    `posterior` (J, Q) P(x | k, n) of each pattern; `basis` (Q, p) the columns B of the exponential
    family ``g = softmax(B theta)``; `theta_influence` (J, p) the influence on theta of one item
    with each pattern (centred over items).
    `theta_shape` (p, p) is ``H^-1 P H^-1``, H the Hessian and P the penalty: covariance of the bias
    of theta if log g were drawn from the prior that the penalty stands for. `smoothing` is the
    penalty weight chosen.

    Where trials share wordings, `kernel_slope` (J, Q) holds the derivatives of ``log P(k | n, x)``
    by their correlation, `theta_by_correlation` (p,) those of theta; zeros elsewhere.
    """

    grid: Floats
    density: Floats
    posterior: Floats
    patterns: Patterns
    basis: Floats
    theta_influence: Floats
    theta_shape: Floats
    kernel_slope: Floats
    theta_by_correlation: Floats
    smoothing: float
    log_likelihood: float

    def influence(self, slope: Floats) -> Floats:
        """Influence (N, K) of items on K functions of theta with derivatives (K, p).

        Without a factor 1 / (1 - leverage): an item adds no more to the curvature of a density's
        log-likelihood than any other, so that leaving it out moves theta by this.
        """
        moved = self.theta_influence @ slope.T
        index = self.patterns.index
        return np.asarray(np.where(index[:, None] >= 0, moved[index], 0.0))


def _softmax(theta: Floats) -> Floats:
    """Probabilities g (Q,) of parameters (p,); scipy's softmax is ten times slower at this size."""
    value = _BASIS @ theta
    shares = np.exp(value - value.max())
    return np.asarray(shares / shares.sum(), dtype=float)


def _maximise(
    likelihood: Floats, size: Floats, penalty: Floats, theta: Floats, tolerance: float
) -> tuple[Floats, float]:
    """Penalised maximum by Newton steps with halving; returns theta and the objective.

    The last step is predicted to gain less than half of `tolerance` in log-likelihood.
    """

    def objective(value: Floats) -> float:
        mixture = likelihood @ _softmax(value)
        with np.errstate(divide="ignore"):  # the objective of too long a step is -inf
            return float(size @ np.log(mixture) - 0.5 * value @ penalty @ value)

    total = size.sum()
    current = objective(theta)
    for _ in range(200):
        density = _softmax(theta)
        mixture = likelihood @ density
        posterior = likelihood * density / mixture[:, None]
        scores = posterior @ _BASIS - density @ _BASIS
        gradient = size @ scores - penalty @ theta
        # In units of the expected information, which is positive definite. Directions of negative
        # curvature are scaled by its absolute value, so that saddle points are left at once.
        information = (scores * (total * mixture)[:, None]).T @ scores + penalty
        unit = np.sqrt(np.diag(information))
        curvature = _curvature(likelihood, size, penalty, theta) / np.outer(unit, unit)
        value, vector = np.linalg.eigh(curvature)
        stiffness = np.maximum(np.abs(value), 1e-10)
        step = vector @ (vector.T @ (gradient / unit) / stiffness) / unit
        length = 1.0
        while (proposed := objective(theta + length * step)) < current and length > 1e-10:
            length *= 0.5
        if proposed < current:
            return theta, current
        theta = theta + length * step
        current = proposed
        if gradient @ step < tolerance:
            return theta, current
    raise FitError("the distribution of source accuracy did not converge in 200 Newton steps")


def _curvature(likelihood: Floats, size: Floats, penalty: Floats, theta: Floats) -> Floats:
    """Negative Hessian of the penalised log-likelihood."""
    density = _softmax(theta)
    posterior = likelihood * density
    posterior /= posterior.sum(axis=1, keepdims=True)
    # Sum over patterns of N_j (E[BB'|j] - E[B|j]E[B|j]') in two products.
    weighted = size @ posterior
    means = posterior @ _BASIS
    within = (_BASIS * weighted[:, None]).T @ _BASIS - (means * size[:, None]).T @ means
    mean = density @ _BASIS
    prior = (_BASIS * density[:, None]).T @ _BASIS - np.outer(mean, mean)
    return np.asarray(size.sum() * prior - within + penalty, dtype=float)


def deconvolve(
    patterns: Patterns, smoothing: float | None = None, correlation: float = 0.0
) -> Deconvolution:
    """Distribution of item probabilities behind counts of right answers.

    Maximises ``sum_i log sum_x P(k_i | n_i, x) g(x) - penalty`` over ``g = softmax(B theta)``, P
    binomial, or a sum of beta-binomials where trials of one wording have a correlation. The weight
    `smoothing` of the roughness penalty is chosen by the Laplace approximation of the marginal
    likelihood if not given.
    """
    shared = patterns.same_wording
    related = bool(shared.any())
    likelihood, kernel_slope = wording_sums(
        patterns.correct,
        patterns.trials,
        GRID,
        shared,
        correlation,
        slope=related,
    )
    theta = np.r_[np.zeros(_SPLINES), -2.0, -2.0]
    best: tuple[float, float, Floats] | None = None
    for weight in _SMOOTHING if smoothing is None else (float(smoothing),):
        penalty = weight * _ROUGHNESS + _RIDGE
        # A hundredth of a log-likelihood is accurate enough to compare the weights.
        theta, value = _maximise(likelihood, patterns.size, penalty, theta, 1e-2)
        sign, log_det = np.linalg.slogdet(_curvature(likelihood, patterns.size, penalty, theta))
        evidence = float(value + 0.5 * (_SPLINES - 3) * np.log(weight) - 0.5 * log_det)
        if best is None or (sign > 0 and evidence > best[0]):
            best = (evidence, float(weight), theta)
    assert best is not None
    _, weight, theta = best
    penalty = weight * _ROUGHNESS + _RIDGE
    theta, _ = _maximise(likelihood, patterns.size, penalty, theta, 1e-9)
    density = _softmax(theta)
    mixture = likelihood @ density
    posterior = likelihood * density / mixture[:, None]
    scores = posterior @ _BASIS
    scores -= (patterns.size @ scores) / patterns.size.sum()
    curvature = _curvature(likelihood, patterns.size, penalty, theta)
    by_correlation = np.zeros(theta.size)
    if related:
        # The score of a pattern is E[B | k] - E[B]; only its posterior depends on the kernel.
        weighted = posterior * kernel_slope
        by_kernel = weighted @ _BASIS - weighted.sum(axis=1, keepdims=True) * (posterior @ _BASIS)
        by_correlation = np.linalg.solve(curvature, patterns.size @ by_kernel)
    influence = np.linalg.solve(curvature, scores.T).T
    return Deconvolution(
        grid=GRID,
        density=density,
        posterior=posterior,
        patterns=patterns,
        basis=_BASIS,
        theta_influence=influence,
        theta_shape=np.linalg.solve(curvature, np.linalg.solve(curvature, penalty).T),
        kernel_slope=kernel_slope,
        theta_by_correlation=by_correlation,
        smoothing=weight,
        log_likelihood=float(patterns.size @ np.log(mixture)),
    )
