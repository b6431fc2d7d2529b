"""From values per model, benchmark and language to scores per model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

from hatstats.errors import DegenerateDataWarning, NotIdentifiedError
from hatstats.inference.influence import Tails, covariance_of_sums
from hatstats.inference.intervals import NO_SPREAD
from hatstats.inference.tidy import standard_errors
from hatstats.scores.reference import reference_name
from hatstats.scores.scores import HatScores
from hatstats.scores.transfer_profile import TransferProfile

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ScoreBlock:
    """HAT cells and source accuracies of one benchmark with their joint covariance.

    Attributes
    ----------
    cells : DataFrame
        `model, benchmark, language, estimate`, C rows.
    source : DataFrame
        `model, estimate`, mean source accuracy, S rows.
    cov : ndarray, shape (C + S, C + S)
    overlap : DataFrame
        See `HatScores`.
    influence : ndarray, shape (G, C), optional
        Influence of each item or item cluster on each cell, where items are known.
    """

    cells: pd.DataFrame
    source: pd.DataFrame
    cov: Floats
    overlap: pd.DataFrame
    influence: Floats | None = None

    @property
    def tails(self) -> Tails:
        """Degrees of freedom and skewness of the cells."""
        if self.influence is None:
            return Tails.unknown(len(self.cells))
        return Tails.from_sums(self.influence)


@dataclass(frozen=True, slots=True, eq=False)
class ModelScores:
    """Scores of models with the influence of each benchmark's item clusters.

    Attributes
    ----------
    models : tuple of str, length M
    params : ndarray, shape (M,)
    influence : tuple of ndarray, each (G_b, M)
        Influence of the clusters of one benchmark; benchmarks share no items.
    """

    models: tuple[str, ...]
    params: Floats
    influence: tuple[Floats, ...]

    @property
    def cov(self) -> Floats:
        """Covariance over models, shape (M, M): sum over benchmarks of G/(G-1) psi' psi."""
        return reduce(np.add, [covariance_of_sums(psi) for psi in self.influence])

    def less(self, other: ModelScores) -> ModelScores:
        """Difference of two sets of scores of the same models on the same items."""
        influence = tuple(a - b for a, b in zip(self.influence, other.influence, strict=True))
        return ModelScores(self.models, self.params - other.params, influence)


def models_on_every(names: Sequence[str], benchmarks: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Those of the names that are among the models of every benchmark.

    Raises
    ------
    NotIdentifiedError
        If none is.
    """
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

    Raises
    ------
    NotIdentifiedError
        If the models of a benchmark share no language.
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
    """Weights that average cells over shared languages, then over benchmarks, into models.

    Parameters
    ----------
    cells : sequence of DataFrame
        `model, benchmark, language` of the C_b cells of each of B benchmarks.
    models : sequence of str, length M

    Returns
    -------
    list of ndarray, each (M, C_b)
    """
    shared = common_languages(pd.concat(cells, ignore_index=True))
    weights = []
    for rows in cells:
        languages = shared[rows["benchmark"].iloc[0]] if len(rows) else []
        used = rows["language"].isin(languages).to_numpy()
        same = np.array(models)[:, None] == rows["model"].to_numpy()[None, :]
        weights.append((same & used) / (max(len(languages), 1) * len(shared)))
    return weights


def _warn_of_no_spread(cells: pd.DataFrame) -> None:
    """Say why a cell has no interval: its items do not differ, or there is one item only."""
    error = cells["std_error"].to_numpy(dtype=float)
    for found, reason in (
        (error <= NO_SPREAD, "their answers are all the same, so that no item moves them"),
        (np.isnan(error), "one item or item cluster tells nothing of spread over items"),
    ):
        if found.any():
            names = cells.loc[found, ["model", "benchmark", "language"]].agg(", ".join, axis=1)
            more = f" and {found.sum() - 3} more" if found.sum() > 3 else ""
            warnings.warn(
                f"no interval for {'; '.join(names[:3])}{more}: {reason}",
                DegenerateDataWarning,
                stacklevel=4,
            )


def assemble(
    profile: TransferProfile, reference: str | ArrayLike, blocks: Sequence[ScoreBlock]
) -> HatScores:
    """Average cells over shared languages, then benchmarks, with the full covariance.

    Parameters
    ----------
    profile : TransferProfile
    reference : str or array_like
    blocks : sequence of ScoreBlock
        One per benchmark, under that reference; benchmarks have no items in common.

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
    models = profile.complete_models
    count = len(models)
    weights = cell_weights([block.cells for block in blocks], models)
    values, joint = np.zeros(2 * count), np.zeros((2 * count, 2 * count))
    for block, own in zip(blocks, weights, strict=True):
        same = np.array(models)[:, None] == block.source["model"].to_numpy()[None, :]
        both = linalg.block_diag(own, same / len(blocks))
        values += both @ np.concatenate([block.cells["estimate"], block.source["estimate"]])
        joint += both @ block.cov @ both.T
    cells_cov = linalg.block_diag(
        *(block.cov[: len(block.cells), : len(block.cells)] for block in blocks)
    )
    cells = pd.concat([block.cells for block in blocks], ignore_index=True).assign(
        std_error=standard_errors(cells_cov),
        df=np.concatenate([block.tails.df for block in blocks]),
        skewness=np.concatenate([block.tails.skewness for block in blocks]),
    )
    _warn_of_no_spread(cells)
    facts = profile.study.models.set_index("model", drop=False).loc[list(models)]
    influence = [
        block.influence @ own.T
        for block, own in zip(blocks, weights, strict=True)
        if block.influence is not None
    ]
    return HatScores(
        models=models,
        params=values[:count],
        cov=joint[:count, :count],
        reference=reference_name(reference),
        method=profile.method,
        estimand=profile.estimand,
        covariates=facts.reset_index(drop=True),
        source=values[count:],
        joint_cov=joint,
        cells=cells,
        cells_cov=cells_cov,
        overlap=pd.concat([block.overlap for block in blocks], ignore_index=True),
        influence=np.concatenate(influence) if len(influence) == len(blocks) else None,
    )
