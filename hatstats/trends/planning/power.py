"""Power of a trend over few families, and the smallest slope that a study can detect.

With few families the variance components are estimated badly, and so is a standard error by CR2:
over families of 6, 5, 3, 3, 2 and 1 its mean square is about a quarter too small where the
covariate lies between families. A noncentral t distribution at the true components therefore says
too little power. Here a test's standard error and degrees of freedom are simulated, without a
slope, on which neither depends, and the slope's own normal error is integrated out:

    power(b) = mean over panels of Phi((b - t(df) se) / sd).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import linalg, optimize, special, stats

from hatstats.errors import DataError
from hatstats.inference.cluster_robust.sandwich import cluster_robust
from hatstats.inference.intervals import critical_value
from hatstats.inference.reml.meta_regression import fit_reml
from hatstats.trends.trend import TrendFit

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Panel:
    """Models that a trend would be fitted to.

    Attributes
    ----------
    families : tuple of int
        Number of models in each family.
    family_sd, model_sd : float
        Standard deviations of the effects of family and model, in accuracy.
    sampling_sd : float
        Standard error of a score.
    correlation : float
        Of two scores' sampling errors: models are given the same items.
    between_sd, within_sd : float
        Standard deviation of the covariate between and within families, in its units (decades of
        parameters, years).
    """

    families: tuple[int, ...] = (6, 5, 3, 3, 2, 1)
    family_sd: float = 0.03
    model_sd: float = 0.03
    sampling_sd: float = 0.015
    correlation: float = 0.3
    between_sd: float = 0.4
    within_sd: float = 0.7

    def __post_init__(self) -> None:
        """Refuse numbers that are none."""
        if len(self.families) < 2 or min(self.families) < 1:
            raise DataError(
                "a trend needs models of at least two families",
                column="families",
                value=self.families,
                hint="give the number of models in each family.",
            )
        for name in ("family_sd", "model_sd", "sampling_sd", "between_sd", "within_sd"):
            value = getattr(self, name)
            if not 0.0 <= value < np.inf:
                raise DataError("a standard deviation is not below 0", column=name, value=value)
        if self.model_sd == 0.0 and self.sampling_sd == 0.0:
            raise DataError("models that do not vary leave nothing to plan", column="model_sd")
        if not 0.0 <= self.correlation < 1.0:
            raise DataError("a correlation lies in [0, 1)", column="correlation",
                            value=self.correlation)  # fmt: skip

    @property
    def codes(self) -> NDArray[np.intp]:
        """Family of each model."""
        return np.repeat(np.arange(len(self.families)), self.families)

    def covariance(self) -> Floats:
        """Marginal covariance of the scores, shape (M, M)."""
        code = self.codes
        same = (code[:, None] == code).astype(float)
        own = self.model_sd**2 * np.eye(code.size)
        return np.asarray(self.family_sd**2 * same + own + self.sampling())

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
    """Tests of a slope in D simulated panels without one; NaN df where there is no test.

    Attributes
    ----------
    std_error, df : ndarray, shape (D,)
        By CR2 and Satterthwaite, at the variance components that REML estimates in each panel.
    deviation : ndarray, shape (D,)
        Standard deviation of the slope that generalised least squares finds with those components.
    """

    std_error: Floats
    df: Floats
    deviation: Floats

    @classmethod
    def of(
        cls,
        panel: Panel,
        n_draws: int = 300,
        rng: np.random.Generator | int | None = None,
        *,
        less: Panel | None = None,
    ) -> SlopeTests:
        """Simulate panels, each with a covariate of its own, and estimate what a test rests on.

        Parameters
        ----------
        panel : Panel
        n_draws : int
        rng : Generator, int or None
        less : Panel, optional
            Another outcome of the same models, whose slope is subtracted; both equations are
            stacked, as for the claim that transfer grows more slowly than source accuracy.
        """
        generator = np.random.default_rng(rng)
        outcomes = [panel] if less is None else [panel, less]
        code = panel.codes
        # In families of one model, the effects of family and model are the same.
        groupings = [np.arange(code.size)] + [code] * (max(panel.families) > 1)
        roots = [np.linalg.cholesky(one.covariance()) for one in outcomes]
        contrast = np.array([0.0, 1.0, 0.0, -1.0][: 2 * len(outcomes)])
        found = np.empty((n_draws, 3))
        for row in found:
            x = panel.covariate(generator)
            X = np.column_stack([np.ones(x.size), x - x.mean()])
            fits = [
                fit_reml(root @ generator.standard_normal(x.size), X, one.sampling(), groupings)
                for one, root in zip(outcomes, roots, strict=True)
            ]
            robust = cluster_robust(
                linalg.block_diag(*[X for _ in fits]),
                np.concatenate([fit.residuals for fit in fits]),
                linalg.block_diag(*[fit.weights for fit in fits]),
                linalg.block_diag(*[fit.marginal for fit in fits]),
                np.tile(code, len(fits)),
            )
            variance = 0.0
            for fit, root in zip(fits, roots, strict=True):
                slope = np.linalg.solve(X.T @ fit.weights @ X, X.T @ fit.weights)[1]
                variance += float(((slope @ root) ** 2).sum())
            error = np.sqrt(contrast @ robust.cov @ contrast)
            row[:] = error, float(robust.df(contrast)[0]), np.sqrt(variance)
        return cls(*found.T)

    def power(self, slope: float, level: float) -> float:
        """Chance that a one-sided test finds the slope."""
        known = np.isfinite(self.df)
        critical = critical_value(np.where(known, self.df, 1.0), 1.0 - 2.0 * level)
        away = (slope - critical * self.std_error) / self.deviation
        return float(np.where(known, special.ndtr(away), 0.0).mean())

    def detectable(self, level: float, wanted: float = 0.8) -> float:
        """Slope found with a wanted power; NaN where even a huge one is not."""
        return _detectable(
            lambda value: self.power(value, level), float(self.deviation.mean()), wanted
        )


def one_sided_power(effect: Floats, std_error: Floats, df: Floats, level: float) -> Floats:
    """Chance that a one-sided test at `level` finds an effect of the right sign; NaN df is 0."""
    known = np.isfinite(df)
    safe = np.where(known, df, 1.0)
    critical = critical_value(safe, 1.0 - 2.0 * level)
    power = stats.nct.sf(critical, safe, effect / std_error)
    return np.where(known, power, 0.0)


def slope_power(
    panel: Panel,
    slope: float,
    *,
    level: float = 0.05,
    n_draws: int = 300,
    rng: np.random.Generator | int | None = None,
) -> pd.DataFrame:
    """Power of a claim that a slope is above zero.

    Parameters
    ----------
    panel : Panel
    slope : float
        True slope, in accuracy per unit of the covariate.
    level : float
        One-sided.
    n_draws : int
        Panels simulated; the Monte-Carlo error of a power is at most ``.27 / sqrt(n_draws)``, for
        what is drawn are standard errors and not verdicts.
    rng : Generator, int or None

    Returns
    -------
    DataFrame
        One row: `slope, power, std_error, df, detectable`: root mean square of the slope's
        standard deviation, mean degrees of freedom, and the slope found with a power of .8.
    """
    tests = SlopeTests.of(panel, n_draws, rng)
    return pd.DataFrame(
        {
            "slope": [slope],
            "power": [tests.power(slope, level)],
            "std_error": [float(np.sqrt((tests.deviation**2).mean()))],
            "df": [float(np.nanmean(tests.df))],
            "detectable": [tests.detectable(level)],
        }
    )


def _detectable(power: Callable[[float], float], scale: float, wanted: float) -> float:
    """Effect found with a wanted power; NaN where even a huge one is not."""
    top = 200.0 * scale
    if power(top) < wanted:
        return np.nan
    return float(optimize.brentq(lambda value: power(value) - wanted, 0.0, top, rtol=1e-6))


def detectable_slopes(trend: TrendFit, *, level: float = 0.05, power: float = 0.8) -> pd.DataFrame:
    """Smallest slopes that the study at hand could have found.

    Parameters
    ----------
    trend : TrendFit
    level : float
        One-sided.
    power : float

    Returns
    -------
    DataFrame
        `term, estimate, std_error, df, detectable, level, power` on the accuracy scale, from the
        trend's own standard errors and degrees of freedom; NaN where those are unknown.
    """
    rows = trend.accuracy_slopes()
    found = []
    for error, df in rows[["std_error", "df"]].to_numpy(dtype=float):
        if not (np.isfinite(df) and error > 0):
            found.append(np.nan)
            continue
        one, freedom = np.array(error), np.array(df)

        def at(value: float, one: Floats = one, freedom: Floats = freedom) -> float:
            return float(one_sided_power(np.array(value), one, freedom, level))

        found.append(_detectable(at, error, power))
    kept = rows[["term", "estimate", "std_error", "df"]]
    return kept.assign(detectable=found, level=level, power=power)


def panel_of(trend: TrendFit, sampling_sd: float | None = None) -> Panel:
    """Panel of the models of a two-stage trend, for planning more of the like.

    Parameters
    ----------
    trend : TrendFit
        On the accuracy scale, of one covariate.
    sampling_sd : float, optional
        Standard error of a score; that of the trend's scores if not given.

    Returns
    -------
    Panel

    Raises
    ------
    DataError
        For a trend on logits or of several covariates.
    """
    if trend.scale != "accuracy" or len(trend.design.terms) != 1:
        raise DataError(
            "plans are made from a two-stage trend of one covariate",
            column="formula",
            value=trend.formula,
            hint="fit one to HAT scores, such as fit_trend(profile.hat(), 'release_year').",
        )
    V = trend.reml.V
    sd = np.sqrt(np.diag(V))
    off = ~np.eye(len(V), dtype=bool)
    link = (V / np.outer(sd, sd))[off]
    x = pd.Series(trend.design.matrix[:, 0])
    mean = x.groupby(np.array(trend.clusters)).transform("mean")
    sizes = pd.Series(trend.clusters).value_counts().to_numpy()
    components = trend.components
    return Panel(
        families=tuple(int(size) for size in sizes),
        family_sd=float(np.sqrt(components.get(trend.cluster, 0.0))),
        model_sd=float(np.sqrt(components["model"])),
        sampling_sd=float(np.sqrt((sd**2).mean())) if sampling_sd is None else sampling_sd,
        correlation=float(np.clip(link.mean(), 0.0, 0.99)),
        between_sd=float(mean.std()),
        within_sd=float((x - mean).std()),
    )
