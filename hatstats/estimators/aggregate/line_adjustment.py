"""HAT by moving each model along the panel's path to the reference source accuracy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse, special

from hatstats.errors import NotIdentifiedError
from hatstats.estimators.aggregate.panel_regression import Logits, Panel
from hatstats.inference.arrays import Floats
from hatstats.inference.error_rows import ErrorRows
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


def sampling_errors(logits: Logits, correlation: float) -> sparse.csr_array:
    """Errors of unit variance (E, M + M L) of source logits, then of target logits by model.

    Two models have the stated correlation in each language, by an error of the language.
    """
    count, languages = logits.target.shape
    sd = np.concatenate(
        [np.sqrt(logits.source_var), np.nan_to_num(np.sqrt(logits.target_var)).ravel()]
    )
    own = sparse.diags_array(np.sqrt(1.0 - correlation) * sd, format="csr")
    if correlation == 0.0:
        return own
    group = np.concatenate([np.zeros(count, int), np.tile(1 + np.arange(languages), count)])
    place = group, np.arange(sd.size)
    shared = sparse.csr_array((np.sqrt(correlation) * sd, place), (1 + languages, sd.size))
    return sparse.vstack([own, shared], format="csr")


def filled_targets(logits: Logits, panel: Panel, b: int) -> tuple[Floats, sparse.csr_array, Floats]:
    """Target logits (M, L) with missing cells predicted from the model's other languages.

    A missing cell is ``a_l + mean over the model's languages l' of (z_ml' - a_l')``. Beside it the
    derivatives of all cells with respect to observed ones (M L, M L), and the variance of a
    predicted cell beyond that of the cells it is predicted from (M, L).
    """
    target = logits.target.copy()
    count, languages = target.shape
    intercepts = panel.intercepts(b, languages)
    # With one cell per model, the scatter of cells is part of the finest effect there is.
    scatter = list(panel.components.values())[-1]
    extra = np.zeros((count, languages))
    unknown = np.isnan(logits.target)
    rows = [np.flatnonzero(~unknown)]
    columns, weights = [*rows], [np.ones(rows[0].size)]
    for m in np.flatnonzero(unknown.any(axis=1)):
        missing, seen = np.flatnonzero(unknown[m]), np.flatnonzero(~unknown[m])
        if not seen.size:
            raise NotIdentifiedError(
                f"benchmark {logits.counts.benchmark!r}: model {logits.counts.models[m]!r} has no "
                "accuracy in any target language"
            )
        rows.append(m * languages + np.repeat(missing, seen.size))
        columns.append(m * languages + np.tile(seen, missing.size))
        weights.append(np.full(missing.size * seen.size, 1.0 / seen.size))
        target[m, missing] = intercepts[missing] + np.mean(
            logits.target[m, seen] - intercepts[seen]
        )
        extra[m, missing] = scatter * (1.0 + 1.0 / seen.size)
    place = np.concatenate(rows), np.concatenate(columns)
    fill = sparse.csr_array((np.concatenate(weights), place), (target.size, target.size))
    return target, fill, extra


def line_scores(
    logits: Logits,
    panel: Panel,
    b: int,
    reference: str | ArrayLike,
    correlation: float,
    progress: Callable[[float], None] = lambda share: None,
) -> tuple[Floats, ErrorRows]:
    """HAT (M, L) of benchmark `b`, and its errors with those of source accuracy.

    Errors (M L + M) are of the cells, model by model, then of the source accuracies (proportions).
    Those of the path are common to benchmarks.
    """
    chance = logits.counts.chance
    target, fill, extra = filled_targets(logits, panel, b)
    nodes, mixing, estimated = reference_nodes(reference, logits.counts, logits.source)
    count, languages = target.shape
    line, steep = (panel.path(b, logits.source, slopes=which) for which in (False, True))
    basis, at_nodes = panel.path_basis(b, logits.source), panel.path_basis(b, nodes)
    on_path = panel.path(b, nodes)
    estimate, by_target = np.empty((2, count, languages))
    by_path = np.empty((count, languages, basis.shape[1]))
    # Places and values of derivatives with respect to errors of source logits (M) and of target
    # logits (M L).
    cells = np.arange(count * languages, dtype=np.int32).reshape(count, languages)
    places: list[tuple[Any, Any]] = []
    values: list[Floats] = []
    for m in range(count):
        progress(m / count)
        used = np.flatnonzero(mixing[m])
        # [l, r]: model m in language l, had its source logit been that of reference node r.
        q = special.expit(target[m, :, None] + on_path[used] - line[m])
        estimate[m] = chance + (1.0 - chance) * (q @ mixing[m, used])
        slope = (1.0 - chance) * mixing[m, used] * q * (1.0 - q)
        by_target[m] = slope.sum(axis=1)
        by_path[m] = slope @ (at_nodes[used] - basis[m])
        places.append((cells[m], np.full(languages, m, dtype=np.int32)))
        values.append(-steep[m] * by_target[m])
        if estimated:
            places.append((np.repeat(cells[m], used.size), np.tile(used, languages)))
            values.append((slope * steep[used]).ravel())
    if isinstance(reference, str) and reference == "own":
        # A cell at or below chance has no logit, but it has an accuracy.
        asked = logits.counts.target_trials > 0
        estimate[asked] = logits.counts.target_accuracy[asked]
    accuracy, trials = logits.counts.source_accuracy, logits.counts.source_trials
    places.append((cells.size + np.arange(count), np.arange(count)))
    values.append(np.sqrt(accuracy * (1.0 - accuracy) / trials / logits.source_var))

    by_error = fill.tocoo()
    places.append((by_error.row, count + by_error.col))
    values.append(by_target.ravel()[by_error.row] * by_error.data)
    row, column = (np.concatenate(each) for each in zip(*places, strict=True))
    shape = (cells.size + count,) * 2
    gradient = sparse.csr_array((np.concatenate(values), (row, column)), shape)
    predicted = np.flatnonzero(extra)
    alone = (by_target * np.sqrt(extra)).ravel()[predicted], (np.arange(predicted.size), predicted)
    own = sparse.csr_array(alone, (predicted.size, shape[0]))
    moved: list[Any] = [sampling_errors(logits, correlation) @ gradient.T, own]
    along = panel.path_errors()[b] @ by_path.reshape(cells.size, -1).T
    return estimate, ErrorRows(
        rows=sparse.vstack(moved, format="csc"), common=np.pad(along, ((0, 0), (0, count)))
    )
