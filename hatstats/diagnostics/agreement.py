"""Whether a profile agrees with a check: tidy rows, and the verdict in words."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hatstats.inference.arrays import Floats
from hatstats.inference.intervals import holm, two_sided_p
from hatstats.inference.result_frame import Printed
from hatstats.inference.tidy import standard_errors, tidy_frame
from hatstats.scores.averages import ModelScores

#: A difference on the accuracy scale that has no practical meaning.
NEGLIGIBLE = 0.01
#: Significance level of the verdict, over all models together.
SIGNIFICANCE = 0.05
# A standard error below this is rounding: the difference is 0 by construction and not tested.
_ROUNDING = 1e-12


class ModelComparison(Printed):
    """Scores of the same models by several terms, whose last difference is tested against 0.

    A subclass has `check`, the name of the check for the column `method` of its rows, and `terms`,
    the scores that are compared.
    """

    __slots__ = ()
    reference: str
    if TYPE_CHECKING:

        @property
        def check(self) -> str: ...  # noqa: D102
        @property
        def terms(self) -> dict[str, ModelScores]: ...  # noqa: D102

    @property
    def models(self) -> tuple[str, ...]:
        """Models that have every benchmark."""
        return next(iter(self.terms.values())).models

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """One row per term and model; p values of ``difference`` are one model's.

        `summary` adjusts them for the number of models (Holm).
        """
        frames = []
        for term, scores in self.terms.items():
            rows = tidy_frame(
                term,
                scores.estimates,
                standard_errors(scores.covariance),
                conf_level=conf_level,
                method=self.check,
                identifiers={"model": list(scores.models), "reference": self.reference},
            )
            tested = (rows["std_error"] > _ROUNDING) & (term == "difference")
            rows.loc[~tested, ["statistic", "p_value"]] = np.nan
            frames.append(rows)
        return pd.concat(frames, ignore_index=True)

    def _lines(self, title: str, details: Iterable[str], text: str) -> str:
        """A title, one indented line per model, and a paragraph."""
        rows = [
            f"  {model[:40]:<40}  {row}" for model, row in zip(self.models, details, strict=True)
        ]
        return "\n".join([f"{title}, reference {self.reference}", *rows, *textwrap.wrap(text, 78)])


def verdict(method: str, check: str, p_values: Floats, distances: Floats, facts: str) -> str:
    """One sentence: whether the profile of a method is compatible with a check.

    `p_values` (K,) are adjusted for one another, NaN where nothing is tested; `distances` (K,)
    between profile and check are on the accuracy scale; `facts` says which differs most.
    """
    rejected = p_values < SIGNIFICANCE
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
    known = error > _ROUNDING
    ratio = np.divide(difference.estimates, error, out=np.full(error.shape, np.nan), where=known)
    adjusted = holm(two_sided_p(ratio, np.inf))
    if np.isnan(adjusted).all():
        return f"{check.capitalize()} cannot test the {method} profile: no difference has an SE."
    worst = int(np.nanargmax(np.abs(ratio)))
    p = f"= {adjusted[worst]:.2g}" if adjusted[worst] >= 0.001 else "< 0.001"
    facts = (
        f"largest difference, in SEs: {difference.estimates[worst]:+.3f} for "
        f"{difference.models[worst]}, {abs(ratio[worst]):.1f} SE, p {p} "
        f"adjusted for {int((~np.isnan(adjusted)).sum())} models"
    )
    return verdict(method, check, adjusted, difference.estimates, facts)
