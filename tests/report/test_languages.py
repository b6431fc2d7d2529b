"""What a report says of languages, in frames, figures and macros."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import hatstats as hs
from hatstats.errors import DataError
from hatstats.report.figures.run_figures import figures_of
from hatstats.report.results.analysis import analyse
from hatstats.report.results.languages import LIKE_THESE, THESE, language_rows
from hatstats.report.results.plotted import raw_targets, within_rows
from hatstats.report.results.results import ReportOptions, Results
from hatstats.report.tables.latex_macros import macros
from hatstats.report.tables.run_tables import tables_of

FACTS = {
    "language": ["s", "t01", "t02", "t03", "t04", "t05", "t06", "t07"],
    "name": ["Source", "Alpha", "Beta", "Gamma", "Delta", "Epsilon", "Zeta", "Eta"],
    "resource": ["high", "high", "mid", "low", "high", "mid", "low", "high"],
    "resource_class": [5.0, 5.0, 3.0, 1.0, 4.0, 3.0, 2.0, 4.0],
    "script": ["Latn", "Latn", "Cyrl", "Latn", "Cyrl", "Latn", "Cyrl", "Deva"],
}


def _study() -> hs.Study:
    """Twelve models, seven languages whose names, scripts and resources are known."""
    shape = hs.Shape(n_items=50, n_languages=7, n_trials=6)
    study = hs.simulate_study(np.linspace(-1.0, 1.5, 12), shape=shape, rng=3)
    names = dict(zip(study.languages, FACTS["language"], strict=True))
    counts = study.counts.assign(language=study.counts["language"].map(names))
    benchmarks = study.benchmarks.assign(source_language="s")
    return hs.Study(counts, study.models, benchmarks, language_table=pd.DataFrame(FACTS))


@pytest.fixture(scope="module")
def study() -> hs.Study:
    """With one item that no model gets right in one language, and all do in the source."""
    made = _study()
    counts = made.counts.copy()
    item = str(counts["item"].unique()[7])
    here = counts["item"] == item
    counts.loc[here & (counts["language"] == "s"), "n_correct"] = 6
    counts.loc[here & (counts["language"] != "s"), "n_correct"] = 5
    counts.loc[here & (counts["language"] == "t02"), "n_correct"] = 0
    return replace(made, counts=counts)


@pytest.fixture(scope="module")
def results(study: hs.Study) -> Results:
    return analyse(study, ReportOptions(method="observed"))


def test_rows_of_languages_against_the_cells(study: hs.Study) -> None:
    scores = hs.fit_profile(study, method="observed").hat()
    rows = language_rows(scores).set_index("language")
    means = scores.cells.groupby("language")["estimate"].mean()
    assert rows["estimate"].to_dict() == pytest.approx(means.to_dict())
    assert list(rows["estimate"]) == sorted(rows["estimate"], reverse=True)
    assert (rows["less"] - (means - means.mean())).abs().max() < 1e-12
    alone = scores.by("language").conf_int()
    wide = rows["conf_high"] - rows["conf_low"]
    assert (wide > (alone["conf_high"] - alone["conf_low"]).reindex(wide.index)).all()
    sure = rows["p_adjusted"] <= 0.05
    outside = (rows["less_conf_low"] > 0) | (rows["less_conf_high"] < 0)
    assert list(sure) == list(outside) == list(rows["standing"] != "")
    assert (rows["less"][rows["standing"] == "behind"] < 0).all()
    assert rows.loc["t02", ["name", "resource", "script"]].tolist() == ["Beta", "mid", "Cyrl"]


def test_names_are_those_of_the_package_where_the_study_has_none() -> None:
    table = pd.DataFrame({"model": ["a", "b", "c"], "en": [0.8, 0.7, 0.6],
                          "swh_Latn": [0.6, 0.3, 0.2], "de": [0.7, 0.5, 0.4]})  # fmt: skip
    scores = hs.fit_profile(hs.Study.from_frame(table, source="en", n_trials=250)).hat()
    rows = language_rows(scores).set_index("language")
    assert rows["name"].to_dict() == {"swh_Latn": "Swahili", "de": "German"}
    by_script = language_rows(scores.by("language"))
    assert set(by_script["name"]) == {"Swahili", "German"}


def test_groups_are_compared_in_both_scopes(results: Results) -> None:
    assert results.languages is not None
    groups = results.languages.groups
    these = groups[groups["scope"] == THESE].set_index("term")
    scores = results.fits.scores
    by_language = scores.by("language")
    latin = by_language.contrast(["t01", "t03", "t05"], ["t02", "t04", "t06", "t07"])
    row = these.loc["Latin script - other scripts"]
    assert row["estimate"] == pytest.approx(latin.estimate)
    assert row["p_value"] == pytest.approx(latin.p_value)
    assert set(these.index) == {"Latin script - other scripts", "high - mid resource",
                                "mid - low resource", "high - low resource"}  # fmt: skip
    sampled = groups[groups["scope"] == LIKE_THESE].set_index("term")
    trend = hs.fit_language_trend(scores, "latin_script + resource_class")
    found = sampled.loc["Latin script - other scripts, at equal resource class"]
    assert found["estimate"] == pytest.approx(trend.params["latin_script"])
    assert found["std_error"] > row["std_error"]


def test_an_item_that_fails_in_one_language_is_listed_and_left_out(
    study: hs.Study, results: Results
) -> None:
    part = results.languages
    assert part is not None
    item = str(study.counts["item"].unique()[7])
    assert list(part.faults["item"]) == [item]
    assert part.faults.loc[0, ["language", "name", "target"]].tolist() == ["t02", "Beta", 0.0]
    kept = hs.without_items(study, part.faults)
    again = hs.fit_profile(kept, method="observed").hat().by("language").params
    of_languages = part.without[part.without["kind"] == "language"].set_index("name")
    assert of_languages.loc["Beta", "without_these"] == pytest.approx(again["t02"])
    assert of_languages.loc["Beta", "change"] > 0
    assert len(part.without) == 12 + 7
    assert any("(Beta)" in text for text in part.words)


@pytest.mark.slow
def test_a_quick_report_lists_items_and_fits_nothing_again(study: hs.Study) -> None:
    part = analyse(study, ReportOptions(method="observed", quick=True)).languages
    assert part is not None
    assert len(part.faults) == 1
    assert part.without.empty
    assert any("quick report" in text for text in part.words)


@pytest.mark.slow
def test_a_language_that_a_model_lacks_is_named(study: hs.Study) -> None:
    counts, last = study.counts, "t07"
    first = (counts["model"] == study.models["model"].iloc[0]) & (counts["language"] == last)
    fewer = hs.Study(counts[~first], study.models, study.benchmarks,
                     language_table=pd.DataFrame(FACTS))  # fmt: skip
    part = analyse(fewer, ReportOptions(method="observed", quick=True)).languages
    assert part is not None
    assert last not in set(part.table["language"])
    assert any(text.startswith("No mean in") for text in part.words)


def test_accuracies_cannot_show_items_that_fail() -> None:
    table = pd.DataFrame({"model": ["a", "b", "c"], "en": [0.8, 0.7, 0.6],
                          "fr": [0.6, 0.3, 0.2], "de": [0.7, 0.5, 0.4]})  # fmt: skip
    study = hs.Study.from_frame(table, source="en", n_trials=250)
    part = analyse(study, ReportOptions(quick=True)).languages
    assert part is not None
    assert part.faults.empty
    assert any("accuracies" in text for text in part.words)
    one = study.select(languages=["de"])
    assert analyse(one, ReportOptions(quick=True)).languages is None


def test_languages_that_no_benchmark_has_together_are_not_compared_and_said() -> None:
    known = {"one": ["en", "fr", "de"], "two": ["en", "ru", "ar"]}
    rows = [
        {"model": f"m{k}", "benchmark": benchmark, "language": tag, "n_trials": 250,
         "accuracy": 0.8 - 0.03 * k - 0.05 * place}
        for k in range(4) for benchmark, tags in known.items() for place, tag in enumerate(tags)
    ]  # fmt: skip
    study = hs.Study.from_frame(pd.DataFrame(rows), source="en")
    part = analyse(study, ReportOptions(quick=True)).languages
    assert part is not None
    assert "Latin script - other scripts" not in str(part.groups.get("term"))
    assert any("these languages: Latin script - other scripts" in text for text in part.words)


@pytest.mark.slow
def test_figures_tables_and_macros_of_languages(results: Results) -> None:
    drawn = {each.name: each for each in figures_of(results)}
    assert {"languages", "raw_to_hat", "heatmap"} <= set(drawn)
    last = results.languages.table.iloc[-1]  # type: ignore[union-attr]
    assert f"lowest: {last['name']}, {last['estimate']:.3f}" in drawn["languages"].alt
    named = {each.name: each for each in tables_of(results)}
    assert {"languages", "language_groups", "faults", "without_faults"} <= set(named)
    assert [row[0] for row in named["languages"].table.rows][-1] == last["name"]
    texts = macros(results)
    assert texts["HatLowestLanguageName"] == last["name"]
    assert texts["HatLowestLanguage"] == texts[f"HatLanguage{last['name']}"]
    assert texts["HatLowestLanguageLess"].startswith("−")
    assert {"HatGroupsLatinScriptOtherScriptsEstimate", "HatFaults"} <= set(texts)


def test_languages_are_drawn_with_marks_for_what_is_sure() -> None:
    rows = pd.DataFrame(
        {"name": ["A", "B", "C"], "estimate": [0.7, 0.5, 0.3], "conf_low": [0.6, 0.4, 0.2],
         "conf_high": [0.8, 0.6, 0.4], "less": [0.2, 0.0, -0.2],
         "standing": ["ahead", "", "behind"], "resource": ["high", "", "low"]}
    )  # fmt: skip
    axes = hs.plot.languages(rows)
    marks = [line.get_marker() for line in axes.lines if line.get_label() == "_estimate"]
    assert marks == ["^", "o", "v"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["A (high)", "B", "C (low)"]
    (mean,) = [line for line in axes.lines if line.get_label() == "_mean"]
    assert mean.get_xdata() == pytest.approx([0.5, 0.5])
    assert "Surely below the mean: C." in hs.plot.alt_text(axes)
    # C is above B, but in benchmarks whose languages all are: its mark is that of its distance.
    unequal = rows.assign(estimate=[0.7, 0.5, 0.6], less_conf_low=rows["less"] - 0.1,
                          less_conf_high=rows["less"] + 0.1)  # fmt: skip
    axes = hs.plot.languages(unequal)
    drawn = [line.get_xdata()[0] for line in axes.lines if line.get_label() == "_estimate"]
    assert drawn == pytest.approx([0.2, 0.0, -0.2])
    assert "less the mean" in axes.get_xlabel()
    (mean,) = [line for line in axes.lines if line.get_label() == "_mean"]
    assert mean.get_xdata() == pytest.approx([0.0, 0.0])


def test_a_slope_graph_names_the_models_whose_rank_moves() -> None:
    rows = pd.DataFrame(
        {"model": list("abcd"), "target": [0.9, 0.8, 0.7, 0.6], "estimate": [0.5, 0.8, 0.7, 0.9],
         "conf_low": 0.0, "conf_high": 1.0, "family": "one", "informed": [True] * 4}
    )  # fmt: skip
    axes = hs.plot.raw_to_hat(rows)
    written = {text.get_text() for text in axes.texts if text.get_label() == "_name"}
    assert written == {"a 1→4", "b 2→2", "c 3→3", "d 4→1"}
    assert sum(line.get_label() in ("_model", "_named") for line in axes.lines) == 4
    heights = sorted(text.get_position()[1] for text in axes.texts)
    assert np.diff(heights).min() > 0
    fewer = hs.plot.raw_to_hat(rows.assign(informed=[True, True, True, False]))
    assert sum(line.get_label() in ("_model", "_named") for line in fewer.lines) == 3
    many = pd.DataFrame({"model": list("abcdefghijkl"), "target": np.linspace(0.9, 0.4, 12)})
    many = many.assign(estimate=many["target"], conf_low=0.0, conf_high=1.0, family="one")
    many.loc[[0, 11], "estimate"] = [0.3, 0.95]
    axes = hs.plot.raw_to_hat(many.assign(informed=True))
    written = {text.get_text() for text in axes.texts if text.get_label() == "_name"}
    assert written == {"a 1→12", "l 12→1"}
    assert "Not drawn" not in hs.plot.caption(axes)
    assert "Not drawn: 1 that the data hardly inform." in hs.plot.caption(fewer)
    absent = hs.plot.raw_to_hat(rows.assign(target=[0.9, 0.8, 0.7, np.nan]))
    assert "ranked here: 1 not asked in every language" in hs.plot.caption(absent)


def test_raw_accuracies_that_are_not_known_bad_input() -> None:
    table = pd.DataFrame({"model": ["a", "b", "c"], "en": [0.8, 0.7, 0.6],
                          "fr": [0.6, 0.3, 0.2], "de": [0.7, 0.5, None]})  # fmt: skip
    profile = hs.fit_profile(hs.Study.from_frame(table, source="en", n_trials=250))
    with pytest.raises(DataError, match="no raw accuracies"):
        hs.plot.raw_to_hat(profile.hat())
    found = raw_targets(profile).to_dict()
    assert found == pytest.approx({"a": 0.65, "b": 0.4, "c": np.nan}, nan_ok=True)


def test_a_heatmap_by_resource_class(study: hs.Study) -> None:
    scores = hs.fit_profile(study, method="observed").hat()
    axes = hs.plot.heatmap(scores, order="resource")
    names = [text.get_text() for text in axes.get_xticklabels()]
    of = dict(zip(FACTS["name"], FACTS["resource"], strict=True))
    classes = [of[name] for name in names]
    assert classes == sorted(classes, key=("high", "mid", "low").index)
    below = [text.get_text() for text in axes.texts if text.get_label() == "_class"]
    assert below == ["high resource", "mid resource", "low resource"]
    plain = hs.plot.heatmap(scores)
    means = scores.cells.groupby("language")["estimate"].mean().sort_values(ascending=False)
    by_tag = dict(zip(FACTS["language"], FACTS["name"], strict=True))
    assert [text.get_text() for text in plain.get_xticklabels()] == [by_tag[x] for x in means.index]
    with pytest.raises(DataError, match="unknown order"):
        hs.plot.heatmap(scores, order="size")  # type: ignore[arg-type]


def test_lines_within_families_join_means() -> None:
    rows = pd.DataFrame(
        {"model": list("abcde"), "family": ["f", "f", "f", "g", ""], "informed": True,
         "series": ["f1", "f1", "f1", "g", ""], "params_total": [1e9, 1e9, 1e10, 1e9, 1e9],
         "release_year": [2024.0, 2025.0, 2025.0, 2025.0, 2025.0], "conf_level": 0.95,
         "estimate": [0.2, 0.4, 0.7, 0.5, 0.6], "conf_low": 0.0, "conf_high": 1.0}
    )  # fmt: skip
    by_size = within_rows(rows, "params_total")
    assert by_size[["group", "x", "estimate"]].to_numpy().tolist() == [
        ["f1", 1e9, pytest.approx(0.3)], ["f1", 1e10, 0.7]]  # fmt: skip
    by_date = within_rows(rows, "release_year")
    assert list(by_date["group"]) == ["f", "f"]
    axes = hs.plot.trend(rows, "release_year", within=True)
    (line,) = [each for each in axes.lines if each.get_label() == "_within"]
    assert list(line.get_ydata()) == pytest.approx([0.2, 0.55])
    assert "Thin lines join the means of each family" in hs.plot.caption(axes)
