"""One plain table of counts, split into the tables of a study, with what may be assumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from hatstats.errors import DataError
from hatstats.study.frames.native import describe
from hatstats.study.schema import (
    BENCHMARKS,
    COUNTS,
    MODELS,
    Column,
    Sheet,
    conform,
    near,
    no_items,
    undeclared,
)

_ENGLISH = frozenset({"en", "eng", "english"})


def split_plain(raw: Sheet, other_way: str = "") -> tuple[dict[str, Sheet], list[str]]:
    """Split one plain table into raw `counts, models, benchmarks, items`, with notes."""
    columns = list({column.name: column for column in (*COUNTS, *MODELS, *BENCHMARKS)}.values())
    sheet = conform(raw, columns, other_way=other_way)
    counts = replace(sheet, frame=sheet.frame[[c.name for c in COUNTS]])
    for column in (c.name for c in (*MODELS[1:], *BENCHMARKS[2:]) if c.name in sheet.frame):
        sheet.refuse_varying(["benchmark" if column == "chance" else "model"], column)
    models = _first_rows(sheet, ["model"], [c.name for c in MODELS])
    items = Sheet.from_frame(sheet.file, no_items())
    if "source_language" in raw.frame:
        own = sheet.frame.groupby("benchmark")["source_language"].nunique()
        by_item = sheet.frame["benchmark"].map(own > 1).to_numpy(dtype=bool)
        if by_item.any():
            rows = sheet.keep(by_item)
            key = ["benchmark", "item"]
            rows.refuse_varying(key, "source_language")
            items = _first_rows(rows, key, [*key, "source_language"])
            sources = sheet.frame["source_language"].mask(by_item, "")
            sheet = replace(sheet, frame=sheet.frame.assign(source_language=sources))
    optional = [name for name in ("chance", "trials") if name in raw.frame]
    benchmarks = _first_rows(sheet, ["benchmark"], ["benchmark", "source_language", *optional])
    benchmarks, notes = with_defaults(benchmarks, counts, {})
    sheets = {"counts": counts, "models": models, "benchmarks": benchmarks, "items": items}
    return sheets, [*unused_note(raw, columns), *notes]


def complete_tables(
    counts: pd.DataFrame,
    models: pd.DataFrame | None,
    benchmarks: pd.DataFrame | None,
    items: pd.DataFrame,
) -> tuple[dict[str, Sheet], list[str]]:
    """Make the tables that are not given (None) from the counts; raw tables by name, and notes."""
    given = {"counts": counts, "models": models, "benchmarks": benchmarks, "items": items}
    for name, table in given.items():
        if not isinstance(table, pd.DataFrame) and not (
            table is None and name in {"models", "benchmarks"}
        ):
            raise DataError(
                f"the table is {describe(table)}, not a pandas DataFrame.",
                file=name,
                hint="make a study of other frames with Study.from_frame(df, source='en'), of "
                "files with read_study(path).",
            )
    sheets = {
        name: Sheet.from_frame(name, table) for name, table in given.items() if table is not None
    }
    if len(sheets) == len(given):
        return sheets, []
    plain = sheets["counts"]
    if "source_language" not in plain.frame:
        if benchmarks is None:
            text = "no source language is named."
            hint = "add the column, or call Study.from_frame(df, source='en')."
            raise DataError(text, file="counts", column="source_language", hint=hint)
        # The given table of benchmarks is what counts, so that any name will do here.
        any_name = plain.frame.get("language", pd.Series([""]))
        named = plain.frame.assign(source_language=any_name.iloc[0] if len(any_name) else "")
        plain = replace(plain, frame=named)
    found, notes = split_plain(plain)
    if len(items):
        del found["items"]
    for name in ("models", "benchmarks"):
        found[name] = sheets.get(name, found[name])
    return {**sheets, **found}, notes if benchmarks is None else []


def with_defaults(
    benchmarks: Sheet | None, counts: Sheet, constants: dict[str, Any], *, by_item: bool = False
) -> tuple[Sheet, list[str]]:
    """Fill in chance and source language where a column is missing, from `constants` of the study.

    Else chance is 0, and the source English, unless items name their sources (`by_item`).
    """
    if benchmarks is None:
        benchmarks = _first_rows(counts, ["benchmark"], ["benchmark"])
    frame, notes = benchmarks.frame, []
    for key, value in constants.items():
        if key in frame:
            text = f"{key} is given here and in study.toml ({value!r})."
            hint = "remove one of the two."
            raise DataError(text, file=benchmarks.file, row=1, column=key, hint=hint)
    if "trials" in constants and "benchmark" in frame:
        frame = frame.assign(trials=_trials(benchmarks, constants["trials"]))
    if "chance" not in frame:
        frame = frame.assign(chance=constants.get("chance", 0.0))
        if "chance" not in constants:
            notes.append("Chance level not given: taken as 0.")
    blank = "source_language" not in frame or not (frame["source_language"] != "").any()
    if blank and "source_language" in constants:
        frame = frame.assign(source_language=str(constants["source_language"]))
    elif blank and not by_item and "benchmark" in frame:
        english = pd.Series(_english_sources(benchmarks, counts), dtype="str")
        frame = frame.assign(source_language=english)
        notes.append("Source language not given: taken as English.")
    return replace(benchmarks, frame=frame), notes


def _trials(benchmarks: Sheet, given: dict[str, Any]) -> list[str]:
    """What the trials of each benchmark are, from the table of ``study.toml``."""
    names = benchmarks.frame["benchmark"].tolist()
    for name, value in given.items():
        if name not in names or not isinstance(value, str):
            text = "[trials] says in words what the trials of a benchmark of the study are."
            hint = f'write a line such as {names[0]} = "repeats".{near(name, names)}'
            raise DataError(
                text, file="study.toml", column=f"trials.{name}", value=value, hint=hint
            )
    return [given.get(name, "") for name in names]


def _english_sources(benchmarks: Sheet, counts: Sheet) -> list[str]:
    """What each benchmark calls English, ``""`` without counts; refuses one without English."""
    languages = counts.frame.groupby("benchmark")["language"].unique()
    sources = []
    for number, name in enumerate(benchmarks.frame["benchmark"]):
        present = [str(language) for language in languages.get(name, [])]
        english = [language for language in present if language.casefold() in _ENGLISH]
        if present and len(english) != 1:
            raise DataError(
                f"no source language is given for {name!r}, and English is not among its "
                f"languages ({', '.join(present[:12])}).",
                file=benchmarks.file,
                column="source_language",
                hint="add a column source_language.",
                **benchmarks.place(number),
            )
        sources.append(english[0] if english else "")
    return sources


def unused_note(raw: Sheet, columns: Sequence[Column]) -> list[str]:
    """Say which columns of the counts were not used."""
    listed = ", ".join(map(repr, undeclared(raw, columns)))
    return [f"Columns not used: {listed}."] if listed else []


def _first_rows(sheet: Sheet, key: list[str], columns: list[str]) -> Sheet:
    """The first row of each value of the key, with these columns."""
    first = sheet.keep(~sheet.frame.duplicated(key).to_numpy())
    return replace(first, frame=first.frame[columns])
