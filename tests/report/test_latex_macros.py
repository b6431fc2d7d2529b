"""Macros: names that LaTeX takes, no two the same, and the numbers of the frames."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatstats.report.tables.latex_macros import captions_tex, letters, macros, numbers_tex
from hatstats.report.tables.run_tables import tables_of
from tests.report.frames import results


def test_names_have_letters_only_and_are_unique() -> None:
    found = macros(results(20))
    assert len(found) > 100
    assert all(re.fullmatch(r"Hat[A-Za-z]+", name) for name in found)


@given(st.text(max_size=30))
def test_any_text_becomes_letters(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z]*", letters(text))


def test_words_are_run_together_and_digits_spelt() -> None:
    assert letters("small_models_not_broken") == "SmallModelsNotBroken"
    assert letters("log10(params_total)") == "LogOneZeroParamsTotal"
    assert letters("Gemma-3-27B") == "GemmaThreeTwoSevenB"


def test_headline_numbers_against_the_frames() -> None:
    found = macros(results(20))
    assert found["HatBestModel"] == "Gemma-4-1B"
    assert found["HatBestScore"] == "0.786"
    table = next(each.table for each in tables_of(results(20)) if each.name == "main")
    stem = "HatScoreGemmaFourSevenB"  # of a larger standard error than most
    row = next(row for row in table.rows if row[0] == "Gemma-4-7B")
    assert row[2:4] == (found[stem], f"[{found[f'{stem}Low']}, {found[f'{stem}High']}]")
    assert found["HatClaimSmallModelsNotBrokenVerdict"] == "supported"
    assert found["HatClaimSmallModelsNotBrokenDf"] == "3.4"
    assert found["HatClaimSmallModelsNotBrokenThreshold"] == "−0.05"
    assert found["HatClaimProgressOverTimePValue"] == "<0.001"
    assert found["HatClaimProgressOverTime"] == "refuted (opposite p = 0.001)"
    assert found["HatClaimProgressOverTimePOppositeAdjusted"] == "0.001"
    assert found["HatTrendSizeLogParametersEstimate"] == "0.031"
    assert found["HatModels"] == "20"
    assert found["HatConfLevel"] == "95"
    claims = results(20).claims.assign(conf_level=0.9)
    assert macros(replace(results(20), claims=claims))["HatClaimProgressOverTimeConfLevel"] == "90"


def test_a_weakly_identified_model_is_neither_best_nor_last() -> None:
    plain = results(20)
    scores = plain.scores.copy()
    scores.loc[~scores["informed"], "estimate"] = 0.999
    found = macros(replace(plain, scores=scores))
    assert found["HatBestModel"] == "Gemma-4-1B"


def test_names_that_would_be_alike_are_kept_apart() -> None:
    plain = results(4)
    scores = plain.scores.assign(model=["m-1", "m_1", "M 1", "m2"])
    found = macros(replace(plain, scores=scores))
    same = [name for name in found if re.fullmatch(r"HatScoreMOneX*", name)]
    assert same == ["HatScoreMOne", "HatScoreMOneX", "HatScoreMOneXX"]
    values = {found[name] for name in same}
    assert len(values) == 3


def test_the_file_defines_each_macro_once_and_escapes_its_text() -> None:
    text = numbers_tex({"HatA": "50 % of a_b", "HatB": "−1"}, study="s\n\\input{x}")
    lines = [line for line in text.splitlines() if not line.startswith("%")]
    assert lines == [r"\newcommand{\HatA}{50\,\% of a\_b}", r"\newcommand{\HatB}{$-$1}"]
    full = numbers_tex(macros(results(20)), study="s")
    names = re.findall(r"^\\newcommand\{\\(\w+)\}", full, flags=re.MULTILINE)
    assert len(names) == len(set(names)) == len(macros(results(20)))
    assert full.startswith("% Numbers of study s")


def test_captions_of_figures_say_how_wide_they_are() -> None:
    text = captions_tex([("forest", 3.03, "Best first: 50 %", "A"), ("heat_map", 6.3, "c", "d")])
    assert "% figures/forest.pdf, 3.03 in wide (figure: one column)" in text
    assert r"\newcommand{\HatCaptionForest}{Best first: 50\,\%}" in text
    assert "% figures/heat_map.pdf, 6.3 in wide (figure*: both columns)" in text
    assert r"\newcommand{\HatAltHeatMap}{d}" in text


def test_a_name_that_latex_would_not_take_is_refused_bad_input() -> None:
    with pytest.raises(ValueError, match="letters only"):
        numbers_tex({"Hat3": "x"}, study="s")
