"""From cells of many files to the counts of one study: names, filters, repeated trials.

This runs in DuckDB on the cells that `hatstats.logs.count` returns, which are few beside the logs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hatstats.logs.backends import FILE, DuckDB, plain_path, quoted
from hatstats.logs.readers.reader import NAMES, Choices, LeftOut, pick_filter
from hatstats.logs.task_names import read_task

if TYPE_CHECKING:
    import ibis.expr.types as ir

REPEATED = "it repeats a trial that is counted already, with the same result"
CONTRADICTED = "the same trial occurs with different results, so none of them is counted"
NO_LANGUAGE = "no language in the name of the task (--set language=CODE)"


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Cells of one group of files, from `hatstats.logs.count.counts`, in the local DuckDB.

    `facts` has what is known of each file as a whole (file to column to value), `totals` whether
    the cells are totals over items, and `label` the name of the file where cells do not say it.
    """

    cells: ir.Table
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    totals: bool = False
    label: str = ""


class Pool:
    """The cells of all files as one table of a local DuckDB.

    Constant columns among the choices replace what files say; ``model:OLD=NEW`` renames a model.
    """

    def __init__(self, duck: DuckDB, parts: Sequence[Part], choices: Choices) -> None:
        self.duck, self.choices = duck, choices
        self.left_out: list[tuple[str, LeftOut]] = []
        self.notes: list[str] = []
        names = [self._unified(part) for part in parts]
        union = " UNION ALL ".join(f"SELECT * FROM {name}" for name in names)
        self._run(f"CREATE TEMP TABLE pooled AS {union}")

    def counts(self) -> None:
        """Make the table ``counts``: one row for each cell, sorted."""
        self._name_tasks()
        self._rename_models()
        self._choose_filters()
        self.set_aside("language = ''", NO_LANGUAGE)
        self._drop_repeats()
        self._average_totals()
        self._run(
            "CREATE TEMP TABLE counts AS SELECT benchmark, model, language, item, "
            "sum(n_correct) AS n_correct, sum(n_trials) AS n_trials, "
            "max(source_language) AS source_language "
            "FROM pooled WHERE n_kept > 0 GROUP BY ALL"
        )

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Rows of a query."""
        return [tuple(row) for row in self._run(query).fetchall()]

    def set_aside(self, condition: str, reason: str, *, by_rule: bool = False) -> None:
        """Remove the rows of a condition (SQL), and note for each file how many and why."""
        query = f"SELECT file, sum(n_kept)::BIGINT FROM pooled WHERE n_kept > 0 AND {condition}"
        self._leave_out(f"{query} GROUP BY file ORDER BY file", reason, by_rule=by_rule)
        self._run(f"DELETE FROM pooled WHERE {condition}")

    def read_by_file(self) -> dict[str, int]:
        """Rows read of each file whose cells were kept apart."""
        query = "SELECT file, sum(n_rows) FROM pooled_rows WHERE file <> '' GROUP BY file"
        return {plain_path(str(file)): int(str(count)) for file, count in self.rows(query)}

    def _leave_out(self, query: str, reason: str, *, by_rule: bool = False) -> None:
        """Note the files and numbers of rows that a query gives."""
        self.left_out += [
            (plain_path(str(file)), LeftOut(reason, int(str(count)), by_rule))
            for file, count in self.rows(query)
        ]

    def _run(self, query: str):  # type: ignore[no-untyped-def]  # a relation of DuckDB
        return self.duck.connection.con.execute(query)

    def _unified(self, part: Part) -> str:
        """Bring cells to the same columns: text without blanks around it, nothing null."""
        present = set(part.cells.columns)
        columns = {
            name: f"trim(c.{name})" if name in present else "''"
            for name in (*NAMES, "filter", "task", "source_language")
        }
        join = ""
        columns["file"] = f"c.{FILE}" if FILE in present else quoted(part.label)
        if part.facts:
            import pyarrow as pa

            facts = [{"file": file, **dict(fact)} for file, fact in part.facts.items()]
            name = self.duck.store(pa.Table.from_pylist(facts)).get_name()
            join = f" LEFT JOIN {name} AS f ON f.file = {_plain_sql(f'c.{FILE}')}"
            for column in ("model", "benchmark", "language", "prompt"):
                if column not in present:
                    columns[column] = f"f.{column}"
            prefix = "if(f.item_prefix = '', '', f.item_prefix || '/')"
            columns["item"] = f"{prefix} || {columns['item']}"
        for name, value in self.choices.settings.items():
            if name in ("model", "benchmark", "language", "prompt", "source_language"):
                columns[name] = quoted(value)
        listed = ", ".join(f"coalesce({sql}, '') AS {name}" for name, sql in columns.items())
        target = self.duck.new_name()
        self._run(
            f"CREATE TEMP VIEW {target} AS SELECT {listed}, coalesce(c.n_correct, 0)::DOUBLE AS "
            "n_correct, coalesce(c.n_trials, 0)::DOUBLE AS n_trials, c.n_rows, c.n_kept, "
            f"{str(part.totals).lower()} AS totals FROM {part.cells.get_name()} AS c{join}"
        )
        return target

    def _name_tasks(self) -> None:
        """Read benchmark and language out of names of tasks that stand in the rows."""
        self._run("CREATE TEMP TABLE pooled_rows AS SELECT file, n_rows FROM pooled")
        for (name,) in self.rows("SELECT DISTINCT task FROM pooled WHERE task <> ''"):
            task = read_task(str(name))
            self._run(
                "UPDATE pooled SET "
                f"benchmark = if(benchmark = '', {quoted(task.benchmark)}, benchmark), "
                f"language = if(language = '', {quoted(task.language)}, language) "
                f"WHERE task = {quoted(str(name))}"
            )

    def _rename_models(self) -> None:
        for name, new in self.choices.settings.items():
            if name.startswith("model:"):
                old = name.removeprefix("model:")
                self._run(f"UPDATE pooled SET model = {quoted(new)} WHERE model = {quoted(old)}")

    def _choose_filters(self) -> None:
        """Keep one filter of each benchmark: one that all its models and languages have."""
        offered = self.rows(
            "SELECT benchmark, filter, count(DISTINCT (model, language)) FROM pooled "
            "WHERE filter <> '' GROUP BY ALL ORDER BY ALL"
        )
        for benchmark in dict.fromkeys(str(row[0]) for row in offered):
            sizes = {str(f): int(str(n)) for b, f, n in offered if b == benchmark}
            if len(sizes) == 1 and "filter" not in self.choices.settings:
                continue
            full = [name for name, size in sizes.items() if size == max(sizes.values())]
            kept = pick_filter(full, self.choices)
            others = sorted(set(sizes) - {kept})
            self.notes.append(
                f"{benchmark}: answers as read by the filter {kept!r}; "
                f"also there: {', '.join(others)} (--set filter=NAME)."
            )
            self.set_aside(
                f"benchmark = {quoted(benchmark)} AND filter <> {quoted(kept)} AND filter <> ''",
                f"another filter than {kept or self.choices.settings.get('filter')}",
                by_rule=bool(kept),
            )

    def _drop_repeats(self) -> None:
        """Count a trial once; where its repeats disagree, count none of them."""
        cell = "model, benchmark, language, item, prompt"
        self._run(
            f"CREATE TEMP TABLE repeats AS SELECT {cell}, sum(n_correct) AS n_right, "
            "sum(n_trials) AS trials, min(file) AS first, max(source_language) AS source_language "
            "FROM pooled WHERE NOT totals AND prompt <> '' AND item <> '' AND n_kept > 0 "
            "GROUP BY ALL HAVING sum(n_trials) > 1"
        )
        if not self.rows("SELECT 1 FROM repeats LIMIT 1"):
            return
        for condition, reason, extra in (
            ("n_right NOT IN (0, trials)", CONTRADICTED, "trials"),
            ("n_right IN (0, trials)", REPEATED, "trials - 1"),
        ):
            query = f"SELECT first, sum({extra})::BIGINT FROM repeats WHERE {condition}"
            self._leave_out(f"{query} GROUP BY first ORDER BY first", reason)
        same = " AND ".join(f"p.{name} = r.{name}" for name in cell.split(", "))
        self._run(f"DELETE FROM pooled AS p USING repeats AS r WHERE {same}")
        self._run(
            f"INSERT INTO pooled BY NAME SELECT {cell}, '' AS filter, '' AS task, "
            "source_language, first AS file, n_right / trials AS n_correct, 1 AS n_trials, "
            "1 AS n_rows, 1 AS n_kept, false AS totals FROM repeats WHERE n_right IN (0, trials)"
        )

    def _average_totals(self) -> None:
        """Average totals over runs: runs ask the same items again and add no items."""
        ((several,),) = self.rows(
            "SELECT count(DISTINCT (model, benchmark, language)) FROM (SELECT model, benchmark, "
            "language FROM pooled WHERE totals AND n_kept > 0 GROUP BY ALL "
            "HAVING count(DISTINCT prompt) > 1)"
        )
        if not several:
            return
        self.notes.append(
            f"{several} totals come from several runs over the same items: right answers and "
            "trials are averaged over the runs."
        )
        self._run(
            "CREATE TEMP TABLE averaged AS SELECT benchmark, model, language, item, '' AS prompt, "
            "'' AS filter, '' AS task, '' AS source_language, min(file) AS file, "
            "sum(n_correct) / count(DISTINCT prompt) AS n_correct, "
            "sum(n_trials) / count(DISTINCT prompt) AS n_trials, sum(n_rows) AS n_rows, "
            "sum(n_kept) AS n_kept, true AS totals FROM pooled WHERE totals GROUP BY ALL"
        )
        self._run("DELETE FROM pooled WHERE totals")
        self._run("INSERT INTO pooled BY NAME SELECT * FROM averaged")


def _plain_sql(column: str) -> str:
    """SQL for the path of a file as this process wrote it; Spark names files by URL."""
    path = f"url_decode(regexp_replace({column}, '^file:/+', '/'))"
    return f"if(starts_with({column}, 'file:'), {path}, {column})"
