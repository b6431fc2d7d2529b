"""Checks of plain arrays, apart from the arithmetic that relies on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.inference.arrays import Floats, Ints

#: Singular values up to this share of the largest are zero.
RANK_TOLERANCE = 1e-10
#: Most memory that the arrays of one answer may take, in GB.
MOST_MEMORY = 8.0


def member(
    name: str, value: object, allowed: Sequence[object], message: str, hint: str = "choose among"
) -> None:
    """Refuse a value of `name` that is not among those allowed: a `DataError` lists them."""
    if value not in allowed:
        listing = f"{hint} {', '.join(map(str, allowed))}."
        raise DataError(message, column=name, value=value, hint=listing)


def one_of(name: str, value: object, allowed: Sequence[str]) -> None:
    """Refuse an option `name` whose value is not among those allowed, by a `DataError`."""
    member(name, value, allowed, f"unknown {name.replace('_', ' ')}", "use")


def count_at_least(name: str, value: float, least: int) -> None:
    """Refuse an argument `name` that is no whole number from `least` upwards, by a `DataError`."""
    if not (value % 1 == 0 and value >= least):
        message = f"{name} must be a whole number, {least} or more"
        raise DataError(message, column=name, value=value, hint=f"give {least} or more.")


def in_range(name: str, value: float, bounds: str, hint: str) -> None:
    """Refuse an argument `name` outside bounds such as ``[0, 1)``, by a `DataError`."""
    low, high = map(float, bounds[1:-1].split(","))
    inside = low < value < high or (value == low and bounds[0] == "[")
    if not (inside or (value == high and bounds[-1] == "]")):
        raise DataError(f"{name} lies in {bounds}", column=name, value=value, hint=hint)


def fits_in_memory(what: str, size: float, hint: str) -> None:
    """Refuse arrays of `size` bytes, more than `MOST_MEMORY`, by a `DataError`.

    Examples
    --------
    >>> fits_in_memory("a covariance of 1000 cells", 8 * 1000**2, "ask for less.")
    """
    if size > MOST_MEMORY * 1e9:
        need, most = f"{size / 1e9:,.0f} GB", f"{MOST_MEMORY:g} GB"
        raise DataError(f"{what} would take {need} of memory, and {most} are the most", hint=hint)


def negative_variance(names: Sequence[str], matrix: Floats, scale: float) -> list[str]:
    """Names whose combination has a negative variance under `matrix` (k, k); empty if none has.

    Eigenvalues above ``-1e-9 scale`` are rounding.
    """
    values, vectors = np.linalg.eigh(matrix)
    if values.min(initial=0.0) >= -1e-9 * scale:
        return []
    weight = np.abs(vectors[:, 0])
    return [name for name, w in zip(names, weight, strict=True) if w > 0.1 * weight.max()]


def listed(indices: Any, limit: int = 10) -> str:
    """The first `limit` indices as text, for example "3, 8 and 12 more"."""
    values = np.asarray(indices).ravel().tolist()
    shown = ", ".join(str(value) for value in values[:limit])
    return f"{shown} and {len(values) - limit} more" if len(values) > limit else shown


def finite_array(name: str, value: Any, shape: tuple[int, ...]) -> Floats:
    """Copy of an array of a given shape (-1: any size but zero), all finite; else a DataError."""
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} is not an array of numbers: {error}") from error
    fits = array.ndim == len(shape) and all(
        (have > 0 if want < 0 else have == want)
        for have, want in zip(array.shape, shape, strict=True)
    )
    if not fits:
        wanted = " x ".join("any" if size < 0 else str(size) for size in shape)
        raise DataError(f"{name} has shape {array.shape}, not {wanted}")
    bad = ~np.isfinite(array)
    if bad.any():
        rows = np.flatnonzero(bad.reshape(len(array), -1).any(axis=1))
        raise DataError(f"{name} is not finite in rows {listed(rows)}")
    return array


def design_matrix(X: Any) -> Floats:
    """Copy of a design matrix (n, k), of full column rank where ``n >= k``; else a DataError."""
    array = finite_array("X", X, (-1, -1))
    norms = np.linalg.norm(array, axis=0)
    if (norms == 0).any():
        raise DataError(f"columns {listed(np.flatnonzero(norms == 0))} of X are all zero")
    if array.shape[0] >= array.shape[1]:
        _, singular, vt = np.linalg.svd(array / norms, full_matrices=False)
        null = vt[singular <= RANK_TOLERANCE * singular[0]]
        if null.size:
            raise dependent(np.flatnonzero(np.abs(null).max(axis=0) > 1e-6))
    return array


def dependent(columns: Any) -> DataError:
    """The error of columns of a design, by number, that depend on each other."""
    return DataError(
        f"columns {listed(columns)} of X depend on each other", hint="drop one of them"
    )


def symmetric_matrix(name: str, value: Any, n: int) -> Floats:
    """Exactly symmetric copy of a matrix (n, n); DataError if it is not symmetric to rounding."""
    array = finite_array(name, value, (n, n))
    if np.array_equal(array, array.T):
        return array.copy()
    skew = np.abs(array - array.T).max(axis=1) > 1e-8 * np.abs(array).max()
    if skew.any():
        raise DataError(f"{name} is not symmetric in rows {listed(np.flatnonzero(skew))}")
    return np.asarray((array + array.T) / 2, dtype=float)


def label_codes(name: str, labels: Any, n: int) -> tuple[tuple[Any, ...], Ints]:
    """Distinct labels in sorted order, and the code of each row (n,); none may be missing."""
    values = np.asarray(labels)
    if values.shape != (n,):
        raise DataError(f"{name} has shape {values.shape}, not {n}")
    missing = [row for row, value in enumerate(values.tolist()) if value is None or value != value]
    if missing:
        raise DataError(f"{name} has no label in rows {listed(missing)}")
    names, codes = np.unique(values, return_inverse=True)
    return tuple(names.tolist()), codes.astype(np.intp)


def cluster_codes(clusters: Any, n: int) -> tuple[tuple[Any, ...], Ints]:
    """`label_codes` of at least two clusters; NotIdentifiedError for one."""
    labels, codes = label_codes("clusters", clusters, n)
    if len(labels) < 2:
        raise NotIdentifiedError(
            f"cluster-robust inference needs at least two clusters; all {n} rows are in "
            f"{labels[0]!r}"
        )
    return labels, codes


def is_definite(matrix: Floats) -> bool:
    """Whether a symmetric matrix (n, n) is positive definite; pivots below 1e-7 count as zero."""
    diagonal = np.diag(matrix)
    if not (diagonal > 0).all():
        return False
    scale = np.sqrt(diagonal)
    try:
        lower = np.linalg.cholesky(matrix / np.outer(scale, scale))
    except np.linalg.LinAlgError:
        return False
    return bool(np.diag(lower).min() > 1e-7)


def null_rows(matrix: Floats, rows: Ints | None = None) -> str:
    """Names `rows` (n,) with weight in the smallest eigenvector of a symmetric matrix, as text."""
    vector = np.abs(np.linalg.eigh(matrix)[1][:, 0])
    names = np.arange(len(matrix)) if rows is None else rows
    return listed(np.sort(names[vector > 1e-3 * vector.max()]))
