"""Which columns the tables of a run show, under which headings and captions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from hatstats.report.results.results import Results
from hatstats.report.tables.bayes_tables import bayes_tables
from hatstats.report.tables.claim_tables import (
    decompositions_table,
    influence_table,
    leverage_table,
    margins_table,
    shares_table,
)
from hatstats.report.tables.rounding import words
from hatstats.report.tables.text_table import Column, Table, make_table

SCORES = (
    Column("model", "Model"),
    Column("family", "Family"),
    Column("params_total", "Parameters", "params"),
    Column("release_date", "Released", "date"),
    Column("source", "Source accuracy", "value"),
    Column("estimate", "HAT", "value"),
    Column("std_error", "SE", "value"),
    Column("conf", "CI", "interval"),
    Column("shape_error", "Shape", "value", error=""),
    Column("ranks", "Rank"),
    Column("mark", "Note", "note"),
)
TRENDS = (
    Column("trend", "Trend"),
    Column("term", "Term"),
    Column("scale", "Scale"),
    Column("estimate", "Estimate", "value"),
    Column("std_error", "SE", "value"),
    Column("df", "df", "df"),
    Column("p_value", "p", "p"),
    Column("conf", "CI", "interval"),
    Column("n_models", "Models", "count"),
    Column("n_clusters", "Families", "count"),
)
COMPARISON = (
    Column("trend", "Trend"),
    Column("term", "Term"),
    Column("method", "Standard error"),
    Column("estimate", "Estimate", "value", error="typical"),
    Column("std_error", "SE", "value", error="typical"),
    Column("df", "df", "df"),
    Column("p_value", "p", "p"),
    Column("conf", "CI", "interval", error="typical"),
)
CLAIMS = (
    Column("claim", "Claim"),
    Column("verdict", "Verdict"),
    Column("estimate", "Estimate", "value"),
    Column("threshold", "Threshold", "plain"),
    Column("std_error", "SE", "value"),
    Column("df", "df", "df"),
    Column("p_value", "p", "p"),
    Column("p_holm", "p (Holm)", "p"),
    Column("conf", "CI", "interval"),
    Column("conf_level", "Level", "share"),
    Column("n_models", "Models", "count"),
    Column("n_clusters", "Families", "count"),
    Column("decisive", "Most weight"),
    Column("decisive_share", "Its share", "share"),
    Column("p_floor", "Floor", "p"),
    Column("status", "Status"),
)
SPECIFICATION = (
    Column("choice", "Choice"),
    Column("claim", "Claim"),
    Column("estimate", "Estimate", "value"),
    Column("conf", "CI", "interval"),
    Column("df", "df", "df"),
    Column("p_value", "p", "p"),
    Column("verdict", "Verdict"),
)
CHECKS = (
    Column("method", "Method"),
    Column("term", "Quantity"),
    Column("model", "Model"),
    Column("estimate", "Estimate", "value"),
    Column("std_error", "SE", "value"),
    Column("p_value", "p", "p"),
    Column("conf", "CI", "interval"),
)
ITEMS = (
    Column("benchmark", "Benchmark"),
    Column("item", "Item"),
    Column("language", "Language"),
    Column("source_shrunken", "Source", "value", error=""),
    Column("expected", "Expected", "value", error=""),
    Column("target", "Target", "value", error=""),
    Column("elsewhere", "Elsewhere", "value", error=""),
    Column("q_value", "q", "p"),
    Column("verdict", "Verdict"),
)
#: Items that the report lists; the rest stand in items.csv.
LISTED_ITEMS = 30
FLAGGED = (
    Column("model", "Model"),
    Column("benchmark", "Benchmark"),
    Column("language", "Language"),
    Column("accuracy", "Accuracy", "value", error=""),
    Column("flag", "Flag"),
    Column("evidence", "Evidence", "prose"),
)
LEFT_OUT = (
    Column("analysis", "Analysis"),
    Column("reason", "Reason", "prose"),
    Column("count", "Number", "count"),
    Column("models", "Models", "prose"),
)
_MEASURES = {
    "gap": "Gap",
    "ratio": "Ratio",
    "excess": "Excess",
    "overall": "Both",
    "conditional": "Cond.",
    "conditional_with_source": "Cond.+s",
    "gamma": "γ",
    "agreement": "κ",
    "parity_gap": "Parity",
    "odds_ratio": "log OR",
    "mother_tongue": "Mother",
    "locality": "Local",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A table of a run with its name (of the file) and its caption."""

    name: str
    caption: str
    table: Table


def _shape_words(scores: pd.DataFrame) -> str:
    if scores["shape_error"].isna().all():
        return ""
    return (
        " Shape: what the assumed smoothness may hide (one standard deviation), beside the "
        "interval and not in it."
    )


def scores_table(scores: pd.DataFrame) -> Table:
    """Scores of all models, best first; models that are weakly identified carry a note."""
    mark = scores["informed"].map({True: "", False: "weakly identified"})
    shown = scores.assign(mark=mark) if (mark != "").any() else scores.copy()
    if shown["shape_error"].isna().all():
        shown = shown.drop(columns="shape_error")
    if "rank_low" in scores:
        ends = zip(scores["rank_low"].astype(int), scores["rank_high"].astype(int), strict=True)
        shown["ranks"] = [str(low) if low == high else f"{low}–{high}" for low, high in ends]
    return make_table(shown, SCORES)


def trends_table(trends: pd.DataFrame) -> Table:
    """Terms of every trend; each term is a quantity of its own, so digits go by row."""
    return make_table(trends, TRENDS, digits="row")


def comparison_table(comparison: pd.DataFrame) -> Table:
    """Show the trend terms under every kind of standard error."""
    if comparison.empty:
        return make_table(comparison, COMPARISON)
    # One number of digits for the same estimate under every error, or they could not be compared.
    typical = comparison.groupby(["trend", "term"])["std_error"].transform("median")
    # Terms stay in their order; the kinds of error of one term stand together.
    place = comparison.groupby(["trend", "term"], sort=False).ngroup()
    rows = comparison.assign(typical=typical, place=place).sort_values("place", kind="stable")
    return make_table(rows, COMPARISON, digits="row")


def claims_table(claims: pd.DataFrame) -> Table:
    """Verdicts with their numbers."""
    return make_table(claims.assign(claim=claims["name"].map(words)), CLAIMS, digits="row")


def specification_table(specification: pd.DataFrame) -> Table:
    """Show the claims under every choice."""
    if specification.empty:
        return make_table(specification, SPECIFICATION)
    rows = specification.assign(claim=specification["claim"].map(words))
    return make_table(rows, SPECIFICATION, digits="row")


#: Measures that the first table shows, with intervals; the others follow without.
FIRST_MEASURES = ("gap", "ratio", "excess")


def measures_table(measures: pd.DataFrame, *, intervals: bool = True) -> Table:
    """One row per model; gap, ratio and excess with their intervals, or else their errors."""
    first = measures[measures["term"].isin(FIRST_MEASURES)]
    return _by_model(first, "intervals" if intervals else "errors")


def other_measures_table(measures: pd.DataFrame) -> Table:
    """One row per model; the other measures, each without its error, which measures.csv has."""
    return _by_model(measures[~measures["term"].isin(FIRST_MEASURES)], "")


def _by_model(measures: pd.DataFrame, beside: Literal["intervals", "errors", ""]) -> Table:
    wide: pd.DataFrame | None = None
    columns = [Column("model", "Model")]
    for term in measures["term"].drop_duplicates():
        rows = measures[measures["term"] == term].set_index("model")
        part = rows[["estimate", "std_error", "conf_low", "conf_high"]].add_prefix(f"{term}_")
        wide = part if wide is None else wide.join(part, how="outer", sort=False)
        heading, error = _MEASURES.get(str(term), words(term)), f"{term}_std_error"
        columns.append(Column(f"{term}_estimate", heading, "value", error))
        if beside == "intervals":
            columns.append(Column(f"{term}_conf", f"{heading}: CI", "interval", error))
        elif beside == "errors":
            columns.append(Column(error, "SE", "value", error))
    if wide is None:
        return make_table(measures[:0], columns)
    order = measures["model"].drop_duplicates()
    return make_table(wide.loc[order].rename_axis("model").reset_index(), columns)


def agreement_table(agreement: pd.DataFrame) -> Table:
    """Rank agreement of HAT with each measure."""
    rows = agreement[agreement["term"].str.startswith("HAT ~ ")]
    rows = rows.assign(term=rows["term"].str.removeprefix("HAT ~ ").map(words), cent=0.05)
    return make_table(
        rows,
        (
            Column("term", "Measure"),
            Column("estimate", "Tau", "value", "cent"),
            Column("conf", "CI", "interval", "cent"),
        ),
    )


def flagged_table(flagged: pd.DataFrame) -> Table:
    """Cells under suspicion with their evidence."""
    return make_table(flagged, FLAGGED)


def left_out_table(left_out: pd.DataFrame) -> Table:
    """Models that an analysis had to leave out, by reason."""
    groups = left_out.groupby(["analysis", "reason"], sort=False)["model"]
    rows = groups.agg(count="size", models=", ".join).reset_index()
    # A trend that could not be fitted at all leaves out all models, not one called "all".
    rows["count"] = rows["count"].astype(float).mask(rows["models"] == "all")
    return make_table(rows, LEFT_OUT)


def checks_table(checks: pd.DataFrame) -> Table:
    """HAT by each conditioning, and the checks of the profile."""
    return make_table(checks, CHECKS)


def items_table(items: pd.DataFrame) -> Table:
    """The items that depart most certainly from what the profile expects of them."""
    return make_table(items.head(LISTED_ITEMS), ITEMS)


def tables_of(results: Results) -> tuple[Shown, ...]:
    """Every table of a run, in the order of the report."""
    level = f"{100.0 * results.conf_level:g} %"
    study = results.info.get("title") or results.info["name"]
    made: list[tuple[str, str, Table]] = [
        (
            "scores",
            f"HAT scores, {study}. Reference: {results.reference}; method: "
            f"{results.facts['method']}; CI: {level}.{_shape_words(results.scores)}",
            scores_table(results.scores),
        ),
        (
            "claims",
            f"Registered claims, {study}. Families are clusters; p values are one-sided, against "
            "the threshold, and adjusted by Holm for all claims; the adjusted p decides. Most "
            "weight: the family with the largest share in the variance; floor: the smallest p of "
            "a bootstrap over these families.",
            claims_table(results.claims),
        ),
        (
            "margins",
            f"Claims of non-inferiority under other margins, {study}, each as if it were the only "
            "claim. TOST: two one-sided tests that the difference is within the margin either way; "
            "P(within): chance of that under a flat prior.",
            margins_table(results.margins),
        ),
        (
            "shares",
            f"How many of the analyses tried give each verdict, {study}, each claim as if it were "
            "the only one. Analyses are not independent: a share is no probability.",
            shares_table(results.shares),
        ),
        (
            "decompositions",
            f"Change in raw target accuracy as source ability plus transfer, {study}; CI: {level}, "
            "items sampled anew, models as they are.",
            decompositions_table(results.decompositions),
        ),
        (
            "trends",
            f"Trends of HAT over models, {study}. CR2 standard errors with families as clusters, "
            f"Satterthwaite df; CI: {level}. Slopes are per unit of the term; on the accuracy "
            "scale at the mean of the covariates.",
            trends_table(results.trends),
        ),
        (
            "comparison",
            f"The same trends under other standard errors and tests, {study}. With few families "
            "only CR2, the Rademacher bootstrap and the permutation keep their level; floor: the "
            "smallest p that a method can give.",
            comparison_table(results.comparison),
        ),
        (
            "leverage",
            f"Share of each family in what is known of each trend, {study}: one share near 100 % "
            "says that one family decides.",
            leverage_table(results.leverage),
        ),
        (
            "influence",
            f"Models that move each trend most when they are left out, {study}. DFBETAS: the "
            "coefficient less that without the model, in standard errors; Cook's distance: the "
            "same for all covariates at once.",
            influence_table(results.influence),
        ),
        (
            "measures",
            f"Other measures of transfer, {study}. Gap: source minus target accuracy; ratio: "
            f"target over source accuracy; excess: target accuracy over the panel's line; CI: "
            f"{level}.",
            measures_table(results.measures),
        ),
        (
            "other_measures",
            f"More measures, {study}. Both: right in source and target; Cond.: of those right in "
            "the source; Cond.+s: with the source row among the targets; γ: logit profile; κ: "
            "agreement of right and wrong; Parity: best less worst language; log OR: "
            "Mantel-Haenszel; Mother, Local: MultiLoKo's effects. Intervals stand in measures.csv.",
            other_measures_table(results.measures),
        ),
        (
            "specification",
            f"What changes: the claims under every choice of the analysis, {study}.",
            specification_table(results.specification),
        ),
        (
            "checks",
            f"HAT by latent, joint and observed conditioning, and checks of the profile, {study}. "
            f"A difference is tested against 0; CI: {level}.",
            checks_table(results.checks),
        ),
        (
            "items",
            f"Items that transfer far worse or better than the profile says, {study}: q is "
            "adjusted for all items and languages; elsewhere is the item's mean residual in the "
            f"other languages. The first {LISTED_ITEMS}; all stand in items.csv.",
            items_table(results.items),
        ),
        *bayes_tables(results, level, str(study)),
        (
            "flagged",
            f"Cells flagged as suspicious and left out of the analysis, {study}.",
            flagged_table(results.flagged),
        ),
        (
            "left_out",
            f"Models that an analysis could not use, {study}.",
            left_out_table(results.left_out),
        ),
    ]
    return tuple(Shown(name, caption, table) for name, caption, table in made if table.rows)
