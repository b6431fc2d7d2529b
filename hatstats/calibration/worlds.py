"""Coverage and predictive checks of the hierarchical model in worlds of known truth."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from hatstats.bayes.diagnostics import predictive_check
from hatstats.bayes.fit import fit_hierarchical
from hatstats.bayes.options import Sampling
from hatstats.calibration.drift import source_quantiles
from hatstats.errors import ConvergenceWarning, DegenerateDataWarning
from hatstats.inference.arrays import Floats
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.simulation.worlds import WorldName, true_hat


@dataclass(frozen=True, slots=True)
class WorldDesign:
    """Studies from one world.

    Models differ in source ability and, at random, in transfer: the slope of transfer on the
    logarithm of size is 0 in every world and on every scale.
    """

    world: WorldName
    n_models: int = 8  # n_models, n_items, n_languages: abilities lie evenly from -1 to 1
    n_items: int = 250
    n_languages: int = 2
    scatter: float = 0.3  # standard deviation of the shift of a model's target logit
    sampling: Sampling = field(
        default_factory=lambda: Sampling(draws=300, tune=200, chains=2, cores=1)
    )


TREND = "log10(params_total)"


def _one_world(design: WorldDesign, rng: np.random.Generator) -> dict[str, Floats]:
    """One study: errors of posterior means, whether intervals hold the truth, failed checks."""
    abilities = tuple(np.linspace(-1.0, 1.0, design.n_models))
    shifts = design.scatter * rng.standard_normal(design.n_models)
    shape = Shape(n_items=design.n_items, n_languages=design.n_languages)
    study = simulate_study(
        abilities, transfer=shifts.tolist(), shape=shape, world=design.world, rng=rng
    )
    source = np.concatenate([source_quantiles(level) for level in abilities])
    truth = np.array([true_hat(source, world=design.world, transfer=shift) for shift in shifts])
    with warnings.catch_warnings():
        for category in (ConvergenceWarning, DegenerateDataWarning):
            warnings.simplefilter("ignore", category)
        fit = fit_hierarchical(study, formula=TREND, sampling=design.sampling, rng=rng)
    scores = fit.hat()
    limits = scores.limits()
    terms = fit.tidy().set_index("term")
    low, high = terms.loc[f"transfer: {TREND}", ["conf_low", "conf_high"]].to_numpy(dtype=float)
    return {
        "error": scores.estimates - truth,
        "hat": (limits[:, 0] <= truth) & (truth <= limits[:, 1]),
        "trend": np.array([low <= 0.0 <= high]),
        "failing": np.array([not predictive_check(fit).passed]),
    }


def wrong_worlds(
    designs: Sequence[WorldDesign],
    *,
    n_replicates: int = 100,
    n_jobs: int = 1,
    rng: np.random.Generator | int | None = None,
) -> pd.DataFrame:
    """Coverage of 95 % intervals of HAT and of the trend, and predictive checks.

    All designs use the same random numbers. Columns: mean error of HAT, coverages with Monte-Carlo
    errors (of HAT from the scatter over studies), the share of fits whose predictive check failed.
    """
    seed = int(np.random.default_rng(rng).integers(2**31))
    rows = []
    for design in designs:
        found = Parallel(n_jobs=n_jobs)(
            delayed(_one_world)(design, child)
            for child in np.random.default_rng(seed).spawn(n_replicates)
        )
        held = np.array([one["hat"].mean() for one in found])
        trend = np.array([one["trend"][0] for one in found], dtype=float)
        rows.append(
            {
                "world": design.world,
                "bias": float(np.mean([one["error"].mean() for one in found])),
                "hat": float(held.mean()),
                "hat_error": float(held.std(ddof=1) / np.sqrt(n_replicates)),
                "trend": float(trend.mean()),
                "trend_error": float(np.sqrt(0.95 * 0.05 / n_replicates)),
                "failing": float(np.mean([one["failing"][0] for one in found])),
                "n_replicates": n_replicates,
            }
        )
    return pd.DataFrame(rows)
