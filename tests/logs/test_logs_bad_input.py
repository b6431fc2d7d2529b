"""Broken and hostile logs end in a clear error or in rows that are counted as left out."""

from __future__ import annotations

import ast
import gzip
import json
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import pandas as pd
import pytest

import hatstats
from hatstats.errors import DataError
from tests.logs import writers
from tests.logs.cases import cells, quiz, truth

FRAME = writers.responses()
RECORDS = FRAME.to_dict("records")
PACKAGE = Path(hatstats.__file__).parent


def lines(records: list[dict[str, object]] = RECORDS) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def convert(path: Path, **more: object) -> hatstats.Conversion:
    return hatstats.convert_logs(path, **more)  # type: ignore[arg-type]


def test_a_truncated_gzip_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    noise = [{**record, "note": str(hash((i, "x")))} for i, record in enumerate(RECORDS * 20)]
    packed = gzip.compress(lines(noise))
    (tmp_path / "good.jsonl").write_bytes(lines())
    (tmp_path / "cut.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match=r"cut\.jsonl\.gz.*Hint"):
        convert(tmp_path)


def test_a_gzip_cut_in_its_first_bytes_too(tmp_path: Path) -> None:
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(lines())[:40])
    with pytest.raises(DataError, match=r"cut\.jsonl\.gz.*compressed, and broken"):
        convert(tmp_path)


def inspect_archive(folder: Path) -> Path:
    writers.inspect_eval(FRAME, folder)
    return sorted(folder.glob("*.eval"))[0]


def test_a_truncated_archive_is_an_error(tmp_path: Path) -> None:
    path = inspect_archive(tmp_path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="not a whole archive"):
        convert(path)


def test_a_broken_member_is_left_out(tmp_path: Path) -> None:
    path = inspect_archive(tmp_path)
    data = bytearray(path.read_bytes())
    start = data.index(b"summaries.json") + 200
    data[start : start + 20] = b"\xff" * 20
    path.write_bytes(bytes(data))
    done = convert(tmp_path)
    assert "a part of the archive is broken" in done.left_out["reason"].tolist()
    assert len(done.study.counts) == len(writers.expected(FRAME)) - writers.N_ITEMS
    with pytest.raises(DataError, match="a part of the archive is broken"):
        convert(tmp_path, strict=True)


@pytest.mark.parametrize("name", ["../../out.json", "/abs.json", "..\\out.json", "C:/x.json"])
def test_members_that_climb_out_are_refused_and_nothing_is_written(
    name: str, tmp_path: Path
) -> None:
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    path = inspect_archive(inside)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, "{}")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError, match="climbs out of it"):
        convert(path)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_member_of_ten_gigabytes_is_not_unpacked(tmp_path: Path) -> None:
    """Its size is believed where it is large and distrusted where it is small."""
    path = tmp_path / "bomb.eval"
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    zeros = packer.compress(bytes(1 << 25)) + packer.flush()
    for claimed in (10 << 30, 1000):
        with zipfile.ZipFile(path, "w") as archive:
            head = {"eval": {"task": "mgsm_direct_en", "model": "m"}}
            archive.writestr("header.json", json.dumps(head))
            info = zipfile.ZipInfo("summaries.json")
            info.compress_type = zipfile.ZIP_STORED
            archive.writestr(info, zeros)
        data = bytearray(path.read_bytes())
        entry = data.rindex(b"PK\x01\x02")
        struct.pack_into("<H", data, entry + 10, zipfile.ZIP_DEFLATED)
        struct.pack_into("<L", data, entry + 24, min(claimed, 0xFFFFFFFE))
        path.write_bytes(bytes(data))
        with pytest.raises(DataError, match=r"larger than 1024 MiB|part of the archive is broken"):
            convert(path)


def test_an_incomplete_line_is_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(lines()[:-20])
    done = convert(path)
    row = done.files.iloc[0]
    assert (row["read"], row["kept"], row["left_out"]) == (len(FRAME), len(FRAME) - 1, 1)
    assert "not a whole JSON object" in done.left_out["reason"].iloc[0]
    with pytest.raises(DataError, match=r"1 rows would be left out.*not a whole JSON object"):
        convert(path, strict=True)


def test_lines_that_are_no_responses_are_left_out_with_their_reasons(tmp_path: Path) -> None:
    odd = [b'{"model": "a", broken\n', b"[1, 2]\n", b"null\n", b'{"x": 1}\n']
    base = {"model": "m", "benchmark": "mgsm_direct", "language": "en", "item": "1", "correct": 1}
    more = [
        {**base, "model": None},
        {**base, "language": ""},
        {**base, "item": None},
        {**base, "correct": None},
        {**base, "correct": 0.4},
        {**base, "correct": "maybe"},
    ]
    path = tmp_path / "run.jsonl"
    path.write_bytes(lines() + b"".join(odd) + lines(more))
    done = convert(path)
    found = done.left_out.set_index("reason")["rows"].to_dict()
    assert found == {
        "the line is not a whole JSON object in UTF-8 with these fields": 4,
        "the model is missing": 1,
        "the language is missing": 1,
        "the item is missing": 1,
        "the score is missing": 1,
        "the score is neither right (1) nor wrong (0)": 2,
    }
    assert done.files["kept"].tolist() == [len(FRAME)]
    assert done.study.counts["n_trials"].sum() == len(FRAME)


def test_faults_in_parquet_are_reported_file_by_file(tmp_path: Path) -> None:
    FRAME.to_parquet(tmp_path / "a.parquet")
    spoilt = FRAME.assign(prompt=FRAME["prompt"] + 10, correct=FRAME["correct"].astype(float))
    spoilt.loc[:3, "correct"] = 0.5
    spoilt.to_parquet(tmp_path / "b.parquet")
    done = convert(tmp_path)
    by_file = done.files.set_index(done.files["file"].map(lambda f: Path(f).name))
    assert by_file["left_out"].to_dict() == {"a.parquet": 0, "b.parquet": 4}
    assert by_file["kept"].to_dict() == {"a.parquet": len(FRAME), "b.parquet": len(FRAME) - 4}


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
@pytest.mark.parametrize("how", ["crlf", "bom", "utf-16"])
def test_line_ends_and_byte_order_marks_change_nothing(
    how: str, ending: str, tmp_path: Path
) -> None:
    text = lines().decode() if ending == "jsonl" else FRAME.to_csv(index=False)
    if how == "crlf":
        data = text.replace("\n", "\r\n").encode()
    else:
        data = text.encode("utf-8-sig" if how == "bom" else "utf-16")
    path = tmp_path / f"run.{ending}"
    path.write_bytes(data)
    done = convert(path, strict=True)
    assert done.study.counts["n_correct"].sum() == FRAME["correct"].sum()
    assert done.files["file"].tolist() == [str(path)]
    assert done.files["kept"].tolist() == [len(FRAME)]


def test_bytes_of_another_encoding_are_left_out_or_an_error(tmp_path: Path) -> None:
    latin = {**RECORDS[0], "model": "modèle", "prompt": 9}
    spoilt = json.dumps(latin, ensure_ascii=False).encode("latin-1") + b"\n"
    (tmp_path / "run.jsonl").write_bytes(lines() + spoilt)
    assert convert(tmp_path).files["left_out"].tolist() == [1]
    (tmp_path / "run.jsonl").unlink()
    text = FRAME.to_csv(index=False).replace("small", "sm\u00e4ll")
    (tmp_path / "run.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"run\.csv.*(?i:unicode|utf-8|encod)"):
        convert(tmp_path)


def test_cells_of_a_million_characters(tmp_path: Path) -> None:
    long = "y" * 1_000_000
    first = [{"answer": long, **RECORDS[0]}, *RECORDS[1:]]
    (tmp_path / "run.jsonl").write_bytes(lines(first))
    assert convert(tmp_path, strict=True).files["kept"].sum() == len(FRAME)
    table = FRAME.assign(answer="")
    table.loc[3, "answer"] = 'a "quoted", ' + long
    table.to_csv(tmp_path / "run.csv", index=False)
    (tmp_path / "run.jsonl").unlink()
    assert convert(tmp_path, strict=True).files["kept"].sum() == len(FRAME)


def test_a_record_beyond_sixteen_megabytes_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").write_bytes(lines([*RECORDS, {"answer": "y" * (1 << 25)}]))
    with pytest.raises(DataError, match="longer than 16 MiB"):
        convert(tmp_path)


def test_a_row_with_too_many_cells_is_an_error_with_its_line(tmp_path: Path) -> None:
    text = FRAME.to_csv(index=False).splitlines()
    text[5] += ",1,2,3"
    (tmp_path / "run.csv").write_text("\n".join(text))
    with pytest.raises(DataError, match=r"run\.csv.*[Ll]ine.?:? ?6"):
        convert(tmp_path)


def test_a_duplicated_file_counts_once(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines())
    (tmp_path / "b.jsonl").write_bytes(lines())
    done = convert(tmp_path)
    assert done.study.counts["n_trials"].sum() == len(FRAME)
    assert done.left_out["reason"].tolist() == ["the same bytes as a.jsonl"]
    with pytest.raises(DataError, match=r"the same bytes as a\.jsonl"):
        convert(tmp_path, strict=True)


@pytest.mark.parametrize("names", ["numbers", "words"])
def test_repeated_trials_count_once_and_contradictions_not_at_all(
    names: str, tmp_path: Path
) -> None:
    frame = FRAME if names == "numbers" else FRAME.assign(prompt="p" + FRAME["prompt"].astype(str))
    again = frame.iloc[[0, 1, 2, 3]].assign(note="again")
    again.loc[again.index[3], "correct"] = 1 - again["correct"].iloc[3]
    frame.to_csv(tmp_path / "a.csv", index=False)
    again.drop(columns="note").to_csv(tmp_path / "b.csv", index=False)
    done = convert(tmp_path)
    assert done.study.counts["n_trials"].sum() == len(frame) - 1
    right = frame["correct"].sum() - frame["correct"].iloc[3]
    assert done.study.counts["n_correct"].sum() == right
    rows = done.left_out.set_index("reason")["rows"]
    assert sorted(rows) == [2, 3]
    assert rows[[name for name in rows.index if "different results" in name]].tolist() == [2]


def test_the_same_lm_eval_run_copied_counts_once(tmp_path: Path) -> None:
    for name in ("one", "copy"):
        (tmp_path / name).mkdir()
        writers.lm_eval(FRAME, tmp_path / name)
    done = convert(tmp_path)
    assert done.study.counts["n_trials"].sum() == len(FRAME)
    assert done.left_out.loc[~done.left_out["by_rule"], "rows"].sum() == len(FRAME)


def test_no_pickle_is_ever_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "trapped",))  # type: ignore[return-value]

    (tmp_path / "run.pkl").write_bytes(pickle.dumps({"a": 1}))
    (tmp_path / "run.json").write_bytes(pickle.dumps([1, 2]))
    (tmp_path / "run.jsonl").write_bytes(lines())
    done = convert(tmp_path)
    assert done.left_out["reason"].tolist() == ["it is no log of a known format"] * 2
    assert not (tmp_path / "trapped").exists()
    loaders = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "torch", "shelve", "marshal"}
    modules = sorted(path for room in ("study", "logs") for path in (PACKAGE / room).rglob("*.py"))
    assert len(modules) > 30
    for path in modules:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not {name.split(".")[0] for name in names} & loaders, path
            assert not (isinstance(node, ast.Attribute) and node.attr == "read_pickle"), path


def test_nothing_but_the_temporary_folder_is_written(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "run.csv").write_bytes(b"\xef\xbb\xbf" + FRAME.to_csv(index=False).encode())
    convert(logs)
    assert [path.name for path in tmp_path.rglob("*")] == ["logs", "run.csv"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: None, "there is no file in it"),
        (lambda p: (p / "x.txt").write_text("hello"), "no column of this table is known as model"),
        (lambda p: (p / "x.jsonl").write_text(""), "it is empty"),
        (lambda p: (p / "x.jsonl").write_text("{\n"), "no column of this table"),
        (lambda p: (p / "x.parquet").write_bytes(b"PAR1 and no more"), "not a whole Parquet file"),
        (lambda p: (p / "results_x.json").write_text('{"results": {'), "not a whole JSON document"),
        (lambda p: (p / "x.eval").write_bytes(b"PK\x03\x04"), "not a whole archive"),
    ],
)
def test_what_is_no_log_is_an_error(make: object, message: str, tmp_path: Path) -> None:
    make(tmp_path)  # type: ignore[operator]
    with pytest.raises(DataError, match=message):
        convert(tmp_path)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"fields": {"modle": "m"}}, "no such column.*'model'"),
        ({"fields": {"item": "nothing"}}, "the field mapped to 'item' is not in the file"),
        ({"settings": {"metrik": "acc"}}, "no such setting.*'metric'"),
        ({"settings": {"n_trials": "many"}}, "no number in range"),
        ({"settings": {"chance": "25"}}, "no number in range"),
        ({"settings": {"source_language": "fr"}}, "name the source"),
        ({"backend": "nonsense://x"}, "Ibis cannot connect"),
        ({"backend": 3}, "this is no backend"),
        ({"format": "inspekt"}, "format is not known.*'inspect'"),
    ],
)
def test_wrong_arguments_are_errors(given: dict[str, object], message: str, tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").write_bytes(lines())
    with pytest.raises(DataError, match=message):
        convert(tmp_path / "run.jsonl", **given)


def test_a_missing_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        convert(tmp_path / "nowhere")


def test_a_benchmark_without_english_asks_for_its_source(tmp_path: Path) -> None:
    pd.concat([
        FRAME.assign(benchmark="xcopa")[FRAME["language"] != "en"], FRAME
    ]).to_csv(tmp_path / "run.csv", index=False)  # fmt: skip
    done = convert(tmp_path)
    assert done.study.benchmark_names == ["mgsm_direct"]
    assert "English is not among its languages (de, sw)" in done.left_out["reason"].iloc[0]
    assert done.files["left_out"].tolist() == [2 * len(FRAME) // 3]
    assert done.files["kept"].tolist() == [len(FRAME)]


@pytest.mark.parametrize("by_item", [True, False])
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("right", [63, -1])
def test_more_right_answers_than_trials_are_one_error(
    right: int, ending: str, by_item: bool, tmp_path: Path
) -> None:
    key = ["model", "language", "item"] if by_item else ["model", "language"]
    table = quiz().groupby(key, as_index=False)["correct"].agg(["sum", "count"])
    table = table.rename(columns={"sum": "n_correct", "count": "n_total"})
    table.loc[4, "n_correct"] = right
    path = tmp_path / f"quiz.{ending}"
    writes = {"csv": lambda: table.to_csv(path, index=False),
              "jsonl": lambda: table.to_json(path, orient="records", lines=True),
              "parquet": lambda: table.to_parquet(path)}  # fmt: skip
    writes[ending]()
    with pytest.raises(DataError) as error:
        hatstats.convert_logs(path)
    text = str(error.value)
    row, trials = 6 if ending == "csv" else 5, 1 if by_item else 60
    assert f"{path}, row {row}, column 'n_correct'" in text
    assert f"{right} of {trials}" in text
    assert "correct 'n_correct' or 'n_total' there" in text


def test_rows_without_trials_are_left_out(tmp_path: Path) -> None:
    table = quiz().groupby(["model", "language"], as_index=False)["correct"].agg(["sum", "count"])
    table = table.rename(columns={"sum": "n_correct", "count": "n_trials"})
    table.loc[0, ["n_correct", "n_trials"]] = 0
    table.to_csv(tmp_path / "quiz.csv", index=False)
    done = hatstats.convert_logs(tmp_path)
    assert done.left_out["reason"].tolist() == ["it has no trials"]
    assert done.files["kept"].tolist() == [5]


def test_files_that_hide_a_table_say_where_it_is(tmp_path: Path) -> None:
    quiz().to_csv(tmp_path / "people.csv", index=False)
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.write(tmp_path / "people.csv", "people.csv")
    with pytest.raises(DataError, match=r"people\.csv in it: unpack it"):
        hatstats.convert_logs(tmp_path / "t.zip")
    for name in ("results.json", "run.json"):
        (tmp_path / name).write_text(json.dumps({"results": quiz().to_dict("records")}))
        with pytest.raises(DataError, match=r"whose 'results' holds 360 records"):
            hatstats.convert_logs(tmp_path / name)


def test_a_broken_document_beside_logs_is_left_out(tmp_path: Path) -> None:
    quiz().to_csv(tmp_path / "quiz.csv", index=False)
    (tmp_path / "notes.json").write_text('{"a": [1, 2')
    done = hatstats.convert_logs(tmp_path)
    assert cells(done.study) == truth(quiz())
    assert done.left_out["reason"].tolist() == ["it is no whole JSON document"]
