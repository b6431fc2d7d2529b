"""Items that transfer far worse or better than the profile says: the list an author wants to read.

Given an item's source count, the fitted distribution of source accuracy says what the item's
chance of a right answer is (its posterior mean), and the profile what its target accuracy should
be. An item far below that in one language, and not in the others, is often a broken translation.

The null distribution of an item's right answers in a language, summed over models, is a
convolution of beta-binomial counts, whose mean is the profile's and whose dispersion is estimated
for each model and language. Models share what is hard about an item, which makes sums spread more
than that: normal scores are divided by their spread over the items of the language (an empirical
null; Efron 2004, JASA 99:96-104). So "far" means far among the items of the language. False
discoveries are controlled over all items and languages of the report (Benjamini & Hochberg 1995).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests

from hatstats.errors import DataError
from hatstats.inference.resampling.beta_binomial import (
    Table,
    beta_binomial,
    dispersion,
    normal_approximation,
    normal_scores,
    sum_distribution,
)
from hatstats.scores.benchmark_fit import BenchmarkFit
from hatstats.scores.item_profile import require_items
from hatstats.scores.transfer_profile import TransferProfile, as_profile

Floats = NDArray[np.float64]
By = Literal["pooled", "model"]
Languages = Literal["each", "together"]

#: What stands in the column `model` where models are taken together.
ALL_MODELS = "all models"
#: What stands in the column `language` where languages are taken together.
ALL_LANGUAGES = "all languages"
# Sums of more right answers than this are taken as normal: their exact distribution costs time and
# hardly differs.
_MOST_EXACT = 400
# Quartiles of the standard normal distribution are this far apart.
_QUARTILES = 1.3489795
# Items found in one pass are left out of dispersion and spread in the next.
_PASSES = 3


@dataclass(frozen=True, slots=True, eq=False)
class _Expected:
    """What the profile expects of the items of one benchmark.

    Attributes
    ----------
    source : ndarray, shape (M, N)
        Posterior mean of the chance of a right source answer; NaN if never asked.
    target : ndarray, shape (M, N, L)
        Expected target accuracy given the source count; NaN where nothing was asked.
    """

    source: Floats
    target: Floats


def _expected(fit: BenchmarkFit) -> _Expected:
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
        likelihood = stats.binom.pmf(pairs[:, :1], pairs[:, 1:], fit.support)
        posterior = np.asarray(likelihood, dtype=float) * model.distribution
        posterior /= posterior.sum(axis=1, keepdims=True)
        place = index.reshape(-1)
        source[m, asked] = (posterior @ fit.support)[place]
        target[m, asked] = np.clip(posterior @ model.profile.T, 0.0, 1.0)[place]
    target[counts.target_trials == 0] = np.nan
    return _Expected(source, target)


def _together(fit: BenchmarkFit, expected: _Expected) -> _Expected:
    """Expected target accuracy of items when all models' source counts are known.

    An item that every model gets right is easier than any one model's count says, and residuals of
    all models would point the same way. They are moved along their least-squares line, through the
    origin, on raw less shrunken source accuracy, language by language.
    """
    if len(fit.models) < 2:
        return expected
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # means of items that were never asked
        easier = np.nanmean(fit.counts.source_accuracy() - expected.source, axis=0)
        residual = np.nanmean(fit.counts.target_accuracy() - expected.target, axis=0)
    easier = np.nan_to_num(easier)
    known = ~np.isnan(residual)
    top = (easier[:, None] * np.nan_to_num(residual)).sum(axis=0)
    bottom = (easier[:, None] ** 2 * known).sum(axis=0)
    slope = np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)
    moved = expected.target + np.outer(easier, slope)
    return _Expected(expected.source, np.clip(moved, 0.0, 1.0))


def _tables(
    fit: BenchmarkFit, mean: Floats, cell: tuple[int, int], usual: NDArray[np.bool_]
) -> list[Table]:
    """Null distributions of the counts of one model in one language, by number of trials."""
    m, place = cell
    f, n = mean[m, :, place], fit.counts.target_trials[m, :, place].astype(int)
    there = ~np.isnan(f)
    learn = there & usual
    right = fit.counts.target_correct[m, :, place]
    rho = dispersion(right[learn], n[learn].astype(float), f[learn])
    tables = []
    for size in np.unique(n[there]).tolist():
        same = there & (n == size)
        means, row = np.unique(f[same], return_inverse=True)
        index = np.full(f.size, -1, dtype=np.intp)
        index[same] = row.reshape(-1)
        tables.append((index, beta_binomial(size, means, rho)))
    return tables


def _scores(
    fit: BenchmarkFit,
    mean: Floats,
    models: list[int],
    groups: list[list[int]],
    usual: NDArray[np.bool_],
) -> Floats:
    """Normal scores (N, K) of right answers summed over models and K groups of languages.

    Divided by their spread over items, if that is above 1. `usual` (N, K) marks the items that
    dispersion and spread are learnt from.
    """
    counts, n_items = fit.counts, fit.counts.items.size
    scores = np.full(usual.shape, np.nan)
    for column, places in enumerate(groups):
        part = np.ix_(models, np.arange(n_items), places)
        there = ~np.isnan(mean[part])
        right = np.where(there, counts.target_correct[part], 0.0).sum(axis=(0, 2))
        seen = there.any(axis=(0, 2))
        if not (seen & usual[:, column]).any():
            continue
        tables = [
            table
            for m in models
            for place in places
            for table in _tables(fit, mean, (m, place), usual[:, column])
        ]
        observed = right.round().astype(np.intp)
        if sum(rows.shape[1] - 1 for _, rows in tables) > _MOST_EXACT:
            z = normal_approximation(observed, tables)
        else:
            z = normal_scores(observed, sum_distribution(tables, n_items))
        low, high = np.quantile(z[seen & usual[:, column]], [0.25, 0.75])
        scores[seen, column] = z[seen] / max(1.0, (high - low) / _QUARTILES)
    return scores


def _grouped(values: Floats, groups: list[list[int]]) -> Floats:
    """Sums over groups of languages, (N, L) to (N, K)."""
    return np.stack([values[:, places].sum(axis=1) for places in groups], axis=1)


def _block(
    fit: BenchmarkFit,
    expected: _Expected,
    models: list[int],
    groups: list[list[int]],
    scores: Floats,
) -> pd.DataFrame:
    """Rows of one benchmark for the models given, taken together."""
    counts = fit.counts
    there = ~np.isnan(expected.target[models])
    trials = np.where(there, counts.target_trials[models], 0.0)
    right = np.where(there, counts.target_correct[models], 0.0)
    hoped = trials * np.nan_to_num(expected.target[models])
    asked, right, hoped = (_grouped(part.sum(axis=0), groups) for part in (trials, right, hoped))
    source = counts.source_accuracy()[models]
    known = (~np.isnan(source)).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        target, mean = right / asked, hoped / asked
        residual = target - mean
        others = (asked > 0).sum(axis=1)[:, None] - 1
        elsewhere = (np.nansum(residual, axis=1)[:, None] - residual) / others
        raw = np.nansum(source, axis=0) / known
        shrunken = np.nansum(expected.source[models], axis=0) / known
    elsewhere[~np.isfinite(elsewhere)] = np.nan
    names = np.array(counts.languages if len(groups) == len(counts.languages) else (ALL_LANGUAGES,))
    n_models = np.stack([there[:, :, places].any(axis=2).sum(axis=0) for places in groups], axis=1)
    item, place = np.nonzero(asked > 0)
    return pd.DataFrame(
        {
            "model": counts.models[models[0]] if len(models) == 1 else ALL_MODELS,
            "benchmark": counts.benchmark,
            "item": counts.items[item],
            "language": names[place],
            "n_models": n_models[item, place],
            "source": raw[item],
            "source_shrunken": shrunken[item],
            "target": target[item, place],
            "expected": mean[item, place],
            "residual": residual[item, place],
            "elsewhere": elsewhere[item, place],
            "z": scores[item, place],
        }
    )


def _adjusted(z: Floats) -> Floats:
    adjusted = multipletests(2.0 * stats.norm.sf(np.abs(z)), method="fdr_bh")[1]
    return np.asarray(adjusted, dtype=float)


def _reported(
    fit: BenchmarkFit, mean: Floats, models: list[int], groups: list[list[int]], fdr: float
) -> Floats:
    """Scores of one benchmark, learnt from the items that are not themselves far off."""
    usual = np.ones((fit.counts.items.size, len(groups)), dtype=bool)
    scores = _scores(fit, mean, models, groups, usual)
    for _ in range(_PASSES - 1):
        known = ~np.isnan(scores)
        far = np.zeros_like(usual)
        far[known] = _adjusted(scores[known]) <= fdr
        if np.array_equal(usual, ~far):
            break
        usual = ~far
        scores = _scores(fit, mean, models, groups, usual)
    return scores


def item_report(
    profile: TransferProfile,
    *,
    by: By = "pooled",
    languages: Languages = "each",
    fdr: float = 0.05,
) -> pd.DataFrame:
    """How each item does in each language beside what the profile expects of it.

    Parameters
    ----------
    profile : TransferProfile
        By method ``latent`` or ``joint``.
    by : {"pooled", "model"}
        Models taken together, which has the power to find a broken translation, or one by one.
    languages : {"each", "together"}
        Each language by itself, which finds broken translations, or an item's languages taken
        together, which finds items whose source answers do not carry over anywhere.
    fdr : float
        Rate of false discoveries at which `verdict` speaks, inside (0, 1).

    Returns
    -------
    DataFrame
        One row per item and language (and model): `model` (``all models`` if pooled),
        `benchmark`, `item`, `language` (``all languages`` if together), `n_models`; `source`, the
        share of right source answers; `source_shrunken`, the posterior mean of its chance;
        `target` and `expected` accuracy in the language and their difference `residual`;
        `elsewhere`, the item's mean residual in the other languages (NaN if there are none); `z`,
        the standardised residual; `p_value`, `q_value` (adjusted for all rows); `verdict`,
        ``worse``, ``better`` or empty. The smallest q values come first.

    Raises
    ------
    NotIdentifiedError
        If the profile was not learnt from items.
    DataError
        For a profile by method ``observed``, an unknown `by` or `languages`, or an `fdr` outside
        (0, 1).
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
    for column, value, known in (
        ("by", by, get_args(By)),
        ("languages", languages, get_args(Languages)),
    ):
        if value not in known:
            raise DataError(
                "unknown choice", column=column, value=value, hint=f"use {' or '.join(known)}."
            )
    if not 0.0 < fdr < 1.0:
        raise DataError(
            "a rate of false discoveries lies between 0 and 1",
            column="fdr",
            value=fdr,
            hint="5 % is 0.05.",
        )
    blocks = []
    for fit in items.fits:
        expected = _expected(fit)
        if by == "pooled":
            expected = _together(fit, expected)
        everyone = list(range(len(fit.models)))
        places = list(range(len(fit.counts.languages)))
        groups = [[place] for place in places] if languages == "each" else [places]
        for models in [everyone] if by == "pooled" else [[m] for m in everyone]:
            scores = _reported(fit, expected.target, models, groups, fdr)
            blocks.append(_block(fit, expected, models, groups, scores))
    table = pd.concat(blocks, ignore_index=True)
    z = table["z"].to_numpy(dtype=float)
    q = _adjusted(z)
    verdict = np.where(q <= fdr, np.where(z < 0, "worse", "better"), "")
    table = table.assign(p_value=2.0 * stats.norm.sf(np.abs(z)), q_value=q, verdict=verdict)
    order = np.lexsort((-np.abs(z), q))
    return table.iloc[order].reset_index(drop=True)
