"""Which files there are, which reader reads each, and which are set aside unread."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from hatstats.errors import DataError
from hatstats.logs.backends import FILE
from hatstats.logs.readers.documents import (
    Archive,
    check_gzip,
    has_byte_order_mark,
    load_json,
    open_text,
    preview_file,
    table_records,
)
from hatstats.logs.readers.every_eval import EUROEVAL, EVERY_EVAL, EVERY_EVAL_ITEMS
from hatstats.logs.readers.helm import COMPANIONS, HELM
from hatstats.logs.readers.inspect_log import INSPECT
from hatstats.logs.readers.lighteval import LIGHTEVAL
from hatstats.logs.readers.lm_eval import RESULTS, SAMPLES
from hatstats.logs.readers.other_harnesses import NEMO_SKILLS, OPENCOMPASS, PROMPTFOO
from hatstats.logs.readers.plain import PLAIN
from hatstats.logs.readers.reader import Preview, Reader, Rows
from hatstats.logs.readers.schema import (
    NAMES,
    REGRADED,
    Choices,
    Field,
    LeftOut,
    Note,
    Record,
    text_at,
)
from hatstats.logs.readers.simple_evals import SIMPLE_EVALS
from hatstats.study.files import shown
from hatstats.study.schema import near

#: In the order in which they are asked; plain tables come last, since any table is one.
READERS = (SAMPLES, RESULTS, INSPECT, HELM, LIGHTEVAL, EUROEVAL, EVERY_EVAL_ITEMS, EVERY_EVAL,
           SIMPLE_EVALS, OPENCOMPASS, NEMO_SKILLS, PROMPTFOO, PLAIN)  # fmt: skip
#: Group of entry points under which an installed package offers readers of its own.
GROUP = "hatstats.readers"
#: Formats whose records name their model, so that a copy of a file has nothing of its own.
_NAMES_MODEL = {PLAIN, EUROEVAL, EVERY_EVAL, EVERY_EVAL_ITEMS, INSPECT}
_DATE = re.compile(r"\d{4}-\d\d-\d\dT[\d.:-]+|\d{8}_\d{6}")
#: What a record graded anew says beside its score.
_GRADED = {"filter": REGRADED, "metrics": [REGRADED]}
#: Bytes up to which a document of no known format is looked into.
_SMALL = 64 << 20
_URL_KINDS = {".parquet": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl"}
Progress = Callable[[str, float], None]


@dataclass(slots=True)
class Discovered:
    """What was found in the logs, before any row is counted.

    `sources` are what an engine reads; `read` has the records read of each document, `formats` the
    format of each file, `left_out` pairs of file and what of it is not counted, `copies` the file
    of each cleaned copy, `notes` what readers assumed, each once.
    """

    sources: list[Rows] = field(default_factory=list)
    read: dict[str, int] = field(default_factory=dict)
    formats: dict[str, str] = field(default_factory=dict)
    left_out: list[tuple[str, LeftOut]] = field(default_factory=list)
    copies: dict[str, str] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)


def discover(
    logs: Sequence[str], format: str | None, choices: Choices, scratch: Path, progress: Progress
) -> Discovered:
    """Find the files of logs (files, folders, patterns, URLs) and read the documents among them.

    Without a `format` a preview of each file shows it. What is read is written into `scratch`
    alone.
    """
    readers = (*_plug_ins(), *READERS)
    chosen = _named_reader(format, readers) if format else None
    result = Discovered()
    groups: dict[Reader, list[Preview]] = defaultdict(list)
    for preview in _previews(logs):
        if (name := shown(preview.path)) != str(preview.path):
            result.left_out.append((name, LeftOut("its path is not UTF-8: rename it", 0)))
            continue
        if preview.kind == "duckdb":
            table = f"{preview.path}::{choices.settings.get('table', '')}"
            result.sources.append(Rows("table", (table,), ()))
            result.formats[str(preview.path)] = "plain"
            continue
        reader = chosen or _find_reader(preview, readers)
        if isinstance(reader, LeftOut):
            result.left_out.append((str(preview.path), reader))
        else:
            groups[reader].append(preview)
    for reader, previews in groups.items():
        name = reader.name
        if reader in {*_NAMES_MODEL, SAMPLES}:
            previews = list(_without_copies(previews, result, anywhere=reader in _NAMES_MODEL))
        result.formats |= {str(each.first.get("") or each.path): name for each in previews}
        how = choices.settings.get("regrade", "")
        if how and (reader.layout is None or not reader.layout.response):
            reason = LeftOut(
                "it holds no responses with their targets to grade anew", 0, by_rule=True
            )
            result.left_out += [(str(each.path), reason) for each in previews]
            continue
        if how:
            result.notes[f"Responses graded anew ({how}), whatever the logs say of them."] = None
        if reader.rows is not None:
            clean = [_clean(preview, scratch, result, reader, how) for preview in previews]
            found = reader.rows(clean, choices)
            result.sources += found
            result.notes |= dict.fromkeys(note for rows in found for note in rows.notes)
        else:
            _read_documents(reader, previews, choices, scratch / name, result, progress)
    return result


def _plug_ins() -> list[Reader]:
    """Readers of installed packages, which come before those of hatstats."""
    found: list[Reader] = []
    for point in metadata.entry_points(group=GROUP):
        fault, hint = "", f"it names a {Reader.__module__}.Reader, or a list of them."
        try:
            loaded = point.load()
        except Exception as reason:  # whatever a stranger's module raises when it is imported
            loaded, fault = [], f"cannot be loaded ({type(reason).__name__}: {reason})"
            hint = "correct or uninstall that package."
        several = loaded if isinstance(loaded, list | tuple) else [loaded]
        if not all(isinstance(each, Reader) for each in several):
            fault = "is no Reader"
        if fault:
            message = f"the reader {point.name!r} of an installed package {fault}."
            raise DataError(message, value=point.value, hint=hint)
        found += several
    return found


def _find_reader(preview: Preview, readers: Sequence[Reader]) -> Reader | LeftOut:
    """The first reader whose format a file has, or why there is none."""
    path = preview.path
    if path.name in COMPANIONS and (path.parent / "run_spec.json").exists():
        return LeftOut("it belongs to a HELM run and holds no single answers", 0, by_rule=True)
    for reader in readers:
        if reader.matches(preview):
            return reader
    return LeftOut(_why_not(preview), 0)


def _why_not(preview: Preview) -> str:
    """Why no reader takes a file, and what would help where rows of a table lie inside it."""
    if preview.head == "empty":
        return "it is empty"
    if preview.kind == "zip":
        inside = ", ".join(Archive(preview.path).names[:3]) or "nothing"
        return f"it is an archive that no harness wrote, with {inside} in it: unpack it"
    if preview.kind == "json" and preview.path.stat().st_size < _SMALL:
        try:
            document = load_json(preview.path)
        except DataError:  # a broken file of whatever else lies beside logs
            return "it is no whole JSON document"
        for name, value in document.items():
            if name and isinstance(value, list) and value and isinstance(value[0], dict):
                return (
                    f"it is one JSON object, whose {name!r} holds {len(value)} records: write that "
                    "list alone into the file"
                )
    return "it is no log of a known format"


def _named_reader(name: str, readers: Sequence[Reader]) -> Reader:
    """The reader of a format by its name."""
    by_name = {reader.name: reader for reader in reversed(readers)}
    if name not in by_name:
        raise DataError(
            "the format is not known.",
            value=name,
            hint=f"use one of {', '.join(by_name)}.{near(name, by_name)}",
        )
    return by_name[name]


def _previews(logs: Sequence[str]) -> Iterator[Preview]:
    """Previews of all files of the logs; URLs are not opened."""
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
            yield Preview(Path(log), f"url:{_URL_KINDS[suffix]}", {"": log})
            continue
        for path, root in _files(log):
            found = True
            yield preview_file(path, root)
    if not found:
        raise DataError(
            "there is no file in it.", file=", ".join(logs), hint="name the folder of the logs."
        )


def _files(log: str) -> Iterator[tuple[Path, Path | None]]:
    """Files of a path or pattern, each with the folder that was named, if it was one."""
    path = Path(log)
    if os.path.isdir(path):
        root = path.resolve()
        for file in sorted(root.rglob("*")):
            inside = file.relative_to(root).parts
            if file.is_file() and not any(part.startswith((".", "_")) for part in inside):
                yield file, root
    elif os.path.exists(path):
        yield path.resolve(), None
    elif hits := sorted(glob.glob(log, recursive=True)):
        yield from ((Path(hit).resolve(), None) for hit in hits if Path(hit).is_file())
    else:
        raise DataError(
            "there is no such file or folder.", file=log, hint="correct the path to the logs."
        )


def _without_copies(
    previews: Sequence[Preview], result: Discovered, *, anywhere: bool
) -> Iterator[Preview]:
    """Leave out files with the same bytes as an earlier one; only equal sizes are compared.

    Files whose names say model and task are compared with those of their folder and task alone,
    `anywhere` with all.
    """
    by_size: dict[tuple[int, str], list[Preview]] = defaultdict(list)
    for preview in previews:
        path = preview.path
        place = "" if anywhere else str(path.with_name(_DATE.sub("", path.name)))
        by_size[path.stat().st_size if path.exists() else -1, place].append(preview)
    for (size, _), group in by_size.items():
        same: dict[str, list[Preview]] = defaultdict(list)
        for number, preview in enumerate(group):
            digest = str(number)
            if len(group) > 1 and size >= 0:
                with preview.path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
            same[digest].append(preview)
        for first, *others in same.values():
            reason = LeftOut(f"the same bytes as {first.path.name}", 0, not anywhere)
            result.left_out += [(str(other.path), reason) for other in others]
            yield replace(first, doubles=tuple(other.path for other in others))


def _clean(
    preview: Preview, scratch: Path, result: Discovered, reader: Reader, how: str
) -> Preview:
    """A copy in UTF-8 as databases read it: no byte order mark, one JSON object in each line.

    A text in gzip is read through once: databases do not check that it is whole. With `how`,
    responses are graded anew.
    """
    path, text = preview.path, preview.kind in ("jsonl", "csv")
    if text:
        check_gzip(path)
    if not how and not (text and (preview.array or has_byte_order_mark(path))):
        return preview
    lines = bool(how) or preview.array
    copy = scratch / "copies" / f"{len(result.copies)}_{path.name.removesuffix('.gz')}"
    copy = copy.with_suffix(".jsonl") if lines else copy
    copy.parent.mkdir(exist_ok=True)
    with copy.open("w", encoding="utf-8", newline="") as target:
        if lines:
            records = table_records(preview)
            records = _regraded(records, reader, how) if how else records
            target.writelines(json.dumps(record, default=str) + "\n" for record in records)
        else:
            with open_text(path) as source:
                shutil.copyfileobj(source, target)
    result.copies[str(copy)] = str(path)
    if how:
        first = {**preview.first, **_GRADED, REGRADED: 1.0}
        preview = replace(preview, kind="jsonl", first=first, array=False)
    return replace(preview, path=copy, root="", original=path)


def _regraded(
    records: Iterator[dict[str, Any] | None], reader: Reader, how: str
) -> Iterator[dict[str, Any] | None]:
    """Records with the share of their right responses; what several filters read counts once."""
    seen: set[str] = set()
    assert reader.layout is not None
    for record in records:
        if record is None:  # stays a line that is no object, and is counted as such
            yield None
            continue
        name = text_at(record, "doc_id") if "filtered_resps" in record else ""
        if name not in seen:
            share = reader.layout.share(record, how)
            yield {**record, **_GRADED, REGRADED: share}
        seen |= {name} - {""}


def _read_documents(
    reader: Reader,
    previews: Sequence[Preview],
    choices: Choices,
    folder: Path,
    result: Discovered,
    progress: Progress,
) -> None:
    """Read documents one by one into two files of JSON lines, of responses and of totals."""
    folder.mkdir(exist_ok=True)
    own = (FILE, *NAMES, "source_language", "wording", "config")
    tables = {"correct": own, "n_correct": (*own, "n_trials")}
    with ExitStack() as stack:
        files = {
            name: stack.enter_context((folder / f"{name}.jsonl").open("w", encoding="utf-8"))
            for name in tables
        }
        for position, preview in enumerate(previews):
            progress(f"{reader.name}: {preview.path.name}", position / len(previews))
            file = str(preview.path)
            result.read[file] = 0
            for record in _whole_records(reader, preview.path, choices):
                if isinstance(record, Note):
                    result.notes[record.text] = None
                    continue
                result.read[file] += record.rows if isinstance(record, LeftOut) else 1
                if isinstance(record, LeftOut):
                    result.left_out.append((file, record))
                    continue
                known = {name: str(value) for name, value in record.items() if value is not None}
                target = files["n_correct" if "n_trials" in record else "correct"]
                target.write(json.dumps({FILE: file, **known}) + "\n")
    for name, columns in tables.items():
        path = folder / f"{name}.jsonl"
        if path.stat().st_size:
            present = set(columns) - ({"item"} if name == "n_correct" else set())
            fields = tuple(
                Field(each, (each,)) for each in (*columns, name) if each in present | {name}
            )
            result.sources.append(Rows("json", (str(path),), fields, documents=True))


def _whole_records(
    reader: Reader, path: Path, choices: Choices
) -> Iterator[Record | LeftOut | Note]:
    """Records of a document; where its parts have other types than its format says, it ends."""
    assert reader.records is not None
    try:
        yield from reader.records(path, choices)
    except DataError:
        raise
    except (TypeError, AttributeError, LookupError, ArithmeticError, ValueError) as reason:
        yield LeftOut(f"from here on it is no log of {reader.name} ({reason})")
