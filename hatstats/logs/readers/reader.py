"""What a reader is, what it sees of a file, and what a database reads for it.

A *response* is one answer of one model: `model, benchmark, language, item, prompt`, right or wrong.
A reader of tables (JSON lines, Parquet, CSV) names its fields and a database reads the rows; a
reader of documents turns one file at a time into records. Where columns stand is declared in a
`Layout` (`schema`), and everything after that is the same for every harness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hatstats.logs.readers.schema import Choices, Field, Layout, LeftOut, Note, Record

#: Columns of a table with a column for each language, once it is made long.
WIDE_LANGUAGE, WIDE_VALUE = "hatstats_language", "hatstats_value"
NOT_JSON = "the line is not a whole JSON object"

Kind = Literal["json", "csv", "parquet", "arrow", "table"]


@dataclass(frozen=True, slots=True)
class Rows:
    """Files of one layout (absolute paths, URLs or a table) that a database reads row by row.

    `fields` says where the columns are found, `facts` what is known of each file as a whole. For a
    CSV, `delimiter` and `header` (all columns in order); `root` is the folder below which
    partitions (``model=.../``) are named, empty without. `documents` marks a file of ours with
    what was read from documents. Each score is the mean of `repeats` answers; `notes` say what was
    assumed; `wide` are columns that hold one language each, under its name; `columns` are all that
    a plain table has; `metrics` has the one that counts by benchmark, where a column names them.
    """

    kind: Kind
    files: tuple[str, ...]
    fields: tuple[Field, ...]
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    delimiter: str = ","
    header: tuple[str, ...] = ()
    root: str = ""
    documents: bool = False
    repeats: int = 1
    notes: tuple[str, ...] = ()
    wide: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    metrics: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preview:
    """What the beginning of a file shows.

    `kind` is ``json`` (one document), ``jsonl``, ``csv``, ``tsv``, ``parquet``, ``arrow``,
    ``duckdb``, ``zip`` or empty; `first` the first record, or the columns of a table with empty
    values; `head` the beginning of a text; `root` the folder that the user named, which contains
    the file. An `array` of JSON objects counts as their lines. Of a cleaned copy, `original` is the
    user's file; `doubles` have the same bytes and are not read.
    """

    path: Path
    kind: str
    first: Mapping[str, object] = field(default_factory=dict)
    head: str = ""
    root: str = ""
    array: bool = False
    delimiter: str = ","
    original: Path | None = None
    doubles: tuple[Path, ...] = ()

    @property
    def named(self) -> Path:
        """The file as the user named it."""
        return self.original or self.path


@dataclass(frozen=True, slots=True)
class Reader:
    """A log format, its name for `format`, and whether the preview of a file shows it.

    Either a database reads it, and `rows` turns its files into `Rows`; or it is documents, and
    `records` turns one file into records and what of it is left out. The `layout` says where
    responses and targets stand, if there are any to grade anew.
    """

    name: str
    matches: Callable[[Preview], bool]
    rows: Callable[[list[Preview], Choices], list[Rows]] | None = None
    records: Callable[[Path, Choices], Iterator[Record | LeftOut | Note]] | None = None
    layout: Layout | None = None
