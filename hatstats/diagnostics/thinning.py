"""Binomial thinning: the observed score with fewer trials, and with infinitely many.

Trials of the source language are dropped at random, from n to n - 1, n - 2, ..., exactly in
expectation, and the observed HAT is computed again. A quadratic through the thinned scores in
1/(n + 1), evaluated at 0, removes most of its bias without a model of ability or transfer
(simulation-extrapolation; Cook & Stefanski 1994, JASA 89:1314-1328). In 1/n it would leave twice as
much (exact calculations in twelve worlds): for beta distributed abilities the bias is a function of
1/(n + a + b), whose pole below n = 0 no polynomial in 1/n can follow.

Trials of one wording are not independent: where wordings repeat, whole wordings are dropped, and
1/(n + 1) is taken at the trials that the kept ones are worth.

The fitted profile implies a path too. Both limits are the same functional of their paths, so that
the remaining bias of the extrapolation cancels in their difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from hatstats.diagnostics.agreement import ModelComparison, agreement_words
from hatstats.diagnostics.dependent_trials import (
    by_wording,
    dependence_words,
    source_probabilities,
    trial_correlation,
)
from hatstats.errors import NotIdentifiedError
from hatstats.estimators.observed import mean_where_known, observed_model
from hatstats.inference.arrays import Floats
from hatstats.inference.result_frame import ResultFrame
from hatstats.inference.tidy import standard_errors
from hatstats.scores.averages import ModelScores
from hatstats.scores.benchmark_fit import BenchmarkFit, CellScores, ModelFit
from hatstats.scores.item_profile import ItemProfile, average_cells, require_items, score_influence
from hatstats.scores.reference import reference_name, settled
from hatstats.scores.transfer_profile import TransferProfile, as_profile
from hatstats.study import Study

# Fewest trials for which a quadratic through the thinned scores is identified.
_FEWEST = 3
#: Points of the path where there are more than 100 trials, since each takes as long as its trials.
_MANY, _STEPS = 100, 40


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Thinning(ModelComparison):
    """Observed HAT at fewer and fewer trials, its limit, and what the profile implies.

    `path` has a row per model, benchmark and number of trials: the `observed` HAT with so many
    source trials, its `std_error`, the HAT `implied` by the profile, and whether it is `used` in
    the extrapolation; with infinitely many trials these are the quadratic's limit and the profile's
    own HAT. `limit` and `implied` extrapolate the two paths to 1/n = 0; `score` is the profile's
    HAT. `n_excluded` pairs of model and item have too few trials.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study((0.0, 1.0), shape=hs.Shape(n_items=200, n_languages=1), rng=1)
    >>> hs.thin_trials(hs.fit_profile(study)).limit.estimates.round(2).tolist()
    [0.46, 0.41]
    """

    path: pd.DataFrame
    limit: ModelScores
    implied: ModelScores
    score: ModelScores
    method: str
    reference: str
    n_excluded: int
    note: str = ""

    @property
    def check(self) -> str:
        """Name of the check, with the method of the profile."""
        return f"thinning, {self.method}"

    @property
    def terms(self) -> dict[str, ModelScores]:
        """The limit, what the profile implies for it, their difference, and HAT."""
        return {
            "limit": self.limit,
            "implied limit": self.implied,
            "difference": self.limit.less(self.implied),
            "HAT": self.score,
        }

    def glance(self) -> pd.DataFrame:
        """One row: trials, largest drift of the observed score, largest difference."""
        path = self.path[np.isfinite(self.path["trials"])]
        top = path.groupby(["model", "benchmark"], sort=False)["trials"].transform("max")
        full = path[path["trials"] == top]
        raw = full.groupby("model")["observed"].mean().loc[list(self.models)].to_numpy(dtype=float)
        row = {
            "method": self.method,
            "reference": self.reference,
            "trials": int(path["trials"].max()),
            "largest_drift": float(np.abs(raw - self.limit.estimates).max()),
            "largest_difference": float(np.abs(self.terms["difference"].estimates).max()),
            "n_excluded": self.n_excluded,
        }
        return ResultFrame([row])

    def summary(self) -> str:
        """Whether the profile is compatible with thinning, in lines of at most 80 columns."""
        facts = self.glance().iloc[0]
        text = (
            f"Observed scores at {facts['trials']} trials are up to "
            f"{facts['largest_drift']:.3f} from their limit at infinitely many. "
            + agreement_words(self.terms["difference"], self.method, "thinning")
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
        return self._lines("Binomial thinning", details, f"{text} {self.note}".strip())


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


def thinned_wordings(right: Floats, repeats: int, n_kept: int) -> Floats:
    """P(j right) of `n_kept` wordings drawn from those of each item, (N, n_kept repeats + 1).

    Exact, over all choices; `right` (N, W) are right answers of `repeats` trials of each wording,
    NaN for wordings that an item lacks. Rows of 0 for items with fewer wordings.
    """
    items, levels = len(right), n_kept * repeats + 1
    # Number of choices by how many wordings are chosen and how many answers are right.
    choices = np.zeros((items, n_kept + 1, levels))
    choices[:, 0, 0] = 1.0
    for own in right.T:
        asked = np.flatnonzero(~np.isnan(own))
        for k in range(repeats + 1):
            rows = asked[own[asked] == k]
            if k == 0:
                before = choices.copy()
            choices[rows, 1:, k:] += before[rows, :-1, : levels - k]
    total = choices[:, n_kept].sum(axis=1, keepdims=True)
    return np.divide(choices[:, n_kept], total, out=np.zeros((items, levels)), where=total > 0)


def extrapolation_weights(trials: Floats) -> Floats:
    """Weights of scores at these numbers of trials in the quadratic's value at 1/n = 0."""
    x = 1.0 / (trials + 1.0)
    return np.asarray(np.linalg.pinv(np.vander(x, 3, increasing=True))[0], dtype=float)


@dataclass(frozen=True, slots=True, eq=False)
class _Implied:
    """The profile that a fit implies for an `ObservedModel` of thinned trials.

    `by_x` (J, Q) is P(j | x) on its support.
    """

    distribution: Floats
    profile: Floats
    mean: Floats
    interpolation: Floats
    by_x: Floats
    fitted: ModelFit

    def profile_influence(self, weights: Floats) -> Floats:
        """Influence of items on ``sum_j weights_j T_l(j)``, (N, L)."""
        by_level = np.einsum("j,ljk->kl", weights, self.interpolation)
        per_share = mean_where_known(
            by_level, np.broadcast_to(self.distribution[:, None], by_level.shape)
        )
        on_support = (per_share.T @ self.by_x) * self.fitted.distribution
        influence = self.fitted.profile_influence(on_support[0])
        for language in range(1, len(on_support)):
            # Languages with equal weights share the work.
            if not np.allclose(on_support[language], on_support[0], rtol=1e-9, atol=0.0):
                own = self.fitted.profile_influence(on_support[language])
                influence[:, language] = own[:, language]
        slope = (self.by_x.T @ per_share) * np.nan_to_num(self.fitted.profile).T
        slope -= self.by_x.T @ (per_share * self.mean)
        return influence + self.fitted.distribution_influence(slope)

    def distribution_influence(self, values: Floats) -> Floats:
        """Influence of items on ``sum_j g(j) values_jr``, (N, R)."""
        return self.fitted.distribution_influence(self.by_x.T @ values)


@dataclass(frozen=True, slots=True, eq=False)
class _Units:
    """What is dropped: trials, or wordings of `repeats` trials each.

    `right` (M, N, W) by wording, NaN where there are none, or (M, N, 1) of independent trials;
    `number` (M, N) of units of each item, 0 for excluded items; items have `most` units, and
    `target` accuracies (M, N, L); `excluded` counts pairs of model and item.
    """

    right: Floats
    number: Floats
    target: Floats
    repeats: int
    most: int
    excluded: int

    def shares(self, m: int, n_kept: int) -> Floats:
        """P(j right) of kept units, by item of model m."""
        if self.repeats == 1:
            return thinned_shares(self.right[m, :, 0], self.number[m], n_kept)
        table = thinned_wordings(self.right[m], self.repeats, n_kept)
        return np.where(self.number[m][:, None] >= n_kept, table, 0.0)


def _thinnable(study: Study, fit: BenchmarkFit) -> _Units:
    """Items that every step thins, the same at each, so that only trials change along the path.

    Those with as many trials, or wordings, as nine in ten items of every model. Where wordings
    repeat, those with the commonest number of trials.
    """
    counts, found = fit.counts, by_wording(study, fit)
    units, right, repeats, what = (
        counts.source_trials,
        counts.source_correct[:, :, None],
        1,
        "trial",
    )
    if found is not None:
        right, number = found
        numbers, times = np.unique(number[number > 0], return_counts=True)
        repeats = int(numbers[times.argmax()])
        if repeats > 1:
            right = np.where(number == repeats, right, np.nan)
            units, what = (number == repeats).sum(axis=2).astype(float), "wording"
        else:
            right = counts.source_correct[:, :, None]
    least = (np.quantile(row[row > 0], 0.1, method="lower") if row.any() else 0 for row in units)
    n_units = int(min(least))
    if n_units < _FEWEST:
        raise NotIdentifiedError(
            f"benchmark {counts.benchmark!r}: thinning from {n_units} "
            f"{what}{'s' if n_units != 1 else ''} leaves fewer than three points, which do not "
            f"identify the curvature of the path. What is missing: {_FEWEST} or more "
            f"{what}s per item in the source language."
        )
    few = (counts.source_trials > 0) & (units < n_units)
    target = counts.target_accuracy()
    target[units < n_units] = np.nan
    number = np.where(few, 0.0, units)
    return _Units(right, number, target, repeats, n_units, int(few.sum()))


def _thin(fit: BenchmarkFit, units: _Units, n_kept: int) -> tuple[BenchmarkFit, BenchmarkFit]:
    """Observed and implied fits with `n_kept` units of source trials."""
    trials = n_kept * units.repeats
    right = np.arange(trials + 1.0)
    support = right / trials
    observed: list[ModelFit] = []
    implied: list[ModelFit] = []
    for m, fitted in enumerate(fit.models):
        number = np.full(right.size, float(trials))
        by_x, _ = source_probabilities(fit, m, right, number, units.repeats)
        own = observed_model(units.shares(m, n_kept), units.target[m], support)
        share = by_x @ fitted.distribution
        joint = by_x @ (fitted.distribution * np.nan_to_num(fitted.profile)).T
        mean = mean_where_known(joint, np.broadcast_to(share[:, None], joint.shape))
        known = np.where(own.n_items.any(axis=0), mean, np.nan)
        profile = np.einsum("lqk,kl->lq", own.interpolation, known)
        observed.append(own)
        implied.append(_Implied(share, profile, mean, own.interpolation, by_x, fitted))
    return (
        BenchmarkFit(fit.counts, support, tuple(observed)),
        BenchmarkFit(fit.counts, support, tuple(implied)),
    )


def _inflation(fit: BenchmarkFit, repeats: int) -> float:
    """Variance of a wording's mean answer over that of independent trials, mean over models."""
    found = (trial_correlation(fit, m)[0] for m in range(len(fit.models)))
    values = [0.0 if each is None else each.value for each in found]
    return 1.0 + (repeats - 1.0) * float(np.mean(values))


def _path_rows(
    profile: ItemProfile,
    fit: BenchmarkFit,
    trials: float,
    pair: tuple[CellScores, CellScores],
    used: bool,
) -> pd.DataFrame:
    """Rows of `Thinning.path` at one number of trials, from observed and implied cells."""
    observed, implied = (average_cells(profile, [part], fits=[fit]) for part in pair)
    return ResultFrame(
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


def thin_trials(profile: TransferProfile, reference: str | ArrayLike | None = None) -> Thinning:
    """Observed HAT at fewer trials, extrapolated to infinitely many, beside the profile.

    Parameters
    ----------
    profile : TransferProfile
        Fitted to items, with three or more trials in the source language.
    reference : str or array_like, optional
        As for `TransferProfile.hat`. If it depends on the data it is thinned with them.

    Returns
    -------
    Thinning

    Raises
    ------
    NotIdentifiedError
        If the profile was not fitted to items, or trials are fewer than three.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study((0.0, 1.0), shape=hs.Shape(n_items=200, n_languages=1), rng=1)
    >>> hs.thin_trials(hs.fit_profile(study))
    Binomial thinning, reference pooled
      model-01                                  limit 0.460 (SE 0.044), latent 0.408
      model-02                                  limit 0.411 (SE 0.031), latent 0.444
    Observed scores at 10 trials are up to 0.054 from their limit at infinitely
    many. The latent profile is compatible with thinning (largest difference, in
    SEs: -0.032 for model-02, 1.3 SE, p = 0.38 adjusted for 2 models).
    """
    profile = as_profile(profile, "thin_trials")
    items = require_items(profile, "binomial thinning")
    reference = settled(reference, items.study)
    limits, implied, rows, n_excluded = [], [], [], 0
    for fit in items.fits:
        units = _thinnable(items.study, fit)
        n_excluded += units.excluded
        steps = np.arange(1, units.most + 1)
        if units.most > _MANY:
            steps = np.unique(np.linspace(1, units.most, _STEPS).round().astype(int))
        used = steps[steps >= max(1, min(units.most // 2, units.most - 2))]
        worth = used * units.repeats / _inflation(fit, units.repeats)
        weights = dict(zip(used.tolist(), extrapolation_weights(worth).tolist(), strict=True))
        limit = [CellScores(np.zeros(1), np.zeros(1))] * 2
        for n_kept in steps.tolist():
            observed_fit, implied_fit = _thin(fit, units, n_kept)
            # Only steps that the extrapolation uses need the influence of items, which is slow.
            in_limit = n_kept in weights
            pair = (
                observed_fit.averaged(reference),
                implied_fit.averaged(reference, with_influence=in_limit),
            )
            rows.append(_path_rows(items, fit, n_kept * units.repeats, pair, in_limit))
            weight = weights.get(n_kept, 0.0)
            for side, part in enumerate(pair):
                estimate = limit[side].estimate + weight * part.estimate
                influence = limit[side].influence + weight * part.influence
                limit[side] = CellScores(estimate, influence)
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
        note=dependence_words(items),
    )
