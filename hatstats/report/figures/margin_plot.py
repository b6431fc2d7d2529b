"""P value and verdict of claims of non-inferiority for every margin."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from hatstats.report.figures.specification_plot import VERDICTS
from hatstats.report.figures.style import (
    BAND,
    COLUMN,
    INK,
    MUTED,
    add_axes,
    house_style,
    new_figure,
)

_HEIGHT = 1.55
_LEVEL = 0.05


def margin_curve(margins: pd.DataFrame) -> Figure:
    """Draw one panel per claim: one-sided p against the margin, coloured by the verdict.

    Parameters
    ----------
    margins : DataFrame
        `claim, margin, p_value, verdict, registered, smallest_margin`, see
        `hatstats.trends.claims.non_inferiority.margin_curve`.

    Returns
    -------
    Figure
    """
    claims = list(margins["claim"].drop_duplicates())
    with house_style():
        figure = new_figure(COLUMN, 0.1 + (_HEIGHT + 0.75) * len(claims))
        for index, claim in enumerate(claims):
            top = 0.3 + index * (_HEIGHT + 0.75)
            axes = add_axes(figure, 0.55, top, COLUMN - 0.75, _HEIGHT)
            rows = margins[margins["claim"] == claim]
            axes.plot(rows["margin"], rows["p_value"], color=BAND, linewidth=0.8, label="_curve")
            for name, part in rows.groupby("verdict", sort=False):
                colour, _ = VERDICTS.get(str(name), (MUTED, "o"))
                axes.plot(
                    part["margin"],
                    part["p_value"],
                    color=colour,
                    marker="o",
                    markersize=1.8,
                    linestyle="",
                    label=str(name),
                )
            axes.axhline(_LEVEL, color=INK, linewidth=0.7, linestyle=(0, (1, 1.5)), label="_level")
            for margin in rows.loc[rows["registered"].astype(bool), "margin"]:
                axes.axvline(float(margin), color=MUTED, linewidth=0.7, label="_registered")
                axes.annotate(
                    "registered",
                    (float(margin), 1.0),
                    xycoords=("data", "axes fraction"),
                    xytext=(1.5, -3.0),
                    textcoords="offset points",
                    rotation=90.0,
                    va="top",
                    fontsize=5.5,
                    color=MUTED,
                )
            axes.set_yscale("log")
            low = min(float(rows["p_value"].min()) / 1.5, 0.03)
            axes.set_ylim(low, 1.0)
            ticks = [tick for tick in (0.001, 0.01, 0.05, 0.2, 1.0) if tick >= low]
            axes.yaxis.set_major_locator(FixedLocator(ticks))
            axes.yaxis.set_minor_locator(FixedLocator([]))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.set_xlim(0.0, float(rows["margin"].max()))
            axes.set_xlabel("Margin (accuracy)")
            axes.set_ylabel("One-sided p")
            axes.set_title(str(claim).replace("_", " "), loc="left", fontsize=7)
            axes.legend(loc="upper right", fontsize=6, handletextpad=0.2)
    return figure
