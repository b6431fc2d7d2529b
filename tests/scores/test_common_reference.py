"""The reference `common`: a window of source accuracies that a study declares."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import hatstats as hs
from hatstats.scores.reference import CommonReference, reference_mixture
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.study import Study
from hatstats.study.claims import StudyInfo

WINDOW = (0.3, 0.8)


def declared(window: tuple[float, ...] = WINDOW) -> Study:
    study = simulate_study((-1.5, 0.0, 1.5), shape=Shape(120, 2, 6), rng=3)
    return replace(study, info=replace(study.info, common=window))


def test_it_is_the_mean_of_the_profile_over_the_window() -> None:
    profile = hs.fit_profile(declared(), method="observed")
    scores = profile.hat("common")
    fit = profile.fits[0]  # type: ignore[attr-defined]
    grid = np.linspace(*WINDOW, 20_001)
    for m, curves in enumerate(fit.profiles):
        values = [np.trapezoid(np.interp(grid, fit.support, row), grid) / 0.5 for row in curves]
        assert scores.estimates[m] == pytest.approx(np.mean(values), abs=1e-4)
    assert scores.reference == "common"


@pytest.mark.slow
def test_it_is_the_default_where_it_is_declared_and_pooled_where_not() -> None:
    study = declared()
    plain = replace(study, info=replace(study.info, common=()))
    for method in ("latent", "observed", "aggregate"):
        assert hs.fit_profile(study, method=method).hat().reference == "common"
        assert hs.fit_profile(plain, method=method).hat().reference == "pooled"
    profile = hs.fit_profile(study)
    assert hs.bootstrap_hat(profile, n_draws=100, rng=1).reference == "common"
    assert hs.thin_trials(profile).reference == "common"
    assert hs.split_half(profile).reference == "common"
    found = hs.measure_draws(study, method="latent", n_draws=100, rng=1)
    np.testing.assert_allclose(found.estimate["HAT"], profile.hat().estimates)
    assert profile.hat("pooled").reference == "pooled"


def test_of_accuracies_it_is_the_line_over_the_window() -> None:
    study = declared()
    profile = hs.fit_profile(study, method="aggregate")
    points = np.asarray(CommonReference(*WINDOW))
    np.testing.assert_allclose(profile.hat("common").estimates, profile.hat(points).estimates)
    assert points.mean() == pytest.approx(np.mean(WINDOW))
    assert (points.min(), points.max()) == pytest.approx(WINDOW, abs=0.002)


def test_other_models_do_not_move_it() -> None:
    """Nothing of the reference is estimated: a model more, fitted alone, changes no score."""
    study = declared()
    options = hs.LatentOptions(borrow=False)
    all_of = hs.fit_profile(study, options=options).hat()
    kept = ["model-01", "model-02"]
    few = hs.fit_profile(study.select(models=kept), options=options).hat()
    np.testing.assert_allclose(few.estimates, all_of.estimates[:2], atol=1e-9)
    mixture = reference_mixture(CommonReference(*WINDOW), kept, np.linspace(0, 1, 11))
    assert (mixture.mixing == 0).all()
    assert mixture.fixed.sum() == pytest.approx(1.0)


def test_a_study_keeps_its_window(tmp_path: Path) -> None:
    study = declared((0.2, 0.95))
    study.write(tmp_path / "quiz")
    assert "common = [0.2, 0.95]" in (tmp_path / "quiz/study.toml").read_text()
    assert hs.read_study(tmp_path / "quiz").info.common == (0.2, 0.95)


def test_without_a_window_it_is_refused_with_the_key_to_write() -> None:
    profile = hs.fit_profile(declared(()))
    with pytest.raises(hs.DataError, match=r"declares no window.*common = \[0.2, 0.95\]"):
        profile.hat("common")


@pytest.mark.parametrize("window", [(0.5,), (0.9, 0.2), (0.2, 1.5), (0.2, "x"), (0.2, 0.5, 0.9)])
@pytest.mark.slow
def test_a_window_that_is_none_is_refused(window: tuple[float, ...], tmp_path: Path) -> None:
    with pytest.raises(hs.DataError, match=r"'common'.*low < high"):
        StudyInfo("quiz", common=window)
    declared().write(tmp_path / "quiz")
    toml = tmp_path / "quiz/study.toml"
    shown = str(list(window)).replace("'", '"')
    toml.write_text(toml.read_text().replace("common = [0.3, 0.8]", f"common = {shown}"))
    with pytest.raises(hs.DataError, match=r"study\.toml.*'common'.*low < high"):
        hs.read_study(tmp_path / "quiz")
