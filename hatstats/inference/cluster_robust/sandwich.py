r"""Cluster-robust covariance for few clusters: CR0, CR1, CR2, CR3 and Satterthwaite df.

The coefficients are ``b = E y`` with ``E = (X'WX)^-1 X'W`` for weights ``W``; the residuals are
``e = (I - H) y``, ``H = X E``; ``T`` is the *working* covariance of ``y``. With ``E_j``, ``e_j``,
``T_j`` the parts that belong to cluster j,

.. math:: V = \sum_j E_j A_j e_j e_j' A_j' E_j'

where ``A_j`` is

- CR0: ``I``;
- CR1: ``sqrt(G / (G - 1)) I``;
- CR2: ``D_j' (D_j G_j D_j')^{+1/2} D_j`` with ``T_j = D_j' D_j`` and ``G_j`` the covariance of
  ``e_j`` under the working model, so that V is unbiased if that model is right;
- CR3: ``(I - H_jj)^-1``, the jackknife over clusters (for block-diagonal ``W``).

Degrees of freedom of a contrast ``c`` are Satterthwaite's: ``c'Vc = sum_j (q_j'e_j)^2`` is a
quadratic form whose mean and variance under the working model give ``2 mean^2 / variance``.

**Covariance between clusters.** Scores of models that answered the same items are correlated
across families, which a sum over clusters misses. Where ``T`` has entries between clusters,
``T = X B X' + T0``: ``X B X'``, errors that all clusters share, does not change the residuals and
adds exactly ``B`` to the covariance of ``b``, whatever the weights. ``B`` is the least-squares fit
to the entries of ``T`` between clusters, which makes those of ``T0`` as small as possible. The sum
then estimates the part of ``T0``, and the known part ``B + sum_{i != j} E_i T0_ij E_j'`` (its
positive part) is added. Without entries between clusters nothing is added, and the result is that
of R's clubSandwich.

Sources
-------
Bell and McCaffrey (2002), Survey Methodology 28(2), 169-181.
Pustejovsky and Tipton (2018), Journal of Business and Economic Statistics 36, 672-683.
MacKinnon, Nielsen and Webb (2023), Journal of Econometrics 232, 272-299 (arXiv 2205.03285).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from scipy import linalg
from scipy.sparse import linalg as linalg_sparse

from hatstats.errors import DataError
from hatstats.inference.arrays import Floats, Ints
from hatstats.inference.cluster_robust.leverage import sole_clusters
from hatstats.inference.linalg import least_squares
from hatstats.inference.validation import (
    cluster_codes,
    design_matrix,
    finite_array,
    is_definite,
    null_rows,
    symmetric_matrix,
)

Kind = Literal["CR0", "CR1", "CR2", "CR3"]

# Share of a cluster's own covariance that shared errors may explain.
_LARGEST_SHARE = 0.95
# Whitened residual variances lie between 0 and 1; below this one is a leverage of exactly one.
_NULL = 1e-10
_ROUNDING = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class ClusterRobust:
    """A cluster-robust covariance with its degrees of freedom.

    Methods take contrasts ``L b``: `L` is array_like (q, k), one contrast per row, or (k,).

    `cov` (k, k) is ``within + between``: the part estimated from residuals, a sum over clusters,
    and the part known from the working covariance between clusters, which may be zero. `labels` are
    the G clusters in the order of `codes` (n,); `X` (n, k) is the design. Columns of cluster j of
    `loadings` (k, n) are ``E_j A_j``; `residual_cov` (n, n) is ``(I - H) T (I - H)'``.
    """

    cov: Floats
    kind: Kind
    n_clusters: int
    labels: tuple[Any, ...]
    codes: Ints
    X: Floats
    within: Floats
    between: Floats
    loadings: Floats
    residual_cov: Floats

    def std_errors(self, L: Any) -> Floats:
        """Standard errors of contrasts, shape (q,)."""
        contrasts = self._contrasts(L)
        variance = np.einsum("qp,pr,qr->q", contrasts, self.cov, contrasts)
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)), dtype=float)

    def satterthwaite(self, L: Any) -> Floats:
        r"""Bell-McCaffrey degrees of freedom of contrasts, shape (q,).

        ``(tr P + c'Kc)^2 / sum_ij P_ij^2`` with ``P_ij = q_i' Cov(e_i, e_j) q_j``,
        ``q_j = A_j' E_j' c`` and ``K`` the known part between clusters. NaN where a contrast
        depends on one cluster alone (see `sole_cluster`) or has no variance.
        """
        contrasts = self._contrasts(L)
        P = self._covariances(contrasts)
        known = np.einsum("qp,pr,qr->q", contrasts, self.between, contrasts)
        mean, square = np.einsum("qgg->q", P) + known, (P**2).sum(axis=(1, 2))
        found = (self.sole_cluster(contrasts) < 0) & (square > 0.0)
        unknown = np.full(len(contrasts), np.nan)
        return np.asarray(np.divide(mean**2, square, out=unknown, where=found))

    def df(self, L: Any) -> Floats:
        """Degrees of freedom of contrasts, (q,): Satterthwaite for CR2, else G - 1; or NaN."""
        if self.kind == "CR2":
            return self.satterthwaite(L)
        sole = self.sole_cluster(L)
        return np.where(sole >= 0, np.nan, float(self.n_clusters - 1))

    def sole_cluster(self, L: Any) -> Ints:
        """First cluster without which a contrast could not be estimated, (q,), -1 if there is none.

        Its residuals are zero there by construction, so that any sandwich is too small.
        """
        return sole_clusters(self.X, self.codes, self._contrasts(L))

    def reasons(self, L: Any) -> tuple[str, ...]:
        """Why a contrast has no degrees of freedom, for each contrast; empty where it has some."""
        return tuple(
            f"identified by cluster {self.labels[sole]!r} alone: variation between clusters "
            "cannot be seen"
            if sole >= 0
            else ""
            for sole in self.sole_cluster(L)
        )

    def shares(self, L: Any) -> Floats:
        """Share of each cluster in the variance of contrasts under the working model, (q, G).

        ``P_gg / tr P``, in the order of ``labels``; rows add up to 1. Equal shares of G clusters
        go with about G - 1 degrees of freedom, one share near 1 with about one.
        """
        own = np.einsum("qgg->qg", self._covariances(self._contrasts(L)))
        total = own.sum(axis=1, keepdims=True)
        result: Floats = np.divide(own, total, out=np.full(own.shape, np.nan), where=total > 0)
        return result

    def _covariances(self, contrasts: Floats) -> Floats:
        """Covariances between the clusters' terms of each contrast (q, k), shape (q, G, G)."""
        member = self.codes == np.arange(self.n_clusters)[:, None]
        split = (contrasts @ self.loadings)[:, None, :] * member
        return np.asarray(split @ self.residual_cov @ split.transpose(0, 2, 1), dtype=float)

    def _contrasts(self, L: Any) -> Floats:
        """Checked contrasts, (q, k)."""
        contrasts = np.atleast_2d(np.asarray(L, dtype=np.float64))
        if contrasts.ndim != 2 or contrasts.shape[1] != len(self.cov):
            raise DataError(f"contrasts need {len(self.cov)} columns, not {contrasts.shape}")
        if not np.isfinite(contrasts).all() or not contrasts.any(axis=1).all():
            raise DataError("contrasts must be finite, and no row of them all zero")
        return contrasts


def cluster_robust(
    X: Any,
    residuals: Any,
    weights: Any,
    working: Any,
    clusters: Any,
    *,
    kind: Kind = "CR2",
) -> ClusterRobust:
    """Cluster-robust covariance of ordinary, weighted or generalised least squares.

    `X` (n, k) has full column rank (inside a cluster it may lose rank); `residuals` (n,) are ``y -
    X b`` of the fit with the symmetric `weights` (n, n), ``I`` for ordinary least squares and
    ``S^-1`` for generalised; `working` (n, n) is the working covariance of ``y``, ``I`` or ``S``,
    whose scale does not matter unless it has entries between clusters; `clusters` (n,) are labels,
    at least two. Equal to clubSandwich's ``vcovCR`` where `working` is block-diagonal over
    clusters. A DataError for dependent columns, a `working` that is not positive definite, and
    residuals that do not belong to this design and these weights.
    """
    if kind not in get_args(Kind):
        raise DataError("unknown kind of cluster-robust covariance", value=kind)
    X = design_matrix(X)
    n, k = X.shape
    e = finite_array("residuals", residuals, (n,))
    W = symmetric_matrix("weights", weights, n)
    T = symmetric_matrix("working", working, n)
    labels, codes = cluster_codes(clusters, n)
    if not is_definite(T):
        raise DataError(f"working is not positive definite: see rows {null_rows(T)}")
    E = least_squares(X, W)[0]
    _check_residuals(E, X, e)
    # (I - H) T (I - H)' in steps of n x n x k.
    projected = X @ (E @ T)
    residual_cov = T - projected - projected.T + X @ (E @ T @ E.T) @ X.T
    count = len(labels)
    same = codes[:, None] == codes[None, :]
    shared = shared_errors(X, T, codes)
    remainder = T - X @ shared @ X.T
    loadings = np.empty((k, n))
    for cluster in range(count):
        rows = np.flatnonzero(codes == cluster)
        block = np.ix_(rows, rows)
        maker = np.eye(len(rows)) - X[rows] @ E[:, rows]
        loadings[:, rows] = E[:, rows] @ _adjustment(
            kind, remainder[block], residual_cov[block], maker, count
        )
    parts = np.stack([loadings[:, codes == j] @ e[codes == j] for j in range(count)], axis=1)
    within = parts @ parts.T
    between = positive_part(shared + E @ np.where(same, 0.0, remainder) @ E.T, E @ T @ E.T)
    return ClusterRobust(
        cov=within + between,
        kind=kind,
        n_clusters=count,
        labels=labels,
        codes=codes,
        X=X,
        within=within,
        between=between,
        loadings=loadings,
        residual_cov=residual_cov,
    )


def _adjustment(
    kind: Kind, working: Floats, residual_cov: Floats, maker: Floats, count: int
) -> Floats:
    """``A_j`` of a cluster, (m, m), from its blocks of ``T0``, the residuals' and ``I - H``."""
    if kind == "CR0":
        return np.eye(len(working))
    if kind == "CR1":
        return float(np.sqrt(count / (count - 1))) * np.eye(len(working))
    if kind == "CR3":
        # A pseudo-inverse, because a cluster that alone identifies a direction has leverage one in
        # it; contrasts that do not involve the direction are unaffected by the choice.
        return np.linalg.pinv(maker, rcond=_NULL)
    lower = np.linalg.cholesky(working)
    scaled = linalg.solve_triangular(lower, residual_cov, lower=True)
    values, vectors = np.linalg.eigh(linalg.solve_triangular(lower, scaled.T, lower=True))
    null = vectors[:, values <= _NULL]
    # Directions with leverage one are found in the whitened residuals, where zero is sharp, and
    # carried over to D G D' = (L'L) K (L'L), whose eigenvalues spread more widely.
    gram = lower.T @ lower
    inner = gram @ (vectors * np.maximum(values, 0.0)) @ vectors.T @ gram
    if null.shape[1]:
        basis = np.linalg.qr(np.linalg.solve(gram, null), mode="complete")[0][:, null.shape[1] :]
    else:
        basis = np.eye(len(working))
    positive, rotation = np.linalg.eigh(basis.T @ inner @ basis)
    # Of working variances of very different size the smallest may round to 0, or below.
    kept = positive > np.finfo(float).eps ** 2 * positive.max(initial=0.0)
    factor = lower @ basis @ rotation[:, kept]
    return np.asarray((factor / np.sqrt(positive[kept])) @ factor.T, dtype=float)


def _check_residuals(E: Floats, X: Floats, e: Floats) -> None:
    """Refuse residuals (n,) that are not those of the fit: fitted again, they give zero."""
    fitted = X @ (E @ e)
    # The residuals of a perfect fit are rounding errors, and need not be orthogonal to anything.
    if np.linalg.norm(fitted) > 1e-6 * np.linalg.norm(e) and np.abs(e).max() > _ROUNDING:
        raise DataError(
            "the residuals do not belong to this design and these weights",
            hint="pass y - X b with b from the same weights",
        )


def shared_errors(X: Floats, T: Floats, codes: Ints) -> Floats:
    """Least-squares ``B`` (k, k) of ``T ~ X B X'`` over the entries between clusters.

    Shrunk where needed for ``T0`` to stay positive definite inside every cluster.
    """
    k = X.shape[1]
    same = codes[:, None] == codes[None, :]
    between = np.where(same, 0.0, T)
    if not between.any():
        return np.zeros((k, k))
    # Orthonormal columns keep the normal equations well conditioned. An approximate solution is
    # enough, as any B splits T exactly.
    basis, triangle = np.linalg.qr(X)
    rows = [np.flatnonzero(codes == cluster) for cluster in range(codes.max() + 1)]
    grams = [basis[row].T @ basis[row] for row in rows]

    def normal(flat: Floats) -> Floats:
        B = flat.reshape(k, k)
        return (B - sum(gram @ B @ gram for gram in grams)).ravel()

    inner = linalg_sparse.cg(
        linalg_sparse.LinearOperator((k * k, k * k), matvec=normal, dtype=np.float64),
        (basis.T @ between @ basis).ravel(),
        rtol=1e-13,
        maxiter=500,
    )[0].reshape(k, k)
    inner = (inner + inner.T) / 2
    worst = max(
        float(linalg.eigvalsh(basis[row] @ inner @ basis[row].T, T[np.ix_(row, row)])[-1])
        for row in rows
    )
    if worst > _LARGEST_SHARE:
        inner *= _LARGEST_SHARE / worst
    inverse = linalg.solve_triangular(triangle, np.eye(k))
    return np.asarray(inverse @ inner @ inverse.T, dtype=float)


def positive_part(known: Floats, model: Floats) -> Floats:
    """`known` (k, k), symmetric, with its negative eigenvalues set to zero.

    Eigenvalues are taken in the coordinates in which the positive definite `model` (k, k) is
    ``I``, so that the result does not depend on the units of the coefficients.
    """
    if not known.any():
        return known
    lower = np.linalg.cholesky(model)
    scaled = linalg.solve_triangular(lower, (known + known.T) / 2, lower=True)
    values, vectors = np.linalg.eigh(linalg.solve_triangular(lower, scaled.T, lower=True))
    factor = lower @ vectors * np.sqrt(np.maximum(values, 0.0))
    return np.asarray(factor @ factor.T, dtype=float)
