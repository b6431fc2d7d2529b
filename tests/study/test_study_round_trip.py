"""What is written is read back exactly, and what is read is what the file says."""

from __future__ import annotations

import os
import pickle
import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hatstats as hs
from hatstats.errors import DataError, DegenerateDataWarning
from hatstats.study import Study, outputs
from hatstats.study.claims import StudyInfo
from hatstats.study.read import read_study

MakeFolder = Callable[..., Path]
TABLES = ("counts", "models", "benchmarks", "items")
Format = Literal["csv", "parquet"]


def same(one: Study, other: Study) -> None:
    for table in TABLES:
        pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table), check_exact=True)
    assert one.info == other.info
    assert one.claims == other.claims


def study_of(frames: dict[str, pd.DataFrame]) -> Study:
    return Study(frames["counts"], frames["models"], frames["benchmarks"])


def item_study() -> Study:
    """Every optional column in use, a source language per item, awkward text."""
    counts = pd.DataFrame(
        [
            (model, "eclectic", language, item, k, 3.0, f"stem {item[0]}", prompt)
            for model in ("zeta", 'the "quoted", model', "alpha é")
            for language in ("sw", "en")
            for item, k in (("10", 3), ("2", 0), ("x\ny", 2))
            for prompt in ("p1", "p2")
        ],
        columns=[
            *("model", "benchmark", "language", "item"),
            *("n_correct", "n_trials", "cluster", "prompt"),
        ],
    ).assign(flag="", evidence="")
    counts.loc[3, ["flag", "evidence"]] = ["extraction-failure", 'a "sentence",\nin two lines; é']
    models = pd.DataFrame(
        {
            "model": ["zeta", 'the "quoted", model', "alpha é"],
            "family": ["", "B", "B"],
            "release_date": pd.to_datetime(["", "2024-02-29", "2025-12-31"]),
            "params_total": [np.nan, 0.1 + 4.3e9, 1e11],
            "params_active": [np.nan, 1 / 3 + 1e9, np.nan],
            "vendor": ["one", None, "1"],
            "score": [0.1, np.nan, 1e-300],
            "trained": pd.to_datetime(["2023-01-01", "", "2023-01-02"]),
        }
    )
    benchmarks = pd.DataFrame({"benchmark": ["eclectic"], "source_language": [""], "chance": [0.1]})
    items = pd.DataFrame(
        {
            "benchmark": "eclectic",
            "item": ["2", "10", "x\ny"],
            "source_language": ["en", "sw", "en"],
            "cluster": ["stem 2", "stem 1", "stem x"],
        }
    )
    info = StudyInfo(
        "awkward", 'A "title" \\ with\ttab', "source\nof two lines", "MIT", "Ä, Ö (2025) \x7f", True
    )
    claims = (
        {"name": "a", "kind": "slope", "term": "release_year", "threshold": 0.0},
        {
            "name": "b",
            "kind": "non_inferiority",
            "small": 1e9,
            "large": 100_000_000_000,
            "margin": 0.1 + 0.2,
            "statement": 'It is "not" broken.',
        },
    )
    return Study(counts, models, benchmarks, items, info, claims)


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_round_trip_of_everything_at_once(tmp_path: Path, format: Format) -> None:
    study = item_study()
    folder = study.write(tmp_path / "study", format=format)
    again = read_study(folder)
    same(study, again)
    assert [path.name for path in again.files] == [
        "study.toml", f"counts.{format}", "models.csv", "benchmarks.csv", "items.csv"
    ]  # fmt: skip
    assert study.files == ()
    assert sorted(os.listdir(tmp_path)) == ["study"]


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_round_trip_of_the_small_study(
    make_folder: MakeFolder, tmp_path: Path, format: Format
) -> None:
    study = read_study(make_folder())
    assert study.data_kind == "mixed"
    same(study, read_study(study.write(tmp_path / "again", format=format)))


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    study = item_study()
    study.write(tmp_path / "one")
    read_study(tmp_path / "one").write(tmp_path / "two")
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(names) == 5
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@settings(max_examples=12)
@given(
    k=st.lists(st.floats(0, 1e6, allow_subnormal=True), min_size=2, max_size=6),
    share=st.floats(1, 3),
    name=st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1),
)
def test_round_trip_of_any_number_and_name(
    tmp_path_factory: pytest.TempPathFactory, k: list[float], share: float, name: str
) -> None:
    name = name.strip() or "x"
    counts = pd.DataFrame(
        {
            "model": name,
            "benchmark": "q",
            "language": ["en", *(f"l{i}" for i in range(len(k) - 1))],
            "n_correct": k,
            # Between 1000 and 1e7 trials, so that no rule on proportions or per cent applies.
            "n_trials": np.maximum(1001.0, np.array(k) * share),
        }
    )
    counts["n_correct"] = counts["n_correct"] + 101.5
    counts["n_trials"] = counts["n_trials"] + 101.5
    study = Study(
        counts,
        pd.DataFrame({"model": [name]}),
        pd.DataFrame({"benchmark": ["q"], "source_language": ["en"], "chance": [0.0]}),
        info=StudyInfo(name, notes=name),
    )
    folder = tmp_path_factory.mktemp("any") / "study"
    same(study, read_study(study.write(folder)))


def test_an_older_study_is_replaced_and_other_files_stay(
    make_folder: MakeFolder, tmp_path: Path
) -> None:
    folder = read_study(make_folder()).write(tmp_path / "written")
    (folder / "LICENSE").write_text("mine")
    (folder / "raw").mkdir()
    (folder / "raw" / "log.txt").write_text("mine too")
    study = item_study()
    study.write(folder, format="parquet")
    assert sorted(path.name for path in folder.iterdir()) == [
        "LICENSE", "benchmarks.csv", "counts.parquet", "items.csv", "models.csv", "raw",
        "study.toml",
    ]  # fmt: skip
    assert (folder / "raw" / "log.txt").read_text() == "mine too"
    same(study, read_study(folder))
    assert sorted(os.listdir(tmp_path)) == ["small", "written"]


def test_a_study_written_by_hand_is_not_replaced(make_folder: MakeFolder) -> None:
    folder = make_folder()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(DataError, match="hatstats did not write"):
        item_study().write(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("broken", ["fill", "move"])
def test_an_interrupted_write_leaves_the_older_study_whole(
    make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    folder = read_study(make_folder()).write(tmp_path / "written")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def write_half(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    if broken == "fill":
        monkeypatch.setattr(pd.DataFrame, "to_parquet", write_half)
    else:
        monkeypatch.setattr(outputs, "_exchanged", write_half)
    study = item_study()
    with pytest.raises(KeyboardInterrupt):
        study.write(folder, format="parquet")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert sorted(os.listdir(tmp_path)) == ["small", "written"]


def test_byte_order_mark_and_windows_line_ends_are_accepted(make_folder: MakeFolder) -> None:
    plain = read_study(make_folder())
    folder = make_folder()
    files = sorted(folder.iterdir())
    assert len(files) == 4
    for file in files:
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    same(plain, read_study(folder))


def test_values_against_the_file(make_folder: MakeFolder) -> None:
    study = read_study(make_folder())
    first = study.counts.iloc[0]
    assert (first["model"], first["language"], first["item"]) == ("alpha", "en", "")
    assert (first["n_correct"], first["n_trials"]) == (170.5, 200)
    assert study.counts["item"].tolist()[4:] == ["q1"] * 4 + ["q2"] * 4
    assert study.models["release_date"].tolist() == [pd.Timestamp("2025-06-17"), pd.NaT]
    assert study.models["release_date"].dtype == "datetime64[s]"
    np.testing.assert_array_equal(study.models["params_total"], [4.3e9, np.nan])
    np.testing.assert_array_equal(study.models["vendor_rank"], [1, np.nan])
    assert study.claims[0]["threshold"] == 0.0
    assert study.info.licence == "CC0-1.0"
    assert study.info.notes == ""


def test_a_plain_table_is_the_folder_in_one_file(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "model": ["a", "a", "b", "b"],
            "benchmark": "q",
            "language": ["en", "sw"] * 2,
            "n_correct": [80, 61.5, 70, 50],
            "n_trials": 250,
            "family": ["A", "A", "", ""],
            "release_date": ["2025-01-02"] * 2 + [None] * 2,
            "params_total": [4e9, 4e9, np.nan, np.nan],
            "source_language": "sw",
            "chance": 0.2,
            "seed": range(4),
        }
    )
    table.to_csv(tmp_path / "plain.csv", index=False)
    table.to_csv(tmp_path / "plain.tsv", index=False, sep="\t")
    table.to_parquet(tmp_path / "plain.parquet", index=False)
    table.astype({"model": "category"}).to_parquet(tmp_path / "plain.pq", index=False)
    shutil.copy(tmp_path / "plain.tsv", tmp_path / "plain.dat")
    study = read_study(tmp_path / "plain.csv")
    assert study.name == "plain"
    assert study.files == (tmp_path / "plain.csv",)
    assert study.models["family"].tolist() == ["A", ""]
    assert study.models["params_total"].isna().tolist() == [False, True]
    assert study.benchmarks.to_dict("list") == {
        "benchmark": ["q"], "source_language": ["sw"], "chance": [0.2], "trials": [""]
    }  # fmt: skip
    assert study.info.notes == "Columns not used: 'seed'."
    for name in ("plain.tsv", "plain.parquet", "plain.pq"):
        same(study, read_study(tmp_path / name))
    same(study, read_study(tmp_path / "plain.dat", format="tsv"))


def test_a_plain_table_says_what_it_assumes(tmp_path: Path) -> None:
    head = "model,benchmark,language,item,n_correct,n_trials\n"
    (tmp_path / "plain.csv").write_text(head + "a,q,English,i1,1,3\na,q,Swahili,i1,0,3\n")
    study = read_study(tmp_path / "plain.csv")
    assert study.benchmarks["source_language"].tolist() == ["English"]
    assert study.benchmarks["chance"].tolist() == [0.0]
    assert "Chance level not given: taken as 0." in study.info.notes
    assert "Source language not given: taken as English." in study.info.notes
    again = read_study(study.write(tmp_path / "folder"))
    same(study, again)


def test_a_plain_table_with_a_source_language_per_item(tmp_path: Path) -> None:
    rows = [
        f"a,{benchmark},{language},{item},1,3,{source}"
        for benchmark, item, source in (("q", "i1", "en"), ("q", "i2", "sw"), ("r", "i1", "en"))
        for language in ("en", "sw")
    ]
    head = "model,benchmark,language,item,n_correct,n_trials,source_language"
    (tmp_path / "plain.csv").write_text("\n".join([head, *rows]))
    study = read_study(tmp_path / "plain.csv")
    assert study.benchmarks["source_language"].tolist() == ["", "en"]
    assert study.items["source_language"].tolist() == ["en", "sw"]
    assert study.is_source.tolist() == [True, False, False, True, True, False]
    (tmp_path / "twice.csv").write_text("\n".join([head, *rows, "b,q,en,i1,1,3,sw"]))
    with pytest.raises(ValueError, match="item 'i1' has another source_language in row 2"):
        read_study(tmp_path / "twice.csv")


def test_constants_may_stand_in_the_toml_file(make_folder: MakeFolder) -> None:
    constants = ("study.toml", 'name = "small"', 'chance = 0.25\nsource_language = "sw"')
    study = read_study(make_folder(constants, benchmarks_csv=None))
    assert study.name == "small", "the folder's name, where the file gives none"
    assert study.benchmarks["chance"].tolist() == [0.25, 0.25]
    assert study.benchmarks["source_language"].tolist() == ["sw", "sw"]
    assert study.info.notes == ""


def test_a_folder_needs_no_toml_file(make_folder: MakeFolder) -> None:
    study = read_study(make_folder(study_toml=None))
    assert study.info == StudyInfo("small")


def test_listed_models_without_counts_are_left_aside_with_a_note(make_folder: MakeFolder) -> None:
    """A table of models may serve several studies, so more rows than needed are no fault."""
    plain = read_study(make_folder())
    more = ("models.csv", "beta,B", "gamma,C,,,,\nbeta,B")
    study = read_study(make_folder(more))
    assert study.model_names == ["alpha", "beta"]
    assert study.info.notes == "Left aside: 1 model without counts (gamma)."
    same(replace(plain, info=study.info), study)


def test_numbers_as_item_names_stay_as_they_are(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"model": "a", "benchmark": "q", "language": ["en", "sw"], "item": [7, 7],
         "n_correct": [1, 0], "n_trials": [1, 1]}
    )  # fmt: skip
    table.to_parquet(tmp_path / "t.parquet")
    assert read_study(tmp_path / "t.parquet").counts["item"].tolist() == ["7", "7"]
    table.astype({"item": float}).to_parquet(tmp_path / "t.parquet")
    assert read_study(tmp_path / "t.parquet").counts["item"].tolist() == ["7", "7"]
    (tmp_path / "t.csv").write_text(table.assign(item="007").to_csv(index=False))
    assert read_study(tmp_path / "t.csv").counts["item"].tolist() == ["007", "007"]


def test_missing_words_of_other_programs_are_missing_values(make_folder: MakeFolder) -> None:
    """R writes NA; a language called NA is a name all the same."""
    edits = (
        ("models.csv", "beta,B,,,,", "beta,NA,NA,NA,NaN,NA"),
        ("counts.csv", "alpha,quiz,sw", "alpha,quiz,na"),
    )
    study = read_study(make_folder(*edits))
    assert study.models.iloc[1].isna().tolist() == [False, False, True, True, True, True]
    assert study.models["family"].tolist() == ["A", "NA"]
    assert study.counts["language"].tolist()[1] == "na"


def test_a_study_does_not_share_memory_with_what_it_was_made_from() -> None:
    study = item_study()
    counts = study.counts.copy()
    made = Study(counts, study.models, study.benchmarks, study.items)
    counts.loc[:, "n_correct"] = 0.0
    counts.loc[:, "model"] = "other"
    assert made.counts["n_correct"].sum() == study.counts["n_correct"].sum() > 0
    assert made.model_names == study.model_names


def test_frames_of_any_kind_of_column_become_the_same_study() -> None:
    plain = {
        "counts": pd.DataFrame(
            {
                "model": ["a", "a"], "benchmark": "q", "language": ["en", "sw"], "item": ["1", "1"],
                "n_correct": [1.0, 0.0], "n_trials": [1.0, 1.0],
            }
        ),
        "models": pd.DataFrame({"model": ["a"], "release_date": ["2025-01-02"], "open": [1.0]}),
        "benchmarks": pd.DataFrame({"benchmark": ["q"], "source_language": "en", "chance": 0.0}),
    }  # fmt: skip
    arrow = {key: t.convert_dtypes(dtype_backend="pyarrow") for key, t in plain.items()}
    objects = {key: t.astype(object).set_axis([7] * len(t)) for key, t in plain.items()}
    typed = {
        "counts": plain["counts"].astype(
            {"language": "category", "item": "Int64", "n_correct": bool, "n_trials": "int8"}
        ),
        "models": plain["models"].assign(
            release_date=pd.to_datetime(["2025-01-02T12:00Z"]), open=[True]
        ),
        "benchmarks": plain["benchmarks"].astype({"chance": "float32"}),
    }
    for frames in (arrow, objects, typed):
        same(study_of(plain), study_of(frames))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["study.toml", "counts.csv", "models.csv", "benchmarks.csv"]),
    position=st.floats(0, 1),
    length=st.integers(0, 12),
    new=st.one_of(
        st.binary(max_size=3),
        st.sampled_from([b"\n", b",", b'"', b"", b"1e400", b"-1", b"nan", b"alpha", b"0001-01-01"]),
    ),
)
def test_a_damaged_file_is_read_or_refused_but_never_breaks(
    make_folder: MakeFolder, name: str, position: float, length: int, new: bytes
) -> None:
    folder = make_folder()
    data = (folder / name).read_bytes()
    start = round(position * len(data))
    (folder / name).write_bytes(data[:start] + new + data[start + length :])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)
        try:
            study = read_study(folder)
        except DataError as refused:
            hint = refused.hint
        else:
            hint = "none needed"
            same(study, read_study(study.write(folder.parent / "again")))
            assert len(study.summary()) > 0
    assert hint


def test_a_study_can_be_sent_to_another_process() -> None:
    study = item_study()
    same(study, pickle.loads(pickle.dumps(study)))


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_a_study_of_64000_rows_comes_back_whole(tmp_path: Path, format: Format) -> None:
    models, languages = [f"model {i}" for i in range(3)], ["en", *(f"l{j}" for j in range(11))]
    grid = pd.MultiIndex.from_product(
        [models, ["winogrande"], languages, [f"item {i}" for i in range(1778)]],
        names=["model", "benchmark", "language", "item"],
    ).to_frame(index=False)
    rng = np.random.default_rng(1)
    counts = grid.assign(
        n_correct=rng.binomial(3, 0.6, len(grid)), n_trials=3, cluster=grid["item"].str[:7]
    )
    benchmarks = pd.DataFrame({"benchmark": ["winogrande"], "source_language": "en", "chance": 0.5})
    study = Study(counts, pd.DataFrame({"model": models}), benchmarks)
    assert len(study.counts) >= 64_000
    folder = study.write(tmp_path / "study", format=format)
    again = read_study(folder)
    assert len(again.counts) == len(counts)
    assert again.counts["n_correct"].sum() == counts["n_correct"].sum()


def test_names_that_look_like_formulas_are_quoted_and_come_back(tmp_path: Path) -> None:
    """A spreadsheet would run them; read_study takes off the apostrophe again."""
    names = [
        "=1+1",
        "+x",
        "-x",
        "@SUM(1)",
        "'=x",
        "''-x",
        "-1",
        "'quoted'",
        "'",
        "-1e3",
        "=",
        "\u2212x",
    ]
    counts = pd.DataFrame(
        {"model": np.repeat(names, 2), "benchmark": "@b", "language": ["en", "-sw"] * len(names),
         "item": "=i", "n_correct": 1.0, "n_trials": 2.0}
    )  # fmt: skip
    models = pd.DataFrame({"model": names, "family": names, "=kind": names, "score": -0.5})
    benchmarks = pd.DataFrame({"benchmark": ["@b"], "source_language": ["en"], "chance": [0.0]})
    study = Study(counts, models, benchmarks)
    folder = study.write(tmp_path / "s")
    same(study, read_study(folder))
    same(read_study(folder), read_study(read_study(folder).write(tmp_path / "again")))
    for file in folder.glob("*.csv"):
        cells = (
            pd.read_csv(file, dtype="str", header=None, keep_default_na=False).to_numpy().ravel()
        )
        assert not [cell for cell in cells if cell[0:1] in tuple("=+@") and cell]
        assert {cell for cell in cells if cell[0:1] == "-"} <= {"-1", "-1e3", "-0.5"}


def test_a_covariate_whose_models_have_no_counts_keeps_its_kind(
    make_folder: MakeFolder, tmp_path: Path
) -> None:
    """The only text of a column is that of a model left aside: what stays is unknown numbers."""
    folder = make_folder()
    models = pd.read_csv(folder / "models.csv", dtype="str").assign(size_class="NA")
    extra = models.iloc[:1].assign(model="without counts", size_class="small")
    pd.concat([models, extra]).to_csv(folder / "models.csv", index=False)
    study = read_study(folder)
    assert study.models["size_class"].dtype == float
    same(study, read_study(study.write(tmp_path / "again")))


@pytest.mark.parametrize("missing", [np.nan, "", pd.NaT, None])
def test_a_covariate_without_values_keeps_its_kind(missing: object, tmp_path: Path) -> None:
    study = hs.simulate_study(shape=hs.Shape(n_items=3, n_languages=1), rng=1)
    models = study.models.assign(extra=[missing] * len(study.models))
    study = hs.Study(study.counts, models, study.benchmarks)
    again = hs.read_study(study.write(tmp_path / "s"))
    pd.testing.assert_frame_equal(again.models, study.models)
