"""What a reader declares: where each column of a response is found in its files.

A *response* is one answer of one model: `model, benchmark, language, item, prompt`, right or wrong.
A reader of tables (JSON lines, Parquet, CSV) names its fields and a database reads the rows; a
reader of documents turns one file at a time into records. Everything after them is the same for
every harness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

#: What names a response, and what every reader must find for each of its rows.
NAMES = ("model", "benchmark", "language", "item", "prompt")

Kind = Literal["json", "csv", "parquet", "arrow", "table"]


@dataclass(frozen=True, slots=True)
class Field:
    """Where one column of a response is found in a record.

    Attributes
    ----------
    column : str
        ``model``, ``benchmark``, ``language``, ``item``, ``prompt``, ``correct``, ``filter``,
        ``task``, ``source_language``, ``n_correct`` or ``n_trials``.
    paths : tuple of str
        Fields that hold it, dots going inwards (``doc.question_id``); the first present counts.
    joined : bool
        Whether all paths together make the column, as link and number of a Belebele question do.
    """

    column: str
    paths: tuple[str, ...]
    joined: bool = False


@dataclass(frozen=True, slots=True)
class Choices:
    """What a user chose instead of the declared rules.

    Attributes
    ----------
    fields : mapping of str to str
        Column of a response to the field of the file that holds it (``--map item=doc.id``).
    settings : mapping of str to str
        Name to value (``--set language=de``): a column that is constant, or ``metric``, ``filter``,
        ``scorer``, ``n_trials``.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rows:
    """Files of one layout that a database reads row by row.

    Attributes
    ----------
    kind : {"json", "csv", "parquet", "arrow", "table"}
    files : tuple of str
        Absolute paths, URLs, or the name of one table of a database.
    fields : tuple of Field
        Where the columns are found.
    facts : mapping of str to mapping
        What is known of each file as a whole: column to value.
    delimiter : str
        Between the cells of a CSV.
    header : tuple of str
        All columns of a CSV, in their order.
    root : str
        Folder below which partitions (``model=.../``) are named; empty without.
    """

    kind: Kind
    files: tuple[str, ...]
    fields: tuple[Field, ...]
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    delimiter: str = ","
    header: tuple[str, ...] = ()
    root: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Rows of one file that are not counted, and why.

    Attributes
    ----------
    reason : str
    rows : int
        How many; 0 where a whole file was not read, so that the number is unknown.
    by_rule : bool
        Whether a declared rule chose other rows instead, which is no fault of the log.
    """

    reason: str
    rows: int = 1
    by_rule: bool = False


#: One response or total of a document: columns by name. A total has `n_correct` and `n_trials`.
Record = dict[str, str | float | None]


@dataclass(frozen=True, slots=True)
class Preview:
    """What the beginning of a file shows.

    Attributes
    ----------
    path : Path
    kind : str
        ``json`` (one document), ``jsonl``, ``csv``, ``tsv``, ``parquet``, ``arrow``, ``duckdb``,
        ``zip`` or ``""``.
    first : mapping
        First record of a table of JSON lines, or the columns of a table with empty values.
    head : str
        Beginning of the text of a document.
    root : str
        Folder that the user named, which contains the file.
    """

    path: Path
    kind: str
    first: Mapping[str, object] = field(default_factory=dict)
    head: str = ""
    root: str = ""


@dataclass(frozen=True, slots=True)
class Reader:
    """A log format.

    Attributes
    ----------
    name : str
        Its name for ``--format``.
    matches : callable
        Whether the preview of a file shows this format.
    rows : callable, optional
        For formats that a database reads: the files of this format to `Rows`.
    records : callable, optional
        For documents: one file to its records and what of it is left out.
    """

    name: str
    matches: Callable[[Preview], bool]
    rows: Callable[[list[Preview], Choices], list[Rows]] | None = None
    records: Callable[[Path, Choices], Iterator[Record | LeftOut]] | None = None


def value_at(record: object, path: str) -> object:
    """Value at a dotted path of a parsed record; None where there is none."""
    value = record
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def text_of(value: object) -> str:
    """A name as text: whole floats without their point, None as nothing."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()


def text_at(record: object, *paths: str) -> str:
    """Text at the first of these dotted paths that holds any; empty without one."""
    return next((text for path in paths if (text := text_of(value_at(record, path)))), "")
