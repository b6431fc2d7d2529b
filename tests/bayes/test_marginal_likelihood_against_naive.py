"""Densities of the hierarchical model against dense normal ones and differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import linalg, stats

from hatstats.bayes.effects import Effects, Unit, build_effects
from hatstats.bayes.fit import prepare
from hatstats.bayes.marginal_likelihood import CellEstimates, MarginalCells, Scales
from hatstats.bayes.options import Priors
from hatstats.bayes.trend_design import trend_design
from tests.bayes.cases import item_study, request

Floats = NDArray[np.float64]


def small_world(seed: int) -> tuple[Effects, list[CellEstimates]]:
    """Two benchmarks, one by items with a cell missing, one by accuracies; random covariances."""
    rng = np.random.default_rng(seed)
    models = pd.DataFrame(
        {
            "model": [f"m{place}" for place in range(6)],
            "family": ["a", "a", "b", "b", "c", "c"],
            "release_date": pd.to_datetime([f"2024-0{month}-01" for month in range(1, 7)]),
            "params_total": [1e9, 2e9, np.nan, 8e9, 3e10, 5e9],
        }
    )
    seen = rng.random((6, 3)) < 0.9
    seen[:, 0] = True
    names = tuple(models["model"])
    units = [
        Unit("x", True, 0.0, names, ("de", "fr", "sw"), *np.nonzero(seen)),
        Unit("y", False, 0.25, names[:4], ("de", "hi"), *np.nonzero(np.ones((4, 2)))),
    ]
    design = trend_design(models, "log10(params_total) + release_year")
    families = dict(zip(models["model"], models["family"], strict=True))
    effects = build_effects(units, families, design, Priors())
    parts = []
    for unit in units:
        size = len(unit.models) + unit.cell_model.size
        root = 0.2 * rng.normal(size=(size, size + 3))
        parts.append(
            CellEstimates(
                rng.normal(size=len(unit.models)),
                rng.normal(size=unit.cell_model.size),
                root @ root.T,
                not unit.by_item,
                0.3,
            )
        )
    return effects, parts


def dense(
    effects: Effects, parts: list[CellEstimates], scales: Scales
) -> tuple[Floats, Floats, Floats]:
    """Outcomes, mean and covariance of everything, written out."""
    load = effects.matrix * effects.deviations(scales.deviations)
    rows, means, outcome, noise = [], [], [], []
    for b, (unit, part) in enumerate(zip(effects.units, parts, strict=True)):
        source = load[effects.rows(b, "source")]
        cells = load[effects.rows(b, "model")][unit.cell_model]
        cells = cells + load[effects.rows(b, "language")][unit.cell_language]
        beta = float(scales.slopes[b]) if part.by_line else 0.0
        rows += [source, cells + beta * source[unit.cell_model]]
        means += [np.zeros(len(source)), np.full(len(cells), -beta * part.centre)]
        outcome += [part.source, part.transfer]
        own = np.zeros(len(part.cov))
        own[len(source) :] = scales.cell**2
        noise.append(part.cov + np.diag(own))
    stacked = np.concatenate(rows)
    cov = linalg.block_diag(*noise) + stacked @ stacked.T
    return np.concatenate(outcome), np.concatenate(means), cov


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_marginal_likelihood_is_that_of_one_dense_normal(seed: int) -> None:
    effects, parts = small_world(seed)
    cells = MarginalCells.of(effects, parts)
    groups = len(effects.scaled)
    x = np.random.default_rng(seed).uniform(0.1, 1.0, groups + 3)

    def scales(x: Floats) -> Scales:
        return Scales(x[:groups], x[groups], np.array([0.0, x[groups + 2]]))

    solved = cells.solve(scales(x))
    outcome, mean, cov = dense(effects, parts, scales(x))
    expected = stats.multivariate_normal(mean, cov).logpdf(outcome)
    assert solved.value == pytest.approx(expected, rel=1e-8)
    assert cells.factor(scales(x)).value == pytest.approx(expected, rel=1e-8)
    own_cov, own_mean = cells.dense(scales(x))
    np.testing.assert_allclose(own_cov, cov, atol=1e-12)
    np.testing.assert_allclose(own_mean, mean, atol=1e-12)
    # Derivatives by parameter: sums over the effects of a group.
    by_group = [solved.by_deviation[group.columns].sum() for group in effects.scaled]
    gradient = np.r_[by_group, solved.by_cell, solved.by_slope]
    for position in range(x.size):
        if position == groups + 1:
            continue  # The slope of a benchmark by items is not a parameter.
        step = np.zeros(x.size)
        step[position] = 1e-5
        ahead, behind = (cells.solve(scales(x + sign * step)).value for sign in (1, -1))
        assert gradient[position] == pytest.approx((ahead - behind) / 2e-5, rel=1e-4, abs=1e-5)


def test_draws_have_the_conditional_mean_and_covariance_of_a_dense_normal() -> None:
    effects, parts = small_world(1)
    cells = MarginalCells.of(effects, parts)
    scales = Scales(np.full(len(effects.scaled), 0.5), 0.3, np.array([0.0, 0.8]))
    rng = np.random.default_rng(2)
    drawn = [cells.draw(scales, rng) for _ in range(4000)]
    outcome, mean, cov = dense(effects, parts, scales)
    # Covariance of the true transfer logits of the first benchmark with all outcomes.
    load = effects.matrix * effects.deviations(scales.deviations)
    unit = effects.units[0]
    level = load[effects.rows(0, "model")][unit.cell_model]
    level = level + load[effects.rows(0, "language")][unit.cell_language]
    sources = load[effects.rows(0, "source")]
    other = effects.units[1]
    far = load[effects.rows(1, "model")][other.cell_model]
    far = far + load[effects.rows(1, "language")][other.cell_language]
    on = load[effects.rows(1, "source")]
    everything = np.concatenate([sources, level, on, far + 0.8 * on[other.cell_model]])
    crossed = level @ everything.T
    at = slice(len(sources), len(sources) + len(level))
    crossed[:, at] += 0.09 * np.eye(len(level))
    weights = np.linalg.solve(cov, crossed.T).T
    expected = weights @ (outcome - mean)
    left = level @ level.T + 0.09 * np.eye(len(level)) - weights @ crossed.T
    found = np.array([draw.transfer[0][unit.cell_model, unit.cell_language] for draw in drawn])
    error = np.sqrt(np.diag(left) / len(found))
    assert (np.abs(found.mean(axis=0) - expected) < 4.5 * error).all()
    np.testing.assert_allclose(np.cov(found.T), left, atol=0.1 * left.max())


def test_likelihood_given_the_fixed_effects_and_their_prior_make_up_the_marginal_one() -> None:
    # Of a joint density: p(y) p(u | y) = p(y | u) p(u), whatever u.
    effects, parts = small_world(3)
    cells = MarginalCells.of(effects, parts)
    scales = Scales(np.full(len(effects.scaled), 0.4), 0.2, np.array([0.0, 1.1]))
    drawn = cells.draw(scales, np.random.default_rng(1))
    fixed = effects.fixed_columns
    load = effects.matrix * effects.deviations(scales.deviations)
    without = replace(effects, matrix=effects.matrix.copy())
    without.matrix[:, fixed] = 0.0
    outcome, mean, cov = dense(without, parts, scales)
    moved = []
    standard = drawn.effects[fixed] / effects.deviations(scales.deviations)[fixed]
    rows = load[:, fixed] @ standard
    for b, (unit, part) in enumerate(zip(effects.units, parts, strict=True)):
        source = rows[effects.rows(b, "source")]
        level = rows[effects.rows(b, "model")][unit.cell_model]
        level = level + rows[effects.rows(b, "language")][unit.cell_language]
        moved += [source, level + (1.1 * source[unit.cell_model] if part.by_line else 0.0)]
    expected = stats.multivariate_normal(mean + np.concatenate(moved), cov).logpdf(outcome)
    assert drawn.log_likelihood == pytest.approx(expected, rel=1e-8)


def test_held_out_densities_are_those_of_conditional_normals() -> None:
    cells, _ = prepare(item_study(), request("release_year"))
    names = [f"sd_{group.name}" for group in cells.effects.scaled]
    scales = cells.scales({name: np.array([0.4, 0.7]) for name in (*names, "sd_cell")})
    found = cells.marginal.leave_out(scales)
    (part,) = cells.parts
    y = np.r_[part.source, part.transfer]
    for draw in range(2):
        cov, mean = cells.marginal.dense(scales[draw])
        last = len(y) - 1
        weights = np.linalg.solve(cov[:last, :last], cov[:last, last])
        centre = mean[last] + weights @ (y - mean)[:last]
        spread = np.sqrt(cov[last, last] - weights @ cov[:last, last])
        assert found[draw, -1] == pytest.approx(stats.norm(centre, spread).logpdf(y[-1]))
