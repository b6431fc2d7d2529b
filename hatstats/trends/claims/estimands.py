"""The number that each kind of claim is about, with its standard error, on the accuracy scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hatstats.errors import NotIdentifiedError
from hatstats.inference.arrays import Floats
from hatstats.inference.cluster_robust.sandwich import ClusterRobust
from hatstats.scores.scores import HatScores
from hatstats.scores.transfer_profile import TransferProfile
from hatstats.scores.wordings import LIKE_THESE
from hatstats.study.claims import compared_groups
from hatstats.study.schema import near
from hatstats.trends.seemingly_unrelated import SlopeDifference, slope_difference
from hatstats.trends.standard_errors import LIKE_MODELS, THESE_MODELS, ModelScope
from hatstats.trends.trend import TrendFit

Scores = HatScores | TransferProfile
#: Gives the trend of a formula in a scope.
Fitted = Callable[[str, ModelScope], TrendFit]
#: Fields of a verdict that say what was estimated and how; `reason` is why that cannot be tested.
Facts = dict[str, Any]


def _from_clusters(
    quantity: str,
    value: tuple[float, float],
    gradient: Floats,
    robust: ClusterRobust,
    trend: TrendFit,
    threshold: float,
) -> Facts:
    """Facts from a value and its standard error; `gradient` (p,) is a contrast of `robust`."""
    shares = robust.shares(gradient)[0]
    has_shares = bool(np.isfinite(shares).all())
    largest = int(np.argmax(shares)) if has_shares else 0
    return {
        "quantity": quantity,
        "estimate": value[0],
        "std_error": value[1],
        "df": float(robust.df(gradient)[0]),
        "threshold": threshold,
        "method": trend.accuracy_method,
        "n_models": trend.nobs,
        "n_clusters": trend.n_clusters,
        "p_floor": trend.p_floor,
        "reason": robust.reasons(gradient)[0],
        "decisive": str(robust.labels[largest]) if has_shares else "",
        "decisive_share": float(shares[largest]) if has_shares else np.nan,
    }


def _from_trend(
    quantity: str, value: tuple[float, Floats], trend: TrendFit, threshold: float
) -> Facts:
    """Facts from a value of a trend and its gradient (p,), in the scope of the trend."""
    estimate, gradient = value
    error, df = (float(each[0]) for each in trend.errors(gradient))
    if trend.scope == THESE_MODELS:
        return {
            "quantity": quantity,
            "estimate": estimate,
            "std_error": error,
            "df": df,
            "threshold": threshold,
            "method": trend.accuracy_method,
            "n_models": trend.nobs,
            "n_clusters": trend.n_clusters,
        }
    return _from_clusters(quantity, (estimate, error), gradient, trend.robust, trend, threshold)


def _non_inferiority(claim: Mapping[str, Any], fitted: Fitted, _scores: Scores) -> Facts:
    """HAT of small models less HAT of large ones."""
    variable = str(claim.get("variable", "params_total"))
    small, large = claim["small"], claim["large"]
    default = f"C({variable})" if isinstance(small, str) else f"log10({variable})"
    trend = fitted(str(claim.get("formula") or default), claim.get("scope", LIKE_MODELS))
    value = trend.difference_gradient({variable: small}, {variable: large})
    return _from_trend(compared_groups(claim), value, trend, -float(claim["margin"]))


def _slope(claim: Mapping[str, Any], fitted: Fitted, _scores: Scores) -> Facts:
    """Slope of HAT on a term."""
    term = str(claim["term"])
    trend = fitted(str(claim.get("formula") or term), claim.get("scope", LIKE_MODELS))
    value = trend.slope_gradient(term)
    return _from_trend(f"slope of HAT on {term}", value, trend, float(claim["threshold"]))


def _ratio(both: SlopeDifference) -> str:
    """Ratio of transfer slope to source slope, with Fieller's limits if they are bounded."""
    if both.source_slope == 0.0:
        return ""
    ratio, low, high = both.ratio()
    if not (np.isfinite(low) and np.isfinite(high)):
        return f"; ratio {ratio:.2f}, unbounded by Fieller"
    return f"; ratio {ratio:.2f} [{low:.2f}, {high:.2f}] by Fieller"


def _slope_difference(claim: Mapping[str, Any], fitted: Fitted, _scores: Scores) -> Facts:
    """Slope of source accuracy less slope of HAT on a term."""
    term = str(claim["term"])
    trend = fitted(str(claim.get("formula") or term), LIKE_MODELS)
    both = slope_difference(trend.scores, trend, term)
    quantity = (
        f"slope on {term} of source accuracy ({both.source_slope:.3f}) less that of HAT "
        f"({both.transfer_slope:.3f}{_ratio(both)})"
    )
    value, threshold = (both.estimate, both.std_error), float(claim["threshold"])
    return _from_clusters(quantity, value, both.gradient, both.robust, trend, threshold)


def _check_scored(models: Sequence[str], *named: str) -> None:
    """Refuse, by a NotIdentifiedError, to compare models of which one is not among those scored."""
    for name in named:
        if name not in models:
            raise NotIdentifiedError(f"no model {name} has a score here.{near(name, models)}")


def _contrast(claim: Mapping[str, Any], _fitted: Fitted, scores: Scores) -> Facts:
    """HAT of one model less that of another."""
    hat = scores if isinstance(scores, HatScores) else scores.hat()
    model, other = str(claim["model"]), str(claim["other"])
    _check_scored(hat.models, model, other)
    found = hat.contrast(model, other)
    wordings = f" and of {LIKE_THESE}" if hat.scope == LIKE_THESE else ""
    return {
        "quantity": f"HAT of {model} less HAT of {other}",
        "estimate": found.estimate,
        "std_error": found.std_error,
        "df": found.df,
        "threshold": float(claim["threshold"]),
        "method": f"{hat.method}, sampling of items{wordings}, accuracy scale",
        "n_models": 2,
        "reason": "" if found.std_error > 0 else "no item moves the difference",
    }


_KINDS: dict[str, Callable[[Mapping[str, Any], Fitted, Scores], Facts]] = {
    "non_inferiority": _non_inferiority,
    "slope": _slope,
    "slope_difference": _slope_difference,
    "contrast": _contrast,
}


def estimate_claim(
    claim: Mapping[str, Any], scores: Scores, fitted: Fitted, models: frozenset[str] | None
) -> Facts:
    """Estimate the number that a checked claim is about, over `models` (all if None).

    `fitted` gives the trend of a formula. NotIdentifiedError if the study does not identify the
    number.
    """
    for key in ("model", "other"):
        if key in claim and models is not None and claim[key] not in models:
            raise NotIdentifiedError(f"{claim[key]} is left out")
    return _KINDS[str(claim["kind"])](claim, fitted, scores)
