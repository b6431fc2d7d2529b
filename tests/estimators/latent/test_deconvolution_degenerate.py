"""Counts at the edge: the climb must end, whatever the data."""

from __future__ import annotations

import numpy as np
import pytest

from hatstats.estimators.latent.deconvolution import deconvolve
from hatstats.estimators.latent.patterns import count_patterns

# All of these once ran into the limit of steps: (trials, {right answers: items}).
STUBBORN: dict[str, tuple[int, dict[int, int]]] = {
    "strong model": (8, {0: 1, 3: 2, 4: 8, 5: 12, 6: 24, 7: 65, 8: 138}),
    "weak model": (6, {0: 193, 1: 32, 2: 14, 3: 7, 4: 3, 6: 1}),
    "weak model, 100 items": (7, {0: 44, 1: 31, 2: 12, 3: 5, 4: 3, 5: 4, 6: 1}),
    "middling model": (7, {1: 6, 2: 3, 3: 10, 4: 5, 5: 8, 6: 15, 7: 13}),
    "two items": (21, {14: 1, 19: 1}),
    "five items": (6, {1: 1, 2: 2, 4: 1, 6: 1}),
}


@pytest.mark.parametrize("name", STUBBORN)
def test_counts_that_once_did_not_converge(name: str) -> None:
    trials, histogram = STUBBORN[name]
    correct = np.repeat(list(histogram), list(histogram.values())).astype(float)
    part = deconvolve(count_patterns(correct, np.full(correct.size, float(trials))))
    assert part.density.sum() == pytest.approx(1.0)
    assert np.isfinite(part.theta_influence).all()


@pytest.mark.slow
def test_no_random_small_data_set_is_refused() -> None:
    rng = np.random.default_rng(20)
    shapes = [0.1, 0.5, 1.0, 5.0]
    for _ in range(200):
        size = int(rng.choice([1, 2, 3, 5, 10, 30, 100]))
        equal = rng.random() < 0.5
        trials = np.full(size, rng.integers(2, 30)) if equal else rng.integers(2, 12, size)
        correct = rng.binomial(trials, rng.beta(*rng.choice(shapes, 2), size))
        part = deconvolve(count_patterns(correct.astype(float), trials.astype(float)))
        assert np.isfinite(part.log_likelihood)
        np.testing.assert_allclose(part.posterior.sum(axis=1), 1.0)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_all_wrong_and_all_right_put_the_mass_at_that_end(share: float) -> None:
    trials = np.full(50, 8.0)
    part = deconvolve(count_patterns(share * trials, trials))
    end = np.abs(part.grid - share) < 0.1
    assert part.density[end].sum() > 0.9
    assert abs(part.density @ part.grid - share) < 0.02


def test_an_item_that_was_never_asked_is_ignored() -> None:
    correct, trials = np.array([3.0, 0.0, 1.0, 0.0]), np.array([5.0, 0.0, 4.0, 0.0])
    with_gaps = deconvolve(count_patterns(correct, trials))
    without = deconvolve(count_patterns(correct[[0, 2]], trials[[0, 2]]))
    np.testing.assert_array_equal(with_gaps.patterns.index, [1, -1, 0, -1])
    np.testing.assert_array_equal(with_gaps.density, without.density)
