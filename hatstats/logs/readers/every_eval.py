"""every_eval_ever (schema 0.2), totals and instance-level files, and EuroEval's records of means.

EuroEval's records of version 17 and later follow the schema of every_eval_ever, older ones its own.
It evaluates ten bootstrap resamples of one split and publishes their mean p with the
half-width h = 1.96 sd / sqrt(10). The interval measures the noise of that mean, not the sampling of
the N items of the split, so that the variance of p as an accuracy is p (1 - p) / N + (h / 1.96)^2,
and the effective number of trials is p (1 - p) over it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hatstats.logs.languages import is_language
from hatstats.logs.readers.documents import json_lines, load_json
from hatstats.logs.readers.reader import (
    NOT_JSON,
    Choices,
    Field,
    LeftOut,
    Preview,
    Reader,
    Record,
    Rows,
    text_at,
    text_of,
    total_record,
    value_at,
)
from hatstats.logs.task_names import read_task

#: Items of EuroEval's own splits, the same for every data set.
SPLITS = {"val": 256, "test": 2048}
_Z = 1.96
_SCORE = "test_accuracy"


def _is_euroeval(preview: Preview) -> bool:
    own = {"dataset", "task", "model", "results"} <= preview.first.keys()
    shared = text_at(preview.first, "eval_library.name") == "euroeval"
    return preview.kind == "jsonl" and (own or shared)


def _euroeval_records(path: Path, choices: Choices) -> Iterator[Record | LeftOut]:
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


_INSTANCE = (
    Field("model", ("model_id",)),
    Field("task", ("evaluation_name",)),
    Field("item", ("sample_id",)),
    Field("prompt", ("evaluation_id",)),
    Field("correct", ("evaluation.is_correct",)),
)


def _is_aggregate(preview: Preview) -> bool:
    text = preview.head
    schema = '"model_info"' in text or '"schema_version"' in text
    return preview.kind in ("json", "jsonl") and '"evaluation_results"' in text and schema


def _is_instances(preview: Preview) -> bool:
    names = {"evaluation_id", "sample_id", "evaluation"}
    return preview.kind == "jsonl" and names <= preview.first.keys()


def _records(path: Path, choices: Choices) -> Iterator[Record | LeftOut]:
    lines = path.name.removesuffix(".gz").endswith(".jsonl")
    for record in json_lines(path) if lines else [load_json(path)]:
        if record is None:
            yield LeftOut(NOT_JSON)
        elif text_at(record, "eval_library.name") == "euroeval":
            yield euroeval_record(record, choices)
        else:
            for result in record.get("evaluation_results") or []:
                yield _result(record, result, choices)


def _result(
    record: Mapping[str, Any], result: Mapping[str, Any], choices: Choices
) -> Record | LeftOut:
    """One total of a record, or why it does not count."""
    score = value_at(result, "score_details.score")
    if not isinstance(score, int | float):
        return LeftOut("the result has no score")
    name = text_at(result, "evaluation_name")
    task = read_task(name)
    if is_language(name):
        benchmark, language, size = text_at(result, "source_data.dataset_name"), name, 0
    else:
        size = task.family.size if task.family else 0
        benchmark, language = task.benchmark, task.language
    if not language:
        return LeftOut("no language in the name of the result, such as an average over languages")
    used: Any = choices.settings.get("n_trials") or value_at(
        result, "score_details.uncertainty.num_samples"
    )
    n = float(used or size)
    if not n:
        return LeftOut("the number of items is not in the record (settings={'n_trials': 'N'})")
    largest = value_at(result, "metric_config.max_score")
    share = float(score) / (largest if isinstance(largest, int | float) and largest > 0 else 1.0)
    if not 0 <= share <= 1:
        return LeftOut("the score is no proportion")
    model = text_at(record, "model_info.id", "model_info.name")
    return total_record({"model": model, "benchmark": benchmark, "language": language}, share, n)


def _instances(previews: list[Preview], choices: Choices) -> list[Rows]:
    return [Rows("json", tuple(str(preview.path) for preview in previews), _INSTANCE)]


EVERY_EVAL = Reader("every-eval", _is_aggregate, records=_records)
EVERY_EVAL_ITEMS = Reader("every-eval-items", _is_instances, rows=_instances)
EUROEVAL = Reader("euroeval", _is_euroeval, records=_euroeval_records)
