"""Functions that a formula may use beside those of formulaic.

``within(x)`` and ``between(x)`` split a covariate into its family's mean and the deviation from it.
``ordinal(x, "small", "medium", "large")`` turns ordered labels into 0, 1, 2. ``filled(x)`` puts the
mean of the known values where `x` is unknown, and ``missing(x)`` marks where it did: together they
let models of undisclosed size take part in a trend over time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hatstats.errors import DataError

Floats = NDArray[np.float64]
#: Functions that take an unknown value and give a known one.
TOLERANT = ("filled", "missing")


def ordinal(labels: pd.Series, *levels: str) -> pd.Series:
    """Ranks 0, 1, ... of ordered labels; an unknown label stays unknown.

    Raises
    ------
    DataError
        Without levels, or for a label that is not among them.
    """
    if len(levels) < 2:
        raise DataError(
            "ordinal() needs its levels in order",
            column="formula",
            hint='write ordinal(size_class, "small", "medium", "large").',
        )
    rank = {level: float(place) for place, level in enumerate(levels)}
    odd = [label for label in labels.dropna() if label not in rank]
    if odd:
        raise DataError(
            "a label is not among the levels of ordinal()",
            column=str(labels.name),
            value=odd[0],
            hint=f"the levels given are {', '.join(levels)}.",
        )
    return labels.map(rank).astype(float)


def filled(values: Any) -> Floats:
    """Values with the mean of the known ones where unknown."""
    x = np.asarray(values, dtype=float)
    known = np.isfinite(x)
    return np.where(known, x, x[known].mean() if known.any() else np.nan)


def missing(values: Any) -> Floats:
    """1 where a value is unknown, else 0."""
    return (~np.isfinite(np.asarray(values, dtype=float))).astype(float)


def functions(clusters: NDArray[Any]) -> dict[str, Callable[..., Any]]:
    """Functions that a formula may use, over rows whose clusters are given (M,)."""

    def between(values: Any) -> Floats:
        x = pd.Series(np.asarray(values, dtype=float))
        return x.groupby(clusters).transform("mean").to_numpy(dtype=float)

    def within(values: Any) -> Floats:
        return np.asarray(values, dtype=float) - between(values)

    return {
        "log10": np.log10,
        "log": np.log,
        "sqrt": np.sqrt,
        "exp": np.exp,
        "between": between,
        "within": within,
        "ordinal": ordinal,
        "filled": filled,
        "missing": missing,
    }
