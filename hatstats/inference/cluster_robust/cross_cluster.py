r"""The part of a working covariance that lies between clusters, and the variance that it adds.

Errors that clusters share (models of every family answered the same items) cannot be estimated
from a sum over clusters, but they are known. A covariance ``T`` is split as ``X B X' + T0``:
least-squares residuals do not depend on ``X B X'``, and coefficients ``b = E y`` with ``E X = I``
get exactly ``B`` from it, whatever the weights. ``B`` is the least-squares fit to the entries of
``T`` between clusters, which makes those of ``T0`` as small as possible.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg
from scipy.sparse import linalg as linalg_sparse

from hatstats.inference.arrays import Floats, Ints

# Share of a cluster's own covariance that shared errors may explain.
_LARGEST_SHARE = 0.95


def shared_errors(X: Floats, T: Floats, codes: Ints) -> Floats:
    """Least-squares ``B`` (k, k) of ``T ~ X B X'`` over the entries between clusters.

    `X` (n, k) has full column rank, `T` (n, n) is positive definite, and `codes` (n,) are the
    clusters. ``B`` is shrunk where needed for ``T0`` to stay positive definite inside every
    cluster; it is zero where ``T`` has no entries between clusters.
    """
    k = X.shape[1]
    same = codes[:, None] == codes[None, :]
    between = np.where(same, 0.0, T)
    if not between.any():
        return np.zeros((k, k))
    # Orthonormal columns keep the normal equations well conditioned. An approximate solution is
    # enough, as any B splits T exactly.
    basis, triangle = np.linalg.qr(X)
    rows = [np.flatnonzero(codes == cluster) for cluster in range(codes.max() + 1)]
    grams = [basis[row].T @ basis[row] for row in rows]

    def normal(flat: Floats) -> Floats:
        B = flat.reshape(k, k)
        return (B - sum(gram @ B @ gram for gram in grams)).ravel()

    inner = linalg_sparse.cg(
        linalg_sparse.LinearOperator((k * k, k * k), matvec=normal, dtype=np.float64),
        (basis.T @ between @ basis).ravel(),
        rtol=1e-13,
        maxiter=500,
    )[0].reshape(k, k)
    inner = (inner + inner.T) / 2
    worst = max(
        float(linalg.eigvalsh(basis[row] @ inner @ basis[row].T, T[np.ix_(row, row)])[-1])
        for row in rows
    )
    if worst > _LARGEST_SHARE:
        inner *= _LARGEST_SHARE / worst
    inverse = linalg.solve_triangular(triangle, np.eye(k))
    return np.asarray(inverse @ inner @ inverse.T, dtype=float)


def positive_part(known: Floats, model: Floats) -> Floats:
    """`known` (k, k), symmetric, with its negative eigenvalues set to zero.

    Eigenvalues are taken in the coordinates in which the positive definite `model` (k, k) is
    ``I``, so that the result does not depend on the units of the coefficients.
    """
    if not known.any():
        return known
    lower = np.linalg.cholesky(model)
    scaled = linalg.solve_triangular(lower, (known + known.T) / 2, lower=True)
    values, vectors = np.linalg.eigh(linalg.solve_triangular(lower, scaled.T, lower=True))
    factor = lower @ vectors * np.sqrt(np.maximum(values, 0.0))
    return np.asarray(factor @ factor.T, dtype=float)
