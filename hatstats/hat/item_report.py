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

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests

from hatstats.errors import DataError
from hatstats.hat.averaging import item_profile
from hatstats.hat.items import BenchmarkFit
from hatstats.hat.profile import TransferProfile

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
# Dispersion above this would be a two-point distribution, whose beta parameters vanish.
_MOST_DISPERSED = 0.98
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


def dispersion(right: Floats, trials: Floats, mean: Floats) -> float:
    """Correlation of promptings within items that a beta-binomial needs, by moments.

    ``Var(k/n) = f (1 - f) (1/n + (1 - 1/n) rho)`` given the mean f of each item.

    Parameters
    ----------
    right, trials, mean : ndarray, shape (n,)

    Returns
    -------
    float
        Between 0 and nearly 1; 0 where no item has two promptings.
    """
    even = mean * (1.0 - mean)
    excess = (right / trials - mean) ** 2 - even / trials
    room = (even * (1.0 - 1.0 / trials)).sum()
    return float(np.clip(excess.sum() / room, 0.0, _MOST_DISPERSED)) if room > 0 else 0.0


def count_table_of(trials: int, means: Floats, rho: float) -> Floats:
    """Beta-binomial probabilities of 0 ... `trials`, one row for each mean."""
    # A mean of exactly 0 or 1 would leave no room for what was seen.
    inner = np.clip(means, 1e-4, 1.0 - 1e-4)[:, None]
    levels = np.arange(trials + 1)
    if rho < 1e-6:
        return np.asarray(stats.binom.pmf(levels, trials, inner), dtype=float)
    size = (1.0 - rho) / rho
    table = stats.betabinom.pmf(levels, trials, inner * size, (1.0 - inner) * size)
    return np.asarray(table, dtype=float)


def _sum_distribution(tables: list[tuple[NDArray[np.intp], Floats]], n_items: int) -> Floats:
    """Distribution of sums of independent counts: P(S = s) of each item, shape (N, total + 1).

    `tables` holds, for each count, the row of each item (-1: not asked), and probabilities by row.
    """
    total = sum(rows.shape[1] - 1 for _, rows in tables)
    current = np.zeros((n_items, total + 1))
    current[:, 0] = 1.0
    top = 0
    for index, rows in tables:
        own = np.where((index >= 0)[:, None], rows[index], 0.0)
        own[index < 0, 0] = 1.0
        following = np.zeros_like(current)
        for right in range(rows.shape[1]):
            following[:, right : right + top + 1] += own[:, right, None] * current[:, : top + 1]
        current, top = following, top + rows.shape[1] - 1
    return current


def _normal_approximation(
    observed: NDArray[np.intp], tables: list[tuple[NDArray[np.intp], Floats]]
) -> Floats:
    """Observed sums less their mean, in standard deviations."""
    mean, variance = np.zeros(observed.size), np.zeros(observed.size)
    for index, rows in tables:
        levels = np.arange(rows.shape[1])
        first, second = rows @ levels, rows @ levels**2
        mean += np.where(index >= 0, first[index], 0.0)
        variance += np.where(index >= 0, (second - first**2)[index], 0.0)
    ratio: Floats = np.divide(
        observed - mean, np.sqrt(variance), out=np.zeros_like(mean), where=variance > 0
    )
    return ratio


def normal_scores(observed: NDArray[np.intp], distribution: Floats) -> Floats:
    """Normal score of each observed sum by its mid-p value; accurate far into both tails."""
    rows = np.arange(observed.size)
    here = 0.5 * distribution[rows, observed]
    ladder = np.cumsum(distribution, axis=1)
    upper_ladder = np.cumsum(distribution[:, ::-1], axis=1)[:, ::-1]
    low = ladder[rows, observed] - here
    # ladder - here cancels for the largest sums, where the upper tail is the accurate one.
    high = upper_ladder[rows, observed] - here
    tiny = np.finfo(float).tiny
    below = stats.norm.ppf(np.maximum(low, tiny))
    above = stats.norm.isf(np.maximum(high, tiny))
    return np.asarray(np.where(low < high, below, above), dtype=float)


def _tables(
    fit: BenchmarkFit, mean: Floats, cell: tuple[int, int], usual: NDArray[np.bool_]
) -> list[tuple[NDArray[np.intp], Floats]]:
    """Null distributions of the counts of one model in one language, by number of promptings."""
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
        tables.append((index, count_table_of(size, means, rho)))
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
            z = _normal_approximation(observed, tables)
        else:
            z = normal_scores(observed, _sum_distribution(tables, n_items))
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
    items = item_profile(profile, "the report on items")
    if items.method == "observed":
        raise DataError(
            "an observed profile takes k/n for the chance itself and has nothing to shrink",
            column="method",
            value=items.method,
            mend="fit the profile with method 'latent' or 'joint'.",
        )
    for column, value, known in (
        ("by", by, get_args(By)),
        ("languages", languages, get_args(Languages)),
    ):
        if value not in known:
            raise DataError(
                "unknown choice", column=column, value=value, mend=f"use {' or '.join(known)}."
            )
    if not 0.0 < fdr < 1.0:
        raise DataError(
            "a rate of false discoveries lies between 0 and 1",
            column="fdr",
            value=fdr,
            mend="5 % is 0.05.",
        )
    blocks = []
    for fit in items.fits:
        expected = _expected(fit)
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
