"""Simulated studies in the shape of real ones: the preset ``paper``.

Items have a hardness that all models share up to a model's own noise; what follows from it is said
in `hatstats.simulation.paper_truth`. Nothing here says anything about a real model:
`hatstats.simulation.paper_design` tells what is fact and what is assumed.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from hatstats.simulation import paper_design as paper
from hatstats.simulation.paper_truth import PILED, PaperDesign, PaperTruth
from hatstats.simulation.worlds import WORLDS, Floats
from hatstats.study.claims import StudyInfo
from hatstats.study.study import Study

#: Share of an item's logit variance that all models have in common.
COMMON = 0.6


def item_probabilities(
    ability: float, hardness: Floats, design: PaperDesign, rng: np.random.Generator
) -> Floats:
    """Draw what a model knows of each item in its source language: probabilities (N,).

    Parameters
    ----------
    ability : float
        Mean logit.
    hardness : ndarray, shape (N,)
        Standard normal, shared by all models.
    design : PaperDesign
    rng : Generator
    """
    own = rng.standard_normal(hardness.size)
    logit = ability + design.spread * (np.sqrt(COMMON) * hardness + np.sqrt(1.0 - COMMON) * own)
    known = np.asarray(special.expit(logit), dtype=float)
    if design.piled == 0:
        return known
    end = rng.beta(*PILED, hardness.size)
    high = rng.random(hardness.size) < special.expit(ability)
    return np.where(rng.random(hardness.size) < design.piled, np.where(high, 1.0 - end, end), known)


def draw_counts(
    truth: PaperTruth, benchmark: paper.Benchmark, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Draw the right answers of all models on one benchmark.

    Parameters
    ----------
    truth : PaperTruth
    benchmark : Benchmark
    rng : Generator

    Returns
    -------
    right : ndarray of int, shape (M, N, L)
        Right answers of `n_trials`, in each language.
    source : ndarray of int, shape (N,)
        Place of each item's source language among the benchmark's.
    """
    design, count = truth.design, truth.design.items_of(benchmark)
    languages = benchmark.languages
    if benchmark.source:
        source = np.full(count, languages.index(benchmark.source))
    else:
        source = np.arange(count) % len(languages)
    hardness = rng.standard_normal(count)
    levels = truth.levels[(truth.levels["benchmark"] == benchmark.name).to_numpy()]
    right = np.empty((len(levels), count, len(languages)), dtype=np.int64)
    for at, (ability, shift) in enumerate(zip(levels["ability"], levels["shift"], strict=True)):
        known = item_probabilities(float(ability), hardness, design, rng)
        shifts = float(shift) + benchmark.language_shifts()
        p = WORLDS[truth.world].draw(known, len(languages), shifts, rng)
        p[np.arange(count), source] = known
        p = benchmark.chance + (1.0 - benchmark.chance) * p
        right[at] = rng.binomial(design.n_trials, p)
    return right, source.astype(np.intp)


def paper_study(truth: PaperTruth, rng: np.random.Generator) -> Study:
    """Draw a study of the preset ``paper``.

    Parameters
    ----------
    truth : PaperTruth
    rng : Generator

    Returns
    -------
    Study
        Marked synthetic, in the info, the name and the title.
    """
    models = paper.models()
    counts, items = [], []
    for benchmark in paper.BENCHMARKS:
        right, source = draw_counts(truth, benchmark, rng)
        names = pd.Series([f"{benchmark.name}-{i:04d}" for i in range(source.size)], dtype="str")
        codes = pd.Series(benchmark.languages, dtype="str")
        place = np.unravel_index(np.arange(right.size), right.shape)
        counts.append(
            pd.DataFrame(
                {
                    "model": models["model"].array.take(place[0]),
                    "benchmark": benchmark.name,
                    "language": codes.array.take(place[2]),
                    "item": names.array.take(place[1]),
                    "n_correct": right.ravel().astype(float),
                    "n_trials": float(truth.design.n_trials),
                }
            )
        )
        if not benchmark.source:
            items.append(
                pd.DataFrame(
                    {
                        "benchmark": benchmark.name,
                        "item": names,
                        "source_language": codes.array.take(source),
                        "cluster": "",
                    }
                )
            )
    facts = [(shape.name, shape.source, shape.chance) for shape in paper.BENCHMARKS]
    return Study(
        counts=pd.concat(counts, ignore_index=True),
        models=models,
        benchmarks=pd.DataFrame(facts, columns=["benchmark", "source_language", "chance"]),
        items=pd.concat(items, ignore_index=True),
        info=StudyInfo(
            "synthetic_paper",
            title=f"SYNTHETIC: simulated counts in the shape of the paper's study, world "
            f"{truth.world}",
            source="simulate_study(preset='paper')",
            synthetic=True,
            notes="Every count is simulated and none was observed: names, sizes and dates are of "
            "real models, accuracies are not. Undisclosed sizes are unknown in the study; the "
            f"simulation places them at {paper.STAND_IN_SIZE:.0e} parameters.",
        ),
    )
