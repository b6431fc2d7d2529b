"""Cell estimates: their widths, and how variances of few items are shrunk."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import special, stats

from hatstats.bayes.diagnostics import predictive_check
from hatstats.bayes.estimates import accuracy_cells, item_cells, linearised, study_cells
from hatstats.bayes.fit import fit_hierarchical
from hatstats.bayes.options import CellOptions, Sampling
from hatstats.estimators.aggregate.panel_regression import to_logits
from hatstats.estimators.methods import fit_profile
from hatstats.scores.counts import AggregateCounts
from hatstats.scores.item_profile import ItemProfile
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.study import Study
from tests.bayes.cases import item_study

Floats = NDArray[np.float64]


@pytest.mark.parametrize("method", ["latent", "joint", "observed"])
def test_cells_are_as_wide_as_the_t_distribution_of_their_error(method: str) -> None:
    """Few items carry a weak model's score, and then two standard errors are too few."""
    study = simulate_study((-2.0, 1.0), shape=Shape(n_items=120, n_languages=2), rng=8)
    profile = fit_profile(study, method=method)  # type: ignore[arg-type]
    assert isinstance(profile, ItemProfile)
    (fit,) = profile.fits
    unit, cells = item_cells(fit, "uniform")
    scores = fit.scores("uniform")
    estimate, influence = scores.estimate, scores.influence
    # Errors of borrowed profiles that no item shows.
    extra = (scores.weighted_spread(~np.isnan(estimate), np.eye(unit.cell_model.size)) ** 2).sum(0)
    for position, (m, language) in enumerate(zip(unit.cell_model, unit.cell_language, strict=True)):
        own = influence[:, m, language]
        groups, variance = own.size, float(own @ own)
        df = min(2.0 / max(float((own**4).sum()) / variance**2 - 1.0 / groups, 0.0), groups - 1.0)
        whole = variance * groups / (groups - 1.0) + extra[position]
        half = stats.t.ppf(0.975, df) * np.sqrt(whole)
        slope = 1.0 / (estimate[m, language] * (1.0 - estimate[m, language]))
        column = cells.source.size + position
        np.testing.assert_allclose(
            stats.norm.ppf(0.975) * np.sqrt(cells.cov[column, column]), half * slope, rtol=1e-6
        )


def test_variances_of_few_items_are_shrunk_to_those_of_similar_cells() -> None:
    """Between studies the widths scatter less than by the items of each cell alone."""
    scatter = []
    for seed in range(12):
        study = simulate_study(
            tuple(np.linspace(-1.5, 0.5, 6)), shape=Shape(n_items=100, n_languages=2), rng=seed
        )
        profile = fit_profile(study)
        assert isinstance(profile, ItemProfile)
        (fit,) = profile.fits
        unit, cells = item_cells(fit, "uniform")
        scores = fit.scores("uniform")
        estimate, influence = scores.estimate, scores.influence
        value = estimate[unit.cell_model, unit.cell_language]
        error = np.sqrt((influence[:, unit.cell_model, unit.cell_language] ** 2).sum(axis=0))
        own = np.log(error / (value * (1.0 - value)))
        scatter.append((own, 0.5 * np.log(np.diag(cells.cov)[cells.source.size :])))
    own, shrunk = np.moveaxis(np.array(scatter), 1, 0)
    assert shrunk.std(axis=0).mean() < 0.9 * own.std(axis=0).mean()


def test_cells_by_joint_are_the_scores_of_the_joint_profile() -> None:
    (unit,), (part,) = study_cells(item_study(), CellOptions(method="joint"))
    scores = fit_profile(item_study(), method="joint").hat()
    hat = np.zeros(len(unit.models))
    np.add.at(hat, unit.cell_model, special.expit(part.transfer) / len(unit.languages))
    np.testing.assert_allclose(hat, scores.params, rtol=1e-9)


def test_one_trial_per_item_has_cells_by_joint() -> None:
    """Source ability is not identified by one answer, but by several target languages."""
    shape = Shape(n_items=300, n_languages=3, n_trials=1)
    study = simulate_study((-0.5, 0.0, 0.5, 1.0), shape=shape, rng=2)
    _, (part,) = study_cells(study, CellOptions(method="joint"))
    assert np.isfinite(part.transfer).all()
    assert (np.linalg.eigvalsh(part.cov) > 0).all()


def guessers(rng: np.random.Generator, below: float = 0.0) -> Study:
    """Accuracies of ten models in eight languages, chance one half, most cells near it.

    Cells of the last three languages lie lower by `below`, as where models prefer a wrong label.
    """
    ability = np.linspace(-2.5, 0.5, 10) + 0.3 * rng.standard_normal(10)
    language = np.r_[0.0, -0.5 * np.arange(8)]
    noise = 0.2 * rng.standard_normal((10, 9))
    p = 0.5 + 0.5 * special.expit(ability[:, None] + language + noise)
    p[:, 6:] -= below
    model, column = np.indices(p.shape).reshape(2, -1)
    table = {
        "model": [f"m{m}" for m in model],
        "benchmark": "b",
        "language": [f"l{n}" for n in column],
        "item": "",
        "n_correct": rng.binomial(1500, p).ravel().astype(float),
        "n_trials": 1500.0,
    }
    benchmarks = pd.DataFrame({"benchmark": ["b"], "source_language": ["l0"], "chance": [0.5]})
    return Study(pd.DataFrame(table), benchmarks=benchmarks)


def test_linearised_proportions_near_chance_are_unbiased_with_their_stated_error() -> None:
    """Weighted by the error of the observed accuracy they lie too high."""
    count, trials, true = 1000, np.full(1000, 1500.0), -2.5
    names = tuple(map(str, range(count)))
    drawn = np.random.default_rng(2).binomial(1500, 0.5 + 0.5 * special.expit(true), (2, count))
    source, target = drawn / 1500
    shape = (count, 1)
    counts = AggregateCounts(
        "b", 0.5, names, ("x",), source, trials, target.reshape(shape), trials.reshape(shape)
    )
    logits = to_logits(counts)
    assert np.average(logits.source, weights=1.0 / logits.source_var) > true + 0.1
    unit, part = accuracy_cells(logits, 0.0)
    found = linearised(unit, part, counts, np.full(2 * count, true))
    estimates = np.concatenate([found.source, found.transfer])
    above = 2.0 * np.concatenate([source, target]) - 1.0
    np.testing.assert_allclose(found.shares(estimates), above, atol=1e-12)
    (sd,) = np.unique(np.sqrt(np.diag(found.cov)).round(12))
    assert abs(estimates.mean() - true) < 4.0 * sd / np.sqrt(2 * count)
    assert estimates.std() == pytest.approx(sd, rel=4.0 / np.sqrt(4 * count))
    # New data of the model have the same distribution.
    rng = np.random.default_rng(3)
    noise = sd * rng.standard_normal((1, 2 * count))
    again = found.replicated(np.full((1, 2 * count), true), noise)
    assert stats.ks_2samp(again[0], estimates).pvalue > 1e-3


@pytest.mark.parametrize(("below", "passes"), [(0.0, True), (0.06, False)])
def test_the_predictive_check_near_chance_fails_only_where_the_floor_is_wrong(
    below: float, passes: bool
) -> None:
    how = Sampling(draws=150, tune=150, chains=2, cores=1)
    for seed in (1, 2):
        study = guessers(np.random.default_rng(seed), below)
        check = predictive_check(fit_hierarchical(study, sampling=how, rng=seed))
        assert check.passed is passes, check.words
