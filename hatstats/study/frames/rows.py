"""One row for each answer or cell, by role: wide frames made long, copies and repeats settled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hatstats.errors import DataError
from hatstats.study.frames.answers import missing_cells
from hatstats.study.frames.columns import Layout

#: Column of the answers, or of counts and accuracies, of a frame made long.
VALUE = "the columns of languages"
#: Columns that say in which of several ways the same answers were scored.
_ONE_OF_THEM = frozenset({"filter", "metric", "metric_name", "scorer", "split"})
_KEY = ("model", "benchmark", "language", "item", "prompt", "repeat")


def long_rows(frame: pd.DataFrame, layout: Layout) -> tuple[pd.DataFrame, list[str]]:
    """One row for each answer or cell, roles as columns, and notes on empty cells of a wide frame.

    Names are text; `VALUE` holds what a wide frame has for the language; other columns stay.
    """
    rows = frame.rename(columns={name: role for role, name in layout.roles.items()})
    clash = [role for role, name in layout.roles.items() if role != name and role in frame.columns]
    if clash:
        rows = rows.loc[:, ~rows.columns.duplicated()]
    notes: list[str] = []
    if layout.wide:
        others = [name for name in rows.columns if name not in layout.wide]
        rows = rows.melt(others, list(layout.wide), "language", VALUE)
        rows["language"] = rows["language"].map(dict(layout.wide))
        empty = missing_cells(rows[VALUE])
        if empty.any():
            notes.append(f"Empty cells of the columns of languages, not used: {int(empty.sum())}.")
            rows = rows[~empty].reset_index(drop=True)
    for role in (*_KEY, "cluster", "source_language"):
        if role in {"item", "prompt", "repeat", "cluster"} & set(rows) and (
            missing_cells(rows[role]).all()
        ):
            rows = rows.drop(columns=role)
        if role in rows:
            rows[role] = _names(rows[role], role, blank=role in {"cluster", "source_language"})
    return rows, notes


def settle_copies(
    rows: pd.DataFrame, compared: Sequence[str], *, trials: bool
) -> tuple[pd.DataFrame, list[str]]:
    """Count exact copies of a row once, take balanced samples as repeats, refuse other doubles.

    `compared` names the columns of the result (answers or counts); with `trials` each row is one
    answer. Notes say how many rows were copies or repeats.
    """
    key = [role for role in _KEY if role in rows]
    if trials and "item" not in rows:
        return rows, [
            "No column of items: rows are counted by model and language, as averages over items."
        ]
    groups = rows.groupby(key, sort=False).ngroup()
    sizes = np.bincount(groups)
    if sizes.max() == 1:
        return rows, []
    others = [name for name in rows.columns if name not in {*key, *compared}]
    varying = [
        name for name in others if (rows.groupby(groups)[name].nunique(dropna=False) > 1).any()
    ]
    differ = np.zeros(len(sizes), dtype=bool)
    for name in compared:
        differ |= (rows[name].astype("str").groupby(groups).nunique(dropna=False) > 1).to_numpy()
    if trials and differ.any() and sizes.min() == sizes.max() and not varying:
        return rows, [
            f"Every item has {sizes[0]} rows without a number: taken as {sizes[0]} samples of it."
        ]
    copies = rows.duplicated().to_numpy()
    rows, groups = rows[~copies].reset_index(drop=True), groups[~copies]
    notes = [f"Exact copies of other rows, counted once: {int(copies.sum())}."]
    again = groups.duplicated(keep=False).to_numpy()
    if not again.any():
        return rows, notes
    first = rows[again].iloc[0]
    where = ", ".join(f"{role} {first[role]!r}" for role in key)
    contradict = bool(differ[groups[again]].any())
    hint = "remove all rows but one of each cell"
    choices = [name for name in varying if name.casefold() in _ONE_OF_THEM]
    if choices:
        one = f"df[df[{choices[0]!r}] == {first[choices[0]]!r}]"
        hint = f"keep the rows of one {choices[0]}, as in {one}"
    elif varying:
        role = "model" if (rows["model"] == "model").all() else "repeat"
        hint = (
            f"say what the columns are that differ ({', '.join(map(repr, varying[:5]))}), as in "
            f"columns={{{role!r}: {varying[0]!r}}}, or {hint}"
        )
    elif trials:
        hint = f"number samples of one item in a column 'repeat', or {hint}"
    raise DataError(
        f"{int(again.sum())} rows have the same {', '.join(key)} as another"
        + (" and contradict it" if contradict else "")
        + f"; the first is {where}.",
        column=compared[0] if compared else None,
        hint=f"{hint}.",
    )


def settle_prompts(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Leave out a column of prompts that holds the text of the question, not a wording."""
    if "prompt" not in rows or "item" not in rows or rows["prompt"].nunique() < 2:
        return rows, []
    cell = [role for role in ("model", "benchmark", "language", "item") if role in rows]
    item = [role for role in ("benchmark", "item") if role in rows]
    items_of_prompt = rows.drop_duplicates([*item, "prompt"])["prompt"].value_counts()
    if items_of_prompt.max() == 1 and (rows.groupby(cell)["prompt"].nunique() == 1).all():
        note = "The prompt is another for each item and the only one: not used as a wording."
        return rows.drop(columns="prompt"), [note]
    return rows, []


def count_cells(rows: pd.DataFrame, *, items: bool) -> tuple[pd.DataFrame, list[str]]:
    """Add up `n_correct` and `n_trials` by cell, sorted, with notes.

    Repeats of an item are trials of it. Repeats of a total ask the same items again, so that totals
    are averaged over their repeats.
    """
    cell = ["benchmark", "model", "language", "item", "prompt"]
    facts = [name for name in ("cluster", "source_language", "chance") if name in rows]
    for name in facts:
        owner = ["benchmark"] if name == "chance" else ["benchmark", "item"]
        several = rows.groupby(owner)[name].nunique() > 1
        if several.any() and (name != "source_language" or items):
            raise DataError(
                f"{' '.join(map(str, np.atleast_1d(several[several].index[0])))} has more than "
                "one value.",
                column=name,
                hint=f"give each {'benchmark' if name == 'chance' else 'item'} one {name}.",
            )
    counts = ["n_correct", "n_trials"]
    notes = []
    if not items and "repeat" in rows:
        runs = rows.groupby([*cell, "repeat", *facts], as_index=False, dropna=False)[counts].sum()
        most = int(runs.groupby(cell).size().max())
        notes.append(f"Totals of up to {most} repeats of the same items: averaged over them.")
        added = runs.groupby([*cell, *facts], as_index=False, dropna=False)[counts].mean()
    else:
        added = rows.groupby([*cell, *facts], as_index=False, dropna=False)[counts].sum()
    return added.sort_values(cell, kind="stable").reset_index(drop=True), notes


def _names(cells: pd.Series, role: str, *, blank: bool) -> pd.Series[str]:
    """Names (n,) as text, whole numbers without a point; a missing one is an error."""
    if pd.api.types.is_float_dtype(cells) and bool((cells.dropna() % 1 == 0).all()):
        cells = cells.astype("Int64")
    text = cells.astype("str").fillna("").replace("<NA>", "").str.strip()
    missing = (text == "").to_numpy(dtype=bool)
    if missing.any() and not blank:
        raise DataError(
            f"{int(missing.sum())} of {len(text)} rows have no {role} (the first is at position "
            f"{int(np.flatnonzero(missing)[0])}).",
            column=role,
            hint="name it in every row, or drop these rows.",
        )
    return text
