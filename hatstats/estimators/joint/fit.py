"""Maximum of the `joint` likelihood, with the influence of every pattern on theta."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hatstats.estimators.joint.likelihood import JointCounts, JointLikelihood
from hatstats.estimators.joint.newton import Prior, climb
from hatstats.estimators.joint.node_tables import Rules, TableMaker
from hatstats.estimators.joint.options import JointOptions, Layout
from hatstats.estimators.joint.starting_values import first_theta, largest_trials, rules_for

Floats = NDArray[np.float64]

#: Largest error of the integrals, in units of the total log-likelihood, before they are refined.
TOLERANCE = 1e-3
REFINE, ATTEMPTS = 1.5, 8


@dataclass(frozen=True, slots=True, eq=False)
class JointFit:
    """A maximised likelihood.

    Attributes
    ----------
    theta : ndarray, shape (P,)
        Of one model; standard deviations are non-negative.
    likelihood : JointLikelihood
        At the quadrature that was found fine enough.
    log_likelihood : float
        Without the weak prior.
    n_parameters : int
        Parameters that were free.
    held : ndarray of bool, shape (P,)
        Parameters of this model that were not free: standard deviations at their largest, and
        residuals of languages with one trial per item.
    influence : ndarray, shape (I, P)
        Influence on theta of one item of each kind; 0 on what was held.
    information : ndarray, shape (P, P)
        Negative Hessian in theta, the weak prior's included; that of one model's block where all
        are fitted together.
    index : ndarray of int, shape (N,)
        Kind of each item; -1 for an item that moves nothing.
    quadrature_error : float
        Change of the log-likelihood at theta under a finer quadrature.
    decrement : float
        Newton decrement at theta; a large one says that the search stopped early.
    together : bool
        Whether all models of the benchmark were fitted together: log-likelihood and number of
        parameters are then those of all.
    """

    theta: Floats
    likelihood: JointLikelihood
    log_likelihood: float
    n_parameters: int
    held: NDArray[np.bool_]
    influence: Floats
    information: Floats
    index: NDArray[np.intp]
    quadrature_error: float
    decrement: float
    together: bool = False

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


def upright(layout: Layout, theta: Floats) -> Floats:
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
    prior = Prior.of(layout, largest_trials(counts))

    def suits(theta: Floats) -> bool:
        return rules_for(theta, counts, options, refine=refine).no_finer_than(rules)

    for attempt in range(ATTEMPTS):
        likelihood = make_likelihood(counts, options, chance, rules, indicator=indicator)
        summit = climb(likelihood.scores_and_information, counts.weight, theta, prior, suits=suits)
        theta = upright(layout, summit.theta)
        if attempt < ATTEMPTS - 1 and not suits(theta):
            rules = rules_for(theta, counts, options, refine=refine)
            continue
        finer = rules_for(theta, counts, options, refine=refine * REFINE)
        check = make_likelihood(counts, options, chance, finer, indicator=indicator)
        error = abs(float(counts.weight @ check.by_pattern(theta)) - summit.log_likelihood)
        if error <= TOLERANCE:
            break
        refine *= REFINE
        rules = finer
    sign = np.where(theta == summit.theta, 1.0, -1.0)
    return JointFit(
        theta,
        likelihood,
        summit.log_likelihood,
        int((~summit.held).sum()),
        summit.held,
        summit.influence(counts.weight) * sign,
        summit.information * np.outer(sign, sign),
        counts.index,
        quadrature_error=error,
        decrement=summit.decrement,
    )
