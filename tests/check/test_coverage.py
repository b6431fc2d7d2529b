from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hatstats.check.__main__ import main
from hatstats.check.coverage import INSIDE, CoverageDesign, coverage, shape_error
from hatstats.hat.fitting import fit_profile
from hatstats.hat.items import ItemProfile
from hatstats.study import simulate_study
from hatstats.study.simulate import Shape


def test_intervals_hold_the_truth_coverage() -> None:
    # 40 replicates: a coverage of .95 has standard error .034, so .8 is over 4 of them away.
    design = CoverageDesign("shared_factor", n_items=250, n_languages=1, abilities=(0.0, 1.0))
    table = coverage(design, INSIDE, n_replicates=40, rng=2)
    assert list(table["quantity"]) == ["HAT", "HAT", "contrast"]
    assert (table["coverage"] > 0.8).all()
    assert (table["coverage_shape"] >= table["coverage"]).all()
    np.testing.assert_allclose(table["mean_se"], table["sd"], rtol=0.35)
    assert table["bias"].abs().max() < 0.02


def test_same_seed_same_table() -> None:
    design = CoverageDesign(n_items=60, abilities=(0.0, 1.0))
    first, again, other = (
        coverage(design, "pooled", n_replicates=3, rng=seed) for seed in (4, 4, 5)
    )
    pd.testing.assert_frame_equal(first, again)
    assert not np.allclose(first["bias"], other["bias"])


def test_shape_error_grows_where_a_model_has_no_items() -> None:
    study = simulate_study((-2.0, 0.0), shape=Shape(n_items=250, n_languages=1), rng=6)
    profile = fit_profile(study)
    assert isinstance(profile, ItemProfile)
    weak, middling = shape_error(profile, "uniform")
    assert weak > 2.0 * middling > 0.0
    observed = fit_profile(study, method="observed")
    assert isinstance(observed, ItemProfile)
    np.testing.assert_array_equal(shape_error(observed, "uniform"), 0.0)


def test_command_line_prints_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--seeds", "0", "--replicates", "0", "--fits", "0"])
    assert capsys.readouterr().out == ""
    size = [
        "--seeds",
        "2",
        "--items",
        "100",
        "--promptings",
        "5",
        "--replicates",
        "0",
        "--fits",
        "0",
    ]
    main([*size, "--methods", "latent"])
    shown = capsys.readouterr().out
    for word in ("Drift", "Bias", "conditional transfer", "shared_factor", "HAT, latent uniform"):
        assert word in shown
