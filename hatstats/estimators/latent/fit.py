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
from hatstats.estimators.latent.cross_validation import choose_family
from hatstats.estimators.latent.curve_families import (
    Family,
    increasing_family,
    unrestricted_family,
)
from hatstats.estimators.latent.deconvolution import GRID, Deconvolution, deconvolve
from hatstats.estimators.latent.patterns import GroupedItems, group_items
from hatstats.estimators.latent.penalised_fit import CurveFit, Prior, fit_curves
from hatstats.inference.arrays import Floats, Ints
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
    monotone : bool or None
        Whether items that a model answers more surely in the source language are answered no worse
        in the target language, on average. None, the default, takes this to be so for each model
        unless cross-validation over item clusters says otherwise by more than two standard errors
        (or unless `roughness` is given).
    roughness : float or None
        Multiple of a cost of roughness. None, the default, chooses one of `ROUGHNESS_CANDIDATES`
        for each model in the same way, the highest unless a lower one is clearly better; intervals
        do not include the choice. A number is used for all models, so that the prior shape adds the
        same to the n + 1 functionals of T that n trials identify.

    Examples
    --------
    >>> import hatstats as hs
    >>> hs.LatentOptions(monotone=False, roughness=1.0).monotone
    False
    """

    monotone: bool | None = None
    roughness: float | None = None

    def __post_init__(self) -> None:
        """Check that the cost is positive."""
        if self.roughness is not None and not 0.0 < self.roughness < np.inf:
            text = "the cost of roughness must be positive"
            hint = "give a number above 0, or None to choose one by cross-validation."
            raise DataError(text, column="roughness", value=self.roughness, hint=hint)

    def families(self, grid: Floats) -> dict[tuple[bool, float], Family]:
        """Candidate families of curves by `(monotone, roughness)`, the most restricted first."""
        make = unrestricted_family if self.monotone is False else increasing_family
        costs = ROUGHNESS_CANDIDATES if self.roughness is None else (self.roughness,)
        found: dict[tuple[bool, float], Family] = {
            (self.monotone is not False, cost): make(grid, cost) for cost in costs
        }
        if self.monotone is None and self.roughness is None:
            found[False, costs[0]] = unrestricted_family(grid, costs[0])
        return found


@dataclass(frozen=True, slots=True)
class LanguageFits:
    """Curves of target languages asked of the same items, and the distribution of x of those."""

    columns: Ints
    deconvolution: Deconvolution
    curves: CurveFit


@dataclass(frozen=True, slots=True)
class Directions:
    """Derivatives of ``sum_x weights_x T_l(x)`` of the C languages of one part.

    By the languages' own equations (C, p), by the theta of their deconvolution (C, r), by the
    equations (C, p) and the theta (C, r) of the shared curve, None where there is none, and by the
    correlation of source trials (C,), also through both thetas.
    """

    own: Floats
    theta: Floats
    shared: Floats | None
    shared_theta: Floats | None
    correlation: Floats


@dataclass(frozen=True, slots=True)
class LatentModel:
    """Latent profile of one model on one benchmark.

    The distribution of x of all items asked in the source language; one curve per target language,
    in parts by the items asked; and the curve of the mean over an item's languages, on which the
    languages' prior is centred, with its own deconvolution (None where the model was asked in one
    target language). With the multiple of the cost of roughness that was given or chosen, and the
    correlation of source trials of one wording (None where it is not known or does not matter).
    """

    deconvolution: Deconvolution
    parts: tuple[LanguageFits, ...]
    shared: CurveFit | None
    of_shared: Deconvolution
    roughness: float
    correlation: WordingCorrelation | None = None

    @property
    def n_languages(self) -> int:
        """Number L of target languages of the benchmark."""
        return sum(part.columns.size for part in self.parts)

    @property
    def distribution(self) -> Floats:
        """Distribution g of source accuracy on the grid, shape (Q,)."""
        return self.deconvolution.density

    @property
    def profile(self) -> Floats:
        """T on the grid, shape (L, Q)."""
        curves = np.full((self.n_languages, self.distribution.size), np.nan)
        for part in self.parts:
            curves[part.columns] = part.curves.curve
        return curves

    def _directions(self, part: LanguageFits, weights: Floats) -> Directions:
        curves, source = part.curves, part.deconvolution
        own = curves.directions(weights)
        by_theta = (own[:, None, :] @ curves.cross_derivative)[:, 0]
        by_kernel = (own * curves.kernel_derivative).sum(axis=1)
        by_kernel = by_kernel + by_theta @ source.theta_by_correlation
        if self.shared is None:
            return Directions(own, by_theta, None, None, by_kernel)
        # The languages' prior moves with the shared curve.
        family = self.shared.prior.family
        bends = family.bends @ curves.slopes
        shrinkage = bends.swapaxes(1, 2) @ (family.bends @ self.shared.slopes[0]) + family.penalty
        through = np.asarray((own[:, None, :] @ shrinkage)[:, 0] @ self.shared.bread[0])
        by_shared_theta = through @ self.shared.cross_derivative[0]
        by_kernel = by_kernel + through @ self.shared.kernel_derivative[0]
        by_kernel = by_kernel + by_shared_theta @ self.of_shared.theta_by_correlation
        return Directions(own, by_theta, through, by_shared_theta, by_kernel)

    def profile_influence(self, weights: Floats) -> Floats:
        """Influence of each item on ``sum_x weights_x T_l(x)``, shape (N, L)."""
        influence = np.zeros((self.deconvolution.patterns.index.size, self.n_languages))
        for part in self.parts:
            by = self._directions(part, weights)
            fitted = np.flatnonzero(~np.isnan(by.own).any(axis=1))
            found = np.zeros((influence.shape[0], part.columns.size))
            for column in fitted.tolist():
                own = by.own[[column]]
                found[:, [column]] += part.curves.own_influence(part.deconvolution, column, own)
            found[:, fitted] += _through_theta(part.deconvolution, by.theta[fitted])
            if self.shared is not None and by.shared is not None and by.shared_theta is not None:
                found[:, fitted] += self.shared.own_influence(self.of_shared, 0, by.shared[fitted])
                found[:, fitted] += _through_theta(self.of_shared, by.shared_theta[fitted])
            if self.correlation is not None:
                found[:, fitted] += np.outer(self.correlation.influence, by.correlation[fitted])
            influence[:, part.columns] = found
        return influence

    def distribution_influence(self, values: Floats) -> Floats:
        """Influence of each item on ``sum_x g(x) values_xr``, shape (N, R) for values (Q, R)."""
        deconvolution, density = self.deconvolution, self.deconvolution.density
        gradient = deconvolution.basis.T @ ((values - density @ values) * density[:, None])
        influence = _through_theta(deconvolution, gradient.T)
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
        shared curve in common, and that of a distribution of x; that of their own curves
        independently.
        """
        number, rank = self.n_languages, self.deconvolution.basis.shape[1]
        bias = np.zeros((number, number))
        if self.shared is not None:
            through = np.zeros((number, self.shared.theta.shape[1]))
        # Derivatives by the theta of each deconvolution; languages may have one in common.
        sources = {id(each): each for each in self._deconvolutions()}
        by_source = {key: np.zeros((number, rank)) for key in sources}
        for part in self.parts:
            by, columns = self._directions(part, weights), part.columns
            own = np.einsum("lp,lpq,lq->l", by.own, part.curves.penalty, by.own)
            bias[columns, columns] = own
            by_source[id(part.deconvolution)][columns] += by.theta
            if by.shared is not None and by.shared_theta is not None:
                through[columns] = by.shared
                by_source[id(self.of_shared)][columns] += by.shared_theta
        if self.shared is not None:
            bias += through @ self.shared.penalty[0] @ through.T
        for key, slopes in by_source.items():
            bias += slopes @ sources[key].theta_shape @ slopes.T
        return bias

    def _deconvolutions(self) -> list[Deconvolution]:
        return [self.of_shared, *(part.deconvolution for part in self.parts)]


def _through_theta(deconvolution: Deconvolution, by_theta: Floats) -> Floats:
    """Influence (N, K) of items through theta, on K functionals with derivatives (K, r)."""
    index = deconvolution.patterns.index
    influence = np.zeros((index.size, by_theta.shape[0]))
    asked = index >= 0
    influence[asked] = (deconvolution.theta_influence @ by_theta.T)[index[asked]]
    return influence


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


def fit_grouped(items: GroupedItems, families: dict[tuple[bool, float], Family]) -> LatentModel:
    """Profiles of one model in all languages, in the best of some families."""
    rho = 0.0 if items.correlation is None else items.correlation.value
    whole = deconvolve(items.patterns, correlation=rho)
    sources = [
        whole if group.patterns is items.patterns else deconvolve(group.patterns, correlation=rho)
        for group in items.groups
    ]
    of_shared = sources[0] if len(sources) == 1 else whole
    fits: dict[tuple[bool, float], CurveFit] = {}
    starts: dict[bool, Floats] = {}
    for key, family in families.items():
        prior, start = Prior.of_family(family), starts.get(key[0])
        fits[key] = fit_curves(prior, of_shared, items.average, items.average_means, start)
        starts[key[0]] = fits[key].theta
    best = choose_family(fits, of_shared, items)
    shared, prior = fits[best], fits[best].prior
    asked = sum(int((group.means.size.sum(axis=1) > 0).sum()) for group in items.groups)
    languages = sum(group.columns.size for group in items.groups)
    if asked > 1:
        prior = Prior.about(families[best], shared.theta[0])
    parts = tuple(
        LanguageFits(
            group.columns,
            source,
            # The mean over one language is that language.
            shared if languages == 1 else fit_curves(prior, source, group.target, group.means),
        )
        for group, source in zip(items.groups, sources, strict=True)
    )
    average = shared if asked > 1 else None
    return LatentModel(whole, parts, average, of_shared, best[1], items.correlation)
