"""All differences of K estimates at once: adjusted p values, limits, and confidence sets of ranks.

The largest of many t statistics is drawn from the estimates' own covariance, so that correlated
estimates pay no more than they must. Each difference keeps its own degrees of freedom: what is
drawn are normal scores, the quantiles ``Phi^-1(1 - p / 2)`` of its p value, with sign.

A rank is 1 plus the number of estimands that are larger. If no false hypothesis "j is not above k"
is rejected, as holds with the level's probability, 1 plus the number of those surely above and K
less the number of those surely below enclose every rank (Mogstad, Romano, Shaikh and Wilhelm 2024,
Rev. Econ. Stud. 91:476-518). The hypotheses are tested by step-down (Romano and Wolf 2005,
Econometrica 73:1237-1282): those that are rejected leave the maximum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from hatstats.inference.arrays import Bools, Floats, Ints
from hatstats.inference.intervals import NO_SPREAD, check_level, two_sided_p
from hatstats.inference.progress import shown_if_slow

# Differences whose draws are held at a time, and draws of one estimate's differences.
_BLOCK, _DRAWS = 500, 256


def normal_errors(covariance: Floats, n_draws: int, rng: np.random.Generator) -> Floats:
    """Draws (K, B) from N(0, covariance), which may be singular; unknown covariances count as 0."""
    value, vector = np.linalg.eigh(np.nan_to_num(covariance))
    root = vector * np.sqrt(np.clip(value, 0.0, None))
    return np.asarray(root @ rng.standard_normal((len(covariance), n_draws)), dtype=float)


def joint_inference(
    estimates: Floats,
    covariance: Floats,
    df: Floats,
    errors: Floats,
    conf_level: float,
    rows: Floats | None = None,
) -> tuple[float, Floats]:
    """Level at which each of K intervals makes all hold at once, and adjusted p values (K,).

    Of tests that estimates (K,) are 0, with `df` (K,) and draws `errors` (K, B) of what they miss,
    as in `PairTests`; an estimate without a standard error counts in none. With `rows` (K, U), the
    estimates are sums of U others, whose covariance and errors are given.
    """
    rows = np.eye(len(estimates)) if rows is None else rows
    alpha = 1.0 - check_level(conf_level)
    error = np.sqrt(np.maximum(((rows @ covariance) * rows).sum(axis=1), 0.0))
    tested = error > NO_SPREAD
    number = int(tested.sum())
    p_value = np.full(len(estimates), np.nan)
    if not number:
        return conf_level, p_value
    own = two_sided_p(estimates[tested] / error[tested], df[tested])
    scaled, top = rows[tested] / error[tested, None], np.zeros(errors.shape[1])
    for start in range(0, number, _BLOCK):  # errors of all at once would fill the memory
        np.maximum(top, np.abs(scaled[start : start + _BLOCK] @ errors).max(axis=0), out=top)
    largest = np.sort(top)
    below = np.searchsorted(largest, -special.ndtri(0.5 * own))
    share = (1.0 + largest.size - below) / (1.0 + largest.size)
    p_value[tested] = np.clip(share, own, np.minimum(number * own, 1.0))
    place = int(np.ceil(conf_level * (largest.size + 1))) - 1
    drawn = largest[place] if place < largest.size else np.inf
    least, most = -special.ndtri(alpha / 2.0), -special.ndtri(alpha / 2.0 / number)
    return float(1.0 - 2.0 * special.ndtr(-np.clip(drawn, least, most))), p_value


@dataclass(frozen=True, slots=True, eq=False)
class PairTests:
    """Tests of all differences of K estimates, with draws of the errors that they share.

    `scores` (K, K), antisymmetric: normal scores of row less column, NaN where these cannot be
    compared; `std_errors` (K, K) of the differences; `errors` (K, B), draws of what the estimates
    miss. Differences that cannot be compared are never found to differ from 0.
    """

    scores: Floats
    std_errors: Floats
    errors: Floats

    @classmethod
    def of(cls, estimates: Floats, covariance: Floats, errors: Floats, df: Floats) -> PairTests:
        """Tests of estimates (K,) with their covariance; `df` of the differences, row by row."""
        size = len(estimates)
        first, second = np.triu_indices(size, 1)
        own = np.diag(covariance)
        variance = own[first] + own[second] - 2.0 * covariance[first, second]
        error = np.sqrt(np.maximum(variance, 0.0))
        error = np.where(error > NO_SPREAD, error, np.nan)
        t = (estimates[first] - estimates[second]) / error
        upper = -np.sign(t) * special.ndtri(0.5 * two_sided_p(t, df))
        scores, std_errors = np.full((2, size, size), np.nan)
        scores[first, second], scores[second, first] = upper, -upper
        std_errors[first, second] = std_errors[second, first] = error
        return cls(scores, std_errors, errors)

    @property
    def _open(self) -> Bools:
        """All hypotheses "row is not above column" that can be tested, (K, K)."""
        return ~np.isnan(self.scores)

    def _largest_of(self, row: int, up: Bools, down: Bools) -> Floats:
        """Largest statistic in every draw, (B,), of one estimand against those in `up` or `down`.

        Under the hypotheses that it is not above those in `up` (K,), nor below those in `down`.
        """
        top = np.full(self.errors.shape[1], -np.inf)
        used = np.flatnonzero(up | down)
        if not used.size:
            return top
        scale = np.where(up, 1.0, -1.0)[used] / self.std_errors[row, used]
        both = np.flatnonzero((up & down)[used])
        for start in range(0, top.size, _DRAWS):  # as many as the processor's cache holds
            some = slice(start, start + _DRAWS)
            draws = self.errors[row, some] - self.errors[used, some]
            draws *= scale[:, None]
            top[some] = draws.max(axis=0)
            if both.size:
                lowest = draws if both.size == used.size else draws[both]
                np.maximum(top[some], -lowest.min(axis=0), out=top[some])
        return top

    def _largest(self, hypotheses: Bools) -> Floats:
        """Largest statistic under the hypotheses (K, K) in every draw, in order, (B,)."""
        top = np.full(self.errors.shape[1], -np.inf)
        left = np.ones(len(hypotheses), dtype=bool)
        show = shown_if_slow("all differences")
        for row in range(len(hypotheses)):
            show("largest of all", (row + 1) / len(hypotheses))
            left[row] = False
            up, down = hypotheses[row] & left, hypotheses[:, row] & left
            np.maximum(top, self._largest_of(row, up, down), out=top)
        return np.sort(top)

    def _critical(self, draws: Floats, number: int, two_sided: bool, conf_level: float) -> float:
        """What the largest statistic exceeds with probability 1 - `conf_level` at most, >= 0.

        From its draws in order (B,), of so many hypotheses, some of them in both directions.
        """
        alpha = 1.0 - check_level(conf_level)
        if not number:
            return np.inf
        place = int(np.ceil(conf_level * (draws.size + 1))) - 1
        drawn = draws[place] if place < draws.size else np.inf
        alone = alpha / 2.0 if two_sided else alpha
        least, most = (max(-special.ndtri(p), 0.0) for p in (alone, alpha / number))
        return float(np.clip(drawn, least, most))

    def _critical_of(self, hypotheses: Bools, conf_level: float) -> float:
        """The critical value of hypotheses (K, K)."""
        draws, two_sided = self._largest(hypotheses), bool((hypotheses & hypotheses.T).any())
        return self._critical(draws, int(hypotheses.sum()), two_sided, conf_level)

    def above(self, conf_level: float) -> Bools:
        """Which estimand (row) is surely above which (column), (K, K), by step-down.

        All such statements hold at once.
        """
        still = self._open
        found = np.zeros(still.shape, dtype=bool)
        while True:
            new = still & (self.scores > self._critical_of(still, conf_level))
            if not new.any():
                return found
            found |= new
            still &= ~new

    def _limits_of(self, one: int, conf_level: float) -> tuple[int, int]:
        """Lowest and highest rank of one estimand, by step-down over statements on this one."""
        scores = np.stack([self.scores[one], self.scores[:, one]])
        still = ~np.isnan(scores)
        found = np.zeros(still.shape, dtype=bool)
        while True:
            draws = np.sort(self._largest_of(one, *still))
            two_sided = bool(still.all(axis=0).any())
            critical = self._critical(draws, int(still.sum()), two_sided, conf_level)
            new = still & (scores > critical)
            if not new.any():
                above, below = found[1].sum(), found[0].sum()
                return 1 + int(above), len(self.scores) - int(below)
            found |= new
            still &= ~new

    def adjusted_p(self) -> Floats:
        """Two-sided p values (K, K) adjusted for the number of differences, by one step; or NaN."""
        tested = self._open
        number = int(tested.sum()) // 2
        size = np.abs(self.scores)
        own = 2.0 * special.ndtr(-size)
        share = _shares(self._largest(tested), size)
        return np.where(tested, np.clip(share, own, np.minimum(number * own, 1.0)), np.nan)

    def simultaneous_level(self, conf_level: float) -> float:
        """Level at which each difference's own interval makes all hold at `conf_level`."""
        critical = self._critical_of(self._open, conf_level)
        return conf_level if np.isinf(critical) else float(1.0 - 2.0 * special.ndtr(-critical))

    def best_p(self) -> Floats:
        """P value of "none of the others is above it", (K,): a confidence set for the best one."""
        found = np.ones(len(self.scores))
        none = np.zeros(len(found), dtype=bool)
        for column in range(len(found)):
            rivals = ~np.isnan(self.scores[:, column])
            if rivals.any():
                score = self.scores[rivals, column].max()
                number, own = int(rivals.sum()), float(special.ndtr(-score))
                found[column] = min(number * own, 1.0)
                # Fewer draws than one in all could not say more.
                if found[column] * (self.errors.shape[1] + 1.0) > 1.0:
                    draws = np.sort(self._largest_of(column, none, rivals))
                    found[column] = np.clip(float(_shares(draws, score)), own, found[column])
        return found

    def rank_limits(self, conf_level: float, *, jointly: bool = True) -> Ints:
        """Lowest and highest rank of each, (K, 2), of all at once or each alone."""
        if jointly:
            return ranks_left(self.above(conf_level))
        each, show = [], shown_if_slow("ranks")
        for k in range(len(self.scores)):
            each.append(self._limits_of(k, conf_level))
            show("each alone", (k + 1) / len(self.scores))
        return np.array(each, dtype=np.int64).reshape(-1, 2)


def _shares(draws: Floats, size: ArrayLike) -> Floats:
    """Share of draws in order (B,) that reach each `size`."""
    below = np.searchsorted(draws, size)
    return np.asarray((1.0 + draws.size - below) / (1.0 + draws.size), dtype=float)


def ranks_left(above: Bools) -> Ints:
    """Ranks (K, 2) that are left by who is surely above whom (K, K)."""
    return np.column_stack([1 + above.sum(axis=0), len(above) - above.sum(axis=1)])


def tiers(above: Bools) -> Ints:
    """Length of the longest chain of estimands, each surely above the next, to each, (K,)."""
    tier = np.ones(len(above), dtype=np.int64)
    for _ in range(len(above)):
        tier = np.maximum(tier, 1 + np.where(above, tier[:, None], 0).max(axis=0, initial=0))
    return tier
