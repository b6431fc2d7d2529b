"""LaTeX of tables: how wide their columns are, and how their cells are escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hatstats.report.tables.text_table import Table

#: A table with more rows than this is broken over pages.
LONG = 45
# Width of a line of the article class, in points.
_LINE = 345.0
# Sizes of type: LaTeX command, width of a character and space beside a column in points, and the
# smallest number of characters on a line of a text that is not a sentence.
_TYPE = (
    ("", 5.0, 6.0, 99),
    (r"\small", 4.6, 5.0, 99),
    (r"\footnotesize", 4.25, 4.0, 16),
    (r"\scriptsize", 4.0, 2.5, 1),
)
# Sentences keep at least this many characters on a line.
_SENTENCE = 24

_SIGNS = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "−": "$-$",
    "∞": r"$\infty$",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
    "×": r"$\times$",
    "±": r"$\pm$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "→": r"$\to$",
    "·": r"$\cdot$",
    "²": r"$^2$",
    "β": r"$\beta$",
    "γ": r"$\gamma$",
    "κ": r"$\kappa$",
    "τ": r"$\tau$",
    "ρ": r"$\rho$",
}


def escape_latex(text: str) -> str:
    """Make a text safe for LaTeX: every special character prints as itself."""
    return "".join(_SIGNS.get(character, character) for character in text)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Type and widths of a table.

    Attributes
    ----------
    command : str
        For the size of the type, empty for that of the text.
    space : float
        On either side of a column, in points.
    characters : tuple of int
        How many a line of each column holds.
    points : tuple of float or None
        Widths of the columns whose cells wrap, None for the others.
    """

    command: str
    space: float
    characters: tuple[int, ...]
    points: tuple[float | None, ...]


def _longest_word(texts: Sequence[str]) -> int:
    """Longest part of some texts that TeX does not break; it breaks after hyphens too."""
    words = [word for text in texts for word in re.split(r"\s|(?<=\w-)", text)]
    return max(map(len, words), default=1)


def _layout(table: Table) -> _Layout:
    """The largest type in which a table fits the line; the smallest one if none does."""
    columns = [[row[index] for row in table.rows] for index in range(len(table.headings))]
    cells = np.array([max(map(len, column), default=1) for column in columns])
    words = np.array([_longest_word(column) for column in columns])
    headings = np.array([len(heading) for heading in table.headings])
    heading_words = np.array([_longest_word([heading]) for heading in table.headings])
    wanted = np.maximum(cells, headings)
    prose, text = np.array(table.prose, bool), ~np.array(table.numeric, bool)
    for size in _TYPE:
        command, character, space, short = size
        room = (_LINE - 2.0 * space * len(columns)) / character
        unwrapped = np.where(prose, _SENTENCE, np.where(text, np.maximum(words, short), cells))
        least = np.maximum(np.minimum(cells, unwrapped), heading_words)
        spare, more = room - least.sum(), wanted - least
        if spare >= 0.0:
            break
    # Columns share the spare room equally; what one does not need goes to the others.
    widths = least.copy()
    for number, index in enumerate(np.argsort(more)):
        extra = min(more[index], int(max(spare, 0.0) / (len(columns) - number)))
        widths[index] += extra
        spare -= extra
    wrap = text & (widths < cells)
    return _Layout(
        command,
        space,
        tuple(widths.tolist()),
        tuple(character * n if wraps else None for n, wraps in zip(widths, wrap, strict=True)),
    )


def _heading(text: str, characters: int, letter: str) -> str:
    """A heading, broken between words where it is wider than its column."""
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= characters:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    if len(lines) < 2:
        return escape_latex(text)
    return rf"\shortstack[{letter}]{{{r' \\ '.join(map(escape_latex, lines))}}}"


def to_latex(table: Table, *, caption: str, label: str) -> str:
    r"""Write a booktabs table: floating, or broken over pages where it has very many rows.

    Type shrinks, down to ``\scriptsize``, and texts wrap where the line of an article is too
    short. What is still too wide overhangs, for a column of digits is not broken.

    Parameters
    ----------
    table : Table
    caption, label : str
        The caption is plain text and is escaped; the label is used as it is.

    Returns
    -------
    str
        Needs ``\usepackage{booktabs}``, and ``\usepackage{longtable}`` beyond ``LONG`` rows.
    """
    layout = _layout(table)
    letters = ["r" if numeric else "l" for numeric in table.numeric]
    alignment = "".join(
        letter if points is None else f"p{{{points:.0f}pt}}"
        for letter, points in zip(letters, layout.points, strict=True)
    )

    # What \raggedright makes of \\ in the last cell is no end of a row.
    end = r"\tabularnewline" if any(layout.points[-1:]) else r"\\"

    def line(cells: Sequence[str]) -> str:
        # An opening bracket after \\ would be read as its optional argument.
        text = " & ".join(cells)
        return f"    {'{}' if text.startswith('[') else ''}{text} {end}"

    def cell(text: str, points: float | None) -> str:
        return ("" if points is None else r"\raggedright ") + escape_latex(text)

    headings = map(_heading, table.headings, layout.characters, letters)
    head = [r"    \toprule", line(list(headings)), r"    \midrule"]
    rows = [line(list(map(cell, row, layout.points))) for row in table.rows]
    title = rf"\caption{{{escape_latex(caption)}}}\label{{{label}}}"
    smaller = rf"  {layout.command}\setlength{{\tabcolsep}}{{{layout.space:g}pt}}"
    size = [smaller] if layout.command else []
    if len(rows) > LONG:
        lines = [
            rf"\begin{{longtable}}{{{alignment}}}",
            rf"    {title}\\",
            *head,
            r"    \endfirsthead",
            *head,
            r"    \endhead",
            r"    \bottomrule",
            r"    \endlastfoot",
            *rows,
            r"\end{longtable}",
        ]
        if size:
            # In a group of its own, with which its type ends.
            lines = ["{", *size, *lines, "}"]
    else:
        lines = [
            r"\begin{table}",
            r"  \centering",
            f"  {title}",
            *size,
            rf"  \begin{{tabular}}{{{alignment}}}",
            *head,
            *rows,
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
        ]
    return "\n".join(lines) + "\n"
