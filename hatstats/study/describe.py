"""A study in words: plain text for a terminal, HTML for a notebook."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from typing import Any, Literal

import pandas as pd

from hatstats.study.claims import StudyInfo
from hatstats.study.validate import Tables, source_languages

WIDTH = 80
_LEVELS = {
    "item": "items",
    "aggregate": "aggregate accuracies",
    "mixed": "items in some benchmarks, aggregate accuracies in others",
}
Claims = Sequence[dict[str, Any]]


def level_of(counts: pd.DataFrame) -> Literal["item", "aggregate", "mixed"]:
    """Say whether the rows are items, averages over items, or differ between benchmarks."""
    blank = (counts["item"] == "").to_numpy()
    if blank.all():
        return "aggregate"
    return "mixed" if blank.any() else "item"


def study_text(tables: Tables, info: StudyInfo, claims: Claims) -> str:
    """Return a description of a study in plain text, at most 80 columns wide."""
    title = textwrap.wrap(info.title or info.name, WIDTH) or [""]
    lines = [*title, "=" * max(len(line) for line in title)]
    for label, value in _facts(tables, info, claims):
        lines += textwrap.wrap(
            value, WIDTH, initial_indent=f"{label:<12}", subsequent_indent=" " * 12
        )
    table = _benchmark_table(tables)
    table = pd.concat([pd.DataFrame([table.columns], columns=table.columns), table])
    for column in table:
        cells, width = table[column], {"benchmark": 22, "source": 12}.get(str(column))
        if width:
            cells = cells.mask(cells.str.len() > width, cells.str.slice(0, width - 3) + "...")
        side: Literal["left", "right"] = "right" if width else "left"
        table[column] = cells.str.pad(int(cells.str.len().max()), side)
    return "\n".join([*lines, "", *table.agg(" ".join, axis=1).str.rstrip()])


def study_html(tables: Tables, info: StudyInfo, claims: Claims) -> str:
    """Return the description as a small HTML fragment."""
    facts = pd.DataFrame(_facts(tables, info, claims))
    with pd.option_context("display.max_colwidth", None):
        parts = (
            facts.to_html(header=False, index=False, border=0),
            _benchmark_table(tables).to_html(index=False, border=0),
        )
    return f"<div><strong>{html.escape(info.title or info.name)}</strong>{''.join(parts)}</div>"


def _benchmark_table(tables: Tables) -> pd.DataFrame:
    """Return one row per benchmark: source, chance, languages, items and models, as text."""
    counts = tables.counts
    rows = []
    for benchmark, _, chance in tables.benchmarks.itertuples(index=False):
        cells = counts[(counts["benchmark"] == benchmark).to_numpy()]
        sources = source_languages(cells, tables.benchmarks, tables.items).unique()
        aggregate = (cells["item"] == "").any()
        rows.append(
            {
                "benchmark": benchmark,
                "source": str(sources[0]) if len(sources) == 1 else "per item",
                "chance": f"{chance:.3g}",
                "languages": str(cells["language"].nunique()),
                "items": "aggregate" if aggregate else str(cells["item"].nunique()),
                "models": str(cells["model"].nunique()),
                "rows": str(len(cells)),
            }
        )
    return pd.DataFrame(rows)


def _facts(tables: Tables, info: StudyInfo, claims: Claims) -> list[tuple[str, str]]:
    """Labels and values that describe a study as a whole."""
    counts, models = tables.counts, tables.models
    languages = counts["language"].drop_duplicates().tolist()
    flagged = int((counts["flag"] != "").sum())
    families = models["family"][(models["family"] != "").to_numpy()].nunique()
    facts = [
        ("Name", info.name + (" (synthetic)" if info.synthetic else "")),
        ("Level", _LEVELS[level_of(counts)]),
        (
            "Models",
            f"{len(models)}; families: {families}; size known for "
            f"{models['params_total'].count()}, release date for {models['release_date'].count()}",
        ),
        ("Languages", f"{len(languages)}: {', '.join(languages)}"),
        ("Flagged", f"{flagged} of {len(counts)} rows"),
        ("Claims", ", ".join(str(claim["name"]) for claim in claims) or "none registered"),
    ]
    optional = (
        ("Source", info.source),
        ("Licence", info.licence),
        ("Citation", info.citation),
        ("Notes", info.notes),
    )
    return facts + [(label, value) for label, value in optional if value]
