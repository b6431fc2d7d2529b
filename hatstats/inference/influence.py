"""From influence values to covariances: the infinitesimal jackknife over items or clusters."""

from __future__ import annotations

from dataclasses import dataclass

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
        NaN throughout if varies is one cluster only: it gives no estimate of the variance.
    """
    return covariance_of_sums(cluster_sums(influence, clusters))


def covariance_of_sums(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """`influence_covariance`, (k, k), from sums of influence values by cluster, (g, k)."""
    groups = sums.shape[0]
    if groups < 2:
        return np.full((sums.shape[1],) * 2, np.nan)
    return np.asarray(sums.T @ sums * (groups / (groups - 1.0)), dtype=float)


@dataclass(frozen=True, slots=True)
class Tails:
    """How t statistics of estimates are distributed, each array of shape (k,).

    Attributes
    ----------
    df : ndarray
        Degrees of freedom; infinite where they are not known to be fewer.
    skewness : ndarray
        Third central moment over the variance to the power 3/2; NaN where it is not known.
    """

    df: NDArray[np.float64]
    skewness: NDArray[np.float64]

    @classmethod
    def unknown(cls, size: int) -> Tails:
        """Normal tails, for `size` estimates whose influence values are not known."""
        return cls(np.full(size, np.inf), np.full(size, np.nan))

    @classmethod
    def from_sums(cls, sums: NDArray[np.float64]) -> Tails:
        """Tails of k estimates from sums of influence values by cluster, shape (g, k).

        The variance ``V = sum_c psi_c^2`` is itself estimated, less precisely the fewer clusters
        contribute to it: its variance is about ``sum_c psi_c^4 - V^2 / g``, that of a scaled
        chi-squared with ``df = 2 V^2 / Var(V)`` (Satterthwaite 1946, Biometrics Bull. 2:110-114;
        for sandwiches Pan & Wall 2002, Stat. Med. 21:1429-1441), at most g - 1. The skewness is
        ``sum_c psi_c^3 / V^(3/2)``. Where nothing varies, df is infinite and the skewness 0.
        """
        groups = sums.shape[0]
        variance = (sums**2).sum(axis=0)
        varies = variance > 0.0
        scaled = np.divide(sums, np.sqrt(variance), out=np.zeros(sums.shape), where=varies)
        spread = np.maximum((scaled**4).sum(axis=0) - 1.0 / groups, 0.0)
        with np.errstate(divide="ignore"):
            df = np.where(varies, np.minimum(2.0 / spread, groups - 1.0), np.inf)
        return cls(df, (scaled**3).sum(axis=0))
