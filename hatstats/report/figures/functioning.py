"""How many items function differently in each language, by class and direction."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter

from hatstats.report.figures.style import (
    COLUMN,
    INK,
    MUTED,
    RULE,
    add_axes,
    house_style,
    new_figure,
    text_width,
)

#: Colour of each class and direction, from harder to easier in the target language.
_LOOKS = {
    ("C", "harder"): ("#d55e00", "C, harder"),
    ("B", "harder"): ("#f0b48a", "B, harder"),
    ("A", ""): (RULE, "A"),
    ("B", "easier"): ("#8fc1e3", "B, easier"),
    ("C", "easier"): ("#0072b2", "C, easier"),
    ("", ""): (MUTED, "unknown"),
}


def functioning(classes: pd.DataFrame) -> Figure:
    """Draw one bar per language, split by class and direction.

    Parameters
    ----------
    classes : DataFrame
        See `hatstats.diagnostics.differential_functioning.functioning_classes`.

    Returns
    -------
    Figure
        Shares of the items of a language; numbers of items of class C are written.
    """
    several = classes["benchmark"].nunique() > 1
    groups = list(classes.groupby(["benchmark", "language"], sort=False))
    names = [f"{name[0]}, {name[1]}" if several else str(name[1]) for name, _ in groups]
    with house_style():
        probe = new_figure(1.0, 1.0)
        left = 0.14 + max(text_width(probe, name, 6.5) for name in names)
        height = 0.22 * len(names) + 0.06
        figure = new_figure(COLUMN, height + 0.85)
        axes = add_axes(figure, left, 0.42, COLUMN - left - 0.15, height)
        for place, (_, part) in enumerate(groups):
            start, total = 0.0, float(part["items"].sum())
            for ets, direction, items in part[["ets", "direction", "items"]].itertuples(
                index=False
            ):
                share = items / total
                colour, _ = _LOOKS[ets, direction]
                axes.barh(place, share, left=start, height=0.66, color=colour, linewidth=0,
                          label=f"_{ets}{direction}")  # fmt: skip
                if ets == "C" and share > 0.04:
                    axes.text(start + share / 2, place, str(items), fontsize=5.8, va="center",
                              ha="center", color="white", label="_value")  # fmt: skip
                start += share
        axes.set_xlim(0.0, 1.0)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.yaxis.set_major_locator(FixedLocator([float(i) for i in range(len(names))]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: names[round(value)]))
        axes.tick_params(axis="y", length=0, labelsize=6.5)
        axes.xaxis.set_major_locator(FixedLocator([0.0, 0.25, 0.5, 0.75, 1.0]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
        axes.set_xlabel("Items, by class of differential functioning")
        axes.spines["left"].set_visible(False)
        seen = classes.groupby(["ets", "direction"])["items"].sum()
        handles = [
            Patch(color=colour, label=label)
            for key, (colour, label) in _LOOKS.items()
            if seen.get(key, 0) > 0
        ]
        figure.legend(handles=handles, loc="upper center", ncols=3, fontsize=6, labelcolor=INK,
                      handlelength=0.9, columnspacing=1.2)  # fmt: skip
    return figure
