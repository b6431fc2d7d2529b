"""Tidy rows from estimates and standard errors: the one producer of the schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from hatstats.inference.intervals import check_level, logit_interval, two_sided_p, wald_interval
from hatstats.inference.result_frame import ResultFrame

#: Columns of every tidy table, in order; identifying columns stand in front of them.
TIDY_COLUMNS = (
    "term",
    "estimate",
    "std_error",
    "statistic",
    "df",
    "p_value",
    "conf_low",
    "conf_high",
    "conf_level",
    "method",
)
#: Identifying columns that a tidy table may have, in the order in which they stand.
IDENTIFIERS = ("model", "benchmark", "language", "reference")


def standard_errors(cov: ArrayLike) -> np.ndarray:
    """Square roots of the diagonal of `cov` (k, k); a negative variance becomes NaN, not 0."""
    variance = np.diag(np.asarray(cov, dtype=float))
    return np.sqrt(np.where(variance >= 0.0, variance, np.nan))


def tidy_frame(
    term: str | Sequence[str],
    estimate: ArrayLike,
    std_error: ArrayLike,
    *,
    df: ArrayLike = np.inf,
    conf_level: float = 0.95,
    method: str | Sequence[str] = "",
    scale: str = "identity",
    identifiers: Mapping[str, Sequence[str] | str] | None = None,
) -> pd.DataFrame:
    """Rows of the one tidy schema for k estimates and standard errors, NaN where unknown.

    `df` are degrees of freedom, infinite for the normal distribution. Scale ``identity`` gives
    Wald limits and a test of 0; ``logit`` is for proportions: limits on the logit scale, no test,
    since 0 is no null of interest. Columns are `IDENTIFIERS` as given, then `TIDY_COLUMNS`.
    """
    check_level(conf_level)
    value = np.atleast_1d(np.asarray(estimate, dtype=float))
    error = np.broadcast_to(np.asarray(std_error, dtype=float), value.shape)
    freedom = np.broadcast_to(np.asarray(df, dtype=float), value.shape)
    if scale == "identity":
        limits = wald_interval(value, error, freedom, conf_level)
        statistic = np.divide(value, error, out=np.full(value.shape, np.nan), where=error > 0)
        p_value = two_sided_p(statistic, freedom)
    elif scale == "logit":
        limits = logit_interval(value, error, freedom, conf_level)
        statistic = p_value = np.full(value.shape, np.nan)
    else:
        raise ValueError(f"scale must be 'identity' or 'logit', not {scale!r}")
    rows: dict[str, object] = dict(identifiers or {})
    unknown = set(rows) - set(IDENTIFIERS)
    if unknown:
        raise ValueError(f"unknown identifying columns: {sorted(unknown)}")
    columns: dict[str, object] = {name: rows[name] for name in IDENTIFIERS if name in rows}
    parts = (term, value, error, statistic, freedom, p_value, *limits.T, conf_level, method)
    columns |= zip(TIDY_COLUMNS, parts, strict=True)
    return ResultFrame(columns, index=range(value.size))


def with_adjusted(rows: pd.DataFrame, p_values: ArrayLike) -> pd.DataFrame:
    """Tidy rows (k) with p values adjusted for their number (k,), `p_adjusted` after `p_value`."""
    rows.insert(list(rows).index("p_value") + 1, "p_adjusted", np.asarray(p_values))
    return rows


def rows_of_tests(
    term: str | Sequence[str],
    estimate: ArrayLike,
    tests: Mapping[str, ArrayLike],
    *,
    conf_level: float = 0.95,
    method: str | Sequence[str] = "",
) -> pd.DataFrame:
    """Rows of the tidy schema for tests without df: `tests` maps columns to arrays (k,), or NaN."""
    unknown = set(tests) - {"std_error", "statistic", "p_value", "conf_low", "conf_high"}
    if unknown:
        raise ValueError(f"not a result of a test: {sorted(unknown)}")
    value = np.atleast_1d(np.asarray(estimate, dtype=float))
    rows: dict[str, object] = dict.fromkeys(TIDY_COLUMNS, np.nan)
    rows |= {"term": term, "estimate": value, "conf_level": check_level(conf_level)}
    rows |= {name: np.asarray(each, dtype=float) for name, each in tests.items()}
    return ResultFrame({**rows, "method": method}, index=range(value.size))
