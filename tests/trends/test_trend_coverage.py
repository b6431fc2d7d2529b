"""How often a trend is found where there is none, with twenty models in six families."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hatstats.trends.regression import fit_trend
from tests.trends.makers import FAMILY, scores_of, table_of_models

pytestmark = pytest.mark.slow

REPLICATES = 200


def test_size_and_interval_of_two_stages_coverage() -> None:
    """At 5 %: a family effect, release dates that cluster by family, and nothing to find."""
    found = plain = covered = 0
    for seed in range(REPLICATES):
        rng = np.random.default_rng([81, seed])
        estimate = 0.6 + 0.05 * rng.standard_normal(6)[FAMILY] + 0.03 * rng.standard_normal(20)
        scores = scores_of(table_of_models(seed), estimate, np.full(20, 0.01**2))
        trend = fit_trend(scores, "release_year")
        row = trend.tidy().set_index("term").loc["release_year"]
        found += row["p_value"] < 0.05
        covered += row["conf_low"] < 0.0 < row["conf_high"]
        plain += stats.linregress(trend.design.matrix[:, 0], estimate).pvalue < 0.05
    # Two Monte-Carlo standard errors of .05 are .03; longer runs belong to the calibration.
    assert 0.02 <= found / REPLICATES <= 0.09
    assert covered == REPLICATES - found
    # Ordinary least squares, which takes twenty models for twenty independent ones.
    assert plain / REPLICATES > 0.15
    assert plain > 2 * found
