"""Panels that say little: few models, one language, equal sources, guessers, perfect scores."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from hatstats.errors import (
    ConvergenceWarning,
    DegenerateDataWarning,
    NotIdentifiedError,
)
from hatstats.estimators.aggregate.panel_regression import chance_corrected_logit, fit_panel
from hatstats.estimators.aggregate.profile import AggregateProfile, _reliability, fit_aggregate
from hatstats.estimators.methods import fit_profile
from hatstats.other_measures.table import measures
from hatstats.study import Study
from tests.studies import Row, panel_rows, study_of

ETA = [-0.8, -0.2, 0.1, 0.7, 1.2, 1.6]


def panel(rows: list[Row], *, chance: float = 0.25, families: list[str] | None = None) -> Study:
    return study_of(rows, chance=chance, families=families)


def check_whole(profile: AggregateProfile) -> None:
    for reference in ("pooled", "uniform", "own", [0.4, 0.6], "model:model-00"):
        scores = profile.hat(reference)
        assert np.isfinite(scores.estimates).all()
        assert (scores.std_errors > 0).all()
        assert ((scores.limits() > 0) & (scores.limits() < 1)).all()
        assert np.linalg.eigvalsh(scores.covariance).min() > -1e-12
    for table in (profile.tidy(), profile.glance(), profile.points(), profile.curve()):
        assert len(table)
    assert profile.summary()


def test_one_target_language_is_enough() -> None:
    rows = panel_rows(ETA, ["sw"], rng=np.random.default_rng(1))
    profile = fit_aggregate(panel(rows))
    check_whole(profile)
    assert list(profile.panel.components) == ["model"]
    terms = {"gap", "ratio", "excess", "gamma", "parity_gap"}
    assert set(measures(panel(rows))["term"]) == terms


def test_one_target_language_on_each_of_two_benchmarks() -> None:
    rng = np.random.default_rng(2)
    rows = panel_rows(ETA, ["sw"], rng=rng, benchmark="b1")
    rows += panel_rows(ETA, ["sw"], rng=rng, benchmark="b2")
    profile = fit_aggregate(panel(rows))
    check_whole(profile)
    assert list(profile.panel.components) == ["model", "benchmark"]


def test_benchmarks_of_different_models_have_one_model_effect() -> None:
    rng = np.random.default_rng(3)
    rows = panel_rows(ETA, ["sw", "yo"], rng=rng, benchmark="b1")
    others = panel_rows(ETA, ["sw", "yo"], rng=rng, benchmark="b2")
    rows += [(f"other-{row[0]}", *row[1:]) for row in others]
    profile = fit_aggregate(panel(rows))
    assert list(profile.panel.components) == ["model", "cell"]
    with pytest.raises(NotIdentifiedError, match="no model has results on every benchmark"):
        profile.hat()


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_models_for_a_line_say_how_many_are_needed(count: int) -> None:
    rows = panel_rows(ETA[:count], ["sw", "yo"], rng=np.random.default_rng(4))
    with pytest.raises(NotIdentifiedError, match=rf"{count} models? .* at least 3 are needed"):
        fit_aggregate(panel(rows))
    with pytest.raises(NotIdentifiedError, match="at least 3 are needed"):
        measures(panel(rows))


def test_two_models_have_scores_when_the_slope_is_given() -> None:
    rows = panel_rows(ETA[2:4], ["sw", "yo"], rng=np.random.default_rng(4))
    check_whole(fit_aggregate(panel(rows), slope=1.0))
    with pytest.raises(NotIdentifiedError, match="at least 2 are needed"):
        fit_aggregate(panel(rows[:3]), slope=1.0)


@pytest.mark.parametrize("families", [["A", "A", "B"], ["A", "B", "C"], ["A", "A", "A"]])
@pytest.mark.parametrize("languages", [["sw"], ["sw", "yo"]])
def test_three_models_are_the_fewest(families: list[str], languages: list[str]) -> None:
    rows = panel_rows([-1.0, 0.5, 1.5], languages, rng=np.random.default_rng(5))
    check_whole(fit_aggregate(panel(rows, families=families)))


def test_equal_sources_tell_no_slope_and_it_is_held_at_one() -> None:
    rows = panel_rows([0.4] * 6, ["sw", "yo"], rng=np.random.default_rng(6), trials=1e6)
    level = [(*row[:4], 5e5, *row[5:]) if row[2] == "en" else row for row in rows]
    profile = fit_aggregate(panel(level))
    assert "(reliability 0.00), so that no slope is estimated" in profile.note
    held = fit_aggregate(panel(level), slope=1.0)
    np.testing.assert_allclose(profile.hat().estimates, held.hat().estimates)
    check_whole(held)


def test_a_slope_that_swings_between_two_values_settles() -> None:
    # Full steps went from 1.53 to 11.0 and back, for ever.
    table = {
        "en": [46, 54, 55, 52, 41, 52],
        "sw": [38, 47, 38, 51, 41, 30],
        "yo": [22, 37, 24, 35, 28, 20],
    }
    rows: list[Row] = [
        (f"model-{m:02d}", "quiz", language, "", float(right), 100.0, "")
        for language, cells in table.items()
        for m, right in enumerate(cells)
    ]
    families = ["f0", "f2", "f1", "f1", "f2", "f2"]
    profile = fit_aggregate(panel(rows, chance=0.0, families=families))
    # Such a slope is no estimate: the profile holds it at 1.
    assert profile.panel.slopes()[0] == 1.0
    family_of = dict(zip(profile.study.models["model"], families, strict=True))
    assert 1.5 < fit_panel(profile.parts, family_of=family_of).slopes()[0] < 11.1
    check_whole(profile)


@pytest.mark.filterwarnings("ignore::hatstats.errors.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::hatstats.errors.DegenerateDataWarning")
@pytest.mark.slow
def test_any_small_panel_has_finite_scores_or_a_reason() -> None:
    rng = np.random.default_rng(7)
    scored = refused = 0
    for _ in range(15):
        rows: list[Row] = []
        for benchmark in ["b1", "b2"][: rng.integers(1, 3)]:
            spread = rng.choice([0.0, 0.3, 1.5])
            part = panel_rows(
                rng.normal(0, spread, rng.integers(2, 8)),
                ["sw", "yo", "zu"][: rng.integers(1, 4)],
                rng=rng,
                trials=float(rng.choice([20, 100, 1000])),
                benchmark=benchmark,
            )
            rows += [row for row in part if rng.random() < 0.93 or row[2] == "en"]
        try:
            scores = fit_aggregate(panel(rows)).hat()
        except NotIdentifiedError:
            refused += 1
            continue
        assert np.isfinite(scores.estimates).all()
        assert np.isfinite(scores.std_errors).all()
        scored += 1
    # Sources that are all alike are no reason to refuse: the slope is held at 1.
    assert scored >= 12
    assert refused >= 1


def test_a_guesser_is_weakly_identified() -> None:
    rows = panel_rows([-9.0, *ETA], ["sw", "yo", "zu"], rng=np.random.default_rng(8), trials=1000)
    profile = fit_aggregate(panel(rows))
    assert profile.weakly_identified == ("model-00",)
    scores = profile.hat()
    width = np.diff(scores.limits(), axis=1).ravel()
    assert width[0] > 4 * width[1:].max()
    note = scores.overlap.set_index("model")["note"]
    assert "near chance (0.25)" in note["model-00"]
    assert (note.drop("model-00") == "").all()
    assert "model-00 is weakly identified on quiz" in scores.summary()

    # It weighs next to nothing in the line, whatever its targets are.
    moved = [
        (*row[:4], row[4] * 1.05, *row[5:]) if row[0] == "model-00" and row[2] != "en" else row
        for row in rows
    ]
    slope = fit_aggregate(panel(moved)).panel.slopes()[0]
    assert slope == pytest.approx(profile.panel.slopes()[0], abs=0.02)
    without = fit_aggregate(panel([row for row in rows if row[0] != "model-00"]))
    assert without.panel.slopes()[0] == pytest.approx(slope, abs=0.05)


def test_cells_below_chance_and_perfect_cells_have_numbers_and_wide_errors() -> None:
    rows = panel_rows(ETA, ["sw", "yo"], rng=np.random.default_rng(9))
    spoilt = {("model-00", "sw"): 80.0, ("model-05", "yo"): 400.0, ("model-05", "en"): 400.0}
    rows = [(*row[:4], spoilt.get((row[0], row[2]), row[4]), *row[5:]) for row in rows]
    profile = fit_aggregate(panel(rows))
    check_whole(profile)
    part = profile.parts[0]
    assert part.target_var[0, 0] > 10 * part.target_var[1, 0]
    assert part.source_var[5] > 10 * part.source_var[4]
    note = profile.hat().overlap.set_index("model")["note"]
    assert "near the ceiling" in note["model-05"]


def test_few_trials_are_named_as_the_reason() -> None:
    trials = [12.0, *[2000.0] * 5]
    rows = panel_rows(ETA, ["sw", "yo"], rng=np.random.default_rng(10), trials=trials, chance=0.0)
    profile = fit_aggregate(panel(rows, chance=0.0))
    note = profile.hat().overlap.set_index("model")["note"]
    assert "known from few trials" in note["model-00"]


def test_models_on_one_benchmark_only_keep_their_cells_but_have_no_score() -> None:
    rng = np.random.default_rng(11)
    rows = panel_rows(ETA, ["sw", "yo"], rng=rng, benchmark="b1")
    rows += [
        row
        for row in panel_rows(ETA, ["sw", "yo"], rng=rng, benchmark="b2")
        if row[0] != "model-03"
    ]
    scores = fit_profile(panel(rows)).hat()
    assert "model-03" not in scores.models
    assert "model-03" in set(scores.cells["model"])


def test_no_warning_of_numpy_escapes() -> None:
    rows = panel_rows([-9.0, *ETA], ["sw", "yo"], rng=np.random.default_rng(12), trials=50)
    rows = [row for row in rows if (row[0], row[2]) != ("model-02", "yo")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DegenerateDataWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        profile = fit_aggregate(panel(rows))
        for reference in ("pooled", "uniform", "own", [0.0, 1.0]):
            profile.hat(reference).tidy()
        profile.tidy()
        measures(panel(rows))


@pytest.mark.parametrize("share", [0.9, 0.98, 0.99, 1.0])
def test_few_trials_near_a_high_chance_level_are_placed_in_the_middle(share: float) -> None:
    """Their error is wider than all accuracies above chance."""
    z, variance = chance_corrected_logit(np.array([share]), np.array([50.0]), 0.99)
    assert z.tolist() == [0.0]
    assert variance[0] > 16.0


def test_reliability_of_equal_errors_against_theory() -> None:
    """The variance over models is the sample's less that of the errors, if it is above 0."""
    z = np.array([-1.0, 0.2, 1.1, 0.4])
    for count, error in ((3, 0.1), (4, 0.1), (4, 0.5), (4, 9.0)):
        logits = SimpleNamespace(source=z[:count], source_var=np.full(count, error))
        spread = max(float(np.var(z[:count], ddof=1)) - error, 0.0)
        found = _reliability(logits)  # type: ignore[arg-type]
        assert found == pytest.approx(spread / (spread + error), abs=1e-4)
    for count in (1, 2):
        logits = SimpleNamespace(source=z[:count], source_var=np.full(count, 9.0))
        assert _reliability(logits) == 1.0  # type: ignore[arg-type]
