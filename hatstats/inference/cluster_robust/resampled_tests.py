r"""Tests of one coefficient from few clusters by resampling: wild bootstrap and permutation.

**Wild cluster bootstrap.** Null-imposed and studentised by CR1 ("WCR"): refit under
``c'b = null``, multiply each cluster's restricted residuals by a random weight, refit, and compare
the studentised contrast with those of all draws. Rademacher weights (-1 or 1) of up to 12 clusters
are enumerated: p is then exact, and, as the data are among the draws, never below ``2 / 2^G``. With
``E = (X'WX)^-1 X'W``, restricted residuals u and weights v (G,), the contrast's deviation is
``a'v`` with ``a_g = c'E_g u_g``, its CR1 variance ``G / (G - 1) |B v|^2`` with
``B_gh = c'E_g (I - X E)_gh u_h``.

**Permutation.** Under the null, with a random effect per cluster and exchangeable errors, rows may
be permuted within a cluster, and whole clusters of equal size exchanged. The residuals of the
restricted fit are permuted (Freedman and Lane 1983, Journal of Business and Economic Statistics 1,
292-298): exact where the constant is the only other column. Up to 20,000 are enumerated; of more
some are drawn, and the data count as a draw.

Sources
-------
Cameron, Gelbach and Miller (2008), Review of Economics and Statistics 90, 414-427.
Roodman, Nielsen, MacKinnon and Webb (2019), Stata Journal 19, 4-60.
MacKinnon, Nielsen and Webb (2023), Journal of Econometrics 232, 272-299 (arXiv 2205.03285).
Webb (2023), Canadian Journal of Economics 56, 839-858 (six-point weights).
Winkler et al. (2015), NeuroImage 123, 253-268 (blocks exchangeable within and as wholes).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from hatstats.errors import DataError
from hatstats.inference.arrays import Floats, Ints
from hatstats.inference.cluster_robust.leverage import sole_clusters
from hatstats.inference.intervals import check_level
from hatstats.inference.linalg import least_squares
from hatstats.inference.validation import (
    cluster_codes,
    design_matrix,
    finite_array,
    symmetric_matrix,
)

WeightKind = Literal["rademacher", "webb"]

ENUMERATED_CLUSTERS, ENUMERATED_PERMUTATIONS = 12, 20_000
_WEBB = np.sqrt(np.array([1.5, 1.0, 0.5]))
# Draws this close to the observed statistic, relatively, are ties: rounding must not decide.
_TIE = 1e-9
# A standard error this small relative to the size of its parts is zero up to rounding.
_ZERO = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class ResampledTest:
    """A two-sided test that a coefficient or contrast is 0, with draws of its statistic.

    `statistic` is `estimate` over its CR1 standard error; `p_value` is the share of draws at least
    as far from zero, ties included, never 0; `floor` is the smallest that the clusters or draws
    allow. `draws` (n_draws,) are studentised, all that are possible if `enumerated`. NaN with a
    `reason` where the test does not apply.
    """

    estimate: float
    statistic: float
    p_value: float
    floor: float
    draws: Floats
    enumerated: bool
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class WildBootstrap(ResampledTest):
    """A wild cluster bootstrap test of ``c'b = 0``; `scores` test other nulls."""

    std_error: float
    scores: ClusterScores

    def conf_int(self, conf_level: float = 0.95) -> tuple[float, float]:
        """Values of ``c'b`` that the test does not reject, with the same cluster weights.

        Infinite on a side where no value, however far, is rejected (always where `floor` exceeds
        ``1 - conf_level``). p is a step function of the null; limits are found by bisection
        outward.
        """
        level = check_level(conf_level)
        if self.reason:
            return np.nan, np.nan
        if self.floor > 1.0 - level:
            # Far from the estimate ties with the data's own signs are lost to rounding.
            return -np.inf, np.inf
        return self._limit(-1.0, 1.0 - level), self._limit(1.0, 1.0 - level)

    def _limit(self, side: float, alpha: float) -> float:
        """Upper (`side` 1) or lower (-1) limit: where p falls to `alpha`."""

        def inside(distance: float) -> bool:
            return self.scores.test(-side * distance)[1] > alpha

        # So far away, restricted residuals are proportional to h, and p no longer changes.
        far = 1e8 * self.std_error
        if inside(far):
            return side * np.inf
        low, high = 0.0, self.std_error
        while inside(high) and high < far:
            low, high = high, 2 * high
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if inside(middle) else (low, middle)
        return self.estimate + side * high


@dataclass(frozen=True, slots=True, eq=False)
class ClusterScores:
    """Cluster scores as linear functions of the distance ``d = estimate - null``.

    Restricted residuals are ``u = e + d h`` with ``h = X M c / (c'Mc)``, ``M = (X'WX)^-1``; so the
    deviations per unit of cluster weight are ``a = a0 + d a1``, (G,), and the cluster scores (rows)
    per unit of cluster weight (columns) ``B = B0 + d B1``, (G, G). `weights` (n_draws, G) are the
    cluster weights of the draws, all sign patterns if `enumerated`.
    """

    a0: Floats
    a1: Floats
    B0: Floats
    B1: Floats
    weights: Floats
    enumerated: bool

    def studentised(self, distance: float, weights: Floats) -> Floats:
        """Studentised contrasts (m,) for cluster weights (m, G); weights of 1 give the observed."""
        a = self.a0 + distance * self.a1
        B = self.B0 + distance * self.B1
        count = len(a)
        deviation = weights @ a
        error = np.sqrt(count / (count - 1)) * np.linalg.norm(weights @ B.T, axis=1)
        # Zero up to rounding, relative to the size of the summands.
        size = np.abs(weights)
        no_deviation = np.abs(deviation) <= _ZERO * (size @ np.abs(a))
        no_error = error <= _ZERO * np.linalg.norm(size @ np.abs(B).T, axis=1)
        t: Floats = np.divide(deviation, error, out=np.full(len(error), np.nan), where=~no_error)
        t[no_error & ~no_deviation] = np.sign(deviation[no_error & ~no_deviation]) * np.inf
        return t

    def test(self, distance: float) -> tuple[float, float, Floats]:
        """Observed statistic, p value and statistics of the draws (n_draws,) at a distance."""
        t = float(self.studentised(distance, np.ones((1, len(self.a0))))[0])
        draws = self.studentised(distance, self.weights)
        return t, _share_as_far(t, draws, self.enumerated), draws


def _share_as_far(observed: float, draws: Floats, enumerated: bool) -> float:
    """Share of draws at least as far from zero; the data are a draw too if not all are there."""
    slack = _TIE * max(abs(observed), 1e-300)
    # A draw without deviation and without variance counts as extreme.
    extreme = int((np.isnan(draws) | (np.abs(draws) >= abs(observed) - slack)).sum())
    extra = 0 if enumerated else 1
    return (extreme + extra) / (len(draws) + extra)


def wild_cluster_bootstrap(
    y: Any,
    X: Any,
    clusters: Any,
    *,
    contrast: Any,
    weights: Any = None,
    kind: WeightKind = "rademacher",
    n_draws: int = 9_999,
    rng: Any = None,
) -> WildBootstrap:
    """Test ``c'b = 0`` by the wild cluster bootstrap with the null imposed.

    `y` (n,) is regressed on `X` (n, k), of full column rank, with the symmetric `weights` (n, n) of
    generalised least squares; `clusters` (n,) are labels, at least two; `contrast` is ``c`` (k,).
    Rademacher weights of up to 12 clusters are enumerated; those of more, and Webb's six points,
    are drawn.
    """
    if kind not in get_args(WeightKind):
        raise DataError("unknown kind of cluster weights", value=kind)
    X = design_matrix(X)
    n, k = X.shape
    y = finite_array("y", y, (n,))
    c = finite_array("contrast", contrast, (k,))
    if not c.any():
        raise DataError("the contrast is all zero")
    W = np.eye(n) if weights is None else symmetric_matrix("weights", weights, n)
    labels, codes = cluster_codes(clusters, n)
    count = len(labels)
    sole = int(sole_clusters(X, codes, c[None])[0])
    enumerated = kind != "webb" and count <= ENUMERATED_CLUSTERS
    if not enumerated and n_draws < 1:
        raise DataError("n_draws must be at least 1", value=n_draws)
    draws = _patterns(count) if enumerated else _drawn(kind, n_draws, count, rng)

    E, M = least_squares(X, W)
    loading = c @ E
    estimate = float(loading @ y)
    e = y - X @ (E @ y)
    h = X @ M @ c / float(c @ M @ c)
    member = (codes == np.arange(count)[:, None]).astype(np.float64)
    # Row g: the cluster score c'E_g (I - X E)_g of a vector of outcomes.
    rows = (member * loading) - ((member * loading) @ X) @ E
    scores = ClusterScores(
        a0=member @ (loading * e),
        a1=member @ (loading * h),
        B0=(rows * e) @ member.T,
        B1=(rows * h) @ member.T,
        weights=draws,
        enumerated=enumerated,
    )
    std_error = float(np.sqrt(count / (count - 1)) * np.linalg.norm(member @ (loading * e)))
    floor = max(
        2.0 / 2.0**count if kind == "rademacher" else 0.0,
        0.0 if enumerated else 1.0 / (n_draws + 1),
    )
    reason = ""
    if sole >= 0:
        reason = f"cluster {labels[sole]!r} alone identifies the contrast"
    statistic, p_value, drawn = scores.test(estimate)
    if not reason and (std_error == 0 or np.isnan(statistic)):
        reason = "the clusters show no variance of the contrast"
    return WildBootstrap(
        estimate=estimate,
        std_error=np.nan if reason else std_error,
        statistic=np.nan if reason else statistic,
        p_value=np.nan if reason else p_value,
        floor=floor,
        draws=np.full(len(draws), np.nan) if reason else drawn,
        enumerated=enumerated,
        reason=reason,
        scores=scores,
    )


def _patterns(count: int) -> Floats:
    """All patterns of -1 and 1, (2^count, count), the first all 1."""
    bits = np.arange(2**count)[:, None] >> np.arange(count) & 1
    return np.asarray(1.0 - 2.0 * bits.astype(np.float64), dtype=float)


def _drawn(kind: WeightKind, n_draws: int, count: int, rng: Any) -> Floats:
    """Random cluster weights, (n_draws, count)."""
    points = np.concatenate([-_WEBB, _WEBB]) if kind == "webb" else np.array([-1.0, 1.0])
    return np.asarray(np.random.default_rng(rng).choice(points, size=(n_draws, count)), dtype=float)


def permutation_test(
    y: Any,
    X: Any,
    clusters: Any,
    *,
    column: int,
    n_draws: int = 9_999,
    rng: np.random.Generator | int | None = None,
) -> ResampledTest:
    """Test that the coefficient of one column of ordinary least squares is zero.

    `X` (n, k) has the constant; permutations are drawn where there are too many to enumerate.
    """
    X = design_matrix(X)
    n, k = X.shape
    y = finite_array("y", y, (n,))
    codes = cluster_codes(clusters, n)[1]
    if not 0 <= column < k:
        raise DataError(f"the design has {k} columns", column="column", value=column)
    if n_draws < 1:
        raise DataError("n_draws must be at least 1", value=n_draws)
    enumerated = group_size(codes) <= ENUMERATED_PERMUTATIONS
    generator = np.random.default_rng(rng)
    order = (
        np.array(list(_all_orders(codes)))
        if enumerated
        else _drawn_orders(codes, n_draws, generator)
    )
    others = np.delete(X, column, axis=1)
    residual = y - others @ (least_squares(others)[0] @ y)
    E = least_squares(X)[0]
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
    reason = ""
    if np.isnan(observed):
        reason = "the clusters show no variance of the coefficient"
    elif np.ptp(np.nan_to_num(draws)) <= _TIE * max(abs(observed), 1e-300):
        reason = "no permutation within families, or of families of equal size, moves the term"
    ties = np.isclose(np.abs(draws), abs(observed), rtol=_TIE, atol=0.0)
    return ResampledTest(
        estimate=float(E[column] @ y),
        statistic=np.nan if reason else observed,
        p_value=np.nan if reason else _share_as_far(observed, draws, enumerated),
        floor=float(ties.mean()) if enumerated else 1.0 / (len(draws) + 1),
        draws=draws,
        enumerated=enumerated,
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
