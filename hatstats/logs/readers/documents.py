"""Files of logs: what the beginning shows, and documents read whole, with limits."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from hatstats.errors import DataError
from hatstats.logs.readers.reader import Preview
from hatstats.study.files import unreadable

#: Characters that a preview reads of a text; a first record may be far longer than this.
HEAD = 1 << 16
#: Bytes of the longest record that is read.
LONGEST = 16 << 20
_MAGIC = ((b"PAR1", "parquet"), (b"ARROW1", "arrow"), (b"PK\x03\x04", "zip"))
#: A document larger than this is not read whole into memory.
LARGEST = 2 << 30
#: Most bytes of a member of an archive, which is read whole too.
LARGEST_MEMBER = 1 << 30
#: What unpacks to more than this, and to so many times its size, was made to fill the memory.
_SUSPECT, _RATIO = 64 << 20, 200
#: Errors of what is compressed, cut off, or no document.
_UNREADABLE = (OSError, EOFError, ValueError, RecursionError, zlib.error)
_STORED, _DEFLATED, _ZSTANDARD = 0, 8, 93
_HEADER = struct.Struct("<4s5H3L2H")


def preview_file(path: Path, root: Path | None = None) -> Preview:
    """Read the beginning of a file; the kind is empty where it cannot be a log."""
    below = str(root) if root is not None else ""
    try:
        if not path.is_file():
            raise OSError("it is no plain file")
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as reason:
        raise unreadable(path, reason) from None
    for magic, kind in _MAGIC:
        if start.startswith(magic):
            return Preview(path, kind, _columns(path, kind), root=below)
    if start[8:12] == b"DUCK":
        return Preview(path, "duckdb", root=below)
    text = _first_text(path)
    if not text.strip():
        return Preview(path, "", head="" if start else "empty", root=below)
    start_of = text.lstrip()
    if start_of.startswith("[") and (record := _first_object(start_of)):
        return Preview(path, "jsonl", record, text[:HEAD], below, array=True)
    name, lines = path.name.lower().removesuffix(".gz"), start_of.splitlines()
    delimiter = _delimiter(name, lines[0])
    kind, first = _text_kind(name, lines, delimiter)
    return Preview(path, kind, first, text[:HEAD], below, delimiter=delimiter)


def damaged(path: Path, message: str) -> DataError:
    """The error about a file that is not whole."""
    hint = "copy it again from where it was written, or leave it out."
    return DataError(message, file=path, hint=hint)


@contextmanager
def whole_table(path: Path, kind: str) -> Iterator[None]:
    """Turn what a library says of a broken table into one error that names the file."""
    try:
        yield
    except DataError:
        raise
    except (OSError, ValueError, LookupError, NotImplementedError, csv.Error) as reason:
        said = next(iter(str(reason).splitlines()), "no reason given")
        raise DataError(
            f"this is not a whole {kind.capitalize()} file ({said}).",
            file=path,
            hint="write it again, or leave it out.",
        ) from None


def _columns(path: Path, kind: str) -> dict[str, object]:
    """Names of the columns of a Parquet or Arrow file, inner ones dotted, each with None."""
    if kind == "zip":
        return {}
    import pyarrow as pa
    import pyarrow.dataset

    with whole_table(path, kind):
        schema = pyarrow.dataset.dataset(path, format="ipc" if kind == "arrow" else kind).schema
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


def check_gzip(path: Path) -> None:
    """Read a gzip file to its end: databases take it for whole, whatever its checksum says."""
    try:
        with open_binary(path) as file:
            while isinstance(file, gzip.GzipFile) and file.read(1 << 20):
                pass
    except (OSError, EOFError, zlib.error) as reason:
        raise damaged(path, f"the file is compressed, and broken ({reason}).") from None


def has_byte_order_mark(path: Path) -> bool:
    """Whether a text begins with a byte order mark, which databases do not expect."""
    with open_binary(path) as file:
        start = file.read(3)
    return start.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


def _delimiter(name: str, header: str) -> str:
    """What separates the cells of a table: what its name says, or what its header has most of."""
    if name.endswith((".tsv", ".tab")):
        return "\t"
    return max(",;\t|", key=header.count) if header.strip() else ","


def _text_kind(name: str, lines: list[str], delimiter: str) -> tuple[str, dict[str, object]]:
    """Kind of a text by its name and first lines, and its first record or columns."""
    first = lines[0].strip()
    if first.startswith("{"):
        record = _json_object(first)
        if record is None:
            if name.endswith((".jsonl", ".ndjson")):
                found = map(_json_object, lines[:50])
                return "jsonl", next((each for each in found if each is not None), {})
            return "json", {}
        # One line that is a whole object: a table of one row, or a document without line breaks.
        document = len(lines) == 1 and name.endswith(".json")
        return "json" if document else "jsonl", record
    if first.startswith("["):
        return "json", {}
    if name.endswith((".csv", ".tsv", ".tab", ".txt")):
        try:
            header = next(csv.reader([first], delimiter=delimiter), [])
        except csv.Error:  # a cell beyond every limit
            return "", {}
        # A frame written with its index has a column without a name; one name may stand twice.
        names, seen = [column.strip() for column in header], {""}
        for place, name in enumerate(names):
            if name.casefold() in seen:
                names[place] = f"{name or 'column'} {place + 1}"
            seen.add(names[place].casefold())
        return "csv", dict.fromkeys(names, "")
    return "", {}


def _first_object(text: str) -> dict[str, Any]:
    """The object with which a JSON array begins; empty where it begins with anything else."""
    try:
        record, _ = json.JSONDecoder().raw_decode(text[1:].lstrip())
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _json_object(text: str | bytes) -> dict[str, Any] | None:
    """The JSON object that a line holds; None where it is anything else."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def is_archive(path: Path) -> bool:
    """Whether a file begins as a zip archive does, whatever its name."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


class Broken(Exception):
    """A part of an archive cannot be read; the message says why, as a reason to leave it out."""


def load_json(path: Path) -> dict[str, Any]:
    """Parse a document that is one JSON object; an error if it is cut off or too large."""
    size = path.stat().st_size
    largest = min(LARGEST, max(_SUSPECT, _RATIO * size))
    try:
        with open_text(path) as file:
            text = file.read(largest + 1) if size <= LARGEST else ""
            record = json.loads(text) if 0 < len(text) <= largest else None
    except _UNREADABLE as reason:
        raise damaged(path, f"this is not a whole JSON document ({reason}).") from None
    if record is None:
        raise DataError(
            f"the document is larger than {LARGEST >> 30} GiB, or packed too tightly.",
            file=path,
            hint="write the log item by item (.eval, .jsonl or Parquet).",
        )
    return record if isinstance(record, dict) else {"": record}


class Archive:
    """A zip archive whose members are read one at a time into memory; nothing is ever unpacked.

    A member of more than `LARGEST_MEMBER` bytes is refused before and while it is read; an archive
    with a name that climbs out of it is refused whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, struct.error, *_UNREADABLE) as reason:
            raise damaged(path, f"this is not a whole archive ({reason}).") from None
        self._members = {info.filename: info for info in members}
        self.names = list(self._members)
        if len(self.names) < len(members):
            raise damaged(path, "the archive has two members of one name.")
        for name in self.names:
            inside = PurePosixPath(name.replace("\\", "/"))
            if inside.is_absolute() or ".." in inside.parts or name[1:2] == ":":
                raise DataError(
                    f"the archive has a member that climbs out of it ({name[:80]!r}).",
                    file=path,
                    hint="leave it out: no evaluation writes such an archive.",
                )

    def json(self, name: str) -> Any:
        """Parse a member as JSON; `Broken` if it is too large, cut off or not JSON."""
        data = self._read(self._members[name])
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            raise Broken("a part of the archive is not whole JSON") from None

    def _read(self, info: zipfile.ZipInfo) -> bytes:
        """Bytes of a member, checked against its size and checksum."""
        if info.file_size > LARGEST_MEMBER:
            raise Broken(f"a part of the archive is larger than {LARGEST_MEMBER >> 20} MiB")
        if info.file_size > max(_SUSPECT, _RATIO * info.compress_size):
            raise Broken("a part of the archive is packed too tightly")
        try:
            with self.path.open("rb") as file:
                file.seek(info.header_offset)
                header = _HEADER.unpack(file.read(_HEADER.size))
                file.seek(header[-2] + header[-1], 1)
                packed = file.read(info.compress_size)
            data = self._unpack(info, packed)
        except (OverflowError, struct.error, *_UNREADABLE):
            raise Broken("a part of the archive is broken") from None
        if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
            raise Broken("a part of the archive is broken")
        return data

    def _unpack(self, info: zipfile.ZipInfo, packed: bytes) -> bytes:
        """Unpack a member; never more than the size it claims, which may be wrong."""
        if info.compress_type == _STORED:
            return packed
        if info.compress_type == _DEFLATED:
            return zlib.decompressobj(-15).decompress(packed, info.file_size + 1)
        if info.compress_type == _ZSTANDARD:
            # Python reads this kind from 3.14 on; pyarrow does everywhere.
            import pyarrow as pa

            with pa.CompressedInputStream(pa.BufferReader(packed), "zstd") as stream:
                return bytes(stream.read(info.file_size + 1))
        raise Broken(f"a part of the archive is packed by method {info.compress_type}")


def json_lines(path: Path) -> Iterator[dict[str, Any] | None]:
    """Records of a file of JSON lines; None for a line that is not one whole object."""
    with open_binary(path) as raw:
        for number, line in enumerate(raw):
            text = line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line
            if text.strip():
                yield _json_object(text)


def table_records(preview: Preview) -> Iterator[dict[str, Any] | None]:
    """Records of a table of any kind, one by one; None for a line that is no whole JSON object."""
    with whole_table(preview.path, preview.kind):
        if preview.kind in ("parquet", "arrow"):
            import pyarrow.dataset

            kind = "ipc" if preview.kind == "arrow" else "parquet"
            for batch in pyarrow.dataset.dataset(preview.path, format=kind).to_batches():
                yield from batch.to_pylist()
        elif preview.kind == "csv":
            with open_text(preview.path) as file:
                yield from csv.DictReader(file, delimiter=preview.delimiter)
        elif preview.array:
            yield from load_json(preview.path)[""]
        else:
            yield from json_lines(preview.path)
