"""Plain tables: CSV, TSV, JSON lines, Parquet, Arrow, or a table of a DuckDB file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace

from hatstats.errors import DataError
from hatstats.logs.configuration import is_condition
from hatstats.logs.readers.reader import WIDE_LANGUAGE, WIDE_VALUE, Kind, Preview, Reader, Rows
from hatstats.logs.readers.schema import REGRADED, Choices, Field, Layout
from hatstats.study.frames.columns import is_sure_tag, plain_name
from hatstats.study.languages.tags import standard_tag
from hatstats.study.schema import OTHER_NAMES, near

#: Columns of a response, each with names that come before all others.
_FIRST = {
    "model": ("model", "model_name", "model_id"),
    "benchmark": ("benchmark", "dataset", "task_name", "task"),
    "language": ("language", "lang", "locale", "language_code"),
    "item": ("item", "item_id", "question_id", "sample_id", "doc_id"),
    "prompt": ("prompt", "prompt_id", "trial", "repeat", "epoch", "seed", "template"),
    "correct": ("correct", "is_correct", "exact_match", "acc", "score", "passed"),
    "n_correct": ("n_correct",),
    "n_trials": ("n_trials",),
    "source_language": ("source_language",),
    "wording": ("prompt", "prompt_id"),
    "filter": ("filter",),
    "metric": ("metric", "metric_name"),
    "status": ("status", "run_status", "error_type", "error"),
    "answer": ("extracted_answer", "parsed_answer", "filtered_resps"),
}
#: Columns that stand for another one's role: samples number trials, accuracies of 0 and 1 answers.
_ALSO = {"prompt": ("repeat",), "correct": ("accuracy",), "wording": ("prompt",)}
_LAYOUT = Layout(
    response=("response", "model_response", "prediction", "predicted_answer", "output",
              "model_output", "generation", "completion"),
    target=("target", "gold", "reference", "expected", "expected_answer", "correct_answer",
            "gold_answer", "answer"),
)  # fmt: skip
#: Names that tables give to the columns of a response, those of frames among them; every use of one
#: is reported.
ALIASES = {
    column: (*names, *(n for role in (column, *_ALSO.get(column, ())) if role in OTHER_NAMES
                       for n in (role, *OTHER_NAMES[role][0])))
    for column, names in _FIRST.items()
}  # fmt: skip
#: Where no better name is there, these number the trials of an item too.
ALIASES["prompt"] += tuple(name for name in OTHER_NAMES["repeat"][1] if name != "k")
#: What notes call a column of a response.
_ROLES = {"prompt": "trial", "correct": "score", "share": "accuracy", "config": "setting"}
_NEEDED = ("model", "language")  # a benchmark without a name is called one
#: Columns that may hold right answers, where another one holds their trials.
_COUNTS = (*OTHER_NAMES["n_correct"][1], *OTHER_NAMES["correct"][1])
#: Columns that may hold the questions, or their numbers, where no column names the items.
_QUESTIONS = ("question", "question_text", "problem", "query", "instance", "uid", "task_id",
              "prompt_text", "input", "idx", "index")  # fmt: skip
#: Kind of a previewed file, and how a database reads it.
_Names = tuple[str, ...]
_KINDS: dict[str, Kind] = {"jsonl": "json", "csv": "csv", "parquet": "parquet",
                           "arrow": "arrow"}  # fmt: skip


def _matches(preview: Preview) -> bool:
    # An array of objects beside logs may be anything: without a model it is no table of answers.
    known = {plain_name(name) for name in preview.first} & {*ALIASES["model"]}
    sure = bool(known) or not (preview.array and preview.root)
    return preview.kind.removeprefix("url:") in _KINDS and sure


def _rows(previews: list[Preview], choices: Choices) -> list[Rows]:
    """Files with the same columns are read as one."""
    found: list[Rows] = []
    groups: dict[tuple[str, _Names, str, tuple[Field, ...], _Names], list[Preview]] = defaultdict(
        list
    )
    for preview in previews:
        if preview.kind.startswith("url:"):
            found.append(_remote(preview, choices))
            continue
        header = tuple(preview.first) if preview.kind == "csv" else ()
        columns = preview.first.keys() | _partitions(preview)
        wide = wide_columns(columns, choices)
        fields = find_fields(columns, choices, str(preview.named), wide)
        groups[preview.kind, header, preview.delimiter, fields, wide].append(preview)
    for (kind, header, delimiter, fields, wide), group in groups.items():
        files = tuple(str(preview.path) for preview in group)
        for part in [(file,) for file in files] if kind == "arrow" else [files]:
            rows = Rows(_KINDS[kind], part, fields, {}, delimiter, header, group[0].root)
            found.append(replace(rows, wide=wide, columns=tuple(group[0].first)))
    return found


def wide_columns(columns: Collection[str], choices: Choices) -> _Names:
    """Columns that hold one language each, of a table where no column names the language."""
    names = {plain_name(name) for name in columns}
    roles = (*ALIASES["language"], *ALIASES["correct"], *ALIASES["n_correct"])
    if "language" in {*choices.fields, *choices.settings} or names & {*roles}:
        return ()
    found = tuple(sorted(name for name in columns if is_sure_tag(name)))
    return found if len({standard_tag(name) for name in found}) > 1 else ()


def question_columns(rows: Rows, choices: Choices) -> _Names:
    """Columns of a table without items that may hold the questions, the likeliest first."""
    found = {each.column: each.paths[0] for each in rows.fields}
    if "item" in {*found, *choices.fields, *choices.settings} or not {"correct"} & {*found}:
        return ()
    taken = {path for column, path in found.items() if column not in ("wording", "prompt")}
    named = {plain_name(name): name for name in rows.columns if name not in taken}
    wording = [found["wording"]] if "wording" in found and "prompt" not in choices.fields else []
    return tuple(dict.fromkeys([*(named[name] for name in _QUESTIONS if name in named), *wording]))


def columns_note(rows: Rows, choices: Choices) -> str:
    """Say which columns of a table stand for what, and which are not used."""
    fields, wide = rows.fields, rows.wide
    used = dict.fromkeys(path for each in fields for path in each.paths)
    roles: dict[str, list[str]] = {path: [] for path in used}
    for each in fields:
        for path in each.paths:
            roles[path].append(_ROLES.get(each.column, each.column))
    said = [
        path if names == [path] else f"{path!r} as {' and '.join(names)}"
        for path, names in roles.items()
        if path not in (WIDE_LANGUAGE, WIDE_VALUE)
    ]
    what = "accuracies" if any(each.column == "share" for each in fields) else "scores"
    said += [f"{', '.join(wide)} as {what} of one language each"] if wide else []
    recorded = any(each.column == "n_trials" for each in fields)
    said += [
        f"{name} is {value!r}{' (not used: the table has its own)' if own else ''}"
        for name, value in choices.settings.items()
        if (name in ALIASES and name != "metric") or name.startswith("n_trials@")
        for own in [recorded and name.startswith("n_trials")]
    ]
    others = [
        name
        for name in rows.columns
        if name not in (*used, *wide) and name.split(".")[0] not in used
    ]
    unused = f" Not used: {', '.join(map(repr, others[:12]))}" if others else ""
    unused += f" and {len(others) - 12} more" if len(others) > 12 else ""
    return f"Columns: {', '.join(said)}.{unused}{'.' if unused else ''}"


def _remote(preview: Preview, choices: Choices) -> Rows:
    """A file at a URL, which is not previewed: Parquet says its columns, JSON does not."""
    url, kind = str(preview.first[""]), _KINDS[preview.kind.removeprefix("url:")]
    fields: tuple[Field, ...] = ()
    if kind == "json":
        fields = find_fields(set(choices.fields.values()), choices, url)
    return Rows(kind, (url,), fields)


def find_fields(
    columns: Collection[str], choices: Choices, file: str, wide: _Names = ()
) -> tuple[Field, ...]:
    """Find the columns of a response in a table; an error where a needed one is missing.

    A mapping among the choices replaces the names looked for; a value makes a column constant.
    Columns that are `wide` hold the scores of one language each.
    """
    found = []
    if REGRADED in columns:
        choices = Choices({**choices.fields, "correct": REGRADED}, choices.settings)
    if wide:
        columns = [*(name for name in columns if name not in wide), WIDE_LANGUAGE, WIDE_VALUE]
        own = {"language": WIDE_LANGUAGE, "correct": WIDE_VALUE}
        choices = Choices({**choices.fields, **own}, choices.settings)
    named = {plain_name(name): name for name in sorted(columns)} | {name: name for name in columns}
    for column, aliases in ALIASES.items():
        # Recorded numbers come first, and of recorded metrics a setting chooses one.
        if column in choices.settings and column not in ("n_trials", "metric"):
            if column in ("model", "language") and column in named:
                raise DataError(
                    f"the table has a column {column!r}, which one value would replace.",
                    file=file,
                    column=column,
                    value=choices.settings[column],
                    hint=f"leave that setting out; where another column is meant, "
                    f"fields={{{column!r}: 'COLUMN'}}.",
                )
            continue
        if (mapped := choices.fields.get(column)) is not None:
            if mapped not in columns and mapped.split(".")[0] not in columns:
                raise DataError(
                    f"the field mapped to {column!r} is not in the file; it has "
                    f"{', '.join(sorted(columns)[:20])}.",
                    file=file,
                    column=mapped,
                    hint=f"correct fields={{{column!r}: {mapped!r}}}.{near(mapped, columns)}",
                )
            found.append(Field(column, (mapped,)))
        elif name := next((named[alias] for alias in aliases if alias in named), None):
            found.append(Field(column, (name,)))
    found = _trials(found, named, choices)
    taken = {path for each in found for path in each.paths}
    settings = [
        name for name in sorted(columns) if is_condition(plain_name(name)) and name not in taken
    ]
    if settings and "config" not in choices.settings:
        found.append(Field("config", tuple(settings), joined=True))
    said = {name.partition("@")[0] for name in choices.settings}
    have = {each.column for each in found} | said
    scored = "correct" in have or {"n_correct", "n_trials"} <= have
    missing = [name for name in _NEEDED if name not in have] + ([] if scored else ["correct"])
    if missing:
        listed = sorted({*columns, *wide} - {WIDE_LANGUAGE, WIDE_VALUE})
        names = ", ".join(map(repr, listed[:20])) or "none"
        if missing == ["correct"] and have & {"n_correct", "n_trials"}:
            right = next((each.paths[0] for each in found if each.column == "n_correct"), "")
            right = right or next((named[n] for n in _COUNTS if n in named), "COLUMN")
            trials = next((each.paths[0] for each in found if each.column == "n_trials"), "")
            or_said = "" if trials else ", or how many all have: settings={'n_trials': 'N'}"
            raise DataError(
                f"counts need {'right answers' if trials else 'trials'} beside "
                f"{trials or right!r}; its columns are {names}.",
                file=file,
                column=trials or right,
                hint=f"name both: fields={{'n_correct': {right!r}, "
                f"'n_trials': {trials or 'COLUMN'!r}}}{or_said}.",
            )
        constant = f", or what it is, as in settings={{{missing[0]!r}: 'VALUE'}}"
        raise DataError(
            f"no column of this table is known as {' or '.join(missing)}; its columns are {names}.",
            file=file,
            column=missing[0],
            hint=f"say where it stands, as in fields={{{missing[0]!r}: 'COLUMN'}}"
            f"{constant if missing[0] in _NEEDED else ''}.",
        )
    found = [_share(each, have, columns, choices) for each in found]
    have = {each.column for each in found} | set(choices.settings)
    # Counts come in pairs, and before a score; a number of trials alone says nothing of the score.
    unused = set() if "share" in have else {"n_correct", "n_trials"} - set(choices.fields)
    if {"n_correct", "n_trials"} <= have and "correct" not in choices.fields:
        unused = {"correct"}
    if "correct" not in have - unused or REGRADED in columns:
        unused |= {"answer"}
    found = [each for each in found if each.column not in unused]
    return tuple(found)


def _share(field: Field, have: set[str], columns: Collection[str], choices: Choices) -> Field:
    """A score beside a number of trials as the share of them that is right, if it is an accuracy.

    A number beside the score of a single answer is no number of trials, unless it says so.
    """
    names = {"accuracy", *OTHER_NAMES["accuracy"][0], WIDE_VALUE}
    averaged = plain_name(field.paths[0]) in names
    said = "n_trials" in columns or "n_trials" in choices.fields
    several = "n_trials" in have and (said or "item" not in have)
    if field.column != "correct" or not averaged or not several or "n_correct" in have:
        return field
    mapped = "correct" in choices.fields and field.paths != (WIDE_VALUE,)
    return field if mapped else Field("share", field.paths)


def _trials(found: list[Field], named: Mapping[str, str], choices: Choices) -> list[Field]:
    """The fields with that of the trial: its own column where wordings have another."""
    wordings = next((each.paths[0] for each in found if each.column == "wording"), "")
    samples = [alias for alias in ALIASES["prompt"] if alias not in ALIASES["wording"]]
    other = next((named[alias] for alias in samples if alias in named), wordings)
    if not wordings or {"prompt"} & {*choices.fields, *choices.settings}:
        return found
    return [each for each in found if each.column != "prompt"] + [Field("prompt", (other,))]


def _partitions(preview: Preview) -> set[str]:
    """Columns that folders name, as in ``model=a/language=de/part-0.parquet``."""
    if not preview.root or preview.kind not in ("parquet", "jsonl", "csv"):
        return set()
    inside = preview.path.parent.relative_to(preview.root).parts
    return {part.split("=", 1)[0] for part in inside if "=" in part}


PLAIN = Reader("plain", _matches, rows=_rows, layout=_LAYOUT)
