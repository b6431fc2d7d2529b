"""The run folder: complete, whole or not at all, the same bytes for the same seed."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hatstats import plot
from hatstats.errors import DataError
from hatstats.report import run_folder as run_module
from hatstats.report.manifest import (
    DEMO_STUDY,
    Origin,
    check_out,
    json_text,
    plain,
    run_written,
    sha256,
    short_names,
    versions,
)
from hatstats.report.results.analysis import analyse
from hatstats.report.results.results import ReportOptions, Results
from hatstats.report.run_folder import write_csv, write_run
from tests.report.runs import ARGUMENTS, item_analysis, small_analysis, small_run

pytestmark = pytest.mark.slow

CLAIMS = ("small_models_not_broken", "progress_over_time")
FILES = {
    "results.json",
    "scores.csv",
    "pairs.csv",
    "trends.csv",
    "claims.csv",
    "measures.csv",
    "specification.csv",
    "decompositions.csv",
    "cells.csv",
    "languages.csv",
    "language_groups.csv",
    "numbers.tex",
    "methods.md",
    "methods.tex",
    "results.tex",
    "captions.tex",
    "methods.bib",
    "report.html",
    "manifest.json",
    "figures/captions.md",
    *(
        f"figures/{name}.{kind}"
        for name in (
            "forest",
            "target_against_source",
            "hat_against_size",
            "hat_against_date",
            "ranks",
            "heatmap",
            "languages",
            "raw_to_hat",
            "claims",
            "decomposition",
            "margins",
            *(f"specification_{claim}" for claim in CLAIMS),
        )
        for kind in ("pdf", "svg", "png")
    ),
    *(
        f"tables/{name}.tex"
        for name in (
            "main",
            "scores",
            "pairs",
            "languages",
            "language_groups",
            "claims",
            "margins",
            "shares",
            "decompositions",
            "trends",
            "leverage",
            "influence",
            "comparison",
            "measures",
            "other_measures",
            "specification",
            "flagged",
            "left_out",
        )
    ),
}


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def analysis() -> Results:
    return small_analysis()


@pytest.fixture
def folder() -> Path:
    return small_run()


def test_the_folder_has_every_file_of_the_contract(folder: Path) -> None:
    assert set(contents(folder)) == FILES
    assert run_written(folder) == {path for path in contents(folder)}


def test_same_seed_same_bytes_and_another_seed_other_numbers(
    analysis: Results, folder: Path, tmp_path: Path
) -> None:
    again = analyse(analysis.fits.study, ReportOptions(seed=1))
    second = contents(write_run(again, tmp_path / "elsewhere", arguments=ARGUMENTS))
    assert second == contents(folder)
    write_csv(
        analyse(analysis.fits.study, ReportOptions(seed=2, quick=True)).pairs,
        tmp_path / "x.csv",
    )
    assert (tmp_path / "x.csv").read_bytes() != second["pairs.csv"]
    first_pairs = pd.read_csv(folder / "pairs.csv")
    other_pairs = pd.read_csv(tmp_path / "x.csv")
    assert (first_pairs["p_adjusted"] != other_pairs["p_adjusted"]).any()
    pd.testing.assert_series_equal(first_pairs["estimate"], other_pairs["estimate"])


def test_manifest_records_arguments_versions_and_true_hashes(
    folder: Path, analysis: Results
) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["schema"] == "hatstats-run"
    assert manifest["schema_version"] == 1
    assert manifest["arguments"] == ARGUMENTS
    assert manifest["seed"] == 1
    assert {"python", "hatstats", "numpy", "pandas", "matplotlib"} <= set(manifest["versions"])
    assert manifest["versions"] == versions()
    assert set(manifest["outputs"]) == FILES - {"manifest.json"}
    for name, digest in manifest["outputs"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    inputs = {path.name: sha256(path) for path in analysis.fits.study.files}
    assert len(inputs) >= 4
    assert manifest["inputs"] == {f"small/{name}": digest for name, digest in inputs.items()}


def test_no_path_of_the_machine_and_no_time_is_written(folder: Path, analysis: Results) -> None:
    roots = {str(folder.parent), str(analysis.fits.study.files[0].parent), str(Path.home())}
    for name, data in contents(folder).items():
        if not name.endswith((".png", ".pdf")):
            text = data.decode("utf-8")
            assert not any(root in text for root in roots if root != "/"), name
            assert not re.search(r"\d{2}:\d{2}:\d{2}", text), name


def test_results_json_holds_the_numbers_of_the_analysis(folder: Path, analysis: Results) -> None:
    content = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert content["schema_version"] == 1
    assert content["key_results"] == list(analysis.key_results)
    by_model = {row["model"]: row for row in content["scores"]}
    for model, estimate in zip(
        analysis.fits.scores.models, analysis.fits.scores.estimates, strict=True
    ):
        assert by_model[model]["estimate"] == pytest.approx(estimate, rel=1e-9)
    assert by_model["m_0"]["params_total"] is None
    assert {row["df"] for row in content["scores"]} == {"inf"}
    covariance = content["scores_covariance"]
    assert covariance["models"] == list(analysis.fits.scores.models)
    np.testing.assert_allclose(covariance["cov"], analysis.fits.scores.covariance, rtol=1e-9)
    assert [row["name"] for row in content["claims"]] == [
        "small_models_not_broken",
        "progress_over_time",
    ]


def test_csv_files_agree_with_the_analysis(folder: Path, analysis: Results) -> None:
    claims = pd.read_csv(folder / "claims.csv")
    assert claims["verdict"].tolist() == [each.verdict for each in analysis.fits.claims]
    np.testing.assert_allclose(claims["df"], [each.df for each in analysis.fits.claims], rtol=1e-9)
    specification = pd.read_csv(folder / "specification.csv")
    assert list(specification.columns[:2]) == ["choice", "claim"]
    assert specification["choice"].iloc[0] == "as reported"
    assert specification["choice"].nunique() == analysis.specification["choice"].nunique() > 4
    trends = pd.read_csv(folder / "trends.csv")
    # Accuracies alone have each trend with the slope of target on source held at 1, too.
    named = set(analysis.fits.trends)
    assert set(trends["trend"]) == named | {f"{name}, slope 1" for name in named}
    assert set(trends["scale"]) == {"accuracy", "logit"}
    tidy = ["term", "estimate", "std_error", "statistic", "df", "p_value", "conf_low", "conf_high"]
    for name in ("scores", "trends", "measures"):
        with (folder / f"{name}.csv").open(encoding="utf-8") as stream:
            assert set(tidy) <= set(next(csv.reader(stream)))


def test_flagged_cells_and_left_out_models_are_shown(analysis: Results) -> None:
    shown = analysis
    hollow = shown.points[shown.points["flagged"]]
    assert hollow[["model", "language", "target"]].to_numpy().tolist() == [["m_8", "fi", 0.21]]
    assert len(shown.points) == 27
    assert shown.flagged[["model", "language"]].to_numpy().tolist() == [["m_8", "fi"]]
    assert set(shown.left_out["model"]) == {"m_0"}
    assert set(shown.left_out["reason"]) == {"unknown: params_total"}
    assert shown.facts["flagged_cells_used"] == "no"
    assert shown.facts["source_language"] == "en"
    assert shown.points["language"].drop_duplicates().tolist() == ["de", "fi", "yo"]


def test_flagged_cells_that_are_used_are_drawn_as_all_others(analysis: Results) -> None:
    names = pd.DataFrame({"language": ["en", "de"], "name": ["English", "German"]})
    study = replace(analysis.fits.study, language_table=names)
    shown = analyse(study, ReportOptions(with_flagged=True, quick=True))
    assert len(shown.points) == 27
    assert not shown.points["flagged"].any()
    assert shown.facts["flagged_cells_used"] == "yes"
    assert shown.facts["source_language"] == "English"


def test_a_flagged_source_cell_hides_no_point(analysis: Results) -> None:
    study = analysis.fits.study
    counts = study.counts.copy()
    source = (counts["model"] == "m_1") & (counts["language"] == "en")
    counts.loc[source, ["flag", "evidence"]] = ["extraction-failure", "Broken."]
    with pytest.warns(UserWarning, match="no source accuracy for m_1"):
        shown = analyse(replace(study, counts=counts), ReportOptions(quick=True))
    hollow = shown.points[shown.points["flagged"]]
    assert sorted(set(hollow["model"])) == ["m_1", "m_8"]
    assert set(hollow.loc[hollow["source_flagged"].astype(bool), "model"]) == {"m_1"}
    words = plot.caption(plot.scatter(shown.points, curve=shown.curve))
    assert "Hollow: flagged and left out of the fit: m_8 (Finnish)." in words
    assert "Hollow: left out because the source cell is flagged: m_1." in words
    assert "m_1" in set(shown.left_out.loc[shown.left_out["analysis"] == "scores", "model"])


def test_item_level_studies_show_their_profiles(tmp_path: Path) -> None:
    analysis = item_analysis()
    shown = analysis
    assert shown.curve.empty
    curve = analysis.fits.profile.curve()
    one = shown.profiles[shown.profiles["model"] == "m_1"]
    rows = curve[curve["model"] == "m_1"].groupby("source")["target"].mean()
    # The band's own source accuracies stand between those of the support.
    at = np.interp(one["source"], rows.index, rows)
    np.testing.assert_allclose(one["target"], at, atol=1e-12)
    assert ((one["conf_low"] <= one["target"]) & (one["target"] <= one["conf_high"])).any()
    names = set(contents(write_run(analysis, tmp_path / "out", arguments={})))
    assert "figures/transfer_profiles.svg" in names
    assert "tables/claims.tex" not in names
    assert not any(name.startswith("figures/specification") for name in names)


def test_an_interrupted_run_leaves_the_old_folder_whole(
    analysis: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = old_run(tmp_path / "out")
    before = contents(out)
    seen: list[str] = []

    def interrupt(*_: object, **__: object) -> str:
        seen.extend(path.name for path in tmp_path.rglob("scores.csv"))
        raise KeyboardInterrupt

    # The interrupt comes when numbers and tables are written already, and figures are not.
    monkeypatch.setattr(run_module, "figures_of", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_run(analysis, out, arguments=ARGUMENTS)
    assert seen == ["scores.csv"]
    assert contents(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def old_run(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text('{"schema": "hatstats-run"}')
    (folder / "old.txt").write_text("old")
    return folder


def test_an_earlier_run_is_replaced_and_other_files_stay(analysis: Results, tmp_path: Path) -> None:
    out = write_run(analysis, tmp_path / "out", arguments=ARGUMENTS)
    first = contents(out)
    (out / "figures" / "notes.md").write_text("mine")
    (out / "scores.csv").write_text("an earlier run")
    write_run(analysis, out, arguments=ARGUMENTS)
    again = contents(out)
    assert again.pop("figures/notes.md") == b"mine"
    assert again == first
    assert check_out(tmp_path / "new") == (tmp_path / "new").resolve()


@pytest.mark.parametrize(
    "manifest", [None, "not json", "[1, 2]", '{"schema": "something else"}', "\xff\xfe"]
)
def test_a_folder_that_is_no_run_is_never_replaced_bad_input(
    tmp_path: Path, manifest: str | None
) -> None:
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter1.tex").write_text("years of work")
    if manifest is not None:
        (out / "manifest.json").write_bytes(manifest.encode("latin-1"))
    before = contents(out)
    with pytest.raises(DataError, match=r"other files.*Hint: choose another path"):
        check_out(out)
    with pytest.raises(DataError, match="other files"):
        write_run(small_analysis(), out, arguments=ARGUMENTS)
    assert contents(out) == before


def test_json_writes_unknown_infinite_and_dates_plainly() -> None:
    frame = pd.DataFrame(
        {
            "a": [1.0, np.nan],
            "b": [np.inf, -np.inf],
            "c": pd.to_datetime(pd.Series(["2025-01-02", None])),
            "d": ["x", None],
            "e": [True, False],
        }
    )
    assert plain(frame) == [
        {"a": 1.0, "b": "inf", "c": "2025-01-02", "d": "x", "e": True},
        {"a": None, "b": "-inf", "c": None, "d": None, "e": False},
    ]
    assert plain({"x": np.float64(1 / 3), "y": (np.int64(2),), "z": Path("p")}) == {
        "x": 0.3333333333,
        "y": [2],
        "z": "p",
    }
    assert json.loads(json_text({"é": np.array([1.5, np.nan])})) == {"é": [1.5, None]}


def test_csv_files_name_languages_and_say_which_models_are_informed(tmp_path: Path) -> None:
    analysis = item_analysis()
    folder = write_run(analysis, tmp_path / "run", arguments=ARGUMENTS)
    names = dict(analysis.cells[["language", "name"]].itertuples(index=False))
    seen = [path for path in folder.glob("*.csv") if path.read_text("utf-8").strip()]
    assert {"cells.csv", "items.csv", "checks.csv"} <= {path.name for path in seen}
    for path in seen:
        rows = pd.read_csv(path)
        if "language" in rows:
            assert list(rows["name"]) == [names[code] for code in rows["language"]], path.name
        if "model" in rows and path.name != "items.csv":
            assert rows["informed"].notna().all(), path.name


def test_csv_writes_ten_digits_and_empty_cells(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    frame = pd.DataFrame(
        {"a": [1 / 3, np.nan], "t": pd.to_datetime(pd.Series(["2025-01-02", None]))}
    )
    write_csv(frame, path)
    assert path.read_bytes() == b"a,t\n0.3333333333,2025-01-02\n,\n"


def test_inputs_are_named_without_the_machine(tmp_path: Path) -> None:
    files = [tmp_path / "s" / "counts.csv", tmp_path / "s" / "sub" / "x.csv"]
    assert list(short_names(files)) == ["s/counts.csv", "s/sub/x.csv"]
    assert list(short_names([tmp_path / "table.csv"])) == [f"{tmp_path.name}/table.csv"]
    assert short_names([]) == {}


def test_the_command_can_be_typed_again() -> None:
    demo = Origin({"study": DEMO_STUDY, "quick": True, "reference": "pooled"}, 4, {}, {})
    assert demo.command == "hatstats demo --out DIR --seed 4"
    arguments = {"study": "my study", "seed": 3, "method": None, "with_flagged": True}
    text = Origin(arguments, 3, {}, {}).command
    assert text == "hatstats report 'my study' --out DIR --seed 3 --with-flagged"


def test_tables_for_people_hold_no_formula(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"model": ["=1+1", "@x", "-x", "-1", None], "estimate": [-1.0, 1, 2, 3, 4]}
    )
    write_csv(frame, tmp_path / "scores.csv")
    text = (tmp_path / "scores.csv").read_text()
    assert text == "model,estimate\n'=1+1,-1\n'@x,1\n'-x,2\n-1,3\n,4\n"
