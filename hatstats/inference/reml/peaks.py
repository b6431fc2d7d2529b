"""The highest peak of a restricted likelihood of variance components.

The maximum is found by Newton steps where the observed information is positive definite and by
scoring steps elsewhere, within ``tau2 >= 0`` and halved until the likelihood does not fall. There
are several starts: with few groups the surface can have more than one peak, one of them at zero.
A start from which the straight way to a known peak only rises is on the same hill.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import linalg

from hatstats.errors import FitError
from hatstats.inference.arrays import Floats
from hatstats.inference.newton import Expansion, newton_step
from hatstats.inference.newton import maximise as newton

# Newton decrement, about twice the distance to the maximum, at which one last step follows: it
# squares the error once more.
_DECREMENT = 1e-8
# Every how many points of a ray a peak that was reached from a near solution is compared with.
_COARSE = 8
# Shares of the straight way from a start to a peak at which heights are compared.
_WAY = (0.2, 0.5, 0.8)
# Fall of the log-likelihood that counts as rounding error.
_ROUNDING = 1e-10


class Likelihood(Protocol):
    """A restricted likelihood of variance components, whatever form its covariance has."""

    @property
    def count(self) -> int:
        """Number of variance components K."""

    @property
    def variances(self) -> Floats:
        """Known sampling variances of the rows, shape (n,)."""

    @property
    def scale(self) -> float:
        """Residual variance of ordinary least squares, the unit of tau2."""

    def loglik(self, tau2: Floats) -> float:
        """Log-likelihood at components (K,); ``-inf`` where the covariance is singular."""

    def expand(self, tau2: Floats) -> Expansion:
        """The log-likelihood with score and information; its value is ``-inf`` as above."""


@dataclass(frozen=True, slots=True, eq=False)
class Peak:
    """A local maximum of the restricted likelihood: components (K,) and log-likelihood."""

    tau2: Floats
    loglik: float


def maximise(problem: Likelihood, start: Floats | None = None) -> Peak:
    """Highest peak of the restricted likelihood on ``tau2 >= 0``; FitError if none is found.

    A `start` (K,), the solution of nearly the same problem, is climbed from first; its peak stands
    unless one of the points of a coarse net is higher, in which case all starts are tried.
    """
    peaks: list[Peak] = []
    if start is not None and (peak := _climb(problem, start, peaks)) is not None:
        net = (problem.loglik(point) for ray in _rays(problem) for point in ray[::_COARSE])
        if all(height <= peak.loglik for height in net):
            return peak
    for first in sorted(_starts(problem), key=lambda point: -point.loglik):
        if first.tau2.any() and any(_same_hill(problem, first, peak) for peak in peaks):
            continue
        start = first.tau2
        peak = _climb(problem, start, peaks) or _climb(problem, _search(problem, start), peaks)
        if peak is not None and peak not in peaks:
            peaks.append(peak)
    if not peaks:
        raise FitError(
            "no maximum of the restricted likelihood was found; rows may be fitted without error, "
            "so that it grows without bound as a variance component goes to zero"
        )
    return max(peaks, key=lambda peak: peak.loglik)


def _rays(problem: Likelihood) -> list[list[Floats]]:
    """Points along rays from the origin, one per component and the diagonal, even in logarithm."""
    count = problem.count
    known = problem.variances
    largest = max(problem.scale, float(known.max())) or 1.0
    smallest = float(known.min(initial=largest, where=known > 0))
    low = np.clip(0.03 * smallest, 1e-8 * largest, 1e-3 * largest)
    steps = 4 + int(np.ceil(2 * np.log10(largest / low)))
    sizes = np.concatenate([[0.0], np.geomspace(low, 3.0 * largest, steps)])
    directions = [*np.eye(count)] + ([np.full(count, 1.0 / count)] if count > 1 else [])
    # A little of every component, so that only the origin starts on the boundary.
    return [
        [size * (0.97 * direction + 0.03 / count) for size in sizes] for direction in directions
    ]


def _same_hill(problem: Likelihood, start: Peak, peak: Peak) -> bool:
    """Whether the likelihood only rises on the straight way from a start to a peak."""
    way = (problem.loglik(start.tau2 + t * (peak.tau2 - start.tau2)) for t in _WAY)
    return all(a <= b for a, b in itertools.pairwise([start.loglik, *way, peak.loglik]))


def _starts(problem: Likelihood) -> list[Peak]:
    """Local maxima along the rays."""
    starts: list[Peak] = []
    for ray in _rays(problem):
        heights = np.array([problem.loglik(point) for point in ray])
        padded = np.concatenate([[-np.inf], heights, [-np.inf]])
        maxima = (heights >= padded[:-2]) & (heights > padded[2:])
        starts += [Peak(ray[index], heights[index]) for index in np.flatnonzero(maxima)]
    return starts


def _climb(problem: Likelihood, start: Floats, known: list[Peak]) -> Peak | None:
    """Maximum reached from one start, or the known peak that the way passes; None if it fails."""
    unit = max(problem.scale, float(problem.variances.mean()))

    def passed(tau2: Floats) -> Peak | None:
        near = (np.allclose(tau2, peak.tau2, rtol=1e-3, atol=1e-5 * unit) for peak in known)
        return next((peak for peak, close in zip(known, near, strict=True) if close), None)

    try:
        found = newton(
            problem.expand,
            start,
            bounds=(np.zeros(start.size), np.full(start.size, np.inf)),
            tolerance=_DECREMENT,
            rounding=_ROUNDING,
            interrupt=lambda tau2, _: passed(tau2) is not None,
        )
    except (FitError, linalg.LinAlgError):
        return None
    peak = passed(found.theta)
    if peak is None and found.decrement < _DECREMENT:
        free = np.flatnonzero(~found.fixed)
        tau2 = found.theta.copy()
        tau2[free] += newton_step(found.expansion, free)
        if (tau2 < 0).any() or not np.isfinite(problem.loglik(tau2)):
            tau2 = found.theta
        peak = Peak(tau2, problem.loglik(tau2))
    return peak


def _search(problem: Likelihood, start: Floats) -> Floats:
    """Components (K,) by a bounded quasi-Newton search, for starts from which `_climb` fails."""
    unit = problem.scale or 1.0
    floor = problem.loglik(start) - 1e6

    def loss(scaled: Floats) -> float:
        return -max(problem.loglik(scaled * unit), floor)

    from scipy import optimize  # seldom needed, and slow to import

    bounds = [(0.0, None)] * len(start)
    found = optimize.minimize(loss, start / unit, method="L-BFGS-B", bounds=bounds)
    return np.asarray(np.asarray(found.x, dtype=np.float64) * unit, dtype=float)
