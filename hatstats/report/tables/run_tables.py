"""The tables of a run, each with its caption."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from hatstats.report.results.results import Results
from hatstats.report.tables import columns
from hatstats.report.tables.bayes_tables import bayes_tables
from hatstats.report.tables.rounding import words
from hatstats.report.tables.text_table import Column, Table, make_table

#: Items that the report lists; items.csv has the others.
LISTED_ITEMS = 30
#: Measures that the first table shows, with intervals; the others follow without.
FIRST_MEASURES = ("gap", "ratio", "excess")
#: The table of margins shows every so many rows of the curve.
_MARGIN_STEP = 10
#: Influential models shown for each trend.
_INFLUENTIAL = 3


@dataclass(frozen=True, slots=True)
class Shown:
    """A table of a run with its name (of the file) and its caption."""

    name: str
    caption: str
    table: Table


def _smoothing_note(scores: pd.DataFrame) -> str:
    """What the column of smoothing bias means; empty where no score has one."""
    if scores["shape_error"].isna().all():
        return ""
    return " Smoothing: possible smoothing bias (one standard deviation), not in the interval."


def scores_table(scores: pd.DataFrame) -> Table:
    """Scores of all models, best first; models that are weakly identified carry a note."""
    mark = scores["informed"].map({True: "", False: "weakly identified"})
    shown = scores.assign(mark=mark) if (mark != "").any() else scores.copy()
    if shown["shape_error"].isna().all():
        shown = shown.drop(columns="shape_error")
    if "rank_low" in scores:
        ends = zip(scores["rank_low"].astype(int), scores["rank_high"].astype(int), strict=True)
        shown["ranks"] = [str(low) if low == high else f"{low}–{high}" for low, high in ends]
    return make_table(shown, columns.SCORES)


def comparison_table(comparison: pd.DataFrame) -> Table:
    """Terms of each trend under every kind of standard error, the kinds of one term together."""
    if comparison.empty:
        return make_table(comparison, columns.COMPARISON)
    terms = comparison.groupby(["trend", "term"], sort=False)
    # One number of digits for the same estimate under every error, or they could not be compared.
    rows = comparison.assign(typical=terms["std_error"].transform("median"), order=terms.ngroup())
    return make_table(rows.sort_values("order", kind="stable"), columns.COMPARISON, digits="row")


def claims_table(claims: pd.DataFrame) -> Table:
    """Verdicts with their numbers."""
    return make_table(claims.assign(claim=claims["name"].map(words)), columns.CLAIMS, digits="row")


def specification_table(specification: pd.DataFrame) -> Table:
    """Show the claims under every choice."""
    return make_table(_in_words(specification), columns.SPECIFICATION, digits="row")


def shares_table(shares: pd.DataFrame) -> Table:
    """How many specifications give each verdict."""
    return make_table(_in_words(shares), columns.SHARES)


def _in_words(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows with the names of claims written as words."""
    return rows.assign(claim=rows["claim"].map(words)) if len(rows) else rows


def margins_table(margins: pd.DataFrame) -> Table:
    """Verdicts of non-inferiority for some margins, the registered one among them."""
    if margins.empty:
        return make_table(margins, columns.MARGINS)
    number = margins.groupby("claim", sort=False).cumcount() + 1
    rows = margins[margins["registered"].astype(bool) | (number % _MARGIN_STEP == 0)]
    mark = rows["registered"].map({True: "registered", False: ""})
    return make_table(_in_words(rows).assign(mark=mark, step=0.01), columns.MARGINS)


def influence_table(rows: pd.DataFrame) -> Table:
    """The models whose removal moves each trend most."""
    if rows.empty:
        return make_table(rows, columns.INFLUENCE)
    order = {name: number for number, name in enumerate(rows["trend"].drop_duplicates())}
    ranked = rows.sort_values("cooks_distance", ascending=False, kind="stable")
    shown = ranked.groupby(["trend", "term"], sort=False).head(_INFLUENTIAL)
    shown = shown.sort_values("trend", key=lambda trend: trend.map(order), kind="stable")
    return make_table(shown.assign(step=0.05), columns.INFLUENCE)


def stress_table(rows: pd.DataFrame) -> Table:
    """How far each measure is moved by source ability and by transfer, least leakage first."""
    shown = rows.sort_values("leakage", kind="stable")
    return make_table(shown.assign(measure=shown["measure"].map(words), step=0.005), columns.STRESS)


def measures_table(measures: pd.DataFrame, *, intervals: bool = True) -> Table:
    """One row per model; gap, ratio and excess with their intervals, or else their errors."""
    first = measures[measures["term"].isin(FIRST_MEASURES)]
    return _by_model(first, "intervals" if intervals else "errors")


def other_measures_table(measures: pd.DataFrame) -> Table:
    """One row per model; the other measures, each without its error, which measures.csv has."""
    return _by_model(measures[~measures["term"].isin(FIRST_MEASURES)], "")


def _by_model(measures: pd.DataFrame, beside: Literal["intervals", "errors", ""]) -> Table:
    """One row per model, one value per measure, with its interval or error beside it."""
    numbers = ["estimate", "std_error", "conf_low", "conf_high"]
    wide = measures.pivot(index="model", columns="term", values=numbers)
    wide.columns = wide.columns.map(lambda pair: f"{pair[1]}_{pair[0]}")
    shown = [columns.MODEL]
    for term in measures["term"].drop_duplicates():
        heading, error = columns.MEASURES.get(str(term), words(term)), f"{term}_std_error"
        shown.append(Column(f"{term}_estimate", heading, "value", error))
        if beside == "intervals":
            shown.append(Column(f"{term}_conf", f"{heading}: CI", "interval", error))
        elif beside == "errors":
            shown.append(Column(error, "SE", "value", error))
    order = measures["model"].drop_duplicates()
    return make_table(wide.loc[order].rename_axis("model").reset_index(), shown)


def agreement_table(agreement: pd.DataFrame) -> Table:
    """Rank agreement of HAT with each measure."""
    rows = agreement[agreement["term"].str.startswith("HAT ~ ")]
    names = rows["term"].str.removeprefix("HAT ~ ").map(words)
    return make_table(rows.assign(term=names, step=0.05), columns.AGREEMENT)


def left_out_table(left_out: pd.DataFrame) -> Table:
    """Models that an analysis had to leave out, by reason."""
    groups = left_out.groupby(["analysis", "reason"], sort=False)["model"]
    rows = groups.agg(count="size", models=", ".join).reset_index()
    # A trend that could not be fitted at all leaves out all models, not one called "all".
    rows["count"] = rows["count"].astype(float).mask(rows["models"] == "all")
    return make_table(rows, columns.LEFT_OUT)


def _check_tables(results: Results, level: str, study: str) -> list[tuple[str, str, Table]]:
    """Tables of the checks of an item-level profile: name, caption, table."""
    checks = results.checks
    if checks is None:
        return []
    return [
        (
            "checks",
            f"HAT by latent, joint and observed conditioning, and checks of the profile, {study}. "
            f"A difference is tested against 0; CI: {level}.",
            make_table(checks.table, columns.CHECKS),
        ),
        (
            "items",
            f"Items that transfer far worse or better than the profile says, {study}: q is "
            "adjusted for all items and languages; elsewhere is the item's mean residual in the "
            f"other languages. The first {LISTED_ITEMS}; items.csv has all.",
            make_table(checks.items.head(LISTED_ITEMS), columns.ITEMS),
        ),
    ]


def tables_of(results: Results) -> tuple[Shown, ...]:
    """Every table of a run, in the order of the report."""
    level = f"{100.0 * results.conf_level:g} %"
    study = str(results.info.get("title") or results.info["name"])
    made: list[tuple[str, str, Table]] = [
        (
            "scores",
            f"HAT scores, {study}. Reference: {results.reference}; method: "
            f"{results.facts['method']}; CI: {level}.{_smoothing_note(results.scores)}",
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
            make_table(results.decompositions, columns.DECOMPOSITIONS),
        ),
        (
            "trends",
            f"Trends of HAT over models, {study}. CR2 standard errors with families as clusters, "
            f"Satterthwaite df; CI: {level}. Slopes are per unit of the term; on the accuracy "
            "scale at the mean of the covariates.",
            make_table(results.trends, columns.TRENDS, digits="row"),
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
            f"Influential families, {study}: the share of each in the information on each trend. A "
            "share near 100 % says that one family decides.",
            make_table(results.leverage, columns.LEVERAGE),
        ),
        (
            "influence",
            f"Influential models: those whose removal moves each trend most, {study}. DFBETAS: the "
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
            "Mantel-Haenszel; Mother, Local: MultiLoKo's effects. measures.csv has the intervals.",
            other_measures_table(results.measures),
        ),
        (
            "specification",
            f"The claims under every choice of the analysis, {study}.",
            specification_table(results.specification),
        ),
        *_check_tables(results, level, study),
        *bayes_tables(results, level, study),
        (
            "flagged",
            f"Cells flagged as suspicious and left out of the analysis, {study}.",
            make_table(results.flagged, columns.FLAGGED),
        ),
        (
            "left_out",
            f"Models that an analysis could not use, {study}.",
            left_out_table(results.left_out),
        ),
    ]
    return tuple(Shown(name, caption, table) for name, caption, table in made if table.rows)
