"""All models of the leaderboard on HellaSwag: does the picture of twenty models hold for 186.

Run ``python -m analyses.all_models --out DIR``. Writes scores, trends and verdicts, and HAT
against size.
"""

from __future__ import annotations

from pathlib import Path

import hatstats as hs
from analyses.script import say, script, write

STUDY = "data/euroeval_all"
SIZE = "log10(params_total)"


def run(study_path: Path, out: Path) -> None:
    """Fit the line over all models, leave out guessers, and write scores, trends and verdicts."""
    study = hs.read_study(study_path)
    used = study.without_flagged()
    profile = hs.fit_profile(used)
    scores = profile.hat("pooled")
    noted = scores.overlap.loc[scores.overlap["note"] != "", "model"]
    say(
        f"{scores.nobs} models; {len(study.flagged)} suspicious cells left out; "
        f"{noted.nunique()} models are weakly identified (near chance, near the ceiling, or few "
        "trials) and are left out of the figure."
    )
    rows = scores.tidy().merge(used.models, on="model")
    rows["informed"] = ~rows["model"].isin(noted)
    write(rows, out / "scores.csv")
    best = rows[rows["informed"]].nlargest(10, "estimate")
    for row in best.itertuples():
        say(f"  {row.estimate:.3f} [{row.conf_low:.3f}, {row.conf_high:.3f}]  {row.model}")

    trend = hs.fit_trend(profile, SIZE)
    say(trend.summary())
    write(trend.comparison(rng=1), out / "trends.csv")
    drawn = hs.plot.trend(rows[rows["informed"]], curve=trend.curve("params_total"))
    hs.plot.save(drawn, out / "hat_against_size")

    # The slope of target on source accuracy is learnt between models. Where it is held at 1, a
    # plain shift of logits, the trend may differ: both belong in a report.
    shifted = hs.fit_trend(hs.fit_profile(used, slope=1.0), SIZE)
    say("The same with the slope of source accuracy held at 1:")
    say(shifted.summary())

    verdicts = hs.evaluate_claims(profile, study.claims, fits={SIZE: trend})
    for verdict in verdicts:
        say(verdict.summary())
    write(verdicts.tidy(), out / "claims.csv")


if __name__ == "__main__":
    script(run, STUDY)
