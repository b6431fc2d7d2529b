"""The damped Newton search against theory and against scipy's optimisers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special

from hatstats.errors import FitError
from hatstats.inference.newton import Expansion, maximise

Loss = Callable[[np.ndarray], Expansion]


def counted(expand: Loss) -> tuple[Loss, list[np.ndarray]]:
    """The same function, and the points at which it was evaluated."""
    points: list[np.ndarray] = []

    def evaluate(theta: np.ndarray) -> Expansion:
        points.append(theta)
        return expand(theta)

    return evaluate, points


def rosenbrock(theta: np.ndarray) -> Expansion:
    return Expansion(
        value=-float(optimize.rosen(theta)),
        gradient=-optimize.rosen_der(theta),
        information=optimize.rosen_hess(theta),
    )


def logistic(seed: int) -> tuple[Loss, int]:
    """Ridge logistic regression on random data, and its number of coefficients."""
    rng = np.random.default_rng(seed)
    design = rng.normal(size=(30, 3)) * rng.uniform(0.2, 3.0, 3)
    right = rng.integers(0, 2, 30).astype(float)

    def expand(theta: np.ndarray) -> Expansion:
        linear = design @ theta
        p = special.expit(linear)
        return Expansion(
            value=float(right @ linear - np.logaddexp(0.0, linear).sum() - 0.05 * theta @ theta),
            gradient=design.T @ (right - p) - 0.1 * theta,
            information=(design.T * (p * (1.0 - p))) @ design + 0.1 * np.eye(3),
        )

    return expand, 3


def test_a_quadratic_takes_one_step_against_theory() -> None:
    matrix, target = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([3.0, -4.0])

    def quadratic(theta: np.ndarray) -> Expansion:
        away = theta - target
        return Expansion(
            value=-0.5 * float(away @ matrix @ away), gradient=-matrix @ away, information=matrix
        )

    expand, points = counted(quadratic)
    maximum = maximise(expand, np.zeros(2))
    assert len(points) == 2
    np.testing.assert_allclose(maximum.theta, target, atol=1e-14)
    assert maximum.decrement == pytest.approx(0.0, abs=1e-20)


@pytest.mark.parametrize("start", [(-1.2, 1.0), (0.0, 5.0), (-3.0, -4.0, 2.0, 2.0)])
def test_the_bent_valley_of_rosenbrock_against_theory(start: tuple[float, ...]) -> None:
    maximum = maximise(rosenbrock, np.array(start), tolerance=1e-16)
    np.testing.assert_allclose(maximum.theta, 1.0, atol=1e-8)
    assert maximum.decrement < 1e-16


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_logistic_regression_against_scipy(seed: int, bounded: bool) -> None:
    expand, size = logistic(seed)
    limit = 0.3 if bounded else 50.0
    bounds = np.full(size, -limit), np.full(size, limit)
    found = optimize.minimize(
        lambda theta: -expand(theta).value,
        np.zeros(size),
        jac=lambda theta: -expand(theta).gradient,
        method="L-BFGS-B",
        bounds=np.column_stack(bounds),
        options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 1000},
    )
    maximum = maximise(expand, np.zeros(size), bounds=bounds, tolerance=1e-16)
    assert maximum.expansion.value >= -found.fun - 1e-9
    np.testing.assert_allclose(maximum.theta, found.x, atol=1e-4)
    np.testing.assert_array_equal(maximum.fixed, np.abs(maximum.theta) == limit)


@pytest.mark.parametrize("substitute", [None, lambda: np.array([[4.0]])], ids=["eigen", "given"])
def test_a_start_in_a_trough_climbs_out(substitute: Callable[[], np.ndarray] | None) -> None:
    """``cos x`` is convex at the start, where a plain Newton step would go to the minimum."""

    def wave(theta: np.ndarray) -> Expansion:
        return Expansion(
            value=float(np.cos(theta[0])),
            gradient=-np.sin(theta),
            information=np.cos(theta)[:, None],
            substitute=substitute,
        )

    maximum = maximise(wave, np.array([np.pi - 0.4]), longest=1.0)
    np.testing.assert_allclose(maximum.theta, 0.0, atol=1e-4)


def test_steps_are_no_longer_than_allowed_and_stop_on_request() -> None:
    expand, points = counted(rosenbrock)
    maximise(expand, np.array([-3.0, 3.0]), longest=0.25)
    steps = np.diff(np.array(points), axis=0)
    assert 0.1 < np.abs(steps).max() <= 0.25 + 1e-12
    stopped = maximise(
        rosenbrock, np.array([-3.0, 3.0]), interrupt=lambda theta, _: theta[0] > -1.0
    )
    assert -1.0 < stopped.theta[0] < 0.9
    assert stopped.decrement > 1e-6
    assert maximise(rosenbrock, np.array([-3.0, 3.0]), max_evaluations=3).decrement > 1e-6


def test_equal_bounds_hold_a_parameter_degenerate() -> None:
    bounds = np.array([-np.inf, 0.0]), np.array([np.inf, 0.0])
    maximum = maximise(rosenbrock, np.array([0.5, 2.0]), bounds=bounds)
    assert maximum.fixed.tolist() == [False, True]
    assert maximum.theta[1] == 0.0
    everything = maximise(rosenbrock, np.ones(2), bounds=(np.zeros(2), np.zeros(2)))
    assert everything.fixed.all()
    assert everything.decrement == 0.0


def test_a_start_without_a_value_is_refused_bad_input() -> None:
    def nowhere(theta: np.ndarray) -> Expansion:
        return Expansion(value=np.nan, gradient=theta, information=np.eye(theta.size))

    with pytest.raises(FitError, match="not finite"):
        maximise(nowhere, np.zeros(2))
