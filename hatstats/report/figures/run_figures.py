"""The figures of a run, by the names of their files: those of `hatstats.plot`, one call each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hatstats.report.figures.bar_charts import decomposition
from hatstats.report.figures.check_plots import checks, prior_predictive, shrinkage
from hatstats.report.figures.claim_plots import claims, margins
from hatstats.report.figures.forest_plot import forest
from hatstats.report.figures.language_plots import languages, raw_to_hat
from hatstats.report.figures.layout import alt_text, caption, offscreen, tips_of
from hatstats.report.figures.profile_plots import profiles, scatter
from hatstats.report.figures.score_matrices import heatmap, ranks
from hatstats.report.figures.specification_curve import specification
from hatstats.report.figures.trend_plot import trend
from hatstats.report.results.results import Results
from hatstats.report.tables.rounding import words


class Drawn(NamedTuple):
    """One figure of a run: the name of its file without ending, its title and its words.

    `tips` says of each mark what it is, by the id of the group of marks in the SVG.
    """

    name: str
    figure: Figure
    title: str
    caption: str
    alt: str
    tips: dict[str, tuple[str, ...]]


def figures_of(results: Results) -> Iterator[Drawn]:
    """Draw every figure that the results allow, one after the other, in the order of the report."""
    for name, (title, draw) in _wanted(results).items():
        with offscreen():
            axes = draw()
        figure = (axes[0] if isinstance(axes, list) else axes).get_figure(root=True)
        assert figure is not None
        yield Drawn(name, figure, title, caption(axes), alt_text(axes), tips_of(figure))


def _wanted(results: Results) -> dict[str, tuple[str, Callable[[], Axes | list[Axes]]]]:
    """Title of each figure, and how it is drawn."""
    scores, chance, found = results.scores, dict(results.chance), results.checks
    pairs = partial(ranks, results.pairs, sets=scores, conf_level=results.conf_level)
    points = partial(scatter, results.points, curve=results.curve, chance=chance)
    bands = partial(profiles, results.profiles, reference=results.density)
    lines = results.lines
    # As `raw_to_hat` draws them: of models that the data inform.
    raw = scores[scores["informed"].astype(bool)].get("target", pd.Series(dtype=float))
    wanted: dict[str, tuple[bool, str, Callable[[], Axes | list[Axes]]]] = {
        "forest": (True, "HAT scores", partial(forest, scores)),
        "transfer_profiles": (len(results.profiles) > 0, "Transfer profiles", bands),
        "target_against_source": (True, "Target against source accuracy", points),
        "raw_to_hat": (int(raw.notna().sum()) > 1, "Raw accuracy beside HAT",
                       partial(raw_to_hat, scores)),
        "heatmap": (len(results.cells) > 0, "HAT by model and language",
                    partial(heatmap, results.cells, order="resource")),
        "ranks": (len(results.pairs) > 0, "Which model is surely better", pairs),
        "claims": (len(results.claims) > 0, "Claims", partial(claims, results.claims)),
        "margins": (len(results.margins) > 0, "Verdict by margin",
                    partial(margins, results.margins)),
        "decomposition": (len(results.decompositions) > 0, "Source ability and transfer",
                          partial(decomposition, results.decompositions)),
    }  # fmt: skip
    for column, axis, what in (("params_total", "size", "total parameters"),
                               ("release_year", "date", "release date")):  # fmt: skip
        draw = partial(trend, scores, column, curve=lines.get(axis), within=True)
        known = bool(scores[column].notna().any())
        wanted[f"hat_against_{axis}"] = (known, f"HAT against {what}", draw)
    if results.languages:
        by_language = partial(languages, results.languages.table)
        wanted["languages"] = (True, "HAT by language", by_language)
    if found:
        path = found.path.assign(reference=results.reference)
        wanted["thinning"] = (len(path) > 0, "Thinning", partial(checks, path))
        by_correlation = partial(checks, found.by_correlation)
        many = len(found.by_correlation) > 0
        wanted["hat_against_correlation"] = (many, "Unlabelled trials", by_correlation)
    if results.bayes:
        prior = partial(prior_predictive, results.bayes.prior)
        wanted["prior_predictive"] = (True, "Prior and posterior", prior)
        pulled = partial(shrinkage, results.bayes.shrinkage)
        wanted["shrinkage"] = (True, "Shrinkage", pulled)
    table = results.specification
    if len(table):
        said = results.claims.set_index("name")[["statement", "quantity"]]
        table = table.join(said, on="claim")
    for claim in table["claim"].unique() if len(table) else ():
        # One analysis alone has no curve.
        known = int(table.loc[table["claim"] == claim, "estimate"].notna().sum()) > 1
        curve = partial(specification, table, str(claim))
        wanted[f"specification_{claim}"] = (known, f"Other choices: {words(claim)}", curve)
    return {name: (title, draw) for name, (drawn, title, draw) in wanted.items() if drawn}
