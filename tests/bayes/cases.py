"""Small studies and fits that several tests of the hierarchical model share."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from hatstats.bayes.fit import Request, fit_hierarchical
from hatstats.bayes.options import CellOptions, Priors, Sampling
from hatstats.bayes.result import HierarchicalFit
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.study import Study
from hatstats.study.read import read_study

DATA = Path(__file__).parents[2] / "data"
QUICK = Sampling(draws=150, tune=150, chains=2, cores=1)


@cache
def item_study() -> Study:
    """Seven models of two families, with one size undisclosed."""
    study = simulate_study(
        (-1.0, -0.5, 0.0, 0.5, 1.0, 0.3, -0.2),
        shape=Shape(n_items=120, n_languages=2, n_trials=6),
        rng=3,
    )
    models = study.models.copy()
    models.loc[2, ["params_total", "params_active"]] = np.nan
    return Study(study.counts, models, study.benchmarks, study.items)


@cache
def mixed_study() -> Study:
    """The same with a second benchmark that has accuracies only."""
    study, rng = item_study(), np.random.default_rng(4)
    rows = [
        {
            "model": name,
            "benchmark": "accuracies",
            "language": language,
            "item": "",
            "n_correct": round(500 * float(np.clip(0.5 + 0.05 * m - shift, 0.05, 0.95))),
            "n_trials": 500.0,
        }
        for m, name in enumerate(study.model_names)
        for language, shift in (("src", 0.0), ("t01", 0.1), ("t03", 0.15 + 0.02 * rng.normal()))
    ]
    counts = pd.concat([study.counts, pd.DataFrame(rows)], ignore_index=True)
    counts = counts.fillna({"cluster": "", "prompt": "", "flag": "", "evidence": ""})
    extra = pd.DataFrame({"benchmark": ["accuracies"], "source_language": "src", "chance": 0.0})
    return Study(counts, study.models, pd.concat([study.benchmarks, extra], ignore_index=True))


@cache
def panel_study() -> Study:
    """Accuracies of eight real models in five languages."""
    study = read_study(DATA / "euroeval").without_flagged()
    return study.select(models=study.model_names[5:13], languages=["en", "de", "nl", "sv", "it"])


def request(trend: str | None = None, **priors: float) -> Request:
    """A request with default cells."""
    return Request(trend, Priors(**priors), CellOptions())


@cache
def item_fit() -> HierarchicalFit:
    """A fit of items, with a trend in which a size is unknown."""
    trend = "log10(params_total) + release_year"
    return fit_hierarchical(item_study(), formula=trend, sampling=QUICK, rng=1)


@cache
def panel_fit() -> HierarchicalFit:
    """A fit of accuracies."""
    return fit_hierarchical(panel_study(), formula="log10(params_total)", sampling=QUICK, rng=1)
