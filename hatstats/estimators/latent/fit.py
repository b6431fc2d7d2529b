"""The `latent` profile: T(x) = E[p_target | p_source = x] without the noise of k/n.

Three steps, none with a model of residuals or of dependence between languages:

1. g, the distribution of an item's source probability x, by deconvolution of the source counts;
2. the profile of an item's mean over languages, by penalised least squares on the conditional
   means that the data identify: ``E[k_t / n_t | k_s] = sum_x T(x) P_g(x | k_s)``;
3. the profile T of each language in the same way, its prior centred on the shared one. An average
   over languages is known better than each of them, and must not keep the bias of a penalty that
   suits one language.

T belongs to a smooth family (`curve_families`) in which no constraint can bind, so that all steps
are smooth estimating equations: the influence of an item on any functional of T or g is a look-up
by its source count, and includes the uncertainty of the earlier steps.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from hatstats.errors import DataError, DegenerateDataWarning, NotIdentifiedError
from hatstats.estimators.latent.cross_validation import choose_roughness
from hatstats.estimators.latent.curve_families import (
    Family,
    increasing_family,
    unrestricted_family,
)
from hatstats.estimators.latent.deconvolution import GRID, Deconvolution, deconvolve
from hatstats.estimators.latent.patterns import GroupedItems, group_items
from hatstats.estimators.latent.penalised_fit import CurveFit, Prior, fit_curves
from hatstats.inference.arrays import Floats
from hatstats.scores.benchmark_fit import BenchmarkFit
from hatstats.scores.counts import ItemCounts
from hatstats.scores.wordings import WordingCorrelation

#: Multiples of the cost of roughness among which cross-validation chooses. With 10 and 100 it would
#: choose these for weak models, and their bias is not small beside the standard error: coverage of
#: .95 fell to .924 in the mixture world.
ROUGHNESS_CANDIDATES = (1.0, 0.1)


@dataclass(frozen=True, slots=True)
class LatentOptions:
    """What the latent profile assumes.

    Attributes
    ----------
    monotone : bool
        Whether items that a model answers more surely in the source language are answered no worse
        in the target language, on average. True by default.
    roughness : float or None
        Multiple of a cost of roughness. None, the default, chooses one of `ROUGHNESS_CANDIDATES`
        for each model by cross-validation over item clusters, the highest unless a lower one is
        better by more than two standard errors; intervals do not include the choice.
        A number is used for all models, so that the prior shape adds the same to the n + 1
        functionals of T that n trials identify.

    Examples
    --------
    >>> import hatstats as hs
    >>> hs.LatentOptions(monotone=False, roughness=1.0).monotone
    False
    """

    monotone: bool = True
    roughness: float | None = None

    def __post_init__(self) -> None:
        """Check that the cost is positive."""
        if self.roughness is not None and not 0.0 < self.roughness < np.inf:
            text = "the cost of roughness must be positive"
            hint = "give a number above 0, or None to choose one by cross-validation."
            raise DataError(text, column="roughness", value=self.roughness, hint=hint)

    def families(self, grid: Floats) -> dict[float, Family]:
        """Candidate families of curves, by their cost of roughness."""
        make = increasing_family if self.monotone else unrestricted_family
        candidates = ROUGHNESS_CANDIDATES if self.roughness is None else (self.roughness,)
        return {roughness: make(grid, roughness) for roughness in candidates}


@dataclass(frozen=True, slots=True)
class LatentModel:
    """Latent profile of one model on one benchmark.

    One curve per target language, and the curve of the mean over an item's languages, on which the
    languages' prior is centred (None where the model was asked in one target language); with the
    multiple of the cost of roughness that was given or chosen, and the correlation of source trials
    of one wording (None where it is not known or does not matter).
    """

    deconvolution: Deconvolution
    languages: CurveFit
    shared: CurveFit | None
    roughness: float
    correlation: WordingCorrelation | None = None

    @property
    def distribution(self) -> Floats:
        """Distribution g of source accuracy on the grid, shape (Q,)."""
        return self.deconvolution.density

    @property
    def profile(self) -> Floats:
        """T on the grid, shape (L, Q)."""
        return self.languages.curve

    def _shared_directions(self, own: Floats, shared: CurveFit) -> Floats:
        """Derivatives of each language's functional by the shared equations, shape (L, p)."""
        family = shared.prior.family
        bends = family.bends @ self.languages.slopes
        shrinkage = bends.swapaxes(1, 2) @ (family.bends @ shared.slopes[0]) + family.penalty
        return np.asarray((own[:, None, :] @ shrinkage)[:, 0] @ shared.bread[0], dtype=float)

    def _directions(self, weights: Floats) -> tuple[Floats, Floats, Floats, Floats | None]:
        """Derivatives of ``sum_x weights_x T_l(x)``.

        By the languages' own equations (L, p), by the deconvolution's theta (L, r), by the
        correlation of source trials (L,), also through theta, and by the shared equations (L, p),
        None where there are none.
        """
        own, through = self.languages.directions(weights), None
        by_theta = (own[:, None, :] @ self.languages.cross_derivative)[:, 0]
        by_kernel = (own * self.languages.kernel_derivative).sum(axis=1)
        if self.shared is not None:
            through = self._shared_directions(own, self.shared)
            by_theta = by_theta + through @ self.shared.cross_derivative[0]
            by_kernel = by_kernel + through @ self.shared.kernel_derivative[0]
        by_kernel = by_kernel + by_theta @ self.deconvolution.theta_by_correlation
        return own, by_theta, by_kernel, through

    def profile_influence(self, weights: Floats) -> Floats:
        """Influence of each item on ``sum_x weights_x T_l(x)``, shape (N, L)."""
        deconvolution, index = self.deconvolution, self.deconvolution.patterns.index
        asked = index >= 0
        own, by_theta, by_kernel, through = self._directions(weights)
        fitted = np.flatnonzero(~np.isnan(own).any(axis=1))
        influence = np.zeros(self.languages.target.shape)
        for column in fitted.tolist():
            direct = self.languages.own_influence(deconvolution, column, own[[column]])
            influence[:, [column]] += direct
        if self.shared is not None and through is not None:
            influence[:, fitted] += self.shared.own_influence(deconvolution, 0, through[fitted])
        first_step = deconvolution.theta_influence @ by_theta[fitted].T
        influence[np.ix_(asked, fitted)] += first_step[index[asked]]
        if self.correlation is not None:
            influence[:, fitted] += np.outer(self.correlation.influence, by_kernel[fitted])
        return influence

    def distribution_influence(self, values: Floats) -> Floats:
        """Influence of each item on ``sum_x g(x) values_xr``, shape (N, R) for values (Q, R)."""
        deconvolution, index = self.deconvolution, self.deconvolution.patterns.index
        density = deconvolution.density
        gradient = deconvolution.basis.T @ ((values - density @ values) * density[:, None])
        influence = np.zeros((index.size, values.shape[1]))
        asked = index >= 0
        influence[asked] = (deconvolution.theta_influence @ gradient)[index[asked]]
        if self.correlation is not None:
            by_kernel = deconvolution.theta_by_correlation @ gradient
            influence += np.outer(self.correlation.influence, by_kernel)
        return influence

    def shape_covariance(self, weights: Floats) -> Floats:
        """Covariance of the possible smoothing bias of ``sum_x weights_x T_l(x)``, shape (L, L).

        Were curves and log densities drawn from the priors that the penalties represent, the bias
        of a penalised fit would have covariance ``H^-1 P H^-1`` (Nychka 1988, JASA 83:1134-1143),
        H the Hessian and P the penalty. Sampling covariance plus this is the error under that
        prior; where it dominates, the number is extrapolation. Languages have the bias of the
        shared curve in common, and that of their own curves independently.
        """
        own, by_theta, _, through = self._directions(weights)
        bias = np.diag(np.einsum("lp,lpq,lq->l", own, self.languages.penalty, own))
        if self.shared is not None and through is not None:
            bias = bias + through @ self.shared.penalty[0] @ through.T
        return np.asarray(
            bias + by_theta @ self.deconvolution.theta_shape @ by_theta.T, dtype=float
        )


def fit_latent(
    counts: ItemCounts, options: LatentOptions | None = None, *, weights: Floats | None = None
) -> BenchmarkFit:
    """Latent profiles of every model of a benchmark, on the grid of source accuracy.

    Items have non-negative weights (N,), 1 each if not given, for bootstraps of full refits.
    Raises NotIdentifiedError if a model has one trial per item: the spread of x is not identified
    then. Warns where all trials are of one wording and may repeat a lucky guess.
    """
    if counts.trials == "repeats" and counts.chance > 0 and counts.source_trials.max() >= 2:
        warnings.warn(
            f"benchmark {counts.benchmark!r}: all trials of an item are of one wording and answers "
            "can be guessed, so that repeated lucky guesses pass for knowledge in the latent "
            "profile",
            DegenerateDataWarning,
            stacklevel=3,
        )
    for m, model in enumerate(counts.models):
        if counts.source_trials[m].max() < 2:
            raise NotIdentifiedError(
                f"benchmark {counts.benchmark!r}, model {model!r}: one trial per item cannot "
                "tell hard items from bad luck, so the latent profile is not identified. What is "
                "missing: two or more trials per item in the source language. With two or "
                "more target languages use method='joint'; the observed profile "
                "(method='observed') can be computed too, with its bias."
            )
    families = (options or LatentOptions()).families(GRID)
    models = [
        fit_grouped(group_items(counts, m, weights), families) for m in range(len(counts.models))
    ]
    return BenchmarkFit(counts, GRID, tuple(models))


def fit_grouped(items: GroupedItems, families: dict[float, Family]) -> LatentModel:
    """Profiles of one model in all languages, in the best of some families."""
    rho = 0.0 if items.correlation is None else items.correlation.value
    deconvolution = deconvolve(items.patterns, correlation=rho)
    asked = items.target_means.size.sum(axis=1) > 0
    several = int(asked.sum()) > 1
    fits: dict[float, CurveFit] = {}
    start = None
    for cost, family in families.items():
        prior = Prior.of_family(family)
        fits[cost] = fit_curves(prior, deconvolution, items.average, items.average_means, start)
        start = fits[cost].theta
    best = choose_roughness(fits, deconvolution, items)
    shared = languages = fits[best]
    if asked.size > 1:
        prior = Prior.about(families[best], shared.theta[0]) if several else shared.prior
        languages = fit_curves(prior, deconvolution, items.target, items.target_means)
    average = shared if several else None
    return LatentModel(deconvolution, languages, average, best, items.correlation)
