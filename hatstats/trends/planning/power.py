"""Power of a trend over few families, and the smallest slope that a study can detect.

With few families the variance components are estimated badly, and so is a CR2 standard error:
over families of 6, 5, 3, 3, 2 and 1 its mean square is about a quarter too small where the
covariate varies between families. A noncentral t distribution at the true components therefore
gives too little power. Here the standard error and the degrees of freedom of a test are simulated
without a slope, on which neither depends, and the normal error of the slope is integrated out:

    power(b) = mean over panels of Phi((b - t(df) se) / sd),

with a Monte-Carlo error of at most ``.27 / sqrt(D)`` over D panels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

from hatstats.errors import DataError
from hatstats.inference.arrays import Floats, Ints
from hatstats.inference.intervals import critical_value
from hatstats.inference.reml.meta_regression import fit_reml
from hatstats.inference.validation import in_range
from hatstats.trends.regression import as_trend
from hatstats.trends.seemingly_unrelated import stacked
from hatstats.trends.standard_errors import robust_covariance
from hatstats.trends.trend import TrendFit


@dataclass(frozen=True, slots=True)
class PlanPanel:
    """Models to which a trend would be fitted.

    Attributes
    ----------
    families : tuple of int
        Number of models in each family.
    family_sd, model_sd : float
        Standard deviations of the effects of family and model, in accuracy.
    sampling_sd : float
        Standard error of a score.
    correlation : float
        Correlation of the sampling errors of two scores, from common items.
    between_sd, within_sd : float
        Standard deviation of the covariate between and within families, in its units (decades of
        parameters, years).

    Examples
    --------
    >>> import hatstats as hs
    >>> hs.PlanPanel(families=(4, 4, 3, 3, 2), model_sd=0.02).families
    (4, 4, 3, 3, 2)
    """

    families: tuple[int, ...] = (6, 5, 3, 3, 2, 1)
    family_sd: float = 0.03
    model_sd: float = 0.03
    sampling_sd: float = 0.015
    correlation: float = 0.3
    between_sd: float = 0.4
    within_sd: float = 0.7

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if len(self.families) < 2 or min(self.families) < 1:
            text, hint = "a trend needs models of at least two families", "give their numbers."
            raise DataError(text, column="families", value=self.families, hint=hint)
        hint = "give standard deviations, in accuracy or in units of the covariate."
        for name in ("family_sd", "model_sd", "sampling_sd", "between_sd", "within_sd"):
            in_range(name, getattr(self, name), "[0, inf)", hint)
        in_range("correlation", self.correlation, "[0, 1)", "give a correlation below 1.")
        if self.model_sd == 0.0 and self.sampling_sd == 0.0:
            raise DataError("scores without any variance leave nothing to plan", column="model_sd")

    @property
    def codes(self) -> Ints:
        """Family of each model, shape (M,)."""
        return np.repeat(np.arange(len(self.families)), self.families)

    def covariance(self) -> Floats:
        """Marginal covariance of the scores, shape (M, M)."""
        code = self.codes
        same = (code[:, None] == code).astype(float)
        models = self.model_sd**2 * np.eye(code.size)
        return np.asarray(self.family_sd**2 * same + models + self.sampling())

    def sampling(self) -> Floats:
        """Covariance of the scores' sampling errors, shape (M, M)."""
        shared = self.correlation + (1.0 - self.correlation) * np.eye(self.codes.size)
        return np.asarray(self.sampling_sd**2 * shared)

    def covariate(self, rng: np.random.Generator) -> Floats:
        """Draw the covariate of every model, (M,)."""
        code = self.codes
        between = self.between_sd * rng.standard_normal(len(self.families))[code]
        return np.asarray(between + self.within_sd * rng.standard_normal(code.size))


@dataclass(frozen=True, slots=True, eq=False)
class SlopeTests:
    """Tests of a slope of zero in D simulated panels; arrays (D,), NaN df where there is no test.

    `std_error` and `df` are by CR2 and Satterthwaite, at the variance components estimated in each
    panel; `deviation` is the true standard deviation of the slope with those components, and
    `by_items` that which sampling errors alone give it: the models as they are.
    """

    std_error: Floats
    df: Floats
    deviation: Floats
    by_items: Floats

    @classmethod
    def simulate(
        cls,
        panel: PlanPanel,
        n_draws: int = 300,
        rng: np.random.Generator | int | None = None,
        *,
        less: PlanPanel | None = None,
    ) -> SlopeTests:
        """Standard errors and degrees of freedom in panels with a random covariate each.

        With `less`, another outcome of the same models, its slope is subtracted: both equations are
        stacked, as for the claim that transfer grows more slowly than source accuracy.
        """
        generator = np.random.default_rng(rng)
        outcomes = [panel] if less is None else [panel, less]
        code = panel.codes
        # With one model per family, the effects of family and model are the same.
        groupings = [np.arange(code.size)] + [code] * (max(panel.families) > 1)
        roots = [np.linalg.cholesky(one.covariance()) for one in outcomes]
        contrast = np.array([0.0, 1.0, 0.0, -1.0][: 2 * len(outcomes)])
        rows = np.empty((n_draws, 4))
        for row in rows:
            x = panel.covariate(generator)
            X = np.column_stack([np.ones(x.size), x - x.mean()])
            fits = [
                fit_reml(root @ generator.standard_normal(x.size), X, one.sampling(), groupings)
                for one, root in zip(outcomes, roots, strict=True)
            ]
            robust = robust_covariance(stacked(fits, 0.0, 0.0), np.tile(code, len(fits)), "CR2")
            slopes = [(fit.cov @ X.T @ fit.weights)[1] for fit in fits]
            variance = sum(((b @ root) ** 2).sum() for b, root in zip(slopes, roots, strict=True))
            items = sum(b @ fit.V @ b for b, fit in zip(slopes, fits, strict=True))
            errors = robust.std_errors(contrast)[0], robust.df(contrast)[0]
            row[:] = *errors, np.sqrt(variance), np.sqrt(items)
        return cls(*rows.T)

    def power(self, slope: float, level: float) -> float:
        """Power of the one-sided test at `level` against a slope."""
        has_test = np.isfinite(self.df)
        critical = critical_value(np.where(has_test, self.df, 1.0), 1.0 - 2.0 * level)
        z = (slope - critical * self.std_error) / self.deviation
        return float(np.where(has_test, special.ndtr(z), 0.0).mean())

    def power_these(self, slope: float, level: float) -> float:
        """Power of the same test over these models, whose sampling errors are known."""
        with np.errstate(divide="ignore"):  # without any, every slope is found
            z = slope / self.by_items + special.ndtri(level)
        return float(special.ndtr(z).mean())

    def detectable(self, level: float, wanted: float = 0.8) -> float:
        """Slope at which the test has a wanted power; NaN if there is none."""
        scale = float(self.deviation.mean())
        return _detectable(lambda value: self.power(value, level), scale, wanted)


def _detectable(power: Callable[[float], float], scale: float, wanted: float) -> float:
    """Effect with a wanted power; NaN where even 200 times `scale` has less."""
    top = 200.0 * scale
    if power(top) < wanted:
        return np.nan
    return float(optimize.brentq(lambda value: power(value) - wanted, 0.0, top, rtol=1e-6))


def detectable_slopes(trend: TrendFit, *, level: float = 0.05, power: float = 0.8) -> pd.DataFrame:
    """Smallest slopes that a study detects with a given power.

    Parameters
    ----------
    trend : TrendFit
    level : float
        One-sided level of the test.
    power : float

    Returns
    -------
    DataFrame
        `term, estimate, std_error, df, detectable, level, power` on the accuracy scale, from the
        trend's own standard errors and degrees of freedom; NaN where those are unknown.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([m / 10 for m in range(-9, 10)], rng=1)
    >>> trend = hs.fit_trend(hs.fit_profile(study, method="observed"), "log10(params_total)")
    >>> hs.detectable_slopes(trend)[["term", "detectable", "power"]].round(2)
                      term  detectable  power
    0  log10(params_total)        0.02    0.8
    """
    rows = as_trend(trend, "detectable_slopes").accuracy_slopes()
    detectable = []
    for error, df in rows[["std_error", "df"]].to_numpy(dtype=float):

        def power_at(slope: float, error: float = error, df: float = df) -> float:
            critical = critical_value(df, 1.0 - 2.0 * level)
            return float(stats.nct.sf(critical, df, slope / error))  # noncentral t

        testable = np.isfinite(df) and error > 0
        detectable.append(_detectable(power_at, error, power) if testable else np.nan)
    kept = rows[["term", "estimate", "std_error", "df"]]
    return kept.assign(detectable=detectable, level=level, power=power)
