"""The tables of a study, from a frame of trials or counts with the column names people use."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hatstats.errors import DataError
from hatstats.study.frames.answers import (
    VALUE,
    are_answers,
    read_accuracies,
    read_answers,
    read_numbers,
)
from hatstats.study.frames.columns import (
    MODEL_FACTS,
    Layout,
    find_layout,
    find_roles,
    is_sure_tag,
    plain_name,
)
from hatstats.study.frames.native import plain_frame
from hatstats.study.frames.rows import (
    check_unused_items,
    count_cells,
    long_rows,
    settle_copies,
    settle_prompts,
)
from hatstats.study.languages.tags import language_tag
from hatstats.study.plain_table import split_plain
from hatstats.study.schema import OTHER_NAMES, Sheet, listed, near

_FILE = "the frame"
#: How the row numbers that CSV files and Arrow keep of a pandas index are called.
_ROW_NUMBERS = ("Unnamed: ", "__index_level_")
_BILLIONS = ("_b", "billion", "billions")
#: Columns of leaderboards that say again what the others say.
_SUMMARIES = frozenset({"avg", "average", "mean", "overall", "total", "rank", "#"})


@dataclass(frozen=True, slots=True)
class FrameOptions:
    """What a user says of a frame; see `hatstats.Study.from_frame`."""

    source: str | Mapping[str, str] | None = None
    chance: float | Mapping[str, float] | None = None
    benchmark: str | None = None
    models: object = None
    languages: Sequence[str] | Mapping[str, str] | None = None
    columns: Mapping[str, str | None] | None = None
    n_trials: float | None = None


def tables_from_frame(
    value: object, options: FrameOptions
) -> tuple[dict[str, Sheet], str, list[str]]:
    """Raw tables by name, name and notes of the study that a frame of any library holds."""
    plain, nested = plain_frame(value)
    names = [name for name in plain if not str(name).startswith(_ROW_NUMBERS)]
    columns = options.columns or {}
    ignored = {role for role, name in columns.items() if name is None}
    frame = plain[[name for name in names if name not in ignored or name in columns.values()]]
    given = {"benchmark": options.benchmark, "n_trials": options.n_trials}
    given = {role: each for role, each in given.items() if each is not None}
    _refuse_both(given, {*frame, *columns} - ignored)
    layout = find_layout(frame, options.columns, options.languages, given)
    notes = list(layout.notes)
    rows = long_rows(frame, layout, notes)
    _check_language(rows, layout, [*plain, *nested])
    _check_answers(rows, layout)
    rows = _with_names(rows, options, notes)
    rows = _one_name_for_each_language(rows, notes)
    rows = settle_prompts(rows, notes)
    compared = [c for c in (VALUE, "correct", "n_correct", "accuracy", "n_trials") if c in rows]
    trials = "n_trials" not in rows and options.n_trials is None
    if "item" not in ignored:
        check_unused_items(rows, added_up=trials)
    rows = settle_copies(rows, compared, notes, trials=trials)
    rows = _with_counts(rows, layout, options, notes)
    models, used = _models(rows, layout, options, notes)
    counts = count_cells(rows, notes)
    counts = _with_benchmarks(counts, options, notes)
    if "item" in rows:
        _check_shared_items(counts)
    known = {*layout.roles.values(), *layout.wide, *used}
    if unused := [name for name in (*names, *nested) if name not in known]:
        notes.append(f"Columns not used: {', '.join(map(repr, unused))}.")
    positions = counts.pop("position").to_numpy()
    sheets, more = split_plain(Sheet(_FILE, counts, positions, header=False))
    sheets["models"] = Sheet.from_frame("models", models)
    if options.models is None:
        first = rows.drop_duplicates("model")
        positions = pd.Series(first.index, first["model"])[models["model"]].to_numpy()
        sheets["models"] = Sheet(_FILE, models, positions, header=False)
    benchmarks = counts["benchmark"].unique()
    name = str(benchmarks[0]) if len(benchmarks) == 1 and benchmarks[0] != "benchmark" else "study"
    return sheets, name, [*notes, *more]


def _refuse_both(given: Mapping[str, object], columns: Collection[str]) -> None:
    """Refuse what is given as an argument (name to value) and as a column too."""
    for name in given:
        if name in columns:
            text = f"{name} is given as an argument and as a column."
            raise DataError(text, column=name, hint="leave one of the two out.")


def _check_language(rows: pd.DataFrame, layout: Layout, names: Sequence[str]) -> None:
    """Refuse rows without a language; `names` are the columns of the frame."""
    if "language" in rows:
        return
    task = layout.roles.get("benchmark")
    ends = {str(x).rsplit("_", 1)[-1] for x in rows["benchmark"].unique()} if task else set()
    ends = {end for end in ends if language_tag(end)}
    if task and len(ends) > 1:
        raise DataError(
            "no column names the language of each row, but the names of the benchmarks end in "
            f"languages ({', '.join(sorted(ends)[:8])}).",
            column=task,
            hint=f"split them: df[['benchmark', 'language']] = df[{task!r}].str.rsplit('_', n=1, "
            "expand=True).",
        )
    parts = [(name, part) for name in names for part in name.split("_")[:: name.count("_") or 1]]
    inside = [f"{name!r}: {part!r}" for name, part in parts if len(part) == 2 and is_sure_tag(part)]
    alike = _candidates(rows, layout)
    shown = f"{{{', '.join(inside[:3] if len(inside) > 1 else ["'acc_de': 'de'"])}, ...}}"
    if len(inside) < 2 <= len(alike):
        shown = f"[{', '.join(map(repr, alike))}]"
    raise DataError(
        "no column names the language of each row, and fewer than two columns are languages; the "
        f"columns are {listed(names)}.",
        column="language",
        hint="say which column it is, with columns={'language': ...}, or which columns are "
        f"languages, with languages={shown}.{near('language', names)}",
    )


def _check_answers(rows: pd.DataFrame, layout: Layout) -> None:
    """Refuse rows that say nowhere what was right; columns that hold answers are candidates."""
    if {VALUE, "correct", "n_correct", "accuracy"} & set(rows.columns):
        return
    found = _candidates(rows, layout)
    shown = f"; candidates: {listed(found)}" if found else ""
    role = "correct" if not found or are_answers(rows[found[0]]) else "accuracy"
    hint = (
        "add a column 'correct' (0 or 1), or 'n_correct' and 'n_trials', or 'accuracy' "
        f"and 'n_trials'; or say which column it is, with columns={{{role!r}: "
        f"{repr(found[0]) if found else '...'}}}."
    )
    if len(found) > 1 and "model" not in rows:
        hint += (
            " Where each model has a column: df.melt(df.columns.difference(models := "
            f"[{', '.join(map(repr, found))}]), models, 'model', {role!r})."
        )
    raise DataError(
        f"no column says what was right{shown}.", file=_FILE, column="correct", hint=hint
    )


def _candidates(rows: pd.DataFrame, layout: Layout) -> list[str]:
    """Columns without a role that hold answers; without any, those of numbers from 0 to 100."""
    free = [str(name) for name in rows if name not in layout.roles and name not in OTHER_NAMES]
    answers = [name for name in free if are_answers(rows[name])]
    if answers:
        return answers
    found = [name for name in free if pd.api.types.is_float_dtype(rows[name])]
    return [name for name in found if rows[name].between(0, 100).all()]


def _with_names(rows: pd.DataFrame, options: FrameOptions, notes: list[str]) -> pd.DataFrame:
    """Fill in the model and the benchmark where the frame names none."""
    if "benchmark" not in rows:
        if options.benchmark is None:
            notes.append("Benchmark not named: called 'benchmark'.")
        rows = rows.assign(benchmark=options.benchmark or "benchmark")
    if "model" not in rows:
        notes.append("Model not named: one model, called 'model'.")
        rows = rows.assign(model="model")
    return rows


def _one_name_for_each_language(rows: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Give a language one name where models or benchmarks write its code in several ways."""
    counted = rows["language"].value_counts()
    names = sorted(counted.index, key=lambda name: (-counted[name], len(name), name))
    known: dict[str, str] = {}
    renamed: dict[str, str] = {}
    for name in names:
        if not (tag := language_tag(str(name))):
            continue
        if tag not in known:
            known[tag] = name
            continue
        where = rows[rows["language"].isin([name, known[tag]])]
        both = where.groupby(["model", "benchmark"])["language"].nunique()
        if (both == 1).all():
            renamed[name] = known[tag]
    if not renamed:
        return rows
    said = ", ".join(f"{old!r} as {new!r}" for old, new in renamed.items())
    notes.append(f"Codes of one language, read under one name: {said}.")
    return rows.assign(language=rows["language"].replace(renamed))


def _with_counts(
    rows: pd.DataFrame, layout: Layout, options: FrameOptions, notes: list[str]
) -> pd.DataFrame:
    """Give each row `n_correct` and `n_trials`."""
    said = {role: layout.roles.get(role, role) for role in ("correct", "accuracy", "n_correct")}
    role = next(r for r in (VALUE, "n_correct", "correct", "accuracy") if r in rows)
    column = said.get(role, VALUE)
    source_of = {language: name for name, language in layout.wide.items()}
    sources = rows["language"].map(lambda name: source_of.get(name, name)).to_numpy(dtype=np.str_)
    cells_from = sources if role == VALUE else column
    if "n_trials" not in rows and options.n_trials is None:
        if role == "n_correct":
            text = "there are numbers of right answers, but not of how many."
            hint = "add a column 'n_trials', or say n_trials=250."
            raise DataError(text, column=column, hint=hint)
        return rows.assign(n_correct=read_answers(rows[role], cells_from), n_trials=1.0)
    if "n_trials" in rows:
        n_trials = read_numbers(rows["n_trials"], layout.roles.get("n_trials", "n_trials"))
    else:
        n_trials = np.full(len(rows), float(options.n_trials or 0))
    if role in {"n_correct", "correct"}:
        n_correct = read_numbers(rows[role], column)
        if role == "correct" and n_correct.max() <= 1 and n_trials.min() > 4:
            raise DataError(
                f"no value is over 1, of at least {n_trials.min():g} trials: answers, or "
                "accuracies, or counts?",
                column=column,
                hint=f"say columns={{'accuracy': {column!r}}} or columns={{'n_correct': "
                f"{column!r}}}, or leave the number of trials out.",
            )
    else:
        items = "item" in rows and role == VALUE
        n_correct, more = read_accuracies(rows[role], cells_from, n_trials, items=items)
        notes += more
    if "item" in rows and (n_correct % 1 != 0).any():
        text = "an item's accuracy times its number of trials is no whole number."
        hint = "write n_correct and n_trials of each item, or answers of 0 and 1."
        raise DataError(text, column=column, hint=hint)
    return rows.assign(n_correct=n_correct, n_trials=n_trials)


def _models(
    rows: pd.DataFrame, layout: Layout, options: FrameOptions, notes: list[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Table of models (m rows), and the columns of the frame that were used for it."""
    if options.models is not None:
        table, _ = plain_frame(options.models)
        roles = find_roles(table, ("model", *MODEL_FACTS))
        if "model" not in roles and "name" in table:
            roles = {"model": "name", **roles}
        said = [f"{role} from {name!r}" for role, name in roles.items() if role != name]
        notes += [f"Table of models: {', '.join(said)}."] if said else []
        table = table.rename(columns={name: role for role, name in roles.items()})
        return _in_units(table, roles, notes), []
    taken = {*OTHER_NAMES, VALUE, "date", "n_correct", "n_trials"} - set(MODEL_FACTS)
    taken |= _SUMMARIES | {n for role in MODEL_FACTS for tier in OTHER_NAMES[role] for n in tier}
    groups = rows.groupby("model")
    used = []
    for name in rows.columns:
        if name.casefold() in taken:
            continue
        constant = bool((groups[name].nunique(dropna=False) <= 1).all())
        if name in MODEL_FACTS and not constant and layout.roles.get(name, name) == name:
            hint = f"write the same {name} in every row of one model."
            raise DataError("a model has more than one value.", column=name, hint=hint)
        if constant and (name in MODEL_FACTS or rows[name].nunique() > 1):
            used.append(name)
    names = sorted(rows["model"].unique(), key=lambda name: (str(name).casefold(), name))
    table = rows.drop_duplicates("model").set_index("model")[used].loc[names].reset_index()
    table = _in_units(table, layout.roles, notes)
    if covariates := [name for name in used if name not in MODEL_FACTS]:
        notes.append(f"Facts of models: {', '.join(map(repr, covariates))}.")
    return table, used


def _in_units(models: pd.DataFrame, roles: Mapping[str, str], notes: list[str]) -> pd.DataFrame:
    """Write sizes that a column's name gives in billions as numbers of parameters."""
    name = roles.get("params_total", "")
    if "params_total" not in models or not plain_name(name).endswith(_BILLIONS):
        return models
    notes.append(f"params_total is {name!r} times 1e9.")
    size = read_numbers(models["params_total"].fillna("nan"), name, blank=True) * 1e9
    return models.assign(params_total=size)


def _with_benchmarks(counts: pd.DataFrame, options: FrameOptions, notes: list[str]) -> pd.DataFrame:
    """Give each row the source language and the chance level of its benchmark."""
    given = {"source_language": options.source, "chance": options.chance}
    given = {name: value for name, value in given.items() if value is not None}
    _refuse_both(given, counts.columns)
    for column, value in given.items():
        counts = counts.assign(**{column: _by_benchmark(counts, value, column.split("_")[0])})
    if "source_language" not in counts:
        raise _no_source(counts)
    counts = counts.astype({"source_language": "str"})
    matched = counts["source_language"].copy()
    for (name, source), rows in counts.groupby(["benchmark", "source_language"], sort=False):
        wanted = str(source)
        languages = counts.loc[counts["benchmark"] == name, "language"].unique().tolist()
        if wanted in languages or wanted == "":
            continue
        tag = language_tag(wanted)
        same = [x for x in languages if x.casefold() == wanted.casefold()]
        same = same or [x for x in languages if tag and language_tag(x) == tag]
        if len(same) != 1:
            raise DataError(
                f"the source language has no rows in benchmark {name!r}; its languages are "
                f"{', '.join(sorted(languages)[:20])}.",
                value=wanted,
                hint=f"name one of them, or leave this benchmark out.{near(wanted, languages)}",
            )
        matched[rows.index] = same[0]
        note = f"Source language {wanted!r} is called {same[0]!r}."
        notes += [note] if note not in notes else []
    return counts.assign(source_language=matched)


def _by_benchmark(counts: pd.DataFrame, value: object, name: str) -> pd.Series:
    """Value of each row (n,): one for all benchmarks, or one for each."""
    if not isinstance(value, Mapping):
        return pd.Series([value] * len(counts), index=counts.index)
    benchmarks = counts["benchmark"].unique().tolist()
    if wrong := [each for each in (*value, *benchmarks) if (each in value) != (each in benchmarks)]:
        guess = near(str(wrong[0]), [each for each in benchmarks if each != wrong[0]])
        raise DataError(
            f"{name} names the benchmarks {', '.join(map(str, value))}, and those of the frame "
            f"are {', '.join(benchmarks[:12])}.",
            value=wrong[0],
            hint=f"give one {name} for each benchmark.{guess}",
        )
    return counts["benchmark"].map(dict(value))


def _no_source(counts: pd.DataFrame) -> DataError:
    languages = sorted(str(name) for name in counts["language"].unique())
    english = next((x for x in languages if language_tag(x).startswith("en-")), languages[0])
    shown = ", ".join(languages[:20]) + (", ..." if len(languages) > 20 else "")
    return DataError(
        f"no source language is named; the languages are {shown}.",
        column="source_language",
        hint=f"name it, as in Study.from_frame(df, source={english!r}), or in a column "
        "'source_language'.",
    )


def _check_shared_items(counts: pd.DataFrame) -> None:
    """Refuse items that no two languages share: transfer compares an item with itself."""
    for name, rows in counts.groupby("benchmark", sort=False):
        pairs = rows[["item", "language"]].drop_duplicates()
        first = pairs.drop_duplicates("language")
        if len(first) < 2 or pairs["item"].duplicated().any():
            continue
        shown = ", ".join(f"{row.item!r} in {row.language}" for row in first[:3].itertuples())
        raise DataError(
            f"no item of benchmark {name!r} occurs in two languages ({shown}).",
            column="item",
            hint="give translations of an item one name, as in df['item'].str.removeprefix(...); "
            "leave the column out if it numbers the rows; if the languages have items of their "
            "own, there is no transfer to measure.",
        )
