"""Where the search for the maximum begins, and how fine its integrals must be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hatstats.estimators.joint.binomials import CountRows
from hatstats.estimators.joint.likelihood import JointCounts
from hatstats.estimators.joint.node_tables import Rules
from hatstats.estimators.joint.options import JointOptions, Layout, profile_basis
from hatstats.estimators.joint.quadrature import SINGLE, NormalRule, normal_rule, spacing_for

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
_FIRST_SIGMA = 1.2
#: The logistic function is about a normal distribution function of this standard deviation.
_PROBIT = 1.7
_LEGENDRE = np.polynomial.legendre.leggauss(6)


def _correlation(pair: Floats, first: Floats, second: Floats) -> Floats:
    """Correlation of two normal variables both positive with probability `pair`.

    `first` and `second` are the probabilities of each being positive (a tetrachoric correlation),
    by Newton steps on ``d P / d r``, the bivariate density.
    """
    h, k = special.ndtri(first), special.ndtri(second)
    nodes, weights = 0.5 * (1.0 + _LEGENDRE[0][:, None]), 0.5 * _LEGENDRE[1]

    def density(r: Floats) -> Floats:
        rest = 1.0 - r**2
        away = (h**2 - 2.0 * r * h * k + k**2) / (2.0 * rest)
        return np.asarray(np.exp(-away) / (2.0 * np.pi * np.sqrt(rest)))

    r = np.full(h.shape, 0.5)
    for _ in range(4):
        excess = first * second + r * (weights @ density(r * nodes)) - pair
        r = np.clip(r - excess / density(r), -0.9, 0.95)
    return r


def largest_trials(counts: JointCounts) -> Floats:
    """Largest number of trials of an item in each target language, shape (L,)."""
    trials = np.append(counts.target_rows.trials, 0.0)
    return np.asarray(trials[counts.target].max(axis=0))


def _variance(correlation: Floats) -> Floats:
    """Variance of the logits behind a correlation of the answers to one item."""
    share = np.clip(correlation, 0.05, 0.85)
    return np.asarray(_PROBIT**2 * share / (1.0 - share))


def _moments(rows: CountRows, chance: float) -> tuple[Floats, Floats]:
    """Unbiased ``k/n`` and ``k(k-1)/(n(n-1))`` of count rows with chance taken out, (K,)."""
    k, n = rows.correct, rows.trials
    once = k / n
    twice = k * (k - 1.0) / np.maximum(n * (n - 1.0), 1.0)
    rest = 1.0 - chance
    return (once - chance) / rest, (twice - 2.0 * chance * once + chance**2) / rest**2


def first_theta(counts: JointCounts, layout: Layout, chance: float) -> Floats:
    """A theta near the maximum, from first and second moments of accuracy.

    With the logistic function replaced by a normal distribution function, the probability that
    two answers to an item are both right gives the correlation of their logits in closed form.
    A language with one trial per item starts, and by symmetry stays, at tau = 0: its own
    residual cannot be told from the noise of one answer, and only flattens its line.
    """
    theta = np.zeros(layout.size)
    weight = counts.weight
    once, twice = _moments(counts.source_rows, chance)
    x, part = once[counts.source], weight * (counts.source_rows.trials[counts.source] > 1)
    mean = np.clip([weight @ x / weight.sum()], 0.02, 0.98)
    both = [part @ twice[counts.source] / max(part.sum(), 1e-9)]
    once, twice = (np.append(each, 0.0) for each in _moments(counts.target_rows, chance))
    y, trials = once[counts.target], np.append(counts.target_rows.trials, 0.0)[counts.target]
    asked = weight[:, None] * (trials > 0)
    size = asked.sum(axis=0)
    several = weight[:, None] * (trials > 1)
    target = np.clip((asked * y).sum(axis=0) / size, 0.02, 0.98)
    here = np.clip(x @ asked / size, 0.02, 0.98)
    linked = x @ (asked * y) / size
    again = (several * twice[counts.target]).sum(axis=0) / np.maximum(several.sum(axis=0), 1e-9)
    count = layout.n_languages
    own, crossed, repeated = np.split(
        _correlation(
            np.concatenate([both, linked, again]),
            np.concatenate([mean, here, target]),
            np.concatenate([mean, target, target]),
        ),
        [1, 1 + count],
    )
    variance = _variance(own) if part.any() else np.array([_FIRST_SIGMA**2])
    scale = np.sqrt(_PROBIT**2 + variance)
    mu = special.ndtri(mean) * scale
    theta[layout.place("mu")], theta[layout.place("sigma")] = mu, np.sqrt(variance)
    total = np.where(several.any(axis=0), _variance(repeated), _FIRST_SIGMA**2)
    target_scale = np.sqrt(_PROBIT**2 + total)
    beta = np.clip(crossed * target_scale * scale / variance, 0.2, 2.0)
    rest = np.sqrt(np.clip(total - beta**2 * variance, 0.3**2, 3.0**2))
    theta[layout.place("alpha")] = special.ndtri(target) * target_scale - beta * mu
    theta[layout.place("beta")] = beta
    theta[layout.place("tau")] = np.where(several.any(axis=0), rest, 0.0)
    if layout.has("common"):
        theta[layout.place("sigma")] = theta[layout.place("common")] = np.sqrt(0.5 * variance)
    for name, value in _FIRST.items():
        if layout.has(name):
            theta[layout.place(name)] = value
    if layout.has("chance"):
        theta[layout.place("chance")] = special.logit(max(chance, 0.05))
    return theta


def _told(tau: Floats, trials: Floats) -> Floats:
    """Most that each language's count tells of its logit without the residual, shape (L,).

    A trial informs a logit by at most 1/4; a language by less than its residual allows.
    """
    return np.asarray(1.0 / (tau**2 + 4.0 / np.maximum(trials, 1e-8)))


def _known(theta: Floats, counts: JointCounts, options: JointOptions) -> tuple[float, float]:
    """Most that an item's counts tell of its source logit, and the steepest line, at least 1."""
    layout = Layout.of(options, counts.n_languages)
    spread = np.hypot(layout.scalar(theta, "sigma"), layout.scalar(theta, "common"))
    at = layout.scalar(theta, "mu") + spread * np.array([-1.0, 0.0, 1.0])
    slopes = layout.coefficients(theta).T @ profile_basis(options.profile, at)[1]
    slope = np.abs(slopes).max(axis=1)
    told = _told(theta[layout.place("tau")], largest_trials(counts))
    known = 0.25 * counts.source_rows.trials.max() + slope**2 @ told
    return float(known), max(1.0, float(slope.max(initial=0.0)))


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
    sigma, rho = layout.scalar(theta, "sigma"), layout.scalar(theta, "rho")
    tau, trials = theta[layout.place("tau")], largest_trials(counts)
    known, steepest = _known(theta, counts, options)

    def rule(information: float, steepness: float) -> float:
        return spacing_for(information, steepness, options.accuracy) / refine

    accuracy = options.accuracy / refine**4
    ability = normal_rule(rule(sigma**2 * known, abs(sigma) * steepest), accuracy)
    factor, residual = SINGLE, SINGLE
    if options.shared_factor:
        told = float(_told(tau, trials).sum())
        factor = normal_rule(rule(rho**2 * told, rho), accuracy)
    if tau.any():
        widest = float(np.abs(tau).max())
        sharpest = float((0.25 * trials * tau**2).max())
        residual = normal_rule(rule(sharpest, widest), accuracy)
    return Rules(ability, factor, residual)


def hardness_rule(
    thetas: Sequence[Floats],
    parts: Sequence[JointCounts],
    options: JointOptions,
    *,
    refine: float = 1.0,
) -> NormalRule:
    """Quadrature of the hardness that several models have in common.

    Parameters
    ----------
    thetas : sequence of ndarray
        Of each model.
    parts : sequence of JointCounts
    options : JointOptions
    refine : float
        See `rules_for`.

    Returns
    -------
    NormalRule
    """
    told, steepest = 0.0, 0.0
    for theta, counts in zip(thetas, parts, strict=True):
        layout = Layout.of(options, counts.n_languages)
        loading, own = layout.scalar(theta, "common"), layout.scalar(theta, "sigma")
        known, steep = _known(theta, counts, options)
        # What a model's answers tell of it is blurred by the model's own part.
        told += loading**2 / (own**2 + 1.0 / known)
        steepest = max(steepest, abs(loading) * steep)
    spacing = spacing_for(told, steepest, options.accuracy) / refine
    return normal_rule(spacing, options.accuracy / refine**4)
