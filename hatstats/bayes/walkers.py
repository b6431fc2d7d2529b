"""Chains that walk side by side, each in a process of its own, and tell how far they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from joblib import Parallel, delayed, parallel_config
from numpy.typing import NDArray

from hatstats.bayes.settings import Sampling, Told
from hatstats.inference.linalg import one_thread

Floats = NDArray[np.float64]

#: Parts of a chain after each of which progress is told.
_PARTS = 20


class Walker(Protocol):
    """One chain: what it is and where.

    Attributes
    ----------
    statistics : tuple of str
        Names of what `step` returns.
    """

    statistics: tuple[str, ...]

    def step(self) -> tuple[float, ...]:
        """Move on by one draw; its statistics."""

    def coordinates(self) -> Floats:
        """Where the chain is, in the coordinates of the density (P,)."""


@one_thread
def advance[W: Walker](walker: W, number: int, *, keep: bool) -> tuple[W, dict[str, Floats]]:
    """Some draws further; where they are kept, ``x`` (draws, P) and the walker's statistics."""
    kept = number if keep else 0
    x = np.empty((kept, walker.coordinates().size))
    statistics = np.empty((kept, len(walker.statistics)))
    for draw in range(number):
        moved = walker.step()
        if keep:
            x[draw], statistics[draw] = walker.coordinates(), moved
    return walker, {"x": x, **dict(zip(walker.statistics, statistics.T, strict=True))}


def walk[W: Walker](walkers: Sequence[W], how: Sampling, told: Told) -> Iterator[dict[str, Floats]]:
    """Chains, each as soon as those that run beside it are finished.

    Parameters
    ----------
    walkers : sequence of Walker
    how : Sampling
        As many chains as it has cores run at once, each in a process of its own: threads that all
        allocate memory wait for one another.
    told : callable
        Told the position of a chain and the share of it that is done.

    Yields
    ------
    dict
        ``x`` (draws, P), and the walkers' statistics.
    """
    parts = np.array_split(np.arange(how.draws), min(_PARTS, how.draws))
    lengths = [(how.tune, False), *((len(part), True) for part in parts)]
    for first in range(0, len(walkers), how.cores):
        here = list(walkers[first : first + how.cores])
        found: list[list[dict[str, Floats]]] = [[] for _ in here]
        done = 0
        jobs = len(here) if how.cores > 1 else 1
        with parallel_config("loky", inner_max_num_threads=1), Parallel(jobs) as pool:
            for number, keep in lengths:
                after = pool(delayed(advance)(walker, number, keep=keep) for walker in here)
                here = [walker for walker, _ in after]
                done += number
                for place, (_, arrays) in enumerate(after):
                    found[place] += [arrays] if keep else []
                    told(first + place, done / (how.tune + how.draws))
        for chain in found:
            yield {name: np.concatenate([part[name] for part in chain]) for name in chain[0]}
