"""Functions that a formula may use beside those of formulaic.

``within(x)`` and ``between(x)`` split a covariate into the mean of its family and the deviation
from it. ``ordinal(x, "small", "medium", "large")`` codes ordered labels as 0, 1, 2. ``filled(x)``
replaces missing values by the mean of the others, and ``missing(x)`` indicates them: together they
keep models of undisclosed size in a trend over time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hatstats.errors import DataError
from hatstats.inference.arrays import Floats
from hatstats.inference.validation import member
from hatstats.study.formula import FUNCTIONS

#: Functions that accept missing values and return none.
TOLERANT = ("filled", "missing")


def ordinal(labels: pd.Series, *levels: str) -> pd.Series:
    """Ranks 0, 1, ... of ordered labels; a missing label stays missing.

    A DataError without levels, or for a label that is not among them.
    """
    if len(levels) < 2:
        raise DataError(
            "ordinal() needs its levels in order",
            column="formula",
            hint='write ordinal(size_class, "small", "medium", "large").',
        )
    rank = {level: float(index) for index, level in enumerate(levels)}
    message = "a label is not among the levels of ordinal()"
    for label in labels.dropna():
        member(str(labels.name), label, levels, message, "the levels given are")
    return labels.map(rank).astype(float)


def filled(values: Any) -> Floats:
    """Values with the mean of the others where missing."""
    x = np.asarray(values, dtype=float)
    present = np.isfinite(x)
    return np.where(present, x, x[present].mean() if present.any() else np.nan)


def missing(values: Any) -> Floats:
    """1 where a value is missing, else 0."""
    return (~np.isfinite(np.asarray(values, dtype=float))).astype(float)


def functions(clusters: NDArray[Any]) -> dict[str, Callable[..., Any]]:
    """Functions that a formula may use, for rows in these clusters (M,)."""

    def between(values: Any) -> Floats:
        x = pd.Series(np.asarray(values, dtype=float))
        return x.groupby(clusters).transform("mean").to_numpy(dtype=float)

    def within(values: Any) -> Floats:
        return np.asarray(values, dtype=float) - between(values)

    return {
        **FUNCTIONS,
        "between": between,
        "within": within,
        "ordinal": ordinal,
        "filled": filled,
        "missing": missing,
    }
