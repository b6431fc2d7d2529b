"""Trends of these models, whose items are sampled, beside those of models like these."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from scipy import special

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.estimators.aggregate.profile import fit_aggregate
from hatstats.estimators.methods import fit_profile
from hatstats.scores.scores import HatScores
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.study import claims as registered
from hatstats.trends.claims.verdicts import evaluate_claims
from hatstats.trends.regression import fit_trend
from hatstats.trends.standard_errors import LIKE_MODELS, THESE_MODELS, ModelScope
from tests.trends.makers import FAMILY, aggregate_study, scores_of, table_of_models

SIZE = "log10(params_total)"


@pytest.fixture(scope="module")
def scores() -> HatScores:
    study = simulate_study(np.linspace(-0.9, 0.9, 19), shape=Shape(60, 2, 4), rng=1)
    return fit_profile(study, method="observed").hat()


@pytest.mark.parametrize("link", ["identity", "logit"])
def test_a_slope_is_a_weighted_sum_of_scores_against_theory(scores: HatScores, link: str) -> None:
    trend = fit_trend(scores, SIZE, scope=THESE_MODELS, link=link)
    like = fit_trend(scores, SIZE, link=link)
    np.testing.assert_array_equal(trend.estimates, like.estimates)
    y = scores.estimates if link == "identity" else special.logit(scores.estimates)
    np.testing.assert_allclose(trend.sampled.loadings @ y, trend.estimates, rtol=1e-9)
    # By moving every score a little: what is summed does not depend on the scale of the outcome.
    weights = trend.sampled.loadings[1]
    if link == "logit":
        weights = weights / (scores.estimates * (1 - scores.estimates))
    error = np.sqrt(weights @ scores.covariance @ weights)
    row = trend.tidy().set_index("term").loc[SIZE]
    assert row["std_error"] == pytest.approx(error, rel=1e-9)
    assert row["df"] == pytest.approx(scores.degrees_of_freedom(weights[None])[0], rel=1e-9)
    assert row["std_error"] < like.tidy().set_index("term").loc[SIZE, "std_error"]
    assert trend.over(LIKE_MODELS).tidy().equals(like.tidy())


@pytest.mark.slow
def test_intervals_hold_the_trend_of_the_true_scores_coverage() -> None:
    """A family effect that the models have, and keep, whichever items are asked."""
    rng = np.random.default_rng(3)
    table = table_of_models(3)
    truth = 0.6 + 0.05 * rng.standard_normal(6)[FAMILY] + 0.02 * rng.standard_normal(20)
    root = 0.02 * (0.6 + 0.8 * np.eye(20))
    cov = root @ root.T
    covered = np.zeros((200, 2))
    for b in range(len(covered)):
        drawn = scores_of(table, truth + root @ rng.standard_normal(20), cov)
        trend = fit_trend(drawn, "release_year", scope=THESE_MODELS)
        low, high = trend.limits(0.9).T
        true = trend.sampled.loadings @ truth
        covered[b] = (low < true) & (true < high)
    # Three Monte-Carlo standard errors of .9 are .064.
    assert (np.abs(covered.mean(axis=0) - 0.9) < 0.064).all()


def test_one_family_is_enough_for_these_models(scores: HatScores) -> None:
    one = [name for name, label in zip(scores.models, scores.covariates["family"], strict=True)
           if label == scores.covariates["family"].iloc[0]]  # fmt: skip
    assert len(one) > 2
    with pytest.raises(NotIdentifiedError, match="scope='these models'"):
        fit_trend(scores, SIZE, models=one)
    trend = fit_trend(scores, SIZE, models=one, scope=THESE_MODELS)
    assert np.isfinite(trend.bse).all()
    assert "models as they are, items sampled" in trend.summary()


def test_accuracies_are_independent_in_this_scope_and_say_so() -> None:
    accuracy = np.random.default_rng(21).uniform(0.3, 0.9, (20, 4))
    profile = fit_aggregate(aggregate_study(table_of_models(21), accuracy))
    trend = fit_trend(profile, SIZE, scope=THESE_MODELS)
    loadings = trend.reml.cov @ trend.reml.X.T @ trend.reml.weights
    np.testing.assert_allclose(trend.cov, loadings @ trend.reml.V @ loadings.T, rtol=1e-9)
    assert np.isinf(trend.df).all()
    assert "these models, items sampled, models independent" in trend.method
    slopes = trend.accuracy_slopes()
    assert (slopes["conf_low"] < slopes["estimate"]).all()
    assert "these models" in trend.contrast({"params_total": 1e10}, {"params_total": 1e9}).method
    with pytest.raises(DataError, match="none of these models"):
        trend.prediction()


def test_a_claim_registers_its_scope(scores: HatScores) -> None:
    slope = {"kind": "slope", "term": SIZE, "threshold": 0.0}
    broken = {"kind": "non_inferiority", "small": 1e9, "large": 1e10, "margin": 0.05}
    claims = [
        {"name": f"{claim['kind']} {scope}", **claim, "scope": scope}
        for claim in (slope, broken)
        for scope in get_args(ModelScope)
    ]
    trend = fit_trend(scores, SIZE)
    verdicts = evaluate_claims(scores, claims)
    again = evaluate_claims(scores, claims, fits={SIZE: trend})
    for one, other, claim in zip(verdicts, again, claims, strict=True):
        over = trend.over(claim["scope"])
        if claim["kind"] == "slope":
            row = over.tidy().set_index("term").loc[SIZE]
            assert one.std_error == pytest.approx(row["std_error"], rel=1e-9)
        assert one.method == other.method == over.method
        assert (one.estimate, one.p_value, one.df) == (other.estimate, other.p_value, other.df)
    default = evaluate_claims(scores, [{"name": "slope models like these", **slope}])
    assert default[0].std_error == verdicts[0].std_error


def test_unknown_scopes_are_refused(scores: HatScores) -> None:
    assert set(registered._SCOPES) == set(get_args(ModelScope))
    with pytest.raises(DataError, match="unknown scope"):
        fit_trend(scores, SIZE, scope="all models")
    claim = {"name": "c", "kind": "slope", "term": SIZE, "threshold": 0.0, "scope": "all"}
    with pytest.raises(DataError, match="these models, or about models like these"):
        evaluate_claims(scores, [claim])


def test_scores_of_few_wordings_keep_their_scope(scores: HatScores) -> None:
    narrow = replace(scores, scope="wordings like these")
    assert "wordings like these" in fit_trend(narrow, SIZE, scope=THESE_MODELS).method
