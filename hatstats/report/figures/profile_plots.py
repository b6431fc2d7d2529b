"""Transfer profiles with their bands, and target against source accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from hatstats.report.figures import layout, style
from hatstats.report.figures.style import RAMP
from hatstats.report.results.plotted import (
    Profile,
    chance_levels,
    chosen_rows,
    fitted_lines,
    needed,
    point_rows,
    profile_rows,
    reference_rows,
)
from hatstats.report.tables.rounding import english_name

#: Up to this number of models share one panel; more have a panel for each family.
ONE_PANEL = 6
#: Models of a family that are all named; of more its highest and lowest are.
_NAMED = 4
#: No more panels than this are drawn; the caption says how many there would be.
MOST_PANELS = 60
#: Error bars are drawn up to this number of models.
MOST_BARS = 60
#: Share of the height that the density of the reference takes at most.
_DENSITY = 0.16
_DASHES = ("-", (0, (4, 1.4)), (0, (1.2, 1.2)), (0, (5, 1.2, 1.2, 1.2)), (0, (7, 1.5)), (0, (2, 2)))
_LIMITS = ("source_low", "source_high", "target_low", "target_high")


@style.house_style()
def profiles(
    profile: Profile | pd.DataFrame,
    *,
    models: Sequence[str] | None = None,
    reference: pd.DataFrame | str | None = None,
    conf_level: float = 0.95,
    ax: layout.Given = None,
) -> list[Axes]:
    """Draw transfer profiles: expected target accuracy of items against their source accuracy.

    Parameters
    ----------
    profile : TransferProfile or DataFrame
        Learnt from items. A frame has `model, source, target`, and optionally `family, conf_low,
        conf_high, conf_level`.
    models : sequence of str, optional
        Those to draw; all if None.
    reference : str or DataFrame, optional
        Reference distribution whose density is drawn at the foot; that of the study if None. A
        frame has `source, density, reference`.
    conf_level : float
        Level of the bands; a frame's own where it has one.
    ax : Axes or sequence of Axes, optional
        One for each panel; a figure is made if None.

    Returns
    -------
    list of Axes
        One panel up to six models (or where one axes is given), else one for each family, the
        others' profiles in grey. Bands are pointwise.

    Examples
    --------
    >>> import hatstats as hs
    >>> profile = hs.fit_profile(hs.simulate_study([0.0, 1.0], rng=1), method="observed")
    >>> (ax,) = hs.plot.profiles(profile)
    """
    if isinstance(profile, pd.DataFrame):
        needed(profile, ("model", "source", "target"), "profiles")
        rows = profile if "family" in profile else profile.assign(family="")
        density = reference if isinstance(reference, pd.DataFrame) else pd.DataFrame()
    else:
        rows = profile_rows(profile, conf_level)
        named = reference if isinstance(reference, str) else None
        density = (
            reference if isinstance(reference, pd.DataFrame) else reference_rows(profile, named)
        )
    rows = chosen_rows(rows, "model", models)
    facts = rows.drop_duplicates("model")
    single = isinstance(ax, Axes) or len(facts) <= ONE_PANEL
    families = facts["family"].fillna("").astype(str).replace("", "family unknown")
    groups = {"": list(facts["model"])} if single else {
        str(name): list(facts.loc[families == name, "model"]) for name in dict.fromkeys(families)
    }  # fmt: skip
    sheet = layout.sheet(
        ax,
        list(groups),
        height=2.5 if single else 1.55,
        wide=not single,
        columns=1 if single else min(5, len(groups)),
        labels=("Source accuracy of an item", "Expected target accuracy"),
        shared=not single,
    )
    looks = style.family_looks(facts["model"]) if single else {}
    bands = "conf_low" in rows and rows["conf_low"].notna().any()
    for axes, members in zip(sheet.axes, groups.values(), strict=True):
        lines: list[Line2D] = []
        if len(density):
            height = _DENSITY * density["density"] / density["density"].max()
            axes.fill_between(density["source"], height, color=style.BAND, linewidth=0,
                              step="mid", zorder=0.5, label="_reference")  # fmt: skip
        axes.plot(
            [0, 1],
            [0, 1],
            color=style.MUTED,
            linewidth=style.points(0.05),
            zorder=1.0,
            label="_diagonal",
        )
        for model, own in () if single else rows.groupby("model", sort=False):
            if model not in members:
                axes.plot(own["source"], own["target"], color=style.RULE,
                          linewidth=style.points(0.05),
                          zorder=0.8, label="_others")  # fmt: skip
        ramp = not single and len(members) > _NAMED
        if ramp:
            middle = rows[rows["model"].isin(members) & np.isclose(rows["source"], 0.5)]
            members = list(middle.sort_values("target", kind="stable")["model"])
        for number, model in enumerate(members):
            own = rows[rows["model"] == model]
            place = number % len(style.FAMILY_LOOK)
            colour = (
                style.FAMILY_LOOK[place][0] if not single else style.look_of(looks, model).colour
            )
            line: dict[str, Any] = {"color": colour, "linestyle": _DASHES[number % len(_DASHES)]}
            if ramp:
                line = {"color": RAMP(0.25 + 0.75 * number / (len(members) - 1))}
            elif bands:
                axes.fill_between(own["source"], own["conf_low"], own["conf_high"], color=colour,
                                  alpha=0.15, linewidth=0, label="_band")  # fmt: skip
            (drawn,) = axes.plot(own["source"], own["target"], linewidth=0.14 * style.points(),
                                 label=layout.shorten(str(model), 34), gid="profile",
                                 **line)  # fmt: skip
            half = float(np.interp(0.5, own["source"], own["target"]))
            layout.tip(drawn, [f"{model}: {half:.3f} where source accuracy is 0.5"])
            lines.append(drawn)
        axes.set(xlim=(0, 1), ylim=(0, 1))
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
        if not single:
            # Short names inside: what the family's models do not share; of many, both ends.
            for one, text in zip(
                lines, _tails([str(one.get_label()) for one in lines]), strict=True
            ):
                one.set_label(layout.shorten(text, 22))
            axes.legend(handles=[lines[-1], lines[0]] if ramp else lines, loc="upper left",
                        fontsize=style.points(0.65), handlelength=1.6, labelspacing=0.15,
                        borderpad=0.1, handletextpad=0.3)  # fmt: skip
    if single:
        sheet.legend(lines)
    said = ["Expected target accuracy of items that a model answers rightly with a given "
            "probability in the source language, mean over target languages. Diagonal: nothing "
            "lost."]  # fmt: skip
    if bands:
        level = float(rows["conf_level"].iloc[0]) if "conf_level" in rows else conf_level
        most = "" if single else f" (in families of up to {_NAMED} models)"
        said.append(f"Bands: pointwise {layout.percent(level)} intervals{most}.")
    if len(density):
        said.append(f"Grey at the foot: density of the reference, {density['reference'].iloc[0]}.")
    if not single:
        said.append(
            "One panel for each family, other families in grey; in larger ones the highest and the "
            "lowest profile at 0.5 are named, and darker is higher."
        )
    middle = rows[np.isclose(rows["source"], 0.5)]
    alt = f"Profiles of {len(facts)} models: expected target against source accuracy."
    if len(middle):
        low, high = middle["target"].min(), middle["target"].max()
        alt += f" Where source accuracy is 0.5, target accuracy is {low:.2f} to {high:.2f}."
    sheet.describe(" ".join(said), alt)
    return sheet.axes


def _tails(names: list[str]) -> list[str]:
    """Names without the words that all of them begin with."""
    if len(names) < 2:
        return names
    common = min(len(name) for name in names)
    while common and len({name[:common] for name in names}) > 1:
        common -= 1
    cut = max(names[0].rfind(sign, 0, common) for sign in "- ") + 1
    return [name[cut:] for name in names]


@style.house_style()
def scatter(
    profile: Profile | pd.DataFrame,
    *,
    languages: Sequence[str] | None = None,
    curve: pd.DataFrame | None = None,
    chance: Mapping[str, float] | None = None,
    ax: layout.Given = None,
) -> list[Axes]:
    """Draw target against source accuracy, one panel per benchmark and target language.

    Parameters
    ----------
    profile : TransferProfile or DataFrame
        A frame has `model, benchmark, language, source, target`, and optionally `family, flagged,
        source_flagged, conf_level` and limits `source_low, source_high, target_low, target_high`.
    languages : sequence of str, optional
        Those to draw; all if None.
    curve : DataFrame, optional
        Fitted relation `benchmark, language, source, target`; that of the profile if None.
    chance : mapping of str to float, optional
        Accuracy of blind guessing by benchmark, dotted where above 0; the study's if None.
    ax : Axes or sequence of Axes, optional
        One for each panel; a figure is made if None.

    Returns
    -------
    list of Axes
        One panel for each benchmark and language, on one scale. Flagged cells are hollow, and so
        are all of a model whose source cell is flagged. Up to 60 models have error bars.

    Examples
    --------
    >>> import hatstats as hs
    >>> profile = hs.fit_profile(hs.simulate_study([0.0, 1.0], rng=1), method="observed")
    >>> panels = hs.plot.scatter(profile, languages=profile.target_languages[:2])
    """
    if isinstance(profile, pd.DataFrame):
        rows, chance = profile, dict(chance or {})
        fits = pd.DataFrame() if curve is None else curve
    else:
        rows, fits = point_rows(profile), fitted_lines(profile) if curve is None else curve
        chance = dict(chance_levels(profile) if chance is None else chance)
    needed(rows, ("model", "benchmark", "language", "source", "target"), "accuracies")
    unknown: dict[str, Any] = {"family": "", "flagged": False, "source_flagged": False}
    unknown |= dict.fromkeys(_LIMITS, np.nan)
    rows = rows.assign(**{name: value for name, value in unknown.items() if name not in rows})
    rows = chosen_rows(rows, "language", languages)
    groups = list(rows.groupby(["benchmark", "language"], sort=False))
    drawn = groups[:MOST_PANELS]
    lines = dict(list(fits.groupby(["benchmark", "language"]))) if len(fits) else {}
    looks = style.family_looks(rows.drop_duplicates("model")["family"])
    several = rows["benchmark"].nunique() > 1
    columns = min(6, len(drawn)) if len(drawn) > 2 else len(drawn)
    spoken = [english_name(str(key[1])) for key, _ in drawn]
    limit = 16 if len(drawn) > 2 else 40
    titles = [f"{layout.shorten(str(key[0]), limit)}\n{name}" if several else name
              for (key, _), name in zip(drawn, spoken, strict=True)]  # fmt: skip
    sheet = layout.sheet(
        ax,
        titles if several else [layout.shorten(title, limit) for title in titles],
        height=1.25 if len(drawn) > 2 else 2.4,
        wide=len(drawn) > 2,
        columns=columns or 1,
        labels=("Accuracy in the source language", "Accuracy in the target language"),
        shared=True,
    )
    limits, bars = _square_limits(rows), rows["model"].nunique() <= MOST_BARS
    for axes, (key, cells) in zip(sheet.axes, drawn, strict=True):
        _model_points(axes, cells, looks, bars)
        _reference_lines(axes, limits, chance.get(str(key[0]), 0.0), 3 if len(drawn) > 2 else 5)
        if key in lines:
            fit = lines[key]
            axes.plot(fit["source"], fit["target"], color=style.TREND,
                      linewidth=0.12 * style.points(), label="_fit")  # fmt: skip
        axes.grid(True)
    sheet.legend(layout.family_handles(looks.values()))
    caption = _scatter_caption(rows, bool(lines), chance, len(groups) - len(drawn), bars)
    flagged = int(rows["flagged"].astype(bool).sum())
    sheet.describe(
        caption,
        f"{len(drawn)} panels, one per target language: target accuracy of "
        f"{rows['model'].nunique()} models against their source accuracy"
        + (
            f"; {flagged} cells are hollow, flagged themselves or in their source."
            if flagged
            else "."
        )
        + f" {int((rows['target'] < rows['source']).sum())} of {len(rows)} lie below the diagonal.",
    )
    return sheet.axes


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
            # A hollow mark must be large enough to be seen to be hollow.
            size = 0.32 if bars or flagged else 0.22
            marks = look.marks(style.points(size), filled=not flagged)
            drawn = axes.errorbar(cells["source"], cells["target"],
                                  elinewidth=0.05 * style.points(),
                                  xerr=_bar_lengths(cells, "source") if bars else None,
                                  yerr=_bar_lengths(cells, "target") if bars else None,
                                  label="_flagged" if flagged else "_model", **marks)  # fmt: skip
            layout.tip(drawn.lines[0], [
                f"{row.model}, {english_name(str(row.language))}: {row.target:.3f}, source "
                f"{row.source:.3f}" for row in cells.itertuples()
            ])  # fmt: skip


def _bar_lengths(cells: pd.DataFrame, side: str) -> list[pd.Series]:
    """Lengths of the error bars below and above."""
    return [cells[side] - cells[f"{side}_low"], cells[f"{side}_high"] - cells[side]]


def _reference_lines(axes: Axes, limits: tuple[float, float], chance: float, n_ticks: int) -> None:
    """Draw the diagonal (nothing lost) in square limits, and chance where it is above 0."""
    axes.plot(
        limits,
        limits,
        color=style.MUTED,
        linewidth=style.points(0.05),
        zorder=1.5,
        label="_diagonal",
    )
    if chance > 0.0:
        axes.axhline(
            chance,
            color=style.INK,
            linewidth=style.points(0.08),
            linestyle=style.DOTTED,
            label="_chance",
        )
    axes.set(xlim=limits, ylim=limits)
    # In small panels side by side a number at the right end would touch the next panel's first.
    for axis, prune in ((axes.xaxis, "upper" if n_ticks < 4 else None), (axes.yaxis, None)):
        axis.set_major_locator(MaxNLocator(n_ticks, steps=[1, 2, 2.5, 5, 10], prune=prune))


def _scatter_caption(
    points: pd.DataFrame, fitted: bool, chance: Mapping[str, float], not_drawn: int, bars: bool
) -> str:
    """Explain the marks of the panels."""
    parts = ["Accuracy in each target language against accuracy in the source language, one point "
             "per model. Thin diagonal: nothing lost."]  # fmt: skip
    if fitted:
        parts.append("Dark line: fitted relation.")
    levels = sorted({f"{value:g}" for value in chance.values() if value > 0.0})
    if levels:
        parts.append(f"Dotted: chance ({', '.join(levels)}).")
    if not bars:
        parts.append("Too many models for error bars.")
    elif points[list(_LIMITS)].notna().to_numpy().any():
        parts.append(f"Bars: {layout.percent(float(points['conf_level'].iloc[0]))} intervals.")
    hollow = points[points["flagged"].astype(bool)]
    of_source = hollow["source_flagged"].astype(bool)
    cells = [
        f"{row.model} ({english_name(str(row.language))})"
        for row in hollow[~of_source].itertuples()
    ]
    if cells:
        parts.append(f"Hollow: flagged and left out of the fit: {layout.name_some(cells, 8)}.")
    if of_source.any():
        names = [str(name) for name in hollow.loc[of_source, "model"].unique()]
        named = layout.name_some(names, 8)
        parts.append(f"Hollow: left out because the source cell is flagged: {named}.")
    if not_drawn:
        parts.append(f"{not_drawn} further panels are not drawn.")
    return " ".join(parts)
