"""Registered claims and their verdicts: supported, refuted, inconclusive or not testable.

A claim is a statement about one number theta and a threshold, registered before the data are seen
(``[[claims]]`` in ``study.toml``). At level alpha it is *supported* if the
one-sided test against the claim has p <= alpha, *refuted* if the test of the opposite has, and
*inconclusive* otherwise. That is the same as asking which limits of the two-sided 1 - 2 alpha
interval lie beyond the threshold. The p values of all claims of a study are adjusted by Holm's
method, separately for the two directions and for confirmatory and exploratory claims, so that the
probability of any false support is at most alpha, and that of any false refutation too.

**Two scopes.** A claim about a trend registers one of *these models* (items are sampled) and
*models like these* (families are sampled, `agreement`); the verdict in the other is found beside.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from scipy import special

from hatstats.errors import DataError, FitError, NotIdentifiedError
from hatstats.inference.intervals import holm, upper_p, wald_interval
from hatstats.inference.result_frame import p_text
from hatstats.scores.scores import HatScores
from hatstats.scores.transfer_profile import as_scores
from hatstats.scores.wordings import LIKE_THESE
from hatstats.study.claim_lock import Registration
from hatstats.study.claims import check_claims, claim_sentence, claimed_direction
from hatstats.trends.claims.agreement import agreement
from hatstats.trends.claims.estimands import (
    Measure,
    Number,
    Scores,
    check_scored,
    estimate_claim,
    gap_scores,
)
from hatstats.trends.claims.verdict import RULE, UNKNOWN, Decision, Verdict, Verdicts
from hatstats.trends.prediction import Link
from hatstats.trends.regression import check_clusters, fit_trend
from hatstats.trends.standard_errors import (
    LIKE_MODELS,
    THESE_MODELS,
    ModelScope,
    Vcov,
    known_errors,
    weakness,
)
from hatstats.trends.trend import TrendFit
from hatstats.trends.within_series import share_within


def untestable(claim: Mapping[str, Any], reason: str, status: str = "exploratory") -> Verdict:
    """Verdict on a claim that the study cannot test, with the reason."""
    alpha = float(claim.get("level", 0.05))
    level = 1.0 - 2.0 * alpha
    return Verdict(
        name=str(claim["name"]),
        kind=str(claim["kind"]),
        statement=claim_sentence(claim),
        conf_level=level,
        direction=claimed_direction(claim),
        scope=str(claim.get("scope", LIKE_MODELS)),
        status=status,
        rule=RULE.format(alpha=alpha, both=2.0 * alpha, level=level),
        reason=reason,
    )


def _of_number(claim: Mapping[str, Any], number: Number, scope: ModelScope, status: str) -> Verdict:
    """Verdict on one claim in a scope as if it were the only one."""
    trend = number.trend
    facts: dict[str, Any] = {
        "scope": scope,
        "quantity": number.quantity,
        "estimate": number.estimate,
        "threshold": number.threshold,
        "warning": number.warning,
        "method": trend.over(scope).accuracy_method,
        "n_models": trend.nobs,
        "n_clusters": trend.n_clusters,
    }
    errors, reason = number.errors(scope), ""
    if scope == LIKE_MODELS:
        check_clusters(trend.design, trend.cluster)
        shares = number.robust.shares(number.gradient)[0]
        reason = number.robust.reasons(number.gradient)[0]
        facts["p_floor"] = trend.p_floor
        if np.isfinite(shares).all():
            largest = int(np.argmax(shares))
            facts["decisive"] = str(number.robust.labels[largest])
            facts["decisive_share"] = float(shares[largest])
    error = float(known_errors(errors, number.gradient)[0])
    df = float(errors.df(number.gradient)[0])
    if number.split is not None and np.isnan(known_errors(errors, number.split.other_gradient)[0]):
        error = UNKNOWN
    verdict = replace(untestable(claim, reason, status), df=df, **facts)
    # Without degrees of freedom the standard error of a sandwich is too small.
    if reason or np.isnan(error):
        unit = "item" if scope == THESE_MODELS else trend.cluster
        return replace(verdict, reason=reason or weakness(error, df, unit))
    above = float(upper_p((number.value - number.null) / error, df))
    below = 1.0 - above
    limits = wald_interval(number.estimate, error, df, verdict.conf_level)
    if number.split is not None:
        rises = _rises(number, scope)
        above, below = max(above, rises), max(below, rises)
        limits, error = number.split.limits(verdict.conf_level, errors, df), UNKNOWN
        if rises > verdict.level:
            reason = "raw target accuracy does not surely rise, so that no share of a rise is known"
    claimed, opposite = (above, below) if verdict.direction == "greater" else (below, above)
    low, high = map(float, limits)
    verdict = replace(
        verdict, std_error=error, conf_low=low, conf_high=high, reason=reason,
        p_value=claimed, p_opposite=opposite,
    )  # fmt: skip
    return _alone(_with_series(verdict, number) if scope == LIKE_MODELS else verdict)


def _rises(number: Number, scope: ModelScope) -> float:
    """One-sided p value of the whole, whose share a claim is about, being above 0."""
    assert number.split is not None
    errors, gradient = number.errors(scope), number.split.other_gradient
    t = number.split.other_slope / errors.std_errors(gradient)[0]
    return float(upper_p(t, errors.df(gradient)[0]))


def _with_series(verdict: Verdict, number: Number) -> Verdict:
    """The verdict with what families, series of models and other methods say."""
    found = number.series()
    if found is not None:
        moved = found.mean + number.shift
        low, high = map(float, wald_interval(moved, found.std_error, found.df, verdict.conf_level))
        above = int((found.estimates + number.shift > number.null).sum())
        if number.split is not None:
            moved, low, high = share_within(number.trend, number.term, verdict.conf_level)
        verdict = replace(
            verdict, n_series=len(found.groups), n_series_above=above,
            within=moved, within_low=low, within_high=high,
        )  # fmt: skip
    if decide(verdict, verdict.p_value, verdict.p_opposite) == "inconclusive" and (
        verdict.kind != "non_inferiority"  # whose verdict is also asked for at other margins
    ):
        return verdict
    (low, low_by), (high, high_by) = agreement(number, found, verdict.conf_level)
    if number.split is not None:  # a share is tested by another number at its threshold
        low = np.inf if low >= 0.0 else -np.inf
        high = -np.inf if high <= 0.0 else np.inf
    return replace(
        verdict, agree_low=low, agree_high=high, agree_low_by=low_by, agree_high_by=high_by
    )


def _alone(verdict: Verdict) -> Verdict:
    """The verdict as if its claim were the only one."""
    if verdict.kind == "non_inferiority":
        p_equivalence, p_in_margin = equivalence(verdict, -verdict.threshold)
        verdict = replace(verdict, p_equivalence=p_equivalence, p_in_margin=p_in_margin)
    found = _settled(verdict, verdict.p_value, verdict.p_opposite)
    return replace(found, verdict_alone=found.verdict)


def _of_models(
    claim: Mapping[str, Any], scores: Scores, models: frozenset[str] | None, status: str
) -> Verdict:
    """Verdict on the difference of two models."""
    hat = scores if isinstance(scores, HatScores) else scores.hat()
    check_scored(claim, hat, models)
    model, other = str(claim["model"]), str(claim["other"])
    found = hat.contrast(model, other)
    wordings = f" and of {LIKE_THESE}" if hat.scope == LIKE_THESE else ""
    verdict = replace(
        untestable(claim, "" if found.std_error > 0 else "no item moves the difference", status),
        quantity=f"HAT of {model} minus HAT of {other}",
        scope=THESE_MODELS,
        estimate=found.estimate,
        df=found.df,
        threshold=float(claim["threshold"]),
        method=f"{hat.method}, sampling of items{wordings}, accuracy scale",
        n_models=2,
    )
    if verdict.reason:
        return verdict
    limits = wald_interval(found.estimate, found.std_error, found.df, verdict.conf_level)
    low, high = map(float, limits)
    above = float(upper_p((found.estimate - verdict.threshold) / found.std_error, found.df))
    claimed = above if verdict.direction == "greater" else 1.0 - above
    verdict = replace(verdict, std_error=found.std_error, conf_low=low, conf_high=high)
    return _alone(replace(verdict, p_value=claimed, p_opposite=1.0 - claimed))


def decide(verdict: Verdict, p_support: float, p_refute: float) -> Decision:
    """Decision by the one-sided p values of the claim and of its opposite, NaN if not tested."""
    if p_support <= verdict.level:
        return "supported"
    return "refuted" if p_refute <= verdict.level else "inconclusive"


def _settled(verdict: Verdict, p_support: float, p_refute: float) -> Verdict:
    """The verdict by these p values, withheld where methods disagree."""
    found = decide(verdict, p_support, p_refute)
    greater = (found == "supported") == (verdict.direction == "greater")
    withheld = ""
    if found != "inconclusive" and greater and verdict.threshold > verdict.agree_low:
        withheld = verdict.agree_low_by
    elif found != "inconclusive" and not greater and verdict.threshold < verdict.agree_high:
        withheld = verdict.agree_high_by
    if not withheld:
        reason = verdict.reason
        if found == "inconclusive" and verdict.verdict_alone in ("supported", "refuted"):
            p = p_text(p_support if verdict.verdict_alone == "supported" else p_refute)
            alone = verdict.verdict_alone
            reason = f"tested alone it would be {alone}; adjusted for the other claims p is {p}"
        return replace(verdict, verdict=found, reason=reason)
    reason = f"its own test alone would say {found}, but {withheld}"
    return replace(verdict, verdict="inconclusive", reason=reason)


def equivalence(verdict: Verdict, margin: float) -> tuple[float, float]:
    """P value of two one-sided tests of equivalence, and the probability of lying within a margin.

    `margin` is positive; the probability is that of the t distribution around the estimate.
    """
    low = (verdict.estimate + margin) / verdict.std_error
    high = (margin - verdict.estimate) / verdict.std_error
    p_value = max(float(upper_p(low, verdict.df)), float(upper_p(high, verdict.df)))
    return p_value, float(special.stdtr(verdict.df, high) - special.stdtr(verdict.df, -low))


_P = ("p_value", "p_opposite")


def adjusted(verdicts: Sequence[Verdict]) -> Verdicts:
    """Verdicts adjusted by Holm's method, separately by status and direction.

    A claim without a p value is no test, and does not make those of others larger.
    """
    found = list(verdicts)
    for status in ("confirmatory", "exploratory"):
        tested = {
            index: one
            for index, one in enumerate(verdicts)
            if one.status == status and not np.isnan(one.p_value)
        }
        p, q = (np.array([getattr(one, name) for one in tested.values()]) for name in _P)
        for (index, one), yes, no in zip(tested.items(), holm(p), holm(q), strict=True):
            both = replace(one, p_holm=float(yes), p_opposite_holm=float(no))
            found[index] = _settled(both, yes, no)
    return Verdicts(found)


def evaluate_claims(
    scores: Scores,
    claims: Sequence[Mapping[str, Any]],
    *,
    cluster: str = "family",
    vcov: Vcov = "CR2",
    link: Link = "identity",
    registration: Registration | None = None,
    models: Collection[str] | None = None,
    fits: Mapping[str, TrendFit] | None = None,
) -> Verdicts:
    """Verdicts on registered claims.

    Parameters
    ----------
    scores : HatScores or TransferProfile
        Passed to `fit_trend` with each claim's formula. From accuracies alone give the profile, as
        the report does: one regression, where scores would take two stages.
    claims : sequence of mapping
        Tables with `name`, `kind` and the keys of the kind: ``non_inferiority`` (`small`, `large`,
        `margin`: HAT at `small` parameters, or of the group labelled `small`, is not below HAT at
        `large` by more than the margin; `variable` for another covariate), ``slope`` (`term`,
        `threshold`: the slope of HAT on a term exceeds the threshold), ``expected_slope``
        (`expected`: that slope, by default per tenfold parameters, lies below what was expected),
        ``transfer_share`` (`threshold`: less than this share of the slope of raw target accuracy is
        transfer, the rest source ability; abstains where that slope is not above 0),
        ``gap_slope`` (`threshold`: the logit gap between source and target accuracy grows by more),
        ``slope_difference`` (`term`, `threshold`: source accuracy rises faster than HAT by more
        than the threshold, which is true almost by construction) or ``contrast`` (`model`, `other`,
        `threshold`: HAT of one model exceeds that of another by more than the threshold). Optional:
        `formula`, `level` (one-sided, 0.05), `direction`
        (``"less"`` or ``"greater"`` reverses a claim), `statement`, and for all but contrasts
        `scope` (``"these models"``, or by default ``"models like these"``, see `fit_trend`).
    cluster, vcov, link : str
        See `fit_trend`.
    registration : Registration, optional
        Which claims are confirmatory, from `hatstats.registration`; none if not given.
    models : collection of str, optional
        Models to use; all if not given.
    fits : mapping of str to TrendFit, optional
        Fitted trends of these scores by formula, with the same options.

    Returns
    -------
    Verdicts
        A tuple in the order given; *not testable*, with the reason, where the study cannot test a
        claim.

    Raises
    ------
    DataError
        For an unknown kind or key, a missing key, a margin that is not positive, a level outside
        (0, 0.5), or two claims of one name. A formula that cannot be read, or a term or model that
        is not there, makes its own claim not testable and stops no other.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([m / 10 for m in range(-9, 10)], rng=1)
    >>> scores = hs.fit_profile(study, method="observed").hat()
    >>> size = {"name": "size", "kind": "slope", "term": "log10(params_total)", "threshold": 0.0}
    >>> two = {"name": "two", "kind": "contrast", "model": "model-17", "other": "model-01"}
    >>> for verdict in hs.evaluate_claims(scores, [size, {**two, "threshold": 0.1}]):
    ...     print(verdict)
    size: inconclusive; change of HAT per tenfold size 0.007 [-0.008, 0.022] (90%
      interval), threshold 0, df 2.7, p = 0.172 (Holm 0.343). Within 5 series -0.005
      [-0.034, 0.024], 1 of them above the threshold. Claimed for models like these;
      these models: inconclusive [-0.003, 0.017], df 234.2
    two: refuted; HAT of model-17 minus HAT of model-01 0.052 [0.028, 0.077] (90%
      interval), threshold 0.1, df 141.3, p = 0.999 (Holm 0.999); of the opposite p
      < 0.001 (Holm 0.001)
    """
    scores = as_scores(scores, "evaluate_claims")
    checked = check_claims(claims)
    status: Mapping[str, str] = registration.status if registration is not None else {}

    @cache  # Claims often share a formula.
    def fitted(formula: str, measure: Measure) -> TrendFit:
        if fits is not None and formula in fits and measure == "transfer":
            return fits[formula]
        options: dict[str, Any] = {"cluster": cluster, "vcov": vcov, "scope": THESE_MODELS}
        if measure == "gap":
            return fit_trend(gap_scores(scores), formula, models=models, **options)
        return fit_trend(scores, formula, models=models, link=link, **options)

    used = None if models is None else frozenset(models)
    registered, beside = [], []
    for claim in checked:
        own = status.get(str(claim["name"]), "exploratory")
        scopes = [claim.get("scope", LIKE_MODELS)]
        scopes.append(THESE_MODELS if scopes[0] == LIKE_MODELS else LIKE_MODELS)
        # Every registered claim has a verdict, even where the study cannot test it.
        try:
            if claim["kind"] == "contrast":
                pair = [_of_models(claim, scores, used, own)] * 2
            else:
                number = estimate_claim(claim, fitted)
                pair = [_in_scope(claim, number, scope, own) for scope in scopes]
        except (DataError, NotIdentifiedError, FitError) as error:
            pair = [untestable(claim, error.reason, own)] * 2
        registered.append(pair[0])
        beside.append(pair[1])
    return Verdicts(
        one if one.scope == other.scope else _beside(one, other)
        for one, other in zip(adjusted(registered), adjusted(beside), strict=True)
    )


def _in_scope(claim: Mapping[str, Any], number: Number, scope: ModelScope, status: str) -> Verdict:
    """Verdict in a scope; not testable, with the reason, where it cannot be had in this one."""
    try:
        return _of_number(claim, number, scope, status)
    except NotIdentifiedError as error:
        return replace(untestable(claim, error.reason, status), scope=scope)


def _beside(one: Verdict, other: Verdict) -> Verdict:
    """A verdict with that in the other scope beside it."""
    return replace(
        one,
        other_verdict=other.verdict,
        other_reason=other.reason,
        other_low=other.conf_low,
        other_high=other.conf_high,
        other_df=other.df,
        other_p_holm=other.p_holm,
    )
