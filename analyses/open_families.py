"""Thirty-four open models of known size in nine families: does transfer depend on size.

XStoryCloze is the main benchmark: on XNLI and PAWS-X most models are near chance in most languages.

Run ``python -m analyses.open_families --out DIR``. Writes scores, trends under every kind of
standard error and without each family, the slope by benchmark and within families, verdicts with
their margins, and the slopes that such a study can find.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import hatstats as hs
from analyses.script import say, script, write

STUDY = "data/self_translate"
MAIN = "xstory_cloze"
SIZE = "log10(params_total)"


def run(study_path: Path, out: Path) -> None:
    """Fit size and date, show influential families, judge the claims, and write the tables."""
    everything = hs.read_study(study_path)
    study = everything.select(benchmarks=MAIN)
    profile = hs.fit_profile(study)
    scores = profile.hat("pooled")
    noted = set(scores.overlap.loc[scores.overlap["note"] != "", "model"])
    say(f"{scores.nobs} models on {MAIN}, {len(noted)} of them weakly identified.")
    rows = scores.tidy().merge(study.models, on="model")
    write(rows, out / "scores.csv")

    trend = hs.fit_trend(profile, SIZE)
    say(trend.summary())
    write(trend.comparison(rng=1), out / "trends.csv")
    left_out = hs.leave_one_out(trend)
    write(left_out, out / "left_out.csv")
    spread = left_out.loc[left_out["without"] != "", "estimate"]
    heaviest = hs.leverage_by_cluster(trend).nlargest(1, "share").iloc[0]
    say(
        f"Without one family: {spread.min():.3f} to {spread.max():.3f}. Most weight: "
        f"{heaviest['cluster']}, {heaviest['share']:.0%} of the information."
    )
    informed = rows.assign(informed=~rows["model"].isin(noted))
    drawn = hs.plot.trend(informed, curve=trend.curve("params_total"))
    hs.plot.save(drawn, out / "hat_against_size")

    inside = hs.family_slopes(profile, SIZE)
    say(inside.summary())
    split = inside.tidy().assign(benchmark=MAIN)
    parts = [split]
    for name in everything.benchmark_names:
        other = hs.fit_profile(everything.select(benchmarks=name))
        slope = hs.fit_trend(other, SIZE).tidy()
        parts.append(slope[slope["term"] == SIZE].assign(benchmark=name))
    table = pd.concat(parts, ignore_index=True)
    say("Logits of target accuracy per tenfold parameters, source accuracy held:")
    for row in table.itertuples():
        limits = f"[{row.conf_low:.3f}, {row.conf_high:.3f}]"
        say(f"  {row.benchmark:<14}{row.term:<20}{row.estimate:>7.3f}  {limits} df {row.df:.1f}")
    write(table, out / "slopes.csv")

    verdicts = hs.evaluate_claims(profile, study.claims, fits={SIZE: trend})
    for verdict in verdicts:
        say(verdict.summary())
    write(verdicts.tidy(), out / "claims.csv")
    write(hs.margin_curves(verdicts), out / "margins.csv")
    hs.plot.save(hs.plot.margins(hs.margin_curves(verdicts)), out / "margins")
    write(hs.detectable_slopes(trend), out / "detectable.csv")


if __name__ == "__main__":
    script(run, STUDY)
