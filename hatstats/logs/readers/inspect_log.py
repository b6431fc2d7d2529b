"""Inspect: `.eval` archives and `.json` logs, sample by sample and epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hatstats.logs.configuration import arguments
from hatstats.logs.readers.documents import Archive, Broken, is_archive, load_json
from hatstats.logs.readers.reader import Preview, Reader
from hatstats.logs.readers.schema import (
    LANGUAGE_FIELDS,
    METRICS,
    SOURCE_FIELDS,
    Choices,
    Layout,
    LeftOut,
    Note,
    Record,
    below,
    first_language,
    metric_note,
    text_at,
    value_at,
)

_LANGUAGES = (*LANGUAGE_FIELDS, "subset", "subset_name")
#: What scorers say where a response has no answer to grade.
_NO_ANSWER = "N"
#: Arguments of a task that choose items, not how they are asked.
_SUBSETS = frozenset(
    {*_LANGUAGES, "languages", "langs", "subject", "subjects", "subsets", "shuffle"}
)
_LAYOUT = Layout(
    language=below("metadata", _LANGUAGES),
    item=("id",),
    prompt=("trial",),
    correct=("verdict",),
    source_language=below("metadata", SOURCE_FIELDS),
    response=("output.completion", "output.choices.0.message.content"),
    target=("target",),
    settings={"task_version": ("eval.task_version",)},
    tables=("eval.task_args", "eval.model_args", "eval.model_generate_config"),
    apart=_SUBSETS,
)


def _matches(preview: Preview) -> bool:
    if preview.kind == "zip":
        names = Archive(preview.path).names
        return preview.path.suffix.lower() == ".eval" or "header.json" in names
    return preview.kind == "json" and '"eval"' in preview.head and '"task"' in preview.head


def _records(path: Path, choices: Choices) -> Iterator[Record | LeftOut | Note]:
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
    # Summaries have no responses, and an interrupted run has none yet.
    brief = "summaries.json" in names and not choices.settings.get("regrade")
    try:
        header = archive.json(start)
        samples: list[Any] = archive.json("summaries.json") if brief else []
    except Broken as reason:
        yield LeftOut(str(reason))
        return
    for name in [] if samples else names:
        if name.startswith("samples/") and name.endswith(".json"):
            try:
                samples.append(archive.json(name))
            except Broken as reason:
                yield LeftOut(str(reason))
    yield from _graded(header, samples, choices)


def _graded(
    log: Mapping[str, Any], samples: list[Any], choices: Choices
) -> Iterator[Record | LeftOut | Note]:
    """One record for each sample of a log, or why there is none."""
    if not samples:
        yield LeftOut("the log has no samples (log_samples was off, or the run failed at once)")
        return
    given = arguments(value_at(log, "eval.task_args"))
    run = {
        "model": text_at(log, "eval.model"),
        "task": text_at(log, "eval.task"),
        "language": first_language(*(text_at(given, name) for name in _LANGUAGES)),
        "config": _LAYOUT.run_settings(log),
    }
    scored: Any = next((s for each in samples if (s := value_at(each, "scores"))), {})
    scorer = _scorer(scored, log, choices)
    said = metric_note(choices.task(run["task"]).benchmark, scorer, scored, "scorer")
    entries: list[Any] = [Note(said)] if said else []
    for sample in samples:
        found = _score(sample, log, choices)
        # A retried run takes over samples of the first one, and each keeps its uuid in both logs.
        trial = (
            f"{text_at(sample, 'epoch')}/{text_at(sample, 'uuid') or text_at(log, 'eval.created')}"
        )
        left_out = isinstance(found, LeftOut) and not choices.settings.get("regrade")
        verdict = {METRICS if isinstance(found, Mapping) else "verdict": found}
        entries.append(found if left_out else {**sample, **verdict, "trial": trial})
    yield from _LAYOUT.answers(run, entries, choices)


def _score(sample: Any, log: Mapping[str, Any], choices: Choices) -> object:
    """Value of the scorer that counts, or a table of several, or why there is none."""
    scores = value_at(sample, "scores")
    if not isinstance(scores, Mapping) or not scores:
        failed = value_at(sample, "error") or value_at(sample, "completed") is False
        return "error" if failed else ""
    name = _scorer(scores, log, choices)
    score = scores.get(name)
    if score is None:
        return LeftOut(f"the sample has no scorer {name!r}")
    value = score.get("value") if isinstance(score, Mapping) else score
    return "no answer" if value == _NO_ANSWER else value


def _scorer(scores: Mapping[str, Any], log: Mapping[str, Any], choices: Choices) -> str:
    """The scorer that counts: the user's, else the first that the log declares."""
    declared = [text_at(each, "name") for each in value_at(log, "eval.scorers") or []]
    named = (name for name in (*declared, *scores) if name in scores)
    return choices.settings.get("scorer") or next(named, "")


INSPECT = Reader("inspect", _matches, records=_records, layout=_LAYOUT)
