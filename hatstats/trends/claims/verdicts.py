"""Registered claims and their verdicts: supported, refuted, inconclusive or not testable.

A claim is a statement about one number theta and a threshold, registered before the data are seen
(``[[claims]]`` in ``study.toml``). At level alpha it is *supported* if the
one-sided test against the claim has p <= alpha, *refuted* if the test of the opposite has, and
*inconclusive* otherwise. That is the same as asking which limits of the two-sided 1 - 2 alpha
interval lie beyond the threshold. The p values of all claims of a study are adjusted by Holm's
method, separately for the two directions and for confirmatory and exploratory claims, so that the
probability of any false support is at most alpha, and that of any false refutation too.

**Few degrees of freedom.** Below `LEAST_DF` the estimate depends on hardly more than one family,
and Student's t is no longer valid: the verdict is inconclusive, with the reason in place of an
interval and a p value, and the claim is no test among those that Holm's method adjusts for.
"""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from html import escape
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import special

from hatstats.errors import FitError, NotIdentifiedError
from hatstats.inference.intervals import holm, percent, upper_p, wald_interval
from hatstats.inference.result_frame import ResultFrame, html_table, p_text, p_words
from hatstats.scores.transfer_profile import as_scores
from hatstats.study.claim_lock import Registration
from hatstats.study.claims import check_claims
from hatstats.trends.claims.estimands import Facts, Scores, estimate_claim
from hatstats.trends.prediction import Link
from hatstats.trends.regression import fit_trend
from hatstats.trends.standard_errors import LEAST_DF, ModelScope, Vcov, stages_note
from hatstats.trends.trend import TrendFit

_NO_CLAIMS = (
    "No claims. A study registers them as [[claims]] in its study.toml; in Python they\n"
    "are a list of dicts: help(hatstats.evaluate_claims)."
)
Decision = Literal["supported", "refuted", "inconclusive", "not testable"]

#: An unknown number.
UNKNOWN = float("nan")

RULE = (
    "supported if the one-sided p against the other side of the threshold, adjusted by Holm for "
    "all claims that could be tested, is at most {alpha:g}; refuted if the opposite test's is; "
    "otherwise inconclusive. Each direction errs with a probability of at most {alpha:g}, both "
    "together, where the truth is at the threshold, of {both:g}. For one claim alone: by where the "
    f"{{level:.0%}} interval lies. No test with fewer than {LEAST_DF:g} degrees of freedom"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Verdict on one registered claim.

    Attributes
    ----------
    name, kind, statement : str
        As registered.
    quantity : str
        The estimand in words.
    estimate, std_error, df : float
        On the accuracy scale; NaN if not testable.
    conf_low, conf_high, conf_level : float
        Interval of the claim alone; its level is 1 - 2 alpha. NaN, as are p values, with fewer
        than two degrees of freedom, of which `reason` then speaks.
    threshold : float
        The margin with its sign, or the threshold.
    direction : {"greater", "less"}
        Side of the threshold on which the number lies if the claim is true.
    p_value : float
        One-sided, against the claim.
    p_holm : float
        The same, adjusted by Holm for all claims of its status that could be tested.
    verdict : str
        By `p_holm` and the adjusted p value of the opposite claim.
    verdict_alone : str
        As if it were the only claim.
    status : {"confirmatory", "exploratory"}
        Confirmatory if the claim was locked and is unchanged.
    rule, reason, method : str
        Decision rule; why a claim has no verdict; method of the standard error.
    n_models, n_clusters : int
    p_floor : float
        Smallest two-sided p value of an enumerated bootstrap over these clusters.
    decisive, decisive_share : str, float
        Family with the largest share of the variance of the estimate, and that share.
    p_equivalence, p_in_margin : float
        For a margin: p of two one-sided tests of equivalence within the margin, and the
        probability of a difference within it under the t distribution around the estimate (a
        posterior with a flat prior). NaN for other claims.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([0.0, 1.0], transfer=[0.0, 0.5], rng=1)
    >>> claim = {"name": "better", "kind": "contrast", "model": "model-02", "other": "model-01"}
    >>> scores = hs.fit_profile(study, method="observed").hat()
    >>> (verdict,) = hs.evaluate_claims(scores, [{**claim, "threshold": 0.0}])
    >>> verdict
    better: supported; HAT of model-02 less HAT of model-01 0.128 [0.106, 0.150],
      threshold 0, df 213.3, p < 0.001 (Holm <0.001)
    >>> round(verdict.level, 2)
    0.05
    """

    name: str
    kind: str
    statement: str = ""
    quantity: str = ""
    estimate: float = UNKNOWN
    std_error: float = UNKNOWN
    df: float = UNKNOWN
    conf_low: float = UNKNOWN
    conf_high: float = UNKNOWN
    conf_level: float
    threshold: float = UNKNOWN
    direction: str = "greater"
    p_value: float = UNKNOWN
    p_holm: float = UNKNOWN
    verdict: Decision = "not testable"
    verdict_alone: Decision = "not testable"
    status: str = "exploratory"
    rule: str
    reason: str = ""
    method: str = ""
    n_models: int = 0
    n_clusters: int = 0
    p_floor: float = UNKNOWN
    decisive: str = ""
    decisive_share: float = UNKNOWN
    p_equivalence: float = UNKNOWN
    p_in_margin: float = UNKNOWN

    @property
    def level(self) -> float:
        """Level alpha of the one-sided test."""
        return 0.5 * (1.0 - self.conf_level)

    def tidy(self) -> pd.DataFrame:
        """The fields as one row."""
        return ResultFrame([asdict(self)])

    def summary(self) -> str:
        """One or two sentences."""
        if self.verdict == "not testable":
            return f"{self.name}: not testable ({self.reason})"
        text = f"{self.name}: {self.verdict}; {self.quantity} {self.estimate:.3f}"
        if not np.isnan(self.p_value):
            text += (
                f" [{self.conf_low:.3f}, {self.conf_high:.3f}], threshold {self.threshold:g}, "
                f"df {self.df:.1f}, {p_words(self.p_value)} (Holm {p_text(self.p_holm)})"
            )
        return f"{text}. {self.reason[:1].upper()}{self.reason[1:]}" if self.reason else text

    def __repr__(self) -> str:
        return textwrap.fill(self.summary(), 80, subsequent_indent="  ", break_on_hyphens=False)

    def _repr_html_(self) -> str:
        name, _, rest = self.summary().partition(":")
        return f"<p><b>{escape(name)}</b>:{escape(rest)}</p>"


class Verdicts(tuple[Verdict, ...]):
    """Verdicts on the claims of a study, in their order: a tuple that prints as a table.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([0.0, 1.0], transfer=[0.0, 0.5], rng=1)
    >>> claim = {"name": "better", "kind": "contrast", "model": "model-02", "other": "model-01"}
    >>> scores = hs.fit_profile(study, method="observed").hat()
    >>> verdicts = hs.evaluate_claims(scores, [{**claim, "threshold": 0.0}])
    >>> verdicts
    claim   verdict    estimate  90% interval     df     Holm p
    better  supported     0.128  [0.106, 0.150]   213.3  <0.001
    >>> verdicts.tidy()[["name", "estimate", "verdict"]].round(2)
         name  estimate    verdict
    0  better      0.13  supported
    """

    __slots__ = ()

    def tidy(self) -> pd.DataFrame:
        """One row per claim with the fields of `Verdict`."""
        return ResultFrame([asdict(one) for one in self], columns=list(Verdict.__slots__))

    def summary(self) -> str:
        """Verdicts as a table of at most 80 columns, and why a claim has none."""
        width = min(max([len(one.name) for one in self] + [5]), 24)
        level = {percent(one.conf_level) for one in self}
        interval = f"{level.pop()} interval" if len(level) == 1 else "interval"
        lines = [f"{'claim':<{width}}  verdict       estimate  {interval:<16}     df  Holm p"]
        for one in self:
            known = not np.isnan(one.conf_low)
            limits = f"[{one.conf_low:.3f}, {one.conf_high:.3f}]" if known else "–"
            name = one.name if len(one.name) <= width else f"{one.name[: width - 1]}…"
            lines.append(
                f"{name:<{width}}  {one.verdict:<12}  {one.estimate:>8.3f}  {limits:<16}  "
                f"{one.df:>5.1f}  {p_text(one.p_holm)}"
            )
        for reason in self._reasons():
            lines += textwrap.wrap(reason, 80, initial_indent="  ", subsequent_indent="  ")
        return "\n".join(lines) if self else _NO_CLAIMS

    def _reasons(self) -> list[str]:
        reasons = [f"{one.name}: {one.reason}." for one in self if one.reason]
        return [*reasons, *stages_note(one.method for one in self)]

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        if not self:
            return f"<p>{escape(_NO_CLAIMS)}</p>"
        shown = ["name", "verdict", "estimate", "conf_low", "conf_high", "conf_level", "threshold"]
        return html_table(self.tidy()[[*shown, "df", "p_value", "p_holm"]], self._reasons())


def untestable(claim: Mapping[str, Any], reason: str, status: str = "exploratory") -> Verdict:
    """Verdict on a claim that the study cannot test, with the reason."""
    alpha = float(claim.get("level", 0.05))
    level = 1.0 - 2.0 * alpha
    return Verdict(
        name=str(claim["name"]),
        kind=str(claim["kind"]),
        statement=str(claim.get("statement", "")),
        conf_level=level,
        direction=str(claim.get("direction", "greater")),
        status=status,
        rule=RULE.format(alpha=alpha, both=2.0 * alpha, level=level),
        reason=reason,
    )


def _unadjusted(claim: Mapping[str, Any], found: Facts, status: str) -> Verdict:
    """Verdict on one claim as if it were the only one."""
    verdict = replace(untestable(claim, "", status), **found)
    # Without degrees of freedom the standard error of a sandwich is too small.
    if verdict.reason or np.isnan(verdict.df) or not verdict.std_error > 0.0:
        reason = verdict.reason or "the clusters show no variation to judge it by"
        return replace(verdict, std_error=UNKNOWN, reason=reason)
    if verdict.df < LEAST_DF:
        reason = (
            f"no verdict with {verdict.df:.1f} degrees of freedom: {verdict.decisive} has "
            f"{verdict.decisive_share:.0%} of the variance, so that hardly more than one family "
            "decides"
        )
        undecided: Decision = "inconclusive"
        return replace(verdict, reason=reason, verdict=undecided, verdict_alone=undecided)
    sign = 1.0 if verdict.direction == "greater" else -1.0
    t = sign * (verdict.estimate - verdict.threshold) / verdict.std_error
    p_value = float(upper_p(t, verdict.df))
    given = verdict.estimate, verdict.std_error, verdict.df, verdict.conf_level
    low, high = map(float, wald_interval(*given))
    verdict = replace(verdict, conf_low=low, conf_high=high, p_value=p_value)
    if verdict.kind == "non_inferiority":
        p_equivalence, p_in_margin = equivalence(verdict, -verdict.threshold)
        verdict = replace(verdict, p_equivalence=p_equivalence, p_in_margin=p_in_margin)
    decision = decide(verdict, p_value, 1.0 - p_value)
    return replace(verdict, verdict=decision, verdict_alone=decision)


def decide(verdict: Verdict, p_support: float, p_refute: float) -> Decision:
    """Decision by the one-sided p values of the claim and of its opposite, NaN if not tested."""
    if p_support <= verdict.level:
        return "supported"
    return "refuted" if p_refute <= verdict.level else "inconclusive"


def equivalence(verdict: Verdict, margin: float) -> tuple[float, float]:
    """P value of two one-sided tests of equivalence, and the probability of lying within a margin.

    `margin` is positive; the probability is that of the t distribution around the estimate.
    """
    low = (verdict.estimate + margin) / verdict.std_error
    high = (margin - verdict.estimate) / verdict.std_error
    p_value = max(float(upper_p(low, verdict.df)), float(upper_p(high, verdict.df)))
    return p_value, float(special.stdtr(verdict.df, high) - special.stdtr(verdict.df, -low))


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
        p = np.array([one.p_value for one in tested.values()])
        for (index, one), yes, no in zip(tested.items(), holm(p), holm(1.0 - p), strict=True):
            found[index] = replace(one, p_holm=float(yes), verdict=decide(one, yes, no))
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
        `threshold`: the slope of HAT on a term exceeds the threshold), ``slope_difference``
        (`term`, `threshold`: source accuracy rises faster than HAT by more than the threshold) or
        ``contrast`` (`model`, `other`, `threshold`: HAT of one model exceeds that of another by
        more than the threshold). Optional: `formula`, `level` (one-sided, 0.05), `direction`
        (``"less"`` reverses a claim), `statement`, and for the first two kinds `scope` (``"these
        models"``, or by default ``"models like these"``, see `fit_trend`).
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
        For an unknown kind, key, term or model, a missing key, a margin that is not positive, a
        level outside (0, 0.5), or two claims of one name.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([m / 10 for m in range(-9, 10)], rng=1)
    >>> scores = hs.fit_profile(study, method="observed").hat()
    >>> size = {"name": "size", "kind": "slope", "term": "log10(params_total)", "threshold": 0.0}
    >>> two = {"name": "two", "kind": "contrast", "model": "model-17", "other": "model-01"}
    >>> for verdict in hs.evaluate_claims(scores, [size, {**two, "threshold": 0.1}]):
    ...     print(verdict)
    size: inconclusive; slope of HAT on log10(params_total) 0.007 [-0.008, 0.022],
      threshold 0, df 2.7, p = 0.172 (Holm 0.343)
    two: refuted; HAT of model-17 less HAT of model-01 0.052 [0.028, 0.077],
      threshold 0.1, df 141.3, p = 0.999 (Holm 0.999)
    """
    scores = as_scores(scores, "evaluate_claims")
    checked = check_claims(claims)
    status: Mapping[str, str] = registration.status if registration is not None else {}

    @cache  # Claims often share a formula.
    def fitted(formula: str, scope: ModelScope) -> TrendFit:
        if fits is not None and formula in fits:
            return fits[formula].over(scope)
        options: dict[str, Any] = {"cluster": cluster, "vcov": vcov, "link": link}
        return fit_trend(scores, formula, models=models, scope=scope, **options)

    used = None if models is None else frozenset(models)
    verdicts = []
    for claim in checked:
        own = status.get(str(claim["name"]), "exploratory")
        try:
            found = estimate_claim(claim, scores, fitted, used)
            verdicts.append(_unadjusted(claim, found, own))
        except (NotIdentifiedError, FitError) as error:
            # Every registered claim has a verdict, even where the study cannot test it.
            verdicts.append(untestable(claim, error.reason, own))
    return adjusted(verdicts)
