"""Spark and DuckDB count the same files to the same last count; Spark starts once, in a process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hatstats
from tests.logs import writers

pytestmark = pytest.mark.slow

FRAME = writers.responses()
ROOT = Path(__file__).parents[2]
#: One session for all folders: starting Spark takes longer than everything else here together.
CODE = """
import sys
from pyspark.sql import SparkSession
import hatstats
backend = "spark://local:1"
for folder in sys.argv[1:]:
    done = hatstats.convert_logs(folder, backend=backend)
    backend = SparkSession.active()
    done.study.write(folder + "-spark")
    done.files.to_csv(folder + "-files.csv", index=False)
    done.left_out.to_csv(folder + "-left.csv", index=False)
SparkSession.active().stop()
"""
FOLDERS = ("csv", "partitioned", "lm_eval", "lighteval", "spoilt", "lossy")


def lossy(folder: Path) -> None:
    """A column for each language, per cent, and answers that failed or were not read."""
    frame = FRAME.assign(correct=(100 * FRAME["correct"]).astype(str))
    frame.loc[frame.index[:9], "correct"] = ["timeout", "invalid", ""] * 3
    key = ["model", "benchmark", "item", "prompt"]
    wide = frame.pivot_table("correct", key, "language", aggfunc="first").reset_index()
    wide.to_csv(folder / "wide.csv", index=False)


def spoilt(folder: Path) -> None:
    """Lines that are broken, blank, or neither right nor wrong; trials repeated, and named."""
    records = FRAME.assign(prompt="p" + FRAME["prompt"].astype(str)).to_dict("records")
    odd = [{**records[0], "correct": 0.5, "prompt": "q"}, {**records[1], "model": None},
           {**records[2], "correct": "C", "prompt": "q"}, records[3]]  # fmt: skip
    text = "".join(json.dumps(record) + "\n" for record in [*records, *odd])
    data = (text + '{"model": "a", broken\n[1]\n{"model"').encode()
    (folder / "run.jsonl").write_bytes(data + "é".encode("latin-1") + b'": 1}\n')


def java_is_there() -> bool:
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java") is not None or bool(home and Path(home, "bin", "java").exists())


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not java_is_there():
        message = "Java is missing (17 or newer, on PATH or in JAVA_HOME): Spark was not compared."
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    root = tmp_path_factory.mktemp("spark")
    for name in FOLDERS:
        (root / name).mkdir()
        own = {"spoilt": spoilt, "lossy": lossy}.get(name)
        own(root / name) if own else getattr(writers, name)(FRAME, root / name)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
        # The machine runs for seconds: compiling its code for speed costs more than it saves.
        "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    }
    done = subprocess.run(
        [sys.executable, "-c", CODE, *(str(root / name) for name in FOLDERS)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return root


@pytest.mark.parametrize("name", FOLDERS)
def test_spark_equals_duckdb(name: str, converted: Path) -> None:
    by_duckdb = hatstats.convert_logs(converted / name)
    by_spark = hatstats.read_study(converted / f"{name}-spark")
    cells = by_duckdb.study.counts.groupby(["model", "language", "item"]).ngroups
    assert cells == len(writers.expected(FRAME))
    assert by_spark.counts.equals(by_duckdb.study.counts)
    assert by_spark.benchmarks.equals(by_duckdb.study.benchmarks)
    for table, what in ((by_duckdb.files, "files"), (by_duckdb.left_out, "left")):
        text = (converted / f"{name}-{what}.csv").read_text()
        assert sorted(text.splitlines()) == sorted(table.to_csv(index=False).splitlines())
