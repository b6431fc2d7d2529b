"""What holds for every test: examples are repeatable, and nobody touches global random state."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

# Before NumPy: the fits work on many small matrices, and more threads than one only wait.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings

# The same examples on every machine; a slow machine is not a failure.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def _global_random_state_untouched() -> Iterator[None]:
    """Every generator is passed in: neither NumPy's global one nor Python's moves in a test."""
    legacy, python = np.random.get_state(legacy=False), random.getstate()  # noqa: NPY002
    yield
    assert random.getstate() == python, "Python's global random state was used"
    np.testing.assert_equal(np.random.get_state(legacy=False), legacy)  # noqa: NPY002
