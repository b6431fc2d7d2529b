"""The table of models: names are matched tolerantly, sources kept, nothing overwritten."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hatstats
from data.derive.known_models import known_models as derive
from hatstats.study import Study
from hatstats.study import model_metadata as metadata
from hatstats.study.model_metadata import known_models, look_up, write_models

ROOT = Path(__file__).parents[2]
#: As the paper writes them.
PAPER = (
    "Gemini-2.5-Flash", "Gemini-2.5-Flash (thinking off)", "Gemini-3-Flash", "Gemini-3-Flash (low)",
    "Gemini-3-Flash (minimal)", "Gemma-3 1B", "Gemma-3 4B", "Gemma-3 12B", "Gemma-3 27B",
    "Gemma-4 E2B-IT", "Gemma-4 E4B-IT", "Gemma-4 26B-A4B-IT", "Gemma-4 31B-IT",
    "Claude Haiku 4.5", "Claude Sonnet 4.6", "Claude Opus 4.7", "Qwen-3 4B", "Qwen-3 30B-A3B",
    "GPT-OSS 20B", "GPT-OSS 120B",
)  # fmt: skip


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_twenty_are_known(name: str) -> None:
    facts, how = look_up(name)
    assert facts, how
    assert facts["family"]
    assert facts["release_date"]
    assert facts["date_source"]
    closed = name.startswith(("Gemini", "Claude"))
    assert (facts["params_total"] == "") == closed
    assert (facts["size_source"] == "") == closed


@pytest.mark.slow
def test_every_model_of_every_study_is_known_with_the_same_facts() -> None:
    folders = sorted((ROOT / "data").glob("*/models.csv"))
    assert len(folders) >= 5
    for path in folders:
        study = hatstats.read_study(path.parent)
        for row in study.models.to_dict("records"):
            facts, how = look_up(str(row["model"]))
            assert facts, (row["model"], how)
            if not pd.isna(row["params_total"]):
                # One study takes a vendor's count, another that of the weight files: within 6 %.
                assert float(facts["params_total"]) == pytest.approx(row["params_total"], rel=0.06)
            if not pd.isna(row["release_date"]):
                assert facts["release_date"] == str(row["release_date"].date()), row["model"]


@pytest.mark.parametrize(
    ("name", "size", "date"),
    [
        ("google/gemma-3-27b-it", "27432406640", "2025-03-12"),
        ("Qwen/Qwen3-4B#no-thinking", "4022468096", "2025-04-29"),
        ("qwen3_4b", "4022468096", "2025-04-29"),
        ("claude-haiku-4-5-20251001", "", "2025-10-15"),
        ("openai/gpt-oss-120b", "116800000000", "2025-08-05"),
        ("gpt-4o-2024-11-20", "", "2024-11-20"),
        ("gpt-4o", "", "2024-05-13"),
        ("deepseek-r1-0528", "671000000000", "2025-05-28"),
    ],
)
def test_names_are_matched_tolerantly(name: str, size: str, date: str) -> None:
    facts, how = look_up(name)
    assert (facts.get("params_total", ""), facts.get("release_date", "")) == (size, date), how


@pytest.mark.parametrize("name", ["my-model-7b", "gemma-9-27b", "qwen", "7b", "llama"])
def test_what_is_not_in_the_table_is_not_guessed(name: str) -> None:
    assert look_up(name)[0] == {}


def test_a_name_of_several_models_that_differ_is_not_filled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = {"family": "F", "release_date": "", "params_active": "", "size_source": "s",
           "date_source": ""}  # fmt: skip
    two = ({**row, "name": "x/f-7b", "params_total": "7"}, {**row, "name": "y/f-7b",
           "params_total": "8"})  # fmt: skip
    monkeypatch.setattr(metadata, "known_models", lambda: two)
    metadata._index.cache_clear()
    try:
        facts, how = look_up("f_7b")
    finally:
        metadata._index.cache_clear()
    assert facts == {}
    assert how == "fits several models that differ: x/f-7b, y/f-7b"


def test_known_values_are_plausible_and_sourced() -> None:
    rows = known_models()
    assert len(rows) > 400
    names = [row["name"] for row in rows]
    assert len(set(names)) == len(names)
    for row in rows:
        if row["params_total"]:
            assert 1e6 < float(row["params_total"]) < 1e13, row["name"]
            assert row["size_source"], row["name"]
        if row["params_active"]:
            assert float(row["params_active"]) <= float(row["params_total"]), row["name"]
        if row["release_date"]:
            assert pd.Timestamp("2018-01-01") < pd.Timestamp(row["release_date"])
            assert row["date_source"], row["name"]


def small(models: pd.DataFrame) -> Study:
    names = models["model"].tolist()
    counts = pd.DataFrame(
        [(name, "quiz", lang, 5.0, 10.0) for name in names for lang in ("en", "de")],
        columns=["model", "benchmark", "language", "n_correct", "n_trials"],
    )
    benchmarks = pd.DataFrame({"benchmark": ["quiz"], "source_language": ["en"], "chance": [0.0]})
    return Study(counts=counts, models=models, benchmarks=benchmarks)


def test_empty_cells_are_filled_and_others_stay() -> None:
    models = pd.DataFrame(
        {
            "model": ["gemma-3-4b-it", "GPT-OSS 20B", "mine"],
            "family": ["Own family", "", ""],
            "params_total": [np.nan, 1e9, np.nan],
            "note": ["x", "y", "z"],
        }
    )
    study = small(models)
    filled = hatstats.fill_models(study)
    done = filled.study.models
    assert done["family"].tolist() == ["Own family", "GPT-OSS", ""]
    np.testing.assert_array_equal(done["params_total"], [4300079472.0, 1e9, np.nan])
    assert done["params_active"].iloc[0] == 4300079472.0
    assert done["note"].tolist() == ["x", "y", "z"]
    assert filled.matches["known_as"].tolist()[2] == ""
    assert "mine: not in the table" in filled.summary()
    assert max(map(len, filled.summary().splitlines())) <= 80
    assert study.models["family"].tolist() == [
        "Own family",
        "",
        "",
    ]  # the study itself is as it was


def test_active_parameters_are_never_more_than_a_study_says_in_all() -> None:
    models = pd.DataFrame({"model": ["GPT-OSS 20B"], "params_total": [1e9]})
    done = hatstats.fill_models(small(models)).study.models
    assert not done["params_active"].iloc[0] > done["params_total"].iloc[0]


def test_filling_a_folder_changes_models_alone_and_loses_no_row(tmp_path: Path) -> None:
    models = pd.DataFrame({"model": ["gemma-3-4b-it"], "note": ["kept"]})
    small(models).write(tmp_path)
    with (tmp_path / "models.csv").open("a") as file:
        file.write("gemma-3-27b-it,,,,,no counts\n")
    counts = (tmp_path / "counts.csv").read_bytes()
    filled = hatstats.fill_models(hatstats.read_study(tmp_path))
    write_models(tmp_path, filled.study.models)
    text = (tmp_path / "models.csv").read_text().splitlines()
    assert len(text) == 3
    assert "no counts" in text[2]
    again = hatstats.read_study(tmp_path)
    assert again.models["params_total"].tolist() == [4300079472.0]
    assert again.models["note"].tolist() == ["kept"]
    assert (tmp_path / "counts.csv").read_bytes() == counts


def test_the_script_joins_studies_facts_and_tables_and_drops_known_faults(tmp_path: Path) -> None:
    (tmp_path / "llm_stats").mkdir()
    (tmp_path / "metadata").mkdir()
    pd.DataFrame(
        [("x", "gemini-9-flash", "2027-01-01", ""), ("nvidia", "nemotron-nano-9b-v2",
         "2025-08-18", "88900000000.0"), ("openai", "gpt-3.5-turbo-0125", "2023-03-21", "")],
        columns=["org", "model", "release_date", "param_count"],
    ).to_csv(tmp_path / "llm_stats" / "llm_stats_models_2025-10-16.csv", index=False)  # fmt: skip
    pd.DataFrame(
        [("Claude-Opus-4.7", "", "", "2026-04-16", "models.dev", "undisclosed")],
        columns=["model", "params_total", "params_active_or_effective", "release_date",
                 "date_source", "params_source"],
    ).to_csv(tmp_path / "metadata" / "paper_models.csv", index=False)  # fmt: skip
    table = derive(tmp_path).set_index("name")
    assert table["family"]["gemini-9-flash"] == "Gemini"
    assert table["params_total"]["nemotron-nano-9b-v2"] == ""
    assert table["release_date"]["gpt-3.5-turbo-0125"] == ""
    assert table["size_source"]["Claude-Opus-4.7"] == ""
    stored = {row["name"]: row for row in known_models()}
    ours = table[~table["date_source"].str.contains("CC BY 4.0")].drop(index="Claude-Opus-4.7")
    assert len(ours) > 200
    for name, row in ours.iterrows():
        assert stored[str(name)] == {"name": name, **row.to_dict()}
