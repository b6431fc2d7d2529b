"""The fit's test of itself: against item by item influence, its size, and what it finds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import hatstats as hs
from hatstats.diagnostics.goodness_of_fit import count_table
from hatstats.estimators.latent import count_fit
from hatstats.estimators.latent.count_fit import check_fits, count_misfit, mean_misfit
from hatstats.estimators.latent.fit import LatentOptions, fit_latent
from hatstats.estimators.latent.model import LatentModel
from hatstats.estimators.latent.patterns import GroupedItems, group_items
from hatstats.inference.goodness import Misfit
from hatstats.scores.benchmark_fit import FitCheck
from hatstats.scores.counts import item_counts
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.study import Study

ALONE = LatentOptions(borrow=False)


def fitted(study: Study, options: LatentOptions) -> tuple[list[LatentModel], list[GroupedItems]]:
    counts = item_counts(study, study.benchmark_names[0])
    models = [m for m in fit_latent(counts, options).models if isinstance(m, LatentModel)]
    assert len(models) == len(counts.models)
    return models, [group_items(counts, m) for m in range(len(models))]


@pytest.mark.parametrize("shape", [Shape(250, 1, 6), Shape(250, 1, 6, twins=True)])
def test_against_the_influence_of_items(shape: Shape) -> None:
    """`count_table` adds up items, of which this test sees sums by source count."""
    study = simulate_study((-0.5, 0.7), shape=shape, rng=4)
    models, items = fitted(study, ALONE)
    table = count_table(hs.fit_profile(study, method="latent", options=ALONE)).tests
    for m, (model, own) in enumerate(zip(models, items, strict=True)):
        rows = table[table["model"] == study.model_names[m]].set_index("term")
        found = count_misfit(model.of_shared, own.pairs, own.correlation)
        expected = rows.loc["source counts"]
        # There items are left out of the distribution that they are compared with.
        assert found.df == pytest.approx(expected["df"], rel=0.01)
        assert found.statistic == pytest.approx(expected["statistic"], rel=0.05)
        found = mean_misfit(model, own)
        expected = rows.loc["target means"]
        # Residuals, too, are from the fit to other items there.
        assert found.df == pytest.approx(expected["df"], rel=0.15)
        assert found.statistic == pytest.approx(expected["statistic"], rel=0.25, abs=0.3)


@pytest.mark.slow
def test_right_fits_are_hardly_ever_rejected_coverage() -> None:
    rejected = []
    for seed in range(30):
        study = simulate_study((-1.0, 0.0, 1.0), shape=Shape(200, 2, 8), rng=seed)
        counts = item_counts(study, study.benchmark_names[0])
        rejected.append(bool(fit_latent(counts).checks))
    # With a size of 5 % more than six of 30 have a chance of 1 in 1,000.
    assert sum(rejected) <= 6


def test_a_wrong_fit_is_rejected_in_its_row() -> None:
    """Increasing curves where transfer falls: the note, its place, and who is named."""
    study = simulate_study((0.0, 1.0), shape=Shape(1500, 2, 10), world="falling_top", rng=1)
    options = LatentOptions(borrow=False, monotone=True)
    profile = hs.fit_profile(study, method="latent", options=options)
    scores = profile.hat()
    assert scores.overlap["note"].str.contains("does not agree with target accuracies").any()
    assert (scores.overlap["note"] != "").all()
    text = scores.summary()
    assert "its fit does not agree" in " ".join(text.split())
    assert "does not agree" in scores._repr_html_()
    notes = scores.contrast(*scores.models).notes
    assert len(notes) == 2
    # Raw target accuracies rest on no fit.
    assert not profile.hat("own").overlap["note"].str.contains("agree").any()
    # The profile that may fall is not rejected.
    free = LatentOptions(borrow=False, monotone=False)
    again = hs.fit_profile(study, method="latent", options=free).hat()
    assert not again.overlap["note"].str.contains("agree").any()


def test_counts_of_another_distribution_are_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    study = simulate_study((0.0, 0.5), shape=Shape(500, 1, 8), rng=2)
    models, items = fitted(study, ALONE)
    other = simulate_study((0.6, 0.5), shape=Shape(500, 1, 8), rng=3)
    moved = fitted(other, ALONE)[0][0]
    patterns = items[0].patterns
    wrong = replace(models[0].of_shared, density=moved.of_shared.density, patterns=patterns)
    assert count_misfit(models[0].of_shared, items[0].pairs, None).p_value > 0.05
    assert count_misfit(wrong, items[0].pairs, None).p_value < 1e-3
    first, second = check_fits(["a", "b"], [replace(models[0], of_shared=wrong), models[1]], items)
    assert first.words.startswith("its fit does not agree with numbers of items by source count;")
    assert second.words.startswith("fits to other models (a first)")
    assert first.factor > 1.5 > second.factor >= 1.0
    assert check_fits(["a", "b"], models, items) == ()
    # Where counts are all but impossible, the interval is as wide as the scale, not wider.
    monkeypatch.setattr(count_fit, "_WIDEST", 1.25)
    own = [replace(models[0], of_shared=wrong), models[1]]
    assert check_fits(["a", "b"], own, items)[0].factor == 1.25
    assert "its interval is over 1 times as wide" in check_fits(["a", "b"], own, items)[0].words


def test_errors_of_a_rejected_fit_are_widened_by_its_factor() -> None:
    study = simulate_study((0.0, 1.0), shape=Shape(150, 2, 6), rng=1)
    for options in (ALONE, LatentOptions()):
        counts = item_counts(study, study.benchmark_names[0])
        fit = fit_latent(counts, options)
        checked = replace(fit, checks=(FitCheck("a", 1.0), FitCheck("b", 2.0)))
        plain, wide = (hs.fit_profile(study, method="latent", options=options) for _ in range(2))
        wide = replace(wide, fits=(checked,))
        before, after = plain.hat(), wide.hat()
        np.testing.assert_allclose(after.estimates, before.estimates)
        factors = np.array([1.0, 2.0])
        expected = before.covariance * np.outer(factors, factors)
        np.testing.assert_allclose(after.covariance, expected, rtol=1e-9)
        # Raw accuracies, and degrees of freedom, do not depend on the fit.
        np.testing.assert_allclose(wide.hat("own").covariance, plain.hat("own").covariance)
        np.testing.assert_allclose(after.df, before.df)


def test_few_trials_say_what_they_cannot_show() -> None:
    words = "Intervals take hardness to be smooth: with about {} effective trials"
    for trials, said in ((3, True), (10, True), (20, False)):
        study = simulate_study((0.0, 1.0), shape=Shape(100, 1, trials), rng=1)
        scores = hs.fit_profile(study, method="latent").hat()
        assert (words.format(trials) in " ".join(scores.summary().split())) is said


def test_many_counts_are_tested_as_sums_of_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that enters the test is a sum over neighbouring counts, and so is its variance."""
    (model,), (items,) = fitted(simulate_study((0.3,), shape=Shape(80, 1, 6), rng=5), ALONE)
    seen: list[tuple[np.ndarray, ...]] = []
    test = count_fit.cumulative_test

    def recorded(*parts: np.ndarray) -> Misfit:
        seen.append(parts)
        return test(*parts)

    monkeypatch.setattr(count_fit, "cumulative_test", recorded)
    for most in (7, 3):
        monkeypatch.setattr(count_fit, "_MOST_COUNTS", most)
        count_misfit(model.of_shared, items.pairs, items.correlation)
    each, grouped = seen
    # Seven counts in three groups: 0 to 1, 2 to 3, 4 to 6.
    sums = np.array([[1, 1, 0, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 1, 1, 1]])
    for one, other in ((0, sums @ each[0]), (1, sums @ each[1] @ sums.T), (2, sums @ each[2])):
        np.testing.assert_allclose(grouped[one], other, atol=1e-12)
    assert each[0].sum() == pytest.approx(0.0, abs=1e-9)
    assert each[2].sum() == pytest.approx(1.0)
