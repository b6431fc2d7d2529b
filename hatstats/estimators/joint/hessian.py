"""Second derivatives of the complete-data log-likelihood of the `joint` model."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hatstats.estimators.joint.node_tables import Curvature, Tables
from hatstats.estimators.joint.options import Layout

Floats = NDArray[np.float64]

#: Step of the central differences in parameters without a closed form.
_STEP = 1e-4


def complete_hessian(
    layout: Layout,
    tables: Tables,
    mass: tuple[Floats, Floats],
    gradient: Callable[[Floats], Floats],
) -> Floats:
    """Second derivatives of ``sum mass * log table`` at fixed `mass`, shape (P, P).

    Parameters of the source and target logits and of the residual have a closed form: they move
    the tables through these three numbers only. The few others (chance level, overdispersion,
    probabilities of mixtures) are differenced.

    Parameters
    ----------
    layout : Layout
    tables : Tables
        With curvature.
    mass : pair of ndarray, shapes (J, Q) and (L, K, Q)
        Number of items expected at each row and node, source and targets.
    gradient : callable
        Derivative (P,) of the sum when theta is moved by a given (P,).
    """
    curvature = tables.curvature
    assert curvature is not None
    hessian = np.zeros((layout.size, layout.size))
    source, target = mass
    moves = np.array(list(curvature.moves.values()))
    at = _places(layout, tuple(curvature.moves))[:, 0]
    hessian[np.ix_(at, at)] += moves * (source * curvature.source).sum(axis=0) @ moves.T
    if layout.n_languages:
        place = _places(layout, (*curvature.middle, "tau")).T
        by_middle = (target * tables.target_terms[0].base).sum(axis=1)
        bends = np.einsum("lkq,clkq->clq", target, curvature.target)
        block = _blocks(curvature, by_middle, bends)
        np.add.at(hessian, (place[:, :, None], place[:, None, :]), block)
    closed = {*curvature.middle, *curvature.moves, "tau"}
    _difference(layout, hessian, gradient, closed)
    return 0.5 * (hessian + hessian.T)


@lru_cache(maxsize=256)
def _places(layout: Layout, names: tuple[str, ...]) -> NDArray[np.intp]:
    """Place in theta of each named parameter in each language, shape (names, max(L, 1))."""
    count = max(layout.n_languages, 1)
    every = np.arange(layout.size)
    return np.array([np.broadcast_to(every[layout.place(name)], count) for name in names])


def _blocks(curvature: Curvature, by_middle: Floats, bends: Floats) -> Floats:
    """Second derivatives by language (L, A + 1, A + 1): target-logit parameters, then tau.

    `by_middle` (L, Q) and `bends` (3, L, Q) are the first and second derivatives by target logit
    and residual.
    """
    middle = list(curvature.middle.values())
    chains = np.empty((by_middle.shape[0], len(middle), by_middle.shape[1]))
    for place, chain in enumerate(middle):
        chains[:, place] = chain
    turned = chains.swapaxes(1, 2)
    size = len(middle)
    block = np.empty((len(chains), size + 1, size + 1))
    block[:, :size, :size] = (chains * bends[0][:, None]) @ turned
    block[:, :size, size] = block[:, size, :size] = (chains * bends[1][:, None]).sum(axis=2)
    block[:, size, size] = bends[2].sum(axis=1)
    # The target logit itself bends in the parameters of the source logit, and in them together
    # with its own; these stand first in `middle`, then those of the basis.
    moves = np.array(list(curvature.moves.values()))
    basis = np.array(list(curvature.basis.values()))
    first, last = len(moves), len(moves) + len(basis)
    block[:, :first, :first] += (moves * (by_middle * curvature.line)[:, None]) @ moves.T
    crossed = (moves * by_middle[:, None]) @ basis.T
    block[:, :first, first:last] += crossed
    block[:, first:last, :first] += crossed.swapaxes(1, 2)
    return block


def _difference(
    layout: Layout, hessian: Floats, gradient: Callable[[Floats], Floats], closed: set[str]
) -> None:
    """Fill in rows and columns of the parameters that are not `closed`.

    Parameters of different languages do not meet in any table, so that one step moves a local
    parameter of all languages together (Curtis, Powell and Reid 1974).
    """

    def slope(direction: Floats) -> Floats:
        return (gradient(direction) - gradient(-direction)) / (2.0 * _STEP)

    every = np.arange(layout.size)
    own = [name for name in layout.local_names if name not in closed]
    # How an open local parameter meets the global ones is seen by moving these.
    shared = [name for name in layout.global_names if own or name not in closed]
    for name in (*shared, *own):
        here = every[layout.place(name)]
        direction = np.zeros(layout.size)
        direction[here] = _STEP
        change = slope(direction)
        if name in layout.global_names:
            hessian[here] = change
            hessian[:, here] = change[:, None]
            continue
        for other in layout.local_names:
            there = every[layout.place(other)]
            hessian[there, here] = hessian[here, there] = change[there]
