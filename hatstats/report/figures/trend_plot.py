"""Scores against a covariate of the models (size, release date), with the fitted trend."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator
from matplotlib.transforms import Bbox

from hatstats.report.figures import layout, style
from hatstats.report.results.plotted import Trend, trend_rows, within_rows
from hatstats.report.tables.rounding import parameters_text, words

#: Up to this number of models, those that are weakly identified get their wide bars too.
MOST_WIDE_BARS = 60
#: No more names than this are tried beside points; where models are many only the outermost are.
_MOST_NAMES = 30
#: Distances from the point that are tried in turn, in sizes of type.
_DISTANCES = (0.45, 0.8, 1.25)
#: Directions tried at each distance: right, left, the four corners, above, below.
_DIRECTIONS = ((1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1), (0, -1))
_AXIS_LABELS = {"params_total": "Total parameters (log scale)",
                "params_active": "Active parameters (log scale)",
                "release_year": "Release date"}  # fmt: skip
_MISSING = {"params_total": "size undisclosed", "params_active": "active size undisclosed",
            "release_year": "release date unknown"}  # fmt: skip


@style.house_style()
def trend(
    result: Trend,
    covariate: str | None = None,
    *,
    curve: pd.DataFrame | None = None,
    within: bool = False,
    conf_level: float = 0.95,
    ax: Axes | None = None,
) -> Axes:
    """Draw scores against size, release date or another covariate, with the fitted trend.

    Parameters
    ----------
    result : TrendFit, HatScores or DataFrame
        Without a fit no line is drawn. A frame has `model, estimate, conf_low, conf_high` and the
        covariate, and optionally `family, informed, conf_level`.
    covariate : str, optional
        ``params_total``, ``params_active``, ``release_year`` or another numeric one; that of the
        fit's formula, or ``params_total``, if None.
    curve : DataFrame, optional
        A trend as ``TrendFit.curve`` gives it, in place of the fit's own.
    within : bool
        Whether thin lines join the means of each series of models (along sizes, where the study
        names series) or family.
    conf_level : float
        Level of bars and band; a frame's own where it has one.
    ax : Axes, optional
        Where to draw; a figure of one column is made if None.

    Returns
    -------
    Axes
        Models of one date or size stand side by side. Models without the covariate stand in a
        strip at the right. Names are written where there is room for them, outermost first.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([0.0, 1.0], rng=1)
    >>> scores = hs.fit_profile(study, method="observed").hat()
    >>> ax = hs.plot.trend(scores, "params_total")
    """
    scores, line, column = trend_rows(result, covariate, conf_level)
    line = line if curve is None else curve
    known = scores[scores[column].notna()]
    unknown = scores[scores[column].isna()].sort_values("model", ignore_index=True)
    looks = style.family_looks(scores["family"])
    crowded = len(scores) > MOST_WIDE_BARS
    sheet = layout.sheet(ax, height=2.5)
    (axes,) = sheet.axes
    if line is not None:
        _trend_line(axes, line)
    inside = within_rows(scores, column) if within else pd.DataFrame({"group": []})
    for _, part in inside.groupby("group", sort=False):
        colour = style.look_of(looks, part["family"].iloc[0]).colour
        axes.plot(part["x"], part["estimate"], color=colour, alpha=0.6, zorder=1.5,
                  linewidth=0.08 * style.points(), label="_within")  # fmt: skip
    axes.set_ylabel("HAT score")
    axes.yaxis.grid(True)
    _score_limits(axes, scores, line)
    values = known[column].to_numpy(float)
    _scale(axes, column, values, len(unknown) > 0)
    sheet.legend(layout.family_handles(looks.values()))
    # Where points stand and names fit is known once everything has its place.
    axes.get_figure(root=True).draw_without_rendering()  # type: ignore[union-attr]
    x, moved = _side_by_side(axes, values, known, crowded)
    _score_points(axes, known, x, looks, crowded)
    if len(unknown):
        _unknown_strip(axes, unknown, looks, crowded)
    unnamed = len(known) - _label_models(axes, known.assign(**{column: x}), column, line)
    text, alt = _said(scores, column, line, unnamed, moved)
    if count := inside["group"].nunique():
        by_series = column.startswith("params") and "series" in scores
        text += f" Thin lines join the means of each {'series' if by_series else 'family'}."
        alt = f"{alt.rstrip('.')}; lines within {count} {'series' if by_series else 'families'}."
    sheet.describe(text, alt)
    return axes


def _side_by_side(
    axes: Axes, x: np.ndarray, rows: pd.DataFrame, crowded: bool
) -> tuple[np.ndarray, bool]:
    """Places of points at `x`, shape (n,), moved aside where they would cover one another.

    Bars count too unless the figure is crowded.
    """
    if not len(x):
        return x, False
    step = style.points(0.5) * axes.get_figure(root=True).dpi / 72.0  # type: ignore[union-attr]
    names = ("estimate", "estimate") if crowded else ("conf_low", "conf_high")
    low, high = (
        axes.transData.transform(np.column_stack([x, rows[name].to_numpy(float)]))[:, 1]
        for name in names
    )
    across = axes.transData.transform(np.column_stack([x, rows["estimate"]]))
    placed = across.copy()
    for index in range(len(x)):
        apart = np.maximum(low[:index] - high[index], low[index] - high[:index])
        near = placed[:index, 0][apart < step]
        offsets = across[index, 0] + step * np.array([0, 1, -1, 2, -2, 3, -3])
        free = (np.abs(near[None, :] - offsets[:, None]) > 0.9 * step).all(axis=1)
        placed[index, 0] = offsets[np.argmax(free)]
    moved = bool((placed != across).any())
    return (axes.transData.inverted().transform(placed)[:, 0] if moved else x), moved


def _scale(axes: Axes, column: str, x: np.ndarray, strip: bool) -> None:
    """Scale the horizontal axis for values (n,), with room for the strip of unknown ones."""
    if column.startswith("params"):
        _size_axis(axes, x)
    elif column == "release_year":
        _date_axis(axes, x)
    axes.set_xlabel(_AXIS_LABELS.get(column, words(column)))
    if strip:
        low, high = axes.get_xlim()
        if column.startswith("params"):
            axes.set_xlim(low, high * (high / low) ** 0.2)
        else:
            axes.set_xlim(low, high + 0.2 * (high - low))


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

    No name covers a point, the trend or another name, or is nearer to another point than to its
    own. The limits of the axes are final.
    """
    x, y = rows[[column, "estimate"]].to_numpy(float).T
    taken = _mark_boxes(axes, x, y, y, style.points(0.3))
    for edge in (line for line in axes.lines if line.get_label() == "_edge"):
        taken.append(edge.get_window_extent().padded(2.0))
    if curve is not None:
        line = curve[["x", "estimate"]].to_numpy(float)
        steps = np.linspace(0.0, len(line) - 1.0, 200)
        line_x, line_y = (np.interp(steps, np.arange(len(line)), side) for side in line.T)
        taken += _mark_boxes(axes, line_x, line_y, line_y, 0.6)
    frame, written = axes.get_window_extent(), 0
    # Of many, those that the data hardly inform are outermost for no reason.
    clear = rows["informed"].to_numpy(bool) | (len(y) <= _MOST_NAMES)
    names = layout.short_names(rows["model"], 34)
    places = axes.transData.transform(np.column_stack([x, y]))
    distance = np.where(clear, np.abs(y - np.mean(y[clear])), -1.0) if clear.any() else y
    for index in np.argsort(-distance, kind="stable")[:_MOST_NAMES]:
        for away, (right, up) in product(_DISTANCES, _DIRECTIONS):
            text = axes.annotate(
                names[index],
                (float(x[index]), float(y[index])),
                xytext=(style.points(away * right), style.points(away * up * 0.8)),
                textcoords="offset points",
                fontsize=style.points(0.7),
                ha={1: "left", 0: "center", -1: "right"}[right],
                va={1: "bottom", 0: "center", -1: "top"}[up],
                path_effects=[withStroke(linewidth=style.points(0.2), foreground=style.PAPER)],
            )
            # Half a letter apart from the next name.
            box = text.get_window_extent().padded(style.points(0.15), 0.0)
            beside = np.maximum(np.maximum(box.min - places, places - box.max), 0.0)
            from_it = np.hypot(*beside.T)
            inside = np.all(box.min >= frame.min) and np.all(box.max <= frame.max)
            nearest = from_it[index] <= from_it.min()
            if inside and nearest and not box.count_overlaps(taken):
                taken.append(box)
                written += 1
                break
            text.remove()
    return written


def _trend_line(axes: Axes, curve: pd.DataFrame) -> None:
    """Draw the fitted trend with its band."""
    axes.fill_between(curve["x"], curve["conf_low"], curve["conf_high"], color=style.BAND,
                      alpha=0.55, linewidth=0, label="_band")  # fmt: skip
    axes.plot(
        curve["x"],
        curve["estimate"],
        color=style.TREND,
        linewidth=0.15 * style.points(),
        label="_trend",
    )


def _score_points(
    axes: Axes,
    rows: pd.DataFrame,
    x: np.ndarray,
    looks: dict[str, style.Look],
    crowded: bool,
    label: str = "_model",
) -> None:
    """Draw points at `x`, shape (n,), with error bars in the look of their family."""
    names = [style.look_of(looks, family).label for family in rows["family"]]
    for (_, informed), own in rows.assign(x=x).groupby([names, rows["informed"]], sort=False):
        look = style.look_of(looks, own["family"].iloc[0])
        lengths = [own["estimate"] - own["conf_low"], own["conf_high"] - own["estimate"]]
        drawn = axes.errorbar(own["x"], own["estimate"], label=label,
                              elinewidth=0.07 * style.points(),
                              yerr=lengths if informed or not crowded else None,
                              **look.marks(style.points(0.45), filled=bool(informed)))  # fmt: skip
        layout.tip(drawn.lines[0], layout.score_tips(own))
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
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: parameters_text(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    if len(x):
        axes.set_xlim(x.min() / 1.6, x.max() * 1.6)


def _date_axis(axes: Axes, x: np.ndarray) -> None:
    """Scale the horizontal axis for decimal years `x`, shape (n,)."""
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
            return ticks[:: int(np.ceil(len(ticks) / 5))]
    return [low, high]


def year_text(value: float) -> str:
    """Write a decimal year as year and month."""
    months = round(value * 12.0)
    return f"{months // 12}-{months % 12 + 1:02d}"


def _unknown_strip(
    axes: Axes, rows: pd.DataFrame, looks: dict[str, style.Look], crowded: bool
) -> None:
    """Draw the models without the covariate at the right, where the axis has gone on for them."""
    order = rows.sort_values("estimate", kind="stable")
    places = np.resize([0.89, 0.925, 0.96], len(order))
    low, high = axes.get_xlim()
    log = axes.get_xscale() == "log"
    x = low * (high / low) ** places if log else low + places * (high - low)
    edge = low * (high / low) ** 0.85 if log else low + 0.85 * (high - low)
    axes.axvline(
        edge, color=style.MUTED, linewidth=style.points(0.06), linestyle=style.DOTTED, label="_edge"
    )
    # The last tick leaves room for the strip's own name.
    end = low * (high / low) ** 0.78 if log else low + 0.78 * (high - low)
    ticks = [tick for tick in axes.get_xticks() if low <= tick < end]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.text(1.0, -0.025, "unknown", transform=axes.transAxes, ha="right", va="top",
              fontsize=style.points(style.SMALL), label="_unknown")  # fmt: skip
    _score_points(axes, order, x, looks, crowded, "_unknown-model")


def _said(
    scores: pd.DataFrame, column: str, line: pd.DataFrame | None, unnamed: int, moved: bool
) -> tuple[str, str]:
    """Caption and alternative text, with the models that lack the covariate."""
    unknown = sorted(str(name) for name in scores.loc[scores[column].isna(), "model"])
    n_known = len(scores) - len(unknown)
    level = layout.percent(float(scores["conf_level"].iloc[0]))
    what = _AXIS_LABELS.get(column, words(column)).partition(" (")[0].lower()
    parts = [f"HAT score against {what}, one point per model."]
    if line is None:
        parts.append(f"Bars: {level} intervals. No trend could be fitted.")
    else:
        parts.append(f"Line: fitted trend. Bars and band: {level} intervals.")
        if line["conf_low"].isna().any():
            parts.append("No band where fewer than 2 df.")
    if moved:
        parts.append("Models that would cover one another stand side by side.")
    if not scores["informed"].all():
        crowded = len(scores) > MOST_WIDE_BARS
        bar = "drawn without its bar" if crowded else "its bar may leave the frame"
        parts.append(f"Hollow: weakly identified; {bar}.")
    if unnamed:
        parts.append(f"{unnamed} of {n_known} points have no room for a name.")
    if unknown:
        missing = _MISSING.get(column, "value unknown")
        listed = layout.name_some(unknown, 12 if len(unknown) <= 12 else 6)
        parts.append(f"At the right, {missing} ({len(unknown)}): {listed}.")
    alt = f"Scores of {n_known} models against {what}"
    if line is not None:
        first, last = line["estimate"].iloc[0], line["estimate"].iloc[-1]
        alt += f"; the fitted trend goes from {first:.3f} to {last:.3f}"
    alt += f"; {len(unknown)} models without it stand at the right." if unknown else "."
    return " ".join(parts), alt
