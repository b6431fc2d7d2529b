r"""Inference that trusts the variance components of a restricted-likelihood fit.

With ``C = (X'S^-1 X)^-1`` at the estimated components, three ways to allow for their estimation:

- Satterthwaite: ``df = 2 (c'Cc)^2 / (g'A g)``, ``g`` the slope of ``c'Cc`` in the components and
  ``A`` the inverse of their observed information; components at zero count as known.
- Knapp-Hartung: ``C`` times ``s^2 = e'S^-1 e / (n - k)``, Student's t with ``n - k``.
- Q_M, the Wald statistic of several coefficients, on chi-square.

They hold where the model of the variances does, and that takes more groups than few families offer;
`hatstats.inference.cluster_robust.sandwich` does not need it.

Sources
-------
Satterthwaite (1946), Biometrics Bulletin 2, 110-114; Fai and Cornelius (1996), Journal of
Statistical Computation and Simulation 54, 363-378 (the form used here, as in lmerTest).
Knapp and Hartung (2003), Statistics in Medicine 22, 2693-2710.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hatstats.inference.cluster_robust.satterthwaite import WaldTest
from hatstats.inference.reml import likelihood as reml
from hatstats.inference.reml.meta_regression import RemlFit

FloatArray = NDArray[np.float64]


def satterthwaite(fit: RemlFit, L: Any) -> FloatArray:
    """Satterthwaite's degrees of freedom of contrasts ``L b`` under the model-based covariance.

    Parameters
    ----------
    fit : RemlFit
    L : array_like, shape (q, k) or (k,)
        One contrast per row.

    Returns
    -------
    ndarray, shape (q,)
        Infinite where no variance component is above zero, for then the covariance is known; NaN
        where the likelihood is too flat to say how well the components are known.
    """
    contrasts = np.atleast_2d(np.asarray(L, dtype=np.float64))
    active = [place for place, value in enumerate(fit.variance_components) if value > 0]
    if not active:
        return np.full(len(contrasts), np.inf)
    information = reml.observed_information(
        reml.make_problem(fit.y, fit.X, fit.V, tuple(fit.codes[place] for place in active)),
        fit.variance_components[active],
    )
    if np.linalg.eigvalsh(information)[0] <= 0.0:
        return np.full(len(contrasts), np.nan)
    spread = np.linalg.inv(information)
    carried = fit.weights @ fit.X @ fit.cov @ contrasts.T
    slopes = []
    for place in active:
        indicator = reml.indicator(fit.codes[place])
        rows = carried if indicator is None else indicator @ carried
        slopes.append((rows**2).sum(axis=0))
    slope = np.array(slopes)
    variance = np.einsum("qp,pr,qr->q", contrasts, fit.cov, contrasts)
    result: FloatArray = 2.0 * variance**2 / np.einsum("kq,kl,lq->q", slope, spread, slope)
    return result


def knapp_hartung(fit: RemlFit) -> tuple[FloatArray, float]:
    """Knapp and Hartung's covariance and its degrees of freedom.

    Parameters
    ----------
    fit : RemlFit

    Returns
    -------
    cov : ndarray, shape (k, k)
        ``s^2 C``; NaN where no row is left over.
    df : float
        ``n - k``.
    """
    n, k = fit.X.shape
    if n == k:
        return np.full((k, k), np.nan), np.nan
    scale = float(fit.residuals @ fit.weights @ fit.residuals) / (n - k)
    return scale * fit.cov, float(n - k)


def joint_chi2(fit: RemlFit, columns: list[int]) -> WaldTest:
    """Q_M: all coefficients of some columns are zero, on chi-square (as metafor prints it).

    Parameters
    ----------
    fit : RemlFit
    columns : list of int

    Returns
    -------
    WaldTest
        ``df_denom`` is infinite.
    """
    b = fit.params[columns]
    statistic = float(b @ np.linalg.solve(fit.cov[np.ix_(columns, columns)], b))
    count = len(columns)
    return WaldTest(statistic, count, np.inf, float(stats.chi2.sf(statistic, count)))
