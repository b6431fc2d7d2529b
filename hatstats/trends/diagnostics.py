"""Influence of families and models on a trend, collinearity, and slopes within and between."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import pandas as pd

from hatstats.errors import FitError, NotIdentifiedError
from hatstats.inference.arrays import Floats
from hatstats.inference.cluster_robust.leverage import (
    partial_leverage,
    partial_r_squared,
    variance_inflation,
)
from hatstats.inference.reml.deletion import change_without, delete_units
from hatstats.inference.result_frame import ResultFrame
from hatstats.inference.tidy import tidy_frame
from hatstats.trends.regression import as_trend, fit_trend
from hatstats.trends.trend import TrendFit

Unit = Literal["cluster", "model"]
#: Most rows of a regression that is fitted again without every unit.
EXACT_ROWS = 400
#: Influence from which it is fitted again in any case.
EXACT_DFBETAS = 0.2


def _refit(trend: TrendFit, models: list[str]) -> TrendFit:
    """The same trend over some of its models."""
    two_stages_on_logits = trend.panel is None and trend.scale == "logit"
    return fit_trend(
        trend.scores,
        trend.formula,
        cluster=trend.cluster,
        vcov=trend.robust.kind,
        link="logit" if two_stages_on_logits else "identity",
        models=models,
    )


def _refits(trend: TrendFit, unit: Unit) -> dict[str, TrendFit | str]:
    """The trend without each cluster or model, or why it cannot be fitted."""
    models = trend.design.models
    labels = trend.clusters if unit == "cluster" else models
    fits: dict[str, TrendFit | str] = {}
    for name in dict.fromkeys(labels):
        rest = [model for model, label in zip(models, labels, strict=True) if label != name]
        try:
            fits[name] = _refit(trend, rest)
        except (NotIdentifiedError, FitError) as error:
            fits[name] = error.reason
    return fits


def leave_one_out(
    trend: TrendFit, *, unit: Unit = "cluster", conf_level: float = 0.95
) -> pd.DataFrame:
    """The covariates' coefficients without each family, or each model.

    Parameters
    ----------
    trend : TrendFit
    unit : {"cluster", "model"}
        What is left out.
    conf_level : float

    Returns
    -------
    DataFrame
        `without, n_models, n_clusters`, then tidy rows; in the first rows, of all models,
        `without` is empty. Where the rest cannot be fitted the numbers are NaN and `method` has the
        reason.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([m / 10 for m in range(-8, 9)], rng=1)
    >>> trend = hs.fit_trend(hs.fit_profile(study, method="observed"), "log10(params_total)")
    >>> hs.leave_one_out(trend, unit="model")[["without", "term", "estimate"]].head(2).round(3)
        without                 term  estimate
    0            log10(params_total)    -0.002
    1  model-01  log10(params_total)    -0.002
    """
    trend = as_trend(trend, "leave_one_out")
    rows, terms = [], trend.design.terms
    for name, fit in {"": trend, **_refits(trend, unit)}.items():
        if isinstance(fit, str):
            sizes, unknown = (np.nan, np.nan), np.full(len(terms), np.nan)
            level, method = conf_level, f"none: {fit}"
            table = tidy_frame(terms, unknown, unknown, df=np.nan, conf_level=level, method=method)
        else:
            sizes, table = (float(fit.nobs), float(fit.n_clusters)), fit.tidy(conf_level)
            table = table[table["term"].isin(terms)]
        rows.append(table.assign(without=name, n_models=sizes[0], n_clusters=sizes[1]))
    whole = pd.concat(rows, ignore_index=True)
    return whole[["without", "n_models", "n_clusters", *whole.columns[:-3]]]


def influence_measures(trend: TrendFit, *, unit: Unit = "model") -> pd.DataFrame:
    """Influence of each model, or family, on the coefficients.

    ``cooks_distance = d' C^-1 d`` with ``d = b - b(-i)`` and C the model-based covariance;
    ``dfbetas = d_j / se_j`` with the standard error from all data at the variance components of
    the fit without the unit (as in metafor's ``rma.mv``). Scores, source accuracies and their
    covariances stay those of all models; `leave_one_out` estimates them anew.

    With more than 400 rows (cells, or models) both are first computed to first order, by one
    scoring step of the variance components from those of all rows; the regression is fitted again
    without a unit whose ``|dfbetas|`` in some covariate is then .2 or more, that moves the variance
    components by half or to zero, or without which the coefficients are not identified. With fewer
    rows it is fitted again without every unit.

    Parameters
    ----------
    trend : TrendFit
    unit : {"model", "cluster"}

    Returns
    -------
    DataFrame
        `without, n_models, cooks_distance`, and one column ``dfbetas[TERM]`` per covariate; NaN
        where the rest cannot be fitted.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([m / 10 for m in range(-8, 9)], rng=1)
    >>> trend = hs.fit_trend(hs.fit_profile(study, method="observed"), "log10(params_total)")
    >>> hs.influence_measures(trend).nlargest(1, "cooks_distance")["without"].item()
    'model-07'
    """
    trend = as_trend(trend, "influence_measures")
    covariates = list(trend.design.terms)
    names = list(trend.terms) if trend.panel is None else covariates
    columns = [trend.terms.index(name) for name in names]
    precision = np.linalg.inv(trend.reml.cov[np.ix_(columns, columns)])
    models, labels = trend.design.models, trend.clusters if unit == "cluster" else None
    unit_of = dict(zip(models, labels or models, strict=True))
    units = list(dict.fromkeys(unit_of.values()))
    rows: list[list[object]] = []
    for name, (change, errors) in zip(units, _changes(trend, unit_of, columns), strict=True):
        size = sum(label != name for label in unit_of.values())
        dfbetas = [(change / errors)[names.index(term)] for term in covariates]
        known = bool(np.isfinite(change).all())
        distance = change @ precision @ change
        rows.append([name, size if known else np.nan, distance, *dfbetas])
    named = ["without", "n_models", "cooks_distance", *(f"dfbetas[{x}]" for x in covariates)]
    return ResultFrame(rows, columns=named)


def _changes(
    trend: TrendFit, unit_of: dict[str, str], columns: list[int]
) -> Iterator[tuple[Floats, Floats]]:
    """Change (q,) of some coefficients without each unit, and their standard errors (q,).

    `unit_of` has the unit of each model. By the rule of `influence_measures`: one step, or a refit.
    """
    units = list(dict.fromkeys(unit_of.values()))
    rows = trend.design.models if trend.panel is None else trend.panel.model
    position = np.array([units.index(unit_of[str(name)]) for name in rows])
    found = delete_units(trend.reml, position) if trend.reml.y.size > EXACT_ROWS else None
    for number in range(len(units)):
        if found is not None and found.reliable[number]:
            change, errors = found.change[number][columns], found.std_errors[number][columns]
            if np.abs(change / errors).max() < EXACT_DFBETAS:
                yield change, errors
                continue
        change, errors = change_without(trend.reml, position == number)
        yield change[columns], errors[columns]


def leverage_by_cluster(trend: TrendFit) -> pd.DataFrame:
    """Share of each family in the information on each covariate's coefficient.

    Parameters
    ----------
    trend : TrendFit

    Returns
    -------
    DataFrame
        `cluster, n_models, term, share`; the shares of a term add up to 1. With a share near 1
        the coefficient depends on one family.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([m / 10 for m in range(-8, 9)], rng=1)
    >>> trend = hs.fit_trend(hs.fit_profile(study, method="observed"), "log10(params_total)")
    >>> hs.leverage_by_cluster(trend).round(2)
        cluster  n_models                 term  share
    0  family-1         6  log10(params_total)   0.41
    1  family-2         5  log10(params_total)   0.37
    2  family-3         3  log10(params_total)   0.14
    3  family-4         3  log10(params_total)   0.08
    """
    trend = as_trend(trend, "leverage_by_cluster")
    shares = partial_leverage(trend.reml.X, trend.reml.weights, trend.robust.codes)
    sizes = pd.Series(trend.clusters).value_counts()
    rows = [
        {"cluster": str(label), "n_models": int(sizes[label]), "term": term, "share": float(share)}
        for term in trend.design.terms
        for label, share in zip(
            trend.robust.labels, shares[:, trend.terms.index(term)], strict=True
        )
    ]
    return ResultFrame(rows)


def collinearity(trend: TrendFit) -> pd.DataFrame:
    """Variance inflation and partial R squared of the covariates over the models of a trend.

    Parameters
    ----------
    trend : TrendFit

    Returns
    -------
    DataFrame
        `term, vif, partial_r_squared`, by least squares with one row per model; for a trend from
        accuracies, source accuracy is one of the columns.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([m / 10 for m in range(-8, 9)], rng=1)
    >>> profile = hs.fit_profile(study, method="observed")
    >>> hs.collinearity(hs.fit_trend(profile, "log10(params_total) + release_year")).round(2)
                      term   vif  partial_r_squared
    0  log10(params_total)  1.09               0.36
    1         release_year  1.09               0.00
    """
    trend = as_trend(trend, "collinearity")
    y, X = trend.collapsed
    names = [*trend.terms[trend.panel.n_intercepts :]] if trend.panel else [*trend.design.terms]
    return ResultFrame(
        {
            "term": names,
            "vif": variance_inflation(X[:, 1:])[-len(names) :],
            "partial_r_squared": partial_r_squared(y, X)[-len(names) :],
        }
    )
