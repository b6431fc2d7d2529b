"""Fitted accuracies as functions of the coefficients: value and gradient at given covariates.

Every statement of a trend on the accuracy scale (a curve, a slope, a difference between small and
large models) is a difference of such values. Its standard error and its Satterthwaite degrees of
freedom come from the difference of the gradients.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import special

from hatstats.inference.arrays import Floats
from hatstats.inference.result_frame import Printed, ResultFrame

Link = Literal["identity", "logit"]


@dataclass(frozen=True, slots=True)
class Surface:
    """Weighted mean over R lines of the accuracy fitted at a row of covariates.

    On a line it is ``row @ params + offset``, or ``chance + (1 - chance) expit`` of it. Each has a
    fixed row of the design, `base` (R, p), whose last k entries covariates replace; `offset` has no
    coefficient, and `weight` adds up to 1.
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

    def difference(self, high: Floats, low: Floats) -> tuple[float, Floats]:
        """Accuracy at `high` less that at `low` covariates (k,), and its gradient (p,)."""
        (above, gradient_above), (below, gradient_below) = map(self.accuracy, (high, low))
        return above - below, gradient_above - gradient_below

    def predictor(self, covariates: Floats) -> Floats:
        """Mean design row (p,) at covariates (k,), on the scale of the coefficients."""
        return np.asarray(self.weight @ self._rows(covariates), dtype=float)

    def _rows(self, covariates: Floats) -> Floats:
        """Design rows (R, p) of all lines at covariates (k,)."""
        rows = self.base.copy()
        if covariates.size:
            rows[:, -covariates.size :] = covariates
        return rows


@dataclass(frozen=True, slots=True, repr=False)
class Prediction(Printed):
    """Accuracy of a new model in a new family, with a prediction interval.

    Attributes
    ----------
    estimate, pred_low, pred_high : float
        On the accuracy scale.
    std_error : float
        Of a new model, on the scale of the coefficients.
    df, conf_level : float
    method : str

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([m / 10 for m in range(-8, 9)], rng=1)
    >>> trend = hs.fit_trend(hs.fit_profile(study, method="observed"), "log10(params_total)")
    >>> round(trend.prediction({"params_total": 1e10}).estimate, 2)
    0.35
    """

    estimate: float
    std_error: float
    df: float
    pred_low: float
    pred_high: float
    conf_level: float
    method: str

    def tidy(self) -> pd.DataFrame:
        """The numbers as one row."""
        return ResultFrame([{"term": "new model in a new family", **asdict(self)}])

    def summary(self) -> str:
        """The prediction in two lines."""
        return (
            f"new model in a new family: {self.estimate:.3f}, {self.conf_level:.0%} prediction "
            f"interval [{self.pred_low:.3f}, {self.pred_high:.3f}]\n"
            f"  {self.method}; standard error {self.std_error:.4f}, {self.df:.1f} df"
        )
