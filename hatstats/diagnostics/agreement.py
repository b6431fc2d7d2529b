"""Whether a profile agrees with a check: tidy rows, and the verdict in words."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hatstats.inference.intervals import holm, two_sided_p
from hatstats.inference.tidy import standard_errors, tidy_frame
from hatstats.scores.averages import ModelScores

Floats = NDArray[np.float64]

#: A difference on the accuracy scale that has no practical meaning.
NEGLIGIBLE = 0.01
#: Level of the verdict, over all models together.
LEVEL = 0.05


def agreement_frame(
    terms: Mapping[str, ModelScores], reference: str, method: str, *, conf_level: float
) -> pd.DataFrame:
    """One tidy row per term and model; only the term ``difference`` is tested against 0."""
    frames = []
    for term, scores in terms.items():
        rows = tidy_frame(
            term,
            scores.estimates,
            standard_errors(scores.covariance),
            conf_level=conf_level,
            method=method,
            identifiers={"model": list(scores.models), "reference": reference},
        )
        if term != "difference":
            rows[["statistic", "p_value"]] = np.nan
        frames.append(rows)
    return pd.concat(frames, ignore_index=True)


def false_discovery_adjusted(p_values: Floats) -> Floats:
    """P values of any shape adjusted by Benjamini and Hochberg (1995); NaN stays NaN, uncounted."""
    from statsmodels.stats.multitest import multipletests  # takes seconds to import

    adjusted = np.full(p_values.shape, np.nan)
    tested = ~np.isnan(p_values)
    if tested.any():
        adjusted[tested] = multipletests(p_values[tested], method="fdr_bh")[1]
    return adjusted


def verdict(method: str, check: str, p_values: Floats, distances: Floats, facts: str) -> str:
    """One sentence: whether a profile is compatible with a check.

    Parameters
    ----------
    method, check : str
        Names of the estimator and of the check.
    p_values : ndarray, shape (K,)
        Adjusted for one another; NaN where nothing is tested.
    distances : ndarray, shape (K,)
        Between profile and check, on the accuracy scale.
    facts : str
        The comparison that differs most, in words.
    """
    rejected = p_values < LEVEL
    if not rejected.any():
        relation = f"is compatible with {check}"
    elif (largest := np.abs(distances[rejected]).max()) < NEGLIGIBLE:
        relation = f"differs from {check} by more than chance, but by less than {NEGLIGIBLE:g}"
    else:
        tested = int((~np.isnan(p_values)).sum())
        relation = (
            f"is NOT compatible with {check} in {int(rejected.sum())} of {tested} comparisons, by "
            f"up to {largest:.3f}"
        )
    return f"The {method} profile {relation} ({facts})."


def agreement_words(difference: ModelScores, method: str, check: str) -> str:
    """One sentence: is the profile compatible with the check, and which model differs most."""
    error = standard_errors(difference.covariance)
    ratio = np.divide(
        difference.estimates, error, out=np.full(error.shape, np.nan), where=error > 0
    )
    adjusted = holm(two_sided_p(ratio, np.inf))
    if np.isnan(adjusted).all():
        return f"{check.capitalize()} cannot test the {method} profile: no difference has an SE."
    worst = int(np.nanargmax(np.abs(ratio)))
    facts = (
        f"largest difference, in SEs: {difference.estimates[worst]:+.3f} for "
        f"{difference.models[worst]}, {abs(ratio[worst]):.1f} SE, p = {adjusted[worst]:.2g} "
        f"adjusted for {int((~np.isnan(adjusted)).sum())} models"
    )
    return verdict(method, check, adjusted, difference.estimates, facts)


def summary_text(title: str, models: Iterable[str], details: Iterable[str], text: str) -> str:
    """A title, one indented line per model, and a paragraph, in lines of at most 80 columns."""
    rows = [f"  {model[:40]:<40}  {row}" for model, row in zip(models, details, strict=True)]
    return "\n".join([title, *rows, *textwrap.wrap(text, 78)])
