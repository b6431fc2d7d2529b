"""From estimates per model, benchmark and language to scores per model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hatstats.errors import DegenerateDataWarning, NotIdentifiedError
from hatstats.inference.influence import Tails
from hatstats.inference.intervals import NO_SPREAD
from hatstats.inference.tidy import standard_errors
from hatstats.scores.scores import HatScores
from hatstats.study import Study

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ScoreBlock:
    """HAT cells and source accuracies of one benchmark with their joint covariance.

    Attributes
    ----------
    cells : DataFrame
        `model, benchmark, language, estimate`, C rows.
    source : DataFrame
        `model, estimate`, mean source accuracy, M rows.
    cov : ndarray, shape (C + M, C + M)
    overlap : DataFrame
        See `HatScores`.
    influence : ndarray, shape (G, C), optional
        What each item or item cluster does to each cell, where items are known.
    """

    cells: pd.DataFrame
    source: pd.DataFrame
    cov: Floats
    overlap: pd.DataFrame
    influence: Floats | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """How scores were made: estimator, reference and estimand, in words."""

    method: str
    reference: str
    estimand: str


def common_languages(cells: pd.DataFrame) -> dict[str, list[str]]:
    """Languages in which every model of a benchmark has an estimate, by benchmark.

    Averaging each model over whatever languages it has would mix easy sets with hard ones.

    Raises
    ------
    NotIdentifiedError
        If the models of a benchmark share no language.
    """
    shared: dict[str, list[str]] = {}
    for benchmark, rows in cells.groupby("benchmark", sort=False):
        sets = [set(part["language"]) for _, part in rows.groupby("model")]
        both = set.intersection(*sets)
        if not both:
            raise NotIdentifiedError(
                f"benchmark {benchmark!r}: no target language was asked of every model, so that "
                "their scores cannot be compared; leave out the models with few languages"
            )
        shared[str(benchmark)] = sorted(both)
    return shared


def model_weights(cells: pd.DataFrame, models: Sequence[str]) -> Floats:
    """Matrix (M, C) that averages cells into models: over shared languages, then benchmarks."""
    shared = common_languages(cells)
    weights = np.zeros((len(models), len(cells)))
    model = pd.Index(models).get_indexer(pd.Index(cells["model"]))
    for column, (benchmark, language) in enumerate(
        zip(cells["benchmark"], cells["language"], strict=True)
    ):
        if language in shared[benchmark] and model[column] >= 0:
            weights[model[column], column] = 1.0 / (len(shared[benchmark]) * len(shared))
    return weights


def _stacked(blocks: Sequence[ScoreBlock]) -> Floats:
    """Joint covariance of all cells, then all sources; benchmarks do not share items."""
    total = sum(len(block.cells) for block in blocks)
    size = sum(block.cov.shape[0] for block in blocks)
    cov = np.zeros((size, size))
    at, source_at = 0, total
    for block in blocks:
        count, more = len(block.cells), len(block.source)
        place = np.r_[at : at + count, source_at : source_at + more]
        cov[np.ix_(place, place)] = block.cov
        at, source_at = at + count, source_at + more
    return cov


def _tails(block: ScoreBlock) -> Tails:
    return Tails.unknown(len(block.cells)) if block.influence is None else Tails.of(block.influence)


def _influence(blocks: Sequence[ScoreBlock], weights: Floats) -> Floats | None:
    """Influence of all clusters on averages of cells, (G, M), for weights (M, C)."""
    parts, at = [], 0
    for block in blocks:
        if block.influence is None:
            return None
        count = len(block.cells)
        parts.append(block.influence @ weights[:, at : at + count].T)
        at += count
    return np.concatenate(parts)


def _warn_of_no_spread(cells: pd.DataFrame) -> None:
    """Say why a cell has no interval: its items do not differ, or there is one item only."""
    error = cells["std_error"].to_numpy(dtype=float)
    for found, reason in (
        (error <= NO_SPREAD, "their answers are alike, so that no item moves them"),
        (np.isnan(error), "one item or item cluster tells nothing of spread over items"),
    ):
        if found.any():
            places = cells.loc[found, ["model", "benchmark", "language"]].agg(", ".join, axis=1)
            more = f" and {found.sum() - 3} more" if found.sum() > 3 else ""
            warnings.warn(
                f"no interval for {'; '.join(places[:3])}{more}: {reason}",
                DegenerateDataWarning,
                stacklevel=4,
            )


def assemble(study: Study, blocks: Sequence[ScoreBlock], label: Label) -> HatScores:
    """Average cells over shared languages, then benchmarks, with the full covariance.

    Parameters
    ----------
    study : Study
    blocks : sequence of ScoreBlock
        One per benchmark; benchmarks have no items in common.
    label : Label

    Returns
    -------
    HatScores
        Of the models that have every benchmark; others keep their cells.

    Raises
    ------
    NotIdentifiedError
        If no model has every benchmark, or the models of one share no language.

    Warns
    -----
    DegenerateDataWarning
        For cells without an interval: a standard error of 0 is no certainty.
    """
    cells = pd.concat([block.cells for block in blocks], ignore_index=True)
    source = pd.concat([block.source for block in blocks], ignore_index=True)
    times = source["model"].value_counts()
    models = [name for name in study.model_names if times.get(name, 0) == len(blocks)]
    if not models:
        raise NotIdentifiedError(
            "no model has results on every benchmark, so that none has a score over all of them; "
            "select one benchmark, or add the missing results"
        )
    cov, total, count = _stacked(blocks), len(cells), len(models)
    weights = np.zeros((2 * count, total + len(source)))
    weights[:count, :total] = model_weights(cells, models)
    row = pd.Index(models).get_indexer(pd.Index(source["model"]))
    known = np.flatnonzero(row >= 0)
    weights[count + row[known], total + known] = 1.0 / len(blocks)
    values = weights @ np.concatenate([cells["estimate"], source["estimate"]])
    joint = weights @ cov @ weights.T
    facts = study.models.set_index("model", drop=False).loc[models]
    cells = cells.assign(std_error=standard_errors(cov[:total, :total]))
    tails = [_tails(block) for block in blocks]
    cells["df"] = np.concatenate([each.df for each in tails])
    cells["skewness"] = np.concatenate([each.skewness for each in tails])
    _warn_of_no_spread(cells)
    return HatScores(
        models=tuple(models),
        params=values[:count],
        cov=joint[:count, :count],
        reference=label.reference,
        method=label.method,
        estimand=label.estimand,
        covariates=facts.reset_index(drop=True),
        source=values[count:],
        joint_cov=joint,
        cells=cells,
        cells_cov=cov[:total, :total],
        overlap=pd.concat([block.overlap for block in blocks], ignore_index=True),
        influence=_influence(blocks, weights[:count, :total]),
    )
