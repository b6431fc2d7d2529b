"""Random effects of one parameter over models: how far each one's estimate is shrunk."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize

from hatstats.inference.arrays import Floats

#: Bounds of the standard deviation over units: none are taken for exactly alike.
_LEAST, _MOST = 0.05, 10.0
# Shares of the way to go in the rounds before these; at last mean and variance stay.
_SHARES = ((24, 1.0), (48, 0.5), (120, 0.2), (1000, 0.0))


@dataclass(frozen=True, slots=True, eq=False)
class Shrinkage:
    """Mean and variance of an effect over K units.

    From unshrunk estimates `values` and their variances `errors`, (K,) each; `held` says that the
    variance is the least one.
    """

    mean: float
    variance: float
    values: Floats
    errors: Floats
    held: bool = False

    @classmethod
    def start(cls, size: int, mean: float) -> Shrinkage:
        """What is assumed before anything is estimated."""
        return cls(mean, 0.25, np.full(size, mean), np.ones(size))

    def after(self, before: Shrinkage, round_: int) -> Shrinkage:
        """Return it with mean and variance moved only in part from those of the round before.

        Slopes follow their shrinkage, and this the slopes: with few items they can go in circles.
        """
        share = next(share for last, share in _SHARES if round_ < last)
        mean = before.mean + share * (self.mean - before.mean)
        variance = before.variance * (self.variance / before.variance) ** share
        return replace(self, mean=mean, variance=variance)

    def distance(self, other: Shrinkage) -> float:
        """How far another's mean and log variance are from these."""
        return max(abs(self.mean - other.mean), abs(math.log(self.variance / other.variance)))

    def influence(self, values: Floats, errors: Floats) -> tuple[Floats, Floats]:
        """Influence of items on the mean and the variance (N,), from that on values and errors.

        These are (K, N) each.
        """
        weight = 1.0 / (self.errors + self.variance)
        off = weight * (self.values - self.mean)
        variance = np.zeros(values.shape[1])
        if not self.held:
            variance = (2.0 * off @ values - off**2 @ errors) / (off @ off)
        # The mean's weights move with the errors and with the variance.
        mean = (weight @ values - (weight * off) @ (errors + variance)) / weight.sum()
        return mean, variance

    def pull_influence(self, effect: Floats, values: Floats, errors: Floats) -> Floats:
        """Influence (K, N) on ``(mean - effect) / variance`` at fixed effects (K,)."""
        mean, variance = self.influence(values, errors)
        off = (effect - self.mean) / self.variance**2
        return np.asarray(mean / self.variance + np.outer(off, variance))


def shrinkage(values: Floats, errors: Floats) -> Shrinkage:
    """Mean and variance over units of values (K,) that have error variances (K,).

    The variance t is where the weighted sum of squares has its expectation, ``sum_k (z_k - mean)^2
    / (v_k + t) = K - 1`` (Paule and Mandel 1982, J. Res. NBS 87:377-385), within bounds.
    """

    def excess(variance: float) -> float:
        weight = 1.0 / (errors + variance)
        mean = weight @ values / weight.sum()
        return float(weight @ (values - mean) ** 2 - (values.size - 1))

    variance, held = _LEAST**2, True
    if excess(_MOST**2) >= 0.0:
        variance = _MOST**2
    elif excess(variance) > 0.0:
        variance, held = float(optimize.brentq(excess, _LEAST**2, _MOST**2)), False
    weight = 1.0 / (errors + variance)
    return Shrinkage(
        variance=variance,
        mean=float(weight @ values / weight.sum()),
        values=values,
        errors=errors,
        held=held,
    )
