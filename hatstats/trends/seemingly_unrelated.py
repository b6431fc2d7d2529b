"""Source accuracy and transfer in one system, so that their slopes can be compared.

Both equations have the same covariates. Each is fitted with its own variance components; the
covariance between their coefficients comes from stacking them and clustering by family across
both, so that whatever a family's source ability and transfer have in common is allowed for. What
models of different families share, the luck of common items, enters through the known joint
covariance of source accuracies and scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from hatstats.errors import NotIdentifiedError
from hatstats.estimators.aggregate.profile import AggregateProfile
from hatstats.inference.cluster_robust.sandwich import ClusterRobust, cluster_robust
from hatstats.inference.intervals import fieller_interval
from hatstats.inference.reml.meta_regression import RemlFit, fit_reml
from hatstats.scores.scores import HatScores
from hatstats.trends.prediction import LogitSurface
from hatstats.trends.trend import TrendFit

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SlopeDifference:
    """Slope of source accuracy less slope of transfer, both per unit of one covariate.

    Attributes
    ----------
    source_slope, transfer_slope : float
        On the accuracy scale, at the mean of the covariates.
    gradient : ndarray, shape (p,)
        Of their difference, with respect to the stacked coefficients.
    robust : ClusterRobust
        Of the stacked coefficients.
    transfer_gradient : ndarray, shape (p,)
        Of the transfer slope.
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
        """Cluster-robust standard error; 0 where the parts cancel up to rounding."""
        parts = np.outer(self.gradient, self.gradient) * self.robust.cov
        variance = float(parts.sum())
        return float(np.sqrt(variance)) if variance > 1e-12 * np.abs(parts).sum() else 0.0

    @property
    def df(self) -> float:
        """Degrees of freedom of the difference."""
        return float(self.robust.df(self.gradient)[0])

    def ratio(self, conf_level: float = 0.95) -> tuple[float, float, float]:
        """Transfer slope over source slope, with Fieller's limits.

        Parameters
        ----------
        conf_level : float

        Returns
        -------
        estimate, conf_low, conf_high : float
            Limits are infinite where the source slope may be zero at this level: then no ratio is
            excluded on that side, and a delta method would pretend otherwise.
        """
        rows = np.stack([self.transfer_gradient, self.gradient + self.transfer_gradient])
        df = float(self.robust.df(self.gradient)[0])
        values = np.array([self.transfer_slope, self.source_slope])
        low, high = fieller_interval(values, rows @ self.robust.cov @ rows.T, df, conf_level)
        return self.transfer_slope / self.source_slope, low, high


# Share of the covariance between equations that is left out, so that the stacked covariance has
# an inverse even where one equation repeats the other.
_LEFT_OUT = 1e-6


def _stack(
    fits: list[RemlFit],
    clusters: list[list[str]],
    trend: TrendFit,
    between: Floats | None = None,
) -> ClusterRobust:
    """Sandwich of stacked equations; `between` is the known covariance of the first two."""
    working = linalg.block_diag(*[fit.marginal for fit in fits])
    if between is not None:
        count = len(between)
        working[:count, count:] = (1.0 - _LEFT_OUT) * between
        working[count:, :count] = working[:count, count:].T
    return cluster_robust(
        linalg.block_diag(*[fit.X for fit in fits]),
        np.concatenate([fit.residuals for fit in fits]),
        linalg.block_diag(*[fit.weights for fit in fits]),
        working,
        np.concatenate([np.array(labels) for labels in clusters]),
        kind=trend.robust.kind,
    )


def slope_difference(
    scores: HatScores | AggregateProfile, trend: TrendFit, term: str
) -> SlopeDifference:
    """Compare how source accuracy and transfer change with one covariate.

    Parameters
    ----------
    scores : HatScores or AggregateProfile
        What `trend` was fitted to.
    trend : TrendFit
    term : str
        A covariate term of the trend.

    Returns
    -------
    SlopeDifference

    Raises
    ------
    NotIdentifiedError
        If the scores come without source accuracies.
    """
    transfer, gradient = trend.slope(term)
    of = dict(zip(trend.design.models, trend.clusters, strict=True))
    column = 1 + trend.design.terms.index(term)
    if isinstance(scores, AggregateProfile):
        return _from_panel(scores, trend, column, (transfer, gradient))
    kept = [scores.models.index(name) for name in trend.design.models]
    if not np.isfinite(scores.source[kept]).all():
        raise NotIdentifiedError(
            "these scores come without source accuracies, so that the two slopes cannot be compared"
        )
    shift = len(scores.models)
    place = [shift + k for k in kept]
    cov = scores.joint_cov[np.ix_(place, place)]
    source = fit_reml(scores.source[kept], trend.reml.X, cov, list(trend.reml.codes))
    labels = [of[name] for name in trend.design.models]
    shared = scores.joint_cov[np.ix_(place, kept)]
    if trend.scale == "logit":
        shared = shared / (scores.params[kept] * (1.0 - scores.params[kept]))
    robust = _stack([source, trend.reml], [labels, labels], trend, shared)
    both = np.concatenate([np.zeros(source.params.size), -gradient])
    both[column] = 1.0
    own = np.concatenate([np.zeros(source.params.size), gradient])
    return SlopeDifference(float(source.params[column]), transfer, both, robust, own)


def _from_panel(
    profile: AggregateProfile,
    trend: TrendFit,
    column: int,
    transfer: tuple[float, Floats],
) -> SlopeDifference:
    of = dict(zip(trend.design.models, trend.clusters, strict=True))
    panel = trend.panel
    assert panel is not None
    row = trend.design.matrix.mean(axis=0)
    step = np.zeros(row.size)
    step[column - 1] = 0.5
    slopes, pieces = [], []
    for part, fit in zip(profile.parts, panel.source_fit, strict=True):
        # The same half steps to either side as for transfer: both curves bend.
        surface = LogitSurface(
            fit.params,
            base=np.eye(1, fit.params.size),
            offset=np.zeros(1),
            weight=np.ones(1),
            chance=np.array([part.counts.chance]),
        )
        above, below = surface.at(row + step), surface.at(row - step)
        slopes.append(above[0] - below[0])
        pieces.append((above[1] - below[1]) / len(profile.parts))
    labels = [[of[name] for name in names] for names in panel.source_models]
    rows = [of[str(name)] for name in panel.model]
    robust = _stack([*panel.source_fit, panel.fit], [*labels, rows], trend)
    gradient = np.concatenate([*pieces, -transfer[1]])
    own = np.concatenate([*(0.0 * piece for piece in pieces), transfer[1]])
    return SlopeDifference(float(np.mean(slopes)), transfer[0], gradient, robust, own)
