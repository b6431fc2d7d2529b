"""Answers all alike, one item, three items: said in words, never passed off as certainty."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

from hatstats.errors import DegenerateDataWarning, NotIdentifiedError
from hatstats.estimators.methods import fit_profile
from hatstats.other_measures.table import measures
from hatstats.study import Study
from tests.studies import Row, item_rows, study_of

METHODS = ("latent", "observed")


def extreme(source: float, target: float | None) -> Study:
    """Model a answers every source item alike (and every target item), model b plainly."""
    rng = np.random.default_rng(1)
    rows: list[Row] = item_rows(["b"], ["en", "sw"], 40, rng=rng)
    for i in range(40):
        k = float(rng.binomial(5, 0.5)) if target is None else 5.0 * target
        rows.append(("a", "quiz", "en", f"item-{i}", 5.0 * source, 5.0, ""))
        rows.append(("a", "quiz", "sw", f"item-{i}", k, 5.0, ""))
    return study_of(rows)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("source", "word"), [(0.0, "wrong"), (1.0, "right")])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_a_score_that_no_item_moves_has_no_interval(
    method: str, source: float, word: str, target: float
) -> None:
    with pytest.warns(DegenerateDataWarning, match=f"every source answer of 'a' is {word}"):
        profile = fit_profile(extreme(source, target), method=method)
    with pytest.warns(DegenerateDataWarning, match="no interval for a, quiz, sw: their answers"):
        scores = profile.hat("own")
    a, b = scores.models.index("a"), scores.models.index("b")
    assert scores.estimates[a] == pytest.approx(target)
    assert np.isnan(scores.limits()[a]).all()
    assert np.isfinite(scores.limits()[b]).all()
    assert scores.tidy().set_index("model").loc["a", ["conf_low", "conf_high"]].isna().all()
    assert scores.tidy_cells().set_index("model").loc["a", ["conf_low"]].isna().all()
    # The other scores keep their covariance.
    assert np.isfinite(scores.covariance).all()
    # Against another model it has the error of that model alone.
    pair = scores.pairs(["a", "b"], rng=1)
    assert pair["std_error"].tolist() == pytest.approx([scores.std_errors[b]])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("source", [0.0, 1.0])
def test_a_profile_known_at_one_end_only_says_so(method: str, source: float) -> None:
    with pytest.warns(DegenerateDataWarning, match="elsewhere extrapolated"):
        profile = fit_profile(extreme(source, None), method=method)
    scores = profile.hat("own")
    assert (scores.std_errors > 0.01).all()
    other_end = profile.hat([1.0 - source])
    assert "mostly extrapolation" in other_end.overlap.set_index("model").loc["a", "note"]


@pytest.mark.filterwarnings("ignore:benchmark 'quiz'. every source answer")
@pytest.mark.parametrize("method", METHODS)
def test_one_item_has_a_score_and_no_standard_error(method: str) -> None:
    study = study_of(item_rows(["a", "b"], ["en", "sw"], 1, rng=np.random.default_rng(2)))
    profile = fit_profile(study, method=method)
    with pytest.warns(DegenerateDataWarning, match="one item or item cluster"):
        scores = profile.hat("own")
    assert np.isfinite(scores.estimates).all()
    assert np.isnan(scores.covariance).all()
    assert np.isnan(scores.limits()).all()
    # Data that decide no comparison leave every rank to every model.
    table = scores.ranks(rng=1)
    assert table[["rank_low", "rank_high"]].to_numpy().tolist() == [[1, 2], [1, 2]]
    assert scores.pairs(rng=1)[["p_adjusted", "conf_low"]].isna().all(axis=None)


def test_ranks_of_many_models_on_one_item() -> None:
    """The eigenvalues of a matrix of NaN do not exist."""
    names = [f"m{place}" for place in range(8)]
    rows = item_rows(names, ["en", "sw"], 1, rng=np.random.default_rng(2))
    rows = [(*row[:4], 2.0, *row[5:]) for row in rows]
    with pytest.warns(DegenerateDataWarning, match=re.escape("and 5 more: one item")):
        scores = fit_profile(study_of(rows)).hat()
    assert set(scores.ranks(rng=1)["rank_high"]) == {8}
    assert scores.contrast("m0", "m1").tidy()["std_error"].isna().all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_items", [2, 3, 5])
@pytest.mark.slow
def test_few_items_give_finite_scores(method: str, n_items: int) -> None:
    study = study_of(item_rows(["a", "b"], ["en", "sw"], n_items, rng=np.random.default_rng(3)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)
        for reference in ("pooled", "uniform", "own", [0.5]):
            scores = fit_profile(study, method=method).hat(reference)
            assert ((scores.estimates >= 0) & (scores.estimates <= 1)).all()
            assert np.isfinite(scores.covariance).all()


def test_a_language_with_three_items_has_a_wide_interval() -> None:
    rng = np.random.default_rng(4)
    rows = item_rows(["a", "b"], ["en", "sw"], 60, rng=rng)
    rows += item_rows(["a", "b"], ["yo"], 3, rng=rng)
    scores = fit_profile(study_of(rows), method="latent").hat()
    error = scores.cells.set_index(["language", "model"])["std_error"]
    assert (error["yo"] > 1.5 * error["sw"]).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_language_that_one_model_was_never_asked_in(method: str) -> None:
    rows = item_rows(["a", "b"], ["en", "sw", "yo"], 60, rng=np.random.default_rng(5))
    rows = [row for row in rows if row[:1] + row[2:3] != ("b", "yo")]
    scores = fit_profile(study_of(rows), method=method).hat()
    assert len(scores.cells) == 3
    # Scores are means over shared languages: the cell of sw alone.
    cells = scores.cells.set_index(["model", "language"])["estimate"]
    assert scores.estimates == pytest.approx(cells.loc[:, "sw"].to_numpy())


@pytest.mark.parametrize("method", METHODS)
def test_models_without_a_shared_language_cannot_be_compared(method: str) -> None:
    rows = item_rows(["a", "b"], ["en", "sw", "yo"], 40, rng=np.random.default_rng(6))
    only = {"a": {"en", "sw"}, "b": {"en", "yo"}}
    study = study_of([row for row in rows if row[2] in only[row[0]]])
    with pytest.raises(NotIdentifiedError, match="no target language was asked of every model"):
        fit_profile(study, method=method).hat()


@pytest.mark.parametrize("method", METHODS)
def test_a_model_without_one_benchmark_keeps_its_cells_but_has_no_score(method: str) -> None:
    rng = np.random.default_rng(7)
    rows = item_rows(["a", "b"], ["en", "sw"], 40, rng=rng, benchmark="one")
    rows += item_rows(["a"], ["en", "sw"], 40, rng=rng, benchmark="two")
    scores = fit_profile(study_of(rows), method=method).hat()
    assert scores.models == ("a",)
    assert set(scores.cells["model"]) == {"a", "b"}
    rows = [row for row in rows if row[:2] != ("a", "one")]
    with pytest.raises(NotIdentifiedError, match="no model has results on every benchmark"):
        fit_profile(study_of(rows), method=method).hat()


@pytest.mark.parametrize("method", METHODS)
def test_one_model_is_enough_for_a_score_and_for_gap_and_ratio(method: str) -> None:
    study = study_of(item_rows(["a"], ["en", "sw"], 60, rng=np.random.default_rng(8)))
    scores = fit_profile(study, method=method).hat()
    assert scores.nobs == 1
    assert 0.01 < scores.std_errors[0] < 0.1
    assert np.isnan(scores.glance()["sd_over_models"][0])
    table = measures(study).set_index("term")
    assert np.isfinite(table.loc[["gap", "ratio"], "std_error"]).all()
    assert np.isnan(table.loc["excess", "estimate"])
    assert "not identified" in table.loc["excess", "method"]


def test_one_trial_per_item_is_refused_by_latent_only() -> None:
    rows = item_rows(["a", "b"], ["en", "sw"], 40, rng=np.random.default_rng(9), trials=1)
    with pytest.raises(NotIdentifiedError, match="two or more trials per item in the source"):
        fit_profile(study_of(rows), method="latent")
    assert np.isfinite(fit_profile(study_of(rows), method="observed").hat().std_errors).all()


def test_one_trial_of_some_items_is_fine() -> None:
    rows = item_rows(["a", "b"], ["en", "sw"], 60, rng=np.random.default_rng(10), trials=None)
    assert any(row[2] == "en" and row[5] == 1 for row in rows)
    assert np.isfinite(fit_profile(study_of(rows), method="latent").hat().std_errors).all()


def test_a_model_whose_source_answers_are_no_measure_is_set_aside() -> None:
    """Its source answers were in a format that was not read: below its targets in all outputs."""
    rng = np.random.default_rng(4)
    rows = item_rows(["a", "b", "c"], ["en", "sw", "yo"], 80, rng=rng)
    rows = [
        (*row[:4], float(rng.binomial(5, 0.1)), *row[5:])
        if row[0] == "a" and row[2] == "en"
        else row
        for row in rows
    ]
    scores = fit_profile(study_of(rows), method="latent").hat()
    assert scores.weakly_identified == ("a",)
    note = scores.overlap.set_index("model").loc["a", "note"]
    assert "set aside, since its source accuracy (0.1" in note
    assert "below its accuracy in the target languages (0." in note
    for text in (str(scores), scores._repr_html_()):
        assert "set aside" in re.sub(r"\s+", " ", text)
    assert "a" not in set(scores.ranks(rng=1)["model"])
    # Raw target accuracies are what they are.
    assert not fit_profile(study_of(rows), method="latent").hat("own").weakly_identified
