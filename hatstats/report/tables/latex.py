"""LaTeX of tables: how wide their columns are, and how their cells are escaped."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from hatstats.report.tables.text_table import Table

# Width of a line of the article class and of a narrow column (ACL), height of what fits a page
# beside the head of a table, and of a line of a caption with its characters, in points.
_LINE, _COLUMN, _PAGE, _CAPTION, _CAPTION_CHARACTERS = 345.0, 219.0, 430.0, 12.0, 75
# Sizes of type: LaTeX command, width of a character, space beside a column and height of a line in
# points, and the smallest number of characters on a line of a text that is not a sentence.
_TYPE = (
    ("", 5.0, 6.0, 12.0, 99),
    (r"\small", 4.6, 5.0, 11.0, 99),
    (r"\footnotesize", 4.25, 4.0, 9.5, 16),
    (r"\footnotesize", 4.25, 2.5, 9.5, 18),
    (r"\scriptsize", 4.0, 2.5, 8.0, 13),
)
_BREAK = r"/\allowbreak{}"
# The p of tests, a symbol; not a letter of a name.
_P = re.compile(
    r"(?<![\w.-])p"
    r"(?=(?: of the opposite)? (?:=|\\textless\{\}) ?\d| values?\b| is\b| \((?:all|Holm)\))"
)
_NUMBER = re.compile(r"(−?)(\d+)(?:\.(\d+))?")
# A caption above a table, between whose lines and the table article leaves no space.
_SKIPS = r"  \setlength{\abovecaptionskip}{4pt}\setlength{\belowcaptionskip}{4pt}"
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
    written = re.sub(r"(?<=\d) (?=\\%)", r"\\,", one_line(text).translate(_SIGNS))
    return _P.sub("$p$", written)


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
    return max(
        (len(word) for text in texts for word in re.split(r"\s|(?<=\w-)|(?<=/)", text)), default=1
    )


def _layout(table: Table, line: float) -> _Layout | None:
    """The largest type in which a table fits a line of so many points, None if none does."""
    columns = [[row[index] for row in table.rows] for index in range(len(table.headings))]
    cells = np.array([max(map(_length, column), default=1) for column in columns])
    longest = np.array([_longest_word(column) for column in columns])
    heading_words = np.array([_longest_word([heading]) for heading in table.headings])
    wanted = np.maximum(cells, [len(heading) for heading in table.headings])
    prose, text = np.array(table.prose, bool), ~np.array(table.numeric, bool)
    for command, character, space, height, short in _TYPE:  # noqa: B007
        room = (line - 2.0 * space * (len(columns) - 1)) / character
        unwrapped = np.where(prose, _SENTENCE, np.where(text, np.maximum(longest, short), cells))
        widths = np.maximum(np.minimum(cells, unwrapped), heading_words)
        spare, more = room - widths.sum(), wanted - widths
        if spare >= 0.0:
            break
    else:
        return None
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
        return "$p$" if text == "p" else escape_latex(text)
    return rf"\shortstack[{letter}]{{{r' \\ '.join(map(escape_latex, lines))}}}"


def _length(text: str) -> int:
    """Width of a text in digits: capitals and a minus sign are wider, narrow letters narrower."""
    wide = sum(sign.isupper() or sign in "−mw–" for sign in text)
    return math.ceil(len(text) + 0.4 * wide - 0.35 * sum(text.count(sign) for sign in "ijl.,[]()"))


def _parts(table: Table, line: float) -> Iterator[tuple[Table, _Layout]]:
    """A table that fits the line, or several with some of its columns each and the first in all."""
    groups = _groups(table, line, list(range(1, len(table.headings))))
    if len(groups) > 1:
        # As many columns in each part, where that fits: no part of one column alone.
        even = np.array_split(np.arange(1, len(table.headings)), len(groups))
        if all(_layout(_columns(table, [0, *part]), line) is not None for part in even):
            groups = [part.tolist() for part in even]
    for group in groups or ([[]] if table.headings else []):
        part = _columns(table, [0, *group])
        layout = _layout(part, line)
        # One column beside the first that is too wide overhangs: digits are not broken.
        while layout is None:
            line *= 2.0
            layout = _layout(part, line)
        yield part, layout


def _groups(table: Table, line: float, chosen: list[int]) -> list[list[int]]:
    """Columns in their order, as many together as fit the line beside the first."""
    groups: list[list[int]] = []
    for index in chosen:
        if groups and _layout(_columns(table, [0, *groups[-1], index]), line) is not None:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def _columns(table: Table, chosen: list[int]) -> Table:
    """Some columns of a table."""
    return Table(
        tuple(table.headings[index] for index in chosen),
        tuple(table.numeric[index] for index in chosen),
        tuple(table.prose[index] for index in chosen),
        tuple(tuple(row[index] for index in chosen) for row in table.rows),
    )


def _pages(table: Table, layout: _Layout, room: float) -> Iterator[tuple[list[list[str]], float]]:
    """The rows of a table, as many at a time as fit a page with `room` in points, and their height.

    A head and rules take the height of three lines.
    """
    page: list[list[str]] = []
    filled = 3
    for row in table.rows:
        cells = zip(row, layout.characters, layout.points, strict=True)
        lines = max(
            (len(textwrap.wrap(text, wide)) for text, wide, points in cells if points), default=1
        )
        if page and (filled + lines) * layout.height > room:
            yield page, filled * layout.height
            page, filled = [], 3
        page.append(list(row))
        filled += max(lines, 1)
    yield page, filled * layout.height


def _figures(texts: Iterable[str]) -> tuple[bool, int, int]:
    """Of the plain numbers among some texts: a minus sign, digits before and after the point."""
    found = [match for text in texts if (match := _NUMBER.fullmatch(text))]
    before = max((len(match[2]) for match in found), default=0)
    after = max((len(match[3] or "") for match in found), default=0)
    return any(match[1] for match in found), before, after


def _alignments(table: Table, layout: _Layout) -> list[str]:
    """A letter of ``tabular`` for each column; numbers are aligned at the point by siunitx."""
    letters = []
    for index, (numeric, points) in enumerate(zip(table.numeric, layout.points, strict=True)):
        minus, before, after = _figures(row[index] for row in table.rows)
        if numeric and before:
            form = f"{'-' if minus else ''}{before}{f'.{after}' if after else ''}"
            letters.append(f"S[table-format={form}]")
        elif points is not None:
            letters.append(f"p{{{points:.0f}pt}}")
        else:
            letters.append("r" if numeric else "l")
    return letters


def _tabular(table: Table, layout: _Layout, page: list[list[str]]) -> list[str]:
    """Lines of the ``tabular`` of some rows of a table."""
    letters = _alignments(table, layout)
    # What \raggedright makes of \\ in the last cell is no end of a row.
    end = r"\tabularnewline" if any(layout.points[-1:]) else r"\\"

    def line(cells: Iterable[str]) -> str:
        # An opening bracket after \\ would be read as its optional argument.
        text = " & ".join(cells)
        return f"    {'{}' if text.startswith('[') else ''}{text} {end}"

    def cell(text: str, letter: str) -> str:
        if letter[0] == "S":
            # What is no number stands in braces, which siunitx leaves alone.
            plain = _NUMBER.fullmatch(text)
            return text.replace("−", "-") if plain else f"{{{escape_latex(text)}}}"
        written = escape_latex(text)
        # Long identifiers may be broken where their parts end.
        return rf"\raggedright {written.replace('/', _BREAK)}" if letter[0] == "p" else written

    def heading(text: str, characters: int, letter: str) -> str:
        written = _heading(text, characters, "r" if letter[0] in "Sr" else "l")
        return f"{{{written}}}" if letter[0] == "S" else written

    heads = map(heading, table.headings, layout.characters, letters)
    rows = [line(map(cell, row, letters)) for row in page]
    begin = rf"  \begin{{tabular}}{{@{{}}{''.join(letters)}@{{}}}}"
    smaller = rf"  {layout.command}\setlength{{\tabcolsep}}{{{layout.space:g}pt}}"
    body = [begin, r"    \toprule", line(heads), r"    \midrule", *rows, r"    \bottomrule"]
    return [*([smaller] if layout.command else []), *body, r"  \end{tabular}"]


def to_latex(
    table: Table, *, caption: str, label: str, note: str = "", narrow: bool = False
) -> str:
    r"""Write a booktabs table that floats, as several where its rows do not fit a page.

    Type shrinks, down to ``\scriptsize``, and texts wrap where the line of an article is too
    short; columns that still have no room go on in a second table below, with the first column
    repeated. In a document of two columns the table spans both, a `narrow` one stands in one.
    Caption, and the note below the table, are plain text and are escaped; the label loses what no
    label may have. Needs ``\usepackage{booktabs,siunitx}``.
    """
    room = _PAGE - _CAPTION * len(caption) / _CAPTION_CHARACTERS
    room -= _CAPTION * len(note) / _CAPTION_CHARACTERS
    blocks = [
        (_tabular(part, layout, page), height)
        for part, layout in _parts(table, _COLUMN if narrow else _LINE)
        for page, height in _pages(part, layout, room)
    ] or [([r"  \begin{tabular}{}", r"  \end{tabular}"], 0.0)]
    floats: list[list[str]] = []
    filled = room
    for block, height in blocks:
        if not floats or filled + height > room:
            floats.append([])
            filled = 0.0
        # A size of type ends with its block.
        gap = [r"  \par\medskip"] if floats[-1] else []
        floats[-1] += [*gap, r"  \begingroup", *block, r"  \endgroup"]
        filled += height
    kind = "table" if narrow else "table*"
    title = rf"\caption{{{escape_latex(caption)}}}\label{{{latex_label(label)}}}"
    written = rf"\parbox{{\linewidth}}{{\footnotesize {escape_latex(note)}}}"
    below = [rf"  \par\smallskip{written}"] if note else []
    lines = []
    for number, block in enumerate(floats, 1):
        last = below if number == len(floats) else []
        lines += [rf"\begin{{{kind}}}", r"  \centering", _SKIPS, f"  {title}", *block, *last]
        lines.append(rf"\end{{{kind}}}")
        title = rf"Table~\ref{{{latex_label(label)}}}, continued\par\smallskip"
    return "\n".join(lines) + "\n"
