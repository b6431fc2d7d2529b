"""Weights that average values per model, benchmark and language into one per model, or compare two.

Two models, or two means of models, are compared over all languages or some.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.inference.arrays import Floats
from hatstats.inference.validation import member


def models_on_every(names: Sequence[str], benchmarks: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Those of the names that are among the models of every benchmark, at least one."""
    shared = set(names).intersection(*benchmarks)
    if not shared:
        raise NotIdentifiedError(
            "no model has results on every benchmark, so that none has a score over all of them; "
            "select one benchmark, or add the missing results"
        )
    return tuple(name for name in names if name in shared)


def common_languages(cells: pd.DataFrame) -> dict[str, list[str]]:
    """Languages in which every model of a benchmark has an estimate: equal sets for all."""
    shared: dict[str, list[str]] = {}
    for benchmark, rows in cells.groupby("benchmark", sort=False):
        found = set.intersection(*(set(part["language"]) for _, part in rows.groupby("model")))
        if not found:
            raise NotIdentifiedError(
                f"benchmark {benchmark!r}: no target language was asked of every model, so that "
                "their scores cannot be compared; leave out the models with few languages"
            )
        shared[str(benchmark)] = sorted(found)
    return shared


def partial_languages(cells: pd.DataFrame) -> list[str]:
    """Languages in no average, since some model lacks them; with several benchmarks, on which."""
    shared = common_languages(cells)
    return [
        str(language) if len(shared) == 1 else f"{language} on {benchmark}"
        for benchmark, rows in cells.groupby("benchmark", sort=False)
        for language in sorted(set(rows["language"]) - set(shared[str(benchmark)]))
    ]


def cell_weights(cells: Sequence[pd.DataFrame], models: Sequence[str]) -> list[sparse.csr_array]:
    """Weights (M, C_b) of the cells of each benchmark, over shared languages, then benchmarks."""
    shared = common_languages(pd.concat(cells, ignore_index=True))
    weights = []
    for rows in cells:
        languages = shared[rows["benchmark"].iloc[0]] if len(rows) else []
        model = pd.Index(models).get_indexer(pd.Index(rows["model"]))
        used = np.flatnonzero(rows["language"].isin(languages) & (model >= 0))
        share = np.full(used.size, 1.0 / (max(len(languages), 1) * len(shared)))
        place = model[used], used
        weights.append(sparse.csr_array((share, place), (len(models), len(rows))))
    return weights


def chosen_languages(
    present: Sequence[str], languages: Sequence[str] | str | None, exclude: Sequence[str] | str = ()
) -> list[str]:
    """Languages to average over: those named, or all that are present, less those excluded."""
    named = names_of(present if languages is None else languages)
    excluded = names_of(exclude)
    for name in (*named, *excluded):
        member("language", name, present, "no such target language in these scores")
    kept = [name for name in named if name not in excluded]
    if not kept:
        raise DataError("no target language is left", hint="name one or more, exclude fewer.")
    return kept


def group_weights(models: Sequence[str], group: Sequence[str] | str) -> Floats:
    """Weights (M,) of the mean over one model or a group of models, each named once."""
    named = names_of(group)
    for name in named:
        member("model", name, models, "no such model in these scores")
    if not named or len(set(named)) < len(named):
        text = "a group of models names one or more models, each once"
        hint = "give a name or a list of names."
        raise DataError(text, column="model", value=", ".join(named), hint=hint)
    return np.isin(models, named) / len(named)


def group_name(group: Sequence[str] | str) -> str:
    """A group in words: its only model, or ``mean(a, b)``."""
    named = names_of(group)
    return named[0] if len(named) == 1 else f"mean({', '.join(named)})"


def names_of(group: Sequence[str] | str) -> list[str]:
    """One name or several as a list."""
    return [group] if isinstance(group, str) else [str(name) for name in group]


Names = str | Sequence[str]
Side = tuple[Names, Names | None]


def difference(models: Sequence[str], a: Names, b: Names) -> tuple[str, Floats]:
    """Mean of the models `a` less that of the models `b`, in words and as weights (M,)."""
    weights = group_weights(models, a) - group_weights(models, b)
    return f"{group_name(a)} - {group_name(b)}", weights


def difference_in_languages(
    models: Sequence[str], cells: pd.DataFrame, a: Side, b: Side
) -> tuple[str, Floats]:
    """Difference of means over models and languages (None: all), in words and as weights (C,)."""
    weights = _weights_on_cells(models, cells, a) - _weights_on_cells(models, cells, b)
    names = [group_name(group) for group, _ in (a, b)]
    where = ["all languages" if x is None else ", ".join(names_of(x)) for _, x in (a, b)]
    if where[0] == where[1]:
        return f"{names[0]} - {names[1]} in {where[0]}", weights
    return f"{names[0]} in {where[0]} - {names[1]} in {where[1]}", weights


def _weights_on_cells(models: Sequence[str], cells: pd.DataFrame, side: Side) -> Floats:
    """Weights (C,) of the mean over some models, some of the shared languages, and benchmarks."""
    group, languages = side
    if cells.empty:
        hint = "make them by fit_profile(study).hat()."
        raise DataError("these scores have no values per language", hint=hint)
    parts = [rows for _, rows in cells.groupby("benchmark", sort=False)]
    over_all = cell_weights(parts, models)
    names = [rows["language"].to_numpy() for rows in parts]
    shared = [set(own[every.indices]) for own, every in zip(names, over_all, strict=True)]
    chosen = set(chosen_languages(sorted(set().union(*shared)), languages))
    over_models = group_weights(models, group)
    weights = []
    for rows, own, every, present in zip(parts, names, over_all, shared, strict=True):
        if not present & chosen:
            raise NotIdentifiedError(
                f"benchmark {rows['benchmark'].iloc[0]!r} has none of the languages "
                f"{', '.join(sorted(chosen))}; select the benchmarks that have them"
            )
        used = np.isin(own, sorted(chosen)) * len(present) / len(present & chosen)
        weights.append((over_models @ every) * used)
    return np.concatenate(weights)
