"""What must hold within and between the tables of a study; no arithmetic of results here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hatstats.errors import DataError
from hatstats.study.count_checks import check_cells
from hatstats.study.schema import (
    BENCHMARKS,
    CELL,
    COUNTS,
    ITEMS,
    MODELS,
    Sheet,
    conform,
    near,
)


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """The four tables of a study after validation, and what was set right in silence.

    Parameters
    ----------
    counts, models, benchmarks, items : DataFrame
        Tables with their declared columns, index 0, 1, 2, ...
    notes : tuple of str
        Sentences on rows that were left aside because nothing refers to them.
    """

    counts: pd.DataFrame
    models: pd.DataFrame
    benchmarks: pd.DataFrame
    items: pd.DataFrame
    notes: tuple[str, ...] = ()


def validate_study(counts: Sheet, models: Sheet, benchmarks: Sheet, items: Sheet) -> Tables:
    """Bring four raw tables to the contract of a study, or say what is wrong with them.

    Parameters
    ----------
    counts, models, benchmarks, items : Sheet
        Raw tables with where they came from; see `hatstats.study.schema` for their columns.

    Returns
    -------
    Tables
        The same rows in the same order. Rows of `models`, `benchmarks` and `items` without any
        count are left aside (a table of models may serve several studies), and a note says so.
        Item clusters given in `items` are also written into `counts`.

    Raises
    ------
    DataError
        For anything that would make a later number wrong; the first fault found is named by
        file, row, column and value, with what would hint it.
    """
    counts = conform(counts, COUNTS)
    if not len(counts.frame):
        raise DataError(
            "the table has no rows.", file=counts.file, hint="write one row per cell of the study."
        )
    models = conform(models, MODELS, keep_others=True)
    benchmarks = conform(benchmarks, BENCHMARKS)
    items = conform(items, ITEMS)
    for sheet, key in (
        (models, ["model"]),
        (benchmarks, ["benchmark"]),
        (items, ["benchmark", "item"]),
    ):
        _check_unique(sheet, key)
    _check_models(models)
    _check_benchmarks(benchmarks)
    _check_listed(counts, models, "model")
    _check_listed(counts, benchmarks, "benchmark")
    _check_unique(counts, list(CELL))
    check_cells(counts)
    kept_items, note_items = _with_counts(items, counts.frame, ["benchmark", "item"])
    counts = _with_clusters(counts, kept_items)
    kept_models, note_models = _with_counts(models, counts.frame, ["model"])
    kept_benchmarks, note_benchmarks = _with_counts(benchmarks, counts.frame, ["benchmark"])
    _check_sources(counts, kept_benchmarks, kept_items)
    return Tables(
        counts.frame,
        kept_models.frame,
        kept_benchmarks.frame,
        kept_items.frame,
        tuple(note for note in (note_models, note_benchmarks, note_items) if note),
    )


def source_languages(
    counts: pd.DataFrame, benchmarks: pd.DataFrame, items: pd.DataFrame
) -> pd.Series:
    """Return the source language of each row of the counts: the item's, else the benchmark's."""
    by_benchmark = benchmarks.set_index("benchmark")["source_language"]
    sources = counts["benchmark"].map(by_benchmark).astype("str")
    if not len(items):
        return sources
    own = _of_item(counts, items, "source_language")
    return sources.mask(own != "", own).astype("str")


def _of_item(counts: pd.DataFrame, items: pd.DataFrame, column: str) -> pd.Series[str]:
    """Return a column of the items for each row of the counts, ``""`` where there is none."""
    columns = items[["benchmark", "item", column]].rename(columns={column: "found"})
    rows = counts[["benchmark", "item"]].merge(columns, how="left", on=["benchmark", "item"])
    return rows["found"].fillna("").set_axis(counts.index).astype("str")


def _check_unique(sheet: Sheet, key: list[str]) -> None:
    twice = sheet.frame.duplicated(key).to_numpy()
    if not twice.any():
        return
    at = int(np.flatnonzero(twice)[0])
    names = sheet.frame.loc[at, key]
    same = (sheet.frame[key] == names).all(axis=1).to_numpy()
    first = int(sheet.rows[np.flatnonzero(same)[0]])
    shown = {column: str(names[column]) for column in key if names[column] != ""}
    raise sheet.error(
        f"this repeats row {first}; {', '.join(key)} together must be unique",
        ", ".join(shown),
        twice,
        value=" / ".join(shown.values()),
        hint="remove one of the rows, or add up their counts.",
    )


def _check_models(models: Sheet) -> None:
    total = models.frame["params_total"].to_numpy()
    active = models.frame["params_active"].to_numpy()
    for column, size in (("params_total", total), ("params_active", active)):
        if (low := size <= 0).any():
            raise models.error(
                "a model has more than 0 parameters",
                column,
                low,
                hint="write the number in units, such as 4.3e9, or leave the cell empty.",
            )
    if (more := active > total).any():
        at = int(np.flatnonzero(more)[0])
        raise models.error(
            f"more parameters are active than there are (params_total is {total[at]:g})",
            "params_active",
            more,
            hint="exchange the two, or give both in the same unit.",
        )


def _check_benchmarks(benchmarks: Sheet) -> None:
    if "chance" not in benchmarks.frame:
        raise DataError(
            "the column is missing.",
            file=benchmarks.file,
            row=1,
            column="chance",
            hint=BENCHMARKS[-1].hint,
        )
    chance = benchmarks.frame["chance"].to_numpy()
    if (off := (chance < 0) | (chance >= 1)).any():
        first = float(chance[off][0])
        hint = f"per cent? Then write {first / 100:g}." if 1 < first < 100 else BENCHMARKS[-1].hint
        raise benchmarks.error(
            "chance is a proportion, at least 0 and below 1", "chance", off, hint=hint
        )


def _check_listed(counts: Sheet, listing: Sheet, column: str) -> None:
    used = counts.frame[column]
    unlisted = ~used.isin(listing.frame[column]).to_numpy()
    if unlisted.any():
        name = str(used.iloc[int(np.flatnonzero(unlisted)[0])])
        guess = near(name, listing.frame[column])
        raise counts.error(
            f"the {column} is not in {listing.file}",
            column,
            unlisted,
            hint=f"add a row for it there, or correct the name.{guess}",
        )


def _with_counts(sheet: Sheet, counts: pd.DataFrame, key: list[str]) -> tuple[Sheet, str]:
    """Keep the rows of a listing that the counts refer to, with a note on the others."""
    used = pd.MultiIndex.from_frame(counts[key].drop_duplicates())
    keep = pd.MultiIndex.from_frame(sheet.frame[key]).isin(used)
    if keep.all():
        return sheet, ""
    names = sheet.frame.loc[~keep, key[-1]].tolist()
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    plural = "s" if len(names) > 1 else ""
    note = f"Left aside: {len(names)} {key[-1]}{plural} without counts ({shown})."
    return Sheet(sheet.file, sheet.frame[keep].reset_index(drop=True), sheet.rows[keep]), note


def _with_clusters(counts: Sheet, items: Sheet) -> Sheet:
    """Write the clusters of `items` into the counts, and refuse an item with two clusters."""
    frame = counts.frame
    if len(items.frame) and (items.frame["cluster"] != "").any():
        listed = _of_item(frame, items.frame, "cluster")
        own, given = (frame["cluster"] != "").to_numpy(), (listed != "").to_numpy()
        clash = own & given & (frame["cluster"] != listed).to_numpy()
        if clash.any():
            raise counts.error(
                f"{items.file} gives this item another cluster "
                f"({listed.iloc[int(np.flatnonzero(clash)[0])]!r})",
                "cluster",
                clash,
                hint="give each item one cluster.",
            )
        frame = frame.assign(cluster=frame["cluster"].where(~given, listed).astype("str"))
    if (frame["cluster"] != "").any():
        pairs = frame[["benchmark", "item", "cluster"]].drop_duplicates()
        several = pairs.duplicated(["benchmark", "item"]) & (pairs["item"] != "").to_numpy()
        if several.any():
            at = pairs.index[several.to_numpy()].to_numpy()
            row = frame.loc[at[0]]
            same = (frame["benchmark"] == row["benchmark"]) & (frame["item"] == row["item"])
            first = int(np.flatnonzero(same.to_numpy())[0])
            raise counts.error(
                f"item {row['item']!r} has another cluster in row {int(counts.rows[first])} "
                f"({frame['cluster'].iloc[first]!r})",
                "cluster",
                at,
                hint="give each item one cluster.",
            )
    return Sheet(counts.file, frame, counts.rows)


def _check_sources(counts: Sheet, benchmarks: Sheet, items: Sheet) -> None:
    frame = counts.frame
    sources = source_languages(frame, benchmarks.frame, items.frame)
    if (unknown := (sources == "").to_numpy()).any():
        raise counts.error(
            f"no source language is given for this benchmark or item in {benchmarks.file}"
            + (f" or {items.file}" if len(items.frame) else ""),
            "benchmark",
            unknown,
            hint="write its source_language there.",
        )
    languages = frame.groupby("benchmark")["language"].unique()
    is_source = (sources == frame["language"]).groupby(frame["benchmark"]).any()
    used = sources.groupby(frame["benchmark"]).unique()
    for at, (name, source) in enumerate(
        zip(benchmarks.frame["benchmark"], benchmarks.frame["source_language"], strict=True)
    ):
        present = [str(language) for language in languages[name]]
        if source in used[name] and source not in present:
            raise benchmarks.error(
                f"the source language of {name!r} has no rows in {counts.file} (languages there: "
                f"{', '.join(present[:12])})",
                "source_language",
                [at],
                hint=f"correct the name or add the source rows.{near(source, present)}",
            )
    own = items.frame[(items.frame["source_language"] != "").to_numpy()]
    pairs = pd.MultiIndex.from_frame(own[["benchmark", "source_language"]])
    there = pd.MultiIndex.from_frame(frame[["benchmark", "language"]].drop_duplicates())
    if (lost := ~pairs.isin(there)).any():
        first = own[lost].iloc[0]
        raise items.error(
            f"the source language of item {first['item']!r} has no rows in {counts.file}",
            "source_language",
            own.index[lost].to_numpy(),
            hint="correct the name or add the source rows."
            + near(first["source_language"], languages[first["benchmark"]]),
        )
    for at, name in enumerate(benchmarks.frame["benchmark"]):
        if not is_source[name]:
            raise benchmarks.error(
                f"benchmark {name!r} has no rows in its source language in {counts.file}",
                "benchmark",
                [at],
                hint="add the rows of the source language: transfer is measured from it.",
            )
