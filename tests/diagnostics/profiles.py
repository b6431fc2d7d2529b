"""Profiles to check, and influence values by refitting, for the tests of the diagnostics."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

import hatstats as hs
from hatstats.scores.averages import ModelScores
from hatstats.scores.item_profile import require_items
from hatstats.simulation.simulate import Shape
from tests.studies import repeated

ABILITY = (-0.5, 0.3, 1.0)


@cache
def profile_of(
    method: str, *, n_items: int = 300, n_trials: int = 5, seed: int = 1, twins: bool = False
) -> hs.TransferProfile:
    """A profile of three simulated models in two languages, fitted once."""
    shape = Shape(n_items=n_items, n_languages=2, n_trials=n_trials, twins=twins)
    study = hs.simulate_study(ABILITY, shape=shape, rng=seed)
    return hs.fit_profile(study, method=method)  # type: ignore[arg-type]


def slow_influence(
    profile: hs.TransferProfile,
    scores: Callable[[hs.TransferProfile], ModelScores],
    clusters: list[int],
) -> tuple[np.ndarray, np.ndarray]:
    """Influence (K, M) of clusters by fitting again, and as computed.

    From weight 1 - h to 1 + h an estimate changes by ``2 h psi`` up to h^3: all clusters are twice
    in the data, so that weights 1/2 and 3/2 are one copy and three.
    """
    (counts,) = require_items(profile, "a test").counts
    groups = int(counts.clusters.max()) + 1
    computed = scores(profile).influence[0][clusters]
    found = []
    for cluster in clusters:
        ends = []
        for copies in (1.0, 3.0):
            weights = np.full(groups, 2.0)
            weights[cluster] = copies
            study = repeated(profile.study, counts.items, counts.clusters, weights)
            again = hs.fit_profile(study, method=profile.method)  # type: ignore[arg-type]
            ends.append(scores(again).estimates)
        found.append(ends[1] - ends[0])
    return np.array(found), computed
