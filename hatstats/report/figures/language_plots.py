"""Figures of languages, and of what hardness adjustment does: HAT by language, raw beside HAT."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from hatstats.errors import DataError
from hatstats.report.figures import layout, style
from hatstats.report.results.languages import OfLanguages, language_rows
from hatstats.report.results.plotted import Scores, needed, score_rows

_ROW = 0.17
#: How a language stands to the mean of all, and how it is drawn.
_STANDING = {"behind": style.Look("surely below the mean", "#d55e00", "v"),
             "": style.Look("maybe as the mean", "#8a9199", "o"),
             "ahead": style.Look("surely above the mean", "#0072b2", "^")}  # fmt: skip
#: Models of a slope graph that are named at most: those whose rank moves most.
_NAMED = 10
_HEIGHT = 3.1


@style.house_style()
def languages(
    scores: OfLanguages,
    *,
    conf_level: float = 0.95,
    rng: int = 1,
    ax: Axes | None = None,
) -> Axes:
    """Draw HAT of each language with intervals that hold at once, and who is left behind.

    Parameters
    ----------
    scores : HatScores, LanguageScores or DataFrame
        Scores, or those by language, script or resource class of the mean of models. A frame has
        `name, estimate, conf_low, conf_high, less, standing`, and optionally `resource`.
    conf_level : float
        Probability that all intervals hold at once; a frame's own where it has one.
    rng : int
        Seed of the draws from which the critical values of scores come.
    ax : Axes, optional
        Where to draw; a figure of one column is made if None.

    Returns
    -------
    Axes
        Highest on top; the line is the mean of all. Below or above it is what surely differs from
        the mean, all differences at once. Where benchmarks have different languages, whose means
        differ, the distances from them are drawn.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([0.0, 1.0], shape=hs.Shape(200, 3), rng=1)
    >>> ax = hs.plot.languages(hs.fit_profile(study, method="observed").hat())
    """
    rows = language_rows(scores, conf_level, rng)
    columns = ("name", "estimate", "conf_low", "conf_high", "less", "standing")
    needed(rows, columns, "languages")
    sheet = layout.sheet(ax, height=_ROW * len(rows) + 0.5)
    (axes,) = sheet.axes
    means = rows["estimate"] - rows["less"]
    limits = ["less_conf_low", "less_conf_high"]
    # Where benchmarks have different languages, no one mean fits all: distances are shown.
    apart = float(np.ptp(means)) > 1e-6 and set(limits) <= set(rows)
    if apart:
        rows = rows.assign(estimate=rows["less"], conf_low=rows[limits[0]],
                           conf_high=rows[limits[1]])  # fmt: skip
        rows = rows.sort_values("estimate", ascending=False, kind="stable", ignore_index=True)
    what = (
        "HAT less the mean of its benchmarks' languages" if apart else "HAT score, mean of models"
    )
    mean = 0.0 if apart else float(means.mean())
    axes.axvline(
        mean, color=style.MUTED, linewidth=style.points(0.08), linestyle=style.DASHED, label="_mean"
    )
    for height, row in enumerate(rows.to_dict("records")):
        look = _STANDING[row["standing"]]
        axes.plot([row["conf_low"], row["conf_high"]], [height, height], color=look.colour,
                  linewidth=0.13 * style.points(), solid_capstyle="butt",
                  label="_interval")  # fmt: skip
        (mark,) = axes.plot(
            [row["estimate"]], [height], label="_estimate", **look.marks(style.points(0.5))
        )
        layout.tip(mark, [layout.score_tip(row | {"model": row["name"]})])
    known = rows["resource"] if "resource" in rows else pd.Series("", rows.index)
    names = [f"{name} ({of})" if of else str(name)
             for name, of in zip(rows["name"], known, strict=True)]  # fmt: skip
    layout.name_rows(axes, names)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel(what)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.grid(True)
    seen = set(rows["standing"])
    sheet.legend(layout.family_handles(look for name, look in _STANDING.items() if name in seen))
    own_level = rows["conf_level"].iloc[0] if "conf_level" in rows else conf_level
    level = layout.percent(float(own_level))
    behind = [str(name) for name in rows.loc[rows["standing"] == "behind", "name"]]
    in_brackets = " In brackets: resource class." if known.ne("").any() else ""
    best, last = rows.iloc[0], rows.iloc[-1]
    sheet.describe(
        f"{what}{', mean of models' if apart else ', by language'}, highest first. Bars: {level} "
        f"for all at once; dashed: the mean of all. Marks: what surely differs from the mean "
        f"({level} for all differences at once).{in_brackets}",
        f"Scores of {len(rows)} languages with intervals. Highest: {best['name']}, "
        f"{best['estimate']:.3f}; lowest: {last['name']}, {last['estimate']:.3f}. Surely below the "
        f"mean: {layout.name_some(behind, 12) if behind else 'none'}.",
    )
    return axes


@style.house_style()
def raw_to_hat(scores: Scores, *, ax: Axes | None = None) -> Axes:
    """Draw what adjusting for hardness changes: each model's raw target accuracy beside its HAT.

    Parameters
    ----------
    scores : HatScores or DataFrame
        A frame has `model, target, estimate` (raw accuracy in the target languages, HAT) with
        `conf_low, conf_high`, and optionally `family, informed`.
    ax : Axes, optional
        Where to draw; a figure of one column is made if None.

    Returns
    -------
    Axes
        One line per model that the data inform. Of up to ten models, or the ten whose rank moves
        most, by two or more, the name and both ranks are written and the line has the colour of
        the family.

    Examples
    --------
    >>> import hatstats as hs
    >>> scores = hs.fit_profile(hs.simulate_study([0.0, 1.0], rng=1), method="observed").hat()
    >>> ax = hs.plot.raw_to_hat(scores)
    """
    rows = score_rows(scores)
    needed(rows, ("target",), "raw accuracies and scores")
    informed = rows[rows["informed"].astype(bool)]
    weak, unknown = len(rows) - len(informed), int(informed["target"].isna().sum())
    rows = informed[informed["target"].notna()].reset_index(drop=True)
    if rows.empty:
        raise DataError(
            "no raw accuracies in the target languages are known here",
            column="target",
            hint="scores from items have them; of accuracies, give a frame with this column.",
        )
    looks = style.family_looks(rows["family"])
    ranks = [rows[name].rank(ascending=False, method="first").astype(int)
             for name in ("target", "estimate")]  # fmt: skip
    moved = (ranks[0] - ranks[1]).abs()
    every = len(rows) <= _NAMED
    moving = moved[every | (moved > 1)].sort_values(ascending=False, kind="stable")
    named = list(moving.index[:_NAMED])
    sheet = layout.sheet(ax, height=_HEIGHT)
    (axes,) = sheet.axes
    width = 0.08 * style.points()
    for index, row in enumerate(rows.to_dict("records")):
        look = style.look_of(looks, row["family"])
        shown = index in named
        (line,) = axes.plot(
                  [0.0, 1.0], [row["target"], row["estimate"]], linewidth=width * (1 + shown),
                  color=look.colour if shown else style.BAND, marker=look.marker if shown else "o",
                  markersize=style.points(0.4 if shown else 0.25), zorder=2.0 + shown,
                  label="_named" if shown else "_model")  # fmt: skip
        layout.tip(line, [f"{row['model']}: raw {row['target']:.3f}", layout.score_tip(row)])
    values = rows[["target", "estimate"]].to_numpy(dtype=float)
    low, high = float(values.min()), float(values.max())
    room = 0.05 * (high - low or 1.0)
    axes.set(xlim=(-0.1, 2.6), ylim=(low - room, high + room), ylabel="Accuracy")
    axes.set_xticks([0.0, 1.0], ["Raw target\naccuracy", "HAT score"])
    axes.yaxis.grid(True)
    size = style.points(style.TINY)
    # One line of type, in units of the axis.
    height = axes.bbox.height / axes.figure.dpi
    step = 1.25 * size / 72.0 / height * (high - low + 2.0 * room)
    heights = _apart(values[named, 1], step, low, high)
    names = dict(zip(named, layout.short_names(rows.loc[named, "model"], 28), strict=True))
    for index, height in zip(named, heights, strict=True):
        row = rows.loc[index]
        look = style.look_of(looks, row["family"])
        axes.plot([1.05, 1.16], [row["estimate"], height], color=look.colour,
                  linewidth=style.points(0.05),
                  label="_leader")  # fmt: skip
        text = f"{names[index]} {ranks[0][index]}→{ranks[1][index]}"
        axes.text(1.19, height, text, va="center", fontsize=size, label="_name")
    sheet.legend(layout.family_handles(
        looks[name] for name in looks if name in set(rows.loc[named, "family"].map(str))
    ))  # fmt: skip
    set_aside = f" Not drawn: {weak} that the data hardly inform." if weak else ""
    if unknown:
        set_aside += f" Not drawn and not ranked here: {unknown} not asked in every language."
    furthest = (
        f"{rows.loc[named[0], 'model']} moves most, from rank {ranks[0][named[0]]} to "
        f"{ranks[1][named[0]]}" if (moved > 1).any() else "no rank moves by two or more"
    )  # fmt: skip
    sheet.describe(
        "Raw accuracy in the target languages and HAT score of each model, joined by a line. Named "
        f"{'is each model' if every else 'are the models whose rank moves most'}, with the rank "
        f"before and after.{set_aside}",
        f"Raw target accuracy beside HAT of {len(rows)} models: {furthest}.",
    )
    return axes


def _apart(values: np.ndarray, step: float, low: float, high: float) -> np.ndarray:
    """Heights (n,) about some values, none nearer than `step` to another.

    From `low` to `high`, where there is room.
    """
    order = np.argsort(values)
    up, down = values[order].astype(float), values[order].astype(float)
    for index in range(1, len(values)):
        up[index] = max(up[index], up[index - 1] + step)
        down[-1 - index] = min(down[-1 - index], down[-index] - step)
    placed, found = (up + down) / 2.0, np.empty(len(values))
    if len(values):
        placed -= max(placed[-1] - high, 0.0)
        found[order] = placed + max(low - placed[0], 0.0)
    return found
