"""Averages over a reference and what is said of them, of fits whose every part is known."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from hatstats.scores.benchmark_fit import BenchmarkFit, CellScores, FitCheck
from hatstats.scores.counts import ItemCounts
from hatstats.scores.reference import Mixture

N, M, L, Q = 6, 3, 2, 5
SUPPORT = np.linspace(0.0, 1.0, Q)


@dataclass
class Plain:
    """A fit whose influence is any linear map of weights and of values."""

    distribution: np.ndarray
    profile: np.ndarray
    of_profile: np.ndarray = field(default_factory=lambda: np.zeros((N, L, Q)))
    of_distribution: np.ndarray = field(default_factory=lambda: np.zeros((N, Q)))

    def profile_influence(self, weights: np.ndarray) -> np.ndarray:
        return self.of_profile @ weights

    def distribution_influence(self, values: np.ndarray) -> np.ndarray:
        return self.of_distribution @ values


@dataclass
class Smooth(Plain):
    bias: np.ndarray = field(default_factory=lambda: np.zeros((L, L)))

    def shape_covariance(self, weights: np.ndarray) -> np.ndarray:
        return self.bias * weights.sum()


@dataclass
class Borrowing(Plain):
    borrows: bool = True
    common: np.ndarray = field(default_factory=lambda: np.zeros((L, 4, Q)))
    apart: np.ndarray = field(default_factory=lambda: np.eye(L))

    def spread_rows(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        return (self.common @ weights, self.apart) if self.borrows else None

    def alone(self) -> Plain:
        return Plain(self.distribution, 1.0 - self.profile)


def counts() -> ItemCounts:
    """Everybody right on half of all answers, in each language alike."""
    half = np.tile([1.0, 0.0], N // 2)
    return ItemCounts(
        benchmark="q",
        chance=0.0,
        models=("a", "b", "c"),
        languages=("sw", "yo"),
        items=np.array([f"i{k}" for k in range(N)]),
        clusters=np.arange(N),
        source_correct=np.tile(half, (M, 1)),
        source_trials=np.ones((M, N)),
        target_correct=np.tile(half[:, None], (M, 1, L)),
        target_trials=np.ones((M, N, L)),
    )


def random_fit(kind: type[Plain], rng: np.random.Generator) -> BenchmarkFit:
    fits = [
        kind(
            rng.dirichlet(np.ones(Q)),
            rng.uniform(size=(L, Q)),
            rng.normal(size=(N, L, Q)),
            rng.normal(size=(N, Q)),
        )
        for _ in range(M)
    ]
    for fit in fits:
        if isinstance(fit, Borrowing):
            fit.common = rng.normal(size=(L, 4, Q))
            root = rng.normal(size=(L, L))
            fit.apart = root.T @ root
    return BenchmarkFit(counts(), SUPPORT, tuple(fits))


def test_averages_and_influence_against_naive() -> None:
    rng = np.random.default_rng(1)
    fit = random_fit(Plain, rng)
    mixing, fixed = rng.dirichlet(np.ones(M + 1), M)[:, :M], rng.uniform(size=Q) / Q
    mixing[0, 2] = 0.0
    found = fit.averaged(Mixture(mixing, fixed))
    assert found.spread is found.own_spread is None
    for m in range(M):
        weights = fixed + sum(mixing[m, k] * fit.models[k].distribution for k in range(M))
        for language in range(L):
            profile = fit.models[m].profile[language]
            assert found.estimate[m, language] == pytest.approx(weights @ profile)
            for i in range(N):
                own = fit.models[m].of_profile[i, language] @ weights  # type: ignore[attr-defined]
                moved = sum(
                    mixing[m, k] * (fit.models[k].of_distribution[i] @ profile)  # type: ignore[attr-defined]
                    for k in range(M)
                )
                assert found.influence[i, m, language] == pytest.approx(own + moved)
    quick = fit.averaged(Mixture(mixing, fixed), with_influence=False)
    np.testing.assert_array_equal(quick.estimate, found.estimate)
    assert quick.influence.shape == (N, M, L)
    assert not quick.influence.any()
    # A language that a model was not asked in moves nothing and stays unknown.
    fit.models[1].profile[0] = np.nan
    gap = fit.averaged(Mixture(mixing, fixed))
    assert np.isnan(gap.estimate).tolist() == [[False, False], [True, False], [False, False]]
    np.testing.assert_array_equal(gap.influence[:, 0], found.influence[:, 0])
    assert np.isfinite(gap.influence[:, 1]).all()


def test_what_borrowing_adds_against_naive() -> None:
    rng = np.random.default_rng(2)
    fit = random_fit(Borrowing, rng)
    found = fit.averaged("uniform")
    weights = fit.reference_weights("uniform")[0]
    asked = np.array([[True, True], [False, True], [True, True]])
    cells = [(m, language) for m in range(M) for language in range(L) if asked[m, language]]
    sums = rng.normal(size=(4, len(cells)))
    rows = found.weighted_spread(asked, sums)
    cov = np.zeros((len(cells), len(cells)))
    for a, (m, one) in enumerate(cells):
        for b, (k, other) in enumerate(cells):
            first, second = fit.models[m], fit.models[k]
            assert isinstance(first, Borrowing)
            assert isinstance(second, Borrowing)
            cov[a, b] = (first.common[one] @ weights) @ (second.common[other] @ weights)
            cov[a, b] += first.apart[one, other] if m == k else 0.0
    np.testing.assert_allclose(rows.T @ rows, sums @ cov @ sums.T, rtol=1e-9)
    # Checks widen both parts, and the influence, of each model by its factor.
    checks = tuple(FitCheck("odd", factor) for factor in (1.0, 2.0, 3.0))
    wide = replace(fit, checks=checks).averaged("uniform")
    factor = np.array([check.factor for check in checks])
    np.testing.assert_array_equal(wide.estimate, found.estimate)
    np.testing.assert_allclose(wide.influence, found.influence * factor[:, None])
    more = wide.weighted_spread(asked, np.eye(len(cells)))
    by = np.array([factor[m] for m, _ in cells])
    np.testing.assert_allclose(more.T @ more, cov * by[:, None] * by, rtol=1e-9)
    # Nothing is borrowed where one model is fitted alone, and nothing added.
    lone = fit.models[1]
    assert isinstance(lone, Borrowing)
    lone.borrows = False
    assert fit.averaged("uniform").spread is None
    plain = CellScores(found.estimate, found.influence)
    assert plain.weighted_spread(asked, sums).shape == (0, 4)
    assert plain.widened([2.0] * M).own_spread is None


OWN = np.array([0.005, 0.2, 0.59, 0.2, 0.005])
#: Reference, its share beyond the central 98 % of OWN, and what is said of it.
ALOOF = " of the reference lies outside the model's own source accuracies"
REFERENCES = [
    ([0.05, 0.2, 0.5, 0.2, 0.05], 0.1, "", ""),
    ([0.1, 0.2, 0.4, 0.2, 0.1], 0.2, "", ""),
    (
        [0.15, 0.2, 0.3, 0.2, 0.15],
        0.3,
        f"30%{ALOOF}, where its profile is extrapolated, so that its interval may be too short",
        f"30%{ALOOF}, where its profile is borrowed from the other models",
    ),
    (
        [0.25, 0.2, 0.1, 0.2, 0.25],
        0.5,
        f"50%{ALOOF}, where its profile is extrapolated, so that its interval may be too short",
        f"50%{ALOOF}, where its profile is borrowed from the other models",
    ),
    (
        [0.3, 0.2, 0.0, 0.2, 0.3],
        0.6,
        f"60%{ALOOF}; its score is mostly extrapolation",
        f"60%{ALOOF}; its score is mostly extrapolation by the shape of the other models' "
        "profiles, and is 0.350 if fitted alone",
    ),
]
PROFILE = np.array([[0.4, 0.45, 0.6, 0.65, 0.7], [0.6, 0.75, 0.8, 0.85, 0.9]])


@pytest.mark.parametrize(("weights", "outside", "alone", "borrowed"), REFERENCES)
def test_what_is_said_of_a_reference_outside(
    weights: list[float], outside: float, alone: str, borrowed: str
) -> None:
    profile = PROFILE - PROFILE[:, [2]] + 0.65  # of mean .65 under a symmetric reference
    profile[:, 1] = 1.3 - profile[:, 3]
    profile[:, 0] = 1.3 - profile[:, 4]
    fits = (Plain(OWN, profile), Borrowing(OWN, profile), Borrowing(OWN, profile, borrows=False))
    fit = BenchmarkFit(counts(), SUPPORT, fits)
    rows = np.tile(weights, (M, 1))
    found = fit.overlap(rows, np.full(M, 0.05), np.full(L, True))
    assert found["model"].tolist() == ["a", "b", "c"]
    assert found["benchmark"].tolist() == ["q"] * M
    np.testing.assert_allclose(found["outside"], outside, atol=1e-12)
    assert found["informed"].tolist() == [outside < 0.55] * M
    wanted = [f"{name} on q: {text}." if text else ""
              for name, text in zip("abc", (alone, borrowed, alone), strict=True)]  # fmt: skip
    assert found["note"].tolist() == wanted
    size = N / sum(w**2 / own for w, own in zip(weights, OWN, strict=True))
    np.testing.assert_allclose(found["effective_size"], size)
    np.testing.assert_allclose(found["trimmed"], 0.65)
    assert found["effective_trials"].tolist() == [1.0] * M
    assert found["shape_error"].isna().all()


def test_trimmed_scores_and_languages_that_count() -> None:
    """Of two languages one is looked at, or was asked; what is inside has its own mean."""
    weights = np.array([0.3, 0.1, 0.2, 0.3, 0.1])
    inner = weights[1:4] / weights[1:4].sum()
    gap = PROFILE.copy()
    gap[1] = np.nan
    never = np.full((L, Q), np.nan)
    fit = BenchmarkFit(counts(), SUPPORT, tuple(Plain(OWN, each) for each in (PROFILE, gap, never)))
    rows = np.tile(weights, (M, 1))
    both = fit.overlap(rows, np.full(M, 0.05), np.array([True, True]))
    one = fit.overlap(rows, np.full(M, 0.05), np.array([False, True]))
    means = [PROFILE.mean(axis=0)[1:4] @ inner, PROFILE[0, 1:4] @ inner, np.nan]
    np.testing.assert_allclose(both["trimmed"], means)
    np.testing.assert_allclose(one["trimmed"], [PROFILE[1, 1:4] @ inner, np.nan, np.nan])
    # A reference that lies wholly outside has no inner part, and no items carry it.
    away = np.tile([0.0, 0.0, 0.0, 0.0, 1.0], (M, 1))
    gone = BenchmarkFit(counts(), SUPPORT, (Plain(np.array([0.5, 0.5, 0, 0, 0]), PROFILE),) * M)
    found = gone.overlap(away, np.full(M, 0.05), np.array([True, True]))
    assert found["trimmed"].isna().all()
    assert found["effective_size"].tolist() == [0.0] * M
    assert found["outside"].tolist() == [1.0] * M


@pytest.mark.parametrize(("error", "said"), [(0.1, True), (0.13, False)])
def test_the_possible_bias_of_smoothing_is_said_beside_the_error(error: float, said: bool) -> None:
    """The mean of covariances .01, .002, .002 and .002 is .004: a bias of .063, or .1 of one."""
    bias = np.array([[0.01, 0.002], [0.002, 0.002]])
    gap = PROFILE.copy()
    gap[1] = np.nan
    fits = (Smooth(OWN, PROFILE, bias=bias), Smooth(OWN, gap, bias=bias), Plain(OWN, PROFILE))
    checks = (FitCheck("odd"), FitCheck(""), FitCheck("bent"))
    fit = BenchmarkFit(counts(), SUPPORT, fits, checks=checks)
    rows, columns = np.tile(OWN, (M, 1)), np.full(L, True)
    found = fit.overlap(rows, np.full(M, error), columns)
    np.testing.assert_allclose(found["shape_error"], [np.sqrt(0.004), 0.1, np.nan])
    words = (
        "possible smoothing bias of {} either way, beside a standard error of {:.3f}, so that its "
        "interval may be too short"
    )
    first = [words.format("0.063", error)] if said else []
    assert found["note"].tolist() == [
        f"a on q: {'; '.join(['odd', *first])}.",
        f"b on q: {words.format('0.100', error)}.",
        "c on q: bent.",
    ]
    # Raw accuracies rest on no shape.
    raw = fit.overlap(rows, np.full(M, error), columns, smooth=False)
    assert raw["shape_error"].tolist() == [0.0] * M
    assert raw["note"].tolist() == [""] * M
    # Mostly extrapolated scores have worse than that.
    away = np.tile([0.6, 0.1, 0.1, 0.1, 0.1], (M, 1))
    assert not fit.overlap(away, np.full(M, error), columns)["note"].str.contains("bias").any()


def test_cells_are_rows_of_what_was_asked() -> None:
    fit = BenchmarkFit(counts(), SUPPORT, (Plain(OWN, PROFILE),) * M)
    estimate = np.array([[0.1, np.nan], [0.3, 0.4], [np.nan, 0.6]])
    assert fit.cells(estimate).to_dict("list") == {
        "model": ["a", "b", "b", "c"],
        "benchmark": ["q"] * 4,
        "language": ["sw", "sw", "yo", "yo"],
        "estimate": [0.1, 0.3, 0.4, 0.6],
    }
