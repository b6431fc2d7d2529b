"""`convert_logs`: logs of any known harness to one study, with an account of every row."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from hatstats.errors import DataError, explained_imports
from hatstats.inference.result_frame import Printed
from hatstats.logs.account import (
    account_table,
    conversion_text,
    left_out_table,
    suffix_notes,
)
from hatstats.logs.backends import DuckDB, Engine, OtherBackend, engine_for
from hatstats.logs.build_study import study_of_counts
from hatstats.logs.counter import Counter
from hatstats.logs.discover import Discovered, Progress, discover
from hatstats.logs.pairing import pairing_notes
from hatstats.logs.pool import Pool
from hatstats.logs.readers.plain import ALIASES
from hatstats.logs.readers.reader import Rows
from hatstats.logs.readers.schema import NAMES, Choices, LeftOut
from hatstats.study.frames.native import is_frame, no_path
from hatstats.study.schema import near
from hatstats.study.study import Study

#: What `settings` may name beside the columns of a response.
SETTINGS = ("metric", "filter", "scorer", "n_trials", "chance", "table", "right", "wrong",
            "right_from", "unusable", "pair", "task", "languages", "regrade")  # fmt: skip
#: Those that may be given for one benchmark or language: ``chance@xnli``, ``n_trials@xnli/de``.
_BY_BENCHMARK = ("n_trials", "chance", "source_language", "pair")
#: Settings that are one of a few words.
_WORDS = {"pair": ("yes", "number", "no"), "languages": ("merged", "apart"),
          "regrade": ("exact", "numeric")}  # fmt: skip


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
    >>> import os
    >>> import tempfile
    >>> import hatstats as hs
    >>> study = hs.simulate_study(shape=hs.Shape(n_items=10, n_languages=2), rng=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = study.write(f"{folder}/quiz") / "counts.csv"
    ...     done = hs.convert_logs(table, settings={"source_language": "src", "chance": "0"})
    >>> done.notes[1]
    'simulated: 10 trials of every item.'
    """

    study: Study
    files: pd.DataFrame
    left_out: pd.DataFrame
    notes: tuple[str, ...]

    def summary(self) -> str:
        """The account in plain text, at most 80 columns wide."""
        return conversion_text(self.study, self.files, self.left_out, self.notes)

    def _html_rows(self) -> pd.DataFrame:
        return self.files


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
        Files and folders with logs of lm-evaluation-harness (and lmms-eval), Inspect, HELM,
        lighteval, EuroEval, simple-evals, OpenCompass, NeMo-Skills, promptfoo or every_eval_ever,
        or plain tables (CSV, TSV, JSON, Parquet, Arrow, DuckDB). Folders are searched.
        With an Ibis address as backend, names of its tables.
    format : str, optional
        One format for all files; by default it is recognised file by file.
    fields : mapping, optional
        Column of a response to the field of the table that holds it: ``{"model": "model_id"}``;
        dots go inwards.
    settings : mapping, optional
        Columns that are constant (``{"language": "de"}``); choices where a log offers several
        (`metric`, `filter`, `scorer`, `table`); what scores say (`right`, `wrong`: values joined by
        commas; `right_from`: the number from which on a score is right; `unusable`: ``wrong`` or
        ``missing`` for all answers without a score; `regrade`: ``exact`` or ``numeric``, from
        responses and targets in the logs); `task`, a pattern as ``quiz_{language}``; `languages`,
        ``apart`` where spellings are not to be one language; ``{"model:OLD": "NEW"}`` to merge two
        names of one model; `n_trials` of totals that do not say it; `source_language`, `chance`,
        and `pair` (``yes``, ``number``, ``no``: whether items of one name, or one number, are one
        question). The last four may be for one benchmark or language: ``n_trials@xnli``,
        ``n_trials@xnli/de``.
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
        For what cannot be read, for scores of which many are neither right nor wrong, for an
        ambiguous column or source language, when nothing is left, and with `strict` for the first
        rows left out.

    Examples
    --------
    >>> import os
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
        study, notes = study_of_counts(
            pool, choices, _study_name(paths[0]), tuple(filter(os.path.isfile, map(Path, paths)))
        )
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
    notes = [*found.notes, *filter(None, counter.notes), *pool.notes, *notes, *own]
    notes += pairing_notes(study, pool.by_id)
    notes += suffix_notes([name for name in study.model_names if name not in pool.apart])
    return Conversion(study, files, losses, tuple(notes))


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
        if value not in _WORDS.get(name, (value,)):
            hint = f"say {' or '.join(_WORDS[name])}."
            raise DataError("there is no such choice.", column=name, value=value, hint=hint)
        if name in ("n_trials", "chance", "right_from"):
            number = pd.to_numeric(value, errors="coerce")
            if not 0 <= number < (1.0 if name == "chance" else float("inf")):
                raise DataError(
                    "this is no number in range.",
                    column=name,
                    value=value,
                    hint="n_trials is a number of items, chance a proportion below 1, "
                    "right_from a score.",
                )
    return Choices(dict(fields), dict(settings))


def _check_something(found: Sequence[object], left_out: Sequence[tuple[str, LeftOut]]) -> None:
    """Refuse to go on with nothing, and say what was left out."""
    if found:
        return
    why = sorted({f"{Path(file).name}: {lost.reason}" for file, lost in left_out})
    shown = "; ".join(why[:3]) or "no file in them is a log, or a table with rows"
    raise DataError(
        f"nothing in these logs can be counted ({shown}).",
        hint="name files of a known format, or a table with a row for each answer.",
    )


def _study_name(log: str | Path) -> str:
    """Name of a file or folder without the endings of tables."""
    name = Path(str(log)).name
    for ending in (".gz", ".jsonl", ".csv", ".tsv", ".parquet", ".json"):
        name = name.removesuffix(ending)
    return name or "converted"
