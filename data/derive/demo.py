"""The study that comes with the package: twelve models of ``data/gsm_symbolic``, four languages.

``python -m data.derive.demo`` writes ``hatstats/study/demo``; ``study.toml`` there is written by
hand. The same input gives the same bytes.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd

from data.derive.folder import write_csv
from hatstats.study.read import read_study

HERE = Path(__file__).resolve().parents[1] / "gsm_symbolic"
OUT = Path(__file__).resolve().parents[2] / "hatstats" / "study" / "demo"
LANGUAGES = ("en", "de", "is", "zh")
MODELS = (
    "Gemma-3-1B", "Gemma-3-4B", "Gemma-3-12B", "Gemma-3-27B", "OLMo-2-7B", "OLMo-2-13B",
    "OLMo-2-32B", "Qwen2.5-1.5B", "Qwen2.5-7B", "Qwen2.5-32B", "Granite-3.2-2B (reasoning off)",
    "Granite-3.2-8B (reasoning off)",
)  # fmt: skip


def derive(study: Path, out: Path) -> None:
    """Write the tables of the extract of `study` to the folder `out`."""
    full = read_study(study)
    counts = full.counts[
        full.counts["model"].isin(MODELS) & full.counts["language"].isin(LANGUAGES)
    ]
    columns = ["model", "benchmark", "language", "item", "n_correct", "n_trials"]
    out.mkdir(parents=True, exist_ok=True)
    write_csv(counts[columns], out / "counts.csv")
    for name, column, kept in (("models", "model", MODELS), ("languages", "language", LANGUAGES)):
        table = pd.read_csv(study / f"{name}.csv", dtype=str, keep_default_na=False)
        write_csv(table[table[column].isin(kept)], out / f"{name}.csv")
    for name in ("benchmarks.csv", "LICENCE"):
        shutil.copyfile(study / name, out / name)


if __name__ == "__main__":
    derive(HERE, OUT)
