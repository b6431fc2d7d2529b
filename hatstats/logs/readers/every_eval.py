"""every_eval_ever: aggregate records (schema 0.2) and the lines of its instance-level files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hatstats.logs.readers.documents import json_lines, load_json
from hatstats.logs.readers.euroeval import euroeval_record
from hatstats.logs.readers.grading import NOT_JSON, total_record
from hatstats.logs.readers.reader import (
    Choices,
    Field,
    LeftOut,
    Preview,
    Reader,
    Record,
    Rows,
    text_at,
    value_at,
)
from hatstats.logs.task_names import is_language, read_task

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
        return LeftOut("the number of items is not in the record (--set n_trials=N)")
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
