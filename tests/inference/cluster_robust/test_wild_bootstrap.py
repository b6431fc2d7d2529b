"""The wild cluster bootstrap: against refits in R and in Python, its floor, ties and edges."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.inference.cluster_robust.resampled_tests import wild_cluster_bootstrap
from tests.reference import stored

FloatArray = NDArray[np.float64]
CASES = stored.cases("wild")
FAMILY = np.repeat(np.arange(6), [6, 5, 3, 3, 2, 1])


def few_families(seed: int = 0, effect: float = 0.0) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(20), rng.normal(size=6)[FAMILY] + rng.normal(size=20)])
    noise = 0.4 * rng.normal(size=6)[FAMILY] + 0.4 * rng.normal(size=20)
    return X @ [1.0, effect] + noise, X


def refit(
    y: FloatArray, X: FloatArray, W: FloatArray, codes: NDArray[np.intp], c: FloatArray
) -> tuple[float, float]:
    """Contrast and CR1 standard error by the definition."""
    M = np.linalg.inv(X.T @ W @ X)
    b = M @ X.T @ W @ y
    e = y - X @ b
    meat = np.zeros((len(b), len(b)))
    for code in np.unique(codes):
        score = (X.T @ W)[:, codes == code] @ e[codes == code]
        meat += np.outer(score, score)
    count = len(np.unique(codes))
    return float(c @ b), float(np.sqrt(count / (count - 1) * (c @ M @ meat @ M @ c)))


def brute_force(
    y: FloatArray,
    X: FloatArray,
    W: FloatArray,
    codes: NDArray[np.intp],
    c: FloatArray,
    null: float,
) -> tuple[float, FloatArray]:
    """Every sign pattern, refitted from outcomes."""
    M = np.linalg.inv(X.T @ W @ X)
    b = M @ X.T @ W @ y
    restricted = b - M @ c * (c @ b - null) / (c @ M @ c)
    u = y - X @ restricted
    draws = []
    for signs in itertools.product([1.0, -1.0], repeat=int(codes.max()) + 1):
        estimate, error = refit(X @ restricted + np.array(signs)[codes] * u, X, W, codes, c)
        draws.append((estimate - null) / error)
    estimate, error = refit(y, X, W, codes, c)
    return (estimate - null) / error, np.array(draws)


def test_stored_cases_are_the_expected_ones() -> None:
    assert len(CASES) == 8
    assert {case["input"]["null"] for case in CASES.values()} == {0, 0.25}
    p = [case["output"]["p_value"] for case in CASES.values()]
    assert min(p) < 0.1 < max(p)


@pytest.mark.parametrize("name", CASES)
def test_enumeration_against_R(name: str) -> None:
    given, expected = CASES[name]["input"], CASES[name]["output"]
    found = wild_cluster_bootstrap(
        given["y"],
        given["X"],
        given["cluster"],
        contrast=[0.0, 0.0, 1.0],
        weights=np.diag(given["weights"]),
    )
    statistic, p_value, draws = found.scores.test(found.estimate - given["null"])
    assert found.scores.enumerated
    assert len(found.draws) == 64
    assert statistic == pytest.approx(expected["statistic"], rel=1e-8)
    np.testing.assert_allclose(np.sort(draws), expected["draws"], rtol=1e-7)
    assert p_value == expected["p_value"]
    if given["null"] == 0:
        assert (found.statistic, found.p_value) == (statistic, p_value)
        np.testing.assert_array_equal(found.draws, draws)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    groups=st.integers(3, 6),
    null=st.sampled_from([0.0, 0.5]),
    full_weights=st.booleans(),
)
def test_enumeration_against_naive(seed: int, groups: int, null: float, full_weights: bool) -> None:
    rng = np.random.default_rng(seed)
    codes = np.concatenate([np.repeat(np.arange(groups), 2), rng.integers(0, groups, 6)])
    n = len(codes)
    X = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    y = rng.normal(size=groups)[codes] + rng.normal(size=n)
    root = rng.normal(size=(n, n))
    full = root @ root.T / n + np.eye(n)
    W = full if full_weights else np.diag(rng.uniform(0.5, 2.0, n))
    c = np.array([0.0, 1.0, -0.5])
    found = wild_cluster_bootstrap(y, X, codes, contrast=c, weights=W)
    statistic, p_value, found_draws = found.scores.test(found.estimate - null)
    t, draws = brute_force(y, X, W, codes, c, null)
    assert statistic == pytest.approx(t, rel=1e-8)
    np.testing.assert_allclose(np.sort(found_draws), np.sort(draws), rtol=1e-6, atol=1e-9)
    assert p_value == (np.abs(draws) >= abs(t) * (1 - 1e-9)).mean()
    estimate, error = refit(y, X, W, codes, c)
    assert (found.estimate, found.std_error) == pytest.approx((estimate, error), rel=1e-8)


@pytest.mark.parametrize("groups", [2, 3, 5, 8, 12])
def test_p_reaches_its_floor_and_no_further_against_theory(groups: int) -> None:
    """A very large effect: only the data and their mirror image are as extreme."""
    rng = np.random.default_rng(1)
    y = 100.0 + rng.normal(size=2 * groups)
    label = np.repeat(np.arange(groups), 2)
    found = wild_cluster_bootstrap(y, np.ones((2 * groups, 1)), label, contrast=[1.0])
    assert found.floor == 2 / 2**groups
    assert found.p_value == found.floor


def test_sign_flips_of_a_mean_against_theory() -> None:
    """Singletons and a constant: the permutation test of symmetry about the null, exactly."""
    y = np.array([1.2, -0.3, 0.8, 2.1, 0.4, -0.1])
    found = wild_cluster_bootstrap(y, np.ones((6, 1)), np.arange(6), contrast=[1.0])
    signs = np.array(list(itertools.product([1, -1], repeat=6)))
    sums = np.abs(signs @ y)  # |t| grows with the sum, as the sum of squares stays
    assert found.p_value == (sums >= y.sum() - 1e-12).mean()


def test_ties_are_counted_against_theory() -> None:
    """Two equal clusters: exchanging them changes nothing, and rounding must not break the tie."""
    y = np.array([0.3, 0.3, 0.1, 0.7, 0.1 + 0.2])
    found = wild_cluster_bootstrap(y - 0.25, np.ones((5, 1)), np.arange(5), contrast=[1.0])
    signs = np.array(list(itertools.product([1, -1], repeat=5)))
    sums = np.abs(signs @ (y - 0.25))
    assert found.p_value == (sums >= abs((y - 0.25).sum()) - 1e-12).mean()


def test_sign_of_the_outcome_does_not_matter_against_theory() -> None:
    y, X = few_families(2, effect=0.3)
    found = wild_cluster_bootstrap(y, X, FAMILY, contrast=[0, 1])
    mirrored = wild_cluster_bootstrap(-y, X, FAMILY, contrast=[0, 1])
    assert mirrored.p_value == found.p_value
    assert mirrored.statistic == pytest.approx(-found.statistic)


def test_interval_holds_what_is_not_rejected_against_theory() -> None:
    y, X = few_families(3, effect=0.5)
    everything: list[dict[str, Any]] = [{}, {"kind": "webb", "rng": 1}]
    for options in everything:
        found = wild_cluster_bootstrap(y, X, FAMILY, contrast=[0, 1], **options)
        low, high = found.conf_int(0.89995)  # p is a multiple of 1/64 or of 1/10000
        assert low < found.estimate < high
        width = high - low
        for null, inside in [
            (low - 1e-6 * width, False),
            (low + 1e-6 * width, True),
            (high - 1e-6 * width, True),
            (high + 1e-6 * width, False),
        ]:
            tested = found.scores.test(found.estimate - null)[1]
            assert (tested > 0.10005) == inside
            shifted = wild_cluster_bootstrap(
                y - null * X[:, 1], X, FAMILY, contrast=[0, 1], **options
            )
            assert shifted.p_value == tested


def test_interval_is_unbounded_below_the_floor_degenerate() -> None:
    y, X = few_families(3, effect=0.5)
    found = wild_cluster_bootstrap(y, X, np.minimum(FAMILY, 3), contrast=[0, 1])
    assert found.floor == 0.125
    assert found.conf_int(0.95) == (-np.inf, np.inf)


@pytest.mark.parametrize("seed", [171, 372])
def test_interval_is_unbounded_below_the_floor_where_one_family_decides(seed: int) -> None:
    """Ties of far nulls are lost to rounding there: a limit of -6e6 was once printed."""
    rng = np.random.default_rng(seed)
    family = np.repeat(["a", "b", "c", "d"], [6, 3, 2, 1])
    x = rng.normal(size=12) * np.where(family == "a", 5.0, 0.3) + (family == "c") * rng.normal()
    X, y = np.column_stack([np.ones(12), x]), rng.normal(size=12)
    found = wild_cluster_bootstrap(y, X, family, contrast=[0, 1], kind="rademacher")
    assert found.floor == 0.125
    assert found.conf_int(0.95) == (-np.inf, np.inf)
    assert np.isfinite(found.conf_int(0.8)).any()


def test_drawn_weights_agree_with_enumeration_against_theory() -> None:
    y, X = few_families(4, effect=0.2)
    exact = wild_cluster_bootstrap(y, X, FAMILY, contrast=[0, 1])
    points = np.sort(
        np.unique(
            wild_cluster_bootstrap(
                y, X, FAMILY, contrast=[0, 1], kind="webb", n_draws=500, rng=0
            ).scores.weights
        )
    )
    np.testing.assert_allclose(points**2, [1.5, 1.0, 0.5, 0.5, 1.0, 1.5])
    drawn = wild_cluster_bootstrap(
        y, X, FAMILY, contrast=[0, 1], kind="webb", n_draws=20_000, rng=0
    )
    assert not drawn.scores.enumerated
    assert drawn.floor == 1 / 20_001
    assert drawn.p_value == pytest.approx(exact.p_value, abs=0.1)  # another distribution
    # With more clusters than are enumerated, Rademacher draws come from the same 2^13 patterns.
    label = np.arange(20) % 13
    many = wild_cluster_bootstrap(y, X, label, contrast=[0, 1], kind="rademacher", rng=1)
    assert not many.scores.enumerated
    assert set(np.unique(many.scores.weights)) == {-1.0, 1.0}
    assert many.floor == 2 / 2**13
    webb = wild_cluster_bootstrap(y, X, label, contrast=[0, 1], kind="webb", rng=1)
    assert webb.p_value == pytest.approx(many.p_value, abs=0.05)


def test_seeds_against_theory() -> None:
    y, X = few_families(5)
    one, same, other = (
        wild_cluster_bootstrap(y, X, FAMILY, contrast=[0, 1], kind="webb", rng=seed)
        for seed in (1, np.random.default_rng(1), 2)
    )
    np.testing.assert_array_equal(one.draws, same.draws)
    assert not np.array_equal(one.draws, other.draws)
    exact = [
        wild_cluster_bootstrap(y, X, FAMILY, contrast=[0, 1], rng=seed).p_value for seed in (1, 2)
    ]
    assert exact[0] == exact[1]


def test_p_is_never_zero_degenerate() -> None:
    y, X = few_families(6, effect=1e6)
    everything: list[dict[str, Any]] = [{}, {"kind": "webb", "rng": 0, "n_draws": 99}]
    for options in everything:
        found = wild_cluster_bootstrap(y, X, FAMILY, contrast=[0, 1], **options)
        assert found.p_value >= found.floor > 0


def test_contrast_of_one_cluster_degenerate() -> None:
    y, _ = few_families()
    X = np.column_stack([np.ones(20), FAMILY == 2])
    found = wild_cluster_bootstrap(y, X, [f"family {f}" for f in FAMILY], contrast=[0, 1])
    assert np.isnan([found.p_value, found.statistic, found.std_error]).all()
    assert np.isnan(found.draws).all()
    assert np.isfinite(found.estimate)
    assert found.reason == "cluster 'family 2' alone identifies the contrast"
    assert np.isnan(found.conf_int()).all()


def test_no_variance_degenerate() -> None:
    X = np.column_stack([np.ones(8), np.tile([0.0, 1.0], 4)])
    found = wild_cluster_bootstrap(np.ones(8), X, np.repeat(np.arange(4), 2), contrast=[0, 1])
    assert np.isnan(found.p_value)
    assert "no variance" in found.reason


def test_draw_without_variance_counts_as_extreme_degenerate() -> None:
    """Two clusters, opposite by the null: flipping one leaves a deviation and no error."""
    y = np.array([1.0, 1.0, -1.0, -1.0])
    exact = wild_cluster_bootstrap(y, np.ones((4, 1)), [0, 0, 1, 1], contrast=[1.0])
    assert np.isinf(exact.draws).sum() == 2
    assert exact.statistic == 0
    assert exact.p_value == 1.0
    assert exact.scores.test(exact.estimate - 0.5)[1] == 1.0


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"contrast": [1.0]}, DataError, r"contrast has shape \(1,\), not 2"),
        ({"contrast": [0.0, 0.0]}, DataError, "contrast is all zero"),
        ({"kind": "normal"}, DataError, "unknown kind of cluster weights"),
        ({"weights": np.ones(3)}, DataError, r"weights has shape \(3,\)"),
        ({"kind": "webb", "n_draws": 0}, DataError, "n_draws must be at least 1"),
        ({"clusters": ["a"] * 20}, NotIdentifiedError, "at least two clusters"),
        ({"y": [np.nan] * 20}, DataError, "y is not finite in rows 0, 1"),
    ],
)
def test_arguments_bad_input(change: dict[str, Any], error: type[Exception], message: str) -> None:
    y, X = few_families()
    given = {"y": y, "X": X, "clusters": FAMILY, "contrast": [0.0, 1.0], **change}
    with pytest.raises(error, match=message):
        wild_cluster_bootstrap(**given)
