"""How often intervals contain the truth."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from hatstats.calibration.drift import true_score
from hatstats.errors import DegenerateDataWarning
from hatstats.estimators.methods import Method, fit_profile
from hatstats.inference.arrays import Floats
from hatstats.inference.random_numbers import RandomSource
from hatstats.scores.item_profile import ItemProfile
from hatstats.scores.reference import reference_name
from hatstats.scores.scores import HatScores
from hatstats.scores.wordings import THESE, Scope
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.simulation.worlds import WorldName, true_hat
from hatstats.study import Study

if TYPE_CHECKING:
    from hatstats.estimators.methods import ItemOptions


#: Size of the study by default.
SHAPE = Shape(n_languages=1)
#: Source accuracies inside the support of models of medium ability.
INSIDE = (0.2, 0.4, 0.6, 0.8)
# Source trials that decide which target answers are missing.
_SCREENING = 10
# A coverage below its nominal level by more must come with a warning in words.
_SHORT = 0.03
# A coverage that differs from its nominal level by more is counted.
_OFF = 0.02
# Columns that say how large a study is, and how its trials hang together.
_SHAPE = tuple(field.name for field in fields(Shape))
#: A reference: its name, or source accuracies.
Reference = str | tuple[float, ...]
REFERENCES: tuple[Reference, ...] = ("uniform", "pooled", INSIDE)


@dataclass(frozen=True, slots=True)
class CoverageDesign:
    """What is simulated, and how it is fitted, to count how often intervals contain the truth.

    `abilities` are mean source logits; transfer is the same for all models, so that every contrast
    is truly 0. Effects of wordings on all items are their own in each model, so that the scores
    generalise over `scope`. With `missing` above 0 a target language was asked of fewer items that
    are easy in the source: of a share ``1 - missing x`` of those answered rightly with chance x.
    """

    world: WorldName = "logit_normal"
    shape: Shape = SHAPE
    abilities: tuple[float, ...] = (-1.0, 0.0, 1.0)
    method: Method = "latent"
    options: ItemOptions | None = None
    scope: Scope = THESE
    missing: float = 0.0


def easy_items_missing(
    study: Study, n_trials: int, missing: float, rng: np.random.Generator
) -> Study:
    """A study of `n_trials` source trials, and target answers that are missing by hardness.

    Whether a cell was asked depends on source trials that are left out of the study, as many as are
    beyond `n_trials`: given an item's chance x, they are independent of those that are in it.
    """
    counts, is_source = study.counts.copy(), study.is_source
    names = ["model", "benchmark", "item"]
    source = counts[is_source].set_index(names)[["n_correct", "n_trials"]].astype(int)
    right, trials = source["n_correct"].to_numpy(), source["n_trials"].to_numpy()
    kept = rng.hypergeometric(right, trials - right, n_trials)
    easy = pd.Series((right - kept) / (trials - n_trials), index=source.index)
    counts.loc[is_source, "n_correct"] = kept.astype(float)
    counts.loc[is_source, "n_trials"] = float(n_trials)
    share = easy.reindex(pd.MultiIndex.from_frame(counts[names])).to_numpy()
    asked = is_source | (rng.random(len(counts)) >= missing * share)
    return replace(study, counts=counts[asked].reset_index(drop=True))


def _intervals(scores: HatScores, level: float) -> Floats:
    """Estimate, standard error and limits of each score, then of neighbours' contrasts: (K, 4)."""
    rows = np.column_stack([scores.estimates, scores.std_errors, scores.limits(level)])
    columns = ["estimate", "std_error", "conf_low", "conf_high"]
    pairs = zip(scores.models[:-1], scores.models[1:], strict=True)
    contrasts = [scores.contrast(a, b, level).tidy()[columns].to_numpy(float) for a, b in pairs]
    return np.vstack([rows, *contrasts])


def _replicate(
    design: CoverageDesign, references: Sequence[Reference], level: float, rng: np.random.Generator
) -> Floats:
    """One study: intervals, those with the shape error added, warnings, rejection, (R, K, 10)."""
    shape, extra = design.shape, _SCREENING if design.missing else 0
    longer = replace(shape, n_trials=shape.n_trials + extra)
    study = simulate_study(design.abilities, shape=longer, world=design.world, rng=rng)
    if design.missing:
        study = easy_items_missing(study, shape.n_trials, design.missing, rng)
    with warnings.catch_warnings(action="ignore", category=DegenerateDataWarning):
        profile = fit_profile(study, method=design.method, options=design.options)
    rejected = isinstance(profile, ItemProfile) and profile.rejected
    drawn = []
    for reference in references:
        scores = profile.hat(reference, scope=design.scope)
        wider = scores.covariance + np.diag(np.nan_to_num(scores.shape_error) ** 2)
        noted = (scores.overlap["note"] != "").to_numpy()
        drawn.append(
            np.column_stack(
                [
                    _intervals(scores, level),
                    _intervals(replace(scores, covariance=wider), level),
                    # A contrast carries the warnings of both its models.
                    np.r_[noted, noted[:-1] | noted[1:]],
                    np.full(2 * len(noted) - 1, rejected),
                ]
            )
        )
    return np.array(drawn)


def coverage(
    design: CoverageDesign,
    references: Sequence[Reference] = REFERENCES,
    *,
    n_replicates: int = 500,
    conf_level: float = 0.95,
    n_jobs: int = 1,
    rng: RandomSource = None,
) -> pd.DataFrame:
    """Bias, spread, standard error and coverage of HAT and of contrasts between neighbours.

    One row per reference and per model or contrast. `coverage_shape`: with the shape errors added
    to the covariance, models independently; `noted`: the share of replicates with a warning in
    words for a model involved; `missed`: that of intervals which miss the truth without such a
    warning; `rejected`: that of studies whose fit is rejected by its own test; `mc_error`: of a
    coverage at its nominal level. The numbers are the same for any number of processes.
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
        estimate, std_error, low, high, _, _, wide_low, wide_high, noted, rejected = np.moveaxis(
            drawn[:, index], 2, 0
        )
        held = (low <= true) & (true <= high)
        frames.append(
            pd.DataFrame(
                {
                    "quantity": ["HAT"] * n_models + ["contrast"] * (n_models - 1),
                    "world": design.world,
                    **{name: getattr(shape, name) for name in _SHAPE},
                    "method": design.method,
                    "scope": design.scope,
                    "missing": design.missing,
                    "reference": reference_name(reference),
                    "ability": [*design.abilities, *design.abilities[:-1]],
                    "truth": true,
                    "bias": estimate.mean(axis=0) - true,
                    "sd": estimate.std(axis=0, ddof=1),
                    "mean_se": std_error.mean(axis=0),
                    "conf_level": conf_level,
                    "coverage": held.mean(axis=0),
                    "coverage_shape": ((wide_low <= true) & (true <= wide_high)).mean(axis=0),
                    "noted": noted.mean(axis=0),
                    "missed": (~held & (noted == 0.0)).mean(axis=0),
                    "rejected": rejected.mean(axis=0),
                    "mc_error": np.sqrt(conf_level * (1.0 - conf_level) / n_replicates),
                    "n_replicates": n_replicates,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def tally(tables: Sequence[pd.DataFrame]) -> pd.Series:
    """How many coverages are off, and whether the lowest come with warnings.

    `tables` are of `coverage`, one per design; `lowest_design, highest_design` are means of one.
    Among coverages that are `short`, `noted_if_short` is the smallest share of outputs with a
    warning and `missed_if_short` the largest share that miss the truth without one.
    """
    rows = pd.concat(tables, ignore_index=True)
    short = rows["coverage"] < rows["conf_level"] - _SHORT
    designs = [table["coverage"].mean() for table in tables]
    return pd.Series(
        {
            "designs": len(tables),
            "coverages": len(rows),
            "mean": rows["coverage"].mean(),
            "lowest_design": min(designs),
            "highest_design": max(designs),
            "lowest": rows["coverage"].min(),
            "highest": rows["coverage"].max(),
            "too_low": int((rows["coverage"] < rows["conf_level"] - _OFF).sum()),
            "too_high": int((rows["coverage"] > rows["conf_level"] + _OFF).sum()),
            "short": int(short.sum()),
            "noted_if_short": rows.loc[short, "noted"].min(),
            "missed_if_short": rows.loc[short, "missed"].max(),
            "rejected": rows["rejected"].mean(),
        },
        dtype=object,
    )
