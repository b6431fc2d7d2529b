"""What stands under a figure: the legend of families, and the note of what is left out."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from hatstats.report.figures.style import (
    MUTED,
    Look,
    house_style,
    legend_handles,
    new_figure,
    text_width,
)


def legend_under(figure: Figure, looks: list[Look], top: float, left: float) -> None:
    """Write the legend of families, its upper edge `top` inches below the top of the figure."""
    wide, high = figure.get_size_inches()
    handles = legend_handles(looks)
    widest = max((text_width(figure, str(h.get_label()), 6.5) for h in handles), default=0.5)
    columns = max(1, min(len(handles), int((wide - left) / (widest + 0.28))))
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(left / wide, 1.0 - top / high),
        ncols=columns,
        borderaxespad=0.0,
        borderpad=0.0,
        handletextpad=0.2,
        columnspacing=1.0,
        labelspacing=0.35,
    )


def legend_height(figure_width: float, looks: list[Look], left: float) -> float:
    """Height in inches that :func:`legend_under` will take."""
    handles = legend_handles(looks)
    probe = new_figure(figure_width, 1.0)
    widest = max((text_width(probe, str(h.get_label()), 6.5) for h in handles), default=0.5)
    columns = max(1, min(len(handles), int((figure_width - left) / (widest + 0.28))))
    return 0.145 * int(np.ceil(len(handles) / columns))


def wrapped(text: str, width: float, size: float = 6.0) -> list[str]:
    """Break `text` into lines of at most `width` inches at `size` points, between words."""
    probe = new_figure(1.0, 1.0)
    with house_style():
        artist = probe.text(0, 0, "", fontsize=size)
        lines: list[str] = []
        for word in text.split():
            longer = f"{lines[-1]} {word}" if lines else word
            artist.set_text(longer)
            if lines and artist.get_window_extent().width / probe.dpi > width:
                lines.append(word)
            elif lines:
                lines[-1] = longer
            else:
                lines.append(word)
    return lines


def note_under(figure: Figure, lines: list[str], top: float, left: float) -> None:
    """Write a note, its upper edge `top` inches below the top of the figure."""
    wide, high = figure.get_size_inches()
    if lines:
        figure.text(
            left / wide,
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
