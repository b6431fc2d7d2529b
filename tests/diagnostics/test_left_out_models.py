"""Scores without each other model of a panel, against fits of the smaller study."""

from __future__ import annotations

import numpy as np
import pytest

import hatstats as hs
from hatstats.diagnostics.left_out_models import left_out_words
from hatstats.estimators.latent.fit import fit_borrowing
from hatstats.estimators.latent.model import LatentModel
from hatstats.estimators.latent.patterns import group_items
from hatstats.scores.item_profile import ItemProfile
from hatstats.simulation.simulate import Shape, simulate_study


@pytest.fixture(scope="module")
def profile() -> ItemProfile:
    found = hs.fit_profile(simulate_study((-1.5, 0.0, 0.8, 2.0), shape=Shape(120, 2, 8), rng=2))
    assert isinstance(found, ItemProfile)
    return found


@pytest.mark.parametrize("reference", ["pooled", "uniform"])
def test_it_is_the_fit_of_the_smaller_panel(profile: ItemProfile, reference: str) -> None:
    moves = hs.leave_out_models(profile, reference)
    assert len(moves) == 4 * 3
    (fit,) = profile.fits
    first = fit.models[0]
    assert isinstance(first, LatentModel)
    assert first.in_panel is not None
    # The spread over models is held, as leaving out one model is no other population.
    kept = [0, 1, 3]
    models = fit_borrowing([group_items(fit.counts, m) for m in kept], first.in_panel.panel.spread)
    weights = np.mean([model.distribution for model in models], axis=0)
    if reference == "uniform":
        weights = fit.reference_weights("uniform")[0]
    wanted = [model.profile.mean(axis=0) @ weights for model in models]
    rows = moves[moves["without"] == "model-03"]
    assert rows["model"].tolist() == ["model-01", "model-02", "model-04"]
    np.testing.assert_allclose(rows["estimate"], wanted, atol=1e-6)
    scores = profile.hat(reference)
    change = rows["estimate"].to_numpy() - scores.estimates[kept]
    np.testing.assert_allclose(rows["change"], change, atol=1e-9)


def test_words_name_the_largest_change(profile: ItemProfile) -> None:
    moves, scores = hs.leave_out_models(profile), profile.hat()
    text = left_out_words(moves, scores.bse)
    size = moves["change"].abs() / moves["model"].map(scores.bse)
    assert f"by at most {moves['change'].abs().max():.3f}" in text
    assert f"{moves.loc[size.idxmax(), 'model']} without" in text


@pytest.mark.parametrize("options", [{"borrow": False}, None])
def test_profiles_alone_and_pairs_are_refused(
    profile: ItemProfile, options: dict[str, bool] | None
) -> None:
    study = profile.study
    if options is None:
        study = study.select(models=list(study.model_names[:2]))
    chosen = hs.LatentOptions(**(options or {}))
    alone = hs.fit_profile(study, method="latent", options=chosen)
    with pytest.raises(hs.NotIdentifiedError, match="three models or more"):
        hs.leave_out_models(alone)
