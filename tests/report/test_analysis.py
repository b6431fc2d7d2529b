"""The main job on real and on small studies: complete, repeatable, and honest about gaps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hatstats.errors import DegenerateDataWarning, FitError, NotIdentifiedError
from hatstats.estimators.aggregate.profile import AggregateProfile
from hatstats.estimators.latent.fit import LatentOptions
from hatstats.estimators.methods import fit_profile
from hatstats.report.results.analysis import TRENDS, analyse
from hatstats.report.results.results import ReportOptions, Results
from hatstats.report.tables.latex_macros import macros
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.study import Study
from hatstats.trends.claims import specifications as tried
from hatstats.trends.claims.verdict import Verdicts
from hatstats.trends.claims.verdicts import evaluate_claims
from hatstats.trends.decomposition import decompose
from hatstats.trends.regression import fit_trend
from tests.report.runs import real_analysis, small_analysis, small_job
from tests.report.studies import aggregate_study, item_study

pytestmark = pytest.mark.slow

STUDIES = ("euroeval", "mmlu_prox", "winogrande_african")


@pytest.fixture(scope="module")
def analyses() -> dict[str, Results]:
    return {name: real_analysis(name) for name in STUDIES}


def changed(study: Study, **columns: Any) -> Study:
    """The same study with other columns of its table of models."""
    models = study.models.assign(**columns)
    return Study(study.counts, models, study.benchmarks, study.items, study.info, study.claims)


# --- real studies -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STUDIES)
def test_key_results_fit_a_terminal(name: str, analyses: dict[str, Results]) -> None:
    lines = analyses[name].key_results
    assert 4 <= len(lines) <= 17
    assert max(map(len, lines)) <= 80
    for claim in analyses[name].fits.claims:
        sentence = (claim.statement or claim.name.replace("_", " ").capitalize()).rstrip(".")
        found = f": {claim.verdict}"
        own = [line.removesuffix(found) for line in lines if line.endswith(found)]
        # A long sentence is cut to leave room for what was found.
        cut = [said[:-1] for said in own if said.endswith("…")]
        assert own.count(sentence) + sum(map(sentence.startswith, cut)) == 1, sentence


@pytest.mark.parametrize("name", STUDIES)
def test_best_model_is_that_of_the_scores(name: str, analyses: dict[str, Results]) -> None:
    analysis = analyses[name]
    weak = set(analysis.fits.scores.overlap.query("not informed")["model"])
    known = [index for index, model in enumerate(analysis.fits.scores.models) if model not in weak]
    best = max(known, key=lambda index: analysis.fits.scores.estimates[index])
    assert analysis.key_results[1].startswith(f"Highest HAT: {analysis.fits.scores.models[best]} ")
    assert list(analysis.fits.ranks["model"]) == [analysis.fits.scores.models[m] for m in known]


@pytest.mark.parametrize("name", ["euroeval", "mmlu_prox"])
def test_claims_and_trends_rest_on_the_one_regression(
    name: str, analyses: dict[str, Results]
) -> None:
    analysis = analyses[name]
    assert isinstance(analysis.fits.profile, AggregateProfile)
    assert list(analysis.fits.trends) == list(TRENDS)
    assert analysis.fits.not_fitted == {}
    assert all(trend.panel is not None for trend in analysis.fits.trends.values())
    again = evaluate_claims(analysis.fits.profile, analysis.fits.study.claims)
    assert Verdicts(analysis.fits.claims).tidy().equals(Verdicts(again).tidy())
    size = analysis.fits.trends["size"]
    assert set(size.left_out) == set(
        analysis.fits.study.models.loc[analysis.fits.study.models["params_total"].isna(), "model"]
    )
    terms = {"gap", "ratio", "excess", "gamma", "parity_gap"}
    assert set(analysis.measures["term"]) == terms


def test_trends_of_accuracies_stand_beside_those_at_a_source_slope_of_one(
    analyses: dict[str, Results],
) -> None:
    analysis = analyses["euroeval"]
    held = fit_profile(analysis.fits.used, method="aggregate", slope=1.0)
    rows = analysis.trends.query("scale == 'accuracy' and scope == 'models like these'")
    by_name = {name: part.set_index("term") for name, part in rows.groupby("trend")}
    for name, formula in TRENDS.items():
        again = fit_trend(held, formula).accuracy_slopes().set_index("term")
        for column in ("estimate", "conf_low", "conf_high"):
            found = by_name[f"{name}, slope 1"][column]
            np.testing.assert_allclose(found, again[column], rtol=1e-6)
            assert (found != by_name[name][column]).all()
    assert analyses["winogrande_african"].fits.held == {}
    macro = next(name for name in macros(analysis) if name.startswith("HatTrendSizeSlopeOne"))
    assert macro == "HatTrendSizeSlopeOneLogParametersEstimate"


def test_flagged_cells_are_left_out_and_said_so(analyses: dict[str, Results]) -> None:
    analysis = analyses["euroeval"]
    flagged = len(analysis.fits.study.flagged)
    assert flagged == 2
    assert len(analysis.fits.used.counts) == len(analysis.fits.study.counts) - flagged
    assert len(analysis.fits.used.flagged) == 0
    assert analysis.key_results[-1].startswith("2 suspicious cells left out; other choices change ")
    assert "flagged cells included" in set(analysis.specification["choice"])


def test_a_model_whose_source_is_flagged_has_no_score_for_that_reason() -> None:
    study = aggregate_study().without_flagged()
    lost = study.model_names[0]
    counts = study.counts.copy()
    counts.loc[study.is_source & counts["model"].eq(lost), ["flag", "evidence"]] = ["format", "0 %"]
    with pytest.warns(DegenerateDataWarning, match=lost):
        done = analyse(replace(study, counts=counts), ReportOptions(quick=True))
    rows = done.left_out[done.left_out["analysis"] == "scores"].set_index("model")["reason"]
    assert rows.to_dict() == {lost: "results in the source language are suspicious and left out"}


def test_flagged_cells_can_be_used(analyses: dict[str, Results]) -> None:
    default = analyses["euroeval"]
    study = default.fits.study
    with_them = analyse(study, ReportOptions(quick=True, with_flagged=True))
    assert with_them.fits.used is study
    assert with_them.key_results[-1] == "2 suspicious cells used."
    cells = study.flagged
    moved = with_them.fits.scores.estimates - default.fits.scores.estimates
    touched = [model in set(cells["model"]) for model in default.fits.scores.models]
    # A broken cell lowers its own model, and hardly moves the others.
    assert any(touched)
    assert (moved[touched] < -0.005).all()
    assert np.abs(moved[~np.array(touched)]).max() < np.abs(moved[touched]).min()
    # The sensitivity table of the default analysis has the same numbers.
    row = default.specification.query("choice == 'flagged cells included'").set_index("claim")
    for claim in with_them.fits.claims:
        assert row.loc[claim.name, "estimate"] == pytest.approx(claim.estimate, rel=1e-9)
        assert row.loc[claim.name, "verdict"] == claim.verdict


def test_one_family_has_scores_but_no_trend(analyses: dict[str, Results]) -> None:
    analysis = analyses["winogrande_african"]
    assert analysis.fits.trends == {}
    assert set(analysis.fits.not_fitted) == set(TRENDS)
    assert "one family (GPT)" in analysis.fits.not_fitted["date"]
    assert "no model has a value of params_total" in analysis.fits.not_fitted["size"]
    assert analysis.fits.scores.nobs == 3
    assert analysis.fits.scores.method == "latent"
    assert (analysis.fits.claims, len(analysis.specification)) == ((), 0)


def test_sensitivity_has_the_reported_row_first(analyses: dict[str, Results]) -> None:
    analysis = analyses["euroeval"]
    table = analysis.specification
    names = [claim.name for claim in analysis.fits.claims]
    assert len(names) == 5
    assert list(table.columns)[:2] == ["choice", "claim"]
    choices = list(dict.fromkeys(table["choice"]))
    assert choices == [
        "as reported",
        "flagged cells included",
        "slope of source accuracy held at 1",
        "two stages: scores regressed afterwards",
        "two stages, correlation of items 0.3",
        "two stages, correlation of items 0.6",
        "two stages, logits of scores",
        "chance level not taken out",
        "standard errors CR3",
        "without weakly identified models",
        "active parameters",
        *(f"without family {name}" for name in dict.fromkeys(analysis.fits.study.models["family"])),
    ]
    assert list(table["claim"]) == names * len(choices)
    for claim, row in zip(analysis.fits.claims, table.itertuples(), strict=False):
        assert (row.choice, row.claim, row.verdict) == ("as reported", claim.name, claim.verdict)
        for field in ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high"):
            assert getattr(row, field) == pytest.approx(getattr(claim, field), rel=0, nan_ok=True)


def test_sensitivity_rows_are_what_they_are_called(analyses: dict[str, Results]) -> None:
    analysis = analyses["euroeval"]
    table = analysis.specification.set_index(["choice", "claim"])
    (claim,) = [
        dict(c) for c in analysis.fits.study.claims if c["name"] == "small_models_not_broken"
    ]
    profile = analysis.fits.profile
    by_hand = {
        "standard errors CR3": evaluate_claims(profile, [claim], vcov="CR3"),
        "two stages: scores regressed afterwards": evaluate_claims(profile.hat(), [claim]),
        "slope of source accuracy held at 1": evaluate_claims(
            fit_profile(analysis.fits.used, method="aggregate", slope=1.0), [claim]
        ),
        "two stages, correlation of items 0.6": evaluate_claims(
            fit_profile(analysis.fits.used, method="aggregate", correlation=0.6).hat(), [claim]
        ),
    }
    for choice, (verdict,) in by_hand.items():
        row = table.loc[(choice, claim["name"])]
        assert row["estimate"] == pytest.approx(verdict.estimate, rel=1e-9)
        assert row["std_error"] == pytest.approx(verdict.std_error, rel=1e-9)
    estimates = table.xs(claim["name"], level="claim")["estimate"]
    assert estimates.nunique() >= 4


# --- seeds --------------------------------------------------------------------------------------


def test_another_seed_moves_only_what_is_drawn() -> None:
    """That the same seed gives the same bytes is a test of the run folder."""
    first = small_analysis(quick=True)
    other = analyse(aggregate_study(), ReportOptions(quick=True, seed=4))
    assert not first.pairs["p_adjusted"].equals(other.pairs["p_adjusted"])
    np.testing.assert_array_equal(first.fits.scores.estimates, other.fits.scores.estimates)
    np.testing.assert_array_equal(first.fits.ranks["rank"], other.fits.ranks["rank"])
    assert Verdicts(first.fits.claims).tidy().equals(Verdicts(other.fits.claims).tidy())
    assert (first.fits.options.seed, other.fits.options.seed) == (1, 4)


def test_level_reaches_every_interval_but_those_of_claims() -> None:
    wide = small_analysis(quick=True)
    narrow = analyse(aggregate_study(), ReportOptions(quick=True, conf_level=0.5))
    assert (wide.conf_level, narrow.conf_level) == (0.95, 0.5)
    assert set(narrow.fits.ranks["conf_level"]) == set(narrow.measures["conf_level"]) == {0.5}
    width = [
        (one.measures["conf_high"] - one.measures["conf_low"]).mean() for one in (narrow, wide)
    ]
    assert width[0] < 0.5 * width[1]
    assert narrow.key_results[1] != wide.key_results[1]
    assert Verdicts(narrow.fits.claims).tidy().equals(Verdicts(wide.fits.claims).tidy())


# --- progress -----------------------------------------------------------------------------------


@pytest.mark.parametrize("job", ["quick", "whole", "items"])
def test_progress_rises_to_one(job: str) -> None:
    calls: list[tuple[str, float]] = []
    if job == "items":
        options = ReportOptions(quick=True)
        analyse(item_study(), options, progress=lambda what, share: calls.append((what, share)))
    else:
        calls += small_job(quick=job == "quick")[1]
    shares = [share for _, share in calls]
    assert shares[0] == 0.0
    assert shares[-1] == 1.0
    assert shares == sorted(shares)
    assert max(shares[:-1]) < 1.0
    assert calls[-1][0] == "done"
    assert all(what for what, _ in calls)
    assert len(calls) >= 6


def test_quick_leaves_out_only_the_other_choices() -> None:
    quick, full = small_analysis(quick=True), small_analysis()
    assert set(quick.specification["choice"]) == {"as reported"}
    assert len(full.specification) > len(quick.specification)
    assert Verdicts(quick.fits.claims).tidy().equals(Verdicts(full.fits.claims).tidy())
    assert quick.key_results[:-1] == full.key_results[:-1]
    assert not any("choices" in line for line in quick.key_results)
    assert "choices" in full.key_results[-1]


# --- studies that cannot say everything ---------------------------------------------------------


def test_one_family_makes_claims_untestable() -> None:
    analysis = analyse(changed(aggregate_study(), family="Gemma"))
    assert analysis.fits.trends == {}
    for name in TRENDS:
        assert "one family (Gemma)" in analysis.fits.not_fitted[name]
    assert len(analysis.fits.claims) == 2
    for claim in analysis.fits.claims:
        assert claim.verdict == "not testable"
        assert "one family (Gemma)" in claim.reason
    assert set(analysis.specification["verdict"]) == {"not testable"}
    lines = analysis.key_results
    like = [at for at, line in enumerate(lines) if line.endswith(": not testable")]
    assert len(like) == 2
    assert all("one family (Gemma)" in lines[at + 1] for at in like)
    assert all(lines[at + 2].startswith("  these models: ") for at in like)
    assert not any("nan" in line for line in lines)
    # For these very models one family is enough.
    assert {claim.other_verdict for claim in analysis.fits.claims} <= {"supported", "inconclusive"}
    assert analysis.fits.scores.nobs == 9


def test_studies_without_sizes() -> None:
    analysis = analyse(changed(aggregate_study(), params_total=np.nan, params_active=np.nan))
    assert list(analysis.fits.trends) == ["date"]
    assert set(analysis.fits.not_fitted) == {"size", "size and date"}
    by_name = {claim.name: claim for claim in analysis.fits.claims}
    assert by_name["small_models_not_broken"].verdict == "not testable"
    assert by_name["small_models_not_broken"].reason == "no model has a value of params_total"
    assert by_name["progress_over_time"].verdict != "not testable"
    lines = analysis.key_results
    assert "  no model has a value of params_total" in lines
    assert not any("nan" in line for line in lines)


def test_studies_without_dates() -> None:
    analysis = analyse(changed(aggregate_study(), release_date=pd.NaT), ReportOptions(quick=True))
    assert list(analysis.fits.trends) == ["size"]
    assert analysis.fits.claims[1].reason == "no model has a value of release_year"


def test_models_of_one_day_or_one_size() -> None:
    """A covariate that is the same everywhere is a finding about the study, not a wrong file."""
    same = changed(
        aggregate_study(),
        release_date=pd.Timestamp("2025-02-03"),
        params_total=7e9,
        params_active=np.nan,
    )
    analysis = analyse(same)
    assert analysis.fits.trends == {}
    assert [claim.verdict for claim in analysis.fits.claims] == ["not testable"] * 2
    assert "is 9.8451 for every model" in analysis.fits.claims[0].reason
    assert "release_year is 2025.09 for every model" in analysis.fits.claims[1].reason
    assert set(analysis.specification["verdict"]) == {"not testable"}


def test_a_study_without_claims() -> None:
    study = aggregate_study()
    silent = Study(study.counts, study.models, study.benchmarks, info=study.info)
    analysis = analyse(silent)
    assert (analysis.fits.claims, len(analysis.specification)) == ((), 0)
    assert analysis.key_results[-1] == "1 suspicious cell left out."
    assert list(analysis.fits.trends) == list(TRENDS)


def test_too_few_models_for_a_line_bad_input() -> None:
    study = aggregate_study().select(models=["m_1", "m_2"])
    with pytest.raises(NotIdentifiedError, match="2 models cannot separate a line"):
        analyse(study)


def test_a_wrong_claim_has_its_reason_and_stops_no_other_bad_input() -> None:
    study = aggregate_study()
    claim = {"name": "x", "kind": "slope", "term": "hight", "threshold": 0.0}
    claims = (claim, {**claim, "name": "y", "term": "release_year"})
    both = Study(study.counts, study.models, study.benchmarks, claims=claims)
    wrong, right = analyse(both, ReportOptions(quick=True)).fits.claims
    assert wrong.verdict == "not testable"
    assert "hight" in wrong.reason
    assert right.verdict != "not testable"


def test_a_choice_that_cannot_be_fitted_is_a_row_with_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fit = tried.fit_profile

    def failing(study: Study, **options: Any) -> Any:
        if options.get("slope") == 1.0:
            raise FitError("the climb did not end")
        if options.get("correlation") == 0.6:
            raise NotIdentifiedError("too few models")
        return fit(study, **options)

    monkeypatch.setattr(tried, "fit_profile", failing)
    analysis = analyse(aggregate_study())
    table = analysis.specification.set_index("choice")
    for choice, reason in (
        ("slope of source accuracy held at 1", "the climb did not end"),
        ("two stages, correlation of items 0.6", "too few models"),
    ):
        rows = table.loc[[choice]]
        assert set(rows["verdict"]) == {"not testable"}
        assert set(rows["reason"]) == {reason}
        assert rows["estimate"].isna().all()
        assert len(rows) == 2
    assert table.loc["two stages, correlation of items 0.3", "estimate"].notna().all()


# --- item level ---------------------------------------------------------------------------------


def test_item_level_claims_are_two_stages_and_have_their_own_choices() -> None:
    made = simulate_study(
        np.linspace(-0.8, 1.2, 12), shape=Shape(n_items=50, n_languages=2, n_trials=5), rng=2
    )
    claims = (
        {"name": "rise", "kind": "slope_difference", "term": "release_year", "threshold": 0.0},
        {"name": "date", "kind": "slope", "term": "release_year", "threshold": 0.0},
    )
    study = Study(made.counts, made.models, made.benchmarks, info=made.info, claims=claims)
    analysis = analyse(study)
    assert analysis.fits.scores.method == "latent"
    assert list(dict.fromkeys(analysis.specification["choice"])) == [
        "as reported",
        "reference uniform",
        "conditioning observed",
        "profiles fitted alone",
        "hardness of items from the panel",
        "logits of scores",
        "standard errors CR3",
        "without weakly identified models",
        "without family family-1",
        "without family family-2",
        "without family family-3",
    ]
    assert all(trend.panel is None for trend in analysis.fits.trends.values())
    direct = fit_trend(analysis.fits.scores, "release_year").tidy().set_index("term")
    assert analysis.fits.claims[1].estimate == pytest.approx(direct.loc["release_year", "estimate"])
    assert analysis.fits.claims[0].verdict != "not testable"
    others = {
        "conditioning observed": fit_profile(study, method="observed"),
        "profiles fitted alone": fit_profile(
            study, method="latent", options=LatentOptions(borrow=False)
        ),
        "hardness of items from the panel": fit_profile(study, method="panel"),
    }
    rows = analysis.specification.query("claim == 'date'").set_index("choice")
    for choice, profile in others.items():
        expected = evaluate_claims(profile.hat("pooled"), [claims[1]])[0]
        assert rows.loc[choice, "estimate"] == pytest.approx(expected.estimate)
        assert rows.loc[choice, "std_error"] == pytest.approx(expected.std_error)
    assert len(set(rows.loc[list(others), "estimate"])) == len(others)


def test_options_choose_method_and_reference() -> None:
    study = item_study(4, 2)
    analysis = analyse(study, ReportOptions(quick=True, method="observed", reference="uniform"))
    assert (analysis.fits.scores.method, analysis.fits.scores.reference) == ("observed", "uniform")
    assert "(observed, uniform reference)" in analysis.key_results[0]
    summed = analyse(study, ReportOptions(quick=True, method="aggregate"))
    assert isinstance(summed.fits.profile, AggregateProfile)


@pytest.mark.parametrize("families", [("acme", "acme"), ("acme", "corp")])
def test_a_change_within_the_only_family_is_not_shown_twice(families: tuple[str, str]) -> None:
    study = simulate_study([0.0, 1.0, 0.5], shape=Shape(n_items=60, n_languages=2), rng=1)
    dates = pd.to_datetime(["2023-05-01", "2025-05-01", "2025-06-01"])
    models = study.models.assign(family=[families[0], families[0], families[1]], release_date=dates)
    results = analyse(Study(study.counts, models, study.benchmarks), ReportOptions(quick=True))
    shown = results.decompositions["comparison"].nunique()
    assert shown == len(set(families))


def test_changes_are_split_by_year_by_family_and_by_size() -> None:
    study = simulate_study(np.linspace(-1.0, 1.0, 7), shape=Shape(n_items=60, n_languages=2), rng=1)
    dates = pd.to_datetime([f"{year}-05-01" for year in (2023, 2023, 2024, 2024, 2025, 2025, 2025)])
    size = 10.0 ** np.arange(6, 13)
    facts = {"family": ["acme", "corp"] * 3 + ["acme"], "params_total": size, "params_active": size}
    models = study.models.assign(release_date=dates, **facts)
    study = Study(study.counts, models, study.benchmarks)
    rows = analyse(study, ReportOptions(quick=True, method="observed")).decompositions
    between = ["All", "Years 2023 to 2024", "Years 2024 to 2025", "acme", "corp", "Size"]
    assert list(rows["group"].unique()) == between
    by_size = rows[rows["group"] == "Size"].set_index("term")
    assert by_size["comparison"].unique() == ["3 models of up to 100M, to 3 of 10B or more"]
    names = study.model_names
    alone = decompose(study, names[:3], names[4:], method="observed")
    assert list(by_size["estimate"]) == pytest.approx(alone.estimates.tolist())
    assert list(by_size["std_error"]) == pytest.approx(alone.std_errors.tolist())


def test_a_benchmark_whose_sources_are_all_alike_is_left_out_by_name() -> None:
    """It once ended the report with an error, and of one benchmark alone it still has a slope."""
    study = aggregate_study()
    alike = study.counts.assign(benchmark="alike", flag="", evidence="")
    alike.loc[alike["language"] == "en", "n_correct"] = 700.0
    benchmarks = pd.concat([study.benchmarks, study.benchmarks.assign(benchmark="alike")])
    both = Study(pd.concat([study.counts, alike]), study.models, benchmarks, claims=study.claims)
    done = analyse(both, ReportOptions(quick=True))
    assert done.fits.profile.left_out == ("alike",)
    np.testing.assert_allclose(
        done.fits.scores.estimates, fit_profile(study.without_flagged()).hat().estimates
    )
    rows = done.left_out.set_index("analysis")["reason"]
    assert "no more than their sampling errors" in rows["benchmark alike"]
    assert "Left out: alike, where" in str(done.facts["estimand"])
    assert done.key_results[0].startswith("9 models, 4 families, 1 benchmark, 3 languages")
    alone = Study(alike, study.models, benchmarks.tail(1), claims=study.claims)
    done = analyse(alone, ReportOptions(quick=True))
    assert done.fits.profile.panel.slope == 1.0
    assert "(reliability 0.00)" in str(done.facts["estimand"])
    assert len(done.scores) == 9
