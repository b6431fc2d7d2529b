"""From values per model and language to scores per model, with the influence of every item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.inference.influence import cluster_sums
from hatstats.scores.average_cells import model_weights
from hatstats.scores.item_profile import BenchmarkFit, ItemProfile, cells_frame
from hatstats.scores.transfer_profile import TransferProfile

Floats = NDArray[np.float64]


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
        total = np.zeros((len(self.models),) * 2)
        for psi in self.influence:
            groups = psi.shape[0]
            total += psi.T @ psi * (groups / (groups - 1.0) if groups > 1 else np.nan)
        return total

    def less(self, other: ModelScores) -> ModelScores:
        """Difference of two sets of scores of the same models on the same items."""
        influence = tuple(a - b for a, b in zip(self.influence, other.influence, strict=True))
        return ModelScores(self.models, self.params - other.params, influence)


@dataclass(frozen=True, slots=True, eq=False)
class CellScores:
    """Values of one benchmark per model and language, with the influence of items.

    Attributes
    ----------
    estimate : ndarray, shape (M, L)
        NaN for languages that a model was never asked in.
    influence : ndarray, shape (N, M, L)
    """

    estimate: Floats
    influence: Floats


def item_profile(profile: TransferProfile, purpose: str) -> ItemProfile:
    """The profile itself if it was learnt from items, else an error that says what is missing.

    Raises
    ------
    NotIdentifiedError
        If the profile rests on a table of means.
    """
    if not isinstance(profile, ItemProfile):
        raise NotIdentifiedError(
            f"{purpose} needs counts per item, and a profile by method {profile.method!r} rests on "
            "accuracies per language. What is missing: a study with items, and method 'latent' or "
            "'observed'."
        )
    return profile


def complete_models(profile: ItemProfile) -> tuple[str, ...]:
    """Models that have every benchmark, in the study's order."""
    names = [set(fit.counts.models) for fit in profile.fits]
    return tuple(name for name in profile.study.model_names if all(name in one for one in names))


def average_cells(
    profile: ItemProfile, parts: Sequence[CellScores], *, fits: Sequence[BenchmarkFit] | None = None
) -> ModelScores:
    """Average cells over shared languages, then benchmarks, as HAT does, with influence.

    Parameters
    ----------
    profile : ItemProfile
    parts : sequence of CellScores
        One per benchmark fit.
    fits : sequence of BenchmarkFit, optional
        Benchmarks to average over, in the order of `parts`; all if not given.

    Returns
    -------
    ModelScores
        Of the models that have every benchmark of the study.

    Raises
    ------
    NotIdentifiedError
        If no model has every benchmark, or the models of one share no language.
    """
    chosen = tuple(profile.fits if fits is None else fits)
    models = complete_models(profile)
    if not models:
        raise NotIdentifiedError(
            "no model has results on every benchmark, so that none has a score over all of them"
        )
    frames = [cells_frame(fit, part.estimate) for fit, part in zip(chosen, parts, strict=True)]
    weights = model_weights(pd.concat(frames, ignore_index=True), models)
    params, influence, at = np.zeros(len(models)), [], 0
    for fit, part, frame in zip(chosen, parts, frames, strict=True):
        own = weights[:, at : at + len(frame)]
        at += len(frame)
        params += own @ frame["estimate"].to_numpy(dtype=float)
        there = ~np.isnan(part.estimate)
        influence.append(cluster_sums(part.influence[:, there] @ own.T, fit.counts.clusters))
    return ModelScores(models, params, tuple(influence))


def score_influence(profile: ItemProfile, reference: str | ArrayLike = "pooled") -> ModelScores:
    """HAT scores of the models with the influence of every item cluster.

    Parameters
    ----------
    profile : ItemProfile
    reference : str or array_like
        See `hatstats.scores.reference.reference_mixture`.

    Returns
    -------
    ModelScores
        ``cov`` equals that of ``profile.hat(reference)``.
    """
    parts = [CellScores(*fit.scores(reference)[:2]) for fit in profile.fits]
    return average_cells(profile, parts)


def count_at_least(value: int, least: int, name: str) -> int:
    """A whole number not below `least`, or a `DataError` that names the argument."""
    if int(value) != value or value < least:
        raise DataError(
            f"{name} must be a whole number, {least} or more",
            column=name,
            value=value,
            hint=f"give {least} or more.",
        )
    return int(value)
