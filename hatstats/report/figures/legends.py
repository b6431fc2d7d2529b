"""Under a figure: the legend, and a note that says how to read the figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hatstats.report.figures.style import MUTED, OTHER, Look, house_style, new_figure, widest

#: Distance of legend and note from the left edge, in inches.
_LEFT = 0.1


def family_handles(looks: Iterable[Look]) -> list[Line2D]:
    """One handle per distinct family, in order, other families last."""
    distinct = {look.label: look for look in looks}
    ordered = sorted(distinct.values(), key=lambda look: look.label == OTHER)
    return [
        Line2D([], [], color=look.colour, marker=look.marker, linestyle="", markersize=4,
               label=look.label)
        for look in ordered
    ]  # fmt: skip


def _columns(handles: Sequence[Line2D], width: float) -> int:
    """Number of columns of a legend in a figure of that width in inches."""
    entry = widest((str(handle.get_label()) for handle in handles), 6.5) + 0.28
    return max(1, min(len(handles), int((width - _LEFT) / entry)))


def legend_height(handles: Sequence[Line2D], width: float) -> float:
    """Height in inches that :func:`legend_under` takes in a figure of that width."""
    return 0.145 * int(np.ceil(len(handles) / _columns(handles, width)))


def legend_under(figure: Figure, handles: Sequence[Line2D], top: float) -> None:
    """Write a legend, its upper edge `top` inches below the top of the figure."""
    wide, high = figure.get_size_inches()
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(_LEFT / wide, 1.0 - top / high),
        ncols=_columns(handles, wide),
        borderaxespad=0.0,
        borderpad=0.0,
        handletextpad=0.2,
        columnspacing=1.0,
        labelspacing=0.35,
    )


def wrapped(text: str, width: float, size: float = 6.0) -> list[str]:
    """Break `text` into lines of at most `width` inches at `size` points, between words."""
    figure = new_figure(1.0, 1.0)
    with house_style():
        artist = figure.text(0, 0, "", fontsize=size)
        lines: list[str] = []
        for word in text.split():
            longer = f"{lines[-1]} {word}" if lines else word
            artist.set_text(longer)
            if lines and artist.get_window_extent().width / figure.dpi <= width:
                lines[-1] = longer
            else:
                lines.append(word)
    return lines


def note_under(figure: Figure, lines: list[str], top: float) -> None:
    """Write a note, its upper edge `top` inches below the top of the figure."""
    wide, high = figure.get_size_inches()
    if lines:
        figure.text(
            _LEFT / wide,
            1.0 - top / high,
            "\n".join(lines),
            fontsize=6.0,
            color=MUTED,
            va="top",
            linespacing=1.25,
            label="_note",
        )


def note_height(lines: list[str]) -> float:
    """Height in inches of a note of so many lines."""
    return 0.11 * len(lines)
