"""Files to raw tables: text, Parquet and TOML."""

from __future__ import annotations

import csv
import io
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hatstats.errors import DataError, explained_imports
from hatstats.study.schema import Sheet

DELIMITERS = {"csv": ",", "tsv": "\t"}
#: Ending of a file's name to the format of the table in it.
FORMATS = {".csv": "csv", ".txt": "csv", ".tsv": "tsv", ".tab": "tsv", ".parquet": "parquet",
           ".pq": "parquet"}  # fmt: skip
_DELIMITER_NAMES = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "vertical bars"}


def read_table(path: Path, *, format: str | None = None) -> Sheet:
    """Read one table of text or Parquet without interpreting its cells.

    The format (csv, tsv, parquet) follows from the ending of the name if it is not given.
    """
    kind = format or FORMATS.get(path.suffix.casefold())
    if kind not in {*DELIMITERS, "parquet"}:
        asked = f"the format {format!r}" if format else f"the ending {path.suffix!r}"
        raise DataError(
            f"{asked} is not known.", file=path, hint="use csv, tsv or parquet, as in format='csv'."
        )
    sheet = _read_parquet(path) if kind == "parquet" else _read_text(path, DELIMITERS[kind])
    if not len(sheet.frame):
        raise DataError(
            "the file has a header but no rows.", file=path, hint="write one row per cell."
        )
    return sheet


def read_bytes(path: Path) -> bytes:
    """Read a file whole, or say why that is not possible."""
    try:
        return path.read_bytes()
    except OSError as reason:
        raise unreadable(path, reason) from None


def unreadable(path: Path, reason: OSError) -> DataError:
    """The error about a file that cannot be opened."""
    return DataError(
        f"the file cannot be read ({reason.strerror or reason}).",
        file=path,
        hint="correct the path or the permissions.",
    )


def decode(data: bytes, path: Path) -> str:
    """Decode UTF-8 with or without a byte order mark; name the first byte that is not UTF-8."""
    start = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    try:
        return data[start:].decode("utf-8")
    except UnicodeDecodeError as reason:
        position = reason.start + start
        hint = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "Latin-1 or Windows-1252"
        raise DataError(
            f"the text is not UTF-8: byte 0x{data[position]:02x} at byte position {position} "
            f"(counted from 0). It may be {hint}.",
            file=path,
            row=data.count(b"\n", 0, position) + 1,
            hint="save the file as UTF-8.",
        ) from None


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file, or say in which line it is wrong."""
    try:
        return tomllib.loads(decode(read_bytes(path), path))
    except tomllib.TOMLDecodeError as reason:
        raise DataError(
            f"this is not valid TOML: {reason}.",
            file=path,
            hint="correct that line; text stands in double quotes.",
        ) from None


def _read_parquet(path: Path) -> Sheet:
    data = read_bytes(path)
    if not data:
        raise _empty(path)
    try:
        with explained_imports():
            import pyarrow  # noqa: F401  # else pandas fails with a page about engines
        frame = pd.read_parquet(io.BytesIO(data))
    except (OSError, ValueError) as reason:
        raise DataError(
            f"this is not a Parquet file ({str(reason).splitlines()[0]}).",
            file=path,
            hint="write the table again, or name its format, as in format='csv'.",
        ) from None
    frame.columns = [str(name).strip() for name in frame.columns]
    return Sheet.from_frame(str(path), frame)


def _read_text(path: Path, delimiter: str) -> Sheet:
    text = decode(read_bytes(path), path)
    if not text.strip():
        raise _empty(path)
    # Records, not physical lines, are what a spreadsheet counts as rows.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    records: list[list[str]] = []
    try:
        records.extend(reader)
    except csv.Error as reason:
        raise DataError(
            f"the text cannot be split into cells ({reason}).",
            file=path,
            row=len(records) + 1,
            hint="close every double quote; inside a quoted cell write a double quote twice.",
        ) from None
    # Blank lines, as spreadsheets leave at the end, hold no row, but they are counted.
    numbered = [
        (row, record)
        for row, record in enumerate(records, start=1)
        if any(cell.strip() for cell in record)
    ]
    if not numbered:
        raise _empty(path)
    header = [name.strip() for name in numbered[0][1]]
    _check_delimiter(path, header, delimiter)
    for row, record in numbered:
        if len(record) != len(header):
            raise DataError(
                f"the row has {len(record)} cells, the header has {len(header)}.",
                file=path,
                row=row,
                value=delimiter.join(record)[:60],
                hint="give each row as many cells as the header; quote cells that contain "
                f"{_DELIMITER_NAMES[delimiter]}.",
            )
    rows, body = [row for row, _ in numbered[1:]], [record for _, record in numbered[1:]]
    frame = pd.DataFrame(body, columns=range(len(header)), dtype="str")
    frame.columns = pd.Index(header)
    return Sheet(str(path), frame, np.array(rows, dtype=np.int64))


def _empty(path: Path) -> DataError:
    return DataError("the file is empty.", file=path, hint="write a header and one row per cell.")


def _check_delimiter(path: Path, header: list[str], delimiter: str) -> None:
    """Refuse a header of one cell that another delimiter would split."""
    wanted = _DELIMITER_NAMES[delimiter]
    formats = {"\t": ", or name it .tsv (format='tsv')", ",": ", or name it .csv (format='csv')"}
    for other, name in _DELIMITER_NAMES.items():
        if len(header) == 1 and other != delimiter and other in header[0]:
            raise DataError(
                f"the cells are separated by {name}, not by {wanted}.",
                file=path,
                row=1,
                value=header[0][:60],
                hint=f"save the file with {wanted} between cells{formats.get(other, '')}.",
            )
