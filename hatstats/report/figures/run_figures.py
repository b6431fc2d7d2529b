"""The figures of a run, each with a caption and a text for those who cannot see it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from matplotlib.figure import Figure

from hatstats.report.figures.claim_plots import margin_curve, what_changes
from hatstats.report.figures.forest_plot import forest
from hatstats.report.figures.panels import target_against_source, thinning, transfer_profiles
from hatstats.report.figures.posterior import prior_predictive, shrinkage
from hatstats.report.figures.scatter import hat_against_date, hat_against_size
from hatstats.report.results.results import Results
from hatstats.report.tables.rounding import number_text, words


@dataclass(frozen=True, slots=True)
class Drawn:
    """One figure of a run: file name without ending, heading, caption, and its content in words."""

    name: str
    title: str
    caption: str
    alt: str
    figure: Figure


def figures_of(results: Results) -> Iterator[Drawn]:
    """Draw every figure that the results allow, one after the other, in the order of the report."""
    yield _forest(results)
    yield _panels(results)
    if len(results.profiles):
        yield Drawn(
            "transfer_profiles",
            "Transfer profiles",
            "Expected target accuracy of items that a model answers with a given probability in "
            "the source language, mean over target languages.",
            f"Curves of {results.profiles['model'].nunique()} models: expected target accuracy "
            "rises with source accuracy, mostly below the diagonal.",
            transfer_profiles(results.profiles, chance=dict(results.chance)),
        )
    path = results.checks.path if results.checks else results.points[:0]
    if len(path):
        yield Drawn(
            "thinning",
            "Thinning",
            "Observed score when trials are dropped at random, its limit for infinitely many, "
            "and what the latent profile implies.",
            f"Observed scores of {path['model'].nunique()} models against the "
            "reciprocal of the number of trials; see the table of checks for numbers.",
            thinning(path, reference=results.reference),
        )
    if results.bayes:
        yield Drawn(
            "prior_predictive",
            "Prior and posterior",
            "What the priors alone say of the HAT of a model in a language, and what the data "
            "leave.",
            "Histogram of HAT under the prior, spread over all accuracies, and under the "
            "posterior.",
            prior_predictive(results.bayes.prior),
        )
        yield Drawn(
            "shrinkage",
            "Shrinkage",
            "How far each cell is pulled from its own estimate to what the effects predict.",
            f"{len(results.bayes.shrinkage)} cells: own estimate against posterior, both less "
            "the prediction; points lie between the diagonal and the horizontal.",
            shrinkage(results.bayes.shrinkage),
        )
    if results.scores["params_total"].notna().any():
        yield _against(results, "size", "params_total", "total parameters")
    if results.scores["release_year"].notna().any():
        yield _against(results, "date", "release_year", "release date")
    if len(results.specification):
        claims = [words(name) for name in results.specification["claim"].drop_duplicates()]
        yield Drawn(
            "what_changes",
            "What changes under other choices",
            "Estimate and interval of each registered claim under every choice of the analysis.",
            f"Estimates of {len(claims)} claims ({', '.join(claims)}) under "
            f"{results.specification['choice'].nunique()} choices; see the table for numbers.",
            what_changes(results.specification),
        )
    if len(results.margins):
        claims = [words(name) for name in results.margins["claim"].drop_duplicates()]
        yield Drawn(
            "margins",
            "Verdict by margin",
            "One-sided p of each claim of non-inferiority for every margin; dotted: the level, "
            "thin: the registered margin.",
            f"P values of {len(claims)} claims ({', '.join(claims)}) fall as the margin grows; see "
            "the table for numbers.",
            margin_curve(results.margins),
        )


def _forest(results: Results) -> Drawn:
    """Scores with intervals."""
    rows, ranked = results.scores, results.ranked
    best, last = ranked.iloc[0], ranked.iloc[-1]
    alt = (
        f"HAT scores of {len(rows)} models with intervals, best first. Highest: {best['model']}, "
        f"{number_text(best['estimate'])}; lowest: {last['model']}, "
        f"{number_text(last['estimate'])}."
    )
    if len(ranked) < len(rows):
        alt += f" {len(rows) - len(ranked)} weakly identified, with a wide dashed interval."
    caption = (
        f"HAT score of each model, reference {results.reference}, with "
        f"{100.0 * results.conf_level:g} % intervals; colour and marker show the family."
    )
    return Drawn("forest", "HAT scores", caption, alt, forest(rows, reference=results.reference))


def _panels(results: Results) -> Drawn:
    """Target against source accuracy."""
    points = results.points
    flagged = int(points["flagged"].sum())
    return Drawn(
        "target_against_source",
        "Target against source accuracy",
        "Accuracy in each target language against accuracy in the source language, one point per "
        "model. Flagged cells are hollow and take no part in the fitted line.",
        f"{points['language'].nunique()} panels, one per target language: target accuracy of "
        f"{points['model'].nunique()} models rises with their source accuracy"
        + (f"; {flagged} flagged cells are hollow." if flagged else "."),
        target_against_source(points, results.curve, chance=dict(results.chance)),
    )


def _against(results: Results, name: str, column: str, text: str) -> Drawn:
    """Scores against a column of theirs, which `text` describes, with the trend called `name`."""
    rows, line = results.scores, results.lines.get(name)
    unknown = int(rows[column].isna().sum())
    alt = f"HAT against {text} for {len(rows) - unknown} models"
    caption = f"HAT score against {text}; no trend could be fitted."
    if line is not None:
        first, last = line["estimate"].iloc[0], line["estimate"].iloc[-1]
        alt += f"; the fitted trend goes from {number_text(first)} to {number_text(last)}"
        caption = (
            f"HAT score against {text} with the fitted trend and its "
            f"{100.0 * results.conf_level:g} % band (CR2, Satterthwaite df, families as clusters)."
        )
    alt += f"; {unknown} models without it are in the margin." if unknown else "."
    draw = hat_against_size if name == "size" else hat_against_date
    return Drawn(f"hat_against_{name}", f"HAT against {text}", caption, alt, draw(rows, line))
