"""Twenty models as one posterior: scores, claims as probabilities, sensitivity to the priors.

Run ``python -m analyses.hierarchical_twenty --out DIR``. A study with items (``--study
data/winogrande_african``) is fitted in the same way.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import hatstats as hs
from analyses.script import say, script, write

STUDY = "data/euroeval"


def run(study_path: Path, out: Path) -> None:
    """Fit the model for every registered claim; put probabilities beside verdicts."""
    study = hs.read_study(study_path).without_flagged()
    found = hs.fit_claims(study, rng=1)
    main = found.main
    plain = hs.fit_profile(study).hat()
    scores = main.hat()
    say(scores.summary())
    table = scores.tidy().merge(scores.ranks()[["model", "p_best"]], on="model")
    table["without_model"] = table["model"].map(dict(zip(plain.models, plain.params, strict=True)))
    write(table, out / "scores.csv")
    write(main.tidy(), out / "terms.csv")
    write(main.shrinkage(), out / "shrinkage.csv")
    checks = found.checks()
    write(checks, out / "checks.csv")
    for row in checks[~checks["passed"].astype(bool)].to_dict("records"):
        say(f"FAILED: {row['check']} ({row['trend']}): {row['words']}")
    if len(found.claims):
        source = hs.fit_profile(study)
        verdicts = {v.name: v.verdict for v in hs.evaluate_claims(source, study.claims)}
        claims = found.claims.assign(regression=found.claims["name"].map(verdicts))
        write(claims, out / "claims.csv")
        for row in claims.to_dict("records"):
            say(
                f"{row['name']}: P = {row['p_claim']:.3f}, P(in ROPE) = {row['p_in_rope']:.3f}; "
                f"the regression says {row['regression']}."
            )
    write(main.prior_sensitivity(), out / "sensitivity.csv")
    edges = np.linspace(0.0, 1.0, 41)
    shares = {"low": edges[:-1], "high": edges[1:]}
    for name in ("prior", "posterior"):
        draws = main.draws("hat", name)
        known = draws[np.isfinite(draws)]
        shares[name] = np.histogram(known, bins=edges)[0] / known.size
    hs.plot.save(hs.plot.prior_predictive(pd.DataFrame(shares)), out / "prior_predictive")
    hs.plot.save(hs.plot.shrinkage(main.shrinkage()), out / "shrinkage")
    main.save(out / "posterior.nc")


if __name__ == "__main__":
    script(run, STUDY)
