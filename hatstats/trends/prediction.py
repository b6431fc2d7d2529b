"""Fitted accuracies as functions of the coefficients: value and gradient at given covariates.

Every statement of a trend on the accuracy scale (a curve, a slope, a difference between small and
large models) is a difference of such values. Its standard error and its Satterthwaite degrees of
freedom come from the difference of the gradients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
Link = Literal["identity", "logit"]


@dataclass(frozen=True, slots=True)
class Surface:
    """Weighted mean over lines of the accuracy fitted at a row of covariates.

    The accuracy on a line is ``row @ params + offset`` with the identity link, and
    ``chance + (1 - chance) expit(row @ params + offset)`` with the logit link. Each line has a
    fixed row of the design; covariates replace its last k entries.

    Attributes
    ----------
    params : ndarray, shape (p,)
    link : {"identity", "logit"}
    base : ndarray, shape (R, p)
        Row of each line without the covariates.
    offset : ndarray, shape (R,)
        Part of each line without a coefficient.
    weight : ndarray, shape (R,)
        Weights of the lines, sum 1.
    chance : ndarray, shape (R,)
        Chance level of each line; ignored with the identity link.
    """

    params: Floats
    link: Link
    base: Floats
    offset: Floats
    weight: Floats
    chance: Floats

    @classmethod
    def one_line(cls, params: Floats, link: Link, chance: float = 0.0) -> Surface:
        """Surface of a constant and covariates."""
        base = np.eye(1, params.size)
        return cls(params, link, base, np.zeros(1), np.ones(1), np.array([chance]))

    def accuracy(self, covariates: Floats, shift: float = 0.0) -> tuple[float, Floats]:
        """Accuracy at covariates (k,), and its gradient (p,), with `shift` added to every line."""
        rows = self._rows(covariates)
        line = rows @ self.params + self.offset + shift
        if self.link == "identity":
            return float(self.weight @ line), np.asarray(self.weight @ rows, dtype=float)
        q = special.expit(line)
        slope = self.weight * (1.0 - self.chance) * q * (1.0 - q)
        return float(self.weight @ (self.chance + (1.0 - self.chance) * q)), slope @ rows

    def predictor(self, covariates: Floats) -> Floats:
        """Mean design row (p,) at covariates (k,), on the scale of the coefficients."""
        return np.asarray(self.weight @ self._rows(covariates), dtype=float)

    def _rows(self, covariates: Floats) -> Floats:
        """Design rows (R, p) of all lines at covariates (k,)."""
        rows = self.base.copy()
        if covariates.size:
            rows[:, -covariates.size :] = covariates
        return rows
