"""The count rung with every likelihood replaced by the normal one that fits it at its maximum.

Given the scales sigma this model is linear and Gaussian in the effects E (means of the cells'
other parameters included) and in the parameters phi_b of each block (model and benchmark):

    E ~ N(m, D),   phi_b ~ N(X_b E, S_b),   likelihood exp(-1/2 (phi_b - h_b)' P_b (phi_b - h_b)).

So E and phi can be integrated out, or drawn, exactly. That makes it a proposal for the model
whose likelihoods are the exact ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from hatstats.bayes.alike import Alike, half_beside, stacked
from hatstats.bayes.count_blocks import BinomialBlock, JointBlock
from hatstats.bayes.count_density import CountDensity
from hatstats.bayes.target import half_normal
from hatstats.inference.linalg import inverses

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


# Without slots, so that what is worked out later can be kept.
@dataclass(frozen=True, eq=False)
class Solved:
    """The surrogate at given scales.

    Attributes
    ----------
    value : float
        Log marginal likelihood of the scales, up to a constant.
    gradient : ndarray, shape (s,) or None
        Its derivative in the scales, if asked for.
    noise : ndarray, shape (K,)
        Variances S of the cells' parameters around the effects.
    variance : ndarray, shape (n,)
        D.
    mean : ndarray, shape (n,)
        Posterior mean of E.
    root : ndarray, shape (n, n)
        Lower Cholesky factor of its posterior precision.
    alike : list of Alike
    """

    value: float
    gradient: Floats | None
    noise: Floats
    variance: Floats
    mean: Floats
    root: Floats
    alike: list[Alike]

    @cached_property
    def roots(self) -> list[Floats]:
        """Lower Cholesky factors of the precisions of phi_b given E, each (g, d, d)."""
        return [
            np.linalg.cholesky(_with_diagonal(part.precision, 1.0 / self.noise[part.rows]))
            for part in self.alike
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Surrogate:
    """The Gaussian model beside a `CountDensity` whose benchmarks all have items.

    Attributes
    ----------
    blocks : list of (JointBlock, ndarray of int)
        Every block with the places of its coordinates; -1 where one is held at 0.
    alike : list of Alike
    scales : ndarray, shape (s,)
        Scales of the half-normal priors of sigma.
    of_effect : ndarray of int, shape (n,)
        Which sigma is the standard deviation of an effect; -1 where it is `fixed`.
    of_cell : ndarray of int, shape (K,)
    fixed, mean : ndarray, shape (n,)
        Prior standard deviations that are given, and prior means.
    load : sparse array, shape (K, n)
        X.
    """

    blocks: list[tuple[JointBlock, Ints]]
    alike: list[Alike]
    scales: Floats
    of_effect: Ints
    of_cell: Ints
    fixed: Floats
    mean: Floats
    load: Any

    @classmethod
    def of(cls, model: CountDensity) -> Surrogate:
        """Lay out the blocks of a density."""
        groups, scaled = len(model.effects.scaled), model.effects.scaled
        parameters = model.density.parameters[: groups + 1 + len(model.others)]
        position = np.full(model.effects.matrix.shape[1], -1, dtype=np.intp)
        for place, group in enumerate(scaled):
            position[group.columns] = place
        given = model.effects.deviations(np.ones(groups))
        means = [p for p in model.density.parameters if p.name.startswith("mean_")]
        kept, cells = model.kept, model.parts[-1].at.stop
        count = kept.size + sum(p.size for p in means)
        load = np.zeros((cells, count))
        source, transfer = model.parts[:2]
        load[: transfer.at.stop, : kept.size] = model.incidence @ model.effects.matrix[:, kept]
        of_cell = np.empty(cells, dtype=np.intp)
        of_cell[source.at], of_cell[transfer.at] = scaled.index(model.finest), groups
        at = kept.size
        for place, (part, mean) in enumerate(zip(model.others, means, strict=True)):
            load[np.arange(part.at.start, part.at.stop), at + model.of_unit[part.unit]] = 1.0
            of_cell[part.at] = groups + 1 + place
            at += mean.size
        blocks = []
        for own, takes in zip(model.blocks, model.takes, strict=True):
            assert not isinstance(own, BinomialBlock)
            blocks += list(zip(own, takes, strict=True))
        return cls(
            blocks,
            stacked(blocks, load),
            np.array([p.scale for p in parameters]),
            np.concatenate([position[kept], np.full(count - kept.size, -1, dtype=np.intp)]),
            of_cell,
            np.concatenate([given[kept], *(np.full(p.size, p.scale) for p in means)]),
            np.concatenate(
                [model.effects.prior_mean()[kept], *(np.full(p.size, p.mean) for p in means)]
            ),
            sparse.csr_array(load),
        )

    def deviations(self, sigma: Floats) -> tuple[Floats, Floats]:
        """Standard deviations of all effects (n,) and of all cells' parameters (K,)."""
        own = np.where(self.of_effect >= 0, sigma[np.maximum(self.of_effect, 0)], self.fixed)
        return own, sigma[self.of_cell]

    def solve(self, sigma: Floats, *, slopes: bool = False) -> Solved:
        """Integrate E and phi out at the scales sigma (s,); with derivatives if wanted."""
        deviation, spread = self.deviations(sigma)
        variance, noise = deviation**2, spread**2
        precision = np.diag(1.0 / variance)
        pulled, value = np.zeros(variance.size), -float(np.log(deviation).sum())
        middles, moved = [], []
        for part in self.alike:
            # (P^-1 + S)^-1 = C (1 + C' S C)^-1 C': what is inverted is never near singular.
            scaled = part.half * spread[part.rows][..., None]
            root = np.linalg.cholesky(_with_diagonal(scaled.mT @ scaled, np.ones(part.rows.shape)))
            inverse = inverses(root)
            away = part.half.mT @ (part.hat - part.prior_mean(self.mean))[..., None]
            carried = inverse @ part.turned
            precision += part.onto_pairs(part.turned.mT @ carried, variance.size)
            np.add.at(pulled, part.columns, (carried.mT @ away)[..., 0])
            value -= float(np.log(np.diagonal(root, axis1=1, axis2=2)).sum())
            value -= 0.5 * float((away * (inverse @ away)).sum())
            middles.append(inverse)
            moved.append(carried)
        root = linalg.cholesky(precision, lower=True, check_finite=False)
        mean = linalg.cho_solve((root, True), pulled, check_finite=False)
        value += 0.5 * float(pulled @ mean) - float(np.log(np.diag(root)).sum())
        gradient = None
        if slopes:
            gradient = self._slopes(sigma, variance, mean, root, (middles, moved))
        return Solved(value, gradient, noise, variance, self.mean + mean, root, self.alike)

    def _slopes(
        self,
        sigma: Floats,
        variance: Floats,
        mean: Floats,
        root: Floats,
        solved: tuple[list[Floats], list[Floats]],
    ) -> Floats:
        """Derivative of the log marginal likelihood in the scales, (s,)."""
        cov = linalg.cho_solve((root, True), np.eye(len(root)), check_finite=False)
        out = np.zeros(sigma.size)
        free = self.of_effect >= 0
        by_variance = mean**2 / variance**2 - 1.0 / variance + np.diag(cov) / variance**2
        np.add.at(out, self.of_effect[free], by_variance[free])
        for part, inverse, moved in zip(self.alike, *solved, strict=True):
            away = part.half.mT @ (part.hat - part.prior_mean(self.mean + mean))[..., None]
            left = (part.half @ (inverse @ away))[..., 0]
            carried = part.half @ moved
            own = cov[part.columns[:, :, None], part.columns[:, None, :]]
            by_noise = left**2 - ((part.half @ inverse) * part.half).sum(axis=2)
            by_noise = by_noise + ((carried @ own) * carried).sum(axis=2)
            np.add.at(out, self.of_cell[part.rows], by_noise)
        return out * sigma

    def sigma(self, x: Floats) -> Floats:
        """Scales at coordinates x (s,)."""
        return half_normal(x)[0] * self.scales

    def at(self, x: Floats) -> Solved:
        """`solve` at the scales' coordinates x (s,)."""
        return self.solve(self.sigma(x))

    def target(self, x: Floats) -> tuple[float, Floats]:
        """Log posterior density of the scales' coordinates x (s,), and its gradient."""
        standard, stretch = half_normal(x)
        solved = self.solve(standard * self.scales, slopes=True)
        assert solved.gradient is not None
        return solved.value - 0.5 * float(x @ x), solved.gradient * stretch * self.scales - x

    def effects(self, solved: Solved, z: Floats) -> Floats:
        """E at standardised coordinates z (n,) of its posterior given the scales."""
        step = linalg.solve_triangular(solved.root, z, lower=True, trans="T", check_finite=False)
        return np.asarray(solved.mean + step)

    def effects_given(self, solved: Solved, phi: Floats, z: Floats) -> Floats:
        """Draw of E given phi (K,) and the scales, from standard normal z (n,)."""
        weighted = sparse.diags_array(1.0 / solved.noise) @ self.load
        precision = (self.load.T @ weighted).toarray()
        precision[np.diag_indices_from(precision)] += 1.0 / solved.variance
        root = linalg.cholesky(precision, lower=True, check_finite=False)
        pulled = weighted.T @ phi + self.mean / solved.variance
        mean = linalg.cho_solve((root, True), pulled, check_finite=False)
        return np.asarray(
            mean + linalg.solve_triangular(root, z, lower=True, trans="T", check_finite=False)
        )

    def standardised(self, solved: Solved, effects: Floats, phi: Floats) -> tuple[Floats, Floats]:
        """Coordinates z of E (n,) and of phi (K,): the inverse of `effects` and `cells`."""
        z = np.empty(phi.size)
        centre = self._centre(solved, effects)
        for part, root in zip(self.alike, solved.roots, strict=True):
            away = phi[part.rows] - centre[part.rows]
            z[part.rows] = np.einsum("ged,ge->gd", root, away)
        return solved.root.T @ (effects - solved.mean), z

    def cells(self, solved: Solved, effects: Floats, z: Floats) -> Floats:
        """Inverse of `standardised`: phi (K,) at coordinates z, given E and the scales."""
        phi = self._centre(solved, effects)
        for part, root in zip(self.alike, solved.roots, strict=True):
            phi[part.rows] += np.linalg.solve(root.mT, z[part.rows][..., None])[..., 0]
        return phi

    def draw(self, solved: Solved, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Draw of E (n,) and phi (K,) from the surrogate's posterior given the scales."""
        effects = self.effects(solved, rng.standard_normal(solved.mean.size))
        return effects, self.cells(solved, effects, rng.standard_normal(self.of_cell.size))

    def _centre(self, solved: Solved, effects: Floats) -> Floats:
        """Posterior mean of phi given E."""
        prior = self.load @ effects
        out = np.empty(prior.size)
        for part, root in zip(self.alike, solved.roots, strict=True):
            pulled = np.einsum("gde,ge->gd", part.precision, part.hat)
            pulled += prior[part.rows] / solved.noise[part.rows]
            half = np.linalg.solve(root, pulled[..., None])
            out[part.rows] = np.linalg.solve(root.mT, half)[..., 0]
        return out

    def expanded(self, phi: Floats) -> Surrogate:
        """The surrogate whose likelihoods have value, slope and bend of the exact ones at phi."""
        hat = np.empty(phi.size)
        halves = []
        for one, take in self.blocks:
            free = take >= 0
            at = np.where(free, phi[np.maximum(take, 0)], 0.0)
            slope, bend = one.expansion(at)
            among = np.ix_(free, free)
            half = half_beside(bend[among], one.maximum[1][among])
            hat[take[free]] = at[free] + np.linalg.solve(half @ half.T, slope[free])
            halves.append(half)
        alike = [
            replace(part, hat=hat[part.rows], half=np.array([halves[b] for b in part.which]))
            for part in self.alike
        ]
        return replace(self, alike=alike)

    def recentred(self, phi: Floats, pulled: Floats) -> Surrogate:
        """The surrogate whose likelihoods have, at `phi`, the mean derivative of the exact ones.

        A normal density is nearest to another one, in the sense of variational Bayes, if their
        mean derivatives agree over it; at its maximum a skew likelihood has its mode instead.

        Parameters
        ----------
        phi : ndarray, shape (K,)
            Posterior mean.
        pulled : ndarray, shape (K,)
            Posterior mean of the derivative of the exact log-likelihoods in phi.
        """
        alike = []
        for part in self.alike:
            away = np.linalg.solve(part.precision, pulled[part.rows][..., None])[..., 0]
            alike.append(replace(part, hat=phi[part.rows] + away))
        return replace(self, alike=alike)

    def quadratic(self, phi: Floats) -> Floats:
        """Log of each block's normal likelihood, 0 at its maximum, (blocks,)."""
        out = np.empty(len(self.blocks))
        for part in self.alike:
            away = phi[part.rows] - part.hat
            out[part.which] = -0.5 * np.einsum("gd,gde,ge->g", away, part.precision, away)
        return out

    def left(self, model: CountDensity, phi: Floats) -> Floats:
        """Log of each exact likelihood over the normal one at phi (K,), (blocks,)."""
        exact = [
            one.value(model.coordinates(phi, take)) - one.fit.log_likelihood
            for one, take in self.blocks
        ]
        left = np.array(exact) - self.quadratic(phi)
        # A place without a density is never moved to.
        return np.where(np.isfinite(left), left, -np.inf)


def _with_diagonal(matrices: Floats, added: Floats) -> Floats:
    """Matrices (g, d, d) with (g, d) added to their diagonals."""
    out = matrices.copy()
    place = np.arange(added.shape[1])
    out[:, place, place] += added
    return out
