"""Scores against a covariate of the models (size, release date), with the fitted trend."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from hatstats.report.figures.legends import (
    family_handles,
    legend_height,
    legend_under,
    note_height,
    note_under,
    wrapped,
)
from hatstats.report.figures.point_labels import label_points, mark_boxes
from hatstats.report.figures.style import (
    BAND,
    COLUMN,
    PAPER,
    RULE,
    TREND,
    Look,
    add_axes,
    axes_box,
    family_looks,
    house_style,
    look_of,
    name_some,
    new_figure,
    shorten,
)
from hatstats.report.tables.rounding import parameters_text

#: Up to this number of models, those that are weakly identified get their wide bars too.
MOST_WIDE_BARS = 60


@dataclass(frozen=True, slots=True)
class Across:
    """The covariate of a figure of scores: a column of the scores and how to draw its axis."""

    column: str
    label: str
    unknown: str
    log: bool = False


SIZE = Across("params_total", "Total parameters (log scale)", "size undisclosed", log=True)
DATE = Across("release_year", "Release date", "release date unknown")


def hat_against_size(scores: pd.DataFrame, curve: pd.DataFrame | None = None) -> Figure:
    """Draw HAT against total parameters on a log axis. See :func:`scores_against`."""
    return scores_against(scores, SIZE, curve)


def hat_against_date(scores: pd.DataFrame, curve: pd.DataFrame | None = None) -> Figure:
    """Draw HAT against release date. See :func:`scores_against`."""
    return scores_against(scores, DATE, curve)


def scores_against(
    scores: pd.DataFrame, across: Across, curve: pd.DataFrame | None = None
) -> Figure:
    """Draw scores against a covariate of the models with the fitted trend and its band.

    Parameters
    ----------
    scores : DataFrame
        Columns `model, family, estimate, conf_low, conf_high, conf_level, informed` and the
        covariate. Models without the covariate are drawn in a margin strip at the right and
        named in a note, not dropped.
    across : Across
        The covariate.
    curve : DataFrame, optional
        Columns `x, estimate, conf_low, conf_high` in the units of the covariate. Without it the
        note says that no trend could be fitted.

    Returns
    -------
    Figure
    """
    known = scores[scores[across.column].notna()]
    unknown = scores[scores[across.column].isna()].sort_values("model", ignore_index=True)
    looks = family_looks(scores["family"])
    handles = family_handles(looks.values())
    crowded = len(scores) > MOST_WIDE_BARS
    strip, apart = (0.42, 0.1) if len(unknown) else (0.0, 0.0)
    left, top, height, under = 0.5, 0.08, 2.25, 0.42
    boxes = [(left, top, COLUMN - left - 0.1 - strip - apart, height)]
    boxes += [(COLUMN - 0.06 - strip, top, strip, height)] if len(unknown) else []
    with house_style():
        figure = new_figure(COLUMN, 3.6)
        axes, *margin = [add_axes(figure, *box) for box in boxes]
        if curve is not None:
            _trend_line(axes, curve)
        x = known[across.column].to_numpy(float)
        _score_points(axes, known, x, looks, crowded)
        axes.set_ylabel("HAT score")
        axes.set_xlabel(across.label)
        axes.yaxis.grid(True)
        _score_limits(axes, scores, curve)
        _covariate_axis(axes, x, across)
        for strip_axes in margin:
            _margin_strip(strip_axes, unknown, looks, axes, crowded)
        unnamed = len(known) - len(_label_models(axes, known, across.column, curve))
        lines = wrapped(
            _trend_notes(known, unknown, across, curve is not None, unnamed), COLUMN - 0.2
        )
        # Only now is it known how long the note is.
        legend_top = top + height + under
        note_top = legend_top + legend_height(handles, COLUMN) + 0.05
        figure.set_size_inches(COLUMN, note_top + note_height(lines) + 0.04)
        for part, box in zip((axes, *margin), boxes, strict=True):
            part.set_position(axes_box(figure, *box))
        legend_under(figure, handles, legend_top)
        note_under(figure, lines, note_top)
    return figure


def _label_models(
    axes: Axes, rows: pd.DataFrame, column: str, curve: pd.DataFrame | None = None
) -> list[Text]:
    """Name the models beside their points as far as there is room."""
    x, y, low, high = (
        rows[name].to_numpy(float) for name in (column, "estimate", "conf_low", "conf_high")
    )
    bottom, top = axes.get_ylim()
    bars = mark_boxes(axes, x, np.maximum(low, bottom), np.minimum(high, top))
    if curve is not None:
        line = curve[["x", "estimate"]].to_numpy(float)
        steps = np.linspace(0.0, len(line) - 1.0, 200)
        line_x, line_y = (np.interp(steps, np.arange(len(line)), side) for side in line.T)
        bars += mark_boxes(axes, line_x, line_y, line_y, half_width=0.6)
    names = [shorten(str(name), 24) for name in rows["model"]]
    return label_points(axes, x, y, names, obstacles=bars, size=5.0)


def _trend_line(axes: Axes, curve: pd.DataFrame) -> None:
    """Draw the fitted trend with its band."""
    x = curve["x"].to_numpy(float)
    axes.fill_between(
        x, curve["conf_low"], curve["conf_high"], color=BAND, alpha=0.55, linewidth=0, label="_band"
    )
    axes.plot(x, curve["estimate"], color=TREND, linewidth=1.2, label="_trend")


def _score_points(
    axes: Axes, rows: pd.DataFrame, x: np.ndarray, looks: dict[str, Look], crowded: bool
) -> None:
    """Draw points at `x`, shape (n,), with error bars in the look of their family."""
    names = [look_of(looks, family).label for family in rows["family"]]
    for (_, informed), own in rows.assign(x=x).groupby([names, rows["informed"]], sort=False):
        look = look_of(looks, own["family"].iloc[0])
        lengths = [own["estimate"] - own["conf_low"], own["conf_high"] - own["estimate"]]
        drawn = axes.errorbar(
            own["x"],
            own["estimate"],
            yerr=lengths if informed or not crowded else None,
            color=look.colour,
            marker=look.marker,
            markersize=3.4,
            markerfacecolor=look.colour if informed else PAPER,
            markeredgewidth=0.7,
            elinewidth=0.7,
            linestyle="",
            label="_model",
        )
        if not informed and not crowded:
            for line in drawn.lines[2]:
                line.set_linestyle((0, (2.0, 1.2)))


def _score_limits(axes: Axes, scores: pd.DataFrame, curve: pd.DataFrame | None) -> None:
    """Set the vertical limits by the informed models and the line, so that none is flattened."""
    clear = scores[scores["informed"]] if scores["informed"].any() else scores
    ends = [clear["conf_low"].min(), clear["conf_high"].max()]
    ends += [scores["estimate"].min(), scores["estimate"].max()]
    if curve is not None:
        ends += [curve["estimate"].min(), curve["estimate"].max()]
    low, high = float(np.nanmin(ends)), float(np.nanmax(ends))
    room = 0.06 * (high - low or 1.0)
    axes.set_ylim(low - room, high + room)


def _covariate_axis(axes: Axes, x: np.ndarray, across: Across) -> None:
    """Scale the horizontal axis and write its ticks."""
    if across.log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: parameters_text(value)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        if len(x):
            axes.set_xlim(x.min() / 1.6, x.max() * 1.6)
        return
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: year_text(value)))
    if len(x):
        room = 0.08 * (x.max() - x.min() or 1.0)
        low, high = x.min() - room, x.max() + room
        axes.set_xlim(low, high)
        axes.xaxis.set_major_locator(FixedLocator(_year_ticks(low, high)))


def _year_ticks(low: float, high: float) -> list[float]:
    """Ticks at years, half years, quarters or months: the coarsest that gives at least three."""
    for step in (1.0, 0.5, 0.25, 1.0 / 12.0):
        first, last = int(np.ceil(low / step)), int(np.floor(high / step))
        if last - first >= 2:
            ticks = [index * step for index in range(first, last + 1)]
            return ticks[:: int(np.ceil(len(ticks) / 6))]
    return [low, high]


def year_text(value: float) -> str:
    """Write a decimal year as year and month."""
    months = round(value * 12.0)
    return f"{months // 12}-{months % 12 + 1:02d}"


def _margin_strip(
    margin: Axes, rows: pd.DataFrame, looks: dict[str, Look], axes: Axes, crowded: bool
) -> None:
    """Draw the models without the covariate in a strip at the right, in the same units of HAT."""
    order = rows.sort_values("estimate", kind="stable")
    spread = np.resize([0.3, 0.5, 0.7], len(order))
    _score_points(margin, order, spread, looks, crowded)
    margin.set_xlim(0, 1)
    margin.set_ylim(axes.get_ylim())
    margin.set_yticks([])
    margin.set_xticks([0.5], ["unknown"])
    margin.tick_params(axis="x", length=0)
    margin.spines["left"].set_linestyle((0, (2, 2)))
    margin.spines["left"].set_color(RULE)


def _trend_notes(
    known: pd.DataFrame, unknown: pd.DataFrame, across: Across, fitted: bool, unnamed: int
) -> str:
    """Say what the figure shows, and which models lack the covariate."""
    rows = pd.concat([known, unknown])
    level = 100.0 * float(rows["conf_level"].iloc[0])
    parts = [
        f"Bars and band: {level:g} % intervals." if fitted else f"Bars: {level:g} % intervals."
    ]
    if not fitted:
        parts.append("No trend could be fitted.")
    if not rows["informed"].all():
        bar = (
            "drawn without its bar" if len(rows) > MOST_WIDE_BARS else "its bar may leave the frame"
        )
        parts.append(f"Hollow: weakly identified; {bar}.")
    if unnamed and unnamed == len(known):
        parts.append("There is no room for names.")
    elif unnamed:
        parts.append(f"{unnamed} of {len(known)} points have no room for a name.")
    if len(unknown):
        all_names = [shorten(str(name), 32) for name in unknown["model"]]
        names = name_some(all_names, 12 if len(all_names) <= 12 else 6)
        parts.append(f"In the margin, {across.unknown} ({len(unknown)}): {names}.")
    return " ".join(parts)
