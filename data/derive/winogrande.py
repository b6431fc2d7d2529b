"""WinoGrande in eleven African languages and English: three models, item by item."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from data.derive.facts import read_facts, read_map

RAW = "idm_african/winogrande_gpt_3repeats_long.csv.gz"
BENCHMARK = "winogrande"


def read_runs(raw: Path) -> pd.DataFrame:
    """Read one row per model, language, item and run: ``model, lang, item, repeat, correct``."""
    return pd.read_csv(raw / RAW)


def counts(runs: pd.DataFrame) -> pd.DataFrame:
    """Count the right runs of every model, language and item.

    Parameters
    ----------
    runs : DataFrame
        ``model, lang, item, repeat, correct`` with `correct` 0 or 1 and no run twice.

    Returns
    -------
    DataFrame
        ``model, benchmark, language, item, n_correct, n_trials``; English first.
    """
    if runs.duplicated(["model", "lang", "item", "repeat"]).any():
        raise ValueError("a run stands twice")
    if not runs["correct"].isin([0, 1]).all():
        raise ValueError("a run is neither right nor wrong")
    cells = runs.groupby(["model", "lang", "item"])["correct"].agg(["sum", "size"]).reset_index()
    table = pd.DataFrame(
        {
            "model": cells["model"],
            "benchmark": BENCHMARK,
            "language": cells["lang"],
            "item": cells["item"],
            "n_correct": cells["sum"],
            "n_trials": cells["size"],
        }
    )
    order = {row["model"]: i for i, row in enumerate(read_map("winogrande_african.csv"))}
    rank = table["model"].map(order)
    first = table["language"].where(table["language"] != "en", "")
    keys = pd.DataFrame({"model": rank, "language": first, "item": table["item"]})
    return table.loc[keys.sort_values(["model", "language", "item"]).index].reset_index(drop=True)


def items(names: list[str]) -> pd.DataFrame:
    """List the items with their cluster: WinoGrande writes twin sentences X-1 and X-2.

    Parameters
    ----------
    names : list of str
        Identifiers of the items, each ending in -1 or -2.
    """
    item = pd.Series(sorted(set(names)), dtype="str")
    stem = item.str.extract(r"^(.+)-[12]$")[0]
    if stem.isna().any():
        raise ValueError(f"no twin number at the end of {item[stem.isna()].iloc[0]!r}")
    return pd.DataFrame(
        {"benchmark": BENCHMARK, "item": item, "source_language": "en", "cluster": stem}
    )


def mean_table(counts: pd.DataFrame) -> str:
    """Write the mean accuracy of every model and language as a Markdown table."""
    sums = counts.groupby(["language", "model"], sort=False)[["n_correct", "n_trials"]].sum()
    share = (sums["n_correct"] / sums["n_trials"]).unstack()
    head = ["language", *share.columns]
    lines = [head, ["---", *["---:"] * len(share.columns)]]
    lines += [[str(name), *(f"{p:.3f}" for p in row)] for name, row in share.iterrows()]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def models(raw: Path) -> pd.DataFrame:
    """Return the table of models, dates with their sources; sizes are not disclosed."""
    facts = read_facts(raw)
    rows = []
    for row in read_map("winogrande_african.csv"):
        fact = facts[row["table"], row["key"]]
        rows.append(
            {
                "model": row["model"],
                "family": row["family"],
                "release_date": fact.date,
                "params_total": "",
                "params_active": "",
                "version": row["version"],
                "size_source": "undisclosed",
                "date_source": fact.date_source,
            }
        )
    return pd.DataFrame(rows)
