"""Worlds of known truth: how transfer behaves, and how hard items are.

A *world* says how the chance of a right answer in a target language depends on that in the source.
Every world keeps transfer fixed while source ability moves, so that a score of transfer should not
move either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from hatstats.errors import DataError
from hatstats.inference.arrays import Floats
from hatstats.inference.validation import one_of

#: Shift of a target's logit: one number, or one for each language.
Shift = float | Floats
WorldName = Literal["logit_normal", "mixture", "cubic", "shared_factor", "falling_top"]
SpreadName = Literal["normal", "t2", "bimodal", "four_levels"]


_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(41)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
# Line of the logit-normal worlds; the residual has standard deviation 1.
_INTERCEPT, _SLOPE = -0.8, 0.9


def _bimodal(z: Floats) -> Floats:
    """Two humps at -0.95 and 0.95 with standard deviation 0.31, of equal weight."""
    middle = special.ndtr(z)
    low = special.ndtri(np.clip(2.0 * np.minimum(middle, 1.0 - middle), 1e-300, 1.0))
    # Within a hump ranks run from its outer to its inner side; beyond the median they mirror.
    return np.asarray(np.sign(z) * (0.95 - 0.31 * low), dtype=float)


def _four_levels(z: Floats) -> Floats:
    """Four equally frequent values."""
    level = np.floor(4.0 * np.asarray(special.ndtr(z), dtype=float))
    return np.asarray((level - 1.5) / np.sqrt(1.25), dtype=float)


#: Item logits about their mean, in units of `spread`, from standard normal ones: as they are,
#: Student t with 2 degrees of freedom (no variance), two humps, four values of equal frequency.
SPREADS: dict[str, Callable[[Floats], Floats]] = {
    "normal": lambda z: z,
    "t2": lambda z: np.asarray(special.stdtrit(2.0, special.ndtr(z)), dtype=float),
    "bimodal": _bimodal,
    "four_levels": _four_levels,
}


def logit(p: Floats) -> Floats:
    """Return the logit of p, kept finite at 0 and 1."""
    return np.asarray(special.logit(np.clip(p, 1e-9, 1.0 - 1e-9)), dtype=float)


def _line(p: Floats, shift: Shift) -> Floats:
    return _INTERCEPT + shift + _SLOPE * logit(p)


@dataclass(frozen=True, slots=True)
class World:
    """How transfer behaves: the target logit of an item whose source probability is p.

    It is ``line(p, shift)`` plus, where `noisy`, a standard normal residual, whose variance the
    languages of an item share in part (`shared`); knowledge transfers with probability `transfers`.
    """

    line: Callable[[Floats, Shift], Floats]
    noisy: bool = False
    shared: float = 0.0
    transfers: float = 1.0

    def profile(self, p: Floats, shift: Shift) -> Floats:
        """True transfer profile E[target | source = p], broadcast over both."""
        eta = self.line(p, shift)
        if self.noisy:
            return np.asarray(special.expit(eta[..., None] + _NODES) @ _WEIGHTS, dtype=float)
        return np.asarray(self.transfers * special.expit(eta), dtype=float)

    def draw(self, p: Floats, languages: int, shift: Shift, rng: np.random.Generator) -> Floats:
        """Target probabilities (N, L) from those in the source (N,), one shift or one each (L,)."""
        eta, noise = self.line(p[:, None], shift), np.zeros((p.size, languages))
        if self.noisy:
            noise = rng.standard_normal((p.size, languages))
        if self.shared:
            common = rng.standard_normal((p.size, 1))
            noise = np.sqrt(self.shared) * common + np.sqrt(1.0 - self.shared) * noise
        found = np.asarray(special.expit(eta + noise), dtype=float)
        if self.transfers < 1.0:
            found[rng.random((p.size, languages)) >= self.transfers] = 0.0
        return found


def _falling(p: Floats, shift: Shift) -> Floats:
    # Rises from .05 to .65 at p = 2/3 and falls to .5 at p = 1.
    return logit(np.clip(0.05 + 1.8 * p * (1.0 - 0.75 * p), 0.0, 1.0)) + shift


#: The worlds by name: residuals independent by language; transfer that happens or not; transfer
#: of p^3; residuals that an item's languages share; transfer that is lower for the easiest items.
WORLDS: dict[str, World] = {
    "logit_normal": World(_line, noisy=True),
    "mixture": World(lambda p, shift: 0.8 * logit(p) + shift, transfers=0.8),
    "cubic": World(lambda p, shift: logit(p**3) + shift),
    "shared_factor": World(_line, noisy=True, shared=0.7),
    "falling_top": World(_falling),
}


def true_hat(
    source_accuracy: ArrayLike, *, world: WorldName = "logit_normal", transfer: float = 0.0
) -> float:
    """True HAT of a world when the reference is the given source accuracies.

    Parameters
    ----------
    source_accuracy : array_like
        Source accuracies that represent the reference distribution, each in [0, 1].
    world : str
    transfer : float
        Shift of the target logit.

    Returns
    -------
    float

    Raises
    ------
    DataError
        For an unknown world, or source accuracies outside [0, 1].

    Examples
    --------
    >>> import hatstats as hs
    >>> round(hs.true_hat([0.2, 0.5, 0.8]), 3)
    0.36
    """
    one_of("world", world, tuple(WORLDS))
    p = np.asarray(source_accuracy, dtype=float).ravel()
    if p.size == 0 or not ((p >= 0.0) & (p <= 1.0)).all():
        raise DataError(
            "a reference holds source accuracies between 0 and 1",
            column="source_accuracy",
            hint="give one proportion or more, without NaN.",
        )
    return float(np.mean(WORLDS[world].profile(p, float(transfer))))
