"""`fit_trend`: regress transfer on size, date and other covariates of models."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.estimators.aggregate.panel_regression import Panel, family_labels, fit_panel
from hatstats.estimators.aggregate.profile import AggregateProfile
from hatstats.inference.linalg import one_thread
from hatstats.inference.reml.meta_regression import fit_reml
from hatstats.scores.scores import HatScores
from hatstats.scores.transfer_profile import TransferProfile, as_scores
from hatstats.trends.design import Design, build_design
from hatstats.trends.prediction import LinearSurface, LogitSurface, Surface
from hatstats.trends.standard_errors import Vcov, robust_covariance
from hatstats.trends.trend import TrendFit

Floats = NDArray[np.float64]
Link = Literal["identity", "logit"]


@dataclass(frozen=True, slots=True)
class Choices:
    """How a trend is fitted.

    Attributes
    ----------
    cluster : str
        Column of the table of models whose values are the clusters.
    vcov : {"CR2", "CR3", "CR1", "CR0"}
    link : {"identity", "logit"}
    models : collection of str or None
        Models to use; all if None.
    """

    cluster: str
    vcov: Vcov
    link: Link
    models: Collection[str] | None


@one_thread
def fit_trend(
    scores: HatScores | TransferProfile,
    formula: str,
    *,
    cluster: str = "family",
    vcov: Vcov = "CR2",
    link: Link = "identity",
    models: Collection[str] | None = None,
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
        ``"log10(params_total) + release_year"``; formulaic's functions (``bs``, ``C``) and those
        of `hatstats.trends.transforms` may be used. Nothing but V weighs the models.
    cluster : str
        Column of the table of models whose values are the clusters.
    vcov : {"CR2", "CR3", "CR1", "CR0"}
        Cluster-robust covariance. CR2 with Satterthwaite degrees of freedom (Pustejovsky and
        Tipton 2018) keeps its level with few clusters.
    link : {"identity", "logit"}
        For `HatScores` that are proportions: regress the scores, or their logits. One regression
        from accuracies is on the logit scale anyhow.
    models : collection of str, optional
        Models to use; all if not given.

    Returns
    -------
    TrendFit

    Raises
    ------
    DataError
        For an unknown `vcov`, `link`, model, cluster column or variable, a formula that cannot be
        read, or a covariance that is none (the models are named).
    NotIdentifiedError
        With one cluster, too few models that have the covariates, or covariates that are constant
        or collinear over them.
    """
    scores = as_scores(scores, "fit_trend")
    for name, value, kinds in (("vcov", vcov, Vcov), ("link", link, Link)):
        if value not in get_args(kinds):
            raise DataError(
                f"unknown {'kind of covariance' if name == 'vcov' else 'link'}",
                column=name,
                value=value,
                hint=f"use one of {', '.join(get_args(kinds))}.",
            )
    choices = Choices(cluster, vcov, link, models)
    if isinstance(scores, AggregateProfile):
        return _one_regression(scores, formula, choices)
    if isinstance(scores, TransferProfile):
        scores = scores.hat()
    return _two_stages(scores, formula, choices)


def _design(table: pd.DataFrame, formula: str, choices: Choices) -> Design:
    """Design of the models asked for, in at least two clusters."""
    if choices.models is not None:
        unknown = sorted(set(choices.models) - set(table["model"]))
        if unknown:
            raise DataError(
                "no such model in these scores",
                column="model",
                value=unknown[0],
                hint=f"choose among {', '.join(map(str, table['model']))}.",
            )
        table = table[table["model"].isin(list(choices.models))].reset_index(drop=True)
    design = build_design(table, formula, cluster_labels(table, choices.cluster))
    labels = design.clusters
    if len(set(labels)) < 2:
        raise NotIdentifiedError(
            f"all {len(labels)} models are of one {choices.cluster} ({labels[0]}): a trend over "
            "models cannot be told from what that family has in common; models of at least two, "
            "and better five, families are needed"
        )
    return design


def cluster_labels(frame: pd.DataFrame, cluster: str) -> tuple[str, ...]:
    """Cluster of each model; a model of unknown family is a cluster of its own.

    Raises
    ------
    DataError
        If the table of models lacks the column.
    """
    if cluster not in frame.columns:
        raise DataError(
            "the table of models lacks the column of clusters",
            file="models.csv",
            column=cluster,
            hint=f"it has {', '.join(str(name) for name in frame.columns)}.",
        )
    known = {
        str(model): str(value)
        for model, value in zip(frame["model"], frame[cluster], strict=True)
        if pd.notna(value)
    }
    return tuple(str(x) for x in family_labels([str(m) for m in frame["model"]], known))


def _known_covariance(scores: HatScores, kept: list[int]) -> Floats:
    """Sampling covariance of the models kept, or an error that names those at fault."""
    cov = scores.cov[np.ix_(kept, kept)]
    names = [scores.models[place] for place in kept]
    unknown = [name for name, row in zip(names, cov, strict=True) if not np.isfinite(row).all()]
    if unknown:
        raise DataError(
            "the covariance of the scores is not known",
            column="model",
            value=", ".join(unknown),
            hint="leave these models out: their answers do not vary, or rest on one item.",
        )
    scale = float(np.abs(np.diag(cov)).max(initial=0.0))
    values, vectors = np.linalg.eigh((cov + cov.T) / 2)
    if values[0] < -1e-9 * scale:
        weight = np.abs(vectors[:, 0])
        guilty = [name for name, w in zip(names, weight, strict=True) if w > 0.1 * weight.max()]
        raise DataError(
            "the covariance of the scores is not positive definite: some combination of these "
            "models would have a negative variance",
            column="model",
            value=", ".join(guilty),
            hint="estimate their covariances from the same items.",
        )
    return cov


def _two_stages(scores: HatScores, formula: str, choices: Choices) -> TrendFit:
    design = _design(scores.covariates, formula, choices)
    labels, cluster = design.clusters, choices.cluster
    kept = [scores.models.index(name) for name in design.models]
    X = np.column_stack([np.ones(len(kept)), design.matrix])
    groupings = {"model": np.array(design.models)}
    if len(set(labels)) < len(labels):
        groupings = {cluster: np.array(labels), **groupings}
    y, V = scores.params[kept], _known_covariance(scores, kept)
    if choices.link == "logit":
        y, V = _on_logits(scores, design.models, y, V)
    fit = fit_reml(y, X, V, list(groupings.values()))
    surface: Surface = LinearSurface(fit.params)
    if choices.link == "logit":
        one = np.ones(1)
        surface = LogitSurface(fit.params, np.eye(1, X.shape[1]), 0.0 * one, one, 0.0 * one)
    return TrendFit(
        formula=formula,
        terms=("Intercept", *design.terms),
        reml=fit,
        robust=robust_covariance(fit, np.array(labels), choices.vcov),
        components=dict(zip(groupings, map(float, fit.variance_components), strict=True)),
        clusters=labels,
        cluster=cluster,
        design=design,
        surface=surface,
        scale="accuracy" if choices.link == "identity" else "logit",
        collapsed=(y, X),
        scores=scores,
    )


def _on_logits(
    scores: HatScores, names: tuple[str, ...], y: Floats, V: Floats
) -> tuple[Floats, Floats]:
    """Logits of scores and their covariance by the delta method."""
    outside = [name for name, value in zip(names, y, strict=True) if not 0.0 < value < 1.0]
    if outside or not scores.bounded:
        raise DataError(
            "logits need scores between 0 and 1",
            column="link",
            value=", ".join(outside) or "scores that are no proportions",
            hint="use link='identity'.",
        )
    slope = 1.0 / (y * (1.0 - y))
    return np.log(y / (1.0 - y)), V * np.outer(slope, slope)


def _one_regression(profile: AggregateProfile, formula: str, choices: Choices) -> TrendFit:
    present = {name for part in profile.parts for name in part.counts.models}
    table = profile.study.models
    design = _design(table[table["model"].isin(present)], formula, choices)
    of = dict(zip(design.models, design.clusters, strict=True))
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
        robust=robust_covariance(panel.fit, clusters, choices.vcov),
        components=panel.components,
        clusters=design.clusters,
        cluster=choices.cluster,
        design=design,
        surface=_panel_surface(profile, panel),
        scale="logit",
        collapsed=_collapse(panel, design.models),
        scores=profile,
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
