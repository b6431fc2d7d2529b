"""Inverses from Cholesky factors, against numpy's of any matrix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatstats.inference.linalg import inverses


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), groups=st.integers(1, 4), size=st.integers(1, 8))
def test_inverses_are_numpys_naive(seed: int, groups: int, size: int) -> None:
    half = np.random.default_rng(seed).normal(size=(groups, size, size + 2))
    matrices = half @ half.mT
    found = inverses(np.linalg.cholesky(matrices))
    np.testing.assert_allclose(found, np.linalg.inv(matrices), rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(found, found.mT)


def test_a_factor_with_a_zero_on_its_diagonal_is_refused_degenerate() -> None:
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        inverses(np.array([[[1.0, 0.0], [0.5, 0.0]]]))
