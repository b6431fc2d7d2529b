"""LaTeX of tables: how wide their columns are, and how their cells are escaped."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from hatstats.report.tables.text_table import Table

# Width of a line of the article class, height of what fits its page beside the head of a table, and
# of a line of a caption with its characters, in points.
_LINE, _PAGE, _CAPTION, _CAPTION_CHARACTERS = 345.0, 430.0, 12.0, 75
# Sizes of type: LaTeX command, width of a character, space beside a column and height of a line in
# points, and the smallest number of characters on a line of a text that is not a sentence.
_TYPE = (
    ("", 5.0, 6.0, 12.0, 99),
    (r"\small", 4.6, 5.0, 11.0, 99),
    (r"\footnotesize", 4.25, 4.0, 9.5, 16),
    (r"\scriptsize", 4.0, 2.5, 8.0, 1),
)
# Sentences keep at least this many characters on a line.
_SENTENCE = 24

_MATHS = (("∞", "infty"), ("×", "times"), ("±", "pm"), ("≤", "le"), ("≥", "ge"), ("→", "to"),
          ("·", "cdot"), ("β", "beta"), ("γ", "gamma"), ("κ", "kappa"), ("τ", "tau"),
          ("ρ", "rho"))  # fmt: skip
_SIGNS = str.maketrans(
    {sign: rf"\{sign}" for sign in "&%$#_{}"}
    | {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "–": "--",
        "—": "---",
        "…": r"\dots{}",
        "−": "$-$",
        "²": "$^2$",
    }
    | {sign: rf"$\{name}$" for sign, name in _MATHS}
)


def escape_latex(text: str) -> str:
    """Make a text safe for LaTeX: every special character prints as itself, on one line."""
    return one_line(text).translate(_SIGNS)


def one_line(text: str) -> str:
    """A text without line ends and control characters, which no cell or comment survives."""
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", text)


def latex_label(text: str) -> str:
    """A text as the name of a label: letters, digits, colons, points, underscores and hyphens."""
    return re.sub(r"[^A-Za-z0-9:._]+", "-", text)


class _Layout(NamedTuple):
    """Type and widths of a table.

    `command` sets the size of the type (empty for that of the text), `space` in points is on
    either side of a column, `height` is that of a line, `characters` fit a line of each column, and
    `points` are the widths of the columns whose cells wrap, None for the others.
    """

    command: str
    space: float
    height: float
    characters: list[int]
    points: list[float | None]


def _longest_word(texts: Iterable[str]) -> int:
    """Longest part of some texts that TeX does not break; it breaks after hyphens too."""
    return max((len(word) for text in texts for word in re.split(r"\s|(?<=\w-)", text)), default=1)


def _layout(table: Table) -> _Layout:
    """The largest type in which a table fits the line; the smallest one if none does."""
    columns = [[row[index] for row in table.rows] for index in range(len(table.headings))]
    cells = np.array([max(map(len, column), default=1) for column in columns])
    longest = np.array([_longest_word(column) for column in columns])
    heading_words = np.array([_longest_word([heading]) for heading in table.headings])
    wanted = np.maximum(cells, [len(heading) for heading in table.headings])
    prose, text = np.array(table.prose, bool), ~np.array(table.numeric, bool)
    for command, character, space, height, short in _TYPE:  # noqa: B007
        room = (_LINE - 2.0 * space * len(columns)) / character
        unwrapped = np.where(prose, _SENTENCE, np.where(text, np.maximum(longest, short), cells))
        widths = np.maximum(np.minimum(cells, unwrapped), heading_words)
        spare, more = room - widths.sum(), wanted - widths
        if spare >= 0.0:
            break
    # Columns share the spare room equally; what one does not need goes to the others.
    for number, index in enumerate(np.argsort(more)):
        extra = min(more[index], int(max(spare, 0.0) / (len(columns) - number)))
        widths[index] += extra
        spare -= extra
    points = [
        character * width if wraps else None
        for width, wraps in zip(widths.tolist(), text & (widths < cells), strict=True)
    ]
    return _Layout(command, space, height, widths.tolist(), points)


def _heading(text: str, characters: int, letter: str) -> str:
    """A heading, broken between words where it is wider than its column."""
    lines = textwrap.wrap(text, characters, break_long_words=False, break_on_hyphens=False)
    if len(lines) < 2:
        return escape_latex(text)
    return rf"\shortstack[{letter}]{{{r' \\ '.join(map(escape_latex, lines))}}}"


def _pages(table: Table, layout: _Layout, room: float) -> Iterator[list[list[str]]]:
    """The rows of a table, as many at a time as fit a page with `room` in points."""
    page: list[list[str]] = []
    filled = 0
    for row in table.rows:
        cells = zip(row, layout.characters, layout.points, strict=True)
        lines = max(
            (len(textwrap.wrap(text, wide)) for text, wide, points in cells if points), default=1
        )
        if page and (filled + lines) * layout.height > room:
            yield page
            page, filled = [], 0
        page.append(list(row))
        filled += max(lines, 1)
    yield page


def to_latex(table: Table, *, caption: str, label: str) -> str:
    r"""Write a booktabs table that floats, as several where its rows do not fit a page.

    Type shrinks, down to ``\scriptsize``, and texts wrap where the line of an article is too
    short. What is still too wide overhangs, for a column of digits is not broken. In a document of
    two columns the table spans both. The caption is plain text and is escaped; the label loses what
    no label may have. Needs ``\usepackage{booktabs}``.
    """
    layout = _layout(table)
    letters = ["r" if numeric else "l" for numeric in table.numeric]
    alignment = "".join(
        letter if points is None else f"p{{{points:.0f}pt}}"
        for letter, points in zip(letters, layout.points, strict=True)
    )
    # What \raggedright makes of \\ in the last cell is no end of a row.
    end = r"\tabularnewline" if any(layout.points[-1:]) else r"\\"

    def line(cells: Iterable[str]) -> str:
        # An opening bracket after \\ would be read as its optional argument.
        text = " & ".join(cells)
        return f"    {'{}' if text.startswith('[') else ''}{text} {end}"

    def cell(text: str, points: float | None) -> str:
        return ("" if points is None else r"\raggedright ") + escape_latex(text)

    headings = map(_heading, table.headings, layout.characters, letters)
    head = [r"    \toprule", line(headings), r"    \midrule"]
    title = rf"\caption{{{escape_latex(caption)}}}\label{{{latex_label(label)}}}"
    smaller = rf"  {layout.command}\setlength{{\tabcolsep}}{{{layout.space:g}pt}}"
    size = [smaller] if layout.command else []
    lines = []
    room = _PAGE - _CAPTION * len(caption) / _CAPTION_CHARACTERS
    for page in _pages(table, layout, room):
        rows = [line(map(cell, row, layout.points)) for row in page]
        body = [rf"  \begin{{tabular}}{{{alignment}}}", *head, *rows, r"    \bottomrule"]
        lines += [r"\begin{table*}", r"  \centering", f"  {title}", *size, *body]
        lines += [r"  \end{tabular}", r"\end{table*}"]
        title = rf"Table~\ref{{{latex_label(label)}}}, continued\par\smallskip"
    return "\n".join(lines) + "\n"
