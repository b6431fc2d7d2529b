"""From influence values to covariances: the infinitesimal jackknife over items or clusters.

The inverse of a sample covariance of k estimates from g clusters is biased upwards, the more the
nearer k comes to g (Hartlap, Simon and Schneider 2007, A&A 464:399-404), and a likelihood that uses
it is overconfident. Correlations of pairs of one kind are nearly equal, though, and their mean is
known far better than each of them: covariances can be shrunk towards it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from hatstats.inference.arrays import Floats, Ints

#: Least eigenvalue of a correlation matrix: means over incomplete kinds need not be definite.
_LEAST = 1e-6


def cluster_sums(influence: Floats, clusters: Ints) -> Floats:
    """Influence values (n, k) summed within clusters, (g, k).

    ``influence[i, j]`` is how far estimate j moves when item i gets one unit of weight more;
    `clusters` (n,) are codes 0 to g - 1, items alone having a code of their own.
    """
    sums = np.zeros((int(clusters.max()) + 1, influence.shape[1]))
    np.add.at(sums, clusters, influence)
    return sums


def influence_covariance(influence: Floats, clusters: Ints) -> Floats:
    """Covariance (k, k) of estimates from influence values (n, k) of independent clusters (n,).

    ``V = g / (g - 1) * sum_c psi_c psi_c'`` with ``psi_c`` the sum of a cluster's influence values:
    the infinitesimal jackknife (Giordano et al. 2019, arXiv 1806.00550) with the usual small-sample
    factor. Influence values must sum to about zero over items. NaN for one cluster.
    """
    return covariance_of_sums(cluster_sums(influence, clusters))


def covariance_of_sums(sums: Floats) -> Floats:
    """`influence_covariance`, (k, k), from sums of influence values by cluster, (g, k)."""
    groups = sums.shape[0]
    if groups < 2:
        return np.full((sums.shape[1],) * 2, np.nan)
    return np.asarray(sums.T @ sums * (groups / (groups - 1.0)), dtype=float)


def second_unit_part(replicates: Iterable[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """What a second sampling unit adds to a covariance over clusters (k, k), and its moves (w, k).

    Every cluster is observed under every one of w second units (items under wordings, say), and a
    replicate is what one finds without one of these: estimates (k,), and their influence summed
    within clusters (g, k). For means of ``a_i + b_w + e_iw``, `covariance_of_sums` holds ``V_1 =
    Var(a) / g + Var(e) / (g w)`` and the delete-one jackknife over second units ``V_2 = (w - 1) / w
    sum_w (t_w - t)^2 = Var(b) / w + Var(e) / (g w)``: the sum counts the interaction twice (Owen
    and Eckles 2012, Ann. Appl. Stat. 6:895-927, arXiv 1106.2125). What the clusters contribute to
    the spread of the t_w is ``V_12 = (w - 1) / w sum_w sum_c (psi_wc - psi_c)^2``, psi_c the mean
    over w, and the whole ``V_1 + (V_2 - V_12)``, as with two-way clustered errors (Cameron, Gelbach
    and Miller 2011, JBES 29:238-249). Of the difference the positive semi-definite part is
    returned. Moves are ``sqrt((w - 1) / w) (t_w - t)``: ``V_2`` is the sum of their products.
    """
    values: list[Floats] = []
    total, products = np.zeros(1), np.zeros(1)
    for estimate, sums in replicates:
        values.append(estimate)
        total, products = total + sums, products + covariance_of_sums(sums)
    number = len(values)
    kept = (number - 1.0) / number
    moves = np.sqrt(kept) * (np.array(values) - np.mean(values, axis=0))
    within = kept * (products - covariance_of_sums(total) / number)
    rest = moves.T @ moves - within
    if np.isnan(rest).any():  # one cluster of items, which has no covariance
        return np.full_like(rest, np.nan), moves
    size, direction = np.linalg.eigh(rest)
    part = (direction * np.maximum(size, 0.0)) @ direction.T
    return np.asarray(part, dtype=float), moves


def degrees_of_freedom(
    sums: Floats, moves: Sequence[Floats] = (), variance: Floats | None = None
) -> Floats:
    """Degrees of freedom (k,) of the variances of k estimates, from influence by cluster, (g, k).

    The variance ``V = sum_c psi_c^2`` is itself estimated, less precisely the fewer clusters
    contribute to it: its variance is about ``sum_c psi_c^4 - V^2 / g``, that of a scaled
    chi-squared with ``df = 2 V^2 / Var(V)`` (Satterthwaite 1946, Biometrics Bull. 2:110-114; for
    sandwiches Pan & Wall 2002, Stat. Med. 21:1429-1441), at most g - 1. Where nothing varies, df is
    infinite.

    With moves of second units (w_b, k) by block, see `second_unit_part`, `variance` (k,) is the
    whole one. Its parts are estimated independently, that of a block as a scaled chi-squared with
    w_b - 1 degrees of freedom: ``df = V^2 / (V_1^2 / df_1 + sum_b V_b^2 / (w_b - 1))``, not fewer
    than the fewest of a part.
    """
    groups = sums.shape[0]
    own = (sums**2).sum(axis=0)
    varies = own > 0.0
    scaled = np.divide(sums, np.sqrt(own), out=np.zeros(sums.shape), where=varies)
    spread = np.maximum((scaled**4).sum(axis=0) - 1.0 / groups, 0.0)
    with np.errstate(divide="ignore"):
        fewest = np.where(varies, np.minimum(2.0 / spread, groups - 1.0), np.inf)
    if variance is None or not len(moves):
        return np.asarray(fewest)
    parts = np.diag(covariance_of_sums(sums)) ** 2 / fewest
    for block in moves:
        freedom = len(block) - 1.0
        parts = parts + (block**2).sum(axis=0) ** 2 / freedom
        fewest = np.minimum(fewest, freedom)
    df = np.divide(variance**2, parts, out=np.full(fewest.size, np.inf), where=parts > 0.0)
    return np.asarray(np.maximum(df, fewest))


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
