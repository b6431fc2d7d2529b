"""Lines of transfer: ``T(x) = c + (1 - c) expit(level + slope z)``, z the logit of the source.

Fitted by quasi-likelihood to the means that the data identify: ``E[y | h]``, or ``E[y | k, h]``
where items have several trials, is the sum of T over the distribution of z. Slopes are shrunk
towards a common one; levels are free but for a weak ridge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from hatstats.estimators.panel.shrinkage import Shrinkage, shrinkage
from hatstats.estimators.panel.source import LEVEL_PRECISION
from hatstats.inference.arrays import Bools, Floats

_STEPS, _LONGEST = 200, 1.0
_LEAST_MEAN, _LEAST_DISPERSION, _LEAST_INFORMATION = 1e-6, 0.01, 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class LineData:
    """Target accuracies (N, C), weights (N, C), 0 where not asked, and the distribution of z.

    Nodes z and their probabilities, (C, N, Q), or (1, N, Q) for all columns; the chance level.
    """

    target: Floats
    weights: Floats
    nodes: Floats
    probability: Floats
    chance: float

    def expand(self, theta: Floats) -> tuple[Floats, Floats]:
        """Expected accuracies (N, C) of lines (2, C) and their derivatives (2, N, C)."""
        share = special.expit(theta[0][:, None, None] + theta[1][:, None, None] * self.nodes)
        known = 1.0 - self.chance
        fitted = self.chance + known * np.einsum("cnq,cnq->nc", share, self._wide)
        share *= 1.0 - share
        share *= self.probability
        slopes = np.empty((2, *fitted.shape))
        slopes[0] = known * share.sum(axis=2).T
        share *= self.nodes
        slopes[1] = known * share.sum(axis=2).T
        return np.clip(fitted, _LEAST_MEAN, 1.0 - _LEAST_MEAN), slopes

    @property
    def _wide(self) -> Floats:
        return np.broadcast_to(self.probability, (self.target.shape[1], *self.nodes.shape[1:]))

    def scores(self, theta: Floats) -> Floats:
        """Quasi-likelihood scores of each item, without weights, shape (2, N, C)."""
        return self.equations(theta).scores

    def equations(self, theta: Floats) -> LineScores:
        """What each item adds to the equations of lines (2, C)."""
        fitted, slopes = self.expand(theta)
        variance = fitted * (1.0 - fitted)
        residual = self.target - fitted
        weight = self.weights / variance
        mixed = (weight * slopes[0] * slopes[1]).sum(axis=0)
        across = mixed / np.maximum((weight * slopes[0] ** 2).sum(axis=0), _LEAST_INFORMATION)
        gain = (slopes[1] - across * slopes[0]) ** 2 / variance
        information = np.maximum((self.weights * gain).sum(axis=0), _LEAST_INFORMATION)
        return LineScores(slopes * residual / variance, gain, information, residual**2 / variance)

    def deviance(self, theta: Floats) -> Floats:
        """Deviance of each item from lines, added up over the lines, without weights, (N,)."""
        fitted, _ = self.expand(theta)
        found = special.xlogy(self.target, self.target / fitted)
        found += special.xlogy(1.0 - self.target, (1.0 - self.target) / (1.0 - fitted))
        return np.asarray(np.where(self.weights > 0, 2.0 * found, 0.0).sum(axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class LineScores:
    """Scores (2, N, C) of items without weights, and their parts of a slope's information (N, C).

    That information (C,), the level profiled out; and squared residuals over variances (N, C).
    """

    scores: Floats
    gain: Floats
    information: Floats
    pearson: Floats

    def pearson_sum(self, weights: Floats) -> Floats:
        """Weighted sum of `pearson` over items, (C,), above 0 also for a line without any."""
        return np.maximum((weights * self.pearson).sum(axis=0), _LEAST_INFORMATION)


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """C lines (2, C) with their dispersion (C,) about the quasi-likelihood.

    `values` and `errors` (C,) are slopes without shrinkage, from one step, and their variances.
    """

    theta: Floats
    dispersion: Floats
    values: Floats
    errors: Floats


def first_lines(data: LineData, about: Floats | None = None) -> Lines:
    """Lines through the mean target accuracies, to start from.

    Parallel to a line `about` (2,) through the mean of them all, if one is given.
    """
    mean = (data.weights * data.target).sum(axis=0) / np.maximum(data.weights.sum(axis=0), 1e-300)
    known = np.clip((mean - data.chance) / (1.0 - data.chance), 0.02, 0.98)
    level, slope = special.logit(known), 0.5
    if about is not None:
        level, slope = level - level.mean() + about[0], about[1]
    theta = np.stack([level, np.full(mean.size, slope)])
    return Lines(theta, np.ones(mean.size), theta[1], np.ones(mean.size))


def scoring_step(
    data: LineData, theta: Floats, centre: Floats, precision: float
) -> tuple[Lines, float]:
    """One Fisher scoring step from lines (2, C) whose slopes are shrunk towards centres (C,).

    Also the largest change. Dispersions and slopes without shrinkage are those before the step.
    """
    fitted, slopes = data.expand(theta)
    weight = data.weights / (fitted * (1.0 - fitted))
    residual = data.target - fitted
    size = np.maximum(data.weights.sum(axis=0) - 2.0, 1.0)
    dispersion = np.maximum((weight * residual**2).sum(axis=0) / size, _LEAST_DISPERSION)
    gradient = (slopes * (weight * residual)).sum(axis=1)
    gradient[0] -= dispersion * LEVEL_PRECISION * theta[0]
    weighted = slopes * weight
    aa = (weighted[0] * slopes[0]).sum(axis=0) + dispersion * LEVEL_PRECISION
    ab, bb = (weighted[1] * slopes[0]).sum(axis=0), (weighted[1] * slopes[1]).sum(axis=0)
    profile = np.maximum(bb - ab**2 / aa, _LEAST_INFORMATION)
    own = gradient[1] - ab / aa * gradient[0]
    tied = dispersion * precision
    turn = (own - tied * (theta[1] - centre)) / (profile + tied)
    step = np.stack([(gradient[0] - ab * turn) / aa, turn])
    longest = np.abs(step).max(axis=0)
    lines = Lines(
        theta + step * np.minimum(1.0, _LONGEST / np.maximum(longest, 1e-9)),
        dispersion,
        theta[1] + own / profile,
        dispersion / profile,
    )
    return lines, float(longest.max())


def fit_lines(
    data: Sequence[LineData],
    start: Sequence[Lines],
    centres: Sequence[Floats],
    asked: Bools,
    tolerance: float,
) -> tuple[tuple[Lines, ...], Shrinkage]:
    """Fit lines whose slopes less their centres (C,) are shrunk towards a common mean.

    Some data of C lines each; `asked` (number of data, C) says which lines have any.
    """
    shrunk, lines = Shrinkage.start(int(asked.sum()), 0.5 - float(np.mean(centres))), list(start)
    for round_ in range(_STEPS):
        longest = 0.0
        for place, (part, centre) in enumerate(zip(data, centres, strict=True)):
            lines[place], step = scoring_step(
                part, lines[place].theta, centre + shrunk.mean, 1.0 / shrunk.variance
            )
            longest = max(longest, step)
        values = np.array([each.values for each in lines]) - np.array(centres)
        errors = np.array([each.errors for each in lines])
        before = shrunk
        shrunk = shrinkage(values[asked], errors[asked]).after(before, round_)
        if max(longest, shrunk.distance(before)) < tolerance:
            break
    return tuple(lines), shrunk
