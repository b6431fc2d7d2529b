"""lighteval: details in Parquet, `details/ORG/MODEL/DATE/details_TASK_DATE.parquet`."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from hatstats.logs.readers.grading import pick_score
from hatstats.logs.readers.reader import Choices, Field, Look, Reader, Rows, text_of
from hatstats.logs.task_names import read_task


def _knows(look: Look) -> bool:
    return look.kind == "parquet" and {"doc", "metric", "doc.id"} <= look.first.keys()


def _rows(looks: list[Look], choices: Choices) -> list[Rows]:
    groups: dict[tuple[Field, ...], dict[str, dict[str, str]]] = defaultdict(dict)
    for look in looks:
        offered = [name.split(".", 1)[1] for name in look.first if name.startswith("metric.")]
        score = pick_score(offered, choices)
        fields = (
            Field("item", ("doc.id",)),
            Field("correct", (f"metric.{score}" if score else "metric?",)),
        )
        task = read_task(_task(look.path))
        groups[fields][str(look.path)] = {
            "model": _model(look.path),
            "benchmark": task.benchmark,
            "language": task.language,
            "prompt": look.path.parent.name,
            "item_prefix": task.subset,
        }
    return [Rows("parquet", tuple(files), fields, files) for fields, files in groups.items()]


def _task(path: Path) -> str:
    """Name of the task: the first document says it, whatever the file is called."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=1, columns=["doc.task_name"]):
            return text_of(batch.to_pylist()[0]["doc"].get("task_name"))
    return path.stem.removeprefix("details_")


def _model(path: Path) -> str:
    parts = path.parts
    if "details" in parts:
        at = len(parts) - 1 - parts[::-1].index("details")
        return "/".join(parts[at + 1 : -2]) or parts[-2]
    return path.parent.name


LIGHTEVAL = Reader("lighteval", "lighteval details (Parquet)", _knows, rows=_rows)
