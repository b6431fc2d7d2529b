"""Linear algebra on many small matrices: one BLAS thread, and inverses from Cholesky factors."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
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


def inverses(roots: Floats) -> Floats:
    """Inverses of matrices (g, d, d) from their lower Cholesky factors, zeros above the diagonal.

    Half the work of a general inverse. LinAlgError if a matrix is singular.
    """
    out = np.empty(roots.shape)
    for root, inverse in zip(roots, out, strict=True):
        # The transpose of what numpy holds by rows is what LAPACK reads by columns.
        triangle, failed = lapack.dpotri(root.T)
        if failed:
            raise np.linalg.LinAlgError("a covariance is singular")
        inverse[:] = triangle
    out += out.mT
    diagonal = np.arange(out.shape[1])
    out[:, diagonal, diagonal] *= 0.5
    return out
