"""The beta-binomial distribution: counts of trials that are correlated."""

from __future__ import annotations

import numpy as np
from scipy import special, stats

from hatstats.inference.arrays import Floats

# Below this correlation the exact formula loses its digits, and the binomial one with a first-order
# term has them all.
_NEARLY_NONE = 1e-5


def beta_binomial(
    correct: Floats, trials: Floats, share: Floats, correlation: Floats
) -> tuple[Floats, Floats]:
    """Probability of k of n right answers, and the derivative of its logarithm by the correlation.

    Of counts (J,) with correlation (J,) in [0, 1) of two trials of one item, at probabilities
    `share` (Q,) from 0 to 1; both (J, Q). ``k ~ BetaBin(n, x / w, (1 - x) / w)`` with ``w = r /
    (1 - r)``, so that ``Var(k) = n x (1 - x) (1 + (n - 1) r)``; binomial at r = 0. At x = 0 and
    x = 1 all answers are wrong or right whatever the correlation.
    """
    k, n = correct[:, None], trials[:, None]
    pmf = np.asarray(stats.binom.pmf(k, n, share), dtype=float)
    slope = np.zeros(pmf.shape)
    inner = (share > 0.0) & (share < 1.0)
    x = share[inner]
    none = correlation < _NEARLY_NONE
    right, wrong = k[none], (n - k)[none]
    first = 0.5 * (right * (right - 1.0) / x + wrong * (wrong - 1.0) / (1.0 - x))
    first -= 0.5 * n[none] * (n[none] - 1.0)
    slope[np.ix_(none, inner)] = first
    pmf[np.ix_(none, inner)] *= np.exp(correlation[none, None] * first)
    some = ~none
    if some.any():
        k, n, r = k[some], n[some], correlation[some, None]
        total = (1.0 - r) / r
        a, b = x * total, (1.0 - x) * total
        choose = special.gammaln(n + 1.0) - special.gammaln(k + 1.0) - special.gammaln(n - k + 1.0)
        log_pmf = choose + special.betaln(k + a, n - k + b) - special.betaln(a, b)
        pmf[np.ix_(some, inner)] = np.exp(log_pmf)
        up, down, all_ = (
            special.digamma(count + size) - special.digamma(size)
            for count, size in ((k, a), (n - k, b), (n, total))
        )
        slope[np.ix_(some, inner)] = (all_ - x * up - (1.0 - x) * down) / r**2
    return pmf, slope
