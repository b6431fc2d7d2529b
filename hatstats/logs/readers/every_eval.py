"""every_eval_ever: aggregate records (schema 0.2) and the lines of its instance-level files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hatstats.logs.language_codes import is_language
from hatstats.logs.readers.documents import json_lines, load_json
from hatstats.logs.readers.euroeval import euroeval_record
from hatstats.logs.readers.grading import near_whole
from hatstats.logs.readers.reader import (
    Choices,
    Field,
    LeftOut,
    Look,
    Reader,
    Record,
    Rows,
    at_path,
    text_of,
)
from hatstats.logs.task_names import read_task

_INSTANCE = (
    Field("model", ("model_id",)),
    Field("task", ("evaluation_name",)),
    Field("item", ("sample_id",)),
    Field("prompt", ("evaluation_id",)),
    Field("correct", ("evaluation.is_correct",)),
)


def _is_aggregate(look: Look) -> bool:
    text = look.head
    return look.kind in ("json", "jsonl") and '"evaluation_results"' in text and (
        '"model_info"' in text or '"schema_version"' in text
    )  # fmt: skip


def _is_instances(look: Look) -> bool:
    return (
        look.kind == "jsonl" and {"evaluation_id", "sample_id", "evaluation"} <= look.first.keys()
    )


def _records(path: Path, choices: Choices) -> Iterator[Record | LeftOut]:
    lines = path.name.removesuffix(".gz").endswith(".jsonl")
    for record in json_lines(path) if lines else [load_json(path)]:
        if record is None:
            yield LeftOut("the line is not a whole JSON object")
        elif at_path(record, "eval_library.name") == "euroeval":
            yield euroeval_record(record, choices)
        else:
            for result in record.get("evaluation_results") or []:
                yield _result(record, result, choices)


def _result(
    record: Mapping[str, Any], result: Mapping[str, Any], choices: Choices
) -> Record | LeftOut:
    score = at_path(result, "score_details.score")
    if not isinstance(score, int | float):
        return LeftOut("the result has no score")
    name = text_of(result.get("evaluation_name"))
    dataset = text_of(at_path(result, "source_data.dataset_name"))
    if is_language(name):
        benchmark, language, size = dataset, name, None
    else:
        task = read_task(name)
        benchmark, language = task.benchmark, task.language
        size = task.family.size if task.family else None
    if not language:
        return LeftOut("no language in the name of the result, such as an average over languages")
    used = choices.values.get("n_trials") or at_path(
        result, "score_details.uncertainty.num_samples"
    )
    n = float(str(used or size or 0))
    if not n:
        return LeftOut("the number of items is not in the record (--set n_trials=N)")
    top = at_path(result, "metric_config.max_score")
    share = float(score) / (float(top) if isinstance(top, int | float) and top > 0 else 1.0)
    if not 0 <= share <= 1:
        return LeftOut("the score is no proportion")
    return {
        "model": text_of(at_path(record, "model_info.id") or at_path(record, "model_info.name")),
        "benchmark": benchmark,
        "language": language,
        "n_correct": near_whole(share * n),
        "n_trials": n,
    }


def _instances(looks: list[Look], choices: Choices) -> list[Rows]:
    return [Rows("json", tuple(str(look.path) for look in looks), _INSTANCE)]


EVERY_EVAL = Reader("every-eval", "every_eval_ever records", _is_aggregate, records=_records)
EVERY_EVAL_ITEMS = Reader(
    "every-eval-items", "every_eval_ever instance-level JSON lines", _is_instances, rows=_instances
)
