"""Paired bootstrap of all HAT scores over items, and prompt-only resampling by name.

Items (or clusters of items) are drawn once for all models and languages, so that draws of two
models are paired as their data are. Each draw is one Newton step from the estimate, which is one
row of a matrix product; no draw can fail. A few full refits on drawn items say how far the step is
from a refit.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hatstats.errors import DataError, DegenerateDataWarning, FitError, NotIdentifiedError
from hatstats.hat.averaging import ModelScores, count_at_least, item_profile, score_influence
from hatstats.hat.counts import ItemCounts
from hatstats.hat.fitting import Method, fit_profile
from hatstats.hat.items import ItemProfile
from hatstats.hat.profile import TransferProfile
from hatstats.hat.reference import reference_name
from hatstats.inference.coefficients import standard_errors, tidy_frame
from hatstats.inference.intervals import check_level
from hatstats.inference.resample import (
    WEIGHT_KINDS,
    WeightKind,
    bca_limits,
    bootstrap_weights,
    linear_draws,
    percentile_limits,
)
from hatstats.study import Study

Floats = NDArray[np.float64]
IntervalKind = Literal["percentile", "bca"]
Fit = Callable[[Study], TransferProfile]
#: Full refits differ from their Newton steps by less than so many standard errors, or it is said.
STEP_TOLERANCE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class BootstrapScores:
    """Draws of all HAT scores, paired over models.

    Attributes
    ----------
    models : tuple of str, length M
    params : ndarray, shape (M,)
        HAT scores from all data.
    draws : ndarray, shape (B, M)
    scale : float
        Standard errors are those of the draws times this; 1 except for prompt-only draws.
    influence : tuple of ndarray, each (G_b, M)
        Influence of the item clusters of each benchmark; empty for prompt-only draws.
    unit : str
        What was drawn: ``items`` or ``promptings``.
    kind : str
        Kind of weights, or ``binomial`` for promptings.
    reference, method : str
    n_clusters : int
        Item clusters over all benchmarks.
    refits : DataFrame
        Full refits beside Newton steps of the same draws: `draw, model, refit, step, difference`,
        the last in standard errors. Empty if none were asked for.
    n_failed : int
        Refits that failed. Newton steps cannot fail.
    """

    models: tuple[str, ...]
    params: Floats
    draws: Floats
    scale: float
    influence: tuple[Floats, ...]
    unit: str
    kind: str
    reference: str
    method: str
    n_clusters: int
    refits: pd.DataFrame
    n_failed: int

    @property
    def n_draws(self) -> int:
        """Number of draws."""
        return int(self.draws.shape[0])

    @property
    def cov(self) -> Floats:
        """Covariance of the scores over draws, shape (M, M)."""
        return np.atleast_2d(np.cov(self.draws, rowvar=False)) * self.scale**2

    @property
    def bse(self) -> Floats:
        """Standard errors, shape (M,)."""
        return standard_errors(self.cov)

    @property
    def largest_step_error(self) -> float:
        """Largest distance of a full refit from its Newton step, in SEs; NaN without refits."""
        return float(self.refits["difference"].abs().max()) if len(self.refits) else np.nan

    def conf_int(self, conf_level: float = 0.95, *, interval: IntervalKind = "bca") -> Floats:
        """Confidence limits, shape (M, 2), cut to [0, 1]; NaN where draws do not vary.

        Parameters
        ----------
        conf_level : float
        interval : {"bca", "percentile"}
            Prompt-only draws have no influence values and give percentiles.
        """
        if interval not in ("bca", "percentile"):
            raise DataError(
                "unknown interval",
                column="interval",
                value=interval,
                mend="use 'bca' or 'percentile'.",
            )
        if interval == "bca" and self.influence:
            limits = bca_limits(self.draws, self.params, self.influence, conf_level)
        else:
            spread = self.params + self.scale * (self.draws - self.draws.mean(axis=0))
            shown = self.draws if self.scale == 1.0 else spread
            limits = percentile_limits(shown, conf_level)
            limits[np.ptp(self.draws, axis=0) == 0] = np.nan
        return np.clip(limits, 0.0, 1.0)

    def tidy(self, conf_level: float = 0.95, *, interval: IntervalKind = "bca") -> pd.DataFrame:
        """One row per model in the tidy schema; limits from the draws."""
        limits = self.conf_int(conf_level, interval=interval)
        shown = interval if self.influence else "percentile"
        table = tidy_frame(
            "HAT",
            self.params,
            self.bse,
            conf_level=conf_level,
            method=f"{self.method}, {self.unit} bootstrap ({self.kind}), {shown}",
            identifiers={"model": list(self.models), "reference": self.reference},
        )
        # A proportion has no null at 0.
        table[["statistic", "p_value"]] = np.nan
        return table.assign(conf_low=limits[:, 0], conf_high=limits[:, 1])

    def contrast(self, a: str, b: str, conf_level: float = 0.95) -> pd.DataFrame:
        """Difference of two models' scores: one tidy row, limits from paired draws.

        Raises
        ------
        DataError
            If a name is not among the models.
        """
        for name in (a, b):
            if name not in self.models:
                raise DataError(
                    f"no such model; there are {', '.join(self.models)}", column="model", value=name
                )
        first, second = self.models.index(a), self.models.index(b)
        draws = (self.draws[:, [first]] - self.draws[:, [second]]) * self.scale
        estimate = np.atleast_1d(self.params[first] - self.params[second])
        psi = [part[:, [first]] - part[:, [second]] for part in self.influence]
        if psi:
            limits = bca_limits(draws, estimate, psi, conf_level)
        else:
            limits = percentile_limits(estimate + draws - draws.mean(axis=0), conf_level)
        row = tidy_frame(
            f"{a} - {b}",
            estimate,
            draws.std(axis=0, ddof=1),
            conf_level=conf_level,
            method=f"{self.method}, {self.unit} bootstrap ({self.kind})",
            identifiers={"reference": self.reference},
        )
        return row.assign(conf_low=limits[:, 0], conf_high=limits[:, 1])

    def ranks(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Rank of each model (1 is best) with limits from the draws, and its share of wins."""
        tail = 0.5 * (1.0 - check_level(conf_level))
        ranks = (-self.draws).argsort(axis=1, kind="stable").argsort(axis=1) + 1
        return pd.DataFrame(
            {
                "model": list(self.models),
                "rank": (-self.params).argsort(kind="stable").argsort() + 1,
                "rank_low": np.quantile(ranks, tail, axis=0, method="inverted_cdf"),
                "rank_high": np.quantile(ranks, 1.0 - tail, axis=0, method="inverted_cdf"),
                "p_best": (ranks == 1).mean(axis=0),
                "conf_level": conf_level,
                "n_draws": self.n_draws,
            }
        )

    def summary(self, conf_level: float = 0.95) -> str:
        """Scores from best to worst and what was drawn, in lines of at most 80 columns."""
        limits = self.conf_int(conf_level)
        lines = [
            f"HAT scores, {self.n_draws} {self.unit} bootstrap draws ({self.kind}), "
            f"reference {self.reference}"
        ]
        for place in np.argsort(-self.params, kind="stable"):
            low, high = limits[place]
            lines.append(
                f"  {self.models[place][:40]:<40}  {self.params[place]:.3f}"
                f"  [{low:.3f}, {high:.3f}]  SE {self.bse[place]:.4f}"
            )
        lines += textwrap.wrap(self._words(), 78, initial_indent="  ", subsequent_indent="  ")
        return "\n".join(lines)

    def _words(self) -> str:
        if self.unit == "promptings":
            return (
                "Promptings were redrawn inside these very items: the spread says how the scores "
                "of these items would move if they were asked again, not how those of other items "
                "would. It must not be added to an item bootstrap, which carries the noise of "
                f"promptings already: that inflates the SE. {self.n_failed} refits failed."
            )
        text = (
            f"{self.n_clusters} item clusters drawn for all models and languages together, one "
            "Newton step per draw; a draw in this form cannot fail."
        )
        if len(self.refits):
            size = self.largest_step_error
            verdict = "steps can be trusted" if size < STEP_TOLERANCE else "steps are rough here"
            text += (
                f" {self.refits['draw'].nunique()} full refits differ from their steps by at most "
                f"{size:.2f} SE: {verdict}."
            )
        if self.n_failed:
            text += f" {self.n_failed} refits failed."
        return text


def bootstrap_hat(
    profile: TransferProfile,
    reference: str | ArrayLike = "pooled",
    *,
    kind: WeightKind = "multinomial",
    n_draws: int = 10_000,
    check_refits: int = 0,
    rng: np.random.Generator | int | None = None,
) -> BootstrapScores:
    """Paired item bootstrap of all HAT scores.

    Weights of item clusters are drawn once for all models and languages, independently by
    benchmark; each draw is ``params + (w - 1) @ psi`` with psi the clusters' influence values,
    which carry the estimation of the reference distribution.

    Parameters
    ----------
    profile : TransferProfile
        Learnt from items (method ``latent`` or ``observed``).
    reference : str or array_like
        See `hatstats.hat.reference.reference_mixture`.
    kind : {"multinomial", "poisson", "exponential"}
    n_draws : int
        100 or more.
    check_refits : int
        So many draws of item clusters (multinomial) are also fitted in full and compared with
        their Newton steps.
    rng : Generator, int or None

    Returns
    -------
    BootstrapScores

    Raises
    ------
    NotIdentifiedError
        If the profile was not learnt from items, or a benchmark has one item cluster only.
    DataError
        For an unknown kind, too few draws or a negative number of refits.

    Warns
    -----
    DegenerateDataWarning
        If no item moves a model's score (all its answers alike): its interval is NaN.
    """
    generator = np.random.default_rng(rng)
    if kind not in WEIGHT_KINDS:
        raise DataError(
            "unknown bootstrap weights",
            column="kind",
            value=kind,
            mend=f"use {', '.join(WEIGHT_KINDS)}.",
        )
    count_at_least(n_draws, 100, "n_draws")
    count_at_least(check_refits, 0, "check_refits")
    items = item_profile(profile, "the item bootstrap")
    scores = score_influence(items, reference)
    for fit, psi in zip(items.fits, scores.influence, strict=True):
        if psi.shape[0] < 2:
            raise NotIdentifiedError(
                f"benchmark {fit.counts.benchmark!r} has one item cluster: spread over items "
                "cannot be told from one. What is missing: more items, or smaller clusters."
            )
    still = [
        name
        for place, name in enumerate(scores.models)
        if all(np.allclose(psi[:, place], 0.0, atol=1e-14) for psi in scores.influence)
    ]
    if still:
        warnings.warn(
            f"no item moves the score of {', '.join(still)} (all answers alike): a bootstrap draws "
            "the same value for ever, so its interval is NaN and not of length 0",
            DegenerateDataWarning,
            stacklevel=2,
        )
    influence = tuple(
        np.where([name in still for name in scores.models], 0.0, psi) for psi in scores.influence
    )
    scores = replace(scores, influence=influence)
    draws_rng, refit_rng = generator.spawn(2)
    draws = linear_draws(scores.params, influence, n_draws, kind=kind, rng=draws_rng)
    bse = standard_errors(scores.cov)
    refits, failed = _check_steps(items, reference, scores, bse, check_refits, refit_rng)
    return BootstrapScores(
        models=scores.models,
        params=scores.params,
        draws=draws,
        scale=1.0,
        influence=influence,
        unit="items",
        kind=kind,
        reference=reference_name(reference),
        method=items.method,
        n_clusters=sum(psi.shape[0] for psi in influence),
        refits=refits,
        n_failed=failed,
    )


def _refit(profile: ItemProfile, study: Study, reference: str | ArrayLike) -> tuple[Floats, bool]:
    """Scores of a study by the profile's own method; False if the fit failed."""
    with warnings.catch_warnings():
        # A drawn study may sit at a boundary; what matters here is the score.
        warnings.simplefilter("ignore", DegenerateDataWarning)
        try:
            fitted = fit_profile(study, method=cast("Method", profile.method)).hat(reference)
        except (FitError, NotIdentifiedError):
            return np.zeros(0), False
    return fitted.params, True


def _check_steps(
    profile: ItemProfile,
    reference: str | ArrayLike,
    scores: ModelScores,
    bse: Floats,
    n_refits: int,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, int]:
    rows, failed = [], 0
    for draw in range(n_refits):
        weights = [
            bootstrap_weights(psi.shape[0], 1, kind="multinomial", rng=rng)[0]
            for psi in scores.influence
        ]
        step = scores.params + sum(
            (w - 1.0) @ psi for w, psi in zip(weights, scores.influence, strict=True)
        )
        refit, done = _refit(profile, repeat_clusters(profile, weights), reference)
        if not done:
            failed += 1
            continue
        difference = np.divide(refit - step, bse, out=np.full(bse.size, np.nan), where=bse > 0)
        rows.append(
            pd.DataFrame(
                {
                    "draw": draw,
                    "model": list(scores.models),
                    "refit": refit,
                    "step": step,
                    "difference": difference,
                }
            )
        )
    if rows:
        return pd.concat(rows, ignore_index=True), failed
    return pd.DataFrame(columns=["draw", "model", "refit", "step", "difference"]), failed


def repeat_clusters(profile: ItemProfile, weights: list[Floats]) -> Study:
    """The profile's study with each item cluster of each benchmark as often as its weight says.

    Parameters
    ----------
    profile : ItemProfile
    weights : list of ndarray, each (G_b,)
        Whole numbers, one per cluster, for the benchmarks in order.

    Returns
    -------
    Study
        Copies of an item are items of their own, and copies of a cluster are clusters.
    """
    study = profile.study
    counts, tables = [], []
    for fit, weight in zip(profile.fits, weights, strict=True):
        name = fit.counts.benchmark
        times = weight[fit.counts.clusters].astype(int)
        rows = study.counts[(study.counts["benchmark"] == name).to_numpy()]
        counts.append(_copies(rows, fit.counts, times))
        known = study.items[(study.items["benchmark"] == name).to_numpy()]
        if len(known):
            tables.append(_copies(known, fit.counts, times))
    return replace(
        study,
        counts=pd.concat(counts, ignore_index=True),
        items=pd.concat(tables, ignore_index=True) if tables else study.items,
        claims=(),
        files=(),
    )


def _copies(rows: pd.DataFrame, counts: ItemCounts, times: NDArray[np.intp]) -> pd.DataFrame:
    """Rows as often as `times` says of their items, with names of their own."""
    place = pd.Index(counts.items).get_indexer(pd.Index(rows["item"]))
    repeats = np.where(place >= 0, times[place], 0)
    copied = rows.loc[rows.index.repeat(repeats)].reset_index(drop=True)
    number = np.concatenate([np.arange(count) for count in repeats]).astype(str)
    codes = counts.clusters[np.repeat(place, repeats)].astype(str)
    suffix = pd.Series(number, dtype=str)
    return copied.assign(
        item=copied["item"].astype(str) + "#" + suffix,
        cluster=pd.Series(codes, dtype=str) + "#" + suffix,
    )


def resample_promptings(
    profile: TransferProfile,
    reference: str | ArrayLike = "pooled",
    *,
    n_draws: int = 100,
    rng: np.random.Generator | int | None = None,
) -> BootstrapScores:
    """Spread of HAT over repeated promptings of these very items, by full refits.

    Each cell's right answers are redrawn as Bin(n, k/n) and everything is fitted anew. This is
    *not* the sampling error of a benchmark, whose items stand for others: for that, use
    `bootstrap_hat`. Redrawing promptings inside drawn items would count their noise twice and
    inflate the standard error.

    ``k/n (1 - k/n)`` underestimates the variance of one prompting by (n - 1)/n; standard errors
    are put right by the square root of the average of n/(n - 1), weighted by that variance.

    Parameters
    ----------
    profile : TransferProfile
        Learnt from items.
    reference : str or array_like
    n_draws : int
        Full refits, 10 or more.
    rng : Generator, int or None

    Returns
    -------
    BootstrapScores
        With `unit` ``promptings``; failed refits are counted in `n_failed` and left out.

    Raises
    ------
    NotIdentifiedError
        If the profile was not learnt from items, or every cell has one prompting: the noise of
        promptings cannot be seen then.
    DataError
        For too few draws.
    """
    count_at_least(n_draws, 10, "n_draws")
    items = item_profile(profile, "resampling promptings")
    rows = items.study.counts
    right, trials = (rows[name].to_numpy(dtype=float) for name in ("n_correct", "n_trials"))
    if (trials < 2).all():
        raise NotIdentifiedError(
            "every cell has one prompting, so that redrawing it gives the same answer again. "
            "What is missing: two or more promptings per item and language."
        )
    share = np.divide(right, trials, out=np.zeros_like(right), where=trials > 0)
    noise = np.where(trials > 1, share * (1.0 - share), 0.0)
    inflation = np.divide(trials, trials - 1.0, out=np.ones_like(trials), where=trials > 1)
    scale = float(np.sqrt((noise @ inflation) / noise.sum())) if noise.sum() > 0 else 1.0
    generator = np.random.default_rng(rng)
    scores = score_influence(items, reference)
    draws, failed = [], 0
    for _ in range(n_draws):
        redrawn = generator.binomial(trials.astype(int), share).astype(float)
        study = replace(items.study, counts=rows.assign(n_correct=redrawn), claims=(), files=())
        refit, done = _refit(items, study, reference)
        failed += not done
        if done:
            draws.append(refit)
    if len(draws) < 2:
        raise FitError(f"{failed} of {n_draws} refits failed: no spread over promptings is left")
    return BootstrapScores(
        models=scores.models,
        params=scores.params,
        draws=np.array(draws),
        scale=scale,
        influence=(),
        unit="promptings",
        kind="binomial",
        reference=reference_name(reference),
        method=items.method,
        n_clusters=sum(psi.shape[0] for psi in scores.influence),
        refits=pd.DataFrame(columns=["draw", "model", "refit", "step", "difference"]),
        n_failed=failed,
    )
