"""Transfer and source accuracy, or raw target accuracy, in one system of two regressions.

Both equations have the same covariates; the covariance between their coefficients comes from
stacking them and clustering by family across both, which allows for any dependence within a family.
Errors that models of different families share, those of common items, enter through the known joint
covariance. Two numbers come of it:

- the slope of source accuracy less that of HAT, each equation with its own variance components;
- the *share* of transfer in the slope of raw target accuracy. From items, raw target accuracy is
  HAT plus what a model's own items differ from the reference, ``R = H + (R - H)``: source ability.
  The slopes of H and R have the weights of the regression of R, so that the slopes of both parts
  add up to that of R exactly. From accuracies alone, in logits, the slope of target accuracy is
  ``delta_T = gamma + beta * delta_S``: what a covariate adds at equal source accuracy, and the
  slope of source logits times that of target on source logits; where this path is bent, the slope
  of its bends on the covariate, too.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from hatstats.errors import NotIdentifiedError
from hatstats.estimators.aggregate.profile import AggregateProfile
from hatstats.inference.arrays import Floats
from hatstats.inference.cluster_robust.sandwich import ClusterRobust
from hatstats.inference.intervals import fieller_interval
from hatstats.inference.reml.meta_regression import RemlFit, fit_reml
from hatstats.inference.validation import member
from hatstats.scores.scores import HatScores
from hatstats.trends.prediction import Surface
from hatstats.trends.standard_errors import SampledItems, Vcov, robust_covariance, sampled_items
from hatstats.trends.trend import TrendFit

# The slope in a panel's known covariance is within 5 % of its estimate: no more of it is shared.
_SETTLED = 0.95
# The covariance between two equations is reduced by this share, so that the stacked covariance is
# invertible even where both are the same.
_REDUCTION = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class TwoSlopes:
    """Slopes of two equations per unit of one covariate, that of transfer the second.

    `fit` stacks both equations, `clusters` (n,) are those of its rows; `other_gradient` and
    `transfer_gradient` (p,) are those of the slopes in its coefficients.
    """

    other_slope: float
    transfer_slope: float
    other_gradient: Floats
    transfer_gradient: Floats
    fit: RemlFit
    clusters: NDArray[np.str_]
    robust: ClusterRobust
    sampled: SampledItems

    @property
    def gradient(self) -> Floats:
        """Gradient (p,) of the difference."""
        return self.other_gradient - self.transfer_gradient

    @property
    def estimate(self) -> float:
        """Other slope less transfer slope."""
        return self.other_slope - self.transfer_slope

    @property
    def std_error(self) -> float:
        """Cluster-robust standard error of the difference; 0 where its variance cancels."""
        terms = np.outer(self.gradient, self.gradient) * self.robust.cov
        variance = float(terms.sum())
        return float(np.sqrt(variance)) if variance > 1e-12 * np.abs(terms).sum() else 0.0

    @property
    def df(self) -> float:
        """Degrees of freedom of the difference."""
        return float(self.robust.df(self.gradient)[0])

    def ratio(self, conf_level: float = 0.95) -> tuple[float, float, float]:
        """Transfer slope over the other, and Fieller's limits, by clusters."""
        low, high = self._fieller(conf_level, self.robust, self.df)
        return self.transfer_slope / self.other_slope, low, high

    def limits(self, conf_level: float, errors: ClusterRobust | SampledItems, df: float) -> Floats:
        """Fieller's limits of the ratio, NaN where no ratio is excluded on some side."""
        found = np.array(self._fieller(conf_level, errors, df))
        return np.where(np.isfinite(found), found, np.nan)

    def _fieller(
        self, conf_level: float, errors: ClusterRobust | SampledItems, df: float
    ) -> tuple[float, float]:
        rows = np.stack([self.transfer_gradient, self.other_gradient])
        values = np.array([self.transfer_slope, self.other_slope])
        return fieller_interval(values, rows @ errors.cov @ rows.T, df, conf_level)


def slope_difference(scores: HatScores | AggregateProfile, trend: TrendFit, term: str) -> TwoSlopes:
    """Slopes of source accuracy and of transfer, accuracy scale, on a covariate term of a trend.

    `scores` are what `trend` was fitted to. NotIdentifiedError if they come without source
    accuracies.
    """
    transfer, gradient = trend.slope_gradient(term)
    column = 1 + trend.design.terms.index(term)
    if isinstance(scores, AggregateProfile):
        return _from_panel(scores, trend, column, (transfer, gradient))
    rows = _rows(scores, trend, 1)
    if not np.isfinite(scores.source[rows[1]]).all():
        raise NotIdentifiedError(
            "these scores come without source accuracies, so that the two slopes cannot be compared"
        )
    cov = scores.joint_cov[np.ix_(rows[0], rows[0])]
    source = fit_reml(scores.source[rows[1]], trend.reml.X, cov, list(trend.reml.codes))
    scale = np.ones(len(rows[1]))
    if trend.scale == "logit":
        scale = 1.0 / (scores.estimates[rows[1]] * (1.0 - scores.estimates[rows[1]]))
    unit = np.eye(source.params.size)[column]
    values = (float(source.params[column]), transfer)
    return _two_scores(scores, trend, (source, trend.reml), rows, scale, values, (unit, gradient))


def target_split(scores: HatScores | AggregateProfile, trend: TrendFit, term: str) -> TwoSlopes:
    """Slopes of raw target accuracy and of the part of it that is transfer, on a term of a trend.

    As `slope_difference`. NotIdentifiedError if the scores come without raw target accuracies.
    """
    member("term", term, trend.design.terms, "no such covariate in the trend", "it has")
    column = 1 + trend.design.terms.index(term)
    if isinstance(scores, AggregateProfile):
        return _split_of_panel(scores, trend, column)
    rows = _rows(scores, trend, 2)
    target = np.full(len(scores.models), np.nan) if scores.target is None else scores.target
    if not np.isfinite(target[rows[1]]).all():
        raise NotIdentifiedError(
            "these scores come without raw target accuracies, whose slope could be split"
        )
    cov = scores.joint_cov[np.ix_(rows[0], rows[0])]
    whole = fit_reml(target[rows[1]], trend.reml.X, cov, list(trend.reml.codes))
    part = trend.reml
    if trend.scale == "logit":
        own = scores.covariance[np.ix_(rows[1], rows[1])]
        part = fit_reml(scores.estimates[rows[1]], part.X, own, list(part.codes))
    # The weights of the whole for its part: both slopes are the same sums over the models.
    params = whole.cov @ whole.X.T @ whole.weights @ part.y
    residuals = part.y - part.X @ params
    part = replace(part, params=params, cov=whole.cov, weights=whole.weights, residuals=residuals)
    unit, scale = np.eye(params.size)[column], np.ones(len(rows[1]))
    values = (float(whole.params[column]), float(params[column]))
    return _two_scores(scores, trend, (whole, part), rows, scale, values, (unit, unit))


def _rows(scores: HatScores, trend: TrendFit, block: int) -> tuple[list[int], list[int]]:
    """Places of the trend's models in a block of the joint covariance, and among the scores."""
    kept = [scores.models.index(name) for name in trend.design.models]
    return [block * len(scores.models) + row for row in kept], kept


def _two_scores(
    scores: HatScores,
    trend: TrendFit,
    fits: tuple[RemlFit, RemlFit],
    rows: tuple[list[int], list[int]],
    scale: Floats,
    values: tuple[float, float],
    gradients: tuple[Floats, Floats],
) -> TwoSlopes:
    """Two equations over the scores' models, the second of transfer, in units of HAT over `scale`.

    `values` and `gradients` are those of the two slopes in the coefficients of each equation.
    """
    count, width = len(scale), 3 * len(scores.models)
    between = np.zeros((2 * count, 2 * count))
    if scores.joint_cov.shape[0] > max(rows[0]):
        between[:count, count:] = scores.joint_cov[np.ix_(rows[0], rows[1])] * scale
    between = (1.0 - _REDUCTION) * (between + between.T)

    def freedom(weights: Floats) -> Floats:
        joint = np.zeros((len(weights), width))
        joint[:, rows[0]] = weights[:, :count]
        joint[:, rows[1]] = weights[:, count:] * scale
        return scores.degrees_of_freedom(joint[:, : scores.joint_cov.shape[0]])

    labels = np.array([*trend.clusters, *trend.clusters])
    fit = stacked(fits, between, between)
    zero = np.zeros_like(gradients[0])
    return TwoSlopes(
        *values,
        np.concatenate([gradients[0], zero]),
        np.concatenate([zero, gradients[1]]),
        fit,
        labels,
        _robust(fit, labels, trend.robust.kind),
        sampled_items(fit, freedom),
    )


def stacked(fits: Sequence[RemlFit], working: Floats | float, sampling: Floats | float) -> RemlFit:
    """Several equations as one, with covariances (n, n) between their errors.

    `working` is what the clusters are to be judged by, `sampling` what the items have in common.
    """
    parts = {
        name: [getattr(fit, name) for fit in fits]
        for name in ("y", "params", "residuals", "X", "V", "cov", "marginal", "weights")
    }
    flat = {name: np.concatenate(parts[name]) for name in ("y", "params", "residuals")}
    wide = {name: linalg.block_diag(*parts[name]) for name in ("X", "V", "cov", "marginal")}
    wide["V"] = wide["V"] + sampling
    wide["marginal"] = wide["marginal"] + working
    return RemlFit(
        **flat,
        **wide,
        weights=linalg.block_diag(*parts["weights"]),
        codes=(),
        variance_components=np.zeros(0),
        loglik=np.nan,
    )


def _robust(fit: RemlFit, clusters: NDArray[np.str_], kind: Vcov) -> ClusterRobust:
    """Sandwich of stacked equations; over rows where all are of one cluster, for its form only."""
    units = clusters if len(set(clusters)) > 1 else np.arange(len(clusters)).astype(np.str_)
    return robust_covariance(fit, units, kind)


def _panel_system(
    trend: TrendFit,
) -> tuple[RemlFit, NDArray[np.str_], ClusterRobust, SampledItems]:
    """The regressions of source logits, by benchmark, and the panel's, stacked; clusters of rows.

    An error of a source logit moves its own equation, and by the slope the other way the panel's.
    """
    panel = trend.panel
    assert panel is not None
    family_of = dict(zip(trend.design.models, trend.clusters, strict=True))
    names = list(itertools.chain(*panel.source_models))
    labels = np.array([family_of[str(name)] for name in (*names, *panel.model)])
    benchmark = np.repeat(np.arange(len(panel.source_fit)), list(map(len, panel.source_models)))
    error = np.concatenate(
        [
            variance
            if panel.slope is not None
            else spread * variance / np.maximum(spread + variance, 1e-300)
            for fit in panel.source_fit
            for variance, spread in [(fit.variances, float(fit.variance_components[0]))]
        ]
    )
    same = (np.array(names)[:, None] == panel.model) & (benchmark[:, None] == panel.benchmark)
    cross = -_SETTLED * same * (error * panel.slopes()[benchmark])[:, None]
    shared = np.zeros((len(labels), len(labels)))
    shared[: len(names), len(names) :] = cross
    equations = [fit.dense for fit in (*panel.source_fit, panel.fit)]
    fit = stacked(equations, 0.0, shared + shared.T)
    robust = _robust(fit, labels, trend.robust.kind)
    return fit, labels, robust, sampled_items(fit)


def _from_panel(
    profile: AggregateProfile, trend: TrendFit, column: int, transfer: tuple[float, Floats]
) -> TwoSlopes:
    """`slope_difference` of an aggregate study: source slopes are averaged over benchmarks."""
    panel = trend.panel
    assert panel is not None
    row = trend.design.matrix.mean(axis=0)
    step = 0.5 * (np.arange(row.size) == column - 1)
    slopes, pieces = [], []
    for part, fit in zip(profile.parts, panel.source_fit, strict=True):
        # The same step as for transfer, as both curves are nonlinear.
        surface = Surface.one_line(fit.params, "logit", part.counts.chance)
        slope, gradient = surface.difference(row + step, row - step)
        slopes.append(slope)
        pieces.append(gradient / len(profile.parts))
    other = np.concatenate([*pieces, 0.0 * transfer[1]])
    of_transfer = np.concatenate([*(0.0 * piece for piece in pieces), transfer[1]])
    return TwoSlopes(float(np.mean(slopes)), transfer[0], other, of_transfer, *_panel_system(trend))


def _split_of_panel(profile: AggregateProfile, trend: TrendFit, column: int) -> TwoSlopes:
    """`target_split` of an aggregate study, mean over benchmarks."""
    panel = trend.panel
    assert panel is not None
    sizes = [fit.params.size for fit in panel.source_fit]
    gamma = panel.fit.params.size - len(trend.design.terms) + column - 1
    own = np.zeros(panel.fit.params.size)
    own[gamma] = 1.0
    other, slopes = own.copy(), panel.slopes()
    count = len(sizes)
    pieces = [np.eye(size)[column] * beta / count for size, beta in zip(sizes, slopes, strict=True)]
    delta = np.array([float(fit.params[column]) for fit in panel.source_fit])
    transfer, parts = float(panel.fit.params[gamma]), slopes * delta
    if panel.slope is None:
        for b, fit in enumerate(panel.source_fit):
            columns = panel.path_columns(b)
            # On the covariate: of source logits, and of their bends as the panel expects them.
            bent = panel.path_basis(b, fit.y)[:, 1:]
            for m, name in enumerate(panel.source_models[b]):
                rows = np.flatnonzero((panel.model == name) & (panel.benchmark == b))
                bent[m] = panel.fit.dense.X[rows[0], columns[1:]] if rows.size else bent[m]
            own_rows = fit.cov @ fit.dense.X.T @ fit.dense.weights
            changes = np.append(delta[b], own_rows[column] @ bent)
            other[columns] += changes / count
            parts[b] = changes @ panel.fit.params[columns]
    whole = transfer + float(np.mean(parts))
    before = np.concatenate(pieces)
    return TwoSlopes(
        whole,
        transfer,
        np.concatenate([before, other]),
        np.concatenate([0.0 * before, own]),
        *_panel_system(trend),
    )
