r"""A smooth path of target on source logits: a line, and bends beside it.

Bends are those of a restricted cubic spline (Harrell, Regression Modeling Strategies, 2nd edition,
section 2.4.5), which is straight beyond its outer knots, so that nothing explodes outside the
models. With knots ``t_1 < ... < t_K`` there are K - 2,

.. math:: s_j(x) = \bigl[(x - t_j)_+^3 - (x - t_{K-1})_+^3 \tfrac{t_K - t_j}{t_K - t_{K-1}}
          + (x - t_K)_+^3 \tfrac{t_{K-1} - t_j}{t_K - t_{K-1}}\bigr] / (t_K - t_1)^2 .

A source logit is known with error: as the line uses its expectation given what was observed, the
bends use ``E[s_j(eta) | z]``, by Gauss-Hermite quadrature.
"""

from __future__ import annotations

import numpy as np

from hatstats.inference.arrays import Floats

#: Fewest models for one bend, and for three, which follow chance effects of fewer.
ONE_BEND, THREE_BENDS = 10, 20
#: Least distance of two knots, as a share of the range of the models.
_APART = 0.01
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(11)


def knots_of(source: Floats) -> Floats:
    """Knots (K,) for the source logits (M,) of a benchmark, at their quantiles; none for few."""
    distinct = np.unique(source)
    if distinct.size < ONE_BEND:
        return np.zeros(0)
    # Up to the outermost models: where they are, a straight end misses most of a curve.
    levels = (0.0, 0.2, 0.5, 0.8, 1.0) if distinct.size >= THREE_BENDS else (0.1, 0.5, 0.9)
    # Many models with one accuracy, as at the ceiling, would put two knots into one place.
    for values in (source, distinct):
        knots = np.asarray(np.quantile(values, levels), dtype=float)
        if np.diff(knots).min() > _APART * np.ptp(distinct):
            return knots
    return np.zeros(0)


def bends(x: Floats, knots: Floats, order: int = 3) -> Floats:
    """``s_j`` at x, (..., K - 2), or with `order` 2 their slopes."""
    x = np.asarray(x, dtype=float)[..., None]
    if not knots.size:
        return np.zeros((*x.shape[:-1], 0))
    first, (before, last) = knots[:-2], knots[-2:]
    scale = (3.0 if order == 2 else 1.0) / (last - knots[0]) ** 2

    def above(knot: Floats) -> Floats:
        return np.asarray(np.maximum(x - knot, 0.0) ** order, dtype=float)

    ends = above(before) * (last - first) - above(last) * (before - first)
    return np.asarray(scale * (above(first) - ends / (last - before)), dtype=float)


def expected_bends(mean: Floats, variance: Floats, knots: Floats) -> Floats:
    """``E s_j(eta)`` for eta normal with mean and variance (M,), shape (M, K - 2)."""
    nodes = mean[:, None] + np.sqrt(variance)[:, None] * _NODES
    share = _WEIGHTS / _WEIGHTS.sum()
    return np.asarray(np.einsum("mqj,q->mj", bends(nodes, knots), share), dtype=float)
