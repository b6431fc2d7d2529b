"""The `latent` profile: T(x) = E[p_target | p_source = x] with the noise of k/n taken out.

Three steps, none with a model of residuals or of dependence between languages:

1. g, the distribution of an item's source probability x, by deconvolution of the source counts;
2. the profile of an item's mean over languages, by penalised least squares on the conditional
   means that the data identify: ``E[k_t / n_t | k_s] = sum_x T(x) P_g(x | k_s)``;
3. the profile T of each language in the same way, its prior centred on the shared one. An average
   over languages is known better than each of them, and must not keep the bias of a penalty that
   suits one language.

T is one of a smooth family (`increasing`, or `unrestricted`) in which no constraint can bind, so
that all steps are smooth estimating equations: the influence of an item on any functional of T or g
is a look-up by its source count, and carries the earlier steps' uncertainty into the later ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.hat.counts import ItemCounts
from hatstats.hat.deconvolution import (
    GRID,
    Deconvolution,
    Patterns,
    count_patterns,
    deconvolve_patterns,
)
from hatstats.hat.increasing import increasing_family
from hatstats.hat.layers import Layer, fit_layer
from hatstats.hat.penalised import Family, Means, Prior, pattern_means
from hatstats.hat.unrestricted import unrestricted_family
from hatstats.inference.influence import cluster_sums

Floats = NDArray[np.float64]

#: Multiples of the default cost of roughness among which cross-validation chooses.
ROUGHNESS_TRIED = (0.01, 0.1, 1.0, 10.0, 100.0)
_LEAST_LEFT = 1e-3


@dataclass(frozen=True, slots=True)
class LatentOptions:
    """What the latent profile assumes.

    Attributes
    ----------
    monotone : bool
        Whether items that a model answers more surely in the source language are answered no worse
        in the target language, on average. True by default.
    roughness : float or None
        Multiple of the default cost of roughness, the same for all models. None chooses one for
        each model among `ROUGHNESS_TRIED` by leave-one-item-out cross-validation; intervals then
        do not carry the choice. The default is 1: n promptings identify n + 1 functionals of T
        whatever the number of items, and what the prior shape adds beyond them stays the same.
    """

    monotone: bool = True
    roughness: float | None = 1.0

    def __post_init__(self) -> None:
        """Refuse a cost that is not positive."""
        if self.roughness is not None and not 0.0 < self.roughness < np.inf:
            raise DataError(
                "the cost of roughness must be positive",
                column="roughness",
                value=self.roughness,
                mend="give a number above 0, or None to choose one by cross-validation.",
            )

    def families(self, grid: Floats) -> dict[float, Family]:
        """Families of curves to choose from, by their cost of roughness."""
        make = increasing_family if self.monotone else unrestricted_family
        tried = ROUGHNESS_TRIED if self.roughness is None else (self.roughness,)
        return {roughness: make(grid, roughness) for roughness in tried}


@dataclass(frozen=True, slots=True)
class LatentModel:
    """Latent profile of one model on one benchmark.

    Attributes
    ----------
    deconvolution : Deconvolution
    languages : Layer
        One curve per target language.
    shared : Layer or None
        The curve of the mean over an item's languages, which the languages' prior is centred on;
        None where the model was asked in one target language.
    roughness : float
        Multiple of the default cost of roughness.
    """

    deconvolution: Deconvolution
    languages: Layer
    shared: Layer | None
    roughness: float

    @property
    def distribution(self) -> Floats:
        """Distribution g of source accuracy on the grid, shape (Q,)."""
        return self.deconvolution.density

    @property
    def profile(self) -> Floats:
        """T on the grid, shape (L, Q)."""
        return self.languages.curve

    def _through_shared(self, own: Floats, shared: Layer) -> Floats:
        """What one unit of the shared equations does to each language's functional, (L, p)."""
        family = shared.prior.family
        bends = family.bends @ self.languages.slopes
        towards = bends.swapaxes(1, 2) @ (family.bends @ shared.slopes[0]) + family.penalty
        return np.asarray((own[:, None, :] @ towards)[:, 0] @ shared.bread[0], dtype=float)

    def profile_influence(self, weights: Floats) -> Floats:
        """Influence of each item on ``sum_x weights_x T_l(x)``, shape (N, L)."""
        part, layer = self.deconvolution, self.languages
        index = part.patterns.index
        asked = index >= 0
        own = layer.directions(weights)
        known = np.flatnonzero(~np.isnan(own).any(axis=1))
        carried = (own[:, None, :] @ layer.carry)[:, 0]
        influence = np.zeros(layer.target.shape)
        for place in known.tolist():
            influence[:, [place]] += layer.own_influence(part, place, own[[place]])
        if self.shared is not None:
            through = self._through_shared(own, self.shared)
            carried += through @ self.shared.carry[0]
            influence[:, known] += self.shared.own_influence(part, 0, through[known])
        first_step = part.theta_influence @ carried[known].T
        influence[np.ix_(asked, known)] += first_step[index[asked]]
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

        Were curves and log densities drawn from the priors that the penalties stand for, the bias
        of a penalised fit would have covariance ``H^-1 P H^-1`` (Nychka 1988, JASA 83:1134-1143),
        H the Hessian and P the penalty. Sampling covariance plus this is the prior's honest error;
        where it dominates, the number is extrapolation. Languages err alike in what they share and
        independently in what is their own.
        """
        layer = self.languages
        own = layer.directions(weights)
        bias = np.diag(np.einsum("lp,lpq,lq->l", own, layer.penalty, own))
        carried = (own[:, None, :] @ layer.carry)[:, 0]
        if self.shared is not None:
            through = self._through_shared(own, self.shared)
            carried = carried + through @ self.shared.carry[0]
            bias = bias + through @ self.shared.penalty[0] @ through.T
        return np.asarray(bias + carried @ self.deconvolution.theta_shape @ carried.T, dtype=float)


def _left_out_loss(
    layer: Layer, working: Floats, part: Deconvolution, clusters: NDArray[np.intp]
) -> float:
    """Weighted squared error of every item, predicted from other clusters' items.

    One step from the fit to all items, exact for a linear smoother: ``r / (1 - leverage)``, with
    the leverage of the whole cluster.
    """
    index, y = part.patterns.index, layer.target[:, 0]
    used = (index >= 0) & ~np.isnan(y)
    level = index[used]
    each = np.zeros((y.size, 1))
    each[used, 0] = layer.leverage(part)[0][level]
    together = cluster_sums(each, clusters)[clusters[used], 0]
    residual = y[used] - (part.posterior @ layer.curve[0])[level]
    left = residual / np.maximum(1.0 - together, _LEAST_LEFT)
    return float(working[level] @ left**2)


@dataclass(frozen=True, slots=True)
class GroupedItems:
    """One model's items, grouped by their source counts: what the fit looks at.

    Attributes
    ----------
    patterns : Patterns
    average : ndarray, shape (N, 1)
        Mean of an item's target accuracies over its languages.
    target : ndarray, shape (N, L)
    average_means, target_means : Means
        Of both, by pattern.
    clusters : ndarray of int, shape (N,)
    """

    patterns: Patterns
    average: Floats
    target: Floats
    average_means: Means
    target_means: Means
    clusters: NDArray[np.intp]


def group_items(counts: ItemCounts, m: int, weights: Floats | None = None) -> GroupedItems:
    """Group the items of one model; all that follows does not depend on their number.

    Parameters
    ----------
    counts : ItemCounts
    m : int
        Place of the model.
    weights : ndarray, shape (N,), optional
        Weights of the items; 1 each if not given.

    Returns
    -------
    GroupedItems
    """
    patterns = count_patterns(counts.source_correct[m], counts.source_trials[m], weights)
    asked = counts.target_trials[m] > 0
    target = np.divide(
        counts.target_correct[m],
        counts.target_trials[m],
        out=np.full(asked.shape, np.nan),
        where=asked,
    )
    total, count = np.where(asked, target, 0.0).sum(axis=1), asked.sum(axis=1)
    average = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)[:, None]
    items = np.ones(total.size) if weights is None else np.asarray(weights, dtype=float)
    size = patterns.size.size
    return GroupedItems(
        patterns,
        average,
        target,
        pattern_means(average, patterns.index, items, size),
        pattern_means(target, patterns.index, items, size),
        counts.clusters,
    )


def fit_grouped(items: GroupedItems, families: dict[float, Family]) -> LatentModel:
    """Profiles of one model in all languages, in the best of some families."""
    part = deconvolve_patterns(items.patterns)
    asked = items.target_means.size.sum(axis=1) > 0
    several = int(asked.sum()) > 1
    fits = {
        cost: fit_layer(Prior.of(family), part, items.average, items.average_means)
        for cost, family in families.items()
    }
    best = next(iter(fits))
    if len(fits) > 1:
        # The same working weights for all, so that their losses can be compared.
        working = fits[1.0].working[0]
        best = min(fits, key=lambda cost: _left_out_loss(fits[cost], working, part, items.clusters))
    shared = fits[best]
    prior = Prior.about(families[best], shared.theta[0]) if several else Prior.of(families[best])
    return LatentModel(
        deconvolution=part,
        languages=shared
        if asked.size == 1
        else fit_layer(prior, part, items.target, items.target_means),
        shared=shared if several else None,
        roughness=best,
    )


def fit_latent(
    counts: ItemCounts, options: LatentOptions | None = None, *, weights: Floats | None = None
) -> tuple[Floats, tuple[LatentModel, ...]]:
    """Latent profiles of every model of a benchmark.

    Parameters
    ----------
    counts : ItemCounts
        At least two promptings per item in the source language for some items.
    options : LatentOptions, optional
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
    chosen = options or LatentOptions()
    fitted = []
    families = chosen.families(GRID)
    for m, model in enumerate(counts.models):
        if counts.source_trials[m].max() < 2:
            raise NotIdentifiedError(
                f"benchmark {counts.benchmark!r}, model {model!r}: one prompting per item cannot "
                "tell hard items from bad luck, so the latent profile is not identified. What is "
                "missing: two or more promptings per item in the source language. With two or "
                "more target languages use method='joint'; the observed profile "
                "(method='observed') can be computed too, with its bias."
            )
        fitted.append(fit_grouped(group_items(counts, m, weights), families))
    return GRID, tuple(fitted)
