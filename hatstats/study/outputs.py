"""Where results go: written whole, and never over anything that hatstats did not write."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from hatstats.errors import DataError, HatstatsError

try:
    import fcntl
except ImportError:  # not a POSIX system: leftovers then stay until they are removed by hand
    fcntl = None  # type: ignore[assignment]

#: Names, relative to a path that exists, of what hatstats wrote there; None for what is not ours.
#: Each kind of output has its own mark.
Written = Callable[[Path], Collection[str] | None]
#: Less room than this is a full disk.
_LEAST_ROOM = 1 << 20
#: Flag of Linux' renameat2: both names stay, and what they name is exchanged in one step.
_EXCHANGE, _FROM_HERE = 2, -100


def check_output(path: str | Path, written: Written, *, name: str = "the output") -> Path:
    """Make sure, before any work is done, that a result can be written at `path`.

    It may be absent, an empty folder, or what `written` knows as ours; a `DataError` says why
    anything else cannot be written. What a killed run left beside it is restored or removed. `name`
    is what messages call the output. Returns the absolute path, with links followed.
    """
    problem, hint = "", "choose another path, or remove this one yourself."
    try:
        given = expanded(Path(path))
        target = given.resolve()
        parent = next(each for each in target.parents if os.path.lexists(each))
        if given.is_symlink() and not given.exists():
            problem = f"{name} is a link that leads nowhere"
        elif not parent.is_dir():
            problem, hint = f"{name} cannot be written: {parent.name} is a file", "choose a folder."
        else:
            with _workplace(parent / target.name):
                problem, hint = _in_the_way(target, written, name)
            if not problem and shutil.disk_usage(parent).free < _LEAST_ROOM:
                problem, hint = f"{name} cannot be written: the disk is full", "make room on it."
    except (OSError, ValueError) as reason:
        if isinstance(reason, HatstatsError):
            raise
        raise _cannot(path, name, reason) from None
    if problem:
        raise DataError(f"{problem}.", file=path, hint=hint)
    return target


@contextmanager
def whole_output(
    path: str | Path, written: Written, *, name: str = "the output", folder: bool = True
) -> Iterator[Path]:
    """Give a new folder (or the path of a new file) to write, moved into place when all went well.

    Whatever is raised inside, or the end of the process, leaves what was there as it was. Files in
    the old folder that hatstats did not write are kept in the new one. Errors of the system become
    a `DataError`; see `check_output` for what may be replaced.
    """
    target = check_output(path, written, name=name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _workplace(target) as work:
            new = work / "new"
            if folder:
                new.mkdir()
            yield new
            if target.exists():
                new.chmod(stat.S_IMODE(target.stat().st_mode))
            if target.is_dir():
                _keep(target, new, written(target) or ())
            _put(new, target, work / "old")
    except OSError as reason:
        if isinstance(reason, HatstatsError):
            raise
        raise _cannot(path, name, reason) from None


def _keep(old: Path, new: Path, written: Collection[str]) -> None:
    """Take over into a new folder the files of an old one that hatstats did not write."""
    for file in old.rglob("*"):
        kept = file.relative_to(old)
        if kept.as_posix() in written or (file.is_dir() and not file.is_symlink()):
            continue
        if os.path.lexists(new / kept):
            message = f"it has a file of yours, {kept}, that would be replaced."
            raise DataError(message, file=old, hint="rename that file, or choose another folder.")
        (new / kept).parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, new / kept, follow_symlinks=False)
        except OSError:  # a file system without links
            shutil.copy2(file, new / kept, follow_symlinks=False)


def _cannot(path: str | Path, name: str, reason: OSError | ValueError) -> DataError:
    """The error about a path that the system does not let us write."""
    message = f"{name} cannot be written ({getattr(reason, 'strerror', None) or reason})."
    return DataError(message, file=path, hint="make room, or choose a folder of your own.")


def expanded(path: Path) -> Path:
    """A path with its home folder written out; an unknown user's is an error."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise DataError("there is no such user.", file=path, hint="write ./~NAME.") from None


def _in_the_way(target: Path, written: Written, name: str) -> tuple[str, str]:
    """What at a path forbids to write there, and what to do about it; empty if nothing does."""
    if not os.path.lexists(target):
        return "", ""
    if _has_mount(target):
        problem = f"{name} is or has a place where a disk is mounted, and cannot be replaced whole"
        return problem, f"name a new folder in it, such as {target.name}/result."
    if target.is_dir():
        with suppress(FileNotFoundError):
            if Path.cwd().is_relative_to(target):
                return f"{name} is the folder that you are in", "leave it first, or name another."
    empty = target.is_dir() and not any(target.iterdir())
    plain = target.is_dir() or target.is_file()  # a pipe would be waited for
    if empty or (plain and written(target) is not None):
        return "", ""
    what = "a folder with other files" if target.is_dir() else "a file"
    problem = f"{name} is {what} that hatstats did not write, and they would be replaced"
    return problem, "choose another path, or remove this one yourself."


def _has_mount(path: Path) -> bool:
    """Whether a file system is mounted at a path or below; also a part of the same one."""
    if path.is_mount():
        return True
    with suppress(OSError):
        here = os.fsencode(path)
        for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
            # A blank in the name of a mount is written as \\040.
            point = line.split()[4].decode("unicode_escape").encode("latin-1")
            if point == here or point.startswith(here + b"/"):
                return True
    return False


@contextmanager
def _workplace(target: Path) -> Iterator[Path]:
    """A new folder beside a target, locked as long as this process lives and removed at the end.

    Older ones whose lock is free are what killed runs left: the old result goes back where none is
    in place, and the rest is removed. A lock needs no process id, which containers share.
    """
    name = os.fsencode(target.name)
    short = target.name if len(name) < 200 else hashlib.sha256(name).hexdigest()
    prefix = f".{short}.partial-"
    with ExitStack() as stack:
        # One at a time, so that no other process sees a new folder before it is locked.
        with _locked(target.parent, wait=True):
            for left in list(target.parent.iterdir()):
                if left.name.startswith(prefix) and left.is_dir() and not left.is_symlink():
                    with _locked(left) as free:
                        if free:
                            _clear(left, target)
            work = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
            stack.enter_context(_locked(work))
            stack.callback(_clear, work, target)
        yield work


def _clear(left: Path, target: Path) -> None:
    """Put an old result back if nothing is in its place, and remove a folder of work."""
    old = left / "old"
    if os.path.lexists(old) and not os.path.lexists(target):
        os.rename(old, target)
    shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _locked(folder: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold the lock of a folder; False if another process has it, or the system has no locks."""
    handle, free = -1, False
    try:
        with suppress(OSError):
            handle = os.open(folder, os.O_RDONLY)
            if fcntl is not None:
                fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                free = True
        yield free
    finally:
        if handle >= 0:
            os.close(handle)


def _put(new: Path, target: Path, old: Path) -> None:
    """Move a result into place: in one step where the system can, else the old one aside first."""
    if not target.is_dir() or not any(target.iterdir()):
        os.replace(new, target)  # over a file, nothing, or an empty folder: one step everywhere
    elif not _exchanged(new, target):
        try:
            os.replace(target, old)
            os.replace(new, target)
        except BaseException:
            # Also when the user interrupts: the old folder goes back before anything else.
            if old.exists() and not target.exists():
                os.rename(old, target)
            raise


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two folders in one step; False where the system or the file system cannot."""
    rename = None
    if sys.platform.startswith("linux"):
        rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    first, second = (os.fsencode(path) for path in (one, other))
    return bool(rename(_FROM_HERE, first, _FROM_HERE, second, _EXCHANGE) == 0)
