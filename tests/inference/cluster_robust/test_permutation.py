"""Permutation by family: every permutation by hand, exact size, edges."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.inference.cluster_robust.resampled_tests import (
    _drawn_orders,
    group_size,
    permutation_test,
)

CODES = np.array([0, 0, 0, 1, 1, 2, 2])


def statistic(y: np.ndarray, X: np.ndarray, codes: np.ndarray, column: int) -> float:
    bread = np.linalg.inv(X.T @ X)
    b = bread @ X.T @ y
    e = y - X @ b
    scores = np.array([X[codes == g].T @ e[codes == g] for g in np.unique(codes)])
    cov = len(scores) / (len(scores) - 1) * bread @ scores.T @ scores @ bread
    return float(b[column] / np.sqrt(cov[column, column]))


def allowed(order: tuple[int, ...]) -> bool:
    """Whether rows of one cluster come from one cluster of the same size."""
    taken = CODES[list(order)]
    sizes = np.bincount(CODES)
    parts = [taken[np.flatnonzero(CODES == g)] for g in range(3)]  # noqa: SIM300
    return all(len(set(part)) == 1 and sizes[part[0]] == sizes[g] for g, part in enumerate(parts))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_enumerated_permutations_against_naive(seed: int) -> None:
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(7), rng.normal(size=7)])
    y = rng.normal(size=7)
    orders = [order for order in itertools.permutations(range(7)) if allowed(order)]
    assert len(orders) == group_size(CODES) == 6 * 2 * 2 * 2
    t = statistic(y, X, CODES, 1)
    # One covariate beside a constant: permuting residuals is permuting outcomes.
    draws = np.array([statistic(y[list(order)], X, CODES, 1) for order in orders])
    found = permutation_test(y, X, CODES, column=1)
    assert found.enumerated
    np.testing.assert_allclose(np.sort(found.draws), np.sort(draws), rtol=1e-8)
    assert found.statistic == pytest.approx(t)
    assert found.p_value == pytest.approx(np.mean(np.abs(draws) >= abs(t) * (1 - 1e-9)))


@pytest.mark.slow
def test_size_with_a_family_effect_against_theory() -> None:
    """Exact, and with power where the covariate varies inside families."""
    codes = np.repeat(np.arange(4), [3, 3, 2, 1])
    found, power = 0, 0
    for seed in range(400):
        rng = np.random.default_rng([5, seed])
        x = rng.normal(size=4)[codes] + rng.normal(size=9)
        X = np.column_stack([np.ones(9), x])
        y = rng.normal(size=4)[codes] + 0.5 * rng.normal(size=9)
        found += permutation_test(y, X, codes, column=1).p_value <= 0.05
        power += permutation_test(y + 1.5 * x, X, codes, column=1).p_value <= 0.05
    assert found / 400 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
    assert power > 3 * found


@pytest.mark.slow
def test_drawn_permutations_are_close_to_all_of_them() -> None:
    rng = np.random.default_rng(3)
    codes = np.repeat(np.arange(4), [4, 4, 4, 3])  # 4!^3 3! 3! = 497,664
    X = np.column_stack([np.ones(15), rng.normal(size=15)])
    y = rng.normal(size=15)
    first, again = (permutation_test(y, X, codes, column=1, rng=1) for _ in range(2))
    assert not first.enumerated
    assert first.floor == 1 / 10_000
    assert np.array_equal(first.draws, again.draws)
    other = permutation_test(y, X, codes, column=1, rng=2)
    assert not np.array_equal(first.draws, other.draws)
    assert other.p_value == pytest.approx(first.p_value, abs=0.03)


def test_a_covariate_that_families_share_degenerate() -> None:
    """Families of different sizes, one date each: no permutation changes the date."""
    codes = np.repeat(np.arange(3), [3, 2, 1])
    X = np.column_stack([np.ones(6), codes.astype(float)])
    found = permutation_test(np.arange(6.0) ** 2, X, codes, column=1)
    assert np.isnan(found.p_value)
    assert "moves the term" in found.reason


def test_bad_input() -> None:
    X = np.column_stack([np.ones(4), np.arange(4.0)])
    y = np.array([1.0, 2.0, 0.0, 1.0])
    with pytest.raises(DataError, match="column"):
        permutation_test(y, X, [0, 0, 1, 1], column=2)
    with pytest.raises(DataError, match="n_draws"):
        permutation_test(y, X, [0, 0, 1, 1], column=1, n_draws=0)
    with pytest.raises(NotIdentifiedError, match="two clusters"):
        permutation_test(y, X, [0, 0, 0, 0], column=1)


def test_drawn_orders_move_rows_within_clusters_and_clusters_of_equal_size() -> None:
    codes = np.array([0, 1, 0, 1, 2, 2, 2, 3])
    orders = _drawn_orders(codes, 400, np.random.default_rng(1))
    assert orders.shape == (400, 8)
    assert (np.sort(orders, axis=1) == np.arange(8)).all()
    taken = codes[orders]
    # Rows of one cluster come from one cluster, of the same size.
    for cluster in range(4):
        own = taken[:, codes == cluster]
        assert (own == own[:, :1]).all()
    assert set(taken[:, 0]) == {0, 1}
    assert (taken[:, 4] == 2).all()
    assert (taken[:, 7] == 3).all()
    # 2 ways to place the pairs, 2 orders in each of them, 6 in the three.
    assert len(np.unique(orders, axis=0)) == 2 * 2 * 2 * 6 == group_size(codes)
    counts = np.unique(orders[:, 4:7], axis=0, return_counts=True)[1]
    assert counts.min() > 30
