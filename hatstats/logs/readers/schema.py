"""The one declared schema that readers fill, and the rules that they share.

A reader declares where its records hold the columns of a response (`Layout`). What the columns mean
is decided here, once for all formats: which score and filter count, what a task and its language
are, how items are named across languages, how many items a total is of, and how responses are
graded anew.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hatstats.logs.configuration import arguments, settings_text
from hatstats.logs.task_names import FAMILIES, Task, common_ids, read_task
from hatstats.study.frames.answers import ANSWER_WORDS
from hatstats.study.languages.tags import is_language

#: What names a response, and what every reader must find for each of its rows.
NAMES = ("model", "benchmark", "language", "item", "prompt")
#: Scores that say right or wrong of one answer, the preferred first. Names of all harnesses; the
#: first is ours, of a response graded anew.
REGRADED = "regraded"
PREFERRED = (REGRADED, "exact_match", "acc", "accuracy", "em", "correct", "is_correct",
             "extractive_match", "quasi_exact_match", "final_number_exact_match", "math_equiv",
             "prefix_exact_match", "quasi_prefix_exact_match", "pass@1", "acc_norm",
             "mc1")  # fmt: skip
#: Filters of lm-evaluation-harness: those which read more answers come first, because an answer
#: that is not read looks like one that is wrong.
FILTERS = (REGRADED, "custom-extract", "flexible-extract", "get_response", "strict-match",
           "remove_whitespace", "none")  # fmt: skip
RIGHT, WRONG = (frozenset().union(*words) for words in zip(*ANSWER_WORDS, strict=True))
#: Fields in which items, tasks and runs name their language, the source language of an item, and
#: the question, the same in all languages.
LANGUAGE_FIELDS = ("language", "lang", "locale", "target_language")
SOURCE_FIELDS = ("source_language", "original_lang", "original_language")
ITEM_FIELDS = ("item", "item_id", "id", "question_id", "problem_id", "doc_id", "idx")
#: Where an entry has several scores by name, and how many others a note names.
METRICS, _SHOWN = "hatstats_metrics", 6
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
Paths = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """Where one column of a response is found in a record.

    `paths` are the fields that hold it, dots going inwards (``doc.question_id``): the first present
    counts, or, `joined`, all together (as link and number of a Belebele question).
    """

    column: str
    paths: tuple[str, ...]
    joined: bool = False


@dataclass(frozen=True, slots=True)
class Choices:
    """What a user chose instead of the declared rules.

    `fields` maps columns of a response to fields of the file (``{"item": "doc.id"}``), `settings`
    names to values (``{"language": "de"}``): constant columns, ``metric``, ``filter``, ``scorer``,
    ``n_trials``.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)

    def task(self, name: str) -> Task:
        """What the name of a task says, by the user's pattern or by the rules."""
        return read_task(name, self.settings.get("task", ""))

    def of(self, name: str, benchmark: str = "", language: str = "") -> str:
        """A setting for a benchmark and language: ``NAME@BENCHMARK/LANGUAGE`` comes before NAME.

        ``NAME@X`` is for a benchmark or for a language; empty text without any.
        """
        places = (f"@{benchmark}/{language}", f"@{benchmark}", f"@{language}", "")
        return next((self.settings[name + at] for at in places if name + at in self.settings), "")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Rows that do not count, and why; 0 rows where a whole file was not read.

    `by_rule`: a declared rule chose other rows instead, which is no fault of the log.
    """

    reason: str
    rows: int = 1
    by_rule: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """Something a reader assumed, for the notes of the account."""

    text: str


#: One response or total of a document: columns by name. A total has `n_correct` and `n_trials`.
Record = dict[str, str | float | None]


def below(place: str, names: Iterable[str]) -> Paths:
    """Paths of fields inside another one."""
    return tuple(f"{place}.{name}" for name in names)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the records of a format hold each column of a response.

    Dots go inwards, numbers into lists, and the first path that holds anything counts. Beside the
    columns of a response, `response` and `target` are what was answered and what was to be answered
    (or a function of a record that finds it), for grading anew. The settings of a run are the
    `settings` by name and the entries of `tables` but for those in `apart`; ``{task}`` in a path
    stands for the task.
    """

    model: Paths = ()
    language: Paths = LANGUAGE_FIELDS
    item: Paths = ITEM_FIELDS
    prompt: Paths = ()
    wording: Paths = ()
    correct: Paths = ()
    source_language: Paths = ()
    config: Paths = ()
    response: Paths = ()
    target: Paths | Callable[[Any], object] = ()
    settings: Mapping[str, Paths] = field(default_factory=dict, hash=False)
    tables: Paths = ()
    apart: frozenset[str] = frozenset()

    def fields(self, first: Mapping[str, object], *columns: str) -> list[Field]:
        """Fields of columns as the first record of a table has them."""
        named = {name: [p for p in getattr(self, name) if value_at(first, p) is not None]
                 for name in columns}  # fmt: skip
        return [Field(name, (paths[0],)) for name, paths in named.items() if paths]

    def run_settings(self, run: object, task: str = "", **more: object) -> str:
        """Settings of a run, as its log records them, and `more`, as one text."""
        tables = [arguments(value_at(run, path, task)) for path in self.tables]
        kept = [{k: v for k, v in each.items() if k not in self.apart} for each in tables]
        named = {name: next((value for path in paths
                             if (value := value_at(run, path, task)) is not None), None)
                 for name, paths in self.settings.items()}  # fmt: skip
        return settings_text(*kept, named, more)

    def share(self, record: object, how: str) -> float | None:
        """Share of the responses in a record that are right, graded anew; None where none is."""

        def first(paths: Paths) -> object:
            held = (value_at(record, path) for path in paths)
            return next((each for each in held if each is not None), None)

        given = first(self.response)
        nested = isinstance(given, list) and any(isinstance(each, list) for each in given)
        responses = [] if nested else _texts(given)  # else no texts, but likelihoods
        targets = _texts(self.target(record) if callable(self.target) else first(self.target))
        grades = [any(is_right(text, each, how) for each in targets) for text in responses]
        return sum(grades) / len(grades) if grades and targets else None

    def answers(
        self, run: Mapping[str, object], entries: Iterable[Any], choices: Choices
    ) -> Iterator[Record | LeftOut | Note]:
        """Records of the answers of a run.

        `run` says of all of them `model`, `task` (the name that says benchmark and language) or
        `benchmark` and `language`, `prompt` and `config`; entries say more, and come first; where
        one has several scores in a table `METRICS`, one of them is its verdict. Names of items lose
        the language in them, and where there are none, items are numbered language by language.
        """
        how = choices.settings.get("regrade", "")
        known = {name: text_of(value) for name, value in run.items()}
        task = choices.task(known.pop("task", ""))
        known = {"benchmark": task.benchmark, **known}
        found: list[Record | LeftOut | Note] = []
        names: dict[str, dict[str, None]] = defaultdict(dict)
        unused = dict(choices.fields)
        said: dict[str, None] = {}
        for entry in entries:
            if isinstance(entry, LeftOut | Note):
                found.append(entry)
                continue
            if (offered := entry.get(METRICS)) is not None and not how:
                if not (score := pick_score(offered, choices)):
                    found.append(which_metric(offered))
                    continue
                entry = {**entry, "verdict": text_of(offered[score])}
                said[metric_note(known["benchmark"], score, offered)] = None
            mapped = {n: (path,) for n, path in choices.fields.items() if text_at(entry, path)}
            unused = {n: path for n, path in unused.items() if n not in mapped}
            own = {name: mapped.get(name) or getattr(self, name) for name in _COLUMNS}
            spoken = (text_at(entry, path) for path in own.pop("language"))
            item = text_at(entry, *own.pop("item")) or ""
            record: Record = {**known}
            record |= {n: text for n, each in own.items() if (text := text_at(entry, *each))}
            language = first_language(*spoken, known.get("language", "")) or task.language
            item = item or str(len(names[language]))
            names[language][item] = None
            if how:
                record["correct"] = text_of(self.share(entry, how))
            found.append({**record, "language": language, "item": item})
        for name, path in unused.items():
            said[f"{known['benchmark']}: {path!r} as {name} is in no answer: not used."] = None
        found += [Note(text) for text in said if text]
        short = {language: dict(zip(ids, common_ids([*ids], language), strict=True))
                 for language, ids in names.items()}  # fmt: skip
        for each in found:
            if isinstance(each, dict):
                each["item"] = short[str(each["language"])][str(each["item"])]
            yield each


_COLUMNS = (
    "language",
    "item",
    "model",
    "prompt",
    "wording",
    "correct",
    "source_language",
    "config",
)


def value_at(record: object, path: str, task: str = "") -> Any:
    """Value at a dotted path of a parsed record, numbers going into lists; None without one."""
    value = record
    for part in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(task if part == "{task}" else part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def text_of(value: object) -> str:
    """A name as text: whole floats without their point, None as nothing."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()


def text_at(record: object, *paths: str) -> str:
    """Text at the first of these dotted paths that holds any; empty without one."""
    return next((text for path in paths if (text := text_of(value_at(record, path)))), "")


def first_language(*texts: str) -> str:
    """First of several texts that names a language; empty without one."""
    return next((text for text in texts if is_language(text)), "")


def pick_score(offered: Iterable[str], choices: Choices) -> str:
    """Score that counts: the user's, else the first preferred, else the only one, or ``""``."""
    names = list(offered)
    if (wanted := choices.settings.get("metric")) and REGRADED not in names:
        return wanted if wanted in names else ""
    ranked = [name for name in PREFERRED if name in names]
    return ranked[0] if ranked else names[0] if len(names) == 1 else ""


def metric_note(benchmark: str, chosen: str, offered: Iterable[str], kind: str = "metric") -> str:
    """The sentence that says which of several metrics counts; empty where there is no choice."""
    others = sorted({*offered} - {chosen}, key=lambda name: (name not in PREFERRED, name))
    if chosen == REGRADED or not (chosen and others):
        return ""
    more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
    return (
        f"{benchmark}: the {kind} is {chosen}; also there: {', '.join(others[:_SHOWN])}{more} "
        f"(settings={{{kind!r}: 'NAME'}})."
    )


def pick_filter(offered: Iterable[str], choices: Choices) -> str:
    """Name of the filter that counts: the user's, else the first declared, else by the alphabet."""
    names = sorted(offered)
    if wanted := choices.settings.get("filter"):
        return wanted if wanted in names else ""
    ranked = [name for name in FILTERS if name in names]
    return ranked[0] if ranked else names[0]


def which_metric(names: Iterable[str], rows: int = 1) -> LeftOut:
    """Answers or totals without a score that any rule chooses."""
    offered = ", ".join(names)
    ask = f"which of {offered} counts?" if offered else "no score of right and wrong"
    return LeftOut(f"{ask} (settings={{'metric': 'NAME'}})", rows)


def usual_size(benchmark: str) -> int:
    """Number of items that a benchmark has in one language, 0 where it is not known or varies."""
    return next((family.size for family in FAMILIES if family.benchmark == benchmark), 0)


def total(
    names: Record, share: float, choices: Choices, recorded: object = None, error: object = None
) -> Iterator[Record | LeftOut | Note]:
    """A total from the share that is right, of as many items as the log records.

    Else of those that the user says, or that the benchmark has if the standard `error` (of sqrt(p
    (1 - p) / (n - 1))) agrees, or that the error alone leaves.
    """
    benchmark, language = str(names["benchmark"]), str(names["language"])
    said = choices.of("n_trials", benchmark, language)
    n = float(recorded) if isinstance(recorded, int | float) and recorded > 0 else 0.0
    low, high = (0, 0) if n else _items_by_error(share, error)
    if n and said and float(said) != n:
        yield Note(
            f"{benchmark}: the logs record {n:g} items, so that n_trials={said} was not used."
        )
    n = n or float(said or 0)
    if n and high and not low <= n <= high:
        yield Note(
            f"{benchmark}: n_trials={n:g} does not fit the standard errors, which need {low} to "
            f"{high} items."
        )
    usual = usual_size(benchmark)
    if not n and usual and (low <= usual <= high or error is None):
        n, agree = float(usual), ", which the standard errors agree with" if high else ""
        yield Note(
            f"{benchmark}: numbers of items are not in the logs; taken as those of the benchmark, "
            f"{usual}{agree}."
        )
    elif not n and high and high <= 1.02 * low:
        n = float(round((low + high) / 2))
        yield Note(f"{benchmark}: numbers of items computed from standard errors.")
    if not n:
        between = f"; by its standard error from {low} to {high}" if high else ""
        yield LeftOut(
            f"the number of items is not in the file{between} (settings={{'n_trials': 'N'}}, or "
            f"for one benchmark settings={{'n_trials@{benchmark}': 'N'}})"
        )
    elif not 0 <= share <= 1:
        yield LeftOut("the score is no proportion")
    else:
        count, whole = share * n, float(round(share * n))  # rounding alone is undone
        exact = abs(count - whole) < 1e-6 * max(1.0, count)
        yield {**names, "n_correct": whole if exact else count, "n_trials": n}


def _items_by_error(share: float, error: object) -> tuple[int, int]:
    """Fewest and most items for which a share has this standard error, as far as it is rounded.

    Zeros where it says nothing.
    """
    if not isinstance(error, float) or error <= 0 or not 0 < share < 1:
        return 0, 0
    half = 0.5 * 10.0 ** -len(repr(error).partition(".")[2].partition("e")[0])
    if half >= error:
        return 0, 0
    variance = share * (1 - share)
    return round(variance / (error + half) ** 2) + 1, round(variance / (error - half) ** 2) + 1


def is_right(response: str, target: str, how: str) -> bool:
    """Whether a response is the target (`exact`), or its last number is that of it (`numeric`)."""
    if how == "exact":
        return response.strip() == target.strip()
    numbers = [found[-1].replace(",", "") if (found := _NUMBER.findall(text)) else None
               for text in (response, target)]  # fmt: skip
    return None not in numbers and float(str(numbers[0])) == float(str(numbers[1]))


def _texts(value: object) -> list[str]:
    """All texts and numbers in a value, lists within lists and parts of messages included."""
    if isinstance(value, Mapping):
        value = value.get("text", value.get("content"))
    if isinstance(value, list | tuple):
        return [text for each in value for text in _texts(each)]
    return [] if value is None or isinstance(value, bool) else [text_of(value)]
