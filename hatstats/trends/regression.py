"""`fit_trend`: regress transfer on size, date and other covariates of models."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.hat.aggregate import AggregateProfile
from hatstats.hat.panel import Panel, family_labels, fit_panel
from hatstats.hat.profile import TransferProfile
from hatstats.hat.scores import HatScores
from hatstats.inference.metaregression import fit_reml
from hatstats.trends.covariates import build_design
from hatstats.trends.surface import LinearSurface, LogitSurface
from hatstats.trends.trend import TrendFit, Vcov, robust_covariance

Floats = NDArray[np.float64]


def cluster_labels(frame: pd.DataFrame, cluster: str) -> tuple[str, ...]:
    """Cluster of each model; a model of unknown family is a cluster of its own.

    Raises
    ------
    DataError
        If the table of models lacks the column.
    NotIdentifiedError
        If there is one cluster only.
    """
    if cluster not in frame.columns:
        raise DataError(
            "the table of models lacks the column of clusters",
            file="models.csv",
            column=cluster,
            mend=f"it has {', '.join(str(name) for name in frame.columns)}.",
        )
    known = {
        str(model): str(value)
        for model, value in zip(frame["model"], frame[cluster], strict=True)
        if pd.notna(value)
    }
    labels = tuple(str(x) for x in family_labels([str(m) for m in frame["model"]], known))
    if len(set(labels)) < 2:
        raise NotIdentifiedError(
            f"all {len(labels)} models are of one {cluster} ({labels[0]}): a trend over models "
            "cannot be told from what that family has in common; models of at least two, and "
            "better five, families are needed"
        )
    return labels


def fit_trend(
    scores: HatScores | TransferProfile,
    formula: str,
    *,
    cluster: str = "family",
    vcov: Vcov = "CR2",
) -> TrendFit:
    """Regress transfer on covariates of models.

    Parameters
    ----------
    scores : HatScores or aggregate TransferProfile
        `HatScores` gives two stages: ``H = X b + family + model + error``, the errors' full
        covariance V known, by REML. An aggregate profile gives *one* regression of target logits
        on source logits and the covariates together, with errors in both: residuals of a first
        line regressed on covariates would attenuate the trend.
    formula : str
        Covariates over the study's table of models, such as
        ``"log10(params_total) + release_year"``.
    cluster : str
        Column of the table of models whose values are the clusters.
    vcov : {"CR2", "CR3", "CR1", "CR0"}
        Cluster-robust covariance. CR2 with Satterthwaite degrees of freedom (Pustejovsky and
        Tipton 2018) keeps its level with few clusters.

    Returns
    -------
    TrendFit

    Raises
    ------
    DataError
        For an unknown `vcov`, cluster column or variable, or a formula that cannot be read.
    NotIdentifiedError
        With one cluster, too few models that have the covariates, or covariates that are constant
        or collinear over them.
    """
    if vcov not in get_args(Vcov):
        raise DataError(
            "unknown kind of covariance",
            column="vcov",
            value=vcov,
            mend=f"use one of {', '.join(get_args(Vcov))}.",
        )
    if isinstance(scores, AggregateProfile):
        return _one_regression(scores, formula, cluster, vcov)
    if isinstance(scores, TransferProfile):
        scores = scores.hat()
    return _two_stages(scores, formula, cluster, vcov)


def _two_stages(scores: HatScores, formula: str, cluster: str, vcov: Vcov) -> TrendFit:
    design = build_design(scores.covariates, formula)
    labels = cluster_labels(design.frame, cluster)
    kept = [scores.models.index(name) for name in design.models]
    X = np.column_stack([np.ones(len(kept)), design.matrix])
    groupings = {"model": np.array(design.models)}
    if len(set(labels)) < len(labels):
        groupings = {cluster: np.array(labels), **groupings}
    y = scores.params[kept]
    fit = fit_reml(y, X, scores.cov[np.ix_(kept, kept)], list(groupings.values()))
    return TrendFit(
        formula=formula,
        terms=("Intercept", *design.terms),
        reml=fit,
        robust=robust_covariance(fit, np.array(labels), vcov),
        components=dict(zip(groupings, map(float, fit.variance_components), strict=True)),
        clusters=labels,
        cluster=cluster,
        design=design,
        surface=LinearSurface(fit.params),
        scale="accuracy",
        collapsed=(y, X),
    )


def _one_regression(profile: AggregateProfile, formula: str, cluster: str, vcov: Vcov) -> TrendFit:
    present = {name for part in profile.parts for name in part.counts.models}
    table = profile.study.models
    design = build_design(table[table["model"].isin(present)], formula)
    labels = cluster_labels(design.frame, cluster)
    of = dict(zip(design.models, labels, strict=True))
    panel = fit_panel(
        profile.parts,
        family_of=of,
        covariates=dict(zip(design.models, design.matrix, strict=True)),
        terms=design.terms,
        slope=profile.panel.slope,
    )
    clusters = np.array([of[str(name)] for name in panel.model])
    return TrendFit(
        formula=formula,
        terms=panel.terms,
        reml=panel.fit,
        robust=robust_covariance(panel.fit, clusters, vcov),
        components=panel.components,
        clusters=labels,
        cluster=cluster,
        design=design,
        surface=_panel_surface(profile, panel),
        scale="logit",
        collapsed=_collapse(panel, design.models),
        panel=panel,
    )


def _panel_surface(profile: AggregateProfile, panel: Panel) -> LogitSurface:
    """Expected target accuracy at the pooled source accuracies, mean of languages, benchmarks."""
    size = panel.fit.params.size
    base, offset, weight, chance = [], [], [], []
    for b, part in enumerate(profile.parts):
        nodes = np.quantile(part.source, (np.arange(20) + 0.5) / 20)
        columns = panel.intercept_columns(b, len(part.counts.languages))
        columns = columns[columns >= 0]
        for column in columns:
            for node in nodes:
                row = np.zeros(size)
                row[column] = 1.0
                if panel.slope is None:
                    row[panel.n_intercepts + b] = node
                base.append(row)
                offset.append(0.0 if panel.slope is None else panel.slope * node)
                weight.append(1.0 / (columns.size * nodes.size * len(profile.parts)))
                chance.append(part.counts.chance)
    return LogitSurface(
        panel.fit.params, np.array(base), np.array(offset), np.array(weight), np.array(chance)
    )


def _collapse(panel: Panel, models: tuple[str, ...]) -> tuple[Floats, Floats]:
    """Mean over a model's cells of the outcome less the intercepts, and of the other columns."""
    first = panel.n_intercepts
    fit = panel.fit
    y = fit.y - fit.X[:, :first] @ fit.params[:first]
    means = [(panel.model == name) for name in models]
    outcome = np.array([y[rows].mean() for rows in means])
    others = np.array([fit.X[rows, first:].mean(axis=0) for rows in means])
    return outcome, np.column_stack([np.ones(len(models)), others])
