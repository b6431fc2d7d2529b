"""Bootstrap draws of all HAT scores: standard errors, limits, contrasts and ranks from them."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hatstats.errors import DataError
from hatstats.inference.resampling.bootstrap import bca_limits, percentile_limits
from hatstats.inference.tidy import standard_errors, tidy_frame
from hatstats.scores.ranks import model_position, rank_table

Floats = NDArray[np.float64]
IntervalKind = Literal["percentile", "bca"]
#: Root mean square of refits less Newton steps, in standard errors, above which steps are rough.
STEP_TOLERANCE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class BootstrapScores:
    """Draws of all HAT scores, paired over models.

    Attributes
    ----------
    models : tuple of str, length M
    params : ndarray, shape (M,)
        HAT scores from all data.
    draws : ndarray, shape (B, M)
    scale : float
        Standard errors are those of the draws times this; 1 except for draws of trials.
    influence : tuple of ndarray, each (G_b, M)
        Influence of the item clusters of each benchmark; empty for draws of trials.
    unit : str
        What was drawn: ``items`` or ``trials``.
    kind : str
        Kind of weights, or ``binomial`` for trials.
    reference, method : str
    n_clusters : int
        Item clusters over all benchmarks.
    refits : DataFrame
        Full refits beside Newton steps of the same draws: `draw, model, refit, step, difference`,
        the last in standard errors. Empty if none were asked for.
    n_failed : int
        Refits that failed. Newton steps cannot fail.
    """

    models: tuple[str, ...]
    params: Floats
    draws: Floats
    scale: float
    influence: tuple[Floats, ...]
    unit: str
    kind: str
    reference: str
    method: str
    n_clusters: int
    refits: pd.DataFrame
    n_failed: int

    @property
    def n_draws(self) -> int:
        """Number of draws."""
        return int(self.draws.shape[0])

    @property
    def cov(self) -> Floats:
        """Covariance of the scores over draws, shape (M, M)."""
        return np.atleast_2d(np.cov(self.draws, rowvar=False)) * self.scale**2

    @property
    def bse(self) -> Floats:
        """Standard errors, shape (M,)."""
        return standard_errors(self.cov)

    @property
    def largest_step_error(self) -> float:
        """Largest distance of a full refit from its Newton step, in SEs; NaN without refits."""
        return float(self.refits["difference"].abs().max()) if len(self.refits) else np.nan

    def conf_int(self, conf_level: float = 0.95, *, interval: IntervalKind = "bca") -> Floats:
        """Confidence limits, shape (M, 2), cut to [0, 1]; NaN where draws do not vary.

        Parameters
        ----------
        conf_level : float
        interval : {"bca", "percentile"}
            Draws of trials have no influence values and give percentiles.
        """
        if interval not in ("bca", "percentile"):
            raise DataError(
                "unknown interval",
                column="interval",
                value=interval,
                hint="use 'bca' or 'percentile'.",
            )
        if interval == "bca" and self.influence:
            limits = bca_limits(self.draws, self.params, self.influence, conf_level)
        else:
            rescaled = self.params + self.scale * (self.draws - self.draws.mean(axis=0))
            draws = self.draws if self.scale == 1.0 else rescaled
            limits = percentile_limits(draws, conf_level)
            limits[np.ptp(self.draws, axis=0) == 0] = np.nan
        return np.clip(limits, 0.0, 1.0)

    def tidy(self, conf_level: float = 0.95, *, interval: IntervalKind = "bca") -> pd.DataFrame:
        """One row per model in the tidy schema; limits from the draws."""
        limits = self.conf_int(conf_level, interval=interval)
        used = interval if self.influence else "percentile"
        table = tidy_frame(
            "HAT",
            self.params,
            self.bse,
            conf_level=conf_level,
            method=f"{self.method}, {self.unit} bootstrap ({self.kind}), {used}",
            identifiers={"model": list(self.models), "reference": self.reference},
        )
        # A proportion has no null at 0.
        table[["statistic", "p_value"]] = np.nan
        return table.assign(conf_low=limits[:, 0], conf_high=limits[:, 1])

    def contrast(self, a: str, b: str, conf_level: float = 0.95) -> pd.DataFrame:
        """Difference of two models' scores: one tidy row, limits from paired draws.

        Raises
        ------
        DataError
            If a name is not among the models.
        """
        first, second = (model_position(self.models, name) for name in (a, b))
        draws = (self.draws[:, [first]] - self.draws[:, [second]]) * self.scale
        estimate = np.atleast_1d(self.params[first] - self.params[second])
        psi = [part[:, [first]] - part[:, [second]] for part in self.influence]
        if psi:
            limits = bca_limits(draws, estimate, psi, conf_level)
        else:
            limits = percentile_limits(estimate + draws - draws.mean(axis=0), conf_level)
        row = tidy_frame(
            f"{a} - {b}",
            estimate,
            draws.std(axis=0, ddof=1),
            conf_level=conf_level,
            method=f"{self.method}, {self.unit} bootstrap ({self.kind})",
            identifiers={"reference": self.reference},
        )
        return row.assign(conf_low=limits[:, 0], conf_high=limits[:, 1])

    def ranks(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Rank of each model (1 is best) with limits from the draws, and its share of wins."""
        return rank_table(self.models, self.params, self.draws, conf_level)

    def summary(self, conf_level: float = 0.95) -> str:
        """Scores from best to worst and what was drawn, in lines of at most 80 columns."""
        limits = self.conf_int(conf_level)
        lines = [
            f"HAT scores, {self.n_draws} {self.unit} bootstrap draws ({self.kind}), "
            f"reference {self.reference}"
        ]
        for m in np.argsort(-self.params, kind="stable"):
            lines.append(
                f"  {self.models[m][:40]:<40}  {self.params[m]:.3f}"
                f"  [{limits[m, 0]:.3f}, {limits[m, 1]:.3f}]  SE {self.bse[m]:.4f}"
            )
        lines += textwrap.wrap(self._explanation(), 78, initial_indent="  ", subsequent_indent="  ")
        return "\n".join(lines)

    def _explanation(self) -> str:
        """What was drawn, what the spread means, and how far refits are from steps."""
        if self.unit == "trials":
            return (
                "Trials were redrawn within the same items: the spread says how their scores would "
                "vary if they were asked again, not how those of other items would. Do not add it "
                "to an item bootstrap, which contains the noise of trials already: that inflates "
                f"the SE. {self.n_failed} refits failed."
            )
        text = (
            f"{self.n_clusters} item clusters drawn for all models and languages together, one "
            "Newton step per draw; a draw in this form cannot fail."
        )
        if len(self.refits):
            size = float(np.sqrt((self.refits["difference"] ** 2).mean()))
            verdict = "steps can be trusted" if size < STEP_TOLERANCE else "steps are rough"
            text += (
                f" {self.refits['draw'].nunique()} full refits differ from their steps by "
                f"{size:.2f} SE (root mean square), at most {self.largest_step_error:.2f} SE: "
                f"{verdict}."
            )
        if self.n_failed:
            text += f" {self.n_failed} refits failed."
        return text


def count_at_least(value: int, least: int, name: str) -> int:
    """A whole number not below `least`, or a `DataError` that names the argument."""
    if int(value) != value or value < least:
        raise DataError(
            f"{name} must be a whole number, {least} or more",
            column=name,
            value=value,
            hint=f"give {least} or more.",
        )
    return int(value)
