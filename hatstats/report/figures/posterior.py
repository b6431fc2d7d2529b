"""Figures of the hierarchical model: the prior on the accuracy scale, and what it shrinks."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hatstats.report.figures.legends import note_height, note_under, wrapped
from hatstats.report.figures.style import (
    COLUMN,
    IMPLIED,
    INK,
    MUTED,
    add_axes,
    house_style,
    new_figure,
)

_LEFT, _SIDE, _UNDER = 0.5, 2.2, 0.42


def _one_panel(note: str, labels: tuple[str, str]) -> tuple[Figure, Axes]:
    lines = wrapped(note, COLUMN - 0.2)
    figure = new_figure(COLUMN, 0.08 + _SIDE + _UNDER + note_height(lines) + 0.06)
    axes = add_axes(figure, _LEFT, 0.08, COLUMN - _LEFT - 0.12, _SIDE)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.grid(True)
    note_under(figure, lines, 0.08 + _SIDE + _UNDER)
    return figure, axes


def prior_predictive(shares: pd.DataFrame) -> Figure:
    """Draw what prior and posterior say of the HAT of a cell.

    Parameters
    ----------
    shares : DataFrame
        `low, high, prior, posterior`: shares of cells in bins of accuracy.

    Returns
    -------
    Figure
    """
    note = (
        "Grey: HAT of a model in a language by the priors alone, before any data. Blue: by the "
        "posterior. A prior that left no room where the posterior lies would have decided it."
    )
    with house_style():
        figure, axes = _one_panel(note, ("HAT of a cell", "Share of draws"))
        width = (shares["high"] - shares["low"]).to_numpy(dtype=float)
        low = shares["low"].to_numpy(dtype=float)
        axes.bar(low, shares["prior"], width, align="edge", color=MUTED, alpha=0.45, gid="prior")
        axes.step(
            np.append(low, 1.0),
            np.append(shares["posterior"].to_numpy(dtype=float), 0.0),
            where="post",
            color=IMPLIED,
            linewidth=1.1,
            gid="posterior",
        )
        axes.set_xlim(0.0, 1.0)
    return figure


def shrinkage(table: pd.DataFrame) -> Figure:
    """Draw each cell's own estimate against its posterior, both less what the effects predict.

    Parameters
    ----------
    table : DataFrame
        `raw, estimate, predicted` in logits.

    Returns
    -------
    Figure
    """
    note = (
        "Each point is a model in a language. Across: its own estimate less what language, family, "
        "model and trend predict; up: the posterior less the same. On the dashed line nothing is "
        "shrunk, on the horizontal all is."
    )
    with house_style():
        figure, axes = _one_panel(note, ("Own estimate (logits)", "Posterior (logits)"))
        across = (table["raw"] - table["predicted"]).to_numpy(dtype=float)
        up = (table["estimate"] - table["predicted"]).to_numpy(dtype=float)
        most = float(np.nanmax(np.abs(across))) * 1.05 if across.size else 1.0
        axes.plot([-most, most], [-most, most], color=MUTED, linewidth=0.6, linestyle=(0, (2, 2)))
        axes.axhline(0.0, color=MUTED, linewidth=0.6)
        axes.scatter(across, up, s=8, color=INK, alpha=0.6, linewidths=0, gid="cells")
    return figure
