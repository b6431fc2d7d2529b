"""Logs of strangers: databases are read closed, and what is broken is an error or left out."""

from __future__ import annotations

import gzip
import json
import os
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

import hatstats
from hatstats.errors import DataError
from hatstats.logs.backends import DuckDB
from hatstats.logs.readers import documents
from tests.logs import writers

FRAME = writers.responses()
ROW = '{"model": "a", "language": "%s", "item": "1", "correct": 1}\n'


def convert(path: Path) -> hatstats.Conversion:
    return hatstats.convert_logs(path, settings={"source_language": "en"})


def database(path: Path, *statements: str) -> Path:
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


TABLE = "CREATE TABLE t AS SELECT 'a' AS model, unnest(['en', 'sw']) AS language, 1 AS correct"


@pytest.mark.parametrize("name", ["", "v"])
def test_views_of_a_database_are_not_run(tmp_path: Path, name: str) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("model,language,correct\nsecret,en,1\n")
    view = f"CREATE VIEW v AS SELECT * FROM read_csv('{secret}')"
    path = database(tmp_path / "logs.duckdb", view)
    with pytest.raises(DataError, match=r"the views v, which are not run"):
        hatstats.convert_logs(path, settings={"table": name})
    path.unlink()
    database(path, TABLE, view)
    assert convert(path).study.model_names == ["a"]


def test_a_database_of_a_stranger_reaches_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    path = database(tmp_path / "logs.duckdb", TABLE)
    engine = DuckDB(tmp_path / "scratch", str(path))
    for statement in (
        f"SELECT * FROM read_csv('{tmp_path}/secret.csv')",
        f"ATTACH '{tmp_path}/other.duckdb'",
        f"COPY t TO '{tmp_path}/out.csv'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "CREATE TABLE u AS SELECT 1",
    ):
        with pytest.raises(duckdb.Error):
            engine.connection.con.execute(statement)
    assert sorted(os.listdir(tmp_path)) == ["logs.duckdb", "secret.csv"]


def test_this_process_opens_the_named_logs_and_no_other_file(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for name in ("log.csv", "secret.csv", "scratch/copy.csv"):
        (tmp_path / name).write_text("a\n1\n")
    engine = DuckDB(scratch)
    engine.close_but_for([str(tmp_path / "log.csv")])
    for name in ("log.csv", "scratch/copy.csv"):
        assert engine.connection.read_csv(str(tmp_path / name)).to_pyarrow().num_rows == 1
    for name in ("secret.csv", "scratch/../secret.csv"):
        with pytest.raises(duckdb.PermissionException):
            engine.connection.read_csv(str(tmp_path / name)).to_pyarrow()
    with pytest.raises(duckdb.Error):
        engine.connection.raw_sql("SET memory_limit = '100GB'")


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("kind", ["lines", "document"])
def test_a_wrong_checksum_is_an_error(tmp_path: Path, kind: str) -> None:
    text = (ROW % "en" + ROW % "sw").encode()
    if kind == "document":
        writers.inspect_json(FRAME, tmp_path)
        text = sorted(tmp_path.glob("*.json"))[0].read_bytes()
        for file in tmp_path.glob("*.json"):
            file.unlink()
    path = tmp_path / ("a.jsonl.gz" if kind == "lines" else "a.json.gz")
    path.write_bytes(gzip.compress(text))
    convert(path) if kind == "lines" else hatstats.convert_logs(
        path, settings={"source_language": "de"}
    )
    flip(path, -7)
    with pytest.raises(DataError, match=r"a\.json.*CRC check failed"):
        convert(path)


def test_inspect_logs_in_gzip_are_read(tmp_path: Path) -> None:
    for name in ("plain", "gz"):
        (tmp_path / name).mkdir()
    writers.inspect_json(FRAME, tmp_path / "plain")
    for file in (tmp_path / "plain").glob("*.json"):
        (tmp_path / "gz" / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    plain, packed = (hatstats.convert_logs(tmp_path / name).study for name in ("plain", "gz"))
    assert packed.counts.equals(plain.counts)


def archive(folder: Path) -> Path:
    writers.inspect_eval(FRAME, folder)
    return sorted(folder.glob("*.eval"))[0]


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path)
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as file:
        warnings.simplefilter("ignore")
        file.writestr("header.json", "{}")
    with pytest.raises(DataError, match="two members of one name"):
        convert(path)


def test_an_archive_of_another_version_is_an_error(tmp_path: Path) -> None:
    path = archive(tmp_path)
    data = bytearray(path.read_bytes())
    start = data.rfind(b"PK\x01\x02")
    data[start + 6 : start + 8] = b"\xff\xff"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"not a whole archive \(zip file version"):
        convert(path)


@pytest.mark.parametrize("name", ["bomb.eval", "bomb.json.gz"])
def test_what_unpacks_to_fill_the_memory_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(documents, "_SUSPECT", 1 << 16)
    text = b'{"eval": {"task": "x", "samples": [' + b" " * (1 << 20) + b"]}}"
    path = tmp_path / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("header.json", text)
    with pytest.raises(DataError, match="packed too tightly"):
        convert(path)


def change_samples(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda log: [sample.update({name: value}) for sample in log["samples"]]  # type: ignore[func-returns-value]


@pytest.mark.parametrize(
    "change",
    [
        lambda log: log["eval"].update(scorers=5),
        lambda log: log.update(samples=5),
        lambda log: log.update(samples=[5, None, "x"]),
        lambda log: log.update(eval=[]),
        lambda log: log["eval"].update(model=None),
        change_samples("scores", [1]),
        change_samples("scores", {"a": {"value": [1, 2]}}),
    ],
)
@pytest.mark.slow
def test_wrong_types_in_a_document_are_left_out_with_a_reason(
    tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    writers.inspect_json(FRAME, tmp_path)
    for path in tmp_path.glob("*.json"):
        log = json.loads(path.read_text())
        change(log)
        path.write_text(json.dumps(log))
    with pytest.raises(
        DataError, match=r"nothing in these logs can be counted|neither right nor wrong"
    ):
        convert(tmp_path)


@pytest.mark.parametrize(
    "line",
    ['{"model": ' + "[" * 100_000, '{"model": "a", "language": "sw", "correct": ' + "9" * 5000],
)
@pytest.mark.slow
def test_a_line_that_no_parser_takes_is_left_out(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"{ROW % 'en'}{ROW % 'sw'}{line}\n")
    done = convert(path)
    assert len(done.study.counts) == 2
    assert done.left_out["rows"].sum() == 1


def test_deep_documents_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"eval": {"task": "x"}, "samples": ' + "[" * 100_000)
    with pytest.raises(DataError, match=r"a\.json.*not a whole JSON document"):
        convert(path)


def test_pipes_and_odd_names_are_not_read(tmp_path: Path) -> None:
    pipe = tmp_path / "a.csv"
    os.mkfifo(pipe)
    with pytest.raises(DataError, match="no plain file"):
        convert(pipe)
    table = "model,language,item,correct\na,en,1,1\na,sw,1,0\n"
    (tmp_path / "b.csv").write_text(table)
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.csv")).write_text(table)
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    done = convert(tmp_path)
    assert done.left_out["reason"].tolist() == ["its path is not UTF-8: rename it"]
    assert len(done.study.counts) == 2
    with pytest.raises(DataError, match="no such file or folder"):
        convert(Path("x" * 5000))


def test_a_header_without_end_is_no_log(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{'x' * 200_000},b\n1,2\n")
    with pytest.raises(DataError, match="no log of a known format"):
        convert(tmp_path)


def test_a_parquet_file_with_a_broken_page_is_named(tmp_path: Path) -> None:
    """Its footer is whole, so that its columns are known before its rows are read."""
    writers.lighteval(FRAME, tmp_path)
    path = sorted(tmp_path.rglob("*.parquet"))[0]
    data = path.read_bytes()
    path.write_bytes(data[:4] + b"\xff" * 200 + data[204:])
    with pytest.raises(DataError, match=r"not a whole Parquet file.*leave it out"):
        convert(tmp_path)


def test_a_table_without_scores_beside_others_counts_as_missing(tmp_path: Path) -> None:
    frame = FRAME[(FRAME["item"] < 4) & (FRAME["prompt"] < 2)]
    writers.lighteval(frame, tmp_path)
    path = min((tmp_path / "details").rglob("*.parquet"))
    table = pd.read_parquet(path)
    table.assign(metric="none").to_parquet(path)
    files = convert(tmp_path).files.set_index("file")
    assert files.loc[str(path), ["kept", "left_out"]].tolist() == [0, len(table)]
    assert files["kept"].sum() == len(frame) - len(table)
