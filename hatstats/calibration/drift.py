"""How far a measure of transfer drifts if only source ability changes.

Models with the same transfer and very different source ability answer the same items. A measure of
transfer should give them one value; the range of its values is its drift.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import special, stats

from hatstats.calibration.stress import StressDesign
from hatstats.errors import DegenerateDataWarning
from hatstats.estimators.methods import Method, fit_profile
from hatstats.inference.arrays import Floats
from hatstats.inference.random_numbers import RandomSource
from hatstats.other_measures.table import measures
from hatstats.simulation.simulate import PILED, Shape, simulate_study
from hatstats.simulation.worlds import SPREADS, WorldName, true_hat
from hatstats.study import Study

_REFERENCES = ("uniform", "pooled")
_QUANTILES = 20_000


def source_quantiles(ability: float, shape: Shape | None = None) -> Floats:
    """Equally likely source accuracies (about 20,000) of a model in `simulate_study`.

    Their logits are distributed about `ability` as `shape` says, the default's if not given.
    """
    shape = shape or Shape()
    piled = shape.piled

    def midpoints(share: float) -> Floats:
        count = max(round(_QUANTILES * share), 1)
        return (np.arange(count) + 0.5) / count

    normal = stats.norm.ppf(midpoints(1.0 - piled))
    inner = special.expit(ability + shape.spread * SPREADS[shape.distribution](normal))
    if piled == 0.0:
        return np.asarray(inner, dtype=float)
    share = float(special.expit(ability))
    low = stats.beta.ppf(midpoints(piled * (1.0 - share)), *PILED)
    high = 1.0 - stats.beta.ppf(midpoints(piled * share), *PILED)
    return np.concatenate([inner, low, high])


def true_score(world: WorldName, reference: str, abilities: Sequence[float], shape: Shape) -> float:
    """True HAT of a simulated study under the reference `uniform` or `pooled`."""
    if reference == "uniform":
        return true_hat((np.arange(_QUANTILES) + 0.5) / _QUANTILES, world=world)
    supports = [source_quantiles(level, shape) for level in abilities]
    return float(np.mean([true_hat(support, world=world) for support in supports]))


def _values(study: Study, methods: Sequence[Method]) -> dict[tuple[str, str], Floats]:
    """All measures of one study by name and reference: estimates and warnings, each (2, M)."""
    values: dict[tuple[str, str], Floats] = {}
    unknown = np.full(len(study.model_names), np.nan)
    for method in methods:
        profile = fit_profile(study, method=method)
        for reference in _REFERENCES:
            scores = profile.hat(reference)
            noted = (scores.overlap["note"] != "").to_numpy(dtype=float)
            values[f"HAT, {method}", reference] = np.stack([scores.estimates, noted])
    for term, rows in measures(study).groupby("term", sort=False):
        by_model = rows.set_index("model")["estimate"]
        estimate = by_model.reindex(study.model_names).to_numpy(dtype=float)
        values[str(term), ""] = np.stack([estimate, unknown])
    return values


def drift(
    design: StressDesign,
    *,
    methods: Sequence[Method] = ("latent", "joint", "observed"),
    n_seeds: int = 4,
    rng: RandomSource = None,
) -> pd.DataFrame:
    """Measures of models that differ in source ability only, in `n_seeds` simulated studies.

    The shifts of the design are not used. `estimate` and `bias` are means over studies, `mc_error`
    their standard error; `spread` is the mean range of estimates, which sampling error increases,
    `spread_of_means` the range of the means; `noted` the share of outputs with a warning in words.
    `truth` and `noted` are NaN for measures other than HAT.
    """
    draws: dict[tuple[str, str], list[Floats]] = {}
    for child in np.random.default_rng(rng).spawn(n_seeds):
        study = simulate_study(design.abilities, shape=design.shape, world=design.world, rng=child)
        with warnings.catch_warnings(action="ignore", category=DegenerateDataWarning):
            for key, value in _values(study, methods).items():
                draws.setdefault(key, []).append(value)
    frames = []
    for (measure, reference), rows in draws.items():
        table, noted = np.stack(rows, axis=1)
        mean = table.mean(axis=0)
        truth = np.nan
        if reference:
            truth = true_score(design.world, reference, design.abilities, design.shape)
        error = table.std(axis=0, ddof=1) / np.sqrt(n_seeds) if n_seeds > 1 else np.nan
        frames.append(
            pd.DataFrame(
                {
                    "measure": measure,
                    "reference": reference,
                    "world": design.world,
                    "piled": design.shape.piled,
                    "n_trials": design.shape.n_trials,
                    "ability": design.abilities,
                    "estimate": mean,
                    "truth": truth,
                    "bias": mean - truth,
                    "mc_error": error,
                    "spread": np.ptp(table, axis=1).mean(),
                    "spread_of_means": np.ptp(mean),
                    "noted": noted.mean(axis=0),
                    "n_seeds": n_seeds,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)
