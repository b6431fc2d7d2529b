"""Cell estimates: their widths, and how variances of few items are shrunk."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special, stats

from hatstats.bayes.estimates import item_cells, study_cells
from hatstats.bayes.options import CellOptions
from hatstats.estimators.methods import fit_profile
from hatstats.scores.item_profile import ItemProfile
from hatstats.simulation.simulate import Shape, simulate_study
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
    for position, (m, language) in enumerate(zip(unit.cell_model, unit.cell_language, strict=True)):
        own = influence[:, m, language]
        groups, variance = own.size, float(own @ own)
        df = min(2.0 / max(float((own**4).sum()) / variance**2 - 1.0 / groups, 0.0), groups - 1.0)
        half = stats.t.ppf(0.975, df) * np.sqrt(variance * groups / (groups - 1.0))
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
    assert shrunk.std(axis=0).mean() < 0.8 * own.std(axis=0).mean()


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
