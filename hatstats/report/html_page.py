"""One self-contained HTML page: the key results first, then everything behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jinja2
import pandas as pd
from markupsafe import Markup

from hatstats.report.figures.run_figures import Drawn
from hatstats.report.figures.style import COLUMN
from hatstats.report.inline import inline_svg
from hatstats.report.results.results import Results
from hatstats.report.tables.rounding import (
    count_text,
    decimals,
    df_text,
    number_text,
    p_text,
    percent_text,
    plain_text,
    words,
)
from hatstats.report.tables.run_tables import Shown
from hatstats.report.tables.text_table import to_html


@dataclass(frozen=True, slots=True)
class Origin:
    """How a run was made: what the reproducibility section of the page says.

    Attributes
    ----------
    command : str
    seed : int
    versions : mapping of str to str
    inputs : mapping of str to str
        SHA-256 of each input file by its name.
    """

    command: str
    seed: int
    versions: Mapping[str, str]
    inputs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Card:
    """A claim as the first screen shows it."""

    title: str
    statement: str
    verdict: str
    numbers: str
    basis: str
    reason: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure as the page shows it."""

    name: str
    title: str
    caption: str
    svg: Markup
    wide: bool


def claim_card(row: pd.Series) -> Card:
    """Put one claim in words, with estimate, interval, df, p value and what they rest on."""
    places = decimals(float(row["std_error"]))
    estimate = number_text(float(row["estimate"]), places)
    low, high = (number_text(float(row[end]), places) for end in ("conf_low", "conf_high"))
    if pd.isna(row["estimate"]):
        numbers = "No estimate."
    else:
        quantity = _capital(str(row["quantity"] or "estimate"))
        level = f"{100.0 * float(row['conf_level']):g} %"
        numbers = (
            f"{quantity}: {estimate}, {level} CI {low} to {high}; "
            f"threshold {plain_text(float(row['threshold']))}; df {df_text(float(row['df']))}; "
            f"one-sided p {_equals(p_text(float(row['p_value'])))}, "
            f"{_equals(p_text(float(row['p_holm'])))} adjusted for all claims."
        )
    basis = (
        f"{row['method']}; {count_text(float(row['n_models']))} models, "
        f"{count_text(float(row['n_clusters']))} families{_weight(row)}; {row['status']}."
        if row["method"]
        else ""
    )
    return Card(
        title=words(row["name"]),
        statement=str(row["statement"] or ""),
        verdict=str(row["verdict"]),
        numbers=numbers,
        basis=basis,
        reason=_capital(str(row["reason"] or "")),
    )


def _weight(row: pd.Series) -> str:
    """Which family weighs most, and the smallest p that so many families allow a bootstrap."""
    if pd.isna(row["p_floor"]):
        return ""
    floor = f"; smallest p of a bootstrap over them {p_text(float(row['p_floor']))}"
    if pd.isna(row["decisive_share"]):
        return floor
    return f" ({row['decisive']} weighs {percent_text(float(row['decisive_share']))}){floor}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _equals(text: str) -> str:
    """Write ``= 0.012``, but ``< 0.001``."""
    return f"< {text[1:]}" if text.startswith("<") else f"= {text}"


def report_page(
    results: Results,
    figures: Sequence[tuple[Drawn, str]],
    tables: Sequence[Shown],
    origin: Origin,
) -> str:
    """Write the page.

    Parameters
    ----------
    results : Results
    figures : sequence of (Drawn, str)
        Each figure with its SVG file as text.
    tables : sequence of Shown
    origin : Origin

    Returns
    -------
    str
        HTML with its style and figures inside; it asks for nothing from elsewhere.
    """
    pictures = {
        drawn.name: Picture(
            drawn.name,
            drawn.title,
            drawn.caption,
            Markup(inline_svg(svg, prefix=drawn.name, alt=drawn.alt)),
            drawn.figure.get_size_inches()[0] > COLUMN,
        )
        for drawn, svg in figures
    }
    shown = {table.name: (table.caption, Markup(to_html(table.table))) for table in tables}
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hatstats.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        results=results,
        info=results.info,
        facts=results.facts,
        cards=[claim_card(row) for _, row in results.claims.iterrows()],
        rules=[f"{_capital(str(rule))}." for rule in results.claims["rule"].drop_duplicates()],
        pictures=pictures,
        tables=shown,
        vague=results.scores[~results.scores["informed"].astype(bool)].to_dict("records"),
        compared=results.specification.get("choice", pd.Series(dtype="str")).nunique() > 1,
        origin=origin,
    )
