r"""Model-based inference from the variance components of a restricted-likelihood fit.

With ``C = (X'S^-1 X)^-1`` at the estimated components:

- Satterthwaite: ``df = 2 (c'Cc)^2 / (g'A g)``, ``g`` the slope of ``c'Cc`` in the components and
  ``A`` the inverse of their observed information; components at zero count as known.
- Knapp-Hartung: ``C`` times ``s^2 = e'S^-1 e / (n - k)``, Student's t with ``n - k``.
- Q_M, the Wald statistic of several coefficients, on chi-square.

They are valid where the variance model is and its components are estimated well, which takes more
groups than a few families; `hatstats.inference.cluster_robust.sandwich` needs neither.

Sources
-------
Satterthwaite (1946), Biometrics Bulletin 2, 110-114; Fai and Cornelius (1996), Journal of
Statistical Computation and Simulation 54, 363-378 (the form used here, as in lmerTest).
Knapp and Hartung (2003), Statistics in Medicine 22, 2693-2710.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from hatstats.inference.arrays import Floats
from hatstats.inference.cluster_robust.satterthwaite import WaldTest
from hatstats.inference.reml import likelihood as reml
from hatstats.inference.reml.meta_regression import RemlFit


def satterthwaite(fit: RemlFit, L: Any) -> Floats:
    """Satterthwaite's degrees of freedom (q,) of contrasts `L` (q, k) or (k,), model-based.

    Infinite where all variance components are zero, since the covariance is known then; NaN where
    the observed information on the components is not positive definite.
    """
    contrasts = np.atleast_2d(np.asarray(L, dtype=np.float64))
    active = np.flatnonzero(fit.variance_components > 0)
    if not active.size:
        return np.full(len(contrasts), np.inf)
    expansion = reml.expand(
        reml.make_problem(fit.y, fit.X, fit.V, tuple(fit.codes[index] for index in active)),
        fit.variance_components[active],
    )
    information = expansion.information
    if np.linalg.eigvalsh(information)[0] <= 0.0:
        return np.full(len(contrasts), np.nan)
    spread = np.linalg.inv(information)
    projected = fit.weights @ fit.X @ fit.cov @ contrasts.T
    groups = [reml.indicator(fit.codes[index]) for index in active]
    sums = [projected if Z is None else Z @ projected for Z in groups]
    slope = np.array([(rows**2).sum(axis=0) for rows in sums])
    variance = np.einsum("qp,pr,qr->q", contrasts, fit.cov, contrasts)
    result: Floats = 2.0 * variance**2 / np.einsum("kq,kl,lq->q", slope, spread, slope)
    return result


def knapp_hartung(fit: RemlFit) -> tuple[Floats, float]:
    """Knapp and Hartung's covariance ``s^2 C`` (k, k), and its degrees of freedom ``n - k``.

    NaN where there are as many coefficients as rows.
    """
    n, k = fit.X.shape
    if n == k:
        return np.full((k, k), np.nan), np.nan
    scale = float(fit.residuals @ fit.weights @ fit.residuals) / (n - k)
    return scale * fit.cov, float(n - k)


def joint_chi2(fit: RemlFit, columns: list[int]) -> WaldTest:
    """Q_M: coefficients of some columns are all zero, on chi-square, as metafor prints it."""
    b = fit.params[columns]
    statistic = float(b @ np.linalg.solve(fit.cov[np.ix_(columns, columns)], b))
    count = len(columns)
    return WaldTest(statistic, count, np.inf, float(special.chdtrc(count, statistic)))
