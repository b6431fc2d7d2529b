"""Random numbers that can be drawn again: the seed of a result, also where none was given."""

from __future__ import annotations

import secrets

import numpy as np

#: What public functions take as `rng`.
RandomSource = np.random.Generator | int | None


def seeded(rng: RandomSource) -> tuple[np.random.Generator, int | None]:
    """A generator, and the integer that gives the same numbers; None for a generator given."""
    if rng is None:
        rng = secrets.randbits(63)
    seed = None if isinstance(rng, np.random.Generator) else int(rng)
    return np.random.default_rng(rng), seed
