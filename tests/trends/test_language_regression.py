"""Regression over languages: what is a fact about what, forecasts, naive rows, coverage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import hatstats as hs
from hatstats.calibration.languages import (
    FORMULA,
    TRUTH,
    LanguageDesign,
    contrast_coverage,
    language_coverage,
)
from hatstats.errors import DataError, NotIdentifiedError
from hatstats.inference.error_rows import ErrorRows
from hatstats.inference.reml.mixed import Effect, fit_mixed
from hatstats.scores.scores import HatScores
from hatstats.trends.language_trend import MIXED, NAIVE, ROBUST, LanguageTrend


@pytest.fixture(scope="module")
def scores() -> HatScores:
    return LanguageDesign().scores(np.random.default_rng(11))


@pytest.fixture(scope="module")
def trend(scores: HatScores) -> LanguageTrend:
    return hs.fit_language_trend(scores, FORMULA)


def test_terms_have_their_level_and_effects(trend: LanguageTrend) -> None:
    levels = dict(zip(trend.terms, trend.level, strict=True))
    assert levels == {"Intercept": "", "resource": "language", "size": "model",
                      "distance": "language", "resource:size": "both"}  # fmt: skip
    assert {"language", "family", "weights", "model", "weights x language", "residual",
            "size by language", "resource by weights", "distance by weights"} == set(
        trend.components()["effect"]
    )  # fmt: skip
    assert set(trend.tidy()["term"]) == set(TRUTH)


def test_it_is_the_mixed_model_of_the_centred_cells(scores: HatScores) -> None:
    found = hs.fit_language_trend(scores, "resource")
    cells = scores.cells
    facts = scores.language_table.set_index("language")
    weights = cells["model"].map(scores.covariates.set_index("model")["weights"])
    x = cells["language"].map(facts["resource"]).to_numpy()
    x = x - x.mean()
    ones = np.ones(len(x))
    keys = {"language": cells["language"], "family": cells["language"].map(facts["family"]),
            "weights": weights, "model": cells["model"],
            "pair": weights + cells["language"]}  # fmt: skip
    effects = [Effect(name, key.to_numpy(), ones) for name, key in keys.items()]
    effects.append(Effect("slope", weights.to_numpy(), x))
    own = fit_mixed(cells["estimate"], np.column_stack([ones, x]), effects)
    np.testing.assert_allclose(found.fit.params, own.params, rtol=1e-5)
    np.testing.assert_allclose(found.fit.cov, own.cov, rtol=1e-3)
    assert (np.diag(found.covariance) >= np.diag(own.cov) * 0.999).all()


def test_rows_without_the_language_effect_stand_beside(trend: LanguageTrend) -> None:
    table = trend.comparison().set_index(["method", "term"])
    assert set(table.index.get_level_values("method")) == {MIXED, ROBUST, NAIVE}
    error = table["std_error"]
    assert error[MIXED, "resource"] > 1.5 * error[NAIVE, "resource"]
    assert (ROBUST, "size") not in table.index
    robust = table.loc[ROBUST]
    assert (robust["df"] <= len(trend.languages) - 3).all()
    text = trend.summary()
    assert "p_naive" in text
    assert max(map(len, text.splitlines())) <= 80


def test_no_term_has_more_degrees_of_freedom_than_there_are_units(trend: LanguageTrend) -> None:
    """Where a variance is estimated as zero, Satterthwaite's grow without bound."""
    unbounded = replace(trend, freedom=np.full(len(trend.terms), np.inf))
    cells, languages = len(trend.fit.y) - 5.0, len(trend.languages) - 3.0
    weights = trend.design.frame["row_weights"].nunique() - 2.0
    most = {"": cells, "both": cells, "language": languages, "model": weights}
    assert unbounded.df.tolist() == [most[level] for level in trend.level]
    naive = unbounded.comparison().query("method == @NAIVE")["df"]
    assert (naive <= cells).all()


def test_a_new_language_is_forecast_with_its_own_scatter(trend: LanguageTrend) -> None:
    facts = trend.design.frame.groupby("row_language")[["resource", "distance"]].first()
    row = trend.forecast(facts.mean().to_dict()).iloc[0]
    assert row["estimate"] == pytest.approx(trend.params["Intercept"], abs=0.02)
    components = trend.components().set_index("effect")["sd"]
    assert row["std_error"] > components["language"]
    assert row["df"] == len(trend.languages) - 3
    one = trend.forecast(facts.mean().to_dict(), models="m03").iloc[0]
    assert one["model"] == "m03"
    assert one["std_error"] > row["std_error"]
    steep = trend.forecast({"resource": facts["resource"].max() + 1.0, "distance": 0.0}).iloc[0]
    assert steep["estimate"] > row["estimate"]


def test_leaving_a_language_out_is_a_fit_without_it() -> None:
    design = LanguageDesign((3, 2, 2, 2), n_models=9, twins=0)
    scores = design.scores(np.random.default_rng(12))
    trend = hs.fit_language_trend(scores, "resource + size")
    table = trend.leave_one_out()
    name = trend.languages[3]
    kept = scores.cells["language"] != name
    less = replace(
        scores,
        cells=scores.cells[kept].reset_index(drop=True),
        cell_errors=(scores.cell_errors[0].some(kept.to_numpy()),),
    )
    other = hs.fit_language_trend(less, "resource + size")
    fact = scores.language_table.set_index("language")["resource"][name]
    wanted = other.forecast({"resource": fact})["estimate"].iloc[0]
    row = table.set_index("language").loc[name]
    assert row["forecast"] == pytest.approx(wanted, abs=2e-3)
    observed = scores.cells.loc[~kept, "estimate"].mean()
    assert row["error"] == pytest.approx(row["forecast"] - observed)
    assert table.attrs["rmse"] == pytest.approx(np.sqrt((table["error"] ** 2).mean()))
    assert table.attrs["rmse"] < table.attrs["rmse_without"]


def test_twins_are_one_model_for_what_weights_share() -> None:
    """Doubling every model changes no standard error of a covariate of models to speak of."""
    design = LanguageDesign(n_models=12, twins=0, model=0.0, pair=0.05)
    scores = design.scores(np.random.default_rng(2))
    cells, about = scores.cells, scores.covariates
    twin = cells.assign(model=cells["model"] + "-on")
    twin["estimate"] += np.random.default_rng(3).normal(scale=0.005, size=len(twin))
    both = pd.concat([cells, twin], ignore_index=True)
    models = pd.concat([about, about.assign(model=about["model"] + "-on")], ignore_index=True)
    double = HatScores.from_frame(models.assign(estimate=0.5), np.ones(len(models)))
    double = replace(
        double, cells=both, cell_errors=(ErrorRows(rows=np.tile(scores.cell_errors[0].rows, 2)),),
        language_table=scores.language_table,
    )  # fmt: skip
    alone, pairs = (hs.fit_language_trend(each, "size") for each in (scores, double))
    assert pairs.bse["size"] == pytest.approx(alone.bse["size"], rel=0.1)
    apart = replace(double, covariates=double.covariates.drop(columns="weights"))
    assert hs.fit_language_trend(apart, "size").bse["size"] < 0.85 * alone.bse["size"]


@pytest.mark.slow
def test_a_profile_of_two_benchmarks_and_names_that_clash() -> None:
    study = hs.read_study("data/self_translate").without_flagged()
    trend = hs.fit_language_trend(
        hs.fit_profile(study).hat(),
        "log10(params_total) + log10(speakers)",
        models=study.model_names[:8],
    )
    assert any(name.startswith("row_benchmark") for name in trend.terms)
    assert "benchmark x language" in set(trend.components()["effect"])
    assert len(trend.forecast({"speakers": 1e7})) == 1


@pytest.mark.parametrize(
    ("formula", "kind", "message"),
    [
        ("colour", DataError, "colour"),
        ("resource:size", DataError, "a product of two that are in the formula"),
        ("script", DataError, "script"),
    ],
)
def test_formulas_that_cannot_be(
    scores: HatScores, formula: str, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        hs.fit_language_trend(scores, formula)


def test_bad_input(scores: HatScores, trend: LanguageTrend) -> None:
    table = scores.covariates.assign(estimate=0.5)
    with pytest.raises(DataError, match="nothing is known of the languages"):
        hs.fit_language_trend(replace(scores, language_table=pd.DataFrame()), "resource")
    with pytest.raises(DataError, match="'z': no such model in these scores"):
        hs.fit_language_trend(scores, "resource", models="z")
    with pytest.raises(DataError, match="no values per language"):
        hs.fit_language_trend(HatScores.from_frame(table, np.ones(20)), "size")
    with pytest.raises(DataError, match="fit_language_trend takes"):
        hs.fit_language_trend("scores", "resource")  # type: ignore[arg-type]
    few = scores.cells["language"].isin(["l00", "l01", "l02", "l03"])
    less = replace(
        scores,
        cells=scores.cells[few].reset_index(drop=True),
        cell_errors=(scores.cell_errors[0].some(few.to_numpy()),),
    )
    with pytest.raises(NotIdentifiedError, match="4 languages are too few"):
        hs.fit_language_trend(less, "resource")
    with pytest.raises(DataError, match="give distance, resource"):
        trend.forecast({"resource": 1.0})
    with pytest.raises(DataError, match="no such model"):
        trend.forecast({"resource": 1.0, "distance": 0.0}, models="z")


@pytest.mark.slow
def test_coverage_with_14_languages_in_6_families() -> None:
    """The whole simulation is in docs/calibration; here enough to see a fault."""
    table = language_coverage(n_replicates=10, rng=5).set_index(["method", "term"])
    main = table.loc[MIXED]
    assert main["coverage"].mean() > 0.85
    assert table.loc[NAIVE].loc[["resource", "distance"], "coverage"].mean() < 0.8


@pytest.mark.slow
def test_coverage_of_contrasts_of_languages() -> None:
    table = contrast_coverage(n_languages=5, n_models=2, n_replicates=20, rng=4)
    assert table["coverage"].between(0.8, 1.0).all()
