"""Checks of profiles whose trials share wordings: by whole wordings, and right about right fits."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import hatstats as hs
from hatstats.diagnostics.half_samples import _squares
from hatstats.diagnostics.thinning import thinned_wordings
from hatstats.scores.item_profile import require_items
from hatstats.simulation.simulate import Shape

RHO = 0.5


@cache
def study_of(wordings: int, repeats: int, *, rho: float = RHO, seed: int = 1) -> hs.Study:
    shape = Shape(n_items=600, n_languages=2, n_trials=wordings * repeats, repeats=repeats,
                  wording_correlation=rho)  # fmt: skip
    return hs.simulate_study((-0.5, 0.5, 1.5), shape=shape, rng=seed)


@cache
def profile_of(wordings: int, repeats: int) -> hs.TransferProfile:
    return hs.fit_profile(study_of(wordings, repeats), method="latent")


@pytest.mark.parametrize(("wordings", "repeats"), [(2, 4), (4, 4)])
def test_counts_of_dependent_trials_fit(wordings: int, repeats: int) -> None:
    """Binomial probabilities of so many counts would be refused: many items have k of 0 or n."""
    tests = hs.count_table(profile_of(wordings, repeats)).tests.set_index(["term", "model"])
    assert (tests.loc["source counts", "p_value"] > 0.01).all()
    assert (tests.loc["target means", "p_value"] > 0.01).all()


def test_halves_of_wordings_against_naive() -> None:
    """The mean product of two trials of different wordings, by loops over pairs."""
    counts = require_items(profile_of(2, 4), "a test").fits[0].counts
    study = study_of(2, 4)
    rows = study.counts[study.is_source & (study.counts["model"] == "model-01").to_numpy()]
    squares = _squares(counts)[0]
    for item, own in itertools.islice(rows.groupby("item"), 40):
        k = own["n_correct"].to_numpy()
        naive = [a * b / 16.0 for a, b in itertools.permutations(k, 2)]
        assert squares[list(counts.items).index(item)] == pytest.approx(np.mean(naive))


@pytest.mark.parametrize(("wordings", "repeats"), [(2, 4), (4, 4)])
def test_split_halves_agree_with_a_right_profile(wordings: int, repeats: int) -> None:
    found = hs.split_half(profile_of(wordings, repeats))
    difference = found.terms["difference"]
    z = difference.estimates / np.sqrt(np.diag(difference.covariance))
    assert np.abs(z).max() < 3.0
    # Of the variance of k/n, luck of wordings is noise.
    independent = hs.split_half(hs.fit_profile(study_of(wordings, repeats, rho=0.0)))
    assert (found.reliability["reliability"] < independent.reliability["reliability"]).all()


def test_thinned_wordings_against_naive() -> None:
    """Every choice of wordings, one by one."""
    rng = np.random.default_rng(1)
    right = rng.integers(0, 4, (6, 5)).astype(float)
    right[0, 3:] = np.nan
    for kept in (1, 2, 3, 4):
        table = thinned_wordings(right, 3, kept)
        for row, own in zip(table, right, strict=True):
            known = own[~np.isnan(own)]
            sums = [int(sum(each)) for each in itertools.combinations(known, kept)]
            expected = np.bincount(sums, minlength=3 * kept + 1) / max(len(sums), 1)
            np.testing.assert_allclose(row, expected, atol=1e-12)


def test_thinning_agrees_with_a_right_profile() -> None:
    found = hs.thin_trials(profile_of(4, 4))
    assert found.path["trials"].max() == np.inf
    assert sorted(set(found.path["trials"]))[:-1] == [4.0, 8.0, 12.0, 16.0]
    difference = found.terms["difference"]
    z = difference.estimates / np.sqrt(np.diag(difference.covariance))
    assert np.abs(z).max() < 3.0


def test_too_few_wordings_to_thin() -> None:
    with pytest.raises(hs.NotIdentifiedError, match="3 or more wordings per item"):
        hs.thin_trials(profile_of(2, 4))
    # A model without the repeats of the others has no such wording.
    study = profile_of(6, 2).study
    first = study.counts["model"] == study.model_names[0]
    asked = study.counts.assign(
        n_trials=study.counts["n_trials"].mask(first, 1.0),
        n_correct=study.counts["n_correct"].mask(first, study.counts["n_correct"].clip(upper=1.0)),
    )
    once = hs.fit_profile(replace(study, counts=asked), method="observed")
    with pytest.raises(hs.NotIdentifiedError, match="thinning from 0 wordings"):
        hs.thin_trials(once)


@pytest.mark.slow
def test_resampled_wordings_vary_as_new_wordings_would() -> None:
    """The spread over studies of the same items with other answers, and that of redrawing."""
    shape = Shape(n_items=100, n_languages=2, n_trials=16, repeats=4, wording_correlation=RHO)
    study = hs.simulate_study((-0.5, 1.0), shape=shape, rng=1)
    profile = hs.fit_profile(study, method="observed")
    drawn = hs.resample_trials(profile, "own", n_draws=60, rng=1)
    counts = require_items(profile, "a test").fits[0].counts
    share = counts.target_accuracy()
    same = counts.target_pairs
    assert same is not None
    k, n = counts.target_correct, counts.target_trials
    other = n * (n - 1.0) - same.number
    square = (k * (k - 1.0) - same.right) / other
    # Var(k / n) by item: x (1 - x) (1 + (R - 1) rho) / n, from the pairs of trials.
    one = same.right / same.number
    variance = (share + 3.0 * one - 4.0 * square) / 16.0
    expected = np.sqrt(variance.mean(axis=(1, 2)) / (100 * 2))
    np.testing.assert_allclose(drawn.std_errors, expected, rtol=0.25)
    assert drawn.unit == "wordings"
    assert "Wordings were redrawn" in " ".join(drawn.summary().split())


def test_repeats_of_one_wording_are_named() -> None:
    study = study_of(1, 4)
    counts = study.counts.assign(prompt="w")
    known = hs.Study(counts, study.models, study.benchmarks)
    profile = hs.fit_profile(known, method="latent")
    for check in (hs.count_table, hs.split_half, hs.thin_trials):
        text = " ".join(check(profile).summary().split())
        assert "are of one wording" in text
