"""Design matrix over models from the table of models and a formula.

Beside the functions of formulaic, ``within(x)`` and ``between(x)`` split a covariate into the mean
of its family and the deviation from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from formulaic.errors import FormulaicError
from numpy.typing import NDArray

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.inference.arrays import Floats
from hatstats.inference.validation import member
from hatstats.study.formula import (
    FUNCTIONS,
    evaluate_formula,
    identified_terms,
    no_values,
    parse_formula,
    required_columns,
    with_release_year,
)

Value = float | str


def functions(clusters: NDArray[Any]) -> dict[str, Callable[..., Any]]:
    """Functions that a formula may use, for rows in these clusters (M,)."""

    def between(values: Any) -> Floats:
        x = pd.Series(np.asarray(values, dtype=float))
        return x.groupby(clusters).transform("mean").to_numpy(dtype=float)

    def within(values: Any) -> Floats:
        return np.asarray(values, dtype=float) - between(values)

    return {**FUNCTIONS, "between": between, "within": within}


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """Design of the M models that have all covariates.

    `terms` name the k columns of `matrix` (M, k), without the constant; `left_out` are models with
    a missing value in a variable of the formula. `frame` is the table of `models`, with
    `release_year`; `spec` gives the design at other values of the covariates; `clusters` (M,) are
    the models' clusters.
    """

    formula: str
    terms: tuple[str, ...]
    matrix: Floats
    models: tuple[str, ...]
    left_out: tuple[str, ...]
    frame: pd.DataFrame
    spec: Any
    clusters: tuple[str, ...]

    def mean_row(self, values: Mapping[str, Value]) -> Floats:
        """Mean design row (k,) over the models with some covariates set to these values."""
        for name, value in values.items():
            self._check_value(name, value)
        context = functions(np.array(self.clusters))
        try:
            with np.errstate(all="ignore"):
                table = self.spec.get_model_matrix(self.frame.assign(**values), context=context)
        except FormulaicError as error:
            # Splines, for instance, are defined on the range of the models only.
            raise NotIdentifiedError(
                f"the trend {self.formula!r} does not reach {values} ({str(error).splitlines()[0]})"
            ) from error
        row: Floats = np.asarray(table[list(self.terms)], dtype=float).mean(axis=0)
        if not np.isfinite(row).all():
            text = "the covariates of the trend are not finite at these values"
            hint = "ask for values inside the range of the models."
            raise DataError(text, column="formula", value=values, hint=hint)
        return row

    def _check_value(self, name: str, value: Value) -> None:
        """Refuse an unknown label, and a number for a covariate that is not numeric."""
        if isinstance(value, str):
            labels = set(self.frame[name].dropna()) if name in self.frame else set()
            known = sorted(labels, key=str)
            member(name, value, known, "no model has this label", "the labels are")
        else:
            numeric = sorted(map(str, self.frame.select_dtypes(["number", "bool"])))
            message = "no numeric covariate of this name"
            member("formula", name, numeric, message, "the covariates are")


def build_design(
    models: pd.DataFrame, formula: str, labels: Sequence[str], *, trusted: bool = False
) -> Design:
    """Design matrix of `formula` over the models of a table that have all its variables.

    A constant is implied, and `release_date` gives `release_year`. `labels` are the clusters of the
    rows; `trusted` lets any Python through. NotIdentifiedError if too few models have all
    variables, or a column is constant or depends on the others.
    """
    frame = with_release_year(models)
    parsed = parse_formula(formula, frame, trusted=trusted)
    needed = required_columns(parsed, frame, formula, functions(np.zeros(0)))
    has_all = frame[needed].notna().all(axis=1)
    kept = frame[has_all].reset_index(drop=True)
    clusters = np.array(labels, dtype=np.str_)[has_all.to_numpy(dtype=bool)]
    left_out = tuple(str(name) for name in frame.loc[~has_all, "model"])
    if kept.empty:
        raise no_values(needed)
    table = evaluate_formula(parsed, kept, formula, functions(clusters))
    spec = table.model_spec
    terms = identified_terms(table, np.flatnonzero(has_all), needed, formula)
    matrix = np.asarray(table[terms], dtype=float)
    names = tuple(str(name) for name in kept["model"])
    return Design(
        formula, tuple(terms), matrix, names, left_out, kept, spec, tuple(map(str, clusters))
    )
