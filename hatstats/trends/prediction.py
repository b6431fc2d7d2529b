"""Fitted accuracies as functions of the coefficients: value and gradient at given covariates.

Everything that a trend says on the accuracy scale (a curve, a slope, a difference between small
and large models) is a difference of such values, and gets its standard error and its
Satterthwaite degrees of freedom from the difference of the gradients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]


class Surface(Protocol):
    """A fitted accuracy at a row of covariates."""

    def at(self, row: Floats) -> tuple[float, Floats]:
        """Value, and gradient with respect to the coefficients (p,), at covariates (k,)."""

    def predictor(self, row: Floats) -> Floats:
        """Mean row of coefficients (p,) at covariates (k,), on the scale of the coefficients."""

    def shifted(self, row: Floats, shift: float) -> float:
        """Accuracy at covariates (k,) of a model whose effect is `shift`, on that scale."""


@dataclass(frozen=True, slots=True)
class LinearSurface:
    """``b_0 + x' b``: scores regressed on covariates directly.

    Attributes
    ----------
    params : ndarray, shape (k + 1,)
        Constant first.
    """

    params: Floats

    def at(self, row: Floats) -> tuple[float, Floats]:
        """Value and gradient at covariates (k,)."""
        gradient = self.predictor(row)
        return float(gradient @ self.params), gradient

    def predictor(self, row: Floats) -> Floats:
        """Row of coefficients (p,)."""
        return np.concatenate([[1.0], row])

    def shifted(self, row: Floats, shift: float) -> float:
        """Value plus the model's effect."""
        return float(self.predictor(row) @ self.params) + shift


@dataclass(frozen=True, slots=True)
class LogitSurface:
    """Mean over logit lines of ``c + (1 - c) expit(line)``.

    Each line has a fixed row of coefficients; covariates are added through the last k.

    Attributes
    ----------
    params : ndarray, shape (p,)
    base : ndarray, shape (R, p)
        Row of each line without the covariates.
    offset : ndarray, shape (R,)
        Part of each line without a coefficient.
    weight : ndarray, shape (R,)
        Weights of the lines, sum 1.
    chance : ndarray, shape (R,)
    """

    params: Floats
    base: Floats
    offset: Floats
    weight: Floats
    chance: Floats

    def at(self, row: Floats) -> tuple[float, Floats]:
        """Value and gradient at covariates (k,)."""
        rows = self._rows(row)
        q = special.expit(rows @ self.params + self.offset)
        value = float(self.weight @ (self.chance + (1.0 - self.chance) * q))
        slope = self.weight * (1.0 - self.chance) * q * (1.0 - q)
        return value, slope @ rows

    def predictor(self, row: Floats) -> Floats:
        """Mean row of coefficients (p,)."""
        return np.asarray(self.weight @ self._rows(row), dtype=float)

    def shifted(self, row: Floats, shift: float) -> float:
        """Accuracy when every line is moved by the model's effect."""
        q = special.expit(self._rows(row) @ self.params + self.offset + shift)
        return float(self.weight @ (self.chance + (1.0 - self.chance) * q))

    def _rows(self, row: Floats) -> Floats:
        rows = self.base.copy()
        if row.size:
            rows[:, -row.size :] = row
        return rows
