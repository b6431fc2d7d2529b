"""The paired item bootstrap and resampled trials: against SciPy, theory, full refits."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

import hatstats as hs
from bench.bootstrap import paired_bootstrap
from hatstats.inference.resampling.bootstrap import bootstrap_weights
from hatstats.inference.tidy import standard_errors
from hatstats.scores.item_profile import require_items, score_influence
from hatstats.simulation.simulate import Shape
from tests.studies import repeated

ABILITY = (-0.5, 0.3, 1.0)
SHAPE = Shape(n_items=200, n_languages=3, n_trials=4)


@pytest.fixture(scope="module")
def study() -> hs.Study:
    return hs.simulate_study(ABILITY, shape=SHAPE, rng=1)


@pytest.fixture(scope="module")
def observed(study: hs.Study) -> hs.TransferProfile:
    return hs.fit_profile(study, method="observed")


@functools.cache
def twin_profile(method: str) -> hs.TransferProfile:
    twins = dataclasses.replace(SHAPE, twins=True)
    study = hs.simulate_study(ABILITY, shape=twins, rng=2)
    return hs.fit_profile(study, method=method)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["latent", "observed"])
@pytest.mark.parametrize("reference", ["pooled", "uniform", "own", "model:model-02"])
def test_influence_gives_the_covariance_of_the_scores(method: str, reference: str) -> None:
    profile = twin_profile(method)
    scores = profile.hat(reference)
    found = score_influence(require_items(profile, "a test"), reference)
    assert found.models == scores.models
    np.testing.assert_allclose(found.estimates, scores.estimates, atol=1e-12)
    np.testing.assert_allclose(found.covariance, scores.covariance, atol=1e-14)


def test_standard_errors_against_scipy() -> None:
    shape = Shape(n_items=500, n_languages=2, n_trials=3)
    race = paired_bootstrap(hs.simulate_study(ABILITY, shape=shape, rng=1), draws=5000)
    assert race.our_errors.shape == (3,)
    assert race.disagreement < 0.03
    # The bar of the project is 100 at its full size, which `make bench` runs.
    assert race.ratio > 5


def refitted(profile: hs.TransferProfile, weights: np.ndarray, reference: str) -> np.ndarray:
    """Scores of the study whose item clusters are repeated by whole weights (G,), fitted anew."""
    (counts,) = require_items(profile, "a test").counts
    study = repeated(profile.study, counts.items, counts.clusters, weights)
    return hs.fit_profile(study, method="observed").hat(reference).estimates


@pytest.mark.parametrize(("reference", "most"), [("own", 1e-9), ("pooled", 0.5)])
@pytest.mark.slow
def test_steps_are_near_full_refits(reference: str, most: float) -> None:
    """Under the own reference the observed score is a mean: linear, so that steps are exact."""
    profile = twin_profile("observed")
    scores = score_influence(require_items(profile, "a test"), reference)
    (psi,) = scores.influence
    bse = standard_errors(scores.covariance)
    for weights in bootstrap_weights(100, 4, np.random.default_rng(1)):
        moved = refitted(profile, weights, reference) - scores.estimates
        assert (np.abs(moved) > 0).all()
        assert (np.abs(moved - (weights - 1.0) @ psi) / bse).max() < most


def test_draws_agree_with_the_sandwich(observed: hs.TransferProfile) -> None:
    drawn = hs.bootstrap_hat(observed, n_draws=20_000, rng=4)
    scores = observed.hat()
    np.testing.assert_allclose(drawn.std_errors, scores.std_errors, rtol=0.03)
    correlation = scores.covariance / np.outer(scores.std_errors, scores.std_errors)
    drawn_correlation = drawn.covariance / np.outer(drawn.std_errors, drawn.std_errors)
    np.testing.assert_allclose(drawn_correlation, correlation, atol=0.03)
    for interval in ("bca", "percentile"):
        limits = drawn.limits(interval=interval)  # type: ignore[arg-type]
        np.testing.assert_allclose(limits, scores.limits(), atol=0.2 * scores.std_errors.max())


def test_contrasts_are_paired(observed: hs.TransferProfile) -> None:
    drawn = hs.bootstrap_hat(observed, n_draws=20_000, rng=4)
    row = drawn.contrast("model-01", "model-03").tidy().iloc[0]
    exact = observed.hat().contrast("model-01", "model-03").tidy().iloc[0]
    assert row["estimate"] == pytest.approx(exact["estimate"])
    assert row["std_error"] == pytest.approx(exact["std_error"], rel=0.03)
    assert row["conf_low"] < row["estimate"] < row["conf_high"]


def test_tidy_ranks_and_seeds(observed: hs.TransferProfile) -> None:
    first, again, other = (hs.bootstrap_hat(observed, n_draws=500, rng=s) for s in (1, 1, 2))
    assert np.array_equal(first.draws, again.draws)
    assert not np.array_equal(first.draws, other.draws)
    table = first.tidy()
    assert list(table["model"]) == list(first.models)
    assert (table["conf_low"] < table["estimate"]).all()
    assert (table["estimate"] < table["conf_high"]).all()
    ranks = first.ranks()
    assert sorted(ranks["rank"]) == [1, 2, 3]
    assert (ranks["rank_low"] <= ranks["rank"]).all()
    assert (ranks["rank"] <= ranks["rank_high"]).all()
    assert ranks.loc[ranks["rank"] == 1, "tied_with_best"].all()
    assert "cannot fail" in first.summary()
    assert max(map(len, first.summary().splitlines())) <= 80


@pytest.mark.slow
def test_trials_of_a_mean_against_theory(observed: hs.TransferProfile) -> None:
    """The mean of k/n over the same items has variance sum p (1 - p) / n over cells squared."""
    study = observed.study
    drawn = hs.resample_trials(observed, "own", n_draws=30, rng=1)
    rows = study.counts[(study.counts["language"] != "src").to_numpy()]
    share = rows["n_correct"] / rows["n_trials"]
    unbiased = share * (1.0 - share) / (rows["n_trials"] - 1.0)
    expected = unbiased.groupby(rows["model"]).sum() ** 0.5 / (200 * 3)
    assert drawn.scale == pytest.approx(np.sqrt(4 / 3))
    np.testing.assert_allclose(drawn.std_errors, expected, rtol=0.35)
    assert (drawn.std_errors < 0.7 * observed.hat("own").std_errors).all()
    assert drawn.unit == "trials"
    assert drawn.n_failed == 0
    assert "inflates the SE" in drawn.summary()
    assert np.isfinite(drawn.limits()).all()


def test_all_answers_the_same_degenerate(study: hs.Study) -> None:
    counts = study.counts.copy()
    counts.loc[counts["model"] == "model-01", "n_correct"] = 4.0
    flat = dataclasses.replace(study, counts=counts)
    with pytest.warns(hs.DegenerateDataWarning, match="every source answer"):
        profile = hs.fit_profile(flat, method="observed")
    with pytest.warns(hs.DegenerateDataWarning, match="no item moves the score of model-01"):
        drawn = hs.bootstrap_hat(profile, "own", n_draws=200, rng=1)
    limits = drawn.limits()
    assert np.isnan(limits[0]).all()
    assert np.isfinite(limits[1:]).all()


def test_one_cluster_degenerate(study: hs.Study) -> None:
    one = dataclasses.replace(study, counts=study.counts.assign(cluster="all"))
    with pytest.raises(hs.NotIdentifiedError, match="one item cluster"):
        hs.bootstrap_hat(hs.fit_profile(one, method="observed"))


def test_one_trial_cannot_be_redrawn_degenerate() -> None:
    single = dataclasses.replace(SHAPE, n_trials=1)
    profile = hs.fit_profile(hs.simulate_study(ABILITY, shape=single, rng=1), method="observed")
    with pytest.raises(hs.NotIdentifiedError, match="two or more trials"):
        hs.resample_trials(profile)


def test_choices_bad_input(observed: hs.TransferProfile, study: hs.Study) -> None:
    with pytest.raises(hs.DataError, match="n_draws"):
        hs.bootstrap_hat(observed, n_draws=10)
    with pytest.raises(hs.DataError, match="n_draws"):
        hs.resample_trials(observed, n_draws=2)
    with pytest.raises(hs.DataError, match="reference"):
        hs.bootstrap_hat(observed, "best")
    drawn = hs.bootstrap_hat(observed, n_draws=100, rng=1)
    with pytest.raises(hs.DataError, match="interval"):
        drawn.limits(interval="hdi")  # type: ignore[arg-type]
    with pytest.raises(hs.DataError, match="no such model"):
        drawn.contrast("model-01", "nobody")
    with pytest.raises(hs.NotIdentifiedError, match="counts per item"):
        hs.bootstrap_hat(hs.fit_profile(study, method="aggregate"))
