"""What a reader declares, and the rules that readers share: which score and filter count.

A *response* is one answer of one model: `model, benchmark, language, item, prompt`, right or wrong.
A reader of tables (JSON lines, Parquet, CSV) names its fields and a database reads the rows; a
reader of documents turns one file at a time into records. Everything after them is the same for
every harness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hatstats.logs.task_names import Task, read_task
from hatstats.study.frames.answers import ANSWER_WORDS
from hatstats.study.languages.tags import is_language

#: What names a response, and what every reader must find for each of its rows.
NAMES = ("model", "benchmark", "language", "item", "prompt")

#: Scores that say right or wrong of one answer, the preferred first. Names of all harnesses.
PREFERRED = ("exact_match", "acc", "accuracy", "em", "correct", "is_correct", "extractive_match",
             "quasi_exact_match", "final_number_exact_match", "math_equiv", "prefix_exact_match",
             "quasi_prefix_exact_match", "pass@1", "acc_norm", "mc1")  # fmt: skip
#: Filters of lm-evaluation-harness: those which read more answers come first, because an answer
#: that is not read looks like one that is wrong.
FILTERS = ("custom-extract", "flexible-extract", "get_response", "strict-match",
           "remove_whitespace", "none")  # fmt: skip
RIGHT, WRONG = (frozenset().union(*words) for words in zip(*ANSWER_WORDS, strict=True))
#: Fields in which items, tasks and runs name their language, and the source language of an item.
LANGUAGE_FIELDS = ("language", "lang", "locale", "target_language")
SOURCE_FIELDS = ("source_language", "original_lang", "original_language")
#: Columns of a table with a column for each language, once it is made long.
WIDE_LANGUAGE, WIDE_VALUE = "hatstats_language", "hatstats_value"
NOT_JSON = "the line is not a whole JSON object"

Kind = Literal["json", "csv", "parquet", "arrow", "table"]


@dataclass(frozen=True, slots=True)
class Field:
    """Where one column of a response is found in a record.

    `paths` are the fields that hold it, dots going inwards (``doc.question_id``): the first present
    counts, or, `joined`, all together (as link and number of a Belebele question).
    """

    column: str
    paths: tuple[str, ...]
    joined: bool = False


@dataclass(frozen=True, slots=True)
class Choices:
    """What a user chose instead of the declared rules.

    `fields` maps columns of a response to fields of the file (``{"item": "doc.id"}``), `settings`
    names to values (``{"language": "de"}``): constant columns, ``metric``, ``filter``, ``scorer``,
    ``n_trials``.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)

    def task(self, name: str) -> Task:
        """What the name of a task says, by the user's pattern or by the rules."""
        return read_task(name, self.settings.get("task", ""))

    def of(self, name: str, benchmark: str = "", language: str = "") -> str:
        """A setting for a benchmark and language: ``NAME@BENCHMARK/LANGUAGE`` comes before NAME.

        ``NAME@X`` is for a benchmark or for a language; empty text without any.
        """
        places = (f"@{benchmark}/{language}", f"@{benchmark}", f"@{language}", "")
        return next((self.settings[name + at] for at in places if name + at in self.settings), "")


@dataclass(frozen=True, slots=True)
class Rows:
    """Files of one layout (absolute paths, URLs or a table) that a database reads row by row.

    `fields` says where the columns are found, `facts` what is known of each file as a whole. For a
    CSV, `delimiter` and `header` (all columns in order); `root` is the folder below which
    partitions (``model=.../``) are named, empty without. `documents` marks a file of ours with
    what was read from documents. Each score is the mean of `repeats` answers; `notes` say what was
    assumed; `wide` are columns that hold one language each, under its name.
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


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Rows that do not count, and why; 0 rows where a whole file was not read.

    `by_rule`: a declared rule chose other rows instead, which is no fault of the log.
    """

    reason: str
    rows: int = 1
    by_rule: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """Something a reader assumed, for the notes of the account."""

    text: str


#: One response or total of a document: columns by name. A total has `n_correct` and `n_trials`.
Record = dict[str, str | float | None]


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
    `records` turns one file into records and what of it is left out.
    """

    name: str
    matches: Callable[[Preview], bool]
    rows: Callable[[list[Preview], Choices], list[Rows]] | None = None
    records: Callable[[Path, Choices], Iterator[Record | LeftOut | Note]] | None = None


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


def pick_score(offered: Iterable[str], choices: Choices) -> str:
    """Score that counts: the user's, else the first preferred, else the only one, or ``""``."""
    names = list(offered)
    if wanted := choices.settings.get("metric"):
        return wanted if wanted in names else ""
    ranked = [name for name in PREFERRED if name in names]
    return ranked[0] if ranked else names[0] if len(names) == 1 else ""


def pick_filter(offered: Iterable[str], choices: Choices) -> str:
    """Name of the filter that counts: the user's, else the first declared, else by the alphabet."""
    names = sorted(offered)
    if wanted := choices.settings.get("filter"):
        return wanted if wanted in names else ""
    ranked = [name for name in FILTERS if name in names]
    return ranked[0] if ranked else names[0]


def first_language(*texts: str) -> str:
    """First of several texts that names a language; empty without one."""
    return next((text for text in texts if is_language(text)), "")


def items_of_total(recorded: object, names: Record, choices: Choices) -> tuple[float, Note | None]:
    """Number of items of a total: what the log records, else the user's; 0 where neither says.

    The note says where a user's number was not taken because the log has another.
    """
    where = str(names["benchmark"]), str(names["language"])
    said = choices.of("n_trials", *where)
    number = float(recorded) if isinstance(recorded, int | float) and recorded > 0 else 0.0
    if number and said and float(said) != number:
        return number, Note(
            f"{where[0]}: the logs record {number:g} items, so that n_trials={said} was not used."
        )
    return number or float(said or 0), None


def total_record(names: Record, share: float, n_trials: float) -> Record:
    """A total of `n_trials` items from the share that is right; rounding alone is undone."""
    count = share * n_trials
    whole = round(count)
    if abs(count - whole) < 1e-6 * max(1.0, abs(count)):
        count = float(whole)
    return {**names, "n_correct": count, "n_trials": n_trials}
