"""The HellaSwag family of the EuroEval leaderboards: its rows, and how many items lie behind them.

EuroEval evaluates each model ten times, each time on a bootstrap resample of the evaluated split
and (few-shot) with a fresh sample of examples, and publishes the mean of the ten scores with the
half-width 1.96 sd / sqrt(10) (its page "Evaluation Methodology"). The interval therefore measures
the noise of that mean over resampling and few-shot examples, *not* the sampling of the items.
Both matter here:

* the split: a mean of ten runs over N items lies on the grid of multiples of 1 / (10 N), so that
  a coarse grid betrays a small split;
* the variance of a published score p as an estimate of accuracy over the item population:
  ``p (1 - p) / N + (halfwidth / 1.96)**2``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]

RAW = "euroeval/euroeval_long_2026-04-20.csv.gz"
RUNS = 10
#: Items in EuroEval's documented splits of every data set of the family.
ITEMS = {"val": 256, "test": 2048}
Z = 1.96  # EuroEval's own factor, not the normal quantile to more digits
LANGUAGES = {
    "english": "en", "czech": "cs", "danish": "da", "dutch": "nl", "finnish": "fi", "french": "fr",
    "german": "de", "italian": "it", "portuguese": "pt", "spanish": "es", "swedish": "sv",
}  # fmt: skip
#: EuroEval's own legend of its column ``type``.
TYPES = {"🧠": "base", "📝": "instruct", "🤔": "reasoning", "🔍": "encoder"}


def read_rows(raw: Path) -> pd.DataFrame:
    """Read the rows of the HellaSwag family.

    Parameters
    ----------
    raw : Path
        Folder of the raw tables.

    Returns
    -------
    DataFrame (one row per entry and language)
        ``entry, language, dataset, accuracy_percent, halfwidth_percent, params, type, split,
        shots, n_items``. ``params`` and ``type`` are the commonest values of the entry's rows:
        a few entries carry two. Sorted by entry, then English first and the others by code.
    """
    table = pd.read_csv(raw / RAW, dtype=str)
    return tidy_rows(table[table["dataset"].str.contains("swag")])


def tidy_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Bring rows of the leaderboards to the columns that `read_rows` documents."""
    rows = pd.DataFrame(
        {
            "entry": table["model"],
            "language": table["language"].map(LANGUAGES),
            "dataset": table["dataset"],
            "accuracy_percent": table["metric2"].astype(float),
            "halfwidth_percent": table["ci2"].astype(float),
            "params": pd.to_numeric(table["params"].replace("?", None)),
            "type": table["type"].map(TYPES),
        }
    )
    if rows[["language", "type"]].isna().any(axis=None):
        raise ValueError("a language or a type of model that the legend does not know")
    if rows.duplicated(["entry", "language"]).any():
        raise ValueError("two rows of one entry in one language")
    label = rows["entry"].str.extract(r"\(([^)]*)\)$")[0].fillna("")
    rows["split"] = np.where(label.str.contains("val"), "val", "test")
    rows["shots"] = np.where(label.str.contains("zero-shot"), "zero-shot", "default")
    rows["n_items"] = rows["split"].map(ITEMS)
    for column in ("params", "type"):
        rows[column] = rows.groupby("entry")[column].transform(_commonest)
    order = {code: i for i, code in enumerate(["en", *sorted(set(LANGUAGES.values()) - {"en"})])}
    return rows.sort_values(
        ["entry", "language"], key=lambda c: c.map(order) if c.name == "language" else c
    ).reset_index(drop=True)


def complete_entries(rows: pd.DataFrame) -> list[str]:
    """Return the entries that have a row in every language of the family."""
    languages = rows.groupby("entry")["language"].nunique()
    return list(languages.index[languages == len(LANGUAGES)])


def on_grid(percent: Floats, step: float) -> npt.NDArray[np.bool_]:
    """Tell whether scores (n,), per cent with two decimals, can be multiples of `step`.

    A score is on the grid if rounding the nearest multiple to two decimals gives it back. A random
    score of two decimals is on the grid with probability 0.01 / (100 `step`) if that is below 1.
    """
    nearest = np.round(percent / (100 * step)) * (100 * step)
    return np.abs(np.round(nearest, 2) - percent) < 0.005


def recovered_items(percent: Floats, halfwidth: Floats) -> Floats:
    """Recover each cell's number of items from its interval, if resampling were its only noise.

    The mean of R bootstrap runs over N items has variance ``p (1 - p) / (R N)``, hence
    ``N = z**2 p (1 - p) / (R halfwidth**2)``. Few-shot examples add noise and pull N down.

    Parameters
    ----------
    percent, halfwidth : ndarray (n,)
        Score and half-width of its interval, in per cent.
    """
    p, h = percent / 100, halfwidth / 100
    return Z**2 * p * (1 - p) / (RUNS * h**2)


def effective_trials(percent: Floats, halfwidth: Floats, items: Floats) -> Floats:
    """Return the number of independent trials (n,) that would be as informative as each cell.

    ``p (1 - p) / (p (1 - p) / N + (halfwidth / z)**2)``: the items as a sample of their
    population, plus the measured noise from run to run. It cannot exceed the number of items.

    Parameters
    ----------
    percent, halfwidth : ndarray (n,)
        Score and half-width of its interval, in per cent.
    items : ndarray (n,)
        Number of items of the split, N.
    """
    p, h = percent / 100, halfwidth / 100
    spread = p * (1 - p)
    trials: Floats = spread / (spread / items + (h / Z) ** 2)
    return trials


def split_evidence(rows: pd.DataFrame) -> pd.DataFrame:
    """Show for each entry what its scores and intervals say about the number of items.

    Returns
    -------
    DataFrame (one row per entry)
        ``entry, split, cells, cells_on_val_grid`` (multiples of 1 / 2560), and
        ``items_from_intervals``, the harmonic mean of `recovered_items` over the entry's cells:
        the variance is what is averaged.
    """
    percent = rows["accuracy_percent"].to_numpy()
    work = rows[["entry", "split"]].assign(
        grid=on_grid(percent, 1 / (RUNS * ITEMS["val"])),
        inverse=1 / recovered_items(percent, rows["halfwidth_percent"].to_numpy()),
    )
    groups = work.groupby("entry", sort=False)
    return pd.DataFrame(
        {
            "split": groups["split"].first(),
            "cells": groups.size(),
            "cells_on_val_grid": groups["grid"].sum(),
            "items_from_intervals": 1 / groups["inverse"].mean(),
        }
    ).reset_index()


def provenance(rows: pd.DataFrame) -> pd.DataFrame:
    """Set the published numbers of each cell beside what is derived from them."""
    percent, half = rows["accuracy_percent"].to_numpy(), rows["halfwidth_percent"].to_numpy()
    return rows[["entry", "language", "dataset", "accuracy_percent", "halfwidth_percent"]].assign(
        split=rows["split"],
        n_items=rows["n_items"],
        n_from_interval=recovered_items(percent, half),
        n_trials=effective_trials(percent, half, rows["n_items"].to_numpy(dtype=float)),
    )


def counts(rows: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """Turn rows into aggregate counts: ``n_correct`` is the score times the effective trials.

    Parameters
    ----------
    rows : DataFrame
        As `read_rows` gives them.
    names : dict
        Name of the model for each entry to keep; the others are left out.
    """
    kept = rows[rows["entry"].isin(list(names))]
    trials = provenance(kept)["n_trials"]
    return pd.DataFrame(
        {
            "model": kept["entry"].map(names),
            "benchmark": "hellaswag",
            "language": kept["language"],
            "item": "",
            "n_correct": kept["accuracy_percent"] / 100 * trials,
            "n_trials": trials,
        }
    ).reset_index(drop=True)


def _commonest(values: pd.Series) -> object:
    """Return the commonest value, the greatest of those that tie, missing if all are."""
    tally = values.value_counts()
    return max(tally.index[tally == tally.max()]) if len(tally) else np.nan
