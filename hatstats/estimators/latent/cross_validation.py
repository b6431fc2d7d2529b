"""The family of curves, chosen by how well a fitted curve predicts items of held-out clusters."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hatstats.estimators.latent.deconvolution import Deconvolution
from hatstats.estimators.latent.patterns import GroupedItems
from hatstats.estimators.latent.penalised_fit import LEAST_RESIDUAL_SHARE, CurveFit
from hatstats.inference.arrays import Floats


def choose_family[Key](
    fits: Mapping[Key, CurveFit], deconvolution: Deconvolution, items: GroupedItems
) -> Key:
    """The first family unless a later one is clearly better than the best before it.

    `fits` hold one curve each, that of items' average target accuracy, the most restricted first. A
    later fit must predict held-out items better by more than two standard errors of the gain;
    Breiman, Friedman, Olshen and Stone (1984, section 3.4.3) use one. A choice by the least loss
    alone follows noise, which intervals do not include.
    """
    best = next(iter(fits))
    # The same working weights for all, so that their losses are comparable.
    working = fits[best].working[0]
    loss = {
        key: cross_validated_loss(fit, working, deconvolution, items) for key, fit in fits.items()
    }
    for key, fit in fits.items():
        error = _loss_difference_error(fit, fits[best], working, deconvolution, items)
        if loss[best] - loss[key] > 2.0 * error:
            best = key
    return best


def cross_validated_loss(
    fit: CurveFit, working: Floats, deconvolution: Deconvolution, items: GroupedItems
) -> float:
    """Weighted squared error of every item, predicted from the items of other clusters.

    One step from the fit to all items: ``r / (1 - leverage)``, exact for a linear smoother, for the
    item itself, and to first order the effect of its cluster's other items on its prediction.
    `working` (J,) weighs one item of each pattern.
    """
    means, pairs, posterior = items.average_means, items.pairs, deconvolution.posterior
    fitted = posterior @ fit.curve[0]
    own = means.size[0] * (means.variance[0] + (means.mean[0] - fitted) ** 2)
    own /= np.maximum(1.0 - fit.leverage[0], LEAST_RESIDUAL_SHARE) ** 2
    design = posterior @ fit.slopes[0]
    effect = ((design @ fit.bread[0])[pairs.one] * design[pairs.other]).sum(axis=1)
    effect *= working[pairs.one] * fit.working[0][pairs.other]
    return float(working @ own + 2.0 * effect @ pairs.products(fitted))


def _loss_difference_error(
    rough: CurveFit,
    smooth: CurveFit,
    working: Floats,
    deconvolution: Deconvolution,
    items: GroupedItems,
) -> float:
    """Standard error of the difference of two curves' `cross_validated_loss`, same arguments.

    The difference of two squared residuals of variance ``1 / working`` varies by twice the residual
    times the distance of the fits; residuals of one cluster are correlated.
    """
    pairs = items.pairs
    fitted = deconvolution.posterior @ smooth.curve[0]
    distance = deconvolution.posterior @ rough.curve[0] - fitted
    weighted = working * distance
    variance = (items.average_means.size[0] * weighted) @ distance
    covariance = (weighted[pairs.one] * weighted[pairs.other]) @ pairs.products(fitted)
    return float(2.0 * np.sqrt(max(variance + covariance, 0.0)))
