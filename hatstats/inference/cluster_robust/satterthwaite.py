r"""Degrees of freedom and tests for variances that are sums of few squares.

A cluster-robust variance of contrasts ``C b`` is ``sum_j (C q_j)(C q_j)' + K``: one term per
cluster, plus a known part K. Under a working model the terms have covariances
``P_ij = Cov(C q_i, C q_j)``, arrays of shape (q, q) for each pair of clusters, from which follow
the distribution of the variance and so the reference distribution of a test.

Sources
-------
Satterthwaite (1946), Biometrics Bulletin 2, 110-114.
Bell and McCaffrey (2002), Survey Methodology 28(2), 169-181.
Pustejovsky and Tipton (2018), Journal of Business and Economic Statistics 36, 672-683
(the approximate Hotelling test, "HTZ").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from hatstats.inference.arrays import Floats, Ints

_ESTIMABLE = 1e-8


def sole_clusters(X: Floats, codes: Ints, contrasts: Floats) -> Ints:
    """First cluster without which each contrast could not be estimated, -1 if there is none.

    `X` (n, k) has full column rank, `codes` (n,) are the clusters and `contrasts` is (q, k); the
    result is (q,).
    """
    scale = np.linalg.norm(X, axis=0)
    scaled = contrasts / scale  # the same contrasts for columns of unit length
    lengths = np.linalg.norm(scaled, axis=1)
    sole = np.full(len(contrasts), -1, dtype=np.intp)
    for cluster in reversed(range(int(codes.max()) + 1)):
        # The QR triangle has the row space of the other rows, and is at most k x k.
        triangle = np.linalg.qr(X[codes != cluster] / scale, mode="r")
        _, singular, vt = np.linalg.svd(triangle, full_matrices=True)
        rank = int((singular > _ESTIMABLE * singular[0]).sum())
        lost = np.linalg.norm(scaled @ vt[rank:].T, axis=1) > _ESTIMABLE * lengths
        sole[lost] = cluster
    return sole


@dataclass(frozen=True, slots=True)
class WaldTest:
    """A joint test that q contrasts equal their null values, by the upper tail of F.

    ``F = (nu - q + 1) / (nu q) * Q`` with the Wald statistic Q, on ``df_num = q`` and ``df_denom =
    nu - q + 1``; NaN with a `reason` where the test does not apply.
    """

    statistic: float
    df_num: float
    df_denom: float
    p_value: float
    reason: str = ""


def cluster_covariances(loadings: Floats, residual_cov: Floats, codes: Ints, count: int) -> Floats:
    """``P_ij`` for all pairs of clusters, shape (q, q, G, G).

    Entry [s, t, i, j] is the covariance of term s of cluster i and term t of cluster j. Row s of
    `loadings` (q, n) holds the weights of contrast s on the residuals, whose covariance under the
    working model is `residual_cov` (n, n); `codes` (n,) are the clusters 0 to ``count - 1``.
    """
    member = codes == np.arange(count)[:, None]
    split = loadings[:, None, :] * member[None, :, :]
    result: Floats = np.einsum("sin,nm,tjm->stij", split, residual_cov, split, optimize=True)
    return result


def hotelling_df(P: Floats, known: Floats) -> float:
    """Degrees of freedom ``nu`` of a covariance matrix, as in the test "HTZ".

    The ``nu`` at which a Wishart matrix has the same total variance, once the covariance is
    standardised to a mean of I; for one contrast Satterthwaite's ``2 mean^2 / variance``. `P` (q,
    q, G, G) comes from `cluster_covariances`, `known` (q, q) is the part of the covariance that is
    not estimated; NaN without an estimated part.
    """
    count = len(P)
    omega = np.einsum("stii->st", P) + known
    values, vectors = np.linalg.eigh((omega + omega.T) / 2)
    if values[0] <= 1e-12 * values[-1]:
        return np.nan
    root = (vectors / np.sqrt(values)) @ vectors.T
    B = np.einsum("as,stij,tb->abij", root, P, root, optimize=True)
    variance = np.einsum("stij,tsij->", B, B) + np.einsum("ssij,ttij->", B, B)
    return float(count * (count + 1) / variance) if variance > 0 else np.nan


def hotelling_test(statistic: float, count: int, nu: float) -> WaldTest:
    """F test of a Wald statistic Q of `count` contrasts, its covariance with `nu` df.

    NaN with a reason where ``nu <= count - 1``: fewer independent terms than contrasts.
    """
    denominator = nu - count + 1
    if not denominator > 0:
        reason = f"{nu:.2f} degrees of freedom are too few for a joint test of {count} contrasts"
        return WaldTest(np.nan, count, float(denominator), np.nan, reason)
    F = denominator / (nu * count) * statistic
    return WaldTest(F, count, denominator, float(special.fdtrc(count, denominator, F)))
