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

from hatstats.hat.hierarchical.count_blocks import BinomialBlock, JointBlock
from hatstats.hat.hierarchical.count_density import CountDensity
from hatstats.hat.hierarchical.target import half_normal

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: Precision of the direction in which a likelihood is flat.
_FLAT = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Alike:
    """Blocks with the same number d of parameters, stacked so that they are solved together.

    Attributes
    ----------
    which : ndarray of int, shape (g,)
        Positions among all blocks.
    rows : ndarray of int, shape (g, d)
        Places of their parameters among all cells' parameters.
    hat : ndarray, shape (g, d)
    precision, cov : ndarray, shape (g, d, d)
        P_b and its inverse.
    load : ndarray, shape (g, d, c)
        The columns of X_b that are not 0, and columns of 0 for blocks that have fewer of them.
    columns : ndarray of int, shape (g, c)
        Which effects they load.
    """

    which: Ints
    rows: Ints
    hat: Floats
    precision: Floats
    cov: Floats
    load: Floats
    columns: Ints

    def prior_mean(self, effects: Floats) -> Floats:
        """X_b E, (g, d)."""
        return np.asarray((self.load @ effects[self.columns][..., None])[..., 0])

    def onto_pairs(self, values: Floats, size: int) -> Floats:
        """Matrix (n, n) that adds up the values (g, c, c) of pairs of loaded effects."""
        place = self.columns[:, :, None] * size + self.columns[:, None, :]
        # Many times faster than adding at places one by one.
        return np.bincount(place.ravel(), values.ravel(), size**2).reshape(size, size)


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
            _stack(blocks, load),
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
        weights, moved = [], []
        for part in self.alike:
            root = np.linalg.cholesky(_with_diagonal(part.cov, noise[part.rows]))
            weight = _inverses(root)
            away = part.hat - part.prior_mean(self.mean)
            carried = weight @ part.load
            precision += part.onto_pairs(part.load.mT @ carried, variance.size)
            np.add.at(pulled, part.columns, (carried.mT @ away[..., None])[..., 0])
            value -= float(np.log(np.diagonal(root, axis1=1, axis2=2)).sum())
            value -= 0.5 * float((away * (weight @ away[..., None])[..., 0]).sum())
            weights.append(weight)
            moved.append(carried)
        root = linalg.cholesky(precision, lower=True, check_finite=False)
        mean = linalg.cho_solve((root, True), pulled, check_finite=False)
        value += 0.5 * float(pulled @ mean) - float(np.log(np.diag(root)).sum())
        gradient = None
        if slopes:
            gradient = self._slopes(sigma, variance, mean, root, (weights, moved))
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
        for part, weight, carried in zip(self.alike, *solved, strict=True):
            left = np.einsum("gde,ge->gd", weight, part.hat - part.prior_mean(self.mean + mean))
            own = cov[part.columns[:, :, None], part.columns[:, None, :]]
            by_noise = left**2 - np.diagonal(weight, axis1=1, axis2=2)
            by_noise = by_noise + ((carried @ own) * carried).sum(axis=2)
            np.add.at(out, self.of_cell[part.rows], by_noise)
        return out * sigma

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
        precisions = []
        for one, take in self.blocks:
            free = take >= 0
            at = np.where(free, phi[np.maximum(take, 0)], 0.0)
            slope, bend = one.expansion(at)
            precision, cov = _definite(bend[np.ix_(free, free)])
            hat[take[free]] = at[free] + cov @ slope[free]
            precisions.append((precision, cov))
        alike = []
        for part in self.alike:
            found = [precisions[place] for place in part.which]
            precision, cov = (np.array(matrices) for matrices in zip(*found, strict=True))
            alike.append(replace(part, hat=hat[part.rows], precision=precision, cov=cov))
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


def _inverses(roots: Floats) -> Floats:
    """Inverses of matrices (g, d, d) from their lower Cholesky factors."""
    out = np.empty_like(roots)
    for root, inverse in zip(roots, out, strict=True):
        # The transpose of what numpy holds by rows is what LAPACK reads by columns.
        half, failed = linalg.lapack.dpotri(root.T)
        if failed:
            raise np.linalg.LinAlgError("a covariance is singular")
        inverse[:] = half
    out += out.mT
    place = np.arange(out.shape[1])
    out[:, place, place] *= 0.5
    return out


def _definite(precision: Floats) -> tuple[Floats, Floats]:
    """The nearest positive definite matrix, and its inverse."""
    values, vectors = np.linalg.eigh(0.5 * (precision + precision.T))
    values = np.maximum(values, _FLAT)
    return (vectors * values) @ vectors.T, (vectors / values) @ vectors.T


def _stack(blocks: list[tuple[JointBlock, Ints]], load: Floats) -> list[Alike]:
    """Blocks by their number of free parameters."""
    sizes = np.array([(take >= 0).sum() for _, take in blocks])
    found = []
    for size in dict.fromkeys(sizes.tolist()):
        which = np.flatnonzero(sizes == size)
        rows, hats, precisions, covs = [], [], [], []
        for place in which:
            one, take = blocks[place]
            free = take >= 0
            hat, precision = one.maximum
            precision, cov = _definite(precision[np.ix_(free, free)])
            rows.append(take[free])
            hats.append(hat[free])
            precisions.append(precision)
            covs.append(cov)
        index = np.array(rows)
        stacked = (np.array(hats), np.array(precisions), np.array(covs))
        found.append(Alike(which, index, *stacked, *_columns(load[index])))
    return found


def _columns(load: Floats) -> tuple[Floats, Ints]:
    """The columns of matrices (g, d, n) that are not 0, (g, d, c), and their places (g, c)."""
    there = (load != 0.0).any(axis=1)
    # True ones first; a block with fewer is filled up with columns of 0.
    columns = np.argsort(~there, axis=1, kind="stable")[:, : there.sum(axis=1).max()]
    return np.take_along_axis(load, columns[:, None, :], axis=2), columns
