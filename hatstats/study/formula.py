"""Formulas over the table of models: read, and evaluated row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from formulaic import Formula, SimpleFormula, model_matrix
from formulaic.errors import FormulaicError

from hatstats.errors import DataError, NotIdentifiedError

#: Functions that a formula may call.
FUNCTIONS = {"log10": np.log10, "log": np.log, "sqrt": np.sqrt, "exp": np.exp}
EXAMPLE = "write it like 'log10(params_total) + release_year'."


def with_release_year(models: pd.DataFrame) -> pd.DataFrame:
    """The table of models with `release_year`, the date in years and fractions of a year."""
    frame = models.copy()
    if "release_date" in frame.columns:
        date = pd.to_datetime(frame["release_date"])
        start = pd.to_datetime({"year": date.dt.year, "month": 1, "day": 1}, errors="coerce")
        length = np.where(date.dt.is_leap_year, 366.0, 365.0)
        frame["release_year"] = date.dt.year + (date - start).dt.days / length
    return frame


def formula_error(formula: str, message: str, hint: str) -> DataError:
    """Error about a formula."""
    return DataError(message, column="formula", value=formula, hint=hint)


def parse_formula(formula: str) -> SimpleFormula:
    """The formula as formulaic reads it; an error for one with sides or parts."""
    try:
        parsed = Formula(formula)
        if isinstance(parsed, SimpleFormula):
            return parsed
        reason = "it has sides or parts, and a trend needs covariates alone"
    except (FormulaicError, SyntaxError, ValueError) as error:
        reason = str(error).splitlines()[0]
    raise formula_error(formula, f"the formula cannot be read ({reason})", EXAMPLE)


def required_columns(
    parsed: SimpleFormula,
    frame: pd.DataFrame,
    formula: str,
    functions: Mapping[str, Any] = FUNCTIONS,
) -> list[str]:
    """Columns of the table of models that a formula names beside the functions it calls.

    An error if the table lacks one, or one is a date.
    """
    names = {str(name) for name in parsed.required_variables}
    needed = sorted(names - (set(functions) - set(frame.columns)))
    unknown = [name for name in needed if name not in frame.columns]
    if unknown:
        raise DataError(
            "the formula names a variable that the table lacks",
            file="the table of models",
            column=unknown[0],
            hint=f"it has {', '.join(str(name) for name in frame.columns)}.",
        )
    dates = [name for name in needed if pd.api.types.is_datetime64_any_dtype(frame[name])]
    if dates:
        raise formula_error(formula, "a date is no number", "use release_year.")
    return needed


def no_values(columns: Sequence[str]) -> NotIdentifiedError:
    """Error about columns of the table of models that no model has values of."""
    message = f"no model has a value of {' and of '.join(columns)}"
    give = "give models= to Study.from_frame."
    filled = {"params_total", "params_active", "release_year", "family"} & set(columns)
    known = "fill_models(study).study fills what is known, or " if filled else ""
    return NotIdentifiedError(message, hint=known + give)


def evaluate_formula(
    parsed: SimpleFormula,
    frame: pd.DataFrame,
    formula: str,
    functions: Mapping[str, Any] = FUNCTIONS,
) -> Any:
    """Model matrix with one row per row of `frame`; what has no finite value stays visible."""
    try:
        with np.errstate(all="ignore"):
            return model_matrix(parsed, frame, context=functions, na_action="ignore")
    except FormulaicError as error:
        if isinstance(error.__cause__, DataError):
            raise error.__cause__ from None
        reason = str(error).splitlines()[0]
        raise formula_error(
            formula, f"the formula cannot be evaluated ({reason})", EXAMPLE
        ) from error
