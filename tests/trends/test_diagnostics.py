"""Diagnostics of trends against refits and definitions; transforms of covariates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from hatstats.errors import DataError
from hatstats.estimators.aggregate.profile import fit_aggregate
from hatstats.inference.arrays import Bools, Floats
from hatstats.inference.reml.deletion import change_without
from hatstats.inference.reml.meta_regression import RemlFit
from hatstats.trends import diagnostics
from hatstats.trends.diagnostics import (
    collinearity,
    influence_measures,
    leave_one_out,
    leverage_by_cluster,
)
from hatstats.trends.regression import fit_trend
from hatstats.trends.trend import TrendFit
from tests.trends.makers import (
    FAMILY,
    FORMULA,
    aggregate_study,
    scores_of,
    some_scores,
    table_of_models,
)

SIZE = "log10(params_total)"


@pytest.fixture(scope="module")
def trends() -> dict[str, TrendFit]:
    study = aggregate_study(
        table_of_models(12), np.random.default_rng(12).uniform(0.3, 0.9, (20, 3))
    )
    return {
        "two stages": fit_trend(some_scores(12), FORMULA),
        "one regression": fit_trend(fit_aggregate(study), FORMULA),
    }


KINDS = ["two stages", "one regression"]


@pytest.mark.parametrize("kind", KINDS)
def test_leave_one_family_out_against_refits(kind: str, trends: dict[str, TrendFit]) -> None:
    trend = trends[kind]
    table = leave_one_out(trend)
    assert list(dict.fromkeys(table["without"])) == ["", *dict.fromkeys(trend.clusters)]
    whole = table[table["without"] == ""].set_index("term")
    np.testing.assert_allclose(whole["estimate"], trend.estimates[-2:])
    rest = [m for m, f in zip(trend.design.models, trend.clusters, strict=True) if f != "family-1"]
    by_hand = fit_trend(trend.scores, FORMULA, models=rest)
    row = table[table["without"] == "family-1"]
    np.testing.assert_allclose(row["estimate"], by_hand.estimates[-2:])
    np.testing.assert_allclose(row["std_error"], by_hand.std_errors[-2:])
    assert set(row["n_models"]) == {15.0}
    assert set(row["n_clusters"]) == {5.0}


@pytest.mark.parametrize("kind", KINDS)
def test_shares_of_families_add_up(kind: str, trends: dict[str, TrendFit]) -> None:
    table = leverage_by_cluster(trends[kind])
    assert len(table) == 12
    np.testing.assert_allclose(table.groupby("term")["share"].sum(), 1.0)
    assert table.groupby("cluster")["n_models"].first().tolist() == [6, 5, 3, 3, 2, 1]


def test_leave_one_out_gives_a_reason_where_the_rest_cannot_be_fitted_degenerate() -> None:
    """Without one of two families, one family is left."""
    table = table_of_models(3, np.repeat([0, 1], 4))
    rng = np.random.default_rng(3)
    trend = fit_trend(scores_of(table, rng.uniform(0.4, 0.6, 8), np.full(8, 1e-4)), SIZE)
    rows = leave_one_out(trend)
    assert rows.loc[rows["without"] != "", "estimate"].isna().all()
    assert rows.loc[rows["without"] != "", "method"].str.contains("all 4 models are of one").all()
    assert influence_measures(trend, unit="cluster")["cooks_distance"].isna().all()


@pytest.mark.slow
def test_one_step_influence_against_refits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without refits, and by the rule: models of influence exactly, all others nearly."""
    rng = np.random.default_rng(5)
    table = table_of_models(5, np.repeat(np.arange(9), 4))
    source = rng.uniform(0.4, 0.9, 36)
    logit = np.log(source / (1 - source))[:, None] + rng.normal(-0.5, 0.4, (36, 1))
    logit = logit + rng.normal(0, 0.2, (36, 12))
    logit[7] += 1.2
    accuracy = np.column_stack([source, 1 / (1 + np.exp(-logit))])
    trend = fit_trend(fit_aggregate(aggregate_study(table, accuracy)), FORMULA)
    assert trend.reml.y.size > diagnostics.EXACT_ROWS
    fitted_again = []

    def counted(fit: RemlFit, rows: Bools) -> tuple[Floats, Floats]:
        fitted_again.extend(set(trend.panel.model[rows]))
        return change_without(fit, rows)

    monkeypatch.setattr(diagnostics, "change_without", counted)
    by_rule = influence_measures(trend).set_index("without")
    monkeypatch.setattr(diagnostics, "change_without", change_without)
    monkeypatch.setattr(diagnostics, "EXACT_DFBETAS", np.inf)
    one_step = influence_measures(trend).set_index("without")
    monkeypatch.setattr(diagnostics, "EXACT_ROWS", 10_000)
    exact = influence_measures(trend).set_index("without")
    assert 0 < len(fitted_again) < 18
    terms = [name for name in exact if name.startswith("dfbetas")]
    assert exact[terms].abs().to_numpy().max() > 0.3
    np.testing.assert_allclose(one_step[terms], exact[terms], atol=0.1)
    pd.testing.assert_frame_equal(by_rule.loc[fitted_again], exact.loc[fitted_again])
    large = exact[terms].abs().max(axis=1) >= 2 * diagnostics.EXACT_DFBETAS
    assert set(exact.index[large]) <= set(fitted_again)


def test_collinearity_of_a_trend(trends: dict[str, TrendFit]) -> None:
    trend = trends["two stages"]
    table = collinearity(trend).set_index("term")
    r = np.corrcoef(trend.design.matrix.T)[0, 1]
    np.testing.assert_allclose(table["vif"], 1 / (1 - r**2))
    assert list(collinearity(trends["one regression"])["term"]) == [
        "source_logit[b]",
        SIZE,
        "release_year",
    ]


def test_prediction_interval_against_theory(trends: dict[str, TrendFit]) -> None:
    trend = trends["two stages"]
    row = trend.prediction().tidy().iloc[0]
    x = np.array([1.0, *trend.design.matrix.mean(axis=0)])
    variance = x @ trend.covariance @ x + sum(trend.components.values())
    df = min(float(trend.robust.df(x)[0]), 4.0)
    width = stats.t.ppf(0.975, df) * np.sqrt(variance)
    np.testing.assert_allclose(
        row[["estimate", "pred_low", "pred_high"]].astype(float),
        [x @ trend.estimates, x @ trend.estimates - width, x @ trend.estimates + width],
    )
    logits = trends["one regression"].prediction({"params_total": 1e10}).tidy().iloc[0]
    assert 0.0 < logits["pred_low"] < logits["estimate"] < logits["pred_high"] < 1.0


@pytest.mark.slow
def test_prediction_interval_holds_new_models_coverage() -> None:
    """Nominal 90 %, a new family each time."""
    held = 0
    for seed in range(60):
        rng = np.random.default_rng([6, seed])
        truth = 0.6 + 0.05 * rng.standard_normal(6)[FAMILY] + 0.02 * rng.standard_normal(20)
        scores = scores_of(
            table_of_models(seed), truth + 0.01 * rng.standard_normal(20), np.full(20, 1e-4)
        )
        new = 0.6 + 0.05 * rng.standard_normal() + 0.02 * rng.standard_normal()
        row = fit_trend(scores, SIZE).prediction(conf_level=0.9).tidy().iloc[0]
        held += row["pred_low"] < new < row["pred_high"]
    # Nominal 54 of 60; three Monte-Carlo errors are 7.
    assert 47 <= held <= 60


# --- covariates ---------------------------------------------------------------------------------


def test_splines_and_categories_of_formulaic() -> None:
    scores = some_scores(4, kind=np.where(FAMILY < 2, "open", "closed"))
    spline = fit_trend(scores, "bs(release_year, df=4)")
    assert len(spline.design.terms) == 4
    curve = spline.curve("release_year")
    assert curve[["estimate", "conf_low", "conf_high"]].notna().all(axis=None)
    groups = fit_trend(scores, "C(kind)")
    estimate, _ = groups.difference_gradient({"kind": "open"}, {"kind": "closed"})
    assert estimate == pytest.approx(groups.estimates[1])
    with pytest.raises(DataError, match="no model has this label"):
        groups.difference_gradient({"kind": "shut"}, {"kind": "closed"})


def test_logit_link_of_two_stages_against_the_delta_method() -> None:
    rng = np.random.default_rng(9)
    study = aggregate_study(table_of_models(9), rng.uniform(0.3, 0.9, (20, 3)))
    scores = fit_aggregate(study).hat()
    trend = fit_trend(scores, SIZE, link="logit")
    assert trend.scale == "logit"
    y = np.log(scores.estimates / (1 - scores.estimates))
    np.testing.assert_allclose(trend.reml.y, y)
    slope = 1 / (scores.estimates * (1 - scores.estimates))
    np.testing.assert_allclose(trend.reml.V, scores.covariance * np.outer(slope, slope), atol=1e-15)
    x = np.array([1.0, trend.design.matrix[:, 0].mean()])
    fitted = 1 / (1 + np.exp(-x @ trend.estimates))
    assert trend.slope_gradient(SIZE)[0] == pytest.approx(
        fitted * (1 - fitted) * trend.estimates[1], rel=1e-2
    )
    assert leave_one_out(trend)["estimate"].notna().all()
    with pytest.raises(DataError, match="logits need scores between 0 and 1"):
        fit_trend(some_scores(1), SIZE, link="logit")
    with pytest.raises(DataError, match="unknown link"):
        fit_trend(scores, SIZE, link="probit")  # type: ignore[arg-type]


# --- bad input ----------------------------------------------------------------------------------


def test_an_indefinite_covariance_names_the_models_bad_input() -> None:
    scores = some_scores(1)
    cov = scores.covariance.copy()
    cov[2, 5] = cov[5, 2] = 3 * np.sqrt(cov[2, 2] * cov[5, 5])
    with pytest.raises(DataError, match=r"m02, m05.*not positive definite"):
        fit_trend(replace(scores, covariance=cov), SIZE)
    cov[5] = cov[:, 5] = np.nan
    with pytest.raises(DataError, match=r"m05.*not known"):
        fit_trend(replace(scores, covariance=cov), SIZE, models=["m05", "m06", "m12", "m16", "m18"])


def test_an_unknown_model_is_named_bad_input() -> None:
    with pytest.raises(DataError, match="no such model"):
        fit_trend(some_scores(1), SIZE, models=["m01", "GPT-9"])
