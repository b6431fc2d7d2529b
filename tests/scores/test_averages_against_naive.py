"""Averages of cells, and differences of them, against loops where benchmarks differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import hatstats as hs
from hatstats.inference.influence import degrees_of_freedom
from hatstats.inference.intervals import wald_interval
from hatstats.inference.simultaneous import PairTests, normal_errors
from tests.studies import item_rows, study_of

MODELS = ["a", "b", "c", "d"]
ASKED = {"x": ["de", "sw", "yo"], "y": ["sw", "yo", "ar", "ha"]}
FACTS = pd.DataFrame(
    {
        "language": ["de", "sw", "yo", "ar", "ha"],
        "script": ["Latn", "Latn", "", "Arab", "Latn"],
        "speakers": [90.0, 80.0, 45.0, 300.0, 60.0],
    }
)


def four_models() -> hs.Study:
    """Model d has no benchmark y, model c no Hausa."""
    rng = np.random.default_rng(11)
    rows = [
        row
        for name, languages in ASKED.items()
        for row in item_rows(MODELS, ["en", *languages], 25, rng=rng, benchmark=name)
        if row[:2] != ("d", "y") and (row[0], row[2]) != ("c", "ha")
    ]
    return replace(study_of(rows), language_table=FACTS)


@pytest.fixture(scope="module")
def profile() -> hs.TransferProfile:
    return hs.fit_profile(four_models(), method="observed")


@pytest.fixture(scope="module")
def scores(profile: hs.TransferProfile) -> hs.HatScores:
    return profile.hat()


#: What all models that have the benchmark were asked.
SHARED = {"x": ["de", "sw", "yo"], "y": ["sw", "yo", "ar"]}


def row_of(
    scores: hs.HatScores, models: Sequence[str], languages: Sequence[str] | None = None
) -> np.ndarray:
    """Weights of the cells in the mean over models, benchmarks and their shared languages."""
    row = np.zeros(len(scores.cells))
    for place, cell in enumerate(scores.cells.itertuples()):
        names = [n for n in SHARED[cell.benchmark] if languages is None or n in languages]
        if cell.model in models and cell.language in names:
            row[place] = 1 / len(models) / len(SHARED) / len(names)
    return row


def check(scores: hs.HatScores, found: hs.Contrast, row: np.ndarray) -> None:
    estimate = row @ scores.cells["estimate"].to_numpy(dtype=float)
    error = np.sqrt(row @ scores.cells_cov @ row)
    assert found.estimate == pytest.approx(estimate, rel=1e-12)
    assert found.std_error == pytest.approx(error, rel=1e-9)
    assert scores.cell_influence is not None
    names = scores.cells["benchmark"].to_numpy()
    sums = [
        psi @ row[names == name]
        for psi, name in zip(scores.cell_influence, pd.unique(names), strict=True)
    ]
    df = degrees_of_freedom(np.concatenate(sums)[:, None])[0]
    assert found.df == pytest.approx(df, rel=1e-9)
    limits = wald_interval(found.estimate, found.std_error, found.df, found.conf_level)
    assert (found.conf_low, found.conf_high) == pytest.approx(tuple(limits))


def test_scores_and_their_covariance(scores: hs.HatScores) -> None:
    assert scores.models == ("a", "b", "c")
    rows = np.array([row_of(scores, [name]) for name in scores.models])
    np.testing.assert_allclose(scores.estimates, rows @ scores.cells["estimate"], rtol=1e-12)
    np.testing.assert_allclose(scores.covariance, rows @ scores.cells_cov @ rows.T, rtol=1e-9)
    study = four_models()
    share = study.counts.assign(share=study.counts["n_correct"] / study.counts["n_trials"])
    source = share[share["language"] == "en"].groupby(["model", "benchmark"])["share"].mean()
    raw = share.groupby(["model", "benchmark", "language"])["share"].mean()
    assert scores.target is not None
    for m, name in enumerate(scores.models):
        assert scores.source[m] == pytest.approx(np.mean([source[name, b] for b in SHARED]))
        target = [raw[name, b, n] / len(SHARED[b]) / 2 for b in SHARED for n in SHARED[b]]
        assert scores.target[m] == pytest.approx(sum(target))
    # Cells of all models stay, with errors of their own.
    assert len(scores.cells) == 4 * 3 + 3 * 4 - 1
    np.testing.assert_allclose(
        scores.cells["std_error"], np.sqrt(np.diag(scores.cells_cov)), rtol=1e-12
    )
    check(
        scores,
        scores.contrast("a", ["b", "c"], 0.9),
        row_of(scores, ["a"]) - row_of(scores, ["b", "c"]),
    )


@pytest.mark.parametrize(
    ("here", "there"),
    [(["sw", "de"], None), (["sw", "yo", "ar"], None), ("sw", "yo"), (None, ["yo"]),
     (["sw", "ar", "de"], ["yo", "de"])],
)  # fmt: skip
def test_contrasts_in_languages_of_either_side(
    scores: hs.HatScores, here: str | list[str] | None, there: str | list[str] | None
) -> None:
    found = scores.contrast(["a", "c"], "b", 0.8, languages=here, other_languages=there)
    one = [here] if isinstance(here, str) else here
    other = [there] if isinstance(there, str) else there
    row = row_of(scores, ["a", "c"], one) - row_of(scores, ["b"], one if other is None else other)
    check(scores, found, row)
    words = [", ".join(side) if side else "all languages" for side in (one, other or one)]
    sides = [f"mean(a, c) in {words[0]}", f"b in {words[1]}"]
    whole = f"mean(a, c) - b in {words[0]}"
    assert found.term == (whole if words[0] == words[1] else " - ".join(sides))
    assert (found.conf_level, found.method, found.reference) == (0.8, "observed", "pooled")


def test_notes_of_a_contrast_are_those_of_its_models(scores: hs.HatScores) -> None:
    names = scores.overlap["model"] + " on " + scores.overlap["benchmark"]
    noted = replace(scores, overlap=scores.overlap.assign(note=names))
    assert noted.contrast("c", ["a"]).notes == ("a on x", "c on x", "a on y", "c on y")
    assert noted.contrast("a", "b", languages="sw").notes == (
        "a on x",
        "b on x",
        "a on y",
        "b on y",
    )
    assert scores.contrast("a", "b").scope == "these wordings"


def test_by_language_says_what_is_left_out_and_how_it_is_weighted(scores: hs.HatScores) -> None:
    names = np.where(scores.overlap["benchmark"] == "x", scores.overlap["model"], "")
    noted = replace(scores, overlap=scores.overlap.assign(note=names))
    on_both = (
        "Not all are on the same benchmarks (column benchmarks of groups): their own averages are "
        "of those that they have, differences of those that both sides have."
    )
    missing = "Not asked of every model, left out: ha."
    assert noted.by().notes == ("a", "b", "c", missing, on_both)
    assert noted.by(models=["b", "a"]).notes == ("a", "b", on_both)
    assert noted.by(each_model=True).notes == ("a", "b", "c", on_both)
    assert noted.by("script", weights="speakers").notes == (
        "a",
        "b",
        "c",
        missing,
        "Without a known script, left out: yo.",
        on_both,
        "Languages are weighted by speakers.",
    )
    given = noted.by("script", models="a", weights=dict.fromkeys(FACTS["language"], 2.0))
    assert given.notes[-1] == "Languages are weighted by given numbers."
    weak = noted.overlap["model"].isin(["b"])
    some = replace(noted, overlap=noted.overlap.assign(informed=~weak))
    assert some.by().models == ("a", "c")
    assert some.by().notes[0] == "Weakly identified, not in these means: b."
    assert some.by(models=["a", "b"]).notes == ("a", "b", on_both)
    every = replace(noted, overlap=noted.overlap.assign(informed=False))
    assert every.by().notes == noted.by().notes


def test_groups_of_languages_are_listed_with_their_benchmarks(scores: hs.HatScores) -> None:
    table = scores.by("script", models=["a", "b"]).groups
    assert table.to_dict("list") == {
        "script": ["Arab", "Latn"],
        "n_languages": [1, 3],
        "benchmarks": ["y", "x, y"],
    }
    both = scores.by("script", models=["b", "a"], each_model=True)
    assert both.groups.to_dict("list") == {
        "model": ["a", "a", "b", "b"],
        "script": ["Arab", "Latn"] * 2,
        "n_languages": [1, 3] * 2,
        "benchmarks": ["y", "x, y"] * 2,
    }
    assert both.names == ["a in Arab", "a in Latn", "b in Arab", "b in Latn"]
    whole = scores.by("model").groups
    assert whole.to_dict("list") == {
        "model": ["a", "b", "c"], "n_languages": [4] * 3, "benchmarks": ["x, y"] * 3
    }  # fmt: skip


def test_weights_of_languages_hold_within_each_benchmark(scores: hs.HatScores) -> None:
    found = scores.by("script", models=["a", "b"], weights="speakers").params
    cells = scores.cells[scores.cells["model"].isin(["a", "b"])]
    mean = cells.groupby(["benchmark", "language"])["estimate"].mean()
    x = (90 * mean["x", "de"] + 80 * mean["x", "sw"]) / 170
    y = (80 * mean["y", "sw"] + 60 * mean["y", "ha"]) / 140
    assert found["Latn"] == pytest.approx((x + y) / 2)
    assert found["Arab"] == pytest.approx(mean["y", "ar"])


def test_two_models_by_language_over_the_benchmarks_that_have_it(scores: hs.HatScores) -> None:
    found = scores.by(each_model=True)
    table = found.between("b", ["a", "c"], 0.9, rng=5)
    again = found.between("b", ["a", "c"], 0.9, rng=5)
    pd.testing.assert_frame_equal(table, again)
    assert table.attrs == {"scope": "these wordings", "seed": 5}
    assert found.between("b", "a").attrs["seed"] is not None
    assert table["language"].tolist() == ["ar", "de", "sw", "yo"]
    assert (table["conf_level"] == 0.9).all()
    for row in table.itertuples():
        has = [name for name in SHARED if row.language in SHARED[name]]
        weights = np.zeros(len(scores.cells))
        for place, cell in enumerate(scores.cells.itertuples()):
            if cell.language == row.language and cell.benchmark in has and cell.model in "abc":
                weights[place] = (1.0 if cell.model == "b" else -0.5) / len(has)
        values = scores.cells["estimate"].to_numpy(dtype=float)
        assert row.estimate == pytest.approx(weights @ values)
        assert row.a == pytest.approx(np.maximum(weights, 0.0) @ values)
        assert row.std_error == pytest.approx(np.sqrt(weights @ scores.cells_cov @ weights))
        assert row.p_value <= row.p_adjusted <= min(1.0, 4.2 * row.p_value)
        width = wald_interval(row.estimate, row.std_error, row.df, 0.9)
        assert row.conf_low < width[0]
        assert row.conf_high > width[1]


def test_all_pairs_of_languages_are_ordered_and_at_once(scores: hs.HatScores) -> None:
    found = scores.by(models=["a", "b"])
    table = found.pairs(0.9, rng=3)
    values = found.params
    assert table.attrs == {"scope": "these wordings", "seed": 3}
    assert (table["conf_level"] == 0.9).all()
    order = values.sort_values(ascending=False).index.tolist()
    for row in table.itertuples():
        assert row.term == f"{row.a} - {row.b}"
        assert order.index(row.a) < order.index(row.b)
        alone = found.contrast(row.a, row.b, 0.9)
        assert row.estimate == pytest.approx(alone.estimate)
        assert row.std_error == pytest.approx(alone.std_error)
        assert row.df == pytest.approx(alone.df)
        assert row.p_value == pytest.approx(alone.p_value)
        assert row.conf_low < alone.conf_low < alone.conf_high < row.conf_high
    # Of five languages all pairs but German with Arabic and with Hausa, which share no benchmark.
    assert len(table) == 8
    one = scores.by(each_model=True).pairs(rng=3)
    assert all(row.a.split(" in ")[0] == row.b.split(" in ")[0] for row in one.itertuples())
    by_model = scores.by("model").pairs(rng=3)
    whole = scores.pairs(rng=3)
    np.testing.assert_allclose(by_model["estimate"], whole["estimate"])
    np.testing.assert_allclose(by_model["std_error"], whole["std_error"], rtol=1e-9)


def test_ranks_and_ties_are_those_of_tests_of_all_pairs() -> None:
    """Scores made elsewhere, correlated, each with degrees of freedom of its own."""
    rng = np.random.default_rng(2)
    names, values = [f"m{k}" for k in range(6)], np.array([0.5, 0.56, 0.4, 0.53, 0.59, 0.58])
    root = 0.004 * rng.normal(size=(9, 6)) + 0.008 * rng.normal(size=(9, 1))
    cov, df = root.T @ root, np.array([4.0, 9.0, 30.0, 60.0, 8.0, np.inf])
    table = pd.DataFrame({"model": names, "estimate": values, "df": df})
    scores = hs.HatScores.from_frame(table, cov)
    ranks = scores.ranks(rng=4, n_draws=700, conf_level=0.9)
    first, second = np.triu_indices(6, 1)
    errors = normal_errors(cov, 700, np.random.default_rng(4))
    tests = PairTests.of(values, cov, errors, np.minimum(df[first], df[second]))
    joint, alone = tests.rank_limits(0.9), tests.rank_limits(0.9, jointly=False)
    np.testing.assert_array_equal(ranks[["rank_low", "rank_high"]], joint)
    np.testing.assert_array_equal(ranks[["marginal_low", "marginal_high"]], alone)
    assert (joint != alone).any()
    np.testing.assert_array_equal(ranks["tied_with_best"], tests.best_p() > 0.1)
    assert ranks["rank"].tolist() == [5, 3, 6, 4, 1, 2]
    assert ranks["model"].tolist() == names
    assert (ranks["conf_level"] == 0.9).all()
    assert (ranks["n_draws"] == 700).all()
    assert ranks.attrs == {"seed": 4, "not_ranked": ()}
    ties = scores.ties(rng=4, n_draws=700, conf_level=0.9)
    kept = tests.best_p() > 0.1
    assert 1 < kept.sum() < 6
    order = [k for k in np.argsort(-values) if kept[k]]
    assert ties["model"].tolist() == [names[k] for k in order]
    np.testing.assert_array_equal(ties["estimate"], values[order])
    np.testing.assert_array_equal(ties["p_value"], tests.best_p()[order])
    assert ties.attrs == {"seed": 4, "n_models": 6}
    pairs = scores.pairs(rng=4, n_draws=700, conf_level=0.9)
    sorted_by = np.argsort(-values)
    cov_sorted = cov[np.ix_(sorted_by, sorted_by)]
    again = PairTests.of(
        values[sorted_by],
        cov_sorted,
        normal_errors(cov_sorted, 700, np.random.default_rng(4)),
        np.minimum(df[sorted_by][first], df[sorted_by][second]),
    )
    np.testing.assert_allclose(pairs["p_adjusted"], again.adjusted_p()[first, second])
    np.testing.assert_array_equal(
        pairs["df"], np.minimum(df[sorted_by][first], df[sorted_by][second])
    )
    assert (pairs["conf_level"] == 0.9).all()
    assert pairs["a"].tolist() == [names[sorted_by[k]] for k in first]
    assert pairs["b"].tolist() == [names[sorted_by[k]] for k in second]
    # Only those that are well identified are ranked, and all where none is.
    overlap = pd.DataFrame({"model": names, "informed": [True, False, True, True, False, True]})
    overlap = overlap.assign(benchmark="q", note="", shape_error=np.nan, effective_trials=np.nan)
    some = replace(scores, overlap=overlap).ranks(rng=4)
    assert some["model"].tolist() == ["m0", "m2", "m3", "m5"]
    assert some.attrs["not_ranked"] == ("m1", "m4")
    none = replace(scores, overlap=overlap.assign(informed=False)).ranks(rng=4)
    assert none.attrs["not_ranked"] == ()
    assert len(none) == 6


def test_degrees_of_freedom_of_sums_of_scores_made_elsewhere() -> None:
    table = pd.DataFrame({"model": ["a", "b", "c"], "estimate": 0.5, "df": [3.0, 40.0, np.inf]})
    scores = hs.HatScores.from_frame(table, [0.01] * 3)
    assert scores.df.to_dict() == {"a": 3.0, "b": 40.0, "c": np.inf}
    rows = np.array([[0, 1, 1], [1, 0, -1], [0, 0, 1], [-0.5, 1, -0.5]])
    assert scores.degrees_of_freedom(rows).tolist() == [40.0, 3.0, np.inf, 3.0]
    beside = np.hstack([rows, np.ones((4, 6))])
    assert scores.degrees_of_freedom(beside).tolist() == [40.0, 3.0, np.inf, 3.0]
    bare = hs.HatScores.from_frame(table.drop(columns="df"), [0.01] * 3)
    assert np.isinf(bare.df).all()


def test_progress_over_wordings_goes_through_all_benchmarks() -> None:
    shape = hs.Shape(20, 1, 6, wording_sd=0.3)
    one = hs.simulate_study((0.0, 0.5), shape=shape, rng=1)
    two = hs.simulate_study((0.0, 0.5), shape=hs.Shape(20, 1, 5, wording_sd=0.3), rng=2)
    study = hs.Study(
        pd.concat([one.counts, two.counts.assign(benchmark="z")]),
        one.models,
        pd.concat([one.benchmarks, two.benchmarks.assign(benchmark="z")]),
    )
    seen: list[tuple[str, float]] = []
    profile = hs.fit_profile(study, method="observed")
    profile.hat(scope="wordings like these", progress=lambda *each: seen.append(each))
    names = [[f"without wording wording-{k:02d}" for k in range(1, n + 1)] for n in (6, 5)]
    assert [what for what, _ in seen] == [*names[0], "scores", *names[1], "scores"]
    wanted = [*np.arange(6) / 12, 0.5, *(0.5 + np.arange(5) / 10), 1.0]
    np.testing.assert_allclose([share for _, share in seen], wanted, atol=1e-12)
