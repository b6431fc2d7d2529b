"""Make the study folders of ``data/`` from the raw tables.

``python -m data.derive --raw DIR [--out DIR]``. DIR holds the raw tables; ``data/README.md`` says
which they are and where they come from. The same input gives the same bytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from data.derive import (
    euroeval,
    euroeval_rows,
    gsm_symbolic,
    mmlu_prox,
    self_translate,
    truthfulqa,
    winogrande,
)
from data.derive.evidence import split_numbers
from data.derive.flags import constant_answers, flag_cells
from data.derive.folder import (
    Tables,
    Written,
    benchmark_table,
    bullets,
    copy_licence,
    write_csv,
    write_readme,
    write_tables,
)

HERE = Path(__file__).resolve().parent.parent
NONE = "None."


def derive(raw: Path, out: Path) -> list[Written]:
    """Write every study folder.

    Parameters
    ----------
    raw : Path
        Folder of the raw tables.
    out : Path
        Where the study folders stand; ``study.toml`` is written by hand and not touched.
    """
    rows = euroeval_rows.read_rows(raw)
    everyone = euroeval_rows.complete_entries(rows)
    return [
        write_euroeval(raw, out / "euroeval", rows, euroeval.twenty_entries()),
        write_euroeval(raw, out / "euroeval_all", rows, {name: name for name in everyone}),
        write_gsm_symbolic(raw, out / "gsm_symbolic"),
        write_mmlu_prox(raw, out / "mmlu_prox"),
        write_winogrande(raw, out / "winogrande_african"),
        write_truthfulqa(raw, out / "truthfulqa_multi"),
        write_self_translate(raw, out / "self_translate"),
    ]


def write_euroeval(raw: Path, folder: Path, rows: pd.DataFrame, names: dict[str, str]) -> Written:
    """Write a study on the HellaSwag family with the entries and model names of `names`."""
    folder.mkdir(parents=True, exist_ok=True)
    twenty = folder.name == "euroeval"
    models = (
        euroeval.twenty_models(raw, rows) if twenty else euroeval.all_models(raw, rows, list(names))
    )
    order = {name: i for i, name in enumerate(models["model"])}
    kept = rows[rows["entry"].isin(list(names))]
    counts = _in_order(euroeval_rows.counts(rows, names), order)
    tables = Tables(counts, models, benchmark_table("hellaswag", 0.25))
    same = constant_answers(kept, rows)
    flagged = flag_cells(tables, same.assign(model=same["entry"].map(names)))
    written = write_tables(Tables(flagged.counts, models, tables.benchmarks), folder)
    for name, table in (
        ("provenance", euroeval_rows.provenance(kept)),
        ("splits", euroeval_rows.split_evidence(kept)),
    ):
        named = table.assign(entry=table["entry"].map(names)).rename(columns={"entry": "model"})
        write_csv(_in_order(named, order), folder / f"{name}.csv")
    copy_licence(raw / "euroeval/LICENSE", folder)
    write_readme(
        folder.name,
        folder,
        {
            **split_numbers(rows, kept, short=not twenty),
            "flags": bullets(flagged.counts[flagged.counts["flag"] != ""], none=NONE),
            "spared": bullets(flagged.spared, none=NONE),
        },
    )
    return written


def _in_order(table: pd.DataFrame, order: dict[str, int]) -> pd.DataFrame:
    """Sort by model; stable, so that each keeps English first and the others by their codes."""
    return table.sort_values("model", key=lambda c: c.map(order), kind="stable", ignore_index=True)


def write_gsm_symbolic(raw: Path, folder: Path) -> Written:
    """Write the study on Multilingual GSM-Symbolic, template by template."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = gsm_symbolic.counts(gsm_symbolic.read_cells(raw))
    models = gsm_symbolic.models(raw)
    tables = Tables(counts, models, benchmark_table(gsm_symbolic.BENCHMARK, 0.0))
    written = write_tables(tables, folder, counts="parquet")
    copy_licence(raw / "gsm_symbolic/LICENSE", folder)
    flagged = counts[counts["flag"] != ""].drop_duplicates(["model", "language"])
    unnamed = models.loc[models["date_source"] == "unknown", "model"]
    write_readme(
        folder.name,
        folder,
        {
            "configurations": str(len(models)),
            "weights": str(models["weights"].nunique()),
            "rows": f"{len(counts):,}",
            "right": f"{counts['n_correct'].sum():,}",
            "means": gsm_symbolic.mean_table(counts),
            "failing": gsm_symbolic.failing_templates(counts),
            "flags": bullets(flagged, none=NONE),
            "undated": ", ".join(unnamed),
        },
    )
    return written


def write_mmlu_prox(raw: Path, folder: Path) -> Written:
    """Write the study on MMLU-ProX."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = mmlu_prox.counts(mmlu_prox.read_accuracies(raw))
    models = mmlu_prox.models(raw, list(counts["model"].unique()))
    tables = Tables(counts, models, benchmark_table("mmlu_prox", mmlu_prox.CHANCE))
    # The odd dips of this table are small: look closer than the flag does, and report them.
    flagged = flag_cells(tables, z=1.5, drop=0.07)
    written = write_tables(Tables(flagged.counts, models, tables.benchmarks), folder)
    write_readme(
        folder.name,
        folder,
        {
            "flags": bullets(flagged.counts[flagged.counts["flag"] != ""], none=NONE),
            "spared": bullets(flagged.spared, none=NONE),
        },
    )
    return written


def write_winogrande(raw: Path, folder: Path) -> Written:
    """Write the study on WinoGrande in African languages."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = winogrande.counts(winogrande.read_runs(raw))
    models = winogrande.models(raw)
    tables = Tables(counts, models, benchmark_table(winogrande.BENCHMARK, 0.5))
    written = write_tables(tables, folder, counts="parquet")
    items = winogrande.items(list(counts["item"]))
    write_csv(items, folder / "items.csv")
    copy_licence(raw / "idm_african/LICENSE.md", folder)
    means = winogrande.mean_table(counts)
    stems = items["cluster"].nunique()
    write_readme(
        folder.name, folder, {"means": means, "items": f"{len(items):,}", "stems": f"{stems:,}"}
    )
    return written


def write_truthfulqa(raw: Path, folder: Path) -> Written:
    """Write the study on TruthfulQA, one trial per item."""
    folder.mkdir(parents=True, exist_ok=True)
    answers = truthfulqa.read_answers(raw)
    counts = truthfulqa.counts(answers)
    benchmarks = benchmark_table(truthfulqa.BENCHMARK, truthfulqa.CHANCE)
    tables = Tables(counts, truthfulqa.models(raw), benchmarks)
    written = write_tables(tables, folder, counts="parquet")
    copy_licence(raw / "truthfulqa_multi/LICENSE", folder)
    cell = ["model", "benchmark", "language"]
    sums = counts.groupby(cell, sort=False)[["n_correct", "n_trials"]].sum().reset_index()
    # No floor is known, so that nothing can be called a failed extraction: look, and report.
    looked = flag_cells(Tables(sums.assign(item=""), tables.models, benchmarks), z=2.0, drop=0.07)
    if (looked.counts["flag"] != "").any():
        raise ValueError("a cell of TruthfulQA meets the rule for flags, which its text denies")
    write_readme(
        folder.name,
        folder,
        {
            "means": truthfulqa.mean_table(counts),
            "spared": bullets(looked.spared, none=NONE),
            **truthfulqa.noise_numbers(answers),
        },
    )
    return written


def write_self_translate(raw: Path, folder: Path) -> Written:
    """Write the study of open models on three benchmarks."""
    folder.mkdir(parents=True, exist_ok=True)
    read = self_translate.read_counts(raw)
    models = self_translate.models(raw, read)
    chance = {name: value for name, (_, value) in self_translate.BENCHMARKS.items()}
    benchmarks = pd.concat(
        [benchmark_table(name, value) for name, value in chance.items()], ignore_index=True
    )
    counts = read.drop(columns="family").assign(flag="", evidence="")
    written = write_tables(Tables(counts, models, benchmarks), folder)
    share = counts["n_correct"] / counts["n_trials"]
    floor = counts["benchmark"].map(chance)
    near = share < floor + 2.0 * (floor * (1.0 - floor) / counts["n_trials"]) ** 0.5
    sizes = models["family"].value_counts(sort=False)
    families = ", ".join(f"{name} {count}" for name, count in sizes.items())
    write_readme(
        folder.name,
        folder,
        {
            "families": f"{families}.",
            "cells": str(len(counts)),
            "floor": str(int(near.sum())),
            "flags": NONE,
        },
    )
    return written


def main() -> None:
    """Read the arguments, write the folders, and say what was written."""
    parser = argparse.ArgumentParser(prog="python -m data.derive", description=__doc__)
    parser.add_argument("--raw", type=Path, required=True, help="folder of the raw tables")
    parser.add_argument("--out", type=Path, default=HERE, help="default: the folder data/")
    arguments = parser.parse_args()
    for written in derive(arguments.raw, arguments.out):
        print(written.line())


if __name__ == "__main__":
    main()
