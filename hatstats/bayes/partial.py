"""Partially centred Gaussian variables.

A variable ``u ~ N(mu, s^2)`` of which the data say about as much as an observation `hat` with
precision P would say is written

    u = c + v z,    v^2 = 1 / (P + 1 / s^2),    c = v^2 (P hat + mu / s^2),

which is centred where the data dominate and non-centred where the prior does (Papaspiliopoulos,
Roberts and Sköld 2007, Stat Sci 22:59-73). Were the data really Gaussian with that precision, z
would be standard normal whatever mu and s: no funnel is left. Where they are not, the density is
still the exact one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Centred:
    """A vector of partially centred variables at one point.

    Attributes
    ----------
    value : ndarray, shape (K,)
        u.
    log_ratio : float
        ``sum log N(u; mu, s^2) + log v - log N(z; 0, 1)``: prior density of u in the coordinate
        z, relative to a standard normal one.
    mu, sd : ndarray, shape (K,)
        Prior means and standard deviations.
    """

    value: Floats
    log_ratio: float
    mu: Floats
    sd: Floats
    _z: Floats
    _a: Floats
    _v: Floats
    _c: Floats

    def pull_back(self, gradient: Floats) -> tuple[Floats, Floats, Floats]:
        """Derivatives in z, mu and s, each (K,), of `log_ratio` plus a function of u.

        Parameters
        ----------
        gradient : ndarray, shape (K,)
            Derivative of the function of u.
        """
        away = self.value - self.mu
        total = gradient - self._a * away
        by_z = total * self._v + self._z
        by_mu = total * self._v**2 * self._a + self._a * away
        by_a = total * (self._v**2 * (self.mu - self._c) - 0.5 * self._v**3 * self._z)
        by_a += 0.5 / self._a - 0.5 * away**2 - 0.5 * self._v**2
        return by_z, by_mu, -2.0 * by_a / self.sd**3


def partially_centred(z: Floats, mu: Floats, sd: Floats, hat: Floats, precision: Floats) -> Centred:
    """Variables at coordinates z, all arguments (K,)."""
    a = 1.0 / sd**2
    variance = 1.0 / (precision + a)
    v = np.sqrt(variance)
    c = variance * (precision * hat + a * mu)
    value = c + v * z
    log_ratio = float(
        (0.5 * np.log(a) - 0.5 * a * (value - mu) ** 2 + np.log(v) + 0.5 * z**2).sum()
    )
    return Centred(value, log_ratio, mu, sd, z, a, v, c)


def coordinate_of(value: Floats, mu: Floats, sd: Floats, hat: Floats, precision: Floats) -> Floats:
    """Coordinates z of variables (K,): the inverse of `partially_centred`."""
    a = 1.0 / sd**2
    variance = 1.0 / (precision + a)
    return np.asarray((value - variance * (precision * hat + a * mu)) / np.sqrt(variance))
