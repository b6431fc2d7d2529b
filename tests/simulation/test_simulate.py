"""Simulated studies: draws agree with the stated truth, and invalid input is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, special, stats

from hatstats.errors import DataError
from hatstats.simulation.simulate import FAMILIES, Shape, simulate_study
from hatstats.simulation.worlds import SPREADS, WORLDS, SpreadName, WorldName, true_hat
from hatstats.study import Study


def table_of(study: Study, model: str) -> pd.DataFrame:
    rows = study.counts[study.counts["model"] == model]
    return rows.pivot(index="item", columns="language", values="n_correct")


# --- the truth ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [-0.7, 0.0, 1.2])
@pytest.mark.parametrize("world", WORLDS)
def test_profiles_against_theory(world: WorldName, shift: float) -> None:
    """E[target | source = p] by quadrature of each world's definition, written out again."""

    def naive(p: float) -> float:
        eta = float(special.logit(p))
        if world in ("logit_normal", "shared_factor"):
            value, _ = integrate.quad(
                lambda z: special.expit(-0.8 + shift + 0.9 * eta + z) * stats.norm.pdf(z), -9, 9
            )
            return float(value)
        if world == "mixture":
            return float(0.8 * special.expit(0.8 * eta + shift))
        if world == "falling_top":
            return float(special.expit(shift + special.logit(0.05 + 1.8 * p - 1.35 * p * p)))
        cube = p**3
        odds = cube / (1 - cube) * np.exp(shift)
        return float(odds / (1 + odds))

    for p in (0.03, 0.4, 0.85, 0.99):
        assert true_hat([p], world=world, transfer=shift) == pytest.approx(naive(p), abs=1e-8)
    several = [true_hat([p], world=world, transfer=shift) for p in (0.1, 0.4, 0.4, 0.9)]
    assert true_hat([0.1, 0.4, 0.4, 0.9], world=world, transfer=shift) == pytest.approx(
        np.mean(several)
    )


@pytest.mark.parametrize("world", WORLDS)
def test_draws_follow_the_profile_against_theory(world: WorldName) -> None:
    rng = np.random.default_rng(1)
    for p in (0.1, 0.5, 0.9):
        drawn = WORLDS[world].draw(np.full(40_000, p), 2, 0.3, rng)
        assert drawn.shape == (40_000, 2)
        expected = true_hat([p], world=world, transfer=0.3)
        assert drawn.mean(axis=0) == pytest.approx(expected, abs=0.008)
        correlation = np.corrcoef(drawn.T)[0, 1] if np.ptp(drawn) > 1e-9 else 1.0
        # Residuals of languages are independent, except where an item's languages share them.
        assert (correlation > 0.5) == (world in ("shared_factor", "cubic", "falling_top"))


def test_source_accuracy_against_theory() -> None:
    """Item logits are normal with the ability as mean, and models share .6 of the variance."""
    study = simulate_study((-1.0, 0.5), shape=Shape(20_000, 1, 8), rng=2)
    expected = []
    for ability in (-1.0, 0.5):
        value, _ = integrate.quad(
            lambda z, a=ability: special.expit(a + 1.5 * z) * stats.norm.pdf(z), -9, 9
        )
        expected.append(value)
    first, second = (table_of(study, model)["src"] / 8 for model in study.model_names)
    assert [first.mean(), second.mean()] == pytest.approx(expected, abs=0.008)

    def logits(share: pd.Series) -> np.ndarray:
        return special.logit((share.to_numpy() * 8 + 0.5) / 9)

    # Noise in 8 trials weakens the correlation of .6 somewhat.
    assert 0.4 < np.corrcoef(logits(first), logits(second))[0, 1] < 0.6


def test_transfer_of_a_model_against_theory() -> None:
    study = simulate_study((0.0, 0.0), transfer=(0.0, 1.0), shape=Shape(20_000, 2, 5), rng=3)
    p = special.expit(1.5 * stats.norm.ppf((np.arange(4000) + 0.5) / 4000))
    for model, shift in zip(study.model_names, (0.0, 1.0), strict=True):
        accuracy = table_of(study, model)[["t01", "t02"]].to_numpy().mean() / 5
        assert accuracy == pytest.approx(true_hat(p, transfer=shift), abs=0.008)


def test_piled_abilities_against_theory() -> None:
    plain, piled = (
        table_of(simulate_study((0.0,), shape=Shape(5000, 1, 10, piled=share), rng=4), "model-01")
        for share in (0.0, 0.8)
    )
    ends = [((table["src"] == 0) | (table["src"] == 10)).mean() for table in (plain, piled)]
    assert ends[0] < 0.2
    assert ends[1] > 0.55
    assert piled["src"].mean() / 10 == pytest.approx(0.5, abs=0.03)


def test_twins_are_clusters_of_two_of_one_hardness() -> None:
    study = simulate_study((0.0, 1.0), shape=Shape(4001, 1, 10, twins=True), rng=5)
    sizes = study.counts.groupby("cluster")["item"].nunique()
    assert (sizes.iloc[:-1] == 2).all()
    assert sizes.iloc[-1] == 1
    source = table_of(study, "model-01")["src"].to_numpy()[:4000]
    paired = np.corrcoef(source[::2], source[1::2])[0, 1]
    strangers = np.corrcoef(source[:-2:2], source[3::2])[0, 1]
    assert paired > 0.4
    assert abs(strangers) < 0.06
    alone = simulate_study((0.0,), shape=Shape(10, 1, 2), rng=5)
    assert (alone.counts["cluster"] == "").all()


@pytest.mark.parametrize("distribution", SPREADS)
def test_distributions_of_hardness_against_theory(distribution: SpreadName) -> None:
    logits = np.sort(SPREADS[distribution](stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)))
    quantiles = np.quantile(logits, [0.125, 0.375, 0.625, 0.875])
    humps = stats.norm.ppf([0.25, 0.75]) * 0.31
    expected = {
        "normal": stats.norm.ppf([0.125, 0.375, 0.625, 0.875]),
        "t2": stats.t.ppf([0.125, 0.375, 0.625, 0.875], 2),
        "bimodal": np.r_[humps - 0.95, humps + 0.95],
        "four_levels": np.array([-1.5, -0.5, 0.5, 1.5]) / np.sqrt(1.25),
    }
    np.testing.assert_allclose(quantiles, expected[distribution], atol=2e-3)
    if distribution != "t2":
        assert [logits.mean(), logits.std()] == pytest.approx([0.0, 1.0], abs=2e-3)
    shape = Shape(20_000, 1, 8, distribution=distribution)
    source = table_of(simulate_study((0.5,), shape=shape, rng=12), "model-01")["src"]
    assert source.mean() / 8 == pytest.approx(special.expit(0.5 + 1.5 * logits).mean(), abs=0.01)


@pytest.mark.parametrize(("repeats", "rho"), [(1, 0.0), (2, 0.3), (5, 0.1), (5, 1.0)])
def test_trials_of_one_wording_are_correlated_against_theory(repeats: int, rho: float) -> None:
    """Var(k / n | x) = x (1 - x) / n * (1 + (repeats - 1) rho), here with x = 1/2 for all items."""
    shape = Shape(20_000, 1, 10, spread=0.0, repeats=repeats, wording_correlation=rho)
    study = simulate_study((0.0,), shape=shape, rng=13)
    assert study.counts["prompt"].nunique() == (10 // repeats if repeats > 1 else 1)
    source = study.counts[study.is_source].groupby("item")[["n_correct", "n_trials"]].sum()
    share = source["n_correct"] / source["n_trials"]
    assert share.var() == pytest.approx(0.025 * (1 + (repeats - 1) * rho), rel=0.04)


def test_a_wording_moves_all_items_of_a_model_and_language() -> None:
    shape = Shape(4000, 1, 20, spread=0.0, repeats=4, wording_sd=0.5)
    study = simulate_study((0.0, 0.0), shape=shape, rng=14)
    source = study.counts[study.is_source]
    rates = source.groupby(["model", "prompt"])["n_correct"].sum() / (4000 * 4)
    assert rates.shape == (10,)
    logits = special.logit(rates.to_numpy())
    # Ten draws of a normal effect, and a sampling error of .016 each.
    assert 0.3 < logits.std(ddof=1) < 0.75
    again = simulate_study((0.0,), shape=replace(shape, wording_sd=0.0), rng=14).counts
    assert again["prompt"].nunique() == 5
    assert again.groupby("prompt")["n_correct"].mean().std() < 0.03


# --- names, families and reproducibility ---------------------------------------------------------


def test_shape_names_and_mark() -> None:
    study = simulate_study(shape=Shape(7, 3, 4), world="cubic", rng=6)
    assert study.info.synthetic
    assert "world cubic" in study.info.title
    assert study.data_kind == "item"
    assert study.languages == ["src", "t01", "t02", "t03"]
    assert len(study.counts) == 6 * 7 * 4
    assert (study.counts["n_trials"] == 4).all()
    assert study.counts["n_correct"].between(0, 4).all()
    assert study.is_source.sum() == 6 * 7
    assert study.model_names[0] == "model-01"


def test_families_sizes_and_dates() -> None:
    study = simulate_study(np.linspace(-2, 2, 23), shape=Shape(2, 1, 2), rng=7)
    sizes = study.models["family"].value_counts(sort=False).tolist()
    assert sizes == [*FAMILIES, 3]
    assert study.models["release_date"].between("2024-06-01", "2026-06-01").all()
    size = np.log10(study.models["params_total"])
    assert np.corrcoef(size, np.linspace(-2, 2, 23))[0, 1] > 0.7


def test_same_seed_same_study() -> None:
    one, again, other = (simulate_study((0.0,), shape=Shape(30), rng=seed) for seed in (8, 8, 9))
    pd.testing.assert_frame_equal(one.counts, again.counts)
    pd.testing.assert_frame_equal(one.models, again.models)
    assert not one.counts.equals(other.counts)
    given = simulate_study((0.0,), shape=Shape(30), rng=np.random.default_rng(8))
    pd.testing.assert_frame_equal(one.counts, given.counts)


@pytest.mark.parametrize("ability", [-30.0, 30.0])
def test_extreme_abilities_degenerate(ability: float) -> None:
    study = simulate_study((ability,), shape=Shape(20, 1, 3), rng=10)
    source = study.counts.loc[study.is_source, "n_correct"]
    assert (source == (3 if ability > 0 else 0)).all()
    assert study.models["params_total"].between(1e6, 1e14).all()


def test_one_item_one_language_one_trial_degenerate() -> None:
    study = simulate_study((0.0,), shape=Shape(1, 1, 1), rng=11)
    assert len(study.counts) == 2


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("n_items", 0),
        ("n_items", -3),
        ("n_items", 2.5),
        ("n_languages", 0),
        ("n_trials", 0),
        ("spread", -1.0),
        ("spread", np.nan),
        ("piled", 1.5),
        ("piled", -0.1),
        ("repeats", 0),
        ("repeats", 3),
        ("wording_correlation", 1.1),
        ("wording_sd", np.inf),
    ],
)
def test_shape_bad_input(column: str, value: float) -> None:
    with pytest.raises(DataError, match=column) as info:
        Shape(**{column: value})  # type: ignore[arg-type]
    assert info.value.column == column
    assert info.value.hint


@pytest.mark.parametrize(
    ("arguments", "column"),
    [
        ({"source_ability": []}, "source_ability"),
        ({"source_ability": [0.0, np.nan]}, "source_ability"),
        ({"source_ability": [0.0], "transfer": [np.inf]}, "transfer"),
        ({"source_ability": [0.0, 1.0], "transfer": [0.0]}, "transfer"),
        ({"world": "flat"}, "world"),
    ],
)
def test_arguments_bad_input(arguments: dict[str, object], column: str) -> None:
    with pytest.raises(DataError) as info:
        simulate_study(rng=0, **arguments)  # type: ignore[arg-type]
    assert info.value.column == column


def test_distribution_bad_input() -> None:
    with pytest.raises(DataError, match="value 'flat': unknown distribution"):
        Shape(distribution="flat")  # type: ignore[arg-type]


def test_truth_bad_input() -> None:
    with pytest.raises(DataError, match="unknown world"):
        true_hat([0.5], world="flat")  # type: ignore[arg-type]
    for values in ([], [1.2], [np.nan], [-0.1]):
        with pytest.raises(DataError, match="between 0 and 1"):
            true_hat(values)
