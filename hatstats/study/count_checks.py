"""What must hold of the counts themselves: whole numbers, proportions, per cent, sizes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd

from hatstats.errors import DegenerateDataWarning
from hatstats.study.schema import CELL, Mask, Sheet

#: Fewer parameters than this is taken for a size given in billions or millions.
SMALLEST_SIZE = 1e6
#: More parameters than this is taken for a size multiplied twice.
LARGEST_SIZE = 1e14


def check_counts(counts: Sheet) -> None:
    """Refuse counts that are impossible or not counts; each rule has a message."""
    frame = counts.frame
    correct, trials = frame["n_correct"].to_numpy(), frame["n_trials"].to_numpy()
    is_item = (frame["item"] != "").to_numpy()
    for faulty, column, message, hint in (
        (trials <= 0, "n_trials", "a cell needs more than 0 trials",
         "leave out rows of cells that were not run."),
        (correct < 0, "n_correct", "a count cannot be negative",
         "write how many trials were right; leave out rows of cells that were not run."),
    ):  # fmt: skip
        counts.refuse(faulty, column, message, hint=hint)
    _check_at_most_trials(counts)
    for column, values in (("n_correct", correct), ("n_trials", trials)):
        counts.refuse(
            is_item & (values % 1 != 0),
            column,
            "a count of one item is a whole number",
            hint="write counts (n_correct of n_trials trials), or leave 'item' empty "
            "where the row is an average over items.",
        )
    _check_proportions(counts, is_item)
    mixed = _partly(~is_item, frame["benchmark"])
    name = str(frame["benchmark"].iloc[np.argmax(mixed)])
    counts.refuse(
        mixed,
        "item",
        f"benchmark {name!r} has rows with and rows without an item",
        hint="name the item in every row, or leave averages out (or under a benchmark name "
        "of their own).",
    )
    no_prompt = (frame["prompt"] == "").to_numpy()
    if no_prompt.any() and not no_prompt.all():
        cell = frame.groupby(list(CELL[:-1]), sort=False).ngroup()
        counts.refuse(
            _partly(no_prompt, cell),
            "prompt",
            "this cell has rows with and a row without a prompt, so trials may count twice",
            hint="keep the rows per prompt or the total, not both.",
        )


def _partly(blank: Mask, groups: pd.Series) -> Mask:
    """Mask (n,) of the blank rows in groups that have rows that are not blank too."""
    share = pd.Series(blank).groupby(groups.to_numpy()).transform("mean").to_numpy()
    return np.asarray(blank & (share < 1))


def _check_at_most_trials(counts: Sheet) -> None:
    frame = counts.frame
    correct, trials = frame["n_correct"].to_numpy(), frame["n_trials"].to_numpy()
    over = correct > trials
    first = int(np.argmax(over))
    same = (frame["benchmark"] == frame["benchmark"].iloc[first]).to_numpy()
    hint = "n_correct is how many of the n_trials were right; are the two columns exchanged?"
    if trials[same].max() <= 1 and 1 < correct[same].max() <= 100:
        hint = (
            "this looks like per cent: divide by 100 and multiply by the number of items, and "
            "write the number of items as n_trials."
        )
    message = f"n_correct is larger than n_trials ({trials[first]:g})"
    counts.refuse(over, "n_correct", message, hint=hint)


def _check_proportions(counts: Sheet, is_item: Mask) -> None:
    """Refuse aggregate rows whose n_correct is an accuracy, not a count."""
    frame = counts.frame
    correct, trials = frame["n_correct"].to_numpy(), frame["n_trials"].to_numpy()
    fraction = ~is_item & (correct > 0) & (correct < 1)
    counts.refuse(
        fraction & (trials <= 1),
        "n_correct",
        "this is a proportion of a single trial, so its sampling error is unknown",
        hint="write the number of items as n_trials and the proportion times that number as "
        "n_correct.",
    )
    largest = frame["n_correct"].groupby(frame["benchmark"]).transform("max").to_numpy()
    counts.refuse(
        fraction & (largest <= 1) & (trials >= 10),
        "n_correct",
        "no n_correct of this benchmark is over 1, so it looks like a proportion",
        hint="multiply by n_trials: n_correct is a count.",
    )


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
