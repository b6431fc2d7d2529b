"""What the trials of an item are: copies of one answer are found, and counted once."""

from __future__ import annotations

import itertools
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
    are exact: repeats (column `repeat`), or wordings (column `prompt`), of a model in a language
    that agree in every answer to the questions that both have; and, without labels, right answers
    and trials that are multiples of one number in every row of several, or right answers that are
    none or all. Where a model's rows in a language are too few to tell, its rows in all languages
    are looked at, then those of all models.
    """
    notes: list[str] = []
    counts = without_copies(counts, notes)
    return _with_lumps_divided(counts, notes), notes


def without_copies(counts: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Leave out answers of repeats or wordings that agree with another in all they share.

    A copy that lacks some rows is one still; its answers to questions of its own stay. Notes say
    what was found.
    """
    for label, other, word in (("repeat", "prompt", "Repeats"), ("prompt", "repeat", "Wordings")):
        labelled = ((counts[label] != "") & (counts["item"] != "")).to_numpy()
        if not labelled.any():
            continue
        rows = counts[labelled].reset_index(drop=True)
        copied = _copied(rows, label, other)
        if not copied.any():
            continue
        touched = len(rows.loc[copied, _GROUPS[0]].drop_duplicates())
        notes.append(
            f"{word} that agree in every answer with another of the same model and language (in "
            f"{touched} of {len(rows[_GROUPS[0]].drop_duplicates())} pairs): copies of one answer, "
            "counted once."
        )
        keep = np.ones(len(counts), dtype=bool)
        keep[labelled] = ~copied
        counts = counts[keep].reset_index(drop=True)
    return counts


def _copied(rows: pd.DataFrame, label: str, other: str) -> npt.NDArray[np.bool_]:
    """Rows (n,) whose answers, under one value of `label`, agree with those under another."""
    cells = rows.groupby(_GROUPS[0], sort=False).ngroup().to_numpy(dtype=np.int64)
    question = rows.groupby([*_GROUPS[0], "item", other], sort=False).ngroup().to_numpy()
    place = _places(rows[label], cells, question)
    row_of = np.full((question.max() + 1, place.max() + 1), -1)
    row_of[question, place] = np.arange(len(rows))
    answers = rows[["n_correct", "n_trials"]].to_numpy(dtype=float)
    copied = np.zeros(len(rows), dtype=bool)
    for columns in _GROUPS:
        groups = rows.groupby(columns, sort=False).ngroup().to_numpy(dtype=np.int64)
        for first, second in itertools.combinations(range(row_of.shape[1]), 2):
            a, b = row_of[:, [first, second]][(row_of[:, [first, second]] >= 0).all(axis=1)].T
            differ = np.bincount(groups[a], (answers[a] != answers[b]).any(axis=1))
            agree = differ[groups[a]] == 0
            if agree.any():
                copied[b] |= agree & _telling(answers[a], cells[a], groups[a])
    return copied


def _places(label: pd.Series, cells: Ints, question: Ints) -> Ints:
    """Number of each row's label (n,) within its model and language.

    Where labels are of single questions, the number is that within the question.
    """
    by_cell = pd.DataFrame({"cell": cells, "label": label}).drop_duplicates()
    by_cell["place"] = by_cell.groupby("cell").cumcount()
    named = pd.DataFrame({"cell": cells, "label": label}).merge(by_cell, how="left")
    place = named["place"].to_numpy(dtype=np.int64)
    inside = pd.Series(question).groupby(question).cumcount().to_numpy(dtype=np.int64)
    most, names = (np.zeros(cells.max() + 1, dtype=np.int64) for _ in range(2))
    np.maximum.at(most, cells, inside + 1)
    np.maximum.at(names, cells, place + 1)
    return np.where((names > 2 * most)[cells], inside, place)


def _with_lumps_divided(counts: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Divide right answers and trials by the number of copies of each answer."""
    # A single trial neither agrees with another nor differs from it.
    several = (counts["repeat"] == "") & (counts["item"] != "") & (counts["n_trials"] > 1)
    plain = several.to_numpy()
    if not plain.any():
        return counts
    rows = counts[plain]
    both = rows[["n_correct", "n_trials"]].to_numpy(dtype=np.int64)
    common = np.gcd(both[:, 0], both[:, 1])
    cells = rows.groupby(_GROUPS[0], sort=False).ngroup().to_numpy(dtype=np.int64)
    copies = np.ones(len(rows), dtype=np.int64)
    for columns in _GROUPS:
        groups = rows.groupby(columns, sort=False).ngroup().to_numpy(dtype=np.int64)
        # Where all answers to a question agree, some copies of some may be missing.
        mixed = np.bincount(groups, common < both[:, 1])[groups] > 0
        divisor = np.where(mixed, _common_divisor(common, groups), both[:, 1])
        found = (copies == 1) & _telling(both, cells, groups)
        copies = np.where(found, divisor, copies)
    found = copies > 1
    if not found.any():
        return counts
    touched = len(rows.loc[found, _GROUPS[0]].drop_duplicates())
    sizes = ", ".join(str(size) for size in np.unique(copies[found]))
    notes.append(
        f"Trials of which {sizes} agree in every item (in {touched} of {cells.max() + 1} pairs of "
        "model and language): copies of one answer, counted once."
    )
    divided = counts[["n_correct", "n_trials"]].to_numpy(dtype=float, copy=True)
    divided[plain] /= copies[:, None]
    return counts.assign(n_correct=divided[:, 0], n_trials=divided[:, 1])


def _telling(answers: npt.NDArray[Any], cells: Ints, groups: Ints) -> npt.NDArray[np.bool_]:
    """Whether agreement of the answers (n, 2) of a row's group, right of trials, is no chance."""
    right = np.bincount(cells, answers[:, 0] > 0)
    wrong = np.bincount(cells, answers[:, 0] < answers[:, 1])
    present, first = np.unique(cells, return_index=True)
    of_each = np.bincount(groups[first], np.minimum(right, wrong)[present])
    enough = (np.bincount(groups) >= _LEAST_ROWS) & (of_each >= _LEAST_OF_EACH)
    return np.asarray(enough[groups])


def _common_divisor(values: Ints, groups: Ints) -> Ints:
    """Greatest common divisor of the values (n,) of each row's group, shape (n,)."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    return np.gcd.reduceat(values[order], starts)[groups]
