"""Panels of eight models with equal transfer, for the tests of this folder."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hatstats.scores.counts import ItemCounts, item_counts
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.simulation.worlds import WorldName

ABILITIES = tuple(np.linspace(-1.5, 3.0, 8))


def panel_counts(
    n_items: int,
    n_trials: int = 1,
    *,
    seed: int,
    n_languages: int = 4,
    chance: float = 0.0,
    world: WorldName = "logit_normal",
) -> ItemCounts:
    """Counts of a simulated panel; with a chance level wrong answers turn right by guessing."""
    rng = np.random.default_rng(seed)
    shape = Shape(n_items, n_languages, n_trials)
    study = simulate_study(ABILITIES, shape=shape, world=world, rng=rng)
    counts = item_counts(study, study.benchmark_names[0])

    def guessed(correct: np.ndarray, trials: np.ndarray) -> np.ndarray:
        return correct + rng.binomial((trials - correct).astype(int), chance)

    return replace(
        counts,
        chance=chance,
        source_correct=guessed(counts.source_correct, counts.source_trials),
        target_correct=guessed(counts.target_correct, counts.target_trials),
    )
