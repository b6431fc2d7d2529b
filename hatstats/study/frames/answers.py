"""What cells say: right or wrong, an accuracy, a number of trials."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from hatstats.errors import DataError

Array = npt.NDArray[np.float64]

#: Words for right and for wrong; the cells of one column all come from one pair.
_WORDS: tuple[tuple[frozenset[str], frozenset[str]], ...] = tuple(
    (frozenset(right.split()), frozenset(wrong.split()))
    for right, wrong in (
        ("1 1.0", "0 0.0"),
        ("true t", "false f"),
        ("yes y", "no n"),
        ("right correct ok", "wrong incorrect"),
        ("c", "i n"),  # Inspect: correct, incorrect, no answer
        ("pass passed", "fail failed"),
        ("100%", "0%"),
    )
)
_MISSING = frozenset({"", "na", "nan", "n/a", "null", "none", "<na>"})


def read_answers(cells: pd.Series, column: str) -> Array:
    """Read cells (n,) as 1 for right and 0 for wrong; anything else is counted and refused."""
    text = _text(cells)
    missing = text.isin(list(_MISSING)).to_numpy(dtype=bool)
    if missing.any():
        raise DataError(
            f"{_many(missing, 'answer is missing', 'answers are missing')}.",
            column=column,
            hint="drop the rows if they were not run (dropna); write 0 if no answer counts as "
            "wrong (fillna(0)).",
        )
    found = frozenset(text.unique())
    for right, wrong in _WORDS:
        if found <= right | wrong:
            return text.isin(list(right)).to_numpy(dtype=bool).astype(np.float64)
    numbers = pd.to_numeric(text, errors="coerce")
    other = text[~numbers.isin([0, 1]).to_numpy()]
    hint = "write 1 for right and 0 for wrong."
    values = numbers.to_numpy(dtype=np.float64)
    if not np.isnan(values).any() and (values >= 0).all():
        if ((values > 0) & (values < 1)).any() and values.max() <= 1:
            hint = (
                "where this is partial credit, say from which score on an answer is right, as in "
                f"df[{column!r}] >= 0.5; where it is an accuracy, name the number of trials "
                "(n_trials=250, or a column n_trials)."
            )
        elif set(values) <= {0.0, 100.0}:
            hint = f"0 and 100 are per cent: write df[{column!r}] / 100."
        elif values.max() <= 100:
            hint = (
                "where these are accuracies in per cent, name the number of trials "
                "(n_trials=250, or a column n_trials)."
            )
    if not len(other):  # 0 and 1 written in several ways: 1, 1.00
        return values
    neither = np.isin(np.arange(len(text)), other.index.to_numpy())
    said = "cell is neither right nor wrong", "cells are neither right nor wrong"
    raise DataError(
        f"{_many(neither, *said)}.",
        column=column,
        value=str(cells.iloc[int(other.index[0])]),
        hint=hint,
    )


def read_accuracies(cells: pd.Series, column: str, n_trials: Array) -> tuple[Array, str]:
    """Read accuracies (n,), proportions or per cent, as right answers of `n_trials` (n,).

    The note says where per cent was read.

    Accuracy times trials is made whole where only rounding keeps it from that. An error where
    counts and per cent cannot be told apart.
    """
    text = _text(cells)
    values = pd.to_numeric(text.str.removesuffix("%").str.strip(), errors="coerce")
    numbers = values.to_numpy(dtype=np.float64)
    bad = ~((numbers >= 0) & (numbers <= 100))
    if bad.any():
        raise DataError(
            f"{_many(bad, 'cell is no accuracy', 'cells are no accuracies')}.",
            column=column,
            value=str(cells.iloc[int(np.flatnonzero(bad)[0])]),
            hint="write proportions from 0 to 1; leave out rows of what was not run.",
        )
    percent = bool(text.str.endswith("%").all()) or numbers.max() > 1
    if not percent:
        return _near_whole(numbers * n_trials), ""
    if ((numbers > 0) & (numbers < 1)).any() and not text.str.endswith("%").all():
        raise DataError(
            "some accuracies are under 1 and some over it, so they may be proportions or per cent.",
            column=column,
            hint="write all of them as proportions from 0 to 1.",
        )
    named = column.casefold() in {"accuracy", "acc"} or text.str.endswith("%").all()
    if not named and (numbers % 1 == 0).all() and (numbers <= n_trials).all():
        raise DataError(
            "these whole numbers may be counts or per cent.",
            column=column,
            hint="write accuracies as proportions from 0 to 1, or name a column of counts: "
            f"columns={{'n_correct': {column!r}}}.",
        )
    note = f"Accuracies read as per cent (the highest is {numbers.max():g})."
    return _near_whole(numbers / 100 * n_trials), note


def read_numbers(cells: pd.Series, column: str, *, blank: bool = False) -> Array:
    """Read a column of numbers (n,); empty cells are an error unless `blank` allows them."""
    numbers = pd.to_numeric(_text(cells), errors="coerce").to_numpy(dtype=np.float64)
    bad = ~np.isfinite(numbers) & ~(missing_cells(cells) & blank)
    if bad.any():
        raise DataError(
            f"{_many(bad, 'cell is no number', 'cells are no numbers')}.",
            column=column,
            value=str(cells.iloc[int(np.flatnonzero(bad)[0])]),
            hint="write a plain number in every row; leave out rows of what was not run.",
        )
    return numbers


def missing_cells(cells: pd.Series) -> npt.NDArray[np.bool_]:
    """Mask (n,) of cells without a value."""
    return _text(cells).isin(list(_MISSING)).to_numpy(dtype=bool)


def _text(cells: pd.Series) -> pd.Series[str]:
    """Cells (n,) in small letters without blanks; missing ones as empty text."""
    return cells.astype("str").fillna("").str.strip().str.casefold().reset_index(drop=True)


def _near_whole(values: Array) -> Array:
    whole = np.round(values)
    near = np.abs(values - whole) < 1e-6 * np.maximum(1.0, np.abs(values))
    return np.where(near, whole, values)


def _many(mask: npt.NDArray[np.bool_], one: str, more: str) -> str:
    """Count cells: ``3 of 12 answers are missing (the first at position 4)``."""
    count, first = int(mask.sum()), int(np.flatnonzero(mask)[0]) if mask.any() else 0
    return f"{count} of {len(mask)} {one if count == 1 else more} (the first at position {first})"
