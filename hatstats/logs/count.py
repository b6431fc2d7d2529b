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
from hatstats.logs.readers.reader import WIDE_LANGUAGE, WIDE_VALUE
from hatstats.logs.readers.schema import NAMES, RIGHT, WRONG, Field
from hatstats.logs.vocabulary import FAILED, UNREAD, Marks, slack
from hatstats.study.schema import MISSING_WORDS

if TYPE_CHECKING:
    import ibis.expr.types as ir

#: Numbers of trials that the powers of two distinguish: a literal is 32 bits wide on Spark.
MOST_CODES = 30
#: Why a row is left out, in the order in which reasons are tried.
REASONS = {
    "metric": "it is of another metric",
    "lost": "the line is not a whole JSON object in UTF-8 with these fields",
    "model": "the model is missing",
    "benchmark": "the benchmark is missing",
    "language": "the language is missing",
    "item": "the item is missing",
    "failed": "its run failed (an error or a timeout)",
    "unread": "its answer could not be read",
    "empty": "the score is missing",
    "neither": "the score is neither right (1) nor wrong (0)",
    "untried": "it has no trials",
    "count": "its right answers are no whole number from 0 to its trials",
}
#: Further columns that cells keep apart until all is known; `named` is an id beside a row number.
#: `metric` is empty for the one that counts.
EXTRA = ("filter", "task", "source_language", "wording", "config", "named", "metric")
#: What stands in the place of an answer that a harness could not read, as JSON writes it.
_INVALID = '"[invalid]"'


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
            if last not in (WIDE_LANGUAGE, WIDE_VALUE):
                level.setdefault(last, None)
    return columns


def made_long(table: ir.Table, wide: Sequence[str]) -> ir.Table:
    """A table with a column for each language as one with a row for each language, all text."""
    import ibis.selectors

    text = table.mutate(**{name: table[name].cast("string") for name in wide})
    columns = ibis.selectors.cols(*wide)
    return text.pivot_longer(columns, names_to=WIDE_LANGUAGE, values_to=WIDE_VALUE)


def responses(
    table: ir.Table,
    fields: Sequence[Field],
    values: Mapping[str, str] | None = None,
    marks: Marks | None = None,
    metrics: Mapping[str, str] | None = None,
) -> ir.Table:
    """Name the columns of a response and give every row a reason to be left out, or none.

    Returns the columns found and `constant` ones, all text; `right` (null where the row or its
    score cannot be used); `trials`, where a row is not one; `score`, its text; `reason`; `code`,
    the trial as a small number or null; `hatstats_file` where the table has it. `metrics` has the
    metric that counts by benchmark: rows of others are left out. With `marks` values are read one
    by one, and `unread` says which answers count as wrong for want of one to grade.
    """
    import ibis

    found: dict[str, ir.Value] = {}
    for field in fields:
        parts = [_value(table, path) for path in field.paths]
        if field.column in ("correct", "share", "n_correct", "n_trials", "prompt"):
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
    if {"share", "n_correct"} & {*found} and "n_trials" not in found:
        found["n_trials"] = _said_trials(found, values or {})
    branches = [(ibis.coalesce(found[n], "") == "", REASONS[n]) for n in NAMES[:-1] if n in found]
    grown: dict[str, ir.Value] = {}
    if "correct" not in found:
        right, grown["trials"], empty = _shares(found, marks)
        branches += [(empty, REASONS["empty"])]
    elif marks is None:
        right, empty = _grades(found["correct"])
        branches += [(empty, REASONS["empty"])]
    else:
        right, grown["unread"], losses = _marked(found["correct"], marks)
        if marks.repeats > 1:
            grown["trials"] = ibis.literal(marks.repeats, type="int64")
        branches += [(where & right.isnull(), REASONS[name]) for name, where in losses.items()]
    if "answer" in found:
        right, grown = _read(found["answer"], right, grown, marks or Marks())
        branches += [(grown["trials"] == 0, REASONS["unread"])] if "trials" in grown else []
    if "status" in found:
        right, grown, losses = _by_status(found["status"], right, grown, marks or Marks())
        branches = [(where & right.isnull(), why) for why, where in losses.items()] + branches
    if "n_correct" in found:
        branches += [(grown["trials"] == 0, REASONS["untried"])]
    branches += [(right.isnull(), REASONS["count" if "n_correct" in found else "neither"])]
    if LOST in table.columns:
        branches.insert(0, (table[LOST], REASONS["lost"]))
        right = ibis.ifelse(table[LOST], ibis.null(right.type()), right)
    if metrics:
        benchmark = ibis.coalesce(found.get("benchmark", ibis.literal("")), "")
        metric = ibis.coalesce(found["metric"], "")
        chosen = [(benchmark == name) & (metric == kept) for name, kept in metrics.items()]
        other = ~functools.reduce(operator.or_, chosen)
        branches.insert(0, (other, REASONS["metric"]))
        right = ibis.ifelse(other, ibis.null(right.type()), right)
        if "unread" in grown:
            grown["unread"] = ibis.ifelse(other, 0, grown["unread"])
        found["metric"] = ibis.ifelse(other, "other", "")
    columns = {name: value for name, value in found.items() if name in (*NAMES, *EXTRA)}
    if "prompt" in found:
        columns["code"] = _code(found["prompt"])
        columns["prompt"] = _text(found["prompt"])
    if FILE in table.columns:
        columns[FILE] = table[FILE]
    reason = ibis.cases(*branches, else_=ibis.null("string"))
    score = next(found[name] for name in ("correct", "share", "n_correct") if name in found)
    columns["score"] = score.cast("string")
    return table.select(**columns, right=right, **grown, reason=reason)


def counts(rows: ir.Table, *, by_file: bool = False, by_prompt: bool = False) -> ir.Table:
    """Add up responses: one row for each cell; files or trials kept apart where asked.

    Beside the names found: `n_correct`, `n_trials`, `n_rows` (all rows), `n_kept`, `n_unread` (kept
    as wrong because there was no answer to grade), and where trials are numbered `codes`, the sum
    of their powers of two; any other trial adds 2^30. Each sum costs time: what follows from
    another is not summed.
    """
    import ibis

    skipped = set() if by_prompt else {"prompt"}
    keys = [name for name in (*NAMES, *EXTRA) if name in rows.columns and name not in skipped]
    if by_file and FILE in rows.columns:
        keys.append(FILE)
    sums = {"n_correct": rows.right.sum(), "n_rows": rows.count(), "n_kept": rows.right.count()}
    if "trials" in rows.columns:
        sums["n_trials"] = rows.trials.sum(where=rows.right.notnull())
    if "unread" in rows.columns:
        sums["n_unread"] = rows.unread.sum()
    if "code" in rows.columns and "prompt" in skipped:
        one = ibis.ifelse(rows.right.isnull(), ibis.null("int64"), ibis.literal(1, type="int64"))
        sums["codes"] = (one << ibis.coalesce(rows.code, MOST_CODES)).sum()
    cells = rows.group_by(keys).aggregate(**sums)
    derived = {"n_trials": cells.n_kept, "n_unread": ibis.literal(0, type="int64")}
    return cells.mutate(**{name: value for name, value in derived.items() if name not in sums})


def left_out(rows: ir.Table) -> ir.Table:
    """Count the rows that are left out, by file and reason."""
    keys = [FILE, "reason"] if FILE in rows.columns else ["reason"]
    faulty = rows.filter(rows.reason.notnull())
    return faulty.group_by(keys).aggregate(n_rows=faulty.count())


def score_values(rows: ir.Table, most: int = 1000) -> ir.Table:
    """Scores of rows that are named in full, as text, with numbers of rows, frequent first."""
    unnamed = [REASONS[name] for name in (*NAMES[:-1], "lost", "metric")]
    named = rows.filter(rows.reason.isnull() | rows.reason.notin(unnamed))
    values = named.group_by("score").aggregate(n_rows=named.count())
    import ibis

    return values.order_by(ibis.desc("n_rows")).limit(most)


def values_by_language(rows: ir.Table) -> ir.Table:
    """Rows of each model and language, distinct items, the longest, and whether others have one.

    Its columns are `model, language, n_rows, n, longest, shared`.
    """
    import ibis

    keys = [name for name in ("model", "language") if name in rows.columns]
    if "language" not in keys:
        rows = rows.mutate(language=ibis.literal(""))
    each = rows.group_by([*keys, "item"]).aggregate(n_rows=rows.count())
    several = rows.group_by("item").aggregate(spoken=rows.language.nunique())
    each = each.left_join(several, "item")
    return each.group_by(keys).aggregate(
        n_rows=each.n_rows.sum(), n=each.count(), longest=each.item.length().max(),
        shared=(each.spoken > 1).any(),
    )  # fmt: skip


def _value(table: ir.Table, path: str) -> ir.Value:
    """Column or inner field at a dotted path; null where the table has none."""
    import ibis

    first, *inner = path.split(".")
    if path in table.columns:
        return table[path]
    if first not in table.columns:
        return ibis.null("string")
    return functools.reduce(operator.getitem, inner, table[first])


def _text(value: ir.Value) -> ir.Value:
    """Text of a name; whole floats lose their point, as items numbered with gaps need."""
    kind = value.type()
    value = value.cast("int64") if kind.is_floating() else value
    return value if kind.is_string() else value.cast("string")


def _marked(score: ir.Value, marks: Marks) -> tuple[ir.Value, ir.Value, dict[str, ir.Value]]:
    """Right answers, whether nothing was graded, and the rows of each kind of loss."""
    import ibis

    kind = score.type()
    text = (score.cast("int8") if kind.is_boolean() else score).cast("string").strip().lower()
    text = text.replace(",", ".") if marks.comma else text
    number = score if kind.is_numeric() else text.try_cast("float64")
    losses = {
        "failed": text.isin(sorted(FAILED)),
        "unread": text.isin(sorted(UNREAD)),
        "empty": text.isnull() | text.isin(sorted(MISSING_WORDS)),
    }
    as_wrong = [
        where & ~text.isin([*marks.right, *marks.wrong])
        for name, where in losses.items()
        if (marks.unread if name == "unread" else marks.absent) == "wrong"
    ]
    unread = functools.reduce(operator.or_, as_wrong, ibis.literal(False))
    whole = ibis.literal(marks.repeats, type="int64")
    zero, none = ibis.literal(0, type="int64"), ibis.null("int64")
    branches = [(unread, zero)]
    for values, grade in ((marks.right, whole), (marks.wrong, zero)):
        numbers = [float(v) for v in values if v.removeprefix("-").replace(".", "", 1).isdigit()]
        branches += [(text.isin(list(values)), grade)] if values else []
        branches += [(number.isin(numbers), grade)] if numbers else []
    if marks.right_from is not None:
        branches += [(number >= marks.right_from, whole), (number < marks.right_from, zero)]
    else:
        branches += [(text.isin(sorted(RIGHT)), whole), (text.isin(sorted(WRONG)), zero)]
        inside = ibis.ifelse((number >= 0) & (number <= 1), number, ibis.null("float64"))
        right = (inside * marks.repeats).round().cast("int64")
        branches += [((inside * marks.repeats - right).abs() < slack(marks.repeats), right)]
    return ibis.cases(*branches, else_=none), unread.fill_null(False).cast("int64"), losses


def _read(
    answer: ir.Value, right: ir.Value, grown: Mapping[str, ir.Value], marks: Marks
) -> tuple[ir.Value, dict[str, ir.Value]]:
    """Right answers (null where none was read), and `trials` and `unread` of each row.

    The harness scored what it could not read as wrong: those answers stay so, or are missing.
    """
    import ibis

    text = ibis.coalesce(answer.cast("string"), "")
    rest = text.replace(_INVALID, "").length()
    word = ibis.ifelse(text.strip().lower().isin(sorted(UNREAD)), 1, 0)
    lost = (text.length() - rest) // len(_INVALID) + word
    lost = ibis.ifelse(right < marks.repeats, lost, 0).cast("int64")
    if marks.unread == "wrong":
        before = grown.get("unread", ibis.literal(0, type="int64"))
        return right, {**grown, "unread": ibis.greatest(before, lost)}
    trials = ibis.literal(marks.repeats, type="int64") - lost
    return ibis.ifelse(trials > 0, right, ibis.null(right.type())), {**grown, "trials": trials}


def _by_status(
    status: ir.Value, right: ir.Value, grown: Mapping[str, ir.Value], marks: Marks
) -> tuple[ir.Value, dict[str, ir.Value], dict[str, ir.Value]]:
    """Right answers, further sums and rows by reason where a status says that there is no answer.

    Its score was given to no answer: a failed run is missing, an unread answer wrong, or as `marks`
    say.
    """
    import ibis

    text = ibis.coalesce(status.cast("string"), "").strip().lower()
    unread = text.isin(sorted(UNREAD - {"?", "unknown"})) & (ibis.coalesce(right, 0) == 0)
    # As exceptions are called: TimeoutError: no reply within 60 s.
    named = text.re_search(r"^[a-z_.]*(timeout|error|exception)([^a-z_]|$)")
    named &= ~(text.startswith("no") | text.isin(sorted(UNREAD)))
    failed, lost = text.isin(sorted(FAILED)) | named, ibis.literal(False)
    for where, how in ((unread, marks.unread), (failed, marks.absent)):
        none = ibis.null(right.type()) if how == "missing" else ibis.literal(0).cast(right.type())
        right = ibis.ifelse(where, none, right)
        lost = lost | where if how == "wrong" else lost
    grown = {**grown, "unread": ibis.ifelse(lost, 1, grown.get("unread", 0)).cast("int64")}
    return right, grown, {REASONS["failed"]: failed, REASONS["unread"]: unread}


def _said_trials(found: Mapping[str, ir.Value], said: Mapping[str, str]) -> ir.Value:
    """Trials as a user says them: of a benchmark and language, of one of them, or of all."""
    import ibis

    branches, rest = [], ibis.literal(said.get("n_trials"), type="string")
    for name in sorted(said, key=lambda name: "/" not in name):
        _, _, place = name.partition("n_trials@")
        names = [found[n] for n in ("benchmark", "language") if n in found]
        if len(names) == 2:
            names.insert(0, names[0] + "/" + names[1])
        branches += [(each == place, ibis.literal(said[name])) for each in names if place]
    return ibis.cases(*branches, else_=rest) if branches else rest


def _shares(
    found: Mapping[str, ir.Value], marks: Marks | None
) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Right answers of counts or shares (null where no use), trials, whether one is missing."""
    import ibis

    def plain(number: ir.Value) -> ir.Value:  # 38,0 is 38, but 38,000 may be thousands: no number
        return number.cast("string").re_replace(r"^(\s*-?\d+),(\d{1,2}|\d{4,})\s*$", r"\1.\2")

    trials = plain(found["n_trials"]).try_cast("float64")
    text = found["share"].cast("string") if "share" in found else plain(found["n_correct"])
    text = text.replace("%", "")
    if marks and marks.comma:  # where the comma is decimal, a point is none: 1.000 is a thousand
        text, sizes = text.replace(",", "."), found["n_trials"].cast("string")
        trials = ibis.ifelse(sizes.contains("."), ibis.null("float64"), trials)
    right = given = text.try_cast("float64")
    if "share" in found:
        right = given * trials / (marks.scale if marks else 1.0)
        rounded = ibis.least(5e-4 * trials, 0.01) + 1e-6  # as `slack`
        rounded = rounded if "item" in found else 1e-6 * ibis.greatest(1.0, trials)
        near = (right - right.round()).abs() < rounded
        right = ibis.ifelse(near, right.round(), right)
    fine = (right >= 0) & (trials > 0) & (right <= trials)
    if "share" in found and "item" in found:
        fine &= near  # a share of the trials of one item is a whole number of them
    return ibis.ifelse(fine, right, ibis.null("float64")), trials, given.isnull() | trials.isnull()


def _grades(score: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Right answers of scores (null where they say neither), and whether a score is missing."""
    import ibis

    kind = score.type()
    one, zero = ibis.literal(1, type="int64"), ibis.literal(0, type="int64")
    none = ibis.null("int64")
    if kind.is_boolean():
        return score.cast("int64"), score.isnull()
    if kind.is_numeric():
        return ibis.cases((score == one, one), (score == zero, zero), else_=none), score.isnull()
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
    return right, text.isnull() | (text == ibis.literal(""))  # ibis compares nulls with values


def _spellings(words: Collection[str]) -> list[str]:
    return sorted({form for word in words for form in (word, word.upper(), word.capitalize())})


def _code(prompt: ir.Value) -> ir.Value:
    """The trial as a number from 0 to below `MOST_CODES`, null where it is none."""
    import ibis

    number = prompt if prompt.type().is_integer() else prompt.cast("string").try_cast("int64")
    return ibis.ifelse((number >= 0) & (number < MOST_CODES), number, ibis.null(number.type()))
