"""How far each measure is moved by source ability alone."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from hatstats.report.figures.style import (
    COLUMN,
    INK,
    MUTED,
    add_axes,
    house_style,
    new_figure,
    text_width,
)

_FIRST, _OTHERS = "#0072b2", MUTED
#: Beyond this a measure moves more with ability than with transfer; longer bars are cut.
_MOST = 1.2


def leakage(table: pd.DataFrame) -> Figure:
    """Draw one bar per measure: movement by source ability over movement by transfer.

    Parameters
    ----------
    table : DataFrame
        `measure, leakage, mc_error` of one world, see `hatstats.calibration.stress.simulated`.

    Returns
    -------
    Figure
        Least leakage first; HAT in colour; a bar beyond 120 % is cut and its value written.
    """
    rows = table[table["leakage"].notna()].sort_values("leakage", kind="stable")
    names = [str(name).replace("_", " ") for name in rows["measure"]]
    with house_style():
        probe = new_figure(1.0, 1.0)
        left = 0.14 + max(text_width(probe, name, 6.5) for name in names)
        height = 0.17 * len(names) + 0.06
        figure = new_figure(COLUMN, height + 0.5)
        axes = add_axes(figure, left, 0.06, COLUMN - left - 0.35, height)
        for place, (value, name) in enumerate(zip(rows["leakage"], names, strict=True)):
            shown = min(float(value), _MOST)
            colour = _FIRST if name.startswith("HAT") else _OTHERS
            axes.plot([0.0, shown], [place, place], color=colour, linewidth=4.0,
                      solid_capstyle="butt", label="_bar")  # fmt: skip
            axes.text(shown + 0.02, place, f"{100.0 * float(value):.0f} %", fontsize=5.8,
                      va="center", color=INK, label="_value")  # fmt: skip
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(0.0, _MOST + 0.15)
        axes.yaxis.set_major_locator(FixedLocator([float(i) for i in range(len(names))]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: names[round(value)]))
        axes.tick_params(axis="y", length=0, labelsize=6.5)
        axes.xaxis.set_major_locator(FixedLocator([0.0, 0.5, 1.0]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
        axes.set_xlabel("Moved by source ability, relative to transfer")
        axes.spines["left"].set_visible(False)
    return figure
