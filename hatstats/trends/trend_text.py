"""A trend, or a change, as people read it, in a terminal and in a notebook."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np

from hatstats.inference.intervals import percent
from hatstats.inference.labelled import indented
from hatstats.inference.result_frame import p_text
from hatstats.trends.standard_errors import THESE_MODELS, stages_note


def trend_text(trend: Any, conf_level: float) -> str:
    """The fit in plain text of at most 80 columns."""
    title, size, variances = trend_facts(trend)
    lines = [
        *textwrap.wrap(title, 80),
        f"  {size}",
        f"  {'term':<21}{'estimate':>10}{'se':>10}{'df':>6}{'p':>7}  {conf_level:.0%} interval",
    ]
    table = trend.tidy(conf_level)
    shown = ["estimate", "std_error", "conf_low", "conf_high", "df", "p_value"]
    for name, row in zip(table["term"], table[shown].to_numpy(dtype=float), strict=True):
        term = name if len(name) <= 21 else f"{name[:20]}…"
        estimate, error, low, high = (
            "–" if np.isnan(value) else f"{value:.3f}" if abs(value) < 100 else f"{value:.3g}"
            for value in row[:4]
        )
        interval = "–" if np.isnan(row[1]) else f"[{low}, {high}]"
        lines.append(
            f"  {term:<21}{estimate:>10}{error:>10}{row[4]:>6.1f}{p_text(row[5]):>7}  {interval}"
        )
    lines.extend(textwrap.wrap(f"  {variances}", 80))
    return "\n".join([*lines, *(line for note in trend_notes(trend) for line in indented(note))])


def trend_facts(trend: Any) -> tuple[str, str, str]:
    """Title, numbers of models and clusters, and variance components, in words."""
    variances = ", ".join(f"{name} {value:.4g}" for name, value in trend.components.items())
    over = f"models in {trend.n_clusters} {trend.cluster} clusters, {trend.vcov}"
    if trend.scope == THESE_MODELS:
        over = "models as they are, items sampled"
    out = len(trend.left_out)
    return (
        f"Trend: {trend.formula} ({trend.scale} scale)",
        f"{trend.nobs} {over}; {out} model{'s' * (out != 1)} left out",
        f"variance components: {variances}",
    )


def trend_notes(trend: Any) -> list[str]:
    """What weakens the trend, in words."""
    table = trend.tidy()
    weak = table["term"].groupby(trend.weaknesses(table), sort=False).agg(", ".join)
    notes = [f"{terms}: {reason}." for reason, terms in weak.items() if reason]
    most = trend.nobs - len(trend.design.terms) - 1
    many = ", ".join(table.loc[(table["df"] > most) & np.isfinite(table["df"]), "term"])
    if many and trend.scope != THESE_MODELS:
        notes.append(
            f"{many}: more degrees of freedom than models, since most of the variance is that of "
            "items, which is known."
        )
    if some := trend.weakly_identified:
        names = f"{', '.join(some[:3])}{', ...' if len(some) > 3 else ''}"
        notes.append(f"{len(some)} of {trend.nobs} models are weakly identified: {names}.")
    if trend.left_out:
        notes.append(f"Left out, a covariate is unknown: {', '.join(trend.left_out)}.")
    return [*notes, *stages_note([trend.method])]


def change_words(split: Any) -> str:
    """A change in raw target accuracy and its parts in a sentence."""
    sides = zip(split.raw, split.descriptions, strict=True)
    before, after = (f"{accuracy:.3f} ({side})" for accuracy, side in sides)
    ability, transfer, change = (f"{value:+.3f}" for value in split.estimates)
    return (
        f"Raw target accuracy goes from {before} to {after}: of the change of {change}, source "
        f"ability is {ability} and transfer {transfer}."
    )


def change_text(split: Any, conf_level: float) -> str:
    """A change in sentences and its parts with their intervals, in plain text of 80 columns."""
    lines = textwrap.wrap(change_words(split), 80)
    lines.append(f"  {split.method}; {percent(conf_level)} intervals:")
    limits = split.limits(conf_level)
    for name, value, (low, high) in zip(split.labels, split.estimates, limits, strict=True):
        lines.append(f"  {name:<16}{value:>+8.3f}  [{low:+.3f}, {high:+.3f}]")
    return "\n".join([*lines, *(line for note in split.notes for line in indented(note))])
