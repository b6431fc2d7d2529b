"""Aggregate scores, contrasts and trends in panels that are straight, curved or at the ceiling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy import special

from hatstats.estimators.aggregate.profile import fit_aggregate
from hatstats.inference.arrays import Floats
from hatstats.inference.intervals import wald_interval
from hatstats.study import Study
from hatstats.trends.regression import fit_trend

PanelWorld = Literal["line", "mixture", "cubic", "ceiling"]
TREND = "log10(params_total)"
FAMILIES = (7, 6, 4, 3, 2, 2)


@dataclass(frozen=True, slots=True)
class PanelDesign:
    """Panels of 24 models in six families, whose transfer is unrelated to their size.

    Source ability is normal with `spread`; transfer shifts target logits by a normal with
    `transfer` per model and `cells` per cell; each accuracy is of `n_trials`. Size is a bent
    function of ability with `noise` decades.
    """

    world: PanelWorld
    spread: float = 1.2
    transfer: float = 0.15
    cells: float = 0.05
    n_languages: int = 6
    n_trials: int = 1000
    noise: float = 0.3


def draw_panel(design: PanelDesign, rng: np.random.Generator) -> tuple[Study, Floats]:
    """A study of accuracies, and the true HAT (M,) of its models over the pooled reference."""
    count = sum(FAMILIES)
    near = design.world == "ceiling"
    ability = rng.normal(4.2 if near else 0.4, 0.4 if near else design.spread, count)
    items = special.expit(ability[:, None] - rng.normal(0.0, 1.2, 3000))
    source = items.mean(axis=1)
    z = special.logit(source)
    if design.world == "mixture":
        # An item is transferred, or hardly.
        target = np.where(rng.random(3000) < 0.65, items, 0.25 * items).mean(axis=1)
    elif design.world == "cubic":
        target = special.expit(-0.4 + 0.8 * z - 0.12 * z**3)
    else:
        target = special.expit(z - 0.5)
    shape = (count, design.n_languages)
    shift = rng.normal(0.0, design.transfer, (count, 1)) + rng.normal(0.0, design.cells, shape)
    shift += rng.normal(0.0, 0.3, design.n_languages)
    path = special.logit(target)
    truth = special.expit(path[:, None, None] + shift[None]).mean(axis=(0, 2))
    accuracy = np.column_stack([source, special.expit(path[:, None] + shift)])
    names = [f"m{number:02d}" for number in range(count)]
    languages = ["en", *(f"t{number}" for number in range(design.n_languages))]
    centred = (ability - ability.mean()) / ability.std()
    models = pd.DataFrame(
        {
            "model": names,
            "family": np.repeat([f"f{number}" for number in range(len(FAMILIES))], FAMILIES),
            "params_total": 10 ** (9.5 + 0.4 * centred**2 + design.noise * rng.normal(size=count)),
        }
    )
    counts = pd.DataFrame(
        {
            "model": np.repeat(names, len(languages)),
            "benchmark": "b",
            "language": np.tile(languages, count),
            "n_correct": rng.binomial(design.n_trials, accuracy).ravel().astype(float),
            "n_trials": float(design.n_trials),
        }
    )
    return Study.from_frame(counts, source="en", models=models), truth


def _one_panel(design: PanelDesign, rng: np.random.Generator) -> dict[str, float]:
    """Shares of intervals that hold the truth in one study."""
    study, truth = draw_panel(design, rng)
    profile = fit_aggregate(study)
    scores = profile.hat("pooled")
    order = [scores.models.index(f"m{number:02d}") for number in range(len(truth))]
    estimate, cov = scores.estimates[order], scores.covariance[np.ix_(order, order)]
    limits = scores.limits()[order]
    first, second = np.triu_indices(len(truth), 1)
    error = np.sqrt(cov[first, first] + cov[second, second] - 2 * cov[first, second])
    low, high = wald_interval(estimate[first] - estimate[second], error, np.inf, 0.95).T
    difference = truth[first] - truth[second]
    p = float(fit_trend(profile, TREND).tidy()["p_value"].iloc[-1])
    return {
        "hat": float(((limits[:, 0] <= truth) & (truth <= limits[:, 1])).mean()),
        "contrasts": float(((low <= difference) & (difference <= high)).mean()),
        "trend": float(p >= 0.05) if np.isfinite(p) else np.nan,
        "curved": float(profile.curved),
        "slope_held": float(profile.panel.slope is not None),
    }


def panel_coverage_of_means(
    *, n_replicates: int = 100, n_jobs: int = 1, rng: np.random.Generator | int | None = None
) -> pd.DataFrame:
    """Coverage of 95 % intervals of HAT, of all contrasts, and of a trend that is truly 0.

    Columns: `world, hat, contrasts, trend` (of the studies that have a test, `no_trend` the share
    of the others), `curved` and `slope_held` (shares of studies), `n_replicates`.
    """
    rows = []
    for world in get_args(PanelWorld):
        children = np.random.default_rng(rng).spawn(n_replicates)
        found = Parallel(n_jobs=n_jobs)(
            delayed(_one_panel)(PanelDesign(world), child) for child in children
        )
        table = pd.DataFrame(found)
        rows.append({"world": world, **table.mean(), "no_trend": table["trend"].isna().mean()})
    return pd.DataFrame(rows).assign(n_replicates=n_replicates)
