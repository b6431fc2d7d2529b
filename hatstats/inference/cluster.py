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

**Covariance between clusters.** Estimates of models that were given the same items are correlated
across families, which a sum over clusters cannot see. Where ``T`` has entries between clusters,
``T = X B X' + T0`` with ``B`` chosen so that ``T0`` has as little as possible between clusters:
``X B X'`` (errors that all clusters share, such as the luck of the items) leaves no trace in the
residuals and adds exactly ``B`` to the covariance of ``b``. The sum then stands for ``T0``, and
the known part ``B + sum_{i != j} E_i T0_ij E_j'`` (its positive part) is added. Without entries
between clusters nothing is added, and the result is that of R's clubSandwich.

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
from numpy.typing import NDArray
from scipy import linalg

from hatstats.errors import DataError, NotIdentifiedError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Kind = Literal["CR0", "CR1", "CR2", "CR3"]

# Whitened residual variances lie between 0 and 1; below this one is a leverage of exactly one.
_NULL = 1e-10
_ESTIMABLE = 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class ClusterRobust:
    """A cluster-robust covariance and what its degrees of freedom need.

    Attributes
    ----------
    cov : ndarray, shape (k, k)
        Covariance of the coefficients, ``within + between``.
    kind : str
        "CR0", "CR1", "CR2" or "CR3".
    n_clusters : int
        Number of clusters G.
    labels : tuple
        The clusters, in the order of ``codes``.
    codes : ndarray, shape (n,)
        Cluster of each row.
    X : ndarray, shape (n, k)
        The design.
    within : ndarray, shape (k, k)
        The part estimated from residuals, the sum over clusters.
    between : ndarray, shape (k, k)
        The part taken from the working covariance between clusters; zero if there is none.
    loadings : ndarray, shape (k, n)
        Columns of cluster j are ``E_j A_j``.
    residual_cov : ndarray, shape (n, n)
        ``(I - H) T (I - H)'``, the working covariance of the residuals.
    """

    cov: FloatArray
    kind: Kind
    n_clusters: int
    labels: tuple[Any, ...]
    codes: IntArray
    X: FloatArray
    within: FloatArray
    between: FloatArray
    loadings: FloatArray
    residual_cov: FloatArray

    def satterthwaite(self, L: Any) -> FloatArray:
        r"""Bell-McCaffrey degrees of freedom of each contrast ``L b``.

        Parameters
        ----------
        L : array_like, shape (q, k) or (k,)
            One contrast per row.

        Returns
        -------
        ndarray, shape (q,)
            ``(tr P + c'Kc)^2 / sum_ij P_ij^2`` with ``P_ij = q_i' Cov(e_i, e_j) q_j``,
            ``q_j = A_j' E_j' c`` and ``K`` the known part between clusters. NaN where a contrast is
            carried by one cluster (see `sole_cluster`) or has no variance.
        """
        contrasts = self._contrasts(L)
        df = np.full(len(contrasts), np.nan)
        for row, (contrast, sole) in enumerate(
            zip(contrasts, self.sole_cluster(contrasts), strict=True)
        ):
            q = contrast @ self.loadings
            P = _block_sums(self.residual_cov * np.outer(q, q), self.codes, self.n_clusters)
            mean = float(np.trace(P)) + float(contrast @ self.between @ contrast)
            spread = float((P**2).sum())
            if sole < 0 and spread > 0:
                df[row] = mean**2 / spread
        return df

    def df(self, L: Any) -> FloatArray:
        """Degrees of freedom that go with this kind by default.

        Parameters
        ----------
        L : array_like, shape (q, k) or (k,)
            One contrast per row.

        Returns
        -------
        ndarray, shape (q,)
            Satterthwaite for CR2; G - 1 for CR0, CR1 and CR3. NaN where one cluster carries the
            contrast.
        """
        if self.kind == "CR2":
            return self.satterthwaite(L)
        sole = self.sole_cluster(L)
        return np.where(sole >= 0, np.nan, float(self.n_clusters - 1))

    def sole_cluster(self, L: Any) -> IntArray:
        """Cluster without which a contrast could not be estimated, as an index into ``labels``.

        Such a contrast (the dummy of a family, a language that one family alone was tested in)
        rests on one draw of the cluster effect. Its residuals are zero there by construction, so
        that no sandwich can show its uncertainty: the covariance is too small, and df is NaN.

        Parameters
        ----------
        L : array_like, shape (q, k) or (k,)
            One contrast per row.

        Returns
        -------
        ndarray of int, shape (q,)
            -1 where any one cluster can be spared, otherwise the first that cannot.
        """
        contrasts = self._contrasts(L)
        scale = np.linalg.norm(self.X, axis=0)
        scaled = contrasts / scale  # the same contrasts for columns of unit length
        lengths = np.linalg.norm(scaled, axis=1)
        sole = np.full(len(contrasts), -1, dtype=np.intp)
        for cluster in reversed(range(self.n_clusters)):
            rest = self.X[self.codes != cluster] / scale
            _, singular, vt = np.linalg.svd(rest, full_matrices=True)
            rank = int((singular > _ESTIMABLE * singular[0]).sum())
            lost = np.linalg.norm(scaled @ vt[rank:].T, axis=1) > _ESTIMABLE * lengths
            sole[lost] = cluster
        return sole

    def reasons(self, L: Any) -> tuple[str, ...]:
        """Why a contrast has no degrees of freedom, in words; empty where it has.

        Parameters
        ----------
        L : array_like, shape (q, k) or (k,)
            One contrast per row.

        Returns
        -------
        tuple of str
            One entry per contrast.
        """
        return tuple(
            f"identified by cluster {self.labels[sole]!r} alone: variation between clusters "
            "cannot be seen"
            if sole >= 0
            else ""
            for sole in self.sole_cluster(L)
        )

    def _contrasts(self, L: Any) -> FloatArray:
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

    Parameters
    ----------
    X : array_like, shape (n, k)
        Design matrix of full column rank; inside a cluster it may lose rank.
    residuals : array_like, shape (n,)
        ``y - X b`` of the fit with these weights.
    weights : array_like, shape (n, n)
        Symmetric weight matrix: ``I`` for ordinary least squares, ``S^-1`` for generalised.
    working : array_like, shape (n, n)
        Positive definite working covariance of ``y``: ``I`` for ordinary, ``S`` for generalised.
        Its scale does not matter unless it has entries between clusters.
    clusters : array_like, shape (n,)
        Labels of the clusters.
    kind : {"CR2", "CR0", "CR1", "CR3"}
        The correction.

    Returns
    -------
    ClusterRobust
        Equal to clubSandwich's ``vcovCR`` where ``working`` is block-diagonal over clusters.

    Raises
    ------
    DataError
        Wrong shapes, values that are not finite, dependent columns, ``working`` not positive
        definite, residuals that do not belong to this design and these weights.
    NotIdentifiedError
        Fewer than two clusters.
    """
    if kind not in get_args(Kind):
        raise DataError("unknown kind of cluster-robust covariance", value=kind)
    X, e, W, T, labels, codes = _validated(X, residuals, weights, working, clusters)
    n, k = X.shape
    E = np.linalg.solve(X.T @ W @ X, X.T @ W)
    _check_residuals(E, X, e)
    maker = np.eye(n) - X @ E
    residual_cov = maker @ T @ maker.T
    count = len(labels)
    same = codes[:, None] == codes[None, :]
    shared = _shared_errors(X, T, same, codes)
    remainder = T - X @ shared @ X.T
    loadings = np.empty((k, n))
    for cluster in range(count):
        rows = np.flatnonzero(codes == cluster)
        block = np.ix_(rows, rows)
        loadings[:, rows] = E[:, rows] @ _adjustment(
            kind, remainder[block], residual_cov[block], maker[block], count
        )
    parts = np.stack([loadings[:, codes == j] @ e[codes == j] for j in range(count)], axis=1)
    within = parts @ parts.T
    between = _positive_part(shared + E @ np.where(same, 0.0, remainder) @ E.T, E @ T @ E.T)
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
    kind: Kind, working: FloatArray, residual_cov: FloatArray, maker: FloatArray, count: int
) -> FloatArray:
    """``A_j`` of one cluster."""
    if kind == "CR0":
        return np.eye(len(working))
    if kind == "CR1":
        return np.sqrt(count / (count - 1)) * np.eye(len(working))
    if kind == "CR3":
        # A pseudo-inverse, because a cluster that alone identifies a direction has leverage one
        # there; contrasts that do not involve the direction are unaffected by the choice.
        return np.linalg.pinv(maker, rcond=_NULL)
    lower = np.linalg.cholesky(working)
    half = linalg.solve_triangular(lower, residual_cov, lower=True)
    values, vectors = np.linalg.eigh(linalg.solve_triangular(lower, half.T, lower=True))
    null = vectors[:, values <= _NULL]
    # Directions with leverage one are found in the whitened residuals, where zero is sharp, and
    # carried over to D G D' = (L'L) K (L'L), whose eigenvalues spread more widely.
    gram = lower.T @ lower
    inner = gram @ (vectors * np.maximum(values, 0.0)) @ vectors.T @ gram
    if null.shape[1]:
        basis = np.linalg.qr(np.linalg.solve(gram, null), mode="complete")[0][:, null.shape[1] :]
    else:
        basis = np.eye(len(working))
    seen, turn = np.linalg.eigh(basis.T @ inner @ basis)
    factor = lower @ basis @ turn
    result: FloatArray = (factor / np.sqrt(seen)) @ factor.T
    return result


def _shared_errors(
    X: FloatArray, T: FloatArray, same: NDArray[np.bool_], codes: IntArray
) -> FloatArray:
    """``B`` by least squares of the entries of ``T`` between clusters on those of ``X B X'``."""
    k = X.shape[1]
    apart = np.where(same, 0.0, T)
    if not apart.any():
        return np.zeros((k, k))
    # Orthonormal columns keep the normal equations well conditioned.
    basis, triangle = np.linalg.qr(X)
    groups = [basis[codes == cluster] for cluster in range(codes.max() + 1)]
    grams = [g.T @ g for g in groups]
    normal = np.eye(k * k) - np.sum([np.kron(gram, gram) for gram in grams], axis=0)
    target = basis.T @ apart @ basis
    inner = np.linalg.lstsq(normal, target.ravel(), rcond=1e-10)[0].reshape(k, k)
    inner = (inner + inner.T) / 2
    # What is left inside each cluster must stay a covariance.
    worst = max(
        float(linalg.eigvalsh(g @ inner @ g.T, T[np.ix_(rows, rows)])[-1])
        for cluster, g in enumerate(groups)
        for rows in [np.flatnonzero(codes == cluster)]
    )
    inner *= min(1.0, 0.95 / worst) if worst > 0 else 1.0
    inverse = linalg.solve_triangular(triangle, np.eye(k))
    result: FloatArray = inverse @ inner @ inverse.T
    return result


def _positive_part(known: FloatArray, model: FloatArray) -> FloatArray:
    """Part of a symmetric matrix that adds variance, in coordinates where ``model`` is ``I``."""
    if not known.any():
        return known
    lower = np.linalg.cholesky(model)
    half = linalg.solve_triangular(lower, (known + known.T) / 2, lower=True)
    values, vectors = np.linalg.eigh(linalg.solve_triangular(lower, half.T, lower=True))
    factor = lower @ vectors * np.sqrt(np.maximum(values, 0.0))
    result: FloatArray = factor @ factor.T
    return result


def _block_sums(matrix: FloatArray, codes: IntArray, count: int) -> FloatArray:
    rows = np.zeros((count, len(matrix)))
    np.add.at(rows, codes, matrix)
    sums = np.zeros((count, count))
    np.add.at(sums, codes, rows.T)
    return sums


# --- validation ---------------------------------------------------------------------------------


def _validated(
    X: Any, residuals: Any, weights: Any, working: Any, clusters: Any
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, tuple[Any, ...], IntArray]:
    X, e, W, T = (np.array(v, dtype=np.float64) for v in (X, residuals, weights, working))
    labels = np.asarray(clusters)
    if X.ndim != 2 or X.shape[1] == 0:
        raise DataError(f"X must be a matrix with columns, not of shape {X.shape}")
    n = len(X)
    for name, value, shape in (
        ("residuals", e, (n,)),
        ("weights", W, (n, n)),
        ("working", T, (n, n)),
        ("clusters", labels, (n,)),
    ):
        if value.shape != shape:
            raise DataError(f"{name} has shape {value.shape}, but X has {n} rows")
    for name, value in (("X", X), ("residuals", e), ("weights", W), ("working", T)):
        if not np.isfinite(value).all():
            rows = np.flatnonzero(~np.isfinite(value.reshape(n, -1)).all(axis=1))
            raise DataError(f"{name} is not finite in rows {rows.tolist()}")
    if any(value is None or value != value for value in labels.tolist()):
        raise DataError("clusters has missing labels", mend="name the cluster of every row")
    for name, value in (("weights", W), ("working", T)):
        if not np.allclose(value, value.T, rtol=1e-8, atol=1e-10 * np.abs(value).max()):
            raise DataError(f"{name} is not symmetric")
    names, codes = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        raise NotIdentifiedError(
            f"cluster-robust inference needs at least two clusters; all {n} rows are in "
            f"{names.tolist()}"
        )
    if np.linalg.matrix_rank(X / np.maximum(np.linalg.norm(X, axis=0), 1e-300)) < X.shape[1]:
        raise DataError("columns of X depend on each other", mend="drop one of them")
    try:
        np.linalg.cholesky(T)
    except np.linalg.LinAlgError:
        raise DataError("the working covariance is not positive definite") from None
    return X, e, W, T, tuple(names.tolist()), codes.astype(np.intp)


def _check_residuals(E: FloatArray, X: FloatArray, e: FloatArray) -> None:
    """Residuals of the fit are those that the fit maps to zero."""
    fitted = X @ (E @ e)
    if np.linalg.norm(fitted) > 1e-6 * np.linalg.norm(e):
        raise DataError(
            "the residuals do not belong to this design and these weights",
            mend="pass y - X b with b from the same weights",
        )
