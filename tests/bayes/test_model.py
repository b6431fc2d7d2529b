"""The PyMC model: readable, extensible, sampled by anyone, and the density that it should be."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy import stats

from hatstats.bayes.cell_model import CellModel
from hatstats.bayes.fit import prepare
from hatstats.bayes.marginal_likelihood import LogPosterior
from hatstats.bayes.options import Sampling, own_random_state
from tests.bayes.cases import QUICK, item_fit, mixed_study, request


@pytest.fixture(autouse=True)
def _names_of_variables() -> Iterator[None]:
    """PyTensor, called directly, names its variables by Python's global random state."""
    with own_random_state():
        yield


@cache
def mixed() -> tuple[CellModel, Any]:
    """Items and accuracies, with an undisclosed size, and their PyMC model."""
    from hatstats.bayes.model import build_model

    cells, _ = prepare(mixed_study(), request("log10(params_total)"))
    with own_random_state():
        return cells, build_model(cells.marginal, cells.priors)


def test_density_is_the_prior_times_the_marginal_likelihood() -> None:
    from hatstats.bayes.model import log_prior

    cells, model = mixed()
    rng = np.random.default_rng(1)
    values, point = {}, {}
    for variable in model.free_RVs:
        name = str(variable.name)
        shape = () if name.startswith("sd_") else (1,)
        values[name] = rng.uniform(0.2, 0.9, shape)
        positive = name.startswith("sd_")
        point[f"{name}_log__" if positive else name] = (
            np.log(values[name]) if positive else values[name]
        )
    (scales,) = cells.scales({name: value[None] for name, value in values.items()})
    expected = cells.marginal.factor(scales).value
    priors = {group.name: group.scale for group in cells.effects.scaled} | {"cell": 0.3}
    prior = sum(
        stats.halfnorm(scale=scale).logpdf(values[f"sd_{name}"]) for name, scale in priors.items()
    )
    prior += stats.norm(1.0, 0.3).logpdf(values["line"][0])
    found = model.compile_logp(jacobian=False, mode="FAST_COMPILE")(point)
    assert float(found) == pytest.approx(expected + prior, rel=1e-9)
    drawn = {name: value[None, None] for name, value in values.items()}
    np.testing.assert_allclose(log_prior(model, drawn), prior, rtol=1e-9)


def points(model: Any, count: int) -> Iterator[np.ndarray]:
    """Unconstrained values of all parameters under one another."""
    size = sum(np.size(value) for value in model.initial_point().values())
    rng = np.random.default_rng(2)
    return (rng.uniform(-1.0, 0.5, size) for _ in range(count))


def test_gradient_is_that_of_differences() -> None:
    _, model = mixed()
    function = model.logp_dlogp_function(ravel_inputs=True, mode="FAST_COMPILE")
    function.set_extra_values({})
    (x,) = points(model, 1)
    steps = 1e-5 * np.eye(x.size)
    differences = [(function(x + s)[0] - function(x - s)[0]) / 2e-5 for s in steps]
    np.testing.assert_allclose(function(x)[1], differences, rtol=1e-4, atol=1e-5)


def test_what_nutpie_walks_on_is_the_density_of_the_model() -> None:
    """Slopes, families and benchmarks among the parameters."""
    cells, model = mixed()
    density = LogPosterior.of(cells.marginal, cells.priors)
    names = [str(variable.name) for variable in model.free_RVs]
    assert list(density.named(density.start())) == names
    start = np.concatenate([np.ravel(value) for value in model.initial_point().values()])
    np.testing.assert_allclose(density.start(), start, rtol=1e-12)
    function = model.logp_dlogp_function(ravel_inputs=True, mode="FAST_COMPILE")
    function.set_extra_values({})
    for x in points(model, 5):
        (value, gradient), (expected, derivatives) = density(x), function(x)
        assert value == pytest.approx(float(expected), rel=1e-9)
        np.testing.assert_allclose(gradient, derivatives, rtol=1e-9, atol=1e-9)


def test_the_operation_compiled_by_numba_is_that_in_python() -> None:
    """Whoever samples the PyMC model by other means has it compiled."""
    import pytensor

    from hatstats.bayes.model import CellLikelihood

    cells, _ = mixed()
    scales = np.random.default_rng(1).uniform(0.3, 0.8, len(cells.effects.scaled))
    deviations = cells.effects.deviations(scales)
    data = [np.asarray(value) for value in cells.marginal.stacked]
    arguments = [deviations, np.array(0.3), np.array([0.0, 1.1]), cells.effects.matrix, *data]
    outputs = CellLikelihood()(*arguments)
    found, expected = (pytensor.function([], outputs, mode=m)() for m in ("NUMBA", "FAST_COMPILE"))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_it_can_be_printed_and_drawn() -> None:
    import pymc as pm

    _, model = mixed()
    text = model.str_repr()
    assert "sd_transfer_model ~ HalfNormal(0, 0.5)" in text
    assert "line ~ Normal(1, 0.3)" in text
    assert model.named_vars_to_dims["line"] == ("line_benchmark",)
    assert list(model.coords["line_benchmark"]) == ["accuracies"]
    drawn = pm.model_to_mermaid(model)
    assert "sd_cell" in drawn
    assert "log_likelihood" in drawn


def test_anyone_can_extend_and_sample_it() -> None:
    """PyMC's own NUTS, on a model with a stricter prior added, moves the posterior."""
    import pymc as pm

    fit = item_fit()
    assert fit.model is fit.model, "extensions would be lost"
    with fit.model.copy() as model:
        pm.Potential("smaller", -0.5 * (model["sd_source_model"] / 0.2) ** 2)
        tree = pm.sample(
            draws=100,
            tune=100,
            chains=1,
            random_seed=1,
            progressbar=False,
            compute_convergence_checks=False,
            # Few draws of a small model take less time than code for it.
            compile_kwargs={"mode": "FAST_COMPILE"},
        )
    strict = tree["posterior"]["sd_source_model"].values.mean()
    assert strict < 0.8 * fit.draws("sd_source_model").mean()


def test_seeds_decide_the_draws() -> None:
    from hatstats.bayes.model import sample

    fit, how = item_fit(), replace(QUICK, draws=60, tune=60, cores=2)
    given = fit.cell_model.marginal, fit.cell_model.priors, fit.model
    state, legacy = random.getstate(), repr(np.random.get_state())  # noqa: NPY002
    first, statistics, _ = sample(*given, how, 5)
    again, _, _ = sample(*given, replace(how, cores=1), 5)
    other, _, _ = sample(*given, how, 6)
    assert random.getstate() == state
    assert repr(np.random.get_state()) == legacy  # noqa: NPY002
    assert set(statistics) >= {"diverging", "energy", "maxdepth_reached"}
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name])


@pytest.mark.slow
def test_both_samplers_draw_the_same_posterior() -> None:
    from hatstats.bayes.model import sample

    fit, long = item_fit(), Sampling(draws=500, tune=300, chains=2)
    given = fit.cell_model.marginal, fit.cell_model.priors, fit.model
    first, _, _ = sample(*given, long, 5)
    pymc, statistics, _ = sample(*given, replace(long, sampler="pymc"), 5)
    assert set(statistics) >= {"diverging", "energy", "maxdepth_reached"}
    for name in first:
        logs = [np.log(np.abs(draws[name])).ravel() for draws in (first, pymc)]
        # Some 300 effective draws of each.
        error = np.hypot(*(log.std() for log in logs)) / np.sqrt(300)
        assert abs(logs[0].mean() - logs[1].mean()) < 4.0 * error


def test_prior_draws_have_the_priors_moments() -> None:
    from hatstats.bayes.model import draw_prior

    cells, model = mixed()
    drawn = draw_prior(model, 4000, 1)
    assert drawn["sd_cell"].shape == (1, 4000)
    assert drawn["line"].shape == (1, 4000, 1)
    half_normal = stats.halfnorm(scale=cells.priors.cell)
    assert stats.kstest(drawn["sd_cell"].ravel(), half_normal.cdf).pvalue > 1e-3
    assert stats.kstest(drawn["line"].ravel(), stats.norm(1.0, 0.3).cdf).pvalue > 1e-3
