"""OpenCompass (results with details), NeMo-Skills (`output-rs*.jsonl`) and promptfoo (JSON)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hatstats.logs.configuration import UNKNOWN, settings_text
from hatstats.logs.readers.documents import json_lines, load_json
from hatstats.logs.readers.reader import NOT_JSON, Preview, Reader
from hatstats.logs.readers.schema import (
    ITEM_FIELDS,
    LANGUAGE_FIELDS,
    Choices,
    Layout,
    LeftOut,
    Note,
    Record,
    below,
    text_at,
    total,
    value_at,
)

_OUTPUT = re.compile(r"output(?:-rs(?P<run>\d+)|-greedy)?\.jsonl(?:\.gz)?")
_VERDICTS = ("correct", "is_correct", "cascade_correct")
_SCORES = ("accuracy", "score")
#: What promptfoo calls a test that ended in an error of the provider.
_ERROR = 2
_OPENCOMPASS = Layout(
    item=("example_abbr", "number"),
    prompt=("replica",),
    correct=_VERDICTS,
    response=("pred", "predictions", "prediction", "origin_prediction"),
    target=("answer", "references", "reference", "gold"),
)
_NEMO = Layout(
    model=("model", "model_name"),
    language=(*LANGUAGE_FIELDS, "subset_for_metrics"),
    correct=("verdict",),
    response=("generation",),
    target=("expected_answer",),
)
_PLACES = ("vars", "testCase.vars", "testCase.metadata", "metadata")
_PROMPTFOO = Layout(
    model=("provider.label", "provider.id", "provider"),
    language=tuple(path for place in _PLACES for path in below(place, LANGUAGE_FIELDS)),
    item=(*(path for place in _PLACES for path in below(place, ITEM_FIELDS)), "testIdx"),
    prompt=("trial",),
    wording=("wording",),
    config=("settings",),
    correct=("verdict",),
    response=("response.output",),
    target=below("vars", ("target", "expected", "expected_answer", "answer", "reference")),
)


def _is_opencompass(preview: Preview) -> bool:
    placed = preview.path.parent.parent.name == "results"
    known = any(f'"{name}"' in preview.head for name in ("details", *_SCORES))
    return preview.kind == "json" and placed and known


def _opencompass(path: Path, choices: Choices) -> Iterator[Record | LeftOut | Note]:
    """`RUN/results/MODEL/DATASET.json`: its details are one entry for each item.

    An entry holds one verdict, or a list of one for each time that the data set was asked. Without
    details there is an accuracy in per cent.
    """
    log = load_json(path)
    details = log.get("details")
    listed = details.items() if isinstance(details, dict) else enumerate(details or [])
    entries = [(n, each) for n, each in listed if isinstance(each, Mapping)]  # beside their type
    run = {"model": path.parent.name, "task": path.stem, "prompt": path.parents[2].name}
    if not entries:
        task = choices.task(path.stem)
        names: Record = {"model": run["model"], "benchmark": task.benchmark,
                         "language": task.language, "prompt": run["prompt"]}  # fmt: skip
        score = next((log[name] for name in _SCORES if name in log), None)
        if isinstance(score, int | float) and task.language:
            yield from total(names, score / 100, choices)
        else:
            yield LeftOut("the results have neither details of single items nor an accuracy")
        return
    if not (choices.settings.get("regrade") or any(v in each for _, each in entries
                                                   for v in _VERDICTS)):  # fmt: skip
        yield LeftOut(
            "its details have no verdicts (settings={'regrade': 'exact'} or 'numeric' grades "
            "the predictions in them)", len(entries),
        )  # fmt: skip
        return
    asked: list[dict[str, Any]] = []
    for number, each in entries:
        times = max((len(v) for v in each.values() if isinstance(v, list)), default=1)
        verdict = next((each[name] for name in _VERDICTS if name in each), None)
        if not isinstance(verdict, list):
            asked.append({**each, "number": str(number)})
            continue
        for i in range(times):
            one = {k: v[i] if isinstance(v, list) and len(v) == times else v
                   for k, v in each.items()}  # fmt: skip
            replica = f"{run['prompt']}/{i}" if times > 1 else ""
            asked.append({**one, "number": str(number), "replica": replica})
    # Items are called DATASET_NUMBER, or DATASET_SPLIT_NUMBER.
    for one in asked:
        one["example_abbr"] = text_at(one, "example_abbr").removeprefix(f"{path.stem}_")
    yield from _OPENCOMPASS.answers(run, asked, choices)


def _is_nemo(preview: Preview) -> bool:
    named = _OUTPUT.fullmatch(preview.path.name) is not None
    return preview.kind == "jsonl" and named and "generation" in preview.first


def _nemo(path: Path, choices: Choices) -> Iterator[Record | LeftOut | Note]:
    """`MODEL/eval-results/BENCHMARK/output-rsN.jsonl`; the number is that of the sample.

    Records name no model; all languages of a benchmark stand one after another in one file.
    """
    name = _OUTPUT.fullmatch(path.name)
    folders = [folder.name for folder in path.parents]
    place = next((i for i, name in enumerate(folders) if name.startswith("eval-results")), 0)
    run = {"model": folders[min(place + 1, len(folders) - 1)], "task": folders[0],
           "prompt": (name["run"] if name else "") or ""}  # fmt: skip
    entries = (
        LeftOut(NOT_JSON) if record is None else {**record, "verdict": _judged(record)}
        for record in json_lines(path)
    )
    yield from _NEMO.answers(run, entries, choices)


def _judged(record: Mapping[str, Any]) -> str:
    """Verdict of NeMo-Skills: that of its rules, else that of a judge, who writes Judgement: Yes.

    A judge who says neither could not be read, and counts as the harness counts it.
    """
    verdict = text_at(record, "is_correct", "symbolic_correct")
    judged = text_at(record, "judgement", "judgment")
    if verdict or not judged:
        return verdict
    said = re.match(r"\s*(yes|no)", judged.rsplit("Judgement:", 1)[-1], flags=re.IGNORECASE)
    return said[1] if said and "Judgement:" in judged else "unparsed"


def _is_promptfoo(preview: Preview) -> bool:
    if preview.kind == "jsonl":  # a line for each row, as its second format of output has it
        return {"promptIdx", "testIdx", "success"} <= preview.first.keys()
    return preview.kind == "json" and '"evalId"' in preview.head and '"results"' in preview.head


def _promptfoo(path: Path, choices: Choices) -> Iterator[Record | LeftOut | Note]:
    """The results of one evaluation: a row for each test, repeat, provider and prompt.

    A repeat has a number of its own among the tests, a prompt one for each provider: the label says
    which wording it is.
    """
    lines = ".jsonl" in path.suffixes
    log = {} if lines else load_json(path)
    rows = list(json_lines(path)) if lines else value_at(log, "results.results") or []
    settings = {text_at(each, key): settings_text(value_at(each, "config"))
                for each in value_at(log, "config.providers") or []
                for key in ("id", "label")}  # fmt: skip
    labels = [text_at(row, "prompt.label", "promptId") for row in rows]
    wordings = {label: str(number) for number, label in enumerate(dict.fromkeys(labels))}
    entries: list[Any] = []
    for row, label in zip(rows, labels, strict=True):
        if row is None:
            entries.append(LeftOut(NOT_JSON))
            continue
        failed = row.get("failureReason") == _ERROR or (
            row.get("error") and not row.get("response")
        )
        provider = next((name for path in _PROMPTFOO.model
                         if (name := text_at(row, path)) in settings), "")  # fmt: skip
        entries.append({
            **row,
            "verdict": "error" if failed else row.get("success"),
            "wording": wordings[label] if len(wordings) > 1 else "",
            "trial": f"{text_at(row, 'testIdx')}/{text_at(row, 'promptIdx')}/{path.stem}",
            "settings": settings.get(provider, UNKNOWN),
        })  # fmt: skip
    run = {"benchmark": text_at(log, "config.description") or path.name.split(".")[0]}
    yield from _PROMPTFOO.answers(run, entries, choices)


OPENCOMPASS = Reader("opencompass", _is_opencompass, records=_opencompass, layout=_OPENCOMPASS)
NEMO_SKILLS = Reader("nemo-skills", _is_nemo, records=_nemo, layout=_NEMO)
PROMPTFOO = Reader("promptfoo", _is_promptfoo, records=_promptfoo, layout=_PROMPTFOO)
