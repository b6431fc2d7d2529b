"""What the estimators refuse, and what they warn of: whole sentences, with what is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

import hatstats as hs
from hatstats.errors import DegenerateDataWarning
from hatstats.estimators.joint.fit_models import fit_joint
from hatstats.estimators.joint.options import JointOptions
from hatstats.estimators.latent.fit import LatentOptions, fit_latent
from hatstats.estimators.panel.fit import fit_panel
from hatstats.estimators.panel.options import PanelOptions
from hatstats.scores.counts import ItemCounts, item_counts
from tests.estimators.panel.panels import panel_counts
from tests.refusals import refusal
from tests.studies import item_rows, panel_rows, study_of


@cache
def items(trials: int = 1, models: tuple[str, ...] = ("a", "b"), languages: int = 1) -> hs.Study:
    """A study of twelve items."""
    names = ["en", "sw", "yo"][: languages + 1]
    rows = item_rows(models, names, 12, rng=np.random.default_rng(1), trials=trials)
    return study_of(rows)


@cache
def accuracies(models: int = 6) -> hs.Study:
    """A study of accuracies alone."""
    rng = np.random.default_rng(2)
    return study_of(panel_rows(np.linspace(-1, 2, models), ["sw"], rng=rng), chance=0.25)


@cache
def counts(trials: int = 1, languages: int = 1) -> ItemCounts:
    return item_counts(items(trials, languages=languages), "quiz")


def alone(trials: int = 1, languages: int = 1) -> ItemCounts:
    """The counts of one model."""
    return item_counts(items(trials, ("a",), languages), "quiz")


def few_in_common() -> ItemCounts:
    """A panel whose first model was asked items of its own."""
    panel = panel_counts(20, seed=2)
    trials = panel.source_trials.copy()
    trials[0, :10], trials[1:, 10:] = 0.0, 0.0
    return replace(panel, source_trials=trials)


def shared(trials: int = 1) -> ItemCounts:
    """Two models with one target language that share no item."""
    both = counts(trials)
    source, target = both.source_trials.copy(), both.target_trials.copy()
    source[0, :6], target[0, :6], source[1, 6:], target[1, 6:] = 0.0, 0.0, 0.0, 0.0
    return replace(both, source_trials=source, target_trials=target)


NEEDS_MORE = (
    "one trial per item and one target language cannot tell hard items from bad luck. What is "
    "missing: two or more trials per item in the source language, or items asked in two or more "
    "target languages, or a second model asked the same items."
)

#: A call, and what it is refused with.
REFUSED: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: hs.fit_profile(items(), method="median"),  # type: ignore[arg-type]
        "column 'method', value 'median': unknown method. "
        "Hint: use latent, joint, panel, observed, aggregate.",
    ),
    (
        lambda: hs.fit_profile(items(), method="observed", slope=1.0),
        "slope and correlation belong to method 'aggregate', not 'observed'. Hint: leave them out.",
    ),
    (
        lambda: hs.fit_profile(items(), method="observed", correlation=0.3),
        "slope and correlation belong to method 'aggregate', not 'observed'. Hint: leave them out.",
    ),
    (
        lambda: hs.fit_profile(accuracies(), method="latent"),
        "method 'latent' needs item-level counts, and quiz has only accuracies per language; use "
        "method 'aggregate'",
    ),
    (
        lambda: hs.fit_profile(accuracies(), correlation=1.0),
        "column 'correlation', value 1.0: the correlation of two models on the same items must lie "
        "in [0, 1). Hint: 0 is the default, 0.3 and 0.6 show how much it matters.",
    ),
    (
        lambda: hs.fit_profile(accuracies(), slope=np.inf),
        "column 'slope', value inf: a slope that is held fixed must be a finite number. "
        "Hint: 1 is a shift of logits; leave it out to estimate it.",
    ),
    (
        lambda: hs.fit_profile(accuracies()).hat(scope="wordings like these"),
        "scope 'wordings like these' compares wordings item by item, and method 'aggregate' has "
        "accuracies alone. What is missing: counts per item with the wording of every trial, named "
        "in the column prompt; or take scope 'these wordings'.",
    ),
    (
        lambda: hs.fit_profile(accuracies(2)),
        "benchmark 'quiz': 2 models cannot separate a line from its scatter (2 coefficients); at "
        "least 3 are needed",
    ),
    (
        lambda: hs.fit_profile(accuracies(1), slope=1.0),
        "benchmark 'quiz': 1 model cannot separate a line from its scatter (1 coefficients); at "
        "least 2 are needed",
    ),
    (
        lambda: JointOptions(chance="guessed"),  # type: ignore[arg-type]
        "column 'chance', value 'guessed': unknown chance. Hint: use fixed, estimated.",
    ),
    (
        lambda: JointOptions(hardness="shared"),  # type: ignore[arg-type]
        "column 'hardness', value 'shared': unknown hardness. Hint: use auto, own, common.",
    ),
    (
        lambda: PanelOptions(9.0),
        "column 'sigma', value 9.0: the residual standard deviation is out of bounds. "
        "Hint: give logits from 0.2 to 3.5, or None to estimate it.",
    ),
    (
        lambda: LatentOptions(roughness=0.0, borrow=False),
        "column 'roughness', value 0.0: the cost of roughness must be positive. Hint: give a "
        "number above 0, or None to choose one by cross-validation.",
    ),
    (
        lambda: LatentOptions(roughness=1.0),
        "column 'roughness', value 1.0: roughness is of profiles that are fitted alone. "
        "Hint: add borrow=False.",
    ),
    (
        lambda: LatentOptions(monotone=False),
        "column 'monotone', value False: monotone is of profiles that are fitted alone. "
        "Hint: add borrow=False.",
    ),
    (
        lambda: hs.compare_joint(items(3), []),
        "column 'options': nothing to compare. Hint: name one or more.",
    ),
    (
        lambda: hs.compare_joint(items(3), folds=13),
        "column 'folds', value 13: benchmark 'quiz' has 12 independent items. "
        "Hint: choose between 2 and that number.",
    ),
    (
        lambda: hs.compare_joint(items(3), folds=1),
        "column 'folds', value 1: benchmark 'quiz' has 12 independent items. "
        "Hint: choose between 2 and that number.",
    ),
    (
        lambda: hs.compare_joint(accuracies()),
        "no benchmark of this study has item-level counts, which the joint likelihood needs",
    ),
    (lambda: fit_joint(alone()), f"benchmark 'quiz', model 'a': {NEEDS_MORE}"),
    (
        lambda: fit_joint(shared()),
        f"benchmark 'quiz': no second model was asked the same items, and {NEEDS_MORE}",
    ),
    (
        lambda: fit_joint(alone(1, 2), JointOptions(shared_factor=True)),
        "benchmark 'quiz', model 'a': a factor shared by the languages of an item needs items "
        "asked in two or more target languages, and two or more trials in the source language; "
        "the trials are missing.",
    ),
    (
        lambda: fit_joint(alone(3), JointOptions(shared_factor=True)),
        "benchmark 'quiz', model 'a': a factor shared by the languages of an item needs items "
        "asked in two or more target languages, and two or more trials in the source language; "
        "the second language is missing.",
    ),
    (
        lambda: fit_joint(alone(1, 2), JointOptions(beta_binomial=True)),
        "benchmark 'quiz', model 'a': how much trials of one item vary cannot be seen in one "
        "trial. What is missing: two or more trials per item for beta_binomial.",
    ),
    (
        lambda: fit_joint(counts(), JointOptions(beta_binomial=True, hardness="common")),
        "benchmark 'quiz': how much trials of one item vary cannot be seen in one trial. "
        "What is missing: two or more trials per item for beta_binomial.",
    ),
    (
        lambda: fit_joint(counts(3), JointOptions(shared_factor=True, hardness="common")),
        "benchmark 'quiz': a hardness common to the models has no shared_factor. What is missing: "
        "two or more trials per item, with which each model is fitted by itself.",
    ),
    (
        lambda: fit_latent(counts()),
        "benchmark 'quiz', model 'a': one trial per item cannot tell hard items from bad luck, so "
        "the latent profile is not identified. What is missing: two or more trials per item in the "
        "source language. With two or more target languages use method='joint'; the observed "
        "profile (method='observed') can be computed too, with its bias.",
    ),
    (
        lambda: fit_panel(counts()),
        "benchmark 'quiz': 2 models of different weights do not tell how hard an item is. What is "
        "missing: 8 or more for method 'panel'; with fewer use method='joint'.",
    ),
    (
        lambda: fit_panel(few_in_common()),
        "benchmark 'simulated', model 'model-01': no model of other weights was asked the same "
        "items in the source language. What is missing: items in common; without the model "
        "(study.select) the others can be fitted, or use method='joint'.",
    ),
]


@pytest.mark.parametrize("place", range(len(REFUSED)))
def test_what_is_refused_and_in_which_words(place: int) -> None:
    call, words = REFUSED[place]
    assert refusal(call) == words


def one_answer(right: bool) -> hs.Study:
    """A study whose first model's source answers are all alike."""
    study = items(3)
    rows = study.counts
    alike = (rows["model"] == "a") & (rows["language"] == "en")
    correct = rows["n_correct"].mask(alike, rows["n_trials"] if right else 0.0)
    return replace(study, counts=rows.assign(n_correct=correct))


@pytest.mark.parametrize(("right", "answer"), [(True, "right"), (False, "wrong")])
def test_a_model_with_one_answer_is_warned_of(right: bool, answer: str) -> None:
    with pytest.warns(DegenerateDataWarning) as caught:
        hs.fit_profile(one_answer(right), method="observed")
    assert [str(each.message) for each in caught] == [
        f"benchmark 'quiz': every source answer of 'a' is {answer}; its profile is known at that "
        "end only, and elsewhere extrapolated"
    ]


def test_repeated_guesses_are_warned_of() -> None:
    several = replace(counts(3), trials="repeats", chance=0.25)
    words = (
        "benchmark 'quiz': all trials of an item are of one wording and answers can be guessed, so "
        "that repeated lucky guesses pass for knowledge in the latent profile"
    )
    with pytest.warns(DegenerateDataWarning) as caught:
        fit_latent(several)
    assert words in [str(each.message) for each in caught]


def test_trials_of_one_wording_are_overdispersed_by_default() -> None:
    """Unless there is one of each item: then their variance cannot be seen."""
    for trials, kind, spread in (
        (3, "repeats", True),
        (3, "unknown", False),
        (1, "repeats", False),
    ):
        fit = fit_joint(replace(counts(trials, 2), trials=kind))
        assert ("spread" in fit.models[0].fit.layout.names) is spread  # type: ignore[attr-defined]
