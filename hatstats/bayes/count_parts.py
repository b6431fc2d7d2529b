"""How the parameters of all count blocks stand in one vector, and what the maxima say of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hatstats.bayes.count_blocks import BinomialBlock, Blocks
from hatstats.bayes.effects import Unit
from hatstats.bayes.marginal_likelihood import CellEstimates
from hatstats.bayes.partial import Centred

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: Names of the layout of `joint` that have another one here.
_RENAMED = {"mu": "source", "sigma": "log_sigma", "alpha": "transfer"}


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Parameters of one kind over the cells of all benchmarks.

    Attributes
    ----------
    name : str
    at : slice
        Where they stand among all cells' parameters.
    unit : ndarray of int, shape (K,)
        Benchmark of each.
    model, language : ndarray of int, shape (K,)
        Positions within the benchmark; language -1 for what a model has in all.
    """

    name: str
    at: slice
    unit: Ints
    model: Ints
    language: Ints


def lay_out(
    units: Sequence[Unit], blocks: Sequence[Blocks]
) -> tuple[tuple[Part, ...], list[list[Ints]]]:
    """Parts, and for each joint block the place of each coordinate; -1 where it is held at 0."""
    rows: dict[str, list[tuple[int, int, int]]] = {"source": [], "transfer": []}
    for b, (unit, block) in enumerate(zip(units, blocks, strict=True)):
        rows["source"] += [(b, m, -1) for m in range(len(unit.models))]
        rows["transfer"] += [
            (b, int(m), int(place))
            for m, place in zip(unit.cell_model, unit.cell_language, strict=True)
        ]
        if isinstance(block, BinomialBlock):
            continue
        for m, one in enumerate(block):
            layout = one.fit.layout
            for name in layout.global_names:
                if name != "mu":
                    rows.setdefault(_RENAMED.get(name, name), []).append((b, m, -1))
            for name in layout.local_names:
                if name == "alpha":
                    continue
                for place, language in enumerate(one.asked):
                    if not (name == "tau" and one.held[place]):
                        rows.setdefault(name, []).append((b, m, int(language)))
    parts, where, at = [], dict[tuple[str, int, int, int], int](), 0
    for name, cells in rows.items():
        table = np.array(cells, dtype=np.intp).reshape(-1, 3)
        parts.append(Part(name, slice(at, at + len(cells)), *table.T))
        where |= {(name, *cell): at + k for k, cell in enumerate(cells)}
        at += len(cells)
    takes: list[list[Ints]] = []
    for b, block in enumerate(blocks):
        takes.append([])
        if isinstance(block, BinomialBlock):
            continue
        for m, one in enumerate(block):
            layout = one.fit.layout
            take = [where[_RENAMED.get(name, name), b, m, -1] for name in layout.global_names]
            for name in layout.local_names:
                label = _RENAMED.get(name, name)
                take += [where.get((label, b, m, int(language)), -1) for language in one.asked]
            takes[-1].append(np.array(take, dtype=np.intp))
    return tuple(parts), takes


def block_estimates(
    blocks: Sequence[Blocks], parts: Sequence[CellEstimates | None]
) -> tuple[CellEstimates, ...]:
    """Source and transfer logits at the maximum of each likelihood, models independent."""
    found = []
    for block, known in zip(blocks, parts, strict=True):
        if known is not None:
            found.append(known)
            continue
        assert not isinstance(block, BinomialBlock)
        values = [one.coordinates() for one in block]
        mus = [one.fit.layout.place("mu").start for one in block]
        alphas = [one.fit.layout.place("alpha") for one in block]
        count = len(block)
        sizes = [place.stop - place.start for place in alphas]
        cov = np.zeros((count + sum(sizes),) * 2)
        at = count
        for m, (_, own) in enumerate(values):
            index = np.r_[mus[m], np.arange(alphas[m].start, alphas[m].stop)]
            place = np.r_[m, at : at + sizes[m]]
            cov[np.ix_(place, place)] = own[np.ix_(index, index)]
            at += sizes[m]
        found.append(
            CellEstimates(
                np.array([value[mu] for (value, _), mu in zip(values, mus, strict=True)]),
                np.concatenate([v[a] for (v, _), a in zip(values, alphas, strict=True)]),
                cov,
                False,
                block[0].centre,
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Everything at one point.

    Attributes
    ----------
    effects, cells : Centred
        All effects but the finest ones of the source; all cells' parameters (K,).
    matrix : ndarray, shape (q, n - f)
        Rows as sums of effects.
    level : ndarray
        What the effects say of source and transfer logits.
    slopes : ndarray, shape (B,)
    """

    effects: Centred
    cells: Centred
    matrix: Floats
    level: Floats
    slopes: Floats


def cell_hats(
    blocks: Sequence[Blocks],
    estimates: Sequence[CellEstimates],
    parts: tuple[Part, ...],
    takes: list[list[Ints]],
    slopes: Floats,
) -> tuple[Floats, Floats]:
    """What the data say of each cell's parameters by themselves: values and precisions, (K,)."""
    total = parts[-1].at.stop
    hat, precision = np.zeros(total), np.full(total, 1e-3)
    for b, (block, part) in enumerate(zip(blocks, estimates, strict=True)):
        if isinstance(block, BinomialBlock):
            m, error = part.source.size, np.diag(part.cov)
            own = np.flatnonzero(parts[0].unit == b)
            at = parts[1].at.start + np.flatnonzero(parts[1].unit == b)
            hat[own], precision[own] = part.source, 1.0 / error[:m]
            hat[at] = part.transfer - slopes[b] * (part.source - part.centre)[block.model]
            precision[at] = 1.0 / (error[m:] + slopes[b] ** 2 * error[:m][block.model])
            continue
        for one, take in zip(block, takes[b], strict=True):
            value, cov = one.coordinates()
            free = take >= 0
            hat[take[free]] = value[free]
            precision[take[free]] = 1.0 / np.diag(cov)[free]
    return hat, np.clip(precision, 1e-3, 1e8)
