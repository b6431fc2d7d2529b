"""What must hold within and between the tables of a study; no arithmetic of results here."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hatstats.errors import DataError, DegenerateDataWarning
from hatstats.study.tables import (
    BENCHMARKS,
    CELL,
    COUNTS,
    ITEMS,
    MODELS,
    Sheet,
    conform,
    near,
)

#: Fewer parameters than this is taken for a size given in billions or millions.
SMALLEST_SIZE = 1e6
#: More parameters than this is taken for a size multiplied twice.
LARGEST_SIZE = 1e14


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
        Raw tables with where they came from; see `hatstats.study.tables` for their columns.

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
        file, row, column and value, with what would mend it.
    """
    counts = conform(counts, COUNTS)
    if not len(counts.frame):
        raise DataError(
            "the table has no rows.", file=counts.file, mend="write one row per cell of the study."
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
    _check_counts(counts)
    _check_unique(counts, list(CELL))
    _check_levels(counts)
    _check_prompts(counts)
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


def warn_implausible(counts: pd.DataFrame, models: pd.DataFrame) -> None:
    """Warn, without refusing, of numbers that are probably in another unit than they should be.

    Parameters
    ----------
    counts, models : DataFrame
        Validated tables.

    Warns
    -----
    DegenerateDataWarning
        For model sizes that look like billions instead of units, and for accuracies that look
        like per cent.
    """
    for column in ("params_total", "params_active"):
        size = models[column].to_numpy()
        odd = np.flatnonzero((size < SMALLEST_SIZE) | (size > LARGEST_SIZE))
        if len(odd):
            first = models.iloc[odd[0]]
            others = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
            value = first[column]
            mend = (
                f"Billions? Then write {value:g}e9."
                if value < SMALLEST_SIZE
                else "Write the number of parameters in units, such as 4.3e9."
            )
            warnings.warn(
                f"model {first['model']!r}{others}: {column} = {value:g} is no plausible number "
                f"of parameters. {mend}",
                DegenerateDataWarning,
                stacklevel=3,
            )
    aggregate = counts[(counts["item"] == "").to_numpy()]
    for benchmark, cells in aggregate.groupby("benchmark", sort=False):
        correct, trials = cells["n_correct"].to_numpy(), cells["n_trials"].to_numpy()
        fractional = bool((correct % 1 != 0).any())
        if fractional and bool((trials == 100).all()):
            what = "every n_trials is 100"
        elif fractional and len(cells) > 1 and correct.max() <= 100 and trials.min() > 200:
            what = f"no n_correct is over 100 of at least {trials.min():g} trials"
        else:
            continue
        warnings.warn(
            f"benchmark {benchmark!r}: {what}, so n_correct may be a percentage. If it is, write "
            "n_correct = percentage / 100 * n_trials, with the number of items as n_trials: the "
            "sampling errors follow from it.",
            DegenerateDataWarning,
            stacklevel=3,
        )


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
        mend="remove one of the rows, or add up their counts.",
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
                mend="write the number in units, such as 4.3e9, or leave the cell empty.",
            )
    if (more := active > total).any():
        at = int(np.flatnonzero(more)[0])
        raise models.error(
            f"more parameters are active than there are (params_total is {total[at]:g})",
            "params_active",
            more,
            mend="exchange the two, or give both in the same unit.",
        )


def _check_benchmarks(benchmarks: Sheet) -> None:
    if "chance" not in benchmarks.frame:
        raise DataError(
            "the column is missing.",
            file=benchmarks.file,
            row=1,
            column="chance",
            mend=BENCHMARKS[-1].mend,
        )
    chance = benchmarks.frame["chance"].to_numpy()
    if (off := (chance < 0) | (chance >= 1)).any():
        first = float(chance[off][0])
        hint = f"per cent? Then write {first / 100:g}." if 1 < first < 100 else BENCHMARKS[-1].mend
        raise benchmarks.error(
            "chance is a proportion, at least 0 and below 1", "chance", off, mend=hint
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
            mend=f"add a row for it there, or correct the name.{guess}",
        )


def _check_counts(counts: Sheet) -> None:
    frame = counts.frame
    correct, trials = frame["n_correct"].to_numpy(), frame["n_trials"].to_numpy()
    if (low := trials <= 0).any():
        raise counts.error(
            "a cell needs more than 0 trials",
            "n_trials",
            low,
            mend="leave out rows of cells that were not run.",
        )
    if (low := correct < 0).any():
        raise counts.error(
            "a count cannot be negative",
            "n_correct",
            low,
            mend="write how many trials were right; leave out rows of cells that were not run.",
        )
    _check_over(counts)
    item = (frame["item"] != "").to_numpy()
    for column, values in (("n_correct", correct), ("n_trials", trials)):
        if (part := item & (values % 1 != 0)).any():
            raise counts.error(
                "a count of one item is a whole number",
                column,
                part,
                mend="write counts (n_correct of n_trials promptings), or leave 'item' empty "
                "where the row is an average over items.",
            )
    _check_proportions(counts, item)


def _check_over(counts: Sheet) -> None:
    frame = counts.frame
    correct, trials = frame["n_correct"].to_numpy(), frame["n_trials"].to_numpy()
    over = correct > trials
    if not over.any():
        return
    mend = "n_correct is how many of the n_trials were right; are the two columns exchanged?"
    at = int(np.flatnonzero(over)[0])
    same = (frame["benchmark"] == frame["benchmark"].iloc[at]).to_numpy()
    if trials[same].max() <= 1 and 1 < correct[same].max() <= 100:
        mend = (
            "this looks like per cent: divide by 100 and multiply by the number of items, and "
            "write the number of items as n_trials."
        )
    raise counts.error(
        f"n_correct is larger than n_trials ({trials[at]:g})", "n_correct", over, mend=mend
    )


def _check_proportions(counts: Sheet, item: np.ndarray) -> None:
    """Refuse aggregate rows whose n_correct is an accuracy, not a count."""
    frame = counts.frame
    correct, trials = frame["n_correct"].to_numpy(), frame["n_trials"].to_numpy()
    fraction = ~item & (correct > 0) & (correct < 1)
    if (lone := fraction & (trials <= 1)).any():
        raise counts.error(
            "this is a proportion of a single trial, so its sampling error is unknown",
            "n_correct",
            lone,
            mend="write the number of items as n_trials and the proportion times that number as "
            "n_correct.",
        )
    if not fraction.any():
        return
    top = frame["n_correct"].groupby(frame["benchmark"]).transform("max").to_numpy()
    if (small := fraction & (top <= 1) & (trials >= 10)).any():
        raise counts.error(
            "no n_correct of this benchmark is over 1, so it looks like a proportion",
            "n_correct",
            small,
            mend="multiply by n_trials: n_correct is a count.",
        )


def _check_levels(counts: Sheet) -> None:
    frame = counts.frame
    blank = (frame["item"] == "").to_numpy()
    share = pd.Series(blank).groupby(frame["benchmark"]).transform("mean").to_numpy()
    if (mixed := (share > 0) & (share < 1) & blank).any():
        name = str(frame["benchmark"].iloc[int(np.flatnonzero(mixed)[0])])
        raise counts.error(
            f"benchmark {name!r} has rows with and rows without an item",
            "item",
            mixed,
            mend="name the item in every row, or leave averages out (or under a benchmark name "
            "of their own).",
        )


def _check_prompts(counts: Sheet) -> None:
    """Refuse a total beside its parts: the trials of such a cell would be counted twice."""
    frame = counts.frame
    blank = (frame["prompt"] == "").to_numpy()
    if blank.all() or not blank.any():
        return
    cell = frame.groupby(list(CELL[:-1]), sort=False).ngroup()
    share = pd.Series(blank).groupby(cell.to_numpy()).transform("mean").to_numpy()
    if (mixed := (share > 0) & (share < 1) & blank).any():
        raise counts.error(
            "this cell has rows with and a row without a prompt, so trials may count twice",
            "prompt",
            mixed,
            mend="keep the rows per prompt or the total, not both.",
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
                mend="give each item one cluster.",
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
                mend="give each item one cluster.",
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
            mend="write its source_language there.",
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
                mend=f"correct the name or add the source rows.{near(source, present)}",
            )
    for at, (name, item, source) in enumerate(
        zip(*(items.frame[c] for c in ("benchmark", "item", "source_language")), strict=True)
    ):
        if source and source not in languages[name]:
            raise items.error(
                f"the source language of item {item!r} has no rows in {counts.file}",
                "source_language",
                [at],
                mend=f"correct the name or add the source rows.{near(source, languages[name])}",
            )
    for at, name in enumerate(benchmarks.frame["benchmark"]):
        if not is_source[name]:
            raise benchmarks.error(
                f"benchmark {name!r} has no rows in its source language in {counts.file}",
                "benchmark",
                [at],
                mend="add the rows of the source language: transfer is measured from it.",
            )
