"""Items with more trials than anybody has: fits in the time and memory of 1,000 of them."""

from __future__ import annotations

import numpy as np
import pytest

import hatstats as hs
from hatstats.scores.counts import MOST_TRIALS, item_counts, with_most_trials


def study(trials: int, *, prompt: bool = False) -> hs.Study:
    """Counts that a thousand trials round to; multiples of one number would be copies."""
    few = hs.simulate_study([0.0, 0.7], shape=hs.Shape(15, 2, n_trials=1000), rng=3)
    cell = ["model", "benchmark", "language", "item"]
    sums = few.counts.groupby(cell, as_index=False)[["n_correct", "n_trials"]].sum()
    assert (sums["n_trials"] == 1000).all()
    right, factor = sums["n_correct"], trials // 1000
    right = right * factor + ((right < 1000) & (factor > 1))
    counts = sums.assign(n_correct=right, n_trials=trials)
    return hs.Study(counts.assign(prompt="p" if prompt else ""), few.models, few.benchmarks)


@pytest.mark.parametrize("method", ["latent", "joint"])
@pytest.mark.parametrize("trials", [10**6, 10**9])
def test_scores_of_a_million_trials_are_those_of_a_thousand(method: str, trials: int) -> None:
    many, few = (
        hs.fit_profile(study(n), method=method).hat()  # type: ignore[arg-type]
        for n in (trials, 1000)
    )
    np.testing.assert_allclose(many.estimates, few.estimates, rtol=1e-9)
    np.testing.assert_allclose(many.std_errors, few.std_errors, rtol=1e-7)


def test_observed_shares_keep_all_of_their_trials() -> None:
    counts = hs.fit_profile(study(10**9), method="observed").counts[0]
    assert counts.source_trials.max() == 10**9  # type: ignore[union-attr]


def test_fewer_trials_keep_their_shares_and_pairs() -> None:
    whole = item_counts(study(10**6, prompt=True), "simulated")
    fewer = with_most_trials(whole)
    assert fewer.source_trials.max() == fewer.target_trials.max() == MOST_TRIALS
    np.testing.assert_allclose(fewer.source_accuracy(), whole.source_accuracy(), atol=2e-6)
    for m in range(2):
        np.testing.assert_allclose(fewer.source_wordings(m)[1], whole.source_wordings(m)[1])
    assert with_most_trials(fewer) is fewer
