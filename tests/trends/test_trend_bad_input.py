"""What a trend refuses: the message names what is wrong, with a hint."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hatstats.errors import DataError, HatstatsError, NotIdentifiedError
from hatstats.estimators.aggregate.profile import fit_aggregate
from hatstats.inference import validation
from hatstats.study.read import read_study
from hatstats.trends.claims.verdicts import evaluate_claims
from hatstats.trends.regression import fit_trend
from tests.trends.makers import (
    FAMILY,
    aggregate_study,
    scores_of,
    some_scores,
    table_of_models,
)


def test_unknown_vcov_bad_input() -> None:
    with pytest.raises(DataError, match=r"'HC1'.*CR2, CR3, CR1, CR0") as caught:
        fit_trend(some_scores(), "release_year", vcov="HC1")  # type: ignore[arg-type]
    assert (caught.value.column, caught.value.value) == ("vcov", "HC1")


def test_missing_cluster_column_bad_input() -> None:
    with pytest.raises(DataError, match=r"the table of models, column 'lab'.*it has model, family"):
        fit_trend(some_scores(), "release_year", cluster="lab")


@pytest.mark.parametrize("source", ["scores", "accuracies"])
def test_a_formula_of_the_clusters_bad_input(source: str) -> None:
    target = np.random.default_rng(12).uniform(0.3, 0.9, (20, 3))
    of = fit_aggregate(aggregate_study(table_of_models(12), target))
    with pytest.raises(NotIdentifiedError, match=r"Drop 'family' from the formula"):
        fit_trend(some_scores() if source == "scores" else of, "family")


@pytest.mark.parametrize("formula", ["release_year + height", "exp(height)", "height:kind"])
def test_unknown_variable_bad_input(formula: str) -> None:
    scores = some_scores(kind=np.tile(["a", "b"], 10))
    with pytest.raises(DataError, match=r"'height'.*lacks.*it has model.*release_year") as caught:
        fit_trend(scores, formula)
    assert caught.value.column == "height"


@pytest.mark.parametrize(
    ("formula", "why"),
    [
        ("log10(params_total", "cannot be read"),
        ("release_year +", "cannot be read"),
        ("release_year + [x for x in [1]]", "cannot be read"),
        ("HAT ~ release_year", "cannot be read"),
        ("release_year | params_total", "cannot be read"),
        ("release_year.no_such_attribute", "cannot be evaluated"),
        ("log10(params_total, 3, 4, 5)", "cannot be evaluated"),
        ("log10(kind)", "cannot be evaluated"),
        ("release_date", "a date is no number"),
        ("1", "names no covariate"),
        ("", "names no covariate"),
    ],
)
def test_unusable_formula_bad_input(formula: str, why: str) -> None:
    scores = some_scores(kind=np.tile(["a", "b"], 10))
    with pytest.raises(DataError, match=why) as caught:
        fit_trend(scores, formula)
    assert (caught.value.column, caught.value.value) == ("formula", formula)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("formula", "bad", "shown"),
    [("log10(score)", -1.0, "nan"), ("log(score)", 0.0, "-inf"), ("exp(score)", 1e4, "inf")],
)
def test_covariate_without_a_finite_value_bad_input(formula: str, bad: float, shown: str) -> None:
    score = np.linspace(1, 2, 20)
    score[6] = bad
    scores = some_scores(score=score)
    with pytest.raises(DataError, match=rf"row 8, .*value {shown}: .* is not finite") as caught:
        fit_trend(scores, formula)
    assert (caught.value.row, caught.value.column) == (8, formula)


def test_row_of_a_bad_value_counts_the_models_left_out_bad_input() -> None:
    score = np.linspace(1, 2, 20)
    score[[1, 3]], score[6] = np.nan, 0.0
    with pytest.raises(DataError, match="row 8,"):
        fit_trend(some_scores(score=score), "log10(score)")


def test_constant_covariate_bad_input() -> None:
    scores = some_scores(score=np.full(20, 3.5))
    with pytest.raises(NotIdentifiedError, match=r"score is 3\.5 for every model"):
        fit_trend(scores, "release_year + score")


@pytest.mark.parametrize(
    "formula",
    [
        "release_year + I(2 * release_year)",
        "score + twice",
        "score + I(score + 1e6)",
        "days + date",
    ],
)
def test_collinear_covariates_bad_input(formula: str) -> None:
    score = np.random.default_rng(1).normal(size=20)
    days = np.arange(20.0)
    columns: dict[str, Any] = {
        "score": score,
        "twice": 7 - 2 * score,
        "days": days,
        "date": 2024 + days / 365.25,
    }
    with pytest.raises(NotIdentifiedError, match="depend on each other over these 20 models"):
        fit_trend(some_scores(**columns), formula)


def test_nearly_collinear_covariates_are_not_refused() -> None:
    rng = np.random.default_rng(1)
    score = rng.normal(size=20)
    trend = fit_trend(
        some_scores(score=score, near=score + 1e-3 * rng.normal(size=20)), "score + near"
    )
    assert trend.std_errors[1] > 1


def test_too_few_models_bad_input() -> None:
    table = table_of_models(family=[0, 0, 1, 2])
    scores = scores_of(table, [0.5, 0.6, 0.55, 0.4], np.full(4, 1e-4))
    assert fit_trend(scores, "release_year").nobs == 4
    one_less = table.assign(params_total=[1e9, np.nan, 2e9, 4e9], twice=[1, 0, 0, 1])
    few = scores_of(one_less, scores.estimates, np.full(4, 1e-4))
    with pytest.raises(NotIdentifiedError, match=r"^3 models have .*, too few for 3 coefficients"):
        fit_trend(few, "log10(params_total) + twice")


def test_covariate_known_for_no_model_bad_input() -> None:
    scores = some_scores(params_total=np.full(20, np.nan))
    with pytest.raises(NotIdentifiedError, match="no model has a value of params_total") as caught:
        fit_trend(scores, "log10(params_total)")
    assert "(fill_models(study).study) fills what is known, or give mo" in str(caught.value)
    assert caught.value.reason == "no model has a value of params_total"
    with pytest.raises(DataError, match=r"^the table of models, column 'paramz'"):
        fit_trend(scores, "log10(paramz)")


def test_one_family_bad_input() -> None:
    scores = some_scores(family="Qwen")
    with pytest.raises(NotIdentifiedError, match=r"all 20 models are of one family \(Qwen\)"):
        fit_trend(scores, "release_year")


def test_one_family_left_when_sizes_are_unknown_bad_input() -> None:
    size = np.where(FAMILY == 0, 10.0 ** np.linspace(9, 11, 20), np.nan)
    with pytest.raises(NotIdentifiedError, match="all 6 models are of one family") as caught:
        fit_trend(some_scores(params_total=size), "log10(params_total)")
    assert "at least two, and better five, families" in str(caught.value)


def test_one_family_of_an_aggregate_study_bad_input() -> None:
    rng = np.random.default_rng(2)
    study = aggregate_study(table_of_models(family=np.zeros(8, int)), rng.uniform(0.3, 0.9, (8, 3)))
    with pytest.raises(NotIdentifiedError, match="all 8 models are of one family"):
        fit_trend(fit_aggregate(study), "release_year")


def test_unknown_families_are_clusters_of_their_own() -> None:
    family = np.where(FAMILY < 2, "", [f"family-{code}" for code in FAMILY])
    trend = fit_trend(some_scores(family=family), "release_year")
    assert trend.n_clusters == 11 + 4
    nobody = fit_trend(some_scores(family=None), "release_year")
    assert nobody.n_clusters == 20
    assert list(nobody.components) == ["model"]


def test_term_and_covariate_that_the_trend_lacks_bad_input() -> None:
    trend = fit_trend(some_scores(), "log10(params_total)")
    with pytest.raises(DataError, match=r"'params_total'.*it has log10\(params_total\)"):
        trend.slope_gradient("params_total")
    with pytest.raises(DataError, match=r"'param_total'.*the covariates are .*params_total"):
        trend.difference_gradient({"param_total": 1e9}, {"param_total": 1e10})
    with pytest.raises(DataError, match=r"'family'"):
        trend.difference_gradient({"family": 1.0}, {"family": 2.0})
    with pytest.raises(DataError, match=r"params_total.*-5"):
        trend.difference_gradient({"params_total": -5.0}, {"params_total": 1e10})


def test_spline_beyond_the_models_bad_input() -> None:
    trend = fit_trend(some_scores(), "bs(log10(params_total), df=4)")
    assert trend.estimates.size == 5
    with pytest.raises(NotIdentifiedError, match=r"does not reach .*1000\.0.*beyond upper"):
        trend.difference_gradient({"params_total": 1e3}, {"params_total": 1e10})


CLAIM = {"name": "small", "kind": "non_inferiority", "small": 1e9, "large": 1e11, "margin": 0.05}
SLOPE = {"name": "small", "kind": "slope", "term": "release_year", "threshold": 0.0}
CONTRAST = {
    "name": "small", "kind": "contrast", "model": "m01", "other": "m02", "threshold": 0.0
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"margin": -0.05}, r"column 'margin', value -0\.05.*between 0 and 1"),
        ({"margin": 0.0}, r"column 'margin', value 0\.0"),
        ({"level": 0.7}, r"column 'level', value 0\.7.*between 0 and 0\.5"),
        ({"level": 0.5}, r"column 'level', value 0\.5"),
        ({"level": 0.0}, r"column 'level', value 0\.0"),
        (
            {"kind": "superiority"},
            r"column 'kind', value 'superiority'.*non_inferiority, transfer_share",
        ),
        ({**SLOPE, "threshold": None}, r"column 'threshold'.*small, slope. lacks"),
        ({**SLOPE, "direction": "up"}, r"column 'direction', value 'up'.*greater, less"),
        ({"margin": None}, r"column 'margin'"),
        ({"direction": "less"}, r"unknown key 'direction'"),
        ({"small": "tiny", "variable": "size_class"}, r"two numbers, or two labels"),
        ({"small": "tiny"}, r"the value of small should be a number"),
        ({"large": 1e8}, r"small is not below large"),
    ],
)
def test_claims_bad_input(change: dict[str, object], message: str) -> None:
    whole = change if "kind" in change and change["kind"] != "superiority" else {**CLAIM, **change}
    claim = {key: value for key, value in whole.items() if value is not None}
    with pytest.raises(DataError, match=message):
        evaluate_claims(some_scores(), [claim])


def test_a_claim_on_a_model_without_scores_is_not_testable_and_stops_no_other() -> None:
    """A study may register claims on models whose counts are not in it yet."""
    known = {**CONTRAST, "name": "known", "model": "m00", "other": "m01"}
    verdicts = evaluate_claims(some_scores(), [{**known, "name": "typo", "other": "m0l"}, known])
    assert [each.verdict == "not testable" for each in verdicts] == [True, False]
    assert re.search(r"no model m0l has a score here.*Did you mean", verdicts[0].reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"term": "height"}, r"lacks.*it has model"),
        ({"term": "x", "formula": "release_year"}, r"no such covariate in the trend"),
        ({"formula": "log10(params_total"}, r"cannot be read"),
        ({"formula": "__import__('os')"}, r"cannot be read"),
    ],
)
def test_a_claim_that_cannot_be_read_is_not_testable_and_stops_no_other(
    change: dict[str, str], reason: str
) -> None:
    known = {**CONTRAST, "name": "known", "model": "m00", "other": "m01"}
    verdicts = evaluate_claims(some_scores(), [{**SLOPE, "name": "odd", **change}, known])
    assert [each.verdict == "not testable" for each in verdicts] == [True, False]
    assert re.search(reason, verdicts[0].reason)


def test_every_refusal_is_one_of_ours_bad_input() -> None:
    """An item-level study of three models of one family: every trend gives a reason."""
    study = read_study(Path(__file__).parents[2] / "data" / "winogrande_african")
    assert set(study.models["family"]) == {"GPT"}
    scores = scores_of(study.models, [0.5, 0.6, 0.7], np.full(3, 1e-4))
    for formula in ("release_year", "log10(params_total)"):
        with pytest.raises(HatstatsError) as caught:
            fit_trend(scores, formula)
        assert re.search(r"GPT|params_total", str(caught.value))


def test_more_accuracies_than_memory_holds_are_refused_bad_input(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = np.random.default_rng(12).uniform(0.3, 0.9, (20, 3))
    profile = fit_aggregate(aggregate_study(table_of_models(12), target))
    monkeypatch.setattr(validation, "MOST_MEMORY", 1e-9 * profile.panel.fit.y.size**2)
    with pytest.raises(DataError, match="trend of 40 accuracies in target languages would take"):
        fit_trend(profile, "release_year")
