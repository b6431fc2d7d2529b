"""One thread for the linear algebra of fits that work on many small matrices.

Several threads of one process mostly wait for one another there, and on a busy machine such a fit
takes ten times as long and more. The limit holds while a fit runs and is lifted behind it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from threadpoolctl import ThreadpoolController


@functools.cache
def _controller() -> ThreadpoolController:
    # Looking for the libraries takes milliseconds, and NumPy and SciPy do not load more of them.
    return ThreadpoolController()


def one_thread[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Decorator: BLAS keeps to one thread while the function runs."""

    @functools.wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with _controller().limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited
