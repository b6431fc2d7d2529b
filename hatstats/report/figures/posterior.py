"""Figures of the hierarchical model: the prior on the accuracy scale, and what it shrinks."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hatstats.report.figures.layout import add_axes, new_figure, write_under
from hatstats.report.figures.style import COLUMN, DASHED, IMPLIED, INK, MUTED, house_style


def _one_panel(labels: tuple[str, str]) -> tuple[Figure, Axes]:
    """A figure of one panel with labelled axes."""
    figure = new_figure(COLUMN, 2.28)
    axes = add_axes(figure, 0.5, 0.08, COLUMN - 0.62, 2.2)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.grid(True)
    return figure, axes


def prior_predictive(shares: pd.DataFrame) -> Figure:
    """Draw what prior and posterior say of the HAT of a cell.

    `shares` has `low, high, prior, posterior`: shares of cells in bins of accuracy.
    """
    note = (
        "Grey: HAT of a model in a language by the priors alone, before any data. Blue: by the "
        "posterior. A prior that left no room where the posterior lies would have decided it."
    )
    with house_style():
        figure, axes = _one_panel(("HAT of a cell", "Share of draws"))
        edges = np.append(shares["low"], 1.0)
        axes.bar(shares["low"], shares["prior"], shares["high"] - shares["low"], align="edge",
                 color=MUTED, alpha=0.45, gid="prior")  # fmt: skip
        axes.step(edges, np.append(shares["posterior"], 0.0), where="post", color=IMPLIED,
                  linewidth=1.1, gid="posterior")  # fmt: skip
        axes.set_xlim(0.0, 1.0)
        write_under(figure, (), note)
    return figure


def shrinkage(table: pd.DataFrame) -> Figure:
    """Draw each cell's own estimate against its posterior, both less what the effects predict.

    `table` has `raw, estimate, predicted` in logits.
    """
    note = (
        "Each point is a model in a language. Across: its own estimate less what language, family, "
        "model and trend predict; up: the posterior less the same. On the dashed line nothing is "
        "shrunk, on the horizontal all is."
    )
    with house_style():
        figure, axes = _one_panel(("Own estimate (logits)", "Posterior (logits)"))
        across = (table["raw"] - table["predicted"]).to_numpy(dtype=float)
        up = table["estimate"] - table["predicted"]
        most = float(np.nanmax(np.abs(across))) * 1.05 if across.size else 1.0
        axes.plot([-most, most], [-most, most], color=MUTED, linewidth=0.6, linestyle=DASHED)
        axes.axhline(0.0, color=MUTED, linewidth=0.6)
        axes.scatter(across, up, s=8, color=INK, alpha=0.6, linewidths=0, gid="cells")
        write_under(figure, (), note)
    return figure
