"""The item rung: its latent variables integrated out give the count rung, and so do its draws."""

from __future__ import annotations

from functools import cache

import numpy as np
import pymc as pm
import pytest
from numpy.typing import NDArray
from scipy import special

from hatstats.bayes.count_model import CountModel
from hatstats.bayes.draws import convergence
from hatstats.bayes.estimates import CellOptions
from hatstats.bayes.fit import Request, fit_hierarchical, prepare
from hatstats.bayes.item_model import explicit_model
from hatstats.bayes.priors import Priors
from hatstats.bayes.settings import Sampling
from hatstats.errors import DataError
from hatstats.estimators.joint.options import JointOptions
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.study import Study
from tests.bayes.cases import panel_study

Floats = NDArray[np.float64]


@cache
def tiny() -> Study:
    """Three models, one target language."""
    shape = Shape(n_items=40, n_languages=1, n_trials=5)
    return simulate_study((-0.5, 0.0, 1.0), shape=shape, rng=5)


def point_at(model: pm.Model, density: CountModel, natural: Floats) -> dict[str, Floats]:
    """A point of the graph at the parameters' natural values, latent variables at 0."""
    point: dict[str, Floats] = model.initial_point()
    for name, at in density.places_of.items():
        key = name if name in point else f"{name}_log__"
        point[key] = natural[at] if key == name else np.log(natural[at])
    return point


def test_items_integrated_one_by_one_have_the_likelihood_of_the_count_rung() -> None:
    request = Request("items", None, Priors(), CellOptions(), JointOptions())
    density, _ = prepare(tiny(), request)
    assert isinstance(density, CountModel)
    model = explicit_model(density)
    # Near the maxima, for which the count rung's own quadrature was chosen.
    natural = density.density.natural(density.density.first())
    point = point_at(model, density, natural)
    phi = density.parse(natural).cells.value
    nodes, weights = special.roots_hermitenorm(41)
    weights = weights / weights.sum()
    for m, one in enumerate(density.blocks[0]):  # type: ignore[arg-type]
        names = (f"source_0_{m}", f"target_0_{m}")
        each = model.compile_fn(
            model.logp(vars=[model[name] for name in names], sum=False),
            inputs=model.value_vars,
            point_fn=True,
            on_unused_input="ignore",
        )
        total = np.zeros(40)
        for ability, by_ability in zip(nodes, weights, strict=True):
            point[f"ability_0_{m}"] = np.full(40, ability)
            inner = np.zeros(40)
            for residual, by_residual in zip(nodes, weights, strict=True):
                point[f"residual_0_{m}"] = np.full((40, 1), residual)
                source, target = each(point)
                inner += by_residual * np.exp(source + target)
            total += by_ability * inner
        expected = one.by_item(density.coordinates(phi, density.takes[0][m]))
        np.testing.assert_allclose(np.log(total), expected, rtol=1e-4)


def test_posterior_is_that_of_the_count_rung_within_monte_carlo_error() -> None:
    tables, means = [], []
    for level, draws in (("items", 200), ("counts", 600)):
        how = Sampling(draws=draws, tune=200, chains=2, cores=1)
        fit = fit_hierarchical(tiny(), level=level, sampling=how, rng=3)  # type: ignore[arg-type]
        hat = fit.draws("hat").reshape(2, draws, -1)
        both = np.concatenate([hat, hat**2], axis=2)
        tables.append(convergence(both))
        means.append(both.mean(axis=(0, 1)))
    error = np.hypot(tables[0]["mcse"], tables[1]["mcse"])
    assert (np.abs(means[0] - means[1]) / error).max() < 4.0
    assert tables[0]["ess_bulk"].min() > 50.0


def test_options_without_a_smooth_density_are_refused() -> None:
    for joint in (JointOptions(transfer_or_not=True), JointOptions(point_masses=True)):
        with pytest.raises(DataError, match="the item rung knows the logit-normal model"):
            fit_hierarchical(tiny(), level="items", joint=joint, rng=1)


def test_accuracies_alone_have_a_binomial_item_rung() -> None:
    """Without items there is nothing latent: the density is the count rung's own."""
    request = Request("items", None, Priors(), CellOptions(), JointOptions())
    density, _ = prepare(panel_study(), request)
    assert isinstance(density, CountModel)
    model = explicit_model(density)
    value = model.compile_logp(jacobian=False)
    found, expected = [], []
    for seed in (1, 2):
        natural = density.density.draw_prior(np.random.default_rng(seed))
        found.append(float(value(point_at(model, density, natural))))
        likelihood = density.density.likelihood(natural)[0]
        expected.append(likelihood + float(density.density.log_prior(natural).sum()))
    np.testing.assert_allclose(found[1] - found[0], expected[1] - expected[0], rtol=1e-7)
