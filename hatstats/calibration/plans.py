"""Plans against simulation: predicted and simulated power and standard errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from hatstats.inference.arrays import Floats
from hatstats.inference.intervals import upper_p
from hatstats.inference.random_numbers import RandomSource
from hatstats.scores.scores import HatScores
from hatstats.simulation.simulate import Shape
from hatstats.trends.planning.assumptions import PlanAssumptions
from hatstats.trends.planning.power import PlanPanel, SlopeTests
from hatstats.trends.planning.precision import score_precision, simulated_scores
from hatstats.trends.regression import fit_trend

#: Assumptions and sizes of studies whose predicted precision is compared with simulated scores.
PLANNED = (
    (PlanAssumptions(), Shape(250, 4, 10)),
    (PlanAssumptions(), Shape(250, 1, 5)),
    (PlanAssumptions(wording_sd=0.3), Shape(250, 4, 10)),
    (PlanAssumptions(repeats=2, wording_correlation=0.3), Shape(250, 4, 10)),
    (PlanAssumptions(world="shared_factor", transfer=0.5), Shape(300, 5, 6)),
    (PlanAssumptions(), Shape(660, 10, 10)),
)


def _found(panel: PlanPanel, slope: float, level: float, rng: np.random.Generator) -> bool:
    """Whether a test with CR2 finds the slope in one simulated panel."""
    x = panel.covariate(rng)
    noise = np.linalg.cholesky(panel.covariance()) @ rng.standard_normal(x.size)
    names = [f"m{number}" for number in range(x.size)]
    table = pd.DataFrame(
        {
            "model": names,
            "family": [f"f{code}" for code in panel.codes],
            "x": x,
            "estimate": 0.5 + slope * x + noise,
        }
    )
    scores = HatScores.from_frame(table, pd.DataFrame(panel.sampling(), index=names, columns=names))
    row = fit_trend(scores, "x").tidy().iloc[-1]
    return bool(upper_p(row["statistic"], row["df"]) <= level)


def power_against_simulation(
    panel: PlanPanel,
    slope: float,
    *,
    level: float = 0.05,
    n_replicates: int = 2_000,
    n_jobs: int = 1,
    rng: RandomSource = None,
) -> pd.DataFrame:
    """One row: predicted power of a slope beside the share of simulated studies that find it."""
    generator = np.random.default_rng(rng)
    tests = SlopeTests.simulate(panel, min(1000, 2 * n_replicates), generator.spawn(1)[0])
    found = Parallel(n_jobs=n_jobs)(
        delayed(_found)(panel, slope, level, child) for child in generator.spawn(n_replicates)
    )
    share = float(np.mean(found))
    row = {
        "slope": slope,
        "predicted": tests.power(slope, level),
        "simulated": share,
        "mc_error": np.sqrt(share * (1.0 - share) / n_replicates),
        "n_replicates": n_replicates,
    }
    return pd.DataFrame([row])


def _scores(assumptions: PlanAssumptions, shape: Shape, rng: np.random.Generator) -> Floats:
    """Pooled HAT of the models of one simulated study, shape (M,)."""
    return simulated_scores(assumptions, shape, rng).estimates


def precision_against_simulation(
    assumptions: PlanAssumptions,
    shape: Shape,
    *,
    n_replicates: int = 1_000,
    n_jobs: int = 1,
    rng: RandomSource = None,
) -> pd.DataFrame:
    """One row: predicted standard error of HAT beside the standard deviation of simulated scores.

    `simulated` is the root mean variance over models, whose wordings, where they have effects, are
    drawn anew with the items; `mc_error` is that of the ratio of both, from squared deviations by
    replicate.
    """
    generator = np.random.default_rng(rng)
    predicted = score_precision(assumptions, shape, rng=generator.spawn(1)[0]).std_error_wordings
    drawn = np.array(
        Parallel(n_jobs=n_jobs)(
            delayed(_scores)(assumptions, shape, child) for child in generator.spawn(n_replicates)
        )
    )
    squares = ((drawn - drawn.mean(axis=0)) ** 2).mean(axis=1) * n_replicates / (n_replicates - 1)
    spread = float(np.sqrt(squares.mean()))
    row = {
        "world": assumptions.world,
        "repeats": assumptions.repeats,
        "wording_sd": assumptions.wording_sd,
        "n_items": shape.n_items,
        "n_trials": shape.n_trials,
        "n_languages": shape.n_languages,
        "predicted": predicted,
        "simulated": spread,
        "ratio": predicted / spread,
        "mc_error": predicted / spread**3 * squares.std() / (2.0 * np.sqrt(n_replicates)),
        "n_replicates": n_replicates,
    }
    return pd.DataFrame([row])
