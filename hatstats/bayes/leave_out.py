"""Densities of a cell, or of a whole family, given all the others: what leave-one-out needs.

Integrated effects make cells dependent given the scales, so that the likelihood does not factor
over cells. For a Gaussian it need not: with Q the inverse covariance and r the residuals, what is
left out has conditional precision Q_ff and residual ``Q_ff^-1 (Q r)_f`` given the rest (Bürkner,
Gabry and Vehtari 2021, Comput Stat 36:1243-1261). These are the terms that PSIS-LOO reweights.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from hatstats.bayes.effects import Effects
from hatstats.bayes.marginal_likelihood import CellEstimates, Scales
from hatstats.estimators.aggregate.panel_regression import family_labels
from hatstats.inference.linalg import inverses

Floats = NDArray[np.float64]


def dense_covariance(
    effects: Effects, estimates: Sequence[CellEstimates], scales: Scales
) -> tuple[Floats, Floats]:
    """Covariance (N, N) and mean (N,) of all estimates: source, then cells, by benchmark."""
    matrix = effects.with_unknown(scales.unknown) * effects.deviations(scales.deviations)
    rows, means, noise = [], [], []
    for b, (unit, part) in enumerate(zip(effects.units, estimates, strict=True)):
        source = matrix[effects.rows(b, "source")]
        cells = matrix[effects.rows(b, "model")][unit.cell_model]
        cells = cells + matrix[effects.rows(b, "language")][unit.cell_language]
        if effects.pairs[b].size:
            cells = cells + matrix[effects.rows(b, "pair")][effects.pairs[b]]
        beta = scales.slopes[b]
        rows += [source, cells + beta * source[unit.cell_model]]
        means += [np.zeros(len(source)), np.full(len(cells), -beta * part.centre)]
        own = part.cov.copy()
        own[len(source) :, len(source) :] += scales.cell**2 * np.eye(len(cells))
        noise.append(own)
    load = np.concatenate(rows)
    cov = load @ load.T
    at = 0
    for own in noise:
        here = slice(at, at + len(own))
        cov[here, here] += own
        at += len(own)
    return cov, np.concatenate(means)


def leave_out(
    effects: Effects,
    estimates: Sequence[CellEstimates],
    families: dict[str, str],
    draws: Sequence[Scales],
) -> dict[str, tuple[tuple[str, ...], Floats]]:
    """Log densities of cells and of families given the rest, for each of D draws of the scales.

    Returns
    -------
    dict
        ``cell`` and ``family``: names of the observations, and densities (D, number).
    """
    outcome, kind, name, who = [], [], list[str](), list[str]()
    for unit, part in zip(effects.units, estimates, strict=True):
        outcome += [part.source, part.transfer]
        kind += [np.zeros(part.source.size, bool), np.ones(part.transfer.size, bool)]
        who += [*unit.models, *(unit.models[m] for m in unit.cell_model)]
        name += [*unit.models]
        name += [
            f"{unit.models[m]}, {unit.benchmark}, {unit.languages[at]}"
            for m, at in zip(unit.cell_model, unit.cell_language, strict=True)
        ]
    y, cells = np.concatenate(outcome), np.flatnonzero(np.concatenate(kind))
    labels = family_labels(who, families)
    names = list(dict.fromkeys(labels.tolist()))
    groups = [np.flatnonzero(labels == family) for family in names]
    by_cell = np.empty((len(draws), cells.size))
    by_family = np.empty((len(draws), len(names)))
    for draw, scales in enumerate(draws):
        cov, mean = dense_covariance(effects, estimates, scales)
        inverse = inverses(linalg.cholesky(cov, lower=True)[None])[0]
        weighted = inverse @ (y - mean)
        own = np.diag(inverse)[cells]
        by_cell[draw] = 0.5 * (np.log(own) - weighted[cells] ** 2 / own - np.log(2.0 * np.pi))
        for place, group in enumerate(groups):
            precision = inverse[np.ix_(group, group)]
            left = weighted[group]
            by_family[draw, place] = 0.5 * (
                np.linalg.slogdet(precision)[1]
                - left @ np.linalg.solve(precision, left)
                - group.size * np.log(2.0 * np.pi)
            )
    return {
        "cell": (tuple(name[at] for at in cells), by_cell),
        "family": (tuple(names), by_family),
    }
