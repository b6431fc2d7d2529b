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
# Share of the residual variance that an item's languages share in the world `shared_factor`.
_SHARED = 0.7


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


def _logit_normal_mean(p: Floats, shift: Shift) -> Floats:
    grid = _line(p, shift)[..., None] + _NODES
    return np.asarray(special.expit(grid) @ _WEIGHTS, dtype=float)


def _draw_logit_normal(p: Floats, languages: int, shift: Shift, rng: np.random.Generator) -> Floats:
    noise = rng.standard_normal((p.size, languages))
    return np.asarray(special.expit(_line(p[:, None], shift) + noise), dtype=float)


def _draw_shared(p: Floats, languages: int, shift: Shift, rng: np.random.Generator) -> Floats:
    own = rng.standard_normal((p.size, languages))
    common = rng.standard_normal((p.size, 1))
    noise = np.sqrt(_SHARED) * common + np.sqrt(1.0 - _SHARED) * own
    return np.asarray(special.expit(_line(p[:, None], shift) + noise), dtype=float)


def _mixture_mean(p: Floats, shift: Shift) -> Floats:
    return np.asarray(0.8 * special.expit(0.8 * _logit(p) + shift), dtype=float)


def _draw_mixture(p: Floats, languages: int, shift: Shift, rng: np.random.Generator) -> Floats:
    transfers = rng.random((p.size, languages)) < 0.8
    return np.where(transfers, special.expit(0.8 * _logit(p[:, None]) + shift), 0.0)


def _cubic_mean(p: Floats, shift: Shift) -> Floats:
    return np.asarray(special.expit(_logit(p**3) + shift), dtype=float)


def _draw_cubic(p: Floats, languages: int, shift: Shift, rng: np.random.Generator) -> Floats:
    target = _cubic_mean(p[:, None], shift)
    return np.broadcast_to(target, (p.size, languages)).copy()


@dataclass(frozen=True, slots=True)
class World:
    """How transfer behaves.

    ``profile(p, shift)`` is the true transfer profile E[target | source = p], broadcast over both;
    ``draw(p, languages, shift, rng)`` gives target probabilities (N, L) from source probabilities
    (N,) and one shift or one per language (L,).
    """

    profile: Callable[[Floats, Shift], Floats]
    draw: Callable[[Floats, int, Shift, np.random.Generator], Floats]


#: The worlds by name: residuals independent by language; transfer that happens or not; transfer
#: of p^3; residuals that an item's languages share.
WORLDS: dict[str, World] = {
    "logit_normal": World(_logit_normal_mean, _draw_logit_normal),
    "mixture": World(_mixture_mean, _draw_mixture),
    "cubic": World(_cubic_mean, _draw_cubic),
    "shared_factor": World(_logit_normal_mean, _draw_shared),
}


def check_values(settings: object, checks: Iterable[tuple[str, bool, str]], message: str) -> None:
    """Refuse settings of which a check (attribute, whether it is valid, hint) fails."""
    for name, valid, hint in checks:
        if not valid:
            raise DataError(message, column=name, value=getattr(settings, name), hint=hint)


def check_world(world: str) -> None:
    """Refuse a world that is not in `WORLDS`."""
    if world not in WORLDS:
        raise DataError(
            "unknown world", column="world", value=world, hint=f"use {', '.join(WORLDS)}."
        )


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
    check_world(world)
    p = np.asarray(source_accuracy, dtype=float).ravel()
    if p.size == 0 or not ((p >= 0.0) & (p <= 1.0)).all():
        raise DataError(
            "a reference holds source accuracies between 0 and 1",
            column="source_accuracy",
            hint="give one proportion or more, without NaN.",
        )
    return float(np.mean(WORLDS[world].profile(p, float(transfer))))
