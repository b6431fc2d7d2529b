"""MMLU-ProX: accuracies of 13 models in up to 29 languages, from the benchmark's own site."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from data.derive.facts import active_part, read_facts, read_map, sizes

#: The current table of the site and the one of an older commit, which has five further models.
RAW = ("mmlu_prox/mmlu_prox_HEAD_t0.csv", "mmlu_prox/mmlu_prox_a6d272f0_t0.csv")
ITEMS = 11_829
#: Options are up to ten, so that guessing gives about a tenth.
CHANCE = 0.1


def read_accuracies(raw: Path) -> pd.DataFrame:
    """Read both tables.

    Parameters
    ----------
    raw : Path
        Folder of the raw tables.

    Returns
    -------
    DataFrame (one row per model and language)
        ``model, language, accuracy_percent``; languages in lower case, English first.
    """
    return pd.concat([tidy_accuracies(pd.read_csv(raw / name)) for name in RAW], ignore_index=True)


def tidy_accuracies(table: pd.DataFrame) -> pd.DataFrame:
    """Bring one table, a column per language, to the columns that `read_accuracies` documents."""
    name, mean, *languages = table.columns
    if mean not in ("Avg", "Overall"):
        raise ValueError(f"the second column is {mean!r}, not the mean over languages")
    long = table.drop(columns=mean).melt(name, var_name="language", value_name="accuracy_percent")
    place = {code: i for i, code in enumerate(languages)}
    order = {model: i for i, model in enumerate(table[name])}
    long = long.sort_values(
        [name, "language"], key=lambda c: c.map(order if c.name == name else place)
    )
    return pd.DataFrame(
        {
            "model": long[name],
            "language": long["language"].str.lower(),
            "accuracy_percent": long["accuracy_percent"].astype(float),
        }
    ).reset_index(drop=True)


def counts(accuracies: pd.DataFrame) -> pd.DataFrame:
    """Turn accuracies into aggregate counts of one run over all items."""
    return pd.DataFrame(
        {
            "model": accuracies["model"],
            "benchmark": "mmlu_prox",
            "language": accuracies["language"],
            "item": "",
            "n_correct": accuracies["accuracy_percent"] / 100 * ITEMS,
            "n_trials": float(ITEMS),
        }
    )


def models(raw: Path, names: list[str]) -> pd.DataFrame:
    """Return the table of models in the order of `names`, sizes and dates with their sources."""
    facts = read_facts(raw)
    table = read_map("mmlu_prox.csv")
    if [row["model"] for row in table] != names:
        raise ValueError("maps/mmlu_prox.csv does not list the models of the tables in order")
    rows = []
    for row in table:
        fact = facts[row["table"], row["key"]]
        active, active_source = fact.active, fact.active_source
        if row["dense_by"]:
            active, active_source = active_part(facts, "dense", row["dense_by"], fact.total)
        size = sizes(fact.total, fact.size_source, active, active_source)
        rows.append(
            {
                "model": row["model"],
                "family": row["family"],
                "release_date": fact.date,
                "params_total": size["params_total"],
                "params_active": size["params_active"],
                "thinking": row["thinking"],
                "site_commit": row["site_commit"],
                "size_source": size["size_source"],
                "date_source": fact.date_source,
            }
        )
    return pd.DataFrame(rows)
