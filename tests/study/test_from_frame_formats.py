"""Column names of public result files: each format gives one study in every library.

The names are those of lm-evaluation-harness (samples), HELM (per instance), Inspect (samples_df),
lighteval (details), OpenCompass (details), simple-evals, EuroEval, MMLU-ProX, Global-MMLU,
llm-stats, self-translate and GSM-Symbolic; the numbers are our own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from hatstats import DataError, Study

LANGUAGES = ("en", "de", "sw")
ANSWERS = pd.DataFrame(
    [
        (model, "quiz", language, f"q{item}", float((3 * m + 2 * x + item) % 4 != 0))
        for m, model in enumerate(("acme-1b", "acme-2b"))
        for x, language in enumerate(LANGUAGES)
        for item in range(4)
    ],
    columns=["model", "benchmark", "language", "item", "correct"],
)
N_ITEMS = 40
TOTALS = pd.DataFrame(
    [
        (model, "quiz", language, 5 + 9 * m + 7 * x)
        for m, model in enumerate(("acme-1b", "acme-2b"))
        for x, language in enumerate(LANGUAGES)
    ],
    columns=["model", "benchmark", "language", "right"],
)
LIBRARIES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "arrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
}


@dataclass(frozen=True)
class Format:
    """A frame as a harness writes it, what a user says of it, and what it says without that."""

    frame: pd.DataFrame
    says: dict[str, Any] = field(default_factory=dict)
    without: str = ""
    items: bool = True
    notes: tuple[str, ...] = ()
    prompt: str = ""


def answers(names: dict[str, str], **more: Any) -> pd.DataFrame:
    return ANSWERS.rename(columns=names).assign(**more)


def totals(names: dict[str, str], accuracy: str, scale: float = 1, **more: Any) -> pd.DataFrame:
    frame = TOTALS.assign(**{accuracy: TOTALS["right"] / N_ITEMS * scale}, **more)
    return frame.drop(columns="right").rename(columns=names)


ROW = [str(k) for k in range(len(ANSWERS))]
LETTERS = ANSWERS["correct"].map({1.0: "C", 0.0: "I"})
FORMATS = {
    "lm-evaluation-harness": Format(
        answers(
            {"benchmark": "task", "item": "doc_id", "correct": "exact_match"},
            filter="strict-match",
            target=ROW,
            arguments=[["a prompt", "until"]] * len(ANSWERS),
        ),
        notes=("benchmark from 'task'", "Columns not used: 'filter', 'target', 'arguments'."),
    ),
    "HELM": Format(
        answers(
            {"benchmark": "scenario", "item": "instance_id", "correct": "quasi_exact_match"},
            split="test",
            train_trial_index=0,
        ),
        # The set of worked examples before the question is a wording.
        prompt="0",
    ),
    "Inspect": Format(
        ANSWERS.drop(columns="correct")
        .rename(columns={"benchmark": "task_name", "item": "id", "language": "metadata_language"})
        .assign(score_match=LETTERS, sample_id=ROW, epoch=1, eval_id=ROW),
        {"columns": {"language": "metadata_language"}},
        without="no column names the language of each row.*columns={'language': ...}",
    ),
    "lighteval": Format(
        answers(
            {
                "benchmark": "doc.task_name",
                "item": "doc.id",
                "correct": "metric.extractive_match",
                "language": "lang",
            },
            **{"doc.query": ROW},
        ),
    ),
    "OpenCompass": Format(
        answers({"benchmark": "dataset", "item": "idx", "language": "lang"}, pred="A", answer="B"),
    ),
    "simple-evals": Format(
        totals({}, "acc", commit="aa328c0d", date="2025-04-21"),
        {"n_trials": N_ITEMS},
        without="neither right nor wrong.*n_trials=250",
        items=False,
    ),
    "EuroEval": Format(
        totals(
            {"benchmark": "dataset", "language": "dataset_language"},
            "score",
            100,
            task=["knowledge", "reasoning"] * 3,
        ),
        {"n_trials": N_ITEMS, "columns": {"benchmark": "dataset"}},
        without="'dataset' and 'task' may both be the benchmark.*columns={'benchmark': 'dataset'}",
        items=False,
        notes=("Accuracies read as per cent (the highest is 70).",),
    ),
    "MMLU-ProX": Format(
        totals({}, "acc", 100)
        .pivot(index="model", columns="language", values="acc")
        .rename(columns=str.upper)
        .reset_index()
        .rename(columns={"model": "Model"})
        .assign(Avg=50.0),
        {"n_trials": N_ITEMS, "benchmark": "quiz"},
        without="neither right nor wrong.*accuracies in per cent",
        items=False,
        notes=("Source language 'en' is called 'EN'.",),
    ),
    "Global-MMLU": Format(
        answers(
            {"model": "model_id", "item": "sample_id", "correct": "is_correct"},
            subject="law",
            answer=ROW,
        ),
    ),
    "llm-stats": Format(
        totals({"benchmark": "benchmark_id"}, "score", verified=True, n_items=N_ITEMS),
        items=False,
    ),
    "self-translate": Format(
        totals({"benchmark": "task_group", "language": "lang"}, "acc", shots=8, stderr=0.01,
               n_items=N_ITEMS, k=5),
        items=False,
    ),
    "GSM-Symbolic": Format(
        ANSWERS.assign(n_correct=ANSWERS["correct"].astype(int), n_total=1)
        .drop(columns="correct")
        .rename(columns={"item": "template"}),
        {"columns": {"item": "template"}},
        without="'template' may be the item or the prompt.*columns={'item': 'template'}",
    ),
}  # fmt: skip


def canonical(study: Study) -> pd.DataFrame:
    counts = study.counts.assign(language=study.counts["language"].str.lower())
    return counts.sort_values(["model", "language", "item"]).reset_index(drop=True)


def expected(items: bool) -> pd.DataFrame:
    if items:
        return canonical(Study.from_frame(ANSWERS, source="en"))
    counts = TOTALS.rename(columns={"right": "n_correct"}).assign(n_trials=N_ITEMS)
    return canonical(Study.from_frame(counts, source="en"))


EXPECTED = {items: expected(items) for items in (True, False)}


def test_there_are_ten_formats() -> None:
    assert len(FORMATS) >= 10


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.slow
def test_every_format_gives_the_same_study_in_every_library(name: str, library: str) -> None:
    one = FORMATS[name]
    study = Study.from_frame(LIBRARIES[library](one.frame), source="en", **one.says)
    expected = EXPECTED[one.items].copy()
    if one.prompt:
        expected["prompt"] = one.prompt
    assert_frame_equal(canonical(study), expected)
    for note in one.notes:
        assert note in study.info.notes


@pytest.mark.parametrize("name", [name for name, one in FORMATS.items() if one.without])
def test_what_is_missing_is_said(name: str) -> None:
    benchmark = {key: value for key, value in FORMATS[name].says.items() if key == "benchmark"}
    with pytest.raises(DataError, match=FORMATS[name].without.replace("{", r"\{")):
        Study.from_frame(FORMATS[name].frame, source="en", **benchmark)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("items", [True, False])
@pytest.mark.slow
def test_a_column_for_each_language_gives_the_same_study(items: bool, library: str) -> None:
    if items:
        keys, values, says = ["model", "benchmark", "item"], ANSWERS, {}
    else:
        keys, says = ["model", "benchmark"], {"n_trials": N_ITEMS}
        values = totals({}, "correct")
    table = values.pivot(index=keys, columns="language", values="correct").reset_index()
    study = Study.from_frame(LIBRARIES[library](table), source="en", **says)
    assert_frame_equal(canonical(study), EXPECTED[items])
    names = {"en": "acc_en", "de": "acc_de", "sw": "acc_sw"}
    renamed = LIBRARIES[library](table.rename(columns=names))
    named = {column: language for language, column in names.items()}
    study = Study.from_frame(renamed, source="en", languages=named, **says)
    assert_frame_equal(canonical(study), EXPECTED[items])


def test_anything_that_speaks_arrow_is_a_frame() -> None:
    class Stream:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return pa.Table.from_pandas(ANSWERS).__arrow_c_stream__(requested_schema)

    assert_frame_equal(canonical(Study.from_frame(Stream(), source="en")), EXPECTED[True])
