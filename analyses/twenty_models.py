"""Twenty models on HellaSwag: who transfers best, and do size and time matter.

Run ``python -m analyses.twenty_models --out DIR``. Writes the scores, the trends under every kind
of standard error, the verdicts, and the forest plot.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import hatstats as hs
from analyses.script import say, script, write
from hatstats.report.figures import forest, save_figure

STUDY = "data/euroeval"
FORMULAS = ("log10(params_total)", "release_year", "log10(params_total) + release_year")


def run(study_path: Path, out: Path) -> None:
    """Fit the panel's line, the trends and the claims, and write them to `out`."""
    study = hs.read_study(study_path)
    used = study.without_flagged()
    say(f"{len(used.model_names)} models; {len(study.flagged)} suspicious cells left out:")
    for cell in study.flagged.itertuples():
        say(f"- {cell.model}: {cell.evidence}")

    profile = hs.fit_profile(used)
    scores = profile.hat("pooled")
    say(scores.summary())
    rows = scores.tidy().merge(used.models[["model", "family"]], on="model")
    notes = scores.overlap.set_index("model")["note"]
    rows["informed"] = (notes.reindex(rows["model"]) == "").to_numpy()
    write(rows, out / "scores.csv")
    save_figure(forest(rows.sort_values("estimate"), reference="pooled"), out / "forest")

    # Size and date stand in one regression with source accuracy: residuals of a first line would
    # give attenuated trends.
    tables = []
    for formula in FORMULAS:
        trend = hs.fit_trend(profile, formula)
        say(trend.summary())
        tables.append(trend.comparison().assign(formula=formula))
    write(pd.concat(tables, ignore_index=True), out / "trends.csv")

    verdicts = hs.evaluate_claims(profile, study.claims)
    for verdict in verdicts:
        say(verdict.summary())
    write(pd.DataFrame([verdict.row() for verdict in verdicts]), out / "claims.csv")

    with_flagged = hs.fit_profile(study).hat("pooled").tidy()
    both = scores.tidy().merge(with_flagged, on="model", suffixes=("", "_with_flagged"))
    both["change"] = (both["estimate_with_flagged"] - both["estimate"]).abs()
    for row in both.nlargest(1, "change", keep="first").itertuples():
        say(f"With the suspicious cells {row.model} moves most: {row.change:.3f}.")
    write(both[["model", "estimate", "estimate_with_flagged", "change"]], out / "flagged.csv")


if __name__ == "__main__":
    script(run, STUDY)
