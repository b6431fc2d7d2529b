"""The forest plot: every model's score with its interval, best first."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hatstats.report.figures import layout, style

#: The forest plot names every model up to this number, and a choice of them beyond it.
ALL_ROWS = 60
#: Names written in a forest plot that cannot name all.
SOME_ROWS = 44
#: Length of the lines from names to rows in a dense plot, in inches.
_REACH = 0.34


def forest(scores: pd.DataFrame, *, reference: str) -> Figure:
    """Draw scores with their intervals, best first, weakly identified ones apart at the foot.

    Parameters
    ----------
    scores : DataFrame
        `model, family, estimate, conf_low, conf_high, conf_level, informed`; a weakly identified
        model (`informed` False) gets a hollow marker and a dashed interval.
    reference : str
        Name of the reference distribution, on the axis.

    Returns
    -------
    Figure
        One row per model up to ``ALL_ROWS`` models; beyond, thin rows at a fixed height with
        ``SOME_ROWS`` names: the best, the last and evenly spaced ones between.

    Examples
    --------
    >>> import hatstats as hs
    >>> from hatstats.report import figures
    >>> scores = hs.fit_profile(hs.simulate_study([0.0, 1.0], rng=1), method="observed").hat()
    >>> rows = scores.tidy().assign(family="acme", informed=True)
    >>> figure = figures.forest(rows, reference="pooled")
    """
    rows = scores.sort_values(["informed", "estimate"], kind="stable", ignore_index=True)
    dense = len(rows) > ALL_ROWS
    looks = style.family_looks(rows["family"])
    named = _named_rows(len(rows))
    names = [layout.shorten(str(name), 26) for name in rows["model"].iloc[named]]
    with style.house_style():
        left = 0.12 + layout.widest(names, 6.0) + (_REACH if dense else 0.0)
        height = 6.6 if dense else 0.155 * len(rows) + 0.1
        figure = layout.new_figure(style.COLUMN, 0.06 + height)
        axes = layout.add_axes(
            figure, left, 0.06, style.COLUMN - left - (0.12 if dense else 0.95), height
        )
        _draw_rows(axes, rows, looks, dense)
        if dense:
            _spread_names(axes, named, names)
        else:
            layout.name_rows(axes, names, 6.0)
            _write_values(axes, rows)
        axes.set_xlabel(f"HAT score, reference: {reference}")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.grid(True)
        layout.write_under(
            figure, layout.family_handles(looks.values()), _forest_note(rows, len(named))
        )
    return figure


def _named_rows(count: int) -> list[int]:
    """Rows of a forest plot that get a name: all, or both ends and some between."""
    if count <= ALL_ROWS:
        return list(range(count))
    ends = SOME_ROWS // 6
    middle = np.linspace(ends, count - ends - 1, SOME_ROWS - 2 * ends + 2)[1:-1].round().astype(int)
    return [*range(ends), *middle.tolist(), *range(count - ends, count)]


def _forest_note(rows: pd.DataFrame, named: int) -> str:
    """What a reader must know to read the forest plot."""
    parts = [f"Bars: {100.0 * float(rows['conf_level'].iloc[0]):g} % intervals."]
    if not rows["informed"].all():
        parts.append("Under the line, hollow and dashed: weakly identified by the data.")
    if named < len(rows):
        parts.append(f"{named} of {len(rows)} models are named; scores.csv has all.")
    return " ".join(parts)


def _draw_rows(axes: Axes, rows: pd.DataFrame, looks: dict[str, style.Look], dense: bool) -> None:
    """Draw markers and intervals, row 0 at the foot."""
    line, size = (0.6, 1.8) if dense else (1.1, 3.8)
    for height, row in enumerate(rows.to_dict("records")):
        look, informed = style.look_of(looks, row["family"]), bool(row["informed"])
        axes.plot([row["conf_low"], row["conf_high"]], [height, height], color=look.colour,
                  linewidth=line, linestyle="-" if informed else style.DASHED,
                  solid_capstyle="butt", label="_interval")  # fmt: skip
        label = "_estimate" if informed else "_estimate-weakly-identified"
        axes.plot([row["estimate"]], [height], label=label, **look.marks(size, filled=informed))
    weak = int((~rows["informed"].astype(bool)).sum())
    if 0 < weak < len(rows):
        axes.axhline(weak - 0.5, color=style.MUTED, linewidth=0.5, label="_divide")
    axes.set_ylim(-0.7, len(rows) - 0.3)


def _spread_names(axes: Axes, named: list[int], names: list[str]) -> None:
    """Write some models' names spread out over the height, with a thin line to each row."""
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    low, high = axes.get_ylim()
    heights = np.linspace(low + 1.5, high - 1.5, len(named))
    across = axes.get_yaxis_transform()
    reach = _REACH / (axes.get_position().width * style.COLUMN)
    for row, height, name in zip(named, heights, names, strict=True):
        axes.text(-reach, height, name, transform=across, fontsize=5.0, ha="right", va="center")
        x, y = [-0.95 * reach, -0.85 * reach, -0.12 * reach, 0.0], [height, height, row, row]
        axes.plot(x, y, transform=across, color=style.MUTED, linewidth=0.3, clip_on=False,
                  label="_leader")  # fmt: skip


def _write_values(axes: Axes, rows: pd.DataFrame) -> None:
    """Write estimate and limits at the right edge of each row."""
    across = axes.get_yaxis_transform()
    for height, row in enumerate(rows.to_dict("records")):
        text = f"{row['estimate']:.3f} [{row['conf_low']:.3f}, {row['conf_high']:.3f}]"
        axes.text(1.04, height, text, transform=across, fontsize=5.5, va="center")
