r"""The restricted likelihood where random effects are nested, without any n by n matrix.

The covariance of rows in nested groups, some with a known variance beside their component,

.. math:: S = D + \sum_\ell Z_\ell \operatorname{diag}(v_\ell) Z_\ell', \qquad
          v_{\ell G} = known_{\ell G} + \tau_\ell^2,

is a diagonal with one update of rank one for each group, from fine to coarse. Let ``S_G`` be that
of the rows of group G without the effects of coarser groups. With sums over its children H,

.. math:: \bar s_G = \sum s_H, \quad g_G = 1 / (1 + v_G \bar s_G), \quad
          s_G = g_G \bar s_G = 1'S_G^{-1}1, \qquad
          \bar t_G = \sum t_H, \quad t_G = g_G \bar t_G = 1'S_G^{-1}x,

and for a row ``s = w = 1 / D``, ``t = w x`` (Sherman and Morrison), so that ``log|S| = -sum log w -
sum log g`` and ``x'S^{-1}x = sum w x^2 - sum v_G g_G \bar t_G^2``. Back from coarse to fine,

.. math:: 1_G'S^{-1}x = a_G = g_G (\bar t_G - \bar s_G \eta_P), \quad \eta_G = \eta_P + v_G a_G,
          \qquad 1_G'S^{-1}1_G = s_G - s_G^2 \kappa_P, \quad \kappa_G = v_G g_G + g_G^2 \kappa_P,

with P the parent of G, and zeros above the coarsest: eta is what all effects down to G are
predicted to be, and ``S^{-1}x = w (x - eta)``. Two groups whose last common ancestor is P have
``1_G'S^{-1}1_H = -kappa_P`` times what ``s_G`` and ``s_H`` become on their way up to children of P,
by a factor g for each level. Score and information, as in `likelihood`, are sums of such terms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from hatstats.inference.arrays import Floats, Ints
from hatstats.inference.newton import Expansion


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """The G groups of one level, sorted so that those of one coarser group stand together.

    `parent` (G,) is the group at the coarser level, 0 at the coarsest; `first` (G,) the first child
    at the finer level, or row; `known` (G,) a known variance, `component` the number of the
    variance component that is added to it, or -1.
    """

    parent: Ints
    first: Ints
    known: Floats
    component: int

    def variance(self, tau2: Floats) -> Floats:
        """Variance of each group (G,) at components (K,)."""
        return self.known + tau2[self.component] if self.component >= 0 else self.known

    def sums(self, finer: Floats) -> Floats:
        """Sums over the children of each group: (G, ...)."""
        return np.asarray(np.add.reduceat(finer, self.first, axis=0), dtype=float)


@dataclass(frozen=True, slots=True, eq=False)
class Inverse:
    """``S^{-1}`` by the numbers at the top of this module, of each group of each level."""

    levels: tuple[Level, ...]
    weights: Floats  # w of the rows
    v: list[Floats]
    total: list[Floats]
    gain: list[Floats]
    kappa: list[Floats]  # of the parent
    row_kappa: Floats
    logdet: float

    def own(self, at: int) -> Floats:
        """``s`` of the groups of a level, or of the rows."""
        return self.gain[at] * self.total[at] if at < len(self.levels) else self.weights

    def above(self, at: int) -> Floats:
        """``kappa`` of the parents of the groups of a level, or of the rows."""
        return self.kappa[at] if at < len(self.levels) else self.row_kappa

    def up(self, sums: Floats, at: int) -> list[Floats]:
        """``t`` bar (G, q) of all levels down to `at`, where it is `sums`."""
        found = [sums]
        for coarse in reversed(range(at)):
            fine = self.gain[coarse + 1][:, None] * found[0]
            found.insert(0, self.levels[coarse].sums(fine))
        return found

    def down(self, bars: list[Floats]) -> tuple[list[Floats], list[Floats]]:
        """``a`` and ``eta`` (G, q) of the levels whose ``t`` bar are given."""
        a: list[Floats] = []
        eta: list[Floats] = []
        for at, bar in enumerate(bars):
            before = eta[-1][self.levels[at].parent] if eta else np.zeros_like(bar)
            a.append(self.gain[at][:, None] * (bar - self.total[at][:, None] * before))
            eta.append(before + self.v[at][:, None] * a[-1])
        return a, eta

    def squares(self, at: int) -> list[Floats]:
        """Sums of the squares of ``t``, as each group of level `at` alone would send up.

        For each level down to `at`; the sums at a level are over its children.
        """
        found = [self.own(at) ** 2]
        for coarse in reversed(range(at)):
            found.insert(0, self.gain[coarse] ** 2 * self.levels[coarse].sums(found[0]))
        return found


@dataclass(frozen=True, slots=True, eq=False)
class NestedProblem:
    """Input of a restricted likelihood with nested effects, its rows sorted by group.

    `levels` go from coarse to fine; `rows` is that of the rows, whose variances are all positive.
    An orthonormal basis of the design is ``1[code] / sqrt(size)`` for each of `size` (C,) and the
    first columns of `rest` (n, p + 1), which sum to zero where codes are equal. Its last column is
    the residual of y in this basis. `count` is the number of components.
    """

    levels: tuple[Level, ...]
    rows: Level
    code: Ints
    size: Floats
    rest: Floats
    count: int

    @property
    def variances(self) -> Floats:
        """Known sampling variances, shape (n,)."""
        known = self.rows.known.copy()
        parent = self.rows.parent
        for level in reversed(self.levels):
            known += level.known[parent]
            parent = level.parent[parent]
        return known

    @property
    def width(self) -> int:
        """Number of coefficients."""
        return int(self.size.size + self.rest.shape[1] - 1)

    @property
    def scale(self) -> float:
        """Residual variance of ordinary least squares, the unit of tau2."""
        residual = self.rest[:, -1]
        return float(residual @ residual) / max(residual.size - self.width, 1)

    def inverse(self, tau2: Floats) -> Inverse:
        """``S^{-1}`` at components (K,)."""
        weights = 1.0 / self.rows.variance(tau2)
        own, logdet = weights, -np.log(weights).sum()
        v: list[Floats] = []
        total: list[Floats] = []
        gain: list[Floats] = []
        for level in reversed(self.levels):
            v.insert(0, level.variance(tau2))
            total.insert(0, level.sums(own))
            gain.insert(0, 1.0 / (1.0 + v[0] * total[0]))
            own = gain[0] * total[0]
            logdet -= np.log(gain[0]).sum()
        kappa = np.zeros(1)
        above = []
        for level, each, g in zip(self.levels, v, gain, strict=True):
            above.append(kappa[level.parent])
            kappa = each * g + g**2 * above[-1]
        return Inverse(
            self.levels, weights, v, total, gain, above, kappa[self.rows.parent], float(logdet)
        )

    def _sums(self, weights: Floats) -> Floats:
        """Weighted sums of the basis and the residual over the finest groups, (G, k + 1)."""
        if not self.levels:
            return np.zeros((0, self.width + 1))
        fine, codes = self.levels[-1], self.size.size
        groups = fine.first.size
        place = self.rows.parent * codes + self.code
        sums = np.bincount(place, weights, minlength=groups * codes).reshape(groups, codes)
        return np.column_stack([sums / np.sqrt(self.size), fine.sums(weights[:, None] * self.rest)])

    def _products(self, weights: Floats) -> Floats:
        """``B' diag(weights) B`` of basis and residual, (k + 1, k + 1)."""
        codes = self.size.size
        weighted = weights[:, None] * self.rest
        found = np.zeros((self.width + 1, self.width + 1))
        diagonal = np.bincount(self.code, weights, minlength=codes) / self.size
        found[np.arange(codes), np.arange(codes)] = diagonal
        for column, values in enumerate(weighted.T, start=codes):
            cross = np.bincount(self.code, values, minlength=codes) / np.sqrt(self.size)
            found[:codes, column] = found[column, :codes] = cross
        found[codes:, codes:] = self.rest.T @ weighted
        return found

    def regression(self, tau2: Floats) -> Regression:
        """Generalised least squares at components (K,); LinAlgError where it is singular."""
        inverse = self.inverse(tau2)
        sums, products = self._sums(inverse.weights), self._products(inverse.weights)
        if self.levels:
            for at, bar in enumerate(inverse.up(sums, len(self.levels) - 1)):
                products -= bar.T @ ((inverse.v[at] * inverse.gain[at])[:, None] * bar)
        triangle = linalg.cholesky(products[:-1, :-1])
        shift = linalg.cho_solve((triangle, False), products[:-1, -1])
        scatter = float(products[-1, -1] - shift @ products[:-1, -1])
        return Regression(inverse, sums, triangle, shift, max(scatter, 0.0))

    @np.errstate(over="ignore", invalid="ignore")
    def loglik(self, tau2: Floats) -> float:
        """Restricted log-likelihood; ``-inf`` where ``S`` is singular."""
        try:
            return self.regression(tau2).loglik(self.code.size)
        except (linalg.LinAlgError, ValueError):  # the latter: not finite
            return -np.inf

    @np.errstate(over="ignore", invalid="ignore")
    def expand(self, tau2: Floats) -> Expansion:
        """The log-likelihood with score and information; ``-inf`` as `loglik`."""
        zero = np.zeros((tau2.size, tau2.size))
        try:
            found = self.regression(tau2)
        except (linalg.LinAlgError, ValueError):
            return Expansion(value=-np.inf, gradient=zero.diagonal(), information=zero)
        trace, square, outer, quadratic = self.traces(found)
        expected = 0.5 * square
        loglik = found.loglik(self.code.size)
        return Expansion(
            value=loglik if np.isfinite(square).all() else -np.inf,
            gradient=0.5 * (outer - trace),
            information=quadratic - expected,
            substitute=lambda: expected,
        )

    def traces(self, found: Regression) -> tuple[Floats, Floats, Floats, Floats]:
        """Terms of score and information of K components.

        They are ``tr Z_k'PZ_k`` (K,), ``tr PZ_kZ_k'PZ_lZ_l'`` (K, K), ``|Z_k'Py|^2`` (K,) and
        ``y'PZ_kZ_k'PZ_lZ_l'Py`` (K, K). With whitened columns x, the last of which is that of y,
        ``x'S^{-1}Z_kZ_k'S^{-1}x`` has what P projects away, and ``|Z_k'Py|^2`` in its corner.
        """
        inverse, depth = found.inverse, len(self.levels)
        at = {level.component: j for j, level in enumerate((*self.levels, self.rows))}
        places = [at[k] for k in range(self.count)]
        bars = inverse.up(found.whiten(found.sums), depth - 1) if depth else []
        a, eta = inverse.down(bars)
        inner = {j: a[j].T @ a[j] for j in places if j < depth}
        second = found.whiten(self._sums(inverse.weights**2))
        if depth in places:
            inner[depth] = self._of_rows(found, second, eta)
        k = self.width
        trace, outer = np.zeros((2, self.count))
        square, quadratic = np.zeros((2, self.count, self.count))
        for one, j in enumerate(places):
            own = inverse.own(j)
            trace[one] = (own * (1.0 - own * inverse.above(j))).sum() - np.trace(inner[j][:k, :k])
            outer[one] = inner[j][k, k]
            products = self._through(found, j, a, eta, second)
            for other, i in enumerate(places):
                if i > j:
                    continue
                both = products[i]
                projected = inner[i][:k, :k], inner[j][:k, :k]
                size = _size(inverse, i, j) - 2.0 * both[:k].sum() + np.vdot(*projected)
                square[one, other] = square[other, one] = size
                cross = both[k] - inner[i][k, :k] @ inner[j][:k, k]
                quadratic[one, other] = quadratic[other, one] = cross
        return trace, square, outer, quadratic

    def _of_rows(self, found: Regression, second: Floats, eta: list[Floats]) -> Floats:
        """``N`` of the rows: ``sum w^2 (x - eta)(x - eta)'``."""
        squared = found.inverse.weights**2
        inner = found.whiten(found.whiten(self._products(squared)).T)
        if eta:
            cross = second.T @ eta[-1]
            heavy = self.levels[-1].sums(squared)[:, None]
            inner += eta[-1].T @ (heavy * eta[-1]) - cross - cross.T
        return inner

    def _through(
        self, found: Regression, j: int, a: list[Floats], eta: list[Floats], second: Floats
    ) -> dict[int, Floats]:
        """Diagonals (k + 1,) of ``x'S^{-1}Z_i Z_i'S^{-1}Z_j Z_j'S^{-1}x`` for levels i up to j."""
        inverse, depth = found.inverse, len(self.levels)
        if j < depth:
            sent = inverse.own(j)[:, None] * a[j]
            bars = inverse.up(self.levels[j - 1].sums(sent), j - 1) if j else []
            through, effects = inverse.down(bars)
            if effects:
                sent = sent - inverse.own(j)[:, None] * effects[-1][self.levels[j].parent]
            return {i: (a[i] * y).sum(axis=0) for i, y in enumerate([*through, sent])}
        # S^{-1}x of the rows is w (x - eta), with sums as the fine groups have them.
        cubed = inverse.weights**3
        last = found.whiten(found.whiten(self._products(cubed)).T).diagonal().copy()
        if not depth:
            return {0: last}
        fine = self.levels[-1]
        bars = inverse.up(second - fine.sums(inverse.weights**2)[:, None] * eta[-1], depth - 1)
        through, _ = inverse.down(bars)
        third = found.whiten(self._sums(cubed))
        last += ((fine.sums(cubed)[:, None] * eta[-1] - 2.0 * third) * eta[-1]).sum(axis=0)
        for i, bar in enumerate(bars):
            last -= ((inverse.v[i] * inverse.gain[i])[:, None] * bar**2).sum(axis=0)
        return {i: (a[i] * y).sum(axis=0) for i, y in enumerate(through)} | {depth: last}


def _size(inverse: Inverse, i: int, j: int) -> float:
    """``|Z_i'S^{-1}Z_j|^2`` for a level i that is not finer than j."""
    coarse, fine = inverse.squares(i), inverse.squares(j)
    total = (fine[i] * (1.0 - inverse.own(i) * inverse.above(i)) ** 2).sum()
    for at in range(i):
        level = inverse.levels[at]
        between = level.sums(coarse[at + 1]) * level.sums(fine[at + 1])
        between -= level.sums(coarse[at + 1] * fine[at + 1])
        kappa = inverse.v[at] * inverse.gain[at] + inverse.gain[at] ** 2 * inverse.above(at)
        total += (kappa**2 * between).sum()
    return float(total)


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """Generalised least squares in an orthonormal basis, of the residual of y.

    `sums` (G, k + 1) are those of the basis and the residual in the finest groups, `triangle` (k,
    k) is R with ``B'S^{-1}B = R'R``, `shift` (k,) the coefficients of the residual and `scatter`
    what is left of it, ``y'Py``.
    """

    inverse: Inverse
    sums: Floats
    triangle: Floats
    shift: Floats
    scatter: float

    def loglik(self, n: int) -> float:
        """Restricted log-likelihood of n rows; ``-inf`` where it is not finite."""
        loglik = -0.5 * ((n - self.shift.size) * np.log(2.0 * np.pi) + self.inverse.logdet)
        loglik -= np.log(self.triangle.diagonal()).sum() + 0.5 * self.scatter
        return float(loglik) if np.isfinite(loglik) else -np.inf

    def whiten(self, columns: Floats) -> Floats:
        """Columns of basis and residual (..., k + 1) as ``B R^{-1}`` and what is left of y."""
        basis, last = columns[:, :-1], columns[:, -1]
        white = linalg.solve_triangular(self.triangle, basis.T, trans=1).T
        return np.column_stack([white, last - basis @ self.shift])
