"""Logs that the harnesses of today wrote themselves read without a mapping (see tests/logs)."""

from __future__ import annotations

import functools
import json
from collections import Counter
from pathlib import Path

import pytest

import hatstats
from tests.logs.recorded.items import LANGUAGES

LOGS = Path(__file__).parent / "recorded"


@functools.cache
def converted(name: str) -> hatstats.Conversion:
    """A recorded log folder as a study, converted once."""
    return hatstats.convert_logs(LOGS / name, strict=True)


def right(study: hatstats.Study, benchmark: str, model: str, language: str) -> dict[str, float]:
    counts = study.counts
    rows = counts[
        (counts["benchmark"] == benchmark)
        & (counts["model"] == model)
        & (counts["language"] == language)
    ]
    return dict(zip(rows["item"], rows["n_correct"], strict=True))


def test_lm_eval_samples() -> None:
    done = converted("lm_eval")
    study = done.study
    assert study.model_names == ["acme/tiny-1b", "acme/tiny-2b"]
    assert study.benchmark_names == ["mgsm_direct_tiny", "tiny_sums"]
    assert set(study.languages) == set(LANGUAGES)
    # The numbers that the harness printed stand in its results; two metrics, two filters.
    files = sorted((LOGS / "lm_eval").glob("*/results_*.json"))
    assert len(files) == 2
    for path in files:
        record = json.loads(path.read_text())
        for language in LANGUAGES:
            for name, key in (("mgsm_direct_tiny", "exact_match,flexible-extract"),
                              ("tiny_sums", "acc,none")):  # fmt: skip
                share = record["results"][f"{name}_{language}"][key]
                items = right(study, name, record["model_name"], language)
                assert sum(items.values()) == pytest.approx(5 * share)
                assert sorted(items) == ["0", "1", "2", "3", "4"]
    assert any("strict-match" in note for note in done.notes)


def test_lm_eval_results_alone(tmp_path: Path) -> None:
    for path in (LOGS / "lm_eval").glob("*/results_*.json"):
        (tmp_path / path.parent.name).mkdir()
        (tmp_path / path.parent.name / path.name).write_bytes(path.read_bytes())
    study = hatstats.convert_logs(tmp_path, strict=True).study
    assert study.data_kind == "aggregate"
    assert set(study.counts["n_trials"]) == {5.0}
    assert len(study.counts) == 12
    first = study.counts.iloc[0]
    assert (first["language"], first["n_correct"]) == ("de", 1.0)


@pytest.mark.parametrize(("kind", "items"), [("eval", 5), ("json", 2)])
def test_inspect(kind: str, items: int) -> None:
    study = hatstats.convert_logs(LOGS / "inspect_ai" / kind, strict=True).study
    assert study.model_names == ["mockllm/model"]
    assert study.benchmark_names == ["mgsm_tiny"]
    assert set(study.counts["n_trials"]) == {2.0}
    # The answers are fixed: right at first in English, elsewhere for every second item.
    for language in LANGUAGES:
        answers = right(study, "mgsm_tiny", "mockllm/model", language)
        wanted = {str(i + 1): float(language == "en" or i % 2 == 0) for i in range(items)}
        assert answers == wanted


def test_helm() -> None:
    study = converted("helm").study
    assert study.model_names == ["simple/model1"]
    for language in LANGUAGES:
        answers = right(study, "tiny_sums", "simple/model1", language)
        assert answers == {f"id{i}": float(i == 2) for i in range(5)}


def test_helm_scenario_states_alone_are_graded_the_same(tmp_path: Path) -> None:
    for path in (LOGS / "helm").glob("*/*.json"):
        if path.name != "per_instance_stats.json":
            (tmp_path / path.parent.name).mkdir(exist_ok=True)
            (tmp_path / path.parent.name / path.name).write_bytes(path.read_bytes())
    one = hatstats.convert_logs(tmp_path).study.counts
    assert one.equals(converted("helm").study.counts)


def test_lighteval() -> None:
    study = hatstats.convert_logs(LOGS / "lighteval/details", strict=True).study
    assert study.model_names == ["acme/tiny-1b"]
    (path,) = (LOGS / "lighteval" / "results").rglob("results_*.json")
    results = json.loads(path.read_text())["results"]
    for language in LANGUAGES:
        answers = right(study, "mgsm_tiny", "acme/tiny-1b", language)
        assert sum(answers.values()) == pytest.approx(5 * results[f"mgsm_tiny_{language}|0"]["acc"])
        assert sorted(answers) == ["0", "1", "2", "3", "4"]


def test_euroeval() -> None:
    study = hatstats.convert_logs(LOGS / "euroeval", strict=True).study
    counts = study.counts.set_index("language")
    assert study.benchmark_names == ["m_hellaswag"]
    assert study.benchmarks["chance"].tolist() == [0.25]
    share = counts["n_correct"] / counts["n_trials"]
    assert share.round(12).to_dict() == {"de": 0.62, "en": 0.70, "sw": 0.41}
    # 2,048 items and a half-width of 1.5 points from ten runs: p (1 - p) over both variances.
    variance = 0.7 * 0.3 / 2048 + (0.015 / 1.96) ** 2
    assert counts["n_trials"]["en"] == pytest.approx(0.7 * 0.3 / variance)


def test_euroeval_of_older_versions(tmp_path: Path) -> None:
    record = {
        "dataset": "hellaswag-de",
        "task": "common-sense-reasoning",
        "dataset_languages": ["de"],
        "model": "m",
        "validation_split": True,
        "results": {"raw": [], "total": {"test_accuracy": 50.0, "test_accuracy_se": 0.0}},
    }
    english = {**record, "dataset": "hellaswag", "dataset_languages": ["en"]}
    speed = {**record, "dataset": "speed", "results": {"total": {"test_speed": 3.0}}}
    text = "".join(json.dumps(each) + "\n" for each in (record, english, speed))
    (tmp_path / "euroeval_benchmark_results.jsonl").write_text(text)
    done = hatstats.convert_logs(tmp_path)
    assert done.study.counts["n_correct"].tolist() == [128.0, 128.0]
    assert done.left_out["reason"].tolist() == ["the record has no accuracy (test_accuracy)"]


def simple_evals(folder: Path, shares: dict[str, float]) -> Path:
    record = {
        key: value
        for lang, p in shares.items()
        for key, value in ((lang, p), (f"{lang}:std", (p * (1 - p)) ** 0.5))
    }
    record |= {"group_latin": 0.8, "group_latin:std": 0.4, "score:std": 0.4, "score": 0.6}
    path = folder / "mgsm_gpt-4o-mini.json"
    path.write_text(json.dumps(record, indent=2))
    return path


def test_simple_evals(tmp_path: Path) -> None:
    simple_evals(tmp_path, {"en": 0.908, "bn": 0.868, "sw": 0.732, "te": 0.0})
    study = hatstats.convert_logs(tmp_path, strict=True).study
    assert study.model_names == ["gpt-4o-mini"]
    assert study.counts.set_index("language")["n_correct"].to_dict() == {
        "bn": 217.0, "en": 227.0, "sw": 183.0, "te": 0.0}  # fmt: skip


def test_simple_evals_asked_in_part_does_not_pass_for_the_whole(tmp_path: Path) -> None:
    path = simple_evals(tmp_path, {"en": 0.9, "bn": 0.2, "sw": 0.8, "te": 0.0})
    with pytest.raises(hatstats.DataError, match=r"multiples of 1/10.*settings={'n_trials': 'N'}"):
        hatstats.convert_logs(path)
    study = hatstats.convert_logs(path, settings={"n_trials": "10"}).study
    assert Counter(study.counts["n_trials"]) == {10.0: 4}
