"""The specification curve: a claim's estimates under every choice, sorted, over their choices."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from hatstats.errors import DataError
from hatstats.report.figures import layout, style
from hatstats.report.figures.claim_plots import verdict_handles, verdict_look
from hatstats.report.results.plotted import needed
from hatstats.report.tables.rounding import term_words, words

#: Fields of a specification that may differ between analyses, in the order of the matrix.
FIELDS = ("estimator", "stages", "slope", "correlation", "reference", "scope", "link", "chance",
          "size", "vcov", "flagged", "without")  # fmt: skip
#: More rows than this, and what was left out is named by its kind alone.
_MOST_ROWS = 26
_NAMES = {"vcov": "errors", "without": "left out", "slope": "slope", "flagged": "flagged cells"}
_ROW = 0.125
#: Intervals of more than so many times the median width do not set the frame.
_WIDE = 4.0


@style.house_style()
def specification(
    table: pd.DataFrame, claim: str | None = None, *, ax: Sequence[Axes] | None = None
) -> list[Axes]:
    """Draw a specification curve: sorted estimates of a claim, below them the choices of each.

    Parameters
    ----------
    table : DataFrame
        As `hatstats.specification_table` gives it; its first rows are the default analysis.
        With columns `statement` and `quantity`, these are the title and what the axis shows.
    claim : str, optional
        Which claim; needed where the table has several.
    ax : sequence of two Axes, optional
        For the estimates and for the matrix of choices; a figure is made if None.

    Returns
    -------
    list of Axes
        Estimates with intervals, coloured by the verdict, and a matrix with a row for each option
        of the choices that differ. An analysis that gives no estimate is left out, and counted in
        the caption.

    Raises
    ------
    DataError
        If the table has several claims and none is named, or not the one named.

    Examples
    --------
    >>> import pandas as pd
    >>> import hatstats as hs
    >>> table = pd.DataFrame({
    ...     "claim": "progress", "choice": ["default", "uniform reference"], "threshold": 0.0,
    ...     "estimate": [0.02, 0.03], "conf_low": [-0.01, 0.0], "conf_high": [0.05, 0.06],
    ...     "conf_level": 0.9, "verdict": ["inconclusive", "supported"],
    ... })
    >>> curve, matrix = hs.plot.specification(table)
    """
    needed(table, ("claim", "choice", "estimate", "conf_low", "conf_high", "verdict"), "choices")
    rows = _of_claim(table, claim)
    name, default = str(rows["claim"].iloc[0]), rows["choice"].iloc[0]
    known = rows[rows["estimate"].notna()].sort_values("estimate", kind="stable")
    known = known.reset_index(drop=True)
    options = _options(known, default)
    if ax is None:
        heights = (1.5, _ROW * max(len(options), 1) + 0.1)
        scale = style.preset().page / style.PRESETS["acl"].page
        figure = layout.new_figure(style.preset().page, scale * (sum(heights) + 0.2))
        axes = list(figure.subplots(2, 1, sharex=True, height_ratios=heights))
    else:
        axes = list(ax)
    if len(axes) != 2:
        hint = "give two, for estimates and choices, or none."
        raise DataError("a specification curve has two panels", column="ax", hint=hint)
    curve, matrix = axes
    _draw_curve(curve, known, default)
    first = known.iloc[0] if len(known) else rows.iloc[0]
    said = layout.capital(str(first.get("statement") or words(name)).rstrip("."))
    curve.set_title(textwrap.fill(said, 84))
    quantity = term_words(str(first.get("quantity") or "estimate")).partition(" (")[0]
    curve.set_ylabel(
        textwrap.fill(layout.capital(quantity), 24), fontsize=style.points(style.SMALL)
    )
    shade, field = False, ""
    for row, (text, chosen) in enumerate(options):
        # Every other choice has a faint ground, so that its options are seen to belong together.
        before, field = field, text.partition(":")[0]
        shade = shade ^ (field != before and ":" in text)
        if shade:
            matrix.axhspan(row - 0.5, row + 0.5, color=style.RULE, alpha=0.45, linewidth=0)
        spots = np.flatnonzero(chosen)
        matrix.plot(np.arange(len(known)), np.full(len(known), row), linestyle="", marker="|",
                    markersize=style.points(0.45), color=style.RULE, zorder=1.0)  # fmt: skip
        colours = [verdict_look(known["verdict"].iloc[spot]).colour for spot in spots]
        matrix.scatter(spots, np.full(len(spots), row), c=colours, marker="s",
                       s=style.points(0.36) ** 2, linewidths=0, label="_chosen")  # fmt: skip
    layout.name_rows(matrix, [layout.shorten(text, 34) for text, _ in options], share=0.72)
    matrix.set_ylim(len(options) - 0.4, -0.6)
    matrix.set_xticks([])
    matrix.spines["bottom"].set_visible(False)
    sheet = layout.Sheet(axes, ax is None)
    sheet.legend(verdict_handles(known["verdict"]))
    sheet.describe(*_said(said, rows, known, curve.get_ylim()))
    return axes


def _of_claim(table: pd.DataFrame, claim: str | None) -> pd.DataFrame:
    """Rows of one claim."""
    names = list(dict.fromkeys(table["claim"]))
    if claim is None and len(names) == 1:
        return table
    if claim not in names:
        raise DataError(
            "the table has several claims" if claim is None else "the table has no such claim",
            column="claim", value=claim,
            hint=f"name one of {', '.join(map(str, names))}.",
        )  # fmt: skip
    return table[table["claim"] == claim]


def _options(rows: pd.DataFrame, default: object) -> list[tuple[str, np.ndarray]]:
    """Options of the choices that differ, and which rows (n,) took each."""
    # The options of the default analysis come first.
    rows = rows.assign(spot=np.arange(len(rows)), later=rows["choice"] != default)
    rows = rows.sort_values("later", kind="stable")
    found = _by_field(rows, whole=True)
    if len(found) > _MOST_ROWS:
        found = _by_field(rows, whole=False)
    if found:
        back = np.argsort(rows["spot"].to_numpy())
        return [(text, chosen[back]) for text, chosen in found]
    rows = rows.sort_values("spot")
    # Without its fields a choice is known by its name alone.
    return [(str(name), (rows["choice"] == name).to_numpy()) for name in rows["choice"]]


def _by_field(rows: pd.DataFrame, *, whole: bool) -> list[tuple[str, np.ndarray]]:
    """Options by field; of what was left out the kind alone unless `whole`."""
    found = []
    for field in (name for name in FIELDS if name in rows):
        values = rows[field]
        if field == "without":
            values = values if whole else values.str.partition(":")[0]
            values = values.str.replace(":", " ").mask(values == "", "nothing")
        elif field == "flagged":
            values = values.map({True: "used", False: "left out"})
        elif field == "slope":
            values = values.map(lambda slope: "estimated" if np.isnan(slope) else f"{slope:g}")
        elif field == "correlation":
            values = values.map("{:g}".format)
        texts = values.astype(str)
        if texts.nunique() > 1:
            label = _NAMES.get(field, field)
            found += [
                (f"{label}: {one}", (texts == one).to_numpy()) for one in dict.fromkeys(texts)
            ]
    return found


def _draw_curve(axes: Axes, rows: pd.DataFrame, default: object) -> None:
    """Draw sorted estimates with intervals, the threshold, and the default analysis marked."""
    for value in rows.get("threshold", pd.Series(dtype=float)).dropna()[:1]:
        axes.axhline(value, color=style.INK, linewidth=style.points(0.09), linestyle=style.DOTTED,
                     label="_threshold")  # fmt: skip
    for verdict, own in rows.groupby("verdict", sort=False):
        look = verdict_look(verdict)
        axes.vlines(own.index, own["conf_low"], own["conf_high"], color=look.colour,
                    linewidth=0.09 * style.points(), alpha=0.8)  # fmt: skip
        marks = look.marks(style.points(0.4), filled=verdict != "inconclusive")
        (dots,) = axes.plot(own.index, own["estimate"], label="_estimate", **marks)
        layout.tip(dots, layout.score_tips(own.rename(columns={"choice": "model"})))
    for spot in rows.index[rows["choice"] == default]:
        axes.axvline(spot, color=style.BAND, linewidth=0.5 * style.points(), zorder=0.5,
                     label="_default")  # fmt: skip
    axes.set_xlim(-0.7, len(rows) - 0.3)
    # Intervals far wider than most would flatten all others.
    width = rows["conf_high"] - rows["conf_low"]
    usual = rows[~(width > _WIDE * width.median())]
    ends = [rows["estimate"], usual["conf_low"], usual["conf_high"], rows.get("threshold")]
    drawn = pd.concat([part for part in ends if part is not None])
    low, high = float(drawn.min()), float(drawn.max())
    axes.set_ylim(low - 0.05 * (high - low or 1.0), high + 0.05 * (high - low or 1.0))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.grid(True)
    axes.tick_params(axis="x", length=0, labelbottom=False)
    axes.spines["bottom"].set_visible(False)


def _said(
    claim: str, rows: pd.DataFrame, known: pd.DataFrame, frame: tuple[float, float]
) -> tuple[str, str]:
    """Caption and alternative text of what is drawn."""
    counts = known["verdict"].value_counts()
    shares = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    level = layout.percent(float(rows["conf_level"].iloc[0]))
    said = (
        f"{claim}: estimates under {len(known)} analyses, sorted, over the "
        f"choices of each. Grey bar: the default analysis. Dotted: the claim's threshold. Bars: "
        f"{level} intervals. Analyses by verdict: {shares}; they are not independent, and a share "
        "is no probability."
    )
    if known["conf_low"].isna().any():
        said += " Without a bar: no interval."
    if ((known["conf_low"] < frame[0]) | (known["conf_high"] > frame[1])).any():
        said += " Far wider intervals are cut at the frame."
    unknown = len(rows) - len(known)
    if unknown:
        said += f" {unknown} more {'gives' if unknown == 1 else 'give'} no estimate."
    low, high = known["estimate"].min(), known["estimate"].max()
    alt = f"{claim}: estimates under {len(known)} analyses, from {low:.3f} to {high:.3f}."
    return said, f"{alt} By verdict: {shares}."
