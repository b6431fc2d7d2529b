"""Small multiples of target against source accuracy, and transfer profiles of models."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from hatstats.report.figures.legends import family_handles, legend_height, legend_under
from hatstats.report.figures.panel_grid import panel_grid
from hatstats.report.figures.style import (
    COLUMN,
    INK,
    MUTED,
    PAGE,
    PAPER,
    TREND,
    Look,
    family_looks,
    house_style,
    look_of,
    name_some,
    shorten,
)

#: Up to this number, panels are three abreast in one column; more take the width of the page.
_NARROW = 12
#: No more panels than this are drawn; the note says how many there would be.
MOST_PANELS = 60
#: Error bars are drawn up to this number of models.
MOST_BARS = 60
Dash = Literal["-"] | tuple[float, tuple[float, ...]]
_DASHES: tuple[Dash, ...] = ("-", (0, (4, 1.4)), (0, (1.2, 1.2)), (0, (5, 1.2, 1.2, 1.2)))
_LIMITS = ("source_low", "source_high", "target_low", "target_high")


def target_against_source(
    points: pd.DataFrame, curve: pd.DataFrame, *, chance: dict[str, float]
) -> Figure:
    """Draw target against source accuracy, one panel per benchmark and target language.

    Parameters
    ----------
    points : DataFrame
        One row per model, benchmark and language: `model, family, benchmark, language, source,
        target, source_low, source_high, target_low, target_high, conf_level, flagged`. Flagged
        cells are drawn hollow. Limits may be NaN: then there is no error bar.
    curve : DataFrame
        Fitted relation: `benchmark, language, source, target`, sorted by source within a panel.
        May be empty.
    chance : dict of str to float
        Accuracy of blind guessing by benchmark; a dotted line where it is above 0.

    Returns
    -------
    Figure
    """
    several = points["benchmark"].nunique() > 1
    groups = list(points.groupby(["benchmark", "language"], sort=False))
    drawn = groups[:MOST_PANELS]
    lines = (
        {key: rows for key, rows in curve.groupby(["benchmark", "language"])} if len(curve) else {}
    )
    looks = family_looks(points.drop_duplicates("model")["family"])
    handles = family_handles(looks.values())
    width, columns = (COLUMN, 3) if len(drawn) <= _NARROW else (PAGE, 6)
    limits = _square_limits(points)
    bars = points["model"].nunique() <= MOST_BARS
    with house_style():
        grid = panel_grid(
            [f"{key[0]} · {key[1]}" if several else str(key[1]) for key, _ in drawn],
            labels=("Accuracy in the source language", "Accuracy in the target language"),
            note=_panel_notes(points, curve, chance, len(groups) - len(drawn), bars),
            width=width,
            columns=min(columns, max(2, len(drawn))),
            legend=legend_height(handles, width),
        )
        for axes, (key, rows) in zip(grid.axes, drawn, strict=True):
            _model_points(axes, rows, looks, limits, bars)
            _reference_lines(axes, limits, chance.get(str(key[0]), 0.0))
            if key in lines:
                fit = lines[key]
                axes.plot(fit["source"], fit["target"], color=TREND, linewidth=1.0, label="_fit")
        legend_under(grid.figure, handles, grid.legend_top)
    return grid.figure


def _square_limits(points: pd.DataFrame) -> tuple[float, float]:
    """One range for both axes of all panels, so that distance from the diagonal is a loss."""
    values = points[["source", "target", *_LIMITS]].to_numpy(float)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = 0.05 * (high - low or 1.0)
    return max(low - room, -0.02), min(high + room, 1.02)


def _model_points(
    axes: Axes, rows: pd.DataFrame, looks: dict[str, Look], limits: tuple[float, float], bars: bool
) -> None:
    """Draw the models of one panel, with error bars if there is room for them."""
    names = [look_of(looks, family) for family in rows["family"]]
    for look in dict.fromkeys(names):
        own = rows[[name == look for name in names]]
        for flagged, cells in own.groupby(own["flagged"].astype(bool)):
            axes.errorbar(
                cells["source"],
                cells["target"],
                xerr=_bar_lengths(cells, "source") if bars else None,
                yerr=_bar_lengths(cells, "target") if bars else None,
                color=look.colour,
                marker=look.marker,
                markersize=2.4 if bars else 1.6,
                markerfacecolor=PAPER if flagged else look.colour,
                markeredgewidth=0.6,
                elinewidth=0.45,
                linestyle="",
                label="_flagged" if flagged else "_model",
            )
    axes.set_xlim(limits)
    axes.set_ylim(limits)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(3, steps=[1, 2, 2.5, 5, 10]))
    axes.tick_params(labelsize=5.8, pad=1.5)


def _bar_lengths(cells: pd.DataFrame, side: str) -> np.ndarray:
    """Lengths of the error bars below and above, shape (2, n)."""
    value = cells[side].to_numpy(float)
    low, high = (cells[f"{side}_{end}"].to_numpy(float) for end in ("low", "high"))
    return np.stack([value - low, high - value])


def _reference_lines(axes: Axes, limits: tuple[float, float], chance: float) -> None:
    """Draw the diagonal (nothing lost), and the accuracy of blind guessing where it is not 0."""
    axes.plot(limits, limits, color=MUTED, linewidth=0.4, zorder=1.5, label="_diagonal")
    if chance > 0.0:
        axes.axhline(chance, color=INK, linewidth=0.6, linestyle=(0, (1, 1.5)), label="_chance")


def _panel_notes(
    points: pd.DataFrame, curve: pd.DataFrame, chance: dict[str, float], left_out: int, bars: bool
) -> str:
    """Explain the marks of the panels."""
    parts = ["Thin diagonal: nothing lost."]
    if len(curve):
        parts.append("Dark line: fitted relation.")
    levels = sorted({f"{value:g}" for value in chance.values() if value > 0.0})
    if levels:
        parts.append(f"Dotted: chance ({', '.join(levels)}).")
    if not bars:
        parts.append("Too many models for error bars.")
    elif points[list(_LIMITS)].notna().to_numpy().any():
        parts.append(f"Bars: {100.0 * float(points['conf_level'].iloc[0]):g} % intervals.")
    flagged = points[points["flagged"].astype(bool)]
    if len(flagged):
        cells = [f"{row.model} ({row.language})" for row in flagged.itertuples()]
        parts.append(f"Hollow: flagged and left out of the fit: {name_some(cells, 8)}.")
    if left_out:
        parts.append(f"{left_out} further panels are not drawn.")
    return " ".join(parts)


def transfer_profiles(profiles: pd.DataFrame, *, chance: dict[str, float]) -> Figure:
    """Draw each model's transfer profile: expected target accuracy against source accuracy.

    Parameters
    ----------
    profiles : DataFrame
        Means over languages: `model, family, benchmark, source, target`, sorted by source
        within model and benchmark.
    chance : dict of str to float
        Accuracy of blind guessing by benchmark; a dotted line where it is above 0.

    Returns
    -------
    Figure
        One panel per benchmark. Models of one family share its colour and differ in dashes.
    """
    benchmarks = list(profiles["benchmark"].drop_duplicates())[:_NARROW]
    models = profiles.drop_duplicates("model")[["model", "family"]]
    looks = family_looks(models["family"])
    nth = models.groupby("family", sort=False).cumcount()
    styles: dict[str, dict[str, Any]] = {
        str(model): {
            "color": look_of(looks, family).colour,
            "linestyle": _DASHES[int(k) % len(_DASHES)],
            "linewidth": 1.1,
        }
        for model, family, k in zip(models["model"], models["family"], nth, strict=True)
    }
    handles = [Line2D([], [], label=shorten(name, 24), **look) for name, look in styles.items()]
    dotted = any(chance.get(str(name), 0.0) > 0.0 for name in benchmarks)
    note = (
        f"Thin diagonal: nothing lost.{' Dotted: chance.' if dotted else ''} Each curve is the "
        "mean over target languages; it is best known where the model has many items."
    )
    several = len(benchmarks) > 1
    with house_style():
        grid = panel_grid(
            [str(name) if several else "" for name in benchmarks],
            labels=("Source accuracy of an item", "Expected target accuracy"),
            note=note,
            width=COLUMN,
            columns=2 if several else 1,
            legend=legend_height(handles, COLUMN),
            most_wide=2.5,
        )
        for axes, benchmark in zip(grid.axes, benchmarks, strict=True):
            rows = profiles[profiles["benchmark"] == benchmark]
            for model, own in rows.groupby("model", sort=False):
                axes.plot(own["source"], own["target"], label="_profile", **styles[str(model)])
            _reference_lines(axes, (0.0, 1.0), chance.get(str(benchmark), 0.0))
            axes.set_xlim(0, 1)
            axes.set_ylim(0, 1)
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.yaxis.set_major_locator(MaxNLocator(4))
        legend_under(grid.figure, handles, grid.legend_top)
    return grid.figure
