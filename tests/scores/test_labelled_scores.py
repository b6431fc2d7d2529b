"""Labelled estimates, contrasts of groups and languages, files and frames of scores."""

from __future__ import annotations

import json
import tempfile
from dataclasses import fields, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hatstats as hs
from hatstats.errors import DataError, NotIdentifiedError
from hatstats.scores.scores import HatScores
from hatstats.scores.transfer_profile import TransferProfile
from tests.studies import item_rows, panel_rows, study_of

LANGUAGES = ["en", "de", "sw", "yo"]


def two_benchmarks() -> hs.Study:
    rng = np.random.default_rng(5)
    return study_of(
        [
            row
            for name in ("x", "y")
            for row in item_rows(["a", "b", "c"], LANGUAGES, 40, rng=rng, benchmark=name)
        ]
    )


@pytest.fixture(scope="module", params=["observed", "aggregate"])
def profile(request: pytest.FixtureRequest) -> TransferProfile:
    if request.param == "observed":
        return hs.fit_profile(two_benchmarks(), method="observed")
    rows = panel_rows([-0.5, 0.2, 0.9, 1.5], ["de", "sw", "yo"], rng=np.random.default_rng(1))
    return hs.fit_profile(study_of(rows, chance=0.25))


def assert_same(first: HatScores, second: HatScores) -> None:
    for field in fields(first):
        a, b = getattr(first, field.name), getattr(second, field.name)
        if isinstance(a, pd.DataFrame):
            pd.testing.assert_frame_equal(a, b)
        elif isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b)
        elif field.name == "cell_errors":
            for one, two in zip(a, b, strict=True):
                np.testing.assert_array_equal(one.matrix(), two.matrix())
                for name in ("influence", "moves"):
                    np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
        else:
            assert a == b


def test_estimates_carry_their_names(profile: TransferProfile) -> None:
    scores = profile.hat()
    for result in (scores, profile):
        np.testing.assert_array_equal(result.params, result.estimates)
        np.testing.assert_array_equal(result.cov, result.covariance)
        np.testing.assert_array_equal(result.bse, np.sqrt(np.diag(result.cov)))
        np.testing.assert_array_equal(result.conf_int(0.9), result.limits(0.9))
        assert result.params.index.equals(result.cov.columns)
        assert result.conf_int().columns.tolist() == ["conf_low", "conf_high"]
    assert scores.params.index.tolist() == list(scores.models)


def test_groups_are_means_with_the_full_covariance(profile: TransferProfile) -> None:
    scores = profile.hat()
    first, *others = scores.models
    weights = np.array([1.0] + [-1.0 / len(others)] * len(others))
    found = scores.contrast(first, others)
    assert found.estimate == pytest.approx(weights @ scores.estimates)
    assert found.std_error == pytest.approx(np.sqrt(weights @ scores.covariance @ weights))
    assert found.term == f"{first} - mean({', '.join(others)})"
    row = found.tidy().iloc[0]
    assert (row["estimate"], row["p_value"]) == (found.estimate, found.p_value)


def test_a_contrast_is_a_result_like_any_other(profile: TransferProfile) -> None:
    scores = profile.hat()
    found = scores.contrast(*scores.models[:2], conf_level=0.9)
    row = found.tidy().set_index("term").loc[found.term]
    assert found.params[found.term] == row["estimate"]
    assert found.bse[found.term] == row["std_error"]
    assert found.cov.loc[found.term, found.term] == pytest.approx(row["std_error"] ** 2)
    for limits in (found.conf_int(), found.conf_int(0.9)):
        assert limits.loc[found.term].tolist() == [row["conf_low"], row["conf_high"]]
    assert found.summary() == repr(found)
    with pytest.raises(DataError, match=r"it is 0\.9; call contrast\(\.\.\., conf_level=0\.95\)"):
        found.conf_int(0.95)


def test_languages_of_a_contrast_against_scores_over_them(profile: TransferProfile) -> None:
    some = profile.hat(languages=["sw", "yo"])
    pd.testing.assert_frame_equal(some.tidy(), profile.hat(exclude="de").tidy())
    assert set(some.cells["language"]) == {"sw", "yo"}
    assert "Languages: sw, yo only" in some.estimand
    a, b = some.models[:2]
    one, two = some.contrast(a, b), profile.hat().contrast(a, b, languages=["sw", "yo"])
    for name in ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high"):
        assert getattr(one, name) == pytest.approx(getattr(two, name), rel=1e-9)
    # All languages by name are all languages.
    whole, named = (
        profile.hat().contrast(a, b, languages=chosen) for chosen in (None, ["de", "sw", "yo"])
    )
    assert (whole.estimate, whole.std_error, whole.df) == pytest.approx(
        (named.estimate, named.std_error, named.df), rel=1e-9
    )


def test_languages_on_either_side_against_cells(profile: TransferProfile) -> None:
    scores = profile.hat()
    model = scores.models[0]
    found = scores.contrast(model, model, languages="de", other_languages=["sw", "yo"])
    rows = scores.cells["model"] == model
    per = len(scores.cells["benchmark"].unique())
    signs = np.where(scores.cells["language"] == "de", 1.0, -0.5)
    weights = np.where(rows, signs, 0.0) / per
    assert found.estimate == pytest.approx(weights @ scores.cells["estimate"])
    assert found.std_error == pytest.approx(np.sqrt(weights @ scores.cells_cov @ weights))
    assert found.term == f"{model} in de - {model} in sw, yo"


def test_a_contrast_is_read_in_two_lines(profile: TransferProfile) -> None:
    scores = profile.hat()
    found = scores.contrast(scores.models[1], scores.models[0])
    lines = repr(found).splitlines()
    assert len(lines) >= 2
    assert max(map(len, lines)) <= 80
    assert f"{found.estimate:.3f}, 95% interval [" in lines[0]
    assert "p = " in lines[0] or "p < 0.001" in lines[0]
    assert found.term in found._repr_html_()
    narrow = scores.contrast(scores.models[1], scores.models[0], conf_level=0.975)
    assert "97.5% interval" in repr(narrow)
    assert "97.5% intervals" in scores.summary(0.975)
    unknown = replace(found, std_error=np.nan)
    assert "its standard error is unknown" in repr(unknown)


def test_printed_results_fit_the_terminal(profile: TransferProfile) -> None:
    for result in (profile, profile.hat()):
        assert max(map(len, repr(result).splitlines())) <= 80
    assert str(profile.tidy()["term"].iloc[-1]) in repr(profile)
    html = profile.hat()._repr_html_()
    assert ("<th>bias</th>" in html) is (not np.isnan(profile.hat().shape_error).all())
    assert html.count("reference pooled") == 1
    assert "NaN" not in html
    assert ">inf" not in html
    weak = [note for note in profile.hat().overlap["note"] if note]
    assert all(escape(note) in html for note in weak)


def test_text_begins_at_the_margin_and_goes_on_indented(profile: TransferProfile) -> None:
    first, *rest = profile.hat().summary().splitlines()
    assert first.startswith("HAT scores (")
    assert all(line.startswith("  ") for line in rest)


def test_equal_scores_are_ranked_in_their_order() -> None:
    names = [f"m{number:02}" for number in range(40)]
    table = pd.DataFrame({"model": names, "estimate": [0.4, 0.5] * 20})
    ranks = HatScores.from_frame(table, np.ones(40)).ranks(n_draws=50, rng=1)
    assert ranks["rank"].tolist() == [k // 2 + (21 if k % 2 == 0 else 1) for k in range(40)]


def test_scores_name_the_flagged_cells_that_they_use(profile: TransferProfile) -> None:
    study = profile.study
    cell = (study.counts["model"] == "b") | (study.counts["model"] == study.model_names[1])
    cell &= study.counts["language"] == "de"
    flagged = replace(study, counts=study.counts.assign(flag=np.where(cell, "odd", "")))
    used, note = hs.fit_profile(flagged, method=profile.method), "with 1 flagged cell of"  # type: ignore[arg-type]
    for text in (used.hat().summary(), used.hat()._repr_html_()):
        assert note in " ".join(text.split())
    for scores in (used.hat(exclude="de"), hs.fit_profile(flagged.without_flagged()).hat()):
        assert note not in " ".join(scores.summary().split())


@pytest.mark.parametrize("group", ["nobody", ["a", "nobody"], [], ["a", "a"]])
def test_groups_that_cannot_be(group: Any) -> None:
    scores = hs.fit_profile(two_benchmarks(), method="observed").hat()
    with pytest.raises(DataError, match=r"no such model|each once"):
        scores.contrast(group, "b")


def test_languages_that_cannot_be(profile: TransferProfile) -> None:
    with pytest.raises(DataError, match="no such target language") as info:
        profile.hat(languages=["fr"])
    assert info.value.value == "fr"
    with pytest.raises(DataError, match="no target language is left"):
        profile.hat(exclude=["de", "sw", "yo"])
    scores = profile.hat()
    with pytest.raises(DataError, match="no such target language"):
        scores.contrast(scores.models[0], scores.models[1], languages="en")


def test_a_benchmark_without_the_languages() -> None:
    rng = np.random.default_rng(5)
    rows = [
        *item_rows(["a", "b"], ["en", "sw"], 20, rng=rng, benchmark="x"),
        *item_rows(["a", "b"], ["en", "de"], 20, rng=rng, benchmark="y"),
    ]
    profile = hs.fit_profile(study_of(rows), method="observed")
    with pytest.raises(NotIdentifiedError, match="'y' has none of the languages sw"):
        profile.hat(languages="sw")


# --- frames -------------------------------------------------------------------------------------


def test_tidy_scores_make_scores_again(profile: TransferProfile) -> None:
    scores = profile.hat()
    again = HatScores.from_frame(scores.tidy(), scores.cov)
    np.testing.assert_array_equal(again.estimates, scores.estimates)
    np.testing.assert_array_equal(again.covariance, scores.covariance)
    np.testing.assert_array_equal(again.df, scores.df)
    assert (again.method, again.reference, again.bounded) == (
        scores.method,
        scores.reference,
        True,
    )
    assert "without cells, source accuracies and warnings" in " ".join(again.summary().split())
    with pytest.raises(DataError, match=r"table.merge\(study.models, on='model'\)"):
        hs.fit_trend(again, "log10(params_total)")
    # The test of a difference has the fewer degrees of freedom of the two scores.
    a, b = scores.models[:2]
    assert again.contrast(a, b).df == min(scores.df[a], scores.df[b])
    for cov in (scores.covariance, scores.cov.loc[::-1]):
        same = HatScores.from_frame(scores.tidy(), cov)
        np.testing.assert_array_equal(same.covariance, scores.covariance)


def test_variances_of_independent_scores() -> None:
    table = pd.DataFrame({"model": ["a", "b"], "estimate": [0.4, 0.5]})
    for cov in (pd.Series({"b": 4.0, "a": 1.0}), [1.0, 4.0]):
        scores = HatScores.from_frame(table, cov)
        np.testing.assert_array_equal(scores.covariance, np.diag([1.0, 4.0]))
        with pytest.raises(DataError, match="no values per language"):
            scores.contrast("a", "b", languages="de")
    with pytest.raises(DataError, match="has shape"):
        HatScores.from_frame(table, np.eye(3))
    with pytest.raises(DataError, match="no row of term HAT"):
        HatScores.from_frame(table.assign(term="gap"), [1.0, 1.0])


def test_a_tidy_table_of_another_program_says_what_it_says() -> None:
    table = pd.DataFrame({
        "model": ["a", "b", "c"], "term": ["HAT", "HAT", "gap"], "estimate": [0.4, 0.5, 9.0],
        "df": [5.0, np.nan, 3.0], "method": ["x", "x", "y"], "family": ["f", "g", "h"],
    })  # fmt: skip
    scores = HatScores.from_frame(table, [0.01, 0.04])
    assert scores.models == ("a", "b")
    assert (scores.method, scores.reference, scores.bounded) == ("x", "given", True)
    assert scores.df.tolist() == [5.0, np.inf]
    assert scores.covariates.to_dict("list") == {"model": ["a", "b"], "family": ["f", "g"]}
    assert not HatScores.from_frame(table, [0.01, 0.04], bounded=False).bounded
    mixed = table.assign(method=["x", "y", "y"], reference="own")
    scores = HatScores.from_frame(mixed, [0.01, 0.04])
    assert (scores.method, scores.reference) == ("given", "own")


def test_facts_about_all_scores(profile: TransferProfile) -> None:
    scores = profile.hat()
    facts = scores.glance().iloc[0].to_dict()
    assert facts == {
        "method": scores.method,
        "reference": "pooled",
        "scope": scores.scope,
        "n_models": len(scores.models),
        "n_cells": len(scores.cells),
        "mean": pytest.approx(scores.estimates.mean()),
        "sd_over_models": pytest.approx(scores.estimates.std(ddof=1)),
        "median_std_error": pytest.approx(np.median(scores.std_errors)),
    }


# --- files --------------------------------------------------------------------------------------


def test_files_keep_everything(profile: TransferProfile, tmp_path: Path) -> None:
    scores = profile.hat()
    scores.save(tmp_path / "scores.json")
    again = HatScores.load(tmp_path / "scores.json")
    assert_same(scores, again)
    assert repr(again) == repr(scores)
    a, b = scores.models[:2]
    for options in ({}, {"languages": "sw"}):
        assert again.contrast(a, b, **options) == scores.contrast(a, b, **options)


numbers = st.floats(allow_nan=True, allow_infinity=False, width=64)
names = st.text(min_size=1, max_size=5)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_files_keep_any_scores(data: st.DataObject) -> None:
    models = tuple(data.draw(st.lists(names, min_size=1, max_size=4, unique=True)))
    size = len(models)

    def array(*shape: int) -> np.ndarray:
        total = int(np.prod(shape))
        values = data.draw(st.lists(numbers, min_size=total, max_size=total))
        return np.array(values, dtype=float).reshape(shape)

    table = pd.DataFrame({"model": list(models), "estimate": np.linspace(0.1, 0.9, size)})
    facts = data.draw(st.lists(st.one_of(st.none(), names), min_size=size, max_size=size))
    covariates = table.drop(columns="estimate").assign(
        fact=pd.Series(facts, dtype="object"),
        size=array(size),
        open=np.arange(size) % 2 == 0,
        count=np.arange(size),
        day=pd.date_range("2024-01-31", periods=size),
    )
    scores = replace(
        HatScores.from_frame(table, np.ones(size)),
        estimates=array(size),
        covariance=array(size, size),
        joint_cov=array(2 * size, 2 * size),
        source=array(size),
        covariates=covariates,
        influence=array(3, size),
        given_df=np.full(size, np.inf),
        bounded=data.draw(st.booleans()),
        reference=data.draw(names),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scores.json"
        scores.save(path)
        assert_same(scores, HatScores.load(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a whole file of scores"),
        ("{", "not a whole file of scores"),
        ("\x00\x01", "not a whole file of scores"),
        ("[1, 2]", "no scores of hatstats"),
        ('{"schema": "other"}', "no scores of hatstats"),
        ('{"schema": "hatstats.scores", "schema_version": 99}', "schema version 99"),
        ('{"schema": "hatstats.scores", "schema_version": 1}', "not a whole file of scores"),
    ],
)
def test_files_that_hold_no_scores(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as info:
        HatScores.load(path)
    assert str(path) in str(info.value)


def test_files_that_were_damaged(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    hs.fit_profile(two_benchmarks(), method="observed").hat().save(path)
    whole = json.loads(path.read_text())
    damages: dict[str, Any] = {
        "estimates": [0.1],
        "covariance": "many",
        "models": ["a", 2, "c"],
        "cells": {"model": {"dtype": "complex128", "values": [1]}},
        "cell_errors": [{"influence": [[1.0]], "rows": None, "moves": None}],
        "covariates": {},
        "bounded": "yes",
        "method": None,
        "source": [1.0, "x", 2.0],
    }
    for name, value in damages.items():
        path.write_text(json.dumps({**whole, name: value}))
        with pytest.raises(DataError, match="not a whole file of scores"):
            HatScores.load(path)
    with pytest.raises(DataError, match=r"none\.json: there is no such file\. Hint: give a file"):
        HatScores.load(tmp_path / "none.json")


def test_covariates_that_are_no_plain_values(tmp_path: Path) -> None:
    scores = hs.fit_profile(two_benchmarks(), method="observed").hat()
    odd = replace(scores, covariates=scores.covariates.assign(thing=[object()] * 3))
    with pytest.raises(DataError, match="cannot be written as JSON"):
        odd.save(tmp_path / "scores.json")


def test_a_file_of_scores_is_replaced_and_no_other(tmp_path: Path) -> None:
    scores = hs.fit_profile(two_benchmarks(), method="observed").hat()
    path, other = tmp_path / "scores.json", tmp_path / "mine.json"
    replace(scores, method="before").save(path)
    scores.save(path)
    assert HatScores.load(path).method == "observed"
    other.write_text('{"schema": "of mine"}')
    with pytest.raises(DataError, match=r"mine\.json"):
        scores.save(other)
    assert other.read_text() == '{"schema": "of mine"}'
    assert sorted(each.name for each in tmp_path.iterdir()) == ["mine.json", "scores.json"]


# --- seeds --------------------------------------------------------------------------------------


def test_a_fresh_seed_is_recorded_and_gives_the_same_numbers(profile: TransferProfile) -> None:
    scores = profile.hat()
    first = scores.ranks(n_draws=200)
    again = scores.ranks(n_draws=200, rng=first.attrs["seed"])
    pd.testing.assert_frame_equal(first, again)
    given = scores.ranks(n_draws=200, rng=np.random.default_rng(1))
    assert given.attrs["seed"] is None
    assert scores.pairs(rng=7).attrs == {"seed": 7, "scope": "these wordings"}


def test_results_are_read_in_terminal_and_notebook_alike(tmp_path: Path) -> None:
    study = two_benchmarks()
    study.write(tmp_path / "s")
    table = tmp_path / "s" / "counts.csv"
    profile = hs.fit_profile(study, method="observed")
    for result, said in (
        (hs.bootstrap_hat(profile, n_draws=100, rng=1), "100 items bootstrap draws"),
        (hs.measure_draws(study, method="observed", n_draws=20, rng=1), "parity_gap"),
        (hs.registration(study), "not locked"),
        (hs.fill_models(study), "models found"),
        (hs.convert_logs(table, settings={"source_language": "en", "chance": "0"}), "1 file:"),
    ):
        assert said in repr(result)
        assert max(map(len, repr(result).splitlines())) <= 80
        page = result._repr_html_()
        first, *lines = repr(result).splitlines()
        # A table takes the place of the lines of columns; every sentence stays.
        assert f"<p><b>{escape(first)}</b></p>" in page
        assert page.count("<table") == (not isinstance(result, hs.Registration))
        row = "- " if isinstance(result, hs.FilledModels) else "  "
        sentences = [line.strip().removeprefix("- ") for line in lines if row not in line.strip()]
        assert all(escape(line) in page for line in sentences)


def test_printed_names_of_twins_stay_apart() -> None:
    names = ["Granite-3.2-2B (reasoning off)", "Granite-3.2-2B (reasoning on)"]
    frame = pd.DataFrame({"model": names, "estimate": [0.5, 0.4]})
    cov = pd.DataFrame(1e-4 * np.eye(2), index=names, columns=names)
    text = HatScores.from_frame(frame, cov).summary()
    assert all(name in text for name in names)
    assert max(map(len, text.splitlines())) <= 80


def test_weakly_identified_models_stand_below_the_others(profile: TransferProfile) -> None:
    scores = profile.hat()
    best = scores.models[int(np.argmax(scores.estimates))]
    weak = scores.overlap["model"] == best
    scores = replace(scores, overlap=scores.overlap.assign(informed=~weak))
    shown = [line.split()[0] for line in scores.summary().splitlines() if " 0." in line[:40]]
    assert shown[len(scores.models) - 1] == best
    assert f"Weakly identified, below the others: {best}." in scores.summary()
    html = scores._repr_html_()
    assert f"Weakly identified, below the others: {best}." in html
    rows = html.split("<tbody>")[1].split("<tr")
    assert best in rows[-1]
