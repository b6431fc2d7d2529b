"""Target against source accuracy, transfer profiles, thinned scores, and the posterior."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from hatstats.report.figures import layout, style

#: Up to this number, panels are three abreast in one column; more take the width of the page.
_NARROW = 12
#: No more panels than this are drawn; the note says how many there would be.
MOST_PANELS = 60
#: Error bars are drawn up to this number of models.
MOST_BARS = 60
#: No more models than this get a panel of thinned scores; the note says how many there are.
MOST_THINNED = 12
_DASHES = ("-", (0, (4, 1.4)), (0, (1.2, 1.2)), (0, (5, 1.2, 1.2, 1.2)))
_LIMITS = ("source_low", "source_high", "target_low", "target_high")


def target_against_source(
    points: pd.DataFrame, curve: pd.DataFrame, *, chance: dict[str, float]
) -> Figure:
    """Draw target against source accuracy, one panel per benchmark and target language.

    `points` has one row per model, benchmark and language: `model, family, benchmark, language,
    source, target, source_low, source_high, target_low, target_high, conf_level, flagged`, and
    optionally `source_flagged`. Flagged cells are hollow, and so are all of a model whose source
    cell is flagged; unknown limits have no error bar. `curve` is the fitted relation,
    `benchmark, language, source, target`, sorted by source within a panel, or empty. `chance` is
    the accuracy of blind guessing by benchmark, drawn dotted where it is above 0.
    """
    several = points["benchmark"].nunique() > 1
    groups = list(points.groupby(["benchmark", "language"], sort=False))
    drawn = groups[:MOST_PANELS]
    fits = dict(list(curve.groupby(["benchmark", "language"]))) if len(curve) else {}
    looks = style.family_looks(points.drop_duplicates("model")["family"])
    width, columns = (style.COLUMN, 3) if len(drawn) <= _NARROW else (style.PAGE, 6)
    limits = _square_limits(points)
    bars = points["model"].nunique() <= MOST_BARS
    with style.house_style():
        figure, panels = layout.panel_grid(
            [f"{key[0]} · {key[1]}" if several else str(key[1]) for key, _ in drawn],
            labels=("Accuracy in the source language", "Accuracy in the target language"),
            width=width,
            columns=min(columns, max(2, len(drawn))),
        )
        for axes, (key, rows) in zip(panels, drawn, strict=True):
            _model_points(axes, rows, looks, bars)
            _reference_lines(axes, limits, chance.get(str(key[0]), 0.0), 3)
            axes.tick_params(labelsize=5.8, pad=1.5)
            for fit in [fits[key]] if key in fits else []:
                axes.plot(
                    fit["source"], fit["target"], color=style.TREND, linewidth=1.0, label="_fit"
                )
        note = _panel_note(points, len(curve) > 0, chance, len(groups) - len(drawn), bars)
        layout.write_under(figure, layout.family_handles(looks.values()), note)
    return figure


def _square_limits(points: pd.DataFrame) -> tuple[float, float]:
    """One range for both axes of all panels, so that distance from the diagonal is a loss."""
    values = points[["source", "target", *_LIMITS]].to_numpy(float)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = 0.05 * (high - low or 1.0)
    return max(low - room, -0.02), min(high + room, 1.02)


def _model_points(axes: Axes, rows: pd.DataFrame, looks: dict[str, style.Look], bars: bool) -> None:
    """Draw the models of one panel, with error bars if there is room for them."""
    names = [style.look_of(looks, family) for family in rows["family"]]
    for look in dict.fromkeys(names):
        own = rows[[name == look for name in names]]
        for flagged, cells in own.groupby(own["flagged"].astype(bool)):
            marks = look.marks(2.4 if bars else 1.6, filled=not flagged)
            axes.errorbar(cells["source"], cells["target"], elinewidth=0.45,
                          xerr=_bar_lengths(cells, "source") if bars else None,
                          yerr=_bar_lengths(cells, "target") if bars else None,
                          label="_flagged" if flagged else "_model", **marks)  # fmt: skip


def _bar_lengths(cells: pd.DataFrame, side: str) -> list[pd.Series]:
    """Lengths of the error bars below and above."""
    return [cells[side] - cells[f"{side}_low"], cells[f"{side}_high"] - cells[side]]


def _reference_lines(axes: Axes, limits: tuple[float, float], chance: float, n_ticks: int) -> None:
    """Draw the diagonal (nothing lost) in square limits, and chance where it is above 0."""
    axes.plot(limits, limits, color=style.MUTED, linewidth=0.4, zorder=1.5, label="_diagonal")
    if chance > 0.0:
        axes.axhline(
            chance, color=style.INK, linewidth=0.6, linestyle=style.DOTTED, label="_chance"
        )
    axes.set(xlim=limits, ylim=limits)
    # In small panels side by side a number at the right end would touch the next panel's first.
    for axis, prune in ((axes.xaxis, "upper" if n_ticks < 4 else None), (axes.yaxis, None)):
        axis.set_major_locator(MaxNLocator(n_ticks, steps=[1, 2, 2.5, 5, 10], prune=prune))


def _panel_note(
    points: pd.DataFrame, fitted: bool, chance: dict[str, float], not_drawn: int, bars: bool
) -> str:
    """Explain the marks of the panels."""
    parts = ["Thin diagonal: nothing lost."]
    if fitted:
        parts.append("Dark line: fitted relation.")
    levels = sorted({f"{value:g}" for value in chance.values() if value > 0.0})
    if levels:
        parts.append(f"Dotted: chance ({', '.join(levels)}).")
    if not bars:
        parts.append("Too many models for error bars.")
    elif points[list(_LIMITS)].notna().to_numpy().any():
        parts.append(f"Bars: {100.0 * float(points['conf_level'].iloc[0]):g} % intervals.")
    hollow = points[points["flagged"].astype(bool)]
    of_source = hollow.get("source_flagged", pd.Series(False, hollow.index)).astype(bool)
    cells = [f"{row.model} ({row.language})" for row in hollow[~of_source].itertuples()]
    if cells:
        parts.append(f"Hollow: flagged and left out of the fit: {layout.name_some(cells, 8)}.")
    if of_source.any():
        names = list(hollow.loc[of_source, "model"].unique())
        named = layout.name_some(names, 8)
        parts.append(f"Hollow: left out because the source cell is flagged: {named}.")
    if not_drawn:
        parts.append(f"{not_drawn} further panels are not drawn.")
    return " ".join(parts)


def transfer_profiles(profiles: pd.DataFrame, *, chance: dict[str, float]) -> Figure:
    """Draw each model's transfer profile: expected target accuracy against source accuracy.

    Parameters
    ----------
    profiles : DataFrame
        Means over languages, `model, family, benchmark, source, target`, sorted by source within
        model and benchmark.
    chance : dict of str to float
        Chance level of each benchmark, 0 to draw none.

    Returns
    -------
    Figure
        One panel per benchmark. Models of one family share its colour and differ in dashes.

    Examples
    --------
    >>> import hatstats as hs
    >>> from hatstats.report import figures
    >>> profile = hs.fit_profile(hs.simulate_study([0.0, 1.0], rng=1), method="observed")
    >>> cell = ["model", "benchmark", "source"]
    >>> means = profile.curve().groupby(cell, sort=False)["target"].mean().reset_index()
    >>> figure = figures.transfer_profiles(means.assign(family="acme"), chance={"simulated": 0.0})
    """
    benchmarks = list(profiles["benchmark"].drop_duplicates())[:_NARROW]
    models = profiles.drop_duplicates("model")
    # Where no family is known each model has a look of its own.
    groups = "family" if (looks := style.family_looks(models["family"])) else "model"
    looks = looks or style.family_looks(models["model"])
    colours = models[groups].map(lambda name: style.look_of(looks, name).colour)
    nth = colours.groupby(colours).cumcount() % len(_DASHES)
    lines: dict[str, dict[str, Any]] = {
        str(model): {"color": colour, "linestyle": _DASHES[k]}
        for model, colour, k in zip(models["model"], colours, nth, strict=True)
    }
    handles = [
        Line2D([], [], label=layout.shorten(name, 24), linewidth=1.1, **line)
        for name, line in lines.items()
    ]
    dotted = any(chance.get(str(name), 0.0) > 0.0 for name in benchmarks)
    note = (
        f"Thin diagonal: nothing lost.{' Dotted: chance.' if dotted else ''} Each curve is the "
        "mean over target languages; it is best known where the model has many items."
    )
    several = len(benchmarks) > 1
    with style.house_style():
        figure, panels = layout.panel_grid(
            [str(name) if several else "" for name in benchmarks],
            labels=("Source accuracy of an item", "Expected target accuracy"),
            width=style.COLUMN,
            columns=2 if several else 1,
            most_wide=2.5,
        )
        for axes, benchmark in zip(panels, benchmarks, strict=True):
            rows = profiles[profiles["benchmark"] == benchmark]
            for model, own in rows.groupby("model", sort=False):
                axes.plot(own["source"], own["target"], linewidth=1.1, label="_profile",
                          **lines[str(model)])  # fmt: skip
            _reference_lines(axes, (0.0, 1.0), chance.get(str(benchmark), 0.0), 4)
        layout.write_under(figure, handles, note)
    return figure


def thinning(path: pd.DataFrame, *, reference: str) -> Figure:
    """Draw the observed score against 1/n with its limit, and what the profile implies.

    `path` has `model, benchmark, trials, observed, std_error, implied, used`, with a row of
    infinitely many trials for each model; the first benchmark is drawn. `reference` names the
    reference distribution. Points that are thinned too far to be used are hollow.
    """
    benchmark = path["benchmark"].iloc[0]
    frame = path[path["benchmark"] == benchmark]
    models = list(frame["model"].drop_duplicates())
    note = (
        f"Benchmark {benchmark}, reference: {reference}. Points: observed score with 95 % "
        "intervals when trials are dropped at random; hollow: not used by the extrapolation. "
        "Diamond at 0: its limit for infinitely many trials. Line: what the profile implies."
    )
    if len(models) > MOST_THINNED:
        note += f" {MOST_THINNED} of {len(models)} models are shown."
        spaced = np.linspace(0, len(models) - 1, MOST_THINNED).round().astype(int)
        models = [models[index] for index in spaced]
    with style.house_style():
        figure, panels = layout.panel_grid(
            models,
            labels=("1 / trials in the source language", "Observed HAT"),
            width=style.PAGE,
            columns=min(4, len(models)),
            aspect=0.8,
            most_wide=2.1,
        )
        for axes, model in zip(panels, models, strict=True):
            axes.sharex(panels[0])
            axes.sharey(panels[0])
            _thinning_panel(
                axes, frame[frame["model"] == model].sort_values("trials", kind="stable")
            )
        panels[0].xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10], prune="upper"))
        panels[0].yaxis.set_major_locator(MaxNLocator(5))
        layout.write_under(figure, (), note)
    return figure


def hat_against_correlation(table: pd.DataFrame) -> Figure:
    """Draw HAT of each model against an assumed correlation of any two trials of an item.

    Parameters
    ----------
    table : DataFrame
        `model, correlation, estimate, reference`, as `hatstats.hat_by_correlation` gives them.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import hatstats as hs
    >>> from hatstats.report import figures
    >>> study = hs.simulate_study([0.0, 1.0], rng=1)
    >>> table = hs.hat_by_correlation(hs.fit_profile(study), correlations=[0.0, 0.3])
    >>> figure = figures.hat_against_correlation(table)
    """
    models = list(table["model"].drop_duplicates())
    note = f"Reference: {table['reference'].iloc[0]}. No point: fewer than two effective trials."
    most = len(style.FAMILY_LOOK)
    if len(models) > most:
        note += f" {most} of {len(models)} models are shown."
        spaced = np.linspace(0, len(models) - 1, most).round().astype(int)
        models = [models[index] for index in spaced]
    looks = style.family_looks(models)
    with style.house_style():
        figure = layout.new_figure(style.COLUMN, 1.82)
        axes = layout.add_axes(figure, 0.55, 0.1, style.COLUMN - 0.75, 1.7)
        for model in models:
            rows, look = table[table["model"] == model], style.look_of(looks, model)
            x, y = rows["correlation"], rows["estimate"]
            axes.plot(x, y, color=look.colour, linewidth=0.8, label=f"_{model}")
            axes.plot(x, y, label="_points", **look.marks(2.6))
        axes.set_xlim(-0.02, 1.02)
        axes.set_xlabel("Assumed correlation of two trials of an item")
        axes.set_ylabel("HAT")
        handles = layout.family_handles([style.look_of(looks, model) for model in models])
        layout.write_under(figure, handles, note)
    return figure


def _thinning_panel(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the path of one model, sorted by its number of trials."""
    x = 1.0 / rows["trials"]
    axes.plot(x, rows["implied"], color=style.IMPLIED, linewidth=1.1, gid="implied")
    limit, used = x == 0.0, rows["used"].astype(bool)
    kinds = ((limit, "D", True), (~limit & used, "o", True), (~limit & ~used, "o", False))
    for chosen, marker, filled in kinds:
        marks = style.Look("", style.INK, marker).marks(
            4.0 if marker == "D" else 3.0, filled=filled
        )
        own = rows[chosen]
        axes.errorbar(x[chosen], own["observed"], yerr=1.959964 * own["std_error"],
                      elinewidth=0.8, clip_on=False, gid="limit" if marker == "D" else "thinned",
                      **marks)  # fmt: skip


def _one_panel(labels: tuple[str, str]) -> tuple[Figure, Axes]:
    """A figure of one panel with labelled axes."""
    figure = layout.new_figure(style.COLUMN, 2.28)
    axes = layout.add_axes(figure, 0.5, 0.08, style.COLUMN - 0.62, 2.2)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.grid(True)
    return figure, axes


def prior_predictive(shares: pd.DataFrame) -> Figure:
    """Draw what prior and posterior say of the HAT of a cell.

    Parameters
    ----------
    shares : DataFrame
        `low, high, prior, posterior`: shares of cells in bins of accuracy.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from hatstats.report import figures
    >>> bins = {"low": [0.0, 0.5], "high": [0.5, 1.0]}
    >>> shares = pd.DataFrame({**bins, "prior": [0.5, 0.5], "posterior": [0.2, 0.8]})
    >>> figure = figures.prior_predictive(shares)
    """
    note = (
        "Grey: HAT of a model in a language by the priors alone, before any data. Blue: by the "
        "posterior. A prior that left no room where the posterior lies would have decided it."
    )
    with style.house_style():
        figure, axes = _one_panel(("HAT of a cell", "Share of draws"))
        edges = np.append(shares["low"], 1.0)
        axes.bar(shares["low"], shares["prior"], shares["high"] - shares["low"], align="edge",
                 color=style.MUTED, alpha=0.45, gid="prior")  # fmt: skip
        axes.step(edges, np.append(shares["posterior"], 0.0), where="post", color=style.IMPLIED,
                  linewidth=1.1, gid="posterior")  # fmt: skip
        axes.set_xlim(0.0, 1.0)
        layout.write_under(figure, (), note)
    return figure


def shrinkage(table: pd.DataFrame) -> Figure:
    """Draw each cell's own estimate against its posterior, both less what the effects predict.

    Parameters
    ----------
    table : DataFrame
        `raw, estimate, predicted` in logits, as `HierarchicalFit.shrinkage` gives them.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from hatstats.report import figures
    >>> cells = {"raw": [0.4, -0.2], "estimate": [0.3, -0.1], "predicted": [0.1, 0.0]}
    >>> figure = figures.shrinkage(pd.DataFrame(cells))
    """
    note = (
        "Each point is a model in a language. Across: its own estimate less what language, family, "
        "model and trend predict; up: the posterior less the same. On the dashed line nothing is "
        "shrunk, on the horizontal all is."
    )
    with style.house_style():
        figure, axes = _one_panel(("Own estimate (logits)", "Posterior (logits)"))
        across = (table["raw"] - table["predicted"]).to_numpy(dtype=float)
        up = table["estimate"] - table["predicted"]
        most = float(np.nanmax(np.abs(across))) * 1.05 if across.size else 1.0
        axes.plot(
            [-most, most], [-most, most], color=style.MUTED, linewidth=0.6, linestyle=style.DASHED
        )
        axes.axhline(0.0, color=style.MUTED, linewidth=0.6)
        axes.scatter(across, up, s=8, color=style.INK, alpha=0.6, linewidths=0, gid="cells")
        layout.write_under(figure, (), note)
    return figure
