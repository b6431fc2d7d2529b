"""`fit_trend`: regress transfer on size, date and other covariates of models."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.estimators.aggregate.panel_regression import Panel, family_labels, fit_panel
from hatstats.estimators.aggregate.profile import AggregateProfile
from hatstats.inference.arrays import Floats
from hatstats.inference.linalg import least_squares, one_thread
from hatstats.inference.reml.meta_regression import RemlFit, fit_reml
from hatstats.inference.validation import fits_in_memory, member, negative_variance
from hatstats.scores.scores import HatScores
from hatstats.scores.transfer_profile import TransferProfile, as_scores
from hatstats.study.read import refused
from hatstats.trends.design import Design, build_design
from hatstats.trends.prediction import Link, Surface
from hatstats.trends.standard_errors import (
    LIKE_MODELS,
    THESE_MODELS,
    ModelScope,
    Vcov,
    robust_covariance,
    sampled_items,
)
from hatstats.trends.trend import TrendFit

#: Bytes that covariances and their factors take for each pair of accuracies of a trend.
_PAIR = 74.0


@one_thread
def fit_trend(
    scores: HatScores | TransferProfile,
    formula: str,
    *,
    cluster: str = "family",
    vcov: Vcov = "CR2",
    link: Link = "identity",
    models: Collection[str] | None = None,
    trusted: bool = False,
    scope: ModelScope = LIKE_MODELS,
) -> TrendFit:
    """Regress transfer on covariates of models.

    Parameters
    ----------
    scores : HatScores or aggregate TransferProfile
        `HatScores`: two stages, ``H = X b + family + model + error`` by REML, with the full
        covariance V of the errors known. An aggregate profile: *one* regression of target logits
        on source logits and the covariates together, with errors in both; regressing the residuals
        of a first line on covariates would attenuate the trend.
    formula : str
        Covariates over the study's table of models, such as
        ``"log10(params_total) + release_year"``; formulaic's functions (``bs``, ``C``) and those
        of `hatstats.trends.design` may be used.
    cluster : str
        Column of the table of models whose values are the clusters.
    vcov : {"CR2", "CR3", "CR1", "CR0"}
        Cluster-robust covariance. CR2 with Satterthwaite degrees of freedom (Pustejovsky and
        Tipton 2018) keeps its level with few clusters.
    link : {"identity", "logit"}
        For `HatScores` that are proportions: regress the scores, or their logits. One regression
        from accuracies is always on the logit scale.
    models : collection of str, optional
        Models to use; all if not given.
    trusted : bool
        Evaluate the formula as Python, with all that formulaic offers. Without it, covariates,
        numbers, arithmetic and calls of a fixed list are all that a formula may have.
    scope : {"models like these", "these models"}
        Over what standard errors, intervals and tests generalise. *Models like these*: families are
        sampled, and a trend has to hold in the next one. *These models*: they are as they are, and
        items (and wordings, where the scores' scope says so) are sampled; the trend is that of
        their true scores, weighted as the estimate is, and one family is enough. From accuracies
        alone, those of two models are then taken as independent. The estimates are the same.

    Returns
    -------
    TrendFit

    Raises
    ------
    DataError
        For an unknown `vcov`, `link`, model, cluster column or variable, a formula that cannot be
        read, or an indefinite covariance (the models are named).
    NotIdentifiedError
        With one cluster, too few models that have the covariates, or covariates that are constant
        or collinear over them.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([m / 10 for m in range(-9, 10)], rng=1)
    >>> hs.fit_trend(hs.fit_profile(study, method="observed"), "log10(params_total)")
    Trend: log10(params_total) (accuracy scale)
      19 models in 5 family clusters, CR2; 0 models left out
      term                   estimate        se    df      p  95% interval
      Intercept                 0.287     0.057   2.7  0.020  [0.093, 0.481]
      log10(params_total)       0.007     0.006   2.7  0.343  [-0.014, 0.028]
      variance components: family 0.0002128, model 5.949e-05
    """
    scores = as_scores(scores, "fit_trend")
    member("vcov", vcov, get_args(Vcov), "unknown kind of covariance", "use one of")
    member("link", link, get_args(Link), "unknown link", "use one of")
    member("scope", scope, get_args(ModelScope), "unknown scope", "use one of")
    if not isinstance(scores, HatScores | AggregateProfile):
        scores = scores.hat()
    design = _design(_covariates(scores), formula, cluster, models, trusted)
    if scope == LIKE_MODELS:
        check_clusters(design, cluster)
    if isinstance(scores, AggregateProfile):
        return _one_regression(scores, design, cluster, vcov).over(scope)
    return _two_stages(scores, design, cluster, vcov, link).over(scope)


def as_trend(value: object, caller: str) -> TrendFit:
    """Return a trend as it is, or say which call makes one of what was given to `caller`."""
    if isinstance(value, TrendFit):
        return value
    scored = isinstance(value, HatScores | TransferProfile)
    given = "what you gave" if scored else "fit_profile(study)"
    raise refused(value, caller, "a trend", f"fit_trend({given}, formula)")


def _design(
    table: pd.DataFrame, formula: str, cluster: str, models: Collection[str] | None, trusted: bool
) -> Design:
    """Design of the models asked for, all if None."""
    if models is not None:
        present = list(table["model"])
        for name in sorted(models):
            member("model", name, present, "no such model in these scores")
        table = table[table["model"].isin(list(models))].reset_index(drop=True)
    return build_design(table, formula, cluster_labels(table, cluster), trusted=trusted)


def check_clusters(design: Design, cluster: str) -> None:
    """Refuse, by a NotIdentifiedError, a trend over clusters that the design cannot show."""
    formula, labels = design.formula, design.clusters
    if len(set(labels)) < 2:
        raise NotIdentifiedError(
            f"all {len(labels)} models are of one {cluster} ({labels[0]}), so that a trend over "
            "models is confounded with the effect of that family; models of at least two, and "
            f"better five, families are needed (or scope={THESE_MODELS!r}: no other family)"
        )
    groups = np.array(labels)[:, None] == np.unique(labels)
    X = np.column_stack([np.ones(len(labels)), design.matrix])
    if np.abs(groups - X @ (least_squares(X)[0] @ groups)).max() < 1e-8:
        raise NotIdentifiedError(
            f"the formula {formula!r} gives every {cluster} a level of its own, which leaves "
            f"no trend beside families. Drop {cluster!r} from the formula, or name another "
            "column as cluster="
        )


def cluster_labels(frame: pd.DataFrame, cluster: str) -> tuple[str, ...]:
    """Cluster of each model; a model of unknown family is a cluster of its own."""
    if cluster not in frame.columns:
        raise DataError(
            "the table lacks the column of clusters",
            file="the table of models",
            column=cluster,
            hint=f"it has {', '.join(str(name) for name in frame.columns)}. For scores made "
            "elsewhere: HatScores.from_frame(table.merge(study.models, on='model'), cov).",
        )
    families = {
        str(model): str(value)
        for model, value in zip(frame["model"], frame[cluster], strict=True)
        if pd.notna(value)
    }
    return tuple(str(x) for x in family_labels([str(m) for m in frame["model"]], families))


def _known_covariance(scores: HatScores, kept: list[int]) -> Floats:
    """Sampling covariance of the models kept, or a DataError that names those at fault."""
    cov = scores.covariance[np.ix_(kept, kept)]
    names = [scores.models[index] for index in kept]
    unknown = [name for name, row in zip(names, cov, strict=True) if not np.isfinite(row).all()]
    if unknown:
        text = "the covariance of the scores is not known"
        hint = "leave these models out: their answers do not vary, or are those to one item."
        raise DataError(text, column="model", value=", ".join(unknown), hint=hint)
    scale = float(np.abs(np.diag(cov)).max(initial=0.0))
    if involved := negative_variance(names, (cov + cov.T) / 2, scale):
        raise DataError(
            "the covariance of the scores is not positive definite: some combination of these "
            "models would have a negative variance",
            column="model",
            value=", ".join(involved),
            hint="estimate their covariances from the same items.",
        )
    return cov


def _meta_regression(
    scores: HatScores, design: Design, cluster: str, link: Link
) -> tuple[RemlFit, dict[str, float]]:
    """REML fit of scores or their logits on covariates, and its components by name."""
    labels = design.clusters
    kept = [scores.models.index(name) for name in design.models]
    X = np.column_stack([np.ones(len(kept)), design.matrix])
    groupings = {"model": np.array(design.models)}
    if 1 < len(set(labels)) < len(labels):
        groupings = {cluster: np.array(labels), **groupings}
    y, V = scores.estimates[kept], _known_covariance(scores, kept)
    if link == "logit":
        y, V = _on_logits(scores, design.models, y, V)
    fit = fit_reml(y, X, V, list(groupings.values()))
    return fit, dict(zip(groupings, map(float, fit.variance_components), strict=True))


def _two_stages(
    scores: HatScores, design: Design, cluster: str, vcov: Vcov, link: Link
) -> TrendFit:
    """Scores regressed on covariates, with their known covariance."""
    labels = design.clusters
    fit, components = _meta_regression(scores, design, cluster, link)
    kept = [scores.models.index(name) for name in design.models]
    y = scores.estimates[kept]
    slope = 1.0 / (y * (1.0 - y)) if link == "logit" else np.ones(len(kept))
    return TrendFit(
        formula=design.formula,
        terms=("Intercept", *design.terms),
        reml=fit,
        robust=robust_covariance(fit, _units(labels, design.models), vcov),
        sampled=sampled_items(fit, partial(_freedom, scores, kept, slope)),
        components=components,
        clusters=labels,
        cluster=cluster,
        design=design,
        surface=Surface.one_line(fit.params, link),
        scale="accuracy" if link == "identity" else "logit",
        collapsed=(fit.y, fit.X),
        scores=scores,
    )


def _units(labels: Sequence[str], models: Sequence[str]) -> NDArray[np.str_]:
    """Clusters of the models, or the models themselves where all are of one cluster."""
    return np.array(labels if len(set(labels)) > 1 else models)


def _freedom(scores: HatScores, kept: list[int], slope: Floats, rows: Floats) -> Floats:
    """Degrees of freedom of sums (q, n) over the outcomes of the models kept."""
    weights = np.zeros((len(rows), len(scores.models)))
    weights[:, kept] = rows * slope
    return scores.degrees_of_freedom(weights)


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


def _covariates(scores: HatScores | AggregateProfile) -> pd.DataFrame:
    """Table of the models that have scores."""
    if isinstance(scores, HatScores):
        return scores.covariates
    scored = {name for part in scores.parts for name in part.counts.models}
    return scores.study.models[scores.study.models["model"].isin(scored)]


def _panel(profile: AggregateProfile, design: Design, near: Panel) -> Panel:
    """Panel regression with the design's covariates, sought from the solution of a near one."""
    return fit_panel(
        profile.parts,
        family_of=dict(zip(design.models, design.clusters, strict=True)),
        covariates=dict(zip(design.models, design.matrix, strict=True)),
        terms=design.terms,
        slope=profile.panel.slope,
        near=near,
        bent=profile.panel.n_path > profile.panel.n_slopes,
    )


def _one_regression(
    profile: AggregateProfile, design: Design, cluster: str, vcov: Vcov
) -> TrendFit:
    """Target logits regressed on source logits and covariates together."""
    count = int(np.isin(profile.panel.model, design.models).sum())
    fits_in_memory(
        f"a trend of {count} accuracies in target languages",
        _PAIR * count**2,
        "leave out models, languages or benchmarks, until 10,000 are left.",
    )
    panel = _panel(profile, design, profile.panel)
    fit = panel.fit.dense
    units = dict(zip(design.models, _units(design.clusters, design.models), strict=True))
    clusters = np.array([units[str(name)] for name in panel.model])
    return TrendFit(
        formula=design.formula,
        terms=panel.terms,
        reml=fit,
        robust=robust_covariance(fit, clusters, vcov),
        sampled=sampled_items(fit),
        components=panel.components,
        clusters=design.clusters,
        cluster=cluster,
        design=design,
        surface=_panel_surface(profile, panel),
        scale="logit",
        collapsed=_collapse(panel, design.models),
        scores=profile,
        panel=panel,
    )


def _panel_surface(profile: AggregateProfile, panel: Panel) -> Surface:
    """Mean target accuracy over benchmarks, languages and quantiles of the source logits."""
    base, offset, weight, chance = [], [], [], []
    for b, part in enumerate(profile.parts):
        nodes = np.quantile(part.source, (np.arange(20) + 0.5) / 20)
        columns = panel.intercept_columns(b, len(part.counts.languages))
        columns = columns[columns >= 0]
        rows = np.zeros((columns.size, nodes.size, panel.fit.params.size))
        rows[np.arange(columns.size), :, columns] = 1.0
        rows[:, :, panel.path_columns(b)] = panel.path_basis(b, nodes)
        lines = columns.size * nodes.size
        base.append(rows.reshape(lines, -1))
        offset.append(np.tile(nodes * (panel.slope or 0.0), columns.size))
        weight.append(np.full(lines, 1.0 / (lines * len(profile.parts))))
        chance.append(np.full(lines, part.counts.chance))
    stacked = (np.concatenate(parts) for parts in (base, offset, weight, chance))
    return Surface(panel.fit.params, "logit", *stacked)


def _collapse(panel: Panel, models: tuple[str, ...]) -> tuple[Floats, Floats]:
    """Means by model of the outcome less the intercepts (M,), and of the other columns (M, p)."""
    first, fit = panel.n_intercepts, panel.fit.dense
    y = fit.y - fit.X[:, :first] @ fit.params[:first]
    cells = [panel.model == name for name in models]
    outcome = np.array([y[rows].mean() for rows in cells])
    others = np.array([fit.X[rows, first:].mean(axis=0) for rows in cells])
    return outcome, np.column_stack([np.ones(len(models)), others])
