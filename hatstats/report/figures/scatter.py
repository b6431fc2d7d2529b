"""Scores against a covariate of the models (size, release date), with the fitted trend."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter
from matplotlib.transforms import Bbox

from hatstats.report.figures import layout, style
from hatstats.report.tables.rounding import parameters_text

#: Up to this number of models, those that are weakly identified get their wide bars too.
MOST_WIDE_BARS = 60
#: No more names than this are tried beside points.
_MOST_NAMES = 30
#: Distances from the point that are tried in turn, in points of type.
_DISTANCES = (3.5, 6.5, 10.0)
#: Directions tried at each distance: right, left, the four corners, above, below.
_DIRECTIONS = ((1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1), (0, -1))


def hat_against_size(scores: pd.DataFrame, curve: pd.DataFrame | None = None) -> Figure:
    """Draw HAT against the total number of parameters on a log axis.

    Parameters
    ----------
    scores : DataFrame
        `model, family, estimate, conf_low, conf_high, conf_level, informed, params_total`.
    curve : DataFrame, optional
        A trend as `TrendFit.curve` gives it.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import hatstats as hs
    >>> from hatstats.report import figures
    >>> study = hs.simulate_study([0.0, 1.0], rng=1)
    >>> scores = hs.fit_profile(study, method="observed").hat()
    >>> facts = study.models[["model", "family", "params_total"]]
    >>> rows = scores.tidy().merge(facts, on="model").assign(informed=True)
    >>> figure = figures.hat_against_size(rows)
    """
    return _scores_against("params_total", scores, curve)


def hat_against_date(scores: pd.DataFrame, curve: pd.DataFrame | None = None) -> Figure:
    """Draw HAT against release date with the fitted trend and its band.

    `scores` has `model, family, estimate, conf_low, conf_high, conf_level, informed` and the
    covariate (`release_year` in decimal years, `params_total`). Models without it are drawn in a
    margin strip at the right and named in a note, not dropped. `curve` has `x, estimate,
    conf_low, conf_high` in the units of the covariate; without it the note says that no trend
    could be fitted.
    """
    return _scores_against("release_year", scores, curve)


def _scores_against(column: str, scores: pd.DataFrame, curve: pd.DataFrame | None) -> Figure:
    """Draw scores against a column of theirs."""
    known = scores[scores[column].notna()]
    unknown = scores[scores[column].isna()].sort_values("model", ignore_index=True)
    looks = style.family_looks(scores["family"])
    crowded = len(scores) > MOST_WIDE_BARS
    strip, apart = (0.42, 0.1) if len(unknown) else (0.0, 0.0)
    left, top, height = 0.5, 0.08, 2.25
    with style.house_style():
        figure = layout.new_figure(style.COLUMN, top + height)
        axes = layout.add_axes(figure, left, top, style.COLUMN - left - 0.1 - strip - apart, height)
        if curve is not None:
            _trend_line(axes, curve)
        _score_points(axes, known, known[column].to_numpy(float), looks, crowded)
        axes.set_ylabel("HAT score")
        axes.yaxis.grid(True)
        _score_limits(axes, scores, curve)
        scale = _size_axis if column == "params_total" else _date_axis
        scale(axes, known[column].to_numpy(float))
        if len(unknown):
            margin = layout.add_axes(figure, style.COLUMN - 0.06 - strip, top, strip, height)
            _margin_strip(margin, unknown, looks, axes, crowded)
        unnamed = len(known) - _label_models(axes, known, column, curve)
        note = _trend_note(scores, column, curve is not None, unnamed)
        layout.write_under(figure, layout.family_handles(looks.values()), note)
    return figure


def _mark_boxes(
    axes: Axes, x: np.ndarray, low: np.ndarray, high: np.ndarray, half_width: float
) -> list[Bbox]:
    """Rectangles in pixels around vertical bars from `low` to `high` at `x`, all of shape (n,).

    `half_width` is in points of type, about that of a marker.
    """
    margin = axes.figure.dpi / 72.0 * half_width
    bottom = axes.transData.transform(np.column_stack([x, low])) - margin
    top = axes.transData.transform(np.column_stack([x, high])) + margin
    return [Bbox([lower, upper]) for lower, upper in zip(bottom, top, strict=True)]


def _label_models(axes: Axes, rows: pd.DataFrame, column: str, curve: pd.DataFrame | None) -> int:
    """Name models beside their points, outermost first, and return how many there was room for.

    No name covers a point, a bar, the trend or another name. The limits of the axes are final.
    """
    x, y, low, high = rows[[column, "estimate", "conf_low", "conf_high"]].to_numpy(float).T
    bottom, top = axes.get_ylim()
    taken = _mark_boxes(axes, x, np.maximum(low, bottom), np.minimum(high, top), 2.0)
    if curve is not None:
        line = curve[["x", "estimate"]].to_numpy(float)
        steps = np.linspace(0.0, len(line) - 1.0, 200)
        line_x, line_y = (np.interp(steps, np.arange(len(line)), side) for side in line.T)
        taken += _mark_boxes(axes, line_x, line_y, line_y, 0.6)
    frame, written = axes.get_window_extent(), 0
    distance = np.abs(y - np.mean(y)) if len(y) else y
    for index in np.argsort(-distance, kind="stable")[:_MOST_NAMES]:
        for away, (right, up) in product(_DISTANCES, _DIRECTIONS):
            text = axes.annotate(
                layout.shorten(str(rows["model"].iloc[index]), 24),
                (float(x[index]), float(y[index])),
                xytext=(away * right, away * up * 0.8),
                textcoords="offset points",
                fontsize=5.0,
                ha={1: "left", 0: "center", -1: "right"}[right],
                va={1: "bottom", 0: "center", -1: "top"}[up],
            )
            box = text.get_window_extent()
            inside = np.all(box.min >= frame.min) and np.all(box.max <= frame.max)
            if inside and not box.count_overlaps(taken):
                taken.append(box)
                written += 1
                break
            text.remove()
    return written


def _trend_line(axes: Axes, curve: pd.DataFrame) -> None:
    """Draw the fitted trend with its band."""
    axes.fill_between(curve["x"], curve["conf_low"], curve["conf_high"], color=style.BAND,
                      alpha=0.55, linewidth=0, label="_band")  # fmt: skip
    axes.plot(curve["x"], curve["estimate"], color=style.TREND, linewidth=1.2, label="_trend")


def _score_points(
    axes: Axes, rows: pd.DataFrame, x: np.ndarray, looks: dict[str, style.Look], crowded: bool
) -> None:
    """Draw points at `x`, shape (n,), with error bars in the look of their family."""
    names = [style.look_of(looks, family).label for family in rows["family"]]
    for (_, informed), own in rows.assign(x=x).groupby([names, rows["informed"]], sort=False):
        look = style.look_of(looks, own["family"].iloc[0])
        lengths = [own["estimate"] - own["conf_low"], own["conf_high"] - own["estimate"]]
        drawn = axes.errorbar(own["x"], own["estimate"], elinewidth=0.7, label="_model",
                              yerr=lengths if informed or not crowded else None,
                              **look.marks(3.4, filled=bool(informed)))  # fmt: skip
        for line in () if informed or crowded else drawn.lines[2]:
            line.set_linestyle(style.DASHED)


def _score_limits(axes: Axes, scores: pd.DataFrame, curve: pd.DataFrame | None) -> None:
    """Set the vertical limits by the informed models and the line, so that none is flattened."""
    clear = scores[scores["informed"]] if scores["informed"].any() else scores
    parts = [clear["conf_low"], clear["conf_high"], scores["estimate"]]
    values = np.concatenate([*parts, *([] if curve is None else [curve["estimate"]])])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = 0.06 * (high - low or 1.0)
    axes.set_ylim(low - room, high + room)


def _size_axis(axes: Axes, x: np.ndarray) -> None:
    """Scale the horizontal axis for numbers of parameters `x`, shape (n,)."""
    axes.set_xlabel("Total parameters (log scale)")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: parameters_text(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    if len(x):
        axes.set_xlim(x.min() / 1.6, x.max() * 1.6)


def _date_axis(axes: Axes, x: np.ndarray) -> None:
    """Scale the horizontal axis for decimal years `x`, shape (n,)."""
    axes.set_xlabel("Release date")
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
    margin: Axes, rows: pd.DataFrame, looks: dict[str, style.Look], axes: Axes, crowded: bool
) -> None:
    """Draw the models without the covariate in a strip at the right, in the same units of HAT."""
    order = rows.sort_values("estimate", kind="stable")
    _score_points(margin, order, np.resize([0.3, 0.5, 0.7], len(order)), looks, crowded)
    margin.set(xlim=(0, 1), ylim=axes.get_ylim(), yticks=[])
    margin.set_xticks([0.5], ["unknown"])
    margin.tick_params(axis="x", length=0)
    margin.spines["left"].set(linestyle=(0, (2, 2)), color=style.RULE)


def _trend_note(scores: pd.DataFrame, column: str, fitted: bool, unnamed: int) -> str:
    """Say what the figure shows, and which models lack the covariate."""
    unknown = sorted(str(name) for name in scores.loc[scores[column].isna(), "model"])
    n_known = len(scores) - len(unknown)
    level = 100.0 * float(scores["conf_level"].iloc[0])
    parts = [f"{'Bars and band' if fitted else 'Bars'}: {level:g} % intervals."]
    if not fitted:
        parts.append("No trend could be fitted.")
    if not scores["informed"].all():
        crowded = len(scores) > MOST_WIDE_BARS
        bar = "drawn without its bar" if crowded else "its bar may leave the frame"
        parts.append(f"Hollow: weakly identified; {bar}.")
    if unnamed and unnamed == n_known:
        parts.append("There is no room for names.")
    elif unnamed:
        parts.append(f"{unnamed} of {n_known} points have no room for a name.")
    if unknown:
        missing = "size undisclosed" if column == "params_total" else "release date unknown"
        names = [layout.shorten(name, 32) for name in unknown]
        listed = layout.name_some(names, 12 if len(names) <= 12 else 6)
        parts.append(f"In the margin, {missing} ({len(names)}): {listed}.")
    return " ".join(parts)
