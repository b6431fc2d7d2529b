"""HELM: `per_instance_stats.json` of a run folder, or `scenario_state.json` where it is alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hatstats.logs.language_codes import is_language
from hatstats.logs.readers.documents import load_json
from hatstats.logs.readers.grading import pick_score
from hatstats.logs.readers.reader import Choices, LeftOut, Look, Reader, Record, at_path, text_of
from hatstats.logs.task_names import read_task

_STATS, _STATE, _SPEC = "per_instance_stats.json", "scenario_state.json", "run_spec.json"
_LANGUAGES = ("language", "lang", "target_language", "locale")
#: Files of a run folder that say nothing of single answers.
COMPANIONS = frozenset({_SPEC, "scenario.json", "stats.json", "instances.json",
                        "display_predictions.json", "display_requests.json"})  # fmt: skip


def _knows(look: Look) -> bool:
    return look.path.name in (_STATS, _STATE)


def _records(path: Path, choices: Choices) -> Iterator[Record | LeftOut]:
    if path.name == _STATE and (path.parent / _STATS).exists():
        yield LeftOut("the scores of the same run are read instead", by_rule=True)
        return
    spec_path = path.parent / _SPEC
    spec = load_json(spec_path) if spec_path.exists() else {}
    record = load_json(path)
    run = _run(text_of(spec.get("name")) or path.parent.name, spec, record)
    if path.name == _STATE:
        yield from _states(record, run)
        return
    for entry in record.get("", []):
        yield _instance(entry, run, choices)


def _run(name: str, spec: Mapping[str, Any], state: Mapping[str, Any]) -> Record:
    """Model, benchmark and language of a run: arguments of its scenario, else its name."""
    scenario, _, rest = name.partition(":")
    told = dict(part.split("=", 1) for part in rest.split(",") if "=" in part)
    arguments = {**told, **(at_path(spec, "scenario_spec.args") or {})}  # type: ignore[dict-item]
    told_languages = [text_of(arguments[key]) for key in _LANGUAGES if key in arguments]
    language = next((name for name in told_languages if is_language(name)), "")
    task = read_task(scenario)
    model = (
        text_of(at_path(spec, "adapter_spec.model"))
        or text_of(at_path(state, "adapter_spec.model"))
        or told.get("model", "").replace("_", "/", 1)
    )
    subject = text_of(arguments.get("subject"))
    return {
        "model": model,
        "benchmark": scenario if language else task.benchmark,
        "language": language or task.language,
        "item_prefix": f"{subject}/" if subject else "",
    }


def _instance(entry: Mapping[str, Any], run: Record, choices: Choices) -> Record | LeftOut:
    if entry.get("perturbation"):
        return LeftOut("a perturbed copy of an item", by_rule=True)
    offered = {
        str(at_path(stat, "name.name")): stat
        for stat in entry.get("stats", [])
        if not at_path(stat, "name.perturbation") and stat.get("count")
    }
    score = pick_score(offered, choices)
    if not score:
        return LeftOut("no score of right and wrong (--set metric=NAME chooses one)")
    stat = offered[score]
    return _row(run, entry.get("instance_id"), entry.get("train_trial_index"),
                float(stat["sum"]) / float(stat["count"]))  # fmt: skip


def _states(record: Mapping[str, Any], run: Record) -> Iterator[Record | LeftOut]:
    """Grade requests by exact match, as HELM's `exact_match` does."""
    for state in record.get("request_states", []):
        instance = state.get("instance", {})
        completions = at_path(state, "result.completions")
        if instance.get("perturbation"):
            yield LeftOut("a perturbed copy of an item", by_rule=True)
        elif not isinstance(completions, list) or not completions:
            yield LeftOut("the request has no completion")
        else:
            said = text_of(completions[0].get("text"))
            said = text_of(state.get("output_mapping", {}).get(said, said))
            gold = {
                text_of(at_path(reference, "output.text"))
                for reference in instance.get("references", [])
                if "correct" in reference.get("tags", [])
            }
            yield _row(run, instance.get("id"), state.get("train_trial_index"), float(said in gold))


def _row(run: Record, item: object, trial: object, correct: float) -> Record:
    row = {key: value for key, value in run.items() if key != "item_prefix"}
    item = f"{run['item_prefix']}{text_of(item)}"
    return {**row, "item": item, "prompt": text_of(trial), "correct": correct}


HELM = Reader("helm", "HELM per_instance_stats.json or scenario_state.json", _knows,
              records=_records)  # fmt: skip
