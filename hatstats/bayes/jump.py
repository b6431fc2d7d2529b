"""A t distribution fitted to a posterior of few coordinates, and coordinates in which it fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

Floats = NDArray[np.float64]

#: Degrees of freedom, and how much wider than the curvature at a mode says.
_DF, _WIDER = 5.0, 1.2
#: Degrees of freedom where mean and covariance are those of draws.
_DF_OF_DRAWS = 7.0
#: Coordinates of scales beyond which the search for a mode does not look.
_BOUND = 3.0
_STEP = 1e-3
_LEAST_POWER = 0.1


class Target(Protocol):
    """A log density of few coordinates, whose prior has at least unit curvature."""

    @property
    def positive(self) -> NDArray[np.bool_]:
        """Which coordinates are those of standard deviations, (s,)."""

    def first(self) -> Floats:
        """Coordinates to start from (s,)."""

    def value(self, x: Floats) -> float:
        """Log density."""

    def value_and_gradient(self, x: Floats) -> tuple[float, Floats]:
        """Log density and its gradient (s,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Jump:
    """A multivariate t distribution.

    Attributes
    ----------
    centre : ndarray, shape (s,)
    root : ndarray, shape (s, s)
        Of the scale matrix: ``root @ root.T``.
    df : float
    """

    centre: Floats
    root: Floats
    df: float = _DF

    @classmethod
    def at_mode(cls, target: Target) -> Jump:
        """Fit by the curvature at the mode; scales are looked for in the bulk of their prior."""

        def downhill(x: Floats) -> tuple[float, Floats]:
            value, gradient = target.value_and_gradient(x)
            return -value, -gradient

        bounds = [(-_BOUND, _BOUND) if scale else (None, None) for scale in target.positive]
        found = optimize.minimize(
            downhill, target.first(), jac=True, method="L-BFGS-B", bounds=bounds
        )
        hessian = np.array(
            [
                (downhill(found.x + move)[1] - downhill(found.x - move)[1]) / (2.0 * _STEP)
                for move in _STEP * np.eye(found.x.size)
            ]
        )
        values, vectors = np.linalg.eigh(0.5 * (hessian + hessian.T))
        # The prior alone has curvature 1: no direction is known worse than that.
        return cls(found.x, _WIDER * vectors / np.sqrt(np.maximum(values, 1.0)))

    @classmethod
    def of_draws(cls, x: Floats) -> Jump:
        """With mean and covariance of draws (n, s), and tails a little heavier than normal."""
        return cls(x.mean(axis=0), np.linalg.cholesky(np.cov(x.T)), _DF_OF_DRAWS)

    def draw(self, rng: np.random.Generator) -> Floats:
        """One draw (s,)."""
        width = np.sqrt(self.df / rng.chisquare(self.df))
        return np.asarray(self.centre + width * (self.root @ rng.standard_normal(self.centre.size)))

    def log_density(self, x: Floats) -> float:
        """Log density, up to a constant."""
        z = np.linalg.solve(self.root, x - self.centre)
        return float(-0.5 * (self.df + x.size) * np.log1p(z @ z / self.df))


@dataclass(frozen=True, slots=True, eq=False)
class Warp:
    """Coordinates in which marginal distributions are less skew, by powers (Yeo and Johnson 2000).

    ``z = (x - location) / spread``; ``y = ((1 + z)^p - 1) / p`` for z >= 0, and
    ``y = -((1 - z)^(2 - p) - 1) / (2 - p)`` below (Biometrika 87:954-959).

    Attributes
    ----------
    location, spread, power : ndarray, each (s,)
    """

    location: Floats
    spread: Floats
    power: Floats

    @classmethod
    def none(cls, size: int) -> Warp:
        """Coordinates as they are."""
        return cls(np.zeros(size), np.ones(size), np.ones(size))

    @classmethod
    def of_draws(cls, x: Floats) -> Warp:
        """Powers of highest likelihood for draws (n, s), kept away from logarithms."""
        location, spread = np.median(x, axis=0), x.std(axis=0)
        z = (x - location) / spread
        power = np.array([stats.yeojohnson_normmax(column) for column in z.T])
        return cls(location, spread, np.clip(power, _LEAST_POWER, 2.0 - _LEAST_POWER))

    def to(self, x: Floats) -> Floats:
        """Warped coordinates of x (..., s)."""
        z = (x - self.location) / self.spread
        power = np.where(z >= 0, self.power, 2.0 - self.power)
        return np.asarray(np.sign(z) * np.expm1(power * np.log1p(np.abs(z))) / power)

    def back(self, y: Floats) -> Floats:
        """The inverse."""
        power = np.where(y >= 0, self.power, 2.0 - self.power)
        z = np.sign(y) * np.expm1(np.log1p(power * np.abs(y)) / power)
        return np.asarray(self.location + self.spread * z)

    def log_slope(self, x: Floats) -> float:
        """Log determinant of dy / dx at x (s,)."""
        z = (x - self.location) / self.spread
        bent = (self.power - 1.0) * np.sign(z) * np.log1p(np.abs(z))
        return float((bent - np.log(self.spread)).sum())
