"""Key results in few lines: what it says, what it must not say, and that it fits a terminal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hatstats import Shape, simulate_study
from hatstats.report.results.collect import scores_frame
from hatstats.report.results.key_results import key_result_lines
from hatstats.report.results.results import Fits, ReportOptions
from hatstats.scores.scores import HatScores
from hatstats.study import Study
from hatstats.study.describe import flagged_counts, flagged_words
from hatstats.trends.claims.verdict import Verdict, Verdicts
from tests.report.studies import aggregate_study

NAN = float("nan")


def verdict(name: str = "claim", decision: Any = "supported", **more: Any) -> Verdict:
    values: dict[str, Any] = {
        "name": name,
        "kind": "slope",
        "statement": "",
        "quantity": "change of HAT per year",
        "estimate": 0.0214,
        "std_error": 0.01,
        "df": 3.25,
        "conf_low": -0.0411,
        "conf_high": 0.0841,
        "conf_level": 0.9,
        "threshold": 0.0,
        "direction": "greater",
        "p_value": 0.0402,
        "p_holm": 0.0804,
        "verdict": decision,
        "verdict_alone": decision,
        "status": "exploratory",
        "rule": "",
        "reason": "",
        "method": "CR2",
        "n_models": 20,
        "n_clusters": 6,
        "p_floor": 0.03125,
        "decisive": "Gemma",
        "decisive_share": 0.5,
        "p_equivalence": float("nan"),
        "p_in_margin": float("nan"),
    }
    return Verdict(**{**values, **more})


def scores_of(
    study: Study, estimate: list[float], notes: dict[str, str] | None = None
) -> HatScores:
    names = study.model_names[: len(estimate)]
    count = len(names)
    scores = HatScores.from_frame(
        study.models.iloc[:count].assign(estimate=estimate),
        pd.DataFrame(1e-4 * np.eye(count), index=names, columns=names),
    )
    cells = pd.DataFrame({"model": names, "benchmark": "bench", "language": "de"})
    overlap = pd.DataFrame(
        {
            "model": names,
            "benchmark": "bench",
            "shape_error": np.nan,
            "effective_trials": np.nan,
            "informed": [n not in (notes or {}) for n in names],
            "note": [(notes or {}).get(n, "") for n in names],
        }
    )
    return replace(
        scores, method="aggregate", reference="pooled", cells=cells, overlap=overlap, bounded=True
    )


def sensitivity_of(claims: list[Verdict], **others: list[str]) -> pd.DataFrame:
    """The reported verdicts, then the verdicts of further choices."""
    tables = [Verdicts(claims).tidy().assign(choice="as reported")]
    for choice, decisions in others.items():
        table = Verdicts(claims).tidy().assign(choice=choice)
        tables.append(table.assign(verdict=decisions))
    return pd.concat(tables, ignore_index=True).rename(columns={"name": "claim"})


def lines_of(
    scores: HatScores | None = None,
    claims: list[Verdict] | None = None,
    *,
    study: Study | None = None,
    others: dict[str, list[str]] | None = None,
    with_flagged: bool = False,
) -> tuple[str, ...]:
    study = study or aggregate_study()
    scores = scores or scores_of(study, [0.5, 0.7, 0.6, 0.4])
    verdicts = claims if claims is not None else [verdict()]
    ranks = scores.ranks(rng=1, n_draws=200)
    options = ReportOptions(with_flagged=with_flagged)
    profile: Any = None
    if scores.target is None:
        scores = replace(scores, target=scores.estimates)  # no profile has points for it here
    fits = Fits(study, study, options, profile, scores, ranks, ranks, {}, {}, tuple(verdicts))
    lines = key_result_lines(fits, scores_frame(fits), sensitivity_of(verdicts, **(others or {})))
    assert 1 <= len(lines) <= 17
    assert max(map(len, lines)) <= 80
    return lines


def test_key_results_line_by_line() -> None:
    lines = lines_of(others={"CR3": ["inconclusive"], "CR1": ["supported"]})
    assert lines == (
        "4 models, 4 families, 1 benchmark, 1 language (aggregate, pooled reference).",
        "Highest HAT: m_1 0.700 [0.680, 0.719], rank 1.",
        "Clear leader: m_1; next: m_2 0.600.",
        "Lowest: m_3 0.400 [0.381, 0.420].",
        "Claim: supported",
        "  0.021 [-0.041, 0.084], df 3.2, adjusted p = 0.080",
        "Intervals: scores 95 %, claims 90 %.",
        "1 suspicious cell left out; other choices change 1 of 1 verdicts.",
    )


def test_both_scopes_stand_side_by_side() -> None:
    beside = {"other_verdict": "supported", "other_low": -0.023, "other_high": 0.054}
    claims = [verdict("x", "inconclusive", statement="HAT rises over time.", **beside)]
    lines = lines_of(claims=claims)
    assert lines[4:6] == (
        "HAT rises over time: inconclusive",
        "  0.021 [-0.041, 0.084]; these 20 models: supported [-0.023, 0.054]",
    )
    assert lines[6].endswith("claims 90 %. Verdicts: first for models like these.")
    old = verdict("x", warning="supported almost by construction, since ...")
    assert (
        lines_of(claims=[old])[6] == "  this claim is true almost by construction: see the report"
    )
    one_family = verdict("x", "not testable", reason="one family", direction="less", **beside)
    assert lines_of(claims=[one_family])[4:6] == (
        "X: not testable",
        "  one family; these 20 models: supported [-0.023, 0.054]",
    )


def test_models_that_are_weakly_identified_are_neither_best_nor_worst() -> None:
    study = aggregate_study()
    scores = scores_of(study, [0.5, 0.7, 0.6, 0.4], {"m_1": "near chance", "m_3": "near chance"})
    lines = lines_of(scores, study=study)
    assert lines[1] == "2 of 4 models are weakly identified, set aside here."
    assert lines[2].startswith("Highest HAT: m_2")
    assert lines[3:5] == ("Clear leader: m_2.", "Lowest: m_0 0.500 [0.480, 0.520].")
    one = lines_of(scores_of(study, [0.5, 0.7, 0.6, 0.4], {"m_3": "near chance"}), study=study)
    assert "Weakly identified, set aside here: m_3." in one
    most = dict.fromkeys(study.model_names[1:], "few trials")
    lines = lines_of(scores_of(study, [0.5, 0.7, 0.6, 0.4], most), study=study)
    assert lines[1:3] == (
        "3 of 4 models are weakly identified, set aside here.",
        "Only well identified: m_0 0.500 [0.480, 0.520].",
    )
    assert not any("leader" in line for line in lines)
    everyone = {name: "few trials" for name in study.model_names}
    all_weak = lines_of(scores_of(study, [0.5, 0.7, 0.6, 0.4], everyone), study=study)
    assert all_weak[1].startswith("Highest HAT: m_1")


@pytest.mark.parametrize("length", [10, 40, 200])
def test_many_weakly_identified_models_are_counted(length: int) -> None:
    study = aggregate_study()
    names = [f"{name}-{'x' * length}" for name in study.model_names]
    long = Study(
        study.counts.assign(model=[f"{name}-{'x' * length}" for name in study.counts["model"]]),
        study.models.assign(model=names),
        study.benchmarks,
    )
    notes = dict.fromkeys(names[:4], "near the ceiling")
    lines = lines_of(scores_of(long, list(np.linspace(0.3, 0.8, 9)), notes), study=long)
    (line,) = [line for line in lines if line.startswith("Weakly identified")]
    assert line.startswith("Weakly identified, set aside here: 4 models, such as m_0-xxx")


def test_a_language_that_a_model_lacks_is_not_counted_and_is_named_as_left_out() -> None:
    scores = scores_of(aggregate_study(), [0.5, 0.7, 0.6, 0.4])
    cells = pd.concat([scores.cells, scores.cells.iloc[:2].assign(language="sw")])
    lines = lines_of(replace(scores, cells=cells))
    assert "1 benchmark, 1 language (" in lines[0]
    assert lines[-1].endswith("; 1 language not asked of every model left out.")


def test_cells_that_were_used_are_not_called_left_out() -> None:
    assert lines_of()[-1] == "1 suspicious cell left out."
    assert lines_of(with_flagged=True)[-1] == "1 suspicious cell used."
    clean = aggregate_study().without_flagged()
    assert lines_of(study=clean)[-1].startswith("Intervals: scores")


def test_a_long_name_of_a_claim_is_cut_and_not_its_p_value() -> None:
    (line,) = [line for line in lines_of(claims=[verdict("c" * 90)]) if line.startswith("Ccc")]
    assert line.endswith("…: supported")
    assert len(line) == 80


def test_rows_of_items_are_counted_as_cells() -> None:
    """Two cells of 20 items are two cells; three items of another cell are rows."""
    study = simulate_study([0.0, 0.5, 1.0], shape=Shape(n_items=20, n_languages=2), rng=1)
    counts, flags = study.counts, study.counts["flag"].copy()
    first, second, third = study.model_names
    source = counts["language"] == study.source_language
    flags[(counts["model"].isin([first, second])) & source] = "extraction-failure"
    flags[np.flatnonzero((counts["model"] == third) & source)[:3]] = "odd"
    flagged = replace(study, counts=counts.assign(flag=flags))
    language = study.source_language.iloc[0]
    assert flagged_counts(flagged, "suspicious cell") == "2 suspicious cells and 3 single rows"
    assert flagged_words(flagged).endswith(f"single rows ({first} {language}, {second} {language})")
    assert f"Flagged     {flagged_counts(flagged)} (" in flagged.summary()
    assert flagged_words(study) == ""


def test_choices_that_were_not_tried_change_nothing_and_are_not_mentioned() -> None:
    clean = aggregate_study().without_flagged()
    assert not any("choices" in line for line in lines_of(study=clean))
    tried = lines_of(study=clean, others={"CR3": ["supported"]})
    assert tried[-1] == "Other choices change 0 of 1 verdicts."


def test_a_claim_counts_once_however_many_choices_change_it() -> None:
    claims = [verdict("a"), verdict("b", "refuted"), verdict("c", "inconclusive")]
    others = {
        "first": ["inconclusive", "refuted", "inconclusive"],
        "second": ["refuted", "refuted", "inconclusive"],
        "third": ["supported", "refuted", "not testable"],
    }
    assert lines_of(claims=claims, others=others)[-1].endswith("change 1 of 3 verdicts.")


def test_untestable_claims_say_why() -> None:
    nothing = dict.fromkeys(("estimate", "std_error", "df", "conf_low", "conf_high"), NAN)
    claim = verdict(
        "size", "not testable", reason="no model has a value of params_total", **nothing
    )
    lines = lines_of(claims=[claim])
    place = lines.index("Size: not testable")
    assert lines[place + 1] == "  no model has a value of params_total"
    long = replace(claim, reason="all 20 models are of one family " + "x" * 100)
    (line,) = [line for line in lines_of(claims=[long]) if line.startswith("  all 20")]
    assert len(line) == 80
    assert line.endswith("…")


def test_more_claims_than_lines_are_counted() -> None:
    claims = [verdict(f"claim {number}") for number in range(18)]
    lines = lines_of(claims=claims)
    assert len(lines) == 17
    shown = [line for line in lines if line.startswith("Claim ")]
    assert f"{18 - len(shown)} more claims are in the report." in lines
    assert lines[-1] == "1 suspicious cell left out."


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0004, "p < 0.001"), (0.001, "p = 0.001"), (0.5, "p = 0.500"), (1.0, "p = 1.000")],
)
def test_small_p_values_are_not_zero(value: float, shown: str) -> None:
    assert lines_of(claims=[verdict(p_holm=value)])[-3].endswith(f"adjusted {shown}")


def test_unknown_families_are_not_a_family() -> None:
    study = aggregate_study()
    scores = scores_of(study, [0.5, 0.7, 0.6, 0.4])
    for unknown in ("", None):
        table = scores.covariates.assign(family=["A", "A", unknown, unknown])
        line = lines_of(replace(scores, covariates=table), study=study)[0]
        assert line.startswith("4 models, 1 family, 1 benchmark")


def test_long_names_are_cut_and_say_so() -> None:
    study = aggregate_study()
    scores = scores_of(study, [0.5, 0.7, 0.6, 0.4])
    long = replace(scores, models=tuple(f"{name}-{'y' * 90}" for name in scores.models))
    lines = lines_of(long, study=study)
    assert lines[1].startswith("Highest HAT: m_1-yyy")
    assert "… 0.700 [0.680, 0.719], rank 1." in lines[1]
    far = lines_of(replace(scores, reference="model:" + "z" * 90), study=study)
    assert far[0].endswith("…")


def test_one_model_is_only_the_highest() -> None:
    study = aggregate_study()
    lines = lines_of(scores_of(study, [0.6]), [], study=study)
    assert lines[0].startswith("1 model, 1 family, 1 benchmark, 1 language")
    assert [line for line in lines if line.startswith(("Clear", "No clear", "Lowest"))] == []
    two = lines_of(scores_of(study, [0.6, 0.5]), [], study=study)
    assert [line.split(":")[0] for line in two[1:4]] == ["Highest HAT", "Clear leader", "Lowest"]
