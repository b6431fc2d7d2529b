"""simple-evals: `EVAL_MODEL.json`, one accuracy for each language (MGSM) or one in all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from hatstats.logs.language_codes import is_language
from hatstats.logs.readers.documents import load_json
from hatstats.logs.readers.grading import near_whole
from hatstats.logs.readers.reader import Choices, LeftOut, Look, Reader, Record
from hatstats.logs.task_names import FAMILIES, read_task

_NAME = re.compile(r"(?P<eval>[a-z]+(?:_[A-Z]{2}-[A-Z]{2,4})?)_(?P<model>.+?)(?P<all>_allresults)?")


def _knows(look: Look) -> bool:
    flat = ':std"' in look.head and '"score"' in look.head
    return look.kind in ("json", "jsonl") and look.path.suffix == ".json" and flat


def _records(path: Path, choices: Choices) -> Iterator[Record | LeftOut]:
    found = _NAME.fullmatch(path.stem)
    record = load_json(path)
    metrics = record.get("metrics", record)
    if found is None:
        yield LeftOut("the file's name is not EVAL_MODEL.json")
        return
    if found["all"] and path.with_name(path.name.replace("_allresults", "")).exists():
        yield LeftOut("the same results stand in the file without _allresults", by_rule=True)
        return
    shares = {key: float(value) for key, value in metrics.items() if is_language(key)}
    task = read_task(found["eval"])
    if not shares and task.language and "score" in metrics:
        shares = {task.language: float(metrics["score"])}
    if not shares:
        yield LeftOut("no accuracy of a single language in it")
        return
    size = next((family.size for family in FAMILIES if family.benchmark == task.benchmark), 0)
    given = choices.values.get("n_trials")
    if not given:
        if not size:
            yield LeftOut("the number of items is not in the file (--set n_trials=N)")
            return
        if (grid := coarsest_grid(list(shares.values()), size)) < size / 2:
            yield LeftOut(
                f"all accuracies are multiples of 1/{grid}, so fewer than the {size} items were "
                f"asked (--set n_trials=N)"
            )
            return
    n = float(given or size)
    for language, share in shares.items():
        yield {
            "model": found["model"],
            "benchmark": task.benchmark,
            "language": language,
            "n_correct": near_whole(share * n),
            "n_trials": n,
        }


def coarsest_grid(shares: Sequence[float], most: int) -> int:
    """Smallest m of which all proportions are multiples of 1/m; `most` where there is none below.

    With fewer than three proportions nothing is concluded.
    """
    if len(shares) < 3:
        return most
    for m in range(1, most):
        if all(abs(share * m - round(share * m)) < 1e-6 for share in shares):
            return m
    return most


SIMPLE_EVALS = Reader("simple-evals", "simple-evals EVAL_MODEL.json", _knows, records=_records)
