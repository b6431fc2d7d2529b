"""Differences of two models, or of means of models, over all languages or some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.inference.influence import Tails
from hatstats.scores.cell_weights import (
    cell_weights,
    chosen_languages,
    group_name,
    group_weights,
    names_of,
)

if TYPE_CHECKING:
    from hatstats.scores.scores import HatScores

Names = str | Sequence[str]
Side = tuple[Names, Names | None]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference in words and numbers, with the tails of its t statistic."""

    term: str
    estimate: float
    variance: float
    tails: Tails


def difference(scores: HatScores, a: Names, b: Names) -> Difference:
    """Mean score of the models `a` less that of the models `b`."""
    weights = group_weights(scores.models, a) - group_weights(scores.models, b)
    return Difference(
        f"{group_name(a)} - {group_name(b)}",
        float(weights @ scores.estimates),
        float(weights @ scores.covariance @ weights),
        scores.tails(weights[None]),
    )


def difference_in_languages(scores: HatScores, a: Side, b: Side) -> Difference:
    """Difference of two means over models and languages; None stands for all languages."""
    weights = _weights_on_cells(scores, a) - _weights_on_cells(scores, b)
    models = [group_name(group) for group, _ in (a, b)]
    where = ["all languages" if x is None else ", ".join(names_of(x)) for _, x in (a, b)]
    term = f"{models[0]} in {where[0]} - {models[1]} in {where[1]}"
    if where[0] == where[1]:
        term = f"{models[0]} - {models[1]} in {where[0]}"
    tails = Tails.unknown(1)
    if scores.cell_influence is not None:
        ends = np.cumsum([psi.shape[1] for psi in scores.cell_influence])[:-1]
        parts = zip(scores.cell_influence, np.split(weights, ends), strict=True)
        tails = Tails.from_sums(np.concatenate([psi @ own for psi, own in parts])[:, None])
    estimate = weights @ scores.cells["estimate"].to_numpy(dtype=float)
    return Difference(term, float(estimate), float(weights @ scores.cells_cov @ weights), tails)


def _weights_on_cells(scores: HatScores, side: Side) -> Floats:
    """Weights (C,) of the mean over some models, some of the shared languages, and benchmarks."""
    group, languages = side
    if scores.cells.empty:
        raise DataError(
            "these scores have no values per language",
            hint="make them by fit_profile(study).hat().",
        )
    parts = [rows for _, rows in scores.cells.groupby("benchmark", sort=False)]
    over_all = cell_weights(parts, scores.models)
    names = [rows["language"].to_numpy() for rows in parts]
    shared = [set(own[every.any(axis=0)]) for own, every in zip(names, over_all, strict=True)]
    chosen = set(chosen_languages(sorted(set().union(*shared)), languages))
    models = group_weights(scores.models, group)
    weights = []
    for rows, own, every, present in zip(parts, names, over_all, shared, strict=True):
        if not present & chosen:
            raise NotIdentifiedError(
                f"benchmark {rows['benchmark'].iloc[0]!r} has none of the languages "
                f"{', '.join(sorted(chosen))}; select the benchmarks that have them"
            )
        used = every * np.isin(own, sorted(chosen))
        weights.append(models @ used * len(present) / len(present & chosen))
    return np.concatenate(weights)
