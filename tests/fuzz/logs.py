"""Folders of logs of every harness, and what may happen to their bytes."""

from __future__ import annotations

import gzip
import io
import json
import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from tests.logs import writers
from tests.logs.cases import quiz

RECORDED = Path(__file__).parents[1] / "logs" / "recorded"
#: What stands where a number, a text or a list was.
TOKENS = (
    b"9" * 400, b"9" * 5000, b"1e999", b"-1", b"NaN", b"Infinity", b"38,0",
    b"0.3333333333333333333", b"null",
    b"true", b'"x"', b'""', b"[]", b"{}", b"[" * 3000, b'{"a":' * 3000,
    b'"' + b"y" * 70_000 + b'"', b"\xff\xfe",
    b"\x00", b"\xc3", b"\xed\xa0\x80", b"\\ud800", b"en", b"../..", b"~nosuchuser", b"\r",
    b"\n", b'"', b"'", b",",
    b"=1+1", b"{{x}}", b"1_0", b"\xef\xbb\xbf", b"2**9**9",
)  # fmt: skip
#: Values that leave a document whole, in place of a number and of a text.
NUMBERS = (b"0", b"1", b"-1", b"0.5", b"1e999", b"9" * 400, b"null", b"true", b'"x"', b"[]")
TEXTS = (b"", b"en", b"de", b"nan", b"=1+1", b"../..", b"\\ud800", b"\\u0000", b"1.0", b"A",
         "日本".encode(), b"y" * 70_000, b"<b>", b"\\n", b"acme/large", b"~nosuchuser")  # fmt: skip
#: What breaks a file, and what puts another value in its place.
BREAKING = ("flip", "token", "delete", "duplicate", "truncate", "splice", "insert", "field")
KEEPING = ("number", "text", "line")


@dataclass(frozen=True)
class Mutation:
    """One change of one file: places are shares of its length,
    so that they shrink to its start."""

    kind: str
    file: int
    start: int
    length: int
    token: bytes
    inside: bool

    def of(self, data: bytes, other: bytes) -> bytes:
        """The bytes after the change; `other` is what is spliced in."""
        low = len(data) * self.start // 1000
        high = min(len(data), low + max(1, self.length))
        if self.kind == "flip" and data:
            low = min(low, len(data) - 1)
            return data[:low] + bytes([data[low] ^ (1 << self.length % 8)]) + data[low + 1 :]
        if self.kind in KEEPING:
            return self._another_value(data, low)
        if self.kind == "field":  # a whole value, up to where it ends
            low = (
                max((data.find(mark, low) for mark in (b": ", b":", b",", b"\t")), default=low) + 1
            )
            ends = [end for mark in b",}\n\t" if (end := data.find(mark, low + 1)) >= 0]
            return data[:low] + self.token + data[min(ends, default=len(data)) :]
        return {
            "token": data[:low] + self.token + data[high:],
            "insert": data[:low] + self.token + data[low:],
            "delete": data[:low] + data[high:],
            "duplicate": data[:high] + data[low:],
            "truncate": data[:low],
        }.get(self.kind, data[:low] + other[len(other) * self.start // 1000 :])

    def _another_value(self, data: bytes, low: int) -> bytes:
        """The data with the next number, text or line another one, so that it stays a document."""
        pattern, values = {
            "number": (rb"(?<=[ :,\t])-?\d+(\.\d+)?(?=[,\s}\]])", NUMBERS),
            "text": (rb'(?<=: ")[^"\\]*(?=")|(?<=:")[^"\\]*(?=")', TEXTS),
            "line": (rb"\n[^\n]*(?=\n)", (b"",)),
        }[self.kind]
        found = re.compile(pattern).search(data, low) or re.compile(pattern).search(data)
        if found is None:
            return data
        value = values[self.start % len(values)]
        if self.kind == "line" and self.length % 2:
            value = found.group() * 2
        return data[: found.start()] + value + data[found.end() :]

    def of_table(self, data: bytes) -> bytes:
        """A Parquet file with one of its columns of another type or empty, or with other rows."""
        table = pq.read_table(io.BytesIO(data))
        index = self.start % table.num_columns
        name, count = table.column_names[index], table.num_rows
        columns = {
            "number": pa.array([0.5, -1.0, float("nan"), 1e300][self.start % 4 :][:1] * count),
            "text": pa.array([TEXTS[self.start % len(TEXTS)].decode()] * count),
            "field": pa.nulls(count),
            "token": pa.array([[1]] * count),
        }
        if self.kind in columns:
            table = table.set_column(index, name, columns[self.kind])
        elif self.kind == "line":
            table = pa.concat_tables([table, table.slice(0, self.length)])
        elif self.kind == "delete":
            table = table.drop_columns([name])
        else:
            table = table.slice(self.start % (count + 1), self.length)
        packed = io.BytesIO()
        pq.write_table(table, packed)
        return packed.getvalue()


@dataclass(frozen=True)
class LogCase:
    """Files of a log folder by relative path, and whether English is said to be the source."""

    kind: str
    mutations: tuple[Mutation, ...]
    said: bool

    def write(self, folder: Path) -> Path:
        files = dict(fixtures()[self.kind])
        names = sorted(files)
        others = fixtures()[sorted(fixtures())[len(self.mutations) + len(names)]]
        for change in self.mutations:
            name = names[change.file % len(names)]
            files[name] = _changed(name, files[name], change, next(iter(others.values())))
        for name, data in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return folder


def _changed(name: str, data: bytes, change: Mutation, other: bytes) -> bytes:
    """A file after a change, of what is packed in it where that is asked for."""
    if change.kind == "line" and name.endswith(".json"):
        change = replace(change, kind="text")
    try:
        if change.inside and name.endswith(".gz"):
            return gzip.compress(change.of(gzip.decompress(data), other), 1)
        if change.inside and name.endswith(".eval"):
            return _rezipped(data, change, other)
        if name.endswith(".parquet") and (change.inside or change.kind in KEEPING):
            return change.of_table(data)
    except (
        OSError,
        EOFError,
        zipfile.BadZipFile,
        KeyError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        zlib.error,
        pa.ArrowException,
    ):
        pass  # broken by an earlier change
    return change.of(data, other)


def _rezipped(data: bytes, change: Mutation, other: bytes) -> bytes:
    """An archive with one of its members changed."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    name = sorted(members)[change.length % len(members)]
    members[name] = change.of(members[name], other)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, text in members.items():
            archive.writestr(member, text)
    return packed.getvalue()


@cache
def fixtures() -> dict[str, dict[str, bytes]]:
    """Small logs of every kind: files by relative path, those that others recorded among them."""
    frame = writers.responses()
    frame = frame[(frame["item"] < 4) & (frame["prompt"] < 2)]
    found = {}
    for write in (*writers.ITEMWISE, *writers.TOTAL, *_OTHERS):
        with tempfile.TemporaryDirectory() as folder:
            write(frame, Path(folder))
            found[write.__name__.strip("_")] = _bytes(Path(folder))
    for folder in sorted(path for path in RECORDED.iterdir() if path.is_dir()):
        found[f"recorded {folder.name}"] = _bytes(folder)
    return found


def _bytes(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _opencompass(frame: object, folder: Path) -> None:
    for (model, language), rows in quiz().groupby(["model", "language"]):
        path = folder / "20260102_030405" / "results" / str(model) / f"quiz_{language}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        details = [{"example_abbr": f"quiz_{language}_{i}", "pred": ["7"], "answer": ["7"],
                    "correct": [bool(x)]}
                   for i, x in enumerate(rows["correct"][:6])]  # fmt: skip
        path.write_text(json.dumps({"accuracy": 50.0, "details": details, "type": "GEN"}, indent=4))


def _nemo_skills(frame: object, folder: Path) -> None:
    for model, rows in quiz().groupby("model"):
        path = folder / str(model) / "eval-results" / "quiz" / "output-rs0.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [{"question": "?", "expected_answer": "7", "subset_for_metrics": row.language,
                  "target_language": row.language, "generation": "7", "predicted_answer": "7",
                  "symbolic_correct": bool(row.correct)}
                 for row in rows[::10].itertuples()]  # fmt: skip
        writers.write_lines(path, lines)


def _promptfoo(frame: object, folder: Path) -> None:
    rows = []
    for number, row in enumerate(quiz()[::8].itertuples()):
        given = {"language": row.language, "question_id": row.item, "expected": "7"}
        rows.append({
            "id": f"{number}", "promptIdx": 0, "testIdx": number, "vars": given, "promptId": "0",
            "provider": {"id": f"api:{row.model}", "label": row.model}, "prompt": {"raw": "x",
            "label": "w"},
            "testCase": {"vars": given, "assert": []}, "response": {"output": "7"},
            "failureReason": 0,
            "success": bool(row.correct), "score": float(row.correct),
            "gradingResult": {"pass": True},
        })  # fmt: skip
    log = {"evalId": "e", "results": {"version": 3, "results": rows, "stats": {}}, "config": {}}
    (folder / "out.json").write_text(json.dumps(log, indent=2))


def _simple_evals(frame: object, folder: Path) -> None:
    record = {
        "en": 0.908,
        "en:std": 0.3,
        "bn": 0.868,
        "sw": 0.732,
        "group_latin": 0.8,
        "score": 0.6,
    }
    (folder / "mgsm_gpt-4o-mini.json").write_text(json.dumps(record, indent=2))


def _spreadsheet(frame: object, folder: Path) -> None:
    table = (
        quiz()
        .groupby(["model", "language", "benchmark"], as_index=False)["correct"]
        .agg(["sum", "count"])
    )
    table = table.rename(columns={"sum": "n_correct", "count": "n_trials"})
    table.to_csv(folder / "counts.csv", sep=";", decimal=",", index=False, encoding="utf-8-sig")


_OTHERS: tuple[Callable[..., None], ...] = (
    _opencompass, _nemo_skills, _promptfoo, _simple_evals, _spreadsheet,
)  # fmt: skip

mutations = st.builds(
    Mutation,
    kind=st.sampled_from((*KEEPING, *KEEPING, *KEEPING, *BREAKING)),
    file=st.integers(0, 19),
    start=st.integers(0, 1000),
    length=st.sampled_from((1, 2, 3, 8, 30, 200, 5000)),
    token=st.sampled_from(TOKENS),
    # Bytes of an archive or a table that are changed from outside mostly end it.
    inside=st.integers(0, 9).map(lambda drawn: drawn > 1),
)
log_folders = st.deferred(
    lambda: st.builds(
        LogCase,
        kind=st.sampled_from(sorted(fixtures())),
        mutations=st.sampled_from((1, 1, 2, 4)).flatmap(
            lambda most: st.lists(mutations, min_size=1, max_size=most).map(tuple)
        ),
        said=st.booleans(),
    )
)
