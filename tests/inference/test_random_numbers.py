"""Fresh, repeated and passed random numbers."""

from __future__ import annotations

import numpy as np

from hatstats.inference.random_numbers import seeded


def test_the_recorded_seed_draws_the_same_numbers_again() -> None:
    for given in (None, 7, np.int64(7)):
        rng, seed = seeded(given)  # type: ignore[arg-type]
        assert isinstance(seed, int)
        again, _ = seeded(seed)
        np.testing.assert_array_equal(rng.random(5), again.random(5))
    assert seeded(None)[1] != seeded(None)[1]


def test_a_generator_is_used_as_it_is() -> None:
    rng = np.random.default_rng(3)
    rng.random(4)
    found, seed = seeded(rng)
    assert found is rng
    assert seed is None
