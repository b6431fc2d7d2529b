"""Distribution of sums of overdispersed counts: convolutions of beta-binomials."""

from __future__ import annotations

import numpy as np
from scipy import stats

from hatstats.inference.arrays import Floats, Ints
from hatstats.inference.beta_binomial import beta_binomial

#: Row of the table for each item (-1: no count), and probabilities of 0, 1, ... by row.
Table = tuple[Ints, Floats]

# Dispersion above this would be a two-point distribution, whose beta parameters vanish.
_MOST_DISPERSED = 0.98


def dispersion(correct: Floats, trials: Floats, mean: Floats) -> float:
    """Correlation of trials within items in a beta-binomial, by moments; arrays are (n,).

    ``Var(k/n) = f (1 - f) (1/n + (1 - 1/n) rho)`` given the `mean` f of each item. Between 0 and
    nearly 1; 0 where no item has two trials.
    """
    binomial = mean * (1.0 - mean)
    excess = (correct / trials - mean) ** 2 - binomial / trials
    most = (binomial * (1.0 - 1.0 / trials)).sum()
    return float(np.clip(excess.sum() / most, 0.0, _MOST_DISPERSED)) if most > 0 else 0.0


def count_probabilities(trials: int, means: Floats, rho: float) -> Floats:
    """Beta-binomial probabilities of 0 ... `trials`, one row for each mean."""
    # A mean of exactly 0 or 1 would give observed counts probability 0.
    inner = np.clip(means, 1e-4, 1.0 - 1e-4)
    levels = np.arange(trials + 1.0)
    every, pairs = np.full(levels.size, float(trials)), np.full(levels.size, rho)
    return beta_binomial(levels, every, inner, pairs, slope=False)[0].T


def sum_distribution(tables: list[Table], n_items: int) -> Floats:
    """Distribution of sums of independent counts: P(S = s) of each item, shape (N, total + 1)."""
    total = sum(rows.shape[1] - 1 for _, rows in tables)
    current = np.zeros((n_items, total + 1))
    current[:, 0] = 1.0
    top = 0
    for index, rows in tables:
        own = np.where((index >= 0)[:, None], rows[index], 0.0)
        own[index < 0, 0] = 1.0
        following = np.zeros_like(current)
        for count in range(rows.shape[1]):
            following[:, count : count + top + 1] += own[:, count, None] * current[:, : top + 1]
        current, top = following, top + rows.shape[1] - 1
    return current


def normal_approximation(observed: Ints, tables: list[Table]) -> Floats:
    """Standardised sums (N,): observed less expected, in standard deviations."""
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


def normal_scores(observed: Ints, distribution: Floats) -> Floats:
    """Normal scores (N,) of observed sums by their mid-p values, accurate in both tails."""
    rows = np.arange(observed.size)
    equal = 0.5 * distribution[rows, observed]
    low = np.cumsum(distribution, axis=1)[rows, observed] - equal
    # The lower tail is close to 1 for large sums, where the upper tail is the accurate one.
    high = np.cumsum(distribution[:, ::-1], axis=1)[:, ::-1][rows, observed] - equal
    tiny = np.finfo(float).tiny
    below = stats.norm.ppf(np.maximum(low, tiny))
    above = stats.norm.isf(np.maximum(high, tiny))
    return np.asarray(np.where(low < high, below, above), dtype=float)
