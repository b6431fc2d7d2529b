"""Every claim under every defensible choice of the analysis, one row each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from hatstats.errors import DataError, FitError, NotIdentifiedError
from hatstats.estimators.methods import fit_profile
from hatstats.scores.scores import HatScores
from hatstats.study import Study, as_study
from hatstats.study.claim_lock import Registration
from hatstats.trends.claims.estimands import Scores
from hatstats.trends.claims.multiverse import (
    Specification,
    all_specifications,
    default_specification,
)
from hatstats.trends.claims.verdicts import Verdict, claims_frame, evaluate_claims, untestable

Progress = Callable[[str, float], None]


def make_scores(study: Study, spec: Specification) -> Scores:
    """What trends are fitted to under a specification.

    Raises
    ------
    DataError, NotIdentifiedError
        Where the study does not allow it.
    """
    used = study if spec.flagged else study.without_flagged()
    kind, _, name = spec.without.partition(":")
    if kind == "language":
        used = used.select(languages=[one for one in used.languages if one != name])
    elif kind == "benchmark":
        used = used.select(benchmarks=[one for one in used.benchmark_names if one != name])
    if spec.chance == "none":
        benchmarks = used.benchmarks.assign(chance=0.0)
        used = Study(used.counts, used.models, benchmarks, used.items, used.info, used.claims)
    aggregate = {"slope": spec.slope, "correlation": spec.correlation}
    profile = fit_profile(used, method=spec.method, **aggregate)  # type: ignore[arg-type]
    if spec.stages == 1:
        return profile
    scores = profile.hat(spec.reference)
    if spec.chance == "corrected":
        return corrected_for_chance(scores, float(used.benchmarks["chance"].to_numpy()[0]))
    return scores


def corrected_for_chance(scores: HatScores, chance: float) -> HatScores:
    """Scores and source accuracies rescaled so that blind guessing is 0 and perfection 1.

    Parameters
    ----------
    scores : HatScores
        Of benchmarks with one chance level.
    chance : float

    Returns
    -------
    HatScores
        Cells keep their scale.
    """
    scale = 1.0 - chance
    return replace(
        scores,
        params=(scores.params - chance) / scale,
        source=(scores.source - chance) / scale,
        cov=scores.cov / scale**2,
        joint_cov=scores.joint_cov / scale**2,
        bounded=False,
    )


def with_size(claim: Mapping[str, Any], size: str) -> dict[str, Any]:
    """A claim about another number of parameters."""
    return {
        key: value.replace("params_total", f"params_{size}")
        if key in ("term", "formula", "variable") and isinstance(value, str)
        else value
        for key, value in _explicit(claim).items()
    }


def _explicit(claim: Mapping[str, Any]) -> dict[str, Any]:
    """A claim with the covariate that it means by default."""
    if claim["kind"] == "non_inferiority":
        return {"variable": "params_total", **claim}
    return dict(claim)


def verdicts_under(
    study: Study,
    claims: Sequence[Mapping[str, Any]],
    spec: Specification,
    scores: Scores,
    registration: Registration | None = None,
) -> tuple[Verdict, ...]:
    """Evaluate claims under one specification, given its scores."""
    kind, _, name = spec.without.partition(":")
    models = None
    if kind == "family":
        there = scores.models if isinstance(scores, HatScores) else scores.study.model_names
        family = dict(zip(study.models["model"], study.models["family"], strict=True))
        models = [one for one in there if family.get(one) != name]
    return evaluate_claims(
        scores,
        [with_size(claim, spec.size) for claim in claims],
        vcov=spec.vcov,
        link=spec.link,
        registration=registration,
        models=models,
    )


def specification_table(
    study: Study,
    claims: Sequence[Mapping[str, Any]] | None = None,
    *,
    specifications: Mapping[str, Specification] | None = None,
    cross: bool = True,
    registration: Registration | None = None,
    known: Mapping[str, tuple[Verdict, ...]] | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Every claim under every defensible choice, one row each.

    Parameters
    ----------
    study : Study
        With its flagged cells.
    claims : sequence of mapping, optional
        Those of the study if not given.
    specifications : mapping of str to Specification, optional
        What to evaluate, by name, the default first. If not given: the default analysis, each
        choice changed by itself, each family, benchmark and language dropped, and, with `cross`,
        all combinations of the choices that bear on scores, size and scale.
    cross : bool
    registration : Registration, optional
        See `evaluate_claims`.
    known : mapping of str to tuple of Verdict, optional
        Verdicts that are known already, by name of the specification.
    progress : callable, optional
        Called as ``progress(what, share)``.

    Returns
    -------
    DataFrame
        `choice, claim`, the specification's fields, then the numbers of the verdict. The verdict
        is that of the claim alone and adjusted by Holm as in `evaluate_claims`
        (`verdict_alone, verdict`); the first rows are the default analysis.
    """
    study = as_study(study, "specification_table")
    asked = study.claims if claims is None else claims
    if specifications is None:
        specifications = all_specifications(study, default_specification(study), cross=cross)
    status = {} if registration is None else registration.status
    made: dict[Specification, Scores | NoScores] = {}
    tables = []
    for done, (name, spec) in enumerate(specifications.items()):
        if progress is not None:
            progress(name, done / len(specifications))
        key = spec.data()
        settled = (known or {}).get(name)
        if settled is None and key not in made:
            made[key] = _scores_or_reason(study, key)
        scores = made.get(key, NoScores(""))
        if settled is not None:
            verdicts = settled
        elif isinstance(scores, NoScores):
            verdicts = tuple(_untestable(claim, scores.text, status) for claim in asked)
        else:
            try:
                verdicts = verdicts_under(study, asked, spec, scores, registration)
            except DataError as error:
                # Logits of a score of 1, for instance: the choice does not apply to this study.
                if name == next(iter(specifications)):
                    raise
                verdicts = tuple(_untestable(claim, str(error), status) for claim in asked)
        table = claims_frame(verdicts).rename(columns={"name": "claim"})
        facts = {field.name: getattr(spec, field.name) for field in fields(Specification)}
        facts["slope"] = np.nan if spec.slope is None else spec.slope
        # The method of the verdict is how its standard error was made.
        facts["estimator"] = facts.pop("method")
        tables.append(table.assign(choice=name, **facts))
    if not tables or not len(asked):
        return pd.DataFrame(columns=list(COLUMNS))
    return pd.concat(tables, ignore_index=True)[list(COLUMNS)]


def _untestable(claim: Mapping[str, Any], reason: str, status: Mapping[str, str]) -> Verdict:
    return untestable(claim, reason, status.get(str(claim["name"]), "exploratory"))


#: Columns of a specification table.
COLUMNS = (
    "choice", "claim", "estimator", "stages", "slope", "correlation", "reference", "link",
    "chance", "size", "vcov", "flagged", "without", "estimate", "std_error", "df", "p_value",
    "p_holm", "conf_low", "conf_high", "conf_level", "threshold", "verdict", "verdict_alone",
    "method", "n_models", "n_clusters", "p_floor", "decisive", "decisive_share", "reason",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NoScores:
    """Why a choice gives no scores."""

    text: str


def _scores_or_reason(study: Study, spec: Specification) -> Scores | NoScores:
    try:
        return make_scores(study, spec)
    except (NotIdentifiedError, FitError) as error:
        return NoScores(str(error))


def verdict_shares(table: pd.DataFrame) -> pd.DataFrame:
    """Share of specifications by verdict, for each claim.

    Parameters
    ----------
    table : DataFrame
        From `specification_table`.

    Returns
    -------
    DataFrame
        `claim, verdict, count, share, specifications`, with the verdict of each claim alone:
        shares count choices, which are not independent, and are no probability.
    """
    counts = (
        table.groupby(["claim", "verdict_alone"], sort=False).size().rename("count").reset_index()
    )
    total = counts.groupby("claim")["count"].transform("sum")
    return counts.rename(columns={"verdict_alone": "verdict"}).assign(
        share=counts["count"] / total, specifications=total
    )
