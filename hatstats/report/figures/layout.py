"""How every figure is laid out: panels by inches from the top, under them a legend and a note."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path

from hatstats.report.figures.style import FONT, MUTED, OTHER, Look

#: Distance of legend and note from the left edge, in inches.
_MARGIN = 0.1
#: Room for tick and axis labels under panels, in inches.
_UNDER = 0.42
# Panels of a grid, in inches: left of them, between them, above each title, and a title.
_LEFT, _GAP, _TOP, _TITLE = 0.46, 0.1, 0.05, 0.18


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of that size in inches, with an Agg canvas for measuring text."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def add_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes by the distance in inches from the left and from the *top* of the figure."""
    wide, high = figure.get_size_inches()
    return figure.add_axes((left / wide, 1.0 - (top + height) / high, width / wide, height / high))


def panel_grid(
    titles: Sequence[str],
    *,
    labels: tuple[str, str],
    width: float,
    columns: int,
    aspect: float = 1.0,
    most_wide: float = 1.6,
) -> tuple[Figure, list[Axes]]:
    """One panel per title, row by row; only outer panels have tick labels.

    `labels` of the horizontal and the vertical axis are written once. `width` of the figure and
    `most_wide`, the largest width of a panel, are in inches; `aspect` is height over width.
    """
    title = _TITLE if any(titles) else 0.0
    side = min((width - _LEFT - _GAP * columns) / columns, most_wide)
    step = aspect * side + title
    body = _TOP + int(np.ceil(len(titles) / columns)) * step
    figure = new_figure(width, body)
    panels = []
    for index, text in enumerate(titles):
        row, column = divmod(index, columns)
        left, top = _LEFT + column * (side + _GAP), _TOP + title + row * step
        axes = add_axes(figure, left, top, side, aspect * side)
        axes.set_title(shorten(text, int(side * 17)), fontsize=6.5, pad=2.5, loc="left")
        axes.tick_params(labelleft=column == 0, labelbottom=index + columns >= len(titles))
        axes.grid(True)
        panels.append(axes)
    middle = (_LEFT + (columns * (side + _GAP) - _GAP) / 2) / width
    centred: dict[str, Any] = {"fontsize": 7.0, "ha": "center", "va": "center"}
    figure.text(middle, -0.28 / body, labels[0], **centred)
    # A label longer than the panels are high goes on below them, into the room under them.
    down = max(body / 2, text_width(labels[1], 7.0) / 2 + 0.02)
    figure.text(0.09 / width, 1.0 - down / body, labels[1], rotation=90, **centred)
    return figure, panels


def family_handles(looks: Iterable[Look]) -> list[Line2D]:
    """One legend handle per distinct look, in order, other families last."""
    distinct = sorted(dict.fromkeys(looks), key=lambda look: look == OTHER)
    return [Line2D([], [], label=look.label, **look.marks(4.0)) for look in distinct]


def write_under(figure: Figure, handles: Sequence[Line2D], note: str) -> None:
    """Write the legend and a note of any length under the panels, which keep their size.

    The figure is as high as its panels, and grows by what is written and by room for the labels
    of the axes.
    """
    width, body = figure.get_size_inches()
    lines = wrapped(note, width - 2.0 * _MARGIN)
    entry = widest((str(handle.get_label()) for handle in handles), 6.5) + 0.28
    columns = max(1, min(len(handles), int((width - _MARGIN) / entry)))
    legend_top = body + _UNDER
    note_top = legend_top + 0.145 * int(np.ceil(len(handles) / columns)) + 0.05
    height = note_top + 0.11 * len(lines) + 0.04
    figure.set_size_inches(width, height)
    for axes in figure.axes:
        left, bottom, wide, high = axes.get_position().bounds
        axes.set_position((left, 1.0 - (1.0 - bottom) * body / height, wide, high * body / height))
    for text in figure.texts:
        text.set_y(1.0 - (1.0 - text.get_position()[1]) * body / height)
    figure.legend(handles=handles, loc="upper left", ncols=columns, borderaxespad=0.0,
                  bbox_to_anchor=(_MARGIN / width, 1.0 - legend_top / height), borderpad=0.0,
                  handletextpad=0.2, columnspacing=1.0, labelspacing=0.35)  # fmt: skip
    figure.text(_MARGIN / width, 1.0 - note_top / height, "\n".join(lines), fontsize=6.0,
                color=MUTED, va="top", linespacing=1.25, label="_note")  # fmt: skip


def name_rows(axes: Axes, names: Sequence[str], size: float) -> None:
    """Write names at the vertical positions 0, 1, ..., without tick marks or axis line."""
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0, labelsize=size)
    axes.spines["left"].set_visible(False)


def text_width(text: str, size: float) -> float:
    """Width of one line of `text` in inches at `size` points."""
    font = FontProperties(family=FONT, size=size)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]) / 72.0


def widest(names: Iterable[str], size: float) -> float:
    """Width of the widest of some one-line texts in inches at `size` points."""
    return max((text_width(name, size) for name in names), default=0.5)


def wrapped(text: str, width: float) -> list[str]:
    """Break `text` into lines of at most `width` inches at 6 points, between words."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", 6.0) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def shorten(text: str, limit: int = 30) -> str:
    """Cut the middle out of a name longer than `limit` characters, so that both ends stay.

    Of a name with a word in brackets at its end ("(reasoning off)") the word is cut.
    """
    if len(text) <= limit:
        return text
    head = text.rfind("(") + 1 if text.endswith(")") else 0
    tail = limit - 1 - head if 0 < head < limit - 6 else (limit - 1) // 2
    return f"{text[: limit - 1 - tail]}…{text[len(text) - tail :]}"


def name_some(names: list[str], limit: int) -> str:
    """Join at most `limit` names and say how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
