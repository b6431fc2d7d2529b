"""Scores from few of the trials of each cell, against those from all of them: real items, no model.

Trials of one cell are exchangeable, so that a study with n of them is a draw without replacement
from the study with all. What a method makes of it can be compared with the scores from all trials,
whatever the truth is.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from hatstats.errors import DegenerateDataWarning
from hatstats.estimators.methods import Method, fit_profile
from hatstats.inference.random_numbers import RandomSource
from hatstats.scores.scores import HatScores
from hatstats.study import Study


def thinned_study(study: Study, n_trials: int, rng: np.random.Generator) -> Study:
    """The study with at most `n_trials` of the trials of each cell, drawn without replacement."""
    right = study.counts["n_correct"].to_numpy(dtype=np.int64)
    trials = study.counts["n_trials"].to_numpy(dtype=np.int64)
    kept = np.minimum(trials, n_trials)
    drawn = rng.hypergeometric(right, trials - right, kept)
    return replace(study, counts=study.counts.assign(n_correct=1.0 * drawn, n_trials=1.0 * kept))


def thinned_scores(
    study: Study,
    *,
    trials: Sequence[int] = (1, 2, 3, 5),
    methods: Sequence[Method] = ("panel", "latent", "joint"),
    n_draws: int = 10,
    rng: RandomSource = None,
) -> pd.DataFrame:
    """Scores under the reference `uniform` from drawn trials against `latent` scores from all.

    One row for each number of trials and method that is identified, means over draws: `correlation`
    over models, `rmse`, `bias`, the `slope` of the difference on source accuracy, the share of
    models whose score from all trials lies in the 95 % interval (`covered`), and the root mean
    square of the difference over the interval's standard error (`rms_z`).
    """
    whole = fit_profile(study, method="latent").hat("uniform")
    rows: list[dict[str, object]] = []
    for n_trials in trials:
        for draw, child in enumerate(np.random.default_rng(rng).spawn(n_draws)):
            drawn = thinned_study(study, n_trials, child)
            for method in methods:
                # One trial identifies no latent profile; joint is for that, and slow.
                if (n_trials < 2, method) in ((True, "latent"), (False, "joint")):
                    continue
                with warnings.catch_warnings(action="ignore", category=DegenerateDataWarning):
                    found = fit_profile(drawn, method=method).hat("uniform")
                row = {"n_trials": n_trials, "method": method, "draw": draw}
                rows.append({**row, **_agreement(found, whole)})
    table = pd.DataFrame(rows).drop(columns="draw")
    return table.groupby(["n_trials", "method"], sort=False, as_index=False).mean()


def _agreement(found: HatScores, whole: HatScores) -> dict[str, float]:
    """How near scores are to those from all trials, over the models that have both."""
    shared = [name for name in found.models if name in whole.models]
    one, other = (scores.tidy().set_index("model").loc[shared] for scores in (found, whole))
    truth = other["estimate"].to_numpy(dtype=float)
    source = dict(zip(whole.models, whole.source, strict=True))
    ability = np.array([source[name] for name in shared])
    difference = one["estimate"].to_numpy(dtype=float) - truth
    inside = (one["conf_low"] <= truth) & (truth <= one["conf_high"])
    return {
        "correlation": float(np.corrcoef(difference + truth, truth)[0, 1]),
        "rmse": float(np.sqrt((difference**2).mean())),
        "bias": float(difference.mean()),
        "slope": float(np.polyfit(ability, difference, 1)[0]),
        "covered": float(inside.mean()),
        "rms_z": float(np.sqrt(np.mean((difference / one["std_error"]) ** 2))),
    }
