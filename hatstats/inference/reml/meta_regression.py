r"""Meta-regression by restricted maximum likelihood, with the full sampling covariance known.

The model is

.. math:: y \sim N\Bigl(X\beta,\; S(\tau^2)\Bigr), \qquad
          S(\tau^2) = V + \sum_k \tau_k^2 Z_k Z_k',

with ``V`` known (estimates that share items are correlated, so it is a full matrix) and one
variance component per grouping of the rows. The restricted log-likelihood, in the convention of
metafor (Viechtbauer 2010), is

.. math:: \ell(\tau^2) = -\tfrac{n-k}{2}\log 2\pi + \tfrac12\log|X'X| - \tfrac12\log|S|
          - \tfrac12\log|X'S^{-1}X| - \tfrac12 y'Py,

with ``P = S^-1 - S^-1 X (X'S^-1 X)^-1 X'S^-1``; `restricted_likelihood` climbs it.

Sources
-------
Viechtbauer (2010), Journal of Statistical Software 36(3).
Higgins and Thompson (2002), Statistics in Medicine 21, 1539-1558 (I2, H2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, stats

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.inference.reml import likelihood as reml
from hatstats.inference.validation import (
    design_matrix,
    finite_array,
    is_definite,
    label_codes,
    listed,
    null_rows,
    symmetric_matrix,
)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Heterogeneity:
    """How much the rows differ beyond their sampling errors.

    Attributes
    ----------
    q : float
        Cochran's Q_E: weighted residual sum of squares of the fixed-effect fit (weights ``V^-1``).
        NaN when ``V`` is singular.
    df : int
        Its degrees of freedom, rows less coefficients.
    p_value : float
        Upper chi-square tail of ``q``; null: no heterogeneity.
    i2 : float
        Share of the total variance that is heterogeneity, in per cent.
    h2 : float
        Total variance over typical sampling variance.
    typical_variance : float
        Typical sampling variance, ``df / trace(P_V)``, in squared units of ``y``.
    """

    q: float
    df: int
    p_value: float
    i2: float
    h2: float
    typical_variance: float


@dataclass(frozen=True, slots=True, eq=False)
class RemlFit:
    """A meta-regression fitted by restricted maximum likelihood.

    Attributes
    ----------
    y, X, V : ndarray, shapes (n,), (n, k), (n, n)
        What was fitted.
    codes : tuple of ndarray, each (n,)
        The groupings as integer codes.
    params : ndarray, shape (k,)
        Generalised least squares coefficients at the estimated variance components.
    cov : ndarray, shape (k, k)
        ``(X' S^-1 X)^-1``, the model-based covariance.
    variance_components : ndarray, shape (K,)
        One tau^2 per grouping, in squared units of ``y``; exactly 0 at the boundary.
    loglik : float
        Restricted log-likelihood with metafor's constant.
    residuals : ndarray, shape (n,)
        ``y - X params``.
    marginal, weights : ndarray, shape (n, n)
        ``S`` and its inverse.
    at_boundary : tuple of bool
        Which variance components are zero.
    n_iter : int
        Steps of the climb that won.
    """

    y: FloatArray
    X: FloatArray
    V: FloatArray
    codes: tuple[IntArray, ...]
    params: FloatArray
    cov: FloatArray
    variance_components: FloatArray
    loglik: float
    residuals: FloatArray
    marginal: FloatArray
    weights: FloatArray
    at_boundary: tuple[bool, ...]
    n_iter: int

    def heterogeneity(self) -> Heterogeneity:
        r"""Q_E with its test, I2 and H2.

        Returns
        -------
        Heterogeneity
            ``I2 = 100 * sum(tau^2) / (sum(tau^2) + v)`` with the typical sampling variance
            ``v = (n - k) / trace(P_V)``, ``P_V`` as ``P`` above with ``V`` for ``S``. With one
            random effect per row and diagonal ``V`` these are the numbers that metafor's ``rma``
            prints; with several groupings the sum of the components takes the place of tau^2.
        """
        n, k = self.X.shape
        df = n - k
        if df == 0:
            return Heterogeneity(0.0, 0, np.nan, np.nan, np.nan, np.nan)
        rows = reml.make_problem(self.y, self.X, self.V, ())
        try:
            factor = reml.factorise(rows.V, rows.blocks, rows.y, rows.X)
        except linalg.LinAlgError:
            # Some combination of rows is known without error: Q_E divides by zero.
            return Heterogeneity(np.nan, df, np.nan, np.nan, np.nan, np.nan)
        q = float(factor.whitened @ factor.whitened)
        typical = df / float(np.trace(reml.projection(factor)))
        tau2 = float(self.variance_components.sum())
        return Heterogeneity(
            q=q,
            df=df,
            p_value=float(stats.chi2.sf(q, df)),
            i2=100.0 * tau2 / (tau2 + typical),
            h2=(tau2 + typical) / typical,
            typical_variance=typical,
        )


def fit_reml(y: Any, X: Any, V: Any, groupings: Sequence[Any] = ()) -> RemlFit:
    """Fit ``y ~ N(X b, V + sum_k tau2_k Z_k Z_k')`` by restricted maximum likelihood.

    Parameters
    ----------
    y : array_like, shape (n,)
        Estimates.
    X : array_like, shape (n, k)
        Design matrix, of full column rank, constant included by the caller.
    V : array_like, shape (n, n)
        Known sampling covariance of ``y``; may be singular as long as ``S`` is not.
    groupings : sequence of array_like, each (n,)
        Labels (integers or strings); rows with equal labels share one random effect. Unique labels
        give one random effect per row. Without groupings the fit is the fixed-effect one.

    Returns
    -------
    RemlFit
        Equal to metafor's ``rma.mv(y, V, mods = X, random = list(~ 1 | g1, ...))``.

    Raises
    ------
    DataError
        Wrong shapes, values that are not finite, columns of ``X`` that depend on each other, ``V``
        not symmetric or not positive semi-definite, ``S`` singular whatever the components.
    NotIdentifiedError
        Fewer rows than coefficients, or variance components that the rows cannot tell apart.
    FitError
        No climb met the conditions of a maximum.
    """
    y, X, V, codes = _validated(y, X, V, groupings)
    problem = _problem(y, X, V, codes)
    peak = reml.maximise(problem) if codes else reml.Peak(np.zeros(0), np.nan, 0)
    factor = reml.factorise(reml.marginal(problem, peak.tau2), problem.blocks, problem.y, problem.X)
    inner = linalg.solve_triangular(factor.triangle, np.eye(X.shape[1]), check_finite=False)
    weights, S = np.empty_like(V), V.copy()
    weights[np.ix_(problem.order, problem.order)] = reml.inverse(factor)
    for value, code in zip(peak.tau2, codes, strict=True):
        S += value * (code[:, None] == code)
    return RemlFit(
        y=y,
        X=X,
        V=V,
        codes=codes,
        params=factor.params,
        cov=inner @ inner.T,
        variance_components=peak.tau2,
        loglik=reml.loglik_at(problem, peak.tau2),
        residuals=y - X @ factor.params,
        marginal=S,
        weights=weights,
        at_boundary=tuple(bool(value == 0) for value in peak.tau2),
        n_iter=peak.n_iter,
    )


def restricted_loglik(y: Any, X: Any, V: Any, groupings: Sequence[Any], tau2: Any) -> float:
    """Restricted log-likelihood at given variance components (profiles, checks).

    Parameters
    ----------
    y, X, V, groupings
        As in `fit_reml`.
    tau2 : array_like, shape (K,)
        Variance components, not negative.

    Returns
    -------
    float
        The log-likelihood with metafor's constant; ``-inf`` where ``S`` is singular.
    """
    problem = _problem(*_validated(y, X, V, groupings))
    values = np.asarray(tau2, dtype=np.float64).reshape(-1)
    if values.shape != (len(problem.indicators),) or not (values >= 0).all():
        raise DataError(
            f"tau2 must hold {len(problem.indicators)} values, none negative", value=values.tolist()
        )
    return reml.loglik_at(problem, values)


# --- validation ---------------------------------------------------------------------------------


def _validated(
    y: Any, X: Any, V: Any, groupings: Sequence[Any]
) -> tuple[FloatArray, FloatArray, FloatArray, tuple[IntArray, ...]]:
    X = design_matrix(X)
    n, k = X.shape
    y = finite_array("y", y, (n,))
    V = symmetric_matrix("V", V, n)
    if n < k:
        raise NotIdentifiedError(f"{n} rows cannot tell {k} coefficients; give at least {k} rows")
    codes = tuple(
        label_codes(f"grouping {position}", labels, n)[1]
        for position, labels in enumerate(groupings)
    )
    if codes and n == k:
        raise NotIdentifiedError(
            f"{n} rows and as many coefficients leave nothing to tell variance components by"
        )
    _check_components(X, codes)
    return y, X, V, codes


def _problem(
    y: FloatArray, X: FloatArray, V: FloatArray, codes: tuple[IntArray, ...]
) -> reml.Problem:
    """Sort into blocks, and see that the covariance of each is one."""
    problem = reml.make_problem(y, X, V, codes)
    scale = float(np.abs(np.diag(V)).max())
    total = reml.marginal(problem, np.full(len(codes), scale or 1.0))
    for rows, known, block in zip(problem.blocks, problem.V, total, strict=True):
        if known.any() and not is_definite(known + 1e-9 * scale * np.eye(len(known))):
            where = null_rows(known, problem.order[rows])
            raise DataError(f"V is not positive semi-definite: see rows {where}")
        if not is_definite(block):
            where = null_rows(block, problem.order[rows])
            raise DataError(
                f"V is singular in rows {where}, and no grouping gives them variance",
                hint="add a random effect per row, or drop rows that repeat each other",
            )
    return problem


def _check_components(X: FloatArray, codes: tuple[IntArray, ...]) -> None:
    """Refuse components whose matrices, seen through the residuals, are linearly dependent."""
    if not codes:
        return
    basis = np.linalg.qr(X)[0]
    annihilator = np.eye(len(X)) - basis @ basis.T
    gram = reml.cross_products(annihilator, tuple(map(reml.indicator, codes)))[0]
    size = np.sqrt(np.diag(gram))
    lost = np.flatnonzero(size <= 1e-8 * len(X) ** 0.5)
    if lost.size:
        raise NotIdentifiedError(
            f"grouping {listed(lost)} is absorbed by the columns of X: its variance component "
            "leaves no trace in the residuals; drop the grouping or the columns"
        )
    values, vectors = np.linalg.eigh(gram / np.outer(size, size))
    if values[0] <= 1e-9:
        involved = np.flatnonzero(np.abs(vectors[:, 0]) > 1e-6)
        raise NotIdentifiedError(
            f"groupings {listed(involved)} cannot be told apart by these rows (they split the "
            "rows alike once X is removed); keep one of them"
        )
