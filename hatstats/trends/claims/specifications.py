"""Every claim under every defensible choice of the analysis, one row each."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd

from hatstats.errors import DataError, DegenerateDataWarning, FitError, NotIdentifiedError
from hatstats.estimators.aggregate.profile import AggregateProfile
from hatstats.estimators.methods import fit_profile
from hatstats.inference.result_frame import ResultFrame
from hatstats.scores.scores import HatScores
from hatstats.scores.transfer_profile import TransferProfile
from hatstats.study import Study, as_study
from hatstats.study.claim_lock import Registration
from hatstats.trends.claims.estimands import Scores
from hatstats.trends.claims.multiverse import WEAK, Specification, list_specifications
from hatstats.trends.claims.verdict import Verdict, Verdicts
from hatstats.trends.claims.verdicts import evaluate_claims, untestable

Progress = Callable[[str, float], None]

#: Columns of a specification table.
COLUMNS = (
    "choice", "claim", "estimator", "stages", "slope", "correlation", "borrow", "reference",
    "scope", "link", "chance", "size", "vcov", "flagged", "without", "estimate", "std_error", "df",
    "p_value", "p_holm", "p_opposite_holm", "conf_low", "conf_high", "conf_level", "threshold",
    "verdict",
    "verdict_alone", "method", "n_models", "n_clusters", "p_floor", "decisive", "decisive_share",
    "reason",
)  # fmt: skip


def _fit(used: Study, spec: Specification) -> TransferProfile:
    """The transfer profile under a specification; whether of flagged cells too is settled."""
    from hatstats.estimators.latent.fit import LatentOptions

    kind, _, name = spec.without.partition(":")
    if kind == "language":
        used = used.select(exclude=name)
    elif kind == "benchmark":
        used = used.select(benchmarks=[one for one in used.benchmark_names if one != name])
    if spec.chance == "none":
        benchmarks = used.benchmarks.assign(chance=0.0)
        used = Study(used.counts, used.models, benchmarks, used.items, used.info, used.claims)
    return fit_profile(
        used,
        method=spec.method,
        slope=spec.slope,
        correlation=spec.correlation,
        options=None if spec.borrow else LatentOptions(borrow=False),
    )


def _scores(profile: TransferProfile, spec: Specification) -> Scores:
    """What trends are fitted to under a specification, given its profile."""
    if spec.stages == 1:
        return profile
    scores = profile.hat(spec.reference, scope=spec.scope)
    if spec.chance == "corrected":
        chance = float(profile.study.benchmarks["chance"].to_numpy()[0])
        return corrected_for_chance(scores, chance)
    return scores


def _once[T](
    made: dict[Specification, tuple[T | str, str]], key: Specification, make: Callable[[], T]
) -> tuple[T | str, str]:
    """What `make` returns, or why it cannot; and what was warned. Made once for each key."""
    if key not in made:
        value: T | str
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DegenerateDataWarning)
            try:
                value = make()
            except (NotIdentifiedError, FitError) as error:
                value = error.reason
        made[key] = value, "; ".join(dict.fromkeys(str(each.message) for each in caught))
    return made[key]


def corrected_for_chance(scores: HatScores, chance: float) -> HatScores:
    """Scores and source accuracies of one chance level rescaled: guessing is 0, perfection 1.

    Cells keep their scale.
    """
    scale = 1.0 - chance
    return replace(
        scores,
        estimates=(scores.estimates - chance) / scale,
        source=(scores.source - chance) / scale,
        target=None if scores.target is None else (scores.target - chance) / scale,
        covariance=scores.covariance / scale**2,
        joint_cov=scores.joint_cov / scale**2,
        **{name: _divided(getattr(scores, name), scale) for name in _MOVES},
        bounded=False,
    )


_MOVES = ("influence", "wordings", "beside_influence", "beside_wordings")


def _divided(moves: Any, scale: float) -> Any:
    """An array, or each of several, over a number; None as it is."""
    if isinstance(moves, tuple):
        return tuple(each / scale for each in moves)
    return None if moves is None else moves / scale


def with_size(claim: Mapping[str, Any], size: str) -> dict[str, Any]:
    """The claim about another number of parameters, "total" or "active"."""
    default = {"variable": "params_total"} if claim["kind"] == "non_inferiority" else {}
    return {
        key: value.replace("params_total", f"params_{size}")
        if key in ("term", "formula", "variable") and isinstance(value, str)
        else value
        for key, value in {**default, **claim}.items()
    }


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
    if kind in ("family", WEAK):
        scored = scores.models if isinstance(scores, HatScores) else scores.study.model_names
        if kind == "family":
            family = dict(zip(study.models["model"], study.models["family"], strict=True))
            dropped = {model for model in scored if family.get(model) == name}
        else:
            assert isinstance(scores, HatScores | AggregateProfile)
            dropped = set(scores.weakly_identified)
        models = [model for model in scored if model not in dropped]
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
    registration: Registration | None = None,
    evaluated: Mapping[str, tuple[Verdict, ...]] | None = None,
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
        The choices to evaluate, by name, the default first; all of `list_specifications` if not
        given.
    registration : Registration, optional
        See `evaluate_claims`.
    evaluated : mapping of str to tuple of Verdict, optional
        Verdicts that are already available, by name of the choice.
    progress : callable, optional
        Called as ``progress(choice, share)``.

    Returns
    -------
    DataFrame
        `choice, claim`, the specification's fields, then the numbers of the verdict: that of the
        claim alone (`verdict_alone`) and adjusted by Holm (`verdict`), as in `evaluate_claims`.
        `reason` says why there is none, or what the fit under that choice warned of.
        The first rows are the default analysis. Nothing is random.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study(rng=1)
    >>> claim = {"name": "two", "kind": "contrast", "model": "model-06", "other": "model-01"}
    >>> base = {"as reported": hs.Specification("observed", stages=2)}
    >>> table = hs.specification_table(study, [{**claim, "threshold": 0.1}], specifications=base)
    >>> table[["choice", "claim", "estimate", "verdict"]].round(2)
            choice claim  estimate       verdict
    0  as reported   two      0.07  inconclusive
    """
    study = as_study(study, "specification_table")
    asked = study.claims if claims is None else claims
    if specifications is None:
        specifications = list_specifications(study)
    status = {} if registration is None else registration.status
    # By the choices that bear on them: values, or why there is none, and what was warned.
    profiles: dict[Specification, tuple[TransferProfile | str, str]] = {}
    made: dict[Specification, tuple[Scores | str, str]] = {}
    unflagged = cache(study.without_flagged)
    tables: list[pd.DataFrame] = []
    for done, (name, spec) in enumerate(specifications.items()):
        if progress is not None:
            progress(name, done / len(specifications))
        verdicts = (evaluated or {}).get(name)
        warned = reason = ""
        if verdicts is None:
            key = spec.for_profile()
            used = study if spec.flagged else unflagged()
            found, warned = _once(profiles, key, partial(_fit, used, key))
            scores: Scores | str = found if isinstance(found, str) else ""
            if not isinstance(found, str):
                key = spec.for_scores()
                scores, more = _once(made, key, partial(_scores, found, key))
                warned = "; ".join(filter(None, (warned, more)))
            if isinstance(scores, str):
                reason = scores
            else:
                try:
                    verdicts = verdicts_under(study, asked, spec, scores, registration)
                except DataError as error:
                    # Logits of a score of 1, for instance: the choice does not fit this study.
                    if not tables:
                        raise
                    reason = str(error)
            if verdicts is None:
                verdicts = tuple(
                    untestable(claim, reason, status.get(str(claim["name"]), "exploratory"))
                    for claim in asked
                )
        facts = asdict(spec) | {"slope": np.nan if spec.slope is None else spec.slope}
        facts["borrow"] = spec.borrow if spec.method == "latent" else None
        # The method of the verdict is how its standard error was computed.
        facts["estimator"] = facts.pop("method")
        table = Verdicts(verdicts).tidy().rename(columns={"name": "claim"})
        table["reason"] = table["reason"].where(table["reason"] != "", warned)
        tables.append(table.assign(choice=name, **facts))
    if not tables or not len(asked):
        return ResultFrame(columns=list(COLUMNS))
    return pd.concat(tables, ignore_index=True)[list(COLUMNS)]


def verdict_shares(table: pd.DataFrame) -> pd.DataFrame:
    """Share of choices by verdict, for each claim.

    Parameters
    ----------
    table : DataFrame
        From `specification_table`.

    Returns
    -------
    DataFrame
        `claim, verdict, count, share, specifications`, claims in their order, with the verdicts
        of `table`. Choices are not independent, so shares are no probabilities.

    Examples
    --------
    >>> import hatstats as hs
    >>> import pandas as pd
    >>> verdicts = ["supported", "supported", "refuted"]
    >>> table = pd.DataFrame({"claim": ["size"] * 3, "verdict": verdicts})
    >>> hs.verdict_shares(table).round(2)
      claim    verdict  count  share  specifications
    0  size  supported      2   0.67               3
    1  size    refuted      1   0.33               3
    """
    counts = table.groupby(["claim", "verdict"], sort=False).size().reset_index(name="count")
    place = {claim: number for number, claim in enumerate(dict.fromkeys(table["claim"]))}
    counts["place"] = counts["claim"].map(place)
    counts = counts.sort_values(["place", "count"], ascending=[True, False], kind="stable")
    counts = counts.drop(columns="place").reset_index(drop=True)
    total = counts.groupby("claim")["count"].transform("sum")
    return ResultFrame(counts).assign(share=counts["count"] / total, specifications=total)
