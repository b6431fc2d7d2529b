"""Maximum of the `joint` likelihood, with the influence of every pattern on theta."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from hatstats.hat.joint.likelihood import JointCounts, JointLikelihood
from hatstats.hat.joint.options import JointOptions, Layout
from hatstats.hat.joint.start import first_theta, largest_trials, rules_for
from hatstats.hat.joint.tables import Rules, TableMaker

Floats = NDArray[np.float64]

#: Precision of a weak normal prior on every parameter. Its standard deviation of 32 leaves
#: ordinary fits alone and gives boundary cases (all right, all wrong) a finite answer.
RIDGE = 0.001
#: Precision of the prior on the bends of a spline, which few items tell apart.
BEND_RIDGE = 0.1
#: Largest error of the integrals, in units of the total log-likelihood, before they are refined.
TOLERANCE = 1e-3
_REFINE, _ATTEMPTS = 1.5, 8
#: Newton decrement (twice the gain still to be had in log-likelihood) at which a fit is done.
_DONE = 1e-7
#: Decrement above which a step may leave the reach of the quadrature.
_FAR = 1.0
_STEPS, _STRIDE = 60, 2.0
#: Loss of log-likelihood per item that is rounding.
_SLACK = 1e-13
#: Largest standard deviation of a logit. With 6 two items in three have a probability outside
#: (.05, .95): beyond, answers are all or nothing, and a steeper line tells nothing of the middle.
STEEPEST = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class JointFit:
    """A maximised likelihood.

    Attributes
    ----------
    theta : ndarray, shape (P,)
        Standard deviations are non-negative.
    likelihood : JointLikelihood
        At the quadrature that was found fine enough.
    log_likelihood : float
        Without the weak prior.
    held : ndarray of bool, shape (P,)
        Parameters that were not free: standard deviations at `STEEPEST`, and residuals of
        languages with one prompting per item.
    scores : ndarray, shape (I, P)
        Derivative of the log-likelihood of one item with each pattern.
    information : ndarray, shape (P, P)
        Negative Hessian, the weak prior's included.
    quadrature_error : float
        Change of the log-likelihood at theta under a finer quadrature.
    decrement : float
        Newton decrement at theta; a large one says that the search stopped early.
    """

    theta: Floats
    likelihood: JointLikelihood
    log_likelihood: float
    held: NDArray[np.bool_]
    scores: Floats
    information: Floats
    quadrature_error: float
    decrement: float

    @property
    def layout(self) -> Layout:
        """Where each parameter stands."""
        return self.likelihood.layout

    @property
    def options(self) -> JointOptions:
        """The model that was fitted."""
        return self.likelihood.maker.options

    @property
    def converged(self) -> bool:
        """Whether the search met its tolerance and the integrals theirs."""
        return self.decrement <= 1e-4 and self.quadrature_error <= 10 * TOLERANCE

    @property
    def aic(self) -> float:
        """Akaike's criterion, ``2 P - 2 log L``."""
        return 2.0 * self.n_parameters - 2.0 * self.log_likelihood

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return int((~self.held).sum())

    def pattern_influence(self) -> Floats:
        """Influence on theta of one item with each pattern, shape (I, P); 0 on what was held."""
        weight = self.likelihood.counts.weight
        free = ~self.held
        centred = self.scores[:, free] - weight @ self.scores[:, free] / weight.sum()
        influence = np.zeros(self.scores.shape)
        information = self.information[np.ix_(free, free)]
        influence[:, free] = np.linalg.solve(information, centred.T).T
        return influence


def make_likelihood(
    counts: JointCounts,
    options: JointOptions,
    chance: float,
    rules: Rules,
    *,
    indicator: Any = None,
) -> JointLikelihood:
    """Likelihood of `counts` with a given quadrature; their `indicator` is made if not given."""
    maker = TableMaker(
        options,
        Layout.of(options, counts.n_languages),
        chance,
        counts.source_rows,
        counts.target_rows,
        rules,
    )
    return JointLikelihood(counts, maker, counts.indicator() if indicator is None else indicator)


def prior_centre(layout: Layout) -> Floats:
    """Centre of the weak prior: a slope of 1, all else 0."""
    centre = np.zeros(layout.size)
    centre[layout.place("beta")] = 1.0
    return centre


def prior_precision(layout: Layout) -> Floats:
    """Precision of the weak prior on each parameter, shape (P,)."""
    precision = np.full(layout.size, RIDGE)
    for name in layout.local_names:
        if name.startswith("bend("):
            precision[layout.place(name)] = BEND_RIDGE
    return precision


@dataclass(frozen=True, slots=True)
class _Summit:
    """Where a search ended: theta, log-likelihood, scores, information, Newton decrement."""

    theta: Floats
    log_likelihood: float
    scores: Floats
    information: Floats
    decrement: float
    held: NDArray[np.bool_]


def _bounds(layout: Layout) -> Floats:
    """Largest size of each parameter, shape (P,)."""
    bound = np.full(layout.size, np.inf)
    for name in ("sigma", "tau", "rho"):
        if layout.has(name):
            bound[layout.place(name)] = STEEPEST
    return bound


def _climb(likelihood: JointLikelihood, theta: Floats, suits: Callable[[Floats], bool]) -> _Summit:
    """Newton steps with halving to the maximum of the penalised log-likelihood.

    Standard deviations stay within `STEEPEST`. A step is never longer than `_STRIDE` in any
    parameter, and goes uphill where the likelihood is not concave. The search stops early where
    the quadrature no longer `suits` theta, which it asks while it is far from the maximum.
    """
    layout, weight = likelihood.layout, likelihood.counts.weight
    centre, precision = prior_centre(layout), prior_precision(layout)
    bound = _bounds(layout)
    best, step, decrement = -np.inf, np.zeros(theta.size), np.inf
    for _ in range(_STEPS):
        there = np.clip(theta + step, -bound, bound)
        each, scores, information = likelihood.scores_and_information(there)
        away = there - centre
        fit = float(weight @ each)
        value = fit - 0.5 * float(away @ (precision * away))
        if not value >= best - _SLACK * weight.sum():
            step = 0.5 * step
            continue
        theta, best = there, value
        information = information + np.diag(precision)
        gradient = weight @ scores - precision * away
        held = (np.abs(theta) >= bound) & (gradient * theta > 0.0)
        outer = (scores * weight[:, None]).T @ scores
        step, decrement = _newton(gradient, information, outer, held)
        summit = _Summit(theta, fit, scores, information, decrement, held)
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


def _upright(layout: Layout, theta: Floats) -> Floats:
    """Same model with non-negative standard deviations: latent variables are symmetric."""
    theta = theta.copy()
    for name in ("sigma", "tau", "rho", "spread"):
        if layout.has(name):
            theta[layout.place(name)] = np.abs(theta[layout.place(name)])
    return theta


def fit_joint_counts(
    counts: JointCounts,
    options: JointOptions,
    chance: float = 0.0,
    *,
    start: Floats | None = None,
) -> JointFit:
    """Maximise the likelihood of one model's counts on one benchmark.

    Parameters
    ----------
    counts : JointCounts
    options : JointOptions
    chance : float
        Accuracy of blind guessing.
    start : ndarray, shape (P,), optional
        Where to begin; moments of the counts if not given.

    Returns
    -------
    JointFit
        The integrals are refined until a finer rule changes the log-likelihood by less than
        `TOLERANCE`.
    """
    layout = Layout.of(options, counts.n_languages)
    theta = first_theta(counts, layout, chance) if start is None else start
    refine, error = 1.0, np.inf
    rules = rules_for(theta, counts, options)
    indicator = counts.indicator()

    def suits(theta: Floats) -> bool:
        return rules_for(theta, counts, options, refine=refine).no_finer_than(rules)

    for attempt in range(_ATTEMPTS):
        likelihood = make_likelihood(counts, options, chance, rules, indicator=indicator)
        summit = _climb(likelihood, theta, suits)
        theta = _upright(layout, summit.theta)
        if attempt < _ATTEMPTS - 1 and not suits(theta):
            rules = rules_for(theta, counts, options, refine=refine)
            continue
        finer = rules_for(theta, counts, options, refine=refine * _REFINE)
        check = make_likelihood(counts, options, chance, finer, indicator=indicator)
        error = abs(float(counts.weight @ check.by_pattern(theta)) - summit.log_likelihood)
        if error <= TOLERANCE:
            break
        refine *= _REFINE
        rules = finer
    held = summit.held.copy()
    held[layout.place("tau")] |= largest_trials(counts) <= 1
    return JointFit(
        theta,
        likelihood,
        summit.log_likelihood,
        held,
        *_signed(layout, summit),
        quadrature_error=error,
        decrement=summit.decrement,
    )


def _signed(layout: Layout, summit: _Summit) -> tuple[Floats, Floats]:
    """Scores and information in the coordinates of non-negative standard deviations."""
    sign = np.where(_upright(layout, summit.theta) == summit.theta, 1.0, -1.0)
    return summit.scores * sign, summit.information * np.outer(sign, sign)
