"""HAT from wordings that repeat: what `make calibrate` prints at length, on few studies."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from hatstats.calibration.coverage import CoverageDesign, coverage
from hatstats.calibration.drift import true_score
from hatstats.errors import DegenerateDataWarning
from hatstats.estimators.methods import fit_profile
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.study import Study

pytestmark = pytest.mark.slow

ABILITIES = (-1.5, 0.0, 1.5, 3.0)


def without_wordings(study: Study) -> Study:
    cell = ["model", "benchmark", "language", "item"]
    counts = study.counts.groupby(cell, as_index=False)[["n_correct", "n_trials"]].sum()
    return Study(counts, models=study.models, benchmarks=study.benchmarks)


@pytest.mark.parametrize(("repeats", "rho"), [(2, 0.3), (5, 0.3)])
def test_equal_transfer_stays_equal_where_wordings_are_named_drift(
    repeats: int, rho: float
) -> None:
    shape = Shape(500, 3, 10, repeats=repeats, wording_correlation=rho)
    truth = true_score("logit_normal", "pooled", ABILITIES, shape)
    named, unnamed = [], []
    with warnings.catch_warnings(action="ignore", category=DegenerateDataWarning):
        for child in np.random.default_rng(5).spawn(8):
            study = simulate_study(ABILITIES, shape=shape, rng=child)
            named.append(fit_profile(study, method="latent").hat("pooled").estimates)
            binomial = fit_profile(without_wordings(study), method="latent").hat("pooled")
            unnamed.append(binomial.estimates)
    error = np.std(named, axis=0, ddof=1) / np.sqrt(8)
    # The bar is a spread of .03; three Monte-Carlo errors of the weakest model's mean are allowed.
    assert np.ptp(np.mean(named, axis=0)) < 0.03 + 3 * error.max()
    assert (abs(np.mean(named, axis=0) - truth) < 0.015 + 4 * error).all()
    # Taken for independent trials, repeats make abler models look better at transfer.
    assert np.ptp(np.mean(unnamed, axis=0)) > 1.5 * np.ptp(np.mean(named, axis=0))
    assert (np.diff(np.mean(unnamed, axis=0)) > 0).all()


@pytest.mark.slow
def test_intervals_from_wordings_that_repeat_hold_the_truth_coverage() -> None:
    shape = Shape(500, 3, 10, repeats=5, wording_correlation=0.3)
    table = coverage(CoverageDesign(shape=shape, abilities=ABILITIES), ["pooled"], n_replicates=24,
                     rng=3)  # fmt: skip
    # A coverage of .95 from 24 studies has a standard error of .044.
    assert (table["coverage"] > 0.77).all()
    assert table["coverage"].mean() == pytest.approx(0.95, abs=0.06)
    np.testing.assert_allclose(table["mean_se"], table["sd"], rtol=0.4)
