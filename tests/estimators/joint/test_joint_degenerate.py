"""`joint` at the boundary: warned about, never NaN; and refused where nothing is identified."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from hatstats.errors import DegenerateDataWarning, NotIdentifiedError
from hatstats.estimators.joint.compare import compare_joint
from hatstats.estimators.joint.fit_models import fit_joint
from hatstats.estimators.joint.options import JointOptions
from hatstats.estimators.joint.profile import JointModel
from hatstats.estimators.methods import fit_profile
from hatstats.scores.counts import ItemCounts
from hatstats.simulation.simulate import Shape, simulate_study


def counts_of(
    source: np.ndarray, target: np.ndarray, source_n: float = 5.0, target_n: float = 5.0
) -> ItemCounts:
    """One model; source (N,) and target (N, L) counts."""
    items, languages = target.shape
    return ItemCounts(
        "b",
        0.0,
        ("m",),
        tuple(f"t{language}" for language in range(languages)),
        np.array([f"i{item}" for item in range(items)]),
        np.arange(items),
        source[None].astype(float),
        np.full((1, items), source_n),
        target[None].astype(float),
        np.full((1, items, languages), target_n),
    )


def finite(model: JointModel) -> None:
    assert np.isfinite(model.profile).all()
    assert ((model.profile >= 0) & (model.profile <= 1)).all()
    assert model.distribution.sum() == pytest.approx(1.0)
    assert np.isfinite(model.profile_influence(model.distribution)).all()
    assert np.isfinite(model.distribution_influence(model.grid[:, None])).all()


@contextmanager
def no_spread() -> Iterator[None]:
    with pytest.warns(DegenerateDataWarning, match="equally hard"):
        yield


@pytest.mark.parametrize("right", [0.0, 5.0])
def test_all_right_or_all_wrong(right: float) -> None:
    counts = counts_of(np.full(30, right), np.full((30, 2), right))
    with no_spread():
        (model,) = fit_joint(counts).models
    finite(model)
    mean = float(model.distribution @ model.grid)
    assert abs(mean - right / 5.0) < 0.01


@pytest.mark.parametrize("right", [0.0, 5.0])
def test_all_right_or_all_wrong_in_the_target_only(right: float) -> None:
    rng = np.random.default_rng(1)
    source = rng.binomial(5, rng.beta(2, 2, 60))
    (model,) = fit_joint(counts_of(source, np.full((60, 1), right))).models
    finite(model)
    inner = (model.grid > 0.2) & (model.grid < 0.8)
    assert np.abs(model.profile[0, inner] - right / 5.0).max() < 0.05


def test_items_equally_hard() -> None:
    source = np.tile([2.0, 3.0], 30)
    target = np.column_stack([source, 5.0 - source])
    with no_spread():
        (model,) = fit_joint(counts_of(source, target)).models
    finite(model)
    assert model.fit.layout.scalar(model.fit.theta, "sigma") < 0.05


def test_one_item() -> None:
    with pytest.warns(DegenerateDataWarning, match="single item"):
        (model,) = fit_joint(counts_of(np.array([3.0]), np.array([[2.0, 4.0]]))).models
    finite(model)


def test_a_language_with_three_items() -> None:
    rng = np.random.default_rng(2)
    p = rng.beta(2, 2, 40)
    counts = counts_of(rng.binomial(5, p), rng.binomial(5, p[:, None], (40, 2)))
    trials = counts.target_trials.copy()
    trials[0, 3:, 1] = 0.0
    right = np.where(trials > 0, counts.target_correct, 0.0)
    (model,) = fit_joint(replace(counts, target_trials=trials, target_correct=right)).models
    finite(model)


def test_a_language_never_asked_is_nan_and_influences_nothing() -> None:
    rng = np.random.default_rng(3)
    p = rng.beta(2, 2, 80)
    counts = counts_of(rng.binomial(5, p), rng.binomial(5, p[:, None], (80, 2)))
    trials = counts.target_trials.copy()
    trials[0, :, 1] = 0.0
    right = np.where(trials > 0, counts.target_correct, 0.0)
    (model,) = fit_joint(replace(counts, target_trials=trials, target_correct=right)).models
    assert np.isnan(model.profile[1]).all()
    assert np.isfinite(model.profile[0]).all()
    influence = model.profile_influence(model.distribution)
    assert (influence[:, 1] == 0).all()
    assert (influence[:, 0] != 0).all()


def test_an_item_without_source_trials_influences_nothing() -> None:
    rng = np.random.default_rng(4)
    p = rng.beta(2, 2, 80)
    counts = counts_of(rng.binomial(5, p), rng.binomial(5, p[:, None], (80, 1)))
    trials = counts.source_trials.copy()
    trials[0, 7] = 0.0
    counts = replace(
        counts, source_trials=trials, source_correct=np.minimum(counts.source_correct, trials)
    )
    (model,) = fit_joint(counts).models
    influence = model.profile_influence(model.distribution)
    assert influence[7, 0] == 0
    assert np.count_nonzero(influence[:, 0]) == 79


def test_one_trial_and_one_language_names_what_is_missing() -> None:
    study = simulate_study((0.0,), shape=Shape(100, 1, 1), rng=1)
    with pytest.raises(NotIdentifiedError, match=r"trials per item.*two or more target lang"):
        fit_profile(study, method="joint")


def test_one_trial_in_two_languages_says_what_it_conditions_on() -> None:
    study = simulate_study((0.0, 1.0), shape=Shape(3000, 2, 1), rng=1)
    profile = fit_profile(study, method="joint")
    scores = profile.hat()
    assert np.isfinite(scores.std_errors).all()
    assert "common hardness" in scores.estimand
    assert (
        "common hardness"
        not in fit_profile(simulate_study((0.0,), shape=Shape(100, 2, 3), rng=1), method="joint")
        .hat()
        .estimand
    )


@pytest.mark.parametrize(
    ("options", "shape", "missing"),
    [
        (JointOptions(shared_factor=True), Shape(50, 1, 5), "second language is missing"),
        (JointOptions(shared_factor=True), Shape(50, 3, 1), "trials are missing"),
        (JointOptions(beta_binomial=True), Shape(50, 3, 1), "beta_binomial"),
    ],
    ids=lambda value: getattr(value, "label", None),
)
def test_options_that_the_data_cannot_identify(
    options: JointOptions, shape: Shape, missing: str
) -> None:
    study = simulate_study((0.0,), shape=shape, rng=1)
    with pytest.raises(NotIdentifiedError, match=missing):
        fit_profile(study, method="joint", options=options)


def test_comparison_notes_options_that_are_not_identified() -> None:
    study = simulate_study((0.0,), shape=Shape(60, 1, 4), rng=1)
    table = compare_joint(study, [JointOptions(), JointOptions(shared_factor=True)], rng=0)
    assert table["note"].tolist()[0] == ""
    assert "second language" in table["note"].tolist()[1]
    assert np.isnan(table["aic"].to_numpy()[1])
    assert table["delta_aic"].to_numpy()[0] == 0.0
