"""Thirty-four open models of known size in nine families: does transfer depend on size.

Run ``python -m analyses.open_families --out DIR``. Writes scores, trends under every kind of
standard error, what each family carries, the within-family slope, verdicts with their margins, and
the smallest slopes that such a study can find.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import hatstats as hs
from analyses.script import say, script, write
from hatstats.report.figures import hat_against_size, margin_curve, save_figure
from hatstats.trends.claims import claims_frame
from hatstats.trends.diagnostics import leave_one_out, leverage_by_cluster, within_between
from hatstats.trends.margins import margin_curves
from hatstats.trends.power import detectable_slopes

STUDY = "data/self_translate"
SIZE = "log10(params_total)"


def run(study_path: Path, out: Path) -> None:
    """Fit size and date, show what carries them, judge the claims, and write the tables."""
    study = hs.read_study(study_path)
    profile = hs.fit_profile(study)
    scores = profile.hat("pooled")
    noted = set(scores.overlap.loc[scores.overlap["note"] != "", "model"])
    say(
        f"{scores.nobs} models in {study.models['family'].nunique()} families; {len(noted)} are "
        "barely informed on some benchmark (near chance), which their intervals show."
    )
    rows = scores.tidy().merge(study.models, on="model")
    write(rows, out / "scores.csv")

    trends = {name: hs.fit_trend(profile, name) for name in (SIZE, "release_year")}
    tables, left_out = [], []
    for formula, trend in trends.items():
        say(trend.summary())
        tables.append(trend.comparison().assign(formula=formula))
        rows_out = leave_one_out(trend)
        spread = rows_out.loc[rows_out["without"] != "", "estimate"]
        say(f"Without one family the coefficient is {spread.min():.3f} to {spread.max():.3f}.")
        left_out.append(rows_out.assign(formula=formula))
        heaviest = leverage_by_cluster(trend).nlargest(1, "share").iloc[0]
        say(f"Most weight: {heaviest['cluster']}, {heaviest['share']:.0%} of the information.")
    write(pd.concat(tables, ignore_index=True), out / "trends.csv")
    write(pd.concat(left_out, ignore_index=True), out / "left_out.csv")
    informed = rows.assign(informed=~rows["model"].isin(noted))
    figure = hat_against_size(informed, trends[SIZE].curve("params_total"))
    save_figure(figure, out / "hat_against_size")

    split = within_between(profile, SIZE)
    say("Within families, between them, and the difference (logits per tenfold parameters):")
    for row in split.itertuples():
        say(f"  {row.term:<18}{row.estimate:>7.3f}  [{row.conf_low:.3f}, {row.conf_high:.3f}]")
    write(split, out / "within_between.csv")

    verdicts = hs.evaluate_claims(profile, study.claims)
    for verdict in verdicts:
        say(verdict.summary())
    write(claims_frame(verdicts), out / "claims.csv")
    margins = margin_curves(verdicts)
    write(margins, out / "margins.csv")
    if len(margins):
        save_figure(margin_curve(margins), out / "margins")
    found = pd.concat([detectable_slopes(trend) for trend in trends.values()], ignore_index=True)
    for row in found.itertuples():
        say(f"Found with a power of .8: a slope of {row.detectable:.3f} per unit of {row.term}.")
    write(found, out / "detectable.csv")


if __name__ == "__main__":
    script(run, STUDY)
