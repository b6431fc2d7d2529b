"""A folder that is written whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hatstats.errors import DataError
from hatstats.report.manifest import is_run_folder

_HINT = "choose another folder with --out, or remove this one yourself."


def check_out(out: Path) -> Path:
    """Make sure, before any work is done, that a run folder can be written at `out`.

    It may be absent, empty, or an earlier run folder, which will be replaced; anything else, or a
    parent that cannot be written to, raises a DataError. Returns the absolute path, with links
    followed.
    """
    target = Path(out).expanduser()
    dead_link = target.is_symlink() and not target.exists()
    target = target.resolve()
    parent = next(path for path in target.parents if path.exists())
    problem, hint = "", _HINT
    if dead_link:
        problem = "--out is a link that leads nowhere."
    elif target.exists() and not target.is_dir():
        problem = "--out is a file, and a run is a folder."
    elif not parent.is_dir():
        problem = f"--out cannot be written: {parent.name} is a file."
        hint = "choose a path under a folder."
    elif not os.access(parent, os.W_OK | os.X_OK):
        problem = "--out cannot be written: no permission in its parent folder."
        hint = "choose a folder of your own."
    elif target.is_dir() and any(target.iterdir()) and not is_run_folder(target):
        problem = (
            "--out is a folder with other files (it has no manifest of a run), and a run would "
            "replace them."
        )
    if problem:
        raise DataError(problem, file=out, hint=hint)
    return target


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Give a new sibling of `out` to write in, and move it into place when all went well.

    Whatever is raised inside, an interrupt included, removes the sibling and leaves an older
    folder at `out` as it was.
    """
    target = check_out(out)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = (
        target.with_name(f".{target.name}.{kind}-{os.getpid()}") for kind in ("partial", "old")
    )
    try:
        fresh.mkdir()
    except OSError as error:
        raise DataError(
            f"--out cannot be written: {error.strerror}.", file=out, hint="choose another folder."
        ) from error
    try:
        yield fresh
        if target.exists():
            target.rename(old)
        try:
            fresh.rename(target)
        except BaseException:
            if old.exists():
                old.rename(target)
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
