"""`latent` at the paper's size, and with a thousand and a million items.

Run by ``make bench``. The first is a time on this machine, the second a ratio in one run.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

import hatstats
from hatstats.hat.counts import ItemCounts, item_counts
from hatstats.hat.deconvolution import count_patterns
from hatstats.hat.latent import fit_latent
from hatstats.hat.penalised import pattern_means
from hatstats.study.simulate import Shape

_REPEATS = 3


def paper_size() -> None:
    """Print seconds and memory of the latent fit with HAT and full covariance."""
    study = hatstats.simulate_study(preset="paper", rng=1)
    start, used = time.perf_counter(), time.process_time()
    profile = hatstats.fit_profile(study, method="latent")
    scores = profile.hat("pooled")
    seconds, spent = time.perf_counter() - start, time.process_time() - used
    assert np.isfinite(scores.cov).all()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(
        f"latent, paper size: {len(scores.models)} models, {len(scores.cells)} cells: "
        f"{seconds:.1f} s, {spent:.1f} s of the processor, with HAT and its full covariance; "
        f"peak memory {peak:.2f} GiB with the study"
    )


def counted(counts: ItemCounts, times: int) -> ItemCounts:
    """The same counts, each item so many times: the same profile from more items."""
    total = counts.items.size * times
    return replace(
        counts,
        items=np.arange(total).astype(str),
        clusters=np.arange(total),
        source_correct=np.repeat(counts.source_correct, times, axis=1),
        source_trials=np.repeat(counts.source_trials, times, axis=1),
        target_correct=np.repeat(counts.target_correct, times, axis=1),
        target_trials=np.repeat(counts.target_trials, times, axis=1),
    )


def least(call: Callable[[], object]) -> float:
    """Least processor seconds of several calls."""
    spent = []
    for _ in range(_REPEATS):
        start = time.process_time()
        call()
        spent.append(time.process_time() - start)
    return min(spent)


def counting(counts: ItemCounts) -> None:
    """Do what a fit does with single items: patterns of the source, means of the targets."""
    target = counts.target_accuracy()
    for m in range(len(counts.models)):
        part = count_patterns(counts.source_correct[m], counts.source_trials[m])
        weights = np.ones(counts.items.size)
        mean = target[m].mean(axis=1, keepdims=True)
        for values in (mean, target[m]):
            pattern_means(values, part.index, weights, part.size.size)


def growth() -> None:
    """Print what a thousand times as many items cost, in all and after they are counted."""
    study = hatstats.simulate_study((0.0, 1.0), shape=Shape(1_000, 2, 10), rng=2)
    small = item_counts(study, study.benchmark_names[0])
    large = counted(small, 1_000)
    few, many = least(lambda: fit_latent(small)), least(lambda: fit_latent(large))
    counted_few, counted_many = least(lambda: counting(small)), least(lambda: counting(large))
    print(
        f"latent, 1,000 and 1,000,000 items: {few:.3f} s and {many:.3f} s of the processor, of "
        f"which counting {counted_few:.3f} s and {counted_many:.3f} s; once counted, ratio "
        f"{(many - counted_many) / (few - counted_few):.2f}"
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
