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
    legend_height,
    legend_under,
    note_height,
    note_under,
    wrapped,
)
from hatstats.report.figures.point_labels import mark_boxes, place_labels
from hatstats.report.figures.style import (
    BAND,
    COLUMN,
    PAPER,
    RULE,
    TREND,
    Look,
    add_axes,
    family_looks,
    house_style,
    look_of,
    name_some,
    new_figure,
    shorten,
)
from hatstats.report.tables.rounding import parameters_text

#: Up to so many models, those that are weakly identified get their wide bars too.
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
    strip, apart = (0.42, 0.1) if len(unknown) else (0.0, 0.0)
    left, height, under = 0.5, 2.25, 0.42
    with house_style():
        legend = legend_height(COLUMN, list(looks.values()), 0.1)
        figure = new_figure(COLUMN, 3.6)
        axes = add_axes(figure, left, 0.08, COLUMN - left - 0.1 - strip - apart, height)
        _trend_line(axes, curve)
        crowded = _crowded(scores)
        _score_points(axes, known, known[across.column].to_numpy(float), looks, crowded)
        axes.set_ylabel("HAT score")
        axes.set_xlabel(across.label)
        axes.yaxis.grid(True)
        _score_limits(axes, scores, curve)
        _covariate_axis(axes, known[across.column].to_numpy(float), across)
        margin = None
        if len(unknown):
            margin = add_axes(figure, COLUMN - 0.06 - strip, 0.08, strip, height)
            _margin_strip(margin, unknown, looks, axes, crowded)
        drawn = len(place_names(axes, known, across.column, curve))
        notes = _trend_notes(known, unknown, across, curve is not None, len(known) - drawn)
        lines = wrapped(notes, COLUMN - 0.2)
        total = 0.08 + height + under + legend + 0.05 + note_height(lines) + 0.04
        figure.set_size_inches(COLUMN, total)
        for part, x, wide in (
            (axes, left, COLUMN - left - 0.1 - strip - apart),
            (margin, COLUMN - 0.06 - strip, strip),
        ):
            if part is not None:
                part.set_position(
                    (x / COLUMN, 1 - (0.08 + height) / total, wide / COLUMN, height / total)
                )
        legend_under(figure, list(looks.values()), 0.08 + height + under, 0.1)
        note_under(figure, lines, 0.08 + height + under + legend + 0.05, 0.1)
    return figure


def place_names(
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
        at = np.linspace(0.0, len(line) - 1.0, 200)
        along = [np.interp(at, np.arange(len(line)), side) for side in line.T]
        bars += mark_boxes(axes, along[0], along[1], along[1], half_width=0.6)
    names = [shorten(str(name), 24) for name in rows["model"]]
    return place_labels(axes, x, y, names, obstacles=bars, size=5.0)


def _trend_line(axes: Axes, curve: pd.DataFrame | None) -> None:
    """Draw the fitted trend with its band."""
    if curve is None:
        return
    x = curve["x"].to_numpy(float)
    axes.fill_between(
        x, curve["conf_low"], curve["conf_high"], color=BAND, alpha=0.55, linewidth=0, label="_band"
    )
    axes.plot(x, curve["estimate"], color=TREND, linewidth=1.2, label="_trend")


def _score_points(
    axes: Axes, rows: pd.DataFrame, x: np.ndarray, looks: dict[str, Look], crowded: bool
) -> None:
    """Draw points with error bars in the look of their family."""
    for place, (_, row) in zip(x, rows.iterrows(), strict=True):
        look, informed = look_of(looks, row["family"]), bool(row["informed"])
        reach = [[row["estimate"] - row["conf_low"]], [row["conf_high"] - row["estimate"]]]
        bars = axes.errorbar(
            [place],
            [row["estimate"]],
            yerr=reach if informed or not crowded else None,
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
            for bar in bars.lines[2]:
                bar.set_linestyle((0, (2.0, 1.2)))


def _crowded(scores: pd.DataFrame) -> bool:
    """Whether there are so many models that wide bars would hide the narrow ones."""
    return len(scores) > MOST_WIDE_BARS


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
    """Say what the figure shows, and which models have no place on its axis."""
    rows = pd.concat([known, unknown])
    level = 100.0 * float(rows["conf_level"].iloc[0])
    parts = [
        f"Bars and band: {level:g} % intervals." if fitted else f"Bars: {level:g} % intervals."
    ]
    if not fitted:
        parts.append("No trend could be fitted.")
    if not rows["informed"].all():
        bar = "drawn without its bar" if _crowded(rows) else "its bar may leave the frame"
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
