"""What changes: the estimate of each claim under every choice of the analysis."""

from __future__ import annotations

import textwrap

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from hatstats.report.figures.legends import (
    legend_height,
    legend_under,
    note_height,
    note_under,
    wrapped,
)
from hatstats.report.figures.style import (
    BAND,
    COLUMN,
    INK,
    MUTED,
    PAGE,
    PAPER,
    add_axes,
    house_style,
    name_rows,
    new_figure,
    shorten,
    widest,
)

#: Colour and marker of each verdict.
VERDICTS = {
    "supported": ("#0072b2", "o"),
    "refuted": ("#d55e00", "X"),
    "inconclusive": (MUTED, "o"),
    "not testable": (MUTED, "x"),
}


def what_changes(specification: pd.DataFrame) -> Figure:
    """Draw the estimate of each claim under each choice, one panel per claim.

    Parameters
    ----------
    specification : DataFrame
        Columns `claim, choice, estimate, conf_low, conf_high, conf_level, threshold, verdict`.
        Rows with the first choice of the frame are the default analysis; its estimate is drawn
        through each panel. A row without an estimate is written as "not testable".

    Returns
    -------
    Figure
        Choices are rows in the order of the frame, claims are panels side by side.
    """
    claims = list(specification["claim"].drop_duplicates())
    choices = list(specification["choice"].drop_duplicates())
    width = PAGE if len(claims) > 1 else COLUMN
    names = [shorten(str(choice), 44) for choice in choices]
    level = 100.0 * float(specification["conf_level"].iloc[0])
    notes = (
        "First row: the default analysis, its estimate drawn through (thin line). Dotted: the "
        f"claim's threshold. Bars: {level:g} % intervals."
    )
    handles = _verdict_handles(specification)
    with house_style():
        left = 0.14 + widest(names, 6.0)
        gap, head, height = 0.14, 0.32, 0.165 * len(choices) + 0.08
        side = (width - left - 0.1 - gap * (len(claims) - 1)) / len(claims)
        note = wrapped(notes, width - 0.2)
        legend = legend_height(handles, width) + 0.05
        body = 0.05 + head + height
        figure = new_figure(width, body + 0.4 + legend + note_height(note) + 0.08)
        for index, claim in enumerate(claims):
            axes = add_axes(figure, left + index * (side + gap), 0.05 + head, side, height)
            _claim_panel(axes, specification[specification["claim"] == claim], choices)
            lines = textwrap.wrap(str(claim).replace("_", " "), max(int(side * 16), 8))[:2]
            axes.set_title("\n".join(lines), fontsize=6.5, pad=3, loc="left")
            name_rows(axes, names if index == 0 else [""] * len(names), 6.0)
        legend_under(figure, handles, body + 0.38)
        note_under(figure, note, body + 0.38 + legend)
    return figure


def _claim_panel(axes: Axes, rows: pd.DataFrame, choices: list[object]) -> None:
    """Draw one claim."""
    default = rows[rows["choice"] == choices[0]]
    if len(default) and pd.notna(default["estimate"].iloc[0]):
        axes.axvline(
            float(default["estimate"].iloc[0]), color=BAND, linewidth=1.0, label="_default"
        )
    threshold = rows["threshold"].dropna()
    if len(threshold):
        axes.axvline(
            float(threshold.iloc[0]),
            color=INK,
            linewidth=0.7,
            linestyle=(0, (1, 1.5)),
            label="_threshold",
        )
    row_of = {choice: float(number) for number, choice in enumerate(choices)}
    for verdict, own in rows.assign(row=rows["choice"].map(row_of)).groupby("verdict", sort=False):
        colour, marker = VERDICTS.get(str(verdict), (MUTED, "o"))
        known = own[own["estimate"].notna()]
        axes.hlines(
            known["row"], known["conf_low"], known["conf_high"], color=colour, linewidth=1.0
        )
        axes.plot(
            known["estimate"],
            known["row"],
            color=colour,
            marker=marker,
            markersize=3.6,
            markerfacecolor=PAPER if verdict == "inconclusive" else colour,
            markeredgewidth=0.8,
            linestyle="",
            label="_estimate",
        )
        for row in own.loc[own["estimate"].isna(), "row"]:
            axes.text(
                0.5,
                row,
                "not testable",
                transform=axes.get_yaxis_transform(),
                fontsize=5.5,
                color=MUTED,
                ha="center",
                va="center",
                label="_not testable",
            )
    axes.set_ylim(len(choices) - 0.4, -0.6)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.grid(True)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=5.8)


def _verdict_handles(specification: pd.DataFrame) -> list[Line2D]:
    """Legend handles of the verdicts that occur."""
    return [
        Line2D([], [], color=colour, marker=marker, linestyle="", markersize=4, label=name,
               markerfacecolor=PAPER if name == "inconclusive" else colour)
        for name, (colour, marker) in VERDICTS.items()
        if (specification["verdict"] == name).any()
    ]  # fmt: skip
