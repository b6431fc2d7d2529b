"""What a frame may not hold, and what is done about it is counted and said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hatstats import DataError, Study

BASE = pd.DataFrame(
    [(m, x, i, int((x, i) != ("sw", "q2"))) for m in "ab" for x in ("en", "sw") for i in
     ("q1", "q2")],
    columns=["model", "language", "item", "correct"],
)  # fmt: skip


def edited(column: str, *values: object) -> pd.DataFrame:
    """The small frame with other values in the first rows of a column."""
    cells = [*values, *BASE[column].tolist()[len(values) :]]
    return BASE.assign(**{column: pd.Series(cells, dtype=object)})


def fails(frame: Any, match: str, **says: Any) -> None:
    with pytest.raises(DataError, match=match):
        Study.from_frame(frame, **{"source": "en", **says})


@pytest.mark.parametrize(
    ("frame", "match"),
    [
        (edited("correct", None, None), r"2 of 8 answers are missing .*fillna\(0\)"),
        (edited("correct", 0.5), r"1 of 8 cells is neither.*partial credit.*>= 0.5"),
        (edited("correct", -1, 7), "2 of 8 cells are neither right nor wrong"),
        (edited("correct", "yes", "no"), "neither right nor wrong"),
        (edited("correct", "maybe"), "'maybe'.*neither right nor wrong"),
        (edited("language", None), "1 of 8 cells of the language is empty"),
        (edited("item", "", ""), "2 of 8 cells of the item are empty"),
        (BASE.drop(columns="correct"), "no column says what was right.*'correct'"),
        (BASE.drop(columns="language"), "no column names the language of each row"),
        (BASE.assign(correct=BASE["correct"] * 100), r"0 and 100 are per cent"),
        (BASE.iloc[:0], "the frame has no rows"),
        (BASE.assign(item=BASE["language"] + BASE["item"]), "no item .* occurs in two languages"),
        (BASE.drop(columns="item").assign(item_id=BASE["item"], question_id=BASE["correct"]),
         r"'item_id' and 'question_id' may both be the item.*columns={'item': 'item_id'}"),
        (BASE.assign(language="en", task=["mgsm_en", "mgsm_sw"] * 4).drop(columns="language"),
         "end in languages .en, sw.*rsplit"),
        (pd.concat([BASE, edited("correct", 0, 0).iloc[:2]]), "contradict it"),
        (pd.concat([BASE, edited("correct", 0)]).assign(style=range(16)),
         r"say what the columns are that differ \('style'\)"),
        (pd.concat([BASE.assign(filter="strict"), edited("correct", 0).assign(filter="loose")]),
         r"contradict it.*keep the rows of one filter, as in df\[df\['filter'\] == 'strict'\]"),
        ([1, 2], "this is a list, not a frame.*pandas.DataFrame"),
        (Path("runs.csv"), r"this is a path.*read_study\('runs.csv'\)"),
        (12, "this is an int, not a frame"),
        (BASE.set_axis(["model", "language", "item", "item"], axis=1), "two columns of one name"),
        (BASE.T.set_index([0, 1]).T, "several levels"),
        (BASE.set_index("model").rename_axis(None), r"has no name.*'a'.*rename_axis\('model'\)"),
        (BASE.rename(columns={"language": "langauge"}), "Did you mean 'langauge'"),
        (pd.DataFrame({"acc_en": [0.5], "acc_sw": [0.4]}), "{'acc_en': 'en', 'acc_sw': 'sw', ..."),
        (pd.DataFrame({"en_acc": [0.5], "sw_acc": [0.4]}), "{'en_acc': 'en', 'sw_acc': 'sw', ..."),
        (pd.DataFrame({"en": [0.5], "sw": [0.4]}), r"right, as in df\[\['en', 'sw'\]\] >= 0.5"),
    ],
)  # fmt: skip
def test_bad_frames_say_what_to_do(frame: Any, match: str) -> None:
    fails(frame, match)


def test_the_source_language_must_be_there() -> None:
    fails(BASE, r"no source language is named; the languages are en, sw.*source='en'", source=None)
    fails(BASE, "'wolof'.*its languages are en, sw", source="wolof")
    fails(BASE.assign(source_language="en"), "as an argument and as a column")
    named = Study.from_frame(BASE.assign(source_language="en"))
    assert named.benchmarks["source_language"].tolist() == ["en"]
    assert "'eng_Latn' is called 'en'" in Study.from_frame(BASE, source="eng_Latn").info.notes


def test_source_and_chance_may_differ_by_benchmark() -> None:
    two = pd.concat([BASE.assign(task="t1"), BASE.assign(task="t2")])
    study = Study.from_frame(two, source={"t1": "en", "t2": "sw"}, chance={"t1": 0.5, "t2": 0})
    rows = study.benchmarks.set_index("benchmark")
    assert rows["source_language"].to_dict() == {"t1": "en", "t2": "sw"}
    assert rows["chance"].to_dict() == {"t1": 0.5, "t2": 0.0}
    fails(two, "give one source for each benchmark", source={"t1": "en"})
    fails(two, "as an argument and as a column", columns={"benchmark": "task"}, benchmark="t")


def test_wrong_columns_and_languages_are_named() -> None:
    fails(BASE, "the roles are .*Did you mean 'item'", columns={"itme": "item"})
    fails(BASE, "no such column for item.*Did you mean 'item'", columns={"item": "itm"})
    fails(BASE, "no such column", languages=["acc_en", "acc_sw"])


def test_copies_are_counted_once_and_samples_added() -> None:
    study = Study.from_frame(pd.concat([BASE, BASE.iloc[:3]]), source="en")
    assert "Exact copies of other rows, counted once: 3." in study.info.notes
    assert (study.counts["n_trials"] == 1).all()
    samples = pd.concat([BASE, BASE.assign(correct=1 - BASE["correct"])])
    study = Study.from_frame(samples, source="en")
    assert "Every item has 2 rows without a number: taken as 2 samples of it." in study.info.notes
    assert (study.counts["n_correct"] == 1).all()
    assert (study.counts["n_trials"] == 2).all()


def test_runs_of_totals_are_averaged() -> None:
    runs = pd.DataFrame(
        [("en", 1, 30), ("en", 2, 34), ("sw", 1, 20), ("sw", 2, 10)], columns=["lang", "run", "hit"]
    )
    study = Study.from_frame(
        runs.assign(n=40), source="en", columns={"n_correct": "hit"}, benchmark="quiz"
    )
    assert study.counts["n_correct"].tolist() == [32, 15]
    assert study.counts["n_trials"].tolist() == [40, 40]
    assert "averaged over them" in study.info.notes


def test_rows_without_items_are_totals() -> None:
    study = Study.from_frame(BASE.drop(columns="item"), source="en")
    assert study.data_kind == "aggregate"
    assert study.counts["n_trials"].tolist() == [2.0] * 4
    assert "No column of items" in study.info.notes


def test_counts_and_per_cent_are_distinguished_or_refused() -> None:
    totals = pd.DataFrame({"model": ["a", "b"], "en": [30, 20], "sw": [10, 15]})
    fails(totals, "whole numbers may be counts or per cent", n_trials=40)
    fails(totals.assign(en=[0.5, 30.5]), "proportions or per cent", n_trials=400)
    fails(totals.assign(en=[130, 20]), "1 of 4 accuracies is no number from 0 to 100", n_trials=400)
    fails(
        BASE.assign(n_items=250),
        r"answers, or accuracies, or counts\?.*columns={'accuracy': 'correct'}",
    )


def many_items(name: str, *, texts: bool = False) -> pd.DataFrame:
    """Answers of two models to 12 questions in two languages, with the item under another name."""
    rows = [
        (m, x, f"{x if texts else ''}q{i}", int((i + len(x)) % 3 > 0))
        for m in "ab"
        for x in ("en", "swh")
        for i in range(12)
    ]
    return pd.DataFrame(rows, columns=["model", "lang", name, "correct"])


@pytest.mark.parametrize("name", ["query", "question_text", "task_id", "problem", "nr"])
def test_an_item_under_another_name_is_not_added_up_in_silence(name: str) -> None:
    frame = many_items(name)
    says = f"'{name}' looks like the item. Hint: give columns={{'item': '{name}'}}"
    fails(frame, says + ", or columns={'item': None} if these rows are to be added up")
    fails(frame.rename(columns={"correct": "n_correct"}).assign(n_trials=1), says)
    texts = many_items(name, texts=True)
    for one in (texts, texts[texts["model"] == "a"]):
        if len(one) == len(texts) or name != "nr":
            fails(one, "translated texts cannot pair items: an id is needed")
    named = Study.from_frame(frame, source="en", columns={"item": name})
    assert named.data_kind == "item"
    assert len(named.counts) == len(frame)


def test_names_that_hold_ids_answers_or_samples_are_read_where_they_do() -> None:
    expected = Study.from_frame(BASE, source="en").counts["n_correct"].tolist()
    for role, names in {
        "correct": "passed pass hit hits right result",
        "item": "question instance",
        "language": "target_lang",
        "model": "checkpoint",
    }.items():
        for name in names.split():
            frame = BASE.rename(columns={role: name})
            assert Study.from_frame(frame, source="en").counts["n_correct"].tolist() == expected
    texts = BASE.assign(question="How many? " + BASE["item"]).drop(columns="item")
    assert "question" in Study.from_frame(texts, source="en").info.notes.partition("not used")[2]
    fails(many_items("question", texts=True), "translated texts cannot pair items")


@pytest.mark.parametrize(
    "name", ["k", "rep", "sample", "sample_idx", "generation", "iteration", "trial_id"]
)
def test_samples_of_an_item_bear_many_names(name: str) -> None:
    two = pd.concat([BASE.assign(**{name: 1}), BASE.assign(**{name: 2}, correct=1)])
    study = Study.from_frame(two, source="en")
    assert (study.counts["n_trials"] == 2).all()
    assert f"repeat from '{name}'" in study.info.notes
    shots = Study.from_frame(BASE.assign(k=5), source="en")  # a constant numbers nothing
    assert (shots.counts["n_trials"] == 1).all()
    if name in {"k", "sample", "generation"}:
        fails(two.replace({name: {1: 0, 2: 5}}), "contradict it.*say what the columns are")


@pytest.mark.parametrize(
    ("right", "trials"),
    [("correct", "attempts"), ("hits", "attempts"), ("k", "n"), ("correct", "num_total")],
)
def test_right_answers_of_so_many_are_counts(right: str, trials: str) -> None:
    totals = pd.DataFrame({"language": ["en", "sw"], right: [30, 20], trials: 40})
    study = Study.from_frame(totals, source="en")
    assert study.counts["n_correct"].tolist() == [30, 20]
    assert study.counts["n_trials"].tolist() == [40, 40]


def test_whole_numbers_of_items_are_counts() -> None:
    wide = pd.DataFrame({"item": list("abcde"), "en": [4, 3, 4, 2, 4], "sw": [0, 1, 2, 3, 4]})
    study = Study.from_frame(wide, source="en", n_trials=4)
    assert study.counts["n_correct"].tolist() == [4, 3, 4, 2, 4, 0, 1, 2, 3, 4]
    assert "Whole numbers read as counts (the highest is 4)." in study.info.notes
    fails(wide, r"where these are counts, say of how many trials \(n_trials=4\)")
    fails(wide.drop(columns="item").assign(model=list("abcde")), "counts or per cent", n_trials=4)
    totals = pd.DataFrame({"model": ["a", "b"], "en": [30, 20], "sw": [10, 15]})
    with pytest.raises(DataError) as error:
        Study.from_frame(totals, source="en", n_trials=40)
    line = str(error.value).partition("in one column: ")[2].removesuffix(".")
    study = Study.from_frame(eval(line, {"df": totals}), source="en", n_trials=40)
    assert study.counts["n_correct"].tolist() == [30, 10, 20, 15]


@pytest.mark.parametrize(
    ("role", "other"), [("language", "lang"), ("model", "model_name"), ("benchmark", "task")]
)
def test_a_column_and_one_that_says_something_else_are_not_chosen_between(
    role: str, other: str
) -> None:
    frame = BASE.assign(benchmark=["t1", "t2"] * 4)
    same = frame.assign(**{other: "the " + frame[role]})  # another name for each, and no more
    assert Study.from_frame(same, source="en").counts[role].tolist() == (
        Study.from_frame(frame, source="en").counts[role].tolist()
    )
    for first in (role, other):  # whichever of the two stands first
        both = frame.rename(columns={role: other}).assign(**{role: "en"})
        both = both[[first, *both.columns.drop(first)]]
        fails(both, f"may both be the {role}.*columns={{'{role}': '{other}'}}")
        study = Study.from_frame(both, source="en", columns={role: other})
        assert study.counts[role].unique().tolist() == sorted(frame[role].unique())
        assert f"Columns not used: '{role}'." in study.info.notes


def test_columns_that_may_say_what_was_right_are_candidates() -> None:
    samples = pd.concat([BASE.assign(run_no=1), BASE.assign(run_no=2)])
    frame = samples.rename(columns={"correct": "answered_well"})
    fails(frame, r"right; candidates: 'answered_well'.*columns={'correct': 'answered_well'}")
    shares = pd.DataFrame({"lang": ["en", "sw"], "test_accuracy": [0.75, 0.5], "note": ["a", "b"]})
    fails(shares, r"candidates: 'test_accuracy'.*columns={'accuracy': 'test_accuracy'}")


@pytest.mark.parametrize("scale", [1, 0.5])
def test_the_advice_on_a_column_for_each_model_is_right(scale: float) -> None:
    wide = pd.DataFrame({"language": ["en", "sw"] * 2, "item": ["q1", "q1", "q2", "q2"],
                         "acme": [1, 0, 1, 1], "bolt": [0, 0, 1, 1]})  # fmt: skip
    wide = wide.astype({"acme": float, "bolt": float}).assign(
        acme=wide["acme"] * scale, bolt=wide["bolt"] * scale
    )
    with pytest.raises(DataError, match="no column says what was right") as error:
        Study.from_frame(wide, source="en")
    advice = (error.value.hint or "").split("Where each model has a column: ")[1].rstrip(".")
    long = eval(advice, {"df": wide})
    study = Study.from_frame(long, source="en", **({} if scale == 1 else {"n_trials": 2}))
    assert study.models["model"].tolist() == ["acme", "bolt"]
    assert study.counts["n_correct"].sum() == 5


def test_languages_by_their_names_are_taken_or_offered_as_languages() -> None:
    wide = pd.DataFrame({"item": ["a", "b"], "English": [1, 1], "Yoruba": [1, 0]})
    assert Study.from_frame(wide, source="English").languages == ["English", "Yoruba"]
    # A name that is in no list of languages may be anything.
    rare = wide.rename(columns={"Yoruba": "Nobiin"})
    fails(rare, r"languages=\['English', 'Nobiin'\]")
    study = Study.from_frame(rare, source="English", languages=["English", "Nobiin"])
    assert study.languages == ["English", "Nobiin"]


def test_a_number_of_each_row_is_no_item() -> None:
    numbered = BASE.rename(columns={"item": "question_id"}).assign(id=range(8))
    study = Study.from_frame(numbered, source="en")
    assert study.counts["item"].unique().tolist() == ["q1", "q2"]
    assert "Columns not used: 'id'" in study.info.notes
    # With a column for each language a row is an item, and the number may be its name.
    wide = pd.DataFrame({"id": [1, 2, 3], "question_id": [1, 2, 1], "en": [1, 1, 0],
                         "sw": [1, 0, 0]})  # fmt: skip
    fails(wide, "'id' and 'question_id' may both be the item")


def test_rows_are_named_by_their_position_in_the_frame() -> None:
    frame = BASE.set_index(pd.Index(range(10, 18), name=None))
    copies = pd.concat([frame.iloc[:1], frame])  # copies counted once do not shift the others
    fails(copies.assign(correct=[1] * 5 + [9] + [1] * 3), r"position 5 \(df.iloc\[5\]\).*'9'")
    totals = pd.DataFrame({"language": ["sw", "en", "de"], "n_correct": [3, 4, 5]})
    totals = totals.set_axis([7, 8, 9])  # the study sorts its rows by language
    fails(totals.assign(n_trials=[9, 9, 0]), r"the frame, position 2 \(df.iloc\[2\]\).*'n_trials'")
    fails(totals.assign(n_trials=[2, 9, 9]), r"position 0 .*'n_correct', value 3: .*larger")
    shares = totals.drop(columns="n_correct").assign(accuracy=[0.3, 0.4, 1.2], n_trials=40)
    fails(shares, r"position 2 .*'accuracy', value '1.2': 1 of 3 accuracies is over 1.*per cent")
    wide = pd.DataFrame({"item": ["a", "b"], "en": [1, 1], "sw": [1, 7]})
    fails(wide, r"position 1 \(df.iloc\[1\]\), column 'sw', value '7'")
    sizes = BASE.assign(params_total=[1e9] * 4 + [-1.0] * 4)
    fails(sizes, r"the frame, position 4 .*'params_total', value -1: a model has more than 0")
    with pytest.raises(DataError) as error:
        Study.from_frame(copies.assign(language=["en", None, *copies["language"][2:]]), source="en")
    assert (error.value.position, error.value.row, error.value.value) == (1, None, None)


def test_roles_that_no_column_has() -> None:
    for name in ("item", "question"):
        study = Study.from_frame(many_items(name), source="en", columns={"item": None})
        assert study.data_kind == "aggregate"
        assert study.counts["n_trials"].tolist() == [12.0] * 4
        assert f"Columns not used: '{name}'." in study.info.notes
    assert Study.from_frame(many_items("uid"), source="en").data_kind == "item"
    frame = many_items("response")  # what models said, and measurements, name no items
    frame["seconds"] = np.linspace(0.1, 2, len(frame))
    frame["row"] = range(len(frame))
    assert Study.from_frame(frame, source="en").data_kind == "aggregate"


@pytest.mark.parametrize("swahili", [[60, 50], [60.5, 50.25]])
def test_the_hint_about_per_cent_leads_to_a_study(swahili: list[float]) -> None:
    totals = pd.DataFrame({"model": ["a", "b"], "en": [80, 70], "sw": swahili})
    hint = (
        r"divide by 100 \(df\[\['en', 'sw'\]\] / 100\) and give the number of trials.*n_trials=250"
    )
    fails(totals, f"column 'en', value '80.*{hint}")
    totals[["en", "sw"]] = totals[["en", "sw"]] / 100
    study = Study.from_frame(totals, source="en", n_trials=400)
    assert study.counts["n_correct"].tolist() == [320, 4 * swahili[0], 280, 4 * swahili[1]]


def test_words_of_one_pair_are_answers() -> None:
    expected = Study.from_frame(BASE, source="en").counts["n_correct"].tolist()
    for right, wrong in (("yes", "no"), ("T", "F"), ("C", "I"), (True, False), ("100%", "0%")):
        frame = BASE.assign(correct=BASE["correct"].map({1: right, 0: wrong}))
        assert Study.from_frame(frame, source="en").counts["n_correct"].tolist() == expected


def test_columns_called_id_or_no_are_languages_only_among_languages() -> None:
    answers = pd.DataFrame({"id": [7, 8], "en": [1, 0], "sw": [1, 1]})
    assert Study.from_frame(answers, source="en").languages == ["en", "sw"]
    assert set(Study.from_frame(answers, source="en").counts["item"]) == {"7", "8"}
    table = pd.DataFrame({"Model": ["a", "b"], "EN": [80.5, 70.1], "ID": [60.5, 50.0],
                          "NO": [70.5, 60.0]})  # fmt: skip
    study = Study.from_frame(table, source="EN", n_trials=200)
    assert study.languages == ["EN", "ID", "NO"]


def test_codes_of_one_language_become_one() -> None:
    frame = BASE.assign(
        language=np.where((BASE["model"] == "b") & (BASE["language"] == "sw"), "swh_Latn", "sw")
    )
    frame["language"] = frame["language"].where(BASE["language"] == "sw", "en")
    frame.loc[frame["language"] == "swh_Latn", "language"] = "sw-Latn"
    study = Study.from_frame(frame, source="en")
    assert study.languages == ["en", "sw"]
    assert "'sw-Latn' as 'sw'" in study.info.notes


def test_facts_of_models_are_taken_and_the_rest_is_named() -> None:
    sizes, days = {"a": 1.5, "b": 7.0}, {"a": "2024-05-01", "b": "2025-02-03"}
    frame = BASE.assign(
        params_b=BASE["model"].map(sizes),
        released=BASE["model"].map(days),
        open_weights=BASE["model"].map({"a": "yes", "b": "no"}),
        response=range(len(BASE)),
    )
    study = Study.from_frame(frame, source="en")
    assert study.models["params_total"].tolist() == [1.5e9, 7e9]
    assert study.models["release_date"].dt.strftime("%Y-%m-%d").tolist() == list(days.values())
    assert study.models["open_weights"].tolist() == ["yes", "no"]
    assert "Columns not used: 'response'." in study.info.notes
    assert "params_total is 'params_b' times 1e9." in study.info.notes
    fails(BASE.assign(family=BASE["item"]), "a model has more than one value")
    table = pd.DataFrame({"model_name": ["b", "a"], "params": [7e9, 1.5e9]})
    study = Study.from_frame(BASE, source="en", models=table)
    assert study.models["model"].tolist() == ["b", "a"]
    fails(BASE, "the model is not in models", models=table.iloc[:1])
    table = pd.DataFrame({"name": ["b", "a"], "Params (B)": [7, 1.5]})
    study = Study.from_frame(BASE, source="en", models=table)
    assert study.models["params_total"].tolist() == [7e9, 1.5e9]
    assert "Table of models: model from 'name', params_total from 'Params (B)'" in study.info.notes


def test_a_study_of_counts_alone() -> None:
    counts = BASE.rename(columns={"correct": "n_correct"}).assign(benchmark="quiz", n_trials=1)
    with pytest.raises(DataError, match=r"add the column, or call Study.from_frame\(df, source="):
        Study(counts)
    study = Study(counts.assign(source_language="en"))
    assert study.model_names == ["a", "b"]
    assert study.benchmarks["chance"].tolist() == [0.0]
    with pytest.raises(DataError, match="the table is a path"):
        Study("counts.csv")  # type: ignore[arg-type]
    benchmarks = pd.DataFrame({"benchmark": ["quiz"], "source_language": ["sw"], "chance": [0.5]})
    assert Study(counts, benchmarks=benchmarks).benchmarks["source_language"].tolist() == ["sw"]
