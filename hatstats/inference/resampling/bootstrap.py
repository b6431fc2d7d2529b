"""Bootstrap of estimates that are linear in the weights of clusters, and intervals from draws.

An estimate with influence values psi moves, when cluster c gets weight w_c instead of 1, by
``sum_c (w_c - 1) psi_c``: one Newton step from the estimate at equal weights. All draws of all
estimates are then one matrix product, and no refit can fail.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special

from hatstats.inference.arrays import Floats
from hatstats.inference.intervals import check_level

# Number of weights drawn at a time, so that they stay in the cache.
_BLOCK = 100_000


def bootstrap_weights(n_clusters: int, n_draws: int, rng: np.random.Generator) -> Floats:
    """How often each cluster is drawn with replacement (Efron's bootstrap), (n_draws, G)."""
    drawn = rng.integers(n_clusters, size=(n_draws, n_clusters), dtype=np.int32)
    codes = drawn + n_clusters * np.arange(n_draws)[:, None]
    count = np.bincount(codes.ravel(), minlength=n_draws * n_clusters)
    return count.reshape(n_draws, n_clusters).astype(float)


def linear_draws(
    estimate: Floats, influence: Sequence[Floats], n_draws: int, rng: np.random.Generator
) -> Floats:
    """Bootstrap draws (n_draws, k) of estimates (k,) by one Newton step, paired over estimates.

    ``draw = estimate + sum_s (w_s - 1) @ psi_s`` over independent strata s, whose influence values
    (G_s, k) sum to about 0 over clusters.
    """
    draws = np.repeat(np.asarray(estimate, dtype=float)[None, :], n_draws, axis=0)
    for psi in influence:
        total = psi.sum(axis=0)
        step = max(1, _BLOCK // max(psi.shape[0], 1))
        for start in range(0, n_draws, step):
            part = draws[start : start + step]
            weights = bootstrap_weights(psi.shape[0], part.shape[0], rng)
            part += weights @ psi - total
    return draws


def percentile_limits(draws: Floats, conf_level: float) -> Floats:
    """Equal-tailed limits (k, 2) of draws (B, k)."""
    tail = 0.5 * (1.0 - check_level(conf_level))
    return np.asarray(np.quantile(draws, [tail, 1.0 - tail], axis=0).T, dtype=float)


def acceleration(influence: Sequence[Floats]) -> Floats:
    """BCa acceleration ``sum psi^3 / (6 (sum psi^2)^(3/2))``, (k,); NaN without influence."""
    psi = np.concatenate(list(influence), axis=0)
    spread = (psi**2).sum(axis=0) ** 1.5
    skew: Floats = np.divide(
        (psi**3).sum(axis=0), 6.0 * spread, out=np.full(psi.shape[1], np.nan), where=spread > 0
    )
    return skew


def bca_limits(
    draws: Floats, estimate: Floats, influence: Sequence[Floats], conf_level: float
) -> Floats:
    """Bias-corrected and accelerated limits (k, 2) (Efron 1987, JASA 82:171-185).

    The median of the `draws` (B, k) against the `estimate` (k,) gives the bias correction (ties
    count half), the `influence` values of the strata, each (G_s, k), the acceleration. NaN where
    draws do not vary.
    """
    tail = 0.5 * (1.0 - check_level(conf_level))
    skew = acceleration(influence)
    below = (draws < estimate).mean(axis=0) + 0.5 * (draws == estimate).mean(axis=0)
    bias = special.ndtri(below)
    limits = np.full((estimate.size, 2), np.nan)
    regular = np.isfinite(skew) & np.isfinite(bias) & (np.ptp(draws, axis=0) > 0)
    for column in np.flatnonzero(regular):
        z = bias[column] + special.ndtri([tail, 1.0 - tail])
        level = special.ndtr(bias[column] + z / (1.0 - skew[column] * z))
        limits[column] = np.quantile(draws[:, column], level)
    return limits
