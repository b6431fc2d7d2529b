"""Small inputs that people really have, each with the counts that are true of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

import hatstats
from tests.logs.writers import write_lines

#: Right answers of 60 by model and language.
RIGHT = {"A": {"en": 31, "de": 29, "yo": 25}, "B": {"en": 47, "de": 42, "yo": 39}}
N_ITEMS = 60
Cells = dict[tuple[str, str], tuple[float, float]]


def quiz(seed: int = 5) -> pd.DataFrame:
    """One row for each answer: `model, language, benchmark, item, correct`, as `RIGHT` says."""
    rng = np.random.default_rng(seed)
    rows = []
    for model, languages in RIGHT.items():
        for language, right in languages.items():
            answers = rng.permutation(np.arange(N_ITEMS) < right)
            rows += [(model, language, "quiz", f"q{i}", int(x)) for i, x in enumerate(answers)]
    return pd.DataFrame(rows, columns=["model", "language", "benchmark", "item", "correct"])


def truth(frame: pd.DataFrame, column: str = "correct") -> Cells:
    """Right answers and trials by model and language, by a loop over rows."""
    counts: Cells = {}
    for row in frame.to_dict("records"):
        key = (str(row["model"]), str(row["language"]))
        right, trials = counts.get(key, (0.0, 0.0))
        counts[key] = (right + float(row[column]), trials + 1.0)
    return counts


def cells(study: hatstats.Study) -> Cells:
    """Right answers and trials by model and language of a study."""
    sums = study.counts.groupby(["model", "language"])[["n_correct", "n_trials"]].sum()
    return {(str(m), str(c)): (float(k), float(n)) for (m, c), (k, n) in sums.iterrows()}


def samples(
    path: Path, scores: list[float], *, metric: str = "acc", filters: tuple[str, ...] = ("none",),
    responses: int = 1, graded: int = 1, **more: object,
) -> None:  # fmt: skip
    """A file of samples of lm-evaluation-harness, with several responses if asked for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_lines(
        path,
        [
            {"doc_id": i, "doc": {"question": f"Question {i}"}, "target": "7",
             "resps": [["x"] * responses], "filtered_resps": [["7"] * graded] if graded > 1 else
             ["7"], "filter": name, "metrics": [metric], metric: score, **more}
            for name in filters
            for i, score in enumerate(scores)
        ],
    )  # fmt: skip


def results(path: Path, scores: dict[str, float], *, shots: int = 0, n: int = 0,
            model_args: str = "pretrained=org/a", **more: object) -> None:  # fmt: skip
    """A file of results of lm-evaluation-harness, without numbers of items if `n` is 0."""
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "results": {task: {"acc,none": score} for task, score in scores.items()},
        "group_subtasks": {},
        "configs": {task: {"task": task} for task in scores},
        "n-shot": dict.fromkeys(scores, shots),
        "n-samples": {task: {"original": n, "effective": n} for task in scores} if n else {},
        "config": {"model": "hf", "model_args": model_args},
        **more,
    }
    path.write_text(json.dumps(record, indent=1))


def answers(right: int, n: int = N_ITEMS, seed: int = 1) -> list[float]:
    """Scores 1 and 0 in an order of their own."""
    return np.random.default_rng(seed).permutation(np.arange(n) < right).astype(float).tolist()
