"""Coefficients under every kind of standard error and test, side by side."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hatstats.inference.arrays import Floats
from hatstats.inference.cluster_robust.resampled_tests import (
    WeightKind,
    permutation_test,
    wild_cluster_bootstrap,
)
from hatstats.inference.cluster_robust.sandwich import ClusterRobust, cluster_robust
from hatstats.inference.reml.meta_regression import RemlFit, knapp_hartung, satterthwaite
from hatstats.inference.tidy import rows_of_tests, standard_errors, tidy_frame

Vcov = Literal["CR2", "CR3", "CR1", "CR0"]
#: Whether families are sampled, or the models are as they are and only items are.
ModelScope = Literal["models like these", "these models"]
LIKE_MODELS: ModelScope = "models like these"
THESE_MODELS: ModelScope = "these models"

#: Degrees of freedom below which an interval says what it is worth.
FEW_DF = 2.0
#: Bootstrap and permutation draws where they are not enumerated.
DRAWS = 1_999
#: End of the method of a trend in scores that came of accuracies alone.
TWO_STAGES = "two stages from aggregate scores"


def robust_covariance(fit: RemlFit, clusters: NDArray[np.str_], kind: Vcov) -> ClusterRobust:
    """Sandwich of a REML fit; `clusters` (n,) names the cluster of each row."""
    return cluster_robust(fit.X, fit.residuals, fit.weights, fit.marginal, clusters, kind=kind)


@dataclass(frozen=True, slots=True, eq=False)
class SampledItems:
    """Uncertainty of coefficients where the models are as they are and items are sampled.

    The coefficients are ``E y`` with `loadings` E (p, n), as weighted in the fit, and estimate the
    same sums of the true values; `cov` (p, p) is ``E V E'``, V the sampling covariance of y.
    `freedom` gives the degrees of freedom of sums over y with weights (q, n); infinite without.
    """

    cov: Floats
    loadings: Floats
    freedom: Callable[[Floats], Floats] | None

    def std_errors(self, L: ArrayLike) -> Floats:
        """Standard errors of contrasts (q, p) or (p,), shape (q,)."""
        rows = np.atleast_2d(np.asarray(L, dtype=float))
        variance = np.einsum("qp,pr,qr->q", rows, self.cov, rows)
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)), dtype=float)

    def df(self, L: ArrayLike) -> Floats:
        """Degrees of freedom of contrasts, shape (q,)."""
        rows = np.atleast_2d(np.asarray(L, dtype=float)) @ self.loadings
        return np.full(len(rows), np.inf) if self.freedom is None else self.freedom(rows)


def sampled_items(fit: RemlFit, freedom: Callable[[Floats], Floats] | None = None) -> SampledItems:
    """The covariance of a fit's coefficients that the known sampling covariance alone gives."""
    loadings = fit.cov @ fit.X.T @ fit.weights
    return SampledItems(loadings @ fit.V @ loadings.T, loadings, freedom)


def known_errors(errors: ClusterRobust | SampledItems, gradients: ArrayLike) -> Floats:
    """Standard errors of contrasts (q, p), (q,); NaN where clusters, or items, do not show them.

    These are contrasts without degrees of freedom, and those without any variance.
    """
    rows = np.atleast_2d(np.asarray(gradients, dtype=float))
    found = errors.std_errors(rows)
    terms = np.einsum("qp,pr,qr->q", np.abs(rows), np.abs(errors.cov), np.abs(rows))
    shown = ~np.isnan(errors.df(rows)) & (found**2 > 1e-12 * terms)
    return np.where(shown, found, np.nan)


def weakness(error: float, df: float, unit: str) -> str:
    """Why a contrast has no standard error, or what one is worth; empty where it is worth much."""
    if np.isnan(df):
        return f"hardly more than one {unit} decides, no test"
    if np.isnan(error):
        what = "items" if unit == "item" else "clusters"
        return f"the {what} show no variation to judge it by"
    if df < FEW_DF:
        return "fewer than 2 df: claims also need CR3, the series and all but any one " + unit
    return ""


def compare(
    fit: RemlFit,
    clusters: NDArray[np.str_],
    collapsed: tuple[Floats, Floats],
    model_clusters: tuple[str, ...],
    terms: tuple[str, ...],
    conf_level: float,
    *,
    n_draws: int = DRAWS,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Every covariate's coefficient under every method; see `TrendFit.comparison`.

    `clusters` (n,) are those of the rows of `fit`; `collapsed` has one outcome (M,) and one design
    row (M, p) per model, `model_clusters` (M,) its clusters; `terms` (k,) name the last k columns
    of both designs.
    """
    count = len(terms)
    generators = rng.spawn(2 * count)
    parts = [*_least_squares(collapsed, terms, conf_level)]
    parts += _generalised(fit, clusters, collapsed[1], terms, conf_level)
    rows = partial(rows_of_tests, conf_level=conf_level)
    kinds: tuple[WeightKind, ...] = ("rademacher", "webb")
    for kind, (index, term) in itertools.product(kinds, enumerate(terms)):
        wild = wild_cluster_bootstrap(
            fit.y,
            fit.X,
            clusters,
            contrast=np.eye(fit.params.size)[index - count],
            weights=fit.weights,
            kind=kind,
            n_draws=n_draws,
            rng=generators[index],
        )
        tests = {name: getattr(wild, name) for name in ("std_error", "statistic", "p_value")}
        tests["conf_low"], tests["conf_high"] = wild.conf_int(conf_level)
        method = f"wild {kind.capitalize()} (floor {_floor(wild.floor)})"
        parts.append(rows(term, wild.estimate, tests, method=method))
    y, X = collapsed
    for index, term in enumerate(terms):
        column, rng = X.shape[1] - count + index, generators[count + index]
        permuted = permutation_test(
            y, X, np.array(model_clusters), column=column, n_draws=n_draws, rng=rng
        )
        tests = {"statistic": permuted.statistic, "p_value": permuted.p_value}
        method = f"permutation by family (floor {_floor(permuted.floor)})"
        parts.append(rows(term, permuted.estimate, tests, method=method))
    return pd.concat(parts, ignore_index=True)


def _least_squares(
    collapsed: tuple[Floats, Floats], terms: tuple[str, ...], conf_level: float
) -> list[pd.DataFrame]:
    """OLS, HC1 and HC3 on one row per model."""
    from statsmodels.regression.linear_model import OLS  # takes seconds to import

    y, X = collapsed
    width = len(terms)
    lengths = np.linalg.norm(X, axis=0)
    # Of unit length, since statsmodels drops a column of small numbers beside large ones.
    ols = OLS(y, X / lengths).fit()
    df = float(ols.df_resid) if ols.df_resid > 0 else np.nan
    saturated = bool((ols.get_influence().hat_matrix_diag > 1.0 - 1e-8).any())
    parts = []
    for name in ("OLS", "HC1", "HC3"):
        error = np.full(width, np.nan)
        if df > 0 and not (name == "HC3" and saturated):
            robust = ols if name == "OLS" else ols.get_robustcov_results(name, use_t=True)
            error = (robust.bse / lengths)[-width:]
        estimates = (ols.params / lengths)[-width:]
        parts.append(tidy_frame(terms, estimates, error, df=df, conf_level=conf_level, method=name))
    return parts


def _generalised(
    fit: RemlFit,
    clusters: NDArray[np.str_],
    X: Floats,
    terms: tuple[str, ...],
    conf_level: float,
) -> list[pd.DataFrame]:
    """Model-based and cluster-robust rows of the REML fit; `X` (M, p) is the collapsed design."""
    width = len(terms)
    contrasts = np.eye(fit.params.size)[-width:]
    residual_df = float(max(len(X) - X.shape[1], 1))
    rows = partial(tidy_frame, terms, fit.params[-width:], conf_level=conf_level)
    model_based = standard_errors(fit.cov)[-width:]
    scaled = standard_errors(knapp_hartung(fit)[0])[-width:]
    parts = [
        rows(model_based, df=residual_df, method="REML"),
        rows(model_based, df=satterthwaite(fit, contrasts), method="REML, Satterthwaite"),
        rows(scaled, df=residual_df, method="Knapp-Hartung"),
    ]
    kinds: tuple[Vcov, ...] = ("CR1", "CR2", "CR3")
    for kind in kinds:
        robust = robust_covariance(fit, clusters, kind)
        error = known_errors(robust, contrasts)
        parts.append(rows(error, df=robust.df(contrasts), method=kind))
    return parts


def _floor(value: float) -> str:
    """Smallest possible p value as text, such as ".0312"."""
    return f"{value:.4f}".rstrip("0").lstrip("0")


def stages_note(methods: Iterable[str]) -> list[str]:
    """What to say where one of the `methods` regresses scores that came of accuracies alone."""
    if not any(method.endswith(TWO_STAGES) for method in methods):
        return []
    return [
        "Two stages: scores from accuracies alone, regressed on covariates. The report fits both "
        "in one regression: give the profile, fit_profile(study), without .hat()."
    ]
