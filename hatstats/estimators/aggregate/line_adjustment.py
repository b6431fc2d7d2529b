"""Moving each model along the panel's line to the reference: the algebra of aggregate HAT."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from hatstats.errors import NotIdentifiedError
from hatstats.estimators.aggregate.panel_regression import Logits, Panel
from hatstats.scores.reference import reference_mixture

Floats = NDArray[np.float64]

_UNIFORM = (np.arange(50) + 0.5) / 50
# Beyond so many models the pooled reference is represented by quantiles of their logits: the
# cost grows with the square of the number of nodes.
_MAX_NODES = 60


@dataclass(frozen=True, slots=True)
class _Nodes:
    """Reference logits, and the model whose source logit each one is (None if fixed)."""

    values: Floats
    owners: tuple[int | None, ...]


def _reference_nodes(reference: str | ArrayLike, part: Logits) -> tuple[_Nodes, Floats]:
    """Nodes (R,) of the reference on the logit scale and each model's weights on them (M, R)."""
    names, chance = part.counts.models, part.counts.chance
    count = len(names)
    if isinstance(reference, str) and reference == "uniform":
        nodes = _Nodes(special.logit(_UNIFORM), (None,) * _UNIFORM.size)
        return nodes, np.full((count, _UNIFORM.size), 1.0 / _UNIFORM.size)
    if not isinstance(reference, str):
        reference_mixture(reference, names, np.array([0.0, 1.0]))
        values = np.asarray(reference, dtype=float).ravel()
        corrected = np.clip((values - chance) / (1.0 - chance), 1e-3, 1.0 - 1e-3)
        nodes = _Nodes(special.logit(corrected), (None,) * values.size)
        return nodes, np.full((count, values.size), 1.0 / values.size)
    mixing = reference_mixture(reference, names, np.zeros(count)).mixing
    if reference == "pooled" and count > _MAX_NODES:
        quantiles = np.quantile(part.source, (np.arange(_MAX_NODES) + 0.5) / _MAX_NODES)
        nodes = _Nodes(quantiles, (None,) * _MAX_NODES)
        return nodes, np.full((count, _MAX_NODES), 1.0 / _MAX_NODES)
    return _Nodes(part.source, tuple(range(count))), mixing


def sampling_covariance(part: Logits, correlation: float) -> Floats:
    """Covariance of source logits (M) and target logits (M L): models correlated by language."""
    count, languages = part.target.shape
    sd = np.concatenate([np.sqrt(part.source_var), np.nan_to_num(np.sqrt(part.target_var)).ravel()])
    group = np.concatenate([np.full(count, -1), np.tile(np.arange(languages), count)])
    link = np.where(group[:, None] == group, correlation, 0.0)
    np.fill_diagonal(link, 1.0)
    return np.asarray(link * np.outer(sd, sd), dtype=float)


def _bordered(matrix: Floats, corner: float) -> Floats:
    """Block-diagonal matrix of `matrix` and one more variance."""
    size = matrix.shape[0]
    out = np.zeros((size + 1, size + 1))
    out[:size, :size] = matrix
    out[size, size] = corner
    return out


def filled_targets(part: Logits, panel: Panel, b: int) -> tuple[Floats, Floats, Floats]:
    """Target logits with missing cells predicted from the model's other languages.

    A missing cell is ``a_l + mean over the model's languages l' of (z_ml' - a_l')``.

    Returns
    -------
    target : ndarray, shape (M, L)
    weights : ndarray, shape (M, L, L)
        Dependence of each cell on the model's observed cells.
    extra : ndarray, shape (M, L)
        Variance of a predicted cell beyond that of the cells it rests on.
    """
    target = part.target.copy()
    count, languages = target.shape
    intercepts = panel.intercepts(b, languages)
    # With one cell per model, the scatter of cells is part of the finest effect there is.
    scatter = list(panel.components.values())[-1]
    weights = np.zeros((count, languages, languages))
    extra = np.zeros((count, languages))
    for m in range(count):
        seen = ~np.isnan(part.target[m])
        if not seen.any():
            raise NotIdentifiedError(
                f"benchmark {part.counts.benchmark!r}: model {part.counts.models[m]!r} has no "
                "accuracy in any target language"
            )
        weights[m, seen, seen] = 1.0
        missing = np.flatnonzero(~seen)
        weights[np.ix_([m], missing, np.flatnonzero(seen))] = 1.0 / seen.sum()
        target[m, missing] = intercepts[missing] + np.mean(part.target[m, seen] - intercepts[seen])
        extra[m, missing] = scatter * (1.0 + 1.0 / seen.sum())
    return target, weights, extra


def line_scores(
    part: Logits, panel: Panel, b: int, reference: str | ArrayLike, correlation: float
) -> tuple[Floats, Floats]:
    """HAT of every model and language of benchmark `b`, and the covariance with source accuracy.

    Returns
    -------
    estimate : ndarray, shape (M, L)
    cov : ndarray, shape (M L + M, M L + M)
        Of the cells, model by model, then of the source accuracies (proportions).
    """
    chance = part.counts.chance
    beta = float(panel.slopes()[b])
    target, fill, extra = filled_targets(part, panel, b)
    nodes, mixing = _reference_nodes(reference, part)
    count, languages = target.shape
    distance = nodes.values - part.source[:, None]
    # [m, l, r]: model m in language l, had its source logit been that of reference node r.
    q = special.expit(target[:, :, None] + beta * distance[:, None, :])
    weights = mixing[:, None, :]
    estimate = chance + (1.0 - chance) * (weights * q).sum(axis=2)
    if isinstance(reference, str) and reference == "own":
        # A cell at or below chance has no logit, but it has an accuracy.
        seen = part.counts.target_trials > 0
        estimate[seen] = part.counts.target_accuracy[seen]
    slope = (1.0 - chance) * weights * q * (1.0 - q)
    by_target = slope.sum(axis=2)

    # Columns: errors of source logits (M), of target logits (M L), of the slope (1).
    size = count * languages
    gradient = np.zeros((size + count, count + size + 1))
    rows = np.arange(size)
    gradient[rows, np.repeat(np.arange(count), languages)] = -beta * by_target.ravel()
    for node, owner in enumerate(nodes.owners):
        if owner is not None:
            gradient[rows, owner] += beta * slope[:, :, node].ravel()
    for m in range(count):
        cells = slice(m * languages, (m + 1) * languages)
        observed = slice(count + m * languages, count + (m + 1) * languages)
        gradient[cells, observed] = by_target[m][:, None] * fill[m]
    gradient[rows, -1] = (slope * distance[:, None, :]).sum(axis=2).ravel()
    accuracy, trials = part.counts.source_accuracy, part.counts.source_trials
    gradient[size + np.arange(count), np.arange(count)] = np.sqrt(
        accuracy * (1.0 - accuracy) / trials / part.source_var
    )
    errors = _bordered(sampling_covariance(part, correlation), float(panel.slope_variances()[b]))
    cov = gradient @ errors @ gradient.T
    cov[rows, rows] += (by_target**2 * extra).ravel()
    return estimate, cov
