"""Calibration of posteriors: the envelope, and one drawn study."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hatstats.calibration.sbc import (
    RankDesign,
    _template,
    calibration_table,
    ecdf_envelope,
    redrawn,
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


def test_counts_drawn_from_a_model_make_a_model_of_the_same_coordinates() -> None:
    template = _template(RankDesign(n_models=3, n_items=40))
    rng = np.random.default_rng(3)
    truth = template.prior_coordinates(template.density.draw_prior(rng)[None], rng)
    model = redrawn(template, truth[0], rng)
    assert model.density.size == template.density.size
    assert [p.name for p in model.density.parameters] == [
        p.name for p in template.density.parameters
    ]
    assert np.isfinite(model.density.value_and_gradient(model.density.first())[0])
    # The reference logit stays: else the same parameters would mean something else.
    assert model.blocks[0][0].centre == template.blocks[0][0].centre  # type: ignore[index]
    counts = model.counts[0]
    assert counts is not None
    assert (counts.source_correct <= counts.source_trials).all()
