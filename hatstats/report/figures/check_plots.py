"""Checks of a profile, and of the posterior of the hierarchical model."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from hatstats.report.figures import layout, style
from hatstats.report.results.plotted import Check, check_rows, needed

#: No more models than this get a panel or a line; the caption says how many there are.
MOST_MODELS = 12
_Z = 1.959964


@style.house_style()
def checks(result: Check, *, ax: layout.Given = None) -> list[Axes]:
    """Draw a check of a profile: what was observed beside what the profile implies.

    Parameters
    ----------
    result : Thinning, SplitHalf, CountTable, MisspecificationTest or DataFrame
        What `thin_trials`, `split_half`, `count_table` or `misspecification_test` returned; or the
        frame of `hat_by_correlation`.
    ax : Axes or sequence of Axes, optional
        One for each panel; a figure is made if None.

    Returns
    -------
    list of Axes
        Thinning and count table: a panel for each model, at most twelve spread over all of them.
        Split halves and misspecification: one panel, both scores of each model. By correlation:
        one panel, a line for each model.

    Examples
    --------
    >>> import hatstats as hs
    >>> profile = hs.fit_profile(hs.simulate_study([0.0, 1.0], rng=1))
    >>> panels = hs.plot.checks(hs.thin_trials(profile))
    """
    kind, rows = check_rows(result)
    draw = {"path": _thinning, "counts": _counts, "correlation": _correlation, "terms": _terms}
    return draw[kind](rows, ax)


def _some(rows: pd.DataFrame) -> tuple[list[str], str]:
    """Models to draw, spread over all of them, and a sentence where they are not all."""
    models = list(dict.fromkeys(rows["model"]))
    if len(models) <= MOST_MODELS:
        return models, ""
    spaced = np.linspace(0, len(models) - 1, MOST_MODELS).round().astype(int)
    return [models[index] for index in spaced], f" {MOST_MODELS} of {len(models)} models are shown."


def _panels(
    table: pd.DataFrame, ax: layout.Given, height: float, labels: tuple[str, str]
) -> tuple[layout.Sheet, dict[str, Axes], pd.DataFrame, str]:
    """A sheet with a panel for each model drawn, of the first benchmark.

    With the panels by model, the rows of that benchmark, and what `_some` says.
    """
    rows = table[table["benchmark"] == table["benchmark"].iloc[0]]
    models, part = _some(rows)
    sheet = layout.sheet(
        ax,
        [layout.shorten(str(model), 26) for model in models],
        height=height,
        wide=len(models) > 2,
        columns=min(4, len(models)),
        labels=labels,
        shared=True,
    )
    return sheet, dict(zip(models, sheet.axes, strict=True)), rows, part


def _thinning(path: pd.DataFrame, ax: layout.Given) -> list[Axes]:
    """Observed scores against 1/n with their limit, of the first benchmark, and what is implied."""
    labels = ("1 / trials in the source language", "Observed HAT")
    sheet, panels, rows, part = _panels(path, ax, 1.3, labels)
    for model, axes in panels.items():
        _thinning_panel(axes, rows[rows["model"] == model].sort_values("trials", kind="stable"))
    sheet.axes[0].xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10], prune="upper"))
    sheet.axes[0].yaxis.set_major_locator(MaxNLocator(4))
    low, high = _range(rows[~np.isinf(rows["trials"])])
    sheet.axes[0].set_ylim(low, high)
    named = f", reference: {rows['reference'].iloc[0]}" if "reference" in rows else ""
    limit = rows[np.isinf(rows["trials"])]
    far = (limit["observed"] - limit["implied"]).abs().max()
    outside = int((~limit["observed"].between(low, high)).sum())
    if outside:
        part += f" The limit of {outside} of {len(limit)} models lies outside the frame."
    error = _Z * limit["std_error"]
    if ((limit["observed"] - error < low) | (limit["observed"] + error > high)).any():
        part += " The interval of a limit may leave it." if outside else (
            " The interval of a limit may leave the frame.")  # fmt: skip
    sheet.describe(
        f"Thinning, benchmark {rows['benchmark'].iloc[0]}{named}. Points: observed score with 95 % "
        "intervals when trials are dropped at random; hollow: not used by the extrapolation. "
        "Diamond at 0: its limit for infinitely many trials. Line: what the profile implies."
        + part,
        f"Observed scores of {len(panels)} models against the reciprocal of the number of trials; "
        f"their limits and what the profile implies differ by {far:.3f} at most.",
    )
    return sheet.axes


def _range(rows: pd.DataFrame) -> tuple[float, float]:
    """Vertical range of a path: its intervals and what is implied, with some room."""
    error = _Z * rows["std_error"].fillna(0.0)
    low = min((rows["observed"] - error).min(), rows["implied"].min())
    high = max((rows["observed"] + error).max(), rows["implied"].max())
    room = 0.08 * (high - low or 1.0)
    return float(low - room), float(high + room)


def _thinning_panel(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the path of one model, sorted by its number of trials."""
    x = 1.0 / rows["trials"]
    axes.plot(x, rows["implied"], color=style.IMPLIED, linewidth=0.14 * style.points(),
              gid="implied")  # fmt: skip
    limit, used = x == 0.0, rows["used"].astype(bool)
    kinds = ((limit, "D", True), (~limit & used, "o", True), (~limit & ~used, "o", False))
    for chosen, marker, filled in kinds:
        size = style.points(0.5 if marker == "D" else 0.38)
        marks = style.Look("", style.INK, marker).marks(size, filled=filled)
        own = rows[chosen]
        axes.errorbar(x[chosen], own["observed"], yerr=_Z * own["std_error"],
                      elinewidth=style.points(0.1),
                      gid="limit" if marker == "D" else "thinned",
                      **marks)  # fmt: skip
    axes.grid(True)


def _counts(table: pd.DataFrame, ax: layout.Given) -> list[Axes]:
    """Items by number of right answers in the source, observed and expected, by model."""
    labels = ("Right of all trials in the source language", "Items")
    sheet, panels, rows, part = _panels(table, ax, 1.15, labels)
    for model, axes in panels.items():
        own = rows[rows["model"] == model]
        share = (own["right"] / own["trials"]).to_numpy(float)
        width = 0.8 / (float(own["trials"].max()) + 1.0)
        axes.bar(share, own["items"], width=width, color=style.BAND, linewidth=0, gid="observed")
        marks = style.Look("", style.IMPLIED, "o").marks(style.points(0.3))
        axes.plot(share, own["items_expected"], gid="implied", **marks)
    sheet.axes[0].yaxis.set_major_locator(MaxNLocator(4))
    far = (rows["items"] - rows["items_expected"]).abs().max()
    sheet.describe(
        f"Items by share of right answers in the source language, benchmark "
        f"{rows['benchmark'].iloc[0]}. Bars: observed; points: expected by the profile.{part}",
        f"Numbers of items of {len(panels)} models by source count; observed and expected differ "
        f"by {far:.0f} items at most.",
    )
    return sheet.axes


def _terms(tidy: pd.DataFrame, ax: layout.Given) -> list[Axes]:
    """Two scores of each model by different methods, one beside the other."""
    needed(tidy, ("term", "model", "estimate", "conf_low", "conf_high"), "a check")
    rows = tidy[tidy["term"] != "difference"]
    terms, models = list(dict.fromkeys(rows["term"])), list(dict.fromkeys(rows["model"]))
    sheet = layout.sheet(ax, height=0.17 * len(models) + 0.5)
    (axes,) = sheet.axes
    looks = {term: style.Look(str(term), *style.FAMILY_LOOK[k]) for k, term in enumerate(terms)}
    for k, term in enumerate(terms):
        own = rows[rows["term"] == term]
        heights = own["model"].map(models.index) + 0.16 * (k - (len(terms) - 1) / 2)
        colour = looks[term].colour
        axes.hlines(
            heights, own["conf_low"], own["conf_high"], color=colour, linewidth=style.points(0.11)
        )
        axes.plot(own["estimate"], heights, label="_score",
                  **looks[term].marks(style.points(0.42)))  # fmt: skip
    layout.name_rows(axes, [layout.shorten(str(name), 34) for name in models], share=0.8)
    axes.set_ylim(len(models) - 0.4, -0.6)
    axes.set_xlabel("HAT score")
    axes.xaxis.grid(True)
    sheet.legend(layout.family_handles(looks.values()))
    method = str(tidy["method"].iloc[0]) if "method" in tidy else "check"
    gap = tidy.loc[tidy["term"] == "difference", "estimate"].abs().max()
    level = layout.percent(float(tidy["conf_level"].iloc[0])) if "conf_level" in tidy else "95 %"
    sheet.describe(
        f"{method.capitalize()}: {' and '.join(map(str, terms))} of each model. Bars: {level} "
        "intervals.",
        f"Two scores of {len(models)} models; they differ by {gap:.3f} at most.",
    )
    return sheet.axes


def _correlation(table: pd.DataFrame, ax: layout.Given) -> list[Axes]:
    """HAT of each model against an assumed correlation of any two trials of an item."""
    models, part = _some(table)
    sheet = layout.sheet(
        ax, height=2.2, labels=("Assumed correlation of two trials of an item", "HAT score")
    )
    (axes,) = sheet.axes
    colours = [colour for colour, _ in style.FAMILY_LOOK]
    dashes = ("-", (0, (3, 1.2)))
    lines = []
    for k, model in enumerate(models):
        rows = table[table["model"] == model]
        lines += axes.plot(rows["correlation"], rows["estimate"], linewidth=0.11 * style.points(),
                           color=colours[k % len(colours)], linestyle=dashes[k // len(colours)],
                           marker=".", label=layout.shorten(str(model), 34),
                           gid="by correlation")  # fmt: skip
    axes.set_xlim(-0.02, 1.02)
    axes.yaxis.grid(True)
    sheet.legend(lines)
    moved = table.groupby("model")["estimate"].agg(lambda values: values.max() - values.min())
    most = "none is known"
    if moved.notna().any():
        most = f"the score that moves most, that of {moved.idxmax()}, moves by {moved.max():.3f}"
    sheet.describe(
        f"HAT if any two trials of an item were correlated so much, reference: "
        f"{table['reference'].iloc[0]}. Counts alone cannot say how much they are. No point: fewer "
        f"than two effective trials.{part}",
        f"Scores of {len(models)} models against an assumed correlation of trials; {most}.",
    )
    return sheet.axes


@style.house_style()
def prior_predictive(shares: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw what prior and posterior say of the HAT of a cell.

    Parameters
    ----------
    shares : DataFrame
        `low, high, prior, posterior`: shares of cells in bins of accuracy.
    ax : Axes, optional
        Where to draw; a figure of one column is made if None.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import pandas as pd
    >>> import hatstats as hs
    >>> bins = {"low": [0.0, 0.5], "high": [0.5, 1.0]}
    >>> shares = pd.DataFrame({**bins, "prior": [0.5, 0.5], "posterior": [0.2, 0.8]})
    >>> ax = hs.plot.prior_predictive(shares)
    """
    sheet = layout.sheet(ax, height=2.1, labels=("HAT of a model in a language", "Share of draws"))
    (axes,) = sheet.axes
    edges = np.append(shares["low"], 1.0)
    bars = axes.bar(shares["low"], shares["prior"], shares["high"] - shares["low"], align="edge",
                    color=style.MUTED, alpha=0.45, gid="prior", label="prior")  # fmt: skip
    (line,) = axes.step(edges, np.append(shares["posterior"], 0.0), where="post",
                        color=style.IMPLIED, linewidth=style.points(0.14), gid="posterior",
                        label="posterior")  # fmt: skip
    axes.set_xlim(0.0, 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    bars[0].set_label("prior")
    sheet.legend([bars[0], line])
    sheet.describe(
        "HAT of a model in a language by the priors alone, before any data, and by the posterior. "
        "A prior that left no room where the posterior lies would have decided it.",
        f"Histogram of HAT: the prior's largest share in a bin is {shares['prior'].max():.2f}, the "
        f"posterior's {shares['posterior'].max():.2f}.",
    )
    return axes


@style.house_style()
def shrinkage(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw each cell's own estimate against its posterior, both less what the effects predict.

    Parameters
    ----------
    table : DataFrame
        `raw, estimate, predicted` in logits, as ``HierarchicalFit.shrinkage`` gives them.
    ax : Axes, optional
        Where to draw; a figure of one column is made if None.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import pandas as pd
    >>> import hatstats as hs
    >>> cells = {"raw": [0.4, -0.2], "estimate": [0.3, -0.1], "predicted": [0.1, 0.0]}
    >>> ax = hs.plot.shrinkage(pd.DataFrame(cells))
    """
    labels = ("Own estimate less prediction (logits)", "Posterior less prediction (logits)")
    sheet = layout.sheet(ax, height=2.3, labels=labels)
    (axes,) = sheet.axes
    across = (table["raw"] - table["predicted"]).to_numpy(dtype=float)
    up = (table["estimate"] - table["predicted"]).to_numpy(dtype=float)
    most = float(np.nanmax(np.abs(across))) * 1.05 if across.size else 1.0
    nothing = Line2D([-most, most], [-most, most], color=style.MUTED, linewidth=style.points(0.08),
                     linestyle=style.DASHED)  # fmt: skip
    axes.add_line(nothing)
    axes.axhline(0.0, color=style.MUTED, linewidth=style.points(0.08))
    axes.scatter(across, up, s=style.points(0.35) ** 2, color=style.INK, alpha=0.6, linewidths=0,
                 gid="cells")  # fmt: skip
    axes.grid(True)
    inside = int((np.abs(up) <= np.abs(across)).sum())
    sheet.describe(
        "Each point is a model in a language. Across: its own estimate less what language, family, "
        "model and trend predict; up: the posterior less the same. On the dashed line nothing is "
        "shrunk, on the horizontal all is.",
        f"{len(table)} cells, own estimate against posterior, both less the prediction; {inside} "
        "are pulled towards it.",
    )
    return axes
