"""Which column of a frame is what: the names people use, and one column for each language."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from hatstats.errors import DataError
from hatstats.study.frames.answers import are_answers
from hatstats.study.languages.tags import language_tag
from hatstats.study.schema import OTHER_NAMES, listed, near

#: Roles that a frame with one column for each language has no columns for.
_ONE_EACH = frozenset({"language", "correct", "accuracy", "n_correct"})
#: Roles for which another column may say something else than the one that bears the name.
_MAY_DIFFER = frozenset({"model", "language", "benchmark"})
#: Facts of a model, which are one value in all rows of a model.
MODEL_FACTS = ("family", "release_date", "params_total", "params_active")
#: Tags of small languages that are words of tables of results far more often.
_TABLE_WORDS = frozenset(
    {"acc", "all", "avg", "bin", "cot", "dev", "doc", "err", "gap", "gold", "hit", "idx", "key",
     "llm", "log", "qid", "map", "max", "min", "mix", "out", "raw", "ref", "row", "run", "set",
     "src", "std", "sub", "sum", "tag", "tie", "top", "tok", "val", "var"}
)  # fmt: skip
#: Tags of languages that are names of other columns just as often.
_DOUBTFUL = frozenset({"id", "no", "is", "to", "or", "as", "in", "be", "am"})


@dataclass(frozen=True, slots=True)
class Layout:
    """What columns are: role to column; column to language for a wide frame; notes."""

    roles: Mapping[str, str]
    wide: Mapping[str, str]
    notes: tuple[str, ...]


def find_layout(
    frame: pd.DataFrame,
    columns: Mapping[str, str | None] | None = None,
    languages: Sequence[str] | Mapping[str, str] | None = None,
    skip: Collection[str] = (),
) -> Layout:
    """Find the role of each column; two columns that may be the same thing are an error.

    What a user says in `columns` and `languages` comes before all rules.
    """
    columns = columns or {}
    given = {role: name for role, name in columns.items() if name is not None}
    skip = {*skip, *columns} - set(given)
    for role in columns:
        if role not in OTHER_NAMES:
            raise DataError(
                "columns={...} names a role that is not known; the roles are "
                f"{', '.join(OTHER_NAMES)}.",
                value=role,
                hint="write role: column, as in columns={'item': 'id'}." + near(role, OTHER_NAMES),
            )
        if role in given:
            hint = f"correct columns={{{role!r}: ...}}."
            _check_column(frame, given[role], hint, f" for {role}")
    wide = _named_languages(frame, languages) if languages else {}
    if not wide and "language" not in given:
        wide = _language_columns(frame, set(given.values()))
    free = [name for name in frame.columns if name not in wide]
    sought = [role for role in OTHER_NAMES if not (role in skip or (wide and role in _ONE_EACH))]
    roles = find_roles(frame[free], sought, given)
    prompt = roles.get("prompt", "")
    if plain_name(prompt) == "template" and "item" not in roles and "prompt" not in given:
        choices = " or ".join(f"columns={{{role!r}: {prompt!r}}}" for role in ("item", "prompt"))
        hint = f"say which, with {choices}."
        raise DataError(f"{prompt!r} may be the item or the prompt.", column=prompt, hint=hint)
    said = [f"{role} from {name!r}" for role, name in roles.items() if role != name]
    notes = [f"Columns: {', '.join(said)}."] if said else []
    if wide:
        notes.append(f"One column for each language: {', '.join(map(repr, wide))}.")
    return Layout(roles, wide, tuple(notes))


def find_roles(
    frame: pd.DataFrame, sought: Iterable[str], given: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Column of each role that has one; roles choose in the order `sought`, beside `given` ones."""
    roles = dict(given or {})
    for role in sought:
        answered = role == "accuracy" and {"correct", "n_correct"} & set(roles)
        if role not in roles and not answered and (found := _find(frame, role, roles)):
            roles[role] = found
    return roles


def is_sure_tag(name: str) -> bool:
    """Whether a name is the tag or the name of a language, and no usual word of tables."""
    words = {name.casefold(), *name.casefold().split("_")[1:]}
    return not words & (_TABLE_WORDS | _DOUBTFUL) and language_tag(name) != ""


def _check_column(frame: pd.DataFrame, name: str, hint: str, role: str = "") -> None:
    if name not in frame.columns:
        text = f"the frame has no such column{role}; its columns are {listed(frame)}."
        raise DataError(text, column=name, hint=hint + near(str(name), frame.columns))


def _named_languages(
    frame: pd.DataFrame, languages: Sequence[str] | Mapping[str, str]
) -> dict[str, str]:
    names = [languages] if isinstance(languages, str) else languages
    wide = dict(names) if isinstance(names, Mapping) else {name: name for name in names}
    hint = (
        "languages=[...] names columns that each hold one language; leave it out where one column "
        "names the language of each row."
    )
    for name in wide:
        _check_column(frame, name, hint)
    return wide


def _language_columns(frame: pd.DataFrame, taken: set[str]) -> dict[str, str]:
    """Columns that are languages by their names, if no column names the language of each row."""
    names = [str(name) for name in frame.columns if name not in taken]
    if {"language", *OTHER_NAMES["language"][0]} & {plain_name(name) for name in names}:
        return {}
    sure = [name for name in names if is_sure_tag(name)]
    sure = [name for name in sure if pd.to_numeric(frame[name], errors="coerce").notna().any()
            or frame[name].map(lambda cell: isinstance(cell, str)).all()]  # fmt: skip
    doubtful = [name for name in names if name.casefold() in _DOUBTFUL]
    found = {*sure, *(n for n in doubtful if sure and _like_others(frame[n], frame[sure]))}
    # arc_de, arc_fr are one benchmark in several languages, not dialects of Aramaic.
    if len({language_tag(name).split("-")[0] for name in found}) < 2:
        return {}
    return {name: name for name in names if name in found}


def _like_others(values: pd.Series, others: pd.DataFrame) -> bool:
    """Whether a column called ``id`` or ``no`` holds answers as the columns of languages do."""
    name = str(values.name)
    numbers = pd.to_numeric(values, errors="coerce")
    most = max(float(pd.to_numeric(others[each], errors="coerce").max()) for each in others)
    if numbers.isna().all() or numbers.max() > max(most, 1.0) or numbers.min() < 0:
        return False
    counting = bool((numbers.sort_values().diff().dropna() == 1).all()) and len(numbers) > 2
    upper = all(other.isupper() for other in map(str, others) if len(other) == 2)
    return not counting and name.isupper() == upper


def _find(frame: pd.DataFrame, role: str, roles: Mapping[str, str]) -> str | None:
    """Find the column of one role; error where two may be it."""
    free = [str(name) for name in frame.columns if name not in roles.values()]
    better, worse = OTHER_NAMES[role]
    # A column `language` that says "en" everywhere may stand beside the languages of the prompts.
    first = ((role, *better),) if role in _MAY_DIFFER else ((role,), better)
    for names in (*first, worse):
        found = [n for n in free if plain_name(n) in names and _fits(frame, n, role, roles)]
        if not found:  # doc.question_id: a record flattened into columns
            found = [n for n in free if "." in n and plain_name(re.split(r"[./]", n)[-1]) in names
                     and _fits(frame, n, role, roles)]  # fmt: skip
        if role == "item" and "language" in roles and len(found) > 1:  # an item has several rows
            found = [n for n in found if frame[n].nunique() < len(frame)] or found
        if len(found) == 1 or (role in found and role not in _MAY_DIFFER):
            return role if role in found else found[0]
        if found:
            codes = [pd.factorize(frame[name])[0] for name in found]
            same = all((other == codes[0]).all() for other in codes[1:])
            if same and role not in {"accuracy", "n_trials"}:
                return role if role in found else found[0]
            raise _unclear(role, found)
    if role == "accuracy":
        scores = [name for name in free if re.match(r"(?:score|metric|metrics)[_.]", name)]
        if len(scores) > 1:
            raise _unclear(role, scores)
        return scores[0] if scores else None
    return None


def _fits(frame: pd.DataFrame, column: str, role: str, roles: Mapping[str, str]) -> bool:
    """Whether the cells of a column may be what its name says, beside the roles found before."""
    cells, name = frame[column], plain_name(column)
    names = {plain_name(str(other)) for other in frame}
    doubtful = name in OTHER_NAMES[role][1]
    if role == "language" and doubtful:
        return all(language_tag(str(cell)) for cell in cells.dropna().unique())
    if role == "item" and name in {"sample_id", "uid"}:
        return cells.nunique() < len(cells)  # Inspect numbers the rows, Global-MMLU the questions
    if role == "item" and name in {"question", "instance"}:  # no texts, no instances of a template
        if cells.astype("str").str.contains(" ").any() or "template" in names:
            return False
        return "language" not in roles or bool(
            frame.groupby(column)[roles["language"]].nunique().max() > 1
        )
    if role == "correct" and doubtful:
        return are_answers(cells)
    if role == "n_correct" and doubtful:  # k of n; beside an accuracy it may be anything
        other = {"correct", "accuracy", *OTHER_NAMES["correct"][0], *OTHER_NAMES["accuracy"][0]}
        return not other & names and bool({"n_trials", *OTHER_NAMES["n_trials"][0]} & names)
    if role == "repeat" and doubtful:  # numbers of samples, not their texts, nor numbers of shots
        found = sorted(pd.to_numeric(cells.drop_duplicates(), errors="coerce"))
        return (
            "item" in roles
            and len(found) > 1
            and found in (list(range(len(found))), list(range(1, len(found) + 1)))
        )
    return role != "repeat" or cells.nunique() > 1


def _unclear(role: str, names: Sequence[str]) -> DataError:
    choices = " or ".join(f"columns={{{role!r}: {name!r}}}" for name in names)
    return DataError(
        f"{' and '.join(map(repr, names))} may both be the {role}.",
        column=names[0],
        hint=f"say which, with {choices}.",
    )


def plain_name(name: str) -> str:
    """A name without case; blanks, dots, hyphens and signs as underscores: ``Params (B)``."""
    return re.sub(r"[\s.\-/()%]+", "_", name.strip().casefold()).strip("_")
