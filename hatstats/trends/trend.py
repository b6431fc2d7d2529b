"""`TrendFit`: a regression of transfer on covariates of models, with few-family inference."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hatstats.errors import DataError
from hatstats.estimators.aggregate.panel_regression import Panel
from hatstats.estimators.aggregate.profile import AggregateProfile
from hatstats.inference.cluster_robust.sandwich import ClusterRobust
from hatstats.inference.intervals import wald_interval
from hatstats.inference.reml.meta_regression import RemlFit
from hatstats.inference.reml.model_based import joint_chi2
from hatstats.inference.tidy import standard_errors, tidy_frame
from hatstats.scores.scores import HatScores
from hatstats.trends.design import Design, Value
from hatstats.trends.prediction import Surface
from hatstats.trends.standard_errors import DRAWS, Compared, compare

Floats = NDArray[np.float64]

_BINS = 41


@dataclass(frozen=True, slots=True, eq=False)
class TrendFit:
    """A regression of transfer on covariates of models, with few-family inference.

    Attributes
    ----------
    formula : str
    terms : tuple of str, length p
        Names of all coefficients.
    reml : RemlFit
        Point estimates and variance components, by restricted maximum likelihood.
    robust : ClusterRobust
        Covariance by `vcov` over the clusters.
    components : dict
        Variance components by name.
    clusters : tuple of str
        Cluster of each model in `design.models`.
    cluster : str
        Column that the clusters come from.
    design : Design
    surface : Surface
        Expected accuracy at given covariates.
    scale : {"accuracy", "logit"}
        Scale of the coefficients.
    collapsed : tuple of ndarray
        One outcome and one design row per model, for plain least squares beside the rest.
    scores : HatScores or AggregateProfile
        What was fitted.
    panel : Panel or None
        The regression on the logit scale behind an aggregate trend.
    """

    formula: str
    terms: tuple[str, ...]
    reml: RemlFit
    robust: ClusterRobust
    components: dict[str, float]
    clusters: tuple[str, ...]
    cluster: str
    design: Design
    surface: Surface
    scale: Literal["accuracy", "logit"]
    collapsed: tuple[Floats, Floats]
    scores: HatScores | AggregateProfile
    panel: Panel | None = None

    @property
    def params(self) -> Floats:
        """Coefficients, shape (p,)."""
        return self.reml.params

    @property
    def cov(self) -> Floats:
        """Cluster-robust covariance of the coefficients, shape (p, p)."""
        return self.robust.cov

    @property
    def bse(self) -> Floats:
        """Standard errors, shape (p,); NaN where one cluster alone carries a coefficient."""
        return np.where(np.isfinite(self.df), standard_errors(self.cov), np.nan)

    @property
    def vcov(self) -> str:
        """Kind of covariance."""
        return self.robust.kind

    @property
    def df(self) -> Floats:
        """Degrees of freedom of each coefficient: Satterthwaite for CR2, else G - 1."""
        return self.robust.df(np.eye(self.params.size))

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
    def p_floor(self) -> float:
        """Smallest two-sided p value of an enumerated sign-flip bootstrap over these clusters."""
        return float(2.0 / 2.0**self.n_clusters)

    @property
    def method(self) -> str:
        """How standard errors and degrees of freedom were made."""
        freedom = "Satterthwaite" if self.vcov == "CR2" else "G - 1"
        return f"{self.vcov} by {self.cluster}, {freedom} df, {self.scale} scale"

    def _shown(self) -> list[int]:
        return [i for i, term in enumerate(self.terms) if not term.startswith("intercept[")]

    def conf_int(self, conf_level: float = 0.95) -> Floats:
        """Limits of all coefficients, shape (p, 2)."""
        return wald_interval(self.params, self.bse, self.df, conf_level)

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Coefficients in the tidy schema, without the intercepts of languages."""
        shown = self._shown()
        return tidy_frame(
            [self.terms[i] for i in shown],
            self.params[shown],
            self.bse[shown],
            df=self.df[shown],
            conf_level=conf_level,
            method=self.method,
        )

    def slope(self, term: str) -> tuple[float, Floats]:
        """Change of accuracy per unit of a covariate term, at the mean of the covariates.

        Returns
        -------
        estimate : float
        gradient : ndarray, shape (p,)
        """
        if term not in self.design.terms:
            raise DataError(
                "no such covariate in the trend",
                column="term",
                value=term,
                hint=f"it has {', '.join(self.design.terms)}.",
            )
        row = self.design.matrix.mean(axis=0)
        step = np.zeros(row.size)
        step[self.design.terms.index(term)] = 0.5
        return self._difference(row + step, row - step)

    def difference(
        self, high: Mapping[str, Value], low: Mapping[str, Value]
    ) -> tuple[float, Floats]:
        """Expected accuracy at `high` covariates less that at `low`; others at their mean."""
        return self._difference(self.design.at(high), self.design.at(low))

    def _difference(self, high: Floats, low: Floats) -> tuple[float, Floats]:
        above, below = self.surface.at(high), self.surface.at(low)
        return above[0] - below[0], above[1] - below[1]

    def accuracy_slopes(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Each covariate's slope on the accuracy scale, in the tidy schema."""
        pairs = [self.slope(term) for term in self.design.terms]
        gradients = np.array([gradient for _, gradient in pairs])
        return tidy_frame(
            self.design.terms,
            [estimate for estimate, _ in pairs],
            np.sqrt(np.einsum("ip,pq,iq->i", gradients, self.cov, gradients)),
            df=self.robust.df(gradients),
            conf_level=conf_level,
            method=self.method.replace("logit scale", "accuracy scale"),
        )

    def comparison(
        self,
        conf_level: float = 0.95,
        *,
        n_draws: int = DRAWS,
        rng: np.random.Generator | int | None = 1,
    ) -> pd.DataFrame:
        """Each covariate's coefficient under other standard errors and tests, in the tidy schema.

        OLS, HC1 and HC3 ignore sampling covariances and families; REML and Knapp-Hartung trust
        the variance components; CR1, CR2 and CR3 hold against any dependence within clusters; the
        wild cluster bootstrap imposes the null and flips, or reweights, whole clusters; the
        permutation moves models within families and families of equal size. With few clusters
        CR2, the sign flips and the permutation keep their level, CR3 nearly. A standard error is
        NaN where
        the models leave nothing to estimate it by: no residual degree of freedom, a model that
        alone carries a coefficient (HC3), or a cluster that does (CR).

        Parameters
        ----------
        conf_level : float
        n_draws : int
            Draws of bootstrap and permutation where they cannot be enumerated.
        rng : Generator, int or None

        Returns
        -------
        DataFrame
            `method` names the smallest p value that a bootstrap or permutation can give. A limit
            is infinite where no value, however far, is rejected.
        """
        data = Compared(self.reml, self.robust, self.design.terms, self.collapsed, self.clusters)
        return compare(data, conf_level, n_draws=n_draws, rng=rng)

    def curve(self, covariate: str, conf_level: float = 0.95) -> pd.DataFrame:
        """Expected HAT along a covariate, the others at their mean.

        Returns
        -------
        DataFrame
            `x, estimate, conf_low, conf_high, conf_level`, over the range of the models.
        """
        values = self.design.frame[covariate].astype(float)
        low, high = float(values.min()), float(values.max())
        log = covariate.startswith("params") and low > 0
        x = np.geomspace(low, high, _BINS) if log else np.linspace(low, high, _BINS)
        pairs = [self.surface.at(self.design.at({covariate: float(value)})) for value in x]
        gradients = np.array([gradient for _, gradient in pairs])
        estimate = np.array([value for value, _ in pairs])
        error = np.sqrt(np.einsum("ip,pq,iq->i", gradients, self.cov, gradients))
        limits = wald_interval(estimate, error, self.robust.df(gradients), conf_level)
        return pd.DataFrame(
            {
                "x": x,
                "estimate": estimate,
                "conf_low": limits[:, 0],
                "conf_high": limits[:, 1],
                "conf_level": conf_level,
            }
        )

    def prediction(
        self, covariates: Mapping[str, Value] | None = None, conf_level: float = 0.95
    ) -> pd.DataFrame:
        """Interval for the accuracy of a new model in a new family.

        ``x'b -+ t sqrt(x'Vx + sum tau^2)``, brought to the accuracy scale where the trend is on
        logits. Degrees of freedom are the smaller of the sandwich's and families less two (Higgins,
        Thompson and Spiegelhalter 2009, with families as the units).

        Parameters
        ----------
        covariates : mapping, optional
            Values of covariates; those of the models, averaged, if not given.
        conf_level : float

        Returns
        -------
        DataFrame
            One row: `term, estimate, std_error, df, pred_low, pred_high, conf_level, method`;
            `std_error` is that of a new model's value on the scale of the coefficients. NaN limits
            with fewer than three families.
        """
        row = self.design.at(covariates or {})
        predictor = self.surface.predictor(row)
        spread = {"cell": self.nobs / self.reml.y.size}
        effects = sum(value * spread.get(name, 1.0) for name, value in self.components.items())
        error = float(np.sqrt(predictor @ self.cov @ predictor + effects))
        df = min(float(self.robust.df(predictor)[0]), self.n_clusters - 2.0)
        df = df if df > 0 else np.nan
        half = float(wald_interval(0.0, error, df, conf_level)[1])
        low, high = (self.surface.shifted(row, shift) for shift in (-half, half))
        return pd.DataFrame(
            {
                "term": ["new model in a new family"],
                "estimate": [self.surface.at(row)[0]],
                "std_error": [error],
                "df": [df],
                "pred_low": [low],
                "pred_high": [high],
                "conf_level": [conf_level],
                "method": [self.method],
            }
        )

    def joint_test(self) -> pd.DataFrame:
        """Test that no covariate matters: Q_M on chi-square, and the cluster-robust F test.

        Returns
        -------
        DataFrame
            `method, statistic, df_num, df_denom, p_value, reason`.
        """
        at = [self.terms.index(term) for term in self.design.terms]
        tests = {
            "Q_M (chi-square)": joint_chi2(self.reml, at),
            f"F ({self.vcov}, Hotelling)": self.robust.wald(
                self.params, np.eye(self.params.size)[at]
            ),
        }
        return pd.DataFrame([{"method": name, **asdict(test)} for name, test in tests.items()])

    def glance(self) -> pd.DataFrame:
        """One row: models, clusters, variance components, heterogeneity, tests, floor of p."""
        heterogeneity = self.reml.heterogeneity()
        wald, robust = self.joint_test().to_dict("records")
        facts: dict[str, list[object]] = {
            "formula": [self.formula],
            "vcov": [self.vcov],
            "n_models": [self.nobs],
            "n_clusters": [self.n_clusters],
            "n_left_out": [len(self.left_out)],
        }
        for name, value in self.components.items():
            facts[f"variance_{name}"] = [value]
        facts |= {
            "log_likelihood": [self.reml.loglik],
            "q": [heterogeneity.q],
            "q_df": [heterogeneity.df],
            "q_p_value": [heterogeneity.p_value],
            "i_squared": [heterogeneity.i2],
            "q_m": [wald["statistic"]],
            "q_m_df": [wald["df_num"]],
            "q_m_p_value": [wald["p_value"]],
            "f": [robust["statistic"]],
            "f_df_num": [robust["df_num"]],
            "f_df_denom": [robust["df_denom"]],
            "f_p_value": [robust["p_value"]],
            "p_floor": [self.p_floor],
        }
        return pd.DataFrame(facts)

    def summary(self, conf_level: float = 0.95) -> str:
        """The fit in plain text of at most 80 columns."""
        lines = [
            *textwrap.wrap(f"Trend: {self.formula} ({self.scale} scale)", 80),
            f"  {self.nobs} models in {self.n_clusters} {self.cluster} clusters, "
            f"{self.vcov}; {len(self.left_out)} models left out",
            f"  {'term':<21}{'estimate':>10}{'se':>10}{'df':>6}{'p':>7}  {conf_level:.0%} interval",
        ]
        table = self.tidy(conf_level)
        numbers = table[["estimate", "std_error", "conf_low", "conf_high", "df", "p_value"]]
        for name, row in zip(table["term"], numbers.to_numpy(dtype=float), strict=True):
            term = name if len(name) <= 21 else f"{name[:20]}…"
            estimate, error, low, high = (
                f"{value:.3f}" if abs(value) < 100 else f"{value:.3g}" for value in row[:4]
            )
            lines.append(
                f"  {term:<21}{estimate:>10}{error:>10}{row[4]:>6.1f}{row[5]:>7.3f}"
                f"  [{low}, {high}]"
            )
        spread = ", ".join(f"{name} {value:.4g}" for name, value in self.components.items())
        lines.extend(textwrap.wrap(f"  variance components: {spread}", 80))
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<TrendFit: {self.formula}, {self.nobs} models, {self.n_clusters} clusters>"

    def _repr_html_(self) -> str:
        return str(self.tidy().to_html(index=False, float_format="{:.3f}".format))
