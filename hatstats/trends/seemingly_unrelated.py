"""Source accuracy and transfer in one system, so that their slopes can be compared.

Both equations have the same covariates. Each is fitted with its own variance components; the
covariance between their coefficients comes from stacking them and clustering by family across
both, which allows for any dependence of source ability and transfer within a family. Errors that
models of different families share, those of common items, enter through the known joint covariance
of source accuracies and scores.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from hatstats.errors import NotIdentifiedError
from hatstats.estimators.aggregate.profile import AggregateProfile
from hatstats.inference.arrays import Floats
from hatstats.inference.cluster_robust.sandwich import ClusterRobust
from hatstats.inference.intervals import fieller_interval
from hatstats.inference.reml.meta_regression import fit_reml
from hatstats.scores.scores import HatScores
from hatstats.trends.prediction import Surface
from hatstats.trends.standard_errors import stacked_covariance
from hatstats.trends.trend import TrendFit


@dataclass(frozen=True, slots=True, eq=False)
class SlopeDifference:
    """Slope of source accuracy less slope of transfer, both per unit of one covariate.

    Slopes are on the accuracy scale at the mean of the covariates. `gradient` (p,) is that of their
    difference and `transfer_gradient` (p,) that of the transfer slope in the stacked coefficients,
    whose sandwich is `robust`.
    """

    source_slope: float
    transfer_slope: float
    gradient: Floats
    robust: ClusterRobust
    transfer_gradient: Floats

    @property
    def estimate(self) -> float:
        """Source slope less transfer slope."""
        return self.source_slope - self.transfer_slope

    @property
    def std_error(self) -> float:
        """Cluster-robust standard error; 0 where the terms of the variance cancel."""
        terms = np.outer(self.gradient, self.gradient) * self.robust.cov
        variance = float(terms.sum())
        return float(np.sqrt(variance)) if variance > 1e-12 * np.abs(terms).sum() else 0.0

    @property
    def df(self) -> float:
        """Degrees of freedom of the difference."""
        return float(self.robust.df(self.gradient)[0])

    def ratio(self, conf_level: float = 0.95) -> tuple[float, float, float]:
        """Transfer slope over source slope, and Fieller's limits.

        Limits are infinite where the source slope may be zero at this level: no ratio is excluded
        on that side.
        """
        rows = np.stack([self.transfer_gradient, self.gradient + self.transfer_gradient])
        values = np.array([self.transfer_slope, self.source_slope])
        low, high = fieller_interval(values, rows @ self.robust.cov @ rows.T, self.df, conf_level)
        return self.transfer_slope / self.source_slope, low, high


def slope_difference(
    scores: HatScores | AggregateProfile, trend: TrendFit, term: str
) -> SlopeDifference:
    """Slope of source accuracy less slope of transfer on a covariate term of a trend.

    `scores` are what `trend` was fitted to. NotIdentifiedError if they come without source
    accuracies.
    """
    transfer, gradient = trend.slope_gradient(term)
    column = 1 + trend.design.terms.index(term)
    if isinstance(scores, AggregateProfile):
        return _from_panel(scores, trend, column, (transfer, gradient))
    kept = [scores.models.index(name) for name in trend.design.models]
    if not np.isfinite(scores.source[kept]).all():
        raise NotIdentifiedError(
            "these scores come without source accuracies, so that the two slopes cannot be compared"
        )
    source_rows = [len(scores.models) + row for row in kept]
    cov = scores.joint_cov[np.ix_(source_rows, source_rows)]
    source = fit_reml(scores.source[kept], trend.reml.X, cov, list(trend.reml.codes))
    labels = list(trend.clusters)
    shared = scores.joint_cov[np.ix_(source_rows, kept)]
    if trend.scale == "logit":
        shared = shared / (scores.estimates[kept] * (1.0 - scores.estimates[kept]))
    fits = [source, trend.reml]
    robust = stacked_covariance(fits, [*labels, *labels], trend.robust.kind, shared)
    source_gradient = np.eye(source.params.size)[column]
    difference = np.concatenate([source_gradient, -gradient])
    of_transfer = np.concatenate([0.0 * source_gradient, gradient])
    return SlopeDifference(float(source.params[column]), transfer, difference, robust, of_transfer)


def _from_panel(
    profile: AggregateProfile,
    trend: TrendFit,
    column: int,
    transfer: tuple[float, Floats],
) -> SlopeDifference:
    """`slope_difference` of an aggregate study: source slopes are averaged over benchmarks."""
    family_of = dict(zip(trend.design.models, trend.clusters, strict=True))
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
    labels = [[family_of[name] for name in names] for names in panel.source_models]
    rows = [family_of[str(name)] for name in panel.model]
    fits = [*panel.source_fit, panel.fit]
    robust = stacked_covariance(fits, [*itertools.chain(*labels), *rows], trend.robust.kind)
    gradient = np.concatenate([*pieces, -transfer[1]])
    of_transfer = np.concatenate([*(0.0 * piece for piece in pieces), transfer[1]])
    return SlopeDifference(float(np.mean(slopes)), transfer[0], gradient, robust, of_transfer)
