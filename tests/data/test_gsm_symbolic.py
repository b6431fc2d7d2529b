"""Multilingual GSM-Symbolic: its derivation on small tables, and the committed folder."""

from __future__ import annotations

import os
from pathlib import Path

import langcodes
import numpy as np
import pandas as pd
import pytest

from data.derive import __main__ as derive
from data.derive import facts, folder, gsm_symbolic
from hatstats.study import Study
from hatstats.study.read import read_study
from hatstats.study.screening.failed_extraction import suspicious_cells

FOLDER = Path(__file__).resolve().parents[2] / "data" / "gsm_symbolic"
#: Where the raw tables stand, for those who have them.
RAW = os.environ.get("HATSTATS_RAW", "")
MAP = facts.read_map("gsm_symbolic.csv")
THREE_LETTERS = {tag: code for code, tag in gsm_symbolic.LANGUAGES.items()}


@pytest.fixture(scope="module")
def study() -> Study:
    return read_study(FOLDER)


@pytest.fixture(scope="module")
def cells(study: Study) -> pd.DataFrame:
    """The raw table as it follows from the committed folder, in no particular order."""
    counts = study.counts
    names = {gsm_symbolic.model_name(row): gsm_symbolic.origin_name(row) for row in MAP}
    sums = counts.pivot_table(
        index="model", columns="language", values="n_correct", aggfunc="sum", observed=True
    )
    others = sums.sum(axis=1).to_numpy()[:, None] - sums
    mean = (others / 28_000).stack()
    keys = pd.MultiIndex.from_frame(counts[["model", "language"]])
    table = pd.DataFrame(
        {
            "language": counts["language"].map(THREE_LETTERS),
            "model": counts["model"].map(names),
            "template": counts["item"].astype(int),
            "n_correct": counts["n_correct"].astype(int),
            "n_total": counts["n_trials"].astype(int),
            "model_mean_in_other_languages": mean.reindex(keys).to_numpy(),
        }
    )
    return table.sample(frac=1.0, random_state=7).reset_index(drop=True)


def test_counts_of_the_folder_come_back_from_its_raw_table(
    cells: pd.DataFrame, tmp_path: Path
) -> None:
    folder.write_parquet(gsm_symbolic.counts(cells), tmp_path / "counts.parquet")
    # Tables, not bytes: a Parquet file names the version that wrote it.
    written, committed = (pd.read_parquet(path / "counts.parquet") for path in (tmp_path, FOLDER))
    pd.testing.assert_frame_equal(written, committed)


@pytest.mark.skipif(not RAW, reason="HATSTATS_RAW names no folder of raw tables")
def test_the_script_makes_the_committed_folder(tmp_path: Path) -> None:
    derive.write_gsm_symbolic(Path(RAW), tmp_path / "gsm_symbolic")
    made = sorted(path.name for path in (tmp_path / "gsm_symbolic").iterdir())
    assert {*made, "study.toml"} == {path.name for path in FOLDER.iterdir()}
    assert len(made) == 5
    for name in made:
        assert (tmp_path / "gsm_symbolic" / name).read_bytes() == (FOLDER / name).read_bytes()


def test_every_count_is_held_to_the_mean_of_the_origin(cells: pd.DataFrame) -> None:
    assert gsm_symbolic.mean_errors(cells).abs().max() < 1e-12
    wrong = cells.copy()
    row = int(np.flatnonzero(wrong["n_correct"] < 20)[0])
    wrong.loc[row, "n_correct"] += 1
    errors = gsm_symbolic.mean_errors(wrong).abs()
    assert errors.max() == pytest.approx(1 / 28_000)
    assert (errors > 1e-12).sum() == 14, "the list itself is not in its own mean"
    with pytest.raises(ValueError, match="differs from its counts"):
        gsm_symbolic.counts(wrong)


def test_bad_input(cells: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"differ in Qwen4"):
        gsm_symbolic.counts(cells.replace({"model": {"gemma-3-1b-it": "Qwen4"}}))
    with pytest.raises(ValueError, match="not the fifteen"):
        gsm_symbolic.counts(cells.replace({"language": {"isl": "ice"}}))
    with pytest.raises(ValueError, match="twice"):
        gsm_symbolic.counts(pd.concat([cells, cells.head(1)]))
    with pytest.raises(ValueError, match="lacks a template"):
        gsm_symbolic.counts(cells.iloc[1:])
    with pytest.raises(ValueError, match="more right"):
        gsm_symbolic.counts(cells.assign(n_correct=21))
    two = cells.copy()
    two.loc[0, "model_mean_in_other_languages"] += 0.1
    with pytest.raises(ValueError, match="two means"):
        gsm_symbolic.counts(two)
    fine = cells.copy()
    english = (fine["model"] == "Apertus-8B-Instruct-2509") & (fine["language"] == "eng")
    fine.loc[english, "n_correct"] = 20
    fine["model_mean_in_other_languages"] -= (
        gsm_symbolic.mean_errors(fine)
        .reindex(pd.MultiIndex.from_frame(fine[["model", "language"]]))
        .to_numpy()
    )
    with pytest.raises(ValueError, match="Apertus-8B is not worse"):
        gsm_symbolic.counts(fine)


def test_map_names_each_configuration_once_and_every_fact_is_there() -> None:
    assert len(MAP) == 46
    assert len({gsm_symbolic.model_name(row) for row in MAP}) == 46
    assert len({gsm_symbolic.origin_name(row) for row in MAP}) == 46
    keys = {row["key"] for row in facts.read_map("facts.csv")}
    assert {row["key"] for row in MAP if row["table"] == "facts"} <= keys
    assert {row["table"] for row in MAP} == {"facts", "llm_stats"}
    assert {row["thinking"] for row in MAP} == {"on", "off", "none"}


def test_shape_and_totals_against_source(study: Study) -> None:
    counts = study.counts
    assert study.name == "gsm_symbolic"
    assert (counts["item"] != "").all()
    assert len(counts) == 69_000 == 46 * 15 * 100
    assert (counts["n_trials"] == 20).all()
    assert counts["n_correct"].isin(range(21)).all()
    assert counts.groupby(["model", "language"])["item"].nunique().eq(100).all()
    assert study.benchmarks.to_numpy().tolist() == [["gsm_symbolic", "en", 0.0, "wordings"]]
    assert study.languages == list(THREE_LETTERS), "English first, then by tag"
    assert study.languages == [langcodes.standardize_tag(code) for code in gsm_symbolic.LANGUAGES]
    sums = counts.groupby("language", observed=True)["n_correct"].sum().to_dict()
    assert sums == {
        "en": 74_239, "ar": 57_441, "da": 59_649, "de": 64_095, "et": 46_591, "fr": 65_568,
        "hi": 49_556, "is": 43_536, "it": 66_933, "ja": 56_401, "mr": 39_515, "nl": 62_846,
        "ru": 60_923, "uk": 58_556, "zh": 63_624,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "language", "item", "right"),
    [
        ("Apertus-70B", "ar", "43", 7),
        ("Olmo-3-32B-Think", "et", "125", 7),
        ("Granite-3.2-8B (reasoning on)", "is", "410", 0),
        ("Qwen3.5-9B (reasoning on)", "zh", "1275", 20),
    ],
)
def test_cells_against_source(
    study: Study, model: str, language: str, item: str, right: int
) -> None:
    rows = study.counts.query("model == @model and language == @language and item == @item")
    assert rows["n_correct"].tolist() == [right]


def test_only_english_of_apertus_is_flagged(study: Study) -> None:
    flagged = study.flagged
    assert len(flagged) == 200
    assert set(zip(flagged["model"], flagged["language"], strict=True)) == {
        ("Apertus-8B", "en"), ("Apertus-70B", "en"),
    }  # fmt: skip
    assert flagged["evidence"].nunique() == 2
    assert flagged["evidence"].str.contains("not read").all()
    found = suspicious_cells(study)
    assert found[["model", "language"]].to_numpy().tolist() == [["Apertus-70B", "en"]]


def test_templates_that_fail_in_one_language(study: Study) -> None:
    rows = gsm_symbolic.failing_templates(study.counts).splitlines()[2:]
    found = {tuple(row.strip("| ").split(" | ")[:2]) for row in rows}
    known = {("nl", "400"), ("uk", "661"), ("de", "232"), ("de", "364"), ("fr", "232"),
             ("fr", "320"), ("ru", "873"), ("ru", "1023")}  # fmt: skip
    assert known <= found
    assert len(found) == 13
    assert "| uk | 661 | 0.000 | 0.715 |" in rows


def test_models_have_sizes_sources_and_twins(study: Study) -> None:
    models = study.models.set_index("model")
    assert models["family"].value_counts().to_dict() == {
        "Qwen": 26, "OLMo": 8, "Gemma": 4, "Granite": 4, "Apertus": 2, "EuroLLM": 2,
    }  # fmt: skip
    assert models["params_total"].between(0.49e9, 72.8e9).all()
    assert (models["params_active"] == models["params_total"]).all()
    assert models["size_source"].str.contains("; active: all").all()
    assert models.index[models["release_date"].isna()].tolist() == ["EuroLLM-9B"]
    assert ((models["date_source"] == "unknown") == models["release_date"].isna()).all()
    assert models["release_date"].dropna().between("2024-09-19", "2026-02-27").all()
    twins = models.groupby("weights")
    assert twins.ngroups == 35
    assert twins.size().value_counts().to_dict() == {1: 24, 2: 11}
    same = ["family", "series", "entry", "params_total", "release_date"]
    assert (twins[same].nunique(dropna=False) == 1).all(axis=None)
    two = models[models.duplicated("weights", keep=False)]
    modes = {tuple(sorted(group)) for _, group in two.groupby("weights")["thinking"]}
    assert modes == {("off", "on")}
    assert sorted(models["series"].unique()) == [
        "Apertus", "EuroLLM", "Gemma 3", "Granite 3.2", "OLMo 2", "Olmo 3", "Qwen2.5", "Qwen3",
        "Qwen3.5",
    ]  # fmt: skip


def test_folder_says_what_it_is(study: Study) -> None:
    info = study.info
    assert "commit 1b40684766aa2ece7b522d59b63eaf274677f382" in info.source
    assert "arXiv 2610.03367" in info.citation
    for word in ("wordings, not repeats", "not read", "English only", "chance is 0"):
        assert word in info.notes
    assert len(study.claims) == 5
    assert "Center for Humanities Computing" in (FOLDER / "LICENCE").read_text("utf-8")
    readme = (FOLDER / "README.md").read_text("utf-8")
    for word in ("**Source**", "**Licence**", "**Citation**", "transcribed", "69,000 rows",
                 "869,473 right", "wordings, not repeats", "Gemma-3-1B"):  # fmt: skip
        assert word in readme.replace("\n", " "), word
    assert "$" not in readme, "a number was not filled in"
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 80_000
