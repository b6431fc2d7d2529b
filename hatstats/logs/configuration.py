"""Under which settings a run was made, and which runs of one model must not be added up.

A run's settings are one text of names and values, as a harness recorded them. Runs of a model
and benchmark that differ in a seed alone are repeats; a draw of examples is a wording; anything
else (revision, shots, template, temperature) makes another model of it, named by what differs.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

#: Settings that make repeats, and those that make wordings.
SEEDS = frozenset({"seed", "random_seed", "numpy_seed", "torch_seed", "sampling_seed"})
DRAWS = frozenset({"fewshot_seed", "prompt_hash"})
#: Settings that change no answer: where a run was made, how fast, and how much of it.
_IDLE = frozenset(
    {"batch_size", "max_batch_size", "device", "device_map", "limit", "epochs", "log_samples",
     "use_cache", "cache_requests", "cache_dir", "bootstrap_iters", "parallelize", "num_concurrent",
     "max_retries", "max_connections", "timeout", "attempt_timeout", "base_url", "api_key",
     "trust_remote_code", "tensor_parallel_size", "data_parallel_size", "gpu_memory_utilization",
     "batch_sizes", "predict_only", "write_out", "verbosity", "output_path", "max_samples",
     "log_level", "display", "fail_on_error", "tokenizer_backend", "max_tasks", "max_subprocesses"}
)  # fmt: skip
#: Settings that differ by language as a matter of course, so that languages are not compared.
_LOCAL = frozenset({"until", "stop_seqs", "stop_sequences", "task_version", "dataset_version",
                    "instructions", "description"})  # fmt: skip
_LONGEST = 40
#: Between the settings of a text, and the text of a log that records none.
SEPARATOR, UNKNOWN = "\x1f", "?"
#: Most ways in which runs of one model are kept apart: what has more is no setting of runs.
_MOST = 12
#: Columns of plain tables that are settings of a run.
CONDITIONS = frozenset(
    {"revision", "checkpoint", "ckpt", "step", "steps", "train_step", "training_step", "n_shot",
     "n_shots", "num_shots", "shots", "shot", "num_fewshot", "n_fewshot", "fewshot", "few_shot",
     "k_shot", "temperature", "temp", "quantization", "precision", "dtype", "system_prompt",
     "config", "configuration", "setting", "settings", "condition", "mode", "cot", "reasoning",
     "chain_of_thought", "reasoning_effort", "thinking", "prompt_type", "prompt_style",
     "prompt_language", "strategy", "method", "variant", "version", "dataset_version",
     "experiment", "setup", "chat_template", "scorer", "judge", "split"}
)  # fmt: skip
#: Ends of names that make a column a setting, whatever stands before: ``decoding_temperature``.
_ENDS = ("_temperature", "_revision", "_checkpoint", "_shots", "_fewshot", "_quantization",
         "_dtype", "_precision")  # fmt: skip
Run = tuple[str, str, str, str, int]


@dataclass(frozen=True, slots=True)
class Kept:
    """What a run is called: the model's `name` with what differs, and its `wording` if drawn."""

    name: str
    wording: str = ""


def is_condition(name: str) -> bool:
    """Whether a column of a plain table, by its plain name, is a setting of a run."""
    return name in CONDITIONS or name.endswith(_ENDS)


def settings_text(*parts: object) -> str:
    """Settings of several sources as one text, `UNKNOWN` where there is none.

    Inner tables are taken apart.
    """
    found: dict[str, str] = {}
    for part in parts:
        _gather(part, found)
    return SEPARATOR.join(f"{name}={found[name]}" for name in sorted(found)) or UNKNOWN


def _parsed(text: str) -> dict[str, str]:
    pairs = (part.split("=", 1) for part in text.split(SEPARATOR) if "=" in part)
    return {name: value for name, value in pairs if value}


def what_differs(one: str, other: str) -> str:
    """Names of the settings in which two texts of settings differ, with both values."""
    runs = [_parsed(one), _parsed(other)]
    shown = (f"{name} ({' and '.join(run.get(name, 'none') for run in runs)})"
             for name in sorted(_differing(runs)))  # fmt: skip
    return ", ".join(shown)


def _gather(part: object, found: dict[str, str], name: str = "") -> None:
    if isinstance(part, Mapping):
        for key, value in part.items():
            _gather(value, found, str(key))
    elif name and name not in _IDLE and part not in (None, "", [], ()):
        text = json.dumps(part) if isinstance(part, list) else str(part)
        found[name] = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 7]}...{len(text)}"


def arguments(text: object) -> dict[str, object]:
    """Arguments of a model, ``pretrained=a,revision=b`` or a table already."""
    if isinstance(text, Mapping):
        return dict(text)
    parts = (part.split("=", 1) for part in re.split(r",(?=\w+=)", str(text or "")))
    return {pair[0].strip(): pair[1].strip() for pair in parts if len(pair) == 2}


def runs_apart(runs: Iterable[Run]) -> tuple[dict[tuple[str, str, str], Kept], list[str]]:
    """Names for runs that differ in more than a seed, and notes that say what differs.

    `runs` are (model, benchmark, language, settings, number of them), each once. Returns what runs
    are called by (model, benchmark, settings), without those that keep their name.
    """
    groups: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    repeated: set[tuple[str, str]] = set()
    for model, benchmark, language, settings, number in runs:
        groups[model, benchmark][language].add(settings)
        if _parsed(settings).keys() <= DRAWS and number > 1:  # all that samples show themselves
            repeated.add((model, benchmark))
    kept: dict[tuple[str, str, str], Kept] = {}
    notes: list[str] = []
    by_benchmark: dict[str, dict[str, list[dict[str, str]]]] = defaultdict(dict)
    for (model, benchmark), languages in groups.items():
        parsed = {text: _parsed(text) for text in sorted(set().union(*languages.values()))}
        differing = {
            name
            for each in languages.values()
            for name in _differing([parsed[known] for known in each if known != UNKNOWN])
        }
        conditions, draws = differing - SEEDS - DRAWS, differing & DRAWS
        if len({_called(model, settings, conditions) for settings in parsed.values()}) > _MOST:
            notes.append(
                f"{benchmark}: {', '.join(sorted(conditions))} of {model} have more than {_MOST} "
                "values in all: not taken as settings of runs, whose answers are added up."
            )
            conditions = set()
        names: dict[str, list[dict[str, str]]] = defaultdict(list)
        for text, run in parsed.items():
            new = _called(model, run, conditions)
            wording = " ".join(run.get(name, "") for name in sorted(draws)).strip()
            names[new].append(run)
            if new != model or wording:
                kept[model, benchmark, text] = Kept(new, wording)
        if len(names) > 1:
            shown = ", ".join(map(repr, names))
            notes.append(
                f"{benchmark}: runs of {model} differ in {', '.join(sorted(conditions))}: kept "
                f"apart as {shown}."
            )
        if draws:
            notes.append(
                f"{benchmark}: runs of {model} differ in {', '.join(sorted(draws))}: taken as "
                "wordings of the same items."
            )
        mixed = any(UNKNOWN in each and len(each) > 1 for each in languages.values())
        if mixed or (model, benchmark) in repeated:
            notes.append(
                f"{benchmark}: runs of {model} whose settings are not in the logs are taken as "
                "repeats of one another, though they may differ in shots or revision: lay the "
                "results file of each beside its samples, or each run in a folder named after it."
            )
        notes += _between_languages(model, benchmark, languages, parsed, conditions)
        by_benchmark[benchmark] |= names
    for benchmark, models in by_benchmark.items():
        notes += _between_models(benchmark, models)
    return kept, notes


def _differing(runs: list[dict[str, str]]) -> set[str]:
    """Settings in which runs differ; one that a run does not name has its default there."""
    names = {name for run in runs for name in run}
    return {name for name in names if len({run.get(name, "") for run in runs}) > 1}


def _called(model: str, settings: Mapping[str, str], conditions: set[str]) -> str:
    """A model's name with the settings in which its runs differ."""
    said = [f"{name}={settings[name]}" for name in sorted(conditions) if settings.get(name)]
    return f"{model} ({', '.join(said)})" if said else model


def _between_languages(
    model: str, benchmark: str, languages: Mapping[str, set[str]],
    parsed: Mapping[str, dict[str, str]], apart: set[str],
) -> list[str]:  # fmt: skip
    """Say which settings of a model differ from language to language, in runs that stay one."""
    first = {lang: parsed[max(texts)] for lang, texts in languages.items() if texts != {UNKNOWN}}
    notes = []
    for name in sorted(_differing(list(first.values())) - _LOCAL - SEEDS - DRAWS - apart):
        shown = _by_value({lang: run.get(name, "default") for lang, run in first.items()})
        notes.append(f"{benchmark}: {model} was asked with another {name} by language: {shown}.")
    return notes


def _between_models(benchmark: str, models: Mapping[str, list[dict[str, str]]]) -> list[str]:
    """Say how many examples models were shown, or were not, where that differs between them."""
    shots = {
        m: run["num_fewshot"] for m, runs in models.items() for run in runs if "num_fewshot" in run
    }
    if len(set(shots.values())) < 2 or any("num_fewshot=" in name for name in models):
        return []
    return [f"{benchmark}: models were asked with another num_fewshot: {_by_value(shots)}."]


def _by_value(values: Mapping[str, str]) -> str:
    """Values, each with the names that have it: ``0 (en), 5 (de, sw)``."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name, value in sorted(values.items()):
        groups[value].append(name)
    return ", ".join(f"{value} ({', '.join(names[:6])})" for value, names in groups.items())
