"""Profiles of all models of a panel, fitted together, so that each borrows its shape from the rest.

A model knows its profile only where it has items: a strong one has no hard items, a weak one no
easy ones. Curves ``T_m = expit(B theta_m)`` of M models, with the columns B and knots z of the
unrestricted family, are therefore drawn from a common population,

    theta_m ~ N(mu, Omega),    Omega = A^2 11' + s_b^2 zz' + s_d^2 K,    mu ~ N(z, S^-1),
    S = smoothness D'D + ridge I,

with third differences D and the covariance K of an integrated Wiener process that starts at x = .5
and runs to either end. The level A of a model is practically free, so that its ability cannot reach
its shape. The spreads s_b of slopes and s_d of shapes and the smoothness of the mean curve maximise
the restricted likelihood of the linearised means; they count as known in all that follows, as in
any empirical Bayes estimate (Morris 1983, JASA 78:47-55).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize, special

from hatstats.errors import FitError
from hatstats.estimators.latent.curve_families import UnrestrictedFamily, unrestricted_family
from hatstats.estimators.latent.deconvolution import GRID, Deconvolution
from hatstats.estimators.latent.derivatives import Derivatives
from hatstats.estimators.latent.patterns import GroupedItems, Means
from hatstats.estimators.latent.penalised_fit import CurveFit, Equations, Prior, working_weights
from hatstats.inference.arrays import Floats
from hatstats.scores.wordings import WordingCorrelation

_FAMILY = unrestricted_family(GRID)
#: Splines of logit x on the grid, (Q, p): curves of a panel are ``expit(theta COLUMNS')``.
COLUMNS = _FAMILY.columns
_KNOTS = _FAMILY.centre
_P = _KNOTS.size
_LEVEL_SD, _MEAN_RIDGE = 5.0, 0.01
# Without a little of its own each coefficient would be a line through very few numbers.
_JITTER = 1e-5 * np.eye(_P)
# Weak priors: exponential-like for the spreads, with these means, and log-normal for the
# smoothness; they matter where few models say little of how they differ.
_SLOPE_SCALE, _SHAPE_SCALE, _LOG_SMOOTHNESS_SD = 0.5, 0.3, 3.0
_BOUNDS = np.log([[0.005, 2.0], [0.003, 3.0], [2.5e-3, 1.6e5]])
_START = np.log([0.2, 0.1, 1.0])
# Rounds of new working weights, in the first of which the spreads are estimated; later rounds hold
# the weights too, so that Gauss-Newton steps descend to a minimum. No curve moves more than
# _LARGEST_STEP logits in a step.
_SPREAD_ROUNDS, _WEIGHT_ROUNDS, _STEPS, _LARGEST_STEP, _LEAST_GAIN = 5, 8, 300, 1.5, 1e-10
# Where steps still gain a little at the end, less than a thousandth of a standard error is left.
_SLIGHT_GAIN = 1e-7


def _wiener() -> Floats:
    """Covariance of an integrated Wiener process from z = 0 in both directions, at the knots."""
    size = np.abs(_KNOTS)
    low, high = np.minimum.outer(size, size), np.maximum.outer(size, size)
    same_side = np.equal.outer(np.sign(_KNOTS), np.sign(_KNOTS))
    return np.asarray(np.where(same_side, low**2 * (3.0 * high - low) / 6.0, 0.0))


_WIENER = _wiener()
_THIRD = np.diff(np.eye(_P), 3, axis=0)


@dataclass(frozen=True, slots=True)
class ShapeSpread:
    """How profiles differ over the models of a panel.

    Standard deviations of their slopes and of their shapes, on the logit scale, and the smoothness
    of the mean curve.
    """

    slope: float
    shape: float
    smoothness: float

    @property
    def covariance(self) -> Floats:
        """Omega, the covariance of a model's coefficients about the mean's, shape (p, p)."""
        between = self.slope**2 * np.outer(_KNOTS, _KNOTS) + self.shape**2 * (
            _WIENER + 1e-4 * np.eye(_P)
        )
        return np.asarray(_LEVEL_SD**2 + between + _JITTER)

    @property
    def mean_precision(self) -> Floats:
        """S, the prior precision of the mean curve's coefficients, shape (p, p)."""
        return np.asarray(self.smoothness * (_THIRD.T @ _THIRD) + _MEAN_RIDGE * np.eye(_P))

    @property
    def family(self) -> UnrestrictedFamily:
        """The unrestricted family with Omega's precision, for curves about one of a model."""
        nothing = np.zeros((0, GRID.size))
        return UnrestrictedFamily(COLUMNS, np.linalg.inv(self.covariance), _KNOTS, nothing)


@dataclass(frozen=True, slots=True)
class Member:
    """What one model brings to the panel: its items by source count, and their target means."""

    source: Deconvolution
    target: Floats
    means: Means
    correlation: WordingCorrelation | None

    @classmethod
    def of_items(cls, source: Deconvolution, items: GroupedItems) -> Member:
        """The average target accuracies of a model's items."""
        return cls(source, items.average, items.average_means, items.correlation)

    def start(self) -> Floats:
        """A line through the model's mean accuracies, coefficients (p,)."""
        size, mean = self.means.size[0], self.means.mean[0]
        if size.sum() == 0:
            return _KNOTS
        x, y = np.clip([self.source.density @ GRID, np.average(mean, weights=size)], 0.01, 0.99)
        return np.asarray(0.8 * (_KNOTS - special.logit(x)) + special.logit(y))


@dataclass(frozen=True, slots=True)
class _Data:
    """Means of all M models, padded to J patterns: posteriors (M, J, Q), means and sizes (M, J)."""

    posterior: Floats
    means: Means

    @classmethod
    def of(cls, members: Sequence[Member]) -> _Data:
        most = max(member.means.size.shape[1] for member in members)

        def padded(values: Sequence[Floats]) -> Floats:
            out = np.zeros((len(values), most, *values[0].shape[1:]))
            for row, value in zip(out, values, strict=True):
                row[: len(value)] = value
            return out

        parts = (
            padded([getattr(m.means, name)[0] for m in members])
            for name in ("size", "mean", "variance")
        )
        return cls(padded([m.source.posterior for m in members]), Means(*parts))

    def fitted(self, theta: Floats) -> Floats:
        """Fitted means, shape (M, J)."""
        return np.asarray((self.posterior @ _FAMILY.curves(theta)[:, :, None])[:, :, 0])

    def loss(self, theta: Floats, working: Floats) -> float:
        """Half the weighted squared residuals of all models."""
        return float(0.5 * (working * (self.means.mean - self.fitted(theta)) ** 2).sum())

    def expand(self, theta: Floats, working: Floats) -> tuple[Floats, Floats]:
        """Gauss-Newton information (M, p, p) and pseudo-scores (M, p) of the coefficients."""
        curve, slopes, _ = _FAMILY.expand(theta)
        design = self.posterior @ slopes
        residual = self.means.mean - (self.posterior @ curve[:, :, None])[:, :, 0]
        weighted = (design * working[:, :, None]).swapaxes(1, 2)
        information = weighted @ design
        score = (weighted @ residual[:, :, None] + information @ theta[:, :, None])[:, :, 0]
        return information, score


@dataclass(frozen=True, slots=True)
class _Linear:
    """Solution of the linearised panel for given spreads, and what inverts its Hessian.

    Coefficients, and in coordinates u_m with ``theta_m = mu + root u_m``, whose prior is normal:
    `inner` (M, p, p) the inverse of ``root' I_m root + 1``, `cross` (M, p, p) ``root' I_m``, and
    `outer` (p, p) the inverse of mu's Hessian once all u_m are solved for.
    """

    theta: Floats
    mu: Floats
    root: Floats
    inner: Floats
    cross: Floats
    outer: Floats

    @classmethod
    def solve(cls, information: Floats, score: Floats, spread: ShapeSpread) -> _Linear:
        root, precision = np.linalg.cholesky(spread.covariance), spread.mean_precision
        cross = root.T @ information
        inner = np.linalg.inv(cross @ root + np.eye(_P))
        left = cross.swapaxes(1, 2) @ inner
        outer = np.linalg.inv(precision + (information - left @ cross).sum(axis=0))
        own = score @ root
        through = score - (left @ own[:, :, None])[:, :, 0]
        mu = outer @ (precision @ _KNOTS + through.sum(axis=0))
        shift = (inner @ (own - cross @ mu)[:, :, None])[:, :, 0]
        return cls(mu + shift @ root.T, mu, root, inner, cross, outer)


def _penalty(theta: Floats, mu: Floats, spread: ShapeSpread) -> float:
    """Half the prior's quadratic forms of all coefficients."""
    own = linalg.solve_triangular(np.linalg.cholesky(spread.covariance), (theta - mu).T, lower=True)
    away = mu - _KNOTS
    return float(0.5 * (own**2).sum() + 0.5 * away @ spread.mean_precision @ away)


def _restricted_likelihood(logs: Floats, roots: Floats, scores: Floats) -> float:
    """Minus the log restricted likelihood and log prior of log spreads and log smoothness.

    Of models with information ``R'R`` and pseudo-score ``R's``: s has variance ``1 + R Omega R'``.
    """
    spread = ShapeSpread(*np.exp(logs).tolist())
    precision = spread.mean_precision
    factor = np.linalg.cholesky(np.eye(_P) + roots @ spread.covariance @ roots.swapaxes(1, 2))
    design = np.linalg.solve(factor, roots)
    value = np.linalg.solve(factor, scores[:, :, None])[:, :, 0]
    information = (design.swapaxes(1, 2) @ design).sum(axis=0) + precision
    by_mean = (design.swapaxes(1, 2) @ value[:, :, None]).sum(axis=0)[:, 0] + precision @ _KNOTS
    mu = np.linalg.solve(information, by_mean)
    residual, away = value - design @ mu, mu - _KNOTS
    log_dets = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum()
    log_dets += 0.5 * (np.linalg.slogdet(information)[1] - np.linalg.slogdet(precision)[1])
    fit = 0.5 * ((residual**2).sum() + away @ precision @ away)
    prior = logs[0] - spread.slope / _SLOPE_SCALE + logs[1] - spread.shape / _SHAPE_SCALE
    prior -= 0.5 * (logs[2] / _LOG_SMOOTHNESS_SD) ** 2
    return float(log_dets + fit - prior)


def _estimate_spread(information: Floats, score: Floats, start: Floats) -> Floats:
    """Log spreads and log smoothness (3,) by restricted maximum likelihood."""
    value, axes = np.linalg.eigh(information)
    size = np.sqrt(np.maximum(value, 0.0))
    known = size > 1e-6 * size.max(axis=1, keepdims=True)
    inverse = np.divide(1.0, size, out=np.zeros_like(size), where=known & (size > 0))
    roots = size[:, :, None] * axes.swapaxes(1, 2)
    scores = inverse * (axes.swapaxes(1, 2) @ score[:, :, None])[:, :, 0]
    found = optimize.minimize(
        _restricted_likelihood,
        start,
        args=(roots, scores),
        method="Nelder-Mead",
        bounds=_BOUNDS,
        options={
            "xatol": 0.01,
            "fatol": 0.005,
            "initial_simplex": np.clip(
                np.vstack([start, start + np.diag([0.7, 0.7, 1.5])]), *_BOUNDS.T
            ),
        },
    )
    return np.asarray(found.x, dtype=float)


def _descend(data: _Data, working: Floats, spread: ShapeSpread, theta: Floats) -> Floats:
    """Coefficients (M, p) at the minimum of the penalised loss, by Gauss-Newton steps."""

    def joint(value: Floats) -> float:
        mean = _best_mean(value, spread)
        return data.loss(value, working) + _penalty(value, mean, spread)

    current = joint(theta)
    for _ in range(_STEPS):
        step = _Linear.solve(*data.expand(theta, working), spread).theta - theta
        # The same share of every model's step, so that the mean curve can take part.
        moved = np.abs(step @ COLUMNS.T).max()
        length = min(1.0, _LARGEST_STEP / max(moved, 1e-300))
        while (proposed := joint(theta + length * step)) > current and length > 1e-8:
            length *= 0.5
        if proposed > current:
            return theta
        theta = theta + length * step
        gain, current = current - proposed, proposed
        # Gains are half squared standard errors; curves near 0 or 1 may move on without any.
        if gain < _LEAST_GAIN:
            return theta
    if gain < _SLIGHT_GAIN:
        return theta
    raise FitError(f"the profiles of a panel did not converge in {_STEPS} steps")


def _best_mean(theta: Floats, spread: ShapeSpread) -> Floats:
    """The mean curve's coefficients (p,) that suit the models' (M, p) best."""
    precision, own = spread.mean_precision, np.linalg.inv(spread.covariance)
    total = own @ theta.sum(axis=0) + precision @ _KNOTS
    return np.asarray(np.linalg.solve(len(theta) * own + precision, total))


@dataclass(frozen=True, slots=True)
class PanelCurves:
    """Curves of the mean over languages of all models, fitted together, with their uncertainty.

    One `CurveFit` per member, whose bread is its block of the inverse Hessian of all coefficients;
    the spreads over models; the solution of the linearised panel.
    """

    members: tuple[Member, ...]
    curves: tuple[CurveFit, ...]
    spread: ShapeSpread
    linear: _Linear

    def directions(self, m: int, gradient: Floats) -> tuple[Floats, Floats]:
        """Change of a function of model m's coefficients, by the equations and by the prior.

        For gradients (K, p): directions (M, K, p) in the equations of every model, and rows
        (K, (M + 1) p) whose products are the covariance of the functions' possible bias, were
        curves drawn from their prior (``H^-1 P H^-1``).
        """
        linear = self.linear
        own = gradient @ linear.root
        left = linear.cross[m].T @ linear.inner[m]
        by_mean = (gradient - own @ left.T) @ linear.outer
        by_model = -(by_mean @ linear.cross.swapaxes(1, 2))
        by_model[m] += own
        by_model = by_model @ linear.inner
        root = np.linalg.cholesky(self.spread.mean_precision)
        rows = np.concatenate([*by_model, by_mean @ root], axis=1)
        return by_model @ linear.root.T + by_mean, rows

    def derivatives(self, m: int, gradient: Floats) -> Derivatives:
        """Of K functions of model m's coefficients, gradients (K, p): by all models' answers."""
        directions, _ = self.directions(m, gradient)
        by = Derivatives(len(gradient))
        for member, curve, direction in zip(self.members, self.curves, directions, strict=True):
            if member.means.size.any():
                by.by_curve(curve, 0, member.correlation, direction)
        return by


def fit_together(members: Sequence[Member], spread: ShapeSpread | None = None) -> PanelCurves:
    """Fit the curves of two models or more; their spread is estimated if it is not given."""
    data = _Data.of(members)
    theta = np.array([member.start() for member in members])
    logs = _START
    for number in range(_WEIGHT_ROUNDS):
        working = working_weights(data.means, data.fitted(theta))
        if spread is None and number <= _SPREAD_ROUNDS:
            logs = _estimate_spread(*data.expand(theta, working), logs)
        chosen = ShapeSpread(*np.exp(logs).tolist()) if spread is None else spread
        theta = _descend(data, working, chosen, theta)
    information, score = data.expand(theta, working)
    linear = _Linear.solve(information, score, chosen)
    panel = PanelCurves(tuple(members), (), chosen, linear)
    prior = Prior.of_family(_FAMILY)
    curves = []
    for m, member in enumerate(members):
        bread = panel.directions(m, np.eye(_P))[0][m]
        curves.append(_curve(prior, member, theta[[m]], working[m], bread))
    return PanelCurves(tuple(members), tuple(curves), chosen, linear)


def _curve(prior: Prior, member: Member, theta: Floats, working: Floats, bread: Floats) -> CurveFit:
    """One model's curve as the panel has it; theta is (1, p), working weights are padded."""
    weights = working[None, : member.means.size.shape[1]]
    curve, slopes, _ = _FAMILY.expand(theta)
    equations = Equations(prior, member.source.posterior, member.means, weights)
    each = np.divide(
        weights, member.means.size, out=np.zeros(weights.shape), where=member.means.size > 0
    )
    return CurveFit(
        prior=prior,
        deconvolution=member.source,
        target=member.target,
        theta=theta,
        curve=curve,
        slopes=slopes,
        working=each,
        bread=bread[None],
        cross_derivative=equations.cross_derivative(member.source, theta, slopes),
        kernel_derivative=equations.kernel_derivative(member.source, theta, slopes),
    )
