"""Scores made elsewhere: a table and a covariance, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from hatstats.errors import DataError
from hatstats.inference.arrays import Floats
from hatstats.inference.tidy import IDENTIFIERS, TIDY_COLUMNS
from hatstats.inference.validation import negative_variance

_CELL_COLUMNS = ["model", "benchmark", "language", "estimate", "std_error", "df"]
OVERLAP_COLUMNS = ["model", "benchmark", "outside", "effective_size", "effective_trials"]
OVERLAP_COLUMNS += ["trimmed", "shape_error", "informed", "note"]


def given_fields(
    scores: pd.DataFrame, cov: pd.DataFrame | pd.Series | ArrayLike, bounded: bool | None
) -> dict[str, Any]:
    """Fields of `HatScores` from a table (`model, estimate`, covariates, or tidy) and a covariance.

    Proportions are `bounded`; by default those of a tidy table are.
    """
    for column in ("model", "estimate"):
        if column not in scores.columns:
            raise DataError("the table of scores lacks a column", column=column, hint="add it.")
    tidy = "term" in scores.columns
    table = scores[scores["term"] == "HAT"] if tidy else scores
    if table.empty:
        text = "the table of scores has no row" + (" of term HAT" if tidy else "")
        raise DataError(text, hint="give one row per model.")
    names = [str(name) for name in table["model"]]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        hint = "keep one row each."
        raise DataError("a model has two scores", column="model", value=twice[0], hint=hint)
    estimate = pd.to_numeric(table["estimate"], errors="coerce").to_numpy(dtype=float)
    known = {*IDENTIFIERS, *TIDY_COLUMNS, "effective_trials"} - {"model"} if tidy else {"estimate"}
    covariance = _covariance(names, estimate, _as_frame(names, cov))
    df = None
    if "df" in table.columns:
        df = pd.to_numeric(table["df"], errors="coerce").fillna(np.inf).to_numpy(dtype=float)
    joint = np.full((2 * len(names),) * 2, np.nan)
    joint[: len(names), : len(names)] = covariance
    return {
        "models": tuple(names),
        "estimates": estimate,
        "covariance": covariance,
        "reference": _only(table, "reference") if tidy else "given",
        "method": _only(table, "method") if tidy else "given",
        "estimand": "Scores given by the user, without cells, source accuracies and warnings.",
        "covariates": table.drop(columns=list(known), errors="ignore").reset_index(drop=True),
        "source": np.full(len(names), np.nan),
        "joint_cov": joint,
        "cells": pd.DataFrame(columns=_CELL_COLUMNS),
        "overlap": pd.DataFrame(columns=OVERLAP_COLUMNS),
        "scope": str(table.attrs.get("scope", "")),
        "bounded": tidy if bounded is None else bounded,
        "given_df": df,
    }


def _only(table: pd.DataFrame, column: str) -> str:
    """The one value of a column, or ``given``."""
    values = set(table[column]) if column in table.columns else set()
    return str(values.pop()) if len(values) == 1 else "given"


def _as_frame(names: list[str], cov: pd.DataFrame | pd.Series | ArrayLike) -> pd.DataFrame:
    """A covariance as a frame named by model; a Series or one row of numbers holds variances."""
    if isinstance(cov, pd.DataFrame):
        return cov
    if isinstance(cov, pd.Series):
        return pd.DataFrame(np.diag(cov.to_numpy(dtype=float)), index=cov.index, columns=cov.index)
    matrix = np.asarray(cov, dtype=float)
    matrix = np.diag(matrix) if matrix.ndim == 1 else matrix
    if matrix.shape != (len(names), len(names)):
        text = f"the covariance has shape {matrix.shape}, and there are {len(names)} scores"
        raise DataError(text, hint="give one row and one column per score.")
    return pd.DataFrame(matrix, index=names, columns=names)


def _covariance(names: list[str], estimate: Floats, cov: pd.DataFrame) -> Floats:
    """The covariance of given scores, rows and columns in the order of the names, checked."""
    for labels in (cov.index, cov.columns):
        if absent := [name for name in names if name not in labels]:
            text, hint = "the covariance lacks a model", "index its rows and columns by model name."
            raise DataError(text, column="model", value=absent[0], hint=hint)
        if (double := labels[labels.duplicated()].intersection(names)).size:
            text, hint = "the covariance names a model twice", "keep one row and one column each."
            raise DataError(text, column="model", value=double[0], hint=hint)
    numbers = cov.loc[names, names].apply(pd.to_numeric, errors="coerce")
    matrix = np.asarray(numbers, dtype=float)
    odd = np.flatnonzero(~(np.isfinite(estimate) & np.isfinite(matrix).all(axis=1)))
    if odd.size:
        text = "a score or its covariance is not a finite number"
        hint = "leave that model out, or give its numbers."
        raise DataError(
            text, row=int(odd[0]) + 2, column="estimate", value=names[odd[0]], hint=hint
        )
    scale = np.abs(matrix).max(initial=0.0)
    if not np.allclose(matrix, matrix.T, atol=1e-9 * scale):
        raise DataError("the covariance is not symmetric", hint="check rows against columns.")
    if involved := negative_variance(names, matrix, scale):
        raise DataError(
            "the covariance has a negative eigenvalue: some combination of these models would "
            "have a negative variance",
            column="model",
            value=", ".join(involved),
            hint="estimate it from the same items for all models.",
        )
    return matrix
