r"""Meta-regression by restricted maximum likelihood, with the full sampling covariance known.

The model is

.. math:: y \sim N\Bigl(X\beta,\; S(\tau^2)\Bigr), \qquad
          S(\tau^2) = V + \sum_k \tau_k^2 Z_k Z_k',

with ``V`` known (estimates that share items are correlated, so it is a full matrix) and one
variance component per grouping of the rows. The likelihood is in `likelihood`, in the convention
of metafor.

Inference from its variance components, with ``C = (X'S^-1 X)^-1`` at the estimated ones:

- Satterthwaite: ``df = 2 (c'Cc)^2 / (g'A g)``, ``g`` the slope of ``c'Cc`` in the components and
  ``A`` the inverse of their observed information; components at zero count as known.
- Knapp-Hartung: ``C`` times ``s^2 = e'S^-1 e / (n - k)``, Student's t with ``n - k``.

They are valid where the variance model is and its components are estimated well, which takes more
groups than a few families; `hatstats.inference.cluster_robust.sandwich` needs neither.

Sources
-------
Viechtbauer (2010), Journal of Statistical Software 36(3).
Satterthwaite (1946), Biometrics Bulletin 2, 110-114; Fai and Cornelius (1996), Journal of
Statistical Computation and Simulation 54, 363-378 (the form used here, as in lmerTest).
Knapp and Hartung (2003), Statistics in Medicine 22, 2693-2710.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.inference.arrays import Floats, Ints
from hatstats.inference.reml import likelihood as reml
from hatstats.inference.reml.peaks import Peak, maximise
from hatstats.inference.validation import (
    design_matrix,
    finite_array,
    is_definite,
    label_codes,
    listed,
    null_rows,
    symmetric_matrix,
)


@dataclass(frozen=True, slots=True, eq=False)
class RemlFit:
    """A meta-regression fitted by restricted maximum likelihood.

    `y` (n,), `X` (n, k), `V` (n, n) and the groupings as integer `codes` (n,) are what was fitted.
    `params` (k,) are generalised least squares coefficients at the `variance_components` (K,), one
    tau^2 per grouping in squared units of ``y``, exactly 0 at the boundary; `cov` (k, k) is ``(X'
    S^-1 X)^-1``, `residuals` (n,) are ``y - X params``, `marginal` (n, n) is ``S`` and `weights`
    its inverse. `loglik` has metafor's constant.
    """

    y: Floats
    X: Floats
    V: Floats
    codes: tuple[Ints, ...]
    params: Floats
    cov: Floats
    variance_components: Floats
    loglik: float
    residuals: Floats
    marginal: Floats
    weights: Floats


def fit_reml(
    y: Any, X: Any, V: Any, groupings: Sequence[Any] = (), *, start: Floats | None = None
) -> RemlFit:
    """Fit ``y ~ N(X b, V + sum_k tau2_k Z_k Z_k')`` by restricted maximum likelihood.

    `X` (n, k) has full column rank, constant included; `V` (n, n), the known sampling covariance of
    `y` (n,), may be singular as long as ``S`` is not. Rows with equal labels of a grouping (n,)
    share one random effect. Equal to metafor's ``rma.mv(y, V, mods = X, random = list(~ 1 | g1,
    ...))``. `start` (K,), the components of nearly the same data, shortens the search.
    NotIdentifiedError for too few rows, or components that they cannot distinguish.
    """
    y, X, V, codes = _validated(y, X, V, groupings)
    problem = _problem(y, X, V, codes)
    peak = maximise(problem, start) if codes else Peak(np.zeros(0), np.nan)
    return solved(problem, y, X, V, codes, peak.tau2)


def solved(
    problem: reml.Problem, y: Floats, X: Floats, V: Floats, codes: tuple[Ints, ...], tau2: Floats
) -> RemlFit:
    """The fit of a checked problem at components (K,)."""
    factor = reml.factorise(reml.marginal(problem, tau2), problem.blocks, problem.y, problem.X)
    inner = linalg.solve_triangular(factor.triangle, np.eye(X.shape[1]), check_finite=False)
    weights, S = np.empty_like(V), V.copy()
    weights[np.ix_(problem.order, problem.order)] = reml.inverse(factor)
    for value, code in zip(tau2, codes, strict=True):
        S += value * (code[:, None] == code)
    return RemlFit(
        y=y,
        X=X,
        V=V,
        codes=codes,
        params=factor.params,
        cov=inner @ inner.T,
        variance_components=tau2,
        loglik=problem.loglik(tau2),
        residuals=y - X @ factor.params,
        marginal=S,
        weights=weights,
    )


def _validated(
    y: Any, X: Any, V: Any, groupings: Sequence[Any]
) -> tuple[Floats, Floats, Floats, tuple[Ints, ...]]:
    """Checked arrays ``y, X, V``, and the groupings as integer codes."""
    X = design_matrix(X)
    n, k = X.shape
    y = finite_array("y", y, (n,))
    V = symmetric_matrix("V", V, n)
    if n < k:
        raise NotIdentifiedError(
            f"{n} rows cannot identify {k} coefficients; give at least {k} rows"
        )
    codes = tuple(
        label_codes(f"grouping {position}", labels, n)[1]
        for position, labels in enumerate(groupings)
    )
    if codes and n == k:
        raise NotIdentifiedError(
            f"{n} rows and as many coefficients leave no residuals to estimate variances from"
        )
    if codes:
        _compare_components(X, codes)
    return y, X, V, codes


def _problem(y: Floats, X: Floats, V: Floats, codes: tuple[Ints, ...]) -> reml.Problem:
    """The rows in blocks, once the covariance of each block is checked."""
    problem = reml.make_problem(y, X, V, codes)
    scale = float(np.abs(np.diag(V)).max())
    total = reml.marginal(problem, np.full(len(codes), scale or 1.0))
    for rows, known, block in zip(problem.blocks, problem.V, total, strict=True):
        if known.any() and not is_definite(known + 1e-9 * scale * np.eye(len(known))):
            singular = null_rows(known, problem.order[rows])
            raise DataError(f"V is not positive semi-definite: see rows {singular}")
        if not is_definite(block):
            singular = null_rows(block, problem.order[rows])
            raise DataError(
                f"V is singular in rows {singular}, and no grouping gives them variance",
                hint="add a random effect per row, or drop rows that repeat each other",
            )
    return problem


def _compare_components(X: Floats, codes: tuple[Ints, ...]) -> None:
    """Products of matrices ``Z Z'`` projected on residuals, for `check_components`."""
    basis = np.linalg.qr(X)[0]
    annihilator = np.eye(len(X)) - basis @ basis.T
    groups = tuple(map(reml.indicator, codes))
    products = reml.cross_products(annihilator, groups)
    gram = np.array([[np.vdot(block, block) for block in line] for line in products])
    check_components(gram, np.full(len(codes), 1e-16 * len(X)))


def check_components(gram: Floats, least: Floats) -> None:
    """Refuse components whose matrices ``Z Z'``, projected on residuals, are dependent.

    `gram` (K, K) has their inner products; squares up to `least` (K,) are rounding.
    """
    size = np.sqrt(np.maximum(np.diag(gram), 0.0))
    lost = np.flatnonzero(size <= np.sqrt(least))
    if lost.size:
        raise NotIdentifiedError(
            f"grouping {listed(lost)} is absorbed by the columns of X: its variance component "
            "does not affect the residuals; drop the grouping or the columns"
        )
    values, vectors = np.linalg.eigh(gram / np.outer(size, size))
    if values[0] <= 1e-9:
        raise alike(np.flatnonzero(np.abs(vectors[:, 0]) > 1e-6))


def alike(groupings: Any) -> NotIdentifiedError:
    """The error of groupings, by number, that are one and the same effect."""
    return NotIdentifiedError(
        f"groupings {listed(groupings)} cannot be distinguished by these rows (they group "
        "the residuals in the same way); keep one of them"
    )


def satterthwaite(fit: RemlFit, L: Any) -> Floats:
    """Satterthwaite's df (q,) of contrasts `L` (q, k) or (k,); infinite without components."""
    contrasts = np.atleast_2d(np.asarray(L, dtype=np.float64))
    active = np.flatnonzero(fit.variance_components > 0)
    if not active.size:
        return np.full(len(contrasts), np.inf)
    codes = tuple(fit.codes[index] for index in active)
    problem = reml.make_problem(fit.y, fit.X, fit.V, codes)
    information = problem.expand(fit.variance_components[active]).information
    if np.linalg.eigvalsh(information)[0] <= 0.0:
        return np.full(len(contrasts), np.nan)
    spread = np.linalg.inv(information)
    projected = fit.weights @ fit.X @ fit.cov @ contrasts.T
    same = [code[:, None] == code for code in codes]
    slope = np.array([(projected * (pairs @ projected)).sum(axis=0) for pairs in same])
    variance = np.einsum("qp,pr,qr->q", contrasts, fit.cov, contrasts)
    result: Floats = 2.0 * variance**2 / np.einsum("kq,kl,lq->q", slope, spread, slope)
    return result


def knapp_hartung(fit: RemlFit) -> tuple[Floats, float]:
    """Knapp and Hartung's covariance ``s^2 C`` (k, k) and its df ``n - k``; NaN for n = k."""
    n, k = fit.X.shape
    if n == k:
        return np.full((k, k), np.nan), np.nan
    scale = float(fit.residuals @ fit.weights @ fit.residuals) / (n - k)
    return scale * fit.cov, float(n - k)
