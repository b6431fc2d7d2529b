"""Sizes and release dates of models, each with the table it was taken from.

No name is matched by likeness: the maps in ``maps/`` say for every model which row of which table
it is. What no table says stays empty. The tables are ``facts`` (``maps/facts.csv``, kept by hand
with a source in every row), ``llm_stats`` and ``languagebench``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

MAPS = Path(__file__).parent / "maps"
_STATS = "llm-stats 24a9ccf7"
_BENCH = "languagebench models of 2026-06-10"
#: The languagebench date of open weights is the day on which their repository was made.
_REPOSITORY = f"{_BENCH} (the day the repository was made; the release can be weeks later)"


@dataclass(frozen=True, slots=True)
class Fact:
    """What one row of one table says of a model; unknown is None or ``""``."""

    total: float | None = None
    active: float | None = None
    date: str = ""
    size_source: str = ""
    active_source: str = ""
    date_source: str = ""


Facts = dict[tuple[str, str], Fact]


def read_facts(raw: Path) -> Facts:
    """Read every table of sizes and dates.

    Parameters
    ----------
    raw : Path
        Folder of the raw tables.

    Returns
    -------
    dict
        `Fact` by table and key in that table.
    """
    facts: Facts = {}
    for row in read_map("facts.csv"):
        facts["facts", row["key"]] = Fact(
            total=_number(row["params_total"]),
            active=_number(row["params_active"]),
            date=row["release_date"],
            size_source=row["size_source"],
            active_source=row["active_source"],
            date_source=row["date_source"],
        )
    stats = pd.read_csv(raw / "llm_stats/llm_stats_models_2025-10-16.csv", dtype=str).fillna("")
    for name, total, date in stats[["model", "param_count", "release_date"]].itertuples(
        index=False, name=None
    ):
        facts["llm_stats", name] = Fact(
            total=_number(total), date=date, size_source=_STATS, date_source=_STATS
        )
    path = raw / "languagebench/models_2026-06-10.json"
    for entry in json.loads(path.read_text("utf-8")):
        made = entry["creation_date"]
        facts["languagebench", entry["id"]] = Fact(
            total=entry["size"],
            date="" if made is None else pd.Timestamp(made, unit="ms").date().isoformat(),
            size_source=_BENCH,
            date_source=_REPOSITORY if entry["type"] == "open-source" else _BENCH,
        )
    return facts


def read_map(name: str) -> list[dict[str, str]]:
    """Read one table of ``maps/`` as records of text, ``""`` for an empty cell."""
    records = pd.read_csv(MAPS / name, dtype=str).fillna("").to_dict("records")
    return [{str(key): str(value) for key, value in row.items()} for row in records]


def dated(facts: Facts, table: str, key: str, relation: str = "") -> Fact:
    """Return the row that dates a model, or an empty `Fact` where no table is named.

    Parameters
    ----------
    facts : dict
        From `read_facts`.
    table, key : str
        Where the date stands; table ``name`` reads it out of the key itself.
    relation : str
        What the model of that row is to the model in question when it is not the same one, such
        as "same release"; it is added to the source.
    """
    if not table:
        return Fact()
    if table == "name":
        found = re.search(r"20\d\d-\d\d-\d\d", key)
        if found is None:
            raise ValueError(f"no date in the name {key!r}")
        return Fact(date=found.group(), date_source="the version's own name")
    fact = facts[table, key]
    if not fact.date:
        raise ValueError(f"no date in the table {table} for {key!r}")
    if relation:
        fact = replace(fact, date_source=f"{fact.date_source}; {relation} as {key}")
    return fact


def active_part(
    facts: Facts, table: str, key: str, total: float | None
) -> tuple[float | None, str]:
    """Return how many parameters are active at once, and the source, or None and ``""``.

    Parameters
    ----------
    facts : dict
        From `read_facts`.
    table, key : str
        Where the number stands. Table ``dense`` says that the report named by the key describes a
        dense model, all of whose parameters are active; table ``name`` reads a key such as A3B.
        Another model's row may be named if both have the same architecture and size; if that row
        says that all parameters are active, the answer is `total`.
    total : float or None
        Number of all parameters.
    """
    if not table:
        return None, ""
    if table == "dense":
        return total, f"all (dense by {key})"
    if table == "name":
        return float(key.removeprefix("A").removesuffix("B")) * 1e9, f"{key} in the model's name"
    fact = facts[table, key]
    return (total if fact.active == fact.total else fact.active), fact.active_source


def sizes(
    total: float | None, total_source: str, active: float | None, active_source: str
) -> dict[str, str]:
    """Return the columns ``params_total, params_active, size_source`` of a table of models."""
    source = total_source if total is not None else "undisclosed"
    return {
        "params_total": whole(total),
        "params_active": whole(active),
        "size_source": f"{source}; active: {active_source}" if active is not None else source,
    }


def whole(value: float | None) -> str:
    """Write a number of parameters in full, ``""`` if it is unknown."""
    return "" if value is None or pd.isna(value) else f"{float(value):.0f}"


def _number(cell: str) -> float | None:
    return float(cell) if cell else None
