"""Matrices of scores: models by languages, and every model against every other."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LinearSegmentedColormap

from hatstats.errors import DataError
from hatstats.report.figures import layout, style
from hatstats.report.results.languages import RESOURCES
from hatstats.report.results.plotted import (
    Ranked,
    cell_rows,
    needed,
    pair_rows,
    rank_rows,
)
from hatstats.report.tables.rounding import english_name

#: Models in a matrix; of more both ends are shown.
MOST_ROWS = 30
#: Numbers are written in cells up to this number of columns.
_MOST_WRITTEN = 16
#: Cells keep their colours on a dark page, and so must what is written in them: these are a shade
#: away from the colours that the page exchanges (`style.COLOURS`).
_DIVERGING = LinearSegmentedColormap.from_list("less", ["#d45e00", "#f7f7f7", "#0071b2"], 64)
_ON_PALE, _ON_DEEP = "#20242a", "#fefefe"
_ROW = 0.15
#: Up to this number of rows a scale of colours has no room; cells have their numbers.
_FEW_ROWS = 7


@style.house_style()
def heatmap(
    scores: Ranked, *, order: Literal["HAT", "resource"] = "HAT", ax: Axes | None = None
) -> Axes:
    """Draw HAT of each model in each language, best model on top and best language at the left.

    Parameters
    ----------
    scores : HatScores or DataFrame
        A frame has `model, language, estimate`, and optionally `benchmark, informed`, and `name,
        resource` of the language.
    order : {"HAT", "resource"}
        Order of the languages: by their mean, or first by resource class, where that is known.
    ax : Axes, optional
        Where to draw; a figure is made if None, as wide as the page from 5 languages.

    Returns
    -------
    Axes
        A cell is the mean over benchmarks; white where a model was not asked. Weakly identified
        models stand at the foot. Of more than 30 models the first and the last 15 are shown,
        without those.

    Examples
    --------
    >>> import hatstats as hs
    >>> scores = hs.fit_profile(hs.simulate_study([0.0, 1.0], rng=1), method="observed").hat()
    >>> ax = hs.plot.heatmap(scores)
    """
    if order not in ("HAT", "resource"):
        hint = "use HAT or resource."
        raise DataError("unknown order of languages", column="order", value=order, hint=hint)
    cells = cell_rows(scores)
    table = cells.pivot_table(index="model", columns="language", values="estimate", sort=False)
    known = table.index.isin(cells.loc[cells["informed"].astype(bool), "model"])
    # Languages stand by the mean of the models that the data inform.
    mean = (table[known] if known.any() else table).mean()
    mean = mean.sort_values(ascending=False, kind="stable")
    table = table.loc[table.mean(axis=1).sort_values(ascending=False, kind="stable").index]
    table = table[mean.index]
    classes = _classes(cells, list(table.columns)) if order == "resource" else []
    if classes:
        best = sorted(range(len(classes)), key=lambda k: RESOURCES.index(classes[k]))
        table, classes = table.iloc[:, best], [classes[k] for k in best]
    informed = table.index.isin(cells.loc[cells["informed"].astype(bool), "model"])
    clear = table[informed] if informed.any() else table
    first, last = layout.ends(len(clear), MOST_ROWS)
    weak = table[~informed] if informed.any() and not last else table[:0]
    shown = pd.concat([clear.iloc[[*first, *last]], weak])
    names = list(shown.columns)
    if "name" in cells:
        full = cells.drop_duplicates("language").set_index("language")["name"]
        names = [layout.shorten(str(full[language]), 20) for language in names]
    # Names of languages may stand upright above the cells.
    above = layout.widest(names, style.TINY * style.PRESETS["acl"].points)
    sheet = layout.sheet(
        ax, height=_ROW * len(shown) + max(above, 0.4) + 0.2, wide=shown.shape[1] > 4
    )
    (axes,) = sheet.axes
    values = np.ma.masked_invalid(shown.to_numpy(dtype=float))
    low, high = float(values.min()), float(values.max())
    mesh = axes.pcolormesh(values, cmap=style.RAMP, edgecolors=style.PAPER,
                           linewidth=style.points(0.06),
                           vmin=low, vmax=high, label="_cells")  # fmt: skip
    layout.tip(mesh, [
        f"{model}, {english_name(str(language))}: {value:.3f}" if value == value else
        f"{model}, {english_name(str(language))}: not asked"
        for model, row in shown.iterrows() for language, value in row.items()
    ])  # fmt: skip
    written = shown.shape[1] <= _MOST_WRITTEN
    if written:
        for row, column in zip(
            *np.nonzero(~values.mask * np.ones(values.shape, bool)), strict=True
        ):
            dark = values[row, column] > low + 0.62 * (high - low)
            axes.text(column + 0.5, row + 0.5, f"{values[row, column]:.2f}", ha="center",
                      va="center", fontsize=style.points(0.7), label="_value",
                      color=_ON_DEEP if dark else _ON_PALE)  # fmt: skip
    _frame(axes, layout.short_names(shown.index, 34), names, bool(last or len(weak)), len(first))
    _class_names(axes, classes)
    if len(shown) > _FEW_ROWS or not written:
        _colour_bar(axes, mesh, "HAT score")
    named = dict(zip(shown.columns, names, strict=True))
    by = f"languages by {'resource class, then by ' if classes else ''}their mean"
    part = f" The first and last {len(first)} of {len(clear)} models are shown." if last else ""
    part += " Under the line: weakly identified by the data." if len(weak) else ""
    sheet.describe(
        f"HAT score by model and target language; models by their mean, best on top, {by}, best "
        f"at the left.{part}",
        f"Scores of {len(shown)} models in {table.shape[1]} languages: highest mean of "
        f"{len(clear)} model{'s' * (len(clear) != 1)} in {named[mean.index[0]]} "
        f"({mean.iloc[0]:.2f}), lowest in {named[mean.index[-1]]} ({mean.iloc[-1]:.2f}).",
    )
    return axes


@style.house_style()
def ranks(
    scores: Ranked,
    *,
    sets: pd.DataFrame | None = None,
    conf_level: float = 0.95,
    rng: int = 1,
    ax: Axes | None = None,
) -> Axes:
    """Draw which model is surely better than which: all pairs at once.

    Parameters
    ----------
    scores : HatScores or DataFrame
        A frame is that of ``scores.pairs()``: `a, b, estimate, p_adjusted`.
    sets : DataFrame, optional
        `model, rank_low, rank_high` as ``scores.ranks()`` gives them; those of the scores if None.
    conf_level : float
        Level at which a pair is sure, for all pairs at once.
    rng : int
        Seed of the draws from which the critical values of scores come.
    ax : Axes, optional
        Where to draw; a figure of one column is made if None, as wide as the page from 10 models.

    Returns
    -------
    Axes
        A cell is the row's score less the column's: in colour where they surely differ, else
        empty. After each name the ranks that the data leave it; weakly identified models have
        none and are left out. Of more than 30 models the first
        and the last 15 are shown.

    Examples
    --------
    >>> import hatstats as hs
    >>> scores = hs.fit_profile(hs.simulate_study([0.0, 1.0], rng=1), method="observed").hat()
    >>> ax = hs.plot.ranks(scores)
    """
    pairs = pair_rows(scores, rng)
    needed(pairs, ("a", "b", "estimate", "p_adjusted"), "ranks")
    found = rank_rows(scores, rng) if sets is None else sets
    known = found.dropna(subset=["rank_low"]).set_index("model")
    every = list(dict.fromkeys([*pairs["a"], *pairs["b"]]))
    # Models that the data hardly inform have no rank.
    order = [name for name in every if name in known.index] or every
    pairs = pairs[pairs["a"].isin(order) & pairs["b"].isin(order)]
    first, last = layout.ends(len(order), MOST_ROWS)
    names = [order[index] for index in [*first, *last]]
    place = {name: index for index, name in enumerate(names)}
    both = pairs[pairs["a"].isin(place) & pairs["b"].isin(place)]
    rows, columns = both["a"].map(place).to_numpy(int), both["b"].map(place).to_numpy(int)
    less = np.full((len(names), len(names)), np.nan)
    sure = both["p_adjusted"].to_numpy(float) <= 1.0 - conf_level
    less[rows[sure], columns[sure]] = both["estimate"].to_numpy(float)[sure]
    less[columns[sure], rows[sure]] = -both["estimate"].to_numpy(float)[sure]
    texts = layout.short_names(names, 34)
    labels = [text + _ranks(name, known) for name, text in zip(names, texts, strict=True)]
    wide = len(names) > 9
    sheet = layout.sheet(ax, height=_ROW * len(names) + (0.5 if wide else 0.9), wide=wide)
    (axes,) = sheet.axes
    most = float(np.nanmax(np.abs(less))) if np.isfinite(less).any() else 1.0
    mesh = axes.pcolormesh(np.ma.masked_invalid(less), cmap=_DIVERGING, vmin=-most, vmax=most,
                           edgecolors=style.RULE,
                           linewidth=style.points(0.05), label="_sure")  # fmt: skip
    layout.tip(mesh, [
        f"{row} less {column}: {less[k, i]:.3f}" if np.isfinite(less[k, i]) else
        f"{row}, {column}: maybe equal"
        for k, row in enumerate(names) for i, column in enumerate(names)
    ])  # fmt: skip
    axes.set_facecolor(style.PAPER)
    for index in range(len(names)):
        axes.fill_between([index, index + 1], index, index + 1, color=style.BAND, linewidth=0)
    _frame(axes, labels, [str(index + 1) for index in [*first, *last]], bool(last), len(first))
    if last:
        axes.axvline(len(first), color=style.INK, linewidth=style.points(0.125), label="_divide")
    axes.set_xlabel("Compared with the model of rank")
    axes.xaxis.set_label_position("top")
    if np.isfinite(less).any():
        _colour_bar(axes, mesh, "Difference in HAT")
    level, count = layout.percent(conf_level), len(order)
    part = f" The first and last {len(first)} of {count} models are shown." if last else ""
    if unranked := len(every) - count:
        part += f" {unranked} that the data hardly inform are not ranked."
    all_sure = int((pairs["p_adjusted"] <= 1.0 - conf_level).sum())
    sheet.describe(
        f"Score of the row's model less that of the column's, in colour where they surely differ "
        f"({level} for all pairs at once); no colour: maybe equal. In brackets: the ranks that "
        f"the data leave each model.{part}",
        f"Matrix of {len(names)} models, best first: {all_sure} of {len(pairs)} pairs surely "
        "differ.",
    )
    return axes


def _classes(cells: pd.DataFrame, languages: list[str]) -> list[str]:
    """Resource classes of languages; none where not all are known, or all are the same."""
    if "resource" not in cells:
        return []
    of = cells.drop_duplicates("language").set_index("language")["resource"]
    found = [str(of[language]) for language in languages]
    return found if set(found) <= set(RESOURCES) and len(set(found)) > 1 else []


def _class_names(axes: Axes, classes: list[str]) -> None:
    """Name the resource classes below their columns, with a line between them."""
    for name in dict.fromkeys(classes):
        start, count = classes.index(name), classes.count(name)
        axes.text(start + count / 2, -0.01, f"{name} resource", ha="center", va="top",
                  transform=axes.get_xaxis_transform(), fontsize=style.points(style.TINY),
                  label="_class")  # fmt: skip
        if start:
            axes.axvline(
                start, color=style.INK, linewidth=style.points(0.125), label="_divide-classes"
            )


def _colour_bar(axes: Axes, mesh: QuadMesh, label: str) -> None:
    """A scale of colours beside a matrix, drawn as shapes, so that no figure holds an image."""
    bar = axes.figure.colorbar(mesh, ax=axes, shrink=0.6, aspect=30, pad=0.01)
    bar.set_label(label, fontsize=style.points(style.SMALL))
    bar.outline.set_visible(False)
    if bar.solids is not None:
        bar.solids.set(rasterized=False, edgecolor="face")
    bar.ax.tick_params(labelsize=style.points(style.TINY), labelfontfamily=style.fonts())


def _ranks(name: str, known: pd.DataFrame) -> str:
    """The ranks that the data leave a model, in brackets; `known` has a row for each."""
    if name not in known.index:
        return ""
    low, high = known.loc[[name], ["rank_low", "rank_high"]].to_numpy(int)[0].tolist()
    return f" ({low})" if low == high else f" ({low}–{high})"


def _frame(axes: Axes, rows: list[str], columns: list[str], gap: bool, first: int) -> None:
    """Name rows and columns of a matrix, first row on top; a line between both ends."""
    axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
    longest = max(map(len, map(str, columns)), default=0)
    long = longest > (2 if len(columns) > _MOST_WRITTEN else 60 / max(len(columns), 1))
    axes.set_xticks(
        np.arange(len(columns)) + 0.5, [str(name) for name in columns], rotation=90.0 * long
    )
    axes.tick_params(length=0, labelsize=style.points(style.TINY), labeltop=True, labelbottom=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_ylim(len(rows), 0)
    if gap:
        axes.axhline(first, color=style.INK, linewidth=style.points(0.125), label="_divide")
