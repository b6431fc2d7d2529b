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

from hatstats.hat.joint.options import Layout
from hatstats.hat.joint.promptings import CountRows
from hatstats.hat.joint.tables import TableMaker, Tables

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: Numbers of a block of derivatives held in memory at once.
_BLOCK = 4_000_000
#: Relative step of the central differences in the complete-data gradient.
_STEP = 1e-4


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
        Pattern of each item; -1 for an item without source promptings.
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
    pairs, index = np.unique(
        np.column_stack([trials[there], correct[there]]), axis=0, return_inverse=True
    )
    full = np.full(trials.shape, -1, dtype=np.intp)
    full[there] = index.reshape(-1)
    return CountRows(pairs[:, 1], pairs[:, 0]), full


def joint_counts(source: tuple[Floats, Floats], target: tuple[Floats, Floats]) -> JointCounts:
    """Group items by their pattern of counts.

    Parameters
    ----------
    source : pair of ndarray, shape (N,)
        Right answers and promptings in the source; items with 0 promptings are not grouped.
    target : pair of ndarray, shape (N, L)
        The same in the target languages; 0 promptings where an item was not asked.

    Returns
    -------
    JointCounts
    """
    source_rows, source_index = _rows(*source)
    target_rows, target_index = _rows(*target)
    used = source_index >= 0
    codes = np.column_stack([source_index, target_index])[used]
    patterns, index, weight = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    full = np.full(used.shape, -1, dtype=np.intp)
    full[used] = index.reshape(-1)
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

    def _posterior(self, tables: Tables) -> _Posterior:
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
        top = joint.max(axis=1, keepdims=True)
        joint -= top
        np.exp(joint, out=joint)
        total = joint.sum(axis=1, keepdims=True)
        joint /= total
        return _Posterior((np.log(total) + top)[:, 0], joint)

    def _gradient(self, tables: Tables, mass: Floats) -> Floats:
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
        return value, self._gradient(tables, self._mass(posterior))

    def by_pattern(self, theta: Floats) -> Floats:
        """Log-likelihood of one item with each pattern, shape (I,)."""
        return self._posterior(self.maker.make(theta)).log_likelihood

    def _derivatives(self, tables: Tables, rows: slice) -> Floats:
        """Derivatives of the complete-data log-likelihood by pattern, node: (P, I, Q)."""
        layout, counts = self.layout, self.counts
        source, target = counts.source[rows], counts.target[rows]
        out = np.zeros((layout.size, source.size, tables.log_weight.size))
        for name, slope in tables.weight_terms.items():
            out[layout.place(name)] += slope
        for term in tables.source_terms:
            out[layout.place(term.name)] += (term.base * term.chain)[source]
        for term in tables.target_terms:
            at = layout.place(term.name)
            moved = term.base * np.broadcast_to(term.chain, term.base.shape[::2])[:, None, :]
            for language in range(counts.n_languages):
                asked = target[:, language] >= 0
                place = at.start if term.name in layout.global_names else at.start + language
                out[place, asked] += moved[language, target[asked, language]]
        return out

    def scores(self, theta: Floats) -> Floats:
        """Derivative of the log-likelihood of one item with each pattern, shape (I, P)."""
        tables = self.maker.make(theta)
        posterior = self._posterior(tables)
        scores = np.zeros((self.counts.weight.size, self.layout.size))
        for rows in self._blocks(tables):
            slopes = self._derivatives(tables, rows)
            scores[rows] = np.einsum("piq,iq->ip", slopes, posterior.nodes[rows])
        return scores

    def _blocks(self, tables: Tables) -> Iterator[slice]:
        """Patterns in blocks whose derivatives fit in memory together."""
        step = max(1, _BLOCK // (self.layout.size * tables.log_weight.size))
        for start in range(0, self.counts.weight.size, step):
            yield slice(start, start + step)

    def scores_and_information(self, theta: Floats) -> tuple[Floats, Floats]:
        """Scores of one item with each pattern, and the observed information.

        By Louis (1982, JRSS B 44:226-233): the information is that of the complete data less the
        variance of the complete-data score given the counts. The first part needs the tables
        only and is differenced from their exact gradient, all languages at once; the second is
        exact.

        Returns
        -------
        scores : ndarray, shape (I, P)
        information : ndarray, shape (P, P)
            Negative Hessian of the log-likelihood.
        """
        tables = self.maker.make(theta)
        posterior = self._posterior(tables)
        layout, weight = self.layout, self.counts.weight
        size = layout.size
        hessian = self._complete_hessian(theta, self._mass(posterior))
        scores = np.zeros((weight.size, size))
        for rows in self._blocks(tables):
            slopes = self._derivatives(tables, rows)
            chance = posterior.nodes[rows]
            scores[rows] = np.einsum("piq,iq->ip", slopes, chance)
            slopes *= np.sqrt(chance * weight[rows, None])
            flat = slopes.reshape(size, -1)
            hessian += flat @ flat.T
        hessian -= (scores * weight[:, None]).T @ scores
        return scores, -hessian

    def _complete_hessian(self, theta: Floats, mass: Floats) -> Floats:
        """Second derivatives of ``sum mass * log table`` at fixed `mass`, shape (P, P).

        Parameters of different languages do not meet in any table, so that one step moves a
        local parameter of all languages together (Curtis, Powell and Reid 1974).
        """
        layout = self.layout
        shared = len(layout.global_names)
        count = layout.n_languages
        hessian = np.zeros((layout.size, layout.size))

        def slope(direction: Floats) -> Floats:
            ahead = self._gradient(self.maker.make(theta + direction), mass)
            behind = self._gradient(self.maker.make(theta - direction), mass)
            return (ahead - behind) / (2.0 * _STEP)

        for place in range(shared):
            direction = np.zeros(layout.size)
            direction[place] = _STEP
            hessian[place] = hessian[:, place] = slope(direction)
        own = len(layout.local_names)
        languages = np.arange(count)
        for place in range(own):
            here = shared + place * count + languages
            direction = np.zeros(layout.size)
            direction[here] = _STEP
            change = slope(direction)
            for other in range(own):
                there = shared + other * count + languages
                hessian[there, here] = change[there]
        return 0.5 * (hessian + hessian.T)
