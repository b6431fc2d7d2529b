"""Claims against their thresholds, and their p values by margin."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Hashable
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from hatstats.report.figures import layout, style
from hatstats.report.results.plotted import Claims, claim_rows, needed
from hatstats.report.tables.rounding import term_words, words

#: Look of each verdict; a marker of what is inconclusive is hollow.
VERDICTS = {
    name: style.Look(name, colour, marker)
    for name, colour, marker in (
        ("supported", "#0072b2", "o"),
        ("refuted", "#d55e00", "X"),
        ("inconclusive", style.MUTED, "o"),
        ("not testable", style.MUTED, "x"),
    )
}
_LEVEL = 0.05


def verdict_look(verdict: object) -> style.Look:
    """Look of a verdict; one that is not known looks like what cannot be tested."""
    return VERDICTS.get(str(verdict), VERDICTS["not testable"])


def verdict_handles(verdicts: pd.Series) -> list[Line2D]:
    """Legend handles of the verdicts that occur."""
    return [
        Line2D([], [], label=name, **look.marks(style.points(0.5), filled=name != "inconclusive"))
        for name, look in VERDICTS.items()
        if (verdicts == name).any()
    ]


@style.house_style()
def claims(verdicts: Claims, *, ax: layout.Given = None) -> list[Axes]:
    """Draw each claim's estimate and interval against its threshold, coloured by the verdict.

    Parameters
    ----------
    verdicts : Verdicts, Verdict or DataFrame
        A frame has `claim` (or `name`), `estimate, conf_low, conf_high, threshold, verdict`, and
        optionally `statement, quantity, conf_level, direction` (``greater`` or ``less``). With a
        column `study`, one claim is compared over studies; it needs `other_verdict, other_low,
        other_high`, the verdict and interval in the other scope, too.
    ax : Axes or sequence of Axes, optional
        One for each claim; a figure of one column is made if None.

    Returns
    -------
    list of Axes
        One strip for each claim, with a line for each study if there are several, each in its own
        units; where nothing was estimated it says so.

    Examples
    --------
    >>> import pandas as pd
    >>> import hatstats as hs
    >>> table = pd.DataFrame({
    ...     "claim": ["progress"], "estimate": 0.02, "conf_low": -0.01, "conf_high": 0.05,
    ...     "threshold": 0.0, "verdict": "inconclusive",
    ... })
    >>> (ax,) = hs.plot.claims(table)
    """
    rows = claim_rows(verdicts)
    if "study" in rows:
        return _over_studies(rows, ax)
    said = rows.get("statement", pd.Series("", rows.index)).fillna("")
    texts = [
        layout.capital(text.rstrip(".") or words(name))
        for text, name in zip(said, rows["claim"], strict=True)
    ]
    sheet = layout.sheet(ax, [textwrap.fill(text, 50) for text in texts], height=0.92)
    for axes, row in zip(sheet.axes, rows.to_dict("records"), strict=True):
        _claim_strip(axes, row)
    sheet.legend(verdict_handles(rows["verdict"]))
    level = f"Bars: {layout.percent(float(rows['conf_level'].iloc[0]))} intervals. " if (
        "conf_level" in rows) else ""  # fmt: skip
    side = "Shaded: the side that is claimed. " if "direction" in rows else ""
    unknown = int(rows["conf_low"].isna().sum())
    none = f" {unknown} without an interval: too few degrees of freedom." if unknown else ""
    sheet.describe(
        f"Claims: estimate against the threshold (dotted), each in its own units. "
        f"{side}{level}A filled mark is a verdict, a hollow one is inconclusive.{none}",
        "Claims: " + "; ".join(
            f"{text}: {verdict}" for text, verdict in zip(texts, rows["verdict"], strict=True)
        ) + ".",
    )  # fmt: skip
    return sheet.axes


def _over_studies(rows: pd.DataFrame, ax: layout.Given) -> list[Axes]:
    """One panel for each claim, with a line for each study in the order of the rows."""
    studies, names = (list(dict.fromkeys(rows[column])) for column in ("study", "claim"))
    titles = [layout.capital(words(name)) for name in names]
    sheet = layout.sheet(ax, titles, height=0.19 * len(studies) + 0.4, wide=len(names) > 1,
                         columns=min(2, len(names)))  # fmt: skip
    for axes, name in zip(sheet.axes, names, strict=True):
        own = rows[rows["claim"] == name]
        for threshold in own["threshold"].dropna().unique():
            axes.axvline(threshold, color=style.INK,
                         linewidth=style.points(0.1), linestyle=style.DOTTED,
                         label="_threshold")  # fmt: skip
        for row in own.to_dict("records"):
            height = studies.index(row["study"])
            for scope, column, below, width in (("conf", "verdict", -0.13, 0.2),
                                              ("other", "other_verdict", 0.23, 0.1)):  # fmt: skip
                verdict = row[column]
                look, ends = verdict_look(verdict), [row[f"{scope}_low"], row[f"{scope}_high"]]
                axes.plot(ends, [height + below] * 2, color=look.colour, label=f"_{scope}",
                          linewidth=width * style.points())  # fmt: skip
                if verdict:
                    marks = look.marks(
                        3.0 * width * style.points(), filled=verdict != "inconclusive"
                    )
                    axes.plot([row["estimate"]], [height + below], label="_estimate", **marks)
            if row["verdict"] == "not testable" == (row["other_verdict"] or "not testable"):
                axes.text(0.5, height, "not testable", transform=axes.get_yaxis_transform(),
                          ha="center", va="center", color=style.MUTED, backgroundcolor=style.PAPER,
                          fontsize=style.points(style.TINY), label="_not testable")  # fmt: skip
        layout.name_rows(axes, [layout.shorten(str(study), 24) for study in studies])
        axes.set_ylim(len(studies) - 0.4, -0.6)
        axes.xaxis.grid(True)
    sheet.legend(verdict_handles(rows["verdict"]))
    verdicts = rows.groupby(["claim", "verdict"]).size().reset_index().to_numpy().tolist()
    sheet.describe(
        "Claims in several studies: estimate against the threshold (dotted), each claim in its own "
        "units. Thick: interval and verdict in the scope claimed (hollow: inconclusive); thin, "
        "below it: those in the other scope.",
        f"{len(names)} claims in {len(studies)} studies: " + "; ".join(
            f"{words(name)} {verdict} in {count}" for name, verdict, count in verdicts
        ) + ".",
    )  # fmt: skip
    return sheet.axes


def _claim_strip(axes: Axes, row: dict[Hashable, Any]) -> None:
    """Draw one claim: interval, estimate and threshold on a line."""
    look, inconclusive = verdict_look(row["verdict"]), row["verdict"] == "inconclusive"
    estimate, low, high, threshold = (
        float(row[name]) for name in ("estimate", "conf_low", "conf_high", "threshold")
    )
    axes.set_yticks([])
    axes.set_ylim(-1, 1)
    axes.spines["left"].set_visible(False)
    if not math.isnan(threshold):
        axes.axvline(threshold, color=style.INK, linewidth=style.points(0.1),
                     linestyle=style.DOTTED, label="_threshold")  # fmt: skip
    if not math.isnan(estimate):
        axes.plot([low, high], [0, 0], color=look.colour,
                  linewidth=0.2 * style.points(), solid_capstyle="butt",
                  label="_interval")  # fmt: skip
        marks = look.marks(style.points(0.75), filled=not inconclusive)
        (mark,) = axes.plot([estimate], [0], label="_estimate", **marks)
        layout.tip(
            mark,
            [
                f"{words(row['claim'])}: {estimate:.3f} [{low:.3f}, {high:.3f}]"
                if low == low
                else f"{words(row['claim'])}: {estimate:.3f}"
            ],
        )
        if math.isnan(low):
            axes.annotate("no interval", (estimate, 0), xytext=(0, style.points(0.6)),
                          textcoords="offset points", ha="center", color=style.MUTED,
                          fontsize=style.points(style.TINY), label="_no interval")  # fmt: skip
    else:
        axes.text(0.5, 0.5, "not testable", transform=axes.transAxes, ha="center", va="center",
                  color=style.MUTED, label="_not testable")  # fmt: skip
    axes.margins(x=0.15)
    if not math.isnan(threshold) and row.get("direction") in ("greater", "less"):
        left, right = axes.get_xlim()
        claimed = (threshold, right) if row["direction"] == "greater" else (left, threshold)
        axes.axvspan(*claimed, color=style.RULE, linewidth=0, zorder=0.5, label="_claimed")
        axes.set_xlim(left, right)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    quantity = layout.capital(term_words(str(row.get("quantity") or "")).partition(" (")[0])
    axes.set_xlabel(textwrap.fill(quantity, 54),
                    fontsize=style.points(style.TINY), color=style.MUTED)  # fmt: skip


@style.house_style()
def margins(table: pd.DataFrame, *, ax: layout.Given = None) -> list[Axes]:
    """Draw one panel per claim: adjusted one-sided p against the margin, coloured by the verdict.

    Parameters
    ----------
    table : DataFrame
        `claim, margin, p_holm, verdict, registered`, as `hatstats.margin_curves` gives them.
    ax : Axes or sequence of Axes, optional
        One for each claim; a figure of one column is made if None.

    Returns
    -------
    list of Axes

    Examples
    --------
    >>> import pandas as pd
    >>> import hatstats as hs
    >>> table = pd.DataFrame({
    ...     "claim": "not_broken", "margin": [0.02, 0.05, 0.1], "p_holm": [0.3, 0.1, 0.01],
    ...     "verdict": ["inconclusive", "inconclusive", "supported"], "registered": 0.05,
    ... })
    >>> (ax,) = hs.plot.margins(table)
    """
    needed(table, ("claim", "margin", "p_holm", "verdict", "registered"), "margins")
    groups = list(table.groupby("claim", sort=False))
    labels = ("Margin (accuracy)", "One-sided p")
    sheet = layout.sheet(
        ax, [layout.capital(words(name)) for name, _ in groups], height=1.9, labels=labels
    )
    for axes, (_, rows) in zip(sheet.axes, groups, strict=True):
        _margin_panel(axes, rows)
    sheet.legend(verdict_handles(table["verdict"]))
    names = ", ".join(words(name) for name, _ in groups)
    sheet.describe(
        "One-sided p of each claim of non-inferiority, adjusted for all claims tested, for every "
        f"margin. Dotted: p = {_LEVEL:g}; thin line: the margin claimed.",
        f"P values of {len(groups)} claim{'s' if len(groups) > 1 else ''} ({names}) by margin, "
        f"from {table['p_holm'].max():.3f} to {table['p_holm'].min():.2g}.",
    )
    return sheet.axes


def _margin_panel(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the p values of one claim, on a log scale, by margin in accuracy."""
    axes.plot(
        rows["margin"],
        rows["p_holm"],
        color=style.BAND,
        linewidth=style.points(0.1),
        label="_curve",
    )
    for verdict, part in rows.groupby("verdict", sort=False):
        look = verdict_look(verdict)
        dots = look.marks(style.points(0.3), filled=verdict != "inconclusive")
        axes.plot(part["margin"], part["p_holm"], label=f"_{verdict}", **dots)
    axes.axhline(
        _LEVEL,
        color=style.INK,
        linewidth=style.points(0.09),
        linestyle=style.DOTTED,
        label="_level",
    )
    for margin in rows.loc[rows["registered"].astype(bool), "margin"]:
        axes.axvline(margin, color=style.MUTED, linewidth=style.points(0.09), label="_registered")
    low = min(float(rows["p_holm"].min()) / 1.5, 0.03)
    axes.set_yscale("log")
    axes.set_ylim(low, 1.15)
    ticks = [tick for tick in (0.001, 0.01, 0.05, 0.2, 1.0) if tick >= low]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    # The last mark is drawn whole.
    axes.set_xlim(0.0, 1.03 * float(rows["margin"].max()))
