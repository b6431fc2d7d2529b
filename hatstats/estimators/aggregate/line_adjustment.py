"""HAT by moving each model along the panel's path to the reference source accuracy."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg, special

from hatstats.errors import NotIdentifiedError
from hatstats.estimators.aggregate.panel_regression import Logits, Panel
from hatstats.inference.arrays import Floats
from hatstats.scores.counts import AggregateCounts
from hatstats.scores.reference import reference_mixture

_UNIFORM = (np.arange(50) + 0.5) / 50
# With more models the pooled reference is represented by quantiles of their logits: the cost grows
# with the square of the number of nodes.
_MAX_NODES = 60


def reference_nodes(
    reference: str | ArrayLike, counts: AggregateCounts, source: Floats
) -> tuple[Floats, Floats, bool]:
    """The reference of M models: source logits (..., R) of its nodes and weights (M, R).

    And whether the logits are those of the M models, `source` (..., M), with their sampling errors.
    """
    names, chance = counts.models, counts.chance
    if not isinstance(reference, str):
        reference_mixture(reference, names, np.array([0.0, 1.0]))
        values = np.asarray(reference, dtype=float).ravel()
        nodes = special.logit(np.clip((values - chance) / (1.0 - chance), 1e-3, 1.0 - 1e-3))
    elif reference == "uniform":
        nodes = special.logit(_UNIFORM)
    elif reference == "pooled" and len(names) > _MAX_NODES:
        levels = (np.arange(_MAX_NODES) + 0.5) / _MAX_NODES
        nodes = np.moveaxis(np.quantile(source, levels, axis=-1), 0, -1)
    else:
        mixing = reference_mixture(reference, names, np.zeros(len(names))).mixing
        return source, mixing, True
    size = nodes.shape[-1]
    return nodes, np.full((len(names), size), 1.0 / size), False


def sampling_covariance(logits: Logits, correlation: float) -> Floats:
    """Covariance (M + M L, M + M L) of source logits, then of target logits model by model.

    Two models have the stated correlation in each language.
    """
    count, languages = logits.target.shape
    sd = np.concatenate(
        [np.sqrt(logits.source_var), np.nan_to_num(np.sqrt(logits.target_var)).ravel()]
    )
    group = np.concatenate([np.full(count, -1), np.tile(np.arange(languages), count)])
    link = np.where(group[:, None] == group, correlation, 0.0)
    np.fill_diagonal(link, 1.0)
    return np.asarray(link * np.outer(sd, sd), dtype=float)


def filled_targets(logits: Logits, panel: Panel, b: int) -> tuple[Floats, Floats, Floats]:
    """Target logits (M, L) with missing cells predicted from the model's other languages.

    A missing cell is ``a_l + mean over the model's languages l' of (z_ml' - a_l')``. Beside it the
    derivatives of each cell with respect to the model's observed cells (M, L, L), and the variance
    of a predicted cell beyond that of the cells it is predicted from (M, L).
    """
    target = logits.target.copy()
    count, languages = target.shape
    intercepts = panel.intercepts(b, languages)
    # With one cell per model, the scatter of cells is part of the finest effect there is.
    scatter = list(panel.components.values())[-1]
    weights = np.zeros((count, languages, languages))
    extra = np.zeros((count, languages))
    for m in range(count):
        missing = np.isnan(logits.target[m])
        seen = ~missing
        if missing.all():
            raise NotIdentifiedError(
                f"benchmark {logits.counts.benchmark!r}: model {logits.counts.models[m]!r} has no "
                "accuracy in any target language"
            )
        weights[m, seen, seen] = 1.0
        weights[m][np.ix_(missing, seen)] = 1.0 / seen.sum()
        target[m, missing] = intercepts[missing] + np.mean(
            logits.target[m, seen] - intercepts[seen]
        )
        extra[m, missing] = scatter * (1.0 + 1.0 / seen.sum())
    return target, weights, extra


def line_scores(
    logits: Logits, panel: Panel, b: int, reference: str | ArrayLike, correlation: float
) -> tuple[Floats, Floats]:
    """HAT (M, L) of benchmark `b`, and its covariance with source accuracy.

    The covariance (M L + M, M L + M) is of the cells, model by model, then of the source accuracies
    (proportions).
    """
    chance = logits.counts.chance
    target, fill, extra = filled_targets(logits, panel, b)
    nodes, mixing, estimated = reference_nodes(reference, logits.counts, logits.source)
    count, languages = target.shape
    distance = panel.path_basis(b, nodes) - panel.path_basis(b, logits.source)[:, None]
    gain = panel.path(b, nodes) - panel.path(b, logits.source)[:, None]
    # [m, l, r]: model m in language l, had its source logit been that of reference node r.
    q = special.expit(target[:, :, None] + gain[:, None, :])
    weights = mixing[:, None, :]
    estimate = chance + (1.0 - chance) * (weights * q).sum(axis=2)
    if isinstance(reference, str) and reference == "own":
        # A cell at or below chance has no logit, but it has an accuracy.
        asked = logits.counts.target_trials > 0
        estimate[asked] = logits.counts.target_accuracy[asked]
    slope = (1.0 - chance) * weights * q * (1.0 - q)
    by_target = slope.sum(axis=2)

    # Columns: errors of source logits (M), of target logits (M L), of the path's coefficients.
    size, width = count * languages, distance.shape[-1]
    own = panel.path(b, logits.source, slopes=True)
    gradient = np.zeros((size + count, count + size + width))
    rows = np.arange(size)
    gradient[rows, np.repeat(np.arange(count), languages)] = -(own[:, None] * by_target).ravel()
    if estimated:
        gradient[:size, :count] += own * slope.reshape(size, count)
    for m in range(count):
        cells = slice(m * languages, (m + 1) * languages)
        observed = slice(count + m * languages, count + (m + 1) * languages)
        gradient[cells, observed] = by_target[m][:, None] * fill[m]
    gradient[:size, count + size :] = np.einsum("mlr,mrk->mlk", slope, distance).reshape(
        size, width
    )
    accuracy, trials = logits.counts.source_accuracy, logits.counts.source_trials
    gradient[size + np.arange(count), np.arange(count)] = np.sqrt(
        accuracy * (1.0 - accuracy) / trials / logits.source_var
    )
    errors = linalg.block_diag(sampling_covariance(logits, correlation), panel.path_covariance(b))
    cov = gradient @ errors @ gradient.T
    cov[rows, rows] += (by_target**2 * extra).ravel()
    return estimate, cov
