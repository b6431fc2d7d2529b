"""`convert_logs`: logs of any known harness to one study, with an account of every row."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from hatstats.errors import DataError
from hatstats.logs import count as reduce
from hatstats.logs.account import (
    account_table,
    conversion_text,
    left_out_table,
    pairing_notes,
    suffix_notes,
)
from hatstats.logs.backends import FILE, DuckDB, Engine, OtherBackend, engine_for, plain_path
from hatstats.logs.build_study import study_of_counts
from hatstats.logs.discover import Gathered, Progress, Source, gather
from hatstats.logs.pool import Part, Pool
from hatstats.logs.readers.plain import ALIASES, find_fields
from hatstats.logs.readers.reader import NAMES, Choices, LeftOut, Rows
from hatstats.study.schema import near
from hatstats.study.study import Study

#: What ``--set`` may name beside the columns of a response.
_DATABASES = {"duckdb", "ibis", "pyarrow", "pyspark", "py4j"}
SETTINGS = ("metric", "filter", "scorer", "n_trials", "chance", "table")


@dataclass(frozen=True, slots=True, eq=False)
class Conversion:
    """A study made of logs, and what became of every row of them.

    Attributes
    ----------
    study : Study
    files : DataFrame
        One row for each file: `file, format, read, kept, set_aside, left_out`. Rows set aside were
        not chosen by a declared rule (another filter, a total beside its samples); rows left out
        could not be used. `read` is NaN where a database does not say it file by file.
    left_out : DataFrame
        `file, reason, rows, by_rule`; 0 rows where a whole file was not read.
    notes : tuple of str
        Choices made, languages and items that do not pair, names of models to look at.
    """

    study: Study
    files: pd.DataFrame
    left_out: pd.DataFrame
    notes: tuple[str, ...]

    def summary(self) -> str:
        """The account in plain text, at most 80 columns wide."""
        return conversion_text(self.study, self.files, self.left_out, self.notes)

    def __repr__(self) -> str:
        """Return one line: the study and how many files it comes from."""
        return f"Conversion({self.study!r} from {len(self.files)} files)"


def convert_logs(
    logs: str | Path | Sequence[str | Path],
    *,
    format: str | None = None,
    fields: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
    backend: object = None,
    strict: bool = False,
    progress: Progress | None = None,
) -> Conversion:
    """Turn logs of evaluations into a study.

    Parameters
    ----------
    logs : path, pattern, URL, or several
        Files and folders with logs of lm-evaluation-harness, Inspect, HELM, lighteval, EuroEval,
        simple-evals or every_eval_ever, or plain tables (CSV, TSV, JSON lines, Parquet, Arrow,
        DuckDB). Folders are searched. With an Ibis address as backend, names of its tables.
    format : str, optional
        One format for all files; by default each file is looked at.
    fields : mapping, optional
        Column of a response to the field of the table that holds it: ``{"model": "model_id"}``;
        dots go inwards.
    settings : mapping, optional
        Columns that are constant (``{"language": "de"}``), choices where a log offers several
        (`metric`, `filter`, `scorer`), `n_trials` where totals do not say it, `source_language`,
        `chance`, and ``{"model:OLD": "NEW"}`` to merge two names of one model.
    backend : str or SparkSession, optional
        Where rows are counted: DuckDB in this process by default, ``spark://HOST:PORT``,
        ``spark://local``, a session of PySpark, or an address for ``ibis.connect``.
    strict : bool
        Raise where a row would be left out, instead of counting it.
    progress : callable, optional
        Called with what is being done and the share done.

    Returns
    -------
    Conversion

    Raises
    ------
    DataError
        For what cannot be read, for an ambiguous column or source language, when nothing is left,
        and with `strict` for the first rows left out.
    """
    chosen = _choices(fields or {}, settings or {})
    given = [logs] if isinstance(logs, str | Path) else list(logs)
    step = progress or (lambda what, share: None)
    with tempfile.TemporaryDirectory(prefix="hatstats-") as folder:
        scratch = Path(folder)
        local = DuckDB(scratch)
        engine = local if backend in (None, "duckdb") else engine_for(backend, scratch)
        gathered = _gathered(engine, given, format, chosen, scratch, step)
        counter = Counter(local, engine, gathered, chosen)
        parts = []
        for at, source in enumerate(gathered.rows):
            step(f"counting: {source.format}", at / len(gathered.rows))
            parts.append(counter.part(source))
        step("pooling", 0.9)
        _check_something(parts, gathered.left_out)
        pool = Pool(local, parts, chosen)
        pool.counts()
        _check_something(pool.rows("SELECT 1 FROM counts LIMIT 1"), counter.losses(pool))
        study, notes = study_of_counts(pool, chosen, _name(given))
        everything = counter.losses(pool)
        by_file = {counter.original(file): n for file, n in pool.read_by_file().items()}
        read = {**counter.read, **by_file, **gathered.read}
        files = account_table(gathered.formats, read, everything)
        losses = left_out_table(everything)
        if strict:
            _refuse(losses)
        step("done", 1.0)
    said = (*pool.notes, *notes, *pairing_notes(study), *suffix_notes(study.model_names))
    return Conversion(study, files, losses, said)


class Counter:
    """Counts the rows of groups of files, and why some do not count."""

    def __init__(self, local: DuckDB, engine: Engine, gathered: Gathered, choices: Choices) -> None:
        self.local, self.engine, self.gathered, self.choices = local, engine, gathered, choices
        self.read: dict[str, int] = {}
        self.left_out: dict[tuple[str, ...], list[tuple[str, LeftOut]]] = {}

    def part(self, source: Source) -> Part:
        """Cells of one group of files."""
        rows, columns = source.rows, {field.column for field in source.rows.fields}
        named = bool(source.documents or rows.facts or columns & {"filter", "task"})
        part = self._part(source, named, by_prompt=source.documents)
        if not source.documents and not rows.facts and self._may_repeat(part.cells):
            part = self._part(source, True, by_prompt=True)
        return part

    def _part(self, source: Source, named: bool, *, by_prompt: bool) -> Part:
        rows = source.rows
        engine: Engine = self.local if source.documents else self.engine
        table, fields = self._table(engine, rows, named)
        responses = reduce.responses(table, fields, self._constant())
        by_file = (named or rows.kind in ("json", "csv")) and FILE in responses.columns
        try:
            expression = reduce.counts(responses, reduce.Grouping(by_file, by_prompt))
            local = engine is self.local
            cells = self.local.land(expression if local else engine.fetch(expression))
        except Exception as reason:
            raise _plain_error(reason, rows) from None
        self._account(engine, rows, cells, responses, by_file)
        totals = "n_trials" in {each.column for each in fields} and "item" not in responses.columns
        label = rows.files[0].split("::")[0] if len(rows.files) == 1 else ""
        return Part(cells, rows.facts, totals, label)

    def _constant(self) -> dict[str, str]:
        return {name: value for name, value in self.choices.values.items() if name in NAMES}

    def _table(self, engine: Engine, rows: Rows, named: bool) -> tuple[Any, tuple[Any, ...]]:
        try:
            if rows.kind in ("table", "arrow") or rows.fields == ():
                table = engine.table(rows, {})
                fields = rows.fields or find_fields(
                    [name for name in table.columns if name != FILE], self.choices, rows.files[0]
                )
                return table, fields
            columns = reduce.needed_columns(rows.fields)
            if rows.kind == "csv":
                columns = dict.fromkeys(rows.header)
            return engine.table(rows, columns, named=named), rows.fields
        except Exception as reason:
            raise _plain_error(reason, rows) from None

    def _may_repeat(self, cells: Any) -> bool:
        """Whether some cell was asked one trial twice, or has trials without numbers."""
        if "codes" not in cells.columns or "item" not in cells.columns:
            return False
        table = cells.get_name()
        if FILE in cells.columns:  # a trial may come again in another file
            names = ("model", "benchmark", "language", "item", "filter", "task")
            keys = ", ".join(name for name in names if name in cells.columns)
            table = (
                "(SELECT sum(codes) AS codes, sum(odd) AS odd, sum(n_kept) AS n_kept "
                f"FROM {table} GROUP BY {keys})"
            )
        found = self.local.connection.con.execute(
            f"SELECT 1 FROM {table} WHERE odd > 0 OR bit_count(codes) <> n_kept LIMIT 1"
        ).fetchall()
        return bool(found)

    def _account(
        self, engine: Engine, rows: Rows, cells: Any, responses: Any, by_file: bool
    ) -> None:
        """Note the rows read and left out of each file; a second count of a group replaces it."""
        total, kept = self.local.connection.con.execute(
            f"SELECT sum(n_rows)::BIGINT, sum(n_kept)::BIGINT FROM {cells.get_name()}"
        ).fetchall()[0]
        if rows.kind == "parquet" and not by_file:
            self.read |= _parquet_rows(rows.files)
        elif not by_file:
            self.read[rows.files[0].split("::")[0]] = int(total or 0)
        self.left_out[rows.files] = []
        if total == kept:
            return
        if FILE not in responses.columns and rows.kind == "parquet":
            table, fields = self._table(engine, rows, True)
            responses = reduce.responses(table, fields, self._constant())
        for row in engine.fetch(reduce.left_out(responses)).to_pylist():
            file = plain_path(str(row.get(FILE) or rows.files[0])).split("::")[0]
            lost = LeftOut(str(row["reason"]), int(row["n_rows"]))
            self.left_out[rows.files].append((file, lost))

    def losses(self, pool: Pool) -> list[tuple[str, LeftOut]]:
        """Everything that is not counted, from looking at files to pooling their cells."""
        parts = (self.gathered.left_out, *self.left_out.values(), pool.left_out)
        return [(self.original(file), each) for part in parts for file, each in part]

    def original(self, file: str) -> str:
        """The user's file, where a cleaned copy of it was read."""
        return self.gathered.copies.get(file, file)


def _choices(fields: Mapping[str, str], settings: Mapping[str, str]) -> Choices:
    for name in fields:
        if name not in ALIASES:
            raise DataError(
                "a response has no such column.",
                column=name,
                hint=f"map one of {', '.join(ALIASES)}.{near(name, ALIASES)}",
            )
    known = (*NAMES, "source_language", *SETTINGS)
    for name in settings:
        if name not in known and not name.startswith("model:"):
            raise DataError(
                "there is no such setting.",
                column=name,
                value=settings[name],
                hint=f"set one of {', '.join(known)}, model:OLD.{near(name, known)}",
            )
    for name, top in (("n_trials", float("inf")), ("chance", 1.0)):
        if name in settings:
            try:
                fine = 0 <= float(settings[name]) < top
            except ValueError:
                fine = False
            if not fine:
                raise DataError(
                    "this is no number in range.", column=name, value=settings[name],
                    hint="n_trials is a number of items, chance a proportion below 1.",
                )  # fmt: skip
    return Choices(dict(fields), dict(settings))


def _gathered(
    engine: Engine,
    logs: Sequence[str | Path],
    format: str | None,
    choices: Choices,
    scratch: Path,
    progress: Progress,
) -> Gathered:
    if isinstance(engine, OtherBackend):
        rows = [Source("plain", Rows("table", (str(name),), ())) for name in logs]
        return Gathered(rows=rows, formats={str(name): "plain" for name in logs})
    return gather([str(log) for log in logs], format, choices, scratch, progress)


def _check_something(found: Sequence[object], left_out: Sequence[tuple[str, LeftOut]]) -> None:
    if found:
        return
    why = sorted({f"{Path(file).name}: {lost.reason}" for file, lost in left_out})
    shown = "; ".join(why[:3]) or "no file in them is a log"
    raise DataError(
        f"nothing in these logs can be counted ({shown}).",
        hint="name files of a known format, or give a mapping (--format plain --map item=COLUMN).",
    )


def _parquet_rows(files: Sequence[str]) -> dict[str, int]:
    import pyarrow.parquet

    return {
        file: pyarrow.parquet.read_metadata(file).num_rows for file in files if "://" not in file
    }


def _plain_error(reason: Exception, rows: Rows) -> Exception:
    """What a database says of a file, as one message that names it."""
    room = type(reason).__module__.split(".")[0].strip("_")
    if isinstance(reason, DataError) or room not in _DATABASES:
        return reason
    text = " ".join(str(reason).split())
    named = next((file for file in rows.files if file in text), "")
    several = f" (one of {len(rows.files)} files)" if len(rows.files) > 1 and not named else ""
    if not named:
        named = rows.files[0]
    hint = "copy the file again from where it was written, or leave it out."
    if "maximum_object_size" in text or "Maximum line size" in text:
        text, hint = "a record is longer than 16 MiB", "leave that file out, or shorten the record."
    return DataError(f"the file cannot be read{several} ({text[:300]}).", file=named, hint=hint)


def _name(logs: Sequence[str | Path]) -> str:
    name = Path(str(logs[0])).name
    for ending in (".gz", *(f".{kind}" for kind in ("jsonl", "csv", "tsv", "parquet", "json"))):
        name = name.removesuffix(ending)
    return name or "converted"


def _refuse(losses: pd.DataFrame) -> None:
    faults = losses[~losses["by_rule"].to_numpy(dtype=bool)]
    if len(faults):
        first = faults.iloc[0]
        raise DataError(
            f"{int(faults['rows'].sum())} rows would be left out; the first: {first['reason']}.",
            file=str(first["file"]),
            hint="hint the log, or convert without --strict.",
        )
