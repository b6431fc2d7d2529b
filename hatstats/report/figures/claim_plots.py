"""Figures of claims: estimates under every choice of the analysis, and p values by margin."""

from __future__ import annotations

import textwrap

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from hatstats.report.figures import layout, style
from hatstats.report.tables.rounding import words

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
# Height of a panel of margins, its distance to the next in inches, and the usual level.
_HEIGHT, _APART, _LEVEL = 1.55, 0.75, 0.05


def what_changes(specification: pd.DataFrame) -> Figure:
    """Draw the estimate of each claim under each choice, one panel per claim.

    Parameters
    ----------
    specification : DataFrame
        `claim, choice, estimate, conf_low, conf_high, conf_level, threshold, verdict`, as
        `hatstats.specification_table` gives them. Rows with the first choice are the default
        analysis, whose estimate is drawn through each panel; a row without an estimate is written
        as "not testable".

    Returns
    -------
    Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from hatstats.report import figures
    >>> table = pd.DataFrame({
    ...     "claim": "progress", "choice": ["default", "uniform reference"], "threshold": 0.0,
    ...     "estimate": [0.02, 0.03], "conf_low": [-0.01, 0.0], "conf_high": [0.05, 0.06],
    ...     "conf_level": 0.9, "verdict": ["inconclusive", "supported"],
    ... })
    >>> figure = figures.what_changes(table)
    """
    claims = list(specification["claim"].drop_duplicates())
    choices = list(specification["choice"].drop_duplicates())
    width = style.PAGE if len(claims) > 1 else style.COLUMN
    names = [layout.shorten(str(choice), 44) for choice in choices]
    level = 100.0 * float(specification["conf_level"].iloc[0])
    note = (
        "First row: the default analysis, its estimate drawn through (thin line). Dotted: the "
        f"claim's threshold. Bars: {level:g} % intervals."
    )
    handles = [
        Line2D([], [], label=name, **look.marks(4.0, filled=name != "inconclusive"))
        for name, look in VERDICTS.items()
        if (specification["verdict"] == name).any()
    ]
    with style.house_style():
        left = 0.14 + layout.widest(names, 6.0)
        gap, top, height = 0.14, 0.37, 0.165 * len(choices) + 0.08
        side = (width - left - 0.1 - gap * (len(claims) - 1)) / len(claims)
        figure = layout.new_figure(width, top + height)
        for index, claim in enumerate(claims):
            axes = layout.add_axes(figure, left + index * (side + gap), top, side, height)
            _claim_panel(axes, specification[specification["claim"] == claim], choices)
            lines = textwrap.wrap(words(claim), max(int(side * 16), 8))[:2]
            axes.set_title("\n".join(lines), fontsize=6.5, pad=3, loc="left")
            layout.name_rows(axes, names if index == 0 else [""] * len(names), 6.0)
        layout.write_under(figure, handles, note)
    return figure


def _claim_panel(axes: Axes, rows: pd.DataFrame, choices: list[object]) -> None:
    """Draw one claim: `rows` of the specification table, `choices` from top to bottom."""
    for value in rows.loc[rows["choice"] == choices[0], "estimate"].dropna()[:1]:
        axes.axvline(value, color=style.BAND, linewidth=1.0, label="_default")
    for value in rows["threshold"].dropna()[:1]:
        axes.axvline(
            value, color=style.INK, linewidth=0.7, linestyle=style.DOTTED, label="_threshold"
        )
    rows = rows.assign(height=rows["choice"].map(choices.index).astype(float))
    drawn = rows[rows["estimate"].notna()]
    for verdict, own in drawn.groupby("verdict", sort=False):
        look = VERDICTS[str(verdict)]
        marks = look.marks(3.6, filled=verdict != "inconclusive")
        axes.hlines(
            own["height"], own["conf_low"], own["conf_high"], color=look.colour, linewidth=1.0
        )
        axes.plot(own["estimate"], own["height"], label="_estimate", **marks)
    for height in rows.loc[rows["estimate"].isna(), "height"]:
        axes.text(0.5, height, "not testable", transform=axes.get_yaxis_transform(), fontsize=5.5,
                  color=style.MUTED, ha="center", va="center", label="_not testable")  # fmt: skip
    axes.set_ylim(len(choices) - 0.4, -0.6)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.grid(True)
    axes.tick_params(axis="x", labelsize=5.8)


def margin_curve(margins: pd.DataFrame) -> Figure:
    """Draw one panel per claim: adjusted one-sided p against the margin, coloured by the verdict.

    Parameters
    ----------
    margins : DataFrame
        `claim, margin, p_holm, verdict, registered`, as `hatstats.margin_curves` gives them.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from hatstats.report import figures
    >>> margins = pd.DataFrame({
    ...     "claim": "not_broken", "margin": [0.02, 0.05, 0.1], "p_holm": [0.3, 0.1, 0.01],
    ...     "verdict": ["inconclusive", "inconclusive", "supported"], "registered": 0.05,
    ... })
    >>> figure = figures.margin_curve(margins)
    """
    claims = list(margins.groupby("claim", sort=False))
    with style.house_style():
        figure = layout.new_figure(style.COLUMN, 0.1 + (_HEIGHT + _APART) * len(claims))
        for index, (claim, rows) in enumerate(claims):
            top = 0.3 + index * (_HEIGHT + _APART)
            axes = layout.add_axes(figure, 0.55, top, style.COLUMN - 0.75, _HEIGHT)
            axes.set_title(words(claim), loc="left", fontsize=7)
            _margin_panel(axes, rows)
    return figure


def _margin_panel(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the p values of one claim, on a log scale, by margin in accuracy."""
    axes.plot(rows["margin"], rows["p_holm"], color=style.BAND, linewidth=0.8, label="_curve")
    for verdict, part in rows.groupby("verdict", sort=False):
        dots = style.Look(str(verdict), VERDICTS[str(verdict)].colour, "o")
        axes.plot(part["margin"], part["p_holm"], label=dots.label, **dots.marks(2.1))
    axes.axhline(_LEVEL, color=style.INK, linewidth=0.7, linestyle=style.DOTTED, label="_level")
    for margin in rows.loc[rows["registered"].astype(bool), "margin"]:
        axes.axvline(margin, color=style.MUTED, linewidth=0.7, label="_registered")
        axes.annotate("registered", (margin, 1.0), xycoords=("data", "axes fraction"),
                      xytext=(1.5, -3.0), textcoords="offset points", rotation=90.0, va="top",
                      fontsize=5.5, color=style.MUTED)  # fmt: skip
    low = min(float(rows["p_holm"].min()) / 1.5, 0.03)
    axes.set_yscale("log")
    axes.set_ylim(low, 1.0)
    ticks = [tick for tick in (0.001, 0.01, 0.05, 0.2, 1.0) if tick >= low]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.set_xlim(0.0, float(rows["margin"].max()))
    axes.set_xlabel("Margin (accuracy)")
    axes.set_ylabel("One-sided p")
    axes.legend(loc="upper right", fontsize=6, handletextpad=0.2)
