"""Every fault of a file on disk: one DataError that names file, row, column, value and hint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hatstats.errors import DataError, DegenerateDataWarning
from hatstats.study import Study
from hatstats.study.claims import StudyInfo
from hatstats.study.read import read_study

MakeFolder = Callable[..., Path]
Edit = tuple[str, str, str]
HEAD = "model,benchmark,language,n_correct,n_trials\n"


@dataclass(frozen=True)
class Case:
    """One fault: what is edited, and what the error must name."""

    name: str
    edits: tuple[Edit, ...]
    file: str
    row: int | None
    column: str | None
    value: object
    says: str
    hint: str
    texts: dict[str, str | bytes | None] = field(default_factory=dict)


def counts(old: str, new: str) -> tuple[Edit, ...]:
    return (("counts.csv", old, new),)


def models(old: str, new: str) -> tuple[Edit, ...]:
    return (("models.csv", old, new),)


def benchmarks(old: str, new: str) -> tuple[Edit, ...]:
    return (("benchmarks.csv", old, new),)


C, M, B, T, ITEMS = "counts.csv", "models.csv", "benchmarks.csv", "study.toml", "items.csv"
SLOPE = 'kind = "slope"\n'

CASES = (
    # The counts.
    Case("k over n", counts("q1,3,3", "q1,4,3"), C, 6, "n_correct", 4,
         "larger than n_trials (3)", "how many of the n_trials were right"),
    Case("k over n, aggregate", counts("170.5,200", "210.5,200"), C, 2, "n_correct", 210.5,
         "larger than n_trials (200)", "exchanged"),
    Case("negative count", counts("q1,3,3", "q1,-1,3"), C, 6, "n_correct", -1,
         "cannot be negative", "how many trials were right"),
    Case("fractional count of an item", counts("beta,open,en,q1,1,3", "beta,open,en,q1,0.5,3"),
         C, 8, "n_correct", 0.5, "whole number", "leave 'item' empty"),
    Case("fractional trials of an item", counts("beta,open,en,q1,1,3", "beta,open,en,q1,1,2.5"),
         C, 8, "n_trials", 2.5, "whole number", "trials"),
    Case("no trials", counts("q1,3,3", "q1,0,0"), C, 6, "n_trials", 0,
         "more than 0 trials", "leave out rows"),
    Case("empty cell", counts("170.5,200", ",200"), C, 2, "n_correct", "",
         "the number is missing", "how many trials were right"),
    Case("NaN", counts("120,200", "120,NaN"), C, 3, "n_trials", "NaN",
         "the number is missing", "how many trials there were"),
    Case("infinity", counts("120,200", "120,inf"), C, 3, "n_trials", "inf",
         "not a finite number", "plain number"),
    Case("decimal comma", counts("170.5,200", '"170,5",200'), C, 2, "n_correct", "170,5",
         "not a finite number", "decimal point"),
    Case("per cent sign", counts("170.5,200", "85.3%,200"), C, 2, "n_correct", "85.3%",
         "not a finite number", "no % sign"),
    Case("empty name", counts("beta,quiz,en", ",quiz,en"), C, 4, "model", "",
         "the cell is empty", "write a name"),
    Case("duplicate cell", counts("beta,open,en,q2,0,3", "beta,open,en,q1,1,3"), C, 12,
         "model, benchmark, language, item", "beta / open / en / q1", "repeats row 8",
         "add up their counts"),
    Case("model not listed", (("models.csv", "beta,B,,,,\n", "betas,B,,,,\n"),), C, 4, "model",
         "beta", "the model is not in", "Did you mean 'betas'?"),
    Case("benchmark not listed", benchmarks("quiz,en", "quizz,en"), C, 2, "benchmark", "quiz",
         "the benchmark is not in", "Did you mean 'quizz'?"),
    Case("item and average in one benchmark", counts("alpha,open,en,q1", "alpha,open,en,"), C, 6,
         "item", "", "rows with and rows without an item", "name the item in every row"),
    Case("missing column", counts("n_trials", "n_trails"), C, 1, "n_trials", None,
         "the columns found are", "rename 'n_trails' to 'n_trials'"),
    Case("missing column without a near name", counts("language,", "x,"), C, 1, "language", None,
         "the column is missing", "add the column 'language'"),
    Case("misspelt optional column", counts("item,", "items,"), C, 1, "item", None,
         "the column is missing", "rename 'items' to 'item'"),
    Case("repeated column", counts("n_trials", "n_correct"), C, 1, "n_correct", None,
         "more than once", "its own name"),
    Case("column without a name", counts("item,", ","), C, 1, None, "",
         "column 4 has no name", "index=False"),
    Case("row too short", counts("alpha,quiz,sw,,120,200", "alpha,quiz,sw,120,200"), C, 3, None,
         "alpha,quiz,sw,120,200", "5 cells, the header has 6", "quote cells"),
    Case("open quote", counts("beta,open,sw,q2", 'beta,open,sw,"q2'), C, 13, None, None,
         "cannot be split", "double quote"),
    # The models.
    Case("duplicate model", models("beta,B", "alpha,B"), M, 3, "model", "alpha",
         "repeats row 2", "remove one"),
    Case("no date", models("2025-06-17", "17.06.2025"), M, 2, "release_date", "17.06.2025",
         "not a date", "2025-06-17"),
    Case("impossible date", models("2025-06-17", "2025-02-30"), M, 2, "release_date",
         "2025-02-30", "not a date", "leave the cell empty"),
    Case("half a date", models("2025-06-17", "2025-06"), M, 2, "release_date", "2025-06",
         "not a date", "year, month and day"),
    Case("size in words", models("4300000000", "4.3B"), M, 2, "params_total", "4.3B",
         "not a finite number", "4.3e9"),
    Case("no size", models("4300000000", "0"), M, 2, "params_total", 0,
         "more than 0 parameters", "leave the cell empty"),
    Case("more active than total", models("4300000000,,1", "4300000000,5e9,1"), M, 2,
         "params_active", 5_000_000_000, "params_total is 4.3e+09", "exchange"),
    Case("another name for the size", models("params_total", "parameters"), M, 1,
         "params_total", None, "the column is missing", "in units"),
    Case("models missing", (), M, None, None, None, "the file is missing",
         "read_study(", texts={"models_csv": None}),
    # The benchmarks and items.
    Case("chance in per cent", benchmarks("quiz,en,0.25", "quiz,en,25"), B, 2, "chance", 25,
         "chance is a proportion", "per cent? Then write 0.25"),
    Case("chance of one", benchmarks("quiz,en,0.25", "quiz,en,1"), B, 2, "chance", 1,
         "below 1", "0.25 for four options"),
    Case("negative chance", benchmarks("quiz,en,0.25", "quiz,en,-0.1"), B, 2, "chance", -0.1,
         "at least 0", "0 for open answers"),
    Case("no chance", benchmarks("quiz,en,0.25", "quiz,en,"), B, 2, "chance", "",
         "the number is missing", "0 for open answers"),
    Case("duplicate benchmark", benchmarks("open,en,0", "quiz,en,0"), B, 3, "benchmark", "quiz",
         "repeats row 2", "remove one"),
    Case("unknown source language", benchmarks("open,en,0", "open,eng,0"), B, 3,
         "source_language", "eng", "has no rows in", "Did you mean 'en'?"),
    Case("no source language", benchmarks("open,en,0", "open,,0"), C, 6, "benchmark", "open",
         "no source language is given", "write its source_language"),
    Case("no source rows", (), B, 2, "source_language", "en", "has no rows in",
         "add the source rows",
         texts={"counts_csv": HEAD + "alpha,quiz,sw,1,2\nbeta,quiz,sw,1,2\n"}),
    Case("no row in the items' own source languages", (), B, 2, "benchmark", "open",
         "no rows in its source language", "measured from it",
         texts={
             "counts_csv": "model,benchmark,language,item,n_correct,n_trials\n"
             "alpha,open,en,q1,1,2\nalpha,open,sw,q2,1,2\nbeta,open,en,q1,1,2\n",
             "benchmarks_csv": "benchmark,chance\nopen,0\n",
             "items_csv": "benchmark,item,source_language\nopen,q1,sw\nopen,q2,en\n",
         }),
    Case("unknown source language of an item", (), ITEMS, 3, "source_language", "fi",
         "the source language of item 'q2' has no rows", "correct the name",
         texts={"items_csv": "benchmark,item,source_language\nopen,q1,sw\nopen,q2,fi\n"}),
    Case("duplicate item", (), ITEMS, 3, "benchmark, item", "open / q1", "repeats row 2",
         "remove one",
         texts={"items_csv": "benchmark,item,source_language\nopen,q1,sw\nopen,q1,en\n"}),
    Case("constant given twice", (("study.toml", 'title = "A', 'chance = 0.2\ntitle = "A'),), B, 1,
         "chance", None, "given here and in study.toml (0.2)", "remove one of the two"),
    # study.toml.
    Case("unreadable TOML", (("study.toml", 'name = "small"', "name = small"),), T, None, None,
         None, "line 1", "double quotes"),
    Case("unknown key", (("study.toml", "licence", "license"),), T, None, "license", "CC0-1.0",
         "not known", "Did you mean 'licence'?"),
    Case("value of the wrong kind", (("study.toml", '"small"', "3"),), T, None, "name", 3,
         "should be text", "write text in double quotes after name"),
    Case("unknown key of a claim", (("study.toml", "threshold = 0.0", "treshold = 0.0"),), T, None,
         "treshold", 0.0, "claim 1 (progress, slope) has the unknown key 'treshold'",
         "Did you mean 'threshold'?"),
    Case("unknown kind of claim", (("study.toml", SLOPE, 'kind = "slopes"\n'),), T, None, "kind",
         "slopes", "no known kind", "Did you mean 'slope'?"),
    Case("claim without a threshold", (("study.toml", "threshold = 0.0\n", ""),), T, None,
         "threshold", None, "lacks the key 'threshold'", "registered in full"),
    Case("claim with text for a number", (("study.toml", "level = 0.05", 'level = "5 %"'),), T,
         None, "level", "5 %", "should be a number", "level = a number"),
    Case("level in per cent", (("study.toml", "level = 0.05", "level = 5"),), T, None, "level", 5,
         "between 0 and 0.5", "0.05 for 5 %"),
    # Files as such.
    Case("empty file", (), C, None, None, None, "the file is empty", "a header and one row",
         texts={"counts_csv": b""}),
    Case("blank file", (), C, None, None, None, "the file is empty", "a header and one row",
         texts={"counts_csv": b"\xef\xbb\xbf\r\n ,\r\n"}),
    Case("header only", (), C, None, None, None, "a header but no rows", "one row per cell",
         texts={"counts_csv": HEAD}),
    Case("semicolons", (), C, 1, None, "model;benchmark;language;n_correct;n_trials",
         "separated by semicolons, not by commas", "save the file with commas",
         texts={"counts_csv": (HEAD + "alpha,quiz,en,1,2\n").replace(",", ";")}),
    Case("tabs in CSV", (), C, 1, None, "model\tbenchmark\tlanguage\tn_correct\tn_trials",
         "separated by tabs, not by commas", "format='tsv'",
         texts={"counts_csv": (HEAD + "alpha,quiz,en,1,2\n").replace(",", "\t")}),
    Case("Latin-1", (), C, 2, None, None, "byte 0xe9 at byte position 45", "as UTF-8",
         texts={"counts_csv": (HEAD + "\xe9l\xe8ve,quiz,en,1,2\n").encode("latin-1")[:0]
                + HEAD.encode() + b"a\xe9,quiz,en,1,2\n"}),
    Case("UTF-16", (), C, 1, None, None, "byte 0xff at byte position 0 (counted from 0). It may be "
         "UTF-16", "as UTF-8", texts={"counts_csv": HEAD.encode("utf-16")}),
    Case("models not UTF-8", (), M, 3, None, None, "byte 0xfc at byte position 21",
         "as UTF-8", texts={"models_csv": b"model,family\nalpha,A\n\xfcber,B\n"}),
)  # fmt: skip


def check(raised: DataError, case: Case) -> None:
    assert raised.file is not None
    assert Path(raised.file).name == case.file
    assert raised.row == case.row
    assert raised.column == case.column
    if case.value is not None:
        assert raised.value == case.value
    text = str(raised)
    assert case.says in text
    assert case.hint in (raised.hint or "")
    assert case.hint in text
    assert case.file in text
    assert case.row is None or f"row {case.row}" in text
    assert raised.__cause__ is None, "the message shows the inside of a library"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_folder_bad_input(case: Case, make_folder: MakeFolder) -> None:
    folder = make_folder(*case.edits, **case.texts)
    with pytest.raises(DataError) as caught:
        read_study(folder)
    check(caught.value, case)


def test_the_cases_start_from_a_folder_that_is_right(make_folder: MakeFolder) -> None:
    assert len(CASES) >= 50
    assert len({case.name for case in CASES}) == len(CASES)
    assert len(read_study(make_folder()).counts) == 12


@pytest.mark.parametrize(
    ("lines", "row", "column", "says", "hint"),
    [
        ("a,q,en,85.3,1\na,q,sw,60,1\n", 2, "n_correct", "larger than n_trials (1)", "per cent"),
        ("a,q,en,0.853,1\na,q,sw,0.6,1\n", 2, "n_correct", "a single trial", "number of items"),
        ("a,q,en,0.853,250\na,q,sw,1,250\n", 2, "n_correct", "like a proportion", "multiply"),
        ("a,q,fi,8,10\na,q,sw,6,10\n", 2, "source_language", "English is not", "add a column"),
    ],
    ids=["per cent", "proportion of one trial", "proportion of many trials", "no English"],
)
def test_plain_table_bad_input(
    tmp_path: Path, lines: str, row: int, column: str, says: str, hint: str
) -> None:
    file = tmp_path / "table.csv"
    file.write_text(HEAD + lines)
    with pytest.raises(DataError) as caught:
        read_study(file)
    assert caught.value.file == str(file)
    assert (caught.value.row, caught.value.column) == (row, column)
    assert says in str(caught.value)
    assert hint in str(caught.value.hint)


def test_a_table_of_accuracies_says_what_a_count_is_bad_input(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text("model,benchmark,language,accuracy\na,q,en,0.8\n")
    with pytest.raises(DataError, match=r"'accuracy' \(as a proportion\) times n_trials"):
        read_study(file)


@pytest.mark.parametrize(
    ("column", "values", "word"),
    [
        ("family", ("A", "B"), "model 'a'"),
        ("params_total", ("1e9", "2e9"), "model 'a'"),
        ("chance", ("0.2", "0.25"), "benchmark 'q'"),
    ],
)
def test_plain_table_that_contradicts_itself_bad_input(
    tmp_path: Path, column: str, values: tuple[str, str], word: str
) -> None:
    file = tmp_path / "table.csv"
    head = HEAD.replace("\n", f",{column}\n")
    file.write_text(f"{head}a,q,en,8,10,{values[0]}\na,q,sw,6,10,{values[1]}\n")
    with pytest.raises(DataError, match=f"{word} has another {column} in row 2") as caught:
        read_study(file)
    assert (caught.value.row, caught.value.column) == (3, column)


def test_many_bad_rows_are_counted_and_the_first_is_shown_bad_input(tmp_path: Path) -> None:
    lines = [f"a,q,{'en' if i % 2 else 'sw'},i{i},{4 if i >= 5 else 2},3" for i in range(40)]
    file = tmp_path / "table.csv"
    file.write_text("\n".join([HEAD.replace("n_correct", "item,n_correct").strip(), *lines]))
    with pytest.raises(DataError, match=r"\(35 rows; the first is shown\)") as caught:
        read_study(file)
    assert caught.value.row == 7


def test_rows_are_counted_as_a_spreadsheet_does_bad_input(tmp_path: Path) -> None:
    """Blank lines count, and a cell with a line break is one row."""
    file = tmp_path / "table.csv"
    file.write_text(
        HEAD.replace("\n", ",evidence\n") + '\na,q,en,8,10,"two\nlines"\n,,,,,\na,q,sw,-6,10,\n'
    )
    with pytest.raises(DataError, match="negative") as caught:
        read_study(file)
    assert caught.value.row == 5


def test_clusters_that_contradict_each_other_bad_input(make_folder: MakeFolder) -> None:
    rows = [f"alpha,open,{lang},q1,1,3,{c}" for lang, c in (("en", "s1"), ("sw", "s2"))]
    table = "\n".join(["model,benchmark,language,item,n_correct,n_trials,cluster", *rows])
    with pytest.raises(DataError, match="item 'q1' has another cluster in row 2 \\('s1'\\)") as one:
        read_study(make_folder(counts_csv=table))
    assert (one.value.row, one.value.column, one.value.value) == (3, "cluster", "s2")
    items = "benchmark,item,cluster\nopen,q1,s3\n"
    with pytest.raises(DataError, match=r"items\.csv gives this item another cluster \('s3'\)"):
        read_study(make_folder(counts_csv=table.replace("s2", "s1"), items_csv=items))


def test_a_total_beside_its_parts_bad_input(make_folder: MakeFolder) -> None:
    rows = [f"alpha,open,{lang},q1,1,3,{p}" for lang, p in (("en", "p1"), ("en", ""), ("sw", ""))]
    table = "\n".join(["model,benchmark,language,item,n_correct,n_trials,prompt", *rows])
    with pytest.raises(DataError, match="trials may count twice") as caught:
        read_study(make_folder(counts_csv=table))
    assert (caught.value.row, caught.value.column) == (3, "prompt")


def test_missing_files_bad_input(tmp_path: Path, make_folder: MakeFolder) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        read_study(tmp_path / "nowhere")
    with pytest.raises(
        DataError, match=r"no study folder with counts\.csv or counts\.parquet \(it has: nothing\)"
    ):
        read_study(tmp_path)
    with pytest.raises(
        DataError, match=r"no study folder with counts\.tsv \(it has: benchmarks\.csv, counts\.csv"
    ):
        read_study(make_folder(), format="tsv")
    (tmp_path / "small" / "counts.parquet").write_bytes(b"")
    with pytest.raises(DataError, match=r"the folder has counts\.csv and counts\.parquet"):
        read_study(tmp_path / "small")
    with pytest.raises(DataError, match="the file is empty"):
        read_study(tmp_path / "small", format="parquet")


def test_formats_bad_input(tmp_path: Path) -> None:
    odd = tmp_path / "table.xlsx"
    odd.write_bytes(b"PK")
    with pytest.raises(DataError, match=r"the ending '\.xlsx' is not known.*format='csv'"):
        read_study(odd)
    with pytest.raises(DataError, match="the format 'excel' is not known"):
        read_study(odd, format="excel")
    with pytest.raises(DataError, match="the format is not known"):
        read_study(tmp_path, format="excel")
    false = tmp_path / "table.parquet"
    false.write_text(HEAD)
    with pytest.raises(DataError, match="not a Parquet file"):
        read_study(false)
    tabs = tmp_path / "table.tsv"
    tabs.write_text(HEAD + "a,q,en,1,2\n")
    with pytest.raises(DataError, match="separated by commas, not by tabs"):
        read_study(tabs)


def test_bytes_that_are_not_utf8_are_found_after_a_byte_order_mark_bad_input(
    tmp_path: Path,
) -> None:
    file = tmp_path / "table.csv"
    data = b"\xef\xbb\xbf" + HEAD.encode() + b"a\xe9,q,en,1,2\n"
    file.write_bytes(data)
    with pytest.raises(DataError, match=f"byte position {data.index(0xE9)} ") as caught:
        read_study(file)
    assert caught.value.row == 2


@pytest.mark.parametrize("size", ["7", "7.0", "350"])
def test_sizes_in_billions_are_warned_of(make_folder: MakeFolder, size: str) -> None:
    folder = make_folder(("models.csv", "4300000000", size))
    with pytest.warns(DegenerateDataWarning, match="params_total") as caught:
        study = read_study(folder)
    text = str(caught[0].message)
    assert "'alpha'" in text
    assert f"{float(size):g} is no plausible" in text
    assert f"{float(size):g}e9" in text
    assert caught[0].filename == __file__
    assert study.models["params_total"].iloc[0] == float(size)


def test_sizes_multiplied_twice_are_warned_of(make_folder: MakeFolder) -> None:
    folder = make_folder(("models.csv", "4300000000", "7e18"))
    with pytest.warns(DegenerateDataWarning, match="in units, such as 4.3e9"):
        read_study(folder)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("a,q,en,85.3,100\na,q,sw,60,100\n", "every n_trials is 100"),
        ("a,q,en,85.3,1767\na,q,sw,60,1767\n", "no n_correct is over 100, of at least 1767"),
    ],
)
def test_percentages_within_the_bounds_are_warned_of(tmp_path: Path, lines: str, says: str) -> None:
    file = tmp_path / "table.csv"
    file.write_text(HEAD + lines)
    with pytest.warns(DegenerateDataWarning, match=says):
        read_study(file)


def test_a_benchmark_below_chance_is_warned_of(make_folder: MakeFolder) -> None:
    folder = make_folder(("benchmarks.csv", "quiz,en,0.25", "quiz,en,0.98"))
    with pytest.warns(DegenerateDataWarning, match=r"'quiz': every accuracy is below chance"):
        read_study(folder)


def test_claims_in_billions_are_warned_of(make_folder: MakeFolder) -> None:
    claim = (
        '[[claims]]\nname = "n"\nkind = "non_inferiority"\nsmall = 1\nlarge = 100\nmargin = 0.05\n'
    )
    with pytest.warns(DegenerateDataWarning, match="Then write 1e9"):
        read_study(make_folder(study_toml=claim))


def test_frames_in_memory_bad_input() -> None:
    good = pd.DataFrame(
        {"model": "a", "benchmark": "q", "language": ["en", "sw"], "n_correct": 5, "n_trials": 9}
    )
    listing = pd.DataFrame({"model": ["a"]})
    benchmark = pd.DataFrame({"benchmark": ["q"], "source_language": "en", "chance": 0.0})
    Study(good, listing, benchmark)
    with pytest.raises(
        DataError, match=r"counts, position 1 \(df.iloc\[1\]\), column 'n_correct'.*missing"
    ):
        Study(good.assign(n_correct=[5, np.nan]), listing, benchmark)
    with pytest.raises(DataError, match="counts: the table has no rows"):
        Study(good.iloc[:0], listing, benchmark)
    with pytest.raises(
        DataError, match=r"models, position 1 .*column 'model', value 'a'.*repeats position 0"
    ):
        Study(good, pd.DataFrame({"model": ["a", "a"]}), benchmark)
    with pytest.raises(DataError, match=r"benchmarks, column 'chance': the column is missing"):
        Study(good, listing, benchmark.drop(columns="chance"))
    with pytest.raises(DataError, match=r"claims.*no known kind"):
        Study(good, listing, benchmark, info=StudyInfo("s"), claims=({"name": "x"},))


def test_select_bad_input(make_folder: MakeFolder) -> None:
    study = read_study(make_folder())
    with pytest.raises(DataError, match=r"no language of this name.*Did you mean 'sw'"):
        study.select(languages=["en", "swa"])
    with pytest.raises(DataError, match="no rows in counts of small"):
        study.select(exclude="en")
    with pytest.raises(DataError, match="no language of this name"):
        study.select(exclude=["english"])
    with pytest.raises(DataError, match="no row of the study 'small' is left"):
        study.select(models=[])


def test_write_bad_input(make_folder: MakeFolder, tmp_path: Path) -> None:
    study = read_study(make_folder())
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(DataError, match="a file that hatstats did not write"):
        study.write(file)
    with pytest.raises(DataError, match="cannot be written"):
        study.write(file / "below")
    assert file.read_text() == "mine"
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("mine")
    with pytest.raises(DataError, match="other files that hatstats did not write"):
        study.write(other)
    assert [entry.name for entry in other.iterdir()] == ["thesis.tex"]
    with pytest.raises(DataError, match="use csv or parquet"):
        study.write(tmp_path / "new", format="feather")  # type: ignore[arg-type]
    assert not (tmp_path / "new").exists()


def test_a_table_with_other_names_points_to_from_frame(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("model,lang,question_id,is_correct\nm,en,q1,1\nm,sw,q1,0\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"Study.from_frame\(pandas.read_csv\("):
        read_study(path)
    assert Study.from_frame(pd.read_csv(path), source="en").languages == ["en", "sw"]
