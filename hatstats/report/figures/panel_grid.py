"""A figure of equal panels with common axis labels, a note, and room for a legend."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hatstats.report.figures.legends import note_height, note_under, wrapped
from hatstats.report.figures.style import add_axes, new_figure, shorten

# Inches: left of the panels, between them, above each title, and under the last row.
_LEFT, _GAP, _TOP, _UNDER = 0.46, 0.1, 0.05, 0.42
_TITLE = 0.18


@dataclass(frozen=True, slots=True)
class PanelGrid:
    """A figure of equal panels.

    Attributes
    ----------
    figure : Figure
    axes : tuple of Axes
        Row by row.
    legend_top : float
        Upper edge of the legend, in inches below the top of the figure.
    """

    figure: Figure
    axes: tuple[Axes, ...]
    legend_top: float


def panel_grid(
    titles: list[str],
    *,
    labels: tuple[str, str],
    note: str,
    width: float,
    columns: int,
    legend: float = 0.0,
    aspect: float = 1.0,
    most_wide: float = 1.6,
) -> PanelGrid:
    """Lay out one panel per title; only outer panels have tick labels.

    Parameters
    ----------
    titles : list of str
        A single panel without a title has an empty one.
    labels : tuple of str
        Of the horizontal and the vertical axis, written once.
    note : str
        Written under the legend.
    width : float
        Of the figure, in inches.
    columns : int
        Number of panels in a row.
    legend : float
        Height of the legend that the caller adds, in inches.
    aspect : float
        Height of a panel over its width.
    most_wide : float
        Largest width of a panel, in inches.

    Returns
    -------
    PanelGrid
    """
    title = _TITLE if any(titles) else 0.0
    rows = int(np.ceil(len(titles) / columns))
    side = min((width - _LEFT - _GAP * columns) / columns, most_wide)
    height = aspect * side
    body = _TOP + rows * (height + title)
    lines = wrapped(note, width - 0.2)
    figure = new_figure(width, body + _UNDER + legend + 0.05 + note_height(lines) + 0.04)
    panels = []
    for index, text in enumerate(titles):
        row, column = divmod(index, columns)
        top = _TOP + title + row * (height + title)
        axes = add_axes(figure, _LEFT + column * (side + _GAP), top, side, height)
        axes.set_title(shorten(text, int(side * 17)), fontsize=6.5, pad=2.5, loc="left")
        axes.tick_params(labelleft=column == 0, labelbottom=index + columns >= len(titles))
        axes.grid(True)
        panels.append(axes)
    wide, high = figure.get_size_inches()
    across = (_LEFT + (columns * (side + _GAP) - _GAP) / 2) / wide, 1.0 - (body + 0.28) / high
    upward = 0.09 / wide, 1.0 - body / 2 / high
    for position, label, rotation in ((across, labels[0], 0), (upward, labels[1], 90)):
        figure.text(*position, label, fontsize=7.0, rotation=rotation, ha="center", va="center")
    note_under(figure, lines, body + _UNDER + legend + 0.05)
    return PanelGrid(figure, tuple(panels), body + _UNDER)
