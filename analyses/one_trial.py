"""Fifteen models on TruthfulQA, one trial per item: what can be said, and what cannot.

Run ``python -m analyses.one_trial --out DIR``. Writes scores by method, the pairs of models
that each method decides, profiles, items, and the methods on simulated logs whose truth is known.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special, stats

import hatstats as hs
from analyses.script import say, script, write
from hatstats.report.figures.panels import transfer_profiles
from hatstats.report.figures.style import save_figure
from hatstats.simulation.simulate import Shape, true_hat
from hatstats.study import Study

STUDY = "data/truthfulqa_multi"
ABILITIES = (-1.5, 0.0, 1.5)  # mean source logits of three simulated models


def run(study_path: Path, out: Path) -> None:
    """Show that `latent` refuses, score by what is left, and say what each of it rests on."""
    study = hs.read_study(study_path)
    say(study.info.notes)
    try:
        hs.fit_profile(study, method="latent")
    except hs.NotIdentifiedError as refusal:
        say(f"latent: {refusal}")
    simulated(out, Shape(study.counts["item"].nunique(), len(study.languages) - 1, 1))
    found = profiles(study)
    scores = {way: profile.hat("pooled") for way, profile in found.items()}
    write(pd.concat(one.tidy().assign(method=n) for n, one in scores.items()), out / "scores.csv")
    decided = pd.DataFrame(combinations(study.model_names, 2), columns=["a", "b"])
    for way, one in scores.items():
        say(one.summary())
        pairs = pd.concat([one.contrast(a, b) for a, b in combinations(one.models, 2)])
        decided[way] = np.where(pairs["p_value"] < 0.05, np.sign(pairs["estimate"]), 0)
    write(decided, out / "pairs.csv")
    curve = found["joint"].curve().merge(study.models[["model", "family"]])
    means = curve.groupby(["model", "family", "benchmark", "source"], sort=False)["target"].mean()
    chance = dict.fromkeys(study.benchmark_names, 0.0)
    save_figure(transfer_profiles(means.reset_index(), chance=chance), out / "profiles")
    write(hs.item_report(found["joint"]), out / "items.csv")
    say(hs.misspecification_test(found["joint_models"], found["joint"]).summary())
    say(f"joint: {hs.count_table(found['joint']).summary()}")
    say(f"joint_models: {hs.count_table(found['joint_models']).summary()}")
    say(
        "What cannot be said: how sure a model is of an item. `joint` conditions on the hardness "
        "that an item's languages share, `joint_models` on what models share too; where they or "
        "the counts disagree, one is wrong. Nor is a score knowledge lost on the way from "
        "English: the outcome is noisy, its floor unknown. Three families: no trend is tested."
    )


def profiles(study: Study) -> dict[str, hs.TransferProfile]:
    """Profiles by what one trial allows: `joint` model by model, and over all of them."""
    found = {way: hs.fit_profile(study, method=way) for way in ("observed", "aggregate", "joint")}
    together = hs.JointOptions(hardness="common")
    return found | {"joint_models": hs.fit_profile(study, method="joint", options=together)}


def simulated(out: Path, shape: Shape) -> None:
    """Score three simulated models of different ability and the same transfer."""
    study = hs.simulate_study(ABILITIES, shape=shape, rng=1)
    normal = stats.norm.ppf((np.arange(2000) + 0.5) / 2000)
    truth = true_hat(special.expit(np.add.outer(ABILITIES, shape.spread * normal)))
    scores = {way: profile.hat("pooled").params for way, profile in profiles(study).items()}
    table = pd.DataFrame({"source_ability": ABILITIES, "truth": truth, **scores})
    say(f"Three SIMULATED models that transfer alike, one trial each:\n{table.round(3)}")
    write(table, out / "simulated.csv")


if __name__ == "__main__":
    script(run, STUDY)
