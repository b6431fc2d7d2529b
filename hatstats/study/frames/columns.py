"""Which column of a frame is what: the names people use, and one column for each language."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from hatstats.errors import DataError
from hatstats.study.schema import near

#: Names of each role, those of one tuple equally good, better ones in an earlier tuple. Names are
#: compared without case; blanks, dots and hyphens count as underscores.
ROLES: dict[str, tuple[tuple[str, ...], ...]] = {
    "model": (
        ("model",),
        ("model_name", "model_id", "models", "llm", "model_key"),
        ("system", "engine"),
    ),
    "language": (
        ("language",),
        (
            "lang", "locale", "language_code", "lang_code", "language_name", "language_id",
            "dataset_language", "dataset_languages", "languages",
        ),
        ("subset", "config", "dataset_config"),
    ),
    "benchmark": (
        ("benchmark",),
        (
            "dataset", "task", "task_name", "dataset_name", "benchmark_name", "benchmark_id",
            "eval", "eval_name", "scenario", "task_group",
        ),
        ("subset",),
    ),
    "item": (
        ("item",),
        (
            "item_id", "question_id", "sample_id", "doc_id", "instance_id", "example_id",
            "problem_id", "qid", "q_id", "id",
        ),
        ("idx", "index"),
    ),
    "prompt": (("prompt",), ("prompt_id", "prompt_name", "template", "template_id", "wording")),
    "repeat": (
        ("repeat",),
        ("run", "run_id", "epoch", "seed", "trial", "replicate", "repetition", "attempt",
         "sample_index"),
    ),
    "correct": (("correct",), ("is_correct", "iscorrect", "correctness")),
    "n_correct": (
        ("n_correct",),
        ("num_correct", "correct_count", "n_right", "num_right", "correct_answers", "successes"),
    ),
    "n_trials": (
        ("n_trials",),
        (
            "n_total", "total", "trials", "num_trials", "n_items", "n", "num_samples", "n_samples",
            "num_items", "num_questions", "n_questions", "num_instances", "n_instances", "support",
            "sample_size", "count",
        ),
    ),
    "accuracy": (
        ("accuracy",),
        ("acc", "score", "exact_match", "em", "quasi_exact_match", "extractive_match", "pass@1"),
        ("value", "mean_score"),
    ),
    "cluster": (("cluster",), ("cluster_id",)),
    "source_language": (("source_language",), ("source_lang", "src_lang", "original_language")),
    "chance": (("chance",), ("chance_level", "random_baseline")),
    "family": (("family",), ("model_family",)),
    "release_date": (("release_date",), ("released", "release", "released_at", "date_released")),
    "params_total": (
        ("params_total",),
        (
            "params", "parameters", "num_params", "n_params", "n_parameters", "num_parameters",
            "param_count", "num_model_parameters", "params_b", "params_billion",
            "params_billions", "parameters_b", "size_b",
        ),
    ),
    "params_active": (("params_active",), ("active_params", "active_parameters")),
}  # fmt: skip
#: Roles that a frame with one column for each language has no columns for.
_ONE_EACH = frozenset({"language", "correct", "accuracy", "n_correct"})
#: Facts of a model, which are one value in all rows of a model.
MODEL_FACTS = ("family", "release_date", "params_total", "params_active")
#: Tags of small languages that are words of tables of results far more often.
_TABLE_WORDS = frozenset(
    {
        "all", "avg", "bin", "dev", "doc", "err", "gap", "gold", "idx", "key", "log", "map", "max",
        "min", "mix", "out", "raw", "ref", "row", "run", "set", "src", "std", "sub", "sum", "tag",
        "tie", "top", "tok", "val", "var",
    }
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
    columns: Mapping[str, str] | None = None,
    languages: Sequence[str] | Mapping[str, str] | None = None,
    skip: Collection[str] = (),
) -> Layout:
    """Find the role of each column; two columns that may be the same thing are an error.

    `columns` (role to column) comes before all rules, `languages` names columns that each hold one
    language, and no column is looked for the roles in `skip`.
    """
    given = _checked(frame, dict(columns or {}))
    wide = _named_languages(frame, languages) if languages else {}
    if not wide and "language" not in given:
        wide = _language_columns(frame, set(given.values()))
    free = [name for name in frame.columns if name not in wide]
    sought = [role for role in ROLES if role not in skip and not (wide and role in _ONE_EACH)]
    roles = find_roles(frame[free], sought, given)
    if (
        "item" not in roles
        and _plain(roles.get("prompt", "")) == "template"
        and ("prompt" not in given)
    ):
        raise _unclear(["item", "prompt"], [roles["prompt"]])
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
        if role not in roles and not answered:
            found = _find(frame, role, [str(name) for name in frame.columns], roles)
            if found:
                roles[role] = found
    return roles


def language_tag(name: str) -> str:
    """Standard tag of a language with script and region (``yo``, ``yor_Latn``: ``yo-Latn-NG``).

    Empty where a text is no tag. English names are read for English alone.
    """
    import langcodes

    text = name.strip()
    if text.casefold() == "english":
        text = "en"
    if not re.fullmatch(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*", text):
        return ""
    if not langcodes.tag_is_valid(text):
        return ""
    return langcodes.Language.get(text).maximize().to_tag()


def _checked(frame: pd.DataFrame, columns: dict[str, str]) -> dict[str, str]:
    """Check what the user says of the columns."""
    for role, name in columns.items():
        if role not in ROLES:
            raise DataError(
                f"columns={{...}} names a role that is not known; the roles are "
                f"{', '.join(ROLES)}.",
                value=role,
                hint=f"write role: column, as in columns={{'item': 'id'}}.{near(role, ROLES)}",
            )
        if name not in frame.columns:
            raise DataError(
                f"the frame has no such column for {role}; its columns are {_listed(frame)}.",
                column=name,
                hint=f"correct columns={{{role!r}: ...}}.{near(str(name), frame.columns)}",
            )
    return columns


def _named_languages(
    frame: pd.DataFrame, languages: Sequence[str] | Mapping[str, str]
) -> dict[str, str]:
    names = [languages] if isinstance(languages, str) else languages
    wide = dict(names) if isinstance(names, Mapping) else {name: name for name in names}
    for name in wide:
        if name not in frame.columns:
            raise DataError(
                f"the frame has no such column; its columns are {_listed(frame)}.",
                column=name,
                hint="languages=[...] names columns that each hold one language; leave it out "
                f"where one column names the language of each row.{near(name, frame.columns)}",
            )
    return wide


def _language_columns(frame: pd.DataFrame, taken: set[str]) -> dict[str, str]:
    """Columns that are languages by their names, if no column names the language of each row."""
    names = [str(name) for name in frame.columns if name not in taken]
    plain = {_plain(name) for name in names}
    if plain & {name for tier in ROLES["language"][:2] for name in tier}:
        return {}
    tags = {name: language_tag(name) for name in names if name.casefold() not in _TABLE_WORDS}
    sure = [name for name, tag in tags.items() if tag and name.casefold() not in _DOUBTFUL]
    sure = [name for name in sure if pd.to_numeric(frame[name], errors="coerce").notna().any()
            or frame[name].map(lambda cell: isinstance(cell, str)).all()]  # fmt: skip
    doubtful = [name for name, tag in tags.items() if tag and name.casefold() in _DOUBTFUL]
    same = [n for n in doubtful if sure and _same_kind(frame[n], frame[sure], n, sure)]
    # arc_de, arc_fr are one benchmark in several languages, not dialects of Aramaic.
    if len({re.split("[-_]", tags[name])[0] for name in [*sure, *same]}) < 2:
        return {}
    return {name: name for name in names if name in {*sure, *same}}


def _same_kind(values: pd.Series, others: pd.DataFrame, name: str, names: list[str]) -> bool:
    """Whether a column called ``id`` or ``no`` holds answers as the columns of languages do."""
    numbers = pd.to_numeric(values, errors="coerce")
    most = max(float(pd.to_numeric(others[each], errors="coerce").max()) for each in others)
    if numbers.isna().all() or numbers.max() > max(most, 1.0) or numbers.min() < 0:
        return False
    counting = bool((numbers.sort_values().diff().dropna() == 1).all()) and len(numbers) > 2
    upper = all(other.isupper() for other in names if len(other) == 2)
    return not counting and name.isupper() == upper


def _find(
    frame: pd.DataFrame, role: str, free: Sequence[str], roles: Mapping[str, str]
) -> str | None:
    """Find the column of one role; error where two may be it."""
    names = {name: _plain(name) for name in free if name not in roles.values()}
    for tier in ROLES[role]:
        found = [name for name, plain in names.items() if plain in tier]
        found = [name for name in found if _fits(frame, role, name)]
        if not found:
            # doc.question_id, metrics/acc: a record flattened into columns
            tails = {name: _plain(re.split(r"[./]", name)[-1]) for name in names}
            found = [n for n, tail in tails.items() if "." in n and tail in tier]
            found = [name for name in found if _fits(frame, role, name)]
        exact = [name for name in found if name == role]
        if exact or len(found) == 1:
            return (exact or found)[0]
        if found:
            first = pd.factorize(frame[found[0]])[0]
            if all((pd.factorize(frame[name])[0] == first).all() for name in found[1:]) and (
                role not in {"accuracy", "n_trials"}
            ):
                return found[0]
            raise _unclear([role], found)
    if role == "accuracy":
        scores = [name for name in names if re.match(r"(?:score|metric|metrics)[_.]", name)]
        if len(scores) == 1:
            return scores[0]
        if len(scores) > 1:
            raise _unclear([role], scores)
    return None


def _fits(frame: pd.DataFrame, role: str, name: str) -> bool:
    """Whether the cells of a column may be what its name says."""
    cells = frame[name]
    plain = _plain(name)
    if role == "language" and plain in {name for tier in ROLES["language"][2:] for name in tier}:
        return all(language_tag(str(cell)) for cell in cells.dropna().unique())
    if role == "item" and plain == "sample_id":
        return cells.nunique() < len(cells)  # Inspect numbers the rows, Global-MMLU the questions
    if role == "repeat":
        return cells.nunique() > 1
    return True


def _unclear(roles: Sequence[str], names: Sequence[str]) -> DataError:
    if len(roles) > 1:
        what = f"{names[0]!r} may be the {' or the '.join(roles)}"
        choices = " or ".join(f"columns={{{role!r}: {names[0]!r}}}" for role in roles)
    else:
        what = f"{' and '.join(map(repr, names))} may both be the {roles[0]}"
        choices = " or ".join(f"columns={{{roles[0]!r}: {name!r}}}" for name in names)
    return DataError(f"{what}.", column=names[0], hint=f"say which, with {choices}.")


def _plain(name: str) -> str:
    """A name without case; blanks, dots and hyphens as underscores."""
    return re.sub(r"[\s.\-/]+", "_", str(name).strip().casefold())


def _listed(names: Iterable[object]) -> str:
    shown = [repr(str(name)) for name in names]
    return ", ".join(shown[:20]) + (", ..." if len(shown) > 20 else "")
