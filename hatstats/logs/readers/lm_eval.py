"""lm-evaluation-harness: `samples_TASK_DATE.jsonl` item by item, `results_DATE.json` in total."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hatstats.logs.readers.documents import load_json
from hatstats.logs.readers.reader import (
    LANGUAGE_FIELDS,
    SOURCE_FIELDS,
    Choices,
    Field,
    LeftOut,
    Preview,
    Reader,
    Record,
    Rows,
    pick_filter,
    pick_score,
    text_at,
    total_record,
)
from hatstats.logs.task_names import Task, read_task

_NAME = re.compile(r"(?:samples_)?(?P<task>.+?)_(?P<date>\d{4}-\d\d-\d\dT[\d.:-]+)")
#: Keys of a sample that are no scores.
_OTHER = frozenset({"doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter",
                    "metrics", "doc_hash", "prompt_hash", "target_hash"})  # fmt: skip


def _is_samples(preview: Preview) -> bool:
    return preview.kind == "jsonl" and {"doc_id", "doc"} <= preview.first.keys()


def _is_results(preview: Preview) -> bool:
    named = preview.path.name.startswith("results")
    return preview.kind == "json" and '"results"' in preview.head and named


def _sample_rows(previews: list[Preview], choices: Choices) -> list[Rows]:
    """Files that agree in their score and their names of items are read as one."""
    groups: dict[tuple[Field, ...], dict[str, dict[str, str]]] = defaultdict(dict)
    models: dict[Path, str] = {}
    for preview in previews:
        stem = preview.path.name.removesuffix(".gz").removesuffix(".jsonl")
        name = _NAME.fullmatch(stem)
        task = read_task(name["task"] if name else stem.removeprefix("samples_"))
        fields, items_named = _fields(preview, task, choices)
        folder = preview.path.parent
        if folder not in models:
            models[folder] = _model(folder)
        groups[fields][str(preview.path)] = {
            "model": models[folder],
            "benchmark": task.benchmark,
            "language": task.language,
            "wording": task.prompt,
            "prompt": "/".join(
                part for part in (task.prompt, name["date"] if name else "") if part
            ),
            "item_prefix": "" if items_named else task.subset,
        }
    return [Rows("json", tuple(files), fields, files) for fields, files in groups.items()]


def _fields(preview: Preview, task: Task, choices: Choices) -> tuple[tuple[Field, ...], bool]:
    """Fields of one file, and whether its documents name their items themselves."""
    document = preview.first.get("doc")
    inside = document if isinstance(document, Mapping) else {}
    names = task.family.items if task.family else ()
    items_named = bool(names) and all(name in inside for name in names)
    item = Field("item", ("doc_id",))
    if items_named:
        item = Field("item", tuple(f"doc.{name}" for name in names), joined=True)
    listed = preview.first.get("metrics")
    offered = listed if isinstance(listed, list) else [k for k in preview.first if k not in _OTHER]
    score = pick_score(map(str, offered), choices)
    found = [item, Field("filter", ("filter",)), Field("correct", (score or "metric?",))]
    searched = {"language": () if task.language else LANGUAGE_FIELDS,
                "source_language": SOURCE_FIELDS}  # fmt: skip
    for column, candidates in searched.items():
        present = [f"doc.{name}" for name in candidates if name in inside]
        if present:
            found.append(Field(column, (present[0],)))
    return tuple(found), items_named


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
    model = text_at(record, "model_name") or path.parent.name.replace("__", "/")
    groups = {name for name, inner in record.get("group_subtasks", {}).items() if inner}
    for name, scores in results.items():
        if name in groups:
            yield LeftOut("a group, whose tasks are counted themselves", by_rule=True)
        elif any(path.parent.glob(f"samples_{name}_{date}.jsonl*")):
            yield LeftOut("a total whose samples are read instead", by_rule=True)
        else:
            task = read_task(name)
            names: Record = {"model": model, "benchmark": task.benchmark,
                             "language": task.language, "prompt": date}  # fmt: skip
            yield _total(names, scores, sizes.get(name), choices)


def _total(
    names: Record, scores: Mapping[str, Any], size: object, choices: Choices
) -> Record | LeftOut:
    """Total of one task from its scores, keys ``metric,filter``."""
    offered: dict[str, dict[str, float]] = defaultdict(dict)
    for key, value in scores.items():
        metric, _, filter_name = key.partition(",")
        if isinstance(value, int | float) and not metric.endswith("_stderr"):
            offered[metric][filter_name or "none"] = float(value)
    metric = pick_score([name for name in offered if name != "sample_len"], choices)
    trials = size.get("effective") if isinstance(size, Mapping) else scores.get("sample_len")
    n = choices.settings.get("n_trials") or trials
    if not metric:
        return LeftOut(f"no score of right and wrong among {', '.join(offered) or 'none'}")
    if not n:
        return LeftOut("the number of items is not in the file (settings={'n_trials': 'N'})")
    share = offered[metric].get(pick_filter(offered[metric], choices))
    if share is None:
        return LeftOut("it has no such filter")
    return total_record(names, share, float(n))


SAMPLES = Reader("lm-eval", _is_samples, rows=_sample_rows)
RESULTS = Reader("lm-eval-results", _is_results, records=_totals)
