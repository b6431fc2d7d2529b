"""How often verdicts on claims are false by the whole rule: agreement, scopes, abstaining."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from hatstats.inference.random_numbers import RandomSource
from hatstats.scores.scores import HatScores
from hatstats.trends.claims.verdicts import evaluate_claims
from hatstats.trends.standard_errors import LIKE_MODELS, THESE_MODELS

ClaimKind = Literal[
    "non_inferiority", "transfer_share", "gap_slope", "expected_slope", "slope over time"
]
#: Twenty models, and the sizes of families of `data/gsm_symbolic`.
TWENTY = (6, 5, 3, 3, 2, 1)
FLAGSHIP = (26, 6, 4, 4, 2, 2, 2)
_SIZE = "log10(params_total)"
_CLAIMS: dict[ClaimKind, dict[str, Any]] = {
    "non_inferiority": {"small": 1e9, "large": 1e11, "margin": 0.05},
    "transfer_share": {"threshold": 0.5},
    "gap_slope": {"threshold": -0.1},
    "expected_slope": {"expected": 0.05},
    "slope over time": {"kind": "slope", "term": "release_year", "threshold": 0.0},
}


@dataclass(frozen=True, slots=True)
class ClaimWorld:
    """Models in families, whose HAT and source ability change with size.

    HAT rises by `transfer` and what raw target accuracy has beyond it by `ability` per tenfold
    parameters; `gap` is the slope of the logit gap between source and target accuracy, by default
    as source accuracy rising with raw target accuracy has it; `slope_sd` lets the slope of HAT
    differ between families. Standard deviations are in accuracy, of effects of families and models
    and of sampling, which a tenth of models' errors have in common.
    """

    families: tuple[int, ...] = TWENTY
    transfer: float = 0.0
    ability: float = 0.05
    family_sd: float = 0.05
    model_sd: float = 0.03
    sampling_sd: float = 0.015
    slope_sd: float = 0.0
    gap: float | None = None


def draw_claim_scores(world: ClaimWorld, rng: np.random.Generator) -> HatScores:
    """Scores with source and raw target accuracies of one draw of a world."""
    code = np.repeat(np.arange(len(world.families)), world.families)
    count, groups = code.size, len(world.families)
    days = rng.uniform(0, 500, groups)[code] + rng.uniform(0, 250, count)
    size = 10.0 + 0.4 * rng.standard_normal(groups)[code] + 0.6 * rng.standard_normal(count)

    def effects() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        family = world.family_sd * rng.standard_normal(groups)[code]
        return np.asarray(family + world.model_sd * rng.standard_normal(count))

    slope = world.transfer + world.slope_sd * rng.standard_normal(groups)[code]
    hat = 0.5 + slope * (size - 10.0) + effects()
    target = hat + world.ability * (size - 10.0) + 0.5 * effects()
    inside = np.clip(target, 0.02, 0.98)
    if world.gap is None:
        source = np.clip(target + 0.2 + 0.3 * effects(), 0.02, 0.98)
    else:
        logit = np.log(inside / (1.0 - inside)) + 0.8 + world.gap * (size - 10.0)
        source = 1.0 / (1.0 + np.exp(-logit - 4.0 * effects()))
    V = world.sampling_sd**2 * (0.9 * np.eye(3 * count) + 0.1)
    error = np.linalg.cholesky(V) @ rng.standard_normal(3 * count)
    drawn = np.concatenate([hat, source, inside]) + error
    drawn[count:] = np.clip(drawn[count:], 0.005, 0.995)
    table = pd.DataFrame(
        {
            "model": [f"model-{number:02d}" for number in range(count)],
            "estimate": drawn[:count],
            "family": [f"family-{value}" for value in code],
            "release_date": np.datetime64("2024-01-01") + np.round(days).astype("timedelta64[D]"),
            "params_total": 10.0**size,
        }
    )
    scores = HatScores.from_frame(table, V[:count, :count])
    return replace(scores, source=drawn[count : 2 * count], target=drawn[2 * count :], joint_cov=V)


#: Worlds whose truth lies at the threshold of each claim.
_AT_THRESHOLD: dict[ClaimKind, ClaimWorld] = {
    "non_inferiority": ClaimWorld(transfer=0.025),
    "transfer_share": ClaimWorld(transfer=0.08, ability=0.08),
    "gap_slope": ClaimWorld(gap=-0.1),
    "expected_slope": ClaimWorld(transfer=0.05),
    "slope over time": ClaimWorld(),
}


def _one(
    claims: Sequence[dict[str, Any]], world: ClaimWorld, rng: np.random.Generator
) -> list[tuple[str, str, float, float]]:
    """Verdicts in both scopes, whether withheld, and degrees of freedom."""
    found = evaluate_claims(draw_claim_scores(world, rng), claims)[0]
    withheld = float("registered test alone" in found.reason)
    return [
        (LIKE_MODELS, found.verdict, withheld, found.df),
        (THESE_MODELS, found.other_verdict, 0.0, found.other_df),
    ]


def false_verdicts(
    kind: ClaimKind,
    families: tuple[int, ...] = TWENTY,
    *,
    world: ClaimWorld | None = None,
    n_replicates: int = 400,
    n_jobs: int = 1,
    rng: RandomSource = None,
) -> pd.DataFrame:
    """Share of data sets in which a claim is supported, refuted and withheld, in both scopes.

    By default in the world whose truth is at the threshold, so that both verdicts are false, each
    of which the rule allows in 5 %. In the scope of these models the truth is that of the drawn
    models, which lies at the threshold only where slopes have no scatter: family and model effects
    are left out there.
    """
    base = world or _AT_THRESHOLD[kind]
    claim = {"name": kind, "kind": kind, **_CLAIMS[kind]}
    rows: list[tuple[str, str, float, float]] = []
    calm = replace(base, family_sd=0.0, model_sd=0.0, slope_sd=0.0)
    children = np.random.default_rng(rng).spawn(2 * n_replicates)
    for scope, one, draws in (
        (LIKE_MODELS, base, children[:n_replicates]),
        (THESE_MODELS, calm, children[n_replicates:]),
    ):
        settled = replace(one, families=families)
        parts = Parallel(n_jobs=n_jobs)(delayed(_one)([claim], settled, each) for each in draws)
        rows += [row for part in parts for row in part if row[0] == scope]
    table = pd.DataFrame(rows, columns=["scope", "verdict", "withheld", "df"])
    found = table.groupby("scope", sort=False).agg(
        supported=("verdict", lambda each: (each == "supported").mean()),
        refuted=("verdict", lambda each: (each == "refuted").mean()),
        withheld=("withheld", "mean"),
        below_two_df=("df", lambda each: (each < 2.0).mean()),
        n_replicates=("verdict", "size"),
    )
    names = ", ".join(map(str, families))
    return found.reset_index().assign(kind=kind, families=names, slope_sd=base.slope_sd)
