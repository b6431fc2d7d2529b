"""One plain table of counts, split into the tables of a study, with what may be assumed."""

from __future__ import annotations

from collections.abc import Iterable
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
    no_items,
    undeclared,
)

_ENGLISH = frozenset({"en", "eng", "english"})


def split_plain(sheet: Sheet) -> tuple[dict[str, Sheet], list[str]]:
    """Split one plain table into the four tables of a study.

    Parameters
    ----------
    sheet : Sheet
        Raw table with the columns of the counts, and optionally those of models and benchmarks.

    Returns
    -------
    tables : dict of str to Sheet
        Raw `counts`, `models`, `benchmarks` and `items`.
    notes : list of str
        What was assumed or left aside.
    """
    known = (*COUNTS, *MODELS, *BENCHMARKS)
    fields = {column.name: column for column in known}
    everything = conform(sheet, list(fields.values()))
    frame, given = everything.frame, set(sheet.frame.columns)
    notes = unused_note(undeclared(sheet, list(fields.values())))
    counts = Sheet(sheet.file, frame[[c.name for c in COUNTS]], sheet.rows)
    _check_constant(everything, "model", MODELS[1:])
    _check_constant(everything, "benchmark", [c for c in BENCHMARKS if c.name == "chance"])
    models = _first_rows(everything, ["model"], [c.name for c in MODELS])
    items = Sheet.of(sheet.file, no_items())
    if "source_language" in given:
        own = frame.groupby("benchmark")["source_language"].nunique()
        if (own > 1).any():
            by_item = frame["benchmark"].map(own > 1).to_numpy(dtype=bool)
            rows = Sheet(sheet.file, frame[by_item].reset_index(drop=True), sheet.rows[by_item])
            _check_constant(rows, "item", [BENCHMARKS[1]])
            items = _first_rows(
                rows, ["benchmark", "item"], ["benchmark", "item", "source_language"]
            )
            frame = frame.assign(source_language=frame["source_language"].mask(by_item, ""))
            everything = Sheet(sheet.file, frame, sheet.rows)
    has_chance = ["chance"] if "chance" in given else []
    benchmarks = _first_rows(
        everything, ["benchmark"], ["benchmark", "source_language", *has_chance]
    )
    benchmarks, more = with_defaults(benchmarks, counts, {})
    return {"counts": counts, "models": models, "benchmarks": benchmarks, "items": items}, [
        *notes,
        *more,
    ]


def complete_tables(
    counts: pd.DataFrame,
    models: pd.DataFrame | None,
    benchmarks: pd.DataFrame | None,
    items: pd.DataFrame,
) -> tuple[dict[str, Sheet], list[str]]:
    """Make the table of models and of benchmarks from the counts where they are not given.

    Parameters
    ----------
    counts, items : DataFrame
    models, benchmarks : DataFrame or None
        Without benchmarks the counts must have a column `source_language`.

    Returns
    -------
    tables : dict of str to Sheet
        Raw `counts`, `models`, `benchmarks` and `items`.
    notes : list of str
        What was assumed.

    Raises
    ------
    DataError
        For a table that is no pandas DataFrame, and where nothing names the source language.
    """
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
    sheets = {name: Sheet.of(name, table) for name, table in given.items() if table is not None}
    if len(sheets) == len(given):
        return sheets, []
    plain = sheets["counts"]
    if "source_language" not in plain.frame:
        if benchmarks is None:
            raise DataError(
                "no source language is named.",
                file="counts",
                column="source_language",
                hint="add the column, or call Study.from_frame(df, source='en').",
            )
        plain = Sheet(plain.file, plain.frame.assign(source_language=""), plain.rows)
    found, notes = split_plain(plain)
    if len(items):
        del found["items"]
    for name in ("models", "benchmarks"):
        found[name] = sheets.get(name, found[name])
    return {**sheets, **found}, notes if benchmarks is None else []


def with_defaults(
    benchmarks: Sheet | None, counts: Sheet, constants: dict[str, Any], *, by_item: bool = False
) -> tuple[Sheet, list[str]]:
    """Fill in chance and source language where a whole column is missing.

    Parameters
    ----------
    benchmarks : Sheet or None
        The table of benchmarks, or None where there is none.
    counts : Sheet
        Counts with their declared columns.
    constants : dict
        `chance` and `source_language` of ``study.toml``, where given.
    by_item : bool
        Whether the items name their source languages, so that none need be assumed.

    Returns
    -------
    benchmarks : Sheet
        With `source_language` and `chance`.
    notes : list of str
        What was assumed: English as source if such a language is there, chance 0.
    """
    if benchmarks is None:
        names = counts.frame["benchmark"].drop_duplicates()
        benchmarks = Sheet(
            counts.file,
            pd.DataFrame({"benchmark": names}).reset_index(drop=True),
            counts.rows[names.index.to_numpy()],
        )
    frame, notes = benchmarks.frame, []
    for key, value in constants.items():
        if key in frame:
            raise DataError(
                f"{key} is given here and in study.toml ({value!r}).",
                file=benchmarks.file,
                row=1,
                column=key,
                hint="remove one of the two.",
            )
    if "chance" not in frame:
        frame = frame.assign(chance=constants.get("chance", 0.0))
        if "chance" not in constants:
            notes.append("Chance level not given: taken as 0.")
    blank = "source_language" not in frame or not (frame["source_language"] != "").any()
    if blank and "source_language" in constants:
        frame = frame.assign(source_language=str(constants["source_language"]))
    elif blank and not by_item and "benchmark" in frame:
        languages = counts.frame.groupby("benchmark")["language"].unique()
        sources = []
        for at, name in enumerate(frame["benchmark"]):
            there = [str(x) for x in languages.get(name, [])]
            english = [x for x in there if x.casefold() in _ENGLISH]
            if there and len(english) != 1:
                raise DataError(
                    f"no source language is given for {name!r}, and English is not among its "
                    f"languages ({', '.join(there[:12])}).",
                    file=benchmarks.file,
                    row=int(benchmarks.rows[at]),
                    column="source_language",
                    hint="add a column source_language.",
                )
            sources.append(english[0] if english else "")
        frame = frame.assign(source_language=pd.Series(sources, dtype="str"))
        notes.append("Source language not given: taken as English.")
    return Sheet(benchmarks.file, frame, benchmarks.rows), notes


def unused_note(names: Iterable[str]) -> list[str]:
    """Say which columns of the counts were not used."""
    listed = ", ".join(repr(name) for name in names)
    return [f"Columns not used: {listed}."] if listed else []


def _first_rows(sheet: Sheet, key: list[str], columns: list[str]) -> Sheet:
    first = ~sheet.frame.duplicated(key).to_numpy()
    return Sheet(
        sheet.file, sheet.frame.loc[first, columns].reset_index(drop=True), sheet.rows[first]
    )


def _check_constant(sheet: Sheet, key: str, columns: Iterable[Column]) -> None:
    """Refuse a table in which one model (or benchmark, or item) has two values of a column."""
    keys = ["benchmark", "item"] if key == "item" else [key]
    for column in columns:
        if column.name not in sheet.frame:
            continue
        pairs = sheet.frame[[*keys, column.name]].drop_duplicates()
        again = pairs.duplicated(keys).to_numpy()
        if again.any():
            at = pairs.index[again].to_numpy()
            name = sheet.frame[key].iloc[at[0]]
            raise sheet.error(
                f"{key} {name!r} has another {column.name} further up",
                column.name,
                at,
                hint=f"write the same {column.name} in every row of one {key}.",
            )
