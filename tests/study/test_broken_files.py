"""Broken files of a study are one error each: no traceback, and no wait without end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import hatstats as hs
from hatstats.errors import DataError
from hatstats.study import files

DEEP, LONG = "[" * 100_000, "9" * 5000
COUNTS = "model,benchmark,language,item,n_correct,n_trials\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return hs.simulate_study([0.0, 0.5], shape=hs.Shape(20, 1), rng=1).write(tmp_path / "s")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("study.toml", f"name = {DEEP}", "not valid TOML"),
        ("study.toml", f"name = 'a'\nchance = {LONG}", "not valid TOML.*4300 digits"),
        ("counts.csv", f"{COUNTS}m,b,en,q,{LONG},{LONG}\n", "not a finite number"),
        ("models.csv", f"model,family\n{'x' * 200_000},a\n", "more than 131,072 characters"),
        ("models.csv", f"model,release_date\nmodel-01,{LONG}\n", "not a date"),
        ("models.csv", "pipe", "no plain file"),
        ("study.toml", "pipe", "no plain file"),
        ("counts.csv", "pipe", "no study folder"),
        ("models.csv", "folder", "no plain file"),
    ],
)
@pytest.mark.slow
def test_a_broken_file_is_one_error(folder: Path, file: str, text: str, message: str) -> None:
    path = folder / file
    make: dict[str, Callable[[Path], None]] = {"pipe": os.mkfifo, "folder": os.mkdir}
    if text in make:
        path.unlink()
        make[text](path)
    else:
        path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        hs.read_study(folder)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "~nosuchuser/x"])
def test_a_path_that_cannot_be_is_no_such_file(name: str) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        hs.read_study(name)


def test_a_folder_whose_name_is_not_utf8_is_read(folder: Path) -> None:
    odd = folder.with_name(os.fsdecode(b"caf\xe9"))
    try:
        folder.rename(odd)
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    (odd / "study.toml").unlink()
    (odd / "benchmarks.csv").write_text("benchmark,source_language,chance\nsimulated,src,0\n")
    study = hs.read_study(odd)
    assert study.name == "caf?"
    study.write(folder.with_name("again"))


def test_a_parquet_file_beyond_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.parquet"
    pd.DataFrame({"model": ["a"] * 1000}).to_parquet(path)
    monkeypatch.setattr(files, "_MOST_CELLS", 999)
    with pytest.raises(DataError, match="1,000 rows, more than a study may have"):
        hs.read_study(path)


@pytest.mark.parametrize("text", [f'{{"models": {DEEP}', f'{{"models": {LONG}}}', "pipe"])
def test_broken_scores_are_one_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "scores.json"
    os.mkfifo(path) if text == "pipe" else path.write_text(text)
    with pytest.raises(DataError, match=r"scores\.json"):
        hs.HatScores.load(path)
