"""Models and languages about which a study says nothing: left out with a warning, or refused."""

from __future__ import annotations

import re

import numpy as np
import pytest

import hatstats as hs
from hatstats.errors import DegenerateDataWarning, NotIdentifiedError
from hatstats.estimators.methods import fit_profile
from hatstats.other_measures.table import measures
from hatstats.scores.counts import aggregate_counts, item_counts, ratio
from tests.studies import item_rows, panel_rows, study_of


@pytest.mark.parametrize("method", ["latent", "observed"])
@pytest.mark.parametrize("language", ["en", "sw"])
@pytest.mark.slow
def test_a_model_asked_on_one_side_only_has_no_score(method: str, language: str) -> None:
    rng = np.random.default_rng(0)
    rows = item_rows(["a", "b"], ["en", "sw"], 30, rng=rng)
    study = study_of([*rows, *item_rows(["lonely"], [language], 30, rng=rng)])
    with pytest.warns(DegenerateDataWarning, match="target language for lonely; left out"):
        scores = fit_profile(study, method=method).hat("pooled")
    assert scores.models == ("a", "b")
    without = fit_profile(study_of(rows), method=method).hat("pooled")
    np.testing.assert_allclose(scores.estimates, without.estimates, rtol=0, atol=1e-12)


@pytest.mark.filterwarnings("ignore::hatstats.errors.DegenerateDataWarning")
def test_measures_leave_out_a_model_without_targets() -> None:
    rng = np.random.default_rng(0)
    study = study_of(
        [
            *item_rows(["a", "b", "c", "d"], ["en", "sw", "yo"], 60, rng=rng),
            *item_rows(["lonely"], ["en"], 60, rng=rng),
        ]
    )
    table = measures(study)
    assert set(table["model"]) == {"a", "b", "c", "d"}
    # A source accuracy near one half leaves gamma open.
    assert table.loc[table["term"] != "gamma", "estimate"].notna().all()


def test_source_and_targets_of_different_items_are_not_linked() -> None:
    rows = item_rows(["a", "b"], ["en", "sw"], 20, rng=np.random.default_rng(1))
    apart = [row for row in rows if (row[2] == "en") == (int(row[3][5:]) < 10)]
    with pytest.raises(NotIdentifiedError, match="nothing links the two"):
        item_counts(study_of(apart), "quiz")


def test_target_rows_without_source_rows_are_counted_in_a_warning() -> None:
    rows = item_rows(["a", "b"], ["en", "sw"], 20, rng=np.random.default_rng(1))
    lost = {"item-3", "item-7"}
    some = [row for row in rows if not (row[0] == "b" and row[2] == "en" and row[3] in lost)]
    with pytest.warns(DegenerateDataWarning, match=re.escape("2 model-item pairs")) as seen:
        item_counts(study_of(some), "quiz")
    assert "most for 'b'" in str(seen[0].message)


def test_a_cluster_named_like_an_item_does_not_swallow_that_item() -> None:
    rows = item_rows(["a", "b"], ["en", "sw"], 6, rng=np.random.default_rng(1))
    twins = {"item-1", "item-2"}
    named = [(*row[:6], "item-0" if row[3] in twins else "") for row in rows]
    counts = item_counts(study_of(named), "quiz")
    place = dict(zip(counts.items, counts.clusters, strict=True))
    assert place["item-1"] == place["item-2"]
    assert len(set(place.values())) == 5


def test_a_language_of_models_left_out_is_no_language_of_the_others() -> None:
    rows = panel_rows([0.0, 1.0, 2.0, 1.5, 0.5], ["sw", "yo"], rng=np.random.default_rng(2))
    rows = [row for row in rows if row[:1] + row[2:3] != ("model-00", "en")]
    rows = [row for row in rows if row[0] == "model-00" or row[2] != "yo"]
    with pytest.warns(DegenerateDataWarning, match="no source accuracy for model-00; left out"):
        counts = aggregate_counts(study_of(rows, chance=0.25), "quiz")
    assert counts.languages == ("sw",)
    assert counts.models == ("model-01", "model-02", "model-03", "model-04")


def test_a_model_without_target_accuracies_is_left_out_of_the_panel() -> None:
    rows = panel_rows([0.0, 1.0, 2.0, 1.5, 0.5, -0.3], ["sw", "yo"], rng=np.random.default_rng(2))
    rows = [row for row in rows if row[0] != "model-02" or row[2] == "en"]
    with pytest.warns(DegenerateDataWarning, match="no target accuracy for model-02; left out"):
        scores = fit_profile(study_of(rows, chance=0.25)).hat()
    assert scores.models == ("model-00", "model-01", "model-03", "model-04", "model-05")


def test_no_model_with_both_sides_is_an_error() -> None:
    rows = panel_rows([0.0, 1.0], ["sw"], rng=np.random.default_rng(2))
    apart = [row for row in rows if (row[0] == "model-00") == (row[2] == "en")]
    with (
        pytest.warns(DegenerateDataWarning),
        pytest.raises(NotIdentifiedError, match="no model has both"),
    ):
        aggregate_counts(study_of(apart, chance=0.25), "quiz")


@pytest.mark.parametrize("level", ["item", "aggregate"])
def test_no_target_language_is_an_error(level: str) -> None:
    rng = np.random.default_rng(3)
    rows = (
        item_rows(["a"], ["en"], 10, rng=rng)
        if level == "item"
        else panel_rows([0.0, 1.0, 2.0, 1.0], [], rng=rng)
    )
    with pytest.raises(NotIdentifiedError, match="target language"):
        fit_profile(study_of(rows))


def test_names_of_other_wordings_do_not_label_source_trials() -> None:
    """Named in the target languages alone, or for one model alone: the source is not labelled."""
    shape = hs.Shape(60, 2, 4, repeats=2, wording_correlation=0.3)
    study = hs.simulate_study([0.0, 1.0], shape=shape, rng=1)
    for named, said in (
        (study.counts["language"] != "src", "4 trials not labelled, taken as independent"),
        (study.counts["model"] == "model-01", "4 trials not all labelled, taken as independent"),
    ):
        rows = study.counts.assign(prompt=study.counts["prompt"].where(named, ""))
        cell = ["model", "benchmark", "language", "item", "prompt"]
        counts = rows.groupby(cell, as_index=False)[["n_correct", "n_trials"]].sum()
        profile = hs.fit_profile(hs.Study(counts, study.models, study.benchmarks))
        assert said in profile.estimand
        if "not labelled" in said:
            assert hs.hat_by_correlation(profile, correlations=[0.0])["estimate"].notna().all()
        else:
            with pytest.raises(hs.NotIdentifiedError, match="correlation is assumed"):
                hs.hat_by_correlation(profile)


def test_a_ratio_to_nothing_is_unknown() -> None:
    found = ratio(np.array([1.0, 0.0, 2.0]), np.array([2.0, 0.0, 0.0]))
    np.testing.assert_array_equal(found, [0.5, np.nan, np.nan])
