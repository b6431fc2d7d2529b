"""Random numbers that can be drawn again: the seed of a result, also where none was given."""

from __future__ import annotations

import secrets

import numpy as np

#: What public functions take as `rng`.
RandomSource = np.random.Generator | int | None


def seeded(rng: RandomSource) -> tuple[np.random.Generator, int | None]:
    """Return a generator, and the integer that gives the same numbers when passed as `rng`.

    None draws 63 fresh bits from the operating system; an integer stays itself. A generator has no
    such integer, since it may have been used before: None.
    """
    if rng is None:
        rng = secrets.randbits(63)
    seed = None if isinstance(rng, np.random.Generator) else int(rng)
    return np.random.default_rng(rng), seed
