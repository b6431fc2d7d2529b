"""Observed against expected counts: against loops, and size in simulations."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

import hatstats as hs
from hatstats.inference.tidy import TIDY_COLUMNS
from hatstats.scores.item_profile import require_items
from hatstats.simulation.simulate import Shape
from tests.diagnostics.profiles import ABILITY, profile_of


def test_table_against_naive() -> None:
    profile = profile_of("latent")
    fit = require_items(profile, "a test").fits[0]
    table = hs.count_table(profile).table
    checked = 0
    for m, model in enumerate(fit.counts.models):
        rows = table[(table["model"] == model).to_numpy()]
        g, mean = fit.distributions[m], fit.profiles[m].mean(axis=0)
        assert rows["items"].sum() == pytest.approx(300)
        assert rows["items_expected"].sum() == pytest.approx(300)
        for _, row in rows.iterrows():
            right = stats.binom.pmf(row["right"], 5, fit.support) * g
            these = fit.counts.source_correct[m] == row["right"]
            assert row["items"] == these.sum()
            assert row["items_expected"] == pytest.approx(300 * right.sum())
            assert row["target_expected"] == pytest.approx(right @ mean / right.sum())
            seen = fit.counts.target_accuracy()[m, these]
            assert row["target"] == pytest.approx(seen.mean())
            checked += 1
    assert checked == 18


@pytest.mark.slow
def test_size_of_the_tests_coverage() -> None:
    """Two models, twelve studies: p values of a right profile are not small too often."""
    p_values = []
    for seed in range(12):
        shape = Shape(n_items=200, n_languages=2, n_trials=6)
        study = hs.simulate_study((-0.5, 0.8), shape=shape, rng=seed)
        p_values.append(hs.count_table(hs.fit_profile(study)).tests["p_value"])
    p = np.concatenate(p_values)
    assert p.size == 48
    # 5 % are expected below .05; more than 8 of 48 has a chance of less than 1 in 1,000.
    assert (p < 0.05).sum() <= 8
    assert 0.35 < np.median(p) < 0.7


def test_verdict_on_a_right_and_on_a_wrong_profile() -> None:
    latent = hs.count_table(profile_of("latent", n_items=2000))
    observed = hs.count_table(profile_of("observed", n_items=2000))
    assert "NOT compatible with numbers of items" in " ".join(observed.summary().split())
    assert "NOT compatible with numbers of items" not in " ".join(latent.summary().split())
    # Smoothing misses little of the profile's curvature; taking k/n for the chance far more.
    for term in ("source counts", "target means"):
        right, wrong = (check.tests[check.tests["term"] == term] for check in (latent, observed))
        assert right["distance"].max() < wrong["distance"].max()
        assert right["p_value"].min() > 100 * wrong["p_value"].min()
    assert max(map(len, observed.summary().splitlines())) <= 80
    table = latent.tidy()
    assert tuple(table.columns) == ("model", "benchmark", *TIDY_COLUMNS)
    assert set(table["term"]) == {"source counts", "target means"}
    assert table["std_error"].isna().all()


def test_as_many_parameters_as_counts_degenerate() -> None:
    """Two trials have three counts, which g fits exactly: nothing is left to test."""
    shape = Shape(n_items=400, n_trials=1, n_languages=2)
    study = hs.simulate_study(ABILITY, shape=shape, rng=1)
    check = hs.count_table(hs.fit_profile(study, method="observed"))
    rows = check.tests[check.tests["term"] == "source counts"]
    assert rows["p_value"].isna().all()
    assert "as many free parameters" in " ".join(check.summary().split())


def test_trials_that_differ_degenerate() -> None:
    study = profile_of("latent").study
    counts = study.counts.copy()
    few = counts["item"].isin(counts["item"].unique()[:100]).to_numpy()
    counts.loc[few, "n_trials"] = 2.0
    counts.loc[few, "n_correct"] = counts.loc[few, "n_correct"].clip(upper=2.0)
    check = hs.count_table(hs.fit_profile(dataclasses.replace(study, counts=counts)))
    rows = check.table[(check.table["model"] == "model-01").to_numpy()]
    assert list(rows["trials"]) == [2.0] * 3 + [5.0] * 6
    assert rows["items"].sum() == 300
    for _, part in rows.groupby("trials"):
        assert part["items"].sum() == pytest.approx(part["items_expected"].sum())
    assert np.isfinite(check.tests["p_value"]).all()


def test_means_only_bad_input() -> None:
    profile = hs.fit_profile(profile_of("latent").study, method="aggregate")
    with pytest.raises(hs.NotIdentifiedError, match="counts per item"):
        hs.count_table(profile)
