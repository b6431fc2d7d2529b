"""Where rows are counted: DuckDB inside this process, Spark, or any other backend of Ibis.

An engine turns files into an Ibis table and returns small results as Arrow. What is computed is
one Ibis expression, the same for all of them (`hatstats.logs.count`).
"""

from __future__ import annotations

import builtins
import functools
import itertools
import operator
import os
import random
import re
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatstats.errors import DataError
from hatstats.logs.readers.documents import LONGEST
from hatstats.logs.readers.reader import Rows

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

#: Column with the file of a row, and column that is null only where a row could not be read.
FILE, LOST = "hatstats_file", "hatstats_lost"
#: Limits of DuckDB, which writes what exceeds its memory to disk, and what it may not load.
_CLOSED = {
    "memory_limit": "3GB",
    "max_temp_directory_size": "100GB",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
}
_NUMBERS = itertools.count(1)
_GLOBS = re.compile(r"[*?\[\]{}]")


class Engine:
    """A database that reads rows and counts them."""

    name = ""

    def table(self, rows: Rows, columns: Mapping[str, object], *, named: bool = False) -> ir.Table:
        """Rows of files as a table, with `FILE` where `named` or cheap.

        `columns` are those needed of JSON and CSV, all text, an inner mapping an object. JSON has
        `LOST` too: true where a line could not be read. Naming files costs time where they are
        Parquet.
        """
        raise NotImplementedError

    def fetch(self, expression: ir.Table) -> pa.Table:
        """Compute an expression and return its rows."""
        return expression.to_pyarrow()

    def new_name(self) -> str:
        """A name that no table has."""
        return f"hatstats_{next(_NUMBERS)}"


class DuckDB(Engine):
    """DuckDB in this process; what does not fit into memory goes to `scratch`.

    With a `database`, a file of somebody else, it reads that and nothing beside it.
    """

    name = "duckdb"

    def __init__(self, scratch: Path, database: str = "") -> None:
        state = random.getstate()
        import ibis

        random.setstate(state)  # importing it draws from the global generator
        self.scratch = scratch.resolve()
        self._databases: dict[str, DuckDB] = {}
        self.connection = ibis.duckdb.connect(
            database or ":memory:",
            read_only=bool(database),
            temp_directory=str(self.scratch),
            **_CLOSED,
        )
        # In a notebook without ipywidgets DuckDB has no bar, and refuses to hear of one.
        bar = not hasattr(builtins, "__IPYTHON__") or find_spec("ipywidgets") is not None
        for setting in ("preserve_insertion_order", *(["enable_progress_bar"] if bar else [])):
            self.connection.raw_sql(f"SET {setting} = false")
        if database:
            self.close_but_for(())

    def close_but_for(self, files: Iterable[str]) -> None:
        """Open no more files from now on but these and those below `scratch`.

        Addresses need an extension, which DuckDB loads from outside: with one, files stay open.
        """
        paths = list(files)
        if any("://" in path for path in paths):
            return
        allowed = ", ".join(map(quoted, paths))
        self.connection.raw_sql(f"SET allowed_paths = [{allowed}]")
        self.connection.raw_sql(f"SET allowed_directories = [{quoted(f'{self.scratch}/')}]")
        self.connection.raw_sql("SET enable_external_access = false")
        self.connection.raw_sql("SET lock_configuration = true")

    def table(self, rows: Rows, columns: Mapping[str, object], *, named: bool = False) -> ir.Table:
        """See `Engine.table`."""
        if rows.kind == "table":
            return self._database_table(*rows.files[0].rsplit("::", 1))
        connection = self.connection
        if rows.kind == "arrow":
            import pyarrow.dataset

            name = self.new_name()
            dataset = pyarrow.dataset.dataset(list(rows.files), format="ipc")
            connection.con.register(name, dataset)
            return connection.table(name)
        files = _checked(rows.files)
        partitions = bool(rows.root) and any("=" in file for file in files)
        options: dict[str, Any] = {"hive_partitioning": partitions, "filename": FILE}
        if FILE in columns:  # records of documents say themselves which file they come from
            del options["filename"]
        if rows.kind == "json":
            options |= {"format": "newline_delimited", "ignore_errors": True}
            types = {each.name: each.kind.sql("duckdb") for each in _definitions(columns, "duckdb")}
            table = connection.read_json(
                files, columns=types, maximum_object_size=LONGEST, **options
            )
            return table.mutate(**{LOST: _nothing(table, columns)})
        if rows.kind == "csv":
            options |= {"delim": rows.delimiter, "quote": '"', "escape": '"', "strict_mode": True}
            types = dict.fromkeys(columns, "VARCHAR")
            return connection.read_csv(files, columns=types, max_line_size=LONGEST, **options)
        if not named:
            del options["filename"]
        return connection.read_parquet(files, union_by_name=len(files) > 1, **options)

    def store(self, result: ir.Table | pa.Table) -> ir.Table:
        """Keep a result as a table of this database, in memory as far as there is room."""
        import ibis

        name = self.new_name()
        if isinstance(result, ibis.Table):
            return self.connection.create_table(name, result, temp=True)
        self.connection.con.register(f"{name}_given", result)
        self.connection.con.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM {name}_given")
        return self.connection.table(name)

    def _database_table(self, path: str, name: str) -> ir.Table:
        """The table of this name in a DuckDB file, or its only one; never a view.

        A view is a query of whoever made the file.
        """
        if path not in self._databases:
            self._databases[path] = DuckDB(self.scratch, path)
        connection = self._databases[path].connection
        found = connection.con.execute(
            "SELECT table_name, table_type FROM information_schema.tables "
            "WHERE table_catalog = current_catalog() AND table_schema = 'main'"
        )
        kinds = {str(each): str(kind) for each, kind in found.fetchall()}
        names = [each for each, kind in kinds.items() if kind == "BASE TABLE"]
        views = [each for each in kinds if each not in names]
        if not name and len(names) == 1:
            name = names[0]
        if name not in names:
            also = f" and the views {', '.join(views)}, which are not run" if views else ""
            raise DataError(
                f"the database has the tables {', '.join(names) or 'none'}{also}.",
                file=path,
                value=name or None,
                hint="name a table: settings={'table': 'NAME'}.",
            )
        return connection.table(name)


class Spark(Engine):
    """A Spark session, given or started from the address of a cluster."""

    name = "spark"

    def __init__(self, session: Any) -> None:
        import ibis

        self.session = session
        self.connection = ibis.pyspark.connect(session)

    @classmethod
    def start(cls, url: str) -> Spark:
        """Start a session: ``spark://HOST:PORT`` is a cluster, ``spark://local`` this machine."""
        try:
            from pyspark.errors import PySparkRuntimeError
            from pyspark.sql import SparkSession
        except ImportError:
            raise DataError(
                "Spark is not installed.",
                value=url,
                hint="in the clone of hatstats, pip install '.[spark]'.",
            ) from None
        local = re.fullmatch(r"spark://local(?::(\d+))?", url)
        if local:
            os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        try:
            session = (
                SparkSession.builder.master(f"local[{local[1] or '*'}]" if local else url)
                .appName("hatstats")
                .config("spark.ui.enabled", "false")
                .config("spark.ui.showConsoleProgress", "false")
                .config("spark.sql.shuffle.partitions", "8" if local else "200")
                .getOrCreate()
            )
        except (PySparkRuntimeError, OSError) as reason:
            raise DataError(
                f"Spark does not start ({str(reason).splitlines()[0][:120]}).",
                value=url,
                hint="Spark needs Java 17 or newer on PATH or in JAVA_HOME, and the cluster awake.",
            ) from None
        session.sparkContext.setLogLevel("ERROR")
        return cls(session)

    def table(self, rows: Rows, columns: Mapping[str, object], *, named: bool = False) -> ir.Table:
        """See `Engine.table`."""
        from pyspark.sql import functions as sql

        if rows.kind in ("arrow", "table"):
            raise DataError(
                "Spark reads no Arrow files and no DuckDB files.",
                file=rows.files[0],
                hint="read it in this process (backend='duckdb'), or write the table as Parquet.",
            )
        reader = self.session.read
        if rows.root and rows.kind != "csv":
            reader = reader.option("basePath", rows.root)
        files, unread = _checked(rows.files), f"{LOST}_text"
        found = {**columns, unread: None} if rows.kind == "json" else columns
        schema = ", ".join(each.sql("spark") for each in _definitions(found, "spark"))
        if rows.kind == "json":
            reader = reader.option("columnNameOfCorruptRecord", unread)
            frame = reader.json(files, schema=schema, mode="PERMISSIVE")
        elif rows.kind == "csv":
            frame = reader.csv(
                files,
                schema=schema,
                header=True,
                sep=rows.delimiter,
                quote='"',
                escape='"',
                multiLine=True,
                mode="FAILFAST",
            )
        else:
            frame = reader.parquet(*files)
        name = self.new_name()
        frame.withColumn(FILE, sql.input_file_name()).createOrReplaceTempView(name)
        table = self.connection.table(name)
        if rows.kind == "json":
            lost = table[unread].notnull() | _nothing(table, columns)
            table = table.mutate(**{LOST: lost}).drop(unread)
        return table

    def fetch(self, expression: ir.Table) -> pa.Table:
        """See `Engine.fetch`; as Arrow, for Spark's own way over pandas trips over pandas 3."""
        import ibis

        return self.session.sql(str(ibis.to_sql(expression, dialect="pyspark"))).toArrow()


class OtherBackend(Engine):
    """Tables of a database that Ibis connects to by its address."""

    def __init__(self, url: str) -> None:
        import ibis

        try:
            self.connection = ibis.connect(url)
        except Exception as reason:  # each backend raises its own kind
            raise DataError(
                f"Ibis cannot connect ({type(reason).__name__}: {str(reason)[:160]}).",
                value=url.split("@")[-1],
                hint="give an address that ibis.connect knows, and install that backend.",
            ) from None
        self.name = self.connection.name

    def table(self, rows: Rows, columns: Mapping[str, object], *, named: bool = False) -> ir.Table:
        """See `Engine.table`."""
        name = rows.files[0]
        try:
            return self.connection.table(name)
        except Exception as reason:
            raise DataError(
                f"the backend has no such table ({str(reason)[:120]}).",
                file=name,
                hint="with this backend, logs are the names of tables in it.",
            ) from None


def engine_for(backend: object) -> Engine:
    """Engine of a backend that is not this process: ``spark://...``, a session, an Ibis address."""
    if isinstance(backend, str):
        return Spark.start(backend) if backend.startswith("spark://") else OtherBackend(backend)
    if hasattr(backend, "sparkContext") or hasattr(backend, "createDataFrame"):
        return Spark(backend)
    raise DataError(
        "this is no backend.",
        value=type(backend).__name__,
        hint="give an address such as spark://HOST:PORT, or a PySpark session.",
    )


def plain_path(file: str) -> str:
    """A path as this process wrote it, from what an engine calls the file."""
    return (
        urllib.parse.unquote(urllib.parse.urlsplit(file).path) if file.startswith("file:") else file
    )


def quoted(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def _checked(files: Sequence[str]) -> list[str]:
    """Paths that no engine takes for patterns."""
    for file in files:
        if "://" not in file and _GLOBS.search(file):
            raise DataError(
                "a path with one of * ? [ ] { } would be read as a pattern.",
                file=file,
                hint="rename the file or its folder.",
            )
    return list(files)


def _nothing(table: ir.Table, columns: Iterable[str]) -> ir.BooleanValue:
    """Whether a row has none of the columns."""
    return functools.reduce(operator.and_, [table[name].isnull() for name in columns])


def _definitions(columns: Mapping[str, object], dialect: str) -> list[Any]:
    """Columns with their types in SQL: all text, an inner mapping is a struct."""
    import ibis
    import ibis.expr.datatypes as dt

    def kind(inner: object) -> dt.DataType:
        if not isinstance(inner, Mapping):
            return dt.string
        return dt.Struct({name: kind(part) for name, part in inner.items()})

    schema = ibis.schema({name: kind(inner) for name, inner in columns.items()})
    return list(schema.to_sqlglot_column_defs(dialect))
