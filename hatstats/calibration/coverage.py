"""How often intervals contain the truth."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray

from hatstats.calibration.drift import true_score
from hatstats.errors import DegenerateDataWarning
from hatstats.estimators.methods import Method, fit_profile
from hatstats.scores.reference import reference_name
from hatstats.scores.scores import HatScores
from hatstats.simulation.simulate import Shape, WorldName, simulate_study, true_hat

if TYPE_CHECKING:
    from hatstats.estimators.methods import ItemOptions

Floats = NDArray[np.float64]

#: Size of the study by default.
SHAPE = Shape(n_languages=1)
#: Source accuracies inside the support of models of medium ability.
INSIDE = (0.2, 0.4, 0.6, 0.8)
# A coverage below its nominal level by more must come with a warning in words.
_SHORT = 0.03
#: A reference: its name, or source accuracies.
Reference = str | tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CoverageDesign:
    """What is simulated to count how often intervals contain the truth.

    Attributes
    ----------
    world : str
    shape : Shape
        Numbers of items, languages and trials, piled-up items, twins.
    abilities : tuple of float
        Mean source logits; transfer is the same, so that every contrast is truly 0.
    method : str
    options : LatentOptions or JointOptions, optional
    """

    world: WorldName = "logit_normal"
    shape: Shape = SHAPE
    abilities: tuple[float, ...] = (-1.0, 0.0, 1.0)
    method: Method = "latent"
    options: ItemOptions | None = None


def _intervals(scores: HatScores, level: float) -> Floats:
    """Estimate, standard error and limits of each score, then of neighbours' contrasts: (K, 4)."""
    rows = np.column_stack([scores.params, scores.bse, scores.conf_int(level)])
    columns = ["estimate", "std_error", "conf_low", "conf_high"]
    pairs = zip(scores.models[:-1], scores.models[1:], strict=True)
    return np.vstack(
        [rows, *(scores.contrast(a, b, level)[columns].to_numpy(dtype=float) for a, b in pairs)]
    )


def _replicate(
    design: CoverageDesign, references: Sequence[Reference], level: float, rng: np.random.Generator
) -> Floats:
    """One study: intervals, those with the shape error added, and warnings, (R, K, 9)."""
    study = simulate_study(design.abilities, shape=design.shape, world=design.world, rng=rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)
        profile = fit_profile(study, method=design.method, options=design.options)
    drawn = []
    for reference in references:
        scores = profile.hat(reference)
        wider = scores.cov + np.diag(np.nan_to_num(scores.shape_error) ** 2)
        noted = (scores.overlap["note"] != "").to_numpy()
        drawn.append(
            np.column_stack(
                [
                    _intervals(scores, level),
                    _intervals(replace(scores, cov=wider), level),
                    # A contrast carries the warnings of both its models.
                    np.r_[noted, noted[:-1] | noted[1:]],
                ]
            )
        )
    return np.array(drawn)


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
        Number of simulated studies.
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
        replicates with a warning in words for a model involved; `mc_error` of a coverage at its
        nominal level; `n_replicates`.
    """
    children = np.random.default_rng(rng).spawn(n_replicates)
    run = delayed(_replicate)
    drawn = np.array(
        Parallel(n_jobs=n_jobs)(run(design, references, conf_level, child) for child in children)
    )
    n_models, shape = len(design.abilities), design.shape
    frames = []
    for index, reference in enumerate(references):
        if isinstance(reference, str):
            truth = true_score(design.world, reference, design.abilities, shape)
        else:
            truth = true_hat(reference, world=design.world)
        true = np.r_[np.full(n_models, truth), np.zeros(n_models - 1)]
        estimate, std_error, low, high, _, _, wide_low, wide_high, noted = np.moveaxis(
            drawn[:, index], 2, 0
        )
        frames.append(
            pd.DataFrame(
                {
                    "quantity": ["HAT"] * n_models + ["contrast"] * (n_models - 1),
                    "world": design.world,
                    "piled": shape.piled,
                    "n_items": shape.n_items,
                    "n_languages": shape.n_languages,
                    "n_trials": shape.n_trials,
                    "twins": shape.twins,
                    "method": design.method,
                    "reference": reference_name(reference),
                    "ability": [*design.abilities, *design.abilities[:-1]],
                    "truth": true,
                    "bias": estimate.mean(axis=0) - true,
                    "sd": estimate.std(axis=0, ddof=1),
                    "mean_se": std_error.mean(axis=0),
                    "coverage": ((low <= true) & (true <= high)).mean(axis=0),
                    "coverage_shape": ((wide_low <= true) & (true <= wide_high)).mean(axis=0),
                    "noted": noted.mean(axis=0),
                    "mc_error": np.sqrt(conf_level * (1.0 - conf_level) / n_replicates),
                    "n_replicates": n_replicates,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def tally(tables: Sequence[pd.DataFrame]) -> pd.Series:
    """How many coverages of several designs are off, and whether the lowest come with warnings.

    Parameters
    ----------
    tables : sequence of DataFrame
        Of `coverage`, one per design, at a level of .95.

    Returns
    -------
    Series
        `designs, coverages, mean`; `lowest_design, highest_design`, means of a design; `lowest,
        highest`; `below_93, above_97`, numbers of coverages; `short`, those below .95 by more than
        .03, and `noted_if_short`, the smallest share of outputs among these with a warning, NaN if
        there are none.
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
