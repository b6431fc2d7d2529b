"""A bend that the profiles of a panel have in common, beside their lines: a check of the shape.

``T_m(x) = c + (1 - c) expit(level_m + slope_m z + s(z))`` with one smooth s for all models: a bend
at each of a few knots, shrunk towards none. Where knowledge transfers or not, say, all profiles
level off below 1, which no line does. Means over languages alone are fitted, by the same
quasi-likelihood and the same distribution of z as the lines.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from hatstats.estimators.panel.shrinkage import Shrinkage
from hatstats.estimators.panel.source import LEVEL_PRECISION
from hatstats.estimators.panel.transfer import LineData, Lines
from hatstats.inference.arrays import Floats

#: Source logits at which the slope may change, and the prior standard deviation of each change.
_KNOTS = np.array([-2.0, 0.0, 2.0, 4.0])
_BEND_SD = 0.5
_STEPS, _TOLERANCE, _LONGEST = 40, 1e-5, 0.5


def _bends(z: Floats) -> Floats:
    """Functions (..., K) whose slope goes from 0 to 1 about each knot."""
    return np.asarray(np.logaddexp(0.0, 2.0 * (z[..., None] - _KNOTS)) / 2.0)


def common_bend(data: LineData, lines: Lines, shrunk: Shrinkage) -> tuple[Floats, Floats]:
    """Levels and slopes (2, M) of M models and the bends (K,) of all, from those without bends.

    Slopes are shrunk by the variance that they have without bends, towards a mean of their own.
    """
    functions = _bends(data.nodes)
    bends, theta, mean = np.zeros(_KNOTS.size), lines.theta, shrunk.mean
    known = 1.0 - data.chance
    for _ in range(_STEPS):
        z = theta[0][:, None, None] + theta[1][:, None, None] * data.nodes + functions @ bends
        share = special.expit(z)
        fitted = data.chance + known * (share * data.probability).sum(axis=2)
        fitted = np.clip(fitted, 1e-6, 1.0 - 1e-6)
        steep = known * share * (1.0 - share) * data.probability
        design = np.concatenate(
            [
                np.stack([steep.sum(axis=2), (steep * data.nodes).sum(axis=2)], axis=2),
                (steep[:, :, None, :] @ functions)[:, :, 0],
            ],
            axis=2,
        )
        weight = data.weights.T / (fitted * (1.0 - fitted)) / lines.dispersion[:, None]
        weighted = design * weight[:, :, None]
        gradient = ((data.target.T - fitted)[:, None, :] @ weighted)[:, 0]
        hessian = design.swapaxes(1, 2) @ weighted
        gradient[:, 0] -= LEVEL_PRECISION * theta[0]
        gradient[:, 1] -= (theta[1] - mean) / shrunk.variance
        hessian[:, 0, 0] += LEVEL_PRECISION
        hessian[:, 1, 1] += 1.0 / shrunk.variance
        # Levels and slopes are each model's own, bends are common.
        through = np.linalg.solve(hessian[:, :2, :2], hessian[:, :2, 2:])
        along = np.linalg.solve(hessian[:, :2, :2], gradient[:, :2, None])[:, :, 0]
        across = hessian[:, 2:, :2]
        common = (hessian[:, 2:, 2:] - across @ through).sum(axis=0)
        common += np.eye(_KNOTS.size) / _BEND_SD**2
        pull = (gradient[:, 2:] - (across @ along[:, :, None])[:, :, 0]).sum(axis=0)
        turn = np.linalg.solve(common, pull - bends / _BEND_SD**2)
        step = along - through @ turn
        longest = max(float(np.abs(step).max()), float(np.abs(turn).max()))
        share_of_step = min(1.0, _LONGEST / max(longest, 1e-12))
        theta, bends = theta + share_of_step * step.T, bends + share_of_step * turn
        before, mean = mean, float(theta[1].mean())
        if max(longest, abs(mean - before)) < _TOLERANCE:
            break
    return theta, bends


def bent_curves(theta: Floats, bends: Floats, z: Floats, chance: float) -> Floats:
    """Mean profiles (M, Q) at source logits z (Q,)."""
    inside = theta[0][:, None] + theta[1][:, None] * z + _bends(z) @ bends
    return np.asarray(chance + (1.0 - chance) * special.expit(inside))
