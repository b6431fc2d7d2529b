"""Coverage of the hierarchical model in worlds of known truth, on the smallest studies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hatstats.bayes.fit import fingerprint, fit_hierarchical
from hatstats.bayes.options import Sampling
from hatstats.calibration import worlds
from hatstats.calibration.worlds import WorldDesign, wrong_worlds
from hatstats.study import Study


def test_worlds_report_errors_and_coverage_of_the_studies_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fits: dict[str, Any] = {}

    def stored(study: Study, **options: Any) -> Any:
        key = fingerprint(study)
        if key not in fits:
            fits[key] = fit_hierarchical(study, **options)
        return fits[key]

    monkeypatch.setattr(worlds, "fit_hierarchical", stored)
    how = Sampling(draws=100, tune=100, chains=2, cores=1)
    design = WorldDesign("cubic", n_models=4, n_items=60, n_languages=1, sampling=how)
    table = wrong_worlds([design], n_replicates=2, rng=1)
    row = table.iloc[0]
    assert (row["world"], row["n_replicates"]) == ("cubic", 2)
    assert np.abs(row["bias"]) < 0.15
    assert row["trend"] in (0.0, 0.5, 1.0)
    assert row["hat"] * 8 == round(row["hat"] * 8)
    again = wrong_worlds([design], n_replicates=2, rng=1)
    assert again.equals(table)
    assert len(fits) == 2, "the same seed draws the same studies"
