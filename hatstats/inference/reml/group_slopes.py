r"""Slopes inside groups of rows, and their random-effects mean over groups.

With the rows of group g centred, ``x_r - xbar_g``, a contrast ``c'beta`` that they determine is
estimated by ``b_g = c' (X_g'X_g)^+ X_g' y``: differences between groups do not enter. The
covariance of the ``b_g`` comes from the known one of ``y``, which groups share where their rows are
estimated from the same items, plus scatter of the rows around the lines of their groups, estimated
by its expectation in the residual sum of squares. Then

.. math:: b_g = \mu + u_g + e_g, \qquad u_g \sim N(0, \tau^2),

``tau^2`` by REML with the variances of ``e_g``, weights ``1 / (tau^2 + var e_g)``, and CR2 with
Satterthwaite's degrees of freedom, the groups being the clusters, at most one less than groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hatstats.inference.arrays import Floats
from hatstats.inference.cluster_robust.sandwich import cluster_robust
from hatstats.inference.reml.meta_regression import fit_reml

_ESTIMABLE = 1e-8
# A sample of two has one degree of freedom; Satterthwaite's limit, to rounding.
_LEAST_DF = 1.0 - 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class GroupSlopes:
    """The contrast inside each of G groups, and its mean over groups.

    `groups` name those that determine it, with `sizes` (G,) rows; `estimates` (G,) have the
    covariance `cov` (G, G), `freedom` degrees of freedom from the scatter of rows, NaN where no
    group has rows to spare, so that `cov` is that of the known errors alone. `mean`, `std_error`
    and `df` are those of the random-effects mean, NaN with fewer than two groups, the standard
    error also with less than one degree of freedom, and where no slope differs; `spread` is tau.
    """

    groups: tuple[str, ...]
    sizes: Floats
    estimates: Floats
    cov: Floats
    freedom: float
    mean: float
    std_error: float
    df: float
    spread: float


def group_slopes(
    y: Floats, V: Floats, X: Floats, contrast: Floats, labels: Sequence[str]
) -> GroupSlopes:
    """Slopes of `y` (n,), known covariance `V` (n, n), inside groups named by `labels` (n,).

    `X` (n, k) are the covariates without a constant, `contrast` (k,) the sum of their coefficients
    that is asked for. Groups whose rows do not determine it are left out.
    """
    names, rows, sizes = [], [], []
    maker = np.zeros((len(y), len(y)))
    scale = np.ptp(X, axis=0)
    wanted = contrast / scale
    for name in dict.fromkeys(labels):
        own = np.flatnonzero(np.array(labels) == name)
        centred = (X[own] - X[own].mean(axis=0)) / scale
        centred[np.abs(centred) < _ESTIMABLE] = 0.0  # equal but for rounding
        inverse = np.linalg.pinv(centred, rcond=_ESTIMABLE)
        loading = wanted @ inverse
        if np.abs(loading @ centred - wanted).max() > 1e-6 * np.abs(wanted).max():
            continue
        row = np.zeros(len(y))
        row[own] = loading
        names.append(str(name))
        rows.append(row)
        sizes.append(float(own.size))
        maker[np.ix_(own, own)] = np.eye(own.size) - 1.0 / own.size - centred @ inverse
    L = np.array(rows).reshape(len(rows), len(y))
    residuals, freedom = maker @ y, float(np.trace(maker))
    scatter = 0.0
    if freedom > 0.5:
        scatter = max(0.0, float(residuals @ residuals - np.trace(maker @ V)) / freedom)
    cov = L @ (V + scatter * np.eye(len(y))) @ L.T
    found = L @ y
    mean = std_error = df = spread = np.nan
    if len(names) > 1:
        mean, std_error, df, spread = _mean(found, cov)
    return GroupSlopes(
        tuple(names),
        np.array(sizes),
        found,
        cov,
        freedom if freedom > 0.5 else np.nan,
        mean,
        std_error,
        df,
        spread,
    )


def _mean(values: Floats, cov: Floats) -> tuple[float, float, float, float]:
    """Random-effects mean of values (G,), its standard error and df, and the spread tau."""
    one, groups = np.ones((len(values), 1)), np.arange(len(values))
    own = np.diag(np.diag(cov))
    tau2 = float(fit_reml(values, one, own, [groups]).variance_components[0])
    weights = 1.0 / (np.diag(cov) + tau2)
    mean = float(weights @ values / weights.sum())
    working = cov + tau2 * np.eye(len(values))
    robust = cluster_robust(one, values - mean, np.diag(weights), working, groups)
    df = min(float(robust.df([1.0])[0]), len(values) - 1.0)
    # With less than one degree of freedom one group has nearly all weight.
    error = float(robust.std_errors([1.0])[0]) if df >= _LEAST_DF else np.nan
    return mean, error or np.nan, df, float(np.sqrt(tau2))
