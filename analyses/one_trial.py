"""Fifteen models on TruthfulQA, one trial per item: identified and unidentified quantities.

Run ``python -m analyses.one_trial --out DIR``. Writes scores by method, the pairs of models
that each method separates, profiles, items, and the methods on simulated logs of known truth.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special, stats

import hatstats as hs
from analyses.script import say, script, write

STUDY = "data/truthfulqa_multi"
ABILITIES = (-1.5, 0.0, 1.5)  # mean source logits of three simulated models


def run(study_path: Path, out: Path) -> None:
    """Show that `latent` refuses, score by the other methods, and state their assumptions."""
    study = hs.read_study(study_path)
    say(study.info.notes)
    try:
        hs.fit_profile(study, method="latent")
    except hs.NotIdentifiedError as refusal:
        say(f"latent: {refusal}")
    simulated(out, hs.Shape(study.counts["item"].nunique(), len(study.languages) - 1, 1))
    found = profiles(study)
    scores = {method: profile.hat("pooled") for method, profile in found.items()}
    tables = [score.tidy().assign(method=method) for method, score in scores.items()]
    write(pd.concat(tables), out / "scores.csv")
    separated = pd.DataFrame(combinations(study.model_names, 2), columns=["a", "b"])
    for method, score in scores.items():
        say(score.summary())
        pairs = pd.concat([score.contrast(a, b).tidy() for a, b in combinations(score.models, 2)])
        separated[method] = np.where(pairs["p_value"] < 0.05, np.sign(pairs["estimate"]), 0)
    write(separated, out / "pairs.csv")
    hs.plot.save(hs.plot.profiles(found["joint"]), out / "profiles")
    write(hs.item_report(found["joint"]), out / "items.csv")
    say(hs.misspecification_test(found["joint_models"], found["joint"]).summary())
    say(f"joint: {hs.count_table(found['joint']).summary()}")
    say(f"joint_models: {hs.count_table(found['joint_models']).summary()}")
    say(
        "Not identified: how certain a model is of an item. `joint` conditions on the hardness "
        "common to an item's languages, `joint_models` on hardness common to models too; where "
        "they or the counts disagree, one is wrong. A low score is not knowledge lost in "
        "translation: outcomes are noisy, the chance level unknown. Three families: no trend."
    )


def profiles(study: hs.Study) -> dict[str, hs.TransferProfile]:
    """Profiles that one trial identifies: `joint` model by model, and over all of them."""
    methods = ("observed", "aggregate", "joint")
    found = {name: hs.fit_profile(study, method=name) for name in methods}  # type: ignore[arg-type]
    together = hs.JointOptions(hardness="common")
    return found | {"joint_models": hs.fit_profile(study, method="joint", options=together)}


def simulated(out: Path, shape: hs.Shape) -> None:
    """Score three simulated models of different ability and the same transfer."""
    study = hs.simulate_study(ABILITIES, shape=shape, rng=1)
    normal = stats.norm.ppf((np.arange(2000) + 0.5) / 2000)
    truth = hs.true_hat(special.expit(np.add.outer(ABILITIES, shape.spread * normal)))
    scores = {name: profile.hat("pooled").estimates for name, profile in profiles(study).items()}
    table = pd.DataFrame({"source_ability": ABILITIES, "truth": truth, **scores})
    say(f"Three SIMULATED models that transfer alike, one trial each:\n{table.round(3)}")
    write(table, out / "simulated.csv")


if __name__ == "__main__":
    script(run, STUDY)
