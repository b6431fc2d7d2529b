r"""Where a coefficient's information comes from: partial leverage, collinearity, joint region.

For column j, ``x~ = X M e_j / M_jj`` with ``M = (X'WX)^-1`` is what is left of it once the other
columns are taken out in the metric of W. Cluster g's *partial leverage* is its share of ``x~'Wx~``,

.. math:: L_{gj} = \tilde x_{gj}' (W \tilde x_j)_g / \tilde x_j' W \tilde x_j,

so that shares add up to one. A coefficient that one cluster carries is known from one draw of that
cluster's effect, whatever its standard error says (MacKinnon, Nielsen and Webb 2023, Stata Journal
23, 601-641).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


def partial_leverage(X: FloatArray, W: FloatArray, codes: IntArray) -> FloatArray:
    """Share of each cluster in the information on each coefficient.

    Parameters
    ----------
    X : ndarray, shape (n, k)
        Design of full column rank.
    W : ndarray, shape (n, n)
        Symmetric weights.
    codes : ndarray of int, shape (n,)
        Cluster of each row, 0 to G - 1.

    Returns
    -------
    ndarray, shape (G, k)
        Columns add up to 1. With weights between clusters a share can be negative.
    """
    M = np.linalg.inv(X.T @ W @ X)
    left = X @ M / np.diag(M)
    member = codes == np.arange(int(codes.max()) + 1)[:, None]
    shares: FloatArray = (member.astype(np.float64) @ (left * (W @ left))) * np.diag(M)
    return shares


def variance_inflation(X: FloatArray) -> FloatArray:
    """Variance inflation factors of columns beside a constant.

    Parameters
    ----------
    X : ndarray, shape (n, k)
        Columns without the constant, of full rank beside it.

    Returns
    -------
    ndarray, shape (k,)
        ``1 / (1 - R^2)`` of each column on the others and a constant; 1 for a column alone.
    """
    centred = X - X.mean(axis=0)
    scaled = centred / np.linalg.norm(centred, axis=0)
    result: FloatArray = np.diag(np.linalg.inv(scaled.T @ scaled)).copy()
    return result


def partial_r_squared(y: FloatArray, X: FloatArray) -> FloatArray:
    """Share of what the other columns leave unexplained that each column explains.

    Parameters
    ----------
    y : ndarray, shape (n,)
    X : ndarray, shape (n, k)
        All columns, constant included.

    Returns
    -------
    ndarray, shape (k,)
        ``1 - RSS / RSS without the column``, by least squares; NaN where nothing was left to
        explain.
    """

    def rss(columns: FloatArray) -> float:
        return float(((y - columns @ np.linalg.lstsq(columns, y)[0]) ** 2).sum())

    full = rss(X)
    without = np.array([rss(np.delete(X, place, axis=1)) for place in range(X.shape[1])])
    share: FloatArray = np.divide(
        without - full, without, out=np.full(without.shape, np.nan), where=without > 0.0
    )
    return share


def joint_region(
    params: FloatArray, cov: FloatArray, nu: float, conf_level: float, points: int = 181
) -> FloatArray:
    """Boundary of the joint confidence region of two coefficients.

    Parameters
    ----------
    params : ndarray, shape (2,)
    cov : ndarray, shape (2, 2)
        Their covariance, with `nu` degrees of freedom in the sense of
        `hatstats.inference.cluster_robust.satterthwaite.hotelling_df`.
    nu : float
    conf_level : float
    points : int

    Returns
    -------
    ndarray, shape (points, 2)
        An ellipse; NaN where ``nu <= 1``, when no region of this level is bounded.
    """
    if not nu > 1.0:
        return np.full((points, 2), np.nan)
    # Q = 2 nu / (nu - 1) F, see `hotelling_test`.
    size = 2.0 * nu / (nu - 1.0) * stats.f.isf(1.0 - conf_level, 2, nu - 1.0)
    if np.isinf(nu):
        size = stats.chi2.isf(1.0 - conf_level, 2)
    values, vectors = np.linalg.eigh(cov)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    angle = np.linspace(0.0, 2.0 * np.pi, points)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    result: FloatArray = params + np.sqrt(size) * (root @ circle).T
    return result
