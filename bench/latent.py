"""`latent` at the paper's size, and with a thousand and a million items.

Run by ``make bench``. The first is a time on this machine, the second a ratio in one run.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

import hatstats
from bench.paper_size import paper_size_study
from hatstats.estimators.latent.deconvolution import GRID
from hatstats.estimators.latent.fit import LatentOptions, fit_grouped
from hatstats.estimators.latent.patterns import group_items
from hatstats.scores.counts import item_counts
from hatstats.simulation.simulate import Shape

_REPEATS = 25


def paper_size() -> None:
    """Print seconds and memory of the latent fit with HAT and full covariance."""
    study = paper_size_study()
    start, used = time.perf_counter(), time.process_time()
    profile = hatstats.fit_profile(study, method="latent")
    scores = profile.hat("pooled")
    seconds, spent = time.perf_counter() - start, time.process_time() - used
    assert np.isfinite(scores.covariance).all()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(
        f"latent, paper size: {len(scores.models)} models, {len(scores.cells)} cells: "
        f"{seconds:.1f} s, {spent:.1f} s of the processor, with HAT and its full covariance; "
        f"peak memory {peak:.2f} GiB with the study"
    )


def least(calls: Sequence[Callable[[], object]]) -> list[float]:
    """Least processor seconds of calls that alternate, since the machine's speed varies."""
    spent = np.full((_REPEATS, len(calls)), np.nan)
    for repeat in range(_REPEATS):
        for column, call in enumerate(calls):
            start = time.process_time()
            call()
            spent[repeat, column] = time.process_time() - start
    return [float(seconds) for seconds in spent.min(axis=0)]


def growth() -> None:
    """Print what a thousand times as many items cost, before and after they are counted."""
    families = LatentOptions().families(GRID)
    counting, fitting = [], []
    for n_items in (1_000, 1_000_000):
        study = hatstats.simulate_study((0.5,), shape=Shape(n_items, 2, 10), rng=2)
        counts = item_counts(study, study.benchmark_names[0])
        counting.append(partial(group_items, counts, 0))
        fitting.append(partial(fit_grouped, group_items(counts, 0), families))
    count_few, count_many = least(counting)
    few, many = least(fitting)
    print(
        f"latent, one model, 1,000 and 1,000,000 items, seconds of the processor: counting "
        f"{count_few:.4f} and {count_many:.4f}; once counted {few:.4f} and {many:.4f}, "
        f"ratio {many / few:.2f}"
    )


def main() -> None:
    """Run both; the first in a process of its own, whose peak memory is the fit's."""
    if sys.argv[1:] == ["paper"]:
        paper_size()
        return
    subprocess.run([sys.executable, "-m", "bench.latent", "paper"], check=True)
    growth()


if __name__ == "__main__":
    main()
