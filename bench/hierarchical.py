"""Effective draws per second of the hierarchical model, beside a model with explicit latents.

Run by ``make bench``. The model of cells is timed from the study to the scores, the item model from
the study to its draws, both by nutpie and compilation included. The smallest effective sample over
the HAT scores of all models counts.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hatstats.bayes.fit import fit_hierarchical
from hatstats.bayes.scores import convergence
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.study import Study
from tests.bayes.item_model import item_model


def explicit_draws(study: Study, draws: int) -> NDArray[np.float64]:
    """HAT of each model by the item model, (chains, draws, M)."""
    import nutpie

    compiled = nutpie.compile_pymc_model(item_model(study))
    tree = nutpie.sample(
        compiled, draws=draws, tune=draws, chains=2, cores=2, seed=1, progress_bar=False
    )
    return np.asarray(tree["posterior"]["hat"].values)


def measure(name: str, draw: Callable[[], NDArray[np.float64]]) -> dict[str, object]:
    """Time a function that returns draws of scores (chains, draws, M)."""
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        draws = draw()
    seconds = time.perf_counter() - began
    table = convergence(draws)
    smallest = float(table[["ess_bulk", "ess_tail"]].to_numpy(dtype=float).min())
    return {
        "model": name,
        "seconds": seconds,
        "smallest_ess": smallest,
        "r_hat": float(table["r_hat"].max()),
        "ess_per_second": smallest / seconds,
    }


def main() -> None:
    """Print the comparison."""
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
    rows = [
        measure("cells", lambda: fit_hierarchical(study, rng=1).hat().draws),
        measure("explicit latents", lambda: explicit_draws(study, given.draws)),
    ]
    print(pd.DataFrame(rows).to_string(index=False, float_format=lambda value: f"{value:.3g}"))


if __name__ == "__main__":
    main()
