"""A folder that is written whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hatstats.errors import DataError
from hatstats.report.manifest import is_run_folder

_MEND = "choose another folder with --out, or remove this one yourself."


def check_out(out: Path) -> Path:
    """Make sure, before any work is done, that a run folder can be written at `out`.

    Parameters
    ----------
    out : Path
        A folder that is absent, empty, or an earlier run folder (which will be replaced).

    Returns
    -------
    Path
        The same place, absolute, with links followed.

    Raises
    ------
    DataError
        If it is something else, or its parent cannot be written to.
    """
    place = Path(out).expanduser()
    if place.is_symlink() and not place.exists():
        raise DataError("--out is a link that leads nowhere.", file=out, hint=_MEND)
    place = place.resolve()
    if place.exists() and not place.is_dir():
        raise DataError("--out is a file, and a run is a folder.", file=out, hint=_MEND)
    parent = place.parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir():
        raise DataError(
            f"--out cannot be written: {parent.name} is a file.",
            file=out,
            hint="choose a place under a folder.",
        )
    if not os.access(parent, os.W_OK | os.X_OK):
        raise DataError(
            "--out cannot be written: no permission in its parent folder.",
            file=out,
            hint="choose a folder of your own.",
        )
    if place.is_dir() and any(place.iterdir()) and not is_run_folder(place):
        raise DataError(
            "--out is a folder with other files (it has no manifest of a run), and a run would "
            "replace them.",
            file=out,
            hint=_MEND,
        )
    return place


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Give a new sibling of `out` to write in, and move it into place when all went well.

    Whatever is raised inside, an interrupt included, removes the sibling and leaves an older
    folder at `out` as it was.

    Yields
    ------
    Path
        An empty folder beside `out`.
    """
    place = check_out(out)
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_name(f".{place.name}.partial-{os.getpid()}")
    old = place.with_name(f".{place.name}.old-{os.getpid()}")
    try:
        fresh.mkdir()
    except OSError as error:
        raise DataError(
            f"--out cannot be written: {error.strerror}.", file=out, hint="choose another place."
        ) from error
    try:
        yield fresh
        if place.exists():
            place.rename(old)
        try:
            fresh.rename(place)
        except BaseException:
            if old.exists():
                old.rename(place)
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
