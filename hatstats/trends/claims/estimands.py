"""The number that each kind of claim is about, and what its errors are in either scope of models.

Numbers are on the accuracy scale, but for logit gaps and shares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hatstats.errors import NotIdentifiedError
from hatstats.estimators.aggregate.profile import AggregateProfile
from hatstats.inference.arrays import Floats
from hatstats.inference.cluster_robust.sandwich import ClusterRobust
from hatstats.inference.reml.group_slopes import GroupSlopes, group_slopes
from hatstats.inference.reml.meta_regression import RemlFit
from hatstats.scores.scores import HatScores
from hatstats.scores.transfer_profile import TransferProfile
from hatstats.study.claims import DEFAULT_TERM, compared_groups, per_unit
from hatstats.study.schema import near
from hatstats.trends.seemingly_unrelated import TwoSlopes, slope_difference, target_split
from hatstats.trends.standard_errors import THESE_MODELS, ModelScope, SampledItems
from hatstats.trends.trend import TrendFit
from hatstats.trends.within_series import Outcome, outcome_of, series_labels, share_outcome

Scores = HatScores | TransferProfile
#: What a trend is of: transfer, or the logit of source less that of target accuracy.
Measure = Literal["transfer", "gap"]
#: Gives the trend of a formula.
Fitted = Callable[[str, Measure], TrendFit]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Number:
    """What a claim is about: a contrast of the coefficients of `fit`, tested against `null`.

    `value` is ``gradient @ params`` but for rounding and nonlinear scales; `estimate` and
    `threshold` are what is printed, the same but for shares, whose test is linear: transfer's slope
    less the threshold times the `whole`, which has to be positive.
    """

    quantity: str
    estimate: float
    threshold: float
    value: float
    null: float
    gradient: Floats
    fit: RemlFit
    clusters: NDArray[np.str_]
    robust: ClusterRobust
    sampled: SampledItems
    trend: TrendFit
    outcome: Outcome | None = None
    #: What a mean within series needs to be on the scale of `value`.
    shift: float = 0.0
    split: TwoSlopes | None = None
    #: Of a share: its term.
    term: str = ""
    warning: str = ""

    def errors(self, scope: ModelScope) -> ClusterRobust | SampledItems:
        """What gives standard errors and degrees of freedom in a scope."""
        return self.sampled if scope == THESE_MODELS else self.robust

    def series(self) -> GroupSlopes | None:
        """The number inside each family, or series of models; None where that has no meaning."""
        if self.outcome is None:
            return None
        found = group_slopes(*self.outcome, series_labels(self.trend))
        return found if len(found.groups) > 1 else None


def _of_trend(quantity: str, value: tuple[float, Floats], trend: TrendFit, null: float) -> Number:
    """A number from the coefficients of a trend and its gradient (p,)."""
    outcome = outcome_of(trend, value[1])
    linear = outcome.contrast @ trend.estimates[-outcome.contrast.size :]
    return Number(
        quantity=quantity,
        estimate=value[0],
        threshold=null,
        value=value[0],
        null=null,
        gradient=value[1],
        fit=trend.reml,
        clusters=np.array(trend.robust.labels)[trend.robust.codes],
        robust=trend.robust,
        sampled=trend.sampled,
        trend=trend,
        outcome=outcome,
        shift=value[0] - float(linear),
    )


def _of_slopes(quantity: str, both: TwoSlopes, gradient: Floats, trend: TrendFit) -> Number:
    """A number from two stacked equations, without threshold yet."""
    value = both.estimate
    return Number(
        quantity=quantity,
        estimate=value,
        threshold=0.0,
        value=value,
        null=0.0,
        gradient=gradient,
        fit=both.fit,
        clusters=both.clusters,
        robust=both.robust,
        sampled=both.sampled,
        trend=trend,
    )


def _non_inferiority(claim: Mapping[str, Any], fitted: Fitted) -> Number:
    """HAT of small models minus HAT of large ones."""
    variable = str(claim.get("variable", "params_total"))
    small, large = claim["small"], claim["large"]
    default = f"C({variable})" if isinstance(small, str) else f"log10({variable})"
    trend = fitted(str(claim.get("formula") or default), "transfer")
    value = trend.difference_gradient({variable: small}, {variable: large})
    return _of_trend(compared_groups(claim), value, trend, -float(claim["margin"]))


def _term(claim: Mapping[str, Any]) -> tuple[str, str]:
    """Term and formula of a claim about a slope."""
    term = str(claim.get("term", DEFAULT_TERM))
    return term, str(claim.get("formula") or term)


def _slope(claim: Mapping[str, Any], fitted: Fitted) -> Number:
    """Slope of HAT on a term."""
    term, formula = _term(claim)
    trend = fitted(formula, "transfer")
    threshold = float(claim["threshold" if "threshold" in claim else "expected"])
    return _of_trend(
        f"change of HAT {per_unit(term)}", trend.slope_gradient(term), trend, threshold
    )


def _gap_slope(claim: Mapping[str, Any], fitted: Fitted) -> Number:
    """Slope of the logit of source accuracy less that of raw target accuracy on a term."""
    term, formula = _term(claim)
    trend = fitted(formula, "gap")
    place = trend.terms.index(term) if term in trend.terms else -1
    trend.slope_gradient(term)  # an unknown term is refused there
    # From accuracies alone the outcome is target less source logits.
    unit = np.eye(len(trend.terms))[place] * (1.0 if trend.panel is None else -1.0)
    value = (float(unit @ trend.estimates), unit)
    words = f"change of the gap in logits between source and target accuracy {per_unit(term)}"
    return _of_trend(words, value, trend, float(claim["threshold"]))


def _ratio(both: TwoSlopes) -> str:
    """Ratio of transfer slope to source slope, with Fieller's limits if they are bounded."""
    if both.other_slope == 0.0:
        return ""
    ratio, low, high = both.ratio()
    if not (np.isfinite(low) and np.isfinite(high)):
        return f"; ratio {ratio:.2f}, unbounded by Fieller"
    return f"; ratio {ratio:.2f} [{low:.2f}, {high:.2f}] by Fieller"


#: Why a slope difference says little; in every output of such a claim.
BY_CONSTRUCTION = (
    "this claim is supported almost by construction, since HAT is net of source accuracy: a "
    "transfer_share or gap_slope can fail"
)


def _slope_difference(claim: Mapping[str, Any], fitted: Fitted) -> Number:
    """Slope of source accuracy less slope of HAT on a term."""
    term, formula = _term(claim)
    trend = fitted(formula, "transfer")
    both = slope_difference(trend.scores, trend, term)
    quantity = (
        f"change of source accuracy {per_unit(term)} ({both.other_slope:.3f}) less that of HAT "
        f"({both.transfer_slope:.3f}{_ratio(both)})"
    )
    found = _of_slopes(quantity, both, both.gradient, trend)
    threshold = float(claim["threshold"])
    return replace(found, threshold=threshold, null=threshold, warning=BY_CONSTRUCTION)


def _transfer_share(claim: Mapping[str, Any], fitted: Fitted) -> Number:
    """Share of transfer in the slope of raw target accuracy on a term.

    Tested is ``transfer - threshold * whole``, a linear contrast, so that no ratio has to be
    approximately normal (Fieller).
    """
    term, formula = _term(claim)
    trend = fitted(formula, "transfer")
    both, threshold = target_split(trend.scores, trend, term), float(claim["threshold"])
    gradient = both.transfer_gradient - threshold * both.other_gradient
    what = "raw target accuracy" if trend.panel is None else "the logit of raw target accuracy"
    quantity = (
        f"share of transfer in the change of {what} {per_unit(term)} ({both.other_slope:.3f}, of "
        f"it transfer {both.transfer_slope:.3f}, source ability {both.estimate:.3f})"
    )
    found = _of_slopes(quantity, both, gradient, trend)
    whole = both.other_slope
    return replace(
        found,
        estimate=both.transfer_slope / whole if whole else np.nan,
        threshold=threshold,
        value=both.transfer_slope - threshold * whole,
        split=both,
        term=term,
        outcome=share_outcome(trend, term, threshold),
    )


_KINDS: dict[str, Callable[[Mapping[str, Any], Fitted], Number]] = {
    "non_inferiority": _non_inferiority,
    "slope": _slope,
    "expected_slope": _slope,
    "transfer_share": _transfer_share,
    "gap_slope": _gap_slope,
    "slope_difference": _slope_difference,
}


def estimate_claim(claim: Mapping[str, Any], fitted: Fitted) -> Number:
    """Estimate the number that a checked claim about many models is about.

    `fitted` gives the trend of a formula. NotIdentifiedError if the study does not identify the
    number.
    """
    return _KINDS[str(claim["kind"])](claim, fitted)


def check_scored(claim: Mapping[str, Any], hat: HatScores, models: frozenset[str] | None) -> None:
    """Refuse, by a NotIdentifiedError, to compare models that are left out or not scored."""
    for name in (str(claim["model"]), str(claim["other"])):
        if models is not None and name not in models:
            raise NotIdentifiedError(f"{name} is left out")
        if name not in hat.models:
            raise NotIdentifiedError(f"no model {name} has a score here.{near(name, hat.models)}")


def gap_scores(scores: Scores) -> Scores:
    """What a trend of the logit gap between source and raw target accuracy is fitted to.

    From accuracies alone: the same study with the slope of target on source logits held at 1, whose
    trend is that of target less source logits.
    """
    if isinstance(scores, AggregateProfile):
        return replace(scores, panel=replace(scores.panel, slope=1.0))
    if isinstance(scores, TransferProfile):
        scores = scores.hat()
    count = len(scores.models)
    target = np.full(count, np.nan) if scores.target is None else scores.target
    pair = np.stack([scores.source, target])
    inside = ((pair > 0.0) & (pair < 1.0)).all(axis=0)
    if not inside.any():
        raise NotIdentifiedError(
            "these scores come without source and raw target accuracies between 0 and 1, so that "
            "there is no gap in logits"
        )
    kept = np.flatnonzero(inside)
    odds = np.where(inside, pair, 0.5)
    slopes = np.array([[1.0], [-1.0]]) / (odds * (1.0 - odds))
    # Columns: scores, source, target.
    J = np.hstack([np.zeros((count, count)), np.diag(slopes[0]), np.diag(slopes[1])])[kept]
    joint = scores.joint_cov
    moves = scores.beside_influence
    wordings = scores.beside_wordings
    cov = J @ joint @ J.T
    names = tuple(scores.models[index] for index in kept)
    unknown = np.full((2 * kept.size, 2 * kept.size), np.nan)
    unknown[: kept.size, : kept.size] = cov
    return replace(
        scores,
        models=names,
        estimates=(np.log(odds / (1.0 - odds)) * [[1.0], [-1.0]]).sum(axis=0)[kept],
        covariance=cov,
        covariates=scores.covariates.iloc[kept].reset_index(drop=True),
        source=np.full(kept.size, np.nan),
        target=None,
        joint_cov=unknown,
        influence=None if moves is None else moves @ J[:, count:].T,
        wordings=None if wordings is None else tuple(m @ J[:, count:].T for m in wordings),
        beside_influence=None,
        beside_wordings=None,
        given_df=None if scores.given_df is None else scores.given_df[kept],
        bounded=False,
    )
