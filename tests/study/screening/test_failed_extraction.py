"""Suspicious cells: planted failures are found; models that guess or are weak are not accused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from hatstats.errors import DataError
from hatstats.study import Study
from hatstats.study.losses import Loss
from hatstats.study.read import read_study
from hatstats.study.screening.failed_extraction import (
    cell_accuracies,
    median_polish,
    suspicious_cells,
)

LANGUAGES = ["en", "cs", "da", "de", "es", "fi", "fr", "it", "nl", "pt", "sv"]


def panel(
    rng: np.random.Generator, *, n_models: int = 20, n: int = 1000, chance: float = 0.25
) -> pd.DataFrame:
    """Accuracies of models from guessing to nearly perfect: additive on the logit scale but for
    interactions of SD 0.2, and a language, fi, that only some models know.
    """
    ability = np.linspace(-6, 3, n_models)[:, None]
    language = rng.normal(0, 0.4, len(LANGUAGES))
    eta = ability + language + rng.normal(0, 0.2, (n_models, len(LANGUAGES)))
    eta[:, LANGUAGES.index("fi")] -= np.abs(rng.normal(0, 0.7, n_models))
    correct = rng.binomial(n, chance + (1 - chance) * expit(eta)).astype(float)
    models = [f"m{i:02d}" for i in range(n_models)]
    frame = pd.DataFrame(correct, index=models, columns=LANGUAGES)
    return frame.rename_axis("model").reset_index().melt("model", var_name="language",
                                                         value_name="n_correct").assign(
        benchmark="b", n_trials=float(n))  # fmt: skip


def study_of(counts: pd.DataFrame, chance: float = 0.25) -> Study:
    return Study(
        counts,
        pd.DataFrame({"model": counts["model"].unique()}),
        pd.DataFrame({"benchmark": ["b"], "source_language": ["en"], "chance": [chance]}),
    )


def planted(counts: pd.DataFrame, cells: dict[tuple[str, str], float]) -> pd.DataFrame:
    counts = counts.copy()
    for (model, language), accuracy in cells.items():
        cell = (counts["model"] == model) & (counts["language"] == language)
        assert cell.sum() == 1
        counts.loc[cell, "n_correct"] = np.round(accuracy * counts.loc[cell, "n_trials"])
    return counts


def found_in(study: Study) -> set[tuple[str, str]]:
    found = suspicious_cells(study)
    return set(zip(found["model"], found["language"], strict=True))


@pytest.mark.slow
def test_clean_panels_yield_hardly_any_flag_against_theory() -> None:
    """6,600 cells without a failure, a tenth of them in a language that some models half know."""
    flags = [len(suspicious_cells(study_of(panel(rng)))) for rng in generators(30)]
    assert sum(flags) <= 2


@pytest.mark.slow
def test_planted_failures_are_found_and_nothing_else_against_theory() -> None:
    """Below chance, at chance, a source far under the rest, a language at zero for a weak model."""
    cells = {("m18", "cs"): 0.19, ("m18", "es"): 0.256, ("m15", "cs"): 0.27, ("m17", "en"): 0.40}
    hits = misses = others = 0
    for rng in generators(20):
        found = found_in(study_of(planted(panel(rng), cells)))
        hits += len(found & set(cells))
        misses += len(set(cells) - found)
        others += len(found - set(cells))
    assert hits == 80
    assert misses == 0
    assert others <= 2


@pytest.mark.slow
def test_models_at_chance_are_not_accused_against_theory() -> None:
    """Guessers scatter around chance, also in the language that all others find easy."""
    for rng in generators(10):
        counts = panel(rng)
        easy = (counts["language"] == "en") & (counts["model"] >= "m10")
        counts.loc[easy, "n_correct"] = 0.97 * counts.loc[easy, "n_trials"]
        found = suspicious_cells(study_of(counts))
        assert not set(found["model"]) & {f"m{i:02d}" for i in range(5)}


def test_a_model_of_few_languages_is_no_failure_but_a_hole_is_against_theory() -> None:
    weak = {("m16", language): 0.62 - 0.03 * i for i, language in enumerate(LANGUAGES[4:])}
    rng = np.random.default_rng(5)
    counts = panel(rng)
    assert found_in(study_of(planted(counts, weak))) == set()
    assert found_in(study_of(planted(counts, {("m16", "nl"): 0.44}))) == {("m16", "nl")}


@pytest.mark.slow
def test_languages_that_models_do_not_know_are_no_failures_against_theory() -> None:
    """Three models without three languages: guessing there, as on another benchmark."""
    unknown = {(m, lang) for m in ("m14", "m16", "m18") for lang in ("cs", "da", "pt")}
    flags = found = 0
    for rng in generators(10):
        one = planted(panel(rng), dict.fromkeys(unknown, 0.25))
        table = suspicious_cells(study_of(one))
        found += len(table)
        flags += int((table["flag"] == "extraction-failure").sum())
    # All of them were called failures before: 7 a study.
    assert found >= 50
    assert flags <= 1


def test_another_benchmark_tells_a_failure_from_an_unknown_language_against_theory() -> None:
    rng = np.random.default_rng(8)
    first, second = (panel(rng).assign(benchmark=name) for name in "bc")
    first = planted(first, {("m17", "nl"): 0.26, ("m15", "pt"): 0.26})
    second = planted(second, {("m15", "pt"): 0.25})
    study = Study(
        pd.concat([first, second], ignore_index=True),
        pd.DataFrame({"model": first["model"].unique()}),
        pd.DataFrame({"benchmark": ["b", "c"], "source_language": "en", "chance": 0.25}),
    )
    table = suspicious_cells(study).set_index(["model", "benchmark"])
    assert table.loc[("m17", "b"), "flag"] == "extraction-failure"
    assert "On c the model knows the language" in table.loc[("m17", "b"), "evidence"]
    assert set(table.loc["m15", "flag"]) == {"unknown-language"}


def test_answers_that_were_not_usable_are_evidence_of_a_failure_against_theory() -> None:
    rng = np.random.default_rng(9)
    low = planted(panel(rng), {("m16", name): 0.25 for name in ("cs", "da", "pt")})
    study = study_of(low)
    assert set(suspicious_cells(study)["flag"]) == {"unknown-language"}
    loss = Loss("m16", "b", "da", asked=1000, missing=0, wrong=640)
    lossy = replace(study, info=replace(study.info, losses=(loss,)))
    table = suspicious_cells(lossy).set_index("language")
    assert set(table["flag"]) == {"extraction-failure"}
    assert "640 unread and wrong of 1000" in table.loc["da", "evidence"]


def test_a_failing_source_is_found_in_a_scattered_row_against_theory() -> None:
    """As mistral-medium-3 on Global MMLU Lite: English .380, Yoruba .768, the rest in between."""
    row = [0.380, 0.455, 0.518, 0.732, 0.535, 0.410, 0.478, 0.555, 0.515, 0.535, 0.768]
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        rng.normal(np.linspace(0.65, 0.95, 20)[:, None], 0.012, (20, 11)), columns=LANGUAGES
    )
    frame["en"] += 0.02
    frame.iloc[7] = row
    counts = (
        frame.assign(model=[f"m{i:02d}" for i in range(20)])
        .melt("model", var_name="language", value_name="accuracy")
        .assign(benchmark="b", n_trials=400.0)
    )
    counts["n_correct"] = np.round(counts.pop("accuracy") * 400)
    assert found_in(study_of(counts)) == {("m07", "en")}


def test_known_failures_of_real_models_against_theory() -> None:
    """EuroEval's HellaSwag, 188 models: four cells at chance in rows of .6 to .8, nothing else.

    In particular neither models that guess in every language nor the languages that a model was
    not trained on (EXAONE and LFM2 in Danish) are accused.
    """
    study = read_study(Path(__file__).parents[3] / "data" / "euroeval_all")
    guessers = ["google/gemma-3-1b-it", "google/gemma-3-1b-pt"]
    assert set(guessers) <= set(study.model_names)
    gemini = "gemini/gemini-2.5-flash"
    assert found_in(study) == {
        (f"{gemini}#no-thinking (zero-shot, val)", "cs"),
        (f"{gemini}#no-thinking (zero-shot, val)", "es"),
        (f"{gemini}-lite#no-thinking (zero-shot, val)", "cs"),
        ("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-FP8 (val)", "de"),
    }


def test_a_language_at_zero_is_found_on_an_open_benchmark_against_theory() -> None:
    rng = np.random.default_rng(3)
    counts = planted(panel(rng, n=250, chance=0.0), {("m14", "sv"): 0.0})
    found = suspicious_cells(study_of(counts, chance=0.0))
    assert found[["model", "language"]].to_numpy().tolist() == [["m14", "sv"]]
    assert "nothing right at all" in found["evidence"][0]


def test_items_are_averaged_before_they_are_judged_against_theory() -> None:
    """The same failure is found at item level, trials and prompts included."""
    rng = np.random.default_rng(4)
    rows = [
        (f"m{m}", language, f"i{i}", float(rng.binomial(3, p)), f"p{prompt}")
        for m, ability in enumerate((0.5, 1.0, 1.5, 2.0))
        for language in LANGUAGES[:5]
        for i in range(60)
        for prompt in range(2)
        for p in [0.02 if (m, language) == (2, "da") else expit(ability)]
    ]
    counts = pd.DataFrame(rows, columns=["model", "language", "item", "n_correct", "prompt"])
    study = study_of(counts.assign(benchmark="b", n_trials=3.0), chance=0.0)
    found = suspicious_cells(study)
    assert found[["model", "language"]].to_numpy().tolist() == [["m2", "da"]]
    assert found["accuracy"].item() < 0.05
    assert 0.6 < found["expected"].item() < 0.95


def test_evidence_is_one_sentence_and_a_reason_with_the_numbers_of_its_row_against_theory() -> None:
    rng = np.random.default_rng(6)
    cells = {("m18", "cs"): 0.19, ("m18", "es"): 0.256, ("m17", "en"): 0.40}
    found = suspicious_cells(study_of(planted(panel(rng), cells)))
    assert list(found.columns) == [
        "model", "benchmark", "language", "accuracy", "expected", "z", "flag", "evidence"
    ]  # fmt: skip
    assert found["z"].is_monotonic_increasing
    assert (found["z"] <= -4).all()
    assert set(found["flag"]) == {"extraction-failure"}
    levels = {"cs": "below the chance level of 0.25", "es": "at the chance level of 0.25",
              "en": "in the source language en is 0.400"}  # fmt: skip
    assert len(found) == 3
    for row in found.to_dict("records"):
        evidence = str(row["evidence"])
        assert evidence.endswith(".")
        assert evidence.count(". ") == 1
        assert levels[str(row["language"])] in evidence
        assert f"is {row['accuracy']:.3f}" in evidence
        assert f"predict {row['expected']:.3f}" in evidence
        assert f"z = {row['z']:.1f}" in evidence


def test_flags_do_not_change_what_is_found_against_theory() -> None:
    rng = np.random.default_rng(7)
    study = study_of(planted(panel(rng), {("m18", "cs"): 0.19, ("m15", "it"): 0.25}))
    found = suspicious_cells(study)
    assert found_in(study) == {("m18", "cs"), ("m15", "it")}
    cells = study.counts.drop(columns=["flag", "evidence"]).merge(
        found[["model", "language", "flag", "evidence"]], how="left", on=["model", "language"]
    )
    flagged = study_of(cells)
    assert len(flagged.flagged) == 2
    pd.testing.assert_frame_equal(suspicious_cells(flagged), found)


def test_thresholds_bite_against_theory() -> None:
    rng = np.random.default_rng(8)
    study = study_of(planted(panel(rng), {("m18", "cs"): 0.19, ("m15", "it"): 0.25}))
    assert len(suspicious_cells(study)) == 2
    assert len(suspicious_cells(study, min_drop=0.65)) == 1
    assert len(suspicious_cells(study, threshold=1e6)) == 0
    assert len(suspicious_cells(study, threshold=1.0, min_drop=0.01)) > 5


def test_thresholds_bad_input() -> None:
    study = study_of(panel(np.random.default_rng(9)))
    with pytest.raises(DataError, match="threshold lies in"):
        suspicious_cells(study, threshold=0)
    with pytest.raises(DataError, match="min_drop lies in"):
        suspicious_cells(study, min_drop=float("nan"))


def test_cell_accuracies_against_naive() -> None:
    """Accuracy and effective trials, computed cell by cell from their definitions."""
    rng = np.random.default_rng(10)
    rows = [
        (m, language, f"i{i}", float(rng.binomial(n, p)), float(n))
        for m in ("a", "b")
        for language in ("en", "sw")
        for i, p in enumerate(rng.beta(1, 1, 40))
        for n in (int(rng.integers(2, 5)),)
    ]
    counts = pd.DataFrame(rows, columns=["model", "language", "item", "n_correct", "n_trials"])
    cells = cell_accuracies(study_of(counts.assign(benchmark="b"), chance=0.0))
    assert len(cells) == 4
    for row in cells.to_dict("records"):
        mine = (counts["model"] == row["model"]) & (counts["language"] == row["language"])
        part = counts[mine]
        k, n = part["n_correct"].to_numpy(), part["n_trials"].to_numpy()
        p = k.sum() / n.sum()
        variance = 40 / 39 * np.sum((k - p * n) ** 2) / n.sum() ** 2
        assert row["accuracy"] == pytest.approx(p, rel=1e-12)
        assert row["n"] == pytest.approx(min(p * (1 - p) / variance, n.sum()), rel=1e-12)
        assert row["is_source"] == (row["language"] == "en")
    assert (cells["n"] < 120).all(), "trials of one item are not independent trials"


def fitted(table: np.ndarray) -> np.ndarray:
    rows, columns = median_polish(table)
    return rows[:, None] + columns


def test_median_polish_against_theory() -> None:
    """An additive table is fitted exactly, holes or not; one wild cell changes no other."""
    rng = np.random.default_rng(11)
    table = rng.normal(size=7)[:, None] + rng.normal(size=9)
    np.testing.assert_allclose(fitted(table), table, atol=1e-7)
    holes = table.copy()
    holes[0, 1] = holes[3, 3] = holes[6, 8] = np.nan
    np.testing.assert_allclose(fitted(holes), table, atol=1e-7)
    wild = table.copy()
    wild[2, 2] = -50.0
    np.testing.assert_allclose(fitted(wild), table, atol=1e-7)
    empty = table.copy()
    empty[4] = np.nan
    assert np.isnan(fitted(empty)[4]).all()
    np.testing.assert_allclose(np.delete(fitted(empty) - table, 4, axis=0), 0, atol=1e-7)
    assert np.isnan(fitted(np.full((2, 3), np.nan))).all()


def generators(n: int) -> list[np.random.Generator]:
    return np.random.default_rng(20251123).spawn(n)
