"""The one-trial study: its derivation on small tables, and the committed folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.derive import facts, folder, truthfulqa
from hatstats.study import Study
from hatstats.study.read import read_study

FOLDER = Path(__file__).resolve().parents[2] / "data" / "truthfulqa_multi"
BASE, INSTRUCTED = "google/gemma-2-9b", "google/gemma-2-9b-it"


def answers() -> pd.DataFrame:
    rows = [
        ("eu", INSTRUCTED, 1, 0, 0.0, 0.0),
        ("eu", INSTRUCTED, 0, 1, 30.0, 4.0),
        ("en", INSTRUCTED, 0, 0, 10.0, -2.0),
        ("en", INSTRUCTED, 1, 1, 10.0, 2.0),
        ("ca", BASE, 1, 1, 10.0, 2.0),
        ("en", BASE, 1, 0, 10.0, 0.0),
    ]
    return pd.DataFrame(
        rows, columns=["lang", "model", "item", "bleu_acc", "bleu_max", "bleu_diff"]
    )


def test_counts_against_naive() -> None:
    counts = truthfulqa.counts(answers())
    assert counts[["model", "language", "item"]].to_numpy().tolist() == [
        ["gemma-2-9b", "en", "q001"],
        ["gemma-2-9b", "ca", "q001"],
        ["gemma-2-9b-it", "en", "q000"],
        ["gemma-2-9b-it", "en", "q001"],
        ["gemma-2-9b-it", "eu", "q000"],
        ["gemma-2-9b-it", "eu", "q001"],
    ]
    assert counts["n_correct"].tolist() == [0, 1, 0, 1, 1, 0]
    assert (counts["n_trials"] == 1).all()


def test_numbers_of_the_text_against_naive() -> None:
    assert truthfulqa.noise_numbers(answers()) == {
        "ties": "2", "rows": "6", "least_ties": "0", "most_ties": "50", "most_ties_in": "eu",
        "english_best": "1", "english_beaten": "1", "target_cells": "2",
    }  # fmt: skip
    assert truthfulqa.mean_table(truthfulqa.counts(answers())).splitlines() == [
        "| model | en | ca | eu |",
        "| --- | ---: | ---: | ---: |",
        "| gemma-2-9b | 0.000 | 1.000 |  |",
        "| gemma-2-9b-it | 0.500 |  | 0.500 |",
    ]


def test_bad_input() -> None:
    table = answers()
    with pytest.raises(ValueError, match="twice"):
        truthfulqa.counts(pd.concat([table, table.head(1)]))
    with pytest.raises(ValueError, match="neither"):
        truthfulqa.counts(table.assign(bleu_acc=2))
    with pytest.raises(ValueError, match="lacks gemma"):
        truthfulqa.counts(table.head(1).assign(model="gemma"))


def test_map_names_each_entry_once_and_every_fact_is_there() -> None:
    table = facts.read_map("truthfulqa_multi.csv")
    assert len(table) == len({row["model"] for row in table}) == 15
    assert len({truthfulqa.short_name(row["model"]) for row in table}) == 15
    keys = {row["key"] for row in facts.read_map("facts.csv")}
    assert {row["fact"] for row in table} <= keys
    assert {row["variant"] for row in table} == {"base", "instruct"}


def test_parquet_is_written_the_same(tmp_path: Path) -> None:
    for name in ("one", "two"):
        folder.write_parquet(truthfulqa.counts(answers()), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.fixture(scope="module")
def study() -> Study:
    return read_study(FOLDER)


def test_shape_against_source(study: Study) -> None:
    assert study.name == "truthfulqa_multi"
    assert study.data_kind == "item"
    assert not study.info.synthetic
    assert len(study.models) == 15
    assert study.languages == ["en", "ca", "es", "eu", "gl"]
    assert len(study.counts) == 60_458 == 15 * 5 * 817 - 817
    assert study.counts["item"].nunique() == 817
    assert (study.counts["n_trials"] == 1).all()
    assert study.counts["n_correct"].isin([0, 1]).all()
    assert study.counts["n_correct"].sum() == 28_590
    assert len(study.flagged) == 0
    assert study.claims == ()
    assert study.benchmarks.to_numpy().tolist() == [["truthfulqa_multi", "en", 0.0, ""]]


@pytest.mark.parametrize(
    ("model", "language", "accuracy"),
    [
        # The last two are bleu_acc of the origin's own summaries of 2024-09-19 and 2024-10-22.
        ("gemma-2-27b-it", "eu", 410 / 817),
        ("Meta-Llama-3-70B", "en", 0.3733170134638923),
        ("Mistral-7B-Instruct-v0.3", "ca", 0.6438188494492044),
    ],
)
def test_accuracies_against_source(
    study: Study, model: str, language: str, accuracy: float
) -> None:
    cell = (study.counts["model"] == model) & (study.counts["language"] == language)
    assert cell.sum() == 817
    mean = study.counts.loc[cell.to_numpy(), "n_correct"].mean()
    assert mean == pytest.approx(accuracy, abs=1e-12)


def test_only_one_model_lacks_a_language(study: Study) -> None:
    table = study.counts.pivot_table(index="model", columns="language", values="n_trials")
    model, language = np.nonzero(table.isna().to_numpy())
    assert table.index[model].tolist() == ["Mistral-7B-Instruct-v0.2"]
    assert table.columns[language].tolist() == ["eu"]


def test_models_have_sizes_families_and_sources_and_no_guessed_date(study: Study) -> None:
    models = study.models.set_index("model")
    assert models["family"].value_counts().to_dict() == {"Llama": 8, "Gemma": 4, "Mistral": 3}
    assert models["params_total"].between(7e9, 71e9).all()
    assert (models["params_active"] == models["params_total"]).all()
    assert models["size_source"].str.contains("weight files").all()
    undated = models.index[models["release_date"].isna()].tolist()
    assert undated == ["Mistral-7B-Instruct-v0.2"]
    assert ((models["date_source"] == "unknown") == models["release_date"].isna()).all()
    assert models["release_date"].dropna().between("2024-04-18", "2024-07-23").all()


def test_folder_says_what_it_is(study: Study) -> None:
    info = study.info
    assert "commit 11fe7473" in info.source
    assert "Apache-2.0" in info.licence
    assert "arXiv 2502.09387" in info.citation
    for word in ("One trial", "noisy", "English is often not the best", "chance"):
        assert word in info.notes
    assert "Apache License" in (FOLDER / "LICENCE").read_text("utf-8")
    readme = (FOLDER / "README.md").read_text("utf-8")
    for word in ("**Source**", "**Licence**", "**Citation**", "flagged", "7,023 of 60,458"):
        assert word in readme
    assert "$" not in readme, "a number was not filled in"
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 60_000
