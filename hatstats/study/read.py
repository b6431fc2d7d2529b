"""`read_study`: a study folder, or one plain table split into the tables of a study."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from hatstats.errors import DataError
from hatstats.study.claims import StudyInfo, check_claims, read_head
from hatstats.study.count_checks import warn_implausible
from hatstats.study.raw_tables import DELIMITERS, FORMATS, read_table, read_toml
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
from hatstats.study.study import Study, assemble, with_notes
from hatstats.study.validate import validate_study

_ENGLISH = frozenset({"en", "eng", "english"})
_USUAL = ("counts.csv", "counts.parquet")


def read_study(path: str | Path, *, format: str | None = None) -> Study:
    """Read a study folder, or one plain table of counts.

    Parameters
    ----------
    path : path
        A folder with ``study.toml``, ``counts.csv`` or ``counts.parquet``, ``models.csv``,
        ``benchmarks.csv`` and, where needed, ``items.csv``; or a CSV, TSV or Parquet table with
        the columns of the counts. Such a table may also have `family, release_date,
        params_total, params_active, source_language, chance`. Without a source language English
        is taken, without a chance level 0, and `info.notes` says so.
    format : {"csv", "tsv", "parquet"}, optional
        Format of the counts; by default the file's name says so.

    Returns
    -------
    Study
        The validated study, rows in the order of the file.

    Raises
    ------
    DataError
        For anything wrong in the files; the message names file, row, column, value and hint.

    Warns
    -----
    DegenerateDataWarning
        For sizes that look like billions and counts that look like per cent.
    """
    place = Path(path)
    if not place.exists():
        raise DataError(
            "there is no such file or folder.",
            file=place,
            hint="correct the path to a study folder or a table of counts.",
        )
    if place.is_dir():
        sheets, notes, info, claims, files = _read_folder(place, format)
    else:
        sheets, notes = split_plain(read_table(place, format=format))
        info, claims, files = StudyInfo(place.stem), (), (place,)
    tables = validate_study(**sheets)
    warn_implausible(tables.counts, tables.models, tables.benchmarks)
    return assemble(tables, with_notes(info, notes), claims, files)


def _read_folder(
    folder: Path, format: str | None
) -> tuple[dict[str, Sheet], list[str], StudyInfo, tuple[dict[str, Any], ...], tuple[Path, ...]]:
    path = _counts_file(folder, format)
    files = [path]
    head: dict[str, Any] = {}
    if (toml := folder / "study.toml").exists():
        head = read_toml(toml)
        files.insert(0, toml)
    info, claims, constants = read_head(head, file=str(toml), name=folder.resolve().name)
    if (own := folder / "claims.toml").exists():
        claims = _own_claims(own, claims)
        files.append(own)
    raw = read_table(path)
    notes = unused_note(undeclared(raw, COUNTS))
    counts = conform(raw, COUNTS)
    found: dict[str, Sheet] = {}
    for table in ("models", "benchmarks", "items"):
        if (file := folder / f"{table}.csv").exists():
            found[table] = read_table(file)
            files.append(file)
    if "models" not in found:
        raise DataError(
            "the file is missing.",
            file=folder / "models.csv",
            hint="write it with the columns model, family, release_date, "
            "params_total, params_active (cells may be empty), or read the table of "
            f"counts alone: read_study({str(path)!r}).",
        )
    by_item = "items" in found and "source_language" in found["items"].frame
    found["benchmarks"], more = with_defaults(
        found.get("benchmarks"), counts, constants, by_item=by_item
    )
    found.setdefault("items", Sheet.of("items.csv", no_items()))
    return {"counts": counts, **found}, [*notes, *more], info, claims, tuple(files)


def _own_claims(file: Path, others: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    """Claims of ``claims.toml``; the head of the study may repeat them, but not contradict."""
    content = read_toml(file)
    for key in content:
        if key != "claims":
            raise DataError(
                "the key is not known.",
                file=file,
                column=key,
                value=content[key],
                hint="the file holds tables [[claims]] and nothing else.",
            )
    claims = check_claims(content.get("claims", []), file=str(file))
    if others and others != claims:
        raise DataError(
            "study.toml has other claims.",
            file=file,
            column="claims",
            hint="keep the claims in one of the two files.",
        )
    return claims


def _counts_file(folder: Path, format: str | None) -> Path:
    if format is not None and format not in {*DELIMITERS, "parquet"}:
        raise DataError("the format is not known.", value=format, hint="use csv, tsv or parquet.")
    names = [f"counts.{format}"] if format else [f"counts{ending}" for ending in FORMATS]
    there = [folder / name for name in names if (folder / name).exists()]
    if not there:
        inside = sorted(entry.name for entry in folder.iterdir())[:8]
        raise DataError(
            f"the folder has no {' or '.join(names[:1] if format else _USUAL)} (it "
            f"has: {', '.join(inside) or 'nothing'}).",
            file=folder,
            hint="name the folder of a study, or a table of counts.",
        )
    if len(there) > 1:
        raise DataError(
            f"the folder has {' and '.join(path.name for path in there)}.",
            file=folder,
            hint="remove one, or choose with format='csv'.",
        )
    return there[0]


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
