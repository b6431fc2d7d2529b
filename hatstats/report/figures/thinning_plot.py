"""Figures of the checks that need no model: thinning, split halves, and the count table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hatstats.report.figures.legends import note_height, note_under, wrapped
from hatstats.report.figures.style import (
    INK,
    MUTED,
    PAGE,
    PAPER,
    TREND,
    add_axes,
    house_style,
    new_figure,
    shorten,
)

#: No more models than this get a panel; the note says how many there are.
MOST_MODELS = 12
#: Colour of what a profile implies; what was observed is in ink.
IMPLIED = "#0072b2"
_COLUMNS = 4
# Width of a panel in inches where there are few.
_WIDEST = 2.1
_TWO_SIDED = 1.959964


def _chosen(frame: pd.DataFrame) -> list[str]:
    """Models that get a panel: all, or evenly spaced ones."""
    names = list(dict.fromkeys(frame["model"]))
    if len(names) <= MOST_MODELS:
        return names
    places = np.linspace(0, len(names) - 1, MOST_MODELS).round().astype(int)
    return [names[place] for place in places.tolist()]


def _one_benchmark(frame: pd.DataFrame, benchmark: str | None) -> tuple[pd.DataFrame, str]:
    name = str(frame["benchmark"].iloc[0]) if benchmark is None else benchmark
    return frame[(frame["benchmark"] == name).to_numpy(dtype=bool)], name


def _panels(
    frame: pd.DataFrame,
    draw: Callable[[Axes, pd.DataFrame], None],
    labels: tuple[str, str],
    note: str,
) -> Figure:
    """One panel for each model on common axes, with a note under them."""
    names = _chosen(frame)
    total = frame["model"].nunique()
    if total > len(names):
        note += f" {len(names)} of {total} models are shown."
    # Room on the left for the axis label beside tick labels of five digits.
    left, gap, head, under = 0.56, 0.1, 0.18, 0.4
    columns = min(_COLUMNS, len(names))
    side = min((PAGE - left - 0.08 - gap * (columns - 1)) / columns, _WIDEST)
    height = 0.8 * side
    rows = int(np.ceil(len(names) / columns))
    with house_style():
        lines = wrapped(note, PAGE - 0.2)
        body = 0.05 + rows * (height + head)
        figure = new_figure(PAGE, body + under + note_height(lines) + 0.06)
        drawn = []
        for index, name in enumerate(names):
            row, column = divmod(index, columns)
            axes = add_axes(
                figure,
                left + column * (side + gap),
                0.05 + head + row * (height + head),
                side,
                height,
            )
            draw(axes, frame[(frame["model"] == name).to_numpy(dtype=bool)])
            axes.set_title(shorten(name, int(side * 17)), fontsize=6.5, pad=2.5, loc="left")
            axes.tick_params(labelleft=column == 0, labelbottom=index + columns >= len(names))
            axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10], prune="upper"))
            axes.yaxis.set_major_locator(MaxNLocator(5))
            axes.grid(True)
            drawn.append(axes)
        _same_limits(drawn)
        wide, high = figure.get_size_inches()
        middle = left + 0.5 * (columns * (side + gap) - gap)
        figure.text(middle / wide, 1.0 - (body + 0.3) / high, labels[0], fontsize=7.5, ha="center")
        figure.text(
            0.008,
            1.0 - 0.5 * (body + head) / high,
            labels[1],
            fontsize=7.5,
            rotation=90,
            ha="left",
            va="center",
        )
        note_under(figure, lines, body + under, 0.1)
    return figure


def _same_limits(drawn: Sequence[Axes]) -> None:
    """Give all panels the widest limits of any."""
    for get, put in (("get_xlim", "set_xlim"), ("get_ylim", "set_ylim")):
        limits = np.array([getattr(axes, get)() for axes in drawn])
        for axes in drawn:
            getattr(axes, put)(limits[:, 0].min(), limits[:, 1].max())


def thinning(path: pd.DataFrame, *, reference: str, benchmark: str | None = None) -> Figure:
    """Draw the observed score against 1/n with its limit, and what the profile implies.

    Parameters
    ----------
    path : DataFrame
        `model, benchmark, trials, observed, std_error, implied, used`, with a row of
        infinitely many trials for each model.
    reference : str
        Reference distribution, named on the axis.
    benchmark : str, optional
        The first if not given.

    Returns
    -------
    Figure
        Points thinned too far to be used are hollow; the limit is a diamond at 1/n = 0.
    """
    frame, name = _one_benchmark(path, benchmark)

    def draw(axes: Axes, rows: pd.DataFrame) -> None:
        rows = rows.sort_values("trials")
        x = 1.0 / rows["trials"].to_numpy(dtype=float)
        y, error = (rows[column].to_numpy(dtype=float) for column in ("observed", "std_error"))
        axes.plot(x, rows["implied"], color=IMPLIED, linewidth=1.1, gid="implied")
        for place in range(x.size):
            limit = x[place] == 0.0
            filled = limit or bool(rows["used"].iloc[place])
            axes.errorbar(
                x[place],
                y[place],
                yerr=_TWO_SIDED * error[place],
                color=INK,
                marker="D" if limit else "o",
                markersize=4.0 if limit else 3.0,
                markerfacecolor=INK if filled else PAPER,
                markeredgewidth=0.7,
                elinewidth=0.8,
                clip_on=False,
                gid="limit" if limit else "thinned",
            )

    note = (
        f"Benchmark {name}, reference: {reference}. Points: observed score with 95 % intervals "
        "when trials are dropped at random; hollow: not used by the extrapolation. Diamond at "
        "0: its limit for infinitely many trials. Line: what the profile implies."
    )
    labels = ("1 / trials in the source language", "Observed HAT")
    return _panels(frame, draw, labels, note)


def split_half(points: pd.DataFrame, *, benchmark: str | None = None) -> Figure:
    """Draw target accuracy against the other half's source accuracy, and what is implied.

    Parameters
    ----------
    points : DataFrame
        `model, benchmark, right, half, items, source, target, source_implied, target_implied`.
    benchmark : str, optional
        The first if not given.

    Returns
    -------
    Figure
    """
    frame, name = _one_benchmark(points, benchmark)
    most = float(frame["items"].max())

    def draw(axes: Axes, rows: pd.DataFrame) -> None:
        axes.plot([0.0, 1.0], [0.0, 1.0], color=MUTED, linewidth=0.6, linestyle=(0, (2, 2)))
        axes.plot(
            rows["source_implied"],
            rows["target_implied"],
            color=IMPLIED,
            linewidth=1.1,
            marker="x",
            markersize=3.5,
            gid="implied",
        )
        size = 4.0 + 30.0 * rows["items"].to_numpy(dtype=float) / most
        axes.scatter(rows["source"], rows["target"], s=size, color=INK, alpha=0.7, gid="observed")
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)

    half = int(frame["half"].iloc[0])
    note = (
        f"Benchmark {name}. Each disc: items with a number of right answers in {half} of their "
        "source trials, mean over all splits; across is the accuracy of their other "
        "trials, up their mean accuracy in the target languages, area by items. Crosses: what "
        "the profile implies."
    )
    labels = ("Accuracy of the other half in the source language", "Target accuracy")
    return _panels(frame, draw, labels, note)


def source_counts(table: pd.DataFrame, *, benchmark: str | None = None) -> Figure:
    """Draw numbers of items by right source answers, observed and expected.

    Parameters
    ----------
    table : DataFrame
        `model, benchmark, right, trials, items, items_expected, target, target_expected`.
    benchmark : str, optional
        The first if not given.

    Returns
    -------
    Figure
    """
    frame, name = _one_benchmark(table, benchmark)

    def draw(axes: Axes, rows: pd.DataFrame) -> None:
        share = rows["right"].to_numpy(dtype=float) / rows["trials"].to_numpy(dtype=float)
        axes.vlines(share, 0.0, rows["items"], color=TREND, linewidth=3.0, gid="observed")
        axes.plot(
            share,
            rows["items_expected"],
            color=IMPLIED,
            marker="_",
            markersize=6.0,
            linestyle="",
            gid="implied",
        )
        axes.set_ylim(bottom=0.0)

    note = f"Benchmark {name}. Bars: items observed. Blue: items that the profile expects."
    labels = ("Share of right answers in the source language", "Items")
    return _panels(frame, draw, labels, note)


def target_means(table: pd.DataFrame, *, benchmark: str | None = None) -> Figure:
    """Draw mean target accuracy by right source answers, observed and expected.

    Parameters
    ----------
    table : DataFrame
        As for `source_counts`.
    benchmark : str, optional
        The first if not given.

    Returns
    -------
    Figure
    """
    frame, name = _one_benchmark(table, benchmark)
    most = float(frame["items"].max())

    def draw(axes: Axes, rows: pd.DataFrame) -> None:
        share = rows["right"].to_numpy(dtype=float) / rows["trials"].to_numpy(dtype=float)
        axes.plot(share, rows["target_expected"], color=IMPLIED, linewidth=1.1, gid="implied")
        size = 4.0 + 30.0 * rows["items"].to_numpy(dtype=float) / most
        axes.scatter(share, rows["target"], s=size, color=INK, alpha=0.7, gid="observed")
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)

    note = (
        f"Benchmark {name}. Discs: mean target accuracy of the items with so many right source "
        "answers, area by items. Line: what the profile expects."
    )
    labels = ("Share of right answers in the source language", "Target accuracy")
    return _panels(frame, draw, labels, note)
