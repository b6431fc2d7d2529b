"""Weights that average values per model, benchmark and language into one per model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.inference.arrays import Floats


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
    """Languages in which every model of a benchmark has an estimate, by benchmark.

    Averaging each model over whatever languages it has would mix easy sets with hard ones.
    """
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


def cell_weights(cells: Sequence[pd.DataFrame], models: Sequence[str]) -> list[Floats]:
    """Weights over shared languages, then benchmarks: one (M, C_b) array per benchmark.

    `cells` has `model, benchmark, language` of the C_b cells of each benchmark.
    """
    shared = common_languages(pd.concat(cells, ignore_index=True))
    weights = []
    for rows in cells:
        languages = shared[rows["benchmark"].iloc[0]] if len(rows) else []
        used = rows["language"].isin(languages).to_numpy()
        same = np.array(models)[:, None] == rows["model"].to_numpy()[None, :]
        weights.append((same & used) / (max(len(languages), 1) * len(shared)))
    return weights


def chosen_languages(
    present: Sequence[str], languages: Sequence[str] | str | None, exclude: Sequence[str] | str = ()
) -> list[str]:
    """Languages to average over: those named, or all that are present, less those excluded."""
    named = names_of(present if languages is None else languages)
    excluded = names_of(exclude)
    for name in (*named, *excluded):
        _require("target language", "language", name, present)
    kept = [name for name in named if name not in excluded]
    if not kept:
        raise DataError("no target language is left", hint="name one or more, exclude fewer.")
    return kept


def group_weights(models: Sequence[str], group: Sequence[str] | str) -> Floats:
    """Weights (M,) of the mean over one model or a group of models, each named once."""
    named = names_of(group)
    for name in named:
        _require("model", "model", name, models)
    if not named or len(set(named)) < len(named):
        text = "a group of models names one or more models, each once"
        hint = "give a name or a list of names."
        raise DataError(text, column="model", value=", ".join(named), hint=hint)
    return np.isin(models, named) / len(named)


def group_name(group: Sequence[str] | str) -> str:
    """A group in words: its only model, or ``mean(a, b)``."""
    named = names_of(group)
    return named[0] if len(named) == 1 else f"mean({', '.join(named)})"


def _require(what: str, column: str, name: str, present: Sequence[str]) -> None:
    """Refuse a name that is not among those present."""
    if name not in present:
        hint = f"choose among {', '.join(present)}."
        raise DataError(f"no such {what} in these scores", column=column, value=name, hint=hint)


def names_of(group: Sequence[str] | str) -> list[str]:
    """One name or several as a list."""
    return [group] if isinstance(group, str) else [str(name) for name in group]
