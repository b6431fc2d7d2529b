"""From cells of many files to one table of counts: names, runs, filters, losses, repeats.

Pooling runs in DuckDB on the cells of `hatstats.logs.count`, which are few beside the logs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hatstats.logs.backends import FILE, DuckDB, plain_path, quoted
from hatstats.logs.configuration import runs_apart
from hatstats.logs.count import EXTRA
from hatstats.logs.readers.schema import NAMES, Choices, LeftOut, pick_filter
from hatstats.logs.task_names import alike_names, read_task
from hatstats.study.languages.tags import one_language
from hatstats.study.losses import Loss

if TYPE_CHECKING:
    import ibis.expr.types as ir

REPEATED = "it repeats a trial that is counted already, with the same result"
CONTRADICTED = "the same trial occurs with different results, so none of them is counted"
NO_LANGUAGE = "no language in the name of the task (settings={'language': 'CODE'})"


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Cells of one group of files, from `hatstats.logs.count.counts`, in the local DuckDB.

    `facts` has what is known of each file as a whole (file to column to value), `totals` whether
    the cells are totals over items, and `label` the name of the file where cells do not say it;
    each row holds `repeats` answers.
    """

    cells: ir.Table
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    totals: bool = False
    label: str = ""
    repeats: int = 1


class Pool:
    """The cells of all files as one table of a local DuckDB.

    Constant columns among the choices replace what files say; ``model:OLD=NEW`` renames a model.
    """

    def __init__(self, duck: DuckDB, parts: Sequence[Part], choices: Choices) -> None:
        self.duck, self.choices = duck, choices
        self.left_out: list[tuple[str, LeftOut]] = []
        self.notes: list[str] = []
        self.losses: list[Loss] = []
        self.apart: set[str] = set()  # names of models that runs of one were given
        self.by_id: set[str] = set()  # benchmarks whose items pair by an id beside their number
        names = [self._unified(part) for part in parts]
        union = " UNION ALL ".join(f"SELECT * FROM {name}" for name in names)
        self._run(f"CREATE TEMP TABLE pooled AS {union}")

    def counts(self) -> None:
        """Make the table ``counts``: one row for each cell, sorted."""
        self._name_tasks()
        self._merge_spellings()
        self._rename_models()
        self._keep_runs_apart()
        self._rename_models()  # by the names that runs kept apart have now
        self._choose_filters()
        spoken: dict[str, list[str]] = defaultdict(list)
        for name, language in self.rows("SELECT DISTINCT benchmark, language FROM pooled"):
            spoken[str(name)].append(str(language))
        asked = alike_names(spoken)
        self.notes += asked
        self.set_aside("language = ''", "; ".join([NO_LANGUAGE, *asked]).rstrip("."))
        self._note_losses()
        self._drop_questions()
        self._drop_repeats()
        self._note_runs()
        several = self.rows(
            "SELECT 1 FROM pooled WHERE n_kept > 0 AND NOT totals AND item <> '' GROUP BY model, "
            "benchmark, language, item, wording HAVING count(DISTINCT prompt) > 1 LIMIT 1"
        )
        repeat = "if(totals, '', prompt)" if several else "''"
        runs = "if(bool_or(totals), count(DISTINCT prompt), 1)"
        self._run(
            "CREATE TEMP TABLE counts AS SELECT benchmark, model, language, item, "
            f"if(totals, '', wording) AS prompt, {repeat} AS repeat, "
            f"sum(n_correct) / {runs} AS n_correct, sum(n_trials) / {runs} AS n_trials, "
            "max(source_language) AS source_language, max(named) AS named "
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
            name: f"trim(c.{name})" if name in present else "''" for name in (*NAMES, *EXTRA)
        }
        join = ""
        columns["file"] = f"c.{FILE}" if FILE in present else quoted(part.label)
        if part.facts:
            import pyarrow as pa

            facts = [{"file": file, **dict(fact)} for file, fact in part.facts.items()]
            name = self.duck.store(pa.Table.from_pylist(facts)).get_name()
            join = f" LEFT JOIN {name} AS f ON f.file = {_plain_sql(f'c.{FILE}')}"
            for column in ("model", "benchmark", "language", "prompt", "wording", "config"):
                if column not in present and column in facts[0]:
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
            f"c.n_unread, {part.repeats} AS repeats, {str(part.totals).lower()} AS totals "
            f"FROM {part.cells.get_name()} AS c{join}"
        )
        return target

    def _name_tasks(self) -> None:
        """Read benchmark and language out of names of tasks that stand in the rows."""
        self._run("CREATE TEMP TABLE pooled_rows AS SELECT file, n_rows FROM pooled")
        self._run("DELETE FROM pooled WHERE metric <> ''")  # no losses: another one counts
        for (name,) in self.rows("SELECT DISTINCT task FROM pooled WHERE task <> ''"):
            task = read_task(str(name), self.choices.settings.get("task", ""))
            self._run(
                "UPDATE pooled SET "
                f"benchmark = if(benchmark = '', {quoted(task.benchmark)}, benchmark), "
                f"language = if(language = '', {quoted(task.language)}, language) "
                f"WHERE task = {quoted(str(name))}"
            )
        if self.rows("SELECT 1 FROM pooled WHERE benchmark = '' AND n_kept > 0 LIMIT 1"):
            # Rows without a usable answer too: they are losses of the same benchmark.
            self._run("UPDATE pooled SET benchmark = 'benchmark' WHERE benchmark = ''")
            self.notes.append(
                "Benchmark not named: called 'benchmark' (settings={'benchmark': 'NAME'})."
            )

    def _merge_spellings(self) -> None:
        """Give a language one name in each benchmark, whatever models and files call it."""
        if self.choices.settings.get("languages") == "apart":
            return
        for column in ("language", "source_language"):
            sizes: dict[str, list[tuple[str, int]]] = defaultdict(list)
            for benchmark, name, rows in self.rows(
                "SELECT benchmark, name, sum(n) FROM (SELECT benchmark, language AS name, "
                "sum(n_rows) AS n FROM pooled GROUP BY ALL UNION ALL SELECT DISTINCT benchmark, "
                "source_language, 0 FROM pooled) WHERE name <> '' GROUP BY ALL ORDER BY ALL"
            ):
                sizes[str(benchmark)].append((str(name), int(str(rows))))
            for benchmark, names in sizes.items():
                merged = one_language(names)
                for name, kept in merged.items():
                    where = f"benchmark = {quoted(benchmark)} AND {column} = {quoted(name)}"
                    self._run(f"UPDATE pooled SET {column} = {quoted(kept)} WHERE {where}")
                if merged and column == "language":
                    said = ", ".join(f"{name!r} is {kept!r}" for name, kept in merged.items())
                    self.notes.append(
                        f"{benchmark}: one language under several names: {said} "
                        "(settings={'languages': 'apart'} keeps them apart)."
                    )

    def _rename_models(self) -> None:
        for name, new in self.choices.settings.items():
            if name.startswith("model:"):
                old = name.removeprefix("model:")
                self._run(f"UPDATE pooled SET model = {quoted(new)} WHERE model = {quoted(old)}")

    def _keep_runs_apart(self) -> None:
        """Give runs of a model that differ in more than a seed names, or wordings, of their own."""
        runs = self.rows(
            "SELECT model, benchmark, language, config, max(n) FROM (SELECT model, benchmark, "
            "language, config, count(DISTINCT file) AS n FROM pooled WHERE config <> '' GROUP "
            "BY model, benchmark, language, config, item, wording) GROUP BY ALL ORDER BY ALL"
        )
        kept, notes = runs_apart(
            (str(m), str(b), str(c), str(d), int(str(n))) for m, b, c, d, n in runs
        )
        for (model, benchmark, config), run in kept.items():
            self._run(
                f"UPDATE pooled SET model = {quoted(run.name)}, wording = trim(concat_ws(' ', "
                f"wording, {quoted(run.wording)})) WHERE model = {quoted(model)} AND benchmark = "
                f"{quoted(benchmark)} AND config = {quoted(config)}"
            )
            self.apart.add(run.name)
        self.notes += notes

    def _choose_filters(self) -> None:
        """Keep one filter of each model and benchmark: the best that all its languages have."""
        offered = self.rows(
            "SELECT benchmark, model, filter, count(DISTINCT language) FROM pooled "
            "WHERE filter <> '' GROUP BY ALL ORDER BY ALL"
        )
        sizes: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
        for benchmark, model, name, number in offered:
            sizes[str(benchmark)][str(model)][str(name)] = int(str(number))
        for benchmark, models in sizes.items():
            names = {name for each in models.values() for name in each}
            if len(names) == 1 and "filter" not in self.choices.settings:
                continue
            by_kept: dict[str, list[str]] = defaultdict(list)
            for model, each in models.items():
                full = [name for name, size in each.items() if size == max(each.values())]
                by_kept[pick_filter(full, self.choices)].append(model)
            for kept, some in by_kept.items():
                self.set_aside(
                    f"benchmark = {quoted(benchmark)} AND filter <> {quoted(kept)} AND filter <> "
                    f"'' AND model IN ({', '.join(map(quoted, some))})",
                    f"another filter than {kept or self.choices.settings.get('filter')}",
                    by_rule=bool(kept),
                )
            said = ", ".join(f"{kept!r} ({', '.join(some)})" for kept, some in by_kept.items())
            if len(by_kept) == 1:
                said = repr(next(iter(by_kept)))
            else:
                said += ", so that models are not compared like for like"
            if others := sorted(names - set(by_kept)):
                said += f"; also there: {', '.join(others)}"
            self.notes.append(
                f"{benchmark}: answers as read by the filter {said} "
                "(settings={'filter': 'NAME'})."
            )

    def _note_losses(self) -> None:
        """Keep how many answers of each model and language were missing, or wrong for want of one.

        Rows of totals are no answers.
        """
        found = self.rows(
            "SELECT model, benchmark, language, sum(n_rows * repeats) AS asked, sum(n_rows * "
            "repeats - least(n_trials, n_kept * repeats))::BIGINT AS missing, sum(n_unread) AS "
            "wrong FROM pooled WHERE NOT totals AND model <> '' AND language <> '' GROUP BY ALL "
            "HAVING missing + wrong > 0 ORDER BY ALL"
        )
        self.losses = [
            Loss(str(m), str(b), str(lang), int(str(asked)), int(str(missing)), int(str(wrong)))
            for m, b, lang, asked, missing, wrong in found
        ]

    def _drop_questions(self) -> None:
        """Use no column of prompts that holds the text of the question, one for each item."""
        texts = self.rows(
            "SELECT benchmark FROM (SELECT benchmark, count(DISTINCT prompt) AS n FROM pooled "
            "WHERE NOT totals AND prompt <> '' AND prompt = wording AND n_kept > 0 GROUP BY "
            "benchmark, model, language, item) GROUP BY ALL HAVING max(n) = 1 AND count(*) > 1"
        )
        for (name,) in texts:
            where = f"benchmark = {quoted(str(name))} AND prompt = wording"
            ((prompts, items),) = self.rows(
                "SELECT count(DISTINCT prompt), count(DISTINCT item) FROM pooled "
                f"WHERE {where} AND prompt <> ''"
            )
            if 1 < int(str(items)) <= int(str(prompts)):
                self._run(f"UPDATE pooled SET prompt = '', wording = '' WHERE {where}")
                self.notes.append(
                    f"{name}: the prompt is another for each item and the only one: the question, "
                    "not used as a wording."
                )

    def _drop_repeats(self) -> None:
        """Count a trial once; where repeats of one of a name disagree, count none of them.

        Nameless trials are repeats of one where an item is asked once as a rule, and those agree. A
        row of counts holds several trials of one name.
        """
        cell = "model, benchmark, language, item, wording, prompt"
        self._run(
            "CREATE TEMP TABLE repeats AS SELECT * FROM (SELECT *, prompt = '' AS nameless, "
            "mode(n) OVER (PARTITION BY benchmark, model, language, prompt = '') AS usual FROM "
            f"(SELECT {cell}, sum(n_correct) AS k, sum(n_kept)::BIGINT AS n, min(file) AS first, "
            "max(source_language) AS source_language, max(named) AS named FROM pooled "
            "WHERE NOT totals AND item <> '' AND n_kept > 0 GROUP BY ALL "
            "HAVING sum(n_trials) = sum(n_kept))) "
            "WHERE n > 1 AND if(nameless, usual = 1 AND k IN (0, n), true)"
        )
        if not self.rows("SELECT 1 FROM repeats LIMIT 1"):
            return
        for condition, reason, extra in (
            ("k NOT IN (0, n)", CONTRADICTED, "n"),
            ("k IN (0, n)", REPEATED, "n - 1"),
        ):
            query = f"SELECT first, sum({extra})::BIGINT FROM repeats WHERE {condition}"
            self._leave_out(f"{query} GROUP BY first ORDER BY first", reason)
        same = " AND ".join(f"p.{name} = r.{name}" for name in cell.split(", "))
        self._run(f"DELETE FROM pooled AS p USING repeats AS r WHERE NOT p.totals AND {same}")
        self._run(
            f"INSERT INTO pooled BY NAME SELECT {cell}, named, source_language, first AS file, "
            "k / n AS n_correct, 1 AS n_trials, 1 AS n_kept, false AS totals "
            "FROM repeats WHERE k IN (0, n)"
        )

    def _note_runs(self) -> None:
        """Say that totals are averaged over runs: runs ask the same items again and add none."""
        ((several,),) = self.rows(
            "SELECT count(DISTINCT (model, benchmark, language)) FROM (SELECT model, benchmark, "
            "language FROM pooled WHERE totals AND n_kept > 0 GROUP BY ALL "
            "HAVING count(DISTINCT prompt) > 1)"
        )
        if several:
            self.notes.append(
                f"{several} totals come from several runs over the same items: right answers and "
                "trials are averaged over the runs."
            )


def _plain_sql(column: str) -> str:
    """SQL for the path of a file as this process wrote it; Spark names files by URL."""
    path = f"url_decode(regexp_replace({column}, '^file:/+', '/'))"
    return f"if(starts_with({column}, 'file:'), {path}, {column})"
