"""Nodes of a standard normal variable."""

from __future__ import annotations

import numpy as np

from hatstats.inference.arrays import Floats

# The normal beyond it weighs less than 1e-5.
_REACH = 4.5


def normal_nodes(step: float) -> tuple[Floats, Floats]:
    """Evenly spaced nodes (Q,) and their normal weights (Q,), which add up to 1.

    Sums of equal steps converge faster than any power of the step for smooth integrands that vanish
    at both ends.
    """
    half = int(_REACH / step)
    nodes = step * np.arange(-half, half + 1.0)
    weights = np.exp(-0.5 * nodes**2)
    return nodes, weights / weights.sum()
