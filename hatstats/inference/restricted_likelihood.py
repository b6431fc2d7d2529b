r"""The restricted likelihood of a Gaussian model with known covariance plus grouped effects.

With ``S(tau2) = V + sum_k tau2_k Z_k Z_k'`` and ``P = S^-1 - S^-1 X (X'S^-1 X)^-1 X'S^-1``,

.. math:: \ell(\tau^2) = -\tfrac{n-k}{2}\log 2\pi + \tfrac12\log|X'X| - \tfrac12\log|S|
          - \tfrac12\log|X'S^{-1}X| - \tfrac12 y'Py

(metafor's constant). Score ``(|Z_k'Py|^2 - tr Z_k'PZ_k)/2``, expected information
``tr(PZ_kZ_k'PZ_lZ_l')/2``, observed information ``y'PZ_kZ_k'PZ_lZ_l'Py`` less the expected one
(Harville 1977, Journal of the American Statistical Association 72, 320-338).

The climb takes Newton steps where the observed information is positive definite and scoring steps
elsewhere, projected on ``tau2 >= 0`` and halved until they gain. It starts from several places:
with few groups the surface can have more than one peak, one of them at zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

from hatstats.errors import FitError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

_MAX_STEPS = 100
_MAX_HALVINGS = 30
# A Newton decrement is about twice the log-likelihood still to be gained; after one below this
# comes a last step, which squares the error once more.
_DECREMENT = 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Validated input of a restricted likelihood.

    Attributes
    ----------
    y, X, V : ndarray, shapes (n,), (n, k), (n, n)
        Outcome, full-rank design, known covariance.
    codes : tuple of ndarray, each (n,)
        Integer codes 0, 1, ... of each grouping.
    shared : tuple of ndarray, each (n, n)
        ``Z_k Z_k'``: 1 where two rows share a group.
    constant : float
        Terms of the log-likelihood that do not depend on tau2.
    """

    y: FloatArray
    X: FloatArray
    V: FloatArray
    codes: tuple[IntArray, ...]
    shared: tuple[FloatArray, ...]
    constant: float


def make_problem(
    y: FloatArray, X: FloatArray, V: FloatArray, codes: tuple[IntArray, ...]
) -> Problem:
    """Prepare the parts that every evaluation shares."""
    n, k = X.shape
    shared = tuple((code[:, None] == code[None, :]).astype(np.float64) for code in codes)
    constant = -0.5 * (n - k) * np.log(2 * np.pi) + 0.5 * np.linalg.slogdet(X.T @ X)[1]
    return Problem(y, X, V, codes, shared, float(constant))


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """Generalised least squares at one covariance, through ``S = L L'`` and ``L^-1 X = Q R``."""

    lower: FloatArray
    basis: FloatArray
    triangle: FloatArray
    params: FloatArray
    whitened: FloatArray  # L^-1 (y - X params)


def factorise(S: FloatArray, y: FloatArray, X: FloatArray) -> Factor:
    """Whiten by the Cholesky factor and regress; raises LinAlgError when ``S`` is singular."""
    lower = linalg.cholesky(S, lower=True, check_finite=False)
    white = linalg.solve_triangular(lower, np.column_stack([X, y]), lower=True, check_finite=False)
    basis, triangle = np.linalg.qr(white[:, :-1])
    coordinates = basis.T @ white[:, -1]
    params = linalg.solve_triangular(triangle, coordinates, check_finite=False)
    return Factor(lower, basis, triangle, params, white[:, -1] - basis @ coordinates)


def marginal(problem: Problem, tau2: FloatArray) -> FloatArray:
    """``S`` at the given components."""
    S = problem.V.copy()
    for value, shared in zip(tau2, problem.shared, strict=True):
        if value > 0:
            S += value * shared
    return S


@dataclass(frozen=True, slots=True, eq=False)
class _Point:
    """The likelihood at one value of the components, with what its slope needs."""

    tau2: FloatArray
    loglik: float
    factor: Factor


def _evaluate(problem: Problem, tau2: FloatArray) -> _Point | None:
    """Likelihood at ``tau2``; None where ``S`` is singular."""
    try:
        factor = factorise(marginal(problem, tau2), problem.y, problem.X)
    except linalg.LinAlgError:
        return None
    logdet = np.log(np.diag(factor.lower)).sum() + np.log(np.abs(np.diag(factor.triangle))).sum()
    loglik = float(problem.constant - logdet - 0.5 * factor.whitened @ factor.whitened)
    return _Point(tau2, loglik, factor) if np.isfinite(loglik) else None


def loglik_at(problem: Problem, tau2: FloatArray) -> float:
    """Restricted log-likelihood; ``-inf`` where ``S`` is singular."""
    point = _evaluate(problem, tau2)
    return -np.inf if point is None else point.loglik


def inverse(factor: Factor) -> FloatArray:
    """``S^-1`` from its Cholesky factor."""
    half, info = linalg.lapack.dpotri(factor.lower, lower=1)
    if info != 0:
        raise linalg.LinAlgError("inverse of a singular matrix")
    result: FloatArray = np.tril(half) + np.tril(half, -1).T
    return result


def projection(factor: Factor) -> FloatArray:
    """``P`` of the module's formula."""
    tail = linalg.solve_triangular(
        factor.lower, factor.basis, lower=True, trans="T", check_finite=False
    )
    result: FloatArray = inverse(factor) - tail @ tail.T
    return result


def group_sums(matrix: FloatArray, code: IntArray) -> FloatArray:
    """``Z' matrix`` without forming ``Z``: rows of equal code added up."""
    order = np.argsort(code, kind="stable")
    starts = np.flatnonzero(np.diff(code[order], prepend=-1))
    result: FloatArray = np.add.reduceat(matrix[order], starts, axis=0)
    return result


def cross_products(
    P: FloatArray, codes: tuple[IntArray, ...]
) -> tuple[FloatArray, list[list[FloatArray]]]:
    """``tr(Z_k Z_k' P Z_l Z_l' P)`` for all pairs (K, K), and the blocks ``Z_k' P Z_l``."""
    rows = [group_sums(P, code) for code in codes]
    blocks = [[group_sums(row.T, code).T for code in codes] for row in rows]
    traces = np.array([[float((block**2).sum()) for block in line] for line in blocks])
    return traces, blocks


@dataclass(frozen=True, slots=True, eq=False)
class _Slope:
    score: FloatArray
    expected: FloatArray
    observed: FloatArray


def _slope(problem: Problem, factor: Factor) -> _Slope:
    Py = linalg.solve_triangular(
        factor.lower, factor.whitened, lower=True, trans="T", check_finite=False
    )
    traces, blocks = cross_products(projection(factor), problem.codes)
    sums = [np.bincount(code, weights=Py) for code in problem.codes]
    score = np.array([0.5 * (s @ s - np.trace(blocks[k][k])) for k, s in enumerate(sums)])
    quadratic = np.array(
        [[a @ blocks[k][m] @ b for m, b in enumerate(sums)] for k, a in enumerate(sums)]
    )
    return _Slope(score, 0.5 * traces, quadratic - 0.5 * traces)


@dataclass(frozen=True, slots=True, eq=False)
class Peak:
    """Where a climb ended."""

    tau2: FloatArray
    loglik: float
    n_iter: int


def maximise(problem: Problem) -> Peak:
    """Highest peak of the restricted likelihood on ``tau2 >= 0``.

    Raises
    ------
    FitError
        No climb ended where the conditions of a maximum hold.
    """
    peaks: list[Peak] = []
    for start in _starts(problem):
        peak = _climb(problem, start, peaks) or _climb(problem, _search(problem, start), peaks)
        if peak is not None and peak not in peaks:
            peaks.append(peak)
    if not peaks:
        raise FitError(
            "the restricted likelihood has no maximum that a climb could reach; rows may be fitted "
            "without error, so that it grows without bound as a variance component goes to zero"
        )
    return max(peaks, key=lambda peak: peak.loglik)


def residual_scale(problem: Problem) -> float:
    """Residual variance of ordinary least squares, the natural unit of tau2."""
    basis = np.linalg.qr(problem.X)[0]
    residual = problem.y - basis @ (basis.T @ problem.y)
    freedom: int = max(len(basis) - basis.shape[1], 1)
    return float(residual @ residual) / freedom


def _starts(problem: Problem) -> list[FloatArray]:
    """Summits along rays from the origin: one ray per component, and one through the middle.

    Points along a ray are spaced evenly in the logarithm, from far below the smallest sampling
    variance to above the largest: a peak can sit at the scale of any of them.
    """
    count = len(problem.codes)
    known = np.diag(problem.V)
    largest = max(residual_scale(problem), float(known.max())) or 1.0
    smallest = float(known.min(initial=largest, where=known > 0))
    low = np.clip(0.03 * smallest, 1e-8 * largest, 1e-3 * largest)
    steps = 4 + int(np.ceil(2 * np.log10(largest / low)))
    sizes = np.concatenate([[0.0], np.geomspace(low, 3.0 * largest, steps)])
    directions = [*np.eye(count)] + ([np.full(count, 1.0 / count)] if count > 1 else [])
    starts: list[FloatArray] = []
    for direction in directions:
        # A little of every component, so that none but the origin starts at the edge.
        ray = [size * (0.97 * direction + 0.03 / count) for size in sizes]
        heights = np.array([loglik_at(problem, point) for point in ray])
        padded = np.concatenate([[-np.inf], heights, [-np.inf]])
        summits = (heights >= padded[:-2]) & (heights > padded[2:])
        starts += [point for point, summit in zip(ray, summits, strict=True) if summit]
    return starts


def _climb(problem: Problem, start: FloatArray, known: list[Peak]) -> Peak | None:
    """Climb from one start; a peak already known ends the climb; None when it fails."""
    point = _evaluate(problem, start)
    unit = max(residual_scale(problem), float(np.diag(problem.V).mean()))
    for step_number in range(1, _MAX_STEPS + 1):
        if point is None:
            return None
        for peak in known:
            if np.allclose(point.tau2, peak.tau2, rtol=1e-3, atol=1e-5 * unit):
                return peak
        slope = _slope(problem, point.factor)
        free = (point.tau2 > 0) | (slope.score > 0)
        if not free.any():
            return Peak(point.tau2, point.loglik, step_number)
        direction, newton = _direction(slope, free)
        if newton and slope.score @ direction < _DECREMENT:
            # So close that rounding hides the gain: take the full step unasked.
            last = _evaluate(problem, np.maximum(point.tau2 + direction, 0.0))
            if last is not None and ((last.tau2 > 0) == (point.tau2 > 0)).all():
                return Peak(last.tau2, last.loglik, step_number)
            point = last
        else:
            point = _step(problem, point, direction, slope)
    return None


def _direction(slope: _Slope, free: NDArray[np.bool_]) -> tuple[FloatArray, bool]:
    """Newton direction on the free components, or the scoring one; and which it is."""
    direction = np.zeros(len(free))
    pick = np.ix_(free, free)
    for information, newton in ((slope.observed, True), (slope.expected, False)):
        try:
            factor = linalg.cho_factor(information[pick], check_finite=False)
        except linalg.LinAlgError:
            continue
        direction[free] = linalg.cho_solve(factor, slope.score[free], check_finite=False)
        return direction, newton
    direction[free] = slope.score[free] / np.diag(slope.expected)[free]
    return direction, False


def _step(problem: Problem, point: _Point, direction: FloatArray, slope: _Slope) -> _Point | None:
    """Longest halved step along the projected direction that gains; None when none does."""
    uphill = np.where(direction != 0, slope.score / np.diag(slope.expected), 0.0)
    for way in (direction, uphill):
        size = 1.0
        for _ in range(_MAX_HALVINGS):
            tau2 = np.maximum(point.tau2 + size * way, 0.0)
            predicted = float(slope.score @ (tau2 - point.tau2))
            if predicted <= 0:
                break
            trial = _evaluate(problem, tau2)
            if trial is not None and trial.loglik >= point.loglik + 1e-4 * predicted:
                return trial
            size *= 0.5
    return None


def _search(problem: Problem, start: FloatArray) -> FloatArray:
    """Bounded quasi-Newton search, for starts from which the climb fails."""
    unit = residual_scale(problem) or 1.0
    floor = loglik_at(problem, start) - 1e6

    def loss(scaled: FloatArray) -> float:
        return -max(loglik_at(problem, scaled * unit), floor)

    found = optimize.minimize(
        loss, start / unit, method="L-BFGS-B", bounds=[(0.0, None)] * len(start)
    )
    result: FloatArray = np.asarray(found.x, dtype=np.float64) * unit
    return result
