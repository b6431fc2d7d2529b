"""Tables of claims: margins, shares of specifications, leverage of families, decompositions."""

from __future__ import annotations

import pandas as pd

from hatstats.report.tables.rounding import words
from hatstats.report.tables.text_table import Column, Table, make_table

MARGINS = (
    Column("claim", "Claim"),
    Column("margin", "Margin", "value", error="step"),
    Column("mark", "Registered", "note"),
    Column("verdict", "Verdict"),
    Column("p_value", "p", "p"),
    Column("p_equivalence", "p (TOST)", "p"),
    Column("p_in_margin", "P(within)", "value", error="cent"),
)
SHARES = (
    Column("claim", "Claim"),
    Column("verdict", "Verdict"),
    Column("count", "Specifications", "count"),
    Column("percent", "Share", "share"),
)
LEVERAGE = (
    Column("trend", "Trend"),
    Column("cluster", "Family"),
    Column("n_models", "Models", "count"),
    Column("term", "Term"),
    Column("share", "Share", "share"),
)
INFLUENCE = (
    Column("trend", "Trend"),
    Column("without", "Without"),
    Column("term", "Term"),
    Column("dfbetas", "DFBETAS", "value", error="cent"),
    Column("cooks_distance", "Cook's distance", "value", error="cent"),
)
DECOMPOSITIONS = (
    Column("comparison", "From, to"),
    Column("term", "Part"),
    Column("estimate", "Accuracy", "value"),
    Column("std_error", "SE", "value"),
    Column("conf", "CI", "interval"),
)
#: Rows of a table of margins: about every so many of the curve's.
_EVERY = 10
#: Models shown for each trend.
_SHOWN = 3


def margins_table(margins: pd.DataFrame) -> Table:
    """Verdicts of non-inferiority for some margins, the registered one among them."""
    if margins.empty:
        return make_table(margins, MARGINS)
    place = margins.groupby("claim", sort=False).cumcount()
    rows = margins[margins["registered"].astype(bool) | (place % _EVERY == _EVERY - 1)]
    rows = rows.assign(
        claim=rows["claim"].map(words),
        mark=rows["registered"].map({True: "registered", False: ""}),
        step=0.01,
        cent=0.01,
    )
    return make_table(rows, MARGINS)


def shares_table(shares: pd.DataFrame) -> Table:
    """How many specifications give each verdict."""
    if shares.empty:
        return make_table(shares, SHARES)
    return make_table(
        shares.assign(claim=shares["claim"].map(words), percent=shares["share"]), SHARES
    )


def leverage_table(rows: pd.DataFrame) -> Table:
    """Share of each family in each trend."""
    return make_table(rows, LEVERAGE)


def influence_table(rows: pd.DataFrame) -> Table:
    """The models that move each trend most, `_SHOWN` of each."""
    if rows.empty:
        return make_table(rows, INFLUENCE)
    order = {name: place for place, name in enumerate(rows["trend"].drop_duplicates())}
    far = rows.sort_values("cooks_distance", ascending=False, kind="stable")
    shown = far.groupby(["trend", "term"], sort=False).head(_SHOWN)
    shown = shown.sort_values("trend", key=lambda trend: trend.map(order), kind="stable")
    return make_table(shown.assign(cent=0.05), INFLUENCE)


def decompositions_table(rows: pd.DataFrame) -> Table:
    """Parts of a change in raw target accuracy."""
    return make_table(rows, DECOMPOSITIONS)


def stress_table(rows: pd.DataFrame) -> Table:
    """How far each measure is moved by source ability and by transfer, least leakage first."""
    shown = rows.sort_values("leakage", kind="stable").assign(
        measure=rows["measure"].map(words), cent=0.005
    )
    return make_table(
        shown,
        (
            Column("measure", "Measure"),
            Column("by_ability", "By ability", "value", "cent"),
            Column("by_transfer", "By transfer", "value", "cent"),
            Column("leakage", "Leakage", "share"),
            Column("mc_error", "MC error", "share"),
        ),
    )
