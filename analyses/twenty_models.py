"""Twenty models on HellaSwag: who transfers best, and do size and time matter.

Run ``python -m analyses.twenty_models --out DIR``. Writes scores, trends under every kind of
standard error and without each family, verdicts with their margins and under other choices, a
change of raw accuracy in two parts, all measures and how far they agree, and detectable slopes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd

import hatstats as hs
from analyses.script import say, script, write

STUDY = "data/euroeval"
FORMULAS = ("log10(params_total)", "release_year", "log10(params_total) + release_year")


def run(study_path: Path, out: Path) -> None:
    """Fit the panel's line, the trends and the claims, and write them to `out`."""
    study = hs.read_study(study_path)
    used = study.without_flagged()
    profile = hs.fit_profile(used)
    scores = profile.hat("pooled")
    say(scores.summary())
    write(scores.tidy().merge(used.models[["model", "family"]], on="model"), out / "scores.csv")
    hs.plot.save(hs.plot.forest(scores), out / "forest")

    # Size and date stand in one regression with source accuracy: residuals of a first line would
    # give attenuated trends.
    trends = {formula: hs.fit_trend(profile, formula) for formula in FORMULAS}
    tables: dict[str, Callable[[hs.TrendFit], pd.DataFrame]] = {
              "trends": partial(hs.TrendFit.comparison, rng=1), "left_out": hs.leave_one_out,
              "leverage": hs.leverage_by_cluster, "collinearity": hs.collinearity,
              "detectable": hs.detectable_slopes}  # fmt: skip
    for name, make in tables.items():
        parts = [make(trend).assign(formula=formula) for formula, trend in trends.items()]
        write(pd.concat(parts, ignore_index=True), out / f"{name}.csv")
    for trend in trends.values():
        say(trend.summary())

    verdicts = hs.evaluate_claims(profile, study.claims, fits=trends)
    for verdict in verdicts:
        say(verdict.summary())
    write(verdicts.tidy(), out / "claims.csv")
    margins = hs.margin_curves(verdicts)
    write(margins, out / "margins.csv")
    hs.plot.save(hs.plot.margins(margins), out / "margins")
    single = hs.list_specifications(study, drop=(), cross=False)
    table = hs.specification_table(study, specifications=single)
    write(table, out / "specification.csv")
    for claim in table["claim"].unique():
        hs.plot.save(hs.plot.specification(table, claim), out / f"specification_{claim}")
    for row in hs.verdict_shares(table).itertuples():
        say(f"  {row.claim}: {row.verdict} in {row.count} of {row.specifications} analyses")

    split = hs.decompose(used, 2025, 2026, family="Gemma")
    say(split.summary())
    write(split.tidy(), out / "decomposition.csv")
    draws = hs.measure_draws(used, rng=1)
    write(draws.tidy(), out / "measures.csv")
    write(draws.agreement(), out / "agreement.csv")


if __name__ == "__main__":
    script(run, STUDY)
