"""Which method is taken without a name, by trials and by models."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import hatstats as hs
from hatstats.estimators.methods import (
    _method_for_items,
    _trial_words,
    default_method,
    is_panel,
)
from hatstats.scores.counts import ItemCounts

EIGHT = tuple(np.linspace(-1.0, 2.0, 8))


@pytest.mark.parametrize(
    ("models", "trials", "expected"),
    [(8, 1, "panel"), (8, 3, "panel"), (8, 4, "latent"), (7, 1, "joint"), (7, 2, "latent")],
)
def test_method_by_models_and_trials(models: int, trials: int, expected: str) -> None:
    study = hs.simulate_study(EIGHT[:models], shape=hs.Shape(30, 2, trials), rng=1)
    method, why = default_method(study)
    assert method == expected
    assert why.startswith(f"Method {expected}: items")


def test_models_of_the_same_weights_are_one() -> None:
    study = hs.simulate_study(EIGHT, shape=hs.Shape(30, 2, 1), rng=1)
    names = list(study.model_names)
    weights = [*names[:6], "twin", "twin"]
    twins = replace(study, models=study.models.assign(weights=weights))
    assert default_method(twins)[0] == "joint"
    # Unknown weights are a model's own.
    unknown = replace(study, models=study.models.assign(weights=[None] * 8))
    assert default_method(unknown)[0] == "panel"


def test_models_without_items_in_common_are_no_panel() -> None:
    study = hs.simulate_study(EIGHT, shape=hs.Shape(30, 2, 1), rng=1)
    items = study.counts["item"].drop_duplicates().to_numpy()
    first = study.counts["item"].isin(items[:15])
    own = (study.counts["model"] == study.model_names[0]) == first
    assert default_method(replace(study, counts=study.counts[own]))[0] == "joint"


def test_reason_stands_in_the_result() -> None:
    study = hs.simulate_study(EIGHT, shape=hs.Shape(60, 2, 1), rng=2)
    text = " ".join(hs.fit_profile(study).hat().summary().split())
    assert "Method panel: items have one trial in the source language, and the answers" in text
    assert "about the panel's hardness by" in text


def asked(each: float, *worth: float, models: int = 2, **facts: object) -> ItemCounts:
    """What the choice of a method reads of the counts of a benchmark with 5 items."""
    given: dict[str, object] = {"benchmark": "quiz", "chance": 0.0, "trials": "wordings"}
    given |= {"unlabelled": False, "models": tuple(f"m{m}" for m in range(models))}
    given |= {"effective_trials": np.array(worth), "source_trials": np.full((models, 5), each)}
    return SimpleNamespace(**(given | facts))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (asked(1.0, 1.0), "one trial"),
        (asked(5.0, 5.0), "5 trials in different wordings"),
        (asked(5.0, 2.345), "5 trials in different wordings (worth 2.35)"),
        (asked(5.0, 3.0, 1.5), "5 trials in different wordings (worth 1.5 to 3)"),
        (asked(4.0, 4.0, trials="repeats"), "4 trials of one wording, taken as independent"),
        (
            asked(4.0, 1.0, trials="repeats", chance=0.25),
            "4 trials of one wording (worth 1)",
        ),
        (
            asked(3.0, 3.0, trials="unknown", unlabelled=True),
            "3 trials not labelled, taken as independent",
        ),
        (
            asked(3.0, 2.0, trials="unknown"),
            "3 trials not all labelled, taken as independent (worth 2)",
        ),
        (
            asked(2.0, 2.5, source_trials=np.array([[2.0, 2.0, 0.0, 3.0, 9.0]])),
            "2.5 trials in different wordings",
        ),
    ],
)
def test_trials_and_their_worth_in_words(counts: ItemCounts, words: str) -> None:
    assert _trial_words(counts) == words


@pytest.mark.parametrize(
    ("parts", "method", "reason"),
    [
        ([asked(4.0, 4.0)], "latent", "items have 4 trials in different wordings in the source "
         "language."),
        ([asked(2.0, 2.0)], "latent", "items have 2 trials in different wordings in the source "
         "language."),
        (
            [asked(9.0, 9.0), asked(3.0, 2.0, 3.0, benchmark="exam")],
            "latent",
            "items have 3 trials in different wordings (worth 2 to 3) in the source language of "
            "benchmark 'exam', no fewer in the others.",
        ),
        (
            [asked(3.0, 3.9, models=8)],
            "panel",
            "items have 3 trials in different wordings (worth 3.9) in the source language, and the "
            "answers of the other models tell how hard they are.",
        ),
        (
            [asked(1.0, 1.0, models=8), asked(9.0, 9.0, models=7)],
            "joint",
            "items of benchmark 'quiz' have one trial in the source language, which cannot tell "
            "hard items from bad luck, and there are no eight models of different weights on the "
            "same items, whose answers would.",
        ),
    ],
)  # fmt: skip
def test_the_reason_names_trials_and_benchmark(
    parts: list[ItemCounts], method: str, reason: str
) -> None:
    assert _method_for_items(parts, {}) == (method, f"Method {method}: {reason}")


def test_whether_a_study_is_a_panel() -> None:
    study = hs.simulate_study(EIGHT, shape=hs.Shape(12, 1, 1), rng=1)
    assert is_panel(study)
    names = list(study.model_names)
    assert not is_panel(study.select(models=names[1:]))
    twins = study.models.assign(weights=[names[1], *names[1:]])
    assert not is_panel(replace(study, models=twins))
