r"""The part of a working covariance that lies between clusters, and what it adds.

Errors that clusters share (models of every family answered the same items) cannot be estimated
from a sum over clusters, but they are known. A covariance ``T`` is split as ``X B X' + T0``:
least-squares residuals are blind to ``X B X'``, and coefficients ``b = E y`` with ``E X = I``
get exactly ``B`` from it, whatever the weights. ``B`` is the least-squares fit to the entries of
``T`` between clusters, so ``T0`` keeps there as little as possible.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.sparse import linalg as linalg_sparse

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

# Share of a cluster's own covariance that shared errors may explain.
_MOST = 0.95


def shared_errors(X: FloatArray, T: FloatArray, codes: IntArray) -> FloatArray:
    """Least-squares ``B`` of ``T ~ X B X'`` over the entries between clusters.

    Parameters
    ----------
    X : ndarray, shape (n, k)
        Design of full column rank.
    T : ndarray, shape (n, n)
        Positive definite covariance.
    codes : ndarray, shape (n,)
        Cluster of each row.

    Returns
    -------
    ndarray, shape (k, k)
        ``B``, shrunk where needed for ``T0`` to stay positive definite inside every cluster; zero
        where ``T`` has no entries between clusters.
    """
    k = X.shape[1]
    same = codes[:, None] == codes[None, :]
    apart = np.where(same, 0.0, T)
    if not apart.any():
        return np.zeros((k, k))
    # Orthonormal columns keep the normal equations well conditioned. They need not be solved to
    # the last digit, as any B splits T exactly.
    basis, triangle = np.linalg.qr(X)
    rows = [np.flatnonzero(codes == cluster) for cluster in range(codes.max() + 1)]
    grams = [basis[row].T @ basis[row] for row in rows]

    def normal(flat: FloatArray) -> FloatArray:
        B = flat.reshape(k, k)
        return (B - sum(gram @ B @ gram for gram in grams)).ravel()

    inner = linalg_sparse.cg(
        linalg_sparse.LinearOperator((k * k, k * k), matvec=normal, dtype=np.float64),
        (basis.T @ apart @ basis).ravel(),
        rtol=1e-13,
        maxiter=500,
    )[0].reshape(k, k)
    inner = (inner + inner.T) / 2
    worst = max(
        float(linalg.eigvalsh(basis[row] @ inner @ basis[row].T, T[np.ix_(row, row)])[-1])
        for row in rows
    )
    if worst > _MOST:
        inner *= _MOST / worst
    inverse = linalg.solve_triangular(triangle, np.eye(k))
    result: FloatArray = inverse @ inner @ inverse.T
    return result


def positive_part(known: FloatArray, model: FloatArray) -> FloatArray:
    """Part of a symmetric matrix that adds variance.

    Parameters
    ----------
    known : ndarray, shape (k, k)
        Symmetric, of any sign.
    model : ndarray, shape (k, k)
        Positive definite; sets the coordinates (those in which it is ``I``), so that the answer
        does not depend on the units of the coefficients.

    Returns
    -------
    ndarray, shape (k, k)
        ``known`` with its negative eigenvalues set to zero in those coordinates.
    """
    if not known.any():
        return known
    lower = np.linalg.cholesky(model)
    half = linalg.solve_triangular(lower, (known + known.T) / 2, lower=True)
    values, vectors = np.linalg.eigh(linalg.solve_triangular(lower, half.T, lower=True))
    factor = lower @ vectors * np.sqrt(np.maximum(values, 0.0))
    result: FloatArray = factor @ factor.T
    return result
