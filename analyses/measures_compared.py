"""Thirteen models on MMLU-ProX by every measure: where raw accuracy and transfer part ways.

Run ``python -m analyses.measures_compared --out DIR``. Writes all measures with intervals from the
same draws, how far they agree on the models, and, on simulated data, how far each is moved by
source ability alone.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import hatstats as hs
from analyses.script import say, script, write

STUDY = "data/mmlu_prox"
PAIR = ("o4-mini", "GPT-4.1")


def run(study_path: Path, out: Path) -> None:
    """Compare the measures on real models, and stress them on simulated ones."""
    study = hs.read_study(study_path).without_flagged()
    draws = hs.measure_draws(study, rng=1)
    own = hs.fit_profile(study).hat("own")
    table = draws.tidy()
    write(table, out / "measures.csv")

    wide = table.pivot(index="model", columns="term", values="estimate")
    wide["target"] = pd.Series(own.params, index=list(own.models))
    wide["source"] = pd.Series(own.source, index=list(own.models))
    a, b = PAIR
    if {a, b} <= set(wide.index):
        say(f"{a} and {b}, mean over the languages that all models have:")
        for term in ("source", "target", "gap", "ratio", "moment_excess", "HAT"):
            x, y = (float(wide[term].to_dict()[name]) for name in PAIR)
            better = x < y if term == "gap" else x > y
            say(f"  {term:<14}{x:>7.3f}{y:>7.3f}   {a if better else b} ahead")
        say(
            "The ratio divides by source accuracy, the plain average rewards it. HAT asks both for "
            "the same source accuracy; from a table of means that rests on the line between models."
        )
    agreement = draws.agreement()
    write(agreement, out / "agreement.csv")
    for row in agreement[agreement["term"].str.startswith("HAT ~ ")].itertuples():
        say(f"  {row.term:<20} tau {row.estimate:5.2f} [{row.conf_low:.2f}, {row.conf_high:.2f}]")

    moved = hs.stress_test(design=hs.StressDesign(shape=hs.Shape(1_000, 2)), rng=1)
    say("Moved by source ability alone, relative to a like move of transfer (simulated):")
    for row in moved.sort_values("leakage").itertuples():
        say(f"  {row.measure:<26}{row.leakage:>7.1%}")
    write(moved, out / "stress.csv")
    hs.plot.save(hs.plot.leakage(moved), out / "stress")


if __name__ == "__main__":
    script(run, STUDY)
