"""Posterior densities on unconstrained coordinates, whatever the likelihood behind them.

A density is a table of parameters with normal or half-normal priors and a log-likelihood with its
gradient. Samplers see one vector; a standard deviation with a half-normal prior enters by the
coordinate whose prior is standard normal,

    sd = scale z,    z = -Phi^-1(Phi(-x) / 2),

since its logarithm would have a tail, where the data allow no spread at all, that a chain gets
lost in. The same table makes a PyMC model, for the samplers that want one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
#: Coordinates of a standard deviation beyond this are held: it is 1e-9 of its scale, or 6 of them.
_FAR = 6.0
#: Value and gradient of a log-likelihood at the parameters' natural values.
Likelihood = Callable[[Floats], tuple[float, Floats]]


def half_normal(x: Floats) -> tuple[Floats, Floats]:
    """Standard half-normal variables z at coordinates x, and dz / dx."""
    inside = np.clip(x, -_FAR, _FAR)
    z = -special.ndtri(0.5 * special.ndtr(-inside))
    # dz / dx = phi(x) / (2 phi(z)).
    return np.asarray(z), 0.5 * np.exp(0.5 * (z - x) * (z + x))


def half_normal_coordinate(z: Floats) -> Floats:
    """Coordinates x of standard half-normal variables z."""
    twice = 2.0 * special.ndtr(-np.maximum(z, 1e-9))
    return np.asarray(-special.ndtri(np.minimum(twice, 1.0 - 1e-12)))


@dataclass(frozen=True, slots=True)
class Parameter:
    """A vector of parameters with independent priors of one kind.

    Attributes
    ----------
    name : str
    levels : tuple of str
        Name of each element; empty for a scalar.
    kind : {"normal", "half_normal"}
    mean, scale : float
        ``N(mean, scale^2)``, or ``|N(0, scale^2)|``.
    """

    name: str
    levels: tuple[str, ...]
    kind: Literal["normal", "half_normal"]
    mean: float
    scale: float

    @property
    def size(self) -> int:
        """Number of elements."""
        return max(len(self.levels), 1)


@dataclass(frozen=True, slots=True, eq=False)
class Density:
    """Prior times likelihood.

    Attributes
    ----------
    parameters : tuple of Parameter
    likelihood : callable
        ``likelihood(natural)``: value and gradient (P,).
    log_likelihood : callable, optional
        The value alone, where that costs less.
    """

    parameters: tuple[Parameter, ...]
    likelihood: Likelihood
    log_likelihood: Callable[[Floats], float] | None = None
    _positive: NDArray[np.bool_] = field(init=False)
    _mean: Floats = field(init=False)
    _scale: Floats = field(init=False)

    def __post_init__(self) -> None:
        def spread(values: Sequence[float]) -> Floats:
            return np.repeat(np.array(values, dtype=float), [p.size for p in self.parameters])

        positive = spread([float(p.kind == "half_normal") for p in self.parameters]) > 0.5
        object.__setattr__(self, "_positive", positive)
        object.__setattr__(self, "_mean", spread([p.mean for p in self.parameters]))
        object.__setattr__(self, "_scale", spread([p.scale for p in self.parameters]))

    @property
    def size(self) -> int:
        """Number of coordinates P."""
        return int(self._mean.size)

    @property
    def positive(self) -> NDArray[np.bool_]:
        """Which coordinates are those of standard deviations, (P,)."""
        return self._positive

    def natural(self, x: Floats) -> Floats:
        """Parameters at unconstrained coordinates (..., P)."""
        return np.where(self._positive, half_normal(x)[0] * self._scale, x)

    def unconstrained(self, natural: Floats) -> Floats:
        """Coordinates of parameters (P,)."""
        return np.where(self._positive, half_normal_coordinate(natural / self._scale), natural)

    def places(self) -> dict[str, slice]:
        """Where each parameter stands."""
        found, at = {}, 0
        for parameter in self.parameters:
            found[parameter.name] = slice(at, at + parameter.size)
            at += parameter.size
        return found

    def log_prior(self, natural: Floats) -> Floats:
        """Log prior density of each parameter at its natural values (..., P), normalised."""
        z = (natural - self._mean) / self._scale
        twice = np.where(self._positive, np.log(2.0), 0.0)
        return np.asarray(
            twice - 0.5 * z**2 - np.log(self._scale) - 0.5 * np.log(2.0 * np.pi), dtype=float
        )

    def value(self, x: Floats) -> float:
        """Log posterior density of coordinates (P,), up to the constant of `value_and_gradient`."""
        natural = self.natural(x)
        plain = self.log_likelihood
        value = self.likelihood(natural)[0] if plain is None else plain(natural)
        standard = np.where(self._positive, x, (natural - self._mean) / self._scale)
        return value - 0.5 * float(standard @ standard)

    def value_and_gradient(self, x: Floats) -> tuple[float, Floats]:
        """Log posterior density of coordinates (P,), up to a constant, and its gradient."""
        natural = self.natural(x)
        value, gradient = self.likelihood(natural)
        standard = np.where(self._positive, x, (natural - self._mean) / self._scale)
        value -= 0.5 * float(standard @ standard)
        stretch = np.where(self._positive, half_normal(x)[1] * self._scale, 1.0)
        pull = np.where(self._positive, x, standard / self._scale)
        return value, gradient * stretch - pull

    def draw_prior(self, rng: np.random.Generator) -> Floats:
        """One draw of all parameters (P,) from their priors."""
        draw = self._mean + self._scale * rng.standard_normal(self.size)
        return np.where(self._positive, np.abs(draw), draw)

    def first(self) -> Floats:
        """Coordinates to start from: prior means, and half of each scale."""
        return self.unconstrained(np.where(self._positive, 0.5 * self._scale, self._mean))
