"""Tables for papers and pages: tidy frames become text or HTML; LaTeX is `latex`'s.

A table is first a grid of text (:class:`Table`), whose digits follow from the standard errors;
then it is written in a format, which alone knows how to escape.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from hatstats.report.tables.rounding import (
    UNKNOWN,
    column_decimals,
    count_text,
    date_text,
    decimals,
    df_text,
    number_text,
    p_text,
    parameters_text,
    percent_text,
    plain_text,
)

Kind = Literal[
    "text",
    "note",
    "prose",
    "value",
    "interval",
    "plain",
    "p",
    "df",
    "count",
    "params",
    "date",
    "share",
]

_WRITERS: dict[str, Callable[[float], str]] = {
    "plain": plain_text,
    "p": p_text,
    "df": df_text,
    "count": count_text,
    "params": parameters_text,
    "share": percent_text,
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: which column of the frame, under which heading, written how.

    Parameters
    ----------
    name : str
        Column of the frame; for an interval the stem (`conf` reads `conf_low`, `conf_high`).
    heading : str
    kind : str
        ``value`` and ``interval`` are rounded by `error`; the other kinds have digits of their
        own. ``note`` is text that may be empty, ``prose`` sentences that may wrap besides.
    error : str
        Column with the standard error that sets the digits.
    """

    name: str
    heading: str
    kind: Kind = "text"
    error: str = "std_error"


@dataclass(frozen=True, slots=True)
class Table:
    """A grid of text, ready to be written in any format.

    Attributes
    ----------
    headings : tuple of str
    numeric : tuple of bool
        Whether a column is aligned to the right.
    prose : tuple of bool
        Whether a column holds sentences, which may wrap.
    rows : tuple of tuple of str
    """

    headings: tuple[str, ...]
    numeric: tuple[bool, ...]
    prose: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]


def make_table(
    frame: pd.DataFrame, columns: Sequence[Column], *, digits: Literal["column", "row"] = "column"
) -> Table:
    """Write the cells of a frame as text.

    Parameters
    ----------
    frame : DataFrame
    columns : sequence of Column
        Columns that the frame lacks are left out.
    digits : {"column", "row"}
        Whether one number of decimals serves the column (rows in the same units) or each row
        has its own (rows that are different quantities).

    Returns
    -------
    Table
    """
    present = [column for column in columns if _source(column) in frame.columns]
    cells = [_cells(frame, column, digits) for column in present]
    return Table(
        headings=tuple(column.heading for column in present),
        numeric=tuple(column.kind not in ("text", "note", "prose") for column in present),
        prose=tuple(column.kind == "prose" for column in present),
        rows=tuple(zip(*cells, strict=True)) if cells else (),
    )


def _source(column: Column) -> str:
    """Name of the (first) frame column that a table column reads."""
    return f"{column.name}_low" if column.kind == "interval" else column.name


def _cells(frame: pd.DataFrame, column: Column, digits: str) -> list[str]:
    """Text of one column."""
    if column.kind == "text":
        return [
            UNKNOWN if pd.isna(value) or value == "" else str(value) for value in frame[column.name]
        ]
    if column.kind in ("note", "prose"):
        return ["" if pd.isna(value) else str(value) for value in frame[column.name]]
    if column.kind == "date":
        return [date_text(value) for value in frame[column.name]]
    if column.kind in _WRITERS:
        write = _WRITERS[column.kind]
        return [write(float(value)) for value in frame[column.name].to_numpy(float)]
    if column.error in frame.columns:
        errors = frame[column.error].to_numpy(float)
        common = column_decimals(errors)
        n_decimals = [decimals(error) if digits == "row" else common for error in errors]
    else:
        n_decimals = [column_decimals([])] * len(frame)
    if column.kind == "value":
        values = frame[column.name].to_numpy(float)
        return [number_text(value, n) for value, n in zip(values, n_decimals, strict=True)]
    low, high = (frame[f"{column.name}_{end}"].to_numpy(float) for end in ("low", "high"))
    return [interval_text(a, b, n) for a, b, n in zip(low, high, n_decimals, strict=True)]


def interval_text(low: float, high: float, n_decimals: int) -> str:
    """Write an interval in square brackets; a dash if both ends are unknown."""
    if math.isnan(low) and math.isnan(high):
        return UNKNOWN
    return f"[{number_text(low, n_decimals)}, {number_text(high, n_decimals)}]"


def to_text(table: Table, *, width: int = 80) -> str:
    """Write plain text of at most `width` columns; a first column that is too wide is cut."""
    rows = [table.headings, *table.rows]
    if not table.headings:
        return ""
    sizes = [max(len(row[index]) for row in rows) for index in range(len(table.headings))]
    sizes[0] = max(min(sizes[0], width - sum(sizes[1:]) - 2 * (len(sizes) - 1)), 8)
    lines = []
    for row in rows:
        first = row[0] if len(row[0]) <= sizes[0] else f"{row[0][: sizes[0] - 1]}…"
        cells = [first.ljust(sizes[0])]
        for cell, size, numeric in zip(row[1:], sizes[1:], table.numeric[1:], strict=True):
            cells.append(cell.rjust(size) if numeric else cell.ljust(size))
        lines.append("  ".join(cells).rstrip()[:width])
    return "\n".join(lines) + "\n"


def to_html(table: Table) -> str:
    """Write an HTML table with row headers, for the report's style sheet."""
    classes = [
        "prose" if prose else "number" if numeric else "text"
        for prose, numeric in zip(table.prose, table.numeric, strict=True)
    ]
    lines = ["<table><thead><tr>"]
    for kind, text in zip(classes, table.headings, strict=True):
        lines.append(f'<th scope="col" class="{kind}">{html.escape(text)}</th>')
    lines.append("</tr></thead>\n<tbody>")
    for row in table.rows:
        cells = [
            f'<td class="{kind}">{html.escape(text)}</td>'
            for kind, text in zip(classes, row, strict=True)
        ]
        cells[0] = f'<th scope="row" class="{classes[0]}">{html.escape(row[0])}</th>'
        lines.append(f"\n<tr>{''.join(cells)}</tr>")
    return "".join([*lines, "\n</tbody></table>"])
