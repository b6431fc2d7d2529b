"""What is refused, and what is warned of: whole sentences, with what they are about and the fix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hatstats as hs
from hatstats.errors import DegenerateDataWarning
from hatstats.scores.counts import aggregate_counts, item_counts
from hatstats.scores.given import given_fields
from tests.refusals import refusal
from tests.studies import Row, item_rows, panel_rows, study_of

FACTS = pd.DataFrame(
    {
        "language": ["sw", "yo", "ha"],
        "script": ["Latn", "Latn", ""],
        "people": [80e6, 45e6, -1.0],
        "nothing": ["", "", ""],
    }
)


def rows_of(languages: dict[str, list[str]], models: tuple[str, ...] = ("a", "b")) -> list[Row]:
    """Rows of each benchmark in English and its languages, 12 items."""
    rng = np.random.default_rng(1)
    return [
        row
        for name, others in languages.items()
        for row in item_rows(models, ["en", *others], 12, rng=rng, benchmark=name, trials=2)
    ]


STUDY = replace(study_of(rows_of({"quiz": ["sw", "yo"], "exam": ["ha"]})), language_table=FACTS)
PROFILE = hs.fit_profile(STUDY, method="observed")
SCORES = PROFILE.hat()
BY_LANGUAGE, BY_BOTH = SCORES.by("language"), SCORES.by("language", each_model=True)
TABLE = pd.DataFrame({"model": ["a", "b"], "estimate": [0.4, 0.5]})
GIVEN = hs.HatScores.from_frame(TABLE, [0.01, 0.01])
NAMED = pd.DataFrame([[0.01, 0.02], [0.02, 0.01]], index=["a", "b"], columns=["a", "b"])
ACCURACIES = study_of(panel_rows([0.0, 1.0], ["sw"], rng=np.random.default_rng(1)))


#: English answers to some items, Swahili answers to others.
NOTHING_LINKED = [
    row for row in rows_of({"quiz": ["sw"]}) if (row[3] < "item-5") == (row[2] == "en")
]


NO_MODEL_HAS_BOTH = [
    row for row in rows_of({"quiz": ["sw"]}) if (row[0] == "a") == (row[2] == "en")
]


def apart(**languages: str) -> hs.Study:
    """Two models, each asked in one target language."""
    rows = rows_of({"quiz": ["sw", "yo"]})
    return study_of([row for row in rows if row[2] in ("en", languages[row[0]])])


KNOWN = ", ".join(STUDY.language_table.columns)
NO_MODEL = "column 'model', value 'z': no such model in these scores. Hint: choose among a, b."
NO_CELLS = "these scores have no values per language. Hint: make them by fit_profile(study).hat()."
NO_FACT = (
    "column 'colour': no such fact about languages is known in this study. Hint: give language, "
    "model or a column of languages.csv ({}); fill_languages(study) makes one."
)

#: A call, and what it is refused with.
REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: SCORES.contrast("z", "a"), NO_MODEL),
    (lambda: SCORES.contrast("a", ["b", "z"]), NO_MODEL),
    (
        lambda: SCORES.contrast(["a", "a"], "b"),
        "column 'model', value 'a, a': a group of models names one or more models, each once. "
        "Hint: give a name or a list of names.",
    ),
    (
        lambda: SCORES.contrast([], "b"),
        "column 'model', value '': a group of models names one or more models, each once. "
        "Hint: give a name or a list of names.",
    ),
    (lambda: GIVEN.contrast("a", "b", languages="sw"), NO_CELLS),
    (
        lambda: SCORES.contrast("a", "b", languages="xx"),
        "column 'language', value 'xx': no such target language in these scores. "
        "Hint: choose among ha, sw, yo.",
    ),
    (
        lambda: SCORES.contrast("a", "b", languages=["yo", "sw"]),
        "benchmark 'exam' has none of the languages sw, yo; select the benchmarks that have them",
    ),
    (
        lambda: PROFILE.hat(languages=["yo", "sw"]),
        "benchmark 'exam' has none of the languages yo, sw; select the benchmarks that have them",
    ),
    (
        lambda: PROFILE.hat(exclude=["yo", "sw", "ha"]),
        "no target language is left. Hint: name one or more, exclude fewer.",
    ),
    (
        lambda: PROFILE.hat(scope="items"),
        "column 'scope', value 'items': unknown scope. "
        "Hint: use these wordings, wordings like these.",
    ),
    (
        lambda: PROFILE.hat("common"),
        "column 'reference', value 'common': the study declares no window of source accuracies. "
        "Hint: declare one, before looking at scores: common = [0.2, 0.95] in study.toml, or "
        "StudyInfo(..., common=(0.2, 0.95)), about where all models have items.",
    ),
    (
        lambda: PROFILE.hat([0.5, 1.5]),
        "column 'reference', value 1.5: a reference distribution holds source accuracies between "
        "0 and 1. Hint: give proportions, not per cent, without NaN.",
    ),
    (
        lambda: PROFILE.hat("model:z"),
        "column 'reference', value 'z': the reference names a model that the benchmark does not "
        "have; it has a, b. Hint: name one of those models.",
    ),
    (
        lambda: PROFILE.hat("z"),
        "column 'reference', value 'z': unknown reference. Hint: use pooled, uniform, own, common, "
        "model:NAME, or an array of source accuracies.",
    ),
    (
        lambda: SCORES.pairs(["a"], rng=1),
        "column 'groups': one group has nothing to be compared with. "
        "Hint: give two or more models or groups.",
    ),
    (lambda: GIVEN.by("language"), NO_CELLS),
    (
        lambda: SCORES.by("language", models="z"),
        "column 'models', value 'z': no such model in these scores. Hint: choose among a, b.",
    ),
    (lambda: SCORES.by("colour"), NO_FACT.format(KNOWN)),
    (
        lambda: replace(SCORES, language_table=pd.DataFrame()).by("colour"),
        NO_FACT.format("no table languages.csv"),
    ),
    (
        lambda: SCORES.by("people"),
        "column 'people': groups are named by text, and this column holds numbers. "
        "Hint: fit_language_trend(profile, formula) takes numbers.",
    ),
    (
        lambda: SCORES.by("nothing"),
        "column 'nothing': no language has a value here. "
        "Hint: fill it in: hatstats languages fill STUDY, or fill_languages(study).",
    ),
    (
        lambda: SCORES.by("language", weights="people"),
        "column 'people', value -1.0: languages are weighted by positive numbers, and that of "
        "'ha' is none. Hint: write it into languages.csv, or give weights={language: number}.",
    ),
    (
        lambda: SCORES.by("language", weights={"ha": 1.0, "sw": "many"}),  # type: ignore[dict-item]
        "column 'weights', value 'many': languages are weighted by positive numbers, and that of "
        "'sw' is none. Hint: write it into languages.csv, or give weights={language: number}.",
    ),
    (
        lambda: SCORES.by("language", weights={"ha": 1.0, "sw": 1.0}),
        "column 'weights': languages are weighted by positive numbers, and that of "
        "'yo' is none. Hint: write it into languages.csv, or give weights={language: number}.",
    ),
    (lambda: SCORES.by("language", weights="colour"), NO_FACT.format(KNOWN)),
    (
        lambda: BY_LANGUAGE.contrast(["sw", "sw"], "yo"),
        "column 'language', value 'mean(sw, sw)': a mean has a name twice. Hint: name each once.",
    ),
    (
        lambda: BY_LANGUAGE.contrast("sw", "xx"),
        "column 'language', value 'xx': no such language in these scores. "
        "Hint: choose among ha, sw, yo.",
    ),
    (
        lambda: BY_LANGUAGE.contrast("sw", "ha"),
        "column 'language': no benchmark has all of sw, ha. Hint: compare those of one benchmark.",
    ),
    (
        lambda: BY_BOTH.contrast("sw", "yo"),
        "these are scores of each model by language. Hint: compare two models by "
        "scores.contrast(a, b, languages=...), languages by scores.by(..., models=...).",
    ),
    (
        lambda: BY_LANGUAGE.between("a", "b"),
        "column 'models': these scores are means over models. "
        "Hint: make them by scores.by(..., each_model=True).",
    ),
    (
        lambda: BY_BOTH.between("a", "z"),
        "column 'models', value 'z': no such model. Hint: choose among a, b.",
    ),
    (
        lambda: SCORES.by("script", models="a", weights={"sw": 1, "yo": 1}).pairs(),
        "column 'script': there is no pair to compare. "
        "Hint: compare two or more that share a benchmark.",
    ),
    (
        lambda: BY_BOTH.conf_int(0.9) is None or BY_LANGUAGE.tidy(95.0),
        "column 'conf_level', value 95.0: a level lies between 0 and 1. Hint: 95 % is 0.95.",
    ),
    # --- scores made elsewhere ---
    (
        lambda: given_fields(TABLE[["model"]], NAMED, None),
        "column 'estimate': the table of scores lacks a column. Hint: add it.",
    ),
    (
        lambda: given_fields(TABLE[:0], NAMED, None),
        "the table of scores has no row. Hint: give one row per model.",
    ),
    (
        lambda: given_fields(TABLE.assign(term="gap"), NAMED, None),
        "the table of scores has no row of term HAT. Hint: give one row per model.",
    ),
    (
        lambda: given_fields(TABLE.assign(model="a"), NAMED, None),
        "column 'model', value 'a': a model has two scores. Hint: keep one row each.",
    ),
    (
        lambda: given_fields(TABLE, np.eye(3), None),
        "the covariance has shape (3, 3), and there are 2 scores. "
        "Hint: give one row and one column per score.",
    ),
    (
        lambda: given_fields(TABLE, NAMED.loc[["a"]], None),
        "column 'model', value 'b': the covariance lacks a model. "
        "Hint: index its rows and columns by model name.",
    ),
    (
        lambda: given_fields(TABLE, NAMED.loc[["a", "b", "a"]], None),
        "column 'model', value 'a': the covariance names a model twice. "
        "Hint: keep one row and one column each.",
    ),
    (
        lambda: given_fields(TABLE.assign(estimate=[0.4, np.nan]), NAMED, None),
        "row 3, column 'estimate', value 'b': a score or its covariance is not a finite number. "
        "Hint: leave that model out, or give its numbers.",
    ),
    (
        lambda: given_fields(TABLE, NAMED * np.array([[1.0, 1.0], [2.0, 1.0]]), None),
        "the covariance is not symmetric. Hint: check rows against columns.",
    ),
    (
        lambda: given_fields(TABLE, NAMED, None),
        "column 'model', value 'a, b': the covariance has a negative eigenvalue: some combination "
        "of these models would have a negative variance. "
        "Hint: estimate it from the same items for all models.",
    ),
    # --- counts ---
    (
        lambda: item_counts(study_of(rows_of({"quiz": []})), "quiz"),
        "benchmark 'quiz' has rows in the source language only: transfer needs at least one target "
        "language",
    ),
    (
        lambda: item_counts(study_of(NOTHING_LINKED), "quiz"),
        "benchmark 'quiz': no model was asked any item both in the source language and in a target "
        "language, so that nothing links the two",
    ),
    (
        lambda: hs.fit_profile(apart(a="sw", b="yo"), method="observed").hat(),
        "benchmark 'quiz': no target language was asked of every model, so that their scores "
        "cannot be compared; leave out the models with few languages",
    ),
    (
        lambda: hs.fit_profile(
            study_of([*rows_of({"x": ["sw"]}, ("a",)), *rows_of({"y": ["sw"]}, ("b",))]),
            method="observed",
        ).hat(),
        "no model has results on every benchmark, so that none has a score over all of them; "
        "select one benchmark, or add the missing results",
    ),
    (
        lambda: PROFILE.hat(scope="wordings like these"),
        "scope 'wordings like these' compares wordings, and benchmark 'quiz' has no named "
        "wordings. What is missing: the wording of every trial, named in the column prompt, with "
        "at least 2 different names (5 or more, for more than a few degrees of freedom); or take "
        "scope 'these wordings'.",
    ),
    (
        lambda: aggregate_counts(apart(a="en", b="en"), "quiz"),
        "benchmark 'quiz' has no target language",
    ),
    (
        lambda: aggregate_counts(study_of(NO_MODEL_HAS_BOTH), "quiz"),
        "benchmark 'quiz': no model has both a source and a target accuracy",
    ),
]


@pytest.mark.parametrize("place", range(len(REFUSED)))
def test_what_is_refused_and_in_which_words(place: int) -> None:
    call, words = REFUSED[place]
    assert refusal(call) == words


def quiz(gone: Callable[[Row], bool]) -> hs.Study:
    """A study in two target languages without some rows."""
    return study_of([row for row in rows_of({"quiz": ["sw", "yo"]}) if not gone(row)])


#: A call, and all that it warns of.
WARNED: list[tuple[Callable[[], Any], list[str]]] = [
    (
        lambda: item_counts(quiz(lambda row: (row[0], row[2]) == ("a", "en")), "quiz"),
        [
            "benchmark 'quiz': no item has rows both in the source language and in a target "
            "language for a; left out (rows that were flagged and left out do not count)"
        ],
    ),
    (
        lambda: item_counts(
            quiz(
                lambda row: (
                    row[2] == "en" and (row[0], row[3]) in (("b", "item-3"), ("b", "item-4"))
                )
            ),
            "quiz",
        ),
        [
            "benchmark 'quiz': 2 model-item pairs have target rows but no source row (most for "
            "'b'); they cannot enter a transfer profile"
        ],
    ),
    (
        lambda: aggregate_counts(quiz(lambda row: (row[0], row[2]) == ("a", "en")), "quiz"),
        ["benchmark 'quiz': no source accuracy for a; left out"],
    ),
    (
        lambda: aggregate_counts(quiz(lambda row: row[0] == "b" and row[2] != "en"), "quiz"),
        ["benchmark 'quiz': no target accuracy for b; left out"],
    ),
    (
        lambda: hs.fit_profile(quiz(lambda row: row[3] != "item-11"), method="observed").hat(),
        [
            "no interval for a, quiz, sw; a, quiz, yo; b, quiz, sw and 1 more: one item or item "
            "cluster tells nothing of spread over items"
        ],
    ),
]


@pytest.mark.parametrize("place", range(len(WARNED)))
def test_what_is_warned_of_and_in_which_words(place: int) -> None:
    call, words = WARNED[place]
    with pytest.warns(DegenerateDataWarning) as caught:
        call()
    assert [str(each.message) for each in caught] == words


@pytest.mark.parametrize("place", [1, len(WARNED) - 1])
def test_a_warning_names_the_line_of_the_caller(place: int) -> None:
    with pytest.warns(DegenerateDataWarning) as caught:
        WARNED[place][0]()
    assert {each.filename for each in caught} == {__file__}
