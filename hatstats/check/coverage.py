"""How often intervals hold the truth."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hatstats.check.invariance import true_score
from hatstats.errors import DegenerateDataWarning
from hatstats.hat.fitting import Method, fit_profile
from hatstats.hat.items import ItemProfile
from hatstats.hat.latent import LatentModel
from hatstats.hat.reference import reference_name
from hatstats.hat.scores import HatScores
from hatstats.study import simulate_study
from hatstats.study.simulate import Shape, WorldName, true_hat

Floats = NDArray[np.float64]

#: Source accuracies inside the support of models of middling ability.
INSIDE = (0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True, slots=True)
class CoverageDesign:
    """What is simulated to count how often intervals hold the truth.

    Attributes
    ----------
    world : str
    n_items, n_languages, n_promptings : int
    twins : bool
        Whether items come in pairs of one hardness.
    abilities : tuple of float
        Mean source logits; transfer is the same, so that every contrast is truly 0.
    method : str
    """

    world: WorldName = "logit_normal"
    n_items: int = 250
    n_languages: int = 1
    n_promptings: int = 10
    twins: bool = False
    abilities: tuple[float, ...] = (-1.0, 0.0, 1.0)
    method: Method = "latent"


def shape_error(profile: ItemProfile, reference: str | ArrayLike) -> Floats:
    """Standard deviation of what the prior shape may hide of each model's score, (M,).

    Zero for estimators that have no such prior; one benchmark.
    """
    fit = profile.fits[0]
    _, _, weights = fit.scores(reference)
    return np.array(
        [
            np.sqrt(model.shape_covariance(weights[m]).mean())
            if isinstance(model, LatentModel)
            else 0.0
            for m, model in enumerate(fit.models)
        ]
    )


def _intervals(scores: HatScores, level: float) -> list[tuple[float, float, float, float]]:
    """Estimate, standard error and limits of each score, then of neighbours' contrasts."""
    limits = scores.conf_int(level)
    rows = [
        (float(value), float(error), float(low), float(high))
        for value, error, (low, high) in zip(scores.params, scores.bse, limits, strict=True)
    ]
    for a, b in zip(scores.models[:-1], scores.models[1:], strict=True):
        row = scores.contrast(a, b, level)
        rows.append(
            (
                float(row["estimate"].iloc[0]),
                float(row["std_error"].iloc[0]),
                float(row["conf_low"].iloc[0]),
                float(row["conf_high"].iloc[0]),
            )
        )
    return rows


def coverage(
    design: CoverageDesign,
    reference: str | ArrayLike = "uniform",
    *,
    n_replicates: int = 500,
    conf_level: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> pd.DataFrame:
    """Bias, spread, standard error and coverage of HAT and of contrasts between neighbours.

    Parameters
    ----------
    design : CoverageDesign
    reference : str or array_like
        ``uniform``, ``pooled`` or source accuracies.
    n_replicates : int
        Number of studies drawn.
    conf_level : float
    rng : Generator, int or None

    Returns
    -------
    DataFrame
        One row per model and per contrast: `quantity` (HAT or contrast), the design, `reference,
        ability, truth, bias, sd, mean_se, coverage`; `mean_se_shape, coverage_shape`, the same
        with the shape error (`shape_error`) added to the covariance, models independently;
        `mc_error` of a coverage at its nominal level; `n_replicates`.
    """
    plain, shaped = [], []
    for child in np.random.default_rng(rng).spawn(n_replicates):
        study = simulate_study(
            design.abilities,
            shape=Shape(
                n_items=design.n_items,
                n_languages=design.n_languages,
                n_promptings=design.n_promptings,
                twins=design.twins,
            ),
            world=design.world,
            rng=child,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DegenerateDataWarning)
            profile = fit_profile(study, method=design.method)
        assert isinstance(profile, ItemProfile)
        scores = profile.hat(reference)
        plain.append(_intervals(scores, conf_level))
        wider = scores.cov + np.diag(shape_error(profile, reference) ** 2)
        shaped.append(_intervals(replace(scores, cov=wider), conf_level))
    if isinstance(reference, str):
        truth = true_score(design.world, reference, design.abilities)
    else:
        truth = true_hat(reference, world=design.world)
    models = len(design.abilities)
    true = np.r_[np.full(models, truth), np.zeros(models - 1)]
    table, other = np.array(plain), np.array(shaped)

    def hit(rows: Floats) -> Floats:
        return np.asarray(((rows[:, :, 2] <= true) & (true <= rows[:, :, 3])).mean(axis=0))

    return pd.DataFrame(
        {
            "quantity": ["HAT"] * models + ["contrast"] * (models - 1),
            "world": design.world,
            "n_items": design.n_items,
            "n_languages": design.n_languages,
            "n_promptings": design.n_promptings,
            "twins": design.twins,
            "method": design.method,
            "reference": reference_name(reference),
            "ability": [*design.abilities, *design.abilities[:-1]],
            "truth": true,
            "bias": table[:, :, 0].mean(axis=0) - true,
            "sd": table[:, :, 0].std(axis=0, ddof=1),
            "mean_se": table[:, :, 1].mean(axis=0),
            "coverage": hit(table),
            "mean_se_shape": other[:, :, 1].mean(axis=0),
            "coverage_shape": hit(other),
            "mc_error": np.sqrt(conf_level * (1.0 - conf_level) / n_replicates),
            "n_replicates": n_replicates,
        }
    )
