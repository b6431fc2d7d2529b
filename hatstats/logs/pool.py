"""From cells of many files to one study: names, filters, repeated trials, source languages.

Pooling runs in DuckDB on the cells of `hatstats.logs.count`, which are few beside the logs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from hatstats.errors import DataError
from hatstats.logs.backends import FILE, DuckDB, plain_path, quoted
from hatstats.logs.configuration import runs_apart
from hatstats.logs.count import EXTRA
from hatstats.logs.readers.reader import NAMES, Choices, LeftOut, pick_filter
from hatstats.logs.task_names import FAMILIES, Family, is_english, read_task
from hatstats.study.claims import StudyInfo
from hatstats.study.frames.rows import settle_prompts
from hatstats.study.plain_table import split_plain
from hatstats.study.schema import Sheet
from hatstats.study.study import Study, study_of_sheets
from hatstats.study.trials import without_copies

if TYPE_CHECKING:
    import ibis.expr.types as ir

REPEATED = "it repeats a trial that is counted already, with the same result"
CONTRADICTED = "the same trial occurs with different results, so none of them is counted"
NO_LANGUAGE = "no language in the name of the task (settings={'language': 'CODE'})"


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
        self.apart: set[str] = set()  # names of models that runs of one were given
        names = [self._unified(part) for part in parts]
        union = " UNION ALL ".join(f"SELECT * FROM {name}" for name in names)
        self._run(f"CREATE TEMP TABLE pooled AS {union}")

    def counts(self) -> None:
        """Make the table ``counts``: one row for each cell, sorted."""
        self._name_tasks()
        self._rename_models()
        self._keep_runs_apart()
        self._rename_models()  # by the names that runs kept apart have now
        self._choose_filters()
        self.set_aside("language = ''", NO_LANGUAGE)
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
        nameless = "benchmark = '' AND n_kept > 0"
        if self.rows(f"SELECT 1 FROM pooled WHERE {nameless} LIMIT 1"):
            self._run(f"UPDATE pooled SET benchmark = 'benchmark' WHERE {nameless}")
            self.notes.append(
                "Benchmark not named: called 'benchmark' (settings={'benchmark': 'NAME'})."
            )

    def _rename_models(self) -> None:
        for name, new in self.choices.settings.items():
            if name.startswith("model:"):
                old = name.removeprefix("model:")
                self._run(f"UPDATE pooled SET model = {quoted(new)} WHERE model = {quoted(old)}")

    def _keep_runs_apart(self) -> None:
        """Give runs of a model that differ in more than a seed names, or wordings, of their own."""
        runs = self.rows(
            "SELECT model, benchmark, language, config, count(DISTINCT prompt) FROM pooled "
            "WHERE config <> '' GROUP BY ALL ORDER BY ALL"
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
                f"also there: {', '.join(others)} (settings={{'filter': 'NAME'}})."
            )
            self.set_aside(
                f"benchmark = {quoted(benchmark)} AND filter <> {quoted(kept)} AND filter <> ''",
                f"another filter than {kept or self.choices.settings.get('filter')}",
                by_rule=bool(kept),
            )

    def _drop_repeats(self) -> None:
        """Count a trial once; where its repeats disagree, count none of them.

        A row of counts holds several trials of one name.
        """
        cell = "model, benchmark, language, item, wording, prompt"
        self._run(
            f"CREATE TEMP TABLE repeats AS SELECT {cell}, sum(n_correct) AS n_right, "
            "sum(n_trials) AS trials, min(file) AS first, max(source_language) AS source_language "
            "FROM pooled WHERE NOT totals AND prompt <> '' AND item <> '' AND n_kept > 0 "
            "GROUP BY ALL HAVING sum(n_kept) > 1 AND sum(n_trials) = sum(n_kept)"
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
            "source_language, '' AS config, first AS file, n_right / trials AS n_correct, "
            "1 AS n_trials, 1 AS n_rows, 1 AS n_kept, false AS totals FROM repeats "
            "WHERE n_right IN (0, trials)"
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


def study_of_counts(pool: Pool, choices: Choices, name: str) -> tuple[Study, list[str]]:
    """Make a study of the table ``counts`` of a pool, with notes.

    Benchmarks without a known source language are set aside in the pool, with the reason.
    """
    query = "SELECT * FROM counts ORDER BY benchmark, model, language, item, prompt, repeat"
    frame = pool.duck.connection.con.sql(query).to_arrow_table().to_pandas()
    notes: list[str] = []
    frames = []
    if (frame["repeat"] != "").any():  # trials stay apart until copies are found
        frame = without_copies(frame, notes)
    frame = _by_wording(frame, notes)
    for benchmark, cells in frame.groupby("benchmark", sort=False):
        cells = settle_prompts(_one_level(cells, str(benchmark), pool), notes)
        family = _family_of(str(benchmark))
        before = cells["source_language"]
        cells = cells.assign(source_language=_sources(cells, choices))
        if (cells["source_language"] == "").all():
            languages = ", ".join(sorted(cells["language"].unique())[:12])
            wanted = choices.of("source_language", str(benchmark)) or "English"
            pool.set_aside(
                f"benchmark = {quoted(str(benchmark))}",
                f"{benchmark}: {wanted} is not among its languages ({languages}); name the source "
                "(settings={'source_language': 'CODE'})",
            )
            continue
        if not choices.of("source_language", str(benchmark)) and (before == "").any():
            english = cells["source_language"].iloc[0]
            notes.append(f"{benchmark}: source language not given: taken as English ({english}).")
        given = choices.of("chance", str(benchmark))
        chance = float(given or (family.chance if family else 0.0))
        if family is None and not given:
            notes.append(
                f"{benchmark}: chance level taken as 0 (4 options: settings={{'chance': '0.25'}})."
            )
        if family is not None and not family.parallel:
            notes.append(
                f"{benchmark}: its languages have items of their own, so that no item pairs: "
                "compare accuracies only."
            )
        frames.append(cells.assign(chance=chance))
    if not frames:
        reasons = dict.fromkeys(each.reason for _, each in pool.left_out if not each.by_rule)
        raise DataError(
            f"no benchmark is left. {'. '.join(list(reasons)[-3:])}.",
            hint="name source languages, or read more of the logs.",
        )
    counts = pd.concat(frames, ignore_index=True).fillna({"prompt": ""})
    sheets, _ = split_plain(Sheet.from_frame("counts", counts))
    info = StudyInfo(name, title=name, source="converted from logs of evaluations")
    return study_of_sheets(sheets, info), notes + _trial_notes(counts)


def _by_wording(frame: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Add up the trials of each wording of a cell, or of the cell where not all are named."""
    cell = ["benchmark", "model", "language", "item"]
    named = frame["prompt"] != ""
    if named.any() and not named.all():
        keys = [frame[name] for name in cell]
        partly = named & ~named.groupby(keys, sort=False).transform("all")
        if partly.any():
            notes.append(
                f"{int(partly.sum())} named wordings stand beside trials without a name in the "
                "same cell: not used as wordings."
            )
            frame = frame.assign(prompt=frame["prompt"].mask(partly, ""))
    frame = frame.drop(columns="repeat")
    if not frame.duplicated([*cell, "prompt"]).any():
        return frame
    sums = {"n_correct": "sum", "n_trials": "sum", "source_language": "max"}
    return frame.groupby([*cell, "prompt"], sort=False, as_index=False).agg(sums)


def _family_of(benchmark: str) -> Family | None:
    """Declared family of a benchmark, variants of its protocol included."""
    found = [family for family in FAMILIES if f"{benchmark}_".startswith(f"{family.benchmark}_")]
    return max(found, key=lambda family: len(family.benchmark), default=None)


def _one_level(cells: pd.DataFrame, benchmark: str, pool: Pool) -> pd.DataFrame:
    """Leave totals out where the same benchmark has items too: they cannot stand in one study."""
    totals = (cells["item"] == "").to_numpy()
    if not totals.any() or totals.all():
        return cells
    condition = f"benchmark = {quoted(benchmark)} AND item = ''"
    pool.set_aside(condition, f"{benchmark}: totals beside items of the same benchmark")
    return cells[~totals]


def _sources(cells: pd.DataFrame, choices: Choices) -> pd.Series:
    """Source language of each cell (n,) of a benchmark; empty where it is unknown."""

    def same(name: str) -> pd.Series:
        return pd.Series(name, index=cells.index, dtype="str")

    languages = [str(name) for name in cells["language"].unique()]
    given = cells["source_language"]
    if wanted := choices.of("source_language", str(cells["benchmark"].iloc[0])):
        return same(wanted if wanted in languages else "")
    own = cells.loc[given != "", ["benchmark", "item", "source_language"]].drop_duplicates()
    complete = (given != "").all()
    if complete and own["source_language"].nunique() == 1:
        return given if given.iloc[0] in languages else same("")
    if (repeated := own.duplicated(["benchmark", "item"]).to_numpy()).any():
        first = own[repeated].iloc[0]
        raise DataError(
            "an item has two source languages.",
            file=str(first["benchmark"]),
            column="source_language",
            value=str(first["item"]),
            hint="give each item one, or name one for all (settings={'source_language': 'CODE'}).",
        )
    if complete:
        return given
    english = [name for name in languages if is_english(name)]
    return same(english[0] if len(english) == 1 else "")


def _trial_notes(counts: pd.DataFrame) -> list[str]:
    """Say for each benchmark how many trials its items have."""
    notes = []
    by_item = counts[(counts["item"] != "").to_numpy()]
    cell = ["benchmark", "model", "language", "item"]
    items = by_item.groupby(cell, sort=False)["n_trials"].sum().reset_index()
    for benchmark, cells in items.groupby("benchmark", sort=False):
        sizes = cells["n_trials"].astype(int).value_counts()
        usual = int(sizes.index[0])
        if len(sizes) == 1:
            notes.append(f"{benchmark}: {usual} trial{'s' if usual > 1 else ''} of every item.")
        else:
            fewer = int(sizes[sizes.index < usual].sum())
            notes.append(
                f"{benchmark}: {sizes.index.min()} to {sizes.index.max()} trials of an item; "
                f"{fewer} of {len(cells)} cells have fewer than the usual {usual}."
            )
    return notes
