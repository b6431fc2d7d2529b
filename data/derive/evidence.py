"""What the README of a EuroEval folder says in numbers about items and intervals."""

from __future__ import annotations

import pandas as pd

from data.derive.euroeval_rows import (
    ITEMS,
    RUNS,
    effective_trials,
    on_grid,
    recovered_items,
    split_evidence,
)
from data.derive.flags import constant_answers

SPLITS = ("val", "test")
#: Entries on the validation split whose intervals are quoted: older ones, and newer ones.
EXAMPLES = {
    "older": {
        "Gemini-3-Pro": "gemini/gemini-3-pro-preview (zero-shot, val)",
        "GPT-5": "gpt-5-2025-08-07 (zero-shot, val)",
        "Claude-Sonnet-4.5": "claude-sonnet-4-5-20250929#thinking (zero-shot, val)",
    },
    "newer": {
        "Gemini-3.1-Flash-Lite": "gemini/gemini-3.1-flash-lite-preview (zero-shot, val)",
        "GPT-5.4-mini": "openai/gpt-5.4-mini-2026-03-17#medium (zero-shot, val)",
        "Claude-Sonnet-4.6": "claude-sonnet-4-6 (zero-shot, val)",
    },
}
#: An entry's recovered number of items is only quoted if this many cells stand behind it.
ENOUGH_CELLS = 9


def split_numbers(rows: pd.DataFrame, kept: pd.DataFrame, *, short: bool) -> dict[str, str]:
    """Compute the numbers by which the size of each split was decided, ready for print.

    Parameters
    ----------
    rows : DataFrame
        All rows of the family.
    kept : DataFrame
        Those of one study.
    short : bool
        Only what concerns the study itself.
    """
    trials = pd.Series(
        effective_trials(
            kept["accuracy_percent"].to_numpy(),
            kept["halfwidth_percent"].to_numpy(),
            kept["n_items"].to_numpy(dtype=float),
        ),
        index=kept.index,
    )
    numbers = {}
    for split in SPLITS:
        mine = trials[kept["split"] == split]
        numbers[f"{split}_entries"] = f"{kept.loc[kept['split'] == split, 'entry'].nunique()}"
        numbers[f"{split}_trials"] = f"{mine.median():,.0f}"
        numbers[f"{split}_range"] = f"{mine.min():,.0f} to {mine.max():,.0f}"
    if short:
        return numbers
    step = 1 / (RUNS * ITEMS["val"])
    grid = pd.Series(on_grid(rows["accuracy_percent"].to_numpy(), step), index=rows.index)
    numbers["grid_chance"] = f"{0.01 / (100 * step):.1%}"
    evidence = split_evidence(rows)
    recovered = evidence.set_index("entry")["items_from_intervals"]
    for when, entries in EXAMPLES.items():
        numbers[f"val_{when}"] = ", ".join(f"{recovered[e]:,.0f} ({n})" for n, e in entries.items())
    constant = constant_answers(rows, rows).merge(rows, on=["entry", "language"])
    constant = constant.drop_duplicates(
        ["language", "split", "accuracy_percent", "halfwidth_percent"]
    )
    for split in SPLITS:
        mine = grid[rows["split"] == split]
        numbers[f"{split}_grid"] = f"{mine.sum():,} of {len(mine):,} cells ({mine.mean():.1%})"
        several = evidence[(evidence["split"] == split) & (evidence["cells"] >= ENOUGH_CELLS)]
        low, middle, high = several["items_from_intervals"].quantile([0.1, 0.5, 0.9])
        numbers[f"{split}_recovered"] = f"{middle:,.0f} ({low:,.0f} to {high:,.0f})"
        same = constant[constant["split"] == split]
        items = recovered_items(
            same["accuracy_percent"].to_numpy(), same["halfwidth_percent"].to_numpy()
        )
        numbers[f"{split}_constant"] = f"{1 / (1 / items).mean():,.0f} (from {len(same)} cells)"
    return numbers
