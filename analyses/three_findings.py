"""The three findings of arXiv 2606.21954 as claims on every study here: agreement, and why not.

Studies with answers by item come first: there a profile is learnt within models. From accuracies
alone it is learnt between models, and what grows with source accuracy counts as ability.

Run ``python -m analyses.three_findings --out DIR``. Writes one table and one figure. Claims that a
study has not registered are those of GSM-Symbolic, and exploratory.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Literal

import pandas as pd

import hatstats as hs
from analyses.script import say, script, write

STUDY = "data"
#: Finding of each claim; the last is a slope that none has registered, of five points per tenfold.
FINDINGS = {
    "small_models_not_broken": "1: transfer in small models is not broken",
    "mostly_source_ability": "2: progress with size is mostly source ability",
    "gap_stays": "2: the gap stays as models grow",
    "slower_than_expected": "2: progress with size is slower than expected",
    "progress_over_time": "3: transfer has improved over time",
    "progress_given_size": "3: transfer has improved at equal size",
}
LARGER = 4e9
VARIANTS = ("gsm_symbolic as accuracies", "gsm_symbolic from 4B")
EXPECTED = {"name": "slower_than_expected", "kind": "expected_slope", "expected": 0.05,
            "term": "log10(params_total)"}  # fmt: skip
SHOWN = ["study", "data", "method", "finding", "claim", "verdict", "estimate", "conf_low",
         "conf_high", "conf_level", "threshold", "other_verdict", "other_low", "other_high",
         "direction", "status", "n_models", "n_clusters", "within", "reason"]  # fmt: skip


def run(study_path: Path, out: Path) -> None:
    """Judge every claim on every study in both scopes, and say where the verdicts differ."""
    studies = [hs.read_study(path.parent) for path in sorted(study_path.glob("*/study.toml"))]
    usual = next(study for study in studies if study.name == "gsm_symbolic")
    larger = usual.models["model"][usual.models["params_total"] >= LARGER]
    # Is it the method, the sizes or the task? The same answers as accuracies, and large models.
    tried: list[tuple[str, hs.Study, Literal["aggregate"] | None]]
    tried = [(study.name, study, None) for study in studies]
    tried.append((VARIANTS[0], usual, "aggregate"))
    tried.append((VARIANTS[1], usual.select(models=list(larger)), None))
    parts = []
    for name, study, method in tried:
        with warnings.catch_warnings(action="ignore", category=hs.DegenerateDataWarning):
            profile = hs.fit_profile(study.without_flagged(), method=method)
            verdicts = hs.evaluate_claims(profile, [*(study.claims or usual.claims), EXPECTED])
        kind = "accuracies" if profile.method == "aggregate" else "by item"
        facts = {"study": name, "method": profile.method, "data": kind}
        parts.append(verdicts.tidy().rename(columns={"name": "claim"}).assign(**facts))
    parts.sort(key=lambda rows: (rows["data"][0] != "by item", -rows["n_models"].max()))
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "finding", table["claim"].map(FINDINGS))
    write(table[SHOWN], out / "findings.csv")
    hs.plot.save(hs.plot.claims(table), out / "findings")
    for finding, rows in table.groupby("finding"):
        say(f"Finding {finding}")
        for where in ("by item", "accuracies"):
            for scope, column in (("models like these", "verdict"), ("these", "other_verdict")):
                found = rows[(rows["data"] == where) & (rows[column] != "")]
                said = found.groupby(column)["study"].agg(", ".join)
                say(f"  {where}, {scope}: " + "; ".join(f"{v} ({of})" for v, of in said.items()))
    both = table.pivot(index="claim", columns="study", values="other_verdict")
    for variant in VARIANTS:
        other = both[both[variant] != both["gsm_symbolic"]]
        say(f"{variant}, these models: " + ("; ".join(
            f"{claim} {row['gsm_symbolic']} -> {row[variant]}" for claim, row in other.iterrows()
        ) or "no verdict changes") + ".")  # fmt: skip


if __name__ == "__main__":
    script(run, STUDY)
