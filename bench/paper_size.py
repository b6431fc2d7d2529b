"""A simulated study of the paper's size: twenty models on three benchmarks."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hatstats import Shape, Study, simulate_study

#: Items and target languages of ECLeKTic, MGSM and MMLU-ProX-Lite (arXiv 2606.21954), ten trials.
SIZES = ((384, 11), (250, 10), (658, 28))


def paper_size_study() -> Study:
    """Draw it; names of models and languages are the simulation's."""
    abilities = np.linspace(-1.0, 2.0, 20).tolist()
    parts = [
        simulate_study(abilities, shape=Shape(*size, 10), rng=k) for k, size in enumerate(SIZES)
    ]
    names = [f"benchmark-{k + 1}" for k in range(len(parts))]
    counts = [part.counts.assign(benchmark=name) for part, name in zip(parts, names, strict=True)]
    facts = pd.DataFrame({"benchmark": names, "source_language": "src", "chance": 0.0})
    return Study(pd.concat(counts, ignore_index=True), parts[0].models, facts)
