"""Inspect: `.eval` archives and `.json` logs, sample by sample and epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hatstats.logs.configuration import arguments, settings_text
from hatstats.logs.readers.documents import Archive, Broken, is_archive, load_json
from hatstats.logs.readers.reader import (
    LANGUAGE_FIELDS,
    SOURCE_FIELDS,
    Choices,
    LeftOut,
    Preview,
    Reader,
    Record,
    first_language,
    pick_score,
    text_at,
    text_of,
    value_at,
)
from hatstats.logs.task_names import common_ids

_LANGUAGE_FIELDS = (*LANGUAGE_FIELDS, "subset", "subset_name")
#: Arguments of a task that choose items, not how they are asked.
_SUBSETS = {*_LANGUAGE_FIELDS, "languages", "langs", "subject", "subjects", "subsets", "shuffle"}


def _matches(preview: Preview) -> bool:
    if preview.kind == "zip":
        names = Archive(preview.path).names
        return preview.path.suffix.lower() == ".eval" or "header.json" in names
    return preview.kind == "json" and '"eval"' in preview.head and '"task"' in preview.head


def _records(path: Path, choices: Choices) -> Iterator[Record | LeftOut]:
    if not is_archive(path):
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
    """One record for each sample of a log, or why there is none."""
    if not samples:
        yield LeftOut("the log has no samples (log_samples was off, or the run failed at once)")
        return
    task = choices.task(text_at(log, "eval.task"))
    given = value_at(log, "eval.task_args")
    languages = [
        first_language(
            *(text_at(sample, f"metadata.{name}") for name in _LANGUAGE_FIELDS),
            *(text_at(given, name) for name in _LANGUAGE_FIELDS),
        )
        or task.language
        for sample in samples
    ]
    asked = {
        k: v for k, v in arguments(value_at(log, "eval.task_args")).items() if k not in _SUBSETS
    }
    settings = settings_text(
        asked,
        value_at(log, "eval.model_args"),
        value_at(log, "eval.model_generate_config"),
        {"task_version": text_at(log, "eval.task_version")},
    )
    ids = [text_at(sample, "id") for sample in samples]
    items: dict[tuple[str, str], str] = {}
    for language in set(languages):
        names = list(dict.fromkeys(i for i, own in zip(ids, languages, strict=True)
                                   if own == language))  # fmt: skip
        short = common_ids(names, language)
        items |= {(language, name): item for name, item in zip(names, short, strict=True)}
    for sample, language, name in zip(samples, languages, ids, strict=True):
        score = _score(sample, log, choices)
        if isinstance(score, LeftOut):
            yield score
            continue
        # A retried run takes over samples of the first one, and each keeps its uuid in both logs.
        run = text_at(sample, "uuid") or text_at(log, "eval.created")
        yield {
            "model": text_at(log, "eval.model"),
            "benchmark": task.benchmark,
            "language": language,
            "item": items[language, name],
            "prompt": f"{text_at(sample, 'epoch')}/{run}",
            "correct": score,
            "config": settings,
            "source_language": text_at(sample, *(f"metadata.{name}" for name in SOURCE_FIELDS)),
        }


def _score(sample: Any, log: Mapping[str, Any], choices: Choices) -> str | LeftOut:
    """Value of the one score that counts, as text."""
    scores = value_at(sample, "scores")
    if not isinstance(scores, Mapping) or not scores:
        failed = value_at(sample, "error") or value_at(sample, "completed") is False
        return "error" if failed else ""
    declared: Any = value_at(log, "eval.scorers") or []
    order = [text_at(each, "name") for each in declared]
    wanted = choices.settings.get("scorer")
    name = wanted or next((name for name in (*order, *scores) if name in scores), "")
    score = scores.get(name)
    if score is None:
        return LeftOut(f"the sample has no scorer {name!r}")
    value = score.get("value") if isinstance(score, Mapping) else score
    if isinstance(value, Mapping):
        metric = pick_score(value, choices)
        if not metric:
            which = f"which of the values {', '.join(value)} counts?"
            return LeftOut(which + " (settings={'metric': 'NAME'})")
        value = value[metric]
    return text_of(value)


INSPECT = Reader("inspect", _matches, records=_records)
