"""Small multiples of target against source accuracy, and transfer profiles of models."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from hatstats.report.figures.legends import (
    legend_height,
    legend_under,
    note_height,
    note_under,
    wrapped,
)
from hatstats.report.figures.style import (
    COLUMN,
    INK,
    MUTED,
    PAGE,
    PAPER,
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

#: Up to so many panels stand three abreast in one column; more take the width of the page.
_NARROW = 12
#: No more panels than this are drawn; the note says how many there would be.
MOST_PANELS = 60
#: Error bars are drawn up to this number of models.
MOST_BARS = 60
Dash = Literal["-"] | tuple[float, tuple[float, ...]]
_DASHES: tuple[Dash, ...] = ("-", (0, (4, 1.4)), (0, (1.2, 1.2)), (0, (5, 1.2, 1.2, 1.2)))
_SIDES = ("source_low", "source_high", "target_low", "target_high")


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
    keys = list(points[["benchmark", "language"]].drop_duplicates().itertuples(index=False))
    drawn = keys[:MOST_PANELS]
    looks = family_looks(points.drop_duplicates("model")["family"])
    width, columns = (COLUMN, 3) if len(drawn) <= _NARROW else (PAGE, 6)
    columns = min(columns, max(2, len(drawn)))
    left, gap, head, under = 0.42, 0.09, 0.17, 0.42
    side = min((width - left - 0.08 - gap * (columns - 1)) / columns, 1.6)
    rows = int(np.ceil(len(drawn) / columns))
    limits = _square_limits(points)
    bars = points["model"].nunique() <= MOST_BARS
    notes = _panel_notes(points, curve, chance, len(keys) - len(drawn), bars)
    with house_style():
        lines = wrapped(notes, width - 0.2)
        legend = legend_height(width, list(looks.values()), 0.1)
        body = 0.05 + rows * (side + head)
        figure = new_figure(width, body + under + legend + 0.05 + note_height(lines) + 0.04)
        for index, (benchmark, language) in enumerate(drawn):
            row, column = divmod(index, columns)
            axes = add_axes(
                figure,
                left + column * (side + gap),
                0.05 + head + row * (side + head),
                side,
                side,
            )
            chosen = _pick(points, benchmark, language)
            _panel(axes, chosen, looks, limits, bars)
            _panel_lines(axes, _pick(curve, benchmark, language), chance.get(str(benchmark), 0.0))
            name = f"{benchmark} · {language}" if several else str(language)
            axes.set_title(shorten(name, int(side * 17)), fontsize=6.5, pad=2.5, loc="left")
            axes.tick_params(labelleft=column == 0, labelbottom=index + columns >= len(drawn))
        middle = (columns * (side + gap) - gap) / 2
        _shared_labels(
            figure,
            body,
            left,
            middle,
            ("Accuracy in the source language", "Accuracy in the target language"),
        )
        legend_under(figure, list(looks.values()), body + under, 0.1)
        note_under(figure, lines, body + under + legend + 0.05, 0.1)
    return figure


def _pick(frame: pd.DataFrame, benchmark: object, language: object) -> pd.DataFrame:
    """Rows of one panel."""
    return frame[(frame["benchmark"] == benchmark) & (frame["language"] == language)]


def _square_limits(points: pd.DataFrame) -> tuple[float, float]:
    """One range for both axes of all panels, so that distance from the diagonal is a loss."""
    values = points[["source", "target", *_SIDES]].to_numpy(float)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = 0.05 * (high - low or 1.0)
    return max(low - room, -0.02), min(high + room, 1.02)


def _panel(
    axes: Axes,
    rows: pd.DataFrame,
    looks: dict[str, Look],
    limits: tuple[float, float],
    bars: bool,
) -> None:
    """Draw the models of one panel, with error bars if there is room for them."""
    names = [look_of(looks, family) for family in rows["family"]]
    for look in dict.fromkeys(names):
        own = rows[[name == look for name in names]]
        for flagged, cells in own.groupby(own["flagged"].astype(bool)):
            axes.errorbar(
                cells["source"],
                cells["target"],
                xerr=_reach(cells, "source") if bars else None,
                yerr=_reach(cells, "target") if bars else None,
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
    axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 2.5, 5, 10], prune=None))
    axes.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 2.5, 5, 10], prune=None))
    axes.grid(True)
    axes.tick_params(labelsize=5.8, pad=1.5)


def _reach(cells: pd.DataFrame, side: str) -> np.ndarray:
    """Lengths of the error bars below and above, shape (2, n)."""
    value = cells[side].to_numpy(float)
    low, high = (cells[f"{side}_{end}"].to_numpy(float) for end in ("low", "high"))
    return np.stack([value - low, high - value])


def _panel_lines(axes: Axes, curve: pd.DataFrame, chance: float) -> None:
    """Draw the diagonal (nothing lost), the fitted relation and the chance level."""
    low, high = axes.get_xlim()
    axes.plot([low, high], [low, high], color=MUTED, linewidth=0.4, zorder=1.5, label="_diagonal")
    _chance_line(axes, chance)
    if len(curve):
        axes.plot(curve["source"], curve["target"], color=TREND, linewidth=1.0, label="_fit")


def _chance_line(axes: Axes, chance: float) -> None:
    """Draw the accuracy of blind guessing, where that is not 0."""
    if chance > 0.0:
        axes.axhline(chance, color=INK, linewidth=0.6, linestyle=(0, (1, 1.5)), label="_chance")


def _shared_labels(
    figure: Figure, body: float, left: float, middle: float, labels: tuple[str, str]
) -> None:
    """Name both axes once for all panels."""
    wide, high = figure.get_size_inches()
    figure.text(
        (left + middle) / wide,
        1.0 - (body + 0.28) / high,
        labels[0],
        fontsize=7.0,
        ha="center",
        va="center",
    )
    figure.text(
        0.09 / wide,
        1.0 - body / 2 / high,
        labels[1],
        fontsize=7.0,
        rotation=90,
        ha="center",
        va="center",
    )


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
    elif points[list(_SIDES)].notna().to_numpy().any():
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
        within model and benchmark; optional `conf_low, conf_high` for a band.
    chance : dict of str to float
        Accuracy of blind guessing by benchmark; a dotted line where it is above 0.

    Returns
    -------
    Figure
        One panel per benchmark. Models of one family share its colour and differ in dashes.
    """
    benchmarks = list(profiles["benchmark"].drop_duplicates())[:_NARROW]
    models = profiles.drop_duplicates("model")[["model", "family"]].reset_index(drop=True)
    looks = family_looks(models["family"])
    nth = models.groupby("family", sort=False).cumcount()
    dashes = {
        str(m): _DASHES[int(k) % len(_DASHES)] for m, k in zip(models["model"], nth, strict=True)
    }
    columns = 1 if len(benchmarks) == 1 else 2
    left, gap, head, under = 0.46, 0.12, 0.2 if len(benchmarks) > 1 else 0.05, 0.42
    side = 2.5 if columns == 1 else (COLUMN - left - gap - 0.1) / 2
    rows = int(np.ceil(len(benchmarks) / columns))
    dotted = (
        " Dotted: chance." if any(chance.get(str(name), 0.0) > 0.0 for name in benchmarks) else ""
    )
    notes = (
        f"Thin diagonal: nothing lost.{dotted} Each curve is the mean over target languages; it is "
        "best known where the model has many items."
    )
    with house_style():
        lines = wrapped(notes, COLUMN - 0.2)
        body = 0.05 + rows * (side + head)
        legend = 0.135 * int(np.ceil(len(models) / 2))
        figure = new_figure(COLUMN, body + under + legend + 0.05 + note_height(lines) + 0.04)
        for index, benchmark in enumerate(benchmarks):
            row, column = divmod(index, columns)
            top = 0.05 + head + row * (side + head)
            axes = add_axes(figure, left + column * (side + gap), top, side, side)
            _profile_panel(axes, profiles[profiles["benchmark"] == benchmark], looks, dashes)
            _chance_line(axes, chance.get(str(benchmark), 0.0))
            if len(benchmarks) > 1:
                axes.set_title(shorten(str(benchmark), 22), fontsize=6.5, pad=2.5, loc="left")
            axes.tick_params(labelleft=column == 0, labelbottom=index + columns >= len(benchmarks))
        middle = (columns * (side + gap) - gap) / 2
        _shared_labels(
            figure, body, left, middle, ("Source accuracy of an item", "Expected target accuracy")
        )
        _profile_legend(figure, models, looks, dashes, body + under)
        note_under(figure, lines, body + under + legend + 0.05, 0.1)
    return figure


def _profile_panel(
    axes: Axes, profiles: pd.DataFrame, looks: dict[str, Look], dashes: dict[str, Dash]
) -> None:
    """Draw the curves of one benchmark."""
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.4, label="_diagonal")
    for model, rows in profiles.groupby("model", sort=False):
        look = look_of(looks, rows["family"].iloc[0])
        if "conf_low" in rows:
            axes.fill_between(
                rows["source"].to_numpy(float),
                rows["conf_low"].to_numpy(float),
                rows["conf_high"].to_numpy(float),
                color=look.colour,
                alpha=0.14,
                linewidth=0,
                label="_band",
            )
        axes.plot(
            rows["source"],
            rows["target"],
            color=look.colour,
            linestyle=dashes[str(model)],
            linewidth=1.1,
            label="_profile",
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.grid(True)


def _profile_legend(
    figure: Figure,
    models: pd.DataFrame,
    looks: dict[str, Look],
    dashes: dict[str, Dash],
    top: float,
) -> None:
    """Name the curves, the legend's upper edge `top` inches below the top of the figure."""
    wide, high = figure.get_size_inches()
    handles = [
        Line2D(
            [],
            [],
            color=look_of(looks, row.family).colour,
            linestyle=dashes[str(row.model)],
            linewidth=1.1,
            label=shorten(str(row.model), 24),
        )
        for row in models.itertuples()
    ]
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.1 / wide, 1.0 - top / high),
        ncols=2,
        fontsize=6.0,
        borderaxespad=0.0,
        borderpad=0.0,
        handlelength=1.8,
        handletextpad=0.4,
        labelspacing=0.4,
    )
