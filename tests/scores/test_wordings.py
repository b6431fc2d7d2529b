"""Correlation of two trials of one wording: naive twin, theory, simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hatstats as hs
from hatstats.scores.counts import item_counts
from hatstats.scores.wordings import (
    SameWording,
    effective_trials,
    share_of_pairs,
    wording_correlation,
)

#: Of each item the wordings, of each wording the answers.
Answers = list[list[list[int]]]
answers = st.lists(
    st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=4), min_size=1, max_size=4),
    min_size=2,
    max_size=6,
)


def as_arrays(data: Answers) -> tuple[np.ndarray, np.ndarray, SameWording]:
    sums = [[(sum(word), len(word)) for word in item] for item in data]
    correct = np.array([sum(k for k, _ in item) for item in sums], dtype=float)
    trials = np.array([sum(n for _, n in item) for item in sums], dtype=float)
    right = np.array([sum(k * (k - 1) for k, _ in item) for item in sums], dtype=float)
    number = np.array([sum(n * (n - 1) for _, n in item) for item in sums], dtype=float)
    return correct, trials, SameWording(right, number)


def naive_correlation(data: Answers) -> float | None:
    """The ratio from every pair of answers, one by one."""
    excess = spread = 0.0
    for item in data:
        one = [a * b for word in item for a, b in itertools.permutations(word, 2)]
        two = [
            a * b for first, other in itertools.permutations(item, 2) for a in first for b in other
        ]
        if one and two:
            every = [a for word in item for a in word]
            excess += np.mean(one) - np.mean(two)
            spread += np.mean(every) - np.mean(two)
    return None if spread <= 1e-12 else min(max(excess / spread, 0.0), 1.0)


@given(answers)
def test_ratio_against_naive(data: Answers) -> None:
    found, wanted = wording_correlation(*as_arrays(data)), naive_correlation(data)
    if wanted is None or found is None:
        assert found is None or wanted is not None or found.value in (0.0, 1.0)
    else:
        assert found.value == pytest.approx(wanted, abs=1e-9)


@given(answers, st.integers(0, 5))
def test_influence_is_the_derivative_by_the_weight_of_an_item(data: Answers, place: int) -> None:
    arrays = as_arrays(data)
    found = wording_correlation(*arrays)
    place %= len(data)
    if found is None or not 0.01 < found.value < 0.99:
        return
    step = np.zeros(len(data))
    step[place] = 1e-5
    up, down = (wording_correlation(*arrays, np.ones(len(data)) + s) for s in (step, -step))
    assert up is not None
    assert down is not None
    slope = (up.value - down.value) / 2e-5
    assert found.influence[place] == pytest.approx(slope, rel=1e-3, abs=1e-6)
    assert found.influence.sum() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("rho", [0.0, 0.1, 0.3, 0.8])
def test_the_correlation_of_a_simulation_is_found(rho: float) -> None:
    rng, items, wordings, repeats = np.random.default_rng(3), 4000, 3, 4
    x = rng.beta(1.0, 1.5, (items, 1))
    size = (1.0 - rho) / max(rho, 1e-9)
    of_wording = rng.beta(x * size, (1.0 - x) * size, (items, wordings)) if rho else x
    k = rng.binomial(repeats, np.broadcast_to(of_wording, (items, wordings)))
    n = wordings * repeats
    number = np.full(items, float(wordings * repeats * (repeats - 1)))
    same = SameWording((k * (k - 1.0)).sum(axis=1), number)
    trials = np.full(items, float(n))
    found = wording_correlation(k.sum(axis=1).astype(float), trials, same)
    assert found is not None
    error = np.sqrt((found.influence**2).sum())
    assert abs(found.value - rho) < 4 * error
    assert 0.0 < error < 0.03
    # The variance of an item's share is that of so many independent trials.
    worth = effective_trials(trials, share_of_pairs(trials, same), rho)
    spread = (k.sum(axis=1) / n - x[:, 0]) ** 2
    expected = (x * (1 - x))[:, 0] / worth
    assert spread.mean() == pytest.approx(expected.mean(), rel=0.06)


def test_effective_trials_at_the_limits() -> None:
    trials, share = np.array([1.0, 10.0, 10.0]), np.array([0.0, 0.0, 1.0])
    np.testing.assert_allclose(effective_trials(trials, share, 1.0), [1.0, 10.0, 1.0])
    # Two wordings of five: fully correlated repeats leave two answers.
    assert effective_trials(np.array([10.0]), np.array([2 * 20 / 90]), 1.0)[0] == pytest.approx(2.0)


def counts_of(wordings: int, repeats: int, *, named: bool = True) -> hs.Study:
    rng = np.random.default_rng(1)
    rows = [
        ("m", "q", language, f"i{item}", f"w{wording}", rng.binomial(repeats, 0.5), repeats)
        for language in ("en", "sw")
        for item in range(30)
        for wording in range(wordings)
    ]
    names = ["model", "benchmark", "language", "item", "prompt", "n_correct", "n_trials"]
    frame = pd.DataFrame(rows, columns=names).assign(source_language="en")
    if not named:
        cell = ["model", "benchmark", "language", "item", "source_language"]
        frame = frame.drop(columns="prompt").groupby(cell, as_index=False).sum()
    return hs.Study(frame)


@pytest.mark.parametrize(
    ("wordings", "repeats", "named", "kind"),
    [(5, 2, True, "wordings"), (1, 4, True, "repeats"), (5, 2, False, "unknown")],
)
def test_the_kind_of_trials_follows_from_their_names(
    wordings: int, repeats: int, named: bool, kind: str
) -> None:
    counts = item_counts(counts_of(wordings, repeats, named=named), "q")
    assert counts.trials == kind
    assert (counts.source_pairs is not None) == named
    worth = counts.effective_trials[0]
    if kind == "repeats":
        assert worth == 4.0  # taken as independent where nothing can be guessed
    elif named:
        assert 7.0 < worth <= 10.0
    else:
        assert worth == pytest.approx(wordings * repeats)


def test_pairs_are_summed_over_wordings_and_repeats() -> None:
    rows = [
        ("m", "q", "en", "a", "w1", "1", 1, 1),
        ("m", "q", "en", "a", "w1", "2", 1, 1),
        ("m", "q", "en", "a", "w1", "3", 0, 1),
        ("m", "q", "en", "a", "w2", "1", 1, 1),
        ("m", "q", "sw", "a", "w1", "1", 1, 1),
        ("m", "q", "sw", "a", "w1", "2", 0, 1),
    ]
    names = ["model", "benchmark", "language", "item", "prompt", "repeat", "n_correct", "n_trials"]
    study = hs.Study(pd.DataFrame(rows, columns=names).assign(source_language="en"))
    counts = item_counts(study, "q")
    assert counts.source_pairs is not None
    assert counts.target_pairs is not None
    assert counts.source_pairs.right.tolist() == [[2.0]]
    assert counts.source_pairs.number.tolist() == [[6.0]]
    assert counts.target_pairs.right.tolist() == [[[0.0]]]
    assert counts.target_pairs.number.tolist() == [[[2.0]]]
