"""Gaussian cells with all effects integrated out: likelihood of the scales, and exact draws.

Estimates of source logits s and transfer logits t of a benchmark have a known joint covariance V:

    y_s = s + e_s,    y_t = t + beta (s - r) + e_t,    (e_s, e_t) ~ N(0, V),

with beta = 0 where items are known (there the profile was learnt within each model) and the slope
of target on source logits, at a fixed logit r, where only accuracies are. s and t are sums of
Gaussian effects and t has a residual of standard deviation sigma in each cell. Given the standard
deviations and beta, everything else is Gaussian and is integrated out. In the eigenbasis of
Var(e_t | e_s) the residual only adds sigma^2 to the eigenvalues, so that a value of the likelihood
costs no more than the number of effects cubed, however many cells there are.

The gradient is the posterior mean of that of the complete-data log-likelihood (Fisher's identity;
Louis 1982, JRSS B 44:226-233). Once the scales are drawn, effects are drawn from their exact
conditional distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize, special

from hatstats.bayes.effects import Effects
from hatstats.bayes.kernel import Factor, Solution, Stacked, factor, solve
from hatstats.bayes.options import Priors
from hatstats.inference.arrays import Floats, Ints
from hatstats.inference.linalg import cholesky_inverse


@dataclass(frozen=True, slots=True, eq=False)
class CellEstimates:
    """Estimates of one benchmark and their covariance."""

    source: Floats  # (M,) source logits
    transfer: Floats  # (C,) target logits of the cells
    cov: Floats  # (M + C, M + C) covariance of both, sources first
    # whether cells were observed at their model's own source logit, so that the slope beta brings
    # them to the reference
    by_line: bool
    centre: float  # source logit r of the reference
    # (M + C,) logits at which accuracies were linearised; None where estimates are logits
    point: Floats | None = None

    def shares(self, logits: Floats) -> Floats:
        """Accuracies above chance (..., M + C) that estimates on the logit scale stand for."""
        if self.point is None:
            return np.asarray(special.expit(logits))
        share = special.expit(self.point)
        return np.asarray(share + share * (1.0 - share) * (logits - self.point))

    def replicated(self, true: Floats, noise: Floats) -> Floats:
        """Estimates (D, M + C) at true logits and errors on the logit scale of the estimates."""
        if self.point is None:
            return true + noise
        share = special.expit(self.point)
        moved = (special.expit(true) - share) / (share * (1.0 - share))
        return np.asarray(self.point + moved + noise)


def _stack(effects: Effects, parts: Sequence[CellEstimates]) -> tuple[Stacked, tuple[Floats, ...]]:
    """Benchmarks in the eigenbases of the cells' errors given the sources', and these (C_b, C_b).

    Under one another, padded with zeros.
    """
    bases, found, log_det = list[Floats](), list[tuple[Floats, ...]](), 0.0
    for unit, part in zip(effects.units, parts, strict=True):
        m, c = part.source.size, part.transfer.size
        precision = np.linalg.inv(part.cov[:m, :m])
        regression = part.cov[m:, :m] @ precision
        conditional = part.cov[m:, m:] - regression @ part.cov[:m, m:]
        values, vectors = np.linalg.eigh(0.5 * (conditional + conditional.T))
        variances = np.maximum(values, 1e-12 * max(values.max(initial=0.0), 1e-12))
        outcome = vectors.T @ (part.transfer - regression @ part.source)
        members = vectors.T @ np.eye(m)[unit.cell_model]
        languages = vectors.T @ np.eye(len(unit.languages))[unit.cell_language]
        fixed = np.column_stack([-vectors.T @ regression, members, languages])
        by_line = np.column_stack([members, np.zeros((c, m + languages.shape[1]))]) * part.by_line
        precision = 0.5 * (precision + precision.T)
        log_det -= np.linalg.slogdet(precision)[1]
        bases.append(vectors)
        found.append((variances, outcome, fixed, by_line, part.source, precision))

    def padded(column: int) -> Floats:
        width = max(each[column].shape[1] for each in found)
        rows = [each[column] for each in found]
        return np.concatenate([np.pad(x, ((0, 0), (0, width - x.shape[1]))) for x in rows])

    sizes = [(own[0].size, own[4].size, own[2].shape[1]) for own in found]
    stacked = Stacked(
        variances=np.concatenate([each[0] for each in found]),
        outcome=np.concatenate([each[1] for each in found]),
        fixed=padded(2),
        by_line=padded(3),
        source=np.concatenate([part.source for part in parts]),
        precision=padded(5),
        log_det=np.array(log_det, dtype=float),
        centre=np.array([part.centre for part in parts], dtype=float),
        starts=np.concatenate([[(0, 0, 0)], np.cumsum(sizes, axis=0)]).astype(np.int64),
    )
    return stacked, tuple(bases)


@dataclass(frozen=True, slots=True, eq=False)
class Scales:
    """Arguments of the marginal likelihood."""

    deviations: Floats  # (g,) standard deviations of the scaled groups
    cell: float  # standard deviation sigma of the residual of a cell
    slopes: Floats  # (B,) beta of each benchmark; 0 where items are known


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """One draw of everything, given the scales."""

    effects: Floats  # (n,) in logits
    source: list[Floats]  # (M_b,)
    level: list[Floats]  # (M_b, L_b) transfer logits that the effects alone predict
    transfer: list[Floats]  # (M_b, L_b) unobserved cells are predicted
    log_prior: float  # log prior density, up to a constant, of the effects whose scales are fixed
    log_likelihood: float  # log density of the data given these effects and the scales


@dataclass(frozen=True, slots=True, eq=False)
class MarginalCells:
    """Marginal likelihood of cell estimates."""

    effects: Effects
    parts: tuple[CellEstimates, ...]
    stacked: Stacked
    bases: tuple[Floats, ...]

    @classmethod
    def of(cls, effects: Effects, parts: Sequence[CellEstimates]) -> MarginalCells:
        """Prepare the eigenbases."""
        return cls(effects, tuple(parts), *_stack(effects, parts))

    def _arguments(self, scales: Scales) -> tuple[Stacked, Floats, Floats, float, Floats]:
        """Arguments of the compiled functions."""
        return (
            self.stacked,
            self.effects.matrix,
            self.effects.deviations(scales.deviations),
            scales.cell,
            scales.slopes,
        )

    def factor(self, scales: Scales) -> Factor:
        """Integrate the effects out at given scales, without derivatives."""
        return Factor(*factor(*self._arguments(scales)))

    def solve(self, scales: Scales) -> Solution:
        """Integrate the effects out at given scales, with derivatives."""
        return Solution(*solve(*self._arguments(scales)))

    def draw(self, scales: Scales, rng: np.random.Generator) -> Drawn:
        """Exact draw of effects, source and transfer logits given the scales and the data."""
        effects, found = self.effects, self.factor(scales)
        root = found.root
        noise = rng.standard_normal(found.whitened.size)
        sides = np.column_stack([found.whitened, noise])
        solved: Floats = linalg.solve_triangular(
            root, sides, lower=True, trans="T", check_finite=False
        )
        standard, deviation = solved.sum(axis=1), solved[:, 1]
        # The likelihood given means and trends, which the marginal one integrates out.
        fixed = effects.fixed_columns
        inverse_root = linalg.solve_triangular(
            root, np.eye(len(root))[:, fixed], lower=True, check_finite=False
        )
        cov = inverse_root.T @ inverse_root
        fixed_deviation = deviation[fixed]
        distance = fixed_deviation @ np.linalg.solve(cov, fixed_deviation)
        log_given = -0.5 * float(distance + np.linalg.slogdet(cov)[1])
        log_prior = -0.5 * float(standard[fixed] @ standard[fixed])
        drawn = effects.deviations(scales.deviations) * standard
        rows = effects.matrix @ drawn
        source, level, transfer = self._cells(rows, scales, rng)
        starts = self.stacked.starts
        for b, (unit, basis) in enumerate(zip(effects.units, self.bases, strict=True)):
            cells, own = slice(*starts[b : b + 2, 0]), rows[slice(*starts[b : b + 2, 2])]
            residual = found.outcome[cells] - found.loading[cells, : own.size] @ own
            weight = 1.0 / found.total[cells]
            sd = scales.cell * np.sqrt(self.stacked.variances[cells] * weight)
            cell = scales.cell**2 * weight * residual + sd * rng.standard_normal(sd.size)
            estimated = effects.cell_rows(rows, b) + basis @ cell
            transfer[b][unit.cell_model, unit.cell_language] = estimated
        log_likelihood = found.value + log_given - log_prior
        return Drawn(drawn, source, level, transfer, log_prior, log_likelihood)

    def draw_prior(self, scales: Scales, rng: np.random.Generator) -> Drawn:
        """Draw of effects, source and transfer logits given the scales only."""
        effects = self.effects
        standard = rng.standard_normal(effects.matrix.shape[1])
        drawn = effects.deviations(scales.deviations) * standard
        rows = effects.matrix @ drawn
        return Drawn(drawn, *self._cells(rows, scales, rng), np.nan, np.nan)

    def _cells(
        self, rows: Floats, scales: Scales, rng: np.random.Generator
    ) -> tuple[list[Floats], list[Floats], list[Floats]]:
        """`source`, `level` and `transfer` of a draw as if no cell had been observed."""
        effects, units = self.effects, range(len(self.effects.units))
        source = [rows[effects.rows(b, "source")] for b in units]
        level = [
            rows[effects.rows(b, "model")][:, None] + rows[effects.rows(b, "language")]
            for b in units
        ]
        transfer = [part + scales.cell * rng.standard_normal(part.shape) for part in level]
        return source, level, transfer

    def dense(self, scales: Scales) -> tuple[Floats, Floats]:
        """Covariance (N, N) and mean (N,) of all estimates: source, then cells, by benchmark."""
        effects = self.effects
        matrix = effects.matrix * effects.deviations(scales.deviations)
        rows, means, noise = [], [], []
        for b, (unit, part) in enumerate(zip(effects.units, self.parts, strict=True)):
            source, cells = matrix[effects.rows(b, "source")], effects.cell_rows(matrix, b)
            beta = scales.slopes[b]
            rows += [source, cells + beta * source[unit.cell_model]]
            means += [np.zeros(len(source)), np.full(len(cells), -beta * part.centre)]
            residual = np.repeat([0.0, scales.cell**2], [len(source), len(cells)])
            noise.append(part.cov + np.diag(residual))
        loading = np.concatenate(rows)
        return loading @ loading.T + linalg.block_diag(*noise), np.concatenate(means)

    def fitted(self, scales: Scales) -> list[Floats]:
        """Posterior means of the logits that were estimated, (M + C,) for each benchmark."""
        cov, mean = self.dense(scales)
        outcome = np.concatenate([np.r_[part.source, part.transfer] for part in self.parts])
        weighted = linalg.solve(cov, outcome - mean, assume_a="pos")
        sizes = np.cumsum([len(part.cov) for part in self.parts])[:-1]
        return [
            np.r_[part.source, part.transfer] - part.cov @ one
            for part, one in zip(self.parts, np.split(weighted, sizes), strict=True)
        ]

    def leave_out(self, draws: Sequence[Scales]) -> Floats:
        """Log density of each cell given all other estimates, (D, C), for D draws of the scales.

        Integrated effects make cells dependent given the scales. For a Gaussian with inverse
        covariance Q and residuals r, a held-out estimate has conditional precision ``Q_ii`` and
        residual ``(Q r)_i / Q_ii`` given the rest (Bürkner, Gabry and Vehtari 2021, Comput Stat
        36:1243-1261). These are the terms that PSIS-LOO reweights.
        """
        y = np.concatenate([np.r_[part.source, part.transfer] for part in self.parts])
        sizes = [size for part in self.parts for size in (part.source.size, part.transfer.size)]
        cells = np.flatnonzero(np.repeat(np.tile([False, True], len(self.parts)), sizes))
        found = np.empty((len(draws), cells.size))
        for draw, scales in enumerate(draws):
            cov, mean = self.dense(scales)
            inverse = cholesky_inverse(linalg.cholesky(cov, lower=True))
            precision = np.diag(inverse)[cells]
            residual = (inverse @ (y - mean))[cells]
            found[draw] = 0.5 * (np.log(precision) - residual**2 / precision - np.log(2.0 * np.pi))
        return found


@dataclass(frozen=True, slots=True, eq=False)
class LogPosterior:
    """Log posterior density of the scales in NumPy, with its gradient: what nutpie walks on.

    A point (k + L,) holds k log standard deviations and L slopes. It is the density of the PyMC
    model of `hatstats.bayes.model`, to which a test holds it.
    """

    marginal: MarginalCells
    names: tuple[str, ...]  # of the k standard deviations
    deviation: Floats  # (k,) scales of their half-normal priors
    lines: Ints  # (L,) benchmarks with a line
    line: float  # standard deviation of their normal prior

    @classmethod
    def of(cls, marginal: MarginalCells, priors: Priors) -> LogPosterior:
        """The density of a study's cells."""
        groups = marginal.effects.scaled
        names = (*(f"sd_{group.name}" for group in groups), "sd_cell")
        deviation = np.array([*(group.scale for group in groups), priors.cell])
        lines = np.flatnonzero([part.by_line for part in marginal.parts])
        return cls(marginal, names, deviation, lines, priors.line)

    def start(self) -> Floats:
        """Logarithms of the priors' scales, and slopes of 1."""
        return np.concatenate([np.log(self.deviation), np.ones(self.lines.size)])

    def named(self, point: Floats) -> dict[str, Floats]:
        """Parameters of a point by the names of the PyMC model."""
        scales, line = np.split(point, [len(self.names)])
        out = {name: np.asarray(v) for name, v in zip(self.names, np.exp(scales), strict=True)}
        return out | ({"line": line} if line.size else {})

    def scales(self, point: Floats) -> Scales:
        """Arguments of the marginal likelihood at a point."""
        k = len(self.names)
        sd, slopes = np.exp(point[:k]), np.zeros(len(self.marginal.effects.units))
        slopes[self.lines] = point[k:]
        return Scales(sd[:-1], float(sd[-1]), slopes)

    def mode(self) -> Scales:
        """The scales of highest density."""

        def negative(point: Floats) -> tuple[float, Floats]:
            value, gradient = self(point)
            return -value, -gradient

        found = optimize.minimize(negative, self.start(), jac=True, method="L-BFGS-B")
        return self.scales(found.x)

    def __call__(self, point: Floats) -> tuple[float, Floats]:
        """Value and gradient; -inf where the covariance cannot be factored."""
        k, effects, scales = len(self.names), self.marginal.effects, self.scales(point)
        sd = np.r_[scales.deviations, scales.cell]
        try:
            found = self.marginal.solve(scales)
        except np.linalg.LinAlgError:
            return -np.inf, np.zeros_like(point)
        by_sd = [found.by_deviation[group.columns].sum() for group in effects.scaled]
        # Distances from the prior means in prior standard deviations.
        ratio, moved = sd / self.deviation, (point[k:] - 1.0) / self.line
        standard = np.concatenate([ratio, moved])
        total = found.value + point[:k].sum() - 0.5 * (standard @ standard)
        total -= np.log(self.deviation / 2.0).sum() + 0.5 * np.log(2.0 * np.pi) * standard.size
        total -= moved.size * np.log(self.line)
        gradient = np.concatenate(
            [
                sd * np.array([*by_sd, found.by_cell]) + 1.0 - ratio**2,
                found.by_slope[self.lines] - moved / self.line,
            ]
        )
        return float(total), gradient
