"""Slow twins of the latent estimator: loops and textbook recursions instead of matrices.

Nothing here is imported from `hatstats.scores`; constants are written out again, so that a change
of one of them has to be made twice, on purpose.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import optimize

N_SPLINES, REACH, INNER = 12, 7.0, 57
POWERS = (1, 2, 3, 4, 6, 8)


def expit(z: float) -> float:
    return 1.0 / (1.0 + math.exp(-z)) if z > -700 else 0.0


def grid() -> list[float]:
    step = 2 * REACH / (INNER - 1)
    return [0.0, *(expit(-REACH + step * place) for place in range(INNER)), 1.0]


def bspline(z: float, knots: Sequence[float], index: int, degree: int) -> float:
    """The Cox-de Boor recursion."""
    if degree == 0:
        last = knots[index + 1] == knots[-1] and knots[index] < knots[index + 1] and z == knots[-1]
        return 1.0 if knots[index] <= z < knots[index + 1] or last else 0.0
    total = 0.0
    span = knots[index + degree] - knots[index]
    if span > 0:
        total += (z - knots[index]) / span * bspline(z, knots, index, degree - 1)
    span = knots[index + degree + 1] - knots[index + 1]
    if span > 0:
        total += (knots[index + degree + 1] - z) / span * bspline(z, knots, index + 1, degree - 1)
    return total


def basis() -> np.ndarray:
    """Cubic splines of logit x, the ends repeated at the atoms, then the two atoms; (Q, 14)."""
    inside = [-REACH + 2 * REACH * place / (N_SPLINES - 3) for place in range(N_SPLINES - 2)]
    inside[-1] = REACH
    knots = [-REACH] * 3 + inside + [REACH] * 3
    step = 2 * REACH / (INNER - 1)
    logits = [-REACH + step * place for place in range(INNER)]
    logits[-1] = REACH
    rows = [[bspline(z, knots, j, 3) for j in range(N_SPLINES)] + [0.0, 0.0] for z in logits]
    low, high = list(rows[0]), list(rows[-1])
    low[N_SPLINES] = high[N_SPLINES + 1] = 1.0
    return np.array([low, *rows, high])


BASIS = basis()
GRID = np.array(grid())


def penalty(theta: Sequence[float], smoothing: float) -> float:
    rough = sum(
        (theta[j + 3] - 3 * theta[j + 2] + 3 * theta[j + 1] - theta[j]) ** 2
        for j in range(N_SPLINES - 3)
    )
    small = 1e-4 * sum(value**2 for value in theta[:N_SPLINES])
    atoms = 1e-3 * sum(value**2 for value in theta[N_SPLINES:])
    return 0.5 * (smoothing * rough + small + atoms)


def density_of(theta: np.ndarray) -> np.ndarray:
    logs = [sum(b * t for b, t in zip(row, theta, strict=True)) for row in BASIS]
    top = max(logs)
    raw = [math.exp(value - top) for value in logs]
    return np.array(raw) / sum(raw)


def binomial(k: float, n: float, x: float) -> float:
    ways = math.comb(int(n), int(k))
    return float(ways * x ** int(k) * (1.0 - x) ** int(n - k))


def likelihood(correct: Sequence[float], trials: Sequence[float]) -> np.ndarray:
    return np.array(
        [[binomial(k, n, x) for x in GRID] for k, n in zip(correct, trials, strict=True)]
    )


def objective(
    theta: np.ndarray, table: np.ndarray, weights: Sequence[float], smoothing: float
) -> float:
    """Penalised log-likelihood of items (or patterns) with weights."""
    g = density_of(theta)
    total = 0.0
    for row, weight in zip(table, weights, strict=True):
        total += weight * math.log(sum(p * q for p, q in zip(row, g, strict=True)))
    return total - penalty(theta, smoothing)


def gradient(
    theta: np.ndarray, table: np.ndarray, weights: Sequence[float], smoothing: float
) -> np.ndarray:
    g = density_of(theta)
    slope = np.zeros(theta.size)
    for row, weight in zip(table, weights, strict=True):
        joint = row * g
        after = joint / joint.sum()
        for x in range(GRID.size):
            slope += weight * (after[x] - g[x]) * BASIS[x]
    third = np.array(
        [theta[j + 3] - 3 * theta[j + 2] + 3 * theta[j + 1] - theta[j] for j in range(9)]
    )
    for j, value in enumerate(third):
        for offset, sign in enumerate((-1.0, 3.0, -3.0, 1.0)):
            slope[j + offset] -= smoothing * sign * value
    slope[:N_SPLINES] -= 1e-4 * theta[:N_SPLINES]
    slope[N_SPLINES:] -= 1e-3 * theta[N_SPLINES:]
    return slope


def climb(
    start: np.ndarray, table: np.ndarray, weights: Sequence[float], smoothing: float
) -> np.ndarray:
    """Maximum by a general-purpose optimiser, then Newton steps on a differenced Hessian."""
    found = optimize.minimize(
        lambda theta: -objective(theta, table, weights, smoothing),
        start,
        jac=lambda theta: -gradient(theta, table, weights, smoothing),
        method="BFGS",
        options={"gtol": 1e-7, "maxiter": 2000},
    )
    return polish(found.x, lambda theta: gradient(theta, table, weights, smoothing))


def jacobian(function: Callable[[np.ndarray], np.ndarray], at: np.ndarray) -> np.ndarray:
    """Central differences, columns by argument."""
    columns = []
    for place in range(at.size):
        step = np.zeros(at.size)
        step[place] = 1e-5 * max(1.0, abs(at[place]))
        columns.append((function(at + step) - function(at - step)) / (2 * step[place]))
    return np.column_stack(columns)


def polish(
    theta: np.ndarray, function: Callable[[np.ndarray], np.ndarray], steps: int = 4
) -> np.ndarray:
    """Newton steps towards a root."""
    slope = jacobian(function, theta)
    for _ in range(steps):
        theta = theta - np.linalg.solve(slope, function(theta))
    return theta


def theta_of(density: np.ndarray) -> np.ndarray:
    """Coefficients behind a density; the level of log g, which cancels, is set by the ridge."""
    theta, *_ = np.linalg.lstsq(BASIS, np.log(density), rcond=None)
    theta[:N_SPLINES] -= theta[:N_SPLINES].mean()
    return np.asarray(theta)


def monotone(x: float) -> list[float]:
    """The increasing functions of which the profile is made, at one x."""
    ramps = []
    for place in range(17):
        centre = -6.0 + 12.0 * place / 16
        if x in (0.0, 1.0):
            ramps.append(x)
        else:
            odds = math.exp(centre) * (1.0 - x) / x
            ramps.append(1.0 / (1.0 + odds))
    powers = [x]
    for d in POWERS[1:]:
        powers += [x**d, 1.0 - (1.0 - x) ** d]
    return [1.0, *ramps, *powers]


def roughness_rows(table: np.ndarray) -> np.ndarray:
    """Rows whose squared sum is the roughness: change of dT/dx per unit of arcsin sqrt x."""
    rows = []
    angle = [math.asin(math.sqrt(x)) for x in GRID]
    for q in range(1, GRID.size - 1):
        before = (table[q] - table[q - 1]) / (GRID[q] - GRID[q - 1])
        after = (table[q + 1] - table[q]) / (GRID[q + 1] - GRID[q])
        step = 0.5 * (angle[q + 1] + angle[q]) - 0.5 * (angle[q] + angle[q - 1])
        rows.append((after - before) / math.sqrt(step))
    return np.array(rows)
