"""Confidence limits and p values from an estimate, its standard error and degrees of freedom.

Student's t with infinite degrees of freedom is the normal distribution, so one function
serves both. Upper tails are the lower tails of -t: ``1 - cdf`` would turn small p values into 0.
Distribution functions come from `scipy.special`: `scipy.stats` takes longer to import than pandas.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from hatstats.errors import DataError
from hatstats.inference.arrays import Floats

#: A standard error of a proportion up to this is rounding error: the data do not vary.
NO_SPREAD = 1e-12


def percent(level: float) -> str:
    """A level in words: ``97.5%``, never rounded to whole per cent."""
    return f"{100.0 * level:.10g}%"


def check_level(conf_level: float) -> float:
    """Return `conf_level` as a float, or raise a `DataError` if it is not inside (0, 1)."""
    level = float(conf_level)
    if not 0.0 < level < 1.0:
        text, hint = "a level lies between 0 and 1", "95 % is 0.95."
        raise DataError(text, column="conf_level", value=conf_level, hint=hint)
    return level


def critical_value(df: ArrayLike, conf_level: float) -> Floats:
    """Two-sided critical value of Student's t; ``df = inf`` gives the normal one, NaN stays NaN."""
    tail = 0.5 * (1.0 - check_level(conf_level))
    return np.asarray(-special.stdtrit(np.asarray(df, dtype=float), tail), dtype=float)


def wald_interval(
    estimate: ArrayLike, std_error: ArrayLike, df: ArrayLike, conf_level: float
) -> Floats:
    """Limits (k, 2) ``estimate -+ t * std_error``."""
    centre, error = np.asarray(estimate, dtype=float), np.asarray(std_error, dtype=float)
    reach = critical_value(df, conf_level) * error
    return np.stack([centre - reach, centre + reach], axis=-1)


def logit_interval(
    estimate: ArrayLike, std_error: ArrayLike, df: ArrayLike, conf_level: float
) -> Floats:
    """Limits of a proportion, symmetric on the logit scale, so that they stay inside (0, 1).

    The standard error on the logit scale is ``std_error / (p (1 - p))`` (delta method). An
    estimate on the boundary has no finite logit: its limits are the Wald ones cut to [0, 1].
    With a standard error of 0 the limits are NaN: an interval of length 0 would suggest certainty.
    """
    p = np.asarray(estimate, dtype=float)
    se = np.asarray(std_error, dtype=float)
    inside = (p > 0.0) & (p < 1.0)
    safe = np.where(inside, p, 0.5)
    scale = se / (safe * (1.0 - safe))
    limits = special.expit(wald_interval(special.logit(safe), scale, df, conf_level))
    boundary = np.clip(wald_interval(p, se, df, conf_level), 0.0, 1.0)
    limits = np.where(inside[..., None], limits, boundary)
    return np.where((se > NO_SPREAD)[..., None], limits, np.nan)


def fieller_interval(
    values: ArrayLike, cov: ArrayLike, df: float, conf_level: float
) -> tuple[float, float]:
    """Fieller's limits of a ratio a / b of `values` (a, b) (Fieller 1954, JRSS B 16, 175-185).

    Infinite where b may be zero at this level; NaN where `df` is NaN.
    """
    a, b = np.asarray(values, dtype=float)
    (va, vab), (_, vb) = np.asarray(cov, dtype=float)
    t2 = float(critical_value(df, conf_level)) ** 2
    if np.isnan(t2):
        return np.nan, np.nan
    lead, middle, last = b**2 - t2 * vb, a * b - t2 * vab, a**2 - t2 * va
    inside = middle**2 - lead * last
    if lead <= 0.0 or inside < 0.0:
        return -np.inf, np.inf
    root = float(np.sqrt(inside))
    return (middle - root) / lead, (middle + root) / lead


def holm(p_values: ArrayLike) -> Floats:
    """P values (k,) adjusted by Holm's method; NaN stays NaN and is not counted.

    The j-th smallest of n is multiplied by n - j + 1, and none is below a smaller one's. Written
    here since statsmodels collects garbage at every call, half the time of a table of claims.
    """
    adjusted = np.asarray(p_values, dtype=float).copy()
    order = np.argsort(adjusted)[: np.count_nonzero(~np.isnan(adjusted))]
    steps = adjusted[order] * np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def false_discovery_adjusted(p_values: Floats) -> Floats:
    """P values of any shape adjusted by Benjamini and Hochberg (1995); NaN stays NaN, uncounted."""
    from scipy import stats  # slow to import, and only items that are judged need it

    adjusted = np.full(p_values.shape, np.nan)
    tested = ~np.isnan(p_values)
    adjusted[tested] = stats.false_discovery_control(p_values[tested])
    return adjusted


def two_sided_p(statistic: ArrayLike, df: ArrayLike) -> Floats:
    """Two-sided p value of a t statistic (normal for infinite `df`)."""
    t = np.abs(np.asarray(statistic, dtype=float))
    return np.asarray(2.0 * special.stdtr(np.asarray(df, dtype=float), -t), dtype=float)


def upper_p(statistic: ArrayLike, df: ArrayLike) -> Floats:
    """One-sided p value against the alternative that the parameter is larger."""
    t = np.asarray(statistic, dtype=float)
    return np.asarray(special.stdtr(np.asarray(df, dtype=float), -t), dtype=float)
