"""`panel` on panels with equal transfer, and the influence of items on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hatstats.estimators.panel.fit import fit_panel
from hatstats.estimators.panel.hardness import Answers, Hardness, fit_hardness
from hatstats.estimators.panel.options import PanelOptions
from hatstats.estimators.panel.profile import PanelModel
from hatstats.estimators.panel.quadrature import normal_nodes
from hatstats.scores.benchmark_fit import BenchmarkFit
from hatstats.scores.counts import ItemCounts
from hatstats.simulation.worlds import true_hat
from tests.estimators.panel.panels import panel_counts

EVERYWHERE = (np.arange(2000) + 0.5) / 2000


def scores(fit: BenchmarkFit, reference: str = "uniform") -> tuple[np.ndarray, np.ndarray]:
    """HAT of each model, mean over languages, and the items' influence on it."""
    found = fit.scores(reference)
    return found.estimate.mean(axis=1), found.influence.mean(axis=2)


@pytest.mark.parametrize("step", [0.5, 0.3])
def test_nodes_have_the_moments_of_a_normal_variable(step: float) -> None:
    """Cut off at 4.5 on either side, which 1e-5 of it lies beyond."""
    nodes, weights = normal_nodes(step)
    np.testing.assert_array_equal(nodes, -nodes[::-1])
    np.testing.assert_allclose(np.diff(nodes), step)
    assert 4.5 - step < nodes[-1] <= 4.5
    moments = [weights @ nodes**power for power in (0, 1, 2, 4)]
    assert moments[:2] == pytest.approx([1.0, 0.0], abs=1e-12)
    assert moments[2:] == pytest.approx([1.0, 3.0], rel=4e-3)


@pytest.mark.filterwarnings("ignore:.*hardly go with the hardness")
@pytest.mark.parametrize("chance", [0.0, 0.25, 0.5])
@pytest.mark.slow
def test_equal_transfer_scores_alike_from_one_answer_per_item(chance: float) -> None:
    """Source ability from -1.5 to 3, with answers that cannot and that can be guessed."""
    # Sigma is about what the panel's own search finds, and given to save it.
    options = PanelOptions(sigma=1.2)
    fits = [fit_panel(panel_counts(3000, seed=seed, chance=chance), options) for seed in (1, 2)]
    # Below the chance level of x nothing is known: the area is that of what can be.
    known = (EVERYWHERE - chance) / (1.0 - chance)
    shares = np.where(known > 0, known, 0.0)
    truth = chance + (1.0 - chance) * true_hat(shares)
    found = np.mean([scores(fit)[0] for fit in fits], axis=0)
    assert np.ptp(found) <= 0.03
    assert np.abs(found - truth).max() < 0.03


@pytest.mark.slow
def test_sigma_is_found_from_targets_and_from_trials() -> None:
    single = fit_panel(panel_counts(2000, seed=3)).models[0]
    several = fit_panel(panel_counts(2000, 4, seed=3)).models[0]
    assert isinstance(single, PanelModel)
    assert isinstance(several, PanelModel)
    assert single.panel.sigma_origin == "targets"
    assert several.panel.sigma_origin == "trials"
    # Items differ by 1.5 logits, of which .4 of the variance is a model's own.
    own = 1.5 * np.sqrt(0.4)
    for model in (single, several):
        assert own < model.panel.sources.sigma < own + 0.35


def test_a_residual_beyond_the_search_is_declared() -> None:
    """Targets that do not go with the source answers at all say nothing of sigma."""
    counts = panel_counts(300, seed=4)
    shuffled = np.random.default_rng(1).permuted(counts.source_correct, axis=1)
    model = fit_panel(replace(counts, source_correct=shuffled)).models[0]
    assert isinstance(model, PanelModel)
    assert model.panel.sigma_origin == "declared"
    assert model.panel.sources.sigma == 1.2
    assert not model.panel.sigma_influence.any()


@pytest.mark.parametrize("trials", [1, 3])
@pytest.mark.parametrize("reference", ["uniform", "pooled"])
@pytest.mark.slow
def test_influence_is_the_derivative_by_the_items_weights(trials: int, reference: str) -> None:
    counts = panel_counts(150, trials, seed=5, n_languages=3)
    weights = 1.0 + 0.02 * np.random.default_rng(6).standard_normal(counts.items.size)
    weights += 1.0 - weights.mean()
    above, below = (
        scores(fit_panel(counts, weights=w), reference)[0] for w in (weights, 2.0 - weights)
    )
    _, influence = scores(fit_panel(counts), reference)
    np.testing.assert_allclose(influence.sum(axis=0), 0.0, atol=1e-12)
    moved, linear = 0.5 * (above - below), (weights - 1.0) @ influence
    assert np.abs(moved).max() > 1e-4
    error = np.sqrt(np.mean((moved - linear) ** 2) / np.mean(moved**2))
    # What sigma owes to the source parameters at one trial is not carried.
    assert error < 0.12
    assert np.corrcoef(moved, linear)[0, 1] > 0.99


@pytest.mark.parametrize(("trials", "sigma"), [(1, 1.0), (3, None)])
def test_influence_is_near_the_derivative_with_few_items(trials: int, sigma: float | None) -> None:
    """How slopes without shrinkage and their errors move is left out at the sources."""
    options = PanelOptions(sigma)
    counts = panel_counts(60, trials, seed=5, n_languages=2, chance=0.25)
    change = np.random.default_rng(6).standard_normal(60)
    change -= change.mean()
    for reference in ("uniform", "pooled"):
        above, below = (
            scores(fit_panel(counts, options, weights=1.0 + s * change), reference)[0]
            for s in (1e-3, -1e-3)
        )
        moved = (above - below) / 2e-3
        _, influence = scores(fit_panel(counts, options), reference)
        np.testing.assert_allclose(influence.sum(axis=0), 0.0, atol=1e-12)
        np.testing.assert_allclose(change @ influence, moved, atol=0.06 * np.abs(moved).max())


def test_influence_on_raters_and_ease_is_the_derivative() -> None:
    counts = panel_counts(30, 3, seed=11, n_languages=1, chance=0.25)
    right, wrong = counts.source_correct, counts.source_trials - counts.source_correct
    group = np.array([0, 0, 1, 2, 3, 4, 5, 6])
    rng = np.random.default_rng(12)
    change, gain = rng.standard_normal(30), rng.standard_normal((30, 2))
    change -= change.mean()

    def fitted(step: float) -> Hardness:
        return fit_hardness(Answers(right, wrong, 1.0 + step * change, 0.25), group)

    above, here, below = (fitted(step) for step in (1e-4, 0.0, -1e-4))
    moved = (above.theta - below.theta).ravel() / 2e-4
    np.testing.assert_allclose(change @ here.influence, moved, atol=1e-6)
    np.testing.assert_allclose(here.influence.sum(axis=0), 0.0, atol=1e-9)
    for own in (0, 3):
        moved = gain.T @ (above.ease[own] - below.ease[own]) / 2e-4
        np.testing.assert_allclose(change @ here.through(own, gain), moved, atol=1e-6)


def test_integer_weights_are_repeated_items() -> None:
    counts = panel_counts(60, seed=7, n_languages=2)
    weights = np.random.default_rng(8).integers(0, 3, 60).astype(float)
    rows = np.repeat(np.arange(60), weights.astype(int))
    repeated = of_items(counts, rows)
    by_weight, by_rows = fit_panel(counts, weights=weights), fit_panel(repeated)
    for reference in ("uniform", "pooled"):
        one, other = (scores(fit, reference)[0] for fit in (by_weight, by_rows))
        np.testing.assert_allclose(one, other, atol=1e-6)


def of_items(counts: ItemCounts, rows: np.ndarray) -> ItemCounts:
    """Counts of some items, in that order and as often."""
    return replace(
        counts,
        items=counts.items[rows],
        clusters=np.arange(rows.size),
        source_correct=counts.source_correct[:, rows],
        source_trials=counts.source_trials[:, rows],
        target_correct=counts.target_correct[:, rows],
        target_trials=counts.target_trials[:, rows],
    )


def test_models_of_the_same_weights_say_nothing_of_one_another() -> None:
    """A model's ease of items does not move with its twin's answers."""
    counts = panel_counts(200, seed=9)
    models = counts.models
    doubled = replace(
        counts,
        models=(*models, "twin"),
        **{
            name: np.concatenate([getattr(counts, name), getattr(counts, name)[:1]])
            for name in ("source_correct", "source_trials", "target_correct", "target_trials")
        },
    )
    fit = fit_panel(doubled, PanelOptions(1.0), twins={"twin": models[0]})
    hardness = first_panel(fit).hardness
    theta = hardness.theta
    own = np.flatnonzero(hardness.group == hardness.group[0])
    assert own.tolist() == [0, len(models)]
    # The same raters without the two give the same ease.
    rate = 1.0 / (1.0 + np.exp(-(theta[0][:, None] + theta[1][:, None] * NODES)))
    others = np.delete(np.arange(theta.shape[1]), own)
    right = doubled.source_correct[others]
    log = right.T @ np.log(rate[others]) + (1.0 - right).T @ np.log(1.0 - rate[others])
    posterior = np.exp(log - log.max(axis=1, keepdims=True)) * np.exp(-0.5 * NODES**2)
    ease = (posterior @ NODES) / posterior.sum(axis=1)
    np.testing.assert_allclose(hardness.ease[hardness.group[0]], ease, atol=2e-3)


NODES = np.linspace(-5.0, 5.0, 201)


def first_panel(fit: BenchmarkFit):  # type: ignore[no-untyped-def]
    """The stages that all models of a fit share."""
    model = fit.models[0]
    assert isinstance(model, PanelModel)
    return model.panel


def test_the_distribution_has_the_models_source_accuracy() -> None:
    counts = panel_counts(1000, seed=10)
    fit = fit_panel(counts)
    means = fit.distributions @ fit.support
    np.testing.assert_allclose(means, counts.source_accuracy().mean(axis=1), atol=0.01)
    np.testing.assert_allclose(fit.distributions.sum(axis=1), 1.0)
