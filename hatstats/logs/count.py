"""Responses to counts as one Ibis expression, the same on every backend.

A row is graded (right, wrong, or left out with a reason) and added up over the trials of its
cell. Repeated trials are detected in the same pass: each trial that is a number below 30 adds the
power 2^trial, and a sum of n powers of two has n binary ones exactly if all n are different. That
costs a tenth more time where counting distinct values would cost ten times as much; other names of
trials are counted exactly in a second pass.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from hatstats.logs.backends import FILE, LOST
from hatstats.logs.configuration import SEPARATOR
from hatstats.logs.readers.reader import NAMES, RIGHT, WRONG, Field

if TYPE_CHECKING:
    import ibis.expr.types as ir

#: Numbers of trials that the powers of two distinguish: a literal is 32 bits wide on Spark.
MOST_CODES = 30
#: Why a row is left out, in the order in which reasons are tried.
REASONS = {
    "lost": "the line is not a whole JSON object in UTF-8 with these fields",
    "model": "the model is missing",
    "benchmark": "the benchmark is missing",
    "language": "the language is missing",
    "item": "the item is missing",
    "empty": "the score is missing",
    "neither": "the score is neither right (1) nor wrong (0)",
}
#: Further columns that cells keep apart until all is known.
EXTRA = ("filter", "task", "source_language", "wording", "config")


def needed_columns(fields: Sequence[Field]) -> dict[str, object]:
    """Columns that the fields need, as a nested mapping with None for text."""
    columns: dict[str, object] = {}
    for field in fields:
        for path in field.paths:
            level = columns
            *parents, last = path.split(".")
            for part in parents:
                inner = level.setdefault(part, {})
                level = inner if isinstance(inner, dict) else {}
            level.setdefault(last, None)
    return columns


def responses(
    table: ir.Table, fields: Sequence[Field], values: Mapping[str, str] | None = None
) -> ir.Table:
    """Name the columns of a response and give every row a reason to be left out, or none.

    Returns the columns found and `constant` ones, all text; `right` (null where the row or its
    score cannot be used) and `trials`; `reason`; `code`, the trial as a small number or null;
    `hatstats_file` where the table has it.
    """
    import ibis

    found: dict[str, ir.Value] = {}
    for field in fields:
        parts = [_value(table, path) for path in field.paths]
        if field.column in ("correct", "n_correct", "n_trials", "prompt"):
            found[field.column] = parts[0]
            continue
        texts = [_text(part) for part in parts]
        if field.column == "config" and field.joined:
            said = [
                f"{path}=" + ibis.coalesce(text, "")
                for path, text in zip(field.paths, texts, strict=True)
            ]
            found[field.column] = functools.reduce(lambda a, b: a + SEPARATOR + b, said)
        elif field.joined:
            found[field.column] = functools.reduce(lambda left, right: left + "#" + right, texts)
        else:
            found[field.column] = ibis.coalesce(*texts) if len(texts) > 1 else texts[0]
    for name, value in (values or {}).items():
        if name in NAMES or name in EXTRA:
            found[name] = ibis.literal(value, type="string")
    right, trials, empty = _grades(found)
    branches = [(_missing(found[name]), REASONS[name]) for name in NAMES[:-1] if name in found]
    branches += [(empty, REASONS["empty"]), (right.isnull(), REASONS["neither"])]
    if LOST in table.columns:
        branches.insert(0, (table[LOST], REASONS["lost"]))
        right = ibis.ifelse(table[LOST], ibis.null(right.type()), right)
    columns = {name: value for name, value in found.items() if name in (*NAMES, *EXTRA)}
    if "prompt" in found:
        columns["code"] = _code(found["prompt"])
        columns["prompt"] = _text(found["prompt"])
    if FILE in table.columns:
        columns[FILE] = table[FILE]
    reason = ibis.cases(*branches, else_=ibis.null("string"))
    return table.select(**columns, right=right, trials=trials, reason=reason)


def counts(rows: ir.Table, *, by_file: bool = False, by_prompt: bool = False) -> ir.Table:
    """Add up responses: one row for each cell; files or trials kept apart where asked.

    Beside the names found: `n_correct`, `n_trials`, `n_rows` (all rows), `n_kept`, and where trials
    are numbered `codes`, the sum of their powers of two, and `odd`, the rows it does not cover.
    """
    import ibis

    skipped = set() if by_prompt else {"prompt"}
    keys = [name for name in (*NAMES, *EXTRA) if name in rows.columns and name not in skipped]
    if by_file and FILE in rows.columns:
        keys.append(FILE)
    # Texts are compared cell by cell, not row by row: whether all names are there is the same for
    # all rows of a cell, and a score that cannot be used is null, which no sum takes in.
    used = rows.right.notnull()
    sums = {
        "n_correct": rows.right.sum(),
        "n_trials": rows.trials.sum(where=used),
        "n_rows": rows.count(),
        "n_kept": rows.right.count(),
    }
    if "code" in rows.columns and "prompt" in skipped:
        power = ibis.literal(1, type="int64") << rows.code
        sums["codes"] = power.sum(where=used)  # a row without a code adds nothing
        sums["odd"] = rows.count(where=used & rows.code.isnull())
    cells = rows.group_by(keys).aggregate(**sums)
    nameless = [_missing(cells[name]) for name in NAMES[:-1] if name in keys]
    if not nameless:
        return cells
    faulty = functools.reduce(operator.or_, nameless)
    empty = {
        name: 0 if name in ("n_kept", "odd") else ibis.null(cells[name].type())
        for name in sums
        if name != "n_rows"
    }
    return cells.mutate(
        **{name: ibis.ifelse(faulty, nothing, cells[name]) for name, nothing in empty.items()}
    )


def left_out(rows: ir.Table) -> ir.Table:
    """Count the rows that are left out, by file and reason."""
    keys = [FILE, "reason"] if FILE in rows.columns else ["reason"]
    faulty = rows.filter(rows.reason.notnull())
    return faulty.group_by(keys).aggregate(n_rows=faulty.count())


def _value(table: ir.Table, path: str) -> ir.Value:
    """Column or inner field at a dotted path; null where the table has none."""
    import ibis

    first, *inner = path.split(".")
    if path in table.columns:
        return table[path]
    if first not in table.columns:
        return ibis.null("string")
    return functools.reduce(operator.getitem, inner, table[first])


def _missing(name: ir.Value) -> ir.Value:
    return name.isnull() | (name == "")


def _text(value: ir.Value) -> ir.Value:
    """Text of a name; whole floats lose their point, as items numbered with gaps need."""
    kind = value.type()
    if kind.is_string():
        return value
    if kind.is_floating():
        value = value.cast("int64")
    return value.cast("string")


def _grades(found: Mapping[str, ir.Value]) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Right answers (null where the score cannot be used), trials, whether the score is missing."""
    import ibis

    if "correct" not in found:
        right = found["n_correct"].try_cast("float64")
        trials = found["n_trials"].try_cast("float64")
        fine = (right >= 0) & (trials > 0) & (right <= trials)
        usable = ibis.ifelse(fine, right, ibis.null("float64"))
        return usable, trials, right.isnull() | trials.isnull()
    score = found["correct"]
    kind = score.type()
    one, zero = ibis.literal(1, type="int64"), ibis.literal(0, type="int64")
    none = ibis.null("int64")
    if kind.is_boolean():
        return score.cast("int64"), one, score.isnull()
    if kind.is_numeric():
        right = ibis.cases((score == 1, one), (score == 0, zero), else_=none)
        return right, one, score.isnull()
    text = score.cast("string")
    number = text.try_cast("float64")
    # Words first, in the spellings that occur: reading numbers is slower, and folding the case of
    # every score is slower still.
    right = ibis.cases(
        (text.isin(_spellings(RIGHT)), one),
        (text.isin(_spellings(WRONG)), zero),
        (number == 1, one),
        (number == 0, zero),
        else_=none,
    )
    return right, one, text.isnull() | (text == "")


def _spellings(words: Collection[str]) -> list[str]:
    return sorted({form for word in words for form in (word, word.upper(), word.capitalize())})


def _code(prompt: ir.Value) -> ir.Value:
    """The trial as a number from 0 to below `MOST_CODES`, null where it is none."""
    import ibis

    number = prompt if prompt.type().is_integer() else prompt.cast("string").try_cast("int64")
    return ibis.ifelse((number >= 0) & (number < MOST_CODES), number, ibis.null(number.type()))
