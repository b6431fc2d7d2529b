"""A short look at a file: what kind it is, and how it begins."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import zlib
from pathlib import Path
from typing import IO, cast

from hatstats.errors import DataError
from hatstats.logs.readers.reader import Look

#: Bytes that a look reads of a text; a first record may be longer than this by far.
HEAD = 1 << 16
LONGEST = 16 << 20
_MAGIC = ((b"PAR1", "parquet"), (b"ARROW1", "arrow"), (b"PK\x03\x04", "zip"))


def look_at(path: Path, root: Path | None = None) -> Look:
    """Look at the beginning of a file.

    Parameters
    ----------
    path : Path
    root : Path, optional
        Folder that the user named.

    Returns
    -------
    Look
        With an empty kind where the file is none that can be a log.

    Raises
    ------
    DataError
        When the file cannot be opened.
    """
    below = str(root) if root is not None else ""
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as reason:
        raise DataError(
            f"the file cannot be read ({reason.strerror or reason}).",
            file=path,
            hint="correct the path or the permissions.",
        ) from None
    for magic, kind in _MAGIC:
        if start.startswith(magic):
            return Look(path, kind, columns_of(path, kind), root=below)
    if start[8:12] == b"DUCK":
        return Look(path, "duckdb", root=below)
    text = first_text(path)
    if not text.strip():
        return Look(path, "", head="empty" if not start else "", root=below)
    return _text_look(path, text, below)


def columns_of(path: Path, kind: str) -> dict[str, object]:
    """Names of the columns of a Parquet or Arrow file, inner ones dotted, each with None."""
    if kind == "zip":
        return {}
    import pyarrow as pa
    import pyarrow.ipc
    import pyarrow.parquet

    try:
        if kind == "parquet":
            schema = pyarrow.parquet.read_schema(path)
        else:
            with pa.memory_map(str(path)) as source:
                schema = pyarrow.ipc.open_file(source).schema
    except (OSError, ValueError) as reason:
        raise DataError(
            f"this is not a whole {kind.capitalize()} file ({str(reason).splitlines()[0]}).",
            file=path,
            hint="write it again, or leave it out.",
        ) from None
    names: dict[str, object] = {}
    for column in schema:
        names[column.name] = None
        if pa.types.is_struct(column.type):
            names.update({f"{column.name}.{inner.name}": None for inner in column.type})
    return names


def first_text(path: Path, size: int = HEAD) -> str:
    """Beginning of a text file, unzipped and decoded; longer where the first line is.

    Bytes that are not UTF-8 become replacement characters: whoever reads the rows counts them.
    """
    try:
        with open_text(path) as file:
            text = file.read(size)
            while "\n" not in text and len(text) < LONGEST and (more := file.read(size)):
                text += more
    except (OSError, EOFError, zlib.error) as reason:
        raise DataError(
            f"the file is compressed, and broken ({reason}).",
            file=path,
            hint="copy it again from where it was written, or leave it out.",
        ) from None
    return text


def open_text(path: Path) -> io.TextIOWrapper:
    """Open a text, gzip or not, UTF-8 or (by its mark) UTF-16, without its byte order mark."""
    raw = open_binary(path)
    start = raw.read(2)
    raw.seek(0)
    encoding = "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    return io.TextIOWrapper(cast(IO[bytes], raw), encoding=encoding, errors="replace", newline="")


def open_binary(path: Path) -> io.BufferedIOBase:
    """Open a file, through gzip where it is gzip."""
    file = path.open("rb")
    magic = file.read(2)
    file.seek(0)
    if magic == b"\x1f\x8b":
        file.close()
        return gzip.open(path, "rb")
    return file


def marked(path: Path) -> bool:
    """Whether a text begins with a byte order mark, which databases trip over."""
    with open_binary(path) as file:
        start = file.read(3)
    return start.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


def _text_look(path: Path, text: str, root: str) -> Look:
    lines = text.lstrip().splitlines()
    names = path.name.lower().removesuffix(".gz")
    first = lines[0].strip()
    if first.startswith("{"):
        try:
            record = json.loads(first)
        except ValueError:
            kind = "jsonl" if names.endswith((".jsonl", ".ndjson")) else "json"
            later = _first_record(lines) if kind == "jsonl" else {}
            return Look(path, kind, later, text[:HEAD], root)
        # One line that is a whole object: a table of one row, or a document without line breaks.
        one = len(lines) == 1 and names.endswith(".json")
        return Look(path, "json" if one else "jsonl", record, text[:HEAD], root)
    if first.startswith("["):
        return Look(path, "json", {}, text[:HEAD], root)
    if names.endswith((".csv", ".tsv", ".tab", ".txt")):
        delimiter = "\t" if names.endswith((".tsv", ".tab")) else ","
        header = next(csv.reader([first], delimiter=delimiter), [])
        kind = "tsv" if delimiter == "\t" else "csv"
        return Look(path, kind, {name.strip(): "" for name in header}, text[:HEAD], root)
    return Look(path, "", {}, text[:200], root)


def _first_record(lines: list[str]) -> dict[str, object]:
    """First line that is a JSON object, where the very first is broken."""
    for line in lines[:50]:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            return record
    return {}
