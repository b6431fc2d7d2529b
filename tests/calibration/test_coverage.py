"""Coverage: intervals contain the truth, tables are reproducible, and the command line."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

from hatstats.calibration import __main__ as command_line
from hatstats.calibration.__main__ import Effort, main, prove_rejections
from hatstats.calibration.coverage import (
    INSIDE,
    CoverageDesign,
    coverage,
    easy_items_missing,
    tally,
)
from hatstats.estimators.methods import fit_profile
from hatstats.simulation.simulate import Shape, simulate_study

pytestmark = pytest.mark.slow


def test_intervals_hold_the_truth_coverage() -> None:
    # 30 replicates: a coverage of .95 has standard error .04, so .8 is almost 4 of them away.
    design = CoverageDesign("shared_factor", abilities=(0.0, 1.0))
    table = coverage(design, [INSIDE], n_replicates=30, rng=2)
    assert list(table["quantity"]) == ["HAT", "HAT", "contrast"]
    assert (table["coverage"] > 0.8).all()
    assert (table["coverage_shape"] >= table["coverage"]).all()
    np.testing.assert_allclose(table["mean_se"], table["sd"], rtol=0.35)
    assert table["bias"].abs().max() < 0.02


@pytest.mark.slow
def test_answers_missing_by_hardness_coverage() -> None:
    """Of easy items a fifth was asked in the target; items asked there are harder than others."""
    design = CoverageDesign(shape=Shape(250, 1, 10), abilities=(0.0, 1.0), missing=0.8)
    table = coverage(design, [INSIDE, "pooled"], n_replicates=24, rng=3)
    assert table["coverage"].mean() > 0.88
    # Four standard errors of a mean of 24: without conditioning on being asked it is .026.
    assert table["bias"].abs().max() < 0.02
    study = simulate_study((1.0,), shape=Shape(2000, 1, 20), rng=1)
    asked = easy_items_missing(study, 10, 0.8, np.random.default_rng(1))
    assert set(asked.counts.loc[asked.is_source, "n_trials"]) == {10.0}
    easy = asked.counts[asked.is_source].set_index("item")["n_correct"] / 10.0
    there = asked.counts.loc[~asked.is_source, "item"]
    assert easy.mean() - easy[there].mean() > 0.1


def test_same_seed_same_table() -> None:
    design = CoverageDesign(shape=Shape(60, 1), abilities=(0.0, 1.0))
    first, again, other = (
        coverage(design, ["pooled"], n_replicates=3, rng=seed) for seed in (4, 4, 5)
    )
    pd.testing.assert_frame_equal(first, again)
    assert not np.allclose(first["bias"], other["bias"])


def test_every_replicate_of_an_extrapolated_score_is_noted() -> None:
    design = CoverageDesign(shape=Shape(120, 1, 5), abilities=(-2.5, 0.0))
    table = coverage(design, [(0.98,), (0.5,)], n_replicates=4, rng=7)
    assert len(table) == 6
    far, middle = table.iloc[:3], table.iloc[3:]
    assert (far.loc[far["ability"] == -2.5, "noted"] == 1.0).all()
    assert middle["noted"].iloc[0] < 1.0


def test_heavy_tails_of_hardness_leave_the_coverage_as_it_is() -> None:
    # 16 replicates of 5 coverages; one of .95 has a standard error of .055.
    design = CoverageDesign(shape=Shape(250, 2, 10, distribution="t2"))
    table = coverage(design, ["pooled"], n_replicates=16, rng=4)
    assert table["coverage"].min() > 0.75
    assert table["coverage"].mean() > 0.88
    assert table["bias"].abs().max() < 0.02


def test_tally_counts_coverages_that_are_off_and_their_warnings() -> None:
    good = pd.DataFrame({"coverage": [0.94, 0.96], "noted": [0.0, 0.5], "conf_level": 0.95})
    good = good.assign(missed=0.04, rejected=0.05)
    off = pd.DataFrame({"coverage": [0.91, 0.925, 0.98], "noted": [0.9, 0.1, 0.0]})
    off = off.assign(missed=[0.02, 0.06, 0.01], rejected=0.5)
    found = tally([good, off.assign(conf_level=0.95)])
    counts = found[["designs", "coverages", "too_low", "too_high", "short"]]
    assert counts.tolist() == [2, 5, 2, 1, 1]
    lower = tally([good, off.assign(conf_level=0.9)])
    assert lower[["too_low", "too_high", "short"]].tolist() == [0, 2, 0]
    assert found[["noted_if_short", "missed_if_short"]].tolist() == [0.9, 0.02]
    assert found["rejected"] == pytest.approx(0.32)
    assert found["lowest"] == 0.91
    assert found["highest_design"] == pytest.approx(0.95)
    assert np.isnan(tally([good])["noted_if_short"])


@pytest.mark.parametrize("world", ["falling_top", "two humps"])
def test_profiles_that_fall_and_two_humps_of_hardness_are_covered(world: str) -> None:
    """Mean coverages were .87 and .78 with increasing curves and humps that were smeared."""
    shape = Shape(660, 2, 10)
    design = CoverageDesign("falling_top", shape)
    if world == "two humps":
        design = CoverageDesign(shape=replace(shape, distribution="bimodal"))
    found = coverage(design, ("pooled", INSIDE), n_replicates=16, rng=3)
    assert found["coverage"].mean() > 0.9
    # Of intervals that miss the truth, those without a warning are as many as in right worlds.
    assert found["missed"].mean() < 0.1


def test_parallel_work_does_not_change_the_numbers() -> None:
    design = CoverageDesign(shape=Shape(60, 1), abilities=(0.0, 1.0))
    assert pickle.loads(pickle.dumps(design)) == design
    one = coverage(design, ["pooled"], n_replicates=3, rng=3)
    with joblib.parallel_config(backend="threading"):
        two = coverage(design, ["pooled"], n_replicates=3, n_jobs=2, rng=3)
    pd.testing.assert_frame_equal(one, two)


def test_shape_error_is_larger_where_a_model_has_no_items() -> None:
    study = simulate_study((-2.0, 0.0), shape=Shape(n_items=250, n_languages=1), rng=6)
    profile = fit_profile(study)
    weak, medium = profile.hat("uniform").shape_error
    assert weak > 2.0 * medium > 0.0
    # Raw accuracies depend on no shape; that of observed profiles is unknown.
    np.testing.assert_array_equal(profile.hat("own").shape_error, 0.0)
    assert np.isnan(fit_profile(study, method="observed").hat("uniform").shape_error).all()


def test_command_line_prints_the_tables(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tiny = Effort(studies=1, items=100, trials=(5,), methods=("latent",))
    monkeypatch.setattr(command_line, "QUICK", tiny)
    monkeypatch.setattr(command_line, "_PILED", (0.35,))
    main(["drift", "--quick", "--out", str(tmp_path / "tables")])
    shown = capsys.readouterr().out
    for word in ("Drift", "Bias", "conditional", "shared_factor", "HAT, latent uniform"):
        assert word in shown
    assert "Coverage" not in shown
    written = {path.stem: pd.read_csv(path) for path in (tmp_path / "tables").glob("*.csv")}
    assert set(written) == {f"drift_{x}" for x in ("spread", "spread_of_means", "bias", "noted")}
    value = written["drift_spread"]["HAT, latent uniform"].iloc[0]
    assert f"{value:.4f}" in shown


def test_command_line_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    for name, proof in command_line.PROOFS.items():
        assert name in shown
        assert str(proof.__doc__) in shown
    with pytest.raises(SystemExit):
        main(["size"])
    assert "unknown proof 'size'; use drift" in capsys.readouterr().err


def test_rejections_are_tabled() -> None:
    by_method, by_df = prove_rejections(Effort(panels=1), 1, 1)
    assert "Rejections at 5 %" in by_method[1]
    assert any("wild Rademacher" in method for method in by_method[2]["method"])
    assert "df_low" in by_df[2].columns
