"""Whether a profile agrees with a check: tidy rows, and the verdict in words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hatstats.inference.intervals import holm, two_sided_p
from hatstats.inference.tidy import standard_errors, tidy_frame
from hatstats.scores.averages import ModelScores

Floats = NDArray[np.float64]

#: A difference on the accuracy scale that no reader would act on.
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
            scores.params,
            standard_errors(scores.cov),
            conf_level=conf_level,
            method=method,
            identifiers={"model": list(scores.models), "reference": reference},
        )
        if term != "difference":
            rows[["statistic", "p_value"]] = np.nan
        frames.append(rows)
    return pd.concat(frames, ignore_index=True)


def agreement_words(difference: ModelScores, method: str, check: str) -> str:
    """One or two sentences: is the profile compatible with the check, and what is the worst."""
    error = standard_errors(difference.cov)
    ratio = np.divide(difference.params, error, out=np.full(error.shape, np.nan), where=error > 0)
    adjusted = holm(two_sided_p(ratio, np.inf))
    if np.isnan(adjusted).all():
        return f"{check.capitalize()} cannot test the {method} profile: no difference has an SE."
    worst = int(np.nanargmax(np.abs(ratio)))
    tested = int((~np.isnan(adjusted)).sum())
    facts = (
        f"largest difference, in SEs, {difference.params[worst]:+.3f} for "
        f"{difference.models[worst]} ({abs(ratio[worst]):.1f} SE, p = {adjusted[worst]:.2g} "
        f"adjusted for {tested} models)"
    )
    beyond = adjusted < LEVEL
    if not beyond.any():
        return f"The {method} profile is compatible with {check}: {facts}."
    size = np.abs(difference.params[beyond]).max()
    if size < NEGLIGIBLE:
        return (
            f"The {method} profile differs from {check} by more than chance, but by less than "
            f"{NEGLIGIBLE:g}: {facts}."
        )
    return f"The {method} profile is NOT compatible with {check}: {facts}; by up to {size:.3f}."
