"""What cells say: right or wrong, an accuracy, a number of trials."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from hatstats.errors import DataError
from hatstats.study.schema import MISSING_WORDS, Mask

Array = npt.NDArray[np.float64]
#: The column that cells (n,) come from, or that of each cell, where languages have a column each.
Columns = str | npt.NDArray[np.str_]

#: Column of the answers, or of counts and accuracies, of a frame with a column for each language.
VALUE = "the columns of languages"

#: Words for right and for wrong; the cells of one column of a frame all come from one pair.
ANSWER_WORDS: tuple[tuple[frozenset[str], frozenset[str]], ...] = tuple(
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


def read_answers(cells: pd.Series, column: Columns) -> Array:
    """Read cells (n,) as 1 for right and 0 for wrong; anything else is counted and refused."""
    text = _text(cells)
    drop = f"df.dropna(subset=[{column!r}])" if isinstance(column, str) else "dropna"
    refuse_cells(
        missing_cells(cells),
        "answers",
        "missing",
        column,
        f"drop the rows if they were not run ({drop}); write 0 if no answer counts as wrong "
        f"({_selected(column)}.fillna(0)).",
        cells,
        show=False,
    )
    found = frozenset(text.unique())
    for right, wrong in ANSWER_WORDS:
        if found <= right | wrong:
            return np.where(text.isin(list(right)), 1.0, 0.0)
    numbers = _numbers(text)
    refuse_cells(
        ~np.isin(numbers, [0, 1]),
        "cells",
        "neither right nor wrong",
        column,
        _answer_hint(numbers, column),
        cells,
    )
    return numbers  # 0 and 1 written in several ways: 1, 1.00


def are_answers(cells: pd.Series) -> bool:
    """Whether all cells that are not empty (n, at least one) are answers, words of one pair."""
    found = frozenset(_text(cells).unique()) - MISSING_WORDS
    return bool(found) and any(found <= right | wrong for right, wrong in ANSWER_WORDS)


def _answer_hint(numbers: Array, column: Columns) -> str:
    """What to do about numbers (n,), NaN for words, that are no answers."""
    trials = "name the number of trials (n_trials=250, or a column n_trials)."
    if np.isnan(numbers).any() or (numbers < 0).any() or numbers.max() > 100:
        return "write 1 for right and 0 for wrong."
    cells = _selected(column)
    if numbers.max() <= 1:
        return (
            "where this is partial credit, say from which score on an answer is right, as in "
            f"{cells} >= 0.5; where it is an accuracy, {trials}"
        )
    if set(numbers) <= {0.0, 100.0}:
        return f"0 and 100 are per cent: write {cells} / 100."
    whole = (numbers % 1 == 0).all()
    count = "where these are counts, say of how many trials (n_trials=4); " if whole else ""
    return (
        f"{count}where these are accuracies in per cent, divide by 100 ({cells} / 100) and give "
        "the number of trials behind each (n_trials=250, or a column n_trials)."
    )


def read_accuracies(
    cells: pd.Series, column: Columns, n_trials: Array, *, items: bool = False
) -> tuple[Array, list[str]]:
    """Read accuracies (n,), proportions or per cent, as right answers of `n_trials` (n,).

    Whole numbers of single `items` are counts where per cent of their trials would not be whole;
    an error where counts and per cent cannot be distinguished.
    """
    text = _text(cells)
    signs = bool(text.str.endswith("%").all())
    numbers = _numbers(text.str.removesuffix("%").str.strip())
    refuse_cells(
        ~((numbers >= 0) & (numbers <= 100)),
        "accuracies",
        "no number from 0 to 100",
        column,
        "write proportions from 0 to 1; leave out rows of what was not run.",
        cells,
    )
    if not signs and numbers.max() <= 1:
        return _near_whole(numbers * n_trials), []
    if ((numbers > 0) & (numbers < 1)).any() and not signs:
        refuse_cells(
            numbers > 1,
            "accuracies",
            "over 1, and some are under it, so they may be proportions or per cent",
            column,
            "write all of them as proportions from 0 to 1; where all are per cent, divide by "
            f"100: {_selected(column)} / 100.",
            cells,
        )
    named = signs or (
        isinstance(column, str) and ("%" in column or column.casefold() in {"accuracy", "acc"})
    )
    if not named and (numbers % 1 == 0).all() and (numbers <= n_trials).all():
        if (
            items
            and n_trials.max() < 100
            and (_near_whole(numbers / 100 * n_trials) % 1 != 0).any()
        ):
            return numbers, [f"Whole numbers read as counts (the highest is {numbers.max():g})."]
        counts = f"say columns={{'n_correct': {column!r}}}"
        if not isinstance(column, str):
            names = _selected(column).removeprefix("df[").removesuffix("]")
            counts = (
                "have them in one column: df.melt(df.columns.difference(languages := "
                f"{names}), languages, 'language', 'n_correct')"
            )
        raise DataError(
            "these whole numbers may be counts or per cent.",
            column=_column_of(column, 0),
            hint=f"where they are per cent, divide by 100: {_selected(column)} / 100; where they "
            f"are counts, {counts}.",
        )
    note = f"Accuracies read as per cent (the highest is {numbers.max():g})."
    return _near_whole(numbers / 100 * n_trials), [note]


def read_numbers(cells: pd.Series, column: str, *, blank: bool = False) -> Array:
    """Read a column of numbers (n,); empty cells are an error unless `blank` allows them."""
    numbers = _numbers(_text(cells))
    refuse_cells(
        ~np.isfinite(numbers) & ~(missing_cells(cells) & blank),
        "cells",
        "no number",
        column,
        "write a plain number in every row; leave out rows of what was not run.",
        cells,
    )
    return numbers


def missing_cells(cells: pd.Series) -> Mask:
    """Mask (n,) of cells without a value."""
    return _text(cells).isin(list(MISSING_WORDS)).to_numpy(dtype=bool)


def _text(cells: pd.Series) -> pd.Series[str]:
    """Cells (n,) in small letters without blanks; missing ones as empty text."""
    return cells.astype("str").fillna("").str.strip().str.casefold().reset_index(drop=True)


def _numbers(text: pd.Series[str]) -> Array:
    return pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64)


def _near_whole(values: Array) -> Array:
    whole = np.round(values)
    near = np.abs(values - whole) < 1e-6 * np.maximum(1.0, np.abs(values))
    return np.where(near, whole, values)


def _column_of(column: Columns, position: int) -> str:
    """Column that the cell at a position comes from."""
    return column if isinstance(column, str) else str(column[position])


def _selected(column: Columns) -> str:
    """The columns as pandas selects them: ``df['acc']``, ``df[['en', 'sw']]``."""
    if isinstance(column, str):
        return f"df[{column!r}]"
    return f"df[[{', '.join(map(repr, dict.fromkeys(column.tolist())))}]]"


def refuse_cells(
    faulty: Mask,
    what: str,
    fault: str,
    column: Columns,
    hint: str,
    cells: pd.Series,
    *,
    show: bool = True,
) -> None:
    """One error for faulty cells (n,): how many, and the first, by its index in the frame."""
    if faulty.any():
        count, first = int(faulty.sum()), int(np.argmax(faulty))
        verb, shown = ("is", "") if count == 1 else ("are", " (the first is shown)")
        raise DataError(
            f"{count} of {len(faulty)} {what} {verb} {fault}{shown}.",
            position=int(cells.index[first]),
            column=_column_of(column, first),
            value=str(cells.iloc[first]) if show else None,
            hint=hint,
        )
