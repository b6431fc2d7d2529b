"""Fifteen models on TruthfulQA, one prompting per item: what can be said, and what cannot.

Run ``python -m analyses.one_prompting --out DIR``. Writes scores by method, the pairs of models
that each method decides, and the methods on a simulated log whose truth is known.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special, stats

import hatstats as hs
from analyses.script import say, script, write
from hatstats.hat.fitting import Method
from hatstats.report.figures import forest, save_figure
from hatstats.study import Shape, true_hat

STUDY = "data/truthfulqa_multi"
METHODS: tuple[Method, ...] = ("observed", "aggregate", "joint")
ABILITIES = (-1.5, 0.0, 1.5)  # mean source logits of three simulated models


def run(study_path: Path, out: Path) -> None:
    """Show that `latent` refuses, score by what is left, and say what each of it rests on."""
    study = hs.read_study(study_path)
    say(study.info.notes)
    try:
        hs.fit_profile(study, method="latent")
    except hs.NotIdentifiedError as refusal:
        say(f"latent: {refusal}")

    known = simulated(study.counts["item"].nunique(), len(study.languages) - 1)
    say(
        "Three SIMULATED models that transfer alike, one prompting of as many items:\n"
        f"{known.to_string(index=False, float_format='{:.3f}'.format)}\n"
        "Scores should not differ. `observed` takes luck for hardness; `joint` does not, in this "
        "world, which it assumes; `aggregate` ranks models against a line through these models."
    )
    write(known, out / "simulated.csv")

    tables, decided = [], pd.DataFrame(combinations(study.model_names, 2), columns=["a", "b"])
    for method in METHODS:
        scores = hs.fit_profile(study, method=method).hat("pooled")
        say(scores.summary())
        tables.append(scores.tidy())
        pairs = pd.concat([scores.contrast(a, b) for a, b in combinations(scores.models, 2)])
        decided[method] = np.where(pairs["p_value"] < 0.05, np.sign(pairs["estimate"]), 0)
    write(pd.concat(tables, ignore_index=True), out / "scores.csv")
    write(decided, out / "pairs.csv")
    rows = tables[-1].merge(study.models[["model", "family"]], on="model").assign(informed=True)
    save_figure(forest(rows.sort_values("estimate"), reference="pooled"), out / "joint")
    for a, b in combinations(METHODS, 2):
        both = decided[a] * decided[b]
        clash, total = (both < 0).sum(), (both != 0).sum()
        say(f"{a} and {b}: {total} pairs decided by both at 5 %, {clash} in opposite ways.")
    say(
        "What cannot be said: how sure a model is of an item. `joint` conditions on the hardness "
        "that an item's languages share, and takes all else that they share for hardness. Nor is "
        "any score here knowledge lost on the way from English: the outcome is noisy, its floor "
        "unknown, and English seldom the best language. Three families: no trend is tested."
    )


def simulated(n_items: int, n_languages: int) -> pd.DataFrame:
    """Score three simulated models of different ability and the same transfer."""
    study = hs.simulate_study(ABILITIES, shape=Shape(n_items, n_languages, 1), rng=1)
    scores = stats.norm.ppf((np.arange(2000) + 0.5) / 2000)
    pooled = special.expit(np.add.outer(ABILITIES, Shape().spread * scores))
    table = pd.DataFrame({"source_ability": ABILITIES, "truth": true_hat(pooled)})
    for method in METHODS:
        table[method] = hs.fit_profile(study, method=method).hat("pooled").params
    return table


if __name__ == "__main__":
    script(run, STUDY)
