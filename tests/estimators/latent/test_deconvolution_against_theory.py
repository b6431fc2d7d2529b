"""What the distribution of source accuracy must satisfy, and how an item moves it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from hatstats.estimators.latent.deconvolution import deconvolve
from hatstats.estimators.latent.patterns import count_patterns
from tests.estimators import naive as twins


def simulated(
    size: int, trials: int, seed: int, *, mean: float = 0.5, sd: float = 1.3
) -> np.ndarray:
    rng = np.random.default_rng(seed)
    p = special.expit(mean + sd * rng.standard_normal(size))
    return rng.binomial(trials, p).astype(float)


@pytest.mark.parametrize("trials", [2, 5, 20])
def test_identified_moments_are_matched(trials: int) -> None:
    """With n trials, E[x^r] = E[k (k - 1) ... / n (n - 1) ...] for r up to n."""
    k = simulated(4000, trials, 1)
    part = deconvolve(count_patterns(k, np.full(4000, float(trials))))
    assert part.density.sum() == pytest.approx(1.0)
    assert (part.density >= 0).all()
    assert part.density @ part.grid == pytest.approx(k.mean() / trials, abs=0.002)
    square = (k * (k - 1)).mean() / (trials * (trials - 1))
    assert part.density @ part.grid**2 == pytest.approx(square, abs=0.003)


def test_noise_is_undone() -> None:
    """The spread of k/n is too wide by the binomial noise; that of g is not."""
    rng = np.random.default_rng(2)
    p = special.expit(0.5 + 1.3 * rng.standard_normal(20_000))
    k = rng.binomial(4, p).astype(float)
    part = deconvolve(count_patterns(k, np.full(20_000, 4.0)))
    levels = special.expit(np.array([-1.375, 0.125, 1.625]))  # between points of the grid
    below = np.array([part.density[part.grid <= level].sum() for level in levels])
    truth = np.array([(p <= level).mean() for level in levels])
    naive = np.array([(k / 4 <= level).mean() for level in levels])
    assert np.abs(below - truth).max() < 0.03
    assert np.abs(naive - truth).max() > 0.06


def test_right_and_wrong_are_mirror_images() -> None:
    k = simulated(500, 7, 3)
    one = deconvolve(count_patterns(k, np.full(500, 7.0)))
    two = deconvolve(count_patterns(7.0 - k, np.full(500, 7.0)))
    np.testing.assert_allclose(one.density, two.density[::-1], atol=1e-7)


def test_much_smoothing_leads_to_a_normal_of_logits() -> None:
    k = simulated(1500, 10, 4)
    part = deconvolve(count_patterns(k, np.full(1500, 10.0)), smoothing=1e8)
    logit = special.logit(part.grid[1:-1])
    # The outermost splines stand closer together, so that the ends are no parabola.
    inner = np.abs(logit) < 3.8
    log_density = np.log(part.density[1:-1])[inner]
    parabola = np.polyval(np.polyfit(logit[inner], log_density, 2), logit[inner])
    assert np.abs(parabola - log_density).max() < 1e-3
    within = part.density[1:-1] / part.density[1:-1].sum()
    mean = within @ logit
    assert mean == pytest.approx(0.5, abs=0.1)
    assert np.sqrt(within @ (logit - mean) ** 2) == pytest.approx(1.3, abs=0.12)


def test_items_that_are_never_or_always_answered_are_found() -> None:
    rng = np.random.default_rng(5)
    kind = rng.random(3000)
    p = np.where(kind < 0.25, 0.0, np.where(kind < 0.4, 1.0, 0.5))
    k = rng.binomial(12, p).astype(float)
    part = deconvolve(count_patterns(k, np.full(3000, 12.0)))
    assert part.density[part.grid < 0.02].sum() == pytest.approx(0.25, abs=0.03)
    assert part.density[part.grid > 0.98].sum() == pytest.approx(0.15, abs=0.03)
    assert part.density[(part.grid > 0.3) & (part.grid < 0.7)].sum() > 0.5


# --- influence: derivatives with respect to the weight of an item -------------------------------


def refit(
    part_theta: np.ndarray, table: np.ndarray, size: np.ndarray, smoothing: float
) -> np.ndarray:
    """Root of the weighted score equations near a solution."""
    return twins.polish(
        part_theta, lambda theta: twins.gradient(theta, table, size, smoothing), steps=3
    )


@pytest.mark.parametrize("unequal", [pytest.param(False, marks=pytest.mark.slow), True])
def test_influence_is_the_derivative_in_an_items_weight(unequal: bool) -> None:
    rng = np.random.default_rng(6)
    trials = rng.integers(2, 6, 80).astype(float) if unequal else np.full(80, 5.0)
    p = special.expit(rng.normal(0.4, 1.4, 80))
    correct = rng.binomial(trials.astype(int), p).astype(float)
    part = deconvolve(count_patterns(correct, trials), smoothing=2.0)
    patterns = part.patterns
    table = twins.likelihood(patterns.correct, patterns.trials)
    theta = refit(twins.theta_of(part.density), table, patterns.size, 2.0)
    # Influence sums to 0 over items.
    np.testing.assert_allclose(patterns.size @ part.theta_influence, 0.0, atol=1e-9)

    step = 1e-3
    for pattern in range(0, patterns.size.size, 3):
        # One item of this pattern gains weight, all share the loss.
        direction = -patterns.size / patterns.size.sum()
        direction[pattern] += 1.0
        ends = [
            refit(theta, table, patterns.size + sign * step * direction, 2.0) for sign in (1, -1)
        ]
        slope = (ends[0] - ends[1]) / (2 * step)
        scale = np.abs(part.theta_influence).max()
        np.testing.assert_allclose(part.theta_influence[pattern], slope, atol=1e-5 * scale)
        # The same for functionals of g: its mean and a tail.
        for values in (part.grid, (part.grid > 0.7).astype(float)):
            centred = (values - part.density @ values) * part.density
            chain = part.theta_influence[pattern] @ (part.basis.T @ centred)
            moved = [twins.density_of(end) @ values for end in ends]
            assert chain == pytest.approx((moved[0] - moved[1]) / (2 * step), rel=1e-4, abs=1e-9)


def test_influence_gives_the_spread_over_samples() -> None:
    """The sandwich of the mean of g is that of the mean of k / n, which theory knows."""
    k = simulated(800, 6, 7)
    part = deconvolve(count_patterns(k, np.full(800, 6.0)))
    centred = (part.grid - part.density @ part.grid) * part.density
    per_item = (part.theta_influence @ (part.basis.T @ centred))[part.patterns.index]
    error = np.sqrt((per_item**2).sum())
    assert error == pytest.approx((k / 6).std() / np.sqrt(800), rel=0.02)


def test_influence_gives_the_spread_of_fits_without_an_item() -> None:
    k = simulated(60, 20, 3)
    full = np.full(60, 20.0)
    part = deconvolve(count_patterns(k, full))
    values = np.column_stack([part.grid, part.grid > 0.6])
    centred = (values - part.density @ values) * part.density[:, None]
    error = np.sqrt((part.influence((part.basis.T @ centred).T) ** 2).sum(axis=0))
    without = np.array(
        [
            deconvolve(count_patterns(np.delete(k, i), full[1:]), part.smoothing).density @ values
            for i in range(60)
        ]
    )
    jackknife = np.sqrt(((without - without.mean(axis=0)) ** 2).sum(axis=0))
    np.testing.assert_allclose(error, jackknife, rtol=0.04)
    # The mean of g is that of k / n; 60 items have 59 degrees of freedom.
    assert error[0] == pytest.approx((k / 20).std() / np.sqrt(60), rel=0.02)
