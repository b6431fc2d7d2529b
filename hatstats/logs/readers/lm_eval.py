"""lm-evaluation-harness: `samples_TASK_DATE.jsonl` item by item, `results_DATE.json` in total.

lmms-eval writes the same under other names.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hatstats.errors import DataError
from hatstats.logs.configuration import arguments, settings_text, what_differs
from hatstats.logs.readers.documents import load_json
from hatstats.logs.readers.reader import Preview, Reader, Rows
from hatstats.logs.readers.schema import (
    ITEM_FIELDS,
    LANGUAGE_FIELDS,
    REGRADED,
    SOURCE_FIELDS,
    Choices,
    Field,
    Layout,
    LeftOut,
    Note,
    Record,
    below,
    metric_note,
    pick_filter,
    pick_score,
    text_at,
    total,
    value_at,
)
from hatstats.logs.task_names import Task, read_task

_DATE = r"(?P<date>\d{4}-\d\d-\d\dT[\d.:-]+|\d{8}_\d{6})"
#: ``samples_TASK_DATE`` since version 0.4.1; lmms-eval, and people, put the date first.
_NAMES = tuple(
    map(re.compile, (rf"(?:samples_)?(?P<task>.+?)_{_DATE}", rf"{_DATE}_(?:samples_)?(?P<task>.+)"))
)
#: ``pretrained__ORG__MODEL_TASK``, the arguments of the model, in version 0.4.0.
_OLD = re.compile(r"(?:pretrained|model|engine)(?:=|__)(?P<rest>.+)")
#: Keys of a sample that are no scores.
_OTHER = frozenset({"doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter",
                    "sample_len", "metrics", "doc_hash", "prompt_hash", "target_hash", "input",
                    "submission", "idx"})  # fmt: skip
_RESULTS = re.compile(r'"results"\s*:\s*\{')
_MODEL_NAMES = ("pretrained", "model", "model_name", "engine", "path")
_SEEDS = ("random_seed", "numpy_seed", "torch_seed", "fewshot_seed")
#: Where tasks of lmms-eval keep the number of a metric that is a table.
_INNER = ("score", "correct", "acc", "accuracy", "exact_match")
_LAYOUT = Layout(
    language=below("doc", LANGUAGE_FIELDS),
    item=("doc_id",),
    source_language=below("doc", SOURCE_FIELDS),
    response=("resps.0", "filtered_resps"),
    target=("target",),
    settings={
        "num_fewshot": ("n-shot.{task}", "config.num_fewshot"),
        "task_version": ("versions.{task}",),
        "system_instruction": ("system_instruction_sha",),
        "chat_template": ("chat_template_sha",),
        "fewshot_as_multiturn": ("fewshot_as_multiturn",),
        "dataset_version": ("configs.{task}.dataset_kwargs.revision",),
        **{seed: (f"config.{seed}",) for seed in _SEEDS},
    },
    tables=("configs.{task}.generation_kwargs", "config.gen_kwargs", "config.model_args"),
    apart=frozenset(_MODEL_NAMES),
)


def _is_samples(preview: Preview) -> bool:
    keys = preview.first.keys()
    return preview.kind == "jsonl" and "doc_id" in keys and bool({"doc", "filtered_resps"} & keys)


def _is_results(preview: Preview) -> bool:
    name = preview.path.name
    named = name.startswith("results") or name.endswith("_results.json")
    named = named or '"versions"' in preview.head
    return preview.kind == "json" and named and bool(_RESULTS.search(preview.head))


def _sample_rows(previews: list[Preview], choices: Choices) -> list[Rows]:
    """Files that agree in their score and their names of items are read as one."""
    groups: dict[tuple[tuple[Field, ...], int], dict[str, dict[str, str]]] = defaultdict(dict)
    notes: dict[str, None] = {}
    folders: dict[Path, dict[str, Mapping[str, Any]]] = {}
    picked: dict[str, set[str]] = defaultdict(set)
    for preview in previews:
        folder = preview.named.parent
        if folder not in folders:
            folders[folder] = _results_of(folder)
        name, date, model = _named(preview.named)
        task = choices.task(name)
        record = folders[folder].get(date, {})
        asked, graded = _responses(preview)
        offered = _scores(preview.first)
        score = pick_score(offered, choices)
        notes[metric_note(task.benchmark, score, offered)] = None
        picked[task.benchmark].add(score or "none")
        fields, items_named = _fields(preview, task, offered.get(score, "metric?"), choices)
        texts = graded > 1 or isinstance(value_at(preview.first, "filtered_resps.0"), str)
        if texts and REGRADED not in preview.first:
            fields += (Field("answer", ("filtered_resps",)),)  # else tables of likelihoods
        used = {path for each in fields for path in each.paths}
        for column, path in choices.fields.items():
            if path not in used:
                notes[
                    f"{task.benchmark}: {path!r} as {column} is not used: samples of lm-eval take "
                    "item and correct from fields that they have."
                ] = None
        if asked > graded:
            notes[
                f"{task.benchmark}: {asked} responses to each item are in the logs, and the first "
                f"alone was graded: the other {asked - 1} are not used "
                "(settings={'regrade': 'exact'} or 'numeric' grades them)."
            ] = None
        config = _LAYOUT.run_settings(record, name) if record else settings_text(_drawn(preview))
        for double in preview.doubles:
            other = folders[folder].get(_named(double)[1])
            if differ := other and what_differs(config, _LAYOUT.run_settings(other, name)):
                notes[
                    f"{name}: {double.name} and {preview.named.name} have the same bytes, though "
                    f"their runs record another {differ}: counted once, as the latter."
                ] = None
        model = model or _model(record) or _model_of_folder(folder, folders[folder])
        if model == folder.name:  # lm-eval calls folders ORG__MODEL
            notes[
                f"No results beside samples say their model: {model!r} is the name of their folder."
            ] = None
        groups[fields, graded][str(preview.path)] = {
            "model": model,
            "benchmark": task.benchmark,
            "language": task.language,
            "wording": task.prompt,
            "config": config,
            "prompt": "/".join(part for part in (task.prompt, date) if part),
            "item_prefix": "" if items_named else task.subset,
        }
    for benchmark, several in picked.items():
        if len(several) > 1:
            notes[
                f"{benchmark}: files are scored by {' and '.join(sorted(several))}: not compared "
                "like for like (settings={'metric': 'NAME'})."
            ] = None
    return [
        Rows("json", tuple(files), fields, files, repeats=graded, notes=tuple(filter(None, notes)))
        for (fields, graded), files in groups.items()
    ]


def _responses(preview: Preview) -> tuple[int, int]:
    """Responses to an item, and how many of them its score is the mean of, by the first sample.

    A filter that takes the first of several leaves one; others leave a list of all.
    """
    asked, left = (value_at(preview.first, f"{name}.0") for name in ("resps", "filtered_resps"))
    if not isinstance(asked, list) or len(asked) < 2 or not isinstance(asked[0], str):
        return 1, 1
    left = asked if REGRADED in preview.first else left
    return len(asked), len(left) if isinstance(left, list) else 1


def _fields(
    preview: Preview, task: Task, score: str, choices: Choices
) -> tuple[tuple[Field, ...], bool]:
    """Fields of one file, and whether its documents name their items themselves.

    Where no rule says which field names an item, an id in the document is kept beside its number.
    """
    inside = value_at(preview.first, "doc") or {}
    names = task.family.items if task.family else ()
    items_named = bool(names) and all(name in inside for name in names)
    item = Field("item", ("doc_id",))
    if items_named:
        item = Field("item", tuple(f"doc.{name}" for name in names), joined=True)
    found = [item, Field("filter", ("filter",)), Field("correct", (score,))]
    if not items_named and "item" not in choices.fields:
        ids = (f"doc.{name}" for name in ITEM_FIELDS if isinstance(inside, Mapping))
        named = [path for path in ids if isinstance(value_at(preview.first, path), str | int)]
        found += [Field("named", tuple(named[:1]))] if named else []
    mapped = {
        column: path
        for column, path in choices.fields.items()
        if column in ("item", "correct") and value_at(preview.first, path) is not None
    }
    found = [Field(f.column, (mapped[f.column],)) if f.column in mapped else f for f in found]
    items_named |= "item" in mapped
    columns = ("source_language",) if task.language else ("language", "source_language")
    return (*found, *_LAYOUT.fields(preview.first, *columns)), items_named


def _scores(first: Mapping[str, object]) -> dict[str, str]:
    """Scores of a sample, each with its path.

    lmms-eval lists none, and keeps the number of a metric in a table of its own.
    """
    listed = first.get("metrics")
    if isinstance(listed, list):
        return {str(name): str(name) for name in listed}
    found = {}
    for name, value in first.items():
        inner = next((key for key in _INNER if isinstance(value, Mapping) and key in value), "")
        if name not in _OTHER and (inner or not isinstance(value, Mapping | list | str)):
            found[name] = f"{name}.{inner}" if inner else name
    return found


def _named(path: Path) -> tuple[str, str, str]:
    """Task, date and model that the name of a file of samples says; empty where it does not."""
    stem = path.name.removesuffix(".gz").removesuffix(".json").removesuffix(".jsonl")
    found = next((each for name in _NAMES if (each := name.fullmatch(stem))), None)
    if found:
        return found["task"], found["date"], ""
    old = _OLD.fullmatch(stem)
    if old is None:
        return stem.removeprefix("samples_"), "", ""
    # A task has underscores as a model has: the longest name of a known task, else the shortest
    # that has a benchmark and a language.
    cuts = [i for i, sign in enumerate(old["rest"]) if sign == "_"]
    tasks = [(cut, read_task(old["rest"][cut + 1 :])) for cut in cuts]
    known = [cut for cut, task in tasks if task.family] or [
        cut for cut, task in reversed(tasks) if task.language and task.benchmark
    ]
    cut = known[0] if known else cuts[-1] if cuts else 0
    model = re.split(r",\w+(?:=|__)", old["rest"][:cut])[0]
    return old["rest"][cut:].removeprefix("_"), "", model.replace("__", "/")


def _results_of(folder: Path) -> dict[str, Mapping[str, Any]]:
    """Files of results in a folder by their dates; one that is broken is reported elsewhere."""
    found = {}
    for path in sorted([*folder.glob("results_*.json"), *folder.glob("*_results.json")]):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(record, Mapping):
            found[path.stem.removeprefix("results_").removesuffix("_results")] = record
    return found


def _model(record: Mapping[str, Any]) -> str:
    """Name of the model of results: its own, or what the arguments of the model say."""
    given = arguments(value_at(record, "config.model_args"))
    return text_at(record, "model_name") or text_at(given, *_MODEL_NAMES)


def _model_of_folder(folder: Path, results: Mapping[str, Mapping[str, Any]]) -> str:
    """Name of the model of samples without results of their date; an error for several."""
    names = sorted({name for record in results.values() if (name := _model(record))})
    if len(names) > 1:
        raise DataError(
            f"samples without results of their own lie beside results of {' and '.join(names)}.",
            file=folder,
            hint="copy the results of each run beside its samples, or give each model a folder.",
        )
    return names[0] if names else folder.name.replace("__", "/")


def _drawn(preview: Preview) -> dict[str, str]:
    """What the first sample shows of the prompt, where no results record the settings."""
    prompt = text_at(preview.first, "prompt_hash")
    return {"prompt_hash": prompt[:8]} if prompt and text_at(preview.first, "doc_id") == "0" else {}


def _totals(path: Path, choices: Choices) -> Iterator[Record | LeftOut | Note]:
    record = load_json(path)
    results, sizes = record.get("results"), record.get("n-samples", {})
    if not isinstance(results, Mapping):
        yield LeftOut("no results in it")
        return
    date = path.stem.removeprefix("results_").removesuffix("_results")
    model = _model(record) or path.parent.name.replace("__", "/")
    groups = {name for name, inner in record.get("group_subtasks", {}).items() if inner}
    for name, scores in results.items():
        if name in groups:
            yield LeftOut("a group, whose tasks are counted themselves", by_rule=True)
        elif any(path.parent.glob(f"samples_{name}_{date}.json*")) or any(
            path.parent.glob(f"{date}_samples_{name}.json*")
        ):
            yield LeftOut("a total whose samples are read instead", by_rule=True)
        else:
            task = choices.task(name)
            names: Record = {"model": model, "benchmark": task.benchmark,
                             "language": task.language, "prompt": date,
                             "config": _LAYOUT.run_settings(record, name)}  # fmt: skip
            yield from _total(names, scores, sizes.get(name), choices)


def _total(
    names: Record, scores: Mapping[str, Any], size: object, choices: Choices
) -> Iterator[Record | LeftOut | Note]:
    """Total of one task from its scores, keys ``metric,filter``."""
    offered: dict[str, dict[str, float]] = defaultdict(dict)
    for key, value in scores.items():
        metric, _, filter_name = key.partition(",")
        if isinstance(value, int | float) and not metric.endswith("_stderr"):
            offered[metric][filter_name or "none"] = float(value)
    metric = pick_score({*offered} - _OTHER, choices)
    if not metric:
        yield LeftOut(f"no score of right and wrong among {', '.join(offered) or 'none'}")
        return
    if said := metric_note(str(names["benchmark"]), metric, {*offered} - _OTHER):
        yield Note(said)
    chosen = pick_filter(offered[metric], choices)
    share = offered[metric].get(chosen)
    if share is None:
        yield LeftOut("it has no such filter")
        return
    recorded = size.get("effective") if isinstance(size, Mapping) else scores.get("sample_len")
    error = scores.get(f"{metric}_stderr,{chosen}", scores.get(f"{metric}_stderr"))
    yield from total(names, share, choices, recorded, error or "none")


SAMPLES = Reader("lm-eval", _is_samples, rows=_sample_rows, layout=_LAYOUT)
RESULTS = Reader("lm-eval-results", _is_results, records=_totals)
