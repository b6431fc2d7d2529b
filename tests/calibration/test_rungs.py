"""Rungs side by side, and intervals in worlds of known truth, on the smallest studies."""

from __future__ import annotations

import numpy as np
import pytest

from hatstats.bayes.fit import Level
from hatstats.bayes.settings import Sampling
from hatstats.calibration.rungs import WorldDesign, rung_agreement, wrong_worlds
from hatstats.simulation.simulate import Shape, simulate_study

pytestmark = pytest.mark.filterwarnings("ignore::hatstats.errors.ConvergenceWarning")


def test_cells_by_joint_agree_with_counts_within_noise() -> None:
    study = simulate_study((-0.5, 0.0, 0.5), shape=Shape(n_items=80, n_languages=2), rng=3)
    how = Sampling(draws=600, tune=200, chains=2, cores=1)
    sampling: dict[Level, Sampling] = {"cells": how, "counts": how}
    table = rung_agreement(study, sampling, rungs=("cells",))
    assert table["model"].tolist() == study.model_names
    assert (table["shift"].abs() < 0.3).all()
    assert table["sd_ratio"].between(0.7, 1.4).all()
    # Other draws of the same posterior: so near by chance, and not because both are one run.
    assert (table["mc_error"] > 0).all()
    assert (table["shift"] != 0).all()


def test_worlds_report_errors_and_coverage_of_the_studies_drawn() -> None:
    how = Sampling(draws=100, tune=100, chains=2, cores=1)
    design = WorldDesign("cubic", n_models=4, n_items=60, n_languages=1, sampling=how)
    table = wrong_worlds([design], n_replicates=2, rng=1)
    row = table.iloc[0]
    assert (row["world"], row["level"], row["n_replicates"]) == ("cubic", "cells", 2)
    assert np.abs(row["bias"]) < 0.15
    assert row["trend"] in (0.0, 0.5, 1.0)
    assert row["hat"] * 8 == round(row["hat"] * 8)
    again = wrong_worlds([design], n_replicates=2, rng=1)
    assert again.equals(table)
