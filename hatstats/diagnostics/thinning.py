"""Binomial thinning: the observed score with fewer trials, and with infinitely many.

Trials of the source language are dropped at random, from n to n - 1, n - 2, ..., and the observed
HAT is computed again. Its bias falls with n, so that a quadratic through the thinned scores,
evaluated at 1/n = 0, removes most of it without a model of ability or transfer
(simulation-extrapolation; Cook & Stefanski 1994, JASA 89:1314-1328). The expectation over random
drops is exact: of an item with k of n right, j of n' kept trials are right with hypergeometric
probability.

The quadratic is one in 1/(n + 1), which is 0 where 1/n is: for beta distributed abilities the bias
is a function of 1/(n + a + b), whose pole below n = 0 no polynomial in 1/n can follow. In exact
calculations over twelve worlds (ten trials) this halves the remaining bias.

The fitted profile implies a path too. Observed and implied limits are the same functional of
observed and implied paths, so that the remaining bias of the extrapolation cancels in their
difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from hatstats.diagnostics.agreement import agreement_frame, agreement_words, summary_text
from hatstats.errors import NotIdentifiedError
from hatstats.inference.tidy import standard_errors
from hatstats.scores.averages import ModelScores
from hatstats.scores.benchmark_fit import BenchmarkFit, CellScores, ModelFit
from hatstats.scores.item_profile import ItemProfile, average_cells, require_items, score_influence
from hatstats.scores.reference import Mixture, reference_mixture, reference_name
from hatstats.scores.transfer_profile import TransferProfile, as_profile

Floats = NDArray[np.float64]

# Fewest trials for which a quadratic through the thinned scores is identified.
_FEWEST = 3


@dataclass(frozen=True, slots=True, eq=False)
class Thinning:
    """Observed HAT at fewer and fewer trials, its limit, and what the profile implies.

    Attributes
    ----------
    path : DataFrame
        `model, benchmark, trials, observed, std_error, implied, used`: the observed HAT with
        so many trials in the source language, the HAT that the profile implies for them, and
        whether the extrapolation uses it. In the rows of infinitely many trials `observed` is the
        quadratic's limit and `implied` the profile's own HAT.
    limit, implied : ModelScores
        Quadratic extrapolation of the observed and of the implied path to 1/n = 0.
    score : ModelScores
        HAT of the profile itself.
    method, reference : str
    n_excluded : int
        Model-item pairs with too few trials to be thinned with the others.
    """

    path: pd.DataFrame
    limit: ModelScores
    implied: ModelScores
    score: ModelScores
    method: str
    reference: str
    n_excluded: int

    @property
    def models(self) -> tuple[str, ...]:
        """Models that have every benchmark."""
        return self.limit.models

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Per model: the limit, what the profile implies for it, their difference, and HAT.

        The p value of ``difference`` tests whether the profile implies the limit observed, model
        by model; `summary` adjusts for their number (Holm).
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
        """One row: trials, largest drift of the observed score, largest difference."""
        path = self.path[np.isfinite(self.path["trials"])]
        top = path.groupby(["model", "benchmark"], sort=False)["trials"].transform("max")
        full = path[path["trials"] == top]
        raw = full.groupby("model")["observed"].mean().loc[list(self.models)].to_numpy(dtype=float)
        return pd.DataFrame(
            {
                "method": [self.method],
                "reference": [self.reference],
                "trials": [int(path["trials"].max())],
                "largest_drift": [float(np.abs(raw - self.limit.estimates).max())],
                "largest_difference": [
                    float(np.abs(self.limit.less(self.implied).estimates).max())
                ],
                "n_excluded": [self.n_excluded],
            }
        )

    def summary(self) -> str:
        """Whether the profile is compatible with thinning, in lines of at most 80 columns."""
        facts = self.glance().iloc[0]
        text = (
            f"Observed scores at {facts['trials']} trials are up to "
            f"{facts['largest_drift']:.3f} from their limit at infinitely many. "
            + agreement_words(self.limit.less(self.implied), self.method, "thinning")
        )
        if self.n_excluded:
            text += f" {self.n_excluded} model-item pairs with fewer trials were excluded."
        details = [
            f"limit {limit:.3f} (SE {error:.3f}), {self.method} {score:.3f}"
            for limit, error, score in zip(
                self.limit.estimates,
                standard_errors(self.limit.covariance),
                self.score.estimates,
                strict=True,
            )
        ]
        title = f"Binomial thinning, reference {self.reference}"
        return summary_text(title, self.models, details, text)


def thinned_shares(correct: Floats, trials: Floats, n_kept: int) -> Floats:
    """P(j of `n_kept` trials right) of each item, shape (N, n_kept + 1).

    Hypergeometric, hence exact; rows of 0 for items with fewer than `n_kept` trials.
    """
    enough = (trials >= n_kept) & (trials > 0)
    table = np.zeros((correct.size, n_kept + 1))
    pairs, index = np.unique(
        np.column_stack([trials[enough], correct[enough]]), axis=0, return_inverse=True
    )
    levels = np.arange(n_kept + 1)
    rows = np.asarray(stats.hypergeom.pmf(levels, pairs[:, :1], pairs[:, 1:], n_kept))
    table[enough] = rows[index.reshape(-1)]
    return table


def extrapolation_weights(trials: NDArray[np.intp]) -> Floats:
    """Weights of scores at these numbers of trials in the quadratic's value at 1/n = 0."""
    x = 1.0 / (trials + 1.0)
    return np.asarray(np.linalg.pinv(np.vander(x, 3, increasing=True))[0], dtype=float)


@dataclass(frozen=True, slots=True, eq=False)
class _Thinnable:
    """Items that every step thins, the same at each, so that only trials change along the path.

    Source trials (M, N), 0 for excluded items; target accuracy (M, N, L); whether a model was
    asked in a language (M, L); number of trials of which some are dropped.
    """

    trials: Floats
    target: Floats
    asked: NDArray[np.bool_]
    n_trials: int


def _thinnable(fit: BenchmarkFit) -> tuple[_Thinnable, int]:
    """Items with as many trials as nine in ten items of every model; number of pairs excluded."""
    trials = fit.counts.source_trials
    n_trials = min(int(np.quantile(row[row > 0], 0.1, method="lower")) for row in trials)
    if n_trials < _FEWEST:
        raise NotIdentifiedError(
            f"benchmark {fit.counts.benchmark!r}: thinning from {n_trials} trial(s) leaves fewer "
            "than three points, which do not identify the curvature of the path. What is missing: "
            f"{_FEWEST} or more trials per item in the source language."
        )
    few = (trials > 0) & (trials < n_trials)
    target = fit.counts.target_accuracy()
    target[trials < n_trials] = np.nan
    asked = ~np.isnan(target).all(axis=1)
    return _Thinnable(np.where(few, 0.0, trials), target, asked, n_trials), int(few.sum())


@dataclass(frozen=True, slots=True, eq=False)
class _ThinnedModel:
    """One model with J - 1 trials kept, by level j of right answers among them.

    `by_item` (N, J) is P(j) of each item, rows of 0 for items with too few trials; `by_x` (J, Q)
    is P(j | x) on the profile's support. `share, implied_share` (J,) are shares of items, and
    `mean, implied_mean` (J, L) mean target accuracies; `n_items` (J, L) counts items with a target
    answer. `interpolation` (L, J, J) maps means at levels with items to all levels.
    """

    by_item: Floats
    by_x: Floats
    share: Floats
    implied_share: Floats
    mean: Floats
    implied_mean: Floats
    n_items: Floats
    interpolation: Floats


def _interpolation(n_items: Floats) -> Floats:
    """Weights (J, J) from levels with items to all: linear between them, constant outside."""
    levels, filled = np.arange(n_items.size), np.flatnonzero(n_items > 0)
    weights = np.zeros((n_items.size, n_items.size))
    for level in filled:
        weights[:, level] = np.interp(levels, filled, (filled == level).astype(float))
    return weights


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """Quotient, 0 where `bottom` is."""
    ratio: Floats = np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)
    return ratio


def _thin(fit: BenchmarkFit, m: int, n_kept: int, data: _Thinnable) -> _ThinnedModel:
    """Model m with `n_kept` source trials."""
    model, target = fit.models[m], data.target[m]
    by_item = thinned_shares(fit.counts.source_correct[m], data.trials[m], n_kept)
    n_items = by_item.T @ ~np.isnan(target)
    levels = np.arange(n_kept + 1)[:, None]
    by_x = np.asarray(stats.binom.pmf(levels, n_kept, fit.support[None, :]), dtype=float)
    implied_share = by_x @ model.distribution
    joint = by_x @ (model.distribution * np.nan_to_num(model.profile)).T
    return _ThinnedModel(
        by_item=by_item,
        by_x=by_x,
        share=by_item.sum(axis=0) / by_item.sum(),
        implied_share=implied_share,
        mean=_ratio(by_item.T @ np.nan_to_num(target), n_items),
        implied_mean=_ratio(joint, np.broadcast_to(implied_share[:, None], joint.shape)),
        n_items=n_items,
        interpolation=np.array([_interpolation(column) for column in n_items.T]),
    )


def _observed(parts: list[_ThinnedModel], mixture: Mixture, data: _Thinnable) -> CellScores:
    """Observed scores at one number of trials, with the influence of items."""
    weights = mixture.weights(np.array([part.share for part in parts]))
    estimate = np.full(data.asked.shape, np.nan)
    influence = np.zeros((data.target.shape[1], *data.asked.shape))
    profiles = []
    for m, part in enumerate(parts):
        by_level = np.einsum("j,ljk->kl", weights[m], part.interpolation)
        estimate[m] = np.where(data.asked[m], (by_level * part.mean).sum(axis=0), np.nan)
        per_item = _ratio(by_level, part.n_items)
        influence[:, m] = (part.by_item @ per_item) * np.nan_to_num(data.target[m])
        influence[:, m] -= part.by_item @ (per_item * part.mean)
        influence[:, m] *= ~np.isnan(data.target[m])
        profiles.append(np.einsum("ljk,kl->jl", part.interpolation, part.mean))
    for other, part in enumerate(parts):
        used = part.by_item.sum(axis=1) > 0
        centred = np.where(used[:, None], part.by_item - part.share, 0.0) / used.sum()
        for m in np.flatnonzero(mixture.mixing[:, other]).tolist():
            influence[:, m] += mixture.mixing[m, other] * (centred @ profiles[m])
    return CellScores(estimate, influence)


def _implied(
    fit: BenchmarkFit,
    parts: list[_ThinnedModel],
    mixture: Mixture,
    asked: NDArray[np.bool_],
    with_influence: bool,
) -> CellScores:
    """Observed scores that the profile implies; the influence of items is 0 unless wanted."""
    weights = mixture.weights(np.array([part.implied_share for part in parts]))
    estimate = np.full(asked.shape, np.nan)
    influence = np.zeros((fit.counts.items.size, *asked.shape))
    slopes = []
    for m, (part, model) in enumerate(zip(parts, fit.models, strict=True)):
        by_level = np.einsum("j,ljk->kl", weights[m], part.interpolation)
        estimate[m] = np.where(asked[m], (by_level * part.implied_mean).sum(axis=0), np.nan)
        if not with_influence:
            continue
        shares = np.broadcast_to(part.implied_share[:, None], by_level.shape)
        per_share = _ratio(by_level, shares)
        influence[:, m] = _profile_influence(model, (per_share.T @ part.by_x) * model.distribution)
        slope = (part.by_x.T @ per_share) * np.nan_to_num(model.profile).T
        slope -= part.by_x.T @ (per_share * part.implied_mean)
        influence[:, m] += model.distribution_influence(slope)
        profile = np.einsum("ljk,kl->jl", part.interpolation, part.implied_mean)
        slopes.append(part.by_x.T @ profile)
    for other, model in enumerate(fit.models):
        mixed = np.flatnonzero(mixture.mixing[:, other])
        if mixed.size and with_influence:
            shift = model.distribution_influence(np.concatenate([slopes[m] for m in mixed], 1))
            shift = shift.reshape(-1, mixed.size, asked.shape[1])
            influence[:, mixed] += mixture.mixing[mixed, other][:, None] * shift
    return CellScores(estimate, influence)


def _profile_influence(model: ModelFit, weights: Floats) -> Floats:
    """Influence of items (N, L) on ``weights_l @ T_l``; equal rows of weights (L, Q) share work."""
    influence = model.profile_influence(weights[0])
    for language in range(1, weights.shape[0]):
        if not np.allclose(weights[language], weights[0], rtol=1e-9, atol=0.0):
            influence[:, language] = model.profile_influence(weights[language])[:, language]
    return influence


def _path_rows(
    profile: ItemProfile,
    fit: BenchmarkFit,
    trials: float,
    pair: tuple[CellScores, CellScores],
    used: bool,
) -> pd.DataFrame:
    """Rows of `Thinning.path` at one number of trials, from observed and implied cells."""
    observed, implied = (average_cells(profile, [part], fits=[fit]) for part in pair)
    return pd.DataFrame(
        {
            "model": list(observed.models),
            "benchmark": fit.counts.benchmark,
            "trials": float(trials),
            "observed": observed.estimates,
            "std_error": standard_errors(observed.covariance),
            "implied": implied.estimates,
            "used": used,
        }
    )


def thin_trials(profile: TransferProfile, reference: str | ArrayLike = "pooled") -> Thinning:
    """Observed HAT at fewer trials, extrapolated to infinitely many, beside the profile.

    Parameters
    ----------
    profile : TransferProfile
        Fitted to items, with three or more trials in the source language.
    reference : str or array_like
        See `hatstats.scores.reference.reference_mixture`. If it depends on the data it is thinned
        with them.

    Returns
    -------
    Thinning

    Raises
    ------
    NotIdentifiedError
        If the profile was not fitted to items, or trials are fewer than three.
    """
    profile = as_profile(profile, "thin_trials")
    items = require_items(profile, "binomial thinning")
    limits, implied, rows, n_excluded = [], [], [], 0
    for fit in items.fits:
        data, few = _thinnable(fit)
        n_excluded += few
        steps = np.arange(1, data.n_trials + 1)
        used = steps[steps >= max(1, min(data.n_trials // 2, data.n_trials - 2))]
        weights = dict(zip(used.tolist(), extrapolation_weights(used).tolist(), strict=True))
        limit = [CellScores(np.zeros(1), np.zeros(1))] * 2
        for n_kept in steps.tolist():
            mixture = reference_mixture(
                reference, fit.counts.models, np.arange(n_kept + 1) / n_kept
            )
            parts = [_thin(fit, m, n_kept, data) for m in range(len(fit.models))]
            pair = (
                _observed(parts, mixture, data),
                _implied(fit, parts, mixture, data.asked, n_kept in weights),
            )
            rows.append(_path_rows(items, fit, n_kept, pair, n_kept in weights))
            weight = weights.get(n_kept, 0.0)
            limit = [
                CellScores(
                    total.estimate + weight * part.estimate,
                    total.influence + weight * part.influence,
                )
                for total, part in zip(limit, pair, strict=True)
            ]
        limits.append(limit[0])
        implied.append(limit[1])
        score = fit.scores(reference)
        rows.append(_path_rows(items, fit, np.inf, (limit[0], score), False))
    return Thinning(
        path=pd.concat(rows, ignore_index=True),
        limit=average_cells(items, limits),
        implied=average_cells(items, implied),
        score=score_influence(items, reference),
        method=items.method,
        reference=reference_name(reference),
        n_excluded=n_excluded,
    )
