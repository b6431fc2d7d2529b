"""Rules that readers share: which score and filter count, right and wrong, names of fields."""

from __future__ import annotations

from collections.abc import Iterable

from hatstats.logs.readers.reader import Choices, Record
from hatstats.logs.task_names import is_language
from hatstats.study.frames.answers import ANSWER_WORDS

#: Scores that say right or wrong of one answer, the preferred first. Names of all harnesses.
PREFERRED = (
    "exact_match",
    "acc",
    "accuracy",
    "em",
    "correct",
    "is_correct",
    "extractive_match",
    "quasi_exact_match",
    "final_number_exact_match",
    "math_equiv",
    "prefix_exact_match",
    "quasi_prefix_exact_match",
    "pass@1",
    "acc_norm",
    "mc1",
)
#: Filters of lm-evaluation-harness: those which read more answers come first, because an answer
#: that is not read looks like one that is wrong.
FILTERS = ("custom-extract", "flexible-extract", "get_response", "strict-match",
           "remove_whitespace", "none")  # fmt: skip
RIGHT, WRONG = (frozenset().union(*words) for words in zip(*ANSWER_WORDS, strict=True))
#: Fields in which items, tasks and runs name their language, and the source language of an item.
LANGUAGE_FIELDS = ("language", "lang", "locale", "target_language")
SOURCE_FIELDS = ("source_language", "original_lang", "original_language")
NOT_JSON = "the line is not a whole JSON object"


def pick_score(offered: Iterable[str], choices: Choices) -> str:
    """Score that counts: the user's, else the first preferred, else the only one, or ``""``."""
    names = list(offered)
    if wanted := choices.settings.get("metric"):
        return wanted if wanted in names else ""
    ranked = [name for name in PREFERRED if name in names]
    return ranked[0] if ranked else names[0] if len(names) == 1 else ""


def pick_filter(offered: Iterable[str], choices: Choices) -> str:
    """Name of the filter that counts: the user's, else the first declared, else by the alphabet."""
    names = sorted(offered)
    if wanted := choices.settings.get("filter"):
        return wanted if wanted in names else ""
    ranked = [name for name in FILTERS if name in names]
    return ranked[0] if ranked else names[0]


def first_language(*texts: str) -> str:
    """First of several texts that names a language; empty without one."""
    return next((text for text in texts if is_language(text)), "")


def total_record(names: Record, share: float, n_trials: float) -> Record:
    """A total of `n_trials` items from the share that is right; rounding alone is undone."""
    count = share * n_trials
    whole = round(count)
    if abs(count - whole) < 1e-6 * max(1.0, abs(count)):
        count = float(whole)
    return {**names, "n_correct": count, "n_trials": n_trials}
