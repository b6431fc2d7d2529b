"""The fitted stages of a panel, and how far each item moves their parameters.

Every stage solves estimating equations in which items add up: the raters of the hardness, the
sources given the hardness, the residual sigma of the panel, one line for the mean over languages of
each model, and one for each language. An item moves a parameter by its own part of the equations,
and through the parameters of earlier stages; derivatives by these are exact or central differences
of the equations themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from hatstats.estimators.panel.hardness import Hardness
from hatstats.estimators.panel.shrinkage import Shrinkage
from hatstats.estimators.panel.source import (
    LEVEL_PRECISION,
    NODES,
    WEIGHTS,
    Expansion,
    SourceFit,
    expand,
    information,
    sigma_profile,
)
from hatstats.estimators.panel.transfer import LineData, Lines, LineScores
from hatstats.inference.arrays import Bools, Floats, Ints

#: Step of central differences, in logits.
_STEP = 1e-4
# Shrinkage moves lines, and these its weights: rounds of following both.
_ROUNDS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Target accuracies (M, N, L), 0 where not asked, and the weights of these cells, alike.

    `average` (N, M) is the mean over an item's languages.
    """

    accuracy: Floats
    weights: Floats
    average: Floats
    average_weights: Floats


def line_data(
    sources: SourceFit, several: Bools, target: Floats, weights: Floats, models: Ints
) -> LineData:
    """Data of lines of some models (K,), one model or one column each: targets (N, C).

    Given their source counts too where they have several trials.
    """
    data = sources.data.of_models(models)
    eta = sources.eta[models]
    probability = np.broadcast_to(WEIGHTS, (*eta.shape, WEIGHTS.size))
    if several[models].any():
        posterior = expand(data, eta, sources.sigma).posterior
        probability = np.where(several[models, None, None], posterior, probability)
    nodes = eta[:, :, None] + sources.sigma * NODES
    return LineData(target, weights, nodes, probability, data.chance)


@dataclass(frozen=True, eq=False)
class Panel:
    """All stages of one benchmark.

    `several` (M,) says which models' source trials are used to locate an item, beside its ease.
    `lines` and `slopes` are those of the mean over languages and their shrinkage over models,
    `languages` the lines of each model's languages, (2, L) each, and `deviations` the shrinkage of
    their slopes towards the model's, over all cells that were asked (M, L). `sigma_moves` (N,) are
    the items' influence on sigma where it comes from the targets, None where it comes from trials,
    zeros where it is declared; `sigma_origin` says so in a word.
    """

    hardness: Hardness
    sources: SourceFit
    several: Bools
    targets: Targets
    lines: Lines
    slopes: Shrinkage
    languages: tuple[Lines, ...]
    deviations: Shrinkage
    asked: Bools
    sigma_moves: Floats | None
    sigma_origin: str

    @property
    def weights(self) -> Floats:
        """Weights of items (N,)."""
        return self.hardness.answers.weights

    def conditional(
        self, models: Ints, *, level: float = 0, slope: float = 0, sigma: float = 0
    ) -> LineData:
        """Data of the lines of one model's languages, or of several models' means.

        With levels and slopes of all sources, and sigma, moved so far.
        """
        target, weights = self.targets.average, self.targets.average_weights
        if models.size == 1:
            target, weights = self.targets.accuracy[models[0]], self.targets.weights[models[0]]
        theta = self.sources.theta + np.array([[level], [slope]])
        moved = replace(self.sources, theta=theta, sigma=self.sources.sigma + sigma)
        return line_data(moved, self.several, target, weights, models)

    def _by_ease(self, m: int, gain: Floats) -> Floats:
        """Influence (N, K) through the ease of items, by which functionals have slopes (N, K)."""
        return self.hardness.through(int(self.hardness.group[m]), gain)

    @cached_property
    def _expansion(self) -> Expansion:
        return expand(self.sources.data, self.sources.eta, self.sources.sigma)

    @cached_property
    def _source_scores(self) -> Floats:
        """What items add to the equations of levels and slopes, also through ease, (M, N, 2)."""
        sources, at, data = self.sources, self._expansion, self.sources.data
        out = np.empty((*at.score.shape, 2))
        for m, (ease, b) in enumerate(zip(data.ease, sources.theta[1], strict=True)):
            weight, score, bend = data.weights[m], at.score[m], at.bend[m]
            gain = np.stack([bend * b, score + bend * b * ease], axis=1) * weight[:, None]
            asked = (weight > 0)[:, None]
            own = np.where(asked, np.stack([score, score * ease], axis=1), 0.0)
            out[m] = _centred(own, weight) + self._by_ease(m, gain)
        return out

    @cached_property
    def sigma_influence(self) -> Floats:
        """Influence of items on sigma, (N,)."""
        if self.sigma_moves is not None:
            return self.sigma_moves
        sources, at, data = self.sources, self._expansion, self.sources.data
        hessian = self._source_hessian
        _, through, curvature = sigma_profile(data, at, hessian, self.several)
        moved = np.zeros(self.weights.size)
        for m in np.flatnonzero(self.several).tolist():
            weight = data.weights[m]
            gain = (weight * at.bend_mixed[m] * sources.theta[1, m])[:, None]
            own = np.where(weight > 0, at.score_sigma[m], 0.0)[:, None]
            moved += (_centred(own, weight) + self._by_ease(m, gain))[:, 0]
            moved += self._source_scores[m] @ through[m]
        return moved / curvature

    @cached_property
    def _source_hessian(self) -> Floats:
        """Curvature (M, 2, 2) of the equations of levels and slopes."""
        hessian = information(self.sources.data, self._expansion.bend)
        hessian[:, 1, 1] += 1.0 / self.sources.slopes.variance
        return hessian

    @cached_property
    def source_influence(self) -> Floats:
        """Influence of items on levels and slopes of the sources, (M, N, 2)."""
        data, at, slopes = self.sources.data, self._expansion, self.sources.slopes
        weight = data.weights * at.bend_mixed
        mixed = np.stack([weight.sum(axis=1), (weight * data.ease).sum(axis=1)], axis=1)
        free = self._source_scores + mixed[:, None, :] * self.sigma_influence[:, None]
        unshrunk = self._source_hessian.copy()
        unshrunk[:, 1, 1] -= 1.0 / slopes.variance
        values = np.linalg.solve(unshrunk, free.swapaxes(1, 2))[:, 1]
        free[:, :, 1] += slopes.pull_influence(
            self.sources.theta[1], values, np.zeros(values.shape)
        )
        return np.linalg.solve(self._source_hessian, free.swapaxes(1, 2)).swapaxes(1, 2)

    @cached_property
    def line_influence(self) -> tuple[Floats, Floats]:
        """Influence of items on the lines of the mean (M, N, 2) and of languages (M, L, N, 2)."""
        number, items, size = self.targets.accuracy.shape
        lines = _shrunk_influence(
            self._line_equations(np.arange(number), self.lines), self.lines, self.slopes, None
        )
        parts = [self._line_equations(np.array([m]), fit) for m, fit in enumerate(self.languages)]
        cells = self.asked
        model = np.nonzero(cells)[0]
        equations = LineEquations(
            *(np.stack(each)[cells] for each in zip(*(part.arrays for part in parts), strict=True))
        )
        theta, dispersion = (
            np.array([getattr(fit, name) for fit in self.languages])
            for name in ("theta", "dispersion")
        )
        theta[:, 1] -= self.lines.theta[1][:, None]
        flat = Lines(
            theta.swapaxes(0, 1)[:, cells],
            dispersion[cells],
            self.deviations.values,
            self.deviations.errors,
        )
        languages = np.full((number, size, items, 2), np.nan)
        languages[cells] = _shrunk_influence(equations, flat, self.deviations, lines[model, :, 1])
        return lines, languages

    def _line_equations(self, models: Ints, fit: Lines) -> LineEquations:
        """Equations of the lines of one model's languages, or one of each model's mean."""
        at = self.conditional(models)
        weight, size = at.weights, fit.theta.shape[1]
        own = at.equations(fit.theta)
        steps = [np.array([[_STEP], [0.0]]), np.array([[0.0], [_STEP]])]
        by_line = [
            self._change(at.equations(fit.theta + step), at.equations(fit.theta - step), weight)
            for step in steps
        ]
        by_source = [
            self._change(
                self.conditional(models, **{name: _STEP}).equations(fit.theta),
                self.conditional(models, **{name: -_STEP}).equations(fit.theta),
                weight,
            )
            for name in ("level", "slope", "sigma")
        ]
        curvature = -np.stack([change.sum(axis=1) for change, _ in by_line], axis=2)
        curvature[:, 0, 0] += fit.dispersion * LEVEL_PRECISION
        moved = _centred_columns(own.scores, weight).transpose(2, 1, 0)
        logs = np.stack(
            [
                _centred_columns(own.gain, weight) / own.information,
                _centred_columns(own.pearson, weight) / own.pearson_sum(weight),
            ]
        ).transpose(2, 1, 0)
        # All lines of one model share its source; means have one each.
        source = self.source_influence[models]
        sigma = np.broadcast_to(self.sigma_influence, source.shape[:2])
        for influence, (change, log) in zip(
            (source[:, :, 0], source[:, :, 1], sigma), by_source, strict=True
        ):
            moved = moved + influence[:, :, None] * change.sum(axis=1)[:, None]
            logs = logs + influence[:, :, None] * log[:, None]
        gain = by_source[0][0]
        for column, m in enumerate(models):
            lines = slice(None) if models.size == 1 else slice(column, column + 1)
            through = self._by_ease(
                int(m),
                self.sources.theta[1, m] * gain[lines].transpose(1, 0, 2).reshape(len(weight), -1),
            )
            moved[lines] += through.reshape(len(weight), -1, 2).transpose(1, 0, 2)
        bend = np.stack([log for _, log in by_line], axis=1).reshape(size, 2, 2)
        return LineEquations(moved, curvature, logs, bend)

    @staticmethod
    def _change(above: LineScores, below: LineScores, weight: Floats) -> tuple[Floats, Floats]:
        """Derivatives of weighted scores (C, N, 2), log information and dispersion (C, 2)."""
        scores = np.asarray(weight * (above.scores - below.scores) / (2.0 * _STEP))
        one, other = (
            np.stack([each.information, each.pearson_sum(weight)]) for each in (above, below)
        )
        return scores.transpose(2, 1, 0), np.log(one / other).T / (2.0 * _STEP)


@dataclass(frozen=True, slots=True, eq=False)
class LineEquations:
    """What items add to the equations of C lines, also through earlier stages, (C, N, 2).

    With the curvature of the equations (C, 2, 2), that of the shrinkage left out; what items add to
    the logarithms of the slope's information and of the dispersion (C, N, 2), and the derivatives
    of these by the line (C, 2, 2), its parameters first.
    """

    scores: Floats
    curvature: Floats
    logs: Floats
    bend: Floats

    @property
    def arrays(self) -> tuple[Floats, ...]:
        """The fields in their order."""
        return self.scores, self.curvature, self.logs, self.bend


def _centred(own: Floats, weight: Floats) -> Floats:
    """Scores (N, K) less their weighted mean, 0 where an item has no weight."""
    mean = weight @ own / max(float(weight.sum()), 1e-300)
    return np.where((weight > 0)[:, None], own - mean, 0.0)


def _centred_columns(own: Floats, weight: Floats) -> Floats:
    """The same of (..., N, C) with weights (N, C)."""
    mean = (weight * own).sum(axis=-2, keepdims=True) / np.maximum(weight.sum(axis=0), 1e-300)
    return np.where(weight > 0, own - mean, 0.0)


def _shrunk_influence(
    equations: LineEquations, lines: Lines, shrunk: Shrinkage, centre: Floats | None
) -> Floats:
    """Influence (C, N, 2) of items on C lines whose slopes are shrunk.

    The effects that are shrunk are the slopes of `lines`, less their centre if that moves too, by
    (C, N).
    """
    precision = lines.dispersion / shrunk.variance
    tied = equations.curvature.copy()
    tied[:, 1, 1] += precision
    held = np.linalg.solve(tied, equations.scores.swapaxes(1, 2)).swapaxes(1, 2)
    ratio = (shrunk.errors / shrunk.variance)[:, None]
    off = (lines.theta[1] - shrunk.mean)[:, None]
    found = held
    for _ in range(_ROUNDS):
        logs = equations.logs + found @ equations.bend
        information, dispersion = logs[:, :, 0], logs[:, :, 1]
        # Unshrunk values are slopes plus their pull over their information, which moves too.
        values = (1.0 + ratio) * held[:, :, 1] - ratio * off * information
        errors = shrunk.errors[:, None] * (dispersion - information)
        pull = shrunk.pull_influence(
            lines.theta[1], values if centre is None else values - centre, errors
        )
        pull -= dispersion * off / shrunk.variance
        if centre is not None:
            pull += centre / shrunk.variance
        total = equations.scores.copy()
        total[:, :, 1] += lines.dispersion[:, None] * pull
        found = np.linalg.solve(tied, total.swapaxes(1, 2)).swapaxes(1, 2)
    return found
