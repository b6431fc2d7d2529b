"""The `observed` profile: mean target accuracy of items by their observed source accuracy k/n.

It needs no model, and it is biased where trials are few: noise in k/n pulls the profile towards the
model's own mean, so that the transfer of strong models is overestimated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hatstats.inference.arrays import Bools, Floats, Ints
from hatstats.scores.benchmark_fit import BenchmarkFit
from hatstats.scores.counts import ItemCounts


@dataclass(frozen=True, slots=True)
class ObservedModel:
    """Profile (L, Q) of one model on the benchmark's levels of k/n, with the influence of items.

    It is interpolated where the model has no item, by weights (Q, Q) of each language, and NaN for
    a language that the model was never asked in. The distribution (Q,) is the share of the model's
    items at each level; the level of an item (N,) is -1 if it was not asked in the source; target
    accuracies are (N, L).
    """

    distribution: Floats
    profile: Floats
    interpolation: tuple[Floats, ...]
    level: Ints
    target: Floats

    def profile_influence(self, weights: Floats) -> Floats:
        """Influence of each item on ``sum_q weights_q T_l(q)``, shape (N, L)."""
        influence = np.zeros(self.target.shape)
        for column, interpolation in enumerate(self.interpolation):
            y = self.target[:, column]
            used = (self.level >= 0) & ~np.isnan(y)
            level = self.level[used]
            size = np.bincount(level, minlength=weights.size)
            weight = (weights @ interpolation)[level] / size[level]
            influence[used, column] = weight * (y[used] - self.profile[column, level])
        return influence

    def distribution_influence(self, values: Floats) -> Floats:
        """Influence of each item on ``sum_q g(q) values_qr``, shape (N, R) for values (Q, R)."""
        influence = np.zeros((self.level.size, values.shape[1]))
        used = self.level >= 0
        influence[used] = (values[self.level[used]] - self.distribution @ values) / used.sum()
        return influence


def _interpolation(filled: Bools, support: Floats) -> Floats:
    """Weights (Q, Q) from means at filled levels (Q,) to all: linear between, constant outside."""
    weights = np.zeros((support.size, support.size))
    for level in np.flatnonzero(filled):
        indicator = np.arange(support.size)[filled] == level
        weights[:, level] = np.interp(support, support[filled], indicator.astype(float))
    return weights


def fit_observed(counts: ItemCounts) -> BenchmarkFit:
    """Observed profiles of every model of a benchmark, on the levels of k/n seen in any model."""
    source, target = counts.source_accuracy(), counts.target_accuracy()
    support = np.unique(source[~np.isnan(source)])
    models = []
    for m in range(len(counts.models)):
        asked = ~np.isnan(source[m])
        level = np.full(source[m].shape, -1, dtype=np.intp)
        level[asked] = np.searchsorted(support, source[m][asked])
        profile, interpolations = [], []
        for y in target[m].T:
            used = asked & ~np.isnan(y)
            size = np.bincount(level[used], minlength=support.size)
            total = np.bincount(level[used], weights=y[used], minlength=support.size)
            mean = total / np.maximum(size, 1) if used.any() else np.full(size.shape, np.nan)
            interpolations.append(_interpolation(size > 0, support))
            profile.append(interpolations[-1] @ mean)
        models.append(
            ObservedModel(
                distribution=np.bincount(level[asked], minlength=support.size) / asked.sum(),
                profile=np.array(profile),
                interpolation=tuple(interpolations),
                level=level,
                target=target[m],
            )
        )
    return BenchmarkFit(counts, support, tuple(models))
