"""Newton's way up a penalised log-likelihood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from hatstats.estimators.joint.options import Layout

Floats = NDArray[np.float64]

#: Precision of a weak normal prior on every parameter. Its standard deviation of 32 leaves
#: ordinary fits alone and gives boundary cases (all right, all wrong) a finite answer.
RIDGE = 0.001
#: Precision of the prior on the bends of a spline, which few items tell apart.
BEND_RIDGE = 0.1
#: Largest standard deviation of a logit. With 6 two items in three have a probability outside
#: (.05, .95): beyond, answers are all or nothing, and a steeper line tells nothing of the middle.
STEEPEST = 6.0
#: Newton decrement (twice the gain still to be had in log-likelihood) at which a fit is done.
_DONE = 1e-7
#: Decrement above which a step may leave the reach of the quadrature.
_FAR = 1.0
_STEPS, _STRIDE = 60, 2.0
#: Loss of log-likelihood per item that is rounding.
_SLACK = 1e-13


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """Weak normal prior, and the largest size of each parameter.

    Attributes
    ----------
    centre, precision, bound : ndarray, shape (P,)
    """

    centre: Floats
    precision: Floats
    bound: Floats

    @classmethod
    def of(cls, layout: Layout, trials: Floats) -> Prior:
        """Prior of one model; `trials` (L,) are the most trials in each target language.

        With one trial per item a language's own residual cannot be told from luck, and is
        held at 0.
        """
        centre, precision = np.zeros(layout.size), np.full(layout.size, RIDGE)
        centre[layout.place("beta")] = 1.0
        for name in layout.local_names:
            if name.startswith("bend("):
                precision[layout.place(name)] = BEND_RIDGE
        bound = np.full(layout.size, np.inf)
        for name in ("sigma", "common", "rho"):
            if layout.has(name):
                bound[layout.place(name)] = STEEPEST
        bound[layout.place("tau")] = np.where(trials > 1, STEEPEST, 0.0)
        return cls(centre, precision, bound)

    @classmethod
    def joined(cls, parts: Sequence[Prior]) -> Prior:
        """Independent priors of several models, one after the other."""
        return cls(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("centre", "precision", "bound")
            )
        )


@dataclass(frozen=True, slots=True)
class Summit:
    """Where a search ended.

    Attributes
    ----------
    theta : ndarray, shape (P,)
    log_likelihood : float
        Without the prior.
    scores : ndarray, shape (I, P)
        Derivative of the log-likelihood of one item with each pattern.
    information : ndarray, shape (P, P)
        The prior's included.
    decrement : float
        Newton decrement.
    held : ndarray of bool, shape (P,)
        Parameters at their largest size.
    """

    theta: Floats
    log_likelihood: float
    scores: Floats
    information: Floats
    decrement: float
    held: NDArray[np.bool_]

    def influence(self, weight: Floats) -> Floats:
        """Influence on theta of one item with each pattern, shape (I, P); 0 on what was held."""
        free = ~self.held
        centred = self.scores[:, free] - weight @ self.scores[:, free] / weight.sum()
        influence = np.zeros(self.scores.shape)
        information = self.information[np.ix_(free, free)]
        influence[:, free] = np.linalg.solve(information, centred.T).T
        return influence


def climb(
    evaluate: Callable[[Floats], tuple[Floats, Floats, Floats]],
    weight: Floats,
    theta: Floats,
    prior: Prior,
    *,
    suits: Callable[[Floats], bool],
) -> Summit:
    """Newton steps with halving from `theta` to a maximum.

    A step is never longer than `_STRIDE` in any parameter. The search stops early where the
    quadrature no longer `suits` theta, which it asks while it is far from the maximum.

    Parameters
    ----------
    evaluate : callable
        Log-likelihood (I,) and scores (I, P) of one item with each pattern, information (P, P).
    weight : ndarray, shape (I,)
        Number of items with each pattern.
    theta : ndarray, shape (P,)
    prior : Prior
    suits : callable
    """
    best, step, decrement = -np.inf, np.zeros(theta.size), np.inf
    for _ in range(_STEPS):
        there = np.clip(theta + step, -prior.bound, prior.bound)
        each, scores, information = evaluate(there)
        away = there - prior.centre
        fit = float(weight @ each)
        value = fit - 0.5 * float(away @ (prior.precision * away))
        if not value >= best - _SLACK * weight.sum():
            step = 0.5 * step
            continue
        theta, best = there, value
        information = information + np.diag(prior.precision)
        gradient = weight @ scores - prior.precision * away
        held = (np.abs(theta) >= prior.bound) & ((gradient * theta > 0.0) | (prior.bound == 0.0))
        outer = (scores * weight[:, None]).T @ scores
        step, decrement = _newton(gradient, information, outer, held)
        summit = Summit(theta, fit, scores, information, decrement, held)
        if decrement < _DONE or (decrement > _FAR and not suits(theta)):
            break
        step = step * min(1.0, _STRIDE / np.abs(step).max())
    return summit


def _newton(
    gradient: Floats, information: Floats, outer: Floats, held: NDArray[np.bool_]
) -> tuple[Floats, float]:
    """Newton step in the parameters not held and its decrement.

    Where the likelihood is not concave the `outer` product of the scores, which estimates the
    information, takes its place (Berndt, Hall, Hall and Hausman 1974): it is uphill everywhere.
    """
    free = np.flatnonzero(~held)
    step = np.zeros(gradient.size)
    here = np.ix_(free, free)
    try:
        factor = linalg.cho_factor(information[here])
    except linalg.LinAlgError:
        # In directions of which the data say little, a unit step is still one of the parameter.
        factor = linalg.cho_factor(outer[here] + np.eye(free.size))
    step[free] = linalg.cho_solve(factor, gradient[free])
    return step, float(gradient @ step)
