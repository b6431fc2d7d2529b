"""Items of TruthfulQA that function differently in one language: translations to look at.

Two lists are compared. Differential functioning compares models with the same score between the
languages and assumes no model of transfer; `item_report` compares an item with what the profile
expects of it. An item on both lists is the first to read.

Run ``python -m analyses.items_that_differ --out DIR``.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import hatstats as hs
from analyses.script import say, script, write

STUDY = "data/truthfulqa_multi"
CELL = ["benchmark", "language", "item"]


def run(study_path: Path, out: Path) -> None:
    """Test every item in every language, and compare with the list by profile."""
    study = hs.read_study(study_path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", hs.DegenerateDataWarning)
        table = hs.item_functioning(study)
    classes = hs.functioning_classes(table)
    write(table, out / "functioning.csv")
    write(classes, out / "classes.csv")
    hs.plot.save(hs.plot.functioning(classes), out / "functioning")

    large = table["ets"] == "C"
    found = table["p_adjusted"] < 0.05
    say(
        f"{len(table)} items x languages, {table['n_models'].max()} models: {large.sum()} of class "
        f"C, {found.sum()} found at a false discovery rate of 5 %."
    )
    for warning in caught:
        say(str(warning.message))
    for name, part in classes[classes["ets"] == "C"].groupby("language", sort=False):
        harder, easier = (
            part.loc[part["direction"] == way, "items"].sum() for way in ("harder", "easier")
        )
        say(f"  {name}: {harder} much harder, {easier} much easier than for the same score.")
    crossed = (table["nonuniform_p"] < 0.05) & (table["uniform_p"] >= 0.05)
    say(f"{crossed.sum()} differ depending on ability but not on average (each at 5 %).")

    profile = hs.fit_profile(study, method="joint")
    report = hs.item_report(profile)[[*CELL, "residual", "q_value", "verdict"]]
    both = table.merge(report, on=CELL)
    by_profile, by_functioning = both["verdict"] != "", both["p_adjusted"] < 0.05
    listed = both[by_profile | by_functioning].sort_values("p_adjusted", kind="stable")
    write(listed, out / "listed.csv")
    say(
        f"The profile lists {by_profile.sum()}, functioning {by_functioning.sum()}, both "
        f"{(by_profile & by_functioning).sum()}. The profile lists items extreme among those of a "
        "language, functioning any that differ."
    )
    say(
        "None of this shows that a translation is broken. An item may be easier because a model "
        "read about it in that language, and fifteen models are a small sample."
    )


if __name__ == "__main__":
    script(run, STUDY)
