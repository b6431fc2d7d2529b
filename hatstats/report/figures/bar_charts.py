"""Bar charts: leakage of measures, and items that function differently, by language."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from hatstats.report.figures import layout, style
from hatstats.report.tables.rounding import percent_text, words

#: Beyond this a measure moves more with ability than with transfer; longer bars are cut.
_MOST = 1.2
#: Colour of each class and direction, from harder to easier in the target language.
_LOOKS = {
    ("C", "harder"): ("#d55e00", "C, harder"),
    ("B", "harder"): ("#f0b48a", "B, harder"),
    ("A", ""): (style.RULE, "A"),
    ("B", "easier"): ("#8fc1e3", "B, easier"),
    ("C", "easier"): ("#0072b2", "C, easier"),
    ("", ""): (style.MUTED, "unknown"),
}


def _named_bars(
    names: list[str], row: float, top: float, ticks: tuple[float, ...], label: str
) -> tuple[Figure, Axes]:
    """A figure with one named row of `row` inches per bar of shares, first name on top."""
    left, height = 0.14 + layout.widest(names, 6.5), row * len(names) + 0.06
    figure = layout.new_figure(style.COLUMN, top + height + 0.44)
    axes = layout.add_axes(figure, left, top, style.COLUMN - left - 0.35, height)
    layout.name_rows(axes, names, 6.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xticks(ticks, [percent_text(tick) for tick in ticks])
    axes.set_xlabel(label)
    return figure, axes


def leakage(table: pd.DataFrame) -> Figure:
    """Draw one bar per measure: movement by source ability over movement by transfer.

    Parameters
    ----------
    table : DataFrame
        `measure, leakage` of one world, as `hatstats.stress_test` gives them.

    Returns
    -------
    Figure
        Least leakage first; HAT in colour; a bar beyond 120 % is cut and its value written.

    Examples
    --------
    >>> import pandas as pd
    >>> from hatstats.report import figures
    >>> table = pd.DataFrame({"measure": ["HAT", "gap"], "leakage": [0.02, 0.9]})
    >>> figure = figures.leakage(table)
    """
    rows = table[table["leakage"].notna()].sort_values("leakage", kind="stable")
    names = [words(name) for name in rows["measure"]]
    label = "Moved by source ability, relative to transfer"
    with style.house_style():
        figure, axes = _named_bars(names, 0.17, 0.06, (0.0, 0.5, 1.0), label)
        for row, (value, name) in enumerate(zip(rows["leakage"], names, strict=True)):
            shown = min(float(value), _MOST)
            colour = style.IMPLIED if name.startswith("HAT") else style.MUTED
            axes.plot([0.0, shown], [row, row], color=colour, linewidth=4.0,
                      solid_capstyle="butt", label="_bar")  # fmt: skip
            axes.text(shown + 0.02, row, percent_text(value), fontsize=5.8, va="center",
                      color=style.INK, label="_value")  # fmt: skip
        axes.set_xlim(0.0, _MOST + 0.15)
    return figure


def functioning(classes: pd.DataFrame) -> Figure:
    """Draw one bar per language, split by class and direction of differential functioning.

    Parameters
    ----------
    classes : DataFrame
        As `hatstats.functioning_classes` gives it.

    Returns
    -------
    Figure
        Bars are shares of the items of a language; numbers of items of class C are written.

    Examples
    --------
    >>> import hatstats as hs
    >>> from hatstats.report import figures
    >>> shape = hs.Shape(n_items=20, n_languages=2, n_trials=3)
    >>> table = hs.item_functioning(hs.simulate_study(shape=shape, rng=1))
    >>> figure = figures.functioning(hs.functioning_classes(table))
    """
    several = classes["benchmark"].nunique() > 1
    groups = list(classes.groupby(["benchmark", "language"], sort=False))
    names = [f"{name[0]}, {name[1]}" if several else str(name[1]) for name, _ in groups]
    label = "Items, by class of differential functioning"
    with style.house_style():
        figure, axes = _named_bars(names, 0.22, 0.42, (0.0, 0.25, 0.5, 0.75, 1.0), label)
        for row, (_, part) in enumerate(groups):
            start, total = 0.0, float(part["items"].sum())
            for ets, direction, items in part[["ets", "direction", "items"]].to_numpy():
                share = items / total
                axes.barh(row, share, left=start, height=0.66, color=_LOOKS[ets, direction][0],
                          linewidth=0, label=f"_{ets}{direction}")  # fmt: skip
                if ets == "C" and share > 0.04:
                    axes.text(start + share / 2, row, str(items), fontsize=5.8, va="center",
                              ha="center", color="white", label="_value")  # fmt: skip
                start += share
        axes.set_xlim(0.0, 1.0)
        seen = classes.groupby(["ets", "direction"])["items"].sum()
        handles = [
            Patch(color=colour, label=name)
            for key, (colour, name) in _LOOKS.items()
            if seen.get(key, 0) > 0
        ]
        figure.legend(handles=handles, loc="upper center", ncols=3, fontsize=6,
                      labelcolor=style.INK, handlelength=0.9, columnspacing=1.2)  # fmt: skip
    return figure
