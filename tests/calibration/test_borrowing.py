"""Borrowed profiles against known truth and hidden answers, in small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import hatstats as hs
from hatstats.calibration.borrowing import (
    DESIGNS,
    PanelDesign,
    hidden_in_short,
    hidden_items,
    panel_coverage,
)
from hatstats.simulation.simulate import Shape

pytestmark = pytest.mark.slow

GSM = Path(__file__).parents[2] / "data/gsm_symbolic"


def test_the_weakest_and_the_strongest_gain() -> None:
    design = replace(DESIGNS[0], shape=Shape(100, 4, 10))
    table = panel_coverage(design, n_replicates=12, rng=1).set_index(["profiles", "ability"])
    borrowed, alone = table.loc["borrowed"], table.loc["alone"]
    assert borrowed["rmse"].iloc[0] < alone["rmse"].iloc[0]
    assert borrowed["bias"].abs().max() < 0.03
    assert borrowed["coverage"].mean() > 0.88
    assert (borrowed["long_arms"] == 0).all()


def test_truth_is_the_mean_of_the_profile_over_all_models_items() -> None:
    design = PanelDesign("two", (0.9, 0.5), (1.0, 0.7), (0.0, 2.0))
    counts = replace(design, shape=Shape(40_000, 1, 1)).draw(np.random.default_rng(2))
    seen = counts.target_accuracy()[..., 0].mean(axis=1)
    own = [design.profile(m, np.array([0.5])).item() for m in range(2)]
    assert own == pytest.approx([1 / (1 + np.exp(0.8)), 0.7 / (1 + np.exp(0.8))])
    # A model's target accuracy is its profile over its own items; the truth is over both models'.
    low, high = sorted(seen)
    assert low - 0.3 < design.truth().min() < design.truth().max() < high + 0.3


def test_hidden_answers_are_predicted_better_than_alone() -> None:
    study = hs.read_study(GSM)
    study = study.select(models=[name for name in study.model_names if "Apertus" not in name])
    table = hidden_items(study, ["Gemma-3-4B", "Qwen2.5-7B"])
    assert set(table["side"]) == {"easiest", "hardest"}
    assert table.query("profiles == 'borrowed'")["z"].abs().max() < 3
    short = hidden_in_short(table).set_index("profiles")
    assert short.loc["borrowed", "rmse"] < short.loc["alone", "rmse"]
