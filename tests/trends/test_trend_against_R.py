"""Trends against metafor's `rma.mv` and clubSandwich: from the table of models to the p value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hatstats.estimators.aggregate.panel_regression import fit_panel
from hatstats.estimators.aggregate.profile import AggregateProfile, fit_aggregate
from hatstats.inference.reml.meta_regression import fit_reml
from hatstats.inference.tidy import standard_errors
from hatstats.scores.scores import HatScores
from hatstats.trends.regression import fit_trend
from hatstats.trends.standard_errors import Vcov, robust_covariance
from hatstats.trends.trend import TrendFit
from tests.reference import stored
from tests.trends.makers import FORMULA, aggregate_study, scores_of

CASES = stored.cases("trend")
FORMULAS = {name: FORMULA for name in CASES} | {"two_stages_sizes_unknown": "log10(params_total)"}
TWO_STAGES = [name for name in CASES if name.startswith("two_stages")]
ONE_REGRESSION = [name for name in CASES if name.startswith("one_regression")]
ROBUST = [name for name, case in CASES.items() if "CR2" in case["output"]]


def models_of(given: dict[str, Any]) -> pd.DataFrame:
    columns = {name: given[name] for name in ("model", "family", "release_date", "params_total")}
    table = pd.DataFrame(columns).astype({"params_total": float})
    return table.assign(release_date=pd.to_datetime(table["release_date"]))


def scores_in(given: dict[str, Any]) -> HatScores:
    return scores_of(models_of(given), given["estimate"], given["V"])


def profile_in(given: dict[str, Any]) -> AggregateProfile:
    target = np.array(given["target"], dtype=float)
    accuracy = np.column_stack([given["source"], target])
    study = aggregate_study(
        models_of(given), accuracy, n_trials=given["n_trials"], chance=given["chance"]
    )
    return fit_aggregate(study, slope=given.get("slope"))


@cache
def fitted(name: str, vcov: Vcov = "CR2") -> TrendFit:
    make: Callable[[dict[str, Any]], HatScores | AggregateProfile]
    make = scores_in if name in TWO_STAGES else profile_in
    scores = make(CASES[name]["input"])
    if isinstance(scores, AggregateProfile):  # R was given a line, which this panel may bend
        line = fit_panel(scores.parts, family_of={}, slope=scores.panel.slope)
        scores = replace(scores, panel=line)
    return fit_trend(scores, FORMULAS[name], vcov=vcov)


def test_stored_cases_are_the_expected_ones() -> None:
    assert TWO_STAGES == ["two_stages_block_v", "two_stages_full_v", "two_stages_sizes_unknown"]
    assert ONE_REGRESSION == ["one_regression", "one_regression_slope_held"]
    assert set(ROBUST) == set(CASES) - {"two_stages_full_v"}
    assert set(stored.load("trend")["packages"]) == {"metafor", "clubSandwich"}


def centred(trend: TrendFit, name: str) -> TrendFit:
    """The same regression with the covariates less R's centre; only intercepts change."""
    centre = CASES[name]["input"].get("centre", [0.0] * len(trend.design.terms))
    X = trend.reml.X.copy()
    X[:, -len(centre) :] -= centre
    fit = fit_reml(trend.reml.y, X, trend.reml.V, trend.reml.codes)
    labels = np.array(trend.robust.labels)[trend.robust.codes]
    robust = robust_covariance(fit, labels, trend.robust.kind)
    return replace(trend, reml=fit, robust=robust)


@pytest.mark.parametrize("name", list(CASES))
def test_estimates_and_variance_components_against_R(name: str) -> None:
    trend, output = fitted(name), CASES[name]["output"]
    width = len(trend.design.terms)
    # R's optimum is found numerically, to about six digits of the variance components.
    np.testing.assert_allclose(trend.estimates[-width:], output["params"][-width:], rtol=1e-4)
    same = centred(trend, name).reml
    np.testing.assert_allclose(same.params, output["params"], rtol=1e-4)
    np.testing.assert_allclose(np.sqrt(np.diag(same.cov)), output["bse"], rtol=1e-4)
    np.testing.assert_allclose(list(trend.components.values()), output["tau2"], rtol=1e-4)
    assert trend.glance()["log_likelihood"].item() == pytest.approx(output["loglik"], abs=1e-5)


@pytest.mark.parametrize("kind", ["CR2", "CR3"])
@pytest.mark.parametrize("name", ROBUST)
@pytest.mark.slow
def test_standard_errors_df_and_p_values_against_R(name: str, kind: Vcov) -> None:
    trend, output = fitted(name, kind), CASES[name]["output"][kind]
    same = centred(trend, name)
    np.testing.assert_allclose(standard_errors(same.covariance), output["se"], rtol=1e-4)
    np.testing.assert_allclose(same.df, output["df"], rtol=1e-4)
    # What users read, from the fit that users get.
    terms = list(trend.design.terms)
    assert terms
    rows = trend.tidy().set_index("term").loc[terms]
    for column, stored_as in (("std_error", "se"), ("df", "df"), ("p_value", "p")):
        expected = np.array(output[stored_as][-len(terms) :])
        np.testing.assert_allclose(rows[column], expected, rtol=1e-3)


@pytest.mark.parametrize("name", TWO_STAGES)
def test_release_years_and_models_left_out_against_R(name: str) -> None:
    given, output = CASES[name]["input"], CASES[name]["output"]
    trend = fitted(name)
    lost = {given["model"][place - 1] for place in output["left_out"]}
    assert set(trend.left_out) == lost
    assert trend.nobs == len(given["model"]) - len(lost)
    years = dict(zip(given["model"], output["release_year"], strict=True))
    expected = [years[model] for model in trend.design.models]
    np.testing.assert_allclose(trend.design.frame["release_year"], expected, rtol=1e-14)


@pytest.mark.parametrize("name", ONE_REGRESSION)
def test_calibrated_design_against_R(name: str) -> None:
    trend, output = fitted(name), CASES[name]["output"]
    assert trend.panel is not None
    source = trend.panel.source_fit[0]
    width = len(trend.design.terms)
    np.testing.assert_allclose(source.params[1:], output["source_params"][1:], rtol=1e-6)
    np.testing.assert_allclose(source.variance_components, [output["source_tau2"]], rtol=1e-6)
    np.testing.assert_allclose(trend.reml.y, output["y"], rtol=1e-10)
    X = trend.reml.X.copy()
    X[:, -width:] -= CASES[name]["input"]["centre"]
    np.testing.assert_allclose(X, output["X"], rtol=1e-7, atol=1e-9)
    # Sampling variance of each cell, and beta squared times what is left in the source logit.
    model = trend.panel.model
    shared = trend.reml.V - np.diag(np.diag(trend.reml.V))
    assert not shared[model[:, None] != model].any()
    expected = np.array(output["v"]) + np.array(output["shared"])
    np.testing.assert_allclose(np.diag(trend.reml.V), expected, rtol=1e-4)
    same_model = np.flatnonzero((model[:, None] == model)[0])[1:]
    np.testing.assert_allclose(shared[0, same_model], output["shared"][0], rtol=1e-4)
    assert same_model.size == 2
