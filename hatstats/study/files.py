"""Files of a study: text, Parquet and TOML read without interpretation, and written exactly."""

from __future__ import annotations

import csv
import io
import json
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hatstats.errors import DataError, explained_imports
from hatstats.study.outputs import whole_output
from hatstats.study.schema import Sheet

_TABLES = ("counts.csv", "models.csv", "benchmarks.csv", "items.csv", "languages.csv")
STUDY_FILES = frozenset({"study.toml", "counts.parquet", *_TABLES})
#: First line of a study.toml that hatstats wrote: only such a folder is ever replaced.
STUDY_MARK = "# Written by hatstats, which may replace it; remove this line to keep the folder.\n"
#: A Parquet file of a few kilobytes may hold more cells than fit into memory.
_MOST_CELLS = 300_000_000
DELIMITERS = {"csv": ",", "tsv": "\t"}
#: Ending of a file's name to the format of the table in it.
FORMATS = {".csv": "csv", ".txt": "csv", ".tsv": "tsv", ".tab": "tsv", ".parquet": "parquet",
           ".pq": "parquet"}  # fmt: skip
#: What a spreadsheet takes for a formula: these signs first, and no number.
_FORMULA = re.compile(r"'*(?![+-]?[\d.]+([eE][+-]?\d+)?\Z)[=+\-@\t\r]")
_DELIMITER_NAMES = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "vertical bars"}


def read_table(path: Path, *, format: str | None = None) -> Sheet:
    """Read a table of text or Parquet, by its `format` or name's ending, cells as they are."""
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


def shown(path: object) -> str:
    """A path or name as text that can be printed: bytes that are no UTF-8 become question marks."""
    return str(path).encode("utf-8", "replace").decode("utf-8")


def read_bytes(path: Path) -> bytes:
    """Read a file whole, or say why that is not possible; a pipe, for one, may never end."""
    try:
        if path.exists() and not path.is_file():
            raise OSError("it is no plain file")
        return path.read_bytes()
    except OSError as reason:
        raise unreadable(path, reason) from None


def unreadable(path: Path, reason: OSError, what: str = "file cannot be read") -> DataError:
    """The error about a file or folder that the system does not open."""
    message = f"the {what} ({reason.strerror or reason})."
    return DataError(message, file=path, hint="correct the path or the permissions.")


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
    except (ValueError, RecursionError) as reason:  # the first also of numbers without end
        if isinstance(reason, DataError):
            raise
        hint = "correct that line; text stands in double quotes."
        raise DataError(f"this is not valid TOML: {reason}.", file=path, hint=hint) from None


def _read_parquet(path: Path) -> Sheet:
    data = read_bytes(path)
    if not data:
        raise _empty(path)
    try:
        with explained_imports():
            import pyarrow.parquet
        facts = pyarrow.parquet.read_metadata(io.BytesIO(data))
        if facts.num_rows * facts.num_columns > _MOST_CELLS:
            raise ValueError(f"{facts.num_rows:,} rows, more than a study may have")
        frame = pd.read_parquet(io.BytesIO(data))
    except (OSError, ValueError, TypeError, LookupError, NotImplementedError) as reason:
        raise DataError(
            f"this is not a Parquet file ({(str(reason).splitlines() or ['no reason given'])[0]}).",
            file=path,
            hint="write the table again, or name its format, as in format='csv'.",
        ) from None
    frame.columns = [str(name).strip() for name in frame.columns]
    return Sheet(str(path), frame.reset_index(drop=True), np.arange(len(frame)) + 2)


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
        message = f"the text cannot be split into cells ({reason})."
        hint = "close every double quote; inside a quoted cell write a double quote twice."
        if "field limit" in str(reason):
            message = f"a cell has more than {csv.field_size_limit():,} characters."
            hint = "shorten it; or, if it begins with a double quote, close that."
        raise DataError(message, file=path, row=len(records) + 1, hint=hint) from None
    if "'" in text:
        records = [[_without_apostrophe(cell) for cell in record] for record in records]
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
            text = f"the row has {len(record)} cells, the header has {len(header)}."
            hint = (
                "give each row as many cells as the header; quote cells that contain "
                f"{_DELIMITER_NAMES[delimiter]}."
            )
            raise DataError(text, file=path, row=row, value=delimiter.join(record)[:60], hint=hint)
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
            text = f"the cells are separated by {name}, not by {wanted}."
            hint = f"save the file with {wanted} between cells{formats.get(other, '')}."
            raise DataError(text, file=path, row=1, value=header[0][:60], hint=hint)


def study_written(path: Path) -> Collection[str] | None:
    """Names of the files of a study that hatstats wrote; None for a folder without its mark."""
    try:
        with (path / "study.toml").open("rb") as file:
            return STUDY_FILES if file.readline(200).decode() == STUDY_MARK else None
    except (OSError, ValueError):
        return None


def write_table(frame: pd.DataFrame, path: Path, ending: str = "") -> None:
    """Write a table as Parquet or, by the ending of its name, as CSV that reads back the same."""
    if (ending or path.suffix) == ".parquet":
        frame.to_parquet(path, index=False)
        return
    columns = {
        no_formula(str(name)): list(map(no_formula, table_cells(frame[name])))
        for name in frame.columns
    }
    cells = pd.DataFrame(columns, dtype="str")
    cells.to_csv(path, index=False, lineterminator="\n")


def no_formula(text: str) -> str:
    """A text of a cell with an apostrophe before it where a spreadsheet would run it as a formula.

    So that reading can take one off, a text that looks so already gets one more.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def _without_apostrophe(text: str) -> str:
    """The text that `no_formula` was given, from what it made of it."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def study_table(folder: Path, *names: str) -> Path:
    """Path of the one of these tables that a study folder has; an error for none or several."""
    found = [folder / name for name in names if (folder / name).is_file()]
    if len(found) > 1:
        text = f"the folder has {' and '.join(path.name for path in found)}."
        raise DataError(text, file=folder, hint="remove one, or choose with format='csv'.")
    if not found:
        usual = [name for name in names if name.endswith((".csv", ".parquet"))] or names
        found_there = "it is a file"
        if folder.is_dir():
            inside = sorted(entry.name for entry in folder.iterdir())[:8]
            found_there = f"it has: {', '.join(inside) or 'nothing'}"
        raise DataError(
            f"this is no study folder with {' or '.join(usual)} ({found_there}).",
            file=folder,
            hint="name the folder of a study or a table of counts, or write the study into a "
            "folder first: hatstats convert TABLE --out FOLDER.",
        )
    return found[0]


def replace_table(path: Path, frame: pd.DataFrame) -> None:
    """Write a table in place of an older one: an interrupted run leaves the old one."""
    with whole_output(path, lambda _: ("",), name="the table", folder=False) as new:
        write_table(frame, new, path.suffix)


def toml_text(head: Mapping[str, Any], tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """TOML text of plain keys, then arrays of tables: the standard library reads it only."""
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
    hint = "use text, numbers, true, false or lists of them."
    raise DataError("this value cannot be written to study.toml.", value=value, hint=hint)


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
