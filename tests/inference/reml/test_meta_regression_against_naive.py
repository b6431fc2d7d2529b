"""REML against a second implementation: the definition, on full matrices, by direct search."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize

from hatstats.inference.reml.meta_regression import fit_reml
from tests.inference.reml.restricted import restricted_loglik

FloatArray = NDArray[np.float64]


class Naive:
    """Density of a basis of error contrasts ``K'y`` (Harville's definition of REML)."""

    def __init__(
        self, y: FloatArray, X: FloatArray, V: FloatArray, groupings: list[NDArray[np.intp]]
    ) -> None:
        k = X.shape[1]
        # Orthonormal contrasts: their density is metafor's restricted likelihood.
        self.K = np.linalg.svd(X)[0][:, k:]
        self.z = self.K.T @ y
        self.V = V
        self.Z = [np.eye(g.max() + 1)[g] for g in groupings]

    def loglik(self, tau2: FloatArray) -> float:
        S = self.V + sum(t * Z @ Z.T for t, Z in zip(tau2, self.Z, strict=True))
        C = self.K.T @ S @ self.K
        sign, logdet = np.linalg.slogdet(C)
        if sign <= 0:
            return -np.inf
        quadratic = self.z @ np.linalg.inv(C) @ self.z
        return float(-0.5 * (len(self.z) * np.log(2 * np.pi) + logdet + quadratic))

    def maximum(self) -> tuple[FloatArray, float]:
        """Simplex search from many corners, on the square roots so that zero is inside."""
        count, best = len(self.Z), (np.zeros(len(self.Z)), -np.inf)

        def loss(root: FloatArray) -> float:
            return -self.loglik(root**2)

        for start in np.ndindex(*(3,) * count):
            root = np.array([0.0, 0.3, 1.2])[list(start)] + 0.01
            for _ in range(2):
                found = optimize.minimize(
                    loss,
                    root,
                    method="Nelder-Mead",
                    options={"xatol": 1e-10, "fatol": 1e-14, "maxiter": 4000, "maxfev": 4000},
                )
                root = found.x
            if -found.fun > best[1]:
                best = (found.x**2, -float(found.fun))
        return best


def small_data(
    seed: int, n: int, k: int, effects: int, joined: bool
) -> tuple[FloatArray, FloatArray, FloatArray, list[NDArray[np.intp]]]:
    rng = np.random.default_rng(seed)
    group = np.concatenate([np.arange(4), rng.integers(0, 4, n - 4)])
    groupings = [group, np.arange(n)][:effects]
    X = np.column_stack([np.ones(n), rng.normal(size=(n, k - 1))])
    root = rng.normal(size=(n, n))
    V = 0.1 * root @ root.T / n + np.diag(rng.uniform(0.01, 0.2, n))
    if not joined:  # groups become independent blocks
        V = V * (group[:, None] == group)
    y = X.sum(axis=1) + rng.choice([0.0, 0.5, 1.0]) * rng.normal(size=4)[group]
    y += rng.choice([0.0, 0.5]) * rng.normal(size=n) + rng.multivariate_normal(np.zeros(n), V)
    return y, X, V, groupings


sizes = {
    "seed": st.integers(0, 2**32 - 1),
    "n": st.integers(8, 13),
    "k": st.integers(1, 3),
    "effects": st.integers(1, 2),
    "joined": st.booleans(),
}


@settings(max_examples=40)
@given(**sizes, where=st.lists(st.floats(0, 3), min_size=2, max_size=2))
def test_loglik_at_given_components_against_naive(
    seed: int, n: int, k: int, effects: int, joined: bool, where: list[float]
) -> None:
    y, X, V, groupings = small_data(seed, n, k, effects, joined)
    tau2 = np.array(where[:effects])
    naive = Naive(y, X, V, groupings).loglik(tau2)
    assert restricted_loglik(y, X, V, groupings, tau2) == pytest.approx(naive, rel=1e-8, abs=1e-8)


@settings(max_examples=8)
@given(**sizes)
def test_estimates_against_naive(seed: int, n: int, k: int, effects: int, joined: bool) -> None:
    y, X, V, groupings = small_data(seed, n, k, effects, joined)
    fit = fit_reml(y, X, V, groupings)
    tau2, loglik = Naive(y, X, V, groupings).maximum()
    assert fit.loglik >= loglik - 1e-9
    np.testing.assert_allclose(fit.variance_components, tau2, rtol=1e-5, atol=1e-5)
    S = V + sum(
        t * (g[:, None] == g) for t, g in zip(fit.variance_components, groupings, strict=True)
    )
    inverse = np.linalg.inv(S)
    cov = np.linalg.inv(X.T @ inverse @ X)
    np.testing.assert_allclose(fit.params, cov @ X.T @ inverse @ y, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(fit.cov, cov, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(fit.marginal, S, rtol=1e-12)
    np.testing.assert_allclose(fit.weights, inverse, rtol=1e-7, atol=1e-9)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(3, 6))
def test_global_peak_on_unequal_variances_against_naive(seed: int, n: int) -> None:
    """Sampling variances over orders of magnitude make several peaks; a fine grid sees them all."""
    rng = np.random.default_rng(seed)
    v = np.exp(2 * rng.normal(size=n))
    y = 3 * rng.normal(size=n) * np.sqrt(v)
    X, row = np.ones((n, 1)), np.arange(n)
    naive = Naive(y, X, np.diag(v), [row])
    grid = np.concatenate([[0.0], np.geomspace(1e-6, 1e5, 400)])
    highest = max(naive.loglik(np.array([t])) for t in grid)
    assert fit_reml(y, X, np.diag(v), [row]).loglik >= highest - 1e-9
