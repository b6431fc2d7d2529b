"""HELM: `per_instance_stats.json` of a run folder, or `scenario_state.json` where it is alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hatstats.logs.configuration import settings_text
from hatstats.logs.readers.documents import load_json
from hatstats.logs.readers.reader import (
    LANGUAGE_FIELDS,
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
from hatstats.logs.task_names import read_task

_STATS, _STATE, _SPEC = "per_instance_stats.json", "scenario_state.json", "run_spec.json"
#: Files of a run folder that hold no single answers.
COMPANIONS = frozenset({_SPEC, "scenario.json", "stats.json", "instances.json",
                        "display_predictions.json", "display_requests.json"})  # fmt: skip

#: How requests are made; arguments of a scenario that choose items.
_ASKED = ("method", "instructions", "temperature", "max_tokens", "num_outputs", "model_deployment",
          "stop_sequences", "global_prefix", "chain_of_thought_prefix")  # fmt: skip
_ITEMS = {*LANGUAGE_FIELDS, "subject", "subset", "split"}


def _matches(preview: Preview) -> bool:
    return preview.path.name in (_STATS, _STATE)


def _records(path: Path, choices: Choices) -> Iterator[Record | LeftOut]:
    if path.name == _STATE and (path.parent / _STATS).exists():
        yield LeftOut("the scores of the same run are read instead", by_rule=True)
        return
    spec_path = path.parent / _SPEC
    spec = load_json(spec_path) if spec_path.exists() else {}
    record = load_json(path)
    run, subject = _run(text_at(spec, "name") or path.parent.name, spec, record)
    is_state = path.name == _STATE
    for entry in record.get("request_states" if is_state else "", []):
        found = _state(entry) if is_state else _stats(entry, choices)
        if isinstance(found, LeftOut):
            yield found
            continue
        item = text_at(entry, "instance.id" if is_state else "instance_id")
        trial = text_at(entry, "train_trial_index")
        # Each draw of examples before the question is a wording of its own.
        named = {"item": f"{subject}{item}", "prompt": trial, "wording": trial}
        yield {**run, **named, "correct": found}


def _run(name: str, spec: Mapping[str, Any], state: Mapping[str, Any]) -> tuple[Record, str]:
    """Model, benchmark and language of a run, and the subject before the names of its items.

    Arguments of its scenario say them, else its name (``scenario:language=de,model=a``).
    """
    scenario, _, rest = name.partition(":")
    in_name = dict(part.split("=", 1) for part in rest.split(",") if "=" in part)
    declared: Any = value_at(spec, "scenario_spec.args") or {}
    arguments = {**in_name, **declared}
    language = first_language(*(text_at(arguments, key) for key in LANGUAGE_FIELDS))
    task = read_task(scenario)
    subject = text_at(arguments, "subject")
    adapter: Any = value_at(spec, "adapter_spec") or value_at(state, "adapter_spec") or {}
    asked = {key: value for key, value in declared.items() if key not in _ITEMS}
    shots = {"num_fewshot": adapter.get("max_train_instances")}
    run: Record = {
        "model": text_at(spec, "adapter_spec.model")
        or text_at(state, "adapter_spec.model")
        or in_name.get("model", "").replace("_", "/", 1),
        "benchmark": scenario if language else task.benchmark,
        "language": language or task.language,
        "config": settings_text({key: adapter.get(key) for key in _ASKED}, shots, asked),
    }
    return run, f"{subject}/" if subject else ""


def _stats(entry: Mapping[str, Any], choices: Choices) -> float | LeftOut:
    """Mean of the score that counts, of one item and trial."""
    if entry.get("perturbation"):
        return LeftOut("a perturbed copy of an item", by_rule=True)
    offered = {
        str(value_at(stat, "name.name")): stat
        for stat in entry.get("stats", [])
        if not value_at(stat, "name.perturbation") and stat.get("count")
    }
    score = pick_score(offered, choices)
    if not score:
        return LeftOut("no score of right and wrong (settings={'metric': 'NAME'} chooses one)")
    return float(offered[score]["sum"]) / float(offered[score]["count"])


def _state(state: Mapping[str, Any]) -> float | str | LeftOut:
    """Grade one request by exact match, as HELM's `exact_match` does."""
    instance = state.get("instance", {})
    completions = value_at(state, "result.completions")
    if instance.get("perturbation"):
        return LeftOut("a perturbed copy of an item", by_rule=True)
    if not isinstance(completions, list) or not completions:
        return "error"  # a request without a completion
    answer = text_at(completions[0], "text")
    answer = text_of(state.get("output_mapping", {}).get(answer, answer))
    right = {
        text_at(reference, "output.text")
        for reference in instance.get("references", [])
        if "correct" in reference.get("tags", [])
    }
    return float(answer in right)


HELM = Reader("helm", _matches, records=_records)
