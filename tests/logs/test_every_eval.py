"""Records of every_eval_ever: one metric counts, and less that is better is no right answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import hatstats
from tests.logs.cases import cells, quiz, truth
from tests.logs.writers import write_lines

#: Of the package every-eval-ever; the README beside them says which version, and the licence.
SCHEMAS = Path(__file__).parent / "schemas"


def result(language: str, metric: str, score: float, **more: object) -> dict[str, Any]:
    config = {"metric_name": metric, "lower_is_better": False, "score_type": "continuous",
              "min_score": 0.0, "max_score": 1.0, **more}  # fmt: skip
    return {
        "evaluation_name": f"quiz_{language}",
        "source_data": {"dataset_name": "quiz", "source_type": "other"},
        "metric_config": config,
        "score_details": {"score": score, "uncertainty": {"num_samples": 400}},
    }


def record(results: list[dict[str, Any]], model: str = "org/a") -> dict[str, Any]:
    """A record in the schema 0.3.0, as its validator wants it."""
    return {
        "schema_version": "0.3.0",
        "evaluation_id": f"quiz/{model}/1",
        "retrieved_timestamp": "1",
        "source_metadata": {"source_type": "evaluation_run", "source_organization_name": "lab",
                            "evaluator_relationship": "third_party"},
        "eval_library": {"name": "lm_eval", "version": "0.4.13"},
        "model_info": {"name": model, "id": model, "additional_details": {
            "deployment_type": "self_deployed", "model_availability": "open_weights"}},
        "evaluation_results": results,
    }  # fmt: skip


def instance(row: dict[str, Any], **more: object) -> dict[str, Any]:
    """An answer in the schema 0.3.0, as its validator wants it."""
    return {
        "schema_version": "0.3.0",
        "evaluation_id": "run-1",
        "model_id": row["model"],
        "evaluation_name": f"quiz_{row['language']}",
        "sample_id": row["item"],
        "interaction_type": "single_turn",
        "input": {"raw": "?", "reference": ["7"]},
        "output": {"raw": ["7"]},
        "answer_attribution": [],
        "evaluation": {"score": float(row["correct"]), "is_correct": bool(row["correct"])},
        **more,
    }


def write(folder: Path, *records: dict[str, Any]) -> Path:
    for number, each in enumerate(records):
        (folder / f"{number}.json").write_text(json.dumps(each, indent=1))
    return folder


def test_of_two_metrics_one_counts(tmp_path: Path) -> None:
    results = [result(lang, metric, score) for lang, score in (("en", 0.5), ("sw", 0.25))
               for metric, score in (("acc_norm", score + 0.1), ("acc", score))]  # fmt: skip
    done = hatstats.convert_logs(write(tmp_path, record(results)), strict=True)
    assert cells(done.study) == {("org/a", "en"): (200.0, 400.0), ("org/a", "sw"): (100.0, 400.0)}
    assert (
        "quiz: the metric is acc; also there: acc_norm (settings={'metric': 'NAME'})." in done.notes
    )
    assert done.files["set_aside"].sum() == 2
    other = hatstats.convert_logs(tmp_path, settings={"metric": "acc_norm"})
    assert cells(other.study)["org/a", "en"] == (240.0, 400.0)


@pytest.mark.parametrize("more", [{"lower_is_better": True}, {"metric_kind": "f1"}])
def test_scores_that_are_no_shares_of_right_answers_do_not_count(
    more: dict[str, object], tmp_path: Path
) -> None:
    results = [result(lang, "toxicity", 0.9, **more) for lang in ("en", "sw")]
    write(
        tmp_path, record(results), record([result(lang, "acc", 0.5) for lang in ("en", "sw")], "b")
    )
    done = hatstats.convert_logs(tmp_path)
    assert done.study.model_names == ["b"]
    assert done.left_out["reason"].str.contains("toxicity").all()
    with pytest.raises(hatstats.DataError, match="toxicity"):
        hatstats.convert_logs(tmp_path / "0.json")


def test_metrics_that_no_rule_chooses_are_asked_about(tmp_path: Path) -> None:
    results = [result(lang, name, 0.5) for lang in ("en", "sw") for name in ("glorp", "blorp")]
    with pytest.raises(hatstats.DataError, match=r"which of glorp, blorp counts"):
        hatstats.convert_logs(write(tmp_path, record(results)))
    chosen = hatstats.convert_logs(tmp_path, settings={"metric": "glorp"}).study
    assert chosen.counts["n_correct"].tolist() == [200.0, 200.0]


def test_records_with_metrics_of_their_own_say_so(tmp_path: Path) -> None:
    pairs = (("en", "exact_match"), ("de", "acc_norm"))
    write(tmp_path, *(record([result(language, metric, 0.5)]) for language, metric in pairs))
    notes = " ".join(hatstats.convert_logs(tmp_path).notes)
    assert "the metric is exact_match." in notes
    assert "the metric is acc_norm." in notes


def test_recorded_sizes_win_and_settings_keep_runs_apart(tmp_path: Path) -> None:
    first, second = (record([result(lang, "acc", 0.5) for lang in ("en", "sw")]) for _ in range(2))
    for each, temperature in ((first, 0.0), (second, 1.0)):
        for part in each["evaluation_results"]:
            part["generation_config"] = {"generation_args": {"temperature": temperature}}
    done = hatstats.convert_logs(write(tmp_path, first, second), settings={"n_trials": "9"})
    assert done.study.model_names == ["org/a (temperature=0.0)", "org/a (temperature=1.0)"]
    assert set(done.study.counts["n_trials"]) == {400.0}
    assert any("record 400 items" in note for note in done.notes)


def test_instances_of_several_results_stay_apart(tmp_path: Path) -> None:
    rows = quiz().to_dict("records")
    write_lines(tmp_path / "one.jsonl", [instance(row) for row in rows])
    assert cells(hatstats.convert_logs(tmp_path).study) == truth(quiz())
    both = [instance(row, evaluation_result_id=name) for row in rows for name in ("acc", "f1")]
    write_lines(tmp_path / "one.jsonl", both)
    found = cells(hatstats.convert_logs(tmp_path).study)
    assert {model for model, _ in found} == {
        f"{m} (evaluation_result_id={name})" for m in "AB" for name in ("acc", "f1")}  # fmt: skip
    assert all(n == 60 for _, n in found.values())


@pytest.mark.parametrize(
    ("name", "fixture"),
    [
        ("eval", record([result("en", "acc", 0.5)])),
        ("instance_level_eval", instance(quiz().to_dict("records")[0])),
    ],
)
def test_the_fixtures_are_valid_by_the_published_schemas(
    name: str, fixture: dict[str, Any]
) -> None:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(fixture, schema)
    del fixture["schema_version"]
    with pytest.raises(jsonschema.ValidationError, match="schema_version"):
        jsonschema.validate(fixture, schema)
