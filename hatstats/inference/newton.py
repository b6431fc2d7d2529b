"""Damped Newton search for the maximum of a smooth function, within bounds on the parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from hatstats.errors import FitError
from hatstats.inference.arrays import Floats, Ints

#: Smallest curvature, relative to the diagonal, by which a Newton step is divided.
_LEAST_CURVATURE = 1e-10


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Expansion:
    """A function to be maximised, to second order at one point.

    A `value` that is NaN or minus infinity rejects the point. `gradient` is (P,); `information` (P,
    P), the negative Hessian, need not be positive definite: `substitute` then returns the matrix
    (P, P) that replaces it, for instance the expected one. Without it absolute eigenvalues serve.
    """

    value: float
    gradient: Floats
    information: Floats
    substitute: Callable[[], Floats] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Maximum[E: Expansion]:
    """Where a search ended: `theta` (P,), its Newton decrement, what is `fixed` at a bound."""

    theta: Floats
    expansion: E
    decrement: float
    fixed: NDArray[np.bool_]


def maximise[E: Expansion](
    expand: Callable[[Floats], E],
    start: Floats,
    *,
    bounds: tuple[Floats, Floats] | None = None,
    tolerance: float = 1e-8,
    rounding: float = 0.0,
    longest: float = np.inf,
    max_evaluations: int = 100,
    interrupt: Callable[[Floats, float], bool] | None = None,
) -> Maximum[E]:
    """Newton steps from `start` (P,), halved until the function does not fall.

    `bounds` are smallest and largest values (P,), equal ones hold a parameter; `tolerance` is the
    Newton decrement below which the search is done; `rounding` a fall that counts as rounding
    error; `longest` the largest change of any parameter in one step. After `max_evaluations` calls
    of `expand` the best point is returned, whose decrement says how far it came; `interrupt` ends
    the search where it is true of (theta, decrement). FitError if the function is not finite at
    `start`.
    """
    infinite = np.full(start.size, np.inf)
    lower, upper = bounds if bounds is not None else (-infinite, infinite)
    theta = np.clip(start, lower, upper)
    expansion = expand(theta)
    if not np.isfinite(expansion.value):
        raise FitError("a Newton search starts where its function is not finite")
    step, maximum = _step(theta, expansion, lower, upper)
    for _ in range(max_evaluations - 1):
        if maximum.decrement < tolerance:
            break
        if interrupt is not None and interrupt(theta, maximum.decrement):
            break
        largest = np.abs(step).max()
        if largest > longest:
            step = step * (longest / largest)
        proposed = np.clip(theta + step, lower, upper)
        expansion = expand(proposed)
        if not expansion.value >= maximum.expansion.value - rounding:
            step = 0.5 * step
            continue
        theta = proposed
        step, maximum = _step(theta, expansion, lower, upper)
    return maximum


def _step[E: Expansion](
    theta: Floats, expansion: E, lower: Floats, upper: Floats
) -> tuple[Floats, Maximum[E]]:
    """Newton step (P,) in the parameters not held at a bound, and the point with its decrement."""
    gradient = expansion.gradient
    fixed = ((theta <= lower) & (gradient <= 0.0)) | ((theta >= upper) & (gradient >= 0.0))
    fixed |= lower == upper
    step = np.zeros(theta.size)
    step[~fixed] = newton_step(expansion, np.flatnonzero(~fixed))
    return step, Maximum(theta, expansion, float(gradient @ step), fixed)


def newton_step(expansion: Expansion, free: Ints) -> Floats:
    """Newton step in the `free` parameters (F,), uphill even where the function is not concave."""
    block = np.ix_(free, free)
    gradient, information = expansion.gradient[free], expansion.information[block]
    try:
        return np.asarray(linalg.cho_solve(linalg.cho_factor(information), gradient))
    except linalg.LinAlgError:
        if expansion.substitute is not None:
            factor = linalg.cho_factor(expansion.substitute()[block])
            return np.asarray(linalg.cho_solve(factor, gradient))
    unit = np.sqrt(np.maximum(np.abs(np.diag(information)), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(information / np.outer(unit, unit))
    stiffness = np.maximum(np.abs(values), _LEAST_CURVATURE)
    return np.asarray(vectors @ (vectors.T @ (gradient / unit) / stiffness) / unit)
