"""Derivatives of functions of fitted curves: what each item, and each prior, moves in them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hatstats.estimators.latent.deconvolution import Deconvolution
from hatstats.estimators.latent.penalised_fit import CurveFit
from hatstats.inference.arrays import Floats
from hatstats.scores.wordings import WordingCorrelation


@dataclass(slots=True)
class Derivatives:
    """Derivatives of K functions by the estimating equations of a fit.

    Collected by curve, directions (K, p) in the equations of one curve; by deconvolution, (K, r)
    of its theta; and by the correlation of source trials of one wording, (K,), where it is known.
    The equations of a curve depend on its deconvolution, and both on the correlation.
    """

    number: int
    curves: list[tuple[CurveFit, int, Floats]] = field(default_factory=list)
    sources: dict[int, tuple[Deconvolution, Floats]] = field(default_factory=dict)
    correlations: dict[int, tuple[WordingCorrelation, Floats]] = field(default_factory=dict)

    def by_curve(
        self,
        curve: CurveFit,
        column: int,
        correlation: WordingCorrelation | None,
        direction: Floats,
    ) -> None:
        """Add directions (K, p) in the equations of one column of a fit."""
        self.curves.append((curve, column, direction))
        self.by_source(curve.deconvolution, correlation, direction @ curve.cross_derivative[column])
        if correlation is not None:
            self._by_correlation(correlation, direction @ curve.kernel_derivative[column])

    def by_source(
        self, source: Deconvolution, correlation: WordingCorrelation | None, slope: Floats
    ) -> None:
        """Add derivatives (K, r) by the theta of a deconvolution."""
        _, before = self.sources.get(id(source), (source, np.zeros(slope.shape)))
        self.sources[id(source)] = source, before + slope
        if correlation is not None:
            self._by_correlation(correlation, slope @ source.theta_by_correlation)

    def _by_correlation(self, correlation: WordingCorrelation, slope: Floats) -> None:
        _, before = self.correlations.get(id(correlation), (correlation, np.zeros(self.number)))
        self.correlations[id(correlation)] = correlation, before + slope

    def with_all_of(self, other: Derivatives) -> Derivatives:
        """The derivatives of both, of sums of their functions."""
        self.curves += other.curves
        for source, slope in other.sources.values():
            self.by_source(source, None, slope)
        for correlation, slope in other.correlations.values():
            self._by_correlation(correlation, slope)
        return self

    def influence(self, n_items: int) -> Floats:
        """Influence of each item on the functions, shape (N, K)."""
        found = np.zeros((n_items, self.number))
        for curve, column, direction in self.curves:
            found += curve.own_influence(column, direction)
        for source, slope in self.sources.values():
            found += source.influence(slope)
        for correlation, by_kernel in self.correlations.values():
            found += np.outer(correlation.influence, by_kernel)
        return found

    def source_shape(self) -> Floats:
        """Covariance (K, K) of possible bias by the smoothing of distributions."""
        found = np.zeros((self.number, self.number))
        for source, slope in self.sources.values():
            found += slope @ source.theta_shape @ slope.T
        return found

    def curve_shape(self) -> Floats:
        """Covariance (K, K) of possible bias by the smoothing of curves."""
        found = np.zeros((self.number, self.number))
        penalties = {id(curve): curve.penalty for curve, *_ in self.curves}
        for curve, column, direction in self.curves:
            found += direction @ penalties[id(curve)][column] @ direction.T
        return found
