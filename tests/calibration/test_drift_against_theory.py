from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from hatstats.calibration.drift import drift, source_quantiles, true_score
from hatstats.calibration.stress import StressDesign
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.simulation.worlds import true_hat


def test_quantiles_represent_the_simulated_distribution() -> None:
    study = simulate_study(
        (1.0,), shape=Shape(n_items=20_000, n_languages=1, n_trials=50, piled=0.35), rng=3
    )
    source = study.counts["language"] == "src"
    share = (study.counts["n_correct"] / study.counts["n_trials"])[source]
    stand_in = source_quantiles(1.0, Shape(piled=0.35))
    assert stand_in.mean() == pytest.approx(share.mean(), abs=0.01)
    assert (stand_in > 0.9).mean() == pytest.approx((share > 0.9).mean(), abs=0.02)


def test_truth_of_the_uniform_reference_is_the_area_under_the_profile() -> None:
    # Cubic world: T(x) = x^3, area 1/4.
    assert true_score("cubic", "uniform", (0.0, 1.0), Shape()) == pytest.approx(0.25, abs=1e-6)
    pooled = true_score("cubic", "pooled", (0.0, 1.0), Shape())
    z = np.random.default_rng(1).standard_normal(200_000)
    drawn = np.concatenate([special.expit(level + 1.5 * z) for level in (0.0, 1.0)])
    assert pooled == pytest.approx(true_hat(drawn, world="cubic"), abs=0.003)
    narrow = true_score("cubic", "pooled", (0.0, 1.0), Shape(spread=0.5))
    drawn = np.concatenate([special.expit(level + 0.5 * z) for level in (0.0, 1.0)])
    assert narrow == pytest.approx(true_hat(drawn, world="cubic"), abs=0.003)


@pytest.mark.slow
def test_latent_drifts_less_than_what_it_replaces() -> None:
    design = StressDesign("logit_normal", Shape(3_000, 2), (-1.0, 2.0))
    table = drift(design, methods=("latent", "observed"), n_seeds=3, rng=8)
    spread = table.drop_duplicates(["measure", "reference"]).set_index(["measure", "reference"])
    moved = spread["spread_of_means"]
    assert moved["HAT, latent", "uniform"] < 0.02
    assert moved["HAT, observed", "uniform"] > 0.04
    assert moved["conditional", ""] > 0.2
    # Two models do not determine a line, so that an excess over it is unknown.
    assert set(moved.index[moved.isna()]) == {("excess", "")}
    known = spread.dropna(subset=["spread"])
    assert (known["spread"] >= known["spread_of_means"] - 1e-12).all()
    bias = table[table["measure"] == "HAT, latent"]["bias"]
    assert len(bias) == 4
    assert bias.abs().max() < 0.02
