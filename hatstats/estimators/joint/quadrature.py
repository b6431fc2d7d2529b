"""Integrals over a standard normal variable by the trapezoid rule.

For a smooth integrand that dies out at both ends the trapezoid rule converges faster than any
power of its spacing: a Gaussian of standard deviation s is integrated with relative error
``2 exp(-2 pi^2 s^2 / h^2)``, and a function with poles at distance d from the real line with error
of order ``exp(-2 pi d / h)`` (Trefethen and Weideman 2014, SIAM Review 56:385-458). Its nodes are
evenly spaced, so that sharply peaked integrands need a finer rule but never a moved one: all items
share one grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NormalRule:
    """Nodes and weights with ``E f(Z) = sum_q weights_q f(nodes_q)``, Z standard normal.

    Attributes
    ----------
    nodes, weights : ndarray, shape (Q,)
        Evenly spaced and symmetric about 0; weights are positive and sum to 1.
    """

    nodes: Floats
    weights: Floats

    @property
    def size(self) -> int:
        """Number of nodes."""
        return self.nodes.size


#: The rule of a variable that is not there: one node at 0.
SINGLE = NormalRule(np.zeros(1), np.ones(1))


def normal_rule(spacing: float, accuracy: float) -> NormalRule:
    """Trapezoid rule for a standard normal variable.

    Parameters
    ----------
    spacing : float
        Distance of neighbouring nodes.
    accuracy : float
        Probability that may lie outside the outermost nodes.

    Returns
    -------
    NormalRule
    """
    # Half a standard deviation more, since a likelihood can favour the tail.
    reach = float(-special.ndtri(0.5 * accuracy)) + 0.5
    half = max(int(np.ceil(reach / spacing)), 1)
    nodes = np.arange(-half, half + 1, dtype=np.float64) * spacing
    weights = np.exp(-0.5 * nodes**2)
    return NormalRule(nodes, weights / weights.sum())


def spacing_for(information: float, steepness: float, accuracy: float) -> float:
    """Spacing of nodes that integrates prior times likelihood to a relative accuracy.

    Parameters
    ----------
    information : float
        Curvature of the log-likelihood in the standard normal variable: prior times likelihood
        is about a Gaussian of variance ``1 / (1 + information)``.
    steepness : float
        Change of the logit per unit of the variable; the logistic function's nearest poles lie
        at distance ``pi / steepness``.
    accuracy : float
        Relative accuracy wanted. It holds for a Gaussian; a skew likelihood loses two or three
        digits, so that a fit should measure what a finer rule changes.

    Returns
    -------
    float
    """
    peak = np.sqrt(2.0 * np.pi**2 / (np.log(2.0 / accuracy) * (1.0 + information)))
    poles = 2.0 * np.pi**2 / (max(abs(steepness), 1e-8) * np.log(1.0 / accuracy))
    return float(min(peak, poles, 1.0))
