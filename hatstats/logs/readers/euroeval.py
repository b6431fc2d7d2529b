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
from hatstats.logs.readers.reader import Choices, LeftOut, Look, Reader, Record, at_path, text_of
from hatstats.logs.task_names import read_task

#: Items of EuroEval's own splits, the same for every data set.
SPLITS = {"val": 256, "test": 2048}
_Z = 1.96
_SCORE = "test_accuracy"


def _knows(look: Look) -> bool:
    first = look.first
    old = {"dataset", "task", "model", "results"} <= first.keys()
    return look.kind == "jsonl" and (old or at_path(first, "eval_library.name") == "euroeval")


def _records(path: Path, choices: Choices) -> Iterator[Record | LeftOut]:
    for record in json_lines(path):
        if record is None:
            yield LeftOut("the line is not a whole JSON object")
        else:
            yield euroeval_record(record, choices)


def euroeval_record(record: Mapping[str, Any], choices: Choices) -> Record | LeftOut:
    """One record of EuroEval, in its own schema or in that of every_eval_ever."""
    flat = _own(record) if "results" in record else _shared(record)
    languages, score, half = flat["languages"], flat["score"], flat["half"]
    if score is None:
        return LeftOut("the record has no accuracy (test_accuracy)")
    if len(languages) != 1:
        return LeftOut("the record covers more than one language, or names none")
    p = float(score) / 100 if float(score) > 1 or flat["percent"] else float(score)
    scale = 100 if flat["percent"] or float(score) > 1 else 1
    n = float(choices.values.get("n_trials") or SPLITS["val" if flat["validation"] else "test"])
    noise = (float(half) / scale / _Z) ** 2 if half is not None else 0.0
    spread = p * (1 - p)
    trials = spread / (spread / n + noise) if spread > 0 else n
    dataset = text_of(flat["dataset"])
    task = read_task(dataset)
    if not task.language:
        task = read_task(f"{dataset}_{languages[0]}")  # the English set has no language in its name
    return {
        "model": text_of(flat["model"]),
        "benchmark": task.benchmark,
        "language": languages[0],
        "n_correct": p * trials,
        "n_trials": trials,
    }


def _own(record: Mapping[str, Any]) -> dict[str, Any]:
    total = at_path(record, "results.total") or {}
    listed = record.get("languages") or record.get("dataset_languages") or []
    return {
        "dataset": record.get("dataset"),
        "model": record.get("model"),
        "languages": [text_of(each) for each in listed],
        "score": total.get(_SCORE),  # type: ignore[attr-defined]
        "half": total.get(f"{_SCORE}_se"),  # type: ignore[attr-defined]
        "validation": bool(record.get("validation_split")),
        "percent": True,
    }


def _shared(record: Mapping[str, Any]) -> dict[str, Any]:
    details = at_path(record, "eval_library.additional_details") or {}
    results = record.get("evaluation_results") or []
    found: Mapping[str, Any] = next(
        (each for each in results if each.get("evaluation_name") == _SCORE), {}
    )
    interval = at_path(found, "score_details.uncertainty.confidence_interval")
    half = None
    if isinstance(interval, Mapping):
        half = (float(interval["upper"]) - float(interval["lower"])) / 2
    return {
        "dataset": details.get("dataset"),  # type: ignore[attr-defined]
        "model": at_path(record, "model_info.name"),
        "languages": [text_of(each) for each in json.loads(details.get("languages") or "[]")],  # type: ignore[attr-defined]
        "score": at_path(found, "score_details.score"),
        "half": half,
        "validation": text_of(details.get("validation_split")).lower() == "true",  # type: ignore[attr-defined]
        "percent": at_path(found, "metric_config.max_score") == 100,
    }


EUROEVAL = Reader("euroeval", "EuroEval results (JSON lines)", _knows, records=_records)
