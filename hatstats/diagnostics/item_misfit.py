"""Items that transfer far worse or better than the profile expects, to look at one by one.

An item far below what its source count and the profile lead to expect in one language, and not in
the others, is often a broken translation. The null distribution of its right answers, summed over
models, is a convolution of beta-binomial counts, with a dispersion estimated for each model and
language. Models share some of an item's hardness, so that normal scores are divided by their spread
over the items of the language (an empirical null; Efron 2004, JASA 99:96-104): "far" is relative
to these. The false discovery rate is controlled over all items and languages (Benjamini & Hochberg
1995).
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hatstats.diagnostics.dependent_trials import source_probabilities
from hatstats.errors import DataError
from hatstats.inference.arrays import Floats
from hatstats.inference.intervals import false_discovery_adjusted, two_sided_p
from hatstats.inference.resampling.count_sums import (
    Table,
    count_probabilities,
    dispersion,
    normal_approximation,
    normal_scores,
    sum_distribution,
)
from hatstats.inference.result_frame import ResultFrame
from hatstats.inference.validation import in_range
from hatstats.scores.benchmark_fit import BenchmarkFit
from hatstats.scores.item_profile import require_items
from hatstats.scores.transfer_profile import TransferProfile, as_profile

#: Value of the column `model`: models are pooled.
ALL_MODELS = "all models"
# Sums of more right answers than this are taken as normal: their exact distribution takes long and
# hardly differs.
_MOST_EXACT = 400
# Interquartile range of the standard normal distribution.
_QUARTILES = 1.3489795
# Items found in one pass do not contribute to dispersion and spread in the next.
_PASSES = 3


def expected_accuracies(fit: BenchmarkFit) -> tuple[Floats, Floats]:
    """Expected accuracies of items given each model's own source count.

    Posterior means of the chance of a right source answer (M, N), NaN if never asked, and expected
    target accuracies (M, N, L), NaN where nothing was asked.
    """
    counts = fit.counts
    source = np.full(counts.source_trials.shape, np.nan)
    target = np.full(counts.target_trials.shape, np.nan)
    for m, model in enumerate(fit.models):
        asked = counts.source_trials[m] > 0
        pairs, index = np.unique(
            np.column_stack([counts.source_correct[m], counts.source_trials[m]])[asked],
            axis=0,
            return_inverse=True,
        )
        posterior = source_probabilities(fit, m, *pairs.T)[0] * model.distribution
        posterior /= posterior.sum(axis=1, keepdims=True)
        pair = index.reshape(-1)
        source[m, asked] = (posterior @ fit.support)[pair]
        target[m, asked] = np.clip(posterior @ model.profile.T, 0.0, 1.0)[pair]
    target[counts.target_trials == 0] = np.nan
    return source, target


def _pooled_target(fit: BenchmarkFit, source: Floats, target: Floats) -> Floats:
    """Expected target accuracy (M, N, L) of items given all models' source counts.

    An item that every model gets right is easier than any one model's count says, and the residuals
    of all models would have one sign. The expectation is adjusted by their least-squares line,
    through the origin, on raw less shrunken source accuracy, language by language.
    """
    if len(fit.models) < 2:
        return target
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # means of items that were never asked
        easier = np.nanmean(fit.counts.source_accuracy() - source, axis=0)
        residual = np.nanmean(fit.counts.target_accuracy() - target, axis=0)
    easier = np.nan_to_num(easier)
    top = (easier[:, None] * np.nan_to_num(residual)).sum(axis=0)
    bottom = (easier[:, None] ** 2 * ~np.isnan(residual)).sum(axis=0)
    slope = np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)
    return np.clip(target + np.outer(easier, slope), 0.0, 1.0)


def _null_distributions(
    fit: BenchmarkFit, mean: Floats, cell: tuple[int, int], ordinary: NDArray[np.bool_]
) -> list[Table]:
    """Null distributions of the counts of one model in one language, by number of trials.

    `mean` (N,) are expected accuracies; the dispersion is that of the `ordinary` items (N,).
    """
    m, language = cell
    trials = fit.counts.target_trials[m, :, language].astype(int)
    right = fit.counts.target_correct[m, :, language]
    asked = ~np.isnan(mean)
    learn = asked & ordinary
    rho = dispersion(right[learn], trials[learn].astype(float), mean[learn])
    tables = []
    for n in np.unique(trials[asked]).tolist():
        same = asked & (trials == n)
        means, row = np.unique(mean[same], return_inverse=True)
        index = np.full(mean.size, -1, dtype=np.intp)
        index[same] = row.reshape(-1)
        tables.append((index, count_probabilities(n, means, rho)))
    return tables


def _normal_scores(fit: BenchmarkFit, mean: Floats, ordinary: NDArray[np.bool_]) -> Floats:
    """Normal scores (N, L) of right answers summed over models, over their spread if above 1.

    `mean` (M, N, L) are expected accuracies; `ordinary` (N, L) marks the items that determine
    dispersion and spread.
    """
    n_models, n_items, n_languages = mean.shape
    asked = ~np.isnan(mean)
    right = np.where(asked, fit.counts.target_correct, 0.0).sum(axis=0).round().astype(np.intp)
    seen = asked.any(axis=0)
    scores = np.full(ordinary.shape, np.nan)
    for language in range(n_languages):
        own, usual = seen[:, language], ordinary[:, language]
        if not (own & usual).any():
            continue
        tables = [
            table
            for m in range(n_models)
            for table in _null_distributions(fit, mean[m, :, language], (m, language), usual)
        ]
        if sum(rows.shape[1] - 1 for _, rows in tables) > _MOST_EXACT:
            z = normal_approximation(right[:, language], tables)
        else:
            z = normal_scores(right[:, language], sum_distribution(tables, n_items))
        low, high = np.quantile(z[own & usual], [0.25, 0.75])
        scores[own, language] = z[own] / max(1.0, (high - low) / _QUARTILES)
    return scores


def _robust_scores(fit: BenchmarkFit, mean: Floats, fdr: float) -> Floats:
    """Normal scores (N, L), with dispersion and spread of the items that are not far off."""
    ordinary = np.ones(mean.shape[1:], dtype=bool)
    scores = _normal_scores(fit, mean, ordinary)
    for _ in range(_PASSES - 1):
        far = false_discovery_adjusted(two_sided_p(scores, np.inf)) <= fdr
        if np.array_equal(ordinary, ~far):
            break
        ordinary = ~far
        scores = _normal_scores(fit, mean, ordinary)
    return scores


def _benchmark_rows(
    fit: BenchmarkFit, shrunken: Floats, expected: Floats, scores: Floats
) -> pd.DataFrame:
    """Rows of one benchmark from shrunken source (M, N) and expected target accuracies (M, N, L).

    `scores` (N, L) are the items' normal scores.
    """
    counts = fit.counts
    asked = ~np.isnan(expected)
    trials = np.where(asked, counts.target_trials, 0.0).sum(axis=0)
    right = np.where(asked, counts.target_correct, 0.0).sum(axis=0)
    expected_right = (counts.target_trials * np.nan_to_num(expected)).sum(axis=0)
    source = counts.source_accuracy()
    n_source = (~np.isnan(source)).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        target, mean = right / trials, expected_right / trials
        residual = target - mean
        n_others = (trials > 0).sum(axis=1)[:, None] - 1
        elsewhere = (np.nansum(residual, axis=1)[:, None] - residual) / n_others
        mean_source, mean_shrunken = (
            np.nansum(part, axis=0) / n_source for part in (source, shrunken)
        )
    elsewhere[~np.isfinite(elsewhere)] = np.nan
    item, language = cell = np.nonzero(trials > 0)
    return ResultFrame(
        {
            "model": counts.models[0] if len(counts.models) == 1 else ALL_MODELS,
            "benchmark": counts.benchmark,
            "item": counts.items[item],
            "language": np.array(counts.languages)[language],
            "n_models": asked.sum(axis=0)[cell],
            "source": mean_source[item],
            "source_shrunken": mean_shrunken[item],
            "target": target[cell],
            "expected": mean[cell],
            "residual": residual[cell],
            "elsewhere": elsewhere[cell],
            "z": scores[cell],
        }
    )


def item_report(profile: TransferProfile, *, fdr: float = 0.05) -> pd.DataFrame:
    """How each item does in each language beside what the profile expects of it.

    Models are pooled, which has the power to find a broken translation.

    Parameters
    ----------
    profile : TransferProfile
        By method ``latent`` or ``joint``.
    fdr : float
        False discovery rate of `verdict`, inside (0, 1).

    Returns
    -------
    DataFrame
        One row per item and language: `model` (``all models``, or the name of the only one),
        `benchmark`, `item`, `language`, `n_models`; `source`, the share of right source answers;
        `source_shrunken`, the posterior mean of its chance; `target` and `expected` accuracy in the
        language and their difference `residual`; `elsewhere`, the item's mean residual in the other
        languages (NaN if there are none); `z`, the standardised residual; `p_value`, `q_value`
        (adjusted for all rows); `verdict`, ``worse``, ``better`` or empty. The smallest q values
        come first.

    Raises
    ------
    NotIdentifiedError
        If the profile was not fitted to items.
    DataError
        For a profile by method ``observed``, or an `fdr` outside (0, 1).

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study((0.0, 1.0), shape=hs.Shape(n_items=200, n_languages=1), rng=1)
    >>> report = hs.item_report(hs.fit_profile(study))
    >>> int((report["verdict"] != "").sum())  # no simulated translation is broken
    0
    """
    profile = as_profile(profile, "item_report")
    items = require_items(profile, "the report on items")
    if items.method == "observed":
        raise DataError(
            "an observed profile takes k/n for the chance itself and has nothing to shrink",
            column="method",
            value=items.method,
            hint="fit the profile with method 'latent' or 'joint'.",
        )
    in_range("fdr", fdr, "(0, 1)", "5 % is 0.05.")
    blocks = []
    for fit in items.fits:
        shrunken, target = expected_accuracies(fit)
        expected = _pooled_target(fit, shrunken, target)
        scores = _robust_scores(fit, expected, fdr)
        blocks.append(_benchmark_rows(fit, shrunken, expected, scores))
    table = pd.concat(blocks, ignore_index=True)
    z = table["z"].to_numpy(dtype=float)
    p = two_sided_p(z, np.inf)
    q = false_discovery_adjusted(p)
    verdict = np.where(q <= fdr, np.where(z < 0, "worse", "better"), "")
    table = table.assign(p_value=p, q_value=q, verdict=verdict)
    return table.iloc[np.lexsort((-np.abs(z), q))].reset_index(drop=True)
