"""The limit on BLAS threads holds inside a fit and nowhere else."""

from __future__ import annotations

import subprocess
import sys

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from hatstats.inference.blas_threads import one_thread


def blas_threads() -> set[int]:
    return {int(pool["num_threads"]) for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_one_thread_while_it_runs_and_as_before_behind_it() -> None:
    with threadpool_limits(limits=2, user_api="blas"):
        assert one_thread(blas_threads)() == {1}
        assert blas_threads() == {2}

        @one_thread
        def fails() -> None:
            raise ValueError("inside")

        with pytest.raises(ValueError, match="inside"):
            fails()
        assert blas_threads() == {2}


def test_a_fit_runs_on_one_thread() -> None:
    """In a process that nobody told: what a notebook is."""
    code = (
        "import os; os.environ.pop('OMP_NUM_THREADS', None)\n"
        "import hatstats.estimators.methods as fitting\n"
        "from threadpoolctl import threadpool_info\n"
        "seen = []\n"
        "def look(*args, **kwargs):\n"
        "    pools = [p for p in threadpool_info() if p['user_api'] == 'blas']\n"
        "    seen.append({p['num_threads'] for p in pools})\n"
        "    raise SystemExit(0 if seen == [{1}] else 1)\n"
        "fitting.fit_latent = look\n"
        "import hatstats\n"
        "hatstats.fit_profile(hatstats.simulate_study((0.0,), rng=1))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
