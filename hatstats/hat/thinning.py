"""Binomial thinning: the observed score with fewer promptings, and with infinitely many.

Promptings of the source language are dropped at random, from n to n - 1, n - 2, ..., and the
observed HAT is computed anew. Its bias falls with n, so that a quadratic through the thinned
scores, read where 1/n = 0, undoes most of it without a model of ability or transfer
(simulation-extrapolation; Cook & Stefanski 1994, JASA 89:1314-1328). Dropping needs no random
numbers: of an item with k of n right, j of n' kept ones are right with hypergeometric probability.

The quadratic is one in 1/(n + 1), which is 0 where 1/n is: were abilities beta distributed, the
bias would go with 1/(n + a + b), whose pole below n = 0 no polynomial in 1/n can follow. In exact
calculations over twelve worlds (ten promptings) that cuts what is left of the bias to a half.

The fitted profile implies a path too. Observed and implied limits are the same functional of
observed and implied paths, so that their comparison is free of what extrapolation leaves.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from hatstats.errors import NotIdentifiedError
from hatstats.hat.agreement import agreement_frame, agreement_words
from hatstats.hat.averaging import (
    CellScores,
    ModelScores,
    average_cells,
    item_profile,
    score_influence,
)
from hatstats.hat.items import BenchmarkFit, ItemProfile, ModelFit
from hatstats.hat.profile import TransferProfile
from hatstats.hat.reference import Mixture, reference_mixture, reference_name
from hatstats.inference.coefficients import standard_errors

Floats = NDArray[np.float64]

# Fewest promptings through whose thinned scores a quadratic can be drawn.
_FEWEST = 3


@dataclass(frozen=True, slots=True, eq=False)
class Thinning:
    """Observed HAT at fewer and fewer promptings, its limit, and what the profile implies.

    Attributes
    ----------
    path : DataFrame
        `model, benchmark, promptings, observed, std_error, implied, used`: the observed HAT with
        so many promptings in the source language, what the profile implies for it, and whether
        the extrapolation uses it.
    limit, implied : ModelScores
        Quadratic extrapolation of the observed and of the implied path to 1/n = 0.
    score : ModelScores
        HAT of the profile itself.
    method, reference : str
    left_out : int
        Model-item pairs with too few promptings to be thinned with the others.
    """

    path: pd.DataFrame
    limit: ModelScores
    implied: ModelScores
    score: ModelScores
    method: str
    reference: str
    left_out: int

    @property
    def models(self) -> tuple[str, ...]:
        """Models that have every benchmark."""
        return self.limit.models

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Per model: the limit, what the profile implies for it, their difference, and HAT.

        The p value of ``difference`` tests that the profile implies the limit seen, model by
        model; `summary` adjusts for their number (Holm).
        """
        terms = {
            "limit": self.limit,
            "implied limit": self.implied,
            "difference": self.limit.less(self.implied),
            "HAT": self.score,
        }
        method = f"thinning, {self.method}"
        return agreement_frame(terms, self.reference, method, conf_level=conf_level)

    def glance(self) -> pd.DataFrame:
        """One row: promptings, largest drift of the observed score, largest difference."""
        top = self.path.groupby(["model", "benchmark"], sort=False)["promptings"].transform("max")
        full = self.path[self.path["promptings"] == top]
        raw = full.groupby("model")["observed"].mean().loc[list(self.models)].to_numpy(dtype=float)
        return pd.DataFrame(
            {
                "method": [self.method],
                "reference": [self.reference],
                "promptings": [int(self.path["promptings"].max())],
                "largest_drift": [float(np.abs(raw - self.limit.params).max())],
                "largest_difference": [float(np.abs(self.limit.less(self.implied).params).max())],
                "left_out": [self.left_out],
            }
        )

    def summary(self) -> str:
        """Whether the profile is compatible with thinning, in lines of at most 80 columns."""
        facts = self.glance().iloc[0]
        text = (
            f"Observed scores at {facts['promptings']} promptings are up to "
            f"{facts['largest_drift']:.3f} from their limit at infinitely many. "
            + agreement_words(self.limit.less(self.implied), self.method, "thinning")
        )
        if self.left_out:
            text += f" {self.left_out} model-item pairs with fewer promptings were left out."
        head = f"Binomial thinning, reference {self.reference}"
        lines = [head]
        for place, model in enumerate(self.models):
            lines.append(
                f"  {model[:40]:<40}  limit {self.limit.params[place]:.3f}"
                f" (SE {standard_errors(self.limit.cov)[place]:.3f}),"
                f" {self.method} {self.score.params[place]:.3f}"
            )
        return "\n".join([*lines, *textwrap.wrap(text, 78)])


@dataclass(frozen=True, slots=True, eq=False)
class _Thinned:
    """One model at one number of promptings, by level j of right answers (J of them).

    Attributes
    ----------
    keep : ndarray, shape (N, J)
        P(j right of those kept) of each item; rows of 0 for items with too few promptings.
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
class _Data:
    """What every step thins: the same items at each, so that the path is one of promptings only.

    Source trials (M, N), 0 for items left out; target accuracy (M, N, L); and which models were
    asked in which languages (M, L).
    """

    trials: Floats
    target: Floats
    there: NDArray[np.bool_]


def thinned_shares(correct: Floats, trials: Floats, kept: int) -> Floats:
    """P(j of `kept` promptings right) of each item, shape (N, kept + 1).

    Hypergeometric, hence exact; rows of 0 for items with fewer than `kept` promptings.
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
    places, known = np.arange(mass.size), np.flatnonzero(mass > 0)
    weights = np.zeros((mass.size, mass.size))
    for unit in known:
        weights[:, unit] = np.interp(places, known, (known == unit).astype(float))
    return weights


def _ratio(top: Floats, bottom: Floats) -> Floats:
    ratio: Floats = np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)
    return ratio


def _thin(fit: BenchmarkFit, m: int, kept: int, trials: Floats, target: Floats) -> _Thinned:
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
    return _Thinned(
        keep=keep,
        likelihood=likelihood,
        share=keep.sum(axis=0) / keep.sum(),
        implied_share=implied_share,
        mean=mean,
        implied_mean=implied,
        mass=mass,
        fill=fill,
    )


def _observed(parts: list[_Thinned], mixture: Mixture, data: _Data) -> CellScores:
    """Observed scores at one number of promptings, with the influence of items."""
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
    fit: BenchmarkFit, parts: list[_Thinned], mixture: Mixture, there: NDArray[np.bool_]
) -> CellScores:
    """What the profile implies for the observed scores, with the influence of items."""
    weights = mixture.weights(np.array([part.implied_share for part in parts]))
    estimate = np.full(there.shape, np.nan)
    influence = np.zeros((fit.counts.items.size, *there.shape))
    carried = []
    for m, (part, model) in enumerate(zip(parts, fit.models, strict=True)):
        on_levels = np.einsum("j,ljk->kl", weights[m], part.fill)
        estimate[m] = np.where(there[m], (on_levels * part.implied_mean).sum(axis=0), np.nan)
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
        if moved.size:
            shift = model.distribution_influence(np.concatenate([carried[m] for m in moved], 1))
            shift = shift.reshape(-1, moved.size, there.shape[1])
            influence[:, moved] += mixture.mixing[moved, other][:, None] * shift
    return CellScores(estimate, influence)


def _profile_influence(model: ModelFit, weights: Floats) -> Floats:
    """Influence on ``weights_l @ T_l`` with weights (L, Q) that may differ between languages."""
    first = model.profile_influence(weights[0])
    for place in range(1, weights.shape[0]):
        if not np.array_equal(weights[place], weights[0]):
            first[:, place] = model.profile_influence(weights[place])[:, place]
    return first


def extrapolation_weights(promptings: NDArray[np.intp]) -> Floats:
    """Weights of scores at so many promptings in the quadratic's value at 1/n = 0."""
    x = 1.0 / (promptings + 1.0)
    return np.asarray(np.linalg.pinv(np.vander(x, 3, increasing=True))[0], dtype=float)


def _top(fit: BenchmarkFit) -> int:
    """Most promptings that at least nine in ten asked items of every model have."""
    asked = [trials[trials > 0] for trials in fit.counts.source_trials]
    top = min(int(np.quantile(trials, 0.1, method="lower")) for trials in asked)
    if top < _FEWEST:
        raise NotIdentifiedError(
            f"benchmark {fit.counts.benchmark!r}: thinning from {top} promptings leaves fewer than "
            f"three points, and the bend of the path cannot be seen. What is missing: {_FEWEST} or "
            "more promptings per item in the source language."
        )
    return top


def _thinnable(fit: BenchmarkFit, top: int) -> tuple[_Data, int]:
    trials = fit.counts.source_trials
    few = (trials > 0) & (trials < top)
    target = fit.counts.target_accuracy()
    target[trials < top] = np.nan
    there = ~np.isnan(target).all(axis=1)
    return _Data(np.where(few, 0.0, trials), target, there), int(few.sum())


def _at(
    fit: BenchmarkFit, reference: str | ArrayLike, kept: int, data: _Data
) -> tuple[CellScores, CellScores]:
    """Observed and implied scores at `kept` promptings."""
    mixture = reference_mixture(reference, fit.counts.models, np.arange(kept + 1) / kept)
    parts = [
        _thin(fit, m, kept, trials, target)
        for m, (trials, target) in enumerate(zip(data.trials, data.target, strict=True))
    ]
    return _observed(parts, mixture, data), _implied(fit, parts, mixture, data.there)


def _added(end: CellScores | None, part: CellScores, weight: float) -> CellScores:
    if end is None:
        return CellScores(weight * part.estimate, weight * part.influence)
    return CellScores(
        end.estimate + weight * part.estimate, end.influence + weight * part.influence
    )


def _path_rows(
    profile: ItemProfile,
    fit: BenchmarkFit,
    kept: int,
    found: tuple[CellScores, CellScores],
    used: bool,
) -> pd.DataFrame:
    observed, implied = (average_cells(profile, [part], fits=[fit]) for part in found)
    return pd.DataFrame(
        {
            "model": list(observed.models),
            "benchmark": fit.counts.benchmark,
            "promptings": kept,
            "observed": observed.params,
            "std_error": standard_errors(observed.cov),
            "implied": implied.params,
            "used": used,
        }
    )


def thin_promptings(profile: TransferProfile, reference: str | ArrayLike = "pooled") -> Thinning:
    """Observed HAT at fewer promptings, extrapolated to infinitely many, beside the profile.

    Parameters
    ----------
    profile : TransferProfile
        Learnt from items, with three or more promptings in the source language.
    reference : str or array_like
        See `hatstats.hat.reference.reference_mixture`. Where it depends on the data it is thinned
        with them.

    Returns
    -------
    Thinning

    Raises
    ------
    NotIdentifiedError
        If the profile was not learnt from items, or promptings are fewer than three.
    """
    items = item_profile(profile, "binomial thinning")
    limits, implied, rows, left_out = [], [], [], 0
    for fit in items.fits:
        top = _top(fit)
        data, few = _thinnable(fit, top)
        left_out += few
        steps = np.arange(1, top + 1)
        used = steps >= max(1, min(top // 2, top - 2))
        shares = extrapolation_weights(steps[used])
        weights = dict(zip(steps[used].tolist(), shares.tolist(), strict=True))
        ends: list[CellScores | None] = [None, None]
        for kept in steps.tolist():
            found = _at(fit, reference, kept, data)
            rows.append(_path_rows(items, fit, kept, found, kept in weights))
            if kept in weights:
                ends = [
                    _added(end, part, weights[kept]) for end, part in zip(ends, found, strict=True)
                ]
        assert ends[0] is not None
        assert ends[1] is not None
        limits.append(ends[0])
        implied.append(ends[1])
    return Thinning(
        path=pd.concat(rows, ignore_index=True),
        limit=average_cells(items, limits),
        implied=average_cells(items, implied),
        score=score_influence(items, reference),
        method=items.method,
        reference=reference_name(reference),
        left_out=left_out,
    )
