"""The stress test: what changes with source ability, simulated and on thinned items."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hatstats.calibration.rejection_rates import DF_CLASSES, RejectionDesign, rejections
from hatstats.calibration.stress import StressDesign, stress_test
from hatstats.errors import NotIdentifiedError
from hatstats.estimators.latent.fit import LatentOptions
from hatstats.simulation.simulate import Shape, simulate_study
from tests.trends.makers import aggregate_study, table_of_models


@pytest.mark.slow
def test_latent_hat_is_constant_where_rivals_change() -> None:
    design = StressDesign(shape=Shape(600, 1), abilities=(-1.0, 0.5, 2.0))
    table = stress_test(design=design, n_seeds=2, rng=1).set_index("measure")
    hat = table.loc["HAT, latent, uniform"]
    assert hat["leakage"] < 0.1
    assert hat["by_transfer"] > 0.1
    for rival in ("HAT, observed, uniform", "ratio", "conditional", "overall"):
        assert table.loc[rival, "leakage"] > 2 * hat["leakage"], rival
    assert (table["n_seeds"] == 2).all()
    assert table.attrs["seed"] == 1
    assert table["mc_error"].notna().all()


@pytest.mark.slow
def test_thinned_items_of_a_study() -> None:
    study = simulate_study(
        (-0.5, 0.5, 1.0), shape=Shape(n_items=300, n_languages=1, n_trials=8), rng=1
    )
    table = stress_test(study, rng=1).set_index("measure")
    assert set(table["world"]) == {"real items"}
    assert (table["by_transfer"] > 0).all()
    assert table.loc["HAT, latent, pooled", "leakage"] < table.loc["overall", "leakage"]


def test_the_stress_test_knows_profiles_alone_and_the_window_of_a_study() -> None:
    study = simulate_study((-0.5, 0.5, 1.0), shape=Shape(150, 1, 8), rng=1)
    window = replace(study, info=replace(study.info, common=(0.3, 0.9)))
    borrowed = stress_test(window, methods=("latent",), rng=1).set_index("measure")
    alone = LatentOptions(borrow=False)
    kept = stress_test(window, methods=("latent",), options=alone, rng=1).set_index("measure")
    name = "HAT, latent, common"
    assert kept.loc[name, "leakage"] != pytest.approx(borrowed.loc[name, "leakage"], rel=1e-6)
    assert kept.loc["ratio", "leakage"] == borrowed.loc["ratio", "leakage"]


def test_a_table_of_means_cannot_be_thinned_bad_input() -> None:
    study = aggregate_study(table_of_models(1), np.random.default_rng(1).uniform(0.4, 0.9, (20, 2)))
    with pytest.raises(NotIdentifiedError, match="counts per item"):
        stress_test(study)


@pytest.mark.slow
def test_rejections_are_counted() -> None:
    design = RejectionDesign(
        "release_year", slope=0.5, family_sd=0.0, model_sd=0.001, sampling_sd=0.01
    )
    by_method, by_df = rejections(design, n_replicates=8, n_draws=49, rng=1)
    table = by_method.set_index("method")
    assert table.loc["OLS", "rejected"] == 1.0
    assert len(table) == 12
    assert by_df["n_replicates"].sum() == 8
    assert set(by_df["df_low"]) <= set(DF_CLASSES)
    again, _ = rejections(design, n_replicates=8, n_draws=49, rng=1)
    assert again.equals(by_method)
