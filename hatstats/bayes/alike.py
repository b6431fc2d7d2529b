"""Normal likelihoods of blocks with equally many parameters, stacked to be solved together."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hatstats.bayes.count_blocks import JointBlock

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: Precision of the direction in which a likelihood is flat.
_FLAT = 1e-6
#: Share of the curvature at a likelihood's maximum that an expansion elsewhere keeps at least.
_LEAST_CURVED = 0.1


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
    half : ndarray, shape (g, d, d)
        C_b with ``P_b = C_b C_b'``.
    load : ndarray, shape (g, d, c)
        The columns of X_b that are not 0, and columns of 0 for blocks that have fewer of them.
    columns : ndarray of int, shape (g, c)
        Which effects they load.
    precision : ndarray, shape (g, d, d)
        P_b.
    turned : ndarray, shape (g, d, c)
        ``C_b' X_b``.
    """

    which: Ints
    rows: Ints
    hat: Floats
    half: Floats
    load: Floats
    columns: Ints
    precision: Floats = field(init=False)
    turned: Floats = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "precision", self.half @ self.half.mT)
        object.__setattr__(self, "turned", self.half.mT @ self.load)

    def prior_mean(self, effects: Floats) -> Floats:
        """X_b E, (g, d)."""
        return np.asarray((self.load @ effects[self.columns][..., None])[..., 0])

    def onto_pairs(self, values: Floats, size: int) -> Floats:
        """Matrix (n, n) that adds up the values (g, c, c) of pairs of loaded effects."""
        place = self.columns[:, :, None] * size + self.columns[:, None, :]
        # Many times faster than adding at places one by one.
        return np.bincount(place.ravel(), values.ravel(), size**2).reshape(size, size)


def half_of(precision: Floats) -> Floats:
    """C with C C' the nearest positive definite matrix."""
    values, vectors = np.linalg.eigh(0.5 * (precision + precision.T))
    return np.asarray(vectors * np.sqrt(np.maximum(values, _FLAT)))


def half_beside(precision: Floats, at_maximum: Floats) -> Floats:
    """C with C C' that curves at least `_LEAST_CURVED` as much as at the maximum in any direction.

    Between two modes, or on the shoulder of one, a likelihood does not curve; a normal one with its
    slope and no curvature would pull without end.
    """
    half = half_of(at_maximum)
    turned = np.linalg.solve(half, np.linalg.solve(half, precision).T)
    values, vectors = np.linalg.eigh(0.5 * (turned + turned.T))
    return np.asarray(half @ vectors * np.sqrt(np.maximum(values, _LEAST_CURVED)))


def stacked(blocks: list[tuple[JointBlock, Ints]], load: Floats) -> list[Alike]:
    """Blocks by their number of free parameters."""
    sizes = np.array([(take >= 0).sum() for _, take in blocks])
    found = []
    for size in dict.fromkeys(sizes.tolist()):
        which = np.flatnonzero(sizes == size)
        rows, hats, halves = [], [], []
        for place in which:
            one, take = blocks[place]
            free = take >= 0
            hat, precision = one.maximum
            rows.append(take[free])
            hats.append(hat[free])
            halves.append(half_of(precision[np.ix_(free, free)]))
        index = np.array(rows)
        likelihoods = (np.array(hats), np.array(halves))
        found.append(Alike(which, index, *likelihoods, *_columns(load[index])))
    return found


def _columns(load: Floats) -> tuple[Floats, Ints]:
    """The columns of matrices (g, d, n) that are not 0, (g, d, c), and their places (g, c)."""
    there = (load != 0.0).any(axis=1)
    # True ones first; a block with fewer is filled up with columns of 0.
    columns = np.argsort(~there, axis=1, kind="stable")[:, : there.sum(axis=1).max()]
    return np.take_along_axis(load, columns[:, None, :], axis=2), columns
