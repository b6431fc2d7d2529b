"""From influence values to covariances: the infinitesimal jackknife over items or clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def cluster_sums(influence: NDArray[np.float64], clusters: NDArray[np.intp]) -> NDArray[np.float64]:
    """Sum influence values within clusters.

    Parameters
    ----------
    influence : ndarray, shape (n, k)
        Influence of item i on quantity j, scaled so that the estimate moves by
        ``influence[i, j]`` when item i gets one unit of weight more.
    clusters : ndarray of int, shape (n,)
        Codes 0 ... g-1 of the cluster of each item; items alone have a code of their own.

    Returns
    -------
    ndarray, shape (g, k)
    """
    sums = np.zeros((int(clusters.max()) + 1, influence.shape[1]))
    np.add.at(sums, clusters, influence)
    return sums


def influence_covariance(
    influence: NDArray[np.float64], clusters: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Covariance of estimates from the influence values of independent clusters.

    ``V = g / (g - 1) * sum_c psi_c psi_c'`` with ``psi_c`` the sum of the cluster's influence
    values: the infinitesimal jackknife (Giordano et al. 2019, arXiv 1806.00550) with the usual
    small-sample factor. Influence values must sum to about zero over items.

    Parameters
    ----------
    influence : ndarray, shape (n, k)
    clusters : ndarray of int, shape (n,)

    Returns
    -------
    ndarray, shape (k, k)
        NaN throughout if there is one cluster only: a single cluster tells nothing of spread.
    """
    psi = cluster_sums(influence, clusters)
    groups = psi.shape[0]
    if groups < 2:
        return np.full((influence.shape[1],) * 2, np.nan)
    return np.asarray(psi.T @ psi * (groups / (groups - 1.0)), dtype=float)


def variance_df(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Degrees of freedom of the variances that influence values give.

    The variance ``V = sum_c psi_c^2`` is estimated too, and the worse the fewer clusters carry it:
    its own variance is about ``sum_c psi_c^4 - V^2 / g``, and a chi-squared with
    ``df = 2 V^2 / Var(V)`` degrees of freedom spreads as much (Satterthwaite 1946, Biometrics
    Bull. 2:110-114; for sandwiches Pan & Wall 2002, Stat. Med. 21:1429-1441). Normal influence
    values give about g; never more than g - 1.

    Parameters
    ----------
    sums : ndarray, shape (g, k)
        Influence values summed within clusters.

    Returns
    -------
    ndarray, shape (k,)
        Infinite where nothing varies, so that there is no interval to widen.
    """
    groups = sums.shape[0]
    squares = sums**2
    variance = squares.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        peak = (squares**2).sum(axis=0) / variance**2
        df = 2.0 / np.maximum(peak - 1.0 / groups, 0.0)
    return np.where(variance > 0.0, np.minimum(df, groups - 1.0), np.inf)


def skewness(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Skewness of estimates, ``sum_c psi_c^3 / V^(3/2)``: a few clusters pull to one side.

    Parameters
    ----------
    sums : ndarray, shape (g, k)
        Influence values summed within clusters.

    Returns
    -------
    ndarray, shape (k,)
        0 where nothing varies.
    """
    variance = (sums**2).sum(axis=0)
    third = (sums**3).sum(axis=0)
    return np.divide(third, variance**1.5, out=np.zeros(third.shape), where=variance > 0.0)
