"""Planning: noncentral t, scaling, detectable slopes, designs, bad input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import linalg, special, stats

from hatstats.calibration.plans import power_against_simulation, precision_against_simulation
from hatstats.errors import DataError, NotIdentifiedError
from hatstats.scores.scores import HatScores
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.simulation.worlds import WORLDS, WorldName
from hatstats.trends.planning.assumptions import PlanAssumptions
from hatstats.trends.planning.designs import PlanEffects, PlanSizes, parse_families, plan
from hatstats.trends.planning.power import (
    PlanPanel,
    SlopeTests,
    detectable_slopes,
)
from hatstats.trends.planning.precision import closed_form, score_precision, simulated_scores
from hatstats.trends.regression import fit_trend
from hatstats.trends.seemingly_unrelated import slope_difference
from tests.trends.makers import FORMULA, aggregate_study, some_scores, table_of_models

SMALL = PlanAssumptions(abilities=(0.0, 1.0))


def test_precision_of_independent_models_against_least_squares() -> None:
    """One model in each family and equal errors: ordinary least squares."""
    panel = PlanPanel((1,) * 12, family_sd=0.0, model_sd=0.03, sampling_sd=0.0, correlation=0.0)
    tests = SlopeTests.simulate(panel, 20, rng=1)
    rng, expected = np.random.default_rng(1), []
    for _ in range(20):
        x = panel.covariate(rng)
        rng.standard_normal(12)
        expected.append(0.03 / np.sqrt(((x - x.mean()) ** 2).sum()))
    np.testing.assert_allclose(tests.deviation, expected)
    # CR2 with singleton clusters is HC2, with fewer degrees of freedom than n - 2.
    assert ((tests.df > 1) & (tests.df < 10)).all()


def test_standard_errors_are_those_of_trends_of_the_same_panels() -> None:
    panel = PlanPanel()
    tests = SlopeTests.simulate(panel, 3, rng=4)
    rng = np.random.default_rng(4)
    for index in range(3):
        x = panel.covariate(rng)
        y = np.linalg.cholesky(panel.covariance()) @ rng.standard_normal(x.size)
        names = [f"m{m}" for m in range(x.size)]
        table = pd.DataFrame(
            {"model": names, "family": panel.codes.astype(str), "x": x, "estimate": 0.5 + y}
        )
        cov = pd.DataFrame(panel.sampling(), index=names, columns=names)
        row = fit_trend(HatScores.from_frame(table, cov), "x").tidy().iloc[-1]
        assert tests.std_error[index] == pytest.approx(row["std_error"], rel=1e-6)
        assert tests.df[index] == pytest.approx(row["df"], rel=1e-6)


def test_difference_of_slopes_is_tested_as_in_the_claim() -> None:
    panel, source = PlanPanel(), PlanPanel(family_sd=0.05, model_sd=0.06)
    tests = SlopeTests.simulate(source, 2, rng=4, less=panel)
    rng = np.random.default_rng(4)
    for index in range(2):
        x = panel.covariate(rng)
        two = [
            np.linalg.cholesky(one.covariance()) @ rng.standard_normal(x.size)
            for one in (source, panel)
        ]
        names = [f"m{m}" for m in range(x.size)]
        table = pd.DataFrame(
            {"model": names, "family": panel.codes.astype(str), "x": x, "estimate": 0.5 + two[1]}
        )
        cov = pd.DataFrame(panel.sampling(), index=names, columns=names)
        joint = linalg.block_diag(panel.sampling(), source.sampling())
        scores = replace(HatScores.from_frame(table, cov), source=0.5 + two[0], joint_cov=joint)
        found = slope_difference(scores, fit_trend(scores, "x"), "x")
        assert tests.std_error[index] == pytest.approx(found.std_error, rel=1e-6)
        assert tests.df[index] == pytest.approx(found.df, rel=1e-6)


def test_panels_without_a_test_have_no_power() -> None:
    error = np.array([0.01, 0.02])
    tests = SlopeTests(error, np.array([np.nan, 4.0]), error, error)
    assert tests.power(10.0, 0.05) == 0.5
    assert np.isnan(tests.detectable(0.05))


def test_detectable_slope_has_its_stated_power() -> None:
    found = SlopeTests.simulate(PlanPanel(), 20, rng=1)
    assert found.power(found.detectable(0.05), 0.05) == pytest.approx(0.8, abs=1e-4)
    more = SlopeTests.simulate(PlanPanel((6, 5, 3, 3, 2, 1, 4, 4)), 20, rng=1)
    assert more.power(0.04, 0.05) > found.power(0.04, 0.05)


@pytest.mark.slow
def test_power_against_simulation() -> None:
    """A longer run is part of the calibration."""
    row = power_against_simulation(PlanPanel(), 0.04, n_replicates=50, rng=1).iloc[0]
    assert row["predicted"] == pytest.approx(row["simulated"], abs=0.03 + 3 * row["mc_error"])


@pytest.mark.slow
def test_precision_against_simulation() -> None:
    shape = Shape(n_items=100, n_languages=1, n_trials=6)
    row = precision_against_simulation(SMALL, shape, n_replicates=30, rng=1).iloc[0]
    assert row["ratio"] == pytest.approx(1.0, abs=0.05 + 3 * row["mc_error"])


@pytest.mark.parametrize("world", ["logit_normal", "shared_factor"])
def test_closed_form_of_one_model_against_its_two_parts(world: WorldName) -> None:
    """With a reference of its own items: var of item means, and E[t (1 - t)] over trials."""
    shape, rng = Shape(n_items=300, n_languages=3, n_trials=6), np.random.default_rng(8)
    found = score_precision(PlanAssumptions((0.3,), world=world), shape, rng=1)
    source = special.expit(0.3 + 1.5 * rng.standard_normal(200_000))
    target = WORLDS[world].draw(source, 3, 0.0, rng)
    parts = target.mean(axis=1).var() + (target * (1.0 - target)).mean() / (3 * 6)
    assert found.std_error == pytest.approx(np.sqrt(parts / 300), rel=0.02)
    assert (found.simulated, found.correlation) == (False, 0.0)


def test_closed_form_against_fitted_studies() -> None:
    """Standard errors of six fitted studies, whose mean is known to about 2 %."""
    assumed, shape = PlanAssumptions(), Shape(n_items=500, n_languages=2, n_trials=8)
    predicted = score_precision(assumed, shape, rng=1)
    cov = np.mean([simulated_scores(assumed, shape, np.random.default_rng(k)).covariance
                   for k in range(6)], axis=0)  # fmt: skip
    error = np.sqrt(np.diag(cov).mean())
    assert not predicted.simulated
    assert predicted.std_error == pytest.approx(error, rel=0.08)
    sd = np.sqrt(np.diag(cov))
    between = (cov / np.outer(sd, sd))[np.triu_indices(3, 1)].mean()
    assert predicted.correlation == pytest.approx(between, abs=0.1)


def test_wordings_like_these_add_what_all_items_share() -> None:
    """Their effects do not fall with the items, and do with the wordings and the languages."""
    parts = [
        closed_form(PlanAssumptions((0.3,), wording_sd=0.4), shape, np.random.default_rng(1))[1][0]
        for shape in (Shape(200, 2, 8), Shape(800, 2, 8), Shape(200, 2, 16), Shape(200, 4, 8))
    ]
    assert parts[0] == parts[1] == pytest.approx(2.0 * parts[2], rel=1e-9)
    assert parts[0] == pytest.approx(2.0 * parts[3], rel=0.02)
    # One model, its own items: the mean slope of a target probability in its logit.
    rng = np.random.default_rng(8)
    source = special.expit(0.3 + 1.5 * rng.standard_normal(200_000))
    target = WORLDS["logit_normal"].draw(source, 1, 0.0, rng)
    slope = (target * (1.0 - target)).mean()
    assert parts[0] == pytest.approx((0.4 * slope) ** 2 / (2 * 8), rel=0.03)


def test_what_has_no_closed_form_is_simulated() -> None:
    for assumed, shape in (
        (SMALL, Shape(100, 1, 3)),  # three trials
        (PlanAssumptions((-2.0, 2.0), spread=0.8), Shape(100, 1, 6)),  # items of the other model
    ):
        assert score_precision(assumed, shape, n_studies=1, rng=1).simulated


def test_error_falls_with_the_root_of_items() -> None:
    first, second = (
        score_precision(SMALL, Shape(n_items=n, n_languages=1, n_trials=6), rng=1)
        for n in (150, 600)
    )
    assert first.std_error / second.std_error == pytest.approx(2.0, rel=1e-6)
    assert 0.0 <= second.correlation < 0.9


def test_power_over_these_models_is_that_of_a_known_error() -> None:
    panel = PlanPanel((1,) * 12, family_sd=0.0, model_sd=0.0, sampling_sd=0.02, correlation=0.0)
    tests = SlopeTests.simulate(panel, 20, rng=1)
    # Least squares of independent scores: without scatter both scopes have one deviation.
    np.testing.assert_allclose(tests.by_items, tests.deviation, rtol=1e-9)
    wanted = stats.norm.cdf(0.03 / tests.by_items - stats.norm.ppf(0.95)).mean()
    assert tests.power_these(0.03, 0.05) == pytest.approx(wanted)
    scattered = SlopeTests.simulate(PlanPanel(), 20, rng=1)
    assert scattered.power_these(0.02, 0.05) > scattered.power(0.02, 0.05) + 0.1


@pytest.mark.slow
def test_plan_and_its_cheapest_design() -> None:
    sizes = PlanSizes((40, 120), (4,), (1,), ((6, 5, 3, 3, 2, 1), (2, 2, 2)))
    steps: list[float] = []
    made = plan(SMALL, sizes, n_studies=2, rng=1, progress=lambda _, share: steps.append(share))
    assert len(made.table) == 4
    assert steps == sorted(steps)
    assert (made.table["answers"] == 40 * 4 * 2 * 20).any()
    wanted = float(made.table["std_error"].median())
    best = made.cheapest(std_error=wanted)
    good = made.table[made.table["std_error"] <= wanted]
    assert best["answers"].iloc[0] == good["answers"].min()
    assert made.cheapest(std_error=1e-9).empty
    few = made.table[made.table["n_families"] == 3]["power_slope"].max()
    assert made.table[made.table["n_families"] == 6]["power_slope"].min() > few
    assert max(map(len, made.summary().splitlines())) <= 80
    again = plan(SMALL, sizes, n_studies=2, rng=1)
    assert again.table.equals(made.table)
    assert (again.seed, repr(again)) == (1, again.summary())
    assert plan(SMALL, PlanSizes((40,), (4,), (1,)), n_studies=1).seed is not None
    with pytest.raises(DataError, match="unknown claim"):
        made.cheapest(power=0.8, claim="date")


def test_a_pilot_gives_assumptions_near_its_truth() -> None:
    study = simulate_study((-0.5, 0.5, 1.5), transfer=(0.4,) * 3, shape=Shape(600, 2, 10), rng=3)
    found = PlanAssumptions.from_pilot(study)
    np.testing.assert_allclose(found.abilities, (-0.5, 0.5, 1.5), atol=0.35)
    assert found.spread == pytest.approx(1.5, abs=0.35)
    assert found.transfer == pytest.approx(0.4, abs=0.3)
    means = aggregate_study(table_of_models(1), np.random.default_rng(1).uniform(0.4, 0.9, (20, 2)))
    with pytest.raises(NotIdentifiedError, match="counts per item"):
        plan(means)


def test_detectable_slopes_of_a_trend() -> None:
    trend = fit_trend(some_scores(3), FORMULA)
    for row in detectable_slopes(trend).itertuples():
        critical = stats.t.ppf(0.95, row.df)
        reached = stats.nct.sf(critical, row.df, row.detectable / row.std_error)
        assert reached == pytest.approx(0.8, abs=1e-4)
    alone = fit_trend(some_scores(only=(np.arange(20) == 3).astype(float)), "only")
    assert detectable_slopes(alone)["detectable"].isna().all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PlanSizes(items=(5,)), "a design needs 20 or more"),
        (lambda: PlanSizes(trials=()), "needs 2 or more"),
        (lambda: PlanPanel(families=(20,)), "at least two families"),
        (lambda: PlanPanel(family_sd=-0.1), "family_sd lies in"),
        (lambda: PlanPanel(model_sd=0.0, sampling_sd=0.0), "nothing to plan"),
        (lambda: PlanPanel(correlation=1.0), "correlation"),
        (lambda: parse_families("6;5"), "whole numbers"),
    ],
)
def test_plans_bad_input(make: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        make()  # type: ignore[operator]
    assert PlanEffects().level == 0.05


@pytest.mark.slow
def test_precision_follows_the_effective_trials_against_theory() -> None:
    """Eight trials that are four copies of two wordings each are worth two."""
    shape, seed = Shape(150, 2, 8), 4
    copies = PlanAssumptions((0.0, 1.0), repeats=4, wording_correlation=1.0)
    error = score_precision(copies, shape, n_studies=8, rng=seed).std_error
    plain = PlanAssumptions((0.0, 1.0))
    two = score_precision(plain, replace(shape, n_trials=2), n_studies=8, rng=seed).std_error
    eight = score_precision(plain, shape, n_studies=8, rng=seed).std_error
    assert error == pytest.approx(two, rel=0.1)
    assert error > 1.1 * eight
