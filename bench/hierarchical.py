"""Effective draws per second of the hierarchical model's rungs, beside the obvious PyMC model.

Run by ``make bench``. The obvious model has a latent variable for every item and language and is
sampled by nutpie; the rungs answer the same question of the same study in the same run, compile
included. The smallest effective sample over the HAT scores of all models counts.
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hatstats.bayes.draws import convergence
from hatstats.bayes.fit import Level, fit_hierarchical
from hatstats.bayes.settings import Sampling
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.study import Study


@dataclass(frozen=True, slots=True)
class Speed:
    """Speed of one rung.

    Attributes
    ----------
    rung : str
    seconds, smallest, r_hat : float
        Wall-clock time with everything; smallest effective sample and largest R-hat of a score.
    """

    rung: str
    seconds: float
    smallest: float
    r_hat: float

    @property
    def rate(self) -> float:
        """Effective draws per second."""
        return self.smallest / self.seconds


def measure(study: Study, level: Level, sampling: Sampling) -> Speed:
    """Fit one rung and time it from the study to the scores."""
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = fit_hierarchical(study, level=level, sampling=sampling, rng=1).hat()
    seconds = time.perf_counter() - began
    table = convergence(scores.draws)
    smallest = float(table[["ess_bulk", "ess_tail"]].to_numpy(dtype=float).min())
    return Speed(level, seconds, smallest, float(table["r_hat"].max()))


def main() -> None:
    """Print the race."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--items", type=int, default=500)
    parser.add_argument("--languages", type=int, default=4)
    parser.add_argument("--draws", type=int, default=300, help="of the explicit latents")
    given = parser.parse_args()
    study = simulate_study(
        tuple(np.linspace(-1.0, 1.5, given.models)),
        shape=Shape(n_items=given.items, n_languages=given.languages),
        rng=1,
    )
    speeds = []
    levels: tuple[tuple[Level, Sampling], ...] = (
        ("cells", Sampling(draws=1500, tune=300)),
        ("counts", Sampling(draws=1000, tune=60)),
        ("items", Sampling(draws=given.draws, tune=given.draws, chains=2)),
    )
    for level, how in levels:
        speeds.append(measure(study, level, how))
        print(f"{level}: {speeds[-1].seconds:.1f} s", flush=True)
    slow = speeds[-1].rate
    table = pd.DataFrame(
        {
            "rung": [speed.rung for speed in speeds],
            "seconds": [speed.seconds for speed in speeds],
            "smallest_ess": [speed.smallest for speed in speeds],
            "r_hat": [speed.r_hat for speed in speeds],
            "ess_per_second": [speed.rate for speed in speeds],
            "ratio": [speed.rate / slow for speed in speeds],
        }
    )
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3g}"))


if __name__ == "__main__":
    main()
