r"""Crossed random effects by restricted maximum likelihood, residual variance unknown.

The model is

.. math:: y \sim N\Bigl(X\beta,\; S\Bigr), \qquad S = \sigma^2 I + \sum_k \tau_k^2 Z_k Z_k',

where ``Z_k = diag(x_k) 1[group_k]``: an intercept (``x = 1``) or a slope of ``x`` for each group,
uncorrelated with the others, as ``(1 | g) + (0 + x | h)`` in lme4. The deviance is profiled over
the residual variance and minimised in ``tau / sigma >= 0`` with its analytic gradient. Degrees of
freedom are Satterthwaite's with the observed information on the variance components, as in lmerTest
(Kuznetsova, Brockhoff and Christensen 2017, Journal of Statistical Software 82(13)); components at
zero count as known.

`meta_regression` is for a known sampling covariance; here estimates weigh alike and what their
sampling errors have in common is added afterwards (`shared_by_pairs`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import linalg, optimize

from hatstats.errors import FitError, NotIdentifiedError
from hatstats.inference.arrays import Bools, Floats
from hatstats.inference.validation import design_matrix, finite_array

#: Standard deviations below this share of the residual one are zero.
_NONE = 1e-4
#: Searches: each begins where the last one ended, with what is wrongly zero made positive.
_ROUNDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Effect:
    """A random effect: a name, the group of each row (n,), and what is multiplied by it (n,)."""

    name: str
    groups: np.ndarray
    x: Floats

    def products(self, other: Effect) -> Floats:
        """``Z Z'`` between the rows (n,) of this one and (m,) of another of the same name."""
        codes = np.unique(np.concatenate([self.groups, other.groups]), return_inverse=True)[1]
        own, others = codes[: len(self.x)], codes[len(self.x) :]
        return np.asarray((own[:, None] == others) * np.outer(self.x, other.x))


@dataclass(frozen=True, eq=False)
class MixedFit:
    """A fit: `params` (k,), `cov`, `variances` (K + 1,), the residual one last, and ``S^-1``."""

    y: Floats
    X: Floats
    effects: tuple[Effect, ...]
    params: Floats
    cov: Floats
    variances: Floats
    inverse: Floats
    deviance: float

    @cached_property
    def _kernels(self) -> list[Floats]:
        """Kernels (n, n) of the effects with a mean diagonal of 1, whatever their units."""
        return [each.products(each) / max(np.mean(each.x**2), 1e-300) for each in self.effects]

    @cached_property
    def _whitened(self) -> Floats:
        """``S^-1 X``, shape (n, k)."""
        return self.inverse @ self.X

    @cached_property
    def _projection(self) -> Floats:
        """``P = S^-1 - S^-1 X C X'S^-1``, shape (n, n)."""
        return np.asarray(self.inverse - self._whitened @ self.cov @ self._whitened.T)

    @cached_property
    def _traces(self) -> Floats:
        """``tr(P K_i P K_j)`` of all kernels; last is that of the residuals, the identity."""
        swept = [*(self._projection @ kernel for kernel in self._kernels), self._projection]
        return np.array([[float((a * b.T).sum()) for b in swept] for a in swept])

    def satterthwaite(self, L: Any) -> Floats:
        """Degrees of freedom (q,) of contrasts `L` (q, k); NaN without a definite information."""
        contrasts = np.atleast_2d(np.asarray(L, dtype=float))
        active = [k for k, value in enumerate(self.variances[:-1]) if value > 0.0]
        P = self._projection
        error = P @ self.y
        moved = [*(self._kernels[k] @ error for k in active), error]
        known = [*active, len(self.effects)]
        information = np.array([[u @ P @ v for v in moved] for u in moved])
        information -= 0.5 * self._traces[np.ix_(known, known)]
        if np.linalg.eigvalsh(information)[0] <= 0.0:
            return np.full(len(contrasts), np.nan)
        rows = self._whitened @ self.cov @ contrasts.T
        slopes = [np.einsum("nq,nm,mq->q", rows, self._kernels[k], rows) for k in active]
        slope = np.array([*slopes, (rows**2).sum(axis=0)])
        spread = np.einsum("kq,kl,lq->q", slope, np.linalg.inv(information), slope)
        variance = np.einsum("qp,pr,qr->q", contrasts, self.cov, contrasts)
        return np.asarray(2.0 * variance**2 / spread, dtype=float)

    def kenward_roger(self) -> Floats:
        """Covariance (k, k) that knows that variances are estimated, also those that came out zero.

        ``C + 2 C sum_ij W_ij (Q_ij - P_i C P_j) C`` (Kenward and Roger 1997, Biometrics
        53:983-997), W the inverse expected information on the variances; as pbkrtest's vcovAdj.
        """
        spread = np.linalg.pinv(0.5 * self._traces, hermitian=True)
        moved = [*(kernel @ self._whitened for kernel in self._kernels), self._whitened]
        first = [self._whitened.T @ each for each in moved]
        inner = np.zeros_like(self.cov)
        for i, row in enumerate(spread):
            for j, weight in enumerate(row):
                second = moved[i].T @ self.inverse @ moved[j]
                inner += weight * (second - first[i] @ self.cov @ first[j])
        return np.asarray(self.cov + 2.0 * self.cov @ inner @ self.cov)

    def predict(self, X: Floats, effects: Sequence[Effect]) -> tuple[Floats, Floats]:
        """Best linear prediction of new rows (m,), residual included, and its error (m, m).

        `effects` are those of the fit at the new rows; a new group has mean zero.
        """
        pairs = list(zip(self.variances, effects, self.effects, strict=False))
        cross = sum(
            (v * new.products(old) for v, new, old in pairs), np.zeros((len(X), len(self.y)))
        )
        own = sum(
            (v * new.products(new) for v, new, _ in pairs), self.variances[-1] * np.eye(len(X))
        )
        loadings = cross @ self.inverse
        away = X - loadings @ self.X
        mean = X @ self.params + loadings @ (self.y - self.X @ self.params)
        return mean, own - loadings @ cross.T + away @ self.cov @ away.T


def fit_mixed(y: Any, X: Any, effects: Sequence[Effect], start: Floats | None = None) -> MixedFit:
    """Fit rows (n,) on a design (n, k) of full rank, from deviation ratios `start` (K,)."""
    X = design_matrix(X)
    n, k = X.shape
    y = finite_array("y", y, (n,))
    if n <= k + 1:
        raise NotIdentifiedError(f"{n} rows are too few for {k} coefficients and their scatter")
    kernels = [each.products(each) for each in effects]

    def parts(ratio: Floats) -> tuple[float, Floats, Floats, Floats, float]:
        S = np.eye(n) + sum(
            (r**2 * K for r, K in zip(ratio, kernels, strict=True)), np.zeros((n, n))
        )
        lower = np.linalg.cholesky(S)
        inverse = np.asarray(linalg.cho_solve((lower, True), np.eye(n)))
        whitened = inverse @ X
        gram = X.T @ whitened
        P = inverse - whitened @ np.linalg.solve(gram, whitened.T)
        scatter = float(y @ P @ y)
        logs = 2.0 * np.log(np.diag(lower)).sum() + np.linalg.slogdet(gram)[1]
        return float((n - k) * np.log(scatter) + logs), P, inverse, gram, scatter

    # Slopes of covariates in large units have small standard deviations.
    scale = np.array([1.0 / np.sqrt(max(np.mean(each.x**2), 1e-12)) for each in effects])

    def slopes(ratio: Floats) -> tuple[float, Floats]:
        """The deviance, and its slope in the variance ratios."""
        value, P, _, _, scatter = parts(ratio)
        error = P @ y
        slope = [
            float((P * K).sum()) - (n - k) * float(error @ K @ error) / scatter for K in kernels
        ]
        return value, np.array(slope)

    def deviance(scaled: Floats) -> tuple[float, Floats]:
        value, slope = slopes(scaled * scale)
        return value, 2.0 * scaled * scale**2 * slope

    ratio = np.zeros(0)
    if kernels:
        point = np.ones(len(kernels)) if start is None else np.maximum(start / scale, 0.05)
        for _ in range(_ROUNDS):
            found = optimize.minimize(
                deviance,
                point,
                jac=True,
                method="L-BFGS-B",
                bounds=[(0.0, None)] * len(kernels),
                options={"maxiter": 200, "ftol": 1e-11, "gtol": 1e-5},
            )
            point = np.where(found.x < _NONE, 0.0, found.x)
            # At zero the slope in the deviation is zero, also where a variance would be likelier.
            wrong = (point == 0.0) & (slopes(point * scale)[1] < 0.0)
            if not wrong.any():
                break
            point = np.where(wrong, 0.2, point)
        if not np.isfinite(found.fun):
            raise FitError(f"no maximum of the restricted likelihood was found: {found.message}")
        ratio = np.where(point < _NONE, 0.0, point) * scale
    value, _, inverse, gram, scatter = parts(ratio)
    sigma2 = scatter / (n - k)
    cov = sigma2 * np.linalg.inv(gram)
    params = np.linalg.solve(gram, X.T @ inverse @ y)
    variances = sigma2 * np.append(ratio**2, 1.0)
    return MixedFit(y, X, tuple(effects), params, cov, variances, inverse / sigma2, value)


def shared_by_pairs(X: Floats, V: Floats, pairs: Bools) -> Floats:
    """Least-squares ``B`` (k, k), positive semi-definite, of ``V ~ X B X'`` over pairs of rows.

    `pairs` (n, n) marks, symmetrically, the pairs whose common sampling error no random effect
    has. Errors ``X B X'`` that all rows share add ``B`` to the covariance of the coefficients.
    """
    k = X.shape[1]
    basis, triangle = np.linalg.qr(X)
    products = [basis[:, [a]] * basis for a in range(k)]
    marks = pairs * 1.0
    normal = np.empty((k, k, k, k))
    for a in range(k):
        for b in range(k):
            normal[a, b] = products[a].T @ marks @ products[b]
    # normal[a, b][c, d] = sum_ij O_ij X_ia X_ic X_jb X_jd belongs to B_ab and B_cd.
    right = basis.T @ (V * marks) @ basis
    flat = np.linalg.lstsq(normal.reshape(k * k, k * k), right.ravel(), rcond=None)[0]
    inner = flat.reshape(k, k)
    value, vector = np.linalg.eigh((inner + inner.T) / 2)
    inner = (vector * np.maximum(value, 0.0)) @ vector.T
    inverse = linalg.solve_triangular(triangle, np.eye(k))
    return np.asarray(inverse @ inner @ inverse.T, dtype=float)
