"""A study to its folder: exact numbers, plain text, and never half a folder."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from hatstats.errors import DataError

STUDY_FILES = frozenset(
    {"study.toml", "counts.csv", "counts.parquet", "models.csv", "benchmarks.csv", "items.csv"}
)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give a new sibling of a folder to write in, and move it into place when all went well.

    Whatever is raised inside, an interrupt included, removes the sibling and leaves an older
    folder as it was.
    """
    target = Path(folder).resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sibling = tempfile.TemporaryDirectory(
            prefix=f".{target.name}.", dir=target.parent, ignore_cleanup_errors=True
        )
    except OSError as reason:
        raise _unwritable(folder, reason) from None
    with sibling as temporary:
        new, old = Path(temporary, "new"), Path(temporary, "old")
        new.mkdir()
        yield new
        try:
            if target.exists():
                os.replace(target, old)
            os.replace(new, target)
        except BaseException:
            # Also when the user interrupts: the old folder goes back before anything else.
            if old.exists() and not target.exists():
                os.rename(old, target)
            raise


@contextmanager
def whole_study_folder(folder: Path) -> Iterator[Path]:
    """Give a new folder to write a study in, which replaces an older study as a whole.

    Other files beside the older study (a licence, a script) are kept. A folder with other things
    but no study is refused.
    """
    target = Path(folder).resolve()
    if target.exists() and not target.is_dir():
        raise DataError("this is a file, not a folder.", file=folder, hint="name another folder.")
    entries = list(target.iterdir()) if target.is_dir() else []
    others = [entry for entry in entries if entry.name not in STUDY_FILES]
    if entries and len(others) == len(entries):
        raise DataError(
            "the folder is not empty and holds no study.",
            file=folder,
            hint="name a new folder, or the folder of a study to replace.",
        )
    try:
        with whole_folder(folder) as new:
            yield new
            for entry in others:
                if entry.is_dir() and not entry.is_symlink():
                    shutil.copytree(entry, new / entry.name, symlinks=True)
                else:
                    shutil.copy2(entry, new / entry.name, follow_symlinks=False)
    except OSError as reason:
        raise _unwritable(folder, reason) from None


def _unwritable(folder: Path, reason: OSError) -> DataError:
    return DataError(
        f"the folder cannot be written ({reason.strerror or reason}).",
        file=folder,
        hint="choose a folder that you may write to.",
    )


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet or, by the ending of its name, as CSV that reads back the same."""
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
        return
    cells = pd.DataFrame({name: table_cells(frame[name]) for name in frame.columns}, dtype="str")
    cells.to_csv(path, index=False, lineterminator="\n")


def study_table(folder: Path, *names: str) -> Path:
    """Path of the first of these tables that a study folder has; an error if it has none."""
    found = [folder / name for name in names if (folder / name).is_file()]
    if not found:
        raise DataError(
            f"this is no study folder with {' or '.join(names)}.",
            file=folder,
            hint="write the study into a folder first: hatstats convert TABLE --out FOLDER.",
        )
    return found[0]


def replace_table(path: Path, frame: pd.DataFrame) -> None:
    """Write a table beside itself and move it into place: an interrupted run leaves the old one."""
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        new = Path(folder) / path.name
        write_table(frame, new)
        os.chmod(new, path.stat().st_mode)
        os.replace(new, path)


def toml_text(head: Mapping[str, Any], tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Return TOML text: plain keys first, then arrays of tables.

    Only what ``study.toml`` can hold is written: text, numbers, true and false, and lists of
    these. The standard library reads TOML but does not write it.
    """
    lines = [f"{key} = {_toml_value(value)}" for key, value in head.items()]
    for name, rows in tables.items():
        for row in rows:
            lines += ["", f"[[{name}]]"]
            lines += [f"{key} = {_toml_value(value)}" for key, value in row.items()]
    return "\n".join(lines) + "\n"


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        # JSON escapes are TOML escapes, but for DEL, which TOML wants escaped and JSON leaves.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml_value(part) for part in value)}]"
    raise DataError(
        "this value cannot be written to study.toml.",
        value=value,
        hint="use text, numbers, true, false or lists of them.",
    )


def table_cells(values: pd.Series) -> list[str]:
    """Text of the cells (n,) of a column: numbers in full, dates in ISO, missing values empty."""
    if pd.api.types.is_datetime64_any_dtype(values):
        values = values.dt.strftime("%Y-%m-%d")
    if pd.api.types.is_numeric_dtype(values):
        return [_number(value) for value in values.tolist()]
    return ["" if value != value else str(value) for value in values.tolist()]


def _number(value: float) -> str:
    """Write the shortest text that reads back as the same float; whole numbers without a point."""
    if value != value:
        return ""
    return str(int(value)) if value.is_integer() else repr(value)
