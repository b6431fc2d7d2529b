"""Registered claims as posterior probabilities, beside the verdicts of the regression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from hatstats.bayes.posterior import Posterior
from hatstats.bayes.scores import check_rope, posterior_frame
from hatstats.errors import DataError, NotIdentifiedError
from hatstats.inference.arrays import Floats
from hatstats.inference.result_frame import ResultFrame
from hatstats.scores.cell_weights import difference
from hatstats.study.claims import DEFAULT_TERM, claimed_direction, compared_groups, per_unit

_COLUMNS = ["name", "kind", "quantity", "estimate", "std_error", "conf_low", "conf_high"]
_COLUMNS += ["conf_level", "threshold", "p_claim", "p_positive", "p_in_rope", "rope_low"]
_COLUMNS += ["rope_high", "r_hat", "ess_bulk", "ess_tail", "mcse", "reason"]


def claim_formula(claim: Mapping[str, Any]) -> str:
    """Formula of a claim, as `evaluate_claims` reads it; none for a contrast of two models."""
    variable, grouped = _variable(claim), isinstance(claim.get("small"), str)
    default = f"C({variable})" if grouped else f"log10({variable})"
    if claim.get("kind") != "non_inferiority":
        default = str(claim.get("term", "" if claim.get("kind") == "contrast" else DEFAULT_TERM))
    return str(claim.get("formula") or default)


def _variable(claim: Mapping[str, Any]) -> str:
    """The covariate by which a claim tells small models from large ones."""
    return str(claim.get("variable", "params_total"))


def _slope(fit: Posterior, term: str) -> tuple[Floats, Floats]:
    """Change of source accuracy and of HAT per unit of a term, at the mean of the others."""
    index = fit.design.index(term)
    step = np.zeros(len(fit.design.terms))
    step[index] = 0.5 / fit.design.scale[index]
    above, below = fit.expected(step), fit.expected(-step)
    return above[0] - below[0], above[1] - below[1]


def claim_draws(fit: Posterior, claim: Mapping[str, Any]) -> tuple[str, Floats, float]:
    """Description of a claim's quantity, its draws (D,), and its threshold.

    Raises DataError for an unknown kind, or a term that is not in the trend.
    """
    kind = str(claim.get("kind"))
    if kind in ("slope", "expected_slope"):
        term = str(claim.get("term", DEFAULT_TERM))
        threshold = float(claim["threshold" if kind == "slope" else "expected"])
        return f"change of HAT {per_unit(term)}", _slope(fit, term)[1], threshold
    if kind in ("transfer_share", "gap_slope"):
        raise NotIdentifiedError(f"a {kind} is judged by regression, not by this posterior")
    if kind == "slope_difference":
        term = str(claim["term"])
        source, transfer = _slope(fit, term)
        words = f"change of source accuracy {per_unit(term)} less that of HAT"
        return words, source - transfer, float(claim["threshold"])
    if kind == "non_inferiority":
        variable, small, large = _variable(claim), claim["small"], claim["large"]
        fit.design.index(fit.design.terms[0] if fit.design.terms else claim_formula(claim))
        low, high = (fit.expected(fit.design.row({variable: x}))[1] for x in (small, large))
        return compared_groups(claim), low - high, -float(claim["margin"])
    if kind == "contrast":
        model, other = str(claim["model"]), str(claim["other"])
        scores = fit.hat()
        for name in (model, other):
            if name not in scores.models:
                raise NotIdentifiedError(f"no model {name} has a score here.")
        draws = scores.flat @ difference(scores.models, model, other)[1]
        return f"HAT of {model} minus HAT of {other}", draws, float(claim["threshold"])
    raise DataError(
        "unknown kind of claim",
        file="study.toml",
        column="kind",
        value=claim.get("kind"),
        hint="use slope, expected_slope, slope_difference, non_inferiority or contrast.",
    )


def claim_probabilities(
    fit: Posterior, claims: Sequence[Mapping[str, Any]], rope: tuple[float, float]
) -> pd.DataFrame:
    """Probability of each claim whose formula is the trend of the fit.

    `claims`: as for `hatstats.evaluate_claims`; `rope`: region of practical equivalence of the
    quantity, in accuracy (per unit of a covariate); for non-inferiority the margin on both sides.
    A claim on another formula has NaN and the reason.
    """
    low, high = check_rope(rope)
    lead = fit.draws("source").shape[:2]
    rows = []
    for claim in claims:
        row: dict[str, Any] = {"name": claim["name"], "kind": claim["kind"], "reason": ""}
        formula = claim_formula(claim)
        if formula and formula.replace(" ", "") != fit.design.formula.replace(" ", ""):
            row["reason"] = (
                f"the claim is about the trend {formula!r}, this fit is of "
                f"{fit.design.formula or 'no trend'}; fit_hierarchical(study, formula={formula!r}) "
                "answers it, fit_claims(study) all claims"
            )
            rows.append(row)
            continue
        try:
            words, draws, threshold = claim_draws(fit, claim)
        except NotIdentifiedError as error:
            rows.append(row | {"reason": error.reason})
            continue
        ends = (threshold, -threshold) if claim["kind"] == "non_inferiority" else (low, high)
        level = 1.0 - 2.0 * float(claim.get("level", 0.05))
        tidy = posterior_frame("", draws.reshape(*lead, 1), conf_level=level).iloc[0]
        row |= {"quantity": words, "threshold": threshold}
        row |= {str(name): tidy[name] for name in tidy.index if name in _COLUMNS}
        less = claimed_direction(claim) == "less"
        row["p_claim"] = float((draws < threshold if less else draws > threshold).mean())
        row["p_positive"] = float((draws > 0).mean())
        row["p_in_rope"] = float(((draws > ends[0]) & (draws < ends[1])).mean())
        row["rope_low"], row["rope_high"] = ends
        rows.append(row)
    return ResultFrame(rows).reindex(columns=_COLUMNS)
