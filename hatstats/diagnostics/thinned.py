"""Observed scores at fewer trials, exactly, and what a profile implies for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from hatstats.scores.benchmark_fit import BenchmarkFit, CellScores, ModelFit
from hatstats.scores.reference import Mixture, reference_mixture

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ThinnedModel:
    """One model at one number of trials, by level j of right answers (J of them).

    Attributes
    ----------
    keep : ndarray, shape (N, J)
        P(j right of those kept) of each item; rows of 0 for items with too few trials.
    likelihood : ndarray, shape (J, Q)
        P(j | x) on the profile's support.
    share, implied_share : ndarray, shape (J,)
    mean, implied_mean : ndarray, shape (J, L)
        Mean target accuracy by level; the first is carried over levels without items.
    mass : ndarray, shape (J, L)
        Items by level, in parts.
    fill : ndarray, shape (L, J, J)
        Weights that carry means from levels with items to all levels.
    """

    keep: Floats
    likelihood: Floats
    share: Floats
    implied_share: Floats
    mean: Floats
    implied_mean: Floats
    mass: Floats
    fill: Floats


@dataclass(frozen=True, slots=True, eq=False)
class ThinnedData:
    """What every step thins: the same items at each, so that the path is one of trials only.

    Source trials (M, N), 0 for items left out; target accuracy (M, N, L); and which models were
    asked in which languages (M, L).
    """

    trials: Floats
    target: Floats
    there: NDArray[np.bool_]


def thinned_shares(correct: Floats, trials: Floats, kept: int) -> Floats:
    """P(j of `kept` trials right) of each item, shape (N, kept + 1).

    Hypergeometric, hence exact; rows of 0 for items with fewer than `kept` trials.
    """
    able = (trials >= kept) & (trials > 0)
    table = np.zeros((correct.size, kept + 1))
    pairs, index = np.unique(
        np.column_stack([trials[able], correct[able]]), axis=0, return_inverse=True
    )
    rows = np.asarray(stats.hypergeom.pmf(np.arange(kept + 1), pairs[:, :1], pairs[:, 1:], kept))
    table[able] = rows[index.reshape(-1)]
    return table


def _fill(mass: Floats) -> Floats:
    """Weights (J, J) from levels with items to all: linear between them, constant outside."""
    if (mass > 0).all():
        return np.eye(mass.size)
    places, known = np.arange(mass.size), np.flatnonzero(mass > 0)
    weights = np.zeros((mass.size, mass.size))
    for unit in known:
        weights[:, unit] = np.interp(places, known, (known == unit).astype(float))
    return weights


def _ratio(top: Floats, bottom: Floats) -> Floats:
    ratio: Floats = np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)
    return ratio


def _thin(fit: BenchmarkFit, m: int, kept: int, trials: Floats, target: Floats) -> ThinnedModel:
    model = fit.models[m]
    keep = thinned_shares(fit.counts.source_correct[m], trials, kept)
    used = ~np.isnan(target)
    mass = keep.T @ used
    pmf = stats.binom.pmf(np.arange(kept + 1)[:, None], kept, fit.support[None, :])
    likelihood = np.asarray(pmf, dtype=float)
    implied_share = likelihood @ model.distribution
    joint = likelihood @ (model.distribution * np.nan_to_num(model.profile)).T
    fill = np.array([_fill(column) for column in mass.T])
    mean = _ratio(keep.T @ np.nan_to_num(target), mass)
    implied = _ratio(joint, np.repeat(implied_share[:, None], joint.shape[1], axis=1))
    return ThinnedModel(
        keep=keep,
        likelihood=likelihood,
        share=keep.sum(axis=0) / keep.sum(),
        implied_share=implied_share,
        mean=mean,
        implied_mean=implied,
        mass=mass,
        fill=fill,
    )


def _observed(parts: list[ThinnedModel], mixture: Mixture, data: ThinnedData) -> CellScores:
    """Observed scores at one number of trials, with the influence of items."""
    weights = mixture.weights(np.array([part.share for part in parts]))
    target, there = data.target, data.there
    estimate = np.full(there.shape, np.nan)
    influence = np.zeros((target.shape[1], *there.shape))
    carried = []
    for m, part in enumerate(parts):
        on_levels = np.einsum("j,ljk->kl", weights[m], part.fill)
        estimate[m] = np.where(there[m], (on_levels * part.mean).sum(axis=0), np.nan)
        per_item = _ratio(on_levels, part.mass)
        seen = ~np.isnan(target[m])
        influence[:, m] = (part.keep @ per_item) * np.nan_to_num(target[m])
        influence[:, m] -= part.keep @ (per_item * part.mean)
        influence[:, m] *= seen
        carried.append(np.einsum("ljk,kl->jl", part.fill, part.mean))
    for other, part in enumerate(parts):
        used = part.keep.sum(axis=1) > 0
        centred = np.where(used[:, None], part.keep - part.share, 0.0) / used.sum()
        for m in np.flatnonzero(mixture.mixing[:, other]).tolist():
            influence[:, m] += mixture.mixing[m, other] * (centred @ carried[m])
    return CellScores(estimate, influence)


def _implied(
    fit: BenchmarkFit,
    parts: list[ThinnedModel],
    mixture: Mixture,
    there: NDArray[np.bool_],
    with_influence: bool,
) -> CellScores:
    """What the profile implies for the observed scores, with the influence of items."""
    weights = mixture.weights(np.array([part.implied_share for part in parts]))
    estimate = np.full(there.shape, np.nan)
    influence = np.zeros((fit.counts.items.size, *there.shape))
    carried = []
    for m, (part, model) in enumerate(zip(parts, fit.models, strict=True)):
        on_levels = np.einsum("j,ljk->kl", weights[m], part.fill)
        estimate[m] = np.where(there[m], (on_levels * part.implied_mean).sum(axis=0), np.nan)
        if not with_influence:
            continue
        bottom = np.repeat(part.implied_share[:, None], on_levels.shape[1], axis=1)
        per_share = _ratio(on_levels, bottom)
        # T enters linearly; languages that fill the same levels share one look-up.
        on_support = (per_share.T @ part.likelihood) * model.distribution
        influence[:, m] = _profile_influence(model, on_support)
        profile = np.nan_to_num(model.profile)
        slope = (part.likelihood.T @ per_share) * profile.T
        slope -= part.likelihood.T @ (per_share * part.implied_mean)
        influence[:, m] += model.distribution_influence(slope)
        carried.append(part.likelihood.T @ np.einsum("ljk,kl->jl", part.fill, part.implied_mean))
    for other, model in enumerate(fit.models):
        moved = np.flatnonzero(mixture.mixing[:, other])
        if moved.size and with_influence:
            shift = model.distribution_influence(np.concatenate([carried[m] for m in moved], 1))
            shift = shift.reshape(-1, moved.size, there.shape[1])
            influence[:, moved] += mixture.mixing[moved, other][:, None] * shift
    return CellScores(estimate, influence)


def _profile_influence(model: ModelFit, weights: Floats) -> Floats:
    """Influence on ``weights_l @ T_l`` with weights (L, Q) that may differ between languages."""
    first = model.profile_influence(weights[0])
    for place in range(1, weights.shape[0]):
        if not np.allclose(weights[place], weights[0], rtol=1e-9, atol=0.0):
            first[:, place] = model.profile_influence(weights[place])[:, place]
    return first


def thinnable(fit: BenchmarkFit, top: int) -> tuple[ThinnedData, int]:
    """Data of the items with at least `top` trials, and how many pairs that leaves out."""
    trials = fit.counts.source_trials
    few = (trials > 0) & (trials < top)
    target = fit.counts.target_accuracy()
    target[trials < top] = np.nan
    there = ~np.isnan(target).all(axis=1)
    return ThinnedData(np.where(few, 0.0, trials), target, there), int(few.sum())


def thinned_scores(
    fit: BenchmarkFit, reference: str | ArrayLike, kept: int, data: ThinnedData, used: bool
) -> tuple[CellScores, CellScores]:
    """HAT cells at `kept` trials: as observed, and as the profile implies them.

    Parameters
    ----------
    fit : BenchmarkFit
    reference : str or array_like
    kept : int
        Trials left in the source language.
    data : ThinnedData
    used : bool
        Whether the influence of items on the implied cells is wanted too; it costs most of the
        time, and is 0 otherwise.

    Returns
    -------
    observed, implied : CellScores
    """
    mixture = reference_mixture(reference, fit.counts.models, np.arange(kept + 1) / kept)
    parts = [
        _thin(fit, m, kept, trials, target)
        for m, (trials, target) in enumerate(zip(data.trials, data.target, strict=True))
    ]
    return _observed(parts, mixture, data), _implied(fit, parts, mixture, data.there, used)
