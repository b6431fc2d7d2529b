"""What the trials of an item are: copies of one answer are found, and counted once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Ints = npt.NDArray[np.integer[Any]]

#: Where copies are looked for, the finest groups first.
_GROUPS = (["benchmark", "model", "language"], ["benchmark", "model"], ["benchmark"])
#: Agreement happens by chance with fewer questions, or with fewer right and fewer wrong answers
#: within a model and language.
_LEAST_ROWS, _LEAST_OF_EACH = 20, 5


def merge_copies(counts: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Count copies of one answer once, and say so in notes.

    A greedy run that was logged three times is one answer to each question, not three. Two signs
    are exact: repeats (column `repeat`) of a model in a language that agree in every answer; and,
    without labels, right answers and trials that are multiples of one number in every row. Where a
    model's rows in a language are too few to tell, its rows in all languages are looked at, then
    those of all models.
    """
    notes: list[str] = []
    counts = without_copied_repeats(counts, notes)
    return _with_lumps_divided(counts, notes), notes


def without_copied_repeats(counts: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Leave out repeats that give the same answers as an earlier one, with a note."""
    labelled = ((counts["repeat"] != "") & (counts["item"] != "")).to_numpy()
    if not labelled.any():
        return counts
    rows = counts[labelled]
    answer = ["model", "language", "item", "prompt", "n_correct", "n_trials"]
    code = pd.Series(pd.util.hash_pandas_object(rows[answer], index=False), index=rows.index)
    copied = np.zeros(len(rows), dtype=bool)
    for groups, telling in _levels(rows):
        # The sum of the hashes of a repeat's answers does not depend on their order.
        by_repeat = code.groupby([groups, rows["repeat"].to_numpy()], sort=False)
        answers = pd.DataFrame({"sum": by_repeat.sum(), "rows": by_repeat.size()}).reset_index(
            names=["group", "repeat"]
        )
        again = answers[answers.duplicated(["group", "sum", "rows"])]
        pairs = pd.MultiIndex.from_frame(again[["group", "repeat"]])
        copied |= telling & pd.MultiIndex.from_arrays([groups, rows["repeat"]]).isin(pairs)
        if copied.all():
            break
    if not copied.any():
        return counts
    cells = len(rows.loc[copied, _GROUPS[0]].drop_duplicates())
    notes.append(
        f"Repeats that agree in every answer with another of the same model and language (in "
        f"{cells} of {len(rows[_GROUPS[0]].drop_duplicates())}): copies of one answer, counted "
        "once."
    )
    keep = np.ones(len(counts), dtype=bool)
    keep[labelled] = ~copied
    return counts[keep].reset_index(drop=True)


def _with_lumps_divided(counts: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Divide right answers and trials by the number of copies of each answer."""
    plain = ((counts["repeat"] == "") & (counts["item"] != "")).to_numpy()
    if not (counts["n_trials"].to_numpy()[plain] > 1).any():
        return counts
    rows = counts[plain]
    both = rows[["n_correct", "n_trials"]].to_numpy(dtype=np.int64)
    copies = np.ones(len(rows), dtype=np.int64)
    for groups, telling in _levels(rows):
        divisor = _common_divisor(np.gcd(both[:, 0], both[:, 1]), groups)
        copies = np.where((copies == 1) & telling, divisor, copies)
        if (copies > 1).all():
            break
    found = copies > 1
    if not found.any():
        return counts
    cells = len(rows.loc[found, _GROUPS[0]].drop_duplicates())
    sizes = ", ".join(str(size) for size in np.unique(copies[found]))
    notes.append(
        f"Trials that agree in lumps of {sizes} in every item of a model and language (in {cells} "
        f"of {len(rows[_GROUPS[0]].drop_duplicates())}): copies of one answer, counted once."
    )
    divided = counts[["n_correct", "n_trials"]].to_numpy(dtype=float, copy=True)
    divided[plain] /= copies[:, None]
    return counts.assign(n_correct=divided[:, 0], n_trials=divided[:, 1])


def _levels(rows: pd.DataFrame) -> Iterator[tuple[Ints, npt.NDArray[np.bool_]]]:
    """Groups (n,) of the rows at each level, and whether the group of each row can tell copies."""
    cells = rows.groupby(_GROUPS[0], sort=False).ngroup().to_numpy(dtype=np.int64)
    # Repeats of one question count as one row.
    question = [*_GROUPS[0], "item", "prompt"]
    share = 1.0 / rows.groupby(question, sort=False)["item"].transform("size").to_numpy()
    right = np.bincount(cells, share * (rows["n_correct"] > 0).to_numpy())
    wrong = np.bincount(cells, share * (rows["n_correct"] < rows["n_trials"]).to_numpy())
    _, first = np.unique(cells, return_index=True)
    for columns in _GROUPS:
        groups = rows.groupby(columns, sort=False).ngroup().to_numpy(dtype=np.int64)
        of_each = np.bincount(groups[first], np.minimum(right, wrong))
        enough = (np.bincount(groups, share) >= _LEAST_ROWS) & (of_each >= _LEAST_OF_EACH)
        yield groups, enough[groups]


def _common_divisor(values: Ints, groups: Ints) -> Ints:
    """Greatest common divisor of the values (n,) of each row's group, shape (n,)."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    return np.gcd.reduceat(values[order], starts)[groups]
