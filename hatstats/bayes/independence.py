"""Draws of a density of few coordinates: a t distribution fitted to it proposes.

The cell rung's effects are integrated out, which leaves a handful of coordinates. Proposals from a
t distribution that imitates their posterior, in coordinates warped to be less skew, are nearly
independent draws of it, each for one value of the likelihood and no gradient (independence
sampler; Tierney 1994, Ann Stat 22:1701-1728). The posterior's tails are at most as heavy as the
normal ones of its prior, wherever the likelihood is bounded, and those of the proposal are
heavier: the chain is uniformly ergodic (Mengersen and Tweedie 1996, Ann Stat 24:101-121). Between
them it takes steps of a random walk, to move where the imitation is poor. The exact density takes
or refuses both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hatstats.bayes.jump import Jump, Target, Warp
from hatstats.bayes.settings import Sampling, Told
from hatstats.bayes.target import Density
from hatstats.bayes.walkers import walk
from hatstats.errors import DataError, FitError

Floats = NDArray[np.float64]

#: Most coordinates of which a t distribution is a fair imitation.
MOST = 12
#: Draws of each round that the proposal is fitted to, and those left out at first.
_PILOTS, _SETTLING = (150, 250, 400), 50
#: Independent proposals for each draw that is kept, and draws in which a chain forgets its start.
_PROPOSALS, _FORGOTTEN = 3, 50
#: Step of the random walk, in deviations of the fit.
_WALK = 0.5


@dataclass(slots=True, eq=False)
class Walker:
    """One chain, in warped coordinates.

    Attributes
    ----------
    density : Target
    warp : Warp
    jump : Jump
    rng : Generator
    x : ndarray, shape (P,)
    y : ndarray, shape (P,)
        The same, warped.
    height : float
        Log density at y.
    statistics : tuple of str
        Of each draw: share of independent proposals taken, log posterior density.
    """

    density: Target
    warp: Warp
    jump: Jump
    rng: np.random.Generator
    x: Floats = field(init=False)
    y: Floats = field(init=False)
    height: float = field(init=False)
    statistics: tuple[str, ...] = ("moved", "log_posterior")

    def __post_init__(self) -> None:
        self.y = self.jump.draw(self.rng)
        self.x, self.height = self._at(self.y)

    def _at(self, y: Floats) -> tuple[Floats, float]:
        """Plain coordinates and log density; minus infinity where there is none."""
        x = self.warp.back(y)
        with np.errstate(all="ignore"):
            try:
                value = self.density.value(x) - self.warp.log_slope(x)
            except np.linalg.LinAlgError:
                value = -np.inf
        return x, value if np.isfinite(value) else -np.inf

    def _move(self, y: Floats, log_ratio: float) -> bool:
        x, height = self._at(y)
        moved = bool(np.log(self.rng.random()) < height - self.height + log_ratio)
        if moved:
            self.x, self.y, self.height = x, y, height
        return moved

    def step(self) -> tuple[float, float]:
        """Independent proposals, then a step of the walk; their `statistics`."""
        taken = sum(self._propose() for _ in range(_PROPOSALS))
        noise = self.jump.root @ self.rng.standard_normal(self.y.size)
        self._move(self.y + _WALK * noise, 0.0)
        return taken / _PROPOSALS, self.height + self.warp.log_slope(self.x)

    def _propose(self) -> bool:
        new = self.jump.draw(self.rng)
        return self._move(new, self.jump.log_density(self.y) - self.jump.log_density(new))

    def coordinates(self) -> Floats:
        """Where the chain is (P,)."""
        return self.x


def fitted(target: Target, rng: np.random.Generator) -> tuple[Warp, Jump]:
    """The proposal: at the mode at first, then fitted to draws that the last one helped to."""
    jump = Jump.at_mode(target)
    warp = Warp.none(jump.centre.size)
    for number in _PILOTS:
        walker = Walker(target, warp, jump, rng)
        x = np.empty((number, jump.centre.size))
        for row in x:
            walker.step()
            row[:] = walker.x
        if (np.ptp(x[_SETTLING:], axis=0) == 0).any():
            raise FitError(
                "no proposal of the independence sampler was taken while it was adapted: this "
                "posterior is not like a t distribution; use sampler='nutpie'"
            )
        warp = Warp.of_draws(x[_SETTLING:])
        jump = Jump.of_draws(warp.to(x[_SETTLING:]))
    return warp, jump


def draw_independence(
    density: Density, how: Sampling, seeds: list[int], told: Told
) -> Iterator[dict[str, Floats]]:
    """Chains, each as soon as those that run beside it are finished.

    Parameters
    ----------
    density : Density
        Of at most `MOST` coordinates.
    how : Sampling
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
        For more coordinates.
    FitError
        If no proposal is taken.
    """
    if density.size > MOST:
        raise DataError(
            f"the independence sampler draws {MOST} coordinates at most, and this posterior has "
            f"{density.size}",
            column="sampler",
            value="independence",
            hint="leave the sampler at auto.",
        )
    # Of no chain's seed, so that a chain drawn later is the one that would have been drawn now.
    warp, jump = fitted(density, np.random.default_rng(0))
    walkers = [Walker(density, warp, jump, np.random.default_rng(seed)) for seed in seeds]
    # A chain takes seconds, and so does the start of a process.
    own = replace(how, cores=1, tune=min(how.tune, _FORGOTTEN))
    yield from walk(walkers, own, told)
