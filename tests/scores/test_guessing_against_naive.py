"""Who guesses, against loops over items and languages, where both tests are close."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from hatstats.scores.counts import ItemCounts
from hatstats.scores.guessing import guessing_models
from tests.studies import cases

MODELS, ITEMS, LANGUAGES, CHANCE = 7, 40, 2, 0.23
CRITICAL = 1.645


def panel(seed: int) -> ItemCounts:
    """Answers of models that know 2 to 60 % of the items, some cells missing, pairs in clusters."""
    rng = np.random.default_rng(seed)
    hardness, ability = rng.normal(size=ITEMS), rng.uniform(0.02, [0.3] * 4 + [0.6] * 3)
    known = ability[:, None] * (1.0 + 0.8 * np.tanh(hardness))
    right = CHANCE + (1.0 - CHANCE) * np.clip(known, 0.0, 1.0)
    trials = rng.integers(0, 5, (MODELS, ITEMS, 1 + LANGUAGES)).astype(float)
    trials[:, 0] = np.maximum(trials[:, 0], 1.0)
    correct = rng.binomial(trials.astype(int), right[:, :, None]).astype(float)
    return ItemCounts(
        benchmark="q",
        chance=CHANCE,
        models=tuple("abcdefg"),
        languages=("sw", "yo"),
        items=np.array([f"i{i}" for i in range(ITEMS)]),
        clusters=np.array([i // 2 if i < 8 else i - 4 for i in range(ITEMS)]),
        source_correct=correct[:, :, 0],
        source_trials=trials[:, :, 0],
        target_correct=correct[:, :, 1:],
        target_trials=trials[:, :, 1:],
    )


def excess(counts: ItemCounts, m: int) -> dict[int, float]:
    """By item, how much more often a model is right on it than on its items of the language."""
    found: dict[int, list[float]] = defaultdict(list)
    for language in range(-1, LANGUAGES):
        shares = {}
        for i in range(ITEMS):
            k, n = (
                (counts.source_correct[m, i], counts.source_trials[m, i])
                if language < 0
                else (counts.target_correct[m, i, language], counts.target_trials[m, i, language])
            )
            if n > 0:
                shares[i] = k / n
        level = np.mean(list(shares.values()))
        for i, share in shares.items():
            found[i].append(share - level)
    return {i: float(np.mean(values)) for i, values in found.items()}


def naive(counts: ItemCounts) -> tuple[list[bool], list[bool]]:
    """Who guesses by source accuracy alone, and by both tests."""
    guesses, know = [], []
    for m in range(MODELS):
        shares = {
            i: counts.source_correct[m, i] / counts.source_trials[m, i]
            for i in range(ITEMS)
            if counts.source_trials[m, i] > 0
        }
        mean = np.mean(list(shares.values()))
        sums: dict[int, float] = defaultdict(float)
        for i, share in shares.items():
            sums[counts.clusters[i]] += (share - mean) / len(shares)
        groups = counts.clusters.max() + 1
        error = np.sqrt(groups / (groups - 1) * sum(value**2 for value in sums.values()))
        guesses.append(bool(mean - CHANCE <= CRITICAL * error))
        know.append((mean - CHANCE) / (1.0 - CHANCE))
    by_accuracy = list(guesses)
    able = [m for m in range(MODELS) if not guesses[m]]
    if len(able) <= 3:
        return by_accuracy, guesses
    easy = [excess(counts, m) for m in range(MODELS)]
    for m in able:
        if know[m] >= 0.2:
            continue
        others = {
            i: np.mean([easy[o][i] for o in able if o != m and i in easy[o]])
            for i in easy[m]
            if any(i in easy[o] for o in able if o != m)
        }
        own = np.mean([easy[m][i] for i in others])
        level = np.mean(list(others.values()))
        sums = defaultdict(float)
        for i, value in others.items():
            sums[counts.clusters[i]] += (easy[m][i] - own) * (value - level)
        together = sum(sums.values())
        guesses[m] = bool(together <= CRITICAL * np.sqrt(sum(v**2 for v in sums.values())))
    return by_accuracy, guesses


@cases(1, 4)
def test_guessing_models_against_naive(seed: int) -> None:
    panels = [panel(1000 * seed + each) for each in range(60)]
    found = np.array([guessing_models(counts) for counts in panels])
    by_accuracy, wanted = np.array([naive(counts) for counts in panels]).swapaxes(0, 1)
    np.testing.assert_array_equal(found, wanted)
    # Both tests decide, and panels of three able models or fewer are among these.
    assert (by_accuracy != wanted).sum() > 5
    assert ((~by_accuracy).sum(axis=1) <= 3).any()
