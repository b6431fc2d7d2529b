"""Observed scores with fewer and fewer trials, and what the fitted profile implies."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hatstats.report.figures.layout import panel_grid, write_under
from hatstats.report.figures.style import IMPLIED, INK, PAGE, Look, house_style

#: No more models than this get a panel; the note says how many there are.
MOST_MODELS = 12
_COLUMNS = 4
_TWO_SIDED = 1.959964


def thinning(path: pd.DataFrame, *, reference: str) -> Figure:
    """Draw the observed score against 1/n with its limit, and what the profile implies.

    `path` has `model, benchmark, trials, observed, std_error, implied, used`, with a row of
    infinitely many trials for each model; the first benchmark is drawn. `reference` names the
    reference distribution. Points that are thinned too far to be used are hollow.
    """
    benchmark = path["benchmark"].iloc[0]
    frame = path[path["benchmark"] == benchmark]
    models = list(frame["model"].drop_duplicates())
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
        figure, panels = panel_grid(
            models,
            labels=("1 / trials in the source language", "Observed HAT"),
            width=PAGE,
            columns=min(_COLUMNS, len(models)),
            aspect=0.8,
            most_wide=2.1,
        )
        for axes, model in zip(panels, models, strict=True):
            axes.sharex(panels[0])
            axes.sharey(panels[0])
            _panel(axes, frame[frame["model"] == model].sort_values("trials", kind="stable"))
        panels[0].xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10], prune="upper"))
        panels[0].yaxis.set_major_locator(MaxNLocator(5))
        write_under(figure, (), note)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the path of one model, sorted by its number of trials."""
    x = 1.0 / rows["trials"]
    axes.plot(x, rows["implied"], color=IMPLIED, linewidth=1.1, gid="implied")
    limit, used = x == 0.0, rows["used"].astype(bool)
    kinds = ((limit, "D", True), (~limit & used, "o", True), (~limit & ~used, "o", False))
    for chosen, marker, filled in kinds:
        marks = Look("", INK, marker).marks(4.0 if marker == "D" else 3.0, filled=filled)
        own = rows[chosen]
        axes.errorbar(x[chosen], own["observed"], yerr=_TWO_SIDED * own["std_error"],
                      elinewidth=0.8, clip_on=False, gid="limit" if marker == "D" else "thinned",
                      **marks)  # fmt: skip
