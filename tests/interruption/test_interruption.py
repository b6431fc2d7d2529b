"""Killed, on disks that are full or cannot be written, in odd places: old results stay whole."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import hatstats as hs
from hatstats.bayes.caches import ensure_compile_folder
from hatstats.bayes.result import KIND, HierarchicalFit
from hatstats.errors import DataError
from hatstats.report.results.analysis import analyse
from hatstats.report.run_folder import write_run
from hatstats.study import outputs
from tests.interruption.kills import digests, tiny_study

REPO = Path(__file__).parents[2]
VERBS = ("report", "convert", "bayes")


def hatstats(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hatstats", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(REPO), **environment},
    )


@contextmanager
def disk(folder: Path, *options: str) -> Iterator[Path]:
    """A file system in memory at a folder; the test is skipped where none can be mounted."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", ",".join(["size=16m", *options]), "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        reason = done.stderr.strip() if done.returncode else ""
    except FileNotFoundError:
        reason = "there is no mount command"
    if reason:
        pytest.skip(f"A disk of a given size cannot be mounted, which needs root: {reason}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@cache
def writers() -> dict[str, Callable[[Path], object]]:
    """What writes the result of each verb, from things that are computed once."""
    import numpy as np
    import xarray as xr

    options = hs.ReportOptions(method="observed", quick=True)
    results = analyse(tiny_study(), options)
    big = hs.simulate_study([0.0, 0.5], shape=hs.Shape(n_items=4000, n_languages=2), rng=1)
    rng = np.random.default_rng(1)
    draws = xr.Dataset({"x": ("draw", rng.normal(size=100_000))}, attrs={"kind": KIND})
    fit: Any = type("Fit", (), {"idata": xr.DataTree(draws)})
    return {
        "report": lambda out: write_run(results, out, arguments={"study": "tiny"}),
        "convert": lambda out: big.write(out),
        "bayes": lambda out: HierarchicalFit.save(fit, out),
    }


@pytest.mark.slow
def test_twenty_kills_at_random_moments() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.interruption.kills", "--kills", "20"],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPO,
    )
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last == "20 kills: no result was lost or half written, and the next run left nothing."


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_a_disk_that_fills_up_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr(outputs, "_LEAST_ROOM", 0)  # else it would be known before
    write = writers()[verb]
    with disk(tmp_path / "disk") as folder:
        out, ballast = folder / "out", folder / "ballast"
        write(out)
        before = digests(out)
        size = os.stat(folder).st_blksize + sum(
            path.stat().st_blocks * 512 for path in folder.rglob("*")
        )
        refused = 0
        for share in (0.0, 0.1, 0.4, 0.7, 0.95):
            free = int(share * size)
            with ballast.open("wb") as file:
                file.write(bytes(outputs.shutil.disk_usage(folder).free - free))
            with pytest.raises(DataError, match=r"cannot be written .*space") as caught:
                write(out)
            refused += 1
            assert "\n" not in str(caught.value)
            assert digests(out) == before
            ballast.unlink()
            assert os.listdir(folder) == ["out"]
        assert refused == 5
        write(out)
        assert sorted(digests(out)) == sorted(before)
        assert os.listdir(folder) == ["out"]


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_where_a_disk_is_mounted_nothing_is_replaced(tmp_path: Path, verb: str) -> None:
    study = tiny_study().write(tmp_path / "study")
    with disk(tmp_path / "disk") as folder:
        (folder / "mine.txt").write_text("mine")
        command = {
            "report": ["report", study, "--out", folder],
            "convert": ["convert", study / "counts.csv", "--source", "src", "--out", folder],
            "bayes": ["bayes", study, "--formula", "log10(params_total)", "--save", folder],
        }[verb]
        done = hatstats(*command)
        assert done.returncode == 2, done.stderr
        assert re.search(r"a disk is mounted.*name a new folder in it", done.stderr)
        assert os.listdir(folder) == ["mine.txt"]
    assert sorted(os.listdir(tmp_path)) == ["disk", "study"]


@pytest.mark.parametrize("flags", ["", "floatX=float64,base_compiledir=/dev/null/x"])
def test_pytensor_gets_a_folder_that_can_be_written(
    monkeypatch: pytest.MonkeyPatch, flags: str
) -> None:
    for name in [name for name in sys.modules if name == "pytensor"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.setenv("PYTENSOR_FLAGS", flags)
    ensure_compile_folder()
    *kept, last = os.environ["PYTENSOR_FLAGS"].split(",")
    name, _, folder = last.partition("=")
    assert (kept, name) == (flags.split(",")[:-1], "base_compiledir")
    (Path(folder) / "x").write_text("x")
    ensure_compile_folder()  # one that can be written is kept
    assert os.environ["PYTENSOR_FLAGS"] == ",".join([*kept, last])


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_a_home_that_cannot_be_written_is_no_obstacle(tmp_path: Path, verb: str) -> None:
    study = tiny_study().write(tmp_path / "study")
    (tmp_path / "temporary").mkdir()
    with disk(tmp_path / "home", "ro") as home:
        command = {
            "report": ["report", study, "--quick", "--method", "observed"],
            "convert": ["convert", study / "counts.csv", "--source", "src"],
            "bayes": ["bayes", study, "--formula", "log10(params_total)", "--draws", "50"],
        }[verb]
        out = tmp_path / ("p.nc" if verb == "bayes" else "out")
        done = hatstats(
            *command,
            "--save" if verb == "bayes" else "--out",
            out,
            HOME=str(home),
            TMPDIR=str(tmp_path / "temporary"),
            **{name: str(home / name) for name in ("MPLCONFIGDIR", "NUMBA_CACHE_DIR")},
            XDG_CACHE_HOME=str(home / "cache"),
            XDG_CONFIG_HOME=str(home / "config"),
        )
        # Fifty draws do not pass the checks of the sampler, which is exit status 1.
        assert done.returncode == (1 if verb == "bayes" else 0), done.stderr
        assert "Error" not in done.stderr
        assert digests(out)
        assert os.listdir(home) == []
        assert os.listdir(tmp_path / "temporary") == []


@pytest.mark.slow
def test_a_folder_of_ten_thousand_logs(tmp_path: Path) -> None:
    """One table for every model, language and item."""
    logs = tmp_path / "many logs"
    logs.mkdir()
    header = "model,benchmark,language,item,n_correct,n_trials\n"
    for number in range(10_000):
        model, item = divmod(number, 100)
        language = ("en", "de")[item % 2]
        row = f"m{model:02},b,{language},i{item // 2:02},{number % 3},2\n"
        (logs / f"{number:05}.csv").write_text(header + row)
    out = tmp_path / "out"
    done = hatstats("convert", logs, "--out", out)
    assert done.returncode == 0, done.stderr
    assert len(hs.read_study(out).counts) == 10_000
    assert len(done.stdout.splitlines()) < 60  # an account that can be read
