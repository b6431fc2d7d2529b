"""GSM-Symbolic by the crossed mixed model of arXiv 2610.03367, and by HAT on the same cells.

It regresses right answers in target languages on size, date and resources: raw accuracy. With the
source language among the rows, interactions with being a target are changes of the gap. What lme4
estimated is in the JSON, by the R script beside. ``python -m analyses.rival_glmm --out DIR``
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import hatstats as hs
from analyses.script import say, script, write

STUDY = "data/gsm_symbolic"
TERMS = {"size": "log10(params_total)", "year": "release_year", "reasoning": "reasoning"}
RIVAL = {"target": "raw target, GLMM", "gap": "gap closes, GLMM"}  # logits
HAT = {"gap_slope": "gap closes, means", "slope": "HAT (accuracy)"}
ENDS = ["estimate", "conf_low", "conf_high", "other_low", "other_high"]


def cells_of(study: hs.Study) -> pd.DataFrame:
    """Counts by model, language and template with the covariates of the rival's regression."""
    models = study.models.set_index("model")
    articles = study.language_table.set_index("language")["wikipedia_articles"].astype(float)
    rows = study.counts[["model", "language", "item", "n_correct", "n_trials"]]
    dates = models["release_date"].dt
    models["year"] = dates.year + (dates.day_of_year - 1) / 365.25 - 2025
    models["size"] = np.log10(models["params_total"].astype(float) / 8e9)
    rows = rows.merge(models[["weights", "reasoning", "year", "size"]], on="model")
    rows["resource"] = np.log10(rows["language"].map(articles)) - 6.0
    rows["target"] = (rows["language"] != study.benchmarks["source_language"].iloc[0]).astype(int)
    return rows.dropna(subset=["year", "size"])


def compared(scores: hs.HatScores) -> pd.DataFrame:
    """Coefficients of both with 95 % intervals, those of HAT also for these models."""
    parts = []
    stored = json.loads(Path(__file__).with_suffix(".json").read_text())["fits"]
    for fit, name in RIVAL.items():
        found = pd.DataFrame(stored[fit]["terms"]).set_index("term")
        rows = found.loc[[f"target:{term}" if fit == "gap" else term for term in TERMS]]
        rows["conf_low"] = rows["estimate"] - 1.96 * rows["std_error"]
        rows["conf_high"] = rows["estimate"] + 1.96 * rows["std_error"]
        parts.append(rows.assign(claim=list(TERMS), study=name))
    shared = {"formula": " + ".join(TERMS.values()), "threshold": 0.0, "level": 0.025}
    for kind, name in HAT.items():
        claims = [{"name": key, "kind": kind, "term": TERMS[key], **shared} for key in TERMS]
        rows = hs.evaluate_claims(scores, claims).tidy().rename(columns={"name": "claim"})
        if kind == "gap_slope":  # of source less target
            rows[ENDS] = -rows[[ENDS[k] for k in (0, 2, 1, 4, 3)]].to_numpy(dtype=float)
        parts.append(rows.assign(study=name))
    table = pd.concat(parts, ignore_index=True).assign(threshold=0.0)
    for scope, verdict in (("conf", "verdict"), ("other", "other_verdict")):
        signs = (np.sign(table[f"{scope}_low"]) + np.sign(table[f"{scope}_high"])).fillna(9)
        table[verdict] = signs.map({2: "supported", -2: "refuted", 0: "inconclusive", 9: ""})
    return table[["claim", "study", *ENDS, "verdict", "other_verdict", "threshold"]]


def run(study_path: Path, out: Path) -> None:
    """Write the rival's cells, and its coefficients beside those of HAT on the same models."""
    study = hs.read_study(study_path).without_flagged()
    thinks = study.models["thinking"].eq("on").astype(float)
    study = replace(study, models=study.models.assign(reasoning=thinks))
    asked = study.counts.loc[study.is_source, "model"].unique()
    cells = cells_of(study.select(models=list(asked)))
    scores = hs.fit_profile(study.select(models=list(cells["model"].unique()))).hat()
    write(cells, out / "cells.csv")
    write(table := compared(scores), out / "comparison.csv")
    hs.plot.save(hs.plot.claims(table), out / "comparison")
    say(table.drop(columns="threshold").round(3).to_string(index=False))


if __name__ == "__main__":
    script(run, STUDY)
