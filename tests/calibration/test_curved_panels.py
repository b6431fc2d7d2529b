"""Panels of accuracies with known scores."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from hatstats.calibration.curved_panels import (
    PanelDesign,
    PanelWorld,
    draw_panel,
    panel_coverage_of_means,
)
from hatstats.estimators.aggregate.profile import fit_aggregate


def test_truth_is_what_many_trials_estimate_against_theory() -> None:
    design = PanelDesign("line", n_trials=1_000_000, transfer=0.05, cells=0.0)
    study, truth = draw_panel(design, np.random.default_rng(3))
    scores = fit_aggregate(study).hat("pooled")
    order = [scores.models.index(f"m{number:02d}") for number in range(truth.size)]
    np.testing.assert_allclose(scores.estimates[order], truth, atol=0.02)
    assert np.corrcoef(scores.estimates[order], truth)[0, 1] > 0.95


@pytest.mark.slow
def test_coverage_of_aggregate_scores_has_a_row_for_each_world() -> None:
    table = panel_coverage_of_means(n_replicates=2, rng=1).set_index("world")
    assert list(table.index) == list(get_args(PanelWorld))
    assert table.loc["line", "hat"] > 0.8
    assert table.loc["cubic", "curved"] == 1.0
