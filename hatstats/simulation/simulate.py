"""Studies with known truth.

Models answer the same items, whose hardness they share up to noise of their own; a world of
`hatstats.simulation.worlds` determines transfer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hatstats.errors import DataError
from hatstats.inference.arrays import Floats
from hatstats.inference.random_numbers import RandomSource, seeded
from hatstats.inference.validation import one_of
from hatstats.simulation.worlds import (
    WORLDS,
    World,
    WorldName,
    check_values,
    item_probabilities,
    true_hat,
)
from hatstats.study.claims import StudyInfo
from hatstats.study.study import Study

__all__ = ["FAMILIES", "WORLDS", "Shape", "World", "WorldName", "simulate_study", "true_hat"]

#: Sizes of model families, repeated for more models.
FAMILIES = (6, 5, 3, 3, 2, 1)
_ABILITIES = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5)


@dataclass(frozen=True, slots=True)
class Shape:
    """Size of a simulated study.

    Attributes
    ----------
    n_items, n_languages, n_trials : int
    spread : float
        Standard deviation of an item's logit for one model.
    piled : float
        Share of items that a model answers almost never or almost always.
    twins : bool
        Whether items come in pairs of equal hardness; each pair is a cluster.

    Examples
    --------
    >>> import hatstats as hs
    >>> shape = hs.Shape(n_items=20, n_languages=2, n_trials=3)
    >>> hs.simulate_study((0.0, 1.0), shape=shape, rng=1).languages
    ['src', 't01', 't02']
    """

    n_items: int = 250
    n_languages: int = 4
    n_trials: int = 10
    spread: float = 1.5
    piled: float = 0.0
    twins: bool = False

    def __post_init__(self) -> None:
        """Refuse invalid numbers."""
        whole = "give a whole number of 1 or more."
        checks = (
            ("n_items", self.n_items >= 1 and self.n_items % 1 == 0, whole),
            ("n_languages", self.n_languages >= 1 and self.n_languages % 1 == 0, whole),
            ("n_trials", self.n_trials >= 1 and self.n_trials % 1 == 0, whole),
            ("spread", 0.0 <= self.spread < np.inf, "give a standard deviation, 0 for none."),
            ("piled", 0.0 <= self.piled <= 1.0, "give a share between 0 and 1."),
        )
        check_values(self, checks, "invalid shape of a simulated study")


def simulate_study(
    source_ability: Sequence[float] | None = None,
    *,
    transfer: Sequence[float] | None = None,
    shape: Shape | None = None,
    world: WorldName = "logit_normal",
    rng: RandomSource = None,
) -> Study:
    """Draw an item-level study whose transfer is known.

    Parameters
    ----------
    source_ability : sequence of float, length M, optional
        Mean logit of a right source answer, one per model; six from -1 to 1.5 by default.
    transfer : sequence of float, length M, optional
        Shift of each model's target logit; 0 by default.
    shape : Shape, optional
        Numbers of items, languages and trials.
    world : {"logit_normal", "mixture", "cubic", "shared_factor"}
        How transfer behaves.
    rng : Generator, int or None
        Source of random numbers; None draws a fresh seed, which `study.info.source` records.

    Returns
    -------
    Study
        Marked synthetic. Models are named ``model-01`` and so on, in families of 6, 5, 3, 3, 2, 1.

    Raises
    ------
    DataError
        For an unknown world, or numbers of abilities and transfers that differ or are not finite.

    Examples
    --------
    The second model has the same transfer as the first, and is the abler one:

    >>> import hatstats as hs
    >>> study = hs.simulate_study((0.0, 1.5), shape=hs.Shape(n_items=400, n_languages=2), rng=1)
    >>> study.info.source
    'simulate_study, rng=1'
    >>> scores = hs.fit_profile(study).hat("uniform")
    >>> [float(round(score, 2)) for score in scores.params]  # the true score of both is 0.38
    [0.38, 0.36]
    """
    one_of("world", world, tuple(WORLDS))
    generator, seed = seeded(rng)
    source = "simulate_study" + ("" if seed is None else f", rng={seed}")
    ability = np.asarray(_ABILITIES if source_ability is None else source_ability, dtype=float)
    shifts = np.zeros(ability.size) if transfer is None else np.asarray(transfer, dtype=float)
    if shifts.size != ability.size:
        raise DataError(
            f"{shifts.size} transfers for {ability.size} models",
            column="transfer",
            hint="give one per model.",
        )
    for column, values in (("source_ability", ability), ("transfer", shifts)):
        if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
            raise DataError(
                "logits must be finite numbers, one for each of one or more models",
                column=column,
                value=values.tolist(),
                hint="0 is a chance of one half, 2 one of .88.",
            )
    title = f"Simulated study, world {world}"
    info = StudyInfo("simulated", title=title, source=source, synthetic=True)
    return _study(np.column_stack([ability, shifts]), shape or Shape(), world, info, generator)


def _study(
    models: Floats, shape: Shape, world: WorldName, info: StudyInfo, rng: np.random.Generator
) -> Study:
    """Draw a study of one benchmark; `models` (M, 2) are abilities and transfer shifts."""
    hardness = rng.standard_normal(shape.n_items)
    if shape.twins:
        hardness = np.repeat(hardness[: (shape.n_items + 1) // 2], 2)[: shape.n_items]
    languages = ["src", *(f"t{number:02d}" for number in range(1, shape.n_languages + 1))]
    items = [f"item-{number:06d}" for number in range(shape.n_items)]
    names = [f"model-{number:02d}" for number in range(1, len(models) + 1)]
    right = np.empty((len(models), shape.n_items, len(languages)), dtype=np.int64)
    for m, (level, shift) in enumerate(models.tolist()):
        source = item_probabilities(level, hardness, shape.spread, shape.piled, rng)
        target = WORLDS[world].draw(source, shape.n_languages, shift, rng)
        right[m] = rng.binomial(shape.n_trials, np.column_stack([source, target]))
    model, item, language = np.unravel_index(np.arange(right.size), right.shape)
    clusters = [f"pair-{n // 2:06d}" if shape.twins else "" for n in range(shape.n_items)]
    counts = {
        "model": pd.Series(names, dtype="str").array.take(model),
        "item": pd.Series(items, dtype="str").array.take(item),
        "language": pd.Series(languages, dtype="str").array.take(language),
        "n_correct": right.ravel().astype(float),
        "benchmark": "simulated",
        "n_trials": float(shape.n_trials),
        "cluster": np.array(clusters)[item],
    }
    benchmarks = {"benchmark": ["simulated"], "source_language": ["src"], "chance": [0.0]}
    return Study(
        counts=pd.DataFrame(counts),
        models=_models(names, models[:, 0], rng),
        benchmarks=pd.DataFrame(benchmarks),
        info=info,
    )


def _models(names: list[str], ability: Floats, rng: np.random.Generator) -> pd.DataFrame:
    """Families, dates and sizes; larger models have higher ability."""
    sizes = np.resize(FAMILIES, len(names))
    family = np.repeat([f"family-{number + 1}" for number in range(sizes.size)], sizes)
    days = np.round(rng.uniform(0, 730, len(names))).astype(int)
    start = np.datetime64("2024-06-01")
    # Between 10 million and 10 trillion parameters for any ability.
    exponent = np.clip(9.5 + 0.5 * ability + rng.normal(0.0, 0.3, len(names)), 7.0, 13.0)
    return pd.DataFrame(
        {
            "model": names,
            "family": family[: len(names)],
            "release_date": (start + days).astype("datetime64[s]"),
            "params_total": np.round(10.0**exponent, -6),
            "params_active": np.round(10.0**exponent, -6),
        }
    )
