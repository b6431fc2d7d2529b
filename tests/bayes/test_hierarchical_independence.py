"""The sampler of the cell rung's scales: known posteriors, NUTS, warped coordinates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from hatstats.bayes.cell_model import CellModel
from hatstats.bayes.draws import convergence
from hatstats.bayes.estimates import CellOptions
from hatstats.bayes.fit import Request, _drawer, fit_hierarchical, prepare
from hatstats.bayes.independence import MOST, Walker, draw_independence, fitted
from hatstats.bayes.jump import Jump, Warp
from hatstats.bayes.priors import Priors
from hatstats.bayes.sampling import sample
from hatstats.bayes.settings import Sampling
from hatstats.bayes.target import Density, Parameter
from hatstats.errors import DataError, FitError
from hatstats.estimators.joint.options import JointOptions
from tests.bayes.cases import cell_fit, item_study, mixed_study, panel_study

Floats = NDArray[np.float64]


def silent(_chain: int, _share: float) -> None:
    """Nobody is told."""


Y, ERROR = np.array([0.3, -0.2, 0.1, 0.4, -0.1]), 0.3


def log_likelihood(sd: Floats, mean: Floats) -> Floats:
    """Of five effects that hardly differ, so that no spread at all is likely."""
    variance = sd[..., None] ** 2 + ERROR**2
    away = (Y - mean[..., None]) ** 2 / variance
    return np.asarray(-0.5 * (away + np.log(2.0 * np.pi * variance)).sum(axis=-1))


def few_effects() -> Density:
    """A standard deviation and a mean."""

    def value(natural: Floats) -> float:
        return float(log_likelihood(natural[0], natural[1]))

    def likelihood(natural: Floats) -> tuple[float, Floats]:
        step = 1e-6 * np.eye(2)
        slope = [(value(natural + row) - value(natural - row)) / 2e-6 for row in step]
        return value(natural), np.array(slope)

    parameters = (
        Parameter("sd", (), "half_normal", 0.0, 0.5),
        Parameter("mean", (), "normal", 1.0, 0.7),
    )
    return Density(parameters, likelihood, value)


def test_a_posterior_with_its_mode_at_zero_has_the_moments_of_quadrature() -> None:
    sd, mean = np.meshgrid(np.linspace(0.0, 3.0, 3001), np.linspace(-2.0, 2.5, 901), indexing="ij")
    log_prior = -0.5 * (sd / 0.5) ** 2 - 0.5 * ((mean - 1.0) / 0.7) ** 2
    height = np.exp(log_likelihood(sd, mean) + log_prior)
    # Half a weight at sd = 0, where the density ends.
    height[0] *= 0.5
    height /= height.sum()
    density = few_effects()
    how = Sampling(draws=2000, tune=50, chains=4)
    chains = list(draw_independence(density, how, [1, 2, 3, 4], silent))
    draws = density.natural(np.stack([chain["x"] for chain in chains]))
    errors = convergence(draws)["mcse"].to_numpy(dtype=float)
    for place, values in enumerate((sd, mean)):
        for power in (1, 2):
            truth = float((height * values**power).sum())
            found = float((draws[..., place] ** power).mean())
            assert found == pytest.approx(truth, abs=5.0 * errors[place] * power)
    near = float(height[sd < 0.05].sum())
    assert float((draws[..., 0] < 0.05).mean()) == pytest.approx(near, abs=0.015)
    assert min(chain["moved"].mean() for chain in chains) > 0.5


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_warped_coordinates_go_there_and_back_with_their_slope(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = 3
    warp = Warp(rng.normal(size=size), rng.uniform(0.2, 2.0, size), rng.uniform(0.1, 1.9, size))
    x = warp.location + 3.0 * warp.spread * rng.standard_normal(size)
    y = warp.to(x)
    np.testing.assert_allclose(warp.back(y), x, rtol=1e-10, atol=1e-10)
    expected = [
        stats.yeojohnson(np.array([z]), power)[0]
        for z, power in zip((x - warp.location) / warp.spread, warp.power, strict=True)
    ]
    np.testing.assert_allclose(y, expected, rtol=1e-10)
    step = 1e-6 * np.eye(size)
    slopes = [(warp.to(x + row) - warp.to(x - row)) / 2e-6 for row in step]
    assert warp.log_slope(x) == pytest.approx(np.linalg.slogdet(np.array(slopes))[1], abs=1e-5)
    np.testing.assert_allclose(Warp.none(size).to(x), x, rtol=1e-13)


def test_powers_are_those_of_highest_likelihood_and_draws_less_skew() -> None:
    rng = np.random.default_rng(1)
    x = np.column_stack([rng.gamma(2.0, size=800), -rng.gamma(3.0, size=800), rng.normal(size=800)])
    warp = Warp.of_draws(x)
    assert warp.power[0] < 0.8
    assert warp.power[1] > 1.2
    assert (np.abs(stats.skew(warp.to(x))) < 0.3).all()


def test_the_t_distribution_has_the_density_of_scipy_and_draws_from_it() -> None:
    rng = np.random.default_rng(2)
    jump = Jump.of_draws(rng.normal(size=(50, 3)) @ rng.normal(size=(3, 3)))
    law = stats.multivariate_t(jump.centre.tolist(), jump.root @ jump.root.T, df=jump.df)
    x, y = law.rvs(2, random_state=3)
    found = jump.log_density(x) - jump.log_density(y)
    assert found == pytest.approx(law.logpdf(x) - law.logpdf(y), rel=1e-9)
    drawn = np.array([jump.draw(rng) for _ in range(4000)])
    z = np.linalg.solve(jump.root, (drawn - jump.centre).T)
    # A squared radius over its dimension is F distributed.
    assert stats.kstest((z**2).sum(axis=0) / 3.0, stats.f(3, jump.df).cdf).pvalue > 1e-3


@pytest.mark.parametrize("study", [item_study, panel_study], ids=["items", "accuracies"])
def test_scales_have_the_moments_that_nuts_finds(study: object) -> None:
    trend = "release_year"
    request = Request("cells", trend, Priors(), CellOptions(), JointOptions())
    model, _ = prepare(study(), request)  # type: ignore[operator]
    assert isinstance(model, CellModel)
    assert model.density.size <= MOST
    how = Sampling(draws=800, tune=200, chains=2, cores=1)
    seeds = [1, 2]
    mine = np.stack([c["x"] for c in draw_independence(model.density, how, seeds, silent)])
    nuts = sample(model.density, replace(how, sampler="nutpie"), seeds, "nuts").x
    for of in (mine, nuts):
        assert convergence(of)["r_hat"].max() < 1.02
    errors = [convergence(of)["mcse"].to_numpy(dtype=float) for of in (mine, nuts)]
    error = np.hypot(*errors)
    away = (mine.mean(axis=(0, 1)) - nuts.mean(axis=(0, 1))) / error
    assert np.abs(away).max() < 4.5
    ratio = mine.std(axis=(0, 1)) / nuts.std(axis=(0, 1))
    np.testing.assert_allclose(ratio, 1.0, atol=0.15)


def test_a_walker_knows_the_density_where_it_stands() -> None:
    density = few_effects()
    warp, jump = fitted(density, np.random.default_rng(0))
    walker = Walker(density, warp, jump, np.random.default_rng(1))
    for _ in range(20):
        _, log_posterior = walker.step()
        x = walker.coordinates()
        assert log_posterior == pytest.approx(density.value(x), abs=1e-10)
        assert density.value(x) == pytest.approx(density.value_and_gradient(x)[0], abs=1e-12)


def test_many_coordinates_and_accuracies_among_items_go_to_nuts() -> None:
    for study, level, expected in (
        (item_study(), "cells", "independence"),
        (item_study(), "counts", "blocked"),
        (mixed_study(), "counts", "nutpie"),
    ):
        request = Request(level, None, Priors(), CellOptions(), JointOptions())  # type: ignore[arg-type]
        model, _ = prepare(study, request)
        assert _drawer(model, level, Sampling())[0].sampler == expected  # type: ignore[arg-type]


def test_what_it_cannot_draw_is_refused() -> None:
    how = Sampling(sampler="independence")
    with pytest.raises(DataError, match=r"12 coordinates at most, and this posterior has \d+"):
        fit_hierarchical(item_study(), level="counts", sampling=how, rng=1)
    nowhere = replace(few_effects(), log_likelihood=lambda _: -np.inf)
    with pytest.raises(FitError, match="no proposal of the independence sampler was taken"):
        list(draw_independence(nowhere, how, [1, 2], silent))


def test_its_check_is_about_proposals() -> None:
    checks = cell_fit().checks().set_index("check")
    assert checks.loc["moves", "passed"]
    assert "independent" in str(checks.loc["moves", "words"])
    assert np.isnan(cell_fit().glance()["n_divergences"].iloc[0])


def test_one_core_and_many_draw_the_same_and_chains_are_kept(tmp_path: Path) -> None:
    how = Sampling(draws=60, tune=50, chains=2, cores=2, keep=tmp_path)
    first = fit_hierarchical(item_study(), sampling=how, rng=1)
    assert len(list(tmp_path.glob("chain-*.npz"))) == 2
    alone = fit_hierarchical(item_study(), sampling=replace(how, cores=1, keep=None), rng=1)
    np.testing.assert_array_equal(first.draws("hat"), alone.draws("hat"))
