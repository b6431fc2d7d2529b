"""The beginning of a file: of what kind it is, and what it shows."""

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
from hatstats.logs.readers.reader import Preview

#: Characters that a preview reads of a text; a first record may be far longer than this.
HEAD = 1 << 16
LONGEST = 16 << 20
_MAGIC = ((b"PAR1", "parquet"), (b"ARROW1", "arrow"), (b"PK\x03\x04", "zip"))


def preview_file(path: Path, root: Path | None = None) -> Preview:
    """Read the beginning of a file; the kind is empty where it cannot be a log."""
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
            return Preview(path, kind, _columns(path, kind), root=below)
    if start[8:12] == b"DUCK":
        return Preview(path, "duckdb", root=below)
    text = _first_text(path)
    if not text.strip():
        return Preview(path, "", head="" if start else "empty", root=below)
    kind, first = _text_kind(path.name.lower().removesuffix(".gz"), text.lstrip().splitlines())
    return Preview(path, kind, first, text[:HEAD], below)


def damaged(path: Path, message: str) -> DataError:
    """The error about a file that is not whole."""
    hint = "copy it again from where it was written, or leave it out."
    return DataError(message, file=path, hint=hint)


def _columns(path: Path, kind: str) -> dict[str, object]:
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
            names |= {f"{column.name}.{inner.name}": None for inner in column.type}
    return names


def _first_text(path: Path) -> str:
    """Beginning of a text file, unzipped and decoded; the first line whole, up to `LONGEST`.

    Bytes that are not UTF-8 become replacement characters: they are counted when rows are read.
    """
    try:
        with open_text(path) as file:
            text = file.read(HEAD)
            while "\n" not in text and len(text) < LONGEST and (more := file.read(HEAD)):
                text += more
    except (OSError, EOFError, zlib.error) as reason:
        raise damaged(path, f"the file is compressed, and broken ({reason}).") from None
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


def has_byte_order_mark(path: Path) -> bool:
    """Whether a text begins with a byte order mark, which databases do not expect."""
    with open_binary(path) as file:
        start = file.read(3)
    return start.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


def _text_kind(name: str, lines: list[str]) -> tuple[str, dict[str, object]]:
    """Kind of a text by its name and first lines, and its first record or columns."""
    first = lines[0].strip()
    if first.startswith("{"):
        try:
            record = json.loads(first)
        except ValueError:
            if name.endswith((".jsonl", ".ndjson")):
                return "jsonl", _first_record(lines)
            return "json", {}
        # One line that is a whole object: a table of one row, or a document without line breaks.
        document = len(lines) == 1 and name.endswith(".json")
        return "json" if document else "jsonl", record
    if first.startswith("["):
        return "json", {}
    if name.endswith((".csv", ".tsv", ".tab", ".txt")):
        tabs = name.endswith((".tsv", ".tab"))
        header = next(csv.reader([first], delimiter="\t" if tabs else ","), [])
        return "tsv" if tabs else "csv", {column.strip(): "" for column in header}
    return "", {}


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
