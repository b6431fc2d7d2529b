r"""Where the information on a coefficient comes from: partial leverage and collinearity.

For column j, ``x~ = X M e_j / M_jj`` with ``M = (X'WX)^-1`` is its residual on the other columns
in the metric of W. Cluster g's *partial leverage* is its share of ``x~'Wx~``,

.. math:: L_{gj} = \tilde x_{gj}' (W \tilde x_j)_g / \tilde x_j' W \tilde x_j,

so that shares add up to one. A coefficient that depends on one cluster is known from one draw of
that cluster's effect, whatever its standard error (MacKinnon, Nielsen and Webb 2023, Stata Journal
23, 601-641).
"""

from __future__ import annotations

import numpy as np

from hatstats.inference.arrays import Floats, Ints
from hatstats.inference.linalg import least_squares

_ESTIMABLE = 1e-8


def partial_leverage(X: Floats, W: Floats, codes: Ints) -> Floats:
    """Share of each cluster in the information on each coefficient, (G, k), by weights W (n, n)."""
    M = least_squares(X, W)[1]
    residual = X @ M / np.diag(M)
    member = codes == np.arange(int(codes.max()) + 1)[:, None]
    return np.asarray((member @ (residual * (W @ residual))) * np.diag(M), dtype=float)


def variance_inflation(X: Floats) -> Floats:
    """``1 / (1 - R^2)`` (k,) of each column of `X` (n, k) on the others and a constant."""
    centred = X - X.mean(axis=0)
    scaled = centred / np.linalg.norm(centred, axis=0)
    return np.asarray(np.diag(np.linalg.inv(scaled.T @ scaled)).copy(), dtype=float)


def partial_r_squared(y: Floats, X: Floats) -> Floats:
    """Share of the variance left by the other columns of X (n, k) that each explains, or NaN."""

    def rss(columns: Floats) -> float:
        return float(((y - columns @ (least_squares(columns)[0] @ y)) ** 2).sum())

    full = rss(X)
    without = np.array([rss(np.delete(X, column, axis=1)) for column in range(X.shape[1])])
    share: Floats = np.divide(
        without - full, without, out=np.full(without.shape, np.nan), where=without > 0.0
    )
    return share


def sole_clusters(X: Floats, codes: Ints, contrasts: Floats) -> Ints:
    """First cluster without which each contrast (q, k) is not estimable, (q,); -1 for none."""
    scale = np.linalg.norm(X, axis=0)
    scaled = contrasts / scale  # the same contrasts for columns of unit length
    lengths = np.linalg.norm(scaled, axis=1)
    sole = np.full(len(contrasts), -1, dtype=np.intp)
    for cluster in reversed(range(int(codes.max()) + 1)):
        # The QR triangle has the row space of the other rows, and is at most k x k.
        triangle = np.linalg.qr(X[codes != cluster] / scale, mode="r")
        _, singular, vt = np.linalg.svd(triangle, full_matrices=True)
        rank = int((singular > _ESTIMABLE * singular[0]).sum())
        lost = np.linalg.norm(scaled @ vt[rank:].T, axis=1) > _ESTIMABLE * lengths
        sole[lost] = cluster
    return sole
