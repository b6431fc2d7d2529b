"""Gaussian cells with every effect integrated out: likelihood of the scales, and exact draws.

Estimates of source logits s and transfer logits t of a benchmark have a known joint covariance V:

    y_s = s + e_s,    y_t = t + beta (s - r) + e_t,    (e_s, e_t) ~ N(0, V),

with beta = 0 where items are known (there the profile was learnt within each model) and the slope
of target on source logits, at a fixed logit r, where only accuracies are. s and t are sums of
Gaussian effects and t has a residual of standard deviation sigma in each cell. Given the standard
deviations, beta and unknown covariates, everything else is Gaussian and is integrated out. In the
eigenbasis of Var(e_t | e_s) the residual only adds sigma^2 to the eigenvalues, so that a value of
the likelihood costs no more than the number of effects cubed, however many cells there are.

The gradient is the posterior mean of that of the complete-data log-likelihood (Fisher's identity;
Louis 1982, JRSS B 44:226-233). Once the scales are drawn, effects are drawn from their exact
conditional distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from hatstats.bayes.effects import Effects
from hatstats.bayes.kernel import Factor, Solution, Stacked, factor, solve

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CellEstimates:
    """Estimates of one benchmark and their covariance.

    Attributes
    ----------
    source, source_cov : ndarray, shapes (M,), (M, M)
        Source logits.
    transfer, cov : ndarray, shapes (C,), (M + C, M + C)
        Target logits of the cells; covariance of both, sources first.
    by_line : bool
        Whether cells were seen at their model's own source logit, so that the slope beta brings
        them to the reference.
    centre : float
        Source logit r of the reference.
    """

    source: Floats
    transfer: Floats
    cov: Floats
    by_line: bool
    centre: float


@dataclass(frozen=True, slots=True, eq=False)
class _Rotated:
    """A benchmark in the eigenbasis of the cells' error given the sources' errors."""

    vectors: Floats
    values: Floats
    outcome: Floats
    fixed: Floats
    by_line: Floats
    precision: Floats

    @classmethod
    def of(cls, part: CellEstimates, effects: Effects, b: int) -> _Rotated:
        unit = effects.units[b]
        m, c = part.source.size, part.transfer.size
        precision = np.linalg.inv(part.cov[:m, :m])
        carried = part.cov[m:, :m] @ precision
        left = part.cov[m:, m:] - carried @ part.cov[:m, m:]
        values, vectors = np.linalg.eigh(0.5 * (left + left.T))
        members = vectors.T @ np.eye(m)[unit.cell_model]
        languages = np.eye(len(unit.languages))[unit.cell_language]
        width = effects.starts[b + 1] - effects.rows(b, "pair").start
        pair = np.eye(width)[effects.pairs[b]] if width else np.zeros((c, 0))
        others = vectors.T @ np.column_stack([languages, pair])
        return cls(
            vectors=vectors,
            values=np.maximum(values, 1e-12 * max(values.max(initial=0.0), 1e-12)),
            outcome=vectors.T @ (part.transfer - carried @ part.source),
            fixed=np.column_stack([-vectors.T @ carried, members, others]),
            by_line=np.column_stack([members, np.zeros((c, m + others.shape[1]))])
            * float(part.by_line),
            precision=0.5 * (precision + precision.T),
        )


def _stack(parts: Sequence[CellEstimates], rotated: Sequence[_Rotated]) -> Stacked:
    """Benchmarks under one another, padded with zeros."""
    width = max(part.fixed.shape[1] for part in rotated)
    models = max(part.source.size for part in parts)

    def padded(values: Floats, columns: int) -> Floats:
        return np.pad(values, ((0, 0), (0, columns - values.shape[1])))

    sizes = [
        (p.transfer.size, p.source.size, r.fixed.shape[1])
        for p, r in zip(parts, rotated, strict=True)
    ]
    return Stacked(
        values=np.concatenate([part.values for part in rotated]),
        outcome=np.concatenate([part.outcome for part in rotated]),
        fixed=np.concatenate([padded(part.fixed, width) for part in rotated]),
        by_line=np.concatenate([padded(part.by_line, width) for part in rotated]),
        source=np.concatenate([part.source for part in parts]),
        precision=np.concatenate([padded(part.precision, models) for part in rotated]),
        log_det=-float(sum(np.linalg.slogdet(part.precision)[1] for part in rotated)),
        centre=np.array([part.centre for part in parts], dtype=float),
        starts=np.concatenate([[(0, 0, 0)], np.cumsum(sizes, axis=0)]).astype(np.int64),
    )


def back_substituted(root: Floats, sides: Floats) -> Floats:
    """``root^-T sides`` for a lower triangular root."""
    return np.asarray(
        linalg.solve_triangular(root, sides, lower=True, trans="T", check_finite=False)
    )


@dataclass(frozen=True, slots=True, eq=False)
class Scales:
    """What the marginal likelihood is a function of.

    Attributes
    ----------
    deviations : ndarray, shape (g,)
        Standard deviations of the scaled groups.
    cell : float
        Standard deviation sigma of what is left in a cell.
    slopes : ndarray, shape (B,)
        beta of each benchmark; 0 where items are known.
    unknown : ndarray, shape (u,)
        Standardised covariates that are parameters.
    """

    deviations: Floats
    cell: float
    slopes: Floats
    unknown: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """One draw of everything, given the scales.

    Attributes
    ----------
    effects : ndarray, shape (n,)
        In logits.
    source : list of ndarray, each (M_b,)
    transfer : list of ndarray, each (M_b, L_b)
        Cells that were not seen are predicted.
    log_prior : float
        Log prior density, up to a constant, of the effects whose scales are fixed.
    log_likelihood : float
        Log density of the data given these effects and the scales.
    """

    effects: Floats
    source: list[Floats]
    transfer: list[Floats]
    log_prior: float
    log_likelihood: float


@dataclass(frozen=True, slots=True, eq=False)
class MarginalCells:
    """Marginal likelihood of cell estimates.

    Attributes
    ----------
    effects : Effects
    parts : tuple of CellEstimates
    """

    effects: Effects
    parts: tuple[CellEstimates, ...]
    rotated: tuple[_Rotated, ...]
    stacked: Stacked

    @classmethod
    def of(cls, effects: Effects, parts: Sequence[CellEstimates]) -> MarginalCells:
        """Prepare the eigenbases."""
        rotated = tuple(_Rotated.of(part, effects, b) for b, part in enumerate(parts))
        return cls(effects, tuple(parts), rotated, _stack(parts, rotated))

    def _given(self, scales: Scales) -> tuple[Stacked, Floats, Floats, Floats, float, Floats]:
        """Arguments of the arithmetic."""
        effects = self.effects
        return (
            self.stacked,
            effects.with_unknown(scales.unknown),
            effects.deviations(scales.deviations),
            effects.prior_mean(),
            scales.cell,
            scales.slopes,
        )

    def factor(self, scales: Scales) -> Factor:
        """Integrate the effects out at given scales, without derivatives."""
        return Factor(*factor(*self._given(scales)))

    def solve(self, scales: Scales) -> Solution:
        """Integrate the effects out at given scales."""
        return Solution(*solve(*self._given(scales)))

    def value_and_gradient(self, scales: Scales) -> tuple[float, Scales]:
        """Log marginal likelihood, and its derivatives in the shape of its argument."""
        effects, solved = self.effects, self.solve(scales)
        unknown = np.zeros(len(effects.unknown))
        if unknown.size:
            deviations = effects.deviations(scales.deviations)
            effect = effects.prior_mean() + deviations * solved.mean
            moved = solved.spent @ (effects.with_unknown(scales.unknown) * deviations)
            for place, (rows, columns) in enumerate(effects.unknown_at):
                removed = deviations[columns] * moved[rows, columns]
                unknown[place] = (solved.left[rows] * effect[columns] - removed).sum()
        return solved.value, Scales(
            effects.per_group(solved.by_effect), solved.by_cell, solved.slopes, unknown
        )

    def draw(self, scales: Scales, rng: np.random.Generator) -> Drawn:
        """Exact draw of effects, source and transfer logits given the scales and the data."""
        effects, found = self.effects, self.factor(scales)
        root = found.root
        noise = rng.standard_normal(found.pulled.size)
        mean, moved = back_substituted(root, np.column_stack([found.pulled, noise])).T
        standard = mean + moved
        # What the likelihood is when means and trends are given instead of integrated out.
        fixed = effects.fixed
        inverse_root = linalg.solve_triangular(
            root, np.eye(len(root))[:, fixed], lower=True, check_finite=False
        )
        cov = inverse_root.T @ inverse_root
        away = moved[fixed]
        log_given = -0.5 * float(away @ np.linalg.solve(cov, away) + np.linalg.slogdet(cov)[1])
        log_prior = -0.5 * float(standard[fixed] @ standard[fixed])
        drawn = effects.prior_mean() + effects.deviations(scales.deviations) * standard
        rows = effects.with_unknown(scales.unknown) @ drawn
        source, transfer = self._cells(rows, scales, rng)
        for b, part in enumerate(self.rotated):
            here = rows[effects.starts[b] : effects.starts[b + 1]]
            beta, weight = scales.slopes[b], 1.0 / (part.values + scales.cell**2)
            shift = part.by_line.sum(axis=1) * beta * self.parts[b].centre
            residual = part.outcome + shift - (part.fixed + beta * part.by_line) @ here
            own = scales.cell**2 * weight * residual
            own = own + scales.cell * np.sqrt(part.values * weight) * rng.standard_normal(own.size)
            at = effects.units[b].cell_model, effects.units[b].cell_language
            transfer[b][at] = self._level(rows, b) + part.vectors @ own
        return Drawn(drawn, source, transfer, log_prior, found.value + log_given - log_prior)

    def draw_prior(self, scales: Scales, rng: np.random.Generator) -> Drawn:
        """Draw of effects, source and transfer logits given the scales, whatever the data."""
        effects = self.effects
        standard = rng.standard_normal(effects.matrix.shape[1])
        drawn = effects.prior_mean() + effects.deviations(scales.deviations) * standard
        rows = effects.with_unknown(scales.unknown) @ drawn
        source, transfer = self._cells(rows, scales, rng)
        for b, unit in enumerate(effects.units):
            at = unit.cell_model, unit.cell_language
            own = scales.cell * rng.standard_normal(unit.cell_model.size)
            transfer[b][at] = self._level(rows, b) + own
        return Drawn(drawn, source, transfer, np.nan, np.nan)

    def _level(self, rows: Floats, b: int) -> Floats:
        """Transfer logits of the cells that were seen, without what is their own, (C,)."""
        effects, unit = self.effects, self.effects.units[b]
        level = rows[effects.rows(b, "model")][unit.cell_model]
        level = level + rows[effects.rows(b, "language")][unit.cell_language]
        if effects.pairs[b].size:
            level = level + rows[effects.rows(b, "pair")][effects.pairs[b]]
        return np.asarray(level)

    def _cells(
        self, rows: Floats, scales: Scales, rng: np.random.Generator
    ) -> tuple[list[Floats], list[Floats]]:
        """Source logits (M_b,) and transfer logits (M_b, L_b) as if no cell had been seen."""
        effects = self.effects
        source, transfer = [], []
        for b in range(len(effects.units)):
            level = rows[effects.rows(b, "model")][:, None] + rows[effects.rows(b, "language")]
            source.append(rows[effects.rows(b, "source")])
            transfer.append(level + scales.cell * rng.standard_normal(level.shape))
        return source, transfer
