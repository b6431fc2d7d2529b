"""The blocked sampler of the count rung: its surrogate, its density, its draws."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import linalg, optimize, special, stats

from hatstats.bayes.alike import half_beside
from hatstats.bayes.blocked import Walker, _slice, draw_blocked
from hatstats.bayes.count_model import CountModel
from hatstats.bayes.diagnostics import sampler_checks
from hatstats.bayes.draws import convergence
from hatstats.bayes.estimates import CellOptions
from hatstats.bayes.fit import Level, Request, fit_hierarchical, prepare
from hatstats.bayes.priors import Priors
from hatstats.bayes.proposals import Proposals, fitted_proposals
from hatstats.bayes.settings import Sampling
from hatstats.bayes.target import half_normal
from hatstats.errors import DataError, FitError
from hatstats.estimators.joint.options import JointOptions
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.study import Study
from tests.bayes.cases import item_study, mixed_study, panel_study

Floats = NDArray[np.float64]
HOW = Sampling(draws=60, tune=50, chains=2, cores=1)


@cache
def small_study() -> Study:
    """Four models, two languages."""
    shape = Shape(n_items=40, n_languages=2, n_trials=5)
    return simulate_study((-0.8, 0.0, 0.4, 1.0), shape=shape, rng=2)


def count_model(study: Study, joint: JointOptions | None = None) -> CountModel:
    """Density of a study's counts."""
    request = Request("counts", None, Priors(), CellOptions(), joint or JointOptions())
    model, _ = prepare(study, request)
    assert isinstance(model, CountModel)
    return model


@cache
def ready() -> tuple[CountModel, Proposals]:
    """Two models' blocks have another size: one language is held by a missing cell."""
    counts = small_study().counts
    absent = (counts["model"] == "model-02") & (counts["language"] == "t02")
    study = replace(small_study(), counts=counts[~absent].reset_index(drop=True))
    model = count_model(study)
    return model, fitted_proposals(model, np.random.default_rng(0))


def test_the_study_has_blocks_of_two_sizes() -> None:
    surrogate = ready()[1].surrogate
    assert sorted(part.rows.shape for part in surrogate.alike) == [(1, 5), (3, 8)]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_surrogate_has_the_marginal_likelihood_of_one_dense_normal(seed: int) -> None:
    surrogate = ready()[1].surrogate
    rng = np.random.default_rng(seed)
    found, expected = [], []
    for _ in range(2):
        sigma = surrogate.scales * np.exp(rng.normal(0.0, 1.0, surrogate.scales.size))
        deviation, spread = surrogate.deviations(sigma)
        cov = surrogate.load @ np.diag(deviation**2) @ surrogate.load.T + np.diag(spread**2)
        hat = np.empty(spread.size)
        for part in surrogate.alike:
            for rows, own, value in zip(part.rows, part.precision, part.hat, strict=True):
                cov[np.ix_(rows, rows)] += np.linalg.inv(own)
                hat[rows] = value
        mean = surrogate.load @ surrogate.mean
        expected.append(stats.multivariate_normal(mean, cov).logpdf(hat))
        found.append(surrogate.solve(sigma).value)
    np.testing.assert_allclose(found[1] - found[0], expected[1] - expected[0], rtol=1e-8)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_no_direction_loses_the_curvature_of_the_maximum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((4, 4))
    at_maximum, bend = root @ root.T + 0.1 * np.eye(4), rng.standard_normal((4, 4))
    bend = bend + bend.T
    half = half_beside(bend, at_maximum)
    kept = linalg.eigh(half @ half.T, at_maximum, eigvals_only=True)
    own = linalg.eigh(bend, at_maximum, eigvals_only=True)
    np.testing.assert_allclose(kept, np.maximum(own, 0.1), rtol=1e-6)
    # What curves enough is left as it is.
    half = half_beside(0.5 * at_maximum, at_maximum)
    np.testing.assert_allclose(half @ half.T, 0.5 * at_maximum, rtol=1e-6, atol=1e-9)


def test_a_residual_of_spread_0_does_not_lead_the_surrogate_astray() -> None:
    """Half-way to the posterior such a likelihood is flat; cubes have no residual at all."""
    shape = Shape(n_items=250, n_languages=2)
    study = simulate_study(np.linspace(-1, 1, 8).tolist(), shape=shape, world="cubic", rng=8)
    model = count_model(study)
    proposals = fitted_proposals(model, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    left = [proposals.surrogate.left(model, proposals.draw(rng)[2]) for _ in range(30)]
    assert np.std(left, axis=0).max() < 2.0


def test_likelihoods_flat_in_one_direction_and_sharp_in_another_are_solved_degenerate() -> None:
    """Their covariance matrix, with variances from 1e-12 to 1e6, has no Cholesky factor."""
    surrogate = ready()[1].surrogate
    rng = np.random.default_rng(1)
    alike = [
        replace(part, half=np.linalg.qr(rng.normal(size=part.half.shape))[0] * scale)
        for part in surrogate.alike
        for scale in [np.logspace(-3.0, 6.0, part.rows.shape[1])]
    ]
    plain = [np.linalg.inv(part.precision) for part in alike]
    with pytest.raises(np.linalg.LinAlgError):
        np.linalg.cholesky(plain[0])
    sharp = replace(surrogate, alike=alike)
    for size in (1.0, 1e-6):
        solved = sharp.solve(size * surrogate.scales, slopes=True)
        assert np.isfinite(solved.value)
        assert np.isfinite(solved.gradient).all()
        effects, phi = sharp.draw(solved, rng)
        assert np.isfinite(effects).all()
        assert np.isfinite(phi).all()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_gradient_of_the_scales_is_that_of_differences(seed: int) -> None:
    surrogate = ready()[1].surrogate
    x = np.random.default_rng(seed).normal(0.0, 0.8, surrogate.scales.size)
    numeric = optimize.approx_fprime(x, lambda at: surrogate.target(at)[0], 1e-6)
    np.testing.assert_allclose(surrogate.target(x)[1], numeric, rtol=1e-4, atol=1e-4)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_target_of_the_chain_is_the_density_of_the_rung(seed: int) -> None:
    """Both as densities of scales, effects and cells: they differ by one constant."""
    model, proposals = ready()
    surrogate = proposals.surrogate
    rng = np.random.default_rng(seed)
    walker = Walker(model, proposals, rng)
    away = []
    for _ in range(2):
        walker.x = rng.normal(-0.3, 0.7, walker.x.size)
        solved = walker.surrogate.at(walker.x)
        walker.effects = surrogate.effects(solved, rng.standard_normal(solved.mean.size))
        walker.phi = surrogate.cells(solved, walker.effects, rng.normal(size=walker.phi.size))
        z = surrogate.standardised(solved, walker.effects, walker.phi)
        chain = (
            solved.value
            - 0.5 * float(walker.x @ walker.x)
            + walker.surrogate.left(walker.model, walker.phi).sum()
        )
        chain -= 0.5 * sum(float(part @ part) for part in z)
        chain += float(np.log(np.diag(solved.root)).sum())
        chain += sum(
            float(np.log(np.diagonal(root, axis1=1, axis2=2)).sum()) for root in solved.roots
        )
        at = walker.coordinates()
        rung = model.density.value_and_gradient(at)[0]
        state = model.parse(model.density.natural(at))
        np.testing.assert_allclose(state.cells.value, walker.phi, rtol=1e-9, atol=1e-9)
        rung -= float(np.log(state.effects._v).sum() + np.log(state.cells._v).sum())
        away.append(chain - rung)
    np.testing.assert_allclose(away[1], away[0], atol=1e-6)


def test_expansion_of_a_block_is_that_of_differences() -> None:
    model, _ = ready()
    rng = np.random.default_rng(0)
    for one in model.blocks[0]:
        at = one.coordinates()[0] + rng.normal(0.0, 0.2, one.coordinates()[0].size)
        slope, bend = one.expansion(at)
        step = 1e-5 * np.eye(at.size)
        numeric = [
            (one.value_and_gradient(at - move)[1] - one.value_and_gradient(at + move)[1]) / 2e-5
            for move in step
        ]
        np.testing.assert_allclose(bend, numeric, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(slope, one.value_and_gradient(at)[1], rtol=1e-9, atol=1e-9)


def test_signs_of_spreads_are_drawn_from_their_prior() -> None:
    """The likelihood does not depend on them, and stays what it was."""
    model, proposals = ready()
    surrogate = proposals.surrogate
    walker = Walker(model, proposals, np.random.default_rng(6))
    part = next(part for part in model.others if part.name == "tau")
    before = np.abs(walker.phi[part.at])
    exact = walker.left + surrogate.quadratic(walker.phi)
    mean = (surrogate.load @ walker.effects)[part.at]
    spread = (half_normal(walker.x)[0] * surrogate.scales)[surrogate.of_cell[part.at]]
    expected = special.expit(-2.0 * before * mean / spread**2)
    negative = np.zeros(before.size)
    for _ in range(2000):
        walker._signs()
        negative += walker.phi[part.at] < 0
    np.testing.assert_allclose(np.abs(walker.phi[part.at]), before)
    np.testing.assert_allclose(negative / 2000, expected, atol=0.05)
    np.testing.assert_allclose(
        walker.surrogate.left(walker.model, walker.phi), walker.left, rtol=1e-8, atol=1e-8
    )
    np.testing.assert_allclose(walker.left + surrogate.quadratic(walker.phi), exact)


def test_coordinates_go_there_and_back() -> None:
    model, proposals = ready()
    surrogate = proposals.surrogate
    rng = np.random.default_rng(3)
    walker = Walker(model, proposals, rng)
    solved = walker.surrogate.at(walker.x)
    z, z_cells = surrogate.standardised(solved, walker.effects, walker.phi)
    effects = surrogate.effects(solved, z)
    np.testing.assert_allclose(effects, walker.effects, rtol=1e-10)
    np.testing.assert_allclose(surrogate.cells(solved, effects, z_cells), walker.phi, rtol=1e-10)


def test_effects_given_the_cells_are_those_of_a_dense_normal() -> None:
    model, proposals = ready()
    surrogate = proposals.surrogate
    walker = Walker(model, proposals, np.random.default_rng(3))
    solved = walker.surrogate.at(walker.x)
    prior, spread = (
        np.diag(v**2) for v in surrogate.deviations(np.sqrt(solved.noise[:1])[[0] * 7])
    )
    deviation = np.sqrt(solved.variance)
    prior, spread = np.diag(deviation**2), np.diag(solved.noise)
    gain = prior @ surrogate.load.T
    cov = surrogate.load @ gain + spread
    expected = surrogate.mean + gain @ np.linalg.solve(
        cov, walker.phi - surrogate.load @ surrogate.mean
    )
    zero = np.zeros(deviation.size)
    found = surrogate.effects_given(solved, walker.phi, zero)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
    columns = [surrogate.effects_given(solved, walker.phi, e) - found for e in np.eye(zero.size)]
    root = np.array(columns)
    np.testing.assert_allclose(
        root.T @ root, prior - gain @ np.linalg.solve(cov, gain.T), rtol=1e-6, atol=1e-10
    )


@pytest.mark.parametrize(("number", "squares"), [(1, 0.04), (6, 0.3), (40, 90.0), (3, 1e-6)])
def test_slices_have_the_law_of_the_scale(number: int, squares: float) -> None:
    rng = np.random.default_rng(8)
    sigma, draws = 0.5, []
    for _ in range(6000):
        sigma = _slice(sigma, number, squares, rng)
        draws.append(sigma)
    u = np.linspace(-14.0, 3.0, 200_001)
    log_density = (1 - number) * u - 0.5 * squares * np.exp(-2.0 * u) - 0.5 * np.exp(2.0 * u)
    share = np.cumsum(np.exp(log_density - log_density.max()))
    uniform = np.interp(np.log(draws[::3]), u, share / share[-1])
    assert stats.kstest(uniform, "uniform").pvalue > 1e-3


def test_draws_have_the_moments_that_nuts_finds() -> None:
    """An independent sampler of the same posterior, within Monte-Carlo error."""
    shape = Shape(n_items=30, n_languages=1, n_trials=5)
    study = simulate_study((-0.8, 0.0, 1.0), shape=shape, rng=2)
    tables, means = [], []
    for how in (
        replace(HOW, draws=200, tune=200, sampler="nutpie"),
        replace(HOW, draws=800, sampler="blocked"),
    ):
        fit = fit_hierarchical(study, level="counts", sampling=how, rng=3)
        posterior = fit.idata["posterior"]
        names = ["hat", "source", "log_sigma", "beta", "tau"]
        names += [str(name) for name in posterior.data_vars if str(name).startswith("sd_")]
        draws = np.concatenate(
            [posterior[name].values.reshape(2, how.draws, -1) for name in names], axis=2
        )
        draws = np.concatenate([draws, draws**2], axis=2)
        tables.append(convergence(draws))
        means.append(draws.mean(axis=(0, 1)))
    error = np.hypot(tables[0]["mcse"], tables[1]["mcse"])
    assert (np.abs(means[0] - means[1]) / error).max() < 4.5
    assert tables[1]["ess_bulk"].min() > 250.0


def test_many_cores_and_one_draw_the_same_and_chains_are_kept(tmp_path: Path) -> None:
    first = fit_hierarchical(small_study(), level="counts", sampling=HOW, rng=5)
    kept = replace(HOW, cores=2, keep=tmp_path)
    other = fit_hierarchical(small_study(), level="counts", sampling=kept, rng=5)
    np.testing.assert_array_equal(first.draws("hat"), other.draws("hat"))
    sorted(tmp_path.glob("chain-*.npz"))[0].unlink()
    resumed = fit_hierarchical(small_study(), level="counts", sampling=kept, rng=5)
    np.testing.assert_array_equal(first.draws("hat"), resumed.draws("hat"))
    assert '"reused_chains": 1' in resumed.idata.attrs["made_by"]


def test_its_checks_are_about_proposals_and_not_about_trajectories() -> None:
    fit = fit_hierarchical(small_study(), level="counts", sampling=HOW, rng=5)
    names = [check.check for check in sampler_checks(fit)]
    assert "moves" in names
    assert "divergences" not in names
    assert np.isnan(fit.glance().loc[0, "n_divergences"])


def test_log_likelihood_of_a_draw_is_that_of_the_density() -> None:
    fit = fit_hierarchical(small_study(), level="counts", sampling=HOW, rng=5)
    model = count_model(small_study())
    chain = next(iter(draw_blocked(model, HOW, [1], lambda *_: None)))
    state = model.parse(model.density.natural(chain["x"][-1]))
    expected = model.blocks_at(state.cells.value, state.slopes)[0]
    np.testing.assert_allclose(chain["log_likelihood"][-1], expected, rtol=1e-10)
    assert np.isfinite(fit.idata["sample_stats"]["log_likelihood"].values).all()


@pytest.mark.parametrize(
    "joint",
    [JointOptions(transfer_or_not=True), JointOptions(shared_factor=True)],
)
def test_options_of_the_likelihood_are_proposed_for_too(joint: JointOptions) -> None:
    model = count_model(small_study(), joint)
    chains = list(draw_blocked(model, replace(HOW, draws=100), [4, 5], lambda *_: None))
    for chain in chains:
        assert np.isfinite(chain["x"]).all()
        assert chain["moved_cells"].mean() > 0.2
        assert chain["moved_scales"].mean() > 0.05


def test_studies_it_does_not_know_go_to_nuts_unless_it_is_asked_for() -> None:
    how = replace(HOW, sampler="blocked")
    for study in (mixed_study(), panel_study()):
        with pytest.raises(DataError, match="needs items in every benchmark"):
            fit_hierarchical(study, level="counts", sampling=how, rng=1)
    with pytest.raises(DataError, match="count rung alone"):
        fit_hierarchical(item_study(), sampling=how, rng=1)


@pytest.mark.parametrize(("level", "draws"), [("counts", 60), ("cells", 2000)])
def test_an_interrupted_run_says_what_is_kept(level: Level, draws: int, tmp_path: Path) -> None:
    pressed: list[float] = []

    def progress(_: str, share: float) -> None:
        if share > 0.6 and not pressed:
            pressed.append(share)
            os.kill(os.getpid(), signal.SIGINT)

    how = replace(HOW, draws=draws, keep=tmp_path, progress=progress)
    # Shells start background jobs with this signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    words = r"stopped .*; 1 of 2 chains were finished and are kept in"
    try:
        with pytest.raises(FitError, match=words):
            fit_hierarchical(small_study(), level=level, sampling=how, rng=5)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(list(tmp_path.glob("chain-*.npz"))) == 1


def test_scales_far_out_are_refused_and_not_followed() -> None:
    z, slope = half_normal(np.array([-50.0, 0.0, 50.0]))
    assert np.isfinite(z).all()
    assert np.isfinite(slope).all()
