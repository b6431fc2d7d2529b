"""Registered claims and their verdicts: supported, refuted, inconclusive or not testable.

A claim is a statement about one number theta with a threshold, written down before looking
(``[[claims]]`` in ``study.toml``). At level alpha it is *supported* if the lower limit of the
two-sided 1 - 2 alpha interval of theta is above the threshold (a one-sided test at alpha),
*refuted* if the upper limit is below it, and *inconclusive* otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any, Literal

import numpy as np
import pandas as pd

from hatstats.errors import DataError, FitError, NotIdentifiedError
from hatstats.hat.aggregate import AggregateProfile
from hatstats.hat.profile import TransferProfile
from hatstats.hat.scores import HatScores
from hatstats.inference.intervals import upper_p, wald_interval
from hatstats.study.claims import CLAIM_KINDS
from hatstats.trends.comparison import Vcov
from hatstats.trends.regression import fit_trend
from hatstats.trends.stacked import slope_difference
from hatstats.trends.trend import TrendFit

Decision = Literal["supported", "refuted", "inconclusive", "not testable"]

RULE = (
    "supported if the lower limit of the {level:.0%} interval is above the threshold, refuted if "
    "the upper limit is below it, otherwise inconclusive"
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
        Interval whose limits decide; its level is 1 - 2 alpha.
    threshold : float
        The margin with its sign, or the threshold.
    p_value : float
        One-sided, against theta <= threshold.
    verdict : str
    rule, reason, method : str
        Rule of decision; why a claim is not testable; how errors were computed.
    n_models, n_clusters : int
    p_floor : float
        Smallest two-sided p value an enumerated bootstrap over these clusters could give.
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
    p_value: float
    verdict: Decision
    rule: str
    reason: str
    method: str
    n_models: int
    n_clusters: int
    p_floor: float

    def row(self) -> dict[str, Any]:
        """The fields as a row of a table."""
        return asdict(self)

    def summary(self) -> str:
        """One sentence."""
        if self.verdict == "not testable":
            return f"{self.name}: not testable ({self.reason})"
        return (
            f"{self.name}: {self.verdict}; {self.quantity} {self.estimate:.3f} "
            f"[{self.conf_low:.3f}, {self.conf_high:.3f}], threshold {self.threshold:g}, "
            f"df {self.df:.1f}, p {self.p_value:.3f}"
        )


@dataclass(frozen=True, slots=True)
class _Quantity:
    """The number that a claim is about."""

    words: str
    estimate: float
    std_error: float
    df: float
    threshold: float
    reason: str = ""


Scores = HatScores | TransferProfile


def _non_inferiority(claim: Mapping[str, Any], trend: TrendFit, _scores: Scores) -> _Quantity:
    small, large, margin = (float(claim[key]) for key in ("small", "large", "margin"))
    if margin <= 0:
        raise DataError(
            f"claim {claim['name']!r}: a margin is the largest loss that would not matter",
            file="study.toml",
            column="margin",
            value=margin,
            mend="give it as a positive number of accuracy points, such as 0.05.",
        )
    estimate, gradient = trend.difference({"params_total": small}, {"params_total": large})
    return _quantity(
        f"HAT at {small:.3g} less HAT at {large:.3g} parameters", estimate, gradient, trend, -margin
    )


def _slope(claim: Mapping[str, Any], trend: TrendFit, _scores: Scores) -> _Quantity:
    term = str(claim["term"])
    estimate, gradient = trend.slope(term)
    return _quantity(
        f"slope of HAT on {term}", estimate, gradient, trend, float(claim["threshold"])
    )


def _slope_difference(claim: Mapping[str, Any], trend: TrendFit, scores: Scores) -> _Quantity:
    term = str(claim["term"])
    if isinstance(scores, TransferProfile) and not isinstance(scores, AggregateProfile):
        scores = scores.hat()
    assert isinstance(scores, HatScores | AggregateProfile)
    both = slope_difference(scores, trend, term)
    words = (
        f"slope on {term} of source accuracy ({both.source_slope:.3f}) less that of HAT "
        f"({both.transfer_slope:.3f})"
    )
    reason = both.robust.reasons(both.gradient)[0]
    return _Quantity(
        words, both.estimate, both.std_error, both.df, float(claim["threshold"]), reason
    )


def _quantity(
    words: str, estimate: float, gradient: np.ndarray, trend: TrendFit, threshold: float
) -> _Quantity:
    variance = float(gradient @ trend.cov @ gradient)
    df = float(trend.robust.df(gradient)[0])
    reason = trend.robust.reasons(gradient)[0]
    return _Quantity(words, estimate, float(np.sqrt(variance)), df, threshold, reason)


_KINDS: dict[str, Callable[[Mapping[str, Any], TrendFit, Scores], _Quantity]] = {
    "non_inferiority": _non_inferiority,
    "slope": _slope,
    "slope_difference": _slope_difference,
}
_DEFAULT_FORMULA = {"non_inferiority": "log10(params_total)"}


def _verdict(
    claim: Mapping[str, Any], scores: Scores, fitted: Callable[[str], TrendFit]
) -> Verdict:
    level = float(claim.get("level", 0.05))
    if not 0.0 < level < 0.5:
        raise DataError(
            f"claim {claim['name']!r}: the level of a one-sided test lies between 0 and 0.5",
            file="study.toml",
            column="level",
            value=level,
            mend="use 0.05.",
        )
    formula = str(claim.get("formula") or _DEFAULT_FORMULA.get(claim["kind"]) or claim["term"])
    conf_level = 1.0 - 2.0 * level
    nan = float("nan")
    blank = Verdict(
        name=str(claim["name"]),
        kind=str(claim["kind"]),
        statement=str(claim.get("statement", "")),
        quantity="",
        estimate=nan,
        std_error=nan,
        df=nan,
        conf_low=nan,
        conf_high=nan,
        conf_level=conf_level,
        threshold=nan,
        p_value=nan,
        verdict="not testable",
        rule=RULE.format(level=conf_level),
        reason="",
        method="",
        n_models=0,
        n_clusters=0,
        p_floor=nan,
    )
    try:
        trend = fitted(formula)
        found = _KINDS[str(claim["kind"])](claim, trend, scores)
    except (NotIdentifiedError, FitError) as error:
        # A registered claim is answered even when the study cannot test it.
        return replace(blank, reason=str(error))
    # Without degrees of freedom a sandwich is too small, not just unknown.
    known = np.isfinite(found.df) and found.std_error > 0.0
    std_error = found.std_error if known else nan
    limits = wald_interval(found.estimate, std_error, found.df, conf_level)
    low, high = float(limits[0]), float(limits[1])
    decision: Decision = "inconclusive"
    if not known:
        decision = "not testable"
    elif low > found.threshold:
        decision = "supported"
    elif high < found.threshold:
        decision = "refuted"
    statistic = (found.estimate - found.threshold) / std_error
    return replace(
        blank,
        quantity=found.words,
        estimate=found.estimate,
        std_error=std_error,
        df=found.df,
        conf_low=low,
        conf_high=high,
        threshold=found.threshold,
        p_value=float(upper_p(statistic, found.df)),
        verdict=decision,
        reason=found.reason or ("" if known else "the clusters show no variation to judge it by"),
        method=trend.method.replace("logit scale", "accuracy scale"),
        n_models=trend.nobs,
        n_clusters=trend.n_clusters,
        p_floor=trend.p_floor,
    )


def evaluate_claims(
    scores: Scores,
    claims: Sequence[Mapping[str, Any]],
    *,
    cluster: str = "family",
    vcov: Vcov = "CR2",
) -> tuple[Verdict, ...]:
    """Judge registered claims.

    Parameters
    ----------
    scores : HatScores or TransferProfile
        Given to `fit_trend` with each claim's formula.
    claims : sequence of mapping
        Tables with `name`, `kind` and what the kind needs: ``non_inferiority`` (`small`, `large`,
        `margin`: HAT at `small` parameters is not below HAT at `large` by more than the margin),
        ``slope`` (`term`, `threshold`: the slope of HAT on a term exceeds the threshold), or
        ``slope_difference`` (`term`, `threshold`: source accuracy rises faster than HAT by more
        than the threshold). Optional: `formula`, `level` (one-sided, 0.05), `statement`.
    cluster, vcov : str
        See `fit_trend`.

    Returns
    -------
    tuple of Verdict
        In the order given. A claim that the study cannot test is *not testable*, with the reason.

    Raises
    ------
    DataError
        For an unknown kind or term, a missing key, a margin that is not positive, or a level
        outside (0, 0.5).
    """
    for claim in claims:
        if claim.get("kind") not in _KINDS:
            raise DataError(
                "unknown kind of claim",
                file="study.toml",
                column="kind",
                value=claim.get("kind"),
                mend=f"use one of {', '.join(_KINDS)}.",
            )
        for key in CLAIM_KINDS[str(claim["kind"])].required:
            if key not in claim:
                raise DataError(
                    f"claim {claim.get('name', 'without a name')!r} lacks a key",
                    file="study.toml",
                    column=key,
                    mend=f"write {key} = ... in it: claims are registered in full.",
                )

    # Claims often share a formula; each is fitted once.
    @cache
    def fitted(formula: str) -> TrendFit:
        return fit_trend(scores, formula, cluster=cluster, vcov=vcov)

    return tuple(_verdict(claim, scores, fitted) for claim in claims)


def claims_frame(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """Verdicts as a table, one row each."""
    names = list(Verdict.__slots__)
    return pd.DataFrame([verdict.row() for verdict in verdicts], columns=names)
