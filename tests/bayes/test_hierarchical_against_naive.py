"""Densities of the hierarchical model against dense normal ones, differences, and PyMC."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import linalg, stats

from hatstats.bayes.cell_model import CellModel
from hatstats.bayes.count_model import CountModel
from hatstats.bayes.effects import Effects, Unit, build_effects
from hatstats.bayes.estimates import CellOptions
from hatstats.bayes.fit import Request, prepare
from hatstats.bayes.leave_out import dense_covariance, leave_out
from hatstats.bayes.marginal_likelihood import CellEstimates, MarginalCells, Scales
from hatstats.bayes.partial import coordinate_of, partially_centred
from hatstats.bayes.priors import Priors
from hatstats.bayes.sampling import own_random_state
from hatstats.bayes.target import Density, Parameter
from hatstats.bayes.trend_design import trend_design
from hatstats.estimators.joint.options import JointOptions
from tests.bayes.cases import item_study, mixed_study, panel_study

Floats = NDArray[np.float64]


def small_world(seed: int, priors: Priors) -> tuple[Effects, list[CellEstimates]]:
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
    design = trend_design(
        models, "log10(params_total) + release_year", offsets=priors.unknown is None
    )
    families = dict(zip(models["model"], models["family"], strict=True))
    effects = build_effects(units, families, design, priors)
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
    load = effects.with_unknown(scales.unknown) * effects.deviations(scales.deviations)
    rows, means, outcome, noise = [], [], [], []
    for b, (unit, part) in enumerate(zip(effects.units, parts, strict=True)):
        source = load[effects.rows(b, "source")]
        cells = load[effects.rows(b, "model")][unit.cell_model]
        cells = cells + load[effects.rows(b, "language")][unit.cell_language]
        if effects.pairs[b].size:
            cells = cells + load[effects.rows(b, "pair")][effects.pairs[b]]
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


@pytest.mark.parametrize(
    "priors", [Priors(), Priors(unknown=1.0), Priors(family_language=0.2)], ids=str
)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_marginal_likelihood_is_that_of_one_dense_normal(priors: Priors, seed: int) -> None:
    effects, parts = small_world(seed, priors)
    cells = MarginalCells.of(effects, parts)
    groups, unknown = len(effects.scaled), len(effects.unknown)
    x = np.random.default_rng(seed).uniform(0.1, 1.0, groups + 3 + unknown)

    def scales(x: Floats) -> Scales:
        return Scales(x[:groups], x[groups], np.array([0.0, x[groups + 2]]), x[groups + 3 :])

    value, gradient = cells.value_and_gradient(scales(x))
    outcome, mean, cov = dense(effects, parts, scales(x))
    expected = stats.multivariate_normal(mean, cov).logpdf(outcome)
    assert value == pytest.approx(expected, rel=1e-8)
    assert cells.factor(scales(x)).value == pytest.approx(expected, rel=1e-8)
    flat = np.r_[gradient.deviations, gradient.cell, gradient.slopes, gradient.unknown]
    for place in range(x.size):
        step = np.zeros(x.size)
        step[place] = 1e-5
        ahead = cells.value_and_gradient(scales(x + step))[0]
        behind = cells.value_and_gradient(scales(x - step))[0]
        if place != groups + 1:
            assert flat[place] == pytest.approx((ahead - behind) / 2e-5, rel=1e-4, abs=1e-5)


def test_draws_have_the_conditional_mean_and_covariance_of_a_dense_normal() -> None:
    effects, parts = small_world(1, Priors())
    cells = MarginalCells.of(effects, parts)
    scales = Scales(np.full(len(effects.scaled), 0.5), 0.3, np.array([0.0, 0.8]), np.zeros(0))
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
    effects, parts = small_world(3, Priors())
    cells = MarginalCells.of(effects, parts)
    scales = Scales(np.full(len(effects.scaled), 0.4), 0.2, np.array([0.0, 1.1]), np.zeros(0))
    drawn = cells.draw(scales, np.random.default_rng(1))
    fixed = effects.fixed
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


def differences(density: Density, x: Floats, places: NDArray[np.intp]) -> Floats:
    out = []
    for place in places:
        step = np.zeros(x.size)
        step[place] = 1e-5
        ahead, behind = (density.value_and_gradient(x + sign * step)[0] for sign in (1, -1))
        out.append((ahead - behind) / 2e-5)
    return np.array(out)


def request(level: str, **more: object) -> Request:
    found = {"trend": "release_year", "priors": Priors(), "cells": CellOptions()}
    found |= {"joint": JointOptions(), **more}
    return Request(level, **found)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "joint",
    [
        JointOptions(),
        JointOptions(shared_factor=True, accuracy=1e-2),
        JointOptions(point_masses=True, transfer_or_not=True, accuracy=1e-2),
    ],
    ids=lambda joint: joint.label,
)
def test_gradient_of_the_count_rung_on_a_mixed_study(joint: JointOptions) -> None:
    study = mixed_study().select(models=["model-01", "model-03", "model-05"])
    model, _ = prepare(study, request("counts", joint=joint, trend=None))
    assert isinstance(model, CountModel)
    density, rng = model.density, np.random.default_rng(5)
    x = density.first() + 0.3 * rng.standard_normal(density.size)
    first = density.places()["z_effects"].start
    places = np.r_[np.arange(first), rng.choice(np.arange(first, density.size), 25, replace=False)]
    _, gradient = density.value_and_gradient(x)
    expected = differences(density, x, places)
    np.testing.assert_allclose(gradient[places], expected, rtol=2e-4, atol=2e-3)


def test_gradient_of_the_count_rung_with_an_unknown_size() -> None:
    priors = Priors(unknown=1.0)
    study = panel_study()
    models = study.models.copy()
    models.loc[0, ["params_total", "params_active"]] = np.nan
    study = type(study)(study.counts, models, study.benchmarks)
    model, _ = prepare(study, request("counts", priors=priors, trend="log10(params_total)"))
    density, rng = model.density, np.random.default_rng(6)
    x = density.first() + 0.3 * rng.standard_normal(density.size)
    places = np.arange(density.places()["z_effects"].start + 5)
    assert "unknown" in density.places()
    _, gradient = density.value_and_gradient(x)
    np.testing.assert_allclose(gradient[places], differences(density, x, places), rtol=1e-4)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_partial_centring_changes_coordinates_and_not_the_density(seed: int) -> None:
    rng = np.random.default_rng(seed)
    z, mu, hat = rng.normal(size=(3, 4))
    sd, precision = rng.uniform(0.05, 2.0, 4), rng.uniform(0.0, 50.0, 4)
    found = partially_centred(z, mu, sd, hat, precision)
    np.testing.assert_allclose(coordinate_of(found.value, mu, sd, hat, precision), z, atol=1e-9)
    step = 1e-6
    moved = partially_centred(z + step, mu, sd, hat, precision).value
    jacobian = (moved - found.value) / step
    density = stats.norm(mu, sd).logpdf(found.value) + np.log(jacobian)
    assert found.log_ratio + stats.norm.logpdf(z).sum() == pytest.approx(density.sum(), abs=1e-4)


def test_what_is_left_out_has_the_density_of_a_conditional_normal() -> None:
    model, _ = prepare(item_study(), request("cells"))
    assert isinstance(model, CellModel)
    natural = np.array([np.full(model.density.size, 0.4), np.full(model.density.size, 0.7)])
    scales = [model.scales(row) for row in natural]
    found = leave_out(model.effects, model.cells.parts, model.families, scales)
    part = model.cells.parts[0]
    y = np.r_[part.source, part.transfer]
    for draw in range(2):
        cov, mean = dense_covariance(model.effects, model.cells.parts, scales[draw])
        last = len(y) - 1
        weights = np.linalg.solve(cov[:last, :last], cov[:last, last])
        centre = mean[last] + weights @ (y - mean)[:last]
        spread = np.sqrt(cov[last, last] - weights @ cov[:last, last])
        assert found["cell"][1][draw, -1] == pytest.approx(stats.norm(centre, spread).logpdf(y[-1]))
        # The chain rule: what a family adds to all the others.
        whole = stats.multivariate_normal(mean, cov).logpdf(y)
        of = {name: model.families[name] for name in model.names.models}
        who = [
            *part_models(model),
            *(part_models(model)[m] for m in model.effects.units[0].cell_model),
        ]
        rest = np.array([of[name] != found["family"][0][0] for name in who])
        without = stats.multivariate_normal(mean[rest], cov[np.ix_(rest, rest)]).logpdf(y[rest])
        assert found["family"][1][draw, 0] == pytest.approx(whole - without)


def part_models(model: CellModel) -> list[str]:
    return list(model.effects.units[0].models)


def test_pymc_has_the_same_density() -> None:
    model, _ = prepare(item_study(), request("cells"))
    density = model.density
    x = density.first() + 0.1
    natural = density.natural(x)
    point, jacobian = {}, 0.0
    for parameter, at in zip(density.parameters, density.places().values(), strict=True):
        name = parameter.name + ("_log__" if parameter.kind == "half_normal" else "")
        # PyMC samples the logarithm, whose Jacobian is the standard deviation itself.
        point[name] = np.log(natural[at]) if parameter.kind == "half_normal" else natural[at]
        jacobian += float(point[name].sum()) if parameter.kind == "half_normal" else 0.0
    with own_random_state():
        from hatstats.bayes.pymc_model import build_model

        compiled = build_model(density).compile_logp(mode="FAST_COMPILE")
        found = float(compiled(point))
    expected = density.likelihood(natural)[0] + density.log_prior(natural).sum()
    assert found - jacobian == pytest.approx(expected, rel=1e-9)


def test_coordinates_of_standard_deviations_keep_the_density() -> None:
    parameters = (Parameter("sd", ("a", "b", "c"), "half_normal", 0.0, 0.4),)
    density = Density(parameters, lambda natural: (-float(natural.sum()), -np.ones(3)))
    x = np.array([-2.0, 0.1, 1.5])
    natural = density.natural(x)
    np.testing.assert_allclose(density.unconstrained(natural), x, atol=1e-9)
    step = 1e-6
    jacobian = (density.natural(x + step) - natural) / step
    expected = density.log_prior(natural).sum() + np.log(jacobian).sum() - natural.sum()
    value, gradient = density.value_and_gradient(x)
    constant = 1.5 * np.log(2.0 * np.pi)
    assert value - constant == pytest.approx(expected, abs=1e-4)
    np.testing.assert_allclose(gradient, differences(density, x, np.arange(3)), rtol=1e-6)
