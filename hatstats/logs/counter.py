"""Counts groups of files in an engine, and keeps account of what does not count."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from hatstats.errors import DataError
from hatstats.logs import count
from hatstats.logs.backends import FILE, DuckDB, Engine, plain_path
from hatstats.logs.discover import Discovered
from hatstats.logs.pool import Part, Pool
from hatstats.logs.readers.documents import preview_file, table_records
from hatstats.logs.readers.plain import (
    ALIASES,
    columns_note,
    find_fields,
    question_columns,
    wide_columns,
)
from hatstats.logs.readers.reader import Rows
from hatstats.logs.readers.schema import (
    NAMES,
    Choices,
    Field,
    LeftOut,
    metric_note,
    pick_score,
    text_at,
)
from hatstats.logs.vocabulary import (
    Marks,
    marks_of,
    read_shares,
    read_values,
    refuse_parts,
    with_commas,
)
from hatstats.study.frames.columns import plain_name

#: Fewest distinct questions, and the length of a text that is no name of a wording.
_FEWEST, _LONG = 10, 25
_DATABASES = {"duckdb", "ibis", "pyarrow", "pyspark", "py4j"}


class Counter:
    """Counts the rows of groups of files, and why some do not count.

    `read` has the rows read of each file, as far as known; `notes` what columns and scores were
    taken for; `left_out` maps the files of a group to each file of it and what is not counted.
    """

    def __init__(self, local: DuckDB, engine: Engine, found: Discovered, choices: Choices) -> None:
        self.local, self.engine, self.found, self.choices = local, engine, found, choices
        self.read: dict[str, int] = {}
        self.notes: dict[str, None] = {}
        self.left_out: dict[tuple[str, ...], list[tuple[str, LeftOut]]] = {}

    def part(self, rows: Rows) -> Part:
        """Cells of one group of files; counted again trial by trial where some may repeat."""
        try:
            rows = self._of_one_metric(self._settled(rows))
            columns = {field.column for field in rows.fields}
            named = bool(rows.documents or rows.facts or columns & {"filter", "task"})
            part = self._part(rows, named, by_prompt=rows.documents)
            if not rows.documents and not rows.facts and self._may_repeat(part.cells):
                part = self._part(rows, True, by_prompt=True)
        except Exception as reason:
            raise _plain_error(reason, rows) from None
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
        marks = marks_of(self.choices, rows.repeats)
        known = marks.plain and marks.unread == "wrong"
        part = self._counted(engine, rows, None if known else marks, named, by_prompt)
        if part is None:
            marks = self._marks(engine, rows, marks)
            rows = replace(rows, repeats=marks.repeats)
            part = self._counted(engine, rows, marks, named, by_prompt, last=True)
        assert part is not None
        if marks.note:
            self.notes[f"Scores {marks.note}."] = None
        return part

    def _counted(
        self, engine: Engine, rows: Rows, marks: Marks | None, named: bool, by_prompt: bool,
        *, last: bool = False,
    ) -> Part | None:  # fmt: skip
        """Cells of a group of files; None where scores are not known and their values must say."""
        responses = self._responses(engine, rows, named, marks)
        columns = {each.column for each in rows.fields}
        by_file = (named or rows.kind in ("json", "csv")) and FILE in responses.columns
        cells = count.counts(responses, by_file=by_file, by_prompt=by_prompt)
        inside = engine is self.local and rows.kind != "table"
        cells = self.local.store(cells if inside else engine.fetch(cells))
        # Names are looked at cell by cell: whether all are there is the same for all of its rows.
        names = [name for name in NAMES[:-1] if name in cells.columns]
        if names:
            self.local.connection.con.execute(
                f"UPDATE {cells.get_name()} SET n_kept = 0, n_unread = 0, n_correct = NULL, "
                "n_trials = NULL" + (", codes = NULL" if "codes" in cells.columns else "")
                + " WHERE " + " OR ".join(f"coalesce({name}, '') = ''" for name in names)
            )  # fmt: skip
        ((total, kept),) = self.local.connection.con.execute(
            f"SELECT sum(n_rows)::BIGINT, sum(n_kept)::BIGINT FROM {cells.get_name()}"
        ).fetchall()
        if total != kept and not last and {"correct", "share"} & columns:
            return None
        self._account(engine, rows, responses, by_file, (int(total or 0), int(kept or 0)))
        totals = (
            bool({"n_trials", "n_correct", "share"} & columns) and "item" not in responses.columns
        )
        label = rows.files[0].split("::")[0] if len(rows.files) == 1 else ""
        return Part(cells, rows.facts, totals, label, rows.repeats)

    def _marks(self, engine: Engine, rows: Rows, marks: Marks) -> Marks:
        """How the scores of a group of files are read, by their values; an error if not at all."""
        responses = self._responses(engine, rows, False, marks)
        found = engine.fetch(count.score_values(responses)).to_pylist()
        values = [(str(row["score"] or ""), int(row["n_rows"])) for row in found]
        ((column, path),) = [
            (each.column, ", ".join(rows.wide) or each.paths[0])
            for each in rows.fields
            if each.column in ("correct", "share")
        ]
        read = read_values if column == "correct" else read_shares

        def where() -> str:  # the first file with a score that is not known
            odd = self._responses(engine, rows, True, marks)
            first = engine.fetch(odd.filter(odd.right.isnull()).limit(1)).to_pylist()
            file = str((first and first[0].get(FILE)) or rows.files[0])
            return self.original(plain_path(file).split("::")[0])

        read_as, marks = with_commas(values, marks)
        try:
            marks = read(read_as, marks, where, path)
        except DataError:
            named = column == "correct" and rows.columns and "item" in responses.columns
            said = float(self.choices.of("n_trials") or 0) if named else 0
            if said < 2 or said % 1:
                raise
            marks = read(read_as, replace(marks, repeats=int(said)), where, path)
            self._whole_means(engine, rows, marks, path)
        if column == "share":
            table = self._responses(engine, rows, False, marks)
            parts = table.filter(table.reason == count.REASONS["neither"])
            shown = engine.fetch(parts.select("score", "trials").limit(1)).to_pylist()
            odd = engine.fetch(parts.aggregate(n=parts.count())).to_pylist()[0]["n"]
            refuse_parts(shown, int(odd), sum(n for _, n in values), where, path)
        return marks

    def _whole_means(self, engine: Engine, rows: Rows, marks: Marks, path: str) -> None:
        """An error about the first row whose mean is no whole number of the trials said."""
        table = self._responses(engine, rows, True, marks)
        odd = table.filter(table.reason == count.REASONS["neither"])
        shown = engine.fetch(odd.limit(1)).to_pylist()
        if not shown:
            return
        score = str(shown[0]["score"])
        file = self.original(plain_path(str(shown[0].get(FILE) or rows.files[0])))
        records = table_records(preview_file(Path(file))) if Path(file).is_file() else ()
        first = 2 if rows.kind == "csv" else 1
        found = (i for i, each in enumerate(records, first) if text_at(each, path) == score)
        raise DataError(
            f"{score} of {marks.repeats} trials is no whole number of right answers.",
            file=file,
            row=next(found, None),
            column=path,
            hint="correct n_trials, or give every item its own in a column n_trials.",
        )

    def _settled(self, rows: Rows) -> Rows:
        """A group of tables with their columns found and said; of other files as it is."""
        columns = rows.columns
        if rows.kind == "table" or not rows.fields:
            table = self.engine.table(rows, {})
            columns = tuple(name for name in table.columns if name != FILE)
            wide = wide_columns(columns, self.choices)
            fields = find_fields(columns, self.choices, rows.files[0], wide)
            rows = replace(rows, fields=fields, wide=wide, columns=columns)
        if not columns:
            return rows
        for candidate in question_columns(rows, self.choices):
            item = Field("item", (candidate,))
            others = tuple(each for each in rows.fields if candidate not in each.paths)
            found = self._as_items(replace(rows, fields=(item, *others)))
            if found is not None:
                rows, note = found
                self.notes[note] = None
                if rows.fields[0] == item:
                    break
        self.notes[columns_note(rows, self.choices)] = None
        return rows

    def _of_one_metric(self, rows: Rows) -> Rows:
        """Tables whose rows name their metric, with the one of each benchmark that counts."""
        path = next((each.paths[0] for each in rows.fields if each.column == "metric"), "")
        if not path:
            return rows
        responses = self._responses(self.engine, rows, False)
        names = [name for name in ("benchmark", "metric") if name in responses.columns]
        offered: dict[str, dict[str, str]] = defaultdict(dict)
        for row in self.engine.fetch(responses.select(*names).distinct()).to_pylist():
            name = str(row["metric"] or "")
            offered[str(row.get("benchmark") or "")][name] = plain_name(name)
        chosen: dict[str, str] = {}
        for benchmark, found in sorted(offered.items()):
            plain = {short: name for name, short in sorted(found.items())}
            kept = pick_score(found, self.choices) or plain.get(pick_score(plain, self.choices), "")
            if kept in found:
                chosen[benchmark] = kept
                self.notes[metric_note(benchmark or "benchmark", kept, found)] = None
        wanted = self.choices.settings.get("metric")
        if not chosen or (len(chosen) < len(offered) and not wanted):
            benchmark = min(set(offered) - set(chosen))
            shown = ", ".join(sorted(offered[benchmark])[:12])
            raise DataError(
                f"which metric counts? The rows are of {shown}.",
                file=self.original(rows.files[0]),
                column=path,
                value=wanted,
                hint="name one that says right or wrong: settings={'metric': 'NAME'}.",
            )
        return replace(rows, metrics=chosen)

    def _as_items(self, rows: Rows) -> tuple[Rows, str] | None:
        """Tables whose item stands in a doubtful column, and a note, if it names questions.

        It does if most answers of a model in a language have another one there, or long texts that
        are more than the answers of each; they are no items where languages have none in common.
        """
        item, *others = rows.fields
        responses = self._responses(self.engine, rows, False)
        found = self.engine.fetch(count.values_by_language(responses)).to_pylist()
        largest = max(found, key=lambda row: int(row["n_rows"]), default=None)
        if largest is None:
            return None
        n, distinct, longest = (int(largest[name] or 0) for name in ("n_rows", "n", "longest"))
        texts = longest >= _LONG or plain_name(item.paths[0]) not in ALIASES["wording"]
        if distinct < _FEWEST or not (2 * distinct >= n or (texts and distinct**2 > n)):
            return None
        if len({row["language"] for row in found}) > 1 and not largest["shared"]:
            return replace(rows, fields=tuple(others)), (
                f"{item.paths[0]!r} holds other values in every language, which pair no items: "
                "accuracies only are kept (a column 'item' with an id of each question, the same "
                "in all languages, pairs them)."
            )
        return rows, f"{item.paths[0]!r} is another for each question: taken as the item."

    def _responses(
        self, engine: Engine, rows: Rows, named: bool, marks: Marks | None = None
    ) -> Any:
        """Table of responses of a group of files."""
        header = dict.fromkeys(rows.header) if rows.kind == "csv" else None
        needed = count.needed_columns(rows.fields) | dict.fromkeys(rows.wide)
        table = engine.table(rows, header or needed, named=named)
        if rows.wide:
            table = count.made_long(table, rows.wide)
        known = (*NAMES, "n_trials")
        said = self.choices.settings.items()
        constant = {name: text for name, text in said if name.partition("@")[0] in known}
        return count.responses(table, rows.fields, constant, marks, rows.metrics)

    def _may_repeat(self, cells: Any) -> bool:
        """Whether some cell has a trial twice, or trials without numbers."""
        if "codes" not in cells.columns or "item" not in cells.columns:
            return False
        # A trial may recur in another file, and under another setting or source of its item there.
        apart = {"config", FILE} | ({"source_language"} if FILE in cells.columns else set())
        keys = [name for name in (*NAMES, *count.EXTRA, FILE) if name in cells.columns]
        rows = cells.get_name()
        if apart & {*keys}:
            names = ", ".join(name for name in keys if name not in apart)
            rows = (
                f"(SELECT sum(codes) AS codes, sum(n_kept) AS n_kept FROM {rows} GROUP BY {names})"
            )
        found = self.local.connection.con.execute(
            f"SELECT 1 FROM {rows} WHERE codes >= {1 << count.MOST_CODES} "
            "OR bit_count(codes) <> n_kept LIMIT 1"
        )
        return bool(found.fetchall())

    def _account(
        self, engine: Engine, rows: Rows, responses: Any, by_file: bool, sizes: tuple[int, int]
    ) -> None:
        """Note the rows read and left out of each file; a second count of a group replaces it.

        `sizes` are the rows read and kept.
        """
        total, kept = sizes
        if rows.kind == "parquet" and not by_file and not rows.wide:
            import pyarrow.parquet

            for file in rows.files:
                if "://" not in file:
                    self.read[file] = pyarrow.parquet.read_metadata(file).num_rows
        elif not by_file:
            self.read[rows.files[0].split("::")[0]] = total
        self.left_out[rows.files] = []
        if total == kept:
            return
        if FILE not in responses.columns and rows.kind == "parquet":
            responses = self._responses(engine, rows, True)
        for row in engine.fetch(count.left_out(responses)).to_pylist():
            file = plain_path(str(row.get(FILE) or rows.files[0])).split("::")[0]
            by_rule = row["reason"] == count.REASONS["metric"]
            lost = LeftOut(str(row["reason"]), int(row["n_rows"]), by_rule)
            self.left_out[rows.files].append((file, lost))
            if lost.reason == count.REASONS["count"]:
                raise self._wrong_count(rows, self.original(file))

    def _wrong_count(self, rows: Rows, file: str) -> DataError:
        """The error about the first row whose right answers are not among its trials."""
        paths = {each.column: each.paths[0] for each in rows.fields}
        columns = [paths.get(name, "") for name in ("n_correct", "n_trials")]
        records = table_records(preview_file(Path(file))) if Path(file).is_file() else ()
        row, shown = None, ""
        for number, record in enumerate(records, start=2 if rows.kind == "csv" else 1):
            right, trials = (text_at(record, path) for path in columns)
            trials = trials or self.choices.of("n_trials")
            values = pd.to_numeric(pd.Series([right, trials]), errors="coerce")
            if values.notna().all() and values[1] != 0 and not 0 <= values[0] <= values[1]:
                row, shown = number, f": {right} of {trials}"
                break
        return DataError(
            f"right answers are a number from 0 to that of the trials{shown}.",
            file=file,
            row=row,
            column=columns[0],
            hint=f"correct {columns[0]!r} or {columns[1] or 'n_trials'!r} there; where the first "
            "is something else, say which column holds the right answers, as in "
            "fields={'n_correct': 'COLUMN'}.",
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
