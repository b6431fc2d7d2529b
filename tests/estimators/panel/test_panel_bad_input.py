"""What `panel` refuses, and what it warns of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import hatstats as hs
from hatstats.errors import DataError, DegenerateDataWarning, NotIdentifiedError
from hatstats.estimators.panel.fit import fit_panel
from hatstats.scores.counts import without_models
from tests.estimators.panel.panels import ABILITIES, panel_counts


def test_seven_models_are_too_few() -> None:
    counts = panel_counts(50, seed=1)
    seven = without_models(counts, np.arange(8) == 3)
    with pytest.raises(NotIdentifiedError, match=r"7 models .* 8 or more .* method='joint'"):
        fit_panel(seven)
    # Reasoning on and off are one set of weights.
    names = counts.models
    with pytest.raises(NotIdentifiedError, match="7 models"):
        fit_panel(counts, twins={names[1]: names[0]})


def test_a_model_with_items_of_its_own_is_named() -> None:
    counts = panel_counts(50, seed=2)
    trials = counts.source_trials.copy()
    trials[0, :25], trials[1:, 25:] = 0.0, 0.0
    with pytest.raises(NotIdentifiedError, match=f"{counts.models[0]}.*items in common"):
        fit_panel(replace(counts, source_trials=trials))


@pytest.mark.parametrize("sigma", [0.0, -1.0, np.nan, np.inf, 4.0])
def test_sigma_has_bounds(sigma: float) -> None:
    message = r"column 'sigma', value .*: the residual standard deviation is out .* Hint: give"
    with pytest.raises(DataError, match=message):
        hs.PanelOptions(sigma)


def test_options_belong_to_their_method() -> None:
    study = hs.simulate_study(ABILITIES, shape=hs.Shape(20, 2, 1), rng=1)
    with pytest.raises(DataError, match="PanelOptions"):
        hs.fit_profile(study, method="joint", options=hs.PanelOptions())
    with pytest.raises(DataError, match="LatentOptions for method 'panel'"):
        hs.fit_profile(study, method="panel", options=hs.LatentOptions())


def test_answers_at_random_are_warned_of() -> None:
    """Three of ten right, whatever the item: the panel's slopes are not the model's."""
    counts = panel_counts(400, seed=3)
    rng = np.random.default_rng(4)
    for correct in (counts.source_correct, counts.target_correct):
        correct[2] = rng.binomial(1, 0.3, correct[2].shape)
    with pytest.warns(DegenerateDataWarning, match=counts.models[2]) as caught:
        fit = fit_panel(counts)
    assert not any(name in str(caught[0].message) for name in counts.models[3:])
    assert np.isfinite(fit.scores("uniform").estimate).all()
    # The warning stands in that model's row, and is no rejected fit of the panel.
    columns = np.full(len(counts.languages), True)
    errors = np.full(len(counts.models), 0.05)
    notes = fit.overlap(fit.reference_weights("uniform"), errors, columns)["note"]
    doubtful = notes.str.contains("hardly go with the hardness")
    assert np.flatnonzero(doubtful).tolist() == [2]
    assert not any(check.rejected for check in fit.checks)


def test_models_right_or_wrong_on_every_item_have_scores() -> None:
    counts = panel_counts(60, seed=5)
    counts.source_correct[7], counts.source_correct[0] = 1.0, 0.0
    counts.target_correct[0] = 0.0
    with pytest.warns(DegenerateDataWarning):
        fit = fit_panel(counts)
    found = fit.scores("uniform")
    assert np.isfinite(found.estimate).all()
    assert np.isfinite(found.influence).all()


def test_missing_items_and_languages() -> None:
    counts = panel_counts(120, seed=6)
    rng = np.random.default_rng(7)
    source = counts.source_trials * (rng.random(counts.source_trials.shape) < 0.8)
    target = counts.target_trials * (rng.random(counts.target_trials.shape) < 0.8)
    target[3, :, 1] = 0.0
    holes = replace(
        counts,
        source_trials=source,
        source_correct=np.minimum(counts.source_correct, source),
        target_trials=target,
        target_correct=np.minimum(counts.target_correct, target),
    )
    found = fit_panel(holes).scores("pooled")
    unknown = np.isnan(found.estimate)
    assert unknown[3, 1]
    assert unknown.sum() == 1
    assert np.isfinite(found.influence).all()


def test_a_study_by_panel_goes_all_the_way() -> None:
    study = hs.simulate_study(ABILITIES, shape=hs.Shape(80, 3, 1), rng=2)
    profile = hs.fit_profile(study, method="panel")
    scores = profile.hat()
    assert scores.method == "panel"
    assert "other models of this panel" in scores.estimand
    assert np.isfinite(scores.covariance).all()
    assert np.isfinite(scores.contrast(study.model_names[7], study.model_names[0]).std_error)
