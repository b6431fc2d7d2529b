"""simple-evals: `EVAL_MODEL.json`, one accuracy for each language (MGSM) or one in all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from hatstats.logs.readers.documents import load_json
from hatstats.logs.readers.reader import Preview, Reader
from hatstats.logs.readers.schema import Choices, LeftOut, Note, Record, total, usual_size
from hatstats.study.languages.tags import is_language

_NAME = re.compile(r"(?P<eval>[a-z]+(?:_[A-Z]{2}-[A-Z]{2,4})?)_(?P<model>.+?)(?P<all>_allresults)?")


def _matches(preview: Preview) -> bool:
    flat = ':std"' in preview.head and '"score"' in preview.head
    return preview.kind in ("json", "jsonl") and preview.path.suffix == ".json" and flat


def _records(path: Path, choices: Choices) -> Iterator[Record | LeftOut | Note]:
    name = _NAME.fullmatch(path.stem)
    record = load_json(path)
    metrics = record.get("metrics", record)
    if name is None:
        yield LeftOut("the file's name is not EVAL_MODEL.json")
        return
    if name["all"] and path.with_name(path.name.replace("_allresults", "")).exists():
        yield LeftOut("the same results stand in the file without _allresults", by_rule=True)
        return
    shares = {key: float(value) for key, value in metrics.items() if is_language(key)}
    task = choices.task(name["eval"])
    if not shares and task.language and "score" in metrics:
        shares = {task.language: float(metrics["score"])}
    if not shares:
        yield LeftOut("no accuracy of a single language in it")
        return
    size = usual_size(task.benchmark)
    grid = _coarsest_grid(list(shares.values()), size)
    if grid < size / 2 and not choices.of("n_trials", task.benchmark):
        yield LeftOut(
            f"all accuracies are multiples of 1/{grid}, so fewer than the {size} items were "
            "asked (settings={'n_trials': 'N'})"
        )
        return
    for language, share in shares.items():
        names: Record = {"model": name["model"], "benchmark": task.benchmark, "language": language}
        yield from total(names, share, choices)


def _coarsest_grid(shares: Sequence[float], largest: int) -> int:
    """Smallest m such that all proportions are multiples of 1/m, at most `largest`.

    With fewer than three proportions nothing is concluded.
    """
    grids = range(1, largest if len(shares) >= 3 else 1)
    fitting = (m for m in grids if all(abs(x * m - round(x * m)) < 1e-6 for x in shares))
    return next(fitting, largest)


SIMPLE_EVALS = Reader("simple-evals", _matches, records=_records)
