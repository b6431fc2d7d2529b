"""Verdicts on registered claims: at the limits of the rule, and where none is possible."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from hatstats.errors import DataError, FitError, NotIdentifiedError
from hatstats.estimators.aggregate.profile import fit_aggregate
from hatstats.estimators.methods import fit_profile
from hatstats.inference.result_frame import p_text
from hatstats.scores.scores import HatScores
from hatstats.simulation.simulate import simulate_study
from hatstats.study.claim_lock import claims_hash, register
from hatstats.study.claims import claim_sentence
from hatstats.trends.claims import verdicts as module
from hatstats.trends.claims.non_inferiority import margin_curves
from hatstats.trends.claims.verdict import Verdict, Verdicts
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

SIZE = "log10(params_total)"


def non_inferiority(margin: float = 0.05, **more: Any) -> dict[str, Any]:
    claim = {"name": "small", "kind": "non_inferiority", "small": 1e9, "large": 1e11}
    return {**claim, "margin": margin, **more}


def slope(threshold: float = 0.0, term: str = "release_year", **more: Any) -> dict[str, Any]:
    return {"name": "s", "kind": "slope", "term": term, "threshold": threshold, **more}


def judge(scores: HatScores, claim: dict[str, Any], **options: Any) -> Verdict:
    (verdict,) = evaluate_claims(scores, [claim], **options)
    return verdict


def scores_with_slope(value: float, noise: float = 0.01) -> HatScores:
    """Scores that fall or rise with size by `value` per tenfold parameters."""
    table = table_of_models(5)
    size = np.log10(table["params_total"].to_numpy())
    line = np.column_stack([np.ones(20), size])
    error = noise * np.random.default_rng(5).standard_normal(20)
    # Errors without a slope of their own, so that the direction is the one asked for.
    error -= line @ np.linalg.lstsq(line, error)[0]
    return scores_of(table, 0.6 + value * (size - 10.0) + error, np.full(20, noise**2))


def test_scores_from_accuracies_alone_say_that_the_report_fits_the_profile() -> None:
    study = aggregate_study(
        table_of_models(12), np.random.default_rng(12).uniform(0.3, 0.9, (20, 3))
    )
    profile = fit_aggregate(study)
    one, two = (evaluate_claims(given, [slope()]) for given in (profile, profile.hat()))
    assert abs(one[0].estimate - two[0].estimate) > 1e-6
    for text in (two.summary(), two._repr_html_(), fit_trend(profile.hat(), SIZE).summary()):
        assert "give the profile, fit_profile(study)" in " ".join(text.split())
    assert two.tidy()["method"].str.endswith("two stages from aggregate scores").all()
    assert "stages" not in one.summary() + two[0].method.replace("two stages from", "")


@pytest.mark.parametrize("claims", ["size", ["size"]])
def test_claims_that_are_names_bad_input(claims: Any) -> None:
    with pytest.raises(DataError, match=r"value 'size': .* Hint: give study.claims, some of"):
        evaluate_claims(some_scores(), claims)


def with_source(scores: HatScores, source: Any) -> HatScores:
    size = len(scores.models)
    joint = np.zeros((2 * size, 2 * size))
    joint[:size, :size] = scores.covariance
    joint[size:, size:] = scores.covariance
    return replace(scores, source=np.asarray(source, dtype=float), joint_cov=joint)


# --- the rule -----------------------------------------------------------------------------------


@pytest.mark.parametrize("vcov", ["CR2", "CR3", "CR1"])
@pytest.mark.slow
def test_verdict_changes_exactly_at_the_limits_against_theory(vcov: Any) -> None:
    scores = some_scores(3)
    first = judge(scores, slope(), vcov=vcov)
    gap = 1e-9
    # Where all methods agree does not depend on the threshold.
    agreed = min(first.conf_low, judge(scores, slope(-1.0), vcov=vcov).agree_low)
    agreed_less = max(first.conf_high, judge(scores, slope(1.0), vcov=vcov).agree_high)
    for threshold, expected in (
        (agreed - gap, "supported"),
        (agreed + gap, "inconclusive"),
        (first.conf_low - gap, "supported" if agreed == first.conf_low else "inconclusive"),
        (first.conf_low + gap, "inconclusive"),
        (first.conf_high - gap, "inconclusive"),
        (agreed_less - gap, "inconclusive"),
        (agreed_less + gap, "refuted"),
    ):
        verdict = judge(scores, slope(threshold), vcov=vcov)
        assert verdict.verdict == expected
        withheld = first.conf_low > threshold > agreed or first.conf_high < threshold < agreed_less
        assert ("its own test alone would say" in verdict.reason) == withheld
        assert (verdict.conf_low, verdict.conf_high) == (first.conf_low, first.conf_high)
        assert verdict.threshold == threshold
        # The one-sided p is at most the level beyond the limits of the interval, or its complement.
        assert (verdict.p_value < 0.05) == (threshold < first.conf_low)
        assert (verdict.p_value > 0.95) == (threshold > first.conf_high)


@pytest.mark.parametrize("level", [0.01, 0.05, 0.1, 0.25])
def test_level_is_that_of_a_one_sided_test_against_theory(level: float) -> None:
    scores = some_scores(3)
    verdict = judge(scores, slope(level=level, term="release_year"))
    trend = fit_trend(scores, "release_year")
    row = trend.tidy(conf_level=1 - 2 * level).set_index("term").loc["release_year"]
    assert verdict.conf_level == pytest.approx(1 - 2 * level)
    for name in ("estimate", "std_error", "df", "conf_low", "conf_high"):
        assert getattr(verdict, name) == pytest.approx(row[name], rel=1e-9), name
    t = verdict.estimate / verdict.std_error
    assert verdict.p_value == pytest.approx(stats.t.sf(t, verdict.df))
    assert f"{1 - 2 * level:.0%} interval" in verdict.rule


def test_level_is_five_per_cent_by_default() -> None:
    assert judge(some_scores(), slope()).conf_level == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("true_slope", "margin", "expected"),
    [
        (0.0, 0.05, "supported"),
        (-0.05, 0.05, "supported"),  # small models are better
        (0.06, 0.05, "refuted"),  # two tenfold steps: 12 points below
        (0.06, 0.2, "supported"),
        (0.025, 0.05, "inconclusive"),  # the loss is the margin
    ],
)
def test_direction_and_margin_of_non_inferiority_against_theory(
    true_slope: float, margin: float, expected: str
) -> None:
    verdict = judge(scores_with_slope(true_slope), non_inferiority(margin))
    # HAT at small minus HAT at large, so that a growing HAT gives a negative difference.
    assert verdict.estimate == pytest.approx(-2 * true_slope, abs=0.02)
    assert verdict.threshold == -margin
    assert verdict.verdict == expected
    assert verdict.quantity == "HAT at 1B minus HAT at 100B parameters"


def test_margin_is_compared_with_the_lower_limit_against_theory() -> None:
    scores = some_scores(3)
    low = judge(scores, non_inferiority()).conf_low
    assert low < 0
    assert judge(scores, non_inferiority(-low + 1e-9)).verdict == "supported"
    assert judge(scores, non_inferiority(-low - 1e-9)).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("true_slope", "expected"), [(0.05, "supported"), (0.0, "inconclusive"), (-0.05, "refuted")]
)
def test_direction_of_a_slope_against_theory(true_slope: float, expected: str) -> None:
    verdict = judge(scores_with_slope(true_slope), slope(term=SIZE))
    assert verdict.estimate == pytest.approx(true_slope, abs=0.01)
    assert verdict.verdict == expected


def test_direction_of_a_slope_difference_against_theory() -> None:
    claim = {**slope(term=SIZE), "kind": "slope_difference"}
    scores = scores_with_slope(0.02)
    size = np.log10(scores.covariates["params_total"].to_numpy())
    noise = 0.01 * np.random.default_rng(6).standard_normal(20)
    faster = judge(with_source(scores, 0.5 + 0.1 * (size - 10) + noise), claim)
    assert faster.estimate == pytest.approx(0.08, abs=0.01)
    assert faster.verdict == "supported"
    slower = judge(with_source(scores, 0.5 - 0.1 * (size - 10) + noise), claim)
    assert slower.estimate == pytest.approx(-0.12, abs=0.01)
    assert slower.verdict == "refuted"
    assert judge(with_source(scores, 0.5 + 0.1 * (size - 10) + noise), {**claim, "threshold": 0.2})
    assert "source accuracy per tenfold size (0." in faster.quantity


# --- defaults -----------------------------------------------------------------------------------


def test_default_formulas() -> None:
    scores = with_source(some_scores(), np.linspace(0.4, 0.9, 20))
    claims = [
        non_inferiority(),
        slope(term="release_year"),
        {**slope(term=SIZE), "kind": "slope_difference", "name": "d"},
        slope(term="release_year", formula=FORMULA, name="g"),
    ]
    formulas = [SIZE, "release_year", SIZE, FORMULA]
    verdicts = evaluate_claims(scores, claims)
    assert [verdict.name for verdict in verdicts] == ["small", "s", "d", "g"]
    for claim, formula, verdict in zip(claims, formulas, verdicts, strict=True):
        alone = judge(scores, {**claim, "formula": formula})
        assert verdict.verdict_alone == alone.verdict
        # Among others Holm may withhold a verdict, for which it then gives the reason.
        of_one = {name: getattr(alone, name) for name in ("p_holm", "verdict", "reason")}
        assert replace(verdict, **of_one).summary() == alone.summary()
    assert verdicts[1].estimate != verdicts[3].estimate


def test_a_verdict_has_the_facts_of_its_trend() -> None:
    scores = some_scores(params_total=table_of_models()["params_total"].where(FAMILY != 3))
    verdict = judge(scores, non_inferiority(statement="All is well."))
    assert (verdict.n_models, verdict.n_clusters, verdict.p_floor) == (17, 5, 1 / 16)
    assert verdict.method == "CR2 by family, Satterthwaite df, accuracy scale"
    assert verdict.statement == "All is well."
    assert judge(scores, non_inferiority(), vcov="CR3").method.startswith("CR3 by family, G - 1")
    assert judge(scores, non_inferiority(), vcov="CR3").df == 4
    lab = np.array(["a", "b", "c", "d"])[np.arange(20) % 4]
    by_lab = judge(some_scores(lab=lab), non_inferiority(), cluster="lab")
    assert (by_lab.n_clusters, by_lab.method[:10]) == (4, "CR2 by lab")


# --- not testable -------------------------------------------------------------------------------


def test_unknown_sizes_are_not_testable() -> None:
    scores = some_scores(params_total=np.full(20, np.nan))
    sized, dated = evaluate_claims(scores, [non_inferiority(), slope()])
    assert sized.verdict == "not testable"
    assert sized.reason == "no model has a value of params_total"
    assert np.isnan([sized.estimate, sized.std_error, sized.df, sized.p_value]).all()
    assert np.isnan([sized.conf_low, sized.conf_high, sized.threshold]).all()
    assert (sized.n_models, sized.n_clusters) == (0, 0)
    assert sized.summary() == "small: not testable (no model has a value of params_total)"
    assert dated.verdict != "not testable"
    assert dated.reason == ""


def test_one_family_is_not_testable() -> None:
    verdict = judge(some_scores(family="Qwen"), slope())
    assert verdict.verdict == "not testable"
    assert verdict.reason.startswith("all 20 models are of one family (Qwen)")


@pytest.mark.parametrize(
    ("column", "value"), [("release_date", np.datetime64("2025-03-01")), ("params_total", 7e9)]
)
def test_the_same_date_or_size_everywhere_is_not_testable(column: str, value: Any) -> None:
    scores = some_scores(**{column: np.full(20, value)})
    verdict = judge(scores, slope(term="release_year", formula=FORMULA))
    assert verdict.verdict == "not testable"
    assert "for every model" in verdict.reason


def test_collinear_size_and_date_are_not_testable() -> None:
    days = np.arange(20)
    scores = some_scores(
        release_date=np.datetime64("2025-01-01") + days, params_total=10.0 ** (9 + days / 365)
    )
    verdict = judge(scores, slope(formula=FORMULA))
    assert verdict.verdict == "not testable"
    assert "depend on each other" in verdict.reason


def test_given_scores_have_no_source_slope() -> None:
    claim = {**slope(term=SIZE), "kind": "slope_difference"}
    verdict = judge(some_scores(), claim)
    assert verdict.verdict == "not testable"
    assert verdict.reason == (
        "these scores come without source accuracies, so that the two slopes cannot be compared"
    )


def test_a_slope_of_one_family_alone_is_not_testable() -> None:
    """Only one family has models of more than one date: a family effect could be anything."""
    only = np.where(FAMILY == 0, np.arange(20.0), 3.0)
    for values, family in ((only, 0), ((FAMILY == 2).astype(float), 2)):
        verdict = judge(some_scores(only=values), slope(term="only"))
        assert verdict.verdict == "not testable"
        assert f"identified by cluster 'family-{family}' alone" in verdict.reason
        assert np.isnan([verdict.df, verdict.std_error, verdict.conf_low, verdict.p_value]).all()
        assert np.isfinite(verdict.estimate)


def test_no_variation_is_not_testable() -> None:
    """Scores that are the source accuracies: the difference and its standard error are zero."""
    scores = some_scores()
    same = replace(scores, source=scores.estimates, joint_cov=np.tile(scores.covariance, (2, 2)))
    block = np.where(FAMILY[:, None] == FAMILY, scores.covariance, 0.0)
    same = replace(same, covariance=block, joint_cov=np.tile(block, (2, 2)))
    verdict = judge(same, {**slope(term=SIZE), "kind": "slope_difference"})
    assert verdict.verdict == "not testable"
    assert verdict.reason == "the clusters show no variation to judge it by"
    assert np.isnan(verdict.p_value)


def test_a_fit_that_fails_is_not_testable(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any, **__: Any) -> TrendFit:
        raise FitError("no maximum was found")

    monkeypatch.setattr(module, "fit_trend", failing)
    verdict = judge(some_scores(), slope())
    assert verdict.verdict == "not testable"
    assert verdict.reason == "no maximum was found"


def test_every_claim_has_a_verdict_even_if_none_can_be_tested() -> None:
    rng = np.random.default_rng(8)
    table = table_of_models(family=np.zeros(9, int)).assign(params_total=np.nan)
    profile = fit_aggregate(aggregate_study(table, rng.uniform(0.3, 0.9, (9, 3))))
    claims = [
        non_inferiority(),
        slope(),
        {**slope(term=SIZE), "kind": "slope_difference", "name": "d"},
    ]
    verdicts = evaluate_claims(profile, claims)
    assert [verdict.verdict for verdict in verdicts] == ["not testable"] * 3
    assert all(verdict.reason for verdict in verdicts)
    with pytest.raises(NotIdentifiedError):
        fit_trend(profile, "release_year")


LESS = {"direction": "less"}
SHARE = {"kind": "transfer_share", "threshold": 0.5}
GAP = {"kind": "gap_slope", "threshold": -0.1}
BOTH = f"{SIZE} + release_year"
LEAD = {"kind": "slope_difference", "term": "age", "threshold": 0.0}
TWO = {"kind": "contrast", "model": "A", "other": "B", "threshold": 0.0}
MODES = {"small": "off", "large": "on", "variable": "mode"}


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        (non_inferiority(), "HAT at 1B is less than 0.05 below HAT at 100B parameters."),
        (non_inferiority(**LESS), "HAT at 1B is more than 0.05 below HAT at 100B parameters."),
        (non_inferiority(**MODES), "HAT of mode off is less than 0.05 below HAT of on."),
        (non_inferiority(statement="It holds."), "It holds."),
        (slope(), "HAT rises over time."),
        (slope(0.02), "HAT rises by more than 0.02 per year."),
        (slope(-0.02), "HAT falls by less than 0.02 per year."),
        (slope(**LESS), "HAT falls over time."),
        (slope(formula=BOTH), "HAT rises over time among models of equal size."),
        (
            {"kind": "expected_slope", "expected": 0.1},
            "HAT rises by less than 0.1 per tenfold size.",
        ),
        (SHARE, "Less than 50 % of target accuracy's rise with size is transfer."),
        (
            {**SHARE, "direction": "greater"},
            "More than 50 % of target accuracy's rise with size is transfer.",
        ),
        (GAP, "The accuracy gap shrinks by less than 0.1 logits per tenfold size."),
        ({**GAP, **LESS}, "The accuracy gap shrinks by more than 0.1 logits per tenfold size."),
        (
            {**GAP, "threshold": 0.1},
            "The accuracy gap grows by more than 0.1 logits per tenfold size.",
        ),
        (LEAD, "The lead of source accuracy over HAT grows with age."),
        (
            {**LEAD, "threshold": 1},
            "The lead of source accuracy over HAT grows by more than 1 per unit of age.",
        ),
        (TWO, "HAT of A is above HAT of B."),
        ({**TWO, "threshold": -0.1}, "HAT of A is less than 0.1 below HAT of B."),
        ({**TWO, "threshold": 0.1, **LESS}, "HAT of A is less than 0.1 above HAT of B."),
    ],
)
def test_a_claim_in_a_sentence_has_its_side_and_unit(claim: dict[str, Any], said: str) -> None:
    assert claim_sentence(claim) == said


def test_few_series_with_a_wide_interval_are_too_few_to_tell() -> None:
    verdict = judge(scores_with_slope(0.0), non_inferiority())
    wide = 6.0 * (verdict.conf_high - verdict.conf_low)
    far = replace(verdict, within_high=verdict.within_low + wide)
    assert far.series_words() == "within 5 series: too few to tell"
    assert f"within 5 series {verdict.within:.3f} [" in verdict.series_words()


# --- tables -------------------------------------------------------------------------------------


def test_tidy_has_one_column_per_field() -> None:
    verdicts = evaluate_claims(some_scores(), [non_inferiority(), slope(statement="It rises.")])
    table = Verdicts(verdicts).tidy()
    assert list(table.columns) == [field.name for field in fields(Verdict)]
    assert list(table.columns)[:4] == ["name", "kind", "statement", "quantity"]
    assert table["name"].tolist() == ["small", "s"]
    assert table["estimate"].tolist() == [verdict.estimate for verdict in verdicts]
    empty = Verdicts(()).tidy()
    assert list(empty.columns) == list(table.columns)
    assert len(empty) == 0


def test_a_verdict_in_one_sentence() -> None:
    verdict = judge(scores_with_slope(0.0), non_inferiority())
    assert verdict.summary() == (
        f"small: supported; HAT at 1B minus HAT at 100B parameters {verdict.estimate:.3f} "
        f"[{verdict.conf_low:.3f}, {verdict.conf_high:.3f}] (90% interval), threshold -0.05, "
        f"df {verdict.df:.1f}, p < 0.001 (Holm <0.001). Within 5 series {verdict.within:.3f} "
        f"[{verdict.within_low:.3f}, {verdict.within_high:.3f}], 5 of them above the threshold. "
        "Claimed for models like these; these models: supported "
        f"[{verdict.other_low:.3f}, {verdict.other_high:.3f}]"
    )


def test_claims_on_one_profile_equal_the_trends_against_theory() -> None:
    """An aggregate study: verdicts on the accuracy scale, with the gradient's own df."""
    rng = np.random.default_rng(9)
    table = table_of_models(9)
    accuracy = rng.uniform(0.35, 0.9, (20, 3))
    profile = fit_aggregate(aggregate_study(table, accuracy, chance=0.2))
    trend = fit_trend(profile, SIZE)
    verdict, rate = evaluate_claims(profile, [non_inferiority(level=0.1), slope(term=SIZE)])
    estimate, gradient = trend.difference_gradient({"params_total": 1e9}, {"params_total": 1e11})
    error = np.sqrt(gradient @ trend.covariance @ gradient)
    df = trend.robust.df(gradient)[0]
    assert verdict.estimate == pytest.approx(estimate)
    assert verdict.conf_low == pytest.approx(estimate + stats.t.ppf(0.1, df) * error)
    assert verdict.conf_high == pytest.approx(estimate - stats.t.ppf(0.1, df) * error)
    assert verdict.p_value == pytest.approx(stats.t.sf((estimate + 0.05) / error, df))
    row = trend.accuracy_slopes().iloc[0]
    assert (rate.estimate, rate.df) == pytest.approx((row["estimate"], row["df"]))
    # Twice the one-sided p of a slope against zero is the two-sided one of the table.
    assert 2 * min(rate.p_value, 1 - rate.p_value) == pytest.approx(row["p_value"])


# --- few degrees of freedom ---------------------------------------------------------------------


def test_no_verdict_that_one_family_alone_says() -> None:
    """Dates of one family spread over years, of the others over days."""
    rng = np.random.default_rng(1)
    spread = np.where(FAMILY == 0, 3.0, 0.02)
    x = spread * rng.standard_normal(20)
    estimate = 0.5 + 0.02 * x + 0.01 * rng.standard_normal(20)
    scores = scores_of(table_of_models(1).assign(x=x), estimate, np.full(20, 1e-6))
    verdict = judge(scores, slope(term="x"))
    assert verdict.df < 2
    # Student's t is sure: its p value and interval are shown, and why they do not decide.
    assert verdict.p_value == stats.t.sf(verdict.estimate / verdict.std_error, verdict.df) < 0.05
    assert verdict.conf_low > 0
    assert verdict.verdict == verdict.verdict_alone == "inconclusive"
    assert verdict.decisive == "family-0"
    assert verdict.decisive_share > 0.9
    alone = "its own test alone would say supported, but without family-0 it is"
    assert verdict.reason.startswith(alone)
    assert "Its own test alone" in verdict.summary()


# --- many claims --------------------------------------------------------------------------------


def test_holm_against_its_definition() -> None:
    scores = scores_with_slope(0.012, noise=0.02)
    claims = [
        slope(threshold, term=SIZE, name=f"c{threshold}") for threshold in (0.0046, 0.0048, 0.005)
    ]
    verdicts = evaluate_claims(scores, claims)
    p = np.array([verdict.p_value for verdict in verdicts])
    order = np.argsort(p)
    step = np.maximum.accumulate(np.minimum(p[order] * [3, 2, 1], 1.0))
    found = np.array([verdict.p_holm for verdict in verdicts])
    np.testing.assert_allclose(found[order], step)
    for verdict in verdicts:
        agreed = verdict.threshold <= verdict.agree_low
        assert (verdict.verdict == "supported") == (verdict.p_holm <= 0.05 and agreed)
        assert (verdict.verdict_alone == "supported") == (verdict.p_value <= 0.05 and agreed)
    assert any(verdict.verdict != verdict.verdict_alone for verdict in verdicts)


def test_what_refutes_is_the_opposite_claims_p_adjusted_in_its_own_direction() -> None:
    scores = scores_with_slope(0.012, noise=0.02)
    claims = [slope(limit, term=SIZE, name=f"c{limit}") for limit in (0.0195, 0.0197, 0.024)]
    verdicts = evaluate_claims(scores, claims)
    p = np.array([verdict.p_opposite for verdict in verdicts])
    order = np.argsort(p)
    step = np.maximum.accumulate(np.minimum(p[order] * [3, 2, 1], 1.0))
    adjusted = np.array([verdict.p_opposite_holm for verdict in verdicts])
    np.testing.assert_allclose(adjusted[order], step)
    for verdict in verdicts:
        refuted = verdict.p_opposite_holm <= 0.05 and verdict.threshold >= verdict.agree_high
        assert (verdict.verdict == "refuted") == refuted
    assert {verdict.verdict for verdict in verdicts} == {"inconclusive", "refuted"}
    last = verdicts.summary().splitlines()[3]
    assert last.split()[1] == "refuted"
    assert last.endswith(f" {verdicts[2].p_opposite_holm:.3f}")
    (alone,) = evaluate_claims(scores, claims[2:])
    assert alone.p_opposite_holm == alone.p_opposite
    assert f"of the opposite p = {alone.p_opposite:.3f}" in alone.summary()


def test_a_verdict_that_holm_takes_away_says_so_in_either_scope() -> None:
    """Its interval excludes the threshold, so that *inconclusive* needs a reason."""
    scores = scores_with_slope(0.02, noise=0.025)
    (alone,) = evaluate_claims(scores, [slope(term=SIZE, scope="these models")])
    assert (alone.verdict, alone.reason) == ("supported", "")
    level = 1.5 * alone.p_value
    both = [
        slope(term=SIZE, scope=scope, level=level, name=name)
        for scope in ("these models", "models like these")
        for name in (f"{scope} 1", f"{scope} 2")
    ]
    for number in (0, 2):
        found = evaluate_claims(scores, both[number : number + 2])[0]
        mine = number == 0
        verdict, reason = (
            (found.verdict, found.reason) if mine else (found.other_verdict, found.other_reason)
        )
        low = found.conf_low if mine else found.other_low
        assert low > found.threshold
        assert verdict == "inconclusive"
        adjusted = p_text(2.0 * alone.p_value)
        assert (
            reason
            == f"tested alone it would be supported; adjusted for the other claims p is {adjusted}"
        )
        assert reason[1:] in found.summary()


def test_a_claim_without_a_test_makes_no_p_value_larger() -> None:
    """It once counted as a test with a p value of 1, four times whatever was smallest."""
    table = table_of_models(5)
    x = np.where(FAMILY == 0, np.random.default_rng(1).standard_normal(20), 0.0)
    scores = replace(scores_with_slope(0.012, noise=0.02), covariates=table.assign(x=x))
    claims = [slope(0.0046, term=SIZE, name="size"), slope(0.0, term="x", name="one family")]
    size, one = evaluate_claims(scores, claims)
    assert one.verdict == "not testable"
    assert size.p_holm == size.p_value == evaluate_claims(scores, claims[:1])[0].p_value
    assert "Each of the two errors has a probability of at most 0.05, both together" in size.rule
    assert "of 0.1." in size.rule


def test_claims_of_one_status_are_one_family() -> None:
    scores = scores_with_slope(0.012, noise=0.02)
    claims = [slope(0.0, term=SIZE, name=name) for name in ("a", "b")]
    lock = {"hash": claims_hash(claims[:1]), "locked_on": "2026-01-01", "claims": claims[:1]}
    first, second = evaluate_claims(scores, claims, registration=register(claims, lock))
    assert (first.status, second.status) == ("confirmatory", "exploratory")
    assert first.p_holm == first.p_value
    both = evaluate_claims(scores, claims)
    assert both[0].p_holm == pytest.approx(2 * both[0].p_value)


# --- directions, groups, contrasts --------------------------------------------------------------


def test_direction_reverses_a_claim() -> None:
    scores = some_scores(3)
    up, down = (judge(scores, slope(0.01, direction=d)) for d in ("greater", "less"))
    assert down.p_value == pytest.approx(1 - up.p_value)
    assert (down.estimate, down.conf_low) == (up.estimate, up.conf_low)
    falling = scores_with_slope(-0.05)
    assert judge(falling, slope(term=SIZE, direction="less")).verdict == "supported"
    assert judge(falling, slope(term=SIZE)).verdict == "refuted"


def test_groups_of_models_instead_of_sizes() -> None:
    size = table_of_models(5)["params_total"].to_numpy()
    label = np.where(size < np.median(size), "small", "large")
    scores = scores_with_slope(0.0)
    scores = replace(scores, covariates=scores.covariates.assign(group=label))
    claim = non_inferiority(small="small", large="large", variable="group")
    verdict = judge(scores, claim)
    trend = fit_trend(scores, "C(group)")
    assert abs(verdict.estimate) == pytest.approx(abs(trend.estimates[1]))
    assert verdict.quantity == "HAT of group small minus HAT of large"
    assert verdict.verdict == "supported"


def test_a_contrast_of_two_models_against_theory() -> None:
    scores = some_scores(3)
    claim = {"name": "c", "kind": "contrast", "model": "m03", "other": "m07", "threshold": 0.0}
    verdict = judge(scores, claim)
    row = scores.contrast("m03", "m07", 0.9).tidy().iloc[0]
    for name in ("estimate", "std_error", "conf_low", "conf_high"):
        assert getattr(verdict, name) == pytest.approx(row[name])
    assert verdict.p_value == pytest.approx(stats.norm.sf(row["statistic"]))
    rest = [name for name in scores.models if name != "m07"]
    assert judge(scores, claim, models=rest).reason == "m07 is left out"


# --- margins ------------------------------------------------------------------------------------


def test_margin_curve_against_verdicts_at_each_margin() -> None:
    scores = some_scores(3)
    verdict = judge(scores, non_inferiority())
    curve = margin_curves([verdict])
    assert curve.loc[curve["registered"], "margin"].tolist() == [0.05]
    for _, row in curve.iloc[::7].iterrows():
        single = judge(scores, non_inferiority(float(row["margin"])))
        assert row["verdict"] == single.verdict
        assert row["p_value"] == pytest.approx(single.p_value)
        assert row["p_equivalence"] == pytest.approx(single.p_equivalence)
    smallest = curve["smallest_margin"].iloc[0]
    assert judge(scores, non_inferiority(smallest + 1e-9)).verdict == "supported"
    assert judge(scores, non_inferiority(smallest - 1e-9)).verdict == "inconclusive"
    assert curve["p_value"].is_monotonic_decreasing
    assert curve["p_in_margin"].is_monotonic_increasing
    assert len(margin_curves([verdict, judge(scores, slope())])) == len(curve)


def test_equivalence_against_draws() -> None:
    verdict = judge(some_scores(3), non_inferiority())
    draws = verdict.estimate + verdict.std_error * stats.t.rvs(
        verdict.df, size=200_000, random_state=1
    )
    assert verdict.p_in_margin == pytest.approx(np.mean(np.abs(draws) < 0.05), abs=0.005)
    below, above = (
        stats.t.sf((0.05 + sign * verdict.estimate) / verdict.std_error, verdict.df)
        for sign in (1, -1)
    )
    assert verdict.p_equivalence == pytest.approx(max(below, above))
    assert np.isnan(judge(some_scores(4), slope()).p_equivalence)


def test_margin_curve_is_adjusted_for_the_other_claims() -> None:
    scores = scores_with_slope(0.012, noise=0.02)
    others = [slope(0.0048, term=SIZE, name="a"), slope(0.001, term=SIZE, name="b")]
    claims = [non_inferiority(), *others]
    curve = margin_curves(evaluate_claims(scores, claims))
    for row in curve.iloc[::7].to_dict("records"):
        found = evaluate_claims(scores, [{**claims[0], "margin": row["margin"]}, *others])[0]
        assert row["p_holm"] == pytest.approx(found.p_holm, rel=1e-9)
        assert row["verdict"] == found.verdict
    edge = curve["smallest_margin"].iloc[0]
    near = [
        evaluate_claims(scores, [{**claims[0], "margin": edge * (1.0 + e)}, *others])[0].verdict
        for e in (1e-6, -1e-6)
    ]
    assert near == ["supported", "inconclusive"]
    assert edge > -evaluate_claims(scores, claims)[0].conf_low


def test_a_contrast_has_one_p_value_and_one_interval() -> None:
    study = simulate_study([0.0, 1.5], transfer=[0.0, 0.4], rng=1)
    scores = fit_profile(study, method="observed").hat()
    alone = scores.contrast("model-02", "model-01", 0.9)
    claim = {"name": "c", "kind": "contrast", "model": "model-02", "other": "model-01"}
    verdict = judge(scores, {**claim, "threshold": 0.0})
    assert (verdict.conf_low, verdict.conf_high) == (alone.conf_low, alone.conf_high)
    assert verdict.p_value == pytest.approx(alone.p_value / 2.0, rel=1e-9)
    less = judge(scores, {**claim, "threshold": 0.0, "direction": "less"})
    assert less.p_value == pytest.approx(1.0 - verdict.p_value, rel=1e-9)
    # A threshold at the end of the interval has the p value of that end.
    edge = judge(scores, {**claim, "threshold": alone.conf_low})
    assert edge.p_value == pytest.approx(0.05, rel=1e-6)


def test_margin_curve_bad_input() -> None:
    assert margin_curves([judge(some_scores(), slope())]).empty
    with pytest.raises(DataError, match="largest loss"):
        margin_curves([judge(some_scores(), non_inferiority())], [0.05, -0.1])
    unknown = some_scores(params_total=np.full(20, np.nan))
    assert margin_curves([judge(unknown, non_inferiority())]).empty
