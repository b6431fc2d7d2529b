"""Documents read whole, with limits: JSON, and members of a zip archive read in memory."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from hatstats.errors import DataError
from hatstats.logs.readers.sniff import damaged, open_binary, open_text

#: A document larger than this is not read whole into memory.
LARGEST = 2 << 30
_STORED, _DEFLATED, _ZSTANDARD = 0, 8, 93
_HEADER = struct.Struct("<4s5H3L2H")


class Broken(Exception):
    """A part of an archive cannot be read; the message says why, as a reason to leave it out."""


def load_json(path: Path) -> dict[str, Any]:
    """Parse a document that is one JSON object; an error if it is cut off or too large."""
    if path.stat().st_size > LARGEST:
        raise DataError(
            f"the document is larger than {LARGEST >> 30} GiB.",
            file=path,
            hint="write the log item by item (.eval, .jsonl or Parquet).",
        )
    try:
        with open_text(path) as file:
            record = json.load(file)
    except (ValueError, RecursionError) as reason:
        raise damaged(path, f"this is not a whole JSON document ({reason}).") from None
    return record if isinstance(record, dict) else {"": record}


class Archive:
    """A zip archive whose members are read one at a time into memory; nothing is ever unpacked.

    A member of more than `largest` bytes is refused before and while it is read; an archive with a
    name that climbs out of it is refused whole.
    """

    def __init__(self, path: Path, *, largest: int = 1 << 30) -> None:
        self.path, self.largest = path, largest
        try:
            with zipfile.ZipFile(path) as archive:
                self._members = {info.filename: info for info in archive.infolist()}
        except (zipfile.BadZipFile, OSError, EOFError) as reason:
            raise damaged(path, f"this is not a whole archive ({reason}).") from None
        for name in self._members:
            inside = PurePosixPath(name.replace("\\", "/"))
            if inside.is_absolute() or ".." in inside.parts or name[1:2] == ":":
                raise DataError(
                    f"the archive has a member that climbs out of it ({name[:80]!r}).",
                    file=path,
                    hint="leave it out: no evaluation writes such an archive.",
                )

    @property
    def names(self) -> list[str]:
        """Names of the members, in the order of the archive."""
        return list(self._members)

    def json(self, name: str) -> Any:
        """Parse a member as JSON; `Broken` if it is too large, cut off or not JSON."""
        data = self._read(self._members[name])
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            raise Broken("a part of the archive is not whole JSON") from None

    def _read(self, info: zipfile.ZipInfo) -> bytes:
        """Bytes of a member, checked against its size and checksum."""
        if info.file_size > self.largest:
            raise Broken(f"a part of the archive is larger than {self.largest >> 20} MiB")
        try:
            with self.path.open("rb") as file:
                file.seek(info.header_offset)
                header = _HEADER.unpack(file.read(_HEADER.size))
                file.seek(header[-2] + header[-1], 1)
                packed = file.read(info.compress_size)
            data = self._unpack(info, packed)
        except (OSError, ValueError, zlib.error, struct.error):
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
                try:
                    record = json.loads(text)
                except (ValueError, RecursionError):
                    record = None
                yield record if isinstance(record, dict) else None
