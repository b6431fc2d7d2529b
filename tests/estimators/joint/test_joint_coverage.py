"""Intervals of `joint` in its own world hold what they say."""

from __future__ import annotations

import numpy as np
import pytest

from hatstats.estimators.methods import fit_profile
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.simulation.worlds import true_hat

pytestmark = pytest.mark.slow

UNIFORM = (np.arange(2000) + 0.5) / 2000


@pytest.mark.parametrize(("trials", "languages"), [(5, 2)])
def test_interval_coverage(trials: int, languages: int) -> None:
    """A small run: with 250 replicates coverage was .94 to .95 (5 trials, 2 languages)."""
    truth = true_hat(UNIFORM)
    hits, contrasts = [], []
    for seed in range(40):
        study = simulate_study((0.0, 1.0), shape=Shape(250, languages, trials), rng=1000 + seed)
        scores = fit_profile(study, method="joint").hat("uniform")
        limits = scores.limits()
        hits += list((limits[:, 0] < truth) & (truth < limits[:, 1]))
        row = scores.contrast("model-01", "model-02").tidy().iloc[0]
        contrasts.append(row["conf_low"] < 0 < row["conf_high"])
    assert 0.90 <= np.mean(hits) <= 0.99
    assert 0.88 <= np.mean(contrasts) <= 1.0
