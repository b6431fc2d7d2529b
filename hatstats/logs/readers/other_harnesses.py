"""OpenCompass (results with details), NeMo-Skills (`output-rs*.jsonl`) and promptfoo (JSON)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hatstats.logs.configuration import settings_text
from hatstats.logs.readers.documents import json_lines, load_json
from hatstats.logs.readers.reader import (
    LANGUAGE_FIELDS,
    NOT_JSON,
    Choices,
    LeftOut,
    Preview,
    Reader,
    Record,
    first_language,
    text_at,
    text_of,
    value_at,
)

#: Fields in which an answer names its question, the same in all languages.
_ITEM_FIELDS = ("item", "item_id", "id", "question_id", "problem_id", "doc_id", "idx")
#: Verdicts of NeMo-Skills, the preferred first; a judge writes ``Judgement: Yes``.
_VERDICTS = ("is_correct", "symbolic_correct", "judgement", "predicted_answer_correct")
_OUTPUT = re.compile(r"output(?:-rs(?P<run>\d+))?\.jsonl(?:\.gz)?")
#: What promptfoo calls a test that ended in an error of the provider.
_ERROR = 2


def _is_opencompass(preview: Preview) -> bool:
    placed = preview.path.parent.parent.name == "results"
    return preview.kind == "json" and placed and '"details"' in preview.head


def _opencompass(path: Path, choices: Choices) -> Iterator[Record | LeftOut]:
    """`results/MODEL/DATASET.json`; its details are one entry for each item, by number."""
    details = load_json(path).get("details")
    task = choices.task(path.stem)
    entries = enumerate(details) if isinstance(details, list) else dict(details or {}).items()
    found = False
    for number, entry in entries:
        if not isinstance(entry, Mapping):  # the kind of the data set stands among the items
            continue
        found = True
        verdict = next((entry[name] for name in ("correct", "is_correct") if name in entry), None)
        verdict = verdict[0] if isinstance(verdict, list) and len(verdict) == 1 else verdict
        yield {
            "model": path.parent.name,
            "benchmark": task.benchmark,
            "language": task.language,
            "item": text_of(number),
            "correct": text_of(verdict),
        }
    if not found:
        yield LeftOut("the results have no details of single items")


def _is_nemo(preview: Preview) -> bool:
    named = _OUTPUT.fullmatch(preview.path.name) is not None
    return preview.kind == "jsonl" and named and "generation" in preview.first


def _nemo(path: Path, choices: Choices) -> Iterator[Record | LeftOut]:
    """`MODEL/eval-results/BENCHMARK/output-rsN.jsonl`; the number is that of the sample."""
    name = _OUTPUT.fullmatch(path.name)
    run = (name["run"] if name else "") or ""
    task = choices.task(path.parent.name)
    folders = [folder.name for folder in path.parents]
    place = folders.index("eval-results") if "eval-results" in folders else 0
    for number, record in enumerate(json_lines(path)):
        if record is None:
            yield LeftOut(NOT_JSON)
            continue
        verdict = next((record[key] for key in _VERDICTS if record.get(key) is not None), None)
        said = re.search(r"judgement:\s*(yes|no)", text_of(verdict), flags=re.IGNORECASE)
        yield {
            "model": text_at(record, "model", "model_name") or folders[place + 1],
            "benchmark": task.benchmark,
            "language": first_language(*(text_at(record, key) for key in LANGUAGE_FIELDS))
            or task.language,
            "item": text_at(record, *_ITEM_FIELDS) or str(number),
            "prompt": run,
            "correct": said[1] if said else text_of(verdict),
        }


def _is_promptfoo(preview: Preview) -> bool:
    return preview.kind == "json" and '"evalId"' in preview.head and '"results"' in preview.head


def _promptfoo(path: Path, choices: Choices) -> Iterator[Record | LeftOut]:
    """The results of one evaluation: a row for each test, prompt and provider."""
    log = load_json(path)
    rows: Any = value_at(log, "results.results") or []
    benchmark = text_at(log, "config.description") or path.stem
    for row in rows:
        test = f"{text_at(row, 'testIdx')}"
        places = ("vars", "testCase.metadata", "metadata")
        item = [text_at(row, f"{place}.{key}") for place in places for key in _ITEM_FIELDS]
        spoken = [text_at(row, f"{place}.{key}") for place in places for key in LANGUAGE_FIELDS]
        failed = row.get("failureReason") == _ERROR or (
            row.get("error") and not row.get("response")
        )
        yield {
            "model": text_at(row, "provider.label", "provider.id", "provider"),
            "benchmark": benchmark,
            "language": first_language(*spoken),
            "item": next(filter(None, item), test),
            "wording": text_at(row, "promptIdx"),
            "prompt": f"{text_at(row, 'promptIdx')}/{text_at(row, 'repeatIndex')}/{path.stem}",
            "correct": "error" if failed else text_of(row.get("success")),
            "config": settings_text(value_at(row, "provider.config")),
        }


OPENCOMPASS = Reader("opencompass", _is_opencompass, records=_opencompass)
NEMO_SKILLS = Reader("nemo-skills", _is_nemo, records=_nemo)
PROMPTFOO = Reader("promptfoo", _is_promptfoo, records=_promptfoo)
