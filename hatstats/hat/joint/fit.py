"""Maximum of the `joint` likelihood, with the influence of every pattern on theta."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

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
_REFINE, _ATTEMPTS = 1.5, 5
#: Newton decrement (twice the gain still to be had in log-likelihood) at which a fit is done.
_DONE = 1e-10
#: Decrement from which one Newton step lands at the maximum; theta moves by a hundredth of a
#: standard error, so that the information before the step serves.
_NEAR = 1e-4


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
    n_parameters : int
        Parameters that were free.
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
    n_parameters: int
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

    def pattern_influence(self) -> Floats:
        """Influence on theta of one item with each pattern, shape (I, P)."""
        weight = self.likelihood.counts.weight
        centred = self.scores - weight @ self.scores / weight.sum()
        return np.asarray(np.linalg.solve(self.information, centred.T).T)


def make_likelihood(
    counts: JointCounts, options: JointOptions, chance: float, rules: Rules
) -> JointLikelihood:
    """Likelihood of `counts` with a given quadrature."""
    maker = TableMaker(
        options,
        Layout.of(options, counts.n_languages),
        chance,
        counts.source_rows,
        counts.target_rows,
        rules,
    )
    return JointLikelihood(counts, maker, counts.indicator())


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


def _climb(likelihood: JointLikelihood, theta: Floats) -> Floats:
    """L-BFGS from `theta` to near the maximum of the penalised log-likelihood.

    The search runs in coordinates in which the outer product of the scores (Berndt, Hall, Hall
    and Hausman 1974), which estimates the information, is the identity.
    """
    centre, precision = prior_centre(likelihood.layout), prior_precision(likelihood.layout)
    scores = likelihood.scores(theta)
    outer = (scores * likelihood.counts.weight[:, None]).T @ scores
    # In directions of which the data say little, a unit step is still a unit of the parameter.
    outer += np.eye(theta.size)
    root = np.linalg.cholesky(outer)
    stretch = linalg.solve_triangular(root, np.eye(theta.size), lower=True)

    def objective(steps: Floats) -> tuple[float, Floats]:
        value = theta + steps @ stretch
        fit, gradient = likelihood.value_and_gradient(value)
        away = value - centre
        fit -= 0.5 * float(away @ (precision * away))
        return -fit, -(stretch @ (gradient - precision * away))

    found = optimize.minimize(
        objective,
        np.zeros(theta.size),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 500, "maxcor": 20, "ftol": 1e-9, "gtol": 1e-2},
    )
    return np.asarray(theta + found.x @ stretch, dtype=float)


@dataclass(frozen=True, slots=True)
class _Summit:
    theta: Floats
    scores: Floats
    information: Floats
    decrement: float


def _polish(likelihood: JointLikelihood, theta: Floats) -> _Summit:
    """Newton steps with halving until the decrement is negligible."""
    centre, precision = prior_centre(likelihood.layout), prior_precision(likelihood.layout)
    weight = likelihood.counts.weight

    def penalised(value: Floats) -> float:
        fit = float(weight @ likelihood.by_pattern(value))
        return fit - 0.5 * float((value - centre) @ (precision * (value - centre)))

    for _ in range(30):
        scores, information = likelihood.scores_and_information(theta)
        information = information + np.diag(precision)
        gradient = weight @ scores - precision * (theta - centre)
        value, vector = np.linalg.eigh(information)
        step = vector @ ((vector.T @ gradient) / np.maximum(np.abs(value), RIDGE))
        decrement = float(gradient @ step)
        if decrement < _DONE:
            return _Summit(theta, scores, information, decrement)
        theta, moved = _halving(penalised, theta, step, 1e-13 * weight.sum())
        if not moved:
            break
        if decrement < _NEAR:
            scores = likelihood.scores(theta)
            gradient = weight @ scores - precision * (theta - centre)
            decrement = float(gradient @ (vector @ ((vector.T @ gradient) / np.abs(value))))
            return _Summit(theta, scores, information, decrement)
    scores, information = likelihood.scores_and_information(theta)
    return _Summit(theta, scores, information + np.diag(precision), decrement)


def _halving(
    objective: Callable[[Floats], float], theta: Floats, step: Floats, slack: float
) -> tuple[Floats, bool]:
    """Longest of the steps 1, 1/2, 1/4, ... that does not lose; whether there was one."""
    here = objective(theta)
    for _ in range(30):
        if objective(theta + step) >= here - slack:
            return theta + step, True
        step = 0.5 * step
    return theta, False


def _upright(layout: Layout, theta: Floats) -> Floats:
    """Same model with non-negative standard deviations: latent variables are symmetric."""
    theta = theta.copy()
    for name in ("sigma", "tau", "rho", "spread"):
        if layout.has(name):
            theta[layout.place(name)] = np.abs(theta[layout.place(name)])
    return theta


def _settled(
    counts: JointCounts, options: JointOptions, chance: float, theta: Floats, refine: float
) -> tuple[Floats, JointLikelihood]:
    """Climb until the quadrature suits the theta that it led to."""
    for _ in range(4):
        likelihood = make_likelihood(
            counts, options, chance, rules_for(theta, counts, options, refine=refine)
        )
        theta = _climb(likelihood, theta)
        wanted = rules_for(theta, counts, options, refine=refine)
        if wanted.no_finer_than(likelihood.maker.rules):
            break
    return theta, likelihood


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
    refine = 1.0
    for attempt in range(_ATTEMPTS):
        theta, likelihood = _settled(counts, options, chance, theta, refine)
        summit = _polish(likelihood, theta)
        theta = _upright(layout, summit.theta)
        finer = rules_for(theta, counts, options, refine=refine * _REFINE)
        value = float(counts.weight @ likelihood.by_pattern(theta))
        check = make_likelihood(counts, options, chance, finer)
        error = abs(float(counts.weight @ check.by_pattern(theta)) - value)
        if error <= TOLERANCE or attempt == _ATTEMPTS - 1:
            break
        refine *= _REFINE
    held = int((largest_trials(counts) <= 1).sum())
    return JointFit(
        theta,
        likelihood,
        value,
        layout.size - held,
        *_signed(layout, summit),
        quadrature_error=error,
        decrement=summit.decrement,
    )


def _signed(layout: Layout, summit: _Summit) -> tuple[Floats, Floats]:
    """Scores and information in the coordinates of non-negative standard deviations."""
    sign = np.where(_upright(layout, summit.theta) == summit.theta, 1.0, -1.0)
    return summit.scores * sign, summit.information * np.outer(sign, sign)
