"""How easy an item is, by the source answers of models with other weights.

A two-parameter logistic model (Birnbaum 1968) of all models' source answers: the ease t of an item
is standard normal, and model r answers rightly with probability ``c + (1 - c) expit(alpha_r +
gamma_r t)``, c the chance level. Alphas and gammas are fitted once, by penalised marginal maximum
likelihood; the ease of an item for a model is the posterior mean of t given the answers of the
models with other weights than its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from hatstats.estimators.panel.quadrature import normal_nodes
from hatstats.inference.arrays import Floats, Ints

_NODES, _WEIGHTS = normal_nodes(0.15)
# Weak priors that keep a rater without right or without wrong answers finite.
_ALPHA_SD, _GAMMA_MEAN, _GAMMA_SD = 5.0, 1.0, 1.0
_EM_STEPS, _NEWTON_STEPS = 30, 30
_LEAST_CURVATURE = 1e-2


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Right and wrong source answers (M, N), weights of items (N,), and the chance level."""

    right: Floats
    wrong: Floats
    weights: Floats
    chance: float

    def rates(self, theta: Floats) -> tuple[Floats, Floats, Floats]:
        """Chance of a right answer at each node and its slope in the logit, (M, Q)."""
        share = special.expit(theta[0][:, None] + theta[1][:, None] * _NODES)
        rate = np.clip(self.chance + (1.0 - self.chance) * share, 1e-12, 1.0 - 1e-12)
        return rate, (1.0 - self.chance) * share * (1.0 - share), share

    def log_likelihood(self, theta: Floats) -> Floats:
        """Log-likelihood of each item at each node, shape (N, Q)."""
        rate, _, _ = self.rates(theta)
        return self.right.T @ np.log(rate) + self.wrong.T @ np.log1p(-rate)


def _posterior(log_likelihood: Floats) -> tuple[Floats, Floats]:
    """P(t | answers) (..., N, Q) and the logarithm of the marginal likelihood (..., N)."""
    top = log_likelihood.max(axis=-1, keepdims=True)
    joint = np.exp(log_likelihood - top) * _WEIGHTS
    total = joint.sum(axis=-1, keepdims=True)
    return joint / total, (top + np.log(total))[..., 0]


@dataclass(frozen=True, slots=True, eq=False)
class Hardness:
    """Ease of every item for every group of models with the same weights, shape (W, N).

    `group` (M,) is the group of each model; `theta` (2, M) holds alphas and gammas and
    `influence` (N, 2M) the items' influence on them; `posterior` (W, N, Q) is P(t | answers of
    other weights).
    """

    answers: Answers
    group: Ints
    theta: Floats
    ease: Floats
    posterior: Floats
    influence: Floats

    def through(self, group: int, gain: Floats) -> Floats:
        """Influence (N, K) on functionals with derivatives `gain` (N, K) by a group's ease.

        Items move the ease of all others through the alphas and gammas.
        """
        return np.asarray(self.influence @ (self._by_theta(group).T @ gain))

    def _by_theta(self, group: int) -> Floats:
        """Derivatives (N, 2M) of a group's ease by alphas and gammas.

        The derivative of a posterior mean is a covariance with that of the log-likelihood.
        """
        answers = self.answers
        rate, slope, _ = answers.rates(self.theta)
        spread = self.posterior[group] * (_NODES - self.ease[group][:, None])
        found = []
        for nodes in (spread, spread * _NODES):
            moved = answers.right.T * (nodes @ (slope / rate).T)
            moved -= answers.wrong.T * (nodes @ (slope / (1.0 - rate)).T)
            moved[:, self.group == group] = 0.0
            found.append(moved)
        return np.concatenate(found, axis=1)


def fit_hardness(answers: Answers, group: Ints) -> Hardness:
    """Ease of items by the answers of models in other groups than each one's own."""
    theta = _fit_raters(answers)
    whole = answers.log_likelihood(theta)
    rate, _, _ = answers.rates(theta)
    hit, miss = np.log(rate), np.log1p(-rate)
    own = np.zeros((int(group.max()) + 1, *whole.shape))
    for m, g in enumerate(group):
        own[g] += np.outer(answers.right[m], hit[m]) + np.outer(answers.wrong[m], miss[m])
    posterior, _ = _posterior(whole - own)
    scores, curvature = _scores_and_curvature(answers, theta)
    scores = scores - np.average(scores, axis=0, weights=answers.weights)
    return Hardness(
        answers, group, theta, posterior @ _NODES, posterior, np.linalg.solve(curvature, scores.T).T
    )


def _prior(theta: Floats) -> tuple[Floats, Floats]:
    """Gradient (2M,) and curvature (2M,) of the prior."""
    size = theta.shape[1]
    curvature = np.repeat([_ALPHA_SD**-2.0, _GAMMA_SD**-2.0], size)
    centre = np.repeat([0.0, _GAMMA_MEAN], size)
    return -(theta.ravel() - centre) * curvature, curvature


def _fit_raters(answers: Answers) -> Floats:
    """Alphas and gammas (2, M): steps of expectation and maximisation, then of Newton."""
    asked = (answers.right + answers.wrong) @ answers.weights
    share = (answers.right @ answers.weights + 0.5) / (asked + 1.0)
    known = np.clip((share - answers.chance) / (1.0 - answers.chance), 0.02, 0.98)
    theta = np.stack([special.logit(known), np.ones(share.size)])
    for _ in range(_EM_STEPS):
        theta = _em_step(answers, theta)
    current = _objective(answers, theta)
    for _ in range(_NEWTON_STEPS):
        scores, curvature = _scores_and_curvature(answers, theta)
        gradient = answers.weights @ scores + _prior(theta)[0]
        # With few guessed answers the surface is a saddle far from the maximum: absolute curvatures
        # lead away from it.
        size, direction = np.linalg.eigh(curvature)
        step = direction @ (direction.T @ gradient / np.maximum(np.abs(size), _LEAST_CURVATURE))
        proposed = theta + step.reshape(theta.shape)
        value = _objective(answers, proposed)
        if value < current - 1e-9:
            proposed = _em_step(answers, theta)
            value = _objective(answers, proposed)
        theta, current = proposed, value
        if abs(gradient @ step) < 1e-10:
            break
    return theta


def _objective(answers: Answers, theta: Floats) -> float:
    """Penalised marginal log-likelihood."""
    _, marginal = _posterior(answers.log_likelihood(theta))
    prior = (theta[0] / _ALPHA_SD) ** 2 + ((theta[1] - _GAMMA_MEAN) / _GAMMA_SD) ** 2
    return float(answers.weights @ marginal - 0.5 * prior.sum())


def _em_step(answers: Answers, theta: Floats) -> Floats:
    """One scoring step of every rater's regression on the expected answers at the nodes."""
    posterior, _ = _posterior(answers.log_likelihood(theta))
    posterior = posterior * answers.weights[:, None]
    right, wrong = answers.right @ posterior, answers.wrong @ posterior
    rate, slope, _ = answers.rates(theta)
    score = slope * (right / rate - wrong / (1.0 - rate))
    weight = (right + wrong) * slope**2 / (rate * (1.0 - rate))
    gradient = np.stack([score.sum(axis=1), score @ _NODES])
    information = np.array(
        [[weight.sum(axis=1), weight @ _NODES], [weight @ _NODES, weight @ _NODES**2]]
    )
    prior, precision = (part.reshape(theta.shape) for part in _prior(theta))
    information[0, 0] += precision[0]
    information[1, 1] += precision[1]
    step = np.linalg.solve(information.transpose(2, 0, 1), (gradient + prior).T[:, :, None])[..., 0]
    return np.asarray(theta + np.clip(step.T, -1.0, 1.0))


def _scores_and_curvature(answers: Answers, theta: Floats) -> tuple[Floats, Floats]:
    """Scores (N, 2M) of the items' marginal likelihood, and its penalised curvature (2M, 2M).

    The curvature is the complete data's less what the unknown ease takes away (Louis 1982, JRSS B
    44:226-233).
    """
    posterior, _ = _posterior(answers.log_likelihood(theta))
    rate, slope, share = answers.rates(theta)
    size = theta.shape[1]
    up, down = slope / rate, slope / (1.0 - rate)
    bend = slope * (1.0 - 2.0 * share)
    # Derivatives of the scores by the logit, for one right and for one wrong answer.
    right_bend, wrong_bend = bend / rate - up**2, -bend / (1.0 - rate) - down**2
    weighted = posterior * answers.weights[:, None]
    complete = (answers.right @ weighted) * right_bend + (answers.wrong @ weighted) * wrong_bend
    powers = [complete @ _NODES**power for power in range(3)]
    curvature = -np.block(
        [[np.diag(powers[0]), np.diag(powers[1])], [np.diag(powers[1]), np.diag(powers[2])]]
    )
    scores = np.empty((answers.weights.size, 2 * size))
    for i, weight in enumerate(answers.weights):
        node = answers.right[:, i, None] * up - answers.wrong[:, i, None] * down
        both = np.concatenate([node, node * _NODES])
        scores[i] = both @ posterior[i]
        if weight != 0.0:
            centred = both - scores[i][:, None]
            curvature -= weight * (centred * posterior[i]) @ centred.T
    return scores, curvature + np.diag(_prior(theta)[1])
