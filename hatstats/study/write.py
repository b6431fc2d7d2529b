"""A study to its folder: exact numbers, plain text, and never half a folder."""

from __future__ import annotations

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from hatstats.errors import DataError

STUDY_FILES = frozenset(
    {"study.toml", "counts.csv", "counts.parquet", "models.csv", "benchmarks.csv", "items.csv"}
)


def replace_folder(folder: Path, fill: Callable[[Path], None]) -> Path:
    """Write a study folder as a temporary sibling and move it into place.

    Parameters
    ----------
    folder : path
        Where the study goes. An older study there is replaced as a whole; other files beside it
        (a licence, a script) are kept.
    fill : callable
        Writes the files of the study into the folder that it is given.

    Returns
    -------
    path
        The folder.

    Raises
    ------
    DataError
        When `folder` is a file, or a folder with other things but no study, or not writable.
    """
    target = Path(folder).resolve()
    if target.exists() and not target.is_dir():
        raise DataError("this is a file, not a folder.", file=folder, hint="name another folder.")
    entries = list(target.iterdir()) if target.is_dir() else []
    if entries and not any(entry.name in STUDY_FILES for entry in entries):
        raise DataError(
            "the folder is not empty and holds no study.",
            file=folder,
            hint="name a new folder, or the folder of a study to replace.",
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            new = temporary / "new"
            new.mkdir()
            fill(new)
            for entry in entries:
                if entry.name not in STUDY_FILES:
                    if entry.is_dir() and not entry.is_symlink():
                        shutil.copytree(entry, new / entry.name, symlinks=True)
                    else:
                        shutil.copy2(entry, new / entry.name, follow_symlinks=False)
            try:
                if target.exists():
                    os.replace(target, temporary / "old")
                os.replace(new, target)
            except BaseException:
                # Also when the user interrupts: the old study goes back before anything else.
                if (temporary / "old").exists() and not target.exists():
                    os.rename(temporary / "old", target)
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as reason:
        raise DataError(
            f"the folder cannot be written ({reason.strerror or reason}).",
            file=folder,
            hint="choose a folder that you may write to.",
        ) from None
    return Path(folder)


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table so that reading it gives the same values: numbers in full, dates in ISO."""
    columns = [_cells(frame[name]) for name in frame.columns]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(frame.columns)
        writer.writerows(zip(*columns, strict=True))


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


def _cells(values: pd.Series) -> list[str]:
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
