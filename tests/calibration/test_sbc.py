"""Calibration of posteriors: the envelope, and one drawn study."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hatstats.bayes.options import Sampling
from hatstats.calibration.sbc import (
    RankDesign,
    calibration_table,
    ecdf_envelope,
    rank_statistics,
    redrawn,
    template,
)


def ranks(values: np.ndarray, n_draws: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "fit": np.arange(values.size),
            "quantity": "x",
            "rank": values,
            "n_draws": n_draws,
            "covered": (values > 0.025 * n_draws) & (values < 0.975 * n_draws),
        }
    )


def test_envelope_holds_nineteen_of_twenty_uniform_ecdfs() -> None:
    rng = np.random.default_rng(1)
    low, high = ecdf_envelope(100, 50)
    inside = 0
    for _ in range(400):
        drawn = np.sort(rng.integers(51, size=100))
        ecdf = np.searchsorted(drawn, np.arange(51), side="right") / 100
        inside += bool(((ecdf >= low) & (ecdf <= high)).all())
    assert 0.91 <= inside / 400 <= 0.985


@pytest.mark.parametrize("shape", [(1.6, 1.0), (2.5, 2.5)], ids=["biased", "too wide"])
def test_biased_and_too_wide_posteriors_leave_the_envelope(shape: tuple[float, float]) -> None:
    rng = np.random.default_rng(2)
    values = np.floor(rng.beta(*shape, 200) * 101).astype(int)
    table = calibration_table(ranks(values, 100)).iloc[0]
    assert not table["inside"]
    assert table["outside"] > 0.02


def test_estimates_are_drawn_around_the_truth_with_the_covariance_of_the_cells() -> None:
    cells = template(RankDesign(n_models=3, n_items=40, n_languages=2))
    rng = np.random.default_rng(3)
    names = [f"sd_{group.name}" for group in cells.effects.scaled]
    parameters = {name: np.array([0.4]) for name in (*names, "sd_cell")}
    truth = cells.complete(parameters, rng, prior=True)
    unit, part = cells.effects.units[0], cells.parts[0]
    true_transfer = truth["transfer"][0, unit.cell_model, 0, unit.cell_language]
    true = np.concatenate([truth["source"][0, :, 0], true_transfer])
    found = [redrawn(cells, truth, rng).parts[0] for _ in range(2000)]
    errors = np.array([np.concatenate([one.source, one.transfer]) for one in found]) - true
    assert (np.abs(errors.mean(axis=0)) < 4.5 * np.sqrt(np.diag(part.cov) / 2000)).all()
    np.testing.assert_allclose(np.cov(errors.T), part.cov, atol=0.12 * np.diag(part.cov).max())


def test_ranks_of_drawn_studies_have_one_row_per_quantity() -> None:
    how = Sampling(draws=60, tune=60, chains=2, cores=1)
    design = RankDesign(n_models=3, n_items=40, n_languages=2, sampling=how, thin=6)
    table = rank_statistics(design, n_fits=3, rng=1)
    assert table.groupby("fit").size().nunique() == 1
    assert table["fit"].nunique() == 3
    assert {"sd_cell", "HAT[0]"} <= set(table["quantity"])
    assert (table["rank"] <= table["n_draws"]).all()
    assert table.loc[table["quantity"] == "HAT[0]", "rank"].nunique() > 1
