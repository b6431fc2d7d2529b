"""How sums of overdispersed counts are distributed: beta-binomial counts, convolved."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
#: The row of each unit (-1: it has no such count), and the probabilities of 0, 1, ... by row.
Table = tuple[NDArray[np.intp], Floats]

# Dispersion above this would be a two-point distribution, whose beta parameters vanish.
_MOST_DISPERSED = 0.98


def dispersion(right: Floats, trials: Floats, mean: Floats) -> float:
    """Correlation of trials within items that a beta-binomial needs, by moments.

    ``Var(k/n) = f (1 - f) (1/n + (1 - 1/n) rho)`` given the mean f of each item.

    Parameters
    ----------
    right, trials, mean : ndarray, shape (n,)

    Returns
    -------
    float
        Between 0 and nearly 1; 0 where no item has two trials.
    """
    even = mean * (1.0 - mean)
    excess = (right / trials - mean) ** 2 - even / trials
    room = (even * (1.0 - 1.0 / trials)).sum()
    return float(np.clip(excess.sum() / room, 0.0, _MOST_DISPERSED)) if room > 0 else 0.0


def beta_binomial(trials: int, means: Floats, rho: float) -> Floats:
    """Beta-binomial probabilities of 0 ... `trials`, one row for each mean."""
    # A mean of exactly 0 or 1 would leave no room for what was seen.
    inner = np.clip(means, 1e-4, 1.0 - 1e-4)[:, None]
    levels = np.arange(trials + 1)
    if rho < 1e-6:
        return np.asarray(stats.binom.pmf(levels, trials, inner), dtype=float)
    size = (1.0 - rho) / rho
    table = stats.betabinom.pmf(levels, trials, inner * size, (1.0 - inner) * size)
    return np.asarray(table, dtype=float)


def sum_distribution(tables: list[Table], n_items: int) -> Floats:
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


def normal_approximation(observed: NDArray[np.intp], tables: list[Table]) -> Floats:
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
