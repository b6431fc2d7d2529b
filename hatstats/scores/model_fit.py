"""What one model's item-level fit offers, whatever the estimator."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class ModelFit(Protocol):
    """What one model's item-level fit offers, whatever the estimator."""

    @property
    def distribution(self) -> Floats:
        """Own distribution of source accuracy on the support, shape (Q,)."""

    @property
    def profile(self) -> Floats:
        """Profile on the support, shape (L, Q)."""

    def profile_influence(self, weights: Floats) -> Floats:
        """Influence of items on ``sum_q weights_q T_l(q)``, shape (N, L)."""

    def distribution_influence(self, values: Floats) -> Floats:
        """Influence of items on ``sum_q g(q) values_qr``, shape (N, R)."""


@runtime_checkable
class SmoothFit(Protocol):
    """A fit whose shape is partly a prior's."""

    def shape_covariance(self, weights: Floats) -> Floats:
        """What the prior may hide of ``sum_q weights_q T_l(q)``, shape (L, L)."""


def shape_error(fit: ModelFit, weights: Floats) -> float:
    """Standard deviation of what the prior of a fit may hide of its mean over languages.

    NaN for fits without such a prior. Languages that the model was never asked in do not count.
    """
    if not isinstance(fit, SmoothFit):
        return np.nan
    known = ~np.isnan(fit.profile).any(axis=1)
    return float(np.sqrt(fit.shape_covariance(weights)[np.ix_(known, known)].mean()))
