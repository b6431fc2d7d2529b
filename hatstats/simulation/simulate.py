"""Studies with known truth.

Models answer the same items, whose hardness they share up to noise of their own, in one of the
worlds of `hatstats.simulation.worlds`. A shift on the logit scale makes a model, or a language,
transfer better or worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from hatstats.errors import DataError
from hatstats.inference.arrays import Floats
from hatstats.inference.random_numbers import RandomSource, seeded
from hatstats.inference.validation import count_at_least, in_range, one_of
from hatstats.simulation.worlds import SPREADS, WORLDS, SpreadName, WorldName, logit
from hatstats.study.claims import StudyInfo
from hatstats.study.study import Study

#: Sizes of model families, repeated for more models.
FAMILIES = (6, 5, 3, 3, 2, 1)
_ABILITIES = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
#: Share of an item's logit variance that all models have in common.
COMMON = 0.6
#: Parameters of the beta distribution of an item answered almost never; mirrored: almost always.
PILED = (1.0, 30.0)


@dataclass(frozen=True, slots=True)
class Shape:
    """Size of a simulated study.

    Attributes
    ----------
    n_items, n_languages, n_trials : int
    spread : float
        Standard deviation of an item's logit for one model.
    distribution : {"normal", "t2", "bimodal", "four_levels"}
        How these logits are distributed; Student t with 2 degrees of freedom is scaled by `spread`.
    piled : float
        Share of items that a model answers almost never or almost always.
    repeats : int
        Trials of each wording; of more than one wordings are named in ``counts["prompt"]``.
    wording_correlation : float
        Correlation, in [0, 1], of two trials of one wording of an item, whose chances are beta
        distributed about the item's.
    wording_sd : float
        Standard deviation of a wording's effect on all items of a model in one language, on the
        logit scale. With an effect wordings are named.
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
    distribution: SpreadName = "normal"
    repeats: int = 1
    wording_correlation: float = 0.0
    wording_sd: float = 0.0

    def __post_init__(self) -> None:
        """Refuse invalid numbers and names."""
        one_of("distribution", self.distribution, tuple(SPREADS))
        for name in ("n_items", "n_languages", "n_trials", "repeats"):
            count_at_least(name, getattr(self, name), 1)
        if self.n_trials % self.repeats:
            hint = "give a whole number by which n_trials can be divided."
            text = "trials are whole wordings"
            raise DataError(text, column="repeats", value=self.repeats, hint=hint)
        for name, bounds in (
            ("spread", "[0, inf)"),
            ("wording_sd", "[0, inf)"),
            ("piled", "[0, 1]"),
            ("wording_correlation", "[0, 1]"),
        ):
            in_range(name, getattr(self, name), bounds, "0 is none.")


def item_probabilities(
    ability: float, hardness: Floats, shape: Shape, rng: np.random.Generator
) -> Floats:
    """Draw a model's chances (N,) of a right source answer.

    Its logits are distributed about `ability` as `shape` says; `hardness` (N,), standard normal, is
    shared by all models. A share `shape.piled` of items is answered almost never or almost always.
    """
    own = rng.standard_normal(hardness.size)
    normal = np.sqrt(COMMON) * hardness + np.sqrt(1.0 - COMMON) * own
    logits = ability + shape.spread * SPREADS[shape.distribution](normal)
    ordinary = np.asarray(special.expit(logits), dtype=float)
    piled = shape.piled
    if piled == 0.0:
        return ordinary
    low = rng.beta(*PILED, hardness.size)
    is_high = rng.random(hardness.size) < special.expit(ability)
    extreme = np.where(is_high, 1.0 - low, low)
    return np.where(rng.random(hardness.size) < piled, extreme, ordinary)


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
    world : {"logit_normal", "mixture", "cubic", "shared_factor", "falling_top"}
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
                hint="0 is a chance of one half, 2 one of 0.88.",
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
    named = shape.repeats > 1 or shape.wording_sd > 0.0
    wordings = shape.n_trials // shape.repeats if named else 1
    right = np.empty((len(models), shape.n_items, len(languages), wordings), dtype=np.int64)
    for m, (level, shift) in enumerate(models.tolist()):
        source = item_probabilities(level, hardness, shape, rng)
        target = WORLDS[world].draw(source, shape.n_languages, shift, rng)
        chance = np.column_stack([source, target])[:, :, None]
        if named:
            chance = _by_wording(np.repeat(chance, wordings, axis=2), shape, rng)
        right[m] = rng.binomial(shape.n_trials // wordings, chance)
    model, item, language, wording = np.unravel_index(np.arange(right.size), right.shape)
    prompts = [f"wording-{number:02d}" if named else "" for number in range(1, wordings + 1)]
    clusters = [f"pair-{n // 2:06d}" if shape.twins else "" for n in range(shape.n_items)]
    counts = {
        "model": pd.Series(names, dtype="str").array.take(model),
        "item": pd.Series(items, dtype="str").array.take(item),
        "language": pd.Series(languages, dtype="str").array.take(language),
        "n_correct": right.ravel().astype(float),
        "benchmark": "simulated",
        "n_trials": float(shape.n_trials // wordings),
        "cluster": np.array(clusters)[item],
        **({"prompt": np.array(prompts)[wording]} if named else {}),
    }
    benchmarks = {"benchmark": ["simulated"], "source_language": ["src"], "chance": [0.0]}
    return Study(
        counts=pd.DataFrame(counts),
        models=_models(names, models[:, 0], rng),
        benchmarks=pd.DataFrame(benchmarks),
        info=info,
    )


def _by_wording(chance: Floats, shape: Shape, rng: np.random.Generator) -> Floats:
    """Chances (N, L, W) of each wording of an item: its own luck, and the wording's effect."""
    if shape.wording_sd:
        effects = shape.wording_sd * rng.standard_normal((1, *chance.shape[1:]))
        chance = np.asarray(special.expit(logit(chance) + effects), dtype=float)
    rho = shape.wording_correlation
    if rho == 1.0:
        return (rng.random(chance.shape) < chance).astype(float)
    if rho:
        size, inside = (1.0 - rho) / rho, np.clip(chance, 1e-9, 1.0 - 1e-9)
        return np.asarray(rng.beta(size * inside, size * (1.0 - inside)), dtype=float)
    return chance


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
