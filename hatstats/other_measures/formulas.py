"""The measures that HAT competes with, as functions of sums over items or of mean accuracies.

All take arrays with draws first, (B, M, ...), and return (B, M).
S and T are mean source and target accuracy over items.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from hatstats.inference.arrays import Floats
from hatstats.other_measures.item_sums import Totals
from hatstats.scores.counts import ratio

#: Measures in the order of tables: what each is, and whether higher values mean more transfer.
MEANING: dict[str, tuple[str, bool]] = {
    "gap": ("acc(source) - acc(target)", False),
    "ratio": ("acc(target) / acc(source)", True),
    "excess": ("acc(target) less a logit line's prediction from acc(source)", True),
    "overall": ("mean of right in source and in target (ECLeKTic overall)", True),
    "conditional": ("right in both / right in source (ECLeKTic transfer)", True),
    "conditional_with_source": ("the same with the source row kept among the targets", True),
    "gamma": ("logit acc(target) / logit acc(source)", True),
    "agreement": ("kappa of right and wrong between source and target", True),
    "parity_gap": ("best less worst language", False),
    "odds_ratio": ("log odds of right in target against source, Mantel-Haenszel", True),
    "mother_tongue": ("local questions: local language less English", True),
    "locality": ("in one language: local less translated questions", True),
}


def gamma(source: Floats, target: Floats) -> Floats:
    """One-parameter profile ``logit T = gamma logit S``; NaN where a logit is infinite or 0."""
    inside = (source > 0) & (source < 1) & (target > 0) & (target < 1) & (source != 0.5)
    S, T = np.where(inside, source, 0.4), np.where(inside, target, 0.4)
    return np.where(inside, special.logit(T) / special.logit(S), np.nan)


def parity_gap(source: Floats, target: Floats) -> Floats:
    """Best less worst accuracy over the source (B, M) and target languages (B, M, L)."""
    languages = np.concatenate([target, source[:, :, None]], axis=2)
    return np.asarray(np.ptp(languages, axis=2), dtype=float)


def moment_excess(source: Floats, target: Floats, noise: Floats) -> Floats:
    """Target accuracy over a logit line fitted over models, with the noise in x taken out.

    Slope ``cov(x, y) / (var(x) - mean noise)``, x and y logits of source and target accuracy (B,
    M), `noise` (M,) the sampling variances of x. NaN with fewer than three models, or where noise
    explains all variance of x.
    """
    if source.shape[1] < 3:
        return np.full(source.shape, np.nan)
    edge = 1e-3
    x = special.logit(np.clip(source, edge, 1.0 - edge))
    y = special.logit(np.clip(target, edge, 1.0 - edge))
    dx, dy = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    variance = (dx**2).mean(axis=1) - noise.mean()
    slope = ratio((dx * dy).mean(axis=1), variance)
    line = y.mean(axis=1, keepdims=True) + slope[:, None] * dx
    return np.asarray(target - special.expit(line), dtype=float)


def item_level_measures(totals: Totals, has_local: bool, noise: Floats) -> dict[str, Floats]:
    """All measures of one benchmark from sums over items, each (B, M)."""
    S, T = ratio(totals.s, totals.n), ratio(totals.t, totals.n)
    both = ratio(totals.both, totals.n)
    s, t = S.mean(axis=2), T.mean(axis=2)
    languages = T.shape[2]
    conditional = ratio(totals.both.sum(axis=2), totals.s.sum(axis=2))
    observed = 1.0 - S - T + 2.0 * both
    chance = S * T + (1.0 - S) * (1.0 - T)
    found = {
        "gap": s - t,
        "ratio": ratio(t, s),
        "excess": moment_excess(s, t, noise),
        "overall": both.mean(axis=2),
        "conditional": conditional,
        "conditional_with_source": (1.0 + languages * conditional) / (languages + 1.0),
        "gamma": gamma(s, t),
        "agreement": ratio(observed - chance, 1.0 - chance).mean(axis=2),
        "parity_gap": parity_gap(s, T),
        "odds_ratio": mantel_haenszel(totals.strata),
    }
    if has_local:
        found |= local_effects(totals.local)
    return found


def mantel_haenszel(strata: Floats) -> Floats:
    """Log odds ratio of right answers in the targets against the source over strata of items.

    ``log(sum_k a_k d_k / n_k) - log(sum_k b_k c_k / n_k)``, a and b right and wrong in the targets,
    c and d in the source (Mantel and Haenszel 1959), for strata (B, M, K, 3): items, right in the
    source, right in the targets. Negative where targets are answered worse; NaN without another
    model to form strata from.
    """
    n, source, target = strata[..., 0], strata[..., 1], strata[..., 2]
    size = np.where(n > 0, n, 1.0)
    above = (target * (n - source) / size).sum(axis=2)
    below = ((n - target) * source / size).sum(axis=2)
    defined = (above > 0) & (below > 0)
    above, below = (np.where(defined, total, np.nan) for total in (above, below))
    return np.asarray(np.log(above) - np.log(below), dtype=float)


def local_effects(local: Floats) -> dict[str, Floats]:
    """Mother-tongue and locality effects, means over languages but English (MultiLoKo)."""
    own, english, translated = (ratio(local[..., k + 1], local[..., k]) for k in (0, 2, 4))
    with_items = ~np.isnan(own[0]).all(axis=0)
    return {
        "mother_tongue": (own - english)[:, :, with_items].mean(axis=2),
        "locality": (own - translated)[:, :, with_items].mean(axis=2),
    }
