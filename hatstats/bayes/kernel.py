"""The arithmetic of `hatstats.bayes.marginal_likelihood`, compiled once and cached on disk.

Benchmarks are stacked under one another: `starts` says where the rows of each begin.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Stacked(NamedTuple):
    """Benchmarks in the eigenbases of their cells' errors, C cells and M models in all.

    Attributes
    ----------
    values : ndarray, shape (C,)
        Variances of the cells' errors given the sources' errors.
    outcome : ndarray, shape (C,)
    fixed, by_line : ndarray, shape (C, q_max)
        Loadings of the rows of a benchmark: those that stay, and those that beta multiplies.
    source : ndarray, shape (M,)
    precision : ndarray, shape (M, M_max)
        Inverse covariances of the sources' errors.
    log_det : float
        Of all the sources' errors.
    centre : ndarray, shape (B,)
    starts : ndarray of int, shape (B + 1, 3)
        First cell, first model and first row of each benchmark.
    """

    values: Floats
    outcome: Floats
    fixed: Floats
    by_line: Floats
    source: Floats
    precision: Floats
    log_det: float
    centre: Floats
    starts: Ints


class Solution(NamedTuple):
    """Everything about the effects given the scales, with derivatives.

    Attributes
    ----------
    value : float
        Log marginal likelihood.
    mean : ndarray, shape (n,)
        Posterior mean of the standardised effects.
    by_effect : ndarray, shape (n,)
        Derivative with respect to the standard deviation of each effect.
    by_cell : float
        Derivative with respect to the cells' standard deviation.
    slopes : ndarray, shape (B,)
        Derivative with respect to beta.
    left : ndarray, shape (q,)
        Derivative with respect to the rows.
    spent : ndarray, shape (q, q)
        ``G (1 + M G)^-1``, M the prior covariance of the rows and G what the data say of them.
    """

    value: float
    mean: Floats
    by_effect: Floats
    by_cell: float
    slopes: Floats
    left: Floats
    spent: Floats


class Reduced(NamedTuple):
    """What the data say of the rows, before any prior.

    Attributes
    ----------
    gram : ndarray, shape (q, q)
    linear : ndarray, shape (q,)
    constant : float
        Quadratic form of the outcomes plus log determinant of their errors' covariance.
    total, outcome : ndarray, shape (C,)
        Variances with those of cells; outcomes at these slopes.
    load : ndarray, shape (C, q_max)
    """

    gram: Floats
    linear: Floats
    constant: float
    total: Floats
    outcome: Floats
    load: Floats


class Factor(NamedTuple):
    """The standardised effects' posterior, given the scales, without derivatives.

    Attributes
    ----------
    value : float
        Log marginal likelihood.
    root : ndarray, shape (n, n)
        Lower Cholesky factor of the posterior precision ``1 + S' G S``.
    pulled : ndarray, shape (n,)
        ``root^-1`` times the precision times the posterior mean.
    """

    value: float
    root: Floats
    pulled: Floats


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def reduce_rows(stacked: Stacked, size: int, cell: float, slopes: Floats) -> Reduced:
    """Sum the data up over cells, for `size` rows."""
    gram = np.zeros((size, size))
    linear = np.zeros(size)
    total = stacked.values + cell * cell
    load = np.empty_like(stacked.fixed)
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
                load[c, r] = stacked.fixed[c, r] + beta * stacked.by_line[c, r]
                shift += stacked.by_line[c, r]
            outcome[c] += beta * stacked.centre[b] * shift
        part = np.ascontiguousarray(load[c0:c1, :rows])
        weighted = part / total[c0:c1].copy().reshape(-1, 1)
        gram[r0:r1, r0:r1] += part.T @ weighted
        linear[r0:r1] += weighted.T @ outcome[c0:c1]
        precision = np.ascontiguousarray(stacked.precision[m0:m1, :models])
        gram[r0 : r0 + models, r0 : r0 + models] += precision
        pulled = precision @ stacked.source[m0:m1]
        linear[r0 : r0 + models] += pulled
        constant += stacked.source[m0:m1] @ pulled
    constant += (outcome * outcome / total).sum()
    constant += np.log(total).sum() + stacked.log_det
    return Reduced(gram, linear, constant, total, outcome, load)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def factor(
    stacked: Stacked,
    matrix: Floats,
    deviations: Floats,
    prior_mean: Floats,
    cell: float,
    slopes: Floats,
) -> Factor:
    """Integrate the effects out without derivatives; arguments as for `solve`."""
    data = reduce_rows(stacked, matrix.shape[0], cell, slopes)
    scaled = matrix * deviations
    offset = matrix @ prior_mean
    drive = data.linear - data.gram @ offset
    # A row is a sum of few effects, and G is by benchmark: most products are with 0.
    width = scaled.shape[1]
    precision = np.eye(width)
    for b in range(slopes.size):
        r0, r1 = stacked.starts[b, 2], stacked.starts[b + 1, 2]
        spread = np.zeros((r1 - r0, width))
        for r in range(r0, r1):
            for j in range(width):
                if scaled[r, j] != 0.0:
                    for i in range(r0, r1):
                        spread[i - r0, j] += data.gram[i, r] * scaled[r, j]
        for r in range(r0, r1):
            for j in range(width):
                if scaled[r, j] != 0.0:
                    precision[j] += scaled[r, j] * spread[r - r0]
    root = np.linalg.cholesky(precision)
    pulled = scaled.T @ drive
    total = data.constant - offset @ (data.linear + drive)
    for i in range(pulled.size):
        for j in range(i):
            pulled[i] -= root[i, j] * pulled[j]
        pulled[i] /= root[i, i]
        total += 2.0 * np.log(root[i, i]) - pulled[i] * pulled[i]
    number = data.total.size + stacked.source.size
    return Factor(-0.5 * (number * np.log(2.0 * np.pi) + total), root, pulled)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def solve(
    stacked: Stacked,
    matrix: Floats,
    deviations: Floats,
    prior_mean: Floats,
    cell: float,
    slopes: Floats,
) -> Solution:
    """Integrate the effects out.

    Parameters
    ----------
    stacked : Stacked
    matrix : ndarray, shape (q, n)
        Rows as sums of effects.
    deviations, prior_mean : ndarray, shape (n,)
    cell : float
    slopes : ndarray, shape (B,)

    Returns
    -------
    Solution
    """
    size, width = matrix.shape
    count = slopes.size
    scaled = matrix * deviations
    gram, linear, constant, total, outcome, load = reduce_rows(stacked, size, cell, slopes)
    offset = matrix @ prior_mean
    moved_gram = gram @ offset
    constant += offset @ moved_gram - 2.0 * (linear @ offset)
    drive = linear - moved_gram
    # Rows have prior covariance M: their posterior covariance is M (1 + G M)^-1.
    prior = scaled @ scaled.T
    capacity = gram @ prior
    for r in range(size):
        capacity[r, r] += 1.0
    inverse = np.linalg.inv(capacity)
    constant += np.linalg.slogdet(capacity)[1]
    cov = prior @ inverse
    pulled_rows = cov @ drive
    number = total.size + stacked.source.size
    value = -0.5 * (number * np.log(2.0 * np.pi) + constant - drive @ pulled_rows)

    rows_mean = offset + pulled_rows
    left = linear - gram @ rows_mean
    mean = scaled.T @ left
    spent = inverse @ gram
    by_effect = (matrix.T @ left) * mean
    spent_matrix = spent @ matrix
    for j in range(width):
        removed = 0.0
        for r in range(size):
            removed += matrix[r, j] * spent_matrix[r, j]
        by_effect[j] -= deviations[j] * removed
    by_cell = 0.0
    by_slope = np.zeros(count)
    for b in range(count):
        c0, _, r0 = stacked.starts[b]
        c1, _, r1 = stacked.starts[b + 1]
        rows = r1 - r0
        part = np.ascontiguousarray(load[c0:c1, :rows])
        here = rows_mean[r0:r1]
        residual = outcome[c0:c1] - part @ here
        spread = part @ np.ascontiguousarray(cov[r0:r1, r0:r1])
        line = np.ascontiguousarray(stacked.by_line[c0:c1, :rows])
        for c in range(c1 - c0):
            weight = 1.0 / total[c0 + c]
            second = residual[c] * residual[c]
            along, across = 0.0, 0.0
            for r in range(rows):
                second += spread[c, r] * part[c, r]
                along += line[c, r] * (here[r] - stacked.centre[b])
                across += spread[c, r] * line[c, r]
            by_cell += weight * weight * second - weight
            by_slope[b] += weight * (residual[c] * along - across)
    return Solution(value, mean, by_effect, cell * by_cell, by_slope, left, spent)
