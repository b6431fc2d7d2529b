"""Tables for papers and pages: tidy frames become grids or HTML; LaTeX is `latex`'s.

A table is first a grid of text (:class:`Table`), whose digits follow from the standard errors;
then it is written in a format, which alone knows how to escape.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from hatstats.report.tables import rounding

Kind = Literal[
    "text", "note", "prose", "value", "interval", "plain", "p", "df", "count", "params", "date",
    "share"
]  # fmt: skip
#: How the numbers are written whose digits do not depend on a standard error.
_WRITERS: dict[str, Callable[[float], str]] = {
    "plain": rounding.plain_text,
    "p": rounding.p_text,
    "df": rounding.df_text,
    "count": rounding.count_text,
    "params": rounding.parameters_text,
    "share": rounding.percent_text,
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: which column of the frame, under which heading, written how.

    An interval has the stem as `name` (`conf` reads `conf_low`, `conf_high`). ``value`` and
    ``interval`` are rounded by the standard errors in the column `error`; the other kinds have
    digits of their own. ``note`` is text that may be empty, ``prose`` sentences that may wrap.
    An `optional` column, behind all others, is shown where there is room.
    """

    name: str
    heading: str
    kind: Kind = "text"
    error: str = "std_error"
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A grid of text, ready to be written in any format.

    By column: whether it is aligned to the right (`numeric`), whether it holds sentences, which
    may wrap (`prose`). Of the columns so many at `least` are shown where room is scarce, all if 0.
    """

    headings: tuple[str, ...]
    numeric: tuple[bool, ...]
    prose: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]
    least: int = 0


def make_table(
    frame: pd.DataFrame, columns: Sequence[Column], *, digits: Literal["column", "row"] = "column"
) -> Table:
    """Write the cells of a frame as text; columns that the frame lacks are left out.

    One number of decimals serves each column (rows in the same units) or, with `digits="row"`,
    each row has its own (rows that are different quantities).
    """
    present = [
        column
        for column in columns
        if (f"{column.name}_low" if column.kind == "interval" else column.name) in frame
    ]
    cells = [_cells(frame, column, digits) for column in present]
    return Table(
        headings=tuple(column.heading for column in present),
        numeric=tuple(column.kind not in ("text", "note", "prose") for column in present),
        prose=tuple(column.kind == "prose" for column in present),
        rows=tuple(zip(*cells, strict=True)) if cells else (),
        least=sum(not each.optional for each in present) if present and present[-1].optional else 0,
    )


def _cells(frame: pd.DataFrame, column: Column, digits: str) -> list[str]:
    """Text of one column."""
    if column.kind in ("text", "note", "prose"):
        empty = rounding.UNKNOWN if column.kind == "text" else ""
        return [empty if pd.isna(value) else str(value) or empty for value in frame[column.name]]
    if column.kind == "date":
        return [rounding.date_text(value) for value in frame[column.name]]
    if column.kind in _WRITERS:
        return [_WRITERS[column.kind](value) for value in frame[column.name].to_numpy(float)]
    errors = frame.get(column.error, pd.Series(math.nan, frame.index)).to_numpy(float)
    common = rounding.column_decimals(errors)
    n_decimals = [
        rounding.decimals(float(error)) if digits == "row" else common for error in errors
    ]
    if column.kind == "value":
        return list(map(rounding.number_text, frame[column.name].to_numpy(float), n_decimals))
    low, high = (frame[f"{column.name}_{end}"].to_numpy(float) for end in ("low", "high"))
    return list(map(interval_text, low, high, n_decimals))


def interval_text(low: float, high: float, n_decimals: int) -> str:
    """Write an interval in square brackets; a dash if both ends are unknown, a word if infinite."""
    if math.isnan(low) and math.isnan(high):
        return rounding.UNKNOWN
    if low == -math.inf and high == math.inf:
        return "unbounded"
    return f"[{rounding.number_text(low, n_decimals)}, {rounding.number_text(high, n_decimals)}]"


def to_html(table: Table) -> str:
    """Write an HTML table with row headers, for the report's style sheet."""
    kinds = [
        "prose" if prose else "number" if numeric else "text"
        for prose, numeric in zip(table.prose, table.numeric, strict=True)
    ]

    def line(cells: Iterable[str], tags: Iterable[str]) -> str:
        parts = [
            f'<{tag} class="{kind}">{html.escape(cell)}</{tag[:2]}>'
            for tag, kind, cell in zip(tags, kinds, cells, strict=True)
        ]
        return f"<tr>{''.join(parts)}</tr>\n"

    head = line(table.headings, ['th scope="col"'] * len(kinds))
    tags = ['th scope="row"', *["td"] * (len(kinds) - 1)]
    body = "".join(line(row, tags) for row in table.rows)
    return f"<table><thead>{head}</thead>\n<tbody>\n{body}</tbody></table>"
