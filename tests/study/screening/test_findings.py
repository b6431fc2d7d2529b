"""Findings of a study: each kind is found where it was planted, and is excluded by its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hatstats
from hatstats.errors import DataError
from hatstats.study import Study
from hatstats.study.screening.findings import (
    KINDS,
    finding_table,
    findings,
    named,
    write_flags,
)

LANGUAGES = ("en", "de", "fr", "sw", "th")
MODELS = ("a", "b", "c", "d")


def plain(n: int = 60, seed: int = 5) -> pd.DataFrame:
    """Counts of four models in five languages where nothing is wrong; ten trials."""
    rng = np.random.default_rng(seed)
    rows = [
        {"model": model, "benchmark": "quiz", "language": language, "item": f"q{item:03d}x",
         "n_correct": float(rng.binomial(10, 0.75 - 0.06 * j - 0.03 * i)), "n_trials": 10.0}
        for i, model in enumerate(MODELS)
        for j, language in enumerate(LANGUAGES)
        for item in range(n)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def study_of(counts: pd.DataFrame, chance: float = 0.0) -> Study:
    return Study(
        counts=counts,
        models=pd.DataFrame({"model": counts["model"].drop_duplicates()}),
        benchmarks=pd.DataFrame(
            {"benchmark": ["quiz"], "source_language": ["en"], "chance": [chance]}
        ),
    )


def cell(counts: pd.DataFrame, model: str, language: str) -> pd.Series:
    return (counts["model"] == model) & (counts["language"] == language)


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert findings(study_of(plain())) == []


def zero(counts: pd.DataFrame) -> pd.DataFrame:
    counts.loc[cell(counts, "b", "th"), "n_correct"] = 0.0
    return counts


def english_low(counts: pd.DataFrame) -> pd.DataFrame:
    rows = cell(counts, "c", "en")
    counts.loc[rows, "n_correct"] = np.where(np.arange(rows.sum()) % 3 == 0, 4.0, 3.0)
    return counts


def copied_language(counts: pd.DataFrame) -> pd.DataFrame:
    counts.loc[cell(counts, "a", "th"), "n_correct"] = counts.loc[
        cell(counts, "a", "sw"), "n_correct"
    ].to_numpy()
    return counts


def copied_model(counts: pd.DataFrame) -> pd.DataFrame:
    counts.loc[counts["model"] == "d", "n_correct"] = counts.loc[
        counts["model"] == "c", "n_correct"
    ].to_numpy()
    return counts


def twin_items(counts: pd.DataFrame) -> pd.DataFrame:
    number = counts["item"].str.slice(1, 4).astype(int)
    counts["item"] = "q" + (number // 2).astype(str) + "-" + (number % 2 + 1).astype(str)
    return counts


def at_floor(counts: pd.DataFrame) -> pd.DataFrame:
    rows = counts["model"] == "d"
    counts.loc[rows, "n_correct"] = np.where(np.arange(rows.sum()) % 2 == 0, 2.0, 3.0)
    return counts


def at_ceiling(counts: pd.DataFrame) -> pd.DataFrame:
    counts.loc[cell(counts, "a", "en"), "n_correct"] = 10.0
    return counts


def fewer(counts: pd.DataFrame) -> pd.DataFrame:
    rows = cell(counts, "b", "fr")
    return counts[~(rows & (counts["item"] > "q040x"))]


@pytest.mark.parametrize(
    ("spoil", "chance", "kind", "name"),
    [
        (zero, 0.0, "zero-accuracy", "zero-accuracy:b:quiz:th"),
        (zero, 0.0, "extraction-failure", "extraction-failure:b:quiz:th"),
        (english_low, 0.0, "source-below-all", "source-below-all:c:quiz:en"),
        (copied_language, 0.0, "identical-counts", "identical-counts:a:quiz:th"),
        (copied_model, 0.0, "model-twins", "model-twins:d:quiz"),
        (twin_items, 0.0, "item-twins", "item-twins:quiz"),
        (at_floor, 0.25, "floor", "floor:d:quiz"),
        (at_ceiling, 0.0, "ceiling", "ceiling:a:quiz:en"),
        (fewer, 0.0, "unequal-n", "unequal-n:b:quiz:fr"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
@pytest.mark.slow
def test_each_kind_is_found_where_it_was_planted(
    spoil: object, chance: float, kind: str, name: str
) -> None:
    found = findings(study_of(spoil(plain()), chance))  # type: ignore[operator]
    assert kind in KINDS
    assert name in [each.name for each in found]
    one = named(found, [name])[0]
    assert one.evidence.endswith(".")
    assert one.command("my study").startswith("hatstats exclude 'my study' ")
    # Nothing but the planted cell, or what follows from it, is accused.
    assert {each.model for each in found} <= {one.model, ""}


def test_aggregate_twins_are_found() -> None:
    counts = copied_model(plain()).groupby(["model", "benchmark", "language"], as_index=False)[
        ["n_correct", "n_trials"]
    ].sum()  # fmt: skip
    assert "model-twins:d:quiz" in [each.name for each in findings(study_of(counts))]


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_excluding_by_name_flags_the_rows_and_nothing_else(format: str, tmp_path: Path) -> None:
    study = study_of(zero(plain()))
    study.write(tmp_path / "study", format=format)  # type: ignore[arg-type]
    (tmp_path / "study" / "LICENCE").write_text("kept")
    before = {p.name: p.read_bytes() for p in (tmp_path / "study").iterdir()}
    chosen = named(findings(study), ["zero-accuracy:b:quiz:th"])
    assert write_flags(tmp_path / "study", chosen) == 60
    after = hatstats.read_study(tmp_path / "study")
    hit = cell(after.counts, "b", "th")
    assert set(after.counts["flag"][hit]) == {"zero-accuracy"}
    assert set(after.counts["flag"][~hit]) == {""}
    assert after.counts.drop(columns=["flag", "evidence"]).equals(
        study.counts.drop(columns=["flag", "evidence"])
    )
    assert len(after.without_flagged().counts) == len(study.counts) - 60
    changed = {
        p.name for p in (tmp_path / "study").iterdir() if before.get(p.name) != p.read_bytes()
    }
    assert changed == {f"counts.{format}"}
    assert write_flags(tmp_path / "study", chosen) == 0


def test_what_is_flagged_already_is_not_advised_again() -> None:
    study = study_of(zero(plain()))
    table = finding_table(findings(study), study, "s")
    names = table.loc[table["languages"] == "th", "name"]
    assert "zero-accuracy:b:quiz:th" in set(names)
    assert not table["excluded"].any()
    rows = cell(study.counts, "b", "th")
    flagged = study.counts.assign(flag=["odd" if hit else "" for hit in rows], evidence="Seen.")
    after = finding_table(findings(study_of(flagged)), study_of(flagged), "s")
    done = after["excluded"] & (after["command"] == "")
    assert set(after["name"]) == set(table["name"])
    assert set(after.loc[done, "name"]) == set(names)
    # A cell of which one item is flagged is not left out.
    flagged.loc[np.flatnonzero(rows)[0], "flag"] = ""
    assert not finding_table(findings(study_of(flagged)), study_of(flagged), "s")["excluded"].any()


def test_a_name_that_no_finding_has_is_an_error() -> None:
    found = findings(study_of(zero(plain())))
    with pytest.raises(DataError, match=r"no such finding.*Did you mean 'zero-accuracy:b:quiz:th'"):
        named(found, ["zero-accuracy:b:quiz:t"])


def test_a_table_of_findings_has_a_command_for_each() -> None:
    study = study_of(zero(plain()))
    table = finding_table(findings(study), study, "s")
    assert len(table) >= 2
    assert (table["command"] != "").all()


def test_the_paper_like_simulation_shows_no_failure() -> None:
    study = hatstats.simulate_study(rng=4)
    kinds = {each.kind for each in findings(study)}
    assert kinds <= {"floor", "ceiling"}
