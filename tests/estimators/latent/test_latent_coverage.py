"""Intervals of latent scores hold the known truth about as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from hatstats.estimators.methods import fit_profile
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.simulation.worlds import true_hat

pytestmark = pytest.mark.slow

REFERENCE = (0.3, 0.5, 0.7)
TRANSFER = (0.0, 0.6)


@pytest.mark.parametrize(
    "shape",
    [Shape(300, 2, 10), Shape(660, 1, 5), Shape(300, 4, 10, twins=True)],
    ids=["plain", "few trials", "twins"],
)
def test_intervals_of_scores_and_contrasts_hold_the_truth(shape: Shape) -> None:
    """At 95 % and 30 replicates of three intervals: .88 is three standard errors away."""
    truth = np.array([true_hat(REFERENCE, transfer=shift) for shift in TRANSFER])
    held, missed, errors = [], [], []
    for seed in range(30):
        study = simulate_study((0.0, 1.0), transfer=TRANSFER, shape=shape, rng=1000 + seed)
        scores = fit_profile(study).hat(REFERENCE)
        low, high = scores.limits().T
        row = scores.contrast("model-02", "model-01").tidy().iloc[0]
        gap = truth[1] - truth[0]
        held.append(
            [*((low <= truth) & (truth <= high)), row["conf_low"] <= gap <= row["conf_high"]]
        )
        missed.append([*(scores.estimates - truth), row["estimate"] - gap])
        errors.append([*scores.std_errors, row["std_error"]])
    assert np.mean(held) > 0.88
    assert (np.mean(held, axis=0) > 0.84).all()
    # The errors are neither too small nor bought by being too large.
    spread = np.std(missed, axis=0, ddof=1)
    np.testing.assert_allclose(np.mean(errors, axis=0), spread, rtol=0.3)
    assert (np.abs(np.mean(missed, axis=0)) < 0.5 * spread).all()
