"""Errors as rows against the covariance that they stand for, made whole."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from hatstats.inference.error_rows import ErrorRows, covariance_root, joint_freedom
from hatstats.inference.influence import covariance_of_sums, degrees_of_freedom


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.booleans(), st.booleans())
def test_sums_and_choices_equal_the_whole_covariance(
    seed: int, by_item: bool, few: bool, thin: bool
) -> None:
    rng = np.random.default_rng(seed)
    size, groups, count = rng.integers(1, 6), 2 + rng.integers(5), rng.integers(1, 9)
    influence = rng.normal(size=(groups, size)) if by_item else None
    rows = rng.normal(size=(count, size)) * (rng.random((count, size)) < 0.4)
    cov = rows.T @ rows
    if influence is not None:
        cov = cov + covariance_of_sums(influence)
    errors = ErrorRows(influence, sparse.csc_array(rows) if thin else rows)
    np.testing.assert_allclose(errors.matrix(), cov, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(errors.variance, np.diag(cov), rtol=1e-12, atol=1e-14)
    weights = rng.normal(size=(3, size))
    for given_as in (weights, sparse.csr_array(weights)):
        found = errors.of_sums(given_as).matrix()
        np.testing.assert_allclose(found, weights @ cov @ weights.T, rtol=1e-10, atol=1e-12)
    chosen = rng.permutation(size)[: 1 + size // 2] if few else np.arange(size)
    wanted = cov[np.ix_(chosen, chosen)]
    np.testing.assert_allclose(errors.some(chosen).matrix(), wanted, rtol=1e-12, atol=1e-14)
    root = covariance_root(cov)
    np.testing.assert_allclose(root.T @ root, cov, rtol=1e-9, atol=1e-12)


def test_degrees_of_freedom_of_parts_are_those_of_their_sum() -> None:
    rng = np.random.default_rng(1)
    one, two = rng.normal(size=(9, 2)), rng.normal(size=(5, 2))
    moves = rng.normal(size=(4, 2))
    root = rng.normal(size=(2, 2))
    parts = ErrorRows(one, root, moves), ErrorRows(two)
    variance = np.diag(covariance_of_sums(one) + root.T @ root + covariance_of_sums(two))
    expected = degrees_of_freedom(np.concatenate([one, two]), [moves], variance)
    np.testing.assert_allclose(joint_freedom(parts), expected)
    assert np.isinf(joint_freedom([parts[0], ErrorRows(rows=root)])).all()


def test_one_cluster_shows_no_variance() -> None:
    alone = ErrorRows(np.ones((1, 3)))
    assert np.isnan(alone.variance).all()
    assert np.isnan(alone.matrix()).all()
    assert np.isnan(covariance_root(alone.matrix())).all()
    nothing = ErrorRows()
    assert nothing.size == 0
    assert nothing.matrix().shape == (0, 0)


def test_errors_of_all_and_errors_of_few_add_up() -> None:
    """Dense and thin rows are multiplied apart: 1,000 own errors, and two that all share."""
    rng = np.random.default_rng(2)
    own, shared = rng.random(1000), rng.normal(size=(2, 1000))
    rows = sparse.vstack([sparse.diags_array(own), sparse.csr_array(shared)], format="csc")
    expected = np.diag(own**2) + shared.T @ shared
    np.testing.assert_allclose(ErrorRows(rows=rows).matrix(), expected, rtol=1e-12)
