"""Inspect: `.eval` archives and `.json` logs, sample by sample and epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hatstats.logs.language_codes import is_language
from hatstats.logs.readers.documents import Archive, Broken, load_json
from hatstats.logs.readers.grading import pick_score
from hatstats.logs.readers.reader import Choices, LeftOut, Look, Reader, Record, at_path, text_of
from hatstats.logs.task_names import common_ids, read_task

#: Where a sample or a task names its language, best first; the name of the task comes last.
_LANGUAGES = ("language", "lang", "locale", "target_language", "subset", "subset_name")
_SOURCES = ("source_language", "original_lang", "original_language")


def _knows(look: Look) -> bool:
    if look.kind == "zip":
        return look.path.suffix.lower() == ".eval" or "header.json" in Archive(look.path).names
    return look.kind == "json" and '"eval"' in look.head and '"task"' in look.head


def _records(path: Path, choices: Choices) -> Iterator[Record | LeftOut]:
    if path.suffix.lower() == ".json":
        log = load_json(path)
        yield from _graded(log, list(log.get("samples") or []), choices)
        return
    archive = Archive(path)
    names = archive.names
    start = next((n for n in ("header.json", "_journal/start.json") if n in names), "")
    if not start:
        yield LeftOut("the archive has no header")
        return
    try:
        header = archive.json(start)
        samples: list[Any] = archive.json("summaries.json") if "summaries.json" in names else []
    except Broken as reason:
        yield LeftOut(str(reason))
        return
    if not samples:  # an interrupted run has no summaries yet
        for name in names:
            if name.startswith("samples/") and name.endswith(".json"):
                try:
                    samples.append(archive.json(name))
                except Broken as reason:
                    yield LeftOut(str(reason))
    yield from _graded(header, samples, choices)


def _graded(
    log: Mapping[str, Any], samples: list[Any], choices: Choices
) -> Iterator[Record | LeftOut]:
    if not samples:
        yield LeftOut("the log has no samples (log_samples was off, or the run failed at once)")
        return
    task = read_task(text_of(at_path(log, "eval.task")))
    arguments = at_path(log, "eval.task_args")
    languages = [_language(sample, arguments) or task.language for sample in samples]
    items: list[str] = [text_of(at_path(sample, "id")) for sample in samples]
    for language in set(languages):
        places = [at for at, own in enumerate(languages) if own == language]
        names = list(dict.fromkeys(items[at] for at in places))
        short = dict(zip(names, common_ids(names, language), strict=True))
        for at in places:
            items[at] = short[items[at]]
    run = text_of(at_path(log, "eval.created"))
    for sample, language, item in zip(samples, languages, items, strict=True):
        found = _score(sample, log, choices)
        if isinstance(found, LeftOut):
            yield found
            continue
        # A run that is tried again takes over samples, and each keeps its own id wherever it is.
        own = text_of(at_path(sample, "uuid")) or run
        yield {
            "model": text_of(at_path(log, "eval.model")),
            "benchmark": task.benchmark,
            "language": language,
            "item": item,
            "prompt": f"{text_of(at_path(sample, 'epoch'))}/{own}",
            "correct": found,
            "source_language": next(
                (text_of(at_path(sample, f"metadata.{name}")) for name in _SOURCES
                 if at_path(sample, f"metadata.{name}")), "",
            ),
        }  # fmt: skip


def _language(sample: object, arguments: object) -> str:
    for place in (at_path(sample, "metadata"), arguments):
        for name in _LANGUAGES:
            value = text_of(at_path(place, name))
            if value and is_language(value):
                return value
    return ""


def _score(sample: Any, log: Mapping[str, Any], choices: Choices) -> str | LeftOut:
    """Value of the one score that counts, as text."""
    scores = at_path(sample, "scores")
    if not isinstance(scores, Mapping) or not scores:
        failed = at_path(sample, "error") or at_path(sample, "completed") is False
        return LeftOut("the sample ended in an error" if failed else "the sample has no score")
    declared = at_path(log, "eval.scorers")
    order = [text_of(at_path(each, "name")) for each in declared or []]  # type: ignore[attr-defined]
    wanted = choices.values.get("scorer")
    names = [wanted] if wanted else [*(name for name in order if name in scores), *scores]
    score = scores.get(names[0])
    if score is None:
        return LeftOut(f"the sample has no scorer {names[0]!r}")
    value = score.get("value") if isinstance(score, Mapping) else score
    if isinstance(value, Mapping):
        metric = pick_score(value, choices)
        if not metric:
            return LeftOut(f"which of the values {', '.join(value)} counts? (--set metric=NAME)")
        value = value[metric]
    return text_of(value)


INSPECT = Reader("inspect", "Inspect .eval and .json logs", _knows, records=_records)
