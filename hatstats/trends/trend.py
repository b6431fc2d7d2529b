"""`TrendFit`: a regression of transfer on covariates of models, with inference for few families."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from hatstats.errors import DataError
from hatstats.estimators.aggregate.panel_regression import Panel
from hatstats.estimators.aggregate.profile import AggregateProfile
from hatstats.inference.arrays import Floats
from hatstats.inference.cluster_robust.sandwich import ClusterRobust
from hatstats.inference.intervals import wald_interval
from hatstats.inference.labelled import Contrast, LabelledEstimates
from hatstats.inference.random_numbers import RandomSource, seeded
from hatstats.inference.reml.meta_regression import RemlFit
from hatstats.inference.result_frame import ResultFrame, large_text
from hatstats.inference.tidy import tidy_frame
from hatstats.inference.validation import member
from hatstats.scores.scores import HatScores
from hatstats.scores.wordings import LIKE_THESE
from hatstats.study.model_metadata import term_words
from hatstats.trends.design import Design, Value
from hatstats.trends.prediction import Prediction, Surface
from hatstats.trends.standard_errors import (
    DRAWS,
    LIKE_MODELS,
    THESE_MODELS,
    TWO_STAGES,
    ModelScope,
    SampledItems,
    compare,
    known_errors,
    weakness,
)
from hatstats.trends.trend_text import trend_text

_BINS = 41


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TrendFit(LabelledEstimates):
    """A regression of transfer on covariates of models, with inference for few families.

    `params`, `bse`, `cov` and `conf_int()` are labelled by term.

    Attributes
    ----------
    formula : str
    terms : tuple of str, length p
        Names of all coefficients.
    reml : RemlFit
        Estimates and variance components, by restricted maximum likelihood.
    robust : ClusterRobust
        Covariance by `vcov` over the clusters.
    sampled : SampledItems
        Covariance where the models are as they are, and only items are sampled.
    scope : {"models like these", "these models"}
        Which of the two all errors, intervals and tests are of.
    components : dict
        Variance components by name.
    cluster : str
        Column that the `clusters` of the models in `design.models` come from.
    surface : Surface
        Fitted accuracy at given covariates.
    scale : {"accuracy", "logit"}
        Scale of the coefficients.
    collapsed : tuple of ndarray
        One outcome and one design row per model, for ordinary least squares.
    scores : HatScores or AggregateProfile
        What the trend was fitted to.
    panel : Panel or None
        The regression on the logit scale behind an aggregate trend.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([m / 10 for m in range(-9, 10)], rng=1)
    >>> trend = hs.fit_trend(hs.fit_profile(study, method="observed"), "log10(params_total)")
    >>> trend.params.round(3)
    Intercept              0.287
    log10(params_total)    0.007
    Name: estimate, dtype: float64
    >>> trend.contrast({"params_total": 1e10}, {"params_total": 1e9})
    HAT at params_total 10B - HAT at params_total 1B:
      0.007, 95% interval [-0.014, 0.028], p = 0.343
      CR2 by family, Satterthwaite df, accuracy scale; standard error 0.0061, 2.7 df
    >>> trend.prediction({"params_total": 1e10})
    new model in a new family: 0.357, 95% prediction interval [0.291, 0.424]
      CR2 by family, Satterthwaite df, accuracy scale; standard error 0.0208, 3.0 df
    """

    formula: str
    terms: tuple[str, ...]
    reml: RemlFit
    robust: ClusterRobust
    sampled: SampledItems
    components: dict[str, float]
    clusters: tuple[str, ...]
    cluster: str
    design: Design
    surface: Surface
    scale: Literal["accuracy", "logit"]
    collapsed: tuple[Floats, Floats]
    scores: HatScores | AggregateProfile
    panel: Panel | None = None
    scope: ModelScope = LIKE_MODELS

    @property
    def labels(self) -> pd.Index:
        """Names of the coefficients, length p."""
        return pd.Index(self.terms)

    @property
    def estimates(self) -> Floats:
        """Coefficients, shape (p,)."""
        return self.reml.params

    @property
    def covariance(self) -> Floats:
        """Covariance of the coefficients in this scope, shape (p, p)."""
        return self._uncertainty.cov

    @property
    def _uncertainty(self) -> ClusterRobust | SampledItems:
        """What gives standard errors and degrees of freedom of contrasts in this scope."""
        return self.sampled if self.scope == THESE_MODELS else self.robust

    def errors(self, gradients: ArrayLike) -> tuple[Floats, Floats]:
        """Standard errors and degrees of freedom of contrasts (q, p), in this scope, (q,) each."""
        return self._uncertainty.std_errors(gradients), self._uncertainty.df(gradients)

    def over(self, scope: ModelScope) -> TrendFit:
        """The same trend in another scope, see `fit_trend`."""
        return replace(self, scope=scope)

    @property
    def std_errors(self) -> Floats:
        """Standard errors, shape (p,); NaN where clusters, or items, do not show them."""
        return self._error(np.eye(len(self.terms)))[0]

    def limits(self, conf_level: float = 0.95) -> Floats:
        """Limits of all coefficients, shape (p, 2)."""
        return wald_interval(self.estimates, self.std_errors, self.df, conf_level)

    def _error(self, gradients: ArrayLike) -> tuple[Floats, Floats]:
        """Standard errors of contrasts (q, p), NaN where none is known, and degrees of freedom."""
        return known_errors(self._uncertainty, gradients), self._uncertainty.df(gradients)

    def weaknesses(self, rows: pd.DataFrame) -> list[str]:
        """What weakens each tidy row of this trend, or why it has no standard error, in words."""
        unit = "item" if self.scope == THESE_MODELS else self.cluster
        pairs = rows[["std_error", "df"]].to_numpy(dtype=float)
        return [weakness(error, df, unit) for error, df in pairs]

    @property
    def vcov(self) -> str:
        """Kind of covariance; ``items`` for these models."""
        return "items" if self.scope == THESE_MODELS else self.robust.kind

    @property
    def df(self) -> Floats:
        """Degrees of freedom of each coefficient, over clusters: Satterthwaite, or G - 1."""
        return self._uncertainty.df(np.eye(len(self.terms)))

    @property
    def nobs(self) -> int:
        """Number of models."""
        return len(self.design.models)

    @property
    def n_clusters(self) -> int:
        """Number of clusters (families)."""
        return len(set(self.clusters))

    @property
    def left_out(self) -> tuple[str, ...]:
        """Models without a value of some covariate."""
        return self.design.left_out

    @property
    def weakly_identified(self) -> tuple[str, ...]:
        """Models of the trend whose score is weakly identified."""
        weak = set(self.scores.weakly_identified)
        return tuple(name for name in self.design.models if name in weak)

    @property
    def p_floor(self) -> float:
        """Smallest two-sided p value of an enumerated Rademacher bootstrap over the clusters."""
        return float(2.0 / 2.0**self.n_clusters)

    @property
    def method(self) -> str:
        """How standard errors and degrees of freedom were computed."""
        freedom = "Satterthwaite" if self.vcov == "CR2" else "G - 1"
        over = f"{self.vcov} by {self.cluster}, {freedom} df"
        if self.scope == THESE_MODELS:
            over = f"{THESE_MODELS}, items sampled"
            over += "" if self.panel is None else ", models independent"
        text = f"{over}, {self.scale} scale"
        if 2 * len(self.weakly_identified) >= self.nobs:
            text += f", {len(self.weakly_identified)} of {self.nobs} models weakly identified"
        if isinstance(self.scores, HatScores) and self.scores.scope == LIKE_THESE:
            text += f", {LIKE_THESE}"
        two_stages = self.panel is None and self.scores.method == "aggregate"
        return f"{text}, {TWO_STAGES}" if two_stages else text

    @property
    def accuracy_method(self) -> str:
        """`method` of numbers on the accuracy scale."""
        return self.method.replace("logit scale", "accuracy scale")

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Coefficients in the tidy schema, without the intercepts of languages."""
        shown = [i for i, term in enumerate(self.terms) if not term.startswith("intercept[")]
        return tidy_frame(
            [self.terms[i] for i in shown],
            self.estimates[shown],
            self.std_errors[shown],
            df=self.df[shown],
            conf_level=conf_level,
            method=self.method,
        )

    def _html_rows(self) -> pd.DataFrame:
        """Coefficients as a reader calls them, without the intercept, which answers nothing."""
        rows = self.tidy()
        kept = rows[rows["term"] != "Intercept"]
        rows = kept if len(kept) else rows
        return rows.assign(term=rows["term"].map(term_words))

    def contrast(
        self, high: Mapping[str, Value], low: Mapping[str, Value], conf_level: float = 0.95
    ) -> Contrast:
        """Fitted accuracy at `high` covariates less that at `low`, others averaged over models."""
        value, gradient = self.difference_gradient(high, low)
        error, df = self._error(gradient)
        sides = [", ".join(f"{k} {_text(v)}" for k, v in side.items()) for side in (high, low)]
        row = tidy_frame(
            f"HAT at {sides[0]} - HAT at {sides[1]}",
            value,
            error,
            df=df,
            conf_level=conf_level,
            method=self.accuracy_method,
        )
        return Contrast.from_row(row)

    def slope_gradient(self, term: str) -> tuple[float, Floats]:
        """Change in accuracy per unit of a covariate term, and its gradient (p,).

        A difference of half a unit to either side of the mean of the covariates.
        """
        member("term", term, self.design.terms, "no such covariate in the trend", "it has")
        row = self.design.matrix.mean(axis=0)
        step = 0.5 * (np.array(self.design.terms) == term)
        return self.surface.difference(row + step, row - step)

    def difference_gradient(
        self, high: Mapping[str, Value], low: Mapping[str, Value]
    ) -> tuple[float, Floats]:
        """Value of `contrast`, and its gradient (p,)."""
        return self.surface.difference(self.design.mean_row(high), self.design.mean_row(low))

    def accuracy_slopes(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Each covariate's slope on the accuracy scale, in the tidy schema."""
        slopes, gradients = zip(*map(self.slope_gradient, self.design.terms), strict=True)
        error, df = self._error(gradients)
        terms, how = self.design.terms, self.accuracy_method
        return tidy_frame(terms, slopes, error, df=df, conf_level=conf_level, method=how)

    def comparison(
        self,
        conf_level: float = 0.95,
        *,
        n_draws: int = DRAWS,
        rng: RandomSource = None,
    ) -> pd.DataFrame:
        """Each covariate's coefficient under other standard errors and tests, in the tidy schema.

        OLS, HC1 and HC3 ignore sampling covariances and families; REML and Knapp-Hartung rely on
        the variance components; CR1, CR2 and CR3 are robust to any dependence within clusters; the
        wild cluster bootstrap imposes the null and reweights whole clusters; the permutation test
        permutes models within families and families of equal size. With few clusters CR2, the
        Rademacher bootstrap and the permutation test keep their level, and CR3 nearly does. A
        standard error is NaN without residual degrees of freedom, and where a coefficient depends
        on one model alone (HC3) or on one cluster alone (CR).

        Parameters
        ----------
        conf_level : float
        n_draws : int
            Draws of bootstrap and permutation where they cannot be enumerated.
        rng : Generator, int or None
            None is fresh entropy; ``table.attrs["seed"]`` draws the same numbers again.

        Returns
        -------
        DataFrame
            `method` includes the smallest p value that a bootstrap or permutation can give. A
            limit is infinite where no value, however far, is rejected.
        """
        generator, seed = seeded(rng)
        table = compare(
            self.reml,
            np.array(self.robust.labels)[self.robust.codes],
            self.collapsed,
            self.clusters,
            self.design.terms,
            conf_level,
            n_draws=n_draws,
            rng=generator,
        )
        table.attrs["seed"] = seed
        return table

    def curve(self, covariate: str, conf_level: float = 0.95) -> pd.DataFrame:
        """Fitted HAT along a covariate, the others averaged over the models.

        Returns
        -------
        DataFrame
            `x, estimate, conf_low, conf_high, conf_level`, over the range of the models.
        """
        values = self.design.frame[covariate].astype(float)
        low, high = float(values.min()), float(values.max())
        log = covariate.startswith("params") and low > 0
        x = np.geomspace(low, high, _BINS) if log else np.linspace(low, high, _BINS)
        rows = [self.design.mean_row({covariate: float(value)}) for value in x]
        estimate, gradients = zip(*map(self.surface.accuracy, rows), strict=True)
        low, high = wald_interval(estimate, *self._error(gradients), conf_level).T
        columns = {"x": x, "estimate": estimate, "conf_low": low, "conf_high": high}
        return ResultFrame({**columns, "conf_level": conf_level})

    def prediction(
        self, covariates: Mapping[str, Value] | None = None, conf_level: float = 0.95
    ) -> Prediction:
        """Interval for the accuracy of a new model in a new family.

        ``x'b -+ t sqrt(x'Vx + sum tau^2)``, transformed to accuracy where the trend is on logits.
        Degrees of freedom are the smaller of the sandwich's and families less two (Higgins,
        Thompson and Spiegelhalter 2009, with families as the units); with fewer than three
        families the limits are NaN. Covariates that are not given are averaged over the models.
        DataError in the scope of these models, which has no new one.
        """
        if self.scope == THESE_MODELS:
            hint = f"use trend.over({LIKE_MODELS!r})."
            raise DataError("a new model is none of these models", column="scope", hint=hint)
        row = self.design.mean_row(covariates or {})
        predictor = self.surface.predictor(row)
        # Cell effects are averaged over the cells of a model.
        weights = {"cell": self.nobs / self.reml.y.size}
        effects = sum(value * weights.get(name, 1.0) for name, value in self.components.items())
        error = float(np.sqrt(predictor @ self.covariance @ predictor + effects))
        df = min(float(self.robust.df(predictor)[0]), self.n_clusters - 2.0)
        df = df if df > 0 else np.nan
        shifts = (0.0, *wald_interval(0.0, error, df, conf_level))
        estimate, low, high = (self.surface.accuracy(row, float(shift))[0] for shift in shifts)
        return Prediction(estimate, error, df, low, high, conf_level, self.method)

    def glance(self) -> pd.DataFrame:
        """One row: models, clusters, variance components and log-likelihood."""
        facts: dict[str, object] = {
            "formula": self.formula,
            "vcov": self.vcov,
            "n_models": self.nobs,
            "n_clusters": self.n_clusters,
            "n_left_out": len(self.left_out),
        }
        facts |= {f"variance_{name}": value for name, value in self.components.items()}
        return ResultFrame([facts | {"log_likelihood": self.reml.loglik, "p_floor": self.p_floor}])

    def summary(self, conf_level: float = 0.95) -> str:
        """The fit in plain text of at most 80 columns."""
        return trend_text(self, conf_level)


def _text(value: Value) -> str:
    """A covariate's value in words."""
    return value if isinstance(value, str) else large_text(value) or f"{value:.4g}"
