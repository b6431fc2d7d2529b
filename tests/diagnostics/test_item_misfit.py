"""The report on items: against loops, and against translations broken on purpose."""

from __future__ import annotations

import dataclasses
from functools import reduce
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

import hatstats as hs
from hatstats.diagnostics.item_misfit import expected_accuracies
from hatstats.inference.intervals import false_discovery_adjusted
from hatstats.inference.resampling.count_sums import count_probabilities, dispersion, normal_scores
from hatstats.scores.item_profile import require_items
from hatstats.simulation.simulate import Shape
from tests.diagnostics.profiles import profile_of

DATA = Path(__file__).parents[2] / "data"
BROKEN = 12


def broken_study(seed: int) -> tuple[hs.Study, set[str]]:
    """Twelve models, 400 items in four languages, twelve items broken in one of them.

    Broken: three right answers in a hundred, for every model. The items are drawn from those that
    the models mostly know, for nothing can be seen of others.
    """
    rng = np.random.default_rng(seed)
    shape = Shape(n_items=400, n_languages=4, n_trials=10)
    ability = np.linspace(0.0, 1.5, 12).tolist()
    study = hs.simulate_study(ability, transfer=[0.8] * 12, shape=shape, rng=rng)
    counts = study.counts.copy()
    source = counts[(counts["language"] == "src").to_numpy()]
    known = source.groupby("item")["n_correct"].mean()
    bad = rng.choice(known.index[known > 5].to_numpy(dtype=object), BROKEN, replace=False)
    hit = (counts["item"].isin(bad) & (counts["language"] == "t02")).to_numpy()
    counts.loc[hit, "n_correct"] = rng.binomial(10, 0.03, hit.sum()).astype(float)
    return dataclasses.replace(study, counts=counts), set(bad)


def test_broken_translations_are_found() -> None:
    study, bad = broken_study(1)
    report = hs.item_report(hs.fit_profile(study))
    named = report[(report["verdict"] != "").to_numpy()]
    right = (named["item"].isin(bad) & (named["language"] == "t02")).to_numpy()
    assert right.sum() >= 0.75 * BROKEN
    assert (~right).sum() <= 0.15 * len(named)
    assert (named.loc[right, "verdict"] == "worse").all()
    # Broken in one language only: the item's other languages say so.
    assert (named.loc[right, "elsewhere"] - named.loc[right, "residual"] > 0.2).all()


@pytest.mark.parametrize("world", ["shared_factor", "mixture"])
def test_nothing_is_found_where_nothing_is_broken(world: str) -> None:
    shape = Shape(n_items=400, n_languages=4, n_trials=5)
    study = hs.simulate_study(shape=shape, world=world, rng=3)  # type: ignore[arg-type]
    report = hs.item_report(hs.fit_profile(study))
    assert len(report) == 1600
    assert (report["verdict"] != "").sum() <= 2
    assert abs(report["residual"].mean()) < 0.01
    assert 0.8 < report["z"].std() < 1.2


def test_expected_and_shrunken_against_naive() -> None:
    profile = profile_of("latent")
    fit = require_items(profile, "a test").fits[0]
    source, target = expected_accuracies(fit)
    assert target.shape == (3, 300, 2)
    checked = 0
    for m in range(3):
        for i in (0, 17, 230):
            k = fit.counts.source_correct[m, i]
            posterior = stats.binom.pmf(k, 5, fit.support) * fit.distributions[m]
            posterior /= posterior.sum()
            assert source[m, i] == pytest.approx(posterior @ fit.support)
            for language in range(2):
                expected = posterior @ fit.profiles[m, language]
                assert target[m, i, language] == pytest.approx(expected)
                checked += 1
    assert checked == 18


def test_pooled_rows_are_means_over_models() -> None:
    profile = profile_of("latent")
    fit = require_items(profile, "a test").fits[0]
    source, target = expected_accuracies(fit)
    pooled = hs.item_report(profile).set_index(["item", "language"]).sort_index()
    assert (pooled["model"] == "all models").all()
    assert len(pooled) == 300 * 2
    cells = pd.MultiIndex.from_product([fit.counts.items, fit.counts.languages])

    def by_cell(values: np.ndarray) -> pd.Series:
        return pd.Series(values.ravel(), cells).loc[pooled.index]

    for column, values in (
        ("source", np.repeat(fit.counts.source_accuracy().mean(axis=0), 2)),
        ("source_shrunken", np.repeat(source.mean(axis=0), 2)),
        ("target", fit.counts.target_accuracy().mean(axis=0)),
    ):
        np.testing.assert_allclose(pooled[column], by_cell(values), rtol=1e-12)
    residual = pooled["target"] - pooled["expected"]
    np.testing.assert_allclose(pooled["residual"], residual, atol=1e-12)
    # The expectation is adjusted by a straight line in how much easier an item is for all models.
    easier = pooled["source"] - pooled["source_shrunken"]
    adjustment = pooled["expected"] - by_cell(target.mean(axis=0))
    for language, part in adjustment.groupby(level=1):
        line = np.polyfit(easier[part.index], part, 1)
        assert line[0] > 0.1, language
        assert line[1] == pytest.approx(0.0, abs=1e-3)
        assert (pooled["residual"] * easier)[part.index].sum() == pytest.approx(0.0, abs=0.05)


def test_beta_binomial_against_theory() -> None:
    table = count_probabilities(6, np.array([0.3, 0.8]), 0.25)
    levels = np.arange(7)
    np.testing.assert_allclose(table.sum(axis=1), 1.0)
    mean = table @ levels
    np.testing.assert_allclose(mean, [1.8, 4.8])
    variance = table @ levels**2 - mean**2
    np.testing.assert_allclose(variance, [6 * 0.21 * 2.25, 6 * 0.16 * 2.25])
    rng = np.random.default_rng(1)
    p = rng.beta(0.3 * 3.0, 0.7 * 3.0, 20_000)
    right = rng.binomial(6, p).astype(float)
    found = dispersion(right, np.full(20_000, 6.0), np.full(20_000, 0.3))
    assert found == pytest.approx(0.25, abs=0.02)
    assert dispersion(np.ones(5), np.ones(5), np.full(5, 0.5)) == 0.0
    np.testing.assert_allclose(count_probabilities(2, np.array([0.5]), 0.0), [[0.25, 0.5, 0.25]])


def test_scores_of_sums_against_naive() -> None:
    """One model and one language at a time by hand: mid-p of the convolution."""
    tables = [
        count_probabilities(3, np.array([0.4]), 0.2)[0],
        count_probabilities(5, np.array([0.7]), 0.1)[0],
    ]
    total = reduce(np.convolve, tables)
    for observed in range(9):
        low = total[:observed].sum() + 0.5 * total[observed]
        found = normal_scores(np.array([observed]), total[None, :])[0]
        assert found == pytest.approx(stats.norm.ppf(low), abs=1e-9)
    # Far into the tail, where one less the lower tail would be 0.
    far = stats.binom.pmf(np.arange(201), 200, 0.05)[None, :]
    assert normal_scores(np.array([150]), far)[0] > 15


def test_order_and_adjustment() -> None:
    report = hs.item_report(profile_of("latent"), fdr=0.2)
    assert report["q_value"].is_monotonic_increasing
    assert (report["q_value"] >= report["p_value"] - 1e-12).all()
    named = report["q_value"] <= 0.2
    assert (report.loc[~named, "verdict"] == "").all()
    assert report.loc[named, "verdict"].isin(["worse", "better"]).all()
    numbers = report.select_dtypes("number")
    assert np.isfinite(numbers.to_numpy(dtype=float)).all()


def test_real_study_ranks_items_that_every_model_misses() -> None:
    """Three trials of three models leave no item certain; the ranking still makes sense."""
    study = hs.read_study(DATA / "winogrande_african")
    report = hs.item_report(hs.fit_profile(study))
    assert len(report) == 1767 * 11
    top = report.head(20)
    assert (top["residual"].abs() > 0.5).all()
    assert (top["target"] <= 0.2).sum() >= 10
    assert top["source"].mean() > 0.6


def test_missing_cells_degenerate() -> None:
    study = profile_of("latent").study
    rng = np.random.default_rng(1)
    kept = (study.counts["language"] == "src").to_numpy() | (rng.random(len(study.counts)) < 0.5)
    part = dataclasses.replace(study, counts=study.counts[kept])
    report = hs.item_report(hs.fit_profile(part))
    asked = part.counts[(part.counts["language"] != "src").to_numpy()]
    expected = asked.groupby(["item", "language"])["model"].nunique()
    found = report.set_index(["item", "language"])["n_models"].sort_index()
    assert np.array_equal(found.to_numpy(), expected.to_numpy())
    assert np.isfinite(report["z"]).all()


def test_all_right_degenerate() -> None:
    study = profile_of("latent").study
    flat = dataclasses.replace(study, counts=study.counts.assign(n_correct=5.0))
    with pytest.warns(hs.DegenerateDataWarning, match="every source answer"):
        profile = hs.fit_profile(flat)
    report = hs.item_report(profile)
    assert (report["verdict"] == "").all()
    assert np.isfinite(report["p_value"]).all()


def test_choices_bad_input() -> None:
    latent = profile_of("latent")
    with pytest.raises(hs.DataError, match="nothing to shrink"):
        hs.item_report(profile_of("observed"))
    with pytest.raises(hs.DataError, match="5 % is"):
        hs.item_report(latent, fdr=5)
    with pytest.raises(hs.NotIdentifiedError, match="counts per item"):
        hs.item_report(hs.fit_profile(latent.study, method="aggregate"))


def test_false_discoveries_against_statsmodels() -> None:
    p = np.random.default_rng(4).random((6, 5)) ** 3
    p[2, 3] = p[0, 0] = np.nan
    found = false_discovery_adjusted(p)
    known = ~np.isnan(p)
    np.testing.assert_allclose(found[known], multipletests(p[known], method="fdr_bh")[1])
    assert np.isnan(found[~known]).all()
    assert np.isnan(false_discovery_adjusted(np.full(3, np.nan))).all()
