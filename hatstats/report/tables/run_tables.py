"""The tables of a run, each with its caption."""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from hatstats.report.results.results import Results
from hatstats.report.tables.captions import CAPTIONS
from hatstats.report.tables.columns import BY_ROW, MEASURES, columns_of
from hatstats.report.tables.rounding import english_name, number_text, prose, term_words, words
from hatstats.report.tables.text_table import Column, Table, make_table

#: Items that the report lists; items.csv has the others.
LISTED_ITEMS = 30
#: Measures that the first table shows, with intervals; the others follow without.
FIRST_MEASURES = ("gap", "ratio", "excess")
#: The table of margins shows every so many rows of the curve.
_MARGIN_STEP = 10
#: Models of the table for the main text; of more than these it has so many from either end.
MOST_MAIN, MAIN_ENDS = 25, 10
_MOST_NAMES = 20
#: Influential models shown for each trend.
_INFLUENTIAL = 3
#: Models whose checks are listed; checks.csv has the others.
LISTED_CHECKED = 8


#: Columns of scores that are left out where nothing of them is known.
_MAYBE_UNKNOWN = ("family", "shape_error", "effective_trials", "params_total", "release_date")
#: Columns that hold names of formulas or codes of languages, and how people read them.
_SPOKEN: dict[str, Callable[[str], str]] = {
    "term": lambda term: term_words(term).replace(" - ", " − "),
    "quantity": term_words,
    "reason": prose,
    "language": english_name,
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A table of a run with its name (of the file), its title and what must be known of it."""

    name: str
    title: str
    note: str
    table: Table

    @property
    def caption(self) -> str:
        """Title and note."""
        return f"{self.title} {self.note}".strip()


def tables_of(results: Results) -> tuple[Shown, ...]:
    """Every table of a run that has rows, in the order of the report."""
    frames = {name: getattr(results, name) for name in (
        "scores", "pairs", "claims", "margins", "shares", "decompositions", "trends", "comparison",
        "leverage", "influence", "specification", "flagged", "left_out",
    )}  # fmt: skip
    if part := results.languages:
        frames |= {"languages": part.table, "language_groups": part.groups}
        frames["faults"] = part.faults.head(LISTED_ITEMS)
        if len(part.without):
            frames["without_faults"] = part.without[part.without["kind"] == "language"]
    if results.checks:
        frames["checks"] = results.checks.table
        frames["items"] = results.checks.items.head(LISTED_ITEMS)
    if results.bayes:
        parts = ("claims", "scores", "checks")
        frames |= {f"bayes_{name}": getattr(results.bayes, name) for name in parts}
    tables = {name: table_of(name, rows) for name, rows in frames.items()}
    tables["measures"] = measures_table(results.measures)
    tables["other_measures"] = other_measures_table(results.measures)
    smoothing = " Smoothing: possible smoothing bias (one standard deviation), not in the interval."
    trials = " Trials: independent ones that an item's trials in the source language are worth."
    method = str(results.facts["method"])
    facts = {
        "study": results.info.get("title") or results.info["name"],
        "level": f"{100.0 * results.conf_level:g} %",
        "reference": results.reference,
        "method": method,
        "how": f"method {method} ({results.facts['method_words']}), reference "
        f"{results.reference} ({results.facts['reference_words']})",
        "smoothing": smoothing if results.scores["shape_error"].notna().any() else "",
        "trials": trials if results.scores["effective_trials"].notna().any() else "",
        "scope": results.facts["scope"],
        "leader": results.facts["leader"],
        "assumption": results.facts["assumption"],
        "listed": LISTED_ITEMS,
        "checked": LISTED_CHECKED,
        "count": len(results.ranked),
        "marks": "".join(f" {mark}: {prose(why)}." for why, mark in _marks(results.trends).items()),
        "claims": kind_of_claims(results.claims),
        "blank": " ".join(["", *why_blank(results.measures)]),
    }
    tables["main"], facts["part"] = _main(results)
    freedom = results.scores["df"]
    facts |= {"draws": results.facts.get("draws", "–"), "seed": results.facts["seed"]}
    facts |= {
        "errors": _range(results.scores["std_error"], 3),
        # Normal limits have no degrees of freedom to name.
        "df": f", df {_range(freedom, 0)}" if freedom.lt(float("inf")).any() else "",
    }
    split = {name: caption.partition("{study}") for name, caption in CAPTIONS.items()}
    return tuple(
        Shown(
            name,
            f"{head.format(**facts)}{facts['study']}.",
            rest.lstrip(".;: ").format(**facts),
            tables[name],
        )
        for name, (head, _, rest) in split.items()
        if name in tables and tables[name].rows
    )


def _range(values: pd.Series, n_decimals: int) -> str:
    """Smallest and largest of some numbers."""
    ends = [number_text(float(end), n_decimals) for end in (values.min(), values.max())]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def kind_of_claims(claims: pd.DataFrame) -> str:
    """What claims of these statuses are called: registered are those locked before."""
    kinds = set(claims["status"]) if len(claims) else {"exploratory"}
    if len(kinds) > 1:
        return "Registered and exploratory claims"
    return "Registered claims" if "confirmatory" in kinds else "Exploratory claims"


def _main(results: Results) -> tuple[Table, str]:
    """Scores as the main text has them, and what it leaves out.

    Of many models the first and the last that are ranked stand there, with a gap between them.
    """
    ranked, few = results.ranked, len(results.scores) <= MOST_MAIN
    weak = len(ranked) < len(results.scores)
    if len(ranked) <= MOST_MAIN:
        said = "Without a rank" if few else "Left out (scores.csv has all)"
        rows = results.scores if few else ranked
        return table_of("main", rows), f" {said}: weakly identified by the data." if weak else ""
    table = table_of("main", pd.concat([ranked.head(MAIN_ENDS), ranked.tail(MAIN_ENDS)]))
    gap = (f"… {len(ranked) - 2 * MAIN_ENDS} more", *[""] * (len(table.headings) - 1))
    rows_with_gap = (*table.rows[:MAIN_ENDS], gap, *table.rows[MAIN_ENDS:])
    part = f" Of {len(ranked)} ranked models the first and last {MAIN_ENDS}; scores.csv has all."
    return replace(table, rows=rows_with_gap), part


def table_of(name: str, rows: pd.DataFrame) -> Table:
    """The table of that name from a frame of results; an empty one without rows."""
    if rows.empty:
        return Table((), (), (), ())
    prepared = _PREPARED[name](rows) if name in _PREPARED else rows
    for column, write in _SPOKEN.items():
        if column in prepared:
            texts = prepared[column].map(write, na_action="ignore")
            prepared = prepared.assign(**{column: texts})
    return make_table(prepared, columns_of(name), digits="row" if name in BY_ROW else "column")


def _scores(rows: pd.DataFrame) -> pd.DataFrame:
    """Scores of all models, best first; those weakly identified, or of rejected fits, say so."""
    mark = pd.Series("", rows.index)
    if "rejected" in rows:
        mark = mark.mask(rows["rejected"].astype(bool), "fit rejected")
    mark = mark.where(rows["informed"].astype(bool), "weakly identified")
    shown = rows.assign(mark=mark) if (mark != "").any() else rows.copy()
    unknown = [name for name in _MAYBE_UNKNOWN if name in shown and shown[name].isna().all()]
    shown = shown.drop(columns=unknown)
    if "effective_trials" in shown:
        shown["effective_trials"] = shown["effective_trials"].round(1)
    if "rank_low" in rows:
        ends = [rows[f"rank_{end}"].astype("Int64").astype("str") for end in ("low", "high")]
        both = (ends[0] + "–" + ends[1]).where(ends[0] != ends[1], ends[0])
        shown["ranks"] = both.where(rows["rank_low"].notna(), "")
    return shown


def _pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """The model of the highest score against the others that follow it most closely.

    No difference of accuracies lies beyond 1, though an interval for all pairs at once may.
    """
    shown: pd.DataFrame = rows[rows["a"] == rows["a"].iloc[0]].head(LISTED_ITEMS)
    ends = [end for end in ("conf_low", "conf_high") if end in shown]
    return shown.assign(**{end: shown[end].clip(-1.0, 1.0) for end in ends})


def _claims(rows: pd.DataFrame) -> pd.DataFrame:
    """Claims with their scope in few words, and what weakens a verdict beside why there is none."""
    notes = zip(rows["reason"], rows["warning"], strict=True)
    shown = rows.assign(reason=["; ".join(filter(None, pair)) for pair in notes])
    if rows["status"].nunique() == 1:  # the caption says which
        shown = shown.drop(columns="status")
    if not shown["reason"].any():
        shown = shown.drop(columns="reason")
    return _in_words(_short_scopes(shown))


def _short_scopes(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with their scope of models in few words."""
    return rows.replace({"scope": {"these models": "these", "models like these": "like these"}})


def _trends(rows: pd.DataFrame) -> pd.DataFrame:
    """Terms of each trend with their scope in few words.

    An intercept is a score of one parameter in the year 0, which nobody asks for; nor for the bends
    of a curved relation of target to source accuracy, one by one.
    """
    shown, marks = _short_scopes(_asked(rows)), _marks(rows)
    return shown.assign(mark=shown["reason"].map(marks).fillna("")) if marks else shown


def _asked(trends: pd.DataFrame) -> pd.DataFrame:
    """The rows of terms that are shown."""
    return trends[(trends["term"] != "Intercept") & ~trends["term"].str.startswith("bend ")]


def _marks(trends: pd.DataFrame) -> dict[str, str]:
    """A letter for each reason that weakens a trend, for the note below the table."""
    reasons = _asked(trends)["reason"] if len(trends) else ()
    return dict(zip(dict.fromkeys(filter(None, reasons)), string.ascii_lowercase, strict=False))


def _comparison(rows: pd.DataFrame) -> pd.DataFrame:
    """Terms of each trend under every kind of standard error, the kinds of one term together."""
    rows = rows[rows["term"] != "Intercept"]
    terms = rows.groupby(["trend", "term"], sort=False)
    # One number of digits for the same estimate under every error, or they could not be compared.
    typical = terms["std_error"].transform("median")
    named = rows["method"].str.replace("(floor .", "(floor 0.", regex=False)
    shown = rows.assign(se=rows["std_error"], std_error=typical, order=terms.ngroup(), method=named)
    return shown.sort_values("order", kind="stable")


def _specification(rows: pd.DataFrame) -> pd.DataFrame:
    """Claims under every choice, each with one number of digits, so that choices compare."""
    typical = rows.groupby("claim")["std_error"].transform("median")
    return _in_words(rows.assign(std_error=typical))


def _margins(rows: pd.DataFrame) -> pd.DataFrame:
    """Verdicts of non-inferiority for some margins, the claimed one among them."""
    number = rows.groupby("claim", sort=False).cumcount() + 1
    shown = rows[rows["registered"].astype(bool) | (number % _MARGIN_STEP == 0)]
    mark = shown["registered"].map({True: "claimed", False: ""})
    return _in_words(shown).assign(mark=mark, std_error=0.01)


def _influence(rows: pd.DataFrame) -> pd.DataFrame:
    """The models whose removal moves each trend most, by Cook's distance."""
    rows = rows[rows["term"] != "Intercept"]
    number = rows.groupby("trend", sort=False).ngroup()
    ranked = rows.assign(std_error=0.05, number=number).sort_values(
        ["number", "cooks_distance"], ascending=[True, False], kind="stable"
    )
    return ranked.groupby(["trend", "term"], sort=False).head(_INFLUENTIAL)


def _stress(rows: pd.DataFrame) -> pd.DataFrame:
    """How far each measure is moved by source ability and by transfer, least leakage first."""
    shown = rows.sort_values("leakage", kind="stable")
    return shown.assign(measure=shown["measure"].map(words), std_error=0.005)


def _agreement(rows: pd.DataFrame) -> pd.DataFrame:
    """Rank agreement of HAT with each measure."""
    shown = rows[rows["term"].str.startswith("HAT ~ ")]
    names = shown["term"].str.removeprefix("HAT ~ ").map(words)
    return shown.assign(term=names, std_error=0.05)


def _left_out(rows: pd.DataFrame) -> pd.DataFrame:
    """Models that an analysis had to leave out, by reason."""
    groups = rows.groupby(["analysis", "reason"], sort=False)["model"]
    shown = groups.agg(count="size", models=_some).reset_index()
    # A trend that could not be fitted at all leaves out all models, not one called "all".
    shown["count"] = shown["count"].astype(float).mask(shown["models"] == "all")
    return shown


def _some(names: pd.Series) -> str:
    """Names in a row of a table, which no page may be too short for."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more (results.json)" if more > 0 else "")


def _bayes_checks(rows: pd.DataFrame) -> pd.DataFrame:
    """Checks of the hierarchical model with their outcome in words."""
    return rows.assign(outcome=rows["passed"].map({True: "passed", False: "FAILED"}))


def _checks(rows: pd.DataFrame) -> pd.DataFrame:
    """Checks of those models whose scores by the methods lie furthest apart."""
    by_model = rows[rows["term"] == "HAT"].groupby("model", sort=False)["estimate"]
    apart = (by_model.max() - by_model.min()).sort_values(ascending=False, kind="stable")
    return rows[rows["model"].isin(apart.index[:LISTED_CHECKED])]


def _bayes_terms(rows: pd.DataFrame) -> pd.DataFrame:
    """Terms of the hierarchical model with standard deviations of effects in words."""
    spoken = rows["term"].str.replace("^sd_(source|transfer)_", r"SD of \1 by ", regex=True)
    return rows.assign(term=spoken.replace("sd_cell", "SD of single cells"))


def _in_words(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows with the names of claims written as words."""
    return rows.assign(claim=rows["name" if "name" in rows else "claim"].map(words))


#: What is done to a frame before its columns are written.
_PREPARED: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "main": _scores, "scores": _scores, "ranking": _scores,
    "pairs": _pairs, "claims": _claims, "margins": _margins, "trends": _trends,
    "shares": _in_words, "comparison": _comparison, "influence": _influence,
    "specification": _specification, "left_out": _left_out, "stress": _stress,
    "agreement": _agreement, "checks": _checks,
    "bayes_claims": _in_words, "bayes_checks": _bayes_checks,
    "bayes_terms": _bayes_terms,
}  # fmt: skip


def measures_table(measures: pd.DataFrame, *, intervals: bool = True) -> Table:
    """One row per model; gap, ratio and excess with their intervals, or else their errors."""
    first = measures[measures["term"].isin(FIRST_MEASURES)]
    return _by_model(first, "intervals" if intervals else "errors")


def other_measures_table(measures: pd.DataFrame) -> Table:
    """One row per model; the other measures, each without its error, which measures.csv has."""
    return _by_model(measures[~measures["term"].isin(FIRST_MEASURES)], "")


def why_blank(rows: pd.DataFrame) -> list[str]:
    """A sentence for each reason why some rows of measures have no estimate."""
    blank = rows[rows["estimate"].isna()]
    found: dict[tuple[str, str], list[str]] = {}
    for (term, reason), models in blank.groupby(["term", "method"], sort=False)["model"]:
        names = ", ".join(models[:3]) + (f" and {len(models) - 3} more" if len(models) > 3 else "")
        found.setdefault((names, str(reason)), []).append(MEASURES.get(str(term), words(term)))
    n_terms = rows["term"].nunique()
    return [
        f"No {'measure' if len(terms) == n_terms else ', '.join(terms)} of {names}: {reason}."
        for (names, reason), terms in found.items()
    ]


def _by_model(measures: pd.DataFrame, beside: Literal["intervals", "errors", ""]) -> Table:
    """One row per model, one value per measure, with its interval or error beside it."""
    numbers = ["estimate", "std_error", "conf_low", "conf_high"]
    wide = measures.pivot(index="model", columns="term", values=numbers)
    wide.columns = wide.columns.map(lambda pair: f"{pair[1]}_{pair[0]}")
    shown = [Column("model", "Model")]
    for term in measures["term"].drop_duplicates():
        heading, error = MEASURES.get(str(term), words(term)), f"{term}_std_error"
        shown.append(Column(f"{term}_estimate", heading, "value", error))
        if beside == "intervals":
            shown.append(Column(f"{term}_conf", f"{heading}: CI", "interval", error))
        elif beside == "errors":
            shown.append(Column(error, "SE", "value", error))
    order = measures["model"].drop_duplicates()
    return make_table(wide.loc[order].rename_axis("model").reset_index(), shown)
