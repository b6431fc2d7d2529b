"""Shrinkage of variances and covariances of many estimates from few clusters.

The inverse of a sample covariance of k estimates from g clusters is biased upwards, the more the
nearer k comes to g (Hartlap, Simon and Schneider 2007, A&A 464:399-404), and a likelihood that uses
it is overconfident. Correlations of pairs of one kind are nearly equal, though, and their mean is
known far better than each of them.
"""

from __future__ import annotations

import numpy as np

from hatstats.inference.arrays import Floats, Ints
from hatstats.inference.influence import covariance_of_sums

#: Least eigenvalue of a correlation matrix: means over incomplete kinds need not be definite.
_LEAST = 1e-6


def shrunk_logarithms(values: Floats, noise: Floats, design: Floats) -> tuple[Floats, float]:
    """Logarithms of variances (n,) shrunk towards a regression, and by what share a.

    ``(1 - a) y + a X b`` with b by least squares on `design` (n, p) and ``a = sum_i noise_i (1 -
    h_i) / sum_i (y_i - X_i b)^2``, in [0, 1], with the variances of their errors `noise` (n,) and
    leverages h; 0 with fewer than two residual degrees of freedom.
    """
    basis, weights, _ = np.linalg.svd(design, full_matrices=False)
    basis = basis[:, weights > 1e-9 * weights[0]]
    if values.size - basis.shape[1] < 2:
        return values, 0.0
    fitted = basis @ (basis.T @ values)
    scatter = float(((values - fitted) ** 2).sum())
    expected = float(noise @ (1.0 - (basis**2).sum(axis=1)))
    share = min(expected / scatter, 1.0) if scatter > 0.0 else 0.0
    return (1.0 - share) * values + share * fitted, share


def shrunk_covariance(sums: Floats, kinds: Ints) -> tuple[Floats, float]:
    """Covariance (k, k) with correlations shrunk to the mean of their kind, and by what share a.

    ``R = (1 - a) r + a t``, with r the sample correlations of influence values summed within
    clusters, (g, k), t the mean of r over pairs of one of the `kinds` (k, k), and ``a = sum_{i !=
    j} Var(r_ij) / sum_{i != j} (r_ij - t_ij)^2``, in [0, 1], which minimises the expected squared
    error (Schäfer and Strimmer 2005, Stat Appl Genet Mol Biol 4:32, target F); 0 without pairs, or
    where all correlations of a kind are equal. Variances stay what they are; NaN for one cluster.
    """
    cov = covariance_of_sums(sums)
    groups, count = sums.shape
    if groups < 2 or count < 2:
        return cov, 0.0
    error = np.sqrt(np.diag(cov))
    scaled = np.divide(sums, error, out=np.zeros(sums.shape), where=error > 0.0)
    scaled *= np.sqrt(groups / (groups - 1.0))
    off = ~np.eye(count, dtype=bool)
    r = scaled.T @ scaled
    # r is a sum of products over clusters; their sample variance gives that of r.
    spread = ((scaled**2).T @ scaled**2 * groups - r**2) / (groups - 1.0)
    codes = kinds[off]
    size = np.bincount(codes)
    mean = np.bincount(codes, r[off]) / np.maximum(size, 1)
    target = np.where(off, mean[np.where(off, kinds, 0)], 1.0)
    scatter = float(((r - target)[off] ** 2).sum())
    share = min(float(spread[off].sum()) / scatter, 1.0) if scatter > 0.0 else 0.0
    mixed = (1.0 - share) * r + share * target
    np.fill_diagonal(mixed, 1.0)
    values, vectors = np.linalg.eigh(mixed)
    if values[0] < _LEAST:
        mixed = (vectors * np.maximum(values, _LEAST)) @ vectors.T
        width = np.sqrt(np.diag(mixed))
        mixed /= np.outer(width, width)
    return mixed * np.outer(error, error), share
