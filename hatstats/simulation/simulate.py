"""Studies with known truth, in worlds that differ in how abilities and transfer behave.

An item has the same hardness for all models up to a model's own noise; model m answers item i
rightly in the source with probability p = expit(eta_mi). A *world* says how the chance of a right
answer in a target language depends on p. All worlds keep transfer fixed while source ability
moves, so that a score of transfer should not move either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from hatstats.errors import DataError
from hatstats.simulation.paper_preset import COMMON, paper_study
from hatstats.simulation.paper_truth import PILED, PaperDesign, paper_truth
from hatstats.simulation.worlds import WORLDS, Floats, World, WorldName, check_world, true_hat
from hatstats.study.claims import StudyInfo
from hatstats.study.study import Study

__all__ = ["FAMILIES", "WORLDS", "Shape", "World", "WorldName", "simulate_study", "true_hat"]

#: Sizes of model families, used again and again for more models.
FAMILIES = (6, 5, 3, 3, 2, 1)
#: Studies that have a shape of their own.
PRESETS = ("paper",)
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
        Whether items come in pairs of one hardness, which are one cluster.
    """

    n_items: int = 250
    n_languages: int = 4
    n_trials: int = 10
    spread: float = 1.5
    piled: float = 0.0
    twins: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers that are none."""
        whole = "give a whole number of 1 or more."
        for name, fine, hint in (
            ("n_items", self.n_items >= 1 and self.n_items % 1 == 0, whole),
            ("n_languages", self.n_languages >= 1 and self.n_languages % 1 == 0, whole),
            ("n_trials", self.n_trials >= 1 and self.n_trials % 1 == 0, whole),
            ("spread", 0.0 <= self.spread < np.inf, "give a standard deviation, 0 for none."),
            ("piled", 0.0 <= self.piled <= 1.0, "give a share between 0 and 1."),
        ):
            if not fine:
                raise DataError(
                    "the shape cannot be.", column=name, value=getattr(self, name), hint=hint
                )


def simulate_study(
    source_ability: Sequence[float] | None = None,
    *,
    transfer: Sequence[float] | None = None,
    shape: Shape | None = None,
    preset: str | None = None,
    design: PaperDesign | None = None,
    world: WorldName = "logit_normal",
    rng: np.random.Generator | int | None = None,
) -> Study:
    """Draw an item-level study whose transfer is known.

    Parameters
    ----------
    source_ability : sequence of float, length M, optional
        Mean logit of a right source answer, one per model; six from -1 to 1.5 if not given.
    transfer : sequence of float, length M, optional
        Shift of each model's target logit; none if not given.
    shape : Shape, optional
        Numbers of items, languages and trials.
    preset : {"paper"}, optional
        Simulate a study in the shape of a real one instead, of the models and benchmarks that it
        had. ``paper``: twenty models on ECLeKTic (384 items in 12 languages, each item with its
        own source), MGSM (250 in 11) and MMLU-ProX-Lite (658 in 29, chance .1), ten trials.
        Names, sizes and dates are real, counts are not; the truth is `paper_truth(design, world=)`
        of `hatstats.study`.
    design : PaperDesign, optional
        What to change about the preset: trials, piled-up abilities, number of items.
    world : {"logit_normal", "mixture", "cubic", "shared_factor"}
        How transfer behaves.
    rng : Generator, int or None
        Source of random numbers.

    Returns
    -------
    Study
        Marked synthetic; models named ``model-01`` and so on, families of 6, 5, 3, 3, 2, 1, unless
        a preset names them.

    Raises
    ------
    DataError
        For an unknown world or preset, numbers of abilities and transfers that differ or are not
        finite, or a preset given together with abilities, transfers or a shape.
    """
    check_world(world)
    if preset is not None:
        settled = {"source_ability": source_ability, "transfer": transfer, "shape": shape}
        _check_preset(preset, [name for name, value in settled.items() if value is not None])
        return paper_study(paper_truth(design, world=world), np.random.default_rng(rng))
    if design is not None:
        raise DataError(
            "a design belongs to a preset",
            column="design",
            hint="give preset='paper' too, or a shape instead of the design.",
        )
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
                "logits of one or more models are needed, each a finite number",
                column=column,
                value=values.tolist(),
                hint="0 is a chance of one half, 2 one of .88.",
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
        logit = level + size.spread * (np.sqrt(COMMON) * hardness + np.sqrt(1.0 - COMMON) * own)
        p = np.asarray(special.expit(logit), dtype=float)
        if size.piled > 0:
            end = generator.beta(*PILED, size.n_items)
            high = generator.random(size.n_items) < special.expit(level)
            p = np.where(
                generator.random(size.n_items) < size.piled, np.where(high, 1.0 - end, end), p
            )
        target = WORLDS[world].draw(p, size.n_languages, float(shift), generator)
        both = np.column_stack([p, target])
        right = generator.binomial(size.n_trials, both)
        frames.append(
            pd.DataFrame(
                {
                    "model": name,
                    "benchmark": "simulated",
                    "language": np.tile(["src", *languages], size.n_items),
                    "item": np.repeat(items, size.n_languages + 1),
                    "n_correct": right.ravel().astype(float),
                    "n_trials": float(size.n_trials),
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


def _check_preset(preset: str, given: list[str]) -> None:
    """Refuse an unknown preset, or one together with arguments that it settles itself."""
    if preset not in PRESETS:
        raise DataError(
            "unknown preset", column="preset", value=preset, hint=f"use {', '.join(PRESETS)}."
        )
    if given:
        raise DataError(
            f"the preset {preset!r} settles {', '.join(given)} itself",
            column=given[0],
            hint="leave that out, or leave out the preset; a design changes what it allows.",
        )


def _models(names: list[str], ability: Floats, rng: np.random.Generator) -> pd.DataFrame:
    """Families, dates and sizes; larger models are abler."""
    sizes = np.resize(FAMILIES, len(names))
    family = np.repeat([f"family-{place + 1}" for place in range(sizes.size)], sizes)[: len(names)]
    days = np.round(rng.uniform(0, 730, len(names))).astype(int)
    start = np.datetime64("2024-06-01")
    # Between 10 million and 10 trillion, however weak or strong.
    exponent = np.clip(9.5 + 0.5 * ability + rng.normal(0.0, 0.3, len(names)), 7.0, 13.0)
    return pd.DataFrame(
        {
            "model": names,
            "family": family,
            "release_date": (start + days).astype("datetime64[s]"),
            "params_total": np.round(10.0**exponent, -6),
            "params_active": np.round(10.0**exponent, -6),
        }
    )
