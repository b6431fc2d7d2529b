"""The figures of a run, by the names of their files; the page has their captions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from matplotlib.figure import Figure

from hatstats.report.figures.claim_plots import margin_curve, what_changes
from hatstats.report.figures.forest_plot import forest
from hatstats.report.figures.panels import (
    hat_against_correlation,
    prior_predictive,
    shrinkage,
    target_against_source,
    thinning,
    transfer_profiles,
)
from hatstats.report.figures.scatter import hat_against_date, hat_against_size
from hatstats.report.results.results import Results


class Drawn(NamedTuple):
    """One figure of a run, and the name of its file without ending."""

    name: str
    figure: Figure


def figures_of(results: Results) -> Iterator[Drawn]:
    """Draw every figure that the results allow, one after the other, in the order of the report."""
    scores, reference, chance = results.scores, results.reference, dict(results.chance)
    yield Drawn("forest", forest(scores, reference=reference))
    panels = target_against_source(results.points, results.curve, chance=chance)
    yield Drawn("target_against_source", panels)
    if len(results.profiles):
        yield Drawn("transfer_profiles", transfer_profiles(results.profiles, chance=chance))
    if results.checks and len(results.checks.path):
        yield Drawn("thinning", thinning(results.checks.path, reference=reference))
    if results.checks and len(results.checks.by_correlation):
        table = results.checks.by_correlation
        yield Drawn("hat_against_correlation", hat_against_correlation(table))
    if results.bayes:
        yield Drawn("prior_predictive", prior_predictive(results.bayes.prior))
        yield Drawn("shrinkage", shrinkage(results.bayes.shrinkage))
    if scores["params_total"].notna().any():
        yield Drawn("hat_against_size", hat_against_size(scores, results.lines.get("size")))
    if scores["release_year"].notna().any():
        yield Drawn("hat_against_date", hat_against_date(scores, results.lines.get("date")))
    if len(results.specification):
        yield Drawn("what_changes", what_changes(results.specification))
    if len(results.margins):
        yield Drawn("margins", margin_curve(results.margins))
