"""Posteriors of the hierarchical model: what they say, keep and give back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hatstats.bayes.claim_fits import doubled_priors
from hatstats.bayes.estimates import CellOptions
from hatstats.bayes.fit import fit_hierarchical, read_hierarchical
from hatstats.bayes.priors import Priors
from hatstats.bayes.result import HierarchicalFit
from hatstats.estimators.methods import fit_profile
from hatstats.inference.tidy import TIDY_COLUMNS
from tests.bayes.cases import (
    QUICK,
    cell_fit,
    count_fit,
    item_study,
    mixed_study,
    panel_study,
)


@pytest.fixture(params=[cell_fit, count_fit], ids=["cells", "counts"])
def fit(request: pytest.FixtureRequest) -> HierarchicalFit:
    return request.param()


def test_scores_are_means_of_their_cells(fit: HierarchicalFit) -> None:
    scores = fit.hat()
    for place, name in enumerate(scores.models):
        own = (scores.cells["model"] == name).to_numpy()
        mean = scores.cell_draws[..., own].mean(axis=-1)
        np.testing.assert_allclose(scores.draws[..., place], mean)


def test_tidy_tables_have_the_one_schema_and_convergence(fit: HierarchicalFit) -> None:
    for table in (fit.tidy(), fit.hat().tidy(), fit.hat().tidy_cells()):
        assert set(TIDY_COLUMNS) <= set(table.columns)
        assert {"r_hat", "ess_bulk", "ess_tail", "mcse"} <= set(table.columns)
        assert (table["conf_low"] <= table["estimate"]).all()
        assert (table["estimate"] <= table["conf_high"]).all()
        assert table["p_value"].isna().all()
    names = set(fit.tidy()["term"])
    assert {"source: log10(params_total)", "transfer: log10(params_total)", "sd_cell"} <= names


def test_cells_stay_near_the_estimates_that_they_rest_on() -> None:
    raw = fit_profile(item_study()).hat()
    found = cell_fit().hat()
    assert found.models == raw.models
    assert (np.abs(found.params - raw.params) < 2.0 * raw.bse).all()
    # What the models have in common makes the posterior narrower on average, never much wider.
    assert np.sqrt(np.diag(found.cov)).mean() < 1.05 * raw.bse.mean()


def test_accuracies_agree_with_the_regression_with_errors_in_both() -> None:
    raw = fit_profile(panel_study()).hat()
    found = count_fit().hat()
    kept = [raw.models.index(name) for name in found.models]
    assert (np.abs(found.params - raw.params[kept]) < 2.0 * raw.bse[kept]).all()


def test_contrast_ranks_and_probabilities_come_from_the_same_draws(fit: HierarchicalFit) -> None:
    scores = fit.hat()
    a, b = scores.models[:2]
    row = scores.contrast(a, b, rope=(-0.02, 0.02)).iloc[0]
    difference = scores.draws[..., 0] - scores.draws[..., 1]
    assert row["estimate"] == pytest.approx(difference.mean())
    assert row["p_positive"] == pytest.approx((difference > 0).mean())
    assert row["p_in_rope"] == pytest.approx((np.abs(difference) < 0.02).mean())
    ranks = scores.ranks()
    assert ranks["p_best"].sum() == pytest.approx(1.0)
    assert (ranks["rank_low"] <= ranks["rank_high"]).all()
    hdi, eti = scores.conf_int(interval="hdi"), scores.conf_int()
    assert (np.diff(hdi, axis=1) <= 1.05 * np.diff(eti, axis=1)).all()


def test_reference_is_computed_anew_in_each_draw() -> None:
    fit = count_fit()
    line = fit.draws("line")[..., 0]
    source, transfer = fit.draws("source")[..., 0], fit.draws("transfer")[..., 0, :]
    chance = float(fit.idata["constant_data"]["chance"].values[0])
    centre = float(fit.idata["constant_data"]["centre"].values[0])
    moved = line[..., None] * (source - centre)
    right = 1.0 / (1.0 + np.exp(-(transfer[..., None] + moved[:, :, None, None, :])))
    expected = (chance + (1.0 - chance) * right.mean(axis=-1)).mean(axis=-1)
    np.testing.assert_allclose(fit.hat().draws, expected, atol=1e-10)
    # With each model's own source logit, HAT is its fitted target accuracy.
    own = fit.hat("own").draws.mean(axis=(0, 1))
    raw = fit_profile(panel_study()).hat("own").params
    np.testing.assert_allclose(own, raw, atol=0.03)


def test_shrinkage_pulls_between_the_raw_estimate_and_the_prediction() -> None:
    table = cell_fit().shrinkage()
    assert len(table) == 14
    assert (table["std_error"] < 1.1 * table["raw_se"]).all()
    clear = (table["raw"] - table["predicted"]).abs() > table["raw_se"]
    assert table.loc[clear, "pull"].between(-0.1, 1.1).all()


def test_claims_on_the_trend_of_the_fit_are_probabilities() -> None:
    claims = [
        {"name": "a", "kind": "slope", "term": "log10(params_total)", "threshold": 0.0},
        {
            "name": "b",
            "kind": "non_inferiority",
            "small": 1e9,
            "large": 1e11,
            "margin": 0.05,
        },
        {"name": "c", "kind": "slope_difference", "term": "log10(params_total)", "threshold": 0.0},
        {"name": "d", "kind": "slope", "term": "release_year", "threshold": 0.0},
    ]
    table = count_fit().claims(claims, rope=(-0.02, 0.02)).set_index("name")
    known = table.loc[["a", "b", "c"]]
    assert known["p_claim"].between(0.0, 1.0).all()
    assert (known["conf_low"] < known["conf_high"]).all()
    assert table.loc["b", "rope_low"] == -0.05
    assert np.isnan(table.loc["d", "p_claim"])
    assert "release_year" in table.loc["d", "reason"]


def test_checks_are_values_that_can_fail(fit: HierarchicalFit) -> None:
    table = fit.checks().set_index("check")
    assert {"r_hat", "ess_bulk", "ess_tail", "mcse"} <= set(table.index)
    # Trajectories can diverge; proposals can be refused.
    trajectories = {"divergences", "tree_depth", "bfmi"} <= set(table.index)
    assert trajectories is ("moves" not in table.index)
    assert not table.loc["ess_bulk", "passed"], "300 draws are too few for 400 effective ones"
    assert not fit.passed
    assert table.loc["predictive", "passed"]


def test_arviz_works_with_the_tree_as_it_is() -> None:
    import arviz as az

    fit = cell_fit()
    summary = az.summary(fit.idata, var_names=["sd_cell", "transfer_trend"])
    assert summary.shape[0] == 3
    assert fit.loo().elpd == az.loo(fit.idata, var_name="cell").elpd
    dims = fit.idata["posterior"]["hat"].dims
    assert dims == ("chain", "draw", "model", "benchmark", "language")
    assert list(fit.idata["posterior"]["hat"].coords["model"].values) == list(fit.hat().models)


def test_plots_of_arviz_work_with_the_tree_as_it_is() -> None:
    import arviz as az

    tree = cell_fit().idata
    for plot in (az.plot_forest, az.plot_trace_dist, az.plot_rank):
        found = plot(tree, var_names=["transfer_trend", "sd_cell"], backend="none")
        assert found is not None


def test_doubled_priors_change_the_claims_that_hang_on_them() -> None:
    claim = {"name": "a", "kind": "slope", "term": "log10(params_total)", "threshold": 0.0}
    study = replace(item_study(), claims=(claim,))
    table = doubled_priors(study, sampling=QUICK, rng=1)
    assert table["prior"].tolist()[:3] == ["", "mean", "trend"]
    assert (table["name"] == "a").all()
    assert table["p_claim"].between(0.0, 1.0).all()
    assert table.loc[0, "change"] == 0.0
    # The claim is about a slope among seven models: more room for chance means less is known.
    by_prior = table.set_index("prior")["change"].abs()
    assert by_prior["model"] > by_prior["mean"] - 0.05


def test_power_scaling_says_which_quantities_hang_on_the_prior(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    table = cell_fit().prior_sensitivity()
    assert len(table) == 7 + 4
    import arviz as az

    # What ArviZ would say beside the table is kept back, wherever it says it.
    summary = az.psense_summary
    monkeypatch.setattr(az, "psense_summary", lambda *a, **k: summary(*a, threshold=0.0, **k))
    strict = cell_fit().prior_sensitivity()
    assert strict["diagnosis"].str.contains("potential").any()
    assert not caplog.records
    assert (table["prior"] >= 0).all()
    scores = table["quantity"].str.startswith("HAT")
    assert table.loc[scores, "prior"].mean() < table.loc[~scores, "prior"].mean()


@pytest.mark.parametrize("name", ["fit.zarr", "fit.nc"])
def test_a_saved_fit_says_the_same_when_read_back(name: str, tmp_path: Path) -> None:
    fit = cell_fit()
    path = fit.save(tmp_path / name)
    again = read_hierarchical(path, item_study())
    pd.testing.assert_frame_equal(again.tidy(), fit.tidy())
    pd.testing.assert_frame_equal(again.hat().tidy(), fit.hat().tidy())
    pd.testing.assert_frame_equal(again.checks(), fit.checks())
    assert not list(tmp_path.rglob("*.pkl"))


def test_same_seed_same_draws_other_seed_other_draws(tmp_path: Path) -> None:
    how = replace(QUICK, draws=50, tune=50, keep=tmp_path)
    first = fit_hierarchical(item_study(), sampling=how, rng=5)
    again = fit_hierarchical(item_study(), sampling=replace(how, keep=None), rng=5)
    other = fit_hierarchical(item_study(), sampling=replace(how, keep=None), rng=6)
    np.testing.assert_array_equal(first.draws("hat"), again.draws("hat"))
    assert not np.array_equal(first.draws("hat"), other.draws("hat"))
    # Finished chains are found again; one that is missing is drawn again, the same.
    kept = sorted(tmp_path.glob("chain-*.npz"))
    assert len(kept) == 2
    kept[0].unlink()
    resumed = fit_hierarchical(item_study(), sampling=how, rng=5)
    np.testing.assert_array_equal(first.draws("hat"), resumed.draws("hat"))
    assert '"reused_chains": 1' in resumed.idata.attrs["made_by"]


def test_benchmarks_by_item_and_by_accuracy_stand_in_one_model() -> None:
    fit = fit_hierarchical(mixed_study(), sampling=replace(QUICK, draws=50, tune=50), rng=1)
    assert list(fit.model.names.benchmarks) == ["simulated", "accuracies"]
    cells = fit.hat().cells
    assert set(cells["benchmark"]) == {"simulated", "accuracies"}
    assert np.isfinite(fit.hat().draws).all()
    assert "transfer_benchmark" in fit.idata["posterior"]
    assert np.isfinite(fit.cell_level()[:, :, 0, :2]).all()


def test_cells_may_be_estimated_otherwise_and_sizes_be_parameters() -> None:
    fit = fit_hierarchical(
        item_study(),
        trend="log10(params_total)",
        priors=Priors(unknown=1.0),
        cells=CellOptions(method="joint", reference="uniform"),
        sampling=replace(QUICK, draws=50, tune=50),
        rng=1,
    )
    assert fit.hat().reference == "uniform"
    assert fit.idata["posterior"]["unknown"].shape == (2, 50, 1)
    assert np.isfinite(fit.cell_level()[..., :2]).all()
