"""Split halves: against enumeration of all splits, refits, and worlds whose line is known."""

from __future__ import annotations

import dataclasses
from itertools import combinations

import numpy as np
import pytest

import hatstats as hs
from hatstats.scores.averages import ModelScores
from hatstats.scores.item_profile import require_items
from hatstats.simulation.simulate import Shape
from tests.diagnostics.profiles import ABILITY, profile_of, slow_influence


def all_splits(right: int, trials: int) -> tuple[np.ndarray, np.ndarray]:
    """Shares right in both halves, for every split of the trials."""
    answers = np.array([1] * right + [0] * (trials - right))
    first = [list(choice) for choice in combinations(range(trials), trials // 2)]
    one = np.array([answers[index].mean() for index in first])
    two = np.array([np.delete(answers, index).mean() for index in first])
    return one, two


def test_line_against_naive() -> None:
    profile = profile_of("observed", n_trials=4, n_items=60)
    counts = require_items(profile, "a test").fits[0].counts
    target = counts.target_accuracy()
    checked = 0
    for centre in (0.2, 0.7):
        check = hs.split_half(profile, [centre])
        for m in range(3):
            rows = []
            for item in range(60):
                one, two = all_splits(int(counts.source_correct[m, item]), 4)
                rows.append((one.mean(), (one * two).mean()))
            x, both = np.array(rows).T
            covariance = both.mean() - x.mean() ** 2
            heights = []
            for language in range(2):
                y = target[m, :, language]
                slope = ((x * y).mean() - x.mean() * y.mean()) / covariance
                heights.append(y.mean() + slope * (centre - x.mean()))
            assert check.line.estimates[m] == pytest.approx(np.mean(heights), abs=1e-10)
            checked += 1
    assert checked == 6


def test_implied_line_against_least_squares() -> None:
    profile = profile_of("latent")
    fit = require_items(profile, "a test").fits[0]
    check = hs.split_half(profile, [0.3])
    for m in range(3):
        root = np.sqrt(fit.distributions[m])
        design = np.column_stack([root, root * fit.support])
        mean = fit.profiles[m].mean(axis=0)
        intercept, slope = np.linalg.lstsq(design, root * mean)[0]
        assert check.implied.estimates[m] == pytest.approx(intercept + 0.3 * slope, abs=1e-8)


@pytest.mark.parametrize(
    ("reference", "part"), [("pooled", "line"), ("pooled", "implied"), ("uniform", "implied")]
)
@pytest.mark.slow
def test_influence_against_naive(reference: str, part: str) -> None:
    def scores(profile: hs.TransferProfile) -> ModelScores:
        found = getattr(hs.split_half(profile, reference), part)
        assert isinstance(found, ModelScores)
        return found

    slow, computed = slow_influence(profile_of("observed", twins=True), scores, [0, 99])
    np.testing.assert_allclose(slow, computed, atol=0.03 * np.abs(computed).max())


def straight_study(n_items: int, seed: int) -> hs.Study:
    """Targets whose chance is .1 + .7 x exactly."""
    rng = np.random.default_rng(seed)
    x = rng.beta(2.0, 2.0, n_items)
    study = hs.simulate_study((0.0,), shape=Shape(n_items=n_items, n_languages=1), rng=seed)
    counts = study.counts.sort_values(["language", "item"]).reset_index(drop=True)
    chance = np.concatenate([x, 0.1 + 0.7 * x])
    counts["n_correct"] = rng.binomial(10, chance).astype(float)
    return dataclasses.replace(study, counts=counts)


def test_a_straight_profile_against_theory() -> None:
    profile = hs.fit_profile(straight_study(20_000, 4), method="observed")
    check = hs.split_half(profile, "uniform")
    error = float(np.sqrt(check.line.covariance[0, 0]))
    assert check.line.estimates[0] == pytest.approx(0.1 + 0.7 * 0.5, abs=4 * error)
    assert error < 0.002
    # Var x = 1/20 of a beta(2, 2); noise adds E x (1 - x) / 10 = 1/50.
    assert check.reliability["reliability"].item() == pytest.approx(0.05 / 0.07, abs=0.02)


def test_verdict_on_a_right_and_on_a_wrong_profile() -> None:
    latent = hs.split_half(profile_of("latent", n_items=2000), "uniform")
    assert "NOT compatible" not in latent.summary()
    assert "variance of items' chances" in " ".join(latent.summary().split())
    observed = hs.split_half(profile_of("observed", n_items=2000), [0.1])
    assert "NOT compatible" in observed.summary()
    table = latent.tidy()
    assert list(table["term"].unique()) == ["line", "implied line", "difference"]
    assert max(map(len, latent.summary().splitlines())) <= 80


def test_items_of_equal_hardness_degenerate() -> None:
    study = profile_of("observed").study
    rng = np.random.default_rng(1)
    counts = study.counts.copy()
    noise = ((counts["model"] == "model-01") & (counts["language"] == "src")).to_numpy()
    counts.loc[noise, "n_correct"] = rng.binomial(5, 0.5, noise.sum()).astype(float)
    profile = hs.fit_profile(dataclasses.replace(study, counts=counts), method="observed")
    with pytest.warns(hs.DegenerateDataWarning, match="model-01 differ between items no more"):
        check = hs.split_half(profile)
    assert np.isnan(check.line.estimates[0])
    assert np.isfinite(check.line.estimates[1:]).all()
    assert np.isfinite(check.line.covariance[1:, 1:]).all()
    assert "no line: its items hardly differ" in check.summary()
    assert "nan" not in check.summary()


def test_all_right_degenerate() -> None:
    study = profile_of("observed").study
    counts = study.counts.copy()
    counts.loc[(counts["model"] == "model-01").to_numpy(), "n_correct"] = 5.0
    with pytest.warns(hs.DegenerateDataWarning, match="every source answer"):
        profile = hs.fit_profile(dataclasses.replace(study, counts=counts), method="observed")
    with pytest.warns(hs.DegenerateDataWarning, match="model-01"):
        check = hs.split_half(profile)
    assert np.isnan(check.line.estimates[0])
    assert np.isnan(check.reliability["reliability"].iloc[0])


def test_one_trial_bad_input() -> None:
    study = hs.simulate_study(ABILITY, shape=Shape(n_items=100, n_trials=1), rng=1)
    with pytest.raises(hs.NotIdentifiedError, match="two or more trials"):
        hs.split_half(hs.fit_profile(study, method="observed"))
    with pytest.raises(hs.NotIdentifiedError, match="counts per item"):
        hs.split_half(hs.fit_profile(study, method="aggregate"))
