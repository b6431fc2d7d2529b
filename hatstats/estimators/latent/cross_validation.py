"""How well a fitted curve predicts items of held-out clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from hatstats.estimators.latent.curve_fit import LEAST_RESIDUAL_SHARE, CurveFit
from hatstats.estimators.latent.deconvolution import Deconvolution
from hatstats.estimators.latent.penalised_fit import Means

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ClusterPairs:
    """Pairs of two items of one cluster, added up by their count patterns; K kinds of pairs.

    `one` and `other` (K,) are the patterns of the two items; every pair is counted in both orders.
    `number` (K,) is the number of pairs, or the sum of the products of the items' weights; `first`
    and `second` (K,) the sums of each item's target accuracy, `both` (K,) of their products.
    """

    one: NDArray[np.intp]
    other: NDArray[np.intp]
    number: Floats
    first: Floats
    second: Floats
    both: Floats

    def products(self, fitted: Floats) -> Floats:
        """Sums over pairs of the products of their residuals, shape (K,), for fitted means (J,)."""
        a, b = fitted[self.one], fitted[self.other]
        return self.both - self.first * b - a * self.second + self.number * a * b


def cluster_pairs(
    y: Floats,
    index: NDArray[np.intp],
    clusters: NDArray[np.intp],
    items: Floats,
    patterns: int,
) -> ClusterPairs:
    """Pairs of items of one cluster, by pattern.

    Target accuracies `y` (N,) are NaN where an item was not asked, the pattern `index` (N,) is -1
    for none; `items` (N,) are weights, `patterns` the number J of patterns.
    """
    used = (index >= 0) & ~np.isnan(y)
    pattern, weight, value = index[used], items[used], (items * y)[used]
    codes, shape = (clusters[used], pattern), (int(clusters.max()) + 1, patterns)
    number, total = (
        sparse.coo_array((each, codes), shape=shape).tocsr() for each in (weight, value)
    )

    one, other = (side.astype(np.intp) for side in (number.T @ number).tocoo().coords)

    def pair_sums(a: sparse.csr_array, b: sparse.csr_array, same_item: Floats) -> Floats:
        products = (a.T @ b).tocsr()[one, other]
        own = np.bincount(pattern, same_item, patterns)[one]
        return np.asarray(products - np.where(one == other, own, 0.0), dtype=float)

    return ClusterPairs(
        one,
        other,
        pair_sums(number, number, weight**2),
        pair_sums(total, number, value * weight),
        pair_sums(number, total, value * weight),
        pair_sums(total, total, value**2),
    )


def cross_validated_loss(
    curve_fit: CurveFit, working: Floats, part: Deconvolution, means: Means, pairs: ClusterPairs
) -> float:
    """Weighted squared error of every item, predicted from the items of other clusters.

    One step from the fit of one curve to all items: ``r / (1 - leverage)``, exact for a linear
    smoother, for the item itself, and to first order the effect of its cluster's other items on its
    prediction. `working` (J,) is the weight of one item of each pattern, `means` are those that the
    curve was fitted to.
    """
    fitted = part.posterior @ curve_fit.curve[0]
    own = means.size[0] * (means.variance[0] + (means.mean[0] - fitted) ** 2)
    own /= np.maximum(1.0 - curve_fit.leverage(part)[0], LEAST_RESIDUAL_SHARE) ** 2
    design = part.posterior @ curve_fit.slopes[0]
    effect = ((design @ curve_fit.bread[0])[pairs.one] * design[pairs.other]).sum(axis=1)
    effect *= working[pairs.one] * curve_fit.working[0][pairs.other]
    return float(working @ own + 2.0 * effect @ pairs.products(fitted))


def loss_difference_error(
    rough: CurveFit,
    smooth: CurveFit,
    working: Floats,
    part: Deconvolution,
    means: Means,
    pairs: ClusterPairs,
) -> float:
    """Standard error of the difference of two curves' `cross_validated_loss`, same arguments.

    The difference of two squared residuals of variance ``1 / working`` varies by twice the residual
    times the distance of the fits; residuals of one cluster are correlated.
    """
    fitted = part.posterior @ smooth.curve[0]
    distance = part.posterior @ rough.curve[0] - fitted
    weighted = working * distance
    variance = (means.size[0] * weighted) @ distance
    covariance = (weighted[pairs.one] * weighted[pairs.other]) @ pairs.products(fitted)
    return float(2.0 * np.sqrt(max(variance + covariance, 0.0)))
