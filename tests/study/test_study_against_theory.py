"""Views of a study: levels, sources, flags, selections and descriptions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hatstats.study import Study
from hatstats.study.claims import StudyInfo
from hatstats.study.read import read_study

MakeFolder = Callable[..., Path]
MULTI = """\
benchmark,item,source_language
open,q1,en
open,q2,sw
"""


def test_level_names_and_order(make_folder: MakeFolder) -> None:
    study = read_study(make_folder())
    assert study.name == "small"
    assert study.info.title == "A small study"
    assert study.model_names == ["alpha", "beta"]
    assert study.benchmark_names == ["quiz", "open"]
    assert study.languages == ["en", "sw"]
    assert study.data_kind == "mixed"
    assert study.select(benchmarks="quiz").data_kind == "aggregate"
    assert study.select(benchmarks=["open"]).data_kind == "item"
    assert Study(study.counts, study.models.iloc[::-1], study.benchmarks).model_names == [
        "beta", "alpha"
    ]  # fmt: skip


def test_select_keeps_rows_in_order_and_listings_in_step(make_folder: MakeFolder) -> None:
    study = read_study(make_folder())
    one = study.select(models="beta", benchmarks="open")
    expected = study.counts[
        (study.counts["model"] == "beta") & (study.counts["benchmark"] == "open")
    ]
    pd.testing.assert_frame_equal(one.counts, expected.reset_index(drop=True))
    assert one.model_names == ["beta"]
    assert one.benchmark_names == ["open"]
    assert one.claims == study.claims
    assert one.files == study.files
    assert one.info == study.info
    assert len(study.counts) == 12, "the study itself is unchanged"


def test_source_language_is_the_items_own_where_it_has_one(make_folder: MakeFolder) -> None:
    study = read_study(make_folder(items_csv=MULTI))
    counts = study.counts.assign(source=study.source_language, is_source=study.is_source)
    assert set(counts.loc[counts["item"] == "q2", "source"]) == {"sw"}
    assert set(counts.loc[counts["item"] != "q2", "source"]) == {"en"}
    assert counts["is_source"].tolist() == (counts["language"] == counts["source"]).tolist()
    assert counts["is_source"].sum() == 6


def test_select_keeps_the_source_language_by_itself(make_folder: MakeFolder) -> None:
    study = read_study(make_folder())
    assert study.languages == ["en", "sw"]
    only = study.select(languages="sw")
    pd.testing.assert_frame_equal(only.counts, study.counts)
    assert study.select(exclude="sw").languages == ["en"]
    assert study.select(languages=["en", "sw"], exclude=["sw"]).languages == ["en"]


def test_select_leaves_out_items_whose_source_language_is_gone(make_folder: MakeFolder) -> None:
    rows = "".join(
        f"{model},open,{language},{item},1,3\n"
        for model in ("alpha", "beta")
        for language in ("en", "sw", "fi")
        for item in ("q1", "q2")
    )
    table = "model,benchmark,language,item,n_correct,n_trials\n" + rows
    study = read_study(make_folder(counts_csv=table, items_csv=MULTI))
    part = study.select(languages=["en", "fi"])
    assert part.counts["item"].unique().tolist() == ["q1"]
    assert part.items["item"].tolist() == ["q1"]
    assert "Items left out because their source language was: 1." in part.info.notes


def test_flagged_rows_stay_until_they_are_asked_away(make_folder: MakeFolder) -> None:
    plain = read_study(make_folder())
    assert plain.without_flagged() is plain
    assert len(plain.flagged) == 0
    counts = plain.counts.copy()
    counts.loc[1, ["flag", "evidence"]] = ["extraction-failure", "far too low"]
    study = Study(counts, plain.models, plain.benchmarks, info=plain.info)
    assert len(study.counts) == 12
    assert study.flagged["evidence"].tolist() == ["far too low"]
    left = study.without_flagged()
    assert len(left.counts) == 11
    assert len(left.flagged) == 0
    pd.testing.assert_frame_equal(left.counts, counts.drop(index=1).reset_index(drop=True))


def test_a_model_that_loses_every_cell_leaves_the_models(make_folder: MakeFolder) -> None:
    plain = read_study(make_folder())
    counts = plain.counts.assign(flag=np.where(plain.counts["model"] == "beta", "suspect", ""))
    left = Study(counts, plain.models, plain.benchmarks).without_flagged()
    assert left.model_names == ["alpha"]


def test_clusters_of_the_items_are_written_into_the_counts(make_folder: MakeFolder) -> None:
    items = "benchmark,item,cluster\nopen,q1,twins\nopen,q2,twins\n"
    study = read_study(make_folder(items_csv=items))
    by_benchmark = study.counts.groupby("benchmark")["cluster"].unique()
    assert by_benchmark["open"].tolist() == ["twins"]
    assert by_benchmark["quiz"].tolist() == [""]


def test_prompts_are_rows_of_their_own(make_folder: MakeFolder) -> None:
    rows = [f"alpha,open,{lang},q1,1,1,p{p}" for lang in ("en", "sw") for p in range(3)]
    head = "model,benchmark,language,item,n_correct,n_trials,prompt"
    study = read_study(make_folder(counts_csv="\n".join([head, *rows])))
    assert study.counts["prompt"].tolist() == ["p0", "p1", "p2"] * 2


def test_summary_fits_a_terminal_and_says_what_is_there(make_folder: MakeFolder) -> None:
    study = read_study(make_folder())
    text = study.summary()
    assert max(map(len, text.splitlines())) <= 80
    for part in ("A small study", "quiz", "aggregate", "per cent", "size known for 1", "progress"):
        assert (part in text) is (part != "per cent")
    assert repr(study) == (
        "Study('small', mixed data: 2 models, 2 benchmarks, 2 languages, 12 rows)"
    )
    one = repr(study.select(models="alpha", benchmarks="quiz"))
    assert "1 model, 1 benchmark, 2 languages" in one


@pytest.mark.parametrize("width", [1, 30, 200])
def test_summary_fits_a_terminal_whatever_the_names(width: int) -> None:
    name = "n" * width
    languages = ["en", *(f"language-{i}-{name}" for i in range(30))]
    counts = pd.DataFrame(
        {"model": name, "benchmark": name, "language": languages, "n_correct": 5e5, "n_trials": 1e6}
    )
    study = Study(
        counts,
        pd.DataFrame({"model": [name]}),
        pd.DataFrame({"benchmark": [name], "source_language": "en", "chance": 1 / 3}),
        info=StudyInfo(name, f"A title {name} <b>", f"https://{name}", notes=f"{name} " * 5),
    )
    lines = [*study.summary().splitlines(), *repr(study).splitlines()]
    assert len(lines) > 8
    assert max(map(len, lines)) <= 80


def test_html_is_escaped(make_folder: MakeFolder) -> None:
    study = read_study(make_folder(("study.toml", "A small study", "<script>x</script>")))
    page = study._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert page.count("<table") == page.count("</table>") == 2
    assert "<td>quiz</td>" in page
