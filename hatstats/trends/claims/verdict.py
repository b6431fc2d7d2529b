"""Verdicts as people read them: one claim, and the claims of a study."""

from __future__ import annotations

import textwrap
from dataclasses import asdict, dataclass
from html import escape
from typing import Literal

import numpy as np
import pandas as pd

from hatstats.inference.intervals import percent
from hatstats.inference.result_frame import ResultFrame, html_table, p_text, p_words
from hatstats.trends.standard_errors import LIKE_MODELS, THESE_MODELS, stages_note

_NO_CLAIMS = (
    "No claims. A study registers them as [[claims]] in its study.toml; in Python they\n"
    "are a list of dicts: help(hatstats.evaluate_claims)."
)
Decision = Literal["supported", "refuted", "inconclusive", "not testable"]

#: An unknown number.
UNKNOWN = float("nan")

RULE = (
    "a claim is supported if a one-sided test against the other side of its threshold is "
    "significant at {alpha:g} after Holm's adjustment for all claims tested, refuted if the test "
    "of the opposite claim is, and inconclusive otherwise: for a single claim, by whether its "
    "{level:.0%} interval lies wholly on one side of the threshold. Each of the two errors has a "
    "probability of at most {alpha:g}, both together, where the truth is at the threshold, of "
    "{both:g}. A verdict for models like these is withheld where other methods that keep their "
    "level disagree, or where one family alone would decide"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Verdict on one registered claim.

    Attributes
    ----------
    name, kind : str
        As registered.
    statement : str
        As registered; a sentence made from kind and threshold where the claim has none.
    quantity : str
        The estimand in words.
    estimate, std_error, df : float
        On the accuracy scale, but for logit gaps and shares; NaN if not testable. A share has no
        standard error.
    conf_low, conf_high, conf_level : float
        Interval of the claim alone; its level is 1 - 2 alpha. By Fieller for a share.
    threshold : float
        The margin with its sign, or the threshold.
    direction : {"greater", "less"}
        Side of the threshold on which the number lies if the claim is true.
    p_value, p_opposite : float
        One-sided, against the claim and against its opposite; they add up to 1 but for a share,
        where both also ask whether the whole rises at all.
    p_holm, p_opposite_holm : float
        The same, each adjusted by Holm for all claims of its status that could be tested. The first
        decides whether a claim is supported, the second whether it is refuted.
    verdict : str
        By `p_holm` and `p_opposite_holm`.
    verdict_alone : str
        As if it were the only claim.
    status : {"confirmatory", "exploratory"}
        Confirmatory if the claim was locked and is unchanged.
    scope : {"models like these", "these models"}
        As registered: over what the verdict generalises.
    rule, reason, method, warning : str
        Decision rule; why a claim has no verdict, or not that of its interval; method of the
        standard error; what weakens a claim of this kind.
    n_models, n_clusters : int
    p_floor : float
        Smallest two-sided p value of an enumerated bootstrap over these clusters.
    decisive, decisive_share : str, float
        Family with the largest share of the variance of the estimate, and that share.
    p_equivalence, p_in_margin : float
        For a margin: p of two one-sided tests of equivalence within the margin, and the
        probability of a difference within it under the t distribution around the estimate (a
        posterior with a flat prior). NaN for other claims.
    agree_low, agree_high : float
        For models like these: all methods agree that the number lies above a threshold up to the
        first, and below one from the second on.
    agree_low_by, agree_high_by : str
        What sets these limits: the estimate without a family, other standard errors, or the mean
        within series.
    within, within_low, within_high : float
        The number as the random-effects mean within series of models, and its interval; NaN where
        fewer than two series show it.
    n_series, n_series_above : int
        Series that show it, and how many of them lie above the threshold.
    other_verdict, other_reason, other_low, other_high, other_df, other_p_holm
        The verdict in the scope that is not registered, its reason, interval, degrees of freedom
        and p.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([0.0, 1.0], transfer=[0.0, 0.5], rng=1)
    >>> claim = {"name": "better", "kind": "contrast", "model": "model-02", "other": "model-01"}
    >>> scores = hs.fit_profile(study, method="observed").hat()
    >>> (verdict,) = hs.evaluate_claims(scores, [{**claim, "threshold": 0.0}])
    >>> verdict
    better: supported; HAT of model-02 minus HAT of model-01 0.128 [0.106, 0.150]
      (90% interval), threshold 0, df 213.3, p < 0.001 (Holm <0.001)
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
    scope: str = LIKE_MODELS
    warning: str = ""
    p_opposite: float = UNKNOWN
    p_opposite_holm: float = UNKNOWN
    agree_low: float = float("inf")
    agree_high: float = float("-inf")
    agree_low_by: str = ""
    agree_high_by: str = ""
    within: float = UNKNOWN
    within_low: float = UNKNOWN
    within_high: float = UNKNOWN
    n_series: int = 0
    n_series_above: int = 0
    other_verdict: str = ""
    other_reason: str = ""
    other_low: float = UNKNOWN
    other_high: float = UNKNOWN
    other_df: float = UNKNOWN
    other_p_holm: float = UNKNOWN

    @property
    def level(self) -> float:
        """Level alpha of the one-sided test."""
        return 0.5 * (1.0 - self.conf_level)

    def tidy(self) -> pd.DataFrame:
        """The fields as one row."""
        return ResultFrame([asdict(self)])

    @property
    def other_scope(self) -> str:
        """The scope that is not registered; empty where there is none."""
        if not self.other_verdict:
            return ""
        return THESE_MODELS if self.scope == LIKE_MODELS else LIKE_MODELS

    def other_words(self) -> str:
        """The verdict in the other scope with its interval: ``these models: refuted [...]``."""
        text = f"{self.other_scope}: {self.other_verdict}"
        if not np.isnan(self.other_low):
            text += f" [{self.other_low:.3f}, {self.other_high:.3f}]"
            text += f", df {self.other_df:.1f}" if np.isfinite(self.other_df) else ""
        return text + (f" ({self.other_reason})" if self.other_reason else "")

    def series_words(self) -> str:
        """The number within series of models in words; empty where they do not show it."""
        if not self.n_series:
            return ""
        if self.within_high - self.within_low > 5.0 * (self.conf_high - self.conf_low):
            return f"within {self.n_series} series: too few to tell"
        mean = "" if np.isnan(self.within) else f" {self.within:.3f}"
        if not np.isnan(self.within_low):
            mean += f" [{self.within_low:.3f}, {self.within_high:.3f}]"
        above = f"{self.n_series_above or 'none'} of them above the threshold"
        return f"within {self.n_series} series{mean}, {above}"

    def summary(self) -> str:
        """A few sentences."""
        if self.verdict == "not testable":
            return f"{self.name}: not testable ({self.reason})"
        text = f"{self.name}: {self.verdict}; {self.quantity} {self.estimate:.3f}"
        if not np.isnan(self.p_value):
            limits = f"[{self.conf_low:.3f}, {self.conf_high:.3f}]"
            level = f" ({percent(self.conf_level)} interval)"
            text += (
                f" {'(no interval)' if np.isnan(self.conf_low) else limits + level}, "
                f"threshold {self.threshold:g}, "
                f"df {self.df:.1f}, {p_words(self.p_value)} (Holm {p_text(self.p_holm)})"
            )
            if self.verdict == "refuted":
                p = f"{p_words(self.p_opposite)} (Holm {p_text(self.p_opposite_holm)})"
                text += f"; of the opposite {p}"
        beside = [self.reason, self.series_words()]
        if self.other_verdict:
            beside.append(f"claimed for {self.scope}; {self.other_words()}")
        beside.append(self.warning)
        return ". ".join([text, *(f"{each[0].upper()}{each[1:]}" for each in beside if each)])

    def __repr__(self) -> str:
        return textwrap.fill(self.summary(), 80, subsequent_indent="  ", break_on_hyphens=False)

    def _repr_html_(self) -> str:
        said = f"<b>{escape(self.name)}: {self.verdict}</b>"
        texts = (self.statement, self.quantity, self.series_words())
        said += "".join(f"<br>{escape(text)}" for text in texts if text)
        return f"<p>{said}</p>{Verdicts((self,))._repr_html_()}"


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
    claim   verdict       estimate  90% interval         df  Holm p
    better  supported        0.128  [0.106, 0.150]    213.3  <0.001
    >>> verdicts.tidy()[["name", "estimate", "verdict"]].round(2)
         name  estimate    verdict
    0  better      0.13  supported
    """

    __slots__ = ()

    def tidy(self) -> pd.DataFrame:
        """One row per claim with the fields of `Verdict`."""
        return ResultFrame([asdict(one) for one in self], columns=list(Verdict.__slots__))

    def summary(self) -> str:
        """Verdicts as a table of at most 80 columns, and why a claim has none.

        The p value is that of the opposite claim where that decides: where a claim is refuted.
        """
        width = min(max([len(one.name) for one in self] + [5]), 24)
        level = {percent(one.conf_level) for one in self}
        interval = f"{level.pop()} interval" if len(level) == 1 else "interval"
        lines = [f"{'claim':<{width}}  verdict       estimate  {interval:<16}     df  Holm p"]
        for one in self:
            known = not np.isnan(one.conf_low)
            limits = f"[{one.conf_low:.3f}, {one.conf_high:.3f}]" if known else "–"
            name = one.name if len(one.name) <= width else f"{one.name[: width - 1]}…"
            decides = one.p_opposite_holm if one.verdict == "refuted" else one.p_holm
            lines.append(
                f"{name:<{width}}  {one.verdict:<12}  {one.estimate:>8.3f}  {limits:<16}  "
                f"{one.df:>5.1f}  {p_text(decides)}"
            )
        for reason in self._reasons():
            lines += textwrap.wrap(reason, 80, initial_indent="  ", subsequent_indent="  ")
        return "\n".join(lines) if self else _NO_CLAIMS

    def _reasons(self) -> list[str]:
        reasons = [f"{one.name}: {one.reason}." for one in self if one.reason]
        reasons += [f"{one.name}: {one.other_words()}." for one in self if one.other_verdict]
        reasons += [f"{one.name}: {one.warning}." for one in self if one.warning]
        return [*reasons, *stages_note(one.method for one in self)]

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        if not self:
            return f"<p>{escape(_NO_CLAIMS)}</p>"
        shown = ["name", "verdict", "estimate", "conf_low", "conf_high", "conf_level", "threshold"]
        shown += ["df", "p_value", "p_holm", "p_opposite_holm"]
        return html_table(self.tidy()[shown], self._reasons())
