"""HELM: `per_instance_stats.json` of a run folder, or `scenario_state.json` where it is alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hatstats.logs.readers.documents import load_json
from hatstats.logs.readers.reader import Preview, Reader
from hatstats.logs.readers.schema import (
    LANGUAGE_FIELDS,
    METRICS,
    Choices,
    Layout,
    LeftOut,
    Note,
    Record,
    first_language,
    text_at,
    text_of,
    value_at,
)

_STATS, _STATE, _SPEC = "per_instance_stats.json", "scenario_state.json", "run_spec.json"
#: Files of a run folder that hold no single answers.
COMPANIONS = frozenset({_SPEC, "scenario.json", "stats.json", "instances.json",
                        "display_predictions.json", "display_requests.json"})  # fmt: skip
#: How requests are made; arguments of a scenario that choose items.
_ASKED = ("method", "instructions", "temperature", "max_tokens", "num_outputs", "model_deployment",
          "stop_sequences", "global_prefix", "chain_of_thought_prefix")  # fmt: skip
_ITEMS = frozenset({*LANGUAGE_FIELDS, "subject", "subset", "split"})


def _right_answers(state: Any) -> list[str]:
    """Texts of the references of a request that are tagged as correct."""
    references = value_at(state, "instance.references") or []
    return [text_at(each, "output.text") for each in references if "correct" in each["tags"]]


#: Each draw of examples before the question is a wording of its own.
_LAYOUT = Layout(
    item=("item",),
    prompt=("train_trial_index",),
    wording=("train_trial_index",),
    correct=("verdict",),
    response=("answer",),
    target=_right_answers,
    settings={**{name: (f"adapter_spec.{name}",) for name in _ASKED},
              "num_fewshot": ("adapter_spec.max_train_instances",)},
    tables=("scenario_spec.args",),
    apart=_ITEMS,
)  # fmt: skip


def _matches(preview: Preview) -> bool:
    return preview.path.name in (_STATS, _STATE)


def _records(path: Path, choices: Choices) -> Iterator[Record | LeftOut | Note]:
    other = path.with_name(_STATS if path.name == _STATE else _STATE)
    # Answers alone can be graded anew; else the scores that HELM gave them are read.
    is_state = path.name == _STATE
    if other.exists() and is_state != bool(choices.settings.get("regrade")):
        what = "answers" if other.name == _STATE else "scores"
        yield LeftOut(f"the {what} of the same run are read instead", by_rule=True)
        return
    spec_path = path.with_name(_SPEC)
    spec = load_json(spec_path) if spec_path.exists() else {}
    log = load_json(path)
    run, subject = _run(text_at(spec, "name") or path.parent.name, spec, log)
    entries = []
    for entry in log.get("request_states" if is_state else "", []):
        item = text_at(entry, "instance.id", "instance_id")
        found = _state(entry) if is_state else _stats(entry)
        if not isinstance(found, LeftOut):
            found = {**entry, **found, "item": f"{subject}{item}"}
        entries.append(found)
    yield from _LAYOUT.answers(run, entries, choices)


def _run(name: str, spec: Mapping[str, Any], state: Mapping[str, Any]) -> tuple[Record, str]:
    """What a run says of its answers, and the subject before the names of its items.

    Arguments of its scenario say it, else its name (``scenario:language=de,model=a``).
    """
    scenario, _, rest = name.partition(":")
    in_name = dict(part.split("=", 1) for part in rest.split(",") if "=" in part)
    declared: Any = value_at(spec, "scenario_spec.args") or {}
    arguments = {**in_name, **declared}
    language = first_language(*(text_at(arguments, key) for key in LANGUAGE_FIELDS))
    subject = text_at(arguments, "subject")
    said = {**state, **spec} if isinstance(state, Mapping) else spec
    run: Record = {
        "model": text_at(said, "adapter_spec.model")
        or in_name.get("model", "").replace("_", "/", 1),
        "task": scenario,
        "config": _LAYOUT.run_settings(said),
    }
    run |= {"benchmark": scenario, "language": language} if language else {}
    return run, f"{subject}/" if subject else ""


def _stats(entry: Mapping[str, Any]) -> dict[str, Any] | LeftOut:
    """Mean scores of one item and trial."""
    if entry.get("perturbation"):
        return LeftOut("a perturbed copy of an item", by_rule=True)
    means = {
        str(value_at(stat, "name.name")): float(stat["sum"]) / float(stat["count"])
        for stat in entry.get("stats", [])
        if not value_at(stat, "name.perturbation") and stat.get("count")
    }
    return {METRICS: means}


def _state(state: Mapping[str, Any]) -> dict[str, Any] | LeftOut:
    """Grade one request by exact match, as HELM's `exact_match` does."""
    if value_at(state, "instance.perturbation"):
        return LeftOut("a perturbed copy of an item", by_rule=True)
    if not value_at(state, "result.completions"):
        return {"verdict": "error"}  # a request without a completion
    answer = text_at(state, "result.completions.0.text")
    answer = text_of(state.get("output_mapping", {}).get(answer, answer))
    return {"answer": answer, "verdict": float(answer in _right_answers(state))}


HELM = Reader("helm", _matches, records=_records, layout=_LAYOUT)
