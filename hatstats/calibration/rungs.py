"""Whether the hierarchical model's rungs agree where all are right, and hold where some are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hatstats.bayes.diagnostics import predictive_checks
from hatstats.bayes.estimates import CellOptions
from hatstats.bayes.fit import Level, fit_hierarchical
from hatstats.bayes.settings import Sampling
from hatstats.calibration.drift import source_quantiles
from hatstats.calibration.sbc import quiet
from hatstats.simulation.simulate import Shape, WorldName, simulate_study, true_hat
from hatstats.study import Study

Floats = NDArray[np.float64]


def rung_agreement(
    study: Study,
    sampling: dict[Level, Sampling],
    rng: int = 1,
    rungs: tuple[Level, ...] = ("cells", "items"),
) -> pd.DataFrame:
    """HAT by each rung less that by the count rung, in its posterior standard deviations.

    The cells are those of `joint`.

    Parameters
    ----------
    study : Study
        With items.
    sampling : dict of Sampling
        By rung, `counts` among them.
    rng : int
    rungs : tuple of str

    Returns
    -------
    DataFrame
        `rung, model, shift, sd_ratio, mc_error, ess`: `mc_error` is that of `shift`, from both
        rungs' effective draws; `ess` is the rung's own.
    """
    scores = {
        rung: fit_hierarchical(
            study, level=rung, cells=CellOptions(method="joint"), sampling=sampling[rung], rng=rng
        ).hat()
        for rung in ("counts", *rungs)
    }
    base = scores["counts"]
    spread = np.sqrt(np.diag(base.cov))
    own = base.tidy()["mcse"].to_numpy(dtype=float)
    tables = []
    for rung in rungs:
        other = scores[rung].tidy()
        tables.append(
            pd.DataFrame(
                {
                    "rung": rung,
                    "model": base.models,
                    "shift": (scores[rung].params - base.params) / spread,
                    "sd_ratio": np.sqrt(np.diag(scores[rung].cov)) / spread,
                    "mc_error": np.hypot(other["mcse"].to_numpy(dtype=float), own) / spread,
                    "ess": other["ess_bulk"].to_numpy(dtype=float),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


@dataclass(frozen=True, slots=True)
class WorldDesign:
    """Studies whose world may not be the model's own.

    Models differ in source ability and, by chance alone, in transfer: the slope of transfer on
    the logarithm of size is 0 in every world and on every scale.

    Attributes
    ----------
    world : str
    level : {"cells", "counts"}
    n_models, n_items, n_languages : int
        Abilities lie evenly from -1 to 1.
    scatter : float
        Standard deviation of the shift of a model's target logit.
    sampling : Sampling
    """

    world: WorldName
    level: Level = "cells"
    n_models: int = 8
    n_items: int = 250
    n_languages: int = 2
    scatter: float = 0.3
    sampling: Sampling = field(
        default_factory=lambda: Sampling(draws=300, tune=200, chains=2, cores=1)
    )


TREND = "log10(params_total)"


def _one_world(design: WorldDesign, rng: np.random.Generator) -> dict[str, Floats]:
    """Errors of one study's posterior means, whether intervals hold the truth, and its checks."""
    abilities = tuple(np.linspace(-1.0, 1.0, design.n_models))
    shifts = design.scatter * rng.standard_normal(design.n_models)
    shape = Shape(n_items=design.n_items, n_languages=design.n_languages)
    study = simulate_study(
        abilities, transfer=shifts.tolist(), shape=shape, world=design.world, rng=rng
    )
    source = np.concatenate([source_quantiles(level) for level in abilities])
    truth = np.array([true_hat(source, world=design.world, transfer=shift) for shift in shifts])
    with quiet():
        fit = fit_hierarchical(
            study, level=design.level, trend=TREND, sampling=design.sampling, rng=rng
        )
    scores, limits = fit.hat(), fit.conf_int()
    terms = fit.tidy().set_index("term")
    low, high = terms.loc[f"transfer: {TREND}", ["conf_low", "conf_high"]].to_numpy(dtype=float)
    checks = predictive_checks(fit)
    return {
        "error": scores.params - truth,
        "hat": (limits[:, 0] <= truth) & (truth <= limits[:, 1]),
        "trend": np.array([low <= 0.0 <= high]),
        "failing": np.array([not all(check.passed for check in checks)]),
    }


def wrong_worlds(
    designs: Sequence[WorldDesign],
    *,
    n_replicates: int = 100,
    n_jobs: int = 1,
    rng: np.random.Generator | int | None = None,
) -> pd.DataFrame:
    """Coverage of 95 % intervals of HAT and of the trend, and predictive checks.

    Parameters
    ----------
    designs : sequence of WorldDesign
        All see the same random numbers, so that rungs see the same studies.
    n_replicates : int
    n_jobs : int
        Processes, through joblib.
    rng : Generator, int or None

    Returns
    -------
    DataFrame
        `world, level, bias, hat, hat_error, trend, trend_error, failing, n_replicates`: mean error
        of HAT, coverage with Monte-Carlo errors (of HAT from the scatter over studies, whose
        models share items), and the share of fits whose predictive check failed.
    """
    seed = int(np.random.default_rng(rng).integers(2**31))
    rows = []
    for design in designs:
        found = joblib.Parallel(n_jobs=n_jobs)(
            joblib.delayed(_one_world)(design, child)
            for child in np.random.default_rng(seed).spawn(n_replicates)
        )
        held = np.array([one["hat"].mean() for one in found])
        trend = np.array([one["trend"][0] for one in found], dtype=float)
        rows.append(
            {
                "world": design.world,
                "level": design.level,
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
