"""Scores as a terminal shows them: every number, their order, and what is said about them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import hatstats as hs
from hatstats.scores.languages.result import LanguageScores
from tests.studies import item_rows, study_of

LANGUAGES = [f"l{k:02d}" for k in range(20)]


def by_language(models: list[str], *, each_model: bool = False) -> LanguageScores:
    rng = np.random.default_rng(1)
    rows = [
        row
        for name in ("en", *LANGUAGES)
        for row in item_rows(models, [name], 20, rng=rng, trials=2)
    ]
    scores = hs.fit_profile(study_of(rows), method="observed").hat("uniform")
    return scores.by("language", each_model=each_model)


def given(estimates: np.ndarray, **columns: object) -> hs.HatScores:
    names = [f"m{k:02d}" for k in range(len(estimates))]
    table = pd.DataFrame({"model": names, "estimate": estimates, **columns})
    return hs.HatScores.from_frame(table, np.full(len(names), 1e-4))


def test_equal_scores_stand_in_the_order_of_their_models() -> None:
    """More than sixteen: sorting that is not stable would mix them."""
    scores = given(np.r_[0.5, np.full(30, 0.4), 0.6])
    shown = [line.split()[0] for line in scores.summary().splitlines() if line.startswith("  m")]
    wanted = ["m31", "m00", *(f"m{k:02d}" for k in range(1, 31))]
    assert shown == wanted
    languages = by_language(["a"])
    level = replace(languages, unit_values=np.full(20, 0.5), unit_cov=1e-4 * np.eye(20))
    text = level.summary()
    assert [line.split()[0] for line in text.splitlines() if line.startswith("  l")] == LANGUAGES
    assert "Left behind, below the mean of the languages: none." in text
    assert "Above it: none." in text
    table = level._html_rows()
    assert table["language"].tolist() == LANGUAGES


def test_lines_hold_the_numbers_of_the_table() -> None:
    found = by_language(["a", "b"])
    for level in (0.9, 0.95):
        lines = [line for line in found.summary(level).splitlines() if line.startswith("  l")]
        table = found.tidy(level).sort_values("estimate", ascending=False, kind="stable")
        assert lines == [
            f"  {row.language}  {row.estimate:.3f}  [{row.conf_low:.3f}, {row.conf_high:.3f}]"
            for row in table.itertuples()
        ]
    scores = given(np.array([0.25, 0.75]), df=[3.0, 40.0])
    table = scores.tidy(0.9)
    assert [line for line in scores.summary(0.9).splitlines() if line.startswith("  m")] == [
        f"  {row.model}  {row.estimate:.3f}  [{row.conf_low:.3f}, {row.conf_high:.3f}]"
        for row in table[::-1].itertuples()
    ]


@pytest.mark.parametrize(
    ("models", "each_model", "who"),
    [(["a"], False, "a"), (["a", "b"], False, "the mean of 2 models"),
     (["a", "b"], True, "each model")],
)  # fmt: skip
def test_whose_scores_they_are_is_said_first(models: list[str], each_model: bool, who: str) -> None:
    text = " ".join(by_language(models, each_model=each_model).summary(0.9).split())
    start = f"HAT by language of {who} (observed, reference uniform, 90% intervals, these wordings;"
    assert text.startswith(f"{start} these languages and models)")


def test_who_is_left_behind_is_named_with_its_distance() -> None:
    found = by_language(["a", "b"])
    values = np.r_[np.linspace(0.1, 0.3, 14), np.full(5, 0.6), 0.9]
    apart = replace(found, unit_values=values, unit_cov=1e-6 * np.eye(20))
    table = apart.against_mean(rng=1)
    said = [
        f"{row.term.removesuffix(' - mean')} {row.estimate:+.3f} "
        f"[{row.conf_low:.3f}, {row.conf_high:.3f}]"
        for row in table.itertuples()
    ]
    text = " ".join(apart.summary().split())
    behind = "Left behind, below the mean of the languages: "
    assert f"{behind}{'; '.join(said[:12])}; and 2 more. Above it: " in text
    assert f"Above it: {said[19]}; " in text
    assert "All these intervals hold at once (95%)." in text
    values = np.r_[np.linspace(0.1, 0.3, 12), np.full(8, 0.6)]
    twelve = replace(apart, unit_values=values)
    assert "more" not in twelve.summary()


def test_columns_of_a_tidy_table_are_no_covariates() -> None:
    rows = item_rows(["a", "b"], ["en", "sw"], 20, rng=np.random.default_rng(1), trials=3)
    scores = hs.fit_profile(study_of(rows)).hat()
    table = scores.tidy()
    assert "effective_trials" in table
    again = hs.HatScores.from_frame(table.assign(family=["f", "g"]), scores.cov)
    assert list(again.covariates) == ["model", "family"]
    assert (again.reference, again.method, again.scope) == (
        scores.reference,
        scores.method,
        scores.scope,
    )
    assert again.bounded
    assert not hs.HatScores.from_frame(table, scores.cov, bounded=False).bounded
    mixed = hs.HatScores.from_frame(table.assign(method=["x", "y"], reference="z"), scores.cov)
    assert (mixed.method, mixed.reference) == ("given", "z")


def test_terms_of_differences_between_models_name_models_and_language() -> None:
    found = by_language(["a", "b", "c"], each_model=True)
    table = found.between("a", ["b", "c"], rng=1)
    assert table["term"].tolist() == [f"a - mean(b, c) in {name}" for name in LANGUAGES]
    np.testing.assert_allclose(table["a"] - table["b"], table["estimate"], atol=1e-12)
    params = found.params
    for row in table.itertuples():
        assert row.a == pytest.approx(params["a", row.language])
        mean = (params["b", row.language] + params["c", row.language]) / 2
        assert row.b == pytest.approx(mean)
