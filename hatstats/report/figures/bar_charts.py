"""Bars: parts of a change, leakage of measures, and items that function differently."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from hatstats.report.figures import layout, style
from hatstats.report.results.plotted import Change, change_rows
from hatstats.report.tables.rounding import english_name, percent_text, words

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


#: Colour of each part of a change.
_PARTS = {"source ability": style.Look("source ability", "#8a9199", "s"),
          "transfer": style.Look("transfer", style.IMPLIED, "o"),
          "change": style.Look("change", style.INK, "D")}  # fmt: skip


@style.house_style()
def decomposition(change: Change, *, conf_level: float = 0.95, ax: Axes | None = None) -> Axes:
    """Draw a change in raw target accuracy as the sum of source ability and transfer.

    Parameters
    ----------
    change : Decomposition, several of them, or DataFrame
        A frame has `comparison, term, estimate, conf_low, conf_high`.
    conf_level : float
        Level of the intervals; a frame's own where it has one.
    ax : Axes, optional
        Where to draw; a figure of one column is made if None.

    Returns
    -------
    Axes
        Three lines for each change: both parts, and their sum.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([0.0, 1.0], transfer=[0.0, 0.5], rng=1)
    >>> ax = hs.plot.decomposition(hs.decompose(study, "model-01", "model-02", method="observed"))
    """
    rows = change_rows(change, conf_level)
    names = list(dict.fromkeys(rows["comparison"]))
    sheet = layout.sheet(ax, height=0.42 * len(names) + 0.5)
    (axes,) = sheet.axes
    axes.axvline(0.0, color=style.MUTED, linewidth=style.points(0.08), label="_nothing")
    for number, (term, look) in enumerate(_PARTS.items()):
        own = rows[rows["term"] == term]
        heights = own["comparison"].map(names.index) + 0.24 * (number - 1)
        axes.barh(heights, own["estimate"], height=0.2, color=look.colour, alpha=0.3, linewidth=0,
                  label="_part")  # fmt: skip
        axes.hlines(heights, own["conf_low"], own["conf_high"], color=look.colour,
                    linewidth=0.13 * style.points(), label="_interval")  # fmt: skip
        axes.plot(own["estimate"], heights, label="_estimate", **look.marks(style.points(0.45)))
    layout.name_rows(axes, [_broken(str(name)) for name in names], share=0.8)
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_xlabel("Change in accuracy")
    axes.xaxis.grid(True)
    sheet.legend(layout.family_handles(_PARTS.values()))
    level = float(rows["conf_level"].iloc[0]) if "conf_level" in rows else conf_level
    first = rows[rows["comparison"] == names[0]].set_index("term")["estimate"]
    sheet.describe(
        "Change in raw target accuracy as source ability plus transfer. Lines: "
        f"{layout.percent(level)} intervals, items sampled anew, models as they are.",
        f"{len(names)} change{'s' if len(names) > 1 else ''} in two parts; {names[0]}: "
        + ", ".join(f"{term} {value:+.3f}" for term, value in first.items())
        + ".",
    )
    return axes


def _broken(name: str) -> str:
    """A comparison on two lines, broken where the second side begins."""
    for sign in (", to ", " → "):
        before, found, after = name.partition(sign)
        if found:
            arrow = found.strip(" ,")
            return f"{layout.shorten(before, 28)}\n{arrow} {layout.shorten(after, 28)}"
    return layout.shorten(name, 34)


def _named_bars(
    ax: Axes | None, names: list[str], row: float, ticks: tuple[float, ...], label: str
) -> layout.Sheet:
    """Axes with one named row of `row` inches per bar of shares, first name on top."""
    sheet = layout.sheet(ax, height=row * len(names) + 0.45)
    (axes,) = sheet.axes
    layout.name_rows(axes, names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xticks(ticks, [percent_text(tick) for tick in ticks])
    axes.set_xlabel(label)
    return sheet


@style.house_style()
def leakage(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw one bar per measure: movement by source ability over movement by transfer.

    Parameters
    ----------
    table : DataFrame
        `measure, leakage` of one world, as `hatstats.stress_test` gives them.
    ax : Axes, optional
        Where to draw; a figure of one column is made if None.

    Returns
    -------
    Axes
        Least leakage first; HAT in colour; a bar beyond 120 % is cut and its value written.

    Examples
    --------
    >>> import pandas as pd
    >>> import hatstats as hs
    >>> table = pd.DataFrame({"measure": ["HAT", "gap"], "leakage": [0.02, 0.9]})
    >>> ax = hs.plot.leakage(table)
    """
    rows = table[table["leakage"].notna()].sort_values("leakage", kind="stable")
    names = [words(name) for name in rows["measure"]]
    label = "Moved by source ability,\nrelative to transfer"
    sheet = _named_bars(ax, names, 0.16, (0.0, 0.5, 1.0), label)
    (axes,) = sheet.axes
    for row, (value, name) in enumerate(zip(rows["leakage"], names, strict=True)):
        shown = min(float(value), _MOST)
        colour = style.IMPLIED if name.startswith("HAT") else style.MUTED
        axes.plot([0.0, shown], [row, row], color=colour, linewidth=0.5 * style.points(),
                  solid_capstyle="butt", label="_bar")  # fmt: skip
        axes.text(shown + 0.02, row, percent_text(value), va="center", label="_value",
                  fontsize=style.points(style.TINY))  # fmt: skip
    axes.set_xlim(0.0, _MOST + 0.15)
    ends = f"least: {names[0]}; most: {names[-1]}" if names else "none is known"
    cut = f" Bars end at {percent_text(_MOST)}." if (rows["leakage"] > _MOST).any() else ""
    missing = table.loc[table["leakage"].isna(), "measure"].map(words)
    unknown = f" Unknown: {layout.name_some(list(missing), 6)}." if len(missing) else ""
    sheet.describe(
        "Leakage: how far source ability alone moves each measure, over how far transfer does."
        f"{cut}{unknown}",
        f"Leakage of {len(names)} measures, {ends}.",
    )
    return axes


@style.house_style()
def functioning(classes: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw one bar per language, split by class and direction of differential functioning.

    Parameters
    ----------
    classes : DataFrame
        As `hatstats.functioning_classes` gives it.
    ax : Axes, optional
        Where to draw; a figure of one column is made if None.

    Returns
    -------
    Axes
        Bars are shares of the items of a language; numbers of items of class C are written.

    Examples
    --------
    >>> import hatstats as hs
    >>> shape = hs.Shape(n_items=20, n_languages=2, n_trials=3)
    >>> table = hs.item_functioning(hs.simulate_study(shape=shape, rng=1))
    >>> ax = hs.plot.functioning(hs.functioning_classes(table))
    """
    several = classes["benchmark"].nunique() > 1
    groups = list(classes.groupby(["benchmark", "language"], sort=False))
    spoken = [english_name(str(name[1])) for name, _ in groups]
    names = [f"{key[0]}, {name}" if several else name
             for (key, _), name in zip(groups, spoken, strict=True)]  # fmt: skip
    label = "Items, by class of differential functioning"
    sheet = _named_bars(ax, names, 0.2, (0.0, 0.25, 0.5, 0.75, 1.0), label)
    (axes,) = sheet.axes
    for row, (_, part) in enumerate(groups):
        start, total = 0.0, float(part["items"].sum())
        for ets, direction, items in part[["ets", "direction", "items"]].to_numpy():
            share = items / total
            axes.barh(row, share, left=start, height=0.66, color=_LOOKS[ets, direction][0],
                      linewidth=0, label=f"_{ets}{direction}")  # fmt: skip
            if ets == "C" and share > 0.04:
                axes.text(start + share / 2, row, str(items), va="center", ha="center",
                          fontsize=style.points(style.TINY), color="white",
                          label="_value")  # fmt: skip
            start += share
    axes.set_xlim(0.0, 1.0)
    seen = classes.groupby(["ets", "direction"])["items"].sum()
    kinds = [(key, look) for key, look in _LOOKS.items() if seen.get(key, 0) > 0]
    sheet.legend([Patch(color=colour, label=name) for _, (colour, name) in kinds])
    sheet.describe(
        "Items by class of differential functioning (A negligible, B moderate, C large) and "
        "direction, by language; numbers: items of class C, where there is room.",
        f"Shares of items in {len(groups)} languages; "
        f"{int(classes.loc[classes['ets'] == 'C', 'items'].sum())} items are of class C.",
    )
    return axes
