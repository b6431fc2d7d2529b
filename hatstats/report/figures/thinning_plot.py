"""Observed scores with fewer and fewer trials, and what the fitted profile implies."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hatstats.report.figures.panel_grid import panel_grid
from hatstats.report.figures.style import IMPLIED, INK, PAGE, PAPER, house_style

#: No more models than this get a panel; the note says how many there are.
MOST_MODELS = 12
_COLUMNS = 4
_TWO_SIDED = 1.959964


def thinning(path: pd.DataFrame, *, reference: str) -> Figure:
    """Draw the observed score against 1/n with its limit, and what the profile implies.

    Parameters
    ----------
    path : DataFrame
        `model, benchmark, trials, observed, std_error, implied, used`, with a row of
        infinitely many trials for each model. The first benchmark is drawn.
    reference : str
        Reference distribution, named in the note.

    Returns
    -------
    Figure
        Points thinned too far to be used are hollow; the limit is a diamond at 1/n = 0.
    """
    benchmark = path["benchmark"].iloc[0]
    frame = path[path["benchmark"] == benchmark].sort_values("trials", kind="stable")
    models = list(dict.fromkeys(path.loc[path["benchmark"] == benchmark, "model"]))
    note = (
        f"Benchmark {benchmark}, reference: {reference}. Points: observed score with 95 % "
        "intervals when trials are dropped at random; hollow: not used by the extrapolation. "
        "Diamond at 0: its limit for infinitely many trials. Line: what the profile implies."
    )
    if len(models) > MOST_MODELS:
        note += f" {MOST_MODELS} of {len(models)} models are shown."
        spaced = np.linspace(0, len(models) - 1, MOST_MODELS).round().astype(int)
        models = [models[index] for index in spaced]
    with house_style():
        grid = panel_grid(
            models,
            labels=("1 / trials in the source language", "Observed HAT"),
            note=note,
            width=PAGE,
            columns=min(_COLUMNS, len(models)),
            aspect=0.8,
            most_wide=2.1,
        )
        for axes, model in zip(grid.axes, models, strict=True):
            _panel(axes, frame[frame["model"] == model])
        limits = np.array([(*axes.get_xlim(), *axes.get_ylim()) for axes in grid.axes])
        for axes in grid.axes:
            axes.set_xlim(limits[:, 0].min(), limits[:, 1].max())
            axes.set_ylim(limits[:, 2].min(), limits[:, 3].max())
    return grid.figure


def _panel(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the path of one model, sorted by its number of trials."""
    x = 1.0 / rows["trials"].to_numpy(dtype=float)
    limit, used = x == 0.0, rows["used"].to_numpy(dtype=bool)
    axes.plot(x, rows["implied"], color=IMPLIED, linewidth=1.1, gid="implied")
    for chosen, marker, face in (
        (limit, "D", INK),
        (~limit & used, "o", INK),
        (~limit & ~used, "o", PAPER),
    ):
        axes.errorbar(
            x[chosen],
            rows["observed"][chosen],
            yerr=_TWO_SIDED * rows["std_error"][chosen],
            color=INK,
            marker=marker,
            markersize=4.0 if marker == "D" else 3.0,
            markerfacecolor=face,
            markeredgewidth=0.7,
            linestyle="",
            elinewidth=0.8,
            clip_on=False,
            gid="limit" if marker == "D" else "thinned",
        )
    axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10], prune="upper"))
    axes.yaxis.set_major_locator(MaxNLocator(5))
