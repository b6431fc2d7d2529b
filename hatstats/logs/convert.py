"""`convert_logs`: logs of any known harness to one study, with an account of every row."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from hatstats.errors import DataError, explained_imports
from hatstats.inference.result_frame import Printed
from hatstats.logs import count
from hatstats.logs.account import (
    account_table,
    conversion_text,
    left_out_table,
    pairing_notes,
    suffix_notes,
)
from hatstats.logs.backends import FILE, DuckDB, Engine, OtherBackend, engine_for, plain_path
from hatstats.logs.discover import Discovered, Progress, discover
from hatstats.logs.pool import Part, Pool, study_of_counts
from hatstats.logs.readers.plain import ALIASES, find_fields
from hatstats.logs.readers.reader import NAMES, Choices, Field, LeftOut, Rows
from hatstats.study.frames.native import is_frame, no_path
from hatstats.study.schema import near
from hatstats.study.study import Study

#: What `settings` may name beside the columns of a response.
SETTINGS = ("metric", "filter", "scorer", "n_trials", "chance", "table")
#: Those that may be given for one benchmark or language: ``chance@xnli``, ``n_trials@xnli/de``.
_BY_BENCHMARK = ("n_trials", "chance", "source_language")
_DATABASES = {"duckdb", "ibis", "pyarrow", "pyspark", "py4j"}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Conversion(Printed):
    """A study made of logs, and what became of every row of them.

    Attributes
    ----------
    study : Study
    files : DataFrame
        One row for each file: `file, format, read, kept, set_aside, left_out`. Rows set aside were
        not chosen by a declared rule (another filter, a total beside its samples); rows left out
        could not be used. `read` is NaN where a database does not report it file by file.
    left_out : DataFrame
        `file, reason, rows, by_rule`; 0 rows where a whole file was not read.
    notes : tuple of str
        Choices made, languages and items that do not pair, names of models to look at.

    Examples
    --------
    >>> import tempfile
    >>> import hatstats as hs
    >>> study = hs.simulate_study(shape=hs.Shape(n_items=10, n_languages=2), rng=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = study.write(f"{folder}/quiz") / "counts.csv"
    ...     done = hs.convert_logs(table, settings={"source_language": "src", "chance": "0"})
    >>> done.notes
    ('simulated: 10 trials of every item.',)
    """

    study: Study
    files: pd.DataFrame
    left_out: pd.DataFrame
    notes: tuple[str, ...]

    def summary(self) -> str:
        """The account in plain text, at most 80 columns wide."""
        return conversion_text(self.study, self.files, self.left_out, self.notes)


@explained_imports()
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
        One format for all files; by default it is recognised file by file.
    fields : mapping, optional
        Column of a response to the field of the table that holds it: ``{"model": "model_id"}``;
        dots go inwards.
    settings : mapping, optional
        Columns that are constant (``{"language": "de"}``), choices where a log offers several
        (`metric`, `filter`, `scorer`), `n_trials` where totals do not say it, `source_language`,
        `chance`, and ``{"model:OLD": "NEW"}`` to merge two names of one model. The last three
        may be for one benchmark, or one language of it: ``n_trials@xnli``, ``n_trials@xnli/de``.
        What a log records comes before `n_trials`.
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

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> import hatstats as hs
    >>> rows = pd.DataFrame({
    ...     "model": "acme-1", "benchmark": "quiz", "language": ["en", "en", "sw", "sw"],
    ...     "item": ["q1", "q2", "q1", "q2"], "correct": [1, 1, 0, 1],
    ... })
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rows.to_csv(f"{folder}/runs.csv", index=False)
    ...     done = hs.convert_logs(f"{folder}/runs.csv")
    >>> done.study
    Study('runs', item data: 1 model, 1 benchmark, 2 languages, 4 rows)
    >>> done.files[["read", "kept", "left_out"]].to_dict("records")
    [{'read': 4.0, 'kept': 4.0, 'left_out': 0}]
    """
    if is_frame(logs) or not isinstance(logs, str | Path | Iterable):
        raise no_path(logs, "convert_logs")
    choices = _choices(fields or {}, settings or {})
    paths = [logs] if isinstance(logs, str | Path) else list(logs)
    step = progress or (lambda what, share: None)
    with tempfile.TemporaryDirectory(prefix="hatstats-") as folder:
        scratch = Path(folder)
        local = DuckDB(scratch)
        engine: Engine = local if backend in (None, "duckdb") else engine_for(backend)
        if isinstance(engine, OtherBackend):
            names = [str(name) for name in paths]
            sources = [Rows("table", (name,), ()) for name in names]
            found = Discovered(sources, formats=dict.fromkeys(names, "plain"))
        else:
            found = discover([str(path) for path in paths], format, choices, scratch, step)
        reads = (rows for rows in found.sources if engine is local or rows.documents)
        local.close_but_for(file for rows in reads if rows.kind != "table" for file in rows.files)
        counter = Counter(local, engine, found, choices)
        parts = []
        for position, rows in enumerate(found.sources):
            step(f"counting: {Path(rows.files[0]).name}", position / len(found.sources))
            parts.append(counter.part(rows))
        step("pooling", 0.9)
        _check_something(parts, found.left_out)
        pool = Pool(local, parts, choices)
        pool.counts()
        _check_something(pool.rows("SELECT 1 FROM counts LIMIT 1"), counter.losses(pool))
        study, notes = study_of_counts(pool, choices, _study_name(paths[0]))
        losses = left_out_table(counter.losses(pool))
        by_file = {counter.original(file): n for file, n in pool.read_by_file().items()}
        files = account_table(found.formats, counter.read | by_file | found.read, losses)
        faults = losses[~losses["by_rule"].to_numpy(dtype=bool)]
        if strict and len(faults):
            raise DataError(
                f"{faults['rows'].sum()} rows would be left out; the first: "
                f"{faults['reason'].iloc[0]}.",
                file=str(faults["file"].iloc[0]),
                hint="correct the log, or convert without strict=True.",
            )
        step("done", 1.0)
    # The study's own notes say what was counted once.
    own = [study.info.notes] if study.info.notes else []
    notes = [*found.notes, *pool.notes, *notes, *own, *pairing_notes(study)]
    notes += suffix_notes([name for name in study.model_names if name not in pool.apart])
    return Conversion(study, files, losses, tuple(notes))


class Counter:
    """Counts the rows of groups of files, and why some do not count.

    `read` has the rows read of each file, as far as known; `left_out` maps the files of a group to
    each file of it and what is not counted.
    """

    def __init__(self, local: DuckDB, engine: Engine, found: Discovered, choices: Choices) -> None:
        self.local, self.engine, self.found, self.choices = local, engine, found, choices
        self.read: dict[str, int] = {}
        self.left_out: dict[tuple[str, ...], list[tuple[str, LeftOut]]] = {}

    def part(self, rows: Rows) -> Part:
        """Cells of one group of files; counted again trial by trial where some may repeat."""
        columns = {field.column for field in rows.fields}
        named = bool(rows.documents or rows.facts or columns & {"filter", "task"})
        part = self._part(rows, named, by_prompt=rows.documents)
        if not rows.documents and not rows.facts and self._may_repeat(part.cells):
            part = self._part(rows, True, by_prompt=True)
        return part

    def losses(self, pool: Pool) -> list[tuple[str, LeftOut]]:
        """Everything that is not counted, from finding files to pooling their cells."""
        parts = (self.found.left_out, *self.left_out.values(), pool.left_out)
        return [(self.original(file), each) for part in parts for file, each in part]

    def original(self, file: str) -> str:
        """The user's file, where a cleaned copy of it was read."""
        return self.found.copies.get(file, file)

    def _part(self, rows: Rows, named: bool, *, by_prompt: bool) -> Part:
        engine: Engine = self.local if rows.documents else self.engine
        try:
            responses, fields = self._responses(engine, rows, named)
            by_file = (named or rows.kind in ("json", "csv")) and FILE in responses.columns
            cells = count.counts(responses, by_file=by_file, by_prompt=by_prompt)
            inside = engine is self.local and rows.kind != "table"
            cells = self.local.store(cells if inside else engine.fetch(cells))
        except Exception as reason:
            raise _plain_error(reason, rows) from None
        self._account(engine, rows, cells, responses, by_file)
        totals = "n_trials" in {each.column for each in fields} and "item" not in responses.columns
        label = rows.files[0].split("::")[0] if len(rows.files) == 1 else ""
        return Part(cells, rows.facts, totals, label)

    def _responses(self, engine: Engine, rows: Rows, named: bool) -> tuple[Any, tuple[Field, ...]]:
        """Table of responses of a group of files, and where their columns were found."""
        fields = rows.fields
        if rows.kind in ("table", "arrow") or not fields:
            table = engine.table(rows, {})
            columns = [name for name in table.columns if name != FILE]
            fields = fields or find_fields(columns, self.choices, rows.files[0])
        else:
            header = dict.fromkeys(rows.header) if rows.kind == "csv" else None
            table = engine.table(rows, header or count.needed_columns(fields), named=named)
        constant = {name: text for name, text in self.choices.settings.items() if name in NAMES}
        return count.responses(table, fields, constant), fields

    def _may_repeat(self, cells: Any) -> bool:
        """Whether some cell has a trial twice, or trials without numbers."""
        if "codes" not in cells.columns or "item" not in cells.columns:
            return False
        names = ["model", "benchmark", "language", "item", "filter", "task", "wording"]
        if FILE not in cells.columns:  # else cells are added up: a trial may recur in another file
            names.append("source_language")
        keys = ", ".join(name for name in names if name in cells.columns)
        found = self.local.connection.con.execute(
            f"SELECT 1 FROM {cells.get_name()} GROUP BY {keys} "
            "HAVING sum(odd) > 0 OR bit_count(sum(codes)) <> sum(n_kept) LIMIT 1"
        )
        return bool(found.fetchall())

    def _account(
        self, engine: Engine, rows: Rows, cells: Any, responses: Any, by_file: bool
    ) -> None:
        """Note the rows read and left out of each file; a second count of a group replaces it."""
        ((total, kept),) = self.local.connection.con.execute(
            f"SELECT sum(n_rows)::BIGINT, sum(n_kept)::BIGINT FROM {cells.get_name()}"
        ).fetchall()
        if rows.kind == "parquet" and not by_file:
            import pyarrow.parquet

            for file in rows.files:
                if "://" not in file:
                    self.read[file] = pyarrow.parquet.read_metadata(file).num_rows
        elif not by_file:
            self.read[rows.files[0].split("::")[0]] = int(total or 0)
        self.left_out[rows.files] = []
        if total == kept:
            return
        if FILE not in responses.columns and rows.kind == "parquet":
            responses, _ = self._responses(engine, rows, True)
        for row in engine.fetch(count.left_out(responses)).to_pylist():
            file = plain_path(str(row.get(FILE) or rows.files[0])).split("::")[0]
            lost = LeftOut(str(row["reason"]), int(row["n_rows"]))
            self.left_out[rows.files].append((file, lost))


def _choices(fields: Mapping[str, str], settings: Mapping[str, str]) -> Choices:
    """Check names and numbers of what a user chose."""
    for name in fields:
        if name not in ALIASES:
            raise DataError(
                "a response has no such column.",
                column=name,
                hint=f"map one of {', '.join(ALIASES)}.{near(name, ALIASES)}",
            )
    known = (*NAMES, "source_language", *SETTINGS)
    for given, value in settings.items():
        name, _, place = given.partition("@")
        if place and name not in _BY_BENCHMARK:
            raise DataError(
                "this setting is one for all benchmarks.",
                column=given,
                value=value,
                hint=f"give {name}, or one of {', '.join(_BY_BENCHMARK)} for one benchmark.",
            )
        if name not in known and not name.startswith("model:"):
            raise DataError(
                "there is no such setting.",
                column=name,
                value=value,
                hint=f"set one of {', '.join(known)}, model:OLD.{near(name, known)}",
            )
        if name in ("n_trials", "chance"):
            number = pd.to_numeric(value, errors="coerce")
            if not 0 <= number < (1.0 if name == "chance" else float("inf")):
                raise DataError(
                    "this is no number in range.",
                    column=name,
                    value=value,
                    hint="n_trials is a number of items, chance a proportion below 1.",
                )
    return Choices(dict(fields), dict(settings))


def _check_something(found: Sequence[object], left_out: Sequence[tuple[str, LeftOut]]) -> None:
    """Refuse to go on with nothing, and say what was left out."""
    if found:
        return
    why = sorted({f"{Path(file).name}: {lost.reason}" for file, lost in left_out})
    shown = "; ".join(why[:3]) or "no file in them is a log"
    raise DataError(
        f"nothing in these logs can be counted ({shown}).",
        hint="name files of a known format, or give a mapping (format='plain', "
        "fields={'item': 'COLUMN'}).",
    )


def _plain_error(reason: Exception, rows: Rows) -> Exception:
    """The message of a database about a file, as one error that names the file."""
    library = type(reason).__module__.split(".")[0].strip("_")
    encoding = isinstance(reason, UnicodeError)  # a path or name that no database takes
    if isinstance(reason, DataError) or (library not in _DATABASES and not encoding):
        return reason
    text = " ".join(str(reason).split())
    file = next((file for file in rows.files if file in text), "")
    several = f" (one of {len(rows.files)} files)" if len(rows.files) > 1 and not file else ""
    hint = "copy the file again from where it was written, or leave it out."
    if "maximum_object_size" in text or "Maximum line size" in text:
        text, hint = "a record is longer than 16 MiB", "leave that file out, or shorten the record."
    if "No space left" in text or "max_temp_directory_size" in text:
        hint = "make room for temporary files, or set TMPDIR to a larger disk."
    message = f"the file cannot be read{several} ({text[:300]})."
    return DataError(message, file=file or rows.files[0], hint=hint)


def _study_name(log: str | Path) -> str:
    """Name of a file or folder without the endings of tables."""
    name = Path(str(log)).name
    for ending in (".gz", ".jsonl", ".csv", ".tsv", ".parquet", ".json"):
        name = name.removesuffix(ending)
    return name or "converted"
