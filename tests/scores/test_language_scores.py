"""HAT by language: against a naive average of the cells, degenerate tables and bad input."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest

import hatstats as hs
from hatstats.errors import NotIdentifiedError
from hatstats.inference.intervals import logit_interval
from hatstats.scores.languages.result import LanguageScores
from tests.studies import cases, item_rows, study_of

MODELS = ["a", "b", "c"]
FACTS = pd.DataFrame(
    {
        "language": ["deu_Latn", "Swahili", "yo", "ar", "xx"],
        "script": ["Latn", "Latn", "Latn", "Arab", "Latn"],
        "speakers": [90e6, 80e6, 45e6, 300e6, 1.0],
        "resource": ["high", "low", "low", "", "low"],
    }
)


def two_benchmarks(seed: int = 5) -> hs.Study:
    """Benchmark x in de, sw, yo and y in sw, yo, ar: de and ar share no benchmark."""
    rng = np.random.default_rng(seed)
    rows = [
        row
        for name, languages in (("x", ["en", "de", "sw", "yo"]), ("y", ["en", "sw", "yo", "ar"]))
        for row in item_rows(MODELS, languages, 30, rng=rng, benchmark=name)
    ]
    return replace(study_of(rows), language_table=FACTS)


@pytest.fixture(scope="module")
def scores() -> hs.HatScores:
    return hs.fit_profile(two_benchmarks(), method="observed").hat()


def naive(
    scores: hs.HatScores, models: list[str], weight: dict[str, float]
) -> tuple[float, np.ndarray]:
    """Mean over models and benchmarks, by loops over cells, of languages with a weight."""
    cells = scores.cells
    row = np.zeros(len(cells))
    benchmarks = [
        name for name, part in cells.groupby("benchmark") if set(part["language"]) & set(weight)
    ]
    for k, (model, benchmark, language) in enumerate(
        zip(cells["model"], cells["benchmark"], cells["language"], strict=True)
    ):
        if model in models and language in weight:
            here = cells[cells["benchmark"] == benchmark]["language"].unique()
            total = sum(weight[name] for name in here if name in weight)
            row[k] = weight[language] / total / len(models) / len(benchmarks)
    return float(row @ cells["estimate"]), row


@cases(2, 12)
def test_groups_against_naive(seed: int) -> None:
    rng = np.random.default_rng(seed)
    models = rng.permutation(MODELS)[: 1 + seed % 3].tolist()
    numbers = rng.uniform(0.1, 10.0, 4)
    scores = hs.fit_profile(two_benchmarks(seed), method="observed").hat()
    given_weights = dict(zip(["de", "sw", "yo", "ar"], numbers, strict=True))
    found = scores.by("script", models=models, weights=given_weights)
    rows = []
    for group, members in {"Arab": ["ar"], "Latn": ["de", "sw", "yo"]}.items():
        value, row = naive(scores, models, {name: given_weights[name] for name in members})
        rows.append(row)
        assert found.params[group] == pytest.approx(value, rel=1e-12)
    cov = np.array(rows) @ scores.cells_cov @ np.array(rows).T
    np.testing.assert_allclose(found.covariance, cov, rtol=1e-9, atol=1e-15)


def test_mean_of_languages_is_the_score_of_the_models() -> None:
    """On one benchmark: nothing is estimated twice, only averaged in another order."""
    study = two_benchmarks().select(benchmarks="x")
    scores = hs.fit_profile(study, method="observed").hat()
    found = scores.by("language")
    assert found.estimates.mean() == pytest.approx(scores.estimates.mean(), rel=1e-12)
    whole = scores.by("model")
    np.testing.assert_allclose(whole.estimates, scores.estimates, rtol=1e-12)
    np.testing.assert_allclose(whole.covariance, scores.covariance, rtol=1e-9)
    pd.testing.assert_series_equal(
        whole.tidy()["df"], scores.tidy()["df"], check_exact=False, rtol=1e-9
    )


def test_each_model_has_the_cells_themselves(scores: hs.HatScores) -> None:
    one = hs.fit_profile(two_benchmarks().select(benchmarks="x"), method="observed").hat()
    found = one.by("language", each_model=True)
    cells = one.cells.set_index(["model", "language"])["estimate"]
    for key, value in found.params.items():
        assert value == pytest.approx(cells[key], rel=1e-12)
    apart = found.between("c", ["a", "b"], rng=1).set_index("language")
    for language in ("de", "sw", "yo"):
        wanted = one.contrast("c", ["a", "b"], languages=language)
        row = apart.loc[language]
        assert row["estimate"] == pytest.approx(wanted.estimate, rel=1e-9)
        assert row["std_error"] == pytest.approx(wanted.std_error, rel=1e-9)
        assert row["p_value"] == pytest.approx(wanted.p_value, rel=1e-9)
        assert row["p_adjusted"] >= row["p_value"]
        assert row["term"] == f"c - mean(a, b) in {language}"
    assert "the mean of 3 models" in one.by("language").summary()
    assert "the mean of 2 models" in one.by("language", models=["a", "b"]).summary()
    assert "b" in one.by("language", models="b").summary().splitlines()[0]


def test_languages_are_compared_on_the_benchmarks_they_share(scores: hs.HatScores) -> None:
    found = scores.by("language")
    cells = scores.cells.groupby(["benchmark", "language"])["estimate"].mean()
    assert found.contrast("de", "sw").estimate == pytest.approx(cells["x", "de"] - cells["x", "sw"])
    both = np.mean([cells[b, "sw"] - cells[b, "yo"] for b in ("x", "y")])
    assert found.contrast("sw", "yo").estimate == pytest.approx(both)
    with pytest.raises(hs.DataError, match="no benchmark has all of de, ar"):
        found.contrast("de", "ar")
    pairs = found.pairs(rng=1)
    assert {frozenset(pair) for pair in zip(pairs["a"], pairs["b"], strict=True)} == {
        frozenset(pair) for pair in product(["de", "sw", "yo", "ar"], repeat=2)
        if len(set(pair)) == 2 and set(pair) != {"de", "ar"}
    }  # fmt: skip
    against = found.against_mean(rng=1).set_index("language")["estimate"]
    assert against["de"] == pytest.approx(cells["x", "de"] - cells["x"].mean())
    assert any("not all" in note.lower() for note in found.notes)


def test_simultaneous_intervals_hold_the_single_ones(scores: hs.HatScores) -> None:
    found = scores.by("language")
    alone, joint = found.tidy(), found.tidy(simultaneous=True, rng=1)
    assert (joint["conf_low"] < alone["conf_low"]).all()
    assert (joint["conf_high"] > alone["conf_high"]).all()
    assert (joint["conf_level"] == 0.95).all()
    assert joint.attrs["seed"] == 1
    pd.testing.assert_frame_equal(joint, found.tidy(simultaneous=True, rng=1))
    rows = found.against_mean(rng=2)
    excluded = (rows["conf_low"] > 0) | (rows["conf_high"] < 0)
    assert (excluded == (rows["p_adjusted"] < 0.05)).all()


def test_languages_and_scripts_are_written_by_their_names(scores: hs.HatScores) -> None:
    assert "German (de)" in scores.by("language").summary()
    assert "Latin (Latn)" in scores.by("script").summary()
    # Keys of tables and columns stay as the study has them.
    assert "de" in scores.by("language").labels


def test_limits_and_marks_are_those_of_the_table(scores: hs.HatScores) -> None:
    found = scores.by("language")
    table = found.tidy(0.8)
    assert (table["term"] == "HAT").all()
    limits = logit_interval(table["estimate"], table["std_error"], table["df"], 0.8)
    np.testing.assert_allclose(table[["conf_low", "conf_high"]], limits, rtol=1e-12)
    np.testing.assert_allclose(found.limits(0.8), limits, rtol=1e-12)
    marks = {"scope": "these wordings", "seed": 2}
    for rows in (found.against_mean(rng=2), found.tidy(simultaneous=True, rng=2)):
        assert rows.attrs == marks
        assert (rows["reference"] == scores.reference).all()
        assert (rows["method"] == scores.method).all()
    assert table.attrs == marks | {"seed": None}


def test_unknown_groups_are_left_out_and_named(scores: hs.HatScores) -> None:
    found = scores.by("resource")
    assert found.labels.tolist() == ["high", "low"]
    assert any("Without a known resource, left out: ar." in note for note in found.notes)
    assert "resource" in found.tidy().columns
    assert "high" in found.summary()
    assert "Left behind" in found._repr_html_()


def test_a_language_that_a_model_lacks_is_named_where_it_is_left_out() -> None:
    study = two_benchmarks().select(benchmarks="x")
    counts = study.counts
    missing = (counts["model"] == "a") & (counts["language"] == "sw")
    scores = hs.fit_profile(replace(study, counts=counts[~missing]), method="observed").hat()
    note = "Not asked of every model, left out: sw."
    assert note in scores.by("language").notes
    assert scores.estimand.endswith(note)
    assert note in " ".join(scores.summary().split())
    whole = hs.fit_profile(study, method="observed").hat()
    assert "left out" not in whole.estimand
    both = two_benchmarks()
    counts = both.counts
    rows = (counts["benchmark"] == "x") & (counts["model"] == "a") & (counts["language"] == "sw")
    several = hs.fit_profile(replace(both, counts=counts[~rows]), method="observed").hat()
    assert "Not asked of every model, left out: sw on x." in several.estimand
    assert note not in scores.by("language", models=["b", "c"]).notes
    assert note not in scores.by("language", each_model=True).notes


def test_a_language_in_which_all_fails_has_no_interval() -> None:
    study = two_benchmarks().select(benchmarks="x")
    counts = study.counts
    counts = counts.assign(n_correct=counts["n_correct"].where(counts["language"] != "sw", 0))
    profile = hs.fit_profile(replace(study, counts=counts), method="observed")
    with pytest.warns(hs.DegenerateDataWarning, match="no interval for a, x, sw"):
        text = profile.hat().by().summary()
    assert "Swahili (sw)  0.000  –" in text
    assert "nan" not in text


def test_a_profile_of_accuracies_has_languages_too() -> None:
    study = hs.read_study("data/euroeval").without_flagged()
    scores = hs.fit_profile(study).hat()
    found = scores.by("language")
    assert isinstance(found, LanguageScores)
    assert set(found.models).isdisjoint(scores.weakly_identified)
    assert found.tidy()["df"].eq(np.inf).all()


def test_one_language_is_compared_with_nothing() -> None:
    study = two_benchmarks().select(benchmarks="x", languages="de")
    found = hs.fit_profile(study, method="observed").hat().by()
    assert "Left behind" not in found.summary()
    with pytest.raises(hs.DataError, match="no pair to compare"):
        found.pairs()


def test_languages_survive_saving(scores: hs.HatScores, tmp_path) -> None:  # type: ignore[no-untyped-def]
    scores.save(tmp_path / "scores.json")
    again = hs.HatScores.load(tmp_path / "scores.json")
    pd.testing.assert_frame_equal(again.language_table, scores.language_table)
    np.testing.assert_allclose(again.by("script").estimates, scores.by("script").estimates)


def test_compare_models_agrees_with_the_scores() -> None:
    study = two_benchmarks()
    profile = hs.fit_profile(study, method="observed")
    found = hs.compare_models(profile, "c", ["a", "b"], rng=1)
    rows = found.table.set_index(["measure", "language"])
    for measure, reference in (("HAT", None), ("target accuracy", "own")):
        scores = profile.hat(reference)
        whole = scores.contrast("c", ["a", "b"])
        assert rows.loc[(measure, "all"), "estimate"] == pytest.approx(whole.estimate)
        assert rows.loc[(measure, "all"), "std_error"] == pytest.approx(whole.std_error)
    counts = study.counts.assign(share=study.counts["n_correct"] / study.counts["n_trials"])
    source = counts[counts["language"] == "en"].groupby(["model", "benchmark"])["share"].mean()
    means = source.groupby("model").mean()
    wanted = means["c"] - (means["a"] + means["b"]) / 2
    assert rows.loc[("source accuracy", ""), "estimate"] == pytest.approx(wanted)
    target = counts[(counts["language"] == "de")].groupby("model")["share"].mean()
    row = rows.loc[("target accuracy", "de")]
    assert row["a"] == pytest.approx(target["c"])
    assert row["b"] == pytest.approx((target["a"] + target["b"]) / 2)
    assert row["a"] - row["b"] == pytest.approx(row["estimate"])
    assert max(map(len, found.summary().splitlines())) <= 80


def test_sides_are_on_the_benchmarks_of_their_difference() -> None:
    """Model a was not asked in Swahili on y: there is no difference of it, and no side."""
    study = two_benchmarks()
    counts = study.counts
    missing = (counts["model"] == "a") & (counts["benchmark"] == "y") & (counts["language"] == "sw")
    profile = hs.fit_profile(replace(study, counts=counts[~missing]), method="observed")
    table = hs.compare_models(profile, "b", "a", rng=1).table
    np.testing.assert_allclose(table["a"] - table["b"], table["estimate"], atol=1e-12)
    cells = profile.hat().cells.set_index(["model", "benchmark", "language"])["estimate"]
    row = table.set_index(["measure", "language"]).loc[("HAT", "sw")]
    assert row["a"] == pytest.approx(cells["b", "x", "sw"], rel=1e-12)


def test_a_language_alone_on_a_benchmark_is_no_distance_from_a_mean() -> None:
    study = two_benchmarks()
    counts = study.counts
    others = (counts["benchmark"] == "y") & counts["language"].isin(["yo", "ar"])
    scores = hs.fit_profile(replace(study, counts=counts[~others]), method="observed").hat()
    cells = scores.cells.groupby(["benchmark", "language"])["estimate"].mean()
    found = scores.by("language").against_mean(rng=1).set_index("language")["estimate"]
    assert found["sw"] == pytest.approx(cells["x", "sw"] - cells["x"].mean(), rel=1e-12)


def test_compare_models_in_one_language_says_it_once() -> None:
    profile = hs.fit_profile(two_benchmarks().select(benchmarks="x"), method="observed")
    found = hs.compare_models(profile, "a", "b", languages="sw", rng=1)
    assert found.table["language"].tolist() == ["", "sw", "sw"]
    with pytest.raises(hs.DataError, match="no such model"):
        hs.compare_models(profile, "a", "z")
    with pytest.raises(hs.DataError, match="compare_models takes a profile"):
        hs.compare_models(profile.study, "a", "b")  # type: ignore[arg-type]


def test_a_fact_that_no_shared_language_has_is_refused_degenerate() -> None:
    """Of two languages one has a script, and was not asked of the first model."""
    rng = np.random.default_rng(1)
    rows = item_rows(["a", "b"], ["en", "sw", "yo"], 12, rng=rng)
    facts = pd.DataFrame({"language": ["sw", "yo"], "script": ["Latn", ""]})
    study = study_of([row for row in rows if (row[0], row[2]) != ("a", "sw")])
    scores = hs.fit_profile(replace(study, language_table=facts), method="observed").hat()
    with pytest.raises(NotIdentifiedError, match=r"no language .* a value of 'script'"):
        scores.by("script")
    assert scores.by("script", models="b").names == ["Latn"]
