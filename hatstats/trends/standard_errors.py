"""One coefficient under every kind of standard error and test, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import statsmodels.api as sm
from numpy.typing import NDArray

from hatstats.inference.cluster_robust.permutation import permutation_test
from hatstats.inference.cluster_robust.sandwich import ClusterRobust, cluster_robust
from hatstats.inference.cluster_robust.wild_bootstrap import WeightKind, wild_cluster_bootstrap
from hatstats.inference.reml.meta_regression import RemlFit
from hatstats.inference.reml.model_based import knapp_hartung, satterthwaite
from hatstats.inference.tidy import rows_of_tests, standard_errors, tidy_frame

Floats = NDArray[np.float64]
Vcov = Literal["CR2", "CR3", "CR1", "CR0"]

#: Bootstrap and permutation draws where they are not enumerated.
DRAWS = 1_999


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """What the rows of a comparison are made from.

    Attributes
    ----------
    fit : RemlFit
    robust : ClusterRobust
        Any sandwich of the fit; its clusters are used.
    terms : tuple of str, length k
        Covariates, the last k columns of every design.
    collapsed : tuple of ndarray
        One outcome and one design row per model.
    clusters : tuple of str
        Cluster of each model.
    """

    fit: RemlFit
    robust: ClusterRobust
    terms: tuple[str, ...]
    collapsed: tuple[Floats, Floats]
    clusters: tuple[str, ...]


def robust_covariance(fit: RemlFit, clusters: NDArray[np.str_], kind: Vcov) -> ClusterRobust:
    """Sandwich of a restricted-likelihood fit over clusters, named row by row (n,)."""
    return cluster_robust(fit.X, fit.residuals, fit.weights, fit.marginal, clusters, kind=kind)


def compare(
    data: Compared,
    conf_level: float,
    *,
    n_draws: int = DRAWS,
    rng: np.random.Generator | int | None = None,
) -> pd.DataFrame:
    """Every covariate's coefficient under every method; see `TrendFit.comparison`."""
    generators = np.random.default_rng(rng).spawn(2 * len(data.terms))
    wild = [
        _wild(data, place, kind, conf_level, n_draws, generators[place])
        for kind in ("rademacher", "webb")
        for place in range(len(data.terms))
    ]
    permuted = [
        _permuted(data, place, conf_level, n_draws, generators[len(data.terms) + place])
        for place in range(len(data.terms))
    ]
    parts = [*_least_squares(data, conf_level), *_generalised(data, conf_level), *wild, *permuted]
    return pd.concat(parts, ignore_index=True)


def _least_squares(data: Compared, conf_level: float) -> list[pd.DataFrame]:
    """OLS, HC1 and HC3 on one row per model."""
    y, X = data.collapsed
    width = len(data.terms)
    ols = sm.OLS(y, X).fit()
    left = float(ols.df_resid)
    sole = bool((ols.get_influence().hat_matrix_diag > 1.0 - 1e-8).any())
    parts = []
    for name in ("OLS", "HC1", "HC3"):
        error = np.full(width, np.nan)
        if left > 0 and not (name == "HC3" and sole):
            plain = ols if name == "OLS" else ols.get_robustcov_results(name, use_t=True)
            error = plain.bse[-width:]
        df = left if left > 0 else np.nan
        parts.append(_rows(data.terms, ols.params[-width:], error, df, conf_level, name))
    return parts


def _generalised(data: Compared, conf_level: float) -> list[pd.DataFrame]:
    """Model-based and cluster-robust rows of the restricted-likelihood fit."""
    fit, width = data.fit, len(data.terms)
    X, own = data.collapsed[1], fit.params[-width:]
    last = np.eye(fit.params.size)[-width:]
    left = float(max(len(X) - X.shape[1], 1))
    scaled, _ = knapp_hartung(fit)
    rows: list[tuple[str, Floats, Floats | float]] = [
        ("REML", standard_errors(fit.cov), left),
        ("REML, Satterthwaite", standard_errors(fit.cov), satterthwaite(fit, last)),
        ("Knapp-Hartung", standard_errors(scaled), left),
    ]
    clusters = np.array(data.robust.labels)[data.robust.codes]
    kinds: tuple[Vcov, ...] = ("CR1", "CR2", "CR3")
    for kind in kinds:
        robust = robust_covariance(fit, clusters, kind)
        freedom = robust.df(last)
        errors = standard_errors(robust.cov)
        errors[-width:] = np.where(np.isfinite(freedom), errors[-width:], np.nan)
        rows.append((kind, errors, freedom))
    return [
        _rows(data.terms, own, error[-width:], df, conf_level, name) for name, error, df in rows
    ]


def _rows(
    terms: Sequence[str],
    estimate: Floats,
    error: Floats,
    df: Floats | float,
    conf_level: float,
    method: str,
) -> pd.DataFrame:
    return tidy_frame(terms, estimate, error, df=df, conf_level=conf_level, method=method)


def _wild(
    data: Compared,
    place: int,
    kind: WeightKind,
    conf_level: float,
    n_draws: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Wild cluster bootstrap of one coefficient of the generalised fit."""
    fit, width = data.fit, len(data.terms)
    test = wild_cluster_bootstrap(
        fit.y,
        fit.X,
        data.robust.codes,
        contrast=np.eye(fit.params.size)[place - width],
        weights=fit.weights,
        kind=kind,
        n_draws=n_draws,
        rng=rng,
    )
    low, high = test.conf_int(conf_level)
    return rows_of_tests(
        [data.terms[place]],
        [test.estimate],
        {
            "std_error": [test.std_error],
            "statistic": [test.statistic],
            "p_value": [test.p_value],
            "conf_low": [low],
            "conf_high": [high],
        },
        conf_level=conf_level,
        method=f"wild {kind.capitalize()} (floor {_floor(test.floor)})",
    )


def _permuted(
    data: Compared, place: int, conf_level: float, n_draws: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Permutation by family of one least-squares coefficient."""
    y, X = data.collapsed
    test = permutation_test(
        y,
        X,
        np.array(data.clusters),
        column=X.shape[1] - len(data.terms) + place,
        n_draws=n_draws,
        rng=rng,
    )
    return rows_of_tests(
        [data.terms[place]],
        [test.estimate],
        {"statistic": [test.statistic], "p_value": [test.p_value]},
        conf_level=conf_level,
        method=f"permutation by family (floor {_floor(test.floor)})",
    )


def _floor(value: float) -> str:
    return f"{value:.4f}".rstrip("0").lstrip("0")
