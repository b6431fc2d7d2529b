"""Registered claims and their verdicts: supported, refuted, inconclusive or not testable.

A claim is a statement about one number theta with a threshold, written down before looking
(``[[claims]]`` in ``study.toml`` or ``claims.toml``). At level alpha it is *supported* if a
one-sided test of theta on the wrong side of the threshold has p <= alpha, *refuted* if the mirror
test has, and *inconclusive* otherwise: that is, by which limits of the two-sided 1 - 2 alpha
interval lie beyond the threshold. The p values of all claims of a study are adjusted by Holm's
method, separately for the two directions and for confirmatory and exploratory claims, so that the
chance of any false support stays at alpha.

**Few degrees of freedom.** Below `LEAST_DF` the estimate rests on hardly more than one family, and
Student's t no longer describes it: the verdict is withheld (inconclusive, with the reason),
whatever the p value.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import stats

from hatstats.errors import FitError, NotIdentifiedError
from hatstats.inference.intervals import holm, upper_p, wald_interval
from hatstats.scores.transfer_profile import as_scores
from hatstats.study.claim_lock import Registration
from hatstats.study.claims import check_claims
from hatstats.trends.claims.estimands import Quantity, Scores, check_models, quantity
from hatstats.trends.regression import Link, fit_trend
from hatstats.trends.standard_errors import Vcov
from hatstats.trends.trend import TrendFit

Decision = Literal["supported", "refuted", "inconclusive", "not testable"]

#: An unknown number.
UNKNOWN = float("nan")
#: Fewest degrees of freedom at which a verdict is given.
LEAST_DF = 2.0

RULE = (
    "supported if the one-sided p against the other side of the threshold, adjusted by Holm for "
    "all claims, is at most {alpha:g}; refuted if the mirror test's is; otherwise inconclusive. "
    "For one claim alone: by where the {level:.0%} interval lies. No verdict with fewer than "
    f"{LEAST_DF:g} degrees of freedom"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the data say about one registered claim.

    Attributes
    ----------
    name, kind, statement : str
        As registered.
    quantity : str
        What `estimate` is, in words.
    estimate, std_error, df : float
        On the accuracy scale; NaN if not testable.
    conf_low, conf_high, conf_level : float
        Interval of the claim alone; its level is 1 - 2 alpha.
    threshold : float
        The margin with its sign, or the threshold.
    direction : {"greater", "less"}
        On which side of the threshold the claim puts the number.
    p_value : float
        One-sided, against the claim.
    p_holm : float
        The same, adjusted for all claims of its status.
    verdict : str
        By `p_holm` and its mirror.
    verdict_alone : str
        Had it been the only claim.
    status : {"confirmatory", "exploratory"}
        Whether it was locked before and is unchanged.
    rule, reason, method : str
        Rule of decision; why a claim has no verdict; how errors were computed.
    n_models, n_clusters : int
    p_floor : float
        Smallest two-sided p value an enumerated bootstrap over these clusters could give.
    decisive, decisive_share : str, float
        Family with the largest share in the variance of the estimate, and that share.
    p_equivalence, p_in_margin : float
        For a margin: p of two one-sided tests of a difference as large as the margin either way,
        and the chance of a difference within it if the t distribution around the estimate is taken
        for a posterior (flat prior). NaN for other claims.
    """

    name: str
    kind: str
    statement: str
    quantity: str
    estimate: float
    std_error: float
    df: float
    conf_low: float
    conf_high: float
    conf_level: float
    threshold: float
    direction: str
    p_value: float
    p_holm: float
    verdict: Decision
    verdict_alone: Decision
    status: str
    rule: str
    reason: str
    method: str
    n_models: int
    n_clusters: int
    p_floor: float
    decisive: str
    decisive_share: float
    p_equivalence: float
    p_in_margin: float

    def row(self) -> dict[str, Any]:
        """The fields as a row of a table."""
        return asdict(self)

    @property
    def level(self) -> float:
        """Level alpha of the one-sided test."""
        return 0.5 * (1.0 - self.conf_level)

    def summary(self) -> str:
        """One or two sentences."""
        if self.verdict == "not testable":
            return f"{self.name}: not testable ({self.reason})"
        text = (
            f"{self.name}: {self.verdict}; {self.quantity} {self.estimate:.3f} "
            f"[{self.conf_low:.3f}, {self.conf_high:.3f}], threshold {self.threshold:g}, "
            f"df {self.df:.1f}, p {self.p_value:.3f} (Holm {self.p_holm:.3f})"
        )
        return f"{text}. {self.reason[:1].upper()}{self.reason[1:]}" if self.reason else text


def untestable(claim: Mapping[str, Any], reason: str, status: str = "exploratory") -> Verdict:
    """A claim that the study cannot test, with the reason."""
    level = float(claim.get("level", 0.05))
    nan = UNKNOWN
    return Verdict(
        name=str(claim["name"]),
        kind=str(claim["kind"]),
        statement=str(claim.get("statement", "")),
        quantity="",
        estimate=nan,
        std_error=nan,
        df=nan,
        conf_low=nan,
        conf_high=nan,
        conf_level=1.0 - 2.0 * level,
        threshold=nan,
        direction=str(claim.get("direction", "greater")),
        p_value=nan,
        p_holm=nan,
        verdict="not testable",
        verdict_alone="not testable",
        status=status,
        rule=RULE.format(alpha=level, level=1.0 - 2.0 * level),
        reason=reason,
        method="",
        n_models=0,
        n_clusters=0,
        p_floor=nan,
        decisive="",
        decisive_share=nan,
        p_equivalence=nan,
        p_in_margin=nan,
    )


def _alone(claim: Mapping[str, Any], found: Quantity, status: str) -> Verdict:
    """Verdict of one claim, had it been the only one."""
    blank = untestable(claim, found.reason, status)
    # Without degrees of freedom a sandwich is too small, not just unknown.
    known = not found.reason and not np.isnan(found.df) and found.std_error > 0.0
    std_error = found.std_error if known else UNKNOWN
    limits = wald_interval(found.estimate, std_error, found.df, blank.conf_level)
    sign = 1.0 if blank.direction == "greater" else -1.0
    statistic = sign * (found.estimate - found.threshold) / std_error
    verdict = replace(
        blank,
        quantity=found.words,
        estimate=found.estimate,
        std_error=std_error,
        df=found.df,
        conf_low=float(limits[0]),
        conf_high=float(limits[1]),
        threshold=found.threshold,
        p_value=float(upper_p(statistic, found.df)),
        method=found.method,
        n_models=found.n_models,
        n_clusters=found.n_clusters,
        p_floor=found.p_floor,
        decisive=found.decisive,
        decisive_share=found.decisive_share,
    )
    if not known:
        reason = found.reason or "the clusters show no variation to judge it by"
        return replace(verdict, reason=reason)
    if claim["kind"] == "non_inferiority":
        p_equivalence, p_in_margin = equivalence(verdict, -found.threshold)
        verdict = replace(verdict, p_equivalence=p_equivalence, p_in_margin=p_in_margin)
    decision = decide(verdict, verdict.p_value, 1.0 - verdict.p_value)
    reason = ""
    if found.df < LEAST_DF:
        reason = (
            f"no verdict with {found.df:.1f} degrees of freedom: {found.decisive} carries "
            f"{found.decisive_share:.0%} of the variance, so that hardly more than one family is "
            "behind it"
        )
    return replace(verdict, verdict=decision, verdict_alone=decision, reason=reason)


def decide(verdict: Verdict, p_support: float, p_refute: float) -> Decision:
    """Decide by one-sided p values of the claim and of its mirror."""
    if verdict.df < LEAST_DF:
        return "inconclusive"
    if p_support <= verdict.level:
        return "supported"
    return "refuted" if p_refute <= verdict.level else "inconclusive"


def equivalence(verdict: Verdict, margin: float) -> tuple[float, float]:
    """P of two one-sided tests within a margin, and the chance of lying within it.

    Parameters
    ----------
    verdict : Verdict
    margin : float
        Positive.

    Returns
    -------
    p_value, chance : float
    """
    low = (verdict.estimate + margin) / verdict.std_error
    high = (margin - verdict.estimate) / verdict.std_error
    p_value = max(float(upper_p(low, verdict.df)), float(upper_p(high, verdict.df)))
    chance = float(stats.t.cdf(high, verdict.df) - stats.t.cdf(-low, verdict.df))
    return p_value, chance


def adjusted(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """Adjust verdicts for one another by Holm's method, in each status and direction by itself.

    A claim without enough degrees of freedom counts with a p value of 1: it was asked.
    """
    done = list(verdicts)
    for status in ("confirmatory", "exploratory"):
        at = [
            place
            for place, one in enumerate(done)
            if one.status == status and one.verdict != "not testable"
        ]
        few = [done[place].df < LEAST_DF for place in at]
        support = holm([1.0 if f else done[p].p_value for p, f in zip(at, few, strict=True)])
        refute = holm([1.0 if f else 1.0 - done[p].p_value for p, f in zip(at, few, strict=True)])
        for place, yes, no in zip(at, support, refute, strict=True):
            one = done[place]
            done[place] = replace(one, p_holm=float(yes), verdict=decide(one, yes, no))
    return tuple(done)


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
) -> tuple[Verdict, ...]:
    """Judge registered claims.

    Parameters
    ----------
    scores : HatScores or TransferProfile
        Given to `fit_trend` with each claim's formula.
    claims : sequence of mapping
        Tables with `name`, `kind` and what the kind needs: ``non_inferiority`` (`small`, `large`,
        `margin`: HAT at `small` parameters, or of the group labelled `small`, is not below HAT at
        `large` by more than the margin; `variable` for another covariate), ``slope`` (`term`,
        `threshold`: the slope of HAT on a term exceeds the threshold), ``slope_difference``
        (`term`, `threshold`: source accuracy rises faster than HAT by more than the threshold) or
        ``contrast`` (`model`, `other`, `threshold`: HAT of one model exceeds that of another by
        more than the threshold). Optional: `formula`, `level` (one-sided, 0.05), `direction`
        (``"less"`` turns a claim round), `statement`.
    cluster, vcov, link : str
        See `fit_trend`.
    registration : Registration, optional
        Which claims are confirmatory, see `hatstats.study.claim_lock`; none if not given.
    models : collection of str, optional
        Models to use; all if not given.
    fits : mapping of str to TrendFit, optional
        Trends of these scores that are fitted already, by formula, with the same choices.

    Returns
    -------
    tuple of Verdict
        In the order given. A claim that the study cannot test is *not testable*, with the reason.

    Raises
    ------
    DataError
        For an unknown kind, key, term or model, a missing key, a margin that is not positive, a
        level outside (0, 0.5), or two claims of one name.
    """
    scores = as_scores(scores, "evaluate_claims")
    checked = check_claims(claims)
    for claim in checked:
        check_models(claim, scores)
    status: Mapping[str, str] = registration.status if registration is not None else {}

    # Claims often share a formula; each is fitted once.
    @cache
    def fitted(formula: str) -> TrendFit:
        if fits is not None and formula in fits:
            return fits[formula]
        return fit_trend(scores, formula, cluster=cluster, vcov=vcov, link=link, models=models)

    used = None if models is None else frozenset(models)
    verdicts = []
    for claim in checked:
        own = status.get(str(claim["name"]), "exploratory")
        try:
            verdicts.append(_alone(claim, quantity(claim, scores, fitted, used), own))
        except (NotIdentifiedError, FitError) as error:
            # A registered claim is answered even when the study cannot test it.
            verdicts.append(untestable(claim, str(error), own))
    return adjusted(verdicts)


def claims_frame(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """Verdicts as a table, one row each."""
    names = list(Verdict.__slots__)
    return pd.DataFrame([verdict.row() for verdict in verdicts], columns=names)
