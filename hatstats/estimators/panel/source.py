"""A model's source probability x given the ease h of an item: ``logit x = a + b h + sigma e``.

With a chance level c the logit is that of ``(x - c) / (1 - c)``; e is standard normal. Parameters
maximise the marginal likelihood of the source counts. Slopes b are shrunk over the models of a
panel, levels a are free but for a weak ridge, and sigma is common to the panel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from hatstats.estimators.panel.quadrature import normal_nodes
from hatstats.estimators.panel.shrinkage import Shrinkage, shrinkage
from hatstats.inference.arrays import Bools, Floats, Ints

NODES, WEIGHTS = normal_nodes(0.4)
#: Precision of the ridge of levels: a model whose answers are all right has a finite one.
LEVEL_PRECISION = 0.01
_STEPS, _LONGEST = 200, 1.0
LEAST_SIGMA, MOST_SIGMA = 0.2, 3.5


@dataclass(frozen=True, slots=True, eq=False)
class SourceData:
    """Right and wrong source answers, ease of items and weights, each (M, N); chance level.

    The weight of an item is 0 for a model that was not asked.
    """

    right: Floats
    wrong: Floats
    ease: Floats
    weights: Floats
    chance: float

    def of_models(self, models: Ints) -> SourceData:
        """The data of some models (K,)."""
        return SourceData(
            self.right[models],
            self.wrong[models],
            self.ease[models],
            self.weights[models],
            self.chance,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Expansion:
    """Likelihood of the items of all models and its derivatives by the logit and by sigma.

    `posterior` (M, N, Q) of the nodes; the others are (M, N).
    """

    posterior: Floats
    marginal: Floats
    score: Floats
    score_sigma: Floats
    bend: Floats
    bend_mixed: Floats
    bend_sigma: Floats


def expand(data: SourceData, eta: Floats, sigma: float) -> Expansion:
    """Expand the log-likelihood about the logits eta (M, N) and sigma."""
    z = eta[:, :, None] + sigma * NODES
    share = special.expit(z)
    c = data.chance
    slope = (1.0 - c) * share * (1.0 - share)
    rate = np.clip(c + (1.0 - c) * share, 1e-12, 1.0 - 1e-12)
    right, wrong = data.right[:, :, None], data.wrong[:, :, None]
    log_likelihood = right * np.log(rate) + wrong * np.log1p(-rate)
    top = log_likelihood.max(axis=2, keepdims=True)
    posterior = np.exp(log_likelihood - top) * WEIGHTS
    total = posterior.sum(axis=2, keepdims=True)
    posterior /= total
    marginal = (top + np.log(total))[:, :, 0]
    up, down = right / rate, wrong / (1.0 - rate)
    u = slope * (up - down)
    # u' + u^2
    second = slope * (1.0 - 2.0 * share) * (up - down) + u**2
    second -= slope**2 * (up / rate + down / (1.0 - rate))
    weighted, bent = posterior * u, posterior * second
    score, score_sigma = weighted.sum(axis=2), weighted @ NODES
    return Expansion(
        posterior,
        marginal,
        score,
        score_sigma,
        bent.sum(axis=2) - score**2,
        bent @ NODES - score * score_sigma,
        bent @ NODES**2 - score_sigma**2,
    )


@dataclass(frozen=True, slots=True, eq=False)
class SourceFit:
    """Levels a and slopes b, (2, M), and sigma, with what their influence needs."""

    data: SourceData
    theta: Floats
    sigma: float
    slopes: Shrinkage
    converged: bool

    @property
    def eta(self) -> Floats:
        """Logits a + b h, shape (M, N)."""
        return np.asarray(self.theta[0][:, None] + self.theta[1][:, None] * self.data.ease)


def information(data: SourceData, bend: Floats) -> Floats:
    """Curvature (M, 2, 2) of the likelihood in a and b, with the ridge of a."""
    weight = -bend * data.weights
    h = data.ease
    mixed = (weight * h).sum(axis=1)
    info = np.array([[weight.sum(axis=1), mixed], [mixed, (weight * h**2).sum(axis=1)]])
    info[0, 0] += LEVEL_PRECISION
    return np.asarray(info.transpose(2, 0, 1))


def fit_sources(
    data: SourceData,
    sigma: float,
    several: Bools | None = None,
    start: SourceFit | None = None,
    tolerance: float = 1e-9,
) -> SourceFit:
    """Fit all models; sigma too, from the models (M,) that have several trials, if any is given."""
    size = data.right.shape[0]
    if start is None:
        asked = np.maximum(data.weights.sum(axis=1), 1e-9)
        trials = np.maximum(data.right + data.wrong, 1e-9)
        share = (data.weights * data.right / trials).sum(axis=1) / asked
        known = np.clip((share - data.chance) / (1.0 - data.chance), 0.02, 0.98)
        theta = np.stack([special.logit(known) * 1.2, np.ones(size)])
        slopes = Shrinkage.start(size, 1.0)
    else:
        theta, slopes = start.theta, start.slopes
    converged = False
    for round_ in range(_STEPS):
        at = expand(data, theta[0][:, None] + theta[1][:, None] * data.ease, sigma)
        gain = data.weights * at.score
        gradient = np.stack([gain.sum(axis=1), (gain * data.ease).sum(axis=1)])
        gradient[0] -= LEVEL_PRECISION * theta[0]
        # Guessing bends the likelihood of some items upwards: left out far from the maximum.
        info, held = information(data, at.bend), information(data, np.minimum(at.bend, 0.0))
        determinant = info[:, 0, 0] * info[:, 1, 1] - info[:, 0, 1] ** 2
        sound = (info[:, 0, 0] > 0.0) & (determinant > 0.1 * info[:, 0, 0] * held[:, 1, 1])
        info = np.where(sound[:, None, None], info, held)
        # Items of one ease alone, as an item alone, say nothing of a slope.
        profile = np.maximum(info[:, 1, 1] - info[:, 0, 1] ** 2 / info[:, 0, 0], 1e-12)
        own = gradient[1] - info[:, 0, 1] / info[:, 0, 0] * gradient[0]
        before = slopes
        slopes = shrinkage(theta[1] + own / profile, 1.0 / profile).after(before, round_)
        penalised = gradient.copy()
        penalised[1] -= (theta[1] - slopes.mean) / slopes.variance
        hessian = info.copy()
        hessian[:, 1, 1] += 1.0 / slopes.variance
        step = np.linalg.solve(hessian, penalised.T[:, :, None])[:, :, 0].T
        turn = 0.0
        if several is not None:
            turn = _sigma_step(data, at, hessian, penalised, several)
            turn = float(np.clip(turn, -0.3, 0.3))
        longest = np.abs(step).max(axis=0)
        theta = theta + step * np.minimum(1.0, _LONGEST / np.maximum(longest, 1e-9))
        sigma = float(np.clip(sigma + turn, LEAST_SIGMA, MOST_SIGMA))
        change = max(float(longest.max()), abs(turn), slopes.distance(before))
        if change < tolerance:
            converged = True
            break
    return SourceFit(data, theta, sigma, slopes, converged)


def sigma_profile(
    data: SourceData, at: Expansion, hessian: Floats, several: Bools
) -> tuple[Floats, Floats, float]:
    """Mixed derivatives (M, 2) of the likelihood, the same by the curvature, and sigma's curvature.

    The curvature is that of the profile likelihood of sigma.
    """
    weight = data.weights * several[:, None]
    mixed = np.stack(
        [(weight * at.bend_mixed).sum(axis=1), (weight * at.bend_mixed * data.ease).sum(axis=1)]
    ).T
    through = np.linalg.solve(hessian, mixed[:, :, None])[:, :, 0]
    curvature = -(weight * at.bend_sigma).sum() - (mixed * through).sum()
    return mixed, through, float(curvature)


def _sigma_step(
    data: SourceData, at: Expansion, hessian: Floats, gradient: Floats, several: Bools
) -> float:
    """Newton step of sigma with levels and slopes following."""
    _, through, curvature = sigma_profile(data, at, hessian, several)
    score = (data.weights * several[:, None] * at.score_sigma).sum()
    score += (through * gradient.T).sum()
    return float(score / abs(curvature))
