"""Kinds of claims that can fail: each is supported, refuted and inconclusive in some world."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from hatstats.calibration.verdict_rates import ClaimWorld, draw_claim_scores, false_verdicts
from hatstats.cli import app
from hatstats.estimators.aggregate.profile import fit_aggregate
from hatstats.estimators.methods import fit_profile
from hatstats.inference.intervals import fieller_interval
from hatstats.inference.reml.group_slopes import group_slopes
from hatstats.inference.reml.meta_regression import fit_reml
from hatstats.scores.scores import HatScores
from hatstats.simulation.simulate import simulate_study
from hatstats.study.claims import _KEYS, check_claims
from hatstats.study.read import read_study
from hatstats.trends.claims.template import claim_template
from hatstats.trends.claims.verdict import Verdict
from hatstats.trends.claims.verdicts import evaluate_claims
from hatstats.trends.regression import fit_trend
from hatstats.trends.seemingly_unrelated import target_split
from hatstats.trends.within_series import series_labels, share_outcome, share_within
from tests.trends.makers import aggregate_study, some_scores, table_of_models

SIZE = "log10(params_total)"
CLAIMS: dict[str, dict[str, Any]] = {
    "transfer_share": {"threshold": 0.5},
    "gap_slope": {"threshold": -0.1},
    "expected_slope": {"expected": 0.05},
    "slope_difference": {"term": SIZE, "threshold": 0.0},
}
FAMILIES = (6, 5, 3, 3, 2, 1)


def judge(kind: str, scores: Any, **more: Any) -> Verdict:
    (found,) = evaluate_claims(scores, [{"name": kind, "kind": kind, **CLAIMS[kind], **more}])
    return found


def world(transfer: float, ability: float, gap: float | None = None) -> HatScores:
    """HAT rises by `transfer` per tenfold size, raw target accuracy by `ability` more."""
    design = ClaimWorld(FAMILIES, transfer, ability, family_sd=0.01, model_sd=0.01, gap=gap)
    return draw_claim_scores(design, np.random.default_rng(3))


@pytest.mark.parametrize("scope", ["models like these", "these models"])
@pytest.mark.parametrize(
    ("kind", "transfer", "ability", "expected"),
    [
        ("transfer_share", 0.02, 0.1, "supported"),
        ("transfer_share", 0.1, 0.01, "refuted"),
        ("transfer_share", 0.05, 0.05, "inconclusive"),
        ("gap_slope", 0.3, 0.05, "supported"),
        ("gap_slope", -0.6, 0.05, "refuted"),
        ("expected_slope", 0.0, 0.05, "supported"),
        ("expected_slope", 0.12, 0.05, "refuted"),
        ("expected_slope", 0.05, 0.05, "inconclusive"),
    ],
)
def test_each_kind_supports_refutes_and_abstains(
    kind: str, transfer: float, ability: float, expected: str, scope: str
) -> None:
    gap = transfer if kind == "gap_slope" else None
    scores = world(0.05 if gap is not None else transfer, ability, gap)
    found = judge(kind, scores, scope=scope)
    assert found.verdict == expected
    assert found.scope == scope
    assert (found.std_error > 0) == (kind != "transfer_share")


def test_a_gap_whose_slope_is_at_the_threshold_is_inconclusive() -> None:
    found = judge("gap_slope", world(0.06, 0.04))
    at = judge("gap_slope", world(0.06, 0.04), threshold=found.estimate)
    assert at.verdict == at.other_verdict == "inconclusive"


def test_a_share_of_nothing_abstains() -> None:
    """Transfer falls as source ability rises: raw target accuracy does not grow."""
    found = judge("transfer_share", world(-0.05, 0.05))
    assert found.verdict == found.other_verdict == "inconclusive"
    assert "does not surely rise" in found.reason
    assert found.p_value > 0.05
    assert found.p_opposite > 0.05


def test_what_is_supported_by_construction_says_so_in_every_output() -> None:
    """Target accuracy grows as fast as source accuracy: the old claim still holds."""
    scores = world(0.01, 0.1)
    found = judge("slope_difference", scores)
    assert found.verdict == "supported"
    verdicts = evaluate_claims(
        scores, [{"name": "old", "kind": "slope_difference", **CLAIMS["slope_difference"]}]
    )
    for text in (found.summary(), verdicts.summary(), verdicts._repr_html_()):
        assert "almost by construction" in " ".join(text.split())
    assert verdicts.tidy()["warning"].str.contains("by construction").all()
    assert found.other_verdict == "supported"


# --- the split ----------------------------------------------------------------------------------


def test_the_split_is_exact_and_its_interval_is_fiellers() -> None:
    scores = world(0.04, 0.06)
    trend = fit_trend(scores, SIZE)
    both = target_split(scores, trend, SIZE)
    X, codes = trend.reml.X, list(trend.reml.codes)
    M = len(scores.models)
    whole = fit_reml(scores.target, X, scores.joint_cov[2 * M :, 2 * M :], codes)
    estimator = whole.cov @ X.T @ whole.weights
    assert scores.target is not None
    ability = estimator @ (scores.target - scores.estimates)
    assert both.other_slope == pytest.approx(whole.params[1], rel=1e-9)
    assert both.transfer_slope == pytest.approx((estimator @ scores.estimates)[1], rel=1e-9)
    assert both.estimate == pytest.approx(ability[1], rel=1e-8)
    found = judge("transfer_share", scores)
    assert found.estimate == pytest.approx(both.transfer_slope / both.other_slope)
    rows = np.stack([both.transfer_gradient, both.other_gradient])
    values = [both.transfer_slope, both.other_slope]
    limits = fieller_interval(values, rows @ both.robust.cov @ rows.T, found.df, 0.9)
    assert (found.conf_low, found.conf_high) == pytest.approx(limits)


def test_the_share_inside_series_is_that_of_every_series() -> None:
    """Between families the share is another one, which a mean within series does not see."""
    scores = world(0.05, 0.05)
    size = np.log10(scores.covariates["params_total"].to_numpy(dtype=float))
    family = np.unique(scores.covariates["family"], return_inverse=True)[1]
    noise = 1e-4 * np.random.default_rng(1).standard_normal((2, size.size))
    apart = np.array([-0.2, 0.0, 0.2, 0.1, -0.1, 0.0])[family]
    own = replace(scores, estimates=0.06 * size + apart + noise[0], target=0.08 * size + noise[1])
    trend = fit_trend(own, SIZE)
    share, low, high = share_within(trend, SIZE, 0.9)
    assert share == pytest.approx(0.75, abs=0.02)
    assert low < share < high
    for side, limit in ((0.0, share), (1.0, high), (-1.0, low)):
        found = group_slopes(*share_outcome(trend, SIZE, limit), series_labels(trend))
        reached = found.mean + side * found.std_error * stats.t.ppf(0.95, found.df)
        assert reached == pytest.approx(0.0, abs=1e-5)
    claim = judge("transfer_share", own, scope="models like these", threshold=0.7)
    assert (claim.within, claim.within_low, claim.within_high) == (share, low, high)
    assert (claim.n_series, claim.n_series_above) == (5, 5)


def test_a_share_is_left_open_where_series_say_otherwise() -> None:
    """Small models of families that transfer well: pooled, transfer seems to fall with size."""
    table = table_of_models(1)
    family = np.unique(table["family"], return_inverse=True)[1]
    centre = np.array([9.0, 9.4, 9.8, 10.2, 10.6, 11.0])[family]
    inside = 0.3 * np.random.default_rng(2).standard_normal(len(family))
    scores = world(0.05, 0.05)
    covariates = scores.covariates.assign(params_total=10.0 ** (centre + inside))
    transfer = 0.1 * inside - 0.02 * (centre - 10.0)
    target = 0.1 * inside + 0.1 * (centre - 10.0)
    own = replace(scores, covariates=covariates, estimates=0.5 + transfer, target=0.5 + target)
    found = judge("transfer_share", own, scope="models like these")
    assert found.estimate < 0.2
    assert (found.verdict, found.n_series_above) == ("inconclusive", found.n_series)
    assert found.within == pytest.approx(1.0, abs=0.05)
    assert "within series transfer's slope less 0.5 of the whole" in found.reason


def test_these_models_against_plain_least_squares() -> None:
    """The errors of a gap are those of its items: a weighted sum of the known covariance."""
    scores = world(0.04, 0.06)
    found = judge("gap_slope", scores, scope="these models")
    M = len(scores.models)
    assert scores.target is not None
    J = np.hstack(
        [
            np.zeros((M, M)),
            np.diag(1 / (scores.source * (1 - scores.source))),
            np.diag(-1 / (scores.target * (1 - scores.target))),
        ]
    )
    V = J @ scores.joint_cov @ J.T
    gap = np.log(scores.source / (1 - scores.source)) - np.log(scores.target / (1 - scores.target))
    X = fit_trend(scores, SIZE).reml.X
    codes = fit_trend(scores, SIZE).reml.codes
    fit = fit_reml(gap, X, V, codes)
    row = (fit.cov @ X.T @ fit.weights)[1]
    assert found.estimate == pytest.approx(row @ gap, rel=1e-9)
    assert found.std_error == pytest.approx(np.sqrt(row @ V @ row), rel=1e-9)


def logits_study(transfer: float, ability: float, seed: int = 1) -> Any:
    """Accuracies of 20 models whose source logits rise by `ability` per decade, beta 1."""
    rng = np.random.default_rng(seed)
    table = table_of_models(5)
    size = np.log10(table["params_total"].to_numpy()) - 10.0
    source = 0.5 + ability * size + 0.4 * rng.standard_normal(20)
    effect = transfer * size + 0.02 * rng.standard_normal(20)
    target = source[:, None] - 0.5 + effect[:, None] + 0.1 * np.arange(3)
    logits = np.column_stack([source, target])
    return fit_aggregate(aggregate_study(table, 1 / (1 + np.exp(-logits))))


@pytest.mark.parametrize(
    ("transfer", "ability", "share", "gap"),
    [(0.02, 0.4, "supported", "supported"), (0.5, 0.1, "refuted", "refuted")],
)
def test_the_kinds_from_accuracies_alone(
    transfer: float, ability: float, share: str, gap: str
) -> None:
    profile = logits_study(transfer, ability)
    found = judge("transfer_share", profile)
    trend = fit_trend(profile, SIZE)
    both = target_split(profile, trend, SIZE)
    assert both.transfer_slope == pytest.approx(trend.estimates[-1])
    assert trend.panel is not None
    ability_part = trend.panel.slopes()[0] * trend.panel.source_fit[0].params[1]
    assert both.estimate == pytest.approx(ability_part, rel=1e-9)
    assert found.estimate == pytest.approx(transfer / (transfer + ability), abs=0.25)
    assert {found.verdict, found.other_verdict} >= {share} or found.other_verdict == share
    shrinks = judge("gap_slope", profile)
    assert shrinks.estimate == pytest.approx(-transfer, abs=0.05)
    assert shrinks.other_verdict == gap


def test_the_share_inside_series_from_accuracies_alone() -> None:
    """Outcomes at shares of 0 and 1 are transfer, and source ability with its errors alone."""
    profile = logits_study(0.2, 0.3)
    trend = fit_trend(profile, SIZE)
    panel = trend.panel
    assert panel is not None
    free, bare = (share_outcome(trend, SIZE, share) for share in (0.0, 1.0))
    mean = np.array([panel.model == name for name in trend.design.models]) / 3.0
    line = mean @ panel.source * panel.slopes()[0]
    np.testing.assert_allclose(bare.y, -line, rtol=1e-9)
    np.testing.assert_allclose(free.y - bare.y, trend.collapsed[0], rtol=1e-9)
    own = (mean**2) @ panel.target_var
    np.testing.assert_allclose(np.diag(free.V - bare.V), own, rtol=1e-9)
    found = judge("transfer_share", profile)
    assert found.within_low < found.within < found.within_high
    held = replace(profile, panel=replace(profile.panel, slope=1.0))
    again = share_outcome(fit_trend(held, SIZE), SIZE, 1.0)
    observed = profile.parts[0].source[[profile.parts[0].counts.models.index(m) for m in
                                        trend.design.models]]  # fmt: skip
    np.testing.assert_allclose(again.y, -observed, rtol=1e-9)


def test_the_whole_of_a_curved_panel_is_the_slope_of_target_logits() -> None:
    """But for what a path misses; its mean steepness times a slope is another number."""
    rng = np.random.default_rng(4)
    table = table_of_models(5)
    size = np.log10(table["params_total"].to_numpy()) - 10.0
    source = 0.7 * size + 0.6 * rng.standard_normal(20)
    line = 0.9 * source + 0.3 * source**2 + 0.25 * size + 0.05 * rng.standard_normal(20)
    logits = np.column_stack([source, *(line - shift for shift in (0.6, 0.9))])
    profile = fit_aggregate(aggregate_study(table, 1 / (1 + np.exp(-logits)), n_trials=10**7))
    assert profile.curved
    trend = fit_trend(profile, SIZE)
    both = target_split(profile, trend, SIZE)
    wanted = np.polyfit(size, line, 1)[0]
    assert both.other_slope == pytest.approx(wanted, rel=0.03)
    assert trend.panel is not None
    steep = trend.panel.slopes()[0] * trend.panel.source_fit[0].params[1]
    assert abs(both.transfer_slope + steep - wanted) > 0.09 * wanted


def test_scores_made_elsewhere_have_nothing_to_split() -> None:
    for kind, words in (("transfer_share", "without raw target"), ("gap_slope", "no gap")):
        found = judge(kind, some_scores())
        assert found.verdict == "not testable"
        assert words in found.reason


# --- how often verdicts are false ---------------------------------------------------------------


@pytest.mark.parametrize("kind", ["transfer_share", "gap_slope"])
@pytest.mark.slow
def test_false_verdicts_at_the_threshold_are_rare(kind: Any) -> None:
    table = false_verdicts(kind, n_replicates=30, rng=2)
    rows = table.set_index("scope")
    for scope in ("models like these", "these models"):
        # More than five of thirty false ones have a probability of .003 at a rate of .05.
        assert rows.loc[scope, "supported"] <= 5 / 30
        assert rows.loc[scope, "refuted"] <= 5 / 30
    assert rows.loc["models like these", "n_replicates"] == 30


def test_a_verdict_does_not_jump_at_two_degrees_of_freedom() -> None:
    """A panel that one family dominates is decided where all families say the same."""
    design = ClaimWorld((26, 6, 4, 4), -0.0, 0.05, family_sd=0.05, model_sd=0.03)
    scores = draw_claim_scores(design, np.random.default_rng(4))
    size = np.log10(scores.covariates["params_total"].to_numpy(dtype=float))
    steep = replace(scores, estimates=scores.estimates + 0.25 * (size - 10.0))
    claim = {"name": "n", "kind": "non_inferiority", "small": 1e9, "large": 3e10, "margin": 0.05}
    (found,) = evaluate_claims(steep, [claim])
    assert found.verdict == "refuted"
    assert found.n_series == 4
    assert found.n_series_above == 0


@pytest.mark.slow
def test_a_panel_of_one_large_family_is_decided() -> None:
    """Qwen has 26 of these 42 models; the series of every family say the same."""
    study = read_study("data/gsm_symbolic").without_flagged()
    names = [name for name in study.model_names if not name.startswith(("Apertus", "EuroLLM"))]
    scores = fit_profile(study.select(models=names)).hat()
    broken = next(claim for claim in study.claims if claim["kind"] == "non_inferiority")
    (found,) = evaluate_claims(scores, [broken])
    assert found.verdict == found.other_verdict == "refuted"
    assert found.conf_high < -0.2
    assert (found.n_series, found.n_series_above) == (7, 0)
    assert found.n_clusters == 4


# --- the template -------------------------------------------------------------------------------


def test_the_template_registers_a_claim_of_every_kind(tmp_path: Path) -> None:
    study = simulate_study([m / 10 for m in range(-9, 10)], rng=1)
    text = claim_template(study)
    claims = check_claims(tomllib.loads(text)["claims"])
    commented = text.replace("# [[claims]]", "[[claims]]").replace("# name", "name")
    for key in ("kind", "term", "threshold"):
        commented = commented.replace(f"# {key} =", f"{key} =")
    every = check_claims(tomllib.loads(commented)["claims"])
    assert {claim["kind"] for claim in every} == set(_KEYS)
    assert len(every) == len(claims) + 1
    profile = fit_profile(study, method="observed")
    verdicts = evaluate_claims(profile.hat(), claims)
    assert "not testable" not in {found.verdict for found in verdicts}
    folder = study.write(tmp_path / "s")
    done = CliRunner().invoke(app, ["claims", str(folder), "--template"])
    assert done.exit_code == 0
    assert done.stdout == text
