"""A study in words: plain text for a terminal, HTML for a notebook."""

from __future__ import annotations

import html
import textwrap
from typing import Any, Literal

import pandas as pd

#: A `hatstats.study.study.Study`, whose module imports this one.
Study = Any

WIDTH = 80
_KINDS = {
    "item": "items",
    "aggregate": "aggregate accuracies",
    "mixed": "items in some benchmarks, aggregate accuracies in others",
}


def study_line(study: Study) -> str:
    """Return name, kind and sizes of a study in as few lines of 80 columns as they take."""
    sizes = (study.models, "model"), (study.benchmarks, "benchmark"), (study.languages, "language")
    words = [f"{len(part)} {name}{'s' if len(part) != 1 else ''}" for part, name in sizes]
    rows = f"{', '.join(words)}, {len(study.counts)} rows"
    text = f"Study({study.name!r}, {study.data_kind} data: {rows})"
    return textwrap.fill(text, WIDTH, subsequent_indent="  ")


def study_text(study: Study) -> str:
    """Return a description of a study in plain text, at most 80 columns wide."""
    title = textwrap.wrap(study.info.title or study.name, WIDTH) or [""]
    lines = [*title, "=" * max(len(line) for line in title)]
    for label, value in _facts(study):
        lines += textwrap.wrap(
            value, WIDTH, initial_indent=f"{label:<12}", subsequent_indent=" " * 12
        )
    table = _benchmark_table(study)
    table = pd.concat([pd.DataFrame([table.columns], columns=table.columns), table])
    for column in table:
        cells, width = table[column], {"benchmark": 22, "source": 12}.get(str(column))
        if width:
            cells = cells.mask(cells.str.len() > width, cells.str.slice(0, width - 3) + "...")
        side: Literal["left", "right"] = "right" if width else "left"
        table[column] = cells.str.pad(int(cells.str.len().max()), side)
    return "\n".join([*lines, "", *table.agg(" ".join, axis=1).str.rstrip()])


def study_html(study: Study) -> str:
    """Return the description as a small HTML fragment."""
    facts, title = pd.DataFrame(_facts(study)), html.escape(study.info.title or study.name)
    with pd.option_context("display.max_colwidth", None):
        parts = (
            facts.to_html(header=False, index=False, border=0),
            _benchmark_table(study).to_html(index=False, border=0),
        )
    return f"<div><strong>{title}</strong>{''.join(parts)}</div>"


def flagged_counts(study: Study, cell_word: str = "cell") -> str:
    """How many cells are flagged, and how many single rows of cells in part; empty for none."""
    cells, rows = _flagged(study)
    parts = [(len(cells), cell_word), (rows, "single row")]
    return " and ".join(f"{n} {word}{'s' if n != 1 else ''}" for n, word in parts if n)


def flagged_words(study: Study) -> str:
    """The same with the names of the first cells, for a sentence."""
    cells, _ = _flagged(study)
    if cells.empty:
        return flagged_counts(study)
    if cells["benchmark"].nunique() == 1:
        cells = cells.drop(columns="benchmark")
    names = cells.agg(" ".join, axis=1).tolist()
    more = [f"{len(names) - 8} more"] if len(names) > 8 else []
    return f"{flagged_counts(study)} ({', '.join(names[:8] + more)})"


def _flagged(study: Study) -> tuple[pd.DataFrame, int]:
    """Cells with a flag in every row: `model, language, benchmark`; flagged rows of others."""
    counts, cell = study.counts, ["model", "language", "benchmark"]
    flagged = counts["flag"] != ""
    whole = flagged & flagged.groupby([counts[name] for name in cell]).transform("all")
    return counts.loc[whole, cell].drop_duplicates(), int((flagged & ~whole).sum())


def _benchmark_table(study: Study) -> pd.DataFrame:
    """Return one row per benchmark: source, chance, languages, items and models, as text."""
    counts = study.counts.assign(source=study.source_language)
    rows = []
    for benchmark, _, chance, _ in study.benchmarks.itertuples(index=False):
        cells = counts[(counts["benchmark"] == benchmark).to_numpy()]
        sources = cells["source"].unique()
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


def _facts(study: Study) -> list[tuple[str, str]]:
    """Labels and values that describe a study as a whole."""
    models, info = study.models, study.info
    flagged = flagged_words(study)
    families = models["family"][(models["family"] != "").to_numpy()].nunique()
    facts = [
        ("Name", info.name + (" (synthetic)" if info.synthetic else "")),
        ("Data", _KINDS[study.data_kind]),
        (
            "Models",
            f"{len(models)}; families: {families}; size known for "
            f"{models['params_total'].count()}, release date for {models['release_date'].count()}",
        ),
        ("Languages", f"{len(study.languages)}: {', '.join(study.languages)}"),
        ("Flagged", flagged or "none"),
        ("Claims", ", ".join(str(claim["name"]) for claim in study.claims) or "none registered"),
    ]
    optional = ("source", "licence", "citation", "notes")
    return facts + [(name.capitalize(), getattr(info, name)) for name in optional
                    if getattr(info, name)]  # fmt: skip
