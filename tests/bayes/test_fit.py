"""Posteriors of the hierarchical model: what they say, keep and give back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from hatstats.bayes.fit import fit_claims, fit_hierarchical, read_hierarchical
from hatstats.bayes.options import CellOptions
from hatstats.bayes.posterior import made_by
from hatstats.bayes.result import HierarchicalFit
from hatstats.bayes.trend_design import trend_design
from hatstats.errors import DataError, NotIdentifiedError
from hatstats.estimators.methods import fit_profile
from hatstats.inference.labelled import Contrast
from hatstats.inference.tidy import TIDY_COLUMNS
from hatstats.simulation.simulate import Shape, simulate_study
from tests.bayes.cases import QUICK, item_fit, item_study, mixed_study, panel_fit, panel_study


@pytest.fixture(params=[item_fit, panel_fit], ids=["items", "accuracies"])
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
    found = item_fit().hat()
    assert found.models == raw.models
    assert (np.abs(found.params - raw.params) < 2.0 * raw.bse).all()
    # What the models have in common makes the posterior narrower on average, never much wider.
    assert np.sqrt(np.diag(found.cov)).mean() < 1.05 * raw.bse.mean()


def test_accuracies_agree_with_the_regression_with_errors_in_both() -> None:
    raw = fit_profile(panel_study()).hat()
    found = panel_fit().hat()
    kept = list(found.models)
    assert (np.abs(found.params - raw.params[kept]) < 2.0 * raw.bse[kept]).all()


def test_contrast_ranks_and_probabilities_come_from_the_same_draws(fit: HierarchicalFit) -> None:
    scores = fit.hat()
    a, b = scores.models[:2]
    contrast = scores.contrast(a, b, rope=(-0.02, 0.02))
    assert isinstance(contrast, Contrast)
    assert contrast.term in repr(contrast)
    row = contrast.tidy().iloc[0]
    difference = scores.draws[..., 0] - scores.draws[..., 1]
    assert row["estimate"] == pytest.approx(difference.mean())
    assert row["p_positive"] == pytest.approx((difference > 0).mean())
    assert row["p_in_rope"] == pytest.approx((np.abs(difference) < 0.02).mean())
    assert "P(-0.02 to 0.02) = " in repr(contrast)
    assert {"p_in_rope", "rope_low", "mcse", "interval"} <= set(repr(contrast.tidy()).split())
    ranks = scores.ranks()
    assert ranks["p_best"].sum() == pytest.approx(1.0)
    assert (ranks["rank_low"] <= ranks["rank_high"]).all()
    hdi, eti = scores.conf_int(interval="hdi"), scores.conf_int()
    assert (np.diff(hdi, axis=1) <= 1.05 * np.diff(eti, axis=1)).all()


def test_groups_of_models_and_languages_are_means_of_the_same_draws(fit: HierarchicalFit) -> None:
    scores = fit.hat()
    a, b = scores.models[:2], scores.models[2]
    found = scores.contrast(a, b)
    assert found.term == f"mean({a[0]}, {a[1]}) - {b}"
    expected = scores.draws[..., :2].mean(axis=-1) - scores.draws[..., 2]
    assert found.estimate == pytest.approx(expected.mean())
    assert found.p_positive == pytest.approx((expected > 0).mean())
    names = sorted(set(scores.cells["language"]))
    every = scores.contrast(a, b, languages=names)
    assert every.estimate == pytest.approx(found.estimate)
    cells = pd.Series(scores.cell_draws.mean(axis=(0, 1)), index=scores.cells["language"])
    one = [cells[(scores.cells["model"] == name).to_numpy()][names[0]] for name in (*a, b)]
    in_one = scores.contrast(a, b, languages=names[0])
    assert in_one.estimate == pytest.approx((one[0] + one[1]) / 2 - one[2])
    with pytest.raises(DataError, match="no such model in these scores"):
        scores.contrast(["nobody"], b)
    assert "0.000, 95% interval [0.000, 0.000]" in repr(scores.contrast(b, b))


def test_printed_posteriors_show_scores_terms_seed_and_checks(fit: HierarchicalFit) -> None:
    scores = fit.hat()
    assert fit.seed == 1
    assert repr(fit) == fit.summary()
    assert repr(scores) == scores.summary()
    for part in (scores.summary(), "transfer: log10(params_total)", "seed 1.", "FAILED ess_bulk"):
        assert part in repr(fit)
    page = fit._repr_html_()
    for part in (*scores.models, "sd_cell", "seed 1.", "FAILED ess_bulk", "Too few draws"):
        assert part in page


def test_reference_is_computed_anew_in_each_draw() -> None:
    fit = panel_fit()
    line = fit.draws("line")[..., 0]
    source, transfer = fit.draws("source")[..., 0], fit.draws("transfer")[..., 0, :]
    chance = float(fit.idata["constant_data"]["chance"].values[0])
    centre = float(fit.idata["constant_data"]["centre"].values[0])
    moved = line[..., None] * (source - centre)
    right = 1.0 / (1.0 + np.exp(-(transfer[..., None] + moved[:, :, None, None, :])))
    expected = (chance + (1.0 - chance) * right.mean(axis=-1)).mean(axis=-1)
    np.testing.assert_allclose(fit.hat().draws, expected, atol=1e-10)
    # With each model's own source logit, HAT is its fitted target accuracy.
    cells = replace(fit.cell_model, options=CellOptions(reference="own"))
    own = np.nanmean(cells.hat_cells(fit._flat()), axis=(0, 2, 3))
    raw = fit_profile(panel_study()).hat("own").params
    np.testing.assert_allclose(own, raw, atol=0.03)


def test_shrinkage_pulls_between_the_raw_estimate_and_the_prediction() -> None:
    table = item_fit().shrinkage()
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
    table = panel_fit().claims(claims, rope=(-0.02, 0.02)).set_index("name")
    known = table.loc[["a", "b", "c"]]
    assert known["p_claim"].between(0.0, 1.0).all()
    assert (known["conf_low"] < known["conf_high"]).all()
    assert table.loc["b", "rope_low"] == -0.05
    assert np.isnan(table.loc["d", "p_claim"])
    said = " ".join(repr(panel_fit().claims(claims)).split())
    for way in ("fit_hierarchical(study, formula='release_year')", "fit_claims(study)"):
        assert way in table.loc["d", "reason"]
        assert way in said


def test_contrasts_directions_and_groups_are_read_as_by_the_regression() -> None:
    fit = panel_fit()
    scores = fit.hat()
    model, other = scores.models[:2]
    two = {"kind": "contrast", "model": model, "other": other, "threshold": 0.01}
    slope = {"kind": "slope", "term": "log10(params_total)", "threshold": 0.03}
    claims = [
        {"name": "two", **two},
        {"name": "fewer", **two, "direction": "less"},
        {"name": "up", **slope},
        {"name": "down", **slope, "direction": "less"},
    ]
    table = fit.claims(claims).set_index("name")
    found = scores.contrast(model, other)
    assert table.loc["two", "estimate"] == pytest.approx(found.estimate)
    assert 0.0 < table.loc["two", "p_claim"] < 1.0
    assert table.loc[["two", "fewer"], "p_claim"].sum() == pytest.approx(1.0)
    assert 0.0 < table.loc["up", "p_claim"] < 1.0
    assert table.loc[["up", "down"], "p_claim"].sum() == pytest.approx(1.0)
    # A group instead of a size: the same draws of one slope, under another design.
    models = fit.study.models.assign(group=["small", "large"] * (len(fit.study.models) // 2))
    grouped = replace(fit, design=trend_design(models, "C(group)"))
    groups = {"small": "small", "large": "large", "variable": "group", "margin": 0.05}
    row = grouped.claims([{"name": "g", "kind": "non_inferiority", **groups}]).iloc[0]
    assert row["quantity"] == "HAT of group small minus HAT of large"
    assert abs(row["estimate"]) > 0.0


def test_checks_are_values_that_can_fail(fit: HierarchicalFit) -> None:
    table = fit.checks().set_index("check")
    assert {"r_hat", "ess_bulk", "ess_tail", "mcse"} <= set(table.index)
    assert {"divergences", "tree_depth", "bfmi", "predictive", "loo_cell"} <= set(table.index)
    assert not table.loc["ess_bulk", "passed"], "300 draws are too few for 400 effective ones"
    assert not fit.passed
    assert table.loc["predictive", "passed"]


@pytest.mark.slow
def test_default_draws_pass_all_checks_with_three_families() -> None:
    shape = Shape(n_items=150, n_languages=3, n_trials=6)
    study = simulate_study(np.linspace(-1.0, 1.5, 14), shape=shape, rng=1)
    assert study.models["family"].nunique() == 3
    table = fit_hierarchical(study, rng=1).checks()
    assert table["passed"].all(), table.to_string()


# With few draws ArviZ may warn of the Pareto shape of a cell, which is not what is asked here.
@pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto")
def test_arviz_works_with_the_tree_as_it_is() -> None:
    import arviz as az

    fit = item_fit()
    summary = az.summary(fit.idata, var_names=["sd_cell", "transfer_trend"])
    assert summary.shape[0] == 3
    assert fit.loo().elpd == az.loo(fit.idata, var_name="cell").elpd
    dims = fit.idata["posterior"]["hat"].dims
    assert dims == ("chain", "draw", "model", "benchmark", "language")
    assert list(fit.idata["posterior"]["hat"].coords["model"].values) == list(fit.hat().models)


def test_plots_of_arviz_work_with_the_tree_as_it_is() -> None:
    import arviz as az

    tree = item_fit().idata
    for plot in (az.plot_forest, az.plot_trace_dist, az.plot_rank):
        found = plot(tree, var_names=["transfer_trend", "sd_cell"], backend="none")
        assert found is not None


def test_power_scaling_says_which_quantities_hang_on_the_prior(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    table = item_fit().prior_sensitivity()
    assert len(table) == 7 + 4
    import arviz as az

    # What ArviZ would say beside the table is kept back, wherever it says it.
    summary = az.psense_summary
    monkeypatch.setattr(az, "psense_summary", lambda *a, **k: summary(*a, threshold=0.0, **k))
    strict = item_fit().prior_sensitivity()
    assert strict["diagnosis"].str.contains("potential").any()
    assert not caplog.records
    assert (table["prior"] >= 0).all()
    scores = table["quantity"].str.startswith("HAT")
    assert table.loc[scores, "prior"].mean() < table.loc[~scores, "prior"].mean()


def test_a_saved_fit_says_the_same_when_read_back(tmp_path: Path) -> None:
    fit = item_fit()
    path = fit.save(tmp_path / "fit.nc")
    again = read_hierarchical(path, item_study())
    pd.testing.assert_frame_equal(again.tidy(), fit.tidy())
    pd.testing.assert_frame_equal(again.hat().tidy(), fit.hat().tidy())
    pd.testing.assert_frame_equal(again.checks(), fit.checks())
    assert not list(tmp_path.rglob("*.pkl"))


@cache
def mixed_fit() -> HierarchicalFit:
    """Both kinds of benchmarks, observed profiles, another reference."""
    return fit_hierarchical(
        mixed_study(),
        formula="log10(params_total)",
        cells=CellOptions(method="observed", reference="uniform"),
        sampling=replace(QUICK, draws=50, tune=50),
        rng=1,
    )


def test_benchmarks_by_item_and_by_accuracy_are_in_one_model() -> None:
    fit = mixed_fit()
    assert list(fit.cell_model.benchmarks) == ["simulated", "accuracies"]
    cells = fit.hat().cells
    assert set(cells["benchmark"]) == {"simulated", "accuracies"}
    assert np.isfinite(fit.hat().draws).all()
    assert "transfer_benchmark" in fit.idata["posterior"]
    assert np.isfinite(fit.draws("level")[:, :, :, 0, :2]).all()
    assert fit.method == "Bayes, cells by aggregate and observed"
    assert fit.hat().reference == "uniform"


@pytest.mark.parametrize("make", [item_fit, panel_fit, mixed_fit])
def test_level_of_cells_is_the_sum_of_the_named_effects(
    make: Callable[[], HierarchicalFit],
) -> None:
    """Without residuals the transfer logits would be these levels: they differ by sd_cell."""
    fit = make()
    cells, values = fit.cell_model, fit.idata["posterior"]
    level = values["transfer_mean"] + values["transfer_language"]
    by_model = xr.zeros_like(values["level"][:, :, :, 0, 0].drop_vars(("benchmark", "language")))
    for m, name in enumerate(cells.models):
        own = values["transfer_trend"].values @ fit.design.matrix[m]
        if "transfer_undisclosed" in values:
            own = own + values["transfer_undisclosed"].values @ fit.design.offsets[m]
        if "transfer_family" in values:
            family = cells.families.get(name) or f"({name})"
            own = own + values["transfer_family"].sel(family=family).values
        by_model[:, :, m] = own
    level = level + by_model + values["transfer_model"]
    if "transfer_benchmark" in values:
        level = level + values["transfer_benchmark"]
    if "transfer_language_benchmark" in values:
        level = level + values["transfer_language_benchmark"]
    level = level.transpose(*values["level"].dims)
    known = np.isfinite(values["level"].values)
    np.testing.assert_allclose(level.values[known], values["level"].values[known], atol=1e-10)
    ratio = (values["transfer"] - values["level"]).std(["model", "benchmark", "language"])
    assert 0.6 < float((ratio / values["sd_cell"]).median()) < 1.4


def test_claims_with_an_unidentified_trend_have_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """One fit for each formula; fits are replaced by stored ones."""
    from hatstats.bayes import fit as module

    def stored(study: object, *, formula: str | None, **_: object) -> HierarchicalFit:
        if formula == "release_year":
            raise NotIdentifiedError("too few models")
        return panel_fit()

    monkeypatch.setattr(module, "fit_hierarchical", stored)
    slope = {"kind": "slope", "threshold": 0.0}
    claims = (
        {"name": "a", "term": "log10(params_total)", **slope},
        {"name": "b", "term": "release_year", **slope},
    )
    model, other = panel_study().model_names[:2]
    two = {"name": "c", "kind": "contrast", "model": model, "other": other, "threshold": 0.0}
    found = fit_claims(replace(panel_study(), claims=(*claims, two)), rng=1)
    assert list(found.fits) == ["log10(params_total)"]
    assert 0.0 <= found.claims.set_index("name").loc["c", "p_claim"] <= 1.0
    assert found.main is panel_fit()
    table = found.claims.set_index("name")
    assert 0.0 <= table.loc["a", "p_claim"] <= 1.0
    assert np.isnan(table.loc["b", "p_claim"])
    assert table.loc["b", "reason"] == "too few models"
    assert set(found.checks()["trend"]) == {"log10(params_total)"}
    text = " ".join(repr(found).split())
    assert "P(best)" in text
    for shown in (text, found._repr_html_()):
        for part in ("too few models", model, "log10(params_total): FAILED smallest bulk"):
            assert part in shown
    assert max(map(len, repr(found).splitlines())) <= 80


def test_parameters_are_the_rows_of_the_tidy_table(fit: HierarchicalFit) -> None:
    table = fit.tidy().set_index("term")
    pd.testing.assert_series_equal(fit.params, table["estimate"])
    pd.testing.assert_series_equal(fit.bse, table["std_error"])
    pd.testing.assert_frame_equal(table[["conf_low", "conf_high"]], fit.conf_int())
    assert list(fit.cov.index) == list(table.index)


def test_a_fit_without_a_seed_records_the_one_it_drew() -> None:
    how = replace(QUICK, draws=50, tune=50)
    first = fit_hierarchical(item_study(), sampling=how)
    seed = made_by(first.idata)["seed"]
    again = fit_hierarchical(item_study(), sampling=how, rng=seed)
    np.testing.assert_array_equal(first.hat().draws, again.hat().draws)
