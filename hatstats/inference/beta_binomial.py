"""The beta-binomial distribution: counts of trials that are correlated."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from hatstats.inference.arrays import Floats

# Stands for a chance of 0, whose logarithm is not finite.
_TINY = 1e-150
# Stands for a correlation of 1, which no beta distribution has.
_HIGHEST = 1.0 - 1e-6


class BetaBinomialTerms(NamedTuple):
    """Logarithms of probabilities of K counts at chances (..., M), each (..., K, M).

    Beside them derivatives by the chance of a right answer, the first as such and the second, and
    by ``omega``; empty where not asked for.
    """

    log_pmf: Floats
    by_share: Floats
    curvature: Floats
    by_omega: Floats


def log_choose(correct: Floats, trials: Floats) -> Floats:
    """Logarithm of the binomial coefficients of counts."""
    n, k = trials + 1.0, correct + 1.0
    choose = special.gammaln(n) - special.gammaln(k) - special.gammaln(n - correct)
    return np.asarray(choose, dtype=float)


def beta_binomial_terms(
    correct: Floats, trials: Floats, share: Floats, rest: Floats, omega: float, *, order: int = 1
) -> BetaBinomialTerms:
    """``k ~ BetaBin(n, p / omega, (1 - p) / omega)`` for counts (K,), p the `share` (..., M).

    Written as ``C(n, k) prod_{r<k} (p + r omega) prod_{r<n-k} (1 - p + r omega) / prod_{r<n} (1 +
    r omega)``, which holds at omega = 0, where it is binomial (Griffiths 1973, Biometrics
    29:637-648). ``omega / (1 + omega)`` is the correlation of two trials of one item. The `rest`
    1 - p is given with its own digits. Derivatives are computed with `order` 1 only.
    """
    k, n = correct.astype(np.intp), trials.astype(np.intp)
    steps = np.arange(n.max(initial=1), dtype=np.float64)
    up = _factor_sums(share, k, steps, omega, order)
    down = _factor_sums(rest, n - k, steps, omega, order)
    total = _factor_sums(np.ones(1), n, steps, omega, order)
    log_pmf = up[0] + down[0] - total[0] + log_choose(correct, trials)[:, None]
    if not order:
        none = np.zeros(0)
        return BetaBinomialTerms(log_pmf, none, none, none)
    by_omega = up[2] + down[2] - total[2]
    return BetaBinomialTerms(log_pmf, up[1] - down[1], -(up[3] + down[3]), by_omega)


def _factor_sums(
    value: Floats, rows: np.ndarray, steps: Floats, omega: float, order: int
) -> list[Floats]:
    """Sums over r < `rows` (K,) of log x, and 1/x, r/x, 1/x^2 by order 1, x = value + r omega."""
    x = np.maximum(value[..., None, :] + omega * steps[:, None], _TINY)
    functions = [np.log(x)]
    if order:
        inverse = 1.0 / x
        functions += [inverse, steps[:, None] * inverse, inverse**2]
    # A product of matrices takes a fifth of the time of running sums that are then picked.
    summed = (rows[:, None] > steps).astype(float)
    return [summed @ terms for terms in functions]


def beta_binomial(
    correct: Floats, trials: Floats, share: Floats, correlation: Floats, *, slope: bool = True
) -> tuple[Floats, Floats]:
    """Probability of k of n right answers, and the derivative of its logarithm by the correlation.

    Of counts (J,) with correlation (J,) in [0, 1) of two trials of one item, at probabilities
    `share` (Q,) from 0 to 1; both (J, Q), the derivative 0 unless it is wanted. ``Var(k) = n x (1 -
    x) (1 + (n - 1) r)``; binomial at r = 0. At x = 0 and x = 1 all answers are wrong or right
    whatever the correlation.
    """
    inner = (share > 0.0) & (share < 1.0)
    pmf, slopes = np.zeros((2, correct.size, share.size))
    pmf[:, share <= 0.0] = (correct == 0)[:, None]
    pmf[:, share >= 1.0] = (correct == trials)[:, None]
    x = share[inner]
    for r in np.unique(correlation):
        rows = np.flatnonzero(correlation == r)
        omega = float(r / (1.0 - r))
        terms = beta_binomial_terms(
            correct[rows], trials[rows], x, 1.0 - x, omega, order=int(slope)
        )
        pmf[np.ix_(rows, inner)] = np.exp(terms.log_pmf)
        if slope:
            slopes[np.ix_(rows, inner)] = terms.by_omega / (1.0 - r) ** 2
    return pmf, slopes


def wording_sums(
    correct: Floats,
    trials: Floats,
    share: Floats,
    same: Floats,
    correlation: float,
    *,
    slope: bool = True,
) -> tuple[Floats, Floats]:
    """Probability of k of n right answers to several wordings of an item, and its slope.

    Counts (J,) are sums over independent wordings, each beta-binomial with the `correlation` of two
    of its trials; `same` (J,) is the share of pairs of trials that are of one wording. For wordings
    of equal numbers of trials, which then are ``1 + (n - 1) same``, the sum is exact; for others it
    is replaced by the beta-binomial of the same mean and variance. Returns probabilities (J, Q) at
    the chances `share` (Q,), and derivatives (J, Q) of their logarithms by the correlation.
    """
    correlation = min(correlation, _HIGHEST)
    pmf, slopes = np.zeros((2, correct.size, share.size))
    repeats = np.rint(1.0 + same * (trials - 1.0))
    even = np.isclose(repeats, 1.0 + same * (trials - 1.0)) & (trials % repeats == 0)
    alone = ~even | (repeats == 1.0) | (repeats == trials)
    given = correct[alone], trials[alone], share, same[alone] * correlation
    pmf[alone], slopes[alone] = beta_binomial(*given, slope=slope)
    slopes[alone] *= same[alone, None]
    for n, r in np.unique(np.column_stack([trials, repeats])[~alone], axis=0):
        rows = np.flatnonzero(~alone & (trials == n) & (repeats == r))
        counts = np.arange(r + 1.0)
        one, by_one = beta_binomial(
            counts, np.full(counts.size, r), share, np.full(counts.size, correlation), slope=slope
        )
        but_one = one
        for _ in range(int(n / r) - 2):
            but_one = _convolved(but_one, one)
        k = correct[rows].astype(np.intp)
        pmf[rows] = _convolved(but_one, one)[k]
        if slope:
            change = (n / r) * _convolved(but_one, one * by_one)[k]
            slopes[rows] = np.divide(change, pmf[rows], out=change * 0.0, where=pmf[rows] > 0)
    return pmf, slopes


def _convolved(a: Floats, b: Floats) -> Floats:
    """Distribution of the sum of two independent counts, (A + B - 1, Q) from (A, Q) and (B, Q)."""
    total = np.zeros((a.shape[0] + b.shape[0] - 1, a.shape[1]))
    for count, row in enumerate(b):
        total[count : count + a.shape[0]] += row * a
    return total
