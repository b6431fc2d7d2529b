"""Split halves: half the trials of an item as an instrument for the other half.

Given an item's chance x of a right answer, two halves of its trials err independently. So the
mean of the other half among items with j right in one half is what x is there, free of selection;
and the covariance of target accuracy with one half over the covariance of both halves is the slope
of the profile's straight line, free of attenuation (instrumental variables). Nothing is drawn: the
average over all splits is hypergeometric, and that of ``k_A k_B`` is ``k (k - 1) / (n (n - 1))``.

A straight line through a bent profile is not HAT; but the fitted profile has a straight line too,
and the two must agree wherever the profile is right.
"""

from __future__ import annotations

import textwrap
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from hatstats.diagnostics.agreement import agreement_frame, agreement_words
from hatstats.diagnostics.thinned import thinned_shares
from hatstats.errors import DegenerateDataWarning, NotIdentifiedError
from hatstats.scores.averages import ModelScores
from hatstats.scores.benchmark_fit import BenchmarkFit, CellScores, ModelFit
from hatstats.scores.item_profile import average_cells, require_items
from hatstats.scores.reference import reference_mixture, reference_name
from hatstats.scores.transfer_profile import TransferProfile, as_profile

Floats = NDArray[np.float64]

# The variance of x must be so many standard errors from 0 before a slope is divided by it.
_INFORMED = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class SplitHalf:
    """Straight-line HAT by split halves, and the same line through the fitted profile.

    Attributes
    ----------
    points : DataFrame
        `model, benchmark, right, half, items, source, target, source_implied, target_implied`:
        items with `right` of `half` trials right, the mean of their other trials, their
        mean target accuracy over languages, and what the profile implies for both. `items` is an
        expected number over splits.
    reliability : DataFrame
        `model, benchmark, reliability`: share of the variance of k/n that is variance of x.
    line, implied : ModelScores
        HAT of the straight line by split halves, and of the line through the fitted profile.
    method, reference : str
    """

    points: pd.DataFrame
    reliability: pd.DataFrame
    line: ModelScores
    implied: ModelScores
    method: str
    reference: str

    @property
    def models(self) -> tuple[str, ...]:
        """Models that have every benchmark."""
        return self.line.models

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Per model: HAT of the line, of the implied line, and their difference with its test."""
        terms = {
            "line": self.line,
            "implied line": self.implied,
            "difference": self.line.less(self.implied),
        }
        return agreement_frame(
            terms, self.reference, f"split half, {self.method}", conf_level=conf_level
        )

    def summary(self) -> str:
        """Whether the profile is compatible with split halves, in lines of at most 80 columns."""
        lines = [f"Split halves, straight-line HAT, reference {self.reference}"]
        for place, model in enumerate(self.models):
            lines.append(
                f"  {model[:40]:<40}  halves {self.line.params[place]:.3f},"
                f" {self.method} {self.implied.params[place]:.3f}"
            )
        known = self.reliability["reliability"].dropna()
        text = agreement_words(self.line.less(self.implied), self.method, "split halves")
        if len(known):
            text += (
                f" Of the variance of k/n, {known.min():.0%} to {known.max():.0%} is variance of "
                "items' chances; the rest is noise of trials."
            )
        return "\n".join([*lines, *textwrap.wrap(text, 78)])


@dataclass(frozen=True, slots=True)
class _Line:
    """Straight-line HAT of cells (M, L) and its derivatives.

    `mean_y, cross` (M, L) are E y and E xy; `mean_x, square` (M, L) are E x and E x^2 over the
    items of each cell; `own` (M,) is E x over all items, which the reference mixes.
    """

    mean_y: Floats
    cross: Floats
    mean_x: Floats
    square: Floats
    own: Floats

    def variance(self) -> Floats:
        """Variance of x, shape (M, L)."""
        return self.square - self.mean_x**2

    def slope(self) -> Floats:
        """Slope of the line, shape (M, L)."""
        return np.asarray((self.cross - self.mean_x * self.mean_y) / self.variance(), dtype=float)

    def value(self, centre: Floats) -> Floats:
        """Height of the line at `centre` (M,), shape (M, L)."""
        return self.mean_y + self.slope() * (centre[:, None] - self.mean_x)

    def gradient(self, centre: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Derivatives with respect to E y, E xy, E x and E x^2, each (M, L), at fixed centre."""
        away = (centre[:, None] - self.mean_x) / self.variance()
        slope = self.slope()
        by_y = 1.0 - self.mean_x * away
        by_x = away * (2.0 * self.mean_x * slope - self.mean_y) - slope
        return by_y, away, by_x, -slope * away


def _solved(line: _Line, centre: Floats) -> tuple[Floats, Floats, tuple[Floats, ...]]:
    """Heights, slopes and derivatives of the lines; 0 in place of what has no variance of x."""
    with np.errstate(divide="ignore", invalid="ignore"):
        height, slope, gradient = line.value(centre), line.slope(), line.gradient(centre)
    slope, *gradient_parts = (
        np.nan_to_num(part, nan=0.0, posinf=0.0, neginf=0.0) for part in (slope, *gradient)
    )
    return height, slope, tuple(gradient_parts)


def _squares(correct: Floats, trials: Floats) -> Floats:
    """Unbiased x^2 of each item from its trials; NaN with fewer than two."""
    two = trials > 1
    pairs = np.where(two, trials * (trials - 1.0), 1.0)
    return np.where(two, correct * (correct - 1.0) / pairs, np.nan)


def _observed(fit: BenchmarkFit, mixing: Floats, fixed: Floats) -> CellScores:
    counts = fit.counts
    square = _squares(counts.source_correct, counts.source_trials)
    x = np.where(np.isnan(square), np.nan, counts.source_accuracy())
    y = counts.target_accuracy()
    used = ~np.isnan(y) & ~np.isnan(x)[:, :, None]
    number = used.sum(axis=1)
    asked = ~np.isnan(x)
    x, square, y = np.nan_to_num(x), np.nan_to_num(square), np.nan_to_num(y)

    def mean(value: Floats) -> Floats:
        total = np.where(used, value, 0.0).sum(axis=1)
        ratio: Floats = np.divide(
            total, number, out=np.full(number.shape, np.nan), where=number > 0
        )
        return ratio

    moments = (y, x[:, :, None] * y, x[:, :, None], square[:, :, None])
    means = [mean(np.broadcast_to(value, y.shape)) for value in moments]
    own = (x * asked).sum(axis=1) / asked.sum(axis=1)
    mean_y, cross, mean_x, mean_square = means
    line = _Line(mean_y, cross, mean_x, mean_square, own)
    centre = mixing @ own + fixed
    estimate, slope, gradient = _solved(line, centre)
    influence = np.zeros((y.shape[1], *number.shape))
    for value, average, weight in zip(moments, means, gradient, strict=True):
        part = (value - average[:, None, :]) * (weight / np.maximum(number, 1))[:, None, :]
        influence += np.where(used, part, 0.0).transpose(1, 0, 2)
    shift = np.where(asked, x - own[:, None], 0.0) / asked.sum(axis=1, keepdims=True)
    influence += (shift.T @ mixing.T)[:, :, None] * slope[None]
    return CellScores(estimate, influence)


def _implied(fit: BenchmarkFit, mixing: Floats, fixed: Floats) -> CellScores:
    """The straight line through the fitted profile, weighted by its own distribution."""
    x, g = fit.support, fit.distributions
    profile = fit.profiles
    shape = profile.shape[:2]
    own = g @ x
    centre = mixing @ own + fixed
    line = _Line(
        mean_y=np.einsum("mq,mlq->ml", g, profile),
        cross=np.einsum("mq,mlq->ml", g * x, profile),
        mean_x=np.repeat(own[:, None], shape[1], axis=1),
        square=np.repeat((g @ x**2)[:, None], shape[1], axis=1),
        own=own,
    )
    estimate, slope, gradient = _solved(line, centre)
    influence = np.zeros((fit.counts.items.size, *shape))
    for m, model in enumerate(fit.models):
        by_y, by_cross, by_x, by_square = (part[m] for part in gradient)
        if not by_cross.any() and not by_y.any():
            continue
        # The line's weights on T rest on g alone, so that they are the same in every language.
        place = int(np.flatnonzero(by_y)[0])
        weights = g[m] * (by_y[place] + by_cross[place] * x)
        values = profile[m].T * (by_y + np.outer(x, by_cross))
        values += np.outer(x, by_x) + np.outer(x**2, by_square)
        influence[:, m] = model.profile_influence(weights)
        influence[:, m] += model.distribution_influence(np.nan_to_num(values))
    shift = np.stack([model.distribution_influence(x[:, None])[:, 0] for model in fit.models], 1)
    influence += (shift @ mixing.T)[:, :, None] * slope[None]
    return CellScores(estimate, influence)


def _informed(fit: BenchmarkFit) -> tuple[NDArray[np.bool_], Floats]:
    """Models whose variance of x is clearly above 0, and the reliability of their k/n."""
    clear, reliability = [], []
    for correct, trials in zip(fit.counts.source_correct, fit.counts.source_trials, strict=True):
        square = _squares(correct, trials)
        used = ~np.isnan(square)
        share, square = correct[used] / trials[used], square[used]
        mean = share.mean()
        variance, total = square.mean() - mean**2, share.var()
        moved = square - square.mean() - 2.0 * mean * (share - mean)
        error = np.sqrt((moved**2).sum()) / used.sum()
        clear.append(variance > _INFORMED * error and variance > 0)
        reliability.append(min(max(variance / total, 0.0), 1.0) if total > 0 else np.nan)
    return np.array(clear), np.array(reliability)


def _half(fit: BenchmarkFit) -> tuple[int, int]:
    """Size of a half, and fewest trials of the items that are split."""
    asked = [trials[trials > 0] for trials in fit.counts.source_trials]
    if min(trials.max() for trials in asked) < 2:
        raise NotIdentifiedError(
            f"benchmark {fit.counts.benchmark!r}: one trial per item has no halves. What is "
            "missing: two or more trials per item in the source language, for every model."
        )
    top = min(int(np.quantile(trials[trials > 1], 0.1, method="lower")) for trials in asked)
    return top // 2, top


def _points(fit: BenchmarkFit) -> pd.DataFrame:
    half, top = _half(fit)
    frames = []
    levels = np.arange(half + 1)
    likelihood = np.asarray(stats.binom.pmf(levels[:, None], half, fit.support[None, :]))
    for m, model in enumerate(fit.models):
        frames.append(_model_points(fit, m, model, likelihood, top))
    return pd.concat(frames, ignore_index=True)


def _model_points(
    fit: BenchmarkFit, m: int, model: ModelFit, likelihood: Floats, top: int
) -> pd.DataFrame:
    counts, half = fit.counts, likelihood.shape[0] - 1
    right, trials = counts.source_correct[m], counts.source_trials[m]
    target = counts.target_accuracy()[m]
    seen = ~np.isnan(target)
    number = seen.sum(axis=1)
    used = (trials >= max(top, 2)) & (number > 0)
    y = np.nan_to_num(target).sum(axis=1)[used] / number[used]
    keep = thinned_shares(right[used], trials[used], half)
    rest = (right[used][:, None] - np.arange(half + 1)) / (trials[used] - half)[:, None]
    items = keep.sum(axis=0)
    below = likelihood * model.distribution
    asked = ~np.isnan(model.profile).all(axis=1)
    profile = model.profile[asked].mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = {
            "items": items,
            "source": (keep * rest).sum(axis=0) / items,
            "target": (keep * y[:, None]).sum(axis=0) / items,
            "source_implied": below @ fit.support / below.sum(axis=1),
            "target_implied": below @ profile / below.sum(axis=1),
        }
    table = pd.DataFrame(
        {
            "model": counts.models[m],
            "benchmark": counts.benchmark,
            "right": np.arange(half + 1),
            "half": half,
            **columns,
        }
    )
    # A level reached by a hundredth of an item says nothing of where the profile lies.
    return table[table["items"] >= 1.0]


def split_half(profile: TransferProfile, reference: str | ArrayLike = "pooled") -> SplitHalf:
    """Compare a profile with split halves of the trials, which need no model.

    ``H_ml = E y + b (E_G x - E x)`` with ``b = Cov(y, k_A) / Cov(k_A, k_B)``, averaged over all
    splits of an item's trials into halves A and B, beside the same functional of the profile.

    Parameters
    ----------
    profile : TransferProfile
        Learnt from items, with two or more trials in the source language.
    reference : str or array_like
        See `hatstats.scores.reference.reference_mixture`; a line depends on its mean only.

    Returns
    -------
    SplitHalf

    Raises
    ------
    NotIdentifiedError
        If the profile was not learnt from items, or items have one trial.

    Warns
    -----
    DegenerateDataWarning
        For models whose items hardly differ, so that halves do not go together: their line has no
        slope, and is NaN.
    """
    profile = as_profile(profile, "split_half")
    items = require_items(profile, "the split-half check")
    lines: list[CellScores] = []
    implied: list[CellScores] = []
    points, tables, vague = [], [], set()
    for fit in items.fits:
        points.append(_points(fit))
        mixture = reference_mixture(reference, fit.counts.models, fit.support)
        fixed = mixture.fixed @ fit.support
        clear, reliability = _informed(fit)
        vague |= {name for name, good in zip(fit.counts.models, clear, strict=True) if not good}
        line = _observed(fit, mixture.mixing, fixed)
        asked = ~np.isnan(fit.profiles).all(axis=2)
        for found, place in ((line, lines), (_implied(fit, mixture.mixing, fixed), implied)):
            # Cells without a slope must not upset the average of the others; they are NaN below.
            there = np.where(asked, np.nan_to_num(found.estimate, posinf=0.0, neginf=0.0), np.nan)
            place.append(CellScores(there, np.nan_to_num(found.influence, posinf=0.0, neginf=0.0)))
        tables.append(
            pd.DataFrame(
                {
                    "model": fit.counts.models,
                    "benchmark": fit.counts.benchmark,
                    "reliability": reliability,
                }
            )
        )
    if vague:
        warnings.warn(
            f"the source answers of {', '.join(sorted(vague))} differ between items no more than "
            "trials do by chance: split halves give no slope there, and the line is NaN",
            DegenerateDataWarning,
            stacklevel=2,
        )
    return SplitHalf(
        points=pd.concat(points, ignore_index=True),
        reliability=pd.concat(tables, ignore_index=True),
        line=_without(average_cells(items, lines), vague),
        implied=_without(average_cells(items, implied), vague),
        method=items.method,
        reference=reference_name(reference),
    )


def _without(scores: ModelScores, names: set[str]) -> ModelScores:
    """The same scores with NaN for some models."""
    lost = np.array([name in names for name in scores.models])
    return ModelScores(
        scores.models,
        np.where(lost, np.nan, scores.params),
        tuple(np.where(lost, np.nan, psi) for psi in scores.influence),
    )
