"""The two studies on the HellaSwag family: the paper's twenty models, and all complete entries."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from data.derive.facts import active_part, dated, read_facts, read_map, sizes

#: EuroEval counts the parameters in a model's weight files.
COUNTED = "EuroEval 1a77f1d2 (weight files)"


def twenty_entries() -> dict[str, str]:
    """Return the model's name for each entry that stands in the study of twenty models."""
    return {row["entry"]: row["model"] for row in read_map("euroeval_twenty.csv")}


def twenty_models(raw: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the table of the twenty models, in the paper's order.

    Parameters
    ----------
    raw : Path
        Folder of the raw tables.
    rows : DataFrame
        The family's rows, from `euroeval_rows.read_rows`.
    """
    facts = read_facts(raw)
    about = _about_entries(rows)
    done = []
    for row in read_map("euroeval_twenty.csv"):
        fact = facts["facts", row["fact"]]
        size = sizes(fact.total, fact.size_source, fact.active, fact.active_source)
        done.append(
            {
                "model": row["model"],
                "family": row["family"],
                "release_date": fact.date,
                "params_total": size["params_total"],
                "params_active": size["params_active"],
                "entry": row["entry"],
                "thinking": row["thinking"],
                **about[row["entry"]],
                "stand_in_for": row["stand_in_for"],
                "size_source": size["size_source"],
                "date_source": fact.date_source,
            }
        )
    return pd.DataFrame(done)


def all_models(raw: Path, rows: pd.DataFrame, entries: list[str]) -> pd.DataFrame:
    """Return the table of all complete entries, in alphabetical order.

    Parameters
    ----------
    raw : Path
        Folder of the raw tables.
    rows : DataFrame
        The family's rows, from `euroeval_rows.read_rows`.
    entries : list of str
        The complete entries; each must stand in ``maps/euroeval_all.csv``, and no other may.
    """
    facts = read_facts(raw)
    about = _about_entries(rows)
    counted = rows.drop_duplicates("entry").set_index("entry")["params"]
    parameters = {str(entry): None if n != n else float(n) for entry, n in counted.items()}
    table = {row["entry"]: row for row in read_map("euroeval_all.csv")}
    if set(table) != set(entries):
        odd = sorted(set(table).symmetric_difference(entries))
        raise ValueError(f"maps/euroeval_all.csv and the complete entries differ in {odd}")
    done = []
    for entry in sorted(table):
        row = table[entry]
        total = parameters[entry]
        active = active_part(facts, row["active_table"], row["active_key"], total)
        size = sizes(total, COUNTED, *active)
        date = dated(facts, row["date_table"], row["date_key"], row["date_relation"])
        done.append(
            {
                "model": entry,
                "family": row["family"],
                "release_date": date.date,
                "params_total": size["params_total"],
                "params_active": size["params_active"],
                **about[entry],
                "size_source": size["size_source"],
                "date_source": date.date_source or "unknown",
            }
        )
    return pd.DataFrame(done)


def _about_entries(rows: pd.DataFrame) -> dict[str, dict[str, object]]:
    """Return what is the same in all rows of an entry: ``type, split, shots``."""
    first = rows.drop_duplicates("entry")
    about: dict[str, dict[str, object]] = {}
    for entry, kind, split, shots in zip(
        first["entry"], first["type"], first["split"], first["shots"], strict=True
    ):
        about[entry] = {"type": kind, "split": split, "shots": shots}
    return about
