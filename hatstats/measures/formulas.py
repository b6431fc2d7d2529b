r"""The measures that HAT argues with, as functions of sums over items or of mean accuracies.

All take arrays with draws in front, (B, M, ...), and give (B, M). S, T and B are mean source
accuracy, mean target accuracy and the mean of their product over items.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hatstats.measures.item_sums import Totals

Floats = NDArray[np.float64]

#: Measures in the order of tables: what each is, and whether higher values mean more transfer.
MEANING: dict[str, tuple[str, bool]] = {
    "gap": ("acc(source) - acc(target)", False),
    "ratio": ("acc(target) / acc(source)", True),
    "excess": ("acc(target) less a logit line's prediction from acc(source)", True),
    "overall": ("mean of right in source and in target (ECLeKTic overall)", True),
    "conditional": ("right in both / right in source (ECLeKTic transfer)", True),
    "conditional_with_source": ("the same with the source row left among the targets", True),
    "gamma": ("logit acc(target) / logit acc(source)", True),
    "agreement": ("kappa of right and wrong between source and target", True),
    "parity_gap": ("best less worst language", False),
    "odds_ratio": ("log odds of right in target against source, Mantel-Haenszel", True),
    "mother_tongue": ("local questions: local language less English", True),
    "locality": ("in one language: local less translated questions", True),
}


def share(part: Floats, whole: Floats) -> Floats:
    """Quotient, NaN where the denominator is not above zero."""
    result: Floats = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return result


def gamma(source: Floats, target: Floats) -> Floats:
    """One-parameter profile ``logit T = gamma logit S``; NaN where a logit is infinite or 0."""
    inside = (source > 0) & (source < 1) & (target > 0) & (target < 1) & (source != 0.5)
    S, T = np.where(inside, source, 0.4), np.where(inside, target, 0.4)
    return np.where(inside, special.logit(T) / special.logit(S), np.nan)


def moment_excess(source: Floats, target: Floats, noise: Floats) -> Floats:
    """Target accuracy over a logit line fitted over models, with the noise in x taken out.

    Slope ``cov(x, y) / (var(x) - mean noise)``, x and y logits of source and target accuracy.

    Parameters
    ----------
    source, target : ndarray, shape (B, M)
    noise : ndarray, shape (M,)
        Sampling variance of each source logit.

    Returns
    -------
    ndarray, shape (B, M)
        NaN with fewer than three models, or where noise explains all variance of x.
    """
    if source.shape[1] < 3:
        return np.full(source.shape, np.nan)
    edge = 1e-3
    x = special.logit(np.clip(source, edge, 1.0 - edge))
    y = special.logit(np.clip(target, edge, 1.0 - edge))
    dx, dy = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    variance = (dx**2).mean(axis=1) - noise.mean()
    slope = np.divide(
        (dx * dy).mean(axis=1), variance, out=np.full(variance.shape, np.nan), where=variance > 0
    )
    line = y.mean(axis=1, keepdims=True) + slope[:, None] * dx
    result: Floats = target - special.expit(line)
    return result


def of_items(totals: Totals, has_local: bool, noise: Floats) -> dict[str, Floats]:
    """All measures of one benchmark from sums over items, each (B, M)."""
    S, T = share(totals.s, totals.n), share(totals.t, totals.n)
    both = share(totals.both, totals.n)
    s, t = S.mean(axis=2), T.mean(axis=2)
    languages = T.shape[2]
    conditional = share(totals.both.sum(axis=2), totals.s.sum(axis=2))
    observed = 1.0 - S - T + 2.0 * both
    chance = S * T + (1.0 - S) * (1.0 - T)
    everywhere = np.concatenate([T, s[:, :, None]], axis=2)
    found = {
        "gap": s - t,
        "ratio": share(t, s),
        "excess": moment_excess(s, t, noise),
        "overall": both.mean(axis=2),
        "conditional": conditional,
        "conditional_with_source": (1.0 + languages * conditional) / (languages + 1.0),
        "gamma": gamma(s, t),
        "agreement": share(observed - chance, 1.0 - chance).mean(axis=2),
        "parity_gap": everywhere.max(axis=2) - everywhere.min(axis=2),
        "odds_ratio": mantel_haenszel(totals.strata),
    }
    if has_local:
        found |= local_effects(totals.local)
    return found


def mantel_haenszel(strata: Floats) -> Floats:
    """Log odds ratio of right answers in the targets against the source over strata of items.

    ``log(sum_k a_k d_k / n_k) - log(sum_k b_k c_k / n_k)``, a and b right and wrong in the targets,
    c and d in the source (Mantel and Haenszel 1959).

    Parameters
    ----------
    strata : ndarray, shape (B, M, K, 3)
        Items, right in the source, right in the targets.

    Returns
    -------
    ndarray, shape (B, M)
        Negative where targets fare worse; NaN without another model to tell strata by.
    """
    n, source, target = strata[..., 0], strata[..., 1], strata[..., 2]
    size = np.where(n > 0, n, 1.0)
    above = (target * (n - source) / size).sum(axis=2)
    below = ((n - target) * source / size).sum(axis=2)
    fine = (above > 0) & (below > 0)
    return np.where(
        fine, np.log(np.where(fine, above, 1.0)) - np.log(np.where(fine, below, 1.0)), np.nan
    )


def local_effects(local: Floats) -> dict[str, Floats]:
    """Mother-tongue and locality effects, means over languages but English (MultiLoKo)."""
    at_home = share(local[..., 1], local[..., 0])
    in_english = share(local[..., 3], local[..., 2])
    translated = share(local[..., 5], local[..., 4])
    there = ~np.isnan(at_home[0]).all(axis=0)
    return {
        "mother_tongue": (at_home - in_english)[:, :, there].mean(axis=2),
        "locality": (at_home - translated)[:, :, there].mean(axis=2),
    }
