"""Likelihoods of counts: `joint` blocks of items, and binomial accuracies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hatstats.bayes.effects import Unit
from hatstats.estimators.aggregate.panel_regression import Logits
from hatstats.estimators.joint.fit import JointFit
from hatstats.estimators.joint.fit_models import fit_joint
from hatstats.estimators.joint.options import JointOptions
from hatstats.scores.counts import ItemCounts

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: Least spread of source logits that a fit starts from: its logarithm must be a number.
_LEAST_SIGMA = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class JointBlock:
    """The marginal likelihood of one model's counts on one benchmark.

    The vector theta of `hatstats.estimators.joint` is seen through coordinates with which effects
    can be linear: ``log sigma`` for sigma, and the target logit at the source logit r of the
    reference, ``alpha + beta r``, for alpha.

    Attributes
    ----------
    fit : JointFit
        Maximum of the likelihood, whose quadrature serves here too.
    asked : ndarray of int, shape (A,)
        Languages of the benchmark in which the model was asked.
    centre : float
        r.
    held : ndarray of bool, shape (A,)
        Languages whose residual spread is held at 0: one trial per item does not tell it.
    normal : bool
        Whether the likelihood is taken to be normal around its maximum.
    """

    fit: JointFit
    asked: Ints
    centre: float
    held: NDArray[np.bool_]
    normal: bool = False
    _maximum: tuple[Floats, Floats] = field(init=False)

    def __post_init__(self) -> None:
        value, cov = self.coordinates()
        free = np.ones(value.size, dtype=bool)
        free[self.fit.layout.place("tau")] = ~self.held
        precision = np.zeros_like(cov)
        precision[np.ix_(free, free)] = np.linalg.pinv(cov[np.ix_(free, free)])
        object.__setattr__(self, "_maximum", (value, precision))

    def theta(self, coordinates: Floats) -> Floats:
        """Theta (..., P) of coordinates (..., P)."""
        layout, theta = self.fit.layout, coordinates.copy()
        sigma, alpha, beta = (layout.place(name) for name in ("sigma", "alpha", "beta"))
        theta[..., sigma] = np.exp(np.minimum(coordinates[..., sigma], 10.0))
        theta[..., alpha] = coordinates[..., alpha] - self.centre * coordinates[..., beta]
        theta[..., layout.place("tau")] *= ~self.held
        return theta

    def coordinates(self) -> tuple[Floats, Floats]:
        """Coordinates of the maximum (P,), and their variances."""
        layout, theta = self.fit.layout, self.fit.theta
        sigma, alpha, beta = (layout.place(name) for name in ("sigma", "alpha", "beta"))
        jacobian = np.eye(theta.size)
        value = theta.copy()
        wide = np.maximum(theta[sigma], _LEAST_SIGMA)
        value[sigma] = np.log(wide)
        jacobian[sigma, sigma] = 1.0 / wide
        value[alpha] += self.centre * theta[beta]
        rows = np.arange(alpha.start, alpha.stop)
        jacobian[rows, np.arange(beta.start, beta.stop)] = self.centre
        cov = jacobian @ np.linalg.pinv(self.fit.information) @ jacobian.T
        return value, cov

    @property
    def maximum(self) -> tuple[Floats, Floats]:
        """Coordinates (P,) at the maximum, and the information (P, P) that the counts hold."""
        return self._maximum

    def value(self, coordinates: Floats) -> float:
        """Log-likelihood of coordinates (P,)."""
        if self.normal:
            return self.value_and_gradient(coordinates)[0]
        likelihood = self.fit.likelihood
        return float(likelihood.counts.weight @ likelihood.by_pattern(self.theta(coordinates)))

    def value_and_gradient(self, coordinates: Floats) -> tuple[float, Floats]:
        """Log-likelihood of coordinates (P,), and its gradient."""
        if self.normal:
            maximum, precision = self._maximum
            pulled = precision @ (coordinates - maximum)
            drop = 0.5 * float((coordinates - maximum) @ pulled)
            return self.fit.log_likelihood - drop, -pulled
        layout, theta = self.fit.layout, self.theta(coordinates)
        value, gradient = self.fit.likelihood.value_and_gradient(theta)
        sigma, alpha, beta = (layout.place(name) for name in ("sigma", "alpha", "beta"))
        gradient = gradient.copy()
        gradient[sigma] *= theta[sigma]
        gradient[beta] -= self.centre * gradient[alpha]
        gradient[layout.place("tau")] *= ~self.held
        return value, gradient

    def expansion(self, coordinates: Floats) -> tuple[Floats, Floats]:
        """Gradient (P,) and negative second derivatives (P, P) at coordinates (P,)."""
        if self.normal:
            return self.value_and_gradient(coordinates)[1], self._maximum[1]
        layout, theta = self.fit.layout, self.theta(coordinates)
        sigma, alpha, beta = (layout.place(name) for name in ("sigma", "alpha", "beta"))
        likelihood = self.fit.likelihood
        _, scores, information = likelihood.scores_and_information(theta)
        slope = likelihood.counts.weight @ scores
        jacobian = np.eye(theta.size)
        jacobian[sigma, sigma] = theta[sigma]
        rows = np.arange(alpha.start, alpha.stop)
        jacobian[rows, np.arange(beta.start, beta.stop)] = -self.centre
        held = np.arange(theta.size)[layout.place("tau")][self.held]
        jacobian[held, held] = 0.0
        bend = jacobian.T @ information @ jacobian
        # The second derivative of sigma = exp(x) is sigma itself.
        bend[sigma, sigma] -= slope[sigma] * theta[sigma]
        return jacobian.T @ slope, bend

    def by_item(self, coordinates: Floats) -> Floats:
        """Log-likelihood of each item (N,); 0 for items that were not asked in the source."""
        pattern = self.fit.likelihood.by_pattern(self.theta(coordinates))
        index = self.fit.likelihood.counts.index
        return np.where(index >= 0, pattern[np.maximum(index, 0)], 0.0)


def joint_blocks(
    counts: ItemCounts,
    options: JointOptions,
    *,
    normal: bool = False,
    centre: float | None = None,
) -> tuple[Unit, list[JointBlock]]:
    """Blocks of all models of an item-level benchmark.

    The reference logit, unless it is given as `centre`, is that of the mean source accuracy of the
    benchmark.
    """
    _, models = fit_joint(counts, options)
    if centre is None:
        chance = 0.0 if options.chance == "estimated" else counts.chance
        share = (np.nanmean(counts.source_accuracy()) - chance) / (1.0 - chance)
        centre = float(special.logit(np.clip(share, 0.02, 0.98)))
    blocks, cells = [], list[tuple[int, int]]()
    for m, model in enumerate(models):
        target = counts.target_trials[m][:, model.asked]
        held = target.max(axis=0) <= 1
        blocks.append(JointBlock(model.fit, model.asked, centre, held, normal))
        cells += [(m, int(language)) for language in model.asked]
    at = np.array(cells, dtype=np.intp).reshape(-1, 2)
    unit = Unit(
        counts.benchmark, True, counts.chance, counts.models, counts.languages, at[:, 0], at[:, 1]
    )
    return unit, blocks


@dataclass(frozen=True, slots=True, eq=False)
class BinomialBlock:
    """Binomial likelihood of the accuracies of one benchmark, on both sides.

    ``k_s ~ Bin(n, c + (1 - c) expit(s))``, ``k_l ~ Bin(n, c + (1 - c) expit(t_l + beta (s - r)))``.

    Attributes
    ----------
    part : Logits
    model, language : ndarray of int, shape (C,)
        Of the cells that were seen.
    centre : float
        r.
    """

    part: Logits
    model: Ints
    language: Ints
    centre: float

    def _counts(self) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
        counts = self.part.counts
        accuracy = counts.target_accuracy[self.model, self.language]
        trials = counts.target_trials[self.model, self.language]
        source = counts.source_accuracy * counts.source_trials, counts.source_trials
        return source, (accuracy * trials, trials)

    def _log_density(self, counts: tuple[Floats, Floats], logit: Floats) -> tuple[Floats, Floats]:
        """Log-probability of each accuracy and its derivative in the logit."""
        correct, trials = counts
        chance = self.part.counts.chance
        right, wrong = special.expit(logit), special.expit(-logit)
        share = chance + (1.0 - chance) * right
        rest = (1.0 - chance) * wrong
        choose = special.gammaln(trials + 1) - special.gammaln(correct + 1)
        choose -= special.gammaln(trials - correct + 1)
        # 0 log 0 is 0: counts at an end need no share off it.
        value = choose + special.xlogy(correct, share) + special.xlogy(trials - correct, rest)
        slope = (1.0 - chance) * right * wrong * correct / share - (trials - correct) * right
        return value, slope

    def logits(self, source: Floats, transfer: Floats, slope: Floats) -> Floats:
        """Target logits of the cells (..., C)."""
        away = source[..., self.model] - self.centre
        return np.asarray(transfer + np.asarray(slope)[..., None] * away)

    def densities(self, source: Floats, transfer: Floats, slope: float) -> tuple[Floats, Floats]:
        """Log-probability of each source accuracy (M,) and cell (C,)."""
        on_source, on_target = self._counts()
        logit = self.logits(source, transfer, np.asarray(slope))
        return self._log_density(on_source, source)[0], self._log_density(on_target, logit)[0]

    def value_and_gradient(
        self, source: Floats, transfer: Floats, slope: float
    ) -> tuple[float, Floats, Floats, float]:
        """Log-likelihood and its gradients in source (M,), transfer (C,) and slope."""
        on_source, on_target = self._counts()
        value, by_source = self._log_density(on_source, source)
        logit = self.logits(source, transfer, np.asarray(slope))
        more, by_target = self._log_density(on_target, logit)
        by_source = by_source + slope * np.bincount(
            self.model, weights=by_target, minlength=source.size
        )
        by_slope = float(by_target @ (source[self.model] - self.centre))
        return float(value.sum() + more.sum()), by_source, by_target, by_slope


Blocks = Sequence[JointBlock] | BinomialBlock
