"""Trend terms of the hierarchical model: covariates of all models, the unknown ones included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from hatstats.errors import DataError
from hatstats.estimators.aggregate.panel_regression import family_labels
from hatstats.inference.arrays import Bools, Floats
from hatstats.study.formula import (
    FUNCTIONS,
    evaluate_formula,
    identified_terms,
    no_values,
    parse_formula,
    required_columns,
    with_release_year,
)

#: Covariates that vendors often do not disclose.
UNDISCLOSED = ("params_total", "params_active")


@dataclass(frozen=True, slots=True, eq=False)
class TrendDesign:
    """Standardised covariates of M models."""

    formula: str  # empty without a trend
    terms: tuple[str, ...]
    # (M, k) columns with mean 0 and standard deviation 1 over the models where they are known; 0
    # where unknown
    matrix: Floats
    unknown: Bools  # (M, k)
    centre: Floats  # centre, scale: (k,) means and standard deviations used to standardise
    scale: Floats
    offsets: Floats  # (M, o) indicators of the models of one family whose covariates are unknown
    offset_names: tuple[str, ...]
    frame: pd.DataFrame  # table of the models, with `release_year`
    spec: Any = None
    # (L, k) facts about target languages by tag, standardised in the same way, and their scales
    facts: pd.DataFrame = field(default_factory=pd.DataFrame)
    fact_scale: Floats = field(default_factory=lambda: np.zeros(0))

    def index(self, term: str) -> int:
        """Position of a term.

        Raises DataError if the trend has no such term.
        """
        if term not in self.terms:
            raise DataError(
                "no such covariate in the trend of the hierarchical model",
                column="term",
                value=term,
                hint=f"it has {', '.join(self.terms) or 'none'}; fit with another trend.",
            )
        return self.terms.index(term)

    def row(self, values: dict[str, float]) -> Floats:
        """Mean standardised row (k,) over the models, with these covariates set for all."""
        known = ~self.unknown.any(axis=1)
        frame = self.frame.loc[known].assign(**values)
        table = self.spec.get_model_matrix(frame, context=FUNCTIONS)
        raw = np.asarray(table[list(self.terms)], dtype=float).mean(axis=0)
        if not np.isfinite(raw).all():
            raise DataError(
                "the covariates of the trend are not finite at these values",
                column="formula",
                value=values,
                hint="ask for values inside the range of the models.",
            )
        return np.asarray((raw - self.centre) / self.scale, dtype=float)


def trend_design(
    models: pd.DataFrame, formula: str | None, *, trusted: bool = False
) -> TrendDesign:
    """Covariates of all models.

    The models of a family whose size is undisclosed have an offset in place of its effect, so that
    trends *within* the family are kept. `models`: the study's table, M rows; `formula`, `trusted`:
    see `fit_hierarchical`.
    """
    frame = with_release_year(models).reset_index(drop=True)
    if formula is None:
        none, empty = np.zeros(0), np.zeros((len(frame), 0))
        return TrendDesign("", (), empty, empty.astype(bool), none, none + 1.0, empty, (), frame)
    parsed = parse_formula(formula, frame, trusted=trusted)
    needed = required_columns(parsed, frame, formula)
    for name in needed:
        absent = frame[name].isna() | (frame[name] == "")
        if absent.any() and name not in UNDISCLOSED:
            raise DataError(
                f"the covariate is missing for {int(absent.sum())} of {len(frame)} models "
                f"({', '.join(frame.loc[absent, 'model'].astype(str).head(3))}"
                f"{', ...' if absent.sum() > 3 else ''})",
                file="the table of models",
                row=int(np.flatnonzero(absent)[0]) + 2,
                column=name,
                hint="give its value, leave those models out (study.select), or drop the "
                "covariate; only sizes may be undisclosed.",
            )
    incomplete = frame[needed].isna().any(axis=1).to_numpy(dtype=bool)
    if incomplete.all():
        raise no_values(needed)
    table = evaluate_formula(parsed, frame, formula)
    # Unknown entries come from undisclosed covariates.
    terms = identified_terms(table[~incomplete], np.flatnonzero(~incomplete), needed, formula)
    raw = np.asarray(table[terms], dtype=float)
    unknown = ~np.isfinite(raw)
    masked = np.where(unknown, np.nan, raw)
    centre, scale = np.nanmean(masked, axis=0), np.nanstd(masked, axis=0)
    matrix = np.where(unknown, 0.0, (masked - centre) / scale)
    labels = family_labels(frame["model"], dict(zip(frame["model"], frame["family"], strict=True)))
    undisclosed = unknown.any(axis=1)
    families = tuple(dict.fromkeys(labels[undisclosed].tolist()))
    indicators = (labels[:, None] == np.array(families, dtype=np.str_)) & undisclosed[:, None]
    return TrendDesign(
        formula,
        tuple(terms),
        matrix,
        unknown,
        centre,
        scale,
        indicators.astype(float),
        families,
        frame,
        table.model_spec,
    )


def language_facts(
    table: pd.DataFrame, languages: Sequence[str], formula: str, *, trusted: bool = False
) -> tuple[pd.DataFrame, Floats]:
    """Standardised facts about L languages, (L, k) by tag, and their standard deviations (k,).

    `table`: the study's table of languages; NotIdentifiedError with too few languages, DataError
    for a fact that is not known of all.
    """
    frame = table[table["language"].isin(languages)].reset_index(drop=True)
    parsed = parse_formula(formula, frame, trusted=trusted)
    needed = required_columns(parsed, frame, formula)
    known = frame[~(frame[needed].isna() | (frame[needed] == "")).any(axis=1)]
    if unknown := [name for name in languages if name not in set(known["language"])]:
        raise DataError(
            f"a fact about languages is missing for {', '.join(unknown[:5])}",
            file="languages.csv",
            column=", ".join(needed),
            hint="give its value, or leave those languages out (study.select).",
        )
    matrix = evaluate_formula(parsed, frame, formula)
    terms = identified_terms(matrix, np.arange(len(frame)), needed, formula, "languages")
    raw = np.asarray(matrix[terms], dtype=float)
    scale = raw.std(axis=0)
    names = pd.Index(frame["language"].astype("str"))
    return pd.DataFrame((raw - raw.mean(axis=0)) / scale, index=names, columns=terms), scale
