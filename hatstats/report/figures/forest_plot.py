"""The forest plot: models' scores with intervals, best first; of many, both ends and families."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from hatstats.report.figures import layout, style
from hatstats.report.results.plotted import Scores, score_rows

#: Up to this number of models each has a row.
ALL_ROWS = 48
#: Rows at either end of a plot of more models; the others are points on a strip of their family.
END_ROWS = 12
#: Families with a strip of their own; smaller ones share the last.
_STRIPS = 14
_ROW = 0.142


@style.house_style()
def forest(scores: Scores, *, conf_level: float = 0.95, ax: Axes | None = None) -> Axes:
    """Draw scores with their intervals, best first, weakly identified models apart at the foot.

    Parameters
    ----------
    scores : HatScores, PosteriorScores, BootstrapScores or DataFrame
        A frame has `model, estimate, conf_low, conf_high`, and optionally `family, informed,
        reference, conf_level`.
    conf_level : float
        Level of the intervals; a frame's own where it has one.
    ax : Axes, optional
        Where to draw; a figure of one column is made if None.

    Returns
    -------
    Axes
        One row per model up to 48 models; of more the first and the last twelve, and between them
        all models as points on a strip for each family. Weakly identified models are hollow, with
        a dashed interval.

    Examples
    --------
    >>> import hatstats as hs
    >>> scores = hs.fit_profile(hs.simulate_study([0.0, 1.0], rng=1), method="observed").hat()
    >>> ax = hs.plot.forest(scores)
    """
    rows = score_rows(scores, conf_level).sort_values(
        ["informed", "estimate"], ascending=False, kind="stable", ignore_index=True
    )
    looks = style.family_looks(rows["family"])
    dense = len(rows) > ALL_ROWS
    clear = rows[rows["informed"].astype(bool)]
    shown, ranks = rows, np.arange(len(rows))
    strips: list[tuple[str, pd.DataFrame]] = []
    if dense:
        first, last = layout.ends(len(clear), 2 * END_ROWS)
        shown = clear.iloc[[*first, *last]].reset_index(drop=True)
        # A gap of a row between both ends.
        ranks = np.array([*range(len(first)), *(len(first) + 1 + np.arange(len(last)))])
        strips = _strips(rows)
    below = int(ranks.max()) + 2 if dense else len(rows)
    total = below + len(strips)
    sheet = layout.sheet(ax, height=_ROW * total + 0.42)
    (axes,) = sheet.axes
    _draw_rows(axes, shown, ranks, looks)
    _draw_strips(axes, strips, below, looks)
    names = layout.short_names(shown["model"], 34)
    labels = [*names, *(f"{name} ({len(part)})" for name, part in strips)]
    heights = [*ranks.tolist(), *range(below, total)]
    axes.set_yticks(heights, labels)
    axes.tick_params(axis="y", length=0, labelsize=style.points(0.8))
    axes.spines["left"].set_visible(False)
    if dense:
        axes.axhline(below - 1, color=style.MUTED, linewidth=style.points(0.06), label="_divide")
        middle = len(clear) - len(shown)
        axes.text(0.5, END_ROWS, f"{middle} models between", transform=axes.get_yaxis_transform(),
                  ha="center", va="center", color=style.MUTED,
                  fontsize=style.points(style.TINY), label="_gap")  # fmt: skip
    axes.set_ylim(total - 0.4, -0.6)
    # The intervals of what the data hardly inform would flatten all others.
    drawn = clear if len(clear) else rows
    # Scores may be known without their intervals.
    ends = pd.concat([drawn["conf_low"], drawn["conf_high"], rows["estimate"]])
    low, high = ends.min(), ends.max()
    locator = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10])
    ticks = locator.tick_values(low, high if high > low else low + 0.1)
    axes.set_xticks(ticks)
    axes.set_xlim(ticks[0], ticks[-1])
    axes.set_xlabel("HAT score")
    axes.xaxis.grid(True)
    sheet.legend(layout.family_handles(looks.values()))
    sheet.describe(*_words(rows, clear, len(shown) if dense else 0, float(ticks[0])))
    return axes


def _words(rows: pd.DataFrame, clear: pd.DataFrame, ends: int, low: float) -> tuple[str, str]:
    """Caption and alternative text of what is drawn."""
    level = layout.percent(float(rows["conf_level"].iloc[0]))
    reference = str(rows["reference"].iloc[0])
    given = f", reference: {reference}" if reference else ""
    count, weak = len(rows), len(rows) - len(clear)
    models = f"{count} model{'' if count == 1 else 's'}"
    parts = [f"HAT score of {models}, best first{given}. Bars: {level} intervals."]
    if low > 0.0:
        parts.append(f"The axis starts at {low:.4g}.")
    if ends:
        parts.append(
            f"The first and last {ends // 2} have rows; below the line all {count} are points on "
            "the strip of their family."
        )
    if weak:
        cut = "; their intervals may be cut at the frame" if not ends else ""
        where = "and at the foot, " if not ends else ""
        parts.append(f"Hollow, {where}{weak} weakly identified by the data{cut}.")
    alt = f"Scores of {models} with intervals, best first."
    known = clear if len(clear) else rows
    best, last = known.iloc[0], known.iloc[-1]
    alt += (
        f" Highest: {best['model']}, {best['estimate']:.3f}; "
        f"lowest: {last['model']}, {last['estimate']:.3f}."
    )
    return " ".join(parts), alt + (f" Weakly identified: {weak}." if weak else "")


def _strips(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Families with most models and their rows, best median first; the others together at the end.

    A median orders the strips, that of the models which the data inform; it is not drawn.
    Families without any such model stand before the others.
    """
    families = rows["family"].replace("", np.nan).fillna("family unknown").astype(str)
    counts = families.value_counts(sort=True)
    kept = list(counts.index[:_STRIPS])
    named = families.where(families.isin(kept), "other families")
    groups = {str(name): part for name, part in rows.groupby(named, sort=False)}
    medians = rows[rows["informed"].astype(bool)].groupby(named)["estimate"].median()
    order = sorted(groups, key=lambda name: (name == "other families", -medians.get(name, 0.0)))
    return [(name, groups[name]) for name in order]


def _draw_rows(
    axes: Axes, rows: pd.DataFrame, heights: np.ndarray, looks: dict[str, style.Look]
) -> None:
    """Draw markers and intervals at some heights, shape (n,)."""
    size = style.points(0.5)
    for height, row in zip(heights.tolist(), rows.to_dict("records"), strict=True):
        look, informed = style.look_of(looks, row["family"]), bool(row["informed"])
        axes.plot([row["conf_low"], row["conf_high"]], [height, height], color=look.colour,
                  linewidth=0.13 * style.points(), solid_capstyle="butt", label="_interval",
                  linestyle="-" if informed else style.DASHED)  # fmt: skip
        label = "_estimate" if informed else "_estimate-weakly-identified"
        marks = look.marks(size, filled=informed)
        (mark,) = axes.plot([row["estimate"]], [height], label=label, **marks)
        layout.tip(mark, [layout.score_tip(row)])
    weak = int((~rows["informed"].astype(bool)).sum())
    if 0 < weak < len(rows):
        divide = len(rows) - weak - 0.5
        axes.axhline(divide, color=style.MUTED, linewidth=style.points(0.06), label="_divide")


def _draw_strips(
    axes: Axes, strips: list[tuple[str, pd.DataFrame]], start: int, looks: dict[str, style.Look]
) -> None:
    """Draw the models of each family as points on one line, from the height `start` down."""
    for height, (name, part) in enumerate(strips, start):
        axes.plot([part["estimate"].min(), part["estimate"].max()], [height, height],
                  color=style.RULE,
                  linewidth=style.points(0.06), zorder=1.0, label="_strip")  # fmt: skip
        for informed, own in part.groupby(part["informed"].astype(bool)):
            marks = style.look_of(looks, name).marks(style.points(0.42), filled=bool(informed))
            (members,) = axes.plot(own["estimate"], np.full(len(own), height), alpha=0.75,
                                   label="_member", **marks)  # fmt: skip
            layout.tip(members, layout.score_tips(own))
