r"""What a meta-regression would be without some of its rows, to first order in the components.

Let ``P`` be that of the likelihood, ``E = C X'W``, ``u = Py``. Rows I are left out by a dummy for
each of them, which is exact at given variance components:

.. math:: P_{(I)} = P - P_{\cdot I} P_{II}^{-1} P_{I \cdot}, \qquad
          E_{(I)} = E - E_{\cdot I} P_{II}^{-1} P_{I \cdot}, \qquad b_{(I)} = E_{(I)} y.

The components move by one scoring step of the likelihood without the rows, with the *average
information* (Gilmour, Thompson and Cullis 1995, Biometrics 51, 1440-1450), from the solution of
all rows, and the coefficients with them: ``db / dtau2_k = -E Z_k Z_k' u``. One product with P for
each unit takes the place of a fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

from hatstats.errors import DataError, FitError, NotIdentifiedError
from hatstats.inference.arrays import Bools, Floats, Ints
from hatstats.inference.reml.meta_regression import RemlFit, fit_reml

#: Share of its precision that a combination of rows keeps in P; at zero it is fitted exactly.
_LEAST = 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class Deletion:
    """A fit without each of U units, to first order.

    `change` (U, p) is ``b - b(-i)``, `std_errors` (U, p) are those of all rows at the components
    without the unit. `reliable` (U,) is false where a component would reach zero or change by more
    than half of all components, where the step is not uphill, and where the other rows do not
    determine the coefficients: NaN then.
    """

    change: Floats
    std_errors: Floats
    reliable: Bools


def delete_units(fit: RemlFit, units: Ints) -> Deletion:
    """`fit` without the rows of each unit; `units` (n,) are 0 to U - 1."""
    count, (n, width) = int(units.max()) + 1, fit.X.shape
    change, errors = np.full((2, count, width), np.nan)
    reliable = np.zeros(count, dtype=np.bool_)
    E = fit.cov @ fit.X.T @ fit.weights
    P = fit.weights - fit.weights @ fit.X @ E
    u = P @ fit.y
    active = np.flatnonzero(fit.variance_components > 0.0)
    tau2 = fit.variance_components[active]
    Z = [sparse.csr_array((np.ones(n), (fit.codes[k], np.arange(n)))) for k in active]
    traces = np.array([(z @ (z @ P).T).trace() for z in Z])
    slopes = np.array([((z @ E.T) ** 2).sum(axis=0) for z in Z]).reshape(active.size, width)
    for unit in range(count):
        rows = np.flatnonzero(units == unit)
        columns, block = P[:, rows], P[np.ix_(rows, rows)]
        if linalg.eigvalsh(block, fit.weights[np.ix_(rows, rows)])[0] <= _LEAST:
            continue
        solved = linalg.solve(block, columns.T, assume_a="pos")
        rest = u - columns @ (solved @ fit.y)
        moved = E - E[:, rows] @ solved
        # Row k is Z_k Z_k' u without the unit.
        pushed = np.array([z.T @ (z @ rest) for z in Z]).reshape(active.size, n)
        lost = np.array([np.vdot(z @ solved.T, z @ columns) for z in Z])
        information = (pushed @ P - (pushed @ columns) @ solved) @ pushed.T
        try:
            # An empty sum where no component is positive.
            delta = linalg.solve(information, pushed @ rest - (traces - lost), assume_a="pos")
        except linalg.LinAlgError:
            continue
        reliable[unit] = (tau2 + delta > 0.0).all() and abs(delta).sum() <= 0.5 * tau2.sum()
        delta = np.maximum(delta, -tau2)
        change[unit] = fit.params - moved @ (fit.y - delta @ pushed)
        errors[unit] = np.sqrt(np.maximum(np.diag(fit.cov) + delta @ slopes, 0.0))
    return Deletion(change, errors, reliable)


def change_without(fit: RemlFit, rows: Bools) -> tuple[Floats, Floats]:
    """``b - b(-i)`` (p,) and standard errors (p,) as in `Deletion`, by a fit without these `rows`.

    NaN for coefficients that the other rows do not determine, and for all without a fit of them.
    """
    kept, known = ~rows, fit.X[~rows].any(axis=0)
    change, errors = np.full((2, fit.params.size), np.nan)
    # Groupings that are the same without the rows are one; the last is the finest.
    codes = {np.unique(code[kept], return_inverse=True)[1].tobytes(): k
             for k, code in enumerate(fit.codes)}  # fmt: skip
    own = list(codes.values())
    try:
        rest = fit_reml(
            fit.y[kept],
            fit.X[np.ix_(kept, known)],
            fit.V[np.ix_(kept, kept)],
            [fit.codes[k][kept] for k in own],
            start=fit.variance_components[own],
        )
    except (NotIdentifiedError, FitError, DataError):  # the last: columns that now depend
        return change, errors
    S = fit.V.copy()
    for k, value in zip(own, rest.variance_components, strict=True):
        S += value * (fit.codes[k][:, None] == fit.codes[k])
    change[known] = fit.params[known] - rest.params
    try:
        root = linalg.cholesky(S, lower=True)
    except linalg.LinAlgError:
        return change, errors  # without the rows, others are fitted without error
    triangle = np.linalg.qr(linalg.solve_triangular(root, fit.X, lower=True), mode="r")
    inverse = linalg.solve_triangular(triangle, np.eye(len(triangle)))
    errors[known] = np.linalg.norm(inverse, axis=1)[known]
    return change, errors
