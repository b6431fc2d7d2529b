"""Covariance of many estimates as products of rows of errors; it need never be made whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from hatstats.inference.arrays import Floats, Ints
from hatstats.inference.influence import covariance_of_sums, degrees_of_freedom

#: Errors of unit variance, each a row (e, k) of what it moves k estimates by; mostly zeros or not.
Rows = Floats | sparse.csc_array
#: Weights (j, k) of sums of k estimates.
Weights = Floats | sparse.csr_array

# Errors that move more than this share of the estimates are multiplied as dense rows.
_OFTEN = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class ErrorRows:
    """Errors of k estimates: `influence` (g, k) of items or clusters, and other `rows` (e, k).

    Their covariance is ``g / (g - 1) influence' influence + rows' rows + common' common``; any may
    be None. `moves` (w, k) of second sampling units, whose part of the covariance is among the
    rows, count for degrees of freedom (`hatstats.inference.influence.second_unit_part`). Rows of
    `common` (c, k) are errors that other estimates have too, row by row (`joint_covariance`).

    Examples
    --------
    >>> import numpy as np
    >>> errors = ErrorRows(None, np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 2.0]]))
    >>> errors.variance.tolist()
    [1.0, 2.0, 4.0]
    >>> errors.of_sums(np.array([[1.0, -1.0, 0.0]])).matrix().tolist()
    [[1.0]]
    """

    influence: Floats | None = None
    rows: Rows | None = None
    moves: Floats | None = None
    common: Floats | None = None

    @property
    def _parts(self) -> tuple[Any, ...]:
        return self.influence, self.rows, self.moves, self.common

    @property
    def size(self) -> int:
        """Number k of estimates."""
        known = self.rows if self.influence is None else self.influence
        return 0 if known is None else int(known.shape[1])

    @property
    def variance(self) -> Floats:
        """Variances of the estimates, (k,); NaN where one cluster shows none."""
        total = np.zeros(self.size)
        if self.influence is not None:
            groups = len(self.influence)
            factor = groups / (groups - 1.0) if groups > 1 else np.nan
            total += factor * (self.influence**2).sum(axis=0)
        for rows in (self.rows, self.common):
            if rows is not None:
                total += (rows**2).sum(axis=0)
        return total

    def of_sums(self, weights: Weights) -> ErrorRows:
        """Errors of sums of the estimates with weights (j, k)."""
        by = sparse.csr_array(weights).T
        return ErrorRows(*(None if part is None else part @ by for part in self._parts))

    def some(self, chosen: Ints | NDArray[np.bool_] | slice) -> ErrorRows:
        """Errors of some of the estimates."""
        return ErrorRows(*(None if part is None else part[:, chosen] for part in self._parts))

    def matrix(self) -> Floats:
        """The covariance, (k, k)."""
        cov = np.zeros((self.size,) * 2)
        if self.influence is not None:
            cov += covariance_of_sums(self.influence)
        if sparse.issparse(self.rows):
            by_error = self.rows.tocsr()
            often = np.diff(by_error.indptr) > _OFTEN * self.size
            dense = by_error[often].toarray()
            cov += dense.T @ dense
            rare = by_error[~often]
            product = (rare.T @ rare).tocoo()
            cov[product.row, product.col] += product.data
        elif self.rows is not None:
            cov += self.rows.T @ self.rows
        if self.common is not None:
            cov += self.common.T @ self.common
        return cov


def known_of(parts: Iterable[Floats | None]) -> tuple[Floats, ...] | None:
    """Parts of errors, one for each benchmark, or None where one or all are unknown."""
    found = tuple(parts)
    known = tuple(each for each in found if each is not None)
    return known if known and len(known) == len(found) else None


def _independent(parts: Sequence[ErrorRows]) -> list[ErrorRows]:
    """Errors of k sums over parts, that which the parts have in common as one of its own."""
    common = [each.common for each in parts if each.common is not None]
    if not common:
        return list(parts)
    together = np.sum(common, axis=0)
    return [*(replace(each, common=None) for each in parts), ErrorRows(rows=together)]


def joint_covariance(parts: Sequence[ErrorRows]) -> Floats:
    """Covariance (k, k) of k sums over parts, independent but for the errors they have in common.

    Examples
    --------
    >>> import numpy as np
    >>> one = ErrorRows(rows=np.array([[1.0]]), common=np.array([[2.0]]))
    >>> other = ErrorRows(rows=np.array([[1.0]]), common=np.array([[3.0]]))
    >>> joint_covariance([one, other]).tolist()
    [[27.0]]
    """
    return np.asarray(reduce(np.add, (each.matrix() for each in _independent(parts))))


def joint_freedom(parts: Sequence[ErrorRows]) -> Floats:
    """Degrees of freedom (k,) of variances of k sums over the parts of `joint_covariance`.

    Infinite where the influence of items is unknown (`influence.degrees_of_freedom`).
    """
    influence = known_of(each.influence for each in parts)
    if influence is None:
        return np.full(parts[0].size, np.inf)
    moves = [each.moves for each in parts if each.moves is not None]
    variance = np.sum([each.variance for each in _independent(parts)], axis=0)
    return degrees_of_freedom(np.concatenate(influence), moves, variance)


def covariance_root(cov: Floats) -> Floats:
    """Rows (k, k) of errors whose products are a covariance (k, k); NaN where it is unknown."""
    if np.isnan(cov).any():
        return np.full_like(cov, np.nan)
    value, vector = np.linalg.eigh(cov)
    return np.asarray((vector * np.sqrt(np.maximum(value, 0.0))).T, dtype=float)
