"""`joint` less `latent`: size where the parametric model is right, power where it is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from hatstats.diagnostics.hausman import MisspecificationTest, misspecification_test
from hatstats.errors import DataError, NotIdentifiedError
from hatstats.estimators.joint.options import JointOptions
from hatstats.estimators.methods import fit_profile
from hatstats.scores.item_profile import score_influence
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.simulation.worlds import WorldName

ABILITIES = (-0.5, 0.5)


def compared(world: WorldName, seed: int, items: int) -> MisspecificationTest:
    study = simulate_study(ABILITIES, shape=Shape(items, 2, 10), world=world, rng=seed)
    joint, latent = (fit_profile(study, method=method) for method in ("joint", "latent"))
    return misspecification_test(joint, latent, [0.3, 0.5, 0.7])


@pytest.mark.slow
def test_size_in_its_own_world() -> None:
    """At 5 %, 10 studies: 0.5 rejections expected, more than 3 once in 1,000 runs."""
    p = [
        float(compared("logit_normal", seed, 250).glance()["p_value"].iloc[0]) for seed in range(10)
    ]
    assert min(p) > 0
    assert np.sum(np.array(p) < 0.05) <= 3
    assert np.median(p) > 0.15


def test_power_where_items_transfer_or_not() -> None:
    found = compared("mixture", 1, items=4000)
    assert found.glance()["p_value"].iloc[0] < 1e-3
    assert "NOT compatible" in found.summary()


def test_difference_and_its_covariance_are_those_of_the_influence_values() -> None:
    study = simulate_study(ABILITIES, shape=Shape(200, 2, 5, twins=True), rng=3)
    joint, latent = (fit_profile(study, method=method) for method in ("joint", "latent"))
    found = misspecification_test(joint, latent)
    a, b = score_influence(joint), score_influence(latent)
    d = a.estimates - b.estimates
    psi = a.influence[0] - b.influence[0]
    groups = len(psi)
    assert groups == 100
    assert b.spread is not None  # of profiles that borrow, which no item shows
    cov = psi.T @ psi * groups / (groups - 1) + b.spread.T @ b.spread
    rows = found.tidy()
    assert rows["term"].tolist() == ["joint"] * 2 + ["latent"] * 2 + ["difference"] * 2
    last = rows[rows["term"] == "difference"]
    np.testing.assert_allclose(last["estimate"], d)
    np.testing.assert_allclose(last["std_error"], np.sqrt(np.diag(cov)))
    square = d @ np.linalg.solve(cov, d)
    row = found.glance().iloc[0]
    assert row["statistic"] == pytest.approx(square * (groups - 2) / (2 * (groups - 1)))
    assert (row["df"], row["df_resid"]) == (2, 98)
    assert max(len(line) for line in found.summary().splitlines()) <= 80
    assert "F(2, 98)" in found.summary()


def test_two_ways_of_one_trial_agree_in_their_world() -> None:
    study = simulate_study((0.0, 1.0), shape=Shape(1000, 3, 1), rng=4)
    common, own = (
        fit_profile(study, method="joint", options=JointOptions(hardness=hardness))
        for hardness in ("common", "own")
    )
    found = misspecification_test(common, own)
    assert found.methods == ("joint over models", "joint")
    assert found.glance()["p_value"].iloc[0] > 0.01
    assert found.tidy()["term"].nunique() == 3


def test_bad_input() -> None:
    study = simulate_study(ABILITIES, shape=Shape(60, 2, 5), rng=5)
    other = simulate_study(ABILITIES, shape=Shape(61, 2, 5), rng=5)
    joint = fit_profile(study, method="joint")
    with pytest.raises(DataError, match="different models or items"):
        misspecification_test(joint, fit_profile(other, method="latent"))
    with pytest.raises(DataError, match="both profiles are by method 'joint'"):
        misspecification_test(joint, joint)
    with pytest.raises(DataError, match="raw target accuracy"):
        misspecification_test(joint, joint, "own")
    panel = simulate_study((-1.0, 0.0, 1.0, 2.0), shape=Shape(60, 2, 5), rng=5)
    means = fit_profile(panel, method="aggregate")
    with pytest.raises(NotIdentifiedError, match="counts per item"):
        misspecification_test(joint, means)
