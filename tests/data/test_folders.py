"""The committed study folders: readable, complete, with sources, and true to what was published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hatstats.study import Study
from hatstats.study.read import read_study

DATA = Path(__file__).resolve().parents[2] / "data"
FOLDERS = ("euroeval", "euroeval_all", "mmlu_prox", "winogrande_african", "self_translate")
THINKING_OFF = "Gemini-2.5-Flash (thinking off)"


@pytest.fixture(scope="module")
def studies() -> dict[str, Study]:
    return {name: read_study(DATA / name) for name in FOLDERS}


def accuracy(study: Study, model: str, language: str) -> float:
    rows = study.counts[
        ((study.counts["model"] == model) & (study.counts["language"] == language)).to_numpy()
    ]
    assert len(rows)
    return float(rows["n_correct"].sum() / rows["n_trials"].sum())


@pytest.mark.parametrize(
    ("name", "level", "models", "languages", "rows", "flagged", "claims"),
    [
        ("euroeval", "aggregate", 20, 11, 219, 2, 5),
        ("euroeval_all", "aggregate", 188, 11, 2068, 37, 5),
        ("mmlu_prox", "aggregate", 13, 29, 297, 0, 5),
        ("winogrande_african", "item", 3, 12, 63_612, 0, 0),
        ("self_translate", "aggregate", 34, 21, 1_122, 0, 5),
    ],
)
def test_shapes_against_source(
    studies: dict[str, Study],
    name: str,
    level: str,
    models: int,
    languages: int,
    rows: int,
    flagged: int,
    claims: int,
) -> None:
    study = studies[name]
    assert study.name == name
    assert study.data_kind == level
    assert len(study.models) == models
    assert len(study.languages) == languages
    assert len(study.counts) == rows
    assert len(study.flagged) == flagged
    assert len(study.claims) == claims
    assert not study.info.synthetic
    assert set(study.benchmarks["source_language"]) == {"en"}


@pytest.mark.parametrize("name", FOLDERS)
def test_every_folder_says_where_it_comes_from(studies: dict[str, Study], name: str) -> None:
    info = studies[name].info
    assert all((info.title, info.source, info.licence, info.citation, info.notes))
    assert "commit" in info.source
    licence = (DATA / name / "LICENCE").read_text("utf-8")
    assert "Permission is hereby granted" in licence or "creativecommons.org/licenses" in licence
    readme = (DATA / name / "README.md").read_text("utf-8")
    for word in ("**Source**", "**Licence**", "**Citation**", "lagged"):
        assert word in readme
    assert "$" not in readme, "a number was not filled in"


@pytest.mark.parametrize("name", FOLDERS)
def test_models_have_families_and_sources(studies: dict[str, Study], name: str) -> None:
    models = studies[name].models
    assert (models["family"] != "").all()
    sized = models["params_total"].notna()
    assert (models.loc[sized, "size_source"] != "undisclosed").all()
    assert (models.loc[~sized, "params_active"].isna()).all()
    dated = models["release_date"].notna()
    assert dated.sum() >= min(len(models), 90)
    assert models.loc[dated, "date_source"].notna().all()
    assert (models.loc[dated, "date_source"] != "unknown").all()
    first = "2021-12-01" if name == "self_translate" else "2023-01-01"
    assert models.loc[dated, "release_date"].between(first, "2026-04-20").all()


@pytest.mark.parametrize(
    ("model", "benchmark", "language", "right", "items"),
    [
        ("bloom-1b1", "paws_x", "es", 1030, 2000),
        ("bloom-1b1", "paws_x", "en", 1049, 2000),
    ],
)
def test_self_translate_counts_against_source(
    studies: dict[str, Study], model: str, benchmark: str, language: str, right: int, items: int
) -> None:
    rows = studies["self_translate"].counts
    chosen = rows.query("model == @model and benchmark == @benchmark and language == @language")
    assert chosen[["n_correct", "n_trials"]].to_numpy().tolist() == [[right, items]]
    models = studies["self_translate"].models
    assert models["params_total"].min() == 559e6
    assert models["params_total"].max() == 65.2e9
    assert models["family"].nunique() == 9


def test_total_size_of_the_data_is_small() -> None:
    size = sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file())
    assert size < 3_000_000


@pytest.mark.parametrize(
    ("model", "language", "percent"),
    [
        ("Gemini-2.5-Flash", "en", 84.02),
        (THINKING_OFF, "cs", 19.14),
        (THINKING_OFF, "es", 25.59),
        ("Gemini-3-Pro", "pt", 99.06),
        ("Gemma-3-1B", "en", 28.11),
        ("Gemma-4-E2B", "cs", 37.27),
        ("Claude-Sonnet-4.5", "en", 96.91),
        ("Claude-Haiku-4.5", "fi", 75.51),
        ("Qwen3-30B-A3B", "en", 84.78),
        ("GPT-OSS-20B", "fi", 55.27),
        ("GLM-4.5-Air", "sv", 69.63),
    ],
)
def test_euroeval_accuracies_against_source(
    studies: dict[str, Study], model: str, language: str, percent: float
) -> None:
    assert accuracy(studies["euroeval"], model, language) == pytest.approx(percent / 100, rel=1e-5)


@pytest.mark.parametrize(
    ("model", "language", "percent"),
    [
        ("Qwen3-235B-Think", "en", 80.7),
        ("o4-mini", "ru", 62.0),
        ("Qwen3-32B-Think", "yo", 18.8),
        ("Qwen3-14B-Think", "hu", 69.8),
        ("Qwen2.5-72B", "en", 70.3),
        ("Phi4-14B", "sw", 37.9),
    ],
)
def test_mmlu_prox_accuracies_against_source(
    studies: dict[str, Study], model: str, language: str, percent: float
) -> None:
    study = studies["mmlu_prox"]
    assert accuracy(study, model, language) == pytest.approx(percent / 100, rel=1e-5)
    assert (study.counts["n_trials"] == 11_829).all()
    assert study.benchmarks["chance"].tolist() == [0.1]


@pytest.mark.parametrize(
    ("model", "language", "right"),
    [("gpt-4o", "en", 4450), ("gpt-4", "am", 2710), ("gpt-3.5", "zu", 2646)],
)
def test_winogrande_counts_against_source(
    studies: dict[str, Study], model: str, language: str, right: int
) -> None:
    share = accuracy(studies["winogrande_african"], model, language)
    assert round(share * 1767 * 3) == right
    assert share * 1767 * 3 == pytest.approx(right, abs=1e-6)


def test_winogrande_items_are_complete_and_clustered_by_twin(studies: dict[str, Study]) -> None:
    study = studies["winogrande_african"]
    counts = study.counts
    assert (counts["n_trials"] == 3).all()
    assert counts["item"].nunique() == 1767
    assert (counts.groupby(["model", "language"])["item"].nunique() == 1767).all()
    assert counts["cluster"].nunique() == 1380
    assert (counts["item"].str.replace(r"-[12]$", "", regex=True) == counts["cluster"]).all()
    first = counts[(counts["item"] == "302OLP89DZ5MCAWZNC1Z2EMR54LACJ-1").to_numpy()]
    gpt4o = first[((first["model"] == "gpt-4o") & (first["language"] == "en")).to_numpy()]
    assert gpt4o["n_correct"].tolist() == [3.0]
    assert study.benchmarks["chance"].tolist() == [0.5]


def test_twenty_models_and_their_stand_ins(studies: dict[str, Study]) -> None:
    models = studies["euroeval"].models.set_index("model")
    stand_ins = models["stand_in_for"].dropna().to_dict()
    assert stand_ins == {
        "Gemini-3-Pro": "Gemini-3-Flash (low)",
        "Claude-Sonnet-4.5": "Claude-Opus-4.7",
        "GLM-4.5-Air": "GPT-OSS-120B",
    }
    families = models["family"].value_counts().to_dict()
    assert families == {
        "Gemma": 8, "Gemini": 5, "Claude": 3, "Qwen": 2, "GPT-OSS": 1, "GLM": 1,
    }  # fmt: skip
    assert models["release_date"].notna().all()
    open_weights = models["family"].isin(["Gemma", "Qwen", "GPT-OSS", "GLM"])
    assert models.loc[open_weights, "params_total"].notna().all()
    assert models.loc[~open_weights, "params_total"].isna().all()
    assert models.loc["Gemma-4-E2B", "params_active"] == 2.3e9
    assert models.loc["Gemma-3-4B", "params_total"] == 4_300_079_472


def test_only_the_stand_in_without_czech_lacks_a_cell(studies: dict[str, Study]) -> None:
    table = studies["euroeval"].counts.pivot(index="model", columns="language", values="n_trials")
    model, language = np.nonzero(table.isna().to_numpy())
    assert table.index[model].tolist() == ["GLM-4.5-Air"]
    assert table.columns[language].tolist() == ["cs"]


@pytest.mark.parametrize("name", ["euroeval", "euroeval_all"])
def test_flags_carry_evidence_and_cells_stay(studies: dict[str, Study], name: str) -> None:
    study = studies[name]
    flagged = study.flagged
    assert set(flagged["flag"]) <= {"extraction-failure", "constant-answer"}
    assert (flagged["evidence"].str.len() > 40).all()
    assert flagged["evidence"].str.endswith(".").all()
    failures = flagged[(flagged["flag"] == "extraction-failure").to_numpy()]
    share = failures["n_correct"] / failures["n_trials"]
    assert (share < 0.28).all(), "a failed extraction lies at or under chance"
    mine = failures["model"].str.contains("no-thinking|thinking off") & failures[
        "model"
    ].str.contains("lash#|Flash ")
    assert sorted(failures.loc[mine, "language"]) == ["cs", "es"]
    unflagged = study.counts.loc[(study.counts["flag"] == "").to_numpy(), "evidence"]
    assert (unflagged == "").all()
    assert len(study.without_flagged().counts) == len(study.counts) - len(flagged)


@pytest.mark.parametrize("name", ["euroeval", "euroeval_all"])
def test_provenance_explains_every_count(studies: dict[str, Study], name: str) -> None:
    study = studies[name]
    cells = pd.read_csv(DATA / name / "provenance.csv")
    joined = study.counts.merge(cells, on=["model", "language"], suffixes=("", "_published"))
    assert len(joined) == len(study.counts) == len(cells)
    share = joined["accuracy_percent"] / 100
    np.testing.assert_allclose(joined["n_correct"] / joined["n_trials"], share, rtol=2e-5)
    half = joined["halfwidth_percent"] / 100
    variance = share * (1 - share) / joined["n_items"] + (half / 1.96) ** 2
    np.testing.assert_allclose(joined["n_trials"], share * (1 - share) / variance, rtol=2e-5)
    assert (joined["n_trials"] < joined["n_items"]).all()
    split = study.models.set_index("model")["split"]
    named_val = joined["model"].map(split) == "val"
    assert (named_val == (joined["n_items"] == 256)).all()
    assert (named_val != (joined["n_items"] == 2048)).all()


@pytest.mark.parametrize("name", ["euroeval", "euroeval_all"])
def test_validation_rows_lie_on_their_grid(name: str) -> None:
    splits = pd.read_csv(DATA / name / "splits.csv")
    val = splits[splits["split"] == "val"]
    test = splits[splits["split"] == "test"]
    assert len(val) >= 12
    assert (val["cells_on_val_grid"] == val["cells"]).all()
    share = test["cells_on_val_grid"].sum() / test["cells"].sum()
    assert 0.1 < share < 0.4
    assert (test["cells_on_val_grid"] < test["cells"]).all()


def test_all_entries_include_the_complete_ones_of_the_twenty(studies: dict[str, Study]) -> None:
    everyone = set(studies["euroeval_all"].model_names)
    twenty = studies["euroeval"].models.set_index("model")["entry"]
    assert set(twenty) - everyone == {"zai-org/GLM-4.5-Air#thinking"}
    table = studies["euroeval_all"].counts.pivot(
        index="model", columns="language", values="n_trials"
    )
    assert table.notna().all(axis=None)
    assert studies["euroeval_all"].models["params_total"].notna().sum() == 156
    assert studies["euroeval_all"].models["family"].nunique() >= 35
