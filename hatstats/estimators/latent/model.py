"""The latent profile of one model on one benchmark, and what each item moves in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from hatstats.estimators.latent.borrowing import COLUMNS, PanelCurves
from hatstats.estimators.latent.curve_families import held_slope
from hatstats.estimators.latent.deconvolution import Deconvolution
from hatstats.estimators.latent.derivatives import Derivatives
from hatstats.estimators.latent.penalised_fit import CurveFit
from hatstats.inference.arrays import Floats, Ints
from hatstats.scores.wordings import WordingCorrelation


@dataclass(frozen=True, slots=True)
class LanguageFits:
    """Curves of target languages asked of the same items; they know the distribution of x there."""

    columns: Ints
    curves: CurveFit


@dataclass(frozen=True, slots=True)
class InPanel:
    """A model's place in a panel whose mean curves were fitted together.

    With the shift (Q,) of all its languages' curves, on the logit scale, that gives them the mean
    curve of the panel; None where languages were asked of different items, so that the mean over an
    item's languages is another. `alone` fits the model to its own items.
    """

    panel: PanelCurves
    place: int
    shift: Floats | None
    alone: Callable[[], LatentModel]


@dataclass(frozen=True, slots=True)
class LatentModel:
    """Latent profile of one model on one benchmark.

    The distribution of x of all items asked in the source language; one curve per target language,
    in parts by the items asked; and the curve of the mean over an item's languages, on which the
    languages' prior is centred, with its own deconvolution (None where the model was asked in one
    target language alone). With the multiple of the cost of roughness that was given or chosen,
    NaN in a panel; the correlation of source trials of one wording (None where it is not known or
    does not matter); and the place in a panel, None of a model that was fitted alone.
    """

    deconvolution: Deconvolution
    parts: tuple[LanguageFits, ...]
    shared: CurveFit | None
    of_shared: Deconvolution
    roughness: float
    correlation: WordingCorrelation | None = None
    in_panel: InPanel | None = None

    @property
    def mean_curve(self) -> CurveFit:
        """The curve of the mean over an item's languages."""
        return self.parts[0].curves if self.shared is None else self.shared

    def mean_spread(self, gradient: Floats) -> Floats:
        """Error of functions of the mean curve since curves differ over the models of a panel.

        From gradients (K, p), rows (K, R) whose products are covariances; none of a model alone.
        """
        if self.in_panel is None:
            return np.zeros((len(gradient), 0))
        return self.in_panel.panel.directions(self.in_panel.place, gradient)[1]

    @property
    def n_languages(self) -> int:
        """Number L of target languages of the benchmark."""
        return sum(part.columns.size for part in self.parts)

    @property
    def distribution(self) -> Floats:
        """Distribution g of source accuracy on the grid, shape (Q,)."""
        return self.deconvolution.density

    @property
    def profile(self) -> Floats:
        """T on the grid, shape (L, Q)."""
        curves = np.full((self.n_languages, self.distribution.size), np.nan)
        for part in self.parts:
            curves[part.columns] = part.curves.curve
            if self.in_panel is not None and self.in_panel.shift is not None:
                curves[part.columns] = special.expit(self._logits(part))
        return curves

    def profile_influence(self, weights: Floats) -> Floats:
        """Influence of each item on ``sum_x weights_x T_l(x)``, shape (N, L)."""
        own, gradient = self._derivatives(weights)
        if self.in_panel is not None:
            panel = self.in_panel.panel
            own = own.with_all_of(panel.derivatives(self.in_panel.place, gradient))
        return own.influence(self.deconvolution.patterns.index.size)

    def distribution_influence(self, values: Floats) -> Floats:
        """Influence of each item on ``sum_x g(x) values_xr``, shape (N, R) for values (Q, R)."""
        deconvolution, density = self.deconvolution, self.deconvolution.density
        gradient = deconvolution.basis.T @ ((values - density @ values) * density[:, None])
        by = Derivatives(values.shape[1])
        by.by_source(deconvolution, self.correlation, gradient.T)
        return by.influence(deconvolution.patterns.index.size)

    def shape_covariance(self, weights: Floats) -> Floats:
        """Covariance of the possible smoothing bias of ``sum_x weights_x T_l(x)``, shape (L, L).

        Were curves and log densities drawn from the priors that the penalties represent, the bias
        of a penalised fit would have covariance ``H^-1 P H^-1`` (Nychka 1988, JASA 83:1134-1143),
        H the Hessian and P the penalty. Sampling covariance plus this is the error under that
        prior; where it dominates, the number is extrapolation. Languages have the bias of the
        shared curve in common, and that of a distribution of x; that of their own curves
        independently. Of a panel, whose spread of curves is estimated and whose intervals include
        it, only that of distributions is left.
        """
        own, gradient = self._derivatives(weights)
        if self.in_panel is None:
            bias = own.source_shape() + own.curve_shape()
        else:
            panel, place = self.in_panel.panel, self.in_panel.place
            bias = own.with_all_of(panel.derivatives(place, gradient)).source_shape()
        never = np.isnan(self.profile).any(axis=1)
        bias[never] = bias[:, never] = np.nan
        return bias

    def spread_rows(self, weights: Floats) -> tuple[Floats, Floats] | None:
        """Error of ``sum_x weights_x T_l(x)`` since curves differ over the models of a panel.

        Rows (L, R) whose products, also with those of other models, are covariances; and the
        covariance (L, L) that languages' own curves add. None of a model that was fitted alone.
        """
        if self.in_panel is None:
            return None
        own, gradient = self._derivatives(weights)
        return self.mean_spread(gradient), own.curve_shape()

    @property
    def borrows(self) -> bool:
        """Whether the model was fitted together with others."""
        return self.in_panel is not None

    def alone(self) -> LatentModel:
        """The fit to this model's own items."""
        return self if self.in_panel is None else self.in_panel.alone()

    def _derivatives(self, weights: Floats) -> tuple[Derivatives, Floats]:
        """Derivatives of ``sum_x weights_x T_l(x)`` by the model's equations outside a panel.

        And its gradient (L, p) by the coefficients of the mean curve in a panel.
        """
        by = Derivatives(self.n_languages)
        width = 0 if self.shared is None else self.shared.theta.shape[1]
        total = np.zeros((self.n_languages, width))
        for part in self.parts:
            curves = part.curves
            asked = np.flatnonzero(~np.isnan(curves.curve).any(axis=1))
            gradients, by_mean = self._gradients(part, asked, weights)
            for place, gradient in zip(asked.tolist(), gradients, strict=True):
                own = np.zeros((self.n_languages, gradient.shape[1]))
                own[part.columns[asked]] = gradient @ curves.bread[place]
                by.by_curve(curves, place, self.correlation, own)
                if self.shared is not None:
                    # The languages' prior moves with the shared curve.
                    prior = curves.prior.family
                    bends = prior.bends @ curves.slopes[place]
                    pull = bends.T @ (prior.bends @ self.shared.slopes[0]) + prior.penalty
                    total += own @ pull
            total[part.columns[asked]] += by_mean
        if self.shared is not None and self.in_panel is None:
            by.by_curve(self.shared, 0, self.correlation, total @ self.shared.bread[0])
        return by, total

    def _logits(self, part: LanguageFits) -> Floats:
        """Logits (C, Q) of curves that the panel's mean curve has shifted."""
        assert self.in_panel is not None
        assert self.in_panel.shift is not None
        return part.curves.theta @ COLUMNS.T + self.in_panel.shift

    def _gradients(
        self, part: LanguageFits, asked: Ints, weights: Floats
    ) -> tuple[list[Floats], Floats]:
        """Gradients of the means of the languages asked, F of them, over `weights` (Q,).

        By each language's own coefficients, F arrays (F, p), and by those of the mean curve (F, p)
        as far as it shifts the languages.
        """
        curves = part.curves
        width = 0 if self.shared is None else self.shared.theta.shape[1]
        if self.in_panel is None or self.in_panel.shift is None:
            own = np.eye(asked.size)[:, :, None] * (weights @ curves.slopes[asked])[:, None]
            return list(own), np.zeros((asked.size, width))
        # With h the slopes of expit, a language's curve moves by h (ds + d shift), and the mean
        # of all by that of the mean curve: d shift = (dS - mean h ds) / mean h.
        assert self.shared is not None
        slope = held_slope(self._logits(part)[asked])
        share = weights * slope / slope.mean(axis=0)
        own = -(share[:, None] * slope / asked.size) @ COLUMNS
        own[np.arange(asked.size), np.arange(asked.size)] += (weights * slope) @ COLUMNS
        whole = held_slope(self.shared.theta[0] @ COLUMNS.T)
        return list(own.swapaxes(0, 1)), (share * whole) @ COLUMNS
