r"""The restricted likelihood of a Gaussian model with known covariance plus grouped effects.

With ``S(tau2) = V + sum_k tau2_k Z_k Z_k'`` and ``P = S^-1 - S^-1 X (X'S^-1 X)^-1 X'S^-1``,

.. math:: \ell(\tau^2) = -\tfrac{n-k}{2}\log 2\pi + \tfrac12\log|X'X| - \tfrac12\log|S|
          - \tfrac12\log|X'S^{-1}X| - \tfrac12 y'Py

(metafor's constant). Score ``(|Z_k'Py|^2 - tr Z_k'PZ_k)/2``, expected information
``tr(PZ_kZ_k'PZ_lZ_l')/2``, observed information ``y'PZ_kZ_k'PZ_lZ_l'Py`` less the expected one
(Harville 1977, Journal of the American Statistical Association 72, 320-338).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse
from scipy.sparse import csgraph

from hatstats.inference.arrays import Floats, Ints
from hatstats.inference.linalg import cholesky_inverse
from hatstats.inference.newton import Expansion

# Rows up to which independent blocks are worked on as one: many small ones cost more than they
# save.
_POOLED = 60


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Validated input of a restricted likelihood, its rows sorted into independent blocks.

    `y` (n,) and the full-rank design `X` (n, k) are sorted by `order` (n,), original row numbers;
    neither V nor a grouping connects two `blocks`. `V` has the known covariance of each block,
    `shared` its ``Z_k Z_k'``, 1 where two rows share a group; `groups` its ``Z_k'`` (groups of the
    block, rows of the block), None for one random effect per row. `constant` are the terms of the
    log-likelihood without tau2. `spanned` (n, k + 1) is an orthonormal basis of the columns of X
    and of the residual of y, whose length is `unit`.
    """

    y: Floats
    X: Floats
    order: Ints
    blocks: tuple[slice, ...]
    V: tuple[Floats, ...]
    shared: tuple[tuple[Floats, ...], ...]
    groups: tuple[tuple[sparse.csr_array | None, ...], ...]
    constant: float
    spanned: Floats
    unit: float

    @property
    def variances(self) -> Floats:
        """Known sampling variances, shape (n,)."""
        return np.concatenate([np.diag(V) for V in self.V])

    @property
    def count(self) -> int:
        """Number of variance components."""
        return len(self.shared[0])

    @property
    def scale(self) -> float:
        """Residual variance of ordinary least squares, the unit of tau2."""
        n, k = self.X.shape
        return self.unit**2 / max(n - k, 1) if self.spanned[:, -1].any() else 0.0

    def _evaluate(self, tau2: Floats) -> tuple[float, Factor] | None:
        """Log-likelihood at ``tau2`` (K,) and factors of ``S``; None where ``S`` is singular."""
        try:
            factor = factorise(marginal(self, tau2), self.blocks, self.y, self.X)
        except linalg.LinAlgError:
            return None
        pivots = np.concatenate([np.diag(lower) for lower in factor.lower])
        logdet = np.log(pivots).sum() + np.log(np.abs(np.diag(factor.triangle))).sum()
        loglik = float(self.constant - logdet - 0.5 * factor.whitened @ factor.whitened)
        return (loglik, factor) if np.isfinite(loglik) else None

    def loglik(self, tau2: Floats) -> float:
        """Restricted log-likelihood; ``-inf`` where ``S`` is singular."""
        try:
            S = marginal(self, tau2)
            lower = tuple(linalg.cholesky(block, lower=True, check_finite=False) for block in S)
            white = _solve(lower, self.blocks, self.spanned)
            # Of columns that were orthonormal: the last pivot is the length of the residual.
            pivots = np.diag(np.linalg.cholesky(white.T @ white))
        except linalg.LinAlgError:
            found = self._evaluate(tau2)
            return -np.inf if found is None else found[0]
        logdet = sum(np.log(np.diag(triangle)).sum() for triangle in lower)
        loglik = -0.5 * (white.shape[0] - white.shape[1] + 1) * np.log(2 * np.pi) - logdet
        loglik -= np.log(pivots[:-1]).sum() + 0.5 * (self.unit * pivots[-1]) ** 2
        return float(loglik) if np.isfinite(loglik) else -np.inf

    @np.errstate(over="ignore", invalid="ignore")
    def expand(self, tau2: Floats) -> Expansion:
        """The log-likelihood with score and information; ``-inf`` where ``S`` is near singular."""
        found = self._evaluate(tau2)
        if found is None:
            return Expansion(value=-np.inf, gradient=0.0 * tau2, information=np.diag(0.0 * tau2))
        loglik, factor = found
        Py = _solve(factor.lower, factor.blocks, factor.whitened, transpose=True)
        # An orthonormal basis, so that no covariate far from 0 cancels digits.
        U = _solve(factor.lower, factor.blocks, factor.basis, transpose=True)
        traces = Traces(tau2.size, self.X.shape[1])
        squares, quadratic = np.zeros(tau2.size), np.zeros((tau2.size, tau2.size))
        projected = np.zeros((tau2.size, self.X.shape[1]))
        for lower, rows, Z in zip(factor.lower, factor.blocks, self.groups, strict=True):
            B = cross_products(cholesky_inverse(lower), Z)
            Q = [_summed(own, U[rows]) for own in Z]
            sums = [_summed(own, Py[rows]) for own in Z]
            traces.add(B, Q)
            for k, own in enumerate(sums):
                squares[k] += own @ own
                projected[k] += own @ Q[k]
                quadratic[k] += [own @ B[k][m] @ other for m, other in enumerate(sums)]
        quadratic -= projected @ projected.T
        trace, square = traces.totals()
        expected = 0.5 * square
        return Expansion(
            value=loglik if np.isfinite(square).all() else -np.inf,
            gradient=0.5 * (squares - trace),
            information=quadratic - expected,
            substitute=lambda: expected,
        )


def make_problem(y: Floats, X: Floats, V: Floats, codes: tuple[Ints, ...]) -> Problem:
    """Sort rows into blocks and prepare what every evaluation needs; `codes` are (n,) each."""
    n, k = X.shape
    connected = V != 0
    for code in codes:
        connected |= code[:, None] == code
    count, block = csgraph.connected_components(sparse.csr_array(connected), directed=False)
    order = np.argsort(block, kind="stable")
    blocks: list[slice] = []
    for size in np.bincount(block, minlength=count).tolist():
        first = blocks[-1] if blocks else slice(0, 0)
        if blocks and first.stop - first.start + size <= _POOLED:
            blocks[-1] = slice(first.start, first.stop + size)
        else:
            blocks.append(slice(first.stop, first.stop + size))
    codes = tuple(code[order] for code in codes)
    shared = tuple(
        tuple((code[rows][:, None] == code[rows]).astype(np.float64) for code in codes)
        for rows in blocks
    )
    groups = tuple(tuple(indicator(code[rows]) for code in codes) for rows in blocks)
    known = tuple(V[np.ix_(order[rows], order[rows])] for rows in blocks)
    basis, triangle = np.linalg.qr(X[order])
    constant = -0.5 * (n - k) * np.log(2 * np.pi) + np.log(np.abs(np.diag(triangle))).sum()
    residual = y[order] - basis @ (basis.T @ y[order])
    unit = float(np.linalg.norm(residual)) or 1.0
    return Problem(
        y=y[order],
        X=X[order],
        order=order,
        blocks=tuple(blocks),
        V=known,
        shared=shared,
        groups=groups,
        constant=float(constant),
        spanned=np.column_stack([basis, residual / unit]),
        unit=unit,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """Generalised least squares at one covariance, through ``S = L L'`` and ``L^-1 X = Q R``."""

    blocks: tuple[slice, ...]
    lower: tuple[Floats, ...]  # one for each block
    basis: Floats
    triangle: Floats
    params: Floats
    whitened: Floats  # L^-1 (y - X params)


def factorise(S: tuple[Floats, ...], blocks: tuple[slice, ...], y: Floats, X: Floats) -> Factor:
    """Whiten by the Cholesky factors of ``S`` and regress; LinAlgError where ``S`` is singular."""
    lower = tuple(linalg.cholesky(block, lower=True, check_finite=False) for block in S)
    white = _solve(lower, blocks, np.column_stack([X, y]))
    basis, triangle = np.linalg.qr(white[:, :-1])
    coordinates = basis.T @ white[:, -1]
    params = linalg.solve_triangular(triangle, coordinates, check_finite=False)
    residual = white[:, -1] - basis @ coordinates
    return Factor(blocks, lower, basis, triangle, params, residual)


def _solve(
    lower: tuple[Floats, ...],
    blocks: tuple[slice, ...],
    right: Floats,
    *,
    transpose: bool = False,
) -> Floats:
    """``L^-1 right``, or ``L'^-1 right``, block by block."""
    result = np.empty_like(right)
    for triangle, rows in zip(lower, blocks, strict=True):
        result[rows] = linalg.solve_triangular(
            triangle, right[rows], lower=True, trans=1 if transpose else 0, check_finite=False
        )
    return result


def inverse(factor: Factor) -> Floats:
    """``S^-1``, shape (n, n), from its Cholesky factors."""
    result = np.zeros((len(factor.basis), len(factor.basis)))
    for lower, rows in zip(factor.lower, factor.blocks, strict=True):
        result[rows, rows] = cholesky_inverse(lower)
    return result


def marginal(problem: Problem, tau2: Floats) -> tuple[Floats, ...]:
    """``S`` at the given components, block by block."""
    parts = []
    for V, shared in zip(problem.V, problem.shared, strict=True):
        S = V.copy()
        for value, same in zip(tau2, shared, strict=True):
            if value > 0:
                S += value * same
        parts.append(S)
    return tuple(parts)


def indicator(code: Ints) -> sparse.csr_array | None:
    """``Z'`` (groups, n) of a grouping; None where every row is a group, so that ``Z Z' = I``."""
    labels, code = np.unique(code, return_inverse=True)
    n, count = code.size, labels.size
    return sparse.csr_array((np.ones(n), (code, np.arange(n)))) if count < n else None


def _summed(Z: sparse.csr_array | None, rows: Floats) -> Floats:
    """``Z' rows``: sums over the rows of each group."""
    return rows if Z is None else Z @ rows


class Traces:
    """``tr(Z_k' P Z_k)`` (K,) and ``tr(Z_k Z_k' P Z_l Z_l' P)`` (K, K), added up block by block.

    ``P = W - U U'`` with W block-diagonal and U (n, k) an orthonormal basis of whitened X, whitened
    again: inside a block ``Z_k'PZ_l`` is ``B_kl - Q_k Q_l'`` with ``B_kl = Z_k'WZ_l`` and ``Q_k =
    Z_k'U``, between blocks it is the second term alone, so that no matrix larger than a block is
    needed.
    """

    def __init__(self, count: int, k: int) -> None:
        self._linear, self._square = np.zeros(count), np.zeros((count, count))
        self._products = np.zeros((count, k, k))

    def add(self, B: list[list[Floats]], Q: list[Floats]) -> None:
        """Add a block with its ``B_kl`` and ``Q_k``."""
        for k, line in enumerate(B):
            self._linear[k] += np.trace(line[k])
            self._products[k] += Q[k].T @ Q[k]
            for m in range(k, len(B)):
                cross = np.vdot(Q[k], line[m] @ Q[m])
                self._square[k, m] += np.vdot(line[m], line[m]) - 2.0 * cross

    def totals(self) -> tuple[Floats, Floats]:
        """Both kinds of traces of all blocks added so far."""
        products = self._products
        square = np.triu(self._square + np.einsum("kij,lji->kl", products, products))
        return self._linear - np.trace(products, axis1=1, axis2=2), square + np.triu(square, 1).T


def cross_products(W: Floats, Z: tuple[sparse.csr_array | None, ...]) -> list[list[Floats]]:
    """``Z_k' W Z_l`` for all pairs of groupings, W (m, m) symmetric."""
    rows = [_summed(own, W) for own in Z]
    return [[_summed(other, row.T).T for other in Z] for row in rows]
