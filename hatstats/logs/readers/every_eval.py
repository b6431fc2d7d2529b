"""every_eval_ever (schemas 0.2 and 0.3), totals and instances, and EuroEval's records of means.

EuroEval's records of version 17 and later follow the schema of every_eval_ever, older ones its own.
It evaluates ten bootstrap resamples of one split and publishes their mean p with the
half-width h = 1.96 sd / sqrt(10). The interval measures the noise of that mean, not the sampling of
the N items of the split, so that the variance of p as an accuracy is p (1 - p) / N + (h / 1.96)^2,
and the effective number of trials is p (1 - p) over it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hatstats.logs.configuration import settings_text
from hatstats.logs.readers.documents import json_lines, load_json
from hatstats.logs.readers.reader import NOT_JSON, Preview, Reader, Rows
from hatstats.logs.readers.schema import (
    REGRADED,
    Choices,
    Field,
    Layout,
    LeftOut,
    Note,
    Record,
    metric_note,
    pick_score,
    text_at,
    text_of,
    total,
    value_at,
    which_metric,
)
from hatstats.logs.task_names import read_task
from hatstats.study.languages.tags import is_language

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
    shared = "eval_library.additional_details"
    named = value_at(record, f"{shared}.languages")
    languages = (
        record.get("languages") or record.get("dataset_languages") or json.loads(named or "[]")
    )
    score, half_width = _euroeval_score(record)
    if score is None:
        return LeftOut("the record has no accuracy (test_accuracy)")
    if len(languages) != 1:
        return LeftOut("the record covers more than one language, or names none")
    language, dataset = text_of(languages[0]), text_at(record, "dataset", f"{shared}.dataset")
    said = text_at(record, "validation_split", f"{shared}.validation_split").lower()
    task = choices.task(dataset)
    if not task.language:  # the English set has no language in its name
        task = read_task(f"{dataset}_{language}")
    split = "val" if said == "true" else "test"
    n = float(choices.of("n_trials", task.benchmark, language) or SPLITS[split])
    variance = score * (1 - score)
    trials = variance / (variance / n + (half_width / _Z) ** 2) if variance > 0 else n
    return {
        "model": text_at(record, "model", "model_info.name"),
        "benchmark": task.benchmark,
        "language": language,
        "n_correct": score * trials,
        "n_trials": trials,
    }


def _euroeval_score(record: Mapping[str, Any]) -> tuple[float | None, float]:
    """Mean accuracy of the resamples as a proportion, and the half-width of its interval."""
    results = record.get("evaluation_results") or []
    result: Any = next((each for each in results if each.get("evaluation_name") == _SCORE), {})
    own = value_at(record, "results.total") or {}
    score = own.get(_SCORE, value_at(result, "score_details.score"))
    if score is None:
        return None, 0.0
    ends = value_at(result, "score_details.uncertainty.confidence_interval") or {}
    width = (float(ends["upper"]) - float(ends["lower"])) / 2 if ends else own.get(f"{_SCORE}_se")
    most = 100 if own or value_at(result, "metric_config.max_score") == 100 else 1
    scale = 100 if float(score) > 1 else most
    return float(score) / scale, float(width or 0.0) / scale


_INSTANCE = (
    Field("model", ("model_id",)),
    Field("task", ("evaluation_name",)),
    Field("item", ("sample_id",)),
    Field("prompt", ("evaluation_id",)),
    # A sample that counts in several results has a record for each: they are kept apart.
    Field("config", ("evaluation_result_id",), joined=True),
)
_ANSWER = Layout(item=("sample_id",), response=("output.raw",), target=("input.reference",))
#: Kinds of metrics that are shares of right answers, where a record says the kind.
_KINDS = frozenset({"accuracy", "exact_match", "em", "pass_rate", "pass@1", "correctness"})


def _is_aggregate(preview: Preview) -> bool:
    text = preview.head
    schema = '"model_info"' in text or '"schema_version"' in text
    return preview.kind in ("json", "jsonl") and '"evaluation_results"' in text and schema


def _is_instances(preview: Preview) -> bool:
    names = {"evaluation_id", "sample_id", "evaluation"}
    return preview.kind == "jsonl" and names <= preview.first.keys()


def _records(path: Path, choices: Choices) -> Iterator[Record | LeftOut | Note]:
    lines = path.name.removesuffix(".gz").endswith(".jsonl")
    for record in json_lines(path) if lines else [load_json(path)]:
        if record is None:
            yield LeftOut(NOT_JSON)
        elif text_at(record, "eval_library.name") == "euroeval":
            yield euroeval_record(record, choices)
        else:
            yield from _results(record, choices)


def _results(record: Mapping[str, Any], choices: Choices) -> Iterator[Record | LeftOut | Note]:
    """Totals of a record, of one metric for each benchmark and language."""
    groups: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for result in record.get("evaluation_results") or []:
        name = text_at(result, "evaluation_name")
        metric = text_at(result, "metric_config.metric_name", "metric_config.metric_id",
                         "metric_config.evaluation_description")  # fmt: skip
        kind = text_at(result, "metric_config.metric_kind").lower()
        task = choices.task(name)
        benchmark, language = task.benchmark, task.language
        if is_language(name):
            benchmark, language = text_at(result, "source_data.dataset_name"), name
        if value_at(result, "metric_config.lower_is_better") is True:
            yield LeftOut(f"less is better in {metric or name}: no share of right", by_rule=True)
        elif kind and kind not in _KINDS and choices.settings.get("metric") != metric:
            yield LeftOut(f"{metric or name} is no share of right answers ({kind})", by_rule=True)
        elif not language:
            yield LeftOut(
                "no language in the name of the result, such as an average over languages"
            )
        elif metric in groups[benchmark, language]:
            yield LeftOut(f"a second {metric or 'score'} of one benchmark and language")
        else:
            groups[benchmark, language][metric] = result
    for (benchmark, language), offered in groups.items():
        chosen = pick_score(offered, choices) or (min(offered) if "" in offered else "")
        if chosen not in offered:
            yield which_metric(offered, len(offered))
            continue
        others = sorted(set(offered) - {chosen})
        if others:
            yield LeftOut(f"another metric than {chosen}", len(others), by_rule=True)
        # Records choose one by one: where they choose differently, the notes say so.
        if chosen:
            said = metric_note(benchmark, chosen, offered)
            yield Note(said or f"{benchmark}: the metric is {chosen}.")
        names: Record = {
            "model": text_at(record, "model_info.id", "model_info.name"),
            "benchmark": benchmark,
            "language": language,
            "prompt": text_at(record, "evaluation_id"),
            "config": settings_text(value_at(offered[chosen], "generation_config.generation_args")),
        }
        score = value_at(offered[chosen], "score_details.score")
        if not isinstance(score, int | float):
            yield LeftOut("the result has no score")
            continue
        largest = value_at(offered[chosen], "metric_config.max_score")
        share = score / (largest if isinstance(largest, int | float) and largest > 0 else 1.0)
        size = value_at(offered[chosen], "score_details.uncertainty.num_samples")
        yield from total(names, share, choices, size)


def _instances(previews: list[Preview], choices: Choices) -> list[Rows]:
    groups: dict[str, list[str]] = defaultdict(list)
    for preview in previews:
        correct = REGRADED if REGRADED in preview.first else "evaluation.is_correct"
        groups[correct].append(str(preview.path))
    return [Rows("json", tuple(files), (*_INSTANCE, Field("correct", (correct,))))
            for correct, files in groups.items()]  # fmt: skip


EVERY_EVAL = Reader("every-eval", _is_aggregate, records=_records)
EVERY_EVAL_ITEMS = Reader("every-eval-items", _is_instances, rows=_instances, layout=_ANSWER)
EUROEVAL = Reader("euroeval", _is_euroeval, records=_euroeval_records)
