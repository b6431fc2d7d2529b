"""A study in words: plain text for a terminal, HTML for a notebook."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """What a description is made from: the tables, the head and the claims of a study."""

    tables: Tables
    info: StudyInfo
    claims: Sequence[dict[str, Any]]

    @property
    def title(self) -> str:
        """Title, or name where there is none."""
        return self.info.title or self.info.name


def level_of(counts: pd.DataFrame) -> Literal["item", "aggregate", "mixed"]:
    """Say whether the rows are items, averages over items, or differ between benchmarks."""
    blank = (counts["item"] == "").to_numpy()
    if blank.all():
        return "aggregate"
    return "mixed" if blank.any() else "item"


def study_text(study: Contents) -> str:
    """Return a description of the study, at most 80 columns wide."""
    title = textwrap.wrap(study.title, WIDTH) or [""]
    lines = [*title, "=" * max(len(line) for line in title)]
    for label, value in _facts(study):
        lines += textwrap.wrap(
            value, WIDTH, initial_indent=f"{label:<12}", subsequent_indent=" " * 12
        )
    lines += ["", *_benchmark_lines(study)]
    return "\n".join(lines)


def study_html(study: Contents) -> str:
    """Return the description as a small HTML fragment."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{html.escape(label)}</th>"
        f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
        for label, value in _facts(study)
    )
    table = benchmark_table(study.tables)
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in table.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in table.itertuples(index=False)
    )
    return (
        f"<div><strong>{html.escape(study.title)}</strong><table>{rows}</table>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def benchmark_table(tables: Tables) -> pd.DataFrame:
    """Return one row per benchmark: source, chance, languages, items and models, as text."""
    counts = tables.counts
    rows = []
    for benchmark, _, chance in tables.benchmarks.itertuples(index=False):
        cells = counts[(counts["benchmark"] == benchmark).to_numpy()]
        sources = source_languages(cells, tables.benchmarks, tables.items).unique()
        n_items = cells["item"].nunique()
        rows.append(
            {
                "benchmark": benchmark,
                "source": str(sources[0]) if len(sources) == 1 else "per item",
                "chance": f"{chance:.3g}",
                "languages": str(cells["language"].nunique()),
                "items": "aggregate" if (cells["item"] == "").any() else str(n_items),
                "models": str(cells["model"].nunique()),
                "rows": str(len(cells)),
            }
        )
    return pd.DataFrame(rows)


def _facts(study: Contents) -> list[tuple[str, str]]:
    counts, models, info = study.tables.counts, study.tables.models, study.info
    languages = counts["language"].drop_duplicates().tolist()
    flagged = int((counts["flag"] != "").sum())
    sized = int(models["params_total"].notna().sum())
    dated = int(models["release_date"].notna().sum())
    families = models["family"][(models["family"] != "").to_numpy()].nunique()
    facts = [
        ("Name", info.name + (" (synthetic)" if info.synthetic else "")),
        ("Level", _LEVELS[level_of(counts)]),
        (
            "Models",
            f"{len(models)}; families: {families}; size known for {sized}, "
            f"release date for {dated}",
        ),
        ("Languages", f"{len(languages)}: {', '.join(languages)}"),
        ("Flagged", f"{flagged} of {len(counts)} rows"),
        ("Claims", ", ".join(str(claim["name"]) for claim in study.claims) or "none registered"),
    ]
    given = (
        ("Source", info.source),
        ("Licence", info.licence),
        ("Citation", info.citation),
        ("Notes", info.notes),
    )
    return facts + [(label, value) for label, value in given if value]


def _benchmark_lines(study: Contents) -> list[str]:
    table = benchmark_table(study.tables)
    table["benchmark"] = [
        name if len(name) <= 22 else name[:19] + "..." for name in table["benchmark"]
    ]
    table["source"] = [name if len(name) <= 12 else name[:9] + "..." for name in table["source"]]
    widths = {name: max(len(name), *(len(cell) for cell in table[name])) for name in table.columns}
    lines = []
    left = ("benchmark", "source")
    for row in [table.columns.tolist(), *table.itertuples(index=False)]:
        cells = zip(widths.items(), row, strict=True)
        text = [str(c).ljust(w) if name in left else str(c).rjust(w) for (name, w), c in cells]
        lines.append(" ".join(text).rstrip())
    return lines
