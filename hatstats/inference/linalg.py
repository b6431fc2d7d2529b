"""Inverses of positive definite matrices, by half the work that any matrix takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

Floats = NDArray[np.float64]


def inverses(roots: Floats) -> Floats:
    """Inverses of matrices (g, d, d) from their lower Cholesky factors, zeros above the diagonal.

    Raises
    ------
    LinAlgError
        If one is singular.
    """
    out = np.empty(roots.shape)
    for root, inverse in zip(roots, out, strict=True):
        # The transpose of what numpy holds by rows is what LAPACK reads by columns.
        half, failed = lapack.dpotri(root.T)
        if failed:
            raise np.linalg.LinAlgError("a covariance is singular")
        inverse[:] = half
    out += out.mT
    place = np.arange(out.shape[1])
    out[:, place, place] *= 0.5
    return out
