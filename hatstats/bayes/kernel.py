"""Log marginal likelihood of stacked cell estimates and its derivatives, compiled by numba.

Benchmarks are stacked; `starts` holds the first cell, model and row of each. A *row* is a sum of
effects (see `hatstats.bayes.effects`); the data enter through a quadratic form in the rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Stacked(NamedTuple):
    """Estimates of all benchmarks in the eigenbases of their errors: C cells, M models in all."""

    variances: Floats  # (C,) variances of the cells' errors given the sources' errors
    outcome: Floats  # (C,) rotated target logits less what the sources' errors predict
    # fixed, by_line: (C, q_max) loadings on the rows of the benchmark: constant, and multiplied by
    # the slope of the line
    fixed: Floats
    by_line: Floats
    source: Floats  # (M,) source logits
    precision: Floats  # (M, M_max) inverse covariances of the sources' errors
    log_det: Floats  # () log determinant of the covariance of all the sources' errors
    centre: Floats  # (B,) reference source logit of each line
    starts: Ints  # (B + 1, 3) first cell, first model and first row of each benchmark


class Solution(NamedTuple):
    """Log marginal likelihood and its derivatives."""

    value: float
    by_deviation: Floats  # (n,) with respect to the standard deviation of each effect
    by_cell: float  # with respect to the standard deviation of a cell's residual
    by_slope: Floats  # (B,) with respect to the slope of each benchmark's line


class Reduced(NamedTuple):
    """Quadratic form of the data in the rows: ``rows' gram rows - 2 linear' rows + constant``."""

    gram: Floats  # (q, q)
    linear: Floats  # (q,)
    constant: float  # includes the log determinant of the errors' covariance
    # total, outcome: (C,) variances with that of the cells' residuals; outcomes at these slopes
    total: Floats
    outcome: Floats
    loading: Floats  # (C, q_max)


class Factor(NamedTuple):
    """Posterior of the standardised effects given the scales, as a Cholesky factor."""

    value: float  # log marginal likelihood
    root: Floats  # (n, n) lower Cholesky factor of the posterior precision ``1 + S' G S``
    whitened: Floats  # (n,) ``root' mean``, `mean` the posterior mean
    total: Floats  # total, outcome, loading: as in `Reduced`
    outcome: Floats
    loading: Floats


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def product(left: Floats, right: Floats) -> Floats:
    """Matrix product that skips zeros of `left` where most entries are zero.

    A row is a sum of few effects, and independent errors leave a cell few rows to depend on.
    """
    left, right = np.ascontiguousarray(left), np.ascontiguousarray(right)
    used = 0
    for value in left.flat:
        used += value != 0.0
    if 8 * used > left.size:
        return left @ right
    out = np.zeros((left.shape[0], right.shape[1]))
    for i in range(left.shape[0]):
        for j in range(left.shape[1]):
            value = left[i, j]
            if value != 0.0:
                for k in range(right.shape[1]):
                    out[i, k] += value * right[j, k]
    return out


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def reduce_rows(stacked: Stacked, size: int, cell: float, slopes: Floats) -> Reduced:
    """Sum over cells: the quadratic form in `size` rows."""
    gram = np.zeros((size, size))
    linear = np.zeros(size)
    total = stacked.variances + cell * cell
    loading = np.empty_like(stacked.fixed)
    outcome = stacked.outcome.copy()
    constant: Any = 0.0
    for b in range(slopes.size):
        c0, m0, r0 = stacked.starts[b]
        c1, m1, r1 = stacked.starts[b + 1]
        models, rows = m1 - m0, r1 - r0
        beta = slopes[b]
        for c in range(c0, c1):
            shift: Any = 0.0
            for r in range(rows):
                loading[c, r] = stacked.fixed[c, r] + beta * stacked.by_line[c, r]
                shift += stacked.by_line[c, r]
            outcome[c] += beta * stacked.centre[b] * shift
        part = np.ascontiguousarray(loading[c0:c1, :rows])
        weighted = part / total[c0:c1].copy().reshape(-1, 1)
        gram[r0:r1, r0:r1] += product(part.T, weighted)
        linear[r0:r1] += weighted.T @ outcome[c0:c1]
        precision = np.ascontiguousarray(stacked.precision[m0:m1, :models])
        source = np.ascontiguousarray(stacked.source[m0:m1])
        gram[r0 : r0 + models, r0 : r0 + models] += precision
        weighted_source = precision @ source
        linear[r0 : r0 + models] += weighted_source
        constant += source @ weighted_source
    constant += (outcome * outcome / total).sum()
    constant += np.log(total).sum() + stacked.log_det.item()
    return Reduced(gram, linear, constant, total, outcome, loading)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def factor(
    stacked: Stacked, matrix: Floats, deviations: Floats, cell: float, slopes: Floats
) -> Factor:
    """Integrate the effects out without derivatives; arguments as for `solve`."""
    data = reduce_rows(stacked, matrix.shape[0], cell, slopes)
    scaled = matrix * deviations
    precision = np.eye(scaled.shape[1])
    for b in range(slopes.size):
        r0, r1 = stacked.starts[b, 2], stacked.starts[b + 1, 2]
        precision += product(scaled[r0:r1].T, product(data.gram[r0:r1, r0:r1], scaled[r0:r1]))
    root = np.linalg.cholesky(precision)
    whitened = scaled.T @ data.linear
    total = data.constant
    for i in range(whitened.size):
        for j in range(i):
            whitened[i] -= root[i, j] * whitened[j]
        whitened[i] /= root[i, i]
        total += 2.0 * np.log(root[i, i]) - whitened[i] * whitened[i]
    number = data.total.size + stacked.source.size
    value = -0.5 * (number * np.log(2.0 * np.pi) + total)
    return Factor(value, root, whitened, data.total, data.outcome, data.loading)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def solve(
    stacked: Stacked, matrix: Floats, deviations: Floats, cell: float, slopes: Floats
) -> Solution:
    """Integrate the effects out, with derivatives.

    `matrix` (q, n): rows as sums of effects; `deviations` (n,): prior standard deviation of each
    effect; `cell`: standard deviation of a cell's residual; `slopes` (B,): slope of each
    benchmark's line; 0 where items are known.
    """
    size = len(matrix)
    scaled = matrix * deviations
    gram, linear, constant, total, outcome, loading = reduce_rows(stacked, size, cell, slopes)
    # Rows have prior covariance P; their posterior covariance is P (1 + G P)^-1. The quadratic form
    # G is by benchmark.
    prior = product(scaled, scaled.T)
    capacity = np.eye(size)
    for b in range(slopes.size):
        r0, r1 = stacked.starts[b, 2], stacked.starts[b + 1, 2]
        capacity[r0:r1] += product(gram[r0:r1, r0:r1], prior[r0:r1])
    inverse = np.linalg.inv(capacity)
    constant += np.linalg.slogdet(capacity)[1]
    rows_mean = prior @ (inverse @ linear)
    number = total.size + stacked.source.size
    value = -0.5 * (number * np.log(2.0 * np.pi) + constant - linear @ rows_mean)

    score = linear - gram @ rows_mean
    mean = scaled.T @ score
    # (1 + G P)^-1 G is symmetric; its rows are computed by benchmark.
    weight_matrix = np.empty((size, size))
    for b in range(slopes.size):
        r0, r1 = stacked.starts[b, 2], stacked.starts[b + 1, 2]
        weight_matrix[r0:r1] = product(gram[r0:r1, r0:r1], inverse[:, r0:r1].T)
    information = product(matrix.T, weight_matrix).T
    by_deviation = (matrix.T @ score) * mean - deviations * (matrix * information).sum(axis=0)
    by_cell: Any = 0.0
    by_slope = np.zeros(slopes.size)
    for b in range(slopes.size):
        c0, _, r0 = stacked.starts[b]
        c1, _, r1 = stacked.starts[b + 1]
        rows = r1 - r0
        part = np.ascontiguousarray(loading[c0:c1, :rows])
        level = rows_mean[r0:r1]
        residual = outcome[c0:c1] - part @ level
        cov = product(scaled[r0:r1], product(scaled.T, inverse[:, r0:r1]))
        spread = product(part, cov)
        line = np.ascontiguousarray(stacked.by_line[c0:c1, :rows])
        for c in range(c1 - c0):
            weight = 1.0 / total[c0 + c]
            second = residual[c] * residual[c]
            along, across = 0.0, 0.0
            for r in range(rows):
                second += spread[c, r] * part[c, r]
                along += line[c, r] * (level[r] - stacked.centre[b])
                across += spread[c, r] * line[c, r]
            by_cell += weight * weight * second - weight
            by_slope[b] += weight * (residual[c] * along - across)
    return Solution(value, by_deviation, cell * by_cell, by_slope)
