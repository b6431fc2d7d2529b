"""Responses graded anew against the target beside them, in samples of lm-evaluation-harness."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatstats.logs.readers.documents import json_lines, load_json
from hatstats.logs.readers.reader import text_of

#: Name of the score, and of the filter, of what was graded anew.
REGRADED = "regraded"
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def is_right(response: str, target: str, how: str) -> bool:
    """Whether a response is the target (`exact`), or its last number is that of it (`numeric`)."""
    if how == "exact":
        return response.strip() == target.strip()
    numbers = [_last_number(text) for text in (response, target)]
    return numbers[0] is not None and numbers[0] == numbers[1]


def regraded(path: Path, how: str, *, array: bool) -> Iterator[str]:
    """Lines of a file of samples with the share of right responses, each document once."""
    records: Any = load_json(path)[""] if array else json_lines(path)
    seen = set()
    for record in records:
        if not isinstance(record, dict) or text_of(record.get("doc_id")) in seen:
            continue
        seen.add(text_of(record.get("doc_id")))
        listed = record.get("resps")
        responses = listed[0] if isinstance(listed, list) and listed else []
        target = record.get("target")
        grades = [
            is_right(text, text_of(target), how) for text in responses if isinstance(text, str)
        ]
        known = grades and isinstance(target, str | int | float) and len(grades) == len(responses)
        score = sum(grades) / len(grades) if known else None
        graded = {"filter": REGRADED, "metrics": [REGRADED], REGRADED: score}
        yield json.dumps({**record, "filtered_resps": [responses], **graded}) + "\n"


def _last_number(text: str) -> float | None:
    found = _NUMBER.findall(text)
    return float(found[-1].replace(",", "")) if found else None
