"""However a table is written, its counts are the true ones, refused, or the difference is said."""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hatstats
from hatstats.errors import DataError
from hatstats.study.schema import OTHER_NAMES
from tests.logs import writers
from tests.logs.cases import cells, quiz, results, samples, truth

FRAME = quiz()
NAMES = {
    "model": ("model", "model_name", "LLM", "Model ID"),
    "language": ("language", "lang", "locale", "Language Code"),
    "benchmark": ("benchmark", "dataset", "task"),
    "item": ("item", "question_id", "id", "Doc ID"),
    "correct": ("correct", "is_correct", "score", "acc", "passed"),
}
SPELLINGS = {"en": ("en", "en-US", "eng_Latn", "English"), "de": ("de", "deu_Latn", "German"),
             "yo": ("yo", "yor_Latn", "Yoruba")}  # fmt: skip
POLES = (("1", "0"), ("True", "False"), ("yes", "no"), ("Y", "N"), ("ok", "wrong"), ("100", "0"),
         ("1", "-1"), ("C", "I"), ("100%", "0%"), ("1.0", "0.0"), ("right", "0"),
         ("a", "b"))  # fmt: skip
ODD = ("", "timeout", "invalid", "0.5", "maybe")
NUMBERS = ("n_trials", "n_total", "total", "n_items", "num_questions")
#: Examples of each property; HATSTATS_EXAMPLES=500 looks longer.
EXAMPLES = int(os.environ.get("HATSTATS_EXAMPLES", "20"))
CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
#: What a note says that explains a difference: numbers of lost answers, or answers counted once.
SAID = re.compile(r"could not be used|counted once|kept apart|not used|neither")


@st.composite
def written(draw: st.DrawFn) -> tuple[pd.DataFrame, str]:
    """The quiz as somebody's table of answers, and the separator of its cells."""
    frame = FRAME.copy()
    right, wrong = draw(st.sampled_from(POLES))
    frame["correct"] = frame["correct"].map({1: right, 0: wrong})
    for language, names in SPELLINGS.items():
        for model in ("A", "B"):
            rows = (frame["language"] == language) & (frame["model"] == model)
            frame.loc[rows, "language"] = draw(st.sampled_from(names))
    if odd := draw(st.sampled_from((None, None, *ODD))):
        frame.loc[draw(st.sampled_from((slice(0, 2), slice(0, 30), slice(None, None, 9)))),
                  "correct"] = odd  # fmt: skip
    if draw(st.booleans()):
        frame = pd.concat([frame, frame.iloc[: draw(st.integers(1, 40))]])
    if draw(st.booleans()):
        frame["latency"] = 1.5
    return _arranged(draw, frame), draw(st.sampled_from(",;\t|"))


def _arranged(draw: st.DrawFn, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows and columns in any order, columns under any of their names."""
    frame = frame.sample(frac=1, random_state=draw(st.integers(0, 9)))
    columns = {name: draw(st.sampled_from(names)) for name, names in NAMES.items()}
    order = draw(st.permutations(list(frame.columns)))
    return frame[order].rename(columns=columns)


@st.composite
def summed(draw: st.DrawFn) -> pd.DataFrame:
    """The quiz as counts, accuracies or one column for each language, by item or in total."""
    key = ["model", "benchmark", "language", *draw(st.sampled_from(([], ["item"])))]
    frame = FRAME.groupby(key, as_index=False)["correct"].agg(["sum", "count"])
    layout = draw(st.sampled_from(("counts", "shares", "per cent", "wide")))
    if layout == "counts":
        names = {"sum": "n_correct", "count": draw(st.sampled_from(NUMBERS))}
        return _arranged(draw, frame.rename(columns=names))
    frame["accuracy"] = frame["sum"] / frame["count"] * (100 if layout == "per cent" else 1)
    frame = frame.drop(columns="sum").rename(columns={"count": "n_trials"})
    if layout == "wide":
        rest = [name for name in frame if name not in ("language", "accuracy")]
        spelled = {name: draw(st.sampled_from(SPELLINGS[name])) for name in SPELLINGS}
        frame = frame.replace({"language": spelled})
        frame = frame.pivot_table("accuracy", rest, "language").reset_index()
        frame = frame.rename_axis(columns=None)
    return _arranged(draw, frame)


def _write(table: pd.DataFrame, path: Path) -> None:
    """A table in the format that the ending of its name says."""
    if path.suffix == ".parquet":
        table.to_parquet(path)
    elif path.suffix in (".json", ".jsonl"):
        table.to_json(path, orient="records", lines=path.suffix == ".jsonl")
    else:
        table.to_csv(path, index=False, sep={".tsv": "\t", ".txt": ";"}.get(path.suffix, ","))


@given(written())
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=CHECKS)
@pytest.mark.slow
def test_a_table_of_any_form_is_true_refused_or_explained(
    tmp_path: Path, form: tuple[pd.DataFrame, str]
) -> None:
    table, separator = form
    path = tmp_path / ("quiz.tsv" if separator == "\t" else "quiz.csv")
    table.to_csv(path, index=False, sep=separator)
    try:
        done = hatstats.convert_logs(path)
    except DataError as reason:
        text = str(reason)
        assert "Hint" in text
        assert re.search(r"scores are neither|English is not among|nothing in these logs", text)
        return
    found = sum_languages(cells(done.study))
    if found == truth(FRAME):
        return
    reasons = [*done.notes, *done.left_out["reason"]]
    assert any(SAID.search(text) for text in reasons), (found, reasons)
    losses = {(each.model, _short(each.language)): each for each in done.study.info.losses}
    for key, (_, n) in found.items():
        lost, loss = 60 - n, losses.get(key)
        # Rows that stand twice are lost twice, and the account is of rows.
        assert lost == 0 or (loss is not None and lost <= loss.missing <= lost + loss.asked - 60)


@given(summed(), st.sampled_from(("csv", "tsv", "txt", "json", "jsonl", "parquet")))
@settings(max_examples=EXAMPLES // 2, deadline=None, suppress_health_check=CHECKS)
@pytest.mark.slow
def test_counts_and_accuracies_of_any_layout_are_true(
    tmp_path: Path, table: pd.DataFrame, ending: str
) -> None:
    path = tmp_path / f"quiz.{ending}"
    _write(table, path)
    found = sum_languages(cells(hatstats.convert_logs(path, strict=True).study))
    assert found == {key: (pytest.approx(k), n) for key, (k, n) in truth(FRAME).items()}


@given(
    st.sampled_from(writers.ITEMWISE), st.integers(0, 99), st.integers(0, 30), st.booleans(),
    st.booleans(),
)  # fmt: skip
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=CHECKS)
@pytest.mark.slow
def test_logs_of_any_harness_with_gaps_are_true_or_explained(
    tmp_path_factory: pytest.TempPathFactory, write: Callable[[pd.DataFrame, Path], None],
    seed: int, gaps: int, broken: bool, copied: bool,
) -> None:  # fmt: skip
    """Answers in any order, some never asked, a line cut off, a file that stands there twice."""
    folder = tmp_path_factory.mktemp("logs")
    frame = writers.responses(seed).sample(frac=1, random_state=seed).iloc[gaps:]
    write(frame, folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [path for path in files if path.suffix == ".jsonl"]
    if broken and lines:
        with lines[seed % len(lines)].open("a", encoding="utf-8") as file:
            file.write('{"model": "acme/sm')
    if copied and write.__name__ in ("inspect_eval", "inspect_json", "jsonl", "csv", "parquet"):
        first = files[seed % len(files)]
        shutil.copy(first, first.with_name(f"again-{first.name}"))
    done = hatstats.convert_logs(folder)
    counts = done.study.counts.groupby(["model", "language", "item"])[["n_correct", "n_trials"]]
    found = {key: (float(k), float(n)) for key, (k, n) in counts.sum().iterrows()}
    assert found == writers.expected(frame)
    lost = done.left_out[~done.left_out["by_rule"]]
    assert lost["rows"].sum() == (broken and bool(lines))


def _short(language: str) -> str:
    return next(short for short, names in SPELLINGS.items() if language in names)


def sum_languages(found: dict[tuple[str, str], tuple[float, float]]) -> dict[
    tuple[str, str], tuple[float, float]
]:  # fmt: skip
    """Counts by the short name of each language: one name of each is left in a study."""
    short = {(m, _short(c)): value for (m, c), value in found.items()}
    assert len(short) == len(found)
    return short


@given(
    st.permutations(range(4)),
    st.lists(st.sampled_from(("0", "5")), min_size=4, max_size=4),
    st.lists(st.integers(0, 2), min_size=4, max_size=4),
)
@settings(max_examples=EXAMPLES // 5, deadline=None, suppress_health_check=CHECKS)
@pytest.mark.slow
def test_runs_in_any_order_of_dates_are_repeats_or_apart(
    tmp_path: Path, order: list[int], shots: list[str], seeds: list[int]
) -> None:
    """Four runs of one model: what has equal shots is added up, equal answers once."""
    folder = tmp_path / "-".join(map(str, (*order, *shots, *seeds))) / "org__a"
    expected: dict[str, dict[int, float]] = {"0": {}, "5": {}}
    for position, run in enumerate(order):
        # Equal files under other shots would be copies of one file, and count once.
        drawn = 10 * int(shots[run]) + seeds[run]
        answers = FRAME.loc[FRAME["model"] == "A"].sample(frac=1, random_state=drawn)
        day = f"2026-03-0{position + 1}T10-00-00.000001"
        for language in ("en", "de"):
            rows = answers[answers["language"] == language]["correct"].astype(float).tolist()
            samples(folder / f"samples_xnli_{language}_{day}.jsonl", rows)
        results(folder / f"results_{day}.json", {"xnli_en": 0.5, "xnli_de": 0.5},
                shots=int(shots[run]), n=60)  # fmt: skip
        expected[shots[run]][seeds[run]] = 31.0
    done = hatstats.convert_logs(folder)
    found = cells(done.study)
    several = len(set(shots)) > 1
    for number, right in expected.items():
        name = f"org/a (num_fewshot={number})" if several else "org/a"
        if right:  # runs with one seed are copies of one another
            assert found[name, "en"] == (sum(right.values()), 60.0 * len(right))
    assert len(found) == 2 * len(set(shots))


def test_the_names_that_are_fuzzed_are_known() -> None:
    for role, names in NAMES.items():
        known = {role, *itertools.chain(*OTHER_NAMES[role]), *OTHER_NAMES["accuracy"][0]}
        assert {re.sub(r"\W+", "_", name.lower()) for name in names} <= known
