"""Log-likelihood of item counts, item scores and observed information of the `joint` model.

An item's likelihood is a sum over shared nodes q of
``weight_q P(k_source | q) prod_l P(k_l | q)``; tables hold the factors, and a sparse matrix of
zeros and ones adds their logarithms up for every distinct pattern of counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from hatstats.estimators.joint.binomials import CountRows
from hatstats.estimators.joint.hessian import complete_hessian
from hatstats.estimators.joint.node_tables import TableMaker, Tables
from hatstats.estimators.joint.options import Layout

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: Numbers of a block of derivatives held in memory at once.
_BLOCK = 4_000_000
#: Probability of a node given a pattern below which it adds nothing.
_NEGLIGIBLE = 1e-15


@dataclass(frozen=True, slots=True)
class JointCounts:
    """Distinct patterns of an item's counts in the source and in L target languages.

    Attributes
    ----------
    source_rows, target_rows : CountRows
        Distinct pairs (k, n), J in the source and K in the targets.
    source : ndarray of int, shape (I,)
        Row of each pattern's source count.
    target : ndarray of int, shape (I, L)
        Row of each pattern's target counts, -1 where it was not asked.
    weight : ndarray, shape (I,)
        Number of items with each pattern.
    index : ndarray of int, shape (N,)
        Pattern of each item; -1 for an item without source trials.
    """

    source_rows: CountRows
    target_rows: CountRows
    source: Ints
    target: Ints
    weight: Floats
    index: Ints

    @property
    def n_languages(self) -> int:
        """Number of target languages."""
        return int(self.target.shape[1])

    def indicator(self) -> Any:
        """Matrix (I, J + L K) that picks each pattern's rows of the stacked tables."""
        patterns, languages = self.target.shape
        first = self.source_rows.size
        columns = np.column_stack(
            [self.source, first + self.target_rows.size * np.arange(languages) + self.target]
        )
        there = np.column_stack([np.ones(patterns, dtype=bool), self.target >= 0])
        shape = (patterns, first + languages * self.target_rows.size)
        starts = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
        matrix = sparse.csr_array((np.ones(there.sum()), columns[there], starts), shape=shape)
        # A small dense product is faster than setting up a sparse one.
        return matrix.toarray() if np.prod(shape) <= 20_000 else matrix


def _rows(correct: Floats, trials: Floats) -> tuple[CountRows, Ints]:
    """Distinct pairs (k, n) and the pair of each element; -1 without trials."""
    there = trials > 0
    k, n = correct[there], trials[there]
    # Rows of two numbers are sorted as one number, which is many times faster.
    _, first, index = np.unique(
        n * (k.max(initial=0.0) + 1.0) + k, return_index=True, return_inverse=True
    )
    full = np.full(trials.shape, -1, dtype=np.intp)
    full[there] = index
    return CountRows(k[first], n[first]), full


def _distinct(codes: Ints) -> tuple[Ints, Ints, Ints]:
    """Distinct rows of codes of -1 and more, in order, the row of each element, and their sizes."""
    index = np.zeros(codes.shape[0], dtype=np.intp)
    # One column after another as one number each: sorting rows as such is many times slower.
    for column in codes.T:
        _, index = np.unique(index * (column.max(initial=0) + 2) + column, return_inverse=True)
    _, first, index, size = np.unique(
        index, return_index=True, return_inverse=True, return_counts=True
    )
    return codes[first], index, size


def joint_counts(source: tuple[Floats, Floats], target: tuple[Floats, Floats]) -> JointCounts:
    """Group items by their pattern of counts.

    Parameters
    ----------
    source : pair of ndarray, shape (N,)
        Right answers and trials in the source; items with 0 trials are not grouped.
    target : pair of ndarray, shape (N, L)
        The same in the target languages; 0 trials where an item was not asked.

    Returns
    -------
    JointCounts
    """
    source_rows, source_index = _rows(*source)
    target_rows, target_index = _rows(*target)
    used = source_index >= 0
    codes = np.column_stack([source_index, target_index])[used]
    patterns, index, weight = _distinct(codes)
    full = np.full(used.shape, -1, dtype=np.intp)
    full[used] = index
    return JointCounts(
        source_rows,
        target_rows,
        patterns[:, 0],
        patterns[:, 1:],
        weight.astype(float),
        full,
    )


@dataclass(frozen=True, slots=True)
class _Posterior:
    """Nodes given each pattern: log-likelihood (I,), probabilities (I, Q)."""

    log_likelihood: Floats
    nodes: Floats


@dataclass(frozen=True, slots=True, eq=False)
class JointLikelihood:
    """Log-likelihood of a set of patterns as a function of theta.

    Attributes
    ----------
    counts : JointCounts
    maker : TableMaker
    indicator : sparse or dense matrix, shape (I, J + L K)
    """

    counts: JointCounts
    maker: TableMaker
    indicator: Any

    @property
    def layout(self) -> Layout:
        """Where each parameter stands."""
        return self.maker.layout

    def joint_log(self, tables: Tables) -> Floats:
        """Log-probability of each pattern together with each node, shape (I, Q)."""
        stacked = np.concatenate(
            [
                tables.source,
                tables.target.reshape(
                    tables.target.shape[0] * tables.target.shape[1], tables.source.shape[1]
                ),
            ]
        )
        joint = np.asarray(self.indicator @ stacked)
        joint += tables.log_weight
        return joint

    def _posterior(self, tables: Tables) -> _Posterior:
        joint = self.joint_log(tables)
        top = joint.max(axis=1, keepdims=True)
        joint -= top
        np.exp(joint, out=joint)
        total = joint.sum(axis=1, keepdims=True)
        joint /= total
        return _Posterior((np.log(total) + top)[:, 0], joint)

    def gradient(self, tables: Tables, mass: Floats) -> Floats:
        """Derivative of ``sum mass * log table``, shape (P,).

        `mass` (J + L K, Q) is the number of items expected at each row and node.
        """
        layout, rows = self.layout, self.counts.source_rows.size
        gradient = np.zeros(layout.size)
        source, target = mass[:rows], mass[rows:].reshape(tables.target.shape)
        totals: dict[int, Floats] = {}
        for name, slope in tables.weight_terms.items():
            gradient[layout.place(name)] += source.sum(axis=0) @ slope
        for term in tables.source_terms:
            known = totals.get(id(term.base))
            if known is None:
                known = totals[id(term.base)] = (source * term.base).sum(axis=0)
            gradient[layout.place(term.name)] += known @ term.chain
        for term in tables.target_terms:
            known = totals.get(id(term.base))
            if known is None:
                known = totals[id(term.base)] = np.einsum("lkq,lkq->lq", target, term.base)
            each = (known * term.chain).sum(axis=1)
            at = layout.place(term.name)
            gradient[at] += each.sum() if term.name in layout.global_names else each
        return gradient

    def _mass(self, posterior: _Posterior) -> Floats:
        weighted = posterior.nodes * self.counts.weight[:, None]
        return np.asarray(self.indicator.T @ weighted)

    def value_and_gradient(self, theta: Floats) -> tuple[float, Floats]:
        """Log-likelihood and its gradient (P,) at `theta`."""
        tables = self.maker.make(theta)
        posterior = self._posterior(tables)
        value = float(self.counts.weight @ posterior.log_likelihood)
        return value, self.gradient(tables, self._mass(posterior))

    def by_pattern(self, theta: Floats) -> Floats:
        """Log-likelihood of one item with each pattern, shape (I,)."""
        return self._posterior(self.maker.make(theta, 0)).log_likelihood

    def _shared_slopes(self, tables: Tables) -> dict[str, Floats]:
        """Derivative of each pattern's complete-data log-likelihood in the global parameters.

        Each (I, Q), by name.
        """
        layout, rows = self.layout, self.counts.source_rows.size
        moved: dict[str, Floats] = {}
        nodes = tables.log_weight.size
        for term in (*tables.source_terms, *tables.target_terms):
            if term.name not in layout.global_names:
                continue
            if term.name not in moved:
                size = rows + layout.n_languages * self.counts.target_rows.size
                moved[term.name] = np.zeros((size, nodes))
            if term.base.ndim == 2:
                moved[term.name][:rows] = term.base * term.chain
            else:
                chain = term.chain if term.chain.ndim == 1 else term.chain[:, None]
                moved[term.name][rows:] = (term.base * chain).reshape(-1, nodes)
        slopes = {name: np.asarray(self.indicator @ table) for name, table in moved.items()}
        for name, slope in tables.weight_terms.items():
            slopes[name] = slopes.get(name, 0.0) + np.broadcast_to(
                slope, (self.counts.weight.size, nodes)
            )
        return slopes

    def _derivatives(
        self, tables: Tables, shared: dict[str, Floats], pattern: Ints, node: Ints
    ) -> Floats:
        """Derivatives of the complete-data log-likelihood of patterns at nodes (n,): (P, n)."""
        layout, counts = self.layout, self.counts
        out = np.zeros((layout.size, pattern.size))
        nodes = tables.log_weight.size
        for name, slope in shared.items():
            out[layout.place(name)] = slope.take(pattern * nodes + node)
        # Places of (language, count, node) in a flat table; a language not asked has none.
        rows = counts.target.T[:, pattern]
        first = counts.target_rows.size * np.arange(counts.n_languages)[:, None]
        place = (first + np.maximum(rows, 0)) * nodes + node
        missing = rows < 0 if (counts.target < 0).any() else None
        picked: dict[int, Floats] = {}
        for term in tables.target_terms:
            if term.name in layout.global_names:
                continue
            if id(term.base) not in picked:
                moved = term.base.take(place)
                if missing is not None:
                    moved[missing] = 0.0
                picked[id(term.base)] = moved
            np.multiply(
                picked[id(term.base)], term.chain[..., node], out=out[layout.place(term.name)]
            )
        return out

    def scores_and_information(self, theta: Floats) -> tuple[Floats, Floats, Floats]:
        """Log-likelihood and scores of one item with each pattern, and the observed information.

        By Louis (1982, JRSS B 44:226-233): the information is that of the complete data less the
        variance of the complete-data score given the counts.

        Returns
        -------
        log_likelihood : ndarray, shape (I,)
        scores : ndarray, shape (I, P)
        information : ndarray, shape (P, P)
            Negative Hessian of the log-likelihood.
        """
        tables = self.maker.make(theta, 2)
        posterior = self._posterior(tables)
        weight = self.counts.weight
        hessian = self._complete(theta, tables, self._mass(posterior))
        scores = np.zeros((weight.size, self.layout.size))
        pattern, node = np.nonzero(posterior.nodes > _NEGLIGIBLE)
        first = np.searchsorted(pattern, np.arange(weight.size + 1))
        shared = self._shared_slopes(tables)
        for start, stop in self._blocks(first):
            pairs = slice(first[start], first[stop])
            slopes = self._derivatives(tables, shared, pattern[pairs], node[pairs])
            chance = posterior.nodes[pattern[pairs], node[pairs]]
            here = first[start:stop] - first[start]
            scores[start:stop] = np.add.reduceat(slopes * chance, here, axis=1).T
            slopes *= np.sqrt(chance * weight[pattern[pairs]])
            hessian += slopes @ slopes.T
        hessian -= (scores * weight[:, None]).T @ scores
        return posterior.log_likelihood, scores, -hessian

    def _complete(self, theta: Floats, tables: Tables, mass: Floats) -> Floats:
        """Second derivatives (P, P) of the complete-data log-likelihood at `mass` (J + L K, Q)."""
        rows = self.counts.source_rows.size

        def gradient(step: Floats) -> Floats:
            return self.gradient(self.maker.make(theta + step), mass)

        parts = mass[:rows], mass[rows:].reshape(tables.target.shape)
        return complete_hessian(self.layout, tables, parts, gradient)

    def given_hardness(
        self, theta: Floats, tables: Tables, own: Floats, mass: Floats
    ) -> tuple[Floats, Floats]:
        """What a model adds to the second derivatives where its hardness is known.

        Parameters
        ----------
        theta : ndarray, shape (P,)
        tables : Tables
            At B nodes of hardness times U of the model's own part.
        own : ndarray, shape (I, B, U)
            Probabilities of the own part given pattern and hardness.
        mass : ndarray, shape (I, B)
            Items expected at each pattern and hardness.

        Returns
        -------
        hessian : ndarray, shape (P, P)
            Of the complete-data log-likelihood, plus the variance of its derivative over the own
            part.
        means : ndarray, shape (P, I, B)
            Mean over the own part of that derivative.
        """
        patterns, nodes, parts = own.shape
        full = (mass[:, :, None] * own).reshape(patterns, nodes * parts)
        hessian = self._complete(theta, tables, np.asarray(self.indicator.T @ full))
        means = np.zeros((self.layout.size, patterns, nodes))
        each = np.arange(nodes * parts)
        shared = self._shared_slopes(tables)
        step = max(1, _BLOCK // (self.layout.size * each.size))
        for start in range(0, patterns, step):
            here = np.arange(start, min(start + step, patterns))
            pairs = np.repeat(here, each.size), np.tile(each, here.size)
            slopes = self._derivatives(tables, shared, *pairs)
            chance = own[here].reshape(-1)
            mean = (slopes * chance).reshape(-1, here.size, nodes, parts).sum(axis=3)
            means[:, here] = mean
            slopes *= np.sqrt(full[here].reshape(-1))
            hessian += slopes @ slopes.T
            mean = (mean * np.sqrt(mass[here])).reshape(self.layout.size, -1)
            hessian -= mean @ mean.T
        return hessian, means

    def _blocks(self, first: Ints) -> Iterator[tuple[int, int]]:
        """Runs of patterns whose derivatives fit in memory together; `first` pair of each."""
        start, most = 0, max(_BLOCK // self.layout.size, 1)
        while start < first.size - 1:
            stop = int(np.searchsorted(first, first[start] + most, side="right")) - 1
            stop = max(stop, start + 1)
            yield start, stop
            start = stop
