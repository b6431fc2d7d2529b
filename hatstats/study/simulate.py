"""Studies with known truth, in worlds that differ in how abilities and transfer behave.

An item has the same hardness for all models up to a model's own noise; model m answers item i
rightly in the source with probability p = expit(eta_mi). A *world* says how the chance of a right
answer in a target language depends on p. All worlds keep transfer fixed while source ability
moves, so that a score of transfer should not move either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

from hatstats.errors import DataError
from hatstats.study.claims import StudyInfo
from hatstats.study.study import Study

Floats = NDArray[np.float64]
WorldName = Literal["logit_normal", "mixture", "cubic", "shared_factor"]

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(41)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
# Line of the logit-normal worlds; the residual has standard deviation 1.
_INTERCEPT, _SLOPE = -0.8, 0.9
_SHARED = 0.7
#: Share of an item's logit variance that all models have in common.
_COMMON = 0.6
#: Sizes of model families, used again and again for more models.
FAMILIES = (6, 5, 3, 3, 2, 1)


def _logit(p: Floats) -> Floats:
    return np.asarray(special.logit(np.clip(p, 1e-9, 1.0 - 1e-9)), dtype=float)


def _line(p: Floats, shift: float) -> Floats:
    return _INTERCEPT + shift + _SLOPE * _logit(p)


def _logit_normal_mean(p: Floats, shift: float) -> Floats:
    grid = _line(p, shift)[..., None] + _NODES
    return np.asarray(special.expit(grid) @ _WEIGHTS, dtype=float)


def _draw_logit_normal(p: Floats, languages: int, shift: float, rng: np.random.Generator) -> Floats:
    noise = rng.standard_normal((p.size, languages))
    return np.asarray(special.expit(_line(p, shift)[:, None] + noise), dtype=float)


def _draw_shared(p: Floats, languages: int, shift: float, rng: np.random.Generator) -> Floats:
    own = rng.standard_normal((p.size, languages))
    common = rng.standard_normal((p.size, 1))
    noise = np.sqrt(_SHARED) * common + np.sqrt(1.0 - _SHARED) * own
    return np.asarray(special.expit(_line(p, shift)[:, None] + noise), dtype=float)


def _mixture_mean(p: Floats, shift: float) -> Floats:
    return np.asarray(0.8 * special.expit(0.8 * _logit(p) + shift), dtype=float)


def _draw_mixture(p: Floats, languages: int, shift: float, rng: np.random.Generator) -> Floats:
    transfers = rng.random((p.size, languages)) < 0.8
    return np.where(transfers, special.expit(0.8 * _logit(p) + shift)[:, None], 0.0)


def _cubic_mean(p: Floats, shift: float) -> Floats:
    return np.asarray(special.expit(_logit(p**3) + shift), dtype=float)


def _draw_cubic(p: Floats, languages: int, shift: float, rng: np.random.Generator) -> Floats:
    return np.repeat(_cubic_mean(p, shift)[:, None], languages, axis=1)


@dataclass(frozen=True, slots=True)
class World:
    """How transfer behaves.

    Attributes
    ----------
    profile : callable
        ``profile(p, shift)``: the true transfer profile E[target | source = p].
    draw : callable
        ``draw(p, languages, shift, rng)``: target probabilities, shape (N, L).
    """

    profile: Callable[[Floats, float], Floats]
    draw: Callable[[Floats, int, float, np.random.Generator], Floats]


#: The worlds by name: residuals independent by language; transfer that happens or not; transfer
#: of p^3; residuals that an item's languages share.
WORLDS: dict[str, World] = {
    "logit_normal": World(_logit_normal_mean, _draw_logit_normal),
    "mixture": World(_mixture_mean, _draw_mixture),
    "cubic": World(_cubic_mean, _draw_cubic),
    "shared_factor": World(_logit_normal_mean, _draw_shared),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """Size of a simulated study.

    Attributes
    ----------
    n_items, n_languages, n_promptings : int
    spread : float
        Standard deviation of an item's logit for one model.
    piled : float
        Share of items that a model answers almost never or almost always.
    twins : bool
        Whether items come in pairs of one hardness, which are one cluster.
    """

    n_items: int = 250
    n_languages: int = 4
    n_promptings: int = 10
    spread: float = 1.5
    piled: float = 0.0
    twins: bool = False


def true_hat(
    source_accuracy: ArrayLike, *, world: WorldName = "logit_normal", transfer: float = 0.0
) -> float:
    """True HAT of a world when the reference is the given source accuracies.

    Parameters
    ----------
    source_accuracy : array_like
        Source probabilities that stand for the reference distribution.
    world : str
    transfer : float
        Shift of the target logit.

    Returns
    -------
    float
    """
    p = np.asarray(source_accuracy, dtype=float).ravel()
    return float(np.mean(WORLDS[world].profile(p, float(transfer))))


def simulate_study(
    source_ability: Sequence[float] = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5),
    *,
    transfer: Sequence[float] | None = None,
    shape: Shape | None = None,
    world: WorldName = "logit_normal",
    rng: np.random.Generator | int | None = None,
) -> Study:
    """Draw an item-level study whose transfer is known.

    Parameters
    ----------
    source_ability : sequence of float, length M
        Mean logit of a right source answer, one per model.
    transfer : sequence of float, length M, optional
        Shift of each model's target logit; none if not given.
    shape : Shape, optional
        Numbers of items, languages and promptings.
    world : {"logit_normal", "mixture", "cubic", "shared_factor"}
        How transfer behaves.
    rng : Generator, int or None
        Source of random numbers.

    Returns
    -------
    Study
        Marked synthetic; models named ``model-01`` and so on, families of 6, 5, 3, 3, 2, 1.

    Raises
    ------
    DataError
        For an unknown world, or numbers of abilities and transfers that differ.
    """
    if world not in WORLDS:
        raise DataError(
            "unknown world", column="world", value=world, mend=f"use {', '.join(WORLDS)}."
        )
    ability = np.asarray(source_ability, dtype=float)
    shifts = np.zeros(ability.size) if transfer is None else np.asarray(transfer, dtype=float)
    if shifts.size != ability.size:
        raise DataError(
            f"{shifts.size} transfers for {ability.size} models",
            column="transfer",
            mend="give one per model.",
        )
    size = shape or Shape()
    generator = np.random.default_rng(rng)
    hardness = generator.standard_normal(size.n_items)
    if size.twins:
        hardness = np.repeat(hardness[: (size.n_items + 1) // 2], 2)[: size.n_items]
    languages = [f"t{place:02d}" for place in range(1, size.n_languages + 1)]
    items = np.array([f"item-{place:06d}" for place in range(size.n_items)])
    names = [f"model-{place:02d}" for place in range(1, ability.size + 1)]
    frames = []
    for name, level, shift in zip(names, ability, shifts, strict=True):
        own = generator.standard_normal(size.n_items)
        logit = level + size.spread * (np.sqrt(_COMMON) * hardness + np.sqrt(1.0 - _COMMON) * own)
        p = np.asarray(special.expit(logit), dtype=float)
        if size.piled > 0:
            end = generator.beta(1.0, 30.0, size.n_items)
            high = generator.random(size.n_items) < special.expit(level)
            p = np.where(
                generator.random(size.n_items) < size.piled, np.where(high, 1.0 - end, end), p
            )
        target = WORLDS[world].draw(p, size.n_languages, float(shift), generator)
        both = np.column_stack([p, target])
        right = generator.binomial(size.n_promptings, both)
        frames.append(
            pd.DataFrame(
                {
                    "model": name,
                    "benchmark": "simulated",
                    "language": np.tile(["src", *languages], size.n_items),
                    "item": np.repeat(items, size.n_languages + 1),
                    "n_correct": right.ravel().astype(float),
                    "n_trials": float(size.n_promptings),
                    "cluster": np.repeat(
                        [
                            f"pair-{place // 2:06d}" if size.twins else ""
                            for place in range(items.size)
                        ],
                        size.n_languages + 1,
                    ),
                }
            )
        )
    return Study(
        counts=pd.concat(frames, ignore_index=True),
        models=_models(names, ability, generator),
        benchmarks=pd.DataFrame(
            {"benchmark": ["simulated"], "source_language": ["src"], "chance": [0.0]}
        ),
        info=StudyInfo(
            "simulated",
            title=f"Simulated study, world {world}",
            source="simulate_study",
            synthetic=True,
        ),
    )


def _models(names: list[str], ability: Floats, rng: np.random.Generator) -> pd.DataFrame:
    """Families, dates and sizes; larger models are abler."""
    sizes = np.resize(FAMILIES, len(names))
    family = np.repeat([f"family-{place + 1}" for place in range(sizes.size)], sizes)[: len(names)]
    days = np.round(rng.uniform(0, 730, len(names))).astype(int)
    start = np.datetime64("2024-06-01")
    exponent = 9.5 + 0.5 * ability + rng.normal(0.0, 0.3, len(names))
    return pd.DataFrame(
        {
            "model": names,
            "family": family,
            "release_date": (start + days).astype("datetime64[s]"),
            "params_total": np.round(10.0**exponent, -6),
            "params_active": np.round(10.0**exponent, -6),
        }
    )
