"""The restricted log-likelihood at given variance components."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hatstats.inference.reml.likelihood import make_problem


def restricted_loglik(y: Any, X: Any, V: Any, groupings: Sequence[Any], tau2: Any) -> float:
    """Log-likelihood as `fit_reml` climbs it; minus infinity where the covariance is singular."""
    codes = tuple(np.unique(labels, return_inverse=True)[1] for labels in groupings)
    arrays = (np.asarray(values, dtype=float) for values in (y, X, V))
    return make_problem(*arrays, codes).loglik(np.asarray(tau2, dtype=float))
