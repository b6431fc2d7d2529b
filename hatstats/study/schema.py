"""The tables of a study as declared columns, and how a raw table is brought to them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from hatstats.errors import DataError

Kind = Literal["text", "number", "date"]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Column:
    """One declared column of a table.

    Text is stored as pandas ``str``, a number as float64, a date as ``datetime64[s]``. A column
    that is not `required` may be absent; in a `blank` one single cells may be empty (``""``, NaN or
    NaT). `aliases` are never accepted silently: the error names the column to rename. `hint` says
    what to do about a cell that cannot be read.
    """

    name: str
    kind: Kind = "text"
    required: bool = True
    blank: bool = False
    aliases: tuple[str, ...] = ()
    hint: str = ""


def _names(better: str, worse: str = "") -> tuple[tuple[str, ...], ...]:
    return (tuple(better.split()), tuple(worse.split()))


#: Role of a column to other names that people give it, good ones and, apart, ones that often mean
#: something else. Names are compared without case; blanks, dots and hyphens are underscores.
OTHER_NAMES = {
    "model": _names("model_name model_id models llm model_key", "system engine checkpoint"),
    "language": _names(
        "lang locale language_code lang_code language_name language_id target_lang "
        "target_language dataset_language dataset_languages languages",
        "subset config dataset_config",
    ),
    "benchmark": _names(
        "dataset task task_name dataset_name benchmark_name benchmark_id eval eval_name scenario "
        "task_group",
        "subset",
    ),
    "item": _names(
        "item_id question_id sample_id doc_id instance_id example_id problem_id qid q_id id",
        "idx index uid question instance",
    ),
    "prompt": _names(
        "prompt_id prompt_name prompt_template template template_id wording train_trial_index"
    ),
    "correct": _names("is_correct iscorrect correctness", "passed pass hit hits right result"),
    "n_correct": _names(
        "num_correct correct_count n_right num_right correct_answers successes hits", "k"
    ),
    "n_trials": _names(
        "n_total num_total total trials num_trials attempts n_items n num_samples n_samples "
        "num_items num_questions n_questions num_instances n_instances support sample_size count"
    ),
    "accuracy": _names(
        "acc score exact_match em quasi_exact_match extractive_match pass@1", "value mean_score"
    ),
    "repeat": _names(
        "run run_id run_number epoch seed random_seed sampling_seed trial trial_id trial_number "
        "replicate repetition rep attempt iteration sample_index sample_idx",
        "sample generation k",
    ),
    "cluster": _names("cluster_id"),
    "source_language": _names("source_lang src_lang original_language"),
    "chance": _names("chance_level random_baseline"),
    "family": _names("model_family"),
    "release_date": _names("released release released_at date_released"),
    "params_total": _names(
        "params parameters num_params n_params n_parameters num_parameters param_count "
        "num_model_parameters params_b params_billion params_billions parameters_b size_b"
    ),
    "params_active": _names("active_params active_parameters"),
}


def _named(name: str, kind: Kind = "text", *more: str, **options: Any) -> Column:
    """A declared column with the other names of its role, and `more` that stand for it."""
    return Column(name, kind, aliases=(*OTHER_NAMES[name][0], *more), **options)


_MODEL, _BENCHMARK = _named("model"), _named("benchmark")
_CLUSTER = _named("cluster", required=False, blank=True)
_SOURCE = _named("source_language", "text", "source", required=False, blank=True)
_SIZE = "write the number of parameters in units, such as 4.3e9, or leave the cell empty."
CHANCE_HINT = "write the chance level as a proportion: 0 for open answers, 0.25 for four options."
_RIGHT = "write how many trials were right, as a plain number (decimal point, no % sign)."
_TRIALS = "write how many trials there were, as a plain number."
_DATE = "write year, month and day as 2025-06-17, or leave the cell empty."
COUNTS = (
    _MODEL,
    _BENCHMARK,
    _named("language"),
    _named("item", required=False, blank=True),
    _named("n_correct", "number", "accuracy", "acc", "score", "correct", "k", hint=_RIGHT),
    _named("n_trials", "number", hint=_TRIALS),
    _CLUSTER,
    _named("prompt", required=False, blank=True),
    Column("repeat", required=False, blank=True),
    Column("flag", required=False, blank=True),
    Column("evidence", required=False, blank=True),
)
MODELS = (
    _MODEL,
    _named("family", required=False, blank=True),
    _named("release_date", "date", "date", required=False, blank=True, hint=_DATE),
    _named("params_total", "number", required=False, blank=True, hint=_SIZE),
    _named("params_active", "number", required=False, blank=True, hint=_SIZE),
)
BENCHMARKS = (
    _BENCHMARK,
    _SOURCE,
    _named("chance", "number", required=False, hint=CHANCE_HINT),
    Column("trials", required=False, blank=True),
)
ITEMS = (_BENCHMARK, _named("item"), _SOURCE, _CLUSTER)
#: What several trials of an item may be, where no prompt and no repeat is named.
TRIALS = ("wordings", "repeats", "unknown")
#: One cell of a study: no two rows of the counts agree in all of these.
CELL = ("model", "benchmark", "language", "item", "prompt", "repeat")

#: What people write into a cell without a value, in small letters.
MISSING_WORDS = frozenset({"", "na", "nan", "n/a", "null", "none", "<na>"})
#: Value and dtype of a column that a table lacks.
_ABSENT = {"text": ("", "str"), "number": (np.nan, "float64"), "date": (pd.NaT, "datetime64[s]")}


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """A table with its origin, so that an error can name file and row.

    `rows` (n,) counts each line as a spreadsheet does, the header being row 1; without a `header`,
    as in frames, they are positions from 0.
    """

    file: str
    frame: pd.DataFrame
    rows: npt.NDArray[np.int64]
    header: bool = True

    @classmethod
    def from_frame(cls, file: str, frame: pd.DataFrame) -> Sheet:
        """Wrap a frame in memory, whose rows are named by their position."""
        return cls(file, frame.reset_index(drop=True), np.arange(len(frame)), header=False)

    def keep(self, mask: Mask) -> Sheet:
        """Return the rows of a mask (n,); each keeps its row number in the file."""
        return replace(self, frame=self.frame[mask].reset_index(drop=True), rows=self.rows[mask])

    def place(self, number: int) -> dict[str, int]:
        """Where the row of this number is, as arguments of an error: `row` or `position`."""
        return {"row" if self.header else "position": int(self.rows[number])}

    def where(self, number: int) -> str:
        """The same in words: ``row 7``, or ``position 5``."""
        return f"{'row' if self.header else 'position'} {self.rows[number]}"

    def refuse(
        self,
        faulty: Mask | npt.NDArray[np.int64] | pd.Series,
        column: str,
        message: str | Callable[[pd.Series], str],
        *,
        hint: str | Callable[[pd.Series], str],
        value: object = None,
    ) -> None:
        """Raise one error for all faulty rows (mask (n,) or positions), if there are any.

        It counts them and shows the first with its value in `column`, or `value`. `message` has no
        full stop; it and the hint may be made of the first faulty row.
        """
        marks = np.asarray(faulty)
        hits = np.flatnonzero(marks) if marks.dtype == np.bool_ else marks
        if not len(hits):
            return
        first = int(hits[0])
        row = self.frame.iloc[first]
        said = [text if isinstance(text, str) else text(row) for text in (message, hint)]
        if value is None and column in self.frame.columns:
            value = _plain(self.frame[column].iloc[first])
        many = f" ({len(hits)} rows; the first is shown)" if len(hits) > 1 else ""
        raise DataError(
            f"{said[0]}{many}.",
            file=self.file,
            column=column,
            value=value,
            hint=said[1],
            **self.place(first),
        )

    def refuse_varying(self, key: list[str], column: str) -> None:
        """Refuse rows of one thing (the last of the key) that differ in a column."""
        pairs = self.frame[[*key, column]].drop_duplicates()

        def message(row: pd.Series) -> str:
            first = int(np.argmax((self.frame[key] == row[key]).all(axis=1)))
            other = _plain(self.frame[column].iloc[first])
            name = f"{key[-1]} {row[key[-1]]!r}"
            return f"{name} has another {column} in {self.where(first)} ({other!r})"

        again = pairs.index[pairs.duplicated(key).to_numpy()].to_numpy()
        hint = f"write the same {column} in every row of one {key[-1]}."
        self.refuse(again, column, message, hint=hint)


def near(name: str, candidates: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return ``" Did you mean 'x'?"`` for the candidate closest in spelling, or ``""``."""
    known = {str(c).casefold(): str(c) for c in candidates}
    match = difflib.get_close_matches(name.casefold(), list(known), n=1, cutoff=cutoff)
    return f" Did you mean {known[match[0]]!r}?" if match else ""


def listed(names: Iterable[object], most: int = 20) -> str:
    """The first names of many, quoted, for a message."""
    shown = [repr(str(name)) for name in names]
    return ", ".join(shown[:most]) + (", ..." if len(shown) > most else "")


def conform(
    sheet: Sheet, columns: Sequence[Column], *, keep_others: bool = False, other_way: str = ""
) -> Sheet:
    """Bring a raw table to its declared columns: names, kinds and blanks.

    Declared columns come first, absent ones filled with blanks (a declared number that may not be
    blank stays absent). Others are kept, if asked, as covariates: numbers where every cell is one,
    dates where every cell is an ISO date, text otherwise. `other_way` is added to the hint about a
    missing column.
    """
    _check_header(sheet, columns, other_way)
    index = pd.RangeIndex(len(sheet.frame))
    done: dict[str, pd.Series] = {}
    for column in columns:
        if column.name in sheet.frame.columns:
            done[column.name] = _read_column(sheet, column)
        elif column.blank:
            value, dtype = _ABSENT[column.kind]
            done[column.name] = pd.Series(value, index=index, dtype=dtype)
    if keep_others:
        done |= {name: _covariate(sheet.frame[name]) for name in undeclared(sheet, columns)}
    return replace(sheet, frame=pd.DataFrame(done, index=index))


def without_blank(frame: pd.DataFrame) -> pd.DataFrame:
    """A table of a study without the columns that need not be there and hold nothing."""
    optional = {"cluster", "prompt", "repeat", "flag", "evidence", "trials"}
    return frame.drop(columns=[n for n in frame if n in optional and not (frame[n] != "").any()])


def no_items() -> pd.DataFrame:
    """Return the table of items of a study whose items all share their benchmark's source."""
    return pd.DataFrame({column.name: pd.Series(dtype="str") for column in ITEMS})


def undeclared(sheet: Sheet, columns: Sequence[Column]) -> list[str]:
    """Return the names of the columns that are not declared, in their order."""
    declared = {c.name for c in columns}
    return [str(name) for name in sheet.frame.columns if name not in declared]


def _covariate(values: pd.Series) -> pd.Series:
    """Give an undeclared column (n,) the plainest kind that holds all cells, written or read."""
    if not pd.api.types.is_datetime64_any_dtype(values) or values.isna().all():
        numbers, unread = _as_numbers(values)
        if not unread.any():
            return numbers
    dates, unread = _as_dates(values)
    if not unread.any():
        return dates
    text = as_text(values)
    return text.mask(text == "")


def _check_header(sheet: Sheet, columns: Sequence[Column], other_way: str) -> None:
    """Refuse columns without a name, repeated ones, and missing or misspelt declared ones."""
    names = [str(name) for name in sheet.frame.columns]

    def error(message: str, hint: str, column: str | None, value: str | None = None) -> DataError:
        row = 1 if sheet.header else None
        return DataError(message, file=sheet.file, row=row, column=column, value=value, hint=hint)

    for number, name in enumerate(names, start=1):
        if not name.strip():
            hint = "name it or remove it (pandas leaves out its index with to_csv(index=False))."
            raise error(f"column {number} has no name.", hint, None, "")
        if names.index(name) < number - 1:
            hint = "give every column its own name."
            raise error("the column occurs more than once.", hint, name)
    others = undeclared(sheet, columns)
    spelled = [name.strip().casefold() for name in others]
    for column in columns:
        if column.name in names:
            continue
        alias = next((name for name in others if name.casefold() in column.aliases), None)
        if alias is None:
            close = difflib.get_close_matches(column.name, spelled, n=1, cutoff=0.8)
            alias = others[spelled.index(close[0])] if close else None
        if alias is not None or column.required:
            message = f"the column is missing; the columns found are {', '.join(map(repr, names))}."
            raise error(message, _rename(column.name, alias) + other_way, column.name)


def _rename(name: str, alias: str | None) -> str:
    """Say how to get the column `name`, perhaps from the column `alias`."""
    if alias is None:
        return f"add the column {name!r}."
    if name == "n_correct" and alias.casefold() in {"accuracy", "acc", "score"}:
        return (
            f"n_correct is a count: write {alias!r} (as a proportion) times n_trials, "
            "the number of items behind it."
        )
    if name == "params_total":
        return f"rename {alias!r} to 'params_total', in units (4.3e9, not 4.3)."
    return f"rename {alias!r} to {name!r}."


def _read_column(sheet: Sheet, column: Column) -> pd.Series:
    """Read a declared column (n,) in its kind; refuse cells that cannot be read."""
    raw = sheet.frame[column.name]
    if column.kind == "text":
        text = as_text(raw)
        if not column.blank:
            empty = (text == "").to_numpy(dtype=bool)
            sheet.refuse(empty, column.name, "the cell is empty", hint="write a name in it.")
        return text
    number = column.kind == "number"
    values, unread = _as_numbers(raw) if number else _as_dates(raw)
    what = "a finite number" if number else "a date"
    sheet.refuse(unread, column.name, f"this is not {what}", hint=column.hint)
    if not column.blank:
        missing = values.isna().to_numpy(dtype=bool)
        sheet.refuse(missing, column.name, "the number is missing", hint=column.hint)
    return values


def as_text(values: pd.Series) -> pd.Series:
    """Return stripped text (n,), empty where a value is missing."""
    if pd.api.types.is_float_dtype(values) and bool((values.dropna() % 1 == 0).all()):
        # Whole numbers with gaps arrive as floats; an item called 12 must not become "12.0".
        values = values.astype("Int64")
    return values.astype("str").fillna("").str.strip().reset_index(drop=True)


def _as_numbers(values: pd.Series) -> tuple[pd.Series, Mask]:
    """Return the numbers (n,) and a mask (n,) of cells that hold something else."""
    if pd.api.types.is_numeric_dtype(values):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        return pd.Series(numbers), np.isinf(numbers)
    cells = as_text(values).to_numpy(dtype=object)
    try:
        numbers = cells.astype(np.float64)
    except ValueError:
        numbers = np.array([_number(cell) for cell in cells])
    unread = np.isinf(numbers)
    return pd.Series(np.where(unread, np.nan, numbers)), unread


def _number(cell: str) -> float:
    """Read one cell: NaN for a missing value, infinity for what is no number."""
    if cell.casefold() in MISSING_WORDS:
        return np.nan
    try:
        return float(cell)
    except ValueError:
        return np.inf


def _as_dates(values: pd.Series) -> tuple[pd.Series, Mask]:
    """Return the dates (n,), whole days, and a mask (n,) of cells that hold something else."""
    if pd.api.types.is_datetime64_any_dtype(values):
        days = values.reset_index(drop=True)
        if getattr(days.dtype, "tz", None) is not None:
            days = days.dt.tz_convert(None)
        return days.dt.normalize().astype("datetime64[s]"), np.zeros(len(days), dtype=bool)
    text = as_text(values)
    missing = text.str.casefold().isin(list(MISSING_WORDS))
    iso = text.str.fullmatch(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}.*)?")
    days = pd.to_datetime(text.str.slice(0, 10).where(iso), format="%Y-%m-%d", errors="coerce")
    unread = (days.isna() & ~missing).to_numpy(dtype=bool)
    return days.astype("datetime64[s]"), unread


def _plain(value: object) -> object:
    """Show numpy scalars as the plain numbers they are."""
    plain = value.item() if isinstance(value, np.generic) else value
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain
