"""Tests of observed against fitted proportions or means over ordered categories."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from hatstats.inference.arrays import Floats

# Least variance of a share below a category by which its square is divided: the outermost
# categories, which hardly any observation is in, do not decide.
_LEAST_VARIANCE = 0.02
# Where fitting leaves less than this share of the variance of the differences there are as many
# free parameters as categories, and nothing remains to be tested.
_SATURATED = 1e-3
_HIGHEST = 0.95


class Misfit(NamedTuple):
    """A chi-squared statistic, its degrees of freedom, p value, and the statistic over its mean."""

    statistic: float
    df: float
    p_value: float
    ratio: float


def cumulative_test(
    difference: Floats, covariance: Floats, shares: Floats, unfitted: Floats
) -> Misfit:
    """Test that differences over J ordered categories have mean 0.

    ``sum_j D_j^2 / (F_j (1 - F_j))`` with D the running sums of `difference` (J,) and F those of
    the categories' `shares` (J,): the statistic of Anderson and Darling (1954, JASA 49:765-769),
    sensitive to smooth departures. Under the null it is ``sum lambda_j chi2_1``, lambda the
    eigenvalues of the scaled covariance of D, and three moments give a chi-squared distribution
    (Imhof 1961, Biometrika 48:419-426). The `covariance` (J, J) of the differences accounts for
    fitting; `unfitted` (J,) are the variances that they would have without. NaN with 0 df where
    hardly any variance is left.
    """
    below = np.cumsum(shares)[:-1] / shares.sum()
    root = 1.0 / np.sqrt(np.maximum(below * (1.0 - below), _LEAST_VARIANCE))
    running = root[:, None] * np.tril(np.ones((below.size, shares.size)))
    nothing = Misfit(np.nan, 0.0, np.nan, np.nan)
    if below.size == 0 or not np.trace(covariance) > _SATURATED * unfitted.sum():
        return nothing
    values = np.linalg.eigvalsh(running @ covariance @ running.T)
    # In units of the largest, whose powers can be too small for a number.
    unit = float(values[-1])
    values = values / unit if unit > 0.0 else np.zeros_like(values)
    first, second, third = ((values**power).sum() for power in (1, 2, 3))
    if not third > 0.0:  # what varies cancels in the running sums, or is rounding
        return nothing
    found = float(((running @ difference) ** 2).sum()) / unit
    df = float(second**3 / third**2)
    statistic = float(max((found - first) * np.sqrt(df / second) + df, 0.0))
    return Misfit(statistic, df, float(special.chdtrc(df, statistic)), float(found / first))


def cauchy_combination(p_values: Floats) -> float:
    """One p value from several, which may depend on one another; NaN are left out.

    ``P(C > mean(tan(pi (1/2 - p))))`` with C standard Cauchy (Liu and Xie 2020, JASA 115:393-402),
    p at most .95, lest one p near 1 outweigh all others. NaN if there are none.
    """
    known = p_values[~np.isnan(p_values)]
    if known.size == 0:
        return np.nan
    score = float((1.0 / np.tan(np.pi * np.clip(known, 1e-300, _HIGHEST))).mean())
    return float(np.arctan2(1.0, score) / np.pi)
