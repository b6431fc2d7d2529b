"""A study of a frame holds what a dictionary counts, whatever the library, shape and names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from hatstats import Study

Trial = tuple[str, str, str, int]
#: Other names of the same columns.
NAMES = {
    "model": ["model", "model_name", "Model ID", "LLM"],
    "language": ["language", "lang", "Locale", "language_code"],
    "item": ["item", "question_id", "sample-id", "id"],
    "correct": ["correct", "is_correct", "score", "exact_match"],
}
LIBRARIES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "lazy polars": lambda frame: pl.from_pandas(frame).lazy(),
    "arrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
}
CELL = ["model", "language", "item"]


@st.composite
def trials(draw: st.DrawFn) -> list[Trial]:
    """At most one answer per model, language and item, with the source language among them."""
    models = ["m1", "m2"][: draw(st.integers(1, 2))]
    languages = ["en", "de", "sw"][: draw(st.integers(2, 3))]
    items = [f"q{k}" for k in range(draw(st.integers(1, 3)))]
    every = [(m, x, i) for m in models for x in languages for i in items]
    some = draw(st.lists(st.sampled_from(every), unique=True))
    kept = {*some, *((m, x, items[0]) for m in models for x in languages[:2])}
    ordered = draw(st.permutations(sorted(kept)))
    return [(*cell, draw(st.integers(0, 1))) for cell in ordered]


def frame_of(answers: list[Trial]) -> pd.DataFrame:
    return pd.DataFrame(answers, columns=[*CELL, "correct"])


def wide(frame: pd.DataFrame) -> pd.DataFrame:
    """One column for each language; empty where a question was not asked."""
    return frame.pivot(index=["model", "item"], columns="language", values="correct")


def assert_same(study: Study, other: Study) -> None:
    for table in ("counts", "models", "benchmarks", "items"):
        assert_frame_equal(getattr(study, table), getattr(other, table))


@settings(max_examples=12, deadline=None)
@given(trials())
@pytest.mark.slow
def test_counts_are_those_of_a_dictionary(answers: list[Trial]) -> None:
    study = Study.from_frame(frame_of(answers), source="en", chance=0)
    right, asked = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
    for *cell, correct in answers:
        right[tuple(map(str, cell))] += int(correct)
        asked[tuple(map(str, cell))] += 1
    rows = study.counts.to_dict("records")
    assert {tuple(row[c] for c in CELL): row["n_correct"] for row in rows} == dict(right)
    assert {tuple(row[c] for c in CELL): row["n_trials"] for row in rows} == dict(asked)
    assert study.benchmarks.drop(columns="trials").to_dict("records") == [
        {"benchmark": "benchmark", "source_language": "en", "chance": 0.0}
    ]


@settings(max_examples=12, deadline=None)
@given(trials(), st.randoms(use_true_random=False), st.sampled_from(sorted(LIBRARIES)))
@pytest.mark.slow
def test_libraries_names_and_orders_of_rows_change_nothing(
    answers: list[Trial], random: Any, library: str
) -> None:
    frame = frame_of(answers)
    study = Study.from_frame(frame, source="en", chance=0)
    again = frame.iloc[random.sample(range(len(frame)), len(frame))]
    again = again.rename(columns={role: random.choice(names) for role, names in NAMES.items()})
    again = again[random.sample(list(again.columns), len(again.columns))].reset_index(drop=True)
    assert_same(study, Study.from_frame(LIBRARIES[library](again), source="en", chance=0))


@settings(max_examples=12, deadline=None)
@given(trials(), st.sampled_from(sorted(LIBRARIES)))
@pytest.mark.slow
def test_a_column_for_each_language_changes_nothing(answers: list[Trial], library: str) -> None:
    frame = frame_of(answers)
    study = Study.from_frame(frame, source="en", chance=0)
    table = wide(frame)
    if library != "pandas":
        table = table.reset_index()
    assert_same(study, Study.from_frame(LIBRARIES[library](table), source="en", chance=0))


@settings(max_examples=5, deadline=None)
@given(st.integers(1, 4), st.integers(0, 10_000))
def test_samples_of_an_item_are_added_up(n_samples: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cells = pd.MultiIndex.from_product([["m"], ["en", "sw"], ["q1", "q2"], range(n_samples)])
    frame = cells.to_frame(index=False, name=[*CELL, "epoch"])
    frame["correct"] = rng.integers(0, 2, len(frame))
    study = Study.from_frame(frame, source="en")
    total = frame.groupby(CELL)["correct"].sum()
    counts = study.counts.set_index(CELL)
    assert (counts["n_correct"] == total.reindex(counts.index)).all()
    assert (counts["n_trials"] == n_samples).all()


@pytest.mark.parametrize("library", sorted(LIBRARIES))
@pytest.mark.slow
def test_counts_and_accuracies_give_the_study_of_their_trials(library: str) -> None:
    rng = np.random.default_rng(5)
    rows = [
        {"model": m, "task": b, "lang": x, "template": f"t{i}", "n_total": 20, "right": k}
        for m in ("a", "b")
        for b in ("maths", "facts")
        for x in ("en", "yo")
        for i in range(3)
        for k in [int(rng.integers(0, 21))]
    ]
    frame = pd.DataFrame(rows)
    make = LIBRARIES[library]
    role = {"item": "template"}
    counts = frame.rename(columns={"right": "num_correct"})
    study = Study.from_frame(make(counts), source="en", columns=role)
    accuracies = frame.assign(acc=frame["right"] / 20).drop(columns="right")
    assert_same(study, Study.from_frame(make(accuracies), source="en", columns=role))
    percent = frame.assign(accuracy=frame["right"] * 5.0).drop(columns="right")
    assert_same(study, Study.from_frame(make(percent), source="en", columns=role))
    answers = frame.loc[frame.index.repeat(20)].reset_index(drop=True)
    answers["run"] = np.tile(np.arange(20), len(frame))
    answers["correct"] = answers["run"] < answers["right"]
    answers = answers.drop(columns=["right", "n_total"])
    repeated = Study.from_frame(make(answers), source="en", columns=role)
    # Numbered answers are known to be repeats of one wording.
    assert repeated.benchmarks["trials"].tolist() == ["repeats"] * 2
    known = study.benchmarks.assign(trials=repeated.benchmarks["trials"])
    assert_same(Study(study.counts, study.models, known), repeated)


def test_counts_of_a_study_come_back() -> None:
    frame = pd.DataFrame(
        [("a", "quiz", x, i, k, 5) for x in ("en", "sw") for i in ("p", "q") for k in (3,)],
        columns=["model", "benchmark", "language", "item", "n_correct", "n_trials"],
    )
    study = Study.from_frame(frame, source="en", chance=0.2)
    assert_same(study, Study.from_frame(study.counts, source="en", chance=0.2))
    assert_same(study, Study(study.counts, study.models, study.benchmarks))
    alone = Study(study.counts.assign(source_language="en", chance=0.2))
    assert_same(study, alone)
