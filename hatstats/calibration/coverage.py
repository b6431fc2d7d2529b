"""How often intervals hold the truth."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray

from hatstats.calibration.drift import true_score
from hatstats.errors import DegenerateDataWarning
from hatstats.estimators.methods import ItemOptions, Method, fit_profile
from hatstats.scores.reference import reference_name
from hatstats.scores.scores import HatScores
from hatstats.simulation.simulate import Shape, WorldName, simulate_study, true_hat

Floats = NDArray[np.float64]

#: Source accuracies inside the support of models of middling ability.
INSIDE = (0.2, 0.4, 0.6, 0.8)
# A coverage that falls short by more must come with a warning in words.
_SHORT = 0.03
#: A reference: its name, or source accuracies.
Reference = str | tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CoverageDesign:
    """What is simulated to count how often intervals hold the truth.

    Attributes
    ----------
    world : str
    n_items, n_languages, n_trials : int
    twins : bool
        Whether items come in pairs of one hardness.
    abilities : tuple of float
        Mean source logits; transfer is the same, so that every contrast is truly 0.
    method : str
    options : LatentOptions or JointOptions, optional
    piled : float
        Share of items near 0 or 1.
    """

    world: WorldName = "logit_normal"
    n_items: int = 250
    n_languages: int = 1
    n_trials: int = 10
    twins: bool = False
    abilities: tuple[float, ...] = (-1.0, 0.0, 1.0)
    method: Method = "latent"
    options: ItemOptions | None = None
    piled: float = 0.0


def _intervals(scores: HatScores, level: float) -> Floats:
    """Estimate, standard error and limits of each score, then of neighbours' contrasts."""
    rows = np.column_stack([scores.params, scores.bse, scores.conf_int(level)])
    columns = ["estimate", "std_error", "conf_low", "conf_high"]
    pairs = zip(scores.models[:-1], scores.models[1:], strict=True)
    return np.vstack(
        [rows, *(scores.contrast(a, b, level)[columns].to_numpy(dtype=float) for a, b in pairs)]
    )


@dataclass(frozen=True, slots=True)
class _Drawn:
    """One replicate under one reference: intervals, the same with the shape error, warnings."""

    plain: Floats
    shaped: Floats
    noted: NDArray[np.bool_]


def _replicate(
    design: CoverageDesign,
    references: Sequence[Reference],
    level: float,
    rng: np.random.Generator,
) -> list[_Drawn]:
    shape = Shape(
        n_items=design.n_items,
        n_languages=design.n_languages,
        n_trials=design.n_trials,
        piled=design.piled,
        twins=design.twins,
    )
    study = simulate_study(design.abilities, shape=shape, world=design.world, rng=rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)
        profile = fit_profile(study, method=design.method, options=design.options)
    drawn = []
    for reference in references:
        scores = profile.hat(reference)
        wider = scores.cov + np.diag(np.nan_to_num(scores.shape_error) ** 2)
        notes = (scores.overlap["note"] != "").to_numpy()
        # A contrast is warned of where either of its models is.
        drawn.append(
            _Drawn(
                _intervals(scores, level),
                _intervals(replace(scores, cov=wider), level),
                np.r_[notes, notes[:-1] | notes[1:]],
            )
        )
    return drawn


def coverage(
    design: CoverageDesign,
    references: Sequence[Reference] = ("uniform", "pooled", INSIDE),
    *,
    n_replicates: int = 500,
    conf_level: float = 0.95,
    n_jobs: int = 1,
    rng: np.random.Generator | int | None = None,
) -> pd.DataFrame:
    """Bias, spread, standard error and coverage of HAT and of contrasts between neighbours.

    Parameters
    ----------
    design : CoverageDesign
    references : sequence
        Each ``uniform``, ``pooled`` or a tuple of source accuracies.
    n_replicates : int
        Number of studies drawn.
    conf_level : float
    n_jobs : int
        Processes (joblib); the numbers are the same for any.
    rng : Generator, int or None

    Returns
    -------
    DataFrame
        One row per reference and per model or contrast: `quantity` (HAT or contrast), the design,
        `reference, ability, truth, bias, sd, mean_se, coverage`; `coverage_shape`, the same with
        the shape errors added to the covariance, models independently; `noted`, the share of
        replicates whose output carries a warning in words for a model involved; `mc_error` of a
        coverage at its nominal level; `n_replicates`.
    """
    children = np.random.default_rng(rng).spawn(n_replicates)
    run = delayed(_replicate)
    drawn = Parallel(n_jobs=n_jobs)(
        run(design, references, conf_level, child) for child in children
    )
    models = len(design.abilities)
    frames = []
    for place, reference in enumerate(references):
        if isinstance(reference, str):
            truth = true_score(design.world, reference, design.abilities, design.piled)
        else:
            truth = true_hat(reference, world=design.world)
        true = np.r_[np.full(models, truth), np.zeros(models - 1)]
        parts = [each[place] for each in drawn]
        plain, shaped = np.array([x.plain for x in parts]), np.array([x.shaped for x in parts])
        frames.append(
            pd.DataFrame(
                {
                    "quantity": ["HAT"] * models + ["contrast"] * (models - 1),
                    "world": design.world,
                    "piled": design.piled,
                    "n_items": design.n_items,
                    "n_languages": design.n_languages,
                    "n_trials": design.n_trials,
                    "twins": design.twins,
                    "method": design.method,
                    "reference": reference_name(reference),
                    "ability": [*design.abilities, *design.abilities[:-1]],
                    "truth": true,
                    "bias": plain[:, :, 0].mean(axis=0) - true,
                    "sd": plain[:, :, 0].std(axis=0, ddof=1),
                    "mean_se": plain[:, :, 1].mean(axis=0),
                    "coverage": _hits(plain, true),
                    "coverage_shape": _hits(shaped, true),
                    "noted": np.mean([x.noted for x in parts], axis=0),
                    "mc_error": np.sqrt(conf_level * (1.0 - conf_level) / n_replicates),
                    "n_replicates": n_replicates,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def tally(tables: Sequence[pd.DataFrame]) -> pd.Series:
    """How many coverages of several designs are off, and what the outputs say that miss most.

    Parameters
    ----------
    tables : sequence of DataFrame
        Of `coverage`, one per design, at a level of .95.

    Returns
    -------
    Series
        `designs, coverages, mean`; `lowest_design, highest_design`, means of a design; `lowest,
        highest`; `below_93, above_97`, numbers of coverages; `short`, those that fall short of .95
        by more than .03, and `noted_if_short`, the least share of outputs among these that carry a
        warning, NaN if there are none.
    """
    values = pd.concat([table["coverage"] for table in tables])
    designs = [table["coverage"].mean() for table in tables]
    noted = [table.loc[table["coverage"] < 0.95 - _SHORT, "noted"] for table in tables]
    return pd.Series(
        {
            "designs": len(tables),
            "coverages": len(values),
            "mean": values.mean(),
            "lowest_design": min(designs),
            "highest_design": max(designs),
            "lowest": values.min(),
            "highest": values.max(),
            "below_93": int((values < 0.93).sum()),
            "above_97": int((values > 0.97).sum()),
            "short": sum(map(len, noted)),
            "noted_if_short": pd.concat(noted).min(),
        },
        dtype=object,
    )


def _hits(rows: Floats, true: Floats) -> Floats:
    """Share of replicates whose limits hold the truth."""
    return np.asarray(((rows[:, :, 2] <= true) & (true <= rows[:, :, 3])).mean(axis=0))
