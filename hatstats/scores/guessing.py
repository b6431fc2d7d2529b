"""Models that answer no better than by guessing: they show no knowledge that could transfer.

A model that always gives the same option is right on the same items in every language, which looks
like perfect transfer. It is known by two things: its source accuracy is that of guessing, and where
the options are not equally often right, its right answers are not those to items that other models
find easy.
"""

from __future__ import annotations

import numpy as np

from hatstats.inference.arrays import Bools, Floats
from hatstats.inference.influence import cluster_sums, covariance_of_sums
from hatstats.inference.tidy import standard_errors
from hatstats.scores.benchmark_fit import mean_influence
from hatstats.scores.counts import ItemCounts, ratio

#: One-sided tests at level .05, by a standard error over item clusters.
_CRITICAL = 1.645
#: Models that know more than this share of the items are not asked which ones they know, and fewer
#: other models than this do not say which items are easy.
_LITTLE, _FEWEST = 0.2, 3


def guessing_models(counts: ItemCounts) -> Bools:
    """Which models (M,) do no better than guessing in the source language."""
    if counts.chance <= 0.0:
        return np.zeros(len(counts.models), dtype=bool)
    share = counts.source_accuracy()
    mean, influence = mean_influence(share)
    error = standard_errors(covariance_of_sums(cluster_sums(influence, counts.clusters)))
    # Nothing is known of the error of a single item.
    guesses = mean - counts.chance <= _CRITICAL * error
    known = (mean - counts.chance) / (1.0 - counts.chance)
    able = np.flatnonzero(~guesses)
    weak = able[known[able] < _LITTLE]
    if weak.size and able.size > _FEWEST:
        easy = _ease(counts)
        for m in weak:
            guesses[m] = _unrelated(easy[m], easy[able[able != m]], counts)
    return guesses


def _ease(counts: ItemCounts) -> Floats:
    """How much more often a model is right on an item than on others, over languages (M, N)."""
    share = np.concatenate([counts.source_accuracy()[:, :, None], counts.target_accuracy()], axis=2)
    asked = ~np.isnan(share)
    level = np.nansum(share, axis=1, keepdims=True) / np.maximum(
        asked.sum(axis=1, keepdims=True), 1
    )
    return ratio(np.nansum(share - level, axis=2), asked.sum(axis=2))


def _unrelated(own: Floats, others: Floats, counts: ItemCounts) -> bool:
    """Whether the right answers (N,) of a model do not go with those of others (R, N)."""
    asked = ~np.isnan(own) & ~np.isnan(others).all(axis=0)
    easy = np.nanmean(others[:, asked], axis=0)
    psi = np.zeros((own.size, 1))
    psi[asked, 0] = (own[asked] - own[asked].mean()) * (easy - easy.mean())
    sums = cluster_sums(psi, counts.clusters)
    return not sums.sum() > _CRITICAL * np.sqrt((sums**2).sum())
