"""What must hold within and between the tables of a study; no arithmetic of results here."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from hatstats.errors import DataError, DegenerateDataWarning
from hatstats.study.languages.table import read_language_table
from hatstats.study.schema import (
    BENCHMARKS,
    CELL,
    CHANCE_HINT,
    COUNTS,
    ITEMS,
    MODELS,
    TRIALS,
    Sheet,
    conform,
    near,
)
from hatstats.study.trials import merge_copies

Words = str | Callable[[pd.Series], str]

#: Fewer parameters than this is taken for a size given in billions or millions.
SMALLEST_SIZE = 1e6
#: More parameters than this is taken for a size multiplied twice.
LARGEST_SIZE = 1e14


def validate_study(
    counts: Sheet,
    models: Sheet,
    benchmarks: Sheet,
    items: Sheet,
    language_table: Sheet | None = None,
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Bring four raw tables to the contract of a study; the first fault is named with file and row.

    Returns the tables by name, and notes. Rows keep their order. Rows of `models`, `benchmarks` and
    `items` without any count are left aside with a note (a table of models may serve several
    studies). Clusters given in `items` are also written into `counts`; copies of one answer are
    counted once.
    """
    counts = conform(counts, COUNTS)
    if not len(counts.frame):
        raise DataError(
            "the table has no rows.", file=counts.file, hint="write one row per cell of the study."
        )
    models = conform(models, MODELS, keep_others=True)
    benchmarks = conform(benchmarks, BENCHMARKS)
    items = conform(items, ITEMS)
    _check_unique(models, ["model"])
    _check_unique(benchmarks, ["benchmark"])
    _check_unique(items, ["benchmark", "item"])
    _check_models(models)
    _check_benchmarks(benchmarks)
    _check_listed(counts, models, "model")
    _check_listed(counts, benchmarks, "benchmark")
    _check_unique(counts, list(CELL))
    _check_counts(counts)
    items, item_note = _with_counts(items, counts.frame, ["benchmark", "item"])
    counts = _with_clusters(counts, items)
    models, model_note = _with_counts(models, counts.frame, ["model"])
    if model_note:  # the kind of a covariate follows from the models that stay, as when read again
        models = conform(models, MODELS, keep_others=True)
    benchmarks, benchmark_note = _with_counts(benchmarks, counts.frame, ["benchmark"])
    _check_sources(counts, benchmarks, items)
    sheets = {"counts": counts, "models": models, "benchmarks": benchmarks, "items": items}
    tables = {name: sheet.frame for name, sheet in sheets.items()}
    tables["language_table"] = read_language_table(language_table, counts.frame["language"])
    tables["counts"], merged = merge_copies(counts.frame)
    notes = [note for note in (model_note, benchmark_note, item_note) if note]
    return tables, [*notes, *merged]


def source_languages(
    counts: pd.DataFrame, benchmarks: pd.DataFrame, items: pd.DataFrame
) -> pd.Series:
    """Return the source language of each row of the counts: the item's, else the benchmark's."""
    by_benchmark = benchmarks.set_index("benchmark")["source_language"]
    sources = counts["benchmark"].map(by_benchmark).astype("str")
    if not len(items):
        return sources
    own = _item_values(counts, items, "source_language")
    return sources.mask(own != "", own).astype("str")


def _item_values(counts: pd.DataFrame, items: pd.DataFrame, column: str) -> pd.Series[str]:
    """Return a column of the items for each row of the counts, ``""`` where there is none."""
    values = items[["benchmark", "item", column]].rename(columns={column: "found"})
    rows = counts[["benchmark", "item"]].merge(values, how="left", on=["benchmark", "item"])
    return rows["found"].fillna("").set_axis(counts.index).astype("str")


def _check_unique(sheet: Sheet, key: list[str]) -> None:
    repeated = sheet.frame.duplicated(key).to_numpy()
    if not repeated.any():
        return
    names = sheet.frame.loc[int(np.argmax(repeated)), key]
    same = (sheet.frame[key] == names).all(axis=1).to_numpy()
    first = sheet.where(int(np.argmax(same)))
    shown = {column: str(names[column]) for column in key if names[column] != ""}
    text = f"this repeats {first}; {', '.join(key)} together must be unique"
    hint = "remove one of the rows, or add up their counts."
    sheet.refuse(repeated, ", ".join(shown), text, value=" / ".join(shown.values()), hint=hint)


def _check_models(models: Sheet) -> None:
    sizes = models.frame[["params_total", "params_active"]]
    for column in sizes:
        message, hint = "a model has more than 0 parameters", MODELS[-1].hint
        models.refuse(sizes[column] <= 0, str(column), message, hint=hint)
    models.refuse(
        sizes["params_active"] > sizes["params_total"],
        "params_active",
        lambda row: (
            f"more parameters are active than there are (params_total is {row['params_total']:g})"
        ),
        hint="exchange the two, or give both in the same unit.",
    )


def _check_benchmarks(benchmarks: Sheet) -> None:
    hint = CHANCE_HINT
    if "chance" not in benchmarks.frame:
        raise DataError(
            "the column is missing.",
            file=benchmarks.file,
            row=1 if benchmarks.header else None,
            column="chance",
            hint=hint,
        )
    chance = benchmarks.frame["chance"]
    benchmarks.refuse(
        (chance < 0) | (chance >= 1),
        "chance",
        "chance is a proportion, at least 0 and below 1",
        hint=lambda row: (
            f"per cent? Then write {row['chance'] / 100:g}." if 1 < row["chance"] < 100 else hint
        ),
    )
    benchmarks.refuse(
        ~benchmarks.frame["trials"].isin(["", *TRIALS]),
        "trials",
        "this does not say what the trials of an item are",
        hint="write wordings (each trial asks in other words), repeats (all ask in the same words) "
        "or unknown, or leave the cell empty.",
    )


def _check_listed(counts: Sheet, listing: Sheet, column: str) -> None:
    """Refuse counts of a model or benchmark that its table does not list."""
    known = listing.frame[column]
    counts.refuse(
        ~counts.frame[column].isin(known),
        column,
        f"the {column} is not in {listing.file}",
        hint=lambda row: "add a row for it there, or correct the name." + near(row[column], known),
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
    return sheet.keep(keep), note


def _with_clusters(counts: Sheet, items: Sheet) -> Sheet:
    """Write the clusters of `items` into the counts, and refuse an item with two clusters."""
    frame = counts.frame
    if len(items.frame) and (items.frame["cluster"] != "").any():
        listed = _item_values(frame, items.frame, "cluster")
        replace(counts, frame=frame.assign(listed=listed)).refuse(
            (frame["cluster"] != "") & (listed != "") & (frame["cluster"] != listed),
            "cluster",
            lambda row: f"{items.file} gives this item another cluster ({row['listed']!r})",
            hint="give each item one cluster.",
        )
        frame = frame.assign(cluster=frame["cluster"].where(listed == "", listed).astype("str"))
        counts = replace(counts, frame=frame)
    named = (frame["item"] != "").to_numpy()
    if (frame["cluster"] != "").any() and named.any():
        counts.keep(named).refuse_varying(["benchmark", "item"], "cluster")
    return counts


def _check_sources(counts: Sheet, benchmarks: Sheet, items: Sheet) -> None:
    """Refuse benchmarks and items whose source language is unknown or has no counts."""
    frame = counts.frame
    sources = source_languages(frame, benchmarks.frame, items.frame)
    counts.refuse(
        sources == "",
        "benchmark",
        f"no source language is given for this benchmark or item in {benchmarks.file}"
        + (f" or {items.file}" if len(items.frame) else ""),
        hint="write its source_language there.",
    )
    languages = frame.groupby("benchmark")["language"].unique()
    used, present = (
        pd.MultiIndex.from_arrays([frame["benchmark"], names])
        for names in (sources, frame["language"])
    )

    def thing(row: pd.Series) -> str:
        return f"item {row['item']!r}" if "item" in row else repr(row["benchmark"])

    for sheet in (benchmarks, items):
        pairs = pd.MultiIndex.from_frame(sheet.frame[["benchmark", "source_language"]])
        sheet.refuse(
            pairs.isin(used) & ~pairs.isin(present),
            "source_language",
            lambda row: (
                f"the source language of {thing(row)} has no rows in {counts.file} "
                f"(languages there: {', '.join(languages[row['benchmark']][:12])})"
            ),
            hint=lambda row: (
                "correct the name or add the source rows; select(exclude=) is for targets only."
                + near(row["source_language"], languages[row["benchmark"]])
            ),
        )
    is_source = (sources == frame["language"]).groupby(frame["benchmark"]).any()
    benchmarks.refuse(
        ~benchmarks.frame["benchmark"].map(is_source).astype(bool),
        "benchmark",
        lambda row: (
            f"benchmark {row['benchmark']!r} has no rows in its source language in {counts.file}"
        ),
        hint="add the rows of the source language: transfer is measured from it.",
    )


def _check_counts(counts: Sheet) -> None:
    """Refuse counts that are impossible or not counts; each rule has a message."""
    frame = counts.frame
    correct, trials, benchmark = frame["n_correct"], frame["n_trials"], frame["benchmark"]
    is_item = frame["item"] != ""
    fraction = ~is_item & (correct > 0) & (correct < 1)
    small = correct.groupby(benchmark).transform("max") <= 1
    one_item = "a count of one item is a whole number"
    whole = ("write counts (n_correct of n_trials trials), or leave 'item' empty where the row is "
             "an average over items.")  # fmt: skip

    def over_hint(row: pd.Series) -> str:
        same = frame[benchmark == row["benchmark"]]
        if same["n_trials"].max() <= 1 and 1 < same["n_correct"].max() <= 100:
            return (
                "this looks like per cent: divide by 100 and multiply by the number of items, and "
                "write the number of items as n_trials."
            )
        return "n_correct is how many of the n_trials were right; are the two columns exchanged?"

    rules: tuple[tuple[pd.Series, str, Words, Words], ...] = (
        (trials <= 0, "n_trials", "a cell needs more than 0 trials",
         "leave out rows of cells that were not run."),
        (correct < 0, "n_correct", "a count cannot be negative",
         "write how many trials were right; leave out rows of cells that were not run."),
        (correct > trials, "n_correct",
         lambda row: f"n_correct is larger than n_trials ({row['n_trials']:g})", over_hint),
        (is_item & (correct % 1 != 0), "n_correct", one_item, whole),
        (is_item & (trials % 1 != 0), "n_trials", one_item, whole),
        (fraction & (trials <= 1), "n_correct",
         "this is a proportion of a single trial, so its sampling error is unknown",
         "write the number of items as n_trials and the proportion times that number as "
         "n_correct."),
        (fraction & small & (trials >= 10), "n_correct",
         "no n_correct of this benchmark is over 1, so it looks like a proportion",
         "multiply by n_trials: n_correct is a count."),
        (_partly(~is_item, benchmark), "item",
         lambda row: f"benchmark {row['benchmark']!r} has rows with and rows without an item",
         "name the item in every row, or leave averages out (or under a benchmark name of their "
         "own)."),
    )  # fmt: skip
    for faulty, column, message, hint in rules:
        counts.refuse(faulty, column, message, hint=hint)
    for label in ("prompt", "repeat"):
        unnamed = frame[label] == ""
        if not unnamed.any() or unnamed.all():
            continue
        cell = frame.groupby(list(CELL[: CELL.index(label)]), sort=False).ngroup()
        counts.refuse(
            _partly(unnamed, cell),
            label,
            f"this cell has rows with and a row without a {label}, so trials may count twice",
            hint=f"keep the rows per {label} or the total, not both.",
        )


def _partly(blank: pd.Series, groups: pd.Series) -> pd.Series:
    """Mask (n,) of the blank rows in groups that have rows that are not blank too."""
    return blank & (blank.groupby(groups).transform("mean") < 1)


def warn_implausible(counts: pd.DataFrame, models: pd.DataFrame, benchmarks: pd.DataFrame) -> None:
    """Warn, without refusing, of model sizes that look like billions and counts like per cent."""
    for text in (*_odd_sizes(models), *_odd_accuracies(counts, benchmarks)):
        warnings.warn(text, DegenerateDataWarning, stacklevel=4)


def _odd_sizes(models: pd.DataFrame) -> Iterator[str]:
    """One sentence for each column of sizes with implausible values."""
    for column in ("params_total", "params_active"):
        size = models[column].to_numpy()
        odd = np.flatnonzero((size < SMALLEST_SIZE) | (size > LARGEST_SIZE))
        if not len(odd):
            continue
        model, value = models["model"].iloc[odd[0]], size[odd[0]]
        others = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
        hint = "Write the number of parameters in units, such as 4.3e9."
        if value < SMALLEST_SIZE:
            hint = f"Billions? Then write {value:g}e9."
        yield (
            f"model {model!r}{others}: {column} = {value:g} is no plausible number of "
            f"parameters. {hint}"
        )


def _odd_accuracies(counts: pd.DataFrame, benchmarks: pd.DataFrame) -> Iterator[str]:
    """One sentence for each benchmark whose n_correct look like percentages."""
    chances = benchmarks.set_index("benchmark")["chance"]
    cells = counts.groupby(["benchmark", "model", "language"], sort=False, as_index=False)[
        ["n_correct", "n_trials"]
    ].sum()
    aggregate = counts.loc[(counts["item"] == "").to_numpy(), "benchmark"].unique()
    for benchmark, rows in cells.groupby("benchmark", sort=False):
        correct, trials = rows["n_correct"].to_numpy(), rows["n_trials"].to_numpy()
        chance = float(chances[benchmark])
        fractional = benchmark in aggregate and bool((correct % 1 != 0).any())
        # A guesser's accuracy stays within four standard errors of chance.
        lowest = chance - 4 * np.sqrt(chance * (1 - chance) / trials)
        if fractional and bool((trials == 100).all()):
            what = "every n_trials is 100"
        elif fractional and len(rows) > 1 and correct.max() <= 100 and trials.min() >= 1000:
            what = f"no n_correct is over 100, of at least {trials.min():g} trials"
        elif bool((correct / trials < lowest).all()):
            what = f"every accuracy is below chance ({chance:g}; is that right?)"
        else:
            continue
        yield (
            f"benchmark {benchmark!r}: {what}. Is n_correct a percentage? Then write percentage / "
            "100 * n_trials, with the number of items as n_trials: sampling errors follow from it."
        )
