"""EuroEval: `euroeval_benchmark_results.jsonl`, one mean of ten runs in each record.

Records of version 17 and later follow the schema of every_eval_ever, older ones EuroEval's own.

EuroEval evaluates ten bootstrap resamples of one split and publishes their mean p with the
half-width h = 1.96 sd / sqrt(10). The interval measures the noise of that mean, not the sampling of
the N items of the split, so that the variance of p as an accuracy is p (1 - p) / N + (h / 1.96)^2,
and the effective number of trials is p (1 - p) over it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hatstats.logs.readers.documents import json_lines
from hatstats.logs.readers.grading import NOT_JSON
from hatstats.logs.readers.reader import (
    Choices,
    LeftOut,
    Preview,
    Reader,
    Record,
    text_at,
    text_of,
    value_at,
)
from hatstats.logs.task_names import read_task

#: Items of EuroEval's own splits, the same for every data set.
SPLITS = {"val": 256, "test": 2048}
_Z = 1.96
_SCORE = "test_accuracy"


def _matches(preview: Preview) -> bool:
    own = {"dataset", "task", "model", "results"} <= preview.first.keys()
    shared = text_at(preview.first, "eval_library.name") == "euroeval"
    return preview.kind == "jsonl" and (own or shared)


def _records(path: Path, choices: Choices) -> Iterator[Record | LeftOut]:
    for record in json_lines(path):
        yield LeftOut(NOT_JSON) if record is None else euroeval_record(record, choices)


def euroeval_record(record: Mapping[str, Any], choices: Choices) -> Record | LeftOut:
    """One record of EuroEval, in its own schema or in that of every_eval_ever."""
    flat = _own_schema(record) if "results" in record else _shared_schema(record)
    languages, score, half_width = flat["languages"], flat["score"], flat["half_width"]
    if score is None:
        return LeftOut("the record has no accuracy (test_accuracy)")
    if len(languages) != 1:
        return LeftOut("the record covers more than one language, or names none")
    scale = 100 if flat["percent"] or float(score) > 1 else 1
    p = float(score) / scale
    split = "val" if flat["validation"] else "test"
    n = float(choices.settings.get("n_trials") or SPLITS[split])
    noise = (float(half_width) / scale / _Z) ** 2 if half_width is not None else 0.0
    variance = p * (1 - p)
    trials = variance / (variance / n + noise) if variance > 0 else n
    task = read_task(flat["dataset"])
    if not task.language:  # the English set has no language in its name
        task = read_task(f"{flat['dataset']}_{languages[0]}")
    return {
        "model": flat["model"],
        "benchmark": task.benchmark,
        "language": languages[0],
        "n_correct": p * trials,
        "n_trials": trials,
    }


def _own_schema(record: Mapping[str, Any]) -> dict[str, Any]:
    languages = record.get("languages") or record.get("dataset_languages") or []
    return {
        "dataset": text_at(record, "dataset"),
        "model": text_at(record, "model"),
        "languages": [text_of(language) for language in languages],
        "score": value_at(record, f"results.total.{_SCORE}"),
        "half_width": value_at(record, f"results.total.{_SCORE}_se"),
        "validation": bool(record.get("validation_split")),
        "percent": True,
    }


def _shared_schema(record: Mapping[str, Any]) -> dict[str, Any]:
    details: Any = value_at(record, "eval_library.additional_details") or {}
    results = record.get("evaluation_results") or []
    result: Any = next((each for each in results if each.get("evaluation_name") == _SCORE), {})
    interval = value_at(result, "score_details.uncertainty.confidence_interval")
    half_width = None
    if isinstance(interval, Mapping):
        half_width = (float(interval["upper"]) - float(interval["lower"])) / 2
    return {
        "dataset": text_at(details, "dataset"),
        "model": text_at(record, "model_info.name"),
        "languages": [text_of(each) for each in json.loads(details.get("languages") or "[]")],
        "score": value_at(result, "score_details.score"),
        "half_width": half_width,
        "validation": text_at(details, "validation_split").lower() == "true",
        "percent": value_at(result, "metric_config.max_score") == 100,
    }


EUROEVAL = Reader("euroeval", _matches, records=_records)
