"""TruthfulQA in five languages: fifteen models, item by item, one trial each."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from data.derive.facts import read_facts, read_map, sizes

RAW = "truthfulqa_multi/truthfulqa_multi_gen_itemlevel.csv.gz"
BENCHMARK = "truthfulqa_multi"
#: Nobody knows how often an answer about nothing counts as right, so no floor is taken off.
CHANCE = 0.0


def read_answers(raw: Path) -> pd.DataFrame:
    """Read one row per language, model and item: ``lang, model, item, bleu_acc, ..., bleu_diff``.

    Parameters
    ----------
    raw : Path
        Folder of the raw tables.

    Returns
    -------
    DataFrame
        `bleu_acc` is 1 where the answer is nearer, by BLEU, to the nearest true reference than to
        the nearest false one, and 0 otherwise; `bleu_diff` is the difference, `bleu_max` the
        nearness to the true one, both times 100.
    """
    return pd.read_csv(raw / RAW)


def counts(answers: pd.DataFrame) -> pd.DataFrame:
    """Bring answers to counts of one trial each.

    Parameters
    ----------
    answers : DataFrame
        ``model, lang, item, bleu_acc`` with `bleu_acc` 0 or 1 and no answer twice.

    Returns
    -------
    DataFrame
        ``model, benchmark, language, item, n_correct, n_trials``; models in the order of
        ``maps/truthfulqa_multi.csv`` under their short names, English first.
    """
    if answers.duplicated(["model", "lang", "item"]).any():
        raise ValueError("an answer stands twice")
    if not answers["bleu_acc"].isin([0, 1]).all():
        raise ValueError("an answer is neither right nor wrong")
    order = {row["model"]: i for i, row in enumerate(read_map("truthfulqa_multi.csv"))}
    strange = sorted(set(answers["model"]) - set(order))
    if strange:
        raise ValueError(f"maps/truthfulqa_multi.csv lacks {', '.join(strange)}")
    keys = pd.DataFrame(
        {
            "model": answers["model"].map(order),
            "language": answers["lang"].where(answers["lang"] != "en", ""),
            "item": answers["item"],
        }
    )
    rows = answers.loc[keys.sort_values(["model", "language", "item"]).index]
    return pd.DataFrame(
        {
            "model": rows["model"].map(short_name),
            "benchmark": BENCHMARK,
            "language": rows["lang"],
            "item": [f"q{item:03d}" for item in rows["item"]],
            "n_correct": rows["bleu_acc"],
            "n_trials": 1,
        }
    ).reset_index(drop=True)


def models(raw: Path) -> pd.DataFrame:
    """Return the table of models, sizes and dates with their sources; unknown stays empty."""
    facts = read_facts(raw)
    rows = []
    for row in read_map("truthfulqa_multi.csv"):
        fact = facts["facts", row["fact"]]
        size = sizes(fact.total, fact.size_source, fact.active, fact.active_source)
        rows.append(
            {
                "model": short_name(row["model"]),
                "family": row["family"],
                "release_date": fact.date,
                "params_total": size["params_total"],
                "params_active": size["params_active"],
                "variant": row["variant"],
                "entry": row["model"],
                "size_source": size["size_source"],
                "date_source": fact.date_source or "unknown",
            }
        )
    return pd.DataFrame(rows)


def short_name(entry: str) -> str:
    """Name of a model without its maker."""
    return entry.rpartition("/")[2]


def mean_table(counts: pd.DataFrame) -> str:
    """Write the share of right answers per model and language as a Markdown table."""
    shares = counts.groupby(["model", "language"], sort=False)["n_correct"].mean().unstack()
    lines = [["model", *shares.columns], ["---", *["---:"] * len(shares.columns)]]
    for name, row in shares.iterrows():
        lines.append([str(name), *("" if pd.isna(p) else f"{p:.3f}" for p in row)])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def noise_numbers(answers: pd.DataFrame) -> dict[str, str]:
    """Count what makes the outcome noisy: ties, and rows whose best language is not English.

    Parameters
    ----------
    answers : DataFrame
        From `read_answers`.

    Returns
    -------
    dict
        Numbers for the text of the folder.
    """
    ties = answers["bleu_diff"] == 0.0
    tied = ties.groupby(answers["lang"]).mean()
    shares = answers.groupby(["model", "lang"])["bleu_acc"].mean().unstack()
    others = shares.drop(columns="en")
    return {
        "ties": f"{ties.sum():,}",
        "rows": f"{len(answers):,}",
        "least_ties": f"{100 * tied.min():.0f}",
        "most_ties": f"{100 * tied.max():.0f}",
        "most_ties_in": str(tied.idxmax()),
        "english_best": str(int((shares.idxmax(axis=1) == "en").sum())),
        "english_beaten": str(int(others.gt(shares["en"], axis=0).sum().sum())),
        "target_cells": str(int(others.notna().sum().sum())),
    }
