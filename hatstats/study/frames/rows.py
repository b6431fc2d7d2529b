"""One row for each answer or cell, by role: wide frames made long, copies and repeats settled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hatstats.errors import DataError
from hatstats.study.frames.answers import VALUE, missing_cells, refuse_cells
from hatstats.study.frames.columns import Layout, plain_name
from hatstats.study.schema import OTHER_NAMES, as_text
from hatstats.study.trials import without_copies

#: Columns that say in which of several ways the same answers were scored.
_ONE_OF_THEM = frozenset({"filter", "metric", "metric_name", "scorer", "split"})
#: Columns that hold questions or their ids, and columns of answers and measurements that do not.
_LIKE_ITEMS = frozenset({"question", "question_text", "uid", "task_id", "problem", "query"})
_NO_ITEMS = frozenset(
    {"answer", "answers", "completion", "date", "extracted_answer", "generation", "gold",
     "latency", "n_tokens", "output", "pred", "prediction", "response", "target", "time",
     "timestamp", "tokens"}
)  # fmt: skip
_KEY = ("model", "benchmark", "language", "item", "prompt", "repeat")


def long_rows(frame: pd.DataFrame, layout: Layout, notes: list[str]) -> pd.DataFrame:
    """One row for each answer or cell, roles as columns, indexed by its position in the frame.

    `VALUE` holds what a wide frame has for the language.
    """
    used = layout.roles.values()
    others = [role for role, name in layout.roles.items() if role != name and role not in used]
    rows = frame.drop(columns=others, errors="ignore")  # another column has the role of this name
    rows = rows.rename(columns={name: role for role, name in layout.roles.items()})
    if layout.wide:
        others = [name for name in rows.columns if name not in layout.wide]
        rows = rows.melt(others, list(layout.wide), "language", VALUE, ignore_index=False)
        rows["language"] = rows["language"].map(dict(layout.wide))
        empty = missing_cells(rows[VALUE])
        if empty.any():
            notes.append(f"Empty cells of the columns of languages, not used: {int(empty.sum())}.")
            rows = rows[~empty]
    for role in [name for name in (*_KEY, "cluster", "source_language") if name in rows]:
        if role in {"item", "prompt", "repeat", "cluster"} and missing_cells(rows[role]).all():
            rows = rows.drop(columns=role)
        else:
            rows[role] = _names(rows[role], role)
    return rows


def settle_prompts(rows: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Leave out a column of prompts that holds the text of the question, not a wording."""
    if "prompt" not in rows or "item" not in rows or rows["prompt"].nunique() < 2:
        return rows
    cell = [role for role in ("model", "benchmark", "language", "item") if role in rows]
    item = [role for role in ("benchmark", "item") if role in rows]
    items_of_prompt = rows.drop_duplicates([*item, "prompt"])["prompt"].value_counts()
    if items_of_prompt.max() > 1 or (rows.groupby(cell)["prompt"].nunique() > 1).any():
        return rows
    notes.append("The prompt is another for each item and the only one: not used as a wording.")
    return rows.drop(columns="prompt")


def check_unused_items(rows: pd.DataFrame, *, added_up: bool) -> None:
    """Refuse rows without an item that would be totals, if an unused column looks like the item.

    It has at least 10 values, and a tenth of the rows, in the largest cell, which other models or
    languages have again.
    """
    key = [role for role in _KEY if role in rows]
    if "item" in rows or rows["language"].nunique() < 2 or not rows.duplicated(key).any():
        return
    cells = rows.groupby(["model", "benchmark", "language"], sort=False).ngroup()
    largest = rows[cells == np.bincount(cells).argmax()]
    found: list[tuple[bool, bool, int, str]] = []
    for name in rows.columns.difference([*OTHER_NAMES, VALUE], sort=False):
        named = plain_name(name) in _LIKE_ITEMS
        distinct = largest[name].nunique()
        if distinct < max(10, len(largest) / 10) or not (named or _may_be_names(rows[name])):
            continue
        paired = _share_again(rows, name, "language") >= 0.1
        if named or paired or _share_again(rows, name, "model") >= 0.5:
            found.append((paired, named, distinct, name))
    if not found:
        return
    paired, _, _, name = max(found, key=lambda each: each[:3])
    total = "columns={'item': None} if these rows are to be added up"
    if paired:
        hint = f"give columns={{'item': {name!r}}}{f', or {total}' if added_up else ''}."
        raise DataError(f"{name!r} looks like the item.", column=name, hint=hint)
    raise DataError(
        f"{name!r} looks like the item, but its values differ by language, and translated texts "
        "cannot pair items: an id is needed that is the same in all languages.",
        column=name,
        hint=f"add a column 'item' with the id of each question"
        f"{f', or give {total}' if added_up else ''}.",
    )


def _may_be_names(cells: pd.Series) -> bool:
    """Whether the cells of a column may name items: no dates, fractions or models' responses."""
    if plain_name(str(cells.name)) in _NO_ITEMS or pd.api.types.is_datetime64_any_dtype(cells):
        return False
    return not (pd.api.types.is_float_dtype(cells) and bool((cells.dropna() % 1 != 0).any()))


def _share_again(rows: pd.DataFrame, name: str, role: str) -> float:
    """Share of the values of a column that more than one language (or model) has."""
    within = ["benchmark", name] if role == "language" else ["benchmark", "language", name]
    return float((rows.groupby(within)[role].nunique() > 1).mean())


def settle_copies(
    rows: pd.DataFrame, compared: Sequence[str], notes: list[str], *, trials: bool
) -> pd.DataFrame:
    """Count exact copies of a row once, take balanced samples as repeats, refuse other doubles.

    `compared` are the columns of the result; with `trials` each row is one answer.
    """
    key = [role for role in _KEY if role in rows]
    if trials and "item" not in rows:
        notes.append(
            "No column of items: rows are counted by model and language, as averages over items."
        )
        return rows
    groups = rows.groupby(key, sort=False).ngroup()
    sizes = np.bincount(groups)
    if sizes.max() == 1:
        return rows
    several = rows.astype({name: "str" for name in compared}).groupby(groups).nunique(dropna=False)
    several = several > 1
    varying = [str(n) for n in rows if several[n].any() and n not in compared]
    differ = several[list(compared)].any(axis=1).to_numpy()
    if trials and differ.any() and sizes.min() == sizes.max() and not varying:
        notes.append(
            f"Every item has {sizes[0]} rows without a number: taken as {sizes[0]} samples of it."
        )
        return rows
    copies = rows.duplicated().to_numpy()
    rows, groups = rows[~copies], groups[~copies]
    notes.append(f"Exact copies of other rows, counted once: {int(copies.sum())}.")
    again = groups.duplicated(keep=False).to_numpy()
    if not again.any():
        return rows
    first = rows[again].iloc[0]
    where = ", ".join(f"{role} {first[role]!r}" for role in key)
    contradict = " and contradict it" if differ[groups[again]].any() else ""
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
        f"{int(again.sum())} rows have the same {', '.join(key)} as another{contradict}; the first "
        f"is {where}.",
        column=compared[0] if compared else None,
        hint=f"{hint}.",
    )


def count_cells(rows: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Add up `n_correct` and `n_trials` by cell, sorted, with the `position` of its first row.

    Repeats of an item are trials of it, but for copies of one answer; totals are averaged.
    """
    items = "item" in rows
    rows = rows.assign(**{name: "" for name in ("item", "prompt") if name not in rows})
    rows["position"] = rows.index
    cell = ["benchmark", "model", "language", "item", "prompt"]
    repeated = items and "repeat" in rows
    if repeated:
        rows = without_copies(rows.reset_index(drop=True), notes)
        repeated = bool(rows.duplicated(cell).any() and not (rows["prompt"] != "").any())
    facts = [name for name in ("cluster", "source_language", "chance") if name in rows]
    for name in facts:
        owner = "benchmark" if name == "chance" else "item"
        several = rows.groupby(list(dict.fromkeys(["benchmark", owner])))[name].nunique() > 1
        if several.any() and (name != "source_language" or items):
            raise DataError(
                f"{' '.join(map(str, np.atleast_1d(several[several].index[0])))} has more than "
                "one value.",
                column=name,
                hint=f"give each {owner} one {name}.",
            )
    sums = {"n_correct": "sum", "n_trials": "sum", "position": "min"}
    if not items and "repeat" in rows:
        runs = rows.groupby([*cell, "repeat", *facts], as_index=False, dropna=False).agg(sums)
        most = int(runs.groupby(cell).size().max())
        notes.append(f"Totals of up to {most} repeats of the same items: averaged over them.")
        means = {"n_correct": "mean", "n_trials": "mean", "position": "min"}
        added = runs.groupby([*cell, *facts], as_index=False, dropna=False).agg(means)
    else:
        added = rows.groupby([*cell, *facts], as_index=False, dropna=False).agg(sums)
    added = added.sort_values(cell, kind="stable").reset_index(drop=True)
    return added.assign(trials="repeats") if repeated else added


def _names(cells: pd.Series, role: str) -> pd.Series[str]:
    """Names (n,) as text, whole numbers without a point; a missing one is an error."""
    text = as_text(cells)
    if role not in {"cluster", "source_language"}:
        empty = (text == "").to_numpy(dtype=bool)
        hint = "name it in every row, or drop these rows."
        refuse_cells(empty, f"cells of the {role}", "empty", role, hint, cells, show=False)
    return text.set_axis(cells.index)
