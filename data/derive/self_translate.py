"""Open models of 2021 to 2023 on XStoryCloze, XNLI and PAWS-X: exact counts of right answers."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

RAW = "self_translate/self_translate_direct_clean.csv"
MODELS = "metadata/self_translate_models.csv"
#: Benchmarks used: name here, name in the raw table, chance. MGSM lies at the floor, XCOPA has no
#: English, and the languages of XWinograd have different items.
BENCHMARKS = {
    "xstory_cloze": ("xstory_cloze", 1 / 2),
    "xnli": ("xnli", 1 / 3),
    "paws_x": ("pawsx", 1 / 2),
}
#: Family by that of the raw table; the two versions of OpenLLaMA are one family.
FAMILIES = {
    "xglm": "XGLM",
    "bloom": "BLOOM",
    "llama": "LLaMA",
    "llama-2": "Llama-2",
    "open_llama": "OpenLLaMA",
    "open_llama_v2": "OpenLLaMA",
    "redpajama": "RedPajama",
    "falcon": "Falcon",
    "xgen": "XGen",
    "polylm": "PolyLM",
}
CHECKED = ("XGLM", "BLOOM", "LLaMA", "Llama-2", "RedPajama")
SIZE_SOURCE = "paper or model card, noted from memory and not checked again; dense: all active"
DATE_SOURCE = {
    True: "paper or model card; checked against Epoch AI (2025-04)",
    False: "paper or model card, noted from memory and not checked again",
}


def read_counts(raw: Path) -> pd.DataFrame:
    """Read the rows of the benchmarks used, with the family of each model.

    Parameters
    ----------
    raw : Path
        Folder of the raw tables.

    Returns
    -------
    DataFrame
        ``model, family, benchmark, language, item, n_correct, n_trials``, smallest model first
        within a family, English first within a benchmark.
    """
    table = pd.read_csv(raw / RAW)
    exact = (table["acc"] * table["n_items"] - table["k"]).abs()
    if exact.max() > 1e-6:
        raise ValueError("a count of right answers is not its accuracy times the items")
    sizes = read_sizes(raw)
    order = {name: place for place, name in enumerate(FAMILIES.values())}
    names = {task: name for name, (task, _) in BENCHMARKS.items()}
    used = table[table["task_group"].isin(list(names))]
    rows = pd.DataFrame(
        {
            "model": used["model"],
            "family": used["family"].map(FAMILIES),
            "benchmark": used["task_group"].map(names),
            "language": used["lang"],
            "item": "",
            "n_correct": used["k"].astype(float),
            "n_trials": used["n_items"].astype(float),
        }
    )
    keys = rows.assign(
        a=rows["family"].map(order),
        b=rows["model"].map(lambda name: sizes[name][0]),
        c=rows["benchmark"].map({name: place for place, name in enumerate(BENCHMARKS)}),
        d=rows["language"] != "en",
    )
    placed = keys.sort_values(["a", "b", "model", "c", "d", "language"], kind="stable")
    return placed.drop(columns=["a", "b", "c", "d"]).reset_index(drop=True)


def read_sizes(raw: Path) -> dict[str, tuple[float, str]]:
    """Number of parameters and release date of every model; the source column holds commas."""
    with (raw / MODELS).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    return {row[0]: (float(row[1]), row[2]) for row in rows}


def models(raw: Path, counts: pd.DataFrame) -> pd.DataFrame:
    """Return the table of models, in the order of `counts`."""
    sizes = read_sizes(raw)
    named = counts[["model", "family"]].drop_duplicates()
    return pd.DataFrame(
        {
            "model": named["model"],
            "family": named["family"],
            "release_date": [sizes[name][1] for name in named["model"]],
            "params_total": [f"{sizes[name][0]:.0f}" for name in named["model"]],
            "params_active": [f"{sizes[name][0]:.0f}" for name in named["model"]],
            "tuned": [
                "chat" if any(mark in name for mark in ("chat", "inst", "alpaca")) else "base"
                for name in named["model"]
            ],
            "size_source": SIZE_SOURCE,
            "date_source": [DATE_SOURCE[family in CHECKED] for family in named["family"]],
        }
    ).reset_index(drop=True)
