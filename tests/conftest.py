"""What holds for every test: examples are repeatable, and nobody touches global random state."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from typing import Any

# Before NumPy: the fits work on many small matrices, and more threads than one only wait.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings

# The same examples on every machine; a slow machine is not a failure.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

#: Tests of several files that share what takes long to make: compiled posteriors, whole reports.
TOGETHER = {
    "posteriors": r"tests/(bayes/|test_cli_bayes|calibration/test_(sbc|worlds))"
    r"|\[(ClaimFits|HierarchicalFit|Posterior(Contrast|Scores)|(fit|read)_hierarchical"
    r"|fit_claims|hierarchical_twenty)\]",
    "reports": r"tests/report/test_(analysis|run_folder)|first_printed_result_is_what",
}


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """As ``--dist loadfile``, but one process runs all tests of a group of `TOGETHER`."""
    from xdist.scheduler import LoadFileScheduling

    class InGroups(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            found = [name for name, tests in TOGETHER.items() if re.search(tests, nodeid)]
            return found[0] if found else str(super()._split_scope(nodeid))

    return InGroups(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(autouse=True)
def _global_random_state_untouched() -> Iterator[None]:
    """Every generator is passed in: neither NumPy's global one nor Python's moves in a test."""
    legacy, python = np.random.get_state(legacy=False), random.getstate()  # noqa: NPY002
    yield
    assert random.getstate() == python, "Python's global random state was used"
    np.testing.assert_equal(np.random.get_state(legacy=False), legacy)  # noqa: NPY002
