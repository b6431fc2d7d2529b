"""How many independent answers the trials of an item are worth.

Trials of one wording share the luck of that wording. With W wordings of R trials each, whose
answers to an item are right with probability x on average over wordings, two trials of one wording
have the correlation rho, and ``Var(k / n | x) = x (1 - x) / n * (1 + (R - 1) rho)``. As many
independent trials would have that variance as ``n / (1 + (R - 1) rho)``: the effective trials.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from hatstats.inference.arrays import Floats

#: Over what a score generalises beside items: nothing, or wordings like those that were asked.
Scope = Literal["these wordings", "wordings like these"]
THESE: Scope = "these wordings"
LIKE_THESE: Scope = "wordings like these"
SCOPES = (THESE, LIKE_THESE)


#: Fewer effective trials per item than this are one: they cannot tell hard items from bad luck.
LEAST_TRIALS = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class SameWording:
    """Pairs of trials of one wording, by model, item (and language): both right, and all."""

    right: Floats
    number: Floats


@dataclass(frozen=True, slots=True, eq=False)
class WordingCorrelation:
    """Correlation of two trials of one wording, in [0, 1], and the items' influence (N,)."""

    value: float
    influence: Floats


def wording_correlation(
    correct: Floats, trials: Floats, same: SameWording, weights: Floats | None = None
) -> WordingCorrelation | None:
    """Correlation of two trials of one wording, from items (N,) of one model in one language.

    With A the mean product of two answers to one wording of an item, B of two answers to different
    wordings, and m their mean, ``rho = sum (A - B) / sum (m - B)`` over the items that have both
    kinds of pairs: a ratio of unbiased estimates of the variance of a wording's x about the item's,
    and of x (1 - x). Sums use the items' weights (N,), 1 each if not given. None where no item has
    both kinds of pairs, or where no wrong answer could go with a right one.
    """
    other = trials * (trials - 1.0) - same.number
    used = (same.number > 0) & (other > 0)
    if not used.any():
        return None
    k, n = correct[used], trials[used]
    weight = np.ones(k.size) if weights is None else weights[used]
    a = same.right[used] / same.number[used]
    b = (k * (k - 1.0) - same.right[used]) / other[used]
    excess, spread = a - b, k / n - b
    total = float(weight @ spread)
    if total <= 0.0:
        return None
    ratio = float(weight @ excess) / total
    influence = np.zeros(trials.shape)
    influence[used] = (excess - ratio * spread) / total
    return WordingCorrelation(min(max(ratio, 0.0), 1.0), influence)


def share_of_pairs(trials: Floats, same: SameWording) -> Floats:
    """Share of the pairs of trials of an item that are of one wording; 0 of a single trial."""
    pairs = trials * (trials - 1.0)
    return np.divide(same.number, pairs, out=np.zeros(trials.shape), where=pairs > 0)


def effective_trials(trials: Floats, share: Floats, correlation: float | Floats) -> Floats:
    """Independent trials with the variance of these: ``n / (1 + (n - 1) share rho)``."""
    return np.asarray(trials / (1.0 + np.maximum(trials - 1.0, 0.0) * share * correlation))
