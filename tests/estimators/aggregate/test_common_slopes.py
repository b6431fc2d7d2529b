"""Slopes of benchmarks err together, since effects of models are in all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import hatstats as hs
from hatstats.estimators.aggregate.profile import AggregateProfile, fit_aggregate
from hatstats.other_measures.draws import measure_draws
from tests.studies import panel_rows, study_of

LANGUAGES = ["de", "sw", "yo"]


@pytest.fixture(scope="module")
def profile() -> AggregateProfile:
    """Two benchmarks of ten models whose abilities and effects are the same in both."""
    rng = np.random.default_rng(3)
    abilities, effects = rng.normal(0.6, 0.9, 10), rng.normal(0.0, 0.4, 10)
    rows = [
        row
        for name in ("quiz", "exam")
        for row in panel_rows(
            abilities, LANGUAGES, rng=rng, effects=effects, trials=4000, benchmark=name
        )
    ]
    found = fit_aggregate(study_of(rows, chance=0.25))
    assert found.panel.n_path >= 2
    return found


def with_path(profile: AggregateProfile, params: np.ndarray, share: float) -> AggregateProfile:
    """The profile with other coefficients, and so much of their covariance."""
    fit = replace(profile.panel.fit, params=params, cov=share * profile.panel.fit.cov)
    return replace(profile, panel=replace(profile.panel, fit=fit))


def path_part(
    profile: AggregateProfile, values: Callable[[AggregateProfile], np.ndarray]
) -> np.ndarray:
    """Covariance of `values`, a function of a profile, from its path alone.

    By the delta method with numerical derivatives, and the whole covariance of the coefficients.
    """
    panel = profile.panel
    columns = panel.n_intercepts + np.arange(panel.n_path)
    slopes = []
    for column in columns:
        ends = []
        for step in (1e-5, -1e-5):
            params = panel.fit.params.copy()
            params[column] += step
            ends.append(values(with_path(profile, params, 1.0)))
        slopes.append((ends[0] - ends[1]) / 2e-5)
    gradient = np.array(slopes).T
    cov = panel.fit.cov[np.ix_(columns, columns)]
    first, second = panel.path_columns(0)[0], panel.path_columns(1)[0]
    assert panel.fit.cov[first, second] > 0.2 * panel.fit.cov[first, first]
    return np.asarray(gradient @ cov @ gradient.T)


def test_scores_cells_and_languages_have_the_covariance_of_slopes(
    profile: AggregateProfile, tmp_path: Path
) -> None:
    known = with_path(profile, profile.panel.fit.params, 0.0).hat("uniform")
    scores = profile.hat("uniform")
    wanted = path_part(profile, lambda p: p.hat("uniform").estimates)
    close = {"rtol": 1e-5, "atol": 1e-10}
    np.testing.assert_allclose(scores.covariance - known.covariance, wanted, **close)
    of_cells = path_part(
        profile, lambda p: p.hat("uniform").cells["estimate"].to_numpy(dtype=float)
    )
    np.testing.assert_allclose(scores.cells_cov - known.cells_cov, of_cells, **close)
    own = np.diag(scores.cells_cov)
    np.testing.assert_allclose(scores.cells["std_error"] ** 2, own)
    # A difference in one language is one of cells of both benchmarks.
    sw = (scores.cells["language"] == "sw").to_numpy()
    model = scores.cells["model"].to_numpy()
    weights = 0.5 * sw * ((model == "model-00") * 1.0 - (model == "model-01"))
    contrast = scores.contrast("model-00", "model-01", languages="sw")
    assert contrast.estimate == pytest.approx(weights @ scores.cells["estimate"])
    assert contrast.std_error**2 == pytest.approx(weights @ scores.cells_cov @ weights)
    by = scores.by("language", models=scores.models).tidy()
    mean = 0.05 * sw
    row = by[by["language"] == "sw"].iloc[0]
    assert row["std_error"] ** 2 == pytest.approx(mean @ scores.cells_cov @ mean)
    scores.save(tmp_path / "scores.json")
    again = hs.HatScores.load(tmp_path / "scores.json")
    np.testing.assert_allclose(again.cells_cov, scores.cells_cov, rtol=1e-12)


def test_decomposition_has_the_covariance_of_slopes(profile: AggregateProfile) -> None:
    def parts(of: AggregateProfile) -> hs.Decomposition:
        return hs.decompose(of, "model-00", "model-01")

    known = parts(with_path(profile, profile.panel.fit.params, 0.0))
    wanted = path_part(profile, lambda p: parts(p).estimates)
    found = parts(profile).covariance - known.covariance
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-10)


def test_draws_of_measures_move_paths_together(profile: AggregateProfile) -> None:
    found = measure_draws(
        profile.study, method="aggregate", reference="uniform", n_draws=4000, rng=1
    )
    draws = found.draws[next(iter(found.draws))]  # HAT is the first
    scores = profile.hat("uniform")
    assert found.models == scores.models
    strong, weak = int(np.argmax(scores.source)), int(np.argmin(scores.source))
    contrast = scores.contrast(scores.models[strong], scores.models[weak])
    assert np.std(draws[:, strong] - draws[:, weak]) == pytest.approx(contrast.std_error, rel=0.05)
