"""Inverses from Cholesky factors against numpy's; the limit on BLAS threads."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from hatstats.inference.linalg import cholesky_inverse, one_thread


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(1, 8))
def test_inverse_is_numpys_naive(seed: int, size: int) -> None:
    root = np.random.default_rng(seed).normal(size=(size, size + 2))
    matrix = root @ root.T
    found = cholesky_inverse(np.linalg.cholesky(matrix))
    np.testing.assert_allclose(found, np.linalg.inv(matrix), rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(found, found.T)


def test_a_factor_with_a_zero_on_its_diagonal_is_refused_degenerate() -> None:
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        cholesky_inverse(np.array([[1.0, 0.0], [0.5, 0.0]]))


def blas_threads() -> set[int]:
    return {int(pool["num_threads"]) for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_one_thread_while_it_runs_and_as_before_afterwards() -> None:
    with threadpool_limits(limits=2, user_api="blas"):
        assert one_thread(blas_threads)() == {1}
        assert blas_threads() == {2}

        @one_thread
        def fails() -> None:
            raise ValueError("inside")

        with pytest.raises(ValueError, match="inside"):
            fails()
        assert blas_threads() == {2}


@pytest.mark.slow
def test_a_fit_runs_on_one_thread() -> None:
    """In a process without OMP_NUM_THREADS, such as a notebook."""
    code = (
        "import os; os.environ.pop('OMP_NUM_THREADS', None)\n"
        "import hatstats.estimators.latent.fit as fitting\n"
        "from threadpoolctl import threadpool_info\n"
        "seen = []\n"
        "def look(*args, **kwargs):\n"
        "    pools = [p for p in threadpool_info() if p['user_api'] == 'blas']\n"
        "    seen.append({p['num_threads'] for p in pools})\n"
        "    raise SystemExit(0 if seen == [{1}] else 1)\n"
        "fitting.fit_latent = look\n"
        "import hatstats\n"
        "hatstats.fit_profile(hatstats.simulate_study((0.0,), rng=1))\n"
        "raise SystemExit(2)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
