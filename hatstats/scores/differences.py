"""Differences of two models, or of means of models, over all languages or some."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.inference.arrays import Floats
from hatstats.inference.influence import Tails
from hatstats.scores.cell_weights import (
    cell_weights,
    chosen_languages,
    group_name,
    group_weights,
    names_of,
)

Names = str | Sequence[str]
Side = tuple[Names, Names | None]


def difference(models: Sequence[str], a: Names, b: Names) -> tuple[str, Floats]:
    """Mean of the models `a` less that of the models `b`, in words and as weights (M,)."""
    weights = group_weights(models, a) - group_weights(models, b)
    return f"{group_name(a)} - {group_name(b)}", weights


def difference_in_languages(
    models: Sequence[str], cells: pd.DataFrame, a: Side, b: Side
) -> tuple[str, Floats]:
    """Difference of two means over models and languages, in words and as weights (C,) on cells.

    None stands for all languages.
    """
    weights = _weights_on_cells(models, cells, a) - _weights_on_cells(models, cells, b)
    names = [group_name(group) for group, _ in (a, b)]
    where = ["all languages" if x is None else ", ".join(names_of(x)) for _, x in (a, b)]
    if where[0] == where[1]:
        return f"{names[0]} - {names[1]} in {where[0]}", weights
    return f"{names[0]} in {where[0]} - {names[1]} in {where[1]}", weights


def tails_of_cells(influence: Sequence[Floats] | None, weights: Floats) -> Tails:
    """Tails of a sum of cells with weights (C,), from the influence (G_b, C_b) by benchmark."""
    if influence is None:
        return Tails.unknown(1)
    ends = np.cumsum([psi.shape[1] for psi in influence])[:-1]
    parts = zip(influence, np.split(weights, ends), strict=True)
    return Tails.from_sums(np.concatenate([psi @ own for psi, own in parts])[:, None])


def _weights_on_cells(models: Sequence[str], cells: pd.DataFrame, side: Side) -> Floats:
    """Weights (C,) of the mean over some models, some of the shared languages, and benchmarks."""
    group, languages = side
    if cells.empty:
        hint = "make them by fit_profile(study).hat()."
        raise DataError("these scores have no values per language", hint=hint)
    parts = [rows for _, rows in cells.groupby("benchmark", sort=False)]
    over_all = cell_weights(parts, models)
    names = [rows["language"].to_numpy() for rows in parts]
    shared = [set(own[every.any(axis=0)]) for own, every in zip(names, over_all, strict=True)]
    chosen = set(chosen_languages(sorted(set().union(*shared)), languages))
    over_models = group_weights(models, group)
    weights = []
    for rows, own, every, present in zip(parts, names, over_all, shared, strict=True):
        if not present & chosen:
            raise NotIdentifiedError(
                f"benchmark {rows['benchmark'].iloc[0]!r} has none of the languages "
                f"{', '.join(sorted(chosen))}; select the benchmarks that have them"
            )
        used = every * np.isin(own, sorted(chosen))
        weights.append(over_models @ used * len(present) / len(present & chosen))
    return np.concatenate(weights)
