"""The tables of a run, each with its caption."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from hatstats.report.results.results import Results
from hatstats.report.tables import columns
from hatstats.report.tables.captions import CAPTIONS
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


def tables_of(results: Results) -> tuple[Shown, ...]:
    """Every table of a run that has rows, in the order of the report."""
    tables = {
        "scores": scores_table(results.scores),
        "claims": claims_table(results.claims),
        "margins": margins_table(results.margins),
        "shares": shares_table(results.shares),
        "decompositions": make_table(results.decompositions, columns.DECOMPOSITIONS),
        "trends": make_table(results.trends, columns.TRENDS, digits="row"),
        "comparison": comparison_table(results.comparison),
        "leverage": make_table(results.leverage, columns.LEVERAGE),
        "influence": influence_table(results.influence),
        "measures": measures_table(results.measures),
        "other_measures": other_measures_table(results.measures),
        "specification": specification_table(results.specification),
        "flagged": make_table(results.flagged, columns.FLAGGED),
        "left_out": left_out_table(results.left_out),
    }
    if results.checks:
        tables["checks"] = make_table(results.checks.table, columns.CHECKS)
        tables["items"] = make_table(results.checks.items.head(LISTED_ITEMS), columns.ITEMS)
    if results.bayes:
        part = results.bayes
        outcome = part.checks["passed"].map({True: "passed", False: "FAILED"})
        checks = part.checks.assign(outcome=outcome)
        tables["bayes_claims"] = make_table(_in_words(part.claims, "name"), columns.BAYES_CLAIMS)
        tables["bayes_scores"] = make_table(part.scores, columns.BAYES_SCORES)
        tables["bayes_checks"] = make_table(checks, columns.BAYES_CHECKS)
    smoothing = " Smoothing: possible smoothing bias (one standard deviation), not in the interval."
    facts = {
        "study": results.info.get("title") or results.info["name"],
        "level": f"{100.0 * results.conf_level:g} %",
        "reference": results.reference,
        "method": results.facts["method"],
        "smoothing": smoothing if results.scores["shape_error"].notna().any() else "",
        "listed": LISTED_ITEMS,
    }
    return tuple(
        Shown(name, caption.format(**facts), tables[name])
        for name, caption in CAPTIONS.items()
        if name in tables and tables[name].rows
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


def _in_words(rows: pd.DataFrame, column: str = "claim") -> pd.DataFrame:
    """The same rows with the names of claims written as words."""
    return rows.assign(**{column: rows[column].map(words)}) if len(rows) else pd.DataFrame()


def margins_table(margins: pd.DataFrame) -> Table:
    """Verdicts of non-inferiority for some margins, the registered one among them."""
    if margins.empty:
        return make_table(margins, columns.MARGINS)
    number = margins.groupby("claim", sort=False).cumcount() + 1
    rows = margins[margins["registered"].astype(bool) | (number % _MARGIN_STEP == 0)]
    mark = rows["registered"].map({True: "registered", False: ""})
    return make_table(_in_words(rows).assign(mark=mark, step=0.01), columns.MARGINS)


def influence_table(rows: pd.DataFrame) -> Table:
    """The models whose removal moves each trend most, by Cook's distance."""
    if rows.empty:
        return make_table(rows, columns.INFLUENCE)
    number = rows.groupby("trend", sort=False).ngroup()
    ranked = rows.assign(step=0.05, number=number).sort_values(
        ["number", "cooks_distance"], ascending=[True, False], kind="stable"
    )
    shown = ranked.groupby(["trend", "term"], sort=False).head(_INFLUENTIAL)
    return make_table(shown, columns.INFLUENCE)


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
