"""Which method is taken without a name, by trials and by models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import hatstats as hs
from hatstats.estimators.methods import default_method

EIGHT = tuple(np.linspace(-1.0, 2.0, 8))


@pytest.mark.parametrize(
    ("models", "trials", "expected"),
    [(8, 1, "panel"), (8, 3, "panel"), (8, 4, "latent"), (7, 1, "joint"), (7, 2, "latent")],
)
def test_method_by_models_and_trials(models: int, trials: int, expected: str) -> None:
    study = hs.simulate_study(EIGHT[:models], shape=hs.Shape(30, 2, trials), rng=1)
    method, why = default_method(study)
    assert method == expected
    assert why.startswith(f"Method {expected}: items")


def test_models_of_the_same_weights_are_one() -> None:
    study = hs.simulate_study(EIGHT, shape=hs.Shape(30, 2, 1), rng=1)
    names = list(study.model_names)
    weights = [*names[:6], "twin", "twin"]
    twins = replace(study, models=study.models.assign(weights=weights))
    assert default_method(twins)[0] == "joint"
    # Unknown weights are a model's own.
    unknown = replace(study, models=study.models.assign(weights=[None] * 8))
    assert default_method(unknown)[0] == "panel"


def test_models_without_items_in_common_are_no_panel() -> None:
    study = hs.simulate_study(EIGHT, shape=hs.Shape(30, 2, 1), rng=1)
    items = study.counts["item"].drop_duplicates().to_numpy()
    first = study.counts["item"].isin(items[:15])
    own = (study.counts["model"] == study.model_names[0]) == first
    assert default_method(replace(study, counts=study.counts[own]))[0] == "joint"


def test_reason_stands_in_the_result() -> None:
    study = hs.simulate_study(EIGHT, shape=hs.Shape(60, 2, 1), rng=2)
    text = " ".join(hs.fit_profile(study).hat().summary().split())
    assert "Method panel: items have one trial in the source language, and the answers" in text
    assert "about the panel's hardness by" in text
