"""What a notebook shows of every public result: a table, its caveats, and no empty numbers."""

from __future__ import annotations

import dataclasses
import html
import inspect
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hatstats as hs
from hatstats.calibration.languages import LanguageDesign

#: Classes whose objects need minutes of sampling: `tests/bayes` looks at what they show.
SAMPLED = {"HierarchicalFit", "ClaimFits", "PosteriorScores", "PosteriorContrast"}
#: Sentences, which a table would only break up.
SENTENCES = {"Registration"}
#: Results whose rows stand in a terminal as a list.
LISTED = {"FilledModels", "FilledLanguages"}
SIZE = "log10(params_total)"
GAP = re.compile(r"\S {2,}\S")


def made(folder: Path) -> dict[str, list[Any]]:
    """Objects of every public class that a notebook shows, by its name; some have much to say."""
    study = hs.simulate_study(
        np.linspace(-1.0, 1.5, 9), shape=hs.Shape(n_items=40, n_languages=3, n_trials=4), rng=1
    )
    study = dataclasses.replace(study, info=hs.StudyInfo("small"))
    profile = hs.fit_profile(study, method="observed")
    one_trial = hs.simulate_study([-3.0, 0.0, 4.0], shape=hs.Shape(n_items=30), rng=2)
    scores = profile.hat()
    spoken = LanguageDesign().scores(np.random.default_rng(11))
    trend = hs.fit_trend(scores, SIZE)
    first, *_, last = scores.models
    claims = [
        {"name": "up", "kind": "slope", "term": SIZE, "threshold": 0.0},
        {"name": "near", "kind": "non_inferiority", "small": 1e9, "large": 1e10, "margin": 0.1},
        {"name": "aged", "kind": "slope", "term": "age", "threshold": 0.0},
        {"name": "lead", "kind": "slope_difference", "term": SIZE, "threshold": 0.0},
    ]
    verdicts = hs.evaluate_claims(scores, claims)
    logs = folder / "logs.csv"
    rows = "".join(f"m,quiz,{tag},{item},{item % 2}\n" for tag in ("en", "sw") for item in range(4))
    logs.write_text(f"model,benchmark,language,item,correct\n{rows}", encoding="utf-8")
    latent = hs.fit_profile(study, method="latent")
    sizes = hs.PlanSizes(items=(40, 80), trials=(4,), languages=(1,))
    found: list[Any] = [
        study, profile, latent, scores, trend, verdicts, *verdicts,
        hs.evaluate_claims(scores, []), scores.contrast(last, first), scores.by("language"),
        hs.fit_profile(one_trial, method="observed").hat(),
        hs.bootstrap_hat(profile, n_draws=200, rng=1),
        hs.resample_trials(profile, n_draws=10, rng=1),
        hs.decompose(study, first, last), hs.family_slopes(scores, SIZE),
        hs.fit_language_trend(spoken, "resource"), hs.compare_models(profile, last, first, rng=1),
        hs.measure_draws(study, n_draws=50, rng=1), hs.registration(study),
        hs.fill_models(study), hs.fill_languages(study),
        hs.convert_logs(logs, settings={"source_language": "en"}),
        hs.thin_trials(profile), hs.split_half(profile), hs.count_table(latent),
        hs.misspecification_test(hs.fit_profile(study, method="joint"), latent),
        trend.prediction({"params_total": 1e10}),
        hs.plan(hs.PlanAssumptions((0.5,)), sizes, n_studies=1, rng=1),
    ]  # fmt: skip
    by_class: dict[str, list[Any]] = {}
    for one in found:
        for parent in type(one).__mro__:
            by_class.setdefault(parent.__name__, []).append(one)
    return by_class


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    with warnings.catch_warnings():  # what they warn of is to be seen in the results
        warnings.simplefilter("ignore", hs.DegenerateDataWarning)
        return made(tmp_path_factory.mktemp("shown"))


def plain(text: str) -> str:
    """The words of a text."""
    return " ".join(re.findall(r"[\w.]+", text))


def public() -> list[str]:
    """Public classes whose objects a notebook shows in a way of their own."""
    classes = {name: getattr(hs, name) for name in hs.__all__ if inspect.isclass(getattr(hs, name))}
    return [name for name, kind in classes.items() if hasattr(kind, "_repr_html_")]


def test_no_public_result_is_forgotten(shown: dict[str, list[Any]]) -> None:
    assert set(public()) - set(shown) <= SAMPLED


@pytest.mark.parametrize("name", sorted(set(public()) - SAMPLED))
def test_a_result_is_a_table_with_its_caveats_and_no_empty_numbers(
    name: str, shown: dict[str, list[Any]]
) -> None:
    for one in shown[name]:
        page = one._repr_html_()
        cells = [text.strip() for text in re.findall(r">([^<>]*)<", page)]
        assert not {"nan", "NaN", "inf", "-inf", "None", "NaT", "&lt;NA&gt;"} & set(cells)
        assert "<table" in page or name in SENTENCES or not one
        said = plain(html.unescape(re.sub(r"<[^>]*>", " ", page)))
        # What a terminal says in sentences stands here, too; lines of columns are rows.
        lines = one.summary().splitlines()
        if isinstance(one, hs.Verdict):
            lines = [one.reason, one.warning, one.series_words()]
            lines += [one.other_words()] if one.other_verdict else []
        if type(one).__name__ in LISTED:
            rows = "\n".join(lines)
            lines = re.sub(r"^- .*(\n  .*)*\n?", "", rows, flags=re.MULTILINE).splitlines()
            assert lines
        for line in lines:
            if not GAP.search(line.strip()):
                assert plain(line) in said
