"""The forest plot: every model's score with its interval, best first."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hatstats.report.figures.legends import (
    family_handles,
    legend_height,
    legend_under,
    note_height,
    note_under,
    wrapped,
)
from hatstats.report.figures.style import (
    COLUMN,
    MUTED,
    PAPER,
    Look,
    add_axes,
    family_looks,
    house_style,
    look_of,
    name_rows,
    new_figure,
    shorten,
    widest,
)

#: The forest plot names every model up to this number, and a choice of them beyond it.
ALL_ROWS = 60
#: Names written in a forest plot that cannot name all.
SOME_ROWS = 44
#: Length of the lines from names to rows in a dense plot, in inches.
_REACH = 0.34


def forest(scores: pd.DataFrame, *, reference: str) -> Figure:
    """Draw the scores with their intervals, best first, weakly identified ones apart at the foot.

    Parameters
    ----------
    scores : DataFrame
        Columns `model, family, estimate, conf_low, conf_high, conf_level, informed`. A model
        that is weakly identified (`informed` False) gets a hollow marker and a dashed interval.
    reference : str
        Reference distribution of hardness, named on the axis.

    Returns
    -------
    Figure
        One row per model up to ``ALL_ROWS`` models; beyond, thin rows at a fixed height with
        ``SOME_ROWS`` names: the best, the last and evenly spaced ones between.
    """
    rows = scores.sort_values(["informed", "estimate"], kind="stable", ignore_index=True)
    count, dense = len(rows), len(rows) > ALL_ROWS
    looks = family_looks(rows["family"])
    shown = [look_of(looks, family) for family in rows["family"]]
    named = _named_rows(count)
    names = [shorten(str(rows["model"][index]), 26) for index in named]
    notes = _forest_notes(rows, len(named))
    handles = family_handles(looks.values())
    with house_style():
        left = 0.12 + widest(names, 6.0) + (_REACH if dense else 0.0)
        right = 0.12 if dense else 0.95
        height = 6.6 if dense else 0.155 * count + 0.1
        legend_top = 0.06 + height + 0.42
        note_top = legend_top + legend_height(handles, COLUMN) + 0.05
        lines = wrapped(notes, COLUMN - 0.2)
        figure = new_figure(COLUMN, note_top + note_height(lines) + 0.04)
        axes = add_axes(figure, left, 0.06, COLUMN - left - right, height)
        _forest_rows(axes, rows, shown, dense)
        if dense:
            _spread_names(axes, named, names)
        else:
            name_rows(axes, names, 6.0)
            _forest_values(axes, rows)
        axes.set_xlabel(f"HAT score, reference: {reference}")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.grid(True)
        axes.spines["left"].set_visible(False)
        legend_under(figure, handles, legend_top)
        note_under(figure, lines, note_top)
    return figure


def _named_rows(count: int) -> list[int]:
    """Rows of a forest plot that get a name: all, or both ends and some between."""
    if count <= ALL_ROWS:
        return list(range(count))
    ends = SOME_ROWS // 6
    middle = np.linspace(ends, count - ends - 1, SOME_ROWS - 2 * ends + 2)[1:-1].round().astype(int)
    return [*range(ends), *(int(index) for index in middle), *range(count - ends, count)]


def _forest_notes(rows: pd.DataFrame, named: int) -> str:
    """What a reader must know to read the forest plot."""
    level = 100.0 * float(rows["conf_level"].iloc[0])
    parts = [f"Bars: {level:g} % intervals."]
    if not rows["informed"].all():
        parts.append("Under the line, hollow and dashed: weakly identified by the data.")
    if named < len(rows):
        parts.append(f"{named} of {len(rows)} models are named; scores.csv has all.")
    return " ".join(parts)


def _forest_rows(axes: Axes, rows: pd.DataFrame, shown: list[Look], dense: bool) -> None:
    """Draw markers and intervals."""
    line, size = (0.6, 1.8) if dense else (1.1, 3.8)
    for index, look in enumerate(shown):
        informed = bool(rows["informed"][index])
        axes.plot(
            [rows["conf_low"][index], rows["conf_high"][index]],
            [index, index],
            color=look.colour,
            linewidth=line,
            linestyle="-" if informed else (0, (2.0, 1.2)),
            solid_capstyle="butt",
            label="_interval",
        )
        axes.plot(
            [rows["estimate"][index]],
            [index],
            color=look.colour,
            marker=look.marker,
            markersize=size,
            markerfacecolor=look.colour if informed else PAPER,
            markeredgewidth=0.7,
            linestyle="",
            label="_estimate" if informed else "_estimate-weakly-identified",
        )
    weak = int((~rows["informed"].astype(bool)).sum())
    if 0 < weak < len(rows):
        axes.axhline(weak - 0.5, color=MUTED, linewidth=0.5, label="_divide")
    axes.set_ylim(-0.7, len(rows) - 0.3)


def _spread_names(axes: Axes, named: list[int], names: list[str]) -> None:
    """Write some models' names spread out over the height, with a thin line to each row."""
    axes.set_yticks([])
    low, high = axes.get_ylim()
    heights = np.linspace(low + 1.5, high - 1.5, len(named))
    across = axes.get_yaxis_transform()
    reach = _REACH / (axes.get_position().width * COLUMN)
    for row, height, name in zip(named, heights, names, strict=True):
        axes.text(-reach, height, name, transform=across, fontsize=5.0, ha="right", va="center")
        axes.plot(
            [-0.95 * reach, -0.85 * reach, -0.12 * reach, 0.0],
            [height, height, row, row],
            transform=across,
            color=MUTED,
            linewidth=0.3,
            clip_on=False,
            label="_leader",
        )


def _forest_values(axes: Axes, rows: pd.DataFrame) -> None:
    """Write estimate and limits at the right edge of each row."""
    across = axes.get_yaxis_transform()
    for index in range(len(rows)):
        value, low, high = (rows[name][index] for name in ("estimate", "conf_low", "conf_high"))
        text = f"{value:.3f} [{low:.3f}, {high:.3f}]"
        axes.text(1.04, index, text, transform=across, fontsize=5.5, va="center")
