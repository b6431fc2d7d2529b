"""Simultaneous tests of all pairs, and confidence sets of ranks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hatstats.inference.arrays import Bools, Floats
from hatstats.inference.simultaneous import PairTests, joint_inference, normal_errors, tiers
from tests.reference import stored


def pair_tests(
    estimates: Floats, cov: Floats, n_draws: int = 10_000, seed: int = 1, df: float = np.inf
) -> PairTests:
    """Tests of all pairs whose errors are drawn from the same covariance."""
    number = len(estimates) * (len(estimates) - 1) // 2
    errors = normal_errors(cov, n_draws, np.random.default_rng(seed))
    return PairTests.of(estimates, cov, errors, np.full(number, df))


def random_covariance(rng: np.random.Generator, size: int) -> Floats:
    """A covariance of full rank with correlations of either sign."""
    root = rng.normal(size=(size, size + 1))
    return np.asarray(root @ root.T / size, dtype=float)


# --- against a naive implementation ---------------------------------------------------------------


def naive_above(
    estimates: Floats, cov: Floats, errors: Floats, alpha: float, of: int | None
) -> Bools:
    """Step-down over a list of one-sided hypotheses (j, k), "j is not above k"."""
    size = len(estimates)

    def error(j: int, k: int) -> float:
        return float(np.sqrt(cov[j, j] + cov[k, k] - 2.0 * cov[j, k]))

    remaining = [
        (j, k) for j, k in itertools.permutations(range(size), 2) if of is None or of in (j, k)
    ]
    above = np.zeros((size, size), dtype=bool)
    while remaining:
        top = [
            max((errors[j, b] - errors[k, b]) / error(j, k) for j, k in remaining)
            for b in range(errors.shape[1])
        ]
        place = int(np.ceil((1.0 - alpha) * (len(top) + 1)))
        drawn = sorted(top)[place - 1] if place <= len(top) else np.inf
        two_sided = any((k, j) in remaining for j, k in remaining)
        least = stats.norm.isf(alpha / 2.0 if two_sided else alpha)
        most = stats.norm.isf(alpha / len(remaining))
        critical = max(min(drawn, most), least, 0.0)
        new = [
            (j, k) for j, k in remaining if (estimates[j] - estimates[k]) / error(j, k) > critical
        ]
        if not new:
            break
        for pair in new:
            above[pair] = True
            remaining.remove(pair)
    return above


@settings(max_examples=30, deadline=None)
@given(
    size=st.integers(2, 5),
    seed=st.integers(0, 10_000),
    spread=st.sampled_from([0.0, 1.0, 3.0]),
    conf_level=st.sampled_from([0.4, 0.9, 0.95]),
)
def test_step_down_and_rank_sets_against_naive(
    size: int, seed: int, spread: float, conf_level: float
) -> None:
    rng = np.random.default_rng(seed)
    estimates, cov = spread * rng.normal(size=size), random_covariance(rng, size)
    tests = pair_tests(estimates, cov, n_draws=99, seed=seed)
    alpha = 1.0 - conf_level
    above = naive_above(estimates, cov, tests.errors, alpha, None)
    np.testing.assert_array_equal(tests.above(conf_level), above)
    for k, (low, high) in enumerate(tests.rank_limits(conf_level)):
        assert (low, high) == (1 + above[:, k].sum(), size - above[k].sum())
    for k, (low, high) in enumerate(tests.rank_limits(conf_level, jointly=False)):
        own = naive_above(estimates, cov, tests.errors, alpha, k)
        assert (low, high) == (1 + own[:, k].sum(), size - own[k].sum())
    # The longest chain down to each, by going through all of them.
    chains = [
        max(
            length + 1
            for length in range(size)
            for chain in itertools.permutations([j for j in range(size) if j != k], length)
            if all(above[a, b] for a, b in itertools.pairwise((*chain, k)))
        )
        for k in range(size)
    ]
    assert tiers(above).tolist() == chains


@settings(max_examples=30, deadline=None)
@given(size=st.integers(3, 6), seed=st.integers(0, 10_000))
def test_p_values_against_naive(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    estimates, cov = rng.normal(size=size), random_covariance(rng, size)
    tests = pair_tests(estimates, cov, n_draws=199, seed=seed)
    pairs = list(itertools.combinations(range(size), 2))
    error = {p: np.sqrt(cov[p[0], p[0]] + cov[p[1], p[1]] - 2.0 * cov[p]) for p in pairs}
    top = np.array([
        max(abs(e[j] - e[k]) / error[j, k] for j, k in pairs) for e in tests.errors.T
    ])  # fmt: skip
    adjusted, best = tests.adjusted_p(), tests.best_p()
    for j, k in pairs:
        z = abs(estimates[j] - estimates[k]) / error[j, k]
        own = 2.0 * stats.norm.sf(z)
        share = (1 + (top >= z).sum()) / 200
        expected = min(max(share, own), min(len(pairs) * own, 1.0))
        assert adjusted[j, k] == adjusted[k, j] == pytest.approx(expected, rel=1e-9)
        # The simultaneous interval excludes 0 just where the adjusted p value says so.
        own_level = tests.simultaneous_level(0.9)
        assert (own < 1.0 - own_level) == (adjusted[j, k] <= 0.1)
    for j in range(size):
        others = [k for k in range(size) if k != j]
        errors = {k: error[min(j, k), max(j, k)] for k in others}
        z = max((estimates[k] - estimates[j]) / errors[k] for k in others)
        drawn = [max((e[k] - e[j]) / errors[k] for k in others) for e in tests.errors.T]
        share = (1 + (np.array(drawn) >= z).sum()) / 200
        own = stats.norm.sf(z)
        bound = min(len(others) * own, 1.0)
        expected = bound if bound * 200 <= 1 else min(max(share, own), bound)
        assert best[j] == pytest.approx(expected, rel=1e-9)


# --- against R and theory -------------------------------------------------------------------------


@pytest.mark.parametrize("name", stored.cases("pairs"))
def test_pairs_and_ranks_against_R(name: str) -> None:
    """`multcomp` (Tukey contrasts), and step-down by integrals of the multivariate normal."""
    case = stored.cases("pairs")[name]
    estimates, cov = np.array(case["estimates"]), np.array(case["cov"])
    tests = pair_tests(estimates, cov, n_draws=100_000)
    first, second = np.triu_indices(len(estimates), 1)
    # Five standard errors of a share of 100,000 draws.
    np.testing.assert_allclose(tests.adjusted_p()[first, second], case["p_adjusted"], atol=0.007)
    critical = stats.norm.isf(0.5 * (1.0 - tests.simultaneous_level(0.95)))
    assert critical == pytest.approx(case["critical"], abs=0.02)
    np.testing.assert_array_equal(tests.rank_limits(0.95), case["joint"])
    np.testing.assert_array_equal(tests.rank_limits(0.95, jointly=False), case["marginal"])
    np.testing.assert_allclose(tests.best_p(), case["best_p"], atol=0.008)


def test_independent_equal_errors_need_the_studentized_range() -> None:
    tests = pair_tests(np.arange(20.0), np.eye(20), n_draws=100_000)
    critical = stats.norm.isf(0.5 * (1.0 - tests.simultaneous_level(0.95)))
    exact = stats.studentized_range.ppf(0.95, 20, np.inf) / np.sqrt(2.0)
    assert critical == pytest.approx(exact, abs=0.015)


def test_correlated_errors_pay_less_and_one_pair_pays_nothing() -> None:
    twins = np.kron(np.eye(5), np.full((4, 4), 0.99)) + 0.01 * np.eye(20)
    level = [pair_tests(np.zeros(20), cov).simultaneous_level(0.95) for cov in (np.eye(20), twins)]
    assert level[1] < level[0] - 0.0001
    pair = pair_tests(np.array([0.0, 1.5]), np.eye(2), n_draws=100)
    assert pair.simultaneous_level(0.95) == pytest.approx(0.95, abs=1e-12)
    own = 2.0 * stats.norm.sf(1.5 / np.sqrt(2.0))
    np.testing.assert_allclose(pair.adjusted_p()[0, 1], own, rtol=1e-12)
    np.testing.assert_allclose(pair.best_p()[0], own / 2.0, rtol=1e-12)


def test_few_degrees_of_freedom_widen_every_comparison() -> None:
    estimates, cov = np.array([0.0, 0.0, 4.0]), np.eye(3)
    normal, few = (pair_tests(estimates, cov, df=df) for df in (np.inf, 3.0))
    t = 4.0 / np.sqrt(2.0)
    assert 2.0 * stats.norm.sf(few.scores[2, 0]) == pytest.approx(2.0 * stats.t.sf(t, 3.0))
    assert normal.rank_limits(0.95).tolist() == [[2, 3], [2, 3], [1, 1]]
    assert few.rank_limits(0.95).tolist() == [[1, 3]] * 3


# --- coverage -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("spacing", [0.02, 0.1, 0.3])
def test_rank_sets_cover_with_twenty_models(spacing: float) -> None:
    """Percentiles of draws held all ranks in .01, .15 and .52 of such studies."""
    rng, truth = np.random.default_rng(5), spacing * np.arange(20.0)[::-1]
    held = np.zeros((200, 2))
    for b in range(len(held)):
        tests = pair_tests(truth + rng.normal(size=20), np.eye(20), n_draws=999, seed=b)
        low, high = tests.rank_limits(0.95).T
        held[b] = [
            ((low <= np.arange(20) + 1) & (np.arange(20) + 1 <= high)).all(),
            tests.best_p()[0] > 0.05,
        ]
    # .95 less two standard errors of 200 studies.
    assert (held.mean(axis=0) >= 0.92).all()


# --- degenerate -----------------------------------------------------------------------------------


def test_what_cannot_be_compared_is_never_decided() -> None:
    cov = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    tests = pair_tests(np.array([5.0, 5.0, 0.0]), cov)
    assert np.isnan(tests.adjusted_p()[0, 1])
    assert tests.rank_limits(0.95).tolist() == [[1, 2], [1, 2], [3, 3]]
    unknown = pair_tests(np.array([1.0, 2.0]), np.full((2, 2), np.nan))
    assert unknown.rank_limits(0.95).tolist() == [[1, 2], [1, 2]]
    assert unknown.best_p().tolist() == [1.0, 1.0]
    assert unknown.simultaneous_level(0.95) == 0.95
    alone = pair_tests(np.array([1.0]), np.eye(1))
    assert alone.rank_limits(0.95, jointly=False).tolist() == [[1, 1]]
    assert tiers(alone.above(0.95)).tolist() == [1]


@pytest.mark.parametrize("rho", [0.0, 0.9])
def test_intervals_of_all_estimates_hold_at_once(rho: float) -> None:
    """Coverage of all of eight at once, and false findings, by simulation; small df too."""
    rng, size, n = np.random.default_rng(3), 8, 400
    cov = (1.0 - rho) * np.eye(size) + rho
    root, errors = np.linalg.cholesky(cov), normal_errors(cov, 4_000, rng)
    held = found = 0
    for _ in range(n):
        estimates = root @ rng.normal(size=size)
        level, p = joint_inference(estimates, cov, np.full(size, np.inf), errors, 0.9)
        held += bool((np.abs(estimates) <= stats.norm.ppf(0.5 + level / 2)).all())
        found += bool((p < 0.1).any())
    assert abs(held / n - 0.9) < 3 * np.sqrt(0.09 / n)
    assert found == n - held


def test_all_at_once_lies_between_one_test_and_bonferroni() -> None:
    rng = np.random.default_rng(1)
    cov = random_covariance(rng, 5)
    estimates, df = rng.normal(size=5), np.array([3.0, 5.0, 8.0, np.inf, 20.0])
    level, p = joint_inference(estimates, cov, df, normal_errors(cov, 5_000, rng), 0.95)
    own = 2 * stats.t.sf(np.abs(estimates) / np.sqrt(np.diag(cov)), df)
    assert 0.95 < level <= 0.99
    assert (p >= own).all()
    assert (p <= np.minimum(5 * own, 1)).all()
    alone, p_alone = joint_inference(
        estimates[:1], cov[:1, :1], df[:1], normal_errors(cov[:1, :1], 50, rng), 0.95
    )
    assert alone == pytest.approx(0.95)
    assert p_alone[0] == pytest.approx(own[0])


def test_an_estimate_without_spread_is_in_no_test() -> None:
    cov = np.diag([0.0, 1.0])
    errors = normal_errors(cov, 500, np.random.default_rng(1))
    _, p = joint_inference(np.array([0.3, 2.0]), cov, np.full(2, np.inf), errors, 0.95)
    assert np.isnan(p[0])
    assert p[1] == pytest.approx(2 * stats.norm.sf(2.0))
    level, none = joint_inference(np.zeros(1), np.zeros((1, 1)), np.ones(1), errors[:1], 0.95)
    assert level == 0.95
    assert np.isnan(none).all()
