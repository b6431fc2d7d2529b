"""The `observed` profile: mean target accuracy of items by their observed source accuracy k/n.

It needs no model, and it is biased where trials are few: noise in k/n pulls the profile towards the
model's own mean, so that the transfer of strong models is overestimated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hatstats.inference.arrays import Bools, Floats
from hatstats.scores.benchmark_fit import BenchmarkFit
from hatstats.scores.counts import ItemCounts


def mean_where_known(total: Floats, size: Floats) -> Floats:
    """Quotient, 0 where `size` is."""
    mean: Floats = np.divide(total, size, out=np.zeros_like(total), where=size > 0)
    return mean


def _interpolation(filled: Bools, support: Floats) -> Floats:
    """Weights (Q, Q) from means at filled levels (Q,) to all: linear between, constant outside."""
    weights = np.zeros((support.size, support.size))
    for level in np.flatnonzero(filled):
        indicator = np.arange(support.size)[filled] == level
        weights[:, level] = np.interp(support, support[filled], indicator.astype(float))
    return weights


@dataclass(frozen=True, slots=True)
class ObservedModel:
    """Profile (L, Q) of one model by level of k/n, with the influence of items.

    It is interpolated where the model has no item, from `mean` (Q, L) by weights (L, Q, Q), and NaN
    for a language that the model was never asked in. The distribution (Q,) is the share of the
    model's items at each level; `by_item` (N, Q) is the probability of each item's level, 0 at all
    of them if it was not asked in the source; target accuracies are (N, L), and `n_items` (Q, L)
    counts items with one.
    """

    distribution: Floats
    profile: Floats
    mean: Floats
    interpolation: Floats
    by_item: Floats
    target: Floats
    n_items: Floats

    def profile_influence(self, weights: Floats) -> Floats:
        """Influence of each item on ``sum_q weights_q T_l(q)``, shape (N, L)."""
        on_means = np.einsum("q,lqk->kl", weights, self.interpolation)
        per_item = mean_where_known(on_means, self.n_items)
        influence = (self.by_item @ per_item) * np.nan_to_num(self.target)
        influence -= self.by_item @ (per_item * self.mean)
        return np.asarray(influence * ~np.isnan(self.target), dtype=float)

    def distribution_influence(self, values: Floats) -> Floats:
        """Influence of each item on ``sum_q g(q) values_qr``, shape (N, R) for values (Q, R)."""
        used = self.by_item.any(axis=1)
        centred = np.where(used[:, None], self.by_item - self.distribution, 0.0) / used.sum()
        return np.asarray(centred @ values, dtype=float)


def observed_model(by_item: Floats, target: Floats, support: Floats) -> ObservedModel:
    """Profile by level on a support (Q,), from items' levels (N, Q) and targets (N, L)."""
    n_items = by_item.T @ ~np.isnan(target)
    mean = mean_where_known(by_item.T @ np.nan_to_num(target), n_items)
    weights = np.array([_interpolation(column > 0, support) for column in n_items.T])
    known = np.where(n_items.any(axis=0), mean, np.nan)
    return ObservedModel(
        distribution=by_item.sum(axis=0) / by_item.sum(),
        profile=np.einsum("lqk,kl->lq", weights, known),
        mean=mean,
        interpolation=weights,
        by_item=by_item,
        target=target,
        n_items=n_items,
    )


def fit_observed(counts: ItemCounts) -> BenchmarkFit:
    """Observed profiles of every model of a benchmark, on the levels of k/n seen in any model."""
    source, target = counts.source_accuracy(), counts.target_accuracy()
    support = np.unique(source[~np.isnan(source)])
    levels = (source[:, :, None] == support).astype(float)
    models = map(observed_model, levels, target, [support] * len(levels))
    return BenchmarkFit(counts, support, tuple(models))
