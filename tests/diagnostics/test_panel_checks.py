"""Checks of scores by `panel`: models that know nothing, a common bend, an assumed residual."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import hatstats as hs
from hatstats.errors import DataError, DegenerateDataWarning, NotIdentifiedError
from hatstats.estimators.panel.checks import (
    bent_profiles,
    knowing_nothing,
    line_and_bend,
    panel_words,
)
from hatstats.estimators.panel.fit import fit_panel
from hatstats.estimators.panel.options import PanelOptions
from hatstats.report.results import item_checks
from hatstats.report.results.item_checks import run_item_checks
from hatstats.simulation.worlds import true_hat
from tests.estimators.panel.panels import ABILITIES, panel_counts


@pytest.mark.slow
def test_a_model_that_answers_at_random_is_not_scored() -> None:
    study = hs.simulate_study((*ABILITIES, 0.5), shape=hs.Shape(300, 3, 1), rng=1)
    random = (study.counts["model"] == study.model_names[-1]).to_numpy()
    correct = study.counts["n_correct"].to_numpy(dtype=float, copy=True)
    correct[random] = np.random.default_rng(2).binomial(1, 0.4, int(random.sum()))
    study = replace(study, counts=study.counts.assign(n_correct=correct))
    with pytest.warns(DegenerateDataWarning) as caught:
        profile = hs.fit_profile(study, method="panel")
    assert "Not scored" in str(caught[-1].message)
    name = study.model_names[-1]
    assert profile.guessing == (name,)
    scores = profile.hat()
    assert name not in scores.models
    assert f"would not: {name}." in scores.estimand
    others = study.select(models=list(study.model_names[:-1]))
    without = hs.fit_profile(others, method="panel").hat()
    np.testing.assert_allclose(scores.estimates, without.estimates, rtol=1e-9)


def test_eight_models_are_kept_even_if_one_knows_nothing() -> None:
    counts = panel_counts(300, seed=3)
    rng = np.random.default_rng(4)
    for correct in (counts.source_correct, counts.target_correct):
        correct[2] = rng.binomial(1, 0.3, correct[2].shape)
    with pytest.warns(DegenerateDataWarning, match=counts.models[2]):
        fit = fit_panel(counts)
    assert np.flatnonzero(knowing_nothing(fit)).tolist() == [2]


@pytest.mark.slow
def test_a_common_bend_shows_what_lines_miss() -> None:
    """Where knowledge transfers or not, profiles level off, and the ablest models look too good."""
    truth = true_hat((np.arange(2000) + 0.5) / 2000, world="mixture")
    counts = panel_counts(2500, seed=1, world="mixture")
    fit = fit_panel(counts, PanelOptions(sigma=1.2))
    line, _, bent = line_and_bend(fit, "uniform", bent_profiles(fit))
    assert line[7] - truth > 0.04
    assert np.abs(bent - truth).max() < 0.05
    assert np.abs(bent - truth).max() < 0.6 * np.abs(line - truth).max()
    words = panel_words(fit)
    assert "may be no lines" in words
    assert f"under uniform, most {counts.models[7]}" in words


def test_a_bend_stays_away_where_profiles_are_lines() -> None:
    fit = fit_panel(panel_counts(1500, seed=2), PanelOptions(sigma=1.2))
    line, error, bent = line_and_bend(fit, "pooled", bent_profiles(fit))
    assert (np.abs(line - bent) < np.maximum(error, 0.01)).all()
    assert panel_words(fit).endswith("1.20 logits, as given.")


def test_an_assumed_residual_hardly_moves_scores() -> None:
    study = hs.simulate_study(ABILITIES, shape=hs.Shape(150, 3, 1), rng=5)
    profile = hs.fit_profile(study, method="panel")
    table = hs.hat_by_residual(profile, residuals=[0.6, 1.8])
    wide = table.pivot(index="model", columns="residual", values="estimate")
    assert len(wide) == len(ABILITIES)
    moved = np.abs(wide[1.8] - wide[0.6])
    assert 0.0 < moved.max() < 0.06
    with pytest.raises(DataError, match="out of bounds"):
        hs.hat_by_residual(profile, residuals=[9.0])
    with pytest.raises(NotIdentifiedError, match="method 'panel' only"):
        hs.hat_by_residual(hs.fit_profile(study, method="observed"))


def test_a_report_says_what_one_answer_does_not_show() -> None:
    one, several = (
        hs.simulate_study(ABILITIES, shape=hs.Shape(60, 2, trials), rng=2) for trials in (1, 3)
    )
    profile = hs.fit_profile(one, method="panel")
    checks = run_item_checks(profile, "uniform", 0.95)
    direct = hs.hat_by_residual(profile, "uniform")
    np.testing.assert_array_equal(checks.by_residual["estimate"], direct["estimate"])
    wide = direct.pivot(index="model", columns="residual", values="estimate")
    most = (wide[1.8] - wide[0.6]).abs().max()
    assert any(f"HAT would move by up to {most:.3f}" in text for text in checks.words)
    assert not any(text.endswith("..") for text in checks.words)
    # Several trials say how far items vary.
    known = run_item_checks(hs.fit_profile(several, method="panel"), "uniform", 0.95)
    assert known.by_residual.empty


def test_methods_that_score_other_models_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report says why, instead of ending there."""
    study = hs.simulate_study((-0.5, 0.0, 0.5), shape=hs.Shape(40, 1, 5), rng=1)
    profile = hs.fit_profile(study, method="latent")
    fewer = study.select(models=study.model_names[:2])

    def fitted(given: hs.Study, *, method: str) -> hs.TransferProfile:
        return hs.fit_profile(fewer if method == "joint" else given, method=method)

    monkeypatch.setattr(item_checks, "fit_profile", fitted)
    made = item_checks.run_item_checks(profile, "pooled", 0.95)
    assert any(
        words.startswith("Misspecification: the profiles are of different models")
        for words in made.words
    )
