"""Nothing of a user's is deleted, and no result is half written."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import hatstats as hs
from hatstats.bayes.result import HierarchicalFit
from hatstats.errors import DataError
from hatstats.report.manifest import check_out
from hatstats.study import outputs
from hatstats.study.outputs import check_output, whole_output

MARK = "mark"
#: A fit that is never asked what it holds: no path that is refused needs it.
FIT: Any = SimpleNamespace(idata=None)


def written(path: Path) -> Collection[str] | None:
    """Names that a marked folder lists."""
    mark = path / MARK
    return [MARK, *mark.read_text().split()] if mark.is_file() else None


def write(path: Path, version: int, n_files: int = 3) -> None:
    with whole_output(path, written) as new:
        for number in range(n_files):
            (new / f"{number}.txt").write_text(str(version))
        (new / MARK).write_text(" ".join(f"{number}.txt" for number in range(n_files)))


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


@pytest.fixture
def study() -> hs.Study:
    return hs.simulate_study([0.0, 0.5], shape=hs.Shape(20, 1), rng=1)


@pytest.mark.parametrize("name", ["items.csv", "models.csv", "thesis.tex", "study.toml"])
@pytest.mark.parametrize("kind", ["study", "run", "posterior"])
def test_folders_of_a_user_are_refused(
    tmp_path: Path, study: hs.Study, name: str, kind: str
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / name).write_text("years of work")
    write: dict[str, Callable[[Path], object]] = {
        "study": study.write,
        "run": lambda path: hs.write_report(study, path),
        "posterior": lambda path: HierarchicalFit.save(FIT, path),
    }
    with pytest.raises(DataError, match=r"hatstats did not write.*Hint: choose another path"):
        write[kind](folder)
    assert contents(folder) == {name: "years of work"}
    assert os.listdir(tmp_path) == ["mine"]


@pytest.mark.parametrize("name", ["scores.json", "fit.nc"])
def test_files_of_a_user_are_refused(tmp_path: Path, study: hs.Study, name: str) -> None:
    scores = hs.fit_profile(study, method="observed").hat()
    file = tmp_path / name
    file.write_text('{"schema": "of something else"}')
    before = file.read_bytes()
    with pytest.raises(DataError, match="hatstats did not write"):
        scores.save(file) if name == "scores.json" else HierarchicalFit.save(FIT, file)
    assert file.read_bytes() == before


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, study: hs.Study) -> None:
    pipe = tmp_path / "fit.nc"
    os.mkfifo(pipe)
    scores = hs.fit_profile(study, method="observed").hat()
    for write in (lambda: HierarchicalFit.save(FIT, pipe), lambda: scores.save(pipe)):
        with pytest.raises(DataError, match="is a file that hatstats did not write"):
            write()
    with pytest.raises(DataError, match=r"fit\.nc"):
        hs.read_hierarchical(pipe, study)
    assert pipe.is_fifo()


def test_what_hatstats_wrote_is_replaced(tmp_path: Path, study: hs.Study) -> None:
    study.write(tmp_path / "s")
    scores = hs.fit_profile(study, method="observed").hat()
    for _ in range(2):
        study.write(tmp_path / "s", format="parquet")
        scores.save(tmp_path / "scores.json")
    assert (tmp_path / "s" / "counts.parquet").exists()
    assert not (tmp_path / "s" / "counts.csv").exists()
    (tmp_path / "empty").mkdir()
    study.write(tmp_path / "empty")
    study.write(tmp_path / "a" / "b" / "c")
    assert sorted(os.listdir(tmp_path)) == ["a", "empty", "s", "scores.json"]


def test_other_files_stay_and_are_never_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, 1, n_files=2)
    (out / "deep").mkdir()
    (out / "deep" / "mine.txt").write_text("mine")
    (out / "link").symlink_to(out / "nowhere")
    write(out, 2, n_files=2)
    assert contents(out) == {"0.txt": "2", "1.txt": "2", MARK: "0.txt 1.txt",
                             "deep/mine.txt": "mine"}  # fmt: skip
    assert (out / "link").is_symlink()
    (out / "2.txt").write_text("mine")
    with pytest.raises(DataError, match=r"a file of yours, 2\.txt"):
        write(out, 3, n_files=3)
    assert contents(out)["0.txt"] == "2"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        ("file", "is a file that hatstats did not write"),
        ("below a file", "mine is a file"),
        ("dead link", "leads nowhere"),
        ("pipe", "is a file that hatstats did not write"),
        ("long", "File name too long"),
        ("user", "no such user"),
        ("here", "the folder that you are in"),
        ("mount", "a disk is mounted"),
    ],
)
def test_what_cannot_be_written_is_one_sentence_bad_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: str, message: str
) -> None:
    mine, path = tmp_path / "mine", tmp_path / "mine"
    if make in ("file", "below a file"):
        mine.write_text("x")
        path = mine / "deep" / "out" if make == "below a file" else mine
    elif make == "dead link":
        mine.symlink_to(tmp_path / "nowhere")
    elif make == "pipe":
        os.mkfifo(mine)
    elif make == "long":
        path = tmp_path / ("x" * 300)
    elif make == "user":
        path = Path("~nosuchuser") / "out"
    elif make == "here":
        mine.mkdir()
        monkeypatch.chdir(mine)
    else:
        path = Path("/proc")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(DataError, match=message) as caught:
        check_out(path)
    assert "\n" not in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == before


@contextmanager
def small_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A disk of 2 MiB at a folder, or writes that fail as on one where none can be mounted."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        try:
            yield
        finally:
            subprocess.run(["umount", str(folder)], check=True)
        return

    def full(path: Path, data: bytes) -> int:
        if len(data) > 1 << 20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with path.open("wb") as file:
            return file.write(data)

    monkeypatch.setattr(Path, "write_bytes", full)
    yield


def test_a_full_disk_leaves_the_old_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk, monkeypatch):
        out = disk / "out"
        write(out, 1)
        before = contents(out)
        with (
            pytest.raises(DataError, match=r"cannot be written \(No space left"),
            whole_output(out, written) as new,
        ):
            (new / "big").write_bytes(bytes(3 << 20))
        assert contents(out) == before
        assert os.listdir(disk) == ["out"]


def test_a_full_disk_is_known_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = outputs.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(outputs.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(DataError, match="the disk is full"):
        check_output(tmp_path / "out", written)


def test_a_read_only_place_is_known_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(outputs.tempfile, "mkdtemp", refuse)
    with pytest.raises(DataError, match=r"cannot be written \(Read-only file system\)"):
        check_output(tmp_path / "out", written)


@pytest.mark.parametrize("exchange", [True, False])
def test_a_move_that_fails_leaves_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool
) -> None:
    out, move = tmp_path / "out", os.replace
    write(out, 1)
    if not exchange:  # as on systems that only rename
        monkeypatch.setattr(outputs, "_exchanged", lambda *_: False)
        write(out, 2)
        assert contents(out)["0.txt"] == "2"
    before = contents(out)

    def fail(*paths: Path) -> bool:
        if paths[0].name == "new":
            raise OSError("disk trouble")
        move(*paths)
        return True

    monkeypatch.setattr(*((outputs, "_exchanged") if exchange else (os, "replace")), fail)
    with pytest.raises(DataError, match="disk trouble"):
        write(out, 3)
    assert contents(out) == before
    assert os.listdir(tmp_path) == ["out"]


def test_leftovers_are_restored_or_removed(tmp_path: Path) -> None:
    out, left = tmp_path / "out", tmp_path / ".out.partial-killed"
    write(out, 1)
    left.mkdir()
    out.rename(left / "old")  # killed between two renames
    (left / "new").mkdir()
    check_output(out, written)
    assert contents(out)["0.txt"] == "1"
    assert os.listdir(tmp_path) == ["out"]
    left.mkdir()
    (left / "new").mkdir()
    write(out, 2)
    assert os.listdir(tmp_path) == ["out"]
    (tmp_path / ".out-2.partial-x").mkdir()  # of another output
    write(out, 3)
    assert sorted(os.listdir(tmp_path)) == [".out-2.partial-x", "out"]


def test_a_run_that_still_works_is_left_alone(tmp_path: Path) -> None:
    """Two writers to one path: the lock, not the process id, says which of them lives."""
    out = tmp_path / "out"
    with whole_output(out, written) as first:
        (first / MARK).write_text("")
        write(out, 2)
        assert first.is_dir()
    assert contents(out) == {MARK: ""}
    assert os.listdir(tmp_path) == ["out"]


#: Forks writers that are killed at random moments: one start of Python for all of them.
KILLER = """
import os, random, signal, sys, time
from pathlib import Path
from tests.study.test_outputs import MARK, contents, write
out, rng, versions = Path(sys.argv[1]), random.Random(1), set()
write(out, 0, n_files=40)
for start in range(1, 21):
    child = os.fork()
    if child == 0:
        for version in range(1000 * start, 10**9):
            write(out, version, n_files=40)
    time.sleep(rng.uniform(0.005, 0.1))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    found = contents(out)
    del found[MARK]
    assert len(found) == 40 and len(set(found.values())) == 1, found
    versions |= set(found.values())
write(out, -1, n_files=40)
print(len(versions), os.listdir(out.parent))
"""


@pytest.mark.slow
def test_kills_at_random_moments_leave_a_whole_folder(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLER, str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    count, _, left = done.stdout.partition(" ")
    assert left.strip() == "['out']", done.stderr
    assert int(count) > 3  # most children wrote something before they were killed
