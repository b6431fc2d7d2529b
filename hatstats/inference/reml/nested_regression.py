"""Meta-regression with nested random effects on many rows: `meta_regression` without its matrices.

Rows have independent sampling errors, and groups of them may share one more error of known
variance. The likelihood is in `nested`; its memory and time grow with the rows, not their square.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy import linalg

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.inference.arrays import Floats, Ints
from hatstats.inference.reml.likelihood import make_problem
from hatstats.inference.reml.meta_regression import RemlFit, alike, check_components, solved
from hatstats.inference.reml.nested import Level, NestedProblem
from hatstats.inference.reml.peaks import Peak, maximise
from hatstats.inference.validation import RANK_TOLERANCE, dependent, finite_array, listed


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """A constant for each value 0 to C - 1 of `code` (n,), then `columns` (n, p): k = C + p."""

    code: Ints
    columns: Floats

    @property
    def constants(self) -> int:
        """Number of constants C."""
        return int(self.code.max()) + 1

    def dense(self) -> Floats:
        """The design matrix (n, k)."""
        return np.column_stack([np.eye(self.constants)[self.code], self.columns])

    def predict(self, params: Floats) -> Floats:
        """Design times coefficients (k,), shape (n,)."""
        first = self.constants
        return np.asarray(params[self.code] + self.columns @ params[first:], dtype=float)


@dataclass(frozen=True, eq=False)
class NestedFit:
    """A meta-regression with nested effects; names as in `RemlFit`, which `dense` makes of it.

    `variances` (n,) are those of the rows; rows of one `group` (n,) share an error of variance
    `shared` (n,), 0 if there is none.
    """

    y: Floats
    design: Design
    variances: Floats
    group: Ints
    shared: Floats
    codes: tuple[Ints, ...]
    params: Floats
    cov: Floats
    variance_components: Floats
    loglik: float

    @property
    def residuals(self) -> Floats:
        """``y - X params`` (n,)."""
        return self.y - self.design.predict(self.params)

    @cached_property
    def dense(self) -> RemlFit:
        """The same fit with its matrices (n, n): for some thousand rows at most."""
        X, V = self.design.dense(), np.diag(self.variances)
        V += (self.group[:, None] == self.group) * self.shared
        problem = make_problem(self.y, X, V, self.codes)
        return solved(problem, self.y, X, V, self.codes, self.variance_components)


@dataclass(frozen=True, slots=True, eq=False)
class NestedRows:
    """Rows (n,) that are ready for fits which differ in the error that groups share.

    `problem` has the rows by `order` (n,) and no shared error; that is added at its level number
    `at` (the last: the rows), whose groups hold the rows `leader`. The columns of the design have
    `means` (C, p) where codes are equal and are otherwise the basis times `triangle` (p, p);
    `plain` (k,) are the coefficients of y in the basis.
    """

    y: Floats
    design: Design
    variances: Floats
    group: Ints
    codes: tuple[Ints, ...]
    problem: NestedProblem
    at: int
    leader: Ints
    means: Floats
    triangle: Floats
    plain: Floats

    def coefficients(self, basis: Floats) -> Floats:
        """Coefficients (k, q) of the design from those of the basis."""
        C = self.design.constants
        columns = linalg.solve_triangular(self.triangle, basis[C:])
        constants = basis[:C] / np.sqrt(self.problem.size)[:, None] - self.means @ columns
        return np.vstack([constants, columns])

    @property
    def least_squares(self) -> Floats:
        """Coefficients (k,) of ordinary least squares."""
        return self.coefficients(self.plain[:, None])[:, 0]

    def fit(self, shared: Floats | None = None, start: Floats | None = None) -> NestedFit:
        """Fit by REML with an error of variance `shared` (n,), equal in a group, from a `start`.

        FitError if no maximum is found.
        """
        problem = self.problem
        shared = np.zeros(self.y.size) if shared is None else shared
        levels = [*problem.levels, problem.rows]
        own = levels[self.at]
        levels[self.at] = replace(own, known=own.known + shared[self.leader])
        problem = replace(problem, levels=tuple(levels[:-1]), rows=levels[-1])
        peak = maximise(problem, start) if self.codes else Peak(np.zeros(0), np.nan)
        found = problem.regression(peak.tau2)
        root = linalg.solve_triangular(found.triangle, np.eye(problem.width))
        inner = self.coefficients(root)
        return NestedFit(
            y=self.y,
            design=self.design,
            variances=self.variances,
            group=self.group,
            shared=shared,
            codes=self.codes,
            params=self.coefficients((self.plain + found.shift)[:, None])[:, 0],
            cov=inner @ inner.T,
            variance_components=peak.tau2,
            loglik=found.loglik(self.y.size),
        )


def nested_rows(
    y: Any,
    design: Design,
    variances: Any,
    groupings: Sequence[Ints],
    group: Ints | None = None,
) -> NestedRows:
    """Check and sort rows whose `groupings` go from coarse to fine, each nested in the last.

    `variances` (n,) of `y` (n,) are positive. Groupings and `group`, whose rows will share an
    error, are integer codes (n,). Errors as those of `fit_reml`.
    """
    y = finite_array("y", y, (-1,))
    n = y.size
    variances = finite_array("variances", variances, (n,))
    columns = finite_array("columns", design.columns, (n, design.columns.shape[1]))
    design = Design(design.code, columns)
    if not (variances > 0.0).all():
        raise DataError(
            f"variances must be positive: see rows {listed(np.flatnonzero(variances <= 0))}"
        )
    k = design.constants + columns.shape[1]
    if n < k:
        raise NotIdentifiedError(
            f"{n} rows cannot identify {k} coefficients; give at least {k} rows"
        )
    if groupings and n == k:
        raise NotIdentifiedError(
            f"{n} rows and as many coefficients leave no residuals to estimate variances from"
        )
    codes = tuple(groupings)
    group = np.arange(n) if group is None else group
    levels, at, leader, order = _sorted(codes, group, variances)

    code = design.code
    size = np.bincount(code).astype(float)
    stacked = np.column_stack([columns, y])
    means = np.array([np.bincount(code, column) / size for column in stacked.T]).T
    centred = stacked - means[code]
    basis, triangle = np.linalg.qr(centred[:, :-1])
    _check_rank(columns, means[:, :-1], triangle, size)
    coordinates = basis.T @ centred[:, -1]
    residual = centred[:, -1] - basis @ coordinates
    problem = NestedProblem(
        levels=tuple(levels[:-1]),
        rows=levels[-1],
        code=code[order],
        size=size,
        rest=np.column_stack([basis, residual])[order],
        count=len(codes),
    )
    _check_components(problem)
    return NestedRows(
        y=y,
        design=design,
        variances=variances,
        group=group,
        codes=codes,
        problem=problem,
        at=at,
        leader=leader,
        means=means[:, :-1],
        triangle=triangle,
        plain=np.concatenate([means[:, -1] * np.sqrt(size), coordinates]),
    )


def distinct(codes: Ints) -> int:
    """Number of distinct codes (n,); several times as fast as `numpy.unique` with many rows."""
    return 1 + int(np.count_nonzero(np.diff(np.sort(codes))))


def _sorted(
    codes: tuple[Ints, ...], group: Ints, variances: Floats
) -> tuple[list[Level], int, Ints, Ints]:
    """Levels from coarse to the rows; that of `group`, a row of each of its groups; the order."""
    n = group.size
    effects = [(distinct(code), k, code) for k, code in enumerate(codes)]
    # Last among equals: an effect of its own it has not.
    effects = sorted([*effects, (distinct(group), len(codes), group)], key=lambda e: e[:2])
    order = np.lexsort([code for _, _, code in reversed(effects)])
    change = np.arange(n) == 0
    begins: list[Ints] = []
    components: list[int] = []
    at = 0
    for count, k, code in [*effects, (n, len(codes), np.arange(n))]:
        change[1:] |= np.diff(code[order]) != 0
        begin = np.flatnonzero(change)
        if begin.size != count:
            raise DataError(
                f"grouping {k} is not nested in those before it",
                hint="give groupings from coarse to fine, the groups of each inside those before.",
            )
        component = k if k < len(codes) else -1
        if not begins or begin.size > begins[-1].size:
            begins.append(begin)
            components.append(component)
        elif component >= 0:
            raise alike([components[-1], k])
        if code is group:
            at = len(begins) - 1
    ids = [np.repeat(np.arange(b.size), np.diff(b, append=n)) for b in begins]
    levels = [
        Level(
            parent=ids[j - 1][begin] if j else np.zeros(begin.size, dtype=np.intp),
            first=ids[j + 1][begin] if j + 1 < len(begins) else begin,
            known=np.zeros(begin.size) if j + 1 < len(begins) else variances[order],
            component=components[j],
        )
        for j, begin in enumerate(begins)
    ]
    return levels, at, order[begins[at]], order


def _check_rank(columns: Floats, means: Floats, triangle: Floats, size: Floats) -> None:
    """Refuse columns (n, p) that are zero or depend on each other and on the constants."""
    norms = np.linalg.norm(columns, axis=0)
    if (norms == 0).any():
        zero = size.size + np.flatnonzero(norms == 0)
        raise DataError(f"columns {listed(zero)} of X are all zero")
    _, singular, vt = np.linalg.svd(triangle / norms)
    null = vt[singular <= RANK_TOLERANCE] / norms
    if null.size:
        constants = np.abs(null @ means.T * np.sqrt(size)).max(axis=0) > 1e-6
        involved = np.append(constants, np.abs(null * norms).max(axis=0) > 1e-6)
        raise dependent(np.flatnonzero(involved))


def _check_components(problem: NestedProblem) -> None:
    """Refuse components that the residuals cannot tell apart, as `fit_reml` does."""
    if not problem.count:
        return
    even = replace(problem, rows=replace(problem.rows, known=np.ones(problem.code.size)))
    found = even.regression(np.zeros(problem.count))
    gram = even.traces(found)[1]
    levels = (*problem.levels, problem.rows)
    whole = {
        level.component: found.inverse.own(j) @ found.inverse.own(j)
        for j, level in enumerate(levels)
    }
    check_components(gram, 1e-10 * np.array([whole[k] for k in range(problem.count)]))
