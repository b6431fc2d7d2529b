"""Intervals of the measures: each contains its estimate, and stays where the measure can be.

A measure that the data do not identify has neither an estimate nor limits, but a reason.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hatstats.inference.arrays import Floats
from hatstats.inference.intervals import (
    NO_SPREAD,
    critical_value,
    fieller_interval,
    logit_interval,
    two_sided_p,
    wald_interval,
)
from hatstats.inference.tidy import rows_of_tests

#: A denominator fewer standard errors than this from 0 may have either sign, and its ratio any
#: value: Fieller's set is bounded up to a level of 99.7 %.
_CLEAR = 3.0
#: Measures between -1 and 1 whose natural null is 0.
_DIFFERENCES = ("gap", "excess", "moment_excess", "agreement", "mother_tongue", "locality")
_PROPORTIONS = ("HAT", "overall", "conditional", "conditional_with_source")
NO_INTERVAL = "; no interval: too few draws are defined, or they do not vary"
_NO_LINE = "not identified: no line over these models"
_NO_SOURCE = "not defined: no right answer in the source language"
_UNDEFINED = {
    "ratio": _NO_SOURCE,
    "conditional": _NO_SOURCE,
    "conditional_with_source": _NO_SOURCE,
    "excess": _NO_LINE,
    "moment_excess": _NO_LINE,
    "gamma": "not identified: a source accuracy near one half, or an accuracy of 0 or 1",
    "agreement": "not defined: answers that are all right, or all wrong, cannot agree by more",
    "odds_ratio": "not defined: no stratum of items has right and wrong answers to compare",
}


def too_near_zero(values: Floats) -> np.ndarray:
    """Whether the first of 1 + B rows of values (1 + B, M) may be 0, shape (M,)."""
    drawn = np.where(np.isfinite(values[1:]), values[1:], 0.0)
    return np.asarray(~(np.abs(values[0]) > _CLEAR * drawn.std(axis=0, ddof=1)))


def difference_limits(value: Floats, error: Floats, conf_level: float) -> tuple[Floats, Floats]:
    """Limits (M, 2) of values in [-1, 1] by Fisher's z, and the z statistics of the null 0."""
    limits = 2.0 * logit_interval(0.5 * (1.0 + value), 0.5 * error, np.inf, conf_level) - 1.0
    inside = np.abs(value) < 1.0
    safe = np.where(inside, value, 0.0)
    slope = np.where(inside & (error > NO_SPREAD), error / (1.0 - safe**2), np.nan)
    return limits, np.arctanh(safe) / slope


def _ratio_limits(value: Floats, error: Floats, conf_level: float) -> Floats:
    """Limits (M, 2) of values that are not negative, on the logarithmic scale."""
    z = critical_value(np.inf, conf_level)
    positive = value > 0.0
    step = z * np.divide(error, value, out=np.zeros(value.shape), where=positive)
    low, high = value * np.exp(-step), np.where(positive, value * np.exp(step), z * error)
    return np.stack([low, high], axis=1)


def gamma_limits(target: Floats, source: Floats, conf_level: float) -> Floats:
    """Fieller's limits (M, 2) of ratios of logits, from estimates and draws (1 + B, M) of both.

    NaN where the set is unbounded at this level.
    """
    limits = np.full((source.shape[1], 2), np.nan)
    for m, pair in enumerate(np.stack([target, source], axis=2).swapaxes(0, 1)):
        drawn = pair[1:][np.isfinite(pair[1:]).all(axis=1)]
        if np.isfinite(pair[0]).all() and len(drawn) > 1:
            limits[m] = fieller_interval(pair[0], np.cov(drawn.T), np.inf, conf_level)
    return np.where(np.isfinite(limits), limits, np.nan)


def parity_limits(languages: Sequence[Floats], conf_level: float) -> tuple[Floats, Floats]:
    """Limits (M, 2) and standard errors (M,) of the best less the worst of K accuracies.

    From estimates and draws (1 + B, M, K) of each benchmark. With d the differences of pairs, the
    largest of ``d - c se`` is the lower limit and that of ``d + z se`` the upper one: z is the
    normal quantile, since the upper limit fails only if that of the truly extreme pair does, and c
    that of Tukey and Kramer, since chance chooses among all pairs which is seen as extreme. The
    standard error is that of the pair seen. Benchmarks are independent, and their mean has the
    limits ``-+ sqrt(sum (estimate - limit)^2)`` (Zou and Donner 2008, Stat. Med. 27:1693-1702).
    """
    from scipy import stats  # slow to import

    z = float(critical_value(np.inf, conf_level))
    value = np.mean([np.ptp(part[0], axis=1) for part in languages], axis=0)
    squares = np.zeros((value.size, 3))
    for part in languages:
        tukey = stats.studentized_range.ppf(conf_level, part.shape[2], np.inf) / np.sqrt(2.0)
        for m, values in enumerate(part.swapaxes(0, 1)):
            pairs = values[0, :, None] - values[0]
            cov = np.cov(values[1:][np.isfinite(values[1:]).all(axis=1)].T)
            error = np.sqrt(np.maximum(np.diag(cov)[:, None] + np.diag(cov) - 2.0 * cov, 0.0))
            low = (pairs - tukey * error).max()
            high = min((pairs + z * error).max(), 1.0)
            width = error.flat[pairs.argmax()]
            squares[m] += np.square([pairs.max() - low, high - pairs.max(), width])
    below, above, error = np.sqrt(squares.T) / len(languages)
    return np.stack([value - below, value + above], axis=1), error


def rows_of_measure(
    term: str,
    models: Sequence[str],
    value: Floats,
    error: Floats,
    *,
    conf_level: float,
    method: Sequence[str],
    limits: Floats | None = None,
) -> pd.DataFrame:
    """Tidy rows of one measure, `model` in front; a reason in `method` where something is NaN.

    Limits (M, 2) are by the measure's scale unless given; statistic and p value are of that scale.
    """
    tests = {}
    if limits is None and term in _DIFFERENCES:
        limits, tests["statistic"] = difference_limits(value, error, conf_level)
    elif limits is None and term in _PROPORTIONS:
        limits = logit_interval(value, error, np.inf, conf_level)
    elif limits is None and term == "ratio":
        limits = _ratio_limits(value, error, conf_level)
    elif limits is None:
        limits = wald_interval(value, error, np.inf, conf_level)
        tests["statistic"] = np.divide(
            value, error, out=np.full(value.shape, np.nan), where=error > NO_SPREAD
        )
    limits = np.where((error > NO_SPREAD)[:, None], limits, np.nan)
    if "statistic" in tests:
        tests["p_value"] = two_sided_p(tests["statistic"], np.inf)
    tests |= {"std_error": error, "conf_low": limits[:, 0], "conf_high": limits[:, 1]}
    shown = []
    for words, known, width in zip(method, np.isfinite(value), limits.sum(axis=1), strict=True):
        if not known:
            shown.append(_UNDEFINED.get(term, "not defined: an accuracy is missing"))
        else:
            shown.append(words if np.isfinite(width) else words + NO_INTERVAL)
    unknown = np.isnan(value)
    tests = {name: np.where(unknown, np.nan, each) for name, each in tests.items()}
    table = rows_of_tests([term] * len(value), value, tests, conf_level=conf_level, method=shown)
    table.insert(0, "model", list(models))
    return table
