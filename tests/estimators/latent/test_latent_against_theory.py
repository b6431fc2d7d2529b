"""The purpose of `latent`: the score does not change when only source ability changes."""

from __future__ import annotations

import numpy as np
import pytest

from hatstats.estimators.methods import fit_profile
from hatstats.scores.item_profile import ItemProfile
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.simulation.worlds import WORLDS, WorldName, true_hat

ABILITIES = (-2.0, 0.0, 1.0, 3.0)
EVERYWHERE = (np.arange(2000) + 0.5) / 2000


# A profile that falls at the top is not what `latent` assumes; `make calibrate` prints its row.
@pytest.mark.parametrize("world", [world for world in WORLDS if world != "falling_top"])
@pytest.mark.slow
def test_latent_stays_where_observed_drifts(world: WorldName) -> None:
    """Equal transfer, source ability from -2 to 3, 10 trials, area under the profile."""
    shape = Shape(n_items=20_000, n_languages=2, n_trials=10)
    study = simulate_study(ABILITIES, shape=shape, world=world, rng=1)
    stable, drifting = (
        fit_profile(study, method=method).hat("uniform").estimates
        for method in ("latent", "observed")
    )
    truth = true_hat(EVERYWHERE, world=world)
    assert np.ptp(stable) <= 0.02
    assert np.abs(stable - truth).max() < 0.02
    # The aim of the project: observed scores change with ability alone, and always upwards.
    assert np.ptp(drifting) > 0.05
    assert (np.diff(drifting) > 0).all()
    assert np.ptp(drifting) > 5 * np.ptp(stable)


@pytest.mark.slow
def test_pooled_scores_of_equal_transfer_agree() -> None:
    study = simulate_study(ABILITIES, shape=Shape(20_000, 2, 10), rng=2)
    profile = fit_profile(study)
    assert np.ptp(profile.hat("pooled").estimates) < 0.03
    # Models are not scored at their own items: the reference is the same for all.
    raw = profile.hat("own").estimates
    assert np.ptp(raw) > 0.4


def test_scores_order_models_by_transfer_not_by_ability() -> None:
    """The weakest model transfers best."""
    transfer = (0.8, 0.0, -0.4)
    study = simulate_study((-1.0, 0.5, 2.0), transfer=transfer, shape=Shape(3000, 3, 8), rng=3)
    profile = fit_profile(study)
    scores = profile.hat([0.3, 0.5, 0.7])
    truth = [true_hat([0.3, 0.5, 0.7], transfer=shift) for shift in transfer]
    np.testing.assert_allclose(scores.estimates, truth, atol=0.02)
    raw = profile.hat("own").estimates
    assert (np.diff(scores.estimates) < 0).all()
    assert (np.diff(raw) > 0).any()


def test_profile_is_the_true_one_where_items_are() -> None:
    study = simulate_study((0.0,), shape=Shape(20_000, 2, 10), world="cubic", rng=4)
    profile = fit_profile(study)
    assert isinstance(profile, ItemProfile)
    (fit,) = profile.fits
    inside = (fit.support > 0.05) & (fit.support < 0.95)
    true = WORLDS["cubic"].profile(fit.support, 0.0)
    assert np.abs(fit.profiles[0, :, inside] - true[inside, None]).max() < 0.025
    assert (np.diff(fit.profiles, axis=2) >= -1e-12).all()
    assert ((fit.profiles >= 0) & (fit.profiles <= 1)).all()


@pytest.mark.slow
def test_more_trials_bring_observed_to_latent() -> None:
    gaps = []
    for trials in (3, 30):
        study = simulate_study((1.5,), shape=Shape(20_000, 2, trials), rng=5)
        latent, observed = (
            fit_profile(study, method=method).hat([0.3]).estimates[0]
            for method in ("latent", "observed")
        )
        gaps.append(observed - latent)
    assert gaps[0] > 0.08
    assert 0 < gaps[1] < gaps[0] / 4
