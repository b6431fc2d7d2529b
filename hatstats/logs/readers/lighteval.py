"""lighteval: details in Parquet, `details/ORG/MODEL/DATE/details_TASK_DATE.parquet`."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from hatstats.logs.readers.documents import whole_table
from hatstats.logs.readers.reader import Preview, Reader, Rows
from hatstats.logs.readers.schema import (
    REGRADED,
    Choices,
    Field,
    Layout,
    metric_note,
    pick_score,
    text_at,
    value_at,
)


def _gold(record: Any) -> list[object]:
    """The choice, or choices, that are right."""
    choices, right = value_at(record, "doc.choices") or [], value_at(record, "doc.gold_index")
    return [choices[i] for i in (right if isinstance(right, list) else [right]) if i is not None]


_LAYOUT = Layout(
    item=("doc.id",),
    response=("model_response.text",),
    target=_gold,
    tables=("config_general.model_config",),
    apart=frozenset({"model_name", "pretrained"}),
)


def _matches(preview: Preview) -> bool:
    return preview.kind == "parquet" and {"doc", "metric", "doc.id"} <= preview.first.keys()


def _rows(previews: list[Preview], choices: Choices) -> list[Rows]:
    """Files that agree in their score are read as one."""
    groups: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
    notes: dict[str, None] = {}
    for preview in previews:
        offered = [name.split(".", 1)[1] for name in preview.first if name.startswith("metric.")]
        score = pick_score(offered, choices)
        correct = f"metric.{score}" if score else "metric?"
        path = preview.named
        name = _task(path)
        task = choices.task(name)
        notes[metric_note(task.benchmark, score, offered)] = None
        groups[REGRADED if preview.original else correct][str(preview.path)] = {
            "model": _model(path),
            "benchmark": task.benchmark,
            "language": task.language,
            "prompt": path.parent.name,
            "config": _settings(path, name),
            "item_prefix": task.subset,
        }
    return [
        Rows("json" if correct == REGRADED else "parquet", tuple(files),
             (Field("item", _LAYOUT.item), Field("correct", (correct,))), files,
             notes=tuple(filter(None, notes)))
        for correct, files in groups.items()
    ]  # fmt: skip


def _task(path: Path) -> str:
    """Name of the task: that of the first document, whatever the file is called."""
    import pyarrow.parquet

    with whole_table(path, "parquet"), pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=1, columns=["doc.task_name"]):
            return text_at(batch.to_pylist()[0], "doc.task_name")
    return path.stem.removeprefix("details_")


def _settings(path: Path, task: str) -> str:
    """Settings of a run: shots in the name of the task, the model's in its results."""
    shots = task.rsplit("|", 1)[-1] if "|" in task else ""
    parts, date = path.parts, path.parent.name
    config: Any = {}
    if "details" in parts:
        start = len(parts) - parts[::-1].index("details") - 1
        results = Path(*parts[:start], "results", *parts[start + 1 : -2], f"results_{date}.json")
        try:
            config = json.loads(results.read_text("utf-8"))
        except (OSError, ValueError):
            config = {}  # details alone say nothing of the model's settings
    return _LAYOUT.run_settings(config, num_fewshot=shots)


def _model(path: Path) -> str:
    """Name of the model: the folders between the last ``details`` and the date."""
    parts = path.parts
    if "details" not in parts:
        return path.parent.name
    start = len(parts) - parts[::-1].index("details")
    return "/".join(parts[start:-2]) or parts[-2]


LIGHTEVAL = Reader("lighteval", _matches, rows=_rows, layout=_LAYOUT)
