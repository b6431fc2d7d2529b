"""How results are shown, in text and in notebooks: frames with their answer first, p values."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

#: Columns that say what a row is about, and those that hold its answer; the others come after.
_LABELS = ("without", "claim", "name", "model", "benchmark", "language", "item", "term")
_ANSWER = (
    *("verdict", "estimate", "conf_low", "conf_high", "p_claim", "p_value", "p_holm"),
    "std_error",
)
#: Columns of sentences: where a table is too narrow for them they stand whole below it.
_SENTENCES = ("quantity", "reason", "note", "words")
#: Columns that a notebook shows once where they are equal in all rows.
_ONCE = ("reference", "term", "conf_level", "method")
_GAP = "  "
#: Lines from which on blocks of columns below one another show some of their rows only.
_MOST_LINES = 120
#: A first line from so many characters on may be the start of a longer sentence.
_WRAPPED = 60
#: A notebook shows a single row of more columns as a list.
_MOST_ACROSS = 14
#: Columns kept free beside the labels: an estimate with its interval.
_ROOM = 32


def p_text(p_value: float) -> str:
    """A p value as text: three decimals, ``<0.001`` below, never 0; a dash where unknown."""
    if np.isnan(p_value):
        return "–"
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


def p_words(p_value: float) -> str:
    """A p value in a sentence: ``p = 0.012``, ``p < 0.001``."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_text(p_value)}"


class ResultFrame(pd.DataFrame):
    """A DataFrame in every use, whose display leaves no column out.

    A table that is wider than pandas' option ``display.width`` shows the answer in front, goes on
    below with its labels repeated, and names once what is equal in all rows. One row is a list.
    """

    @property
    def _constructor(self) -> type[ResultFrame]:
        return ResultFrame

    def __repr__(self) -> str:
        return frame_text(self)

    def _repr_html_(self) -> str:
        return html_table(self)

    def to_excel(self, excel_writer: Any, **kwargs: Any) -> None:  # type: ignore[misc]  # "final"
        """Write a sheet as pandas does, in which a name that begins with ``=`` is no formula.

        Numbers stay numbers, and what is unknown is an empty cell. Needs openpyxl.
        """
        if not isinstance(excel_writer, pd.ExcelWriter):
            with pd.ExcelWriter(excel_writer, engine="openpyxl") as writer:
                self.to_excel(writer, **kwargs)
            return
        super().to_excel(excel_writer, **kwargs)
        for row in excel_writer.sheets[kwargs.get("sheet_name", "Sheet1")].iter_rows():
            for cell in row:
                if cell.data_type == "f":
                    cell.data_type = "s"
                elif cell.value == "":
                    cell.value = None


def html_table(table: pd.DataFrame, notes: Sequence[str] = ()) -> str:
    """A tidy table for notebooks, without columns that hold no number, and what to beware of."""
    shown = pd.DataFrame(table).replace([np.inf, -np.inf], np.nan).dropna(axis=1, how="all")
    same = [n for n in _ONCE if n in shown and len(shown) > 1 and shown[n].nunique() == 1]
    said = ", ".join(f"{name} {_text(shown[name].iloc[0])}" for name in same)
    texts = {
        name: [
            "–" if pd.isna(value) else f"{value:.0f}" if whole else _text(value, str(name))
            for value in column
        ]
        for name, column in shown.drop(columns=same).items()
        for whole in (_whole(column),)
    }
    cells, headed = pd.DataFrame(texts), True
    if len(cells) == 1 and cells.shape[1] > _MOST_ACROSS:
        # A single row of many columns is a list, as in a terminal.
        cells = pd.DataFrame({"name": list(cells), "value": cells.iloc[0].to_list()})
        cells, headed = cells[cells["value"] != ""], False
    most = pd.get_option("display.max_rows")
    rows = cells.to_html(index=False, header=headed, max_rows=most)
    head = f"<p>In all rows: {html.escape(said)}</p>" if same else ""
    return f"{head}{rows}{html_list(notes)}"


def _whole(column: pd.Series) -> bool:
    """Whether a column of floats holds counts."""
    known = column.dropna()
    return bool(column.dtype == float and (known % 1.0 == 0.0).all() and known.abs().max() > 1.0)


class Printed:
    """A result that shows its summary in a terminal, and its table beside it in a notebook."""

    __slots__ = ()

    def summary(self) -> str:
        """What was found, in lines of at most 80 columns."""
        raise NotImplementedError

    def _html_rows(self) -> pd.DataFrame | None:
        """The table that a notebook shows."""
        tidy = getattr(self, "tidy", None)
        return None if tidy is None else tidy()

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        rows = self._html_rows()
        # Lines of columns are rows of the table; the others are sentences, which must stay.
        title, *lines = self.summary().splitlines()
        if rows is None and any(_GAP in line.strip() for line in lines):
            return f"<pre>{html.escape(self.summary())}</pre>"
        wrapped = len(title) >= _WRAPPED
        while wrapped and lines and title[-1] not in ".:)" and _GAP not in lines[0].strip():
            title += f" {lines.pop(0).strip()}"
        parts: list[list[str]] = [[]]  # paragraphs and lists in turn
        for line in (line for line in lines if _GAP not in line.strip()):
            listed = len(parts) % 2 == 0
            if line.startswith("- "):
                parts += [] if listed else [[]]
                parts[-1].append(line[2:])
            elif listed and line.startswith(" "):
                parts[-1][-1] += f" {line.strip()}"
            else:
                parts += [[]] if listed else []
                parts[-1].append(line.strip())
        page = [f"<p><b>{html.escape(title)}</b></p>", "" if rows is None else html_table(rows)]
        for number, part in enumerate(parts):
            said = html.escape(" ".join(part))
            page.append(html_list(part) if number % 2 else f"<p>{said}</p>" if said else "")
        return "".join(page)


def html_list(notes: Sequence[str]) -> str:
    """Sentences as a list for notebooks; nothing without any."""
    items = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    return f"<ul>{items}</ul>" if items else ""


def frame_text(frame: pd.DataFrame) -> str:
    """A frame as text within the option ``display.width`` (80 columns), with every column."""
    width = pd.get_option("display.width") or 80
    most, least = pd.get_option("display.max_rows"), pd.get_option("display.min_rows")
    if frame.empty:
        return "\n".join(textwrap.wrap(f"No rows; columns: {', '.join(map(str, frame))}", width))
    shown = pd.DataFrame(frame).copy()
    for name, column in frame.items():
        # Numbers that were rounded stay as they are.
        if column.dtype == float and not column.round(4).equals(column):
            shown[name] = [_text(value, str(name)) for value in column]
    plain = shown.to_string(
        max_rows=most, min_rows=least, max_colwidth=pd.get_option("display.max_colwidth")
    )
    if max(map(len, plain.splitlines())) <= width:
        size = f"\n\n[{len(frame)} rows x {frame.shape[1]} columns]"
        return plain + (size if most and len(frame) > most else "")
    if len(frame) == 1:
        return _listed(frame, width)
    return _wrapped(frame, width, min(most or len(frame), len(frame)), least or 10)


def _listed(frame: pd.DataFrame, width: int) -> str:
    """The one row of a frame, a line for each column."""
    widest = max(len(str(name)) for name in frame.columns)
    lines = []
    for name in frame.columns:
        text = _text(frame[name].iloc[0], str(name))
        lines += textwrap.wrap(
            f"{name:<{widest}}{_GAP}{text}", width, subsequent_indent=" " * (widest + len(_GAP))
        )
    return "\n".join(lines)


def _wrapped(frame: pd.DataFrame, width: int, most: int, least: int) -> str:
    """Rows of a wide frame as blocks of columns below one another, labels repeated in each."""
    same = [name for name in frame if name != "estimate" and frame[name].nunique(dropna=False) == 1]
    names = [name for name in frame if name not in same]
    labels = [name for name in names if name in _LABELS] or names[:1]
    if "method" in names and frame.duplicated(labels).any():
        labels.append("method")
    others = [name for name in names if name not in labels]
    others.sort(key=lambda name: _ANSWER.index(name) if name in _ANSWER else len(_ANSWER))
    edge = least // 2 if len(frame) > most else 0
    kept = pd.concat([frame[:edge], frame[-edge:]]) if edge else frame
    if edge and "term" in names and frame["term"].nunique() <= most // 2:
        # Every term is seen, of its first rows.
        kept, edge = frame.groupby("term", sort=False).head(2), 0
    columns = {name: _cells(kept[name], edge) for name in names}
    room = width - _ROOM
    while sum(sizes := [len(columns[name][0]) + len(_GAP) for name in labels]) > room:
        longest = max(range(len(labels)), key=sizes.__getitem__)
        excess = min(sum(sizes) - room, sizes[longest] - 12)
        if excess <= 0:
            break
        columns[labels[longest]] = _cut(columns[labels[longest]], sizes[longest] - 2 - excess)
    front = sum(sizes)
    below = [n for n in others if n in _SENTENCES and len(columns[n][0]) > width - front]
    others = [name for name in others if name not in below]
    blocks: list[list[Hashable]] = []
    used = width
    for name in others:
        columns[name] = _cut(columns[name], width - front)
        size = len(columns[name][0])
        if used + size > width:
            blocks.append([])
            used = front
        blocks[-1].append(name)
        used += size + len(_GAP)
    if len(kept) == len(frame) > 2 * least and len(frame) * len(blocks) > _MOST_LINES:
        return _wrapped(frame, width, len(frame) - 1, least)
    lines = []
    for block in blocks:
        parts = zip(*(columns[name] for name in (*labels, *block)), strict=True)
        lines += [*(_GAP.join(row).rstrip() for row in parts), ""]
    for name in below:
        for label, text in list(zip(columns[labels[0]], columns[name], strict=True))[1:]:
            if text.strip() not in ("", "NaN"):
                said = f"{name} of {label.strip()}: {text.strip()}"
                lines += textwrap.wrap(said, width, subsequent_indent="  ")
    if below:
        lines.append("")
    if same:
        said = ", ".join(f"{name} {_text(frame[name].iloc[0]) or 'empty'}" for name in same)
        lines += textwrap.wrap(f"In all rows: {said}", width)
    part = ", the first 2 of each term" if not edge and len(kept) < len(frame) else ""
    return "\n".join([*lines, f"[{len(frame)} rows x {frame.shape[1]} columns{part}]"])


def _cells(column: pd.Series, edge: int) -> list[str]:
    """Heading and cells of one column as text of one width; a row of dots after `edge` cells."""
    texts = [_text(value, str(column.name)) for value in column]
    cells = [str(column.name), *texts[:edge], *(["…"] if edge else []), *texts[edge:]]
    width = max(map(len, cells))
    right = pd.api.types.is_numeric_dtype(column)
    return [cell.rjust(width) if right else cell.ljust(width) for cell in cells]


def _cut(cells: list[str], width: int) -> list[str]:
    """Cells of at most `width` characters, the end of longer ones left out."""
    if len(cells[0]) <= width:
        return cells
    return [
        f"{cell[: width - 1]}…" if cell[width - 1 :].strip() else cell[:width] for cell in cells
    ]


def _text(value: object, name: str = "") -> str:
    """A value as text: a p value is never 0, a date has no time; exact where it has no `name`."""
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    if not isinstance(value, float) or np.isnan(value):
        return "NaN" if pd.isna(value) else str(value)  # type: ignore[call-overload]
    if "p_value" in name or name in ("p_holm", "p_opposite_holm", "p_adjusted"):
        return p_text(value)
    return _number(value) if name else f"{value:g}"


def large_text(value: float) -> str:
    """A number from a million on in short, 2.7e10 as 27B; empty for another."""
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if 0.9995 * size <= abs(value) < np.inf:
            return f"{value / size:.3g}{letter}"
    return ""


def _number(value: float) -> str:
    """Three decimals, or three digits of a number that is small or large."""
    if short := large_text(value):
        return short
    plain = value == 0.0 or 0.01 <= abs(value) < 1e4
    return f"{value:.3f}" if plain else f"{value:.4g}" if abs(value) >= 1e4 else f"{value:.3g}"
