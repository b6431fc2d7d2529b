"""Scores as a terminal shows them: every number, their order, and what is said about them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import hatstats as hs
from hatstats.scores.languages.result import LanguageScores
from hatstats.scores.score_text import how_scored, ranking, score_text
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


def four_models() -> hs.HatScores:
    """The best weakly identified, one without bias and trials, one with a long name."""
    names = ["best", "middle", "a-name-" + 60 * "x", "low"]
    covariates = {
        "family": ["f", "f", "g", "g"],
        "params_total": [4e9, 3e9, 2e9, np.nan],
        "release_date": pd.Timestamp("2025-01-02"),
    }
    table = pd.DataFrame(
        {"model": names, "estimate": [0.9, 0.5, 0.42, 0.1], "df": [5.0, 9.0, 30.0, np.inf]}
    )
    overlap = pd.DataFrame(
        {
            "model": [*names, "middle"],
            "benchmark": ["x"] * 4 + ["y"],
            "effective_trials": [3.0, 2.0, np.nan, 1234.5, 5.0],
            "shape_error": [0.02, 0.03, np.nan, 0.01, 0.04],
            "informed": [False, True, True, True, True],
            "note": ["best on x: odd.", "", "", "low on x: rare.", ""],
        }
    )
    scores = hs.HatScores.from_frame(table.assign(**covariates), [4e-4, 1e-4, 1e-4, 1e-4])
    return replace(
        scores,
        overlap=overlap,
        scope="these wordings",
        reference="own",
        source=np.array([0.6, 0.5, 0.4, 0.3]),
    )


def test_every_line_of_scores_in_a_terminal() -> None:
    """Two benchmarks err independently: a bias of .03 and .04 is one of .05 / 2 of their mean."""
    scores = four_models()
    limits = scores.limits(0.9)
    known = {0: "bias 0.020  trials 3", 1: "bias 0.025  trials 3.5"}
    known[3] = "bias 0.010  trials 1.23e+03"
    shown = [
        f"{scores.estimates[m]:.3f}  [{limits[m, 0]:.3f}, {limits[m, 1]:.3f}]  {known.get(m, '')}"
        for m in (1, 2, 3, 0)
    ]
    shown = [line.rstrip() for line in shown]
    width = 78 - 2 - max(map(len, shown))
    names = ["middle", ("a-name-" + 60 * "x")[: width - 1] + "…", "low", "best"]
    rows = [f"  {name:<{width}}  {text}" for name, text in zip(names, shown, strict=True)]
    text = score_text(scores, 0.9)
    assert [line for line in text.splitlines() if "[" in line] == rows
    assert max(map(len, text.splitlines())) == 80
    head, foot = text.split("\n".join(rows))
    assert " ".join(head.split()) == (
        "HAT scores (given, reference own, 90% intervals, these wordings) Scores given by the "
        "user, without cells, source accuracies and warnings. Clear leader: middle (90%)."
    )
    assert " ".join(foot.split()) == (
        "Weakly identified, below the others: best. bias: possible smoothing bias (one standard "
        "deviation), not in the interval; more trials make it smaller, more items do not. trials: "
        "effective trials, the independent ones that an item's trials in the source language are "
        "worth. best on x: odd. low on x: rare."
    )
    unknown = scores.overlap.assign(shape_error=np.nan, effective_trials=np.nan, informed=True)
    bare = score_text(replace(scores, overlap=unknown.assign(note=""), scope=""), 0.95)
    assert bare.splitlines()[-1].startswith("  low  ")
    assert bare.startswith("HAT scores (given, reference own, 95% intervals)\n")
    assert "leader" not in score_text(given(np.array([0.4])), 0.95)


def test_the_table_of_a_terminal_is_that_of_the_results() -> None:
    scores = four_models()
    table = ranking(scores, 0.9, 7)
    assert table["model"].tolist() == ["middle", scores.models[2], "low", "best"]
    place = [1, 2, 3, 0]
    tidy, ranks = scores.tidy(0.9), scores.ranks(conf_level=0.9, rng=7).set_index("model")
    for name in ("estimate", "std_error", "conf_low", "conf_high", "conf_level"):
        np.testing.assert_array_equal(table[name], tidy[name].iloc[place])
    np.testing.assert_array_equal(table["source"], [0.5, 0.4, 0.3, 0.6])
    np.testing.assert_allclose(table["shape_error"], [0.025, np.nan, 0.01, 0.02])
    np.testing.assert_allclose(table["effective_trials"], [3.5, np.nan, 1234.5, 3.0])
    assert table["informed"].tolist() == [True, True, True, False]
    for name in ("rank_low", "rank_high"):
        wanted = ranks[name].reindex(table["model"])
        np.testing.assert_array_equal(table[name], wanted)
    assert np.isnan(table["rank_low"].iloc[3])
    assert table["family"].tolist() == ["f", "g", "g", "f"]
    np.testing.assert_array_equal(table["params_total"], [3e9, 2e9, np.nan, 4e9])
    assert (table["release_date"] == pd.Timestamp("2025-01-02")).all()
    assert not {"rank", "tier", "marginal_low"} & set(table)


def test_ranks_of_a_terminal_follow_the_seed_and_the_level() -> None:
    """Two models that are close: surely apart at one level, not at the other."""
    scores = given(np.array([0.5, 0.528, 0.6]), family="f", params_total=1.0, release_date=pd.NaT)
    ranks = {level: ranking(scores, level, 1)["rank_high"].tolist() for level in (0.8, 0.99)}
    assert ranks == {0.8: [1, 2, 3], 0.99: [1, 3, 3]}
    assert "Clear leader: m02 (80%)" in scores.summary(0.8)


@pytest.mark.parametrize(
    ("method", "reference", "words"),
    [
        ("latent", "common", "from the answers to each item, for the chance behind its trials "
         "(method latent) and averaged evenly over source accuracies that the models share "
         "(reference common)"),
        ("aggregate", "model:a:b", "from accuracies alone, by the line of target on source "
         "accuracy over models (method aggregate) and averaged over the source accuracies of a:b "
         "(reference model:a:b)"),
        ("mine", "given", "elsewhere (method mine) and averaged over source accuracies that were "
         "given (reference given)"),
    ],
)  # fmt: skip
def test_how_scores_are_made_is_said_in_words(method: str, reference: str, words: str) -> None:
    assert how_scored(method, reference) == f"Scores are estimated {words}."
