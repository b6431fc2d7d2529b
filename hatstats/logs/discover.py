"""Which files there are, which reader reads each, and what of them is set aside unread."""

from __future__ import annotations

import glob
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hatstats.errors import DataError
from hatstats.logs.readers import find_reader, named_reader
from hatstats.logs.readers.reader import Choices, LeftOut, Look, Reader, Record, Rows
from hatstats.logs.readers.sniff import look_at, marked, open_text

#: Columns of the Parquet file that records of documents pass through.
TEXTS = ("model", "benchmark", "language", "item", "prompt", "source_language", "correct")
_BATCH = 20_000
#: Formats whose records name their model, so that a copy of a file has nothing of its own.
_COMPLETE = frozenset({"plain", "euroeval", "every-eval", "every-eval-items", "inspect"})
_URL_KINDS = {".parquet": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl"}
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Source:
    """Files that an engine reads as one.

    Attributes
    ----------
    format : str
    rows : Rows
    documents : bool
        Whether they hold what was read from documents, and lie in the scratch folder.
    """

    format: str
    rows: Rows
    documents: bool = False


@dataclass(slots=True)
class Gathered:
    """What was found in the logs, before any row is counted.

    Attributes
    ----------
    rows : list of Source
        What an engine reads.
    read : dict of str to int
        Records read of each document.
    formats : dict of str to str
        Format of each file.
    left_out : list of (str, LeftOut)
        File and what of it is not counted.
    copies : dict of str to str
        Cleaned copy to the file it was made of.
    """

    rows: list[Source] = field(default_factory=list)
    read: dict[str, int] = field(default_factory=dict)
    formats: dict[str, str] = field(default_factory=dict)
    left_out: list[tuple[str, LeftOut]] = field(default_factory=list)
    copies: dict[str, str] = field(default_factory=dict)


def gather(
    logs: Sequence[str], format: str | None, choices: Choices, scratch: Path, progress: Progress
) -> Gathered:
    """Find the files of the logs and read the documents among them.

    Parameters
    ----------
    logs : sequence of str
        Files, folders, patterns or URLs.
    format : str, optional
        Name of the one format of all files; by looking at each otherwise.
    choices : Choices
    scratch : Path
        Folder for what is read; nothing is written anywhere else.
    progress : callable

    Returns
    -------
    Gathered

    Raises
    ------
    DataError
        For a path that is not there, a broken file, or no log at all.
    """
    chosen = named_reader(format) if format else None
    result = Gathered()
    groups: dict[str, list[Look]] = defaultdict(list)
    readers: dict[str, Reader] = {}
    for look in _looks(logs):
        reader: Reader | str = chosen or find_reader(look)
        if chosen and look.kind == "duckdb":
            reader = find_reader(look)
        if look.kind == "duckdb":
            name = f"{look.path}::{choices.values.get('table', '')}"
            result.rows.append(Source("plain", Rows("table", (name,), ())))
            result.formats[str(look.path)] = "plain"
        elif isinstance(reader, str):
            unneeded = reader.startswith("it belongs")
            result.left_out.append((str(look.path), LeftOut(reader, 0, by_rule=unneeded)))
        else:
            readers[reader.name] = reader
            groups[reader.name].append(look)
    for name, looks in groups.items():
        if name in _COMPLETE:
            looks = list(_without_copies(looks, result))
        result.formats |= {str(look.first.get("") or look.path): name for look in looks}
        reader = readers[name]
        if reader.rows is not None:
            clean = [_clean(look, scratch, result) for look in looks]
            result.rows += [Source(name, rows) for rows in reader.rows(clean, choices)]
        else:
            _read_documents(reader, looks, choices, scratch / name, result, progress)
    return result


def _looks(logs: Sequence[str]) -> Iterator[Look]:
    found = False
    for log in logs:
        if "://" in log:
            suffix = Path(log.removesuffix(".gz")).suffix.lower()
            if suffix not in _URL_KINDS:
                raise DataError(
                    "the ending of this address says no format that is read from afar.",
                    value=log,
                    hint="give addresses of .parquet or .jsonl files.",
                )
            found = True
            yield Look(Path(log), f"url:{_URL_KINDS[suffix]}", {"": log})
            continue
        for path, root in _files(log):
            found = True
            yield look_at(path, root)
    if not found:
        raise DataError(
            "there is no file in it.", file=", ".join(logs), hint="name the folder of the logs."
        )


def _files(log: str) -> Iterator[tuple[Path, Path | None]]:
    place = Path(log)
    if place.is_dir():
        root = place.resolve()
        for path in sorted(root.rglob("*")):
            inside = path.relative_to(root).parts
            if path.is_file() and not any(part.startswith((".", "_")) for part in inside):
                yield path, root
    elif place.exists():
        yield place.resolve(), None
    elif hits := sorted(glob.glob(log, recursive=True)):
        yield from ((Path(hit).resolve(), None) for hit in hits if Path(hit).is_file())
    else:
        raise DataError(
            "there is no such file or folder.", file=log, hint="correct the path to the logs."
        )


def _without_copies(looks: Iterable[Look], result: Gathered) -> Iterator[Look]:
    """Leave out files with the same bytes as one before them; only equal sizes are compared."""
    by_size: dict[int, list[Look]] = defaultdict(list)
    for look in looks:
        by_size[look.path.stat().st_size if look.path.exists() else -1].append(look)
    for size, group in by_size.items():
        seen: dict[str, Path] = {}
        for look in group:
            if len(group) > 1 and size >= 0:
                with look.path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                if digest in seen:
                    reason = f"the same bytes as {seen[digest].name}"
                    result.left_out.append((str(look.path), LeftOut(reason, 0)))
                    continue
                seen[digest] = look.path
            yield look


def _clean(look: Look, scratch: Path, result: Gathered) -> Look:
    """A copy in UTF-8 without its byte order mark, where a text begins with one."""
    if look.kind not in ("jsonl", "csv", "tsv") or not marked(look.path):
        return look
    name = f"{len(result.copies)}_{look.path.name.removesuffix('.gz')}"
    copy = scratch / "copies" / name
    copy.parent.mkdir(exist_ok=True)
    with open_text(look.path) as source, copy.open("w", encoding="utf-8", newline="") as target:
        while part := source.read(1 << 20):
            target.write(part)
    result.copies[str(copy)] = str(look.path)
    return Look(copy, look.kind, look.first, look.head, "")


def _read_documents(
    reader: Reader,
    looks: Sequence[Look],
    choices: Choices,
    folder: Path,
    result: Gathered,
    progress: Progress,
) -> None:
    """Read documents one by one into two Parquet files, of responses and of totals."""
    folder.mkdir(exist_ok=True)
    with (
        _Table(folder / "responses.parquet", False) as responses,
        _Table(folder / "totals.parquet", True) as totals,
    ):
        for at, look in enumerate(looks):
            progress(f"{reader.name}: {look.path.name}", at / len(looks))
            file = str(look.path)
            result.read[file] = 0
            assert reader.records is not None
            for record in reader.records(look.path, choices):
                if isinstance(record, LeftOut):
                    result.read[file] += record.rows
                    result.left_out.append((file, record))
                else:
                    result.read[file] += 1
                    (totals if "n_trials" in record else responses).add(file, record)
    for table in (responses, totals):
        if table.written:
            rows = Rows("parquet", (str(table.path),), table.fields)
            result.rows.append(Source(reader.name, rows, documents=True))


class _Table:
    """A Parquet file that grows by batches, so that a log of any length fits into memory."""

    def __init__(self, path: Path, totals: bool) -> None:
        import pyarrow as pa

        from hatstats.logs.backends import FILE
        from hatstats.logs.readers.reader import Field

        scores = ("n_correct", "n_trials") if totals else ()
        texts = [name for name in TEXTS if not (totals and name in ("correct", "item"))]
        self.path, self.written, self._file = path, 0, FILE
        self.fields = tuple(Field(name, (name,)) for name in (*texts, *scores))
        self._schema = pa.schema(
            [*((name, pa.string()) for name in (FILE, *texts)),
             *((name, pa.float64()) for name in scores)]
        )  # fmt: skip
        self._batch: list[Record] = []
        self._writer: object = None

    def __enter__(self) -> _Table:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        if self._writer is not None:
            self._writer.close()  # type: ignore[attr-defined]

    def add(self, file: str, record: Record) -> None:
        """Append one record."""
        row: Record = {name: record.get(name) for name in self._schema.names}
        for name in TEXTS:
            if name in row and row[name] is not None:
                row[name] = str(row[name])
        row[self._file] = file
        self._batch.append(row)
        self.written += 1
        if len(self._batch) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet

        if not self._batch:
            return
        if self._writer is None:
            self._writer = pyarrow.parquet.ParquetWriter(self.path, self._schema)
        batch = pa.Table.from_pylist(self._batch, schema=self._schema)
        self._writer.write_table(batch)  # type: ignore[attr-defined]
        self._batch = []
