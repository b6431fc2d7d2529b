"""Where the search for the maximum begins, and how fine its integrals must be."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hatstats.hat.joint.likelihood import JointCounts
from hatstats.hat.joint.options import JointOptions, Layout, profile_basis
from hatstats.hat.joint.promptings import CountRows
from hatstats.hat.joint.tables import Rules
from hatstats.hat.quadrature import SINGLE, normal_rule, spacing_for

Floats = NDArray[np.float64]

_FIRST = {
    "rho": 0.5,
    "spread": 0.2,
    "never": -3.0,
    "always": -3.0,
    "transfers": 2.0,
    "at_never": -2.0,
    "at_always": 1.0,
}
_LEAST_SIGMA, _FIRST_TAU = 0.5, 0.5


class _Logits(NamedTuple):
    """Smoothed empirical logits of count rows and their sampling variances, each (K,)."""

    value: Floats
    variance: Floats


def _logits(rows: CountRows, chance: float) -> _Logits:
    smoothed = (rows.correct + 0.5) / (rows.trials + 1.0)
    share = np.clip((smoothed - chance) / (1.0 - chance), 0.02, 0.98)
    return _Logits(special.logit(share), 1.0 / ((rows.trials + 1.0) * share * (1.0 - share)))


def largest_trials(counts: JointCounts) -> Floats:
    """Largest number of promptings of an item in each target language, shape (L,)."""
    trials = np.append(counts.target_rows.trials, 0.0)
    return np.asarray(trials[counts.target].max(axis=0))


def first_theta(counts: JointCounts, layout: Layout, chance: float) -> Floats:
    """Moments of empirical logits: a rough theta from which the search converges.

    A language with one prompting per item starts, and by symmetry stays, at tau = 0: its own
    residual cannot be told from the noise of one answer, and only flattens its line.
    """
    theta = np.zeros(layout.size)
    source = _logits(counts.source_rows, chance)
    x, weight = source.value[counts.source], counts.weight
    mu = float(np.average(x, weights=weight))
    noise = float(np.average(source.variance[counts.source], weights=weight))
    spread = float(np.average((x - mu) ** 2, weights=weight))
    sigma = max(np.sqrt(max(spread - noise, 0.0)), _LEAST_SIGMA)
    theta[layout.place("mu")], theta[layout.place("sigma")] = mu, sigma
    target = _logits(counts.target_rows, chance)
    alpha, beta = theta[layout.place("alpha")], theta[layout.place("beta")]
    for language in range(counts.n_languages):
        row = counts.target[:, language]
        asked = row >= 0
        y, part = target.value[row[asked]], weight[asked]
        mean = float(np.average(y, weights=part))
        joint = float(np.average((y - mean) * (x[asked] - mu), weights=part))
        beta[language] = np.clip(joint / sigma**2, 0.3, 2.0)
        alpha[language] = mean - beta[language] * mu
    theta[layout.place("tau")] = np.where(largest_trials(counts) > 1, _FIRST_TAU, 0.0)
    for name, value in _FIRST.items():
        if layout.has(name):
            theta[layout.place(name)] = value
    if layout.has("chance"):
        theta[layout.place("chance")] = special.logit(max(chance, 0.05))
    return theta


def rules_for(
    theta: Floats, counts: JointCounts, options: JointOptions, *, refine: float = 1.0
) -> Rules:
    """Quadrature fine enough for the sharpest item under `theta`.

    Parameters
    ----------
    theta : ndarray, shape (P,)
    counts : JointCounts
    options : JointOptions
    refine : float
        Factor by which the nodes lie closer than the rule of thumb says.

    Returns
    -------
    Rules
    """
    layout = Layout.of(options, counts.n_languages)
    mu, sigma = layout.scalar(theta, "mu"), layout.scalar(theta, "sigma")
    at = mu + sigma * np.array([-1.0, 0.0, 1.0])
    slopes = layout.coefficients(theta).T @ profile_basis(options.profile, at)[1]
    slope = np.abs(slopes).max(axis=1)
    tau, trials = theta[layout.place("tau")], largest_trials(counts)
    rho = layout.scalar(theta, "rho")
    # A prompting informs a logit by at most 1/4; a language by less than its residual allows.
    told = 1.0 / (tau**2 + 4.0 / np.maximum(trials, 1e-8))
    information = sigma**2 * float(0.25 * counts.source_rows.trials.max() + slope**2 @ told)

    def rule(information: float, steepness: float) -> float:
        return spacing_for(information, steepness, options.accuracy) / refine

    accuracy = options.accuracy / refine**4
    steep = abs(sigma) * max(1.0, float(slope.max(initial=0.0)))
    ability = normal_rule(rule(information, steep), accuracy)
    factor, residual = SINGLE, SINGLE
    if options.shared_factor:
        factor = normal_rule(rule(rho**2 * float(told.sum()), rho), accuracy)
    if tau.any():
        widest = float(np.abs(tau).max())
        sharpest = float((0.25 * trials * tau**2).max())
        residual = normal_rule(rule(sharpest, widest), accuracy)
    return Rules(ability, factor, residual)
