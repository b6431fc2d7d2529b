"""The `latent` profile: T(x) = E[p_target | p_source = x] with the noise of k/n taken out.

Two steps, neither with a model of residuals or of dependence between languages:

1. g, the distribution of an item's source probability x, by deconvolution of the source counts;
2. T, a monotone function, by weighted least squares on the conditional means that the data
   identify: ``E[k_t / n_t | k_s] = sum_x T(x) P_g(x | k_s)``.

Both are solutions of estimating equations, so that the influence of an item on any linear
functional of T or g is a look-up by its source count, and carries the first step's uncertainty
into the second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from hatstats.errors import NotIdentifiedError
from hatstats.hat.counts import ItemCounts
from hatstats.hat.deconvolution import Deconvolution, deconvolve

Floats = NDArray[np.float64]

_RAMP_CENTRES = np.linspace(-6.0, 6.0, 17)
_POWERS = (1, 2, 3, 4, 6, 8)
_SMOOTHING = np.geomspace(1e-4, 1e2, 13)
# Weight of the one row that holds T(1) = 1 where the fit would pass it; in units of the data
# rows, whose weights are numbers of items.
_CEILING = 1e5


def monotone_basis(grid: Floats) -> Floats:
    """Increasing functions of x on `grid` (Q,), columns of a (Q, K) matrix.

    The constant, logistic ramps on the logit scale, and the powers ``x^d`` and ``1 - (1 - x)^d``;
    any non-negative combination is a non-decreasing function.
    """
    with np.errstate(divide="ignore"):
        logit = special.logit(grid)
    ramps = special.expit(logit[:, None] - _RAMP_CENTRES)
    powers = [column for d in _POWERS for column in (grid**d, 1.0 - (1.0 - grid) ** d)]
    # d = 1 gives x twice; the second copy would leave the weights undetermined.
    del powers[1]
    return np.column_stack([np.ones(grid.size), ramps, *powers])


def roughness(grid: Floats, basis: Floats) -> Floats:
    """Rows R with ``|R w|^2`` the roughness of ``T = basis @ w``; straight lines in x cost nothing.

    Squared second derivative: the slope is taken per unit of x, its change per unit of
    ``arcsin sqrt x``, the scale on which a proportion's noise is even.
    """
    angle = np.arcsin(np.sqrt(grid))
    slope = np.diff(basis, axis=0) / np.diff(grid)[:, None]
    step = np.diff(0.5 * (angle[1:] + angle[:-1]))
    return np.asarray(np.diff(slope, axis=0) / np.sqrt(step)[:, None], dtype=float)


@dataclass(frozen=True, slots=True)
class LatentLanguage:
    """Profile of one model in one language: weights of the basis and what influence needs.

    Attributes
    ----------
    weights : ndarray, shape (K,)
        Non-negative coefficients of the monotone basis.
    free : ndarray of bool, shape (K,)
        Coefficients not held at 0.
    bread : ndarray, shape (F, F)
        Inverse of the penalised normal matrix of the free coefficients.
    carry : ndarray, shape (F, p)
        Derivative of the estimating equations with respect to the deconvolution's theta.
    smoothing : float
    """

    weights: Floats
    free: NDArray[np.bool_]
    bread: Floats
    carry: Floats
    smoothing: float


@dataclass(frozen=True, slots=True)
class LatentModel:
    """Latent profile of one model on one benchmark.

    Attributes
    ----------
    deconvolution : Deconvolution
    design : ndarray, shape (J, K)
        E[basis | count pattern].
    basis : ndarray, shape (Q, K)
    languages : tuple of LatentLanguage or None
        None for a language in which the model was never asked.
    target : ndarray, shape (N, L)
    """

    deconvolution: Deconvolution
    design: Floats
    basis: Floats
    languages: tuple[LatentLanguage | None, ...]
    target: Floats

    @property
    def distribution(self) -> Floats:
        """Distribution g of source accuracy on the grid, shape (Q,)."""
        return self.deconvolution.density

    @property
    def profile(self) -> Floats:
        """T on the grid, shape (L, Q); NaN rows for languages never asked."""
        return np.array(
            [
                np.full(self.basis.shape[0], np.nan) if fit is None else self.basis @ fit.weights
                for fit in self.languages
            ]
        )

    def profile_influence(self, weights: Floats) -> Floats:
        """Influence of each item on ``sum_x weights_x T_l(x)``, shape (N, L)."""
        index = self.deconvolution.patterns.index
        influence = np.zeros(self.target.shape)
        asked = index >= 0
        for place, fit in enumerate(self.languages):
            if fit is None:
                continue
            direction = fit.bread @ (weights @ self.basis[:, fit.free])
            gain = self.design[:, fit.free] @ direction
            fitted = self.design @ fit.weights
            first_step = self.deconvolution.theta_influence @ (direction @ fit.carry)
            y = self.target[:, place]
            used = asked & ~np.isnan(y)
            level = index[used]
            own = gain[level] * (y[used] - fitted[level])
            influence[used, place] = own - own.mean()
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


@dataclass(frozen=True, slots=True)
class _Means:
    """Target means by source-count pattern in one language: size, mean, variance (each (J,))."""

    size: Floats
    mean: Floats
    variance: Floats


def _pattern_means(y: Floats, index: NDArray[np.intp], patterns: int) -> _Means | None:
    used = (index >= 0) & ~np.isnan(y)
    if not used.any():
        return None
    size = np.bincount(index[used], minlength=patterns).astype(float)
    safe = np.maximum(size, 1.0)
    mean = np.bincount(index[used], weights=y[used], minlength=patterns) / safe
    square = np.bincount(index[used], weights=y[used] ** 2, minlength=patterns) / safe
    return _Means(size, mean, np.maximum(square - mean**2, 0.0))


def _nonnegative(
    design: Floats, means: _Means, penalty: Floats, top: Floats
) -> tuple[Floats, Floats]:
    """Penalised non-negative least squares with T(1) <= 1: weights, and penalty rows used."""
    root = np.sqrt(means.size)
    rows = np.vstack([root[:, None] * design, penalty])
    goal = np.concatenate([root * means.mean, np.zeros(penalty.shape[0])])
    weights, _ = optimize.nnls(rows, goal)
    if top @ weights <= 1.0:
        return weights, penalty
    # One inequality that is violated is active at the optimum: hold it as an equation.
    weights, _ = optimize.nnls(np.vstack([rows, _CEILING * top]), np.append(goal, _CEILING))
    return weights, np.vstack([penalty, _CEILING * top])


def _bread(design: Floats, size: Floats, penalty: Floats, free: NDArray[np.bool_]) -> Floats:
    part = design[:, free]
    normal = (part * size[:, None]).T @ part + penalty[:, free].T @ penalty[:, free]
    return np.asarray(np.linalg.pinv(normal, rcond=1e-13, hermitian=True), dtype=float)


def _leave_one_out(design: Floats, means: _Means, penalty: Floats, top: Floats) -> float:
    """Squared error of predicting each item from all the others, in closed form.

    Within the active set the fit is linear, so that item i's left-out residual is
    ``(y_i - fit_i) / (1 - h_i)``; its sum over the items of a pattern needs only their mean and
    variance.
    """
    weights, used = _nonnegative(design, means, penalty, top)
    free = weights > 0
    bread = _bread(design, means.size, used, free)
    leverage = np.einsum("jf,fg,jg->j", design[:, free], bread, design[:, free])
    miss = means.variance + (means.mean - design @ weights) ** 2
    return float((means.size * miss / np.maximum(1.0 - leverage, 1e-8) ** 2).sum())


def _fit_language(
    part: Deconvolution, basis: Floats, design: Floats, means: _Means, rough: Floats
) -> LatentLanguage:
    top = basis[-1]
    scores = [_leave_one_out(design, means, np.sqrt(rho) * rough, top) for rho in _SMOOTHING]
    smoothing = float(_SMOOTHING[int(np.argmin(scores))])
    weights, penalty = _nonnegative(design, means, np.sqrt(smoothing) * rough, top)
    free = weights > 0
    # Derivatives of E[. | pattern] with respect to theta are covariances with B under P(x | j).
    profile = basis @ weights
    mean_b = part.posterior @ part.basis
    slope_fit = (part.posterior * profile) @ part.basis - (design @ weights)[:, None] * mean_b
    miss = means.size * (means.mean - design @ weights)
    weighted = miss @ part.posterior
    slope_design = (basis[:, free] * weighted[:, None]).T @ part.basis - (
        design[:, free] * miss[:, None]
    ).T @ mean_b
    carry = slope_design - (design[:, free] * means.size[:, None]).T @ slope_fit
    return LatentLanguage(
        weights, free, _bread(design, means.size, penalty, free), carry, smoothing
    )


def fit_latent(counts: ItemCounts) -> tuple[Floats, tuple[LatentModel, ...]]:
    """Latent profiles of every model of a benchmark.

    Parameters
    ----------
    counts : ItemCounts
        At least two promptings per item in the source language for some items.

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
    for m, model in enumerate(counts.models):
        if counts.source_trials[m].max() < 2:
            raise NotIdentifiedError(
                f"benchmark {counts.benchmark!r}, model {model!r}: one prompting per item cannot "
                "tell hard items from bad luck, so the latent profile is not identified. What is "
                "missing: two or more promptings per item in the source language. With two or "
                "more target languages use method='joint'; the observed profile "
                "(method='observed') can be computed too, with its bias."
            )
        part = deconvolve(counts.source_correct[m], counts.source_trials[m])
        basis = monotone_basis(part.grid)
        rough = roughness(part.grid, basis)
        design = part.posterior @ basis
        index, patterns = part.patterns.index, part.patterns.size.size
        languages = []
        for place in range(len(counts.languages)):
            means = _pattern_means(target[m, :, place], index, patterns)
            languages.append(
                None if means is None else _fit_language(part, basis, design, means, rough)
            )
        fitted.append(LatentModel(part, design, basis, tuple(languages), target[m]))
    return part.grid, tuple(fitted)
