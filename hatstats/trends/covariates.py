"""From the table of models and a formula to a design matrix over models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from formulaic import Formula, model_matrix
from formulaic.errors import FormulaicError
from numpy.typing import NDArray

from hatstats.errors import DataError, NotIdentifiedError

Floats = NDArray[np.float64]

_FUNCTIONS = {"log10": np.log10, "log": np.log, "sqrt": np.sqrt, "exp": np.exp}


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """Covariates of the models that have them all.

    Attributes
    ----------
    formula : str
    terms : tuple of str, length k
        Names of the columns, without the constant.
    matrix : ndarray, shape (M, k)
    models : tuple of str, length M
    left_out : tuple of str
        Models with a missing value in a variable of the formula.
    frame : DataFrame
        The models' table with `release_year`, rows as `models`.
    spec : formulaic.ModelSpec
        For the design at other values of the covariates.
    """

    formula: str
    terms: tuple[str, ...]
    matrix: Floats
    models: tuple[str, ...]
    left_out: tuple[str, ...]
    frame: pd.DataFrame
    spec: Any

    def at(self, values: dict[str, float]) -> Floats:
        """Design row (k,) at given covariates, the others at their mean over models."""
        row = {
            name: self.frame[name].mean()
            for name in self.frame.columns
            if pd.api.types.is_numeric_dtype(self.frame[name])
        }
        missing = set(values) - set(row)
        if missing:
            raise DataError(
                "no numeric covariate of this name",
                column="formula",
                value=sorted(missing)[0],
                mend=f"the covariates are {', '.join(sorted(row))}.",
            )
        row.update(values)
        table = self.spec.get_model_matrix(pd.DataFrame([row]), context=_FUNCTIONS)
        found: Floats = np.asarray(table[list(self.terms)], dtype=float)[0]
        return found


def with_release_year(models: pd.DataFrame) -> pd.DataFrame:
    """The table of models with `release_year`, the date in years and fractions of a year."""
    frame = models.copy()
    if "release_date" in frame.columns:
        date = pd.to_datetime(frame["release_date"])
        start = pd.to_datetime({"year": date.dt.year, "month": 1, "day": 1}, errors="coerce")
        length = np.where(date.dt.is_leap_year, 366.0, 365.0)
        frame["release_year"] = date.dt.year + (date - start).dt.days / length
    return frame


def build_design(models: pd.DataFrame, formula: str) -> Design:
    """Design matrix of `formula` over the models that have all its variables.

    Parameters
    ----------
    models : DataFrame
        `model` and covariates; `release_date` gives `release_year`.
    formula : str
        Right-hand side as formulaic reads it, for instance
        ``"log10(params_total) + release_year"``; a constant is implied.

    Returns
    -------
    Design

    Raises
    ------
    DataError
        If the formula cannot be read, names an unknown variable, or a column is constant or
        depends on the others.
    NotIdentifiedError
        If fewer models than coefficients plus one have all variables.
    """
    frame = with_release_year(models)
    try:
        parsed = Formula(formula)
        needed = sorted(str(name) for name in parsed.required_variables)
    except (FormulaicError, SyntaxError, ValueError) as error:
        raise DataError(
            f"the formula cannot be read ({str(error).splitlines()[0]})",
            column="formula",
            value=formula,
            mend="write it like 'log10(params_total) + release_year'.",
        ) from error
    unknown = [name for name in needed if name not in frame.columns]
    if unknown:
        raise DataError(
            "the formula names a variable that the table of models lacks",
            file="models.csv",
            column=unknown[0],
            mend=f"it has {', '.join(str(name) for name in frame.columns)}.",
        )
    has_all = frame[needed].notna().all(axis=1) if needed else pd.Series(True, index=frame.index)
    kept = frame[has_all].reset_index(drop=True)
    left_out = tuple(str(name) for name in frame.loc[~has_all, "model"])
    if kept.empty:
        raise NotIdentifiedError(f"no model has all of {', '.join(needed)}")
    table = model_matrix(parsed, kept, context=_FUNCTIONS)
    spec = table.model_spec
    terms = [str(name) for name in table.columns if str(name) != "Intercept"]
    matrix = np.asarray(table[terms], dtype=float)
    if len(kept) < len(terms) + 2:
        raise NotIdentifiedError(
            f"{len(kept)} models have {', '.join(needed)}, too few for "
            f"{len(terms) + 1} coefficients and their scatter"
        )
    for name, column in zip(terms, matrix.T, strict=True):
        if not np.isfinite(column).all():
            place = int(np.flatnonzero(~np.isfinite(column))[0])
            raise DataError(
                f"{name} is not finite",
                file="models.csv",
                row=int(np.flatnonzero(has_all)[place]) + 2,
                column=name,
                value=float(column[place]),
                mend="correct the value, or leave it empty.",
            )
        if np.ptp(column) == 0.0:
            raise DataError(
                "the covariate is the same for every model, so that it has no trend",
                file="models.csv",
                column=name,
                value=float(column[0]),
                mend="drop it from the formula.",
            )
    scaled = np.column_stack([np.ones(len(kept)), matrix - matrix.mean(axis=0)])
    scaled = scaled / np.linalg.norm(scaled, axis=0)
    if np.linalg.matrix_rank(scaled, tol=1e-8) < scaled.shape[1]:
        raise DataError(
            "the covariates depend on each other over these models",
            file="models.csv",
            column="formula",
            value=formula,
            mend="drop one of them.",
        )
    names = tuple(str(name) for name in kept["model"])
    return Design(formula, tuple(terms), matrix, names, left_out, kept, spec)
