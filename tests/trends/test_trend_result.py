"""Tables and summaries of a trend."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from hatstats.estimators.aggregate.profile import fit_aggregate
from hatstats.estimators.methods import fit_profile
from hatstats.inference.tidy import TIDY_COLUMNS
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.trends.claims.verdicts import evaluate_claims
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


@pytest.fixture(scope="module")
def panel_trend() -> TrendFit:
    accuracy = np.random.default_rng(21).uniform(0.3, 0.9, (20, 4))
    return fit_trend(fit_aggregate(aggregate_study(table_of_models(21), accuracy)), FORMULA)


@pytest.mark.parametrize(
    "formula",
    [
        FORMULA,
        "release_year * log10(params_total) + a_covariate_whose_name_is_longer_than_its_column",
        "narrow",
    ],
)
def test_summary_fits_eighty_columns(formula: str) -> None:
    scores = some_scores(
        a_covariate_whose_name_is_longer_than_its_column=np.arange(20.0) % 7,
        narrow=np.linspace(2024, 2024.0001, 20),
    )
    trend = fit_trend(scores, formula)
    lines = trend.summary().splitlines()
    assert max(map(len, lines)) <= 80
    start = 1 + next(i for i, line in enumerate(lines) if line.startswith("  term "))
    body = lines[start : start + len(trend.terms)]
    assert [line.split()[0].rstrip("…") for line in body] == [
        term[: 20 if len(term) > 21 else 21] for term in trend.terms
    ]
    # Columns never run into each other.
    few = np.isnan(trend.bse.to_numpy())
    assert [len(line.split()) for line in body] == list(np.where(few, 6, 7))


def test_below_two_degrees_of_freedom_table_and_verdict_have_one_interval_and_say_so() -> None:
    rng = np.random.default_rng(1)
    x = np.where(FAMILY == 0, 3.0, 0.02) * rng.standard_normal(20)
    estimate = 0.5 + 0.02 * x + 0.01 * rng.standard_normal(20)
    scores = scores_of(table_of_models(1).assign(x=x), estimate, np.full(20, 1e-6))
    trend = fit_trend(scores, "x")
    assert trend.df[1] < 2.0 < trend.df[0]
    assert np.isfinite(trend.covariance).all()
    claim = {"name": "x", "kind": "slope", "term": "x", "threshold": 0.0, "level": 0.025}
    (verdict,) = evaluate_claims(scores, [claim])
    decided = [verdict.estimate, verdict.std_error, verdict.df, verdict.conf_low, verdict.conf_high]
    shown = ["estimate", "std_error", "df", "conf_low", "conf_high"]
    compared = trend.comparison(rng=1).set_index("method").loc[["CR2"]]
    for rows in (trend.tidy().iloc[1:], trend.accuracy_slopes(), compared):
        np.testing.assert_allclose(rows[shown].to_numpy(dtype=float), [decided], rtol=1e-9)
    words = "fewer than 2 df: claims also need CR3, the series and all but any one family"
    assert trend.weaknesses(trend.tidy()) == ["", words]
    assert f"x: {words}." in " ".join(trend.summary().split())


def test_without_any_variation_there_is_a_reason_and_no_interval() -> None:
    """A standard error of 0 once gave an interval of no width."""
    estimate = some_scores(1).estimates
    trend = fit_trend(scores_of(table_of_models(1), estimate, np.zeros(20)), FORMULA)
    these = trend.over("these models")
    assert np.isfinite(trend.accuracy_slopes()["conf_low"]).all()
    shown = ["std_error", "statistic", "p_value", "conf_low", "conf_high"]
    for rows in (these.tidy(), these.accuracy_slopes()):
        assert rows[shown].isna().all(axis=None)
        assert these.weaknesses(rows) == ["the items show no variation to judge it by"] * len(rows)
    claim = {"name": "x", "kind": "slope", "term": "release_year", "threshold": 0.0}
    (verdict,) = evaluate_claims(trend.scores, [{**claim, "scope": "these models"}])
    assert (verdict.verdict, verdict.reason) == (
        "not testable",
        "the items show no variation to judge it by",
    )
    assert np.isnan(verdict.conf_low)


def test_more_degrees_of_freedom_than_models_are_explained() -> None:
    """The known variance of items has no degrees of freedom to lose."""
    spread = np.where(FAMILY == 0, 3.0, 0.02)
    scores = some_scores(x=spread * np.random.default_rng(1).standard_normal(20))
    trend = fit_trend(scores, "x")
    assert trend.df[1] > 18.0
    said = " ".join(trend.summary().split())
    assert "x: more degrees of freedom than models" in said
    assert "more degrees" not in trend.over("these models").summary()


def test_weakly_identified_models_are_counted() -> None:
    scores = some_scores(1)
    names = list(scores.models)
    overlap = pd.DataFrame({"model": names, "informed": [False] * 12 + [True] * 8, "note": ""})
    trend = fit_trend(replace(scores, overlap=overlap), FORMULA)
    said = " ".join(trend.summary().split())
    assert f"12 of 20 models are weakly identified: {', '.join(names[:3])}, ..." in said
    assert trend.method.endswith("12 of 20 models weakly identified")
    few = fit_trend(
        replace(scores, overlap=overlap.assign(informed=[False] + [True] * 19)), FORMULA
    )
    assert few.weakly_identified == (names[0],)
    assert "weakly" not in few.method


def test_summary_has_the_key_facts(panel_trend: TrendFit) -> None:
    text = panel_trend.summary(conf_level=0.9)
    assert "(logit scale)" in text
    assert "20 models in 6 family clusters, CR2; 0 models left out" in text
    assert "90% interval" in text
    one_less = replace(panel_trend.design, left_out=("a",))
    assert "; 1 model left out" in replace(panel_trend, design=one_less).summary()
    assert "intercept[" not in text
    for name in ("family", "model", "cell"):
        assert f"{name} {panel_trend.components[name]:.4g}" in text


def test_tidy_leaves_out_the_intercepts_of_languages(panel_trend: TrendFit) -> None:
    table = panel_trend.tidy(conf_level=0.8)
    assert list(table.columns) == list(TIDY_COLUMNS)
    assert list(table["term"]) == ["source_logit[b]", "log10(params_total)", "release_year"]
    hidden = [term for term in panel_trend.terms if term.startswith("intercept[b, ")]
    assert len(hidden) == 3
    assert len(panel_trend.terms) == 6
    shown = table.set_index("term")
    index = panel_trend.terms.index("release_year")
    row = shown.loc["release_year"]
    low, high = panel_trend.limits(0.8)[index]
    assert (row["conf_low"], row["conf_high"]) == pytest.approx((low, high))
    width = stats.t.ppf(0.9, panel_trend.df[index]) * panel_trend.std_errors[index]
    assert (high - low) / 2 == pytest.approx(width)
    assert set(table["method"]) == {"CR2 by family, Satterthwaite df, logit scale"}


def test_glance_is_one_row_of_facts(panel_trend: TrendFit) -> None:
    table = panel_trend.glance()
    assert len(table) == 1
    row = table.iloc[0]
    assert (row["formula"], row["vcov"]) == (FORMULA, "CR2")
    assert (row["n_models"], row["n_clusters"], row["n_left_out"]) == (20, 6, 0)
    for name, value in panel_trend.components.items():
        assert row[f"variance_{name}"] == value


def test_repr_and_html(panel_trend: TrendFit) -> None:
    assert repr(panel_trend) == panel_trend.summary()
    html = panel_trend._repr_html_()
    for text in (f"Trend: {FORMULA}", "20 models in 6 family clusters", "variance components"):
        assert text in html
    assert html.count("<tr") == 4
    assert panel_trend.vcov == "CR2"
    assert panel_trend.method == "CR2 by family, Satterthwaite df, logit scale"
    assert fit_trend(some_scores(), FORMULA, vcov="CR1").method.startswith("CR1 by family, G - 1")


def test_numbers_are_labelled_by_term(panel_trend: TrendFit) -> None:
    row = panel_trend.tidy(0.9).set_index("term").loc["release_year"]
    assert panel_trend.params["release_year"] == row["estimate"]
    assert panel_trend.bse["release_year"] == row["std_error"]
    variance = panel_trend.cov.loc["release_year", "release_year"]
    assert variance == pytest.approx(row["std_error"] ** 2)
    limits = panel_trend.conf_int(0.9).loc["release_year"]
    assert list(limits) == [row["conf_low"], row["conf_high"]]


def test_contrasts_and_predictions_are_small_results(panel_trend: TrendFit) -> None:
    high, low = {"params_total": 1e11}, {"params_total": 1e9}
    found = panel_trend.contrast(high, low, 0.9)
    value, gradient = panel_trend.difference_gradient(high, low)
    assert found.estimate == value
    assert found.std_error == pytest.approx(panel_trend.robust.std_errors(gradient)[0])
    assert found.df == pytest.approx(panel_trend.robust.df(gradient)[0])
    assert "HAT at params_total 100B - HAT at params_total 1B" in repr(found)
    shown = panel_trend._repr_html_()
    assert "log10 parameters" in shown
    assert "Intercept" not in shown
    assert "accuracy scale" in repr(found)
    new = panel_trend.prediction(high)
    assert f"95% prediction interval [{new.pred_low:.3f}, {new.pred_high:.3f}]" in repr(new)
    assert new.tidy()["pred_low"].item() == new.pred_low


@pytest.mark.parametrize("vcov", ["CR0", "CR1", "CR3"])
def test_other_covariances_have_one_df_less_than_clusters(vcov: str) -> None:
    trend = fit_trend(some_scores(), FORMULA, vcov=vcov)  # type: ignore[arg-type]
    np.testing.assert_array_equal(trend.df, [5, 5, 5])
    default = fit_trend(some_scores(), FORMULA)
    np.testing.assert_array_equal(trend.estimates, default.estimates)
    assert not np.allclose(trend.std_errors, default.std_errors)


def test_an_item_level_profile_is_fitted_by_its_pooled_scores() -> None:
    study = simulate_study(
        np.linspace(-0.8, 1.2, 9), shape=Shape(n_items=40, n_languages=2, n_trials=4), rng=5
    )
    profile = fit_profile(study, method="observed")
    whole, staged = (fit_trend(x, "release_year") for x in (profile, profile.hat("pooled")))
    np.testing.assert_array_equal(whole.estimates, staged.estimates)
    np.testing.assert_array_equal(whole.covariance, staged.covariance)
    assert (whole.scale, whole.panel) == ("accuracy", None)
