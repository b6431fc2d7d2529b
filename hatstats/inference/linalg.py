"""Linear algebra on small matrices: one BLAS thread, inverses, and designs in any units."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from scipy import linalg
from scipy.linalg import lapack
from threadpoolctl import ThreadpoolController

from hatstats.inference.arrays import Floats


@functools.cache
def _controller() -> ThreadpoolController:
    """Handle on the BLAS libraries; finding them takes milliseconds, so it is done once."""
    return ThreadpoolController()


def one_thread[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Decorator: BLAS uses one thread while the function runs.

    On small matrices several threads of one process mostly wait for one another: on a busy machine
    such a fit takes ten times as long or more. The limit is lifted when the function returns.
    """

    @functools.wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with _controller().limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited


def least_squares(X: Floats, weights: Floats | None = None) -> tuple[Floats, Floats]:
    """``(X'WX)^-1 X'W`` (k, n) and ``(X'WX)^-1`` (k, k) of a design X (n, k) of full column rank.

    In the orthonormal basis of a QR decomposition, whose rounding errors do not grow with the units
    of a column, as those of ``X'WX`` do; W (n, n) is the identity without `weights`.
    """
    Q, R = np.linalg.qr(X)
    inverse = linalg.solve_triangular(R, np.eye(X.shape[1]))
    if weights is None:
        return inverse @ Q.T, inverse @ inverse.T
    weighted = Q.T @ weights
    gram = weighted @ Q
    return inverse @ np.linalg.solve(gram, weighted), inverse @ np.linalg.solve(gram, inverse.T)


def cholesky_inverse(root: Floats) -> Floats:
    """Inverse of a matrix (d, d) from its lower Cholesky factor, at half the usual work."""
    # The transpose of what numpy holds by rows is what LAPACK reads by columns.
    triangle, failed = lapack.dpotri(root.T)
    if failed:
        raise np.linalg.LinAlgError("a covariance is singular")
    inverse = np.ascontiguousarray(triangle + triangle.T)
    np.fill_diagonal(inverse, np.diag(triangle))
    return inverse
