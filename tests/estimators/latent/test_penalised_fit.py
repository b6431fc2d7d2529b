"""Steps of the descent: their turn against differences, their number as items grow."""

from __future__ import annotations

import numpy as np
import pytest

from hatstats.estimators.latent import deconvolution
from hatstats.estimators.latent import penalised_fit as penalised
from hatstats.estimators.latent.curve_families import increasing_family
from hatstats.estimators.latent.fit import LatentOptions, fit_grouped
from hatstats.estimators.latent.patterns import Means, group_items
from hatstats.scores.counts import item_counts
from hatstats.simulation.simulate import Shape, simulate_study
from tests.estimators import naive as twins


def test_the_turn_is_the_pull_of_the_second_derivative_along_a_step() -> None:
    rng = np.random.default_rng(1)
    family = increasing_family(twins.GRID)
    theta = family.centre + 0.5 * rng.standard_normal((2, family.centre.size))
    # The turn is measured over a tenth of the step, which is short here.
    step = 0.01 * rng.standard_normal(theta.shape)
    posterior = rng.dirichlet(np.ones(twins.GRID.size), 4)
    nothing = np.full((2, 4), np.nan)
    equations = penalised.Equations(
        penalised.Prior.of_family(family),
        posterior,
        Means(nothing, nothing, nothing),
        rng.uniform(1.0, 5.0, (2, 4)),
    )
    _, slopes, _ = family.expand(theta)
    found = equations.bend_gradient(theta, step, slopes)
    for place, (one, along) in enumerate(zip(theta, step, strict=True)):
        values = [family.curves((one + far * along)[None])[0] for far in (-1.0, 0.0, 1.0)]
        bend = values[0] - 2 * values[1] + values[2]
        expected = np.zeros(one.size)
        for row, weight in zip(posterior, equations.working[place], strict=True):
            expected += weight * (row @ bend) * (row @ slopes[place])
        for row in family.bends:
            expected += (row @ bend) * (row @ slopes[place])
        np.testing.assert_allclose(found[place], expected, rtol=0.02, atol=1e-6)


@pytest.mark.slow
def test_three_hundred_times_the_items_takes_hardly_more_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    families = LatentOptions().families(deconvolution.GRID)
    expand, taken = penalised.Equations.expand, [0]

    def counted(self: penalised.Equations, theta: np.ndarray) -> object:
        taken[0] += 1
        return expand(self, theta)

    monkeypatch.setattr(penalised.Equations, "expand", counted)
    steps = []
    for n_items in (1_000, 300_000):
        taken[0] = 0
        for seed in range(2):
            study = simulate_study((0.5,), shape=Shape(n_items, 2, 10), rng=seed)
            counts = item_counts(study, study.benchmark_names[0])
            fit_grouped(group_items(counts, 0), families)
        steps.append(taken[0])
    assert steps[1] < 1.75 * steps[0]
