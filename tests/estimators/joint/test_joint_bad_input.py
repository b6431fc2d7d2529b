"""Options that make no sense are refused, and the message says what would do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.estimators.joint.compare import compare_joint
from hatstats.estimators.joint.options import JointOptions
from hatstats.estimators.methods import fit_profile
from hatstats.simulation.simulate import Shape, simulate_study
from tests.studies import panel_rows, study_of


def test_label_names_every_option_that_is_on() -> None:
    everything = JointOptions(True, True, "estimated", "common")
    assert everything.label == "shared factor, beta-binomial, chance estimated, common hardness"
    assert JointOptions().label == "logit-normal"


@pytest.mark.parametrize("method", ["latent", "observed", "aggregate", None])
def test_options_of_joint_with_another_method(method: Any) -> None:
    study = simulate_study((0.0, 1.0), shape=Shape(20, 2, 3), rng=1)
    with pytest.raises(DataError, match="JointOptions for method"):
        fit_profile(study, method=method, options=JointOptions())


def test_options_of_aggregate_with_joint() -> None:
    study = simulate_study((0.0,), shape=Shape(20, 2, 3), rng=1)
    with pytest.raises(DataError, match="belong to method 'aggregate'"):
        fit_profile(study, method="joint", slope=1.0)


def test_accuracies_only() -> None:
    study = study_of(
        panel_rows([0.0, 1.0], ["de", "fr"], rng=np.random.default_rng(1)), chance=0.25
    )
    with pytest.raises(NotIdentifiedError, match="item-level"):
        compare_joint(study)
    with pytest.raises(NotIdentifiedError, match="item-level"):
        fit_profile(study, method="joint")
