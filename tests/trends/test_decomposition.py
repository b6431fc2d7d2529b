"""Decomposition of a change: additivity, definition, known truth, bad input."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import special

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.estimators.aggregate.profile import fit_aggregate
from hatstats.estimators.latent.fit import LatentOptions
from hatstats.estimators.methods import Method, fit_profile
from hatstats.scores.averages import ModelScores
from hatstats.scores.item_profile import require_items, score_influence
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.study import Study
from hatstats.trends.decomposition import decompose, decompose_profile
from tests.trends.makers import aggregate_study, table_of_models

SMALL = Shape(n_items=200, n_languages=2, n_trials=6)


def accuracies(seed: int = 3) -> Study:
    rng = np.random.default_rng(seed)
    accuracy = rng.uniform(0.4, 0.9, (20, 4))
    accuracy[2, 1] = np.nan
    return aggregate_study(table_of_models(seed), accuracy, chance=0.2)


@pytest.fixture(scope="module")
def items() -> Study:
    return simulate_study((-1.0, 0.5, 1.0, 0.5), transfer=(0, 0, 0, 1.0), shape=SMALL, rng=1)


def test_a_decomposition_takes_the_options_of_its_method(items: Study) -> None:
    alone = LatentOptions(borrow=False)
    found = decompose(items, "model-01", "model-02", method="latent", options=alone)
    profile = fit_profile(items, method="latent", options=alone)
    same = decompose_profile(profile, "model-01", "model-02")
    np.testing.assert_array_equal(found.estimates, same.estimates)
    borrowed = decompose(items, "model-01", "model-02", method="latent")
    assert abs(found.estimates - borrowed.estimates).max() > 1e-6


@pytest.mark.parametrize("method", ["latent", "observed"])
def test_parts_add_up_to_the_raw_change_of_items(items: Study, method: Method) -> None:
    found = decompose(items, "model-01", "model-03", method=method)
    assert abs(found.estimates[:2].sum() - found.estimates[2]) < 1e-12
    own = fit_profile(items, method=method).hat("own")
    raw = dict(zip(own.models, own.estimates, strict=True))
    assert abs(found.estimates[2] - (raw["model-03"] - raw["model-01"])) < 1e-12
    change = own.contrast("model-03", "model-01").tidy().iloc[0]
    assert found.std_errors[2] == pytest.approx(change["std_error"])
    averaged = {
        name: fit_profile(items, method=method).hat(f"model:{name}")
        for name in ("model-01", "model-03")
    }
    second = averaged["model-01"].estimates[own.models.index("model-03")]
    first = averaged["model-03"].estimates[own.models.index("model-01")]
    expected = 0.5 * ((second - raw["model-01"]) + (raw["model-03"] - first))
    assert found.estimates[1] == pytest.approx(expected, abs=1e-12)


def test_sides_of_several_models_are_means_over_all_pairs(items: Study) -> None:
    profile = require_items(fit_profile(items), "a test")
    first, second = ("model-01", "model-02"), ("model-03", "model-04")
    known: dict[tuple[str, ...], ModelScores] = {}
    for _ in range(2):  # the second time from what is known
        found = decompose_profile(profile, first, second, known=known)
        pairs = [decompose_profile(profile, a, b) for a in first for b in second]
        assert found.estimates == pytest.approx(np.mean([one.estimates for one in pairs], axis=0))
    # Influence of the items on the mean of the pairs, one model and one reference at a time.
    own = score_influence(profile, "own")
    terms = np.zeros((len(own.influence[0]), 4))
    for a, b in itertools.product(first, second):
        i, j = (own.models.index(name) for name in (a, b))
        over = [score_influence(profile, f"model:{name}").influence[0] for name in (a, b)]
        psi = [own.influence[0][:, i], own.influence[0][:, j], over[1][:, i], over[0][:, j]]
        terms += np.column_stack(psi) / 4
    change = terms @ [-1.0, 1.0, 0.0, 0.0]
    transfer = terms @ [-0.5, 0.5, -0.5, 0.5]
    size = len(change)
    for part, psi in ((2, change), (1, transfer)):
        # Borrowing adds errors that no item shows.
        from_items = float(np.sqrt(size / (size - 1) * psi @ psi))
        assert found.std_errors[part] >= from_items * (1 - 1e-9)
        assert found.std_errors[part] == pytest.approx(from_items, rel=1e-9 if part == 2 else 0.2)


def test_parts_add_up_to_the_raw_change_of_means() -> None:
    study = accuracies()
    found = decompose(study, "m03", "m07")
    assert abs(found.estimates[:2].sum() - found.estimates[2]) < 1e-12
    own = fit_aggregate(study).hat("own")
    raw = dict(zip(own.models, own.estimates, strict=True))
    assert abs(found.estimates[2] - (raw["m07"] - raw["m03"])) < 1e-12
    assert found.std_errors[2] == pytest.approx(own.contrast("m07", "m03").std_error, rel=1e-6)


def test_aggregate_covariance_against_differences() -> None:
    """Each cell moved by a little, with slope and other cells held."""
    study = accuracies(4)
    profile = fit_aggregate(study)
    part, panel = profile.parts[0], profile.panel
    i, j = (part.counts.models.index(name) for name in ("m03", "m07"))
    chance, beta = part.counts.chance, float(panel.slopes()[0])

    def transfer(source: np.ndarray, target: np.ndarray, slope: float) -> float:
        def hat(m: int, x: int) -> float:
            q = special.expit(target[m] + slope * (source[x] - source[m]))
            return float(np.mean(chance + (1 - chance) * q))

        return 0.5 * (hat(j, i) - hat(i, i) + hat(j, j) - hat(i, j))

    base, step, variance = (part.source, part.target, beta), 1e-5, 0.0
    for m in (i, j):
        for column in range(4):
            moved = []
            for sign in (1, -1):
                source, target = part.source.copy(), part.target.copy()
                cells = source if column == 0 else target[:, column - 1]
                cells[m] += sign * step
                moved.append(transfer(source, target, beta))
            slope = (moved[0] - moved[1]) / (2 * step)
            sampling = part.source_var[m] if column == 0 else part.target_var[m, column - 1]
            variance += slope**2 * sampling
    slope = (transfer(base[0], base[1], beta + step) - transfer(base[0], base[1], beta - step)) / (
        2 * step
    )
    variance += slope**2 * (panel.path_errors()[0] ** 2).sum()
    found = decompose(study, "m03", "m07")
    assert found.estimates[1] == pytest.approx(transfer(*base))
    assert found.std_errors[1] == pytest.approx(np.sqrt(variance), rel=1e-5)


def test_groups_are_means_over_pairs() -> None:
    study = accuracies()
    year = study.models.set_index("model")["release_date"].dt.year
    first, second = (list(year.index[year == y]) for y in (2024, 2025))
    found = decompose(study, 2024, 2025)
    assert (list(found.before), list(found.after)) == (first, second)
    pairs = np.array([decompose(study, a, b).params for a in first[:2] for b in second[:2]])
    some = decompose(study, first[:2], second[:2])
    np.testing.assert_allclose(some.estimates, pairs.mean(axis=0))
    assert abs(found.estimates[:2].sum() - found.estimates[2]) < 1e-12
    assert "2024" in found.summary()
    assert max(map(len, found.summary().splitlines())) <= 80


@pytest.mark.slow
def test_known_truth_of_items_coverage() -> None:
    """Two models of one ability: all change is transfer; two of one transfer: all is ability."""
    held = np.zeros(2)
    for seed in range(12):
        study = simulate_study(
            (0.0, 1.2, 1.2), transfer=(0.0, 0.0, 0.8),
            shape=Shape(n_items=150, n_languages=1, n_trials=10),
            rng=np.random.default_rng([9, seed]),
        )  # fmt: skip
        ability = decompose(study, "model-01", "model-02").tidy().set_index("term")
        shift = decompose(study, "model-02", "model-03").tidy().set_index("term")
        row = ability.loc["transfer"]
        held[0] += row["conf_low"] < 0.0 < row["conf_high"]
        row = shift.loc["source ability"]
        held[1] += row["conf_low"] < 0.0 < row["conf_high"]
    # Nominal 11.4 of 12.
    assert (held >= 9).all()


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        (("m03", "GPT-9"), "'GPT-9'.*no such model"),
        (("m03", "m03"), "both sides"),
        ((2024, 1999), r"1999.*the years are 2024, 2025"),
        ((["m01", "m01"], "m03"), "each once"),
        (([], "m03"), "one model or more"),
    ],
)
@pytest.mark.slow
def test_decompose_bad_input(sides: tuple[object, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        decompose(accuracies(), *sides)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="'Qwen'"):
        decompose(accuracies(), 2024, 2025, family="Qwen")


def test_unknown_dates_belong_to_no_year() -> None:
    study = accuracies()
    models = study.models.copy()
    models.loc[models["model"] == "m00", "release_date"] = pd.NaT
    changed = Study(study.counts, models, study.benchmarks)
    assert "m00" not in decompose(changed, 2024, 2025).before


@pytest.mark.parametrize("method", ["observed", "latent"])
def test_wordings_are_a_sample_where_asked_against_naive(method: Method) -> None:
    """The change is a contrast of raw accuracies; moves are those of studies without a wording."""
    shape = Shape(n_items=120, n_languages=2, n_trials=5, wording_sd=0.4)
    study = simulate_study((0.0, 1.0), transfer=(0.0, 0.3), shape=shape, rng=1)
    pair = ("model-01", "model-02")
    here, like = (
        decompose(study, *pair, method=method, scope=scope)
        for scope in ("these wordings", "wordings like these")
    )
    np.testing.assert_allclose(like.estimates, here.estimates)
    assert like.method == f"{method}, items and wordings sampled"
    raw = fit_profile(study, method=method).hat("own", scope="wordings like these")
    change = raw.contrast(pair[1], pair[0])
    # The positive part is taken of the covariance of other quantities: cells there, parts here.
    np.testing.assert_allclose(like.std_errors[2], change.std_error, rtol=0.1)
    assert like.df is not None
    np.testing.assert_allclose(like.df[2], change.df, rtol=0.3)
    without = [
        decompose(replace(study, counts=study.counts[study.counts["prompt"] != name]), *pair,
                  method=method).estimates
        for name in study.counts["prompt"].unique()
    ]  # fmt: skip
    assert len(without) == 5
    moved = 4 / 5 * ((np.array(without) - np.mean(without, axis=0)) ** 2).sum(axis=0)
    added = like.std_errors**2 - here.std_errors**2
    assert (added > 0.0).all()
    # Less what wordings and items do together, which both parts count: their one trial is noise.
    assert (added < moved).all()
    assert added[2] > 0.3 * moved[2]


def test_accuracies_alone_have_no_wordings_bad_input() -> None:
    with pytest.raises(NotIdentifiedError, match="method 'aggregate' has accuracies alone"):
        decompose(accuracies(), "m00", "m01", scope="wordings like these")
    with pytest.raises(DataError, match="unknown scope"):
        decompose(accuracies(), "m00", "m01", scope="all")  # type: ignore[arg-type]


def test_a_profile_is_decomposed_as_it_is(items: Study) -> None:
    pair = ("model-01", "model-02")
    held = fit_profile(accuracies(), slope=1.0)
    found = decompose(held, "m03", "m07")
    np.testing.assert_allclose(found.params, decompose_profile(held, "m03", "m07").params)
    assert abs(found.params["transfer"] - decompose(accuracies(), "m03", "m07").params["transfer"])
    profile = fit_profile(items, method="observed")
    found = decompose(profile, *pair)
    np.testing.assert_allclose(found.params, decompose(items, *pair, method="observed").params)
    with pytest.raises(DataError, match="a profile has its method"):
        decompose(profile, *pair, method="latent")


def test_a_weakly_identified_side_is_named() -> None:
    table = pd.DataFrame({"model": list("abcdef"), "en": [0.26, 0.5, 0.6, 0.7, 0.8, 0.9]})
    table["de"], table["fi"] = 0.25 + 0.8 * (table["en"] - 0.25), 0.25 + 0.5 * (table["en"] - 0.25)
    study = Study.from_frame(table, source="en", chance=0.25, n_trials=400)
    found = decompose(study, "a", "f")
    (note,) = found.notes
    assert note.startswith("a is weakly identified")
    assert note in " ".join(found.summary().split())
    assert decompose(study, "b", "f").notes == ()
