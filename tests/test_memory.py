"""What would take too much memory is refused before it is made, and takes what the message says."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import hatstats as hs
from hatstats.errors import DataError
from hatstats.inference import validation
from tests.studies import panel_rows, study_of

LANGUAGES = [f"l{k:02d}" for k in range(20)]


@pytest.fixture(scope="module")
def study() -> hs.Study:
    rng = np.random.default_rng(1)
    found = study_of(panel_rows(rng.normal(0.6, 0.9, 20), LANGUAGES, rng=rng), chance=0.25)
    facts = pd.DataFrame({"language": LANGUAGES, "resource_class": np.arange(20) % 5})
    return replace(found, language_table=facts)


@pytest.fixture(scope="module")
def scores(study: hs.Study) -> hs.HatScores:
    return hs.fit_profile(study, method="aggregate").hat()


QUESTIONS: dict[str, tuple[Callable[[hs.Study, hs.HatScores], object], str]] = {
    "cells": (lambda _, scores: scores.cells_cov, r"covariance of 400 cells.*contrast"),
    "each model by language": (
        lambda _, scores: scores.by("language", each_model=True),
        r"scores of each model by language, made of 400 values.*models=",
    ),
    "weighted": (
        lambda _, scores: scores.by("model", weights=dict.fromkeys(LANGUAGES, 1.0)),
        r"scores of each model, made of 400 values.*models=",
    ),
    "draws": (
        lambda study, _: hs.measure_draws(study, method="aggregate", n_draws=300, rng=1),
        r"300 draws of 420 accuracies.*n_draws=",
    ),
    "trend of languages": (
        lambda _, scores: hs.fit_language_trend(scores, "resource_class"),
        r"trend of 400 scores by language.*models=",
    ),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_too_large_a_question_is_refused_and_its_size_is_true(
    name: str, study: hs.Study, scores: hs.HatScores, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, words = QUESTIONS[name]
    ask(study, scores)  # what is imported or kept at first use is no part of the answer
    tracemalloc.start()
    ask(study, scores)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The size that is said is neither below what is taken, nor far above it.
    monkeypatch.setattr(validation, "MOST_MEMORY", 0.6e-9 * peak)
    with pytest.raises(DataError, match=words):
        ask(study, scores)
    monkeypatch.setattr(validation, "MOST_MEMORY", 2.5e-9 * peak)
    ask(study, scores)


def test_too_many_differences_of_languages_are_refused(
    scores: hs.HatScores, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = scores.by("language")
    assert len(found.pairs(rng=1)) == 190
    monkeypatch.setattr(validation, "MOST_MEMORY", 1e-4)
    with pytest.raises(DataError, match=r"190 differences by language.*against_mean"):
        found.pairs(rng=1)


def test_rankings_of_many_models_and_draws_are_refused(
    study: hs.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws = hs.measure_draws(study, method="aggregate", n_draws=50, rng=1)
    assert len(draws.agreement()) > 1
    monkeypatch.setattr(validation, "MOST_MEMORY", 1e-5)
    with pytest.raises(DataError, match=r"rankings of 20 models in 50 draws of \d+ measures"):
        draws.agreement()
