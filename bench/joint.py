"""The `joint` likelihood beside lme4's `glmer`, and on a study of the paper's size.

Run by ``make bench``. Both fit the same bivariate model to the same counts: a source and a target
logit for each item, normal with any means, variances and correlation. `glmer` has the Laplace
approximation only, so that both maxima are compared by one likelihood, integrated finely.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import hatstats
from hatstats.estimators.joint.fit import fit_patterns
from hatstats.estimators.joint.likelihood import join_models, make_likelihood
from hatstats.estimators.joint.options import JointOptions
from hatstats.estimators.joint.patterns import group_items
from hatstats.scores.counts import ItemCounts, item_counts
from hatstats.simulation.simulate import Shape

Floats = NDArray[np.float64]
SCRIPT = Path(__file__).with_suffix(".R")
DATA = Path(__file__).parents[1] / "data"


@dataclass(frozen=True, slots=True)
class GlmerComparison:
    """Seconds (the best of several fits) and log-likelihoods of both.

    Attributes
    ----------
    ours, glmer : float
        Processor seconds of one fit, so that a busy machine delays neither more.
    our_likelihood, glmer_likelihood : float
        Log-likelihood at each one's estimates, by the same fine quadrature.
    reported : float
        By `glmer` itself: its Laplace approximation.
    versions : str
        Of R and lme4.
    """

    ours: float
    glmer: float
    our_likelihood: float
    glmer_likelihood: float
    reported: float
    versions: str

    @property
    def ratio(self) -> float:
        """How many times faster ours is."""
        return self.glmer / self.ours


def joint_parameters(means: Floats, spreads: Floats, correlation: float) -> Floats:
    """Parameters of `joint` (mu, sigma, alpha, beta, tau) of a bivariate normal logit."""
    beta = correlation * spreads[1] / spreads[0]
    rest = spreads[1] * np.sqrt(1.0 - correlation**2)
    return np.array([means[0], spreads[0], means[1] - beta * means[0], beta, rest])


def run_glmer(counts: ItemCounts, repeats: int) -> tuple[list[float], str]:
    """Numbers that the R script prints, and the versions."""
    columns = {
        "source": counts.source_correct[0],
        "source_trials": counts.source_trials[0],
        "target": counts.target_correct[0, :, 0],
        "target_trials": counts.target_trials[0, :, 0],
    }
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "counts.csv")
        pd.DataFrame(columns).to_csv(table, index=False)
        command = ["Rscript", str(SCRIPT), str(table), str(repeats)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    *numbers, versions = done.stdout.strip().splitlines()
    return [float(number) for number in numbers], versions.strip()


def compare_with_glmer(
    n_items: int = 658, *, repeats: int = 5, seed: int = 20_26
) -> GlmerComparison:
    """Fit one model's counts in one target language, ten trials each, by both.

    Parameters
    ----------
    n_items, repeats, seed : int
    """
    study = hatstats.simulate_study((0.5,), shape=Shape(n_items, 1, 10), rng=seed)
    counts = item_counts(study, study.benchmark_names[0])
    options = JointOptions()
    seconds = []
    for _ in range(10 * repeats):
        start = time.process_time()
        (patterns,) = group_items(counts)
        (fit,) = fit_patterns([patterns], options)
        seconds.append(time.process_time() - start)
    numbers, versions = run_glmer(counts, repeats)
    theirs = joint_parameters(np.array(numbers[1:3]), np.array(numbers[3:5]), numbers[5])
    fine = join_models(make_likelihood(patterns, options, 0.0)).refined(fit.theta, 3.0)
    return GlmerComparison(
        ours=min(seconds),
        glmer=numbers[0],
        our_likelihood=fine.log_likelihood(fit.theta),
        glmer_likelihood=fine.log_likelihood(theirs),
        reported=numbers[6],
        versions=versions,
    )


#: Run in a process of its own, whose peak memory is then that of the fit.
PAPER = """
import json, resource, sys, time
import hatstats
from bench.paper_size import paper_size_study
study = paper_size_study()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
seconds = []
for _ in range(2):
    start, worked = time.perf_counter(), time.process_time()
    scores = hatstats.fit_profile(study, method="joint").hat("pooled")
    seconds += [time.perf_counter() - start, time.process_time() - worked]
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
unit = 1 if sys.platform == "darwin" else 1024
print(json.dumps([*seconds, before * unit / 1e9, after * unit / 1e9, len(scores.models)]))
"""


def paper_size() -> list[float]:
    """Wall and processor seconds cold and warm; gigabytes before and at the peak; models."""
    command = [sys.executable, "-W", "ignore", "-c", PAPER]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [float(number) for number in json.loads(done.stdout)]


def all_or_nothing() -> tuple[float, float]:
    """Wall and processor seconds on the project's hardest item-level data.

    Three trials that nearly always agree drive every standard deviation to its largest.
    """
    study = hatstats.read_study(DATA / "winogrande_african").without_flagged()
    start, worked = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hatstats.DegenerateDataWarning)
        hatstats.fit_profile(study, method="joint").hat("pooled")
    return time.perf_counter() - start, time.process_time() - worked


def main() -> None:
    """Print one line for each comparison."""
    if shutil.which("Rscript") is None:
        print("joint beside lme4's glmer: not measured, since there is no Rscript here")
    else:
        result = compare_with_glmer()
        gain = result.our_likelihood - result.glmer_likelihood
        print(
            f"joint likelihood, 658 items, one language: {1e3 * result.ours:.1f} ms; glmer "
            f"{1e3 * result.glmer:.0f} ms, {result.ratio:.0f} times as long; log-likelihood at its "
            f"estimates {result.glmer_likelihood:.3f}, at ours {result.our_likelihood:.3f} "
            f"({gain:+.3f}); glmer's own Laplace value {result.reported:.3f} ({result.versions})",
            flush=True,
        )
    cold, _, warm, worked, before, peak, models = paper_size()
    print(
        f"joint profiles and HAT with full covariance of a study of the paper's size "
        f"({models:.0f} models): {cold:.2f} s cold, {warm:.2f} s warm ({worked:.2f} s of "
        f"processor time); memory at its peak "
        f"{peak:.2f} GB, {before:.2f} GB of it before",
        flush=True,
    )
    seconds, worked = all_or_nothing()
    print(
        f"joint profiles of winogrande_african: {seconds:.2f} s ({worked:.2f} s of processor time)"
    )


if __name__ == "__main__":
    main()
