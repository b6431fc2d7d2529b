"""How often verdicts on claims are false by the whole rule: agreement, scopes, abstaining."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from hatstats.inference.random_numbers import RandomSource
from hatstats.scores.scores import HatScores
from hatstats.trends.claims.verdict import Verdict
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
AT_THRESHOLD: dict[ClaimKind, ClaimWorld] = {
    "non_inferiority": ClaimWorld(transfer=0.025),
    "transfer_share": ClaimWorld(transfer=0.08, ability=0.08),
    "gap_slope": ClaimWorld(gap=-0.1),
    "expected_slope": ClaimWorld(transfer=0.05),
    "slope over time": ClaimWorld(),
}


def _one(claim: dict[str, Any], world: ClaimWorld, rng: np.random.Generator) -> Verdict:
    """The verdict on a claim in one draw of a world."""
    return evaluate_claims(draw_claim_scores(world, rng), [claim])[0]


def false_verdicts(
    kind: ClaimKind,
    world: ClaimWorld | None = None,
    *,
    families: tuple[int, ...] = TWENTY,
    n_replicates: int = 400,
    n_jobs: int = 1,
    rng: RandomSource = None,
) -> pd.DataFrame:
    """Share of data sets in which a claim is supported, refuted and withheld, in both scopes.

    By default in the world whose truth is at the threshold, so that both verdicts are false, each
    of which the rule allows in 5 %. *These models* are judged in a fourth of the replicates,
    without effects of families and models: only there is the trend of the models that were drawn at
    the threshold. `registered` is how often the registered test alone would decide, `within` how
    often the mean within series would.
    """
    base = replace(world or AT_THRESHOLD[kind], families=families)
    calm = replace(base, family_sd=0.0, model_sd=0.0, slope_sd=0.0)
    claim = {"name": kind, "kind": kind, **_CLAIMS[kind]}
    children = np.random.default_rng(rng).spawn(n_replicates + n_replicates // 4)
    rows = []
    for scope, one, draws in (
        (LIKE_MODELS, base, children[:n_replicates]),
        (THESE_MODELS, calm, children[n_replicates:]),
    ):
        judged = {**claim, "scope": scope}
        found = Parallel(n_jobs=n_jobs)(delayed(_one)(judged, one, each) for each in draws)
        alone = [min(each.p_value, each.p_opposite) <= each.level for each in found]
        within = [
            each.within_low > each.threshold or each.within_high < each.threshold for each in found
        ]
        rows.append(
            {
                "kind": kind,
                "families": ", ".join(map(str, families)),
                "scope": scope,
                "slope_sd": one.slope_sd,
                "supported": np.mean([each.verdict == "supported" for each in found]),
                "refuted": np.mean([each.verdict == "refuted" for each in found]),
                "registered": np.mean(alone),
                "within": np.mean(within) if np.isfinite(found[0].within_low) else np.nan,
                "below_two_df": np.mean([each.df < 2.0 for each in found]),
                "n_replicates": len(found),
            }
        )
    return pd.DataFrame(rows)


#: Slopes of a world in which a claim of non-inferiority is plainly false.
_STEEP = ClaimWorld(transfer=0.1)


def verdict_rates(
    *, n_replicates: int = 400, n_jobs: int = 1, rng: RandomSource = None
) -> pd.DataFrame:
    """`false_verdicts` of every kind for twenty models and for the families of a real study.

    Then where slopes differ between families, and where a claim is plainly false: power.
    """
    generator = np.random.default_rng(rng)
    uneven = replace(AT_THRESHOLD["non_inferiority"], slope_sd=0.03)
    worlds: list[tuple[ClaimKind, ClaimWorld | None]] = [(kind, None) for kind in AT_THRESHOLD]
    worlds += [("non_inferiority", uneven), ("non_inferiority", _STEEP)]
    parts = [
        false_verdicts(
            kind,
            world,
            families=families,
            n_replicates=n_replicates,
            n_jobs=n_jobs,
            rng=generator.spawn(1)[0],
        ).assign(truth="plainly false" if world is _STEEP else "at the threshold")
        for kind, world in worlds
        for families in (TWENTY, FLAGSHIP)
    ]
    return pd.concat(parts, ignore_index=True)
