"""Plain tables: CSV, TSV, JSON lines, Parquet, Arrow, or a table of a DuckDB file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from hatstats.errors import DataError
from hatstats.logs.readers.reader import Choices, Field, Kind, Preview, Reader, Rows
from hatstats.study.schema import near

#: Names that tables give to the columns of a response; every use of one is reported.
ALIASES: dict[str, tuple[str, ...]] = {
    "model": ("model", "model_name", "model_id"),
    "benchmark": ("benchmark", "dataset", "task_name", "task"),
    "language": ("language", "lang", "locale", "language_code"),
    "item": ("item", "item_id", "question_id", "sample_id", "doc_id"),
    "prompt": ("prompt", "prompt_id", "trial", "repeat", "epoch", "seed", "template"),
    "correct": ("correct", "is_correct", "exact_match", "acc", "score", "passed"),
    "n_correct": ("n_correct",),
    "n_trials": ("n_trials",),
    "source_language": ("source_language",),
    "filter": ("filter",),
}
_NEEDED = ("model", "language")  # a benchmark without a name is called one
#: Kind of a previewed file, and how a database reads it.
_KINDS: dict[str, Kind] = {"jsonl": "json", "csv": "csv", "tsv": "csv", "parquet": "parquet",
                           "arrow": "arrow"}  # fmt: skip


def _matches(preview: Preview) -> bool:
    return preview.kind.removeprefix("url:") in _KINDS


def _rows(previews: list[Preview], choices: Choices) -> list[Rows]:
    """Files with the same columns are read as one."""
    found: list[Rows] = []
    groups: dict[tuple[str, tuple[str, ...], tuple[Field, ...]], list[Preview]] = defaultdict(list)
    for preview in previews:
        if preview.kind.startswith("url:"):
            found.append(_remote(preview, choices))
            continue
        header = tuple(preview.first) if preview.kind in ("csv", "tsv") else ()
        columns = preview.first.keys() | _partitions(preview)
        fields = find_fields(columns, choices, str(preview.path))
        groups[preview.kind, header, fields].append(preview)
    for (kind, header, fields), group in groups.items():
        files = tuple(str(preview.path) for preview in group)
        delimiter = "\t" if kind == "tsv" else ","
        for part in [(file,) for file in files] if kind == "arrow" else [files]:
            found.append(Rows(_KINDS[kind], part, fields, {}, delimiter, header, group[0].root))
    return found


def _remote(preview: Preview, choices: Choices) -> Rows:
    """A file at a URL, which is not previewed: Parquet says its columns, JSON does not."""
    url, kind = str(preview.first[""]), _KINDS[preview.kind.removeprefix("url:")]
    fields: tuple[Field, ...] = ()
    if kind == "json":
        fields = find_fields(set(choices.fields.values()), choices, url)
    return Rows(kind, (url,), fields)


def find_fields(columns: Collection[str], choices: Choices, file: str) -> tuple[Field, ...]:
    """Find the columns of a response in a table; an error where a needed one is missing.

    A mapping among the choices replaces the names looked for; a value makes a column constant.
    """
    found = []
    for column, aliases in ALIASES.items():
        if column in choices.settings:
            continue
        if (mapped := choices.fields.get(column)) is not None:
            if mapped not in columns and mapped.split(".")[0] not in columns:
                raise DataError(
                    f"the field mapped to {column!r} is not in the file; it has "
                    f"{', '.join(sorted(columns)[:20])}.",
                    file=file,
                    column=mapped,
                    hint=f"correct fields={{{column!r}: {mapped!r}}}.{near(mapped, columns)}",
                )
            found.append(Field(column, (mapped,)))
        elif name := next((alias for alias in aliases if alias in columns), None):
            found.append(Field(column, (name,)))
    have = {each.column for each in found} | set(choices.settings)
    scored = "correct" in have or {"n_correct", "n_trials"} <= have
    missing = [name for name in _NEEDED if name not in have] + ([] if scored else ["correct"])
    if missing:
        names = ", ".join(repr(name) for name in sorted(columns)[:20]) or "none"
        constant = f", or what it is, as in settings={{{missing[0]!r}: 'VALUE'}}"
        raise DataError(
            f"no column of this table is known as {' or '.join(missing)}; its columns are {names}.",
            file=file,
            column=missing[0],
            hint=f"say where it stands, as in fields={{{missing[0]!r}: 'COLUMN'}}"
            f"{constant if missing[0] in _NEEDED else ''}.",
        )
    if {"n_correct", "n_trials"} <= have and "correct" not in choices.fields:
        found = [each for each in found if each.column != "correct"]
    return tuple(found)


def _partitions(preview: Preview) -> set[str]:
    """Columns that folders name, as in ``model=a/language=de/part-0.parquet``."""
    if not preview.root or preview.kind not in ("parquet", "jsonl", "csv"):
        return set()
    inside = preview.path.parent.relative_to(preview.root).parts
    return {part.split("=", 1)[0] for part in inside if "=" in part}


PLAIN = Reader("plain", _matches, rows=_rows)
