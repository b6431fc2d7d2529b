"""What must hold of item-level scores whatever the data: identities, covariance, symmetry."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from hatstats.errors import DataError, DegenerateDataWarning
from hatstats.estimators.latent.fit import LatentOptions
from hatstats.estimators.methods import fit_profile
from hatstats.inference.influence import covariance_of_sums
from hatstats.inference.intervals import logit_interval, wald_interval
from hatstats.inference.tidy import TIDY_COLUMNS
from hatstats.scores.averages import ModelScores
from hatstats.scores.item_profile import ItemProfile, require_items, score_influence
from hatstats.scores.reference import Mixture
from hatstats.scores.scores import HatScores
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.study import Study
from tests.studies import Row, cases, item_rows, study_of

METHODS = ("latent", "observed")
REFERENCES = ("pooled", "uniform", "own", "model:a", [0.2, 0.5, 0.9])
SOME_METHODS = ["observed", pytest.param("latent", marks=pytest.mark.slow)]
SLOW_POOLED = pytest.param("pooled", marks=pytest.mark.slow)
#: The same, all but two of them for ``make test-slow``.
SOME_REFERENCES = [
    *REFERENCES[:2],
    *(pytest.param(reference, marks=pytest.mark.slow) for reference in REFERENCES[2:]),
]


def raw_target_accuracy(study: Study) -> pd.Series:
    """Mean over items of k/n per model, benchmark and language, of items asked in the source."""
    source = study.is_source
    rows = list(study.counts.itertuples())
    asked = {(r.model, r.benchmark, r.item) for r, own in zip(rows, source, strict=True) if own}
    cells: dict[tuple[str, ...], list[float]] = {}
    for r, own in zip(rows, source, strict=True):
        if not own and (r.model, r.benchmark, r.item) in asked:
            cell = cells.setdefault((r.model, r.benchmark, r.language, r.item), [0.0, 0.0])
            cell[0] += r.n_correct
            cell[1] += r.n_trials
    found: dict[tuple[str, ...], list[float]] = {}
    for key, (correct, trials) in cells.items():
        found.setdefault(key[:3], []).append(correct / trials)
    return pd.Series({key: np.mean(values) for key, values in found.items()})


def check_own(study: Study, method: str) -> HatScores:
    scores = fit_profile(study, method=method).hat("own")
    raw = raw_target_accuracy(study)
    cells = scores.cells.set_index(["model", "benchmark", "language"])["estimate"]
    assert len(cells) == len(raw) >= 4
    np.testing.assert_allclose(cells.to_numpy(), raw.loc[cells.index].to_numpy(), atol=1e-10)
    by_benchmark = raw.groupby(level=[0, 1]).mean()
    for name, value in zip(scores.models, scores.estimates, strict=True):
        assert value == pytest.approx(by_benchmark[name].mean(), abs=1e-10)
    return scores


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("trials", [5, None])
def test_own_reference_is_raw_target_accuracy(method: str, trials: int | None) -> None:
    rng = np.random.default_rng(1)
    rows = item_rows(["a", "b", "c"], ["en", "sw", "yo"], 60, rng=rng, trials=trials)
    check_own(study_of(rows), method)


@pytest.mark.parametrize("method", METHODS)
def test_own_reference_is_raw_target_accuracy_with_languages_missing(method: str) -> None:
    """Hard items lack a language, so that no one distribution would do for all languages."""
    rng = np.random.default_rng(2)
    rows = item_rows(["a", "b"], ["en", "sw", "yo"], 80, rng=rng, trials=None)
    easy = {row[3] for row in rows if row[0] == "a" and row[2] == "en" and 2 * row[4] > row[5]}
    assert 20 < len(easy) < 60
    rows = [row for row in rows if row[2] != "yo" or row[3] in easy or rng.random() < 0.2]
    check_own(study_of(rows), method)


@pytest.mark.parametrize("method", METHODS)
def test_own_reference_is_raw_target_accuracy_where_items_have_their_own_source(
    method: str,
) -> None:
    """The shape of ECLeKTic: each item's source is one of the languages, the others are targets."""
    languages = ["en", "sw", "yo"]
    rows = item_rows(["a", "b"], languages, 90, rng=np.random.default_rng(3))
    items = pd.DataFrame(
        {
            "benchmark": "quiz",
            "item": [f"item-{i}" for i in range(90)],
            "source_language": [languages[i % 3] for i in range(90)],
            "cluster": "",
        }
    )
    scores = check_own(study_of(rows, items=items), method)
    assert set(scores.cells["language"]) == set(languages)


@pytest.mark.parametrize("method", METHODS)
def test_own_reference_over_several_benchmarks(method: str) -> None:
    rng = np.random.default_rng(4)
    rows = item_rows(["a", "b"], ["en", "sw", "yo"], 50, rng=rng, benchmark="one")
    rows += item_rows(["a", "b"], ["en", "zu"], 30, rng=rng, benchmark="two", trials=None)
    scores = check_own(study_of(rows), method)
    # Benchmarks share no items, so that their cells are independent.
    one = (scores.cells["benchmark"] == "one").to_numpy()
    assert np.all(scores.cells_cov[np.ix_(one, ~one)] == 0)
    assert np.all(scores.cells_cov[np.ix_(one, one)] != 0)


@cases(2, 25)
def test_own_reference_of_any_small_study(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = item_rows(["a", "b"], ["en", "sw", "yo"], 12, rng=rng, trials=None)
    rows = [row for row in rows if rng.random() < 0.8 or row[3] == "item-0"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)
        check_own(study_of(rows), "observed")


def test_a_model_as_reference_is_its_own_reference() -> None:
    """The observed profile, averaged over the levels it was learnt from, gives the mean back."""
    rows = item_rows(["a", "b"], ["en", "sw", "yo"], 60, rng=np.random.default_rng(5), trials=None)
    study = study_of(rows)
    observed = fit_profile(study, method="observed")
    given_by_name, own = observed.hat("model:b"), observed.hat("own")
    assert given_by_name.estimates[1] == pytest.approx(own.estimates[1], abs=1e-12)
    assert given_by_name.std_errors[1] == pytest.approx(own.std_errors[1], rel=1e-9)
    assert abs(given_by_name.estimates[0] - own.estimates[0]) > 1e-3


def test_the_latent_profile_averages_back_to_raw_accuracy_up_to_smoothing() -> None:
    study = simulate_study((-1.0, 0.5, 2.0), shape=Shape(2000, 2, 10), rng=6)
    latent = fit_profile(study, method="latent")
    own = latent.hat("own")
    for place, name in enumerate(own.models):
        named = latent.hat(f"model:{name}")
        assert named.estimates[place] == pytest.approx(own.estimates[place], abs=0.004)
        assert named.std_errors[place] == pytest.approx(own.std_errors[place], rel=0.05)


@pytest.mark.parametrize("method", SOME_METHODS)
@pytest.mark.parametrize("reference", SOME_REFERENCES)
def test_covariances_are_symmetric_and_not_negative(
    method: str, reference: str | list[float]
) -> None:
    rows = item_rows(["a", "b", "c"], ["en", "sw", "yo"], 80, rng=np.random.default_rng(7))
    scores = fit_profile(study_of(rows), method=method).hat(reference)
    for matrix in (scores.covariance, scores.cells_cov, scores.joint_cov):
        np.testing.assert_allclose(matrix, matrix.T, atol=1e-15)
        assert np.linalg.eigvalsh(matrix).min() > -1e-12
    np.testing.assert_array_equal(scores.joint_cov[:3, :3], scores.covariance)
    np.testing.assert_allclose(scores.cells["std_error"] ** 2, np.diag(scores.cells_cov))
    # Models share items, so that their scores go together.
    assert (scores.covariance[np.triu_indices(3, 1)] > 0).all()


@pytest.mark.parametrize("method", SOME_METHODS)
@pytest.mark.parametrize("reference", SOME_REFERENCES)
def test_two_copies_of_a_model_are_one(method: str, reference: str | list[float]) -> None:
    # In a panel two models may differ in shape where their items do not show it.
    options = LatentOptions(borrow=False) if method == "latent" else None
    rows = item_rows(["a", "other"], ["en", "sw", "yo"], 70, rng=np.random.default_rng(8))
    rows += [("copy", *row[1:]) for row in rows if row[0] == "a"]
    scores = fit_profile(study_of(rows), method=method, options=options).hat(reference)
    first, copy = scores.models.index("a"), scores.models.index("copy")
    assert scores.estimates[first] == scores.estimates[copy]
    correlation = (
        scores.covariance[first, copy] / scores.std_errors[first] / scores.std_errors[copy]
    )
    assert correlation == pytest.approx(1.0, abs=1e-12)
    row = scores.contrast("a", "copy").tidy().iloc[0]
    assert row["estimate"] == 0.0
    # The variance is a difference of equal terms of 1e-4 or so, and 0 to their rounding.
    assert row["std_error"] ** 2 == pytest.approx(0.0, abs=1e-16)


@pytest.mark.parametrize("method", SOME_METHODS)
@pytest.mark.parametrize("reference", [*SOME_REFERENCES[1:3], SLOW_POOLED])
def test_items_twice_in_clusters_are_items_once(method: str, reference: str) -> None:
    """Twins in one cluster leave the standard error as it was; as items, they shrink it."""
    rows = item_rows(["a", "b"], ["en", "sw", "yo"], 100, rng=np.random.default_rng(9))
    twins: list[Row] = []
    for row in rows:
        twins += [(*row[:3], f"{row[3]}{end}", *row[4:6], f"pair {row[3]}") for end in "xy"]
    apart = [(*row[:6], "") for row in twins]
    # Which cost of roughness is chosen depends on how many items are known to be apart.
    options = LatentOptions(borrow=False, roughness=1.0) if method == "latent" else None
    profiles = (
        require_items(fit_profile(study_of(each), method=method, options=options), "a test")
        for each in (rows, twins, apart)
    )
    # The fit finds that twins are no items of their own, and would widen its intervals.
    once, paired, lone = (
        replace(each, fits=tuple(replace(fit, checks=()) for fit in each.fits)).hat(reference)
        for each in profiles
    )
    np.testing.assert_allclose(paired.estimates, lone.estimates, atol=1e-12)
    if method == "observed" or reference == "own":
        np.testing.assert_allclose(paired.estimates, once.estimates, atol=1e-12)
        np.testing.assert_allclose(paired.covariance, once.covariance, rtol=1e-9)
        np.testing.assert_allclose(
            lone.covariance * 2 * 199 / 200, once.covariance * 99 / 100, rtol=1e-9
        )
    else:
        # A fixed prior weighs half as much against twice the items.
        np.testing.assert_allclose(paired.estimates, once.estimates, atol=0.03)
        np.testing.assert_allclose(np.sqrt(2) * lone.std_errors, paired.std_errors, rtol=0.02)


def test_contrast_uses_the_covariance() -> None:
    rows = item_rows(["a", "b"], ["en", "sw"], 100, rng=np.random.default_rng(10))
    scores = fit_profile(study_of(rows)).hat()
    row = scores.contrast("b", "a", conf_level=0.9).tidy().iloc[0]
    variance = scores.covariance[0, 0] + scores.covariance[1, 1] - 2 * scores.covariance[0, 1]
    assert scores.influence is not None
    assert row["term"] == "b - a"
    assert row["estimate"] == pytest.approx(scores.estimates[1] - scores.estimates[0])
    assert row["std_error"] == pytest.approx(np.sqrt(variance))
    psi = scores.influence[:, 1] - scores.influence[:, 0]
    assert row["df"] == pytest.approx(2 / (sum(psi**4) / sum(psi**2) ** 2 - 1 / 100))
    limits = wald_interval(row["estimate"], row["std_error"], row["df"], 0.9)
    assert (row["conf_low"], row["conf_high"]) == pytest.approx(tuple(limits))
    assert row["statistic"] == pytest.approx(row["estimate"] / row["std_error"])
    assert variance < scores.covariance[0, 0] + scores.covariance[1, 1]


def test_source_accuracy_and_its_covariance_with_the_score() -> None:
    """Under `own` the score and the source accuracy are means over the same items."""
    rows = item_rows(["a", "b"], ["en", "sw", "yo"], 90, rng=np.random.default_rng(11))
    study = study_of(rows)
    scores = fit_profile(study, method="observed").hat("own")
    wide = study.counts.pivot(index="item", columns=["model", "language"], values="n_correct") / 5
    means = pd.DataFrame(
        {("target", model): wide[model][["sw", "yo"]].mean(axis=1) for model in ("a", "b")}
        | {("source", model): wide[model]["en"] for model in ("a", "b")}
    )
    np.testing.assert_allclose(scores.source, means["source"].mean().to_numpy())
    # The score over a model's own items is its raw target accuracy, which stands last again.
    means = pd.concat([means, means["target"]], axis=1)
    np.testing.assert_allclose(scores.joint_cov, means.cov().to_numpy() / 90, rtol=1e-9)
    assert scores.target is not None
    np.testing.assert_allclose(scores.target, scores.estimates, rtol=1e-12)


def test_order_of_rows_and_names_of_items_do_not_matter() -> None:
    rows = item_rows(["a", "b"], ["en", "sw", "yo"], 60, rng=np.random.default_rng(12), trials=None)
    place = np.random.default_rng(13).permutation(60)
    renamed = [(*row[:3], f"other-{place[int(row[3][5:])]}", *row[4:]) for row in rows]
    order = np.random.default_rng(14).permutation(len(rows))
    # Models stand in the order of their table, here that of their first row.
    mixed = sorted((renamed[i] for i in order), key=lambda row: row[0])
    for method in METHODS:
        one = fit_profile(study_of(rows), method=method).hat()
        two = fit_profile(study_of(mixed), method=method).hat()
        np.testing.assert_allclose(one.estimates, two.estimates, atol=1e-10)
        np.testing.assert_allclose(one.covariance, two.covariance, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_tables_follow_the_one_schema(method: str) -> None:
    rows = item_rows(["a", "b", "c"], ["en", "sw", "yo"], 60, rng=np.random.default_rng(15))
    profile = fit_profile(study_of(rows), method=method)
    scores = profile.hat("uniform")
    trials = ["effective_trials"]
    assert list(scores.tidy().columns) == ["model", "reference", *TIDY_COLUMNS, *trials]
    assert list(scores.contrast("a", "b").tidy().columns) == ["reference", *TIDY_COLUMNS]
    cells = scores.tidy_cells()
    assert list(cells.columns) == ["model", "benchmark", "language", "reference", *TIDY_COLUMNS]
    assert len(cells) == 6
    table = profile.tidy(0.8)
    assert list(table.columns) == ["model", *TIDY_COLUMNS]
    assert set(table["conf_level"]) == {0.8}
    assert set(table["method"]) == {method}
    tidy = scores.tidy(0.99)
    assert tidy[["statistic", "p_value"]].isna().all(axis=None)
    np.testing.assert_allclose(tidy[["conf_low", "conf_high"]], scores.limits(0.99))
    inside = (tidy["conf_low"] > 0) & (tidy["conf_high"] < 1)
    assert inside.all()
    assert (tidy["conf_low"] < tidy["estimate"]).all()
    narrow = scores.limits(0.5)
    assert (narrow[:, 0] > tidy["conf_low"]).all()
    points, curve = profile.points(), profile.curve()
    assert list(points.columns) == [
        *["model", "family", "benchmark", "language"],
        *["source", "target", "source_se", "target_se"],
    ]
    assert {"model", "benchmark", "language", "source", "target"} <= set(curve.columns)
    assert curve.groupby(["model", "language"])["share"].sum().to_numpy() == pytest.approx(1.0)
    assert profile.glance().loc[0, ["n_models", "n_languages", "n_items"]].tolist() == [3, 2, 60]
    assert profile.estimates.shape == (15,)
    assert profile.limits().shape == (15, 2)


@pytest.mark.parametrize("method", METHODS)
def test_profiles_at_a_point_are_scores_of_a_point_reference(method: str) -> None:
    rows = item_rows(["a", "b"], ["en", "sw", "yo"], 90, rng=np.random.default_rng(16))
    profile = fit_profile(study_of(rows), method=method)
    for level in (0.3, 0.9):
        scores = profile.hat([level])
        shown = profile.tidy().query(f"term == 'T({level:g})'")
        np.testing.assert_allclose(shown["estimate"], scores.estimates, atol=1e-12)
        np.testing.assert_allclose(shown["std_error"], scores.std_errors, rtol=1e-9)
    # The profile of the latent method is monotone, so are its points.
    if method == "latent":
        by_model = profile.tidy().pivot(index="model", columns="term", values="estimate")
        assert (np.diff(by_model.to_numpy(), axis=1) >= 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_bands_are_pointwise_limits_of_scores_at_a_point(method: str) -> None:
    rows = item_rows(["a", "b"], ["en", "sw", "yo"], 90, rng=np.random.default_rng(16))
    profile = fit_profile(study_of(rows), method=method)
    bands = profile.bands(0.8, n_levels=5)
    levels = [0.0, 0.5 - 0.25 * np.sqrt(2.0), 0.5, 0.5 + 0.25 * np.sqrt(2.0), 1.0]
    np.testing.assert_allclose(bands["source"].unique(), levels, atol=1e-12)
    assert (bands["conf_level"] == 0.8).all()
    for level, part in bands.groupby("source"):
        scores = profile.hat([float(level)])
        assert part["model"].tolist() == list(scores.models)
        np.testing.assert_allclose(part["target"], scores.estimates, atol=1e-12)
        wanted = logit_interval(scores.estimates, scores.std_errors, np.inf, 0.8)
        np.testing.assert_allclose(part[["conf_low", "conf_high"]], wanted, rtol=1e-8)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("reference", ["pooled", "own"])
def test_influence_of_clusters_gives_scores_and_covariance(method: str, reference: str) -> None:
    rng = np.random.default_rng(18)
    rows = [
        row
        for name in ("x", "y")
        for row in item_rows(["a", "b"], ["en", "sw", "yo"], 60, rng=rng, benchmark=name)
    ]
    profile = fit_profile(study_of(rows), method=method)
    scores, found = profile.hat(reference), score_influence(profile, reference)
    assert found.models == scores.models
    np.testing.assert_allclose(found.estimates, scores.estimates, rtol=1e-12)
    cov = np.array([covariance_of_sums(part) for part in found.influence]).sum(axis=0)
    if found.spread is not None:  # errors of profiles that borrow, which no item shows
        cov += found.spread.T @ found.spread
    np.testing.assert_allclose(cov, scores.covariance, rtol=1e-9)


def test_overlap_says_how_much_is_extrapolation() -> None:
    study = simulate_study((-3.0, 0.0, 3.0), shape=Shape(400, 2, 10, spread=0.7), rng=17)
    profile = fit_profile(study)
    away = profile.hat([0.97]).overlap.set_index("model")
    assert away.loc["model-01", "outside"] > 0.9
    assert "mostly extrapolation" in away.loc["model-01", "note"]
    assert away.loc["model-03", "outside"] < 0.2
    assert away.loc["model-03", "note"] == ""
    # The first model's accuracies end below one of these three.
    partly = profile.hat([0.05, 0.1, 0.9]).overlap.set_index("model")
    assert partly.loc["model-01", "outside"] == pytest.approx(1 / 3)
    assert partly.loc["model-01", "informed"]
    assert "33% of the reference lies outside" in partly.loc["model-01", "note"]
    assert "borrowed from the other models" in partly.loc["model-01", "note"]
    own = profile.hat("own").overlap
    # What a model never does lies outside nothing of its own, but for its 1 % tails.
    assert (own["outside"] < 0.03).all()
    np.testing.assert_allclose(own["effective_size"], 400, rtol=1e-6)
    np.testing.assert_allclose(own["trimmed"], profile.hat("own").estimates, atol=0.02)
    assert (profile.hat("pooled").overlap["effective_size"] < 400).all()


def test_ranks_agree_with_the_scores_and_their_covariance() -> None:
    study = simulate_study((0.0, 0.0, 0.0, 0.0), transfer=(-1.0, 0.0, 0.02, 1.0), rng=18)
    scores = fit_profile(study).hat()
    table = scores.ranks(rng=1, n_draws=500).set_index("model")
    best_first = [scores.models[place] for place in np.argsort(-scores.estimates)]
    assert table["rank"].sort_values().index.tolist() == best_first
    assert table.loc["model-04", ["rank_low", "rank_high"]].tolist() == [1, 1]
    assert table.loc["model-01", ["rank_low", "rank_high"]].tolist() == [4, 4]
    assert table.loc["model-02", ["rank_low", "rank_high"]].tolist() == [2, 3]
    assert table["tied_with_best"].tolist() == [False, False, False, True]
    assert table["tier"].tolist() == [3, 2, 2, 1]
    assert scores.ties(rng=1)["model"].tolist() == ["model-04"]

    # Of a pair alone the adjusted p value is that of the contrast, and so are the limits.
    names = ["model-02", "model-03"]
    row = scores.pairs(names, rng=1, n_draws=99).iloc[0]
    alone = scores.contrast(row["a"], row["b"]).tidy().iloc[0]
    for name in ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high"):
        assert row[name] == pytest.approx(alone[name], rel=1e-9)
    assert row["p_adjusted"] == pytest.approx(alone["p_value"], rel=1e-9)
    few = [scores.pairs(rng=seed, n_draws=999)["p_adjusted"].tolist() for seed in (1, 1, 2)]
    assert few[0] == few[1] != few[2]


def test_pairs_of_groups_are_their_contrasts() -> None:
    study = simulate_study((0.0, 0.3, 0.0, 0.5), transfer=(-0.2, 0.0, 0.02, 0.3), rng=18)
    scores = fit_profile(study, method="observed").hat()
    groups = {"low": ["model-01"], "middle": ["model-02", "model-03"], "high": ["model-04"]}
    rows = scores.pairs(groups, rng=1)
    assert set(rows["a"]) | set(rows["b"]) == set(groups)
    for row in rows.to_dict("records"):
        alone = scores.contrast(groups[row["a"]], groups[row["b"]])
        assert row["estimate"] == pytest.approx(alone.estimate, rel=1e-9)
        assert row["p_value"] == pytest.approx(alone.p_value, rel=1e-9)
        assert row["p_value"] <= row["p_adjusted"]
        assert row["conf_low"] < alone.conf_low < alone.conf_high < row["conf_high"]
    with pytest.raises(DataError, match="nothing to be compared with"):
        scores.pairs(["model-01"])
    with pytest.raises(DataError, match="no such model"):
        scores.pairs(["model-01", "model-09"])


def test_the_density_of_a_reference_is_a_histogram_of_it() -> None:
    rng = np.random.default_rng(21)
    rows = item_rows(["a", "b"], ["en", "sw"], 40, rng=rng, benchmark="one", trials=7)
    rows += item_rows(["a", "b"], ["en", "sw"], 20, rng=rng, benchmark="two", trials=3)
    profile = fit_profile(study_of(rows), method="observed")
    assert isinstance(profile, ItemProfile)
    for reference, name in ((None, "pooled"), ("uniform", "uniform"), ([0.2, 0.9], "given")):
        table = profile.density(reference)
        assert list(table.columns) == ["source", "density", "reference"]
        assert set(table["reference"]) == {name}
        width = 1.0 / len(table)
        np.testing.assert_allclose(table["source"], (np.arange(len(table)) + 0.5) * width)
        assert table["density"].sum() * width == pytest.approx(1.0)
        wanted = np.zeros(len(table))
        for fit in profile.fits:
            weights = fit.reference_weights(name if reference is None else reference)
            for x, share in zip(fit.support, weights.mean(axis=0), strict=True):
                wanted[min(int(x / width), len(table) - 1)] += share / 2
        np.testing.assert_allclose(table["density"], wanted / width, atol=1e-12)


def test_differences_of_scores_and_draws_of_what_is_borrowed() -> None:
    rng = np.random.default_rng(22)
    blocks = [tuple(rng.normal(size=(n, 2)) for n in (6, 4)) for _ in range(2)]
    spreads = [rng.normal(size=(3, 2)), rng.normal(size=(5, 2))]
    one, other = (
        ModelScores(("a", "b"), rng.normal(size=2), block, spread)
        for block, spread in zip(blocks, spreads, strict=True)
    )
    less = one.less(other)
    assert less.models == ("a", "b")
    np.testing.assert_allclose(less.estimates, one.estimates - other.estimates)
    wanted = sum(
        n / (n - 1) * (a - b).T @ (a - b) for n, a, b in zip((6, 4), *blocks, strict=True)
    ) + sum(rows.T @ rows for rows in spreads)
    np.testing.assert_allclose(less.covariance, wanted)
    plain = replace(one, spread=None)
    np.testing.assert_allclose(plain.less(other).covariance, wanted - spreads[0].T @ spreads[0])
    assert plain.less(replace(other, spread=None)).spread is None
    assert not plain.spread_errors(7, rng).any()
    draws = one.spread_errors(200_000, np.random.default_rng(1))
    np.testing.assert_allclose(np.cov(draws.T), spreads[0].T @ spreads[0], rtol=0.02)


def test_the_reference_of_some_models_is_the_mean_of_theirs() -> None:
    own = np.random.default_rng(23).dirichlet(np.ones(5), 3)
    mixture = Mixture.of_models(["a", "c"], ["a", "b", "c"], 5)
    np.testing.assert_allclose(mixture.weights(own), np.tile((own[0] + own[2]) / 2, (3, 1)))


def test_facts_about_a_profile() -> None:
    rng = np.random.default_rng(24)
    rows = item_rows(["a", "b"], ["en", "sw"], 9, rng=rng, benchmark="one", trials=2)
    rows += item_rows(["a", "b"], ["en", "sw", "yo"], 6, rng=rng, benchmark="two", trials=7)
    rows = [(*row[:6], "x" if row[3] in ("item-0", "item-1") else "") for row in rows]
    # Most items were not asked of one model in the source language, and do not count there.
    rows = [row for row in rows if row[:3] != ("a", "one", "en") or row[3] < "item-2"]
    with warnings.catch_warnings(action="ignore", category=DegenerateDataWarning):
        facts = fit_profile(study_of(rows), method="observed").glance().iloc[0]
    assert facts[["n_models", "n_benchmarks", "n_items", "n_clusters"]].tolist() == [2, 2, 15, 13]
    # Of 2 + 9 cells with two trials, and 6 + 6 with seven.
    assert facts["median_trials"] == 7.0
