"""Binomial thinning: against enumeration, full data, known truth, and refits."""

from __future__ import annotations

import dataclasses
from itertools import combinations

import numpy as np
import pytest

import hatstats as hs
from hatstats.diagnostics.thinning import Thinning, extrapolation_weights, thinned_shares
from hatstats.scores.averages import ModelScores
from hatstats.simulation.simulate import Shape
from hatstats.simulation.worlds import true_hat
from tests.diagnostics.profiles import ABILITY, profile_of, slow_influence

REFERENCES = ["pooled", "uniform", "own", "model:model-02"]


def test_thinned_shares_against_naive() -> None:
    checked = 0
    for trials in range(1, 7):
        for right in range(trials + 1):
            answers = [1] * right + [0] * (trials - right)
            for kept in range(1, trials + 1):
                sums = [sum(choice) for choice in combinations(answers, kept)]
                expected = np.bincount(sums, minlength=kept + 1) / len(sums)
                found = thinned_shares(np.array([right * 1.0]), np.array([trials * 1.0]), kept)
                np.testing.assert_allclose(found[0], expected, atol=1e-12)
                checked += 1
    assert checked == 112


def test_items_with_too_few_trials_have_no_shares_degenerate() -> None:
    found = thinned_shares(np.array([1.0, 0.0, 2.0]), np.array([2.0, 0.0, 3.0]), 3)
    assert np.array_equal(found, [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]])


@pytest.mark.parametrize("reference", REFERENCES)
def test_with_all_trials_it_is_the_observed_score(reference: str) -> None:
    check = hs.thin_trials(profile_of("latent"), reference)
    full = check.path[check.path["trials"] == 5]
    scores = profile_of("observed").hat(reference)
    np.testing.assert_allclose(full["observed"], scores.estimates, atol=1e-12)
    np.testing.assert_allclose(full["std_error"], scores.std_errors, rtol=1e-9)
    ends = check.path[np.isinf(check.path["trials"])]
    np.testing.assert_allclose(ends["implied"], profile_of("latent").hat(reference).estimates)


def test_own_reference_is_raw_accuracy_however_few_trials() -> None:
    check = hs.thin_trials(profile_of("latent"), "own")
    raw = profile_of("observed").hat("own").estimates
    for kept, rows in check.path.groupby("trials"):
        np.testing.assert_allclose(rows["observed"], raw, atol=1e-12, err_msg=str(kept))
    np.testing.assert_allclose(check.limit.estimates, raw, atol=1e-12)


@pytest.mark.parametrize("reference", ["pooled", "uniform"])
def test_thinned_path_against_naive(reference: str) -> None:
    """Dropping trials at random, several times, gives the exact path."""
    profile = profile_of("observed", n_items=2000)
    study = profile.study
    rng = np.random.default_rng(3)
    source = (study.counts["language"] == "src").to_numpy()
    right = study.counts["n_correct"].to_numpy()[source].astype(int)
    found = []
    for _ in range(3):
        counts = study.counts.copy()
        kept = rng.hypergeometric(right, 5 - right, 2)
        counts.loc[source, "n_correct"] = kept.astype(float)
        counts.loc[source, "n_trials"] = 2.0
        thin = dataclasses.replace(study, counts=counts)
        found.append(hs.fit_profile(thin, method="observed").hat(reference).estimates)
    path = hs.thin_trials(profile, reference).path
    exact = path.loc[path["trials"] == 2, "observed"]
    np.testing.assert_allclose(np.mean(found, axis=0), exact, atol=0.004)


@pytest.mark.parametrize(
    ("reference", "part"), [("pooled", "limit"), ("pooled", "implied"), ("uniform", "implied")]
)
@pytest.mark.slow
def test_influence_against_naive(reference: str, part: str) -> None:
    def scores(profile: hs.TransferProfile) -> ModelScores:
        found = getattr(hs.thin_trials(profile, reference), part)
        assert isinstance(found, ModelScores)
        return found

    slow, computed = slow_influence(profile_of("observed", twins=True), scores, [0, 99])
    np.testing.assert_allclose(slow, computed, atol=0.03 * np.abs(computed).max())


@pytest.mark.parametrize("world", ["logit_normal", "cubic"])
def test_limit_is_nearer_the_truth_than_the_observed_score(world: str) -> None:
    shape = Shape(n_items=4000, n_languages=2, n_trials=10)
    study = hs.simulate_study((-2.0, 2.0), shape=shape, world=world, rng=2)  # type: ignore[arg-type]
    profile = hs.fit_profile(study, method="observed")
    area = (np.arange(2000) + 0.5) / 2000
    truth = true_hat(area, world=world)  # type: ignore[arg-type]
    observed = np.abs(profile.hat("uniform").estimates - truth)
    limit = np.abs(hs.thin_trials(profile, "uniform").limit.estimates - truth)
    assert (observed > 0.03).all()
    assert (limit < 0.5 * observed).all()


def test_verdict_on_a_right_and_on_a_wrong_profile() -> None:
    latent = hs.thin_trials(profile_of("latent", n_items=2000), "uniform")
    assert "latent profile is compatible with thinning" in " ".join(latent.summary().split())
    observed = hs.thin_trials(profile_of("observed", n_items=2000), "uniform")
    assert "NOT compatible" in observed.summary()
    table = latent.tidy()
    assert list(table["term"].unique()) == ["limit", "implied limit", "difference", "HAT"]
    assert table.loc[table["term"] == "difference", "p_value"].between(0.0, 1.0).all()
    assert table.loc[table["term"] != "difference", "p_value"].isna().all()
    assert isinstance(latent, Thinning)
    assert max(map(len, latent.summary().splitlines())) <= 80
    assert latent.glance()["trials"].item() == 5


def test_extrapolation_is_exact_for_a_quadratic() -> None:
    steps = np.array([2, 3, 4, 5])
    x = 1.0 / (steps + 1.0)
    assert extrapolation_weights(steps) @ (0.4 - 0.3 * x + 2.0 * x**2) == pytest.approx(0.4)


def test_a_few_items_with_fewer_trials_are_excluded_degenerate() -> None:
    study = profile_of("observed").study
    counts = study.counts.copy()
    short = (counts["item"] == counts["item"].iloc[0]) & (counts["language"] == "src")
    counts.loc[short, ["n_correct", "n_trials"]] = 1.0
    check = hs.thin_trials(
        hs.fit_profile(dataclasses.replace(study, counts=counts), method="observed")
    )
    assert check.n_excluded == 3
    assert "3 model-item pairs" in check.summary()
    assert np.isfinite(check.path["observed"]).all()


def test_a_language_missing_for_one_model_degenerate() -> None:
    study = profile_of("observed").study
    missing = (study.counts["model"] == "model-01") & (study.counts["language"] == "t02")
    part = dataclasses.replace(study, counts=study.counts[~missing.to_numpy()])
    for reference in REFERENCES:
        check = hs.thin_trials(hs.fit_profile(part, method="observed"), reference)
        assert check.models == ("model-01", "model-02", "model-03")
        assert np.isfinite(check.limit.estimates).all()
        assert np.isfinite(check.implied.covariance).all()


def test_two_trials_and_no_items_bad_input() -> None:
    study = hs.simulate_study(ABILITY, shape=Shape(n_items=100, n_trials=2), rng=1)
    with pytest.raises(hs.NotIdentifiedError, match="3 or more trials"):
        hs.thin_trials(hs.fit_profile(study))
    with pytest.raises(hs.NotIdentifiedError, match="binomial thinning needs counts per item"):
        hs.thin_trials(hs.fit_profile(study, method="aggregate"))
    with pytest.raises(hs.DataError, match="reference"):
        hs.thin_trials(profile_of("observed"), "median")


def test_a_difference_of_rounding_errors_is_not_tested_degenerate() -> None:
    """Under its own distribution an observed profile is raw accuracy: nothing can differ."""
    check = hs.thin_trials(profile_of("observed"), "own")
    rows = check.tidy()
    assert rows.loc[rows["term"] == "difference", "p_value"].isna().all()
    assert "Thinning cannot test the observed profile" in check.summary()


def test_a_check_shows_itself() -> None:
    check = hs.thin_trials(profile_of("latent"))
    assert repr(check) == check.summary()
    shown = check._repr_html_()
    assert "Binomial thinning" in shown
    assert "nan" not in shown.lower()
    assert "<th>df</th>" not in shown


def test_a_path_of_a_thousand_trials_has_forty_points_degenerate() -> None:
    shape = hs.Shape(n_items=6, n_languages=1, n_trials=1000)
    study = hs.simulate_study((0.0, 1.0), shape=shape, rng=1)
    path = hs.thin_trials(hs.fit_profile(study, method="observed")).path
    trials = np.unique(path["trials"])
    assert trials[np.isfinite(trials)].size == 40
    assert trials[[0, -2]].tolist() == [1.0, 1000.0]


def test_a_billion_trials_of_each_wording_are_thinned_as_thousands() -> None:
    shape = Shape(n_items=60, n_languages=1, n_trials=12, repeats=2)
    study = hs.simulate_study([0.5, 1.0], shape=shape, rng=2)
    counts = study.counts.copy()
    counts[["n_trials", "n_correct"]] *= 5e8
    many = dataclasses.replace(study, counts=counts)
    check = hs.thin_trials(hs.fit_profile(many, method="latent"))
    kept = check.path["trials"]
    assert kept[np.isfinite(kept)].max() == 12  # wordings, not trials
