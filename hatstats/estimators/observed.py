"""The `observed` profile: mean target accuracy of items by their observed source accuracy k/n.

This is what a reader of raw tables would do. It needs no model, and it is biased wherever few
trials blur k/n: noise in the source pulls the profile towards the model's own mean, so that
strong models look better at transfer than they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hatstats.scores.counts import ItemCounts

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ObservedModel:
    """Profile of one model on the benchmark's levels of k/n, with influence look-ups.

    Attributes
    ----------
    distribution : ndarray, shape (Q,)
        Share of the model's items at each level.
    profile : ndarray, shape (L, Q)
        Mean target accuracy at each level, interpolated where the model has no item; NaN for a
        language that the model was never asked in.
    interpolation : tuple of ndarray, each (Q, Q)
        Per language, the weights that carry means at filled levels to all levels.
    level : ndarray of int, shape (N,)
        Level of each item, -1 if the item was not asked in the source.
    target : ndarray, shape (N, L)
    """

    distribution: Floats
    profile: Floats
    interpolation: tuple[Floats, ...]
    level: NDArray[np.intp]
    target: Floats

    def profile_influence(self, weights: Floats) -> Floats:
        """Influence of each item on ``sum_q weights_q T_l(q)``, shape (N, L)."""
        influence = np.zeros(self.target.shape)
        for place, spread in enumerate(self.interpolation):
            on_levels = weights @ spread
            y = self.target[:, place]
            used = (self.level >= 0) & ~np.isnan(y)
            level = self.level[used]
            size = np.bincount(level, minlength=weights.size)
            share = on_levels[level] / size[level]
            influence[used, place] = share * (y[used] - self.profile[place, level])
        return influence

    def distribution_influence(self, values: Floats) -> Floats:
        """Influence of each item on ``sum_q g(q) values_qr``, shape (N, R) for values (Q, R)."""
        influence = np.zeros((self.level.size, values.shape[1]))
        used = self.level >= 0
        influence[used] = (values[self.level[used]] - self.distribution @ values) / used.sum()
        return influence


def _interpolation(filled: NDArray[np.bool_], support: Floats) -> Floats:
    """Weights (Q, Q) from means at filled levels to all: linear between, constant outside."""
    weights = np.zeros((support.size, support.size))
    known = np.flatnonzero(filled)
    for unit in known:
        weights[:, unit] = np.interp(support, support[known], (known == unit).astype(float))
    return weights


def fit_observed(counts: ItemCounts) -> tuple[Floats, tuple[ObservedModel, ...]]:
    """Observed profiles of every model of a benchmark.

    Parameters
    ----------
    counts : ItemCounts

    Returns
    -------
    support : ndarray, shape (Q,)
        Levels of k/n seen in any model.
    models : tuple of ObservedModel, length M
    """
    source, target = counts.source_accuracy(), counts.target_accuracy()
    support = np.unique(source[~np.isnan(source)])
    fitted = []
    for m in range(len(counts.models)):
        asked = ~np.isnan(source[m])
        level = np.full(source[m].shape, -1, dtype=np.intp)
        level[asked] = np.searchsorted(support, source[m][asked])
        profile, spreads = [], []
        for place in range(len(counts.languages)):
            y = target[m, :, place]
            used = asked & ~np.isnan(y)
            size = np.bincount(level[used], minlength=support.size)
            total = np.bincount(level[used], weights=y[used], minlength=support.size)
            mean = np.divide(total, size, out=np.zeros(support.size), where=size > 0)
            spread = _interpolation(size > 0, support)
            if not used.any():
                mean = np.full(support.size, np.nan)
            profile.append(spread @ mean)
            spreads.append(spread)
        fitted.append(
            ObservedModel(
                distribution=np.bincount(level[asked], minlength=support.size) / asked.sum(),
                profile=np.array(profile),
                interpolation=tuple(spreads),
                level=level,
                target=target[m],
            )
        )
    return support, tuple(fitted)
