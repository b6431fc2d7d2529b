r"""Permutation test of one coefficient that keeps the structure of clusters.

Under the null, with a random effect per cluster and exchangeable errors, outcomes keep their joint
distribution when rows are permuted within a cluster, and when whole clusters of equal size are
exchanged. Only those permutations are used: with families of unequal size a free shuffle of models
would break the dependence within families.

The residuals of the restricted fit are permuted (Freedman and Lane 1983, Journal of Business and
Economic Statistics 1, 292-298): exact where the constant is the only other column, approximate
otherwise. The statistic is studentised by CR1 over the clusters. Up to 20,000 permutations are
enumerated; otherwise they are drawn, and the data count as a draw.

Sources
-------
Winkler et al. (2015), NeuroImage 123, 253-268 (blocks exchangeable within and as wholes).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hatstats.errors import DataError
from hatstats.inference.arrays import Floats, Ints
from hatstats.inference.validation import cluster_codes, design_matrix, finite_array

ENUMERATED = 20_000
# Statistics this close, relatively, are ties: rounding must not decide.
_TIE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class PermutationTest:
    """A test of one coefficient by permutation within clusters and of clusters of equal size.

    `statistic` is the least-squares coefficient `estimate` over its CR1 standard error; `p_value`
    is two-sided, ties counted, NaN with a reason where the test does not apply; `floor` is the
    smallest that the permutations allow; `draws` (n_draws,) are the statistics of the permutations.
    """

    estimate: float
    statistic: float
    p_value: float
    floor: float
    enumerated: bool
    n_draws: int
    draws: Floats
    reason: str


def permutation_test(
    y: Any,
    X: Any,
    clusters: Any,
    *,
    column: int,
    n_draws: int = 9_999,
    rng: np.random.Generator | int | None = None,
) -> PermutationTest:
    """Test that the coefficient of one column of ordinary least squares is zero.

    `y` (n,) is regressed on `X` (n, k), of full column rank, constant included, with labels of
    `clusters` (n,). `n_draws` permutations are drawn where there are too many to enumerate.
    """
    X = design_matrix(X)
    n, k = X.shape
    y = finite_array("y", y, (n,))
    codes = cluster_codes(clusters, n)[1]
    if not 0 <= column < k:
        raise DataError(f"the design has {k} columns", column="column", value=column)
    if n_draws < 1:
        raise DataError("n_draws must be at least 1", value=n_draws)
    enumerated = group_size(codes) <= ENUMERATED
    generator = np.random.default_rng(rng)
    order = (
        np.array(list(_all_orders(codes)))
        if enumerated
        else _drawn_orders(codes, n_draws, generator)
    )
    others = np.delete(X, column, axis=1)
    residual = y - others @ np.linalg.lstsq(others, y)[0] if k > 1 else y
    E = np.linalg.inv(X.T @ X) @ X.T
    member = (codes == np.arange(codes.max() + 1)[:, None]).astype(np.float64)

    def statistics(outcomes: Floats) -> Floats:
        """Studentised coefficients (m,) of outcomes (m, n)."""
        slope = outcomes @ E[column]
        residuals = outcomes - (outcomes @ E.T) @ X.T
        scores = (residuals * E[column]) @ member.T
        count = len(member)
        error = np.sqrt(count / (count - 1) * (scores**2).sum(axis=1))
        zero = error <= 1e-12 * np.linalg.norm(outcomes, axis=1) * np.linalg.norm(E[column])
        t: Floats = np.divide(slope, error, out=np.full(error.shape, np.nan), where=~zero)
        return t

    observed = float(statistics(residual[None])[0])
    draws = statistics(residual[order])
    slack = _TIE * max(abs(observed), 1e-300)
    # A draw without variance counts as extreme.
    extreme = np.isnan(draws) | (np.abs(draws) >= abs(observed) - slack)
    extra = 0 if enumerated else 1
    p_value = (int(extreme.sum()) + extra) / (len(draws) + extra)
    reason = ""
    if np.isnan(observed):
        reason = "the clusters show no variance of the coefficient"
    elif np.ptp(np.nan_to_num(draws)) <= slack:
        reason = "no permutation within families, or of families of equal size, moves the term"
    ties = np.isclose(np.abs(draws), abs(observed), rtol=_TIE, atol=0.0)
    return PermutationTest(
        estimate=float(E[column] @ y),
        statistic=np.nan if reason else observed,
        p_value=np.nan if reason else p_value,
        floor=float(ties.mean()) if enumerated else 1.0 / (len(draws) + 1),
        enumerated=enumerated,
        n_draws=len(draws),
        draws=draws,
        reason=reason,
    )


def group_size(codes: Ints) -> int:
    """Number of permutations within clusters and of clusters of equal size."""
    sizes = np.bincount(codes)
    within = math.prod(math.factorial(int(size)) for size in sizes)
    between = math.prod(math.factorial(int(times)) for times in np.bincount(sizes))
    return within * between


def _rows(codes: Ints) -> list[Ints]:
    """Row numbers of each cluster."""
    return [np.flatnonzero(codes == cluster) for cluster in range(int(codes.max()) + 1)]


def _all_orders(codes: Ints) -> Iterator[Ints]:
    """All permutations of the rows, each (n,), the identity first."""
    rows = _rows(codes)
    by_size: dict[int, list[int]] = {}
    for cluster, row in enumerate(rows):
        by_size.setdefault(row.size, []).append(cluster)
    exchanges = itertools.product(*(itertools.permutations(each) for each in by_size.values()))
    clusters = [cluster for each in by_size.values() for cluster in each]
    for exchange in exchanges:
        source = dict(zip(clusters, itertools.chain(*exchange), strict=True))
        inner = (itertools.permutations(rows[source[cluster]]) for cluster in range(len(rows)))
        for chosen in itertools.product(*inner):
            order = np.empty(codes.size, dtype=np.intp)
            for row, taken in zip(rows, chosen, strict=True):
                order[row] = taken
            yield order


def _drawn_orders(codes: Ints, n_draws: int, rng: np.random.Generator) -> Ints:
    """Random permutations of the rows, (n_draws, n)."""
    rows = _rows(codes)
    order = np.empty((n_draws, codes.size), dtype=np.intp)
    sizes = np.array([row.size for row in rows])
    for draw in range(n_draws):
        source = np.arange(len(rows))
        for size in np.unique(sizes):
            same = np.flatnonzero(sizes == size)
            source[same] = rng.permutation(same)
        for cluster, row in enumerate(rows):
            order[draw, row] = rng.permutation(rows[source[cluster]])
    return order
