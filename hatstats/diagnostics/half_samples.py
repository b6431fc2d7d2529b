"""Split halves: half the trials of an item as an instrument for the other half.

Given an item's chance x of a right answer, two halves of its trials have independent errors. So the
covariance of target accuracy with one half over that of both halves is the slope of the profile's
straight line, free of attenuation (instrumental variables), exactly averaged over all splits; of
trials of one wording, which stay in one half, no pairs count. A straight line through a curved
profile is not HAT; but the fitted profile has one too, and both must agree if it is right.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hatstats.diagnostics.agreement import ModelComparison, agreement_words
from hatstats.diagnostics.dependent_trials import dependence_words
from hatstats.errors import DegenerateDataWarning, NotIdentifiedError
from hatstats.inference.arrays import Floats
from hatstats.inference.result_frame import ResultFrame
from hatstats.scores.averages import ModelScores
from hatstats.scores.benchmark_fit import BenchmarkFit, CellScores, mean_influence
from hatstats.scores.counts import ItemCounts, ratio
from hatstats.scores.item_profile import average_cells, require_items
from hatstats.scores.reference import Mixture, reference_mixture, reference_name, settled
from hatstats.scores.transfer_profile import TransferProfile, as_profile

# The variance of x must be so many standard errors from 0 before a slope is divided by it.
_CLEARLY_POSITIVE = 2.0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SplitHalf(ModelComparison):
    """Straight-line HAT by split halves, and the same line through the fitted profile.

    `line` is HAT of the straight line by split halves, `implied` that of the line through the
    profile. `reliability` has, by model and benchmark, the share of the variance of k/n that is
    variance of x.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study((0.0, 1.0), shape=hs.Shape(n_items=200, n_languages=1), rng=1)
    >>> hs.split_half(hs.fit_profile(study)).reliability.round(2)
          model  benchmark  reliability
    0  model-01  simulated         0.77
    1  model-02  simulated         0.80
    """

    reliability: pd.DataFrame
    line: ModelScores
    implied: ModelScores
    method: str
    reference: str
    note: str = ""

    @property
    def check(self) -> str:
        """Name of the check, with the method of the profile."""
        return f"split half, {self.method}"

    @property
    def terms(self) -> dict[str, ModelScores]:
        """HAT of the line, of the implied line, and their difference."""
        difference = self.line.less(self.implied)
        return {"line": self.line, "implied line": self.implied, "difference": difference}

    def summary(self) -> str:
        """Whether the profile is compatible with split halves, in lines of at most 80 columns."""
        reliability = self.reliability["reliability"].dropna()
        text = agreement_words(self.terms["difference"], self.method, "split halves")
        if len(reliability):
            text += (
                f" Of the variance of k/n, {reliability.min():.0%} to {reliability.max():.0%} is "
                "variance of items' chances; the rest is noise of trials."
            )
        details = [
            f"halves {line:.3f}, {self.method} {implied:.3f}"
            if np.isfinite(line)
            else "no line: its items hardly differ"
            for line, implied in zip(self.line.estimates, self.implied.estimates, strict=True)
        ]
        return self._lines(
            "Split halves, straight-line HAT", details, f"{text} {self.note}".strip()
        )


def _straight_line(moments: Floats, centre: Floats) -> tuple[Floats, Floats, Floats]:
    """Height of straight lines at `centre` (M,) and their slopes (M, L), and derivatives (M, L, 4).

    `moments` (M, L, 4) are E y, E xy, E x and E x^2 of each cell; the derivatives of the height are
    with respect to them, at fixed centre. Slopes and derivatives are 0 where x has no variance.
    """
    mean_y, mean_xy, mean_x, mean_xx = np.moveaxis(moments, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = mean_xx - mean_x**2
        slope = (mean_xy - mean_x * mean_y) / variance
        height = mean_y + slope * (centre[:, None] - mean_x)
        offset = (centre[:, None] - mean_x) / variance
        by_y = 1.0 - mean_x * offset
        by_x = offset * (2.0 * mean_x * slope - mean_y) - slope
    derivatives = np.stack([by_y, offset, by_x, -slope * offset], axis=-1)
    return height, _finite(slope), _finite(derivatives)


def _finite(values: Floats) -> Floats:
    """The values, with 0 in place of NaN and infinities."""
    return np.asarray(np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0), dtype=float)


def _squares(counts: ItemCounts) -> Floats:
    """Unbiased x^2 of each model's items (M, N), from pairs of trials that share no wording.

    From all pairs where items have one wording. NaN where there are none.
    """
    correct, trials, same = counts.source_correct, counts.source_trials, counts.source_pairs
    right, pairs = correct * (correct - 1.0), trials * (trials - 1.0)
    if same is not None and counts.trials != "repeats":
        right, pairs = right - same.right, pairs - same.number
    return ratio(right, pairs)


def _observed(fit: BenchmarkFit, mixture: Mixture) -> CellScores:
    """HAT of the straight lines by split halves."""
    counts = fit.counts
    square, y = _squares(counts), counts.target_accuracy()
    x = np.where(np.isnan(square), np.nan, counts.source_accuracy())
    products = (y, x[:, :, None] * y, x[:, :, None], square[:, :, None])
    values = np.stack(np.broadcast_arrays(*products), axis=-1)
    values[np.isnan(values).any(axis=-1)] = np.nan
    moments, moment_influence = mean_influence(values)
    own, own_influence = mean_influence(x)
    centre = mixture.mixing @ own + mixture.fixed @ fit.support
    estimate, slope, derivatives = _straight_line(moments, centre)
    influence = np.einsum("nmlk,mlk->nml", moment_influence, derivatives)
    influence += (own_influence @ mixture.mixing.T)[:, :, None] * slope
    return CellScores(estimate, influence)


def _implied(fit: BenchmarkFit, mixture: Mixture) -> CellScores:
    """HAT of the straight lines through the fitted profile, weighted by its own distribution."""
    x, g, profile = fit.support, fit.distributions, fit.profiles
    own = g @ x
    centre = mixture.mixing @ own + mixture.fixed @ x
    of_y = np.einsum("kmq,mlq->kml", np.stack([g, g * x]), profile)
    moments = np.stack(np.broadcast_arrays(*of_y, own[:, None], (g @ x**2)[:, None]), axis=-1)
    estimate, slope, derivatives = _straight_line(moments, centre)
    influence = np.zeros((fit.counts.items.size, *slope.shape))
    for m, model in enumerate(fit.models):
        by_y, by_xy, by_x, by_xx = derivatives[m].T
        if not by_xy.any() and not by_y.any():
            continue
        # The line's weights on T depend on g alone, so that they are the same in every language.
        language = int(np.flatnonzero(by_y)[0])
        weights = g[m] * (by_y[language] + by_xy[language] * x)
        values = profile[m].T * (by_y + np.outer(x, by_xy))
        values += np.outer(x, by_x) + np.outer(x**2, by_xx)
        influence[:, m] = model.profile_influence(weights)
        influence[:, m] += model.distribution_influence(np.nan_to_num(values))
    shift = np.stack([model.distribution_influence(x[:, None])[:, 0] for model in fit.models], 1)
    influence += (shift @ mixture.mixing.T)[:, :, None] * slope[None]
    return CellScores(estimate, influence)


def _reliability(fit: BenchmarkFit) -> tuple[NDArray[np.bool_], Floats]:
    """Whether a model's variance of x is clearly above 0, and reliability of its k/n; both (M,)."""
    clear, reliability = [], []
    for share, square in zip(fit.counts.source_accuracy(), _squares(fit.counts), strict=True):
        used = ~np.isnan(square)
        share, square = share[used], square[used]
        mean = share.mean()
        variance, total = square.mean() - mean**2, share.var()
        influence = square - square.mean() - 2.0 * mean * (share - mean)
        error = np.sqrt((influence**2).sum()) / used.sum()
        clear.append(variance > _CLEARLY_POSITIVE * error and variance > 0)
        reliability.append(min(max(variance / total, 0.0), 1.0) if total > 0 else np.nan)
    return np.array(clear), np.array(reliability)


def split_half(profile: TransferProfile, reference: str | ArrayLike | None = None) -> SplitHalf:
    """Compare a profile with split halves of the trials, which need no model.

    ``H_ml = E y + b (E_G x - E x)`` with ``b = Cov(y, k_A) / Cov(k_A, k_B)``, averaged over all
    splits of an item's trials into halves A and B, beside the same functional of the profile.

    Parameters
    ----------
    profile : TransferProfile
        Fitted to items, with two or more trials in the source language.
    reference : str or array_like, optional
        As for `TransferProfile.hat`; only its mean matters for a line.

    Returns
    -------
    SplitHalf

    Raises
    ------
    NotIdentifiedError
        If the profile was not fitted to items, or items have one trial.

    Warns
    -----
    DegenerateDataWarning
        For models whose items hardly differ, so that halves are uncorrelated: their line has no
        slope, and is NaN.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study((0.0, 1.0), shape=hs.Shape(n_items=200, n_languages=1), rng=1)
    >>> hs.split_half(hs.fit_profile(study))
    Split halves, straight-line HAT, reference pooled
      model-01                                  halves 0.406, latent 0.408
      model-02                                  halves 0.441, latent 0.442
    The latent profile is compatible with split halves (largest difference, in
    SEs: -0.002 for model-01, 2.0 SE, p = 0.095 adjusted for 2 models). Of the
    variance of k/n, 77% to 80% is variance of items' chances; the rest is noise
    of trials.
    """
    profile = as_profile(profile, "split_half")
    items = require_items(profile, "the split-half check")
    reference = settled(reference, items.study)
    lines: list[CellScores] = []
    implied: list[CellScores] = []
    tables, unclear = [], set()
    for fit in items.fits:
        if np.isnan(_squares(fit.counts)).all(axis=1).any():
            what = "trials" if fit.counts.source_pairs is None else "wordings"
            raise NotIdentifiedError(
                f"benchmark {fit.counts.benchmark!r}: one {what[:-1]} per item has no halves. What "
                f"is missing: two or more {what} per item in the source language, for every model."
            )
        names = fit.counts.models
        clear, reliability = _reliability(fit)
        unclear |= {name for name, good in zip(names, clear, strict=True) if not good}
        table = ResultFrame({"model": names, "reliability": reliability})
        tables.append(table.assign(benchmark=fit.counts.benchmark))
        asked = ~np.isnan(fit.profiles).all(axis=2)
        mixture = reference_mixture(reference, names, fit.support)
        for cells, scores in ((lines, _observed(fit, mixture)), (implied, _implied(fit, mixture))):
            # Cells without a slope must not affect the average of the others; NaN in the result.
            estimate = np.where(asked, _finite(scores.estimate), np.nan)
            cells.append(CellScores(estimate, _finite(scores.influence)))
    if unclear:
        warnings.warn(
            f"the source answers of {', '.join(sorted(unclear))} differ between items no more than "
            "trials do by chance: split halves give no slope there, and no difference",
            DegenerateDataWarning,
            stacklevel=2,
        )
    return SplitHalf(
        reliability=pd.concat(tables, ignore_index=True)[["model", "benchmark", "reliability"]],
        line=_without(average_cells(items, lines), unclear),
        implied=_without(average_cells(items, implied), unclear),
        method=items.method,
        reference=reference_name(reference),
        note=dependence_words(items),
    )


def _without(scores: ModelScores, names: set[str]) -> ModelScores:
    """The same scores with NaN for some models."""
    excluded = np.array([name in names for name in scores.models])
    return ModelScores(
        scores.models,
        np.where(excluded, np.nan, scores.estimates),
        tuple(np.where(excluded, np.nan, psi) for psi in scores.influence),
    )
