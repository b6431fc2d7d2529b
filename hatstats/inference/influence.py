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
