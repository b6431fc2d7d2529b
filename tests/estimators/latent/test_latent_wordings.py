"""Source trials that share wordings: the correlation is in the kernel, and its error in HAT's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import hatstats as hs
from hatstats.estimators.latent.deconvolution import GRID, deconvolve
from hatstats.estimators.latent.fit import LatentOptions, fit_grouped
from hatstats.estimators.latent.patterns import group_items
from hatstats.estimators.latent.penalised_fit import Equations, Prior, working_weights
from hatstats.inference.beta_binomial import wording_sums
from hatstats.scores.counts import ItemCounts, item_counts

ABILITIES = (-1.5, 0.0, 1.5, 3.0)


def world(
    wordings: int,
    repeats: int,
    rho: float,
    *,
    seed: int,
    items: int = 500,
    abilities: tuple[float, ...] = ABILITIES,
) -> hs.Study:
    """Models of one and the same transfer, whose answers to a wording share its luck."""
    rng, rows = np.random.default_rng(seed), []
    size = (1.0 - rho) / rho
    for m, ability in enumerate(abilities):
        eta = rng.normal(ability, 1.5, items)
        for place, language in enumerate(("en", "aa", "bb", "cc")):
            x = expit(-0.5 + 0.8 * eta + 0.7 * rng.normal(size=items)) if place else expit(eta)
            x = np.clip(x, 1e-6, 1 - 1e-6)[:, None]
            p = rng.beta(x * size, (1.0 - x) * size, (items, wordings))
            k = rng.binomial(repeats, p)
            index = pd.MultiIndex.from_product(
                [[f"i{i}" for i in range(items)], [f"w{w}" for w in range(wordings)]],
                names=["item", "prompt"],
            ).to_frame(index=False)
            rows.append(index.assign(model=f"m{m}", language=language, n_correct=k.ravel()))
    frame = pd.concat(rows, ignore_index=True)
    return hs.Study(
        frame.assign(benchmark="quiz", n_trials=repeats, source_language="en", chance=0.0)
    )


def without_names(study: hs.Study) -> hs.Study:
    cell = ["model", "benchmark", "language", "item"]
    counts = study.counts.groupby(cell, as_index=False, sort=False)[["n_correct", "n_trials"]].sum()
    return hs.Study(counts, study.models, study.benchmarks)


@pytest.mark.slow
def test_equal_transfer_gives_equal_scores_where_wordings_are_named() -> None:
    named, plain = np.zeros((3, 4)), np.zeros((3, 4))
    for seed in range(3):
        study = world(2, 5, 0.3, seed=seed)
        named[seed] = hs.fit_profile(study).hat().estimates
        plain[seed] = hs.fit_profile(without_names(study)).hat().estimates
    # Sampling error of a mean of three studies is about .01; the binomial kernel moves .11.
    assert np.ptp(plain.mean(axis=0)) > 0.08
    assert np.ptp(named.mean(axis=0)) < 0.05


def test_wordings_asked_once_are_independent() -> None:
    study = world(6, 1, 0.3, seed=1, items=80, abilities=(0.0, 1.0))
    named, plain = (hs.fit_profile(each).hat() for each in (study, without_names(study)))
    np.testing.assert_allclose(named.estimates, plain.estimates, rtol=1e-12)
    np.testing.assert_allclose(named.covariance, plain.covariance, rtol=1e-12)


@pytest.fixture(scope="module")
def counts() -> ItemCounts:
    return item_counts(world(3, 4, 0.3, seed=4, items=150, abilities=(0.5,)), "quiz")


def test_influence_on_the_distribution_is_the_derivative_by_the_weight_of_an_item(
    counts: ItemCounts,
) -> None:
    values = np.column_stack([GRID, GRID**2])
    families = LatentOptions(borrow=False, roughness=1.0).families(GRID)
    one = np.ones(counts.items.size)
    fit = fit_grouped(group_items(counts, 0), families)
    influence = fit.distribution_influence(values)

    def of(weights: np.ndarray) -> np.ndarray:
        items = group_items(counts, 0, weights)
        assert items.correlation is not None
        part = deconvolve(items.patterns, fit.deconvolution.smoothing, items.correlation.value)
        return part.density @ values

    places = np.arange(0, 150, 10)
    slopes = np.array(
        [(of(one + 1e-4 * step) - of(one - 1e-4 * step)) / 2e-4 for step in np.eye(150)]
    )
    wanted = slopes - slopes.mean(axis=0)  # influence is centred over items
    scale = np.abs(influence).max()
    np.testing.assert_allclose(influence[places], wanted[places], atol=2e-3 * scale)
    # A correlation held at its estimate would leave out a part of it that is not small.
    held = replace(fit, correlation=None).distribution_influence(values)
    assert np.abs(influence - held).max() > 0.02 * scale


def test_kernel_derivative_is_the_derivative_of_the_equations(counts: ItemCounts) -> None:
    items = group_items(counts, 0)
    assert items.correlation is not None
    rho = items.correlation.value
    part = deconvolve(items.patterns, correlation=rho)
    (family,) = LatentOptions(borrow=False, roughness=1.0).families(GRID).values()
    prior, means = Prior.of_family(family), items.average_means
    theta = prior.theta[None] + 0.3
    slopes = family.held_slopes(theta)
    working = working_weights(means, family.curves(theta) @ part.posterior.T)

    def gradient(value: float) -> np.ndarray:
        patterns = items.patterns
        kernel, _ = wording_sums(
            patterns.correct, patterns.trials, GRID, patterns.same_wording, value
        )
        posterior = kernel * part.density
        posterior /= posterior.sum(axis=1, keepdims=True)
        residual = working * (means.mean - family.curves(theta) @ posterior.T)
        return np.asarray(((residual @ posterior)[:, None, :] @ slopes)[:, 0])

    equations = Equations(prior, part.posterior, means, working)
    found = equations.kernel_derivative(part, theta, slopes)
    wanted = (gradient(rho + 1e-5) - gradient(rho - 1e-5)) / 2e-5
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6 * np.abs(wanted).max())


def test_scores_change_with_the_correlation_as_the_influence_says(counts: ItemCounts) -> None:
    items = group_items(counts, 0)
    assert items.correlation is not None
    families = LatentOptions(borrow=False, roughness=1.0).families(GRID)
    fit = fit_grouped(items, families)
    weights = fit.distribution
    ((_, by_kernel),) = fit._derivatives(weights)[0].correlations.values()

    def scores(step: float) -> np.ndarray:
        assert items.correlation is not None
        moved = replace(items.correlation, value=items.correlation.value + step)
        return fit_grouped(replace(items, correlation=moved), families).profile @ weights

    wanted = (scores(1e-3) - scores(-1e-3)) / 2e-3
    # The derivative holds the working weights, which the refits choose anew: in six sets of
    # scores that changed it by at most .0017, beside a largest derivative of .023.
    np.testing.assert_allclose(by_kernel, wanted, rtol=0.1, atol=0.1 * np.abs(wanted).max())


def test_repeated_guesses_are_warned_of() -> None:
    study = world(1, 4, 0.3, seed=2, items=60, abilities=(0.5, 1.0))
    assert "4 trials of one wording, taken as independent" in hs.fit_profile(study).estimand
    study = hs.Study(study.counts, study.models, study.benchmarks.assign(chance=0.25))
    assert hs.fit_profile(study).method == "joint"
    with pytest.warns(hs.DegenerateDataWarning, match="repeated lucky guesses"):
        hs.fit_profile(study, method="latent")
