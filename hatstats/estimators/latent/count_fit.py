"""Tests of a latent fit against the counts that it was fitted to.

A fit implies how many items have k of n right answers in the source language, and the mean target
accuracy of those. Both are compared with what was observed by `cumulative_test`, from sums by
pattern alone, so that the cost does not depend on the number of items, and nothing is refitted:
the influence of an item on a difference is its own deviation less what it moves the fit by. The
p values of both tests of all models of a benchmark, which answered the same items and so depend on
one another, are combined into one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from hatstats.estimators.latent.deconvolution import Deconvolution
from hatstats.estimators.latent.patterns import ClusterPairs, GroupedItems, Means
from hatstats.estimators.latent.penalised_fit import CurveFit
from hatstats.inference.arrays import Floats
from hatstats.inference.beta_binomial import wording_sums
from hatstats.inference.goodness import Misfit, cauchy_combination, cumulative_test
from hatstats.inference.intervals import holm
from hatstats.scores.benchmark_fit import FitCheck
from hatstats.scores.wordings import WordingCorrelation

#: All fits of a benchmark are rejected below this p value, and one model's after Holm.
LEVEL = 0.05
# A pattern's variance leans on the binomial shape of all, as if it had so many items more.
_LEANING = 2.0
# Errors are multiplied by no more than this: where a fit rules its counts out, intervals are as
# wide as the scale.
_WIDEST = 1000.0
# More counts than these stand together with their neighbours: time grows with their cube.
_MOST_COUNTS = 400
_WHAT = ("numbers of items by source count", "target accuracies by source count")


class Fitted(Protocol):
    """One model's fit: the curve of its mean over languages, and the distribution of x with it."""

    @property
    def of_shared(self) -> Deconvolution:
        """Distribution of x of the items of the curve."""

    @property
    def mean_curve(self) -> CurveFit:
        """One curve, that of the mean over an item's languages."""

    def mean_spread(self, gradient: Floats) -> Floats:
        """Rows (K, R) of products: how functions of it err since curves differ over a panel."""


def check_fits(
    names: Sequence[str], fits: Sequence[Fitted], items: Sequence[GroupedItems]
) -> tuple[FitCheck, ...]:
    """What speaks against the fits of the models of a benchmark; nothing if that is not clear.

    Where the p values of all models, combined, are small, every row carries a warning: what is
    wrong with the fits that differ most from their counts may be wrong with the others too. As with
    any dispersion of residuals, errors are multiplied by the root of the larger statistic over its
    mean, where that is above 1.
    """
    tests = [
        (count_misfit(fit.of_shared, own.pairs, own.correlation), mean_misfit(fit, own))
        for fit, own in zip(fits, items, strict=True)
    ]
    p_values = np.array([[test.p_value for test in pair] for pair in tests])
    if not cauchy_combination(p_values) < LEVEL:
        return ()
    adjusted = holm(p_values.ravel()).reshape(p_values.shape)
    rejected = adjusted <= max(np.nanmin(adjusted), LEVEL)
    clearest = names[int(rejected.any(axis=1).argmax())]
    found = []
    for pair, own in zip(tests, rejected, strict=True):
        factor = float(np.sqrt(np.nanmax([1.0, *(test.ratio for test in pair)])))
        times = f"over {_WIDEST:.0f}" if factor > _WIDEST else f"{factor:.2f}"
        factor = min(factor, _WIDEST)
        words = f"fits to other models ({clearest} first) do not agree with their counts"
        if own.any():
            words = f"its fit does not agree with {' and '.join(np.array(_WHAT)[own])}"
        if factor > 1.0:
            words += f"; its interval is {times} times as wide as without this, and may still be"
        else:
            words += "; its interval may be"
        found.append(FitCheck(f"{words} too short", factor, rejected=True))
    return tuple(found)


def count_misfit(
    source: Deconvolution, pairs: ClusterPairs, correlation: WordingCorrelation | None
) -> Misfit:
    """Test the numbers of items by source count against the fitted distribution.

    All counts that items with as many trials can have are expected, whether or not one has them.
    """
    patterns, density, basis = source.patterns, source.density, source.basis
    kinds, kind = np.unique(
        np.column_stack([patterns.trials, patterns.same_wording]), axis=0, return_inverse=True
    )
    rows = [(k, number) for number, (n, _) in enumerate(kinds) for k in np.arange(n + 1.0)]
    k, place = np.array(sorted(rows, key=lambda row: row[0] / kinds[int(row[1]), 0])).T
    of_kind = place.astype(np.intp)
    n, same = kinds[of_kind].T
    rho = 0.0 if correlation is None else correlation.value
    kernel, slope = wording_sums(k, n, source.grid, same, rho, slope=bool(same.any()))
    total, expected = patterns.size.sum(), kernel @ density
    weight = np.bincount(kind.ravel(), patterns.size)[of_kind] / total
    # Columns: what an item of each pattern adds to the differences, and by what it moves the fit.
    together = of_kind[:, None] == kind.ravel()
    own = (together * ((k[:, None] == patterns.correct) - expected[:, None])) / total
    difference = own @ patterns.size
    own -= difference[:, None] / total
    by_theta = (kernel * density) @ basis - np.outer(expected, density @ basis)
    moved = weight * ((kernel * slope) @ density + by_theta @ source.theta_by_correlation)
    by_theta, share = weight[:, None] * by_theta, weight * expected
    if k.size > _MOST_COUNTS:
        first = np.unique(np.arange(_MOST_COUNTS) * k.size // _MOST_COUNTS)
        difference, own, by_theta, moved, share = (
            np.add.reduceat(each, first) for each in (difference, own, by_theta, moved, share)
        )
    influence = own - by_theta @ source.theta_influence.T
    cov = _sums_of_products(influence, patterns.size, pairs)
    cov += _of_correlation(correlation, moved)
    unfitted = np.diag(_sums_of_products(own, patterns.size, pairs))
    return cumulative_test(difference, cov, share, unfitted)


def mean_misfit(fit: Fitted, items: GroupedItems) -> Misfit:
    """Test the mean target accuracies by source count against the fitted curve."""
    source, curve = fit.of_shared, fit.mean_curve
    means, pairs, posterior = items.average_means, items.pairs, source.posterior
    size, mean, total = means.size[0], means.mean[0], means.size.sum()
    fitted, design = posterior @ curve.curve[0], posterior @ curve.slopes[0]
    share, gain = size / total, design @ curve.bread[0]
    # Columns: by what an item's residual, and its source count, move the differences.
    by_mean = (
        np.eye(size.size) - share[:, None] * (gain @ design.T) * curve.working[0] * total
    ) / total
    by_theta = (posterior * curve.curve[0]) @ source.basis - fitted[:, None] * (
        posterior @ source.basis
    )
    by_theta += gain @ curve.cross_derivative[0]
    by_count = -share[:, None] * (by_theta @ source.theta_influence.T)
    cov = _sums_of_products(by_count, size, pairs)
    variance = _variance(means, fitted)
    cov += (by_mean * size * variance) @ by_mean.T
    cov += (by_mean[:, pairs.one] * pairs.products(mean)) @ by_mean[:, pairs.other].T
    rows = share[:, None] * fit.mean_spread(design)
    cov += rows @ rows.T
    weighted = posterior * source.kernel_slope
    moved = weighted @ curve.curve[0] - fitted * weighted.sum(axis=1)
    moved += gain @ curve.kernel_derivative[0] + by_theta @ source.theta_by_correlation
    cov += _of_correlation(items.correlation, share * moved)
    return cumulative_test(share * (mean - fitted), cov, share, share * variance / total)


def _variance(means: Means, fitted: Floats) -> Floats:
    """Variance (J,) of an item's mean target accuracy, by pattern."""
    size, within = means.size[0], means.size[0] * means.variance[0]
    shape = fitted * (1.0 - fitted)
    expected = np.maximum(size - 1.0, 0.0) @ shape
    pooled = within.sum() / expected if expected > 0.0 else 1.0
    return np.asarray(
        (within + _LEANING * pooled * shape) / (np.maximum(size - 1.0, 0.0) + _LEANING)
    )


def _sums_of_products(influence: Floats, size: Floats, pairs: ClusterPairs) -> Floats:
    """Covariance from influence (K, J) of an item of each pattern, with pairs of one cluster."""
    found = (influence * size) @ influence.T
    found += (influence[:, pairs.one] * pairs.number) @ influence[:, pairs.other].T
    return np.asarray(found, dtype=float)


def _of_correlation(correlation: WordingCorrelation | None, slope: Floats) -> Floats:
    """Covariance that the error of the correlation adds, from derivatives (K,) by it."""
    variance = 0.0 if correlation is None else float(correlation.influence @ correlation.influence)
    return variance * np.outer(slope, slope)
