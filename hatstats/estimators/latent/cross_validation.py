"""How well a fitted curve predicts items whose cluster is left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from hatstats.estimators.latent.deconvolution import Deconvolution
from hatstats.estimators.latent.linearised import LEAST_LEFT, Layer
from hatstats.estimators.latent.penalised_fit import Means

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Mates:
    """Pairs of two items of one cluster, added up by their count patterns; K kinds of pairs.

    Attributes
    ----------
    one, other : ndarray of int, shape (K,)
        Patterns of the two items. Every pair is there both ways round.
    number : ndarray, shape (K,)
        How many pairs there are; products of weights, where items have weights.
    first, second : ndarray, shape (K,)
        Sums of each item's target accuracy.
    both : ndarray, shape (K,)
        Sum of the products of both items' target accuracies.
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


def cluster_mates(
    y: Floats,
    index: NDArray[np.intp],
    clusters: NDArray[np.intp],
    items: Floats,
    patterns: int,
) -> Mates:
    """Pairs of items of one cluster.

    Parameters
    ----------
    y : ndarray, shape (N,)
        Target accuracies, NaN where an item was not asked.
    index : ndarray of int, shape (N,)
        Pattern of each item, -1 for none.
    clusters : ndarray of int, shape (N,)
    items : ndarray, shape (N,)
        Weights of the items.
    patterns : int
        Number J of patterns.

    Returns
    -------
    Mates
    """
    used = (index >= 0) & ~np.isnan(y)
    at = (clusters[used], index[used])
    weight, value = items[used], (items * y)[used]
    shape = (int(clusters.max()) + 1, patterns)
    number, total = (sparse.coo_array((each, at), shape=shape).tocsr() for each in (weight, value))

    one, other = (side.astype(np.intp) for side in (number.T @ number).tocoo().coords)

    def pairs(a: sparse.csr_array, b: sparse.csr_array, alone: Floats) -> Floats:
        together = (a.T @ b).tocsr()[one, other]
        itself = np.bincount(at[1], alone, patterns)[one]
        return np.asarray(together - np.where(one == other, itself, 0.0), dtype=float)

    return Mates(
        one,
        other,
        pairs(number, number, weight**2),
        pairs(total, number, value * weight),
        pairs(number, total, value * weight),
        pairs(total, total, value**2),
    )


def left_out_loss(
    layer: Layer, working: Floats, part: Deconvolution, means: Means, mates: Mates
) -> float:
    """Weighted squared error of every item, predicted from the items of other clusters.

    One step from the fit to all items: ``r / (1 - leverage)``, exact for a linear smoother, of the
    item itself, and to first order what its cluster's other items do to its prediction.

    Parameters
    ----------
    layer : Layer
        With one curve.
    working : ndarray, shape (J,)
        Weight of one item of each pattern.
    part : Deconvolution
    means : Means
        Of the target accuracies that the curve was fitted to.
    mates : Mates

    Returns
    -------
    float
    """
    fitted = part.posterior @ layer.curve[0]
    own = means.size[0] * (means.variance[0] + (means.mean[0] - fitted) ** 2)
    own /= np.maximum(1.0 - layer.leverage(part)[0], LEAST_LEFT) ** 2
    design = part.posterior @ layer.slopes[0]
    pulls = ((design @ layer.bread[0])[mates.one] * design[mates.other]).sum(axis=1)
    pulls *= working[mates.one] * layer.working[0][mates.other]
    return float(working @ own + 2.0 * pulls @ mates.products(fitted))


def gain_error(
    rough: Layer, smooth: Layer, working: Floats, part: Deconvolution, means: Means, mates: Mates
) -> float:
    """Standard error of what one curve's `left_out_loss` is below another's, arguments as there.

    Of two squared residuals of variance ``1 / working`` the difference varies by twice the residual
    times the distance of the fits; those of one cluster vary together.
    """
    fitted = part.posterior @ smooth.curve[0]
    apart = part.posterior @ rough.curve[0] - fitted
    pull = working * apart
    alone = (means.size[0] * pull) @ apart
    together = (pull[mates.one] * pull[mates.other]) @ mates.products(fitted)
    return float(2.0 * np.sqrt(max(alone + together, 0.0)))
