"""Draws of the count rung by blocks: the Gaussian surrogate proposes, the counts decide.

Coordinates in which the surrogate's posterior is standard normal given the scales are all but
independent in the exact posterior too: what is left of a block's likelihood, exact over normal, is
a factor near 1. Three moves, each of which keeps the exact posterior:

1. *Cells.* The coordinates z_b of a block are moved by ``z' = rho z + (1 - rho^2)^(1/2) noise``
   and taken with the ratio of those factors (preconditioned Crank-Nicolson; Cotter, Roberts,
   Stuart and White 2013, Stat Sci 28:424-446); rho = 0 is an independent proposal. Given the
   effects, blocks do so independently of one another.
2. *Signs, effects and scales given the cells*, without a likelihood: normal, and by slice sampling
   (Neal 2003, Ann Stat 31:705-767).
3. *Scales with z held*: effects and cells follow along. The two ways to move the scales interweave
   (Yu and Meng 2011, JCGS 20:531-570), so that neither much nor little data slows the chain.

Where every block has so many items that its factor hardly leaves 1, most draws make 1 and 3 in one
proposal, as often as pilot draws say that such proposals are taken. A draw costs one or two
evaluations of each block's likelihood and no gradient. The normal likelihoods are centred where
the exact ones pull the posterior, which a few dozen gradients tell.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hatstats.bayes.count_density import CountDensity
from hatstats.bayes.partial import coordinate_of
from hatstats.bayes.proposals import Proposals, fitted_proposals
from hatstats.bayes.settings import Sampling, Told
from hatstats.bayes.surrogate import Solved, Surrogate
from hatstats.bayes.target import half_normal, half_normal_coordinate
from hatstats.bayes.walkers import walk
from hatstats.errors import DataError

Floats = NDArray[np.float64]

#: Share of far proposals, and how much of the old place they keep, with its sign turned; how much
#: the near ones keep. The far ones are antithetic; the near ones go on where those are refused.
_FAR, _OPPOSITE, _KEPT = 0.75, -0.5, 0.8
#: Step of the random walk of scales, in deviations of the fit.
_STEP = 0.5
#: Steps of the surrogate's own chain of scales in each proposal, and share of independent ones.
_SURROGATE_STEPS, _INDEPENDENT = 10, 0.75


@dataclass(slots=True, eq=False)
class Walker:
    """One chain.

    Attributes
    ----------
    model : CountDensity
    proposals : Proposals
    rng : Generator
    x : ndarray, shape (s,)
        Coordinates of the scales.
    effects, phi : ndarray, shapes (n,) and (K,)
    left : ndarray, shape (blocks,)
        Log of each exact likelihood over the normal one, at phi.
    statistics : tuple of str
        Of each draw: shares of proposals that were taken, log-likelihood of the counts.
    """

    model: CountDensity
    proposals: Proposals
    rng: np.random.Generator
    x: Floats = field(init=False)
    effects: Floats = field(init=False)
    phi: Floats = field(init=False)
    left: Floats = field(init=False)
    statistics: tuple[str, ...] = ("moved_cells", "moved_scales", "log_likelihood")

    def __post_init__(self) -> None:
        self.x, self.effects, self.phi = self.proposals.draw(self.rng)
        self.left = self.surrogate.left(self.model, self.phi)

    @property
    def surrogate(self) -> Surrogate:
        """The normal model beside the exact one."""
        return self.proposals.surrogate

    def step(self) -> tuple[float, float, float]:
        """One draw; its `statistics`."""
        self._signs()
        self._scales_given_cells()
        solved = self.surrogate.at(self.x)
        noise = self.rng.standard_normal(solved.mean.size)
        self.effects = self.surrogate.effects_given(solved, self.phi, noise)
        together = bool(self.rng.random() < self.proposals.together)
        solved, moved = self._scales_with_cells(solved, together=together)
        share = float(moved) if together else self._cells(solved)
        highest = sum(one.fit.log_likelihood for one, _ in self.surrogate.blocks)
        log_likelihood = self.left.sum() + self.surrogate.quadratic(self.phi).sum() + highest
        return share, float(moved), float(log_likelihood)

    def _signs(self) -> None:
        """Signs of the residuals' spreads, on which no likelihood depends, from their prior.

        Proposals from a normal density around one sign would find the other too seldom.
        """
        for part in self.model.others:
            if part.name != "tau":
                continue
            value = self.phi[part.at]
            mean = (self.surrogate.load @ self.effects)[part.at]
            spread = self.surrogate.sigma(self.x)[self.surrogate.of_cell[part.at]]
            turned = self.rng.random(value.size) < special.expit(-2.0 * value * mean / spread**2)
            exact = self.left + self.surrogate.quadratic(self.phi)
            self.phi[part.at] = np.where(turned, -value, value)
            self.left = exact - self.surrogate.quadratic(self.phi)

    def _scales_given_cells(self) -> None:
        surrogate = self.surrogate
        residual = self.phi - surrogate.load @ self.effects
        squares = np.bincount(surrogate.of_cell, residual**2, surrogate.scales.size)
        numbers = np.bincount(surrogate.of_cell, minlength=surrogate.scales.size)
        free = surrogate.of_effect >= 0
        away = (self.effects - surrogate.mean)[free] ** 2
        squares += np.bincount(surrogate.of_effect[free], away, surrogate.scales.size)
        numbers += np.bincount(surrogate.of_effect[free], minlength=surrogate.scales.size)
        sigma = half_normal(self.x)[0]
        for place, scale in enumerate(surrogate.scales):
            sigma[place] = _slice(
                sigma[place], int(numbers[place]), float(squares[place]) / scale**2, self.rng
            )
        self.x = half_normal_coordinate(sigma)

    def _surrogate_scales(self, solved: Solved) -> tuple[Floats, Solved]:
        """Some steps of a chain whose law is the surrogate's marginal posterior of the scales."""
        rng, x = self.rng, self.x
        warp, jump = self.proposals.warp, self.proposals.jump
        y, height = warp.to(x), self._height(x, solved)
        for _ in range(_SURROGATE_STEPS):
            if rng.random() < _INDEPENDENT:
                moved = jump.draw(rng)
                log_ratio = jump.log_density(y) - jump.log_density(moved)
            else:
                moved = y + _STEP * (jump.root @ rng.standard_normal(x.size))
                log_ratio = 0.0
            threshold = np.log(rng.random())
            new = warp.back(moved)
            if np.abs(new).max() > 6.0:
                continue
            proposed = self.surrogate.at(new)
            reached = self._height(new, proposed)
            if threshold < reached - height + log_ratio:
                x, y, height, solved = new, moved, reached, proposed
        return x, solved

    def _height(self, x: Floats, solved: Solved) -> float:
        """Log density of the surrogate's marginal posterior in warped coordinates."""
        return solved.value - 0.5 * float(x @ x) - self.proposals.warp.log_slope(x)

    def _scales_with_cells(self, solved: Solved, *, together: bool) -> tuple[Solved, bool]:
        """Move scales and effects, and the cells' coordinates too if `together`."""
        surrogate, rng = self.surrogate, self.rng
        z, z_cells = surrogate.standardised(solved, self.effects, self.phi)
        keep = _OPPOSITE if rng.random() < _FAR else _KEPT
        z = keep * z + np.sqrt(1.0 - keep**2) * rng.standard_normal(z.size)
        if together:
            noise = rng.standard_normal(z_cells.size)
            z_cells = keep * z_cells + np.sqrt(1.0 - keep**2) * noise
        x, proposed = self._surrogate_scales(solved)
        effects = surrogate.effects(proposed, z)
        phi = surrogate.cells(proposed, effects, z_cells)
        left = self.surrogate.left(self.model, phi)
        if np.log(rng.random()) >= left.sum() - self.left.sum():
            return solved, False
        self.x, self.effects, self.phi, self.left = x, effects, phi, left
        return proposed, True

    def _cells(self, solved: Solved) -> float:
        surrogate, rng = self.surrogate, self.rng
        _, z = surrogate.standardised(solved, self.effects, self.phi)
        far = rng.random(len(surrogate.blocks)) < _FAR
        keep = np.zeros(z.size)
        for part in surrogate.alike:
            keep[part.rows] = np.where(far[part.which], _OPPOSITE, _KEPT)[:, None]
        z = keep * z + np.sqrt(1.0 - keep**2) * rng.standard_normal(z.size)
        phi = surrogate.cells(solved, self.effects, z)
        left = self.surrogate.left(self.model, phi)
        moved = np.log(rng.random(left.size)) < left - self.left
        for part in surrogate.alike:
            rows = part.rows[moved[part.which]]
            self.phi[rows] = phi[rows]
        self.left = np.where(moved, left, self.left)
        return float(moved.mean())

    def coordinates(self) -> Floats:
        """Where the chain is, in the coordinates of the density (P,)."""
        model, surrogate = self.model, self.surrogate
        sigma = surrogate.sigma(self.x)
        deviation, spread = surrogate.deviations(sigma)
        kept, at = model.kept, model.places_of
        hat, precision, cell_hat, cell_precision = model.pseudo_data
        natural = np.zeros(model.density.size)
        natural[: sigma.size] = sigma
        place = kept.size
        for part in model.others:
            here = at[f"mean_{part.name}"]
            natural[here] = self.effects[place : place + here.stop - here.start]
            place += here.stop - here.start
        natural[at["z_effects"]] = coordinate_of(
            self.effects[: kept.size],
            surrogate.mean[: kept.size],
            deviation[: kept.size],
            hat[kept],
            precision[kept],
        )
        natural[at["z_cells"]] = coordinate_of(
            self.phi, surrogate.load @ self.effects, spread, cell_hat, cell_precision
        )
        return model.density.unconstrained(natural)


def _slice(sigma: float, number: int, squares: float, rng: np.random.Generator) -> float:
    """Draw a standard normal's absolute value given deviations that it is the scale of.

    The density of ``u = log sigma`` is ``(1 - number) u - squares / (2 sigma^2) - sigma^2 / 2``.
    """

    def log_density(u: float) -> float:
        return (1 - number) * u - 0.5 * squares * math.exp(-2.0 * u) - 0.5 * math.exp(2.0 * u)

    u = math.log(sigma)
    height = log_density(u) - rng.exponential()
    low = u - rng.random()
    high = low + 1.0
    while log_density(low) > height:
        low -= 1.0
    while log_density(high) > height:
        high += 1.0
    while True:
        new = rng.uniform(low, high)
        if log_density(new) > height:
            return math.exp(new)
        low, high = (new, high) if new < u else (low, new)


def serves(model: CountDensity) -> bool:
    """Whether the sampler knows the model: items everywhere, and no covariate a parameter."""
    return not model.lines and not len(model.effects.unknown)


def draw_blocked(
    model: CountDensity, how: Sampling, seeds: list[int], told: Told
) -> Iterator[dict[str, Floats]]:
    """Chains, each as soon as it is finished.

    Parameters
    ----------
    model : CountDensity
    how : Sampling
        As many chains as it has cores run at once, each in a process of its own.
    seeds : list of int
        One per chain.
    told : callable
        Told the position of a chain and the share of it that is done.

    Yields
    ------
    dict
        ``x`` (draws, P), and the statistics of `Walker`.

    Raises
    ------
    DataError
        If some benchmark has no items, or a covariate is a parameter.
    """
    if not serves(model):
        raise DataError(
            "the blocked sampler needs items in every benchmark and known covariates",
            column="sampler",
            value="blocked",
            hint="leave the sampler at auto, or use nutpie.",
        )
    # Of no chain's seed, so that a chain drawn later is the one that would have been drawn now.
    proposals = fitted_proposals(model, np.random.default_rng(0))
    walkers = [Walker(model, proposals, np.random.default_rng(seed)) for seed in seeds]
    yield from walk(walkers, how, told)
