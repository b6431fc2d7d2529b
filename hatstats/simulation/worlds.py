"""Simulated items: the chance of a right answer in the source, and how a world transfers it.

Models share part of an item's hardness. A *world* says how the chance of a right answer in a target
language depends on that in the source. Every world keeps transfer fixed while source ability moves,
so that a score of transfer should not move either. A shift on the logit scale makes a model, or a
language, transfer better or worse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
WorldName = Literal["logit_normal", "mixture", "cubic", "shared_factor"]

#: Share of an item's logit variance that all models have in common.
COMMON = 0.6
#: Parameters of the beta distribution of an item answered almost never; mirrored: almost always.
PILED = (1.0, 30.0)

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(41)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
# Line of the logit-normal worlds; the residual has standard deviation 1.
_INTERCEPT, _SLOPE = -0.8, 0.9


def item_probabilities(
    ability: float, hardness: Floats, spread: float, piled: float, rng: np.random.Generator
) -> Floats:
    """Draw a model's chances (N,) of a right source answer.

    Its logits have mean `ability` and standard deviation `spread`; `hardness` (N,), standard
    normal, is shared by all models. A share `piled` of items is answered almost never or almost
    always.
    """
    own = rng.standard_normal(hardness.size)
    logit = ability + spread * (np.sqrt(COMMON) * hardness + np.sqrt(1.0 - COMMON) * own)
    ordinary = np.asarray(special.expit(logit), dtype=float)
    if piled == 0.0:
        return ordinary
    low = rng.beta(*PILED, hardness.size)
    is_high = rng.random(hardness.size) < special.expit(ability)
    extreme = np.where(is_high, 1.0 - low, low)
    return np.where(rng.random(hardness.size) < piled, extreme, ordinary)


def _logit(p: Floats) -> Floats:
    return np.asarray(special.logit(np.clip(p, 1e-9, 1.0 - 1e-9)), dtype=float)


def _line(p: Floats, shift: Shift) -> Floats:
    return _INTERCEPT + shift + _SLOPE * _logit(p)


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
        logit = self.line(p, shift)
        if self.noisy:
            return np.asarray(special.expit(logit[..., None] + _NODES) @ _WEIGHTS, dtype=float)
        return np.asarray(self.transfers * special.expit(logit), dtype=float)

    def draw(self, p: Floats, languages: int, shift: Shift, rng: np.random.Generator) -> Floats:
        """Target probabilities (N, L) from those in the source (N,), one shift or one each (L,)."""
        logit, noise = self.line(p[:, None], shift), np.zeros((p.size, languages))
        if self.noisy:
            noise = rng.standard_normal((p.size, languages))
        if self.shared:
            common = rng.standard_normal((p.size, 1))
            noise = np.sqrt(self.shared) * common + np.sqrt(1.0 - self.shared) * noise
        found = np.asarray(special.expit(logit + noise), dtype=float)
        if self.transfers < 1.0:
            found[rng.random((p.size, languages)) >= self.transfers] = 0.0
        return found


#: The worlds by name: residuals independent by language; transfer that happens or not; transfer
#: of p^3; residuals that an item's languages share.
WORLDS: dict[str, World] = {
    "logit_normal": World(_line, noisy=True),
    "mixture": World(lambda p, shift: 0.8 * _logit(p) + shift, transfers=0.8),
    "cubic": World(lambda p, shift: _logit(p**3) + shift),
    "shared_factor": World(_line, noisy=True, shared=0.7),
}


def check_values(settings: object, checks: Iterable[tuple[str, bool, str]], message: str) -> None:
    """Refuse settings of which a check (attribute, whether it is valid, hint) fails."""
    for name, valid, hint in checks:
        if not valid:
            raise DataError(message, column=name, value=getattr(settings, name), hint=hint)


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
