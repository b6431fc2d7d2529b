"""lm-evaluation-harness: `samples_TASK_DATE.jsonl` item by item, `results_DATE.json` in total."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hatstats.logs.readers.documents import load_json
from hatstats.logs.readers.grading import near_whole, pick_score
from hatstats.logs.readers.reader import (
    Choices,
    Field,
    LeftOut,
    Look,
    Reader,
    Record,
    Rows,
    text_of,
)
from hatstats.logs.task_names import Task, read_task

_NAME = re.compile(r"(?:samples_)?(?P<task>.+?)_(?P<date>\d{4}-\d\d-\d\dT[\d.:-]+)")
#: Keys of a sample that are no scores.
_OTHER = frozenset({"doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter",
                    "metrics", "doc_hash", "prompt_hash", "target_hash"})  # fmt: skip
#: Where a document names its language, for tasks whose names do not.
_LANGUAGES = ("language", "lang", "locale", "target_language")
_SOURCES = ("original_lang", "original_language", "source_language")


def _is_samples(look: Look) -> bool:
    return look.kind == "jsonl" and {"doc_id", "doc"} <= look.first.keys()


def _is_results(look: Look) -> bool:
    return look.kind == "json" and '"results"' in look.head and look.path.name.startswith("results")


def _sample_rows(looks: list[Look], choices: Choices) -> list[Rows]:
    """Files that agree in their score and their names of items are read as one."""
    groups: dict[tuple[Field, ...], dict[str, dict[str, str]]] = defaultdict(dict)
    models: dict[Path, str] = {}
    for look in looks:
        task_name, date = _task_and_date(look.path)
        task = read_task(task_name)
        fields, own = _fields(look, task, choices)
        folder = look.path.parent
        if folder not in models:
            models[folder] = _model(folder)
        facts = {
            "model": models[folder],
            "benchmark": task.benchmark,
            "language": task.language,
            "prompt": "/".join(part for part in (task.prompt, date) if part),
            "item_prefix": "" if own else task.subset,
        }
        groups[fields][str(look.path)] = facts
    return [Rows("json", tuple(files), fields, files) for fields, files in groups.items()]


def _fields(look: Look, task: Task, choices: Choices) -> tuple[tuple[Field, ...], bool]:
    """Fields of one file, and whether its documents name their items themselves."""
    doc = look.first.get("doc")
    inside = doc if isinstance(doc, Mapping) else {}
    named = task.family.items if task.family else ()
    own = bool(named) and all(name in inside for name in named)
    item = Field("item", tuple(f"doc.{name}" for name in named), joined=True) if own else (
        Field("item", ("doc_id",))
    )  # fmt: skip
    listed = look.first.get("metrics")
    offered = listed if isinstance(listed, list) else [k for k in look.first if k not in _OTHER]
    score = pick_score(map(str, offered), choices)
    found = [item, Field("filter", ("filter",)), Field("correct", (score or "metric?",))]
    for column, names in (("language", _LANGUAGES), ("source_language", _SOURCES)):
        if column == "language" and task.language:
            continue
        if there := [f"doc.{name}" for name in names if name in inside]:
            found.append(Field(column, tuple(there[:1])))
    return tuple(found), own


def _task_and_date(path: Path) -> tuple[str, str]:
    stem = path.name.removesuffix(".gz").removesuffix(".jsonl")
    found = _NAME.fullmatch(stem)
    return (found["task"], found["date"]) if found else (stem.removeprefix("samples_"), "")


def _model(folder: Path) -> str:
    """Name of the model: of the results beside the samples, else of the folder."""
    for path in sorted(folder.glob("results_*.json")):
        try:
            name = json.loads(path.read_text(encoding="utf-8")).get("model_name")
        except (OSError, ValueError, AttributeError):
            continue  # a broken file of results is reported where results are read
        if name:
            return str(name)
    return folder.name.replace("__", "/")


def _totals(path: Path, choices: Choices) -> Iterator[Record | LeftOut]:
    record = load_json(path)
    results, sizes = record.get("results"), record.get("n-samples", {})
    if not isinstance(results, Mapping):
        yield LeftOut("no results in it")
        return
    date = path.stem.removeprefix("results_")
    model = text_of(record.get("model_name")) or path.parent.name.replace("__", "/")
    groups = {name for name, inner in record.get("group_subtasks", {}).items() if inner}
    for name, scores in results.items():
        if name in groups:
            yield LeftOut("a group, whose tasks are counted themselves", by_rule=True)
        elif any(path.parent.glob(f"samples_{name}_{date}.jsonl*")):
            yield LeftOut("a total whose samples are read instead", by_rule=True)
        else:
            yield from _total(name, scores, sizes.get(name), (model, date), choices)


def _total(
    name: str, scores: Mapping[str, Any], size: object, run: tuple[str, str], choices: Choices
) -> Iterator[Record | LeftOut]:
    offered: dict[str, dict[str, float]] = defaultdict(dict)
    for key, value in scores.items():
        metric, _, filtered = key.partition(",")
        if isinstance(value, int | float) and not metric.endswith("_stderr"):
            offered[metric][filtered or "none"] = float(value)
    metric = pick_score([name for name in offered if name != "sample_len"], choices)
    given = choices.values.get("n_trials")
    trials = size.get("effective") if isinstance(size, Mapping) else scores.get("sample_len")
    if not metric:
        yield LeftOut(f"no score of right and wrong among {', '.join(offered) or 'none'}")
    elif not (trials or given):
        yield LeftOut("the number of items is not in the file (--set n_trials=N)")
    else:
        task, n = read_task(name), float(given or trials or 0)
        from hatstats.logs.readers.grading import pick_filter

        share = offered[metric].get(pick_filter(offered[metric], choices))
        if share is None:
            yield LeftOut("it has no such filter")
            return
        yield {
            "model": run[0],
            "benchmark": task.benchmark,
            "language": task.language,
            "prompt": run[1],
            "n_correct": near_whole(share * n),
            "n_trials": n,
        }


SAMPLES = Reader("lm-eval", "lm-evaluation-harness samples_*.jsonl", _is_samples, rows=_sample_rows)
RESULTS = Reader(
    "lm-eval-results", "lm-evaluation-harness results_*.json", _is_results, records=_totals
)
